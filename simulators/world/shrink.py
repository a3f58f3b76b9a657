"""A failing run made small: the fewest strikes of its schedule with which it still fails in the same way.

Delta debugging (A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", 2002)
over the numbers of the strikes. Each try is a whole run, so there is a limit to them.
"""

import dataclasses
from collections.abc import Callable
from typing import Final

from simulators.faults import NAMES
from simulators.world.engine import Options
from simulators.world.run import Outcome, run_one

MOST_RUNS: Final = 40

Fails = Callable[[tuple[int, ...]], bool]


def shrink(
    options: Options,
    failing: Outcome,
    *,
    most_runs: int = MOST_RUNS,
    run: Callable[[Options], Outcome] = run_one,
    tell: Callable[[int, int], None] = lambda _runs, _strikes: None,
) -> Options:
    """The options of the smallest run found that fails as `failing` does; `tell` hears of each try.

    `tell` is given the number of runs so far and of the strikes that are left. Where the run fails
    without any strike, the options name none.
    """
    wanted = failing.signature()
    runs = 0

    def fails(numbers: tuple[int, ...]) -> bool:
        nonlocal runs
        runs += 1
        found = run(dataclasses.replace(options, only=numbers)).signature()
        return bool(found & wanted)

    def may_go_on() -> bool:
        return runs < most_runs

    everything = tuple(strike.number for strike in failing.strikes)
    bitten = tuple(number for number in everything if number in set(failing.bitten))
    left = everything
    for fewer in ((), bitten):
        if len(fewer) < len(left) and may_go_on() and fails(fewer):
            left = fewer
            break
    left = smallest(left, fails, may_go_on, lambda numbers: tell(runs, len(numbers)))
    return dataclasses.replace(options, only=left)


def smallest(
    numbers: tuple[int, ...],
    fails: Fails,
    may_go_on: Callable[[], bool] = lambda: True,
    tell: Callable[[tuple[int, ...]], None] = lambda _: None,
) -> tuple[int, ...]:
    """The smallest part of `numbers` found for which `fails` holds, as it does for all of them."""
    parts = 2
    while len(numbers) > 1 and may_go_on():
        size = -(-len(numbers) // parts)
        chunks = [numbers[first : first + size] for first in range(0, len(numbers), size)]
        rests = [tuple(n for n in numbers if n not in set(chunk)) for chunk in chunks]
        found = None
        for candidate in (*chunks, *(rests if len(chunks) > 2 else ())):  # noqa: PLR2004 - of two, each is the other's rest
            if candidate and may_go_on() and fails(candidate):
                found = candidate
                break
        if found is not None:
            parts = 2 if found in chunks else max(2, parts - 1)
            numbers = found
            tell(numbers)
        elif size == 1:
            break
        else:
            parts = min(len(numbers), 2 * parts)
    return numbers


def command_of(options: Options) -> str:
    """The command that runs this very run."""
    named = ",".join(name for name in NAMES if name in options.faults) or "none"
    faults = "all" if options.faults == frozenset(NAMES) else named
    parts = [
        "occupancy-simulator world",
        f"--seed {options.seed}",
        f"--rooms {options.rooms}",
        f"--days {options.days}",
        f"--faults {faults}",
    ]
    if options.only is not None:
        parts.append(f"--only {','.join(map(str, options.only)) or 'none'}")
    return " ".join(parts)
