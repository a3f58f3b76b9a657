"""What `evidence`, `replay` and `what-if` share: which ledger is meant, whose clock, which rooms it knows."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from gateway.commands.base import NotFound, Office, WrongUsage, no_room, tell
from gateway.ledger import LedgerReader

UTC = "UTC"

LedgerArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="LEDGER",
        help="The ledger's file, or a copy of it; left out: the one that the configuration names.",
        show_default=False,
    ),
]
ZoneOption = Annotated[
    str,
    typer.Option(
        "--time-zone",
        metavar="ZONE",
        help='Whose days and clock, such as "Europe/Berlin"; left out: the configuration\'s.',
    ),
]


def ledger_and_zone(ledger: Path | None, config: Path, time_zone: str) -> tuple[Path, ZoneInfo]:
    """What to read, and on whose clock: UTC for a ledger on a machine without configuration.

    Raises SettingsError, WrongUsage and NotFound.
    """
    zone = _zone(time_zone) if time_zone else None
    if ledger is not None and _is_missing(ledger):
        raise NotFound(f"{ledger}: there is no such file.")
    if ledger is not None and zone is not None:
        return ledger, zone
    if ledger is None and _is_missing(config):
        raise WrongUsage(
            f"{config}: there is no configuration that names a ledger. Name the ledger's file itself, or "
            "another configuration with --config."
        )
    if ledger is not None and _is_missing(config):
        tell(f"note: there is no configuration at {config}, so times are UTC; --time-zone names another.")
        return ledger, ZoneInfo(UTC)
    office = Office(config, ledger)
    return office.ledger_path, zone or office.zone


def _is_missing(file: Path) -> bool:
    try:
        return not file.exists()
    except PermissionError:  # told as always, when it is opened
        return False


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongUsage(f'--time-zone {name!r}: expected a zone such as "Europe/Berlin" or "UTC".') from None


def check_rooms(reader: LedgerReader, rooms: frozenset[str]) -> None:
    """Whether the ledger knows these rooms, now or in former days. Raises NotFound and LedgerError."""
    known = {room.id for room in reader.site().state.config.rooms}
    for room in sorted(rooms - known):
        if not reader.decisions(room=room, limit=1):
            raise no_room(room, known)
