"""Each room's months to come, once an hour: read, looked through, and forgotten but for what was found.

Theory of operation

* Rooms are read one after the other, evenly over the hour, and not at all once the day's requests are spent.
* What is read does not reach the core, but for what breaks a rule for bookings (`gateway.runtime.ahead`). Of
  each room only its findings stay, and when it is taken (8 bytes a booking), so that a free room can be named
  for a date that was lost.
* The pattern of a series is read once a day, again before anything new is said of the series, and what seems
  to be missing is looked for once more: pages are several moments, and organizers alter series.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Final

import msgspec
import structlog

from gateway.clock import Clock
from gateway.core.booking import Booking
from gateway.core.booking_rules import BookingRules
from gateway.core.room import Room
from gateway.core.units import HOUR_MS, MINUTE_MS, NEVER, Duration, Instant
from gateway.exchange.calendar import one_per_key
from gateway.exchange.errors import (
    ExchangeError,
    ItemGoneError,
    MalformedError,
    RefusedError,
    UnforeseenError,
)
from gateway.exchange.horizon import HorizonReader, horizon_window
from gateway.exchange.own import blocks
from gateway.exchange.quiet import (
    Busy,
    Months,
    Overlap,
    SeriesGaps,
    busy_of,
    overlaps,
    released_starts,
    series_gaps,
    unanswered,
    without,
)
from gateway.exchange.recurrence import Series
from gateway.runtime.ahead import FURTHEST_MS, reads_beyond, to_tell
from gateway.runtime.places import Place

log = structlog.get_logger()

EVERY_MS: Final[Duration] = HOUR_MS
FIRST_AFTER_MS: Final[Duration] = 5 * MINUTE_MS
"""After a start the near calendars and their writes come first."""

LEARNED_FOR_MS: Final[Duration] = 24 * HOUR_MS
DOUBTED_FOR_MS: Final[Duration] = 6 * HOUR_MS
"""A pattern that does not fit the calendar is asked for again after this."""

LEARNED_AT_ONCE: Final = 50
"""Patterns that are read for one room in one hour; the others have their turn in the next."""

FOUND_KEPT: Final = 50
"""Dates of one series that are remembered."""


class Learned(msgspec.Struct, frozen=True, gc=False):
    """A series' pattern; None: it cannot be followed."""

    series: Series | None
    at: Instant


class RoomHorizon(msgspec.Struct, frozen=True):
    """What the last look at a room's months found."""

    read_at: Instant
    bookings: int
    gaps: tuple[SeriesGaps, ...]
    overlaps: tuple[Overlap, ...]
    unanswered: frozenset[str]
    busy: "Busy[int]"
    ended: frozenset[str]
    """Series that nobody came to and that have no dates to come any more."""
    unclear: int
    """Series whose pattern could not be followed, so nothing is said of them."""
    breaking: tuple[Booking, ...] = ()
    """What breaks a rule for bookings."""


