"""What the core is given of the sensors' own history: only what makes it more careful.

* A *longer* hold, where the policy learns. It keeps rooms for people who sit still; it can only delay a
  release. Never a shorter one: that would call rooms empty sooner, on a guess.
* Which sensors *may* end an attended booking early, where the policy asks for history. It can only take
  something away from what the policy allows.
* Never a heartbeat. A longer one is no careful choice although it sounds like one: a dead sensor would
  count as healthy for longer, so its silence would prove a full room empty; and one that is longer than the
  grace drops out of those that must prove. A shorter one makes a live sensor look dead, and what looks
  dead checks nobody in. So it is told, and a person decides.
* Never a latency. A longer one would be careful; but a late first sign may also be that of a sensor that
  looks elsewhere, and what mends that is another place on the wall.
"""

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.units import Duration
from gateway.reports.room_quality import RoomQuality
from gateway.reports.sensor_quality import SensorQuality


class Suggestion(msgspec.Struct, frozen=True):
    """One setting of a sensor that its own messages speak against. Durations in ms."""

    sensor: str
    setting: Literal["hold", "latency", "heartbeat"]
    now_ms: Duration | None
    better_ms: Duration
    is_careful: bool
    """It can only delay a release, so a policy that learns takes it by itself."""


def suggestions(room: RoomConfig, quality: RoomQuality) -> list[Suggestion]:
    """What the room's sensors tell of their own profiles, for a person to judge."""
    judged = {sensor.sensor: sensor for sensor in quality.sensors}
    found: list[Suggestion] = []
    for profile in room.sensors:
        one = judged.get(profile.id)
        if one is None:
            continue
        longer = longer_hold(profile, one, quality)
        shorter = one.learned.hold_ms
        if longer is not None:
            found.append(Suggestion(profile.id, "hold", profile.hold_ms, longer, is_careful=True))
        elif shorter is not None and shorter < profile.hold_ms:
            found.append(Suggestion(profile.id, "hold", profile.hold_ms, shorter, is_careful=False))
        told: tuple[tuple[Literal["latency", "heartbeat"], Duration | None, Duration | None], ...] = (
            ("latency", profile.latency_ms, one.learned.latency_ms),
            ("heartbeat", profile.heartbeat_ms, one.learned.heartbeat_ms),
        )
        found += [
            Suggestion(profile.id, setting, now, better, is_careful=False)
            for setting, now, better in told
            if better is not None
        ]
    return found


def longer_hold(profile: SensorProfile, sensor: SensorQuality, room: RoomQuality) -> Duration | None:
    """The longer hold that covers its silences, if it needs one; no longer than the room as a whole needs.

    A badly placed sensor beside a good one is quiet for an hour and takes no room from anybody: the
    good one covers that, and an hour of hold after each of its hits would only keep the room.
    """
    needed = sensor.learned.hold_ms
    if needed is not None and room.hold_needed_ms is not None:
        needed = min(needed, room.hold_needed_ms)
    return needed if needed is not None and needed > profile.hold_ms else None


def with_history(
    site: SiteConfig, rooms: Sequence[RoomQuality], *, learning: Collection[str], asking: Collection[str]
) -> SiteConfig:
    """The configuration as the core is given it.

    `learning`: rooms whose policy learns holds. `asking`: rooms whose policy asks for history before an
    attended booking is ended early; one that has none yet (or no quality at all) ends none.
    """
    quality = {room.room: room for room in rooms}
    return msgspec.structs.replace(
        site,
        rooms=tuple(
            msgspec.structs.replace(
                room,
                sensors=_patient(room, quality.get(room.id)) if room.id in learning else room.sensors,
                early_end_by=_early_end_by(room, quality.get(room.id)) if room.id in asking else None,
            )
            for room in site.rooms
        ),
    )


def _early_end_by(room: RoomConfig, quality: RoomQuality | None) -> tuple[str, ...] | None:
    """None where nothing is ended early anyway: then nothing need be told to the core."""
    if not room.policy.end_early:
        return None
    return () if quality is None else quality.early_end_by


def _patient(room: RoomConfig, quality: RoomQuality | None) -> tuple[SensorProfile, ...]:
    """Its sensors, each with a longer hold where its history asks for one."""
    if quality is None:
        return room.sensors
    judged = {sensor.sensor: sensor for sensor in quality.sensors}
    holds = {p.id: longer_hold(p, judged[p.id], quality) or p.hold_ms for p in room.sensors if p.id in judged}
    return tuple(
        msgspec.structs.replace(p, hold_ms=holds[p.id]) if holds.get(p.id, p.hold_ms) > p.hold_ms else p
        for p in room.sensors
    )
