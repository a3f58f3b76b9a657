"""Recorded occupancy as test material: the UCI Room Occupancy recording, and bookings drawn over it.

The recording is one real room over seven days: two PIRs sampled about each 30 s, and the people in it
counted (UCI 864). It is cut into pieces wherever no sample came for more than 90 s; nothing is
concluded across a cut. A count holds until the next sample.

    RecordedDataError(ValueError)    a line of the file is not what it should be; the text names it
"""

import csv
import gzip
import itertools
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.policy import SensorProfile
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from simulators.mqtt_tools import RecordedMessage
from simulators.people import stream

UciSensor = Literal["S6", "S7"]
BOTH: Final[tuple[UciSensor, ...]] = ("S6", "S7")

MAX_SAMPLE_GAP_MS: Final[Duration] = 90 * SECOND_MS
"""Samples are 30 or 31 s apart, now and then one is missing (61 s): anything longer cuts the recording."""
HEARTBEAT_MS: Final[Duration] = 60 * SECOND_MS
"""What a gateway is to expect: nominally each 30 s, but a single sample may be missing."""
SLOT_MS: Final[Duration] = 30 * MINUTE_MS
LENGTHS: Final = (30, 60)


class RecordedDataError(ValueError):
    """The file does not hold the recording that it should."""


class Sample(NamedTuple):
    """One line of the recording: what both PIRs showed and how many people were inside."""

    t: Instant
    s6: bool
    s7: bool
    people: int

    def shows(self, sensors: Sequence[UciSensor]) -> bool:
        """Whether any of these sensors showed motion."""
        return any(self.s6 if sensor == "S6" else self.s7 for sensor in sensors)


