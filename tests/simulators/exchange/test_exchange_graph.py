"""The HTTP contract: paths, options, preferences, paging, errors, batches."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from simulators.exchange import ExchangeSimulator, daily

ADA, ORION, LYRA = "ada@contoso.com", "orion@contoso.com", "lyra@contoso.com"
At = Callable[..., int]
IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}
DAY = {"startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2026-11-24T00:00:00Z"}
WEEK = {"startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2026-11-30T00:00:00Z"}


async def view(graph: httpx.AsyncClient, room: str = ORION, **parameters: str) -> list[dict[str, Any]]:
    """All pages of a room's week."""
    answer = await graph.get(f"/users/{room}/calendarView", params=WEEK | parameters, headers=IMMUTABLE)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    found: list[dict[str, Any]] = page["value"]
    while link := page.get("@odata.nextLink"):
        page = (await graph.get(link, headers=IMMUTABLE)).json()
        found += page["value"]
    return found


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    """The status, and the error in Graph's shape."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert set(error) == {"code", "message", "innerError"}
    assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}


async def test_calendar_view_shows_what_overlaps_the_window(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Half-open at both ends; times in UTC with seven digits and no offset."""
    for start, end in ((8, 9), (9, 10), (10, 11), (11, 12)):
        exchange.book(ADA, ORION, at(start), at(end))
    window = {"startDateTime": "2026-11-23T09:00:00", "endDateTime": "2026-11-23T12:00:00+01:00"}
    answer = await graph.get(f"/users/{ORION}/calendarView", params=window)
    shown = [event["start"] for event in answer.json()["value"]]
    assert shown == [
        {"dateTime": "2026-11-23T09:00:00.0000000", "timeZone": "UTC"},
        {"dateTime": "2026-11-23T10:00:00.0000000", "timeZone": "UTC"},
    ]
    by_id = await graph.get(
        f"/users/{exchange.mailboxes.mailbox(ORION).id}/calendar/calendarView", params=window
    )
    assert len(by_id.json()["value"]) == 2


