"""calendarView/delta: rounds, pages, what is told of what, and tokens that expire."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from simulators.exchange import ExchangeSimulator, Variants, daily

ADA, ORION = "ada@contoso.com", "orion@contoso.com"
At = Callable[..., int]
IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}
START, END = "2026-11-23T00:00:00Z", "2026-11-26T00:00:00Z"
URL = f"/users/{ORION}/calendarView/delta?startDateTime={START}&endDateTime={END}"
Rows = list[dict[str, Any]]


async def round_of(graph: httpx.AsyncClient, url: str = URL, prefer: str = "") -> tuple[Rows, str]:
    """All pages of a round, and the link to the next."""
    headers = {"prefer": f"{IMMUTABLE['prefer']}{prefer}"}
    rows: Rows = []
    while True:
        answer = await graph.get(url, headers=headers)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["value"]
        if "@odata.deltaLink" in page:
            return rows, page["@odata.deltaLink"]
        url = page["@odata.nextLink"]


def removed(rows: Rows) -> list[str]:
    """Ids that are told as gone."""
    return [row["id"] for row in rows if row.get("@removed") == {"reason": "deleted"}]


async def test_round_tells_only_what_changed(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """All at first, then nothing, then a change, then what has gone."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    exchange.book(ADA, ORION, at(11), at(12))
    first, link = await round_of(graph)
    assert [row["type"] for row in first] == ["singleInstance"] * 2
    assert (await round_of(graph, link))[0] == []
    exchange.move(event, at(14), at(15))
    rows, link = await round_of(graph, link)
    assert [row["start"]["dateTime"][11:13] for row in rows] == ["14"]
    [copy] = exchange.calendar(ORION, at(14), at(15))
    exchange.mailboxes.respond(exchange.mailboxes.mailbox(ORION), copy.id, "declined")
    rows, _ = await round_of(graph, link)
    assert rows == [
        {"@odata.type": "#microsoft.graph.event", "id": copy.id, "@removed": {"reason": "deleted"}}
    ]


