"""The rules for bookings, asked before the gateway itself books anything."""

from collections.abc import Callable, Sequence

from gateway.core.booking import Booking
from gateway.core.booking_rules import BookingRules, breaches
from gateway.core.explain import explain_reason
from gateway.core.units import Instant
from gateway.exchange.bookable import Bookable
from gateway.runtime.places import Place
from gateway.runtime.wishes import Objections, Wish


def rule_check(
    places: Callable[[str], Place], rules: Callable[[str], BookingRules], demands: Callable[[str], Bookable]
) -> Objections:
    """Says why a wish may not be booked: the rules that would have it declined. Each is asked by room.

    How many are to come is not known of a wish; who asks is known where an organizer is named, and
    whoever stands at a room without one may book it.
    """

    def objections(wish: Wish, now: Instant) -> Sequence[str]:
        asked, demanding, zone = rules(wish.room), demands(wish.room), places(wish.room).zone
        broken = demanding.breaches(None, wish.organizer, wish.start, wish.end, zone)
        if not wish.organizer:
            broken = tuple(breach for breach in broken if breach != "not_allowed")
        draft = Booking("", "", wish.start, wish.end, room_organises=True, breaches=broken)
        return [
            explain_reason(reason, str)
            for breach, reason in breaches(draft, now, asked)
            if asked.consequence(breach) == "decline"
        ]

    return objections
