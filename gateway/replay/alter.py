"""Histories altered in one respect: what might have been different. Pure; nothing is judged here."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from gateway.core.booking import Booking
from gateway.core.breaker import BreakerState
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
    WereHere,
    WriteOutcome,
)
from gateway.core.evidence import PRESENCE_KINDS, refresh_health
from gateway.core.occupancy import effective_grace
from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.room import RoomState
from gateway.core.site import SiteState
from gateway.core.units import MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.replay.bundle import BreakerMoved, Fact
from gateway.replay.fate import History, placed

Fit = Callable[[RoomState], None]
Keep = Callable[[AnyEvent | BreakerMoved], AnyEvent | BreakerMoved | None]

MOMENT_MS: Final[Duration] = SECOND_MS
"""How long a single sign of a sensor that reports a state lasts."""


# -- in general ---------------------------------------------------------------------------------------


def restarted(history: History, fit: Callable[[SiteState], None]) -> History:
    """Another start."""
    state = msgspec.json.decode(history.start, type=SiteState)
    fit(state)
    return History(msgspec.json.encode(state), history.facts)


def refit(history: History, room: str, fit: Fit) -> History:
    """Another start of one room."""
    return restarted(history, lambda state: fit(state.rooms[room]) if room in state.rooms else None)


def changed(history: History, keep: Keep) -> History:
    """Other facts: each as it is given back, or left out."""
    result: list[Fact] = []
    for one in history.facts:
        fact = keep(one[1])
        if fact is not None:
            result.append(one if fact is one[1] else (one[0], fact))
    return History(history.start, tuple(result))


def with_more(history: History, *more: Fact) -> History:
    """More facts."""
    return History(history.start, placed(history.facts, *more))


def without(history: History, *kinds: type[AnyEvent | BreakerMoved]) -> History:
    """No facts of these kinds."""
    return changed(history, lambda fact: None if isinstance(fact, kinds) else fact)


# -- presence -----------------------------------------------------------------------------------------


def sign(profile: SensorProfile, at: Instant, length_ms: Duration = 0) -> tuple[Fact, ...]:
    """One sign of presence; a sensor that reports a state clears again."""
    shown: Fact = (at, Reading(profile.id, profile.senses, 1))
    if not profile.says_clear:
        return (shown,)
    lasts = max(length_ms, MOMENT_MS, profile.device_hold_ms if profile.senses == "motion" else 0)
    return shown, (at + lasts, Reading(profile.id, profile.senses, 0))


def message(profile: SensorProfile, at: Instant, value: int = 0) -> Fact:
    """One word of a sensor: its state, or that it lives."""
    if profile.says_clear:
        return at, Reading(profile.id, profile.senses, value)
    return at, Reading(profile.id, "alive", 1)


def visits(facts: Iterable[Fact], profile: SensorProfile) -> list[tuple[Instant, frozenset[int]]]:
    """Each time that a sensor began to show presence, with the indexes of the facts that show it."""
    found: list[tuple[Instant, list[int]]] = []
    going_on = False
    for i, (at, fact) in enumerate(facts):
        if not isinstance(fact, Reading) or fact.sensor != profile.id or fact.kind not in PRESENCE_KINDS:
            continue
        if not fact.shows_presence:
            going_on = going_on and fact.kind != profile.senses
            continue
        if going_on and profile.says_clear:
            found[-1][1].append(i)
        else:
            found.append((at, [i]))
        going_on = True
    return [(at, frozenset(indexes)) for at, indexes in found]


def unshown(history: History, profile: SensorProfile, indexes: frozenset[int]) -> History:
    """The sensor spoke at these facts and showed nothing."""
    facts = tuple(
        (one[0], _quiet(profile, one[1])) if i in indexes and isinstance(one[1], Reading) else one
        for i, one in enumerate(history.facts)
    )
    return History(history.start, facts)


def _quiet(profile: SensorProfile, reading: Reading) -> Reading:
    if not profile.says_clear or reading.kind != profile.senses:
        return Reading(reading.sensor, "alive", 1, reading.device_made, reading.made_at)
    return msgspec.structs.replace(reading, value=0)


def never_shown(history: History, profiles: Iterable[SensorProfile]) -> History:
    """These sensors spoke as they did and showed nothing, from the beginning."""
    own = {profile.id: profile for profile in profiles}

    def keep(fact: AnyEvent | BreakerMoved) -> AnyEvent | BreakerMoved:
        shows = isinstance(fact, Reading) and fact.sensor in own and fact.shows_presence
        return _quiet(own[fact.sensor], fact) if shows and isinstance(fact, Reading) else fact

    def fit(state: SiteState) -> None:
        for room in state.rooms.values():
            for name, sensor in room.sensors.items():
                if name in own and sensor.showing:
                    sensor.showing, sensor.value, sensor.last_sign = False, 0, sensor.shown_since
            room.signs = [one for one in room.signs if one.sensor not in own]

    return restarted(changed(history, keep), fit)


def silent_since(
    history: History, sensor: str, words: int, before: Instant
) -> tuple[Instant, History] | None:
    """A sensor's last so many messages before an instant never came; when the first did. None: too few."""
    spoken = [
        i
        for i, (at, fact) in enumerate(history.facts)
        if at < before and isinstance(fact, Reading) and fact.sensor == sensor
    ]
    if len(spoken) < words:
        return None
    lost = frozenset(spoken[-words:])
    facts = tuple(fact for i, fact in enumerate(history.facts) if i not in lost)
    return history.facts[min(lost)][0], History(history.start, facts)


