"""The simulator's JSON against examples that Microsoft has published: each of them has a use here.

`@used(NAME, KIND)` says what an example is for. KIND is one of: *reproduced* (the simulator gives the same
keys and types), *accepted* (it takes the example as a request), *parsed* (the gateway reads it right).
An example without a use fails, and so does a use without an example.
"""

import base64
import datetime as dt
import json
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.exchange.errors import (
    ConflictError,
    ForbiddenError,
    ItemGoneError,
    MailboxError,
    RefusedError,
    RetryableError,
    UnclearError,
    from_answer,
    graph_codes,
)
from gateway.exchange.models import parse_event
from simulators.exchange import PRESETS, ExchangeSimulator, Fault, Processing, daily
from simulators.exchange.notifications import Reply
from simulators.exchange.places import RoomDetails

ADA, BEN, ORION = "ada@contoso.com", "ben@contoso.com", "orion@contoso.com"
SHARED = Path(os.environ.get("OCCUPANCY_SHARED", Path(__file__).parents[4] / "shared"))
EXAMPLES = SHARED / "data" / "graph"
WEEK = {"startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2026-11-30T00:00:00Z"}
HUB = "EventHub:https://contoso.servicebus.windows.net/eventhubname/rooms?tenantId=contoso.com"

pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="the published examples are not beside the tree"
)


class Stage:
    """Everything that a use may need."""

    def __init__(self, graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: Callable[..., int]) -> None:
        self.graph = graph
        self.exchange = exchange
        self.at = at
        self.posted: list[Any] = []
        exchange.app.sender = self.hook
        exchange.mailboxes.add_person(ADA)
        exchange.mailboxes.add_person(BEN)

    async def hook(self, url: str, body: bytes, _headers: Any) -> Reply:
        """A subscriber."""
        token = httpx.URL(url).params.get("validationToken")
        if token is not None:
            return Reply(200, "text/plain", token.encode())
        self.posted.append(json.loads(body))
        return Reply(202)

    async def deliver(self) -> Any:
        """What the subscriber is sent next."""
        await self.exchange.graph.subscriptions.notifier.deliver(self.hook)
        return self.posted[-1]

    async def get(self, url: str, prefer: str = "", **parameters: str) -> Any:
        """The JSON of a read that must succeed."""
        answer = await self.graph.get(url, params=parameters or None, headers={"prefer": prefer})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, url: str, body: Any, status: int = 201) -> Any:
        """The JSON of a write that must succeed."""
        answer = await self.graph.post(url, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def subscribe(self, **changed: Any) -> Any:
        """A subscription to the room's events."""
        body = {
            "changeType": "created",
            "notificationUrl": "https://hook.test/",
            "lifecycleNotificationUrl": "https://hook.test/lifecycle",
            "resource": f"/users/{ORION}/events",
            "expirationDateTime": "2026-11-23T20:00:00Z",
            "clientState": "state",
        }
        return await self.post("/subscriptions", body | changed)

    def book(self, **fields: Any) -> Any:
        """A meeting from nine to ten."""
        return self.exchange.book(ADA, ORION, self.at(9), self.at(10), **fields)

    async def signed_in(self, method: str, url: str, body: Any = None) -> httpx.Response:
        """As somebody who may do everything."""
        token = self.exchange.identity.issue_delegated_token(ADA, "Calendars.ReadWrite")
        headers = {"authorization": f"Bearer {token}"}
        return await self.graph.request(method, url, json=body, headers=headers)


Use = Callable[[Stage, Any], Awaitable[None]]
USES: Final[dict[str, tuple[str, Use]]] = {}


def used(name: str, kind: str) -> Callable[[Use], Use]:
    """Register what an example is for."""

    def register(use: Use) -> Use:
        assert kind in ("reproduced", "accepted", "parsed")
        assert name not in USES
        USES[name] = (kind, use)
        return use

    return register


def example(name: str) -> Any:
    """One published example."""
    return json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))


def names() -> list[str]:
    """All that the index lists."""
    if not EXAMPLES.is_dir():
        return []
    return sorted(
        name.removesuffix(".json") for name in json.loads((EXAMPLES / "_index.json").read_text("utf-8"))
    )


