"""Pairs of histories that differ in one way, and what may not come of the difference (W9a, W9b).

A history is what the core is given but for its own ticks and the outcomes of its writes: those follow
from what is decided, so `replay` gives them anew.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

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
    Tick,
    WriteOutcome,
)
from gateway.core.policy import Policy, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.sensors import SensorSource, build_router
from simulators.invariants.base import Violation
from simulators.invariants.hearsay import PRESENCE
from simulators.office import Fitting, Office, OfficeRoom
from simulators.people import PlannedBooking, Visit

Timed = tuple[Instant, AnyEvent]
History = tuple[Timed, ...]

SETTLE_MS: Final[Duration] = 5 * SECOND_MS
"""From a decision to the outcome of its write."""
HANDOVER_GAP_MS: Final[Duration] = 5 * MINUTE_MS
POLL_MS: Final[Duration] = MINUTE_MS
JITTER_MS: Final[Duration] = 5 * SECOND_MS
RELEASES: Final = ("release", "would_release")
LEARNED: Final = ("maybe_stuck_off", "stuck_off")
"""Reasons to withhold that are learned from earlier bookings: presence unlearns them, as it should."""


# -- replaying ----------------------------------------------------------------------------------------


def facts_of(journal: Iterable[Timed]) -> History:
    """A journal's events without what follows from decisions."""
    return tuple((at, event) for at, event in journal if not isinstance(event, Tick | WriteOutcome))


def replay(history: Iterable[Timed]) -> list[Decision]:
    """What a new site decides: given the facts, the ticks that it asks for, and the outcome of each write."""
    return _Replay().run(history)


class _Replay:
    def __init__(self) -> None:
        self.site = Site()
        self.decisions: list[Decision] = []
        self.outcomes: list[tuple[Instant, WriteOutcome]] = []

    def run(self, history: Iterable[Timed]) -> list[Decision]:
        newest: Instant | None = None
        for at, event in history:
            before = at - event.by_ms if isinstance(event, ClockStepped) else at
            if newest is not None and newest != at:
                self._conclude(newest)
            self._pass_time(before)
            self._give(event, at)
            newest = at
        if newest is not None:
            self._conclude(newest)
        return self.decisions

    def _pass_time(self, until: Instant) -> None:
        while True:
            deadline = self.site.next_deadline(until)
            outcome = self.outcomes[0][0] if self.outcomes else until
            now = self.site.state.now
            if deadline is not None and deadline < min(until, outcome):
                self._give(Tick(), max(deadline, now))
            elif outcome < until:
                at, event = self.outcomes.pop(0)
                self._give(event, max(at, now))
            else:
                return

    def _conclude(self, now: Instant) -> None:
        deadline = self.site.next_deadline(now)
        if deadline is not None and deadline <= now:
            self._give(Tick(), now)

    def _give(self, event: AnyEvent, now: Instant) -> None:
        for decision in self.site.handle(event, now):
            self.decisions.append(decision)
            if decision.write is not None:
                outcome = WriteOutcome(decision.room, decision.write.id, "applied")
                self.outcomes.append((now + SETTLE_MS, outcome))
            if decision.withdraws is not None:
                self._withdraw(decision.room, decision.withdraws)

    def _withdraw(self, room: str, write: int) -> None:
        self.outcomes = [
            (at, WriteOutcome(room, write, "superseded", "withdrawn") if _is(told, room, write) else told)
            for at, told in self.outcomes
        ]


def _is(told: WriteOutcome, room: str, write: int) -> bool:
    return (told.room, told.write) == (room, write)


# -- W9a: presence added --------------------------------------------------------------------------------


def with_presence(history: History, number: int) -> tuple[History, Instant] | None:
    """The history with one reading made to show presence, and that instant; `number` picks the reading.

    Everything else stays, its proof of life included. None if there is no such reading.
    """
    profiles = {
        sensor.id: sensor
        for _, event in history
        if isinstance(event, Configured)
        for room in event.site.rooms
        for sensor in room.sensors
    }
    quiet = [
        index
        for index, (_, event) in enumerate(history)
        if isinstance(event, Reading) and event.value <= (event.kind == "alive") and _may_show(event)
    ]
    if not quiet:
        return None
    index = quiet[number % len(quiet)]
    at, event = history[index]
    if not isinstance(event, Reading):
        return None
    shows = msgspec.structs.replace(event, kind=profiles[event.sensor].senses, value=1)
    return (*history[:index], (at, shows), *history[index + 1 :]), at


def _may_show(event: Reading) -> bool:
    return event.kind in PRESENCE or event.kind == "alive"


