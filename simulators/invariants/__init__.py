"""What must always hold, as checkers over what an observer of a world sees.

Each checker is independent of what it checks: it works out from raw readings, mailboxes and ground truth
what the gateway may do, sharing no code with the core's rules. Only L5 gives the journal to the core
again, which is its point.

    check(observed)         # after every step: what is new and broken
    check_end(observed)     # once nothing fails any more and there was time to recover
"""

import weakref
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from gateway.core.decisions import Decision
from simulators.invariants.base import Checker, Violation
from simulators.invariants.convergence import Bounded, CalendarsAgree, DueIsDone, PersonsChangeWins
from simulators.invariants.nobody_released import (
    FreshPicture,
    NeverBeforeDue,
    NobodyInside,
    NoReleaseOnFailure,
    NotAfterCheckIn,
    NotByAStuckSensor,
    NotWhileBlind,
    OneOccurrenceOnly,
    ProvenVacant,
    wrongly_released,
)
from simulators.invariants.nothing_lost import (
    AcknowledgedIsJournaled,
    EveryWriteEnds,
    NothingUncounted,
    OneTransaction,
    OneVisibleEffect,
)
from simulators.invariants.replay import ReplaysAlike
from simulators.invariants.silence import SilenceStopsReleases
from simulators.invariants.story import Story
from simulators.observed import Observed

__all__ = ["CHECKERS", "Checker", "Invariants", "Violation", "check", "check_end", "wrongly_released"]

_ALL: Final[tuple[type[Checker], ...]] = (
    AcknowledgedIsJournaled,
    OneTransaction,
    EveryWriteEnds,
    OneVisibleEffect,
    ReplaysAlike,
    CalendarsAgree,
    PersonsChangeWins,
    NothingUncounted,
    ProvenVacant,
    NotWhileBlind,
    NotAfterCheckIn,
    FreshPicture,
    NeverBeforeDue,
    OneOccurrenceOnly,
    *((SilenceStopsReleases,) if find_spec("gateway.core.breaker") else ()),
    NotByAStuckSensor,
    NoReleaseOnFailure,
    NobodyInside,
    DueIsDone,
    Bounded,
)

CHECKERS: Final[Mapping[str, type[Checker]]] = {checker.name: checker for checker in _ALL}
"""By name, in the order of the table. W9 is about pairs of worlds: `simulators.invariants.pairs`."""


class Invariants:
    """All checkers over one world. Remembers how far it has read; the world only ever appends."""

    def __init__(self, checkers: Mapping[str, type[Checker]] = CHECKERS) -> None:
        self._story = Story()
        self._checkers = [make() for make in checkers.values()]
        # Only those that look: most checkers ignore most of the story, and it is told for every message.
        self._recorders = [c.recorded for c in self._checkers if type(c).recorded is not Checker.recorded]
        self._deciders = [c.decided for c in self._checkers if type(c).decided is not Checker.decided]
        self._steppers = [c.step for c in self._checkers if type(c).step is not Checker.step]
        self._entries = 0
        self._decisions = 0
        self._told: set[Violation] = set()

    def check(self, observed: Observed) -> list[Violation]:
        """What is broken and was not told before. Costs as much as there is news."""
        return self._tell(self._read(observed))

    def check_end(self, observed: Observed) -> list[Violation]:
        """As `check`, and what holds once healed: writes ended, calendars equal, due done, bounds kept."""
        found = self._read(observed)
        for checker in self._checkers:
            found += checker.end(observed, self._story)
        return self._tell(found)

    def _read(self, observed: Observed) -> list[Violation]:
        found: list[Violation] = []
        story = self._story
        for index in range(self._entries, len(observed.journal)):
            entry = observed.journal[index]
            story.take(entry)
            story.just_decided = self._decided_at(observed, entry.seq)
            for recorded in self._recorders:
                found += recorded(observed, story, entry)
            for decision in story.just_decided:
                for decided in self._deciders:
                    found += decided(observed, story, decision)
                story.note(decision)
        self._entries = len(observed.journal)
        self._set_aside(observed, len(observed.decisions))
        for step in self._steppers:
            found += step(observed, story)
        return found

    def _decided_at(self, observed: Observed, seq: int) -> list[Decision]:
        """The decisions of this entry; those of entries before it that the journal lacks are set aside."""
        decisions, first = observed.decisions, self._decisions
        while first < len(decisions) and decisions[first][0] < seq:
            first += 1
        self._set_aside(observed, first)
        while self._decisions < len(decisions) and decisions[self._decisions][0] == seq:
            self._decisions += 1
        return [decision for _, decision in decisions[first : self._decisions]]

    def _set_aside(self, observed: Observed, before: int) -> None:
        self._story.orphans += observed.decisions[self._decisions : before]
        self._decisions = max(self._decisions, before)

    def _tell(self, found: list[Violation]) -> list[Violation]:
        new = [v for v in dict.fromkeys(found) if v not in self._told]
        self._told.update(new)
        return new


_watched: Final[dict[int, tuple[weakref.ref[Observed], Invariants]]] = {}


def of(observed: Observed) -> Invariants:
    """The checkers of this world: made when it is first looked at, gone with it."""
    key = id(observed)
    if key not in _watched:
        gone = weakref.ref(observed, lambda _: _watched.pop(key, None))
        _watched[key] = gone, Invariants()
    return _watched[key][1]


def check(observed: Observed) -> list[Violation]:
    """What is broken and was not told of this world before; `Invariants.check`."""
    return of(observed).check(observed)


def check_end(observed: Observed) -> list[Violation]:
    """The same, in a world that has healed; `Invariants.check_end`."""
    return of(observed).check_end(observed)
