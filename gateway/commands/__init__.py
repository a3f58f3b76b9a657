"""The commands of `occupancy-gateway`, but for the way on which `run` starts (`gateway.cli`)."""

from pathlib import Path
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
    """Check in the meeting room bookings that people attend; give back the rooms that nobody came to.

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
    """Run the gateway until it is stopped (Ctrl+C or SIGTERM).

    Listens to the sensors, reads the rooms' calendars, decides, and in live rooms writes to Exchange.
    As a service it is started by systemd, which it tells when it is ready and that it is alive.

    \b
    Example:
      occupancy-gateway run --config gateway.toml
    """
    from gateway.run import run as run_service  # noqa: PLC0415 - named as the command is

    raise typer.Exit(run_service(config))


for command in (look.check_config, look.status, look.bookings, look.explain, look.decisions, look.report):
    app.command()(command)
for command in (act.check_in, act.keep, act.end, act.live, act.shadow):
    app.command()(command)
