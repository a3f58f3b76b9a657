"""What follows from a room's facts, worked out on a tick: one pass, in these steps.

1. people's words, outcomes of writes, calendar changes   (`steps.people`, `steps.outcomes`, `steps.calendar`)
2. bookings open, presence is attributed to them          (`steps.attendance`)
3. the room's occupancy                                   (`steps.watching`)
4. warnings, releases, what withholds or withdraws them   (`steps.releases`)
5. bookings end                                           (`steps.ending`)

What they came to is counted in `gateway.core.tally`; when to look again is in `gateway.core.deadlines`.
"""

from gateway.core.decisions import Decision, Reason
from gateway.core.events import (
    Booked,
    CalendarRead,
    Cancelled,
    CheckedIn,
    Ended,
    Kept,
    ModeSet,
    Reviewed,
    WereHere,
    WriteOutcome,
)
from gateway.core.life import Life
from gateway.core.occupancy import Proof
from gateway.core.room import Pending, Room
from gateway.core.steps.attendance import attend, count_hits, may_open, open_booking, signs_of
from gateway.core.steps.booking_rules import judge_by_rules
from gateway.core.steps.calendar import lose, settle_restorations, take
from gateway.core.steps.conclusion import Conclusion, in_order
from gateway.core.steps.ending import finish, set_mode
from gateway.core.steps.outcomes import settle_write
from gateway.core.steps.people import ask, believe, obey, review
from gateway.core.steps.releases import release
from gateway.core.steps.walk_ups import book_walk_up, serve_walk_ups
from gateway.core.steps.watching import watch
from gateway.core.units import FOREVER, Instant
from gateway.core.walk_up import may_begin


def conclude(
    room: Room, now: Instant, *, breaker: Reason | None = None, holiday: bool = False
) -> tuple[list[Decision], Proof]:
    """Conclude from everything recorded for this room, at `now`; deterministic, no I/O.

    `breaker`: why nothing is released on the whole site. `holiday`: empty rooms are no ghosts of a series.
    Returns the decisions, and how far the room's vacancy is proven under its present policy.
    """
    tick = Conclusion(room, now, breaker, holiday=holiday)
    return tick.decisions, _run(tick)


def _run(tick: Conclusion) -> Proof:
    state = tick.state
    tick.room.count_occupied(tick.now)
    pending, state.pending = state.pending, []
    for event in pending:
        _heed(tick, event)
    settle_restorations(tick)
    if pending or tick.room.next_opening <= tick.now:
        for life in in_order(life for life in state.lives.values() if may_open(tick, life)):
            open_booking(tick, life)
        tick.room.look_ahead()
    lives = in_order(life for life in state.lives.values() if life.state != "upcoming")
    signs = signs_of(tick)
    count_hits(tick, signs)
    for life in lives:
        attend(tick, life, signs)
    proof = watch(tick, lives)
    state.proof_wanted = FOREVER
    for life in lives:
        release(tick, life, proof)
    serve_walk_ups(tick, lives, proof)
    ended = [life for life in lives if life.booking.end <= tick.now and life.state != "over"]
    believed = [sensor.well_until for sensor in tick.room.heard] if ended else []
    for life in ended:
        finish(tick, life, "ended")
    book_walk_up(tick)
    _announce_doubt(tick)
    _await_proof(tick, lives, proof)
    state.signs = []
    begun = (life for life in state.lives.values() if life.booking.start <= tick.now)
    state.attentive = any(life.awaits_people for life in begun) or may_begin(tick.room, tick.now)
    state.settled_at = tick.now
    # What a booking came to bears on the next one's release, and on which sensors are believed: look again.
    state.dirty = bool(ended) and (
        any(life.may_be_released for life in state.lives.values())
        or believed != [sensor.well_until for sensor in tick.room.heard]
    )
    tick.room.look_back()
    return proof


def _await_proof(tick: Conclusion, lives: list[Life], proof: Proof) -> None:
    """The first heartbeat that proves vacancy, or proves it within a booking, brings the next tick."""
    state = tick.state
    if proof.blocked is not None:
        return
    if proof.until < proof.since:
        state.proof_wanted = min(state.proof_wanted, proof.since)
        return
    for life in lives:
        start, end = life.booking.start, life.booking.end
        if not (life.is_attended or life.proved_vacant) and proof.until < start <= tick.now < end:
            state.proof_wanted = min(state.proof_wanted, start)


def _heed(tick: Conclusion, event: Pending) -> None:
    match event:
        case CalendarRead():
            for key in event.removed:
                lose(tick, key)
            for booking in sorted(event.changed, key=lambda b: b.key):
                take(tick, booking)
                judge_by_rules(tick, booking.key)
        case WriteOutcome():
            settle_write(tick, event)
        case ModeSet():
            set_mode(tick, event)
        case WereHere():
            believe(tick, event)
        case Reviewed():
            review(tick, event)
        case CheckedIn() | Kept() | Ended():
            obey(tick, event)
        case Booked() | Cancelled():
            ask(tick, event)


def _announce_doubt(tick: Conclusion) -> None:
    doubted, doubted_at = tick.state.doubted, tick.state.doubted_at
    if doubted is not None and (doubted_at > tick.state.settled_at or doubted_at == tick.now):
        tick.say("calendar_doubted", None, Reason("bookings_missing", value=len(doubted.removed)))
