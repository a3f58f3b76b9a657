"""Booked against used, room by room: one pass over decisions. Durations in ms.

Every hour of a ghost is accounted for: ghost = given back + the sum over the causes of what was not.

* A booking counts where it was concluded: all of it, in the period that its end falls into.
* What was given back counts from Exchange's confirmation; the time until then has the cause "grace".
* In shadow the part that a live room would have given back has the cause "shadow", the rest "grace".
* A release that was undone (the booking came back) gave nothing back.
* Occupancy is told by its changes; where hearing was lost, the last one holds only until then.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final

import msgspec

from gateway.core.booking_rules import RULES
from gateway.core.decisions import Decision, Outcome, Tally
from gateway.core.units import MINUTE_MS, SECOND_MS, Duration, Instant

RELEASED: Final[frozenset[Outcome]] = frozenset({"no_show_released", "brief_visit_released"})

SETTLING: Final = frozenset({"within_hold", "proof_awaited"})
"""Unknown only for the moment: people just left, or the next message is about to prove it."""


class RoomReport(msgspec.Struct, frozen=True):
    """One room, or all of them (`room` empty). Durations in ms."""

    room: str
    bookings: int
    """Without those that were cancelled or moved away."""
    outcomes: dict[Outcome, int]
    """All bookings, the cancelled too."""
    booked_ms: Duration
    used_ms: Duration
    """Booked time in which the room was shown to be occupied."""
    ghost_ms: Duration
    """Booked time of bookings that nobody attended while the sensors could tell."""
    returned_ms: Duration
    """Ghost time that was given back in Exchange."""
    would_return_ms: Duration
    """What live rooms would have given back of bookings in shadow."""
    ended_early_ms: Duration
    """Booked time that people gave back themselves."""
    released: int
    would_be_released: int
    came_after: int
    """Bookings that were wanted after all: used after their (in shadow: supposed) release, or back in
    the calendar."""
    given_back: int
    """Releases that Exchange confirmed, whatever came of the booking later."""
    wrong_releases: int
    """Those of them of which people said that they were there, or about to come."""
    unreturned_ms: dict[str, Duration]
    """Ghost time that was not given back, by cause (a reason code), the largest first."""
    occupied_ms: Duration
    """Time in which the room was shown to be occupied, booked or not."""
    untold_ms: Duration
    """Time in which the sensors could not tell, for another reason than people who just left."""

    @property
    def wrong_release_rate(self) -> float | None:
        """The share of releases that people reported as wrong (0 to 1); None if there was none at all."""
        made = max(self.given_back, self.wrong_releases)  # one may have been made before the period
        return self.wrong_releases / made if made else None


class SeriesReport(msgspec.Struct, frozen=True):
    """A series that was reported because nobody comes to it any more."""

    room: str
    booking: str
    """The key of the occurrence with which it was reported; `explain` knows it."""
    ghosts: int
    """So many occurrences in a row had nobody."""
    booked_ms: Duration
    """The booked time of those, which ending the series would have returned."""
    at: Instant


class RuleReport(msgspec.Struct, frozen=True):
    """How often the bookings of a room broke one of the rules for bookings."""

    room: str
    rule: str
    broken: int
    declined: int
    """For how many of them the room was told to decline."""


class Report(msgspec.Struct, frozen=True):
    """Rooms and the whole site, over whole hours from `since` to `until`."""

    since: Instant
    until: Instant
    rooms: tuple[RoomReport, ...]
    total: RoomReport
    series: tuple[SeriesReport, ...] = ()
    """By time: the series that were reported in the period."""
    rules: tuple[RuleReport, ...] = ()
    """By room and rule."""


@dataclass
class _Sums:
    """A room's figures while they are added up."""

    sums: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    unreturned: Counter[str] = field(default_factory=Counter)

    def take(self, other: "_Sums") -> None:
        self.sums.update(other.sums)
        self.outcomes.update(other.outcomes)
        self.unreturned.update(other.unreturned)

    def report(self, room: str) -> RoomReport:
        figures = {name: self.sums[name] for name in RoomReport.__struct_fields__ if name not in _NOT_SUMMED}
        by_size = sorted(self.unreturned.items(), key=lambda item: (-item[1], item[0]))
        return RoomReport(
            room=room,
            outcomes=dict(sorted(self.outcomes.items())),
            unreturned_ms=dict(by_size),
            **figures,
        )


_NOT_SUMMED: Final = frozenset({"room", "outcomes", "unreturned_ms"})


def whole_hours(since: Instant, until: Instant, zone: tzinfo) -> tuple[Instant, Instant]:
    """Both cut down to the full hour of the zone's clock: finer figures would tell of single people.

    ValueError if no whole hour is left between them.
    """
    start, end = _full_hour(since, zone), _full_hour(until, zone)
    if start >= end:
        raise ValueError("a report covers at least one whole hour")
    return start, end


def rooms_report(
    decisions: Iterable[Decision],
    since: Instant,
    until: Instant,
    zone: tzinfo,
    rooms: Sequence[str] = (),
) -> Report:
    """What the bookings concluded between `since` and `until` came to, over whole hours.

    `decisions`: in the order in which they were taken; what lies before the period only tells how it
    began (a room's last "occupancy", a "would_release"). `rooms`: named even if nothing happened.
    ValueError if the period has no whole hour.
    """
    start, end = whole_hours(since, until, zone)
    by_room: dict[str, list[Decision]] = {room: [] for room in rooms}
    for decision in decisions:
        if decision.at < end:
            by_room.setdefault(decision.room, []).append(decision)
    total = _Sums()
    reports = []
    series = [
        _series(d) for own in by_room.values() for d in own if d.kind == "series_reported" and d.at >= start
    ]
    for room in sorted(by_room):
        sums = _room_sums(by_room[room], start, end)
        total.take(sums)
        reports.append(sums.report(room))
    series.sort(key=lambda one: (one.at, one.room))
    rules = tuple(one for room in sorted(by_room) for one in _rules(room, by_room[room], start))
    return Report(start, end, tuple(reports), total.report(""), tuple(series), rules)


