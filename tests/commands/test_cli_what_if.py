"""`what-if`: the table, JSON and the picture; and what it says to wrong wishes."""

import json
import re
import shutil
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.commands import app
from gateway.core.policy import Policy
from gateway.core.units import DAY_MS, HOUR_MS
from gateway.shown.plot import Point, risk_plot
from simulators.office import Fitting, Office
from simulators.past import write_past

Try = Callable[..., Result]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A morning of three rooms in shadow, in which more than an hour is left alone."""
    path = tmp_path_factory.mktemp("past") / "ledger.db"
    start = 20_724 * DAY_MS + 7 * HOUR_MS
    mix: tuple[Fitting, ...] = ("radar+pir", "zigbee-pir")
    office = Office(5, 3, start_ms=start, hours=6, warm_up_ms=HOUR_MS, sensor_mix=mix)
    write_past(path, office, policy=Policy(exempt_longer_than_ms=HOUR_MS))
    return path


@pytest.fixture
def tries(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Try:
    """Call the command as from a shell, in this process."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("OCCUPANCY_GATEWAY_CONFIG", str(ledger.with_name("none.toml")))
    return lambda *more: CliRunner().invoke(app, ["what-if", str(ledger), "--jobs", "1", *more])


def test_the_first_row_is_as_it_was_configured(tries: Try) -> None:
    """Each policy is a row; causes and what history cannot tell stand below."""
    result = tries("--grace", "5m,20m", "--no-breaker")
    assert result.exit_code == 0, result.stderr
    rows = [line for line in result.stdout.splitlines() if re.match(r"\d  ", line)]
    assert [re.split(r" {2,}", row)[1] for row in rows[:3]] == [
        "as it was configured",
        "grace 5m",
        "grace 20m",
    ]
    assert "Ghost hours of bookings that were not given back, and why" in result.stdout
    assert "The breaker was left out" in result.stdout
    assert "Wrong: probably wrong. Within 15 min" in result.stdout
    assert "--no-breaker tells" not in result.stdout  # it was asked for
    assert "there is no configuration" in result.stderr


def test_a_narrow_terminal_shows_every_column(tries: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 80 columns each row still has its policy, and nothing is wider."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = tries("--grace", "5m,20m", "--hold", "5m,10m", "--no-breaker").stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert {"Policy", "Releases", "Wrong", "Hours back", "more"} <= set(re.split(r" {2,}", shown))
    for name in ("as it was", "grace 5m, hold 5m", "grace 20m, hold 10m"):
        assert name in shown


def test_json_says_the_same_for_programs(tries: Try) -> None:
    """Hours, counts, intervals and causes by code; rooms by their id; no names."""
    result = tries("--hold", "5m", "--json", "--from", "2026-09-28", "--time-zone", "Europe/Berlin")
    told = json.loads(result.stdout)
    configured, tried = told["variants"]
    assert (configured["policy"], tried["policy"]) == ("as it was configured", "hold 5m")
    assert configured["more_hours"] == 0
    assert configured["released"] == sum(configured["released_by_kind"].values())
    low, high = configured["wrong_share_95"]
    assert low <= configured["wrong_share"] <= high <= 1
    assert configured["returned_hours_95"] is None  # one day says nothing of how days differ
    assert {room["room"] for room in configured["rooms"]} <= {"orion", "lyra", "vega"}
    assert told["since"].endswith("+02:00")
    assert "person-" not in result.stdout


def test_a_file_of_policies_is_tried(tries: Try, tmp_path: Path) -> None:
    """Those of the same name are replaced; what the core does not decide is said to be left out."""
    path = tmp_path / "new.toml"
    path.write_text('[policy.default]\ngrace = "20m"\nhours = ["mon-fri 08:00-18:00"]\n[policy.other]\n')
    result = tries("--policy", str(path), "--json")
    told = json.loads(result.stdout)
    assert told["variants"][1]["policy"] == "new.toml"
    assert told["variants"][1]["returned_hours"] < told["variants"][0]["returned_hours"]
    assert told["notes"][0].endswith("not tried but left as history had it: hours.")
    assert "no room of this ledger has the policy 'other'" in result.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--grace", "5"), "--grace '5': found '5', expected a duration"),
        (("--grace", "5m,30s"), "found '30s', expected 1m to 4h"),
        (("--hold", "5m,"), "--hold '5m,': found '', expected a duration"),
        (("--plot", "risk.png"), "expected a file that ends in .svg"),
        (("--plot", "/nowhere/risk.svg"), "cannot be written"),
        (("--time-zone", "Mars"), "--time-zone 'Mars': expected a zone"),
        (("--from", "sometime"), ": --from 'sometime': expected a time"),
        (("--from", "2026-09-29", "--to", "2026-09-28"), "the period ends before it begins"),
        (("--grace", ",".join(f"{n}m" for n in range(1, 50))), "at most 40 can be compared"),
    ],
)
def test_wrong_wishes_are_told(tries: Try, options: tuple[str, ...], why: str) -> None:
    """Exit code 2, and a sentence that names the option and what was expected."""
    result = tries(*options)
    assert result.exit_code == 2
    assert why in result.stderr


