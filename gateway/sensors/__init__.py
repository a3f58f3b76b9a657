"""Payload families understand: pure functions from (topic, payload) to readings, one file each.

`build_router` is the way in; a new family is a module and a line in `FAMILIES`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.sensors.base import (
    MAX_PAYLOAD_BYTES,
    Decoded,
    Family,
    Missed,
    OptionError,
    PayloadError,
    Route,
    SensorError,
    SensorSource,
    UnknownTopic,
    check_options,
)
from gateway.sensors.disruptive import Disruptive
from gateway.sensors.enocean import EnOcean
from gateway.sensors.esphome import EspHome
from gateway.sensors.hlk_radar import Ld2410, Ld2450
from gateway.sensors.homeassistant import HomeAssistant
from gateway.sensors.json_path import JsonPath
from gateway.sensors.lorawan import LoraWan
from gateway.sensors.people_counter import PeopleCounter
from gateway.sensors.plain import Plain
from gateway.sensors.router import Router
from gateway.sensors.shelly import Shelly
from gateway.sensors.tasmota import Tasmota
from gateway.sensors.zigbee2mqtt import Zigbee2Mqtt

__all__ = [
    "ALIASES",
    "FAMILIES",
    "MAX_PAYLOAD_BYTES",
    "SERIAL",
    "Decoded",
    "Family",
    "Missed",
    "OptionError",
    "PayloadError",
    "Route",
    "Router",
    "SensorError",
    "SensorSource",
    "UnknownTopic",
    "build_router",
    "family_named",
]

FAMILIES: Final[Mapping[str, Family]] = {
    family.name: family
    for family in (
        Plain(),
        JsonPath(),
        Zigbee2Mqtt(),
        HomeAssistant(),
        EspHome(),
        Tasmota(),
        Shelly(),
        LoraWan(),
        PeopleCounter(),
        Disruptive(),
        EnOcean(),
        Ld2410(),
        Ld2450(),
    )
}

ALIASES: Final[Mapping[str, str]] = {
    "jsonpath": "json",
    "z2m": "zigbee2mqtt",
    "zigbee": "zigbee2mqtt",
    "ha": "homeassistant",
    "hass": "homeassistant",
    "discovery": "homeassistant",
    "homeassistantdiscovery": "homeassistant",
    "tts": "lorawan",
    "ttn": "lorawan",
    "thethingsstack": "lorawan",
    "thethingsnetwork": "lorawan",
    "chirpstack": "lorawan",
    "lora": "lorawan",
    "counter": "people_counter",
    "counters": "people_counter",
    "peoplecounter": "people_counter",
    "peoplecounters": "people_counter",
    "irisys": "people_counter",
    "disruptivetechnologies": "disruptive",
    "esp3": "enocean",
    "enoceanesp3": "enocean",
    "hlkld2410": "ld2410",
    "hlkld2450": "ld2450",
    "shellyblu": "shelly",
    "blu": "shelly",
}
"""Other names that people try for a family, without blanks, dots, dashes and underscores."""

SERIAL: Final = frozenset({"enocean", "ld2410", "ld2450"})
"""Families whose payloads are bytes of a serial line, and hexadecimal where text is written."""


def family_named(name: str) -> Family:
    """The family of that name or alias. Raises OptionError, which lists the names."""
    if name in FAMILIES:
        return FAMILIES[name]
    short = "".join(letter for letter in name[:100].casefold() if letter.isalnum())
    family = FAMILIES.get(ALIASES.get(short, short))
    if family is None:
        raise OptionError(f"there is no family {name[:40]!r}; there are {', '.join(sorted(FAMILIES))}")
    return family


def build_router(sources: Iterable[SensorSource]) -> Router:
    """The router of all configured sources. Raises OptionError, which names the sensor."""
    routes: list[Route] = []
    for source in sources:
        family = FAMILIES.get(source.family)
        if family is None:
            known = ", ".join(sorted(FAMILIES))
            raise OptionError(
                f"sensor {source.sensor}: there is no family {source.family!r}; there are {known}"
            )
        try:
            check_options(family, source)
            routes += family.routes(source)
        except OptionError as error:
            raise OptionError(f"sensor {source.sensor}: {error}") from None
    return Router(routes)
