"""A gateway without sockets: what a service needs to run in one process with its simulated world."""

from collections.abc import Callable
from typing import Any

import httpx

from gateway.clock import Clock
from gateway.links import Link
from gateway.service import Surroundings
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator


class InProcessTokens:
    """Asks the simulator's identity service without a socket, as msal would over one."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def token(self, *, claims: str | None = None) -> str:  # noqa: ARG002 - the interface names it
        """A new token each time."""
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        form["scope"] = "https://graph.microsoft.com/.default"
        async with httpx.AsyncClient(transport=self._transport) as client:
            answer = await client.post(f"https://exchange.invalid/{TENANT_ID}/oauth2/v2.0/token", data=form)
        return str(answer.json()["access_token"])


def surroundings(
    clock: Clock,
    link: Link,
    exchange: ExchangeSimulator,
    checkpoint: Callable[[str], None] = lambda _: None,
    **more: Any,
) -> Surroundings:
    """The outside world of a service in virtual time; `more` are further fields of `Surroundings`."""
    transport = httpx.ASGITransport(exchange.app)
    parts: dict[str, Any] = {"transport": transport, "tokens": InProcessTokens(transport), "control": False}
    return Surroundings(clock=clock, link=link, checkpoint=checkpoint, **parts | more)
