"""Clocks of the simulators, and the event loop in which hours pass in milliseconds."""

import asyncio
import time

import pytest

from gateway.clock import Clock
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from simulators.clock import (
    DeadlockError,
    ManualClock,
    ScaledClock,
    SlowExecutor,
    VirtualClock,
    VirtualLoop,
    VirtualLoopError,
    run_virtual,
)

START = 1_767_600_000_000


class Wall:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_scaled_clock_runs_speed_times_faster_than_the_wall() -> None:
    """Ten seconds of the wall at speed 60 are ten minutes, and sleeps shrink by the same factor."""
    wall = Wall()
    clock: Clock = ScaledClock(START, 60, wall)
    assert clock.now() == START
    assert clock.seconds_until(START + HOUR_MS) == 60.0
    wall.seconds += 10
    assert clock.now() == START + 10 * MINUTE_MS
    assert clock.monotonic_ms() == 10 * MINUTE_MS
    assert clock.seconds_until(START + HOUR_MS) == 50.0
    assert clock.seconds_until(START) == 0.0


def test_sleeping_for_what_a_scaled_clock_says_reaches_the_instant() -> None:
    """Odd speeds and float time never leave a waiter a hair before the instant it waited for."""
    for speed in (1 / 3, 7.0, 59.9, 1_000.0):
        wall = Wall()
        clock = ScaledClock(START, speed, wall)
        for minute in range(1, 500):
            instant = START + minute * MINUTE_MS
            wall.seconds += clock.seconds_until(instant)
            assert clock.now() == instant
            assert clock.seconds_until(instant) == 0.0


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_clock_that_would_not_move_forwards_is_refused(speed: float) -> None:
    """A speed that is not above 0 and finite is a ValueError."""
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(START, speed)


def test_a_manual_clock_moves_only_when_told() -> None:
    """`advance` and `set` move wall and monotonic time together."""
    clock = ManualClock(START)
    typed: Clock = clock
    clock.advance(1_500)
    assert (typed.now(), typed.monotonic_ms()) == (START + 1_500, 1_500)
    assert typed.seconds_until(START + 2_000) == 0.5
    clock.set(START + 2_000)
    assert (typed.now(), typed.monotonic_ms()) == (START + 2_000, 2_000)
    assert typed.seconds_until(START) == 0.0


def test_a_step_of_the_wall_clock_is_not_seen_by_monotonic_time() -> None:
    """This difference is how the gateway notices that somebody set the clock."""
    clock = ManualClock(START)
    clock.step(-HOUR_MS)
    assert (clock.now(), clock.monotonic_ms()) == (START - HOUR_MS, 0)
    clock.advance(10)
    assert (clock.now(), clock.monotonic_ms()) == (START - HOUR_MS + 10, 10)


def test_a_manual_clock_does_not_pass_backwards() -> None:
    """Going back is a step; passing backwards is a mistake in a test."""
    clock = ManualClock(START)
    with pytest.raises(ValueError, match="step"):
        clock.set(START - 1)


def test_hours_pass_in_milliseconds_on_a_virtual_loop() -> None:
    """A day of minute ticks ends at exactly a day, in far less than a second of the wall."""

    async def main(clock: VirtualClock) -> int:
        ticks = 0
        for minute in range(1, 24 * 60 + 1):
            instant = START + minute * MINUTE_MS
            await asyncio.sleep(clock.seconds_until(instant))
            assert clock.now() == instant
            ticks += 1
        assert clock.monotonic_ms() == DAY_MS
        return ticks

    began = time.perf_counter()
    assert run_virtual(main, START) == 1_440
    assert time.perf_counter() - began < 5.0  # a guard against real waiting, not a benchmark


def test_a_sleep_longer_than_asyncio_waits_at_once_ends_on_time() -> None:
    """The loop never waits longer than a day at a time; a week still ends at its week."""

    async def main(clock: VirtualClock) -> int:
        await asyncio.sleep(7 * 24 * 3600)
        return clock.now()

    assert run_virtual(main, START) == START + 7 * DAY_MS


class Impatient(VirtualLoop):
    """Says so where a virtual loop would go round and round without end."""

    asked = 0

    def time(self) -> float:
        self.asked += 1
        if self.asked > 100_000:
            raise VirtualLoopError("the loop spins: its timer is never due")
        return super().time()


