"""A plausible day of bookings, for the simulator that runs on its own."""

from random import Random
from typing import Final

from gateway.core.units import HOUR_MS, MINUTE_MS
from simulators.exchange import ExchangeSimulator, weekly
from simulators.exchange.places import RoomDetails, RoomList
from simulators.exchange.times import floor_to_day

ROOM_NAMES: Final = (
    "orion", "lyra", "vega", "cygnus", "draco", "aquila", "carina", "pavo", "corvus", "hydra",
    "phoenix", "perseus", "pegasus", "cetus", "lupus", "norma", "tucana", "columba", "gemini", "auriga",
)  # fmt: skip
ORGANIZERS: Final = tuple(f"{name}@contoso.com" for name in ("ash", "birch", "cedar", "elm", "fir", "hazel"))

_OPENS_MS: Final = 8 * HOUR_MS
_CLOSES_MS: Final = 18 * HOUR_MS
_SLOT_MS: Final = 30 * MINUTE_MS
_GAPS: Final = (0, 0, 1, 1, 2, 4)
_LENGTHS: Final = (1, 1, 2, 2, 3)
_RECURRING: Final = 0.25

ROOM_DOMAIN: Final = "contoso.com"
_ROOMS_A_BUILDING: Final = 12
_ROOMS_A_FLOOR: Final = 4
_FLOORS: Final = 3
_SIZES: Final = (4, 6, 8, 12, 20)


def room_addresses(count: int) -> list[str]:
    """So many rooms: constellations, numbered from the second round on."""
    names = len(ROOM_NAMES)
    return [
        f"{ROOM_NAMES[at % names]}{'' if at < names else at // names + 1}@{ROOM_DOMAIN}"
        for at in range(count)
    ]


def fill_day(simulator: ExchangeSimulator, seed: int) -> int:
    """Book every room from 8 to 18 h UTC of the simulator's present day; return how many bookings."""
    midnight = floor_to_day(simulator.now())
    booked = 0
    for room in simulator.mailboxes.rooms():
        random = Random(f"{seed}/{room.address}")
        at = midnight + _OPENS_MS + random.choice(_GAPS) * _SLOT_MS
        while True:
            end = at + random.choice(_LENGTHS) * _SLOT_MS
            if end > midnight + _CLOSES_MS:
                break
            recurrence = weekly(count=10) if random.random() < _RECURRING else None
            simulator.book(random.choice(ORGANIZERS), room.address, at, end, recurrence=recurrence)
            booked += 1
            at = end + random.choice(_GAPS) * _SLOT_MS
    return booked


def furnish(simulator: ExchangeSimulator) -> None:
    """Give the rooms buildings, floors and sizes, and a list for each building."""
    places = simulator.graph.places
    domain = ROOM_DOMAIN
    by_building: dict[str, list[str]] = {}
    for number, room in enumerate(simulator.mailboxes.rooms()):
        building = f"Building {number // _ROOMS_A_BUILDING + 1}"
        floor = number // _ROOMS_A_FLOOR % _FLOORS + 1
        by_building.setdefault(building, []).append(room.address)
        places.details[room.id] = RoomDetails(
            nickname=room.person.name,
            building=building,
            floorNumber=floor,
            floorLabel=str(floor),
            capacity=_SIZES[number % len(_SIZES)],
            displayDeviceName="Screen" if number % 2 else None,
        )
    places.lists = [
        RoomList(name, f"{name.lower().replace(' ', '.')}@{domain}", tuple(rooms))
        for name, rooms in by_building.items()
    ]
