"""Is somebody in the room, is it proven empty, or is that unknown? Unknown is not vacant."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from gateway.core.decisions import Reason
from gateway.core.evidence import SensorState, ailment
from gateway.core.policy import Policy, SensorProfile
from gateway.core.units import FOREVER, MINUTE_MS, NEVER, Duration, Instant

LONE_PROVER_GRACE_MS: Duration = 10 * MINUTE_MS
"""The shortest grace where one sensor alone proves a room and its losses go unnoticed."""


class Sensor(NamedTuple):
    """One sensor as the rules see it: what it can prove, what it said, and its bridge's state."""

    profile: SensorProfile
    state: SensorState
    bridge_online: bool
    covered_hold_ms: Duration
    """Its hold while a healthy presence sensor covers the room (`covered_hold_of`)."""

    def is_healthy(self, now: Instant) -> bool:
        """Believed at `now` (same answer as `ailment`, kept as an instant)."""
        return now <= self.state.well_until


class Proof(NamedTuple):
    """How far the vacancy of a room is proven.

    `blocked` says why nothing is proven (a sensor is ill, or shows presence). Otherwise nothing has
    been shown since `since`, and the sensors in `provers` vouch for it up to `until`, which may
    still lie before `since` or before whatever instant is asked for.
    """

    blocked: Reason | None
    since: Instant
    until: Instant
    provers: tuple[str, ...]
    lone: bool
    """All of `provers` can fail at once (one sensor, one radio, one bridge)."""
    motion_only: bool
    covered: bool = False
    """A healthy presence sensor covers those who sit still."""

    @property
    def vacant(self) -> bool:
        """Proven empty from `since` to `until`, however short that is."""
        return self.blocked is None and self.since <= self.until


