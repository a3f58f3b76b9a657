"""`replay` says whether recorded history comes out the same, and what today's rules would decide instead."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scripted_day import ATTENDED, GHOST, ScriptedDay
from timeline import MIDNIGHT
from typer.testing import CliRunner, Result

from gateway.commands import app
from gateway.commands import replay as command
from gateway.core import deadlines
from gateway.core.events import Tick
from gateway.core.site import RULESET
from gateway.core.steps import attendance
from gateway.core.units import DAY_MS, MINUTE_MS
from gateway.ledger import Batch, Ledger

Call = Callable[..., Result]


@pytest.fixture
def ledger(day: ScriptedDay, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scripted day's ledger; the present is the moment at which it ends."""
    monkeypatch.setattr(command, "present", lambda: day.now)
    return folder / "ledger.db"


@pytest.fixture
def older(ledger: Path) -> Path:
    """The same, decided by the ruleset before today's."""
    alter(ledger, "UPDATE decisions SET ruleset = ?", RULESET - 1)
    return ledger


def alter(path: Path, sql: str, *values: object) -> None:
    """Change a ledger after it was written."""
    with closing(sqlite3.connect(path)) as database, database:
        assert database.execute(sql, values).rowcount


def words(result: Result, code: int = 0) -> str:
    """What was printed, without line breaks and padding, dashes as "-"."""
    assert result.exit_code == code, result.output
    return " ".join(result.stdout.split()).replace("\N{EN DASH}", "-")


def data(result: Result, code: int = 0) -> Any:
    """What was printed as JSON."""
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def complaint(result: Result, code: int) -> str:
    """One sentence on standard error."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    (line,) = result.stderr.splitlines()
    return str(line)


# -- the same rules -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("ledger")
def test_the_configured_ledger_is_the_same(call: Call) -> None:
    """Without a path it is the gateway's own; times are the site's."""
    told = words(call("replay"))
    assert told.startswith("Mon 21 Sep 2026 07:00:00 - Mon 21 Sep 2026 18:05:00: ")
    assert f"decisions of ruleset {RULESET} (today's rules) The same: all" in told


def test_a_copy_of_a_ledger_is_run_where_it_lies_and_left_alone(ledger: Path, tmp_path: Path) -> None:
    """A backup on a machine without a configuration: times are UTC, and it says so."""
    copy = tmp_path / "copy.db"
    shutil.copy(ledger, copy)
    before = copy.read_bytes()
    nowhere = str(tmp_path / "nowhere.toml")
    result = CliRunner().invoke(app, ["replay", str(copy), "--config", nowhere])
    assert "Mon 21 Sep 2026 05:00:00 - Mon 21 Sep 2026 16:05:00: " in words(result)
    assert "there is no configuration at" in result.stderr
    assert copy.read_bytes() == before


def test_a_running_gateway_need_not_be_stopped(ledger: Path, call: Call) -> None:
    """Its lock keeps out other writers, no reader."""
    running = Ledger(ledger)
    try:
        assert "The same: all" in words(call("replay"))
    finally:
        running.close()


@pytest.mark.usefixtures("ledger")
def test_as_json_it_says_what_was_compared(call: Call) -> None:
    """For a nightly check."""
    found = data(call("replay", "--json"))
    assert found["same"] is True
    assert found["faults"] == found["differences"] == []
    assert found["events"] > found["decisions"] > 20
    assert found["stretches"] == [
        {
            "ruleset": RULESET,
            "since": "2026-09-21T07:00:00+02:00",
            "until": "2026-09-21T18:05:00+02:00",
            "decisions": found["decisions"],
        }
    ]


def test_an_altered_decision_is_a_fault(ledger: Path, call: Call) -> None:
    """Prominent, with the event, both sides in words, and exit code 1."""
    alter(ledger, "UPDATE decisions SET body = replace(body, '\"due\"', '\"kept\"') WHERE kind = 'release'")
    told = words(call("replay"), 1)
    assert "NOT THE SAME: the same rules and the same facts come to another conclusion." in told
    assert "recorded 09:10:00 The room is being given back: " in told
    assert "a person asked to keep it" in told.partition("again 09:10:00")[0]
    assert "due since 09:10" in told.partition("again 09:10:00")[2]
    assert "The same:" not in told
    (fault, *_) = data(call("replay", "--json"), 1)["faults"]
    assert [decision["booking"] for decision in fault["again"]] == [GHOST]


def test_a_stretch_of_time_and_a_room_are_compared_alone(ledger: Path, call: Call) -> None:
    """A fault at nine is none of the afternoon's, nor of another room's."""
    alter(ledger, "DELETE FROM decisions WHERE kind = 'release'")
    assert data(call("replay", "--json", "--from", "08:00", "--to", "10:00", "--room", "orion"), 1)["faults"]
    assert "The same: all" in words(call("replay", "--from", "12:00"))
    assert "The same: all" in words(call("replay", "--to", "09:00"))
    assert "The same: all" in words(call("replay", "--room", "lyra"))


@pytest.mark.usefixtures("ledger")
def test_what_is_named_is_what_was_asked_for(call: Call) -> None:
    """Not the earlier moment from which the journal had to be run."""
    told = words(call("replay", "--since", "09:00", "--until", "12:00"))
    assert told.startswith("Mon 21 Sep 2026 09:00:00 - Mon 21 Sep 2026 1")
    (part,) = data(call("replay", "--since", "09:00", "--json"))["stretches"]
    assert part["since"] == "2026-09-21T09:00:00+02:00"


# -- other rules --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("older")
def test_other_rules_that_decided_the_same_are_told(call: Call) -> None:
    """Nothing would have been otherwise."""
    told = words(call("replay", "--strict"))
    assert f"decisions of ruleset {RULESET - 1} (other rules than today's)" in told
    assert "Today's rules decide the same on" in told


@pytest.mark.usefixtures("older")
def test_what_today_decides_otherwise_is_listed_and_no_fault(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded and today, with moments and reasons, booking by booking; exit code 1 only if asked for."""
    for module in (attendance, deadlines):  # what is concluded, and when the next look is due
        monkeypatch.setattr(module, "SHOWN_FOR_CHECK_IN_MS", 5 * MINUTE_MS)
    told = words(call("replay"))
    assert "recorded 10:02:30 Checked in: radar showed presence for 30 s." in told
    assert "today 10:07:00 Checked in: radar showed presence for 5 min." in told
    assert f"Today's rules (ruleset {RULESET}) decide otherwise on 2 bookings," in told
    assert "That is no fault." in told
    found = data(call("replay", "--strict", "--json"), 1)
    assert (found["same"], found["faults"]) == (True, [])
    one = next(one for one in found["differences"] if one["booking"] == ATTENDED)
    assert [decision["kind"] for decision in one["recorded"]] == ["checked_in"]
    assert data(call("replay", "--json", "--room", "lyra"))["differences"] == []


