"""How far each sensor can be trusted, by its own history.

Pure: sums in, plain data out. What a room's sensors support together is in `gateway.reports.room_quality`;
nothing here decides anything, and what the core is given of it is in `gateway.reports.learned`.
Durations in ms, shares from 0 to 1.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from gateway.core.evidence import STUCK_ON_AFTER_MS
from gateway.core.policy import RoomConfig, SensorProfile
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.reports.history import QuietSums, SensorSums, SensorTrack
from gateway.reports.spread import level, slope
from gateway.reports.trust_words import Seen, Trouble, troubles_of

Clock = Callable[[Instant], str]
Grade = Literal["good", "fair", "poor", "unknown"]
Evidence = Literal["others", "itself", "none"]
"""Who says that people were there: other sensors or people, or only the sensor itself."""

FALSE_EMPTY_SHARE: Final = 0.01
"""Of the time in which people are known to be there, so much at most may look empty by the hold alone."""

ENOUGH_BOOKINGS: Final = 10
ENOUGH_MS: Final[Duration] = 5 * HOUR_MS
"""Fewer attended bookings, or less time in them, say nothing yet."""

EARLY_END_BOOKINGS: Final = 30
EARLY_END_MS: Final[Duration] = 20 * HOUR_MS
"""Before a sensor's word may end a meeting: with no failure in 30 tries the true rate is below one in ten
(the rule of three, at 95 %), and presence and motion must fail together."""

MISSED_GOOD: Final = 0.05
MISSED_FAIR: Final = 0.15
FALSE_EMPTY_FAIR: Final = 0.05
LATE_NO_SHOW_SHARE: Final = 0.02
"""More attended bookings than this in which the first sign comes after the grace: no-shows are not told."""

HOLDS_MS: Final[tuple[Duration, ...]] = tuple(m * MINUTE_MS for m in (1, 2, 5, 10, 15, 20, 30))
"""The holds whose consequences are shown."""

BATTERY_LOW_PERCENT: Final = 10
TREND_DAYS: Final = 14
"""A line through fewer days says nothing."""
BATTERY_FALL_POINTS: Final = 3
"""Nor does one that falls by less than this: percentages come in steps."""
FORECAST_DAYS: Final = 1_000
INTERVALS_ENOUGH: Final = 200
"""Messages that a learned heartbeat rests on, at least."""
LONGEST_HOLD_MS: Final[Duration] = 60 * MINUTE_MS
"""Longer quiet is taken for an absence, so no longer hold is ever learned."""


class MessageCounts(Protocol):
    """What the ledger counts of a sensor's messages."""

    accepted: int
    folded: int
    rejected: int
    last_error: str


class HoldLine(msgspec.Struct, frozen=True):
    """What a hold would do: the share of known-occupied time called empty, and how often an hour."""

    hold_ms: Duration
    false_empty: float
    per_hour: float


class Learned(msgspec.Struct, frozen=True):
    """What the sensor's own messages suggest for its profile; None: nothing to suggest."""

    hold_ms: Duration | None = None
    latency_ms: Duration | None = None
    heartbeat_ms: Duration | None = None


class SensorQuality(msgspec.Struct, frozen=True):
    """One sensor. None where there is no measurement."""

    sensor: str
    room: str
    grade: Grade
    evidence: Evidence
    bookings: int
    """Attended bookings in which others (or, failing them, itself) tell when people were there."""
    missed: int
    """Of them those without one sign of it."""
    known_ms: Duration
    quiet_median_ms: Duration | None
    quiet_95_ms: Duration | None
    quiet_longest_ms: Duration | None
    quiet_longest_at: Instant | None
    false_empty: float | None
    """Share of known-occupied time that its hold alone would call empty."""
    hold_ms: Duration
    """As it is now."""
    hold_needed_ms: Duration | None
    """So that at most the share asked for would be called empty; in whole minutes."""
    holds: tuple[HoldLine, ...]
    arrival_median_ms: Duration | None
    arrival_95_ms: Duration | None
    edge_share: float | None
    """Of its signs those within 5 min of somebody's coming or going."""
    spurious: int
    days: float
    """How long it has been watched."""
    messages: int
    heard_median_ms: Duration | None
    heard_99_ms: Duration | None
    heard_within_ms: Duration | None
    """How exactly: repeats within this time are folded."""
    late: int
    repeated: int
    skew_ms: Duration | None
    """Arrival after the time in the message, at the median; negative where its clock is fast."""
    received: int
    rejected: int
    last_error: str
    link: float | None
    link_per_month: float | None
    """How it changes in 30 days, in the maker's unit."""
    battery: int | None
    battery_days_left: int | None
    """Until 10 %; None where the percentages show no fall."""
    flapping: int
    stuck_on: int
    silent_streak: int
    outages: int
    outage_ms: Duration
    bridge_outages: int
    bridge_outage_ms: Duration
    learned: Learned
    supports_early_end: bool
    troubles: tuple[Trouble, ...]
    """Why not to trust it: what, since when, and what to do."""


