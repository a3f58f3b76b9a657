"""Hints say "look at these rooms now" and nothing else; what is looked at is always complete.

Webhooks or an event hub may join the timer later, behind the same interface: a hint that is lost,
late or doubled costs time or a request, never a booking.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

from gateway.clock import Clock
from gateway.core.units import Duration
from gateway.exchange.batch import MAX_TOGETHER

Pace = Callable[[str], Duration]
"""How old the calendar of a room may become now, in ms."""


class Hints(Protocol):
    """An endless series of rooms to look at, some at a time, for one consumer."""

    def __aiter__(self) -> AsyncIterator[tuple[str, ...]]:
        """Rooms, as they become due; those that come together can be asked for together."""
        ...

    def nudge(self, room: str) -> None:
        """Look at this room as soon as possible."""
        ...


class TimerHints:
    """Each room once per `interval_ms` or as seldom as its `pace` allows; all at once in the beginning.

    Rooms come in groups of at most `together`, so that they share requests; the groups are spread evenly
    over the interval. A room that waits to be looked at is not queued a second time, so a slow consumer
    is never behind by more than one round. Uses the clock's steady time: setting the wall clock moves
    nothing.
    """

    def __init__(
        self,
        rooms: Iterable[str],
        interval_ms: Duration,
        clock: Clock,
        *,
        pace: Pace | None = None,
        together: int = MAX_TOGETHER,
    ) -> None:
        if interval_ms <= 0:
            raise ValueError("the interval must be positive")
        self._rooms = sorted(set(rooms))
        self._interval_ms = interval_ms
        self._clock = clock
        self._pace = pace or (lambda _: interval_ms)
        self._together = together
        self._waiting: deque[str] = deque(self._rooms)
        self._queued = set(self._rooms)
        self._wake = asyncio.Event()
        began = clock.monotonic_ms()
        self._looked = dict.fromkeys(self._rooms, began)
        count = -(-len(self._rooms) // together)
        self._groups = [tuple(self._rooms[place::count]) for place in range(count)]
        self._due = [began + interval_ms + place * interval_ms // count for place in range(count)]

    def nudge(self, room: str) -> None:
        """Look at this room next, before those whose turn it is; unknown rooms are a ValueError."""
        if room not in self._looked:
            raise ValueError(f"no such room: {room}")
        if room in self._queued:
            self._waiting.remove(room)
        self._queued.add(room)
        self._waiting.appendleft(room)
        self._wake.set()

    def nudge_all(self) -> None:
        """Look at every room: a connection came back."""
        for room in self._rooms:
            self._enqueue(room)
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[tuple[str, ...]]:
        return self

    async def __anext__(self) -> tuple[str, ...]:
        while True:
            now = self._clock.monotonic_ms()
            self._collect(now)
            if self._waiting:
                return self._next(now)
            await self._pause()

    def _next(self, now: Duration) -> tuple[str, ...]:
        count = min(self._together, len(self._waiting))
        rooms = tuple(self._waiting.popleft() for _ in range(count))
        self._queued.difference_update(rooms)
        self._looked.update(dict.fromkeys(rooms, now))
        return rooms

    def _enqueue(self, room: str) -> None:
        if room not in self._queued:
            self._queued.add(room)
            self._waiting.append(room)

    def _collect(self, now: Duration) -> None:
        for place, due in enumerate(self._due):
            if due <= now:
                for room in self._groups[place]:
                    if self._wants(room, now):
                        self._enqueue(room)
                rounds = (now - due) // self._interval_ms + 1  # missed rounds are not made up for
                self._due[place] = due + rounds * self._interval_ms

    def _wants(self, room: str, now: Duration) -> bool:
        """Whether this is the round of its group that comes nearest to the room's own pace."""
        pace = self._pace(room)
        return pace <= self._interval_ms or now - self._looked[room] + self._interval_ms // 2 >= pace

    async def _pause(self) -> None:
        """Until the next group is due, or a nudge."""
        self._wake.clear()
        seconds: float | None = None
        if self._due:
            left_ms = min(self._due) - self._clock.monotonic_ms()
            seconds = self._clock.seconds_until(self._clock.now() + left_ms)
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
