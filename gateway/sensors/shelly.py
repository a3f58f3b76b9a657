"""Shelly: Motion (first generation), presence zones (fourth), and BLU sensors behind a gateway device.

Four keys for the same fact: `motion` (Gen1 status), `sensor.motion` (Gen1 info), `value` (presence zone,
BTHome sensor), `motion` (Wall Display). What must not be misread:
- `active` or `is_valid` false: motion is not measured, so `motion` says nothing.
- Notifications are differences: a zone may come with its number of people and no value, or the reverse.
- The main zone (200 unless the device says otherwise) is the room; other zones lie inside it.
- The number of a `bthomesensor` is arbitrary: only its object id says what it is (33 motion, 45 a window).
  It is in the component's configuration, which the option `device` holds:
  {"bthomesensor:211": {"obj_id": 33}}.
- `timestamp` of a Gen1 Motion is that of the last motion, not the message's.
Sources: Shelly's API documentation; object ids: the BTHome v2 format.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.sensors.availability import as_state, availability_routes, online_words
from gateway.sensors.base import OptionError, PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.described import DEVICE_OPTIONS, decode_with, device_in
from gateway.sensors.understood import (
    Description,
    Device,
    How,
    Kind,
    Property,
    Reader,
    Seen,
    Understood,
    battery,
    flag,
    link,
)
from gateway.sensors.values import MAX_PEOPLE, as_instant, as_json

OBJECTS: Final[Mapping[int, Kind]] = {
    0x01: "battery",
    0x21: "motion",
    0x23: "presence",
    0x25: "presence",
    0x26: "fault",
    0x2B: "tamper",
}
"""BTHome objects: battery, motion, occupancy, presence, problem, tamper."""
NOT_PEOPLE: Final[Mapping[int, str]] = {
    0x22: "moving: the thing itself moves",
    0x2D: "a window contact",
    0x1A: "a door contact",
    0x2C: "vibration",
    0x3A: "a button",
    0x05: "illuminance",
}
MAIN_ZONE: Final = 200
THE_ONE: Final = "bthomesensor"
"""A described sensor of which the number is not told: it counts only in a message of one sensor."""
_ZONE: Final = re.compile(r"presencezone:(\d{1,5})")
_SENSOR: Final = re.compile(r"bthomesensor:\d{1,5}")
_BLU_KEYS: Final[Mapping[str, Kind]] = {"motion": "motion", "occupancy": "presence", "presence": "presence"}


class Shelly:
    """The family `shelly`."""

    name: Final = "shelly"
    options: Final[Mapping[str, str]] = DEVICE_OPTIONS | {
        "property": 'the component that counts, such as "presencezone:201"; by default the main zone',
        "device": 'the device as JSON: {"bthomesensor:211": {"obj_id": 33}}, {"main_zone": 200}',
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The device's topic, and whether it is online. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        device = dict(device_in(source.options) or {})
        wanted = source.options.get("property", "")
        if match := _ZONE.fullmatch(wanted):
            device["main_zone"] = int(match[1])
        options = {key: value for key, value in source.options.items() if key != "property"}
        if wanted and not match and not _SENSOR.fullmatch(wanted):
            raise OptionError(f"property {shown(wanted)} is no presencezone:<id> or bthomesensor:<id>")
        if _SENSOR.fullmatch(wanted):
            options["property"] = wanted
            if wanted not in _objects(device):
                raise OptionError(f"the option device must say what {wanted} is: its obj_id")
        plain = SensorSource(source.sensor, source.family, topic, source.senses, source.bridge, options)
        state = Route(topic, decode_with(plain, self.reader(device)), source.sensor)
        return (state, *availability_routes(source, online_topic(topic)))

    def describe(self, device: Device) -> Description:
        """What its BTHome sensors are, by their object ids."""
        properties, not_taken = [], {}
        for name, number in _objects(device).items():
            kind = OBJECTS.get(number)
            if kind is None:
                not_taken[name] = NOT_PEOPLE.get(number, f"BTHome object {number} is not about people")
            else:
                how: How = "hold" if kind == "motion" else "state"
                properties.append(Property(name, kind, how, f"BTHome object {number}"))
        return Description(tuple(properties), not_taken)

    def reader(self, device: Device | None) -> Reader:
        """By the message, and by what the device says of its components."""
        known = {} if device is None else device
        objects, main = _objects(known), _main_zone(known)

        def reader(topic: str | None, payload: bytes) -> Understood:
            return _read(topic, payload, objects, main)

        return reader


def online_topic(topic: str) -> str:
    """`<prefix>/online` beside a topic of the device; empty if the topic has none of Shelly's forms."""
    for end in ("/events/rpc", "/status", "/info"):
        if topic.endswith(end):
            return f"{topic.removesuffix(end)}/online"
    head, mark, _ = topic.partition("/status/")
    return f"{head}/online" if mark else ""


