"""Sensors that a scenario moves by hand: each message follows from who comes and goes, nothing from chance.

All speak at second 10 of a minute, so that no message ties with a line of a timeline. A radar sees
whoever is inside. A PIR sees people come and go, and once a minute those who do not sit still. A
counter only reports each ten minutes, a door sensor only who passes it, a seat only those who sit.

The kinds, and what a gateway is told about each, are the table `KINDS`.
"""

import asyncio
import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Protocol

from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant

BEAT_AT_MS: Final[Duration] = 10 * SECOND_MS
"""Where in its interval a sensor speaks."""

PIR_ON_S: Final = 10.0
ZIGBEE_ON_S: Final = 90.0
PASSING_S: Final = 2.0

Fault = Literal["", "silent", "on", "off"]


class Surrounding(Protocol):
    """What a device lives in."""

    def true_now(self) -> Instant:
        """The real time, whatever a gateway's clock says."""
        ...

    def publish(self, topic: str, payload: str, *, qos: int, retained: bool = False) -> None:
        """Send to the broker."""
        ...


class Occupants:
    """Who is in a room: by name, with whether they sit still."""

    def __init__(self) -> None:
        self.still: dict[str, bool] = {}

    @property
    def count(self) -> int:
        """How many people are inside."""
        return len(self.still)

    @property
    def lively(self) -> bool:
        """Somebody is inside who moves now and then."""
        return not all(self.still.values())

    @property
    def seated(self) -> bool:
        """Somebody sits still."""
        return any(self.still.values())


class Device:
    """One sensor of one room. `came`, `left`, `stirred` and `passed` are what happens in front of it."""

    kind: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]]
    """Its ``[[room.sensor]]`` table but for id, topic and whatever hangs on them."""
    beat_ms: ClassVar[Duration] = MINUTE_MS
    """How often it speaks by itself; 0: never."""
    qos: ClassVar[int] = 1
    has_battery: ClassVar[bool] = False

    def __init__(self, name: str, inside: Occupants, world: Surrounding) -> None:
        self.name = name
        self.inside = inside
        self.world = world
        self.fault: Fault = ""
        self.battery = 100
        self.state = False
        self._timer: asyncio.TimerHandle | None = None

    # -- what it is ---------------------------------------------------------------------------------

    @property
    def topic(self) -> str:
        """Where its value is published."""
        return f"{self.name}/state"

    @property
    def availability_topic(self) -> str:
        """Where it is said to be online or offline."""
        return f"{self.name}/status"

    def table(self) -> dict[str, Any]:
        """Its configuration as plain values."""
        options = {"availability_topic": self.availability_topic, **self.settings.get("options", {})}
        return {"id": self.name, "topic": self.topic, **self.settings, "options": options}

    # -- what happens -------------------------------------------------------------------------------

    async def live(self) -> None:
        """Say hello, then speak at each interval until cancelled."""
        self.world.publish(self.availability_topic, "online", qos=1)
        self.report()
        while True:
            every = self.beat_ms or HOUR_MS
            now = self.world.true_now()
            due = (now - BEAT_AT_MS) // every * every + every + BEAT_AT_MS
            await asyncio.sleep((due - now) / SECOND_MS)
            self.beat()

    def beat(self) -> None:
        """One interval has passed."""
        self.report()

    def came(self) -> None:
        """Somebody entered."""
        self.look()

    def left(self) -> None:
        """Somebody left."""
        self.look()

    def stirred(self) -> None:
        """Somebody inside moved, or began to sit still."""
        self.look()

    def passed(self) -> None:
        """Somebody went by outside."""

    def look(self) -> None:
        """Report a change of what it shows."""
        before, self.state = self.state, self.shows()
        if self.state != before:
            self.report()

    @abstractmethod
    def shows(self) -> bool:
        """What it would show just now if it worked."""

    def report(self) -> None:
        """Publish its state, unless it is silent."""
        if self.fault != "silent":
            self.say(state=self.told())

    def say(self, *, state: bool) -> None:
        """Publish this state, whatever is the case."""
        self.world.publish(self.topic, self.payload(state), qos=self.qos)

    def told(self) -> bool:
        """What it tells: its state, or what it is stuck at."""
        return self.state if self.fault in ("", "silent") else self.fault == "on"

    def payload(self, value: bool) -> str:
        """A state as this device words it."""
        return "ON" if value else "OFF"

    def fail(self, fault: Fault) -> None:
        """Begin to fail, or work again (with a word at once, as after its boot)."""
        self.fault = fault
        self.state = self.shows()
        self.report()

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)


class Radar(Device):
    """Sees whoever is inside, also those who sit still; repeats its state each minute."""

    kind = "radar"
    settings: ClassVar = {"family": "plain", "senses": "presence", "heartbeat": "1m", "at_qos1": True}

    def shows(self) -> bool:
        """Somebody is inside."""
        return self.inside.count > 0


