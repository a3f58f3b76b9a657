"""The words by which makers of LoRaWAN devices tell of people, and the many that only sound like it.

The same word means different things: `occupied` is a parking bay's too; `motion` is a number of PIR triggers
at Elsys, seconds at ewattch, and a tracker's own movement elsewhere; Elsys' `occupancy` is 0, 1 (pending) or
2; a people counter's totals only rise. So a value counts only together with evidence: the device's vendor
and model, or what stands beside it in the message. In doubt it is refused.
Source of the words: the decoders' published examples (TheThingsNetwork/lorawan-devices and others).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from gateway.core.units import Instant
from gateway.sensors.errors import shown
from gateway.sensors.passages import passages, tells_inwards, whole
from gateway.sensors.understood import How, Kind, Seen, battery, flag, listed
from gateway.sensors.values import MAX_PEOPLE, as_instant
from gateway.sensors.vocabulary import (
    PARKING_KEYS,
    POSITION_KEYS,
    THERMOSTAT_KEYS,
    plain_name,
    sounds_like_people,
    sure_kind,
)


class About(msgspec.Struct, frozen=True):
    """What is known of a device."""

    known: bool
    why_not: str
    """Why it cannot tell of people in a room; empty where it may."""
    of_people: bool
    """Its vendor, model or description says that it senses people."""
    elsys: bool
    browan: bool
    milesight: bool
    thermostat: bool


class Means(msgspec.Struct, frozen=True):
    """What a decoded object means."""

    seen: tuple[Seen, ...] = ()
    refused: str = ""
    final: bool = False
    """It is something else: no other form of the same message counts either."""
    made_at: Instant | None = None


_ELSEWHERE: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(r"parking|carpark|nwave|tekzi|placepod|fleximodo|tps110|\bnps\d"),
        "it watches a parking bay",
    ),
    (
        re.compile(r"tracker\b|\bgps\b|asset|abeeway|\bat101|t1000|lw00[1468]|livestock|cattle|bicycle"),
        "a tracker's motion is its own",
    ),
    (re.compile(r"paxcounter|wifi.?sniff"), "it counts radios that it hears, not people"),
    (
        re.compile(
            r"inclin|tilt|manhole|waste|\bbin\b|dc4\d\d|leak|smoke|valve\b|vibration|\b(tank|silo|hive)\b"
            r"|\b(mouse|rodent|rat)\b|\btraps?\b|(water|gas|energy|power|heat|electricity|flow) ?meter"
            r"|pulse (counter|reader|meter|input)|current loop|4-20 ?ma"
        ),
        "it watches a thing, not a room",
    ),
    (re.compile(r"vehicle|(?<!foot )traffic|\bbikes?\b|\bcars?\b"), "it watches vehicles, not people"),
    (
        re.compile(r"\bfob\b|\btags?\b|ibeacon|key ?ring|\bbeacon"),
        "a tag's presence says that the tag is near, not that the room is in use",
    ),
)
_OF_PEOPLE: Final = re.compile(
    r"\bpir\b|pir\b|moveo|vaqao|motion|presence|occupan|people|room|desk|seat|radar|human|thermopile|tof\b"
)

_KEYS_ELSEWHERE: Final[Mapping[str, str]] = (
    dict.fromkeys(
        POSITION_KEYS | {"position", "motion_status", "location"},
        "it tells where it is: a tracker's motion is its own",
    )
    | dict.fromkeys(PARKING_KEYS, "it watches a parking bay")
    | dict.fromkeys(("pax", "ble"), "it counts radios that it hears, not people")
    | dict.fromkeys(("angle", "tilt", "inclination", "level", "angle_x"), "it watches a thing, not a room")
)

PRESENCE_KEYS: Final = listed(
    """
    occupancy occupied presence occupy room_presence occupancy_status occupancy_state presence_status
    presence_state room_occupancy desk_occupancy human_presence presence_detected occupancy_detected
    is_occupied room_occupied desk_occupied seat_occupied human_detected person_detected people_presence
    """
)
STATE_NAMES: Final = ("state", "status", "room_status", "room_state", "desk_status", "desk_state", "desk")
STATE_WORDS: Final = frozenset({"occupied", "unoccupied", "not occupied", "vacant"})
_NUMBERED: Final = re.compile(r"presence_\d{1,3}")  # Cayenne LPP: channel 48 gives presence_48
MOTION_KEYS: Final = listed(
    """
    pir motion pir_status pir_sensor_status pir_sensor_value motion_detected pir_state motion_event_state
    pir_detected pir_triggered pir_detection pir_motion pir_sensor movement movement_detected motion_sensor
    """
)
WORDS: Final[Mapping[str, int]] = dict.fromkeys(
    (
        "occupied",
        "presence",
        "present",
        "presence detected",
        "trigger",
        "triggered",
        "motion",
        "motion detected",
        "movement",
        "movement detected",
        "human detected",
        "detected",
        "busy",
        "in use",
        "true",
        "on",
        "yes",
    ),
    1,
) | dict.fromkeys(
    (
        "vacant",
        "unoccupied",
        "not occupied",
        "absent",
        "absence",
        "empty",
        "free",
        "not in use",
        "no presence",
        "presence not detected",
        "idle",
        "normal",
        "not triggered",
        "no motion",
        "no motion detected",
        "motion not detected",
        "no movement",
        "no human detected",
        "not detected",
        "false",
        "off",
        "no",
    ),
    0,
)
COUNT_KEYS: Final = listed(
    """
    people_counter_all people people_count person_count number_of_people num_people people_number people_num
    current_people current_people_count current_total people_in_room
    """
)
_LINE: Final = re.compile(r"line_?\d{1,2}(_total|_period)?")
_REGION: Final = re.compile(r"region_(\d{1,2})")
_INDOORS: Final = re.compile(r"humi|co2|light|lux|illum|pir|occup|presen|voc|sound")
_ACCELERATION: Final = re.compile(r"acc(el|eleration|elerometer|elerometry)?(_|$)|[xyz]_?axis|gyro")
_FAULT: Final = re.compile(r"(pir|motion|occupancy|presence|radar)_?(sensor)?_?(failure|fault|error)")
Found = tuple[list[Seen], str]
"""What was found, and why something was not taken."""

NESTED: Final = listed("data measurement measurements payload values readings sensors telemetry")
"""Keys under which decoders put all values together."""
_STATUS: Final = frozenset({"status", "detection_status"})
_COUNTERS: Final = frozenset({"flags", "total_counter_a", "total_counter_b"})
"""Keys that count together with others."""
MAX_KEYS: Final = 400
MAX_SAMPLES: Final = 1_000


@lru_cache(maxsize=1_024)
def about(text: str, *, known: bool) -> About:
    """What vendor, model and description say (casefolded, together)."""
    why_not = next((why for pattern, why in _ELSEWHERE if pattern.search(text)), "")
    browan = "tbms" in text or ("browan" in text and "motion" in text)
    return About(
        known,
        why_not,
        bool(_OF_PEOPLE.search(text)) or browan,
        "elsys" in text or re.search(r"\bers\b|\bems\b", text) is not None,
        browan,
        "milesight" in text,
        re.search(r"thermostat|fan.?coil|\btrv\b|radiator", text) is not None,
    )


def object_means(decoded: dict[str, Any] | list[Any], known: About) -> Means:
    """What a decoded object says. Never raises."""
    if known.why_not:
        return Means(refused=known.why_not, final=True)
    samples = decoded if isinstance(decoded, list) else decoded.get("samples")
    if isinstance(decoded, list) or isinstance(samples, list):
        return _samples(samples if isinstance(samples, list) else [], known)
    lower = {plain_name(key): key for key in list(decoded)[:MAX_KEYS]}
    why = _elsewhere(decoded, lower)
    if why:
        return Means(refused=why, final=True)
    places = 0
    some: dict[str, str] = {}
    for name, key in lower.items():
        place = _places(name)
        if place:
            places |= place
            some[name] = key
    faults = tuple(_faults(decoded, some)) if places & FAULT else ()
    besides = (*faults, *_device(decoded, lower, known))
    if any(one.value for one in faults):
        return Means(besides, "it reports a fault, so what it says of the room is not believed", final=True)
    seen, why = _of_people(decoded, lower, some, known, places)
    nested = None if seen or why else _nested(decoded)
    if nested is not None:
        inner = object_means(nested, known)
        return msgspec.structs.replace(inner, seen=(*inner.seen, *besides))
    return Means((*seen, *besides), why if seen or why else _why_nothing(decoded))


def _nested(decoded: Mapping[str, Any]) -> dict[str, Any] | None:
    """The object inside that holds the values, where the outer one says nothing of people."""
    for key, inner in list(decoded.items())[:MAX_KEYS]:
        if isinstance(inner, dict) and inner and plain_name(key) in NESTED and NESTED.isdisjoint(inner):
            return inner
    return None


REGION, PRESENCE, MOTION, COUNT, ENTRIES, FAULT = (1 << place for place in range(6))
"""What a key may bear on: bits, so that a message's keys together say where to look."""


