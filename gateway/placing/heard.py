"""Sensors that are heard and that no room has yet: what they seem to be.

Two ways to notice one: it describes itself (Zigbee2MQTT's list of devices, Home Assistant's discovery), or
one of its messages is understood without any description. Nothing here is evidence of anything: it is shown
to people, who give a sensor to a room. Everything is bounded; what does not fit is counted and left out.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from gateway.core.policy import Role, Senses
from gateway.core.units import NEVER, SECOND_MS, Duration, Instant
from gateway.placing.beats import Beats
from gateway.placing.similar import RoomNames, guessed_role, slug_of, suggested_room
from gateway.sensors import FAMILIES, MAX_PAYLOAD_BYTES, PayloadError
from gateway.sensors.discovery import announced_by
from gateway.sensors.enocean import PROFILES, heard_profile
from gateway.sensors.lorawan import name_of
from gateway.sensors.understood import Understood
from gateway.sensors.zigbee2mqtt import MAIN, devices_of
from gateway.sensors.zigbee_exposes import Exposed, read_exposes
from gateway.settings import SensorSettings
from gateway.settings_checks import source_of

USUAL_TOPICS: Final = (
    "zigbee2mqtt/bridge/devices",
    "homeassistant/binary_sensor/#",
    "homeassistant/sensor/#",
    "homeassistant/device/#",
    "+/binary_sensor/+/state",
    "tele/+/SENSOR",
    "stat/+/STATUS8",
    "+/events/rpc",
    "shellies/+/status",
    "shellies/+/info",
    "application/+/device/+/event/up",
    "v3/+/devices/+/up",
)
"""Where the known families are heard as they come out of their boxes."""

MAX_CANDIDATES: Final = 500
MAX_TOPICS: Final = 5_000
"""Topics that are remembered as looked at; further ones are left out."""
MAX_LIST_BYTES: Final = 4 * 1024 * 1024
"""Of Zigbee2MQTT's list of all devices; a network of 200 has about 2 MB."""
LOOKS: Final = 5
"""So many messages of a topic are looked at as they come, and later ones ..."""
LOOK_AGAIN_MS: Final = 10 * SECOND_MS
"""... this far apart."""
GIVEN_UP_AFTER: Final = 20
"""A topic that has said nothing of people so often is not looked at any more."""
MAX_NAME: Final = 200

PREFERRED: Final[tuple[Senses, ...]] = ("presence", "count", "motion")
"""Of a device that senses more than one thing, the one that sees those who sit still."""
_TAILS: Final = frozenset(
    [
        "state",
        "status",
        "sensor",
        "status8",
        "up",
        "event",
        "events",
        "rpc",
        "binary_sensor",
        "tele",
        "stat",
        "application",
        "device",
        "devices",
        "v3",
    ]
)
_CONFIG: Final = re.compile(r"[^/]+/(binary_sensor|sensor|device)/(?:[^/]+/)?[^/]+/config")
_FORMS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"(tele|stat)/.+"), "tasmota"),
    (re.compile(r".+/(tele|stat)/.+"), "tasmota"),
    (re.compile(r".+/events/rpc|.+/status/[a-z]+:\d+|shellies/[^/]+/(status|info)"), "shelly"),
    (re.compile(r"serial/[^/]+/[0-9a-f]{8}"), "enocean"),
    (re.compile(r".+/(binary_sensor|sensor)/[^/]+/state"), "esphome"),
    (re.compile(r"serial/[^/]+/report"), "ld2410"),
    (re.compile(r"serial/[^/]+/report"), "ld2450"),
    (re.compile(r"application/.+/event/up|v3/.+/devices/.+/up"), "lorawan"),
)
"""By the form of its topic, the family whose words a message may be in."""


class Candidate(msgspec.Struct):
    """A sensor that was heard."""

    topic: str
    name: str
    family: str
    senses: Senses
    why: str
    """From what that was concluded."""
    about: str = ""
    """Maker and model, where they are told."""
    options: Mapping[str, str] = {}
    """What its family needs to be told in the configuration."""
    battery: int | None = None
    last_heard: Instant = NEVER
    """When it last said something itself, while anybody listened."""
    beats: Beats = msgspec.field(default_factory=Beats)