# -- what cannot be asked -----------------------------------------------------------------------------


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--from", "soon"), 2, ": --from 'soon': expected a time such as"),
        (("--from", "12:00", "--to", "11:00"), 2, ": --from '12:00' --to '11:00': the period ends"),
        (("--to", "2026-09-20"), 1, "history can be run again from Mon 21 Sep 2026 07:00:00 on"),
        (("--from", "2026-09-22"), 1, "nothing is recorded after Mon 21 Sep 2026 18:05:00"),
        (("--room", "vega"), 1, "there is no room 'vega'; the rooms are: "),
        (("nowhere.db",), 1, "nowhere.db: there is no such file"),
    ],
)
def test_what_cannot_be_meant_is_told(
    call: Call, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    """One sentence, on standard error, with the right exit code."""
    assert sentence in complaint(call("replay", *arguments), code)


def test_an_empty_ledger_and_one_too_new_are_told(ledger: Path, call: Call, tmp_path: Path) -> None:
    """Neither is mistaken for one in which everything is the same."""
    Ledger(tmp_path / "empty.db").close()
    assert "nothing has been recorded yet" in complaint(call("replay", str(tmp_path / "empty.db")), 1)
    alter(ledger, "UPDATE _sqlite_migrations SET name = 'tomorrow'")
    assert "was written by a newer version of the gateway" in complaint(call("replay"), 1)


def test_a_ledger_that_cannot_be_run_is_told(ledger: Path, call: Call) -> None:
    """Where it is damaged, and that nothing was changed."""
    alter(ledger, "DELETE FROM journal WHERE seq = 20")
    assert "after event 19 comes event 21" in complaint(call("replay"), 1)
    ledger.write_bytes(b"this was a ledger once" * 100)
    assert "not readable as a ledger" in complaint(call("replay"), 1)


def test_a_time_that_was_forgotten_is_told_with_what_is_left(folder: Path, call: Call) -> None:
    """A journal that has lost its beginning begins at its first snapshot; asked about before, it says so."""
    day = ScriptedDay()
    day.play()
    day.batch.snapshot = day.site.snapshot()
    (folder / "ledger.db").unlink(missing_ok=True)
    day.store(folder / "ledger.db")
    ledger = Ledger(folder / "ledger.db")
    day.site.handle(Tick(), day.now + DAY_MS)
    ledger.commit(Batch([(day.now + DAY_MS, Tick())], snapshot=day.site.snapshot()))
    while ledger.prune(MIDNIGHT + DAY_MS):
        pass
    ledger.close()
    told = complaint(call("replay", "--from", "2026-09-21T08:00"), 1)
    assert "history can be run again from Mon 21 Sep 2026 18:05:00 on, not from before" in told
