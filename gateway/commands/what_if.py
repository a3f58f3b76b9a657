"""`what-if`: what other policies would have done with the history in a ledger."""

import errno
import os
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from gateway.commands.base import (
    CONFIG,
    CommandError,
    ConfigOption,
    JsonOption,
    WrongUsage,
    present,
    print_json,
    reading,
    tell,
)
from gateway.commands.moments import SinceOption, UntilOption, parse_period
from gateway.commands.past import LedgerArgument, ZoneOption, check_rooms, ledger_and_zone
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Duration
from gateway.durations import DurationError, format_duration, parse_duration
from gateway.ledger import LedgerReader
from gateway.replay import what_if as replay
from gateway.replay.estimate import Estimate, estimates
from gateway.replay.variants import AS_CONFIGURED, Variant, grid
from gateway.replay.what_if import Asked, WhatIf
from gateway.settings import load_policies
from gateway.settings_checks import core_policy
from gateway.shown.paint import DASH, Times, console
from gateway.shown.plot import risk_plot
from gateway.shown.progress import progress_bar
from gateway.shown.what_if import paint_what_if, plot_points, what_if_json
from gateway.whole_file import keep_bytes

MOST_VARIANTS: Final = 40
"""More could be told apart neither in the picture nor by their intervals."""

MOST_JOBS: Final = 256

OUTSIDE_OF_THE_CORE: Final = (
    "hours",
    "exempt_organizers",
    "exempt_categories",
    "rules",
    "blackouts",
    "allowed_organizers",
    "fewest",
    "learn",
    "end_early_needs_history",
)
"""Settings applied where names may be read, or by the service: the ledger has only what came of them."""

_LIMITS: Final = {
    "--grace": (MINUTE_MS, 4 * HOUR_MS),
    "--hold": (SECOND_MS, 4 * HOUR_MS),
    "--vacate": (MINUTE_MS, 4 * HOUR_MS),
}


