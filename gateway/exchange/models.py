"""Events as Graph tells them, and the bookings that they stand for.

Tolerant in what is not needed, strict in what decides. Names end here: of attendees only whether
there are any is kept, of the organizer only an address, and neither leaves with the booking.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from gateway.core.booking import Booking, Breach, Mark, Response, ShowAs, booking_key
from gateway.core.units import Instant
from gateway.exchange.bookable import NO_DEMANDS, Bookable
from gateway.exchange.errors import MalformedError
from gateway.exchange.hours import Hours
from gateway.exchange.moments import instant, midnight

EventType = Literal["singleInstance", "occurrence", "exception", "seriesMaster"]

UTC_NAMES: Final = frozenset(
    {"utc", "etc/utc", "etc/gmt", "coordinated universal time", "tzone://microsoft/utc"}
)
"""Not "GMT Standard Time": that is Windows for London."""

RESPONSES: Final[Mapping[str, Response]] = {
    "organizer": "organizer",
    "tentativelyAccepted": "tentative",
    "accepted": "accepted",
    "declined": "declined",
}
SHOW_AS: Final[Mapping[str, ShowAs]] = {
    "free": "free",
    "tentative": "tentative",
    "busy": "busy",
    "oof": "oof",
    "workingElsewhere": "elsewhere",
}

HORIZON_FIELDS: Final = (
    "id",
    "iCalUId",
    "type",
    "seriesMasterId",
    "originalStart",
    "start",
    "end",
    "isAllDay",
    "isCancelled",
    "isOrganizer",
    "responseStatus",
    "showAs",
    "categories",
)
"""What is asked of the months to come: when the room is taken, and nothing of by whom."""

FIELDS: Final = (*HORIZON_FIELDS, "attendees", "transactionId", "changeKey")
"""What is asked for. No subject, no body, no location; the organizer only where it can exempt."""

MASTER_FIELDS: Final = ("id", "type", "start", "end", "isAllDay", "originalStartTimeZone", "recurrence")
"""What is asked of a series master."""


HOLD_CATEGORY: Final = "Given back"
WALK_UP_CATEGORY: Final = "Walk-up"
DESK_CATEGORY: Final = "Booked at the room"
"""How the gateway knows its own bookings again, unless settings name other categories."""


class Exemptions(msgspec.Struct, frozen=True):
    """What in a calendar entry exempts it: organizers' addresses, categories (in any case), its hour.

    `hold` and `walk_up` are the categories of what the gateway itself booked. They count on bookings
    that the room organises and on no other: what people put on their own meetings is not ours.
    """

    organizers: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    hours: Hours = Hours()
    hold: str = HOLD_CATEGORY
    walk_up: str = WALK_UP_CATEGORY
    bookable: Bookable = NO_DEMANDS
    """What the room asks of its bookings."""

    @classmethod
    def of(
        cls,
        organizers: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        *,
        hours: Hours | None = None,
        hold: str = HOLD_CATEGORY,
        walk_up: str = WALK_UP_CATEGORY,
        bookable: Bookable = NO_DEMANDS,
    ) -> "Exemptions":
        """From settings, as people write them."""
        return cls(
            organizers=frozenset(address.strip().casefold() for address in organizers),
            categories=frozenset(category.strip().casefold() for category in categories),
            hours=hours or Hours(),
            hold=hold,
            walk_up=walk_up,
            bookable=bookable,
        )

    @property
    def select(self) -> str:
        """The value of `$select`: the organizer is asked for only where it matters."""
        named = self.organizers or self.bookable.needs_organizer
        return ",".join((*FIELDS, "organizer") if named else FIELDS)


NO_EXEMPTIONS: Final = Exemptions()


class _Model(BaseModel):
    # Inputs stay out of error texts: they hold names.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class Moment(_Model):
    """Graph's dateTimeTimeZone: a local time with up to 7 decimals, and the name of its zone."""

    date_time: str = Field(alias="dateTime")
    time_zone: str = Field(alias="timeZone", default="UTC")

    @property
    def local(self) -> datetime:
        """As written; aware only if it carries an offset. MalformedError if it is no time."""
        try:
            return datetime.fromisoformat(self.date_time)
        except ValueError as error:
            raise MalformedError("a dateTime that is no time") from error

    @property
    def instant(self) -> Instant:
        """The instant it stands for; MalformedError names a zone that is not known."""
        local = self.local
        return instant(local if local.tzinfo else local.replace(tzinfo=zone_named(self.time_zone)))


