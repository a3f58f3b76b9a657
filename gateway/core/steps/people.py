"""What people say: check in, keep, we are done, we were here, book, cancel, I have looked."""

from typing import Final

from gateway.core.decisions import Reason, Write
from gateway.core.events import Booked, Cancelled, CheckedIn, Ended, Kept, Reviewed, WereHere
from gateway.core.life import Life
from gateway.core.steps.attendance import check_in, note_wanted, open_booking
from gateway.core.steps.conclusion import Conclusion, in_order, release_method
from gateway.core.steps.ending import finish
from gateway.core.units import NEVER, SECOND_MS, Duration
from gateway.core.walk_up import next_start

ASK_PATIENCE_MS: Final[Duration] = 45 * SECOND_MS
"""What a person asked for and that could not be sent by then is given up: they wait before the panel."""


def obey(tick: Conclusion, event: CheckedIn | Kept | Ended) -> None:
    """Check in, keep or end the booking that is meant."""
    life = _meant(tick, event.booking, allow_next=isinstance(event, Kept))
    if life is None:
        tick.say("refused", None, Reason("no_such_booking", text=event.booking))
        return
    if not isinstance(event, Ended):
        note_wanted(life, tick.now)
    if isinstance(event, Kept):
        life.kept = True
        tick.say("kept", life, Reason("by_person", text=event.by), withdraws=life.refusal)
    elif isinstance(event, Ended) and tick.now < life.booking.start + SECOND_MS:
        # Nothing of it could be left in Exchange, which knows whole seconds: who wants that cancels.
        tick.say("refused", life, Reason("not_begun", at=life.booking.start))
    elif isinstance(event, Ended):
        _end_by_person(tick, life, event.by)
    else:
        open_booking(tick, life, at_once=True)
        check_in(tick, life, Reason("by_person", text=event.by), by_person=True)


def _meant(tick: Conclusion, key: str, *, allow_next: bool) -> Life | None:
    """The booking a person means: by key, or the current one, or the next about to start."""
    lives = [life for life in tick.state.lives.values() if life.state not in ("released", "over")]
    if key:
        return next((life for life in lives if life.booking.key == key), None)
    lives.sort(key=lambda life: (life.booking.start, life.booking.key))
    current = [life for life in lives if life.booking.start <= tick.now < life.booking.end]
    if current:
        return current[-1]
    coming = [life for life in lives if life.booking.start > tick.now]
    coming = coming if allow_next else [life for life in coming if life.opens_at <= tick.now]
    return coming[0] if coming else None


def _end_by_person(tick: Conclusion, life: Life, by: str) -> None:
    write = None
    if life.live:
        write = tick.write(life, "shorten", "patch_end", life.booking.end, new_end=tick.now)
    tick.drop_release(life, Reason("by_person", text=by))
    tick.say("ended", life, Reason("by_person", text=by), write=write)
    finish(tick, life, "ended_early")


def believe(tick: Conclusion, event: WereHere) -> None:
    """We were here: file the release as wrong, stop releasing, give back what is still free."""
    lives = in_order(life for life in tick.state.lives.values() if life.state == "released")
    meant = [life for life in lives if event.booking in ("", life.booking.key)]
    if not meant:
        tick.say("refused", None, Reason("no_such_release", text=event.booking))
        return
    life = meant[-1]
    tick.state.wrong_releases += not life.reported_wrong
    life.reported_wrong = True
    tick.state.paused_at = tick.now
    write: Write | None = None
    end = min(life.booking.end, next_start(tick.room, tick.now))
    running = [o.booking for o in tick.holding() if o.booking.start <= tick.now < o.booking.end]
    held = [booking.end for booking in running if "hold" in booking.marks]
    given = Reason("not_free")
    if life.live and not running and end > tick.now:
        write = tick.booking_of_our_own("hold", end, linked=life.booking.event_id)
        given = Reason("given_back", until=end)
    elif held:  # they have said so before
        given = Reason("given_back", until=max(held))
    tick.say("wrong_release", life, Reason("by_person", text=event.by), given, write=write)


def ask(tick: Conclusion, event: Booked | Cancelled) -> None:
    """A person books, or gives up what was booked: of the room itself."""
    if isinstance(event, Cancelled):
        _cancel(tick, event)
    else:
        _book(tick, event)


def _book(tick: Conclusion, event: Booked) -> None:
    """A person asks for the room. Whether it is free is seen in Exchange, right before the write."""
    why = Reason("mode_shadow") if tick.state.mode != "live" else Reason("over")
    if tick.state.mode != "live" or event.end <= tick.now:
        tick.say("refused", None, why)
        return
    tick.state.writes += 1
    write = Write(
        tick.state.writes,
        "book",
        "create",
        event.replaces,
        event.start,
        event.end,
        min(tick.now + ASK_PATIENCE_MS, event.end),
        room_organises=True,
        linked=event.ask,
    )
    asked = Reason("asked_for", at=event.start, until=event.end)
    tick.say("booking_asked", None, Reason("by_person", text=event.by), asked, write=write)


def _cancel(tick: Conclusion, event: Cancelled) -> None:
    """A person gives up a booking of the room itself, before it begins; afterwards it is ended."""
    life = _meant(tick, event.booking, allow_next=True)
    if life is None or not event.booking or not life.booking.room_organises:
        tick.say("refused", life, Reason("no_such_booking", text=event.booking))
    elif tick.now >= life.booking.start + SECOND_MS:
        tick.say("refused", life, Reason("begun", at=life.booking.start))
    elif tick.state.mode != "live":
        tick.say("refused", life, Reason("mode_shadow"))
    else:
        deadline = tick.now + ASK_PATIENCE_MS
        write = tick.write(life, "cancel", release_method(life.booking), deadline)
        tick.say("cancel_asked", life, Reason("by_person", text=event.by), write=write)


def review(tick: Conclusion, event: Reviewed) -> None:
    """A wrong release has been looked at: automatic release goes on."""
    if tick.state.paused_at == NEVER:
        return
    reasons = (Reason("by_person", text=event.by), Reason("paused", at=tick.state.paused_at))
    tick.state.paused_at = NEVER
    tick.say("reviewed", None, *reasons)
