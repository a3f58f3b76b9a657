"""What a device announces by Home Assistant's MQTT discovery, and what of it tells of people.

A configuration has abbreviated keys or full ones, topics with `~`, and one entity or (the newer form) all of
a device. Each entity is taken with its kind, or not taken with the reason: see
`gateway.sensors.homeassistant`.
Source: Home Assistant's documentation of MQTT discovery.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from gateway.sensors.availability import as_state, online_words
from gateway.sensors.base import OptionError, check_topic, shown
from gateway.sensors.templates import Template
from gateway.sensors.understood import Device, How, Kind, Property, listed, text_of
from gateway.sensors.values import BLANKS, utf8
from gateway.sensors.vocabulary import (
    other_than_room,
    plain_kind,
    senses_motion_only,
    senses_presence,
    words_in,
)
from gateway.sensors.zigbee_exposes import STILL, state_values, word_form

ABBREVIATED: Final[Mapping[str, str]] = {
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "cmd_t": "command_topic",
    "cmps": "components",
    "dev": "device",
    "dev_cla": "device_class",
    "ent_cat": "entity_category",
    "exp_aft": "expire_after",
    "ic": "icon",
    "mdl": "model",
    "mf": "manufacturer",
    "obj_id": "object_id",
    "off_dly": "off_delay",
    "p": "platform",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off",
    "pl_on": "payload_on",
    "stat_cla": "state_class",
    "stat_t": "state_topic",
    "t": "topic",
    "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}

CLASSES: Final[Mapping[str, Kind]] = {"motion": "motion", "occupancy": "presence", "presence": "presence"}
OTHER_CLASSES: Final[Mapping[str, Kind]] = {"tamper": "tamper", "problem": "fault"}
PASSAGES: Final = frozenset({"total", "entries", "exits", "entered", "left", "passed", "today", "daily"})
PEOPLE_UNITS: Final = frozenset({"people", "persons", "person", "ppl", "occupants", "pers."})
MAX_ENTITIES: Final = 200

_SOMEBODY_HOME: Final = re.compile(
    r"phone|iphone|person|tracker|\btag\b|ibeacon|bluetooth|\bble\b|home\b|gps"
)
ELSEWHERE: Final = re.compile(
    r"curtain|blind|cover|shutter|valve|door|window|garage|parking|vehicle|\bcar\b|thermostat|phone|person_|pet"
)
THINGS: Final = listed(
    """
    bed mattress crib cot dog cat bird animal bike bicycle package parcel mailbox litter charger machine trap
    """
)
"""In a name: of these the state tells, whatever its class says."""
CONFIG_TOPIC: Final = re.compile(r"[^/]+/(?P<component>\w+)/(?:[^/]+/)?(?P<object>[^/]+)/config")


ANY_TOPIC: Final = ""
"""Of an entity whose description leaves its state's topic out: then every message is taken for its state."""


class Entity(msgspec.Struct, frozen=True):
    """One announced entity that bears on a room or its device."""

    meaning: Property
    state_topic: str
    template: Template | None
    on: str
    off: str
    only_on: bool
    """It never sends off: `off_delay`."""
    words: Mapping[str, int] | None = None
    """Of a sensor whose state is one of several words: those that tell somebody (1) from nobody (0)."""


class Announced(msgspec.Struct, frozen=True):
    """What a device announced."""

    entities: tuple[Entity, ...] = ()
    not_taken: Mapping[str, str] = {}
    availability: tuple["Reach", ...] = ()
    mode: str = "latest"


class Reach(msgspec.Struct, frozen=True):
    """One topic on which it is said to be within reach."""

    topic: str
    template: Template | None
    online: str
    offline: str

    def says(self, payload: bytes) -> bool | None:
        """Whether it is online; None: neither word. Raises PayloadError."""
        text = utf8(payload).strip(BLANKS)
        if self.template is not None:
            text = self.template.render(payload, text)
        elif text.startswith("{"):
            return bool(as_state(payload, online_words({})))
        if text not in {self.online, self.offline}:
            return None
        return text == self.online


