"""Free and busy: getSchedule, and findMeetingTimes for people who signed in."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.core.units import DAY_MS, MINUTE_MS, Duration, Instant
from simulators.exchange.calls import MailboxCall, MailboxRoute
from simulators.exchange.directory import working_hours
from simulators.exchange.errors import InvalidRequest, NotFound
from simulators.exchange.items import CalendarItem
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.render import Json
from simulators.exchange.times import graph_datetime, wall_instant
from simulators.exchange.wire import Answer

MOST_SCHEDULES: Final = 100
"""The hard limit that was observed; the documentation said 20 (microsoft-graph-docs issue 7047)."""

MOST_DAYS: Final = 62
_DIGITS: Final = {"free": "0", "tentative": "1", "busy": "2", "oof": "3", "workingElsewhere": "4"}
_RANK: Final = "04123"
"""Which digit wins where several entries share a slot, weakest first."""
_WHY: Final = "Suggested because it is one of the nearest times when all attendees are available."
_SLOT_MS: Final[Duration] = 30 * MINUTE_MS
_DEFAULT_CANDIDATES: Final = 20


class _Slot(msgspec.Struct):
    start: dict[str, str]
    end: dict[str, str]


class _Constraint(msgspec.Struct):
    timeSlots: tuple[_Slot, ...] = ()  # noqa: N815 - Graph's name


class _Mail(msgspec.Struct):
    address: str


class _Invited(msgspec.Struct):
    emailAddress: _Mail  # noqa: N815 - Graph's name


class _Meeting(msgspec.Struct):
    attendees: tuple[_Invited, ...] | None = None
    timeConstraint: _Constraint | None = None  # noqa: N815 - Graph's name
    meetingDuration: str | None = None  # noqa: N815 - Graph's name
    maxCandidates: int | None = None  # noqa: N815 - Graph's name


class Schedules:
    """The routes about free and busy."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    def routes(self) -> dict[str, MailboxRoute]:
        """Each by its name in `simulators.exchange.routes`."""
        return {"POST getSchedule": self.schedule, "POST findMeetingTimes": self.meeting_times}

    def schedule(self, call: MailboxCall) -> Answer:
        """Who is busy when. Errors about one address come within the 200."""
        body = {name[0].lower() + name[1:]: value for name, value in call.request.json().items()}
        addresses = body.get("schedules")
        if not isinstance(addresses, list) or not addresses or not all(isinstance(a, str) for a in addresses):
            raise InvalidRequest("The parameter 'schedules' is missing or empty.", "ErrorInvalidParameter")
        if len(addresses) > MOST_SCHEDULES:
            raise InvalidRequest(
                "There are too many target users in the EmailAddress array. The allowed size = "
                f"{MOST_SCHEDULES}; the actual size = {len(addresses)}.",
                "ErrorMailboxDataArrayTooBig",
            )
        start_ms, end_ms = (_moment(body.get(name), name) for name in ("startTime", "endTime"))
        _check_span(start_ms, end_ms)
        interval = body.get("availabilityViewInterval", 30)
        if not isinstance(interval, int) or not 5 <= interval <= 1_440:  # noqa: PLR2004 - documented bounds
            raise InvalidRequest("availabilityViewInterval must be 5 to 1440.", "ErrorInvalidParameter")
        step_ms = interval * MINUTE_MS
        value = [self._one(call, one, start_ms, end_ms, step_ms) for one in addresses]
        context = call.context("Collection(microsoft.graph.scheduleInformation)")
        return call.answer({"@odata.context": context, "value": value})

    def _one(
        self, call: MailboxCall, address: str, start_ms: Instant, end_ms: Instant, step_ms: Duration
    ) -> Json:
        try:
            box = self._mailboxes.mailbox(address)
        except NotFound:
            error = {
                "message": f"Unable to resolve e-mail address {address} to an Active Directory object.",
                "responseCode": "ErrorMailRecipientNotFound",
            }
            return {"scheduleId": address, "availabilityView": "", "scheduleItems": [], "error": error}
        found = [item for item in box.calendar.view(start_ms, end_ms) if not item.cancelled]
        zone_name = call.preferences.zone_name
        return {
            "scheduleId": address,
            "availabilityView": _view(found, start_ms, end_ms, step_ms),
            "scheduleItems": [_item(one, zone_name) for one in found if one.show_as != "free"],
            "workingHours": working_hours(box),
        }

    def meeting_times(self, call: MailboxCall) -> Answer:
        """When everybody is free: half-hour steps through the slots that were asked for."""
        wanted = _read(call.request.json())
        boxes = [
            call.box,
            *(self._mailboxes.mailbox(one.emailAddress.address) for one in wanted.attendees or ()),
        ]
        length_ms = _duration(wanted.meetingDuration or "PT30M")
        most = wanted.maxCandidates or _DEFAULT_CANDIDATES
        zone_name = call.preferences.zone_name
        suggestions: list[Json] = []
        for slot in wanted.timeConstraint.timeSlots if wanted.timeConstraint else ():
            at, end_ms = (_moment(one, name) for name, one in (("start", slot.start), ("end", slot.end)))
            _check_span(at, end_ms)
            while at + length_ms <= end_ms and len(suggestions) < most:
                if all(_free(box, at, at + length_ms) for box in boxes):
                    order = len(suggestions) + 1
                    suggestions.append(_suggestion(order, boxes, at, at + length_ms, zone_name))
                at += _SLOT_MS
        return call.answer(
            {
                "@odata.context": call.context("microsoft.graph.meetingTimeSuggestionsResult"),
                "emptySuggestionsReason": "" if suggestions else "attendeesUnavailable",
                "meetingTimeSuggestions": suggestions,
            }
        )


