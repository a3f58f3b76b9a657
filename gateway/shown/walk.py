"""A walk test as it happens: one line a sensor, what it shows now and since when."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from gateway.placing.walk import ROOM_KINDS
from gateway.shown.paint import DASH, GOOD, NAME, QUIET, listing, text
from gateway.shown.sensors import seconds

Json = Mapping[str, Any]


class Picture:
    """Remembers what the events said. `table` paints it."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._do = "Waiting for the gateway ..."
        self._left = ""
        self._now = 0
        self._shows: dict[str, str] = {}
        self._changed_at: dict[str, int] = {}
        self._messages: dict[str, int] = {}

    def hear(self, event: Json) -> None:
        """One event of `gateway.commands.walk`."""
        self._now = max(self._now, event.get("at", 0))
        if event["event"] == "begin":
            for one in event["sensors"]:
                self._shows[one["sensor"]] = "somebody" if one["showing"] else "nobody"
                self._messages[one["sensor"]] = 0
        elif event["event"] == "phase":
            self._do = event["do"] + (", then press Enter." if event["lasts_ms"] is None else ".")
        elif event["event"] == "time":
            self._left = "" if event["left_ms"] is None else f"  {seconds(event['left_ms'])} left"
        elif event["event"] == "reading":
            self._hear_reading(event)

    def _hear_reading(self, event: Json) -> None:
        name = event["sensor"]
        self._messages[name] = self._messages.get(name, 0) + 1
        if event["kind"] not in ROOM_KINDS:
            return
        shows = "somebody" if event["value"] > 0 else "nobody"
        if self._shows.get(name) != shows:
            self._shows[name] = shows
            self._changed_at[name] = event["at"]

    def table(self) -> Group:
        """As it is now."""
        table = listing("Sensor", "Shows", "For", "Messages", right=(2, 3))
        for name, shows in self._shows.items():
            since = self._changed_at.get(name)
            lasts = DASH if since is None else seconds(max(0, self._now - since))
            style = GOOD if shows == "somebody" else ""
            table.add_row(text(name), text(shows, style), lasts, str(self._messages.get(name, 0)))
        return Group(Text.assemble((self._room, NAME), "  ", self._do, (self._left, QUIET)), table)
