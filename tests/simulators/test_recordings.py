"""The UCI recording gives the reference's figures, and bookings over it whose truth is counted."""

import gzip
import itertools
from pathlib import Path

import pytest

from gateway.core.events import Reading
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS
from gateway.sensors import SensorSource, build_router
from simulators.mqtt_tools import read_recording
from simulators.recordings import (
    BOTH,
    MAX_SAMPLE_GAP_MS,
    RecordedDataError,
    Sample,
    UciRecording,
    UciSensor,
    draw_bookings,
    export_uci,
    false_vacancies,
    import_uci,
    read_bookings,
    to_messages,
    uci_profile,
    write_messages,
)

REPOSITORY = Path(__file__).parents[2]
UCI = REPOSITORY.parent / "shared" / "data" / "occupancy" / "uci-room-occupancy.csv.gz"
HEADER = "Date,Time,S6_PIR,S7_PIR,Room_Occupancy_Count\n"
FIRST = 1_513_939_781_000
"""2017-12-22 10:49:41 UTC."""


@pytest.fixture(scope="module")
def uci() -> UciRecording:
    """The real recording."""
    if not UCI.exists():
        pytest.skip("the shared data is not beside this repository")
    return import_uci(UCI)


def made(*samples: tuple[int, int, int, int]) -> UciRecording:
    """One piece: (seconds, S6, S7, people)."""
    return UciRecording((tuple(Sample(t * SECOND_MS, s6 == 1, s7 == 1, n) for t, s6, s7, n in samples),))


def written(path: Path, text: str) -> Path:
    """A gzipped CSV file."""
    file = path / "made.csv.gz"
    file.write_bytes(gzip.compress((HEADER + text).encode()))
    return file


def test_the_whole_recording_is_read_and_cut_at_its_gaps(uci: UciRecording) -> None:
    """10,129 samples in order; no piece has a gap over 90 s, and between pieces there is one."""
    assert len(uci.samples) == 10_129
    assert uci.samples[0] == Sample(FIRST, False, False, 1)  # noqa: FBT003 - what the PIRs showed
    for piece in uci.pieces:
        assert all(0 < b.t - a.t <= MAX_SAMPLE_GAP_MS for a, b in itertools.pairwise(piece))
    for before, after in itertools.pairwise(uci.pieces):
        assert after[0].t - before[-1].t > MAX_SAMPLE_GAP_MS
    assert len(uci.pieces) == 9


@pytest.mark.parametrize(
    ("sensors", "minutes", "per_hour", "f1"),
    [
        (BOTH, 1, 16.8, 0.849),
        (BOTH, 5, 0.79, 0.960),
        (BOTH, 10, 0.0, 0.939),
        (BOTH, 15, 0.0, 0.914),
        (BOTH, 30, 0.0, 0.855),
        (("S7",), 1, 11.7, None),
        (("S7",), 5, 1.53, None),
        (("S7",), 10, 0.61, None),
        (("S7",), 15, 0.31, None),
        (("S7",), 30, 0.24, None),
    ],
)
def test_false_vacancies_are_those_of_the_reference(
    uci: UciRecording, sensors: tuple[UciSensor, ...], minutes: int, per_hour: float, f1: float | None
) -> None:
    """The table of measured hold times (reference, section 7), rates to its own decimals."""
    figures = false_vacancies(uci, sensors, minutes * MINUTE_MS)
    assert figures.occupied_hours == pytest.approx(16.4, abs=0.05)
    assert figures.per_hour == pytest.approx(per_hour, abs=0.05 if per_hour > 10 else 0.005)
    if f1 is not None:
        assert figures.f1 == pytest.approx(f1, abs=0.001)


def test_the_first_hold_without_a_false_vacancy_is_490_seconds(uci: UciRecording) -> None:
    """One second less and there is one."""
    assert false_vacancies(uci, BOTH, 490 * SECOND_MS).false_vacancies == 0
    assert false_vacancies(uci, BOTH, 489 * SECOND_MS).false_vacancies == 1


