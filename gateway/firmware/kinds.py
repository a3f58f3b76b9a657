"""Every kind of firmware, and how its whole text is put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.firmware import esphome, lorawan, shelly, tasmota, zigbee2mqtt
from gateway.firmware.plan import Broker, Kind, Plan, Unfit, fitted, objections, section
from gateway.firmware.quoting import commented, one_line
from gateway.settings import SensorSettings

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        esphome.RADAR_KIND,
        esphome.PIR_KIND,
        tasmota.PIR_KIND,
        tasmota.RADAR_KIND,
        zigbee2mqtt.KIND,
        shelly.KIND,
        lorawan.CHIRPSTACK,
        lorawan.TTS,
    )
}

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

NOT_READ_YET: Final = "this version of the gateway does not read the number in its messages yet"


@dataclass(frozen=True, slots=True)
class Firmware:
    """What was made: the text for the device, the section for gateway.toml, and what to know about both."""

    text: str
    settings: str
    loss_detectable: bool
    notes: tuple[str, ...]


def settings_for(kind: Kind, room: str, sensor: str, configured: SensorSettings | None) -> str:
    """The `[[room.sensor]]` that fits this kind."""
    return section(fitted(kind, room, sensor, configured))


def make(
    kind: Kind, room: str, room_name: str, sensor: str, configured: SensorSettings | None, broker: Broker
) -> Firmware:
    """The configuration of one sensor. Raises Unfit where its settings or names do not go with the kind."""
    if configured is not None:
        wrong = objections(kind, room, configured)
        if wrong:
            raise Unfit("; ".join(wrong))
    settled = fitted(kind, room, sensor, configured)
    plan = Plan(room, room_name, settled, broker)
    notes = list(kind.notes(plan))
    if not kind.noticed:
        notes.insert(0, f"loss_detectable = false: {kind.why_not or NOT_READ_YET}")
    if broker.host in LOOPBACK:
        notes.append(
            f"the broker is {broker.host}, the gateway's own machine: put the name that sensors know it by"
        )
    if configured is not None and configured.heartbeat is None:
        notes.append("heartbeat is not set in gateway.toml: without it the sensor proves no room empty")
    body = kind.render(plan)
    settings = section(settled)
    head = "\n".join(
        [
            f"{one_line(sensor)} in {one_line(room_name)}: {kind.title}.",
            f"Made by: occupancy-gateway firmware {room} {sensor} --kind {kind.name}",
            "",
            kind.published,
            "",
            "The room in gateway.toml has this sensor:",
            "",
            *(f"  {line}" for line in settings.rstrip("\n").split("\n")),
            "",
            *(f"Note: {one_line(note)}." for note in notes),
        ]
    )
    return Firmware(f"{commented(head, kind.comment)}\n{body}", settings, kind.noticed, tuple(notes))
