"""Home Assistant's MQTT discovery: any device that announces itself, by its own announcement.

A device publishes a retained configuration at `<prefix>/<component>/[<node>/]<object>/config`, with
abbreviated keys or full ones, and from then on its state at `state_topic`. The configuration is the
device's description here (the option `device`, or the option's text as it was retained).

What counts. The device class tells motion and occupancy; `presence` means in Home Assistant that
somebody's phone is at home, so it counts only where the device or the entity calls itself a presence
sensor. Zigbee2MQTT announces a PIR's `occupancy` as class motion. Home Assistant has no class for people,
so a count is told by its unit or name. `off_delay` means that the device never sends off.
A state that is neither `payload_on` nor `payload_off`, and the word None, say nothing.
Source: Home Assistant's documentation of MQTT discovery and of the MQTT binary sensor.

Without a description only Home Assistant's own statestream is understood, and of it only entities whose
name says what they are.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core.events import Availability as OnOrOff
from gateway.sensors.availability import as_state, availability_routes, online_words
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
from gateway.sensors.described import DEVICE_OPTIONS, decode_with, device_in
from gateway.sensors.discovery import (
    ANY_TOPIC,
    CONFIG_TOPIC,
    ELSEWHERE,
    Announced,
    Entity,
    Reach,
    announced_by,
)
from gateway.sensors.understood import (
    Description,
    Device,
    Reader,
    Seen,
    Understood,
)
from gateway.sensors.values import BLANKS, as_json, as_people, as_percent, utf8
from gateway.sensors.vocabulary import plain_kind

_STREAM: Final = re.compile(r".*?/?(?P<component>binary_sensor|sensor)/(?P<object>\w+)/state")
_STREAM_NAME: Final = re.compile(r"presence_sensor|occupancy|motion|\bpir|_pir|mmwave|radar")


class HomeAssistant:
    """The family `homeassistant`."""

    name: Final = "homeassistant"
    options: Final[Mapping[str, str]] = DEVICE_OPTIONS | {
        "device": "the retained discovery configuration, as JSON: it says what the states mean",
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The state's topic, and each availability topic. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        device = device_in(source.options)
        if device is None:
            raise OptionError("the family homeassistant needs the option device: the discovery configuration")
        announced = announced_by(device)
        here = [one for one in announced.entities if one.state_topic == topic]
        if not here:
            known = ", ".join(one.state_topic for one in announced.entities) or _reasons(announced.not_taken)
            raise OptionError(f"the device announces nothing of people at {shown(topic)}; it has: {known}")
        state = Route(topic, decode_with(source, self.reader(device)), source.sensor)
        return (state, *_reach_routes(source, announced))

    def describe(self, device: Device) -> Description:
        """What its entities mean."""
        announced = announced_by(device)
        return Description(tuple(one.meaning for one in announced.entities), announced.not_taken)

    def reader(self, device: Device | None) -> Reader:
        """By the device's announcement."""
        if device is None:
            return _undescribed
        announced = announced_by(device)
        topics = {one.state_topic for one in announced.entities}
        reach = {one.topic: one for one in announced.availability}
        not_taken = _reasons(announced.not_taken)
        # Zigbee2MQTT clears some motion sensors by a timer of its own: that proves no life.
        bridged = any(topic.endswith("/bridge/state") for topic in reach)

        def reader(topic: str | None, payload: bytes) -> Understood:
            if topic is not None and topic not in topics and ANY_TOPIC not in topics:
                if topic in reach:
                    online = reach[topic].says(payload)
                    why = "" if online is not None else "it is neither of the words for online and offline"
                    return Understood(refused=why, online=online, device_made=False)
                if topics:
                    return _beside(topic, payload, f"the device announces nothing at {shown(topic)}")
                return _beside(topic, payload, not_taken)
            if not topics:
                return Understood(refused=not_taken, device_made=False)
            understood = _states(announced.entities, topic, payload)
            if bridged and not any(one.value for one in understood.seen):
                return msgspec.structs.replace(understood, device_made=False)
            return understood

        return reader


def _reasons(not_taken: Mapping[str, str]) -> str:
    return (
        "; ".join(f"{name}: {why}" for name, why in list(not_taken.items())[:3]) or "it announces no entity"
    )


def _beside(topic: str, payload: bytes, why: str) -> Understood:
    if topic.endswith(("/availability", "/status", "/LWT", "/online", "/bridge/state")):
        try:
            return Understood(online=bool(as_state(payload, online_words({}))), device_made=False)
        except PayloadError:
            pass
    return Understood(refused=why, device_made=False)


# -- states ----------------------------------------------------------------------------------------------


