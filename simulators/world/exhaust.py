"""One fault at every place where it can strike: the first, the second, ... until a run has no more of them.

As SQLite's own tests do it for memory and input/output (sqlite.org/testing.html, "Anomaly testing"): the
n-th write to the disk fails, the n-th answer of Exchange is lost, the n-th message of a sensor is lost,
or the process is killed when it passes one of its labelled points for the n-th time.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from simulators.world.engine import Options
from simulators.world.host import POINTS
from simulators.world.run import Outcome, run_one

Place = str
"""`write` (to the disk), `answer` (of Exchange), `packet` (of a sensor), or the name of one of `POINTS`."""

PLACES: Final[tuple[Place, ...]] = ("write", "answer", "packet", *POINTS)


class Try(NamedTuple):
    """One run with a fault at the `number`-th place."""

    place: Place
    number: int
    outcome: Outcome


def exhaust(
    place: Place, base: Options, *, every: int = 1, run: Callable[[Options], Outcome] = run_one
) -> Iterator[Try]:
    """A run for each `every`-th place of a kind, up to as many as the run without the fault has."""
    passed = passes(place, run(base))
    for number in range(1, passed + 1, every):
        yield Try(place, number, run(struck(base, place, number)))


def struck(base: Options, place: Place, number: int) -> Options:
    """The same run, with the fault at the n-th place."""
    match place:
        case "write":
            return dataclasses.replace(base, fail_nth_write=number)
        case "answer":
            return dataclasses.replace(base, fail_nth_answer=number)
        case "packet":
            return dataclasses.replace(base, lose_nth_packet=number)
        case point:
            return dataclasses.replace(base, die_at=(point, number))


def passes(place: Place, outcome: Outcome) -> int:
    """How many such places a run has had."""
    match place:
        case "write":
            return outcome.commits
        case "answer":
            return outcome.figures.requests
        case "packet":
            return outcome.packets
        case point:
            return outcome.points.get(point, 0)
