"""A room over some days: who books it, who really comes, and what a gateway would hear of that.

The messages are those that the simulated devices publish, decoded by the gateway's own families, each with
its way to the gateway. Nights are left out: a day has twelve hours, ten of them with bookings, and the next
one follows at once.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from gateway.core.events import Availability, BridgeState, Reading
from gateway.core.policy import RoomConfig, SensorProfile
from gateway.core.units import HOUR_MS, NEVER, Duration, Instant
from gateway.sensors import Missed, Router, SensorSource, build_router
from simulators import people
from simulators.office import WORKDAY_MS
from simulators.people import Behaviour, PlannedBooking, Stay, Visit, stream
from simulators.quality.kits import Kit, delays_of
from simulators.sensors import Device, Emission, ZigbeeBridge
from simulators.world.cast import FIRST_MONDAY, unruly

DAY_LENGTH_MS: Final[Duration] = 12 * HOUR_MS
WARM_UP_MS: Final[Duration] = HOUR_MS
FIRST_WARM_UP_MS: Final[Duration] = 3 * HOUR_MS
"""Before the very first day: sensors that speak each hour have spoken by then."""
REACH_MS: Final[Duration] = 4 * HOUR_MS
"""No visit is longer than this, so those around a booking are found without looking at all."""
ROOM: Final = "orion"

FAILS_EVERY_MS: Final[Duration] = 10 * DAY_LENGTH_MS
FAILS_FOR_MS: Final = (HOUR_MS, 8 * HOUR_MS)
"""How often a device that fails does so, and for how long. Far more often than real ones: to be counted."""

Fact = Reading | Availability | BridgeState
Span = tuple[Instant, Instant]


class Shows:
    """When the sensors showed presence, as it was heard."""

    def __init__(self, profiles: Sequence[SensorProfile], facts: Iterable[tuple[Instant, Fact]]) -> None:
        self.profiles = {profile.id: profile for profile in profiles}
        self.spans: dict[str, list[Span]] = {name: [] for name in self.profiles}
        """By sensor: from the message that shows presence to the one that clears it."""
        since: dict[str, Instant] = {}
        newest = NEVER
        for at, fact in facts:
            newest = at
            if not isinstance(fact, Reading) or fact.kind != self.profiles[fact.sensor].senses:
                continue
            if fact.value > 0:
                since.setdefault(fact.sensor, at)
            elif fact.sensor in since:
                self.spans[fact.sensor].append((since.pop(fact.sensor), at))
        for name, begun in since.items():
            self.spans[name].append((begun, newest))

    def last(self, t: Instant, sensor: str | None = None) -> Instant:
        """The latest instant up to `t` at which a sensor (or this one) showed presence, or `NEVER`."""
        names = self.spans if sensor is None else (sensor,)
        return max((_last(self.spans[name], t) for name in names), default=NEVER)

    def held(self, t: Instant) -> bool:
        """Whether a sensor shows presence at `t`, or did within its hold."""
        ends = ((self.last(t, name), self._hold(profile)) for name, profile in self.profiles.items())
        return any(last != NEVER and t <= last + hold for last, hold in ends)

    def _hold(self, profile: SensorProfile) -> Duration:
        beside = any(other.senses == "presence" for other in self.profiles.values())
        short = profile.senses == "motion" and beside
        return profile.hold_beside_presence_ms if short else profile.hold_ms


def _last(spans: Sequence[Span], t: Instant) -> Instant:
    index = bisect_right(spans, t, key=itemgetter(0))
    return min(spans[index - 1][1], t) if index else NEVER


class Scene(NamedTuple):
    """One room with its truth and everything that is heard of it. Both in order of time."""

    config: RoomConfig
    """Its sensors; mode and policy are set when it is played."""
    bookings: tuple[PlannedBooking, ...]
    visits: tuple[Visit, ...]
    facts: tuple[tuple[Instant, Fact], ...]
    start: Instant
    end: Instant

    @property
    def standing(self) -> tuple[PlannedBooking, ...]:
        """The bookings that are judged: those that nobody cancelled."""
        return tuple(booking for booking in self.bookings if booking.cancelled_at is None)

    def around(self, booking: PlannedBooking) -> Sequence[Visit]:
        """The visits that have to do with a booking."""
        first = bisect_left(self.visits, booking.start - REACH_MS, key=_enter)
        return self.visits[first : bisect_left(self.visits, booking.end, key=_enter)]


def _enter(visit: Visit) -> Instant:
    return visit.enter


class Days(NamedTuple):
    """The plan of a room for some days; the same for every kit, so that all are judged by the same people."""

    bookings: tuple[PlannedBooking, ...]
    visits: tuple[Visit, ...]
    stays: tuple[Stay, ...]
    start: Instant
    end: Instant


def plan(seed: int, days: int, behaviour: Behaviour | None = None) -> Days:
    """Bookings and people of so many days, one after the other."""
    rates = Behaviour() if behaviour is None else behaviour
    begin = FIRST_MONDAY + FIRST_WARM_UP_MS
    bookings: list[PlannedBooking] = []
    visits: list[Visit] = []
    stays: list[Stay] = []
    for day in range(days):
        opens = begin + day * DAY_LENGTH_MS + WARM_UP_MS
        planned = people.plan_day(
            ROOM, opens, opens + WORKDAY_MS, rates, stream(seed, "quality", "plan", day)
        )
        planned = unruly(planned, stream(seed, "quality", "unruly", day))
        bookings += planned.bookings
        visits += planned.visits
        stays += people.stays(planned.visits)
    end = begin + days * DAY_LENGTH_MS
    return Days(tuple(bookings), tuple(visits), tuple(stays), FIRST_MONDAY, end)


def scene(kit: Kit, days: Days, seed: int) -> Scene:
    """What a gateway hears of these days through this kit."""
    devices = kit.devices(ROOM, seed)
    config = RoomConfig(ROOM, sensors=tuple(device.profile() for device in devices))
    router = build_router(SensorSource(**device.source()) for device in devices)
    facts = tuple(_decoded(router, messages(kit, days, seed)))
    return Scene(config, days.bookings, days.visits, facts, days.start, days.end)


def messages(kit: Kit, days: Days, seed: int) -> Iterator[Emission]:
    """What arrives at the gateway, in order; each message with the time of its arrival."""
    devices = kit.devices(ROOM, seed)
    streams = [_on_their_way(_sent(device, days, seed, fails=kit.fails), device, seed) for device in devices]
    for base in sorted({profile.bridge for profile in (d.profile() for d in devices) if profile.bridge}):
        streams.insert(0, ZigbeeBridge(base=base).messages(days.start))
    return heapq.merge(*streams, key=itemgetter(0))


class Failure(NamedTuple):
    """A device fails for some hours."""

    since: Instant
    until: Instant
    blind: bool
    """It goes on speaking and sees nothing; otherwise it says nothing."""


def failures(device: str, days: Days, seed: int) -> Iterator[Failure]:
    """When a device fails, half of the times blind and half of the times silent."""
    rng = stream(seed, device, "failures")
    since = days.start + round(rng.expovariate(1 / FAILS_EVERY_MS))
    while since < days.end:
        until = since + rng.randint(*FAILS_FOR_MS)
        yield Failure(since, until, rng.random() < 0.5)  # noqa: PLR2004 - half
        since = until + round(rng.expovariate(1 / FAILS_EVERY_MS))


def _sent(device: Device, days: Days, seed: int, *, fails: bool) -> Iterator[Emission]:
    """What the device publishes on these days."""
    found = tuple(failures(device.name, days, seed)) if fails else ()
    blind = [(failure.since, failure.until) for failure in found if failure.blind]
    silent = [(failure.since, failure.until) for failure in found if not failure.blind]
    stays = tuple(part for stay in days.stays for part in _outside(stay, blind))
    for emission in device.messages(stays, days.start, days.end):
        if not any(since <= emission.t < until for since, until in silent):
            yield emission


def _outside(stay: Stay, blind: Sequence[Span]) -> Iterator[Stay]:
    """The parts of a stay in which the device can see."""
    enter = stay.enter
    for since, until in blind:
        if since < stay.leave and enter < until:
            if enter < since:
                yield msgspec.structs.replace(stay, enter=enter, leave=since)
            enter = until
    if enter < stay.leave:
        yield msgspec.structs.replace(stay, enter=enter)


def _on_their_way(emissions: Iterator[Emission], device: Device, seed: int) -> Iterator[Emission]:
    """The messages when they arrive: each a little late, and none before the one before it."""
    rng = stream(seed, device.name, "way")
    shortest, longest = delays_of(device)
    last = NEVER
    for emission in emissions:
        last = max(last, emission.t + rng.randint(shortest, longest))
        yield emission._replace(t=last)


def _decoded(router: Router, arriving: Iterable[Emission]) -> Iterator[tuple[Instant, Fact]]:
    for message in arriving:
        for item in router.decode(message.topic, message.payload, retained=False, now=message.t):
            if not isinstance(item, Missed):
                yield message.t, item
