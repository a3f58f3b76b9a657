"""What the gateway would understand of a message, one JSON line at a time.

A line asks `{"family": ..., "topic": ..., "payload": ..., "device": ...}`; the answer is
`{"readings": [{"kind": ..., "value": ..., "property": ...}], "refused": ...}`, where `refused` says why
nothing, or not more, was understood. The payload is a text (of serial families in hexadecimal) or a JSON
value, which stands for its JSON text. `topic` and `device` may be missing. Nothing that comes can stop
the stream.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from gateway.sensors import FAMILIES, MAX_PAYLOAD_BYTES, SERIAL, OptionError, PayloadError, family_named
from gateway.sensors.errors import shown
from gateway.sensors.serial_frames import from_hex
from gateway.sensors.understood import Device, Reader, Understood

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""A longer line is refused unread. A device's own description can have tens of kilobytes."""


class _Line(msgspec.Struct):
    family: Any = None
    topic: Any = None
    payload: msgspec.Raw = msgspec.Raw(b"")
    device: msgspec.Raw = msgspec.Raw(b"null")
    retained: Any = False


_line = msgspec.json.Decoder(_Line).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class Refusal(ValueError):  # noqa: N818 - reads as what is answered
    """A line that cannot be answered otherwise; the text says why."""


def answer(line: bytes) -> bytes:
    """The answer to one line, as JSON without a line end. Never raises."""
    try:
        understood = _understood(line)
    except (Refusal, PayloadError, OptionError) as error:
        return _encode({"readings": [], "refused": str(error)})
    return _encode(as_data(understood))


def as_data(understood: Understood) -> dict[str, Any]:
    """An answer, ready to be written as JSON."""
    data: dict[str, Any] = {
        "readings": [
            {"kind": seen.kind, "value": seen.value, "property": seen.property} for seen in understood.seen
        ]
    }
    why = refusal_of(understood)
    if why:
        data["refused"] = why
    return data


def refusal_of(understood: Understood) -> str:
    """Why nothing, or not more, was understood; empty where nothing was held back."""
    if understood.online is not None:
        return (
            f"it says that the device is {'online' if understood.online else 'offline'}, nothing of the room"
        )
    if not understood.seen and not understood.refused:
        return "nothing in the message tells of people"
    return understood.refused


def _understood(line: bytes) -> Understood:
    if len(line) > MAX_LINE_BYTES:
        raise Refusal(f"the line has over {MAX_LINE_BYTES} bytes")
    try:
        asked = _line(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(f"the line is no JSON object with family and payload: {error}") from None
    if not isinstance(asked.family, str):
        raise Refusal(f"family must be one of {', '.join(sorted(FAMILIES))}, found {shown(asked.family)}")
    if asked.topic is not None and not isinstance(asked.topic, str):
        raise Refusal(f"topic must be a text or null, found {shown(asked.topic)}")
    name = family_named(asked.family).name
    read = _reader(name, bytes(asked.device))
    payload = _payload(name, bytes(asked.payload))
    if asked.retained is True:
        raise Refusal("a retained value is of unknown age")
    return decode(read, asked.topic, payload)


def decode(read: Reader, topic: str | None, payload: bytes) -> Understood:
    """What a message says. Raises PayloadError."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError(f"expected at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)}")
    return read(topic, payload)


@lru_cache(maxsize=512)
def _reader(name: str, device: bytes) -> Reader:
    """Raises Refusal."""
    return FAMILIES[name].reader(device_of(device))


def device_of(text: bytes) -> Device | None:
    """The description that a text holds as JSON. Raises Refusal."""
    try:
        return as_device(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(f"device cannot be read: {error}") from None


def as_device(description: object) -> Device | None:
    """A description as families take it: an object, or a list of exposes. Raises Refusal."""
    if description is None or isinstance(description, dict):
        return description
    if isinstance(description, list):
        named = any(isinstance(one, dict) and "friendly_name" in one for one in description)
        return {"devices" if named else "exposes": description}
    if isinstance(description, str):
        return {"model": description}
    raise Refusal(f"device must be a JSON object, found {shown(description)}")


def _payload(name: str, raw: bytes) -> bytes:
    if not raw:
        raise Refusal("the line has no payload")
    text = raw
    if raw[:1] == b'"':
        try:
            text = _text(raw).encode(errors="surrogatepass")
        except (msgspec.DecodeError, UnicodeError) as error:
            raise Refusal(f"payload cannot be read: {error}") from None
    elif raw == b"null":
        raise Refusal("payload is null: there is nothing to understand")
    return payload_of(name, text)


def payload_of(name: str, text: bytes) -> bytes:
    """The payload that a text stands for: itself, or for serial families the bytes. Raises Refusal."""
    if name not in SERIAL:
        return text
    data = from_hex(text.decode(errors="replace"))
    if data is None:
        raise Refusal(f"expected bytes in hexadecimal, got {shown(text)}")
    return data