class Listed(msgspec.Struct, frozen=True):
    """A candidate as it is shown."""

    id: str
    """A short name that it could have."""
    topic: str
    name: str
    family: str
    senses: Senses
    role: Role
    why: str
    about: str
    battery: int | None
    last_heard: Instant | None
    room: str
    """The room that its name sounds like; empty: none for sure."""
    heartbeat_ms: Duration | None = None
    """How often it seems to speak by itself, in ms."""


class _Looks(msgspec.Struct):
    count: int = 0
    again_at: Instant = NEVER


class Heard:
    """What was heard so far. Whatever the messages hold, it neither raises nor grows without end."""

    def __init__(self, own: str = "") -> None:
        """`own`: where the gateway itself publishes. Its rooms are no sensors, whoever announces them."""
        self._own = f"{own}/" if own else ""
        self._candidates: dict[str, Candidate] = {}
        self._looks: dict[str, _Looks] = {}
        self.left_out = 0
        """Messages and devices that were left out because there were too many, or too large ones."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Where the candidates speak."""
        return tuple(self._candidates)

    def hear(self, topic: str, payload: bytes, *, retained: bool, now: Instant) -> None:
        """One message, of any topic and any content."""
        if topic.endswith("/bridge/devices"):
            if self._is_looked_at(topic, now, for_ever=True):
                self._bounded(payload, MAX_LIST_BYTES, lambda: self._hear_devices(topic, payload))
        elif _CONFIG.fullmatch(topic):
            self._bounded(payload, MAX_PAYLOAD_BYTES, lambda: self._hear_announcement(topic, payload))
        elif self._is_looked_at(topic, now):
            self._bounded(payload, MAX_PAYLOAD_BYTES, lambda: self._hear_state(topic, payload, retained, now))

    def _bounded(self, payload: bytes, limit: int, look: Any) -> None:
        if len(payload) > limit:
            self.left_out += 1
            return
        try:
            look()
        except PayloadError:
            return  # somebody else's message: whoever uses the topic knows what it is

    def _is_looked_at(self, topic: str, now: Instant, *, for_ever: bool = False) -> bool:
        looks = self._looks.get(topic)
        if looks is None:
            if len(self._looks) >= MAX_TOPICS:
                self.left_out += 1
                return False
            looks = self._looks[topic] = _Looks()
        if looks.count >= LOOKS and now < looks.again_at:
            return False
        if looks.count >= GIVEN_UP_AFTER and not for_ever and topic not in self._candidates:
            return False
        looks.count += 1
        looks.again_at = now + LOOK_AGAIN_MS
        return True

    # -- devices that describe themselves ---------------------------------------------------------------

    def _hear_devices(self, topic: str, payload: bytes) -> None:
        base = topic.removesuffix("/bridge/devices")
        listed = devices_of(payload)
        for name, device in listed.items():
            candidate = None if device.get("disabled") else _of_zigbee(base, name, device)
            if candidate is not None:
                self._keep(candidate)
        gone = [
            one.topic
            for one in self._candidates.values()
            if one.family == "zigbee2mqtt"
            and one.topic.startswith(f"{base}/")
            and one.topic.removeprefix(f"{base}/") not in listed
        ]
        for one in gone:
            del self._candidates[one]

    def _hear_announcement(self, topic: str, payload: bytes) -> None:
        if not payload.strip():
            return  # it was taken back; the topics that it named are not told
        try:
            config = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if isinstance(config, dict):
            for candidate in _of_announcement(topic, config):
                known = self._candidates.get(candidate.topic)
                if known is None or (known.family == "homeassistant" and _is_better(candidate, known)):
                    self._keep(candidate)

    def _keep(self, new: Candidate) -> None:
        if self._own and new.topic.startswith(self._own):
            return
        known = self._candidates.get(new.topic)
        if known is None and len(self._candidates) >= MAX_CANDIDATES:
            self.left_out += 1
            return
        if known is not None:
            new.battery, new.last_heard, new.beats = known.battery, known.last_heard, known.beats
        self._candidates[new.topic] = new

    # -- messages --------------------------------------------------------------------------------------

    def _hear_state(self, topic: str, payload: bytes, retained: bool, now: Instant) -> None:
        known = self._candidates.get(topic)
        families = (known.family,) if known is not None else families_of(topic)
        for family in families:
            understood = _read(family, known, topic, payload)
            if understood is None:
                continue
            if family == "enocean" and (known is None or "eep" not in known.options):
                self._hear_enocean(topic, payload)
                known = self._candidates.get(topic)
            if known is None:
                if not _senses_in(understood):
                    continue
                self._keep(_of_message(topic, family, understood, payload))
                known = self._candidates.get(topic)
            if known is not None:
                _note(known, understood, retained, now)
            return

    def _hear_enocean(self, topic: str, payload: bytes) -> None:
        """A telegram does not say what the device is, but for the one that its teach-in button sends."""
        profile = heard_profile(payload)
        if profile is None or profile not in {"", *PROFILES}:
            return
        why = (
            f"its teach-in telegram says that its profile is {profile}"
            if profile
            else "an EnOcean device; what it is, its teach-in button or data sheet tells (--option eep=...)"
        )
        options = {"eep": profile} if profile else {}
        about = f"EnOcean {profile}" if profile else "EnOcean, profile not told"
        self._keep(Candidate(topic, _name_in(topic), "enocean", "motion", why, about, options))

    # -- what is shown ---------------------------------------------------------------------------------

    def listed(
        self,
        configured: Collection[str],
        ignored: Collection[str],
        taken: Collection[str],
        rooms: Sequence[RoomNames],
    ) -> list[Listed]:
        """The candidates that no room has and nobody ignores, by name.

        `configured`: topics of sensors that rooms have; `taken`: ids that are used already.
        """
        used = set(taken)
        shown: list[Listed] = []
        for one in sorted(self._candidates.values(), key=lambda each: (each.name.casefold(), each.topic)):
            if one.topic in configured or one.topic in ignored:
                continue
            id_ = _unused(slug_of(one.name) or slug_of(one.topic) or "sensor", used)
            used.add(id_)
            names = (one.name, one.topic)
            heard = None if one.last_heard == NEVER else one.last_heard
            shown.append(
                Listed(
                    id=id_,
                    topic=one.topic,
                    name=one.name,
                    family=one.family,
                    senses=one.senses,
                    role=guessed_role(names),
                    why=one.why,
                    about=one.about,
                    battery=one.battery,
                    last_heard=heard,
                    room=suggested_room(names, rooms),
                    heartbeat_ms=one.beats.heartbeat,
                )
            )
        return shown

    def settings_of(self, topic: str, id_: str, role: Role) -> SensorSettings:
        """The settings of a candidate as a room's sensor. Raises KeyError, or OptionError if it cannot be."""
        one = self._candidates[topic]
        sensor = SensorSettings.model_validate(
            {
                "id": id_,
                "family": one.family,
                "topic": one.topic,
                "senses": one.senses,
                "role": role,
                "options": dict(one.options),
            }
        )
        FAMILIES[sensor.family].routes(source_of(sensor))
        return sensor


