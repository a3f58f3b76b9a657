"""The payload is the value itself: `on`, `0`, `Occupied`, `7`.

What most self-made nodes, ESPHome and scripts publish. A retained value is of an unknown age and
gives no reading (shared reference, section 6).

What the value means is configured. Where it is not, only a topic whose own name says it is believed
(`office/orion/presence`).
"""

from collections.abc import Mapping
from typing import Final, get_args

from gateway.core.events import Reading
from gateway.core.policy import Senses
from gateway.sensors.availability import SHARED_OPTIONS, availability_routes
from gateway.sensors.base import (
    Decode,
    Decoded,
    OptionError,
    PayloadError,
    Route,
    SensorSource,
    check_topic,
    shown,
)
from gateway.sensors.understood import Description, Device, Kind, Property, Reader, Seen, Understood
from gateway.sensors.values import BLANKS, Words, as_main, utf8, words
from gateway.sensors.vocabulary import other_than_room, plain_kind, spaced


class Plain:
    """The family `plain`."""

    name: Final = "plain"
    options: Final[Mapping[str, str]] = SHARED_OPTIONS

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The value's topic, and the availability topic where one is named. Raises OptionError."""
        value = Route(check_topic(source.topic, "the topic"), _decode(source), source.sensor)
        return (value, *availability_routes(source))

    def describe(self, device: Device) -> Description:
        """What the device is said to sense."""
        senses = senses_of(device)
        return Description(
            () if senses is None else (Property("value", senses, "state", "the device says so"),)
        )

    def reader(self, device: Device | None) -> Reader:
        """By what the device is said to sense ({"senses": "presence"}), or by the topic's last level."""
        senses = None if device is None else senses_of(device)
        table = words_of(device or {})

        def reader(topic: str | None, payload: bytes) -> Understood:
            kind, name = senses or _kind_by_topic(topic), (topic or "value").rsplit("/", 1)[-1]
            elsewhere = "" if senses is not None else other_than_room(spaced(topic or ""))
            if elsewhere:
                return Understood(refused=elsewhere)
            if kind is None:
                why = "neither the topic nor the device says what the value means; say what it senses"
                return Understood(refused=why)
            text = utf8(payload).strip(BLANKS)
            return Understood((Seen(kind, as_main(text, kind, table), name),))

        return reader


def senses_of(device: Device) -> Kind | None:
    """What a device is said to sense."""
    senses = device.get("senses")
    return senses if isinstance(senses, str) and senses in get_args(Senses) else None  # type: ignore[return-value] # of Senses


def words_of(device: Device) -> Words:
    """The device's own words for on and off, or the usual ones."""
    given = {key: device[key] for key in ("on", "off") if isinstance(device.get(key), str)}
    try:
        return words(given)
    except OptionError:
        return words({})


TAILS: Final = frozenset({"state", "value", "status", "stat"})


def _kind_by_topic(topic: str | None) -> Kind | None:
    levels = [level for level in (topic or "").split("/") if level and level.casefold() not in TAILS]
    return plain_kind(levels[-1]) if levels else None


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
