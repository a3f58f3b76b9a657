"""Payload families understand: pure functions from (topic, payload) to readings, one file each.

`build_router` is the way in; a new family is a module and a line in `FAMILIES`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.sensors.base import (
    MAX_PAYLOAD_BYTES,
    Decoded,
    Family,
    OptionError,
    PayloadError,
    Route,
    SensorError,
    SensorSource,
    UnknownTopic,
    check_options,
)
from gateway.sensors.json_path import JsonPath
from gateway.sensors.plain import Plain
from gateway.sensors.router import Router
from gateway.sensors.zigbee2mqtt import Zigbee2Mqtt

__all__ = [
    "FAMILIES",
    "MAX_PAYLOAD_BYTES",
    "Decoded",
    "Family",
    "OptionError",
    "PayloadError",
    "Route",
    "Router",
    "SensorError",
    "SensorSource",
    "UnknownTopic",
    "build_router",
]

FAMILIES: Final[Mapping[str, Family]] = {
    family.name: family for family in (Plain(), JsonPath(), Zigbee2Mqtt())
}


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
