"""Steering over HTTP, and the faults that it can order."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange import PRESETS, ExchangeSimulator, Refuse, Variants
from simulators.exchange.faults import FaultScript

ADA, ORION = "ada@contoso.com", "orion@contoso.com"
At = Callable[..., int]
VIEW = f"/users/{ORION}/calendarView?startDateTime=2026-11-23&endDateTime=2026-11-24"


@pytest.fixture
async def steer(exchange: ExchangeSimulator, graph: httpx.AsyncClient, clock: Any) -> Any:
    """Gives an order and returns the answer's status and body."""

    def advance(by_ms: int) -> None:
        clock.at += by_ms

    exchange.allow_control(advance)

    async def steer(method: str, name: str, body: Any = None) -> tuple[int, Any]:
        answer = await graph.request(method, f"https://graph.test/simulator{name}", json=body)
        return answer.status_code, answer.json()

    return steer


async def test_there_is_no_control_unless_it_is_allowed(graph: httpx.AsyncClient) -> None:
    """In a process of one's own the attributes are enough."""
    assert (await graph.get("https://graph.test/simulator")).status_code in (400, 401)


@pytest.mark.parametrize("preset", [name for name, fault in PRESETS.items() if isinstance(fault, Refuse)])
async def test_every_refusal_can_be_ordered(graph: httpx.AsyncClient, steer: Any, preset: str) -> None:
    """By name; it strikes once and shows its status, and Graph's shape unless its body is its own."""
    fault = PRESETS[preset]
    assert isinstance(fault, Refuse)
    status, told = await steer("POST", "/faults", {"preset": preset, "path": "/calendarView"})
    assert (status, told["rules"][0]["struck"]) == (200, 0)
    refused = await graph.get(VIEW)
    assert refused.status_code == fault.status
    if fault.body is None:
        assert refused.json()["error"]["code"] == fault.code
        assert refused.json()["error"]["innerError"]["date"] == "2026-11-23T07:00:00"
    if fault.retry_after.startswith("date:"):
        assert refused.headers["retry-after"] == "Mon, 23 Nov 2026 07:00:03 GMT"
    elif fault.retry_after:
        assert refused.headers["retry-after"] == fault.retry_after
    else:
        assert "retry-after" not in refused.headers
    assert (await graph.get(VIEW)).status_code == 200
    assert (await steer("GET", "/faults"))[1]["rules"][0]["struck"] == 1


async def test_other_faults_can_be_ordered_by_kind(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, steer: Any, at: At
) -> None:
    """Half and cut bodies, small pages, a broken connection, slow bodies, with numbers of one's own."""
    for hour in (9, 11):
        exchange.book(ADA, ORION, at(hour), at(hour + 1))
    await steer("POST", "/faults", {"fault": {"kind": "repage", "size": 1}})
    assert len((await graph.get(VIEW)).json()["value"]) == 1
    await steer("POST", "/faults", {"fault": {"kind": "slow", "pause_s": 0, "pieces": 7}})
    assert len((await graph.get(VIEW)).json()["value"]) == 2
    whole = len((await graph.get(VIEW)).content)
    await steer("POST", "/faults", {"fault": {"kind": "truncate", "keep": 0.25}})
    assert len((await graph.get(VIEW)).content) == whole // 4
    for kind in ("cut", "drop"):
        await steer("POST", "/faults", {"fault": {"kind": kind}})
        with pytest.raises(httpx.ReadError):
            await graph.get(VIEW)
    await steer("POST", "/faults", {"preset": "503", "times": None})
    await steer("DELETE", "/faults")
    assert (await graph.get(VIEW)).status_code == 200


@pytest.mark.parametrize(
    ("method", "name", "body", "words"),
    [
        ("POST", "/faults", {"preset": "nothing"}, "there is no preset 'nothing'; there are: throttled"),
        ("POST", "/faults", {}, "give a preset, a fault or latency_s"),
        ("POST", "/faults", {"fault": {"kind": "refuse"}}, "missing required field `status`"),
        ("POST", "/mailboxes", {"address": "nobody@contoso.com"}, "nobody@contoso.com"),
        ("POST", "/mailboxes", {"address": ORION, "state": "odd"}, "state"),
        ("POST", "/mailboxes", {"address": ORION, "processing": {"size": 1}}, "size"),
        ("POST", "/application", {"certificate": "rubbish"}, "PEM"),
        ("POST", "/limits", {"max_in_flight": 0}, "from 1 on"),
        ("POST", "/clock", {"advance_ms": -1}, "backwards"),
        ("POST", "/people", {}, "address"),
    ],
)
async def test_mistakes_are_named(steer: Any, method: str, name: str, body: Any, words: str) -> None:
    """What was asked, and what is wrong with it."""
    status, told = await steer(method, name, body)
    assert status == 400
    assert words in told["error"]
    assert f"{method} /simulator{name}" in told["error"]


