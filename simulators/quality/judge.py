"""What was done with a scene's bookings, held against who was really there.

`Figures` are sums, so those of many scenes add up; shares and intervals are worked out from the sums.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.core.policy import Policy
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from simulators import people
from simulators.people import PlannedBooking
from simulators.quality.baselines import Baseline, Situation
from simulators.quality.drive import Played
from simulators.quality.scene import Scene, Shows
from simulators.truth import Cause, Fate, balance, causes_by_booking, fate_among

WALK_UP_MS: Final[Duration] = 10 * MINUTE_MS
"""Unbooked use that lasts so long should be noticed; shorter visits may be somebody who looks in."""

ARRIVING_MS: Final[Duration] = 2 * SECOND_MS
"""Sensors need up to a second to show somebody, and their message some time to arrive."""

Sight = Literal["shown", "arriving", "lost", "never", "away"]
"""What the sensors made of the people whose room was taken: `shown` at that moment or within the sensor's
hold (must never be), `arriving` (they came at most 2 s before, and no message of that had arrived), `lost`
(shown since they came, and not for longer than the hold), `never` since they came, `away` (on a break: nobody
was inside, and they came back)."""
SIGHT_IN_WORDS: Final[dict[str, str]] = {
    "shown": "a sensor showed them",
    "arriving": "came in the last 2 s before the write, and no message of that had arrived",
    "lost": "in the room, and lost sight of for longer than the hold",
    "never": "in the room, and shown by no sensor since they came",
    "away": "out of the room for a break",
}


class Taken(NamedTuple):
    """A booking's room is given to others from `at` on."""

    at: Instant
    kind: str
    """`no_show`, `brief_visit`, `end_early`, or `rule` for a baseline."""


class Counts(msgspec.Struct, kw_only=True):
    """What was counted, as it is summed and as it is kept (`simulators.quality.results.Line`)."""

    ghosts_released: int = 0
    brief_visits: int = 0
    """Of them: released although somebody had been seen."""
    came_after: int = 0
    """Released before its people came: a no-show until then."""
    left_for_good: int = 0
    """Given back after its people had left for good."""
    ended_early: int = 0
    """Attended bookings that were ended early, rightly."""
    ended_early_wrongly: int = 0
    walk_ups: int = 0
    """Unbooked use of 10 min or more, where the policy shows it as busy."""
    walk_ups_seen: int = 0
    walk_ups_of_nobody: int = 0
    """Shown as busy when nobody was inside."""


