"""`occupancy-simulator world`: runs, a summary, and failing runs made small."""

import json
from pathlib import Path
from typing import Final, NamedTuple, Self

from rich.console import Console

from simulators.faults import chosen
from simulators.world.engine import Options
from simulators.world.run import Outcome, Sum, plans_for, run_many
from simulators.world.show import bar, failure, so_far, summary
from simulators.world.shrink import shrink

SHRUNK: Final = 2
"""So many failing runs are made small; each takes some dozens of runs."""


class Wanted(NamedTuple):
    """What to run."""

    plans: tuple[Options, ...]

    @classmethod
    def of(
        cls, faults: str, *, room_years: float, seed: int, rooms: int, days: int | None, only: str | None
    ) -> Self:
        """Runs of `room_years`, or the one run of so many days. Raises ValueError, in words for people."""
        kinds = chosen(faults)
        if days is not None:
            return cls((Options(seed, rooms, days, kinds, only=_numbers(only)),))
        if only is not None:
            raise ValueError("--only is about the faults of one run: say --days as well")
        return cls(tuple(plans_for(room_years, seed, kinds, rooms)))


def _numbers(text: str | None) -> tuple[int, ...] | None:
    """The numbers of strikes in "3,17"; "none" names none of them."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(",") if part != "none")
    except ValueError:
        raise ValueError(f'--only takes numbers, such as 3,17, or none; found "{text}"') from None


def run_command(
    wanted: Wanted, console: Console, *, jobs: int, json_file: Path | None, shrinks: bool
) -> bool:
    """Run, show, write; True if anything failed."""
    with bar(console) as progress:
        task = progress.add_task("world", total=len(wanted.plans), so_far="")

        def tell(total: Sum) -> None:
            progress.update(task, completed=len(total.seeds), so_far=so_far(total))

        total = run_many(wanted.plans, jobs=jobs, tell=tell)
    console.print(*summary(total), sep="\n")
    by_seed = {options.seed: options for options in wanted.plans}
    for outcome in total.failing[:SHRUNK]:
        console.print(
            *failure(outcome, _small(by_seed[outcome.seed], outcome, console, shrinks=shrinks)), sep="\n"
        )
    others = [outcome.seed for outcome in total.failing[SHRUNK:]]
    if others:
        console.print(f"[bold red]and these seeds fail as well: {', '.join(map(str, others))}[/]")
    if json_file is not None:
        json_file.write_text(json.dumps(total.as_json(), indent=2) + "\n", encoding="utf-8")
    return total.failed


def _small(options: Options, outcome: Outcome, console: Console, *, shrinks: bool) -> Options:
    if not shrinks or options.only is not None or not outcome.strikes:
        return options
    with console.status(f"making seed {outcome.seed} small") as status:
        return shrink(
            options,
            outcome,
            tell=lambda runs, strikes: status.update(
                f"making seed {outcome.seed} small: {runs} runs, {strikes} faults left"
            ),
        )
