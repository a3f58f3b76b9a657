"""What goes wrong around Exchange without anybody being told: found by comparing what is with what should be.

Pure functions over plain data: no request, no clock. What they find carries keys and times, and no names.

* A series loses dates: the room declines one date because it is taken, the organizer overlooks the mail, and
  on that day the people stand before somebody else's meeting.
* Bookings overlap in one room.
* A room does not accept by itself, so nothing there is ever decided on.
* Microsoft's own release of no-shows decides beside the gateway.
* A permission or a mailbox that was there is gone.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.core.booking import Booking
from gateway.core.units import DAY_MS, MINUTE_MS, Duration, Instant
from gateway.exchange.errors import ExchangeError, ForbiddenError, MailboxError
from gateway.exchange.own import blocks
from gateway.exchange.recurrence import Series
from gateway.exchange.room_facts import RoomFacts

OURS: Final = frozenset({"hold", "walk_up"})
"""Marks of what the gateway itself booked: never a finding, nor the cause of one."""


def is_ours(booking: Booking) -> bool:
    """Whether the gateway itself booked it."""
    return not OURS.isdisjoint(booking.marks)


# -- series -------------------------------------------------------------------------------------------


class LostDate(msgspec.Struct, frozen=True, gc=False):
    """A date of a series on which another booking has its room."""

    start: Instant
    end: Instant
    holder: str
    """The key of that booking; of several the first."""


class SeriesGaps(msgspec.Struct, frozen=True, gc=False):
    """What one room lacks of one series."""

    series_id: str
    booking: str
    """The key of an occurrence that is there: `explain` and people find the series by it."""
    lost: tuple[LostDate, ...]
    missing: tuple[Instant, ...]
    """Starts of dates that are absent while nobody has the room: most likely cancelled one by one."""


class Months(NamedTuple):
    """A room's bookings, made ready for looking at many series."""

    series: dict[str, list[tuple[Instant, Booking]]]
    """The occurrences of each series, with their original starts."""
    taken: list[Booking]
    """What keeps others out, by start; without what the gateway itself booked."""
    starts: list[Instant]
    """Of `taken`."""
    longest_ms: Duration

    @classmethod
    def of(cls, bookings: Iterable[Booking]) -> "Months":
        """All bookings of the room that overlap the time that is looked at."""
        series: dict[str, list[tuple[Instant, Booking]]] = {}
        taken: list[Booking] = []
        for booking in bookings:
            if booking.series_id and booking.original_start is not None:
                series.setdefault(booking.series_id, []).append((booking.original_start, booking))
            if blocks(booking) and not is_ours(booking):
                taken.append(booking)
        taken.sort(key=lambda one: (one.start, one.key))
        longest_ms = max((one.length_ms for one in taken), default=0)
        return cls(series, taken, [one.start for one in taken], longest_ms)

    def holder(self, start: Instant, end: Instant, but: str) -> Booking | None:
        """The first booking that has the room then, of another series than `but`."""
        first, last = bisect_left(self.starts, start - self.longest_ms), bisect_left(self.starts, end)
        own = self.taken[first:last]
        return next((one for one in own if one.end > start and one.series_id != but), None)


def series_gaps(
    series_id: str,
    series: Series,
    months: Months,
    start: Instant,
    end: Instant,
    *,
    released: AbstractSet[Instant] = frozenset(),
) -> SeriesGaps | None:
    """What the room lacks of a series between two instants; None where the pattern does not fit.

    `released`: original starts of what the gateway gave back. An occurrence that was moved is there, wherever
    it is; one that its organizer cancelled is accounted for.
    """
    own = months.series.get(series_id, ())
    expected = series.starts(start, end)
    within = {series.day_of(original) for original, _ in own if start <= original < end}
    if not own or not within <= expected.keys():
        return None  # split, altered meanwhile, or in a zone of its own: better silent than wrong
    present = {
        series.day_of(original) for original, one in own if one.cancelled or one.response != "declined"
    }
    lost: list[LostDate] = []
    missing: list[Instant] = []
    for day, begins in sorted(expected.items()):
        if day in present or begins in released:
            continue
        ends = begins + series.length_ms
        holder = months.holder(begins, ends, series_id)
        if holder is None:
            missing.append(begins)
        else:
            lost.append(LostDate(begins, ends, holder.key))
    return SeriesGaps(series_id, min(one.key for _, one in own), tuple(lost), tuple(missing))


