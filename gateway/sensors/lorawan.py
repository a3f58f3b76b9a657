"""LoRaWAN devices through The Things Stack or ChirpStack: the decoded object, by the makers' own words.

A network server publishes each uplink in an envelope; the device's values are the decoded object in it
(`uplink_message.decoded_payload`, `object`), present where a payload formatter or codec is set. The Things
Stack leaves out fields that are zero, `f_cnt` and `f_port` among them. An uplink that several gateways
heard is one message; a message that comes again has the same `received_at`, which is `made_at` here, so it is
known again, and one that comes late is not taken for news.

Which words count is in `gateway.sensors.lorawan_words`.
Sources: The Things Stack and ChirpStack documentation; the decoders' published examples.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from gateway.core.units import Instant
from gateway.sensors.availability import availability_routes
from gateway.sensors.base import OptionError, PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.described import DEVICE_OPTIONS, decode_with, device_in
from gateway.sensors.lorawan_words import About, about, object_means
from gateway.sensors.understood import (
    Description,
    Device,
    Property,
    Reader,
    Seen,
    Understood,
    battery,
    link,
    text_of,
)
from gateway.sensors.values import as_instant, as_json, utf8


class _Heard(msgspec.Struct):
    rssi: Any = None


class _Versions(msgspec.Struct):
    brand_id: Any = None
    model_id: Any = None


class _Percentage(msgspec.Struct):
    value: Any = None


class _Uplink(msgspec.Struct):
    decoded_payload: Any = None
    normalized_payload: Any = None
    received_at: Any = None
    version_ids: _Versions | None = None
    last_battery_percentage: _Percentage | None = None
    rx_metadata: list[_Heard] | None = None


class _Ids(msgspec.Struct):
    device_id: Any = None


class _Info(msgspec.Struct):
    deviceName: Any = None  # noqa: N815 - ChirpStack's own key
    deviceProfileName: Any = None  # noqa: N815 - ChirpStack's own key
    tags: Any = None


class _Named(msgspec.Struct):
    """Of an envelope only what names the device."""

    end_device_ids: _Ids | None = None
    deviceInfo: _Info | None = None  # noqa: N815 - ChirpStack's own key
    deviceName: Any = None  # noqa: N815 - the key of ChirpStack 3


class _Envelope(msgspec.Struct):
    """Both servers' envelopes at once: only what is looked at, everything else is skipped."""

    uplink_message: _Uplink | None = None
    join_accept: Any = None
    end_device_ids: Any = None
    received_at: Any = None
    deviceInfo: _Info | None = None  # noqa: N815 - ChirpStack's own key
    object: Any = None
    objectJSON: Any = None  # noqa: N815 - the key of ChirpStack 3
    deviceProfileName: Any = None  # noqa: N815 - the key of ChirpStack 3
    decoded_payload: Any = None
    time: Any = None
    batteryLevel: Any = None  # noqa: N815 - ChirpStack's own key
    batteryLevelUnavailable: Any = None  # noqa: N815 - ChirpStack's own key
    margin: Any = None
    level: Any = None
    data: Any = None
    rxInfo: list[_Heard] | None = None  # noqa: N815 - ChirpStack's own key


_envelope = msgspec.json.Decoder(_Envelope).decode
_named = msgspec.json.Decoder(_Named).decode
NO_OBJECT: Final = "the uplink has no decoded object: set a payload formatter (codec) for the device"


class LoraWan:
    """The family `lorawan`."""

    name: Final = "lorawan"
    options: Final[Mapping[str, str]] = DEVICE_OPTIONS | {
        "device": 'vendor and model as JSON, such as {"vendor": "elsys", "model": "ers-eye"}',
    }

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The topic of the device's uplinks. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        device = device_in(source.options)
        known = about("" if device is None else text_of(device), known=device is not None)
        if known.why_not:
            raise OptionError(f"the device cannot tell of people: {known.why_not}")
        state = Route(topic, decode_with(source, self.reader(device)), source.sensor)
        return (state, *availability_routes(source))

    def describe(self, device: Device) -> Description:
        """What can be told of vendor and model alone: only whether it is something else than a room's."""
        known = about(text_of(device), known=True)
        if known.why_not:
            return Description(not_taken={"device": known.why_not})
        # What it senses is told by the words in its messages.
        return Description((Property("link", "link"),))

    def reader(self, device: Device | None) -> Reader:
        """By the words of the decoded object, and what is known of the device."""
        given = None if device is None else about(text_of(device), known=True)

        def reader(_topic: str | None, payload: bytes) -> Understood:
            try:
                message = _envelope(utf8(payload))
            except (msgspec.DecodeError, RecursionError):
                return _bare(payload, given)
            if message.uplink_message is not None:
                return _things_stack(message, given)
            if isinstance(message.objectJSON, str) and message.object is None:
                message.object = _third(message.objectJSON)
            if message.deviceInfo is not None or isinstance(message.object, dict):
                return _chirpstack(message, given)
            if isinstance(message.decoded_payload, dict):  # as webhooks and rules cut it out
                return _object(message.decoded_payload, None, given or UNKNOWN, [], None)
            if message.join_accept is not None or message.end_device_ids is not None:
                return Understood(
                    refused="the device joined or was told something: it says nothing of a room"
                )
            return _bare(payload, given)

        return reader