def test_a_false_vacancy_is_an_ended_hold_while_people_are_counted() -> None:
    """People who sit still beyond the hold make one; who has left by then makes none."""
    still = made((0, 1, 0, 1), (30, 0, 0, 1), (60, 0, 0, 1), (90, 0, 0, 1), (120, 1, 0, 1), (150, 0, 0, 1))
    assert false_vacancies(still, BOTH, 60 * SECOND_MS).false_vacancies == 1
    assert false_vacancies(still, BOTH, 120 * SECOND_MS).false_vacancies == 0
    gone = made((0, 1, 0, 1), (30, 0, 0, 0), (60, 0, 0, 0), (90, 0, 0, 0))
    assert false_vacancies(gone, BOTH, 60 * SECOND_MS).false_vacancies == 0


def test_a_piece_that_ends_first_proves_no_vacancy() -> None:
    """A hold that reaches beyond the recording is not held against the sensor."""
    short = made((0, 1, 0, 1), (30, 0, 0, 1))
    figures = false_vacancies(short, BOTH, MINUTE_MS)
    assert (figures.false_vacancies, figures.f1) == (0, 1.0)


def test_only_the_sensors_that_are_named_count() -> None:
    """S6 sees what S7 misses."""
    recording = made((0, 1, 1, 1), (30, 1, 0, 1), (60, 1, 0, 1), (90, 1, 0, 1))
    assert false_vacancies(recording, ("S7",), 45 * SECOND_MS).false_vacancies == 1
    assert false_vacancies(recording, ("S6",), 45 * SECOND_MS).false_vacancies == 0


def test_each_sample_becomes_a_message_of_each_sensor(uci: UciRecording) -> None:
    """Plain 0 and 1 on a topic per PIR, which the gateway reads as motion."""
    router = build_router([SensorSource("s6", "plain", "uci/S6", "motion")])
    only = list(to_messages(uci, ("S6",)))
    assert len(only) == len(uci.samples)
    for message, sample in zip(only, uci.samples, strict=True):
        assert (message.t, message.topic, message.qos, message.retained) == (sample.t, "uci/S6", 1, False)
        decoded = router.decode(message.topic, message.payload_bytes, retained=False)
        assert decoded == (Reading("s6", "motion", int(sample.s6)),)
    assert len(list(to_messages(uci))) == 2 * len(only)


def test_the_profile_of_a_sampled_pir_bears_a_missing_sample(uci: UciRecording) -> None:
    """Within a piece no silence makes the sensor unhealthy, which is 1.25 times its heartbeat."""
    profile = uci_profile("S6")
    assert profile.heartbeat_ms is not None
    for piece in uci.pieces:
        assert all(b.t - a.t <= 1.25 * profile.heartbeat_ms for a, b in itertools.pairwise(piece))


def test_drawn_bookings_are_attended_or_ghosts_by_the_count(uci: UciRecording) -> None:
    """Half-hours and hours within the hours, none overlapping, none across a gap, both sorts of truth."""
    for seed in range(10):
        drawn = draw_bookings(uci, seed)
        assert drawn == draw_bookings(uci, seed)
        assert any(booking.attended for booking in drawn)
        ghosts = sum(not booking.attended for booking in drawn)
        assert ghosts / len(drawn) == pytest.approx(0.4, abs=0.05)
        assert all(before.end <= after.start for before, after in itertools.pairwise(drawn))
        for booking in drawn:
            assert booking.end - booking.start in (30 * MINUTE_MS, 60 * MINUTE_MS)
            assert booking.start % (30 * MINUTE_MS) == 0
            hour = booking.start % (24 * HOUR_MS) / HOUR_MS
            assert 7 <= hour < 21
            counted = [s for s in uci.samples if booking.start <= s.t < booking.end and s.people]
            assert booking.attended or not counted
            assert any(piece[0].t <= booking.start and booking.end <= piece[-1].t for piece in uci.pieces)


