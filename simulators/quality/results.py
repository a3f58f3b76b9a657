"""The figures as they are kept and shown: one line for each set of sensors and each way to decide."""

from pathlib import Path
from typing import Final, Self

import msgspec

from gateway.core.units import MINUTE_MS, Duration
from gateway.reports.intervals import clopper_pearson
from simulators.quality.judge import Counts, Figures, Sight
from simulators.quality.kits import KITS
from simulators.quality.policies import POLICIES
from simulators.quality.run import DAYS, DEFAULT, GHOST_SHARE, Key, Sums

GOAL: Final = 0.95
"""Of the recoverable ghost hours, where a kit's figures are promised."""
EXCUSED: Final[frozenset[Sight]] = frozenset({"arriving", "away"})
"""Where a kit is promised to see people: nobody was inside, or their first message was still on its way."""


class Line(Counts, omit_defaults=True):
    """The figures of one set of sensors under one policy or baseline. Hours and minutes as floats.

    The counts come last where it is kept, as all fields do that are given by name only.
    """

    kit: str
    way: str
    bookings: int
    ghosts: int
    hours_ghost: float
    hours_recoverable: float
    hours_recovered: float
    recovered_share: float | None
    """Of the recoverable hours; None where there are none."""
    wrong_per_1000: tuple[float, float, float]
    """Rooms taken from people, per 1,000 bookings, with the exact 95 % interval."""
    wrong: dict[str, int] = msgspec.field(default_factory=dict)
    """The same, counted, by what the sensors made of the people (`simulators.quality.judge.Sight`)."""
    causes: dict[str, float] = msgspec.field(default_factory=dict)
    """Recoverable hours that were not returned, by cause."""
    minutes_until_release: tuple[float, float] | None = None
    """From a ghost's start: the median, and what nine of ten stay below."""
    ghost_share: float | None = None
    """Planned, of the bookings; None where it is that of the main figures, or of a recording."""

    @classmethod
    def of(cls, key: Key, figures: Figures) -> Self:
        """From the sums, rounded so that they can be kept and compared."""
        waits = sorted(figures.waits)
        wrong = figures.wrong_releases
        low, high = clopper_pearson(wrong, figures.bookings)
        rate = wrong / figures.bookings if figures.bookings else 0.0
        share = figures.recovered_share
        return cls(
            key.kit,
            key.way,
            figures.bookings,
            figures.ghosts,
            round(figures.hours_ghost, 2),
            round(figures.hours_recoverable, 2),
            round(figures.hours_recovered, 2),
            None if share is None else round(share, 4),
            (round(1000 * rate, 3), round(1000 * low, 3), round(1000 * high, 3)),
            {sight: figures.wrong[sight] for sight in sorted(figures.wrong) if figures.wrong[sight]},
            {cause: round(hours, 2) for cause, hours in sorted(figures.causes.items())},
            (_minutes(waits, 0.5), _minutes(waits, 0.9)) if waits else None,
            key.ghost_share,
            **{name: getattr(figures, name) for name in Counts.__struct_fields__},
        )

    @property
    def taken_in_sight(self) -> int:
        """Rooms taken from people whom a sensor showed; where the kit is promised, from anybody inside."""
        promised = self.kit in KITS and KITS[self.kit].promised
        counted = [n for sight, n in self.wrong.items() if sight not in EXCUSED] if promised else []
        return sum(counted) if promised else self.wrong.get("shown", 0)

    @property
    def recovers_enough(self) -> bool:
        """As much comes back as the goal asks for."""
        return (self.recovered_share or 0.0) >= GOAL

    @property
    def meets_goal(self) -> bool:
        """Both parts of it: enough comes back, and nobody in sight loses a room."""
        return self.recovers_enough and not self.taken_in_sight

    @property
    def is_ours(self) -> bool:
        """Decided by the gateway's core, not by a baseline."""
        return self.way in POLICIES


class Results(msgspec.Struct, omit_defaults=True):
    """One run."""

    seed: int
    bookings_per_set: int = 0
    full: bool = False
    """Every set and policy was played on all of them, not on a quarter."""
    days: int = DAYS
    ruleset: int = 0
    """Version of the rules that decided (`gateway.core.site.RULESET`)."""
    lines: list[Line] = []
    """The simulated office."""
    ghost_lines: list[Line] = []
    """The promised sets under the default policy with other shares of ghosts, told in each."""
    uci_seeds: int = 0
    uci: list[Line] = []
    recorded: list[Line] = []
    """A recording of one's own."""
    slice: list[Line] = []
    """A few days, to be played again where the page is checked."""
    uci_slice: list[Line] = []
    """The same for the UCI room: its first draw."""
    ghost_slice: list[Line] = []
    """The same for other shares of ghosts."""

    @property
    def taken_in_sight(self) -> list[Line]:
        """What must be empty: the gateway's own decisions that took a room from people in sight."""
        everything = (*self.lines, *self.ghost_lines, *self.uci, *self.recorded)
        return [line for line in everything if line.is_ours and line.taken_in_sight]

    @property
    def promised(self) -> list[Line]:
        """The lines that the goal is about."""
        return [
            line
            for line in self.lines
            if line.kit in KITS and KITS[line.kit].promised and line.way == DEFAULT
        ]

    @property
    def ghost_shares(self) -> list[float]:
        """The other shares of ghosts that were played."""
        return sorted({line.ghost_share for line in self.ghost_lines if line.ghost_share is not None})

    @property
    def by_ghost_share(self) -> dict[str, dict[float, Line]]:
        """For each promised set its lines from few ghosts to many, the main one among them.

        Empty where no other share was played.
        """
        found: dict[str, dict[float, Line]] = {}
        for line in (*self.promised, *self.ghost_lines) if self.ghost_lines else ():
            share = GHOST_SHARE if line.ghost_share is None else line.ghost_share
            found.setdefault(line.kit, {})[share] = line
        return {kit: dict(sorted(lines.items())) for kit, lines in found.items()}


def lines_of(sums: Sums) -> list[Line]:
    """The sums as lines, in the order in which they were made."""
    return [Line.of(key, figures) for key, figures in sums.items()]


def encoded(results: Results) -> str:
    """As JSON, a line for each `Line`, so that a change is seen in a diff."""
    fields = msgspec.to_builtins(results)
    parts = []
    for name, value in fields.items():
        if isinstance(value, list):
            rows = ",\n  ".join(msgspec.json.encode(row).decode() for row in value)
            parts.append(f'"{name}": [\n  {rows}\n ]')
        else:
            parts.append(f'"{name}": {msgspec.json.encode(value).decode()}')
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def read_results(path: Path) -> Results:
    """What `encoded` wrote. Raises OSError and msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def _minutes(waits: list[Duration], share: float) -> float:
    return round(waits[min(len(waits) - 1, int(share * len(waits)))] / MINUTE_MS, 1)
