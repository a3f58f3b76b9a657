"""Graph's JSON of an event as a draft or as changes; strict, so that a wrong client is told.

A property that the v1.0 metadata does not have, a wrong type and a read-only property are 400.
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
from simulators.exchange.recurrence import INDEXES, WEEKDAYS, Index, Kind, Recurrence, Weekday
from simulators.exchange.render import SELECTABLE, Json
from simulators.exchange.times import local_date, same_wall_time, wall_instant, zone

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
_IGNORED: Final = frozenset(
    {"onlineMeetingProvider", "hasAttachments", "attachments", "isDraft", "@odata.type", "@odata.context"}
)
"""Taken without effect. `onlineMeetingProvider`: there is only Teams."""

_KINDS: Final[dict[str, Kind]] = {
    "daily": "daily",
    "weekly": "weekly",
    "absolutemonthly": "absoluteMonthly",
    "relativemonthly": "relativeMonthly",
    "absoluteyearly": "absoluteYearly",
    "relativeyearly": "relativeYearly",
}
_LONGEST_MONTH: Final = 31
_MONTHS: Final = 12
_MAX_OCCURRENCES: Final = 999
_MAX_INTERVAL: Final = 999
"""More are refused, as in Outlook."""
_LOCATION: Final = frozenset(
    {
        "displayName",
        "locationEmailAddress",
        "locationType",
        "locationUri",
        "uniqueId",
        "uniqueIdType",
        "address",
        "coordinates",
        "@odata.type",
    }
)
_PLAIN_LOCATION: Final = frozenset({"displayName", "locationType", "uniqueId", "uniqueIdType", "@odata.type"})
_CHOICES: Final = {
    "showAs": ("free", "tentative", "busy", "oof", "workingElsewhere", "unknown"),
    "sensitivity": ("normal", "personal", "private", "confidential"),
    "importance": ("low", "normal", "high"),
    "attendees": ("required", "optional", "resource"),
}
"""Written in any case, as clients do."""


class _EmailAddress(msgspec.Struct):
    address: str
    name: str | None = None


class _Attendee(msgspec.Struct):
    emailAddress: _EmailAddress  # noqa: N815 - Graph's name
    type: str | None = None


class _Extended(msgspec.Struct):
    id: str
    value: str


class _Pattern(msgspec.Struct):
    type: str
    interval: int
    daysOfWeek: tuple[str, ...] | None = ()  # noqa: N815 - Graph's name
    firstDayOfWeek: str | None = "sunday"  # noqa: N815 - Graph's name
    dayOfMonth: int | None = 0  # noqa: N815 - Graph's name
    month: int | None = 0
    index: str | None = "first"


class _Range(msgspec.Struct):
    type: str
    startDate: str | None = None  # noqa: N815 - Graph's name
    endDate: str | None = None  # noqa: N815 - Graph's name
    numberOfOccurrences: int | None = None  # noqa: N815 - Graph's name
    recurrenceTimeZone: str | None = None  # noqa: N815 - Graph's name


class _Recurrence(msgspec.Struct):
    pattern: _Pattern
    range: _Range


class _When(msgspec.Struct):
    dateTime: str  # noqa: N815 - Graph's name
    timeZone: str = "UTC"  # noqa: N815 - Graph's name


def new_event(body: Json, name_of: Callable[[str], str]) -> Draft:
    """The draft in a POST. `name_of` gives the display name of an address that comes without one."""
    fields = _fields(body, name_of, floating=body.get("isAllDay") is True)
    if "start_ms" not in fields or "end_ms" not in fields:
        raise InvalidRequest("Start and End should be specified.", "ErrorPropertyValidationFailure")
    if "transactionId" in body:
        fields["transaction_id"] = _typed(body["transactionId"], str | None, "transactionId")
    _begin_series(fields)
    draft = Draft(**fields)
    _check_all_day(all_day=draft.all_day, start_ms=draft.start_ms, end_ms=draft.end_ms)
    return draft


def changes(body: Json, item: CalendarItem, name_of: Callable[[str], str]) -> dict[str, Any]:
    """The changes in a PATCH of `item`: field names and values of `CalendarItem`."""
    fields = _fields(body, name_of, floating=body.get("isAllDay", item.all_day) is True)
    # The zone of an existing item stays, or its series would shift.
    for name in ("time_zone", "first_day", "series_zone"):
        fields.pop(name, None)
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


def _begin_series(fields: dict[str, Any]) -> None:
    """The range's first date and zone are the series' own: its first occurrence is on that date or after."""
    fields["time_zone"] = fields.pop("series_zone", fields["time_zone"])
    day = fields.pop("first_day", None)
    zone_name, start_ms = fields["time_zone"], fields["start_ms"]
    if day is not None and day != local_date(start_ms, zone_name):
        fields["start_ms"] = same_wall_time(start_ms, day, zone_name)
        fields["end_ms"] += fields["start_ms"] - start_ms


def _fields(body: Json, name_of: Callable[[str], str], *, floating: bool) -> dict[str, Any]:
    """`floating`: the times are those of an all-day event, dates without a zone."""
    fields: dict[str, Any] = {}
    # `locations` has the last word over `location`, whichever comes first.
    for name, value in sorted(body.items(), key=lambda one: one[0] == "locations"):
        if value is None and name in SELECTABLE and name != "recurrence":
            continue  # every property may be null, and is then as if it were not there
        if name in _PLAIN:
            field, kind = _PLAIN[name]
            fields[field] = _typed(value, kind, name)
            if name in _CHOICES:
                fields[field] = _choice(name, str(value))
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


def _choice(name: str, value: str) -> str:
    for choice in _CHOICES[name]:
        if choice.lower() == value.lower():
            return choice
    raise _unreadable(name)


def _typed(value: object, kind: Any, name: str) -> Any:
    if kind is bool and isinstance(value, str):
        # Graph takes booleans in quotes: a widespread client sends them so, and has worked for years.
        value = {"true": True, "false": False}.get(value.lower(), value)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _unreadable(name) from error


def _time(name: str, value: object, *, floating: bool) -> dict[str, Any]:
    when: _When = _typed(value, _When, name)
    zone_name = "UTC" if floating else when.timeZone
    return {f"{name}_ms": wall_instant(when.dateTime, zone_name), "time_zone": zone_name}


def _body(value: object) -> dict[str, Any]:
    given: dict[str, Any] = _typed(value, dict, "body")
    kind = str(given.get("contentType") or "html").lower()
    if kind not in ("html", "text"):
        raise _unreadable("body")
    return {"body": str(given.get("content") or ""), "body_is_text": kind == "text"}


def _location(value: object) -> dict[str, Any]:
    given: dict[str, Any] = _typed(value, dict, "location")
    return {"location": str(given.get("displayName") or ""), "places": _detailed([given])}


def _locations(value: object) -> dict[str, Any]:
    """Several places: `location` names them all, with semicolons between (published example)."""
    given: list[dict[str, Any]] = _typed(value, list[dict[str, Any]], "locations")
    names = [str(one.get("displayName") or "") for one in given]
    return {"location": "; ".join(names), "places": _detailed(given)}


def _detailed(given: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The places as they were given, unless one name says it all."""
    unknown = {name for one in given for name in one} - _LOCATION
    if unknown:
        raise InvalidRequest(
            f"The property '{min(unknown)}' does not exist on type 'microsoft.graph.location'. "
            "Make sure to only use property names that are defined by the type.",
            "RequestBodyRead",
        )
    plain = len(given) == 1 and all(given[0].get(name) is None for name in _LOCATION - _PLAIN_LOCATION)
    return () if plain else tuple(given)


