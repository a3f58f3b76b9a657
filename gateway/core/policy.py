"""What a site, a room, a sensor and a policy are configured to be. Values; no state."""

from typing import Literal

import msgspec

from gateway.core.booking_rules import BookingRules
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant

Senses = Literal["motion", "presence", "count"]
Role = Literal["room", "door", "seat"]


class SensorProfile(msgspec.Struct, frozen=True, gc=False):
    """What one sensor can prove (docs/architecture.md, "What a sensor can prove"). Times in ms."""

    id: str
    senses: Senses
    role: Role = "room"
    hold_ms: Duration = 10 * MINUTE_MS
    """How long after its last sign people may still be there."""
    hold_beside_presence_ms: Duration = 2 * MINUTE_MS
    """The hold of a motion sensor while a healthy presence sensor shares the room."""
    latency_ms: Duration = 0
    """How late it may report presence: about 0 if event-driven, its interval if periodic."""
    heartbeat_ms: Duration | None = None
    """How often it speaks when nothing happens; None: never, so its silence proves nothing."""
    device_hold_ms: Duration = 0
    """How long the device itself stays "on" after the last motion."""
    says_clear: bool = True
    """It reports a state (on and off), not only hits."""
    loss_detectable: bool = False
    """A lost message is noticed (sequence number, cumulative counter, age of last motion)."""
    at_qos1: bool = False
    """Its messages are published at QoS 1, so a broker queues them for an absent gateway."""
    bridge: str = ""
    """The radio bridge or gateway in front of it; empty if it talks to the broker itself."""
    unit: str = ""
    """The device (radio, power supply) it shares with other sensors; empty if it stands alone."""
    in_service: bool = True

    @property
    def ties(self) -> tuple[str, ...]:
        """What it can fail with: itself, its bridge, its unit. Independent sensors share none."""
        bridge = (f"bridge {self.bridge}",) if self.bridge else ()
        unit = (f"unit {self.unit}",) if self.unit else ()
        return (f"sensor {self.id}", *bridge, *unit)


class Policy(msgspec.Struct, frozen=True):
    """How long to wait and what to leave alone. Times in ms. Defaults as in the design."""

    name: str = "default"
    grace_ms: Duration = 10 * MINUTE_MS
    early_arrival_ms: Duration = 10 * MINUTE_MS
    handover_ms: Duration = 5 * MINUTE_MS
    warn_before_release_ms: Duration = 3 * MINUTE_MS
    vacate_ms: Duration = 15 * MINUTE_MS
    min_remaining_ms: Duration = 10 * MINUTE_MS
    exempt_longer_than_ms: Duration = 3 * HOUR_MS
    release_own_bookings: bool = True
    """Whether bookings that the room itself organises may be released (by cancelling them)."""
    end_early: bool = False
    """Whether a booking that was checked in and left for good is shortened."""
    end_early_vacate_ms: Duration = 25 * MINUTE_MS
    walk_up: bool = False
    """Whether unbooked use is shown as busy in Exchange."""
    walk_up_after_ms: Duration = 5 * MINUTE_MS
    """How long an unbooked room is in use before it is shown as busy."""
    walk_up_length_ms: Duration = 30 * MINUTE_MS
    """How far ahead of the present a walk-up keeps the room, at first and each time that it is extended."""
    series_ghosts: int = 3
    """So many occurrences of a series in a row without anybody, and the series is reported; 0: never."""
    live_after: int = 0
    """So many releases judged in shadow, and the room goes live by itself; 0: only by hand."""
    live_if_wrong_at_most: int = 0
    """With at most so many of them followed by people."""
    rules: BookingRules = BookingRules()
    """What is asked of bookings themselves, whether or not anybody comes."""


class RoomConfig(msgspec.Struct, frozen=True):
    """One room: its sensors and the policy that holds there."""

    id: str
    name: str = ""
    mode: Literal["shadow", "live"] = "shadow"
    exempt: bool = False
    policy: Policy = Policy()
    sensors: tuple[SensorProfile, ...] = ()
    parts: tuple[str, ...] = ()
    """The rooms that this one is put together from; their sensors are its own too."""
    early_end_by: tuple[str, ...] | None = None
    """The sensors whose own history supports ending an attended booking early; None: no history is asked
    for. Found outside of the core and given to it, so that replaying needs no history but the journal."""


class BreakerPolicy(msgspec.Struct, frozen=True):
    """When rooms that fall silent together stop all releases (DESIGN: "Breaker")."""

    on: bool = True
    at_least: int = 3
    """Never with fewer silent rooms than this."""
    share_percent: int = 50
    """Before there is history: with this share of the rooms that have a booking just now."""


class SiteConfig(msgspec.Struct, frozen=True):
    """The whole site as the core sees it."""

    rooms: tuple[RoomConfig, ...] = ()
    queue_covers_ms: Duration = 60 * SECOND_MS
    """How long the broker can queue every sensor's messages for an absent gateway."""
    breaker: BreakerPolicy = BreakerPolicy()
    holidays: tuple[tuple[Instant, Instant], ...] = ()
    """Days on which empty rooms are expected, each from its midnight to the next, in order."""

    def is_holiday(self, now: Instant) -> bool:
        """Whether empty rooms are expected."""
        return any(start <= now < end for start, end in self.holidays)


def whole_rooms(site: SiteConfig) -> tuple[RoomConfig, ...]:
    """The rooms with all that they hear: a combined room hears what its parts hear."""
    sensors = {room.id: room.sensors for room in site.rooms}
    return tuple(
        msgspec.structs.replace(
            room, sensors=room.sensors + tuple(p for part in room.parts for p in sensors.get(part, ()))
        )
        if room.parts
        else room
        for room in site.rooms
    )


def lengthened(pinned: Policy, new: Policy) -> Policy:
    """The pinned policy after a change of configuration: whatever is more patient of the two."""
    return Policy(
        name=pinned.name,
        grace_ms=max(pinned.grace_ms, new.grace_ms),
        early_arrival_ms=pinned.early_arrival_ms,
        handover_ms=min(pinned.handover_ms, new.handover_ms),
        warn_before_release_ms=max(pinned.warn_before_release_ms, new.warn_before_release_ms),
        vacate_ms=max(pinned.vacate_ms, new.vacate_ms),
        min_remaining_ms=max(pinned.min_remaining_ms, new.min_remaining_ms),
        exempt_longer_than_ms=min(pinned.exempt_longer_than_ms, new.exempt_longer_than_ms),
        release_own_bookings=pinned.release_own_bookings and new.release_own_bookings,
        end_early=pinned.end_early and new.end_early,
        end_early_vacate_ms=max(pinned.end_early_vacate_ms, new.end_early_vacate_ms),
        walk_up=new.walk_up,
        walk_up_after_ms=new.walk_up_after_ms,
        walk_up_length_ms=new.walk_up_length_ms,
        series_ghosts=new.series_ghosts,
        live_after=new.live_after,
        live_if_wrong_at_most=new.live_if_wrong_at_most,
    )
