"""`evidence` and `verify` on the scripted day."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted_day import ATTENDED, COMING, GHOST, LYRAS, SHADOWED, WITHHELD
from typer.testing import CliRunner, Result

from gateway.commands import app
from gateway.core.site import RULESET
from gateway.replay.bundle import Made, from_bytes, sealed, to_bytes
from gateway.run import FAILED, MISCONFIGURED
from gateway.whole_file import keep_bytes

pytestmark = pytest.mark.usefixtures("day")


def verified(file: Path, *more: str) -> Result:
    """What `verify` says; it needs no configuration."""
    return CliRunner().invoke(app, ["verify", str(file), *more])


def text(result: Result) -> str:
    """Standard output on one line."""
    return " ".join(result.stdout.split())


@pytest.fixture
def file(folder: Path, call: Any) -> Path:
    """The evidence of the ghost that was given back."""
    path = folder / "ghost.json"
    result = call("evidence", GHOST, "--out", str(path))
    assert result.exit_code == 0, result.stderr
    return path


def test_evidence_says_what_it_wrote_and_how_it_is_checked(folder: Path, call: Any) -> None:
    """The file, what is in it, and the command for whoever gets it."""
    result = call("evidence", GHOST[-6:], "--out", str(folder / "it.json"))
    assert result.exit_code == 0
    assert "5 decisions" in text(result)
    assert "occupancy-gateway verify it.json" in text(result)
    told = from_bytes((folder / "it.json").read_bytes(), "it.json")
    assert (told.room, told.room_name, told.booking.key) == ("orion", "", GHOST)
    assert told.time_zone == "Europe/Berlin"


@pytest.mark.thorough  # outside of coverage: it searches hundreds of altered days
def test_verify_tells_the_story_that_it_follows_and_what_would_have_changed_it(file: Path) -> None:
    """On the office's clock, without configuration or ledger."""
    result = verified(file)
    assert result.exit_code == 0
    said = text(result)
    assert said.startswith("orion Mon 21 Sep 2026 09:00")
    assert "worked out again, they are the same, byte for byte" in said
    assert "The room was given back at 09:10. What would have come to something else:" in said
    assert "One sign of presence at radar " in said
    assert "A smaller one that was not tried may exist." in said


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (ATTENDED, "Had radar not shown a sign of presence at 10:02"),
        (WITHHELD, "What would have given it back:"),
        pytest.param(
            SHADOWED,
            "In shadow mode, the room would have been given back at 14:10",
            marks=pytest.mark.thorough,  # as above
        ),
    ],
)
def test_each_kind_of_outcome_is_explained(folder: Path, call: Any, key: str, said: str) -> None:
    """Attended, withheld, in shadow."""
    out = str(folder / "it.json.gz")
    assert call("evidence", key, "--room", "orion", "--out", out).exit_code == 0
    result = verified(Path(out))
    assert result.exit_code == 0
    assert said in text(result)


@pytest.mark.thorough  # outside of coverage: it searches hundreds of altered days
def test_verify_for_programs(file: Path) -> None:
    """Everything as data, each change with its sentence."""
    told = json.loads(verified(file, "--json").stdout)
    assert told["follows"] is True
    assert told["problems"] == []
    assert told["booking"]["start"] == "2026-09-21T09:00:00+02:00"
    assert [one["kind"] for one in told["decisions"]][-1] == "concluded"
    found = told["otherwise"]
    assert found["searched"] is True
    change = found["changes"][0]
    assert (change["code"], change["sensors"]) == ("sign", ["radar"])
    assert change["text"].startswith("One sign of presence at radar ")
    assert change["since"] < change["until"] < found["taken_at"]


def test_evidence_for_programs(folder: Path, call: Any) -> None:
    """Where it is, how large, its digest, and whether it follows."""
    out = folder / "it.json"
    told = json.loads(call("evidence", "--room", "orion", "--out", str(out), "--json").stdout)
    assert told["file"] == str(out)
    assert told["bytes"] == out.stat().st_size
    assert told["follows"] is True
    assert told["sha256"] == from_bytes(out.read_bytes(), "it").sha256


def test_a_backup_can_be_asked_as_well(file: Path, folder: Path, call: Any) -> None:
    """The same evidence, whatever has become of the ledger in use."""
    (folder / "ledger.db").rename(folder / "backup.db")
    out = folder / "backup.json"
    backup = ("--ledger", str(folder / "backup.db"))
    assert call("evidence", GHOST, "--out", str(out)).exit_code == FAILED
    assert call("evidence", GHOST, *backup, "--out", str(out)).exit_code == 0
    assert out.read_bytes() == file.read_bytes()


