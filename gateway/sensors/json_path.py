"""The payload is JSON, and paths say where the value is: `data.occupancy`, `$.sensors[0].presence`.

A message without the value says nothing about the room, but the device spoke: an `alive` reading.
A value that is neither on nor off, or not a number of people, makes the whole message unreadable;
an odd battery level or time is left out, for it does not make the rest untrue.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.core.events import Reading
from gateway.sensors.availability import SHARED_OPTIONS, availability_routes
from gateway.sensors.base import (
    Decode,
    Decoded,
    Item,
    Missed,
    OptionError,
    PayloadError,
    Route,
    SensorSource,
    check_topic,
    shown,
)
from gateway.sensors.plain import senses_of, words_of
from gateway.sensors.sequence import Sequence
from gateway.sensors.understood import Description, Device, Kind, Property, Reader, Seen, Understood, battery
from gateway.sensors.values import alive, as_instant, as_json, as_main, as_percent, words
from gateway.sensors.vocabulary import other_by_keys, sure_kind

Step = str | int
"""A key of an object or an index of a list."""

MAX_STEPS: Final = 16
MAX_NAMES: Final = 400
"""Keys of one message that are looked at."""
ALONE: Final = frozenset({"occupied", "present", "movement"})
"""Names that other things than rooms have too."""
_STEP: Final = re.compile(
    r"""\.?(?P<key>[^.\[\]'"\s]+)|\[(?P<index>\d{1,4})\]|\[(?P<quote>['"])(?P<name>.+?)(?P=quote)\]"""
)


class JsonPath:
    """The family `json`."""

    name: Final = "json"
    options: Final[Mapping[str, str]] = SHARED_OPTIONS | {
        "path": "where the value is, for instance data.occupancy or $.sensors[0]['in use']; must be set",
        "time_path": "where the time of making is: ISO 8601 with offset, seconds or milliseconds since 1970",
        "battery_path": "where the battery level is, in percent",
        "sequence_path": "where a number is that grows by one with each message: a gap is a lost message",
        "boot_path": "where it says which start of the device this is; by default boot beside the number",
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The value's topic, and the availability topic where one is named. Raises OptionError."""
        value = Route(check_topic(source.topic, "the topic"), _decode(source), source.sensor)
        return (value, *availability_routes(source))

    def describe(self, device: Device) -> Description:
        """What the device is said to sense, and where."""
        senses, path = senses_of(device), device.get("path")
        if senses is None or not isinstance(path, str):
            return Description()
        return Description((Property(path, senses, "state", "the device says so"),))

    def reader(self, device: Device | None) -> Reader:
        """By the device's path ({"path": "data.occupancy", "senses": "presence"}), or by plain names."""
        senses = None if device is None else senses_of(device)
        text = None if device is None else device.get("path")
        if senses is None or not isinstance(text, str):
            return _by_names
        try:
            path = parse_path(text)
        except OptionError as error:
            why = str(error)
            return lambda _topic, _payload: Understood(refused=why)
        table = words_of(device or {})

        def reader(_topic: str | None, payload: bytes) -> Understood:
            value = dig(as_json(payload), path)
            if value is None:
                return Understood(refused=f"the message has nothing at {shown(text)}")
            return Understood((Seen(senses, as_main(value, senses, table), text),))

        return reader


NAMES: Final[Mapping[str, Kind]] = {
    "presence": "presence",
    "occupancy": "presence",
    "motion": "motion",
    "pir": "motion",
    "people": "count",
    "people_count": "count",
    "person_count": "count",
}
"""Top-level keys that are believed without a path."""


def _by_names(_topic: str | None, payload: bytes) -> Understood:
    message = as_json(payload)
    if not isinstance(message, dict):
        raise PayloadError(f"expected a JSON object, got {shown(payload)}")
    why = other_by_keys({key.casefold() for key in list(message)[:MAX_NAMES]})
    if why:
        return Understood(refused=why)
    # The plainest names first: what another key says besides is then not looked at.
    named = {key: kind for key, kind in NAMES.items() if message.get(key) is not None} or _sure_names(message)
    seen: list[Seen] = []
    for key, kind in named.items():
        value = message[key]
        if (
            kind != "count"
            and not isinstance(value, bool | str)
            and not (type(value) is int and value in {0, 1})
        ):
            why = f"{key} is {shown(value)}: that is neither on nor off; say in the device what it means"
            return Understood(refused=why)
        seen.append(Seen(kind, as_main(value, kind, words({})), key))
    seen += battery(message.get("battery_level"), "battery_level")
    why = (
        ""
        if seen
        else "no key of the message surely means people; say in the device where the value is (path)"
    )
    return Understood(tuple(seen), why)


def _sure_names(message: Mapping[str, Any]) -> Mapping[str, Kind]:
    """Keys of which every word is about people; `occupied` alone may be a parking bay's."""
    return {
        key: kind
        for key in list(message)[:MAX_NAMES]
        if message[key] is not None and key.casefold() not in ALONE and (kind := sure_kind(key))
    }


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path; a leading `$` or `$.` may stand for the whole message. Raises OptionError."""
    rest = text.removeprefix("$")
    steps: list[Step] = []
    position = 0
    while position < len(rest):
        found = _STEP.match(rest, position)
        if found is None or (found["key"] and steps and not found[0].startswith(".")):
            raise OptionError(f"the path {shown(text)} cannot be read from {shown(rest[position:])} on")
        steps.append(int(found["index"]) if found["index"] else found["key"] or found["name"])
        position = found.end()
    if not steps or len(steps) > MAX_STEPS:
        raise OptionError(f"the path {shown(text)} must have 1 to {MAX_STEPS} steps")
    return tuple(steps)


def dig(value: Any, steps: tuple[Step, ...]) -> Any:
    """What is at the end of the path; None where the path ends early or at null."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if step < len(value) else None
        else:
            return None
    return value


def _path(source: SensorSource, option: str) -> tuple[Step, ...] | None:
    text = source.options.get(option)
    return None if text is None else parse_path(text)


def _decode(source: SensorSource) -> Decode:
    sensor, senses = source.sensor, source.senses
    table = words(source.options)
    path, time_path, battery_path = (_path(source, name) for name in ("path", "time_path", "battery_path"))
    sequence_path = _path(source, "sequence_path")
    boot_path = _boot_path(source, sequence_path)
    sequence = Sequence()
    missed = Missed(sensor)
    if path is None:
        raise OptionError("the family json needs the option path")
    container = list if isinstance(path[0], int) else dict
    expected = "a JSON list" if container is list else "a JSON object"

    def decode(payload: bytes, retained: bool) -> Decoded:
        if retained:
            return ()
        message = as_json(payload)
        if not isinstance(message, container):
            raise PayloadError(f"expected {expected}, got {shown(payload)}")
        value = dig(message, path)
        made_at = None if time_path is None else as_instant(dig(message, time_path))
        readings: list[Item] = []
        if value is not None:
            readings.append(Reading(sensor, senses, as_main(value, senses, table), made_at=made_at))
        if battery_path is not None:
            battery = as_percent(dig(message, battery_path))
            if battery is not None:
                readings.append(Reading(sensor, "battery", battery, made_at=made_at))
        if not readings:
            readings.append(alive(sensor, made_at=made_at))
        # Last, so that a message that cannot be read is as good as one that was lost.
        if sequence_path is not None and sequence.misses(
            dig(message, sequence_path), dig(message, boot_path)
        ):
            readings.insert(0, missed)
        return readings

    return decode


def _boot_path(source: SensorSource, sequence_path: tuple[Step, ...] | None) -> tuple[Step, ...]:
    given = _path(source, "boot_path")
    if sequence_path is None:
        if given is not None:
            raise OptionError("boot_path is set without sequence_path, so it is never read")
        return ()
    return given or (*sequence_path[:-1], "boot")
