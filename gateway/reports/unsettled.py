"""Releases of which nobody could tell in time whether they took place.

A booking is concluded at its end, whatever has become of its release by then. Where the request had been
sent and no read could confirm or disprove it before the end (Exchange was away), what was recorded is that
the room was kept. The outbox knows better: such a booking came to `unknown`. Even where Exchange shows the
release by now, nobody can say how much of the booking's time was free.
"""

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from gateway.core.decisions import Decision, Reason, Write
from gateway.core.units import FOREVER, Instant

UNCLEAR: Final = "write_unclear"

PERHAPS_DONE: Final = frozenset({"sending", "unclear", "applied"})
"""States of a write that may have had its effect; one that a read has disproved is superseded or expired."""


class Row(Protocol):
    """An intended write and how far it has come, as the outbox has it."""

    @property
    def room(self) -> str:
        """The room that was to be given back."""

    @property
    def booking(self) -> str:
        """The booking's key."""

    @property
    def write(self) -> Write:
        """What was to be written."""

    @property
    def state(self) -> str:
        """How far it has come."""


def says_kept(decision: Decision) -> bool:
    """Whether it was recorded that nobody came to a booking in a live room, and that the room was kept."""
    tally = decision.tally
    return tally is not None and tally.outcome == "no_show_kept" and tally.cause != "shadow"


def as_known(decisions: Iterable[Decision], rows: Iterable[Row]) -> list[Decision]:
    """The decisions, with what is really known of the bookings whose release was unclear to the end.

    `rows`: of the rooms and bookings of all that `says_kept`, oldest first.
    """
    newest = {(row.room, row.booking): row for row in rows if row.write.action == "release"}
    unclear = {key: row.write.deadline for key, row in newest.items() if row.state in PERHAPS_DONE}
    return [_known(d, unclear.get((d.room, d.booking), FOREVER)) for d in decisions]


def _known(decision: Decision, deadline: Instant) -> Decision:
    """`deadline`: of its unclear release; one of a later time that the booking had says nothing."""
    tally = decision.tally
    if tally is None or not says_kept(decision) or decision.at < deadline:
        return decision
    return msgspec.structs.replace(
        decision,
        reasons=(Reason(UNCLEAR), *decision.reasons[1:]),  # the first one says what it came to
        tally=msgspec.structs.replace(tally, outcome="unknown", cause=UNCLEAR),
    )
