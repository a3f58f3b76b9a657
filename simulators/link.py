"""A link in memory: a broker's session and a gateway's connection to it, without sockets.

For the service under virtual time. Like a broker with a persistent session it keeps what is not
acknowledged and delivers it again, in order, on the next connection.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.links import LinkListener, Message


@dataclass(eq=False)
class Queued:
    """A message that the session holds until it is acknowledged."""

    topic: str
    payload: bytes


@dataclass
class _Receipt:
    generation: int
    queued: Queued


@dataclass
class MemoryLink:
    """Implements `gateway.links.Link`; tests and worlds play the broker and the sensors."""

    connects: bool = True
    """False: the broker is away; `come_back` ends that."""
    reconnect_s: float = 1.0
    published: dict[str, bytes] = field(default_factory=dict)
    """What the gateway published, retained, by topic."""
    retained: dict[str, bytes] = field(default_factory=dict)
    """What sensors published to be retained: delivered, marked so, on each connection."""
    acknowledged: int = 0
    dropped: list[str] = field(default_factory=list)
    _queue: list[Queued] = field(default_factory=list)
    _topics: frozenset[str] = frozenset()
    _listener: LinkListener | None = None
    _session: bool = False
    _lost: asyncio.Event = field(default_factory=asyncio.Event)
    _back: asyncio.Event = field(default_factory=asyncio.Event)
    _generation: int = 0

    # -- what the gateway does ------------------------------------------------------------------------

    async def run(self, listener: LinkListener) -> None:
        """Connect, and again after each loss, until cancelled."""
        while True:
            while not self.connects:
                self._back.clear()
                await self._back.wait()
            self._lost.clear()
            self._generation += 1
            self._listener = listener
            listener.link_up(self._session)
            self._session = True
            for topic, payload in list(self.retained.items()):
                self.send(topic, payload, retained=True)
            for queued in list(self._queue):
                self._deliver(queued)
            try:
                await self._lost.wait()
            finally:
                self._listener = None
            listener.link_down("the connection was lost")
            await asyncio.sleep(self.reconnect_s)

    def subscribe(self, topics: Sequence[str]) -> None:
        """Only these topics are delivered."""
        self._topics = frozenset(topics)

    def acknowledge(self, receipts: Sequence[object]) -> None:
        """Take acknowledged messages out of the session; those of an older connection stay."""
        for receipt in receipts:
            if not isinstance(receipt, _Receipt) or receipt.generation != self._generation:
                continue
            if receipt.queued in self._queue:
                self._queue.remove(receipt.queued)
                self.acknowledged += 1

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Keep what was published, as a retained message."""
        if retain and self._listener is not None:
            self.published[topic] = payload

    def drop(self, why: str) -> None:
        """Break the connection; what is not acknowledged comes again."""
        self.dropped.append(why)
        self.lose_connection()

    # -- what sensors and the broker do ---------------------------------------------------------------

    def send(
        self, topic: str, payload: str | bytes, *, retained: bool = False, retain: bool = False, qos: int = 1
    ) -> None:
        """A sensor publishes. Without a connection the session queues it, unless it is sent at QoS 0.

        `retained`: an old value that the broker hands out; `retain`: to be kept for later connections.
        """
        data = payload.encode() if isinstance(payload, str) else payload
        if retain:
            self.retained[topic] = data
        if topic not in self._topics:
            return
        if retained:
            self._hand_over(Message(topic, data, True, None))  # noqa: FBT003 - retained
            return
        if qos == 0:
            self._hand_over(Message(topic, data, False, None))  # noqa: FBT003 - not retained
            return
        queued = Queued(topic, data)
        self._queue.append(queued)
        self._deliver(queued)

    def lose_connection(self) -> None:
        """The connection breaks; the session lives on."""
        self._lost.set()

    def lose_session(self) -> None:
        """The broker restarts and forgets everything."""
        self._session = False
        self._queue.clear()
        self.lose_connection()

    def come_back(self) -> None:
        """The broker is reachable again."""
        self.connects = True
        self._back.set()

    @property
    def unacknowledged(self) -> int:
        """Messages that the session still holds."""
        return len(self._queue)

    def _deliver(self, queued: Queued) -> None:
        self._hand_over(Message(queued.topic, queued.payload, False, _Receipt(self._generation, queued)))  # noqa: FBT003 - not retained

    def _hand_over(self, message: Message) -> None:
        if self._listener is not None and not self._lost.is_set():
            self._listener.message(message)
