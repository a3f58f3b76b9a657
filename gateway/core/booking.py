"""A booking as the room's calendar shows it: one occurrence, never a series master."""

from typing import Literal

import msgspec

from gateway.core.units import Duration, Instant

Response = Literal["none", "organizer", "tentative", "accepted", "declined"]
ShowAs = Literal["free", "tentative", "busy", "oof", "elsewhere", "unknown"]
Mark = Literal["organizer", "category", "hours", "hold", "walk_up"]
"""`hours`: outside the policy's hours; `hold` and `walk_up`: the gateway itself booked it."""

Breach = Literal["not_allowed", "blackout", "too_many", "too_few", "too_long", "too_late", "too_early"]
"""A rule for bookings that one of them may break (`gateway.core.booking_rules`)."""


class Booking(msgspec.Struct, frozen=True, gc=False):
    """One occurrence in one room's calendar. Carries no names and no subject.

    `key` identifies it across edits: the iCalUId, and for an occurrence of a series also its
    original start (`booking_key`). `event_id` is the immutable id of the item in the room's
    mailbox; it changes when a declined occurrence is accepted again, the key does not.
    """

    key: str
    event_id: str
    start: Instant
    end: Instant
    original_start: Instant | None = None
    series_id: str = ""
    """The id of the series master this occurrence belongs to, or empty. Never written to."""
    all_day: bool = False
    cancelled: bool = False
    show_as: ShowAs = "busy"
    response: Response = "accepted"
    room_organises: bool = False
    """The room's own mailbox is the organizer: it cannot decline, only cancel."""
    has_attendees: bool = True
    marks: tuple[Mark, ...] = ()
    """What in the calendar entry exempts it by policy (found where names may be read)."""
    breaches: tuple[Breach, ...] = ()
    """Rules for bookings that it breaks, as far as only those can tell who may read its details."""
    change_key: str = ""
    """Exchange's version of the item. Moves with our own marks too: never decided on."""

    @property
    def length_ms(self) -> Duration:
        """From start to end."""
        return self.end - self.start

    @property
    def is_decided_on(self) -> bool:
        """Entries that the room accepted or organises itself and that block it."""
        return (
            not self.cancelled
            and self.show_as != "free"
            and (self.room_organises or self.response in ("accepted", "organizer"))
        )


def booking_key(ical_uid: str, original_start: Instant | None) -> str:
    """Key of an occurrence within its room: the iCalUId, plus the original start where there is one.

    The original start is needed because reports disagree on whether occurrences of one series
    share their iCalUId (shared reference on Microsoft Graph, section 2).
    """
    return ical_uid if original_start is None else f"{ical_uid}@{original_start}"