# -- health -------------------------------------------------------------------------------------------


def healthy(history: History, profiles: Iterable[SensorProfile], until: Instant) -> History:
    """These sensors spoke in time, were online and well; what they showed stays as it was."""
    own = {profile.id: profile for profile in profiles}
    bridges = {profile.bridge for profile in own.values() if profile.bridge}

    def keep(fact: AnyEvent | BreakerMoved) -> AnyEvent | BreakerMoved | None:
        match fact:
            case Availability():
                return None if fact.sensor in own else fact
            case BridgeState():
                return None if fact.bridge in bridges else fact
            case Reading() if fact.sensor in own and fact.kind in ("battery", "fault", "tamper"):
                return Reading(fact.sensor, "alive", 1, fact.device_made, fact.made_at)
        return fact

    begin = history.begin

    def fit(state: SiteState) -> None:
        state.offline_bridges = [bridge for bridge in state.offline_bridges if bridge not in bridges]
        for room in state.rooms.values():
            room.offline_bridges = [bridge for bridge in room.offline_bridges if bridge not in bridges]
            for profile in room.config.sensors:
                if profile.id in own:
                    _heal(room, profile, begin)
            room.dirty = True

    healed = restarted(changed(history, keep), fit)
    more = [one for profile in own.values() for one in _beats(healed, profile, begin, until)]
    return with_more(healed, *more)


def _heal(room: RoomState, profile: SensorProfile, begin: Instant) -> None:
    sensor = room.sensors[profile.id]
    sensor.online, sensor.battery, sensor.fault, sensor.tampered = True, 100, False, False
    sensor.silent_attended, sensor.flapping_until, sensor.rises = 0, NEVER, 0
    sensor.last_proof = sensor.told_at = begin
    sensor.knows_state = True
    refresh_health(profile, sensor, bridge_online=True)


def _beats(history: History, profile: SensorProfile, begin: Instant, until: Instant) -> Iterable[Fact]:
    """The heartbeats that are missing, each telling the state that the sensor showed last."""
    if profile.heartbeat_ms is None:
        return
    state = msgspec.json.decode(history.start, type=SiteState)
    sensors = [room.sensors[profile.id] for room in state.rooms.values() if profile.id in room.sensors]
    last, value = begin, int(sensors[0].showing) if sensors else 0
    spoken = [
        (at, fact) for at, fact in history.facts if isinstance(fact, Reading) and fact.sensor == profile.id
    ]
    for at, fact in [*spoken, (until, None)]:
        while at - last > profile.heartbeat_ms:
            last += profile.heartbeat_ms
            yield message(profile, last, value)
        last = max(last, at)
        if fact is not None and fact.kind == profile.senses:
            value = fact.value


def heard(history: History, profiles: Iterable[SensorProfile], until: Instant) -> History:
    """The gateway ran and was connected all the time, and the sensors were well."""

    def fit(state: SiteState) -> None:
        for room in state.rooms.values():
            if room.hearing_since == NEVER:
                room.hearing_since, room.deaf_since = state.now, NEVER
        state.hearing_since = max(state.hearing_since, state.now)

    return healthy(restarted(without(history, LinkDown, LinkUp, Booted), fit), profiles, until)


def clock_right(history: History) -> History:
    """The clock was right all the time."""

    def fit(state: SiteState) -> None:
        state.clock_trusted = True
        for room in state.rooms.values():
            room.clock_trusted = True

    return restarted(without(history, ClockStepped, ClockTrust), fit)


# -- calendar, people, the rest of the site -----------------------------------------------------------


def calendar_readable(history: History, room: str, until: Instant) -> History:
    """The calendar was read each minute; it shows nothing but what it showed."""
    begin = history.begin

    def keep(fact: AnyEvent | BreakerMoved) -> AnyEvent | BreakerMoved | None:
        return None if isinstance(fact, CalendarUnreadable) and fact.room == room else fact

    reads = [(at, CalendarRead(room, begin, until)) for at in range(begin + MINUTE_MS, until, MINUTE_MS)]
    return with_more(changed(history, keep), *reads)


