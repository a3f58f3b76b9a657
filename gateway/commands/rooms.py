"""Commands about the list of rooms: taking it from Exchange or from a table instead of typing it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.base import (
    CONFIG,
    CommandError,
    ConfigOption,
    JsonOption,
    Office,
    WrongUsage,
    present,
    print_json,
)
from gateway.exchange.errors import ExchangeError
from gateway.exchange.moments import as_datetime
from gateway.exchange.places import FoundRoom, read_rooms
from gateway.settings import Settings


def import_rooms(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A CSV file with a line of names; at least the column mailbox."),
    ] = None,
    *,
    config: ConfigOption = CONFIG,
    places: Annotated[
        bool, typer.Option("--places", help="Instead of a file: the rooms that the tenant knows.")
    ] = False,
    room_list: Annotated[
        list[str] | None,
        typer.Option(
            "--list", metavar="ADDRESS", help="With --places: only this room list; may be repeated."
        ),
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", help="Take over the names of rooms that have one already, too.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Change the configuration; left out: only show what would change.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Take rooms from Exchange or from a table into the configuration.

    Shows what is new, different or gone; nothing is written without --write. Rooms are recognised by
    their mailbox. Comments and order stay, rooms that are gone are never removed, a new room is in
    shadow mode and has no sensors yet. The configuration is checked before it is replaced, and the old
    one is kept beside it. Columns: mailbox, name, id, capacity, building, floor, tags, time_zone.

    Examples:
      occupancy-gateway rooms import --places
      occupancy-gateway rooms import rooms.csv --write
    """
    from gateway.rooms import changes, edit, table  # noqa: PLC0415 - tomlkit is needed here only

    if places == (file is not None):
        raise WrongUsage("say where the rooms come from: --places or a CSV file, one of them.")
    if room_list and not places:
        raise WrongUsage("--list goes with --places.")
    office = Office(config)
    if file is not None:
        try:
            found = table.read_table(file.read_bytes(), str(file))
        except table.TableError as error:
            raise CommandError(*error.problems) from None
        except OSError as error:
            raise CommandError(f"{file}: cannot be read ({error.strerror or error})") from error
    else:
        found = asyncio.run(_from_places(office.settings, room_list or []))
    result = changes.compare(office.settings.rooms, found, names=names)
    backup = None
    if write and result.writes:
        try:
            before = config.read_bytes().decode()
            after = edit.edited(before, result, file=str(config), base=config.absolute().parent)
            stamp = f"{as_datetime(present()):%Y%m%dT%H%M%SZ}"
            backup = config.resolve().with_name(f"{config.name}.before-{stamp}")
            edit.write(config, before, after, backup)
        except edit.EditError as error:
            raise CommandError(*error.args) from None
        except OSError as error:
            where = error.filename or config
            raise CommandError(f"{where}: cannot be written ({error.strerror or error})") from error
    if json:
        told = {"written": backup is not None, "backup": str(backup) if backup else None}
        print_json(result.as_json() | told)
        return
    from gateway.shown.paint import console  # noqa: PLC0415 - as above
    from gateway.shown.rooms import paint_changes  # noqa: PLC0415 - as above

    paint_changes(console(), result, write=write, backup=backup)


async def _from_places(settings: Settings, lists: list[str]) -> tuple[FoundRoom, ...]:
    """The tenant's rooms. Raises CommandError."""
    from gateway.exchange.auth import MsalTokens  # noqa: PLC0415 - needed here only
    from gateway.exchange.client import GraphClient  # noqa: PLC0415 - as above

    exchange = settings.exchange
    ca_file = None if exchange.ca_file is None else str(exchange.ca_file)
    tokens = MsalTokens(
        exchange.authority, exchange.client_id, settings.exchange_credential(), ca_file=ca_file
    )
    try:
        async with GraphClient(exchange.base_url, tokens, ca_file=ca_file) as client:
            return await read_rooms(client, lists)
    except ExchangeError as error:
        raise CommandError(f"the rooms cannot be read: {error}") from error
    finally:
        await tokens.aclose()