def _rules(room: str, decisions: Iterable[Decision], start: Instant) -> Iterable[RuleReport]:
    broken: Counter[str] = Counter()
    declined: Counter[str] = Counter()
    for decision in decisions:
        if decision.kind == "rule_broken" and decision.at >= start:
            broken.update(reason.code for reason in decision.reasons if reason.code in RULES)
            if decision.write is not None:
                declined[decision.write.breach] += 1
    return [RuleReport(room, rule, broken[rule], declined[rule]) for rule in RULES if broken[rule]]


def _series(decision: Decision) -> SeriesReport:
    figures = {reason.code: reason.value or 0 for reason in decision.reasons}
    ghosts, booked_ms = figures.get("ghosts_in_a_row", 0), figures.get("series_booked", 0)
    return SeriesReport(decision.room, decision.booking, ghosts, booked_ms, decision.at)


def _full_hour(instant: Instant, zone: tzinfo) -> Instant:
    local = datetime.fromtimestamp(instant // SECOND_MS, zone)
    return instant - local.minute * MINUTE_MS - local.second * SECOND_MS - instant % SECOND_MS


def _room_sums(decisions: Iterable[Decision], start: Instant, end: Instant) -> _Sums:
    result = _Sums()
    visited: dict[str, bool] = {}
    wrong: set[str] = set()
    occupancy: list[Decision] = []
    for decision in decisions:
        if decision.kind == "occupancy":
            occupancy.append(decision)
        elif decision.kind in ("release", "would_release"):
            visited[decision.booking] = any(reason.code == "brief_visit" for reason in decision.reasons)
        elif decision.kind == "released" and decision.at >= start:
            result.sums["given_back"] += 1
        elif decision.kind == "wrong_release" and decision.at >= start:
            wrong.add(decision.booking)  # said twice, it is one mistake
        elif decision.kind == "concluded" and decision.tally is not None and decision.at >= start:
            _count(result, decision.tally, decision.live, was_visited=visited.get(decision.booking, False))
    result.sums["wrong_releases"] = len(wrong)
    _count_occupancy(result, occupancy, start, end)
    return result


# -- bookings -----------------------------------------------------------------------------------------


def _count(into: _Sums, tally: Tally, live: bool, *, was_visited: bool) -> None:
    into.outcomes[tally.outcome] += 1
    if tally.outcome == "cancelled":
        return
    released = tally.outcome in RELEASED
    came_after = _came_after(tally, was_visited=was_visited)
    would_return = 0 if came_after else tally.would_return_ms
    returned = tally.returned_ms if released else 0
    into.sums.update(
        bookings=1,
        booked_ms=tally.booked_ms,
        used_ms=tally.used_ms,
        ghost_ms=tally.ghost_ms,
        returned_ms=returned,
        would_return_ms=would_return,
        ended_early_ms=tally.returned_ms if tally.outcome == "ended_early" and live else 0,
        released=int(released),
        would_be_released=int(would_return > 0),
        came_after=int(came_after),
    )
    into.unreturned.update({c: ms for c, ms in _unreturned(tally, returned, would_return) if ms > 0})


def _came_after(tally: Tally, *, was_visited: bool) -> bool:
    """Somebody wanted the room after its release: it was checked in, or seen and had not been before."""
    if tally.outcome == "attended":
        return tally.would_return_ms > 0 or tally.returned_ms > 0
    return tally.outcome == "brief_visit" and tally.would_return_ms > 0 and not was_visited


def _unreturned(tally: Tally, returned: Duration, would_return: Duration) -> Iterable[tuple[str, Duration]]:
    """Each part of the ghost time that was not given back, with its cause."""
    left = max(0, tally.ghost_ms - returned)
    code = tally.cause.partition(" ")[0]
    if tally.outcome in RELEASED:
        yield "grace", left
    elif code == "shadow":
        yield "shadow", min(left, would_return)
        yield "grace", left - min(left, would_return)
    else:
        yield code or "not_proven_in_time", left


# -- occupancy ----------------------------------------------------------------------------------------


def _count_occupancy(into: _Sums, changes: Sequence[Decision], start: Instant, end: Instant) -> None:
    """Add up how long the room was occupied, and how long nobody could tell."""
    ends = [_held_until(following) for following in changes[1:]] + [end]
    for change, upto in zip(changes, ends, strict=False):  # no changes: nothing ends either
        length = min(upto, end) - max(change.at, start)
        codes = [reason.code for reason in change.reasons]
        if length <= 0 or not codes:
            continue
        if codes[0] == "occupied":
            into.sums["occupied_ms"] += length
        elif codes[0] == "unknown" and not SETTLING.intersection(codes[1:]):
            into.sums["untold_ms"] += length


def _held_until(change: Decision) -> Instant:
    """When the occupancy before this change ended: with the hearing, where that was lost before."""
    lost = [r.at for r in change.reasons if r.code == "not_hearing" and r.at is not None]
    return min([change.at, *lost])
