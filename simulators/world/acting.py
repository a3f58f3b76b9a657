"""What people and Microsoft do in the calendars and at the panels of a world."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from gateway.core.units import MINUTE_MS, NEVER, Instant
from simulators.exchange import ExchangeSimulator, OrganizerEvent, weekly
from simulators.exchange.errors import ExchangeError
from simulators.people import PlannedBooking, stream
from simulators.world.calendars import Calendars
from simulators.world.cast import Act, Cast, booked_rooms
from simulators.world.host import Host

CHECKED_IN: Final = "Checked in"
MICROSOFT_AFTER_MS: Final = 12 * MINUTE_MS
"""When Microsoft's own auto-release takes a room that nobody checked in to."""

_COMMANDS: Final = {"check_in": "check-in", "keep": "keep", "end": "end", "close_breaker": "close-breaker"}


class Players:
    """Carries out acts, and knows which calendar entry is whose planned booking."""

    def __init__(self, plan: Cast, exchange: ExchangeSimulator, calendars: Calendars, host: Host) -> None:
        self._exchange = exchange
        self._calendars = calendars
        self._host = host
        rooms = booked_rooms(plan)
        self._mailbox = {room.id: room.mailbox for room in rooms}
        self._handles: dict[str, OrganizerEvent] = {}
        self._name_of: dict[str, str] = {}
        """The planned key, by the iCalUId of the meeting or series."""
        self._until = plan.end
        self.planned: dict[str, PlannedBooking] = {b.key: b for room in rooms for b in room.bookings}
        self.disturbed: set[str] = set()
        """Planned bookings that did not stay as they were planned: left out of the balance."""
        self._panels: set[asyncio.Task[object]] = set()
        self._rng = stream(plan.seed, "facilities")
        self._look_at: Instant | None = None
        """When somebody looks into the rooms, while the breaker is open."""

    def do(self, act: Act) -> None:
        """One act; what has become impossible meanwhile is left undone, as by people."""
        if act.deed in _COMMANDS:
            self._at_the_panel(act)
            return
        with contextlib.suppress(ExchangeError, KeyError):
            self._in_the_calendar(act)
        self._calendars.note("person")

    def _at_the_panel(self, act: Act) -> None:
        request = {"command": _COMMANDS[act.deed], "room": act.room, "by": "panel"}
        panel = asyncio.get_running_loop().create_task(self._press(request))
        self._panels.add(panel)
        panel.add_done_callback(self._panels.discard)
        if act.deed == "end":
            self.disturbed.add(act.booking)

    async def _press(self, request: dict[str, str]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60.0):
                await self._host.command(request)

    def mind_breaker(self, now: Instant, inside: Callable[[str, Instant], bool]) -> None:
        """Facilities are told of an open breaker, look into the silent rooms, and close it if they are empty.

        `inside`: whether people are in a room at an instant, by ground truth.
        """
        service = self._host.service
        breaker = None if service is None else service.brain.site.state.breaker
        if breaker is None or breaker.opened_at == NEVER:
            self._look_at = None
        elif self._look_at is None:
            self._look_at = now + self._rng.randint(3, 40) * MINUTE_MS
        elif now >= self._look_at:
            self._look_at = None
            if not any(inside(room, now) for room in breaker.silent):
                self._at_the_panel(Act(now, "close_breaker", ""))

    def forget_panels(self) -> None:
        """The process that people spoke to is dead: nobody waits for its answer."""
        for panel in self._panels:
            panel.cancel()

    def _in_the_calendar(self, act: Act) -> None:
        if act.deed in ("book", "series", "own", "all_day"):
            self._book(act)
        else:
            self._change(act)

    def _book(self, act: Act) -> None:
        exchange, mailbox = self._exchange, self._mailbox[act.room]
        match act.deed:
            case "book":
                self._made(act, exchange.book(act.organizer, mailbox, act.start, act.end))
            case "series":
                days = weekly("monday", "tuesday", "wednesday", "thursday", "friday", count=60)
                made = exchange.book(act.organizer, mailbox, act.start, act.end, recurrence=days)
                self._made(act, made)
            case "own":
                self._made(act, exchange.book_in_room(mailbox, act.start, act.end))
            case "all_day" if act.start // MINUTE_MS // 1_440 % 3:
                who = "person-000@contoso.com"
                exchange.book(who, mailbox, act.start, act.end, all_day=True, show_as="free")
            case "all_day":
                exchange.book_in_room(mailbox, act.start, act.end, all_day=True)

    def _change(self, act: Act) -> None:
        exchange = self._exchange
        match act.deed:
            case "cancel":
                exchange.cancel(self._handles[act.booking])
            case "move":
                self.disturbed.add(act.booking)
                exchange.move(self._handles[act.booking], act.start, act.end)
            case "extend":
                self.disturbed.add(act.booking)
                exchange.change(self._handles[act.booking], end_ms=act.end)
            case "retitle":
                exchange.change(self._handles[act.booking], subject="Another title")
            case "drop_one":
                exchange.cancel(self._handles[act.booking], occurrence=act.start)
            case "move_one":
                handle, length = self._handles[act.booking], 30 * MINUTE_MS
                exchange.move(handle, act.end, act.end + length, occurrence=act.start)

    def _made(self, act: Act, handle: OrganizerEvent) -> None:
        self._handles[act.booking] = handle
        self._name_of[handle.ical_uid] = act.booking

    # -- at the worst moment --------------------------------------------------------------------------

    def meddle(self, room: str, event_id: str, chance: float) -> bool:
        """The organizer of what the gateway is about to decide on changes it just now."""
        item = next((i for i in self._calendars.items(room).values() if i.id == event_id), None)
        name = None if item is None else self._name_of.get(item.uid)
        if item is None or name is None or item.day is not None or item.is_organizer:
            return False
        handle = self._handles[name]
        self.disturbed.add(name)
        with contextlib.suppress(ExchangeError):
            if chance < 0.4:  # noqa: PLR2004 - a third or so each
                self._exchange.move(handle, item.start_ms + 30 * MINUTE_MS, item.end_ms + 30 * MINUTE_MS)
            elif chance < 0.7:  # noqa: PLR2004 - as above
                self._exchange.cancel(handle)
            else:
                self._exchange.change(handle, subject="Changed at the last moment")
        self._calendars.note("person")
        return True

    def microsoft_releases(self, room: str, now: Instant) -> bool:
        """Microsoft's own service takes the room of a booking that carries no check-in."""
        box = self._exchange.mailboxes.mailbox(self._mailbox[room])
        for item in box.calendar.view(now - 1, now + 1):
            begun = now - item.start_ms
            if not MICROSOFT_AFTER_MS <= begun < MICROSOFT_AFTER_MS + MINUTE_MS or item.all_day:
                continue
            if item.is_organizer or item.cancelled or CHECKED_IN in item.categories:
                continue
            self._exchange.mailboxes.respond(box, item.id, "declined")
            name = self.name_of(room, item.uid, item.start_ms)
            if name is not None:
                self.disturbed.add(name)
            self._calendars.note("microsoft", "declined")
            return True
        return False

    # -- whose it is ----------------------------------------------------------------------------------

    def name_of(self, room: str, uid: str, start: Instant) -> str | None:
        """The planned booking that a calendar item stands for."""
        name = self._name_of.get(uid)
        if name is None:
            return None
        if name == f"{room}-series":
            name = f"{name}@{start - start % (1_440 * MINUTE_MS)}"
        return name if name in self.planned else None

    @property
    def names(self) -> Mapping[str, str]:
        """Planned keys by iCalUId."""
        return self._name_of
