"""Hints: every room in its turn, evenly spread, and at once when nudged."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.exchange.hints import Hints, TimerHints

MINUTE = 60_000


class LoopClock:
    """Decision time on a loop whose time jumps: a steady part, and a wall that can be set."""

    def __init__(self) -> None:
        self.steady = 0
        self.wall_offset = 1_000_000
        self.on_wait: Callable[[float], None] = lambda _: None

    def now(self) -> int:
        return self.steady + self.wall_offset

    def monotonic_ms(self) -> int:
        return self.steady

    def seconds_until(self, instant: int) -> float:
        left = max(0, instant - self.now())
        self.on_wait(left / 1000)
        self.steady += left  # waiting takes no time in tests: it has passed already
        return 0.0

    def is_synchronised(self) -> bool:
        return True


async def take(hints: TimerHints, clock: LoopClock, count: int) -> list[tuple[str, int]]:
    """The next hints, their rooms in one text, and when they came."""
    async with asyncio.timeout(10):
        return [(" ".join(await anext(hints)), clock.monotonic_ms()) for _ in range(count)]


@pytest.fixture
def clock() -> LoopClock:
    """At zero."""
    return LoopClock()


async def test_every_room_at_once_and_then_spread_over_the_interval(clock: LoopClock) -> None:
    """All in the beginning; then one each quarter of a minute, in the same order for any input order."""
    hints: Hints = TimerHints(["d", "b", "a", "c", "a"], MINUTE, clock, together=1)
    assert isinstance(hints, TimerHints)
    assert await take(hints, clock, 4) == [("a", 0), ("b", 0), ("c", 0), ("d", 0)]
    expected = [(room, MINUTE + place * 15_000) for place, room in enumerate("abcd")]
    assert await take(hints, clock, 4) == expected
    assert await take(hints, clock, 4) == [(room, at + MINUTE) for room, at in expected]


async def test_a_nudged_room_comes_next_and_once(clock: LoopClock) -> None:
    """Before all others, without a second turn and without losing its own."""
    hints = TimerHints("abcd", MINUTE, clock, together=1)
    hints.nudge("c")
    hints.nudge("d")
    hints.nudge("d")
    assert [room for room, _ in await take(hints, clock, 4)] == ["d", "c", "a", "b"]
    assert await take(hints, clock, 1) == [("a", MINUTE)]


async def test_a_nudge_wakes_a_waiting_consumer(clock: LoopClock) -> None:
    """Nothing is due, and the room is there as soon as it is asked for."""
    hints = TimerHints("ab", MINUTE, clock, together=1)
    await take(hints, clock, 2)
    hints._clock = _Still()
    waiting = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0)
    assert not waiting.done()
    hints.nudge("b")
    async with asyncio.timeout(10):
        assert await waiting == ("b",)


class _Still:
    """A clock by which nothing becomes due."""

    def now(self) -> int:
        return 0

    def monotonic_ms(self) -> int:
        return 0

    def seconds_until(self, instant: int) -> float:
        return instant / 1000

    def is_synchronised(self) -> bool:
        return True


async def test_all_rooms_can_be_nudged_when_a_connection_returns(clock: LoopClock) -> None:
    """Each once."""
    hints = TimerHints("ab", MINUTE, clock, together=1)
    await take(hints, clock, 2)
    hints.nudge("b")
    hints.nudge_all()
    assert [room for room, _ in await take(hints, clock, 2)] == ["b", "a"]
    assert (await take(hints, clock, 1))[0][1] == MINUTE


async def test_a_slow_consumer_is_at_most_one_round_behind(clock: LoopClock) -> None:
    """Missed rounds are not made up for, and the phase is kept."""
    hints = TimerHints("ab", MINUTE, clock, together=1)
    await take(hints, clock, 2)
    clock.steady = 10 * MINUTE + 1
    assert [room for room, _ in await take(hints, clock, 2)] == ["a", "b"]
    assert await take(hints, clock, 2) == [("b", 10 * MINUTE + 30_000), ("a", 11 * MINUTE)]


async def test_setting_the_wall_clock_moves_no_turn(clock: LoopClock) -> None:
    """An hour back does not silence the timer for an hour."""
    hints = TimerHints("a", MINUTE, clock, together=1)
    await take(hints, clock, 1)
    clock.wall_offset -= 60 * MINUTE
    waits: list[float] = []
    clock.on_wait = waits.append
    assert await take(hints, clock, 1) == [("a", MINUTE)]
    assert waits == [60.0]


async def test_no_rooms_is_a_long_wait_and_no_error(clock: LoopClock) -> None:
    """A site without rooms does not spin."""
    hints = TimerHints([], MINUTE, clock, together=1)
    waiting = asyncio.ensure_future(anext(hints))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_rooms_come_in_groups_that_share_the_interval(clock: LoopClock) -> None:
    """Five rooms, two at a time: three requests at once in the beginning, then one each third of a minute."""
    hints = TimerHints("abcde", MINUTE, clock, together=2)
    assert await take(hints, clock, 3) == [("a b", 0), ("c d", 0), ("e", 0)]
    groups = [("a d", MINUTE), ("b e", MINUTE + 20_000), ("c", MINUTE + 40_000)]
    assert await take(hints, clock, 3) == groups
    assert await take(hints, clock, 1) == [("a d", 2 * MINUTE)]


async def test_a_nudged_room_takes_waiting_ones_along(clock: LoopClock) -> None:
    """Whoever waits anyway shares the request, up to its limit."""
    hints = TimerHints("abcd", MINUTE, clock, together=3)
    hints.nudge("d")
    assert await take(hints, clock, 2) == [("d a b", 0), ("c", 0)]


async def test_a_room_is_looked_at_as_seldom_as_its_pace_allows(clock: LoopClock) -> None:
    """In the round of its group that comes nearest; a nudge is a look; a quicker pace counts at once."""
    paces = {"a": MINUTE, "b": 3 * MINUTE}
    hints = TimerHints("ab", MINUTE, clock, pace=paces.__getitem__)
    assert await take(hints, clock, 4) == [
        ("a b", 0), ("a", MINUTE), ("a", 2 * MINUTE), ("a b", 3 * MINUTE),
    ]  # fmt: skip
    clock.steady = 4 * MINUTE - 1
    hints.nudge("b")
    assert await take(hints, clock, 2) == [("b", 4 * MINUTE - 1), ("a", 4 * MINUTE)]
    assert await take(hints, clock, 3) == [("a", 5 * MINUTE), ("a", 6 * MINUTE), ("a b", 7 * MINUTE)]
    paces["b"] = MINUTE
    assert await take(hints, clock, 1) == [("a b", 8 * MINUTE)]


def test_mistakes_are_told(clock: LoopClock) -> None:
    """An unknown room, an interval of nothing."""
    with pytest.raises(ValueError, match="no such room: z"):
        TimerHints("a", MINUTE, clock, together=1).nudge("z")
    with pytest.raises(ValueError, match="positive"):
        TimerHints("a", 0, clock)