@lru_cache(maxsize=4_096)
def _places(name: str) -> int:
    """What a key of this name, in lower case, may bear on.

    Most keys of most messages bear on nothing (temperature, humidity ...), and need no closer look.
    """
    kind = sure_kind(name)
    return (
        (REGION if _REGION.fullmatch(name) else 0)
        | (PRESENCE if _is_presence(name) or name in _STATUS or name in STATE_NAMES else 0)
        | (MOTION if _is_motion(name) else 0)
        | (COUNT if name in COUNT_KEYS or kind == "count" or name == "people_total_counts" else 0)
        | (ENTRIES if name in _COUNTERS or tells_inwards(name) or _LINE.fullmatch(name) else 0)
        | (FAULT if name == "flags" or _FAULT.fullmatch(name) else 0)
    )


@lru_cache(maxsize=4_096)
def _is_presence(name: str) -> bool:
    return bool(name in PRESENCE_KEYS or _NUMBERED.fullmatch(name) or sure_kind(name) == "presence")


@lru_cache(maxsize=4_096)
def _is_motion(name: str) -> bool:
    return name in MOTION_KEYS or sure_kind(name) == "motion"


def _of_people(
    decoded: Mapping[str, Any],
    lower: Mapping[str, str],
    some: Mapping[str, str],
    known: About,
    places: int,
) -> Found:
    """`lower`: all keys by their form in lower case; `some`: those that may count; `places`: for what."""
    seen: list[Seen] = []
    why = ""
    for place, look in _LOOKS:
        if places & place:
            found, not_so = look(decoded, lower, some, known)
            seen += found
            why = why or not_so
    return seen, why


