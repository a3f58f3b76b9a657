"""The gateway's own health, for whoever looks after it: one flat object, in fixed words.

Nothing here repeats what an exception or Exchange said, so nothing in it can name a person.
"""

from typing import Any, Final

from gateway.core.case import case_of
from gateway.core.life import Life
from gateway.core.room import Room
from gateway.core.rules import first_objection
from gateway.core.site import Site
from gateway.core.units import NEVER, Instant

Json = dict[str, Any]

WELL: Final = "nothing"
"""What `why` says without a problem."""


def health(site: Site, *, not_recording: bool, writing_halted: bool, calendars: int) -> Json:
    """What stands still, and why. `calendars`: how many rooms' calendars cannot be read.

    `not_recording`: the ledger cannot be written, or the core has failed; then no release is pending at all.
    A withheld release is no problem by itself: the gateway does as it should, and says so in a number.
    """
    troubles = {
        "nothing is recorded": not_recording,
        "writing to Exchange is halted": writing_halted,
        "the breaker has stopped all releases": site.breaker.objection is not None,
        "the clock is not trusted": not site.state.clock_trusted,
        "calendars cannot be read": bool(calendars),
    }
    present = [words for words, holds in troubles.items() if holds]
    return {
        "problem": "on" if present else "off",
        "why": "; ".join(present) or WELL,
        "withheld": 0 if not_recording else withheld(site),
        "calendars_in_trouble": calendars,
        "rooms_unknown": sum(room.state.occupancy.status == "unknown" for room in site.rooms.values()),
    }


def withheld(site: Site) -> int:
    """How many bookings are due, are not kept for good, and are in doubt; as of the last fact."""
    now = site.state.now
    return sum(
        _is_withheld(room, life, now)
        for room in site.rooms.values()
        for life in room.state.lives.values()
        if life.awaits_check_in and life.due <= now < life.booking.end and life.would_release_at == NEVER
    )


def _is_withheld(room: Room, life: Life, now: Instant) -> bool:
    case = case_of(room, life, now)
    return first_objection(case, "never") is None and first_objection(case, "doubt") is not None
