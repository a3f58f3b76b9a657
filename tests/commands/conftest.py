"""A scripted day in a ledger for the commands to look at, and a way to call them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_day import CONFIG_TEXT, ScriptedDay
from typer.testing import CliRunner, Result

from gateway.commands import app, base, look
from gateway.run import CONFIG_VARIABLE

Call = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration; the environment says nothing of its own."""
    (tmp_path / "gateway.toml").write_text(CONFIG_TEXT)
    secret = tmp_path / "graph-secret"
    secret.write_text("invented\n")
    secret.chmod(0o600)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScriptedDay, Path]:
    """The scripted day and its ledger, made once."""
    day, path = ScriptedDay(), tmp_path_factory.mktemp("played") / "ledger.db"
    day.play()
    day.store(path)
    return day, path


@pytest.fixture
def day(folder: Path, played: tuple[ScriptedDay, Path], monkeypatch: pytest.MonkeyPatch) -> ScriptedDay:
    """The scripted day in the folder's ledger; the present is the moment at which it ends."""
    day, ledger = played
    shutil.copy(ledger, folder / "ledger.db")
    for module in (base, look):
        monkeypatch.setattr(module, "present", lambda: day.now)
    return day


@pytest.fixture
def call(folder: Path) -> Call:
    """Call a command as from a shell; the result has exit code, standard output and standard error."""

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--config", str(folder / "gateway.toml")])

    return call
