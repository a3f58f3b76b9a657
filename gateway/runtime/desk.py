"""What people ask for: book a room, move or cancel what they booked, find one that is free.

Theory of operation

* A wish becomes a fact (`Booked`, `Cancelled`, `Ended`), and so a decision with a row of the outbox, like
  everything that is written to Exchange. The desk waits for the row's end, because somebody waits for the
  answer; the row goes on without it.
* Before that the calendar is looked at, for a good answer; the row looks again right before it writes, and
  afterwards judges who was first (`gateway.exchange.contest`).
* A wish has a name. Asked again under it, by an impatient finger or after a lost answer, it is the same
  booking.
* Moving is booking the new time first, then giving up the old one: nobody loses a room by trying. Which old
  one is noted in the ledger with the fact of the new one, so that a process that dies between leaves no two.
* Titles and addresses are kept in memory until the row has ended, and nowhere else.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Final, NamedTuple

import msgspec
import structlog

from gateway.core.booking import Booking
from gateway.core.decisions import Decision, Write
from gateway.core.events import Booked, Cancelled, CheckedIn, Ended
from gateway.core.explain import explain
from gateway.core.life import Life
from gateway.core.room import Room
from gateway.core.site import CoreError
from gateway.core.units import MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.exchange.calendar import window
from gateway.exchange.errors import ExchangeError, ItemGoneError
from gateway.exchange.models import GraphEvent
from gateway.exchange.own import Wording, blocks
from gateway.exchange.room_facts import RoomFacts
from gateway.ledger import LedgerError, LedgerWorker
from gateway.runtime.brain import Brain, Paused
from gateway.runtime.dispatch import Dispatch
from gateway.runtime.free_rooms import FreeRoom, Known, Wanted, free_rooms
from gateway.runtime.picture import clock_in
from gateway.runtime.places import Place
from gateway.runtime.sync import Sync
from gateway.runtime.wishes import (
    Answer,
    Limits,
    Objections,
    Wish,
    carried_on,
    no_objections,
    plain_objections,
    refused,
    settled,
)

log = structlog.get_logger()

PATIENCE_S: Final = 75.0
"""How long Exchange's answer is waited for: one that is lost takes a minute to be missed and read back."""

FRESH_MS: Final[Duration] = MINUTE_MS
"""An older calendar is read again before somebody is told that a room is free."""

REMEMBERED: Final = 200
"""Answers that are kept for those who ask again under the same name."""

MOVES_NOTE: Final = "moves_under_way"
MOVE_SETTLED_MS: Final[Duration] = 5 * MINUTE_MS
"""After so long a booking that a move asked for is there, or will never be."""

LOOK_AGAIN_S: Final = 5.0


class _Move(msgspec.Struct, frozen=True):
    """A move under way: which booking is to be given up once the other one is there."""

    room: str
    booking: str
    to: str
    start: Instant
    end: Instant
    until: Instant
    by: str = "command"


class _Own(NamedTuple):
    """A booking that may be moved or cancelled, as the core and as Exchange have it."""

    life: Life
    event: GraphEvent