def without(gaps: SeriesGaps, found: Iterable[Booking], series: Series) -> SeriesGaps:
    """The gaps without the dates that a second look has found somewhere else."""
    days = {series.day_of(one.original_start) for one in found if one.original_start is not None}
    return msgspec.structs.replace(
        gaps,
        lost=tuple(one for one in gaps.lost if series.day_of(one.start) not in days),
        missing=tuple(one for one in gaps.missing if series.day_of(one) not in days),
    )


def released_starts(keys: Iterable[str]) -> frozenset[Instant]:
    """The original starts in booking keys (`booking_key`): the absent occurrence's own key is not known."""
    ends = (key.rpartition("@")[2] for key in keys if "@" in key)
    return frozenset(int(end) for end in ends if end.isascii() and end.isdecimal())


# -- who is free --------------------------------------------------------------------------------------

Busy = array
"""Of minutes since 1970: start, end, start, end, ... of the times in which a room is taken, merged."""


def busy_of(bookings: Iterable[Booking]) -> "Busy[int]":
    """When a room is taken, in 8 bytes a booking."""
    spans = sorted(
        (one.start // MINUTE_MS, -(-one.end // MINUTE_MS))
        for one in bookings
        if blocks(one) and one.end > one.start
    )
    busy: Busy[int] = array("I")
    for start, end in spans:
        if busy and start <= busy[-1]:
            busy[-1] = max(busy[-1], end)
        else:
            busy.extend((start, end))
    return busy


def is_free(busy: "Busy[int]", start: Instant, end: Instant) -> bool:
    """Whether nothing lies between two instants."""
    first, last = start // MINUTE_MS, -(-end // MINUTE_MS)
    place = bisect_right(busy, first)
    if place % 2:  # within a taken time
        return False
    return place >= len(busy) or busy[place] >= last


ROOMY: Final = 2
"""A room that seats up to this many times as many is still comparable."""


def comparable(room: str, facts: Mapping[str, RoomFacts]) -> tuple[str, ...]:
    """Rooms that could take its meetings: of its building and about its size, as far as that is known."""
    own = facts[room]
    return tuple(
        name
        for name, other in sorted(facts.items())
        if name != room
        and (not own.building or not other.building or own.building == other.building)
        and (
            own.capacity is None
            or other.capacity is None
            or own.capacity <= other.capacity <= ROOMY * own.capacity
        )
    )


def free_instead(
    room: str, start: Instant, end: Instant, busy: Mapping[str, "Busy[int]"], facts: Mapping[str, RoomFacts]
) -> tuple[str, ...]:
    """Comparable rooms that are known to be free then; otherwise any rooms of the site that are."""
    free = tuple(
        name for name in sorted(facts) if name != room and name in busy and is_free(busy[name], start, end)
    )
    alike = set(comparable(room, facts))
    return tuple(name for name in free if name in alike) or free


# -- one calendar -------------------------------------------------------------------------------------


class Overlap(msgspec.Struct, frozen=True, gc=False):
    """Two bookings that have the same room at the same time."""

    start: Instant
    end: Instant
    first: str
    second: str
    """Their keys, the one that begins earlier first."""


def overlaps(bookings: Iterable[Booking], now: Instant, at_most: int = 20) -> tuple[Overlap, ...]:
    """Where bookings that the room accepted overlap, from now on, the first `at_most` of them."""
    taken = sorted(
        (
            one
            for one in bookings
            if one.end > now and one.end > one.start and one.is_decided_on and not is_ours(one)
        ),
        key=lambda one: (one.start, one.key),
    )
    found: list[Overlap] = []
    running: list[Booking] = []
    for booking in taken:
        running = [one for one in running if one.end > booking.start]
        found += (
            Overlap(booking.start, min(one.end, booking.end), one.key, booking.key)
            for one in running
            if min(one.end, booking.end) > now
        )
        running.append(booking)
        if len(found) >= at_most:
            break
    return tuple(found[:at_most])


def unanswered(bookings: Iterable[Booking], now: Instant) -> frozenset[str]:
    """Keys of requests to the room that it has neither accepted nor declined, and that are not over."""
    return frozenset(
        one.key
        for one in bookings
        if blocks(one) and not one.room_organises and one.response in ("none", "tentative") and one.end > now
    )


# -- Microsoft's own release --------------------------------------------------------------------------


class Vanished(msgspec.Struct, frozen=True):
    """A booking that left its room's calendar while it ran, by nobody's doing that we know of."""

    room: str
    at: Instant
    after_start_ms: Duration


SAME_MS: Final[Duration] = 2 * MINUTE_MS
"""Calendars are read each minute near a booking, so equal delays are seen up to this far apart."""

ENOUGH: Final = 3
SHARE_PERCENT: Final = 75
"""So many, and such a share of all that vanished: people who cancel do so at any minute."""

EARLIEST_MS: Final[Duration] = 4 * MINUTE_MS
"""Nothing gives a room back sooner; what vanishes in the first minutes was cancelled by people."""

KEPT_MS: Final[Duration] = 60 * DAY_MS
KEPT: Final = 500


def running(bookings: Iterable[Booking], now: Instant) -> dict[str, tuple[Instant, Instant]]:
    """The bookings under way by key, with start and end; without the gateway's own."""
    return {
        one.key: (one.start, one.end)
        for one in bookings
        if one.start <= now < one.end and one.is_decided_on and not is_ours(one) and not one.all_day
    }


def vanished(
    room: str,
    before: Mapping[str, tuple[Instant, Instant]],
    bookings: Mapping[str, Booking],
    ours: AbstractSet[str],
    read_at: Instant,
) -> tuple[Vanished, ...]:
    """Which of those that were under way `before` the calendar does not show any more, before their end.

    `bookings`: the calendar as read at `read_at`. `ours`: keys that the gateway gave back or ended. One that
    is still there was moved, shortened or cancelled by its organizer.
    """
    return tuple(
        Vanished(room, read_at, read_at - start)
        for key, (start, end) in sorted(before.items())
        if read_at < end and key not in ours and (key not in bookings or _is_declined(bookings[key]))
    )


def _is_declined(booking: Booking) -> bool:
    return booking.response == "declined" and not booking.cancelled


def releases_beside_us(gone: Iterable[Vanished], now: Instant) -> dict[str, Duration]:
    """Rooms whose bookings vanish again and again at the same delay after their start, and that delay."""
    by_room: dict[str, list[Duration]] = {}
    for one in gone:
        if one.after_start_ms >= EARLIEST_MS and one.at > now - KEPT_MS:
            by_room.setdefault(one.room, []).append(one.after_start_ms)
    found: dict[str, Duration] = {}
    for room, delays in sorted(by_room.items()):
        delays.sort()
        alike = max(([other for other in delays if one <= other <= one + SAME_MS] for one in delays), key=len)
        if len(alike) >= ENOUGH and len(alike) * 100 >= SHARE_PERCENT * len(delays):
            found[room] = alike[len(alike) // 2]
    return found


# -- what the attendant is set to ---------------------------------------------------------------------


class AttendantFacts(msgspec.Struct, frozen=True):
    """What is known of a room's booking attendant, which Graph does not tell; None: not known.

    In the words of Set-CalendarProcessing: `accepts` is AutomateProcessing AutoAccept, `approves`
    AllBookInPolicy false with AllRequestInPolicy true, `conflicts` AllowConflicts, `releases`
    EnableAutoRelease and `release_minutes` PostReservationMaxClaimTimeInMinutes.
    """

    accepts: bool | None = None
    approves: bool | None = None
    conflicts: bool | None = None
    releases: bool | None = None
    release_minutes: int | None = None


NOTHING_KNOWN: Final = AttendantFacts()


# -- permissions and mailboxes ------------------------------------------------------------------------

Drift = Literal["permission_lost", "mailbox_moved"]


class Lost(NamedTuple):
    """What has drifted: the rooms that it concerns, and whether it is every room of the site."""

    rooms: tuple[str, ...]
    is_all: bool


def drifted(errors: Mapping[str, ExchangeError], worked: AbstractSet[str], rooms: int) -> dict[Drift, Lost]:
    """What was possible and is not any more, from the newest error of each room that cannot be read.

    `worked`: rooms whose calendar has been read before. `rooms`: how many there are. A room that never
    worked is no drift but an unfinished installation.
    """
    kinds: Mapping[Drift, type[ExchangeError]] = {
        "permission_lost": ForbiddenError,
        "mailbox_moved": MailboxError,
    }
    found: dict[Drift, Lost] = {}
    for drift, kind in kinds.items():
        lost = tuple(
            sorted(room for room, error in errors.items() if room in worked and isinstance(error, kind))
        )
        if lost:
            found[drift] = Lost(lost, len(lost) == rooms)
    return found
