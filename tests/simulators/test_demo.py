"""The demo as a newcomer runs it: real sockets, a morning at speed, figures that add up."""

import asyncio
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from gateway.ledger import LedgerReader
from gateway.settings import load
from simulators.cli import app
from simulators.demo import Demo, Options
from simulators.stage import scene

KEYS = [
    "seed",
    "rooms",
    "simulated_hours",
    "bookings",
    "ghosts",
    "released",
    "wrongly_released",
    "ghosts_missed",
    "checked_in",
    "hours_recoverable",
    "hours_returned",
    "causes",
    "graph_requests",
    "readings",
]


def test_a_short_morning_gives_rooms_back_and_takes_none_from_people(tmp_path: Path) -> None:
    """An hour in three rooms through MQTT and HTTPS: the JSON figures are complete and consistent."""
    file = tmp_path / "figures.json"
    arguments = [
        "demo",
        "--rooms",
        "3",
        "--hours",
        "1",
        "--speed",
        "480",
        "--seed",
        "3",
        "--headless",
        "--keep",
        str(tmp_path / "morning"),
        "--json",
    ]
    result = CliRunner().invoke(app, [*arguments, str(file)])
    assert result.exit_code == 0, result.output
    kept = load(tmp_path / "morning" / "gateway.toml")
    with LedgerReader(kept.ledger.path) as reader:
        assert reader.decisions(kind="concluded"), "what is kept can be asked about"
    again = CliRunner().invoke(app, [*arguments, str(file)])
    assert (again.exit_code, "is not empty" in again.output) == (2, True), "nothing there is written over"
    figures = json.loads(file.read_text())
    assert set(KEYS) <= set(figures)
    assert figures["wrongly_released"] == 0
    assert figures["bookings"] > 0
    assert figures["graph_requests"] > 0
    assert figures["readings"] > 100
    lost = sum(figures["causes"].values())
    assert figures["hours_returned"] + lost == pytest.approx(figures["hours_ghost"], abs=0.01)
    assert figures["hours_returned"] <= figures["hours_recoverable"] + 0.01
    assert "taken from people" in result.output


def test_the_same_seed_gives_the_same_people_and_bookings() -> None:
    """Planned before anything runs, whatever the machine does afterwards."""
    plans = [list(Demo(Options(seed=11)).office.bookings) for _ in range(2)]
    assert plans[0] == plans[1]
    assert plans[0] != list(Demo(Options(seed=12)).office.bookings)


async def test_the_scene_shows_every_room_and_fits_an_ordinary_terminal() -> None:
    """Drawn in the middle of a morning at 100 columns: all rooms, no line wider than the terminal."""
    demo = Demo(Options(rooms=2, hours=1, speed=1_200))
    drawn: list[str] = []

    def watch(now: Demo) -> None:
        console = Console(width=100, record=True, file=None, quiet=False, no_color=True, force_terminal=False)
        with console.capture() as capture:
            console.print(scene(now))
        drawn.append(capture.get())

    async with asyncio.timeout(60):
        await demo.run(watch)
    assert "Orion" in drawn[-1]
    assert "Lyra" in drawn[-1]
    assert max(len(line.rstrip()) for line in drawn[-1].splitlines()) <= 100


@pytest.mark.parametrize(
    "command", ["demo", "exchange", "office", "sensors", "record", "replay", "import-uci"]
)
def test_every_command_helps_a_newcomer(command: str) -> None:
    """Each says what it does and shows an example."""
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example:" in result.output


def test_the_rooms_of_an_office_can_be_printed_as_configuration() -> None:
    """What a gateway needs to know of the simulated sensors, as JSON."""
    result = CliRunner().invoke(app, ["office", "--rooms", "2", "--print-rooms"])
    assert result.exit_code == 0
    assert [room["id"] for room in json.loads(result.output)] == ["orion", "lyra"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("sensors flute", "there is no kind"),
        ("office --port 1 --hours 1", "error"),
        ("sensors radar --port 1", "error"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: str, told: str) -> None:
    """An unknown kind, a broker that is not there: an error and a failing exit code, no traceback."""
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code in (1, 2)
    assert told in result.output
    assert "Traceback" not in result.output
