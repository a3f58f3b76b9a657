"""Hints say "look at this room now" and nothing else; what is looked at is always complete.

Webhooks or an event hub may join the timer later, behind the same interface: a hint that is lost,
late or doubled costs time or a request, never a booking.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from gateway.clock import Clock
from gateway.core.units import Duration


class Hints(Protocol):
    """An endless series of rooms to look at, for one consumer."""

    def __aiter__(self) -> AsyncIterator[str]:
        """Rooms, as they become due."""
        ...

    def nudge(self, room: str) -> None:
        """Look at this room as soon as possible."""
        ...


class TimerHints:
    """Each room once per `interval_ms`, spread evenly; all of them at once in the beginning.

    A room that waits to be looked at is not queued a second time, so a slow consumer is never
    behind by more than one round. Uses the clock's steady time: setting the wall clock moves nothing.
    """

    def __init__(self, rooms: Iterable[str], interval_ms: Duration, clock: Clock) -> None:
        if interval_ms <= 0:
            raise ValueError("the interval must be positive")
        self._rooms = sorted(set(rooms))
        self._interval_ms = interval_ms
        self._clock = clock
        self._waiting: deque[str] = deque(self._rooms)
        self._queued = set(self._rooms)
        self._wake = asyncio.Event()
        began = clock.monotonic_ms()
        self._due = {
            room: began + interval_ms + place * interval_ms // len(self._rooms)
            for place, room in enumerate(self._rooms)
        }

    def nudge(self, room: str) -> None:
        """Look at this room next, before those whose turn it is; unknown rooms are a ValueError."""
        if room not in self._due:
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

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while True:
            self._collect()
            if self._waiting:
                room = self._waiting.popleft()
                self._queued.discard(room)
                return room
            await self._pause()

    def _enqueue(self, room: str) -> None:
        if room not in self._queued:
            self._queued.add(room)
            self._waiting.append(room)

    def _collect(self) -> None:
        now = self._clock.monotonic_ms()
        for room, due in self._due.items():
            if due <= now:
                self._enqueue(room)
                rounds = (now - due) // self._interval_ms + 1  # missed rounds are not made up for
                self._due[room] = due + rounds * self._interval_ms

    async def _pause(self) -> None:
        """Until the next room is due, or a nudge."""
        self._wake.clear()
        seconds: float | None = None
        if self._due:
            left_ms = min(self._due.values()) - self._clock.monotonic_ms()
            seconds = self._clock.seconds_until(self._clock.now() + left_ms)
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
