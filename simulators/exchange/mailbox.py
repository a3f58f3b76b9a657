"""One mailbox: its items, how they stood a while ago, and how a room's attendant is set up."""

from collections.abc import Callable
from datetime import date
from typing import Final, Literal

import msgspec

from gateway.core.units import HOUR_MS, Duration, Instant
from simulators.exchange.calendars import Calendar
from simulators.exchange.ids import Minter, guid
from simulators.exchange.items import CalendarItem, Person
from simulators.exchange.recurrence import Weekday
from simulators.exchange.variants import Variants

MailboxState = Literal["ready", "not_enabled", "denied"]

HISTORY_MS: Final[Duration] = HOUR_MS
"""How long the past stays readable, for stale answers."""


class Processing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `Set-CalendarProcessing` says about a room. Defaults as in Exchange Online.

    Not simulated: delegates other than the application, and external senders.
    """

    auto_accept: bool = True
    """AutomateProcessing AutoAccept; False is AutoUpdate: requests stay tentative."""
    allow_conflicts: bool = False
    conflict_percentage_allowed: int = 0
    maximum_conflict_instances: int = 0
    """Up to so many conflicting occurrences (or the percentage) are declined one by one; above, all."""
    allow_recurring_meetings: bool = True
    booking_window_in_days: int = 180
    enforce_scheduling_horizon: bool = True
    """Series that end after the booking window are declined; False: they lose what lies after it."""
    maximum_duration_in_minutes: int = 1_440
    """0: no limit."""
    schedule_only_during_work_hours: bool = False
    all_book_in_policy: bool = True
    """False: only `book_in_policy` (addresses) is accepted automatically."""
    book_in_policy: tuple[str, ...] = ()
    all_request_in_policy: bool = False
    """Requests of the others wait for approval; False: they are declined."""
    tentative_pending_approval: bool = True
    """What waits for approval is shown tentative; False: free."""
    add_new_requests_tentatively: bool = True
    """A request stands in the calendar before it is answered."""
    add_organizer_to_subject: bool = True
    delete_subject: bool = True
    delete_comments: bool = True
    remove_private_property: bool = True
    remove_canceled_meetings: bool = False
    enable_auto_release: bool = False
    """Microsoft's own release of bookings that nobody checked in to: a second decider."""
    post_reservation_max_claim_time_in_minutes: int = 10
    """How long after the start it waits for a check-in."""


AS_A_PERSON: Final = Processing(
    auto_accept=False,
    allow_conflicts=True,
    booking_window_in_days=0,
    maximum_duration_in_minutes=0,
    add_organizer_to_subject=False,
    delete_subject=False,
    delete_comments=False,
    remove_private_property=False,
)
"""Requests to people: entered tentatively, for them to answer."""


class WorkHours(msgspec.Struct, frozen=True):
    """When a mailbox works. Minutes since midnight, in its own zone."""

    days: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday")
    start_min: int = 480
    end_min: int = 1_020


Listener = Callable[["Mailbox", str, CalendarItem], None]


class Mailbox:
    """A room's or a person's mailbox. Written to by `Mailboxes` and the attendant only."""

    def __init__(
        self,
        person: Person,
        *,
        is_room: bool,
        seed: int,
        minter: Minter,
        now: Callable[[], Instant],
        variants: Variants,
    ) -> None:
        self.person = person
        self.is_room = is_room
        self.id = guid(seed, "user", person.address.casefold())
        """The Entra object id; Graph takes it in place of the address."""
        self.state: MailboxState = "ready"
        """Settable: a mailbox may be missing, or closed to the application."""
        self.processing = Processing() if is_room else AS_A_PERSON
        self.time_zone = "UTC"
        self.work_hours = WorkHours()
        self.variants = variants
        self.declined: dict[tuple[str, date | None], CalendarItem] = {}
        """What this mailbox declined and was not asked anew: as it was, by iCalUId and date."""
        self.listeners: list[Listener] = []
        """Told of each change: "created", "updated" or "deleted", and the stored item."""
        self.revision = 0
        """Moves with every change; what was rendered for one revision holds for all of it."""
        self._minter = minter
        self._now = now
        self._items: dict[str, CalendarItem] = {}
        self._by_uid: dict[str, set[str]] = {}
        self._since = now()
        self._past: list[tuple[Instant, dict[str, CalendarItem]]] = []
        self.calendar = Calendar(self._items)

    @property
    def calendar_id(self) -> str:
        """The id of its only calendar. Containers have no immutable form (Graph's page on immutable ids)."""
        return f"AAMkAG{self.id.replace('-', '')}AAA="

    @property
    def address(self) -> str:
        """The address, as written."""
        return self.person.address

    def new_id(self) -> str:
        """An id for an item that this mailbox does not hold yet."""
        return self._minter.item_id(self.id)

    def new_change_key(self) -> str:
        """A change key that no item of this mailbox has had."""
        return self._minter.change_key(self.id)

    def holding(self, uid: str) -> list[CalendarItem]:
        """The stored items of a meeting, by its (series') iCalUId."""
        return [self._items[item_id] for item_id in sorted(self._by_uid.get(uid, ()))]

    def put(self, item: CalendarItem) -> CalendarItem:
        """Store an item, new or altered, under a new change key; return it as stored."""
        self._remember()
        item = msgspec.structs.replace(item, change_key=self.new_change_key(), modified_ms=self._now())
        kind = "updated" if item.id in self._items else "created"
        self._items[item.id] = item
        self._by_uid.setdefault(item.uid, set()).add(item.id)
        for listener in self.listeners:
            listener(self, kind, item)
        return item

    def drop(self, item: CalendarItem) -> None:
        """Remove a stored item."""
        self._remember()
        del self._items[item.id]
        self._by_uid[item.uid].discard(item.id)
        for listener in self.listeners:
            listener(self, "deleted", item)

    def calendar_at(self, instant: Instant) -> Calendar:
        """The calendar as it stood at that instant; before all memory: as the oldest memory has it."""
        if instant >= self._since or not self._past:
            return self.calendar
        for since, items in reversed(self._past):
            if since <= instant:
                return Calendar(items)
        return Calendar(self._past[0][1])

    def _remember(self) -> None:
        """Keep the state that held until now; several changes at one instant are one."""
        self.revision += 1
        now = self._now()
        if now == self._since:
            return
        self._past.append((self._since, dict(self._items)))
        self._since = now
        # The newest state from before the horizon is still needed: it held at the horizon.
        while len(self._past) > 1 and self._past[1][0] <= now - HISTORY_MS:
            del self._past[0]
