"""The commands of `occupancy-gateway`, but for the way on which `run` starts (`gateway.cli`)."""

from collections.abc import Callable
from typing import Annotated

import typer

from gateway import __version__
from gateway.commands import act, look
from gateway.commands.base import CONFIG, Commands, ConfigOption

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"occupancy-gateway {__version__}")
        raise typer.Exit


@app.callback()
def program(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    r"""Check in the meeting room bookings that people attend; give back the rooms that nobody came to.

    \b
    First steps:
      occupancy-gateway check-config    is the configuration sound, what can be expected
      occupancy-gateway run             start the gateway (systemd does this as a service)
      occupancy-gateway status          what it knows and is about to do
      occupancy-gateway report          what came of it, room by room

    Exit codes: 0 done, 1 could not be done, 2 wrong usage or configuration.
    """


@app.command()
def run(config: ConfigOption = CONFIG) -> None:
    r"""Run the gateway until it is stopped.

    Listens to the sensors, reads the rooms' calendars, decides, and in live rooms writes to Exchange.
    As a service it is started by systemd, which it tells when it is ready and that it is alive.
    Ctrl+C or SIGTERM stops it cleanly.

    \b
    Example:
      occupancy-gateway run --config gateway.toml
    """
    from gateway.run import run as run_service  # noqa: PLC0415 - named as the command is

    raise typer.Exit(run_service(config))


COMMANDS: tuple[Callable[..., None], ...] = (
    look.check_config,
    look.status,
    look.bookings,
    look.explain,
    look.decisions,
    look.report,
    act.check_in,
    act.keep,
    act.end,
    act.live,
    act.shadow,
)
for command in COMMANDS:
    app.command()(command)
