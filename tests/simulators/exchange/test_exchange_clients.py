"""What widespread clients send, as seen from msgraph-sdk and O365 at work against the simulator."""

from collections.abc import Callable
from typing import Any

import httpx

from simulators.exchange import ExchangeSimulator

ADA, ORION = "ada@contoso.com", "orion@contoso.com"
At = Callable[..., int]
DAY = {"startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2026-11-24T00:00:00Z"}


async def test_preferences_may_come_one_by_one(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Several headers of one name are one list."""
    exchange.book(ADA, ORION, at(9), at(10))
    headers = [("prefer", 'IdType="ImmutableId"'), ("prefer", 'outlook.timezone="Europe/Berlin"')]
    answer = await graph.get(f"/users/{ORION}/calendarView", params=DAY, headers=headers)
    [event] = answer.json()["value"]
    [copy] = exchange.calendar(ORION, at(0), at(24))
    assert (event["id"], event["start"]["dateTime"][11:13]) == (copy.id, "10")
    assert answer.headers["preference-applied"] == ", ".join(value for _, value in headers)


async def test_batch_takes_whole_addresses_of_its_own(graph: httpx.AsyncClient) -> None:
    """With another base URL msgraph-sdk leaves the host on; another host's address is not one of ours."""
    urls = [
        f"https://graph.test/v1.0/users/{ORION}/events",
        f"https://elsewhere.test/v1.0/users/{ORION}/events",
    ]
    requests = [{"id": str(n), "method": "GET", "url": url} for n, url in enumerate(urls)]
    answer = await graph.post("/$batch", json={"requests": requests})
    assert {one["id"]: one["status"] for one in answer.json()["responses"]} == {"0": 200, "1": 400}


async def test_event_as_o365_writes_it(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """Null for what is not known, booleans in quotes, names of choices in any case."""
    exchange.mailboxes.add_person(ADA)
    body: dict[str, Any] = {
        "transactionId": None,
        "subject": "Review",
        "body": {"contentType": "HTML", "content": ""},
        "start": {"dateTime": "2026-11-23T10:00:00", "timeZone": "W. Europe Standard Time"},
        "end": {"dateTime": "2026-11-23T11:00:00", "timeZone": "W. Europe Standard Time"},
        "attendees": [{"emailAddress": {"address": ORION, "name": None}, "type": "Resource"}],
        "location": {"displayName": "Orion"},
        "categories": [],
        "isAllDay": False,
        "importance": "Normal",
        "sensitivity": "Private",
        "showAs": "Busy",
        "isOnlineMeeting": "false",
        "onlineMeetingProvider": None,
        "recurrence": None,
        "singleValueExtendedProperties": [
            {"id": "Boolean {00020329-0000-0000-C000-000000000046} Name DoNotForward", "value": "false"}
        ],
    }
    made = await graph.post(f"/users/{ADA}/events", json=body)
    assert made.status_code == 201, made.text
    event = made.json()
    assert (event["sensitivity"], event["showAs"], event["isOnlineMeeting"]) == ("private", "busy", False)
    assert event["attendees"][0]["type"] == "resource"
    assert event["attendees"][0]["emailAddress"]["name"] == "Orion"
    wrong = await graph.post(f"/users/{ADA}/events", json=body | {"isOnlineMeeting": "perhaps"})
    assert wrong.status_code == 400


async def test_answers_say_where_the_new_event_is(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """`Location` opens it."""
    exchange.mailboxes.add_person(ADA)
    when = {"dateTime": "2026-11-23T10:00:00", "timeZone": "UTC"}
    made = await graph.post(f"/users/{ADA}/events", json={"start": when, "end": when})
    found = await graph.get(made.headers["location"])
    assert found.json()["id"] == made.json()["id"]


async def test_meeting_becomes_an_online_one(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """By PATCH in a person's mailbox, and back; a room's mailbox has no provider."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    exchange.book_in_room(ORION, at(11), at(12))
    own = exchange.calendar(ORION, at(11), at(12))[0]
    for url, becomes in (
        (f"/users/{ADA}/events/{event.id}", True),
        (f"/users/{ORION}/events/{own.id}", False),
    ):
        changed = (await graph.patch(url, json={"isOnlineMeeting": True})).json()
        assert (changed["isOnlineMeeting"], changed["onlineMeeting"] is not None) == (becomes, becomes)
        again = (await graph.patch(url, json={"isOnlineMeeting": True})).json()
        assert again["onlineMeeting"] == changed["onlineMeeting"]
        back = (await graph.patch(url, json={"isOnlineMeeting": False})).json()
        assert (back["isOnlineMeeting"], back["onlineMeeting"]) == (False, None)
