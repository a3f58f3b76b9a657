"""When to look again: the instants at which time alone may bring a conclusion.

A deadline too many costs a tick that finds nothing; a deadline too few costs a room.
"""

from collections.abc import Iterator

from gateway.core.life import Life
from gateway.core.occupancy import Proof, is_covered, prove
from gateway.core.room import Room
from gateway.core.rules import CALENDAR_FRESH_MS, window_of
from gateway.core.steps.attendance import SHOWN_FOR_CHECK_IN_MS
from gateway.core.steps.calendar import STALE_READ_MS
from gateway.core.units import FOREVER, NEVER, Duration, Instant
from gateway.core.walk_up import EXTEND_BEFORE_MS


def calendar_deadline(room: Room, after: Instant) -> Instant:
    """When the calendar is too old for a release that is possible; each read puts this off."""
    fresh_until = room.state.calendar_read_at + CALENDAR_FRESH_MS
    return fresh_until + 1 if room.counts_on_calendar and after <= fresh_until else FOREVER


def firm_deadline(room: Room, after: Instant, now: Instant = NEVER, proof: Proof | None = None) -> Instant:
    """The next instant after `after` that no silence moves; `FOREVER` if there is none.

    Once one is found that is not after `now`, that is enough: something has fallen due, and which is first is
    not looked for. `proof` of the room under its present policy, if it is known already.
    """
    first = FOREVER
    for at in _candidates(room, after, proof):
        if after < at < first:
            first = at
            if first <= now:
                break
    return first


def _candidates(room: Room, after: Instant, proof: Proof | None = None) -> Iterator[Instant]:
    """Every instant that may bring a conclusion, past ones too; what costs little to find comes first."""
    state = room.state
    begun = [life for life in state.lives.values() if life.state != "upcoming"]
    covered = is_covered(room.sensors, after) if proof is None else proof.covered
    yield from _sensor_deadlines(room, begun, after, covered=covered)
    yield room.next_opening
    yield from _walk_up_deadlines(room)
    for life in begun:
        yield life.booking.start
        yield life.booking.end
        if life.state == "released" and life.returned_at == NEVER:
            yield life.released_at + 1  # who shows at the very moment of the release is there after it
        if life.shown_again:
            yield state.released[life.booking.key].at + STALE_READ_MS + 1
    proof = proof or prove(room.sensors, room.panel(room.grace_ms), after)
    if proof.blocked is None:
        yield proof.since
    for life in begun:
        if life.may_be_released:
            yield life.booking.start + life.policy.handover_ms
            same = life.grace_ms == room.grace_ms
            own = proof if same else prove(room.sensors, room.panel(life.grace_ms), after)
            yield from _release_deadlines(life, own, room.usual_gap_ms)
        if life.is_walk_up:
            yield life.booking.end - EXTEND_BEFORE_MS
            yield life.extend_again_at
            yield proof.since + life.policy.vacate_ms


def _sensor_deadlines(room: Room, begun: list[Life], after: Instant, *, covered: bool) -> list[Instant]:
    """The last hold runs out, and with it the room's occupancy; presence has lasted, for a check-in even."""
    candidates: list[Instant] = []
    # Where no check-in is awaited, what a sensor shows brings no tick: nor shall its lasting.
    open_starts = [
        at
        for life in begun
        if life.awaits_check_in and life.booking.start <= after
        for at in (life.opens_at, life.booking.start + life.policy.handover_ms)
    ]
    last_hold_ends, shown = NEVER, False
    for profile, sensor, _, covered_hold in room.sensors.values():
        healthy = after <= sensor.well_until
        if not sensor.showing:
            hold_ends = sensor.last_sign + (covered_hold if covered else profile.hold_ms)
            if healthy and hold_ends > last_hold_ends:
                last_hold_ends = hold_ends
            continue
        shown |= healthy
        if open_starts and profile.senses != "count":
            since = [sensor.shown_since, *open_starts]
            wait = SHOWN_FOR_CHECK_IN_MS
            if profile.senses == "motion":  # beyond its own hold it means that motion went on
                candidates += [start + profile.device_hold_ms + 1 for start in since]
                wait += profile.device_hold_ms
            candidates += [start + wait for start in since]
    if not shown:
        candidates.append(last_hold_ends + 1)
    return candidates


def _walk_up_deadlines(room: Room) -> list[Instant]:
    """An unbooked room has been in use for long enough; a booking that was asked for did not come."""
    state, policy = room.state, room.state.config.policy
    if not policy.walk_up or state.occupied_since == NEVER:
        return []
    ended = state.previous.end if state.previous is not None else NEVER
    again = state.walk_up.again_at if state.walk_up is not None else NEVER
    return [max(state.occupied_since, ended) + policy.walk_up_after_ms, again]


def _release_deadlines(life: Life, proof: Proof, usual_gap_ms: Duration) -> list[Instant]:
    if life.would_release_at != NEVER:
        return [life.due]  # the breaker counts it from then on, if it has been put off since
    warn_ms = life.policy.warn_before_release_ms
    candidates = [
        life.due,
        life.retry_at,
        life.warned_at + warn_ms,
        life.booking.end - life.policy.min_remaining_ms + 1,
    ]
    if proof.blocked is None:
        earliest = max(life.due, proof.since + window_of(life, proof, usual_gap_ms))
        candidates += (earliest, earliest - warn_ms)
    return candidates
