"""What links share on the way to a connection: how long to wait before it, and a socket that is not lost."""

import asyncio
from typing import Final

from gateway.links.connection import MqttSettings
from gateway.links.wire import Wire, open_wire

MAX_DOUBLINGS: Final = 16
"""Keeps the back-off's exponent small; every sensible maximum is reached long before."""


def backoff_s(failures: int, least_s: float, most_s: float) -> float:
    """Seconds to wait after so many failures in a row: doubles with each, up to `most_s`."""
    return min(most_s, least_s * 2.0 ** min(failures - 1, MAX_DOUBLINGS))


async def open_apart(settings: MqttSettings) -> Wire:
    """A wire to the broker, opened in a thread, because DNS, TCP and TLS may block. Raises LinkError."""
    opening = asyncio.get_running_loop().run_in_executor(
        None,
        lambda: open_wire(
            settings.host,
            settings.port,
            timeout_s=settings.connect_timeout_s,
            tls=settings.tls,
            ca_file=settings.ca_file,
            cert_file=settings.cert_file,
            key_file=settings.key_file,
        ),
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unused)
        raise


def _close_unused(opening: "asyncio.Future[Wire]") -> None:
    """The link was stopped while this socket was being opened."""
    if opening.exception() is None:
        opening.result().close()
