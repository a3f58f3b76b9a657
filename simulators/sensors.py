"""Presence sensors as real ones behave: from who is in a room to the messages that they publish.

A device is a value; `messages` gives its whole stream between two instants, in order of time and
the same for the same seed. Each says in `settings` how a gateway is to be configured for it.

Motion is what a PIR sees of people: hits, with gaps in between. The gaps of quiet people follow the
UCI Room Occupancy recording (shared reference on MQTT, SQLite and sensors, section 7): per occupied
hour 16.8 gaps over a minute and 0.8 over five, the longest 490 s. Lively people move every few
seconds, and after two minutes at the latest.

Faults are no property of a device: a `Transform` takes a stream and gives another one.
"""

import heapq
import itertools
import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, NamedTuple

from gateway.core.policy import Senses, SensorProfile
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.durations import format_duration
from simulators.people import Activity, Stay, stream

LONGEST_QUIET_MS: Final[Duration] = 490 * SECOND_MS
"""Longest time without a hit while somebody is inside, of a well placed PIR (reference, section 7)."""
LONGEST_LIVELY_MS: Final[Duration] = 120 * SECOND_MS
LONG_GAP_MS: Final[Duration] = 60 * SECOND_MS
QUIET_LONG_SHARE: Final = 0.295
"""Share of quiet gaps over a minute; with the mean below it gives the recording's 16.8 an hour."""
QUIET_LONG_MEAN_MS: Final[Duration] = 78 * SECOND_MS
"""How much longer than a minute they are on average: 16.8 an hour over 1 min, 0.79 over 5 min."""
LIVELY_LONG_SHARE: Final = 0.06


class Emission(NamedTuple):
    """One message that a device publishes."""

    t: Instant
    topic: str
    payload: bytes
    retain: bool
    """Published with the retain flag. Whoever is subscribed at that moment gets it without the flag."""
    qos: int


Transform = Callable[[Iterator[Emission]], Iterator[Emission]]
"""What a fault is: a stream made into another one, still in order of time."""


def gap_ms(activity: Activity, rng: random.Random) -> Duration:
    """From one motion hit to the next while people are inside."""
    if activity == "lively":
        if rng.random() < LIVELY_LONG_SHARE:
            return rng.randint(20 * SECOND_MS, LONGEST_LIVELY_MS)
        return rng.randint(2 * SECOND_MS, 20 * SECOND_MS)
    if rng.random() >= QUIET_LONG_SHARE:
        return rng.randint(5 * SECOND_MS, LONG_GAP_MS)
    # Exponential, cut off at the longest: drawn by its inverse so that nothing piles up at the cut.
    most = 1 - math.exp(-(LONGEST_QUIET_MS - LONG_GAP_MS) / QUIET_LONG_MEAN_MS)
    return LONG_GAP_MS + round(-QUIET_LONG_MEAN_MS * math.log(1 - rng.random() * most))


def motion_hits(stays: Sequence[Stay], rng: random.Random) -> Iterator[Instant]:
    """When a well placed PIR sees movement: at each coming and going, and now and then in between."""
    for stay in stays:
        last = min(stay.enter + rng.randint(100, 900), stay.leave - 1)
        yield last
        while (hit := last + gap_ms(stay.activity, rng)) < stay.leave:
            last = hit
            yield last
        leaving = stay.leave - rng.randint(100, 900)
        if leaving > last:
            yield leaving


def on_spans(spans: Iterator[tuple[Instant, Instant]]) -> Iterator[tuple[Instant, Instant]]:
    """Spans in order of their begin, as spans that neither overlap nor touch."""
    current: tuple[Instant, Instant] | None = None
    for begin, end in spans:
        if current is not None and begin <= current[1]:
            current = current[0], max(current[1], end)
            continue
        if current is not None:
            yield current
        current = begin, end
    if current is not None:
        yield current


@dataclass(frozen=True, kw_only=True)
class Device(ABC):
    """What all devices share. `name` is unique within the office and stands in the topics."""

    name: str
    seed: int = 0
    unit: str = ""
    """The device (radio, power supply) that it shares with others; empty: its own."""

    family: ClassVar[str]

    @property
    @abstractmethod
    def topic(self) -> str:
        """Where its value is published."""

    @abstractmethod
    def profile(self) -> SensorProfile:
        """What it can prove, as an operator who knows it would configure it."""

    @abstractmethod
    def messages(self, stays: Sequence[Stay], start: Instant, end: Instant) -> Iterator[Emission]:
        """Everything it publishes from `start` (when it is switched on) until before `end`."""

    def options(self) -> dict[str, str]:
        """The options of its payload family."""
        return {}

    def source(self) -> dict[str, Any]:
        """How it publishes: the fields of `gateway.sensors.SensorSource`."""
        profile = self.profile()
        return {
            "sensor": self.name,
            "family": self.family,
            "topic": self.topic,
            "senses": profile.senses,
            "bridge": profile.bridge,
            "options": self.options(),
        }

    def settings(self) -> dict[str, Any]:
        """Its ``[[room.sensor]]`` table in a gateway's configuration: plain values, durations as text."""
        profile, default = self.profile(), SensorProfile("", "motion")
        table: dict[str, Any] = {
            "id": self.name,
            "family": self.family,
            "topic": self.topic,
            "senses": profile.senses,
            "hold": format_duration(profile.hold_ms),
        }
        if profile.heartbeat_ms is not None:
            table["heartbeat"] = format_duration(profile.heartbeat_ms)
        for key, value in (("latency", profile.latency_ms), ("device_hold", profile.device_hold_ms)):
            if value:
                table[key] = format_duration(value)
        for key in ("role", "says_clear", "loss_detectable", "at_qos1", "bridge", "unit"):
            if getattr(profile, key) != getattr(default, key):
                table[key] = getattr(profile, key)
        if self.options():
            table["options"] = self.options()
        return table

    def _rng(self, purpose: str) -> random.Random:
        return stream(self.seed, self.name, purpose)


