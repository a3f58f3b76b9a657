"""What the release rules look at, gathered for one booking at one moment."""

from collections.abc import Iterable, Iterator

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
    start, end = life.booking.start, life.booking.end
    running = [other for _, other in sorted(room.state.lives.items()) if other is not life]
    for own in (room, *room.relatives):
        if own is not room:
            running = [other for _, other in sorted(own.state.lives.items()) if other.state != "released"]
        for since, until in (*_over(own), *_attended(running)):
            if since < end and start < until:
                return since, until
    return None


def _over(room: Room) -> Iterator[tuple[Instant, Instant]]:
    """The newest attended booking that is over, and walk-ups that are."""
    if room.state.previous is not None:
        yield room.state.previous.start, room.state.previous.end
    for life in room.walk_ups_over:
        yield life.booking.start, min(life.booking.end, life.ended_at)


def _attended(lives: Iterable[Life]) -> Iterator[tuple[Instant, Instant]]:
    for life in lives:
        if life.is_attended:
            yield life.booking.start, life.booking.end
