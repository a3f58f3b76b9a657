"""What the sensors of a room support together, by their own history, and how late a release would be.

Pure, like `gateway.reports.sensor_quality`, which judges each of them. Durations in ms.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.core.occupancy import effective_grace, must_prove, proving
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig, whole_rooms
from gateway.core.rules import VACATE_MOTION_ONLY_MS
from gateway.core.units import Duration
from gateway.reports.history import History, Period, QuietSums, RoomSums, SensorSums, SensorTrack
from gateway.reports.sensor_quality import (
    EARLY_END_BOOKINGS,
    EARLY_END_MS,
    ENOUGH_BOOKINGS,
    ENOUGH_MS,
    FALSE_EMPTY_SHARE,
    LATE_NO_SHOW_SHARE,
    Clock,
    Context,
    MessageCounts,
    SensorQuality,
    false_empty_share,
    is_enough,
    needed_hold,
    sensor_quality,
    shortest_hold,
)
from gateway.reports.trust_words import support_words

Use = Literal["check_in", "no_show", "brief_visit", "early_end"]
Verdict = Literal["yes", "no", "not_enough_history"]
BRIEF_VISIT_SHARE: Final = 0.001
"""Of the known time that may lie in silences long enough to release a visited booking."""
CHECK_IN_MISSED: Final = 0.1
"""Of attended bookings that may pass without a sign before check-in by sensors is said not to work."""


class Support(msgspec.Struct, frozen=True):
    """Whether the room's history supports one use of its sensors, and the figures in words."""

    verdict: Verdict
    words: str


class RoomQuality(msgspec.Struct, frozen=True):
    """One room and its sensors."""

    room: str
    attended: int
    wrong_releases: int
    hold_needed_ms: Duration | None
    """Of those that prove it empty, together or (where they check each other) of the best of them; failing
    that by their own word."""
    no_show_delay_ms: Duration | None
    """From a ghost's start to its release, typically."""
    no_show_delay_99_ms: Duration | None
    left_delay_ms: Duration | None
    """From the last person's leaving to the release of a brief visit, typically."""
    supports: dict[Use, Support]
    early_end_by: tuple[str, ...]
    """The sensors whose own history supports ending an attended booking early."""
    sensors: tuple[SensorQuality, ...]


def site_quality(
    site: SiteConfig,
    history: History,
    counts: Mapping[str, MessageCounts],
    clock: Clock,
    share: float = FALSE_EMPTY_SHARE,
) -> tuple[RoomQuality, ...]:
    """Every room in the site's order. `clock` words an instant; `share` as `FALSE_EMPTY_SHARE`."""
    sums = history.sums()
    context = Context(share, history.at, sums.since, counts, clock)
    judged: dict[str, SensorQuality] = {}
    for room in site.rooms:
        for profile in room.sensors:
            track = history.sensors.get(profile.id) or SensorTrack()
            own = sums.sensors.get(profile.id) or SensorSums()
            judged[profile.id] = sensor_quality(room, profile, own, track, context)
    return tuple(_room(room, sums, judged, context) for room in whole_rooms(site))


def _room(
    room: RoomConfig, sums: Period, judged: Mapping[str, SensorQuality], context: Context
) -> RoomQuality:
    own = sums.rooms.get(room.id) or RoomSums()
    sensors = tuple(judged[p.id] for p in room.sensors)
    grace = effective_grace(room.policy, room.sensors)
    provers = proving(room.sensors, grace)
    basis = _basis(provers, own, sums)
    early = tuple(
        q.sensor for q in sensors if q.supports_early_end and not own.wrong_releases and not _ill(q)
    )
    figures = {
        "check_in": _check_in(own, basis),
        "no_show": _no_show(own, basis, grace, provers),
        "brief_visit": _brief_visit(room, basis, provers),
        "early_end": _early_end(room, early, provers, judged),
    }
    wait, worst = _waits(room, grace, provers, sums)
    held = max((_held(p, provers) for p in room.sensors if p.in_service), default=0)
    return RoomQuality(
        room=room.id,
        attended=own.attended,
        wrong_releases=own.wrong_releases,
        hold_needed_ms=_hold_needed(basis, own, context.share),
        no_show_delay_ms=None if wait is None else grace + wait,
        no_show_delay_99_ms=None if worst is None else grace + worst,
        left_delay_ms=None if wait is None else held + _vacate_window(room, provers) + wait,
        supports=figures,  # type: ignore[arg-type] # its keys are the uses
        early_end_by=early,
        sensors=sensors,
    )


