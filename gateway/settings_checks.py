"""Settings that contradict each other, and what the core is given instead of them.

The checks run on whatever tables are sound in themselves, so that one look shows everything there is
to mend. Each check is one function in `CHECKS`; a new one touches only itself, its table and its test.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from gateway.core.booking import Breach
from gateway.core.booking_rules import RULES, BookingRules
from gateway.core.explain import words
from gateway.core.policy import Policy, SensorProfile
from gateway.durations import format_duration
from gateway.sensors import FAMILIES, OptionError, SensorSource
from gateway.settings_problems import KeyPath, Problem, did_you_mean, dotted, shown, unknown_key
from gateway.settings_sections import (
    AlertsSettings,
    BreakerSettings,
    ControlSettings,
    DiscoverySettings,
    ExchangeSettings,
    HomeAssistantSettings,
    LedgerSettings,
    LogSettings,
    MqttSettings,
    PolicySettings,
    RoomSettings,
    SensorSettings,
    SerialSettings,
    SiteSettings,
)

MAX_SOCKET_PATH: Final = 107
"""Bytes of a Unix socket's path, less its final zero (unix(7))."""


class Draft(NamedTuple):
    """The sound tables of a file. None: missing or faulty. Keys say where in the file each stands."""

    site: SiteSettings | None
    breaker: BreakerSettings | None
    ledger: LedgerSettings | None
    mqtt: MqttSettings | None
    exchange: ExchangeSettings | None
    home_assistant: HomeAssistantSettings | None
    discovery: DiscoverySettings | None
    alerts: AlertsSettings | None
    control: ControlSettings | None
    log: LogSettings | None
    policies: Mapping[str, PolicySettings]
    """With what each takes from ``default``; a faulty policy is missing here."""
    policy_keys: Mapping[str, frozenset[str]]
    """What the file itself sets in each policy, sound or not; ``default`` is always there."""
    rooms: Mapping[KeyPath, RoomSettings]
    sensors: Mapping[KeyPath, SensorSettings]
    serial: Mapping[KeyPath, SerialSettings]


Check = Callable[[Draft], Iterator[Problem]]


def bridge_of(sensor: SensorSettings) -> str:
    """The bridge in front of a sensor: as set, or for Zigbee2MQTT the first level of its topic.

    The first level alone, because a device's name may hold slashes: too coarse counts two bridges as
    one, which waits longer; too fine would take one bridge's two sensors for independent.
    """
    if sensor.bridge or sensor.family != "zigbee2mqtt":
        return sensor.bridge
    return sensor.topic.split("/", 1)[0]


def source_of(sensor: SensorSettings) -> SensorSource:
    """How the sensor publishes, for `gateway.sensors.build_router`."""
    return SensorSource(
        sensor=sensor.id,
        family=sensor.family,
        topic=sensor.topic,
        senses=sensor.senses,
        bridge=bridge_of(sensor),
        options=dict(sensor.options),
    )


def profile_of(sensor: SensorSettings, *, shares_topic: bool) -> SensorProfile:
    """What the sensor can prove. Sensors that share a topic are one device, so they fail together."""
    return SensorProfile(
        id=sensor.id,
        senses=sensor.senses,
        role=sensor.role,
        hold_ms=sensor.hold,
        hold_beside_presence_ms=sensor.hold_beside_presence,
        latency_ms=sensor.latency,
        heartbeat_ms=sensor.heartbeat,
        device_hold_ms=sensor.device_hold,
        says_clear=sensor.says_clear,
        loss_detectable=sensor.loss_detectable,
        at_qos1=sensor.at_qos1,
        bridge=bridge_of(sensor),
        unit=sensor.unit or (sensor.topic if shares_topic else ""),
        in_service=sensor.in_service,
    )


