"""Graph's JSON of an event as a draft or as changes; strict, so that a wrong client is told.

A property that the v1.0 metadata does not have, a wrong type and a read-only property are 400.
`isOnlineMeeting` is taken and ignored, as Exchange does where the mailbox has no such provider.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final, cast

import msgspec

from gateway.core.units import DAY_MS, Instant
from simulators.exchange.errors import InvalidRequest
from simulators.exchange.items import Attendee, AttendeeKind, CalendarItem, Person
from simulators.exchange.mailboxes import Draft
from simulators.exchange.recurrence import WEEKDAYS, Recurrence, Weekday
from simulators.exchange.render import SELECTABLE, Json
from simulators.exchange.times import wall_instant

_PLAIN: Final[dict[str, tuple[str, type]]] = {
    "subject": ("subject", str),
    "showAs": ("show_as", str),
    "sensitivity": ("sensitivity", str),
    "importance": ("importance", str),
    "isAllDay": ("all_day", bool),
    "responseRequested": ("response_requested", bool),
    "allowNewTimeProposals": ("allow_new_time_proposals", bool),
    "hideAttendees": ("hide_attendees", bool),
    "isReminderOn": ("is_reminder_on", bool),
    "reminderMinutesBeforeStart": ("reminder_minutes", int),
}
_IGNORED: Final = frozenset({"isOnlineMeeting", "onlineMeetingProvider", "locations", "@odata.type"})
_CHOICES: Final = {
    "showAs": frozenset({"free", "tentative", "busy", "oof", "workingElsewhere", "unknown"}),
    "sensitivity": frozenset({"normal", "personal", "private", "confidential"}),
    "importance": frozenset({"low", "normal", "high"}),
}


class _EmailAddress(msgspec.Struct):
    address: str
    name: str = ""


class _Attendee(msgspec.Struct):
    emailAddress: _EmailAddress  # noqa: N815 - Graph's name
    type: AttendeeKind = "required"


class _Extended(msgspec.Struct):
    id: str
    value: str


class _Pattern(msgspec.Struct):
    type: str
    interval: int
    daysOfWeek: tuple[str, ...] = ()  # noqa: N815 - Graph's name
    firstDayOfWeek: str = "sunday"  # noqa: N815 - Graph's name


class _Range(msgspec.Struct):
    type: str
    startDate: str = ""  # noqa: N815 - Graph's name
    endDate: str | None = None  # noqa: N815 - Graph's name
    numberOfOccurrences: int | None = None  # noqa: N815 - Graph's name


class _Recurrence(msgspec.Struct):
    pattern: _Pattern
    range: _Range


class _When(msgspec.Struct):
    dateTime: str  # noqa: N815 - Graph's name
    timeZone: str  # noqa: N815 - Graph's name


def new_event(body: Json, name_of: Callable[[str], str]) -> Draft:
    """The draft in a POST. `name_of` gives the display name of an address that comes without one."""
    fields = _fields(body, name_of, floating=body.get("isAllDay") is True)
    if "start_ms" not in fields or "end_ms" not in fields:
        raise InvalidRequest("Start and End should be specified.", "ErrorPropertyValidationFailure")
    if "transactionId" in body:
        fields["transaction_id"] = _typed(body["transactionId"], str, "transactionId")
    draft = Draft(**fields)
    _check_all_day(all_day=draft.all_day, start_ms=draft.start_ms, end_ms=draft.end_ms)
    return draft


def changes(body: Json, item: CalendarItem, name_of: Callable[[str], str]) -> dict[str, Any]:
    """The changes in a PATCH of `item`: field names and values of `CalendarItem`."""
    fields = _fields(body, name_of, floating=body.get("isAllDay", item.all_day) is True)
    # The zone of an existing item stays, or its series would shift.
    fields.pop("time_zone", None)
    _check_all_day(
        all_day=fields.get("all_day", item.all_day),
        start_ms=fields.get("start_ms", item.start_ms),
        end_ms=fields.get("end_ms", item.end_ms),
    )
    kept = {one.address.casefold(): one for one in item.attendees}
    if "attendees" in fields:
        # Somebody who stays invited keeps what he answered.
        fields["attendees"] = tuple(kept.get(one.address.casefold(), one) for one in fields["attendees"])
    return fields


def _fields(body: Json, name_of: Callable[[str], str], *, floating: bool) -> dict[str, Any]:
    """`floating`: the times are those of an all-day event, dates without a zone."""
    fields: dict[str, Any] = {}
    for name, value in body.items():
        if name in _PLAIN:
            field, kind = _PLAIN[name]
            fields[field] = _typed(value, kind, name)
            if name in _CHOICES and value not in _CHOICES[name]:
                raise _unreadable(name)
        elif name in ("start", "end"):
            fields.update(_time(name, value, floating=floating))
        elif name in _PARSERS:
            fields.update(_PARSERS[name](value))
        elif name == "attendees":
            fields["attendees"] = tuple(_attendee(one, name_of) for one in _typed(value, list, name))
        elif name not in _IGNORED and name != "transactionId":
            raise _refused(name)
    return fields


def _refused(name: str) -> InvalidRequest:
    if name in SELECTABLE:
        return InvalidRequest("Set action is invalid for property.", "ErrorInvalidPropertySet")
    return InvalidRequest(
        f"The property '{name}' does not exist on type 'microsoft.graph.event'. "
        "Make sure to only use property names that are defined by the type.",
        "RequestBodyRead",
    )


def _unreadable(name: str) -> InvalidRequest:
    return InvalidRequest(f"Cannot convert the value of property '{name}'.", "RequestBodyRead")


def _typed(value: object, kind: type, name: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _unreadable(name) from error


def _time(name: str, value: object, *, floating: bool) -> dict[str, Any]:
    when: _When = _typed(value, _When, name)
    zone_name = "UTC" if floating else when.timeZone
    return {f"{name}_ms": wall_instant(when.dateTime, zone_name), "time_zone": zone_name}


def _body(value: object) -> dict[str, Any]:
    return {"body": str(_typed(value, dict, "body").get("content", ""))}


def _location(value: object) -> dict[str, Any]:
    return {"location": str(_typed(value, dict, "location").get("displayName", ""))}


def _categories(value: object) -> dict[str, Any]:
    return {"categories": tuple(_typed(value, list[str], "categories"))}


def _extended(value: object) -> dict[str, Any]:
    """Id as Graph's page on extended properties has it: a type, and a name or number within a GUID."""
    given: list[_Extended] = _typed(value, list[_Extended], "singleValueExtendedProperties")
    for one in given:
        if not re.fullmatch(r"\w+ \{[0-9a-fA-F-]{36}\} (Name \S+|Id 0x[0-9a-fA-F]+)", one.id):
            raise InvalidRequest("The property id is not valid.", "ErrorInvalidPropertyId")
    return {"extended": tuple((one.id, one.value) for one in given)}


