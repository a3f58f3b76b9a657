"""Which sensors cannot be believed just now, each in one plain sentence: for alerts and the status page."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.core.evidence import SensorState, ailment
from gateway.core.site import Site
from gateway.core.units import NEVER, Instant
from gateway.reports.room_quality import RoomQuality

Clock = Callable[[Instant], str]

SENTENCES: Final[Mapping[str, str]] = {
    "never_heard": (
        "{sensor} has never been heard. Check its power, and that its topic is the configured one."
    ),
    "overdue": "{sensor} has been silent since {heard}. Check its power, battery and radio.",
    "offline": "{sensor} is offline; it last spoke at {heard}. Check its power and its network.",
    "bridge_offline": (
        "the bridge {bridge} of {sensor} is offline; the sensor last spoke at {heard}. Check the machine "
        "that the bridge runs on."
    ),
    "battery_dead": "the battery of {sensor} is empty ({battery} %). Change it.",
    "fault": "{sensor} reports a fault; it last spoke at {heard}. Restart it, or replace it.",
    "tampered": "{sensor} reports that it was opened or moved. Look at it; it clears that by itself.",
    "flapping": (
        "{sensor} changes back and forth faster than people move, last at {sign}. Check its power supply and "
        "what moves in its view."
    ),
    "stuck_on": (
        "{sensor} has shown presence without a pause since {shown}, longer than any meeting. Look for a fan, "
        "a curtain or a screen in its view, lower its sensitivity, restart it."
    ),
    "stuck_off": (
        "{sensor} showed nothing through several attended bookings; its last sign was at {sign}. Check its "
        "view and its power, and wave before it."
    ),
}
"""By the codes of `gateway.core.evidence.ailment`; "out_of_service" is somebody's own choice, no trouble."""


def utc_clock(instant: Instant) -> str:
    """Words an instant where nobody brings a time zone."""
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%a %d %b %H:%M UTC")


def sensor_troubles(
    site: Site, now: Instant, clock: Clock = utc_clock, quality: Sequence[RoomQuality] = ()
) -> dict[str, str]:
    """Sensors that cannot be believed at `now`, by name: what is so, since when, and what to do.

    The core's own health comes first; a sensor that is well by it may still be named for what its history
    says (`quality`): badly placed, say. Whoever hangs two rooms together hears of a sensor once.
    """
    found: dict[str, str] = {}
    for _, room in sorted(site.rooms.items()):
        for name, sensor in room.sensors.items():
            profile, state, bridge_online, _ = sensor
            code = ailment(profile, state, bridge_online, now)
            if code in SENTENCES:
                found[name] = _sentence(code, name, profile.bridge, state, clock)
    for judged in quality:
        for one in judged.sensors:
            standing = next((trouble for trouble in one.troubles if trouble.is_standing), None)
            if standing is not None:
                found.setdefault(one.sensor, standing.words)
    return dict(sorted(found.items()))


def _sentence(code: str, name: str, bridge: str, state: SensorState, clock: Clock) -> str:
    def worded(instant: Instant) -> str:
        return "an unknown time" if instant == NEVER else clock(instant)

    return SENTENCES[code].format(
        sensor=name,
        bridge=bridge,
        battery=state.battery,
        heard=worded(state.last_proof),
        sign=worded(state.last_sign),
        shown=worded(state.shown_since),
    )
