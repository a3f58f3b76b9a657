"""Bookings open, and signs of presence are attributed to them: seen, checked in."""

from collections.abc import Iterable
from typing import Final

from gateway.core.decisions import Reason
from gateway.core.life import Life, Previous
from gateway.core.occupancy import effective_grace
from gateway.core.room import LONGEST_GAP_MS, Sign
from gateway.core.steps.conclusion import Conclusion
from gateway.core.steps.ending import RETURN_WITHIN_MS
from gateway.core.units import FOREVER, MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.core.walk_up import HITS_NEEDED

SHOWN_FOR_CHECK_IN_MS: Final[Duration] = 30 * SECOND_MS
HITS_FOR_CHECK_IN_WITHIN_MS: Final[Duration] = 5 * MINUTE_MS
HANDOVER_GAP_MS: Final[Duration] = 5 * MINUTE_MS
"""A booking that ended this long before the next start may hand its people over to it."""


def may_open(tick: Conclusion, life: Life) -> bool:
    """Its early window has begun."""
    return life.state == "upcoming" and life.opens_at <= tick.now


def open_booking(tick: Conclusion, life: Life, *, at_once: bool = False) -> None:
    """Pin policy and mode, `early_arrival` before the start (or when a person acts on it)."""
    if life.state != "upcoming" or not (at_once or may_open(tick, life)):
        return
    life.policy = tick.state.config.policy
    life.grace_ms = effective_grace(life.policy, tick.room.profiles)
    life.live = tick.state.mode == "live"
    life.move("opened")
    tick.say("opened", life, Reason("grace", value=life.grace_ms, until=life.due))


def signs_of(tick: Conclusion) -> list[Sign]:
    """The signs since the last tick, and what is being shown right now, in a fixed order."""
    showing = [
        Sign(
            sensor.shown_since,
            tick.now,
            profile.id,
            hit=False,
            healthy=tick.now <= sensor.well_until,
            late=False,
        )
        for profile, sensor, _, _ in tick.room.sensors.values()
        if sensor.showing and profile.in_service
    ]
    return sorted(tick.state.signs + showing)


def count_hits(tick: Conclusion, signs: list[Sign]) -> None:
    """How surely the room is in use: a sensor that shows presence all the time counts as two hits."""
    for sign in signs:
        lasts = tick.room.sensors[sign.sensor].profile.senses != "motion"
        if sign.healthy and not sign.late:
            tick.state.hits += 1 if sign.hit else HITS_NEEDED * lasts


def attend(tick: Conclusion, life: Life, signs: list[Sign]) -> None:
    """Attribute signs of presence to the booking: seen, checked in."""
    _note_return(tick, life, signs)
    if life.state in ("upcoming", "released", "over"):
        return
    start, end, opens_at = life.booking.start, life.booking.end, life.opens_at
    settled = life.state == "checked_in" and life.seen_at != NEVER  # no sign can add to that
    eligible = FOREVER if settled else _eligible_from(tick, life)
    for sign in signs:
        if sign.end < opens_at or sign.start >= end:
            continue
        if sign.end >= start:
            _note_gap(life, sign)
            life.last_presence = max(life.last_presence, min(sign.end, end))
        if sign.healthy and sign.end >= eligible:
            _weigh(tick, life, sign, eligible)
    if life.early and life.seen_at == NEVER and tick.now >= start:
        _see(tick, life, start, Reason("came_early"))


def _note_return(tick: Conclusion, life: Life, signs: list[Sign]) -> None:
    """Somebody came after the release: offer the room back, and count it against shadow's record."""
    since = max(life.released_at, life.would_release_at)
    if since == NEVER or life.returned_at != NEVER:
        return
    after = [s for s in signs if s.healthy and s.end > since and s.start < life.booking.end]
    if after:
        life.returned_at, life.returned_by = max(after[0].start, since), after[0].sensor
        if life.state == "released" and life.returned_at <= since + RETURN_WITHIN_MS:
            tick.say("offered_back", life, Reason("shown", after[0].sensor, at=life.returned_at))


def note_wanted(life: Life, now: Instant) -> None:
    """A person wants a booking that shadow would have given back: that counts like somebody who comes."""
    if life.would_release_at != NEVER and life.returned_at == NEVER:
        life.returned_at, life.returned_by = now, ""


def _note_gap(life: Life, sign: Sign) -> None:
    """How quiet people are: between two signs in one booking they were probably there."""
    gap = sign.start - life.last_presence
    if life.last_presence != NEVER and LONGEST_GAP_MS >= gap > life.longest_gap_ms:
        life.longest_gap_ms = gap