def _ill(quality: SensorQuality) -> bool:
    return any(trouble.is_standing for trouble in quality.troubles)


class _Basis(NamedTuple):
    """What tells how well the room's sensors notice people, and by whose word."""

    quiet: QuietSums
    by: str
    is_whole: bool
    """No sensor that could do better is left unchecked: then it may also speak against the room."""

    def verdict(self, *, fine: bool) -> Verdict:
        """What to say where the figures are fine, or not."""
        return "yes" if fine else "no" if self.is_whole else "not_enough_history"


def _basis(provers: Sequence[SensorProfile], own: RoomSums, sums: Period) -> _Basis | None:
    """All together where people or other sensors know better.

    Otherwise each checks the others, and the best of them stands for all: together they miss no more than
    it does alone.
    """
    if is_enough(own.confirmed):
        return _Basis(own.confirmed, "its sensors together", is_whole=True)
    known = [(p, sums.sensors[p.id].confirmed) for p in provers if p.id in sums.sensors]
    checked = [(p, q) for p, q in known if is_enough(q)]
    if not checked:
        return None
    best, quiet = min(checked, key=lambda pair: (false_empty_share(pair[1], pair[0].hold_ms), pair[0].id))
    return _Basis(quiet, best.id, is_whole=len(checked) == len(provers))


def _hold_needed(basis: _Basis | None, own: RoomSums, share: float) -> Duration | None:
    """By others' word; by the sensors' own where that is less, or nobody else knows."""
    by_others = None if basis is None else needed_hold(basis.quiet, share)
    if by_others is not None and is_enough(own.confirmed):
        return by_others
    by_own = needed_hold(own.own, share) if is_enough(own.own) else None
    return min((hold for hold in (by_others, by_own) if hold is not None), default=None)


def _waits(
    room: RoomConfig, grace: Duration, provers: Sequence[SensorProfile], sums: Period
) -> tuple[Duration | None, Duration | None]:
    """How long the proof is waited for: half of the usual interval of the slowest, and its 99 %."""
    heard = [sums.sensors[p.id].heard for p in provers if p.id in sums.sensors]
    median = [h.quantile(0.5) or 0 for h in heard if h.buckets]
    worst = [h.quantile(0.99) or 0 for h in heard if h.buckets]
    if not median:
        return None, None
    pick = max if must_prove(room.sensors, grace) else min
    return pick(median) // 2, pick(worst)


def _hold_beside(profile: SensorProfile, provers: Sequence[SensorProfile]) -> Duration:
    """Its hold in this room: the short one beside a presence sensor."""
    covered = any(p.senses == "presence" for p in provers)
    return shortest_hold(profile) if covered else profile.hold_ms


def _held(profile: SensorProfile, provers: Sequence[SensorProfile]) -> Duration:
    """How long after somebody left their last sign still counts."""
    return _hold_beside(profile, provers) + (profile.device_hold_ms if profile.says_clear else 0)


def _vacate_window(room: RoomConfig, provers: Sequence[SensorProfile]) -> Duration:
    motion_only = all(p.senses == "motion" for p in provers)
    grace = effective_grace(room.policy, room.sensors)
    return max(room.policy.vacate_ms, grace, VACATE_MOTION_ONLY_MS if motion_only else 0)


