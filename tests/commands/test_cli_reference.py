"""The help of every command is good enough for a newcomer, and the reference says the same."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gateway import __version__
from gateway.commands import app
from gateway.commands.reference import reference

ROOT = Path(__file__).parents[2]
NEED_NO_CONFIGURATION = {"sensors decode", "verify"}


def names(group: Any, before: str = "") -> list[str]:
    """All commands; those of a group with two words."""
    found: list[str] = []
    for name, command in getattr(group, "commands", {}).items():
        found += names(command, f"{name} ") if hasattr(command, "commands") else [before + name]
    return sorted(found)


COMMANDS = names(typer.main.get_command(app))


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program itself, as installed."""
    return subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "gateway.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_reference_says_what_the_commands_say() -> None:
    """If this fails: python -m gateway.commands.reference > docs/commands.md."""
    assert (ROOT / "docs" / "commands.md").read_text() == reference()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_a_sentence_and_an_example_and_fits_the_terminal(command: str) -> None:
    """Each begins with one short sentence and shows how it is called."""
    result = CliRunner().invoke(app, [*command.split(), "--help"], terminal_width=80)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[2].endswith(".")
    assert f"    occupancy-gateway {command}" in result.stdout
    assert max(map(len, lines)) <= 80
    assert ("--config FILE" in result.stdout) == (command not in NEED_NO_CONFIGURATION)


def test_every_command_that_a_program_may_read_prints_json() -> None:
    """`run` has nothing to print."""
    runner = CliRunner()
    without = [c for c in COMMANDS if "--json" not in runner.invoke(app, [*c.split(), "--help"]).stdout]
    assert without == ["run"]


@pytest.mark.thorough  # outside of coverage: a program of its own takes long to start with it
def test_the_program_lists_run_and_helps_with_it_like_with_the_others() -> None:
    """`run` starts on a way of its own; nobody who asks for help notices."""
    overview = program("--help")
    assert overview.returncode == 0
    assert "Run the gateway until it is stopped." in overview.stdout
    assert "..." not in overview.stdout.partition("Commands:")[2]
    own = program("run", "--help")
    assert own.returncode == 0
    assert "Usage: occupancy-gateway run [OPTIONS]" in own.stdout
    assert "Example:" in own.stdout


def test_the_version_is_told() -> None:
    """The first thing that support asks for."""
    result = CliRunner().invoke(app, ["--version"])
    assert result.stdout == f"occupancy-gateway {__version__}\n"


@pytest.mark.thorough  # outside of coverage: a program of its own takes long to start with it
def test_a_mistyped_command_is_wrong_usage() -> None:
    """Exit code 2, and how to get help."""
    result = program("staus")
    assert result.returncode == 2
    assert "--help" in result.stderr