class Context(NamedTuple):
    """What every sensor is judged with."""

    share: float
    at: Instant
    since: Instant
    counts: Mapping[str, MessageCounts]
    clock: Clock


def is_enough(sums: QuietSums) -> bool:
    """Enough attended bookings, and time in them, to say anything."""
    return sums.bookings >= ENOUGH_BOOKINGS and sums.known_ms >= ENOUGH_MS


def sensor_quality(
    room: RoomConfig, profile: SensorProfile, sums: SensorSums, track: SensorTrack, context: Context
) -> SensorQuality:
    """Judge one sensor of a room."""
    evidence: Evidence = "others" if is_enough(sums.confirmed) else "itself" if sums.own.bookings else "none"
    quiet = sums.confirmed if evidence == "others" else sums.own
    needed = needed_hold(quiet, context.share) if is_enough(quiet) else None
    false_empty = false_empty_share(quiet, profile.hold_ms) if is_enough(quiet) else None
    battery = next(reversed(sums.battery.values()), None)
    days_left = _battery_days_left(sums.battery, context.at)
    link_rise = slope(sums.link) if _spans(sums.link) else None
    count = context.counts.get(profile.id)
    gaps = quiet.gaps
    seen = Seen(
        evidence=evidence,
        quiet=quiet,
        false_empty=false_empty,
        needed_ms=needed,
        at=context.at,
        since=context.since,
        received=count.accepted + count.folded + count.rejected if count else 0,
        rejected=count.rejected if count else 0,
        last_error=count.last_error if count else "",
        battery=battery,
        days_left=days_left,
        skew_ms=_skew(sums),
        link_per_month=None if link_rise is None else link_rise * 30,
        stuck_on_since=_stuck_since(track, context.at),
    )
    troubles = tuple(troubles_of(profile, sums, track, seen, context.clock))
    return SensorQuality(
        sensor=profile.id,
        room=room.id,
        grade=_grade(profile, quiet, evidence, false_empty, troubles),
        evidence=evidence,
        bookings=quiet.bookings,
        missed=quiet.missed,
        known_ms=quiet.known_ms,
        quiet_median_ms=gaps.quantile(0.5),
        quiet_95_ms=gaps.quantile(0.95),
        quiet_longest_ms=gaps.longest_ms if gaps.buckets else None,
        quiet_longest_at=gaps.longest_at if gaps.buckets else None,
        false_empty=false_empty,
        hold_ms=profile.hold_ms,
        hold_needed_ms=needed,
        holds=tuple(_hold_line(quiet, hold) for hold in HOLDS_MS) if is_enough(quiet) else (),
        arrival_median_ms=sums.confirmed.arrival.quantile(0.5),
        arrival_95_ms=sums.confirmed.arrival.quantile(0.95),
        edge_share=sums.edge_signs / sums.signs if sums.signs else None,
        spurious=sums.spurious,
        days=max(0, context.at - context.since) / DAY_MS,
        messages=sums.messages,
        heard_median_ms=sums.heard.quantile(0.5),
        heard_99_ms=sums.heard.quantile(0.99),
        heard_within_ms=_folded_within(profile) if sums.heard.buckets else None,
        late=sums.late,
        repeated=sums.repeated,
        skew_ms=seen.skew_ms,
        received=seen.received,
        rejected=seen.rejected,
        last_error=seen.last_error,
        link=next(reversed(sums.link.values()), None),
        link_per_month=seen.link_per_month,
        battery=None if battery is None else round(battery),
        battery_days_left=days_left,
        flapping=sums.flapping,
        stuck_on=sums.stuck_on,
        silent_streak=track.silent_streak,
        outages=sums.outages,
        outage_ms=sums.outage_ms,
        bridge_outages=sums.bridge_outages,
        bridge_outage_ms=sums.bridge_outage_ms,
        learned=_learned(profile, sums, evidence, needed),
        supports_early_end=_supports_early_end(room, profile, sums.confirmed),
        troubles=troubles,
    )


