"""What an observer of a simulated world sees: all that the invariants may read.

Ground truth, the mailboxes, the journal and the outbox; never what the gateway thinks of itself.
A world appends to it as it goes; the checkers of `simulators.invariants` only read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent
from gateway.core.policy import RoomConfig
from gateway.core.units import Instant
from gateway.ledger import Counts, OutboxRow
from simulators.people import Visit

Hand = Literal["gateway", "person", "microsoft", "peer"]
"""`peer`: a second gateway, with a ledger of its own, on the same rooms."""
Deed = Literal["declined", "cancelled", "deleted", "marked", "shortened", "created", "extended"]


class Effect(NamedTuple):
    """A visible change of a room's calendar. `booking` as `gateway.core.booking.booking_key`."""

    at: Instant
    room: str
    booking: str
    deed: Deed
    by: Hand


class Read(NamedTuple):
    """Exchange answered the gateway with one occurrence of a booking, as it was at that moment."""

    at: Instant
    room: str
    event_id: str


class Delivery(NamedTuple):
    """A message that the broker handed to the gateway, and what was durable when it was acknowledged."""

    topic: str
    payload: bytes
    delivered_at: Instant
    acknowledged_at: Instant | None = None
    journal_at_ack: int = 0
    """The journal's newest durable sequence number at that moment."""
    means: tuple[AnyEvent, ...] = ()
    """What it says, as `gateway.sensors.Router.decode` reads it; empty: nothing that counts (L1)."""
    sensor: str = ""
    """Whose message it is, also where it says nothing that counts; empty: a bridge's or nobody's (L8)."""
    journal_before: int = 0
    """The newest sequence number that was known when it was delivered: no entry up to there stands for it."""


class Trouble(NamedTuple):
    """A fault while it lasts. `until` None: it goes on. `room` and `sensor` empty: it concerns all."""

    kind: str
    since: Instant
    until: Instant | None = None
    room: str = ""
    sensor: str = ""
    detectable: bool = True
    """Whether the gateway can notice it. What nobody can notice is measured, not promised (W9b)."""
    blinds: bool = False
    """While it lasts the gateway cannot hear (W2)."""


class Recorded(NamedTuple):
    """One entry of the journal."""

    seq: int
    at: Instant
    event: AnyEvent
    written_at: Instant | None = None
    """The instant by the gateway's own clock, as in the file (L5 gives it to the core); None: the same."""


@dataclass
class Observed:
    """Everything seen so far. Instants are true time in ms since 1970 UTC, whatever a stepped clock says."""

    started_at: Instant
    rooms: Mapping[str, RoomConfig]
    """As configured; each with its sensors' profiles, policy and mode."""
    now: Instant = 0
    visits: Mapping[str, tuple[Visit, ...]] = field(default_factory=dict)
    """Who really was in each room."""
    calendars: Mapping[str, tuple[Booking, ...]] = field(default_factory=dict)
    """Each room's mailbox just now, over the window that the gateway reads."""
    known: Mapping[str, tuple[Booking, ...]] = field(default_factory=dict)
    """The same, from the core's state in a copy of the ledger."""
    effects: list[Effect] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    journal: list[Recorded] = field(default_factory=list)
    """Read back from the file, not from the gateway."""
    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    """Each with the sequence number of the tick that it came of; read back from the file."""
    outbox: list[OutboxRow] = field(default_factory=list)
    counts: Mapping[str, Counts] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    """What the gateway said at the levels error and critical."""
    healed_at: Instant | None = None
    """From here on nothing fails any more."""
    rss_bytes: int = 0
    disk_bytes: int = 0
