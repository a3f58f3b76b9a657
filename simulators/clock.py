"""Clocks for demos and tests, and an event loop in which hours pass in milliseconds.

`ScaledClock` runs faster than the wall, for a demo that is watched. `ManualClock` moves only when
told. `VirtualLoop` is an asyncio event loop whose time jumps to the next timer when nothing is
ready; `run_virtual` runs a coroutine on one, with a `VirtualClock` that reads its time. Everything
in a virtual loop must be in-process: a real socket, thread or child process has no say in when its
time passes (shared reference on MQTT, SQLite and sensors, section 4a).

    VirtualLoopError
    └── DeadlockError    every task waits for something that nothing will bring
"""

import asyncio
import concurrent.futures
import math
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from gateway.core.units import SECOND_MS, Duration, Instant

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ROUNDING_MS: Final = 0.001
"""An instant this little ahead has come: loop time is a float, and asyncio fires a timer up to its
clock's resolution (a nanosecond) early, so without this a waiter could wake just before its instant."""


NANOSECOND: Final = 1e-9


class VirtualLoopError(RuntimeError):
    """Base of what a virtual loop cannot do."""


class DeadlockError(VirtualLoopError):
    """Nothing is ready and no timer is set, so virtual time can never pass again."""


class ScaledClock:
    """Decision time that runs `speed` times faster than the wall, from `start_ms` on.

    `loop_time` is the time that sleeps go by, in seconds. Raises ValueError for a speed that is not
    above 0.
    """

    def __init__(
        self, start_ms: Instant, speed: float = 1.0, loop_time: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0 < speed < math.inf:
            raise ValueError(f"the speed of a clock must be above 0 and finite, not {speed}")
        self._start_ms = start_ms
        self._speed = speed
        self._loop_time = loop_time
        self._origin_s = loop_time()

    @property
    def speed(self) -> float:
        """Decision seconds per second of the wall."""
        return self._speed

    def now(self) -> Instant:
        """The present, in ms since 1970 UTC."""
        return self._start_ms + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        """Decision time in ms since the clock was made; never steps."""
        return math.floor(self._elapsed_ms() + ROUNDING_MS)

    def seconds_until(self, instant: Instant) -> float:
        """Seconds of loop time until `instant`, or 0.0."""
        remaining_ms = instant - self._start_ms - self._elapsed_ms()
        return max(0.0, remaining_ms / SECOND_MS / self._speed) if remaining_ms > ROUNDING_MS else 0.0

    def is_synchronised(self) -> bool:
        """It is right by definition."""
        return True

    def _elapsed_ms(self) -> float:
        return (self._loop_time() - self._origin_s) * self._speed * SECOND_MS


class ManualClock:
    """Time stands still until it is moved: for tests that go in lock-step, without an event loop."""

    def __init__(self, start_ms: Instant) -> None:
        self._now = start_ms
        self._monotonic_ms = 0
        self.synchronised = True

    def now(self) -> Instant:
        """The present, in ms since 1970 UTC."""
        return self._now

    def monotonic_ms(self) -> int:
        """Decision time in ms since the clock was made; never steps."""
        return self._monotonic_ms

    def seconds_until(self, instant: Instant) -> float:
        """Seconds of loop time until `instant`, or 0.0."""
        return max(0, instant - self._now) / SECOND_MS

    def is_synchronised(self) -> bool:
        """As `synchronised` is set."""
        return self.synchronised

    def advance(self, ms: Duration) -> None:
        """Let time pass. Raises ValueError for less than nothing: time only goes backwards by `step`."""
        if ms < 0:
            raise ValueError(f"time cannot pass by {ms} ms; step() sets the wall clock back")
        self._now += ms
        self._monotonic_ms += ms

    def set(self, instant: Instant) -> None:
        """Let time pass until `instant`. Raises ValueError if it has passed already."""
        self.advance(instant - self._now)

    def step(self, ms: int) -> None:
        """Somebody sets the wall clock (forwards positive); `monotonic_ms` does not see it."""
        self._now += ms


class SlowExecutor(concurrent.futures.Executor):
    """For a `VirtualLoop`: jobs run one after the other, each after `takes_s()` seconds of virtual time."""

    def __init__(self, takes_s: Callable[[], float]) -> None:
        self._takes_s = takes_s
        self._busy_until = 0.0

    def delay_s(self, now_s: float) -> float:
        """How long from now a new job ends, behind all jobs before it; 0.0 where nothing holds it up."""
        takes_s = self._takes_s()
        if takes_s <= 0 and self._busy_until <= now_s:
            return 0.0
        # Two jobs never end at one instant: timers of the same instant have no order.
        self._busy_until = max(now_s, self._busy_until) + max(takes_s, 1e-6)
        return self._busy_until - now_s


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0.0 and jumps to the next timer when nothing is ready.

    Executors run inline: `run_in_executor` has executed before it returns (but for a `SlowExecutor`),
    so threads cannot let results depend on the machine. Nothing ready and no timer set raises
    DeadlockError out of `run_forever`. Real sockets may be registered but are given no time to become
    ready.
    """

    def __init__(self) -> None:
        self._virtual_s = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_s

    def _jump(self, seconds: float) -> None:
        self._virtual_s += seconds
        # A timer is due if it lies before now + resolution. After 97 days a nanosecond, the default, is lost
        # in rounding, and a timer of this very instant would never be due.
        self._clock_resolution = max(NANOSECOND, 2 * math.ulp(self._virtual_s))

    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Execute now, and the future that comes back is done; a `SlowExecutor`'s jobs take their time."""
        future: asyncio.Future[T] = self.create_future()
        delay_s = executor.delay_s(self.time()) if isinstance(executor, SlowExecutor) else 0.0
        if delay_s > 0:
            self.call_later(delay_s, _execute, future, lambda: func(*args))
        else:
            _execute(future, lambda: func(*args))
        return future


def _execute(future: asyncio.Future[T], job: Callable[[], T]) -> None:
    """Run a job for whoever awaits it; one that nobody awaits any more runs all the same, as on a thread."""
    try:
        result = job()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - handed on whole: also that a simulated process was killed
        if not future.done():
            future.set_exception(error)
        return
    if not future.done():
        future.set_result(result)


class _JumpingSelector(selectors.BaseSelector):
    """A selector that lets virtual time pass where a real one would wait."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # With nothing but asyncio's own wake-up registered there is nothing to ask the system for: whoever
        # wakes the loop has made its callback ready before.
        ready = self._real.select(0) if len(self._real.get_map()) > 1 else []
        if not ready:
            if timeout is None:
                raise DeadlockError(
                    "nothing is ready and no timer is set: every task waits for something that never comes"
                )
            self._jump(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualClock:
    """Decision time on a virtual loop: loop time 0 is `start_ms`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ms: Instant) -> None:
        self._loop = loop
        self._start_ms = start_ms
        self._stepped_ms = 0
        self.synchronised = True

    def now(self) -> Instant:
        """The present, in ms since 1970 UTC."""
        return self._start_ms + self._stepped_ms + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        """Decision time in ms since the clock was made; never steps."""
        return math.floor(self._loop.time() * SECOND_MS + ROUNDING_MS)

    def seconds_until(self, instant: Instant) -> float:
        """Seconds of loop time until `instant`, or 0.0."""
        remaining_ms = instant - self._start_ms - self._stepped_ms - self._loop.time() * SECOND_MS
        return remaining_ms / SECOND_MS if remaining_ms > ROUNDING_MS else 0.0

    def is_synchronised(self) -> bool:
        """As `synchronised` is set."""
        return self.synchronised

    def step(self, ms: int) -> None:
        """Somebody sets the wall clock (forwards positive); `monotonic_ms` does not see it."""
        self._stepped_ms += ms


Main = Coroutine[Any, Any, T] | Callable[[VirtualClock], Coroutine[Any, Any, T]]


def run_virtual(main: Main[T], start_ms: Instant) -> T:
    """Run a coroutine to its end in virtual time; its result.

    `main` is a coroutine, or a function that makes one from the clock of its loop. Tasks that are
    left over are cancelled. Raises what the coroutine raises, and DeadlockError.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        if callable(main):
            main = main(VirtualClock(runner.get_loop(), start_ms))
        return runner.run(main)
