"""The two mailboxes of a rehearsal: what is done in them, and what they show afterwards.

Reads are complete or raise, as everywhere. Every ExchangeError is the caller's to take for an observation.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from typing import Any, Final, TypeVar

import msgspec

from gateway.core.booking import Booking
from gateway.core.units import Duration, Instant
from gateway.exchange.client import GraphClient, Patience
from gateway.exchange.errors import ConflictError, ItemGoneError, MalformedError, RefusedError
from gateway.exchange.models import FIELDS, GraphEvent, parse_event, to_booking
from gateway.exchange.moments import as_datetime
from gateway.exchange.own import graph_time
from gateway.exchange.rehearsal.plan import MOVE_MS, OCCURRENCES, Plan, Slot

T = TypeVar("T")
Json = dict[str, Any]
Mailbox = str

POLL_S: Final = 3.0
"""Between two looks while something is waited for: a rehearsal must not use up the room's requests."""
WAIT_S: Final = 240.0
"""How long at most something expected is waited for. Exchange promises nothing."""
QUIET_S: Final = 20.0
"""How long at least it takes until "nothing has happened" is believed."""
MAX_PAGES: Final = 20
PAGE_SIZE: Final = 100
SELECT: Final = ",".join((*FIELDS, "subject", "organizer"))

COMMENT: Final = "A rehearsal by the occupancy gateway; nothing to do."


class Entry(msgspec.Struct, frozen=True):
    """One calendar entry as a mailbox shows it."""

    event: GraphEvent
    subject: str
    etag: str
    answers: Mapping[str, str]
    """By attendee (address in lower case): what it answered."""

    @property
    def id(self) -> str:
        """Its id in this mailbox."""
        return self.event.id

    @property
    def uid(self) -> str:
        """The iCalUId."""
        return self.event.ical_uid or ""

    @property
    def start(self) -> Instant:
        """When it starts."""
        return self.event.start.instant

    @property
    def end(self) -> Instant:
        """When it ends."""
        return self.event.end.instant

    @property
    def holds(self) -> bool:
        """Whether it stands, and the mailbox has accepted or organises it."""
        return not self.event.cancelled and (self.event.room_organises or self.event.response == "accepted")

    @property
    def root(self) -> str:
        """The id to delete it by: its series', where it belongs to one."""
        return self.event.series_id or self.event.id


def parse_entry(item: Any) -> Entry:
    """The entry in Graph's JSON. Raises MalformedError."""
    event = parse_event(item)
    answers: dict[str, str] = {}
    for one in item.get("attendees") or ():
        try:
            address, status = one["emailAddress"]["address"], one.get("status") or {}
        except (KeyError, TypeError) as error:
            raise MalformedError("an attendee without an address") from error
        answers[str(address).casefold()] = str(status.get("response") or "none")
    return Entry(event, str(item.get("subject") or ""), str(item.get("@odata.etag") or ""), answers)


class Meeting(msgspec.Struct, frozen=True):
    """What was prepared for one question. `room`: the room's entries of it when it was accepted, by start."""

    slot: Slot
    organizer_id: str
    """Of the meeting, or of the whole series, in the mailbox that organises it."""
    uid: str
    room: tuple[Entry, ...] = ()

    @property
    def copy(self) -> Entry:
        """The room's only entry, or its first."""
        return self.room[0]


Sleep = Callable[[float], Awaitable[None]]
Connect = Callable[[int, Patience], GraphClient]


