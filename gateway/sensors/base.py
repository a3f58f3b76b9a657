"""What every payload family shares: how a sensor is configured, what a family is, how it says no.

    SensorError(ValueError)
    ├── PayloadError    a message that is not what its family documents: count it, drop it
    ├── UnknownTopic    a message on a topic that no sensor was configured for: count it, drop it
    └── OptionError     a configured sensor that cannot work: tell the operator

Families are pure: the same bytes give the same readings, at any time and in any order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from gateway.core.events import Availability, BridgeState, Reading
from gateway.core.policy import Senses

MAX_PAYLOAD_BYTES: Final = 64 * 1024
"""Longer payloads are refused unread. Sensors' messages have tens to hundreds of bytes; the longest
known, a device's full self-description, stays under 10 KiB."""
MAX_TOPIC_BYTES: Final = 65_535
"""MQTT 3.1.1, section 1.5.3."""
SHOWN_CHARACTERS: Final = 40
"""How much of an unexpected value an error repeats."""

Decoded = Sequence[Reading | Availability | BridgeState]
Decode = Callable[[bytes, bool], Decoded]
"""(payload, retained) to what it says. Raises PayloadError and nothing else."""


class SensorError(ValueError):
    """Base of what is raised here."""


class PayloadError(SensorError):
    """The payload is not what was expected; the text says what was and what came, in short."""

    sensor: str = ""
    """The sensor that it was meant for (set by the router); empty: a bridge."""
    decoded: Decoded = ()
    """What other sensors that share the topic understood of the same message."""


class UnknownTopic(SensorError):  # noqa: N818 - named for what happened, as the router's users say it
    """No configured sensor publishes there."""


class OptionError(SensorError):
    """A sensor's configuration names something that its family cannot do."""


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


def shown(value: object) -> str:
    """The beginning of a value, fit for one line of a log."""
    try:
        text = ascii(value)
    except (RecursionError, ValueError):  # an absurdly deep or long value has no text
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
