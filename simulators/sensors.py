"""Sensors as real devices behave: what each publishes while people come and go.

Figures from the shared reference on sensors, sections 6 to 8: a radar reports within about a second
and again each minute; a PIR reports motion, not presence, and stays on for its own hold; a Zigbee PIR
speaks about once an hour when nothing happens; a lone quiet person leaves a PIR quiet for minutes,
up to about 8 (the longest gap measured for a well placed pair was 490 s).
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from gateway.core.policy import SensorProfile
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from simulators.people import Visit

LONGEST_QUIET_MS: Duration = 490 * SECOND_MS


class Sent(NamedTuple):
    """One message of a device, QoS 1. Sorts by time."""

    at: Instant
    topic: str
    payload: str
    retained: bool = False


class Device(Protocol):
    """A simulated sensor."""

    @property
    def profile(self) -> SensorProfile:
        """What it can prove."""
        ...

    @property
    def settings(self) -> dict[str, str | dict[str, str]]:
        """How a gateway's configuration describes it (the keys of a ``[[room.sensor]]`` table)."""
        ...

    def messages(
        self, visits: Sequence[Visit], start: Instant, end: Instant, chance: random.Random
    ) -> list[Sent]:
        """Everything it publishes between two instants while these people come and go."""
        ...


Transform = Callable[[Iterator[Sent]], Iterator[Sent]]
"""What happens to a device's messages on their way: loss, delay, noise. None happens here."""


def beats(start: Instant, end: Instant, every: Duration, chance: random.Random) -> Iterator[Instant]:
    """The instants of a heartbeat, at a phase of its own."""
    at = start + chance.randrange(every)
    while at < end:
        yield at
        at += every


def merged(visits: Sequence[Visit]) -> list[tuple[Instant, Instant]]:
    """The intervals in which anybody is in the room."""
    intervals: list[tuple[Instant, Instant]] = []
    for visit in sorted(visits, key=lambda visit: visit.enter):
        if intervals and visit.enter <= intervals[-1][1]:
            intervals[-1] = (intervals[-1][0], max(intervals[-1][1], visit.leave))
        else:
            intervals.append((visit.enter, visit.leave))
    return intervals


def motion_of(visits: Sequence[Visit], chance: random.Random) -> list[Instant]:
    """When a well placed motion sensor sees something move: on entering, leaving, and in between."""
    hits: list[Instant] = []
    for visit in visits:
        at = visit.enter + chance.randint(300, 1_500)
        while at < visit.leave:
            hits.append(at)
            at += _quiet_gap(visit, chance)
        hits.append(visit.leave - 500)
    return sorted(hits)


def _quiet_gap(visit: Visit, chance: random.Random) -> Duration:
    """The time until the next movement: seconds among several people, minutes with one who reads."""
    median_s = 75.0 if visit.activity == "quiet" else 40.0 / visit.people
    gap_s = chance.lognormvariate(math.log(median_s), 0.9)
    return min(max(int(gap_s * SECOND_MS), SECOND_MS), LONGEST_QUIET_MS)


def on_off(signs: Sequence[tuple[Instant, Instant]], hold: Duration) -> list[tuple[Instant, bool]]:
    """When a device goes on and off that holds its state for so long after the last sign."""
    changes: list[tuple[Instant, bool]] = []
    until: Instant | None = None
    for begin, end in signs:
        if until is None or begin > until:
            if until is not None:
                changes.append((until, False))
            changes.append((begin, True))
            until = end + hold
        else:
            until = max(until, end + hold)
    if until is not None:
        changes.append((until, False))
    return changes


@dataclass(frozen=True)
class _Periodic:
    """A device that tells its state on every change and again with every heartbeat, in plain words."""

    id: str
    topic: str
    heartbeat: Duration = MINUTE_MS

    def _told(
        self, changes: list[tuple[Instant, bool]], start: Instant, end: Instant, chance: random.Random
    ) -> list[Sent]:
        told = list(changes)
        state, pending = False, list(changes)
        for beat in beats(start, end, self.heartbeat, chance):
            while pending and pending[0][0] <= beat:
                state = pending.pop(0)[1]
            told.append((beat, state))
        sent = [Sent(at, self.topic, "ON" if on else "OFF") for at, on in told if start <= at < end]
        return [Sent(start, f"{self.topic}/status", "online", retained=True), *sorted(sent)]

    def _settings(self, profile: SensorProfile) -> dict[str, str | dict[str, str]]:
        return {
            "id": self.id,
            "family": "plain",
            "topic": self.topic,
            "senses": profile.senses,
            "heartbeat": f"{self.heartbeat // SECOND_MS}s",
            "device_hold": f"{profile.device_hold_ms // SECOND_MS}s",
            "options": {"availability_topic": f"{self.topic}/status"},
        }


