"""A simulated office: rooms, their sensors, their bookings and people, and one stream of messages."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.clock import Clock
from gateway.core.policy import RoomConfig
from gateway.core.units import HOUR_MS, MINUTE_MS, Instant
from simulators.people import Rates, RoomDay, plan_day, stream_of
from simulators.sensors import CounterPeriodic, Device, PirEsphome, PirZigbee, RadarEsphome, Sent

ROOM_NAMES: Final = (
    "orion",
    "lyra",
    "vega",
    "mira",
    "altair",
    "deneb",
    "rigel",
    "spica",
    "capella",
    "castor",
)

Fitting = Literal["radar+pir", "radar", "pir", "two-pirs", "zigbee", "counter"]
MIX: Final[tuple[Fitting, ...]] = ("radar+pir", "radar+pir", "radar", "radar+pir", "pir", "zigbee")
"""How the demo's rooms are fitted, in turn: mostly as recommended, and two as rooms often are."""

WARM_UP_MS: Final = 30 * MINUTE_MS
"""Sensors speak this long before the first booking."""

Publish = Callable[[str, str, bool], Awaitable[None]]
"""(topic, payload, retain), at QoS 1."""


def room_names(count: int) -> tuple[str, ...]:
    """So many room names; numbered when the stars run out."""
    return tuple(
        ROOM_NAMES[i]
        if i < len(ROOM_NAMES)
        else f"{ROOM_NAMES[i % len(ROOM_NAMES)]}-{i // len(ROOM_NAMES) + 1}"
        for i in range(count)
    )


def devices_of(room: str, fitting: Fitting) -> tuple[Device, ...]:
    """The sensors of a room."""
    radar = RadarEsphome(f"{room}-radar", f"esphome/{room}/presence")
    pir = PirEsphome(f"{room}-pir", f"esphome/{room}/motion")
    match fitting:
        case "radar+pir":
            return (radar, pir)
        case "radar":
            return (radar,)
        case "pir":
            return (pir,)
        case "two-pirs":
            return (pir, PirEsphome(f"{room}-pir-2", f"esphome/{room}/motion-2"))
        case "zigbee":
            return (PirZigbee(f"{room}-zigbee", f"{room}-pir"),)
        case "counter":
            return (CounterPeriodic(f"{room}-counter", f"lora/{room}/people"),)


@dataclass
class SimulatedRoom:
    """One room: how it is fitted, its day, its devices."""

    name: str
    fitting: Fitting
    day: RoomDay
    devices: tuple[Device, ...]

    @property
    def mailbox(self) -> str:
        """Its address in Exchange."""
        return f"{self.name}@contoso.com"

    @property
    def config(self) -> RoomConfig:
        """The room as the core sees it."""
        return RoomConfig(self.name, sensors=tuple(device.profile for device in self.devices))


@dataclass
class Office:
    """`rooms` rooms from `start` for `hours`: the same seed gives the same people, bookings and messages."""

    seed: int
    room_count: int
    start: Instant
    hours: float
    rates: Rates = field(default_factory=Rates)
    mix: Sequence[Fitting] = MIX
    rooms: dict[str, SimulatedRoom] = field(init=False)

    def __post_init__(self) -> None:
        """Plan every room's day."""
        self.rooms = {}
        for i, name in enumerate(room_names(self.room_count)):
            fitting = self.mix[i % len(self.mix)]
            day = plan_day(
                name, self.start + WARM_UP_MS, self.hours - WARM_UP_MS / HOUR_MS, self.rates, self.seed
            )
            self.rooms[name] = SimulatedRoom(name, fitting, day, devices_of(name, fitting))

    @property
    def end(self) -> Instant:
        """When the day is over."""
        return self.start + int(self.hours * HOUR_MS)

    def messages(self) -> Iterator[Sent]:
        """Every message of every device, in order of time."""
        streams = [
            device.messages(
                room.day.visits, self.start, self.end, stream_of(self.seed, name, device.profile.id)
            )
            for name, room in self.rooms.items()
            for device in room.devices
        ]
        return heapq.merge(*streams)


async def publish(
    office: Office, clock: Clock, send: Publish, done: Callable[[int], None] | None = None
) -> int:
    """Publish an office's messages in decision time; returns how many. `done` is told the number so far."""
    count = 0
    for sent in office.messages():
        wait = clock.seconds_until(sent.at)
        if wait > 0:
            await asyncio.sleep(wait)
        await send(sent.topic, sent.payload, sent.retained)
        count += 1
        if done is not None:
            done(count)
    return count
