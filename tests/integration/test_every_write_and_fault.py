"""Every write that the gateway makes, crossed with everything that Exchange may answer, at each stage.

Stages: the read that verifies before, the write itself, the read that confirms after, and the read that
settles what became of a write whose answer was lost. A fault strikes once, or for four minutes.

`make soak` goes through the whole cross. `make test` takes a part of it in which every write meets every
fault once at least, and every fault every stage (see `everyday`).
"""

import base64
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pytest
from harness import World, at, in_world
from provoked import ANA, ORION, WRITES, Provoked, bystanders, items, key_of, look

from gateway.core.decisions import Write
from gateway.core.units import MINUTE_MS
from gateway.exchange.calendar import window
from simulators.exchange.faults import PRESETS, Drop, Fault, Refuse, Repage, Rule, Silence, Stale

Stage = Literal["before", "write", "after", "settling"]
STAGES: Final[tuple[Stage, ...]] = ("before", "write", "after", "settling")
LASTS_MS: Final = 4 * MINUTE_MS

_CLAIMS = base64.b64encode(json.dumps({"access_token": {"nbf": {"value": "1790000000"}}}).encode()).decode()
FAULTS: Final[dict[str, Fault]] = {
    **PRESETS,
    "claims-challenge": Refuse(
        401,
        "InvalidAuthenticationToken",
        "Continuous access evaluation resulted in challenge.",
        headers=(("www-authenticate", f'Bearer error="insufficient_claims", claims="{_CLAIMS}"'),),
    ),
    "bad-request": Refuse(400, "ErrorInvalidRequest"),
    "conflict": Refuse(409, "ErrorConflict"),
    "very-stale": Stale(4 * MINUTE_MS),
}
ONLY_READS: Final = (Stale, Repage)
"""What a write cannot show."""

pytestmark = pytest.mark.thorough


_SORTS: Final = {429: "throttled", 401: "denied", 403: "denied", 404: "missing", 410: "missing"}
"""Of refusals, by status."""


class Case(NamedTuple):
    """One meeting of a write and a fault."""

    write: str
    fault: str
    stage: Stage
    lasting: bool

    @property
    def id(self) -> str:
        """Of the test."""
        return f"{self.write}-{self.fault}-{self.stage}-{'lasting' if self.lasting else 'once'}"


def whole_cross() -> Iterator[Case]:
    """Everything with everything."""
    for write in WRITES:
        for name, fault in FAULTS.items():
            for stage in STAGES:
                if stage == "write" and isinstance(fault, ONLY_READS):
                    continue
                for lasting in (False, True):
                    yield Case(write, name, stage, lasting)


def sort_of(fault: str) -> str:
    """The family that a fault belongs to."""
    struck = FAULTS[fault]
    if isinstance(struck, Refuse):
        return _SORTS.get(struck.status, "failing" if struck.status >= 500 else "refused")
    return "lost" if isinstance(struck, Silence | Drop) else "old, slow or in pieces"


