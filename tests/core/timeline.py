"""A room, a booking and a clock for core tests: facts in, decisions out, in a few readable lines."""

from collections.abc import Iterable

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import (
    AnyEvent,
    Booted,
    CalendarRead,
    ClockStepped,
    Configured,
    LinkDown,
    LinkUp,
    Reading,
    ReadingKind,
    Tick,
    WriteOutcome,
)
from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant

MIDNIGHT = 1_790_000_000_000 // DAY_MS * DAY_MS

RADAR = SensorProfile(
    "radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS, loss_detectable=True, at_qos1=True
)
PIR = SensorProfile("pir", "motion", heartbeat_ms=MINUTE_MS, device_hold_ms=10 * SECOND_MS, at_qos1=True)
PIR_2 = SensorProfile("pir-2", "motion", heartbeat_ms=MINUTE_MS, device_hold_ms=10 * SECOND_MS, at_qos1=True)
ZIGBEE_PIR = SensorProfile(
    "zigbee", "motion", heartbeat_ms=HOUR_MS, device_hold_ms=90 * SECOND_MS, bridge="zigbee2mqtt"
)
COUNTER = SensorProfile(
    "counter", "count", hold_ms=2 * MINUTE_MS, heartbeat_ms=10 * MINUTE_MS, latency_ms=10 * MINUTE_MS
)
DOOR = SensorProfile("door", "motion", role="door", heartbeat_ms=MINUTE_MS, says_clear=False)


def at(clock: str) -> Instant:
    """The instant of a wall-clock time ("09:05" or "09:05:30") on the test day."""
    hours, minutes, seconds = ([int(part) for part in clock.split(":")] + [0])[:3]
    return MIDNIGHT + hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS


def booking(start: str, end: str, key: str = "", **more: object) -> Booking:
    """A booking that the room accepted."""
    name = key or f"uid-{start}"
    return Booking(name, f"id-{name}", at(start), at(end), **more)  # type: ignore[arg-type] # keyword pass-through