def _unused(wanted: str, used: Collection[str]) -> str:
    name, number = wanted, 2
    while name in used:
        name, number = f"{wanted}-{number}", number + 1
    return name


def families_of(topic: str) -> tuple[str, ...]:
    """Whose words a message on that topic may be in."""
    found = tuple(family for form, family in _FORMS if form.fullmatch(topic))
    return tuple(dict.fromkeys(found)) or ("json", "plain")


def _read(family: str, known: Candidate | None, topic: str, payload: bytes) -> Understood | None:
    device: Mapping[str, Any] | None = None
    if known is not None and "device" in known.options:
        device = msgspec.json.decode(known.options["device"])
    if known is not None and family == "json" and "path" in known.options:
        device = {"path": known.options["path"], "senses": known.senses}
    try:
        return FAMILIES[family].reader(device)(topic, payload)
    except PayloadError:
        return None


def _senses_in(understood: Understood) -> list[Senses]:
    """What a message tells of people, the best first; totals of passages are none of it."""
    kinds = {seen.kind for seen in understood.seen if seen.how != "total"}
    return [senses for senses in PREFERRED if senses in kinds]


def _note(candidate: Candidate, understood: Understood, retained: bool, now: Instant) -> None:
    for seen in understood.seen:
        if seen.kind == "battery":
            candidate.battery = seen.value
    if not retained and understood.device_made:
        candidate.last_heard = now
        candidate.beats.note(now)


