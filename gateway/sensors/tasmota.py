"""Tasmota: JSON at `tele/<device>/SENSOR` and `stat/<device>/...`, in either order of the topic's parts.

A PIR on a Tasmota device is a switch input, and so is a wall switch: a switch counts only where the device
(the option `device` or `switch`) or the topic's own name says that it is a PIR, and never a relay (POWER).
An LD2410 has no presence in its message; its OUT pin has. `LD2410S.People` is a state code: 0 and 1 are
nobody, 2 and 3 somebody; it is no number of people. `Time` is local without a zone, so it is not used.
Source: Tasmota's documentation of its MQTT topics, and messages published by users.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.sensors.availability import as_state, availability_routes, online_words
from gateway.sensors.base import OptionError, PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.described import DEVICE_OPTIONS, decode_with, device_in
from gateway.sensors.understood import (
    Description,
    Device,
    Kind,
    Property,
    Reader,
    Seen,
    Understood,
    battery,
    link,
    text_of,
)
from gateway.sensors.values import BLANKS, as_json, utf8
from gateway.sensors.vocabulary import other_by_keys, plain_name

_SWITCH: Final = re.compile(r"switch\d{0,2}")
_PIR_NAME: Final = re.compile(r"(^|[^a-z])(pir|motion)|pir\d*$|(^|[^a-z])pir[a-z]+")
_PIR_TOPIC: Final = re.compile(r"(pir|motion)\d{0,2}")
_PREFIXES: Final = frozenset({"tele", "stat", "cmnd"})
PEOPLE_CODES: Final[Mapping[object, int]] = {0: 0, 1: 0, 2: 1, 3: 1}
ON_OFF: Final[Mapping[object, int]] = {"ON": 1, "OFF": 0, "1": 1, "0": 0, 1: 1, 0: 0}


class Tasmota:
    """The family `tasmota`."""

    name: Final = "tasmota"
    options: Final[Mapping[str, str]] = DEVICE_OPTIONS | {
        "switch": 'the switch input that the sensor is on, such as "Switch1"',
        "switch_senses": 'what is on that input: "motion" (a PIR, the usual) or "presence" (an OUT pin)',
        "device": 'the device as JSON: {"model": "PIR"}, {"Switch1": "motion"} or its discovery message',
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The sensor's topic, and the device's last will. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        device = dict(device_in(source.options) or {})
        senses = source.options.get("switch_senses", "motion")
        if senses not in {"motion", "presence"}:
            raise OptionError(f'switch_senses must be "motion" or "presence", found {shown(senses)}')
        if "switch" in source.options:
            device[source.options["switch"]] = senses
        state = Route(topic, decode_with(source, self.reader(device)), source.sensor)
        return (state, *availability_routes(source, will_topic(topic)))

    def describe(self, device: Device) -> Description:
        """Which switches are told to be sensors."""
        switches = _switches(device)
        properties = [Property(name, kind, "hold", "the device says so") for name, kind in switches.items()]
        if _is_pir(device) and not properties:
            properties = [Property("Switch1", "motion", "hold", "the device is described as a PIR")]
        return Description(
            (*properties, Property("LD2410S.People", "presence", "state", "a state code: 2, 3 = somebody")),
            {"POWER": "a relay, whatever switches it"},
        )

    def reader(self, device: Device | None) -> Reader:
        """By message and topic, and by what the device says of its switches."""
        switches = {} if device is None else _switches(device)
        pir = device is not None and _is_pir(device)

        def reader(topic: str | None, payload: bytes) -> Understood:
            return _read(topic, payload, switches, pir=pir)

        return reader


def will_topic(topic: str) -> str:
    """`tele/<device>/LWT` beside a topic of the device; empty if the topic has not Tasmota's form."""
    parts = topic.split("/")
    for place, part in enumerate(parts[:-1]):
        if part in _PREFIXES:
            will = "/".join([*parts[:place], "tele", *parts[place + 1 : -1], "LWT"])
            return "" if will == topic else will
    return ""


def _is_pir(device: Device) -> bool:
    words = text_of(
        {key: device.get(key) for key in ("model", "vendor", "description", "name", "kind", "type")}
    )
    return bool(_PIR_NAME.search(words)) or "motion" in words


def _switches(device: Device) -> dict[str, Kind]:
    """From the casefolded name of a switch to what is on it."""
    found: dict[str, Kind] = {}
    listed = device.get("switches")
    for name, kind in [*device.items(), *(listed.items() if isinstance(listed, Mapping) else ())]:
        if isinstance(name, str) and _SWITCH.fullmatch(name.casefold()):
            if kind == "motion":
                found[name.casefold()] = "motion"
            elif kind == "presence":
                found[name.casefold()] = "presence"
    names = device.get("swn")
    if isinstance(names, list):  # the device's own announcement: names of its switches
        for place, name in enumerate(names[:32], start=1):
            if isinstance(name, str) and _PIR_NAME.search(name.casefold()):
                found[f"switch{place}"] = "motion"
    return found