class Stage:
    """The room's and the organizer's mailbox during one rehearsal."""

    def __init__(
        self,
        client: GraphClient,
        plan: Plan,
        room: Mailbox,
        organizer: Mailbox,
        *,
        connect: Connect,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.client = client
        self.plan = plan
        self.room = room
        self.organizer = organizer
        self.connect = connect
        """A further client, with so many requests at once."""
        self.slowest_s = 0.0
        """How long the room's slowest answer took."""
        self.created: list[Slot] = []
        """Of whose entries the creation was begun; whether they came to be is another question."""
        self.uids: set[str] = set()
        """iCalUIds of everything that is known to be the rehearsal's."""
        self.there_before: set[str] = set()
        """Ids of what the room showed before anything was done."""
        self.sleep = sleep

    # -- looking

    async def entries(self, mailbox: Mailbox) -> list[Entry]:
        """Everything in the mailbox within the plan's window, all pages, by start."""
        start, end = self.plan.window
        params: dict[str, str] | None = {**span(start, end), "$select": SELECT, "$top": str(PAGE_SIZE)}
        url = self.client.url("users", mailbox, "calendarView")
        found: list[Entry] = []
        for _ in range(MAX_PAGES):
            page = await self.client.get(url, params, urgent=True)
            items = page.get("value")
            if not isinstance(items, list):
                raise MalformedError("a page without a list of items")
            found += map(parse_entry, items)
            link = page.get("@odata.nextLink")
            if link is None:
                return sorted(found, key=lambda entry: (entry.start, entry.id))
            url, params = str(link), None
        raise MalformedError(f"a calendar of more than {MAX_PAGES} pages")

    async def in_room(self, slot: Slot) -> list[Entry]:
        """What the room shows in the time of one question, cancelled entries left out."""
        return [
            entry
            for entry in await self.entries(self.room)
            if slot.touches(entry.start, entry.end) and not entry.event.cancelled
        ]

    async def at_organizer(self, slot: Slot) -> list[Entry]:
        """The same at the organizer."""
        return [
            entry
            for entry in await self.entries(self.organizer)
            if slot.touches(entry.start, entry.end)
            and not entry.event.cancelled
            and entry.subject == self.plan.subject
        ]

    async def holding(self, slot: Slot) -> list[Entry]:
        """What of it the room has accepted."""
        return [entry for entry in await self.in_room(slot) if entry.holds]

    def room_answer(self, entry: Entry) -> str:
        """What the organizer's entry shows for the room."""
        return entry.answers.get(self.room.casefold(), "none")

    # -- waiting

    @property
    def quiet_s(self) -> float:
        """How long it takes until "nothing has happened" is believed: longer than anything took so far."""
        return max(QUIET_S, 2 * self.slowest_s + POLL_S)

    async def quiet(self) -> None:
        """Give everything that may still happen its time."""
        await self.sleep(self.quiet_s)

    async def until(self, look: Callable[[], Awaitable[T]], limit_s: float = WAIT_S) -> T:
        """Look until there is something, at most `limit_s` seconds of waiting; the last look's answer."""
        waited_s = 0.0
        found = await look()
        while not found and waited_s < limit_s:
            await self.sleep(POLL_S)
            waited_s += POLL_S
            found = await look()
        return found

    # -- doing

    async def invite(self, slot: Slot) -> Meeting:
        """Create the slot's entry: at the organizer with the room invited, or in the room alone."""
        own = slot.needs == "own_booking"
        created = await self.create(self.room if own else self.organizer, self.body(slot))
        uid = str(created.get("iCalUId") or "")
        self.uids.add(uid)
        return Meeting(slot, str(created.get("id") or ""), uid)

    def body(self, slot: Slot) -> Json:
        """The JSON that creates the slot's entry."""
        self.created.append(slot)
        body: Json = {
            "subject": self.plan.subject,
            "body": {"contentType": "text", "content": COMMENT},
            "start": graph_time(slot.start),
            "end": graph_time(slot.end),
            "isReminderOn": False,
            "transactionId": slot.transaction,
        }
        if slot.needs != "own_booking":
            body["attendees"] = [{"emailAddress": {"address": self.room}, "type": "resource"}]
        if slot.needs == "series":
            body["recurrence"] = {
                "pattern": {"type": "daily", "interval": 1},
                "range": {
                    "type": "numbered",
                    "startDate": as_datetime(slot.start).date().isoformat(),
                    "numberOfOccurrences": OCCURRENCES,
                },
            }
        return body

    async def create(self, mailbox: Mailbox, body: Json) -> Json:
        """The created event."""
        url = self.client.url("users", mailbox, "events")
        return (await self.client.submit("POST", url, body)).json()

    async def change(self, mailbox: Mailbox, event_id: str, body: Json, *, if_match: str = "") -> str:
        """PATCH; what it was refused with, empty if it was done."""
        return await self._act("PATCH", mailbox, (event_id,), body, if_match)

    async def delete(self, mailbox: Mailbox, event_id: str, *, if_match: str = "") -> str:
        """DELETE; what it was refused with, empty if it was done."""
        return await self._act("DELETE", mailbox, (event_id,), None, if_match)

    async def decline(self, event_id: str, *, if_match: str = "") -> str:
        """Decline as the room, as a release does; what it was refused with, empty if it was done."""
        body = {"comment": COMMENT, "sendResponse": True}
        return await self._act("POST", self.room, (event_id, "decline"), body, if_match)

    async def _act(
        self, method: str, mailbox: Mailbox, path: tuple[str, ...], body: Json | None, if_match: str
    ) -> str:
        url = self.client.url("users", mailbox, "events", *path)
        headers = {"If-Match": if_match} if if_match else None
        try:
            await self.client.submit(method, url, body, headers=headers)
        except (RefusedError, ConflictError, ItemGoneError) as error:
            return f"{error.status} {error.code}".strip()
        return ""

    # -- the organizer's edits

    async def edit(self, event_id: str) -> None:
        """The organizer changes the text, and nothing else. Raises RefusedError."""
        await self._must(
            self.organizer, event_id, {"body": {"contentType": "text", "content": f"{COMMENT} (2)"}}
        )

    async def move(self, meeting: Meeting, by_ms: Duration = MOVE_MS) -> None:
        """The organizer changes the time. Raises RefusedError."""
        start, end = meeting.slot.start + by_ms, meeting.slot.end + by_ms
        await self._must(
            self.organizer, meeting.organizer_id, {"start": graph_time(start), "end": graph_time(end)}
        )

    async def _must(self, mailbox: Mailbox, event_id: str, body: Json) -> None:
        await self.client.submit("PATCH", self.client.url("users", mailbox, "events", event_id), body)


def span(start: Instant, end: Instant) -> dict[str, str]:
    """A window as Graph's query has it."""
    return {
        name: as_datetime(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name, moment in (("startDateTime", start), ("endDateTime", end))
    }


def booking(entry: Entry) -> Booking:
    """The booking that the gateway would see. Raises MalformedError."""
    return to_booking(entry.event, UTC)
