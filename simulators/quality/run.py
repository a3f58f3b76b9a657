"""Enough scenes to count: the same people for every kit, every policy and every baseline.

The unit of work is one room over some weeks with one kit; its seed is the run's seed and its number.
"""

import concurrent.futures
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from simulators.people import Behaviour
from simulators.quality.baselines import BASELINES
from simulators.quality.drive import play
from simulators.quality.judge import Figures, judge_baseline, judge_core
from simulators.quality.kits import KITS
from simulators.quality.policies import POLICIES
from simulators.quality.scene import Days, Scene, Shows, plan, scene

DAYS: Final = 20
"""Working days of one room: what the core learns of a room (its quiet gaps, its silent bookings) is in it."""
DEFAULT: Final = "default"
OTHERS_SHARE: Final = 4
"""Sets that nothing is promised for are played on a quarter of the bookings, and the other policies on a
quarter of those of the default one, unless all is asked for. Devices fail under the default alone."""
RATES: Final = Behaviour()
"""How people behave in the main figures."""
GHOST_SHARE: Final = RATES.ghost
LARGEST_GHOST_SHARE: Final = 1 - RATES.late - RATES.leaves_early - RATES.lone_quiet - RATES.overstay
"""Of the bookings that nobody cancels: then nobody who comes is simply on time."""


class Key(NamedTuple):
    """What figures are about: a kit, and a policy or baseline."""

    kit: str
    way: str
    ghost_share: float | None = None
    """As planned, where it is another one than `GHOST_SHARE`."""


Sums = dict[Key, Figures]


class Work(NamedTuple):
    """One room over some weeks."""

    kit: str
    seed: int
    number: int
    policies: tuple[str, ...]
    days: int = DAYS
    ghost_share: float | None = None
    """As in `Key`. Another share is played without baselines, which learn nothing from the days before."""


def work_for(
    kits: Sequence[str], policies: Sequence[str], seed: int, bookings: int, *, full: bool = False
) -> Iterator[Work]:
    """As many rooms as have `bookings` bookings that stand. The default policy comes with the baselines."""
    all_rooms = rooms_for(seed, bookings, DAYS)
    share = 1 if full else OTHERS_SHARE
    for kit in (KITS[name] for name in kits):
        rooms = all_rooms if kit.promised else -(-all_rooms // share)
        others = 0 if kit.fails else -(-rooms // share)
        for number in range(rooms):
            chosen = tuple(policy for policy in policies if policy == DEFAULT or number < others)
            if chosen:
                yield Work(kit.name, seed, number, chosen)


def ghost_work_for(
    kits: Sequence[str], policies: Sequence[str], ghost_shares: Sequence[float], seed: int, bookings: int
) -> Iterator[Work]:
    """The promised kits with each of these shares of ghosts: as many bookings, under the default policy."""
    promised = [name for name in kits if KITS[name].promised and DEFAULT in policies]
    for kit, share in itertools.product(promised, ghost_shares):
        for number in range(rooms_for(seed, bookings, DAYS, share)):
            yield Work(kit, seed, number, (DEFAULT,), ghost_share=share)


def rooms_for(seed: int, bookings: int, days: int, ghost_share: float | None = None) -> int:
    """How many rooms have so many bookings that nobody cancels."""
    rooms = counted = 0
    while counted < bookings:
        days_of_room = planned(_seed(seed, rooms), days, ghost_share)
        counted += sum(booking.cancelled_at is None for booking in days_of_room.bookings)
        rooms += 1
    return rooms


def planned(seed: int, days: int, ghost_share: float | None) -> Days:
    """A room's days. Of what people do only the share of ghosts differs: all others come on time instead."""
    share = GHOST_SHARE if ghost_share is None else ghost_share
    return plan(seed, days, msgspec.structs.replace(RATES, ghost=share))


def _seed(seed: int, number: int) -> int:
    return seed * 1_000_003 + number


def figures_of(work: Work) -> Sums:
    """Play one room: each policy, and the baselines with the default one."""
    seed = _seed(work.seed, work.number)
    played_room = scene(KITS[work.kit], planned(seed, work.days, work.ghost_share), seed)
    return judged(played_room, work.kit, work.policies, seed, work.ghost_share)


def judged(
    room: Scene, kit: str, policies: Sequence[str], seed: int, ghost_share: float | None = None
) -> Sums:
    """A scene under each policy, and under each baseline where the default policy is among them."""
    shows = Shows(room.config.sensors, room.facts)
    sums: Sums = {}
    for name in policies:
        policy = POLICIES[name]
        sums[Key(kit, name, ghost_share)] = judge_core(room, policy, play(room, policy, seed), shows)
    if DEFAULT in policies and ghost_share is None:
        for baseline in BASELINES.values():
            sums[Key(kit, baseline.name)] = judge_baseline(room, POLICIES[DEFAULT], baseline, shows)
    return sums


def add(total: Sums, more: Sums) -> None:
    """Add the figures of one room."""
    for key, figures in more.items():
        total.setdefault(key, Figures()).add(figures)


def run_many(works: Sequence[Work], *, jobs: int, tell: Callable[[Sums], None] = lambda _: None) -> Sums:
    """All rooms, on so many cores, added up in their order; `tell` hears of each."""
    total: Sums = {}
    if jobs <= 1:
        for work in works:
            add(total, figures_of(work))
            tell(total)
        return total
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for sums in pool.map(figures_of, works):
            add(total, sums)
            tell(total)
    return total
