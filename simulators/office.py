"""A simulated office: rooms, their sensors, the day that is planned for them, and what really happens.

Everything follows from the seed. `messages` is the merged stream of all devices in order of time;
`publish` sends it as time goes by on any clock, `run_office_publisher` to a broker.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Literal, Protocol, get_args

import msgspec

from gateway.clock import Clock
from gateway.core.policy import RoomConfig
from gateway.core.units import DAY_MS, HOUR_MS, Duration, Instant
from simulators import people
from simulators.clock import ScaledClock
from simulators.mqtt_tools import BrokerAddress, connected
from simulators.people import Behaviour, PlannedBooking, RoomDay, Stay, Visit
from simulators.sensors import (
    CounterPeriodic,
    Device,
    Emission,
    PirEsphome,
    PirZigbee,
    RadarEsphome,
    Transform,
    ZigbeeBridge,
)

Fitting = Literal["radar+pir", "radar", "pir", "pir+pir", "zigbee-pir", "zigbee-pir+zigbee-pir", "counter"]
"""Which sensors hang in a room."""
FITTINGS: Final[tuple[Fitting, ...]] = get_args(Fitting)

DEFAULT_MIX: Final[tuple[Fitting, ...]] = (
    "radar+pir",
    "radar",
    "radar+pir",
    "pir",
    "radar+pir",
    "zigbee-pir",
)
"""Sensors of the first six rooms; more rooms begin again."""

ROOM_NAMES: Final = (
    "orion",
    "lyra",
    "vega",
    "cygnus",
    "altair",
    "draco",
    "rigel",
    "perseus",
    "antares",
    "corvus",
    "deneb",
    "phoenix",
)
DOMAIN: Final = "contoso.com"
WORKDAY_MS: Final[Duration] = 10 * HOUR_MS
"""Bookings lie within this time after each day's start."""
WEEKEND: Final = (5, 6)
PROGRESS_EVERY: Final = 100
"""Messages between two calls of a progress callback."""


class Publish(Protocol):
    """How a message leaves: to a broker, to a link in the same process, to a list."""

    def __call__(self, topic: str, payload: bytes, retain: bool, qos: int) -> Awaitable[None]:  # noqa: D102 - the class says it
        ...


class OfficeRoom(msgspec.Struct, frozen=True):
    """One room: what hangs in it, and what happens there day by day."""

    id: str
    fitting: Fitting
    devices: tuple[Device, ...]
    days: tuple[RoomDay, ...]

    @property
    def mailbox(self) -> str:
        """Its invented address."""
        return f"{self.id}@{DOMAIN}"

    @property
    def config(self) -> RoomConfig:
        """The room as the core sees it, in shadow and with the default policy."""
        return RoomConfig(self.id, sensors=tuple(device.profile() for device in self.devices))

    @property
    def bookings(self) -> tuple[PlannedBooking, ...]:
        """All bookings, in order of their start."""
        return tuple(booking for day in self.days for booking in day.bookings)

    @property
    def visits(self) -> tuple[Visit, ...]:
        """All visits, in order of coming."""
        return tuple(visit for day in self.days for visit in day.visits)

    @property
    def stays(self) -> tuple[Stay, ...]:
        """When people are inside, and how many."""
        return people.stays(self.visits)