class Timeline:
    """Drives a site like the service does: facts as they come, ticks when the site asks for them."""

    def __init__(
        self,
        *sensors: SensorProfile,
        mode: str = "live",
        policy: Policy | None = None,
        start: str = "08:00",
        rooms: Iterable[str] = ("orion",),
        exempt: bool = False,
    ) -> None:
        self.site = Site()
        self.now = at(start)
        self.decisions: list[Decision] = []
        self.log: list[tuple[AnyEvent, Instant]] = []
        self.beating: dict[str, SensorProfile] = {}
        self.applies = True
        """Exchange carries out each release at once; False: the test says what came of it."""
        self.linked = True
        """The broker delivers."""
        self.polls = True
        """The calendar is read each minute."""
        configs = tuple(
            RoomConfig(
                room,
                mode=mode,  # type: ignore[arg-type] # a plain string reads better in tests
                policy=policy or Policy(),
                sensors=sensors if room == "orion" else (),
                exempt=exempt,
            )
            for room in rooms
        )
        self.tell(Configured(SiteConfig(configs)))
        self.tell(LinkUp(session_present=False))
        self.beating = {s.id: s for s in sensors if s.heartbeat_ms}
        for sensor in sensors:
            if sensor.says_clear:
                self.clear(sensor.id)
        self.read_calendar()

    # -- facts ----------------------------------------------------------------------------------------

    def tell(self, *events: AnyEvent) -> None:
        """Give facts at the present instant, then the tick that they call for."""
        for event in events:
            self._give(event)
        self._tick_if_due()

    def _give(self, event: AnyEvent) -> None:
        self.log.append((event, self.now))
        new = self.site.handle(event, self.now)
        self.decisions += new
        for decision in new:
            if decision.write is not None and decision.write.action == "release" and self.applies:
                self._give(WriteOutcome(decision.room, decision.write.id, "applied"))

    def _tick_if_due(self) -> None:
        for _ in range(5):
            deadline = self.site.next_deadline(self.now)
            if deadline is None or deadline > self.now:
                return
            self._give(Tick())
        raise AssertionError("the site asks for tick after tick at one instant")

    def _kind(self, sensor: str) -> ReadingKind:
        profile = next(p for r in self.site.state.config.rooms for p in r.sensors if p.id == sensor)
        return profile.senses

    def show(self, sensor: str, value: int = 1) -> None:
        """The sensor shows presence."""
        self.tell(Reading(sensor, self._kind(sensor), value))

    def clear(self, sensor: str) -> None:
        """The sensor shows nothing."""
        self.tell(Reading(sensor, self._kind(sensor), 0))

    def hit(self, sensor: str) -> None:
        """A motion sensor goes on, and off again after its device hold."""
        self.show(sensor)
        self.advance(self.now + 10 * SECOND_MS)
        self.clear(sensor)

    def book(self, *bookings: Booking, removed: tuple[str, ...] = ()) -> None:
        """A complete calendar read that brings these changes."""
        self.read_calendar(bookings, removed)

    def read_calendar(self, changed: Iterable[Booking] = (), removed: tuple[str, ...] = ()) -> None:
        """A complete read of the room's calendar."""
        self.tell(CalendarRead("orion", MIDNIGHT, MIDNIGHT + 2 * DAY_MS, tuple(changed), removed))

    def silence(self, *sensors: str) -> None:
        """These sensors stop talking from now on."""
        for sensor in sensors or tuple(self.beating):
            self.beating.pop(sensor, None)

    def resume(self, *sensors: SensorProfile) -> None:
        """These sensors talk again."""
        self.beating |= {s.id: s for s in sensors}

    def unplug(self) -> None:
        """The link to the broker is lost: nothing is heard from now on."""
        self.linked = False
        self.tell(LinkDown())

    def plug_in(self, *, session_present: bool = True) -> None:
        """Connected to the broker again."""
        self.linked = True
        self.tell(LinkUp(session_present))

    def restart(self, *, until: str, same_machine_boot: bool = True, session_present: bool = True) -> None:
        """The process is gone from now `until` a later time, then boots and connects."""
        down_since, self.now = self.now, at(until)
        self.tell(Booted(down_since, same_machine_boot))
        self.plug_in(session_present=session_present)

    def set_clock(self, clock: str) -> None:
        """Somebody sets the wall clock."""
        before, self.now = self.now, at(clock)
        self.tell(ClockStepped(self.now - before))

    def reconfigure(self, **changes: object) -> None:
        """Room orion gets another configuration."""
        config = self.site.state.config
        room = msgspec.structs.replace(config.rooms[0], **changes)
        self.tell(Configured(msgspec.structs.replace(config, rooms=(room, *config.rooms[1:]))))

    # -- time -----------------------------------------------------------------------------------------

    def until(self, clock: str) -> "Timeline":
        """Let time pass: heartbeats come, the calendar is read each minute, ticks are given when asked."""
        self.advance(at(clock))
        return self

    def advance(self, target: Instant) -> None:
        """As `until`, to an instant."""
        while True:
            deadline = self.site.next_deadline()
            beats = [self._next_beat(s) for s in self.beating.values() if self.linked]
            poll = (self.now // MINUTE_MS + 1) * MINUTE_MS
            upcoming = min([target, poll, *beats, *([deadline] if deadline is not None else [])])
            self.now = max(self.now, upcoming)
            for sensor in self.beating.values():
                if self.linked and self._is_beat(sensor):
                    self._give(Reading(sensor.id, "alive", 1))
            if self.now == poll and self.polls:
                self._give(CalendarRead("orion", MIDNIGHT, MIDNIGHT + 2 * DAY_MS))
            self._tick_if_due()
            if self.now >= target:
                return

    def _is_beat(self, sensor: SensorProfile) -> bool:
        assert sensor.heartbeat_ms
        return (self.now - MIDNIGHT) % sensor.heartbeat_ms == 0

    def _next_beat(self, sensor: SensorProfile) -> Instant:
        assert sensor.heartbeat_ms
        return MIDNIGHT + ((self.now - MIDNIGHT) // sensor.heartbeat_ms + 1) * sensor.heartbeat_ms

    # -- what came of it --------------------------------------------------------------------------------

    def kinds(self, key: str = "") -> list[str]:
        """The kinds of decisions about bookings so far, in order (about one booking if named)."""
        return [d.kind for d in self.decisions if d.booking and (not key or d.booking == key)]

    def first(self, kind: str, key: str = "") -> Decision:
        """The first decision of a kind."""
        return next(d for d in self.decisions if d.kind == kind and (not key or d.booking == key))

    def has(self, kind: str, key: str = "") -> bool:
        """Whether a decision of a kind was taken."""
        return any(d.kind == kind and (not key or d.booking == key) for d in self.decisions)

    def outcome(self, key: str = "") -> str:
        """What the (or the only) booking came to."""
        tally = self.first("concluded", key).tally
        assert tally is not None
        return tally.outcome

    def count(self, kind: str, key: str = "") -> int:
        """How many decisions of a kind were taken."""
        return len(self.times(kind, key))

    def times(self, kind: str, key: str = "") -> list[str]:
        """When decisions of a kind were taken, as wall-clock times ("09:05" or "09:05:30")."""
        return [clock(d.at) for d in self.decisions if d.kind == kind and (not key or d.booking == key)]

    def why(self, kind: str, key: str = "") -> list[str]:
        """The first reason's code of each decision of a kind."""
        return [d.reasons[0].code for d in self.decisions if d.kind == kind and (not key or d.booking == key)]


def clock(instant: Instant) -> str:
    """The wall-clock time of an instant on the test day; seconds only where there are any."""
    minutes, ms = divmod(instant - MIDNIGHT, MINUTE_MS)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{ms // SECOND_MS:02d}" if ms else text