class Occupancy(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a room at one moment.

    `since`/`until` for `vacant`: proven empty between them. `why` for `unknown` and `occupied`.
    """

    status: Literal["occupied", "vacant", "unknown"]
    since: Instant = NEVER
    until: Instant = NEVER
    why: tuple[Reason, ...] = ()


def can_prove(profile: SensorProfile) -> bool:
    """Only a `room` sensor in service that speaks by itself can prove a room empty."""
    return profile.role == "room" and profile.in_service and profile.heartbeat_ms is not None


def must_prove(profiles: Iterable[SensorProfile], grace_ms: Duration) -> tuple[SensorProfile, ...]:
    """The sensors that must each vouch for vacancy: those whose heartbeat fits into the grace.

    Empty if none does; then at least one of those that can prove must.
    """
    return tuple(p for p in profiles if can_prove(p) and (p.heartbeat_ms or 0) <= grace_ms)


def proving(profiles: Iterable[SensorProfile], grace_ms: Duration) -> tuple[SensorProfile, ...]:
    """The sensors that the proof rests on: `must_prove`, or all that can prove if that is empty."""
    all_profiles = tuple(profiles)
    return must_prove(all_profiles, grace_ms) or tuple(p for p in all_profiles if can_prove(p))


def is_lone(profiles: Iterable[SensorProfile]) -> bool:
    """Whether these sensors can all fail at once: one alone, or tied by a common bridge or unit."""
    clusters: list[set[str]] = []
    for profile in profiles:
        merged = set(profile.ties)
        apart = [cluster for cluster in clusters if not cluster & merged]
        clusters = [*apart, merged.union(*(c for c in clusters if c & merged))]
    return len(clusters) <= 1


class Panel(NamedTuple):
    """The sensors that prove a room's vacancy under some grace, and how much they are worth together."""

    provers: tuple[str, ...]
    each_must: bool
    """Each of them must vouch; otherwise the latest word of any will do."""
    lone: bool
    motion_only: bool


def panel_of(profiles: Iterable[SensorProfile], grace_ms: Duration) -> Panel:
    """Who proves vacancy under this grace. A function of configuration alone."""
    all_profiles = tuple(profiles)
    relied_on = proving(all_profiles, grace_ms)
    return Panel(
        tuple(p.id for p in relied_on),
        bool(must_prove(all_profiles, grace_ms)),
        is_lone(relied_on),
        all(p.senses == "motion" for p in relied_on),
    )


def effective_grace(policy: Policy, profiles: Iterable[SensorProfile]) -> Duration:
    """The policy's grace, lengthened to what the room's sensors need to notice people."""
    all_profiles = tuple(profiles)
    latencies = (p.latency_ms for p in all_profiles if p.role == "room" and p.in_service)
    grace = max((policy.grace_ms, *latencies))
    relied_on = proving(all_profiles, grace)
    if relied_on and is_lone(relied_on) and not all(p.loss_detectable for p in relied_on):
        return max(grace, LONE_PROVER_GRACE_MS)
    return grace


def is_covered(sensors: Mapping[str, Sensor], now: Instant) -> bool:
    """Whether a healthy presence sensor covers the room, also those who sit still."""
    for profile, state, _, _ in sensors.values():
        if profile.senses == "presence" and now <= state.well_until and can_prove(profile):
            return True
    return False


def covered_hold_of(profile: SensorProfile) -> Duration:
    """The sensor's hold while a presence sensor covers the room: the short one for motion."""
    short = profile.senses == "motion"
    return min(profile.hold_beside_presence_ms, profile.hold_ms) if short else profile.hold_ms


def prove(sensors: Mapping[str, Sensor], panel: Panel, now: Instant, before: Instant = FOREVER) -> Proof:
    """How far vacancy is proven at `now`, hearing and clock taken as good.

    Each `room` sensor in service must be healthy and show nothing; any sensor's sign counts
    against it whatever its health. A sensor's proof reaches to the last message that the device
    made, live session or not: a counter that reports every 10 min says nothing about the last 9.
    `before`: count only messages made before that instant, so that the order of messages of one
    instant does not matter.
    """
    blocked = None if panel.provers else Reason("no_prover")
    covered = is_covered(sensors, now)
    since = NEVER
    for name, sensor in sensors.items():
        profile, state, _, covered_hold = sensor
        if not profile.in_service:
            continue
        if blocked is None and (state.showing or now > state.well_until or not state.knows_state):
            blocked = _objection(name, sensor, now)
        sign = now if state.showing else state.last_sign
        sign = max(sign, state.as_if_sign)
        since = max(since, sign + (covered_hold if covered else profile.hold_ms))
    states = [sensors[prover].state for prover in panel.provers]
    proofs = [s.last_proof if s.last_proof < before else s.proof_before for s in states]
    until = (min(proofs) if panel.each_must else max(proofs)) if proofs else NEVER
    return Proof(blocked, since, until, panel.provers, panel.lone, panel.motion_only, covered)


def _objection(name: str, sensor: Sensor, now: Instant) -> Reason | None:
    """What this sensor has against the room being empty right now."""
    profile, state, bridge_online, _ = sensor
    if state.showing:
        return Reason("shows_presence", sensor=name, at=state.shown_since)
    if not can_prove(profile):
        return None
    trouble = ailment(profile, state, bridge_online, now)
    if trouble:
        at = None if state.last_proof == NEVER else state.last_proof
        return Reason(trouble, sensor=name, at=at)
    if not state.knows_state:
        return Reason("state_unheard", sensor=name, at=state.as_if_sign)
    return None


def judge(sensors: Mapping[str, Sensor], proof: Proof, deaf: Reason | None, now: Instant) -> Occupancy:
    """The room's occupancy. `deaf`: why the gateway cannot hear or trust its clock, if so."""
    if deaf is not None:
        return Occupancy("unknown", why=(deaf,))
    shown = [
        _shown(name, sensor, proof.covered, now)
        for name, sensor in sensors.items()
        if sensor.state.showing or now <= sensor.state.last_sign + sensor.profile.hold_ms
    ]
    signs = tuple(reason for reason in shown if reason is not None)
    if signs:
        return Occupancy("occupied", why=signs)
    if proof.vacant:
        return Occupancy("vacant", since=proof.since, until=proof.until)
    if proof.blocked is not None:
        return Occupancy("unknown", why=(proof.blocked,))
    if now < proof.since:
        return Occupancy("unknown", why=(Reason("within_hold", until=proof.since),))
    return Occupancy("unknown", why=(Reason("proof_awaited", at=proof.until, until=proof.since),))


def _shown(name: str, sensor: Sensor, covered: bool, now: Instant) -> Reason | None:
    """The presence that a healthy sensor shows now or within its hold."""
    state = sensor.state
    if not sensor.is_healthy(now):
        return None
    if state.showing:
        return Reason("shows_presence", sensor=name, at=state.shown_since)
    hold = sensor.covered_hold_ms if covered else sensor.profile.hold_ms
    if state.last_sign != NEVER and now <= state.last_sign + hold:
        return Reason("shown_within_hold", sensor=name, at=state.last_sign)
    return None
