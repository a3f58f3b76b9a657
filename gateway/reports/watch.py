"""The one pass over journal and decisions that fills a history (`gateway.reports.history`)."""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.core.decisions import Decision, DecisionKind
from gateway.core.events import (
    AnyEvent,
    Availability,
    Booted,
    BridgeState,
    CheckedIn,
    ClockStepped,
    Ended,
    LinkDown,
    LinkUp,
    Reading,
)
from gateway.core.evidence import (
    FLAPPING_RISES,
    FLAPPING_WINDOW_MS,
    PRESENCE_KINDS,
    STUCK_ON_AFTER_MS,
)
from gateway.core.occupancy import can_prove
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig, whole_rooms
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.reports.history import (
    PERIOD_MS,
    History,
    OpenBooking,
    Period,
    QuietSums,
    RoomSums,
    RoomTrack,
    SensorSums,
    SensorTrack,
    Span,
)
from gateway.reports.spread import clipped, joined, quiet_in

KNOWN_BRIDGE_MS: Final[Duration] = 15 * MINUTE_MS
"""Between two signs of others this far apart people were there: as long as a brief visit is waited for."""

ABSENCE_MS: Final[Duration] = 60 * MINUTE_MS
"""A longer quiet is an absence, not a gap (as in the core)."""

ALONE_MS: Final[Duration] = 15 * MINUTE_MS
"""A hit is spurious if for so long before and after it all others, alive, saw nothing."""

HIT_LASTS_MS: Final[Duration] = 2 * MINUTE_MS
"""Signs this close are one hit, where it is asked whether it stands alone."""

EDGE_MS: Final[Duration] = 5 * MINUTE_MS
"""So close to the first or last sign of anybody a sign tells of coming and going."""

LATE_MS: Final[Duration] = 30 * SECOND_MS
"""A message that was made longer ago came late."""

NEW_BATTERY_POINTS: Final = 10
"""A rise by so much means a new battery: its own line begins."""

BOOKINGS_KEPT: Final = 50
"""Bookings that are open at once in one room, at most; more is no calendar of a room."""
SIGNS_KEPT: Final = 5_000
"""Signs of one sensor that wait for the end of their bookings, at most."""

TELLING: Final[tuple[DecisionKind, ...]] = (
    "opened",
    "checked_in",
    "check_in_dropped",
    "wrong_release",
    "concluded",
)
"""The kinds of decisions that a history needs."""


