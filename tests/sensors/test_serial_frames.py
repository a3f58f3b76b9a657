"""Frames are found in any stream, whatever is around them and however it is cut."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sensors.hlk_radar import positions
from gateway.sensors.serial_frames import (
    MAX_ESP3,
    Framer,
    crc8,
    esp3_framer,
    from_hex,
    ld2410_framer,
    ld2450_framer,
    status_topic,
)

TELEGRAM = bytes.fromhex("55000A0701EBA59B00FF08051A2B3C0001FFFFFFFF2D00CA")
REPORT = bytes.fromhex("F4F3F2F10D0002AA0251000000003B00005500F8F7F6F5")
TARGETS = bytes.fromhex("AAFF03000E03B1861000400100000000000000000000000000000000" + "55CC")
PROTOCOLS: dict[str, tuple[Callable[[], Framer], bytes]] = {
    "esp3": (esp3_framer, TELEGRAM),
    "ld2410": (ld2410_framer, REPORT),
    "ld2450": (ld2450_framer, TARGETS),
}
each = pytest.mark.parametrize("protocol", sorted(PROTOCOLS))


@each
@given(data=st.data())
def test_any_stream_cut_anywhere_gives_the_same_frames(protocol: str, data: st.DataObject) -> None:
    """Garbage, halves and whole frames in any order: one read or many pieces make no difference."""
    make, frame = PROTOCOLS[protocol]
    parts = st.one_of(
        st.binary(max_size=12),
        st.just(frame),
        st.integers(1, len(frame) - 1).map(lambda length: frame[:length]),
    )
    stream = b"".join(data.draw(st.lists(parts, max_size=8)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    whole = make().feed(stream)
    framer, pieces = make(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        pieces += framer.feed(stream[start:end])
    assert pieces == whole
    assert framer.dropped + framer.pending + sum(map(len, pieces)) == len(stream)
    assert framer.pending <= MAX_ESP3 + 16


@each
@given(garbage=st.binary(max_size=40))
def test_garbage_costs_no_later_frame(protocol: str, garbage: bytes) -> None:
    """After whatever noise, of frames that follow each other all but what the noise swallows are found."""
    make, frame = PROTOCOLS[protocol]
    found = make().feed(garbage + frame * 60)
    assert found[-1] == frame
    assert len([one for one in found if one == frame]) >= 10


@each
def test_a_damaged_frame_is_left_out_and_the_next_is_found(protocol: str) -> None:
    """One wrong byte in the checksum or the end."""
    make, frame = PROTOCOLS[protocol]
    damaged = frame[:-1] + bytes([frame[-1] ^ 1])
    framer = make()
    assert framer.feed(damaged + frame + frame) == [frame, frame]
    assert framer.dropped == len(damaged)


def test_the_checksum_is_that_of_the_published_telegram() -> None:
    """CRC8 of header and data, as recorded from a device."""
    assert crc8(TELEGRAM[1:5]) == 0xEB
    assert crc8(TELEGRAM[6:-1]) == 0xCA


def test_a_length_beyond_all_telegrams_is_garbage() -> None:
    """A header with a right checksum and an absurd length does not make the framer wait for 64 KiB."""
    header = bytes.fromhex("FFFF0001")
    fake = b"\x55" + header + bytes([crc8(header)])
    assert esp3_framer().feed(fake + TELEGRAM) == [TELEGRAM]


def test_coordinates_are_sign_magnitude_with_the_bit_set_for_positive() -> None:
    """The published frame: x -782 mm, y 1713 mm, speed -16 cm/s."""
    assert positions(TARGETS) == [(-782, 1713, -16)]


@pytest.mark.parametrize(
    ("text", "data"), [("55 0A", b"\x55\x0a"), ("0x550a", b"\x55\x0a"), ("55\n0a\t", b"U\n")]
)
def test_hexadecimal_is_read_with_and_without_blanks(text: str, data: bytes) -> None:
    """As people copy it from a log."""
    assert from_hex(text) == data


@pytest.mark.parametrize("text", ["", "5", "xy", "55 0", "٣٣", "-1"])
def test_what_is_no_hexadecimal_is_told_apart(text: str) -> None:
    """No bytes are made up."""
    assert from_hex(text) is None


def test_the_status_is_beside_the_frames() -> None:
    """A link's status topic is found from a sensor's topic."""
    assert status_topic("serial/stick/051a2b3c") == "serial/stick/status"
    assert status_topic("stick") == ""
