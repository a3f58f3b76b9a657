"""The core alone, on one processor core: no broker, no ledger, no event loop."""

import time
from itertools import islice
from typing import Final

from benchmarks import office
from gateway.core.events import CalendarRead, Configured, LinkUp, Reading, Tick
from gateway.core.site import Site
from gateway.core.units import DAY_MS, SECOND_MS, Instant

START: Final[Instant] = 1_790_000_000_000
BATCH: Final = 200
"""Readings between two ticks: about what the service reads from its socket at once in a burst."""

READINGS_PER_S: Final = 33
"""How fast the readings' own time passes."""


def measure(readings: int, changes: float) -> float:
    """Readings a second, ticks included; `changes` is the share of them that change something."""
    site = _site()
    told = office.told(changes)
    _feed(site, _timed(list(islice(told, 2 * len(office.sensors()))), START))
    timed = _timed(list(islice(told, readings)), site.state.now)
    began = time.perf_counter()
    _feed(site, timed)
    return readings / (time.perf_counter() - began)


def _site() -> Site:
    site = Site()
    site.handle(Configured(office.site_config()), START)
    site.handle(LinkUp(session_present=False), START)
    for room in site.rooms:
        booked = tuple(office.bookings(room, START))
        site.handle(CalendarRead(room, START - DAY_MS, START + DAY_MS, changed=booked), START)
    site.handle(Tick(), START)
    return site


def _timed(told: list[office.Told], start: Instant) -> list[tuple[Reading, Instant]]:
    """Each reading with its instant."""
    instants = [start + number * SECOND_MS // READINGS_PER_S for number in range(len(told))]
    return [(office.reading(one, at), at) for one, at in zip(told, instants, strict=True)]


def _feed(site: Site, timed: list[tuple[Reading, Instant]]) -> None:
    """Give readings and ticks as the service does (`Brain.hear`, `Brain._conclude`)."""
    for first in range(0, len(timed), BATCH):
        now = 0
        for reading, now in timed[first : first + BATCH]:
            if not site.is_repeat(reading, now):
                site.handle(reading, now)
        deadline = site.next_deadline(now)
        if deadline is not None and deadline <= now:
            site.handle(Tick(), now)
            site.next_deadline()
