"""Nobody wrongly released: each release, decided and done, is judged again from the raw record.

Decisions of kind `release` and `would_release` are both judged: what shadow would have done must be
right as well. Instants of decisions are the gateway's clock's, those of effects true time.
"""

from collections.abc import Iterator
from typing import Final

from gateway.core.decisions import Decision
from gateway.core.events import ClockStepped
from gateway.core.units import MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.ledger import OutboxRow
from simulators.invariants.base import (
    FRESH_READ_MS,
    Checker,
    EffectChecker,
    Violation,
    is_release,
    last_read,
)
from simulators.invariants.hearsay import FLAPPING_MS, Proof, prove
from simulators.invariants.story import RoomStory, Story, Talk, overlapping, written_at
from simulators.observed import Effect, Observed, Recorded, Trouble
from simulators.people import Visit

MOTION_ONLY_MS: Final[Duration] = 25 * MINUTE_MS
"""How long a brief visit's vacancy lasts where only motion sensors prove it."""

WRITE_PATIENCE_MS: Final[Duration] = 2 * MINUTE_MS
"""A release that could not be written by then rests on old evidence."""
KEEPALIVE_MS: Final[Duration] = 2 * MINUTE_MS
"""By then a dead connection is noticed."""
PERCEPTION_MS: Final[Duration] = 3 * SECOND_MS
"""From a person's coming in to what an event-driven sensor says of it having reached the gateway."""
STUCK_OFF_AFTER: Final = 3
FLAPPING_SURELY: Final = 121
"""Twice as many rises in ten minutes as count as flapping, and one."""

RELEASES: Final = ("release", "would_release")


def judged(story: Story, decision: Decision) -> tuple[RoomStory, Talk] | None:
    """Room and booking of a decision that is to be judged as a release; None for any other."""
    room = story.rooms.get(decision.room)
    talk = None if room is None else room.talks.get(decision.booking)
    return None if decision.kind not in RELEASES or room is None or talk is None else (room, talk)


def ends_early(decision: Decision) -> bool:
    """It takes only the rest of a booking whose people have left."""
    return any(reason.code == "end_early" for reason in decision.reasons[:1])


def proof_at(room: RoomStory, talk: Talk, now: Instant) -> Proof:
    """How far the room is proven empty, under the booking's grace."""
    return prove(room.ears.by_id.values(), talk.grace, now)


def window_of(talk: Talk, decision: Decision, proof: Proof) -> Duration:
    """How long vacancy must be proven, at the least."""
    if ends_early(decision):
        return max(talk.grace, talk.policy.end_early_vacate_ms)
    if not talk.attended:
        return talk.grace
    return max(talk.grace, talk.policy.vacate_ms, MOTION_ONLY_MS if proof.motion_only else 0)


