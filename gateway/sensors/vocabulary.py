"""What the names mean that people and makers give to properties, entities and topics.

A name alone is weak evidence, so this is used only where a message says nothing better, and a name with
any word in it that points elsewhere (`presence_timeout`, `curtain_motion`, `parking_occupied`) is not taken.
"""

import re
from functools import lru_cache
from typing import Final

from gateway.sensors.understood import Kind, listed

_TOKEN: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

ELSEWHERE: Final[frozenset[str]] = listed(
    """
    above absence action alarm alert angle anti approach area armed asset average avg bay bike bin
    blind ble bluetooth button calibration camera car cat child close closest config configuration
    count countdown counter cover curtain cycle day daylight delay detection direction disable
    distance dog door duration enable enabled energy event external fading far farthest filter flag
    gate gas gates hold home ibeacon illuminance interval keep key keys wallet watch airtag iphone
    beacon last leak learning led level lid light lock lux mask max maximum mean min minimum mode
    moisture moves near nearest neutral notification parking person pet phone potential power priority
    range rate ratio relay resolution route scene self sensitivity set setpoint setting shutter
    simulation smoke speed steps still switch tag target thermostat threshold tilt time timeout timer
    timestamp today tracker trigger triggered unit update valve vehicle velocity version vibration
    water week wifi window yesterday zone
    bed bottle cage charger cradle crib cup dock drawer feeder fire flame fridge gun litter locker
    machine mail mailbox mains mattress oven package paper parcel pillow printer probe pump rain seat
    shelf sim sofa supply tank tool toilet tray truck usb vacuum voltage
    allowed capacity expected limit planned no not non without inverted inverse litterbox mouse trap
    """
)
"""A name with one of these is a setting, a measure, a part of a room, or of another thing altogether."""

PRESENCE: Final = frozenset({"presence", "present", "occupancy", "occupied"})
MOTION: Final = frozenset({"motion", "movement", "pir"})
PEOPLE: Final = frozenset({"people", "persons", "occupants", "headcount"})
PEOPLE_BESIDES: Final = frozenset({"number", "of", "num", "in", "room", "count", "counter", "current", "now"})
PASSAGES: Final = listed(
    """
    total entries entry entered entering enter exits exit exited exiting left leaving passed passing passage
    passages crossed today daily yesterday
    """
)
"""Beside a number of people: they passed, and are not in the room now."""
_COUNTED: Final = frozenset({"person", "head", "human", "occupant"})
_COUNTS: Final = frozenset({"count", "counter", "number", "num"})
"""`person_count` and `head_count` are numbers of people, though neither `person` nor `count` alone is."""
PIRS: Final = frozenset({"detection", "trigger", "triggered"})
"""Beside `pir` they say that it detected somebody; beside other words they may be settings."""
SOMEBODY: Final = listed("human humans people person persons someone somebody anyone anybody body user users")
_THERE: Final = listed("present detected detect exist exists there has is in room")
_BESIDES: Final = SOMEBODY | listed(
    """
    room meeting office indoor is has detected status state sensor radar mmwave wave millimeter microwave
    wall ceiling current now
    """
)
"""Words that leave a sign of people what it is: `is_motion_detected`, `human_presence_status`."""

RADAR: Final = re.compile(
    r"radar|mm ?-?wave|millimet|human (motion ?(&|and) ?)?presence|presence (sensor|detector)|breath"
    r"|thermopile|thermal (array|imag)|\b(24|60) ?g(hz)?\b|\b5\.8 ?g(hz)?\b|ld24\d\d|\bfp\d|ultrasonic"
)
"""In a description: it senses presence, also of people who sit still."""
PIR: Final = re.compile(r"\bpir|pir\b|passive infrared|infrarot|infra-?red")
"""In a description: it senses motion only."""


