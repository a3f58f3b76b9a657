"""What a device behind Zigbee2MQTT can tell, from its own description in `<base>/bridge/devices`.

Zigbee2MQTT lists for each device what it exposes: name, type, the values for on and off, whether it is
published or written. That is enough to tell a sensor from a setting, and most sensors from their false
friends; the device's own words decide between motion and presence.

Taken are `occupancy`, `presence` and their kin, also per endpoint (`occupancy_2`), and where there are none
a state in words (`presence_state`: none, presence). Source of the names: the exposes of
zigbee-herdsman-converters 26.112 (MIT).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from gateway.sensors.understood import Description, Device, How, Kind, Property, listed, text_of
from gateway.sensors.vocabulary import (
    other_than_room,
    senses_motion_only,
    senses_presence,
    sounds_like_people,
    sure_kind,
)

NOTHING_FOUND: Final = "none of its properties tells of people"
PUBLISHED: Final = 1
SETTABLE: Final = 2

FLAGS: Final[Mapping[str, Kind]] = {
    "occupancy": "motion",
    "presence": "presence",
    "human_presence": "presence",
    "motion": "motion",
    "motion_detected": "motion",
    "motion_status": "motion",
    "pir": "motion",
    "pir_status": "motion",
    "pir_state": "motion",
}
"""Names (without an endpoint) of what is on or off. An `occupancy` is presence where a radar says it."""
STATE_WORDS: Final = (
    "presence_state",
    "human_presence_state",
    "human_motion_state",
    "motion_state",
    "occupancy_state",
    "presence_status",
    "human_state",
    "state",
    "movement",
    "target_type",
    "sensor_status",
)
"""Names of a state in words, the better first; of a device without a flag the first is taken."""
NOBODY: Final = listed(
    """
    none absence absent no_presence nobody unoccupied vacant clear
    no_target no_person no_one not_present unmanned empty
    """
)
SOMEBODY: Final = listed(
    """
    presence present occupied peaceful static stationary still small medium large small_movement
    medium_movement large_movement move moving movement no_movement motion active moving_and_stationary
    activity small_move large_move human person someone somebody manned breath breathe breathing
    small_motion medium_motion large_motion micro_motion static_presence moving_presence detected
    moving_target static_target still_target stationary_target
    """
)
SIGNS: Final = listed(
    """
    presence present occupied somebody someone person human people moving movement motion static
    stationary still breath breathing large medium small huge gigantic micro tiny sitting seated sleeping
    """
)
DENIED: Final = listed(
    "no non not none without un never off stop stopped end left leave lost fault error disabled"
)
MOTION_WORDS: Final = frozenset({"motion_state", "movement", "sensor_status"})
STILL: Final = listed(
    """
    peaceful static stationary still no_movement moving_and_stationary breath breathe breathing presence
    static_presence static_target still_target stationary_target
    """
)
"""Without one of these a `motion_state` of "none" says that nobody moves, not that nobody is there."""
COUNTS: Final = frozenset({"people", "people_count", "person_count", "number_of_people", "occupants"})
FAULTS: Final = frozenset({"fault", "sensor_fault", "device_fault", "malfunction", "trouble", "radar_fault"})
SELF_TEST: Final[Mapping[object, int]] = {
    "check_success": 0,
    "check_failure": 1,
    "comm_fault": 1,
    "radar_fault": 1,
}

_PART: Final = re.compile(
    r"(?P<base>occupancy|presence)_(?P<part>(zone|area|region|sensor|channel|ch|ep)_?)?"
    r"(\d{1,2}|left|right|top|bottom|center|middle|alarm_\d)"
)
"""A part of a device that names its parts itself, rather than as endpoints."""
_ROOM: Final = re.compile(r"radar|wave|human|motion|pir|occupan|room|ghz|microwave")


Typed = tuple[type, object]
"""A published value, told apart by its type: true is not 1."""


class Exposed(msgspec.Struct, frozen=True):
    """One property to read, with its values for on and off."""

    meaning: Property
    values: Mapping[Typed, int] | None
    """From the published value to 1 or 0; None: the number itself."""
    whole: bool = True
    """It tells of all that the device sees, or of an endpoint; not of a part such as a zone."""


class Device2Mqtt(msgspec.Struct, frozen=True):
    """A device, as far as it bears on rooms."""

    main: tuple[Exposed, ...] = ()
    besides: tuple[Exposed, ...] = ()
    not_taken: Mapping[str, str] = {}
    why_not: str = ""
    """Why nothing of it tells of people."""

    def description(self) -> Description:
        """For people and programs."""
        found = (*self.main, *self.besides)
        return Description(tuple(one.meaning for one in found), self.not_taken)


def exposes_of(device: Device) -> list[Any] | None:
    """The list of exposes in a device's description, wherever it is; None where there is none."""
    for place in (device, device.get("definition")):
        if isinstance(place, Mapping):
            exposes = place.get("exposes")
            if isinstance(exposes, list):
                return exposes
            if isinstance(place.get("expose"), Mapping):
                return [place["expose"]]
    return None


