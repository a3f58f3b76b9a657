"""Time, rooms and settings of a scenario: what `simulators.scenario.gateway.Gateway` stands on."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.core.booking import booking_key
from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.durations import DurationError, parse_duration
from simulators.clock import VirtualClock, VirtualLoop
from simulators.exchange import OrganizerEvent, daily
from simulators.scenario.config import (
    Mode,
    RoomPlan,
    address,
    policy_key,
    policy_value,
    sensor_key,
    settings_of,
)
from simulators.scenario.devices import KINDS, Device, Occupants
from simulators.scenario.errors import ScenarioError, unknown
from simulators.scenario.world import DAY, WAKES_AT_S, Wall, World

BEFORE_MS: Final[Duration] = 20 * MINUTE_MS
"""How long before the first booking or time the gateway wakes."""


@dataclass
class Meeting:
    """One booking of the scenario, or one occurrence of a series, as its organizer knows it."""

    room: str
    start: Instant
    end: Instant
    by: str
    """Who organizes it; empty: the room itself."""
    fields: dict[str, Any]
    """What it is booked with besides, as in `simulators.exchange.Draft`."""
    days: int = 1
    """How many days in a row it is booked for; more than one is a series."""
    category: str = ""
    """Of the room's own entry."""
    event: OrganizerEvent | None = None
    key: str = ""
    """`gateway.core.booking.booking_key`, once it is in Exchange."""
    original: Instant | None = None
    """Of an occurrence of a series: when it was to start at first."""


