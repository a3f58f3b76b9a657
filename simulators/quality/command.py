"""`occupancy-simulator quality`: what is asked for, a progress bar, tables, files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable
from rich.text import Text

from gateway.core.site import RULESET
from simulators.quality.judge import SIGHT_IN_WORDS
from simulators.quality.kits import KITS
from simulators.quality.page import page
from simulators.quality.policies import POLICIES
from simulators.quality.recorded import UCI_FILE, UCI_SETS, scenes_of, uci_scene
from simulators.quality.results import GOAL, Line, Results, encoded, lines_of
from simulators.quality.run import (
    DEFAULT,
    GHOST_SHARE,
    LARGEST_GHOST_SHARE,
    Sums,
    Work,
    add,
    ghost_work_for,
    judged,
    run_many,
    work_for,
)
from simulators.quality.tables import Table, goal_by_ghost_share, tables
from simulators.recordings import import_uci

UCI_SEEDS: Final = 12
"""So many times bookings are drawn anew over the one recording."""
SLICE_DAYS: Final = 4
PROMISED: Final = tuple(kit.name for kit in KITS.values() if kit.promised)
LEGEND: Final = (
    "recovered, withheld: of ghosts' recoverable hours, which come after grace and the last people's hold.",
    "minutes until release: from a ghost's start, the median and what nine of ten stay below.",
    f"wrong: taken from people, {', '.join(f'{sight} ({how})' for sight, how in SIGHT_IN_WORDS.items())}.",
    "came after: people came only after the room had been given back, and are not counted as wrong.",
)
"""What the heads of the tables mean."""
BESIDE: Final = Path(__file__).parents[2].parent / "shared" / "data" / "occupancy"
"""Where the recordings lie if they lie beside the repository."""


class Wanted(NamedTuple):
    """What to run."""

    kits: tuple[str, ...]
    policies: tuple[str, ...]
    ghost_shares: tuple[float, ...]
    """Beside that of the main figures."""
    seed: int
    bookings: int
    full: bool
    data: Path

    @classmethod
    def of(
        cls,
        kits: str,
        policies: str,
        ghost_shares: str,
        seed: int,
        bookings: int,
        *,
        full: bool,
        data: Path | None,
    ) -> Self:
        """From the words of the command line. Raises ValueError, in words for people."""
        return cls(
            _named(kits, tuple(KITS), "set of sensors"),
            _named(policies, tuple(POLICIES), "policy"),
            _ghost_shares(ghost_shares),
            seed,
            bookings,
            full,
            BESIDE if data is None else data,
        )


def _named(text: str, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    chosen = known if text == "all" else tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise ValueError(f"there is no {what} {', '.join(unknown)!r}; there are: {', '.join(known)}, or all")
    return tuple(name for name in known if name in chosen)


def _ghost_shares(text: str) -> tuple[float, ...]:
    """Percents as shares, without that of the main figures; "none" names none."""
    if text.strip() == "none":
        return ()
    most = round(100 * LARGEST_GHOST_SHARE)
    percents = [part.strip() for part in text.split(",")]
    wrong = [part for part in percents if not (part.isdecimal() and 1 <= int(part) <= most)]
    if wrong:
        raise ValueError(
            f"--ghost-shares takes whole percents from 1 to {most} with commas between, such as 10,20,30, "
            f"or none; found {wrong[0]!r}"
        )
    return tuple(sorted({int(part) / 100 for part in percents} - {GHOST_SHARE}))


def run_all(wanted: Wanted, console: Console, *, jobs: int) -> Results:
    """The simulated office and, where it lies there, the UCI recording. `console` shows how far it is."""
    results = Results(wanted.seed, wanted.bookings, wanted.full, ruleset=RULESET)
    works = list(work_for(wanted.kits, wanted.policies, wanted.seed, wanted.bookings, full=wanted.full))
    with _bar(console) as progress:
        task = progress.add_task("simulated rooms", total=len(works))
        results.lines = lines_of(run_many(works, jobs=jobs, tell=lambda _: progress.advance(task)))
        results.slice = slice_of(wanted.kits, wanted.policies, wanted.seed)
        asked = (wanted.kits, wanted.policies, wanted.ghost_shares, wanted.seed)
        ghost_works = list(ghost_work_for(*asked, wanted.bookings))
        if ghost_works:
            task = progress.add_task("other shares of ghosts", total=len(ghost_works))
            sums = run_many(ghost_works, jobs=jobs, tell=lambda _: progress.advance(task))
            results.ghost_lines, results.ghost_slice = lines_of(sums), ghost_slice_of(*asked)
        file = wanted.data / UCI_FILE
        if file.exists():
            task = progress.add_task("the UCI room", total=UCI_SEEDS)
            sums = {}
            for seed, more in uci_sums(file, UCI_SEEDS):
                add(sums, more)
                if seed == 1:
                    results.uci_slice = lines_of(more)
                progress.advance(task)
            results.uci, results.uci_seeds = lines_of(sums), UCI_SEEDS
    if not results.uci:
        console.print(f"The UCI recording is left out: there is no {file}; name its folder with --data.")
    if wanted.ghost_shares and not results.ghost_lines:
        console.print(
            f"Other shares of ghosts are left out: they are played with {' and '.join(PROMISED)} "
            f"under the policy {DEFAULT} alone."
        )
    return results


def slice_of(kits: Sequence[str], policies: Sequence[str], seed: int) -> list[Line]:
    """A few days of one room: what a check plays again. Other policies only where something is promised."""
    works = [
        Work(kit, seed, 0, tuple(p for p in policies if p == DEFAULT or KITS[kit].promised), SLICE_DAYS)
        for kit in kits
    ]
    return lines_of(run_many([work for work in works if work.policies], jobs=1))


def ghost_slice_of(
    kits: Sequence[str], policies: Sequence[str], ghost_shares: Sequence[float], seed: int
) -> list[Line]:
    """The same for other shares of ghosts."""
    works = ghost_work_for(kits, policies, ghost_shares, seed, 1)
    return lines_of(run_many([work._replace(days=SLICE_DAYS) for work in works], jobs=1))


def uci_sums(file: Path, seeds: int) -> Iterator[tuple[int, Sums]]:
    """The UCI room, with bookings drawn from each seed from 1 on: all of its sets of sensors."""
    recording = import_uci(file)
    for seed in range(1, seeds + 1):
        sums: Sums = {}
        for name, sensors in UCI_SETS.items():
            sums |= judged(uci_scene(recording, sensors, seed), name, (DEFAULT,), seed)
        yield seed, sums


def run_recording(wanted: Wanted, recording: Path, bookings: Path, config: Path | None) -> Results:
    """A recording of one's own. Raises as `scenes_of` does."""
    sums: Sums = {}
    for scene in scenes_of(recording, bookings, config):
        add(sums, judged(scene, scene.config.id, wanted.policies, wanted.seed))
    return Results(wanted.seed, ruleset=RULESET, recorded=lines_of(sums))


