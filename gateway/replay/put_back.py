"""A history without the gateway's own releases: what they took out of a calendar is put back into it.

A live gateway changes what it is judged by: the booking that it released is gone from the calendar, and
another policy would never see it. So each read of a calendar is corrected:

* A booking that a confirmed release took away stays as it was last seen, until its end.
* One that was ended early keeps the end that it had.
* Where another booking took the place, the put-back one ends when that begins. `PutBack.ends` knows its end
  without that, for the hours that were given back.
* A booking that comes back by itself is history's again.

What became of a booking after its release (it was cancelled, somebody accepted it elsewhere) is not in the
room's calendar, so nobody knows.
"""

from collections.abc import Iterable, Mapping

import msgspec

from gateway.core.booking import Booking
from gateway.core.events import CalendarRead
from gateway.core.steps.calendar import STALE_READ_MS
from gateway.core.units import MINUTE_MS, Instant
from gateway.ledger import GivenBack


class PutBack:
    """Corrects the reads of calendars, in the order in which they were recorded."""

    def __init__(
        self, given_back: Iterable[GivenBack], calendars: Mapping[str, Mapping[str, Booking]]
    ) -> None:
        """`calendars`: by room, what history's gateway knew before the first read."""
        self._given: dict[tuple[str, str], list[GivenBack]] = {}
        for one in given_back:
            self._given.setdefault((one.room, one.booking), []).append(one)
        self._known = {room: dict(calendar) for room, calendar in calendars.items()}
        self._kept: dict[str, dict[str, Booking]] = {}
        """By room: what has been put back and is not over."""
        self.ends: dict[tuple[str, str], Instant] = {}
        """By room and booking: the end of what had to make way, as it would have been."""

    def read(self, event: CalendarRead, now: Instant) -> CalendarRead:
        """The read as it would have been without the releases."""
        if not (event.changed or event.removed):
            return event
        known, kept = self._known.setdefault(event.room, {}), self._kept.setdefault(event.room, {})
        for old in [key for key, booking in known.items() if booking.end < event.window_start]:
            del known[old]
        for old in [key for key, booking in kept.items() if booking.end <= now]:
            del kept[old]
        removed = tuple(key for key in event.removed if not self._keeps(event.room, key, None, now))
        changed: list[Booking] = []
        for booking in event.changed:
            before = known.get(booking.key)
            if self._keeps(event.room, booking.key, booking, now):
                continue
            known[booking.key] = booking
            changed.append(booking)
            if booking.is_decided_on:
                changed += self._make_way(event.room, booking, before)
        return msgspec.structs.replace(event, changed=tuple(changed), removed=removed)

    def _keeps(self, room: str, key: str, shown: Booking | None, now: Instant) -> bool:
        """Whether the booking stays as it was, whatever the calendar shows of it (None: nothing)."""
        known, kept = self._known[room], self._kept[room]
        given = self._newest(room, key)
        if key in kept:
            stays = _is_taken(shown, kept[key], given) or _is_stale(shown, kept[key], given, now)
            if not stays:  # it is back by itself, and from now on as history has it
                del kept[key]
                self._given.pop((room, key), None)
                self.ends.pop((room, key), None)
            return stays
        before = known.pop(key, None)
        if before is None or given is None or not (given.at <= now < before.end and before.is_decided_on):
            return False
        if before.start != given.write.start or not _is_taken(shown, before, given):
            return False
        kept[key] = before
        return True

    def _newest(self, room: str, key: str) -> GivenBack | None:
        given = self._given.get((room, key))
        return given[-1] if given else None

    def _make_way(self, room: str, booking: Booking, before: Booking | None) -> Iterable[Booking]:
        """What was put back ends where a new booking begins."""
        kept = self._kept[room]
        for key, old in list(kept.items()):
            if not _overlap(booking, old) or (before is not None and _overlap(before, old)):
                continue
            given = self._newest(room, key)
            ends = max(booking.start, old.start if given is None else given.at)
            if ends < old.end:
                self.ends.setdefault((room, key), old.end)
                kept[key] = msgspec.structs.replace(old, end=ends)
                yield kept[key]


def _overlap(one: Booking, other: Booking) -> bool:
    return one.start < other.end and other.start < one.end


def _is_taken(shown: Booking | None, before: Booking, given: GivenBack | None) -> bool:
    """What the calendar shows is what a release (nothing) or an early end (the time before it) leaves."""
    if shown is None or not shown.is_decided_on:
        return True
    new_end = None if given is None else given.write.new_end
    return new_end is not None and shown.start == before.start and shown.end <= new_end + MINUTE_MS


def _is_stale(shown: Booking | None, before: Booking, given: GivenBack | None, now: Instant) -> bool:
    """Exchange may go on showing it for a while, as the same item."""
    same = shown is not None and shown.event_id == before.event_id
    return same and given is not None and now - given.at <= STALE_READ_MS
