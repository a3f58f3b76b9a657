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
    """
)
"""A name with one of these is a setting, a measure, a part of a room, or of another thing altogether."""

PRESENCE: Final = frozenset({"presence", "present", "occupancy", "occupied"})
MOTION: Final = frozenset({"motion", "movement", "pir"})
PEOPLE: Final = frozenset({"people", "persons", "occupants", "headcount"})
PEOPLE_BESIDES: Final = frozenset({"number", "of", "num", "in", "room", "count", "counter", "current", "now"})
PROVEN: Final = frozenset(
    {"sensor", "sensors", "binary", "state", "status", "detected", "human", "out", "pin"}
)
"""Words that may stand beside: `out_pin_presence_status`, `human_presence_detected`."""

RADAR: Final = re.compile(
    r"radar|mm ?-?wave|millimet|human (motion ?(&|and) ?)?presence|presence (sensor|detector)|breath"
    r"|\b(24|60) ?g(hz)?\b|\b5\.8 ?g(hz)?\b|ld24\d\d|\bfp\d|ultrasonic"
)
"""In a description: it senses presence, also of people who sit still."""
PIR: Final = re.compile(r"\bpir|pir\b|passive infrared|infrarot|infra-?red")
"""In a description: it senses motion only."""


@lru_cache(maxsize=4_096)
def words_in(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case: `roomPresence` and `room_presence` are the same two."""
    return tuple(word.lower() for word in _TOKEN.findall(name[:200]))


def plain_kind(name: str) -> Kind | None:
    """What a name means that no other evidence explains; None: nothing, or something else.

    `count` only for names that say people. A total, an entry or an exit is never meant.
    """
    words = frozenset(words_in(name))
    if words & PEOPLE:
        rest = {word for word in words - PEOPLE - PEOPLE_BESIDES if not word.isdigit()}
        return "count" if not (rest & (ELSEWHERE | {"total", "in", "out", "entries", "exits"})) else None
    if words & ELSEWHERE:
        return None
    if words & MOTION:
        return None if words & PRESENCE and not words & {"pir"} else "motion"
    if words & PRESENCE:
        return "presence"
    return None


def sounds_like_people(name: str) -> bool:
    """Whether somebody may take the name for a sign of people."""
    words = frozenset(words_in(name))
    return bool(
        words & (PRESENCE | MOTION | PEOPLE | {"moving", "still", "person", "human", "target", "pax"})
    )


def senses_presence(text: str) -> bool:
    """Whether a device described so senses presence, rather than motion alone."""
    return bool(RADAR.search(text)) and not (
        PIR.search(text) and not re.search(r"radar|mm ?-?wave|ghz|human presence", text)
    )


def senses_motion_only(text: str) -> bool:
    """Whether a device is described as a PIR and as nothing more."""
    return bool(PIR.search(text)) and not re.search(r"radar|mm ?-?wave|millimet|\dg(hz)?\b|\d ?ghz", text)


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
)
THERMOSTAT_KEYS: Final = frozenset(
    {"local_temperature", "system_mode", "occupied_heating_setpoint", "running_state", "pi_heating_demand"}
)
"""Keys of a thermostat's state: an occupancy beside them may be a mode."""


def other_than_room(text: str) -> str:
    """Why a device described so (casefolded) does not tell of people in a room; empty: it may."""
    return next((reason for pattern, reason in _OTHERS if pattern.search(text)), "")
