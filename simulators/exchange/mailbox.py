"""One mailbox: its items, how they stood a while ago, and how a room's attendant is set up."""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from gateway.core.units import HOUR_MS, Duration, Instant
from simulators.exchange.calendars import Calendar
from simulators.exchange.ids import Minter, guid
from simulators.exchange.items import CalendarItem, Person

MailboxState = Literal["ready", "not_enabled", "denied"]

HISTORY_MS: Final[Duration] = HOUR_MS
"""How long the past stays readable, for stale answers."""


class Processing(msgspec.Struct, frozen=True):
    """What `Set-CalendarProcessing` says about a room. Defaults as in Exchange Online.

    Not simulated: the booking window (series without end are taken), working hours, and lists of
    who may book.
    """

    auto_accept: bool = True
    """AutomateProcessing AutoAccept; False is AutoUpdate: requests stay tentative."""
    allow_conflicts: bool = False
    maximum_conflict_instances: int = 0
    """Up to so many conflicting occurrences are declined one by one; above, the whole series."""
    add_organizer_to_subject: bool = True
    delete_subject: bool = True
    delete_comments: bool = True
    remove_private_property: bool = True
    remove_canceled_meetings: bool = False


class Mailbox:
    """A room's or a person's mailbox. Written to by `Mailboxes` and the attendant only."""

    def __init__(
        self, person: Person, *, is_room: bool, seed: int, minter: Minter, now: Callable[[], Instant]
    ) -> None:
        self.person = person
        self.is_room = is_room
        self.id = guid(seed, "user", person.address.casefold())
        """The Entra object id; Graph takes it in place of the address."""
        self.state: MailboxState = "ready"
        """Settable: a mailbox may be missing, or closed to the application."""
        self.processing = Processing()
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
        self._items[item.id] = item
        self._by_uid.setdefault(item.uid, set()).add(item.id)
        return item

    def drop(self, item: CalendarItem) -> None:
        """Remove a stored item."""
        self._remember()
        del self._items[item.id]
        self._by_uid[item.uid].discard(item.id)

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
