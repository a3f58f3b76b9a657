"""What every payload family shares: how a sensor is configured, what a family is.

Families are pure: the same bytes give the same readings, at any time and in any order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from gateway.core.events import Availability, BridgeState, Reading
from gateway.core.policy import Senses
from gateway.sensors.errors import OptionError, PayloadError, SensorError, UnknownTopic, shown
from gateway.sensors.understood import Description, Device, Reader

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "MAX_TOPIC_BYTES",
    "Decode",
    "Decoded",
    "Family",
    "Missed",
    "OptionError",
    "PayloadError",
    "Route",
    "SensorError",
    "SensorSource",
    "UnknownTopic",
    "check_options",
    "check_topic",
    "shown",
]

MAX_PAYLOAD_BYTES: Final = 64 * 1024
"""Longer payloads are refused unread. Sensors' messages have tens to hundreds of bytes; the longest
known, a device's full self-description, stays under 10 KiB."""
MAX_TOPIC_BYTES: Final = 65_535
"""MQTT 3.1.1, section 1.5.3."""


class Missed(msgspec.Struct, frozen=True):
    """Messages of this sensor were lost before what follows. No fact of the core's: see the intake."""

    sensor: str


Item = Reading | Availability | BridgeState | Missed
Decoded = Sequence[Item]
Decode = Callable[[bytes, bool], Decoded]
"""(payload, retained) to what it says. Raises PayloadError and nothing else."""


class SensorSource(msgspec.Struct, frozen=True):
    """How one configured sensor publishes."""

    sensor: str
    family: str
    topic: str
    senses: Senses
    """What its main value means: motion and presence are on or off, count is a number of people."""
    bridge: str = ""
    """Zigbee2MQTT: the base topic of the bridge in front of it, for instance "zigbee2mqtt"."""
    options: Mapping[str, str] = {}
    """Family-specific: where the value is, its words, the availability topic."""


class Route(msgspec.Struct, frozen=True):
    """One topic that a source is heard on."""

    topic_filter: str
    """An exact topic: no wildcards."""
    decode: Decode
    sensor: str = ""
    """Whose messages these are; empty: a bridge's, which several sensors share."""


class Family(Protocol):
    """A way in which sensors publish. One module each; stateless."""

    @property
    def name(self) -> str:
        """What configuration calls it."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """The options it knows, each with a sentence that explains it."""
        ...

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The topics of one source and how to read them. Raises OptionError."""
        ...

    def describe(self, device: Device) -> Description:
        """What the family understands of a device, from its own description. Never raises."""
        ...

    def reader(self, device: Device | None) -> Reader:
        """How to read the messages of a device; without a description, of one that nothing is known of.

        Never raises: a device that cannot be understood has a reader that refuses, with the reason.
        """
        ...


def check_topic(topic: str, what: str) -> str:
    """The topic itself; OptionError unless a broker can carry messages on it."""
    if not topic or len(topic.encode(errors="replace")) > MAX_TOPIC_BYTES:
        raise OptionError(f"{what} is empty or too long")
    wrong = sorted(set(topic) & {"+", "#", "\0"})
    if wrong:
        raise OptionError(f"{what} {shown(topic)} must be one exact topic, without {' or '.join(wrong)!r}")
    return topic


def check_options(family: Family, source: SensorSource) -> None:
    """OptionError when the source sets an option that its family does not know."""
    unknown = sorted(set(source.options) - set(family.options))
    if unknown:
        raise OptionError(
            f"the family {family.name} has no option {', '.join(unknown)};"
            f" it has {', '.join(sorted(family.options))}"
        )
