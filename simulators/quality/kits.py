"""Sensor sets that are compared, and the devices that only this comparison needs.

To add a set: its function and its row in `KITS`.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from gateway.core.policy import SensorProfile
from gateway.core.units import MINUTE_MS, SECOND_MS, Duration, Instant
from simulators.office import Fitting, fit
from simulators.people import Stay
from simulators.sensors import Device, PirEsphome, RadarEsphome, gap_ms, on_spans

BLIND_GAPS_PER_HOUR: Final = (
    (1 * MINUTE_MS, 11.7),
    (5 * MINUTE_MS, 1.53),
    (10 * MINUTE_MS, 0.61),
    (15 * MINUTE_MS, 0.31),
    (30 * MINUTE_MS, 0.24),
    (63 * MINUTE_MS, 0.0),
)
"""Gaps longer than this per occupied hour of S7, the badly placed PIR of the UCI recording; its longest is
62 min 37 s."""
BLIND_LONG_SHARE: Final = 0.51
"""Share of its gaps over a minute, so that gaps and hours of the table fit together."""
BLIND_AT_THE_DOOR: Final = 0.5
"""How often it sees somebody come or go. An assumption: nobody has measured it."""
LOST_EVERY_MS: Final[Duration] = 8 * MINUTE_MS
LOST_FOR_MS: Final = (10 * SECOND_MS, 3 * MINUTE_MS)
"""How often, and for how long, an unsteady radar loses people who sit still. An assumption as well."""


@dataclass(frozen=True, kw_only=True)
class UnsteadyRadar(RadarEsphome):
    """A radar at the edge of its reach: it loses those who sit still for up to three minutes at a time."""

    def spans(self, stays: Sequence[Stay]) -> Iterator[tuple[Instant, Instant]]:
        """When its state is ON, in order, without overlaps."""
        rng = self._rng("lost")
        return on_spans(
            (begin, until + self.clears_after_ms) for stay in stays for begin, until in _in_sight(stay, rng)
        )


def _in_sight(stay: Stay, rng: random.Random) -> Iterator[tuple[Instant, Instant]]:
    begin = stay.enter + rng.randint(200, 1_000)
    while stay.activity == "quiet":
        lost = begin + round(rng.expovariate(1 / LOST_EVERY_MS))
        if lost >= stay.leave:
            break
        yield begin, lost
        begin = lost + rng.randint(*LOST_FOR_MS)
        if begin >= stay.leave:
            return
    yield begin, max(begin, stay.leave)


@dataclass(frozen=True, kw_only=True)
class BlindPir(PirEsphome):
    """A PIR that looks past the chairs: as S7 of the UCI recording with quiet people.

    Lively people it sees about as well as a good one sees quiet people.
    """

    def spans(self, stays: Sequence[Stay]) -> Iterator[tuple[Instant, Instant]]:
        """When its state is ON, in order, without overlaps."""
        rng = self._rng("motion")
        return on_spans((hit, hit + self.device_hold_ms) for stay in stays for hit in _rare_hits(stay, rng))


def _rare_hits(stay: Stay, rng: random.Random) -> Iterator[Instant]:
    at = stay.enter + rng.randint(100, 900)
    if rng.random() < BLIND_AT_THE_DOOR and at < stay.leave:
        yield at
    while True:
        at += gap_ms("quiet", rng) if stay.activity == "lively" else blind_gap_ms(rng)
        if at >= stay.leave:
            break
        yield at
    if rng.random() < BLIND_AT_THE_DOOR:
        yield max(stay.enter, stay.leave - rng.randint(100, 900))


def blind_gap_ms(rng: random.Random) -> Duration:
    """From one hit to the next of a badly placed PIR, while quiet people are inside."""
    if rng.random() >= BLIND_LONG_SHARE:
        return rng.randint(5 * SECOND_MS, MINUTE_MS)
    longer = rng.random() * BLIND_GAPS_PER_HOUR[0][1]
    for (low, more), (high, fewer) in itertools.pairwise(BLIND_GAPS_PER_HOUR):
        if longer >= fewer:
            return round(low + (high - low) * (more - longer) / (more - fewer))
    raise AssertionError("the table ends with 0, and nothing is below that")


@dataclass(frozen=True, kw_only=True)
class DoorBeam(PirEsphome):
    """A beam or contact at the door: one hit for each coming and going, nothing in between."""

    def profile(self) -> SensorProfile:
        """What it can prove: arrivals."""
        return msgspec.structs.replace(super().profile(), role="door")

    def spans(self, stays: Sequence[Stay]) -> Iterator[tuple[Instant, Instant]]:
        """When its state is ON, in order, without overlaps."""
        passing = sorted({edge for stay in stays for edge in (stay.enter, stay.leave)})
        return on_spans((at, at + 2 * SECOND_MS) for at in passing)


class Kit(NamedTuple):
    """A set of sensors in one room."""

    name: str
    words: str
    devices: Callable[[str, int], tuple[Device, ...]]
    """By the room's name and a seed."""
    promised: bool = False
    """The goal holds here: 95 % of what can be recovered, and no room taken from people that are seen."""
    fails: bool = False
    """Its devices fail now and then (`simulators.quality.scene.failures`)."""


def _fitted(name: Fitting) -> Callable[[str, int], tuple[Device, ...]]:
    return lambda room, seed: fit(room, name, seed)


KITS: Final = {
    kit.name: kit
    for kit in (
        Kit("radar", "a radar that sees everybody", _fitted("radar"), promised=True),
        Kit("radar+pir", "the same, and a PIR beside it", _fitted("radar+pir"), promised=True),
        Kit(
            "unsteady-radar",
            "a radar that loses still people for up to 3 min at a time",
            lambda room, seed: (UnsteadyRadar(name=f"{room}-radar", seed=seed),),
        ),
        Kit("pir+pir", "two PIRs that speak each minute (ESPHome)", _fitted("pir+pir")),
        Kit("pir", "one PIR that speaks each minute (ESPHome)", _fitted("pir")),
        Kit(
            "zigbee-pir+zigbee-pir",
            "two battery PIRs behind Zigbee2MQTT: 90 s device hold, hourly heartbeat",
            _fitted("zigbee-pir+zigbee-pir"),
        ),
        Kit("zigbee-pir", "one battery PIR behind Zigbee2MQTT", _fitted("zigbee-pir")),
        Kit("counter", "a people counter that reports each 10 min (LoRaWAN)", _fitted("counter")),
        Kit(
            "blind-pir",
            "one PIR that hangs badly, modelled on S7 of the UCI recording",
            lambda room, seed: (BlindPir(name=f"{room}-pir", seed=seed),),
        ),
        Kit(
            "door",
            "a sensor at the door alone",
            lambda room, seed: (DoorBeam(name=f"{room}-door", seed=seed),),
        ),
        Kit("failing-radar", "the radar, failing now and then", _fitted("radar"), fails=True),
        Kit(
            "failing-radar+pir", "radar and PIR, each failing now and then", _fitted("radar+pir"), fails=True
        ),
        Kit("failing-pir+pir", "two PIRs, each failing now and then", _fitted("pir+pir"), fails=True),
    )
}


def delays_of(device: Device) -> tuple[Duration, Duration]:
    """The shortest and the longest way of its messages to the gateway."""
    profile = device.profile()
    if profile.latency_ms:
        return 300, 3_000  # a LoRaWAN network server waits for other gateways' copies
    return (30, 400) if profile.bridge else (5, 150)
