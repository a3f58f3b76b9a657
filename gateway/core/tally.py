"""What a booking came to, in the words and figures of the reports."""

from gateway.core.decisions import Outcome, Tally
from gateway.core.life import Life
from gateway.core.units import NEVER, Instant


def tally_of(life: Life, how: Outcome | str, now: Instant) -> Tally:
    """Outcome, times and the cause of ghost time that was not returned. `how`: "ended" or why it went."""
    booked = life.booking.length_ms
    outcome = _outcome(life, how)
    returned = 0
    cause = ""
    if life.released_at != NEVER and not life.restored:
        returned = max(0, life.booking.end - life.released_at)
        cause = "grace"
    elif how == "ended_early" and life.live:
        returned = max(0, life.booking.end - now)
    unseen = not life.is_attended and life.proved_vacant and outcome != "cancelled"
    if life.released_at == NEVER and unseen:
        cause = "shadow" if life.would_release_at != NEVER else life.withheld or "not_proven_in_time"
    ghost = booked if unseen or outcome in ("no_show_released", "brief_visit_released") else 0
    would = max(0, life.booking.end - life.would_release_at) if life.would_release_at != NEVER else 0
    return Tally(
        outcome=outcome,
        booked_ms=booked,
        used_ms=min(life.occupied_ms, booked),
        returned_ms=returned,
        would_return_ms=would,
        ghost_ms=ghost,
        cause=cause,
    )


def _outcome(life: Life, how: Outcome | str) -> Outcome:
    """The first of these that holds."""
    cause = life.withheld
    told: list[tuple[bool, Outcome]] = [
        (how == "cancelled", "cancelled"),
        (how == "ended_early", "ended_early"),
        (
            life.released_at != NEVER and not life.restored,
            "brief_visit_released" if life.release_kind == "brief_visit" else "no_show_released",
        ),
        (life.checked_in_at != NEVER, "attended"),
        (life.seen_at != NEVER, "brief_visit"),
        (cause == "kept" or cause.startswith("exempt_"), "exempt"),
        (cause == "too_short", "too_short"),
        (not life.proved_vacant, "unknown"),
        (life.would_release_at != NEVER or not cause, "no_show_kept"),
    ]
    return next((outcome for holds, outcome in told if holds), "withheld")