def announced_by(device: Device) -> Announced:
    """What a configuration announces. Never raises: what is odd is not taken, with the reason."""
    config = _full(device)
    common = {
        key: value
        for key, value in config.items()
        if key.startswith(("availability", "payload_avail", "payload_not"))
    }
    entities: list[Entity] = []
    not_taken: dict[str, str] = {}
    for component, entity in _entities(config):
        merged = common | entity
        name = _name(merged)
        try:
            understood = _entity(component, merged, name)
        except OptionError as error:
            not_taken[name] = str(error)
            continue
        entities.append(understood)
    try:
        reach = tuple(_reach(config))
    except OptionError as error:
        reach = ()
        not_taken["availability"] = str(error)
    mode = config.get("availability_mode", "latest")
    return Announced(tuple(entities), not_taken, reach, mode if isinstance(mode, str) else "latest")


def _full(value: Mapping[str, Any]) -> dict[str, Any]:
    """Full keys for abbreviated ones, and topics without `~`."""
    full: dict[str, Any] = {}
    for key, item in value.items():
        full.setdefault(ABBREVIATED.get(key, key), item)
    if isinstance(full.get("device"), dict):
        full["device"] = _full_flat(full["device"])
    base = full.get("~")
    if isinstance(base, str):
        for key, item in full.items():
            if key != "~" and isinstance(item, str) and key.endswith("topic"):
                full[key] = _without_tilde(item, base)
    listed = full.get("availability")
    if isinstance(listed, list):
        full["availability"] = [
            _with_base(_full_flat(one), base) for one in listed[:20] if isinstance(one, dict)
        ]
    return full


def _full_flat(value: Mapping[str, Any]) -> dict[str, Any]:
    return {ABBREVIATED.get(key, key): item for key, item in value.items()}


def _with_base(value: dict[str, Any], base: object) -> dict[str, Any]:
    topic = value.get("topic")
    if isinstance(base, str) and isinstance(topic, str):
        value["topic"] = _without_tilde(topic, base)
    return value


def _without_tilde(topic: str, base: str) -> str:
    if topic.startswith("~"):
        return base + topic[1:]
    return topic[:-1] + base if topic.endswith("~") else topic