def _online(value: object) -> dict[str, Any]:
    """The address to join at is made when the event is."""
    return {"join_url": "new" if _typed(value, bool, "isOnlineMeeting") else ""}


def _open_extensions(value: object) -> dict[str, Any]:
    given: list[dict[str, Any]] = _typed(value, list[dict[str, Any]], "extensions")
    return {"open_extensions": tuple(open_extension(one) for one in given)}


def proposal(value: object) -> tuple[Instant, Instant]:
    """From when until when, in a `proposedNewTime`."""
    given: dict[str, Any] = _typed(value, dict, "proposedNewTime")
    start, end = (_time(name, given.get(name), floating=False)[f"{name}_ms"] for name in ("start", "end"))
    return start, end


def open_extension(body: Json) -> tuple[str, dict[str, Any]]:
    """Name and content of an open extension (Graph's opentypeextension page)."""
    name = body.get("extensionName") or body.get("id")
    if not isinstance(name, str) or not name:
        raise InvalidRequest("The extension's name is missing.", "ErrorInvalidExtensionName")
    kept = {key: one for key, one in body.items() if key not in ("extensionName", "id", "@odata.type")}
    return name.removeprefix("Microsoft.OutlookServices.OpenTypeExtension."), kept


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
    kind = cast("AttendeeKind", _choice("attendees", one.type or "required"))
    return Attendee(Person(one.emailAddress.name or name_of(address), address), kind)