def _attendee(value: object, name_of: Callable[[str], str]) -> Attendee:
    one: _Attendee = _typed(value, _Attendee, "attendees")
    address = one.emailAddress.address
    return Attendee(Person(one.emailAddress.name or name_of(address), address), one.type)


def _recurrence(value: object) -> dict[str, Any]:
    given: _Recurrence = _typed(value, _Recurrence, "recurrence")
    pattern, bounds = given.pattern, given.range
    days = tuple(day.lower() for day in pattern.daysOfWeek)
    starts = pattern.firstDayOfWeek.lower()
    if pattern.type not in ("daily", "weekly") or pattern.interval < 1 or not {*days, starts} <= {*WEEKDAYS}:
        raise InvalidRequest("The recurrence pattern is not valid.", "ErrorInvalidRecurrencePattern")
    until, count = None, None
    if bounds.type == "endDate":
        until = _date(bounds.endDate or "")
    elif bounds.type == "numbered":
        count = bounds.numberOfOccurrences or 0
    if bounds.type not in ("endDate", "numbered", "noEnd") or (count is not None and count < 1):
        raise InvalidRequest("The recurrence range is not valid.", "ErrorInvalidRecurrenceRange")
    rule = Recurrence(
        "daily" if pattern.type == "daily" else "weekly",
        pattern.interval,
        cast("tuple[Weekday, ...]", days),
        cast("Weekday", starts),
        count,
        until,
    )
    return {"recurrence": rule}


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest("The recurrence range is not valid.", "ErrorInvalidRecurrenceRange") from error


def _check_all_day(*, all_day: bool, start_ms: Instant, end_ms: Instant) -> None:
    if all_day and (start_ms % DAY_MS or end_ms % DAY_MS or end_ms <= start_ms):
        raise InvalidRequest(
            "The Event.Start property for an all-day event needs to be set to midnight.",
            "ErrorPropertyValidationFailure",
        )


_PARSERS: Final[dict[str, Callable[[object], dict[str, Any]]]] = {
    "body": _body,
    "location": _location,
    "categories": _categories,
    "recurrence": _recurrence,
    "singleValueExtendedProperties": _extended,
}
