"""Everybody and everything in a world, planned from its seed: rooms, devices, bookings, people, acts.

`people.plan_day` gives each room its day. On top, from streams of their own: people up to 45 min late,
overstays far into the next booking, cleaners, a daily series with its organizer's edits, all-day entries,
entries that the room itself organises, holidays, and second thoughts of organizers.
"""

import dataclasses
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from simulators import people
from simulators.faults import LEAP_DAY, SUMMER_TIME
from simulators.office import WEEKEND, Fitting, OfficeRoom, fit, room_names
from simulators.people import Behaviour, PlannedBooking, RoomDay, Visit, stream
from simulators.sensors import CounterPeriodic, Device, EsphomeNode, PirZigbee
from simulators.world.house import House, house

FITTINGS: Final[tuple[Fitting, ...]] = (
    "radar+pir",
    "zigbee-pir+zigbee-pir",
    "pir",
    "counter",
    "radar",
    "zigbee-pir",
    "pir+pir",
    "radar+pir",
)
ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York")
FIRST_MONDAY: Final[Instant] = 20_724 * DAY_MS  # 2026-09-28
FIRST_WEEKS: Final = 40
CLOCKS_CHANGE: Final = {
    "Europe/Berlin": (date(2026, 10, 25), date(2027, 3, 28)),
    "America/New_York": (date(2026, 11, 1), date(2027, 3, 14)),
}
"""Sundays on which a zone's clocks change."""
SUMMER_TIME_SHARE: Final = 0.12
LEAP_DAY_SHARE: Final = 0.04
TO_MONDAY: Final = 4
"""From the Thursday before such a Sunday to the Monday after it: so many days and one."""
NIGHTS: Final = 0.08
"""The share of runs in which the gateway is not switched off at night."""
OPENS_MS: Final = 7 * HOUR_MS
"""Of a day: gateway and sensors are switched on (UTC)."""
BOOKINGS_MS: Final = 9 * HOUR_MS
CLOSES_MS: Final = 18 * HOUR_MS
SHUTS_MS: Final = 19 * HOUR_MS
SERIES_MS: Final = 8 * HOUR_MS
"""Each room's hour before the other bookings belongs to its daily series."""
SERIES_LENGTH_MS: Final = 30 * MINUTE_MS
LATEST_MS: Final = 45 * MINUTE_MS

BEHAVIOUR: Final = Behaviour(ghost=0.38, leaves_early=0.14, last_minute=0.2, cancelled=0.08)

Deed = Literal[
    "book", "series", "cancel", "all_day", "own", "move", "extend", "retitle", "drop_one", "move_one",
    "check_in", "keep", "end", "close_breaker",
]  # fmt: skip


class Act(NamedTuple):
    """Something that a person does, in a calendar or at the panel by the door."""

    at: Instant
    deed: Deed
    room: str
    booking: str = ""
    """Key of the planned booking that it is about."""
    start: Instant = 0
    end: Instant = 0
    organizer: str = ""


class Cast(msgspec.Struct, frozen=True):
    """The whole plan of one run."""

    seed: int
    zone: str
    rooms: tuple[OfficeRoom, ...]
    days: tuple[Instant, ...]
    """UTC midnights of the working days."""
    acts: tuple[Act, ...]
    poll: str
    end: Instant
    site: House
    nights: bool = False
    """The gateway also runs at night and on weekends, when the sensors are switched off."""


class Begin(NamedTuple):
    """When and where a run begins."""

    first: Instant
    """UTC midnight of its first day."""
    zone: str
    special: str = ""
    """The kind of special day that lies in it (a change of the clocks, a leap day), if one was chosen."""


def begin(seed: int, days: int, faults: frozenset[str]) -> Begin:
    """A Monday of some week; or, where such days are chosen and long enough, days around a special one."""
    rng = stream(seed, "begin")
    zone = ZONES[rng.randrange(len(ZONES))]
    point, pick = rng.random(), rng.randrange(1_000)
    monday = FIRST_MONDAY + 7 * DAY_MS * rng.randrange(FIRST_WEEKS)
    changes = CLOCKS_CHANGE.get(zone, ())
    if SUMMER_TIME in faults and changes and point < SUMMER_TIME_SHARE and days > TO_MONDAY:
        sunday = changes[pick % len(changes)]
        return Begin(_midnight(sunday) - 3 * DAY_MS, zone, SUMMER_TIME)
    if LEAP_DAY in faults and point > 1 - LEAP_DAY_SHARE:
        return Begin(_midnight(date(2028, 2, 29)) - min(days - 1, 1) * DAY_MS, zone, LEAP_DAY)
    return Begin(monday, zone)


def _midnight(day: date) -> Instant:
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MS