class ProvenVacant(EffectChecker):
    """W1: a release has proven vacancy over the whole effective grace and through to the release.

    Reads the journal's raw readings: at least one `room` sensor, and each of them healthy, with proof of
    life, nothing shown. Through to the release: reads the effects, the reads of the mailbox and what was
    durable by then; presence in the journal before the occurrence was last read withdraws. Unknown is
    not vacant.
    """

    name = "W1"

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Work the proof out again."""
        found = judged(story, decision)
        if found is None:
            return
        room, talk = found
        proof = proof_at(room, talk, decision.at)
        for objection in proof.objections:
            yield self.broken(decision.at, room.name, f"{decision.booking}: {objection}")
        needed = max(talk.due, proof.quiet_since + window_of(talk, decision, proof))
        if not proof.objections and proof.until < needed:
            what = f"proven until {proof.until} only, needed until {needed} (quiet since {proof.quiet_since})"
            yield self.broken(decision.at, room.name, f"{decision.booking}: {what}")

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:
        """Nothing was shown between the decision and the last look before the write."""
        cause = story.cause_of(effect) if is_release(effect) else None
        room = story.rooms.get(effect.room)
        if cause is None or room is None:
            return
        read = last_read(seen, story, effect)
        before = effect.at - FRESH_READ_MS if read is None else read.at
        durable = 0
        for delivery in reversed(seen.deliveries):
            if delivery.acknowledged_at is not None and delivery.acknowledged_at <= before:
                durable = max(durable, delivery.journal_at_ack)
            if delivery.delivered_at < before - WRITE_PATIENCE_MS:
                break
        late = [sensor for seq, sensor in room.shown if cause.seq < seq <= durable]
        if late:
            what = f"{effect.booking}: {late[0]} showed presence before the write, which was not withdrawn"
            yield self.broken(effect.at, effect.room, what)


class NotWhileBlind(EffectChecker):
    """W2: a gap in hearing restarts the vacancy clock; nothing is released while blind.

    Reads the journal (link, boots, silences: what the gateway knew of) and the ground truth of blinding
    troubles and effects (what it must have known of).
    """

    name = "W2"

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """By the journal."""
        found = judged(story, decision)
        if found is None:
            return
        room, talk = found
        if not story.hearing:
            yield self.broken(decision.at, room.name, f"{decision.booking}: decided without a link")
        proof = proof_at(room, talk, decision.at)
        for sensor in proof.unheard:
            what = f"{decision.booking}: {sensor} has not told its state since a gap"
            yield self.broken(decision.at, room.name, what)
        needed = max(talk.due, proof.heard_since + window_of(talk, decision, proof))
        if proof.until < needed and not proof.objections:
            what = f"heard only since {proof.heard_since}, so proof is needed until {needed}"
            yield self.broken(decision.at, room.name, f"{decision.booking}: {what}")

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:
        """By the truth: well into a trouble, and soon after a long one."""
        room, talk = story.rooms.get(effect.room), story.talk(effect.room, effect.booking)
        if not is_release(effect) or room is None or talk is None:
            return
        serving = [s for s in room.config.sensors if s.in_service]
        beat = max((s.heartbeat_ms or 0 for s in serving), default=0)
        hold = min((min(s.hold_ms, s.hold_beside_presence_ms) for s in serving), default=0)
        for trouble in seen.troubles:
            if not (trouble.blinds and trouble.detectable and concerns(trouble, room)):
                continue
            until = effect.at if trouble.until is None else trouble.until
            deep = trouble.since + beat * 5 // 4 + WRITE_PATIENCE_MS + KEEPALIVE_MS
            soon = until + hold + talk.grace
            is_long = until - trouble.since > WRITE_PATIENCE_MS + KEEPALIVE_MS
            if deep < effect.at <= until or (is_long and until < effect.at < soon and not trouble.sensor):
                what = f"{effect.booking}: released blind ({trouble.kind} from {trouble.since} to {until})"
                yield self.broken(effect.at, effect.room, what)


def concerns(trouble: Trouble, room: RoomStory) -> bool:
    """Whether it strikes this room or one of its sensors."""
    return trouble.room in ("", room.name) and (not trouble.sensor or trouble.sensor in room.ears.by_id)


class NotAfterCheckIn(Checker):
    """W3: never after a check-in, except by End early where it is on; a person's check-in is never lost.

    Reads people's words, calendar reads and recorded decisions in the journal. A sensor's check-in ends
    only when the booking moves to another time.
    """

    name = "W3"

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Releases, and check-ins that end."""
        talk = story.talk(decision.room, decision.booking)
        if talk is None:
            return
        if decision.kind == "check_in_dropped":
            if talk.person:
                yield self.broken(decision.at, decision.room, f"{decision.booking}: a person's check-in lost")
            elif talk.moved == NEVER:
                yield self.broken(
                    decision.at, decision.room, f"{decision.booking}: check-in lost, it did not move"
                )
        if decision.kind in RELEASES and (talk.person or talk.sensors):
            if ends_early(decision) and talk.policy.end_early:
                return
            who = "a person" if talk.person else "sensors"
            yield self.broken(decision.at, decision.room, f"{decision.booking}: was checked in by {who}")


class FreshPicture(EffectChecker):
    """W4: never on an old picture: the occurrence is re-read at most 30 s before the write and is unchanged.

    Reads what Exchange answered and the effects, both by true time; and, from the journal, that the
    decision names the version which the calendar last showed.
    """

    name = "W4"

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """The version that was decided on."""
        found = judged(story, decision)
        if found is None:
            if decision.kind in RELEASES:
                yield self.broken(decision.at, decision.room, f"{decision.booking}: no read has shown it")
            return
        room, talk = found
        write, booking = decision.write, talk.booking
        if talk.in_calendar is False:
            yield self.broken(
                decision.at, room.name, f"{decision.booking}: not in the calendar as decided on"
            )
        if write is not None and (write.event_id, write.start, write.end) != (
            booking.event_id,
            booking.start,
            booking.end,
        ):
            yield self.broken(
                decision.at, room.name, f"{decision.booking}: the write names another version of it"
            )

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:
        """The read before the write."""
        if is_release(effect) and last_read(seen, story, effect) is None:
            what = f"{effect.booking}: not read in the {FRESH_READ_MS // 1_000} s before it was {effect.deed}"
            yield self.broken(effect.at, effect.room, what)


