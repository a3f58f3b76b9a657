"""Reads that share a request: each has its own fate, and all of them leave the slots to nobody else."""

import asyncio
import base64
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import errors
from gateway.exchange.answer import Answer
from gateway.exchange.auth import FRESH
from gateway.exchange.batch import MAX_TOGETHER, envelope, take_apart
from gateway.exchange.client import PREFER, GraphClient
from gateway.exchange.slots import Slots

BASE = "https://graph.example/v1.0"
ROOMS = ("orion", "lyra", "vega")

Inner = tuple[int, Mapping[str, str], Any]
"""Status, headers and body of one answer within a batch."""


class Tokens:
    """Counts questions; each fresh one gives a new token."""

    def __init__(self) -> None:
        self.serial = 1
        self.claims: list[str] = []

    async def token(self, *, claims: str | None = None) -> str:
        if claims is not None:
            self.serial += 1
            self.claims.append(claims)
        return f"token-{self.serial}"


class Server:
    """A Graph that answers each room by its script, one step each time that it is asked for."""

    def __init__(self, **rooms: Sequence[Inner]) -> None:
        self.rooms = {room: list(steps) for room, steps in rooms.items()}
        self.outer: list[httpx.Response | Exception] = []
        """What batches as a whole meet with, before anything else."""
        self.hold: Callable[[], Awaitable[object]] | None = None
        self.batches: list[list[str]] = []
        self.alone: list[str] = []
        self.order: list[str] = []
        self.prefers: set[str] = set()
        self.slept: list[float] = []
        self.tokens = Tokens()
        self.client = GraphClient(
            BASE,
            self.tokens,
            transport=httpx.MockTransport(self._answer),
            sleep=self._sleep,
            jitter=lambda: 1.0,
            wall=lambda: 0.0,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v1.0/$batch":
            room = request.url.path.split("/")[3]
            self.alone.append(room)
            self.order.append("alone")
            status, headers, body = self.rooms[room].pop(0)
            return httpx.Response(status, headers=headers, json=body)
        asked = json.loads(request.content)["requests"]
        rooms = [one["url"].split("/")[2] for one in asked]
        assert {one["method"] for one in asked} == {"GET"}
        self.batches.append(rooms)
        self.order.append("batch")
        self.prefers |= {one["headers"]["Prefer"] for one in asked}
        if self.hold is not None:
            await self.hold()
        if self.outer:
            step = self.outer.pop(0)
            if isinstance(step, Exception):
                raise step
            return step
        told = []
        for one, room in zip(asked, rooms, strict=True):
            status, headers, body = self.rooms[room].pop(0)
            told.append({"id": one["id"], "status": status, "headers": headers, "body": body})
        return httpx.Response(200, json={"responses": told[::-1]})  # in no particular order

    async def ask(self, *rooms: str) -> dict[str, Answer | errors.ExchangeError]:
        """What came of each room, in the order in which it was known."""
        urls = [self.client.url("users", room, "calendarView") + "?$top=200" for room in rooms]
        told: dict[str, Answer | errors.ExchangeError] = {}

        def settle(place: int, outcome: Answer | errors.ExchangeError) -> None:
            assert rooms[place] not in told
            told[rooms[place]] = outcome

        async with asyncio.timeout(10):
            await self.client.fetch_many(urls, settle)
        assert set(told) == set(rooms)
        return told


def page(*names: str) -> Inner:
    """A page with such items."""
    return 200, {"Content-Type": "application/json"}, {"value": list(names)}


def no(status: int, code: str = "", **headers: str) -> Inner:
    """An error as Graph gives it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, {"error": {"code": code, "message": "no"}}


def values(told: Mapping[str, Answer | errors.ExchangeError]) -> dict[str, Any]:
    """The items of the pages, or the kind of error."""
    return {
        room: one.json()["value"] if isinstance(one, Answer) else type(one).__name__
        for room, one in told.items()
    }


async def test_rooms_are_asked_for_in_one_request_each_with_the_preferences() -> None:
    """One HTTP request; Prefer is in every inner request, for the envelope's does not count for them."""
    server = Server(orion=[page("a")], lyra=[page("b")], vega=[page()])
    assert values(await server.ask(*ROOMS)) == {"orion": ["a"], "lyra": ["b"], "vega": []}
    assert server.batches == [list(ROOMS)]
    assert server.prefers == {PREFER}
    counts = server.client.requests
    assert (counts.read, counts.batched, counts.write) == (1, 3, 0)


async def test_a_throttled_room_waits_alone_and_the_others_are_told_at_once() -> None:
    """Retry-After of an inner answer is that request's; it is asked again without the others."""
    server = Server(
        orion=[page("a")], lyra=[no(429, "ApplicationThrottled", Retry_After="2.5"), page("b")], vega=[page()]
    )
    told = await server.ask(*ROOMS)
    assert list(told) == ["orion", "vega", "lyra"]
    assert values(told)["lyra"] == ["b"]
    assert server.batches == [list(ROOMS), ["lyra"]]
    assert server.slept == [2.5]
    assert server.client.requests.throttled == 1


async def test_a_room_that_must_wait_for_too_long_is_given_up_and_keeps_nobody() -> None:
    """Retry-After of an hour goes to the caller, as it does with single reads."""
    server = Server(orion=[no(429, Retry_After="3600")], lyra=[no(503), page("b")])
    told = await server.ask("orion", "lyra")
    assert list(told) == ["orion", "lyra"]
    assert isinstance(told["orion"], errors.RetryableError)
    assert told["orion"].retry_after_s == 3600
    assert server.slept == [1.0]


@pytest.mark.parametrize(
    ("inner", "kind"),
    [
        (no(403, "ErrorAccessDenied"), "ForbiddenError"),
        (no(404, "MailboxNotEnabledForRESTAPI"), "MailboxError"),
        (no(404, "ErrorItemNotFound"), "ItemGoneError"),
        (no(400, "BadRequest"), "RefusedError"),
        ((200, {}, "bm90IEpTT04="), None),
    ],
)
async def test_an_error_of_one_room_is_that_room_s(inner: Inner, kind: str | None) -> None:
    """What is wrong with one mailbox says nothing about the others, and is not tried again."""
    server = Server(orion=[inner], lyra=[page("b")])
    told = await server.ask("orion", "lyra")
    assert values({"lyra": told["lyra"]}) == {"lyra": ["b"]}
    if kind is None:
        assert isinstance(told["orion"], Answer)
        with pytest.raises(errors.MalformedError):
            told["orion"].json()
    else:
        assert type(told["orion"]).__name__ == kind
    assert server.batches == [["orion", "lyra"]]


async def test_a_refused_token_is_renewed_once_for_all_of_them() -> None:
    """Inner 401s, as when the token ended in between: one new token, and only those are asked again."""
    claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1604106651"}}})
    challenge = f'Bearer error="insufficient_claims", claims="{base64.b64encode(claims.encode()).decode()}"'
    refused = no(401, "InvalidAuthenticationToken", WWW_Authenticate=challenge)
    server = Server(orion=[refused, page("a")], lyra=[page("b")], vega=[refused, page("c")])
    assert values(await server.ask(*ROOMS)) == {"orion": ["a"], "lyra": ["b"], "vega": ["c"]}
    assert server.tokens.claims == [claims]
    assert server.batches == [list(ROOMS), ["orion", "vega"]]


async def test_a_refused_envelope_gets_another_token_too() -> None:
    """As with every other request."""
    server = Server(orion=[page("a")], lyra=[page("b")])
    server.outer = [httpx.Response(401)]
    await server.ask("orion", "lyra")
    assert server.tokens.claims == [FRESH]


@pytest.mark.parametrize(
    "step", [httpx.Response(503), httpx.Response(429), httpx.ReadTimeout("x"), httpx.ConnectError("x")]
)
async def test_a_batch_is_tried_again_while_graph_is_away(step: httpx.Response | Exception) -> None:
    """Patience as with single reads."""
    server = Server(orion=[page("a")], lyra=[page("b")])
    server.outer = [step]
    assert values(await server.ask("orion", "lyra")) == {"orion": ["a"], "lyra": ["b"]}
    assert server.slept == [1.0]


async def test_what_a_batch_never_answers_is_asked_for_one_by_one_in_the_end() -> None:
    """One mailbox may be what makes all of them fail: the last attempt is each on its own."""
    server = Server(orion=[page("a")], lyra=[no(503)], vega=[page("c")])
    server.outer = [httpx.Response(504)] * 4
    told = values(await server.ask(*ROOMS))
    assert told == {"orion": ["a"], "lyra": "RetryableError", "vega": ["c"]}
    assert len(server.batches) == 4
    assert server.alone == list(ROOMS)


@pytest.mark.parametrize("status", [400, 403, 404, 405])
async def test_where_batches_are_refused_rooms_are_read_one_by_one(status: int) -> None:
    """A proxy that knows no $batch costs requests, not the calendars."""
    server = Server(orion=[page("a")], lyra=[page("b")])
    server.outer = [httpx.Response(status)]
    assert values(await server.ask("orion", "lyra")) == {"orion": ["a"], "lyra": ["b"]}
    assert server.alone == ["orion", "lyra"]


async def test_nothing_is_read_one_by_one_without_a_token() -> None:
    """Twenty refusals instead of one help nobody."""
    server = Server(orion=[], lyra=[])
    server.outer = [httpx.Response(401), httpx.Response(401)]
    assert values(await server.ask("orion", "lyra")) == {"orion": "AuthError", "lyra": "AuthError"}
    assert server.alone == []


async def test_a_link_elsewhere_gets_neither_token_nor_request() -> None:
    """As with single reads; what it was asked with is read alone."""
    server = Server(orion=[page("a")])
    told: list[Answer | errors.ExchangeError] = [errors.RefusedError("not told")] * 2
    urls = [server.client.url("users", "orion", "calendarView"), "https://elsewhere.example/v1.0/users"]
    await server.client.fetch_many(urls, told.__setitem__)
    assert isinstance(told[0], Answer)
    assert isinstance(told[1], errors.MalformedError)
    assert server.alone == ["orion"]


async def test_more_than_graph_takes_is_a_mistake_of_the_caller() -> None:
    """Twenty."""
    with pytest.raises(ValueError, match="at most 20"):
        await Server().client.fetch_many(["x"] * (MAX_TOGETHER + 1), lambda *_: None)


async def test_a_batch_has_all_four_slots_and_a_write_comes_right_after_it() -> None:
    """Exchange works on four of a batch at a time, so nothing else is sent meanwhile."""
    going, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        going.set()
        await go_on.wait()

    server = Server(orion=[page(), page()], lyra=[page()], vega=[page()])
    server.hold = hold
    async with asyncio.TaskGroup() as group:
        first = group.create_task(server.ask("orion", "lyra"))
        await going.wait()
        urgent = server.client.url("users", "vega", "events")
        group.create_task(server.client.get(urgent, urgent=True))
        group.create_task(server.ask("orion"))
        for _ in range(50):
            await asyncio.sleep(0)
        assert server.order == ["batch"]
        go_on.set()
    assert first.done()
    assert server.order == ["batch", "alone", "batch"]


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 5))
def test_slots_are_never_exceeded_and_all_are_given_back(batches: list[bool], count: int) -> None:
    """Any mixture of batches (True) and single requests; one is cancelled while it waits or works."""

    async def go() -> None:
        slots, held = Slots(count), 0

        async def work(*, whole: bool) -> None:
            nonlocal held
            weight = count if whole else 1
            async with slots.all() if whole else slots.one(urgent=False):
                held += weight
                assert held <= count
                try:
                    await asyncio.sleep(0)
                finally:
                    held -= weight

        tasks = [asyncio.ensure_future(work(whole=whole)) for whole in batches]
        await asyncio.sleep(0)
        if tasks:
            tasks[len(tasks) // 2].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        async with asyncio.timeout(5), slots.all():
            assert held == 0

    asyncio.run(go())


def test_a_batch_that_answers_nonsense_is_no_answer() -> None:
    """Not JSON, another shape, twice the same: malformed; a missing answer is missing for its room alone."""
    for body in (b"<html>", b"[]", b'{"responses":[{"status":200}]}'):
        with pytest.raises(errors.MalformedError):
            take_apart(body, 1)
    twice = b'{"responses":[{"id":"0","status":200},{"id":"0","status":200}]}'
    with pytest.raises(errors.MalformedError, match="twice"):
        take_apart(twice, 2)
    first, second = take_apart(b'{"responses":[{"id":"1","status":204}]}', 2)
    assert isinstance(first, errors.MalformedError)
    assert second == Answer(204, accepted=True, headers={}, body=b"")


@given(st.permutations(range(5)), st.lists(st.text(), min_size=5, max_size=5))
def test_answers_come_back_in_the_order_of_the_questions(order: list[int], texts: list[str]) -> None:
    """Whatever order Graph chooses, and whatever the bodies hold."""
    asked = json.loads(envelope([f"/users/{n}" for n in range(5)], PREFER))["requests"]
    told = [{"id": asked[n]["id"], "status": 200, "body": {"value": texts[n]}} for n in order]
    answers = take_apart(json.dumps({"responses": told}).encode(), 5)
    assert [one.json()["value"] for one in answers if isinstance(one, Answer)] == texts
    assert [one["url"] for one in asked] == [f"/users/{n}" for n in itertools.islice(itertools.count(), 5)]