def _eligible_from(tick: Conclusion, life: Life) -> Instant:
    """From when on presence counts for this booking: its early window, or the end of a handover.

    During a handover the people of the meeting before may still be there. It is over early when
    vacancy was proven after their last sign: whoever comes then is new.
    """
    opens = life.opens_at
    latest = opens
    for before in _attended_before(tick, life):
        if before.end < life.booking.start - HANDOVER_GAP_MS:
            continue
        ends = life.booking.start + life.policy.handover_ms
        if tick.state.vacated_at > before.last_presence:
            ends = min(ends, max(opens, tick.state.vacated_at))
        latest = max(latest, ends)
    return latest


def _attended_before(tick: Conclusion, life: Life) -> Iterable[Previous]:
    if tick.state.previous is not None and tick.state.previous.start < life.booking.start:
        yield tick.state.previous
    for other in tick.state.lives.values():
        if other.is_attended and not other.is_walk_up and other.booking.start < life.booking.start:
            yield Previous(other.booking.start, other.booking.end, other.last_presence)


def _weigh(tick: Conclusion, life: Life, sign: Sign, eligible: Instant) -> None:
    """Work out what one sign of a healthy sensor in this booking's time shows."""
    profile = tick.room.sensors[sign.sensor].profile
    start, end = life.booking.start, life.booking.end
    touched = min(sign.end, end)
    shown_ms = touched - max(sign.start, eligible)
    if profile.senses == "motion" and not sign.hit:
        # A motion sensor's on-time is one hit; beyond its own hold it means that motion went on.
        last_motion = touched - profile.device_hold_ms
        if last_motion > max(sign.start, eligible):
            _note_presence(tick, life, last_motion, Reason("shown", sign.sensor, at=last_motion))
        if shown_ms >= profile.device_hold_ms + SHOWN_FOR_CHECK_IN_MS and touched >= start:
            _check_in_by_sensor(tick, life, sign, Reason("motion_lasted", sign.sensor, value=shown_ms))
        return
    if sign.hit and sign.start < eligible:
        return
    _note_presence(tick, life, touched, Reason("shown", sign.sensor, at=sign.start))
    if touched >= start:
        if sign.hit:
            _check_in_by_second_hit(tick, life, sign)
        elif profile.senses == "count":
            _check_in_by_sensor(tick, life, sign, Reason("counted", sign.sensor, at=sign.start))
        elif shown_ms >= SHOWN_FOR_CHECK_IN_MS:
            _check_in_by_sensor(tick, life, sign, Reason("shown_long", sign.sensor, value=shown_ms))
    if sign.hit and not sign.late and profile.role != "door":
        life.last_hit = sign.start


def _note_presence(tick: Conclusion, life: Life, at: Instant, reason: Reason) -> None:
    """Somebody was there: seen, or in the early window, to be seen at the start."""
    if at < life.booking.start:
        life.early = True
    else:
        _see(tick, life, at, reason)


def _check_in_by_second_hit(tick: Conclusion, life: Life, sign: Sign) -> None:
    if life.last_hit != NEVER and life.last_hit < sign.start <= life.last_hit + HITS_FOR_CHECK_IN_WITHIN_MS:
        _check_in_by_sensor(tick, life, sign, Reason("two_hits", sign.sensor, at=life.last_hit))


def _check_in_by_sensor(tick: Conclusion, life: Life, sign: Sign, reason: Reason) -> None:
    """A door tells of arrivals, not of a meeting; a late message cannot tell when it was made."""
    if not sign.late and tick.room.sensors[sign.sensor].profile.role != "door":
        check_in(tick, life, reason, by_person=False)


def _see(tick: Conclusion, life: Life, at: Instant, reason: Reason) -> None:
    if life.seen_at != NEVER:
        return
    life.seen_at = at
    if life.state == "open":
        life.move("presence")
        tick.say("seen", life, reason)


def check_in(tick: Conclusion, life: Life, reason: Reason, *, by_person: bool) -> None:
    """Somebody is there for this booking: a sensor or a person says so. Sticky; withdraws a release."""
    if life.state == "checked_in":
        life.checked_in_by_person |= by_person
        return
    if life.seen_at == NEVER and not by_person:
        life.seen_at = max(tick.now, life.booking.start)
    if life.state == "releasing":
        tick.drop_release(life, reason)
        life.checked_in_by_person |= by_person  # the withdrawn write's outcome comes first
        return
    life.move("check_in")
    life.checked_in_at, life.checked_in_by_person = tick.now, by_person
    tick.cancel_warning(life, reason)
    write = tick.write(life, "check_in", "category", life.booking.end) if life.live else None
    tick.say("checked_in", life, reason, write=write)
