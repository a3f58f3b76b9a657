"""How a world's site is run: what its policies switch on, its holidays, rooms in shadow, a combined hall."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.core.units import HOUR_MS, Instant
from simulators import people
from simulators.office import OfficeRoom
from simulators.people import Behaviour, RoomDay, Visit, stream
from simulators.toml import table

HALL: Final = "hall"
"""The room that the first two rooms become when the wall between them is opened."""

HALL_BEHAVIOUR: Final = Behaviour(booked=0.12, walk_up=0.0, back_to_back=0.0, ghost=0.4)
HALL_HOURS: Final = (13 * HOUR_MS, 17 * HOUR_MS)

_OFTEN: Final = 0.35
_SELDOM: Final = 0.15


class House(msgspec.Struct, frozen=True):
    """The site's own choices."""

    policy: Mapping[str, Any] = {}
    """Settings of the default policy that differ from the product's."""
    shadow: frozenset[str] = frozenset()
    """Rooms that begin in shadow."""
    holidays: tuple[Instant, ...] = ()
    """UTC midnights of the days that the gateway is told of as holidays."""
    hall: OfficeRoom | None = None


def house(
    seed: int, rooms: Sequence[OfficeRoom], days: Sequence[Instant], holidays: frozenset[Instant]
) -> tuple[House, tuple[OfficeRoom, ...]]:
    """What this site has chosen, and its rooms: where there is a hall, people of it are in its parts."""
    rng = stream(seed, "house")
    policy: dict[str, Any] = {}
    if rng.random() < _OFTEN:
        policy["end_early"] = True
        policy["end_early_needs_history"] = False  # a few days are no history
    if rng.random() < _OFTEN:
        policy["walk_up"] = True
    if rng.random() < _SELDOM:
        policy["grace"] = rng.choice(("5m", "15m"))
    if rng.random() < _SELDOM:
        policy["hours"] = "mon-fri 06:00-16:00"
    shadow = frozenset(room.id for room in rooms if rng.random() < _SELDOM)
    if shadow:
        policy["live_after"] = 3
        policy["live_if_wrong_at_most"] = 1
    told = tuple(sorted(holidays)) if rng.random() < 0.5 else ()  # noqa: PLR2004 - half of the sites tell of them
    if rng.random() < _SELDOM and len(rooms) > 1:
        hall = _hall(seed, days)
        return House(policy, shadow, told, hall), (*(_beside(room, hall) for room in rooms[:2]), *rooms[2:])
    return House(policy, shadow, told), tuple(rooms)


def _hall(seed: int, days: Sequence[Instant]) -> OfficeRoom:
    opens, closes = HALL_HOURS
    plans = tuple(
        people.plan_day(HALL, day + opens, day + closes, HALL_BEHAVIOUR, stream(seed, "plan", HALL, day))
        for day in days
    )
    return OfficeRoom(HALL, "pir", (), plans)


def _beside(room: OfficeRoom, hall: OfficeRoom) -> OfficeRoom:
    """A part of the hall: whoever is in the hall is in it, for no booking of its own."""
    return msgspec.structs.replace(
        room, days=tuple(_with(day, there.visits) for day, there in zip(room.days, hall.days, strict=True))
    )


def _with(day: RoomDay, others: Sequence[Visit]) -> RoomDay:
    guests = (msgspec.structs.replace(visit, room=day.room, booking=None) for visit in others)
    return msgspec.structs.replace(
        day, visits=tuple(sorted((*day.visits, *guests), key=lambda v: (v.enter, v.leave)))
    )


def settings_text(
    site: House, rooms: Sequence[OfficeRoom], zone: str, poll: str, tenant: str, client: str
) -> str:
    """The gateway's configuration file for this site."""
    dates = [f"{datetime.fromtimestamp(day // 1_000, UTC):%Y-%m-%d}" for day in site.holidays]
    text = (
        f'[site]\nname = "Contoso"\ntime_zone = "{zone}"\nholiday_dates = [{", ".join(dates)}]\n'
        f'[ledger]\npath = "ledger.db"\nkeep = "7d"\n[mqtt]\nhost = "127.0.0.1"\nqueue_covers = "10m"\n'
        f'[exchange]\ntenant_id = "{tenant}"\nclient_id = "{client}"\nclient_secret_file = "secret"\n'
        f'poll = "{poll}"\n'
    )
    text += "\n".join(table("policy.default", site.policy)) + "\n"
    text += room_tables([room for room in rooms if room.id not in site.shadow])
    text += room_tables([room for room in rooms if room.id in site.shadow], mode="shadow")
    if site.hall is not None:
        parts = [room.id for room in rooms[:2]]
        hall = {"id": HALL, "mailbox": site.hall.mailbox, "mode": "live", "parts": parts}
        text += "\n".join(table("[room]", hall)) + "\n"
    return text


def room_tables(rooms: Iterable[OfficeRoom], mode: str = "live") -> str:
    """``[[room]]`` and ``[[room.sensor]]`` of each room, as TOML."""
    lines: list[str] = []
    for room in rooms:
        lines += table("[room]", {"id": room.id, "mailbox": room.mailbox, "mode": mode})
        for device in room.devices:
            lines += table("[room.sensor]", device.settings())
    return "\n".join(lines) + "\n"


def truly_inside(site: House, rooms: Sequence[OfficeRoom]) -> dict[str, tuple[Visit, ...]]:
    """Who really is in each room; in the hall also whoever is in one of its parts."""
    inside = {room.id: room.visits for room in rooms}
    if site.hall is not None:
        shared = [visit for room in rooms[:2] for visit in room.visits]
        inside[HALL] = tuple(sorted((*site.hall.visits, *shared), key=lambda v: (v.enter, v.leave)))
    return inside
