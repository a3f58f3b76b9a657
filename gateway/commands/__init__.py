"""The commands of `occupancy-gateway`, but for the way on which `run` starts (`gateway.cli`)."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from gateway import __version__
from gateway.commands import (
    act,
    desk,
    evidence,
    exchange,
    firmware,
    look,
    placing,
    quality,
    replay,
    rooms,
    sensors,
    shadow_record,
    walk,
    what_if,
)
from gateway.commands.base import CONFIG, Commands, ConfigOption

HELP_OPTIONS: Final = ["--help", "-h"]
LISTS: Final = ("Example:", "Examples:", "First steps:")

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP_OPTIONS},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"occupancy-gateway {__version__}")
        raise typer.Exit


def with_examples(function: Callable[..., None]) -> str:
    """Its docstring as help, with the lines of examples kept as they are."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    # A lone backspace keeps the lines of a paragraph as they are.
    return "\n\n".join(f"\b\n{p}" if p.startswith(LISTS) else p for p in paragraphs)


def program(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Check in the meeting room bookings that people attend; give back the rooms that nobody came to.

    First steps:
      check-config   is the configuration sound, and what can be expected of it
      doctor         does the way to Exchange work, and what to mend if not
      run            start the gateway (installed as a service, systemd does this)
      status         what it knows, and what it is about to do
      report         what came of it, room by room
      what-if        what would have come of it under other policies
      shadow-record  how a room's releases would have gone, before it goes live

    Exit codes: 0 done, 1 could not be done, 2 wrong usage or configuration.
    """


def run(config: ConfigOption = CONFIG) -> None:
    """Run the gateway until it is stopped.

    Listens to the sensors, reads the rooms' calendars, decides, and in live rooms writes to Exchange.
    As a service it is started by systemd, which it tells when it is ready and that it is alive.
    Ctrl+C or SIGTERM stops it cleanly.

    Example:
      occupancy-gateway run --config gateway.toml
    """
    from gateway.run import run as run_service  # noqa: PLC0415 - named as the command is

    raise typer.Exit(run_service(config))


COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    run,
    look.check_config,
    look.status,
    look.bookings,
    look.explain,
    look.decisions,
    evidence.evidence,
    evidence.verify,
    look.report,
    what_if.what_if,
    replay.replay,
    shadow_record.shadow_record,
    act.check_in,
    act.keep,
    act.end,
    act.live,
    act.shadow,
    act.were_here,
    act.reviewed,
    desk.free,
    desk.book,
    desk.move,
    desk.cancel,
    act.close_breaker,
    act.resume_writing,
    placing.reload,
    walk.walk_test,
    firmware.firmware,
)
GROUPS: Final[Mapping[str, tuple[str, Mapping[str, Callable[..., None]]]]] = {
    "doctor": ("Examine what the gateway depends on.", {"exchange": exchange.doctor}),
    "exchange": (
        "Connect the gateway with Exchange.",
        {
            "setup-script": exchange.setup_script,
            "import-settings": exchange.import_settings,
            "doctor": exchange.doctor,
            "rehearse": exchange.rehearse,
        },
    ),
    "rooms": ("Look after the list of rooms.", {"import": rooms.import_rooms}),
    "sensors": (
        "Find, place and trust sensors.",
        {
            "list": placing.list_sensors,
            "assign": placing.assign,
            "ignore": placing.ignore,
            "rename": placing.rename,
            "quality": quality.quality,
            "decode": sensors.decode,
        },
    ),
}
"""Commands of two words, by the first and the second."""

app.callback(help=with_examples(program))(program)
for command in COMMANDS:
    app.command(help=with_examples(command))(command)
for group, (sentence, members) in GROUPS.items():
    family = typer.Typer(
        cls=Commands,
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": HELP_OPTIONS},
    )
    for name, command in members.items():
        family.command(name, help=with_examples(command))(command)
    family.callback()(lambda: None)  # a group stays one, also with a single command
    app.add_typer(family, name=group, help=sentence)