async def test_occurrences_are_thin_and_masters_come_with_their_first_dates(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """The fields that were observed; an exception is whole."""
    series = exchange.book(ADA, ORION, at(9, day=-7), at(10, day=-7), recurrence=daily(count=20))
    exchange.move(series, at(15, day=1), at(16, day=1), occurrence=at(9, day=1))
    rows, _ = await round_of(graph)
    assert [row["type"] for row in rows] == ["seriesMaster", "occurrence", "exception", "occurrence"]
    assert rows[0]["start"]["dateTime"].startswith("2026-11-16")
    assert set(rows[1]) == {"@odata.type", "@odata.etag", "id", "seriesMasterId", "type", "start", "end"}
    assert rows[2]["subject"]
    assert rows[1]["seriesMasterId"] == rows[0]["id"]


async def test_change_to_one_occurrence_tells_the_series_again(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """And the one that was declined is gone, or, where Exchange does not tell that, only missing."""
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    _, link = await round_of(graph)
    second = exchange.calendar(ORION, at(0, day=1), at(0, day=2))[0]
    exchange.mailboxes.respond(exchange.mailboxes.mailbox(ORION), second.id, "declined")
    rows, _ = await round_of(graph, link)
    assert removed(rows) == [second.id]
    assert [row["type"] for row in rows if "type" in row] == ["seriesMaster", "occurrence", "occurrence"]


async def test_what_happens_outside_of_the_window_is_told_as_removed(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Added, changed and deleted: an unknown id under @removed is normal."""
    _, link = await round_of(graph)
    event = exchange.book(ADA, ORION, at(9, day=9), at(10, day=9))
    rows, link = await round_of(graph, link)
    [outside] = removed(rows)
    exchange.change(event, subject="Other")
    rows, link = await round_of(graph, link)
    assert removed(rows) == [outside]
    exchange.move(event, at(9), at(10))
    rows, link = await round_of(graph, link)
    assert [row["id"] for row in rows if "type" in row] == [outside]
    exchange.move(event, at(9, day=9), at(10, day=9))
    assert removed((await round_of(graph, link))[0]) == [outside]


async def test_pages_are_as_long_as_preferred(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Ten by default; links carry nothing but their token."""
    for n in range(12):
        exchange.book(ADA, ORION, at(n), at(n, 30))
    page = (await graph.get(URL)).json()
    assert (len(page["value"]), "@odata.deltaLink" in page) == (10, False)
    assert set(httpx.URL(page["@odata.nextLink"]).params) == {"$skiptoken"}
    assert page["@odata.context"].endswith("$metadata#Collection(event)")
    page = (await graph.get(URL, headers={"prefer": "odata.maxpagesize=5"})).json()
    assert len(page["value"]) == 5
    assert len((await round_of(graph, URL, ", odata.maxpagesize=5"))[0]) == 12


async def test_old_tokens_are_gone_with_the_way_back(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Only the newest states of a window are kept; 410 names where to begin anew, and that works."""
    exchange.book(ADA, ORION, at(9), at(10))
    _, oldest = await round_of(graph)
    link = oldest
    for _ in range(4):
        _, link = await round_of(graph, link)
    gone = await graph.get(oldest)
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "SyncStateNotFound")
    assert "generation=1;" in gone.json()["error"]["message"]
    assert len((await round_of(graph, gone.headers["location"]))[0]) == 1
    exchange.graph.delta.forget()
    assert (await graph.get(link)).status_code == 410
    assert (await graph.get(f"/users/{ORION}/calendarView/delta?$deltatoken=rubbish")).status_code == 400


@pytest.mark.parametrize(
    "option", ["$filter=isAllDay eq true", "$top=5", "$orderby=subject", "$select=subject"]
)
async def test_unsupported_options_are_refused(graph: httpx.AsyncClient, option: str) -> None:
    """By name, as Graph does."""
    answer = await graph.get(f"{URL}&{option}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ErrorInvalidUrlQuery")
    assert option.partition("=")[0] in answer.json()["error"]["message"]
    missing = await graph.get(f"/users/{ORION}/calendarView/delta")
    assert "requires a time window" in missing.json()["error"]["message"]


@pytest.mark.parametrize(
    ("variant", "told", "pages"),
    [
        (Variants(delta_tells_declined=False), 0, 1),
        (Variants(delta_empty_pages=True), 1, 2),
        (Variants(delta_repeats=True), 1, 1),
        (Variants(delta_select="ignored"), 1, 1),
    ],
)
async def test_variants_change_how_it_is_told(
    at: At, clock: Any, variant: Variants, told: int, pages: int
) -> None:
    """Each switch of delta."""
    exchange = ExchangeSimulator(rooms=[ORION], now=clock.now, wall_clock=clock.wall, variants=variant)
    transport = httpx.ASGITransport(exchange.app)
    headers = {"authorization": f"Bearer {exchange.identity.issue_token()}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="https://graph.test/v1.0", headers=headers
    ) as graph:
        exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
        query = "&$select=subject" if variant.delta_select == "ignored" else ""
        whole, link = await round_of(graph, URL + query, ", odata.maxpagesize=2")
        assert len(whole) == (5 if variant.delta_repeats else 4)
        second = exchange.calendar(ORION, at(0, day=1), at(0, day=2))[0]
        exchange.mailboxes.respond(exchange.mailboxes.mailbox(ORION), second.id, "declined")
        before = exchange.requests.total
        rows, _ = await round_of(graph, link)
        assert (len(removed(rows)), exchange.requests.total - before) == (told, pages)


async def test_beta_tells_all_events_without_a_window(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Masters and single events, not expanded."""
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    rows, link = await round_of(graph, f"https://graph.test/beta/users/{ORION}/events/delta")
    assert [row["type"] for row in rows] == ["seriesMaster"]
    assert (await round_of(graph, link))[0] == []
