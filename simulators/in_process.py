"""A gateway without sockets: what a service needs to run in one process with its simulated world."""

import asyncio
import random
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import httpx

from gateway.clock import Clock
from gateway.links import Link
from gateway.service import Surroundings
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator
from simulators.exchange.asgi import App

WATCH_EVERY_S: Final = 30.0
"""How often a gateway in virtual time looks at its clock and itself: seldom enough that a year is short."""


class InProcessTransport(httpx.AsyncBaseTransport):
    """Hands each request to the simulator's app, as `httpx.ASGITransport` does, and asks for nothing besides.

    That one looks for trio with each request, which is a sixth of all that a virtual morning costs.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The app's answer; what the app raises, such as an `httpx.ReadTimeout`, reaches the client."""
        url, body = request.url, await request.aread()
        unread = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            if not unread:
                await asyncio.Event().wait()  # a client in the same process hangs up by cancelling
            return unread.pop()

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": request.method,
            "headers": request.headers.raw,
            "scheme": url.scheme,
            "path": url.path,
            "query_string": url.query,
        }
        await self._app(scope, receive, send)
        head, *parts = sent
        content = b"".join(part["body"] for part in parts)
        return httpx.Response(head["status"], headers=head["headers"], stream=httpx.ByteStream(content))


class InProcessTokens:
    """Asks the simulator's identity service without a socket, and keeps the token, as msal would over one.

    Lifetimes run on the wall clock, so that in virtual time none ends by itself.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._kept = ""

    async def token(self, *, claims: str | None = None) -> str:
        """The token; another one where Graph asks for it."""
        if not self._kept or claims is not None:
            self._kept = await self._ask()
        return self._kept

    async def _ask(self) -> str:
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
    transport = InProcessTransport(exchange.app)
    parts: dict[str, Any] = {
        "transport": transport,
        "tokens": InProcessTokens(transport),
        "jitter": random.Random(0).random,
        "watch_every_s": WATCH_EVERY_S,
        "control": False,
    }
    return Surroundings(clock=clock, link=link, checkpoint=checkpoint, **parts | more)
