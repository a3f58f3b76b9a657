"""Today's rules where other rules decided: they live on in another world than the one that was recorded.

Theory of operation

* The facts are those of the journal, with these exceptions. Ticks: today's rules may want one where the
  journal has none, so they get it at their own deadlines (not while the gateway was away: before a boot,
  a lost link and a set clock no time passes). Outcomes of writes: the journal's belong to the writes
  that were made then, so each is handed to today's write of the same action and booking, or to nobody.
  And a write that nobody made then is answered a little later as applied, as most are: answered
  otherwise, or never, each would be asked for again and again.
* A booking that left the calendar because it was given back then stays in it here, unless today's rules
  give it back as well. Other changes that writes made in Exchange cannot be told from people's. So one
  decision that differs may bring others about the same booking; the first of them is the one to look at.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from gateway.core.decisions import Decision
from gateway.core.events import (
    WITHDRAWN,
    AnyEvent,
    Booted,
    CalendarRead,
    ClockStepped,
    LinkDown,
    Tick,
    WriteOutcome,
)
from gateway.core.site import Site
from gateway.core.units import FOREVER, SECOND_MS, Duration, Instant

PATIENCE_MS: Final[Duration] = SECOND_MS // 2
"""The journal's own tick comes some milliseconds after its deadline: wait for it so long."""

ANSWERED_AFTER_MS: Final[Duration] = 10 * SECOND_MS
"""When a write is answered that nobody made then; within it the recorded gateway may still make it."""

IN_REPLAY: Final = "in a replay"
"""`WriteOutcome.why` of a write that was never made."""

AWAY_BEFORE: Final = (Booted, LinkDown, ClockStepped)
"""Before one of these the gateway was not there, stood still, or had another time."""

Key = tuple[str, str, str]
"""Room, action, and the booking or what the write is linked with."""
Number = tuple[str, int]
"""Room and id: names a write in one of the two worlds."""


class _Open(NamedTuple):
    """A write of today that waits for its end: its own, or that of the recorded write beside it."""

    key: Key
    answer_at: Instant
    answer: WriteOutcome
    beside: Number | None = None


