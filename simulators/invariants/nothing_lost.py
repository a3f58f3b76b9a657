"""Nothing lost: what was acknowledged, decided and intended is in the ledger, once, and comes to an end."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.core.events import AnyEvent, Availability, BridgeState, Reading, Tick, WriteOutcome
from gateway.core.units import FOREVER, HOUR_MS, MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.ledger import FINAL_STATES, OutboxRow
from simulators.invariants.base import Checker, EffectChecker, Violation, is_release
from simulators.invariants.hearsay import PRESENCE
from simulators.invariants.story import Story, written_at
from simulators.observed import Delivery, Effect, Observed, Recorded

SETTLED_AFTER_MS: Final[Duration] = 60 * SECOND_MS
"""Within this after the last fault every write has ended (L3)."""

SPARSE_SHARE: Final = 8
SPARSE_MS: Final[Duration] = MINUTE_MS
"""Repeats are folded under a proof of life at most an eighth of the heartbeat old; a minute without one."""

SLACK_MS: Final[Duration] = 3 * SECOND_MS
"""By so much the instants of a message and of its entry may differ (steps under 2 s are not noticed)."""

RECENT: Final = 2_000
"""An acknowledgement waits for no more entries of one sensor than this: after a full disk all that a flapping
sensor has said meanwhile comes in one instant."""
LOOK_BACK_EVERY: Final = 600
"""Steps (simulated minutes) between two looks at messages that have waited for long."""
SET_ASIDE_EVERY: Final = 10
OLD_MS: Final[Duration] = 3 * HOUR_MS
"""Longer than any outage after which a broker delivers again: the order in which facts are found matters."""

DEVICE_MADE: Final = "device made"
FULL: Final = 100
"""Percent: a battery that nothing was said of yet."""
COUNTS_WAIT_MS: Final[Duration] = 125 * SECOND_MS
"""Counts are written once a minute, with the commit that comes next; later ones die with the process."""


class Fact(NamedTuple):
    """An entry of the journal about one sensor or bridge; `at` by true time."""

    seq: int
    at: Instant
    event: AnyEvent


class AcknowledgedIsJournaled(Checker):
    """L1: a reading acknowledged to the broker is committed first; a folded repeat by its proof of life.

    Reads the broker's deliveries (what each means, and what was durable when it was acknowledged) and
    the journal: for each acknowledged fact an entry of its own instant, or one before it that says the
    same and whose proof of life is not older than a repeat's may be.
    """

    name = "L1"

    def __init__(self) -> None:
        self._read = 0
        self._waiting: list[int] = []
        self._facts: dict[str, list[Fact]] = {}
        self._of_kind: dict[tuple[str, str], list[Fact]] = {}
        """By sensor and kind of reading; those that the device itself made also under `DEVICE_MADE`."""
        self._made_at: dict[str, Instant] = {}
        """By sensor: the device's own time of what is known of it."""
        self._old: list[int] = []
        """Deliveries that have waited for long."""
        self._steps = 0
        self._used: dict[str, set[int]] = {}
        """Sequence numbers of entries that stand for a delivery already."""

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Keep each sensor's facts apart."""
        event, name = entry.event, speaker(entry.event)
        if name:
            fact = Fact(entry.seq, entry.at, event)
            self._facts.setdefault(name, []).append(fact)
            if isinstance(event, Reading):
                if self._tells_anew(event, written_at(entry)):
                    self._of_kind.setdefault((name, event.kind), []).append(fact)
                if event.device_made:
                    self._of_kind.setdefault((name, DEVICE_MADE), []).append(fact)
        return iter(())

    def _tells_anew(self, reading: Reading, now: Instant) -> bool:
        """Not a clear that was made before what is known already: it says nothing of the present."""
        made_at, newest = reading.made_at, self._made_at.get(reading.sensor, NEVER)
        if made_at is not None and made_at <= now and (made_at > newest or reading.shows_presence):
            self._made_at[reading.sensor] = made_at
        late = made_at is not None and made_at < newest
        return not (late and reading.kind in PRESENCE and not reading.shows_presence)

    def step(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """Look at what was acknowledged since."""
        self._waiting += range(self._read, len(seen.deliveries))
        self._read = len(seen.deliveries)
        self._steps += 1
        if self._steps % LOOK_BACK_EVERY == 0:
            self._waiting, self._old = self._old + self._waiting, []
        elif self._steps % SET_ASIDE_EVERY == 0:  # most of what waits for hours died with its session
            before = seen.now - OLD_MS
            self._old += [i for i in self._waiting if seen.deliveries[i].delivered_at < before]
            self._waiting = [i for i in self._waiting if seen.deliveries[i].delivered_at >= before]
        yield from self._look_at_waiting(seen, story)

    def end(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """Look at everything that still waits."""
        self._waiting, self._old = self._old + self._waiting, []
        yield from self._look_at_waiting(seen, story)

    def _look_at_waiting(self, seen: Observed, story: Story) -> Iterator[Violation]:
        still = []
        for index in self._waiting:
            delivery = seen.deliveries[index]
            if delivery.acknowledged_at is None:
                still.append(index)
                continue
            for said in delivery.means:
                if not self._is_durable(delivery, said, story):
                    what = f"{delivery.topic}: acknowledged, not among the first {delivery.journal_at_ack}"
                    room = next((r.name for r in story.rooms_of.get(speaker(said), ())), "")
                    yield self.broken(delivery.acknowledged_at, room, f"{what}: {said}")
        self._waiting = still

    def _is_durable(self, delivery: Delivery, said: AnyEvent, story: Story) -> bool:
        name = speaker(said)
        durable, used = self._durable(self._facts.get(name, []), delivery), self._used.setdefault(name, set())
        around = _since(durable, delivery) if story.clock_stepped else _around(durable, delivery.delivered_at)
        same = [fact for fact in around if fact.seq not in used and _says_the_same(fact.event, said)]
        nearest = min(same, key=lambda fact: abs(fact.at - delivery.delivered_at), default=None)
        apart = FOREVER if nearest is None else abs(nearest.at - delivery.delivered_at)
        # One of another time may well stand for another delivery: a repeat needs none of its own.
        if nearest is not None and (apart <= SLACK_MS or not self._is_repeat(delivery, said, story)):
            used.add(nearest.seq)
            return True
        if isinstance(said, Availability | BridgeState):
            before = [fact for fact in durable if fact.at <= delivery.delivered_at + SLACK_MS]
            known = before[-1].event if before else None
            # Only changes are facts, and what has never spoken counts as online.
            is_known = known.online == said.online if isinstance(known, type(said)) else said.online
            return is_known or not (isinstance(said, Availability) and said.sensor in story.rooms_of)
        return self._is_repeat(delivery, said, story)

    def _is_repeat(self, delivery: Delivery, said: AnyEvent, story: Story) -> bool:
        """Compared with what was known just before it was delivered, or within seconds of that.

        A radar that beats "on" and clears a moment later, or in the same instant, has not lost its beat.
        """
        return isinstance(said, Reading) and any(
            self._is_folded(delivery, said, story, slack) for slack in (SLACK_MS, 0, -1)
        )

    def _durable(self, facts: list[Fact], delivery: Delivery) -> list[Fact]:
        """The newest of these facts that were durable when the message was acknowledged."""
        end = bisect_right(facts, delivery.journal_at_ack, key=lambda fact: fact.seq)
        return facts[max(0, end - RECENT) : end]

    def _newest(self, sensor: str, kind: str, delivery: Delivery, slack: Duration) -> Fact | None:
        """The newest reading of a kind that was durable then and is not younger than the message."""
        facts = self._durable(self._of_kind.get((sensor, kind), []), delivery)
        return next((fact for fact in reversed(facts) if fact.at <= delivery.delivered_at + slack), None)

    def _is_folded(self, delivery: Delivery, said: Reading, story: Story, slack: Duration) -> bool:
        """Whether what was said may rest on what is known."""
        rooms = story.rooms_of.get(said.sensor)
        if not rooms:
            return True
        profile = rooms[0].ears.by_id[said.sensor].profile
        if said.kind in (*PRESENCE, "battery", "fault", "tamper"):
            last = self._newest(said.sensor, said.kind, delivery, slack)
            unsaid = FULL if said.kind == "battery" else 0
            known = last.event.value if last is not None and isinstance(last.event, Reading) else unsaid
            if said.value != known:
                return False
        if said.shows_presence and not profile.says_clear:
            return False  # each hit counts
        if not said.device_made or said.made_at is not None or story.clock_stepped:
            return True  # it proves nothing, or how old it is cannot be told from here
        sparse = profile.heartbeat_ms // SPARSE_SHARE if profile.heartbeat_ms else SPARSE_MS
        proof = self._newest(said.sensor, DEVICE_MADE, delivery, slack)
        return proof is not None and delivery.delivered_at - proof.at < sparse + SLACK_MS


def _around(facts: list[Fact], at: Instant) -> list[Fact]:
    """The facts of nearly that instant, where no clock was stepped and so they are in order of time."""
    first = bisect_left(facts, at - SLACK_MS, key=lambda fact: fact.at)
    return facts[first : bisect_right(facts, at + SLACK_MS, key=lambda fact: fact.at)]


def _since(facts: list[Fact], delivery: Delivery) -> list[Fact]:
    """The facts that were written down after the delivery; in order of time they need not be."""
    return facts[bisect_right(facts, delivery.journal_before, key=lambda fact: fact.seq) :]


def speaker(event: AnyEvent) -> str:
    """Whose fact it is; a bridge's name is kept apart from sensors'."""
    if isinstance(event, Reading):
        return event.sensor
    if isinstance(event, Availability):
        return f"availability of {event.sensor}"
    return f"bridge {event.bridge}" if isinstance(event, BridgeState) else ""


def _says_the_same(one: AnyEvent, other: AnyEvent) -> bool:
    if isinstance(one, Reading) and isinstance(other, Reading):
        return (one.kind, one.value, one.device_made) == (other.kind, other.value, other.device_made)
    return one == other


class OneTransaction(Checker):
    """L2: decision, the events behind it and its outbox row commit together: none without the others.

    Reads journal, decisions and outbox, as read back from the file: each decision names a tick that
    exists and happened at its instant; each write that was decided has its row, and each row its decision.
    """

    name = "L2"

    def __init__(self) -> None:
        self._new: list[tuple[str, int, Instant]] = []
        self._outbox: object = None
        """The list that was looked at last; a new one is made whenever anything in it is new."""
        self._rows: set[tuple[str, int]] = set()
        self._orphans = 0

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Decisions come of ticks and of nothing else."""
        for decision in story.just_decided:
            if not isinstance(entry.event, Tick) or decision.at != written_at(entry):
                what = (
                    f"{decision.kind} of {decision.booking or 'the room'} does not come of entry {entry.seq}"
                )
                yield self.broken(entry.at, decision.room, what)
            if decision.write is not None:
                self._new.append((decision.room, decision.write.id, decision.at))

    def step(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """Rows and decisions name each other."""
        for seq, decision in story.orphans[self._orphans :]:
            what = f"{decision.kind} of {decision.booking or 'the room'}: the journal has no entry {seq}"
            yield self.broken(decision.at, decision.room, what)
        self._orphans = len(story.orphans)
        if seen.outbox is self._outbox and not self._new:
            return
        self._outbox = seen.outbox
        rows = {(row.room, row.write.id): row for row in seen.outbox}
        for room, write, at in self._new:
            if (room, write) not in rows:
                yield self.broken(at, room, f"write {write} was decided and has no row in the outbox")
        self._new = []
        for key in rows.keys() - self._rows:
            intended, row = story.intended.get(key), rows[key]
            if intended is None or intended.decision.write != row.write:
                what = f"write {key[1]} is in the outbox and no recorded decision asks for it"
                yield self.broken(seen.now, key[0], what)
        self._rows = set(rows)


class EveryWriteEnds(Checker):
    """L3: every outbox row ends as exactly one of applied, superseded, or expired-and-alerted, within 60 s.

    Reads outbox and journal: an end is for good, is a fact of the journal once, and one that expired
    says why. Once nothing fails any more, no row older than 60 s is left.
    """

    name = "L3"

    def __init__(self) -> None:
        self._outbox: object = None
        """The list that was looked at last; a new one is made whenever anything in it is new."""
        self._ended: dict[tuple[str, int], str] = {}
        self._outcomes: Counter[tuple[str, int]] = Counter()
        self._results: dict[tuple[str, int], str] = {}

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """The end of a write is a fact, once."""
        event = entry.event
        if isinstance(event, WriteOutcome):
            key = event.room, event.write
            self._outcomes[key] += 1
            self._results[key] = event.result
            if self._outcomes[key] > 1:
                yield self.broken(entry.at, event.room, f"write {event.write} ended twice")

    def step(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """What has ended stays so."""
        if seen.outbox is self._outbox:
            return
        self._outbox = seen.outbox
        for row in seen.outbox:
            key = row.room, row.write.id
            before = self._ended.get(key)
            if row.state == before:
                continue
            if before is not None:
                yield self.broken(seen.now, row.room, f"write {key[1]} was {before} and is {row.state}")
            if row.state in FINAL_STATES:
                self._ended[key] = row.state
                yield from self._at_its_end(seen, story, row)

    def _at_its_end(self, seen: Observed, story: Story, row: OutboxRow) -> Iterator[Violation]:
        write = row.write.id
        if row.state != "applied" and not row.why:
            yield self.broken(seen.now, row.room, f"write {write} is {row.state} and nobody is told why")
        result = self._results.get((row.room, write))
        if result != row.state and row.room in story.rooms:
            yield self.broken(seen.now, row.room, f"write {write} is {row.state}, the journal says {result}")

    def end(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """No row is left that had its time."""
        if seen.healed_at is None or seen.now < seen.healed_at + SETTLED_AFTER_MS:
            return
        for row in seen.outbox:
            intended = story.intended.get((row.room, row.write.id))
            had_time = intended is None or intended.true_at <= seen.now - SETTLED_AFTER_MS
            if row.state not in FINAL_STATES and had_time:
                what = f"write {row.write.id} ({row.write.action}) is still {row.state}"
                yield self.broken(seen.now, row.room, what)


class OneVisibleEffect(EffectChecker):
    """L4: at most one visible effect in Exchange per booking and decision; nothing is sent again blindly.

    Reads the mailboxes' effects and the recorded decisions: never more effects of a kind than decisions
    that ask for one, and no booking is ever released twice.
    """

    name = "L4"

    def __init__(self) -> None:
        super().__init__()
        self._done: Counter[tuple[str, str, str]] = Counter()

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Count what the gateway did."""
        if effect.by != "gateway":
            return
        taken = is_release(effect)
        kind = "released" if taken else effect.deed
        key = effect.room, "" if effect.deed == "created" else effect.booking, kind
        self._done[key] += 1
        decided = len(story.intentions(effect))
        if self._done[key] > decided and decided:
            what = f"{effect.booking} was {kind} {self._done[key]} times for {decided} decisions"
            yield self.broken(effect.at, effect.room, what)
        elif taken and self._done[key] > 1:
            yield self.broken(effect.at, effect.room, f"{effect.booking} was released again")


class NothingUncounted(Checker):
    """L8: received = accepted + folded + rejected, per sensor.

    Reads the broker's deliveries, the ledger's counts and the journal. Counts are written once a minute
    and never ahead of the messages: at any time at most as many as were delivered, and no more accepted
    than the journal has facts; at the end all, but those of the minute before something failed.
    """

    name = "L8"

    def __init__(self) -> None:
        self._read = 0
        self._delivered: dict[str, list[int]] = {}
        """By sensor: which deliveries."""
        self._facts: Counter[str] = Counter()

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Count each sensor's facts."""
        if isinstance(entry.event, Reading | Availability):
            self._facts[entry.event.sensor] += 1
        return iter(())

    def step(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """Never more than there were."""
        for index in range(self._read, len(seen.deliveries)):
            delivery = seen.deliveries[index]
            names = {m.sensor for m in delivery.means if isinstance(m, Reading | Availability)}
            for name in names | ({delivery.sensor} if delivery.sensor else set()):
                self._delivered.setdefault(name, []).append(index)
        self._read = len(seen.deliveries)
        for sensor, counts in seen.counts.items():
            if sensor not in story.rooms_of or not self._delivered:
                continue
            total = counts.accepted + counts.folded + counts.rejected
            delivered = len(self._delivered.get(sensor, ()))
            if total > delivered:
                yield self.broken(seen.now, "", f"{sensor}: {total} messages counted, {delivered} delivered")
            if counts.accepted > self._facts[sensor]:
                what = f"{sensor}: {counts.accepted} messages accepted, {self._facts[sensor]} facts recorded"
                yield self.broken(seen.now, "", what)

    def end(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """All but the last minute's are counted."""
        for sensor, indexes in self._delivered.items():
            rooms = {room.name for room in story.rooms_of.get(sensor, ())}
            if not rooms:
                continue
            excused = [(since - COUNTS_WAIT_MS, until) for since, until in story.boots]
            excused += [
                (t.since - COUNTS_WAIT_MS, (t.until or seen.now) + COUNTS_WAIT_MS)
                for t in seen.troubles
                if t.sensor in ("", sensor) and (not t.room or t.room in rooms)
            ]
            settled = [seen.deliveries[i].delivered_at for i in indexes if seen.deliveries[i].acknowledged_at]
            sure = sum(
                at < seen.now - COUNTS_WAIT_MS and not any(since <= at <= until for since, until in excused)
                for at in settled
            )
            counts = seen.counts.get(sensor)
            total = counts.accepted + counts.folded + counts.rejected if counts else 0
            if total < sure:
                yield self.broken(seen.now, "", f"{sensor}: {sure} messages delivered, only {total} counted")
