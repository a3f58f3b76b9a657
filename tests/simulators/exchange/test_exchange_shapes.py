"""The simulator's JSON against examples that Microsoft has published."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.exchange import ExchangeSimulator, Refuse, daily

ADA, ORION = "ada@contoso.com", "orion@contoso.com"
At = Callable[..., int]
EXAMPLES = Path(__file__).parents[4] / "shared" / "data" / "graph"
WEEK = {"startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2026-11-30T00:00:00Z"}

pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="the published examples are not beside the tree"
)


def example(name: str) -> Any:
    """One published example."""
    return json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))


def shape(value: Any) -> Any:
    """What a value looks like: types, keys, and the form of texts that have one."""
    forms = {
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}": "time without zone",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z": "time in UTC",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d": "time of an error",
        r"W/\"[A-Za-z0-9+/]+=*\"": "etag",
        r"0400000082[0-9A-F]+": "iCalUId",
    }
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str):
        return next((form for pattern, form in forms.items() if re.fullmatch(pattern, value)), "text")
    return type(value).__name__


async def test_created_event_has_every_property_of_the_published_one(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """Same keys, types and formats, for the request of the published example."""
    published = example("event_create_response_single_instance")
    exchange.mailboxes.add_person(ADA)
    body = {name: published[name] for name in ("subject", "body", "start", "end", "attendees", "location")}
    made = await graph.post(f"/users/{ADA}/events", json=body | {"transactionId": published["transactionId"]})
    assert made.status_code == 201
    expected, shown = shape(published), shape(made.json())
    # An example cannot say what a list of several holds: `locations` lacks its uniqueId there.
    for listed in (expected, shown):
        listed["locations"] = [sorted(set(listed["locations"][0]) - {"uniqueId"})]
    assert shown == expected


async def test_instances_have_the_published_properties(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """The selection of the published example, property by property."""
    published = example("event_instances_list")
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    [master] = (await graph.get(f"/users/{ORION}/events")).json()["value"]
    fields = "subject,bodyPreview,seriesMasterId,type,recurrence,start,end"
    answer = await graph.get(
        f"/users/{ORION}/events/{master['id']}/instances", params=WEEK | {"$select": fields}
    )
    found = answer.json()
    assert [shape(one) for one in found["value"]] == [shape(published["value"][0])] * 3
    assert set(found) == set(published)
    assert found["@odata.context"].endswith(f"/instances({fields})")
    assert published["@odata.context"].endswith(f"/instances({fields})")


async def test_selected_event_has_the_published_properties(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """A single event with `$select`; attendees' keys but for the rare proposal of a new time."""
    published = example("event_get_selected")
    exchange.book(ADA, ORION, at(9), at(10))
    [copy] = (await graph.get(f"/users/{ORION}/calendarView", params=WEEK)).json()["value"]
    fields = "subject,body,bodyPreview,organizer,attendees,start,end,location,locations,hideAttendees"
    found = (await graph.get(f"/users/{ORION}/events/{copy['id']}", params={"$select": fields})).json()
    assert set(found) == set(published)
    for name in ("start", "organizer", "location", "body", "attendees"):
        assert shape(found[name]) == shape(published[name])


async def test_cancelled_occurrences_are_named_as_published(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """`OID.<master>.<date>`, only when selected, on the master."""
    published = example("event_get_series_master_exception_and_cancelled_occurrences")
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.cancel(series, occurrence=at(9, day=1))
    url = f"/users/{ADA}/events/{series.id}"
    chosen = (await graph.get(url, params={"$select": "subject,cancelledOccurrences"})).json()
    assert chosen["cancelledOccurrences"] == [f"OID.{chosen['id']}.2026-11-24"]
    assert published["cancelledOccurrences"][0] == f"OID.{published['id']}.2020-04-30"
    assert "cancelledOccurrences" not in (await graph.get(url)).json()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("error_404_item_not_found", None),
        ("error_404_mailbox_not_enabled", None),
        ("error_403_raop_access_policy", None),
        (
            "error_429_mailbox_concurrency",
            Refuse(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
        ),
    ],
)
async def test_errors_say_what_the_published_ones_say(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At, name: str, fault: Refuse | None
) -> None:
    """Code and words; the inner error has the published keys and may have the client's own id."""
    published = example(name)["error"]
    exchange.book(ADA, ORION, at(9), at(10))
    [copy] = (await graph.get(f"/users/{ORION}/calendarView", params=WEEK)).json()["value"]
    url = f"/users/{ORION}/events/{copy['id']}"
    if fault is not None:
        exchange.faults.add(fault)
    elif "item" in name:
        await graph.post(f"{url}/decline", json={})
    else:
        exchange.mailboxes.mailbox(ORION).state = "denied" if "403" in name else "not_enabled"
    answer = await graph.get(url)
    assert answer.status_code == int(name.split("_")[1])
    shown = answer.json()["error"]
    assert (shown["code"], shown["message"]) == (published["code"], published["message"])
    inner = shape(published["innerError"])
    assert inner.items() <= shape(shown["innerError"]).items()