def test_years_pass_on_a_virtual_loop() -> None:
    """Timers come due also when a float's rounding at that time is coarser than a nanosecond."""
    year_s = 365 * 24 * 3_600.0

    async def main() -> float:
        for _ in range(30):
            await asyncio.sleep(year_s)
            for _ in range(100):
                await asyncio.sleep(0.1)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=Impatient) as runner:
        passed = runner.run(main())
    assert passed == pytest.approx(30 * (year_s + 10), abs=0.001)


def test_run_virtual_takes_a_coroutine_too() -> None:
    """Without a need for the clock, a plain coroutine will do."""

    async def main() -> float:
        await asyncio.sleep(30)
        return asyncio.get_running_loop().time()

    assert run_virtual(main(), START) == pytest.approx(30)


def test_timers_fire_in_the_order_of_their_times() -> None:
    """Tasks interleave by virtual time, ties in the order in which they were set."""
    seen: list[str] = []

    async def after(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        seen.append(name)

    async def main() -> None:
        await asyncio.gather(after(20, "late"), after(10, "first"), after(10, "second"), after(0, "now"))

    run_virtual(main(), START)
    assert seen == ["now", "first", "second", "late"]


def test_a_deadlock_raises_instead_of_hanging() -> None:
    """Nothing ready and no timer: the error says so, and the loop's tasks are cancelled."""
    cancelled: list[bool] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(DeadlockError, match="never comes"):
        run_virtual(main(), START)
    assert cancelled == [True]


def test_asyncio_timeout_works_in_virtual_time() -> None:
    """`asyncio.timeout` ends a wait at its virtual second, not before and not after."""

    async def main(clock: VirtualClock) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(90):
                await asyncio.Event().wait()
        return clock.now()

    assert run_virtual(main, START) == START + 90_000


def test_executors_run_inline() -> None:
    """Work for a thread is done at once, on the loop's own thread, and its error arrives whole."""

    def fail() -> None:
        raise LookupError("gone")

    async def main() -> list[int]:
        done: list[int] = []
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(None, done.append, 1)
        assert done == [1]
        await future
        await asyncio.to_thread(done.append, 2)
        with pytest.raises(LookupError, match="gone"):
            await asyncio.to_thread(fail)
        return done

    assert run_virtual(main(), START) == [1, 2]


class _Killed(BaseException):
    """Nothing of a process catches that."""


@pytest.mark.parametrize("takes_s", [0.0, 3.0], ids=["inline", "slow"])
@pytest.mark.parametrize("fault", [ValueError, _Killed])
def test_whatever_ends_a_job_reaches_whoever_awaits_it(takes_s: float, fault: type[BaseException]) -> None:
    """Also what is no Exception, and also when the job ran later: nobody waits for ever."""

    async def main() -> None:
        def job() -> None:
            raise fault

        loop = asyncio.get_running_loop()
        with pytest.raises(fault):
            await loop.run_in_executor(SlowExecutor(lambda: takes_s), job)
        assert loop.time() == takes_s

    run_virtual(main(), 0)


def test_another_tasks_event_wakes_without_time_passing() -> None:
    """Ready work goes first: time jumps only when nothing is ready."""

    async def main(clock: VirtualClock) -> int:
        event = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(event.set)
        loop.call_later(3_600, lambda: None)
        await event.wait()
        return clock.now()

    assert run_virtual(main, START) == START


def test_a_virtual_clock_can_step() -> None:
    """A step moves `now` alone, and waits follow the clock as it then is."""

    async def main(clock: VirtualClock) -> tuple[int, int, float]:
        await asyncio.sleep(60)
        clock.step(5_000)
        return clock.now() - START, clock.monotonic_ms(), clock.seconds_until(START + 70_000)

    now, monotonic_ms, wait_s = run_virtual(main, START)
    assert (now, monotonic_ms) == (65_000, 60_000)
    assert wait_s == pytest.approx(5.0)


def test_a_virtual_clock_can_be_made_on_a_loop_of_ones_own() -> None:
    """Loop time 0 is the start, whoever runs the loop."""
    loop = VirtualLoop()
    try:
        clock = VirtualClock(loop, START)
        assert clock.now() == START
        loop.run_until_complete(asyncio.sleep(1.25))
        assert clock.now() == START + 1_250
    finally:
        loop.close()