def read_exposes(device: Device) -> Device2Mqtt:
    """What a device's description says of rooms. Never raises: what is odd is left out."""
    exposes = exposes_of(device) or []
    containers = {str(e.get("type")) for e in exposes if isinstance(e, Mapping) and "features" in e}
    words = _words(device)
    features = list(_features(exposes))
    not_taken: dict[str, str] = {}
    why_not = _why_not(device, words, containers, features)
    flags: list[Exposed] = []
    states: list[Exposed] = []
    besides: list[Exposed] = []
    for feature in features:
        name, property_name = _names(feature)
        besides += _besides(feature, name, property_name)
        if not why_not and (exposed := _flag(feature, name, property_name, words)):
            flags.append(exposed)
        elif not why_not and (exposed := _state(feature, name, property_name) or _people(feature, name)):
            states.append(exposed)
        elif sounds_like_people(property_name):
            not_taken[property_name] = why_not or _reason(feature, name)
    main = _chosen(flags, states, not_taken)
    if not main and not why_not:
        why_not = NOTHING_FOUND
    return Device2Mqtt(main, tuple(besides), not_taken, "" if main else why_not)


def is_radar(device: Device) -> bool:
    """Whether the device calls itself a presence sensor."""
    return senses_presence(_words(device))


def is_pir(device: Device) -> bool:
    """Whether the device calls itself a PIR and nothing more."""
    return senses_motion_only(_words(device))


def _words(device: Device) -> str:
    definition = device.get("definition")
    places = [device] + ([definition] if isinstance(definition, Mapping) else [])
    keys = ("vendor", "manufacturer", "model", "model_id", "description", "zigbee_model")
    return text_of([place.get(key) for place in places for key in keys if place.get(key)])


