"""What lies in a calendar: meetings, series, and the occurrences that a series expands into."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

import msgspec

from gateway.core.units import DAY_MS, NEVER, Duration, Instant
from simulators.exchange.errors import item_not_found
from simulators.exchange.ids import occurrence_id, uid_of_occurrence
from simulators.exchange.recurrence import Recurrence, dates_between, last_date
from simulators.exchange.times import days_of, local_date, same_wall_time

EventType = Literal["singleInstance", "occurrence", "exception", "seriesMaster"]
Response = Literal["none", "organizer", "tentativelyAccepted", "accepted", "declined", "notResponded"]
AttendeeKind = Literal["required", "optional", "resource"]


class Person(msgspec.Struct, frozen=True):
    """Somebody, or a room, with an address."""

    name: str
    address: str


class Attendee(msgspec.Struct, frozen=True):
    """One invited person or room, and what it answered."""

    person: Person
    kind: AttendeeKind = "required"
    response: Response = "none"
    responded_ms: Instant = NEVER
    proposed: tuple[Instant, Instant] | None = None
    """Another time that it proposed, from when until when."""

    @property
    def address(self) -> str:
        """The address, as written."""
        return self.person.address


class CalendarItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item of one mailbox. Times in ms since 1970 UTC.

    Stored are single instances, series masters, and exceptions whose series this mailbox does not
    hold (a room invited to one occurrence only). Occurrences and the other exceptions are made on
    reading, by `occurrence`.
    """

    id: str
    uid: str
    """The iCalUId of the meeting or of the whole series; `ical_uid` is the one to show."""
    change_key: str
    created_ms: Instant
    modified_ms: Instant
    type: EventType
    start_ms: Instant
    end_ms: Instant
    organizer: Person
    is_organizer: bool
    subject: str = ""
    body: str = ""
    body_is_text: bool = False
    time_zone: str = "UTC"
    """The zone it was made in: a series keeps its wall time there."""
    all_day: bool = False
    show_as: str = "busy"
    cancelled: bool = False
    sensitivity: str = "normal"
    importance: str = "normal"
    categories: tuple[str, ...] = ()
    location: str = ""
    places: tuple[Mapping[str, Any], ...] = ()
    """Several locations, or one with more than a name, as Graph's JSON has them. Never altered in place."""
    join_url: str = ""
    """Of an online meeting; empty where it is none."""
    attendees: tuple[Attendee, ...] = ()
    response: Response = "none"
    responded_ms: Instant = NEVER
    response_requested: bool = True
    allow_new_time_proposals: bool = True
    hide_attendees: bool = False
    is_reminder_on: bool = True
    reminder_minutes: int = 15
    transaction_id: str | None = None
    extended: tuple[tuple[str, str], ...] = ()
    """Single-value extended properties: id and value; told on `$expand` only."""
    open_extensions: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Open extensions: name and content. Never altered in place."""

    shared_uid: bool = False
    """Occurrences have the iCalUId of their series (a variant)."""
    told: tuple[Instant, Instant] | None = None
    """On an attendee's copy: the times that the organizer told last."""

    # Of a series master.
    recurrence: Recurrence | None = None
    exceptions: Mapping[date, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    """By original date: the fields in which an occurrence differs from its series. Never altered in place."""
    removed: frozenset[date] = frozenset()
    """Original dates that this mailbox does not hold (any more)."""
    generations: Mapping[date, int] = msgspec.field(default_factory=dict)
    """How often the occurrence of a date has left this mailbox; its id changes with it."""

    # Of an occurrence or exception.
    series_id: str | None = None
    day: date | None = None
    original_start_ms: Instant | None = None

    @property
    def ical_uid(self) -> str:
        """The iCalUId: the same in every mailbox, another for each occurrence."""
        return self.uid if self.day is None or self.shared_uid else uid_of_occurrence(self.uid, self.day)

    @property
    def length_ms(self) -> Duration:
        """From start to end."""
        return self.end_ms - self.start_ms

    @property
    def blocks(self) -> bool:
        """Whether it makes its mailbox busy."""
        return not self.cancelled and self.show_as != "free"

    def invites(self, address: str) -> Attendee | None:
        """The attendee with this address, in any spelling of case."""
        wanted = address.casefold()
        return next((one for one in self.attendees if one.address.casefold() == wanted), None)

    def overlaps(self, start_ms: Instant, end_ms: Instant) -> bool:
        """Whether any of it lies between the two instants."""
        return self.start_ms < end_ms and self.end_ms > start_ms


def first_day(series: CalendarItem) -> date:
    """The date of a series' first occurrence, in the zone it was made in."""
    return local_date(series.start_ms, series.time_zone)


def series_end(series: CalendarItem) -> Instant | None:
    """When the last regular occurrence ends, or None for a series without end."""
    if series.recurrence is None:
        return series.end_ms
    last = last_date(series.recurrence, first_day(series))
    if last is None:
        return None
    return same_wall_time(series.start_ms, last, series.time_zone) + series.length_ms


def occurrence(series: CalendarItem, day: date) -> CalendarItem:
    """The occurrence of a series whose original date is `day`. Raises `NotFound` if there is none."""
    regular = series.recurrence is not None and dates_between(
        series.recurrence, first_day(series), day, day
    ) == (day,)
    if not regular or day in series.removed:
        raise item_not_found()
    start_ms = same_wall_time(series.start_ms, day, series.time_zone)
    difference = series.exceptions.get(day)
    fields: dict[str, Any] = {
        "id": occurrence_id(series.id, day, series.generations.get(day, 0)),
        "type": "occurrence" if difference is None else "exception",
        "start_ms": start_ms,
        "end_ms": start_ms + series.length_ms,
        "original_start_ms": start_ms,
        "day": day,
        "series_id": series.id,
        "recurrence": None,
        "exceptions": {},
        "removed": frozenset(),
        "generations": {},
    }
    return msgspec.structs.replace(series, **(fields if difference is None else fields | dict(difference)))


def instances(series: CalendarItem, start_ms: Instant, end_ms: Instant) -> list[CalendarItem]:
    """The occurrences and exceptions of a series that lie between two instants, in no set order."""
    if series.recurrence is None:
        return []
    # A day more on both sides: the window is UTC, the dates are local.
    lead = 1 + days_of(series.length_ms)
    first = local_date(start_ms - lead * DAY_MS, series.time_zone)
    last = local_date(end_ms + DAY_MS, series.time_zone)
    days = set(dates_between(series.recurrence, first_day(series), first, last))
    # An exception may have been moved into the window from anywhere.
    days = (days | set(series.exceptions)) - series.removed
    found = (occurrence(series, day) for day in days)
    return [one for one in found if one.overlaps(start_ms, end_ms)]
