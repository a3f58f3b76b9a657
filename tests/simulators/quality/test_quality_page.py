"""The page belongs to its figures and these to the code; the command says what it does and what is wrong."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs import generate
from simulators.cli import app
from simulators.quality import command
from simulators.quality.command import SLICE_DAYS, run_all, slice_of, uci_sums
from simulators.quality.kits import KITS
from simulators.quality.page import digest, page
from simulators.quality.policies import POLICIES
from simulators.quality.recorded import UCI_SETS
from simulators.quality.results import GOAL, Line, Results, encoded, lines_of, read_results
from simulators.quality.run import DEFAULT
from simulators.quality.scene import plan

FIGURES = generate.QUALITY.with_suffix(".json")
UCI = Path(__file__).parents[3].parent / "shared" / "data" / "occupancy" / "uci-room-occupancy.csv.gz"


@pytest.fixture(scope="module")
def kept() -> Results:
    """The figures beside the page."""
    return read_results(FIGURES)


def test_the_page_is_written_from_the_figures_beside_it(kept: Results) -> None:
    """Nobody has changed a figure by hand; if the words changed: make docs."""
    assert generate.QUALITY.read_text(encoding="utf-8") == page(kept)
    assert digest(kept) in page(kept)
    assert FIGURES.read_text(encoding="utf-8") == encoded(kept)


@pytest.mark.thorough  # outside of coverage: its days take long with it
def test_a_slice_of_the_figures_is_measured_again(kept: Results) -> None:
    """The first days of the first room, with every set, policy and rule, give exactly the kept figures.

    If not, the code decides otherwise than when the page was made: measure again as the page says.
    """
    assert slice_of(tuple(KITS), tuple(POLICIES), kept.seed) == kept.slice
    assert sum(line.bookings for line in kept.slice) > 20 * len(KITS)


def test_the_page_speaks_of_every_set_and_of_enough_bookings(kept: Results) -> None:
    """All sets and policies are in it, and the promised ones were judged by ten thousand bookings."""
    assert {line.kit for line in kept.lines} == set(KITS)
    assert {line.kit for line in kept.uci} == set(UCI_SETS)
    assert all(line.bookings >= 10_000 for line in kept.promised)
    assert {line.way for line in kept.lines if line.is_ours and not KITS[line.kit].fails} == set(POLICIES)


def test_no_room_was_taken_from_people_in_sight(kept: Results) -> None:
    """Where it is promised from nobody inside but who was stepping in; anywhere from nobody shown."""
    assert kept.taken_in_sight == []


@pytest.mark.thorough  # outside of coverage: its days take long with it
def test_the_uci_room_gives_the_same_again(kept: Results) -> None:
    """Its first draw of bookings, with each of its sets of sensors."""
    if not UCI.exists():
        pytest.skip("the shared data is not beside this repository")
    ((seed, sums),) = uci_sums(UCI, 1)
    assert (seed, lines_of(sums)) == (1, kept.uci_slice)


def test_the_slice_is_of_the_same_days_as_the_figures() -> None:
    """A day's plan does not depend on how many follow it."""
    short, long = plan(1_000_003, SLICE_DAYS), plan(1_000_003, SLICE_DAYS + 2)
    assert long.bookings[: len(short.bookings)] == short.bookings
    assert long.visits[: len(short.visits)] == short.visits


def test_a_goal_that_is_not_met_is_said_aloud() -> None:
    """The page does not hide what the figures show."""
    good = Line("radar", DEFAULT, 10_000, 4_000, 9.0, 8.0, 7.9, 0.9875, (0.0, 0.0, 0.369))
    bad = Line("radar+pir", DEFAULT, 10_000, 4_000, 9.0, 8.0, 7.0, 0.875, (0.1, 0.0, 0.5), {"never": 1})
    told = page(Results(1, 10_000, lines=[good, bad]))
    assert "98.8% come back (met); no room" in told
    assert "87.5% come back (**not met**); **1 of the rooms**" in told
    assert f"{GOAL:.0%}" in told


# -- the command --------------------------------------------------------------------------------------


def test_the_command_prints_tables_and_says_what_it_left_out(tmp_path: Path) -> None:
    """A small run: figures as JSON in a file, tables on the terminal, the missing recording by name."""
    arguments = [
        "quality",
        "--bookings-per-set",
        "1",
        "--sets",
        "counter",
        "--policies",
        "default",
        "--jobs",
        "1",
    ]
    file = tmp_path / "quality.json"
    result = CliRunner().invoke(app, [*arguments, "--data", str(tmp_path), "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "What comes back, and at whose cost" in result.output
    assert "The UCI recording is left out" in result.stderr
    assert "--data" in result.stderr
    lines = read_results(file).lines
    assert [line.way for line in lines] == [DEFAULT, "fixed-5-min", "motion-timeout", "check-in-only"]


@pytest.mark.thorough  # outside of coverage: its days take long with it
def test_json_goes_to_the_terminal_alone_where_a_program_reads() -> None:
    """Nothing but JSON on standard output."""
    arguments = [
        "quality",
        "--bookings-per-set",
        "1",
        "--sets",
        "door",
        "--policies",
        "default",
        "--jobs",
        "1",
    ]
    result = CliRunner().invoke(app, [*arguments, "--data", "/nowhere", "--json", "-"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["seed"] == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sets", "sonar"], "there is no set of sensors 'sonar'; there are: radar, "),
        (["--policies", "lax"], "there is no policy 'lax'; there are: default, "),
        (["--recording", __file__], "a recording needs its bookings"),
    ],
)
def test_wrong_usage_is_told_with_what_would_be_right(arguments: list[str], told: str) -> None:
    """One sentence and exit code 2."""
    result = CliRunner().invoke(app, ["quality", *arguments])
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


def test_a_room_taken_from_people_in_sight_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script notices."""
    broken = Results(
        1, lines=[Line("pir", DEFAULT, 1, 0, 0.0, 0.0, 0.0, None, (1000.0, 25.0, 1000.0), {"shown": 1})]
    )
    monkeypatch.setattr(command, run_all.__name__, lambda *_, **__: broken)
    result = CliRunner().invoke(app, ["quality"])
    assert result.exit_code == 1
    assert "1 rooms were taken from people in sight" in result.output
