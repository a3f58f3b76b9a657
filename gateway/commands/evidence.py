"""`evidence` and `verify`: one booking's decisions with all that they follow from, and the proof of it."""

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.commands import find
from gateway.commands.base import (
    CONFIG,
    CommandError,
    ConfigOption,
    JsonOption,
    WrongUsage,
    print_json,
    reading,
    tell,
)
from gateway.commands.past import ZoneOption, check_rooms, ledger_and_zone
from gateway.core.decisions import Decision
from gateway.replay.bundle import Bundle, BundleError, from_bytes, to_bytes
from gateway.replay.gather import gather
from gateway.replay.otherwise import otherwise
from gateway.replay.verify import verify as verify_bundle
from gateway.run import FAILED
from gateway.shown.evidence import Report, office_times, paint_verdict, told_words, verdict_json
from gateway.shown.paint import Times, console, text
from gateway.shown.progress import busy
from gateway.whole_file import keep_bytes

COMPRESSED: Final = ".gz"


def evidence(
    booking: Annotated[
        str,
        typer.Argument(metavar="BOOKING", help="The booking's key, or any part of it that fits no other."),
    ] = "",
    *,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="Where to write it; compressed if it ends in .gz."),
    ],
    config: ConfigOption = CONFIG,
    room: Annotated[
        str,
        typer.Option(
            "--room", metavar="ROOM", help="Alone: the room's current booking, or its last one that is over."
        ),
    ] = "",
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger",
            metavar="LEDGER",
            help="Another ledger's file, such as a backup; left out: the one that the configuration names.",
        ),
    ] = None,
    time_zone: ZoneOption = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Write the evidence about one booking into a file.

    The file holds every fact that the decisions follow from: what the room's sensors said, their
    profiles, the policy, the calendar reads, the ruleset, and the decisions themselves. It holds no
    names, no subjects and no addresses. Whoever gets it checks it with `verify`, without this ledger.
    The ledger is only read, and a gateway may be running. With --ledger and neither a configuration nor
    --time-zone, times are UTC, in the file as well.

    Examples:
      occupancy-gateway evidence 4f2a90c1d7 --out booking.json
      occupancy-gateway evidence --room orion --out orion.json.gz
      occupancy-gateway evidence 4f2a --ledger backup.db --out booking.json
    """
    if not booking and not room:
        raise WrongUsage("say which booking: its key, or --room ROOM for the room's current or last one.")
    _check_place(out, force=force)
    path, zone = ledger_and_zone(ledger, config, time_zone)
    times = Times(zone)
    with reading(path) as reader, busy("Reading the journal"):
        if room:
            check_rooms(reader, frozenset({room}))
        site = reader.site()
        where, key = (
            find.find_booking(times, reader, site, booking, room)
            if booking
            else find.current_or_last(reader, site, room)
        )
        bundle = gather(reader, where, key, zone.key, lambda decision: told_words(decision, times))
    content = to_bytes(bundle, compressed=out.name.endswith(COMPRESSED))
    try:
        keep_bytes(out, content)
    except OSError as error:
        raise CommandError(f"{out}: cannot be written ({error.strerror or error}).") from None
    verdict = verify_bundle(bundle, lambda decision: told_words(decision, times))
    if json:
        print_json(
            {
                "file": str(out),
                "room": where,
                "booking": key,
                "bytes": len(content),
                "decisions": len(bundle.decisions),
                "facts": len(bundle.facts),
                "sha256": bundle.sha256,
                "follows": verdict.follows,
                "problems": list(verdict.problems),
                "rules_changed": verdict.rules_changed,
                "notes": list(bundle.notes),
            }
        )
    else:
        _say_written(bundle, out, len(content))
    if verdict.follows:
        return
    if verdict.rules_changed and not verdict.problems:
        tell("note: other rules made these decisions than those of this program; `verify` says what differs.")
        return
    tell(*(f"{out}: {problem}" for problem in verdict.problems))
    raise typer.Exit(FAILED)


def _check_place(out: Path, *, force: bool) -> None:
    """Whether a file may be put there. Raises WrongUsage and CommandError."""
    try:
        if out.is_dir():
            raise WrongUsage(f"--out {str(out)!r}: expected a file, found a folder.")
        if out.exists() and not force:
            raise CommandError(f"{out}: there is such a file already. Choose another name, or say --force.")
    except OSError as error:
        raise CommandError(f"{out}: cannot be written ({error.strerror or error}).") from None


def _say_written(bundle: Bundle, out: Path, size: int) -> None:
    screen = console()
    counted = f"{len(bundle.decisions)} decisions, {len(bundle.facts)} facts, {-(-size // 1024)} kB"
    screen.print(text(f"{out}: {counted}."), soft_wrap=True)
    for note in bundle.notes:
        screen.print(text(f"Note: {note}"))
    screen.print(
        text(f"Whoever gets it checks it anywhere: occupancy-gateway verify {out.name}"), soft_wrap=True
    )


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `evidence` has written.")],
    *,
    json: JsonOption = False,
) -> None:
    """Check a file of evidence, without the ledger.

    Works the decisions out again from the facts in the file, and compares them byte for byte. Needs
    neither a ledger nor a configuration. Then it searches for the smallest change under which the
    decision would have been the other one, by running the rules on altered facts. A check against
    accidents and wrong conclusions, not a signature: who wrote the file, it cannot tell.

    Exit codes: 0 the decisions follow; 1 they do not, the file was altered, or the rules have changed
    for this booking; 2 this is no evidence.

    Example:
      occupancy-gateway verify booking.json
    """
    try:
        bundle = from_bytes(file.read_bytes(), str(file))
        times = office_times(bundle, str(file))
    except OSError as error:
        raise WrongUsage(f"{file}: cannot be read ({error.strerror}).") from None
    except BundleError as error:
        raise WrongUsage(str(error)) from None
    report = _report(bundle, times)
    if json:
        print_json(verdict_json(report, times))
    else:
        paint_verdict(console(), report, times)
    if not report.verdict.follows:
        raise typer.Exit(FAILED)


def _report(bundle: Bundle, times: Times) -> Report:

    def worded(decision: Decision) -> str:
        return told_words(decision, times)

    verdict = verify_bundle(bundle, worded)
    if not verdict.follows:
        return Report(bundle, verdict, None)
    with busy("Searching for what would have changed it"):
        return Report(bundle, verdict, otherwise(bundle))
