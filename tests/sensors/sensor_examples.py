"""The published examples of sensors' messages, and the golden files of what is understood of them.

The examples lie beside this repository (`shared/data/sensors`, or where OCCUPANCY_SHARED_DATA says), and stay
there: a golden file holds an example's key, the checksum of its payload and what was understood, not the
payload. After a change that is meant:

    PYTHONPATH=. python tests/sensors/sensor_examples.py

writes them anew; what changed is then read in the difference, line by line.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.sensors import FAMILIES, PayloadError
from gateway.sensors.serial_frames import from_hex
from gateway.sensors.understood import Understood

ROOT: Final = Path(__file__).parents[2]
DATA: Final = Path(os.environ.get("OCCUPANCY_SHARED_DATA", ROOT.parent / "shared" / "data")) / "sensors"
GOLDEN: Final = ROOT / "tests" / "data" / "sensors"
MAX_CHARACTERS: Final = 60


class Example(NamedTuple):
    """One message of a known device."""

    source: str
    """The file that it is from, without its ending; the folder of its golden file."""
    key: str
    family: str
    topic: str | None
    payload: bytes
    device: Mapping[str, Any] | None
    told: Mapping[str, Any]
    """The entry that it is from: what is said of its meaning."""


def load(name: str) -> dict[str, Any]:
    """A file of the examples."""
    data: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return data


def examples() -> list[Example]:
    """All of them, in the order of the files."""
    return [
        *_exposes("zigbee2mqtt-exposes"),
        *_lookalikes(),
        *_states(),
        *_lorawan(),
        *_envelopes(),
        *_messages("homeassistant-discovery", "homeassistant"),
        *_messages("esphome", "esphome"),
        *_messages("tasmota", "tasmota"),
        *_messages("shelly", "shelly"),
        *_others(),
    ]


def published(exposes: list[Any], *, on: bool) -> bytes:
    """A message as the device may publish it: everything on, or everything off."""
    state: dict[str, Any] = {"linkquality": 120}
    for feature in exposes:
        name, kind = feature.get("property"), feature.get("type")
        if name is None or not feature.get("access", 1) & 1:
            continue
        if kind == "binary":
            state[name] = feature["value_on" if on else "value_off"]
        elif kind == "enum" and feature.get("values"):
            state[name] = feature["values"][1 if on and len(feature["values"]) > 1 else 0]
        elif kind == "numeric":
            state[name] = 77 if name == "battery" else int(on)
    return json.dumps(state).encode()


def _exposes(name: str) -> Iterator[Example]:
    for device in load(name)["devices"]:
        for word, on in (("on", True), ("off", False)):
            key = f"{device['vendor']} {device['model']} {word}"
            yield Example(
                name,
                key,
                "zigbee2mqtt",
                "zigbee2mqtt/orion",
                published(device["exposes"], on=on),
                device,
                device,
            )


def _lookalikes() -> Iterator[Example]:
    for device in load("zigbee2mqtt-lookalikes")["devices"]:
        for one in device["lookalikes"]:
            described = {key: device[key] for key in ("vendor", "model", "description")}
            described["exposes"] = [one["expose"]]
            for word, on in (("on", True), ("off", False)):
                key = f"{device['vendor']} {device['model']} {one['property']} {word}"
                payload = published([one["expose"]], on=on)
                yield Example(
                    "zigbee2mqtt-lookalikes", key, "zigbee2mqtt", "zigbee2mqtt/orion", payload, described, one
                )


def _states() -> Iterator[Example]:
    devices = {device["model"]: device for device in load("zigbee2mqtt-exposes")["devices"]}
    data = load("zigbee2mqtt-states")
    messages = next(data[key] for key in data if isinstance(data[key], list) and key != "traps")
    for place, entry in enumerate(messages):
        device = devices.get(entry["model"])
        payload = entry["payload"].encode()
        key = f"{place:03} {entry['model']}"
        yield Example("zigbee2mqtt-states", key, "zigbee2mqtt", entry["topic"], payload, device, entry)


def _lorawan() -> Iterator[Example]:
    data = load("lorawan-examples")
    for place, entry in enumerate(data.get("examples") or data["entries"]):
        device = {"vendor": entry["vendor"], "model": entry["device"]}
        payload = json.dumps(entry["output"]).encode()
        key = f"{place:03} {entry['vendor']} {entry['device']}"
        yield Example("lorawan-examples", key, "lorawan", None, payload, device, entry)


def _envelopes() -> Iterator[Example]:
    for place, entry in enumerate(load("lorawan-envelopes")["entries"]):
        payload = json.dumps(entry["payload"]).encode()
        key = f"{place:03} {entry['network']} {entry['kind']}"
        yield Example("lorawan-envelopes", key, "lorawan", entry["topic"], payload, None, entry)


def _messages(name: str, family: str) -> Iterator[Example]:
    entries = load(name)["entries"]
    announced = {}
    for entry in entries:
        if (entry["topic"] or "").endswith("/config") and (entry["payload"] or "").startswith("{"):
            config = json.loads(entry["payload"])
            announced[config.get("state_topic", config.get("stat_t"))] = config
    for place, entry in enumerate(entries):
        if entry["payload"] is not None:
            key = f"{place:03} {(entry['topic'] or 'no topic').rsplit('/', 1)[-1]}"
            device = announced.get(entry["topic"])
            yield Example(name, key, family, entry["topic"], entry["payload"].encode(), device, entry)


KINDS: Final = {
    "EnOcean": "enocean",
    "HLK-LD2410": "ld2410",
    "HLK-LD2450": "ld2450",
    "Disruptive": "disruptive",
    "Irisys": "people_counter",
    "Milesight VS121": "people_counter",
    "Aqara FP1 ": "zigbee2mqtt",
    "Tuya": "zigbee2mqtt",
    "IKEA": "zigbee2mqtt",
    "Aqara FP2": "homeassistant",
}


def _others() -> Iterator[Example]:
    for place, entry in enumerate(load("others")["entries"]):
        family = next(name for start, name in KINDS.items() if entry["kind"].startswith(start))
        payload = entry["payload"].encode()
        if family in {"enocean", "ld2410", "ld2450"}:
            payload = from_hex(entry["payload"]) or b""
        profile = re.search(r"A5-\d\d-\d\d", entry["kind"])
        device = {"eep": profile[0]} if profile else None
        yield Example("others", f"{place:03} {entry['kind']}", family, entry["topic"], payload, device, entry)


# -- golden files ----------------------------------------------------------------------------------------


def understood(example: Example, *, described: bool) -> Understood:
    """What is understood of it, with or without the device's description."""
    read = FAMILIES[example.family].reader(example.device if described else None)
    try:
        return read(example.topic, example.payload)
    except PayloadError as error:
        return Understood(refused=str(error))