def _elsewhere(decoded: Mapping[str, Any], lower: Mapping[str, str]) -> str:
    elsewhere = _KEYS_ELSEWHERE.keys() & lower.keys()
    if elsewhere:
        return _KEYS_ELSEWHERE[min(elsewhere)]
    kind = decoded.get("type")
    if isinstance(kind, str) and "park" in kind.casefold():
        return "it watches a parking bay"
    return ""


def _why_nothing(decoded: Mapping[str, Any]) -> str:
    likely = [key for key in list(decoded)[:MAX_KEYS] if sounds_like_people(key)]
    if likely:
        return f"{likely[0]} is {shown(decoded[likely[0]])}: that is no state or number of people"
    return "nothing in the decoded object tells of people"


def as_flag(value: object) -> int | None:
    """1 or 0 for a boolean, 0 or 1 (also written as text) or a known word; also as `{"value": ...}`."""
    if isinstance(value, dict) and value.get("unit") in (None, ""):
        told = [value[key] for key in ("value", "state", "status") if key in value]
        value = told[0] if len(told) == 1 and value.keys() <= {"value", "state", "status", "unit"} else None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return int(value) if value in {0, 1} else None
    if isinstance(value, str) and len(value) <= 40:  # noqa: PLR2004 - the longest word is shorter
        word = value.strip().casefold().replace("_", " ")
        return int(word) if word in {"0", "1"} else WORDS.get(word)
    return None


# -- what each kind looks like -----------------------------------------------------------------------------


def _presence(
    decoded: Mapping[str, Any], lower: Mapping[str, str], some: Mapping[str, str], known: About
) -> Found:
    seen: list[Seen] = []
    why = ""
    for name, key in some.items():
        if not _is_presence(name):
            continue
        value = decoded[key]
        number, not_so = _presence_value(name, value, decoded, lower, known)
        if number is None:
            why = why or f"{key} is {shown(value)}: {not_so}"
        else:
            how: How = "hold" if known.elsys or any("pir" in other for other in lower) else "state"
            seen.append(Seen("presence", number, key, how))
    if known.browan and {"status", "time"} <= lower.keys() and not seen:
        number = as_flag(decoded[lower["status"]])
        if number is not None:
            seen.append(Seen("presence", number, lower["status"], "hold"))
    is_climate = known.thermostat or not THERMOSTAT_KEYS.isdisjoint(lower)
    if not seen and not why and known.of_people and not is_climate:
        seen += _plain_state(decoded, lower)
    return _bed_radar(decoded, lower, seen, why)


def _plain_state(decoded: Mapping[str, Any], lower: Mapping[str, str]) -> Iterator[Seen]:
    """A sensor of people may call it just its state; then only words that nothing else uses count."""
    for name in STATE_NAMES:
        word = as_word(decoded.get(lower.get(name, ""))).replace("_", " ")
        if word in STATE_WORDS:
            yield Seen("presence", WORDS[word], lower[name])
            return


