"""What the release rules look at, gathered for one booking at one moment."""

from gateway.core.decisions import Reason
from gateway.core.life import Life
from gateway.core.occupancy import Proof, prove
from gateway.core.room import Room
from gateway.core.rules import Case
from gateway.core.units import Instant


def case_of(
    room: Room, life: Life, now: Instant, proof: Proof | None = None, breaker: Reason | None = None
) -> Case:
    """What the release rules look at for this booking at this moment. `proof` if it is known already."""
    state = room.state
    return Case(
        now=now,
        room=state.config,
        life=life,
        proof=proof or prove(room.sensors, room.panel(life.grace_ms), now),
        deaf=room.deaf,
        calendar_read_at=state.calendar_read_at,
        calendar_why=state.calendar_why,
        unseen_streak=state.unseen_streak,
        overlapped_by=_overlapped_by(room, life),
        released=state.released.get(life.booking.key),
        usual_gap_ms=room.usual_gap_ms,
        paused_at=state.paused_at,
        doubted_at=state.doubted_at,
        breaker=breaker,
    )


def _overlapped_by(room: Room, life: Life) -> tuple[Instant, Instant] | None:
    """Start and end of an attended booking that overlaps this one."""
    previous = room.state.previous
    if previous is not None and previous.start < life.booking.end and life.booking.start < previous.end:
        return previous.start, previous.end
    for _, other in sorted(room.state.lives.items()):
        overlaps = other.booking.start < life.booking.end and life.booking.start < other.booking.end
        if other is not life and overlaps and other.is_attended:
            return other.booking.start, other.booking.end
    for other in room.walk_ups_over:
        end = min(other.booking.end, other.ended_at)
        if other.booking.start < life.booking.end and life.booking.start < end:
            return other.booking.start, end
    for relative in room.relatives:
        for _, other in sorted(relative.state.lives.items()):
            overlaps = other.booking.start < life.booking.end and life.booking.start < other.booking.end
            if overlaps and other.is_attended and other.state != "released":
                return other.booking.start, other.booking.end
    return None