def _of_message(topic: str, family: str, understood: Understood, payload: bytes) -> Candidate:
    senses = _senses_in(understood)[0]
    properties = [seen.property for seen in understood.seen if seen.kind == senses]
    options = {"path": properties[0]} if family == "json" else {}
    return Candidate(
        topic,
        (name_of(payload)[:MAX_NAME] if family == "lorawan" else "") or _name_in(topic),
        family,
        senses,
        f"a message of it says {senses} ({properties[0][:MAX_NAME]})",
        options=options,
    )


def _name_in(topic: str) -> str:
    """The levels of a topic that name something."""
    levels = [level for level in topic.split("/") if level and level.casefold() not in _TAILS]
    return " ".join(levels)[:MAX_NAME] or topic[:MAX_NAME]


# -- Zigbee2MQTT --------------------------------------------------------------------------------------


def _of_zigbee(base: str, name: str, device: Mapping[str, Any]) -> Candidate | None:
    known = read_exposes(device)
    chosen = next((one for senses in PREFERRED for one in known.main if one.meaning.kind == senses), None)
    if chosen is None:
        return None
    meaning = chosen.meaning
    senses: Senses = meaning.kind  # type: ignore[assignment] # one of PREFERRED
    definition = device.get("definition")
    about = definition if isinstance(definition, Mapping) else device
    words = [about.get(key) for key in ("vendor", "model", "description")]
    return Candidate(
        topic=f"{base}/{name}",
        name=name[:MAX_NAME],
        family="zigbee2mqtt",
        senses=senses,
        why=f"it describes itself: {meaning.name}",
        about=" ".join(word for word in words if isinstance(word, str))[:MAX_NAME],
        options=_zigbee_options(chosen, senses, device),
    )


def _zigbee_options(chosen: Exposed, senses: Senses, device: Mapping[str, Any]) -> dict[str, str]:
    """As little as does: nothing for the usual names, the property's name for on and off, else all of it."""
    name = chosen.meaning.name
    types = {kind for kind, _ in chosen.values or ()}
    if senses in MAIN and name in MAIN[senses] and types <= {bool}:
        return {}
    if chosen.values is None or types <= {bool}:
        return {"property": name}
    definition = device.get("definition")
    about = definition if isinstance(definition, Mapping) else device
    kept = {key: about[key] for key in ("vendor", "model", "description", "exposes") if key in about}
    return {"device": msgspec.json.encode({"definition": kept}).decode(), "property": name}


# -- Home Assistant's discovery -------------------------------------------------------------------------


def _of_announcement(topic: str, config: dict[str, Any]) -> Iterator[Candidate]:
    described = {**config, "topic_of_config": topic}
    announced = announced_by(described)
    device = config.get("device", config.get("dev"))
    about = device if isinstance(device, Mapping) else {}
    maker = [about.get(key, about.get(short)) for key, short in (("manufacturer", "mf"), ("model", "mdl"))]
    for entity in announced.entities:
        kind = entity.meaning.kind
        if kind not in get_args(Senses) or not entity.state_topic:
            continue
        name = about.get("name") or config.get("name") or _name_in(entity.state_topic)
        options = {"device": msgspec.json.encode(described).decode()}
        several = sum(one.state_topic == entity.state_topic for one in announced.entities) > 1
        yield Candidate(
            topic=entity.state_topic,
            name=str(name)[:MAX_NAME],
            family="homeassistant",
            senses=kind,  # type: ignore[arg-type] # looked at above
            why=f"it announces itself: {entity.meaning.why}",
            about=" ".join(word for word in maker if isinstance(word, str))[:MAX_NAME],
            options=options | ({"property": entity.meaning.name} if several else {}),
        )


def _is_better(new: Candidate, known: Candidate) -> bool:
    """Of two entities on one topic, the one that sees those who sit still; of the same, the newer word."""
    return PREFERRED.index(new.senses) <= PREFERRED.index(known.senses)
