"""`occupancy-simulator scenario`: what holds, what does not and why, what cannot be read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulators.cli import app

HOLDS = """# Nobody came: the room is given back.
room orion: radar
book orion 09:00-10:00 by ana
09:11 expect orion 09:00 released at 09:10
"""
FAILS = HOLDS.replace("at 09:10", "at 09:05")
UNREADABLE = HOLDS.replace("released", "relesed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a timeline of each sort."""
    for name, text in (("holds", HOLDS), ("fails", FAILS), ("unreadable", UNREADABLE)):
        (tmp_path / f"{name}.timeline").write_text(text)
    return tmp_path


def test_a_timeline_that_holds_is_told_with_its_rule(folder: Path) -> None:
    """One line a timeline, exit code 0."""
    result = CliRunner().invoke(app, ["scenario", str(folder / "holds.timeline")])
    assert result.exit_code == 0, result.output
    assert "holds.timeline: Nobody came: the room is given back." in result.output
    assert "1 of 1 timelines hold" in result.output


def test_a_failure_shows_the_line_what_is_instead_and_why(folder: Path) -> None:
    """The text with the line marked, what explain says of the booking; exit code 1, after all have run."""
    files = [str(folder / f"{name}.timeline") for name in ("fails", "holds")]
    result = CliRunner().invoke(app, ["scenario", *files])
    assert result.exit_code == 1
    assert "fails.timeline:4: 09:11 expect orion 09:00 released at 09:05" in result.output
    assert "but that was at 09:10:10" in result.output
    assert ">   4 | 09:11 expect orion 09:00 released at 09:05" in result.output
    assert "09:07:00  Warning" in result.output
    assert "1 of 2 timelines hold" in result.output


def test_what_cannot_be_read_is_an_error_with_its_place(folder: Path) -> None:
    """File, line and what was probably meant on standard error; exit code 2, and the others run."""
    result = CliRunner().invoke(app, ["scenario", str(folder)])
    assert result.exit_code == 2
    assert "unreadable.timeline:4: this says nothing that is known" in result.stderr
    assert "did you mean" in result.stderr
    assert "1 of 3 timelines hold, 1 cannot be read" in result.stdout


def test_what_goes_wrong_on_the_way_is_told_the_same_way(tmp_path: Path) -> None:
    """A name that is not there is noticed only when its time comes."""
    file = tmp_path / "unknown.timeline"
    file.write_text(HOLDS.replace("09:11 expect orion", "09:11 expect orinon"))
    result = CliRunner().invoke(app, ["scenario", str(file)])
    assert result.exit_code == 2
    assert 'unknown.timeline:4: there is no room "orinon"; did you mean "orion"?' in result.stderr


def test_programs_get_everything_as_json(folder: Path) -> None:
    """Each timeline's rule, whether it holds, the problem with its line, and every decision in words."""
    files = [str(folder / f"{name}.timeline") for name in ("fails", "holds")]
    result = CliRunner().invoke(app, ["scenario", *files, "--json"])
    assert result.exit_code == 1
    fails, holds = json.loads(result.stdout)
    assert (fails["passed"], fails["line"]) == (False, 4)
    assert "but that was at 09:10:10" in fails["problem"]
    assert (holds["passed"], holds["line"], holds["problem"]) == (True, 0, "")
    assert any("given back" in decision for decision in holds["decisions"])


def test_a_folder_without_timelines_is_a_mistake(tmp_path: Path) -> None:
    """Whoever mistyped a folder's name is not told that all is well."""
    result = CliRunner().invoke(app, ["scenario", str(tmp_path)])
    assert result.exit_code == 2
    assert "0 of 0 timelines hold" in result.stdout


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not text"])
def test_a_file_that_cannot_be_read_at_all_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Exit code 2, and the name."""
    file = tmp_path / "strange.timeline"
    if content is not None:
        file.write_bytes(content)
    result = CliRunner().invoke(app, ["scenario", str(file)])
    assert result.exit_code == 2
    assert "strange.timeline" in result.stderr
