"""Runs of the world: one by its seed, many on several cores, and what they add up to."""

import concurrent.futures
import contextlib
import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from simulators.clock import VirtualClock, run_virtual
from simulators.faults import NAMES, Strike
from simulators.world.cast import begin
from simulators.world.engine import Engine, Options
from simulators.world.judge import Figures, Release, Violated
from simulators.world.sight import listening_to_the_log

MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - a folder in memory, where Linux has one; see `_folder`
DAYS_PER_RUN: Final = 7
LONG_RUN_YEARS: Final = 2.0
"""From so many room-years on, every chosen kind of fault must have struck."""


class Outcome(msgspec.Struct):
    """What one run came to."""

    seed: int
    figures: Figures
    violations: list[Violated]
    releases: list[Release]
    strikes: list[Strike]
    """The schedule, as far as it was to happen."""
    bitten: list[int]
    """Numbers of the strikes that made a difference."""
    seconds: float = 0.0
    points: dict[str, int] = {}
    """How often each point in the gateway's life was passed."""
    commits: int = 0
    packets: int = 0
    variant: str = ""
    """How Exchange behaved (`simulators.world.manners`)."""
    digest: str = ""
    """Of the ledger at the end: the same for the same options, on any machine."""

    @property
    def wrong(self) -> list[Release]:
        """Rooms taken from people who were inside, and no fault beyond notice explains it."""
        return [release for release in self.releases if release.inside and not release.excused]

    @property
    def failed(self) -> bool:
        """Whether anything happened that must not."""
        return bool(self.violations or self.wrong)

    def signature(self) -> frozenset[str]:
        """What kind of failure it is: a smaller run shows the same one if they share a part of this."""
        kinds = {violated.invariant for violated in self.violations}
        return frozenset(kinds | ({"wrongly released"} if self.wrong else set()))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder for one run's ledger; in memory where there is some, for its commits are many."""
    where = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="occupancy-world-", dir=where) as folder:
        yield Path(folder)


def run_one(options: Options, look: Callable[[Engine], Any] = lambda _: None) -> Outcome:
    """One run from its begin to its end; `look` may inspect the engine afterwards, its ledger included."""
    began = time.perf_counter()
    with _folder() as folder:

        async def main(clock: VirtualClock) -> Outcome:
            alerts: list[str] = []
            with listening_to_the_log(alerts):
                engine = Engine(options, folder, clock)
                engine.observed.alerts = alerts
                await engine.run()
            look(engine)
            return _outcome(engine)

        outcome = run_virtual(main, begin(options.seed, options.days, options.faults).first)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _outcome(engine: Engine) -> Outcome:
    judge = engine.judge
    return Outcome(
        engine.options.seed,
        judge.figures(),
        judge.violations,
        judge.releases,
        list(engine.schedule),
        sorted(engine.active.bitten),
        points=dict(engine.host.passed),
        commits=engine.host.disk.commits,
        packets=engine.air.packets,
        variant=engine.variant,
        digest=engine.sight.digest(),
    )


@dataclasses.dataclass
class Sum:
    """Many runs added up."""

    rooms: int
    days: int
    faults: frozenset[str]
    figures: Figures = dataclasses.field(default_factory=Figures)
    seeds: list[int] = dataclasses.field(default_factory=list)
    failing: list[Outcome] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    variants: Counter[str] = dataclasses.field(default_factory=Counter)
    """How often Exchange behaved in which way."""

    def add(self, outcome: Outcome) -> None:
        """Add one run."""
        self.seeds.append(outcome.seed)
        self.figures.add(outcome.figures)
        self.seconds += outcome.seconds
        self.variants[outcome.variant] += 1
        if outcome.failed:
            self.failing.append(outcome)

    @property
    def never_struck(self) -> list[str]:
        """Chosen kinds of faults that never made a difference, in a run long enough for all of them."""
        if self.figures.room_years < LONG_RUN_YEARS:
            return []
        return [name for name in NAMES if name in self.faults and not self.figures.faults_struck.get(name)]

    @property
    def failed(self) -> bool:
        """Whether anything is wrong with any run, or with the whole."""
        return bool(self.failing or self.never_struck)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        figures = self.figures
        violations = [
            {"seed": outcome.seed, "invariant": v.invariant, "at": v.at, "what": v.what}
            for outcome in self.failing
            for v in outcome.violations
        ]
        return {
            "seeds": sorted(self.seeds),
            "rooms": self.rooms,
            "days": self.days,
            "faults": sorted(self.faults),
            "room_years": round(figures.room_years, 4),
            "wrongly_released": figures.wrongly_released,
            "wrongly_released_undetectable": figures.wrongly_released_undetectable,
            "invariant_violations": violations,
            "faults_struck": {name: figures.faults_struck.get(name, 0) for name in sorted(self.faults)},
            "faults_never_struck": self.never_struck,
            "variants": dict(sorted(self.variants.items())),
            "releases": figures.releases,
            "withheld": figures.withheld,
            "came_after_release": figures.came_after_release,
            "recoverable_hours": round(figures.recoverable_hours, 3),
            "returned_hours": round(figures.returned_hours, 3),
            "causes": {name: round(hours, 3) for name, hours in figures.causes.items()},
            "readings": figures.readings,
            "requests": figures.requests,
            "deaths": figures.deaths,
            "seconds": round(self.seconds, 2),
        }


def run_many(plans: Sequence[Options], *, jobs: int = 1, tell: Callable[[Sum], None] = lambda _: None) -> Sum:
    """Several runs, on so many cores, added up; `tell` hears of each. Raises ValueError without plans."""
    if not plans:
        raise ValueError("there is nothing to run")
    total = Sum(plans[0].rooms, plans[0].days, plans[0].faults)
    if jobs <= 1 or len(plans) == 1:
        for options in plans:
            total.add(run_one(options))
            tell(total)
        return total
    # A new process for each run: what one leaves in memory says nothing about the next (`Bounded`).
    with concurrent.futures.ProcessPoolExecutor(jobs, max_tasks_per_child=1) as pool:
        for outcome in pool.map(run_one, plans, chunksize=1):
            total.add(outcome)
            tell(total)
    return total


def plans_for(room_years: float, seed: int, faults: frozenset[str], rooms: int = 16) -> Iterator[Options]:
    """As many runs as make up `room_years`, with the seeds from `seed` on.

    The last run is shortened, so that fractions of a room-year are possible; at least one day is run.
    """
    left = max(1, round(room_years * 365 / rooms))
    while left > 0:
        days = min(left, DAYS_PER_RUN)
        yield Options(seed, rooms, days, faults)
        left -= days
        seed += 1
