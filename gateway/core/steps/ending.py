"""A booking ends: what it came to, and what is remembered of it."""

import copy
from typing import Final

from gateway.core.decisions import Outcome, Reason
from gateway.core.events import ModeSet
from gateway.core.evidence import SILENT_ATTENDED_LIMIT, refresh_health
from gateway.core.life import Life, Previous
from gateway.core.room import SeriesCount
from gateway.core.steps.conclusion import Conclusion
from gateway.core.tally import tally_of
from gateway.core.units import DAY_MS, MINUTE_MS, NEVER, Duration

SERIES_KEPT_MS: Final[Duration] = 60 * DAY_MS
"""A series without a counted occurrence for so long is forgotten."""

RETURN_WITHIN_MS: Final[Duration] = 15 * MINUTE_MS
"""People who come this soon after a release were probably on their way: it was probably wrong."""


def finish(tick: Conclusion, life: Life, how: Outcome | str) -> None:
    """Count what the booking came to and forget it."""
    state = tick.state
    if life.state != "released":
        tick.cancel_warning(life, Reason("over"))
    tally = tally_of(life, how, tick.now)
    _let_depart(tick, life, how)
    life.move("ended")
    del state.lives[life.booking.key]
    judged = _judge_shadow(tick, life)
    tick.say("concluded", life, Reason(f"outcome_{tally.outcome}"), *judged, tally=tally)
    end = min(life.booking.end, tick.now)
    if life.is_attended and not life.is_walk_up:
        if state.previous is None or end >= state.previous.end:
            state.previous = Previous(life.booking.start, end, life.last_presence)
            state.hits = 0  # until here they were this booking's people
        if life.checked_in_at != NEVER and tally.outcome != "cancelled":
            _note_silent_sensors(tick, life)
            tick.room.note_gap(life.longest_gap_ms)
    elif not (life.booking.all_day or life.is_ours or life.is_attended or tally.outcome == "cancelled"):
        state.unseen_streak += 1
    if tally.outcome != "cancelled":
        _count_series(tick, life, ghost=tally.ghost_ms > 0 and not life.is_attended)
    if judged:
        _go_live_by_record(tick)


def _let_depart(tick: Conclusion, life: Life, how: Outcome | str) -> None:
    """Keep it as it is for a day: an update of its organizer may bring it back."""
    departed = tick.state.departed
    life.ended = how == "ended_early"
    life.ended_at = tick.now
    life.compare_end(life.booking, tick.now)  # in its last minute it need not be shortened any more
    if life.write is not None and life.release_kind != "end_early":
        tick.state.loose_writes[life.write] = (life.booking.key, life.booking.event_id)
    if life.state != "released":
        departed[life.booking.key] = copy.copy(life)
    for key in [k for k, old in departed.items() if old.booking.end < tick.now - DAY_MS]:
        del departed[key]


def _count_series(tick: Conclusion, life: Life, *, ghost: bool) -> None:
    """Ghosts in a row of one series are reported once; nothing is done to a series without a word."""
    series, limit = life.booking.series_id, tick.state.config.policy.series_ghosts
    if not series or not limit or (ghost and tick.holiday):
        return
    if not ghost:
        if life.is_attended:
            tick.state.series.pop(series, None)
        return
    count = tick.state.series.setdefault(series, SeriesCount())
    count.ghosts += 1
    count.booked_ms += life.booking.length_ms
    count.last = life.booking.start
    if count.ghosts >= limit and not count.reported:
        count.reported = True
        told = Reason("ghosts_in_a_row", value=count.ghosts)
        tick.say("series_reported", life, told, Reason("series_booked", value=count.booked_ms))
    stale = [key for key, c in tick.state.series.items() if c.last < tick.now - SERIES_KEPT_MS]
    for key in stale:
        del tick.state.series[key]


def _judge_shadow(tick: Conclusion, life: Life) -> tuple[Reason, ...]:
    """How shadow's release would have gone: counted, and told; empty if there was none."""
    if life.would_release_at == NEVER:
        return ()
    soon = life.would_release_at + RETURN_WITHIN_MS
    wrong = life.returned_at != NEVER and life.returned_at <= soon
    tick.state.record.judged += 1
    tick.state.record.wrong += wrong
    came = None if life.returned_at == NEVER else life.returned_at
    code = "shadow_wrong" if wrong else "shadow_right"
    return (Reason(code, life.returned_by, at=life.would_release_at, until=came),)


def _go_live_by_record(tick: Conclusion) -> None:
    """A good record in shadow sets the room live, unless somebody wants it in shadow."""
    record, policy = tick.state.record, tick.state.config.policy
    passed = policy.live_after and record.judged >= policy.live_after
    if passed and record.wrong <= policy.live_if_wrong_at_most and not tick.state.held_in_shadow:
        room = tick.state.config.id
        set_mode(tick, ModeSet(room, "live"), Reason("shadow_record", value=record.judged))


def _note_silent_sensors(tick: Conclusion, life: Life) -> None:
    """A room sensor without one sign through several attended bookings may be stuck off."""
    for profile, sensor, bridge_online, _ in tick.room.sensors.values():
        if profile.role == "room" and sensor.sign_at(tick.now) < life.booking.start:
            sensor.silent_attended = min(sensor.silent_attended + 1, SILENT_ATTENDED_LIMIT)
            refresh_health(profile, sensor, bridge_online)


def set_mode(tick: Conclusion, event: ModeSet, reason: Reason | None = None) -> None:
    """Shadow holds at once; live from the next booking on. `reason`: why it happens by itself."""
    tick.state.held_in_shadow = event.mode == "shadow"
    if event.mode == tick.state.mode:
        return
    tick.state.mode = event.mode
    reason = reason or Reason("by_person", text=event.by)
    if event.mode == "shadow":
        for life in tick.state.lives.values():
            tick.drop_release(life, reason)
            life.live = False
    tick.say("mode", None, reason, Reason(f"mode_{event.mode}"))