class RecurrencePattern(_Model):
    """Graph's recurrencePattern, as it comes: `gateway.exchange.recurrence` judges it."""

    type: str = ""
    interval: int = 1
    month: int = 0
    day_of_month: int = Field(alias="dayOfMonth", default=0)
    days: tuple[str, ...] = Field(alias="daysOfWeek", default=())
    week_starts: str = Field(alias="firstDayOfWeek", default="sunday")
    index: str = "first"

    @field_validator("days", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("week_starts", "index", mode="before")
    @classmethod
    def _none_is_usual(cls, value: Any, info: ValidationInfo) -> Any:
        return {"week_starts": "sunday", "index": "first"}[str(info.field_name)] if value is None else value


class RecurrenceRange(_Model):
    """Graph's recurrenceRange."""

    type: str = ""
    start: str | None = Field(alias="startDate", default=None)
    end: str | None = Field(alias="endDate", default=None)
    zone: str | None = Field(alias="recurrenceTimeZone", default=None)
    occurrences: int | None = Field(alias="numberOfOccurrences", default=None)


class PatternedRecurrence(_Model):
    """Graph's patternedRecurrence: only series masters have one."""

    pattern: RecurrencePattern | None = None
    range: RecurrenceRange | None = None


class GraphEvent(_Model):
    """A calendar item: what of it bears on a booking. Fields that $select left out are None or empty."""

    id: str = Field(min_length=1)
    ical_uid: str | None = Field(alias="iCalUId", default=None)
    type: EventType | None = None
    series_id: str | None = Field(alias="seriesMasterId", default=None)
    original_start: datetime | None = Field(alias="originalStart", default=None)
    start: Moment
    end: Moment
    all_day: bool = Field(alias="isAllDay", default=False)
    cancelled: bool = Field(alias="isCancelled", default=False)
    room_organises: bool = Field(alias="isOrganizer", default=False)
    response: str = Field(alias="responseStatus", default="none")
    show_as: str = Field(alias="showAs", default="unknown")
    categories: tuple[str, ...] = ()
    has_attendees: bool = Field(alias="attendees", default=True)
    people: int | None = Field(alias="attendees", default=None)
    """How many are to come: the organizer, and who is invited and has not declined. None: not told."""
    organizer: str = Field(default="", repr=False)
    transaction_id: str | None = Field(alias="transactionId", default=None)
    """What the request that created it called itself; Graph tells it of events that were created so."""
    change_key: str = Field(alias="changeKey", default="")
    recurrence: PatternedRecurrence | None = None
    original_zone: str = Field(alias="originalStartTimeZone", default="UTC")

    @field_validator("response", mode="before")
    @classmethod
    def _response_only(cls, value: Any) -> Any:
        return (value.get("response") or "none") if isinstance(value, dict) else value or "none"

    @field_validator("has_attendees", mode="before")
    @classmethod
    def _whether_any(cls, value: Any) -> Any:
        return bool(value) if isinstance(value, list) else True if value is None else value

    @field_validator("people", mode="before")
    @classmethod
    def _how_many(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return None
        return 1 + sum(map(_comes, value))

    @field_validator("organizer", mode="before")
    @classmethod
    def _address_only(cls, value: Any) -> Any:
        if isinstance(value, dict):
            mail = value.get("emailAddress")
            return (mail.get("address") or "") if isinstance(mail, dict) else ""
        return value or ""

    @field_validator("categories", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value is None else value

    def has_category(self, category: str) -> bool:
        """Exchange compares categories without regard to case."""
        return category.casefold() in {own.casefold() for own in self.categories}


def _comes(attendee: Any) -> bool:
    """Whether it is a person who has not declined; rooms are invited as resources."""
    if not isinstance(attendee, dict) or attendee.get("type") == "resource":
        return False
    status = attendee.get("status")
    return not (isinstance(status, dict) and status.get("response") == "declined")


def parse_event(item: Any) -> GraphEvent:
    """The item as an event; MalformedError names the fields that are wrong, never their content."""
    try:
        return GraphEvent.model_validate(item)
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in detail["loc"]) for detail in error.errors()})
        raise MalformedError(f"a calendar item with unusable {', '.join(fields)}") from error


