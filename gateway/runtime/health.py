"""The gateway's own health, for whoever looks after it: one flat object, in fixed words.

Nothing here repeats what an exception or Exchange said, so nothing in it can name a person.
"""

from typing import Any, Final

from gateway.core.site import Site
from gateway.core.units import Instant

Json = dict[str, Any]

WELL: Final = "nothing"
"""What `why` says without a problem."""
UNDECIDED: Final = frozenset({"open", "seen", "checked_in"})
"""States in which a release may be withheld."""


def health(site: Site, *, ledger_stuck: bool, writing_halted: bool, calendars: int) -> Json:
    """What stands still, and why. `calendars`: how many rooms' calendars cannot be read.

    As of the last fact, which is at most a heartbeat old. A withheld release is no problem by itself: the
    gateway does as it should, and says so in a number.
    """
    troubles = {
        "the ledger cannot be written": ledger_stuck,
        "writing to Exchange is halted": writing_halted,
        "the breaker has stopped all releases": site.breaker.objection is not None,
        "the clock is not trusted": not site.state.clock_trusted,
        "calendars cannot be read": bool(calendars),
    }
    present = [words for words, holds in troubles.items() if holds]
    return {
        "problem": "on" if present else "off",
        "why": "; ".join(present) or WELL,
        "withheld": withheld(site, site.state.now),
        "calendars_in_trouble": calendars,
        "rooms_unknown": sum(room.state.occupancy.status == "unknown" for room in site.rooms.values()),
    }


def withheld(site: Site, now: Instant) -> int:
    """How many bookings would be released now, if there were no doubt."""
    return sum(
        bool(life.withheld) and life.state in UNDECIDED and life.booking.start <= now < life.booking.end
        for room in site.rooms.values()
        for life in room.state.lives.values()
    )
