"""A journal is given to the core again: the same decisions come out, or it is told what does.

Where the rules of today decided, the decisions must be the same, and at each kept snapshot so must all
that the core remembers. Anything else is a fault: of the program's determinism, or of a ledger that was
altered. It ends the comparison up to the next kept snapshot, from which it goes on.

Where other rules decided, today's may decide otherwise. These stretches are compared by meaning
(`gateway.replay.elsewhere`, `gateway.replay.compare`), and at each kept snapshot they go on from what was
remembered then, so that a difference does not bring others for days.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple

import msgspec

from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent
from gateway.core.site import RULESET, Site
from gateway.core.units import FOREVER, Instant
from gateway.ledger import LedgerError, LedgerReader, number_on
from gateway.replay.compare import Difference, compared
from gateway.replay.elsewhere import Elsewhere
from gateway.replay.journal import running, unbroken
from gateway.replay.start import start
from gateway.replay.stretches import Stretch, stretches

TELL_EVERY: Final = 1_000
"""Events between two words about how far it has come."""

Step = tuple[int, Instant, AnyEvent, Sequence[Decision]]
"""Sequence number, instant, event, and what was decided on it then."""


class Wanted(NamedTuple):
    """What to look at: decisions from `since` until before `until`, of one room or of all of them."""

    since: Instant | None = None
    until: Instant = FOREVER
    room: str = ""

    def holds(self, decision: Decision) -> bool:
        """Whether this decision is to be compared."""
        return (self.since or 0) <= decision.at < self.until and self.room in ("", decision.room)


class Fault(NamedTuple):
    """The same rules, the same facts, and another conclusion."""

    seq: int
    at: Instant
    recorded: tuple[Decision, ...]
    again: tuple[Decision, ...]
    memory: str = ""
    """What the core remembers otherwise, as a path into the snapshot, where the decisions do not differ."""


class Part(NamedTuple):
    """What was compared of a stretch of one ruleset."""

    ruleset: int
    since: Instant
    until: Instant
    decisions: int
    """Recorded ones that were compared."""


class Verdict(NamedTuple):
    """What running history again came to."""

    ruleset: int
    """Today's."""
    begun_at: Instant
    """From where the journal was run: the beginning, or the snapshot before what was asked for."""
    events: int
    parts: list[Part]
    faults: list[Fault]
    lost: int
    """Events between a fault and the next kept snapshot: they could not be compared."""
    snapshots: int
    """Kept snapshots that were found to hold what the core remembered again."""
    differences: list[Difference]
    details: int
    """Decisions of other rulesets that today differ in their reasons or other details alone."""

    @property
    def decisions(self) -> int:
        """Recorded decisions that were compared."""
        return sum(part.decisions for part in self.parts)


def rerun(
    reader: LedgerReader,
    wanted: Wanted = Wanted(),  # noqa: B008 - a NamedTuple never changes
    tell: Callable[[int, int], None] = lambda _done, _of: None,
    *,
    ruleset: int = RULESET,
) -> Verdict:
    """Run the journal again and compare. `tell` hears how many events of how many are done.

    `ruleset`: the version of the rules in this program. Raises LedgerError if nothing so old is left or
    nothing is recorded, LedgerDamaged if an event cannot be run again.
    """
    return _Rerun(reader, wanted, tell, ruleset).run()


