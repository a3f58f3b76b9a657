"""Other policies for the same history: what is tried, and how a recorded configuration looks under it."""

from collections.abc import Mapping, Sequence
from itertools import product

import msgspec

from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.units import Duration
from gateway.durations import format_duration


class Variant(msgspec.Struct, frozen=True):
    """What is tried in every room; what is left out stays as it was configured. Times in ms."""

    name: str
    grace_ms: Duration | None = None
    hold_ms: Duration | None = None
    """The hold of motion sensors, door contacts left out."""
    vacate_ms: Duration | None = None
    policies: Mapping[str, Policy] = {}
    """By the name that rooms know them under."""
    breaker: bool = True
    """False: nothing stops releases because many rooms fall silent at once."""

    def site(self, recorded: SiteConfig) -> SiteConfig:
        """The site under this variant: rooms, sensors, breaker and holidays stay; every room in shadow."""
        breaker = msgspec.structs.replace(recorded.breaker, on=recorded.breaker.on and self.breaker)
        rooms = tuple(self._room(room) for room in recorded.rooms)
        return msgspec.structs.replace(recorded, rooms=rooms, breaker=breaker)

    def _room(self, room: RoomConfig) -> RoomConfig:
        policy = self.policies.get(room.policy.name, room.policy)
        grace = policy.grace_ms if self.grace_ms is None else self.grace_ms
        policy = msgspec.structs.replace(
            policy,
            grace_ms=grace,
            warn_before_release_ms=min(policy.warn_before_release_ms, grace),
            vacate_ms=policy.vacate_ms if self.vacate_ms is None else self.vacate_ms,
            live_after=0,  # a room that went live by itself would wait for writes that nobody makes
        )
        sensors = room.sensors
        if self.hold_ms is not None:
            sensors = tuple(_held(profile, self.hold_ms) for profile in sensors)
        return msgspec.structs.replace(room, mode="shadow", policy=policy, sensors=sensors)


AS_CONFIGURED = Variant("as it was configured")


def grid(
    grace: Sequence[Duration] = (), hold: Sequence[Duration] = (), vacate: Sequence[Duration] = ()
) -> list[Variant]:
    """Every combination of these; nothing if all are empty."""
    if not (grace or hold or vacate):
        return []
    tried = product(grace or (None,), hold or (None,), vacate or (None,))
    return [Variant(_named(g, h, v), g, h, v) for g, h, v in tried]


def _named(*values: Duration | None) -> str:
    named = zip(("grace", "hold", "vacate"), values, strict=True)
    return ", ".join(f"{what} {format_duration(value)}" for what, value in named if value is not None)


def _held(profile: SensorProfile, hold_ms: Duration) -> SensorProfile:
    """A motion sensor with another hold, never shorter than the device's own."""
    if profile.senses != "motion" or profile.role == "door":
        return profile
    hold = max(hold_ms, profile.device_hold_ms)
    beside = min(profile.hold_beside_presence_ms, hold)
    return msgspec.structs.replace(profile, hold_ms=hold, hold_beside_presence_ms=beside)
