"""What the rooms' booking attendants are set to, which only Exchange PowerShell can tell.

Graph does not show it (there is no CalendarProcessing in it), so IT runs the script of `exchange
setup-script`, whose last part writes `Get-CalendarProcessing` as JSON, and the gateway reads that file.
Defaults and effects: https://learn.microsoft.com/powershell/module/exchange/set-calendarprocessing.

PowerShell's JSON has its ways: one object instead of a list of one, UTF-16 with a byte order mark,
enumerations as numbers, durations as text or as objects. All of them are understood here.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from gateway.whole_file import keep_json, kept_json

FORMAT: Final = 1
"""Of the file that `save` writes."""

MAX_FILE_BYTES: Final = 20 * 1024 * 1024
"""1,000 rooms with every property of theirs stay below it."""

Weight = Literal["fail", "warn", "note"]
"""The gateway cannot do its work in that room; it does it worse; good to know."""


class AttendantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One room's settings; None: not told. Names are those of Set-CalendarProcessing, in our spelling."""

    mailbox: str
    automate_processing: str | None = None
    """"None", "AutoUpdate" or "AutoAccept"."""
    allow_conflicts: bool | None = None
    conflict_percentage_allowed: int | None = None
    maximum_conflict_instances: int | None = None
    allow_recurring_meetings: bool | None = None
    booking_window_days: int | None = None
    enforce_scheduling_horizon: bool | None = None
    maximum_duration_minutes: int | None = None
    """0: without limit."""
    process_external: bool | None = None
    remove_canceled: bool | None = None
    all_book_in_policy: bool | None = None
    all_request_in_policy: bool | None = None
    tentative_pending_approval: bool | None = None
    only_during_work_hours: bool | None = None
    booking_type: str | None = None
    """"Standard" or "Reserved"."""
    remove_private: bool | None = None
    auto_release: bool | None = None
    """Microsoft's own release of no-shows."""
    max_claim_minutes: int | None = None
    """Its grace time."""


class Problem(NamedTuple):
    """Something about one room's attendant that people should know."""

    mailbox: str
    weight: Weight
    setting: str
    """The parameter of Set-CalendarProcessing."""
    text: str
    """What follows from it, in one sentence."""
    fix: str
    """The parameter with the value that mends it; empty where nothing is to be done."""


class SettingsFileError(Exception):
    """The file holds no attendants' settings; the message says what was found and what was expected."""


# -- reading PowerShell's JSON ------------------------------------------------------------------------

AUTOMATE: Final = ("None", "AutoUpdate", "AutoAccept")
"""Microsoft.Exchange.Data.Storage.CalendarProcessingFlags, by number."""
BOOKING_TYPES: Final = ("Standard", "Reserved")


def read_settings(content: bytes) -> tuple[AttendantSettings, ...]:
    """The settings in a file that PowerShell wrote, by mailbox. Raises SettingsFileError.

    Each entry needs `Mailbox` (the script adds it), or an address in `PrimarySmtpAddress` or `Identity`.
    Properties that are missing or cannot be understood are not told (None), so a newer or older Exchange
    does no harm.
    """
    try:
        data = json.loads(_text(content))
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise SettingsFileError(
            f"this is no JSON{where}; expected what the setup script writes with ConvertTo-Json"
        ) from None
    found: dict[str, AttendantSettings] = {}
    for number, entry in enumerate(_entries(data), start=1):
        if not isinstance(entry, dict):
            raise SettingsFileError(f"entry {number}: expected an object with a room's settings")
        one = _one({str(key).casefold(): value for key, value in entry.items()}, number)
        if one.mailbox in found:
            raise SettingsFileError(f"entry {number}: {one.mailbox} is there already; each room comes once")
        found[one.mailbox] = one
    if not found:
        raise SettingsFileError("there is no room in it; did the script end with an error?")
    return tuple(found[mailbox] for mailbox in sorted(found))


