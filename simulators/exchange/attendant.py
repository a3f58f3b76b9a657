"""The booking attendant of a room: accepts when free, declines when busy, follows updates and cancellations.

After the Resource Booking Attendant (Set-CalendarProcessing, Exchange Online defaults). What
Microsoft does not document is done as follows:

- An update of a meeting that the room declined is a new request: if the room is free it accepts
  again, as a new item with the same iCalUId.
- An update carries the full times: a start or end that was changed on the room's copy is lost.
- Accepting a whole series brings back occurrences that the room had declined.
- Occurrences that have ended are not looked at for conflicts, unless all have.
"""

from bisect import bisect_left
from datetime import date
from typing import Any, Final

import msgspec

from gateway.core.units import DAY_MS, Duration, Instant
from simulators.exchange.items import CalendarItem, Response, instances, series_end
from simulators.exchange.mailbox import Mailbox

HORIZON_MS: Final[Duration] = 180 * DAY_MS
"""How far a series is checked for conflicts: the default booking window."""

CANCELLED_SUBJECT: Final = "Canceled: "

_SHARED_DIFFERENCES: Final = ("start_ms", "end_ms", "location", "show_as")
"""What an organizer's exception tells the room."""


class Reply(msgspec.Struct, frozen=True):
    """What the room answers. `declined_days`: accepted but for these occurrences."""

    response: Response
    comment: str = ""
    declined_days: tuple[date, ...] = ()


