"""What can go wrong between the gateway and its broker.

    LinkError                  the link is down and is tried again, with back-off
    ├── UnreachableError       nobody answers at that address
    ├── TlsError               the encrypted connection cannot be made
    ├── RefusedError           the broker answers, and says no
    ├── SubscriptionError      connected, but not allowed to listen
    └── ConnectionLostError    a connection ended, whoever ended it

None of them ends the gateway. Each says what happened, and `mend` what a person can do about it.
"""

from collections.abc import Sequence


class LinkError(Exception):
    """The link cannot be used at the moment."""

    def __init__(self, what: str, mend: str) -> None:
        """`what` happened, in words for a log; `mend`: what to look at or change."""
        super().__init__(what)
        self.mend = mend


class UnreachableError(LinkError):
    """No TCP connection: wrong address, broker not running, network gone."""


class TlsError(LinkError):
    """Certificates or keys do not fit, or cannot be read."""


class RefusedError(LinkError):
    """CONNACK with a return code other than 0 (MQTT 3.1.1, section 3.2.2.3)."""


class SubscriptionError(LinkError):
    """SUBACK with 0x80 for at least one topic filter."""

    def __init__(self, what: str, mend: str, filters: Sequence[str] = ()) -> None:
        """`filters`: those that were refused."""
        super().__init__(what, mend)
        self.filters = tuple(filters)


class ConnectionLostError(LinkError):
    """The socket was closed by the broker, the network, a missing answer, or `Link.drop`."""
