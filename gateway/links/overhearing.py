"""A second connection that only overhears: no session, QoS 0, nothing to acknowledge, nothing published.

What is heard here is never evidence, so it must cost the link of the sensors nothing: its own connection
cannot fill the broker's queue for the gateway, and a filter that the broker refuses takes nothing down. A
refused filter is left out from then on; when none is left, or the broker wants no second connection, `run`
returns.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from gateway.links import LinkListener
from gateway.links.connection import Connection, MqttSettings, Subscriptions
from gateway.links.errors import LinkError, RefusedError, SubscriptionError
from gateway.links.filters import without_overlap
from gateway.links.opening import backoff_s, open_apart

log = structlog.get_logger(__name__)


class OverhearingLink:
    """Listens besides the gateway's own link. Use it from one event loop only."""

    def __init__(self, settings: MqttSettings, *, jitter: Callable[[], float] = random.random) -> None:
        """`settings` are those of the gateway's own link."""
        client_id = f"{settings.client_id}-listens"
        self._settings = replace(settings, client_id=client_id, session=False, qos=0, will_topic="")
        self._jitter = jitter
        self._subscriptions = Subscriptions()
        self._wanted: tuple[str, ...] = ()
        self._refused: set[str] = set()
        self._connection: Connection | None = None
        self.why = ""
        """Why not all of it is heard, or nothing; empty: nothing stands in the way."""

    def subscribe(self, filters: Sequence[str]) -> None:
        """Listen to these topic filters, as far as the broker allows them."""
        self._wanted = tuple(filters)
        self._follow()

    def _follow(self) -> None:
        allowed = [one for one in self._wanted if one not in self._refused]
        self._subscriptions.wanted = without_overlap(allowed)
        if self._connection is not None:
            self._connection.follow_subscriptions()

    async def run(self, listener: LinkListener) -> None:
        """Listen until cancelled, or until the broker forbids all of it; `why` says so then."""
        failures = 0
        while True:
            self._subscriptions.held_by_broker.clear()
            try:
                await self._listen(listener)
            except SubscriptionError as error:
                self._refused.update(error.filters)
                self._follow()
                self.why = str(error)
                log.info("the broker forbids to listen there", filters=list(error.filters))
                if not self._subscriptions.wanted:
                    return
                continue  # each time with fewer filters
            except RefusedError as error:
                self.why = str(error)
                return
            except LinkError as error:
                self.why = str(error)
            failures += 1
            await asyncio.sleep(self._delay_s(failures))

    async def _listen(self, listener: LinkListener) -> None:
        """One connection, to its end. Raises LinkError with the reason."""
        wire = await open_apart(self._settings)
        connection = Connection(
            self._settings, wire, generation=1, subscriptions=self._subscriptions, listener=listener
        )
        self._connection = connection
        try:
            connection.start()
            error = await asyncio.shield(connection.lost)
        except asyncio.CancelledError:
            await connection.say_goodbye()
            raise
        finally:
            connection.close()
            self._connection = None
        raise error

    def _delay_s(self, failures: int) -> float:
        settings = self._settings
        return backoff_s(failures, settings.backoff_min_s, settings.backoff_max_s) * (1 - self._jitter() / 2)
