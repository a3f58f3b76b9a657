"""Series, organizers and faults as hypothesis thinks of them: in the end both sides know the same.

The whole service through a virtual morning. Half an hour before its end Exchange works again, and at the end
the gateway's bookings must be the mailbox's, and nothing may have been done twice.
"""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from harness import World, at, in_world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenarios import FACTOR
from test_variants_in_virtual_time import differing

from gateway.core.units import MINUTE_MS, Instant
from gateway.ledger import LedgerReader
from simulators.exchange import PRESETS, OrganizerEvent, daily, weekly
from simulators.exchange.errors import ExchangeError

ORION: Final = "orion@contoso.com"
ANA: Final = "person-001@contoso.com"
BEGIN: Final = "08:40"
MENDED_MINUTE: Final = 130
END: Final = "11:20"
pytestmark = pytest.mark.thorough


class Series(NamedTuple):
    """A meeting of the morning, mostly one of a series."""

    slot: int
    """Quarters of an hour after nine."""
    length: int
    """In quarters of an hour."""
    times: int
    """1: a single meeting."""
    by_week: bool

    @property
    def start(self) -> Instant:
        """Of today's occurrence."""
        return at("09:00") + self.slot * 15 * MINUTE_MS

    @property
    def end(self) -> Instant:
        """Of today's occurrence."""
        return self.start + self.length * 15 * MINUTE_MS


class Edit(NamedTuple):
    """An organizer's second thought."""

    minute: int
    series: int
    what: str


class Trouble(NamedTuple):
    """Requests that fail."""

    minute: int
    preset: str
    method: str
    times: int


minutes = st.integers(1, MENDED_MINUTE - 1)
all_series = st.lists(
    st.builds(Series, st.integers(0, 4), st.integers(2, 5), st.integers(1, 5), st.booleans()),
    min_size=1,
    max_size=3,
)


def _edits() -> dict[str, Callable[[World, OrganizerEvent, Series], None]]:
    return {
        "retitle": lambda w, e, _: w.exchange.change(e, subject="Another title"),
        "retitle one": lambda w, e, s: w.exchange.change(e, occurrence=_one(s), subject="This one only"),
        "longer": lambda w, e, s: w.exchange.move(e, s.start, s.end + 15 * MINUTE_MS),
        "later": lambda w, e, s: w.exchange.move(e, s.start + 30 * MINUTE_MS, s.end + 30 * MINUTE_MS),
        "one later": lambda w, e, s: w.exchange.move(
            e, s.start + 45 * MINUTE_MS, s.end + 45 * MINUTE_MS, occurrence=_one(s)
        ),
        "cancel": lambda w, e, _: w.exchange.cancel(e),
        "cancel one": lambda w, e, s: w.exchange.cancel(e, occurrence=_one(s)),
        "without room": lambda w, e, _: w.exchange.remove_room(e, ORION),
        "with room": lambda w, e, _: w.exchange.add_room(e, ORION),
    }


def _one(series: Series) -> Instant | None:
    return series.start if series.times > 1 else None


EDITS: Final = _edits()
edits = st.lists(st.builds(Edit, minutes, st.integers(0, 2), st.sampled_from(sorted(EDITS))), max_size=5)
troubles = st.lists(
    st.builds(
        Trouble, minutes, st.sampled_from(sorted(PRESETS)), st.sampled_from(["", "GET", "POST", "PATCH"]),
        st.integers(1, 6),
    ),
    max_size=5,
)  # fmt: skip
comings = st.lists(minutes, max_size=4, unique=True).map(sorted)
"""Minutes at which people come, leave, come again."""


@settings(
    max_examples=12 * FACTOR,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(all_series, edits, troubles, comings)
def test_in_the_end_both_know_the_same_and_nothing_was_done_twice(
    series: list[Series], edits: list[Edit], troubles: list[Trouble], comings: list[int]
) -> None:
    """Pictures agree, every write has ended, and no booking was taken or checked in twice."""

    async def story(world: World) -> None:
        await _live_through(world, series, edits, troubles, comings)
        assert list(differing(world)) == []
        with LedgerReader(world.folder / "ledger.db") as reader:
            rows = reader.outbox()
        assert {row.state for row in rows} <= {"applied", "superseded", "expired"}
        done = Counter(
            (row.booking, row.write.action, row.write.start)
            for row in rows
            if row.state == "applied" and row.write.action in ("release", "check_in")
        )
        assert [what for what, times in done.items() if times > 1] == []
        released = Counter(key for key, action, _ in done if action == "release")
        assert [key for key, times in released.items() if times > 1] == []

    with tempfile.TemporaryDirectory() as folder:
        in_world(Path(folder), story, at(BEGIN))


async def _live_through(
    world: World, series: list[Series], edits: list[Edit], troubles: list[Trouble], comings: list[int]
) -> None:
    exchange = world.exchange
    exchange.faults.silence_s = 30.0
    events: list[tuple[OrganizerEvent, Series]] = []
    for one in series:
        rule = weekly("monday", count=one.times) if one.by_week else daily(count=one.times)
        recurrence = rule if one.times > 1 else None
        events.append((exchange.book(ANA, ORION, one.start, one.end, recurrence=recurrence), one))

    def edit(what: Edit) -> None:
        event, one = events[what.series % len(events)]
        with contextlib.suppress(ExchangeError):  # what has become impossible meanwhile is left undone
            EDITS[what.what](world, event, one)

    def fail(trouble: Trouble) -> None:
        exchange.faults.add(PRESETS[trouble.preset], method=trouble.method, path=ORION, times=trouble.times)

    def come_or_go(number: int) -> None:
        (world.leave if number % 2 else world.enter)()

    doings: list[tuple[int, Callable[[], None]]] = [
        *((one.minute, lambda one=one: edit(one)) for one in edits),
        *((one.minute, lambda one=one: fail(one)) for one in troubles),
        *((minute, lambda number=number: come_or_go(number)) for number, minute in enumerate(comings)),
    ]
    for minute, do in sorted(doings, key=lambda doing: doing[0]):
        await world.wait_until(at(BEGIN) + minute * MINUTE_MS)
        do()
        await asyncio.sleep(0)
    await world.wait_until(at(BEGIN) + MENDED_MINUTE * MINUTE_MS)
    exchange.faults.clear()
    world.leave()
    await world.until(END)
