"""The site: all rooms, one memory, one way in. Everything the gateway decides is decided here."""

from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.core.alarms import Alarms
from gateway.core.breaker import Breaker, BreakerState
from gateway.core.conclude import conclude
from gateway.core.decisions import Decision
from gateway.core.events import (
    AnyEvent,
    Availability,
    Booked,
    Booted,
    BreakerClosed,
    BridgeState,
    CalendarRead,
    CalendarUnreadable,
    Cancelled,
    CheckedIn,
    ClockStepped,
    ClockTrust,
    Configured,
    Ended,
    Kept,
    LinkDown,
    LinkUp,
    ModeSet,
    Reading,
    Reviewed,
    Tick,
    WereHere,
    WriteOutcome,
)
from gateway.core.evidence import SensorState
from gateway.core.policy import RoomConfig, SiteConfig, whole_rooms
from gateway.core.room import Room, RoomState
from gateway.core.units import FOREVER, HOUR_MS, NEVER, Instant

RULESET: Final = 2
"""Version of the rules. Recorded decisions stand; replays name the version that made them."""


class CoreError(Exception):
    """A fact that the core cannot take. Nothing has been changed when it is raised.

    CoreError
    ├── UnknownName       a sensor, room or bridge that the configuration does not have
    └── TimeRanBackwards  an event older than the one before it, and no clock step was announced
    """


class UnknownName(CoreError):  # noqa: N818 - reads as what is wrong
    """A sensor or room that the configuration does not have."""


class TimeRanBackwards(CoreError):  # noqa: N818 - reads as what is wrong
    """An event older than the one before it, and no clock step was announced."""


class SiteState(msgspec.Struct, omit_defaults=True):
    """All that a site remembers; what a snapshot holds."""

    config: SiteConfig = SiteConfig()
    rooms: dict[str, RoomState] = {}
    now: Instant = NEVER
    hearing_since: Instant = NEVER
    clock_trusted: bool = True
    offline_bridges: list[str] = []
    breaker: BreakerState = msgspec.field(default_factory=BreakerState)


