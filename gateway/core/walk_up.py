"""Walk-ups: an unbooked room in use is shown as busy, extended while in use, freed after.

Off by default. What is to be done is worked out here; `gateway.core.steps.walk_ups` says and writes it.
"""

from typing import Final, NamedTuple

from gateway.core.life import Life
from gateway.core.occupancy import Proof
from gateway.core.room import Room
from gateway.core.units import FOREVER, MINUTE_MS, NEVER, Duration, Instant

HITS_NEEDED: Final = 2
"""One sign may be somebody who looks in."""

EXTEND_BEFORE_MS: Final[Duration] = 5 * MINUTE_MS
ASK_AGAIN_AFTER_MS: Final[Duration] = 5 * MINUTE_MS
"""After a booking that could not be written."""


class Wanted(NamedTuple):
    """A booking of the room itself, from now until `end`."""

    end: Instant


def in_use_since(room: Room, now: Instant) -> Instant:
    """Since when people use the room without a booking, or `NEVER`; until its end it was the last one's."""
    state = room.state
    if state.hits < HITS_NEEDED or not _is_in_use(room, now):
        return NEVER
    ended = state.previous.end if state.previous is not None else NEVER
    return max(state.occupied_since, ended)


def wanted(room: Room, now: Instant) -> Wanted | None:
    """What should be booked now for those in the room, if anything."""
    state, policy = room.state, room.state.config.policy
    since = in_use_since(room, now)
    if not policy.walk_up or since == NEVER or _last_sign(room, now) < since + policy.walk_up_after_ms:
        return None
    if state.walk_up is not None and now < state.walk_up.again_at:
        return None
    end = min(now + policy.walk_up_length_ms, next_start(room, now))
    return Wanted(end) if end - now >= policy.min_remaining_ms else None


def may_begin(room: Room, now: Instant) -> bool:
    """The room is in use without a booking, so any sign may show that people are there, and have stayed."""
    return room.state.config.policy.walk_up and _is_in_use(room, now)


def _is_in_use(room: Room, now: Instant) -> bool:
    """Occupied, and nothing is booked."""
    booked = any(life.booking.start <= now < life.booking.end for life in _holding(room))
    return room.state.occupancy.status == "occupied" and not booked


def _last_sign(room: Room, now: Instant) -> Instant:
    """The newest sign of a healthy sensor.

    [A PIR's hold after a meeting lasts longer than a walk-up needs, and nobody is there.]
    """
    signs = [sensor.sign_at(now) for _, sensor, _, _ in room.sensors.values() if now <= sensor.well_until]
    return max(signs, default=NEVER)


def extended_end(room: Room, life: Life, now: Instant) -> Instant | None:
    """The new end of a walk-up that is about to end while people are there, if there is room for it."""
    end = life.booking.end
    if room.state.occupancy.status != "occupied" or now < end - EXTEND_BEFORE_MS:
        return None
    new_end = min(now + room.state.config.policy.walk_up_length_ms, next_start(room, end - 1))
    return new_end if new_end > end else None


def is_over(life: Life, proof: Proof, now: Instant) -> bool:
    """Its people have left: proven empty for as long as a brief visit needs."""
    left = proof.since + life.policy.vacate_ms
    return proof.blocked is None and proof.until >= left and now >= left


def next_start(room: Room, after: Instant) -> Instant:
    """When the next booking starts; far away if there is none."""
    starts = [life.booking.start for life in _holding(room) if life.booking.start > after]
    return min(starts, default=FOREVER)


def _holding(room: Room) -> list[Life]:
    """Bookings that the room stands for. All-day entries are notes, not meetings."""
    return [
        life
        for life in room.state.lives.values()
        if life.state not in ("released", "over") and not life.booking.all_day
    ]