def test_what_is_not_there_is_told(tries: Try, tmp_path: Path) -> None:
    """A room, a ledger, a period."""
    assert "there is no room 'mars'; the rooms are: lyra, orion, vega." in tries("--room", "mars").stderr
    assert "nothing is recorded in this period" in tries("--from", "2027-01-01").stderr
    missing = CliRunner().invoke(app, ["what-if", str(tmp_path / "none.db")])
    assert missing.exit_code == 1
    assert "none.db: there is no such file" in missing.stderr


def test_the_period_has_the_names_of_other_commands_too(tries: Try) -> None:
    """--since and --until, as in `report`."""
    one = tries("--since", "2026-09-28T09:00", "--until", "2026-09-28T12:00", "--json")
    other = tries("--from", "2026-09-28T09:00", "--to", "2026-09-28T12:00", "--json")
    assert one.exit_code == 0
    assert one.stdout == other.stdout


def test_a_broken_journal_stops_it_with_the_event(ledger: Path, tmp_path: Path) -> None:
    """A lost event, one that cannot be read, and a file that is damaged: a sentence, exit code 1."""
    for sql, why in (
        ("DELETE FROM journal WHERE seq = 20", "after event 19 comes event 21"),
        ("UPDATE journal SET event = '{' WHERE seq = 20", "event 20 of the journal"),
    ):
        copy = tmp_path / "copy.db"
        shutil.copy(ledger, copy)
        with closing(sqlite3.connect(copy)) as database, database:
            assert database.execute(sql).rowcount
        result = CliRunner().invoke(app, ["what-if", str(copy), "--jobs", "1"])
        assert result.exit_code == 1
        assert why in result.stderr
        assert isinstance(result.exception, SystemExit)
    whole, page = bytearray(ledger.read_bytes()), 4096
    middle = len(whole) // page // 2 * page  # the file can be opened, and the journal not be read
    whole[middle : middle + page // 2] = b"U" * (page // 2)
    copy.write_bytes(whole)
    result = CliRunner().invoke(app, ["what-if", str(copy), "--jobs", "1"])
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert "could not be read (database disk image is malformed)" in result.stderr


def test_where_a_picture_cannot_go_is_told_before_the_work(tmp_path: Path) -> None:
    """Nobody waits for a year of history to learn that a folder is missing."""
    for plot in (tmp_path / "nowhere" / "risk.svg", tmp_path / "folder.svg"):
        (tmp_path / "folder.svg").mkdir(exist_ok=True)
        result = CliRunner().invoke(app, ["what-if", str(tmp_path / "none.db"), "--plot", str(plot)])
        assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)


@pytest.mark.usefixtures("day")
def test_without_a_path_it_is_the_configured_ledger(call: Callable[..., Result]) -> None:
    """On the site's clock."""
    told = json.loads(call("what-if", "--jobs", "1", "--json").stdout)
    assert told["ledger"].endswith("ledger.db")
    assert told["since"].endswith("+02:00")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[policy.default]\ngrace = "soon"\n', "new.toml:2: policy.default.grace: found"),
        ('[policy.default]\nwarn_before_release = "20m"\n', "new.toml:2: policy.default.warn_before_release"),
        ("[policy.default\n", "new.toml:1: not TOML"),
        ("[polcy.default]\n", 'polcy: there is no such setting; did you mean "policy"?'),
        ('[site]\nname = "Contoso"\n', "expected at least one [policy.NAME], found none"),
        ("[policy.large]\n", "no room of this ledger has one of its policies; they have: default"),
    ],
)
def test_a_faulty_file_names_the_line(tries: Try, tmp_path: Path, text: str, why: str) -> None:
    """In the words of `check-config`, exit code 2."""
    path = tmp_path / "new.toml"
    path.write_text(text)
    result = tries("--policy", str(path))
    assert result.exit_code == 2
    assert why in result.stderr


def test_the_picture_is_well_formed_and_always_the_same(tries: Try, tmp_path: Path) -> None:
    """Two runs draw the same bytes: a numbered point, its name and its whiskers for each policy."""
    pictures = []
    for name in ("one.svg", "two.svg"):
        assert tries("--grace", "5m", "--plot", str(tmp_path / name)).exit_code == 0
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    words = [text.text for text in ET.fromstring(pictures[0]).iter(f"{SVG}text")]  # noqa: S314 - our own
    assert {"as it was configured", "grace 5m", "hours given back"} <= set(words)


def test_a_picture_holds_whatever_it_is_given() -> None:
    """One point, none, no spread, names with markup: every point lies within the plot."""
    odd = Point('<b>&"', 100.0, (0.0, 100.0), 0.0, (0.0, 0.0))
    for points in ([], [odd], [odd, Point("much", 0.0, (0.0, 0.4), 1e6, (9e5, 1.1e6))]):
        root = ET.fromstring(risk_plot(points, "A & B", "below"))  # noqa: S314 - our own
        _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
        discs = list(root.iter(f"{SVG}circle"))
        assert len(discs) == 2 * len(points)
        assert all(0 < float(disc.attrib["cx"]) < width for disc in discs)
        assert all(0 < float(disc.attrib["cy"]) < height for disc in discs)
