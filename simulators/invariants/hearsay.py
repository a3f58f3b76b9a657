"""What a room's sensors have told, as the journal has it, and how far that proves the room empty.

Worked out from raw readings and configuration alone, in the simplest way. Where the definition is
complicated (flapping, the age of messages, learned health) this is milder than the gateway's core, never
stricter: whatever cannot be excused here is wrong.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.core.events import Reading
from gateway.core.policy import Policy, RoomConfig, SensorProfile
from gateway.core.units import HOUR_MS, MINUTE_MS, NEVER, Duration, Instant

STUCK_ON_MS: Final[Duration] = 6 * HOUR_MS
LONE_GRACE_MS: Final[Duration] = 10 * MINUTE_MS
FLAPPING_MS: Final[Duration] = 10 * MINUTE_MS
DEAD_BATTERY: Final = 2
PRESENCE: Final = ("presence", "motion", "count", "entries")


@dataclass
class Ear:
    """One sensor as the journal tells of it. Instants are `NEVER` until they have happened."""

    profile: SensorProfile
    showing: bool = False
    shown_since: Instant = NEVER
    last_sign: Instant = NEVER
    unheard_until: Instant = NEVER
    """The newest instant up to which somebody may have entered unheard."""
    told: bool = False
    """It has told its state since then."""
    proof: Instant = NEVER
    """When the device itself last spoke."""
    online: bool = True
    battery: int = 100
    fault: bool = False
    bridge_up: bool = True
    rises: deque[Instant] = field(default_factory=deque)
    """When it began to show presence, in the last minutes."""

    @property
    def proves(self) -> bool:
        """A room sensor in service that speaks by itself."""
        profile = self.profile
        return profile.role == "room" and profile.in_service and profile.heartbeat_ms is not None

    def healthy(self, now: Instant) -> bool:
        """Alive, online, and not stuck on."""
        sound = self.online and self.battery > DEAD_BATTERY and not self.fault and self.bridge_up
        beat = self.profile.heartbeat_ms
        alive = beat is None or (self.proof != NEVER and now <= self.proof + beat + beat // 4)
        return sound and alive and not self.stuck_on(now)

    def stuck_on(self, now: Instant) -> bool:
        """On for longer than any plausible meeting."""
        return self.showing and now > self.shown_since + STUCK_ON_MS

    def gap(self, now: Instant) -> None:
        """Something may have happened unheard."""
        self.unheard_until, self.told = now, not self.profile.says_clear

    def set(self, what: str, value: object, now: Instant) -> None:
        """Its last will, its bridge."""
        was_well = self.healthy(now)
        setattr(self, what, value)
        if not was_well and self.healthy(now):
            self.unheard_until = now

    def hear(self, reading: Reading, now: Instant, proof: Instant) -> None:
        """One reading; `proof`: when the device was alive if it made the message itself."""
        was_well = self.healthy(now)
        if reading.device_made:
            self.proof = max(self.proof, proof)
        if reading.kind == "battery":
            self.battery = reading.value
        elif reading.kind == "fault":
            self.fault = reading.value > 0
        elif reading.kind in PRESENCE:
            if not self.told:  # it may have been showing until just now
                self.unheard_until = now
            self.told = True
            self._show(reading.value > 0, now)
        if not was_well and self.healthy(now):
            self.unheard_until = now

    def _show(self, shows: bool, now: Instant) -> None:
        if shows and not self.showing:
            self.last_sign = now
            self.showing, self.shown_since = self.profile.says_clear, now
            self.rises.append(now)
            while self.rises[0] < now - FLAPPING_MS:
                self.rises.popleft()
        elif not shows and self.showing:
            self.showing, self.last_sign = False, now

    def step_clock(self, now: Instant) -> None:
        """Old instants mean nothing any more."""
        self.gap(now)
        self.proof = NEVER
        self.last_sign, self.shown_since = min(self.last_sign, now), min(self.shown_since, now)
        self.rises.clear()


class Proof(NamedTuple):
    """How far a room is proven empty, at the most."""

    objections: tuple[str, ...]
    """Why nothing is proven just now."""
    unheard: tuple[str, ...]
    """Sensors that have not told their state since a gap."""
    quiet_since: Instant
    """The latest end of a hold after a sign."""
    heard_since: Instant
    """The latest end of a hold after a gap in hearing."""
    until: Instant
    """Up to here the sensors that must prove it have proved it."""
    motion_only: bool
    lone: bool
    """All of those can fail at once."""


def grace_of(policy: Policy, profiles: Iterable[SensorProfile]) -> Duration:
    """Effective grace at the least: policy, latency, ten minutes for a lone sensor that may lose messages."""
    room = [p for p in profiles if p.role == "room" and p.in_service]
    grace = max([policy.grace_ms, *(p.latency_ms for p in room if p.heartbeat_ms is not None)])
    relied = relied_on((p for p in room if p.heartbeat_ms is not None), grace)
    if relied and is_lone(relied) and not all(p.loss_detectable for p in relied):
        grace = max(grace, LONE_GRACE_MS)
    return grace


def relied_on(able: Iterable[SensorProfile], grace: Duration) -> list[SensorProfile]:
    """Those whose heartbeat fits into the grace; all that are able if there are none."""
    all_able = list(able)
    return [p for p in all_able if (p.heartbeat_ms or 0) <= grace] or all_able


def is_lone(profiles: list[SensorProfile]) -> bool:
    """One sensor, or several that share one bridge or one device."""
    bridges, units = {p.bridge for p in profiles}, {p.unit for p in profiles}
    return len(profiles) == 1 or any(len(tie) == 1 and "" not in tie for tie in (bridges, units))


def prove(ears: Iterable[Ear], grace: Duration, now: Instant) -> Proof:
    """How far the room is proven empty at `now` under this grace."""
    serving = [ear for ear in ears if ear.profile.in_service]
    able = [ear for ear in serving if ear.proves]
    covered = any(ear.profile.senses == "presence" and ear.healthy(now) for ear in able)
    quiet = heard = NEVER
    objections = [] if able else ["no sensor can prove it"]
    for ear in serving:
        profile = ear.profile
        short = profile.senses == "motion" and covered
        hold = min(profile.hold_ms, profile.hold_beside_presence_ms) if short else profile.hold_ms
        quiet = max(quiet, (now if ear.showing else ear.last_sign) + hold)
        heard = max(heard, ear.unheard_until + hold)
        if ear.showing:
            objections.append(f"{profile.id} shows presence")
        if ear.proves and not ear.healthy(now):
            objections.append(f"{profile.id} is not healthy")
    relied = relied_on((ear.profile for ear in able), grace)
    proofs = [ear.proof for ear in able if ear.profile in relied]
    every = any((p.heartbeat_ms or 0) <= grace for p in relied)
    return Proof(
        tuple(objections),
        tuple(ear.profile.id for ear in able if not ear.told),
        quiet,
        heard,
        (min(proofs) if every else max(proofs)) if proofs else NEVER,
        all(p.senses == "motion" for p in relied),
        bool(relied) and is_lone(relied),
    )


@dataclass
class Ears:
    """All sensors of a room."""

    config: RoomConfig
    by_id: dict[str, Ear] = field(default_factory=dict)

    def configure(self, config: RoomConfig, now: Instant, offline_bridges: Iterable[str]) -> None:
        """A change of sensors starts the vacancy clock anew."""
        changed = config.sensors != self.config.sensors or not self.by_id
        old, self.config = self.by_id, config
        self.by_id = {p.id: old.get(p.id) or Ear(p) for p in config.sensors}
        for profile in config.sensors:
            ear = self.by_id[profile.id]
            ear.profile = profile
            ear.bridge_up = profile.bridge not in offline_bridges
            if changed:
                ear.gap(now)