def _names_are_unique(draft: Draft) -> Iterator[Problem]:
    names: list[tuple[str, str, KeyPath]] = []
    for path, room in draft.rooms.items():
        names.append(("id of a room", room.id, (*path, "id")))
        names.append(("mailbox of a room", room.mailbox, (*path, "mailbox")))
    names += [("id of a sensor", sensor.id, (*path, "id")) for path, sensor in draft.sensors.items()]
    first: dict[tuple[str, str], KeyPath] = {}
    for what, value, path in names:
        other = first.setdefault((what, value.casefold()), path)
        if other != path:
            already = f"which is the {what} already ({dotted(other)})"
            yield Problem(path, f"found {shown(value)}, {already}; each needs its own")


def _what_is_read(sensor: SensorSettings) -> str:
    """The part of the payload that a sensor is decoded from; empty: the whole, or whatever is found."""
    return sensor.options.get("property", sensor.options.get("path", ""))


def _topics_are_read_once(draft: Draft) -> Iterator[Problem]:
    seen: dict[str, list[tuple[str, KeyPath]]] = {}
    for path, sensor in draft.sensors.items():
        part = _what_is_read(sensor)
        for other_part, other in seen.setdefault(sensor.topic, []):
            if part in {other_part, ""} or not other_part:
                text = (
                    f"found {shown(sensor.topic)}, which {dotted(other)} reads already; two sensors on one "
                )
                yield Problem(
                    (*path, "topic"),
                    f"{text}topic each need their own part of it (options.path or .property)",
                )
                break
        seen[sensor.topic].append((part, path))


def _lacks_base(sensor: SensorSettings) -> bool:
    base, _, name = sensor.topic.partition("/")
    return sensor.family == "zigbee2mqtt" and not (base and name.strip("/"))


def _zigbee_topics_have_a_base(draft: Draft) -> Iterator[Problem]:
    for path, sensor in draft.sensors.items():
        if _lacks_base(sensor):
            expected = 'base topic and device, such as "zigbee2mqtt/orion-pir"'
            yield Problem((*path, "topic"), f"found {shown(sensor.topic)}, expected {expected}")


HAVE_AVAILABILITY: Final = frozenset(
    {"zigbee2mqtt", "esphome", "tasmota", "shelly", "enocean", "ld2410", "ld2450"}
)
"""Families that know by themselves where a device is said to be online, in words that can be configured."""


def _options_fit_the_family(draft: Draft) -> Iterator[Problem]:
    for path, sensor in draft.sensors.items():
        family = FAMILIES[sensor.family]
        unknown = [key for key in sensor.options if key not in family.options]
        for key in unknown:
            yield unknown_key((*path, "options", key), family.options)
        hears_availability = sensor.family in HAVE_AVAILABILITY or "availability_topic" in sensor.options
        for key in ("online", "offline"):
            if key in sensor.options and not hears_availability:
                yield Problem((*path, "options", key), "set without availability_topic, so it is never read")
        if not unknown and not _lacks_base(sensor):
            try:
                family.routes(source_of(sensor))
            except OptionError as error:
                yield Problem((*path, "options"), str(error))


def _holds_fit(draft: Draft) -> Iterator[Problem]:
    for path, sensor in draft.sensors.items():
        hold = format_duration(sensor.hold)
        if sensor.hold < sensor.device_hold:
            device = format_duration(sensor.device_hold)
            yield Problem(
                (*path, "hold"),
                f'found "{hold}", expected at least device_hold, which is "{device}"',
            )
        if sensor.hold_beside_presence > sensor.hold:
            short = format_duration(sensor.hold_beside_presence)
            yield Problem(
                (*path, "hold_beside_presence"), f'found "{short}", expected at most hold, which is "{hold}"'
            )


def _own_word(draft: Draft, name: str, *keys: str) -> bool:
    """Whether a policy says any of these itself; what it inherits is told where it is set."""
    return name == "default" or not draft.policy_keys[name].isdisjoint(keys)


