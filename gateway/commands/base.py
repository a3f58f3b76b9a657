"""What all commands share: options, the configuration and ledger they look into, how errors are told.

CommandError
├── WrongUsage      what was asked cannot be meant; exit code 2
└── NotFound        there is no such room or booking, or more than one; exit code 1
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from typer.core import TyperGroup

from gateway.clock import SystemClock
from gateway.core.units import MINUTE_MS, Instant
from gateway.ledger import LedgerDamaged, LedgerError, LedgerReader
from gateway.run import CONFIG_VARIABLE, DEFAULT_CONFIG, FAILED, MISCONFIGURED
from gateway.runtime.control import ControlError
from gateway.settings import Settings, SettingsError, load
from gateway.shown.paint import Times, plain

STALE_MS: Final = 5 * MINUTE_MS
"""A running gateway records something at least each minute (calendars); older is worth a word."""


ARGUMENTS: Final = "gateway.commands.arguments"
"""Where a context's `meta` has the arguments that the command was given, as they were typed."""


class CommandError(Exception):
    """A command that cannot be followed; each argument is a sentence: what, where and how to mend it."""


class WrongUsage(CommandError):  # noqa: N818 - reads as what is wrong
    """An option that cannot be meant like that."""


class NotFound(CommandError):  # noqa: N818 - reads as what is wrong
    """No such thing, or more than one."""


ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        show_envvar=False,
        help=f"The configuration file; or set {CONFIG_VARIABLE}.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
RoomOption = Annotated[str, typer.Option("--room", metavar="ROOM", help="Only this room (its id).")]
CONFIG: Final = DEFAULT_CONFIG


class Commands(TyperGroup):
    """The group of all commands: the one place where errors become a sentence and an exit code."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, and keep what it was given: an error names an option as it was typed."""
        ctx.meta[ARGUMENTS] = tuple(args[1:])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Follow a command; what can go wrong is told on standard error."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            tell(*error.problems)
            code = MISCONFIGURED
        except CommandError as error:
            tell(*map(str, error.args))
            code = MISCONFIGURED if isinstance(error, WrongUsage) else FAILED
        except (LedgerError, ControlError) as error:
            tell(str(error))
            code = FAILED
        raise typer.Exit(code)


def tell(*sentences: str) -> None:
    """Say what is wrong, on standard error; a sentence may have further lines."""
    for sentence in sentences:
        first, *further = sentence.split("\n")
        typer.echo(f"occupancy-gateway: {plain(first)}", err=True)
        for line in further:
            typer.echo(f"  {plain(line)}", err=True)


def print_json(data: Any) -> None:
    """For programs: ASCII only, so that no terminal and no pipe can be confused."""
    typer.echo(json.dumps(data, indent=2))


def present() -> Instant:
    """The present by the machine's clock."""
    return SystemClock().now()


def no_room(room: str, known: Iterable[str]) -> NotFound:
    """That there is no such room, with those that there are."""
    return NotFound(f"there is no room {room!r}; the rooms are: {', '.join(sorted(known))}.")


@contextmanager
def reading(path: Path) -> Iterator[LedgerReader]:
    """A ledger, for reading. Raises LedgerError."""
    try:
        with LedgerReader(path) as reader:
            yield reader
    except PermissionError:
        raise LedgerError(f"{path}: not allowed; run this as the gateway's user, or as root.") from None
    except sqlite3.DatabaseError as error:
        raise LedgerDamaged(
            f"{path}: could not be read ({error}). It has not been changed. If this stays so, stop the "
            "gateway and restore a backup."
        ) from error


class Office:
    """The configuration, and the ledger that it names."""

    def __init__(self, config: Path, ledger: Path | None = None) -> None:
        """`ledger`: another one than the configuration names. Raises SettingsError."""
        self.settings: Settings = load(config, os.environ)
        self.ledger_path = ledger or self.settings.ledger.path
        self.zone = ZoneInfo(self.settings.site.time_zone)
        self.names = {room.id: room.name or room.id for room in self.settings.rooms}

    @property
    def times(self) -> Times:
        """Words instants on the site's clock, each with its day."""
        return Times(self.zone)

    @contextmanager
    def ledger(self) -> Iterator[LedgerReader]:
        """The ledger, for reading. Raises LedgerError."""
        with reading(self.ledger_path) as reader:
            yield reader

    def room(self, room: str, reader: LedgerReader | None = None) -> str:
        """The room's id, checked; a former room counts if the ledger knows it. Raises NotFound."""
        if room in self.names or (reader is not None and reader.decisions(room=room, limit=1)):
            return room
        raise no_room(room, self.names)

    def note_if_stale(self, reader: LedgerReader) -> None:
        """Say on standard error if nothing has been recorded lately: then no gateway is running."""
        newest = reader.newest_instant()
        if newest is not None and present() - newest > STALE_MS:
            when = self.times.moment(newest)
            tell(f"note: the newest entry of the ledger is of {when}; the gateway does not seem to run.")
