"""ESPHome: a plain word or number at `<prefix>/<component>/<object id>/state`.

A state carries no time, class or unit: what it means is told by the name that somebody gave the entity, or
by its announcement (Home Assistant's discovery configuration, the option `device`), which is read like any
other device's (`gateway.sensors.homeassistant`). By name: `presence`, `occupancy`, `has_target` are presence;
`motion`, `movement`, `pir` are motion, and their OFF is no vacancy. `still` is half of a radar's
presence: its ON shows somebody, its OFF nothing. Numbers of a radar's targets show people; none of them
does not show that nobody is there. Distances and energies keep their last value.

ESPHome retains every state by default: retained ones are of unknown age and give no readings.
Source: the topics that ESPHome documents for its MQTT client component.
"""

import re
from collections.abc import Mapping
from typing import Final

from gateway.sensors.availability import as_state, availability_routes, online_words
from gateway.sensors.base import OptionError, PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.described import DEVICE_OPTIONS, decode_with, device_in
from gateway.sensors.homeassistant import HomeAssistant
from gateway.sensors.understood import Description, Device, Kind, Reader, Seen, Understood, battery, link
from gateway.sensors.values import BLANKS, as_number, as_people, utf8
from gateway.sensors.vocabulary import plain_kind, sounds_like_people, words_in

_STATE: Final = re.compile(r"(?P<prefix>.+)/(?P<component>\w+)/(?P<object>[^/]+)/state")
_TARGETS: Final = re.compile(r"(presence_|radar_|ld2450_)?(target_count|targets)")
_HAS_TARGET: Final = re.compile(r"(.*_)?(has|radar|mmwave|ld24\d\d)_target")
_RADAR: Final = re.compile(r"(.*_)?(radar|mmwave|mm_wave|ld24\d\d)")
"""A radar's one flag that is named like the radar itself."""
_HALF: Final = re.compile(r"(.*_)?(still|has_still_target|still_target|still_presence|static_presence)")
_MOVING: Final = re.compile(r"(.*_)?(moving_target|has_moving_target)")
_BATTERY: Final = re.compile(r"(.*_)?battery_(level|percent|percentage)")
_SIGNAL: Final = re.compile(r"(.*_)?(wifi_signal|wifi_signal_strength|rssi)")


FORMS: Final[Mapping[str, tuple[tuple[tuple[re.Pattern[str], Kind], ...], frozenset[str]]]] = {
    "binary_sensor": (
        (
            (re.compile(r"(.*_)?tamper"), "tamper"),
            (_HAS_TARGET, "presence"),
            (_RADAR, "presence"),
            (_HALF, "presence"),
            (_MOVING, "motion"),
        ),
        frozenset({"presence", "motion", "tamper"}),
    ),
    "sensor": (
        ((_BATTERY, "battery"), (_SIGNAL, "link"), (_TARGETS, "count")),
        frozenset({"battery", "link", "count"}),
    ),
}
"""By component: special names, and the kinds that it can have."""


ANNOUNCEMENT: Final = frozenset({"state_topic", "stat_t", "cmps", "components", "dev_cla", "device_class"})
"""Keys of a discovery configuration; a description without one of them says nothing of an entity."""


class EspHome:
    """The family `esphome`."""

    name: Final = "esphome"
    options: Final[Mapping[str, str]] = DEVICE_OPTIONS | {
        "device": "the entity's discovery configuration, as JSON; needed where its name says too little",
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The entity's topic, and its node's availability. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        device = device_in(source.options)
        if device is not None:
            return HomeAssistant().routes(source)
        match = _STATE.fullmatch(topic)
        if match is None:
            raise OptionError(f"the topic {shown(topic)} is not <prefix>/<component>/<object id>/state")
        kind, why = kind_of(match["component"], match["object"])
        if kind is None:
            raise OptionError(f"{why}; the option device (its discovery configuration) would tell")
        state = Route(topic, decode_with(source, read), source.sensor)
        return (state, *availability_routes(source, f"{match['prefix']}/status"))

    def describe(self, device: Device) -> Description:
        """What its announcement means."""
        return HomeAssistant().describe(device)

    def reader(self, device: Device | None) -> Reader:
        """By its announcement, or by the entity's name."""
        if device is not None and not ANNOUNCEMENT.isdisjoint(device):
            return HomeAssistant().reader(device)
        return read


def kind_of(component: str, name: str) -> tuple[Kind | None, str]:
    """What the entity's name means, or why it means nothing."""
    name = name.casefold()
    if component not in FORMS:
        return None, f"a {component} is something to switch or set, not a sensor"
    forms, kinds = FORMS[component]
    kind = next((kind for form, kind in forms if form.fullmatch(name)), None) or plain_kind(name)
    if kind in kinds:
        return kind, ""
    if {"zone", "area", "region"} & set(words_in(name)):
        return None, f"{name} tells of a part of the room only"
    why = "is a measure or setting" if sounds_like_people(name) else "does not say that it senses people"
    return None, f"the entity's name, {shown(name)}, {why}"


def read(topic: str | None, payload: bytes) -> Understood:
    """By the entity's name."""
    if topic is None:
        return Understood(refused="what it means is told by its topic, or by its discovery configuration")
    if topic.endswith("/status"):
        return Understood(online=bool(as_state(payload, online_words({}))), device_made=False)
    match = _STATE.fullmatch(topic)
    if match is None:
        return HomeAssistant().reader(None)(topic, payload)
    kind, why = kind_of(match["component"], match["object"])
    if kind is None:
        return Understood(refused=why)
    return _state(kind, match["object"], payload)


def _state(kind: Kind, name: str, payload: bytes) -> Understood:
    text = utf8(payload).strip(BLANKS)
    if kind == "count":
        return _people(name, text)
    if kind in {"battery", "link"}:
        number = as_number(text)
        found = battery(number, name) if kind == "battery" else link(number, name)
        return Understood(found, "" if found else f"{shown(text)} is no such figure")
    if text not in {"ON", "OFF"}:
        raise PayloadError(f"expected ON or OFF, got {shown(payload)}")
    on = text == "ON"
    if not on and _HALF.fullmatch(name.casefold()):
        return Understood(refused=f"{name} is off while somebody moves: it is half of the radar's presence")
    return Understood((Seen(kind, int(on), name, "hold" if kind == "motion" else "state"),))


def _people(name: str, text: str) -> Understood:
    number = as_people(text)
    if number == 0 and _TARGETS.fullmatch(name.casefold()):
        return Understood(refused="a radar loses people who sit still: no target is not nobody")
    return Understood((Seen("count", number, name),))
