"""Whatever goes wrong is one clear sentence on standard error, with the right exit code."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from scripted_day import ScriptedDay
from typer.testing import CliRunner, Result

from gateway.commands import app, base
from gateway.core.units import HOUR_MS
from gateway.run import CONFIG_VARIABLE

Call = Callable[..., Result]

LOOKING = [["status"], ["explain", "--room", "orion"], ["bookings"], ["decisions"], ["report"]]


def complaint(result: Result, code: int) -> str:
    """What a command that failed said: one sentence, and nothing on standard output."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("occupancy-gateway: ")
    return lines[0]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("arguments", LOOKING, ids=lambda arguments: arguments[0])
def test_a_missing_ledger_asks_whether_the_gateway_was_started(call: Call, arguments: list[str]) -> None:
    """Before the first start there is nothing to look at."""
    assert "there is no ledger yet. Has the gateway been started" in complaint(call(*arguments), 1)


@pytest.mark.parametrize("arguments", LOOKING, ids=lambda arguments: arguments[0])
def test_a_file_of_rubbish_is_told_and_left_alone(folder: Path, call: Call, arguments: list[str]) -> None:
    """Looking must never make it worse."""
    rubbish = folder / "ledger.db"
    rubbish.write_bytes(b"this was a ledger once" * 100)
    before = rubbish.read_bytes()
    assert "not readable as a ledger" in complaint(call(*arguments), 1)
    assert rubbish.read_bytes() == before


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize("arguments", LOOKING, ids=lambda arguments: arguments[0])
def test_a_ledger_damaged_in_the_middle_is_told(folder: Path, call: Call, arguments: list[str]) -> None:
    """Also where the first page is sound and the rest is not."""
    path = folder / "ledger.db"
    with closing(sqlite3.connect(path)) as database:
        pages = database.execute("SELECT rootpage FROM sqlite_master WHERE name IN ('decisions', 'journal')")
        damaged = [page for (page,) in pages]
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        for page in damaged:
            file.seek((page - 1) * size)
            file.write(b"\xa5" * size)
    words = complaint(call(*arguments), 1)
    assert "ledger.db" in words
    assert "not been changed" in words


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize("arguments", LOOKING, ids=lambda arguments: arguments[0])
def test_a_newer_ledger_asks_for_the_newer_version(folder: Path, call: Call, arguments: list[str]) -> None:
    """An old program must not read new tables as if it knew them."""
    with closing(sqlite3.connect(folder / "ledger.db")) as database, database:
        database.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('occupancy-gateway', 'of_tomorrow', '')"
        )
    words = complaint(call(*arguments), 1)
    assert "written by a newer version of the gateway (it has: of_tomorrow)" in words


