"""Query options: what Graph's clients ask with, and what is refused."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange import ExchangeSimulator, daily
from simulators.exchange.errors import InvalidRequest
from simulators.exchange.filters import parse_filter
from simulators.exchange.odata import options_of

ADA, BEN, ORION = "ada@contoso.com", "ben@contoso.com", "orion@contoso.com"
At = Callable[..., int]
DAY = {"startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2026-11-24T00:00:00Z"}
NAMES = frozenset({"a", "b", "list", "start", "subject", "flag"})
ITEM: dict[str, Any] = {
    "a": 3,
    "b": None,
    "flag": True,
    "subject": "It's a Review",
    "start": {"dateTime": "2026-11-23T09:00:00.0000000"},
    "list": ["red", "Blue"],
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a eq 3", True),
        ("a ne 3", False),
        ("a gt 2 and a le 3", True),
        ("a lt 3 or b eq null", True),
        ("not (a eq 3)", False),
        ("not a eq 3", False),
        ("b gt 1", False),
        ("flag", True),
        ("flag eq true", True),
        ("not flag", False),
        ("subject eq 'it''s a review'", True),
        ("startswith(subject,'IT')", True),
        ("endswith(subject, 'view') eq true", True),
        ("contains(subject,'x') eq false", True),
        ("contains(b,'x')", False),
        ("start/dateTime ge '2026-11-23T09:00:00Z'", True),
        ("start/dateTime lt '2026-11-23T10:00:00+01:00'", False),
        ("start/dateTime gt 2026-11-23T08:59:59Z", True),
        ("start/nothing eq null", True),
        ("list/any(c:c eq 'blue')", True),
        ("list/all(c:c eq 'blue')", False),
        ("a in (1, 2, 3)", True),
        ("subject in ('x','y')", False),
        ("a eq 1 or a eq 2 or (a eq 3 and flag eq true)", True),
        ("a eq 1 and flag eq true or a eq 3", True),
    ],
)
def test_filter_holds(text: str, *, holds: bool) -> None:
    """Comparisons, functions, lists; `and` binds before `or`; texts in any case, times as times."""
    assert parse_filter(text, NAMES)(ITEM) is holds


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "RequestBroker--ParseUri"),
        ("a eq", "RequestBroker--ParseUri"),
        ("a eq 3 3", "RequestBroker--ParseUri"),
        ("(a eq 3", "RequestBroker--ParseUri"),
        ("a is 3", "RequestBroker--ParseUri"),
        ("a eq 'open", "RequestBroker--ParseUri"),
        ("other eq 3", "RequestBroker--ParseUri"),
        ("length(subject) eq 3", "ErrorInvalidUrlQueryFilter"),
        ("(" * 60 + "a eq 3" + ")" * 60, "ErrorInvalidUrlQueryFilter"),
        ("not " * 60 + "flag", "RequestBroker--ParseUri"),
    ],
)
def test_wrong_filters_are_refused(text: str, code: str) -> None:
    """Syntax, unknown properties and functions, and nesting without end."""
    with pytest.raises(InvalidRequest) as refused:
        parse_filter(text, NAMES)
    assert refused.value.code == code


@given(st.text(st.sampled_from("ab list/any(:)',eqandorot1 $-TZ"), max_size=60))
def test_no_filter_breaks_the_parser(text: str) -> None:
    """Whatever is written: a test that answers, or a refusal."""
    try:
        keep = parse_filter(text, NAMES)
    except InvalidRequest:
        return
    assert keep(ITEM) in (True, False)


@given(st.text(st.sampled_from("$abtopskipfilterexpand()=&;,'%2 "), max_size=60))
def test_no_query_breaks_the_options(query: str) -> None:
    """Options or a refusal."""
    with suppress(InvalidRequest):
        options_of(query)


@pytest.fixture
def meetings(exchange: ExchangeSimulator, at: At) -> None:
    """Three meetings of two people in the room, the second of them marked."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.book(BEN, ORION, at(11), at(12))
    exchange.book(ADA, ORION, at(13), at(14), show_as="tentative")
    item = exchange.calendar(ORION, at(11), at(12))[0]
    fields = {"categories": ("Checked in",), "extended": (("String {x} Name Y", "z"),)}
    exchange.mailboxes.alter(exchange.mailboxes.mailbox(ORION), item.id, fields)