class Pir(Device):
    """On for ten seconds after each movement, and repeats its state each minute."""

    kind = "pir"
    settings: ClassVar = {
        "family": "plain",
        "senses": "motion",
        "heartbeat": "1m",
        "device_hold": "10s",
        "at_qos1": True,
    }
    hold_s: ClassVar[float] = PIR_ON_S

    def shows(self) -> bool:
        """Its own hold has not run out."""
        return self.state

    def came(self) -> None:
        """A movement."""
        self.hit()

    def left(self) -> None:
        """A movement."""
        self.hit()

    def stirred(self) -> None:
        """A movement, unless everybody sits still now."""
        if self.inside.lively:
            self.hit()

    def passed(self) -> None:
        """The open door shows it."""
        self.hit()

    def beat(self) -> None:
        """Repeat the state; people who do not sit still were seen moving."""
        if self.inside.count and self.inside.lively:
            self.hit()
        else:
            self.report()

    def hit(self) -> None:
        """It sees a movement."""
        was, self.state = self.state, True
        if not was:
            self.report()
        self._after(self.hold_s, self._clear)

    def _clear(self) -> None:
        self.state = False
        self.report()


class ZigbeePir(Pir):
    """A battery PIR behind Zigbee2MQTT: 90 s of hold, and a word of its own once an hour."""

    kind = "zigbee pir"
    base: ClassVar = "zigbee2mqtt"
    settings: ClassVar = {
        "family": "zigbee2mqtt",
        "senses": "motion",
        "heartbeat": "1h",
        "device_hold": "90s",
        "bridge": "zigbee2mqtt",
    }
    beat_ms = HOUR_MS
    hold_s = ZIGBEE_ON_S
    qos = 0
    has_battery = True

    @property
    def topic(self) -> str:
        """Where its state is published."""
        return f"{self.base}/{self.name}"

    @property
    def availability_topic(self) -> str:
        """As Zigbee2MQTT names it."""
        return f"{self.topic}/availability"

    def payload(self, value: bool) -> str:
        """Its whole state, made just now."""
        seen = datetime.fromtimestamp(self.world.true_now() / SECOND_MS, UTC)
        return json.dumps(
            {
                "battery": self.battery,
                "last_seen": seen.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "occupancy": value,
            }
        )


class Counter(Device):
    """Counts who is inside, and tells it each ten minutes only."""

    kind = "counter"
    settings: ClassVar = {
        "family": "json",
        "senses": "count",
        "heartbeat": "10m",
        "latency": "10m",
        "at_qos1": True,
        "options": {"path": "count", "battery_path": "battery"},
    }
    beat_ms = 10 * MINUTE_MS
    has_battery = True

    def look(self) -> None:
        """Say nothing before the next interval."""
        self.state = self.shows()

    def shows(self) -> bool:
        """Somebody is inside."""
        return self.inside.count > 0

    def payload(self, value: bool) -> str:
        """The count."""
        stuck = int(self.fault == "on")
        count = (self.inside.count if self.fault in ("", "silent") else stuck) if value else 0
        return json.dumps({"battery": self.battery, "count": count})


class Door(Device):
    """A beam at the door: a word whenever somebody passes it, and none otherwise."""

    kind = "door"
    settings: ClassVar = {
        "family": "plain",
        "senses": "motion",
        "role": "door",
        "heartbeat": "none",
        "says_clear": False,
        "at_qos1": True,
    }
    beat_ms = 0

    def came(self) -> None:
        """Somebody passes it."""
        self.hit()

    def left(self) -> None:
        """Somebody passes it."""
        self.hit()

    def stirred(self) -> None:
        """Not seen from the door."""

    def passed(self) -> None:
        """Somebody passes it."""
        self.hit()

    def beat(self) -> None:
        """It never speaks by itself."""

    def shows(self) -> bool:
        """It has no state."""
        return False

    def hit(self) -> None:
        """The beam was broken."""
        if self.fault == "":
            self.world.publish(self.topic, "ON", qos=self.qos)

    def report(self) -> None:
        """It has no state to tell."""


class Seat(Device):
    """A chair that knows whether somebody sits on it; repeats its state each minute."""

    kind = "seat"
    settings: ClassVar = {
        "family": "plain",
        "senses": "presence",
        "role": "seat",
        "heartbeat": "1m",
        "at_qos1": True,
    }

    def shows(self) -> bool:
        """Somebody sits."""
        return self.inside.seated


KINDS: Final[Mapping[str, type[Device]]] = {
    device.kind: device for device in (Radar, Pir, ZigbeePir, Counter, Door, Seat)
}
"""The sensors that a room may have, by the words of the language."""
