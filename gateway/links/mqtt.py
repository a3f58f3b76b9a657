"""The link to an MQTT broker: listens at QoS 1, and acknowledges when it is told to.

MQTT 3.1.1 with a persistent session (`clean_session=False`, a fixed client id): the broker keeps
what this process has not acknowledged and delivers it again after a reconnect. MQTT 5 costs two to
three times the CPU (shared reference, section 1).

`MqttLink.run` opens a socket in a thread, because DNS, TCP and TLS may block, and hands it to a
`Connection`; when that is lost it waits a little longer each time and makes the next.

A receipt is an integer made of the connection's generation and the packet id. One that belongs to
an earlier connection acknowledges nothing. What can go wrong: `gateway.links.errors`.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, cast

import structlog

from gateway.links import LinkListener
from gateway.links.connection import MID_BITS, Connection, MqttSettings, Subscriptions
from gateway.links.errors import ConnectionLostError, LinkError
from gateway.links.filters import check_filter, without_overlap
from gateway.links.opening import backoff_s, open_apart
from gateway.links.wire import Wire

__all__ = ["MqttLink", "MqttSettings"]

log = structlog.get_logger(__name__)

END_OF_MIDS: Final = 1 << MID_BITS


class MqttLink:
    """A `gateway.links.Link` to one broker. Use it from one event loop only."""

    def __init__(self, settings: MqttSettings, *, jitter: Callable[[], float] = random.random) -> None:
        """`jitter` gives numbers in [0, 1); it spreads the reconnects of many gateways."""
        self._settings = settings
        self._jitter = jitter
        self._subscriptions = Subscriptions()
        self._connection: Connection | None = None
        self._generation = 0

    async def run(self, listener: LinkListener) -> None:
        """Connect, subscribe, listen, reconnect, until cancelled; then say goodbye and disconnect.

        Raises only what a method of the listener raised: a fault of the program, not of the link.
        """
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            up_since = None
            try:
                connection = self._connect(await self._open(), listener)
                error = await self._until_lost(connection, listener)
                up_since = connection.up_since
            except LinkError as reason:
                error = reason
            stable = up_since is not None and loop.time() - up_since >= self._settings.backoff_max_s
            failures = 1 if stable else failures + 1
            delay_s = self._delay_s(failures)
            log.warning(
                "link to the broker is down",
                what=str(error),
                where=self._settings.where,
                mend=error.mend,
                retry_in_s=round(delay_s, 1),
            )
            await asyncio.sleep(delay_s)

    def subscribe(self, topics: Sequence[str]) -> None:
        """Listen to exactly these topic filters from now on. Raises ValueError for what is no filter."""
        for topic in topics:
            check_filter(topic)
        self._subscriptions.wanted = without_overlap(topics)
        if self._connection is not None:
            self._connection.follow_subscriptions()

    def acknowledge(self, receipts: Sequence[object]) -> None:
        """Acknowledge messages, each once and in the order received; some brokers insist on it."""
        connection = self._connection
        if connection is None:
            return
        base, ack = connection.base, connection.ack
        for receipt in cast("Sequence[int]", receipts):
            mid = receipt - base
            if 0 < mid < END_OF_MIDS:
                ack(mid, 1)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish at QoS 1 if the link is up, otherwise drop it."""
        connection = self._connection
        if connection is not None and connection.up_since is not None and not connection.lost.done():
            connection.publish(topic, payload, retain=retain)

    def drop(self, why: str) -> None:
        """Break the connection without acknowledging anything; it is made anew after the back-off."""
        if self._connection is not None:
            self._connection.lose(
                ConnectionLostError(f"dropped by the gateway: {why}", "See the log just before this.")
            )

    async def _open(self) -> Wire:
        return await open_apart(self._settings)

    def _connect(self, wire: Wire, listener: LinkListener) -> Connection:
        self._generation += 1
        self._connection = Connection(
            self._settings,
            wire,
            generation=self._generation,
            subscriptions=self._subscriptions,
            listener=listener,
        )
        return self._connection

    async def _until_lost(self, connection: Connection, listener: LinkListener) -> LinkError:
        try:
            connection.start()
            error = await asyncio.shield(connection.lost)
        except asyncio.CancelledError:
            await connection.say_goodbye()
            raise
        finally:
            connection.close()
            self._connection = None
        if not isinstance(error, LinkError):
            raise error
        if connection.up_since is not None:
            listener.link_down(str(error))
        return error

    def _delay_s(self, failures: int) -> float:
        """Doubles with each failure in a row, of which up to half is taken off at random."""
        settings = self._settings
        return backoff_s(failures, settings.backoff_min_s, settings.backoff_max_s) * (1 - self._jitter() / 2)
