"""Microsoft Graph and Exchange Online, simulated: an ASGI app and the calendars behind it.

    simulator = ExchangeSimulator(rooms=["orion@contoso.com"], now=clock.now)
    event = simulator.book("ada@contoso.com", "orion@contoso.com", start_ms, end_ms)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(simulator.app), base_url=...)

`simulators.exchange.serve` puts it on a TLS socket. Everything about calendars runs on the `now`
that is given (ms since 1970 UTC) and on counters: the same calls give the same bytes.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.units import Duration, Instant
from simulators.exchange.asgi import App, RequestCounts
from simulators.exchange.bookings import Bookings, OrganizerEvent
from simulators.exchange.control import Control
from simulators.exchange.faults import (
    PRESETS,
    Cut,
    Drop,
    Fault,
    FaultScript,
    Refuse,
    Repage,
    Silence,
    Slow,
    Stale,
    Truncate,
)
from simulators.exchange.graph import Graph
from simulators.exchange.identity import Identity
from simulators.exchange.items import Attendee, CalendarItem, Person
from simulators.exchange.mailbox import Processing
from simulators.exchange.mailboxes import Draft, Mailboxes, Message
from simulators.exchange.recurrence import Recurrence, daily, monthly, weekly, yearly
from simulators.exchange.variants import Variants, variants

__all__ = [
    "PRESETS",
    "Attendee",
    "CalendarItem",
    "Cut",
    "Draft",
    "Drop",
    "ExchangeSimulator",
    "Fault",
    "Message",
    "OrganizerEvent",
    "Person",
    "Processing",
    "Recurrence",
    "Refuse",
    "Repage",
    "Silence",
    "Slow",
    "Stale",
    "Truncate",
    "Variants",
    "daily",
    "monthly",
    "variants",
    "weekly",
    "yearly",
]

TENANT_ID: Final = "11111111-aaaa-4aaa-8aaa-111111111111"
CLIENT_ID: Final = "22222222-bbbb-4bbb-8bbb-222222222222"
CLIENT_SECRET: Final = "an-invented-secret"  # noqa: S105 - the simulator's own, opens nothing


class ExchangeSimulator(Bookings):
    """One tenant: its identity service, its mailboxes, and Graph in front of them.

    `rooms`: addresses, or `Person`s where the display name matters. `now`: the simulated time in ms
    since 1970 UTC. `wall_clock`: seconds since 1970, for the lifetime of tokens only. `variants`: how
    Exchange behaves where nobody has documented it. `deliver_to_people`: see `Mailboxes`.
    """

    def __init__(
        self,
        *,
        rooms: Sequence[str | Person],
        now: Callable[[], Instant],
        seed: int = 0,
        tenant_id: str = TENANT_ID,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        token_lifetime_s: int = 3_599,
        wall_clock: Callable[[], float] = time.time,
        variants: Variants | None = None,
        deliver_to_people: bool = False,
    ) -> None:
        people = [room if isinstance(room, Person) else Person(_room_name(room), room) for room in rooms]
        super().__init__(
            Mailboxes(people, now=now, seed=seed, variants=variants, deliver_to_people=deliver_to_people)
        )
        self.now = now
        self.requests = RequestCounts()
        self.faults = FaultScript(now)
        self.identity = Identity(
            tenant_id=tenant_id,
            client_id=client_id,
            client_secret=client_secret,
            token_lifetime_s=token_lifetime_s,
            wall_clock=wall_clock,
        )
        self.graph = Graph(self.mailboxes, self.identity.check, now, tenant_id=tenant_id)
        self.app = App(self.identity, self.graph, self.faults, self.requests)

    def allow_control(self, advance: Callable[[Duration], None] | None = None) -> None:
        """Take orders over HTTP, below `/simulator`. `advance` moves the time that `now` tells."""
        self.app.control = Control(
            self, self.identity, self.graph, self.faults, self.requests.told, self.app.limit, advance
        )


def _room_name(address: str) -> str:
    return address.partition("@")[0].replace(".", " ").replace("-", " ").title()