def _policies_are_possible(draft: Draft) -> Iterator[Problem]:
    for name, policy in draft.policies.items():
        path: KeyPath = ("policy", name)
        grace = format_duration(policy.grace)
        if policy.warn_before_release > policy.grace and _own_word(
            draft, name, "warn_before_release", "grace"
        ):
            found = format_duration(policy.warn_before_release)
            yield Problem(
                (*path, "warn_before_release"), f'found "{found}", expected at most grace, which is "{grace}"'
            )
        shortest = policy.grace + policy.min_remaining
        keys = ("exempt_longer_than", "grace", "min_remaining")
        if policy.exempt_longer_than < shortest and _own_word(draft, name, *keys):
            found = format_duration(policy.exempt_longer_than)
            yield Problem(
                (*path, "exempt_longer_than"),
                f'found "{found}", shorter than grace and min_remaining together '
                f'("{format_duration(shortest)}"): nothing could ever be released',
            )


def _rooms_name_known_policies(draft: Draft) -> Iterator[Problem]:
    for path, room in draft.rooms.items():
        if room.policy not in draft.policy_keys:
            names = ", ".join(f'"{name}"' for name in sorted(draft.policy_keys))
            close = did_you_mean(room.policy, draft.policy_keys)
            yield Problem((*path, "policy"), f"found {shown(room.policy)}, expected one of {names}{close}")


def _walk_ups_are_worth_it(draft: Draft) -> Iterator[Problem]:
    for name, policy in draft.policies.items():
        if policy.walk_up_length < policy.min_remaining and _own_word(
            draft, name, "walk_up_length", "min_remaining"
        ):
            found, least = format_duration(policy.walk_up_length), format_duration(policy.min_remaining)
            yield Problem(
                ("policy", name, "walk_up_length"),
                f'found "{found}", expected at least min_remaining, which is "{least}"',
            )


def _rooms_go_live_by_a_record(draft: Draft) -> Iterator[Problem]:
    for name, policy in draft.policies.items():
        path: KeyPath = ("policy", name, "live_if_wrong_at_most")
        if not _own_word(draft, name, "live_after", "live_if_wrong_at_most"):
            continue
        if policy.live_if_wrong_at_most and not policy.live_after:
            yield Problem(path, "set without live_after, so no room would go live by itself")
        elif policy.live_after and policy.live_if_wrong_at_most >= policy.live_after:
            yield Problem(
                path,
                f"found {policy.live_if_wrong_at_most}, expected less than live_after, which is "
                f"{policy.live_after}: a room would go live however wrong it was",
            )


def _rules_have_what_they_need(draft: Draft) -> Iterator[Problem]:
    """A rule that could never be broken is a mistake of whoever wrote it down."""
    for name, policy in draft.policies.items():
        path: KeyPath = ("policy", name, "rules")
        on = {breach for breach, consequence in policy.rules.items() if consequence != "off"}
        needs: dict[Breach, tuple[bool, str]] = {
            "too_late": (policy.notice > 0, "notice, how long before its start a booking must be made"),
            "blackout": (bool(policy.blackouts), "blackouts, the times in which nothing may be booked"),
            "not_allowed": (bool(policy.allowed_organizers), "allowed_organizers, who may book"),
        }
        for breach, (is_there, what) in needs.items():
            if breach in on and not is_there and _own_word(draft, name, "rules"):
                yield Problem(path, f"names {breach}, which needs {what}")
        seats = on & {"too_many", "too_few"}
        rooms = [room for room in draft.rooms.values() if room.policy == name]
        if seats and rooms and all(room.capacity is None for room in rooms):
            yield Problem(path, f"names {min(seats)}, and no room of this policy has a capacity")


def _combined_rooms_have_parts(draft: Draft) -> Iterator[Problem]:
    rooms = {room.id: room for room in draft.rooms.values()}
    for path, room in draft.rooms.items():
        for position, part in enumerate(room.parts):
            place: KeyPath = (*path, "parts")
            if part == room.id:
                yield Problem(place, f"found {shown(part)}, the room itself")
            elif part not in rooms:
                close = did_you_mean(part, [name for name in rooms if name != room.id])
                yield Problem(place, f"found {shown(part)}, which is the id of no room{close}")
            elif part in room.parts[:position]:
                yield Problem(place, f"found {shown(part)} twice")
            elif rooms[part].parts:
                yield Problem(
                    place,
                    f"found {shown(part)}, which is put together from parts itself; name those instead",
                )