def _recurrence(value: object) -> dict[str, Any]:
    if value is None:
        return {"recurrence": None}
    given: _Recurrence = _typed(value, _Recurrence, "recurrence")
    pattern, bounds = given.pattern, given.range
    until, count = None, None
    if bounds.type.lower() == "enddate":
        until = _date(bounds.endDate or "")
    elif bounds.type.lower() == "numbered":
        count = bounds.numberOfOccurrences or 0
    elif bounds.type.lower() != "noend":
        raise _wrong_range()
    if count is not None and not 1 <= count <= _MAX_OCCURRENCES:
        raise _wrong_range()
    days = tuple(day.lower() for day in pattern.daysOfWeek or ())
    starts = (pattern.firstDayOfWeek or "sunday").lower()
    rule = Recurrence(
        _KINDS.get(pattern.type.lower(), "daily"),
        pattern.interval,
        cast("tuple[Weekday, ...]", days),
        cast("Weekday", starts),
        count,
        until,
        pattern.dayOfMonth or 0,
        pattern.month or 0,
        cast("Index", (pattern.index or "first").lower()),
    )
    _check_pattern(rule, pattern.type)
    fields: dict[str, Any] = {"recurrence": rule}
    if bounds.startDate:
        fields["first_day"] = _date(bounds.startDate)
    if until is not None and "first_day" in fields and until < fields["first_day"]:
        raise _wrong_range()
    if bounds.recurrenceTimeZone:
        zone(bounds.recurrenceTimeZone)
        fields["series_zone"] = bounds.recurrenceTimeZone
    return fields


def _check_pattern(rule: Recurrence, name: str) -> None:
    days = {*rule.days, rule.week_starts}
    relative = rule.kind in ("relativeMonthly", "relativeYearly")
    absolute = rule.kind in ("absoluteMonthly", "absoluteYearly")
    right = (
        name.lower() in _KINDS
        and 1 <= rule.interval <= _MAX_INTERVAL
        and days <= {*WEEKDAYS}
        and (not relative or (bool(rule.days) and rule.index in INDEXES))
        and (not absolute or 1 <= rule.day_of_month <= _LONGEST_MONTH)
        and (not rule.kind.endswith("Yearly") or 1 <= rule.month <= _MONTHS)
    )
    if not right:
        raise InvalidRequest("The recurrence pattern is not valid.", "ErrorInvalidRecurrencePattern")


def _wrong_range() -> InvalidRequest:
    return InvalidRequest("The recurrence range is not valid.", "ErrorInvalidRecurrenceRange")


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _wrong_range() from error


def _check_all_day(*, all_day: bool, start_ms: Instant, end_ms: Instant) -> None:
    if all_day and (start_ms % DAY_MS or end_ms % DAY_MS or end_ms <= start_ms):
        raise InvalidRequest(
            "The Event.Start property for an all-day event needs to be set to midnight.",
            "ErrorPropertyValidationFailure",
        )


_PARSERS: Final[dict[str, Callable[[object], dict[str, Any]]]] = {
    "body": _body,
    "location": _location,
    "locations": _locations,
    "isOnlineMeeting": _online,
    "extensions": _open_extensions,
    "categories": _categories,
    "recurrence": _recurrence,
    "singleValueExtendedProperties": _extended,
}
