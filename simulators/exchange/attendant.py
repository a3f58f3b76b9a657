"""The booking attendant of a room: accepts when free, declines when busy, follows updates and cancellations.

After the Resource Booking Attendant (Set-CalendarProcessing, Exchange Online defaults). What
Microsoft does not document is done as follows:

- An update of a meeting that the room declined is a new request: if the room is free it accepts
  again, as a new item with the same iCalUId.
- An update carries the full times: a start or end that was changed on the room's copy is lost.
- Accepting a whole series brings back occurrences that the room had declined.
- Occurrences that have ended are not looked at for conflicts, unless all have.

Where it might be otherwise, `simulators.exchange.variants` has a switch.
"""

from bisect import bisect_left
from collections.abc import Callable
from datetime import date
from typing import Any, Final

import msgspec

from gateway.core.units import DAY_MS, MINUTE_MS, NEVER, Duration, Instant
from simulators.exchange.items import CalendarItem, Response, instances, series_end
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.recurrence import WEEKDAYS
from simulators.exchange.times import local_date, local_minute

HORIZON_MS: Final[Duration] = 180 * DAY_MS
"""How far a series is checked for conflicts where its room has no booking window."""

CANCELLED_SUBJECT: Final = "Canceled: "

_SHARED_DIFFERENCES: Final = ("start_ms", "end_ms", "location", "places", "show_as")
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

    def hold(self, meeting: CalendarItem, now: Instant) -> None:
        """A request came in and is not answered yet: it is entered as tentative."""
        if self._room.processing.add_new_requests_tentatively:
            held = self._held(meeting.uid)
            self._room.put(self._copy(meeting, held, now, pending=True))

    def request(self, meeting: CalendarItem, now: Instant) -> Reply:
        """A meeting, or a whole series, is new or was updated. `meeting` is the organizer's item."""
        room = self._room
        before = self._held(meeting.uid)
        if before is None and not self._asked_anew(meeting, (meeting.uid, meeting.day)):
            return Reply("none")
        policy = self._by_policy(meeting)
        copy = self._copy(meeting, before, now, pending=policy != "accepted")
        why = "This request was not sent by somebody who may book." if policy == "declined" else ""
        unattended = not room.processing.auto_accept  # AutoUpdate enters requests and judges none
        why = why or ("" if unattended else self._against_the_rules(copy, now))
        anything_goes = room.processing.allow_conflicts or unattended or bool(why)
        conflicts = [] if anything_goes else self._conflicts(copy, now)
        if why or not self._may_lose(copy, conflicts, now):
            self.forget(meeting.uid)
            return Reply("declined", why or "The room is not free for this meeting.")
        self.forget(meeting.uid, but=before)
        days = tuple(item.day for item in conflicts if item.day is not None)
        for day in (*days, *self._lost(copy)):
            copy = without_day(copy, day)
        room.put(self._until_the_window_ends(copy, now))
        self._answered(meeting.uid, meeting.day)
        return Reply(copy.response, declined_days=days)

    def request_one(self, series: CalendarItem, one: CalendarItem, now: Instant) -> Reply:
        """One occurrence of a series is new or was updated. `one` is the organizer's occurrence."""
        if one.day is None:
            raise AssertionError("an occurrence has a day")
        room = self._room
        key = (one.uid, one.day)
        if key in room.declined and not self._asked_anew(one, key):
            return Reply("none")
        busy = [
            other
            for other in room.calendar.view(one.start_ms, one.end_ms)
            if other.blocks
            and (other.uid, other.day) != (one.uid, one.day)
            and other.response != "notResponded"
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
        self._answered(*key)
        return Reply(self._response())

    def _held(self, uid: str) -> CalendarItem | None:
        held = [item for item in self._room.holding(uid) if item.day is None and not item.cancelled]
        return held[0] if held else None

    # After a decline

    def _asked_anew(self, meeting: CalendarItem, key: tuple[str, date | None]) -> bool:
        """Whether a request for something that the room declined is looked at."""
        was = self._room.declined.get(key)
        if was is None or self._room.variants.reaccepts == "any_update":
            return True
        if self._room.variants.reaccepts == "never":
            return False
        return was.told != (meeting.start_ms, meeting.end_ms) or was.recurrence != meeting.recurrence

    def _answered(self, uid: str, day: date | None) -> None:
        """What had been declined before is so no longer; a whole series stands for its occurrences."""
        declined = self._room.declined
        whole = day is None and self._room.variants.series_update_restores
        for key in [key for key in declined if key == (uid, day) or (whole and key[0] == uid)]:
            del declined[key]

    # The room's rules

    def _by_policy(self, meeting: CalendarItem) -> Response:
        """Accepted, declined, or `none`: it waits for somebody's approval."""
        processing = self._room.processing
        if not processing.auto_accept:
            return "none"
        sender = meeting.organizer.address.casefold()
        if processing.all_book_in_policy or sender in {one.casefold() for one in processing.book_in_policy}:
            return "accepted"
        return "none" if processing.all_request_in_policy else "declined"

    def _against_the_rules(self, copy: CalendarItem, now: Instant) -> str:
        """Why the room's settings forbid the meeting, or nothing."""
        processing = self._room.processing
        rules: tuple[tuple[str, Callable[[], bool]], ...] = (
            (
                "The room does not take recurring meetings.",
                lambda: copy.recurrence is not None and not processing.allow_recurring_meetings,
            ),
            (
                "The meeting is longer than the room allows.",
                lambda: 0 < processing.maximum_duration_in_minutes * MINUTE_MS < copy.length_ms,
            ),
            ("The meeting ends after the room's booking window.", lambda: self._too_far(copy, now)),
            (
                "The room is booked in its working hours only.",
                lambda: processing.schedule_only_during_work_hours and not self._within_work_hours(copy),
            ),
        )
        return next((words for words, forbids in rules if forbids()), "")

    def _window_end(self, now: Instant) -> Instant | None:
        days = self._room.processing.booking_window_in_days
        return now + days * DAY_MS if days else None

    def _too_far(self, copy: CalendarItem, now: Instant) -> bool:
        end = self._window_end(now)
        if end is None:
            return False
        if copy.recurrence is not None and self._room.processing.enforce_scheduling_horizon:
            last = series_end(copy)
            return last is None or last > end
        return copy.start_ms > end

    def _until_the_window_ends(self, copy: CalendarItem, now: Instant) -> CalendarItem:
        """A series that may lose its end: without what lies after the booking window."""
        end, last = self._window_end(now), series_end(copy)
        if copy.recurrence is None or end is None or (last is not None and last <= end):
            return copy
        until = local_date(end, copy.time_zone)
        rule = msgspec.structs.replace(copy.recurrence, count=None, until=until)
        return msgspec.structs.replace(copy, recurrence=rule)

    def _lost(self, copy: CalendarItem) -> tuple[date, ...]:
        """Occurrences that the room declined and that an update of the series does not bring back."""
        if self._room.variants.series_update_restores or copy.recurrence is None:
            return ()
        days = (day for uid, day in self._room.declined if uid == copy.uid and day is not None)
        return tuple(sorted(day for day in days if day not in copy.removed))

    def _within_work_hours(self, copy: CalendarItem) -> bool:
        hours, zone_name = self._room.work_hours, self._room.time_zone
        day = WEEKDAYS[local_date(copy.start_ms, zone_name).weekday()]
        begins = local_minute(copy.start_ms, zone_name)
        lasts = copy.length_ms / MINUTE_MS
        return day in hours.days and hours.start_min <= begins and begins + lasts <= hours.end_min

    def _may_lose(self, copy: CalendarItem, conflicts: list[CalendarItem], now: Instant) -> bool:
        """Whether a meeting with these conflicts is accepted, without them."""
        if not conflicts or copy.recurrence is None:
            return not conflicts
        processing = self._room.processing
        total = len(self._wanted(copy, now))
        return (
            len(conflicts) <= processing.maximum_conflict_instances
            or len(conflicts) * 100 <= processing.conflict_percentage_allowed * total
        ) and len(conflicts) < total

    # Cancellations

    def cancelled(self, uid: str) -> None:
        """The organizer cancelled the meeting or the whole series."""
        self._answered(uid, None)
        for item in self._room.holding(uid):
            if self._room.processing.remove_canceled_meetings:
                self._room.drop(item)
            elif not item.cancelled:
                self._room.put(msgspec.structs.replace(item, **_as_cancelled(item)))

    def cancelled_one(self, uid: str, day: date) -> None:
        """The organizer cancelled one occurrence."""
        self._answered(uid, day)
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

    def _copy(
        self, meeting: CalendarItem, before: CalendarItem | None, now: Instant, *, pending: bool = False
    ) -> CalendarItem:
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
                elif "categories" in difference and self._room.variants.update_keeps_categories:
                    exceptions.setdefault(day, {})["categories"] = difference["categories"]
        told = (meeting.start_ms, meeting.end_ms)
        times = told
        if before is not None and self._room.variants.room_patch == "sticky" and before.told == told:
            times = (before.start_ms, before.end_ms)
        kept = before is not None and self._room.variants.update_keeps_categories
        response: Response = "notResponded" if pending else self._response()
        return msgspec.structs.replace(
            meeting,
            id=self._id_of_copy(meeting) if before is None else before.id,
            start_ms=times[0],
            end_ms=times[1],
            told=told,
            created_ms=now if before is None else before.created_ms,
            is_organizer=False,
            subject=self._subject(meeting),
            body="" if self._room.processing.delete_comments else meeting.body,
            sensitivity="normal" if self._room.processing.remove_private_property else meeting.sensitivity,
            categories=before.categories if before is not None and kept else (),
            location=meeting.location or self._room.person.name,
            response=response,
            responded_ms=now if response == "accepted" else NEVER,
            show_as=self._shown_as(meeting, pending=pending),
            transaction_id=None,
            extended=before.extended if before is not None else (),
            open_extensions=before.open_extensions if before is not None else (),
            exceptions={day: difference for day, difference in exceptions.items() if difference},
            removed=removed,
            generations={} if before is None else before.generations,
        )

    def _id_of_copy(self, meeting: CalendarItem) -> str:
        was = self._room.declined.get((meeting.uid, meeting.day))
        if was is not None and self._room.variants.reaccepted_id == "same":
            return was.id
        return self._room.new_id()

    def _shown_as(self, meeting: CalendarItem, *, pending: bool) -> str:
        processing = self._room.processing
        if processing.auto_accept and not pending:
            return meeting.show_as
        return "tentative" if processing.tentative_pending_approval else "free"

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

    def _wanted(self, copy: CalendarItem, now: Instant) -> list[CalendarItem]:
        """What of a meeting is to be looked at: its occurrences to come, within the booking window."""
        end = series_end(copy)
        horizon = max(now, copy.start_ms) + HORIZON_MS
        end = horizon if end is None else min(end, horizon)
        wanted = instances(copy, copy.start_ms, end) if copy.recurrence else [copy]
        wanted = [item for item in wanted if item.end_ms > now] or wanted
        return [item for item in wanted if not item.cancelled]

    def _conflicts(self, copy: CalendarItem, now: Instant) -> list[CalendarItem]:
        """The occurrences of `copy` (or itself) that meet something else that blocks the room."""
        wanted = self._wanted(copy, now)
        if not wanted:
            return []
        first = min(item.start_ms for item in wanted)
        last = max(item.end_ms for item in wanted)
        busy = [
            item
            for item in self._room.calendar.view(first, last)
            if item.blocks and item.uid != copy.uid and item.response != "notResponded"
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


def without_day(series: CalendarItem, day: date, *, same_id: bool = False) -> CalendarItem:
    """The series without one occurrence; should that come back, it has another id, or the `same_id`."""
    return msgspec.structs.replace(
        series,
        removed=series.removed | {day},
        exceptions={other: difference for other, difference in series.exceptions.items() if other != day},
        generations={**series.generations, day: series.generations.get(day, 0) + (not same_id)},
    )


def _as_cancelled(item: CalendarItem) -> dict[str, Any]:
    """What a cancellation changes on the room's copy."""
    return {"cancelled": True, "show_as": "free", "subject": CANCELLED_SUBJECT + item.subject}