class _No(Exception):  # noqa: N818 - carries an answer, and is none of our errors
    """Cannot be done; the answer says why."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(said)
        self.answer = refused(code, said)


class Desk:
    """Follows wishes. `objections` are the site's booking rules; `wordings` is shared with the dispatch."""

    def __init__(
        self,
        brain: Brain,
        ledger: LedgerWorker,
        dispatch: Dispatch,
        sync: Sync,
        places: Mapping[str, Place],
        facts: Sequence[RoomFacts],
        wordings: dict[str, Wording],
        *,
        longest_ms: Duration,
        objections: Objections = no_objections,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._brain = brain
        self._ledger = ledger
        self._dispatch = dispatch
        self._sync = sync
        self._places = places
        self._facts = facts
        self._wordings = wordings
        self._longest_ms = longest_ms
        self.objections = objections
        self._sleep = sleep
        self._patience_s = patience_s
        self._asked: dict[str, asyncio.Task[Answer]] = {}
        self._moves: dict[str, _Move] = {}
        self._finishing: set[asyncio.Task[None]] = set()

    # -- booking --------------------------------------------------------------------------------------

    async def book(self, wish: Wish) -> Answer:
        """Book a room for a person. The answer says what was booked, or why nothing was."""
        return await self._once(wish.ask, lambda: self._book(wish))

    async def _once(self, ask: str, follow: Callable[[], Awaitable[Answer]]) -> Answer:
        """The same answer to the same request, also for those who ask while it is being followed."""
        task = self._asked.get(ask)
        if task is None:
            task = asyncio.get_running_loop().create_task(_settled(follow()))
            self._asked[ask] = task
            while len(self._asked) > REMEMBERED:
                del self._asked[next(iter(self._asked))]
        try:
            return await asyncio.shield(task)
        finally:
            if task.done() and not _is_done(task) and self._asked.get(ask) is task:
                del self._asked[ask]  # what could not be done may be tried again

    async def _book(self, wish: Wish, *, replaces: str = "", move: _Move | None = None) -> Answer:
        room, place = self._room(wish.room)
        now = self._brain.now()
        wish = settled(wish, now)
        await self._check(room, place, wish, replaces, now)
        try:
            write = await self._ask_for(wish, replaces, move)
            end, why = await self._outcome(wish.room, write)
        except _No as no:
            if no.answer.code != "unclear":  # what may still be sent keeps its words
                self._wordings.pop(wish.ask, None)
            raise
        self._wordings.pop(wish.ask, None)
        if end != "applied":
            raise _No(*self._not_booked(wish, why))
        return await self._booked(place, wish, write)

    async def _check(self, room: Room, place: Place, wish: Wish, replaces: str, now: Instant) -> None:
        """Raise `_No` for the first kind of thing that speaks against a wish."""
        clock = clock_in(place.zone, "%a %d %b %H:%M")
        limits = Limits(self._longest_ms, window(now, place.zone)[1])
        plain = list(plain_objections(wish, limits, now, clock))
        if plain:
            raise _No("not_possible", f"Not booked: {'; '.join(plain)}.")
        rules = list(self.objections(wish, now))
        if rules:
            raise _No("not_allowed", f"Not booked: {'; '.join(rules)}.")
        if room.state.mode != "live":
            raise _No(
                "shadow",
                f"Not booked: {wish.room} is in shadow mode, nothing is written to its calendar; "
                f"set it live (`occupancy-gateway live {wish.room}`), or book it in Outlook.",
            )
        if self._dispatch.halted:
            raise _No("halted", f"Not booked: {self._dispatch.halted}.")
        for name in (wish.room, *(relative.state.config.id for relative in room.relatives)):
            taken = await self._taken(self._places[name], wish, replaces)
            if taken is not None:
                raise _No("not_free", f"Not booked: {name} is taken {_span(taken, place.zone)}.")

    async def _taken(self, place: Place, wish: Wish, replaces: str) -> Booking | None:
        """The first booking that holds the room in the time of the wish, as Exchange has it just now."""
        try:
            events = await place.reader.view(place.mailbox, wish.start, wish.end, urgent=True)
            held = place.reader.bookings(events, place.zone)
        except ExchangeError as error:
            raise _No("exchange", f"Not booked: the calendar cannot be looked at ({error}).") from error
        taking = [b for b in held if blocks(b) and b.event_id != replaces and _meets(b, wish.start, wish.end)]
        return min(taking, key=lambda booking: (booking.start, booking.key), default=None)

    async def _ask_for(self, wish: Wish, replaces: str, move: _Move | None) -> Write:
        self._wordings[wish.ask] = Wording(wish.title, wish.organizer)
        while len(self._wordings) > REMEMBERED:
            del self._wordings[next(iter(self._wordings))]
        if move is not None:
            self._moves[wish.ask] = move
            self._note_moves()
        asked = Booked(wish.room, wish.start, wish.end, wish.ask, wish.by, replaces)
        decisions = await self._record(asked)
        for decision in decisions:
            if decision.write is not None and decision.write.linked == wish.ask:
                return decision.write
        raise _No("refused", self._told(wish.room, decisions))

    async def _outcome(self, room: str, write: Write) -> tuple[str, str]:
        ended = await self._dispatch.ended(room, write.id, self._patience_s)
        if ended is None:
            raise _No(
                "unclear",
                "Exchange has been asked, and its answer is missing. Whether it was done is settled by "
                f"reading back; `occupancy-gateway bookings --room {room}` shows it then. Asking again "
                "books nothing twice: the room is looked at first.",
            )
        return ended

    def _not_booked(self, wish: Wish, why: str) -> tuple[str, str]:
        if why == "not_free":
            return "not_free", f"Not booked: somebody else booked {wish.room} at the same moment."
        if why == self._dispatch.halted and why:
            return "halted", f"Not booked: {why}."
        refusal = why if why.startswith("Exchange refuses") else "Exchange could not be asked in time"
        return "exchange", f"Not booked: {refusal}."

    async def _booked(self, place: Place, wish: Wish, write: Write) -> Answer:
        """It is there: learn its key, let the core see it, and check it in if somebody is there for it."""
        said = f"Booked: {place.name} {span_words(wish.start, wish.end, place.zone)}."
        key, checked_in = "", False
        try:
            made = await place.writer.made(place.mailbox, place.zone, write)
            key = "" if made is None else made.key
        except ExchangeError as error:
            log.info("the key of a booking is not known yet", room=wish.room, why=str(error))
        await self._sync.refresh([wish.room])
        if key and wish.here and wish.start <= self._brain.now():
            checked_in = await self._check_in(wish, key)
        return Answer(
            "booked",
            said,
            done=True,
            room=wish.room,
            booking=key,
            start=wish.start,
            end=wish.end,
            checked_in=checked_in,
        )

    async def _check_in(self, wish: Wish, key: str) -> bool:
        """Whoever books at the door for now is there (design, 4.3)."""
        try:
            decisions = await self._brain.record(CheckedIn(wish.room, key, wish.by))
        except (Paused, CoreError) as error:
            log.warning("a booking at the door was not checked in", room=wish.room, why=str(error))
            return False
        return any(d.kind == "checked_in" and d.booking == key for d in decisions)

    # -- cancelling -----------------------------------------------------------------------------------

    async def cancel(self, room: str, booking: str = "", by: str = "command") -> Answer:
        """Give up a booking that was made through a gateway; one that runs is ended now.

        `booking`: its key; empty: the room's current one, or the next.
        """
        return await _settled(self._cancel(room, booking, by))

    async def _cancel(self, room: str, booking: str, by: str) -> Answer:
        known, place = self._room(room)
        if known.state.mode != "live":
            raise _No(
                "shadow", f"Not cancelled: {room} is in shadow mode, nothing is written to its calendar."
            )
        own = await self._own(known, place, booking, "cancel")
        span = _span(own.life.booking, place.zone)
        begun = self._has_begun(own.life)
        await self._drop(room, own.life, by)
        said = f"Ended: {place.name} is free again." if begun else f"Cancelled: {place.name} {span}."
        code = "ended" if begun else "cancelled"
        return Answer(code, said, done=True, room=room, booking=own.life.booking.key)

    async def _drop(self, room: str, life: Life, by: str) -> None:
        """End what runs, cancel what has not begun; raises `_No` if that does not come to pass."""
        key = life.booking.key
        begun = self._has_begun(life)
        if begun and not life.live:
            raise _No("shadow", f"Not ended: it began while {room} was in shadow mode; end it in Outlook.")
        decisions = await self._record(Ended(room, key, by) if begun else Cancelled(room, key, by))
        write = next((d.write for d in decisions if d.write is not None and d.booking == key), None)
        if write is None:
            raise _No("refused", self._told(room, decisions))
        end, why = await self._outcome(room, write)
        if end != "applied" and why != "gone":
            found = "it was changed in Outlook meanwhile; look at it again" if end == "superseded" else why
            raise _No("exchange", f"Not {'ended' if begun else 'cancelled'}: {found}.")
        await self._sync.refresh([room])

    def _has_begun(self, life: Life) -> bool:
        return self._brain.now() >= life.booking.start + SECOND_MS

    async def _own(self, room: Room, place: Place, booking: str, verb: str) -> _Own:
        """The booking that is meant, if it was made through a gateway. Raises `_No`."""
        life = _meant(room, booking, self._brain.now())
        if life is None:
            raise _No(
                "no_such_booking", f"Nothing was changed: there is no such booking in {place.room} now."
            )
        try:
            event = await place.reader.event(place.mailbox, life.booking.event_id)
        except ItemGoneError as error:
            raise _No("no_such_booking", "Nothing was changed: it is gone from the calendar.") from error
        except ExchangeError as error:
            raise _No("exchange", f"Nothing was changed: Exchange cannot be asked ({error}).") from error
        if not place.writer.is_own(event):
            span = _span(life.booking, place.zone)
            raise _No(
                "not_ours",
                f"Nothing was changed: the booking of {place.room} {span} was not made through the gateway. "
                f"Its organizer can {verb} it, in Outlook.",
            )
        return _Own(life, event)

    # -- moving ---------------------------------------------------------------------------------------

    async def move(
        self,
        room: str,
        booking: str = "",
        *,
        to: str = "",
        start: Instant | None = None,
        ask: str,
        by: str = "command",
    ) -> Answer:
        """Move a booking that was made through a gateway: to another room, to another time, or both.

        One that runs moves with what is left of it. The new one has a key of its own.
        """
        return await self._once(ask, lambda: self._move(room, booking, to or room, start, ask, by))

    async def _move(
        self, room: str, booking: str, to: str, start: Instant | None, ask: str, by: str
    ) -> Answer:
        known, place = self._room(room)
        self._room(to)
        if to == room and start is None:
            raise _No("not_possible", "Not moved: say where to (--to ROOM2), or to what time (--from 15:00).")
        if known.state.mode != "live":
            raise _No("shadow", f"Not moved: {room} is in shadow mode, nothing is written to its calendar.")
        own = await self._own(known, place, booking, "move")
        old, now = own.life.booking, self._brain.now()
        if not place.writer.is_asked_for(own.event):
            raise _No("not_possible", f"Not moved: nobody asked for it, it shows who is in {room} just now.")
        begun = self._has_begun(own.life)
        if begun and start is not None:
            raise _No("not_possible", "Not moved: it has begun; cancel it, and book another time.")
        new_start = start if start is not None else now if begun else old.start
        new_end = old.end if begun else new_start + old.length_ms
        try:
            wording = await place.reader.wording(place.mailbox, old.event_id)
        except ExchangeError as error:
            raise _No("exchange", f"Not moved: Exchange cannot be asked ({error}).") from error
        wish = Wish(to, new_start, new_end, ask, *carried_on(wording.title, wording.invites), by)
        move = _Move(room, old.key, to, new_start, new_end, now + MOVE_SETTLED_MS, by)
        try:
            answer = await self._book(wish, replaces=old.event_id if to == room else "", move=move)
        except _No as no:
            if no.answer.code == "unclear":
                self._finish_later(ask, move)
            else:
                self._forget_move(ask)
            said = no.answer.said.replace("Not booked", "Not moved", 1)
            raise _No(no.answer.code, said) from no
        return await self._give_up_old(ask, move, own.life, answer)

    async def _give_up_old(self, ask: str, move: _Move, life: Life, answer: Answer) -> Answer:
        said = answer.said.replace("Booked", "Moved", 1)
        try:
            await self._drop(move.room, life, move.by)
        except _No as no:
            log.warning("a booking that was moved is still there too", room=move.room, booking=move.booking)
            said = f"{answer.said} The old booking in {move.room} is still there. {no.answer.said}"
            return msgspec.structs.replace(answer, code="moved_by_half", said=said)
        finally:
            self._forget_move(ask)
        return msgspec.structs.replace(answer, code="moved", said=said)

    def _note_moves(self) -> None:
        self._brain.note(MOVES_NOTE, msgspec.json.encode(self._moves).decode() if self._moves else "")

    def _forget_move(self, ask: str) -> None:
        if self._moves.pop(ask, None) is not None:
            self._note_moves()

    async def run(self) -> None:
        """Finish the moves that an earlier run of the process began; returns when there are none."""
        try:
            noted = await self._ledger.run(lambda ledger: ledger.note(MOVES_NOTE))
        except LedgerError as error:
            log.warning("moves that may have been under way are not finished", why=str(error))
            return
        self._moves = msgspec.convert(json.loads(noted or "{}"), dict[str, _Move]) | self._moves
        for ask, move in list(self._moves.items()):
            await self._finish(ask, move)

    def _finish_later(self, ask: str, move: _Move) -> None:
        """Nobody waits any more: give up the old booking once the new one is known to be there."""
        task = asyncio.get_running_loop().create_task(self._finish(ask, move))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def stop(self) -> None:
        """Stop where it is; the ledger knows which moves are to be finished."""
        tasks = [*self._finishing, *self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self, ask: str, move: _Move) -> None:
        try:
            await self._finish_move(ask, move)
        except _No as no:
            log.warning("a move was left by half", room=move.room, booking=move.booking, why=str(no))
        self._forget_move(ask)

    async def _finish_move(self, ask: str, move: _Move) -> None:
        """Give up the old booking if the new one is there, as soon as that can be told."""
        place, room = self._places.get(move.to), self._brain.site.rooms.get(move.room)
        asked = Write(0, "book", "create", "", move.start, move.end, 0, room_organises=True, linked=ask)
        while place is not None and room is not None and self._brain.now() < move.until:
            if not self._dispatch.is_under_way(ask):
                with contextlib.suppress(ExchangeError):
                    made = await place.writer.made(place.mailbox, place.zone, asked)
                    old = room.state.lives.get(move.booking)
                    if made is not None and old is not None:
                        await self._drop(move.room, old, move.by)
                    return
            await self._sleep(LOOK_AGAIN_S)

    # -- free rooms -----------------------------------------------------------------------------------

    async def free(self, wanted: Wanted) -> list[FreeRoom]:
        """Rooms that are free then; for now also by live occupancy. Best fit first.

        Calendars that were not read just now are read first. ValueError where the time cannot be meant.
        """
        now = self._brain.now()
        wanted = wanted._replace(start=max(wanted.start, now))
        if wanted.start >= wanted.end:
            raise ValueError("it would be over before it begins, or lies in the past")
        ends = [window(now, place.zone)[1] for place in self._places.values()]
        if wanted.end > min(ends, default=wanted.end):
            raise ValueError("the gateway knows the calendars of today and tomorrow only")
        old = [room for room in self._places if now - self._sync.read_at.get(room, NEVER) > FRESH_MS]
        await self._sync.refresh(old)
        known = {name: self._known(room) for name, room in self._brain.site.rooms.items()}
        return free_rooms(self._facts, known, wanted, is_now=wanted.start <= now)

    def _known(self, room: Room) -> Known:
        sharing = (room, *room.relatives)
        bookings = tuple(booking for one in sharing for booking in one.state.calendar.values())
        troubles = [one.state.calendar_why for one in sharing]
        never = any(one.state.calendar_read_at == NEVER for one in sharing)
        doubted = any(one.state.doubted_at != NEVER for one in sharing)
        trouble = next(filter(None, troubles), "its calendar has not been read yet" if never else "")
        return Known(
            bookings, room.state.occupancy, trouble or ("its calendar looks wrong" if doubted else "")
        )

    # -- common ---------------------------------------------------------------------------------------

    def _room(self, name: str) -> tuple[Room, Place]:
        room, place = self._brain.site.rooms.get(name), self._places.get(name)
        if room is None or place is None:
            known = ", ".join(sorted(self._places))
            raise _No("no_such_room", f"there is no room {name!r}; the rooms are: {known}")
        return room, place

    async def _record(self, event: Booked | Cancelled | Ended) -> list[Decision]:
        try:
            return await self._brain.record(event)
        except (Paused, CoreError) as error:
            raise _No("not_recording", f"Nothing was done: {error}") from error

    def _told(self, room: str, decisions: Sequence[Decision]) -> str:
        clock = clock_in(self._places[room].zone)
        told = [explain(d, clock) for d in decisions if d.room == room and d.kind == "refused"]
        return " ".join(told) or "Nothing was done: nothing had to be written."


def _is_done(task: asyncio.Task[Answer]) -> bool:
    return not task.cancelled() and task.exception() is None and task.result().done


async def _settled(following: Awaitable[Answer]) -> Answer:
    """The answer, also where it is no."""
    try:
        return await following
    except _No as no:
        return no.answer


def _meant(room: Room, key: str, now: Instant) -> Life | None:
    """By its key; else the booking that runs (the later one if they overlap), else the next to start."""
    lives = [
        x for x in room.state.lives.values() if x.state not in ("released", "over") and x.booking.end > now
    ]
    if key:
        return next((life for life in lives if life.booking.key == key), None)
    order = sorted(
        (life for life in lives if not life.booking.all_day),
        key=lambda life: (life.booking.start, life.booking.key),
    )
    running = [life for life in order if life.booking.start <= now]
    return running[-1] if running else next(iter(order), None)


def _meets(booking: Booking, start: Instant, end: Instant) -> bool:
    return booking.start < end and booking.end > start


def _span(booking: Booking, zone: tzinfo) -> str:
    return "for the whole day" if booking.all_day else span_words(booking.start, booking.end, zone)


def span_words(start: Instant, end: Instant, zone: tzinfo) -> str:
    """Like "on Mon 28 Sep from 14:00 to 14:30"; the day of its end only where that is another one."""
    day, time = clock_in(zone, "%a %d %b"), clock_in(zone, "%H:%M")
    until = time(end) if day(start) == day(end) else f"{day(end)} {time(end)}"
    return f"on {day(start)} from {time(start)} to {until}"