class Site:
    """Owns its rooms. `handle` records facts, a `Tick` concludes; see `gateway.core` for the rules."""

    def __init__(self, state: SiteState | None = None) -> None:
        self.state = state or SiteState()
        self.rooms: dict[str, Room] = {}
        self.breaker = Breaker(self.state.breaker)
        self._rooms_of: dict[str, tuple[Room, ...]] = {}
        self._rooms_of_bridge: dict[str, list[Room]] = {}
        self._dirty: dict[str, Room] = {}
        self._alarms = Alarms()
        self._breaker_at: Instant = FOREVER
        """When the breaker has to be asked: at once if too many rooms have fallen silent, at the latest when
        the hour is over and it learns how silent that was."""
        self.quiet_until: Instant = NEVER
        """Known for sure: up to this instant no tick is worth giving. Cheaper to ask than `next_deadline`."""
        self._index()

    # -- memory ---------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything remembered, as JSON. The same events always give the same bytes."""
        return msgspec.json.encode(self.state)

    @classmethod
    def restore(cls, snapshot: bytes) -> "Site":
        """The site as it was when `snapshot` was taken."""
        return cls(msgspec.json.decode(snapshot, type=SiteState))

    def _index(self) -> None:
        self.rooms = {name: self.rooms.get(name) or Room(s) for name, s in self.state.rooms.items()}
        self._rooms_of = {}
        for room in self.rooms.values():
            for profile in room.profiles:
                self._rooms_of[profile.id] = (*self._rooms_of.get(profile.id, ()), room)
            room.relatives = tuple(self._relatives(room.state.config))
        self._rooms_of_bridge = {}
        for room in self.rooms.values():
            for bridge in sorted({p.bridge for p in room.profiles if p.bridge}):
                self._rooms_of_bridge.setdefault(bridge, []).append(room)
        self._dirty = {name: room for name, room in self.rooms.items() if room.state.dirty}
        self._alarms = Alarms(self.rooms.values())
        self.quiet_until = NEVER
        self.breaker.forget(self.rooms)
        for room in self.rooms.values():
            self.breaker.count(room, room.state.settled_at)
        self._breaker_at = self._ask_breaker_at(
            self.state.now, holiday=self.state.config.is_holiday(self.state.now)
        )
        if 0 <= self.state.breaker.hour < self.state.now // HOUR_MS:
            self._breaker_at = min(self._breaker_at, self.state.now)  # an hour went by without a tick

    def _relatives(self, config: RoomConfig) -> Iterable[Room]:
        """The rooms that share space with this one."""
        for name, other in self.rooms.items():
            if name in config.parts or config.id in other.state.config.parts:
                yield other

    # -- facts ----------------------------------------------------------------------------------------

    def handle(self, event: AnyEvent, now: Instant) -> list[Decision]:
        """Record one fact; a `Tick` returns what follows from all facts so far.

        `now` must not run backwards except in a `ClockStepped`. Raises `CoreError` and changes
        nothing if the event cannot be taken.
        """
        if type(event) is Reading:  # by far the most frequent
            self.hear(event, now)
            return []
        if now < self.state.now and type(event) is not ClockStepped:
            raise TimeRanBackwards(f"{type(event).__name__} at {now}, after {self.state.now}")
        if type(event) is Tick:
            self.state.now = now
            return self._conclude(now)
        touched = self._read_calendar(event, now) if type(event) is CalendarRead else self._record(event, now)
        self.state.now = now
        for room in touched:
            if room.state.dirty:
                self._mark(room)
        return []

    def hear(self, reading: Reading, now: Instant) -> None:
        """Record a reading, as `handle` does; nothing follows before a tick."""
        state = self.state
        if now < state.now:
            raise TimeRanBackwards(f"Reading at {now}, after {state.now}")
        for room in self._rooms_of.get(reading.sensor) or self._rooms_with(reading.sensor):
            if room.hear(reading, now):
                if room.state.dirty:
                    self._mark(room)
                else:
                    self.quiet_until = min(self.quiet_until, self._alarms.hasten(room) - 1)
        state.now = now

    def _mark(self, room: Room) -> None:
        """Facts of this room wait for a tick."""
        self._dirty[room.name] = room
        self.quiet_until = NEVER

    def _read_calendar(self, event: CalendarRead, now: Instant) -> Iterable[Room]:
        room = self._room(event.room)
        room.read_calendar(event, now)
        return (room,)

    def _record(self, event: AnyEvent, now: Instant) -> Iterable[Room]:
        """Hand a fact to the rooms that it concerns, and name them."""
        match event:
            case Availability():
                rooms_with = self._rooms_with(event.sensor)
                for room in rooms_with:
                    room.set_available(event.sensor, event.online, now)
                return rooms_with
            case CalendarUnreadable():
                self._room(event.room).fail_calendar(event.why)
                return ()
            case (
                CheckedIn()
                | Kept()
                | Ended()
                | ModeSet()
                | WereHere()
                | Reviewed()
                | Booked()
                | Cancelled()
                | WriteOutcome()
            ):
                room = self._room(event.room)
                room.remember(event)
                return (room,)
            case BridgeState():
                rooms = self._rooms_of_bridge.get(event.bridge)
                if rooms is None:
                    raise UnknownName(f"no sensor is behind a bridge {event.bridge!r}")
                offline = {*self.state.offline_bridges} - {event.bridge}
                self.state.offline_bridges = sorted(offline if event.online else {*offline, event.bridge})
                for room in rooms:
                    room.set_bridge(event.bridge, event.online, now)
                return rooms
            case _:
                return self._record_for_all(event, now)

    def _record_for_all(self, event: AnyEvent, now: Instant) -> Iterable[Room]:
        """Facts that concern every room."""
        state, rooms = self.state, self.rooms.values()
        match event:
            case Configured():
                self._configure(event.site, now)
            case Booted():
                self._fall_deaf(event.down_since, "restart" if event.same_machine_boot else "boot")
            case LinkDown():
                self._fall_deaf(now, "link")
            case LinkUp():
                state.hearing_since = now
                for room in rooms:
                    room.hear_again(event, state.config.queue_covers_ms, now)
            case BreakerClosed():
                state.breaker.asked_to_close = event.by
                self.look_everywhere()
            case ClockStepped() | ClockTrust():
                self._hear_of_clock(event, now)
            case _:
                raise CoreError(f"{type(event).__name__} is no fact for a site")
        return list(self.rooms.values())

    def _hear_of_clock(self, event: ClockStepped | ClockTrust, now: Instant) -> None:
        for room in self.rooms.values():
            if isinstance(event, ClockStepped):
                room.step_clock(event, now)
            else:
                room.trust_clock(event.trusted, now)
        if isinstance(event, ClockTrust):
            self.state.clock_trusted = event.trusted

    def _fall_deaf(self, since: Instant, by: str) -> None:
        self.state.hearing_since = NEVER
        for room in self.rooms.values():
            room.fall_deaf(since, by)

    def _configure(self, config: SiteConfig, now: Instant) -> None:
        state = self.state
        state.config = config
        rooms = whole_rooms(config)
        known = state.rooms
        state.rooms = {}
        for room_config in rooms:
            old = known.get(room_config.id)
            state.rooms[room_config.id] = old or self._new_room(room_config)
        self.rooms = {name: self.rooms.get(name) or Room(s) for name, s in state.rooms.items()}
        for room_config in rooms:
            room = self.rooms[room_config.id]
            # Also those that it had no sensor behind when they were told.
            room.state.offline_bridges = list(state.offline_bridges)
            room.configure(room_config, now, is_new=room_config.id not in known)
        self._index()

    def _new_room(self, config: RoomConfig) -> RoomState:
        """A room that was not there before hears what the others hear."""
        return RoomState(
            config=config,
            mode=config.mode,
            sensors={p.id: SensorState() for p in config.sensors},
            hearing_since=self.state.hearing_since,
            clock_trusted=self.state.clock_trusted,
        )

    # -- conclusions ----------------------------------------------------------------------------------

    def _conclude(self, now: Instant) -> list[Decision]:
        """Conclude for every room that has new facts or whose deadline has passed, in a fixed order."""
        due = set(self._dirty)
        self._dirty = {}
        self.quiet_until = NEVER
        due |= {r.name for name in due for r in self.rooms[name].relatives}
        due.update(self._alarms.gone_off(now))
        holiday = self.state.config.is_holiday(now)
        decisions = self._watch_for_silence(due, now, holiday=holiday)
        objection = self.breaker.objection
        for name in sorted(due):
            room = self.rooms[name]
            before = _shown_to_relatives(room)
            concluded, proof = conclude(room, now, breaker=objection, holiday=holiday)
            decisions += concluded
            self._alarms.set(room, proof)
            if room.state.dirty:
                self._mark(room)
            if before != _shown_to_relatives(room):
                self._look_at(room.relatives)
            self.breaker.count(room, now)
            if room.state.occupancy.status == "occupied":
                decisions += self._note_presence(name, now)
        self.breaker.settle(self.state.config.breaker, now, holiday=holiday)
        self._breaker_at = self._ask_breaker_at(now, holiday=holiday)
        return decisions

    def _ask_breaker_at(self, now: Instant, *, holiday: bool) -> Instant:
        config = self.state.config
        if now == NEVER or not config.breaker.on:
            return FOREVER
        at_once = self.breaker.wants_to_open(config.breaker, now, holiday=holiday)
        return now if at_once else (now // HOUR_MS + 1) * HOUR_MS

    def _watch_for_silence(self, due: set[str], now: Instant, *, holiday: bool) -> list[Decision]:
        """Count the rooms before any of them concludes: many may come due in the same instant."""
        for name in due:
            self.breaker.count(self.rooms[name], now)
        opened = self.breaker.judge(self.state.config.breaker, now, holiday=holiday)
        if opened:
            due.update(self.rooms)
        return opened

    def _note_presence(self, name: str, now: Instant) -> list[Decision]:
        closed = self.breaker.note_presence(name, now)
        if closed:
            self.look_everywhere()
        return closed

    def look_everywhere(self) -> None:
        """Every room concludes on the next tick: what was withheld for the site's sake may be due now."""
        self._look_at(self.rooms.values())

    def _look_at(self, rooms: Iterable[Room]) -> None:
        """Conclude for these at once, though nothing was heard of them."""
        for room in rooms:
            room.state.dirty = True
            self._mark(room)

    def next_deadline(self, until: Instant = NEVER) -> Instant | None:
        """When the next tick is worth giving even if nothing happens; None if never.

        Up to `until` it is exact. A later one may lie early (ask again then, and it has moved on),
        never late: each heartbeat puts off an alarm, and few of them are looked at.
        """
        now = self.state.now
        if self._dirty:
            return now
        found = max(self._alarms.first(until, now, self._breaker_at), now)
        self.quiet_until = found - 1
        return found if found < FOREVER else None

    @property
    def has_news(self) -> bool:
        """Facts are waiting for a tick."""
        return bool(self._dirty)

    def is_repeat(self, reading: Reading, now: Instant) -> bool:
        """Whether a reading adds nothing to what was recorded lately and may be folded."""
        rooms = self._rooms_of.get(reading.sensor) or self._rooms_with(reading.sensor)
        if len(rooms) == 1:  # nearly always, and every message comes by here
            return rooms[0].is_repeat(reading, now)
        return all(room.is_repeat(reading, now) for room in rooms)

    def worth_telling(self, read: CalendarRead, now: Instant) -> CalendarRead | None:
        """What to record of a complete look at a calendar; None if it adds nothing and is folded."""
        return self._room(read.room).worth_telling(read, now)

    def is_known(self, event: Availability | BridgeState) -> bool:
        """Whether this availability is what the core already goes by."""
        if isinstance(event, Availability):
            room = self._rooms_with(event.sensor)[0]
            return room.state.sensors[event.sensor].online == event.online
        rooms = self._rooms_of_bridge.get(event.bridge, [])
        return all((event.bridge not in room.state.offline_bridges) == event.online for room in rooms)

    def has_sensor(self, sensor: str) -> bool:
        """Whether a room has this sensor."""
        return sensor in self._rooms_of

    def _rooms_with(self, sensor: str) -> tuple[Room, ...]:
        """The room of a sensor, and the rooms that it is a part of."""
        rooms = self._rooms_of.get(sensor)
        if rooms is None:
            raise UnknownName(f"no room has a sensor {sensor!r}")
        return rooms

    def _room(self, name: str) -> Room:
        room = self.rooms.get(name)
        if room is None:
            raise UnknownName(f"there is no room {name!r}")
        return room


def _shown_to_relatives(room: Room) -> tuple[tuple[object, ...], ...]:
    """What bears on the rooms that share its space; nothing if none does."""
    if not room.relatives:
        return ()
    return tuple(
        (key, life.booking.start, life.booking.end, life.state, life.is_attended)
        for key, life in sorted(room.state.lives.items())
    )