def cast(seed: int, rooms: int, days: int, begins: Begin) -> Cast:
    """Plan it. `days` are calendar days from its begin on; nothing happens on weekends."""
    rng = stream(seed, "cast")
    first, zone, special = begins
    offset = rng.randrange(len(FITTINGS))
    working = tuple(
        day
        for day in range(first, first + days * DAY_MS, DAY_MS)
        if datetime.fromtimestamp(day / 1_000, UTC).weekday() not in WEEKEND
    )
    holidays = frozenset(day for day in working if rng.random() < 0.06)  # noqa: PLR2004 - a rate of this table
    planned = [
        _room(seed, name, FITTINGS[(offset + index) % len(FITTINGS)], working, holidays)
        for index, name in enumerate(room_names(rooms))
    ]
    acts = [act for _, room_acts in planned for act in room_acts]
    poll = rng.choice(("60s", "120s", "180s"))
    site, rooms_planned = house(seed, [room for room, _ in planned], working, holidays)
    for plan in site.hall.days if site.hall is not None else ():
        acts += _acts_of(plan, plan.opens // DAY_MS * DAY_MS, working[0], stream(seed, "extra", plan.room))
    acts.sort()
    nights = bool(special) or stream(seed, "nights").random() < NIGHTS
    end = first + days * DAY_MS
    return Cast(seed, zone, rooms_planned, working, tuple(acts), poll, end, site, nights)


def _room(
    seed: int, name: str, fitting: Fitting, working: Sequence[Instant], holidays: frozenset[Instant]
) -> tuple[OfficeRoom, list[Act]]:
    days: list[RoomDay] = []
    acts: list[Act] = []
    rng = stream(seed, "room", name)
    in_series = rng.random() < 0.6 and len(working) > 1  # noqa: PLR2004 - a rate
    organizer = f"person-{rng.randrange(people.PEOPLE_OF_THE_COMPANY):03d}@contoso.com"
    if in_series:
        begin = working[0] + SERIES_MS
        acts.append(Act(working[0] + OPENS_MS - HOUR_MS, "series", name, f"{name}-series", begin,
                        begin + SERIES_LENGTH_MS, organizer))  # fmt: skip
    for day in working:
        behaviour = BEHAVIOUR if day not in holidays else msgspec.structs.replace(
            BEHAVIOUR, ghost=1.0, late=0.0, leaves_early=0.0, lone_quiet=0.0, overstay=0.0, walk_up=0.0
        )  # fmt: skip
        plan = people.plan_day(
            name, day + BOOKINGS_MS, day + CLOSES_MS, behaviour, stream(seed, "plan", name, day)
        )
        extra = stream(seed, "extra", name, day)
        if in_series:
            plan = _with_series(plan, day, organizer, extra, ghost=day in holidays, acts=acts)
        if day not in holidays:
            plan = unruly(plan, extra)
        acts += _acts_of(plan, day, working[0], extra)
        days.append(plan)
    devices = tuple(_slowed(device, rng) for device in fit(name, fitting, seed))
    return OfficeRoom(name, fitting, devices, tuple(days)), acts


def _slowed(device: Device, rng: random.Random) -> Device:
    """Slow heartbeats, so that a year passes quickly; still often enough to prove a room empty."""
    if isinstance(device, EsphomeNode):
        return dataclasses.replace(device, heartbeat_ms=rng.choice((2, 5, 5)) * MINUTE_MS)
    if isinstance(device, PirZigbee):
        return dataclasses.replace(
            device, heartbeat_ms=rng.choice((8, 30, 50)) * MINUTE_MS, qos=rng.choice((0, 1))
        )
    if isinstance(device, CounterPeriodic):
        return dataclasses.replace(device, interval_ms=rng.choice((1, 5)) * MINUTE_MS)
    return device


def device_on(device: Device, day: Instant) -> Device:
    """The same device with another day's chance."""
    return dataclasses.replace(device, seed=device.seed * 100_003 + day // DAY_MS)


# -- people beyond `people.plan_day` ------------------------------------------------------------------


def _with_series(
    plan: RoomDay, day: Instant, organizer: str, rng: random.Random, *, ghost: bool, acts: list[Act]
) -> RoomDay:
    """The day's occurrence of the room's series, who comes for it, and what its organizer does to it."""
    start = day + SERIES_MS
    end = start + SERIES_LENGTH_MS
    key = f"{plan.room}-series"
    point = rng.random()
    at = start - rng.randint(5, 60) * MINUTE_MS
    if point < 0.06:  # noqa: PLR2004 - a rate
        acts.append(Act(at, "drop_one", plan.room, key, start, end))
        return plan
    if point < 0.12:  # noqa: PLR2004 - a rate
        acts.append(Act(at, "move_one", plan.room, key, start, start + 30 * MINUTE_MS))
        start, end = start + 30 * MINUTE_MS, end + 30 * MINUTE_MS
    elif point < 0.16:  # noqa: PLR2004 - a rate
        acts.append(Act(at, "retitle", plan.room, key))
    comes = not ghost and rng.random() >= BEHAVIOUR.ghost
    kind: people.Kind = "on_time" if comes else "ghost"
    booking = PlannedBooking(f"{key}@{day}", plan.room, start, end, organizer, kind, 4, start - DAY_MS)
    visits = plan.visits
    if comes:
        enter = start + rng.randint(-3 * MINUTE_MS, 5 * MINUTE_MS)
        leave = end - rng.randint(0, 3 * MINUTE_MS)
        visits = (*visits, Visit(plan.room, enter, leave, rng.randint(1, 4), "quiet", booking.key))
    return msgspec.structs.replace(
        plan,
        bookings=(booking, *plan.bookings),
        visits=tuple(sorted(visits, key=lambda v: (v.enter, v.leave))),
    )


def unruly(plan: RoomDay, rng: random.Random) -> RoomDay:
    """Some come very late, some overstay far into the next booking, and cleaners look in."""
    visits = list(plan.visits)
    ends = {booking.key: booking.end for booking in plan.bookings}
    starts = {booking.key: booking.start for booking in plan.bookings}
    for index, visit in enumerate(visits):
        if visit.booking is None:
            continue
        point = rng.random()
        if point < 0.04:  # noqa: PLR2004 - a rate
            enter = min(
                starts[visit.booking] + rng.randint(15 * MINUTE_MS, LATEST_MS), visit.leave - 5 * MINUTE_MS
            )
            if enter > visit.enter:
                visits[index] = msgspec.structs.replace(visit, enter=enter)
        elif point < 0.08:  # noqa: PLR2004 - a rate
            leave = ends[visit.booking] + rng.randint(6 * MINUTE_MS, 20 * MINUTE_MS)
            visits[index] = msgspec.structs.replace(visit, leave=max(visit.leave, leave))
    if rng.random() < 0.4:  # noqa: PLR2004 - a rate
        enter = rng.randint(plan.opens, plan.closes - 10 * MINUTE_MS)
        visits.append(Visit(plan.room, enter, enter + rng.randint(2, 8) * MINUTE_MS, 1, "lively"))
    return msgspec.structs.replace(plan, visits=tuple(sorted(visits, key=lambda v: (v.enter, v.leave))))


def _acts_of(plan: RoomDay, day: Instant, first: Instant, rng: random.Random) -> list[Act]:
    """What people do in calendars and at panels on this day."""
    acts: list[Act] = []
    earliest = first + OPENS_MS - HOUR_MS
    for booking in plan.bookings:
        if booking.key.startswith(f"{plan.room}-series"):
            continue
        made = max(booking.created_at, earliest)
        acts.append(Act(made, "book", plan.room, booking.key, booking.start, booking.end, booking.organizer))
        if booking.cancelled_at is not None:
            acts.append(Act(max(booking.cancelled_at, made + SECOND_MS), "cancel", plan.room, booking.key))
        acts += _second_thoughts(booking, rng)
    if rng.random() < 0.06:  # noqa: PLR2004 - a rate
        acts.append(Act(day + OPENS_MS, "all_day", plan.room, "", day, day + DAY_MS))
    if rng.random() < 0.15:  # noqa: PLR2004 - a rate
        start = day + BOOKINGS_MS + rng.randrange(16) * 30 * MINUTE_MS
        acts.append(Act(start - rng.randint(1, 20) * MINUTE_MS, "own", plan.room, f"{plan.room}-own-{day}",
                        start, start + 30 * MINUTE_MS))  # fmt: skip
    return acts


def _second_thoughts(booking: PlannedBooking, rng: random.Random) -> list[Act]:
    """An organizer moves, extends or retitles; somebody uses the panel."""
    room, key, start = booking.room, booking.key, booking.start
    attended = booking.kind not in ("ghost", "cancelled")
    point = rng.random()
    inside = rng.randint(start + 6 * MINUTE_MS, booking.end - MINUTE_MS)
    moved_at = rng.randint(start - 60 * MINUTE_MS, start + 20 * MINUTE_MS)
    later, longer = 60 * MINUTE_MS, booking.end + 15 * MINUTE_MS
    choices: tuple[tuple[float, bool, Act], ...] = (
        (0.05, booking.kind == "ghost", Act(moved_at, "move", room, key, start + later, booking.end + later)),
        (0.08, True, Act(inside, "extend", room, key, start, longer)),
        (0.12, True, Act(inside - 20 * MINUTE_MS, "retitle", room, key)),
        (0.18, attended, Act(inside, "check_in", room, key)),
        (0.21, attended, Act(booking.end - 2 * MINUTE_MS, "end", room, key)),
        (0.23, True, Act(start - 10 * MINUTE_MS, "keep", room, key)),
    )
    return next(([act] for below, fits, act in choices if fits and point < below), [])


def booked_rooms(plan: Cast) -> tuple[OfficeRoom, ...]:
    """Everything that can be booked: the rooms, and the hall where there is one."""
    return plan.rooms if plan.site.hall is None else (*plan.rooms, plan.site.hall)


def zone_of(plan: Cast) -> ZoneInfo:
    """The rooms' time zone."""
    return ZoneInfo(plan.zone)