def show(results: Results, console: Console) -> None:
    """Tables, and whether the goal is met."""
    for table in tables(results):
        drawn = _rich(table)
        if _fits(table, console.width):
            console.print(drawn)
        else:
            _print_row_by_row(table, console)
        console.print()
    for words in LEGEND:
        console.print(words, style="dim")
    console.print()
    for line in results.promised:
        share = line.recovered_share or 0.0
        verdict = "met" if line.recovers_enough else "not met"
        told = f"{line.kit}: {share:.1%} of the recoverable hours come back (goal {GOAL:.0%}): {verdict}"
        console.print(told, style="green" if line.recovers_enough else "yellow")
    for kit, words in goal_by_ghost_share(results).items():
        console.print(f"{kit}: {words}")
    for line in results.taken_in_sight:
        ghosts = "" if line.ghost_share is None else f", {line.ghost_share:.0%} ghosts"
        told = f"{line.kit}, {line.way}{ghosts}: {line.taken_in_sight} rooms were taken from people in sight"
        console.print(told, style="bold red")


def write(results: Results, json_file: Path | None, markdown: Path | None) -> None:
    """The files that were asked for; the page has its figures beside it. Raises OSError."""
    if json_file is not None:
        json_file.write_text(encoded(results), encoding="utf-8")
    if markdown is not None:
        markdown.with_suffix(".json").write_text(encoded(results), encoding="utf-8")
        markdown.write_text(page(results), encoding="utf-8")


def _fits(table: Table, width: int) -> bool:
    """Whether every row has room on one line, two spaces between its cells."""
    columns = zip(table.heads, *table.rows, strict=True)
    return sum(max(map(len, column)) + 2 for column in columns) - 2 <= width


def _print_row_by_row(table: Table, console: Console) -> None:
    """For a terminal that is too narrow: each row a paragraph, its figures with their heads."""
    console.print(table.title, style="italic")
    for row in table.rows:
        named = [f"{head} {cell}" for head, cell in zip(table.heads[1:], row[1:], strict=True)]
        words = Text.assemble((row[0], "bold"), ": ", ", ".join(named))
        console.print(Padding(words, (0, 0, 0, 2)))


def _rich(table: Table) -> RichTable:
    drawn = RichTable(title=table.title, title_justify="left", box=None, pad_edge=False)
    for number, head in enumerate(table.heads):
        drawn.add_column(head, justify="left" if number == 0 else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)
