"""Home Assistant's MQTT discovery: one device for each room, one for the gateway.

A device's configuration is one retained JSON object at ``<prefix>/device/<node>/<object>/config``; an empty
one removes the device (https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery, device discovery).
Its entities read flat JSON with templates like ``{{ value_json.occupied }}``, so anything that can follow a
key can follow them. Everything here is pure; `gateway.runtime.announce` publishes it.

*Unknown is not off.* A null becomes the text "None", which Home Assistant takes for `unknown`
(https://www.home-assistant.io/integrations/binary_sensor.mqtt/, /sensor.mqtt/). While the gateway is offline
every entity but its own connectivity is `unavailable`. No subject, no organizer and no booking key appears.
"""

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from gateway import __version__
from gateway.core.life import State

Json = dict[str, Any]

NO_BOOKING: Final = "no_booking"
BOOKING_STATES: Final = (NO_BOOKING, *get_args(State))
MAX_STATE_CHARACTERS: Final = 255
"""Home Assistant refuses longer states (https://www.home-assistant.io/docs/configuration/state_object/)."""
GATEWAY: Final = "_gateway"
"""The gateway's own object id: no room is called so, because a room's id begins with a letter or digit."""
ONLINE: Final = b"online"
"""The payload of Home Assistant's birth message."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing that a device shows."""

    key: str
    """The key of the state object that it follows; with the device's, its unique id."""
    platform: str
    name: str
    more: Mapping[str, Any]


def _timestamp(key: str, name: str) -> Entity:
    return Entity(key, "sensor", name, {"device_class": "timestamp"})


def _count(key: str, name: str) -> Entity:
    return Entity(key, "sensor", name, {"state_class": "measurement", "entity_category": "diagnostic"})


ON_OFF: Final = {"payload_on": "on", "payload_off": "off"}
DIAGNOSTIC: Final = {"entity_category": "diagnostic"}

ROOM_ENTITIES: Final = (
    Entity("occupied", "binary_sensor", "Occupancy", {"device_class": "occupancy", **ON_OFF}),
    Entity("reason", "sensor", "Reason", DIAGNOSTIC),
    Entity("booking", "sensor", "Booking", {"device_class": "enum", "options": list(BOOKING_STATES)}),
    _timestamp("booking_end", "Booking ends"),
    _timestamp("next_start", "Next booking"),
    _timestamp("release_at", "Given back at"),
    Entity("paused", "binary_sensor", "Releases paused", {"device_class": "problem", **ON_OFF, **DIAGNOSTIC}),
)

GATEWAY_ENTITIES: Final = (
    Entity("problem", "binary_sensor", "Problem", {"device_class": "problem", **ON_OFF, **DIAGNOSTIC}),
    Entity("why", "sensor", "What is wrong", DIAGNOSTIC),
    _count("withheld", "Withheld releases"),
    _count("calendars_in_trouble", "Calendars in trouble"),
    _count("rooms_unknown", "Rooms unknown"),
)

CONNECTIVITY: Final = Entity(
    "connected",
    "binary_sensor",
    "Connected",
    {"device_class": "connectivity", "payload_on": "online", "payload_off": "offline", **DIAGNOSTIC},
)
"""Follows the availability topic itself: when the gateway is gone it is off, not unavailable."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Where everything is. `prefix`: the gateway's own, `discovery`: Home Assistant's."""

    prefix: str
    discovery: str

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.discovery}/status"

    @property
    def availability(self) -> str:
        """Where the gateway says online and offline."""
        return f"{self.prefix}/gateway/availability"

    @property
    def health(self) -> str:
        """Where the gateway's health is retained."""
        return f"{self.prefix}/gateway/health"

    def summary(self, room: str) -> str:
        """Where a room's flat state is retained."""
        return f"{self.prefix}/{room}/summary"

    def config(self, thing: str) -> str:
        """Where a device's configuration is retained; `thing` is a room's id or GATEWAY."""
        return f"{self.discovery}/device/{node(self.prefix)}/{thing}/config"


