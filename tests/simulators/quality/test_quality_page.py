"""The page belongs to its figures and these to the code; the command says what it does and what is wrong."""

import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from docs import generate
from simulators.cli import app
from simulators.quality import command
from simulators.quality.command import SLICE_DAYS, Wanted, ghost_slice_of, run_all, slice_of, uci_sums
from simulators.quality.kits import KITS
from simulators.quality.page import digest, page
from simulators.quality.policies import POLICIES
from simulators.quality.recorded import UCI_SETS
from simulators.quality.results import GOAL, Line, Results, encoded, lines_of, read_results
from simulators.quality.run import DEFAULT
from simulators.quality.scene import plan
from simulators.quality.tables import goal_by_ghost_share, tables

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
    again = ghost_slice_of(tuple(KITS), tuple(POLICIES), kept.ghost_shares, kept.seed)
    assert again == kept.ghost_slice


def test_the_page_speaks_of_every_set_and_of_enough_bookings(kept: Results) -> None:
    """All sets and policies are in it, and the promised ones were judged by ten thousand bookings."""
    assert {line.kit for line in kept.lines} == set(KITS)
    assert {line.kit for line in kept.uci} == set(UCI_SETS)
    assert kept.ghost_lines
    assert all(line.bookings >= 10_000 for line in (*kept.promised, *kept.ghost_lines))
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


# -- other shares of ghosts ---------------------------------------------------------------------------


def measured(kit: str = "radar", main: float | None = 0.9, **others: float | None) -> Results:
    """Recovered shares: of the main figures, and with other shares of ghosts, such as p10=0.97."""

    def line(recovered: float | None, ghost_share: float | None = None) -> Line:
        return Line(kit, DEFAULT, 1_000, 100, 90.0, 80.0, 70.0, recovered, (0.0, 0.0, 0.37),
                    causes={"withheld": 4.0}, ghost_share=ghost_share)  # fmt: skip

    ghost_lines = [line(recovered, int(name[1:]) / 100) for name, recovered in others.items()]
    return Results(1, 1_000, lines=[line(main)], ghost_lines=ghost_lines)


@pytest.mark.parametrize(
    ("results", "told"),
    [
        (measured(p10=0.97, p30=0.95, p50=0.8),
         "the goal is met where up to 30% of the bookings are ghosts, and not at 40% to 50%"),
        (measured(p10=0.97, p30=0.96),
         "the goal is met where up to 30% of the bookings are ghosts, and not at 40%"),
        (measured(main=0.96, p10=0.97, p50=0.95),
         "the goal is met at every share of ghosts that was measured (10% to 50%)"),
        (measured(p10=0.9499, p50=0.8),
         "the goal is met at none of the shares of ghosts that were measured (10% to 50%)"),
        (measured(p10=0.9, p20=0.96, p30=0.95),
         "the goal is met where the share of ghosts is 20%, 30%, and not at 10%, 40%"),
        (measured(main=0.96, p1=None, p50=0.9),
         "the goal is met where up to 40% of the bookings are ghosts, and not at 50%"),
    ],
)  # fmt: skip
def test_the_page_says_at_which_shares_of_ghosts_the_goal_is_met(results: Results, told: str) -> None:
    """Up to one of them, at all, at none, or here and there; where nothing could come back is left out."""
    assert goal_by_ghost_share(results) == {"radar": told}
    assert f"\nWith `radar` {told}.\n" in page(results)


def test_a_room_taken_from_people_in_sight_misses_the_goal_at_that_share() -> None:
    """Both parts of the goal count."""
    results = measured(main=0.96, p50=0.99)
    results.ghost_lines[0].wrong = {"never": 1}
    assert goal_by_ghost_share(results)["radar"].endswith(
        "up to 40% of the bookings are ghosts, and not at 50%"
    )


