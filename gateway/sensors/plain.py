"""The payload is the value itself: `on`, `0`, `Occupied`, `7`.

What most self-made nodes, ESPHome and scripts publish. A retained value is of an unknown age and
gives no reading (shared reference, section 6).
"""

from collections.abc import Mapping
from typing import Final

from gateway.core.events import Reading
from gateway.sensors.availability import SHARED_OPTIONS, availability_routes
from gateway.sensors.base import Decode, Decoded, PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.values import BLANKS, as_main, utf8, words


class Plain:
    """The family `plain`."""

    name: Final = "plain"
    options: Final[Mapping[str, str]] = SHARED_OPTIONS

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The value's topic, and the availability topic where one is named. Raises OptionError."""
        value = Route(check_topic(source.topic, "the topic"), _decode(source), source.sensor)
        return (value, *availability_routes(source))


def _decode(source: SensorSource) -> Decode:
    sensor, senses = source.sensor, source.senses
    table = words(source.options)
    # Nearly every message is one of these, so their readings are made once.
    common: dict[bytes, Decoded] = {}
    if senses != "count":
        for word, value in table.items():
            for form in (word, word.upper(), word.capitalize()):
                common[form.encode()] = (Reading(sensor, senses, value),)

    def decode(payload: bytes, retained: bool) -> Decoded:
        if retained:
            return ()
        known = common.get(payload)
        if known is not None:
            return known
        text = utf8(payload).strip(BLANKS)
        if not text:
            raise PayloadError(f"expected a value, got {shown(payload)}")
        return (Reading(sensor, senses, as_main(text, senses, table)),)

    return decode
