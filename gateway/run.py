"""`occupancy-gateway run`: the service as systemd starts it, or a person in a terminal.

Kept apart from the other commands: what runs for years carries neither typer nor rich.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import sdnotify

from gateway import logs
from gateway.ledger import LedgerError
from gateway.service import Service, Surroundings
from gateway.settings import Settings, SettingsError, load

CONFIG_VARIABLE: Final = "OCCUPANCY_GATEWAY_CONFIG"
DEFAULT_CONFIG: Final = Path("/etc/occupancy-gateway/gateway.toml")

ALIVE_EVERY_S: Final = 10.0
"""How often the event loop's turning is noticed where systemd asks for nothing faster."""

ALIVE_SHARE: Final = 3
"""systemd is told this many times within its limit, so that one late turn is no restart."""

FAILED: Final = 1
MISCONFIGURED: Final = 2


def run(config_path: Path) -> int:
    """Run a gateway until SIGTERM or SIGINT; returns the exit code. SIGHUP: take over changed sensors.

    0: stopped as asked. 1: the ledger, a folder or a file cannot be used. 2: the configuration or a
    secret cannot be used. What is wrong is told on standard error, also how to mend it.
    """
    try:
        settings = load(config_path)
        logs.configure(settings.log.level, settings.log.format)
        return asyncio.run(_serve(settings))
    except SettingsError as error:
        return _told(MISCONFIGURED, *error.problems)
    except LedgerError as error:
        return _told(FAILED, str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _told(FAILED, f"{where}cannot be used ({error.strerror or error})")


async def _serve(settings: Settings) -> int:
    around = Surroundings(watch=notifier(os.environ, len(settings.rooms)), watch_every_s=alive_every_s())
    service = Service(settings, around)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    await service.run()
    return 0


def _told(code: int, *sentences: str) -> int:
    for sentence in sentences:
        sys.stderr.write(f"occupancy-gateway: {sentence}\n")
    return code


# -- systemd ------------------------------------------------------------------------------------------


def notifier(environ: Mapping[str, str], rooms: int) -> Callable[[str], None]:
    """Tells systemd how the service is; tells nobody where systemd does not ask (NOTIFY_SOCKET)."""
    if not environ.get("NOTIFY_SOCKET"):
        return lambda _: None
    watching = f"Watching {rooms} room{'' if rooms == 1 else 's'}"
    words = {
        "ready": f"READY=1\nSTATUS={watching}",
        "alive": "WATCHDOG=1",
        "stopping": "STOPPING=1\nSTATUS=Stopping",
    }
    systemd = sdnotify.SystemdNotifier()
    return lambda what: systemd.notify(words[what])


def alive_every_s(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> float:
    """Seconds between signs of life: well below half of systemd's limit (sd_watchdog_enabled(3))."""
    limit = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", "")
    if not limit.isdecimal() or int(limit) == 0 or meant not in ("", str(pid or os.getpid())):
        return ALIVE_EVERY_S
    return min(ALIVE_EVERY_S, int(limit) / 1_000_000 / ALIVE_SHARE)


# -- the command --------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """`run` with what followed it on the command line. Its help is shown with that of the others."""
    parser = argparse.ArgumentParser(prog="occupancy-gateway run", add_help=False)
    default = os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG
    parser.add_argument("--config", "-c", type=Path, metavar="FILE", default=Path(default))
    return run(parser.parse_args(arguments).config)
