"""The radars HLK-LD2410 and HLK-LD2450 on a serial line.

LD2410: a report's state is 0 nobody, 1 somebody moves, 2 somebody sits still, 3 both. Its distances stay
where they were when nobody is there, so they are not looked at.
LD2450: up to three targets. Their number is a number of people as long as it is above zero: somebody who
sits still drops out of the list for seconds to minutes, so no target is not nobody. Coordinates are
sign-magnitude with the sign bit set for positive numbers.
Source: Hi-Link's protocol documents of the two modules.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.sensors.availability import availability_routes
from gateway.sensors.base import PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.described import DEVICE_OPTIONS, decode_with
from gateway.sensors.serial_frames import Framer, ld2410_framer, ld2450_framer, status_topic
from gateway.sensors.understood import Description, Device, Property, Reader, Seen, Understood

REPORTS: Final = {0x01: 35, 0x02: 13}
"""Engineering and basic reports, with their lengths."""
REPORT_HEAD: Final = 0xAA
REPORT_TAIL: Final = b"\x55\x00"
STATES: Final[Mapping[int, int]] = {0: 0, 1: 1, 2: 1, 3: 1}
TARGET_BYTES: Final = 8
_OPTIONS: Final = {key: text for key, text in DEVICE_OPTIONS.items() if key != "device"}


class Ld2410:
    """The family `ld2410`."""

    name: Final = "ld2410"
    options: Final[Mapping[str, str]] = _OPTIONS

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The topic under which the serial link delivers reports. Raises OptionError."""
        return _routes(source, self.reader(None))

    def describe(self, _device: Device) -> Description:
        """What its reports have."""
        return Description(
            (Property("state", "presence"),),
            {"distance": "it stays where it was when nobody is there"},
        )

    def reader(self, _device: Device | None) -> Reader:
        """Reports say everything themselves."""
        return lambda _topic, payload: _report(_last(payload, ld2410_framer, "LD2410"))


class Ld2450:
    """The family `ld2450`."""

    name: Final = "ld2450"
    options: Final[Mapping[str, str]] = _OPTIONS

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The topic under which the serial link delivers frames. Raises OptionError."""
        return _routes(source, self.reader(None))

    def describe(self, _device: Device) -> Description:
        """What its frames have."""
        return Description((Property("targets", "count", "state", "only above zero"),))

    def reader(self, _device: Device | None) -> Reader:
        """Frames say everything themselves."""
        return lambda _topic, payload: _targets(_last(payload, ld2450_framer, "LD2450"))


def _routes(source: SensorSource, read: Reader) -> tuple[Route, ...]:
    topic = check_topic(source.topic, "the topic")
    state = Route(topic, decode_with(source, read), source.sensor)
    return (state, *availability_routes(source, status_topic(topic)))


def _last(payload: bytes, framer: Callable[[], Framer], module: str) -> bytes:
    frames = framer().feed(payload)
    if not frames:
        raise PayloadError(f"expected a whole frame of an {module}, got {shown(payload)}")
    return frames[-1]


def _report(frame: bytes) -> Understood:
    data = frame[6:-4]
    length = REPORTS.get(data[0])
    if length is None or len(data) != length or data[1] != REPORT_HEAD or data[-2:] != REPORT_TAIL:
        return Understood(refused="a frame that is no report of presence")
    state = STATES.get(data[2])
    if state is None:
        return Understood(refused=f"the state {data[2]} is none that is known")
    return Understood((Seen("presence", state, "state"),))


def positions(frame: bytes) -> list[tuple[int, int, int]]:
    """Position (x, y) in mm and speed in cm/s of each target in an LD2450 frame."""
    found = []
    for place in range(4, 28, TARGET_BYTES):
        slot = frame[place : place + TARGET_BYTES]
        if any(slot):
            found.append((_signed(slot[0:2]), _signed(slot[2:4]), _signed(slot[4:6])))
    return found


def _signed(two: bytes) -> int:
    number = int.from_bytes(two, "little")
    return number & 0x7FFF if number & 0x8000 else -number


def _targets(frame: bytes) -> Understood:
    people = len(positions(frame))
    if not people:
        return Understood(refused="no target: somebody who sits still drops out too, so it is not nobody")
    return Understood((Seen("count", people, "targets"),))