def _broker_login_is_whole(draft: Draft) -> Iterator[Problem]:
    if draft.mqtt is None:
        return
    for key in ("ca_file", "cert_file", "key_file"):
        if getattr(draft.mqtt, key) is not None and not draft.mqtt.tls:
            yield Problem(("mqtt", key), "set while tls is false, so it would not be used; set tls = true")
    if draft.mqtt.key_file is not None and draft.mqtt.cert_file is None:
        yield Problem(("mqtt", "key_file"), "set without cert_file, the certificate that it belongs to")
    if draft.mqtt.password_file is not None and draft.mqtt.username is None:
        yield Problem(("mqtt", "password_file"), "set without username")


CREDENTIAL_KEYS: Final = ("certificate_file", "assertion_file", "client_secret_file")
"""What a gateway can identify itself with, the best first."""


def _exchange_credential_is_one(draft: Draft) -> Iterator[Problem]:
    exchange = draft.exchange
    if exchange is None:
        return
    found = [key for key in CREDENTIAL_KEYS if getattr(exchange, key) is not None]
    for key in found[1:]:
        best = "the certificate" if found[0] == "certificate_file" else "the assertion"
        yield Problem(("exchange", key), f"set beside {found[0]}; keep one of them ({best})")
    if not found:
        yield Problem(
            ("exchange",), "expected certificate_file, assertion_file or client_secret_file, found none"
        )
    for key in ("certificate_key_file", "thumbprint", "password_file"):
        if getattr(exchange, key) is not None and exchange.certificate_file is None:
            yield Problem(
                ("exchange", key), "set without certificate_file, the certificate that it belongs to"
            )
    if exchange.secret_expires is not None and exchange.client_secret_file is None:
        yield Problem(
            ("exchange", "secret_expires"), "set without client_secret_file, the secret that it belongs to"
        )


OWN_CATEGORIES: Final = ("check_in_category", "walk_up_category", "hold_category", "desk_category")
NEVER_EXEMPTING: Final = OWN_CATEGORIES[:3]
"""What people booked through the gateway may well be exempted: it is theirs like any other booking."""


def _own_marks_differ(draft: Draft) -> Iterator[Problem]:
    if draft.exchange is None:
        return
    first: dict[str, str] = {}
    for key in OWN_CATEGORIES:
        mark: str = getattr(draft.exchange, key)
        other = first.setdefault(mark.casefold(), key)
        if other != key:
            yield Problem(
                ("exchange", key), f"found {shown(mark)}, which is {other} already; each needs its own"
            )


def _own_marks_exempt_nothing(draft: Draft) -> Iterator[Problem]:
    """Ours are told apart from exemptions: a check-in must not exempt, and holds and walk-ups do anyway."""
    if draft.exchange is None:
        return
    for name, policy in draft.policies.items():
        exempting = {category.casefold() for category in policy.exempt_categories}
        for key in NEVER_EXEMPTING:
            mark: str = getattr(draft.exchange, key)
            if mark.casefold() in exempting and _own_word(draft, name, "exempt_categories"):
                yield Problem(
                    ("policy", name, "exempt_categories"),
                    f"holds {shown(mark)}, the gateway's own mark "
                    f"(exchange.{key}); what it marks itself would exempt bookings",
                )


def _serial_lines_differ(draft: Draft) -> Iterator[Problem]:
    for key in ("name", "port"):
        first: dict[str, KeyPath] = {}
        for path, line in draft.serial.items():
            value: str = getattr(line, key)
            other = first.setdefault(value, path)
            if other != path:
                yield Problem(
                    (*path, key),
                    f"found {shown(value)}, which {dotted(other)} has already; each needs its own",
                )