async def test_pages_are_ten_long_unless_asked_otherwise(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Following nextLink gives each entry once; `$top` and odata.maxpagesize set the page."""
    for n in range(23):
        exchange.book(ADA, ORION, at(n), at(n, 30))
    first = (await graph.get(f"/users/{ORION}/calendarView", params=DAY)).json()
    assert len(first["value"]) == 10
    assert first["@odata.nextLink"].startswith("https://graph.test/v1.0/users/")
    assert len({event["id"] for event in await view(graph)}) == 23
    before = exchange.requests.total
    assert len({event["id"] for event in await view(graph, **{"$top": "8"})}) == 23
    assert exchange.requests.total - before == 3
    sized = await graph.get(
        f"/users/{ORION}/calendarView", params=DAY, headers={"prefer": "odata.maxpagesize=4"}
    )
    assert len(sized.json()["value"]) == 4
    exact = await graph.get(f"/users/{ORION}/calendarView", params=DAY | {"$top": "23"})
    assert "@odata.nextLink" not in exact.json()
    assert_refused(
        await graph.get(f"/users/{ORION}/calendarView", params=DAY | {"$top": "1001"}), 400, "BadRequest"
    )


async def test_change_between_two_pages_shifts_them(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Paging is by position, as in Graph: what leaves an earlier page hides an entry of the next."""
    events = [exchange.book_in_room(ORION, at(n), at(n, 30)) for n in range(4)]
    answer = await graph.get(f"/users/{ORION}/calendarView", params=DAY | {"$top": "2"})
    exchange.cancel(events[0])
    rest = (await graph.get(answer.json()["@odata.nextLink"])).json()["value"]
    assert [event["start"]["dateTime"][11:13] for event in rest] == ["03"]


async def test_answers_follow_every_change(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """What is kept for repeated questions never outlives a change."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    assert len(await view(graph)) == len(await view(graph)) == 1
    exchange.move(event, at(11), at(12))
    assert [one["start"]["dateTime"][11:13] for one in await view(graph)] == ["11"]


async def test_select_and_orderby(graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At) -> None:
    """Only what was selected, always with id and etag; unknown names are refused."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.book(ADA, ORION, at(11), at(12))
    found = await view(
        graph, **{"$select": "iCalUId,start,lastModifiedDateTime", "$orderby": "start/dateTime desc"}
    )
    assert [set(event) for event in found] == [{"@odata.etag", "id", "iCalUId", "start"}] * 2
    assert [event["start"]["dateTime"][11:13] for event in found] == ["11", "09"]
    wrong = await graph.get(f"/users/{ORION}/calendarView", params=DAY | {"$select": "icaluid"})
    assert_refused(wrong, 400, "RequestBroker--ParseUri")
    unknown = await graph.get(f"/users/{ORION}/calendarView", params=DAY | {"$compute": "1"})
    assert_refused(unknown, 400, "BadRequest")


async def test_time_zone_preference_converts_and_unknown_zones_are_refused(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """IANA and Windows names; the window is not affected; all-day times float."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.book(ADA, LYRA, at(0), at(0, day=1), all_day=True)
    for name in ("Europe/Berlin", "W. Europe Standard Time"):
        headers = {"prefer": f'outlook.timezone="{name}", IdType="ImmutableId"'}
        answer = await graph.get(f"/users/{ORION}/calendarView", params=DAY, headers=headers)
        assert answer.headers["preference-applied"] == headers["prefer"]
        assert answer.json()["value"][0]["end"] == {
            "dateTime": "2026-11-23T11:00:00.0000000",
            "timeZone": name,
        }
        whole = (await graph.get(f"/users/{LYRA}/calendarView", params=DAY, headers=headers)).json()
        assert whole["value"][0]["start"]["dateTime"] == "2026-11-23T00:00:00.0000000"
    wrong = {"prefer": 'outlook.timezone="Middle Earth"'}
    answer = await graph.get(f"/users/{ORION}/calendarView", params=DAY, headers=wrong)
    assert_refused(answer, 400, "TimeZoneNotSupportedException")


async def test_ids_are_immutable_only_on_request(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Both forms open the same item; they are not equal."""
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=2))
    plain = (await graph.get(f"/users/{ORION}/calendarView", params=WEEK)).json()["value"]
    fixed = await view(graph)
    for one, other in zip(plain, fixed, strict=True):
        assert one["id"] != other["id"]
        assert one["seriesMasterId"] != other["seriesMasterId"]
        for event_id in (one["id"], other["id"]):
            found = await graph.get(f"/users/{ORION}/events/{event_id}", headers=IMMUTABLE)
            assert found.json()["id"] == other["id"]
            assert found.json()["originalStart"] == other["originalStart"]


async def test_instances_of_a_series(graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At) -> None:
    """The master is in events, its occurrences are not; instances expands it within a window."""
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=9))
    [master] = (await graph.get(f"/users/{ORION}/calendar/events")).json()["value"]
    assert (master["type"], master["seriesMasterId"]) == ("seriesMaster", None)
    assert "originalStart" not in master
    assert master["recurrence"]["range"] == {
        "type": "numbered",
        "startDate": "2026-11-23",
        "endDate": "0001-01-01",
        "recurrenceTimeZone": "UTC",
        "numberOfOccurrences": 9,
    }
    answer = await graph.get(f"/users/{ORION}/events/{master['id']}/instances", params=WEEK)
    found = answer.json()["value"]
    assert [event["originalStart"] for event in found] == [
        f"2026-11-{day}T09:00:00Z" for day in range(23, 30)
    ]
    assert {event["seriesMasterId"] for event in found} == {master["id"]}


async def test_decline_is_202_then_404(graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At) -> None:
    """The retry after a lost answer finds nothing, and that is success."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    [copy] = await view(graph)
    url = f"/users/{ORION}/events/{copy['id']}/decline"
    answer = await graph.post(url, json={"comment": "Nobody came.", "sendResponse": True})
    assert (answer.status_code, answer.content) == (202, b"")
    assert exchange.messages_to(ADA)[-1].comment == "Nobody came."
    assert exchange.status(event, ORION).response == "declined"
    assert_refused(await graph.post(url, json={}), 404, "ErrorItemNotFound")
    gone = await graph.get(f"/users/{ORION}/events/{copy['id']}")
    assert_refused(gone, 404, "ErrorItemNotFound")


async def test_refusals_of_actions(graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At) -> None:
    """Wrong side, and a comment that nobody is to read."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.book_in_room(ORION, at(11), at(12))
    copy, own = (f"/users/{ORION}/events/{event['id']}" for event in await view(graph))
    cancelled = await graph.post(f"{copy}/cancel", json={"comment": ""})
    assert_refused(cancelled, 400, "ErrorInvalidRequest")
    assert cancelled.json()["error"]["message"] == (
        "Your request can't be completed. You need to be an organizer to cancel a meeting."
    )
    assert_refused(await graph.post(f"{own}/decline", json={}), 400, "ErrorInvalidRequest")
    muted = await graph.post(f"{copy}/decline", json={"comment": "", "sendResponse": False})
    assert_refused(muted, 400, "ErrorInvalidParameter")
    assert len(await view(graph)) == 2


