"""What really happened against what the gateway did: the figures that a demo or a study ends with.

Ground truth comes from the plan of people and from the simulated mailboxes, never from the gateway's
own opinion. Only the causes of hours not returned are read from its decisions, and the shares that
follow from the truth itself (grace, hold, passers-by) are worked out here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.core.decisions import Decision
from gateway.core.occupancy import effective_grace
from gateway.core.policy import Policy, RoomConfig
from gateway.core.units import HOUR_MS, Duration, Instant
from simulators import people
from simulators.office import OfficeRoom
from simulators.people import PlannedBooking, Visit

Cause = Literal[
    "grace", "hold", "too_short", "passer_by", "sensor", "shadow", "exempt", "overlap", "withheld"
]

CAUSES_IN_WORDS: Final[dict[str, str]] = {
    "grace": "waiting out the grace period (and the last people's hold)",
    "hold": "too little was left when the last sign had run out",
    "too_short": "bookings too short to be released",
    "passer_by": "somebody else was seen in it",
    "sensor": "waiting for the sensors' proof",
    "shadow": "the room is in shadow",
    "exempt": "exempt",
    "overlap": "overlapped by an attended booking",
    "withheld": "withheld: a doubt about sensors, hearing or calendar",
}

_CAUSE_OF_CODE: Final[dict[str, Cause]] = {
    "too_short": "too_short",
    "shadow": "shadow",
    "kept": "exempt",
    "too_little_left": "hold",
    "vacancy_too_young": "hold",
    "presence_since": "hold",
    "shows_presence": "passer_by",
    "proof_awaited": "sensor",
    "not_proven_in_time": "sensor",
    "warning_first": "sensor",
    "warning_runs": "sensor",
    "no_prover": "sensor",
    "overlaps_attended": "overlap",
}


def cause_of(code: str) -> Cause:
    """The kind of cause behind a gateway's reason code (with or without its sensor)."""
    first = code.partition(" ")[0]
    return "exempt" if first.startswith("exempt_") else _CAUSE_OF_CODE.get(first, "withheld")


@dataclass(frozen=True)
class Fate:
    """One booking: who came in truth, and what the gateway did with it. Instants in ms since 1970 UTC."""

    room: str
    booking: PlannedBooking
    ghost: bool
    recoverable_from: Instant
    """From here on a ghost's time could have been returned."""
    released_at: Instant | None = None
    people_inside: int = 0
    """At the moment of the release."""
    came_after: bool = False
    """Its people came after it had been released."""
    checked_in: bool = False
    cause: Cause = "sensor"
    """Why the rest of a ghost's recoverable time was not returned."""

    @property
    def wrongly_released(self) -> bool:
        """People were in the room when it was taken, or had been there for this booking."""
        return self.released_at is not None and (
            self.people_inside > 0 or not (self.ghost or self.came_after)
        )

    @property
    def recoverable(self) -> Duration:
        """A ghost's time that could have been returned, in ms."""
        return max(0, self.booking.end - self.recoverable_from) if self.ghost else 0

    @property
    def returned(self) -> Duration:
        """Booked time given back, in ms."""
        return 0 if self.released_at is None else max(0, self.booking.end - self.released_at)


@dataclass
class Balance:
    """The figures over all bookings; hours as floats."""

    bookings: int = 0
    ghosts: int = 0
    released: int = 0
    wrongly_released: int = 0
    came_after_release: int = 0
    ghosts_missed: int = 0
    checked_in: int = 0
    hours_booked: float = 0.0
    hours_ghost: float = 0.0
    hours_recoverable: float = 0.0
    hours_returned: float = 0.0
    causes: dict[str, float] = field(default_factory=dict)
    """Ghost hours that were not returned, by cause; with `hours_returned` of ghosts they add up to
    `hours_ghost`."""


def recoverable_from(room: OfficeRoom, booking: PlannedBooking, policy: Policy) -> Instant:
    """The later of a ghost's due moment and the last real presence + hold + effective grace."""
    return _recoverable_from(config_of(room), room.visits, booking, policy)


