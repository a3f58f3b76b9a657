"""Frames out of a stream of bytes: EnOcean's ESP3 and the radars HLK-LD2410 and LD2450.

A serial line starts anywhere, loses bytes and adds others. `Framer` is fed with whatever comes and gives the
frames that are whole; it never raises, keeps a bounded number of bytes, and finds the next frame again after
any garbage: where a beginning does not lead to a whole frame, it goes on one byte further.

- ESP3: 55, length of data (2 bytes), of optional data, type, CRC8 of these four; data; optional data; CRC8.
- LD2410: F4 F3 F2 F1, length (2 bytes, little endian), data, F8 F7 F6 F5.
- LD2450: AA FF 03 00, three targets of 8 bytes, 55 CC.
Sources: EnOcean Serial Protocol 3, section 1; Hi-Link's protocol documents of the two modules.
"""

from collections.abc import Callable
from typing import Final

SYNC: Final = 0x55
ESP3_HEADER: Final = 6
MAX_ESP3: Final = 1_024
"""Longer telegrams do not exist in practice; a length beyond this is garbage that looks like a beginning."""
LD2410_HEAD: Final = b"\xf4\xf3\xf2\xf1"
LD2410_TAIL: Final = b"\xf8\xf7\xf6\xf5"
MAX_LD2410: Final = 128
"""The longest report, in engineering mode, has 35 bytes."""
LD2450_HEAD: Final = b"\xaa\xff\x03\x00"
LD2450_TAIL: Final = b"\x55\xcc"
LD2450_LENGTH: Final = 30
MAX_FED: Final = 262_144
"""More bytes than this at once are looked at in pieces."""


def _crc8_table() -> bytes:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
        table.append(crc)
    return bytes(table)


_CRC8: Final = _crc8_table()


def crc8(data: bytes) -> int:
    """The checksum of ESP3: polynomial x^8 + x^2 + x + 1, begun at 0."""
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


Measure = Callable[[bytes, int], int]
"""From the bytes and the place of a beginning to the length of the frame there: 0 none, -1 not yet known."""


def measure_esp3(data: bytes, place: int) -> int:
    """The length of the ESP3 telegram at this place."""
    if len(data) - place < ESP3_HEADER:
        return -1
    header = data[place + 1 : place + 5]
    if crc8(header) != data[place + 5]:
        return 0
    length = int.from_bytes(header[:2], "big") + header[2]
    if not 1 <= length <= MAX_ESP3:
        return 0
    whole = ESP3_HEADER + length + 1
    if len(data) - place < whole:
        return -1
    return whole if crc8(data[place + 6 : place + whole - 1]) == data[place + whole - 1] else 0


def measure_ld2410(data: bytes, place: int) -> int:
    """The length of the LD2410 frame at this place."""
    if len(data) - place < 6:  # noqa: PLR2004 - head and length
        return -1
    length = int.from_bytes(data[place + 4 : place + 6], "little")
    if not 1 <= length <= MAX_LD2410:
        return 0
    whole = 6 + length + 4
    if len(data) - place < whole:
        return -1
    return whole if data[place + whole - 4 : place + whole] == LD2410_TAIL else 0


def measure_ld2450(data: bytes, place: int) -> int:
    """The length of the LD2450 frame at this place."""
    if len(data) - place < LD2450_LENGTH:
        return -1
    return LD2450_LENGTH if data[place + 28 : place + 30] == LD2450_TAIL else 0


class Framer:
    """Finds the frames of one protocol in a stream."""

    def __init__(self, head: bytes, measure: Measure) -> None:
        self._head = head
        self._measure = measure
        self._kept = b""
        self.dropped = 0
        """Bytes that belonged to no frame."""

    @property
    def pending(self) -> int:
        """Bytes that may yet become a frame."""
        return len(self._kept)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete, in order. Never raises."""
        frames: list[bytes] = []
        for start in range(0, len(data), MAX_FED):
            self._feed(data[start : start + MAX_FED], frames)
        return frames

    def _feed(self, piece: bytes, frames: list[bytes]) -> None:
        data = self._kept + piece
        place, used = 0, 0
        while True:
            place = data.find(self._head, place)
            if place < 0:
                # The end of the bytes may be the beginning of a head.
                place = len(data) - _overlap(data, self._head)
                break
            length = self._measure(data, place)
            if length < 0:
                break
            if length:
                self.dropped += place - used
                frames.append(data[place : place + length])
                place += length
                used = place
            else:
                place += 1
        self.dropped += place - used
        self._kept = data[place:]


def _overlap(data: bytes, head: bytes) -> int:
    """How many bytes at the end of the data begin a head."""
    for length in range(min(len(head) - 1, len(data)), 0, -1):
        if data.endswith(head[:length]):
            return length
    return 0


def esp3_framer() -> Framer:
    """For an EnOcean gateway (57,600 baud)."""
    return Framer(bytes((SYNC,)), measure_esp3)


def ld2410_framer() -> Framer:
    """For an HLK-LD2410 (256,000 baud)."""
    return Framer(LD2410_HEAD, measure_ld2410)


def ld2450_framer() -> Framer:
    """For an HLK-LD2450 (256,000 baud)."""
    return Framer(LD2450_HEAD, measure_ld2450)


def status_topic(topic: str) -> str:
    """Where the serial link says whether its line is open, beside the topic of its frames."""
    name, mark, _ = topic.rpartition("/")
    return f"{name}/status" if mark else ""


def from_hex(text: str) -> bytes | None:
    """The bytes of a text in hexadecimal, with or without blanks; None if it is none."""
    joined = "".join(text.split()).removeprefix("0x")
    if not joined or len(joined) % 2 or not joined.isascii():
        return None
    try:
        return bytes.fromhex(joined)
    except ValueError:
        return None