def _features(exposes: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Each top-level feature with a property of its own; parts of lights, covers and the like are none."""
    for feature in exposes[:500]:
        if isinstance(feature, Mapping) and isinstance(feature.get("property"), str):
            yield feature


def _names(feature: Mapping[str, Any]) -> tuple[str, str]:
    """The name without its endpoint, and the key under which it is published."""
    property_name = str(feature["property"])
    name, endpoint = feature.get("name"), feature.get("endpoint")
    if isinstance(name, str) and isinstance(endpoint, str) and property_name == f"{name}_{endpoint}":
        return name, property_name
    return property_name, property_name


def _why_not(device: Device, words: str, containers: set[str], features: list[Mapping[str, Any]]) -> str:
    names = {str(feature["property"]) for feature in features}
    if isinstance(device.get("members"), list):
        return "a group mixes the states of several devices"
    elsewhere = other_than_room(words)
    if elsewhere:
        return elsewhere
    for found, reason in (
        (containers & {"climate"}, "a thermostat's occupancy may be the mode that it heats in"),
        (containers & {"cover", "lock"}, "a cover or lock that moves is not people"),
        (
            names & {"action_code", "action_zone"},
            "a keypad's presence says that the keypad is in use or reachable",
        ),
    ):
        if found:
            return reason
    if _kept_alive(device) or (
        "presence" in names
        and names <= {"presence", "battery", "voltage", "linkquality", "action", "battery_low"}
        and not _ROOM.search(words)
    ):
        return "its presence may only say that a tag is within reach of the radio"
    return ""


def _kept_alive(device: Device) -> bool:
    """Zigbee2MQTT's option `presence_timeout*`: it calls a device present while it is heard at all."""
    listed_names = device.get("option_names")
    names: list[Any] = list(listed_names) if isinstance(listed_names, list) else []
    definition = device.get("definition")
    for place in (device, definition if isinstance(definition, Mapping) else {}):
        options = place.get("options")
        if isinstance(options, list):
            names += [option.get("name") for option in options if isinstance(option, Mapping)]
    return any(isinstance(name, str) and name.startswith("presence_timeout") for name in names)


def _published(feature: Mapping[str, Any]) -> bool:
    access = feature.get("access", PUBLISHED)
    return isinstance(access, int) and bool(access & PUBLISHED) and not access & SETTABLE


def _flag(feature: Mapping[str, Any], name: str, key: str, words: str) -> Exposed | None:
    part = _PART.fullmatch(name)
    kind = FLAGS.get(name) or (FLAGS[part["base"]] if part else sure_kind(name))
    on, off = feature.get("value_on"), feature.get("value_off")
    if kind not in {"motion", "presence"} or feature.get("type") != "binary" or not _published(feature):
        return None
    if not isinstance(on, str | bool | int) or not isinstance(off, str | bool | int) or on == off:
        return None
    if name == "motion_status" and "moving" in str(feature.get("description", "")).casefold():
        return None
    how: How = "hold"
    why = f"its name is {name}"
    if kind == "motion" and name.startswith("occupancy") and senses_presence(words):
        kind, how, why = "presence", "state", "the device is described as a presence sensor"
    elif kind == "presence" and senses_motion_only(words):
        kind, why = "motion", "the device is described as a PIR, which senses motion only"
    elif kind == "presence":
        how = "state"
    return Exposed(Property(key, kind, how, why), {_typed(on): 1, _typed(off): 0}, whole=part is None)


def _typed(value: object) -> Typed:
    """A key that tells true from 1."""
    return (type(value), value)


def word_form(value: str) -> str:
    """A state in the form in which NOBODY and SOMEBODY list it."""
    return value.strip().casefold().replace(" ", "_").replace("-", "_")


def _tells_somebody(form: str) -> bool:
    """A word that is in no list, and of which one part says that somebody is there or moves."""
    parts = set(form.split("_"))
    return bool(parts & SIGNS) and not parts & DENIED


def state_values(words: object, *, of_people: bool = False) -> dict[Typed, int] | None:
    """From the words of an enumeration to 1 and 0; None unless it tells nobody from somebody.

    Words that tell neither ("disabled", "far") are left out: they are refused when they come. `of_people`:
    its name is about people and nothing else, so that words of no list count by their parts.
    """
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    table: dict[Typed, int] = {}
    for word in words:
        form = word_form(word)
        if form in NOBODY:
            table[_typed(word)] = 0
        elif form in SOMEBODY or (of_people and _tells_somebody(form)):
            table[_typed(word)] = 1
    return table if set(table.values()) == {0, 1} else None


def _state(feature: Mapping[str, Any], name: str, key: str) -> Exposed | None:
    if feature.get("type") != "enum" or not _published(feature):
        return None
    sure = sure_kind(name)
    if name not in STATE_WORDS and sure not in {"motion", "presence"}:
        return None
    table = state_values(feature.get("values"), of_people=sure is not None)
    if table is None:
        return None
    of_motion = name in MOTION_WORDS or (sure == "motion" and name not in STATE_WORDS)
    if of_motion and not any(word_form(str(word)) in STILL for _, word in table):
        return Exposed(Property(key, "motion", "state", "its words tell motion from none"), table)
    return Exposed(Property(key, "presence", "state", "its words tell nobody from somebody"), table)


def _people(feature: Mapping[str, Any], name: str) -> Exposed | None:
    if feature.get("type") != "numeric" or not (name in COUNTS or sure_kind(name) == "count"):
        return None
    unit = feature.get("unit")
    if unit not in (None, "", "people", "persons"):
        return None
    # Settable ones too: a counter's people can be put right by hand.
    return Exposed(Property(str(feature["property"]), "count", "state", "a number of people"), None)


def _besides(feature: Mapping[str, Any], name: str, key: str) -> Iterator[Exposed]:
    kind, published = feature.get("type"), _published(feature)
    if not published:
        return
    if kind == "numeric" and key in {"battery", "battery_value"} and feature.get("unit") == "%":
        yield Exposed(Property(key, "battery"), None)
    elif kind == "binary" and (name == "tamper" or name in FAULTS):
        on, off = feature.get("value_on"), feature.get("value_off")
        if isinstance(on, str | bool) and isinstance(off, str | bool) and on != off:
            meaning = Property(key, "tamper" if name == "tamper" else "fault")
            yield Exposed(meaning, {_typed(on): 1, _typed(off): 0})
    elif kind == "enum" and name == "self_test":
        yield Exposed(Property(key, "fault"), {_typed(word): value for word, value in SELF_TEST.items()})


def _chosen(flags: list[Exposed], states: list[Exposed], not_taken: dict[str, str]) -> tuple[Exposed, ...]:
    """Flags where there are any; of these the whole room's rather than its parts'; otherwise one state."""
    if flags:
        for state in states:
            not_taken[state.meaning.name] = f"{flags[0].meaning.name} says the same, more plainly"
        whole = [one for one in flags if one.whole]
        for one in flags:
            if whole and one not in whole:
                not_taken[one.meaning.name] = f"{whole[0].meaning.name} says the same"
        return tuple(whole or flags)
    if not states:
        return ()
    order = {name: place for place, name in enumerate(STATE_WORDS)}
    best = min(states, key=lambda one: order.get(one.meaning.name, -1))
    for state in states:
        if state is not best:
            not_taken[state.meaning.name] = f"{best.meaning.name} says the same, more plainly"
    return (best,)


def _reason(feature: Mapping[str, Any], name: str) -> str:
    if not _published(feature):
        return "it is a setting, or written into the device"
    if name == "presence_event":
        return "an event keeps its last value: it is no state of the room"
    if name == "moving":
        return "the thing itself moves, not people"
    if feature.get("type") == "numeric":
        return "a measure, not a state"
    if re.search(r"area|zone|region", name):
        return "it tells of a part of the room only"
    return "its name or its values are not those of a room sensor"
