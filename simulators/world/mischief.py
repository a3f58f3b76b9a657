"""Lets the strikes of a schedule happen: on the air, in the network, in the machine, in the calendars.

`Mischief` knows which strikes last just now, says what becomes of each message and each request, and
counts each time that a fault really bites.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from gateway.core.units import SECOND_MS
from simulators.exchange.graph import Target
from simulators.exchange.wire import Request
from simulators.faults import Strike
from simulators.people import stream
from simulators.sensors import CounterPeriodic, Device, EsphomeNode, PirZigbee
from simulators.world.transport import Plight

LATE_S: Final = (1.0, 90.0)
SWAP_S: Final = 4.0
WILL_S: Final = 20.0
"""How long a broker takes to see that a device is gone."""

SLOW_S: Final = (2.0, 25.0)
RETRY_AFTER: Final = ("5", "17", "120", "")
SAYS_WHEN: Final = ("2.128", "0.5", "date:20", "date:-5", "")
"""Of `exchange_says_when`; `date:20` is the HTTP date 20 s from now."""
DRIPS_S: Final = (1.0, 90.0)


class Active:
    """The strikes that last just now."""

    def __init__(self, seed: int) -> None:
        self.struck: Counter[str] = Counter()
        """How often each kind has really bitten."""
        self.bitten: set[int] = set()
        """Numbers of the strikes that have."""
        self._now: dict[str, list[Strike]] = {}
        self._rng = stream(seed, "mischief")

    def begin(self, strike: Strike) -> None:
        """It lasts from now on."""
        self._now.setdefault(strike.kind, []).append(strike)

    def end(self, strike: Strike) -> None:
        """It is over."""
        held = self._now.get(strike.kind, [])
        if strike in held:
            held.remove(strike)

    def of(self, kind: str, room: str = "", sensor: str = "") -> Strike | None:
        """A strike of the kind that lasts and concerns this room and sensor."""
        for strike in self._now.get(kind, ()):
            if strike.room in ("", room) and strike.sensor in ("", sensor):
                return strike
        return None

    def bite(self, strike: Strike) -> None:
        """It has made a difference."""
        self.struck[strike.kind] += 1
        self.bitten.add(strike.number)

    def bites(self, kind: str, room: str = "", sensor: str = "", share: float = 1.0) -> Strike | None:
        """As `of`, where it bites this time (by chance, in a share of all cases), and counted."""
        strike = self.of(kind, room, sensor)
        if strike is None or (share < 1.0 and self._rng.random() >= share):
            return None
        self.bite(strike)
        return strike

    def between(self, low: float, high: float) -> float:
        """By chance, from one to the other."""
        return self._rng.uniform(low, high)

    def one_of(self, *choices: str) -> str:
        """By chance, one of these."""
        return self._rng.choice(choices)


class StormyWeather:
    """What becomes of requests (`simulators.world.transport.Weather`)."""

    def __init__(self, active: Active, room_of: Callable[[str], str]) -> None:
        self._active = active
        self._room_of = room_of
        self.requests = 0
        self.fail_nth = 0
        """The n-th request is not answered, and no other; 0: none."""

    def plight(self, request: Request, target: Target, *, inner: bool = False) -> Plight:
        """Of this request. Within a batch only what an answer can show: the batch itself was asked before."""
        if inner:
            return (
                self._turned_away()
                or self._denied(self._room_of(target.user))
                or self._delayed(is_write=False)
            )
        self.requests += 1
        if self.requests == self.fail_nth:
            return Plight(lost_after=True)
        is_write = request.method != "GET" and target.route != "batch"
        return (
            self._lost(is_write=is_write)
            or self._turned_away()
            or (None if target.route == "batch" else self._denied(self._room_of(target.user)))
            or self._delayed(is_write=is_write)
        )

    def _lost(self, *, is_write: bool) -> Plight | None:
        """The request or its answer goes astray."""
        active = self._active
        if active.bites("exchange_gone"):
            return Plight(unreachable=True)
        if active.bites("exchange_one_way"):
            return Plight(lost_after=True)
        if is_write and active.bites("write_lost", share=0.7):
            return Plight(lost_before=True)
        if is_write and active.bites("answer_lost", share=0.7):
            return Plight(lost_after=True)
        if active.bites("connection_reset", share=0.5):
            before = active.between(0, 1) < 0.5  # noqa: PLR2004 - half of them
            return Plight(lost_before=before, lost_after=not before, told=True)
        return None

    def _turned_away(self) -> Plight | None:
        """Exchange has no time for anybody."""
        active = self._active
        if active.bites("exchange_throttles", share=0.8):
            return Plight(status=429, retry_after=active.one_of(*RETRY_AFTER))
        if active.bites("exchange_fails", share=0.6):
            return Plight(status=int(active.one_of("500", "502", "503", "504")))
        if active.bites("exchange_says_when", share=0.6):
            return Plight(status=429, retry_after=active.one_of(*SAYS_WHEN))
        if active.bites("claims_challenge", share=0.4):
            return Plight(status=401, challenged=True)
        return None

    def _denied(self, room: str) -> Plight | None:
        """Exchange says no, for this mailbox."""
        if self._active.bites("permission_lost", room):
            return Plight(status=403)
        return Plight(status=404) if self._active.bites("mailbox_missing", room) else None

    def _delayed(self, *, is_write: bool) -> Plight:
        """It is answered, sooner or later, truly or nearly so."""
        active, plight = self._active, Plight()
        if active.bites("exchange_slow"):
            plight.latency_s = active.between(*SLOW_S)
        if active.bites("body_drips", share=0.4):
            plight.drip_s = active.between(*DRIPS_S)
        if is_write and active.bites("changed_meanwhile", share=0.5):
            plight.status = 412
        if not is_write and active.bites("stale_reads", share=0.5):
            plight.age_ms = round(active.between(10, 240)) * SECOND_MS
        if not is_write and active.bites("partial_pages", share=0.7):
            plight.page = 3
            if active.between(0, 1) < 0.3:  # noqa: PLR2004 - a share of this fault
                plight.keep = 0.6
        return plight


class Airwaves:
    """What becomes of the messages that devices publish on their way to the broker."""

    def __init__(self, active: Active, publish: Callable[[str, bytes, bool, int], None]) -> None:
        self._active = active
        self._publish = publish
        self._last: dict[str, bytes] = {}
        """The newest value by topic, whether or not it arrived."""
        self.packets = 0
        self.lose_nth = 0
        """The n-th message is lost, and no other; 0: none."""

    def carry(self, device: Device, room: str, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        """A device publishes."""
        active, name = self._active, device.name
        self._last[topic] = payload
        for kind in ("sensor_offline", "sensor_silent"):
            if active.bites(kind, room, name):
                return
        if isinstance(device, PirZigbee) and active.bites("bridge_offline"):
            return
        if topic == device.topic:
            payload = self._falsified(device, room, payload)
        self.packets += 1
        if self.packets == self.lose_nth or active.bites("messages_lost", room, share=0.15):
            return
        if active.bites("messages_late", room, share=0.2):
            delay_s = active.between(*LATE_S)
            asyncio.get_running_loop().call_later(delay_s, self._publish, topic, payload, retain, qos)
            return
        if active.bites("messages_swapped", room, share=0.3):
            asyncio.get_running_loop().call_later(SWAP_S, self._publish, topic, payload, retain, qos)
            return
        self._publish(topic, payload, retain, qos)
        if active.bites("messages_twice", room, share=0.3):
            self._publish(topic, payload, retain, qos)

    def _falsified(self, device: Device, room: str, payload: bytes) -> bytes:
        active, name = self._active, device.name
        if active.bites("sensor_stuck_on", room, name):
            return showing(device, payload, on=True)
        if active.bites("sensor_stuck_off", room, name):
            return showing(device, payload, on=False)
        dying = active.of("battery_dying", room, name)
        if dying is not None:
            active.bite(dying)
            return _with_battery(payload, 1)
        return payload

    def resend(self, device: Device, room: str) -> None:
        """A device has connected again: birth message and present state, as ESPHome does it."""
        if isinstance(device, EsphomeNode):
            self.carry(device, room, device.availability_topic, b"online", retain=True, qos=1)
            state = self._last.get(device.topic)
            if state is not None:
                self.carry(device, room, device.topic, state, retain=True, qos=device.qos)

    def will(self, device: Device) -> None:
        """The broker publishes the last will of a device that is gone."""
        if isinstance(device, EsphomeNode):
            self._publish(device.availability_topic, b"offline", True, 1)  # noqa: FBT003 - retained

    def say(self, device: Device, room: str, *, on: bool, qos: int = 1) -> None:
        """The device says something that is not so."""
        last = self._last.get(device.topic)
        if last is not None:
            kept = self._last[device.topic]
            self.carry(device, room, device.topic, showing(device, last, on=on), retain=False, qos=qos)
            self._last[device.topic] = kept

    def last(self, topic: str) -> bytes | None:
        """The newest value on a topic."""
        return self._last.get(topic)


def showing(device: Device, payload: bytes, *, on: bool) -> bytes:
    """The same message, but that it shows presence, or none."""
    if isinstance(device, EsphomeNode):
        return b"ON" if on else b"OFF"
    fields = json.loads(payload)
    if isinstance(device, CounterPeriodic):
        fields["count"] = 3 if on else 0
    else:
        fields["occupancy"] = on
    return msgspec.json.encode(fields)


def _with_battery(payload: bytes, percent: int) -> bytes:
    fields = json.loads(payload)
    return msgspec.json.encode({**fields, "battery": percent})