def _text(content: bytes) -> str:
    """`>` of Windows PowerShell writes UTF-16, Set-Content -Encoding UTF8 a mark before UTF-8."""
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return content.decode("utf-16")
    if content[:1] and content[1:2] == b"\0":
        return content.decode("utf-16-le")
    return content.decode("utf-8-sig")


def _entries(data: Any) -> list[Any]:
    """A list as it is; a single object, and the {"value": [...], "Count": n} of Windows PowerShell, too."""
    if isinstance(data, dict):
        lower = {str(key).casefold(): value for key, value in data.items()}
        inner = lower.get("value")
        return inner if isinstance(inner, list) and "count" in lower else [data]
    if isinstance(data, list):
        return data
    raise SettingsFileError("expected a list of rooms with their settings")


def _one(entry: Mapping[str, Any], number: int) -> AttendantSettings:
    mailbox = next(
        (
            address
            for key in ("mailbox", "primarysmtpaddress", "identity")
            if (address := _address(entry.get(key)))
        ),
        None,
    )
    if mailbox is None:
        raise SettingsFileError(
            f"entry {number}: no address in Mailbox; use the script of `exchange setup-script`, which "
            "puts it there"
        )
    return AttendantSettings(
        mailbox=mailbox,
        automate_processing=_word(entry.get("automateprocessing"), AUTOMATE),
        allow_conflicts=_flag(entry.get("allowconflicts")),
        conflict_percentage_allowed=_number(entry.get("conflictpercentageallowed")),
        maximum_conflict_instances=_number(entry.get("maximumconflictinstances")),
        allow_recurring_meetings=_flag(entry.get("allowrecurringmeetings")),
        booking_window_days=_span(entry.get("bookingwindowindays", entry.get("bookingwindow")), "days"),
        enforce_scheduling_horizon=_flag(entry.get("enforceschedulinghorizon")),
        maximum_duration_minutes=_span(
            entry.get("maximumdurationinminutes", entry.get("maximumduration")), "minutes"
        ),
        process_external=_flag(entry.get("processexternalmeetingmessages")),
        remove_canceled=_flag(entry.get("removecanceledmeetings")),
        all_book_in_policy=_flag(entry.get("allbookinpolicy")),
        all_request_in_policy=_flag(entry.get("allrequestinpolicy")),
        tentative_pending_approval=_flag(entry.get("tentativependingapproval")),
        only_during_work_hours=_flag(entry.get("scheduleonlyduringworkhours")),
        booking_type=_word(entry.get("bookingtype"), BOOKING_TYPES),
        remove_private=_flag(entry.get("removeprivateproperty")),
        auto_release=_flag(entry.get("enableautorelease")),
        max_claim_minutes=_span(entry.get("postreservationmaxclaimtimeinminutes"), "minutes"),
    )


def _plain(value: Any) -> Any:
    """PowerShell writes some values as objects that hold the value."""
    if isinstance(value, dict):
        lower = {str(key).casefold(): inner for key, inner in value.items()}
        return lower.get("value", lower)
    return value


def _address(value: Any) -> str | None:
    value = _plain(value)
    if isinstance(value, dict):
        local, domain = value.get("local"), value.get("domain")
        value = value.get("address") or (f"{local}@{domain}" if local and domain else None)
    if isinstance(value, str) and re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", value.strip()):
        return value.strip().casefold()
    return None


def _word(value: Any, words: tuple[str, ...]) -> str | None:
    value = _plain(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(words):
        return words[value]
    if isinstance(value, str):
        if value.strip().isdecimal():
            return _word(int(value), words)
        known = {word.casefold(): word for word in words}
        return known.get(value.strip().casefold(), value.strip() or None)
    return None


def _flag(value: Any) -> bool | None:
    value = _plain(value)
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False, "1": True, "0": False}.get(str(value).strip().casefold())