def _objects(device: Device) -> dict[str, int]:
    """From a component's name to its BTHome object id, wherever the description holds it."""
    found: dict[str, int] = {}
    key = device.get("key")
    listed = device.get("components")
    pairs: list[tuple[Any, Any]] = list(device.items())
    if isinstance(key, str):
        pairs.append((key, device))
    if isinstance(listed, list):
        pairs += [(one.get("key"), one) for one in listed[:500] if isinstance(one, Mapping)]
    if isinstance(listed, Mapping):
        pairs += list(listed.items())
    for name, value in pairs:
        if isinstance(name, str) and _SENSOR.fullmatch(name):
            number = _object_id(value)
            if number is not None:
                found[name] = number
    # A description of one component: {"id": 211, "obj_id": 33}, or without its number.
    if not found and (number := _object_id(device)) is not None:
        found[f"bthomesensor:{device['id']}" if type(device.get("id")) is int else THE_ONE] = number
    return found


def _object_id(value: object) -> int | None:
    if type(value) is int:
        return value
    if not isinstance(value, Mapping):
        return None
    for place in (value, value.get("config")):
        if isinstance(place, Mapping) and type(place.get("obj_id")) is int:
            return int(place["obj_id"])
    return None


def _main_zone(device: Device) -> int:
    place = device.get("presence")
    for value in (device.get("main_zone"), place.get("main_zone") if isinstance(place, Mapping) else None):
        if type(value) is int:
            return value
        if isinstance(value, str) and (match := _ZONE.fullmatch(value)):
            return int(match[1])
    return MAIN_ZONE


def _read(topic: str | None, payload: bytes, objects: Mapping[str, int], main: int) -> Understood:
    last = "" if topic is None else topic.rsplit("/", 1)[-1]
    if last == "online":
        return Understood(online=bool(as_state(payload, online_words({}))), device_made=False)
    message = as_json(payload)
    if not isinstance(message, dict):
        raise PayloadError(f"expected a JSON object, got {shown(payload)}")
    seen: list[Seen] = []
    whys: list[str] = []
    made_at = None
    if isinstance(message.get("params"), dict):
        params = message["params"]
        made_at = as_instant(params.get("ts"))
        if sum(1 for name in params if _SENSOR.fullmatch(name)) > 1:
            objects = {name: number for name, number in objects.items() if name != THE_ONE}
        _events(params, seen, whys)
        for name, status in list(params.items())[:200]:
            _component(name, status, objects, main, seen, whys)
    elif (one := _one_component(last, message)) is not None:
        name, status = one
        _component(name, status, dict(objects) | _objects(message), main, seen, whys)
    elif "sensor" in message or "motion" in message:
        _first_generation(message, last, seen, whys)
    else:
        alone = {name: number for name, number in objects.items() if name != THE_ONE}
        for name, status in list(message.items())[:200]:
            _component(name, status, alone, main, seen, whys)
    room = any(one.kind in {"presence", "motion", "count"} for one in seen)
    why = "" if room else (whys[0] if whys else "nothing in the message tells of people")
    return Understood(tuple(seen), why, made_at=made_at)


