"""What the gateway books itself: walk-ups, holds that give a room back, and what people ask it for.

All are events that the room organises, the first two without attendees, so nobody is mailed. A booking
that somebody asked for has at most one: whoever wants it in their own calendar too. How they are told apart:

* A **category** says what they are. It comes with every listing, which an extended property does not
  (microsoftgraph/microsoft-graph-docs-contrib issue 3281), and it counts only where the room organises.
* The **transaction id** says which write made them. Graph takes a request with the same one for a repeat
  and creates nothing (event resource, `transactionId`), and tells it back, so that a lost answer is
  settled by looking for it.
"""

from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Write
from gateway.core.units import SECOND_MS, Instant
from gateway.exchange.models import DESK_CATEGORY, HOLD_CATEGORY, WALK_UP_CATEGORY
from gateway.exchange.moments import as_datetime

NAMESPACE: Final = UUID("6f1d3b52-8c0e-4c57-9a41-2b7e5d90c3fa")
"""Ours alone; never changed, or a write that was under way during an update would be done twice."""

LINK_PROPERTY: Final = "String {6f1d3b52-8c0e-4c57-9a41-2b7e5d90c3fa} Name ReleasedEvent"
"""A hold's extended property with the event id of the booking that was released."""

HOLD_BODY: Final = (
    "The booking before was given back although people were here, or about to come. "
    "This one keeps the room for them until that booking would have ended."
)


class Wording(msgspec.Struct, frozen=True):
    """What of a booking names somebody or something. Kept in memory only, and sent to nobody but Exchange."""

    title: str = ""
    """Its subject; empty: as settings have it."""
    invites: str = ""
    """The address of whoever it is for, who is sent an invitation; empty: nobody is."""


NO_WORDING: Final = Wording()


class OwnBookings(msgspec.Struct, frozen=True):
    """How the gateway's own bookings look in the room's calendar."""

    walk_up_category: str = WALK_UP_CATEGORY
    walk_up_subject: str = "In use"
    hold_category: str = HOLD_CATEGORY
    hold_subject: str = "Given back to those who are here"
    desk_category: str = DESK_CATEGORY
    desk_subject: str = "Booked at the room"

    def body(self, write: Write, transaction: str, wording: Wording = NO_WORDING) -> dict[str, Any]:
        """The JSON that creates the booking which a `create` write asks for."""
        subject, category = {
            "hold": (self.hold_subject, self.hold_category),
            "book": (wording.title or self.desk_subject, self.desk_category),
        }.get(write.action, (self.walk_up_subject, self.walk_up_category))
        event: dict[str, Any] = {
            "subject": subject,
            "start": graph_time(write.start),
            "end": graph_time(write.end),
            "showAs": "busy",
            "categories": [category],
            "isReminderOn": False,
            "transactionId": transaction,
        }
        if write.action == "book" and wording.invites:
            event["attendees"] = [{"emailAddress": {"address": wording.invites}, "type": "required"}]
        if write.action == "hold":
            event["body"] = {"contentType": "text", "content": HOLD_BODY}
            event["singleValueExtendedProperties"] = [{"id": LINK_PROPERTY, "value": write.linked}]
        return event


def transaction_id(installation: str, mailbox: str, write: Write) -> str:
    """Names a write for ever: the same however often it is sent, and no other write's.

    `installation` is the ledger's own name: a new ledger counts its writes from one again. The start
    keeps apart what a restored backup counts anew. What a person asked for has the name of that request,
    which no ledger counts: asked again, by whatever way, it is the same booking.
    """
    if write.action == "book":
        return str(uuid5(NAMESPACE, f"asked/{mailbox.casefold()}/{write.linked}"))
    return str(uuid5(NAMESPACE, f"{installation}/{mailbox.casefold()}/{write.id}/{write.start}"))


def blocks(booking: Booking) -> bool:
    """Whether people could take the room for booked: what nobody may book over by hand.

    More than what is decided on: a request that waits for its answer, and an entry for the whole day that
    shows the room as busy, as Exchange's own booking attendant sees it.
    """
    return not booking.cancelled and booking.show_as != "free" and booking.response != "declined"


def whole_seconds(moment: Instant) -> Instant:
    """Rounded down, as it is sent: what Exchange keeps of the rest is not documented."""
    return moment // SECOND_MS * SECOND_MS


def graph_time(moment: Instant) -> dict[str, str]:
    """Graph's dateTimeTimeZone in UTC, in whole seconds."""
    local = as_datetime(whole_seconds(moment)).replace(tzinfo=None)
    return {"dateTime": local.isoformat(timespec="milliseconds"), "timeZone": "UTC"}