def _presence_value(
    name: str, value: object, decoded: Mapping[str, Any], lower: Mapping[str, str], known: About
) -> tuple[int | None, str]:
    if name.startswith("occup") and (known.thermostat or not THERMOSTAT_KEYS.isdisjoint(lower)):
        return None, "at a thermostat it may be the mode that it heats in"
    if name in {"occupied", "is_occupied"} and not (known.of_people or any("pir" in key for key in lower)):
        return None, "parking bays and bins are occupied too; give the device's vendor and model"
    if name == "room_presence" and isinstance(decoded.get("occupancyRate"), str):
        return None, "its sensor is said to be disconnected"
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if name == "occupancy" and is_number:
        pirs_too = isinstance(decoded.get("motion"), int) and not isinstance(decoded.get("motion"), bool)
        if known.elsys or (pirs_too and not known.known):
            return {0: 0, 2: 1}.get(int(str(value)) if abs(int(str(value))) < MAX_PEOPLE else -1), (
                "1 is Elsys' pending: neither occupied nor free"
            )
        if value == 1 and not known.known:
            return None, "1 is pending at Elsys and occupied at others; give the device's vendor and model"
    return as_flag(value), "that is no known word for occupied or vacant"


def _bed_radar(decoded: Mapping[str, Any], lower: Mapping[str, str], seen: list[Seen], why: str) -> Found:
    """Milesight's fall radar says where a person is; its regions can contradict it."""
    status = decoded.get("detection_status")
    if not isinstance(status, str) or "target_status" not in lower:
        return seen, why
    word = status.casefold()
    if word in {"in_bed", "out_of_bed", "fall", "occupied"}:
        seen.append(Seen("presence", 1, "detection_status"))
    elif word == "vacant":
        occupied = (
            [
                key
                for key in lower
                if key.startswith("region_") and decoded[lower[key]] not in {"vacant", "disable"}
            ]
            if all(isinstance(decoded[lower[key]], str) for key in lower if key.startswith("region_"))
            else ["regions"]
        )
        if occupied:
            return seen, "detection_status says vacant and a region does not: they contradict each other"
        seen.append(Seen("presence", 0, "detection_status"))
    else:
        why = why or f"detection_status is {shown(status)}: nobody knows"
    return seen, why


def _regions(
    decoded: Mapping[str, Any], lower: Mapping[str, str], some: Mapping[str, str], _known: About
) -> Found:
    """Regions with switches of their own: one that is occupied shows somebody; all free prove nothing."""
    regions = [match[1] for key in some if (match := _REGION.fullmatch(key))]
    if not any(f"region_{number}_enable" in lower for number in regions):
        return [], ""
    if str(decoded.get("detection_status", "")).casefold() == "unavailable":
        return [], "detection_status is unavailable: the regions are no reading"
    for number in regions:
        enabled = as_word(decoded.get(f"region_{number}_enable")) == "enable"
        if enabled and as_word(decoded.get(f"region_{number}")) == "occupied":
            return [Seen("presence", 1, f"region_{number}")], ""
    return [], "no enabled region is occupied; that does not say that the room is empty"


def as_word(value: object) -> str:
    """A text in lower case; empty for anything else."""
    return value.casefold() if isinstance(value, str) else ""


def _motion(
    decoded: Mapping[str, Any], lower: Mapping[str, str], some: Mapping[str, str], known: About
) -> Found:
    seen: list[Seen] = []
    why = ""
    for name, key in some.items():
        if not _is_motion(name):
            continue
        value = decoded[key]
        # A device with an accelerometer gives such a name to its own motion.
        if "pir" not in name and not _pirs_motion(lower, known):
            why = why or f"{key} may be the device's own; give its vendor and model"
            continue
        if name == "motion" and isinstance(value, int) and not isinstance(value, bool):
            counts = known.elsys or (not known.known and "light" in lower and "temperature" in lower)
            if counts and 0 <= value <= MAX_PEOPLE:
                # Elsys: PIR triggers since the message before.
                seen.append(Seen("motion", int(value > 0), key, "period"))
                continue
        number = as_flag(value)
        if number is None:
            why = why or f"{key} is {shown(value)}: that is no known word for motion or none"
        else:
            seen.append(Seen("motion", number, key, "hold"))
    if len({one.value for one in seen}) > 1:
        return [], "it says motion and no motion at once"
    return seen[:1], why


def _pirs_motion(lower: Mapping[str, str], known: About) -> bool:
    if known.elsys or known.of_people:
        return True
    if any(_ACCELERATION.match(key) for key in lower):
        return False
    return any(_INDOORS.search(key) for key in lower)


