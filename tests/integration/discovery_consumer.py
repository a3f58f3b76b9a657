"""A small Home Assistant: builds entities from discovery alone, and follows their topics as it would.

Strict where Home Assistant is: an unknown key, a missing one, an unusable state or a doubled unique id fails
the test. Templates may be ``{{ value_json.key }}`` and nothing else, so that any consumer can follow.
Keys: https://www.home-assistant.io/integrations/mqtt/ (device discovery), .../binary_sensor.mqtt/ and
.../sensor.mqtt/.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ROOT_KEYS = {"device", "origin", "qos", "components"}
DEVICE_KEYS = {
    "identifiers",
    "name",
    "manufacturer",
    "model",
    "sw_version",
    "suggested_area",
    "via_device",
}
SHARED_KEYS = {
    "platform",
    "name",
    "unique_id",
    "state_topic",
    "value_template",
    "availability_topic",
    "entity_category",
    "device_class",
}
OWN_KEYS = {"binary_sensor": {"payload_on", "payload_off"}, "sensor": {"options", "state_class"}}
# https://www.home-assistant.io/integrations/binary_sensor/#device-class and /sensor/#device-class
DEVICE_CLASSES: dict[str, set[str | None]] = {
    "binary_sensor": {"occupancy", "problem", "connectivity"},
    "sensor": {"timestamp", "enum", None},
}
TEMPLATE = re.compile(r"\{\{ value_json\.(\w+) \}\}")
NONE = "None"
"""What a null becomes in a template, and what both platforms take for unknown."""


@dataclass
class Entity:
    """One entity and what it shows."""

    device: str
    config: dict[str, Any]
    available: bool
    state: str = "unknown"

    @property
    def shown(self) -> str:
        return self.state if self.available else "unavailable"

    def take(self, topic: str, payload: str) -> None:
        if topic == self.config.get("availability_topic") and payload in ("online", "offline"):
            self.available = payload == "online"
        if topic == self.config["state_topic"]:
            self.state = self._state(self._render(payload))

    def _render(self, payload: str) -> str:
        template = self.config.get("value_template")
        if template is None:
            return payload
        found = TEMPLATE.fullmatch(template)
        assert found, template
        return str(json.loads(payload)[found[1]])

    def _state(self, value: str) -> str:
        if value == NONE:
            return "unknown"
        if self.config["platform"] == "binary_sensor":
            words = {self.config["payload_on"]: "on", self.config["payload_off"]: "off"}
            return words[value]
        assert 0 < len(value) <= 255
        kind = self.config.get("device_class")
        if kind == "enum":
            assert value in self.config["options"]
        if kind == "timestamp":
            assert datetime.fromisoformat(value).tzinfo is not None
        if self.config.get("state_class") == "measurement":
            float(value)
        return value


@dataclass
class HomeAssistant:
    """Feed it with every message of the broker; ask for entities by their unique ids."""

    prefix: str = "homeassistant"
    entities: dict[str, Entity] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The device's own part, by the topic of its configuration."""
    configured: int = 0
    """Configurations that came, repeated ones too."""
    _last: dict[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> set[str]:
        """The topics that its entities follow."""
        keys = ("state_topic", "availability_topic")
        return {one.config[key] for one in self.entities.values() for key in keys if key in one.config}

    def shows(self, unique_id: str) -> str:
        """State of one entity: unavailable, unknown, or what it is."""
        return self.entities[unique_id].shown

    def take(self, topic: str, payload: bytes) -> None:
        """One message, retained or not."""
        if topic.startswith(f"{self.prefix}/"):
            if topic != f"{self.prefix}/status":
                self._discover(topic, payload)
            return
        self._last[topic] = payload.decode()
        for entity in self.entities.values():
            if payload:
                entity.take(topic, payload.decode())

    def _discover(self, topic: str, payload: bytes) -> None:
        part = r"[a-zA-Z0-9_-]+"
        assert re.fullmatch(rf"{self.prefix}/device/(?:{part}/)?{part}/config", topic), topic
        for unique_id in [u for u, entity in self.entities.items() if entity.device == topic]:
            if not payload:
                del self.entities[unique_id]
        self.devices.pop(topic, None)
        if not payload:
            return
        self.configured += 1
        config = json.loads(payload)
        assert set(config) == ROOT_KEYS
        assert set(config["device"]) <= DEVICE_KEYS
        assert config["device"]["identifiers"]
        assert config["origin"]["name"]
        assert config["qos"] in (0, 1, 2)
        self.devices[topic] = config["device"]
        for component in config["components"].values():
            self._add(topic, component)

    def _add(self, device: str, config: dict[str, Any]) -> None:
        assert set(config) <= SHARED_KEYS | OWN_KEYS[config["platform"]]
        assert config.get("device_class") in DEVICE_CLASSES[config["platform"]]
        unique_id = config["unique_id"]
        known = self.entities.get(unique_id)
        assert known is None or known.device == device, f"{unique_id} is in two devices"
        entity = known or Entity(device, config, available="availability_topic" not in config)
        entity.config = config
        self.entities[unique_id] = entity
        for topic, payload in self._last.items():  # what is retained comes with the subscription
            if payload:
                entity.take(topic, payload)