def _read(body: Json) -> _Meeting:
    try:
        return msgspec.convert(body, _Meeting)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The request cannot be read: {error}.", "ErrorInvalidParameter") from error


def _moment(value: Any, name: str) -> Instant:
    if not isinstance(value, Mapping) or not isinstance(value.get("dateTime"), str):
        raise InvalidRequest(f"The parameter '{name}' is missing or no time.", "ErrorInvalidParameter")
    return wall_instant(value["dateTime"], str(value.get("timeZone") or "UTC"))


def _check_span(start_ms: Instant, end_ms: Instant) -> None:
    if end_ms <= start_ms:
        raise InvalidRequest("The time window ends before it starts.", "ErrorInvalidTimeInterval")
    days = -(-(end_ms - start_ms) // DAY_MS)
    if days > MOST_DAYS:
        raise InvalidRequest(
            "The requested time duration specified for FreeBusyViewOptions.TimeWindow is too long. "
            f"The allowed limit = {MOST_DAYS} days; the actual limit = {days} days.",
            "ErrorTimeIntervalTooBig",
        )


def _duration(text: str) -> Duration:
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", text)
    minutes = (
        [int(part or 0) * unit for part, unit in zip(found.groups(), (1_440, 60, 1), strict=True)]
        if found
        else []
    )
    if not sum(minutes):
        raise InvalidRequest(f"The duration '{text}' is not valid.", "ErrorInvalidParameter")
    return sum(minutes) * MINUTE_MS


def _view(found: list[CalendarItem], start_ms: Instant, end_ms: Instant, step_ms: Duration) -> str:
    view = ""
    for at in range(start_ms, end_ms, step_ms):
        digits = {_DIGITS.get(item.show_as, "0") for item in found if item.overlaps(at, at + step_ms)}
        view += max(digits | {"0"}, key=_RANK.index)
    return view


def _item(item: CalendarItem, zone_name: str) -> Json:
    start, end = (
        {"dateTime": graph_datetime(at, zone_name), "timeZone": zone_name}
        for at in (item.start_ms, item.end_ms)
    )
    return {
        "isPrivate": item.sensitivity == "private",
        "status": item.show_as,
        "subject": item.subject,
        "location": item.location,
        "start": start,
        "end": end,
    }


def _free(box: Mailbox, start_ms: Instant, end_ms: Instant) -> bool:
    return not any(item.blocks for item in box.calendar.view(start_ms, end_ms))


def _suggestion(order: int, boxes: list[Mailbox], start_ms: Instant, end_ms: Instant, zone_name: str) -> Json:
    start, end = (
        {"dateTime": graph_datetime(at, zone_name), "timeZone": zone_name} for at in (start_ms, end_ms)
    )
    return {
        "confidence": 100,
        "order": order,
        "organizerAvailability": "free",
        "suggestionReason": _WHY,
        "attendeeAvailability": [
            {"availability": "free", "attendee": {"emailAddress": {"address": box.address}}}
            for box in boxes[1:]
        ],
        "locations": [{"displayName": box.person.name} for box in boxes[1:] if box.is_room],
        "meetingTimeSlot": {"start": start, "end": end},
    }