async def test_event_is_created_altered_and_deleted_in_the_room(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """What a walk-up needs: POST 201, PATCH 200, DELETE 204, then 404."""
    body = {
        "subject": "In use",
        "start": {"dateTime": "2026-11-23T10:00:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-11-23T10:30:00", "timeZone": "Europe/Berlin"},
        "categories": ["Walk-up"],
        "transactionId": "t-1",
    }
    made = await graph.post(f"/users/{ORION}/events", json=body, headers=IMMUTABLE)
    assert made.status_code == 201
    event = made.json()
    assert event["start"] == {"dateTime": "2026-11-23T09:00:00.0000000", "timeZone": "UTC"}
    assert (event["isOrganizer"], event["responseStatus"]["response"]) == (True, "organizer")
    assert (event["categories"], event["transactionId"]) == (["Walk-up"], "t-1")
    again = await graph.post(f"/users/{ORION}/events", json=body, headers=IMMUTABLE)
    assert again.json()["id"] == event["id"]
    url = f"/users/{ORION}/events/{event['id']}"
    end = {"dateTime": "2026-11-23T11:00:00.0000000", "timeZone": "UTC"}
    altered = (await graph.patch(url, json={"end": end}, headers=IMMUTABLE)).json()
    assert altered["end"] == end
    assert altered["changeKey"] != event["changeKey"]
    assert altered["@odata.etag"] == f'W/"{altered["changeKey"]}"'
    assert (await graph.delete(url)).status_code == 204
    assert_refused(await graph.delete(url), 404, "ErrorItemNotFound")
    assert exchange.calendar(ORION, 0, 2_000_000_000_000) == []


async def test_an_extended_property_is_kept_and_one_without_a_proper_id_refused(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """What a hold needs: a link to the booking that was released, which no listing shows."""
    link = {"id": "String {6f1d3b52-8c0e-4c57-9a41-2b7e5d90c3fa} Name Invented", "value": "an id"}
    body = {
        "start": {"dateTime": "2026-11-23T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-23T09:30:00", "timeZone": "UTC"},
        "body": {"contentType": "text", "content": "Held."},
        "singleValueExtendedProperties": [link],
    }
    made = await graph.post(f"/users/{ORION}/events", json=body)
    assert made.status_code == 201
    assert "singleValueExtendedProperties" not in made.json()
    (item,) = exchange.calendar(ORION, 0, 2_000_000_000_000)
    assert item.extended == ((link["id"], "an id"),)
    assert item.body == "Held."
    wrong = body | {"singleValueExtendedProperties": [{"id": "Invented", "value": "x"}]}
    assert_refused(await graph.post(f"/users/{ORION}/events", json=wrong), 400, "ErrorInvalidPropertyId")


async def test_organizer_books_over_http(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """A weekly series with a room as resource; the room's answer is in the event that is returned."""
    exchange.mailboxes.add_person(ADA)
    body = {
        "subject": "Review",
        "start": {"dateTime": "2026-11-23T10:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-23T11:00:00", "timeZone": "UTC"},
        "attendees": [{"emailAddress": {"address": ORION}, "type": "resource"}],
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday", "wednesday"]},
            "range": {"type": "endDate", "startDate": "2026-11-23", "endDate": "2026-12-31"},
        },
    }
    event = (await graph.post(f"/users/{ADA}/events", json=body)).json()
    assert event["attendees"] == [
        {
            "type": "resource",
            "status": {"response": "accepted", "time": "2026-11-23T07:00:00Z"},
            "emailAddress": {"name": "Orion", "address": ORION},
        }
    ]
    assert [one["start"]["dateTime"][:10] for one in await view(graph)] == ["2026-11-23", "2026-11-25"]
    new = {"start": {"dateTime": "2026-11-23T14:00:00", "timeZone": "UTC"},
           "end": {"dateTime": "2026-11-23T15:00:00", "timeZone": "UTC"}}  # fmt: skip
    assert (await graph.patch(f"/users/{ADA}/events/{event['id']}", json=new)).status_code == 200
    assert [one["start"]["dateTime"][11:13] for one in await view(graph)] == ["14", "14"]


async def test_patch_on_the_room_copy_stays_in_the_room(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Categories and a shorter end of one occurrence; the organizer sees neither."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=2))
    first, second = await view(graph)
    body = {"categories": ["Checked in"], "end": {"dateTime": "2026-11-23T09:30:00", "timeZone": "UTC"}}
    patched = await graph.patch(f"/users/{ORION}/events/{first['id']}", json=body, headers=IMMUTABLE)
    assert (patched.status_code, patched.json()["id"]) == (200, first["id"])
    after = await view(graph)
    assert (after[0]["type"], after[0]["categories"]) == ("exception", ["Checked in"])
    assert after[0]["end"]["dateTime"] == "2026-11-23T09:30:00.0000000"
    assert (after[1]["type"], after[1]["end"]) == ("occurrence", second["end"])
    theirs = exchange.event(series, occurrence=at(9))
    assert (theirs.end_ms, theirs.categories) == (at(10), ())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"categoryes": []}, "RequestBodyRead"),
        ({"categories": "one"}, "RequestBodyRead"),
        ({"showAs": "maybe"}, "RequestBodyRead"),
        ({"isCancelled": True}, "ErrorInvalidPropertySet"),
        (
            {"end": {"dateTime": "2026-11-23T08:00:00", "timeZone": "UTC"}},
            "ErrorPropertyValidationFailure",
        ),
        (
            {"end": {"dateTime": "2026-11-23T08:00:00", "timeZone": "Nowhere"}},
            "TimeZoneNotSupportedException",
        ),
        ({"isAllDay": True}, "ErrorPropertyValidationFailure"),
    ],
)
async def test_wrong_patches_change_nothing(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At, body: dict[str, Any], code: str
) -> None:
    """A client's mistake is told, not swallowed."""
    exchange.book(ADA, ORION, at(9), at(10))
    [before] = await view(graph)
    answer = await graph.patch(f"/users/{ORION}/events/{before['id']}", json=body)
    assert_refused(answer, 400, code)
    assert await view(graph) == [before]