def test_people_minutes_and_presence_are_counted_to_the_second() -> None:
    """A count holds until the next sample: two people for one of three half minutes."""
    half_hour = 30 * 60
    samples = [(t, 0, 0, 2 if 300 <= t < 360 else 0) for t in range(0, half_hour + 31, 30)]
    shifted = made(*[(t + 8 * 3600, s6, s7, n) for t, s6, s7, n in samples])
    found = {b for seed in range(20) for b in draw_bookings(shifted, seed, ghost_share=0.0)}
    [booking] = found
    assert booking.attended
    assert booking.people_minutes == 2.0
    assert booking.first_presence == (8 * 3600 + 300) * SECOND_MS
    assert booking.last_presence == (8 * 3600 + 360) * SECOND_MS


def test_bookings_may_lie_across_gaps_when_asked(uci: UciRecording) -> None:
    """Then some do, and time without samples counts nobody."""
    starts = [(piece[0].t, piece[-1].t) for piece in uci.pieces]
    crossing = 0
    for seed in range(10):
        for booking in draw_bookings(uci, seed, across_gaps=True):
            crossing += not any(begin <= booking.start and booking.end <= end for begin, end in starts)
            assert booking.people_ms <= 3 * (booking.end - booking.start)
    assert crossing > 0


def test_a_share_of_ghosts_that_cannot_be_is_refused(uci: UciRecording) -> None:
    """All of them ghosts would need bookings without end."""
    with pytest.raises(ValueError, match="ghost_share"):
        draw_bookings(uci, 1, ghost_share=1.0)


def test_recordings_and_bookings_are_written_and_read_back(uci: UciRecording, tmp_path: Path) -> None:
    """JSON Lines in the format of all recordings."""
    file = tmp_path / "room.jsonl"
    messages = list(to_messages(uci))[:50]
    assert write_messages(file, messages) == 50
    assert list(read_recording(file)) == messages
    first = file.read_text().splitlines()[0]
    assert first == f'{{"t":{FIRST},"topic":"uci/S6","payload":"0","retained":false,"qos":1}}'


def test_export_writes_both_files_and_says_so(uci: UciRecording, tmp_path: Path) -> None:
    """What the command line offers: the recording, the bookings over it, and how many of each."""
    told = export_uci(UCI, tmp_path / "room.jsonl", tmp_path / "bookings.jsonl", 7)
    drawn = draw_bookings(uci, 7)
    assert tuple(read_bookings(tmp_path / "bookings.jsonl")) == drawn
    assert "20,258 messages" in told
    assert f"{len(drawn)} bookings" in told
    assert "bookings" not in export_uci(UCI, tmp_path / "again.jsonl")


def test_a_zone_moves_the_samples(tmp_path: Path) -> None:
    """Local times are UTC unless a zone is given."""
    file = written(tmp_path, "2017-12-22,10:49:41,0,1,2\n")
    assert import_uci(file).samples == (Sample(FIRST, False, True, 2),)  # noqa: FBT003 - what the PIRs showed
    assert import_uci(file, "Asia/Kolkata").samples[0].t == FIRST - round(5.5 * HOUR_MS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2017-12-22,10:49:41,0,2,1\n",
        "2017-12-22,10:49:41,0,1,-1\n",
        "2017-12-22,25:49:41,0,1,1\n",
        "2017-12-22,10:49:41,0,x,1\n",
        "2017-12-22,10:49:41,0,1,1\n2017-12-22,10:49:41,0,1,1\n",
    ],
)
def test_a_file_that_is_not_the_recording_is_refused(tmp_path: Path, text: str) -> None:
    """Out of range, out of order, unreadable or empty: an error that names the file."""
    with pytest.raises(RecordedDataError, match=r"made\.csv\.gz"):
        import_uci(written(tmp_path, text))


def test_a_broken_line_of_bookings_is_named(tmp_path: Path) -> None:
    """The error says which file and line."""
    file = tmp_path / "bookings.jsonl"
    file.write_text('{"key":"a","start":1,"end":2,"attended":true,"people_ms":3}\n{"key":1}\n')
    with pytest.raises(RecordedDataError, match="line 2"):
        list(read_bookings(file))
