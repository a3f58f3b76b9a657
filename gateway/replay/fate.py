"""What became of a booking under facts that were altered: the core is asked, nothing is guessed.

* Between the facts the site gets the ticks that it asks for, so a conclusion that the recorded ones do
  not reach is reached.
* A release that is not among the recorded ones is applied at once, as Exchange usually does.
* Where a recorded release is questioned, what it did to the calendar is not among the facts any more.
* Other rooms, and the breaker with them, stay as they were.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, CalendarRead, Tick, WriteOutcome
from gateway.core.site import CoreError
from gateway.core.units import Instant
from gateway.replay.bundle import BreakerMoved, Bundle, Fact, Player

TICKS_AT_MOST: Final = 20
"""So many at one instant: a core that asks for more is going round in circles."""

SAVED_EVERY: Final = 8


class Fate(NamedTuple):
    """Whether the room, or the rest of the booking, was taken from it, and by which decision."""

    taken: Decision | None
    """The release that stood (in shadow: that would have been), or None: it was left alone."""

    @property
    def taken_at(self) -> Instant | None:
        """When it was decided."""
        return None if self.taken is None else self.taken.at


KEPT: Final = Fate(None)


def fate_of(decisions: Iterable[Decision]) -> Fate:
    """What the decisions about one booking come to."""
    taken: Decision | None = None
    for decision in decisions:
        if decision.kind in ("release", "would_release"):
            taken = taken or decision
        elif decision.kind in ("withdrawn", "not_released"):
            taken = None
    return Fate(taken)


class History(NamedTuple):
    """What a site is given: where it starts, and facts in order."""

    start: bytes
    facts: tuple[Fact, ...]

    @property
    def begin(self) -> Instant:
        """When its first fact was; the start itself may be an empty site of no time."""
        return self.facts[0][0] if self.facts else 0


class Trial:
    """Runs altered histories of one booking, and tells its fate under each."""

    def __init__(self, bundle: Bundle) -> None:
        self.room, self.label = bundle.room, bundle.booking.label
        recorded = [made.decision for made in bundle.decisions]
        self.fate = fate_of(recorded)
        """As it was."""
        self._writes = frozenset(
            one.write.id for one in recorded if one.write is not None and one.write.takes_time_away
        )
        facts = bundle.facts
        if self.fate.taken is not None:
            facts = tuple(self._without_effect(facts, self.fate.taken.at))
        self.history = History(msgspec.json.encode(bundle.start), facts)
        """Unaltered but for what followed from a release that is questioned."""
        self.begin: Instant = self.history.begin
        self.end: Instant = facts[-1][0] if facts else self.begin
        self.runs = 0
        self._saved: list[tuple[int, bytes, tuple[Decision, ...]]] = []
        """The unaltered history after so many facts: what has the same beginning need not run it again."""

    def _without_effect(self, facts: Iterable[Fact], released_at: Instant) -> Iterable[Fact]:
        """The facts without the outcome of the release, and without its effect on the calendar."""
        for at, fact in facts:
            if isinstance(fact, WriteOutcome) and fact.room == self.room and fact.write in self._writes:
                continue
            if isinstance(fact, CalendarRead) and fact.room == self.room and at >= released_at:
                yield at, self._as_if_kept(fact)
            else:
                yield at, fact

    def _as_if_kept(self, read: CalendarRead) -> CalendarRead:
        return msgspec.structs.replace(
            read,
            removed=tuple(key for key in read.removed if key != self.label),
            changed=tuple(one for one in read.changed if one.key != self.label or one.is_decided_on),
        )

    def run(self, history: History) -> Fate:
        """The fate of the booking under this history. Raises CoreError if the facts cannot be taken."""
        self.runs += 1
        unaltered = history is self.history
        done, start, before = self._saved_before(history)
        player, decisions = Player(start), list(before)
        for i, (at, fact) in enumerate(history.facts[done:], start=done):
            self._pass_time(player, at, decisions)
            self._give(player, fact, at, decisions)
            if unaltered and i % SAVED_EVERY == 0:
                self._saved.append((i + 1, player.site.snapshot(), tuple(decisions)))
        return fate_of(decisions)

    def _saved_before(self, history: History) -> tuple[int, bytes, tuple[Decision, ...]]:
        """The latest point of the unaltered history that this one comes by."""
        if history.start is not self.history.start:
            return 0, history.start, ()
        pairs = zip(history.facts, self.history.facts, strict=False)
        common = next((i for i, (one, other) in enumerate(pairs) if one is not other), len(history.facts))
        saved = [point for point in self._saved if point[0] <= common]
        return saved[-1] if saved else (0, history.start, ())

    def _pass_time(self, player: Player, until: Instant, decisions: list[Decision]) -> None:
        ticks, last = 0, -1
        while True:
            deadline = player.site.next_deadline(until)
            now = player.site.state.now
            if deadline is None or max(deadline, now) >= until:
                return
            at = max(deadline, now)
            ticks, last = (ticks + 1 if at == last else 0), at
            if ticks > TICKS_AT_MOST:
                raise CoreError(f"the site asks for tick after tick at {at}")
            self._give(player, Tick(), at, decisions)

    def _give(
        self, player: Player, fact: AnyEvent | BreakerMoved, at: Instant, decisions: list[Decision]
    ) -> None:
        for decision in player.take(fact, at):
            if decision.room != self.room or decision.booking != self.label:
                continue
            decisions.append(decision)
            write = decision.write
            if write is None or decision.kind != "release":
                continue
            if self.fate.taken is not None or write.id not in self._writes:
                player.take(WriteOutcome(self.room, write.id, "applied"), at)


def placed(facts: Sequence[Fact], *more: Fact) -> tuple[Fact, ...]:
    """The facts with some more, each before the first that is later than it."""
    result = list(facts)
    for one in more:
        index = next((i for i, fact in enumerate(result) if fact[0] > one[0]), len(result))
        result.insert(index, one)
    return tuple(result)