def name_of(payload: bytes) -> str:
    """The name that the network server knows the device by; empty where the message has none."""
    try:
        message = _named(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    ids, info = message.end_device_ids, message.deviceInfo
    for name in (ids and ids.device_id, info and info.deviceName, message.deviceName):
        if isinstance(name, str) and name:
            return name
    return ""


def _things_stack(message: _Envelope, given: About | None) -> Understood:
    uplink = message.uplink_message
    assert uplink is not None  # noqa: S101 - looked at by the caller
    made_at = as_instant(uplink.received_at) or as_instant(message.received_at)
    versions = uplink.version_ids
    known = given or (_told(str(versions.brand_id), str(versions.model_id)) if versions else UNKNOWN)
    besides = list(_signal(uplink.rx_metadata))
    if uplink.last_battery_percentage is not None:
        besides += battery(uplink.last_battery_percentage.value, "last_battery_percentage")
    return _object(uplink.decoded_payload, uplink.normalized_payload, known, besides, made_at)


def _chirpstack(message: _Envelope, given: About | None) -> Understood:
    made_at = as_instant(message.time)
    place = message if message.deviceInfo is None else message.deviceInfo
    profile = place.deviceProfileName
    known = given or (_told(profile, "") if isinstance(profile, str) else UNKNOWN)
    if message.batteryLevel is not None and message.object is None:
        level = () if message.batteryLevelUnavailable else battery(message.batteryLevel, "batteryLevel")
        seen = (*level, *link(message.margin, "margin"))
        return Understood(seen, "a status report: it says nothing of the room", made_at=made_at)
    if message.level is not None:
        return Understood(refused="a log entry of the network server", device_made=False, made_at=made_at)
    if message.object is None and message.data is None:
        return Understood(refused="the message is no uplink", device_made=False, made_at=made_at)
    return _object(message.object, None, known, list(_signal(message.rxInfo)), made_at)


def _third(text: str) -> Any:
    """The decoded object as ChirpStack 3 writes it: JSON within a text. Raises PayloadError."""
    return as_json(text.encode(errors="replace"))


def _bare(payload: bytes, given: About | None) -> Understood:
    """The decoded object without an envelope, as a rule or a forwarder publishes it."""
    decoded = as_json(payload)
    if not isinstance(decoded, dict | list):
        raise PayloadError(f"expected a JSON object, got {shown(payload)}")
    return _object(decoded, None, given or UNKNOWN, [], None)


@lru_cache(maxsize=1_024)
def _told(brand: str, model: str) -> About:
    """What an envelope itself tells of the device."""
    return about(f"{brand} {model}".casefold()[:200], known=True)


UNKNOWN: Final = about("", known=False)


def _signal(heard: list[_Heard] | None) -> tuple[Seen, ...]:
    """The best of the gateways that heard it."""
    figures = [one.rssi for one in heard or () if isinstance(one.rssi, int | float)]
    return link(max(figures), "rssi") if figures else ()


def _object(
    decoded: Any, normalized: Any, known: About, besides: list[Seen], made_at: Instant | None
) -> Understood:
    if not isinstance(decoded, dict | list) or not decoded:
        decoded = None
    if decoded is None and normalized is None:
        return Understood(tuple(besides), NO_OBJECT, made_at=made_at)
    means = object_means(decoded or {}, known)
    if not any(one.kind in {"presence", "motion", "count", "entries"} for one in means.seen):
        motion = _normalized(normalized, known)
        if motion and not means.final:
            return Understood((*motion, *means.seen, *besides), made_at=made_at)
    return Understood((*means.seen, *besides), means.refused, made_at=means.made_at or made_at)


def _normalized(normalized: Any, known: About) -> tuple[Seen, ...]:
    """The Things Stack's own common form: `action.motion.detected`."""
    if known.why_not:
        return ()
    for one in normalized if isinstance(normalized, list) else [normalized]:
        action = one.get("action") if isinstance(one, dict) else None
        motion = action.get("motion") if isinstance(action, dict) else None
        detected = motion.get("detected") if isinstance(motion, dict) else None
        if isinstance(detected, bool):
            return (Seen("motion", int(detected), "action.motion.detected", "hold"),)
    return ()
