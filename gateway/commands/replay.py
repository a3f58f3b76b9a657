"""`replay`: the journal is given to the core again, and every decision compared with the recorded one."""

import time
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from gateway.commands.base import (
    CONFIG,
    ConfigOption,
    JsonOption,
    NotFound,
    Office,
    RoomOption,
    WrongUsage,
    present,
    print_json,
    reading,
    tell,
)
from gateway.commands.moments import parse_moment
from gateway.core.units import Instant
from gateway.ledger import LedgerReader
from gateway.replay.rerun import END, Wanted, rerun
from gateway.replay.start import start
from gateway.run import FAILED
from gateway.shown.paint import Times, console
from gateway.shown.progress import progress_bar
from gateway.shown.replay import paint_verdict, verdict_json

FROM: Final = "--from"
TO: Final = "--to"


def replay(
    ledger: Annotated[
        Path | None,
        typer.Argument(
            metavar="LEDGER",
            help="The ledger's file, or a copy of it; left out: the one that the configuration names.",
            show_default=False,
        ),
    ] = None,
    *,
    config: ConfigOption = CONFIG,
    room: RoomOption = "",
    since: Annotated[
        str,
        typer.Option(
            FROM, metavar="TIME", help='From when on: "7d" (ago), "yesterday", "2026-09-22", "09:30".'
        ),
    ] = "",
    until: Annotated[
        str, typer.Option(TO, metavar="TIME", help="Until when, in the same forms; left out: its end.")
    ] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 also where only today's rules decide otherwise.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run history again, and compare what is decided.

    Gives the journal to the core once more and compares. Under the same rules every decision must be the
    same; if one is not, the ledger was altered or the program is at fault (exit code 1). Decisions of
    older rules are compared by meaning: what today's rules would decide instead is listed, booking by
    booking, and is no fault. Nothing is changed or written, and the gateway may go on running. With a
    LEDGER and no configuration, times are UTC.

    Examples:
      occupancy-gateway replay
      occupancy-gateway replay /var/backups/occupancy-ledger.db --from 7d
    """
    path, zone = _ledger_and_zone(ledger, config)
    times, now = Times(zone), present()
    begins = parse_moment(FROM, since, now, zone) if since else None
    ends = parse_moment(TO, until, now, zone) if until else END
    if (begins or 0) >= ends:
        raise WrongUsage(f"{FROM} {since!r} {TO} {until!r}: the first must be before the second.")
    began = time.perf_counter()
    with reading(path) as reader, progress_bar("events", shown=True, timed=True) as progress:
        _check(reader, room, begins, ends, times)
        verdict = rerun(reader, Wanted(begins, ends, room), progress)
    seconds = time.perf_counter() - began
    if json:
        print_json({"ledger": str(path)} | verdict_json(verdict, times) | {"seconds": round(seconds, 3)})
    else:
        paint_verdict(console(), verdict, times)
    if verdict.faults or (strict and verdict.differences):
        raise typer.Exit(FAILED)


def _ledger_and_zone(ledger: Path | None, config: Path) -> tuple[Path, ZoneInfo]:
    """What to read, and on whose clock. Raises SettingsError."""
    if ledger is not None and not config.exists():
        tell(f"note: there is no configuration at {config}, so times are UTC.")
        return ledger, ZoneInfo("UTC")
    office = Office(config)
    return ledger or office.settings.ledger.path, office.zone


def _check(reader: LedgerReader, room: str, begins: Instant | None, ends: Instant, times: Times) -> None:
    """Whether there is anything of that time and room. Raises NotFound, or LedgerError if it is empty."""
    earliest, newest = start(reader), reader.extent().last_at
    if ends <= earliest.at or (earliest.seq and begins is not None and begins < earliest.at):
        raise NotFound(
            f"{reader.path}: history can be run again from {times.moment(earliest.at)} on, not from before."
        )
    if begins is not None and begins > newest:
        raise NotFound(f"{reader.path}: nothing is recorded after {times.moment(newest)}.")
    if room and not reader.decisions(room=room, limit=1):
        raise NotFound(f"{reader.path}: nothing was ever decided about a room {room!r}.")
