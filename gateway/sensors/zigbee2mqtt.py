"""Zigbee2MQTT: JSON states at `<base>/<friendly name>`, with availability and the bridge beside them.

Which key counts. Only one: the option `property`, otherwise `occupancy` (motion sensors) or
`presence` (presence sensors), and of these two the other one where a message lacks the first. Keys
that look alike are other things: `moving` is a cover, `thermostat_occupancy` a mode,
`external_occupancy` is written into a device, `presence_event` keeps its last value, and devices
with several endpoints publish `occupancy_2` (then `property` names it). Friendly names may hold
spaces and slashes, also at their beginning.

With the device's own description (the option `device`: its entry of `<base>/bridge/devices`) nothing need be
named: `gateway.sensors.zigbee_exposes` tells which keys count, and refuses tags, keypads and thermostats.

Who made a message. Zigbee2MQTT publishes a device's whole cached state again for its own reasons:
its `occupancy_timeout` clears a motion sensor that never clears itself, a changed option or a
restart repeats everything. So where a message has `last_seen`, it becomes `made_at` on every reading:
whoever knows the message before sees by an equal `made_at` that the device has not spoken since.
Without `last_seen`, a clear may be that timer's and proves no life: all readings of such a message have
`device_made=False`. Everything else counts as the device's own. `last_seen` should be switched on
in Zigbee2MQTT (`advanced.last_seen: ISO_8601`).

A retained state is history and gives no readings; retained availability and bridge states count.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from gateway.core.events import BridgeState, Reading
from gateway.core.units import Instant
from gateway.sensors import zigbee_exposes
from gateway.sensors.availability import (
    SHARED_OPTIONS,
    as_state,
    availability_routes,
    online_words,
)
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
from gateway.sensors.described import decode_with, device_in
from gateway.sensors.understood import Description, Device, Reader, Seen, Understood, battery, flag, link
from gateway.sensors.values import (
    MAX_LINK,
    Words,
    alive,
    as_instant,
    as_json,
    as_main,
    as_number,
    as_people,
    as_percent,
    utf8,
    words,
)
from gateway.sensors.vocabulary import other_by_keys

BESIDES: Final = ("battery", "linkquality", "tamper", "last_seen")
"""What is read besides the main property."""
MAIN: Final = {"motion": ("occupancy", "presence"), "presence": ("presence", "occupancy")}
"""The main property by what the sensor senses; the second where a message lacks the first."""


class Zigbee2Mqtt:
    """The family `zigbee2mqtt`."""

    name: Final = "zigbee2mqtt"
    options: Final[Mapping[str, str]] = SHARED_OPTIONS | {
        "property": "the key that holds the value; needed where it is not occupancy or presence",
        "device": "the device's entry of <base>/bridge/devices, as JSON: then its own words say what counts",
        "availability_topic": "topic of the device's availability; by default the topic with /availability",
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """State and availability of the device, and the state of its bridge. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        state = Route(topic, _decode(source), source.sensor)
        device = device_in(source.options)
        if device is not None:
            state = Route(topic, decode_with(source, _checked(source, device)), source.sensor)
        return (state, *availability_routes(source, f"{topic}/availability"), *_bridge_routes(source))

    def describe(self, device: Device) -> Description:
        """What its exposes mean."""
        return zigbee_exposes.read_exposes(device).description()

    def reader(self, device: Device | None) -> Reader:
        """By the device's exposes; without them, by what can hardly be anything else.

        A description may also hold all `devices`, as `bridge/devices` does: the topic tells which is meant.
        """
        if device is not None and isinstance(device.get("devices"), list):
            return _reader_by_name(_named(device["devices"]))
        if device is None or zigbee_exposes.exposes_of(device) is None:
            words = "" if device is None else zigbee_exposes.read_exposes(device).why_not
            return _bare_reader(words if words != zigbee_exposes.NOTHING_FOUND else "", device)
        known = zigbee_exposes.read_exposes(device)
        if known.why_not == zigbee_exposes.NOTHING_FOUND and device.get("exposes_need_device") is True:
            return _bare_reader("", device)  # what it exposes was not known to whoever described it
        return _exposes_reader(known)


