"""The facts that the core is given. Each is journaled before anything that follows from it is done."""

from typing import Final, Literal

import msgspec

from gateway.core.booking import Booking
from gateway.core.policy import SiteConfig
from gateway.core.units import Duration, Instant

ReadingKind = Literal["presence", "motion", "count", "entries", "battery", "link", "tamper", "fault", "alive"]
RoomMode = Literal["shadow", "live"]


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all facts, journaled as JSON arrays: `["reading","orion-radar","presence",1,true,null]`.

    Arrays have half the length of objects, and halve what a day writes to disk. The order of the fields
    is the journal's format: new ones come at the end and have a default. Facts are trees and never hold
    themselves, so the garbage collector need not look through the thousands of them that are in memory.
    """


class Reading(Event, frozen=True, tag="reading"):
    """One decoded observation from a sensor.

    `value`: presence and motion 0 or 1; count and entries in people; battery in percent; tamper
    and fault 0 or 1; link in the maker's own unit; alive always 1 (the device said something that
    bears on nothing else). A motion sensor that never says "off" sends motion 1 for each hit.
    """

    sensor: str
    kind: ReadingKind
    value: int = 0
    device_made: bool = True
    """False where a bridge, a timer or a cache may have made the message: it proves no life."""
    made_at: Instant | None = None
    """When the device made it, by its own or its bridge's clock, where the message says so."""

    @property
    def shows_presence(self) -> bool:
        """Somebody is there, or was just now."""
        return self.value > 0 and self.kind in ("presence", "motion", "count", "entries")


class Availability(Event, frozen=True, tag="availability"):
    """A sensor's last will or availability topic spoke. Never a proof of life."""

    sensor: str
    online: bool


class BridgeState(Event, frozen=True, tag="bridge_state"):
    """The radio bridge behind several sensors said that it is on- or offline."""

    bridge: str
    online: bool


class Configured(Event, frozen=True, tag="configured"):
    """The site's configuration, in full, whenever it differs from the one before."""

    site: SiteConfig


class Booted(Event, frozen=True, tag="booted"):
    """The process started. `down_since`: the newest instant in the ledger before it (or now)."""

    down_since: Instant
    same_machine_boot: bool = False
    """The machine itself kept running: only then can a broker on it still hold its queue."""


class LinkUp(Event, frozen=True, tag="link_up"):
    """Connected to the broker and subscribed. `session_present` as the broker's CONNACK says."""

    session_present: bool


class LinkDown(Event, frozen=True, tag="link_down"):
    """The connection to the broker was lost."""


class ClockStepped(Event, frozen=True, tag="clock_stepped"):
    """The wall clock moved against the monotonic one by `by_ms` (forwards positive), over 2 s."""

    by_ms: int


class ClockTrust(Event, frozen=True, tag="clock_trust"):
    """Whether the wall clock can be believed; nothing is released while it cannot."""

    trusted: bool


class CalendarRead(Event, frozen=True, tag="calendar_read"):
    """A complete, paged read of a room's calendar between two instants, as the difference to what was known.

    `changed` holds new and altered bookings, `removed` the keys of bookings that overlap the
    window, were known, and are gone. Both empty: read and unchanged.
    """

    room: str
    window_start: Instant
    window_end: Instant
    changed: tuple[Booking, ...] = ()
    removed: tuple[str, ...] = ()
    looked_before: Instant | None = None
    """When the calendar had been looked at before, if that look was folded: what is new came after it."""


class CalendarUnreadable(Event, frozen=True, tag="calendar_unreadable"):
    """A room's calendar could not be read completely. Never "no bookings"."""

    room: str
    why: str


class CheckedIn(Event, frozen=True, tag="checked_in"):
    """A person said "we are here" (panel, QR, API, command). `booking` empty: the current one."""

    room: str
    booking: str = ""
    by: str = "command"


class Kept(Event, frozen=True, tag="kept"):
    """A person asked that no automatic rule touches this booking. `booking` empty: current or next."""

    room: str
    booking: str = ""
    by: str = "command"


class Ended(Event, frozen=True, tag="ended"):
    """A person said "we are done". `booking` empty: the current one. One that has not begun is refused."""

    room: str
    booking: str = ""
    by: str = "command"


class ModeSet(Event, frozen=True, tag="mode_set"):
    """A person set a room live or back to shadow; live holds from the next booking on."""

    room: str
    mode: RoomMode
    by: str = "command"


class WereHere(Event, frozen=True, tag="were_here"):
    """A person says that a booking was released although they were there, or about to come.

    `booking` empty: the one released last.
    """

    room: str
    booking: str = ""
    by: str = "command"


class Reviewed(Event, frozen=True, tag="reviewed"):
    """A person has looked at a wrong release: the room may be released automatically again."""

    room: str
    by: str = "command"


class Booked(Event, frozen=True, tag="booked"):
    """A person asked for the room from `start` to `end`; who may, and when, has been checked before.

    What it is called and for whom it is stays out of the journal: names do.
    """

    room: str
    start: Instant
    end: Instant
    ask: str
    """Names this request for ever: asked again under the same name, it is the same booking."""
    by: str = "command"
    replaces: str = ""
    """The event id of a booking in this room that makes way for it: it does not count as being there."""


class Cancelled(Event, frozen=True, tag="cancelled"):
    """A person does not need a booking any more that the room organises and that has not begun."""

    room: str
    booking: str
    by: str = "command"


class BreakerClosed(Event, frozen=True, tag="breaker_closed"):
    """A person has looked at the silence of several rooms and finds it right."""

    by: str = "command"


WITHDRAWN: Final = "withdrawn"
"""`WriteOutcome.why` of a write that was not sent because the core withdrew it."""


class WriteOutcome(Event, frozen=True, tag="write_outcome"):
    """How an intended write to Exchange ended. `applied` only after a read that shows it."""

    room: str
    write: int
    result: Literal["applied", "superseded", "expired"]
    why: str = ""


class Tick(Event, frozen=True, tag="tick"):
    """Time has moved on: conclude from everything recorded so far."""


AnyEvent = (
    Reading
    | Availability
    | BridgeState
    | Configured
    | Booted
    | LinkUp
    | LinkDown
    | ClockStepped
    | ClockTrust
    | CalendarRead
    | CalendarUnreadable
    | CheckedIn
    | Kept
    | Ended
    | ModeSet
    | WereHere
    | Reviewed
    | Booked
    | Cancelled
    | BreakerClosed
    | WriteOutcome
    | Tick
)

MAX_CLOCK_STEP_MS: Duration = 2_000
"""A wall clock that moves further than this against the monotonic one has stepped (invariant W5)."""
