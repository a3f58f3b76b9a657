"""How runs of the world look on a terminal: how far they are, and what they came to."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from simulators.faults import BY_NAME, NAMES
from simulators.truth import CAUSES_IN_WORDS
from simulators.world.engine import Options
from simulators.world.run import Outcome, Sum
from simulators.world.shrink import command_of

VIOLATIONS_SHOWN: Final = 8
COLUMNS: Final = 2


def bar(console: Console) -> Progress:
    """A progress bar of runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs  {task.fields[so_far]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)


def so_far(total: Sum) -> str:
    """A few words beside the bar."""
    figures = total.figures
    wrong = figures.wrongly_released - figures.wrongly_released_undetectable
    failing = f", {len(total.failing)} failing" if total.failing else ""
    return f"{figures.room_years:.1f} room-years, {figures.releases} releases, {wrong} wrong{failing}"


def summary(total: Sum) -> Iterable[Any]:
    """What everything came to: figures, causes, and which faults made a difference."""
    figures = total.figures
    table = Table(box=None, show_header=False, title="What it came to", title_justify="left")
    possible = figures.recoverable_hours
    share = f"{figures.returned_hours / possible:.0%} of what could be" if possible else ""
    per_year = figures.wrongly_released_undetectable / figures.room_years if figures.room_years else 0.0
    promised = figures.wrongly_released - figures.wrongly_released_undetectable
    rows: tuple[tuple[str, str, str], ...] = (
        ("room-years", f"{figures.room_years:.2f}", f"{total.seconds:.0f} s of computing"),
        ("releases", f"{figures.releases}", ""),
        ("taken from people", f"{promised}", "must be 0"),
        (
            "taken, nobody could notice",
            f"{figures.wrongly_released_undetectable}",
            f"{per_year:.2f} in a room's year: measured, not promised",
        ),
        ("people came after it", f"{figures.came_after_release}", "later than the grace period"),
        ("bookings withheld at some time", f"{figures.withheld}", ""),
        ("hours given back", f"{figures.returned_hours:.1f}", share),
        ("broken promises", f"{sum(len(one.violations) for one in total.failing)}", "must be 0"),
        ("readings, requests, deaths", f"{figures.readings:,} {figures.requests:,} {figures.deaths:,}", ""),
    )
    for row in rows:
        table.add_row(*row)
    yield table
    if figures.causes:
        yield ""
        yield "Ghost hours that were not given back, and why"
        for name, hours in sorted(figures.causes.items(), key=lambda one: -one[1]):
            yield f"{hours:8.1f} h   {CAUSES_IN_WORDS.get(name, name)}"
    if total.faults:
        yield ""
        yield _coverage(total)
    if total.never_struck:
        yield f"[bold red]never struck: {', '.join(total.never_struck)}[/]"


def _coverage(total: Sum) -> Table:
    """Which faults made a difference, and how often."""
    table = Table(box=None, title="Faults that made a difference", title_justify="left", header_style="dim")
    for _ in range(COLUMNS):
        table.add_column("fault", no_wrap=True)
        table.add_column("struck", justify="right")
    cells = [
        (name + ("" if BY_NAME[name].detectable else " *"), f"{total.figures.faults_struck.get(name, 0):,}")
        for name in NAMES
        if name in total.faults
    ]
    rows = -(-len(cells) // COLUMNS)
    for number in range(rows):
        row = cells[number::rows]
        table.add_row(*(part for cell in row for part in cell))
    table.caption = "* nobody can notice it"
    table.caption_justify = "left"
    return table


def failure(outcome: Outcome, smallest: Options) -> Iterable[str]:
    """A failing run: what broke, and the command that shows it again."""
    manner = "" if outcome.variant == "default" else f", where Exchange has {outcome.variant}"
    yield f"[bold red]seed {outcome.seed} fails[/]{manner}"
    for violated in outcome.violations[:VIOLATIONS_SHOWN]:
        yield f"  {violated.invariant}  {_moment(violated.at)}  {violated.what}"
    if len(outcome.violations) > VIOLATIONS_SHOWN:
        yield f"  and {len(outcome.violations) - VIOLATIONS_SHOWN} more"
    for release in outcome.wrong:
        when, inside = _moment(release.at), release.inside
        yield f"  taken from {inside} people  {when}  {release.room}: {release.booking}"
    only = smallest.only
    strikes = [strike for strike in outcome.strikes if only is None or strike.number in only]
    yield f"  with {len(strikes)} of its {len(outcome.strikes)} faults:"
    for strike in strikes[:VIOLATIONS_SHOWN]:
        where = f" {strike.sensor or strike.room}".rstrip()
        yield f"    {strike.number}: {strike.kind}{where}, {_moment(strike.at)} to {_moment(strike.until)}"
    yield f"  again: {command_of(smallest)}"


def _moment(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