def _number(value: Any) -> int | None:
    value = _plain(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value == value and abs(value) < 2**53:  # noqa: PLR0124 - no NaN
        return int(value)
    text = str(value).strip()
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else None


_SPAN: Final = re.compile(r"(?:(\d{1,6})\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")


def _span(value: Any, unit: Literal["days", "minutes"]) -> int | None:
    """A number in `unit`, or a TimeSpan: "180.00:00:00", or an object with TotalDays and TotalMinutes."""
    value = _plain(value)
    if isinstance(value, dict):
        return _number(value.get(f"total{unit}"))
    if isinstance(value, str) and (found := _SPAN.fullmatch(value.strip())):
        days, hours, minutes = (int(found[group] or 0) for group in (1, 2, 3))
        total = days * 1_440 + hours * 60 + minutes
        return total // 1_440 if unit == "days" else total
    return _number(value)


# -- what is wrong with them --------------------------------------------------------------------------


def problems(settings: AttendantSettings, longest_minutes: int | None = None) -> tuple[Problem, ...]:
    """What people should know about a room's settings, the worst first.

    `longest_minutes`: bookings longer than this are left alone by the room's policy; None: not known.
    Settings that change nothing for the gateway (DeleteSubject, DeleteComments and their like) are
    never mentioned.
    """
    order: tuple[Weight, ...] = ("fail", "warn", "note")
    found = [
        Problem(settings.mailbox, *each)
        for each in (*_bookable(settings), *_conflicting(settings), *_limits(settings, longest_minutes))
    ]
    return tuple(sorted(found, key=lambda problem: order.index(problem.weight)))


_Found = tuple[Weight, str, str, str]


def _bookable(s: AttendantSettings) -> Iterator[_Found]:
    if s.automate_processing is not None and s.automate_processing != "AutoAccept":
        nobody = (
            "requests stay tentative until a delegate acts"
            if s.automate_processing == "AutoUpdate"
            else "nobody answers requests"
        )
        yield (
            "fail",
            "AutomateProcessing",
            (
                f"the room does not accept by itself ({s.automate_processing}): {nobody}, and the gateway "
                "acts on "
                "accepted bookings alone"
            ),
            "-AutomateProcessing AutoAccept",
        )
    if s.booking_type == "Reserved":
        yield (
            "fail",
            "BookingType",
            "the room is first come, first served and cannot be booked, so there is nothing to give back",
            "-BookingType Standard",
        )
    if s.auto_release:
        grace = "" if s.max_claim_minutes is None else f" after {s.max_claim_minutes} min"
        yield (
            "fail",
            "EnableAutoRelease",
            (
                f"Microsoft's own release of no-shows is on{grace}: it knows nothing of the sensors and "
                "releases rooms "
                "that people sit in; two must not decide"
            ),
            "-EnableAutoRelease $false",
        )
    if s.all_book_in_policy is False and s.all_request_in_policy:
        held = "tentative" if s.tentative_pending_approval is not False else "free"
        yield (
            "note",
            "AllBookInPolicy",
            (
                f"some bookings need a delegate's approval; until then they are {held} and the gateway "
                "leaves them alone"
            ),
            "",
        )


def _conflicting(s: AttendantSettings) -> Iterator[_Found]:
    if s.allow_conflicts:
        yield (
            "warn",
            "AllowConflicts",
            (
                "bookings may overlap; while an attended one overlaps, nothing is given back, and a room "
                "that was given "
                "back may stay booked"
            ),
            "-AllowConflicts $false",
        )
    if (s.conflict_percentage_allowed or 0) > 0 or (s.maximum_conflict_instances or 0) > 0:
        yield (
            "note",
            "ConflictPercentageAllowed",
            (
                "a series with some conflicts is accepted, and its conflicting occurrences are declined one "
                "by one; "
                "those are seen as not booked, which is right"
            ),
            "",
        )


def _limits(s: AttendantSettings, longest_minutes: int | None) -> Iterator[_Found]:
    if s.remove_canceled is False:
        yield (
            "note",
            "RemoveCanceledMeetings",
            "cancelled meetings stay in the calendar, marked as cancelled; the gateway ignores them",
            "",
        )
    if s.process_external:
        yield (
            "note",
            "ProcessExternalMeetingMessages",
            "people from outside can book; they are told of a release by mail like everybody",
            "",
        )
    if s.enforce_scheduling_horizon is False:
        yield (
            "note",
            "EnforceSchedulingHorizon",
            "a series that ends beyond the booking window is cut off there instead of declined",
            "",
        )
    if s.booking_window_days == 0:
        yield (
            "warn",
            "BookingWindowInDays",
            "the room can be booked for today only",
            "-BookingWindowInDays 180",
        )
    if s.only_during_work_hours:
        yield ("note", "ScheduleOnlyDuringWorkHours", "the room can be booked in its working hours only", "")
    longest = s.maximum_duration_minutes
    if longest == 0 or (longest is not None and longest_minutes is not None and longest > longest_minutes):
        upto = "of any length" if longest == 0 else f"of up to {longest} min"
        beyond = "" if longest_minutes is None else f" beyond {longest_minutes} min"
        yield (
            "note",
            "MaximumDurationInMinutes",
            (
                f"bookings {upto} are accepted, and the gateway leaves long ones{beyond} alone "
                "(policy: exempt_longer_than)"
            ),
            "",
        )


class Recommendation(NamedTuple):
    """A parameter of Set-CalendarProcessing, the value that suits the gateway, and why."""

    parameter: str
    value: str
    reason: str


RECOMMENDED: Final = (
    Recommendation(
        "AutomateProcessing",
        "AutoAccept",
        "the room answers by itself; the gateway acts on accepted bookings alone",
    ),
    Recommendation(
        "AllowConflicts",
        "$false",
        "no two bookings at once: who attends which of them, no sensor can tell",
    ),
    Recommendation(
        "BookingType",
        "Standard",
        "a Reserved room is first come, first served and cannot be booked",
    ),
    Recommendation(
        "EnableAutoRelease",
        "$false",
        "Microsoft's own release knows nothing of the sensors; two must not decide. A setting on a "
        "Teams panel "
        "overrides this one: switch it off there too",
    ),
)
"""Everything else may stay as it is."""

EXPORTED: Final = (
    "AutomateProcessing",
    "AllowConflicts",
    "ConflictPercentageAllowed",
    "MaximumConflictInstances",
    "AllowRecurringMeetings",
    "BookingWindowInDays",
    "EnforceSchedulingHorizon",
    "MaximumDurationInMinutes",
    "ProcessExternalMeetingMessages",
    "RemoveCanceledMeetings",
    "AllBookInPolicy",
    "AllRequestInPolicy",
    "TentativePendingApproval",
    "ScheduleOnlyDuringWorkHours",
    "BookingType",
    "RemovePrivateProperty",
    "EnableAutoRelease",
    "PostReservationMaxClaimTimeInMinutes",
)
"""What the setup script asks Get-CalendarProcessing for."""


# -- keeping them -------------------------------------------------------------------------------------


class Kept(msgspec.Struct, frozen=True):
    """What was imported, and when (ISO 8601)."""

    imported_at: str
    rooms: tuple[AttendantSettings, ...]
    format: int = FORMAT

    def of(self, mailbox: str) -> AttendantSettings | None:
        """The settings of this mailbox, whatever the case of its letters."""
        folded = mailbox.casefold()
        return next((room for room in self.rooms if room.mailbox == folded), None)


def save(path: Path, kept: Kept) -> None:
    """Write the file whole or not at all. Raises OSError."""
    keep_json(path, kept)


def load(path: Path) -> Kept | None:
    """What was kept; None where nothing was imported yet. Raises SettingsFileError."""
    return kept_json(path, Kept, FORMAT, error=SettingsFileError, remedy="import the settings again")


def all_problems(
    rooms: Iterable[AttendantSettings], longest_minutes: Mapping[str, int]
) -> tuple[Problem, ...]:
    """The problems of several rooms, room by room; `longest_minutes` by mailbox in lower case."""
    return tuple(problem for room in rooms for problem in problems(room, longest_minutes.get(room.mailbox)))