@pytest.mark.usefixtures("meetings")
@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("start/dateTime ge '2026-11-23T11:00:00Z'", ["11", "13"]),
        ("start/dateTime ge '2026-11-23T10:00:00' and end/dateTime le '2026-11-23T12:00:00'", ["11"]),
        ("categories/any(c:c eq 'checked in')", ["11"]),
        ("isCancelled eq false and showAs eq 'tentative'", ["13"]),
        ("startswith(subject,'Ada')", ["09", "13"]),
        ("organizer/emailAddress/address eq 'ben@contoso.com'", ["11"]),
        (
            "singleValueExtendedProperties/any(ep: ep/id eq 'String {x} Name Y' and ep/value eq 'z')",
            ["11"],
        ),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Tokyo Standard Time"])
async def test_events_are_filtered(graph: httpx.AsyncClient, text: str, hours: list[str], zone: str) -> None:
    """In lists and calendarViews alike; the filter's times are UTC whatever zone is preferred."""
    for path, window in (("calendarView", DAY), ("events", {})):
        parameters = {"$filter": text, "$orderby": "start/dateTime", **window}
        headers = {"prefer": f'outlook.timezone="{zone}"'}
        answer = await graph.get(f"/users/{ORION}/{path}", params=parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        shown = [event["start"]["dateTime"][11:13] for event in answer.json()["value"]]
        assert [(int(one) - (9 if zone != "UTC" else 0)) % 24 for one in shown] == [int(one) for one in hours]


@pytest.mark.usefixtures("meetings")
async def test_count_counts_what_is_kept(graph: httpx.AsyncClient) -> None:
    """`$count=true` tells the whole, whatever the page holds; `/$count` is plain text."""
    parameters = {"$count": "true", "$top": "1", "$filter": "startswith(subject,'Ada')"}
    page = (await graph.get(f"/users/{ORION}/events", params=parameters)).json()
    assert (page["@odata.count"], len(page["value"])) == (2, 1)
    following = (await graph.get(page["@odata.nextLink"])).json()
    assert (following["@odata.count"], len(following["value"])) == (2, 1)
    answer = await graph.get(f"/users/{ORION}/events/$count")
    assert (answer.text, answer.headers["content-type"]) == ("3", "text/plain")


@pytest.mark.usefixtures("meetings")
async def test_expansion_brings_extended_properties(graph: httpx.AsyncClient) -> None:
    """Only those that the inner filter names, only where there are some."""
    expand = "singleValueExtendedProperties($filter=id eq 'String {x} Name Y')"
    found = (await graph.get(f"/users/{ORION}/calendarView", params=DAY | {"$expand": expand})).json()[
        "value"
    ]
    shown = [event.get("singleValueExtendedProperties") for event in found]
    assert shown == [None, [{"id": "String {x} Name Y", "value": "z"}], None]
    for wrong in ("messages", "extensions($top=1)", "extensions("):
        refused = await graph.get(f"/users/{ORION}/calendarView", params=DAY | {"$expand": wrong})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "RequestBroker--ParseUri")


