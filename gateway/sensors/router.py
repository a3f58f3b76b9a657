"""From a topic to the decoders of the sensors that publish there: one look-up a message."""

from collections.abc import Iterable
from typing import Final

from gateway.core.events import Reading
from gateway.core.units import Instant
from gateway.sensors.base import MAX_PAYLOAD_BYTES, Decoded, Item, PayloadError, Route, UnknownTopic, shown
from gateway.sensors.values import MAX_AHEAD_MS


class Router:
    """Knows every configured topic. Immutable: a new configuration makes a new one."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Routes that share topic and decoder (a bridge's, named by each of its sensors) count once."""
        self._routes: dict[str, tuple[Route, ...]] = {}
        for route in routes:
            others = self._routes.get(route.topic_filter, ())
            if all(other.decode is not route.decode for other in others):
                self._routes[route.topic_filter] = (*others, route)
        self.topics: Final = tuple(sorted(self._routes))
        """What to subscribe to."""

    def sensor_of(self, topic: str) -> str:
        """The first sensor that publishes there; empty for a bridge's topic and an unknown one."""
        return next((route.sensor for route in self._routes.get(topic, ()) if route.sensor), "")

    def knows(self, topic: str) -> bool:
        """Whether anything is configured for that topic."""
        return topic in self._routes

    def decode(self, topic: str, payload: bytes, retained: bool, now: Instant | None = None) -> Decoded:
        """What the message says, by every sensor that publishes there; empty: nothing that counts.

        With `now`, a message that claims to be made over a day later is refused. Raises UnknownTopic,
        and PayloadError with the sensor, and with what others on the same topic understood.
        """
        routes = self._routes.get(topic)
        if routes is None:
            raise UnknownTopic(f"no sensor is configured for the topic {shown(topic)}")
        if len(routes) == 1:
            return _decode_one(routes[0], payload, retained, now)
        return _decode_all(routes, payload, retained, now)


def _decode_one(route: Route, payload: bytes, retained: bool, now: Instant | None) -> Decoded:
    try:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadError(f"expected at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)}")  # noqa: TRY301
        decoded = route.decode(payload, retained)
        if now is not None:
            _check_time(decoded, now)
    except PayloadError as error:
        error.sensor = route.sensor
        raise
    return decoded


def _decode_all(routes: tuple[Route, ...], payload: bytes, retained: bool, now: Instant | None) -> Decoded:
    everything: list[Item] = []
    refused: PayloadError | None = None
    for route in routes:
        try:
            everything += _decode_one(route, payload, retained, now)
        except PayloadError as error:
            refused = refused or error
    if refused is not None:
        refused.decoded = everything
        raise refused
    return everything


def _check_time(decoded: Decoded, now: Instant) -> None:
    for one in decoded:
        if type(one) is Reading and one.made_at is not None and one.made_at > now + MAX_AHEAD_MS:
            raise PayloadError(f"expected a time up to now, got one {(one.made_at - now) // 1_000} s ahead")
