"""A year of 100 rooms under another policy: measured on some days, extrapolated to 365.

The simulated office lives through the days in its usual mix of sensors (`simulators.past`); its journal
is such as a real gateway writes: about 2,500 readings, 720 looks into the calendar and 70 ticks a
room and day. Of eight days from a Monday on six are workdays, a little more than in a year.

Each piece of history is run from a day before it counts. Eight days are two pieces and nine days; a year
is `PIECES` of them, so it takes a smaller share of such days.

* *A year*: the processor time of the slice, over the machine's processors. The slice's two pieces differ in
  length, so one processor waits for the other; a year's are equal. (Thirty-two days in eight pieces took 6 %
  longer by the clock than this says.)
* *Processor time*: of all processes, for each event and policy: history as it was configured and one other.
"""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.core.policy import BreakerPolicy
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from gateway.ledger import LedgerReader
from gateway.replay.pieces import PIECES, WARM_UP_MS, pieces
from gateway.replay.variants import AS_CONFIGURED, grid
from gateway.replay.what_if import what_if
from simulators.office import Office
from simulators.past import write_past

ROOMS: Final = 100
START: Final[Instant] = 20_724 * DAY_MS  # Monday, 2026-09-28
YEAR: Final = 365


@dataclass(frozen=True)
class Figures:
    """What the slice took, and what a year would."""

    days: int
    run_days: float
    """With those that do not count."""
    events: int
    build_s: float
    wall_s: float
    cpu_s: float
    policies: int = 2

    @property
    def year_s(self) -> float:
        """Time of a year on this machine, if its processors are busy all the time."""
        of_a_year = (YEAR + (PIECES - 1) * WARM_UP_MS / DAY_MS) / self.run_days
        return self.cpu_s / (os.cpu_count() or 1) * of_a_year

    @property
    def cpu_us(self) -> float:
        """Processor time of an event under one policy, in µs."""
        return 1e6 * self.cpu_s / self.events / self.policies * self.days / self.run_days


def measure(path: Path, days: int) -> Figures:
    """Write so many days, then try another policy on them."""
    office = Office(1, ROOMS, start_ms=START, hours=24.0 * days, warm_up_ms=8 * HOUR_MS)
    began = time.perf_counter()
    events = write_past(path, office, breaker=BreakerPolicy(on=False))
    built = time.perf_counter()
    spent = _spent()
    what_if(path, [AS_CONFIGURED, *grid(grace=[5 * MINUTE_MS])], jobs=os.cpu_count() or 1)
    took, spent = time.perf_counter() - built, _spent() - spent
    with LedgerReader(path) as reader:
        run_days = sum(piece.until - piece.begins for piece in pieces(reader, None, None)) / DAY_MS
    return Figures(days, run_days, events, built - began, took, spent)


def _spent() -> float:
    """Processor time of this process and of those that it has waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, kinds))
