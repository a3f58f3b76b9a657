"""What the gateway books itself: walk-ups, and holds that give a room back to people who had lost it.

Both are events that the room organises, without attendees, so nobody is mailed. How they are told apart:

* A **category** says what they are. It comes with every listing, which an extended property does not
  (microsoftgraph/microsoft-graph-docs-contrib issue 3281), and it counts only where the room organises.
* The **transaction id** says which write made them. Graph takes a request with the same one for a repeat
  and creates nothing (event resource, `transactionId`), and tells it back, so that a lost answer is
  settled by looking for it.
"""

from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from gateway.core.decisions import Write
from gateway.core.units import SECOND_MS, Instant
from gateway.exchange.models import HOLD_CATEGORY, WALK_UP_CATEGORY
from gateway.exchange.moments import as_datetime

NAMESPACE: Final = UUID("6f1d3b52-8c0e-4c57-9a41-2b7e5d90c3fa")
"""Ours alone; never changed, or a write that was under way during an update would be done twice."""

LINK_PROPERTY: Final = "String {6f1d3b52-8c0e-4c57-9a41-2b7e5d90c3fa} Name ReleasedEvent"
"""A hold's extended property with the event id of the booking that was released."""

HOLD_BODY: Final = (
    "The booking before was given back although people were here, or about to come. "
    "This one keeps the room for them until that booking would have ended."
)


class OwnBookings(msgspec.Struct, frozen=True):
    """How the gateway's own bookings look in the room's calendar."""

    walk_up_category: str = WALK_UP_CATEGORY
    walk_up_subject: str = "In use"
    hold_category: str = HOLD_CATEGORY
    hold_subject: str = "Given back to those who are here"

    def body(self, write: Write, transaction: str) -> dict[str, Any]:
        """The JSON that creates the booking which a `create` write asks for."""
        hold = write.action == "hold"
        event: dict[str, Any] = {
            "subject": self.hold_subject if hold else self.walk_up_subject,
            "start": graph_time(write.start),
            "end": graph_time(write.end),
            "showAs": "busy",
            "categories": [self.hold_category if hold else self.walk_up_category],
            "isReminderOn": False,
            "transactionId": transaction,
        }
        if hold:
            event["body"] = {"contentType": "text", "content": HOLD_BODY}
            event["singleValueExtendedProperties"] = [{"id": LINK_PROPERTY, "value": write.linked}]
        return event


def transaction_id(installation: str, mailbox: str, write: Write) -> str:
    """Names a write for ever: the same however often it is sent, and no other write's.

    `installation` is the ledger's own name: a new ledger counts its writes from one again. The start
    keeps apart what a restored backup counts anew.
    """
    return str(uuid5(NAMESPACE, f"{installation}/{mailbox.casefold()}/{write.id}/{write.start}"))


def whole_seconds(moment: Instant) -> Instant:
    """Rounded down, as it is sent: what Exchange keeps of the rest is not documented."""
    return moment // SECOND_MS * SECOND_MS


def graph_time(moment: Instant) -> dict[str, str]:
    """Graph's dateTimeTimeZone in UTC, in whole seconds."""
    local = as_datetime(whole_seconds(moment)).replace(tzinfo=None)
    return {"dateTime": local.isoformat(timespec="milliseconds"), "timeZone": "UTC"}