def bare(folder: Path, *arguments: str) -> Result:
    """`evidence` on a copy of the ledger, where there is no configuration."""
    (folder / "gateway.toml").unlink(missing_ok=True)
    copy = ("--ledger", str(folder / "ledger.db"), "--config", str(folder / "gateway.toml"))
    return CliRunner().invoke(app, ["evidence", *arguments, *copy])


def test_a_ledger_alone_is_enough(file: Path, folder: Path) -> None:
    """With the office's zone named, the very same file comes of a copy on any machine."""
    out = folder / "bare.json"
    result = bare(folder, GHOST[-6:], "--out", str(out), "--time-zone", "Europe/Berlin")
    assert (result.exit_code, result.stderr) == (0, "")
    assert out.read_bytes() == file.read_bytes()


def test_the_zone_is_what_a_ledger_does_not_know(file: Path, folder: Path) -> None:
    """Times are UTC then, in the file as well, and it is said; decisions and facts are the same."""
    out = folder / "bare.json"
    result = bare(folder, "--room", "orion", GHOST, "--out", str(out))
    assert result.exit_code == 0
    assert "there is no configuration at" in result.stderr
    assert "so times are UTC; --time-zone names another" in result.stderr
    ours, known = (from_bytes(path.read_bytes(), path.name) for path in (out, file))
    assert (ours.time_zone, ours.told[0][:24]) == ("UTC", "Mon 21 Sep 2026 06:50:00")
    assert (known.time_zone, known.told[0][:24]) == ("Europe/Berlin", "Mon 21 Sep 2026 08:50:00")
    assert (ours.decisions, ours.facts, ours.start) == (known.decisions, known.facts, known.start)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--room", "vega"), "there is no room 'vega'; the rooms are: lyra, orion."),
        ((LYRAS,), "b2c3d40008 in lyra (Mon 21 Sep 16:00"),
        (("--room", "orion", "--time-zone", "Mars"), "--time-zone 'Mars': expected a zone"),
    ],
)
def test_a_ledger_alone_says_what_it_does_not_have(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Rooms and bookings are those of the ledger; an ambiguous key comes with the times of each."""
    result = bare(folder, *arguments, "--out", str(folder / "it.json"))
    assert result.exit_code != 0
    assert said in result.stderr
    assert not (folder / "it.json").exists()


def test_without_a_ledger_or_a_configuration_both_ways_out_are_named(folder: Path) -> None:
    """Wrong usage: nothing says which ledger is meant."""
    (folder / "gateway.toml").unlink()
    missing = ("--config", str(folder / "gateway.toml"))
    result = CliRunner().invoke(app, ["evidence", GHOST, "--out", str(folder / "it.json"), *missing])
    assert result.exit_code == MISCONFIGURED
    assert "gateway.toml: there is no configuration that names a ledger" in result.stderr
    assert "Name the ledger's file itself, or another configuration with --config." in result.stderr


def test_a_configuration_that_may_not_be_looked_for_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may not look into its folder gets a sentence; with a zone it is not asked for at all."""
    real = Path.exists

    def exists(path: Path) -> bool:
        if path.name == "gateway.toml":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "exists", exists)
    out = ("--out", str(folder / "it.json"))
    refused = bare(folder, GHOST, *out)
    assert (refused.exit_code, "gateway.toml: cannot be read" in refused.stderr) == (MISCONFIGURED, True)
    assert bare(folder, GHOST, *out, "--time-zone", "UTC").exit_code == 0


def test_a_file_that_is_no_ledger_is_told(folder: Path) -> None:
    """A name that is mistyped, and a file that is something else."""
    out = ("--room", "orion", "--out", str(folder / "it.json"))
    (folder / "ledger.db").write_text("not a ledger, but long enough to be looked into" * 40)
    assert "not readable as a ledger" in bare(folder, *out).stderr
    (folder / "ledger.db").unlink()
    assert "ledger.db: there is no such file." in bare(folder, *out).stderr


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DELETE FROM journal WHERE seq = ?", "is gone"),
        ("UPDATE journal SET event = '{' WHERE seq = ?", "of the journal cannot be"),
    ],
)
def test_a_fact_that_is_lost_is_no_evidence(folder: Path, call: Any, sql: str, why: str) -> None:
    """Nobody is given a file that looks whole; the event is named, and nothing is written."""
    with closing(sqlite3.connect(folder / "ledger.db")) as database, database:
        released = database.execute("SELECT max(seq) FROM decisions WHERE kind = 'release'").fetchone()[0]
        assert database.execute(sql, (released - 1,)).rowcount
    out = folder / "lost.json"
    result = call("evidence", GHOST, "--out", str(out))
    assert (result.exit_code, why in result.stderr) == (FAILED, True), result.output
    assert not out.exists()


