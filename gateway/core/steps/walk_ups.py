"""Bookings of our own for those who use a room without one."""

from gateway.core.decisions import Reason
from gateway.core.life import Life
from gateway.core.occupancy import Proof
from gateway.core.room import WalkUp
from gateway.core.steps.conclusion import WRITE_PATIENCE_MS, Conclusion
from gateway.core.steps.ending import finish
from gateway.core.walk_up import extended_end, is_over, wanted


def serve_walk_ups(tick: Conclusion, lives: list[Life], proof: Proof) -> None:
    """Extend and free what was booked for those who use the room without a booking."""
    if not tick.state.config.policy.walk_up:
        return
    for life in lives:
        if not life.is_walk_up or life.state == "over" or not life.booking.start <= tick.now:
            continue
        tick.state.walk_up = None
        new_end = extended_end(tick.room, life, tick.now)
        if is_over(life, proof, tick.now):
            _end_walk_up(tick, life, proof)
            continue
        if proof.blocked is None:  # the first message after that proves it over
            left = proof.since + life.policy.vacate_ms
            tick.state.proof_wanted = min(tick.state.proof_wanted, left)
        if new_end is not None and life.live and tick.now >= life.extend_again_at:
            life.extend_again_at = tick.now + WRITE_PATIENCE_MS
            write = tick.write(life, "extend", "patch_end", tick.now + WRITE_PATIENCE_MS, new_end=new_end)
            tick.say("extended", life, Reason("in_use", until=new_end), write=write)


def book_walk_up(tick: Conclusion) -> None:
    """Book the room for those who use it without a booking; until its end it was the last one's."""
    want = wanted(tick.room, tick.now)
    if want is not None:
        since = Reason("in_use_since", at=tick.state.occupied_since, until=want.end)
        asked = tick.booking_of_our_own("walk_up", want.end) if tick.state.mode == "live" else None
        tick.state.walk_up = WalkUp(0 if asked is None else asked.id, want.end)
        tick.say("walk_up", None, since, write=asked)


def _end_walk_up(tick: Conclusion, life: Life, proof: Proof) -> None:
    write = None
    if life.live:
        deadline = tick.now + WRITE_PATIENCE_MS
        write = tick.write(life, "shorten", "patch_end", deadline, new_end=tick.now)
    proven = Reason("proven_vacant", at=proof.since, until=proof.until, text=", ".join(proof.provers))
    tick.say("ended", life, proven, write=write)
    finish(tick, life, "ended_early")