class Attendant:
    """Processes what organizers send to one room."""

    def __init__(self, room: Mailbox) -> None:
        self._room = room

    # Requests

    def request(self, meeting: CalendarItem, now: Instant) -> Reply:
        """A meeting, or a whole series, is new or was updated. `meeting` is the organizer's item."""
        room = self._room
        held = [item for item in room.holding(meeting.uid) if item.day is None and not item.cancelled]
        before = held[0] if held else None
        copy = self._copy(meeting, before, now)
        conflicts = [] if room.processing.allow_conflicts else self._conflicts(copy, now)
        limit = room.processing.maximum_conflict_instances if meeting.recurrence else 0
        if len(conflicts) > limit:
            self.forget(meeting.uid)
            return Reply("declined", "The room is not free for this meeting.")
        self.forget(meeting.uid, but=before)
        days = tuple(item.day for item in conflicts if item.day is not None)
        for day in days:
            copy = without_day(copy, day)
        room.put(copy)
        return Reply(copy.response, declined_days=days)

    def request_one(self, series: CalendarItem, one: CalendarItem, now: Instant) -> Reply:
        """One occurrence of a series is new or was updated. `one` is the organizer's occurrence."""
        if one.day is None:
            raise AssertionError("an occurrence has a day")
        room = self._room
        busy = [
            other
            for other in room.calendar.view(one.start_ms, one.end_ms)
            if other.blocks and (other.uid, other.day) != (one.uid, one.day)
        ]
        held = next((item for item in room.holding(series.uid) if item.recurrence is not None), None)
        if busy and not room.processing.allow_conflicts:
            self.forget_one(series.uid, one.day)
            return Reply("declined", "The room is not free for this occurrence.")
        if held is None or held.cancelled:
            room.put(self._lone_occurrence(one, now))
        else:
            difference = dict(held.exceptions.get(one.day, {}))
            for name in ("cancelled", "subject"):
                difference.pop(name, None)
            difference.update(start_ms=one.start_ms, end_ms=one.end_ms, show_as=one.show_as)
            room.put(
                msgspec.structs.replace(
                    held,
                    exceptions={**held.exceptions, one.day: difference},
                    removed=held.removed - {one.day},
                )
            )
        return Reply(self._response())

    # Cancellations

    def cancelled(self, uid: str) -> None:
        """The organizer cancelled the meeting or the whole series."""
        for item in self._room.holding(uid):
            if self._room.processing.remove_canceled_meetings:
                self._room.drop(item)
            elif not item.cancelled:
                self._room.put(msgspec.structs.replace(item, **_as_cancelled(item)))

    def cancelled_one(self, uid: str, day: date) -> None:
        """The organizer cancelled one occurrence."""
        if self._room.processing.remove_canceled_meetings:
            self.forget_one(uid, day)
            return
        for item in self._room.holding(uid):
            if item.day == day:
                self._room.put(msgspec.structs.replace(item, **_as_cancelled(item)))
            elif item.recurrence is not None and day not in item.removed:
                difference = {**item.exceptions.get(day, {}), **_as_cancelled(item)}
                self._room.put(msgspec.structs.replace(item, exceptions={**item.exceptions, day: difference}))

    # Leaving the calendar

    def forget(self, uid: str, *, but: CalendarItem | None = None) -> None:
        """Take a meeting out of the room's calendar, but for one item that is about to be replaced."""
        for item in self._room.holding(uid):
            if but is None or item.id != but.id:
                self._room.drop(item)

    def forget_one(self, uid: str, day: date) -> None:
        """Take one occurrence of a series out of the room's calendar."""
        for item in self._room.holding(uid):
            if item.day == day:
                self._room.drop(item)
            elif item.recurrence is not None and day not in item.removed:
                self._room.put(without_day(item, day))

    # The room's copy

    def _copy(self, meeting: CalendarItem, before: CalendarItem | None, now: Instant) -> CalendarItem:
        """The room's copy of the organizer's item; categories of an earlier copy stay."""
        exceptions: dict[date, dict[str, Any]] = {
            day: {name: difference[name] for name in _SHARED_DIFFERENCES if name in difference}
            for day, difference in meeting.exceptions.items()
        }
        removed = meeting.removed
        if before is not None:
            for day, difference in before.exceptions.items():
                if difference.get("cancelled"):
                    exceptions[day] = dict(difference)
                    removed -= {day}
                elif "categories" in difference:
                    exceptions.setdefault(day, {})["categories"] = difference["categories"]
        return msgspec.structs.replace(
            meeting,
            id=self._room.new_id() if before is None else before.id,
            created_ms=now if before is None else before.created_ms,
            is_organizer=False,
            subject=self._subject(meeting),
            body="" if self._room.processing.delete_comments else meeting.body,
            sensitivity="normal" if self._room.processing.remove_private_property else meeting.sensitivity,
            categories=() if before is None else before.categories,
            location=meeting.location or self._room.person.name,
            response=self._response(),
            responded_ms=now,
            show_as=meeting.show_as if self._room.processing.auto_accept else "tentative",
            transaction_id=None,
            extended=(),
            exceptions={day: difference for day, difference in exceptions.items() if difference},
            removed=removed,
            generations={} if before is None else before.generations,
        )

    def _lone_occurrence(self, one: CalendarItem, now: Instant) -> CalendarItem:
        """An occurrence whose series this room does not hold: an exception that stands for itself."""
        held = [item for item in self._room.holding(one.uid) if item.day == one.day]
        plain = msgspec.structs.replace(one, type="exception", series_id=None)
        return self._copy(plain, held[0] if held else None, now)

    def _subject(self, meeting: CalendarItem) -> str:
        processing = self._room.processing
        kept = "" if processing.delete_subject else meeting.subject
        if not processing.add_organizer_to_subject:
            return kept
        return f"{meeting.organizer.name} {kept}".rstrip()

    def _response(self) -> Response:
        return "accepted" if self._room.processing.auto_accept else "notResponded"

    def _conflicts(self, copy: CalendarItem, now: Instant) -> list[CalendarItem]:
        """The occurrences of `copy` (or itself) that meet something else that blocks the room."""
        end = series_end(copy)
        horizon = max(now, copy.start_ms) + HORIZON_MS
        end = horizon if end is None else min(end, horizon)
        wanted = instances(copy, copy.start_ms, end) if copy.recurrence else [copy]
        wanted = [item for item in wanted if item.end_ms > now] or wanted
        wanted = [item for item in wanted if not item.cancelled]
        if not wanted:
            return []
        first = min(item.start_ms for item in wanted)
        last = max(item.end_ms for item in wanted)
        busy = [
            item for item in self._room.calendar.view(first, last) if item.blocks and item.uid != copy.uid
        ]
        starts = [item.start_ms for item in busy]
        longest = max((item.length_ms for item in busy), default=0)
        found: list[CalendarItem] = []
        for item in sorted(wanted, key=lambda one: one.start_ms):
            low = bisect_left(starts, item.start_ms - longest)
            high = bisect_left(starts, item.end_ms)
            if any(item.overlaps(other.start_ms, other.end_ms) for other in busy[low:high]):
                found.append(item)
        return found


def without_day(series: CalendarItem, day: date) -> CalendarItem:
    """The series without one occurrence; should that come back, it has another id."""
    return msgspec.structs.replace(
        series,
        removed=series.removed | {day},
        exceptions={other: difference for other, difference in series.exceptions.items() if other != day},
        generations={**series.generations, day: series.generations.get(day, 0) + 1},
    )


def _as_cancelled(item: CalendarItem) -> dict[str, Any]:
    """What a cancellation changes on the room's copy."""
    return {"cancelled": True, "show_as": "free", "subject": CANCELLED_SUBJECT + item.subject}