def zone_named(name: str) -> tzinfo:
    """UTC under its several names, or an IANA zone. Requests ask for UTC, so others are rare."""
    if name.casefold() in UTC_NAMES:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # unknown; not a relative path; a folder of zones
        raise MalformedError(f"times in the zone {name[:80]!r}, which is not an IANA zone") from error


def to_booking(event: GraphEvent, room_zone: tzinfo, exemptions: Exemptions = NO_EXEMPTIONS) -> Booking:
    """The booking that an event stands for. MalformedError for a series master or one without identity."""
    if event.type not in ("singleInstance", "occurrence", "exception"):
        raise MalformedError(f"an item of type {event.type} where occurrences were asked for")
    if not event.ical_uid:
        raise MalformedError("a calendar item without iCalUId")
    start, end = _times(event, room_zone)
    original = _original_start(event, start)
    return Booking(
        key=booking_key(event.ical_uid, original),
        event_id=event.id,
        start=start,
        end=end,
        original_start=original,
        series_id=event.series_id or "",
        all_day=event.all_day,
        cancelled=event.cancelled,
        show_as=SHOW_AS.get(event.show_as, "unknown"),
        response=RESPONSES.get(event.response, "none"),
        room_organises=event.room_organises,
        has_attendees=event.has_attendees,
        marks=_marks(event, exemptions, start, room_zone),
        breaches=_breaches(event, exemptions.bookable, start, end, room_zone),
        change_key=event.change_key,
    )


def _times(event: GraphEvent, room_zone: tzinfo) -> tuple[Instant, Instant]:
    first, last = event.start.local, event.end.local
    if event.all_day and first.time() == last.time() == time():  # dates, in whatever zone they are told
        days = max(last.date() - first.date(), timedelta(days=1))
        return midnight(first.date(), room_zone), midnight(first.date() + days, room_zone)
    start, end = event.start.instant, event.end.instant
    if end < start:
        raise MalformedError("a calendar item that ends before it starts")
    return start, end


def _original_start(event: GraphEvent, start: Instant) -> Instant | None:
    if event.type == "singleInstance":
        return None
    if event.original_start is not None:
        original = event.original_start
        return instant(original if original.tzinfo else original.replace(tzinfo=UTC))
    if event.type == "occurrence":  # one that was never moved is where it always was
        return start
    raise MalformedError("a moved occurrence without originalStart")


def _marks(event: GraphEvent, exemptions: Exemptions, start: Instant, zone: tzinfo) -> tuple[Mark, ...]:
    """The first is the one that people are told."""
    found: dict[Mark, bool] = {
        "hold": event.room_organises and event.has_category(exemptions.hold),
        "walk_up": event.room_organises and event.has_category(exemptions.walk_up),
        "organizer": bool(event.organizer) and event.organizer.casefold() in exemptions.organizers,
        "category": any(category.casefold() in exemptions.categories for category in event.categories),
        "hours": not exemptions.hours.hold(start, zone),
    }
    return tuple(mark for mark, holds in found.items() if holds)


def _breaches(
    event: GraphEvent, bookable: Bookable, start: Instant, end: Instant, zone: tzinfo
) -> tuple[Breach, ...]:
    """All-day entries are notes, and what the room itself books was asked before."""
    if bookable is NO_DEMANDS or event.all_day or event.room_organises:
        return ()
    return bookable.breaches(event.people, event.organizer, start, end, zone)
