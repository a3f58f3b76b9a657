"""Settings that are allowed and still worth a word, in `check-config` and in the log.

Each warning is one function in `WARNINGS`; a new one touches only itself, its table and its test.
"""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.core.occupancy import effective_grace, proving
from gateway.core.units import MINUTE_MS, Duration
from gateway.durations import format_duration
from gateway.settings_checks import Check, Draft, bridge_of, core_policy, profile_of
from gateway.settings_problems import KeyPath, Problem, shown
from gateway.settings_sections import CREDENTIALS, ExchangeSettings, MqttSettings

DENSE_MS: Final[Duration] = MINUTE_MS
"""A counter that speaks at least this often is late by little, whatever it is built like."""

EXCHANGE_SECRETS: Final = (
    "client_secret_file",
    "certificate_file",
    "certificate_key_file",
    "password_file",
    "assertion_file",
)
"""Settings of [exchange] that name a file with a secret; a certificate's holds its key, as a rule."""

PROVING_KINDS: Final[Mapping[str, str]] = {"presence": "presence sensor", "motion": "motion sensor"}
"""Both must prove a room empty before an attended booking is cut short."""


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
        named += [(("exchange", key), getattr(exchange, key)) for key in EXCHANGE_SECRETS]
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
        if not room.sensors and not room.parts:
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


def _early_ends_can_be_proven(draft: Draft) -> Iterator[Problem]:
    """An attended booking is cut short only where a presence and a motion sensor prove the room empty."""
    by_id = {room.id: room for room in draft.rooms.values()}
    for path, room in draft.rooms.items():
        policy = draft.policies.get(room.policy)
        if policy is None or not policy.end_early or room.exempt:
            continue
        parts = [by_id[part] for part in room.parts if part in by_id]
        sensors = [profile_of(s, shares_topic=False) for each in (room, *parts) for s in each.sensors]
        grace = effective_grace(core_policy(room.policy, policy), sensors)
        kinds = {profile.senses for profile in proving(sensors, grace)}
        missing = [words for kind, words in PROVING_KINDS.items() if kind not in kinds]
        if missing:
            yield Problem(
                path,
                f'"{room.id}" can never end a booking early (policy.{room.policy}.end_early): no '
                f"{' and no '.join(missing)} proves it empty in time",
            )


def _what_is_off_has_no_effect(draft: Draft) -> Iterator[Problem]:
    switches = {
        "end_early_vacate": "end_early",
        "end_early_needs_history": "end_early",
        "walk_up_after": "walk_up",
        "walk_up_length": "walk_up",
    }
    for name, policy in draft.policies.items():
        for key, switch in switches.items():
            if key in draft.policy_keys[name] and not getattr(policy, switch):
                yield Problem(
                    ("policy", name, key), f"set while {switch} is false, so nothing follows from it"
                )


WARNINGS: Final[tuple[Check, ...]] = (
    _secrets_are_kept,
    _sensors_can_prove,
    _rooms_have_sensors,
    _own_topics_are_not_sensors,
    _bridges_are_known,
    _vacate_has_an_effect,
    _early_ends_can_be_proven,
    _what_is_off_has_no_effect,
)