async def test_unknown_orders_are_404_with_a_list(steer: Any) -> None:
    """And the list is at the root."""
    status, told = await steer("POST", "/nothing", {})
    assert (status, "POST /simulator/faults" in told["there is"]) == (404, True)
    status, told = await steer("GET", "")
    assert status == 200
    assert set(told) == {"routes", "presets", "variants", "now"}


async def test_world_is_steered(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, steer: Any, at: At
) -> None:
    """People, mailboxes, places, registrations, tokens, delta, limits, time, mail and counts."""
    assert (await steer("POST", "/people", {"address": ADA}))[1]["name"] == "Ada"
    exchange.book(ADA, ORION, at(9), at(10))
    order = {"address": ORION, "state": "not_enabled", "processing": {"allow_conflicts": True}}
    told = (await steer("POST", "/mailboxes", order | {"place": {"capacity": 9}, "hidden": True}))[1]
    assert told["processing"]["allow_conflicts"] is True
    assert (await graph.get(VIEW)).json()["error"]["code"] == "MailboxNotEnabledForRESTAPI"
    await steer("POST", "/mailboxes", {"address": ORION, "state": "ready", "hidden": False})
    assert (await graph.get(f"/places/{ORION}")).json()["capacity"] == 9
    await steer("POST", "/application", {"roles": [], "exchange_roles": {"Calendars.Read": [ORION]}})
    token = (await steer("POST", "/tokens", {"user": ADA, "scopes": ["User.Read"]}))[1]["access_token"]
    assert (await graph.get("/me", headers={"authorization": f"Bearer {token}"})).json()["mail"] == ADA
    before = exchange.now()
    told_now = (await steer("POST", "/clock", {"advance_ms": 60_000}))[1]["now"]
    assert datetime.fromisoformat(told_now).timestamp() * 1_000 == before + 60_000
    assert [one["kind"] for one in (await steer("GET", f"/messages?to={ADA}"))[1]["messages"]] == ["accepted"]
    assert (await steer("GET", "/requests"))[1]["routes"]["GET calendarView"] == 1
    assert (await steer("POST", "/limits", {"max_in_flight": 4}))[1] == {"max_in_flight": 4}
    assert (await steer("POST", "/delta", {}))[1] == {"forgotten": True}
    assert (await steer("POST", "/subscriptions", {"lose": 2, "delay_ms": 5}))[1] == {"active": []}
    assert (await steer("POST", "/tokens", {"revoke": True, "lifetime_s": 60}))[1] == {"lifetime_s": 60}
    assert (await graph.get(VIEW)).status_code == 401


@pytest.mark.parametrize(("scope", "refused"), [("application", 2), ("mailbox", 0)])
async def test_limit_may_be_each_mailboxs_own(
    exchange: ExchangeSimulator, graph: httpx.AsyncClient, scope: Any, refused: int
) -> None:
    """Which of the two Exchange counts is not documented."""
    exchange.mailboxes.variants = Variants(concurrency_scope=scope)
    exchange.app.max_in_flight = 4
    exchange.faults.latency_s = 0.001
    urls = [VIEW] * 3 + [VIEW.replace(ORION, "lyra@contoso.com")] * 3
    statuses = [answer.status_code for answer in await asyncio.gather(*map(graph.get, urls))]
    assert statuses.count(429) == refused


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_seeded_storms_repeat_themselves(seed: int, share: float) -> None:
    """The same requests in the same order meet the same faults; none at 0, always one at most."""

    def struck() -> list[Any]:
        script = FaultScript(lambda: 0)
        script.storm(seed, share, ["503", "reset", "throttled"])
        return [script.strike("GET", f"/users/{n}") for n in range(30)]

    assert struck() == struck()
    if share == 0:
        assert set(struck()) == {None}


def test_storms_strike_about_as_often_as_they_should() -> None:
    """A fifth of a thousand."""
    script = FaultScript(lambda: 0)
    script.storm(7, 0.2)
    assert 150 < sum(script.strike("GET", "/x") is not None for _ in range(1_000)) < 250