def _unsure() -> Support:
    return Support("not_enough_history", support_words("unsure", bookings=ENOUGH_BOOKINGS, ms=ENOUGH_MS))


def _check_in(own: RoomSums, basis: _Basis | None) -> Support:
    if basis is None:
        return _unsure()
    quiet = basis.quiet
    verdict = basis.verdict(fine=quiet.missed <= CHECK_IN_MISSED * quiet.bookings)
    delay = own.check_in.quantile(0.5)
    return Support(verdict, support_words("check_in", quiet, by=basis.by, ms=delay or 0, of=own.by_sensors))


def _no_show(
    own: RoomSums, basis: _Basis | None, grace: Duration, provers: Sequence[SensorProfile]
) -> Support:
    if not provers:
        return Support("no", support_words("no_prover"))
    if own.wrong_releases:
        return Support("no", support_words("wrong", of=own.wrong_releases))
    if basis is None:
        return _unsure()
    quiet = basis.quiet
    late = quiet.missed + quiet.arrival.above(grace)
    verdict = basis.verdict(fine=late <= LATE_NO_SHOW_SHARE * quiet.bookings)
    return Support(verdict, support_words("no_show", quiet, by=basis.by, ms=grace, of=late))


def _brief_visit(room: RoomConfig, basis: _Basis | None, provers: Sequence[SensorProfile]) -> Support:
    if not provers:
        return Support("no", support_words("no_prover"))
    if basis is None:
        return _unsure()
    quiet = basis.quiet
    limit = _vacate_window(room, provers) + min(_hold_beside(p, provers) for p in provers)
    verdict = basis.verdict(fine=false_empty_share(quiet, limit) <= BRIEF_VISIT_SHARE)
    longer = quiet.gaps.above(limit)
    return Support(verdict, support_words("brief_visit", quiet, by=basis.by, ms=limit, of=longer))


def _early_end(
    room: RoomConfig,
    early: Sequence[str],
    provers: Sequence[SensorProfile],
    judged: Mapping[str, SensorQuality],
) -> Support:
    kinds = {p.senses for p in provers}
    missing = [kind for kind in ("presence", "motion") if kind not in kinds]
    limit = room.policy.end_early_vacate_ms
    if missing:
        return Support("no", support_words("no_kind", names=missing))
    able = {p.senses for p in provers if p.id in early}
    if {"presence", "motion"} <= able:
        return Support("yes", support_words("early_end", names=early, ms=limit))
    asked = [judged[p.id] for p in provers if p.senses in ("presence", "motion") and p.senses not in able]
    few = [q for q in asked if q.evidence != "others" or q.bookings < EARLY_END_BOOKINGS]
    short = [q for q in asked if q not in few and q.known_ms < EARLY_END_MS]
    if few or short:
        names = [f"{q.sensor} {q.bookings if q.evidence == 'others' else 0}" for q in [*few, *short]]
        words = support_words("early_end_few", names=names, bookings=EARLY_END_BOOKINGS, ms=EARLY_END_MS)
        return Support("not_enough_history", words)
    return Support("no", support_words("early_end_no", names=[q.sensor for q in asked], ms=limit))


def policy_flags(room: RoomConfig, quality: RoomQuality) -> list[str]:
    """What the room's policy asks for and its sensors' own history does not support, one sentence each."""
    if room.exempt or not proving(room.sensors, effective_grace(room.policy, room.sensors)):
        return []  # without a sensor that proves anything, no history is needed to say so
    asked: tuple[tuple[Use, str], ...] = (
        ("no_show", "no-show release"),
        ("brief_visit", "release after a brief visit"),
    )
    flags = [
        f"{words}: its sensors' history speaks against it: {quality.supports[use].words}"
        for use, words in asked
        if quality.supports[use].verdict == "no"
    ]
    early = quality.supports["early_end"]
    if room.policy.end_early and early.verdict != "yes":
        flags.append(f"early end is on, and its sensors' history does not support it: {early.words}")
    return flags
