"""How a payload family says no.

SensorError(ValueError)
├── PayloadError    a message that is not what its family documents: count it, drop it
├── UnknownTopic    a message on a topic that no sensor was configured for: count it, drop it
└── OptionError     a configured sensor that cannot work: tell the operator
"""

from collections.abc import Sequence
from typing import Any, Final

SHOWN_CHARACTERS: Final = 40
"""How much of an unexpected value an error repeats."""


class SensorError(ValueError):
    """Base of what is raised here."""


class PayloadError(SensorError):
    """The payload is not what was expected; the text says what was and what came, in short."""

    sensor: str = ""
    """The sensor that it was meant for (set by the router); empty: a bridge."""
    decoded: Sequence[Any] = ()
    """What other sensors that share the topic understood of the same message."""


class UnknownTopic(SensorError):  # noqa: N818 - named for what happened, as the router's users say it
    """No configured sensor publishes there."""


class OptionError(SensorError):
    """A sensor's configuration names something that its family cannot do."""


def shown(value: object) -> str:
    """The beginning of a value, fit for one line of a log."""
    try:
        text = ascii(value)
    except (RecursionError, ValueError):  # an absurdly deep or long value has no text
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