def what_if(
    ledger: LedgerArgument = None,
    *,
    config: ConfigOption = CONFIG,
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="A configuration, or a file of [policy.NAME] tables: they replace those of the same name. "
            "May be given several times.",
        ),
    ] = None,
    grace: Annotated[
        str, typer.Option("--grace", metavar="LIST", help='Grace periods to try, such as "5m,10m,15m".')
    ] = "",
    hold: Annotated[
        str,
        typer.Option(
            "--hold",
            metavar="LIST",
            help="Holds of motion sensors to try: how long after the last sign people may still be there. "
            "Beside a presence sensor it stays 2m, or gets shorter.",
        ),
    ] = "",
    vacate: Annotated[
        str,
        typer.Option("--vacate", metavar="LIST", help="To try: how long a room must be empty after a visit."),
    ] = "",
    room: Annotated[
        list[str] | None,
        typer.Option("--room", metavar="ROOM", help="Only this room (its id); may be given several times."),
    ] = None,
    since: SinceOption = "",
    until: UntilOption = "",
    time_zone: ZoneOption = "",
    no_breaker: Annotated[
        bool,
        typer.Option(
            "--no-breaker",
            help="As if there were no breaker, which stops releases when many rooms fall silent at once.",
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE.svg", help="Also draw hours against risk; an older picture is replaced."
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", min=0, max=MOST_JOBS, metavar="N", help="Processes at once; 0: one per processor."
        ),
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Tell what other policies would have come to.

    Hours given back against releases that were probably wrong, from your own history. Everything that a
    ledger recorded (sensors, calendars, people's words) is given to the rules again, with other policies;
    what the gateway itself released is put back first, so that each is judged on the same bookings. The
    first row is as it was configured. Several lists are combined; each --policy is a row.

    A release counts as probably wrong if people show within 15 minutes after it, before the booking's end.
    Nothing is changed, and the gateway may go on running. What cannot be known of a history in which rooms
    were really given back stands below the table. With a LEDGER and neither a configuration nor
    --time-zone, days are those of UTC.

    Examples:
      occupancy-gateway what-if --grace 5m,10m,15m --hold 5m,10m
      occupancy-gateway what-if --since 90d --policy new.toml --plot risk.svg
    """
    notes: list[str] = []
    variants = [AS_CONFIGURED, *(_from_file(path, notes) for path in policy or [])]
    variants += grid(*(_list(option, given) for option, given in _lists(grace, hold, vacate)))
    _check(variants, plot)
    if no_breaker:
        variants = [msgspec.structs.replace(variant, breaker=False) for variant in variants]
        notes.append("The breaker was left out, in every row.")
    path, zone = ledger_and_zone(ledger, config, time_zone)
    begins, ends = parse_period(since, until, present(), zone)
    asked = Asked(begins or None, ends, zone.key, frozenset(room or ()))
    with reading(path) as reader, progress_bar("history", timed=True, counted=False) as progress:
        check_rooms(reader, asked.rooms)
        _check_policies(reader, variants)
        try:
            tried = replay.what_if(path, variants, asked, jobs, progress)
        except BrokenExecutor:
            raise CommandError(
                "one of the processes was ended from outside, perhaps for want of memory; try --jobs 1."
            ) from None
    found = estimates(tried.lived)
    times = Times(zone)
    if json:
        print_json({"ledger": str(path)} | what_if_json(tried, found, times, notes))
    else:
        paint_what_if(console(), tried, found, times, notes)
    if plot is not None:
        _draw(plot, tried, found, times)


def _lists(grace: str, hold: str, vacate: str) -> list[tuple[str, str]]:
    return [("--grace", grace), ("--hold", hold), ("--vacate", vacate)]


def _list(option: str, given: str) -> list[Duration]:
    """The durations of a list, each once. Raises WrongUsage."""
    found: list[Duration] = []
    low, high = _LIMITS[option]
    for part in given.split(",") if given else []:
        try:
            value = parse_duration(part.strip())
        except DurationError as error:
            raise WrongUsage(f"{option} {given!r}: found {part.strip()!r}, expected {error}.") from None
        if not low <= value <= high:
            expected = f"{format_duration(low)} to {format_duration(high)}"
            raise WrongUsage(f"{option} {given!r}: found {part.strip()!r}, expected {expected}.")
        if value not in found:
            found.append(value)
    return found


def _from_file(path: Path, notes: list[str]) -> Variant:
    """The policies of a file, and a note about what of it cannot be tried. Raises SettingsError."""
    policies = load_policies(path)
    untried = sorted(
        {key for own in policies.values() for key in own.model_fields_set if key in OUTSIDE_OF_THE_CORE}
    )
    if untried:
        notes.append(f"{path}: not tried but left as history had it: {', '.join(untried)}.")
    return Variant(path.name, policies={name: core_policy(name, own) for name, own in policies.items()})


def _check(variants: Sequence[Variant], plot: Path | None) -> None:
    if len(variants) > MOST_VARIANTS:
        raise WrongUsage(f"{len(variants)} policies are asked for; at most {MOST_VARIANTS} can be compared.")
    names = [variant.name for variant in variants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise WrongUsage(f"--policy: two files are called {twice[0]!r}; the rows could not be told apart.")
    if plot is not None:
        _check_plot(plot)


def _check_plot(plot: Path) -> None:
    """Whether a picture can be written there, before an hour is spent on it. Raises WrongUsage."""
    if plot.suffix.lower() != ".svg":
        raise WrongUsage(f"--plot {str(plot)!r}: expected a file that ends in .svg; only SVG is drawn.")
    try:
        if not plot.parent.is_dir():
            raise WrongUsage(f"--plot {str(plot)!r}: cannot be written (there is no folder {plot.parent}).")
        if plot.is_dir():
            raise WrongUsage(f"--plot {str(plot)!r}: cannot be written (it is a folder).")
    except PermissionError as error:
        raise _unwritable(plot, error) from None
    if not os.access(plot.parent, os.W_OK):
        raise _unwritable(plot, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _unwritable(plot: Path, error: OSError) -> WrongUsage:
    return WrongUsage(f"--plot {str(plot)!r}: cannot be written ({error.strerror or error}).")


def _check_policies(reader: LedgerReader, variants: Sequence[Variant]) -> None:
    """Policies are known to the ledger. Raises WrongUsage and LedgerError."""
    config = reader.site().state.config
    held = {room.policy.name for room in config.rooms}
    for variant in variants:
        if variant.policies and held.isdisjoint(variant.policies):
            has = ", ".join(sorted(held))
            raise WrongUsage(
                f"--policy {variant.name}: no room of this ledger has one of its policies; they have: {has}."
            )
        for name in sorted(set(variant.policies) - held):
            tell(f"note: {variant.name}: no room of this ledger has the policy {name!r}.")


def _draw(path: Path, tried: WhatIf, found: Sequence[Estimate], times: Times) -> None:
    """Write the picture. Raises WrongUsage where it cannot be written."""
    points = plot_points(found)
    below = f"{times.date(tried.since)} {DASH} {times.date(tried.until)}; lines: 95 % intervals"
    try:
        keep_bytes(path, risk_plot(points, "Hours given back against risk", below).encode())
    except OSError as error:
        raise _unwritable(path, error) from None
    if len(points) < len(found):
        tell("note: policies that released nothing are not in the picture.")
