"""Calendar items as Graph's JSON: every property that v1.0 sends for an event, in its order."""

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.core.units import NEVER, Instant
from simulators.exchange.ids import changeable_id
from simulators.exchange.items import Attendee, CalendarItem, Person, Response, first_day, occurrence
from simulators.exchange.recurrence import WEEKDAYS, last_date
from simulators.exchange.times import UNSET_STAMP, graph_datetime, graph_stamp

Json = dict[str, Any]

ALWAYS: Final = ("@odata.etag", "id")
"""Sent whatever `$select` says."""

ON_SELECT_ONLY: Final = ("cancelledOccurrences",)

_PREVIEW: Final = 255
_TAG: Final = re.compile(r"<(head|style|script)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def render(item: CalendarItem, zone_name: str, *, immutable: bool, as_text: bool = False) -> Json:
    """The event as Graph sends it. Times are in the named zone; all-day times are floating midnights.

    `as_text`: the body as plain text, which `Prefer: outlook.body-content-type` asks for.
    """
    online = bool(item.join_url)
    event_id = item.id if immutable else changeable_id(item.id)
    series_id = item.series_id if immutable or item.series_id is None else changeable_id(item.series_id)
    shown: Json = {
        "@odata.etag": f'W/"{item.change_key}"',
        "id": event_id,
        "createdDateTime": _stamp7(item.created_ms),
        "lastModifiedDateTime": _stamp7(item.modified_ms),
        "changeKey": item.change_key,
        "categories": item.categories,
        "transactionId": item.transaction_id,
        "originalStartTimeZone": item.time_zone,
        "originalEndTimeZone": item.time_zone,
        "iCalUId": item.ical_uid,
        "reminderMinutesBeforeStart": item.reminder_minutes,
        "isReminderOn": item.is_reminder_on,
        "hasAttachments": False,
        "subject": item.subject,
        "bodyPreview": _plain(item)[:_PREVIEW],
        "importance": item.importance,
        "sensitivity": item.sensitivity,
        "isAllDay": item.all_day,
        "isCancelled": item.cancelled,
        "isOrganizer": item.is_organizer,
        "responseRequested": item.response_requested,
        "seriesMasterId": series_id,
        "showAs": item.show_as,
        "type": item.type,
        "webLink": f"https://outlook.office365.com/owa/?itemid={event_id}&exvsurl=1&path=/calendar/item",
        "onlineMeetingUrl": None,
        "isOnlineMeeting": online,
        "onlineMeetingProvider": "teamsForBusiness" if online else "unknown",
        "allowNewTimeProposals": item.allow_new_time_proposals,
        "isDraft": False,
        "hideAttendees": item.hide_attendees,
        "onlineMeeting": {"joinUrl": item.join_url} if online else None,
        "responseStatus": _response(item.response, item.responded_ms),
        "body": _body(item, as_text=as_text),
        "start": _when(item.start_ms, item, zone_name),
        "end": _when(item.end_ms, item, zone_name),
        "location": _location(item.location, item.places[0] if len(item.places) == 1 else {}),
        "locations": _locations(item),
        "recurrence": _recurrence(item),
        "attendees": [_attendee(one) for one in item.attendees],
        "organizer": {"emailAddress": _address(item.organizer)},
        "cancelledOccurrences": _cancelled_occurrences(item, event_id),
    }
    if item.day is not None and item.original_start_ms is not None:
        shown["originalStart"] = graph_stamp(item.original_start_ms)
        shown["occurrenceId"] = f"OID.{series_id or event_id}.{item.day.isoformat()}"
    return shown


def occurrences_apart(series: CalendarItem) -> list[CalendarItem]:
    """The exceptions of a series, by original date."""
    return [occurrence(series, day) for day in sorted(series.exceptions) if day not in series.removed]


def select(shown: Json, wanted: Iterable[str] | None) -> Json:
    """Only the selected properties, and those that are always sent; None: all but the rare ones."""
    if wanted is None:
        return {name: value for name, value in shown.items() if name not in ON_SELECT_ONLY}
    kept = {*wanted, *ALWAYS}
    return {name: value for name, value in shown.items() if name in kept}


SELECTABLE: Final = frozenset(
    (
        "id",
        "createdDateTime",
        "lastModifiedDateTime",
        "changeKey",
        "categories",
        "transactionId",
        "originalStartTimeZone",
        "originalEndTimeZone",
        "iCalUId",
        "reminderMinutesBeforeStart",
        "isReminderOn",
        "hasAttachments",
        "subject",
        "bodyPreview",
        "importance",
        "sensitivity",
        "isAllDay",
        "isCancelled",
        "isOrganizer",
        "responseRequested",
        "seriesMasterId",
        "showAs",
        "type",
        "webLink",
        "onlineMeetingUrl",
        "isOnlineMeeting",
        "onlineMeetingProvider",
        "allowNewTimeProposals",
        "isDraft",
        "hideAttendees",
        "onlineMeeting",
        "responseStatus",
        "body",
        "start",
        "end",
        "location",
        "locations",
        "recurrence",
        "attendees",
        "organizer",
        "cancelledOccurrences",
        "originalStart",
        "occurrenceId",
    )
)
"""Properties of an event in the v1.0 metadata, and `occurrenceId`, which is sent undeclared."""


def _stamp7(instant: Instant) -> str:
    return graph_datetime(instant) + "Z"


def _when(instant: Instant, item: CalendarItem, zone_name: str) -> Json:
    return {
        "dateTime": graph_datetime(instant, "UTC" if item.all_day else zone_name),
        "timeZone": zone_name,
    }


def _response(response: Response, at: Instant) -> Json:
    return {"response": response, "time": UNSET_STAMP if at == NEVER else graph_stamp(at)}


def _address(person: Person) -> Json:
    return {"name": person.name, "address": person.address}


def _attendee(one: Attendee) -> Json:
    shown = {
        "type": one.kind,
        "status": _response(one.response, one.responded_ms),
        "emailAddress": _address(one.person),
    }
    if one.proposed is not None:
        start, end = ({"dateTime": graph_datetime(at), "timeZone": "UTC"} for at in one.proposed)
        shown["proposedNewTime"] = {"start": start, "end": end}
    return shown


def _body(item: CalendarItem, *, as_text: bool) -> Json:
    if as_text:
        return {"contentType": "text", "content": _plain(item)}
    if not item.body_is_text or not item.body:
        return {"contentType": "html", "content": item.body}
    content = html.escape(item.body, quote=False).replace("\n", "<br>\n")
    return {"contentType": "html", "content": f"<html><head></head><body>{content}</body></html>"}


def _plain(item: CalendarItem) -> str:
    """The body without its markup."""
    if item.body_is_text or "<" not in item.body:
        return item.body
    return html.unescape(_TAG.sub("", item.body)).strip()


def _location(name: str, details: Mapping[str, Any]) -> Json:
    shown: Json = {"displayName": name, "locationType": "default"}
    if name:
        shown |= {"uniqueId": name, "uniqueIdType": "private"}
    return shown | {key: value for key, value in details.items() if value is not None}


def _locations(item: CalendarItem) -> list[Json]:
    if item.places:
        return [_location(str(one.get("displayName") or ""), one) for one in item.places]
    return [_location(item.location, {})] if item.location else []


def _recurrence(item: CalendarItem) -> Json | None:
    rule = item.recurrence
    if rule is None:
        return None
    start = first_day(item)
    pattern: Json = {
        "type": rule.kind,
        "interval": rule.interval,
        "month": 0,
        "dayOfMonth": 0,
        "firstDayOfWeek": rule.week_starts,
        "index": rule.index,
    }
    if rule.kind.endswith("Yearly"):
        pattern["month"] = rule.month or start.month
    if rule.kind.startswith("absolute"):
        pattern["dayOfMonth"] = rule.day_of_month or start.day
    if rule.kind == "weekly" or rule.kind.startswith("relative"):
        pattern["daysOfWeek"] = list(rule.days or (WEEKDAYS[start.weekday()],))
    kind = "endDate" if rule.until else "numbered" if rule.count else "noEnd"
    last = last_date(rule, start) if kind == "endDate" else None
    return {
        "pattern": pattern,
        "range": {
            "type": kind,
            "startDate": start.isoformat(),
            "endDate": last.isoformat() if last else "0001-01-01",
            "recurrenceTimeZone": item.time_zone,
            "numberOfOccurrences": rule.count or 0,
        },
    }


def _cancelled_occurrences(item: CalendarItem, event_id: str) -> list[str]:
    return [f"OID.{event_id}.{day.isoformat()}" for day in sorted(item.removed)]