class Figures(Counts):
    """Sums over bookings. Hours as floats; times in ms."""

    bookings: int = 0
    ghosts: int = 0
    hours_booked: float = 0.0
    hours_ghost: float = 0.0
    hours_recoverable: float = 0.0
    hours_recovered: float = 0.0
    causes: dict[str, float] = {}
    """Recoverable hours that were not returned, by cause (`simulators.truth.CAUSES_IN_WORDS`)."""
    waits: list[Duration] = []
    """From a ghost's start to its release."""
    wrong: dict[str, int] = {}
    """Rooms taken from people, by what the sensors made of them (`Sight`)."""

    def add(self, other: "Figures") -> None:
        """Add the sums of another scene."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                setattr(self, name, {k: mine.get(k, 0) + theirs.get(k, 0) for k in sorted({*mine, *theirs})})
            else:
                setattr(self, name, mine + theirs)

    @property
    def wrong_releases(self) -> int:
        """Rooms taken from people, whatever the sensors made of them."""
        return sum(self.wrong.values())

    @property
    def recovered_share(self) -> float | None:
        """Of the recoverable ghost hours."""
        return self.hours_recovered / self.hours_recoverable if self.hours_recoverable else None


def judge_core(scene: Scene, policy: Policy, played: Played, shows: Shows) -> Figures:
    """What the core did."""
    taken: dict[str, Taken] = {}
    for deed in played.deeds:
        if deed.action in ("release", "end_early"):
            taken.setdefault(deed.booking, Taken(deed.at, deed.kind))
    causes = {key: cause for (_, key), cause in causes_by_booking(list(played.decisions)).items()}
    figures = _judge(scene, policy, taken, causes, shows)
    if policy.walk_up:
        _judge_walk_ups(scene, played, figures)
    return figures


def judge_baseline(scene: Scene, policy: Policy, baseline: Baseline, shows: Shows) -> Figures:
    """What a simpler rule would have done. `policy` says what is recoverable."""
    taken: dict[str, Taken] = {}
    for booking in scene.standing:
        rng = people.stream(0, "human", booking.key)
        at = baseline.rule(Situation(booking, shows, scene.around(booking), rng))
        if at is not None and at < booking.end:
            taken[booking.key] = Taken(at, "rule")
    return _judge(scene, policy, taken, {}, shows)


def _judge(
    scene: Scene, policy: Policy, taken: Mapping[str, Taken], causes: Mapping[str, Cause], shows: Shows
) -> Figures:
    figures = Figures()
    fates: list[Fate] = []
    for booking in scene.standing:
        deed = taken.get(booking.key)
        fate = fate_among(
            scene.config,
            scene.around(booking),
            booking,
            policy,
            None if deed is None else deed.at,
            checked_in=False,
            cause=causes.get(booking.key, "sensor"),
        )
        fates.append(fate)
        if fate.ghost:
            figures.hours_recovered += min(fate.returned, fate.recoverable) / HOUR_MS
        if deed is not None:
            _weigh(scene, booking, fate, deed, shows, figures)
    total = balance(fates)
    figures.bookings, figures.ghosts = total.bookings, total.ghosts
    figures.hours_booked, figures.hours_ghost = total.hours_booked, total.hours_ghost
    figures.hours_recoverable = total.hours_recoverable
    figures.causes = {cause: hours for cause, hours in total.causes.items() if cause != "grace" and hours}
    return figures


def _weigh(
    scene: Scene, booking: PlannedBooking, fate: Fate, deed: Taken, shows: Shows, figures: Figures
) -> None:
    """Whether a room that was given back was anybody's."""
    own = [visit for visit in scene.around(booking) if visit.booking == booking.key]
    came = any(visit.enter < deed.at for visit in own)
    comes = any(visit.enter >= deed.at for visit in own)
    early = deed.kind == "end_early"
    if fate.people_inside or (came and comes):
        sight = _sight(scene, booking, deed.at, shows) if fate.people_inside else "away"
        figures.wrong = {**figures.wrong, sight: figures.wrong.get(sight, 0) + 1}
        figures.ended_early_wrongly += early
    elif came:
        figures.left_for_good += 1
        figures.ended_early += early
    elif comes:
        figures.came_after += 1
    if fate.ghost:
        figures.ghosts_released += 1
        figures.brief_visits += deed.kind == "brief_visit"
        figures.waits = [*figures.waits, deed.at - booking.start]


def _sight(scene: Scene, booking: PlannedBooking, at: Instant, shows: Shows) -> Sight:
    """What the sensors had made of those inside."""
    if shows.held(at):
        return "shown"
    since = at
    for visit in reversed(scene.around(booking)):  # one may have come before the other left
        if visit.enter < since <= visit.leave:
            since = visit.enter
    if shows.last(at) >= since:
        return "lost"
    return "arriving" if at - since <= ARRIVING_MS else "never"


def _judge_walk_ups(scene: Scene, played: Played, figures: Figures) -> None:
    shown = [deed.at for deed in played.deeds if deed.action == "walk_up"]
    for visit in scene.visits:
        if visit.booking is None and visit.leave - visit.enter >= WALK_UP_MS:
            figures.walk_ups += 1
            figures.walk_ups_seen += any(visit.enter <= at < visit.leave for at in shown)
    figures.walk_ups_of_nobody = sum(not people.present(scene.visits, at) for at in shown)
