"""What the sensors of one room say, as it comes, for somebody who stands in it: messages folded or not.

A watcher that does not keep up loses messages, is told how many, and holds up nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from gateway.core.events import Availability, Reading
from gateway.core.room import Room
from gateway.core.units import Instant
from gateway.runtime.intake import Intake
from gateway.sensors import Decoded

Json = dict[str, Any]

MAX_WAITING: Final = 1_000
ALIVE_EVERY_S: Final = 5.0
"""Something is told at least this often, so that silence means a broken line."""
MAX_WATCHERS: Final = 16
"""More than people who walk through rooms at the same time."""


class Watcher:
    """Gathers what concerns one room's sensors."""

    def __init__(self, sensors: frozenset[str]) -> None:
        self._sensors = sensors
        self._waiting: asyncio.Queue[Json] = asyncio.Queue(MAX_WAITING)
        self._lost = 0

    def hear(self, decoded: Decoded, now: Instant) -> None:
        """What one message said."""
        for item in decoded:
            if isinstance(item, Reading) and item.sensor in self._sensors:
                self._put(
                    {
                        "event": "reading",
                        "at": now,
                        "sensor": item.sensor,
                        "kind": item.kind,
                        "value": item.value,
                    }
                )
            elif isinstance(item, Availability) and item.sensor in self._sensors:
                self._put({"event": "availability", "at": now, "sensor": item.sensor, "online": item.online})

    def _put(self, event: Json) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._lost += 1

    async def next(self) -> Json | None:
        """The next event; None if there was none for a while."""
        if self._lost and self._waiting.empty():
            lost, self._lost = self._lost, 0
            return {"event": "lost", "messages": lost}
        try:
            async with asyncio.timeout(ALIVE_EVERY_S):
                return await self._waiting.get()
        except TimeoutError:
            return None


def first_words(room: Room, now: Instant) -> Json:
    """What a watcher is told at the beginning: the room's sensors, as `gateway.placing.walk` knows them."""
    return {
        "event": "begin",
        "room": room.state.config.id,
        "at": now,
        "sensors": [
            {
                "sensor": one.profile.id,
                "senses": one.profile.senses,
                "role": one.profile.role,
                "hold_ms": one.profile.hold_ms,
                "hold_beside_presence_ms": one.profile.hold_beside_presence_ms,
                "device_hold_ms": one.profile.device_hold_ms,
                "says_clear": one.profile.says_clear,
                "showing": one.state.showing,
            }
            for one in room.sensors.values()
        ],
    }


@contextmanager
def watching(intake: Intake, sensors: frozenset[str]) -> Iterator[Watcher]:
    """A watcher that is told of every message meanwhile."""
    watcher = Watcher(sensors)
    intake.watchers.append(watcher.hear)
    try:
        yield watcher
    finally:
        intake.watchers.remove(watcher.hear)


async def watch(intake: Intake, room: Room, now: Callable[[], Instant]) -> AsyncGenerator[Json, None]:
    """The stream of a room. `now` gives the present."""
    if len(intake.watchers) >= MAX_WATCHERS:
        yield {"error": f"{MAX_WATCHERS} people watch rooms already"}
        return
    with watching(intake, frozenset(room.sensors)) as watcher:
        yield first_words(room, now())
        while True:
            event = await watcher.next()
            yield {"event": "alive", "at": now()} if event is None else event
