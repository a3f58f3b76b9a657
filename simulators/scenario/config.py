"""The configuration file of a scenario's gateway, written as a person would write it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, Literal

from gateway.settings import PolicySettings, SensorSettings, Settings, SettingsError, parse
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from simulators.scenario.devices import Device
from simulators.scenario.errors import ScenarioError, unknown
from simulators.toml import literal

DOMAIN: Final = "contoso.com"
Mode = Literal["shadow", "live"]

_HEAD: Final = """
[site]
name = "Contoso"
time_zone = {zone}
holiday_dates = {holidays}
[ledger]
path = "ledger.db"
[mqtt]
host = "127.0.0.1"
queue_covers = "10m"
[exchange]
tenant_id = "{tenant}"
client_id = "{client}"
client_secret_file = "secret"
poll = "60s"
[control]
socket = "/run/occupancy-gateway/control.sock"
[policy.default]
{policy}
"""
"""The socket is never opened (`simulators.in_process`). Beside the ledger its path might be too long."""


@dataclass
class RoomPlan:
    """One room: what hangs in it and how it is run."""

    id: str
    devices: Sequence[Device]
    mode: Mode = "live"
    exempt: bool = False
    parts: Sequence[str] = ()
    """The rooms that it is put together from."""
    extra: dict[str, dict[str, str]] = field(default_factory=dict)
    """By sensor: settings that differ from its kind's, as written."""


def address(who: str) -> str:
    """The invented address of a person or a room."""
    return who if "@" in who else f"{who}@{DOMAIN}"


def policy_key(words: str) -> str:
    """The policy setting that is meant by "early arrival" or "early_arrival". Raises UnknownNameError."""
    key = words.strip().replace(" ", "_").replace("-", "_")
    if key not in PolicySettings.model_fields:
        raise unknown("policy setting", key, list(PolicySettings.model_fields))
    return key


def sensor_key(words: str) -> str:
    """As `policy_key`, for a sensor's setting."""
    key = words.strip().replace(" ", "_").replace("-", "_")
    if key not in SensorSettings.model_fields:
        raise unknown("sensor setting", key, list(SensorSettings.model_fields))
    return key


def policy_value(key: str, text: str) -> str:
    """A policy's value as TOML: true, false, lists of names or categories, and durations."""
    if key == "exempt_organizers":
        return json.dumps([address(name.strip()) for name in text.split(" and ")])
    if key == "exempt_categories":
        return json.dumps([name.strip().strip('"') for name in text.split(" and ")])
    return plain_value(text)


def plain_value(text: str) -> str:
    """A value as TOML: true, false, a number, or text."""
    return text if text in ("true", "false") or text.isdecimal() else json.dumps(text)


def settings_of(
    folder: Path,
    zone: str,
    rooms: Mapping[str, RoomPlan],
    policy: Mapping[str, str],
    holidays: Sequence[date] = (),
) -> Settings:
    """The settings that the real gateway reads from all this; `policy` holds TOML. Raises ScenarioError."""
    secret = folder / "secret"
    secret.write_text(CLIENT_SECRET)
    secret.chmod(0o600)
    text = _HEAD.format(
        zone=json.dumps(zone),
        holidays=f"[{', '.join(map(str, holidays))}]",
        tenant=TENANT_ID,
        client=CLIENT_ID,
        policy="\n".join(f"{key} = {value}" for key, value in sorted(policy.items())),
    )
    for room in rooms.values():
        text += _room(room)
    try:
        return parse(text, base=folder)
    except SettingsError as error:
        raise ScenarioError(f"the gateway would not start with these settings: {error}") from error


def _room(room: RoomPlan) -> str:
    lines = ["[[room]]", f'id = "{room.id}"', f'mailbox = "{address(room.id)}"', f'mode = "{room.mode}"']
    lines += ["exempt = true"] * room.exempt
    lines += [f"parts = {json.dumps(list(room.parts))}"] * bool(room.parts)
    for device in room.devices:
        lines.append("[[room.sensor]]")
        values = {key: literal(value) for key, value in device.table().items()}
        values |= {key: plain_value(text) for key, text in room.extra.get(device.name, {}).items()}
        lines += [f"{key} = {value}" for key, value in values.items()]
    return "\n".join(lines) + "\n"
