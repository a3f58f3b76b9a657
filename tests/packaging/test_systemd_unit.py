"""The systemd unit is one that systemd understands, and shuts the gateway in."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import load

PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = PACKAGING / "systemd" / "occupancy-gateway.service"
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_LIMIT = 15
"""Tenths of systemd's exposure level: what is left is the network, which the gateway is for."""

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed here")


def directives() -> dict[str, list[str]]:
    """Every directive of the unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as if the program were installed: verify looks for the file that ExecStart names."""
    text, replaced = re.subn(
        r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE
    )
    assert replaced == 1
    unit = tmp_path / UNIT.name
    unit.write_text(text)
    return unit


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which needs no running systemd for what is asked here."""
    assert ANALYZE is not None
    return subprocess.run(  # noqa: S603 - a fixed program on our own file
        [ANALYZE, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@needs_systemd
def test_systemd_understands_every_line(installed: Path) -> None:
    """A misspelt directive is only a warning to systemd, and would silently protect nothing."""
    done = analyze("verify", "--man=no", str(installed))
    ours = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert (done.returncode, ours) == (0, [])


@needs_systemd
def test_the_gateway_is_shut_in(installed: Path) -> None:
    """What systemd itself thinks of the unit stays below the limit."""
    done = analyze(
        "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_LIMIT}", str(installed)
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a file (needs version 250)")
    assert "Overall exposure level" in done.stdout
    assert done.returncode == 0, done.stdout[-200:]


def test_the_unit_starts_the_program_with_the_packaged_paths() -> None:
    """Program, configuration and credentials are where the instructions put them."""
    unit = directives()
    assert unit["ExecStart"] == [
        "/opt/occupancy-gateway/bin/occupancy-gateway run --config /etc/occupancy-gateway/gateway.toml"
    ]
    assert unit["Type"] == ["notify"]
    assert unit["Restart"] == ["on-failure"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["WatchdogSec"] == ["60s"]


def test_the_packaged_configuration_uses_what_the_unit_provides() -> None:
    """Every credential that the example names is loaded, and its folders are the unit's own."""
    unit = directives()
    loaded = {value.split(":")[0] for value in unit["LoadCredential"]}
    text = (PACKAGING / "gateway.toml").read_text()
    assert set(re.findall(r"\$\{CREDENTIALS_DIRECTORY\}/([\w-]+)", text)) == loaded
    settings = load(PACKAGING / "gateway.toml", environ={})
    assert settings.ledger.path.parent == Path("/var/lib") / unit["StateDirectory"][0]
    assert settings.control_socket.parent == Path("/run") / unit["RuntimeDirectory"][0]


def test_the_instructions_name_every_credential() -> None:
    """A file that LoadCredential names and nobody made keeps the service from starting."""
    text = (PACKAGING / "systemd" / "README.md").read_text()
    for credential in directives()["LoadCredential"]:
        assert credential.split(":")[1] in text