@pytest.mark.parametrize("name", names())
async def test_every_published_example_has_its_use(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: Callable[..., int], name: str
) -> None:
    """And the use holds."""
    assert name in USES, f"{name}.json is used by nothing: give it a use"
    await USES[name][1](Stage(graph, exchange, at), example(name))


def test_every_use_has_its_example() -> None:
    """None is of a file that is gone, and no file lies beside the index."""
    assert set(USES) == set(names())
    assert {path.stem for path in EXAMPLES.glob("*.json")} == {*names(), "_index"}


# Comparing shapes

FORMS: Final = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}": "time without zone",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)": "time with zone",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d": "time of an error",
    r"W/\"[A-Za-z0-9+/]+=*\"": "etag",
    r"0400000082[0-9A-F]+": "iCalUId",
}


def shape(value: Any) -> Any:
    """What a value looks like: types, keys, and the form of texts that have one."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str):
        return next((form for pattern, form in FORMS.items() if re.fullmatch(pattern, value)), "text")
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def assert_covers(shown: Any, published: Any, *, but: str = "", path: str = "") -> None:
    """Everything that is published is shown, with the same shape; null may stand for anything.

    `but`: names that today's Graph does not have (any more), or that are of beta only, with commas between.
    """
    if isinstance(published, dict):
        assert isinstance(shown, dict), path
        for key, value in published.items():
            if key not in but.split(","):
                assert key in shown, f"{path}/{key} is missing"
                assert_covers(shown[key], value, but=but, path=f"{path}/{key}")
    elif isinstance(published, list):
        assert isinstance(shown, list), path
        if published and shown:
            assert_covers(shown[0], published[0], but=but, path=f"{path}/0")
        elif published:
            pytest.fail(f"{path} is empty")
    elif published is not None and shown is not None and published not in ("", "NA"):
        assert shape(shown) == shape(published), path


def body_of(published: Any, *fields: str) -> Any:
    """The request that may have led to a published answer."""
    return {name: published[name] for name in fields if name in published}


_REQUEST: Final = ("subject", "body", "start", "end", "attendees", "location", "isOnlineMeeting")
NO_ID: Final = "uniqueId"
"""An example cannot say what a list of several holds: `locations` lacks its uniqueId there."""


# Events


@used("event_create_response_single_instance", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """For the request of the example, to the letter: no key more or less."""
    made = await stage.post(
        f"/users/{ADA}/events", body_of(published, *_REQUEST) | {"transactionId": published["transactionId"]}
    )
    assert set(made) == set(published)
    assert_covers(made, published, but=NO_ID)


@used("event_create_response_online_meeting", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A Teams meeting with its address to join."""
    made = await stage.post(f"/users/{ADA}/events", body_of(published, *_REQUEST))
    assert made["onlineMeetingProvider"] == "teamsForBusiness"
    assert made["onlineMeeting"]["joinUrl"].startswith("https://teams.microsoft.com/l/meetup-join/")
    assert_covers(made, published, but=f"{NO_ID},conferenceId,tollNumber,quickDial,tollFreeNumbers,phones")