class NeverBeforeDue(Checker):
    """W5: never before due; a clock that steps reaches the core as an event and restarts the vacancy clock.

    Reads bookings and instants from the journal. Due is the latest of start, first seen and last move, and
    the effective grace. The clock is the gateway's: that nothing is released while it cannot be trusted
    is looked at here, that a step restarts the vacancy clock under W2.
    """

    name = "W5"

    def __init__(self) -> None:
        self._last: Instant = NEVER

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Time runs forwards unless a step was announced."""
        at = written_at(entry)
        if at < self._last and not isinstance(entry.event, ClockStepped):
            yield self.broken(entry.at, "", f"entry {entry.seq} lies before the one before it")
        self._last = at

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """By the gateway's clock."""
        found = judged(story, decision)
        if found is None:
            return
        room, talk = found
        if decision.at < talk.due:
            yield self.broken(decision.at, room.name, f"{decision.booking}: due only at {talk.due}")
        if not story.trusted:
            yield self.broken(decision.at, room.name, f"{decision.booking}: the clock is not trusted")


class OneOccurrenceOnly(EffectChecker):
    """W6: one occurrence only; never a series master, an exempt booking, one that overlaps an attended one,
    or a room in shadow.

    Reads bookings, people's words and modes from the journal, what was attended from the recorded
    decisions, and the effects: nothing becomes visible in a room in shadow.
    """  # noqa: D205 - the promise is longer than a line

    name = "W6"

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """What a release must not concern."""
        found = judged(story, decision)
        if found is None:
            return
        room, talk = found
        write, booking = decision.write, talk.booking
        length = booking.end - booking.start
        wrong = {
            "a series master": write is not None and write.event_id == write.series_id,
            "kept": talk.kept,
            "an exempt room": room.config.exempt,
            "an all-day entry": booking.all_day,
            "exempt by its marks": bool(booking.marks),
            "exempt by its length": length > talk.policy.exempt_longer_than_ms,
            "the room's own": booking.room_organises and not talk.policy.release_own_bookings,
            "in a room in shadow": decision.kind == "release" and not talk.live,
        }
        for what, holds in wrong.items():
            if holds:
                yield self.broken(decision.at, room.name, f"{decision.booking} is {what}")
        for other in overlapping(room, talk):
            if other.in_calendar and (other.attended or other.person):
                what = f"{decision.booking} overlaps {other.booking.key}, which is attended"
                yield self.broken(decision.at, room.name, what)

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:
        """Shadow writes nothing."""
        if effect.by != "gateway":
            return
        cause = story.cause_of(effect)
        configured = seen.rooms.get(effect.room)
        in_shadow = configured is not None and configured.mode == "shadow" and not _went_live(story, effect)
        if (cause is not None and not cause.decision.live) or in_shadow:
            what = f"{effect.booking} was {effect.deed} in a room in shadow"
            yield self.broken(effect.at, effect.room, what)


def _went_live(story: Story, effect: Effect) -> bool:
    """By a command or by its record: the journal then has live decisions of this room."""
    room = story.rooms.get(effect.room)
    return room is not None and (room.live or any(i.decision.live for i in story.intentions(effect)))


