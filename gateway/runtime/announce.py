"""What is known goes out on MQTT: each room's state, retained, for panels, Home Assistant and the like.

Topics (docs/topics.md): ``<prefix>/<room>/state``, ``<prefix>/gateway/availability``,
``<prefix>/gateway/health`` and ``<prefix>/gateway/alerts``; with Home Assistant's discovery also
``<prefix>/<room>/summary`` and a configuration for each device.
What people see may be shown before it is committed; writes to Exchange may not.
"""

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Final

import msgspec

from gateway.core.booking import Booking
from gateway.core.room import Room
from gateway.core.site import Site
from gateway.core.units import Instant
from gateway.links import Link
from gateway.runtime.home_assistant import Topics, announced, configs, room_summary
from gateway.runtime.picture import Json, current_and_next, door_picture

EMPTY: Final = b""
"""Takes a retained message away."""


def availability_topic(prefix: str) -> str:
    """Where "online" is said, and "offline" as last will."""
    return f"{prefix}/gateway/availability"


def state_topic(prefix: str, room: str) -> str:
    """Where a room's state is retained."""
    return f"{prefix}/{room}/state"


def alerts_topic(prefix: str) -> str:
    """Where the list of what is wrong is retained."""
    return f"{prefix}/gateway/alerts"


class Announcer:
    """Publishes what has changed since it was last published."""

    def __init__(
        self,
        link: Link,
        prefix: str,
        zones: Mapping[str, tzinfo],
        *,
        names: Mapping[str, str] | None = None,
        discovery: str = "",
    ) -> None:
        """`discovery`: Home Assistant's prefix; empty: none. `names`: what people call the rooms."""
        self._link = link
        self._prefix = prefix
        self._zones = zones
        self._topics = Topics(prefix, discovery)
        self._configs = configs(self._topics, names or {}) if discovery else {}
        self._gone: tuple[str, ...] = ()
        self._published: dict[str, bytes] = {}
        self._turns: dict[str, tuple[Booking | None, Booking | None]] = {}

    @property
    def birth_topic(self) -> str:
        """Where Home Assistant says that it has started; empty without discovery."""
        return self._topics.birth if self._configs else ""

    def remember(self, before: Iterable[str]) -> list[str]:
        """Told which topics were ever announced to Home Assistant, gives those and today's.

        What was and is no more (a room that left, another prefix, discovery switched off) is emptied on each
        connection: nothing tells whether an earlier attempt arrived, and emptying twice does no harm.
        """
        now = announced(self._topics, self._zones) if self._configs else set()
        self._gone = tuple(sorted(set(before) - now))
        return sorted(now.union(before))

    def forget(self) -> None:
        """A new connection, or a new Home Assistant: everything is published again."""
        self._published.clear()
        self._turns.clear()
        for topic in self._gone:
            self._link.publish(topic, EMPTY, retain=True)
        for topic, config in self._configs.items():
            self._link.publish(topic, config, retain=True)

    def publish(self, site: Site, rooms: Iterable[str], now: Instant) -> None:
        """Publish the state of these rooms where it differs from what was published last."""
        for name in rooms:
            room = site.rooms.get(name)
            if room is None:
                continue
            self._turns[name] = _turn(room, now)
            picture = door_picture(room, now, self._zones[name])
            self._tell(state_topic(self._prefix, name), _shown(picture))
            if self._configs:
                self._tell(self._topics.summary(name), room_summary(picture))

    def refresh(self, site: Site, name: str, now: Instant) -> None:
        """Publish a room if another booking is its present or next one now, or that one has changed."""
        room = site.rooms.get(name)
        if room is not None and self._turns.get(name) != _turn(room, now):
            self.publish(site, (name,), now)

    def publish_health(self, health: Json) -> None:
        """Publish the gateway's own health where it differs from what was published last."""
        self._tell(self._topics.health, health)

    def publish_alerts(self, alerts: list[Json]) -> None:
        """Publish all that is wrong where it differs from what was published last; an empty list: nothing."""
        self._tell(alerts_topic(self._prefix), alerts)

    def _tell(self, topic: str, what: Json | list[Json]) -> None:
        payload = msgspec.json.encode(what)
        if self._published.get(topic) != payload:
            self._published[topic] = payload
            self._link.publish(topic, payload, retain=True)


def _turn(room: Room, now: Instant) -> tuple[Booking | None, Booking | None]:
    """The present booking and the next one."""
    current, coming = current_and_next(room, now)
    return current.booking if current else None, coming.booking if coming else None


def _shown(picture: Json) -> Json:
    """What panels need. Sentences that count minutes down would be published each minute: left out."""
    shown = dict(picture)
    for key in ("booking", "next"):
        if shown[key] is not None:
            shown[key] = {name: value for name, value in shown[key].items() if name != "outlook"}
    return shown