class Elsewhere:
    """Gives a stretch of the journal to today's rules. `today` gathers what they decide."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.today: list[Decision] = []
        self._theirs: dict[Number, Key] = {}
        """The recorded writes that are under way and were decided in this stretch."""
        self._withdrawn: set[Number] = set()
        """Those of them that were withdrawn."""
        self._ours: dict[Number, _Open] = {}
        self._removed_then: set[tuple[str, str]] = set()
        """Room and key of bookings that were taken out of the calendar then."""
        self._removed_here: set[tuple[str, str]] = set()
        """The same by today's rules."""
        self._due_since: Instant = FOREVER
        """Since when a tick is due that has not been given."""

    def begin_anew(self, site: Site) -> None:
        """Go on from a recorded state: what is under way is what was under way then."""
        self.site = site
        self._theirs, self._withdrawn, self._ours, self._due_since = {}, set(), {}, FOREVER
        self._removed_then, self._removed_here = set(), set()

    def give(self, event: AnyEvent, at: Instant, recorded: Sequence[Decision]) -> None:
        """The next event of the journal, and what was decided on it then. Raises CoreError."""
        if not isinstance(event, AWAY_BEFORE):
            self._pass_time(at)
        for decision in recorded:
            self._note_theirs(decision)
        if isinstance(event, Tick):
            self._tick(at)
        elif isinstance(event, WriteOutcome):
            meant = self._translated(event)
            if meant is not None:
                self.site.handle(meant, at)
        else:
            self.site.handle(self._still_there(event) if isinstance(event, CalendarRead) else event, at)

    def _still_there(self, read: CalendarRead) -> CalendarRead:
        """The read without the absence of bookings that only the recorded gateway gave back."""
        only_then = self._removed_then - self._removed_here
        removed = tuple(key for key in read.removed if (read.room, key) not in only_then)
        return read if removed == read.removed else msgspec.structs.replace(read, removed=removed)

    # -- time -----------------------------------------------------------------------------------------

    def _pass_time(self, until: Instant) -> None:
        """Ticks and answers of our own that come before the next event."""
        while True:
            tick_at = self._tick_due(until)
            number = min(self._ours, key=lambda one: self._ours[one].answer_at, default=None)
            answer_at = FOREVER if number is None else self._ours[number].answer_at
            if min(tick_at + PATIENCE_MS, answer_at) >= until:
                return
            if number is not None and answer_at < tick_at:
                self.site.handle(self._ours.pop(number).answer, max(answer_at, self.site.state.now))
            else:
                self._tick(max(tick_at, self.site.state.now))

    def _tick_due(self, until: Instant) -> Instant:
        """When the next tick is due, `FOREVER` if none; what is due already has been so for a while."""
        deadline, now = self.site.next_deadline(until), self.site.state.now
        if deadline is None:
            return FOREVER
        if deadline <= now:
            self._due_since = min(self._due_since, now)
            return self._due_since
        return deadline

    def _tick(self, at: Instant) -> None:
        self._due_since = FOREVER
        decisions = self.site.handle(Tick(), at)
        self.today += decisions
        for decision in decisions:
            self._note_ours(decision)

    # -- writes ---------------------------------------------------------------------------------------

    def _note_theirs(self, decision: Decision) -> None:
        """A write that was made then: today's write of the same meaning shares its fate."""
        if decision.write is not None:
            number, key = (decision.room, decision.write.id), _key(decision)
            self._theirs[number] = key
            if decision.write.removes:
                self._removed_then.add((decision.room, decision.booking))
            alone = (mine for mine, one in self._ours.items() if one.key == key and one.beside is None)
            mine = next(alone, None)
            if mine is not None:
                self._ours[mine] = self._ours[mine]._replace(beside=number, answer_at=FOREVER)
        if decision.withdraws is not None:
            number = (decision.room, decision.withdraws)
            self._withdrawn.add(number)
            for mine, one in self._ours.items():
                if one.beside == number:
                    self._ours[mine] = one._replace(answer_at=FOREVER)

    def _note_ours(self, decision: Decision) -> None:
        if decision.write is not None:
            key = _key(decision)
            if decision.write.removes:
                self._removed_here.add((decision.room, decision.booking))
            taken = {one.beside for one in self._ours.values()}
            alone = (theirs for theirs, other in self._theirs.items() if other == key and theirs not in taken)
            beside = next(alone, None)
            answer = WriteOutcome(decision.room, decision.write.id, "applied", IN_REPLAY)
            answer_at = decision.at + ANSWERED_AFTER_MS if beside is None else FOREVER
            self._ours[decision.room, decision.write.id] = _Open(key, answer_at, answer, beside)
        if decision.withdraws is not None:
            mine = (decision.room, decision.withdraws)
            one = self._ours.get(mine)
            if one is not None and one.beside not in self._withdrawn:
                answer = WriteOutcome(decision.room, decision.withdraws, "superseded", WITHDRAWN)
                self._ours[mine] = one._replace(answer_at=decision.at + SECOND_MS, answer=answer)
                self._removed_here.discard((decision.room, decision.booking))

    def _translated(self, outcome: WriteOutcome) -> WriteOutcome | None:
        """The outcome as one of today's writes; None: today's rules made none, or it has ended."""
        number = (outcome.room, outcome.write)
        if number not in self._theirs:
            return outcome  # decided before this stretch began: the same write in both worlds
        room, _, booking = self._theirs.pop(number)
        if outcome.result != "applied":
            self._removed_then.discard((room, booking))
        self._withdrawn.discard(number)
        mine = next((own for own, one in self._ours.items() if one.beside == number), None)
        if mine is None:
            return None
        del self._ours[mine]
        return msgspec.structs.replace(outcome, write=mine[1])


def _key(decision: Decision) -> Key:
    write = decision.write
    if write is None:
        raise ValueError("only a decision with a write has a key")
    return decision.room, write.action, decision.booking or write.linked
