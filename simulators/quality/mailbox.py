"""A room's mailbox, as far as the core can tell: what a read of it brings, and what a write does to it.

Only for playing the core by itself; `simulators.exchange` is the whole of it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Write
from gateway.core.events import CalendarRead
from gateway.core.units import DAY_MS, HOUR_MS, SECOND_MS, Duration, Instant
from simulators.people import PlannedBooking

AHEAD_MS: Final[Duration] = 12 * HOUR_MS
"""How far ahead of its start a booking is shown: what lies further ahead changes nothing."""


class Mailbox:
    """One room's bookings. Organizers book and cancel as planned; the gateway writes."""

    def __init__(self, room: str, planned: Sequence[PlannedBooking]) -> None:
        self.room = room
        changes: list[tuple[Instant, str, Booking | None]] = []
        for one in planned:
            made = max(one.created_at, one.start - AHEAD_MS)
            changes.append((made, one.key, Booking(one.key, f"id-{one.key}", one.start, one.end)))
            if one.cancelled_at is not None:
                changes.append((max(made, one.cancelled_at), one.key, None))
        self._coming = sorted(changes, key=lambda change: change[0], reverse=True)
        self._held: dict[str, Booking] = {}
        self._changed: set[str] = set()

    def read(self, now: Instant) -> CalendarRead:
        """A complete read, as the difference to the one before."""
        self._pass_until(now)
        changed, self._changed = sorted(self._changed), set()
        held = [self._held[key] for key in changed if key in self._held]
        gone = [key for key in changed if key not in self._held]
        return CalendarRead(self.room, now - HOUR_MS, now + DAY_MS, tuple(held), tuple(gone))

    def write(self, write: Write, key: str, now: Instant) -> bool:
        """Carry out a write; False where the calendar does not hold any more what was decided on."""
        self._pass_until(now)
        if write.method == "create":
            return self._create(write, now)
        before = self._held.get(key)
        if before is None or (before.start, before.end) != (write.start, write.end):
            return False
        if write.removes:
            del self._held[key]
        elif write.new_end is not None:
            end = write.new_end // SECOND_MS * SECOND_MS  # Exchange knows whole seconds
            self._held[key] = msgspec.structs.replace(before, end=end)
        if write.method != "category":
            self._changed.add(key)
        return True

    def _create(self, write: Write, now: Instant) -> bool:
        start, end = now // SECOND_MS * SECOND_MS, write.end
        if any(other.start < end and start < other.end for other in self._held.values()):
            return False
        key = f"{self.room}-own-{write.id}"
        self._held[key] = Booking(
            key,
            f"id-{key}",
            start,
            end,
            response="organizer",
            room_organises=True,
            has_attendees=False,
            marks=("walk_up",),
        )
        self._changed.add(key)
        return True

    def _pass_until(self, now: Instant) -> None:
        while self._coming and self._coming[-1][0] <= now:
            _, key, booking = self._coming.pop()
            if booking is not None:
                self._held[key] = booking
            elif self._held.pop(key, None) is None:
                continue  # it was given back before its organizer cancelled it
            self._changed.add(key)
        for key in [key for key, booking in self._held.items() if booking.end < now - 2 * HOUR_MS]:
            del self._held[key]
