"""Bookings that a complete read of the calendar brings, changes or takes away."""

from typing import Final

from gateway.core.booking import Booking
from gateway.core.decisions import Reason
from gateway.core.life import Life
from gateway.core.steps.conclusion import Conclusion
from gateway.core.steps.ending import finish
from gateway.core.units import MINUTE_MS, NEVER, Duration

STALE_READ_MS: Final[Duration] = 2 * MINUTE_MS
"""Exchange may show what was before a write for so long; only later does it count as somebody's change."""


def lose(tick: Conclusion, key: str) -> None:
    """The calendar does not show it any more, or not as a booking of this room."""
    life = tick.state.lives.get(key)
    if life is None:
        return
    if life.state == "released":
        life.shown_again = False
    elif life.state == "releasing":
        life.gone = True
    else:
        finish(tick, life, "cancelled")


def take(tick: Conclusion, booking: Booking) -> None:
    """The calendar shows it, for the first time or as it is now."""
    life = tick.state.lives.get(booking.key)
    if life is None:
        _meet(tick, booking)
        return
    if not booking.is_decided_on:
        lose(tick, booking.key)
        return
    before, life.booking = life.booking, booking
    life.gone = False
    if life.state == "released":
        life.shown_again = True
    elif booking.start != before.start:
        life.moved_at = tick.now
        if life.state == "releasing":
            tick.drop_release(life, Reason("moved", at=before.start))
        else:
            restart(tick, life)


def _meet(tick: Conclusion, booking: Booking) -> None:
    """A booking seen for the first time, or back after it had left."""
    state = tick.state
    life = state.departed.get(booking.key)
    if life is not None:
        life.compare_end(booking, tick.now)
    if not booking.is_decided_on or booking.end <= tick.now:
        return
    if life is not None and _stays_ended(tick, life, booking):
        return
    same_time = life is not None and life.booking.start == booking.start
    if life is None or (life.ended and not same_time) or booking.key in state.released:
        life = Life(booking, tick.now, policy=state.config.policy)
    else:
        life.restored |= life.ended
        life.ended, life.shown_short_at = False, NEVER
        life.booking = booking
        life.gone = False
        life.first_seen_at = tick.now  # its grace begins anew
        if booking.key in state.declined:
            life.breaches = ()  # worth telling again: somebody insists
        if life.state == "releasing" and life.write is None:
            life.move("kept_checked_in")  # it was ended early, and was made long again
    state.departed.pop(booking.key, None)
    state.lives[booking.key] = life
    if life.write is not None:
        state.loose_writes.pop(life.write, None)
    if booking.key in state.released:
        _restore(tick, life)
    elif not same_time and life.state != "upcoming":
        life.moved_at = tick.now
        restart(tick, life)


def _stays_ended(tick: Conclusion, life: Life, booking: Booking) -> bool:
    """It was ended, and our own mark on it, or its shortened end, is no new booking.

    It is one if it was made longer since. That a read cannot show which is older than the shortened end.
    [A stale one would end a walk-up that was over a second time, and make its past longer.]
    """
    cannot_be_stale = tick.state.calendar_read_at - life.shown_short_at > STALE_READ_MS
    is_new = life.booking.start != booking.start or (life.is_long_again(booking) and cannot_be_stale)
    return life.ended and not is_new


def settle_restorations(tick: Conclusion) -> None:
    """What was released or ended, and is shown as if not when no read can be stale any more, is back."""
    for key in [key for key, life in tick.state.departed.items() if life.ended]:
        if key in tick.state.calendar:
            _meet(tick, tick.state.calendar[key])
    for life in list(tick.state.lives.values()):
        if life.state == "released" and life.shown_again:
            memory = tick.state.released[life.booking.key]
            renewed = life.booking.event_id != memory.event_id
            if renewed or tick.now - memory.at > STALE_READ_MS:
                _restore(tick, life)


def _restore(tick: Conclusion, life: Life) -> None:
    """Back after its release: it is wanted. It starts checked in and is never released again."""
    life.live = tick.state.mode == "live"
    life.restored = True
    life.move("restored")
    life.checked_in_at, life.checked_in_by_person = tick.now, True
    memory = tick.state.released[life.booking.key]
    write = tick.write(life, "check_in", "category", life.booking.end) if life.live else None
    tick.say("restored", life, Reason("released_before", at=memory.at), write=write)


def restart(tick: Conclusion, life: Life) -> None:
    """Moved to another time: what sensors saw belongs to the old one; a person's word stays."""
    if life.state == "upcoming" or (life.state == "checked_in" and life.checked_in_by_person):
        return
    if life.state == "checked_in":
        tick.say("check_in_dropped", life, Reason("moved", at=life.moved_at))
    life.move("moved")
    life.early = False
    life.withheld = life.announced = ""
    life.proved_vacant = False
    life.occupied_ms = 0
    life.seen_at = life.checked_in_at = life.last_hit = life.last_presence = NEVER
    life.warned_at = life.would_release_at = life.retry_at = NEVER
    life.returned_at, life.returned_by = NEVER, ""
