"""People counters that push JSON: how many are there now, and how many passed.

Two things that must not be mixed up. A number of people *in* the room counts as `count`. Numbers of people
who *passed* a line are `entries`: a total only rises until it starts anew (a restart, midnight), a period's
starts anew with each message. The difference of the totals in and out drifts with each missed person, so it
is never made into a number of people in the room.

Understood: Milesight VS121-P (`current_total`), counters with `in` and `out` in their keys, and Irisys Vector
logs where the device says which register is which, for whose names are the installer's own:
{"registers": {"Line 1": "entries", "Zone 1": "count"}}.
Sources: the vendors' own documents of their HTTP and MQTT push.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.sensors.availability import availability_routes
from gateway.sensors.base import PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.described import DEVICE_OPTIONS, decode_with, device_in
from gateway.sensors.passages import MAX_TOTAL, passages, tells_outwards, whole
from gateway.sensors.understood import Description, Device, Kind, Property, Reader, Seen, Understood
from gateway.sensors.values import MAX_PEOPLE, as_instant, as_json
from gateway.sensors.vocabulary import plain_name, sure_kind

NOW_KEYS: Final = (
    "current_total",
    "people_counter_all",
    "people_count",
    "people",
    "person_count",
    "current_people",
    "number_of_people",
)
_OF_A_PERIOD: Final = re.compile(r"period|trigger|event|interval|since_last")
"""In the name of a list of lines: what its lines counted is of a period."""
MAX_DEPTH: Final = 4
MAX_ITEMS: Final = 200


class PeopleCounter:
    """The family `people_counter`."""

    name: Final = "people_counter"
    options: Final[Mapping[str, str]] = DEVICE_OPTIONS | {
        "device": 'what its registers are, as JSON: {"registers": {"Line 1": "entries", "Zone 1": "count"}}',
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The counter's topic. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        state = Route(topic, decode_with(source, self.reader(device_in(source.options))), source.sensor)
        return (state, *availability_routes(source))

    def describe(self, device: Device) -> Description:
        """What it says of its registers."""
        return Description(
            tuple(
                Property(name, kind, "total" if kind == "entries" else "state", "the device says so")
                for name, kind in _registers(device).items()
            )
        )

    def reader(self, device: Device | None) -> Reader:
        """By the message, and by what is said of its registers."""
        registers = {} if device is None else _registers(device)

        def reader(_topic: str | None, payload: bytes) -> Understood:
            message = as_json(payload)
            if not isinstance(message, dict):
                raise PayloadError(f"expected a JSON object, got {shown(payload)}")
            if isinstance(message.get("CountLogs"), list):
                return _irisys(message, registers)
            return _counter(message)

        return reader


def _registers(device: Device) -> dict[str, Kind]:
    listed = device.get("registers")
    if not isinstance(listed, Mapping):
        return {}
    found: dict[str, Kind] = {}
    for name, kind in listed.items():
        if kind == "entries":
            found[name] = "entries"
        elif kind == "count":
            found[name] = "count"
    return found


def _counter(message: Mapping[str, Any]) -> Understood:
    lower = {plain_name(key): key for key in list(message)[:400]}
    seen: list[Seen] = []
    for name in (*NOW_KEYS, *(name for name in lower if sure_kind(name) == "count")):
        if name in lower:
            number = whole(message[lower[name]], MAX_PEOPLE)
            if number is None:
                found = f"{lower[name]} is {shown(message[lower[name]])}"
                return Understood(refused=f"{found}: no number of people (it may have drifted)")
            seen.append(Seen("count", number, lower[name]))
            break
    seen += passages(message, lower) or _nested(message, "", MAX_DEPTH)
    why = "" if seen else "nothing in the message is a number of people in the room or of people who went in"
    return Understood(tuple(seen), why, made_at=_made_at(message, lower))


def _nested(message: Mapping[str, Any], path: str, depth: int) -> list[Seen]:
    """Passages of lines in lists and objects: `{"line_periodic_data": [{"line": 1, "in": 3, "out": 2}]}`."""
    found: list[Seen] = []
    for key, item in list(message.items())[:MAX_ITEMS]:
        inner = f"{path}{key[:80]}"
        items = item[:MAX_ITEMS] if isinstance(item, list) else [item]
        for place, one in enumerate(items):
            if isinstance(one, dict):
                where = f"{inner}[{place}]." if isinstance(item, list) else f"{inner}."
                found += _line(one, where) or (_nested(one, where, depth - 1) if depth > 1 else [])
    return found


def _line(line: Mapping[str, Any], path: str) -> list[Seen]:
    """What one line of a list counted; only where it tells in from out."""
    lower = {plain_name(key): key for key in list(line)[:MAX_ITEMS]}
    if not any(tells_outwards(name) for name in lower):
        return []
    of_a_period = bool(_OF_A_PERIOD.search(path))
    return [
        Seen("entries", one.value, f"{path}{one.property}", "period" if of_a_period else one.how)
        for one in passages(line, lower)
    ]


def _made_at(message: Mapping[str, Any], lower: Mapping[str, str]) -> int | None:
    """Only times with their offset: the counters' local times are of unknown offset."""
    for name in ("timestamp", "time"):
        if name in lower and (made_at := as_instant(message[lower[name]])) is not None:
            return made_at
    return None


def _irisys(message: Mapping[str, Any], registers: Mapping[str, Kind]) -> Understood:
    logs = [log for log in message["CountLogs"][:1_000] if isinstance(log, dict)]
    newest = max(logs, key=lambda log: as_instant(log.get("Timestamp")) or 0, default=None)
    counts = newest.get("Counts") if newest is not None else None
    if newest is None or not isinstance(counts, list):
        return Understood(refused="the message holds no log")
    if not registers:
        return Understood(
            refused="which register is a total and which the number of people is not in the message;"
            ' say so in the device: {"registers": {"Line 1": "entries"}}'
        )
    seen: list[Seen] = []
    for count in counts[:200]:
        name = count.get("Name") if isinstance(count, dict) else None
        kind = registers.get(name) if isinstance(name, str) else None
        if kind is None or name is None:
            continue
        number = whole(count.get("Value"), MAX_PEOPLE if kind == "count" else MAX_TOTAL)
        if number is not None:
            seen.append(Seen(kind, number, name, "total" if kind == "entries" else "state"))
    why = "" if seen else "none of the named registers is in the message"
    return Understood(tuple(seen), why, made_at=as_instant(newest.get("Timestamp")))
