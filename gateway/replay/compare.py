"""Decisions beside decisions: what was recorded, and what the rules of today say of the same facts.

Two decisions are the same conclusion if they are about the same booking, of the same kind (for the end of
a booking and a room's occupancy: with the same result) and no more than `TOLERANCE_MS` apart. What they
differ in beyond that (reasons, durations, the way of a write) are details: counted, and no difference.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from gateway.core.decisions import Decision
from gateway.core.units import SECOND_MS, Duration, Instant

TOLERANCE_MS: Final[Duration] = SECOND_MS

BY_RESULT: Final = frozenset({"occupancy", "concluded"})
"""Kinds whose first reason is what was concluded, not why."""


class Difference(NamedTuple):
    """A booking (or room, or the site) that other rules decided otherwise on, and how."""

    room: str
    booking: str
    ruleset: int
    """The one that made the recorded decisions."""
    recorded: tuple[Decision, ...]
    """What was decided and would not be now, in order."""
    today: tuple[Decision, ...]
    """What would be decided now and was not, in order."""

    @property
    def at(self) -> Instant:
        """When the two first part."""
        return min(decision.at for decision in (*self.recorded, *self.today))


class Compared(NamedTuple):
    """What comparing some decisions came to."""

    differences: list[Difference]
    details: int
    """Decisions of the same kind and moment that differ in their details."""


def compared(recorded: Iterable[Decision], today: Iterable[Decision], ruleset: int) -> Compared:
    """What was recorded under a ruleset beside what today's rules decide, booking by booking."""
    histories, presents = _by_booking(recorded), _by_booking(today)
    differences, details = [], 0
    for room, booking in sorted({*histories, *presents}):
        was, now = histories.get((room, booking), []), presents.get((room, booking), [])
        alone_then, alone_now, unlike = _paired(was, now)
        details += unlike
        if alone_then or alone_now:
            differences.append(Difference(room, booking, ruleset, tuple(alone_then), tuple(alone_now)))
    return Compared(sorted(differences, key=lambda one: one.at), details)


def what(decision: Decision) -> tuple[str, str]:
    """What was concluded: the kind, and for some the result."""
    reasons = decision.reasons
    return decision.kind, reasons[0].code if decision.kind in BY_RESULT and reasons else ""


def _by_booking(decisions: Iterable[Decision]) -> dict[tuple[str, str], list[Decision]]:
    found: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    for decision in decisions:
        found[decision.room, decision.booking].append(decision)
    return found


def _paired(was: Sequence[Decision], now: Sequence[Decision]) -> tuple[list[Decision], list[Decision], int]:
    """The decisions of each side that the other has not, and how many pairs differ in details."""
    alone_then: list[Decision] = []
    alone_now: list[Decision] = []
    unlike = 0
    for kind in sorted({what(decision) for decision in (*was, *now)}):
        then = sorted((d for d in was if what(d) == kind), key=lambda d: d.at)
        here = sorted((d for d in now if what(d) == kind), key=lambda d: d.at)
        while then and here:
            apart = then[0].at - here[0].at
            if abs(apart) <= TOLERANCE_MS:
                unlike += not _alike(then.pop(0), here.pop(0))
            elif apart < 0:
                alone_then.append(then.pop(0))
            else:
                alone_now.append(here.pop(0))
        alone_then += then
        alone_now += here
    return _in_order(alone_then, was), _in_order(alone_now, now), unlike


def _in_order(some: list[Decision], of: Sequence[Decision]) -> list[Decision]:
    """In the order in which they were decided, which says more than their instants do."""
    kept = {id(decision) for decision in some}
    return [decision for decision in of if id(decision) in kept]


def _alike(one: Decision, other: Decision) -> bool:
    return one == other or _close(_plain(one), _plain(other))


def _plain(decision: Decision) -> Any:
    """Without the numbers of writes, which say only how many came before."""
    numbered = msgspec.to_builtins(decision)
    numbered.get("write", {}).pop("id", None)
    if "withdraws" in numbered:
        numbered["withdraws"] = True
    return numbered


def _close(one: Any, other: Any) -> bool:
    """Equal, but for instants and durations within the tolerance. Counts are small and must be equal."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_close, one, other))
    if type(one) is int and type(other) is int and min(one, other) >= SECOND_MS:
        return abs(one - other) <= TOLERANCE_MS
    return bool(one == other)