@dataclass(frozen=True, slots=True)
class UciRecording:
    """All samples in order of time, in pieces between recording gaps."""

    pieces: tuple[tuple[Sample, ...], ...]
    zone: str = "UTC"
    """The time zone that its local times were taken to be in."""

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples in order of time."""
        return tuple(itertools.chain.from_iterable(self.pieces))


class DrawnBooking(msgspec.Struct, frozen=True):
    """A booking laid over a recording, and what the counted people made of it. Instants in ms."""

    key: str
    start: Instant
    end: Instant
    attended: bool
    """Somebody was counted at some time in it."""
    people_ms: int = 0
    """People times the time that they were there in it; for information."""
    first_presence: Instant | None = None
    last_presence: Instant | None = None
    """Until when somebody was there, within the booking."""
    stays: tuple[tuple[Instant, Instant, int], ...] = ()
    """When people were there from an hour before the start until the end: from, until, how many."""
    room: str = ""
    """Whose booking it is; empty where the recording has one room."""

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("it ends before it starts; both are milliseconds since 1970")
        if any(leave <= enter or people <= 0 for enter, leave, people in self.stays):
            raise ValueError("each of its stays is [from, until, people], in milliseconds and above 0 people")

    @property
    def people_minutes(self) -> float:
        """People times minutes in it."""
        return self.people_ms / MINUTE_MS


class HoldFigures(NamedTuple):
    """How a hold does on a recording."""

    false_vacancies: int
    occupied_hours: float
    per_hour: float
    """False vacancies per occupied hour."""
    f1: float
    """Of "occupied" against the counts, over time."""


def import_uci(csv_gz_path: Path, zone: str | None = None) -> UciRecording:
    """Read the gzipped CSV (Date, Time, S6_PIR, S7_PIR, Room_Occupancy_Count).

    Its local times carry no zone: they are taken for UTC unless an IANA `zone` is given. Raises
    RecordedDataError, and OSError where the file cannot be read.
    """
    local: tzinfo = UTC if zone is None else ZoneInfo(zone)
    with gzip.open(csv_gz_path, "rt", encoding="utf-8", newline="") as lines:
        samples = list(_samples(csv.DictReader(lines), csv_gz_path, local))
    if not samples:
        raise RecordedDataError(f"{csv_gz_path} holds no samples")
    return UciRecording(tuple(_pieces(samples)), zone or "UTC")


def _samples(rows: "csv.DictReader[str]", path: Path, local: tzinfo) -> Iterator[Sample]:
    last = None
    for row in rows:
        try:
            at = datetime.strptime(f"{row['Date']} {row['Time']}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=local)
            s6, s7, count = (int(row[key]) for key in ("S6_PIR", "S7_PIR", "Room_Occupancy_Count"))
        except (KeyError, ValueError) as error:
            raise RecordedDataError(f"{path}, line {rows.line_num}: {error}") from error
        sample = Sample(round(at.timestamp()) * SECOND_MS, s6 == 1, s7 == 1, count)
        if {s6, s7} - {0, 1} or count < 0 or (last is not None and sample.t <= last):
            raise RecordedDataError(f"{path}, line {rows.line_num}: out of range or out of order")
        last = sample.t
        yield sample


def _pieces(samples: Iterable[Sample]) -> Iterator[tuple[Sample, ...]]:
    piece: list[Sample] = []
    for sample in samples:
        if piece and sample.t - piece[-1].t > MAX_SAMPLE_GAP_MS:
            yield tuple(piece)
            piece = []
        piece.append(sample)
    yield tuple(piece)


def to_messages(
    recording: UciRecording, sensors: Sequence[UciSensor] = BOTH, base: str = "uci"
) -> Iterator[RecordedMessage]:
    """What the PIRs would have published: each sample a plain 0 or 1 on `<base>/<sensor>`, at QoS 1."""
    for sample in recording.samples:
        for sensor in sensors:
            payload = "1" if sample.shows((sensor,)) else "0"
            yield RecordedMessage(sample.t, f"{base}/{sensor}", payload, retained=False, qos=1)


def uci_profile(sensor: UciSensor) -> SensorProfile:
    """How to configure such a PIR: family plain, sampled, so it reports up to a sample late."""
    return SensorProfile(
        sensor.lower(), "motion", latency_ms=31 * SECOND_MS, heartbeat_ms=HEARTBEAT_MS, at_qos1=True
    )


def draw_bookings(
    recording: UciRecording,
    seed: int,
    *,
    ghost_share: float = 0.4,
    hours: tuple[int, int] = (7, 21),
    across_gaps: bool = False,
) -> tuple[DrawnBooking, ...]:
    """Bookings of 30 and 60 min over the recording, at full and half hours between two local `hours`.

    The counts say which were attended: all drawn over people are kept, and of the others so many that
    about `ghost_share` of all are ghosts. None overlap. Without `across_gaps` each lies within one
    piece of the recording, so that its truth is known throughout. Raises ValueError.
    """
    if not 0 <= ghost_share < 1:
        raise ValueError(f"ghost_share must be from 0 to below 1, not {ghost_share}")
    rng = stream(seed, "uci", "bookings")
    pieces = (recording.samples,) if across_gaps else recording.pieces
    drawn = [booking for piece in pieces for booking in _drawn_over(piece, recording.zone, hours, rng)]
    attended = [booking for booking in drawn if booking.attended]
    ghosts = [booking for booking in drawn if not booking.attended]
    wanted = min(len(ghosts), round(len(attended) * ghost_share / (1 - ghost_share)))
    return tuple(sorted([*attended, *rng.sample(ghosts, wanted)], key=lambda booking: booking.start))


def _drawn_over(
    piece: Sequence[Sample], zone: str, hours: tuple[int, int], rng: random.Random
) -> Iterator[DrawnBooking]:
    slot = -(-piece[0].t // SLOT_MS) * SLOT_MS
    while slot + SLOT_MS <= piece[-1].t:
        end = slot + rng.choice(LENGTHS) * MINUTE_MS
        if end > piece[-1].t or not _within(slot, end, zone, hours) or rng.random() < 1 / 4:
            slot += SLOT_MS
            continue
        yield _booking_over(piece, slot, end)
        slot = end


def _within(start: Instant, end: Instant, zone: str, hours: tuple[int, int]) -> bool:
    first, last = hours
    begins, ends = (datetime.fromtimestamp(t / SECOND_MS, ZoneInfo(zone)) for t in (start, end))
    minutes = ends.hour * 60 + ends.minute
    return begins.date() == ends.date() and first <= begins.hour and minutes <= last * 60


def _booking_over(piece: Sequence[Sample], start: Instant, end: Instant) -> DrawnBooking:
    people_ms, first, last = 0, None, None
    # From the sample whose count holds at the start to the first one after the end.
    begins = max(0, bisect_right(piece, start, key=_time) - 1)
    within = piece[begins : bisect_right(piece, end, key=_time) + 1]
    for sample, until in zip(within, [*(s.t for s in within[1:]), end], strict=True):
        # A count holds until the next sample, but not over a recording gap.
        begin, finish = max(sample.t, start), min(until, sample.t + MAX_SAMPLE_GAP_MS, end)
        if sample.people and begin < finish:
            people_ms += sample.people * (finish - begin)
            first = begin if first is None else first
            last = finish
    stays = _stays(piece, start - HOUR_MS, end)
    return DrawnBooking(f"uci-{start}", start, end, first is not None, people_ms, first, last, stays)


def _stays(piece: Sequence[Sample], start: Instant, end: Instant) -> tuple[tuple[Instant, Instant, int], ...]:
    """The counts as stretches in which they do not change, above 0, between two instants."""
    begins = max(0, bisect_right(piece, start, key=_time) - 1)
    within = piece[begins : bisect_right(piece, end, key=_time)]
    stays: list[tuple[Instant, Instant, int]] = []
    for sample, until in zip(within, [*(s.t for s in within[1:]), end], strict=True):
        enter, leave = max(sample.t, start), min(until, sample.t + MAX_SAMPLE_GAP_MS, end)
        if not sample.people or enter >= leave:
            continue
        if stays and stays[-1][1:] == (enter, sample.people):
            stays[-1] = stays[-1][0], leave, sample.people
        else:
            stays.append((enter, leave, sample.people))
    return tuple(stays)


def _time(sample: Sample) -> Instant:
    return sample.t


def false_vacancies(recording: UciRecording, sensors: Sequence[UciSensor], hold_ms: Duration) -> HoldFigures:
    """How a hold timer on these sensors does against the counts (reference, section 7).

    The room is held occupied from each sample that shows motion until `hold_ms` after it, both ends
    included; each piece begins vacant. A false vacancy is the end of such a stretch, before the piece
    ends, at a moment whose latest sample counts people. This definition gives the reference's rates to
    both decimals. F1 compares whole seconds; between two samples people are taken to be there if
    either counts any, which agrees with the reference to a thousandth.
    """
    false, occupied_ms, scored = 0, 0, _Score()
    for piece in recording.pieces:
        held = _held(piece, sensors, hold_ms)
        ends = (end for _, end in held if end < piece[-1].t)
        false += sum(piece[bisect_right(piece, end, key=_time) - 1].people > 0 for end in ends)
        pairs = list(itertools.pairwise(piece))
        occupied_ms += sum(after.t - before.t for before, after in pairs if before.people)
        inside = [(before.t, after.t) for before, after in pairs if before.people or after.people]
        limit = piece[-1].t
        scored.add([(begin, min(end + SECOND_MS, limit)) for begin, end in held], inside)
    hours = occupied_ms / HOUR_MS
    return HoldFigures(false, hours, false / hours if hours else 0.0, scored.f1)


def _held(
    piece: Sequence[Sample], sensors: Sequence[UciSensor], hold_ms: Duration
) -> list[tuple[Instant, Instant]]:
    held: list[tuple[Instant, Instant]] = []
    for sample in piece:
        if not sample.shows(sensors):
            continue
        if held and sample.t <= held[-1][1]:
            held[-1] = held[-1][0], sample.t + hold_ms
        else:
            held.append((sample.t, sample.t + hold_ms))
    return held


@dataclass(slots=True)
class _Score:
    """Time that was held, time that people were inside, and time that was both, in ms."""

    held_ms: int = 0
    inside_ms: int = 0
    both_ms: int = 0

    def add(self, held: Sequence[tuple[int, int]], inside: Sequence[tuple[int, int]]) -> None:
        """Add spans: each sequence in order and, but for a second at its ends, without overlaps."""
        self.held_ms += sum(end - begin for begin, end in held)
        self.inside_ms += sum(end - begin for begin, end in inside)
        index = 0
        for begin, end in held:
            while index < len(inside) and inside[index][1] <= begin:
                index += 1
            for enter, leave in itertools.islice(inside, index, None):
                if enter >= end:
                    break
                self.both_ms += min(end, leave) - max(begin, enter)

    @property
    def f1(self) -> float:
        total = self.held_ms + self.inside_ms
        return 2 * self.both_ms / total if total else 1.0


def write_messages(path: Path, messages: Iterable[RecordedMessage]) -> int:
    """Write a recording as `simulators.mqtt_tools.read_recording` reads it; the number of messages."""
    return _write_lines(path, messages)


def write_bookings(path: Path, bookings: Iterable[DrawnBooking]) -> int:
    """Write drawn bookings as JSON Lines; the number of them."""
    return _write_lines(path, bookings)


def read_bookings(path: Path) -> Iterator[DrawnBooking]:
    """Drawn bookings from JSON Lines. Raises RecordedDataError, which names the line, and OSError."""
    decode = msgspec.json.Decoder(DrawnBooking).decode
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield decode(line)
            except msgspec.DecodeError as error:
                raise RecordedDataError(f"{path}, line {number}: {error}") from error


def _write_lines(path: Path, records: Iterable[msgspec.Struct]) -> int:
    encode, count = msgspec.json.Encoder().encode, 0
    with path.open("wb") as out:
        for record in records:
            out.write(encode(record) + b"\n")
            count += 1
    return count


def export_uci(source: Path, recording: Path, bookings: Path | None = None, seed: int = 7) -> str:
    """Import, write the recording and, where a path is given, drawn bookings; what was done, in words.

    Raises RecordedDataError and OSError.
    """
    imported = import_uci(source)
    told = f"{write_messages(recording, to_messages(imported)):,} messages in {recording}"
    if bookings is None:
        return told
    drawn = draw_bookings(imported, seed)
    ghosts = sum(not booking.attended for booking in drawn)
    count = write_bookings(bookings, drawn)
    return f"{told}\n{count} bookings, {ghosts} of them ghosts, in {bookings}"
