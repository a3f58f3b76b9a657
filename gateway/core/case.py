"""What the release rules look at, gathered for one booking at one moment."""

from collections.abc import Iterator
from itertools import chain

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
    """Start and end of an attended booking that overlaps this one, in any room that shares its space."""
    for own in (room, *room.relatives):
        for start, end in chain(_over(own), _running(own, life, also_released=own is room)):
            if start < life.booking.end and life.booking.start < end:
                return start, end
    return None


def _over(room: Room) -> Iterator[tuple[Instant, Instant]]:
    """The newest attended booking that is over, and the walk-ups that are."""
    if room.state.previous is not None:
        yield room.state.previous.start, room.state.previous.end
    for life in room.walk_ups_over:
        yield life.booking.start, min(life.booking.end, life.ended_at)


def _running(room: Room, but: Life, *, also_released: bool) -> Iterator[tuple[Instant, Instant]]:
    """The attended bookings that are not over."""
    for _, life in sorted(room.state.lives.items()):
        if life is not but and life.is_attended and (also_released or life.state != "released"):
            yield life.booking.start, life.booking.end