def needed_hold(quiet: QuietSums, share: float) -> Duration:
    """The shortest hold, in whole minutes, by which at most `share` of the known time would look empty."""
    limit = quiet.gaps.limit_for(int(share * quiet.known_ms))
    return min(-(-limit // MINUTE_MS) * MINUTE_MS, LONGEST_HOLD_MS)


def false_empty_share(quiet: QuietSums, hold_ms: Duration) -> float:
    """Of the time in which people were known to be there, the share that a hold alone would call empty."""
    return min(1.0, quiet.gaps.excess_ms(hold_ms) / quiet.known_ms) if quiet.known_ms else 0.0


def _hold_line(quiet: QuietSums, hold_ms: Duration) -> HoldLine:
    per_hour = quiet.gaps.above(hold_ms) * HOUR_MS / quiet.known_ms
    return HoldLine(hold_ms, round(false_empty_share(quiet, hold_ms), 4), round(per_hour, 2))


def _grade(
    profile: SensorProfile,
    quiet: QuietSums,
    evidence: Evidence,
    false_empty: float | None,
    troubles: Iterable[Trouble],
) -> Grade:
    """Only others can call it good: a sensor that misses people does not know that it does.

    One at the door is not meant to see who sits, one at a seat sees only who sits there.
    """
    if any(trouble.is_standing for trouble in troubles):
        return "poor"
    if evidence != "others" or false_empty is None or profile.role == "seat":
        return "unknown"
    empty = false_empty if profile.role == "room" else 0.0
    missed = quiet.missed / quiet.bookings
    if empty <= FALSE_EMPTY_SHARE and missed <= MISSED_GOOD:
        return "good"
    return "fair" if empty <= FALSE_EMPTY_FAIR and missed <= MISSED_FAIR else "poor"


def _supports_early_end(room: RoomConfig, profile: SensorProfile, confirmed: QuietSums) -> bool:
    """In enough meetings that others confirm it was never quiet for as long as an early end waits."""
    limit = room.policy.end_early_vacate_ms + shortest_hold(profile)
    return (
        confirmed.bookings >= EARLY_END_BOOKINGS
        and confirmed.known_ms >= EARLY_END_MS
        and confirmed.gaps.longest_ms < limit
        and confirmed.missed <= LATE_NO_SHOW_SHARE * confirmed.bookings
    )


def shortest_hold(profile: SensorProfile) -> Duration:
    """The hold that the core goes by at the least: the short one beside a presence sensor."""
    beside = profile.hold_beside_presence_ms if profile.senses == "motion" else profile.hold_ms
    return min(profile.hold_ms, beside)


def _folded_within(profile: SensorProfile) -> Duration:
    """The core folds identical repeats within an eighth of the heartbeat, or a minute without one."""
    return profile.heartbeat_ms // 8 if profile.heartbeat_ms else MINUTE_MS


def _spans(points: Mapping[int, float]) -> bool:
    return len(points) > 1 and max(points) - min(points) >= TREND_DAYS


def _battery_days_left(battery: Mapping[int, float], at: Instant) -> int | None:
    """Days from `at` until the line through the percentages reaches 10; None if it says nothing."""
    fall = slope(battery) if _spans(battery) else None
    if fall is None or fall >= 0 or max(battery.values()) - min(battery.values()) < BATTERY_FALL_POINTS:
        return None
    days = (level(battery, fall, at // DAY_MS) - BATTERY_LOW_PERCENT) / -fall
    return max(0, round(days)) if days <= FORECAST_DAYS else None


def _skew(sums: SensorSums) -> Duration | None:
    """The median of arrival against the message's own time, negative where the clock is fast."""
    behind, ahead = sums.behind, sums.ahead
    if ahead.count > behind.count:
        return -(ahead.quantile(0.5) or 0)
    return behind.quantile(0.5)


def _stuck_since(track: SensorTrack, at: Instant) -> Instant | None:
    stuck = track.showing and at - track.showing_since > STUCK_ON_AFTER_MS
    return track.showing_since if stuck else None


def _learned(
    profile: SensorProfile, sums: SensorSums, evidence: Evidence, needed: Duration | None
) -> Learned:
    """What differs from the configuration. A shorter hold is suggested only on others' word."""
    hold = None
    if needed is not None and needed != profile.hold_ms and profile.role == "room":
        longer = needed > profile.hold_ms
        sure = evidence == "others" and sums.confirmed.bookings >= EARLY_END_BOOKINGS
        least = max(needed, profile.device_hold_ms, MINUTE_MS)
        hold = needed if longer else least if sure and least < profile.hold_ms else None
    heartbeat = None
    if sums.heard.count >= INTERVALS_ENOUGH:
        spoken = sums.heard.quantile(0.99) or 0
        step = 10 * SECOND_MS if spoken < 5 * MINUTE_MS else MINUTE_MS
        rounded = -(-spoken // step) * step
        known = profile.heartbeat_ms
        if known is None or not rounded // 2 <= known <= 2 * rounded:
            heartbeat = rounded
    arrival = sums.confirmed.arrival.quantile(0.95) if is_enough(sums.confirmed) else None
    late = arrival is not None and arrival > profile.latency_ms + MINUTE_MS and sums.heard.count > 0
    interval = sums.heard.quantile(0.5) or 0
    # Only a sensor that speaks seldom reports late by its nature; one that looks elsewhere is not slow.
    latency = min(arrival or 0, interval) if late and interval > profile.latency_ms + MINUTE_MS else None
    return Learned(hold, latency, heartbeat)