@pytest.mark.parametrize(
    "wrong",
    [
        {"$top": "x"},
        {"$top": "-1"},
        {"$skip": "1.5"},
        {"$filter": "nothing eq 1"},
        {"$filter": "attendees/any(a:a/type eq 'x')"},
        {"$orderby": "start/dateTime upwards"},
        {"$orderby": "nothing"},
        {"$search": "x"},
        {"$count": "perhaps"},
        {"$apply": "x"},
        {"$select": "subject,nothing"},
    ],
)
async def test_wrong_options_are_400(graph: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    """Never ignored, never 500."""
    answer = await graph.get(f"/users/{ORION}/calendarView", params=DAY | wrong)
    assert answer.status_code == 400, answer.text


async def test_options_may_lack_their_dollar_and_others_are_ignored(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """`top=1` is `$top=1`; an option without a dollar that nobody knows does nothing."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.book(ADA, ORION, at(11), at(12))
    page = (await graph.get(f"/users/{ORION}/calendarView", params=DAY | {"top": "1", "mine": "x"})).json()
    assert len(page["value"]) == 1
    twice = await graph.get(f"/users/{ORION}/events?$top=1&top=2")
    assert twice.status_code == 400


async def test_exceptions_of_a_series_can_be_expanded(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """On the master, with their occurrence ids."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.move(series, at(15, day=1), at(16, day=1), occurrence=at(9, day=1))
    url = f"/users/{ADA}/events/{series.id}"
    [moved] = (await graph.get(url, params={"$expand": "exceptionOccurrences"})).json()[
        "exceptionOccurrences"
    ]
    assert moved["occurrenceId"].endswith(".2026-11-24")
    assert moved["start"]["dateTime"] == "2026-11-24T15:00:00.0000000"


async def test_body_comes_as_text_on_request(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """`Prefer: outlook.body-content-type`: without markup, and echoed."""
    exchange.mailboxes.add_person(ADA)
    body = {
        "start": {"dateTime": "2026-11-23T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-23T10:00:00", "timeZone": "UTC"},
        "body": {"contentType": "HTML", "content": "<html><body><p>Bring &amp; share</p></body></html>"},
    }
    made = (await graph.post(f"/users/{ADA}/events", json=body)).json()
    assert (made["body"]["contentType"], made["bodyPreview"]) == ("html", "Bring & share")
    headers = {"prefer": 'outlook.body-content-type="text"'}
    answer = await graph.get(f"/users/{ADA}/events/{made['id']}", headers=headers)
    assert answer.json()["body"] == {"contentType": "text", "content": "Bring & share"}
    assert answer.headers["preference-applied"] == headers["prefer"]
    assert answer.headers["etag"] == made["@odata.etag"]


async def test_open_extensions_are_kept_by_name(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Added, read, changed, expanded and taken away; the change key moves with each."""
    exchange.book(ADA, ORION, at(9), at(10))
    [event] = (await graph.get(f"/users/{ORION}/calendarView", params=DAY)).json()["value"]
    url = f"/users/{ORION}/events/{event['id']}/extensions"
    given = {"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "com.contoso.x", "n": 1}
    made = await graph.post(url, json=given)
    assert (made.status_code, made.json()["n"], made.json()["extensionName"]) == (201, 1, "com.contoso.x")
    assert (await graph.patch(f"{url}/com.contoso.x", json={"n": 2})).json()["n"] == 2
    assert [one["n"] for one in (await graph.get(url)).json()["value"]] == [2]
    expand = {
        "$expand": "extensions($filter=id eq 'Microsoft.OutlookServices.OpenTypeExtension.com.contoso.x')"
    }
    after = (await graph.get(f"/users/{ORION}/events/{event['id']}", params=expand)).json()
    assert (after["extensions"][0]["n"], after["changeKey"] != event["changeKey"]) == (2, True)
    by_name = {
        "$filter": "Extensions/any(f:f/id eq 'com.contoso.x')",
        "$expand": "Extensions($filter=id eq 'com.contoso.x')",
    }
    [found] = (await graph.get(f"/users/{ORION}/events", params=by_name)).json()["value"]
    assert (found["id"], [one["n"] for one in found["extensions"]]) == (event["id"], [2])
    other = {name: text.replace("contoso", "fabrikam") for name, text in by_name.items()}
    assert (await graph.get(f"/users/{ORION}/events", params=other)).json()["value"] == []
    assert (await graph.delete(f"{url}/com.contoso.x")).status_code == 204
    assert (await graph.get(f"{url}/com.contoso.x")).status_code == 404
