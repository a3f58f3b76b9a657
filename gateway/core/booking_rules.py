"""Rules for bookings themselves: how long, how soon, for how many, by whom, and when not.

Each rule is `off`, `report` or `decline`. What needs names, numbers of people or local time is found out
where the calendar is read, and arrives on the booking as `Booking.breaches`, as does that it still lies too
far ahead; what hangs on its length or on when it was made is found out here. Nothing is declined that has
opened: people may be on their way.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

from gateway.core.booking import Booking, Breach
from gateway.core.decisions import Reason
from gateway.core.units import MINUTE_MS, NEVER, Duration, Instant

Consequence = Literal["report", "decline"]

WATCHED_MS: Final[Duration] = 30 * MINUTE_MS
"""A booking that is new to a calendar looked at within this was made since: its notice is known."""


class BookingRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a policy asks of bookings. A breach that `consequences` does not name is nobody's business."""

    consequences: tuple[tuple[Breach, Consequence], ...] = ()
    longest_ms: Duration = 0
    """Longer bookings are `too_long`."""
    notice_ms: Duration = 0
    """Bookings made later than this before their start are `too_late`."""
    ahead_ms: Duration = 0
    """Bookings made earlier than this before their start are `too_early`."""

    def consequence(self, breach: Breach) -> Consequence | None:
        """What comes of it; None: nothing."""
        return next((what for rule, what in self.consequences if rule == breach), None)


def breaches(booking: Booking, made_at: Instant, rules: BookingRules) -> list[tuple[Breach, Reason]]:
    """The rules that the booking breaks, each with its reason; in the order of the table.

    `made_at`: when it was made; NEVER where that is not known.
    """
    if not rules.consequences:
        return []
    found: list[tuple[Breach, Reason]] = []
    for breach, _ in rules.consequences:
        reason = RULES[breach](booking, made_at, rules)
        if reason is not None:
            found.append((breach, reason))
    return found


def _told(breach: Breach) -> "Rule":
    """A rule that was looked at where the calendar was read."""

    def rule(booking: Booking, _made_at: Instant, _rules: BookingRules) -> Reason | None:
        return Reason(breach) if breach in booking.breaches else None

    return rule


def too_long(booking: Booking, _made_at: Instant, rules: BookingRules) -> Reason | None:
    """Rooms are for meetings, not for days."""
    if booking.length_ms <= rules.longest_ms or booking.all_day:
        return None
    return Reason("too_long", value=rules.longest_ms)


def too_late(booking: Booking, made_at: Instant, rules: BookingRules) -> Reason | None:
    """Made so shortly before its start that nobody could prepare the room."""
    if made_at == NEVER or booking.start - made_at >= rules.notice_ms:
        return None
    return Reason("too_late", value=rules.notice_ms)


def too_early(booking: Booking, made_at: Instant, rules: BookingRules) -> Reason | None:
    """Made further ahead than rooms are given away: seen from afar, or when it was made."""
    if "too_early" in booking.breaches:
        return Reason("too_early", value=rules.ahead_ms)
    if made_at == NEVER or booking.start - made_at <= rules.ahead_ms:
        return None
    return Reason("too_early", value=rules.ahead_ms)


Rule = Callable[[Booking, Instant, BookingRules], Reason | None]

RULES: Final[dict[Breach, Rule]] = {
    "not_allowed": _told("not_allowed"),
    "blackout": _told("blackout"),
    "too_many": _told("too_many"),
    "too_few": _told("too_few"),
    "too_long": too_long,
    "too_late": too_late,
    "too_early": too_early,
}
"""The table, in the order in which people are told."""


def made_at(first_seen: Instant, looked_before: Instant) -> Instant:
    """When a booking was made, as far as two looks at the calendar tell; NEVER if they do not."""
    return first_seen if looked_before > NEVER and first_seen - looked_before <= WATCHED_MS else NEVER


class Standing(msgspec.Struct, frozen=True):
    """What protects a booking from being declined, whatever rule it breaks."""

    booking: Booking
    has_opened: bool
    is_kept: bool
    is_exempt: bool
    was_declined: bool
    in_shadow: bool


def _mercies(standing: Standing) -> Iterator[str]:
    if standing.booking.series_id:
        yield "rule_series"
    if standing.booking.room_organises:
        yield "rule_own_booking"
    if standing.is_exempt:
        yield "rule_exempt"
    if standing.is_kept:
        yield "rule_kept"
    if standing.was_declined:
        yield "rule_declined_before"
    if standing.has_opened:
        yield "rule_has_opened"
    if standing.in_shadow:
        yield "rule_shadow"


def mercy(standing: Standing) -> Reason | None:
    """Why a booking is reported and not declined; None: nothing protects it.

    A series is for a person to decide about. What came back after it was declined is wanted. What has
    opened may have its people on their way, and in shadow nothing is written.
    """
    return next((Reason(code) for code in _mercies(standing)), None)
