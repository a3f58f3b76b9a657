"""What the releases of a run are worth: hours given back, and how many were probably wrong.

* A booking counts when it is over, in the day that its end falls into.
* A release is *probably wrong* if a healthy sensor shows presence within 15 min after it and before the
  booking's end, or if a person says in that time that they are here.
* It gives back the time from the release to the booking's end, but no later than the next sign of presence;
  a probably wrong one gives nothing back. Where the booking was put back and had to make way for another
  one, its end is the one without that.
* A ghost that was not released counts under the cause that its tally has.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple

import msgspec

from gateway.core.decisions import Decision, Tally
from gateway.core.events import WereHere
from gateway.core.life import Life
from gateway.core.site import Site
from gateway.core.steps.ending import RETURN_WITHIN_MS
from gateway.core.units import NEVER, SECOND_MS, Duration, Instant


class Missed(msgspec.Struct):
    """Ghosts that were not given back for one cause."""

    bookings: int = 0
    ms: Duration = 0


class Figures(msgspec.Struct):
    """Sums over bookings. Durations in ms."""

    bookings: int = 0
    """Without those that were cancelled before anything was given back."""
    booked_ms: Duration = 0
    ghosts: int = 0
    """Bookings that nobody attended while the sensors could tell."""
    ghost_ms: Duration = 0
    releases: int = 0
    wrong: int = 0
    """Releases that were probably wrong."""
    returned_ms: Duration = 0
    """Booked time given back, of ghosts and of others whose people had left."""
    ghost_returned_ms: Duration = 0
    kinds: dict[str, int] = {}
    """Releases by kind: no_show, brief_visit, end_early."""
    missed: dict[str, Missed] = {}
    """Ghosts that were not given back, by cause (a reason code without its sensor)."""

    def take(self, other: "Figures") -> None:
        """Add what others came to."""
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, number in other.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + number
        for code, more in other.missed.items():
            held = self.missed.setdefault(code, Missed())
            held.bookings += more.bookings
            held.ms += more.ms


_ADDED: Final = (
    "bookings",
    "booked_ms",
    "ghosts",
    "ghost_ms",
    "releases",
    "wrong",
    "returned_ms",
    "ghost_returned_ms",
)


class Cell(NamedTuple):
    """Figures are kept by room and by day, the number of the day since 1 January of the year 1."""

    room: str
    day: int


class Judge:
    """Takes the decisions of one run and sums up what its bookings came to."""

    def __init__(
        self,
        zone: tzinfo,
        ends: Mapping[tuple[str, str], Instant],
        span: tuple[Instant, Instant],
        open_before: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        """`ends`: as `PutBack` has them. `span`: what is concluded after its start, up to its end, counts.

        `open_before`: bookings that were open when the run began, under history's policy: not counted.
        """
        self._zone = zone
        self._ends = ends
        self._since, self._until = span
        self._left_out = open_before
        self._words: dict[str, list[Instant]] = {}
        self.cells: dict[Cell, Figures] = {}

    def note_word(self, event: WereHere, now: Instant) -> None:
        """Somebody says that they are, or were, here."""
        self._words.setdefault(event.room, []).append(now)

    def take(self, decision: Decision, site: Site) -> None:
        """Count a booking that is over."""
        if decision.kind != "concluded" or not self._since < decision.at <= self._until:
            return
        key = (decision.room, decision.booking)
        life = site.rooms[decision.room].state.departed.get(decision.booking)
        if life is None or decision.tally is None or key in self._left_out:
            return
        released = life.would_release_at != NEVER
        if decision.tally.outcome == "cancelled" and not released:
            return
        day = datetime.fromtimestamp(decision.at // SECOND_MS, UTC).astimezone(self._zone).toordinal()
        figures = self.cells.setdefault(Cell(decision.room, day), Figures())
        _count(figures, decision.tally)
        if released:
            end = self._ends.get(key, life.booking.end)
            cancelled = decision.at if decision.tally.outcome == "cancelled" else end
            self._count_release(figures, life, decision, min(end, cancelled))
        elif decision.tally.ghost_ms > 0:
            code = decision.tally.cause.partition(" ")[0] or "not_proven_in_time"
            missed = figures.missed.setdefault(code, Missed())
            missed.bookings += 1
            missed.ms += decision.tally.ghost_ms

    def _count_release(self, figures: Figures, life: Life, decision: Decision, end: Instant) -> None:
        released_at = life.would_release_at
        came = self._came_after(decision.room, life, end)
        wrong = came is not None and came <= released_at + RETURN_WITHIN_MS
        returned = 0 if wrong else max(0, (end if came is None else min(came, end)) - released_at)
        figures.releases += 1
        figures.wrong += wrong
        figures.returned_ms += returned
        kind = life.release_kind or "no_show"
        figures.kinds[kind] = figures.kinds.get(kind, 0) + 1
        if decision.tally is not None and decision.tally.ghost_ms > 0:
            figures.ghost_returned_ms += returned

    def _came_after(self, room: str, life: Life, end: Instant) -> Instant | None:
        """The first sign of people, or their word, after the release."""
        released_at = life.would_release_at
        signs = [life.returned_at] if life.returned_at != NEVER else []
        if life.checked_in_by_person and life.checked_in_at > released_at:
            signs.append(life.checked_in_at)
        signs += [at for at in self._words.get(room, ()) if released_at < at <= end]
        return min(signs, default=None)


def _count(figures: Figures, tally: Tally) -> None:
    figures.bookings += 1
    figures.booked_ms += tally.booked_ms
    figures.ghosts += tally.ghost_ms > 0
    figures.ghost_ms += tally.ghost_ms