class Scene:
    """A scenario's time, rooms and bookings. Not for use inside a running event loop."""

    def __init__(self, folder: Path, *, day: date = DAY, zone: str = "UTC") -> None:
        self.folder = folder
        self.wall = Wall(day, zone)
        self.zone_name = zone
        self.meetings: list[Meeting] = []
        self.log: list[EventDict] = []
        """What the gateway logs, one dict a line."""
        self.inside: dict[str, Occupants] = {}
        """Who is in each room."""
        self._begin: Instant | None = None
        self._plans: dict[str, RoomPlan] = {}
        self._policy: dict[str, str] = {}
        self._holidays: list[date] = []
        self._runner: asyncio.Runner | None = None
        self._world: World | None = None
        self._closing = contextlib.ExitStack()

    # -- life of the scenario -----------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything."""
        if self._world is not None and self._runner is not None:
            self._runner.run(self._world.end())
        self._world = None
        self._closing.close()

    @property
    def world(self) -> World:
        """What the gateway lives in. Begins the scenario."""
        return self._world or self._start(None)

    @property
    def has_begun(self) -> bool:
        """Whether time has begun to pass."""
        return self._world is not None

    def day(self, day: date, zone: str = "UTC") -> None:
        """Another day, or another place. Before anything else."""
        if self.meetings or self.has_begun:
            raise ScenarioError("the day comes before everything that happens on it")
        self.wall, self.zone_name = Wall(day, zone), zone

    def later(self, days: int = 1) -> None:
        """Go on so many days later: from now on, times are those of that day. `at` lets the time pass."""
        self.wall = Wall(self.wall.day + timedelta(days), self.zone_name)

    def holiday(self, day: date) -> None:
        """A day on which empty rooms are expected."""
        self._holidays.append(day)
        self._reconfigured()

    def begins(self, clock: str) -> None:
        """When the gateway wakes, if not twenty minutes before all else."""
        if self.has_begun:
            raise ScenarioError("the gateway is awake already")
        self._begin = self.instant(clock)

    def instant(self, clock: str, days: int = 0) -> Instant:
        """The instant of a local time of the day. Raises ScenarioError."""
        try:
            return self.wall.instant(clock, days)
        except ValueError:
            raise ScenarioError(f'"{clock}" is no time of day, such as "09:05"') from None

    def span(self, text: str, days: int = 0) -> tuple[Instant, Instant]:
        """The two instants of "09:00-10:00" or "all day". Raises ScenarioError."""
        start, _, end = ("00:00", "-", "24:00") if text == "all day" else text.partition("-")
        if not end:
            raise ScenarioError(f'"{text}" is no span of time, such as "09:00-10:00"')
        instants = self.instant(start, days), self.instant(end, days)
        if instants[0] >= instants[1]:
            raise ScenarioError(f'"{text}" ends before it starts')
        return instants

    def at(self, clock: str) -> None:
        """Let time pass until then."""
        instant = self.instant(clock)
        world = self._world or self._start(instant)
        if instant < world.true_now() - SECOND_MS:
            raise ScenarioError(f"it is {self.wall.clock(world.true_now())} already, {clock} is over")
        self._run(lambda: None, until=instant)

    def _start(self, first: Instant | None) -> World:
        """Begin: the world as it was said to be, twenty minutes before anything happens."""
        if not self._plans:
            raise ScenarioError("a scenario needs a room")
        instants = [meeting.start for meeting in self.meetings] + [first] * (first is not None)
        begin = self._begin
        if begin is None:
            begin = min((i for i in instants if i is not None), default=self.instant("09:00")) - BEFORE_MS
        start_ms = begin // MINUTE_MS * MINUTE_MS
        self._runner = self._closing.enter_context(asyncio.Runner(loop_factory=VirtualLoop))
        self.log = self._closing.enter_context(capture_logs())
        clock = VirtualClock(self._runner.get_loop(), start_ms)
        world = self._world = World(self.folder, clock, start_ms, list(self._plans))
        for meeting in list(self.meetings):
            self._enter(meeting)

        async def begin_all() -> None:
            await asyncio.sleep(WAKES_AT_S)
            await world.wake(self._settings())
            for plan in self._plans.values():
                world.furnish(plan)
            await world.settle()

        self._drive(begin_all)
        return world

    def _settings(self) -> Any:
        return settings_of(self.folder, self.zone_name, self._plans, self._policy, self._holidays)

    def _drive(self, work: Callable[[], Any]) -> None:
        if self._runner is None:
            raise AssertionError("the scenario has begun")
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            self._runner.run(work())
        else:
            raise ScenarioError(f"a scenario is plain code: write `def`, not `async def` ({running!r})")

    def _run(self, act: Callable[[], object], *, until: Instant | None = None) -> None:
        """Do something in the world, now or when time has passed, and let it come to rest."""
        world = self.world

        async def work() -> None:
            if until is not None:
                await world.until(until)
            done = act()
            if asyncio.iscoroutine(done):
                await done
            await world.settle()

        self._drive(work)

    # -- rooms and settings -------------------------------------------------------------------------

    def room(
        self,
        name: str,
        sensors: Sequence[str] = ("radar",),
        *,
        mode: Mode = "live",
        exempt: bool = False,
        parts: Sequence[str] = (),
    ) -> None:
        """A room and its sensors: radar, pir, zigbee pir, counter, door, seat; "pir (heartbeat 2m)".

        `parts`: the rooms that it is put together from. Said again later, the gateway is configured anew
        and restarts.
        """
        old = self._plans.get(name)
        if self._world is not None and old is None:
            raise ScenarioError(f'the room "{name}" must be there from the beginning')
        plan = RoomPlan(name, [], mode, exempt, [self._known_room(part) for part in parts])
        inside = self.inside.setdefault(name, Occupants())
        kept = {device.name: device for device in old.devices} if old else {}
        devices: list[Device] = []
        for text in sensors:
            kind, _, extra = text.partition("(")
            kind = " ".join(kind.split())
            if kind not in KINDS:
                raise unknown("kind of sensor", kind, list(KINDS))
            same = sum(device.kind == kind for device in devices)
            sensor = f"{name}-{kind.replace(' ', '-')}" + (f"-{same + 1}" if same else "")
            devices.append(kept.get(sensor) or KINDS[kind](sensor, inside, self))
            plan.extra[sensor] = _extra(extra.rstrip(") "))
        plan.devices = devices
        self._plans[name] = plan
        self._reconfigured()

    def policy(self, **settings: str) -> None:
        """Settings of the policy, as in a configuration file: grace="15m"."""
        for words, text in settings.items():
            key = policy_key(words)
            self._policy[key] = policy_value(key, text)
        self._reconfigured()

    def _reconfigured(self) -> None:
        """What is said while the gateway runs restarts it, as a changed file does."""
        world = self._world
        if world is None:
            return

        async def again() -> None:
            for plan in self._plans.values():
                world.furnish(plan)
            await world.stop()
            await world.wake(self._settings())

        self._run(again)

    # -- bookings -----------------------------------------------------------------------------------

    def _plan(self, meeting: Meeting) -> None:
        """Take a booking into the scenario: now, or from the beginning."""
        self._known_room(meeting.room)
        self.meetings.append(meeting)
        if self._world is not None:
            self._run(lambda: self._enter(meeting))

    def _enter(self, meeting: Meeting) -> None:
        """Enter it in Exchange; a series becomes a meeting for each of its occurrences."""
        exchange, room = self.world.exchange, address(meeting.room)
        fields = dict(meeting.fields)
        if meeting.days > 1:
            fields["recurrence"] = daily(count=meeting.days)
        if meeting.by:
            event = exchange.book(address(meeting.by), room, meeting.start, meeting.end, **fields)
        else:
            event = exchange.book_in_room(room, meeting.start, meeting.end, **fields)
        meeting.event, meeting.key = event, booking_key(event.ical_uid, None)
        if meeting.category:
            calendar = exchange.mailboxes.mailbox(room)
            for entry in calendar.holding(event.ical_uid):
                exchange.mailboxes.alter(calendar, entry.id, {"categories": (meeting.category,)})
        if meeting.days == 1:
            return
        self.meetings.remove(meeting)
        for number in range(meeting.days):
            start, end = meeting.start + number * DAY_MS, meeting.end + number * DAY_MS
            one = exchange.event(event, occurrence=start)
            key = booking_key(one.ical_uid, start)
            self.meetings.append(replace(meeting, start=start, end=end, key=key, original=start))

    def meeting(self, room: str, when: str) -> Meeting:
        """The booking of that time: "09:00", "09:00-10:00", "all day", "tomorrow 09:00".

        The one that was made last, where several match. A moved booking is found at its new time.
        Raises ScenarioError for none.
        """
        self._known_room(room)
        clock = when.removeprefix("tomorrow ")
        days = int(clock != when)
        whole = "-" in clock or clock == "all day"
        start, end = self.span(clock, days) if whole else (self.instant(clock, days), None)
        if any(meeting.event is None for meeting in self.meetings):
            _ = self.world  # the scenario begins: now they are in Exchange
        for meeting in reversed(self.meetings):
            if meeting.room == room and meeting.start == start and end in (None, meeting.end):
                return meeting
        raise unknown("booking", f"{room} {when}", [self.words(m) for m in self.meetings if m.room == room])

    def words(self, meeting: Meeting) -> str:
        """A booking as a timeline names it; with its date, where that is not the present day."""
        begins = datetime.fromtimestamp(meeting.start // SECOND_MS, self.wall.zone).date()
        day = "" if begins == self.wall.day else f" ({begins})"
        return f"{meeting.room} {self.wall.clock(meeting.start)}-{self.wall.clock(meeting.end)}{day}"

    # -- what devices live in -----------------------------------------------------------------------

    def true_now(self) -> Instant:
        """The real time, whatever the gateway's clock says."""
        return self.world.true_now()

    def publish(self, topic: str, payload: str, *, qos: int, retained: bool = False) -> None:
        """A device publishes."""
        self.world.publish(topic, payload, qos=qos, retained=retained)

    # -- names --------------------------------------------------------------------------------------

    @property
    def rooms(self) -> list[str]:
        """The rooms' names."""
        return sorted(self._plans)

    def sensors(self, room: str = "") -> list[str]:
        """The sensors' names."""
        return [d.name for plan in self._plans.values() for d in plan.devices if room in ("", plan.id)]

    def _known_room(self, room: str) -> str:
        if room not in self._plans:
            raise unknown("room", room, self.rooms)
        return room

    def _device(self, name: str) -> Device:
        for plan in self._plans.values():
            for device in plan.devices:
                if device.name == name:
                    return device
        raise unknown("sensor", name, self.sensors())


def duration(text: str) -> Duration:
    """Milliseconds of "45s", "10m". Raises ScenarioError."""
    try:
        return parse_duration(text)
    except DurationError as error:
        raise ScenarioError(f'"{text}": expected {error}') from None


def _extra(text: str) -> dict[str, str]:
    """The settings in a sensor's brackets: "heartbeat 2m, in service false"."""
    pairs = [part.strip().rpartition(" ") for part in text.split(",") if part.strip()]
    return {sensor_key(words): value for words, _, value in pairs}