def _serial_topics_fit_their_line(draft: Draft) -> Iterator[Problem]:
    """Topics below serial/ of lines that are not configured come from the broker: a forwarder's."""
    lines = {line.name: line for line in draft.serial.values()}
    for path, sensor in draft.sensors.items():
        first, _, rest = sensor.topic.partition("/")
        name, _, what = rest.partition("/")
        line = lines.get(name) if first == "serial" else None
        if line is None:
            continue
        if sensor.family != line.family:
            yield Problem(
                (*path, "family"),
                f'found {shown(sensor.family)}, expected "{line.family}", which is on the line {name}',
            )
        elif line.family == "enocean" and not re.fullmatch(r"[0-9a-f]{8}", what):
            expected = f"serial/{name}/ and the sensor's address in eight digits of 0-9 and a-f"
            yield Problem((*path, "topic"), f"found {shown(sensor.topic)}, expected {expected}")
        elif line.family != "enocean" and what != "report":
            yield Problem((*path, "topic"), f'found {shown(sensor.topic)}, expected "serial/{name}/report"')


def _socket_path_fits(draft: Draft) -> Iterator[Problem]:
    if draft.control is None or draft.ledger is None:
        return
    length = len(str(control_socket(draft.control, draft.ledger)).encode())
    if length > MAX_SOCKET_PATH:
        yield Problem(
            ("control", "socket"), f"the path has {length} bytes, a socket's may have {MAX_SOCKET_PATH}"
        )


def control_socket(control: ControlSettings, ledger: LedgerSettings) -> Path:
    """Where commands arrive: as set, or beside the ledger."""
    return control.socket or ledger.path.parent / "control.sock"


CHECKS: Final[tuple[Check, ...]] = (
    _names_are_unique,
    _topics_are_read_once,
    _zigbee_topics_have_a_base,
    _options_fit_the_family,
    _holds_fit,
    _policies_are_possible,
    _walk_ups_are_worth_it,
    _rooms_go_live_by_a_record,
    _rules_have_what_they_need,
    _combined_rooms_have_parts,
    _rooms_name_known_policies,
    _broker_login_is_whole,
    _exchange_credential_is_one,
    _own_marks_differ,
    _own_marks_exempt_nothing,
    _serial_lines_differ,
    _serial_topics_fit_their_line,
    _socket_path_fits,
)


def core_policy(name: str, policy: PolicySettings) -> Policy:
    """The policy as the core knows it."""
    return Policy(
        name=name,
        grace_ms=policy.grace,
        early_arrival_ms=policy.early_arrival,
        handover_ms=policy.handover,
        warn_before_release_ms=policy.warn_before_release,
        vacate_ms=policy.vacate,
        min_remaining_ms=policy.min_remaining,
        exempt_longer_than_ms=policy.exempt_longer_than,
        release_own_bookings=policy.release_own_bookings,
        end_early=policy.end_early,
        end_early_vacate_ms=policy.end_early_vacate,
        walk_up=policy.walk_up,
        walk_up_after_ms=policy.walk_up_after,
        walk_up_length_ms=policy.walk_up_length,
        series_ghosts=policy.series_ghosts,
        live_after=policy.live_after,
        rules=core_rules(policy),
        live_if_wrong_at_most=policy.live_if_wrong_at_most,
    )


def core_rules(policy: PolicySettings) -> BookingRules:
    """The rules for bookings as the core knows them, in the order of its table."""
    chosen = {breach: what for breach, what in policy.rules.items() if what != "off"}
    if not chosen:
        return BookingRules()
    return BookingRules(
        consequences=tuple((breach, chosen[breach]) for breach in RULES if breach in chosen),
        longest_ms=policy.longest,
        notice_ms=policy.notice,
        ahead_ms=policy.ahead,
    )


def usual_texts(policy: PolicySettings) -> dict[str, str]:
    """What organizers read whose bookings are declined, by rule."""
    return {
        "not_allowed": "This room cannot be booked by you. Please choose another one.",
        "blackout": "This room is closed to bookings at that time. Please choose another time or room.",
        "too_many": "More people are invited than this room has seats for. Please choose a larger one.",
        "too_few": "This room is meant for more people than are invited. Please choose a smaller one.",
        "too_long": f"This room can be booked for {words(policy.longest)} at the most.",
        "too_late": f"This room must be booked at least {words(policy.notice)} before the start.",
        "too_early": f"This room can be booked {words(policy.ahead)} ahead at the most.",
    }