@used("event_create_response_multiple_locations", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Addresses and coordinates are kept; one name stands for all."""
    body = body_of(published, *(name for name in _REQUEST if name != "location"), "locations")
    made = await stage.post(f"/users/{ADA}/events", body)
    assert made["location"]["displayName"] == published["location"]["displayName"]
    assert [shape(one) | {"uniqueId": ""} for one in made["locations"]] == [
        shape(one) | {"uniqueId": ""} for one in published["locations"]
    ]
    assert_covers(made, published, but=NO_ID)


@used("event_get_multiple_locations", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The same, selected."""
    body = body_of(published, "subject", "body", "start", "end", "attendees", "locations")
    made = await stage.post(f"/users/{ADA}/events", body)
    fields = published["@odata.context"].partition("(subject")[2].partition(")")[0]
    found = await stage.get(f"/users/{ADA}/events/{made['id']}", **{"$select": f"subject{fields}"})
    assert set(found) == set(published)
    assert_covers(found, published, but=NO_ID)
    assert found["locations"][1]["coordinates"] == published["locations"][1]["coordinates"]


@used("event_get_selected", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A single event with `$select`, and a proposal of another time."""
    made = await stage.post(f"/users/{ADA}/events", body_of(published, *_REQUEST, "hideAttendees"))
    fields = "subject,body,bodyPreview,organizer,attendees,start,end,location,locations,hideAttendees"
    found = await stage.get(f"/users/{ADA}/events/{made['id']}", **{"$select": fields})
    assert set(found) == set(published)
    assert_covers(found, published, but=f"{NO_ID},proposedNewTime")


@used("event_get_body_text", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The body as text on request."""
    stage.exchange.mailboxes.deliver_to_people = True
    event = stage.book(subject=published["subject"], body=f"<p>{published['bodyPreview']}</p>")
    url = f"/users/{ADA}/events/{event.id}"
    found = await stage.get(
        url, 'outlook.body-content-type="text"', **{"$select": "subject,body,bodyPreview"}
    )
    assert set(found) == set(published)
    assert (found["body"]["contentType"], found["bodyPreview"]) == ("text", published["bodyPreview"])
    assert_covers(found, published)


@used("event_list", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A list with a selection, in a zone of the client's."""
    stage.exchange.book(ADA, ORION, stage.at(9), stage.at(10), attendees=[BEN], location="Hall")
    fields = "subject,body,bodyPreview,organizer,attendees,start,end,location,locations"
    zone = 'outlook.timezone="Pacific Standard Time"'
    found = await stage.get(f"/users/{ADA}/events", zone, **{"$select": fields})
    assert found["value"][0]["start"]["timeZone"] == published["value"][0]["start"]["timeZone"]
    assert_covers(found, published, but=NO_ID)


@used("event_instances_list", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The selection of the example, property by property."""
    series = stage.book(recurrence=daily(count=3))
    fields = "subject,bodyPreview,seriesMasterId,type,recurrence,start,end"
    found = await stage.get(f"/users/{ADA}/events/{series.id}/instances", **WEEK, **{"$select": fields})
    assert set(found) == set(published)
    assert [set(one) for one in found["value"]] == [set(published["value"][0])] * 3
    assert found["@odata.context"].endswith(f"/instances({fields})")
    assert published["@odata.context"].endswith(f"/instances({fields})")
    assert_covers(found, published)


@used("event_get_series_master_exception_and_cancelled_occurrences", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """`OID.<master>.<date>` when selected, exceptions when expanded."""
    series = stage.book(recurrence=daily(count=3))
    stage.exchange.cancel(series, occurrence=stage.at(9, day=1))
    stage.exchange.move(series, stage.at(12, day=2), stage.at(13, day=2), occurrence=stage.at(9, day=2))
    url = f"/users/{ADA}/events/{series.id}"
    chosen = await stage.get(
        url,
        **{
            "$select": "subject,start,end,occurrenceId,cancelledOccurrences",
            "$expand": "exceptionOccurrences",
        },
    )
    assert chosen["cancelledOccurrences"] == [f"OID.{chosen['id']}.2026-11-24"]
    assert published["cancelledOccurrences"][0] == f"OID.{published['id']}.2020-04-30"
    assert "cancelledOccurrences" not in await stage.get(url)
    # The example spells one `Subject`; a master has no occurrenceId of its own.
    assert_covers(chosen, published, but="Subject,occurrenceId")
    assert chosen["exceptionOccurrences"][0]["occurrenceId"] == f"OID.{chosen['id']}.2026-11-25"


@used("event_with_single_value_extended_property", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The property of the example (a message's there), on an event: written, and read by `$expand`."""
    [wanted] = published["singleValueExtendedProperties"]
    when = {"dateTime": "2026-11-23T09:00:00", "timeZone": "UTC"}
    body = {"start": when, "end": when, "singleValueExtendedProperties": [wanted]}
    made = await stage.post(f"/users/{ADA}/events", body)
    expand = f"singleValueExtendedProperties($filter=id eq '{wanted['id']}')"
    found = await stage.get(f"/users/{ADA}/events/{made['id']}", **{"$expand": expand})
    assert found["singleValueExtendedProperties"] == published["singleValueExtendedProperties"]


@used("event_decline_request", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """Comment and proposed time reach the organizer."""
    event = stage.book()
    [copy] = stage.exchange.calendar(ORION, stage.at(0), stage.at(24))
    await stage.post(f"/users/{ORION}/events/{copy.id}/decline", published, 202)
    assert stage.exchange.messages_to(ADA)[-1].comment == published["comment"]
    shown = (await stage.get(f"/users/{ADA}/events/{event.id}"))["attendees"][0]
    assert shown["proposedNewTime"]["start"]["dateTime"] == "2019-12-03T02:00:00.0000000"  # Pacific, in UTC


@used("delta_occurrence_reduced_fields", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Only these fields; they are too few for a booking, and the gateway says so."""
    stage.book(recurrence=daily(count=3))
    rows = (await stage.get(f"/users/{ORION}/calendarView/delta", **WEEK))["value"]
    [thin, *_] = [row for row in rows if row["type"] == "occurrence"]
    assert set(thin) == set(published)
    assert_covers(thin, published)
    assert parse_event(published).ical_uid is None


async def _delta(stage: Stage, published: Any, link: str) -> None:
    for hour in (9, 11, 13):
        stage.exchange.book(ADA, ORION, stage.at(hour), stage.at(hour + 1), attendees=[BEN])
    page = await stage.get(f"/users/{ORION}/calendarView/delta", "odata.maxpagesize=2", **WEEK)
    if link == "@odata.deltaLink":
        page = await stage.get(page["@odata.nextLink"])
    assert page["@odata.context"].endswith("$metadata#Collection(event)")
    assert set(page) == set(published) == {"@odata.context", "value", link}
    assert re.search(r"/calendarView/delta\?\$(skip|delta)token=\w+", page[link])
    assert_covers(page, published)


@used("calendarview_delta_page1_nextlink", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A first page."""
    await _delta(stage, published, "@odata.nextLink")


@used("calendarview_delta_page2_nextlink", "parsed")
async def _(_stage: Stage, published: Any) -> None:
    """Thin as the example is (no iCalUId): readable, and no booking by itself."""
    assert [parse_event(row).id for row in published["value"]] == [row["id"] for row in published["value"]]


@used("calendarview_delta_page3_deltalink", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A last page."""
    await _delta(stage, published, "@odata.deltaLink")


@used("calendarview_delta_next_round_with_removed", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """What is gone, then what is new."""
    stage.book()
    page = await stage.get(f"/users/{ORION}/calendarView/delta", **WEEK)
    [copy] = stage.exchange.calendar(ORION, stage.at(0), stage.at(24))
    stage.exchange.mailboxes.respond(stage.exchange.mailboxes.mailbox(ORION), copy.id, "declined")
    stage.exchange.book(ADA, ORION, stage.at(11), stage.at(12), location="Chapel")
    page = await stage.get(page["@odata.deltaLink"])
    gone, new = page["value"]
    assert set(gone) == set(published["value"][0])
    assert gone["@removed"] == published["value"][0]["@removed"]
    assert_covers(new, published["value"][1], but="address,coordinates")


@used("events_delta_beta_page_nextlink", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Beta's delta without a window; its own undocumented extras are left out."""
    for hour in (9, 11):
        stage.exchange.book(ADA, ORION, stage.at(hour), stage.at(hour + 1), attendees=[BEN])
    url = f"https://graph.test/beta/users/{ORION}/events/delta"
    page = await stage.get(url, "odata.maxpagesize=1")
    extras = "uid,IsRoomRequested,AutoRoomBookingStatus,OccurrenceId,AutoRoomBookingOptions"
    assert_covers(page, published, but=f"{extras},address,coordinates,proposedNewTime")


# Schedules, settings, places


@used("getschedule_response_custom_timezone", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Items in the preferred zone, working hours in the mailbox's."""
    stage.book()
    day = (
        {"dateTime": "2026-11-23T00:00:00", "timeZone": "UTC"},
        {"dateTime": "2026-11-24T00:00:00", "timeZone": "UTC"},
    )
    body = {"schedules": [ORION], "startTime": day[0], "endTime": day[1]}
    headers = {"prefer": 'outlook.timezone="Pacific Standard Time"'}
    answer = await stage.graph.post(f"/users/{ORION}/calendar/getSchedule", json=body, headers=headers)
    assert_covers(answer.json(), published)
    assert answer.json()["value"][0]["scheduleItems"][0]["start"]["timeZone"] == "Pacific Standard Time"


@used("findmeetingtimes_response", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """For somebody who signed in."""
    slot = {
        "start": {"dateTime": "2026-11-23T08:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-23T10:00:00", "timeZone": "UTC"},
    }
    body = {"attendees": [{"emailAddress": {"address": ORION}}], "timeConstraint": {"timeSlots": [slot]}}
    found = (await stage.signed_in("POST", "/me/findMeetingTimes", body)).json()
    assert_covers(found, published)
    assert set(found) == set(published)


@used("mailboxsettings_get_v1_userpurpose_object", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """All but the purpose, which the metadata types as a plain text."""
    found = await stage.get(f"/users/{ORION}/mailboxSettings")
    assert_covers(found, published, but="userPurpose")
    assert found["userPurpose"] == "room"


@used("mailboxsettings_userpurpose", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The one property."""
    found = await stage.get(f"/users/{ADA}/mailboxSettings/userPurpose")
    assert found["value"] == published["value"]
    assert set(found) == set(published)


def _furnish(stage: Stage, published: Any) -> None:
    known = {name: published[name] for name in RoomDetails.__struct_fields__ if name in published}
    room = stage.exchange.mailboxes.mailbox(ORION)
    stage.exchange.graph.places.details[room.id] = msgspec.convert(known, RoomDetails)


@used("room_get", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A furnished room; two properties have been renamed since."""
    _furnish(stage, published)
    found = await stage.get(f"/places/{ORION}")
    assert_covers(found, published, but="isManaged,displayDevice")
    assert found["capacity"] == published["capacity"]


@used("room_list", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The same in the list of all rooms."""
    _furnish(stage, published["value"][0])
    found = await stage.get("/places/microsoft.graph.room")
    assert found["@odata.context"].endswith("places/microsoft.graph.room")
    assert_covers(found, published, but="isManaged,displayDevice")


@used("room_list_in_roomlist_nulls", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """An unfurnished room has null for most of it."""
    [one] = (await stage.get("/places/microsoft.graph.roomlist"))["value"]
    found = await stage.get(f"/places/{one['emailAddress']}/microsoft.graph.roomlist/rooms")
    context = r"places\('[^@']+%40[^@']+'\)/microsoft\.graph\.roomList/rooms$"
    assert re.search(context, found["@odata.context"])
    assert re.search(context, published["@odata.context"])
    assert_covers(found, published)
    nulls = {name for name, value in published["value"][0].items() if value is None}
    assert all(found["value"][0][name] is None for name in nulls)


@used("roomlist_list", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Names and addresses of the lists; the example misspells geoCoordinates."""
    found = await stage.get("/places/microsoft.graph.roomlist")
    assert found["@odata.context"].endswith("places/microsoft.graph.roomList")
    assert_covers(found, published, but="geocoordinates,street,city,state,postalCode,countryOrRegion,address")


@used("checkin_create_request", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """By somebody who signed in; an application is refused."""
    url = f"/places/{ORION}/checkIns"
    assert (await stage.graph.post(url, json=published)).status_code == 403
    assert (await stage.signed_in("POST", url, published)).status_code == 201


@used("checkin_create_response", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The claim as it was taken."""
    body = body_of(published, "@odata.type", "calendarEventId", "checkInMethod")
    made = (await stage.signed_in("POST", f"/places/{ORION}/checkIns", body)).json()
    assert made | {"createdDateTime": ""} == published | {"createdDateTime": ""}
    assert_covers(made, published)


@used("checkin_get_response_value_wrapped", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Wrapped in `value`."""
    claim = published["value"]
    url = f"/places/{ORION}/checkIns"
    await stage.signed_in("POST", url, body_of(claim, "calendarEventId", "checkInMethod"))
    found = (await stage.signed_in("GET", f"{url}/{claim['calendarEventId']}")).json()
    assert_covers(found, published)


_DEVICES: Final = "https://graph.test/beta/workplace/sensorDevices"


@used("sensordevice_create_request_beta", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """All of it is kept."""
    made = await stage.post(_DEVICES, published)
    assert {name: made[name] for name in published if name != "sensors"} == {
        name: value for name, value in published.items() if name != "sensors"
    }


@used("sensordevice_create_response_beta", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """For the request that it answers, but for the id."""
    made = await stage.post(_DEVICES, example("sensordevice_create_request_beta"))
    assert made | {"id": "", "@odata.context": ""} == published | {"id": "", "@odata.context": ""}


@used("ingest_telemetry_request_beta", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """204, and kept to be looked at."""
    await stage.post(f"{_DEVICES}/ingestTelemetry", published, 204)
    assert stage.exchange.graph.workplace.telemetry == published["telemetry"]


# Change notifications


@used("subscription_create_response", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The basic form."""
    assert_covers(await stage.subscribe(), published)


@used("subscription_create_response_outlook", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """With all that may be null, and nothing else."""
    made = await stage.subscribe()
    assert set(made) == set(published)
    assert_covers(made, published)


@used("subscription_list", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """One's own."""
    await stage.subscribe()
    assert_covers(await stage.get("/subscriptions"), published)


@used("subscription_renew_response", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The whole subscription again."""
    made = await stage.subscribe()
    body = {"expirationDateTime": "2026-11-24T00:00:00Z"}
    answer = await stage.graph.patch(f"/subscriptions/{made['id']}", json=body)
    assert_covers(answer.json(), published)


async def _subscribe_as(stage: Stage, published: Any, **changed: Any) -> Any:
    """Create as the example says, but for mailbox and time, which are of its own day."""
    fresh = {"resource": f"/users/{ORION}/events", "expirationDateTime": "2026-11-23T20:00:00.0000000Z"}
    made = await stage.post("/subscriptions", published | fresh | changed)
    for name in ("changeType", "notificationUrl", "clientState"):
        assert made[name] == published[name]
    return made


@used("subscription_create_request_lifecycle", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """Its lifecycle address is kept."""
    made = await _subscribe_as(stage, published)
    assert made["lifecycleNotificationUrl"] == published["lifecycleNotificationUrl"]


@used("subscription_create_request_eventgrid", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """Capitalised changes, and no handshake."""
    await _subscribe_as(stage, published)
    assert stage.posted == []


@used("subscription_create_request_eventhub_CONSTRUCTED", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """No handshake either."""
    await _subscribe_as(stage, published)


def _certificate() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "invented")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2040, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


_RICH: Final = f"/users/{ORION}/events?$select=subject"


def _rich() -> dict[str, Any]:
    certificate = {"encryptionCertificate": _certificate(), "encryptionCertificateId": "c"}
    return {"resource": _RICH, "includeResourceData": True, **certificate}


@used("subscription_create_request_rich", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """With a real certificate in place of the words, and a selection, which Outlook asks for."""
    made = await _subscribe_as(stage, published, encryptionCertificate=_certificate(), resource=_RICH)
    assert made["encryptionCertificateId"] == published["encryptionCertificateId"]


async def _notified(stage: Stage, published: Any, **changed: Any) -> None:
    await stage.subscribe(**changed)
    stage.book()
    assert_covers(await stage.deliver(), published, but="id")  # the ids of the examples are words in brackets


@used("notification_basic_event_CONSTRUCTED", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """About an event."""
    await _notified(stage, published)
    resource = stage.posted[-1]["value"][0]["resource"]
    pattern = r"Users/[0-9a-f-]{36}/Events/AAMkAG\S+"
    assert re.fullmatch(pattern, resource)
    assert re.fullmatch(pattern, published["value"][0]["resource"])


@used("notification_basic_message", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The same keys as about a message."""
    await _notified(stage, published)


@used("notification_basic_outlook_message", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The newer example: an expiry with an offset."""
    await _notified(stage, published)


@used("notification_rich_outlook_message", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Encrypted content and validation tokens."""
    await _notified(stage, published, **_rich())


@used("validation_token_jwt_payload", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Issued to Change Tracking, for the subscriber."""
    await stage.subscribe(**_rich())
    stage.book()
    [token] = (await stage.deliver())["validationTokens"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert set(claims) == set(published)
    assert_covers(claims, published)
    assert claims["appid"] == published["appid"]


@used("eventhub_validation_message", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """What a hub gets first, and has to ignore."""
    await stage.subscribe(notificationUrl=HUB, lifecycleNotificationUrl=None)
    await stage.exchange.graph.subscriptions.notifier.deliver(stage.hook)
    [(_, told)] = stage.exchange.graph.subscriptions.notifier.sent
    assert set(told) == set(published["value"][0])
    assert_covers(told, published["value"][0])
    start = "Validation: Testing client application reachability for subscription Request-Id: "
    assert told["changeType"].startswith(start)
    assert published["value"][0]["changeType"].startswith(start)


async def _lifecycle(stage: Stage, published: Any, event: str) -> None:
    made = await stage.subscribe()
    stage.exchange.graph.subscriptions.lifecycle(made["id"], event)
    told = await stage.deliver()
    assert told["value"][0]["lifecycleEvent"] == published["value"][0]["lifecycleEvent"] == event
    assert_covers(told, published)


@used("lifecycle_missed", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A notification was lost."""
    await _lifecycle(stage, published, "missed")


@used("lifecycle_reauthorization_required", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """It pauses."""
    await _lifecycle(stage, published, "reauthorizationRequired")


@used("lifecycle_subscription_removed", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """It is over."""
    await _lifecycle(stage, published, "subscriptionRemoved")


# Batches and errors


@used("batch_request_dependson", "accepted")
async def _(stage: Stage, published: Any) -> None:
    """With real addresses in place of the dots."""
    requests = [one | {"url": f"/users/{ORION}/events"} for one in published["requests"]]
    answer = await stage.post("/$batch", {"requests": requests}, 200)
    assert {one["id"]: one["status"] for one in answer["responses"]} == dict.fromkeys("1234", 200)


@used("batch_response_mixed_status", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A success, two ways to be denied, and a wrong method, each in its own shape."""
    for preset, path in (("denied-silent", "one"), ("denied-by-directory", "two")):
        stage.exchange.faults.add(PRESETS[preset], path=path)
    requests = [
        {"id": "1", "method": "GET", "url": f"/users/{ORION}/events"},
        {"id": "2", "method": "GET", "url": "/users/one/events"},
        {"id": "3", "method": "GET", "url": "/users/two/events"},
        {"id": "4", "method": "PUT", "url": f"/users/{ORION}/events"},
    ]
    answer = await stage.post("/$batch", {"requests": requests}, 200)
    shown = {one["id"]: one for one in answer["responses"]}
    for one in published["responses"]:
        assert shown[one["id"]]["status"] == one["status"]
        theirs = one if one["id"] != "1" else one | {"body": {"@odata.context": "", "value": []}}
        assert_covers(shown[one["id"]], theirs, but="x-ms-resource-unit,OData-Version")
        if one["id"] != "1":
            error, published_error = shown[one["id"]]["body"]["error"], one["body"]["error"]
            assert (error["code"], error["message"]) == (published_error["code"], published_error["message"])


async def _fails(stage: Stage, published: Any, status: int, fault: Fault | None, expected: type) -> None:
    """A read shows the example's words, and the gateway takes both alike."""
    if fault is not None:
        stage.exchange.faults.add(fault)
    [copy] = stage.exchange.calendar(ORION, stage.at(0), stage.at(24))
    answer = await stage.graph.get(f"/users/{ORION}/events/{copy.id}")
    _assert_alike(answer, published, status, expected, "read")


def _assert_alike(answer: httpx.Response, published: Any, status: int, expected: type, kind: Any) -> None:
    assert answer.status_code == status
    shown, theirs = answer.json()["error"], published["error"]
    assert (shown["code"], shown["message"]) == (theirs["code"], theirs["message"])
    assert_covers(shown, theirs)
    for body in (answer.content, json.dumps(published).encode()):
        error = from_answer(kind, status, {}, body, None)
        assert type(error) is expected
        assert error.code == theirs["code"].lower()


@used("error_404_item_not_found", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """After a decline."""
    stage.book()
    [copy] = stage.exchange.calendar(ORION, stage.at(0), stage.at(24))
    await stage.post(f"/users/{ORION}/events/{copy.id}/decline", {}, 202)
    answer = await stage.graph.get(f"/users/{ORION}/events/{copy.id}")
    _assert_alike(answer, published, 404, ItemGoneError, "read")


@used("error_404_mailbox_not_enabled", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """The room has no mailbox in Exchange Online."""
    stage.book()
    stage.exchange.mailboxes.mailbox(ORION).state = "not_enabled"
    await _fails(stage, published, 404, None, MailboxError)


@used("error_403_raop_access_policy", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """An access policy."""
    stage.book()
    stage.exchange.mailboxes.mailbox(ORION).state = "denied"
    await _fails(stage, published, 403, None, ForbiddenError)


@used("error_429_mailbox_concurrency", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """More than four at a time."""
    stage.book()
    await _fails(stage, published, 429, PRESETS["mailbox-concurrency"], RetryableError)


@used("error_429_throttled", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """With a code of its own inside."""
    stage.book()
    await _fails(stage, published, 429, PRESETS["throttled"], RetryableError)


@used("error_500_object_reference", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """Seen on accept and decline: nobody knows whether it was done."""
    stage.book()
    stage.exchange.faults.add(PRESETS["500"])
    [copy] = stage.exchange.calendar(ORION, stage.at(0), stage.at(24))
    answer = await stage.graph.post(f"/users/{ORION}/events/{copy.id}/decline", json={})
    _assert_alike(answer, published, 500, UnclearError, "write")


@used("error_412_irresolvable_conflict", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """A change key that is not the current one."""
    stage.book()
    [copy] = stage.exchange.calendar(ORION, stage.at(0), stage.at(24))
    headers = {"if-match": 'W/"old"'}
    answer = await stage.graph.patch(
        f"/users/{ORION}/events/{copy.id}", json={"categories": ["x"]}, headers=headers
    )
    _assert_alike(answer, published, 412, ConflictError, "write")


@used("error_410_sync_state_not_found", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """An old delta token: the same words with other numbers."""
    first = await stage.get(f"/users/{ORION}/calendarView/delta", **WEEK)
    link = first["@odata.deltaLink"]
    for _round in range(5):
        link = (await stage.get(link))["@odata.deltaLink"]
    answer = await stage.graph.get(first["@odata.deltaLink"])
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (410, published["error"]["code"])
    assert re.sub(r"\d+", "n", error["message"]) == re.sub(r"\d+", "n", published["error"]["message"])
    assert_covers(error, published["error"])


@used("error_400_getschedule_array_too_big", "reproduced")
async def _(stage: Stage, published: Any) -> None:
    """One address too many."""
    when = {"dateTime": "2026-11-23T00:00:00", "timeZone": "UTC"}
    body = {"schedules": [ORION] * 101, "startTime": when, "endTime": when}
    answer = await stage.graph.post(f"/users/{ORION}/calendar/getSchedule", json=body)
    _assert_alike(answer, published, 400, RefusedError, "write")


@used("error_generic", "parsed")
async def _(_stage: Stage, published: Any) -> None:
    """An error of another service: its code is found, and what to do follows from the status."""
    body = json.dumps(published).encode()
    assert graph_codes(body) == ["invalidrange"]
    assert type(from_answer("read", 400, {}, body, None)) is RefusedError


def test_the_attendants_defaults_are_exchange_onlines() -> None:
    """Set-CalendarProcessing's page, as it was read in 2026."""
    processing = Processing()
    assert (processing.booking_window_in_days, processing.maximum_duration_in_minutes) == (180, 1_440)
    assert processing.enforce_scheduling_horizon
    assert processing.remove_private_property
    assert not processing.remove_canceled_meetings