def node(prefix: str) -> str:
    """The gateway among all that use discovery: its topic prefix, in the letters that a node id may have.

    A prefix that has to be changed gets a number, so no two prefixes give one node.
    """
    if re.fullmatch(r"[a-zA-Z0-9_-]+", prefix):
        return prefix
    return f"{re.sub(r'[^a-zA-Z0-9_-]+', '_', prefix)}_{zlib.crc32(prefix.encode()):08x}"


def unique_id(topics: Topics, thing: str, key: str = "") -> str:
    """Stable as long as the prefix and the room's id are. The dots keep any two apart: no part holds one."""
    return ".".join(part for part in (node(topics.prefix), thing, key) if part)


def configs(topics: Topics, rooms: Mapping[str, str]) -> dict[str, bytes]:
    """Topic and payload of every device's configuration. `rooms`: from id to name."""
    devices = {topics.config(room): room_device(topics, room, name) for room, name in rooms.items()}
    devices[topics.config(GATEWAY)] = gateway_device(topics)
    return {topic: msgspec.json.encode(device) for topic, device in devices.items()}


def announced(topics: Topics, rooms: Iterable[str]) -> set[str]:
    """Every topic that exists for discovery's sake, and is to be emptied when its room is gone."""
    return {
        topics.config(GATEWAY),
        *(topic for r in rooms for topic in (topics.config(r), topics.summary(r))),
    }


def room_device(topics: Topics, room: str, name: str) -> Json:
    """The configuration of one room's device."""
    return _device(
        topics,
        room,
        {
            "name": name or room,
            "model": "Meeting room",
            "suggested_area": name or room,
            "via_device": unique_id(topics, GATEWAY),
        },
        ROOM_ENTITIES,
        topics.summary(room),
    )


def gateway_device(topics: Topics) -> Json:
    """The configuration of the gateway's own device."""
    device = _device(
        topics,
        GATEWAY,
        {"name": "Occupancy gateway", "model": "Gateway"},
        GATEWAY_ENTITIES,
        topics.health,
    )
    device["components"][CONNECTIVITY.key] = {
        **_component(topics, GATEWAY, CONNECTIVITY),
        "state_topic": topics.availability,
    }
    return device


def _device(topics: Topics, thing: str, about: Json, entities: Sequence[Entity], state_topic: str) -> Json:
    return {
        "device": {
            "identifiers": [unique_id(topics, thing)],
            "manufacturer": "Occupancy gateway",
            "sw_version": __version__,
            **about,
        },
        "origin": {"name": "occupancy-gateway", "sw_version": __version__},
        "qos": 1,
        "components": {
            entity.key: {
                **_component(topics, thing, entity),
                "state_topic": state_topic,
                "value_template": f"{{{{ value_json.{entity.key} }}}}",
                "availability_topic": topics.availability,
            }
            for entity in entities
        },
    }


def _component(topics: Topics, thing: str, entity: Entity) -> Json:
    return {
        "platform": entity.platform,
        "name": entity.name,
        "unique_id": unique_id(topics, thing, entity.key),
        **entity.more,
    }


def room_summary(picture: Json) -> Json:
    """A room's flat state, from its picture (`gateway.runtime.picture.room_picture`)."""
    booking, coming = picture["booking"], picture["next"]
    return {
        # Neither occupied nor proven vacant: null, never "off".
        "occupied": {"occupied": "on", "vacant": "off"}.get(picture["occupancy"]["status"]),
        "reason": _reason(picture["occupancy"]),
        "booking": booking["state"] if booking else NO_BOOKING,
        "booking_end": booking["end"] if booking else None,
        "next_start": coming["start"] if coming else None,
        "release_at": booking["release_at"] if booking else None,
        "paused": "on" if picture["paused_since"] else "off",
    }


def _reason(occupancy: Json) -> str | None:
    since = occupancy["since"]
    empty = f"proven empty since {since[11:16]}" if since else ""
    return _short("; ".join(occupancy["why"]) or empty) or None


def _short(text: str) -> str:
    return text if len(text) <= MAX_STATE_CHARACTERS else f"{text[: MAX_STATE_CHARACTERS - 1]}…"
