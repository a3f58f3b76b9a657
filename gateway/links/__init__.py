"""Links listen: they carry raw messages in, and the gateway's own state out.

A link knows topics, bytes and connections; what a payload means is the business of
`gateway.sensors`. `MqttLink` is the real one; tests and simulated worlds bring their own.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """One message as it came. `receipt` is what the link needs to acknowledge it."""

    topic: str
    payload: bytes
    retained: bool
    receipt: object


class LinkListener(Protocol):
    """What a link tells, always on the event loop's thread."""

    def link_up(self, session_present: bool) -> None:
        """Connected and every subscription granted. Messages follow this call, never precede it."""
        ...

    def link_down(self, why: str) -> None:
        """The connection is gone; the link tries again by itself, with back-off."""
        ...

    def message(self, message: Message) -> None:
        """One message. It stays unacknowledged until `Link.acknowledge` is given its receipt."""
        ...


class Link(Protocol):
    """A connection to a broker that outlives the broker's absences."""

    async def run(self, listener: LinkListener) -> None:
        """Connect, subscribe, listen, reconnect; returns only when cancelled, then disconnects cleanly."""
        ...

    def subscribe(self, topics: Sequence[str]) -> None:
        """Listen to exactly these topic filters from now on, without duplicates."""
        ...

    def acknowledge(self, receipts: Sequence[object]) -> None:
        """Acknowledge messages, in the order received. Receipts of an older connection are dropped."""
        ...

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish at QoS 1 if connected; otherwise drop it (retained state is sent anew on connect)."""
        ...

    def drop(self, why: str) -> None:
        """Break the connection without acknowledging anything, so that the broker delivers again."""
        ...
