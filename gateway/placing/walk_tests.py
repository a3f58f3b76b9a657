"""Walk tests that are kept: a JSON file each, in the folder `walk-tests` beside the ledger.

They are what a person did and saw, for people; the gateway decides nothing by them.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.core.units import Instant
from gateway.placing.walk import Phases, RoomVerdict, Walked
from gateway.whole_file import keep_json

FOLDER: Final = "walk-tests"
VERSION: Final = 1
MAX_FILES: Final = 2_000
"""Looked through at most; nobody walks more often."""
MAX_BYTES: Final = 1024 * 1024
_NAME: Final = re.compile(r"(?P<room>[a-z0-9][a-z0-9_-]{0,63})\.(?P<stamp>\d{8}T\d{9}Z)\.json")


class WalkTest(msgspec.Struct, frozen=True):
    """A test as it is kept."""

    room: str
    at: Instant
    """When it ended."""
    phases: Phases
    sensors: tuple[Walked, ...]
    verdict: RoomVerdict
    version: int = VERSION


def folder_of(beside: Path) -> Path:
    """Where they are kept. `beside`: the ledger's folder."""
    return beside / FOLDER


def keep(test: WalkTest, beside: Path) -> Path:
    """Write a test whole or not at all; its path. Raises OSError."""
    folder = folder_of(beside)
    folder.mkdir(mode=0o750, exist_ok=True)
    moment = datetime.fromtimestamp(test.at / 1000, UTC)
    path = folder / f"{test.room}.{moment:%Y%m%dT%H%M%S}{test.at % 1000:03d}Z.json"
    keep_json(path, test)
    return path


def newest(beside: Path) -> Mapping[str, WalkTest]:
    """The newest test of each room; what cannot be read is left out."""
    paths: dict[str, Path] = {}
    try:
        names = sorted(path.name for path in folder_of(beside).iterdir())[:MAX_FILES]
    except OSError:
        return {}
    for name in names:  # in the order of time, for each room
        if match := _NAME.fullmatch(name):
            paths[match["room"]] = folder_of(beside) / name
    found: dict[str, WalkTest] = {}
    for room, path in paths.items():
        test = _read(path)
        if test is not None:
            found[room] = test
    return found


def _read(path: Path) -> WalkTest | None:
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        return msgspec.json.decode(path.read_bytes(), type=WalkTest)
    except (OSError, ValueError):
        return None


def newest_by_room(beside: Path) -> dict[str, Any]:
    """The newest tests as JSON: when, whether it went well, and what each sensor showed."""
    return {room: as_json(test) for room, test in sorted(newest(beside).items())}


def as_json(test: WalkTest) -> dict[str, Any]:
    """One test for programs and for `gateway.shown`."""
    builtins: dict[str, Any] = msgspec.to_builtins(test.verdict)
    return {
        "at": datetime.fromtimestamp(test.at / 1000, UTC).isoformat(timespec="seconds"),
        "good": test.verdict.good,
        **builtins,
    }
