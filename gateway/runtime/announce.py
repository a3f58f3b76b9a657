"""What is known goes out on MQTT: each room's state, retained, for panels, Home Assistant and the like.

Topics (docs/topics.md): ``<prefix>/<room>/state`` and ``<prefix>/gateway/availability``.
What people see may be shown before it is committed; writes to Exchange may not.
"""

from collections.abc import Iterable, Mapping
from datetime import tzinfo

import msgspec

from gateway.core.site import Site
from gateway.core.units import Instant
from gateway.links import Link
from gateway.runtime.picture import Json, door_picture


def availability_topic(prefix: str) -> str:
    """Where "online" is said, and "offline" as last will."""
    return f"{prefix}/gateway/availability"


def state_topic(prefix: str, room: str) -> str:
    """Where a room's state is retained."""
    return f"{prefix}/{room}/state"


class Announcer:
    """Publishes what has changed since it was last published."""

    def __init__(self, link: Link, prefix: str, zones: Mapping[str, tzinfo]) -> None:
        self._link = link
        self._prefix = prefix
        self._zones = zones
        self._published: dict[str, bytes] = {}

    def forget(self) -> None:
        """A new connection: everything is published again."""
        self._published.clear()

    def publish(self, site: Site, rooms: Iterable[str], now: Instant) -> None:
        """Publish the state of these rooms where it differs from what was published last."""
        for name in rooms:
            room = site.rooms.get(name)
            if room is None:
                continue
            payload = msgspec.json.encode(_shown(door_picture(room, now, self._zones[name])))
            if self._published.get(name) != payload:
                self._published[name] = payload
                self._link.publish(state_topic(self._prefix, name), payload, retain=True)


def _shown(picture: Json) -> Json:
    """What panels need. Sentences that count minutes down would be published each minute: left out."""
    shown = dict(picture)
    for key in ("booking", "next"):
        if shown[key] is not None:
            shown[key] = {name: value for name, value in shown[key].items() if name != "outlook"}
    return shown
