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
    """The next rooms and when they came."""
    async with asyncio.timeout(10):
        return [(await anext(hints), clock.monotonic_ms()) for _ in range(count)]


@pytest.fixture
def clock() -> LoopClock:
    """At zero."""
    return LoopClock()


async def test_every_room_at_once_and_then_spread_over_the_interval(clock: LoopClock) -> None:
    """All in the beginning; then one each quarter of a minute, in the same order for any input order."""
    hints: Hints = TimerHints(["d", "b", "a", "c", "a"], MINUTE, clock)
    assert isinstance(hints, TimerHints)
    assert await take(hints, clock, 4) == [("a", 0), ("b", 0), ("c", 0), ("d", 0)]
    expected = [(room, MINUTE + place * 15_000) for place, room in enumerate("abcd")]
    assert await take(hints, clock, 4) == expected
    assert await take(hints, clock, 4) == [(room, at + MINUTE) for room, at in expected]


async def test_a_nudged_room_comes_next_and_once(clock: LoopClock) -> None:
    """Before all others, without a second turn and without losing its own."""
    hints = TimerHints("abcd", MINUTE, clock)
    hints.nudge("c")
    hints.nudge("d")
    hints.nudge("d")
    assert [room for room, _ in await take(hints, clock, 4)] == ["d", "c", "a", "b"]
    assert await take(hints, clock, 1) == [("a", MINUTE)]


async def test_a_nudge_wakes_a_waiting_consumer(clock: LoopClock) -> None:
    """Nothing is due, and the room is there as soon as it is asked for."""
    hints = TimerHints("ab", MINUTE, clock)
    await take(hints, clock, 2)
    hints._clock = _Still()
    waiting = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0)
    assert not waiting.done()
    hints.nudge("b")
    async with asyncio.timeout(10):
        assert await waiting == "b"


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
    hints = TimerHints("ab", MINUTE, clock)
    await take(hints, clock, 2)
    hints.nudge("b")
    hints.nudge_all()
    assert [room for room, _ in await take(hints, clock, 2)] == ["b", "a"]
    assert (await take(hints, clock, 1))[0][1] == MINUTE


async def test_a_slow_consumer_is_at_most_one_round_behind(clock: LoopClock) -> None:
    """Missed rounds are not made up for, and the phase is kept."""
    hints = TimerHints("ab", MINUTE, clock)
    await take(hints, clock, 2)
    clock.steady = 10 * MINUTE + 1
    assert [room for room, _ in await take(hints, clock, 2)] == ["a", "b"]
    assert await take(hints, clock, 2) == [("b", 10 * MINUTE + 30_000), ("a", 11 * MINUTE)]


async def test_setting_the_wall_clock_moves_no_turn(clock: LoopClock) -> None:
    """An hour back does not silence the timer for an hour."""
    hints = TimerHints("a", MINUTE, clock)
    await take(hints, clock, 1)
    clock.wall_offset -= 60 * MINUTE
    waits: list[float] = []
    clock.on_wait = waits.append
    assert await take(hints, clock, 1) == [("a", MINUTE)]
    assert waits == [60.0]


async def test_no_rooms_is_a_long_wait_and_no_error(clock: LoopClock) -> None:
    """A site without rooms does not spin."""
    hints = TimerHints([], MINUTE, clock)
    waiting = asyncio.ensure_future(anext(hints))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


def test_mistakes_are_told(clock: LoopClock) -> None:
    """An unknown room, an interval of nothing."""
    with pytest.raises(ValueError, match="no such room: z"):
        TimerHints("a", MINUTE, clock).nudge("z")
    with pytest.raises(ValueError, match="positive"):
        TimerHints("a", 0, clock)