@dataclass(frozen=True)
class RadarEsphome(_Periodic):
    """An LD2410 radar behind ESPHome: presence, also of people who sit still."""

    device_hold: Duration = 15 * SECOND_MS

    @property
    def profile(self) -> SensorProfile:
        """Radar: holds for a minute; its heartbeats repeat its state, so a lost message is noticed."""
        return SensorProfile(
            self.id,
            "presence",
            hold_ms=MINUTE_MS,
            heartbeat_ms=self.heartbeat,
            device_hold_ms=self.device_hold,
            loss_detectable=True,
            at_qos1=True,
        )

    @property
    def settings(self) -> dict[str, str | dict[str, str]]:
        """See `Device.settings`."""
        return {**self._settings(self.profile), "loss_detectable": "true", "at_qos1": "true"}

    def messages(
        self, visits: Sequence[Visit], start: Instant, end: Instant, chance: random.Random
    ) -> list[Sent]:
        """See `Device.messages`."""
        seen = [(enter + chance.randint(200, 1_200), leave) for enter, leave in merged(visits)]
        return self._told(on_off(seen, self.device_hold), start, end, chance)


@dataclass(frozen=True)
class PirEsphome(_Periodic):
    """A PIR behind ESPHome: motion with a short hold of its own, and its state each minute."""

    device_hold: Duration = 10 * SECOND_MS

    @property
    def profile(self) -> SensorProfile:
        """PIR: people may sit still for ten minutes after the last motion."""
        return SensorProfile(
            self.id,
            "motion",
            hold_ms=10 * MINUTE_MS,
            heartbeat_ms=self.heartbeat,
            device_hold_ms=self.device_hold,
            at_qos1=True,
        )

    @property
    def settings(self) -> dict[str, str | dict[str, str]]:
        """See `Device.settings`."""
        return {**self._settings(self.profile), "at_qos1": "true"}

    def messages(
        self, visits: Sequence[Visit], start: Instant, end: Instant, chance: random.Random
    ) -> list[Sent]:
        """See `Device.messages`."""
        hits = [(hit, hit) for hit in motion_of(visits, chance)]
        return self._told(on_off(hits, self.device_hold), start, end, chance)


@dataclass(frozen=True)
class PirZigbee:
    """A battery PIR behind Zigbee2MQTT: on for a minute and a half per hit, silent for about an hour."""

    id: str
    name: str
    base: str = "zigbee2mqtt"
    device_hold: Duration = 90 * SECOND_MS
    heartbeat: Duration = 55 * MINUTE_MS

    @property
    def topic(self) -> str:
        """Where Zigbee2MQTT publishes its state."""
        return f"{self.base}/{self.name}"

    @property
    def profile(self) -> SensorProfile:
        """Its heartbeat is too slow to prove vacancy in time; it helps, and says so in check-config."""
        return SensorProfile(
            self.id, "motion", heartbeat_ms=HOUR_MS, device_hold_ms=self.device_hold, bridge=self.base
        )

    @property
    def settings(self) -> dict[str, str | dict[str, str]]:
        """See `Device.settings`."""
        return {
            "id": self.id,
            "family": "zigbee2mqtt",
            "topic": self.topic,
            "senses": "motion",
            "heartbeat": "1h",
            "device_hold": f"{self.device_hold // SECOND_MS}s",
        }

    def messages(
        self, visits: Sequence[Visit], start: Instant, end: Instant, chance: random.Random
    ) -> list[Sent]:
        """See `Device.messages`."""
        changes = on_off([(hit, hit) for hit in motion_of(visits, chance)], self.device_hold)
        told, state, pending = list(changes), False, list(changes)
        for beat in beats(start, end, self.heartbeat, chance):
            while pending and pending[0][0] <= beat:
                state = pending.pop(0)[1]
            told.append((beat, state))
        battery = chance.randint(60, 100)
        sent = [
            Sent(at, self.topic, self._state(on, battery, at, chance)) for at, on in told if start <= at < end
        ]
        return [
            Sent(start, f"{self.base}/bridge/state", '{"state":"online"}', retained=True),
            Sent(start, f"{self.topic}/availability", '{"state":"online"}', retained=True),
            *sorted(sent),
        ]

    def _state(self, on: bool, battery: int, at: Instant, chance: random.Random) -> str:
        state = {
            "occupancy": on,
            "battery": battery,
            "linkquality": chance.randint(60, 160),
            "last_seen": at,
        }
        return msgspec.json.encode(state).decode()


@dataclass(frozen=True)
class CounterPeriodic:
    """A people counter over LoRaWAN: the number of people each ten minutes, as JSON."""

    id: str
    topic: str
    interval: Duration = 10 * MINUTE_MS

    @property
    def profile(self) -> SensorProfile:
        """It may report people ten minutes late, and says nothing in between."""
        return SensorProfile(
            self.id, "count", hold_ms=2 * MINUTE_MS, latency_ms=self.interval, heartbeat_ms=self.interval
        )

    @property
    def settings(self) -> dict[str, str | dict[str, str]]:
        """See `Device.settings`."""
        interval = f"{self.interval // SECOND_MS}s"
        return {
            "id": self.id,
            "family": "json",
            "topic": self.topic,
            "senses": "count",
            "heartbeat": interval,
            "latency": interval,
            "options": {"path": "people"},
        }

    def messages(
        self, visits: Sequence[Visit], start: Instant, end: Instant, chance: random.Random
    ) -> list[Sent]:
        """See `Device.messages`."""
        return [
            Sent(at, self.topic, f'{{"people":{_count(visits, at)}}}')
            for at in beats(start, end, self.interval, chance)
        ]


def _count(visits: Sequence[Visit], at: Instant) -> int:
    return sum(visit.people for visit in visits if visit.enter <= at < visit.leave)
