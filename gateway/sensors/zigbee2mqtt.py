"""Zigbee2MQTT: JSON states at `<base>/<friendly name>`, with availability and the bridge beside them.

Which key counts. Only one: the option `property`, otherwise `occupancy` (motion sensors) or
`presence` (presence sensors), and of these two the other one where a message lacks the first. Keys
that look alike are other things: `moving` is a cover, `thermostat_occupancy` a mode,
`external_occupancy` is written into a device, `presence_event` keeps its last value, and devices
with several endpoints publish `occupancy_2` (then `property` names it). Friendly names may hold
spaces and slashes, also at their beginning.

Who made a message. Zigbee2MQTT publishes a device's whole cached state again for its own reasons:
its `occupancy_timeout` clears a motion sensor that never clears itself, a changed option or a
restart repeats everything. So where a message has `last_seen`, it becomes `made_at` on every reading:
whoever knows the message before sees by an equal `made_at` that the device has not spoken since.
Without `last_seen`, a clear may be that timer's and proves no life: all readings of such a message have
`device_made=False`. Everything else counts as the device's own. `last_seen` should be switched on
in Zigbee2MQTT (`advanced.last_seen: ISO_8601`).

A retained state is history and gives no readings; retained availability and bridge states count.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from gateway.core.events import BridgeState, Reading
from gateway.sensors.availability import SHARED_OPTIONS, as_state, availability_routes, online_words
from gateway.sensors.base import (
    Decode,
    Decoded,
    OptionError,
    PayloadError,
    Route,
    SensorSource,
    check_topic,
    shown,
)
from gateway.sensors.values import (
    MAX_LINK,
    Words,
    alive,
    as_instant,
    as_main,
    as_number,
    as_percent,
    utf8,
    words,
)

BESIDES: Final = ("battery", "linkquality", "tamper", "last_seen")
"""What is read besides the main property."""
MAIN: Final = {"motion": ("occupancy", "presence"), "presence": ("presence", "occupancy")}
"""The main property by what the sensor senses; the second where a message lacks the first."""


class Zigbee2Mqtt:
    """The family `zigbee2mqtt`."""

    name: Final = "zigbee2mqtt"
    options: Final[Mapping[str, str]] = SHARED_OPTIONS | {
        "property": "the key that holds the value; needed where it is not occupancy or presence",
        "availability_topic": "topic of the device's availability; by default the topic with /availability",
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """State and availability of the device, and the state of its bridge. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        state = Route(topic, _decode(source), source.sensor)
        return (state, *availability_routes(source, f"{topic}/availability"), *_bridge_routes(source))


def _bridge_routes(source: SensorSource) -> tuple[Route, ...]:
    base = source.bridge
    if not base:
        return ()
    if not source.topic.startswith(f"{base}/"):
        raise OptionError(
            f"its bridge is the base topic of Zigbee2MQTT, so its topic must start with {shown(base + '/')}"
        )
    return (Route(f"{base}/bridge/state", _bridge_decode(base)),)


@lru_cache(maxsize=64)
def _bridge_decode(base: str) -> Decode:
    """One decoder per bridge, however many sensors name it: the router knows it by identity."""
    table = online_words({})
    online: Decoded = (BridgeState(base, online=True),)
    offline: Decoded = (BridgeState(base, online=False),)

    def decode(payload: bytes, _retained: bool) -> Decoded:
        return online if as_state(payload, table) else offline

    return decode


def _state_decoder(properties: tuple[str, ...]) -> Callable[[str], Any]:
    """A typed decoder that skips all but a few keys: the attributes main, other (if two) and BESIDES."""
    keys = dict(zip(("main", "other"), properties, strict=False))
    state = msgspec.defstruct("State", [(name, Any, None) for name in (*keys, *BESIDES)], rename=keys)
    return msgspec.json.Decoder(state).decode


def _properties(source: SensorSource) -> tuple[str, ...]:
    named = source.options.get("property")
    if named is None:
        if source.senses not in MAIN:
            raise OptionError("a count needs the option property")
        return MAIN[source.senses]
    if not named or named in BESIDES:
        raise OptionError(f"property {shown(named)} cannot be the main value")
    return (named,)


def _decode(source: SensorSource) -> Decode:
    sensor, senses = source.sensor, source.senses
    table: Words = words(source.options)
    properties = _properties(source)
    read, has_other = _state_decoder(properties), len(properties) > 1

    def decode(payload: bytes, retained: bool) -> Decoded:
        if retained:
            return ()
        try:
            state = read(utf8(payload))
        except msgspec.DecodeError as error:
            raise PayloadError(f"expected a JSON object, got {shown(payload)}: {error}") from None
        except RecursionError:
            raise PayloadError("expected JSON of a sensible depth") from None
        value = state.other if state.main is None and has_other else state.main
        main = None if value is None else as_main(value, senses, table)
        made_at = None if state.last_seen is None else as_instant(state.last_seen)
        own = main != 0 or made_at is not None
        readings = []
        if main is not None:
            readings.append(Reading(sensor, senses, main, own, made_at))
        battery = None if state.battery is None else as_percent(state.battery)
        if battery is not None:
            readings.append(Reading(sensor, "battery", battery, own, made_at))
        link = None if state.linkquality is None else as_number(state.linkquality)
        if link is not None and 0 <= link <= MAX_LINK:
            readings.append(Reading(sensor, "link", round(link), own, made_at))
        if state.tamper is True or state.tamper is False:
            readings.append(Reading(sensor, "tamper", int(state.tamper), own, made_at))
        return readings or (alive(sensor, made_at=made_at),)

    return decode