def test_figures_without_other_shares_say_nothing_of_them() -> None:
    """No sentence, no table, no method; the command on the page leaves them out as well."""
    without, with_them = page(measured()), page(measured(p10=0.97, p50=0.9))
    for words in ("With `radar` the goal", "Other shares of ghosts", "share of ghosts |"):
        assert words in with_them
        assert words not in without
    assert "--ghost-shares none " in without
    assert "--ghost-shares 10,50 " in with_them
    assert '"ghost' not in encoded(measured()).replace('"ghosts"', "")


def test_the_table_has_the_main_figures_in_its_midst() -> None:
    """From few ghosts to many; what is withheld in percent of what can be recovered."""
    (table,) = [one for one in tables(measured(p50=0.8, p10=0.97)) if "share of ghosts" in one.heads]
    rows = [dict(zip(table.heads, row, strict=True)) for row in table.rows]
    assert [(row["share of ghosts"], row["recovered"]) for row in rows] == [
        ("10%", "97.0%"),
        ("40%", "90.0%"),
        ("50%", "80.0%"),
    ]
    assert {row["withheld for a doubt"] for row in rows} == {"5.0%"}


@pytest.mark.thorough  # outside of coverage: its days take long with it
def test_other_shares_of_ghosts_leave_the_main_figures_alone(tmp_path: Path) -> None:
    """Asked for or not, the main figures are the same; the bar shows both; the slice can be played again."""

    def run(shares: str) -> tuple[Results, str]:
        wanted = Wanted.of("radar", "default", shares, 1, 1, full=False, data=tmp_path)
        screen = io.StringIO()
        return run_all(wanted, Console(file=screen, force_terminal=True), jobs=1), screen.getvalue()

    (with_them, shown), (without, _) = run("40,10"), run("none")
    assert (with_them.lines, with_them.slice) == (without.lines, without.slice)
    assert (without.ghost_lines, without.ghost_slice) == ([], [])
    (line,) = with_them.ghost_lines
    assert (line.ghost_share, line.way) == (0.1, DEFAULT)
    assert line.ghosts < 0.2 * line.bookings
    assert "other shares of ghosts" in shown
    again = ghost_slice_of(("radar",), (DEFAULT,), with_them.ghost_shares, 1)
    assert again == with_them.ghost_slice
    assert 0 < again[0].bookings < line.bookings
    read = msgspec.json.decode(encoded(with_them), type=Results)
    assert read == with_them


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
    assert "they are played with radar and radar+pir" in " ".join(result.stderr.split())
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
        (["--ghost-shares", "10,many"], "takes whole percents from 1 to 58 with commas between"),
        (["--ghost-shares", "0.1"], "or none; found '0.1'"),
        (["--ghost-shares", "0,10"], "or none; found '0'"),
        (["--ghost-shares", "58,59"], "or none; found '59'"),
        (["--ghost-shares", ""], "or none; found ''"),
        (["--recording", __file__], "a recording needs its bookings"),
    ],
)
def test_wrong_usage_is_told_with_what_would_be_right(arguments: list[str], told: str) -> None:
    """One sentence and exit code 2."""
    result = CliRunner().invoke(app, ["quality", *arguments])
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


def test_a_room_taken_from_people_in_sight_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script notices, and people read where it was."""
    line = Line("pir", DEFAULT, 1, 0, 0.0, 0.0, 0.0, None, (1000.0, 25.0, 1000.0), {"shown": 1})
    many = msgspec.structs.replace(line, kit="radar", ghost_share=0.5)
    for broken, told in (
        (Results(1, lines=[line]), "pir, default: 1 rooms"),
        (Results(1, ghost_lines=[many]), "radar, default, 50% ghosts: 1 rooms"),
    ):
        monkeypatch.setattr(command, run_all.__name__, lambda *_, broken=broken, **__: broken)
        result = CliRunner().invoke(app, ["quality"])
        assert result.exit_code == 1
        assert f"{told} were taken from people in sight" in result.output