class Office:
    """Rooms with devices and plans from `start_ms` on, for `hours`.

    Days are counted from `start_ms`. Bookings are planned for the first ten hours of each after the
    warm-up, and none on what is a Saturday or Sunday in UTC. People who come for the first booking may
    be in a little before it, and the last may stay a little beyond the end.
    """

    def __init__(
        self,
        seed: int,
        rooms: int | Sequence[str] = 6,
        *,
        start_ms: Instant,
        hours: float = 4.0,
        warm_up_ms: Duration = 0,
        behaviour: Behaviour | None = None,
        sensor_mix: Sequence[Fitting] = DEFAULT_MIX,
        transforms: Mapping[str, Transform] | None = None,
    ) -> None:
        """Plan it. Raises ValueError for what cannot be an office.

        `warm_up_ms`: how long sensors speak on each day before its first booking may begin.
        `transforms`: by a device's name, what is done to its stream.
        """
        names = room_names(rooms) if isinstance(rooms, int) else tuple(rooms)
        if not names or not sensor_mix or hours <= 0:
            raise ValueError("an office needs a room, a sensor mix and hours above 0")
        if len(set(names)) != len(names):
            raise ValueError("two rooms have the same name")
        self.seed = seed
        self.start_ms: Instant = start_ms
        self.end_ms: Instant = start_ms + round(hours * HOUR_MS)
        self.warm_up_ms: Duration = warm_up_ms
        self.behaviour = Behaviour() if behaviour is None else behaviour
        self.rooms: tuple[OfficeRoom, ...] = tuple(
            self._room(name, sensor_mix[index % len(sensor_mix)]) for index, name in enumerate(names)
        )
        self._transforms = dict(transforms or {})
        unknown = set(self._transforms) - {device.name for room in self.rooms for device in room.devices}
        if unknown:
            raise ValueError(f"no device is called {', '.join(sorted(unknown))}")

    def _room(self, name: str, fitting: Fitting) -> OfficeRoom:
        days = tuple(
            people.plan_day(name, opens, closes, self.behaviour, people.stream(self.seed, "plan", name, day))
            for day, opens, closes in self._workdays()
        )
        return OfficeRoom(name, fitting, fit(name, fitting, self.seed), days)

    def _workdays(self) -> Iterator[tuple[int, Instant, Instant]]:
        first = self.start_ms + self.warm_up_ms
        for day, opens in enumerate(range(first, self.end_ms, DAY_MS)):
            if datetime.fromtimestamp(opens / 1_000, UTC).weekday() not in WEEKEND:
                yield day, opens, min(opens + WORKDAY_MS, self.end_ms)

    def room(self, room: str) -> OfficeRoom:
        """The room of this name. Raises KeyError."""
        for candidate in self.rooms:
            if candidate.id == room:
                return candidate
        raise KeyError(room)

    @property
    def bookings(self) -> tuple[PlannedBooking, ...]:
        """The bookings of all rooms, in order of their creation."""
        found = [booking for room in self.rooms for booking in room.bookings]
        return tuple(sorted(found, key=lambda booking: (booking.created_at, booking.key)))

    def present(self, room: str, t: Instant) -> int:
        """How many people really are in the room at `t`."""
        return people.present(self.room(room).visits, t)

    def attended(self, booking: PlannedBooking) -> bool:
        """Whether anybody really came for the booking."""
        return people.attended(booking, self.room(booking.room).visits)

    def ghosts(self) -> tuple[PlannedBooking, ...]:
        """All bookings that stood at their start and that nobody attended."""
        return tuple(ghost for room in self.rooms for day in room.days for ghost in day.ghosts())

    def messages(self) -> Iterator[Emission]:
        """Everything all devices publish, in order of time; ties in the order of rooms and devices."""
        streams: list[Iterator[Emission]] = [
            ZigbeeBridge(base=base).messages(self.start_ms) for base in self._bridges()
        ]
        for room in self.rooms:
            stays = room.stays
            for device in room.devices:
                stream = device.messages(stays, self.start_ms, self.end_ms)
                transform = self._transforms.get(device.name)
                streams.append(stream if transform is None else transform(stream))
        return heapq.merge(*streams, key=attrgetter("t"))

    def _bridges(self) -> list[str]:
        devices = (device for room in self.rooms for device in room.devices)
        return sorted({device.base for device in devices if isinstance(device, PirZigbee)})

    def gateway_rooms(self) -> list[dict[str, Any]]:
        """The ``[[room]]`` tables of a gateway's configuration for this office, as plain values."""
        return [
            {
                "id": room.id,
                "name": room.id.capitalize(),
                "mailbox": room.mailbox,
                "sensor": [device.settings() for device in room.devices],
            }
            for room in self.rooms
        ]


def fit(room: str, fitting: Fitting, seed: int) -> tuple[Device, ...]:
    """The devices of a room. Raises ValueError for an unknown fitting."""
    radar = RadarEsphome(name=f"{room}-radar", seed=seed)
    pir = PirEsphome(name=f"{room}-pir", seed=seed)
    zigbee = PirZigbee(name=f"{room}-motion", seed=seed)
    fittings: Mapping[str, tuple[Device, ...]] = {
        "radar+pir": (radar, pir),
        "radar": (radar,),
        "pir": (pir,),
        "pir+pir": (pir, PirEsphome(name=f"{room}-pir-2", seed=seed)),
        "zigbee-pir": (zigbee,),
        "zigbee-pir+zigbee-pir": (zigbee, PirZigbee(name=f"{room}-motion-2", seed=seed)),
        "counter": (CounterPeriodic(name=f"{room}-counter", seed=seed),),
    }
    if fitting not in fittings:
        raise ValueError(f"there is no fitting {fitting!r}; there are {', '.join(fittings)}")
    return fittings[fitting]


async def publish(
    office: Office, clock: Clock, publisher: Publish, progress: Callable[[int, Instant], None] | None = None
) -> int:
    """Publish the office's messages as `clock` reaches their times; how many there were.

    Each wait is counted from the clock and not from the message before, so delays never add up:
    after a hold-up everything overdue follows at once. `progress` is given the count and the time
    of the newest message, now and then and at the end.
    """
    count, newest = 0, office.start_ms
    for message in office.messages():
        while (wait_s := clock.seconds_until(message.t)) > 0:  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(wait_s)
        await publisher(message.topic, message.payload, retain=message.retain, qos=message.qos)
        count, newest = count + 1, message.t
        if progress is not None and count % PROGRESS_EVERY == 0:
            progress(count, newest)
    if progress is not None:
        progress(count, newest)
    return count


async def run_office_publisher(
    address: BrokerAddress,
    office: Office,
    *,
    speed: float = 1.0,
    clock: Clock | None = None,
    progress: Callable[[int, Instant], None] | None = None,
) -> int:
    """Publish an office to a broker until its hours are over; the number of messages.

    Without a `clock`, decision time begins at the office's start and runs `speed` times as fast as
    the wall. Raises `simulators.mqtt_tools.BrokerRefusedError`, and ValueError for a bad speed.
    """
    async with connected(address) as client:

        async def send(topic: str, payload: bytes, retain: bool, qos: int) -> None:
            await client.publish(topic, payload, qos=qos, retain=retain)

        return await publish(office, clock or ScaledClock(office.start_ms, speed), send, progress)


def room_names(count: int) -> tuple[str, ...]:
    """So many names: stars and constellations, numbered from the second round on."""
    return tuple(
        ROOM_NAMES[index % len(ROOM_NAMES)]
        + (f"-{index // len(ROOM_NAMES) + 1}" if index >= len(ROOM_NAMES) else "")
        for index in range(count)
    )
