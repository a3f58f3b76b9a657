"""The tenant's mailboxes, and the mail that keeps organizers and rooms in step.

Every public method is one thing that Outlook or an application can do in one mailbox. It takes
effect everywhere at once: responses and cancellations have no travelling time here. Only a room may
take its time to answer (`Variants.attendant_delay_ms`); `settle` lets happen what has become due.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from gateway.core.units import MINUTE_MS, NEVER, Instant
from simulators.exchange.attendant import Attendant, Reply
from simulators.exchange.edits import (
    altered,
    check_neighbours,
    check_times,
    new_join_url,
    put_difference,
    take_out,
)
from simulators.exchange.errors import (
    InvalidRequest,
    NotFound,
    unknown_user,
)
from simulators.exchange.ids import Minter
from simulators.exchange.items import Attendee, CalendarItem, Person, Response, occurrence
from simulators.exchange.mailbox import Listener, Mailbox
from simulators.exchange.recurrence import Recurrence, first_date
from simulators.exchange.times import local_date, same_wall_time
from simulators.exchange.variants import Variants

MessageKind = Literal["accepted", "tentativelyAccepted", "declined", "cancelled", "forwarded"]
Answer = Literal["accepted", "tentativelyAccepted", "declined"]

_KEPT_BY_SENDER: Final = frozenset(
    {"categories", "show_as", "is_reminder_on", "reminder_minutes", "extended", "open_extensions"}
)
"""Changing only these sends nothing to anybody."""


class Message(msgspec.Struct, frozen=True):
    """One message in somebody's inbox. `start_ms`: of the meeting or the occurrence it is about."""

    kind: MessageKind
    sender: str
    to: str
    ical_uid: str
    start_ms: Instant
    sent_ms: Instant
    subject: str
    comment: str = ""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a new event is made from. Fields as in `CalendarItem`."""

    start_ms: Instant
    end_ms: Instant
    subject: str = ""
    body: str = ""
    body_is_text: bool = False
    time_zone: str = "UTC"
    all_day: bool = False
    recurrence: Recurrence | None = None
    attendees: tuple[Attendee, ...] = ()
    location: str = ""
    places: tuple[Mapping[str, Any], ...] = ()
    join_url: str = ""
    show_as: str = "busy"
    sensitivity: str = "normal"
    importance: str = "normal"
    categories: tuple[str, ...] = ()
    response_requested: bool = True
    allow_new_time_proposals: bool = True
    hide_attendees: bool = False
    is_reminder_on: bool = True
    reminder_minutes: int = 15
    transaction_id: str | None = None
    extended: tuple[tuple[str, str], ...] = ()
    open_extensions: tuple[tuple[str, Mapping[str, Any]], ...] = ()


class _Due(msgspec.Struct, frozen=True, order=True):
    """A request that a room has not answered yet."""

    at_ms: Instant
    number: int
    organizer: str
    event_id: str
    room: str


class Mailboxes:
    """All mailboxes of the tenant.

    `deliver_to_people`: people who are invited get a copy of their own, to answer; without it only what
    is mailed to them is kept, which is enough for worlds that look at rooms, and cheaper.
    """

    def __init__(
        self,
        rooms: Iterable[Person],
        *,
        now: Callable[[], Instant],
        seed: int = 0,
        variants: Variants | None = None,
        deliver_to_people: bool = False,
    ) -> None:
        self._now = now
        self._seed = seed
        self.variants = variants or Variants()
        self.deliver_to_people = deliver_to_people
        self.checked_in: dict[tuple[str, str], Instant] = {}
        """By room (address, lower case) and iCalUId: check-ins with Microsoft (`/places/x/checkIns`)."""
        self._due: list[_Due] = []
        self._settled_ms: Instant = NEVER
        self._numbered = 0
        self._rooms: list[Mailbox] = []
        self._released_ms: dict[str, Instant] = {}
        self._minter = Minter(seed)
        self._listeners: list[Listener] = []
        self._by_name: dict[str, Mailbox] = {}
        self._inbox: dict[str, list[Message]] = {}
        for room in rooms:
            self._add(room, is_room=True)

    def now(self) -> Instant:
        """The simulated time, in ms since 1970 UTC."""
        return self._now()

    # Who is there

    def _add(self, person: Person, *, is_room: bool) -> Mailbox:
        box = Mailbox(
            person,
            is_room=is_room,
            seed=self._seed,
            minter=self._minter,
            now=self._now,
            variants=self.variants,
        )
        for listener in self._listeners:
            box.listeners.append(listener)
        self._by_name[person.address.casefold()] = box
        self._by_name[box.id] = box
        if is_room:
            self._rooms.append(box)
        return box

    def add_person(self, address: str, name: str = "") -> Mailbox:
        """Somebody's mailbox, made if it does not exist; the name defaults to one made from the address."""
        found = self._by_name.get(address.casefold())
        if found is not None:
            return found
        spelled = " ".join(address.partition("@")[0].replace(".", " ").split()).title()
        return self._add(Person(name or spelled, address), is_room=False)

    def mailbox(self, user: str) -> Mailbox:
        """The mailbox of an address or object id. Raises `NotFound`."""
        found = self._by_name.get(user.casefold())
        if found is None:
            raise unknown_user(user)
        return found

    def rooms(self) -> list[Mailbox]:
        """The rooms' mailboxes, in the order in which they were given."""
        return list(self._rooms)

    def everybody(self) -> list[Mailbox]:
        """All mailboxes, rooms first, then people in the order in which they appeared."""
        return [box for name, box in self._by_name.items() if name != box.id]

    def listen(self, listener: Listener) -> None:
        """Be told of every change in every mailbox, at once."""
        self._listeners.append(listener)
        for box in self.everybody():
            box.listeners.append(listener)

    def messages_to(self, address: str) -> list[Message]:
        """Everything that was mailed to this address, oldest first."""
        return list(self._inbox.get(address.casefold(), ()))

    def _receiver(self, address: str) -> Mailbox | None:
        """The mailbox that takes requests at this address."""
        found = self._by_name.get(address.casefold())
        return found if found is not None and (found.is_room or self.deliver_to_people) else None

    # What time brings

    def settle(self) -> None:
        """Let happen what has become due: late answers of rooms, and Microsoft's own releases."""
        now = self._now()
        if now == self._settled_ms and not self._due:
            return
        self._settled_ms = now
        while self._due and self._due[0].at_ms <= now:
            due = self._due.pop(0)
            box, room = self._by_name[due.organizer], self._by_name[due.room]
            try:
                item = box.calendar.find(due.event_id)
            except NotFound:
                continue  # cancelled before the room looked at it
            if item.invites(room.address) is not None:
                self._ask(box, item, room)
        for room in self._rooms:
            if room.processing.enable_auto_release:
                self._release_unclaimed(room, now)

    def _release_unclaimed(self, room: Mailbox, now: Instant) -> None:
        """Decline what nobody checked in to in time (Microsoft Places, auto-release)."""
        claim_ms = room.processing.post_reservation_max_claim_time_in_minutes * MINUTE_MS
        since = self._released_ms.get(room.id, now - claim_ms)
        self._released_ms[room.id] = now
        for item in room.calendar.view(since - claim_ms, now - claim_ms + 1):
            begun = since - claim_ms < item.start_ms <= now - claim_ms
            claimed = (room.address.casefold(), item.ical_uid) in self.checked_in
            if (
                begun
                and item.response == "accepted"
                and not item.all_day
                and not item.cancelled
                and not claimed
            ):
                self.respond(room, item.id, "declined", "Nobody checked in, so the room was released.")

    # What an organizer does

    def create(self, box: Mailbox, draft: Draft) -> CalendarItem:
        """A new event that this mailbox organises; rooms among the attendees answer at once.

        No conflict check in the mailbox itself: a direct entry in a room's calendar may double-book.
        """
        for item in box.calendar.items() if draft.transaction_id else ():
            if item.transaction_id == draft.transaction_id:
                return item
        check_times(draft.start_ms, draft.end_ms)
        start_ms = draft.start_ms
        if draft.recurrence is not None:
            start = local_date(start_ms, draft.time_zone)
            start_ms = same_wall_time(start_ms, first_date(draft.recurrence, start), draft.time_zone)
        now = self._now()
        uid = self._minter.uid(now)
        fields = {name: getattr(draft, name) for name in draft.__struct_fields__ if not name.endswith("_ms")}
        if draft.join_url:  # only people's mailboxes have a provider of online meetings
            fields["join_url"] = "" if box.is_room else new_join_url(uid)
        item = CalendarItem(
            id=box.new_id(),
            uid=uid,
            shared_uid=self.variants.occurrence_uid == "shared",
            change_key="",
            created_ms=now,
            modified_ms=now,
            type="singleInstance" if draft.recurrence is None else "seriesMaster",
            organizer=box.person,
            is_organizer=True,
            response="organizer",
            **fields,
            start_ms=start_ms,
            end_ms=start_ms + draft.end_ms - draft.start_ms,
        )
        box.put(item)
        self._send(box, item.id, item.attendees)
        return box.calendar.find(item.id)

    def alter(self, box: Mailbox, event_id: str, changes: Mapping[str, Any]) -> CalendarItem:
        """Change fields of an event (names as in `CalendarItem`); return it as it is then.

        On the organizer's item, attendees are told. On an attendee's copy the change stays there
        until the organizer's next update overwrites it.
        """
        item = box.calendar.find(event_id)
        if changes.get("join_url"):
            join_url = item.join_url or ("" if box.is_room else new_join_url(item.uid))
            changes = {**changes, "join_url": join_url}
        check_times(changes.get("start_ms", item.start_ms), changes.get("end_ms", item.end_ms))
        series = box.calendar.series_of(item)
        if series is None:
            box.put(altered(item, changes))
        else:
            if "recurrence" in changes:
                raise InvalidRequest("Only a series master has a recurrence.")
            check_neighbours(series, item, changes)
            put_difference(box, series, item, changes)
        if item.is_organizer:
            self._tell_changes(box, item, changes)
        return box.calendar.find(event_id)

    def cancel(self, box: Mailbox, event_id: str, comment: str = "") -> None:
        """Cancel a meeting, a series or one occurrence, as its organizer; attendees are told."""
        item = box.calendar.find(event_id)
        if not item.is_organizer:
            raise InvalidRequest(
                "Your request can't be completed. You need to be an organizer to cancel a meeting."
            )
        if not item.attendees:
            raise InvalidRequest("Your request can't be completed. The event has no attendees to notify.")
        self._withdraw(box, item, comment)

    def delete(self, box: Mailbox, event_id: str) -> None:
        """Delete an event. The organizer's deletion cancels; an attendee's is silent."""
        item = box.calendar.find(event_id)
        if item.is_organizer:
            self._withdraw(box, item, "")
        elif self.variants.room_delete == "declines" and not item.cancelled:
            self.respond(box, event_id, "declined")
        else:
            take_out(box, item)

    def forward(self, box: Mailbox, event_id: str, people: Iterable[Person], comment: str = "") -> None:
        """Invite more people. The organizer is told where somebody else forwards."""
        item = box.calendar.find(event_id)
        new = [person for person in people if item.invites(person.address) is None]
        added = tuple(Attendee(person, "optional") for person in new)
        if item.is_organizer:
            self.alter(box, event_id, {"attendees": (*item.attendees, *added)})
            return
        self._mail("forwarded", box.address, item.organizer.address, item, comment)
        organizer = self._by_name.get(item.organizer.address.casefold())
        for theirs in organizer.holding(item.uid) if organizer is not None and item.day is None else ():
            if organizer is not None:
                self.alter(organizer, theirs.id, {"attendees": (*theirs.attendees, *added)})

    # What an attendee does

    def respond(
        self,
        box: Mailbox,
        event_id: str,
        answer: Answer,
        comment: str = "",
        *,
        send: bool = True,
        proposed: tuple[Instant, Instant] | None = None,
    ) -> None:
        """Accept or decline as an attendee, perhaps proposing another time.

        A declined event leaves the calendar at once.
        """
        item = box.calendar.find(event_id)
        if item.is_organizer:
            raise InvalidRequest(
                "Your request can't be completed. "
                "You can't respond to this meeting because you're the meeting organizer."
            )
        if item.cancelled:
            raise InvalidRequest(
                "Your request can't be completed. The meeting has been cancelled.",
                "ErrorCalendarIsCancelledForDecline"
                if answer == "declined"
                else "ErrorCalendarIsCancelledForAccept",
            )
        if answer == "declined":
            was = (
                item if item.day is None else msgspec.structs.replace(item, told=(item.start_ms, item.end_ms))
            )
            box.declined[item.uid, item.day] = was
            series = box.calendar.series_of(item)
            take_out(box, series if series and self.variants.decline_takes == "series" else item)
        else:
            changes: dict[str, Any] = {"response": answer, "responded_ms": self._now()}
            if answer == "accepted" and item.show_as == "tentative":
                changes["show_as"] = "busy"
            series = box.calendar.series_of(item)
            if series is None:
                box.put(msgspec.structs.replace(item, **changes))
            else:
                put_difference(box, series, item, changes)
        if send:
            self._answer(box, item, answer, comment, proposed)

    # Mail between them

    def _tell_changes(self, box: Mailbox, before: CalendarItem, changes: Mapping[str, Any]) -> None:
        """Send what an organizer's change calls for.

        An update that touches only attendees goes only to those that changed, any other to all
        (Graph's event-update page).
        """
        if set(changes) <= _KEPT_BY_SENDER:
            return
        after = box.calendar.find(before.id)
        for attendee in before.attendees:
            if after.invites(attendee.address) is None:
                self._tell_cancelled(before, (attendee,), "")
        told = after.attendees
        if set(changes) <= _KEPT_BY_SENDER | {"attendees"}:
            told = tuple(one for one in told if before.invites(one.address) is None)
        self._send(box, before.id, told)

    def _send(self, box: Mailbox, event_id: str, attendees: Iterable[Attendee]) -> None:
        """Deliver a request to each room among the attendees and enter what it answers, now or later."""
        delay_ms = self.variants.attendant_delay_ms
        for attendee in attendees:
            room = self._receiver(attendee.address)
            if room is None or room is box:
                continue
            item = box.calendar.find(event_id)
            if not delay_ms or not room.is_room:
                self._ask(box, item, room)
                continue
            if item.series_id is None and (item.uid, item.day) not in room.declined:
                Attendant(room).hold(item, self._now())
            self._numbered += 1
            name = room.address.casefold()
            self._due.append(_Due(self._now() + delay_ms, self._numbered, box.id, event_id, name))

    def _ask(self, box: Mailbox, item: CalendarItem, room: Mailbox) -> None:
        """The room looks at the organizer's item and answers."""
        series = box.calendar.series_of(item)
        attendant = Attendant(room)
        if series is None:
            reply = attendant.request(item, self._now())
        else:
            reply = attendant.request_one(series, item, self._now())
        self._enter_reply(box, item, room, reply)

    def _enter_reply(self, box: Mailbox, item: CalendarItem, room: Mailbox, reply: Reply) -> None:
        if reply.response in ("accepted", "declined"):
            answer: Answer = "accepted" if reply.response == "accepted" else "declined"
            self._note_response(box, item, room.address, answer)
            self._mail_response(room, item, answer, reply.comment)
        for day in reply.declined_days:
            one = occurrence(box.calendar.find(item.id), day)
            self._note_response(box, one, room.address, "declined")
            self._mail_response(room, one, "declined", "The room is not free for this occurrence.")

    def _answer(
        self,
        box: Mailbox,
        item: CalendarItem,
        answer: Answer,
        comment: str,
        proposed: tuple[Instant, Instant] | None = None,
    ) -> None:
        """Take an attendee's response to the organizer's mailbox, if it is still there to take it."""
        organizer = self._by_name.get(item.organizer.address.casefold())
        self._mail_response(box, item, answer, comment)
        if organizer is None:
            return
        for held in organizer.holding(item.uid):
            theirs = held
            if item.day is not None and held.recurrence is not None:
                if item.day in held.removed:
                    continue
                theirs = occurrence(held, item.day)
            self._note_response(organizer, theirs, box.address, answer, proposed)

    def _note_response(
        self,
        box: Mailbox,
        item: CalendarItem,
        address: str,
        answer: Response,
        proposed: tuple[Instant, Instant] | None = None,
    ) -> None:
        """Show an attendee's response on the organizer's item."""
        now = self._now()
        attendees = tuple(
            msgspec.structs.replace(one, response=answer, responded_ms=now, proposed=proposed)
            if one.address.casefold() == address.casefold()
            else one
            for one in item.attendees
        )
        series = box.calendar.series_of(item)
        if series is not None:
            put_difference(box, series, item, {"attendees": attendees})
            return
        # An answer to the whole series is the answer to each occurrence, whatever was answered before.
        exceptions = {
            day: rest
            for day, difference in item.exceptions.items()
            if (rest := {name: value for name, value in difference.items() if name != "attendees"})
        }
        box.put(msgspec.structs.replace(item, attendees=attendees, exceptions=exceptions))

    def _withdraw(self, box: Mailbox, item: CalendarItem, comment: str) -> None:
        """Take an organizer's event away and tell everybody."""
        take_out(box, item)
        self._tell_cancelled(item, item.attendees, comment)

    def _tell_cancelled(self, item: CalendarItem, attendees: Iterable[Attendee], comment: str) -> None:
        for attendee in attendees:
            room = self._receiver(attendee.address)
            if room is None or not room.is_room:
                self._mail("cancelled", item.organizer.address, attendee.address, item, comment)
            if room is None:
                continue
            if item.day is None:
                Attendant(room).cancelled(item.uid)
            else:
                Attendant(room).cancelled_one(item.uid, item.day)

    def _mail_response(self, sender: Mailbox, item: CalendarItem, answer: Answer, comment: str) -> None:
        self._mail(answer, sender.address, item.organizer.address, item, comment)

    def _mail(self, kind: MessageKind, sender: str, to: str, item: CalendarItem, comment: str) -> None:
        message = Message(kind, sender, to, item.ical_uid, item.start_ms, self._now(), item.subject, comment)
        self._inbox.setdefault(to.casefold(), []).append(message)


def attendee(person: Person, *, resource: bool = False) -> Attendee:
    """An invitation to a person, or to a room as a resource."""
    return Attendee(person, "resource" if resource else "required", "none", NEVER)