async def test_if_match_guards_writes(graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At) -> None:
    """412 with an old etag, success with the current one."""
    exchange.book(ADA, ORION, at(9), at(10))
    [event] = await view(graph)
    url = f"/users/{ORION}/events/{event['id']}"
    first = await graph.patch(url, json={"categories": ["a"]}, headers={"if-match": event["@odata.etag"]})
    assert first.status_code == 200
    second = await graph.patch(url, json={"categories": ["b"]}, headers={"if-match": event["@odata.etag"]})
    assert_refused(second, 412, "ErrorIrresolvableConflict")


async def test_refusals_of_reads(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """No window, a bad one, an unescaped plus, unknown users and paths, closed and missing mailboxes."""
    url = f"/users/{ORION}/calendarView"
    assert_refused(await graph.get(url), 400, "ErrorInvalidParameter")
    plus = f"{url}?startDateTime=2026-11-23T00:00:00+01:00&endDateTime=2026-11-24T00:00:00Z"
    assert_refused(await graph.get(plus), 400, "ErrorInvalidParameter")
    backwards = {"startDateTime": DAY["endDateTime"], "endDateTime": DAY["startDateTime"]}
    assert_refused(await graph.get(url, params=backwards), 400, "ErrorInvalidRequest")
    unknown = await graph.get("/users/nobody@contoso.com/calendarView", params=DAY)
    assert_refused(unknown, 404, "ErrorInvalidUser")
    assert_refused(await graph.get(f"/users/{ORION}/events/rubbish"), 400, "ErrorInvalidIdMalformed")
    assert_refused(await graph.get(f"/users/{ORION}/messages"), 400, "BadRequest")
    room = exchange.mailboxes.mailbox(ORION)
    room.state = "denied"
    assert_refused(await graph.get(url, params=DAY), 403, "ErrorAccessDenied")
    room.state = "not_enabled"
    assert_refused(await graph.get(url, params=DAY), 404, "MailboxNotEnabledForRESTAPI")


async def test_client_request_id_is_echoed(graph: httpx.AsyncClient) -> None:
    """In the header and in the error."""
    answer = await graph.get("/users/nobody/events", headers={"client-request-id": "c-1"})
    assert answer.headers["client-request-id"] == "c-1"
    assert answer.json()["error"]["innerError"]["client-request-id"] == "c-1"
    assert answer.json()["error"]["innerError"]["request-id"] == answer.headers["request-id"]
    assert answer.json()["error"]["innerError"]["date"] == "2026-11-23T07:00:00"


async def test_batch_answers_each_request_on_its_own(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Own status, headers and preferences; any order; a failed dependency is 424."""
    exchange.book(ADA, ORION, at(9), at(10))
    [event] = await view(graph)
    window = f"startDateTime={DAY['startDateTime']}&endDateTime={DAY['endDateTime']}"
    patch = {
        "id": "2",
        "method": "PATCH",
        "url": f"/users/{ORION}/events/{event['id']}",
        "headers": {"Content-Type": "application/json", "Prefer": 'IdType="ImmutableId"'},
        "body": {"categories": ["Checked in"]},
    }
    requests = [
        {"id": "1", "method": "GET", "url": f"/users/{ORION}/calendarView?{window}"},
        patch,
        {"id": "3", "method": "GET", "url": f"/users/nobody%40contoso.com/calendarView?{window}"},
        {"id": "4", "dependsOn": ["3"], "method": "GET", "url": f"/users/{ORION}/events"},
        {"id": "5", "method": "DELETE", "url": f"/users/{ORION}/events/{event['id']}"},
    ]
    answer = await graph.post("/$batch", json={"requests": requests})
    assert answer.status_code == 200
    responses = {one["id"]: one for one in answer.json()["responses"]}
    assert {name: one["status"] for name, one in responses.items()} == {
        "1": 200, "2": 200, "3": 404, "4": 424, "5": 204,
    }  # fmt: skip
    assert responses["2"]["body"]["categories"] == ["Checked in"]
    assert responses["2"]["body"]["id"] == event["id"]
    assert responses["3"]["body"]["error"]["code"] == "ErrorInvalidUser"
    assert "nobody@contoso.com" in responses["3"]["body"]["error"]["message"]
    assert "body" not in responses["5"]
    assert [one["id"] for one in answer.json()["responses"]] != ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    "requests",
    [
        [{"id": str(n), "method": "GET", "url": "/users/x/events"} for n in range(21)],
        [{"id": "1", "method": "GET", "url": "/users/x/events"}] * 2,
        [{"id": "1", "method": "PATCH", "url": "/users/x/events/y", "body": {}}],
        [{"id": "1", "dependsOn": ["2"], "method": "GET", "url": "/users/x/events"}],
        [{"id": "1"}],
        [],
    ],
)
async def test_wrong_batch_is_refused_whole(graph: httpx.AsyncClient, requests: list[Any]) -> None:
    """Too many, duplicate ids, a body without its type, a dependency on nothing, no requests."""
    assert_refused(await graph.post("/$batch", json={"requests": requests}), 400, "BadRequest")


async def test_requests_are_counted_by_kind(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """HTTP requests in total; each request within a batch under its own kind."""
    exchange.book(ADA, ORION, at(9), at(10))
    [event] = await view(graph)
    await graph.post(f"/users/{ORION}/events/{event['id']}/decline", json={})
    inner = [{"id": "1", "method": "GET", "url": f"/users/{ORION}/events/{event['id']}"}]
    await graph.post("/$batch", json={"requests": inner})
    assert exchange.requests.total == 4
    assert dict(exchange.requests.routes) == {
        "POST token": 1,
        "GET calendarView": 1,
        "POST decline": 1,
        "POST $batch": 1,
        "GET event": 1,
    }