def _entities(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    components = config.get("components")
    if isinstance(components, dict):
        base = {key: config[key] for key in ("~", "device", "state_topic") if key in config}
        for key, component in list(components.items())[:MAX_ENTITIES]:
            if isinstance(component, dict):
                entity = _full(base | {"object_id": key} | component)
                yield str(entity.get("platform", "")), entity
        return
    place = config.get("topic_of_config") or config.get("discovery_topic") or config.get("config_topic") or ""
    match = CONFIG_TOPIC.fullmatch(place) if isinstance(place, str) else None
    component = config.get("component") or config.get("platform") or (match["component"] if match else "")
    if match:
        config.setdefault("object_id", match["object"])
    yield (component if isinstance(component, str) and component != "mqtt" else ""), config


def _name(entity: Mapping[str, Any]) -> str:
    for key in ("object_id", "unique_id", "name", "state_topic"):
        value = entity.get(key)
        if isinstance(value, str) and value:
            return value[:100]
    return "entity"


def _entity(component: str, entity: dict[str, Any], name: str) -> Entity:
    """Raises OptionError for an entity that does not tell of people or of the device."""
    topic = entity.get("state_topic", ANY_TOPIC)
    if not isinstance(topic, str):
        raise OptionError("its state_topic is no text")
    for key in ("device_class", "unit_of_measurement", "state_class", "entity_category"):
        if not isinstance(entity.get(key), str | None):
            raise OptionError(f"its {key} is no text")
    if topic != ANY_TOPIC:
        check_topic(topic, "its state_topic")
    device_class = entity.get("device_class")
    if component not in {"", "binary_sensor", "sensor"} or "command_topic" in entity:
        raise OptionError("it is a switch or a setting, not a sensor")
    text = entity.get("value_template")
    template = Template(text) if isinstance(text, str) and text else None
    if template is None and text:
        raise OptionError("its value_template is no text")
    options = entity.get("options")
    if isinstance(options, list) and component in {"", "sensor"}:
        kind, table = _enum_kind(entity, name, options)
        label = template.keys[0] if template is not None and len(template.keys) == 1 else name
        meaning = Property(label, kind, "state", "its words tell nobody from somebody")
        return Entity(meaning, topic, template, "", "", only_on=False, words=table)
    numeric = component == "sensor" or "unit_of_measurement" in entity or "state_class" in entity
    kind, why = _number_kind(entity, name) if numeric else _flag_kind(device_class, entity, name, template)
    on, off = written(entity.get("payload_on", "ON")), written(entity.get("payload_off", "OFF"))
    if not numeric and on == off:
        raise OptionError("its words for on and off are the same")
    only_on = entity.get("off_delay") is not None
    how: How = "pulse" if only_on else "hold" if kind == "motion" else "state"
    label = template.keys[0] if template is not None and len(template.keys) == 1 else name
    return Entity(Property(label, kind, how, why), topic, template, on, off, only_on)


def _enum_kind(entity: Mapping[str, Any], name: str, options: list[Any]) -> tuple[Kind, Mapping[str, int]]:
    """A sensor of class enum lists its words. Raises OptionError unless they and its name are of people."""
    names = _names(entity, name, None)
    device = entity.get("device")
    elsewhere = other_than_room(text_of(device if isinstance(device, Mapping) else {}))
    if elsewhere or ELSEWHERE.search(names) or _of_things(names):
        raise OptionError(elsewhere or "its name says that it watches something else than a room")
    kinds = {kind for part in names.split("\n") if (kind := plain_kind(part)) in {"motion", "presence"}}
    table = state_values(options, of_people=True)
    if len(kinds) != 1 or table is None or entity.get("entity_category") == "config":
        raise OptionError("neither its name nor its options say that they tell somebody from nobody")
    words = {str(word): value for (_, word), value in table.items()}
    kind = kinds.pop()
    still = kind == "motion" and any(word_form(word) in STILL for word in words)
    return ("presence" if still else kind), words


def written(word: object) -> str:
    """A payload of the configuration as Home Assistant compares it: JSON's true is the text True."""
    return word if isinstance(word, str) else str(word)


def _flag_kind(
    device_class: object, entity: Mapping[str, Any], name: str, template: Template | None
) -> tuple[Kind, str]:
    device = entity.get("device")
    about = text_of(device if isinstance(device, Mapping) else {})
    names = _names(entity, name, template)
    if device_class in OTHER_CLASSES:
        return OTHER_CLASSES[str(device_class)], f"device class {device_class}"
    elsewhere = other_than_room(about)
    for wrong, why in (
        (device_class == "moving", "class moving: the thing itself moves, not people"),
        (device_class not in {None, *CLASSES}, f"device class {shown(device_class)} is not about people"),
        (
            ELSEWHERE.search(names) or _of_things(names),
            "its name says that it watches something else than a room",
        ),
        (entity.get("entity_category") == "config", "it is a setting"),
        (elsewhere, elsewhere),
    ):
        if wrong:
            raise OptionError(why)
    if device_class is None:
        kinds = {kind for part in names.split("\n") if (kind := plain_kind(part)) in {"motion", "presence"}}
        if len(kinds) != 1:
            raise OptionError("it has no device class, and its name does not say what it senses")
        return kinds.pop(), "its name"
    return _class_kind(str(device_class), names, about)


def _of_things(names: str) -> bool:
    return any(not THINGS.isdisjoint(words_in(part)) for part in names.split("\n"))


def _class_kind(device_class: str, names: str, about: str) -> tuple[Kind, str]:
    kind = CLASSES[device_class]
    if device_class == "presence" and not _is_room_presence(names, about):
        raise OptionError(
            "class presence means that a phone or person is at home; nothing says otherwise here"
        )
    if kind == "presence" and _is_part(names):
        raise OptionError("it tells of people who sit still, or of a part of the room, only")
    if kind == "presence" and senses_motion_only(about):
        return "motion", "the device is described as a PIR, which senses motion only"
    return kind, f"device class {device_class}"


def _names(entity: Mapping[str, Any], name: str, template: Template | None) -> str:
    parts = [name, *(template.keys if template is not None else ())]
    for key in ("name", "unique_id"):
        value = entity.get(key)
        if isinstance(value, str):
            parts.append(value)
    topic = entity.get("state_topic")
    if isinstance(topic, str) and template is None:
        parts.append(topic.removesuffix("/state").rsplit("/", 1)[-1])
    return "\n".join(parts).casefold()


def _is_room_presence(names: str, about: str) -> bool:
    if _SOMEBODY_HOME.search(names) or re.search(r"phone|ibeacon|\btag\b|tracker", about):
        return False
    return senses_presence(about) or bool(
        re.search(r"presence (detector|sensor)|ld24|radar|mmwave", about)
        or re.search(r"radar|mmwave|presence[ _](sensor|detector)|room|office|desk|human|out_pin|ld24", names)
    )


def _is_part(names: str) -> bool:
    """ESPHome's radar gives its still target the class of the whole, and others do so with zones."""
    return any({"still", "static", "zone", "region"} & set(words_in(part)) for part in names.split("\n"))


def _number_kind(entity: Mapping[str, Any], name: str) -> tuple[Kind, str]:
    device_class, unit = entity.get("device_class"), entity.get("unit_of_measurement")
    if device_class == "battery" and unit in {"%", None}:
        return "battery", "device class battery"
    if device_class == "signal_strength":
        return "link", "device class signal_strength"
    if device_class is not None:
        raise OptionError(f"device class {shown(device_class)} is not about people")
    if entity.get("state_class") in {"total", "total_increasing"}:
        raise OptionError("a total that only rises is no number of people in the room")
    text = entity.get("value_template")
    template = Template(text) if isinstance(text, str) and text else None
    parts = _names(entity, name, template).split("\n")
    words = [words_in(part) for part in parts]
    if any(PASSAGES & set(one) or one[-1:] in {("in",), ("out",)} for one in words):
        raise OptionError("a number of people who passed is no number of people in the room")
    if isinstance(unit, str) and unit.casefold() in PEOPLE_UNITS:
        return "count", "its unit is people"
    if unit in {None, ""} and any(plain_kind(part) == "count" for part in parts):
        return "count", "its name"
    raise OptionError("neither its class, its unit nor its name says that it counts people")


def _reach(config: Mapping[str, Any]) -> Iterator[Reach]:
    listed = config.get("availability")
    if isinstance(listed, dict):
        listed = [_with_base(_full_flat(listed), config.get("~"))]
    topic = config.get("availability_topic")
    if not isinstance(listed, list):
        listed = []
    if isinstance(topic, str) and topic:
        single = {"topic": topic, "value_template": config.get("availability_template")}
        for key in ("payload_available", "payload_not_available"):
            if key in config:
                single[key] = config[key]
        listed = [*listed, single]
    for one in listed:
        if isinstance(one, Mapping) and isinstance(one.get("topic"), str):
            text = one.get("value_template")
            yield Reach(
                check_topic(one["topic"], "an availability topic"),
                Template(text) if isinstance(text, str) and text else None,
                written(one.get("payload_available", "online")),
                written(one.get("payload_not_available", "offline")),
            )