def unsaid(history: History, index: int) -> History:
    """A person did not say this one thing."""
    facts = history.facts
    return History(history.start, facts[:index] + facts[index + 1 :])


def words_about(history: History, room: str, label: str) -> list[int]:
    """The indexes of what people said of a booking."""
    return [
        i
        for i, (_, fact) in enumerate(history.facts)
        if isinstance(fact, CheckedIn | Kept | Ended) and fact.room == room and fact.booking in ("", label)
    ]


def nobody_spoke(history: History, room: str, label: str) -> History:
    """No person said anything of a booking."""
    words = frozenset(words_about(history, room, label))
    facts = tuple(fact for i, fact in enumerate(history.facts) if i not in words)

    def fit(state: RoomState) -> None:
        life = state.lives.get(label)
        if life is not None:
            life.kept = life.checked_in_by_person = False

    return refit(History(history.start, facts), room, fit)


def looked_after(history: History, room: str) -> History:
    """Nobody had reported a wrong release, or somebody had looked since."""

    def fit(state: RoomState) -> None:
        state.paused_at = NEVER

    return refit(without(history, WereHere), room, fit)


def believed_alive(history: History, room: str) -> History:
    """The room's only proving sensor had shown presence lately."""

    def fit(state: RoomState) -> None:
        state.unseen_streak = 0

    return refit(history, room, fit)


def breaker_quiet(history: History) -> History:
    """The breaker stayed closed."""

    def fit(state: SiteState) -> None:
        state.breaker = BreakerState()

    return restarted(without(history, BreakerMoved), fit)


def written(history: History, room: str, writes: frozenset[int]) -> History:
    """Exchange did what it was asked for."""

    def keep(fact: AnyEvent | BreakerMoved) -> AnyEvent | BreakerMoved:
        own = isinstance(fact, WriteOutcome) and fact.room == room and fact.write in writes
        return WriteOutcome(room, fact.write, "applied") if own and isinstance(fact, WriteOutcome) else fact

    return changed(history, keep)


def never_released(history: History, room: str, label: str) -> History:
    """It had not been released before."""

    def fit(state: RoomState) -> None:
        state.released.pop(label, None)
        life = state.lives.get(label)
        if life is not None:
            life.restored = False

    return refit(history, room, fit)


def unmarked(history: History, room: str, label: str) -> History:
    """Nothing in the calendar entry exempted it: no mark, not all day."""

    def plain(booking: Booking) -> Booking:
        same = booking.key == label
        return msgspec.structs.replace(booking, marks=(), all_day=False) if same else booking

    def keep(fact: AnyEvent | BreakerMoved) -> AnyEvent | BreakerMoved:
        if not isinstance(fact, CalendarRead) or fact.room != room:
            return fact
        return msgspec.structs.replace(fact, changed=tuple(plain(one) for one in fact.changed))

    def fit(state: RoomState) -> None:
        for life in state.lives.values():
            life.booking = plain(life.booking)

    return refit(changed(history, keep), room, fit)


# -- configuration ------------------------------------------------------------------------------------


def configured(history: History, room: str, other: Callable[[RoomConfig], RoomConfig]) -> History:
    """The room was configured differently from the beginning, and so were its bookings."""

    def site(config: SiteConfig) -> SiteConfig:
        rooms = tuple(other(own) if own.id == room else own for own in config.rooms)
        return msgspec.structs.replace(config, rooms=rooms)

    def keep(fact: AnyEvent | BreakerMoved) -> AnyEvent | BreakerMoved:
        return Configured(site(fact.site)) if isinstance(fact, Configured) else fact

    def fit(state: SiteState) -> None:
        state.config = site(state.config)
        own = state.rooms.get(room)
        if own is None:
            return
        own.config = other(own.config)
        for life in own.lives.values():
            life.policy = other(msgspec.structs.replace(own.config, policy=life.policy)).policy
            if life.state != "upcoming":
                life.grace_ms = effective_grace(life.policy, own.config.sensors)

    return restarted(changed(history, keep), fit)


def with_policy(history: History, room: str, **settings: object) -> History:
    """The room's policy had other values."""

    def other(config: RoomConfig) -> RoomConfig:
        policy: Policy = msgspec.structs.replace(config.policy, **settings)
        return msgspec.structs.replace(config, policy=policy)

    return configured(history, room, other)


def not_exempt(history: History, room: str) -> History:
    """The room was not exempt."""
    return configured(history, room, lambda config: msgspec.structs.replace(config, exempt=False))


def in_shadow(history: History, room: str) -> History:
    """The room was in shadow mode."""

    def keep(fact: AnyEvent | BreakerMoved) -> AnyEvent | BreakerMoved | None:
        return None if isinstance(fact, ModeSet) and fact.room == room else fact

    def fit(state: RoomState) -> None:
        state.mode = "shadow"
        for life in state.lives.values():
            life.live = False

    return refit(changed(history, keep), room, fit)
