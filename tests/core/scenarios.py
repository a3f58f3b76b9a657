"""Random days in one room: what hypothesis draws, the facts that it means, and a player for them.

A `Script` is drawn. `facts` turns it into events with their instants, the same way every time.
`play` gives them to a site together with the ticks it asks for and the outcomes of its writes, and
records all of it; the record can be given again (`again`) with detours that must not matter.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from timeline import MIDNIGHT, at

from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import (
    AnyEvent,
    Availability,
    Booted,
    BridgeState,
    CalendarRead,
    CalendarUnreadable,
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
    RoomMode,
    Tick,
    WriteOutcome,
)
from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS, Instant

FACTOR: Final = int(os.environ.get("PROPERTY_FACTOR", "1"))
"""How many times as many random cases are drawn, of whatever kind; `make soak` draws more."""
SCRIPTED: Final = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
)
"""For tests of `SCRIPTS`: a whole morning is a large example, and some mornings are thrown away."""

BEGIN: Final = at("08:00")
LENGTH_S: Final = 130 * 60
BEAT_MS: Final = 2 * MINUTE_MS
SETTLE_MS: Final = 40 * SECOND_MS
QUEUE_COVERS_MS: Final = 60 * SECOND_MS

KINDS: Final = {
    "radar": SensorProfile(
        "radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=BEAT_MS, loss_detectable=True, at_qos1=True
    ),
    "pir": SensorProfile(
        "pir",
        "motion",
        heartbeat_ms=BEAT_MS,
        device_hold_ms=10 * SECOND_MS,
        at_qos1=True,
        hold_ms=6 * MINUTE_MS,
    ),
    "zigbee": SensorProfile(
        "zigbee", "motion", heartbeat_ms=15 * MINUTE_MS, device_hold_ms=60 * SECOND_MS, bridge="hub"
    ),
    "twin": SensorProfile("twin", "motion", heartbeat_ms=BEAT_MS, hold_ms=5 * MINUTE_MS, bridge="hub"),
    "counter": SensorProfile(
        "counter", "count", hold_ms=2 * MINUTE_MS, heartbeat_ms=5 * MINUTE_MS, latency_ms=5 * MINUTE_MS
    ),
    "hits": SensorProfile(
        "hits", "motion", hold_ms=4 * MINUTE_MS, says_clear=False, heartbeat_ms=BEAT_MS, at_qos1=True
    ),
    "mute": SensorProfile("mute", "motion", hold_ms=5 * MINUTE_MS),
    "seat": SensorProfile("seat", "presence", role="seat", hold_ms=MINUTE_MS, heartbeat_ms=BEAT_MS),
    "door": SensorProfile(
        "door", "motion", role="door", hold_ms=3 * MINUTE_MS, says_clear=False, heartbeat_ms=BEAT_MS
    ),
}

SENSOR_ACTS: Final = ("visit", "visit", "visit", "pulse", "silence", "offline", "battery", "fault", "cached")
SITE_ACTS: Final = ("link", "boot", "restart", "bridge", "step", "distrust", "unreadable", "patience")
BOOKING_ACTS: Final = ("check_in", "keep", "end", "move", "extend", "mark", "tentative", "vanish", "twist")
MODE_ACTS: Final = ("live", "shadow")


class Act(NamedTuple):
    """Something that happens `at_s` seconds into the day, to number `who`, lasting `for_s` where it lasts."""

    at_s: int
    what: str
    who: int = 0
    for_s: int = 0


class Slot(NamedTuple):
    """A booking: minutes into the day, length in minutes, and what is special about it."""

    start_min: int
    length_min: int
    special: Literal["", "all_day", "mark", "own", "series"] = ""


class Script(NamedTuple):
    """One random day."""

    sensors: tuple[str, ...]
    slots: tuple[Slot, ...]
    acts: tuple[Act, ...]
    live: bool = True
    results: tuple[Literal["applied", "superseded", "expired"], ...] = ("applied",)
    policy: Policy = Policy()

    @property
    def profiles(self) -> tuple[SensorProfile, ...]:
        """The sensors' profiles."""
        return tuple(KINDS[name] for name in self.sensors)


