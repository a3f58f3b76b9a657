"""Commands for those who connect the gateway with Exchange: the doctor, the script for IT, its result."""

import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer

from gateway.clock import SystemClock
from gateway.commands.base import (
    CONFIG,
    CommandError,
    ConfigOption,
    JsonOption,
    Office,
    RoomOption,
    WrongUsage,
    print_json,
    tell,
)
from gateway.core.units import MINUTE_MS
from gateway.exchange import attendant_settings
from gateway.exchange import setup_script as script
from gateway.exchange.moments import as_datetime
from gateway.exchange.rehearsal import record as record_file
from gateway.exchange.rehearsal.plan import DAYS_AHEAD
from gateway.exchange.rehearsal.record import Record
from gateway.run import FAILED
from gateway.settings import Settings


def doctor(
    config: ConfigOption = CONFIG,
    *,
    room: RoomOption = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Show every step of every room, also what is fine.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Examine the way to Exchange, step by step.

    Names, certificates and clocks of both servers, the credential, the token and what it allows, then
    each room's mailbox: can it be read, can it be written, is it set up as it should be. Each step
    says how it is (ok, warn, fail, skipped) and what to mend. Nothing is changed anywhere. Exit code 1
    if a step failed. The same as `exchange doctor`.

    Examples:
      occupancy-gateway doctor exchange
      occupancy-gateway exchange doctor --room orion --json
    """
    office = Office(config)
    if room:
        office.room(room)
    findings = asyncio.run(_examine(office, room, everything=everything, silent=json))
    from gateway.doctor.finding import as_json, worst  # noqa: PLC0415 - with the doctor, only here

    verdict = worst(findings)
    if json:
        print_json({"verdict": verdict, "findings": as_json(findings)})
    if verdict == "fail":
        raise typer.Exit(FAILED)


async def _examine(office: Office, room: str, *, everything: bool, silent: bool) -> list[Any]:
    from gateway.doctor.exchange import examine  # noqa: PLC0415 - loads httpx, which few commands need
    from gateway.shown.doctor import Painter  # noqa: PLC0415 - with the doctor
    from gateway.shown.paint import console  # noqa: PLC0415 - with the doctor
    from gateway.shown.progress import progress_bar  # noqa: PLC0415 - with the doctor

    findings: list[Any] = []
    painter = Painter(console(), everything=everything or bool(room))
    with progress_bar("rooms", shown=not silent) as progress:
        async for finding in examine(office.settings, only=room, progress=progress):
            findings.append(finding)
            if not silent:
                painter.show(finding)
    if not silent:
        painter.end()
    return findings


def setup_script(
    config: ConfigOption = CONFIG,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write it there; left out: to standard output."),
    ] = None,
    attribute: Annotated[
        str,
        typer.Option(
            "--attribute", metavar="NAME", help="The mailboxes' custom attribute that marks the rooms."
        ),
    ] = script.DEFAULT_ATTRIBUTE,
    json: JsonOption = False,
) -> None:
    """Write the PowerShell script that lets the gateway into the rooms' calendars.

    For IT: it registers the application in Exchange, restricts it to exactly the configured rooms,
    tests that, shows the recommended settings of the rooms, and writes what they are set to into a
    file for `exchange import-settings`. It changes nothing unless it is run with -Apply.

    Examples:
      occupancy-gateway exchange setup-script --out setup.ps1
      occupancy-gateway exchange setup-script --attribute CustomAttribute7
    """
    settings = Office(config).settings
    rooms = [script.ScriptRoom(room.id, room.name, room.mailbox) for room in settings.rooms]
    try:
        text = script.setup_script(
            settings.site.name, settings.exchange.client_id, rooms, attribute=attribute
        )
    except ValueError as error:
        raise WrongUsage(str(error)) from None
    if out is not None:
        try:
            out.write_text(text, encoding="ascii", newline="\r\n")
        except OSError as error:
            raise CommandError(f"{out}: cannot be written ({error.strerror or error})") from error
    if json:
        print_json({"file": str(out) if out else None, "rooms": len(rooms), "script": text})
    elif out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"{out}: for {len(rooms)} rooms. It changes nothing unless it is run with -Apply.")


def import_settings(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What the setup script wrote, as JSON.")],
    *,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Read how the rooms answer invitations, and say what is wrong with it.

    Graph does not tell how a room answers invitations, so the script of `exchange setup-script` writes
    it into a file, and this reads that file. It is kept beside the ledger (attendant_file), where the
    doctor finds it.

    Example:
      occupancy-gateway exchange import-settings attendant-settings.json
    """
    settings = Office(config).settings
    try:
        content = _read(file, attendant_settings.MAX_FILE_BYTES)
        rooms = attendant_settings.read_settings(content)
        now = as_datetime(SystemClock().now()).isoformat(timespec="seconds")
        kept = attendant_settings.Kept(now, rooms)
        attendant_settings.save(settings.attendant_file, kept)
    except attendant_settings.SettingsFileError as error:
        raise CommandError(f"{file}: {error}") from None
    except OSError as error:
        where = error.filename or settings.attendant_file
        raise CommandError(f"{where}: cannot be written ({error.strerror or error})") from error
    told = {room.mailbox.casefold(): room for room in settings.rooms}
    longest = {
        key: settings.policies[room.policy].exempt_longer_than // MINUTE_MS for key, room in told.items()
    }
    known = [room for room in rooms if room.mailbox in told]
    problems = attendant_settings.all_problems(known, longest)
    missing = sorted(room.id for key, room in told.items() if kept.of(key) is None)
    others = [room.mailbox for room in rooms if room.mailbox not in told]
    if json:
        print_json(
            {
                "kept": str(settings.attendant_file),
                "rooms": len(known),
                "problems": [problem._asdict() for problem in problems],
                "missing": missing,
                "not_configured": others,
            }
        )
        return
    from gateway.shown.attendants import paint_attendants  # noqa: PLC0415 - with this command only
    from gateway.shown.paint import console  # noqa: PLC0415 - as above

    ids = {key: room.id for key, room in told.items()}
    paint_attendants(console(), problems, ids, len(known), missing, others)


def rehearse(
    config: ConfigOption = CONFIG,
    *,
    room: Annotated[
        str,
        typer.Option(
            "--room", metavar="ADDRESS", help="A test room that nobody uses, not a room of the gateway."
        ),
    ],
    organizer: Annotated[
        str, typer.Option("--organizer", metavar="ADDRESS", help="A test mailbox that invites the room.")
    ],
    days_ahead: Annotated[
        int,
        typer.Option(
            "--days-ahead",
            min=2,
            max=900,
            help="The meetings are in the week that begins after so many days.",
        ),
    ] = DAYS_AHEAD,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the meetings in both calendars, to look at them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")] = False,
    allow_configured_room: Annotated[
        bool,
        typer.Option(
            "--allow-configured-room", help="Although the room is one of the gateway's own: test it there."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    r"""Rehearse with a test room what Microsoft does not document.

    Invites the test room to meetings and small series some weeks ahead, as the test organizer; declines
    one occurrence, changes, shortens, marks and deletes, and looks at both calendars: does a release take
    what it should and nothing else. Then it removes everything again, also after Ctrl+C. Both mailboxes
    must be in the scope of the application's role. Takes some minutes. The answers are kept beside the
    ledger; one that says "stop" keeps rooms from going live. Exit code 1 if there is one, or if something
    could not be removed.

    Example:
      occupancy-gateway exchange rehearse --room test@contoso.com \
        --organizer tester@contoso.com
    """
    office = Office(config)
    _check_test_mailboxes(office, room, organizer, allowed=allow_configured_room)
    folder = office.settings.rehearsal_file.parent
    if not os.access(folder, os.W_OK):
        raise CommandError(f"{folder}: the answers could not be kept there; run this as the gateway's user.")
    if not yes:
        typer.echo(_what_is_done(room, organizer, days_ahead, keep=keep), err=True)
        typer.confirm("Begin?", abort=True, err=True)
    record = _rehearse(office.settings, room, organizer, days_ahead, keep=keep)
    if record.complete:
        try:
            record_file.save(office.settings.rehearsal_file, record)
        except OSError as error:
            where = error.filename or office.settings.rehearsal_file
            tell(f"{where}: the answers cannot be kept ({error.strerror or error})")
            record = msgspec.structs.replace(record, complete=False)
    if json:
        print_json(msgspec.to_builtins(record) | {"verdict": record.verdict})
    else:
        from gateway.shown.paint import console  # noqa: PLC0415 - with this command only
        from gateway.shown.rehearsal import paint_rehearsal  # noqa: PLC0415 - as above

        paint_rehearsal(console(), record, office.settings.rehearsal_file)
    if not record.complete or record.verdict == "stop" or (record.leftovers and not keep):
        raise typer.Exit(FAILED)


def _check_test_mailboxes(office: Office, room: str, organizer: str, *, allowed: bool) -> None:
    """Raises WrongUsage."""
    for option, address in (("--room", room), ("--organizer", organizer)):
        if not re.fullmatch(r"[^@\s/]+@[^@\s/]+", address):
            raise WrongUsage(f"{option} takes a mail address, and {address!r} is none.")
    if room.casefold() == organizer.casefold():
        raise WrongUsage("--room and --organizer must be two mailboxes.")
    ids = {one.mailbox.casefold(): one.id for one in office.settings.rooms}
    if organizer.casefold() in ids:
        raise WrongUsage(
            f"{organizer} is the room {ids[organizer.casefold()]}; --organizer is a person's mailbox."
        )
    if room.casefold() in ids and not allowed:
        raise WrongUsage(
            f"{room} is the room {ids[room.casefold()]} of this gateway, which people book. "
            "Use a test room; or, if it is one, add --allow-configured-room."
        )


def _what_is_done(room: str, organizer: str, days_ahead: int, *, keep: bool) -> str:
    then = "what is left of them stays (--keep)" if keep else "at the end both calendars are as they were"
    return (
        f"{organizer} will invite {room} to a dozen meetings and small series, on Monday to Wednesday of a "
        f"week at least {days_ahead} days ahead, and only if {room} is free then. They are changed, declined "
        f"by the room, and deleted; {then}. Nobody else is invited. Messages about it stay in {organizer}'s "
        "inbox. It takes 3 to 20 minutes."
    )


def _rehearse(settings: Settings, room: str, organizer: str, days_ahead: int, *, keep: bool) -> Record:
    """The whole rehearsal; after Ctrl+C what there is of it. Raises CommandError."""
    from gateway.exchange import auth, client, errors  # noqa: PLC0415 - loads httpx, which few commands need
    from gateway.exchange.rehearsal import run  # noqa: PLC0415 - as above

    exchange = settings.exchange
    ca_file = None if exchange.ca_file is None else str(exchange.ca_file)
    begun: list[run.Rehearsal] = []

    async def main() -> Record:
        tokens = auth.MsalTokens(
            exchange.authority, exchange.client_id, settings.exchange_credential(), ca_file=ca_file
        )

        def connect(in_flight: int, patience: client.Patience) -> client.GraphClient:
            return client.GraphClient(
                exchange.base_url, tokens, ca_file=ca_file, in_flight=in_flight, read_patience=patience
            )

        try:
            async with connect(exchange.max_in_flight, client.READ_PATIENCE) as graph:
                one = run.Rehearsal(
                    graph,
                    room,
                    organizer,
                    run.Tools(connect=connect, tell=_tell_progress),
                    zone=ZoneInfo(settings.site.time_zone),
                    tenant_id=exchange.tenant_id,
                    days_ahead=days_ahead,
                )
                begun.append(one)
                _end_with(asyncio.current_task())
                return await one.run(keep=keep)
        finally:
            await tokens.aclose()

    try:
        return asyncio.run(main())
    except (run.RehearsalError, errors.ExchangeError) as error:
        raise CommandError(str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        if not begun:
            raise
        return begun[0].record(complete=False)
    except Exception:  # a fault of ours: told as such, after what it leaves behind
        for leftover in begun[0].leftovers if begun else ():
            tell(f"left in {leftover.mailbox}: {leftover.what}; {leftover.remove}")
        raise


def _tell_progress(words: str) -> None:
    """The terminal may be gone; the clean-up must not mind."""
    with contextlib.suppress(OSError):
        typer.echo(words, err=True)


def _end_with(task: "asyncio.Task[Any] | None") -> None:
    """SIGTERM and a closed terminal end the rehearsal as Ctrl+C does: with its clean-up."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if task is not None:
            loop.add_signal_handler(number, task.cancel)


def _read(file: Path, most: int) -> bytes:
    """A file's bytes. Raises CommandError."""
    try:
        with file.open("rb") as opened:
            content = opened.read(most + 1)
    except OSError as error:
        raise CommandError(f"{file}: cannot be read ({error.strerror or error})") from error
    if len(content) > most:
        raise CommandError(f"{file}: larger than {most} bytes, so it is not what this command reads")
    return content
