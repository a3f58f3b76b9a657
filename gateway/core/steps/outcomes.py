"""What came of a write to Exchange."""

from typing import Final

from gateway.core.decisions import Reason
from gateway.core.events import WITHDRAWN, WriteOutcome
from gateway.core.life import Cause, Life, Released
from gateway.core.steps.attendance import check_in
from gateway.core.steps.calendar import restart
from gateway.core.steps.conclusion import Conclusion
from gateway.core.steps.ending import finish
from gateway.core.units import DAY_MS, MINUTE_MS, NEVER, Duration
from gateway.core.walk_up import ASK_AGAIN_AFTER_MS

RETRY_AFTER_MS: Final[Duration] = 2 * MINUTE_MS
REMEMBER_RELEASES_MS: Final[Duration] = 30 * DAY_MS


def settle_write(tick: Conclusion, event: WriteOutcome) -> None:
    """A write was applied, superseded or given up."""
    if tick.state.walk_up is not None and tick.state.walk_up.write == event.write:
        if event.result != "applied":
            tick.state.walk_up.again_at = tick.now + ASK_AGAIN_AFTER_MS
        return
    if _settle_refusal(tick, event):
        return
    loose = tick.state.loose_writes.pop(event.write, None)
    if loose is not None and event.result == "applied":
        _remember_release(tick, *loose)
    for life in tick.state.lives.values():
        if life.write == event.write and life.state == "releasing":
            life.write = None
            if event.result == "applied":
                _confirm(tick, life)
            elif event.result == "superseded" and event.why == WITHDRAWN:
                _keep(tick, life, Reason("write_withdrawn"), *life.withdrawn_because)
            else:
                _keep(tick, life, Reason(f"write_{event.result}", text=event.why))
            return


def _confirm(tick: Conclusion, life: Life) -> None:
    life.warned_at = NEVER  # it has come true: nobody is told later that it will not
    if life.release_kind == "end_early":
        finish(tick, life, "ended_early")
        return
    life.move("confirmed")
    life.released_at = tick.now
    life.shown_again = False
    _remember_release(tick, life.booking.key, life.booking.event_id)
    tick.say("released", life, Reason("confirmed", until=life.booking.end))


def _remember_release(tick: Conclusion, key: str, event_id: str) -> None:
    released = tick.state.released
    released[key] = Released(tick.now, event_id)
    for old in [k for k, memory in released.items() if memory.at < tick.now - REMEMBER_RELEASES_MS]:
        del released[old]


def _keep(tick: Conclusion, life: Life, *reasons: Reason) -> None:
    """The release did not come to pass: the booking lives on, or goes if the calendar says so."""
    life.move(_kept_as(life))
    life.withdrawn, life.withdrawn_because = False, ()
    life.warned_at = NEVER
    life.retry_at = tick.now + RETRY_AFTER_MS
    tick.say("not_released", life, *reasons)
    if life.checked_in_by_person:
        check_in(tick, life, Reason("by_person"), by_person=True)
    if life.gone:
        finish(tick, life, "cancelled")
    elif life.moved_at > life.seen_at and life.booking.start > tick.now:
        restart(tick, life)


def _settle_refusal(tick: Conclusion, event: WriteOutcome) -> bool:
    """What came of declining a booking; False if the write was another one."""
    for life in (*tick.state.lives.values(), *tick.state.departed.values()):
        if life.refusal == event.write:
            break
    else:
        return False
    life.refusal = None
    if event.result != "applied":
        tick.say("not_declined", life, Reason(f"write_{event.result}", text=event.why))
        return True
    declined = tick.state.declined
    declined[life.booking.key] = tick.now
    for old in [key for key, at in declined.items() if at < tick.now - REMEMBER_RELEASES_MS]:
        del declined[old]
    tick.say("declined", life, Reason("confirmed", until=life.booking.end))
    return True


def _kept_as(life: Life) -> Cause:
    """How a booking goes on whose release did not come to pass."""
    if life.release_kind == "end_early":
        return "kept_checked_in"
    return "kept_seen" if life.seen_at != NEVER else "kept_unseen"