def _read(topic: str | None, payload: bytes, switches: Mapping[str, Kind], *, pir: bool) -> Understood:
    parts = [] if topic is None else topic.split("/")
    last = parts[-1] if parts else ""
    if last == "LWT":
        return Understood(online=bool(as_state(payload, online_words({}))), device_made=False)
    if "cmnd" in parts:
        return Understood(
            refused="a command: who sent it, and whether for people, it does not say", device_made=False
        )
    if last.upper().startswith("POWER"):
        return Understood(refused="a relay, whatever switches it")
    text = utf8(payload).strip(BLANKS)
    if not text.startswith("{"):
        return _plain(last, text)
    message = as_json(payload)
    if not isinstance(message, dict):
        raise PayloadError(f"expected a JSON object, got {shown(payload)}")
    named = pir or any(_PIR_NAME.search(part.casefold()) for part in parts[:-1])
    return _object(last, message, switches, named=named)


def _plain(last: str, text: str) -> Understood:
    if not _PIR_TOPIC.fullmatch(last.casefold()):
        raise PayloadError(f"the topic's name, {shown(last)}, does not say that {shown(text)} is a PIR's")
    number = ON_OFF.get(text.upper())
    if number is None:
        raise PayloadError(f"expected ON or OFF, got {shown(text)}")
    return Understood((Seen("motion", number, last, "hold"),))


def _object(last: str, message: dict[str, Any], switches: Mapping[str, Kind], *, named: bool) -> Understood:
    for wrapper in ("StatusSNS", "StatusSTS"):
        if isinstance(message.get(wrapper), dict):
            message = message[wrapper]
    if _SWITCH.fullmatch(last.casefold()) and "STATE" in message:
        message = {last: message["STATE"]}
    seen: list[Seen] = []
    whys: list[str] = []
    for key, value in list(message.items())[:200]:
        part = _PARTS.get(key)
        if part is not None:
            part(value, seen, whys)
        elif _SWITCH.fullmatch(key.casefold()):
            _switch(key, value, switches, seen, whys, named=named)
        elif _PIR_TOPIC.fullmatch(key.casefold()):
            _named_pir(key, value, seen, whys)
        elif key.casefold().startswith("power"):
            whys.append("a relay, whatever switches it")
    room = any(one.kind in {"presence", "motion"} for one in seen)
    why = "" if room else (whys[0] if whys else "nothing in the message tells of people")
    return Understood(tuple(seen), why)


def _switch(
    key: str, value: object, switches: Mapping[str, Kind], seen: list[Seen], whys: list[str], *, named: bool
) -> None:
    kind = switches.get(key.casefold())
    if kind is None and named and not switches:
        kind = "motion"
    if kind is None:
        whys.append(f"{key} may be a PIR or a wall switch; say which in the device")
        return
    if isinstance(value, dict):  # detached from the relay (SetOption114): {"Switch1": {"Action": "ON"}}
        value = value.get("Action")
    number = ON_OFF.get(value) if isinstance(value, str) else None
    if number is None:
        whys.append(f"{key} is {shown(value)}: neither ON nor OFF")
        return
    seen.append(Seen(kind, number, key, "hold" if kind == "motion" else "state"))


def _named_pir(key: str, value: object, seen: list[Seen], whys: list[str]) -> None:
    number = ON_OFF.get(value) if isinstance(value, str) or type(value) is int else None
    if number is None:
        whys.append(f"{key} is {shown(value)}: neither on nor off")
    else:
        seen.append(Seen("motion", number, key, "hold"))


def _ld2410s(value: object, seen: list[Seen], whys: list[str]) -> None:
    people = value.get("People") if isinstance(value, dict) else None
    number = PEOPLE_CODES.get(people) if type(people) is int else None
    if number is None:
        whys.append("the LD2410S said no state (it may be calibrating)")
    else:
        seen.append(Seen("presence", number, "LD2410S.People"))


def _ld2410(value: object, seen: list[Seen], whys: list[str]) -> None:
    out = value.get("Out_pin") if isinstance(value, dict) else None
    if type(out) is int and out in {0, 1}:
        seen.append(Seen("presence", out, "LD2410.Out_pin"))
    else:
        whys.append("an LD2410's distances and energies are no presence; its OUT pin on a switch is")


def _bridged(value: object, seen: list[Seen], whys: list[str]) -> None:
    """A Zigbee device behind Tasmota's own bridge: `{"0x1234": {"Occupancy": 1, ...}}`."""
    if not isinstance(value, dict) or len(value) != 1:
        whys.append("the message tells of several devices at once")
        return
    (device,) = value.values()
    if not isinstance(device, dict):
        return
    occupancy = device.get("Occupancy")
    why = other_by_keys({plain_name(key) for key in list(device)[:200]})
    if why:
        whys.append(why)
    elif type(occupancy) is int and occupancy in {0, 1}:
        seen.append(Seen("motion", occupancy, "Occupancy", "hold"))
    seen += battery(device.get("BatteryPercentage"), "BatteryPercentage")
    seen += link(device.get("LinkQuality"), "LinkQuality")


def _wifi(value: object, seen: list[Seen], _whys: list[str]) -> None:
    if isinstance(value, dict):
        seen += link(value.get("RSSI"), "Wifi.RSSI")


_PARTS: Final[Mapping[str, Callable[[object, list[Seen], list[str]], None]]] = {
    "LD2410S": _ld2410s,
    "LD2410": _ld2410,
    "ZbReceived": _bridged,
    "Wifi": _wifi,
}
