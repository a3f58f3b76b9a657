"""Calendars become facts. A hint says when to look; what is looked at is always complete.

Rooms that are due at the same time are asked for in one request. What cannot be read is told to the core as
unreadable, and is never "no bookings". That holds for a fault of our own as well: it is the trouble of the
room whose calendar brought it about, and the process and the other rooms go on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from gateway.core.booking import Booking
from gateway.core.events import CalendarRead, CalendarUnreadable
from gateway.core.site import CoreError
from gateway.core.units import Instant
from gateway.exchange.answer import Answer
from gateway.exchange.batch import MAX_TOGETHER
from gateway.exchange.calendar import difference, window
from gateway.exchange.client import GraphClient
from gateway.exchange.errors import ExchangeError, UnforeseenError, UnreadableError
from gateway.exchange.hints import Hints
from gateway.runtime.ahead import joined
from gateway.runtime.brain import Brain, Paused
from gateway.runtime.places import Place

log = structlog.get_logger()


class Sync:
    """Reads the calendar of every room that a hint names, and tells the brain what changed."""

    def __init__(
        self,
        brain: Brain,
        client: GraphClient,
        places: Mapping[str, Place],
        hints: Hints,
        trouble: Callable[[str, str], None],
        *,
        far: Callable[[str], tuple[Booking, ...] | None] = lambda _: None,
    ) -> None:
        """`far`: a room's bookings beyond what is read here that the core shall know; None: not known yet."""
        self._brain = brain
        self._client = client
        self._places = places
        self._hints = hints
        self._far = far
        self._trouble = trouble
        """Told (room, what is wrong) on every failure and (room, "") on every success."""
        self._told: dict[str, str] = {}
        self.read_at: dict[str, Instant] = {}
        """When each calendar was last read, journaled or not."""
        self.errors: dict[str, ExchangeError] = {}
        """Of the calendars that could not be read the last time."""
        self._looking: set[str] = set()
        self._again: set[str] = set()
        """Hinted at while being looked at: what that look sees may be older than the hint."""

    async def run(self) -> None:
        """Follow hints until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            async for hinted in self._hints:
                rooms = [room for room in hinted if room not in self._looking]
                self._again.update(self._looking.intersection(hinted))
                if rooms:
                    self._looking.update(rooms)
                    tasks.create_task(self.look(rooms))

    async def look(self, rooms: Sequence[str]) -> None:
        """Read the calendars of these rooms now."""
        left = set(rooms)
        try:
            await self._read(rooms, left)
        finally:
            for room in sorted(left):
                self._seen(room)

    async def refresh(self, rooms: Sequence[str]) -> None:
        """Read these calendars now, whatever else is being read; what cannot be read is told as always."""
        for first in range(0, len(rooms), MAX_TOGETHER):
            some = rooms[first : first + MAX_TOGETHER]
            await self._read(some, set(some))

    async def _read(self, rooms: Sequence[str], left: set[str]) -> None:
        """`left` loses every room as soon as that one is done: the others may have to wait."""
        asked_at = self._brain.now()
        if len(rooms) > 1:
            try:
                await self._together(rooms, asked_at, left)
            except CoreError:
                raise  # told by the brain, and no matter of one calendar
            except Exception as fault:  # noqa: BLE001 - one of them may be at fault: each goes on its own
                log.warning("rooms not read together", why=str(UnforeseenError.of(fault)))
        for room in sorted(left):
            await self._alone(room, asked_at)

    def _seen(self, room: str) -> None:
        self._looking.discard(room)
        if room in self._again:
            self._again.discard(room)
            self._hints.nudge(room)

    async def _alone(self, room: str, asked_at: Instant) -> None:
        place = self._places[room]
        start, end = window(asked_at, place.zone)
        try:
            read = await place.reader.read(place.mailbox, place.zone, start, end)
        except ExchangeError as error:
            self._fail(room, error)
        except Exception as fault:  # noqa: BLE001 - one room's calendar may not take the process down (W10)
            self._fail(room, UnforeseenError.of(fault))
        else:
            self._succeed(room, asked_at, (start, end), read)

    async def _together(self, rooms: Sequence[str], asked_at: Instant, left: set[str]) -> None:
        """Reads what one request can tell. What stays in `left` must be asked for on its own."""
        places = [self._places[room] for room in rooms]
        windows = {place.zone: window(asked_at, place.zone) for place in places}

        def settle(number: int, answer: Answer | ExchangeError) -> None:
            place = places[number]
            try:
                read = place.reader.answered(place.mailbox, place.zone, answer)
            except ExchangeError as error:
                self._fail(place.room, error)
            except Exception as fault:  # noqa: BLE001 - as in `_alone`
                self._fail(place.room, UnforeseenError.of(fault))
            else:
                if read is None:
                    return  # of several pages
                self._succeed(place.room, asked_at, windows[place.zone], read)
            left.discard(place.room)
            self._seen(place.room)

        questions = [place.reader.question(place.mailbox, *windows[place.zone]) for place in places]
        await self._client.fetch_many(questions, settle)

    def _succeed(
        self, room: str, asked_at: Instant, span: tuple[Instant, Instant], read: tuple[Booking, ...]
    ) -> None:
        self._trouble(room, "")
        self._told.pop(room, None)
        self.errors.pop(room, None)
        self.read_at[room] = self._brain.now()
        if self._brain.paused_because:
            return  # read again when facts can be recorded
        state = self._brain.site.rooms[room].state
        near = difference(state.calendar.values(), read, *span)
        changed, removed = joined(near, read, state.calendar, self._far(room), span[1])
        news = self._brain.site.worth_telling(CalendarRead(room, *span, changed, removed), asked_at)
        if news is not None:
            self._tell(news)

    def _fail(self, room: str, error: ExchangeError) -> None:
        why = str(error)
        self.errors[room] = error
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