def everyday() -> Iterator[Case]:
    """A part of the cross: every fault at every stage, and every write with every sort of fault.

    Once and lasting take turns. The write is the one that has met this sort of fault, and this stage, least.
    """
    met: Counter[tuple[str, str]] = Counter()
    names = list(WRITES)
    for number, case in enumerate(case for case in whole_cross() if case.write == names[0]):
        if case.lasting != (number // 2 + number // (2 * len(STAGES))) % 2:
            continue
        sort = sort_of(case.fault)
        write = min(names, key=lambda name: (met[name, sort], met[name, case.stage], met[name, ""]))
        met.update([(write, sort), (write, case.stage), (write, "")])
        yield case._replace(write=write)


class Striking:
    """Lets the fault strike at its stage of the write, and nowhere before.

    `verify`, `send` and `confirm` of the room's writer are wrapped, so that the fault begins exactly there.
    """

    def __init__(self, world: World, case: Case, action: str) -> None:
        self._world = world
        self._case = case
        self._action = action
        self.rule: Rule | None = None
        assert world.service is not None
        writer: Any = world.service.dispatch._places["orion"].writer
        self._sent = False
        self._wrap(writer, "verify", self._at_verify)
        self._wrap(writer, "send", self._at_send)
        self._wrap(writer, "confirm", self._at_confirm)

    def _wrap(self, writer: Any, name: str, do: Callable[[Write], None]) -> None:
        inner: Callable[..., Awaitable[Any]] = getattr(writer, name)

        async def outer(*arguments: Any, **named: Any) -> Any:
            (write,) = [one for one in arguments if isinstance(one, Write)]
            if write.action == self._action and self.rule is None:
                do(write)
            return await inner(*arguments, **named)

        setattr(writer, name, outer)

    def _at_verify(self, _: Write) -> None:
        if self._case.stage == "before" or (self._case.stage == "settling" and self._sent):
            self._strike("GET")

    def _at_send(self, write: Write) -> None:
        method = {"delete": "DELETE", "category": "PATCH", "patch_end": "PATCH"}.get(write.method, "POST")
        if self._case.stage == "write":
            self._strike(method)
        elif self._case.stage == "settling" and not self._sent:
            self._world.exchange.faults.add(Drop(after_effect=True), method=method, path=ORION)
        self._sent = True

    def _at_confirm(self, _: Write) -> None:
        if self._case.stage == "after":
            self._strike("GET")

    def _strike(self, method: str) -> None:
        now = self._world.clock.now()
        times, during = (None, (now, now + LASTS_MS)) if self._case.lasting else (1, None)
        faults = self._world.exchange.faults
        self.rule = faults.add(
            FAULTS[self._case.fault], method=method, path=ORION, times=times, during=during
        )


def problems(world: World, write: Provoked, before: dict[Any, Any]) -> Iterator[str]:
    """What must not be, after all has settled."""
    rows = [row for row in world.outbox() if row[0] == write.action]
    for action, state, why in world.outbox():
        if state not in ("applied", "superseded", "expired"):
            yield f"{action} has not ended: {state} {why}"
    shown = write.shows(world)
    if shown > 1:
        yield f"{shown} effects"
    applied = sum(state == "applied" for _, state, _ in rows)
    if (bool(applied) if write.repeats else applied) != shown:
        yield f"{applied} applied and {shown} to be seen: {rows}"
    told = [m.kind for m in world.exchange.messages_to(ANA) if m.kind in ("declined", "cancelled")]
    if len(told) > 1:
        yield f"the organizer reads {told}"
    after = {key_of(item): look(item) for item in items(world) if key_of(item) in before}
    if after != before:
        yield f"others were touched: {before.items() ^ after.items()}"
    yield from differing(world)


def differing(world: World) -> Iterator[str]:
    """Where the gateway's picture of the calendar is not the mailbox's."""
    assert world.service is not None
    room = world.service.brain.site.rooms["orion"]
    start, end = window(world.clock.now(), world.settings.zone(world.settings.rooms[0]))
    known = {b.event_id: (b.start, b.end) for b in room.state.calendar.values() if b.is_decided_on}
    there = {
        item.id: (item.start_ms, item.end_ms)
        for item in world.exchange.calendar(ORION, start, end)
        if item.blocks
    }
    if known != there:
        yield f"the gateway knows {known}, the room has {there}"


def run(case: Case, folder: Path) -> None:
    """Let it happen, and see that every promise holds."""
    write = WRITES[case.write]
    found: list[str] = []

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        bystanders(world)
        before = {key_of(item): look(item) for item in items(world)}
        striking = Striking(world, case, write.action)
        await write.provoke(world)
        await world.until(write.until)
        assert striking.rule is not None, "the write never came so far"
        assert striking.rule.struck
        found.extend(problems(world, write, before))

    in_world(folder, story, at(write.begin), **write.more)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("case", list(everyday()), ids=lambda case: case.id)
def test_a_write_has_one_effect_whatever_exchange_answers(tmp_path: Path, case: Case) -> None:
    """One effect at most, one end that agrees with it, one message at most, and nothing else touched."""
    run(case, tmp_path)


@pytest.mark.parametrize(
    "case",
    [
        Case("decline", "very-stale", "after", lasting=True),
        Case("decline", "stale", "settling", lasting=False),
        Case("check_in", "item-gone", "settling", lasting=False),
        Case("walk_up", "stale", "settling", lasting=False),
        Case("hold", "very-stale", "settling", lasting=True),
    ],
    ids=lambda case: case.id,
)
def test_an_effect_that_is_shown_late_is_still_its_own(tmp_path: Path, case: Case) -> None:
    """Reads that lag behind a write never make its row end as not done, or as somebody else's."""
    run(case, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_write_has_one_effect_whatever_exchange_answers(tmp_path: Path, write: str, fault: str) -> None:
    """The same at every stage, once and lasting."""
    for case in whole_cross():
        if (case.write, case.fault) == (write, fault):
            folder = tmp_path / case.id
            folder.mkdir()
            run(case, folder)


def test_the_everyday_part_has_every_fault_at_every_stage_and_every_sort_with_every_write() -> None:
    """What is left to `make soak` is only who meets whom."""
    cases, whole = list(everyday()), list(whole_cross())
    assert {(c.fault, c.stage) for c in cases} == {(c.fault, c.stage) for c in whole}
    assert {(c.write, sort_of(c.fault)) for c in cases} == {(c.write, sort_of(c.fault)) for c in whole}
    assert {(c.write, c.stage) for c in cases} == {(c.write, c.stage) for c in whole}
    assert {c.lasting for c in cases} == {False, True}