STARTS_MIN: Final = (15, 30, 45, 60)
HOT_S: Final = sorted(
    {
        start * 60 + after
        for start in STARTS_MIN
        for after in (
            -610,
            -300,
            -30,
            0,
            10,
            60,
            240,
            290,
            310,
            420,
            590,
            600,
            605,
            620,
            640,
            700,
            900,
            1200,
            1500,
        )
    }
)
"""Seconds into the day at which something is at stake: windows open, warnings run, writes are under way."""

_ACT = st.builds(
    Act,
    st.one_of(st.sampled_from(HOT_S), st.integers(0, LENGTH_S // 10).map(lambda n: n * 10)),
    st.sampled_from((*SENSOR_ACTS, *SENSOR_ACTS, *SITE_ACTS, *BOOKING_ACTS, *MODE_ACTS)),
    st.integers(0, 3),
    st.sampled_from((5, 20, 50, 120, 300, 900, 2400)),
)
_SLOT = st.builds(
    Slot,
    st.sampled_from(STARTS_MIN),
    st.sampled_from((10, 20, 30, 30, 45, 60, 60, 90, 200)),
    st.sampled_from(("", "", "", "", "all_day", "mark", "own", "series")),
)
SCRIPTS: Final[st.SearchStrategy[Script]] = st.builds(
    Script,
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4, unique=True).map(tuple),
    st.lists(_SLOT, min_size=1, max_size=4).map(tuple),
    st.lists(_ACT, max_size=10).map(tuple),
    st.booleans(),
    st.lists(st.sampled_from(("applied", "applied", "superseded", "expired")), min_size=1, max_size=3).map(
        tuple
    ),
    st.just(Policy()),
)

_COMES: Final = st.builds(
    Act,
    st.integers(0, LENGTH_S // 30).map(lambda n: n * 30),
    st.sampled_from(("visit", "visit", "pulse")),
    st.integers(0, 1),
    st.sampled_from((5, 20, 50, 120, 300, 900)),
)
ATTENDED: Final[st.SearchStrategy[Script]] = st.builds(
    lambda acts, live, result: Script(
        ("radar", "pir"), (Slot(15, 100),), (Act(900, "visit", 0, 120), *acts), live, (result,)
    ),
    st.lists(_COMES, max_size=6),
    st.booleans(),
    st.sampled_from(("applied", "superseded", "expired")),
)
"""Somebody comes at the start of a long booking; others, or nobody, later."""


class Fact(NamedTuple):
    """An event and the true time at which it happens, before anybody sets a clock."""

    time: Instant
    rank: int
    event: AnyEvent


def booking_of(slot: Slot, number: int) -> Booking:
    """The calendar entry of a slot."""
    start = BEGIN + slot.start_min * MINUTE_MS
    return Booking(
        f"b{number}",
        f"id-b{number}",
        start,
        start + slot.length_min * MINUTE_MS,
        series_id="master" if slot.special == "series" else "",
        all_day=slot.special == "all_day",
        marks=("category",) if slot.special == "mark" else (),
        room_organises=slot.special == "own",
    )


def facts(script: Script) -> list[tuple[Instant, AnyEvent]]:
    """The day's events with the instants that the wall clock shows, in the order in which they come."""
    return list(_with_clock_steps(sorted(_Day(script).all(), key=lambda fact: fact[:2])))


def _with_clock_steps(sorted_facts: list[Fact]) -> Iterator[tuple[Instant, AnyEvent]]:
    offset = 0
    for time, _, event in sorted_facts:
        if isinstance(event, ClockStepped):
            offset += event.by_ms
        if isinstance(event, Booted):
            event = Booted(event.down_since + offset, event.same_machine_boot)  # noqa: PLW2901 - by the clock as set
        yield time + offset, event


class _Day:
    """Works out what a script means."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.profiles = script.profiles
        self.rank = 0
        self.bookings = {b.key: b for b in map(booking_of, script.slots, range(9))}
        self.deaf = [self._span(a) for a in script.acts if a.what in ("link", "boot", "restart")]
        self.unread = [self._span(a) for a in script.acts if a.what == "unreadable"]

    def all(self) -> Iterator[Fact]:
        mode: RoomMode = "live" if self.script.live else "shadow"
        config = RoomConfig("orion", mode=mode, policy=self.script.policy, sensors=self.profiles)
        yield self._fact(BEGIN, Configured(SiteConfig((config,), QUEUE_COVERS_MS)))
        yield self._fact(BEGIN, LinkUp(session_present=False))
        for profile in self.profiles:
            yield from self._sensor(profile)
        yield self._read(BEGIN, *self.bookings.values())
        for minute in range(2, LENGTH_S // 60, 2):
            moment = BEGIN + minute * MINUTE_MS
            if not _within(moment, self.unread):
                yield self._read(moment)
        for act in sorted(self.script.acts):
            yield from self._act(act, config)

    def _fact(self, time: Instant, event: AnyEvent) -> Fact:
        self.rank += 1
        return Fact(time, self.rank, event)

    def _read(self, time: Instant, *changed: Booking, removed: tuple[str, ...] = ()) -> Fact:
        return self._fact(time, CalendarRead("orion", MIDNIGHT, MIDNIGHT + DAY_MS, changed, removed))

    def _span(self, act: Act) -> tuple[Instant, Instant]:
        start = BEGIN + act.at_s * SECOND_MS
        return start, start + act.for_s * SECOND_MS

    def _mine(self, act: Act, profile: SensorProfile) -> bool:
        return self.profiles[act.who % len(self.profiles)] is profile

    def _sensor(self, profile: SensorProfile) -> Iterator[Fact]:
        """What one sensor says: its state at first and after each outage, changes, heartbeats, pulses."""
        mine = [act for act in self.script.acts if self._mine(act, profile)]
        silent = self.deaf + [self._span(act) for act in mine if act.what == "silence"]
        visits = _union(self._span(act) for act in mine if act.what == "visit")
        said: list[tuple[Instant, AnyEvent]] = [
            (BEGIN + SECOND_MS, self._state(profile, visits, BEGIN + SECOND_MS))
        ]
        for start, end in visits:
            said += [
                (start, Reading(profile.id, profile.senses, 1)),
                (end, Reading(profile.id, profile.senses, 0)),
            ]
        for act in mine:
            start, _ = self._span(act)
            if act.what == "pulse" and not _within(start, visits):
                said += [(start, Reading(profile.id, profile.senses, value)) for value in (1, 0)]
            if act.what == "cached":
                said.append((start, Reading(profile.id, "alive", 1, device_made=False)))
        for _, end in silent:
            said.append((end + SECOND_MS, self._state(profile, visits, end + SECOND_MS)))
        shift = 7 * SECOND_MS * self.script.sensors.index(profile.id)
        if profile.heartbeat_ms:
            for beat in range(BEGIN + shift, BEGIN + LENGTH_S * SECOND_MS, profile.heartbeat_ms):
                state = self._state(profile, visits, beat) if profile.senses == "count" else None
                said.append((beat, state or Reading(profile.id, "alive", 1)))
        yield from self._cached(profile, [self._span(act) for act in mine if act.what == "silence"])
        for moment, event in said:
            if not _within(moment, silent) and (
                profile.says_clear or event != Reading(profile.id, "motion", 0)
            ):
                yield self._fact(moment, event)

    def _cached(self, profile: SensorProfile, silences: list[tuple[Instant, Instant]]) -> Iterator[Fact]:
        """A bridge's timer goes on without the device."""
        for start, end in silences:
            for moment in range(start, end, MINUTE_MS):
                if not _within(moment, self.deaf):
                    yield self._fact(moment, Reading(profile.id, "alive", 1, device_made=False))

    def _state(
        self, profile: SensorProfile, visits: list[tuple[Instant, Instant]], moment: Instant
    ) -> AnyEvent:
        return Reading(profile.id, profile.senses, int(_within(moment, visits)))

    def _act(self, act: Act, config: RoomConfig) -> Iterator[Fact]:
        start, end = self._span(act)
        sensor = self.profiles[act.who % len(self.profiles)].id
        if act.what in BOOKING_ACTS:
            yield from self._booking_act(act, start)
            return
        begin_end: dict[str, tuple[AnyEvent, AnyEvent]] = {
            "link": (LinkDown(), LinkUp(act.who % 2 == 0)),
            "boot": (Booted(start), LinkUp(act.who % 2 == 0)),
            "offline": (Availability(sensor, online=False), Availability(sensor, online=True)),
            "battery": (Reading(sensor, "battery", 1), Reading(sensor, "battery", 80)),
            "fault": (Reading(sensor, "fault", 1), Reading(sensor, "fault", 0)),
            "bridge": (BridgeState("hub", online=False), BridgeState("hub", online=True)),
            "distrust": (ClockTrust(trusted=False), ClockTrust(trusted=True)),
            "live": (ModeSet("orion", "live"), Tick()),
            "shadow": (ModeSet("orion", "shadow"), Tick()),
            "unreadable": (CalendarUnreadable("orion", "503"), Tick()),
        }
        has_hub = any(profile.bridge == "hub" for profile in self.profiles)
        if act.what == "restart":  # the process is away, so nothing happens until it boots
            yield self._fact(end, Booted(start, same_machine_boot=True))
            yield self._fact(end, LinkUp(session_present=act.who != 3))
        elif act.what == "step":
            yield self._fact(start, ClockStepped((-600, -40, 40, 900)[act.who] * SECOND_MS))
        elif act.what == "patience":
            patient = msgspec.structs.replace(
                config, policy=Policy(grace_ms=(5, 10, 12, 20)[act.who] * MINUTE_MS)
            )
            yield self._fact(start, Configured(SiteConfig((patient,), QUEUE_COVERS_MS)))
        elif act.what in begin_end and (act.what != "bridge" or has_hub):
            for moment, event in zip((start, end), begin_end[act.what], strict=True):
                if not isinstance(event, Tick) and not (
                    isinstance(event, Reading) and _within(moment, self.deaf)
                ):
                    yield self._fact(moment, event)

    def _booking_act(self, act: Act, moment: Instant) -> Iterator[Fact]:
        key = f"b{act.who % len(self.bookings)}"
        booking = self.bookings[key]
        words: dict[str, AnyEvent] = {
            "check_in": CheckedIn("orion", key),
            "keep": Kept("orion", key),
            "end": Ended("orion", key),
        }
        if act.what in words:
            yield self._fact(moment, words[act.what])
            return
        if act.what in ("tentative", "vanish"):  # and back, half a minute later
            gone = (
                (msgspec.structs.replace(booking, response="tentative"),) if act.what == "tentative" else ()
            )
            yield self._read(moment, *gone, removed=() if gone else (key,))
            yield self._read(moment + 30 * SECOND_MS, booking)
            return
        by = act.for_s * SECOND_MS
        changed = {
            "move": {"start": booking.start + by, "end": booking.end + by},
            "extend": {"end": booking.end + by},
            "mark": {"marks": ("organizer",)},
            "twist": {"change_key": f"{act.at_s}", "event_id": f"id-{key}-{act.at_s}"},
        }[act.what]
        self.bookings[key] = msgspec.structs.replace(booking, **changed)  # type: ignore[arg-type] # by name
        yield self._read(moment, self.bookings[key])


def before_step(event: AnyEvent, moment: Instant) -> Instant:
    """What the clock showed when the event happened, had it not been set by the event."""
    return moment - event.by_ms if isinstance(event, ClockStepped) else moment


def _within(moment: Instant, spans: Iterable[tuple[Instant, Instant]]) -> bool:
    return any(start <= moment < end for start, end in spans)


def _union(spans: Iterable[tuple[Instant, Instant]]) -> list[tuple[Instant, Instant]]:
    merged: list[tuple[Instant, Instant]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


# -- playing it -----------------------------------------------------------------------------------------


class Given(NamedTuple):
    """One event as it was given, and the decisions that came of it."""

    event: AnyEvent
    now: Instant
    decisions: tuple[Decision, ...]


class Record(NamedTuple):
    """A whole day as the site saw it."""

    given: tuple[Given, ...]
    snapshot: bytes

    @property
    def decisions(self) -> list[Decision]:
        """All decisions, in order."""
        return [decision for step in self.given for decision in step.decisions]


class Player:
    """Gives a day to a site: facts, the ticks that the site asks for, and what came of its writes."""

    def __init__(self, script: Script) -> None:
        self.site = Site()
        self.script = script
        self.given: list[Given] = []
        self.outcomes: list[tuple[Instant, WriteOutcome]] = []
        self.writes = 0
        self.watch: Callable[[Site, Instant], None] | None = None

    def play(self, added: Iterable[tuple[Instant, AnyEvent]] = ()) -> Record:
        """The day, with some facts added (each after the facts of its instant)."""
        day = facts(self.script)
        extra = sorted(added, key=lambda item: item[0])
        merged = sorted([*day, *extra], key=lambda item: item[0]) if extra else day
        for index, (moment, event) in enumerate(merged):
            self._pass_time(moment, event)
            self._give(event, moment)
            upcoming = merged[index + 1][0] if index + 1 < len(merged) else None
            if upcoming != moment:
                self._tick(moment)
        return Record(tuple(self.given), self.site.snapshot())

    def _pass_time(self, moment: Instant, event: AnyEvent) -> None:
        """Ticks and outcomes before the next fact; what was due before a clock was set is not skipped."""
        moment = before_step(event, moment)
        while True:
            deadline = self.site.next_deadline(moment)
            outcome = self.outcomes[0][0] if self.outcomes else moment
            now = self.site.state.now
            if deadline is not None and deadline < min(moment, outcome):
                self._give(Tick(), max(deadline, now))
            elif outcome < moment:
                when, told = self.outcomes.pop(0)
                self._give(told, max(when, now))
            else:
                return

    def _tick(self, moment: Instant) -> None:
        deadline = self.site.next_deadline(moment)
        if deadline is not None and deadline <= moment:
            self._give(Tick(), moment)

    def _give(self, event: AnyEvent, now: Instant) -> None:
        decisions = tuple(self.site.handle(event, now))
        self.given.append(Given(event, now, decisions))
        for decision in decisions:
            if decision.write is not None and decision.write.action == "release":
                result = self.script.results[self.writes % len(self.script.results)]
                self.writes += 1
                self.outcomes.append((now + SETTLE_MS, WriteOutcome("orion", decision.write.id, result)))
            if decision.withdraws is not None:
                self._withdraw(decision.withdraws)
        if self.watch is not None:
            self.watch(self.site, now)

    def _withdraw(self, write: int) -> None:
        self.outcomes = [
            (when, msgspec.structs.replace(told, result="superseded") if told.write == write else told)
            for when, told in self.outcomes
        ]


def play(script: Script, added: Iterable[tuple[Instant, AnyEvent]] = ()) -> Record:
    """A site's day."""
    return Player(script).play(added)


def again(record: Record, *, restoring: bool = False) -> Record:
    """The same events given again to a new site; `restoring`: through a snapshot after each of them."""
    site = Site()
    given = []
    for event, now, _ in record.given:
        given.append(Given(event, now, tuple(site.handle(event, now))))
        if restoring:
            site = Site.restore(site.snapshot())
    return Record(tuple(given), site.snapshot())