def as_golden(example: Example) -> dict[str, Any]:
    """What a golden file holds."""
    golden: dict[str, Any] = {
        "key": example.key,
        "family": example.family,
        "sha256": hashlib.sha256(example.payload).hexdigest(),
        "alone": _shown(understood(example, described=False)),
    }
    if example.device is not None:
        golden["with its description"] = _shown(understood(example, described=True))
    return golden


def _shown(one: Understood) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "count": len(one.seen),
        "readings": [f"{seen.kind} {seen.value} {seen.property} ({seen.how})" for seen in one.seen],
    }
    if one.refused:
        shown["refused"] = one.refused
    if one.online is not None:
        shown["online"] = one.online
    if one.made_at is not None:
        shown["made_at"] = one.made_at
    if not one.device_made:
        shown["device_made"] = False
    return shown


def golden_path(example: Example) -> Path:
    """Where its golden file is."""
    name = re.sub(r"[^a-z0-9]+", "-", example.key.casefold()).strip("-")
    return GOLDEN / example.source / f"{name[:MAX_CHARACTERS]}.json"


def written(golden: Mapping[str, Any]) -> str:
    """The text of a golden file."""
    return json.dumps(golden, indent=1, ensure_ascii=True) + "\n"


def write_all() -> None:
    """All golden files anew; those without an example go."""
    current = {golden_path(example): as_golden(example) for example in examples()}
    for path in GOLDEN.glob("*/*.json"):
        if path not in current:
            path.unlink()
    for path, golden in current.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written(golden))


if __name__ == "__main__":
    write_all()
