"""Settings that contradict each other, and settings that are allowed and still worth a word.

The checks run on whatever tables are sound in themselves, so that one look shows everything there is
to mend. Each check is one function in `CHECKS` or `WARNINGS`; a new one touches only itself, its
table and its test.
"""

import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from gateway.core.policy import Policy
from gateway.core.units import MINUTE_MS, Duration
from gateway.durations import format_duration
from gateway.sensors import FAMILIES, OptionError, SensorSource
from gateway.settings_problems import KeyPath, Problem, did_you_mean, dotted, shown, unknown_key
from gateway.settings_sections import (
    CREDENTIALS,
    BreakerSettings,
    ControlSettings,
    ExchangeSettings,
    LedgerSettings,
    LogSettings,
    MqttSettings,
    PolicySettings,
    RoomSettings,
    SensorSettings,
    SiteSettings,
)

MAX_SOCKET_PATH: Final = 107
"""Bytes of a Unix socket's path, less its final zero (unix(7))."""

DENSE_MS: Final[Duration] = MINUTE_MS
"""A counter that speaks at least this often is late by little, whatever it is built like."""


class Draft(NamedTuple):
    """The sound tables of a file. None: missing or faulty. Keys say where in the file each stands."""

    site: SiteSettings | None
    breaker: BreakerSettings | None
    ledger: LedgerSettings | None
    mqtt: MqttSettings | None
    exchange: ExchangeSettings | None
    control: ControlSettings | None
    log: LogSettings | None
    policies: Mapping[str, PolicySettings]
    """With what each takes from ``default``; a faulty policy is missing here."""
    policy_keys: Mapping[str, frozenset[str]]
    """What the file itself sets in each policy, sound or not; ``default`` is always there."""
    rooms: Mapping[KeyPath, RoomSettings]
    sensors: Mapping[KeyPath, SensorSettings]


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


def _options_fit_the_family(draft: Draft) -> Iterator[Problem]:
    for path, sensor in draft.sensors.items():
        family = FAMILIES[sensor.family]
        unknown = [key for key in sensor.options if key not in family.options]
        for key in unknown:
            yield unknown_key((*path, "options", key), family.options)
        hears_availability = sensor.family == "zigbee2mqtt" or "availability_topic" in sensor.options
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


def _exchange_credential_is_one(draft: Draft) -> Iterator[Problem]:
    exchange = draft.exchange
    if exchange is None:
        return
    if exchange.client_secret_file is not None and exchange.certificate_file is not None:
        yield Problem(
            ("exchange", "client_secret_file"),
            "set beside certificate_file; keep one of them (the certificate)",
        )
    if exchange.client_secret_file is None and exchange.certificate_file is None:
        yield Problem(("exchange",), "expected client_secret_file or certificate_file, found neither")
    for key in ("thumbprint", "password_file"):
        if getattr(exchange, key) is not None and exchange.certificate_file is None:
            yield Problem(
                ("exchange", key), "set without certificate_file, the certificate that it belongs to"
            )


def _check_in_mark_exempts_nothing(draft: Draft) -> Iterator[Problem]:
    if draft.exchange is None:
        return
    mark = draft.exchange.check_in_category.casefold()
    for name, policy in draft.policies.items():
        marked = mark in {category.casefold() for category in policy.exempt_categories}
        if marked and _own_word(draft, name, "exempt_categories"):
            yield Problem(
                ("policy", name, "exempt_categories"),
                f"holds {shown(draft.exchange.check_in_category)}, the gateway's own mark "
                "(exchange.check_in_category); its own check-ins would exempt bookings",
            )


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
    _rooms_name_known_policies,
    _broker_login_is_whole,
    _exchange_credential_is_one,
    _check_in_mark_exempts_nothing,
    _socket_path_fits,
)


def _secrets_are_kept(draft: Draft) -> Iterator[Problem]:
    for path, file in secret_files(draft.mqtt, draft.exchange):
        if str(file).startswith(CREDENTIALS):
            yield Problem(path, f"not looked at: {CREDENTIALS.rstrip('/')} is set only where systemd sets it")
            continue
        try:
            mode = file.stat().st_mode
        except OSError as error:
            yield Problem(path, f"{file} cannot be looked at ({error.strerror})")
            continue
        if mode & stat.S_IROTH:
            yield Problem(path, f"{file} can be read by everybody on this machine; chmod o-rwx it")


def secret_files(
    mqtt: MqttSettings | None, exchange: ExchangeSettings | None
) -> Iterator[tuple[KeyPath, Path]]:
    """Every file that holds a secret, with the setting that names it."""
    named: list[tuple[KeyPath, Path | None]] = []
    if mqtt is not None:
        named += [(("mqtt", "password_file"), mqtt.password_file), (("mqtt", "key_file"), mqtt.key_file)]
    if exchange is not None:
        named += [
            (("exchange", key), getattr(exchange, key))
            for key in ("client_secret_file", "certificate_file", "password_file")
        ]
    return ((path, file) for path, file in named if file is not None)


def _sensors_can_prove(draft: Draft) -> Iterator[Problem]:
    for path, sensor in draft.sensors.items():
        if sensor.role != "room" or not sensor.in_service:
            continue
        if sensor.heartbeat is None:
            yield Problem(
                (*path, "heartbeat"),
                f'"{sensor.id}" has no heartbeat: it helps, and proves nothing. If the device speaks by '
                "itself now and then, set how often",
            )
        elif (
            sensor.senses == "count"
            and sensor.heartbeat > DENSE_MS
            and "latency" not in sensor.model_fields_set
        ):
            yield Problem(
                (*path, "latency"),
                f'"{sensor.id}" counts, and its latency is not set: if it reports only every '
                f'{format_duration(sensor.heartbeat)}, set latency = "{format_duration(sensor.heartbeat)}"',
            )


def _rooms_have_sensors(draft: Draft) -> Iterator[Problem]:
    if not draft.rooms:
        yield Problem(("room",), "there is no [[room]], so there is nothing to do")
    for path, room in draft.rooms.items():
        if not room.sensors:
            yield Problem(path, f'"{room.id}" has no [[room.sensor]], so nothing is known about it')


def _own_topics_are_not_sensors(draft: Draft) -> Iterator[Problem]:
    if draft.mqtt is None:
        return
    for path, sensor in draft.sensors.items():
        if sensor.topic.startswith(f"{draft.mqtt.topic_prefix}/"):
            yield Problem(
                (*path, "topic"),
                f"{shown(sensor.topic)} begins with mqtt.topic_prefix, where the gateway publishes itself",
            )


def _bridges_are_known(draft: Draft) -> Iterator[Problem]:
    for path, sensor in draft.sensors.items():
        if sensor.family == "zigbee2mqtt" and not sensor.bridge and sensor.topic.count("/") > 1:
            yield Problem(
                (*path, "topic"),
                f'"{bridge_of(sensor)}" is taken for the bridge\'s base topic; if that is longer, set bridge',
            )


def _vacate_has_an_effect(draft: Draft) -> Iterator[Problem]:
    for name, policy in draft.policies.items():
        if policy.vacate < policy.grace and "vacate" in draft.policy_keys[name]:
            grace = format_duration(policy.grace)
            yield Problem(
                ("policy", name, "vacate"),
                f'"{format_duration(policy.vacate)}" is shorter than grace, so grace ("{grace}") is used',
            )


WARNINGS: Final[tuple[Check, ...]] = (
    _secrets_are_kept,
    _sensors_can_prove,
    _rooms_have_sensors,
    _own_topics_are_not_sensors,
    _bridges_are_known,
    _vacate_has_an_effect,
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
    )