@dataclass(frozen=True, kw_only=True)
class EsphomeNode(Device):
    """A node of ESPHome: plain ON and OFF, sent on each change and repeated each minute.

    ESPHome retains its states unless told otherwise; QoS 1 is what the gateway's own firmware
    configuration sets.
    """

    heartbeat_ms: Duration = MINUTE_MS
    qos: int = 1
    retain: bool = True

    family = "plain"
    senses: ClassVar[Senses]
    entity: ClassVar[str]

    @property
    def topic(self) -> str:
        """Where its value is published, as ESPHome names it by itself."""
        return f"{self.name}/binary_sensor/{self.entity}/state"

    @property
    def availability_topic(self) -> str:
        """Birth and will, as ESPHome names it by itself."""
        return f"{self.name}/status"

    def options(self) -> dict[str, str]:
        """Its options in the words of its family."""
        return {"on": "ON", "off": "OFF", "availability_topic": self.availability_topic}

    @abstractmethod
    def spans(self, stays: Sequence[Stay]) -> Iterator[tuple[Instant, Instant]]:
        """When its state is ON, in order, without overlaps."""

    def messages(self, stays: Sequence[Stay], start: Instant, end: Instant) -> Iterator[Emission]:
        """Everything it publishes from `start` until before `end`."""
        rng = self._rng("heartbeat")
        booted = start + rng.randint(0, SECOND_MS)
        yield Emission(booted, self.availability_topic, b"online", retain=True, qos=self.qos)
        changes = _changes(self.spans(stays), booted)
        first = booted + rng.randint(SECOND_MS, self.heartbeat_ms)
        beats = ((t, None) for t in itertools.count(first, self.heartbeat_ms))
        state = False
        # A timer of the node: its beats do not wait for changes, and repeat whatever holds by then.
        for t, change in heapq.merge(changes, beats, key=lambda pair: pair[0]):
            if t >= end:
                return
            state = state if change is None else change
            yield Emission(t, self.topic, b"ON" if state else b"OFF", retain=self.retain, qos=self.qos)


@dataclass(frozen=True, kw_only=True)
class RadarEsphome(EsphomeNode):
    """An LD2410-style radar: sees also those who sit still, and clears after a time-out of its own."""

    clears_after_ms: Duration = 10 * SECOND_MS
    """Time-out of the module after it last saw somebody; 5 to 30 s are usual."""

    senses = "presence"
    entity = "presence"

    def profile(self) -> SensorProfile:
        """What it can prove."""
        return SensorProfile(
            self.name,
            "presence",
            hold_ms=MINUTE_MS,
            heartbeat_ms=self.heartbeat_ms,
            device_hold_ms=self.clears_after_ms,
            at_qos1=self.qos > 0,
            unit=self.unit,
        )

    def spans(self, stays: Sequence[Stay]) -> Iterator[tuple[Instant, Instant]]:
        """When its state is ON, in order, without overlaps."""
        rng = self._rng("radar")
        inside = on_spans((stay.enter, stay.leave) for stay in stays)
        return on_spans(
            (enter + rng.randint(200, 1_000), leave + self.clears_after_ms) for enter, leave in inside
        )


@dataclass(frozen=True, kw_only=True)
class PirEsphome(EsphomeNode):
    """A PIR on an ESPHome node: ON while it sees movement and for a short hold of the module."""

    device_hold_ms: Duration = 10 * SECOND_MS

    senses = "motion"
    entity = "motion"

    def profile(self) -> SensorProfile:
        """What it can prove."""
        return SensorProfile(
            self.name,
            "motion",
            heartbeat_ms=self.heartbeat_ms,
            device_hold_ms=self.device_hold_ms,
            at_qos1=self.qos > 0,
            unit=self.unit,
        )

    def spans(self, stays: Sequence[Stay]) -> Iterator[tuple[Instant, Instant]]:
        """When its state is ON, in order, without overlaps."""
        hits = motion_hits(stays, self._rng("motion"))
        return on_spans((hit, hit + self.device_hold_ms) for hit in hits)


