"""What tests, demos and simulated people do in the calendars directly, without HTTP."""

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.core.units import Instant
from simulators.exchange.errors import item_not_found
from simulators.exchange.items import Attendee, CalendarItem, first_day, occurrence
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.mailboxes import Draft, Mailboxes, Message, attendee
from simulators.exchange.recurrence import Recurrence, dates_between
from simulators.exchange.times import local_date, same_wall_time


class OrganizerEvent(msgspec.Struct, frozen=True):
    """A handle on an event in its organizer's mailbox. It stays valid while the event exists."""

    organizer: str
    id: str
    ical_uid: str


class Bookings:
    """Booking, moving and cancelling by address and instant (ms since 1970 UTC).

    `occurrence` is always the original start of one occurrence of a series; without it the whole
    event is meant. Errors are those of `simulators.exchange.errors`.
    """

    def __init__(self, mailboxes: Mailboxes) -> None:
        self.mailboxes = mailboxes

    def book(
        self,
        organizer: str,
        rooms: str | Sequence[str],
        start_ms: Instant,
        end_ms: Instant,
        *,
        subject: str = "Meeting",
        recurrence: Recurrence | None = None,
        attendees: Sequence[str] = (),
        time_zone: str = "UTC",
        **fields: Any,
    ) -> OrganizerEvent:
        """An organizer books rooms; whether each accepted is in `status`. More `fields` as in `Draft`."""
        box = self.mailboxes.add_person(organizer)
        invited = [attendee(self.mailboxes.add_person(one).person) for one in attendees]
        invited += [self._as_resource(room) for room in _as_list(rooms)]
        draft = Draft(
            start_ms=start_ms,
            end_ms=end_ms,
            subject=subject,
            recurrence=recurrence,
            attendees=tuple(invited),
            time_zone=time_zone,
            **fields,
        )
        return _handle(box, self.mailboxes.create(box, draft))

    def book_in_room(
        self,
        room: str,
        start_ms: Instant,
        end_ms: Instant,
        *,
        subject: str = "Walk-up",
        attendees: Sequence[str] = (),
        **fields: Any,
    ) -> OrganizerEvent:
        """An entry made in the room's own calendar: the room organises it, nothing checks conflicts."""
        box = self.mailboxes.mailbox(room)
        invited = tuple(attendee(self.mailboxes.add_person(one).person) for one in attendees)
        draft = Draft(start_ms=start_ms, end_ms=end_ms, subject=subject, attendees=invited, **fields)
        return _handle(box, self.mailboxes.create(box, draft))

    def move(
        self, event: OrganizerEvent, start_ms: Instant, end_ms: Instant, *, occurrence: Instant | None = None
    ) -> None:
        """The organizer changes the time."""
        self.change(event, occurrence=occurrence, start_ms=start_ms, end_ms=end_ms)

    def change(self, event: OrganizerEvent, *, occurrence: Instant | None = None, **fields: Any) -> None:
        """The organizer changes fields (names as in `CalendarItem`); all attendees get the update."""
        box = self.mailboxes.mailbox(event.organizer)
        self.mailboxes.alter(box, self.event(event, occurrence=occurrence).id, fields)

    def add_room(self, event: OrganizerEvent, room: str, *, occurrence: Instant | None = None) -> None:
        """The organizer adds a room, or adds one again that has declined."""
        item = self.event(event, occurrence=occurrence)
        box = self.mailboxes.mailbox(event.organizer)
        if item.invites(room) is not None:
            self.remove_room(event, room, occurrence=occurrence)
            item = self.event(event, occurrence=occurrence)
        self.mailboxes.alter(box, item.id, {"attendees": (*item.attendees, self._as_resource(room))})

    def remove_room(self, event: OrganizerEvent, room: str, *, occurrence: Instant | None = None) -> None:
        """The organizer takes a room off the meeting; the room gets a cancellation."""
        item = self.event(event, occurrence=occurrence)
        gone = item.invites(room)
        if gone is None:
            raise item_not_found()
        left = tuple(one for one in item.attendees if one is not gone)
        self.mailboxes.alter(self.mailboxes.mailbox(event.organizer), item.id, {"attendees": left})

    def cancel(self, event: OrganizerEvent, *, occurrence: Instant | None = None, comment: str = "") -> None:
        """The organizer cancels; an event without attendees is deleted."""
        item = self.event(event, occurrence=occurrence)
        box = self.mailboxes.mailbox(event.organizer)
        if item.attendees:
            self.mailboxes.cancel(box, item.id, comment)
        else:
            self.mailboxes.delete(box, item.id)

    def event(self, event: OrganizerEvent, *, occurrence: Instant | None = None) -> CalendarItem:
        """The organizer's own item. Raises `NotFound` where it is gone."""
        self.mailboxes.settle()
        item = self.mailboxes.mailbox(event.organizer).calendar.find(event.id)
        return item if occurrence is None else _occurrence_at(item, occurrence)

    def status(self, event: OrganizerEvent, room: str, *, occurrence: Instant | None = None) -> Attendee:
        """What the organizer's event shows for a room: `response` and `responded_ms`."""
        found = self.event(event, occurrence=occurrence).invites(room)
        if found is None:
            raise item_not_found()
        return found

    def calendar(self, user: str, start_ms: Instant, end_ms: Instant) -> list[CalendarItem]:
        """The truth: everything in a calendar between two instants, series expanded, by start."""
        self.mailboxes.settle()
        return self.mailboxes.mailbox(user).calendar.view(start_ms, end_ms)

    def messages_to(self, address: str) -> list[Message]:
        """Everything that was mailed to this address, oldest first."""
        return self.mailboxes.messages_to(address)

    def _as_resource(self, room: str) -> Attendee:
        return attendee(self.mailboxes.mailbox(room).person, resource=True)


def _as_list(rooms: str | Sequence[str]) -> Sequence[str]:
    return [rooms] if isinstance(rooms, str) else rooms


def _handle(box: Mailbox, item: CalendarItem) -> OrganizerEvent:
    return OrganizerEvent(box.address, item.id, item.ical_uid)


def _occurrence_at(series: CalendarItem, original_start_ms: Instant) -> CalendarItem:
    """The occurrence whose original start this is."""
    day = local_date(original_start_ms, series.time_zone)
    regular = series.recurrence and dates_between(series.recurrence, first_day(series), day, day)
    if not regular or same_wall_time(series.start_ms, day, series.time_zone) != original_start_ms:
        raise item_not_found()
    return occurrence(series, day)