def _states(entities: tuple[Entity, ...], topic: str | None, payload: bytes) -> Understood:
    text = utf8(payload).strip(BLANKS)
    seen: list[Seen] = []
    why = ""
    for entity in entities:
        if topic is not None and entity.state_topic not in {topic, ANY_TOPIC}:
            continue
        value = text if entity.template is None else entity.template.render(payload, text)
        number = _value(entity, value)
        if number is None:
            why = why or _why_no_value(entity, value)
        else:
            seen.append(Seen(entity.meaning.kind, number, entity.meaning.name, entity.meaning.how))
    if why and not seen and not why.startswith(NO_VALUE):
        raise PayloadError(why)
    return Understood(tuple(seen), "" if seen else why or "nothing of it tells of people")


NO_VALUE: Final = "the message has no value"


def _value(entity: Entity, value: str) -> int | None:
    kind = entity.meaning.kind
    if kind in {"count", "battery", "link"}:
        if kind == "battery":
            return as_percent(value)
        try:
            return as_people(value) if kind == "count" else _signal(value)
        except PayloadError:
            return None
    if entity.words is not None:
        return entity.words.get(value)
    if value == entity.on:
        return 1
    return 0 if value == entity.off and not entity.only_on else None


def _signal(value: str) -> int | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return round(number) if abs(number) <= 1_000 else None  # noqa: PLR2004 - dBm or percent


def _why_no_value(entity: Entity, value: str) -> str:
    if value in {"None", "unknown", "unavailable"} or (not value and entity.template is not None):
        return f"{NO_VALUE} for {entity.meaning.name}"
    if entity.meaning.kind in {"count", "battery", "link"}:
        return f"{shown(value)} is no number for {entity.meaning.name}"
    if entity.words is not None:
        return f"{shown(value)} tells neither somebody nor nobody"
    return f"{shown(value)} is neither {shown(entity.on)} nor {shown(entity.off)}, so nothing changed"


def _undescribed(topic: str | None, payload: bytes) -> Understood:
    """Without a description: a configuration, or Home Assistant's own statestream."""
    if topic is not None and CONFIG_TOPIC.fullmatch(topic):
        return Understood(refused=_configuration_in_words(topic, payload), device_made=False)
    match = None if topic is None else _STREAM.fullmatch(topic)
    if match is None or match["component"] != "binary_sensor":
        why = "what it means is told by the device's discovery configuration; give it as the device"
        return _beside(topic or "", payload, why)
    name, word = match["object"], utf8(payload).strip(BLANKS)
    kind = plain_kind(name)
    if ELSEWHERE.search(name) or not _STREAM_NAME.search(name):
        return Understood(refused=f"the entity's name, {shown(name)}, does not say that it senses a room")
    if word.casefold() not in {"on", "off"}:
        return Understood(refused=f"{shown(word)} is no state of the room: nobody knows")
    if kind is None:
        kind = "motion" if "motion" in name or "pir" in name else "presence"
    if kind not in {"motion", "presence"}:
        return Understood(refused=f"the entity's name, {shown(name)}, does not say that it senses a room")
    # Home Assistant republishes states for its own reasons: no proof that the device lives.
    return Understood((Seen(kind, int(word.casefold() == "on"), name),), device_made=False)


def _configuration_in_words(topic: str, payload: bytes) -> str:
    if not payload.strip():
        return "an empty configuration: the entity is removed"
    try:
        config = as_json(payload)
    except PayloadError as error:
        return f"a discovery configuration that cannot be read: {error}"
    if not isinstance(config, dict):
        return "a discovery configuration that is no JSON object"
    config = {"topic_of_config": topic, **config}
    announced = announced_by(config)
    if not announced.entities:
        return f"a discovery configuration, no state; {_reasons(announced.not_taken)}"
    one = announced.entities[0]
    return f"a discovery configuration, no state: it announces {one.meaning.kind} at {shown(one.state_topic)}"


# -- availability ----------------------------------------------------------------------------------------


def _reach_routes(source: SensorSource, announced: Announced) -> tuple[Route, ...]:
    named = availability_routes(source)
    if named:
        return named
    heard: dict[str, bool] = {}
    return tuple(
        Route(one.topic, _reach_decode(source, announced, one, heard), source.sensor)
        for one in announced.availability
        if one.topic != source.topic
    )


def _reach_decode(source: SensorSource, announced: Announced, one: Reach, heard: dict[str, bool]) -> Decode:
    """With several topics the device is online if all, any or the latest say so.

    `heard` is what was said at each topic: a topic not heard yet does not count against the device.
    """
    mode = announced.mode

    def decode(payload: bytes, _retained: bool) -> Decoded:
        online = one.says(payload)
        if online is None:
            raise PayloadError(f"expected {shown(one.online)} or {shown(one.offline)}, got {shown(payload)}")
        heard[one.topic] = online
        if mode == "all":
            online = all(heard.values())
        elif mode == "any":
            online = any(heard.values())
        return (OnOrOff(source.sensor, online=online),)

    return decode
