"""Places, users, settings, schedules, check-ins and sensors: what lies around the calendars."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from simulators.exchange import ExchangeSimulator, Processing, Variants
from simulators.exchange.day import furnish
from simulators.exchange.places import RoomDetails

ADA, ORION, LYRA = "ada@contoso.com", "orion@contoso.com", "lyra@contoso.com"
At = Callable[..., int]
ROOMS = "/places/microsoft.graph.room"


def at_utc(hour: int) -> dict[str, str]:
    """A dateTimeTimeZone of that Monday."""
    return {"dateTime": f"2026-11-23T{hour:02d}:00:00", "timeZone": "UTC"}


def signed_in(exchange: ExchangeSimulator, *scopes: str) -> dict[str, str]:
    """Headers of a person."""
    return {"authorization": f"Bearer {exchange.identity.issue_delegated_token(ADA, *scopes)}"}


async def test_rooms_are_listed_filtered_and_paged(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """By address as key; hidden rooms are not told; capacity is a number or null."""
    places = exchange.graph.places
    places.details[exchange.mailboxes.mailbox(ORION).id] = RoomDetails(capacity=12, building="A")
    found = (await graph.get(ROOMS)).json()
    assert [(room["emailAddress"], room["capacity"]) for room in found["value"]] == [
        (ORION, 12),
        (LYRA, None),
    ]
    large = (await graph.get(ROOMS, params={"$filter": "capacity ge 10", "$select": "emailAddress"})).json()
    assert [set(room) for room in large["value"]] == [{"id", "emailAddress"}]
    page = (await graph.get(ROOMS, params={"$top": "1", "$count": "true"})).json()
    assert (page["@odata.count"], len(page["value"])) == (2, 1)
    rest = (await graph.get(page["@odata.nextLink"])).json()["value"]
    assert [room["emailAddress"] for room in rest] == [LYRA]
    assert (await graph.get(f"{ROOMS}/$count")).text == "2"
    for key in (ORION, found["value"][0]["id"]):
        assert (await graph.get(f"/places/{key}")).json()["@odata.type"] == "#microsoft.graph.room"
    places.hidden.add(LYRA)
    assert len((await graph.get(ROOMS)).json()["value"]) == 1
    assert (await graph.get("/places/nowhere@contoso.com")).status_code == 404


async def test_lists_hold_their_rooms_by_address(graph: httpx.AsyncClient) -> None:
    """A room list is opened by its address, not by its id (Graph's place-list page)."""
    [one] = (await graph.get("/places/microsoft.graph.roomlist")).json()["value"]
    rooms = await graph.get(f"/places/{one['emailAddress']}/microsoft.graph.roomlist/rooms")
    assert [room["emailAddress"] for room in rooms.json()["value"]] == [ORION, LYRA]
    assert (await graph.get(f"/places/{one['id']}/microsoft.graph.roomlist/rooms")).status_code == 404
    assert (await graph.get(f"/places/{one['id']}")).json()["displayName"] == "All Rooms"


async def test_place_is_changed_by_who_may(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """Place.ReadWrite.All; unknown and wrong properties are refused."""
    refused = await graph.patch(f"/places/{ORION}", json={"capacity": 4})
    assert refused.status_code == 403
    exchange.identity.application.roles |= {"Place.ReadWrite.All"}
    headers = {"authorization": f"Bearer {exchange.identity.issue_token()}"}
    changed = await graph.patch(f"/places/{ORION}", json={"capacity": 4, "tags": ["x"]}, headers=headers)
    assert (changed.json()["capacity"], changed.json()["tags"]) == (4, ["x"])
    for wrong in ({"capacity": "four"}, {"capacities": 4}):
        assert (await graph.patch(f"/places/{ORION}", json=wrong, headers=headers)).status_code == 400


async def test_rooms_are_users_with_settings(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """Purpose room; time zone and hours can be changed with another permission."""
    exchange.mailboxes.add_person(ADA)
    user = (await graph.get(f"/users/{ORION}")).json()
    assert (user["mail"], user["displayName"]) == (ORION, "Orion")
    found = (await graph.get("/users", params={"$filter": f"mail eq '{ADA}'"})).json()["value"]
    assert [one["userPrincipalName"] for one in found] == [ADA]
    settings = f"/users/{ORION}/mailboxSettings"
    assert (await graph.get(f"{settings}/userPurpose")).json()["value"] == "room"
    assert (await graph.get(f"/users/{ADA}/mailboxSettings/userPurpose")).json()["value"] == "user"
    assert (await graph.get(settings)).json()["workingHours"]["timeZone"] == {"name": "UTC"}
    assert (await graph.get(f"{settings}/nothing")).status_code == 404
    exchange.identity.application.roles |= {"MailboxSettings.ReadWrite"}
    headers = {"authorization": f"Bearer {exchange.identity.issue_token()}"}
    body = {"timeZone": "W. Europe Standard Time"}
    assert (await graph.patch(settings, json=body, headers=headers)).json()["timeZone"] == body["timeZone"]
    assert (await graph.patch(settings, json={"timeZone": "Nowhere"}, headers=headers)).status_code == 400


async def test_ids_are_translated_both_ways(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """RestId and restImmutableEntryId."""
    exchange.book(ADA, ORION, at(9), at(10))
    [plain] = (await graph.get(f"/users/{ORION}/events")).json()["value"]
    [item] = exchange.calendar(ORION, at(0), at(24))
    url = f"/users/{ORION}/translateExchangeIds"
    body = {"inputIds": [plain["id"]], "sourceIdType": "restId", "targetIdType": "restImmutableEntryId"}
    assert (await graph.post(url, json=body)).json()["value"][0]["targetId"] == item.id
    back = {"inputIds": [item.id], "sourceIdType": "restImmutableEntryId", "targetIdType": "restId"}
    assert (await graph.post(url, json=back)).json()["value"][0]["targetId"] == plain["id"]
    assert (await graph.post(url, json=body | {"targetIdType": "ewsId"})).status_code == 400


async def test_schedule_shows_who_is_busy(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """The view's digits, the items without cancelled and free ones, errors per address within a 200."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.book(ADA, ORION, at(10), at(10, 30), show_as="tentative")
    exchange.book_in_room(ORION, at(10), at(11), show_as="workingElsewhere")
    exchange.cancel(exchange.book(ADA, ORION, at(11), at(12)))
    body: dict[str, Any] = {
        "schedules": [ORION, "nobody@contoso.com"],
        "startTime": at_utc(8),
        "endTime": at_utc(12),
        "availabilityViewInterval": 30,
    }
    answer = await graph.post(f"/users/{ORION}/calendar/getSchedule", json=body)
    one, other = answer.json()["value"]
    assert one["availabilityView"] == "00221400"
    assert [item["status"] for item in one["scheduleItems"]] == [
        "busy",
        "tentative",
        "workingElsewhere",
    ]
    assert other["error"]["responseCode"] == "ErrorMailRecipientNotFound"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"schedules": [ORION] * 101}, "ErrorMailboxDataArrayTooBig"),
        ({"schedules": []}, "ErrorInvalidParameter"),
        ({"endTime": {"dateTime": "2027-02-01T00:00:00", "timeZone": "UTC"}}, "ErrorTimeIntervalTooBig"),
        ({"endTime": at_utc(7)}, "ErrorInvalidTimeInterval"),
        ({"availabilityViewInterval": 4}, "ErrorInvalidParameter"),
        ({"startTime": "08:00"}, "ErrorInvalidParameter"),
    ],
)
async def test_limits_of_schedules(graph: httpx.AsyncClient, changed: dict[str, Any], code: str) -> None:
    """Those that were observed and documented."""
    body = {"schedules": [ORION], "startTime": at_utc(8), "endTime": at_utc(12)} | changed
    answer = await graph.post(f"/users/{ORION}/calendar/getSchedule", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_meeting_times_are_for_people_only(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """An application is refused; somebody who signed in gets the first free hours."""
    exchange.book(ADA, ORION, at(9), at(10))
    body = {
        "attendees": [{"emailAddress": {"address": ORION}}],
        "meetingDuration": "PT1H",
        "timeConstraint": {"timeSlots": [{"start": at_utc(8), "end": at_utc(12)}]},
        "maxCandidates": 2,
    }
    assert (await graph.post(f"/users/{ADA}/findMeetingTimes", json=body)).status_code == 403
    headers = signed_in(exchange, "Calendars.Read.Shared")
    found = (await graph.post("/me/findMeetingTimes", json=body, headers=headers)).json()
    starts = [one["meetingTimeSlot"]["start"]["dateTime"][11:16] for one in found["meetingTimeSuggestions"]]
    assert starts == ["08:00", "10:00"]


async def test_check_in_keeps_microsofts_release_away(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, clock: Any, at: At
) -> None:
    """Not for applications; two bookings, one claimed: the other is declined after the claim time."""
    orion = exchange.mailboxes.mailbox(ORION)
    orion.processing = Processing(enable_auto_release=True)
    events = [exchange.book(ADA, ORION, at(9), at(9, 30)), exchange.book(ADA, ORION, at(9, 30), at(10))]
    url = f"/places/{ORION}/checkIns"
    claim = {"calendarEventId": events[0].ical_uid, "checkInMethod": "verified"}
    assert (await graph.post(url, json=claim)).status_code == 403
    headers = signed_in(exchange, "Calendars.ReadWrite")
    assert (await graph.post(url, json=claim, headers=headers)).status_code == 201
    shown = (await graph.get(f"{url}/{events[0].ical_uid}", headers=headers)).json()["value"]
    assert shown["calendarEventId"] == events[0].ical_uid
    assert (await graph.post(url, json={"checkInMethod": "verified"}, headers=headers)).status_code == 400
    for clock.at in (at(9, 9), at(9, 11), at(9, 39)):
        assert len(exchange.calendar(ORION, at(0), at(24))) == 2
    clock.at = at(9, 40)
    assert [item.start_ms for item in exchange.calendar(ORION, at(0), at(24))] == [at(9)]
    assert exchange.status(events[1], ORION).response == "declined"
    assert exchange.messages_to(ADA)[-1].comment.startswith("Nobody checked in")


async def test_telemetry_is_taken_and_checks_in_only_as_a_variant(at: At, clock: Any) -> None:
    """Nobody documented that it does."""
    for counts in (False, True):
        exchange = ExchangeSimulator(
            rooms=[ORION], now=clock.now, wall_clock=clock.wall, variants=Variants(telemetry_checks_in=counts)
        )
        event = exchange.book(ADA, ORION, at(9), at(10))
        headers = {"authorization": f"Bearer {exchange.identity.issue_token()}"}
        base = "https://graph.test/beta/workplace/sensorDevices"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(exchange.app), headers=headers) as graph:
            place = exchange.mailboxes.mailbox(ORION).id
            device = {"deviceId": "d-1", "manufacturer": "Contoso", "placeId": place}
            made = await graph.post(base, json=device | {"sensors": [{"sensorType": "occupancy"}]})
            assert (made.status_code, made.json()["sensors"][0]["sensorId"]) == (201, "Occupancy")
            assert (await graph.post(base, json=device)).status_code == 409
            one = {"deviceId": "d-1", "sensorType": "occupancy", "boolValue": True}
            one["timestamp"] = "2026-11-23T09:02:00Z"
            answer = await graph.post(f"{base}/ingestTelemetry", json={"telemetry": [one]})
            assert (answer.status_code, answer.content) == (204, b"")
            wrong = await graph.post(f"{base}/ingestTelemetry", json={"telemetry": [{"deviceId": "d-1"}]})
            assert wrong.status_code == 400
            patched = await graph.patch(f"{base}/{made.json()['id']}", json={"displayName": "Door"})
            assert patched.json()["displayName"] == "Door"
            assert len((await graph.get(base)).json()["value"]) == 1
            assert (await graph.delete(f"{base}/{made.json()['id']}")).status_code == 204
            assert (await graph.get(f"{base}/{made.json()['id']}")).status_code == 404
        assert ((ORION, event.ical_uid) in exchange.mailboxes.checked_in) is counts


async def test_served_rooms_have_sizes_floors_and_lists(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """What an import of rooms finds in the program's tenant."""
    furnish(exchange)
    found = (await graph.get(ROOMS)).json()["value"]
    assert [(room["capacity"], room["building"], room["floorNumber"]) for room in found] == [
        (4, "Building 1", 1),
        (6, "Building 1", 1),
    ]
    [one] = (await graph.get("/places/microsoft.graph.roomlist")).json()["value"]
    assert one["emailAddress"] == "building.1@contoso.com"
