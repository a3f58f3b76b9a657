"""Calendars become facts. A hint says when to look; what is looked at is always complete.

What cannot be read is told to the core as unreadable, and is never "no bookings".
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from gateway.core.events import CalendarRead, CalendarUnreadable
from gateway.core.units import MINUTE_MS, NEVER, Duration
from gateway.exchange.calendar import difference, window
from gateway.exchange.errors import ExchangeError, UnreadableError
from gateway.exchange.hints import Hints
from gateway.runtime.brain import Brain, Paused
from gateway.runtime.places import Place

log = structlog.get_logger()

READERS: Final = 3
"""Rooms read at a time; one of Exchange's four slots stays free for writes."""

PROOF_OF_READING_MS: Final[Duration] = MINUTE_MS // 2
"""An unchanged calendar is journaled this often: the core must know that it was looked at."""


class Sync:
    """Reads the calendar of every room that a hint names, and tells the brain what changed."""

    def __init__(
        self, brain: Brain, places: Mapping[str, Place], hints: Hints, trouble: Callable[[str, str], None]
    ) -> None:
        self._brain = brain
        self._places = places
        self._hints = hints
        self._trouble = trouble
        """Told (room, what is wrong) on every failure and (room, "") on every success."""
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Follow hints until cancelled, a few rooms at a time."""
        slots = asyncio.Semaphore(READERS)
        async with asyncio.TaskGroup() as tasks:
            async for room in self._hints:
                await slots.acquire()
                tasks.create_task(self._look(room, slots))

    async def _look(self, room: str, slots: asyncio.Semaphore) -> None:
        try:
            await self.look(room)
        finally:
            slots.release()

    async def look(self, room: str) -> None:
        """Read one room's calendar now."""
        place = self._places[room]
        asked_at = self._brain.now()
        start, end = window(asked_at, place.zone)
        try:
            read = await place.reader.read(place.mailbox, place.zone, start, end)
        except ExchangeError as error:
            self._fail(room, error)
            return
        self._trouble(room, "")
        self._told.pop(room, None)
        if self._brain.paused_because:
            return  # read again when facts can be recorded
        state = self._brain.site.rooms[room].state
        changed, removed = difference(state.calendar.values(), read, start, end)
        lately = state.calendar_read_at != NEVER and asked_at - state.calendar_read_at < PROOF_OF_READING_MS
        if changed or removed or not lately or state.calendar_why:
            self._tell(CalendarRead(room, start, end, changed, removed))

    def _fail(self, room: str, error: ExchangeError) -> None:
        why = str(error)
        self._trouble(room, why)
        if self._told.get(room) == why:
            return
        self._told[room] = why
        level = log.error if isinstance(error, UnreadableError) else log.warning
        level("calendar unreadable", room=room, why=why)
        self._tell(CalendarUnreadable(room, why))

    def _tell(self, event: CalendarRead | CalendarUnreadable) -> None:
        try:
            self._brain.tell(event)
        except Paused as pause:
            self._told.pop(event.room, None)
            log.warning("calendar not recorded", room=event.room, why=str(pause))
