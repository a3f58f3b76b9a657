"""When which meeting of a rehearsal takes place: days ahead, in working hours, each at a time of its own."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta, tzinfo
from typing import Final, Literal, NamedTuple
from uuid import UUID, uuid5

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Duration, Instant
from gateway.exchange.moments import as_datetime, instant

Needs = Literal["meeting", "series", "own_booking", "nothing"]
"""What a question is asked with: an invitation of the room to one meeting, to a small series, an entry
that the room itself organises, or no entry at all."""

NAMESPACE: Final = UUID("b7a60c1e-53d8-4f0c-9d55-0d2f7a4e8c11")
MARK: Final = "Occupancy gateway rehearsal"
"""How every subject begins, so that people who meet an entry know what it is."""

DAYS_AHEAD: Final = 30
"""Far enough that nobody is disturbed, near enough for a room's usual booking window (180 days)."""

FIRST: Final = time(9)
LENGTH_MS: Final[Duration] = 30 * MINUTE_MS
GRID_MS: Final[Duration] = 45 * MINUTE_MS
"""From one meeting to the next; between lies time for a meeting to be moved by `MOVE_MS`."""
MOVE_MS: Final[Duration] = 10 * MINUTE_MS
OCCURRENCES: Final = 3
"""Of a series: Monday to Wednesday, so that summer time never begins in between."""


class Slot(NamedTuple):
    """The time that one question has to itself, the same on each of its days."""

    question: str
    needs: Needs
    start: Instant
    transaction: str
    """The transaction id under which its entry is created."""

    @property
    def end(self) -> Instant:
        """Of the first meeting."""
        return self.start + LENGTH_MS

    @property
    def spans(self) -> tuple[tuple[Instant, Instant], ...]:
        """What must be free, on each day."""
        days = OCCURRENCES if self.needs == "series" else 1
        return tuple((self.start + day * DAY_MS, self.start + day * DAY_MS + GRID_MS) for day in range(days))

    def touches(self, start: Instant, end: Instant) -> bool:
        """Whether an entry of that time lies in it."""
        return any(first < end and start < last for first, last in self.spans)


class Plan(NamedTuple):
    """One rehearsal's times. `run` tells its entries from those of every other rehearsal."""

    run: str
    slots: tuple[Slot, ...]

    @property
    def subject(self) -> str:
        """Of every entry."""
        return f"{MARK} {self.run}"

    @property
    def window(self) -> tuple[Instant, Instant]:
        """From before the first entry until after the last."""
        spans = [span for slot in self.slots for span in slot.spans]
        return min(start for start, _ in spans) - HOUR_MS, max(end for _, end in spans) + HOUR_MS

    def slot(self, question: str) -> Slot | None:
        """The question's time; None where it needs none."""
        return next((slot for slot in self.slots if slot.question == question), None)

    def touches(self, start: Instant, end: Instant) -> bool:
        """Whether an entry of that time lies in any of its times."""
        return any(slot.touches(start, end) for slot in self.slots)


def make_plan(
    questions: Iterable[tuple[str, Needs]], *, now: Instant, zone: tzinfo, days_ahead: int, run: str
) -> Plan:
    """Times from 9 o'clock of the first Monday that is at least `days_ahead` days away."""
    day = as_datetime(now).astimezone(zone).date() + timedelta(days=days_ahead)
    day += timedelta(days=-day.weekday() % 7)
    first = instant(datetime.combine(day, FIRST, tzinfo=zone))
    asked = [(question, needs) for question, needs in questions if needs != "nothing"]
    return Plan(
        run,
        tuple(
            Slot(question, needs, first + place * GRID_MS, str(uuid5(NAMESPACE, f"{run}/{question}")))
            for place, (question, needs) in enumerate(asked)
        ),
    )