def devices_of(payload: bytes) -> Mapping[str, Device]:
    """The devices in a message of `<base>/bridge/devices`, by friendly name. Raises PayloadError."""
    entries = as_json(payload)
    if not isinstance(entries, list):
        raise PayloadError(f"expected the list of devices, got {shown(payload)}")
    return _named(entries)


def _named(entries: list[Any]) -> Mapping[str, Device]:
    return {
        entry["friendly_name"]: entry
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("friendly_name"), str)
    }


def _reader_by_name(devices: Mapping[str, Device]) -> Reader:
    """The longest friendly name at the end of the topic: names may hold slashes."""
    readers: dict[str, Reader] = {}

    def reader(topic: str | None, payload: bytes) -> Understood:
        levels = (topic or "").split("/")
        names = ("/".join(levels[start:]) for start in range(1, len(levels)))
        name = next((name for name in names if name in devices), None)
        beside = _beside_state(topic, payload)
        if name is None or beside is not None:
            return beside or Understood(refused="the topic does not end in the name of a described device")
        if name not in readers:
            readers[name] = Zigbee2Mqtt().reader({**devices[name], "devices": None})
        return readers[name](topic, payload)

    return reader


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


# -- by a device's own description, or by the message alone ---------------------------------------------

ANSWERS: Final = ("bridge/devices", "bridge/groups", "bridge/info", "bridge/definitions", "bridge/extensions")
_PART: Final = r"\d{1,3}|l\d{1,2}|left|right|top|bottom|center"
_ENDPOINT: Final = re.compile(rf"(occupancy|presence)_({_PART}|alarm_[12])")
KEYPADS_KEYS: Final = frozenset(
    {"action_code", "action_zone", "action_transaction", "power_state", "contact"}
)
TAGS_KEYS: Final = frozenset({"presence", "battery", "voltage", "linkquality", "last_seen", "action"})


def _checked(source: SensorSource, device: Device) -> Reader:
    """The reader of a configured device. Raises OptionError for one that cannot sense a room."""
    if zigbee_exposes.exposes_of(device) is None:
        raise OptionError("the option device has no exposes: it must be the entry of <base>/bridge/devices")
    known = zigbee_exposes.read_exposes(device)
    if not known.main:
        raise OptionError(f"the device cannot tell of people: {known.why_not}")
    wanted = source.options.get("property")
    names = [one.meaning.name for one in known.main]
    if wanted is not None and wanted not in names:
        raise OptionError(f"the device has no such property {shown(wanted)}; it has {', '.join(names)}")
    return _exposes_reader(known)


def _beside_state(topic: str | None, payload: bytes) -> Understood | None:
    """What a message on another topic than a device's state says."""
    if topic is None:
        return None
    if topic.endswith(("/availability", "/bridge/state")):
        return Understood(online=bool(as_state(payload, online_words({}))), device_made=False)
    if topic.endswith(ANSWERS) or "/bridge/" in topic:
        return Understood(
            refused="it describes the bridge and its devices; it is no state", device_made=False
        )
    if topic.endswith(("/set", "/get")) or "/set/" in topic:
        return Understood(refused="it is a command to the device, not its state", device_made=False)
    return None


def _exposes_reader(known: zigbee_exposes.Device2Mqtt) -> Reader:
    exposed = (*known.main, *known.besides)
    names = [one.meaning.name for one in exposed]
    keys = {f"p{place}": name for place, name in enumerate(names)} | {"last_seen": "last_seen"}
    if "linkquality" not in names:
        keys["linkquality"] = "linkquality"
    fields = [(name, Any, msgspec.UNSET) for name in keys]
    state = msgspec.defstruct("State", fields, rename=keys)
    read = msgspec.json.Decoder(state).decode
    plan = tuple(zip(keys, exposed, strict=False))
    main = len(known.main)
    lacks = known.why_not or f"the message has no {' or '.join(names[:main])}"

    def reader(topic: str | None, payload: bytes) -> Understood:
        beside = _beside_state(topic, payload)
        if beside is not None:
            return beside
        message = _decoded(read, payload)
        made_at = None if message.last_seen is msgspec.UNSET else as_instant(message.last_seen)
        seen: list[Seen] = []
        why = lacks
        own = True
        for place, (field, one) in enumerate(plan):
            value = getattr(message, field)
            if value is msgspec.UNSET:
                continue
            meaning = one.meaning
            number = _value(one, value)
            if number is None:
                if place < main:
                    why = f"{meaning.name} is {shown(value)}, which says neither"
                continue
            if place < main:
                own = own and (number != 0 or made_at is not None)
            seen.append(Seen(meaning.kind, number, meaning.name, meaning.how))
        if message.linkquality is not msgspec.UNSET:
            seen += link(message.linkquality, "linkquality")
        refused = "" if any(one.kind in ROOM for one in seen) else why
        return Understood(tuple(seen), refused, made_at=made_at, device_made=own)

    return reader


