"""Recordings of real rooms: the UCI room, and files of one's own with errors that say what to mend."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from gateway.core.policy import Policy
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from simulators.mqtt_tools import RecordedMessage
from simulators.people import Visit
from simulators.quality.command import Wanted, run_recording, show
from simulators.quality.drive import play
from simulators.quality.recorded import UCI_SETS, scenes_of, uci_ears, uci_scene, visits_of
from simulators.quality.run import Key, judged
from simulators.recordings import (
    BOTH,
    DrawnBooking,
    RecordedDataError,
    Sample,
    UciRecording,
    draw_bookings,
    to_messages,
    write_bookings,
    write_messages,
)

EIGHT: Instant = 1_790_582_400_000
CONFIG = """
[site]
name = "Contoso"
time_zone = "UTC"
[ledger]
path = "ledger.db"
[mqtt]
host = "127.0.0.1"
[exchange]
tenant_id = "00000000-0000-0000-0000-000000000001"
client_id = "00000000-0000-0000-0000-000000000002"
client_secret_file = "secret"
[[room]]
id = "orion"
mailbox = "orion@contoso.com"
[[room.sensor]]
id = "orion-radar"
family = "plain"
topic = "orion/radar"
senses = "presence"
heartbeat = "60s"
hold = "60s"
[[room.sensor]]
id = "orion-pir"
family = "plain"
topic = "orion/pir"
senses = "motion"
heartbeat = "60s"
"""


def morning() -> UciRecording:
    """Three hours, a sample each 30 s; three people from nine to half past."""
    times = range(EIGHT, EIGHT + 3 * HOUR_MS, 30 * SECOND_MS)
    people = [3 if EIGHT + HOUR_MS <= t < EIGHT + 90 * MINUTE_MS else 0 for t in times]
    samples = [Sample(t, n > 0, n > 0, n) for t, n in zip(times, people, strict=True)]
    return UciRecording((tuple(samples),))


def booking(key: str, start: int, end: int, **more: object) -> DrawnBooking:
    """Between two minutes after eight."""
    at = (EIGHT + start * MINUTE_MS, EIGHT + end * MINUTE_MS)
    return DrawnBooking(key, *at, attended=bool(more), people_ms=0, **more)  # type: ignore[arg-type] # by name


def written(folder: Path, messages: list[RecordedMessage], *bookings: DrawnBooking) -> tuple[Path, Path]:
    """Both files."""
    files = folder / "room.jsonl", folder / "bookings.jsonl"
    write_messages(files[0], messages)
    write_bookings(files[1], bookings)
    return files


def test_what_import_uci_writes_is_judged_like_the_recording_itself(tmp_path: Path) -> None:
    """Through the files nothing is lost: the same bookings, people, facts and decisions."""
    drawn = draw_bookings(morning(), 1, hours=(0, 24))
    files = written(tmp_path, list(to_messages(morning())), *drawn)
    (read,) = scenes_of(*files, None)
    straight = uci_scene(morning(), BOTH, 1)
    assert read.facts == straight.facts
    assert read.config == straight.config
    attended = [one for one in drawn if one.attended]
    assert attended
    assert all(any(v.booking == one.key for v in read.visits) for one in attended)
    assert play(read, Policy(), 1).decisions


def test_a_recording_of_ones_own_is_read_with_the_gateways_configuration(tmp_path: Path) -> None:
    """Topics become sensors as in service, and the ghost beside the attended booking is given back."""
    messages = [
        RecordedMessage(t, f"orion/{sensor}", "ON" if EIGHT <= t < EIGHT + 25 * MINUTE_MS else "OFF", qos=1)
        for t in range(EIGHT - HOUR_MS, EIGHT + 3 * HOUR_MS, MINUTE_MS)
        for sensor in ("radar", "pir")
    ]
    stays = ((EIGHT, EIGHT + 25 * MINUTE_MS, 2),)
    files = written(tmp_path, messages, booking("here", 0, 30, stays=stays), booking("ghost", 60, 120))
    (tmp_path / "secret").write_text("invented")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "gateway.toml").write_text(CONFIG)
    (scene,) = scenes_of(*files, tmp_path / "gateway.toml")
    figures = judged(scene, "orion", ("default",), 1)[Key("orion", "default")]
    assert (figures.bookings, figures.ghosts, figures.ghosts_released, figures.wrong) == (2, 1, 1, {})


def test_people_in_a_bookings_time_are_taken_to_have_come_for_it() -> None:
    """A stay over two bookings is divided at the border; told twice, it is one; else first to last."""
    at = EIGHT
    shared = (at + 20 * MINUTE_MS, at + 40 * MINUTE_MS, 2)
    first = booking("a", 0, 30, stays=(shared,))
    second = booking("b", 30, 60, stays=(shared,))
    assert visits_of([first, second], "orion") == (
        Visit("orion", shared[0], at + 30 * MINUTE_MS, 2, "quiet", "a"),
        Visit("orion", at + 30 * MINUTE_MS, shared[1], 2, "quiet", "b"),
    )
    known = booking("c", 0, 30, first_presence=at + MINUTE_MS, last_presence=at + 9 * MINUTE_MS)
    assert visits_of([known], "orion") == (
        Visit("orion", at + MINUTE_MS, at + 9 * MINUTE_MS, 1, "quiet", "c"),
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"key":"b"', "bookings.jsonl, line 2: "),
        ('{"key":"b","start":2,"end":1,"attended":false,"people_ms":0}', "line 2: it ends before it starts"),
        (
            '{"key":"b","start":1,"end":2,"attended":true,"people_ms":0,"stays":[[5,4,1]]}',
            "line 2: each of its stays is",
        ),
        ('{"key":"b","start":1,"end":2,"attended":false,"people_ms":0,"room":"lyra"}', "give each booking a"),
        ('{"key":"a","start":1,"end":2,"attended":false}', "booking a is there twice"),
        ('{"key":"b","start":1,"end":2,"attended":true}', "nothing says when people were there"),
    ],
)
def test_a_bad_booking_is_named_with_what_to_mend(tmp_path: Path, line: str, told: str) -> None:
    """File, line, what is wrong and how it should be."""
    files = written(tmp_path, list(to_messages(morning())), booking("a", 0, 30))
    files[1].write_text(files[1].read_text() + line + "\n")
    with pytest.raises(RecordedDataError, match=told):
        list(scenes_of(*files, None))


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([RecordedMessage(1, "orion/radar", "ON")], r"room.jsonl: nothing says .*orion/radar.*--config"),
        ([RecordedMessage(2, "uci/S6", "1"), RecordedMessage(1, "uci/S6", "1")], "message 2: it is older"),
        ([RecordedMessage(1, "uci/S6", "perhaps")], "message 1 on uci/S6: .*sensors decode"),
    ],
)
def test_a_recording_that_cannot_be_judged_says_why(
    tmp_path: Path, messages: list[RecordedMessage], told: str
) -> None:
    """No sensor, the wrong order, a payload that nobody understands."""
    with pytest.raises(RecordedDataError, match=told):
        list(scenes_of(*written(tmp_path, messages, booking("a", 0, 30)), None))


@pytest.mark.parametrize(
    ("messages", "bookings", "told"),
    [
        ([], [booking("a", 0, 30)], "room.jsonl: there is no message in it"),
        (list(to_messages(morning())), [], "bookings.jsonl: there is no booking in it"),
        (
            list(to_messages(morning())),
            [booking("a", 600, 630)],
            "none of the bookings of room uci lies in its time",
        ),
    ],
)
def test_nothing_to_judge_is_no_perfect_figure(
    tmp_path: Path, messages: list[RecordedMessage], bookings: list[DrawnBooking], told: str
) -> None:
    """An empty file, or bookings of another week, end with a word about it and no table."""
    with pytest.raises(RecordedDataError, match=told):
        list(scenes_of(*written(tmp_path, messages, *bookings), None))


def test_a_narrow_terminal_gets_whole_words(tmp_path: Path) -> None:
    """In 80 columns each row is a paragraph with its heads, and no figure is torn apart."""
    drawn = draw_bookings(morning(), 1, hours=(0, 24))
    wanted = Wanted.of("all", "default", "none", 1, 1, full=False, data=None)
    results = run_recording(wanted, *written(tmp_path, list(to_messages(morning())), *drawn), None)
    narrow, wide = (Console(width=width, file=io.StringIO()) for width in (80, 160))
    for console in (narrow, wide):
        show(results, console)
    assert isinstance(narrow.file, io.StringIO)
    assert isinstance(wide.file, io.StringIO)
    told = " ".join(narrow.file.getvalue().split())
    assert all(len(line) <= 80 for line in narrow.file.getvalue().splitlines())
    assert "uci: bookings " in told
    assert "wrong per 1,000 (95 %) 0.00 (0.00 to " in told
    assert "wrong: taken from people, shown (a sensor showed them)" in " ".join(wide.file.getvalue().split())


def test_the_uci_room_is_heard_by_the_sensors_of_its_set() -> None:
    """Each set has its PIRs and no others."""
    names = {name: [p.id for p in uci_ears(sensors).room.sensors] for name, sensors in UCI_SETS.items()}
    assert names == {"uci-both": ["s6", "s7"], "uci-s6": ["s6"], "uci-s7": ["s7"]}


def test_drawn_bookings_tell_who_was_there(tmp_path: Path) -> None:
    """Stays are the counts from an hour before the start to the end, and survive the file."""
    drawn = next(one for one in draw_bookings(morning(), 1, hours=(0, 24)) if one.attended)
    assert drawn.stays
    assert sum((min(b, drawn.end) - max(a, drawn.start)) * n for a, b, n in drawn.stays) == drawn.people_ms
    write_bookings(tmp_path / "b.jsonl", [drawn])
    assert json.loads((tmp_path / "b.jsonl").read_text())["stays"] == [list(stay) for stay in drawn.stays]