def hastened(
    history: History, plain: list[Decision], added: list[Decision], moment: Instant
) -> list[Violation]:
    """W9a: presence added at `moment` never creates or hastens a no-show or brief-visit release.

    Held fixed are learned state, the attendance of earlier bookings and handovers from them: bookings for
    which the addition bears on one of those are left out.
    """
    bookings = {
        (event.room, booking.key): booking
        for _, event in history
        if isinstance(event, CalendarRead)
        for booking in event.changed
    }
    found = []
    for (room, key), booking in sorted(bookings.items()):
        before, after = _first_release(plain, room, key), _first_release(added, room, key)
        if after is None or (before is not None and before <= after):
            continue
        rivals = [b for (r, k), b in bookings.items() if r == room and k != key]
        if _is_comparable(room, booking, rivals, (plain, added), moment):
            was = "not released" if before is None else f"released at {before}"
            what = f"{key}: {was}, and with presence added at {moment} released at {after}"
            found.append(Violation("W9a", after, room, what))
    return found


def _first_release(decisions: list[Decision], room: str, key: str) -> Instant | None:
    found = (d.at for d in decisions if d.kind in RELEASES and (d.room, d.booking) == (room, key))
    return next(found, None)


def _is_comparable(
    room: str,
    booking: Booking,
    rivals: Sequence[Booking],
    both: tuple[list[Decision], list[Decision]],
    moment: Instant,
) -> bool:
    seen: set[str] = set()
    for decision in (d for decisions in both for d in decisions if d.room == room):
        if decision.kind in ("seen", "checked_in"):
            seen.add(decision.booking)
        learned = decision.kind == "withheld" and any(r.code in LEARNED for r in decision.reasons)
        if learned and decision.booking == booking.key:
            return False
    for other in rivals:
        if other.key not in seen or other.start >= booking.start:
            continue
        hands_over = other.end >= booking.start - HANDOVER_GAP_MS
        if hands_over or other.start - HOUR_MS <= moment <= other.end + MINUTE_MS:
            return False
    return True


# -- W9b: faults ------------------------------------------------------------------------------------------

FaultName = Literal["late", "twice", "silent", "link", "restart", "boot", "unreadable"]


class Fault(NamedTuple):
    """Something that fails between two instants; `sensor` counts the room's sensors."""

    name: FaultName
    since: Instant
    until: Instant
    sensor: int = 0
    session: bool = True
    """Whether the broker still has the gateway's session afterwards (`link`)."""


class Day(NamedTuple):
    """A room's fault-free day: what its sensors say and when, what its calendar shows, who is inside."""

    config: SiteConfig
    begin: Instant
    end: Instant
    said: tuple[tuple[Instant, Reading], ...]
    bookings: tuple[PlannedBooking, ...]
    visits: tuple[Visit, ...]
    delay_ms: Duration
    """D: how late a message may be at the most."""

    @property
    def sensors(self) -> tuple[SensorProfile, ...]:
        """The room's sensors."""
        return self.config.rooms[0].sensors

    @property
    def room(self) -> str:
        """Its name."""
        return self.config.rooms[0].id