def test_a_folder_is_no_file_to_write(folder: Path, call: Any) -> None:
    """Not even with --force."""
    for out in (str(folder), "."):
        refused = call("evidence", GHOST, "--out", out, "--force")
        assert (refused.exit_code, "expected a file, found a folder" in refused.stderr) == (2, True)


@pytest.mark.thorough  # outside of coverage: it searches hundreds of altered days
def test_a_file_that_is_there_stays_unless_it_is_forced(file: Path, call: Any) -> None:
    """Evidence is not overwritten by a slip."""
    file.write_text("mine")
    refused = call("evidence", GHOST, "--out", str(file))
    assert refused.exit_code == FAILED
    assert "there is such a file already" in refused.stderr
    assert file.read_text() == "mine"
    assert call("evidence", GHOST, "--out", str(file), "--force").exit_code == 0
    assert verified(file).exit_code == 0


def test_what_cannot_be_written_is_said(folder: Path, call: Any) -> None:
    """A folder that is not there."""
    result = call("evidence", GHOST, "--out", str(folder / "nowhere" / "it.json"))
    assert result.exit_code == FAILED
    assert "it.json: cannot be written" in result.stderr


def test_a_booking_has_to_be_named(folder: Path, call: Any) -> None:
    """Neither key nor room is wrong usage; two rooms with one key are told apart by --room."""
    out = ("--out", str(folder / "it.json"))
    assert call("evidence", *out).exit_code == MISCONFIGURED
    assert "or --room" in call("evidence", LYRAS, *out).stderr


def test_a_booking_without_a_decision_has_no_evidence(folder: Path, call: Any) -> None:
    """It is said, and no file is written."""
    result = call("evidence", COMING, "--out", str(folder / "it.json"))
    assert result.exit_code == FAILED
    assert "nothing has been decided about this booking yet" in result.stderr
    assert not (folder / "it.json").exists()


def test_altered_evidence_does_not_hold(file: Path) -> None:
    """The exit code says so, and the text what speaks against it; nothing is searched in it."""
    content = file.read_bytes()
    assert content.count(b'"alive",1') > 1
    file.write_bytes(content.replace(b'"alive",1', b'"alive",2', 1))
    result = verified(file)
    assert result.exit_code == FAILED
    assert "This evidence does not hold." in text(result)
    assert json.loads(verified(file, "--json").stdout)["otherwise"] is None


def test_other_rules_are_told(file: Path) -> None:
    """What today's rules would make of it, and that they cannot speak for those of then."""
    bundle = from_bytes(file.read_bytes(), "it")
    first, *rest = (Made(RULESET - 1, made.decision) for made in bundle.decisions)
    early = Made(first.ruleset, msgspec.structs.replace(first.decision, at=first.decision.at - 60_000))
    keep_bytes(file, to_bytes(sealed(msgspec.structs.replace(bundle, decisions=(early, *rest), program="0"))))
    result = verified(file)
    assert result.exit_code == FAILED
    assert "The rules have changed since" in text(result)
    assert "today's rules would decide at 08:50" in text(result)
    assert "does not hold" not in text(result)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "this is no evidence"),
        (b'{"kind": "occupancy-gateway evidence", "format": 9}', "at $.format it says 9"),
    ],
)
def test_what_is_no_evidence_is_wrong_usage(folder: Path, content: bytes, said: str) -> None:
    """Exit code 2, with the file's name and the place."""
    (folder / "it.json").write_bytes(content)
    result = verified(folder / "it.json")
    assert result.exit_code == MISCONFIGURED
    assert f"it.json: {said}" in result.stderr


def test_a_file_that_is_not_there_is_wrong_usage(folder: Path) -> None:
    """Its name is told."""
    result = verified(folder / "it.json")
    assert result.exit_code == MISCONFIGURED
    assert "it.json: cannot be read" in result.stderr


def test_a_zone_that_nobody_knows_is_told(file: Path) -> None:
    """Words need a clock."""
    bundle = from_bytes(file.read_bytes(), "it")
    keep_bytes(file, to_bytes(sealed(msgspec.structs.replace(bundle, time_zone="Mars/Olympus"))))
    result = verified(file)
    assert result.exit_code == MISCONFIGURED
    assert 'no time zone "Mars/Olympus" (at $.time_zone)' in result.stderr


def test_a_ledger_that_contradicts_itself_is_said(folder: Path, call: Any) -> None:
    """The file is written and shows it; the exit code is not 0."""
    connection = sqlite3.connect(folder / "ledger.db")
    connection.execute("DELETE FROM decisions WHERE booking = ? AND kind = 'warned'", (GHOST,))
    connection.commit()
    connection.close()
    result = call("evidence", GHOST, "--out", str(folder / "it.json"))
    assert result.exit_code == FAILED
    assert "decision 2 does not follow from the facts" in result.stderr
    assert verified(folder / "it.json").exit_code == FAILED