def _count(
    decoded: Mapping[str, Any], lower: Mapping[str, str], some: Mapping[str, str], _known: About
) -> Found:
    for name, key in some.items():
        if name in COUNT_KEYS or sure_kind(name) == "count":
            number = whole(decoded[key], MAX_PEOPLE)
            if number is not None:
                return [Seen("count", number, key)], ""
    if "people_total_counts" in lower:
        return [], "people_total_counts may be a total that only rises"
    return [], ""


def _entries(
    decoded: Mapping[str, Any], lower: Mapping[str, str], some: Mapping[str, str], known: About
) -> Found:
    flags = decoded.get("flags")
    if isinstance(flags, dict) and as_flag(flags.get("TPC_STOPPED")) == 1:
        return [], "the counter has stopped"
    seen = passages(decoded, lower, of_people=known.of_people)
    for name, key in some.items():
        if _LINE.fullmatch(name) and isinstance(decoded[key], dict):
            nested = list(_flat(decoded[key], name, key, 2))
            values = {path: value for _, path, value in nested}
            inner = {name: path for name, path, _ in nested}
            seen += passages(values, inner, of_people=known.of_people)
    if not seen and {"total_counter_a", "total_counter_b"} <= lower.keys():
        return [], "which of the counters a and b counts inwards is not in the message"
    return seen, ""


def _flat(value: Mapping[str, Any], name: str, key: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    """Nested counters as if they were flat: name, path and value of each."""
    for inner, item in list(value.items())[:MAX_KEYS]:
        if isinstance(item, dict) and depth > 1:
            yield from _flat(item, f"{name}_{plain_name(inner)}", f"{key}.{inner}", depth - 1)
        else:
            yield f"{name}_{plain_name(inner)}", f"{key}.{inner}", item


# -- the device itself -------------------------------------------------------------------------------------


def _faults(decoded: Mapping[str, Any], lower: Mapping[str, str]) -> Iterator[Seen]:
    for name, key in lower.items():
        if _FAULT.fullmatch(name):
            yield from flag("fault", decoded[key], key)
    flags = decoded.get("flags")
    if isinstance(flags, dict) and as_flag(flags.get("TPC_STOPPED")) == 1:
        yield Seen("fault", 1, "flags.TPC_STOPPED")


def _device(decoded: Mapping[str, Any], lower: Mapping[str, str], known: About) -> Iterator[Seen]:
    for name in ("battery_level", "battery_percent", "battery_percentage"):
        if name in lower:
            yield from battery(decoded[lower[name]], lower[name])
            break
    else:
        value = decoded.get(lower.get("battery", ""))
        # A battery of 3.6 or 36 is a voltage at some makers; Milesight's is a percentage throughout.
        if type(value) is int and (value > 40 or (known.milesight and value > 5)):  # noqa: PLR2004 - see above
            yield from battery(value, lower["battery"])
    for name in ("tamper", "tamper_status", "disassembled_alarm"):
        if name in lower and (number := as_flag(decoded[lower[name]])) is not None:
            yield Seen("tamper", number, lower[name])


def _samples(samples: list[Any], known: About) -> Means:
    """Watteco's list of samples, each with its own time: the newest counts.

    Its decoders give "occupancy" for models that have no such thing, an inclinometer among them. So the
    model must be one that senses people, or the air of a room must be in the message besides.
    """
    names = {as_word(one.get("variable")) for one in samples[:MAX_SAMPLES] if isinstance(one, dict)}
    if not known.of_people and not any(
        re.match(r"humidity|co2|illuminance|iaq|tvoc", name) for name in names
    ):
        return Means(
            refused="other models send the same words; give the device's vendor and model", final=True
        )
    best: tuple[Instant, Seen] | None = None
    why = "no sample is occupancy, presence or motion"
    for sample in samples[:MAX_SAMPLES]:
        if not isinstance(sample, dict):
            continue
        name = as_word(sample.get("variable"))
        if name not in {"occupancy", "presence", "motion"}:
            continue
        number = as_flag(sample.get("value"))
        if number is None:
            why = f"{name} is {shown(sample.get('value'))}: neither occupied nor vacant"
            continue
        made_at = as_instant(sample.get("date")) or 0
        if best is None or made_at >= best[0]:
            kind: Kind = "motion" if name == "motion" else "presence"
            best = (made_at, Seen(kind, number, name))
    if best is None:
        return Means(refused=why)
    return Means((best[1],), made_at=best[0] or None)


_Look = Callable[[Mapping[str, Any], Mapping[str, str], Mapping[str, str], About], Found]
_LOOKS: Final[tuple[tuple[int, _Look], ...]] = (
    (REGION, _regions),
    (PRESENCE, _presence),
    (MOTION, _motion),
    (COUNT, _count),
    (ENTRIES, _entries),
)
