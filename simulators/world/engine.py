"""One run of the world: a seed, a virtual clock, the real service, and whatever a schedule does to them.

Theory of operation

* `Engine.run` goes through the days. Everything that happens by itself (messages, people's acts, strikes,
  minutes) is one list in order of time; in between the gateway works in its own tasks on the same loop.
* At night and on weekends everything is switched off, as nothing would happen: the gateway stops cleanly
  in the evening and finds its ledger in the morning.
* The unsafe phase ends at a seeded moment of the last day. Then every fault ends, the world waits
  until the gateway must have caught up, and looks once more.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from gateway.core.policy import whole_rooms
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.sensors import build_router
from gateway.settings import Settings, parse
from simulators.clock import VirtualClock
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator, Person
from simulators.exchange.graph import Target
from simulators.exchange.wire import Answer, Request
from simulators.faults import Hittable, Strike, schedule
from simulators.observed import Deed, Hand, Observed, Read, Trouble
from simulators.office import OfficeRoom
from simulators.people import stream
from simulators.sensors import Device, PirZigbee
from simulators.world.acting import Players
from simulators.world.calendars import Calendars, window
from simulators.world.cast import (
    OPENS_MS,
    SHUTS_MS,
    Act,
    Cast,
    begin,
    booked_rooms,
    cast,
    device_on,
    zone_of,
)
from simulators.world.host import Host, ProcessKilled
from simulators.world.house import settings_text, truly_inside
from simulators.world.judge import Judge
from simulators.world.manners import MANNERS, drawn
from simulators.world.mischief import Active, Airwaves, StormyWeather
from simulators.world.sight import MachineClock, Sight, WatchedLink
from simulators.world.strikes import Strikes
from simulators.world.transport import Plight

STEP_MS: Final = MINUTE_MS
DOWN_S: Final = 5.0
"""How long a gateway that was killed at a chosen point stays away."""
SNAPSHOTS: Final = (200, 1_000, 5_000)
"""Events between two snapshots, one of these by seed: what a restart replays is short, or long."""
HEALING_MARGIN_MS: Final = 30 * SECOND_MS
_REMOVALS: Final[dict[str, Deed]] = {
    "POST decline": "declined",
    "POST cancel": "cancelled",
    "DELETE event": "deleted",
}
_TAKEN: Final = frozenset({"declined", "cancelled", "deleted"})


@dataclasses.dataclass(frozen=True)
class Options:
    """What one run is to be."""

    seed: int
    rooms: int = 4
    days: int = 7
    faults: frozenset[str] = frozenset()
    only: tuple[int, ...] | None = None
    """Numbers of the strikes that are to happen; None: all of the schedule."""
    fail_nth_write: int = 0
    fail_nth_answer: int = 0
    lose_nth_packet: int = 0
    die_at: tuple[str, int] | None = None
    """A point (`simulators.world.host.POINTS`) and how often it is passed before the process is killed."""
    variant: str = ""
    """How Exchange behaves (`simulators.world.manners.MANNERS`); empty: drawn by the seed."""
    steps: bool = True
    """Whether the invariants are checked at every step, or only at the end."""


class Engine:
    """One run. Use `simulators.world.run.run_one`."""

    def __init__(self, options: Options, folder: Path, clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        self.options = options
        self.begins = begin(options.seed, options.days, options.faults)
        first = self.begins.first
        self.plan = plan = cast(options.seed, options.rooms, options.days, self.begins)
        self.true = clock
        self.folder = folder
        self.machine = MachineClock(clock, loop, first)
        self.observed = Observed(first, {}, now=first)
        self.variant = options.variant or drawn(options.seed)
        self.exchange = ExchangeSimulator(
            variants=MANNERS[self.variant],
            rooms=[Person(room.id.capitalize(), room.mailbox) for room in booked_rooms(plan)],
            now=clock.now,
            seed=options.seed,
            wall_clock=lambda: clock.monotonic_ms() / 1_000,
        )
        self._rooms = {room.mailbox: room.id for room in booked_rooms(plan)}
        self.calendars = Calendars(
            self.exchange,
            {room.id: room.mailbox for room in booked_rooms(plan)},
            zone_of(plan),
            self.observed.effects,
        )
        self.calendars.watch(first - DAY_MS, plan.end + 2 * DAY_MS)
        self.sight = Sight(self.observed, clock, self.machine, lambda: self.host.ledger)
        self.active = Active(options.seed)
        self.weather = StormyWeather(self.active, lambda user: self._rooms.get(user, ""))
        self.weather.fail_nth = options.fail_nth_answer
        self.settings = _settings(plan, folder)
        self.observed.rooms = {room.id: room for room in whole_rooms(self.settings.site_config())}
        self.link = WatchedLink()
        router = build_router(self.settings.sensor_sources())
        self.link.watch(self.sight, router)
        self.host = self._host("gateway", self.machine, self.link, GatewayWitness(self, "gateway"))
        self.host.disk.fail_nth = options.fail_nth_write
        self.host.disk.on_failure = self._disk_failed
        self.host.die_at = options.die_at
        self.judge = Judge(self)
        self.players = Players(plan, self.exchange, self.calendars, self.host)
        self.second_link = WatchedLink()
        self.second_link.watch(
            Sight(Observed(first, {}), clock, self.machine, lambda: self.second.ledger), router
        )
        self.second: Host = self._host("second", clock, self.second_link, GatewayWitness(self, "peer"))
        self.air = Airwaves(self.active, self._publish)
        self.air.lose_nth = options.lose_nth_packet
        self.devices: dict[str, tuple[OfficeRoom, Device]] = {
            device.name: (room, device) for room in plan.rooms for device in room.devices
        }
        self.broker_up = True
        self.heals_at = _heals_at(plan, options.seed)
        self.strikes = Strikes(self)
        self.schedule = self._schedule()
        self._revivals: set[asyncio.Task[None]] = set()
        if options.die_at is not None:
            self.host.on_death = self._revive_soon

    def _host(self, name: str, clock: VirtualClock, link: WatchedLink, witness: "GatewayWitness") -> Host:
        host = Host(
            name, self.folder, self.settings, clock, link, self.exchange, witness, witness, self._crashed
        )
        host.snapshot_every = stream(self.options.seed, "snapshots").choice(SNAPSHOTS)
        host.jitter = stream(self.options.seed, "jitter").random
        return host

    def _disk_failed(self) -> None:
        now = self.true.now()
        self.observed.troubles.append(Trouble("a write failed", now, now))

    def _crashed(self, why: str) -> None:
        self.judge.add("crash", why)

    def _schedule(self) -> tuple[Strike, ...]:
        hittable = [
            Hittable(room.id, device.name, isinstance(device, PirZigbee))
            for room in self.plan.rooms
            for device in room.devices
        ]
        days = [
            (day + OPENS_MS + 10 * MINUTE_MS, min(day + SHUTS_MS - 10 * MINUTE_MS, self.heals_at))
            for day in self.plan.days
        ]
        all_of_it = schedule(
            self.options.seed, self.options.faults, [room.id for room in self.plan.rooms], hittable, days
        )
        only = self.options.only
        return all_of_it if only is None else tuple(s for s in all_of_it if s.number in only)

    # -- the run --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Go through all days, heal, look once more."""
        asyncio.get_running_loop().set_exception_handler(self._stray)
        self.observed.visits = truly_inside(self.plan.site, self.plan.rooms)
        if self.begins.special:
            self.active.struck[self.begins.special] += 1
        try:
            for day in self.plan.days:
                await self._day(day)
        finally:
            await self._end()

    async def _day(self, day: Instant) -> None:
        await self._until(day + OPENS_MS - HOUR_MS)
        is_last = day == self.plan.days[-1]
        end = self.heals_at if is_last else day + SHUTS_MS
        happenings = sorted(self._happenings(day, end), key=lambda h: (h[0], h[1]))
        await self._go_through(happenings)
        if is_last:
            await self._heal(day)
        else:
            await self._until(day + SHUTS_MS)
            await self.strikes.end_all()
            if not self.plan.nights:
                await self.host.stop()
            self._look()

    async def _go_through(self, happenings: list["Happening"]) -> None:
        true = self.true
        for t, _, do, arguments in happenings:
            wait_s = true.seconds_until(t)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            done = do(*arguments)
            if done is not None:
                await done

    def _happenings(self, day: Instant, end: Instant) -> Iterator["Happening"]:
        """Everything that happens by itself on a day; order decides among what happens at one instant."""
        opens = day + OPENS_MS
        yield opens - HOUR_MS, 0, self._open, ()
        for act in self._acts(day, end):
            yield max(act.at, opens - HOUR_MS + 1), 1, self.players.do, (act,)
        for strike in self.schedule:
            if day <= strike.at < end:
                yield strike.at, 2, self.strikes.begin, (strike,)
                yield min(strike.until, end - 1), 3, self.strikes.end, (strike,)
        for t in range(opens + STEP_MS, end, STEP_MS):
            yield t, 5, self._minute, ()
        yield from self._emissions(opens, end)

    def _acts(self, day: Instant, end: Instant) -> Iterator[Act]:
        first = day == self.plan.days[0]
        for act in self.plan.acts:
            if (first or act.at >= day) and act.at < end and (act.at < day + DAY_MS):
                yield act

    def _emissions(self, opens: Instant, end: Instant) -> Iterator["Happening"]:
        bridges: set[str] = set()
        for room in self.plan.rooms:
            for device in room.devices:
                if isinstance(device, PirZigbee) and device.base not in bridges:
                    bridges.add(device.base)
                    yield (
                        opens,
                        4,
                        self._publish,
                        (f"{device.base}/bridge/state", b'{"state":"online"}', True, 1),
                    )
                for t, topic, payload, retain, qos in device_on(device, opens).messages(
                    room.stays, opens, end
                ):
                    yield t, 4, self._emit, (device, room.id, topic, payload, retain, qos)

    def _emit(self, device: Device, room: str, topic: str, payload: bytes, retain: bool, qos: int) -> None:
        self.air.carry(device, room, topic, payload, retain=retain, qos=qos)

    def _publish(self, topic: str, payload: bytes, retain: bool, qos: int) -> None:
        if self.broker_up:
            self.link.send(topic, payload, retain=retain, qos=qos)
            self.second_link.send(topic, payload, retain=retain, qos=qos)

    def _open(self) -> Any:
        return self.host.start()

    def _minute(self) -> Any:
        now = self.true.now()
        self.strikes.minute(now)
        self.players.mind_breaker(now, self._inside)
        if now % HOUR_MS == 0:
            self.sight.weigh()
        if self.host.look_after():
            return self.host.start()
        self._look()
        return None

    def _inside(self, room: str, now: Instant) -> bool:
        return any(visit.enter <= now < visit.leave for visit in self.observed.visits[room])

    async def _until(self, instant: Instant) -> None:
        await asyncio.sleep(self.true.seconds_until(instant))

    # -- healing --------------------------------------------------------------------------------------

    async def _heal(self, day: Instant) -> None:
        await self._until(self.heals_at)
        await self.strikes.end_all()
        await self.second.stop()
        await self.host.start()
        self.observed.healed_at = self.true.now()
        settle = 60 * SECOND_MS + self.settings.exchange.poll + HEALING_MARGIN_MS
        until = self.true.now() + 2 * settle
        rest = [
            happening
            for happening in self._emissions(day + OPENS_MS, until)
            if self.true.now() <= happening[0] < until
        ]
        rest += [(t, 5, self._minute, ()) for t in range(self.true.now() + STEP_MS, until, STEP_MS)]
        await self._go_through(sorted(rest, key=lambda h: (h[0], h[1])))
        await self._until(until)
        self._look()
        await self.host.stop()
        self.sight.look(everything=True)
        self._compare()
        self.judge.end()

    def _compare(self) -> None:
        """What Exchange shows and what the gateway remembers, of the same moment."""
        self._show_calendars()
        now = self.true.now()
        start, end = window(now, zone_of(self.plan))
        known = self.sight.recall()
        self.observed.known = {
            room: tuple(b for b in bookings if b.start < end and b.end > start)
            for room, bookings in sorted(known.items())
        }

    async def _end(self) -> None:
        await self.strikes.end_all()
        await self.second.stop()
        await self.host.stop()
        self.players.forget_panels()
        await self.host.buried()
        await self.second.buried()
        self.sight.close()

    # -- looking --------------------------------------------------------------------------------------

    def _look(self) -> None:
        """One step: fill in what is seen, and let the invariants be checked."""
        news = self.sight.look()
        if self.sight.lost:
            self.judge.add("L1", self.sight.lost)
            self.sight.lost = ""
        if news and self.options.steps:
            self._show_calendars()
            self.judge.step()

    def room_of(self, user: str) -> str:
        """The room of a mailbox; empty for others."""
        return self._rooms.get(user, "")

    def _revive_soon(self) -> None:
        asyncio.get_running_loop().call_later(DOWN_S, self.revive)

    def revive(self) -> None:
        """Start the gateway again, as systemd does, unless its machine is down."""
        task = asyncio.get_running_loop().create_task(self.host.start())
        self._revivals.add(task)
        task.add_done_callback(self._revivals.discard)

    def settle(self) -> None:
        """Rooms answer what has waited for them: that is what people brought about."""
        self.exchange.mailboxes.settle()
        self.calendars.note("person")

    def _show_calendars(self) -> None:
        self.settle()
        now = self.true.now()
        rooms = booked_rooms(self.plan)
        self.observed.calendars = {room.id: self.calendars.bookings(room.id, now) for room in rooms}

    def _stray(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that nobody took: only those of killed processes may be."""
        error = context.get("exception")
        if error is not None and not isinstance(error, (ProcessKilled, asyncio.CancelledError)):
            self._crashed(f"nobody took {error!r}: {context.get('message')}")


Happening = tuple[Instant, int, Callable[..., Any], tuple[Any, ...]]


class GatewayWitness:
    """Sees one gateway's requests on Exchange's side: weather, effects, reads."""

    def __init__(self, engine: Engine, hand: Hand) -> None:
        self._engine = engine
        self._hand = hand

    def plight(self, request: Request, target: Target, *, inner: bool = False) -> Plight:
        """What becomes of the request; an organizer may choose just this moment."""
        engine = self._engine
        room = engine.room_of(target.user)
        if target.route == "GET event" and engine.active.of("organizer_edits"):
            engine.strikes.meddle("organizer_edits", room, target.event_id)
        return engine.weather.plight(request, target, inner=inner)

    def before_effect(self, request: Request, target: Target) -> None:  # noqa: ARG002 - the interface names it
        """Between the gateway's last look and its deed."""
        engine = self._engine
        engine.settle()
        if engine.active.of("organizer_races") and target.route in _REMOVALS:
            engine.strikes.meddle("organizer_races", engine.room_of(target.user), target.event_id)

    def answered(self, request: Request, target: Target, answer: Answer, *, fresh: bool) -> None:
        """A read, or a write with its effects."""
        engine = self._engine
        room = engine.room_of(target.user)
        now = engine.true.now()
        if request.method == "GET":
            engine.calendars.note("person")  # who reads may find that rooms have answered
            if target.route == "GET event" and answer.status == HTTPStatus.OK and self._hand == "gateway":
                if fresh or engine.calendars.stands_as(room, target.event_id, answer.body or b""):
                    engine.observed.reads.append(Read(now, room, target.event_id))
                else:
                    engine.judge.misled(room, now)
            return
        effects = engine.calendars.note(self._hand, _REMOVALS.get(target.route, "deleted"))
        for effect in effects:
            if effect.deed in _TAKEN:
                engine.judge.taken(effect)


def _heals_at(plan: Cast, seed: int) -> Instant:
    """When the faults end: some time on the last day, so that bookings are under way."""
    return plan.days[-1] + stream(seed, "heal").randint(11 * HOUR_MS, 17 * HOUR_MS) // SECOND_MS * SECOND_MS


def _settings(plan: Cast, folder: Path) -> Settings:
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(CLIENT_SECRET)
    text = settings_text(plan.site, plan.rooms, plan.zone, plan.poll, TENANT_ID, CLIENT_ID)
    return parse(text, base=folder)