class NotByAStuckSensor(Checker):
    """W8: a sensor stuck on or flapping is unhealthy, its presence still protects; one that may be stuck off,
    alone in the room and silent through its last three bookings, releases nothing.

    Reads raw readings from the journal and what bookings came to from the recorded decisions.
    """  # noqa: D205 - the promise is longer than a line

    name = "W8"

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Releases, and check-ins by a sensor."""
        room = story.rooms.get(decision.room)
        if room is not None and decision.kind == "checked_in":
            yield from self._check_in(room, decision)
        found = judged(story, decision)
        if found is None:
            return
        room, talk = found
        proof = proof_at(room, talk, decision.at)
        if proof.lone and room.unseen >= STUCK_OFF_AFTER:
            what = (
                f"{decision.booking}: its only sensor saw nobody in {room.unseen} bookings and may be stuck"
            )
            yield self.broken(decision.at, room.name, what)
        for name, ear in room.ears.by_id.items():
            if ear.stuck_on(decision.at) and ear.profile.in_service:
                yield self.broken(decision.at, room.name, f"{decision.booking}: {name} is on, if only stuck")

    def _check_in(self, room: RoomStory, decision: Decision) -> Iterator[Violation]:
        for reason in decision.reasons:
            ear = room.ears.by_id.get(reason.sensor)
            if ear is None:
                continue
            recent = [rise for rise in ear.rises if rise >= decision.at - FLAPPING_MS]
            if ear.stuck_on(decision.at) or len(recent) >= FLAPPING_SURELY:
                what = f"{decision.booking}: checked in by {reason.sensor}, which is stuck on or flapping"
                yield self.broken(decision.at, room.name, what)


class NoReleaseOnFailure(EffectChecker):
    """W10: an exception, a failed assertion or a full disk on the way to a decision means no release.

    Reads effects, recorded decisions and the outbox, as read back from the file: whatever became visible
    was decided in a committed entry, and its row had been committed as being sent.
    """

    name = "W10"

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:
        """From what can be seen back to what was written down."""
        if effect.by != "gateway":
            return
        cause = story.cause_of(effect)
        if cause is None or cause.decision.write is None:
            what = f"{effect.booking} was {effect.deed}, and no recorded decision asks for it"
            yield self.broken(effect.at, effect.room, what)
            return
        row = _row(seen, effect.room, cause.decision.write.id)
        if row is not None and row.state in ("pending", "verifying"):
            what = f"{effect.booking} was {effect.deed}, and its row is only {row.state}"
            yield self.broken(effect.at, effect.room, what)


def _row(seen: Observed, room: str, write: int) -> OutboxRow | None:
    return next((row for row in seen.outbox if (row.room, row.write.id) == (room, write)), None)


class NobodyInside(EffectChecker):
    """The point of it all: by ground truth nobody was in the room when a release took effect.

    Reads visits, effects and troubles. Not promised, and counted apart (`wrongly_released`): what a trouble
    that nobody can notice hid, and who came in too late to be seen: after the occurrence was last read, or
    within a periodic sensor's latency.
    """

    name = "people_inside"

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:
        """Look into the room."""
        if not is_release(effect):
            return
        inside = people_inside(seen, effect)
        if inside and _was_noticeable(seen, story, effect, inside):
            people = sum(visit.people for visit in inside)
            what = f"wrong release: {effect.booking} was {effect.deed} with {people} in the room"
            yield self.broken(effect.at, effect.room, what)


def people_inside(seen: Observed, effect: Effect) -> list[Visit]:
    """Who really was in the room at that moment."""
    return [v for v in seen.visits.get(effect.room, ()) if v.enter <= effect.at < v.leave]


def _was_noticeable(seen: Observed, story: Story, effect: Effect, inside: list[Visit]) -> bool:
    read = last_read(seen, story, effect)
    looked_at = effect.at - FRESH_READ_MS if read is None else read.at
    config = seen.rooms.get(effect.room)
    sensors = () if config is None else config.sensors
    latency = min((s.latency_ms for s in sensors if s.in_service), default=0)
    came = min(visit.enter for visit in inside)
    if came > looked_at - latency - PERCEPTION_MS:
        return False
    names = {sensor.id for sensor in sensors}
    return not any(
        not trouble.detectable
        and trouble.room in ("", effect.room)
        and (not trouble.sensor or trouble.sensor in names)
        and trouble.since <= effect.at
        and (trouble.until is None or trouble.until >= came)
        for trouble in seen.troubles
    )


def wrongly_released(seen: Observed) -> tuple[int, int]:
    """Releases with people in the room: those that are promised not to be, and those nobody could notice."""
    story = Story()
    for entry in seen.journal:
        story.take(entry)
    promised = unnoticeable = 0
    for effect in seen.effects:
        inside = people_inside(seen, effect) if is_release(effect) else []
        if inside and _was_noticeable(seen, story, effect, inside):
            promised += 1
        elif inside:
            unnoticeable += 1
    return promised, unnoticeable
