"""Whatever is sent: an answer of Graph's, never an exception, and nothing of it half done."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.units import HOUR_MS, Instant
from simulators.exchange import ExchangeSimulator, daily
from simulators.exchange.batch import answer_batch
from simulators.exchange.wire import Answer, Request

ADA, ORION = "ada@contoso.com", "orion@contoso.com"
NOW: Instant = 1_795_392_000_000
"""2026-11-23T00:00:00Z."""

pytestmark = pytest.mark.thorough  # outside of coverage: its virtual days take long with it

KEYS = [
    "subject", "body", "start", "end", "location", "locations", "attendees", "recurrence", "categories",
    "isAllDay", "isOnlineMeeting", "showAs", "singleValueExtendedProperties", "extensions", "emailAddress",
    "address", "name", "type", "dateTime", "timeZone", "pattern", "range", "interval", "daysOfWeek", "index",
    "numberOfOccurrences", "startDate", "endDate", "comment", "sendResponse", "proposedNewTime", "schedules",
    "startTime", "endTime", "availabilityViewInterval", "toRecipients", "changeType", "notificationUrl",
    "resource", "expirationDateTime", "clientState", "telemetry", "deviceId", "sensorType", "timestamp",
    "manufacturer", "sensors", "inputIds", "sourceIdType", "targetIdType", "timeSlots", "timeConstraint",
    "meetingDuration", "maxCandidates", "extensionName", "id", "value", "requests", "method", "url",
    "workingHours", "calendarEventId", "checkInMethod", "newReminderTime", "content", "contentType",
]  # fmt: skip
TEXTS = [
    "", "x", ORION, "2026-11-23T09:00:00", "2026-11-23", "2026-11-23T09:00:00Z", "9999-12-31T23:59:59", "UTC",
    "0001-01-01T00:00:00", "W. Europe Standard Time", "Nowhere",
    "daily", "weekly", "absoluteMonthly", "noEnd",
    "relativeYearly", "numbered", "endDate", "monday", "first", "PT1H", "occupancy", "created", "restId",
    f"/users/{ORION}/events", "https://hook.test/", "EventHub:https://x", "String {x} Name y", "verified",
]  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=False) | st.sampled_from(TEXTS)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
WHEN = {"start": {"dateTime": "2026-11-23T09:00:00"}, "end": {"dateTime": "2026-11-23T10:00:00"}}
PROPERTY = "String {00020329-0000-0000-C000-000000000046} Name x"
MOMENT = {"dateTime": "2026-11-23T11:00:00", "timeZone": "UTC"}
SLOT = {"start": MOMENT, "end": {"dateTime": "2026-11-23T13:30:00", "timeZone": "Europe/Berlin"}}
MAIL = {"emailAddress": {"address": ORION, "name": "Orion"}}
EVENT = SLOT | {
    "subject": "x",
    "body": {"contentType": "html", "content": "<p>x</p>"},
    "attendees": [MAIL | {"type": "resource"}],
    "location": {"displayName": "Hall", "address": {"city": "x"}},
    "locations": [{"displayName": "Hall"}, {"displayName": "Yard", "coordinates": {"latitude": 1.0}}],
    "categories": ["x"],
    "isAllDay": False,
    "showAs": "busy",
    "isOnlineMeeting": True,
    "recurrence": {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday",
                    "dayOfMonth": 1, "month": 1, "index": "first"},
        "range": {"type": "numbered", "startDate": "2026-11-23", "endDate": "2026-12-24",
                  "numberOfOccurrences": 3, "recurrenceTimeZone": "UTC"},
    },
    "singleValueExtendedProperties": [{"id": PROPERTY, "value": "y"}],
    "extensions": [{"extensionName": "com.contoso.x", "n": 1}],
    "transactionId": "t",
}  # fmt: skip
DEVICE = {"deviceId": "d", "manufacturer": "m", "tags": ["x"], "sensors": [{"sensorType": "occupancy"}]}
ROUTES: dict[tuple[str, str], Any] = {
    ("POST", "events"): EVENT,
    ("PATCH", "events/*"): {name: value for name, value in EVENT.items() if name != "recurrence"},
    ("PATCH", "events/+"): EVENT,
    ("POST", "events/*/decline"): {"comment": "x", "sendResponse": True, "proposedNewTime": SLOT},
    ("POST", "events/*/accept"): {"comment": "x", "sendResponse": True},
    ("POST", "events/*/forward"): {"toRecipients": [MAIL], "comment": "x"},
    ("POST", "events/*/cancel"): {"comment": "x"},
    ("POST", "events/*/extensions"): {"extensionName": "com.contoso.x", "n": [1]},
    ("POST", "events/*/snoozeReminder"): {"newReminderTime": MOMENT},
    ("POST", "calendar/getSchedule"): {
        "schedules": [ORION],
        "startTime": MOMENT,
        "endTime": SLOT["end"] | {"timeZone": "UTC"},
        "availabilityViewInterval": 30,
    },
    ("POST", "findMeetingTimes"): {
        "attendees": [MAIL],
        "timeConstraint": {"timeSlots": [SLOT]},
        "meetingDuration": "PT1H",
        "maxCandidates": 3,
    },
    ("POST", "translateExchangeIds"): {
        "inputIds": ["x"],
        "sourceIdType": "restId",
        "targetIdType": "restImmutableEntryId",
    },
    ("PATCH", "mailboxSettings"): {
        "timeZone": "UTC",
        "workingHours": {"daysOfWeek": ["monday"], "startTime": "08:00:00", "endTime": "17:00:00"},
    },
    ("DELETE", "events/*"): {},
    ("POST", "/subscriptions"): {
        "changeType": "created",
        "notificationUrl": "https://hook.test/",
        "lifecycleNotificationUrl": "https://hook.test/",
        "resource": f"/users/{ORION}/events",
        "expirationDateTime": "2026-11-24T00:00:00Z",
        "clientState": "x",
        "includeResourceData": False,
        "encryptionCertificate": "x",
    },
    ("POST", f"/places/{ORION}/checkIns"): {"calendarEventId": "x", "checkInMethod": "verified"},
    ("PATCH", f"/places/{ORION}"): {"capacity": 4, "tags": ["x"], "address": {"city": "x"}},
    ("POST", "/workplace/sensorDevices"): DEVICE,
    ("POST", "/workplace/sensorDevices/ingestTelemetry"): {
        "telemetry": [
            {
                "deviceId": "d",
                "sensorType": "occupancy",
                "boolValue": True,
                "timestamp": "2026-11-23T09:00:00Z",
            }
        ]
    },
    ("POST", "/$batch"): {"requests": [{"id": "1", "method": "GET", "url": "/users/x", "dependsOn": []}]},
}
"""By route: a body that is taken."""


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place within a body, the body itself left out."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [spot for key, one in inner for spot in spots(one, (*path, key))]


def altered(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The body with something else in one place."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = altered(value[path[0]], path[1:], new)
    return copy


@st.composite
def requests(draw: st.DrawFn) -> tuple[tuple[str, str], Any]:
    """A route, and a right body with something else in one or two places, or any body at all."""
    route = draw(st.sampled_from(list(ROUTES)))
    body = ROUTES[route]
    if not body or draw(st.integers(0, 9)) == 0:
        return route, draw(BODIES)
    for _ in range(draw(st.integers(1, 2))):
        places = spots(body)
        if places:
            body = altered(body, draw(st.sampled_from(places)), draw(VALUES))
    return route, body


OPTIONS = [
    "$select",
    "$top",
    "$skip",
    "$filter",
    "$orderby",
    "$expand",
    "$count",
    "startDateTime",
    "endDateTime",
]
ROLES = (
    "Place.ReadWrite.All",
    "MailboxSettings.ReadWrite",
    "Calendars.ReadWrite",
    "PlaceDevice.ReadWrite.All",
)


def tenant() -> tuple[ExchangeSimulator, str, dict[str, str]]:
    """A series in a room, the id of its first occurrence, and headers that may do everything."""
    exchange = ExchangeSimulator(rooms=[ORION], now=lambda: NOW, wall_clock=lambda: NOW / 1_000)
    exchange.graph.subscriptions.trusting = True
    exchange.book(ADA, ORION, NOW + 9 * HOUR_MS, NOW + 10 * HOUR_MS, recurrence=daily(count=3))
    [first, *_] = exchange.calendar(ORION, NOW, NOW + 24 * HOUR_MS)
    token = exchange.identity.issue_delegated_token(ORION, *ROLES, "User.Read")
    return exchange, first.id, {"authorization": f"Bearer {token}"}


def answered(exchange: ExchangeSimulator, request: Request) -> Answer:
    """As the app does it, without a socket."""
    if request.path.endswith("/$batch"):
        return answer_batch(request, exchange.graph.answer, exchange.graph.refuse)
    return exchange.graph.answer(request)


@settings(max_examples=120)
@given(requests())
@example((("POST", "events"), EVENT | {"recurrence": ROUTES["POST", "events"]["recurrence"] | {"range": {}}}))
@example((("POST", "findMeetingTimes"), {"timeConstraint": ["x"]}))
@example((("POST", "/workplace/sensorDevices"), {"deviceId": "d", "manufacturer": "m", "sensors": True}))
@example((("POST", "calendar/getSchedule"), {"schedules": [ORION], "startTime": MOMENT, "endTime": MOMENT}))
def test_any_body_is_answered(sent: tuple[tuple[str, str], Any]) -> None:
    """2xx or 4xx in Graph's shape; the room's calendar can still be read after."""
    exchange, event_id, headers = tenant()
    (method, name), body = sent
    own = exchange.book_in_room(ORION, NOW + 20 * HOUR_MS, NOW + 21 * HOUR_MS).id
    below = name.replace("*", event_id).replace("+", own)
    path = f"/beta{name}" if name.startswith("/") else f"/v1.0/users/{ORION}/{below}"
    answer = answered(exchange, Request(method, path, "", headers, json.dumps(body).encode()))
    assert 200 <= answer.status < 500, (answer.status, answer.body)
    if answer.status >= 400:
        assert {"code", "message", "innerError"} == set(json.loads(answer.body or b"")["error"])
    query = "startDateTime=2026-11-23&endDateTime=2026-12-23&$top=500"
    view = exchange.graph.answer(Request("GET", f"/v1.0/users/{ORION}/calendarView", query, headers))
    assert view.status == 200


def test_every_body_that_is_altered_was_right() -> None:
    """Or the test above would prove little."""
    for (method, name), body in ROUTES.items():
        exchange, event_id, headers = tenant()
        own = exchange.book_in_room(ORION, NOW + 20 * HOUR_MS, NOW + 21 * HOUR_MS, attendees=[ADA]).id
        used = own if "cancel" in name else event_id
        below = name.replace("*", used).replace("+", own)
        path = f"/beta{name}" if name.startswith("/") else f"/v1.0/users/{ORION}/{below}"
        answer = answered(exchange, Request(method, path, "", headers, json.dumps(body).encode()))
        expected = ("ErrorInvalidIdMalformed",) if "translate" in name else ()
        assert answer.status < 400 or any(code in str(answer.body) for code in expected), (name, answer.body)


@settings(max_examples=120)
@given(
    st.sampled_from(
        ["calendarView", "events", "calendarView/delta", "events/*", "events/*/instances", "calendars"]
    ),
    st.dictionaries(st.sampled_from(OPTIONS), st.sampled_from([*TEXTS, "1", "subject eq 'x'", "extensions"])),
    st.sampled_from(["", 'outlook.timezone="Nowhere"', "odata.maxpagesize=0", 'IdType="x", ,=,"', "=" * 40]),
)
def test_any_query_is_answered(name: str, options: dict[str, str], prefer: str) -> None:
    """The same for reads."""
    exchange, event_id, headers = tenant()
    path = f"/v1.0/users/{ORION}/{name.replace('*', event_id)}"
    answer = exchange.graph.answer(Request("GET", path, urlencode(options), headers | {"prefer": prefer}))
    assert answer.status in (200, 400, 404), (answer.status, answer.body)
