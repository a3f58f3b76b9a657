"""The room's occupancy."""

from gateway.core.decisions import Reason
from gateway.core.life import Life
from gateway.core.occupancy import Proof, judge, prove
from gateway.core.steps.conclusion import Conclusion
from gateway.core.units import NEVER


def watch(tick: Conclusion, lives: list[Life]) -> Proof:
    """Judge occupancy, and how far vacancy is proven under the room's present policy."""
    state = tick.state
    proof = prove(tick.room.sensors, tick.room.panel(tick.room.grace_ms), tick.now)
    deaf = tick.room.deaf
    occupancy = judge(tick.room.sensors, proof, deaf, tick.now)
    if deaf is None and proof.vacant:
        state.vacated_at = tick.now
        for life in lives:
            own_time = life.booking.start <= proof.until and tick.now < life.booking.end
            life.proved_vacant |= own_time
    changed = occupancy.status != state.occupancy.status or (
        occupancy.status == "unknown" and _codes(occupancy.why) != _codes(state.occupancy.why)
    )
    if occupancy.status != "occupied":
        state.occupied_since, state.hits = NEVER, 0
    elif state.occupied_since == NEVER:
        state.occupied_since = tick.now
    state.occupancy = occupancy
    if changed:
        at = None if occupancy.since == NEVER else occupancy.since
        tick.say("occupancy", None, Reason(occupancy.status, at=at), *occupancy.why)
    return proof


def _codes(reasons: tuple[Reason, ...]) -> list[tuple[str, str]]:
    return [(reason.code, reason.sensor) for reason in reasons]