def day_of(seed: int, fitting: Fitting, *, hours: float = 3.0, delay_ms: Duration = 0) -> Day:
    """One live room of a simulated office, its effective grace at least max(hold, latency) + `delay_ms`."""
    start = (20_000 + seed % 500 // 5 * 7) * DAY_MS + 4 * DAY_MS + 8 * HOUR_MS
    office = Office(seed, 1, start_ms=start, hours=hours, warm_up_ms=30 * MINUTE_MS, sensor_mix=(fitting,))
    room = office.rooms[0]
    needed = max(max(s.hold_ms, s.latency_ms) for s in room.config.sensors) + delay_ms
    policy = Policy(grace_ms=max(Policy().grace_ms, needed))
    config = msgspec.structs.replace(room.config, mode="live", policy=policy)
    said = tuple(_readings(office, room))
    return Day(SiteConfig((config,)), start, office.end_ms, said, room.bookings, room.visits, delay_ms)


def _readings(office: Office, room: OfficeRoom) -> Iterator[tuple[Instant, Reading]]:
    router = build_router(SensorSource(**device.source()) for device in room.devices)
    for message in office.messages():
        if message.topic in router.topics:
            for item in router.decode(message.topic, message.payload, retained=False):
                if isinstance(item, Reading):
                    yield message.t, item


def history_of(day: Day, faults: Sequence[Fault] = ()) -> History:
    """What a gateway is given on that day if these things fail; without any, the fault-free history."""
    heard = [(at, 2, event) for at, event in _heard(day, faults)]
    looked = [(at, 3, event) for at, event in _looked(day, faults)]
    linked = [(at, 1, event) for at, event in _linked(faults)]
    opening: list[tuple[Instant, int, AnyEvent]] = [
        (day.begin, 0, Configured(day.config)),
        (day.begin, 1, LinkUp(session_present=False)),
    ]
    merged = heapq.merge(opening, *(sorted(part, key=_order) for part in (linked, heard, looked)), key=_order)
    return tuple((at, event) for at, _, event in merged)


def _order(item: tuple[Instant, int, AnyEvent]) -> tuple[Instant, int]:
    return item[:2]


def _linked(faults: Sequence[Fault]) -> Iterator[Timed]:
    for fault in faults:
        if fault.name == "link":
            yield fault.since, LinkDown()
            yield fault.until, LinkUp(session_present=fault.session)
        elif fault.name in ("restart", "boot"):
            yield fault.until, Booted(fault.since, same_machine_boot=fault.name == "restart")
            yield fault.until, LinkUp(session_present=fault.name == "restart")


def _looked(day: Day, faults: Sequence[Fault]) -> Iterator[Timed]:
    """The calendar, read each minute while it can be: what was booked or cancelled since the last read."""
    unread = [f for f in faults if f.name in ("unreadable", "restart", "boot")]
    known: set[str] = set()
    for at in range(day.begin, day.end, POLL_MS):
        if any(fault.since <= at <= fault.until for fault in unread):
            continue
        there = {
            b.key: b
            for b in day.bookings
            if b.created_at <= at and (b.cancelled_at is None or at < b.cancelled_at)
        }
        changed = tuple(_entry(there[key]) for key in sorted(there.keys() - known))
        removed = tuple(sorted(known - there.keys()))
        known = set(there)
        midnight = at // DAY_MS * DAY_MS
        yield at, CalendarRead(day.room, midnight, midnight + 2 * DAY_MS, changed, removed)


def _entry(booking: PlannedBooking) -> Booking:
    return Booking(booking.key, f"id-{booking.key}", booking.start, booking.end)


def _heard(day: Day, faults: Sequence[Fault]) -> Iterator[Timed]:
    """Each message of each sensor: when it arrives, if it does; a sensor's messages stay in order."""
    newest: dict[str, Instant] = {}
    names = [sensor.id for sensor in day.sensors]
    at_qos1 = {sensor.id: sensor.at_qos1 for sensor in day.sensors}
    for number, (at, reading) in enumerate(day.said):
        mine = [
            f for f in faults if names[f.sensor % len(names)] == reading.sensor and f.since <= at < f.until
        ]
        if any(fault.name == "silent" for fault in mine):
            continue
        late = next((fault for fault in mine if fault.name == "late"), None)
        sent = at + (0 if late is None else _lateness(late, number, day.delay_ms))
        sent = max(sent, newest.get(reading.sensor, sent))
        arrives = _through(sent, faults, queued=at_qos1[reading.sensor])
        if arrives is None:
            continue
        newest[reading.sensor] = arrives
        yield arrives, reading
        if any(fault.name == "twice" for fault in mine):
            yield arrives, reading


def _lateness(fault: Fault, number: int, most: Duration) -> Duration:
    """About the same as long as the fault lasts, with some jitter: heartbeats still come one by one."""
    jitter = min(JITTER_MS, most)
    return (fault.since + fault.until) // SECOND_MS * 7_919 % (most - jitter + 1) + number * 7_919 % (
        jitter + 1
    )


def _through(at: Instant, faults: Sequence[Fault], *, queued: bool) -> Instant | None:
    """When a message that reaches the broker at `at` reaches the gateway; None: never."""
    for fault in sorted(faults, key=lambda f: f.since):
        if fault.name in ("link", "restart", "boot") and fault.since <= at < fault.until:
            keeps = fault.name == "restart" or (fault.name == "link" and fault.session)
            if not (keeps and queued):
                return None
            at = fault.until
    return at


def allowance(day: Day, faults: Sequence[Fault]) -> Duration:
    """For how long somebody may be inside before a gateway must have known.

    The delay, what a sensor needs to tell, and where messages were lost, how long that takes to notice.
    """
    lossy = any(fault.name in ("silent", "link", "restart", "boot") for fault in faults)
    beat = max((sensor.heartbeat_ms or 0 for sensor in day.sensors), default=0) if lossy else 0
    latency = min(sensor.latency_ms for sensor in day.sensors)
    return day.delay_ms + latency + beat * 5 // 4 + SETTLE_MS


def wrongly_in_faults(day: Day, faults: Sequence[Fault]) -> list[Violation]:
    """W9b: a release in the faulty history is one in the clean history, or nobody was inside.

    Inside is who had come longer ago than `allowance`: with a delay of D, who came within the last D
    can be in no message that has arrived.
    """
    clean = {d.booking for d in replay(history_of(day)) if d.kind in RELEASES}
    found = []
    longest = allowance(day, faults)
    for decision in replay(history_of(day, faults)):
        if decision.kind not in RELEASES or decision.booking in clean:
            continue
        inside = [v for v in day.visits if v.enter <= decision.at - longest and decision.at < v.leave]
        if inside:
            what = (
                f"{decision.booking}: released with people inside since {inside[0].enter}, only with faults"
            )
            found.append(Violation("W9b", decision.at, decision.room, what))
    return found