@lru_cache(maxsize=4_096)
def words_in(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case: `roomPresence` and `room_presence` are the same two."""
    return tuple(word.lower() for word in _TOKEN.findall(name[:200]))


_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=4_096)
def plain_name(key: str) -> str:
    """A key in one form: `roomPresence`, `Room_Presence`, `Room presence`: room_presence."""
    return _HUMP.sub("_", key[:80]).replace(" ", "_").lower()


@lru_cache(maxsize=4_096)
def plain_kind(name: str) -> Kind | None:
    """What a name means that no other evidence explains; None: nothing, or something else.

    `count` only for names that say people. A total, an entry or an exit is never meant. Names that people
    give hold names of rooms besides, so words that are unknown here do no harm, but for `present`: chargers,
    cards and mail are present too.
    """
    words = words_in(name)
    kind = _count_kind(words) or _person_kind(words)
    if kind is not None:
        return kind if kind == "count" or not frozenset(words) & (ELSEWHERE - _ELSEWHERE_BUT) else None
    found = frozenset(words) - (PIRS if "pir" in words else frozenset())
    if found & (PEOPLE | ELSEWHERE):
        return None
    if found & MOTION:
        return None if found & PRESENCE and not found & {"pir"} else "motion"
    if found & (PRESENCE - {"present"}) or ("present" in found and found & SOMEBODY) or words == ("present",):
        return "presence"
    return None


_ELSEWHERE_BUT: Final = frozenset({"person"})


@lru_cache(maxsize=4_096)
def sure_kind(name: str) -> Kind | None:
    """What a maker's name means of which every word is known to leave it what it is; None: unsure.

    For properties of devices of which nothing else tells that they sense people.
    """
    words = words_in(name)
    kind = _count_kind(words) or _person_kind(words)
    found = frozenset(words)
    if kind is not None:
        besides = PEOPLE | PEOPLE_BESIDES | _COUNTED if kind == "count" else _THERE
        return kind if found <= _BESIDES | besides else None
    if not found <= PRESENCE | MOTION | _BESIDES | (PIRS if "pir" in found else frozenset()):
        return None
    if found & (PRESENCE - {"present"}):
        return None if found & MOTION else "presence"
    return "motion" if found & MOTION else None


def _count_kind(words: tuple[str, ...]) -> Kind | None:
    """A number of people in the room; not of those who passed, nor of those in a part of it."""
    found = frozenset(words)
    counted = found & _COUNTED and found & _COUNTS
    if not (found & PEOPLE or counted) or found & (PASSAGES | {"out"}):
        return None
    if "in" in found and not found & {"room", "now", "current"}:
        return None
    if found & SOMEBODY and found & {"detected", "detect", "exist", "exists", "present"}:
        return None
    rest = {word for word in found - PEOPLE - PEOPLE_BESIDES - _COUNTED if not word.isdigit()}
    return "count" if not rest & ELSEWHERE else None


def _person_kind(words: tuple[str, ...]) -> Kind | None:
    """`person_detected`, `has_person`, `someone_in_room`, `people_exist`: without a word of its own."""
    found = frozenset(words)
    if not found & SOMEBODY or found & (MOTION | PRESENCE - {"present"}) or found & _COUNTS:
        return None
    sign = found & {"detected", "exist", "exists", "present", "has"} or {"in", "room"} <= found
    return "presence" if sign else None


def sounds_like_people(name: str) -> bool:
    """Whether somebody may take the name for a sign of people."""
    words = frozenset(words_in(name))
    return bool(
        words & (PRESENCE | MOTION | PEOPLE | {"moving", "still", "person", "human", "target", "pax"})
    )


def senses_presence(text: str) -> bool:
    """Whether a device described so senses presence, rather than motion alone."""
    return bool(RADAR.search(text)) and not (
        PIR.search(text) and not re.search(r"radar|mm ?-?wave|ghz|human presence|thermopile", text)
    )


def senses_motion_only(text: str) -> bool:
    """Whether a device is described as a PIR and as nothing more."""
    return bool(PIR.search(text)) and not re.search(
        r"radar|mm ?-?wave|millimet|thermopile|\dg(hz)?\b|\d ?ghz", text
    )


_OTHERS: Final = (
    (
        re.compile(
            r"\bfob\b|arrival|key ?ring|\btag\b|tracker|ibeacon|stss-pres|sts-prs|presence tag|pet door"
            r"|smartphone"
        ),
        "a tag's presence says that the tag is near, not that the room is in use",
    ),
    (
        re.compile(r"keypad|security panel|alarm panel"),
        "a keypad's presence says that the keypad is in use or reachable",
    ),
    (
        re.compile(r"thermostat|radiator|\bheater|fan coil|\btrv\b|\bhvac\b|valve"),
        "a thermostat's occupancy may be the mode that it heats in",
    ),
    (re.compile(r"toilet|\bbed\b|mattress|pillow"), "it tells of a seat or bed, not of a room"),
    (
        re.compile(r"infrasonic|glass ?break|vibration sensor"),
        "it tells of doors and glass, not of people in the room",
    ),
    (
        re.compile(r"\bparking|\bcar ?park|carport|vehicle|geomagnetic"),
        "it watches a parking bay, not a room",
    ),
    (
        re.compile(
            r"mail ?box|letter ?box|\blitter|feeder|\bvacuum|\bmower|\btrap\b|\bdrawer|\bfridge"
            r"|garage door|(gate|door) opener|wall ?box|\bev\b|\bcharger|charging (station|point)"
            r"|\b(blind|blinds|shade|shades|shutter|awning|roller)\b"
            r"|curtain (motor|robot|switch|controller|driver)"
        ),
        "it watches a thing, not a room",
    ),
)
THERMOSTAT_KEYS: Final = listed(
    """
    local_temperature system_mode running_state pi_heating_demand setpoint hvac_mode fan_mode
    occupied_heating_setpoint occupied_cooling_setpoint unoccupied_heating_setpoint
    current_heating_setpoint heating_setpoint cooling_setpoint
    target_temperature temperature_target temperature_setpoint temperature_control_mode valve_position
    """
)
"""Keys of a thermostat's state: an occupancy beside them may be a mode."""
POSITION_KEYS: Final = listed(
    """
    latitude longitude lat lon lng gps coordinates geofence_status fix_tech position_type gnss_fix
    """
)
"""Keys of what tells where it is: its motion is its own, and its presence a fence's."""
PARKING_KEYS: Final = frozenset({"parking", "parking_id", "parking_status", "no_beacon"})


def other_by_keys(keys: frozenset[str] | set[str]) -> str:
    """Why a message with such keys (in lower case) is not a room sensor's; empty: it may be."""
    for known, reason in (
        (THERMOSTAT_KEYS, "it looks like a thermostat, whose occupancy may be a mode"),
        (POSITION_KEYS, "it tells where it is: a tracker's motion is its own"),
        (PARKING_KEYS, "it watches a parking bay"),
    ):
        if not keys.isdisjoint(known):
            return reason
    return ""


def spaced(topic: str) -> str:
    """The words of a topic, casefolded, as a description has them."""
    return re.sub(r"[/_\-.]+", " ", topic[:400]).casefold()


def other_than_room(text: str) -> str:
    """Why a device described so (casefolded) does not tell of people in a room; empty: it may."""
    return next((reason for pattern, reason in _OTHERS if pattern.search(text)), "")
