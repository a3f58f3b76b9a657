"""What a run came to: violated invariants, rooms taken from people who were inside, hours won and lost."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from gateway.core.units import HOUR_MS, SECOND_MS, Duration, Instant
from simulators import invariants
from simulators.clock import VirtualClock
from simulators.invariants.base import FRESH_READ_MS
from simulators.observed import Effect, Observed
from simulators.people import PlannedBooking
from simulators.truth import balance, causes_by_booking, fate_of
from simulators.world.acting import Players
from simulators.world.cast import Cast
from simulators.world.host import Host
from simulators.world.mischief import Active, StormyWeather

AFTERMATH_MS: Final[Duration] = HOUR_MS
"""For so long after an undetectable fault of a room's sensors a wrong release may follow from it."""

UNSEEN_MS: Final[Duration] = 33 * SECOND_MS
"""Who came in so shortly before was not there when the occurrence was last read, or not seen yet."""

OF_THE_PICTURE: Final = frozenset({"W4", "L7"})
"""Invariants about what Exchange told just before a write."""

MOST_VIOLATIONS: Final = 50
"""More of them say nothing new about one run."""


class Violated(msgspec.Struct, frozen=True):
    """An invariant that did not hold."""

    invariant: str
    at: Instant
    what: str


class Release(msgspec.Struct, frozen=True):
    """A room that a gateway took from a booking."""

    at: Instant
    room: str
    booking: str
    """Its key in the calendar."""
    inside: int
    """How many people really were in the room at that moment."""
    excused: str = ""
    """The fault that nobody can notice and that explains it, if people were inside."""


class Figures(msgspec.Struct):
    """Numbers of one run, or of many added up."""

    room_years: float = 0.0
    releases: int = 0
    withheld: int = 0
    wrongly_released: int = 0
    """People were inside."""
    wrongly_released_undetectable: int = 0
    """Of these: a fault that nobody can notice explains it (W9b: measured, not promised)."""
    came_after_release: int = 0
    recoverable_hours: float = 0.0
    returned_hours: float = 0.0
    causes: dict[str, float] = {}
    faults_struck: dict[str, int] = {}
    readings: int = 0
    requests: int = 0
    deaths: int = 0

    def add(self, other: "Figures") -> None:
        """Add another run's."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                total = Counter(mine)
                total.update(theirs)
                setattr(self, name, {key: total[key] for key in sorted(total)})
            else:
                setattr(self, name, mine + theirs)


class Size(Protocol):
    """How much of the world is run."""

    @property
    def days(self) -> int:
        """How many days."""


class Run(Protocol):
    """What a judge looks at: the run (`simulators.world.engine.Engine`), as far as it bears on it."""

    true: VirtualClock
    plan: Cast
    heals_at: Instant
    observed: Observed
    players: Players
    host: Host
    active: Active
    weather: StormyWeather

    @property
    def options(self) -> Size:
        """How large the run is."""


class Judge:
    """Collects what one run comes to."""

    def __init__(self, engine: Run) -> None:
        self._engine = engine
        self._invariants = invariants.Invariants()
        self._misled: list[tuple[str, Instant]] = []
        self._known: set[tuple[str, str]] = set()
        self.violations: list[Violated] = []
        self.releases: list[Release] = []

    # -- invariants -----------------------------------------------------------------------------------

    def add(self, invariant: str, what: str, at: Instant | None = None) -> None:
        """One that did not hold; told once."""
        if (invariant, what) not in self._known and len(self.violations) < MOST_VIOLATIONS:
            self._known.add((invariant, what))
            self.violations.append(Violated(invariant, self._engine.true.now() if at is None else at, what))

    def step(self) -> None:
        """Check everything that must hold at any moment."""
        self._take(self._invariants.check(self._engine.observed))

    def end(self) -> None:
        """Check everything that must hold when nothing has failed for a while."""
        self._take(self._invariants.check_end(self._engine.observed))

    def _take(self, found: Iterable[invariants.Violation]) -> None:
        for one in found:
            if one.invariant in OF_THE_PICTURE and self._was_misled(one.room, one.at):
                continue
            self.add(one.invariant, f"{one.room}: {one.what}" if one.room else one.what, one.at)

    def misled(self, room: str, at: Instant) -> None:
        """Exchange answered the look before a write with how things had been; nobody could notice."""
        self._misled.append((room, at))

    def _was_misled(self, room: str, at: Instant) -> bool:
        return any(where == room and when <= at <= when + FRESH_READ_MS for where, when in self._misled)

    # -- releases -------------------------------------------------------------------------------------

    def taken(self, effect: Effect) -> None:
        """A gateway has taken a room from a booking: note who is inside."""
        engine = self._engine
        visits = [v for v in engine.observed.visits[effect.room] if v.enter <= effect.at < v.leave]
        inside = sum(visit.people for visit in visits)
        excused = self._excuse(effect, min(visit.enter for visit in visits)) if visits else ""
        self.releases.append(Release(effect.at, effect.room, effect.booking, inside, excused))

    def _excuse(self, effect: Effect, came: Instant) -> str:
        sensors = self._engine.observed.rooms[effect.room].sensors
        if came > effect.at - UNSEEN_MS - min((s.latency_ms for s in sensors), default=0):
            return "came_just_then"
        for trouble in self._engine.observed.troubles:
            over = trouble.until is not None and trouble.until < effect.at - AFTERMATH_MS
            if not trouble.detectable and trouble.room in ("", effect.room) and not over:
                return trouble.kind
        return ""

    # -- figures --------------------------------------------------------------------------------------

    def figures(self) -> Figures:
        """The numbers of the run."""
        engine, seen = self._engine, self._engine.observed
        options = engine.options
        wrong = [release for release in self.releases if release.inside]
        figures = Figures(
            room_years=len(engine.plan.rooms) * options.days / 365,
            releases=len(self.releases),
            withheld=len({d.booking for _, d in seen.decisions if d.kind == "withheld"}),
            wrongly_released=len(wrong),
            wrongly_released_undetectable=sum(1 for release in wrong if release.excused),
            faults_struck=dict(sorted(engine.active.struck.items())),
            readings=len(seen.deliveries),
            requests=engine.weather.requests,
            deaths=engine.host.deaths,
        )
        self._weigh(figures)
        return figures

    def _weigh(self, figures: Figures) -> None:
        """Ghost hours: what could be won, what was won, and why the rest was not."""
        engine = self._engine
        causes = causes_by_booking([decision for _, decision in engine.observed.decisions])
        key_of = {name: uid for uid, name in engine.players.names.items()}
        released = {release.booking: release.at for release in self.releases}
        fates = []
        for room in engine.plan.rooms:
            policy = engine.observed.rooms[room.id].policy
            for booking in room.bookings:
                key = key_of.get(booking.key, "")
                if not key or not self._counts(booking) or (room.id, key) not in causes:
                    continue
                cause = causes[room.id, key]
                fates.append(fate_of(room, booking, policy, released.get(key), checked_in=False, cause=cause))
        total = balance(fates)
        figures.recoverable_hours = total.hours_recoverable
        figures.returned_hours = sum(fate.returned for fate in fates if fate.ghost) / HOUR_MS
        figures.came_after_release = total.came_after_release
        figures.causes = dict(total.causes)

    def _counts(self, booking: PlannedBooking) -> bool:
        """Whether it stood as it was planned, to its end."""
        engine = self._engine
        return (
            booking.cancelled_at is None
            and booking.key not in engine.players.disturbed
            and booking.end < engine.heals_at
        )