def _one_component(last: str, message: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Name and status, where the message is one component's: by its topic, its key, or its look."""
    if isinstance(message.get("key"), str) and isinstance(message.get("status"), dict):
        return message["key"], message["status"]
    if ":" in last:
        return last, message
    if "num_objects" in message and type(message.get("id")) is int:
        return f"presencezone:{message['id']}", message
    return None


def _component(
    name: str, status: object, objects: Mapping[str, int], main: int, seen: list[Seen], whys: list[str]
) -> None:
    if not isinstance(status, dict):
        return
    if match := _ZONE.fullmatch(name):
        if int(match[1]) == main:
            _zone(name, status, seen, whys)
        else:
            whys.append(f"{name} is a part of the room, inside presencezone:{main}")
    elif _SENSOR.fullmatch(name):
        _bthome(name, status, objects.get(name, objects.get(THE_ONE)), seen, whys)
    elif name.startswith("bthomedevice:"):
        seen += battery(status.get("battery"), f"{name}.battery")
        seen += link(status.get("rssi"), f"{name}.rssi")
    elif name.startswith("motion:"):
        found = flag("motion", status.get("motion"), name)
        seen += [Seen("motion", one.value, name, "hold") for one in found]
    elif name == "wifi":
        seen += link(status.get("rssi"), "wifi.rssi")
    elif name.startswith("devicepower:") and isinstance(status.get("battery"), dict):
        seen += battery(status["battery"].get("percent"), f"{name}.battery")


def _zone(name: str, status: Mapping[str, Any], seen: list[Seen], whys: list[str]) -> None:
    value, people = status.get("value"), status.get("num_objects")
    if isinstance(value, bool):
        seen.append(Seen("presence", int(value), name))
    # None in it counts only where the zone says so itself: a radar loses people who sit still.
    if type(people) is int and (0 < people <= MAX_PEOPLE if value is not False else people == 0):
        seen.append(Seen("count", people, f"{name}.num_objects"))
    elif not isinstance(value, bool):
        whys.append(f"{name} came without its value, which stays what it was")


def _bthome(
    name: str, status: Mapping[str, Any], number: int | None, seen: list[Seen], whys: list[str]
) -> None:
    if number is None:
        whys.append(f"what {name} is, only its configuration says (obj_id); give it as the device")
        return
    kind = OBJECTS.get(number)
    if kind is None:
        whys.append(f"{name} is {NOT_PEOPLE.get(number, f'BTHome object {number}, not about people')}")
        return
    value = status.get("value")
    if kind == "battery":
        seen += battery(value, name)
    elif isinstance(value, bool):
        seen.append(Seen(kind, int(value), name, "hold" if kind == "motion" else "state"))
    else:
        whys.append(f"{name} came without a value: an event without one is not vacancy")


def _events(params: Mapping[str, Any], seen: list[Seen], whys: list[str]) -> None:
    """A BLU sensor's advertisement, as Shelly's own gateway script passes it on."""
    events = params.get("events")
    for event in events[:50] if isinstance(events, list) else ():
        data = event.get("data") if isinstance(event, dict) else None
        if not isinstance(data, dict) or "BTHome_version" not in data:
            continue
        found = list(_advertised(data))
        seen += found
        if not any(one.kind in {"presence", "motion"} for one in found):
            whys.append("the advertisement has nothing of people in it")


def _advertised(data: Mapping[str, Any]) -> Iterator[Seen]:
    for key, kind in _BLU_KEYS.items():
        for one in flag(kind, data.get(key), key):
            yield Seen(kind, one.value, key, "hold" if kind == "motion" else "state")
    yield from battery(data.get("battery"), "battery")
    yield from link(data.get("rssi"), "rssi")


def _first_generation(message: dict[str, Any], last: str, seen: list[Seen], whys: list[str]) -> None:
    """Shelly Motion's `status` and `info`, and a Wall Display's motion component."""
    sensor = message.get("sensor")
    place, name = (sensor, "sensor.motion") if isinstance(sensor, dict) else (message, "motion")
    if place.get("is_valid") is False:
        seen.append(Seen("fault", 1, "sensor.is_valid"))
        whys.append("the sensor says that its value is not valid")
    elif place.get("active") is False:
        whys.append("motion detection is switched off, so motion says nothing")
    elif isinstance(place.get("motion"), bool) and (
        "active" in place or "id" in message or last == "motion:0"
    ):
        seen.append(Seen("motion", int(place["motion"]), name, "hold"))
    elif "motion" in place:
        whys.append(f"motion is {shown(place['motion'])}, and nothing says that it is measured")
    charge = message.get("bat")
    if isinstance(charge, dict):
        seen += battery(charge.get("value"), "bat.value")
    else:
        seen += battery(charge, "bat")
    wifi = message.get("wifi_sta")
    if isinstance(wifi, dict):
        seen += link(wifi.get("rssi"), "wifi_sta.rssi")