@dataclass(frozen=True, kw_only=True)
class ZigbeeBridge:
    """Zigbee2MQTT itself, which says whether it is online."""

    base: str = "zigbee2mqtt"

    def messages(self, start: Instant) -> Iterator[Emission]:
        """Its birth, before all of its devices."""
        yield Emission(start, f"{self.base}/bridge/state", b'{"state":"online"}', retain=True, qos=1)


@dataclass(frozen=True, kw_only=True)
class PirZigbee(Device):
    """A battery PIR behind Zigbee2MQTT: the device's own hold, and silence for up to an hour.

    Its `false` says that it has seen no movement for its hold, not that the room is empty.
    """

    base: str = "zigbee2mqtt"
    device_hold_ms: Duration = 90 * SECOND_MS
    """60 to 120 s are usual, and rarely adjustable."""
    heartbeat_ms: Duration = HOUR_MS
    """It speaks within this time; 50 to 60 min after its last message by itself."""
    qos: int = 0
    """What Zigbee2MQTT publishes states with unless told otherwise."""

    family = "zigbee2mqtt"

    @property
    def topic(self) -> str:
        """Where its value is published."""
        return f"{self.base}/{self.name}"

    def profile(self) -> SensorProfile:
        """What it can prove."""
        return SensorProfile(
            self.name,
            "motion",
            heartbeat_ms=self.heartbeat_ms,
            device_hold_ms=self.device_hold_ms,
            at_qos1=self.qos > 0,
            bridge=self.base,
            unit=self.unit,
        )

    def messages(self, stays: Sequence[Stay], start: Instant, end: Instant) -> Iterator[Emission]:
        """Everything it publishes from `start` until before `end`."""
        rng = self._rng("zigbee")
        booted = start + rng.randint(50, SECOND_MS)
        online = b'{"state":"online"}'
        yield Emission(booted, f"{self.topic}/availability", online, retain=True, qos=1)
        hits = motion_hits(stays, self._rng("motion"))
        spans = on_spans((hit, hit + self.device_hold_ms) for hit in hits)
        battery, state = rng.randint(60, 100), False
        beat = booted + self._beat(rng)
        # The end stands behind the last change so that the beats after it are sent as well.
        for t, change in itertools.chain(_changes(spans, booted), [(end, None)]):
            while beat < min(t, end):
                yield self._state(beat, state=state, battery=battery, link=rng.randint(60, 180))
                beat += self._beat(rng)
            if t >= end or change is None:
                return
            state = change
            yield self._state(t, state=state, battery=battery, link=rng.randint(60, 180))
            beat = t + self._beat(rng)

    def _beat(self, rng: random.Random) -> Duration:
        return rng.randint(self.heartbeat_ms * 5 // 6, self.heartbeat_ms)

    def _state(self, t: Instant, *, state: bool, battery: int, link: int) -> Emission:
        seen = datetime.fromtimestamp(t / SECOND_MS, UTC).isoformat(timespec="milliseconds")
        fields = {
            "battery": battery,
            "last_seen": seen.replace("+00:00", "Z"),
            "linkquality": link,
            "occupancy": state,
        }
        return Emission(t, self.topic, _compact(fields), retain=False, qos=self.qos)


@dataclass(frozen=True, kw_only=True)
class CounterPeriodic(Device):
    """A people counter that reports how many are inside at each interval, and nothing in between."""

    interval_ms: Duration = 10 * MINUTE_MS
    qos: int = 1

    family = "json"

    @property
    def topic(self) -> str:
        """Where its value is published."""
        return f"counters/{self.name}"

    def options(self) -> dict[str, str]:
        """Its options in the words of its family."""
        return {"path": "count", "battery_path": "battery"}

    def profile(self) -> SensorProfile:
        """What it can prove."""
        return SensorProfile(
            self.name,
            "count",
            hold_ms=2 * MINUTE_MS,
            latency_ms=self.interval_ms,
            heartbeat_ms=self.interval_ms,
            at_qos1=self.qos > 0,
            unit=self.unit,
        )

    def messages(self, stays: Sequence[Stay], start: Instant, end: Instant) -> Iterator[Emission]:
        """Everything it publishes from `start` until before `end`."""
        rng = self._rng("counter")
        battery = rng.randint(60, 100)
        for t in range(start + rng.randint(0, self.interval_ms - 1), end, self.interval_ms):
            count = sum(stay.people for stay in stays if stay.enter <= t < stay.leave)
            payload = _compact({"battery": battery, "count": count})
            yield Emission(t, self.topic, payload, retain=False, qos=self.qos)


def _changes(
    spans: Iterator[tuple[Instant, Instant]], booted: Instant
) -> Iterator[tuple[Instant, bool | None]]:
    """The state at boot, and each change after it."""
    first: bool | None = None
    for begin, until in spans:
        if until <= booted:
            continue
        if first is None:
            first = begin <= booted
            yield booted, first
        if begin > booted:
            yield begin, True
        yield until, False
    if first is None:
        yield booted, False


def _compact(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