class Horizon:
    """Looks at the months of every room. `room_of` gives a room's memory in the core, to be read only."""

    def __init__(
        self,
        readers: Mapping[str, HorizonReader],
        places: Mapping[str, Place],
        room_of: Callable[[str], Room | None],
        clock: Clock,
        length_ms: Duration,
        *,
        sleep: Callable[[float], Awaitable[None]],
        may_read: Callable[[], bool] = lambda: True,
        rules: Callable[[str], BookingRules] = lambda _: BookingRules(),
    ) -> None:
        """`length_ms`: how far rooms can be booked ahead; 0: nobody looks. `may_read`: asked each time.

        `rules`: what a room asks of its bookings.
        """
        self._readers = readers
        self._places = places
        self._room_of = room_of
        self._clock = clock
        self._length_ms = length_ms
        self._sleep = sleep
        self._may_read = may_read
        self._rules = rules
        self._learned: dict[str, dict[bytes, bytes]] = {name: {} for name in places}
        """By room: each series' pattern. There are thousands, so they are kept packed."""
        self.rooms: dict[str, RoomHorizon] = {}
        self.failed: dict[str, ExchangeError] = {}
        """Rooms whose last look failed, and why."""

    @property
    def is_on(self) -> bool:
        """Whether anybody looks at all."""
        return bool(self._length_ms)

    async def run(self) -> None:
        """Look at one room after the other until cancelled."""
        rooms = sorted(self._places)
        if not rooms or not self.is_on:
            return
        await self._rest(FIRST_AFTER_MS)
        while True:
            for room in rooms:
                began = self._clock.monotonic_ms()
                if self._may_read():
                    await self.look(room)
                await self._rest(began + EVERY_MS // len(rooms) - self._clock.monotonic_ms())

    async def _rest(self, left_ms: Duration) -> None:
        await self._sleep(self._clock.seconds_until(self._clock.now() + max(0, left_ms)))

    async def look(self, room: str) -> None:
        """Read one room's months now. What cannot be read leaves the last findings as they are."""
        try:
            self.rooms[room] = await self._found(self._places[room])
        except ExchangeError as error:
            self._fail(room, error)
        except Exception as fault:  # noqa: BLE001 - one room's months may not take the process down (W10)
            self._fail(room, UnforeseenError.of(fault))
        else:
            self.failed.pop(room, None)

    def _fail(self, room: str, error: ExchangeError) -> None:
        self.failed[room] = error
        log.info("horizon not read", room=room, why=str(error))

    async def _found(self, place: Place) -> RoomHorizon:
        now = self._clock.now()
        start, end = horizon_window(now, place.zone, self._length_ms)
        room = self._room_of(place.room)
        rules = BookingRules() if room is None else self._rules(place.room)
        known = {} if room is None else room.state.calendar
        told = [one for one in known.values() if one.start >= start]
        reader, whole = self._readers[place.room], bool(rules.consequences or told)
        far = await reader.read(place.mailbox, place.zone, start, end, whole=whole)
        beyond: tuple[Booking, ...] = ()
        if reads_beyond(rules) or any(one.start >= end for one in told):
            _, furthest = horizon_window(now, place.zone, FURTHEST_MS)
            beyond = await reader.read(place.mailbox, place.zone, end, furthest, whole=True)
        near = tuple(one for one in known.values() if one.start < start)
        both = tuple({one.key: one for one in (*far, *near)}.values())
        # Without the near days' calendar their dates would all seem to be missing.
        months = Months.of(both)
        gaps, unclear = await self._gaps(place, months, room, now, (now if near else start, end))
        ghosts = set() if room is None else {key for key, one in room.state.series.items() if one.reported}
        return RoomHorizon(
            read_at=now,
            bookings=len(far),
            gaps=gaps,
            overlaps=overlaps(far, now),
            unanswered=unanswered(far, now),
            busy=busy_of(both),
            ended=frozenset(
                ghosts.difference(one.series_id for one in both if one.start > now and blocks(one))
            ),
            unclear=unclear,
            breaking=to_tell(one_per_key((*far, *beyond)), known, rules, now, start),
        )

    def breaking(self, room: str) -> tuple[Booking, ...] | None:
        """Bookings far ahead that break a rule; None: nobody has looked since the start."""
        found = self.rooms.get(room)
        return None if found is None else found.breaking

    # -- series ---------------------------------------------------------------------------------------

    async def _gaps(
        self,
        place: Place,
        months: Months,
        room: Room | None,
        now: Instant,
        span: tuple[Instant, Instant],
    ) -> tuple[tuple[SeriesGaps, ...], int]:
        released = _released(room)
        before = self.rooms.get(place.room)
        known = {} if before is None else {one.series_id: one for one in before.gaps}
        learned, self._learned[place.room] = self._learned[place.room], {}
        left, unclear = LEARNED_AT_ONCE, 0
        found: list[SeriesGaps] = []
        for series_id, own in months.series.items():
            await asyncio.sleep(0)  # a hundred series are no reason to keep the sensors waiting
            if all(one.room_organises for _, one in own):
                continue
            old = _unpacked(learned.get(_tag(series_id)))
            if old is None or old.at <= now - LEARNED_FOR_MS:
                if not left:
                    self._keep(place.room, series_id, old)
                    continue
                left -= 1
                old = await self._learn(place, series_id, now)
            gaps = await self._compared(
                place, series_id, old, months, now, span, released, known.get(series_id)
            )
            unclear += gaps is None
            if gaps is not None and (gaps.lost or gaps.missing):
                found.append(_short(gaps))
        return tuple(found), unclear

    def _keep(self, room: str, series_id: str, learned: Learned | None) -> None:
        if learned is not None:
            self._learned[room][_tag(series_id)] = msgspec.msgpack.encode(learned)

    async def _learn(self, place: Place, series_id: str, now: Instant) -> Learned:
        try:
            series = await self._readers[place.room].series(place.mailbox, series_id)
        except (ItemGoneError, MalformedError, RefusedError) as error:
            log.debug("series not followed", room=place.room, why=str(error))
            return Learned(None, now)
        return Learned(series, now)

    async def _compared(
        self,
        place: Place,
        series_id: str,
        learned: Learned,
        months: Months,
        now: Instant,
        span: tuple[Instant, Instant],
        released: frozenset[Instant],
        known: SeriesGaps | None,
    ) -> SeriesGaps | None:
        """The gaps of one series, looked at again before anything new is said; None: not to be told."""

        def compare() -> SeriesGaps | None:
            if learned.series is None:
                return None
            return series_gaps(series_id, learned.series, months, *span, released=released)

        gaps = compare()
        doubted = gaps is None and learned.at <= now - DOUBTED_FOR_MS
        if (doubted or _has_news(gaps, known)) and learned.at < now:
            learned = await self._learn(place, series_id, now)
            gaps = compare()
        self._keep(place.room, series_id, learned)
        if gaps is None or learned.series is None or not _has_news(gaps, known):
            return gaps
        reader = self._readers[place.room]
        again = await reader.occurrences(place.mailbox, place.zone, series_id, *span)
        return without(gaps, again, learned.series)

    @property
    def busy(self) -> dict[str, "Busy[int]"]:
        """When each room that was looked at is taken."""
        return {name: room.busy for name, room in self.rooms.items()}


def _tag(series_id: str) -> bytes:
    """Stands for a series: its id has some hundred and fifty characters."""
    return blake2b(series_id.encode(), digest_size=8).digest()


_LEARNED: Final = msgspec.msgpack.Decoder(Learned)


def _unpacked(learned: bytes | None) -> Learned | None:
    return None if learned is None else _LEARNED.decode(learned)


def _has_news(gaps: SeriesGaps | None, known: SeriesGaps | None) -> bool:
    """Whether a date is absent that was not known to be, or is now somebody else's."""
    if gaps is None:
        return False
    before = (set(), set()) if known is None else _starts(known)
    return any(now - then for now, then in zip(_starts(gaps), before, strict=True))


def _starts(gaps: SeriesGaps) -> tuple[set[Instant], set[Instant]]:
    return {one.start for one in gaps.lost}, set(gaps.missing)


def _short(gaps: SeriesGaps) -> SeriesGaps:
    return msgspec.structs.replace(gaps, lost=gaps.lost[:FOUND_KEPT], missing=gaps.missing[:FOUND_KEPT])


def _released(room: Room | None) -> frozenset[Instant]:
    """Original starts of what the gateway itself gave back, or is about to."""
    return frozenset() if room is None else released_starts(ours(room))


def ours(room: Room) -> frozenset[str]:
    """Keys of bookings that the gateway has given back or ended, or is about to."""
    lives: Iterable[tuple[str, bool]] = (
        (key, life.write is not None or life.released_at != NEVER or life.ended or life.state == "releasing")
        for group in (room.state.lives, room.state.departed)
        for key, life in group.items()
    )
    return frozenset(room.state.released) | {key for key, is_ours in lives if is_ours}