@pytest.mark.usefixtures("day")
def test_a_ledger_that_may_not_be_read_names_who_may(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an edge box the ledger belongs to the service's own user."""

    def not_allowed(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(base, "LedgerReader", not_allowed)
    assert "run this as the gateway's user, or as root" in complaint(call("decisions"), 1)


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--room", "vega"],
        ["explain", "--room", "vega"],
        ["bookings", "--room", "vega"],
        ["decisions", "--room", "vega"],
        ["report", "--room", "vega"],
        ["check-in", "vega"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_wrong_room_is_answered_with_the_rooms_there_are(call: Call, arguments: list[str]) -> None:
    """A slip of the finger is mended at a glance."""
    assert "there is no room 'vega'; the rooms are: lyra, orion." in complaint(call(*arguments), 1)


@pytest.mark.usefixtures("day")
def test_an_unknown_booking_names_the_command_that_lists_them(call: Call) -> None:
    """The next step stands in the sentence."""
    words = complaint(call("explain", "ffff"), 1)
    assert "no booking has 'ffff' in its key; `occupancy-gateway bookings` lists those of a day." in words


@pytest.mark.usefixtures("day")
def test_an_ambiguous_beginning_lists_a_few_that_it_fits(call: Call) -> None:
    """With rooms and times, so that one can choose."""
    words = complaint(call("explain", "04000000"), 1).replace("\N{EN DASH}", "-")
    assert "'04000000' fits 10 bookings: " in words
    assert "…b2c3d40001 in orion (Mon 21 Sep 09:00 - 10:00)" in words
    assert "and 5 more. Give more of the key, or --room." in words


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["explain"], "say which booking"),
        (["decisions", "--kind", "nonsense"], "there are: opened, seen, checked_in"),
        (["decisions", "--since", "soon"], ": --since 'soon': expected a time such as"),
        (["decisions", "--from", "soon"], ": --from 'soon': expected a time such as"),
        (["decisions", "--from=soon"], ": --from 'soon': expected a time such as"),
        (["decisions", "--until", "soon"], ": --until 'soon': expected a time such as"),
        (["decisions", "--to", "soon"], ": --to 'soon': expected a time such as"),
        (["decisions", "--from", "now", "--since", "soon"], ": --since 'soon': expected a time such as"),
        (["decisions", "--since", "soon", "--room", "--from"], ": --since 'soon': expected a time such as"),
        (["shadow-record", "--from", "soon"], ": --from 'soon': expected a time such as"),
        (["bookings", "--day", "someday"], "--day 'someday': expected a day such as"),
        (["report", "--since", "18:01"], "at least one whole hour"),
        (["report", "--from", "18:01"], ": --from '18:01' --until 'now': a report covers"),
        (["report", "--since", "2026-10-01"], ": --since '2026-10-01' --until 'now': the period ends before"),
        (["report", "--from", "15:00", "--to", "14:00"], ": --from '15:00' --to '14:00': the period ends"),
        (["decisions", "--to", "1970-01-01"], ": --to '1970-01-01': the period ends before it begins"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_told_with_exit_code_2(call: Call, arguments: list[str], what: str) -> None:
    """What was expected stands in the sentence, and an option by the name it was typed under."""
    assert what in complaint(call(*arguments), 2)


@pytest.mark.parametrize("arguments", [*LOOKING, ["check-in", "orion"], ["check-config"]])
def test_a_missing_configuration_is_named_with_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    """Every command tells which file it looked for."""
    missing = tmp_path / "none.toml"
    result = CliRunner().invoke(app, [*arguments, "--config", str(missing)])
    assert complaint(result, 2) == f"occupancy-gateway: {missing}: cannot be read (No such file or directory)"


@pytest.mark.usefixtures("day")
def test_the_environment_names_the_configuration_where_no_option_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OCCUPANCY_GATEWAY_CONFIG spares typing --config on the edge box."""
    monkeypatch.setenv(CONFIG_VARIABLE, str(folder / "gateway.toml"))
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 0
    assert "Contoso Riverside" in result.stdout


@pytest.mark.usefixtures("folder")
def test_an_old_ledger_is_shown_with_a_note_that_no_gateway_seems_to_run(
    day: ScriptedDay, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yesterday's state must not be taken for today's."""
    monkeypatch.setattr(base, "present", lambda: day.now + HOUR_MS)
    result = call("explain", "--room", "orion")
    assert result.exit_code == 0
    assert "the newest entry of the ledger is of Mon 21 Sep 2026 18:05:00" in result.stderr
    assert "does not seem to run" in result.stderr


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize("arguments", [["replay"], ["what-if", "--jobs", "1"], ["shadow-record"], ["report"]])
def test_a_ledger_that_may_not_be_read_is_no_damaged_one(
    call: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Whoever may not look into it is told as whom to ask."""
    allowed = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, *how, **more: Path(path).name != "ledger.db" and allowed(path, *how, **more),
    )
    assert "ledger.db: not allowed; run this as the gateway's user" in complaint(call(*arguments), 1)


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["evidence", "--room", "orion", "--out", "it.json"], 1), (["what-if", "--plot", "it.svg"], 2)],
)
def test_a_folder_that_may_not_be_looked_into_is_told(
    call: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    """A sentence, before anything is worked out."""

    def refuse(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert "cannot be written (Permission denied)" in complaint(call(*arguments), code)