def _recoverable_from(
    config: RoomConfig, visits: Sequence[Visit], booking: PlannedBooking, policy: Policy
) -> Instant:
    grace = effective_grace(policy, config.sensors)
    due = max(booking.start, booking.created_at) + grace
    leaving = (min(visit.leave, booking.end) for visit in visits if visit.enter < booking.end)
    last = max(leaving, default=None)
    return due if last is None else max(due, last + hold_of_room(config) + grace)


def config_of(room: OfficeRoom) -> RoomConfig:
    """The room as the core sees it."""
    return RoomConfig(room.id, sensors=tuple(device.profile() for device in room.devices))


def hold_of_room(config: RoomConfig) -> Duration:
    """How long the room's sensors hold after the last sign, all of them healthy."""
    beside_presence = any(s.senses == "presence" and s.heartbeat_ms is not None for s in config.sensors)
    return max(
        s.hold_beside_presence_ms if s.senses == "motion" and beside_presence else s.hold_ms
        for s in config.sensors
    )


def fate_of(
    room: OfficeRoom,
    booking: PlannedBooking,
    policy: Policy,
    released_at: Instant | None,
    checked_in: bool,
    cause: Cause,
) -> Fate:
    """Put truth and deed of one booking together."""
    return fate_among(config_of(room), room.visits, booking, policy, released_at, checked_in, cause)


def fate_among(
    config: RoomConfig,
    visits: Sequence[Visit],
    booking: PlannedBooking,
    policy: Policy,
    released_at: Instant | None,
    checked_in: bool,
    cause: Cause,
) -> Fate:
    """As `fate_of`, for a room that is known by its sensors and by the visits around the booking."""
    own = [visit.enter for visit in visits if visit.booking == booking.key]
    return Fate(
        config.id,
        booking,
        ghost=not people.attended(booking, visits),
        recoverable_from=_recoverable_from(config, visits, booking, policy),
        released_at=released_at,
        people_inside=0 if released_at is None else people.present(visits, released_at),
        came_after=released_at is not None and bool(own) and min(own) > released_at,
        checked_in=checked_in,
        cause=cause,
    )


def balance(fates: list[Fate]) -> Balance:
    """Add up."""
    total = Balance()
    causes: Counter[str] = Counter()
    for fate in fates:
        booked = fate.booking.end - fate.booking.start
        total.bookings += 1
        total.hours_booked += booked / HOUR_MS
        total.ghosts += fate.ghost
        total.released += fate.released_at is not None
        total.wrongly_released += fate.wrongly_released
        total.came_after_release += fate.came_after
        total.checked_in += fate.checked_in
        total.hours_returned += fate.returned / HOUR_MS
        if fate.ghost:
            total.ghosts_missed += fate.released_at is None
            total.hours_ghost += booked / HOUR_MS
            total.hours_recoverable += fate.recoverable / HOUR_MS
            _count_causes(fate, booked, causes)
    total.causes = {cause: causes[cause] / HOUR_MS for cause in sorted(causes)}
    return total


def _count_causes(fate: Fate, booked: Duration, causes: Counter[str]) -> None:
    """Every hour of a ghost that was not returned has a cause: waiting, or what kept it longer."""
    lost = booked - fate.returned
    waiting = min(lost, booked - fate.recoverable)
    causes["grace"] += waiting
    if lost > waiting:
        causes[fate.cause] += lost - waiting


def causes_by_booking(decisions: list[Decision]) -> Mapping[tuple[str, str], Cause]:
    """What kept each booking that the gateway concluded, by room and booking key.

    A ghost in which somebody was seen is a passer-by's; one that was released lost its rest to the
    sensors' pace.
    """
    causes: dict[tuple[str, str], Cause] = {}
    for decision in decisions:
        tally = decision.tally
        if tally is None:
            continue
        if tally.outcome in ("attended", "brief_visit"):
            cause: Cause = "passer_by"
        elif tally.outcome in ("no_show_released", "brief_visit_released"):
            cause = "sensor"
        else:
            cause = cause_of(tally.cause or tally.outcome)
        causes[decision.room, decision.booking] = cause
    return causes
