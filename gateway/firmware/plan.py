"""What is to be made: one sensor of one room, the broker that it talks to, and the kind of its firmware.

FirmwareError
└── Unfit   the configured sensor expects what this kind does not publish, or a name cannot be written there
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.units import SECOND_MS, Duration
from gateway.durations import format_duration
from gateway.firmware.quoting import quoted
from gateway.sensors import FAMILIES
from gateway.settings import MqttSettings, SensorSettings

EVERY_MINUTE: Final[Duration] = 60 * SECOND_MS
"""The heartbeat of a device that is always powered, where the configuration names none."""

SECRET: Final = "!secret mqtt_password"  # noqa: S105 - the name of a secret, which is never here itself
"""Stands where the broker's password belongs; ESPHome looks it up, elsewhere a person replaces it."""


FIXED_OPTIONS: Final = ("path", "sequence_path")
"""Where in its messages a kind puts what the gateway reads."""

WORDS: Final = ("on", "off")
"""Options that replace the words for occupied and vacant."""
ONLINE_WORDS: Final = ("online", "offline")
"""Options that replace the words of the availability topic."""


class FirmwareError(ValueError):
    """No configuration can be made; the text says why and how to mend it."""


class Unfit(FirmwareError):  # noqa: N818 - reads as what is wrong
    """The configuration and the kind of firmware do not fit each other."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the sensor publishes. Its login is its own, never the gateway's."""

    host: str = "mqtt.example.com"
    port: int = 1883
    tls: bool = False

    @property
    def address(self) -> str:
        """Host and port as one text; an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{host}:{self.port}"

    @classmethod
    def of(cls, mqtt: MqttSettings) -> "Broker":
        """The broker of a configuration."""
        return cls(mqtt.host, mqtt.port, mqtt.tls)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a kind needs to write its text."""

    room: str
    room_name: str
    sensor: SensorSettings
    broker: Broker

    @property
    def heartbeat_ms(self) -> Duration:
        """How often the device speaks by itself."""
        return self.sensor.heartbeat or EVERY_MINUTE


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of firmware, as a declaration."""

    name: str
    title: str
    """What it is, as in "PIR on ESPHome"."""
    suffix: str
    """Of its file, with the dot."""
    comment: str
    """What begins a comment in it."""
    defaults: Callable[[str, str], Mapping[str, Any]]
    """(room, sensor) to the settings of a new sensor, as they stand in gateway.toml."""
    render: Callable[[Plan], str]
    """The text below the introduction. Raises Unfit."""
    published: str
    """What the device publishes, in a few lines for the introduction."""
    sequence: str = ""
    """Where in its messages a number stands that grows by one with each; empty: nowhere."""
    why_not: str = ""
    """Where there is no such number: why a lost message cannot be noticed."""
    qos1: bool = False
    """Whether it can publish at QoS 1."""
    words_are_free: bool = False
    """The device decides what it senses and how it says so; otherwise the kind does."""
    online_words_are_free: bool = True
    """It says online and offline as configured, or somebody else does; otherwise in words of its own."""
    notes: Callable[[Plan], Sequence[str]] = lambda _: ()
    """What a person should know about this plan besides."""

    @property
    def own_words(self) -> tuple[str, ...]:
        """Options that must not be set, because the kind has its own words."""
        return (
            *(() if self.words_are_free else WORDS),
            *(() if self.online_words_are_free else ONLINE_WORDS),
        )

    @property
    def noticed(self) -> bool:
        """Whether this version of the gateway notices that a message was lost."""
        return bool(self.sequence) and "sequence_path" in FAMILIES["json"].options


def fitted(kind: Kind, room: str, sensor: str, configured: SensorSettings | None) -> SensorSettings:
    """The sensor's settings as they must be for this kind; what is free stays as it is configured."""
    values = dict(kind.defaults(room, sensor)) | {"id": sensor}
    if kind.noticed:
        values["loss_detectable"] = True
        values["options"] = values["options"] | {"sequence_path": kind.sequence}
    if configured is None:
        return SensorSettings.model_validate(values)
    wanted = SensorSettings.model_validate(values)
    fixed = {key: value for key, value in wanted.options.items() if key in FIXED_OPTIONS}
    kept = {
        key: value
        for key, value in configured.options.items()
        if key in FAMILIES[wanted.family].options and key not in kind.own_words
    }
    must: dict[str, Any] = {
        "family": wanted.family,
        "senses": configured.senses if kind.words_are_free else wanted.senses,
        "options": wanted.options | kept | fixed,
        "heartbeat": configured.heartbeat or wanted.heartbeat,
        "at_qos1": configured.at_qos1 and kind.qos1,
        "loss_detectable": kind.noticed,
    }
    return configured.model_copy(update=must)