class Watch:
    """Goes through journal and decisions on behalf of a history."""

    def __init__(self, site: SiteConfig, history: History) -> None:
        self.history = history
        self._rooms = {room.id: room for room in whole_rooms(site)}
        self._room_of = {p.id: self._rooms[room.id] for room in site.rooms for p in room.sensors}
        self._profiles = {p.id: p for room in site.rooms for p in room.sensors}
        self._part_of_other = {part for room in site.rooms for part in room.parts}
        known = history.sensors
        history.sensors = {name: known.get(name) or SensorTrack() for name in self._profiles}
        history.rooms = {name: history.rooms.get(name) or RoomTrack() for name in self._rooms}

    def replay(
        self,
        events: Iterable[tuple[int, Instant, AnyEvent]],
        decisions: Iterable[tuple[int, int, Decision]],
    ) -> int:
        """Go through events (seq, instant, event) and the decisions (id, seq, decision) taken at them.

        Decisions are asked for only up to the newest event, one ahead. Returns the number of events.
        """
        waiting = iter(decisions)
        following = next(waiting, None)
        number = 0
        for seq, at, event in events:
            self.hear(seq, at, event)
            number += 1
            while following is not None and following[1] <= seq:
                self.history.decision = following[0]
                self.learn(following[2])
                following = next(waiting, None)
        return number

    # -- events ---------------------------------------------------------------------------------------

    def hear(self, seq: int, at: Instant, event: AnyEvent) -> None:
        """One event of the journal."""
        history = self.history
        history.seq, history.at = seq, at
        if type(event) is Reading:
            if event.sensor in self._profiles:
                self._read(event, at)
            return
        match event:
            case Availability():
                self._available(event.sensor, event.online, at)
            case BridgeState():
                for name, profile in self._profiles.items():
                    if profile.bridge == event.bridge:
                        self._bridge(name, event.online, at)
            case CheckedIn() | Ended():
                self._person(event.room, at)
            case _:
                self._hear_of_link(event, at)

    def _hear_of_link(self, event: AnyEvent, at: Instant) -> None:
        if isinstance(event, LinkUp):
            self.history.deaf = False
        if isinstance(event, LinkUp | ClockStepped):
            self._begin_anew(at)
        if isinstance(event, LinkDown | Booted):
            self.history.deaf = True

    def _period(self, at: Instant) -> Period:
        periods = self.history.periods
        if not periods or at >= periods[-1].since + PERIOD_MS:
            periods.append(Period(at))
            del periods[:-2]
        return periods[-1]

    def _sums(self, sensor: str, at: Instant) -> SensorSums:
        sensors = self._period(at).sensors
        sums = sensors.get(sensor)
        if sums is None:
            sums = sensors[sensor] = SensorSums()
        return sums

    def _begin_anew(self, at: Instant) -> None:
        """Something may have gone unheard: no interval and no hit reaches over it."""
        self.history.heard_since = at
        for track in self.history.sensors.values():
            track.last_heard = NEVER
            track.showing = False
            track.rises = 0
        for room in self.history.rooms.values():
            room.lone_hits.clear()

    def _person(self, room: str, at: Instant) -> None:
        track = self.history.rooms.get(room)
        if track is None:
            return
        track.people = [*track.people, (at, at)][-SIGNS_KEPT:]
        track.lone_hits.clear()

    # -- readings -------------------------------------------------------------------------------------

    def _read(self, reading: Reading, at: Instant) -> None:
        if self.history.deaf:  # the journal's beginning was forgotten: who reads, hears
            self.history.deaf = False
            self._begin_anew(at)
        profile, track = self._profiles[reading.sensor], self.history.sensors[reading.sensor]
        sums = self._sums(reading.sensor, at)
        sums.messages += 1
        fresh = self._time(reading, track, sums, at)
        if reading.device_made and fresh:
            self._prove(profile, track, sums, at)
        if reading.kind in PRESENCE_KINDS:
            self._show(profile, track, sums, reading, at)
        elif reading.kind == "battery":
            day, last = at // DAY_MS, next(reversed(sums.battery.values()), None)
            if last is not None and reading.value >= last + NEW_BATTERY_POINTS:
                sums.battery, sums.battery_renewed = {}, True
            sums.battery[day] = reading.value
        elif reading.kind == "link":
            sums.link[at // DAY_MS] = reading.value
        self._settle_lone_hits(self._room_of[reading.sensor].id, at)

    def _time(self, reading: Reading, track: SensorTrack, sums: SensorSums, at: Instant) -> bool:
        """What the message tells of its age; False if it is none of its own."""
        if reading.made_at is None:
            return True
        sums.stamped += 1
        if reading.made_at == track.made_at:
            sums.repeated += 1
            return False
        track.made_at = max(track.made_at, reading.made_at)
        age = at - reading.made_at
        (sums.behind if age >= 0 else sums.ahead).add(abs(age), at)
        sums.late += age > LATE_MS
        return True

    def _prove(self, profile: SensorProfile, track: SensorTrack, sums: SensorSums, at: Instant) -> None:
        if track.last_heard != NEVER and at > track.last_heard:
            sums.heard.add(at - track.last_heard, track.last_heard)
        if _is_overdue(profile, track, at):
            track.ill_until = at
        track.last_heard = at

    def _show(
        self, profile: SensorProfile, track: SensorTrack, sums: SensorSums, reading: Reading, at: Instant
    ) -> None:
        """Rises, clearings and hits, as the core takes them (`gateway.core.evidence`)."""
        states = reading.kind == profile.senses and profile.says_clear
        if reading.value > 0 and not track.showing:
            self._rise(track, sums, at)
            self._note_lone_hit(profile, track, at)
            track.last_sign = at
            if states:
                track.showing, track.showing_since = True, at
            else:
                _keep(track.signs, (at, at))
        elif reading.value == 0 and states and track.showing:
            track.showing = False
            track.last_sign = at
            _keep(track.signs, (track.showing_since, at))
            if at - track.showing_since > STUCK_ON_AFTER_MS:
                sums.stuck_on += 1
                sums.stuck_on_at = track.showing_since

    def _rise(self, track: SensorTrack, sums: SensorSums, at: Instant) -> None:
        track.silent_streak = 0
        if at - track.rises_since > FLAPPING_WINDOW_MS:
            track.rises_since, track.rises = at, 0
        track.rises += 1
        if track.rises > FLAPPING_RISES:
            if at > track.flapping_until:
                sums.flapping += 1
                sums.flapping_at = at
            track.flapping_until = at + FLAPPING_WINDOW_MS

    # -- hits in an empty room ------------------------------------------------------------------------

    def _others(self, sensor: str) -> Iterable[SensorTrack]:
        """The other sensors that can tell whether the room is empty, as they stand."""
        for profile in self._room_of[sensor].sensors:
            if profile.id != sensor and can_prove(profile):
                yield self.history.sensors[profile.id]

    def _note_lone_hit(self, profile: SensorProfile, track: SensorTrack, at: Instant) -> None:
        """A rise confirms what others saw, or stands alone until somebody confirms it."""
        room = self._room_of[profile.id]
        hits = self.history.rooms[room.id].lone_hits
        for other in [name for name in hits if name != profile.id]:
            del hits[other]
        if profile.id in hits:
            if at - hits[profile.id] > HIT_LASTS_MS:
                del hits[profile.id]  # it goes on: somebody whom only this one sees
            return
        others = list(self._others(profile.id))
        told = self.history.rooms[room.id].people[-1:]
        recent = [t.last_sign for t in others] + [end for _, end in told] + [track.last_sign]
        if (
            others
            and room.id not in self._part_of_other
            and not any(other.showing for other in others)
            and max(recent) < at - ALONE_MS
            and min(t.last_heard for t in others) != NEVER
            and not self.history.deaf
            and self.history.heard_since < at - ALONE_MS
        ):
            hits[profile.id] = at

    def _settle_lone_hits(self, room: str, at: Instant) -> None:
        """Hits that stayed alone while the others lived on were in an empty room."""
        hits = self.history.rooms[room].lone_hits
        if not hits:
            return
        for sensor, hit in list(hits.items()):
            track = self.history.sensors[sensor]
            if track.showing and at - hit > HIT_LASTS_MS:
                del hits[sensor]
            elif all(t.last_heard >= hit + ALONE_MS for t in self._others(sensor)):
                del hits[sensor]
                sums = self._sums(sensor, at)
                sums.spurious += 1
                sums.spurious_at = hit

    # -- outages --------------------------------------------------------------------------------------

    def _available(self, sensor: str, online: bool, at: Instant) -> None:
        track = self.history.sensors.get(sensor)
        if track is None or track.online == online:
            return
        track.online = online
        if not online:
            track.offline_since = at
            sums = self._sums(sensor, at)
            sums.outages += 1
            sums.outage_at = at
        else:
            track.ill_until = at
            self._sums(sensor, at).outage_ms += max(0, at - track.offline_since)

    def _bridge(self, sensor: str, online: bool, at: Instant) -> None:
        track = self.history.sensors[sensor]
        if not online and track.bridge_off_since == NEVER:
            track.bridge_off_since = at
            self._sums(sensor, at).bridge_outages += 1
        elif online and track.bridge_off_since != NEVER:
            self._sums(sensor, at).bridge_outage_ms += max(0, at - track.bridge_off_since)
            track.bridge_off_since = NEVER
            track.ill_until = at

    # -- bookings -------------------------------------------------------------------------------------

    def learn(self, decision: Decision) -> None:
        """One decision, after the event that it was taken at."""
        track = self.history.rooms.get(decision.room)
        if track is None:
            return
        booking = track.bookings.get(decision.booking)
        if decision.kind == "opened":
            self._open(track, decision)
        elif decision.kind == "wrong_release":
            sums = self._room_sums(decision.room, decision.at)
            sums.wrong_releases += 1
            sums.wrong_at = decision.at
        elif booking is None:
            return
        elif decision.kind == "checked_in":
            booking.checked_in_at = decision.at
            booking.by_sensor = not any(r.code == "by_person" for r in decision.reasons)
        elif decision.kind == "check_in_dropped":
            del track.bookings[decision.booking]  # moved: what was gathered belongs to another time
        elif decision.kind == "concluded" and decision.tally is not None:
            del track.bookings[decision.booking]
            if decision.tally.outcome in ("attended", "ended_early"):
                end = min(decision.at, booking.start + decision.tally.booked_ms)
                self._attended(self._rooms[decision.room], booking, end)
            self._forget(decision.room, decision.at)

    def _open(self, track: RoomTrack, decision: Decision) -> None:
        grace = next((r for r in decision.reasons if r.code == "grace"), None)
        start = decision.at
        if grace is not None and grace.until is not None and grace.value is not None:
            start = grace.until - grace.value
        for stale in [k for k, b in track.bookings.items() if b.start < decision.at - DAY_MS]:
            del track.bookings[stale]
        if len(track.bookings) < BOOKINGS_KEPT:
            track.bookings[decision.booking] = OpenBooking(start)

    def _room_sums(self, room: str, at: Instant) -> RoomSums:
        return self._period(at).rooms.setdefault(room, RoomSums())

    def _attended(self, room: RoomConfig, booking: OpenBooking, end: Instant) -> None:
        """Count what each sensor said while people were there for this booking."""
        at, start = self.history.at, booking.start
        if self.history.deaf or self.history.heard_since > start or end <= start:
            return
        signs = {p.id: self._signs_of(p.id, start, end) for p in room.sensors}
        people = clipped(self.history.rooms[room.id].people, start, end)
        sums = self._room_sums(room.id, at)
        sums.attended += 1
        everybody = sorted([*people, *(sign for own in signs.values() for sign in own)])
        if booking.by_sensor and everybody:
            sums.by_sensors += 1
            sums.check_in.add(max(0, booking.checked_in_at - everybody[0][0]), start)
        sighted = {p.id for p in room.sensors if self._was_well(p, start, at)}
        provers = [p for p in room.sensors if can_prove(p)]
        if provers and all(p.id in sighted for p in provers):
            together = sorted(sign for p in provers for sign in signs[p.id])
            rest = [sign for p in room.sensors if p not in provers and p.in_service for sign in signs[p.id]]
            _compare(sums.confirmed, _known([*people, *rest], KNOWN_BRIDGE_MS), together)
            _compare(sums.own, _known(together, ABSENCE_MS), together)
        for profile in room.sensors:
            if profile.id in sighted and self._room_of[profile.id].id == room.id:
                others = [s for p in room.sensors if _apart(p, profile) for s in signs[p.id]]
                self._compare_sensor(profile, _known([*people, *others], KNOWN_BRIDGE_MS), signs[profile.id])

    def _compare_sensor(self, profile: SensorProfile, known: Sequence[Span], own: Sequence[Span]) -> None:
        at, track = self.history.at, self.history.sensors[profile.id]
        sums = self._sums(profile.id, at)
        _compare(sums.own, _known(own, ABSENCE_MS), own)
        if not _compare(sums.confirmed, known, own):
            return
        first, last = known[0][0], known[-1][1]
        sums.signs += len(own)
        sums.edge_signs += sum(e - first <= EDGE_MS or last - s <= EDGE_MS for s, e in own)
        if own:
            track.silent_streak = 0
        else:
            track.silent_since = first if not track.silent_streak else track.silent_since
            track.silent_streak += 1

    def _signs_of(self, sensor: str, start: Instant, end: Instant) -> list[Span]:
        track = self.history.sensors[sensor]
        signs = list(track.signs)
        if track.showing:
            signs.append((track.showing_since, self.history.at))
        # One that shows presence for longer than any meeting confirms nobody.
        return clipped([(s, e) for s, e in signs if e - s <= STUCK_ON_AFTER_MS], start, end)

    def _was_well(self, profile: SensorProfile, start: Instant, at: Instant) -> bool:
        track = self.history.sensors[profile.id]
        return (
            profile.in_service
            and track.online
            and track.bridge_off_since == NEVER
            and track.ill_until < start
            and track.flapping_until < start
            and not _is_overdue(profile, track, at)
            and (track.last_heard != NEVER or track.last_sign >= start)
        )

    def _forget(self, room: str, at: Instant) -> None:
        """What lies before every open booking is not needed any more."""
        for profile in self._rooms[room].sensors:
            starts = [
                b.start
                for config in self._rooms.values()
                if profile in config.sensors
                for b in self.history.rooms[config.id].bookings.values()
            ]
            oldest = min(starts, default=at)
            track = self.history.sensors[profile.id]
            track.signs = [sign for sign in track.signs if sign[1] >= oldest]
        people = self.history.rooms[room]
        oldest = min((b.start for b in people.bookings.values()), default=at) - HOUR_MS
        people.people = [span for span in people.people if span[1] >= oldest]


def _keep(signs: list[Span], sign: Span) -> None:
    """Keep a sign; hits within a second are one, and the oldest make room."""
    if signs and sign[0] - signs[-1][1] < SECOND_MS:
        signs[-1] = signs[-1][0], max(sign[1], signs[-1][1])
        return
    signs.append(sign)
    if len(signs) > SIGNS_KEPT:
        del signs[: SIGNS_KEPT // 2]


def _is_overdue(profile: SensorProfile, track: SensorTrack, at: Instant) -> bool:
    if profile.heartbeat_ms is None or track.last_heard == NEVER:
        return False
    return at > track.last_heard + profile.heartbeat_ms + profile.heartbeat_ms // 4


def _apart(other: SensorProfile, profile: SensorProfile) -> bool:
    """Another device: what shares a unit may be the same eye under two names."""
    return other.id != profile.id and other.in_service and not (other.unit and other.unit == profile.unit)


def _known(signs: Iterable[Span], bridge_ms: Duration) -> list[Span]:
    """When people were there by these signs; a single moment is no time."""
    return [(s, e) for s, e in joined(sorted(signs), bridge_ms) if e > s]


def _compare(sums: QuietSums, known: Sequence[Span], signs: Sequence[Span]) -> bool:
    """Count what the signs say of the time in which people were known to be there; False if there is none."""
    if not known:
        return False
    sums.bookings += 1
    sums.known_ms += sum(end - start for start, end in known)
    for begin, length in quiet_in(known, signs):
        sums.gaps.add(length, begin)
    if signs:
        sums.arrival.add(max(0, signs[0][0] - known[0][0]), known[0][0])
    else:
        sums.missed += 1
    return True
