"""A second opinion on releases: recomputed from the record of events alone, sharing no code with the core.

Only configuration and event types are imported. It knows necessary conditions, so it may be milder than
the core (it does not know flapping, for one), never stricter: whatever it objects to is a wrong release.
It follows one room, "orion".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from scenarios import Given

from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import (
    AnyEvent,
    Availability,
    Booted,
    BridgeState,
    CalendarRead,
    CheckedIn,
    ClockStepped,
    ClockTrust,
    Configured,
    Ended,
    Kept,
    LinkDown,
    LinkUp,
    ModeSet,
    Reading,
    WriteOutcome,
)
from gateway.core.policy import Policy, SensorProfile

MINUTE = 60_000
SIX_HOURS = 6 * 60 * MINUTE
QUEUE_COVERS = MINUTE
DRAIN = 10_000
STALE_READ = 2 * MINUTE
UNSEEN = ("no_show_released", "no_show_kept", "withheld", "unknown", "exempt", "too_short")


@dataclass
class Ear:
    """One sensor as the events tell it."""

    profile: SensorProfile
    showing: bool = False
    shown_since: int = -1
    last_sign: int = -1
    unheard_until: int = -1
    """The newest instant up to which somebody may have entered unnoticed."""
    told: bool = False
    proof: int = -1
    online: bool = True
    battery: int = 100
    fault: bool = False
    bridge_up: bool = True

    def healthy(self, now: int) -> bool:
        """Alive, online, and not stuck on."""
        sound = self.online and self.battery > 2 and not self.fault and self.bridge_up
        beat = self.profile.heartbeat_ms
        alive = beat is None or (self.proof >= 0 and now <= self.proof + beat + beat // 4)
        return sound and alive and not (self.showing and now > self.shown_since + SIX_HOURS)

    @property
    def proves(self) -> bool:
        """A room sensor in service that speaks by itself."""
        return (
            self.profile.role == "room" and self.profile.in_service and self.profile.heartbeat_ms is not None
        )


@dataclass
class Talk:
    """What was said and done about one booking."""

    booking: Booking
    first_seen: int
    in_calendar: bool = True
    moved: int = -1
    opened: int = -1
    live: bool = False
    grace: int = 0
    person: bool = False
    kept: bool = False
    sensors: bool = False
    attended: bool = False
    warned: int = -1
    released: bool = False
    releasing: int = -1
    """The id of the release write under way."""
    over_at: int = -1


@dataclass
class Oracle:
    """Follows the events; `objections` collects what must never happen."""

    ears: dict[str, Ear] = field(default_factory=dict)
    talks: dict[str, Talk] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    hearing: bool = False
    deaf_since: int = -1
    own_restart: bool = False
    late_until: int = -1
    trusted: bool = True
    live: bool = False
    read_at: int = -1
    unseen: int = 0
    objections: list[str] = field(default_factory=list)
    releases: int = 0

    def follow(self, given: tuple[Given, ...]) -> "Oracle":
        """Take a whole record."""
        for event, now, decisions in given:
            self._hear(event, now)
            for decision in decisions:
                self._judge(decision, now)
        return self

    # -- events ---------------------------------------------------------------------------------------

    def _hear(self, event: AnyEvent, now: int) -> None:  # noqa: C901, PLR0912 - one case per kind of event
        match event:
            case Configured():
                self._configure(event, now)
            case Reading():
                self._reading(self.ears[event.sensor], event, now)
            case Availability():
                self._change(self.ears[event.sensor], "online", event.online, now)
            case BridgeState():
                for ear in self.ears.values():
                    if ear.profile.bridge == event.bridge:
                        self._change(ear, "bridge_up", event.online, now)
            case ClockTrust():
                if event.trusted and not self.trusted:
                    self._gap(now)
                self.trusted = event.trusted
            case ModeSet():
                self.live = event.mode == "live"
                for talk in self.talks.values():
                    talk.live &= self.live
            case Booted() | LinkDown() | LinkUp():
                self._link(event, now)
            case ClockStepped():
                self._step(now)
            case CalendarRead():
                self._read(event, now)
            case CheckedIn() | Kept() | Ended():
                self._word(event)
            case WriteOutcome():
                for talk in self.talks.values():
                    if talk.releasing == event.write:
                        talk.releasing = -1

    def _configure(self, event: Configured, now: int) -> None:
        (room,) = event.site.rooms
        if not self.ears:
            self.live = room.mode == "live"
            self.ears = {p.id: Ear(p, unheard_until=now, told=not p.says_clear) for p in room.sensors}
        self.policy = room.policy
        for talk in self.talks.values():
            if talk.opened >= 0:
                talk.grace = max(talk.grace, self.grace())

    def grace(self) -> int:
        """The longest of policy, the room sensors' latency, and ten minutes for a lone lossy prover."""
        room = [
            ear.profile for ear in self.ears.values() if ear.profile.role == "room" and ear.profile.in_service
        ]
        grace = max([self.policy.grace_ms, *(p.latency_ms for p in room if p.heartbeat_ms is not None)])
        relied = [ear.profile for ear in self._relied_on(grace)]
        if (
            relied
            and len({p.bridge or p.id for p in relied}) == 1
            and not all(p.loss_detectable for p in relied)
        ):
            grace = max(grace, 10 * MINUTE)
        return grace

    def _relied_on(self, grace: int) -> list[Ear]:
        able = [ear for ear in self.ears.values() if ear.proves]
        return [ear for ear in able if (ear.profile.heartbeat_ms or 0) <= grace] or able

    def _gap(self, now: int) -> None:
        for ear in self.ears.values():
            ear.unheard_until = now
            ear.told = not ear.profile.says_clear

    def _change(self, ear: Ear, what: str, value: object, now: int) -> None:
        was_well = ear.healthy(now)
        setattr(ear, what, value)
        if not was_well and ear.healthy(now):
            ear.unheard_until = now

    def _reading(self, ear: Ear, event: Reading, now: int) -> None:
        was_well = ear.healthy(now)
        if event.device_made:
            ear.proof = max(ear.proof, self.deaf_since if now < self.late_until else now)
        if event.kind == "battery":
            ear.battery = event.value
        elif event.kind == "fault":
            ear.fault = event.value > 0
        elif event.kind in ("presence", "motion", "count"):
            if not ear.told:  # it may have been showing until just now
                ear.unheard_until = now
            ear.told = True
            self._presence(ear, event.value > 0, now)
        if not was_well and ear.healthy(now):
            ear.unheard_until = now
        if (
            event.kind in ("presence", "motion", "count")
            and event.value > 0
            and ear.proves
            and ear.healthy(now)
        ):
            self.unseen = 0

    def _presence(self, ear: Ear, shows: bool, now: int) -> None:
        if shows and not ear.showing:
            ear.last_sign = now
            ear.showing, ear.shown_since = ear.profile.says_clear, now
            for key, talk in self.talks.items():
                if talk.releasing >= 0:
                    self._must_be_withdrawn.add((key, talk.releasing))
        elif not shows and ear.showing:
            ear.showing, ear.last_sign = False, now

    _must_be_withdrawn: set[tuple[str, int]] = field(default_factory=set)

    def _link(self, event: Booted | LinkDown | LinkUp, now: int) -> None:
        if not isinstance(event, LinkUp):
            if self.hearing or self.deaf_since < 0:
                self.deaf_since = event.down_since if isinstance(event, Booted) else now
                self.own_restart = isinstance(event, Booted) and event.same_machine_boot
            elif isinstance(event, Booted) and not event.same_machine_boot:
                self.own_restart = False
            self.hearing = False
            return
        covered = self.own_restart and event.session_present and now - self.deaf_since <= QUEUE_COVERS
        for ear in self.ears.values():
            if not (covered and ear.profile.at_qos1):
                ear.unheard_until, ear.told = now, not ear.profile.says_clear
        if not self.hearing and self.deaf_since >= 0:
            self.late_until = now + DRAIN
        self.hearing = True

    def _step(self, now: int) -> None:
        self._gap(now)
        for ear in self.ears.values():
            ear.proof = -1
            ear.last_sign, ear.shown_since = min(ear.last_sign, now), min(ear.shown_since, now)
        for talk in self.talks.values():
            talk.warned = -1
            talk.first_seen, talk.moved = min(talk.first_seen, now), min(talk.moved, now)
        self.read_at = -1
        self.late_until = -1

    def _read(self, event: CalendarRead, now: int) -> None:
        self.read_at = now
        for key in event.removed:
            if key in self.talks:
                self.talks[key].in_calendar = False
        for booking in event.changed:
            talk = self.talks.get(booking.key)
            if talk is None:
                self.talks[booking.key] = Talk(booking, now, in_calendar=booking.is_decided_on)
                continue
            if booking.start != talk.booking.start:
                talk.moved = now
                talk.sensors = talk.attended = False
            talk.in_calendar = booking.is_decided_on
            talk.booking = booking

    def _word(self, event: CheckedIn | Kept | Ended) -> None:
        talk = self.talks.get(event.booking)
        if talk is None or talk.released or talk.over_at >= 0 or not talk.in_calendar:
            return
        talk.person |= isinstance(event, CheckedIn)
        talk.kept |= isinstance(event, Kept)

    # -- decisions ------------------------------------------------------------------------------------

    def _judge(self, decision: Decision, now: int) -> None:  # noqa: C901, PLR0912 - one case per kind of decision
        if not decision.booking:
            return
        talk = self.talks[decision.booking]
        match decision.kind:
            case "opened":
                talk.opened, talk.live, talk.grace, talk.over_at = now, self.live, self.grace(), -1
            case "warned":
                talk.warned = now
            case "warning_cancelled":
                talk.warned = -1
            case "seen":
                talk.attended = True
            case "checked_in" | "restored":
                talk.attended = talk.sensors = True
            case "check_in_dropped":
                talk.sensors = False
            case "withdrawn":
                self._must_be_withdrawn.discard((decision.booking, decision.withdraws or 0))
            case "released":
                talk.released = True
            case "concluded":
                talk.over_at = now
                if (
                    decision.tally is not None
                    and decision.tally.outcome in UNSEEN
                    and not talk.booking.all_day
                ):
                    self.unseen += 1
            case "release" | "would_release":
                self.releases += 1
                self.objections += [
                    f"{decision.booking} at {now}: {why}" for why in self._against(decision, talk, now)
                ]
                if decision.write is not None:
                    talk.releasing = decision.write.id

    def _against(self, decision: Decision, talk: Talk, now: int) -> Iterator[str]:
        """Everything that is wrong with this release."""
        yield from self._against_the_booking(decision, talk, now)
        yield from self._against_the_life(decision, talk, now)
        if not self.hearing:
            yield "W2 deaf"
        if not self.trusted:
            yield "W5 the clock is not trusted"
        due = max(talk.booking.start, talk.first_seen, talk.moved) + talk.grace
        if now < due:
            yield f"W5 before due {due}"
        yield from self._against_the_proof(decision, talk, now, due)

    def _against_the_booking(self, decision: Decision, talk: Talk, now: int) -> Iterator[str]:
        booking, write = talk.booking, decision.write
        if not talk.in_calendar:
            yield "W4 not in the calendar as decided on"
        if self.read_at < 0 or now - self.read_at > 5 * MINUTE:
            yield "W4 the calendar is old"
        if booking.all_day or booking.marks or booking.end - booking.start > 3 * 60 * MINUTE:
            yield "W6 exempt"
        if booking.end - now < 10 * MINUTE:
            yield "too little is left"
        if (decision.kind == "release") != (talk.live and write is not None):
            yield "W6 shadow and live are mixed up"
        if write is not None and (write.event_id, write.start, write.end) != (
            booking.event_id,
            booking.start,
            booking.end,
        ):
            yield "W4 the write names another version"
        if write is not None and write.event_id == "master":
            yield "W6 a series master"

    def _against_the_life(self, decision: Decision, talk: Talk, now: int) -> Iterator[str]:
        booking = talk.booking
        if talk.person or talk.sensors:
            yield "W3 checked in"
        if talk.kept:
            yield "kept"
        if talk.released:
            yield "released before"
        if talk.warned < 0 or now - talk.warned < 3 * MINUTE:
            yield "no warning"
        for key, other in self.talks.items():
            if key == decision.booking or not (other.attended or other.person) or not other.in_calendar:
                continue
            end = min(other.booking.end, other.over_at) if other.over_at >= 0 else other.booking.end
            if other.booking.start < booking.end and booking.start < end:
                yield f"W6 overlaps attended {key}"

    def _against_the_proof(self, decision: Decision, talk: Talk, now: int, due: int) -> Iterator[str]:
        relied = self._relied_on(talk.grace)
        if not relied:
            yield "W1 nobody can prove it"
            return
        covered = any(
            ear.profile.senses == "presence" and ear.proves and ear.healthy(now) for ear in self.ears.values()
        )
        since = -1
        for name, ear in self.ears.items():
            profile = ear.profile
            short = profile.senses == "motion" and covered
            hold = min(profile.hold_ms, profile.hold_beside_presence_ms) if short else profile.hold_ms
            since = max(since, (now if ear.showing else ear.last_sign) + hold, ear.unheard_until + hold)
            if ear.showing:
                yield f"W1 {name} shows presence"
            if ear.proves and not ear.healthy(now):
                yield f"W1 {name} is ill"
            if ear.proves and not ear.told:
                yield f"W1 {name} has not told its state"
        proofs = [ear.proof for ear in relied]
        every = any((ear.profile.heartbeat_ms or 0) <= talk.grace for ear in relied)
        until = min(proofs) if every else max(proofs)
        window = talk.grace
        if talk.attended:
            only_motion = all(ear.profile.senses == "motion" for ear in relied)
            window = max(window, (25 if only_motion else 15) * MINUTE)
            if decision.reasons[0].code != "brief_visit":
                yield "somebody was seen, so it is no no-show"
        if until < max(due, since + window):
            yield f"W1 proven from {since} until {until} only, needed until {max(due, since + window)}"
        if len({ear.profile.bridge or ear.profile.id for ear in relied}) == 1 and self.unseen >= 3:
            yield "W8 its only prover may be stuck off"

    def finish(self) -> list[str]:
        """All objections, with releases that presence should have withdrawn."""
        return self.objections + [
            f"{key}: write {write} not withdrawn" for key, write in self._must_be_withdrawn
        ]
