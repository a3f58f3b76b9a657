"""What goes into one transaction, and the outbox rows that come out again."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from gateway.core.decisions import Decision, Write
from gateway.core.events import AnyEvent
from gateway.core.units import Instant

OutboxState = Literal["pending", "verifying", "sending", "unclear", "applied", "superseded", "expired"]
"""pending → verifying → sending → (unclear →) applied | superseded | expired."""

FINAL_STATES: frozenset[OutboxState] = frozenset({"applied", "superseded", "expired"})


class OutboxRow(msgspec.Struct, frozen=True):
    """An intended write to Exchange and how far it has come."""

    room: str
    booking: str
    write: Write
    state: OutboxState
    why: str = ""
    attempts: int = 0
    changed_at: Instant = 0


class OutboxChange(msgspec.Struct, frozen=True):
    """A step of an outbox row; `attempts` counts how often it was sent."""

    room: str
    write: int
    state: OutboxState
    at: Instant
    why: str = ""
    attempts: int = 0


@dataclass
class Counts:
    """Messages of one sensor since the last commit: received = accepted + folded + rejected."""

    accepted: int = 0
    folded: int = 0
    rejected: int = 0
    last_error: str = ""
    last_sample: str = ""
    last_error_at: Instant = 0

    def plus(self, later: "Counts") -> "Counts":
        """Both together; of errors the later one is kept."""
        newest = later if later.rejected else self
        return Counts(
            self.accepted + later.accepted,
            self.folded + later.folded,
            self.rejected + later.rejected,
            newest.last_error,
            newest.last_sample,
            newest.last_error_at,
        )


@dataclass
class Batch:
    """One transaction in the making."""

    events: list[tuple[Instant, AnyEvent]] = field(default_factory=list)
    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    """Each with the index in `events` of the tick that it came of."""
    outbox: list[OutboxChange] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    snapshot: bytes | None = None
    """The site after the last event of this batch."""

    @property
    def is_empty(self) -> bool:
        """Nothing in it is worth a transaction."""
        return not (self.events or self.outbox or self.counts or self.notes)