def objections(kind: Kind, room: str, configured: SensorSettings) -> list[str]:
    """What the configuration expects and this kind does not publish, each with how to mend it."""
    wanted = fitted(kind, room, configured.id, configured)
    found = []
    for key, have, must in (
        ("family", configured.family, wanted.family),
        ("senses", configured.senses, wanted.senses),
        ("options.path", configured.options.get("path", ""), wanted.options.get("path", "")),
    ):
        if have != must:
            found.append(f"{key} is {quoted(have) if have else 'not set'}, {kind.name} needs {quoted(must)}")
    found += [
        f"options.{word} is set, {kind.name} has its own words"
        for word in kind.own_words
        if word in configured.options
    ]
    if configured.at_qos1 and not kind.qos1:
        found.append(f"at_qos1 is true, and {kind.title} publishes at QoS 0")
    number = configured.options.get("sequence_path", "")
    if configured.loss_detectable and kind.noticed and number != kind.sequence:
        have = quoted(number) if number else "not set"
        found.append(
            f"loss_detectable is true, and options.sequence_path is {have}, {kind.name} needs "
            f"{quoted(kind.sequence)}"
        )
    if configured.loss_detectable and not kind.noticed:
        found.append("loss_detectable is true, and a lost message would not be noticed")
    return found


def measure_hold(plan: Plan) -> str:
    """What to know of a PIR's own on-time, which no firmware can find out."""
    hold = format_duration(plan.sensor.device_hold)
    return (
        f"device_hold is {hold}: measure how long the PIR's output stays on after the last motion, "
        "and set it to at least that"
    )


def section(sensor: SensorSettings) -> str:
    """The `[[room.sensor]]` of gateway.toml, without what is as it is by default."""
    default = SensorSettings(id=sensor.id, family=sensor.family, topic=sensor.topic, senses=sensor.senses)
    lines = [
        "[[room.sensor]]",
        f"id = {quoted(sensor.id)}",
        f"family = {quoted(sensor.family)}",
        f"topic = {quoted(sensor.topic)}",
        f"senses = {quoted(sensor.senses)}",
    ]
    if sensor.role != default.role:
        lines.append(f"role = {quoted(sensor.role)}")
    lines += [
        f"{key} = {quoted(format_duration(getattr(sensor, key)))}"
        for key in ("hold", "hold_beside_presence", "latency", "heartbeat", "device_hold")
        if getattr(sensor, key) != getattr(default, key) and getattr(sensor, key) is not None
    ]
    lines += [
        f"{key} = {str(getattr(sensor, key)).lower()}"
        for key in ("says_clear", "loss_detectable", "at_qos1", "in_service")
        if getattr(sensor, key) != getattr(default, key)
    ]
    lines += [f"{key} = {quoted(getattr(sensor, key))}" for key in ("bridge", "unit") if getattr(sensor, key)]
    if sensor.options:
        pairs = ", ".join(f"{key_of(key)} = {quoted(value)}" for key, value in sensor.options.items())
        lines.append(f"options = {{ {pairs} }}")
    return "\n".join(lines) + "\n"


def key_of(key: str) -> str:
    """A key of TOML, in quotes where it must be."""
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else quoted(key)
