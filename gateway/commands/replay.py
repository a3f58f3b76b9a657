"""`replay`: the journal is given to the core again, and every decision compared with the recorded one."""

import time
from typing import Annotated

import typer

from gateway.commands.base import (
    CONFIG,
    ConfigOption,
    JsonOption,
    NotFound,
    RoomOption,
    present,
    print_json,
    reading,
)
from gateway.commands.moments import SinceOption, UntilOption, parse_period
from gateway.commands.past import LedgerArgument, ZoneOption, check_rooms, ledger_and_zone
from gateway.core.units import Instant
from gateway.ledger import LedgerReader
from gateway.replay.rerun import Wanted, rerun
from gateway.replay.start import start
from gateway.run import FAILED
from gateway.shown.paint import Times, console
from gateway.shown.progress import progress_bar
from gateway.shown.replay import paint_verdict, verdict_json


def replay(
    ledger: LedgerArgument = None,
    *,
    config: ConfigOption = CONFIG,
    room: RoomOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    time_zone: ZoneOption = "",
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
    LEDGER and neither a configuration nor --time-zone, times are UTC.

    Examples:
      occupancy-gateway replay
      occupancy-gateway replay /var/backups/occupancy-ledger.db --since 7d
    """
    path, zone = ledger_and_zone(ledger, config, time_zone)
    times = Times(zone)
    begins, ends = parse_period(since, until, present(), zone)
    began = time.perf_counter()
    with reading(path) as reader, progress_bar("events", timed=True) as progress:
        _check(reader, room, begins, ends, times)
        verdict = rerun(reader, Wanted(begins or None, ends, room), progress)
    seconds = time.perf_counter() - began
    if json:
        print_json({"ledger": str(path)} | verdict_json(verdict, times) | {"seconds": round(seconds, 3)})
    else:
        paint_verdict(console(), verdict, times)
    if verdict.faults or (strict and verdict.differences):
        raise typer.Exit(FAILED)


def _check(reader: LedgerReader, room: str, begins: Instant, ends: Instant, times: Times) -> None:
    """Whether there is anything of that time and room. Raises NotFound, or LedgerError if it is empty."""
    earliest, newest = start(reader), reader.extent().last_at
    if ends <= earliest.at or (earliest.seq and 0 < begins < earliest.at):
        raise NotFound(
            f"{reader.path}: history can be run again from {times.moment(earliest.at)} on, not from before."
        )
    if begins > newest:
        raise NotFound(f"{reader.path}: nothing is recorded after {times.moment(newest)}.")
    if room:
        check_rooms(reader, frozenset({room}))