ROOM: Final = frozenset({"presence", "motion", "count"})


def _decoded(read: Callable[[str], Any], payload: bytes) -> Any:
    try:
        return read(utf8(payload))
    except msgspec.DecodeError as error:
        raise PayloadError(f"expected a JSON object, got {shown(payload)}: {error}") from None
    except RecursionError:
        raise PayloadError("expected JSON of a sensible depth") from None


def _value(one: zigbee_exposes.Exposed, value: object) -> int | None:
    if one.values is not None:
        try:
            return one.values.get((type(value), value))
        except TypeError:  # a list or an object is no value
            return None
    if one.meaning.kind == "battery":
        return as_percent(value)
    try:
        return as_people(value)
    except PayloadError:
        return None


def _bare_reader(why_not: str, device: Device | None) -> Reader:
    """For a device of which only the message is known, or vendor and model besides."""
    radar = device is not None and zigbee_exposes.is_radar(device)
    pir = device is not None and zigbee_exposes.is_pir(device)

    def reader(topic: str | None, payload: bytes) -> Understood:
        beside = _beside_state(topic, payload)
        if beside is not None:
            return beside
        message = as_json(payload)
        if not isinstance(message, dict):
            raise PayloadError(f"expected a JSON object, got {shown(payload)}")
        made_at: Instant | None = as_instant(message.get("last_seen"))
        besides = (
            *battery(message.get("battery"), "battery"),
            *link(message.get("linkquality"), "linkquality"),
            *flag("tamper", message["tamper"] if type(message.get("tamper")) is bool else None, "tamper"),
        )
        why = why_not or _why_not_bare(message, known=device is not None)
        main = () if why else _bare_main(message, radar=radar, pir=pir)
        if not main and not why:
            why = "the message has nothing in it that is surely presence or motion; give the device's exposes"
        own = made_at is not None or all(one.value for one in main)
        return Understood((*main, *besides), why, made_at=made_at, device_made=own)

    return reader


def _why_not_bare(message: dict[str, Any], *, known: bool) -> str:
    why = other_by_keys(set(message))
    if why:
        return f"{why}; give the device's exposes"
    if not message.keys().isdisjoint(KEYPADS_KEYS):
        return "it looks like a keypad, tag or contact; give the device's exposes"
    if not known and "presence" in message and "battery" in message and message.keys() <= TAGS_KEYS:
        return "a tag that is within reach looks the same; give the device's exposes"
    return ""


def _bare_main(message: dict[str, Any], *, radar: bool, pir: bool) -> tuple[Seen, ...]:
    found: list[Seen] = []
    for key, value in message.items():
        match = _ENDPOINT.fullmatch(key)
        name = match[1] if match else key
        if name not in {"occupancy", "presence"} or not isinstance(value, bool):
            continue
        if (name == "presence" and not pir) or radar:
            found.append(Seen("presence", int(value), key))
        else:
            found.append(Seen("motion", int(value), key, "hold"))
    whole = [one for one in found if one.property in {"occupancy", "presence"}]
    if found:
        return tuple(whole or found)
    for key in ("presence_state", "human_presence_state", "human_motion_state"):
        value = message.get(key)
        if isinstance(value, str):
            form = zigbee_exposes.word_form(value)
            if form in zigbee_exposes.NOBODY or form in zigbee_exposes.SOMEBODY:
                return (Seen("presence", int(form in zigbee_exposes.SOMEBODY), key),)
    return ()