class _Rerun:
    """One run over a journal."""

    def __init__(
        self, reader: LedgerReader, wanted: Wanted, tell: Callable[[int, int], None], ruleset: int
    ) -> None:
        reader.hold_still()
        self.reader = reader
        self.wanted = wanted
        self.ruleset = ruleset
        # Before that instant: a snapshot may have been taken amid what happened in it.
        self.begin = start(reader, None if wanted.since is None else wanted.since - 1)
        self.until = reader.last_event(wanted.until)
        if self.until <= self.begin.seq:
            raise LedgerError(f"{reader.path}: nothing is recorded of that time that can be run again.")
        self.anchors = {anchor.seq: anchor.ruleset for anchor in reader.snapshots()}
        self.parts: list[Part] = []
        self.faults: list[Fault] = []
        self.differences: list[Difference] = []
        self.lost = self.agreed = self.details = 0
        self.seq = 0
        """The event that was read last."""
        self.tell = tell
        self.steps = self._steps()

    def run(self) -> Verdict:
        with running(self.reader, lambda: self.seq):
            self._run()
        return Verdict(
            self.ruleset,
            self.begin.at,
            self.until - self.begin.seq,
            self.parts,
            sorted(self.faults, key=lambda fault: fault.seq),
            self.lost,
            self.agreed,
            self.differences,
            self.details,
        )

    def _run(self) -> None:
        site: Site | None = self.begin.site
        for stretch in stretches(self.reader.reigns(), self.begin.seq, self.until, self.ruleset):
            if stretch.ruleset != self.ruleset:
                site = self._elsewhere(stretch, site)
            else:
                if stretch.after != self.begin.seq:
                    site = self._loaded_after(stretch.after)
                site = self._exactly(stretch, site)
        for _ in self.steps:  # nothing is left but decisions on no event
            pass

    def _steps(self) -> Iterator[Step]:
        """The events with what was decided on each. Raises LedgerDamaged if one is missing."""
        self.seq = first = self.begin.seq
        total = self.until - first
        recorded = self.reader.recorded(first, self.until)
        following = next(recorded, None)
        for seq, at, event in takewhile(lambda row: row[0] <= self.until, unbroken(self.reader, first)):
            self.seq = seq
            if (seq - first) % TELL_EVERY == 0:
                self.tell(seq - first, total)
            decisions: Sequence[Decision] = ()
            while following is not None and following.seq <= seq:
                if following.seq == seq:
                    decisions = (*decisions, following.decision)
                else:
                    self._note_stray(following.seq, following.decision)
                following = next(recorded, None)
            yield seq, at, event, decisions
        while following is not None:
            self._note_stray(following.seq, following.decision)
            following = next(recorded, None)
        self.tell(total, total)

    def _note_stray(self, seq: int, decision: Decision) -> None:
        """A decision that was put among the others later, or that belongs to no event."""
        if self.wanted.holds(decision):
            self.faults.append(Fault(seq, decision.at, (decision,), ()))

    def _loaded_after(self, seq: int) -> Site:
        """As the gateway loads it when its rules have changed: a snapshot, and the rest by today's rules."""
        anchor = max((known for known in self.anchors if known <= seq), default=0)
        site = self.reader.site_at(anchor) if anchor else Site()
        for number, at, event in takewhile(lambda row: row[0] <= seq, self.reader.events(anchor)):
            self.seq = number
            site.handle(event, at)
        made = (one.decision for one in self.reader.recorded(anchor, seq))
        number_on(site, ((one.room, one.write.id) for one in made if one.write is not None))
        return site

    # -- the same rules -------------------------------------------------------------------------------

    def _exactly(self, stretch: Stretch, site: Site | None) -> Site | None:
        """Compare decision by decision. Returns the site, or None after a fault that no snapshot mended."""
        holds, anchors, steps = self.wanted.holds, self.anchors, self.steps
        counted, since, until = 0, 0, 0
        for seq, at, event, recorded in _up_to(stretch, steps):
            since, until = since or at, at
            if site is None:
                self.lost += 1
            else:
                again = site.handle(event, at)
                if again or recorded:
                    then, now = tuple(filter(holds, recorded)), tuple(filter(holds, again))
                    counted += len(then)
                    if then != now:
                        self.faults.append(Fault(seq, at, then, now))
                        site = None
            if seq in anchors:
                site = self._checked(seq, at, site)
        self._note_part(stretch.ruleset, since, until, counted)
        return site

    def _checked(self, seq: int, at: Instant, site: Site | None) -> Site:
        """The site as a kept snapshot holds it; what else it remembers after the same facts is a fault."""
        kept = self.reader.site_at(seq)
        if site is None or self.anchors[seq] != self.ruleset:
            return kept if site is None else site
        where = _unlike(self._memory(kept), self._memory(site))
        if where and (self.wanted.since or 0) <= at < self.wanted.until:
            self.faults.append(Fault(seq, at, (), (), where))
            return kept
        self.agreed += not where
        return site

    def _note_part(self, ruleset: int, since: Instant, until: Instant, counted: int) -> None:
        """What was run before the asked time, to get there, is no part of what was compared."""
        begins = max(since, self.wanted.since or 0)
        if begins <= until:
            self.parts.append(Part(ruleset, begins, until, counted))

    def _memory(self, site: Site) -> Any:
        whole = msgspec.json.decode(site.snapshot())
        return whole["rooms"].get(self.wanted.room) if self.wanted.room else whole

    # -- other rules ----------------------------------------------------------------------------------

    def _elsewhere(self, stretch: Stretch, site: Site | None) -> Site | None:
        """Compare by meaning, beginning anew at each kept snapshot."""
        world = None if site is None else Elsewhere(site)
        gathered: list[Decision] = []
        counted, since, until = 0, 0, 0
        for seq, at, event, recorded in _up_to(stretch, self.steps):
            since, until = since or at, at
            if world is None:
                self.lost += 1
            else:
                world.give(event, at, recorded)
                gathered += recorded
            if seq in self.anchors:
                kept = self.reader.site_at(seq)
                if world is None:
                    world = Elsewhere(kept)
                counted += self._compare(gathered, world.today, stretch.ruleset)
                world.begin_anew(kept)
        if world is not None:
            counted += self._compare(gathered, world.today, stretch.ruleset)
        self._note_part(stretch.ruleset, since, until, counted)
        return None if world is None else world.site

    def _compare(self, recorded: list[Decision], today: list[Decision], ruleset: int) -> int:
        """Note what differs, and forget both; returns how many recorded decisions were compared."""
        then = list(filter(self.wanted.holds, recorded))
        found = compared(then, filter(self.wanted.holds, today), ruleset)
        self.differences += found.differences
        self.details += found.details
        recorded.clear()
        today.clear()
        return len(then)


def _up_to(stretch: Stretch, steps: Iterator[Step]) -> Iterator[Step]:
    """The steps of a stretch, and none of the next one."""
    for step in steps:
        yield step
        if step[0] >= stretch.until:
            return


def _unlike(one: Any, other: Any, path: str = "") -> str:
    """Where two values of JSON first differ, as a path such as `rooms.orion.vacated_at`; or empty."""
    if one == other:
        return ""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                return _unlike(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    return path or "all of it"
