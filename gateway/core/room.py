"""One room: everything remembered of it, and how each fact is recorded.

A room sees only itself. Facts are recorded as they come (`Room.hear` and its neighbours); what
follows from them is concluded on a tick, in `gateway.core.conclude`.
"""

from typing import Final

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Reason
from gateway.core.events import (
    Booked,
    CalendarRead,
    Cancelled,
    CheckedIn,
    ClockStepped,
    Ended,
    Kept,
    LinkUp,
    ModeSet,
    Reading,
    Reviewed,
    RoomMode,
    WereHere,
    WriteOutcome,
)
from gateway.core.evidence import (
    PRESENCE_KINDS,
    SensorState,
    ailment,
    hear,
    mark_gap,
    overdue_after,
    proof_instant,
    recover,
    refresh_health,
    tells_state,
    well_while_sound,
)
from gateway.core.life import Life, Previous, Released
from gateway.core.occupancy import (
    Occupancy,
    Panel,
    Sensor,
    can_prove,
    covered_hold_of,
    effective_grace,
    panel_of,
    prove,
)
from gateway.core.policy import RoomConfig, SensorProfile, lengthened
from gateway.core.rules import CALENDAR_FRESH_MS
from gateway.core.units import FOREVER, MINUTE_MS, NEVER, SECOND_MS, Duration, Instant

DRAIN_MS: Final[Duration] = 10 * SECOND_MS
"""After connecting, a broker may first deliver what it queued: messages of unknown age."""

FOLD_SHARE: Final = 8
"""Identical repeats within this fraction of a heartbeat are folded: small against the quarter by
which a heartbeat may be overdue."""

SIGNS_KEPT: Final = 100
"""More signs than this are not kept waiting for a tick."""

FOLD_WITHOUT_HEARTBEAT_MS: Final[Duration] = MINUTE_MS

LOOK_FOR_RELEASES_MS: Final[Duration] = 100 * SECOND_MS
"""Identical looks within this are folded where a booking is under way: a release trusts only a calendar that
was looked at within `CALENDAR_FRESH_MS`, and a look may fail."""

LOOK_AT_REST_MS: Final[Duration] = 10 * MINUTE_MS
"""Otherwise within this: a restart forgets the looks that were folded, and a booking that is new counts as
made just now only if one within `WATCHED_MS` is known."""

Pending = (
    CheckedIn
    | Kept
    | Ended
    | ModeSet
    | WereHere
    | Reviewed
    | Booked
    | Cancelled
    | WriteOutcome
    | CalendarRead
)

DOUBTED_SHARE: Final = 2
DOUBTED_AT_LEAST: Final = 3
"""A read that drops at least three bookings and more than one in two is believed when it comes again."""

BELIEVED_AFTER_MS: Final[Duration] = MINUTE_MS

GAPS_KEPT: Final = 20
LONGEST_GAP_MS: Final[Duration] = 60 * MINUTE_MS
"""A longer quiet is an absence, not a gap."""


class Sign(msgspec.Struct, frozen=True, order=True, gc=False):
    """Presence that a sensor showed from `start` to `end`; a hit has no length."""

    start: Instant
    end: Instant
    sensor: str
    hit: bool
    healthy: bool
    late: bool


def _same_as_before(reading: Reading, profile: SensorProfile, sensor: SensorState) -> bool:
    """Whether the reading tells what its sensor told before."""
    if reading.kind == profile.senses:
        same = sensor.knows_state and profile.says_clear and reading.value == sensor.value
        return same and sensor.showing == (reading.value > 0)
    if reading.kind in PRESENCE_KINDS:
        return reading.value == 0
    if reading.kind == "battery":
        return reading.value == sensor.battery
    return reading.kind in ("alive", "link")


class WalkUp(msgspec.Struct):
    """Unbooked use that Exchange was asked to show, until its booking is in the calendar."""

    write: int
    again_at: Instant
    """When it may be asked again: its own end, or sooner if it could not be written."""


class SeriesCount(msgspec.Struct):
    """Ghosts in a row of one series."""

    ghosts: int = 0
    booked_ms: Duration = 0
    """The booked time of those ghosts."""
    last: Instant = NEVER
    """When the newest counted occurrence started."""
    reported: bool = False


class ShadowRecord(msgspec.Struct):
    """What shadow mode would have released, and how that would have gone."""

    judged: int = 0
    wrong: int = 0
    """Followed by people soon after."""


class RoomState(msgspec.Struct, omit_defaults=True):
    """All that is remembered of a room, and so all that a snapshot holds."""

    config: RoomConfig
    mode: RoomMode = "shadow"
    sensors: dict[str, SensorState] = {}
    offline_bridges: list[str] = []
    calendar: dict[str, Booking] = {}
    """The entries of the last complete read, decided on or not."""
    calendar_read_at: Instant = NEVER
    calendar_why: str = ""
    looked_before: Instant = NEVER
    """When the calendar had been read before the newest read that changed it."""
    declined: dict[str, Instant] = {}
    """Bookings that were declined for breaking a rule, and when: not twice."""
    lives: dict[str, Life] = {}
    released: dict[str, Released] = {}
    departed: dict[str, Life] = {}
    """Bookings that left the calendar or ended, as they were: some come back."""
    loose_writes: dict[int, tuple[str, str]] = {}
    """Release writes whose booking ended before their outcome: its key and event id."""
    previous: Previous | None = None
    hearing_since: Instant = NEVER
    deaf_since: Instant = NEVER
    deaf_by: str = "boot"
    late_until: Instant = NEVER
    heard_until: Instant = NEVER
    clock_trusted: bool = True
    vacated_at: Instant = NEVER
    """When the room was last known to be proven empty."""
    quiet_from: Instant = NEVER
    """Before this instant a recent sign excludes proven vacancy (saves looking)."""
    unseen_streak: int = 0
    occupied_since: Instant = NEVER
    """Since when the room has been occupied without a break."""
    hits: int = 0
    """Signs since then."""
    gaps: list[Duration] = []
    """The longest quiet within each of the newest attended bookings."""
    series: dict[str, SeriesCount] = {}
    record: ShadowRecord = msgspec.field(default_factory=ShadowRecord)
    held_in_shadow: bool = False
    """A person or the configuration set it to shadow: its record does not set it live any more."""
    paused_at: Instant = NEVER
    """A person said that a release was wrong; nothing is released until somebody has looked."""
    wrong_releases: int = 0
    walk_up: WalkUp | None = None
    doubted: CalendarRead | None = None
    """A read that dropped an implausible share of the bookings."""
    doubted_at: Instant = NEVER
    proof_wanted: Instant = FOREVER
    """The first proof of life from here on may bring a conclusion: it is never folded."""
    occupancy: Occupancy = Occupancy("unknown", why=(Reason("not_hearing", text="boot"),))
    signs: list[Sign] = []
    pending: list[Pending] = []
    settled_at: Instant = NEVER
    dirty: bool = True
    """Facts wait for a tick."""
    attentive: bool = True
    """A booking that has begun awaits its check-in, or a walk-up is possible: signs bring a tick at once.

    Otherwise only the sign that ends a room's emptiness does, and withdraws what was under way.
    """
    writes: int = 0


class Room:
    """Records facts about one room. All memory is in `state`; the rest is derived from it."""

    def __init__(self, state: RoomState) -> None:
        self.state = state
        self.name = state.config.id
        self.profiles = state.config.sensors
        self.sensors: dict[str, Sensor] = {}
        self.heard: tuple[SensorState, ...] = ()
        """What its sensors have told, in their order."""
        self.grace_ms: Duration = 0
        """The effective grace of the room's present policy."""
        self.usual_gap_ms: Duration = max(state.gaps, default=0)
        """The longest quiet that this room has known while people were there."""
        self._panels: dict[Duration, Panel] = {}
        self.relatives: tuple[Room, ...] = ()
        """The rooms that it is part of, or that are part of it: they share its space."""
        self._folded_at: Instant = NEVER
        """The newest look that was folded: it showed what the calendar was known to be.

        Not remembered on purpose: what a lost memory knew may be news again.
        """
        self._window_start: Instant = NEVER
        """Of the newest read: what ended before it is forgotten."""
        self.next_opening: Instant = FOREVER
        """When the next booking opens."""
        self.held_until: Instant = FOREVER
        """The hold of the healthy signs since `Alarm` last looked is over here; `FOREVER` without one."""
        self.ended_early: list[Life] = []
        """Those of the bookings that are over which were ended before their time, as of the last tick."""
        self.walk_ups_over: list[Life] = []
        """Those of them that stood for unbooked use, as of the last tick."""
        self.counts_on_calendar = False
        """A release is possible, which a calendar that is too old forbids; as of the last tick."""
        self._index()
        self.look_ahead()
        self.look_back()

    def _index(self) -> None:
        state = self.state
        self.profiles = state.config.sensors
        self.grace_ms = effective_grace(state.config.policy, self.profiles)
        self._panels = {}
        self.sensors = {
            p.id: Sensor(p, state.sensors[p.id], p.bridge not in state.offline_bridges, covered_hold_of(p))
            for p in self.profiles
        }
        self.heard = tuple(sensor.state for sensor in self.sensors.values())

    def panel(self, grace_ms: Duration) -> Panel:
        """Who proves this room's vacancy under a grace; worked out once per configuration."""
        panel = self._panels.get(grace_ms)
        if panel is None:
            panel = self._panels[grace_ms] = panel_of(self.profiles, grace_ms)
        return panel

    def look_ahead(self) -> None:
        """Work out when the next booking opens; after anything that changes what is upcoming."""
        upcoming = (life.opens_at for life in self.state.lives.values() if life.state == "upcoming")
        self.next_opening = min(upcoming, default=FOREVER)

    def look_back(self) -> None:
        """Find out what facts will be compared with; at the end of each tick."""
        departed = self.state.departed.values()
        self.ended_early = [life for life in departed if life.ended]
        self.walk_ups_over = [life for life in departed if life.is_walk_up and life.is_attended]
        self.counts_on_calendar = any(life.may_be_released for life in self.state.lives.values())

    # -- configuration ------------------------------------------------------------------------------

    def configure(self, config: RoomConfig, now: Instant, *, is_new: bool = False) -> None:
        """Take a new configuration. A change of sensors starts the vacancy clock anew."""
        state, old = self.state, self.state.config
        state.config = config
        state.sensors = {p.id: state.sensors.get(p.id) or SensorState() for p in config.sensors}
        self._index()
        state.signs = [sign for sign in state.signs if sign.sensor in self.sensors]
        if config.sensors != old.sensors or is_new:
            state.quiet_from = NEVER  # their holds are not those that it was reckoned with
            for profile, sensor, bridge_online, _ in self.sensors.values():
                mark_gap(profile, sensor, now)
                refresh_health(profile, sensor, bridge_online)
        if config.mode != old.mode:
            state.pending.append(ModeSet(config.id, config.mode, by="configuration"))
        for life in state.lives.values():
            if life.state == "upcoming":
                life.policy = config.policy
            else:
                life.policy = lengthened(life.policy, config.policy)
                life.grace_ms = max(life.grace_ms, effective_grace(life.policy, self.profiles))
        self.look_ahead()
        state.dirty = True

    # -- sensors ------------------------------------------------------------------------------------

    def hear(self, reading: Reading, now: Instant) -> bool:
        """Record one reading; marks the room dirty where a conclusion may follow at once.

        Returns whether anything may follow. Most of what is recorded only repeats what was known: a well
        sensor says once more what it said last, so it lives, and nothing follows unless that is waited for.
        The long way (`_hear_news`) comes to the same.
        """
        state = self.state
        profile, sensor, bridge_online, _ = self.sensors[reading.sensor]
        if not profile.in_service:
            return False
        if (
            reading.value != sensor.value
            or now > sensor.well_until
            or reading.kind != profile.senses
            or reading.made_at is not None
            or sensor.showing != (reading.value > 0)
            or not (sensor.knows_state and profile.says_clear and reading.device_made)
            or now < state.late_until
        ):
            self._hear_news(reading, profile, sensor, bridge_online, now)
            return True
        before = sensor.last_proof
        if now > before:
            sensor.proof_before, sensor.last_proof = before, now
            if sensor.showing:
                sensor.well_until = well_while_sound(profile, sensor)
            elif sensor.well_until < FOREVER:
                sensor.well_until += now - before  # nothing but silence ends it, and that begins anew
        sensor.told_at = now
        if now >= state.proof_wanted > before:
            state.dirty = True
        return state.dirty

    def _hear_news(
        self, reading: Reading, profile: SensorProfile, sensor: SensorState, bridge_online: bool, now: Instant
    ) -> None:
        state = self.state
        late = now < state.late_until
        proof = proof_instant(sensor, reading, now, state.heard_until if late else now)
        was_well, was_showing = now <= sensor.well_until, sensor.showing
        overdue = FOREVER if was_well else overdue_after(profile, sensor)
        ailed = "" if was_well else ailment(profile, sensor, bridge_online, now)
        shown_since, proof_before = sensor.shown_since, sensor.last_proof
        rises = reading.value > 0 and not was_showing and reading.kind in PRESENCE_KINDS
        if rises:
            self.latch_vacancy(now)
        current = tells_state(profile, sensor, reading)
        told = reading.device_made and current
        hear(profile, sensor, reading, now, proof=proof, current=current)
        if told:
            sensor.told_at = now
        returned = False
        if was_well and reading.kind in PRESENCE_KINDS and sensor.flapping_until == NEVER:
            sensor.well_until = well_while_sound(profile, sensor)  # what it shows makes no other difference
        else:
            unheard_from = overdue if now > overdue else FOREVER
            returned = recover(profile, sensor, bridge_online, now, was_well, unheard_from)
        if told and not sensor.knows_state:
            # Until now it may have been showing presence unheard: this first word counts like a clearing.
            sensor.knows_state = True
            sensor.as_if_sign = now
            state.dirty = True
        if returned or (was_well and now > sensor.well_until) or proof >= state.proof_wanted > proof_before:
            state.dirty = True
        if ailed and ailment(profile, sensor, bridge_online, now) != ailed:
            state.dirty = True  # ill as before, and for another reason
        if rises:
            self._record_rise(reading, now, late)
        elif was_showing and not sensor.showing:
            sign = Sign(shown_since, now, profile.id, hit=False, healthy=was_well, late=late)
            self._record_sign(sign)

    def _record_rise(self, reading: Reading, now: Instant, late: bool) -> None:
        state = self.state
        profile, sensor, _, _ = self.sensors[reading.sensor]
        healthy = now <= sensor.well_until
        if healthy and can_prove(profile):
            state.unseen_streak = 0
        if state.occupancy.status != "occupied":
            state.dirty = True
        if not sensor.showing or reading.kind == "motion":
            self._record_sign(Sign(now, now, profile.id, hit=True, healthy=healthy, late=late))
            return
        self._put_off_quiet(reading.sensor, now)
        state.dirty |= state.attentive

    def _record_sign(self, sign: Sign) -> None:
        """Keep a sign for the next tick, which is due at once only if it may change anything now."""
        state = self.state
        state.signs.append(sign)
        is_told = not sign.hit and state.occupancy.status == "unknown"  # it may be why nothing is known
        state.dirty |= state.attentive or is_told or len(state.signs) > SIGNS_KEPT
        over = self._put_off_quiet(sign.sensor, sign.end) + 1
        if sign.healthy and (self.held_until == FOREVER or over > self.held_until):
            self.held_until = over

    def _put_off_quiet(self, sensor: str, now: Instant) -> Instant:
        """Until when a sign of this sensor excludes vacancy at the least."""
        quiet_from = now + self.sensors[sensor].covered_hold_ms
        self.state.quiet_from = max(self.state.quiet_from, quiet_from)
        return quiet_from

    def latch_vacancy(self, now: Instant) -> None:
        """Remember that the room is proven empty just now, before a new sign hides it."""
        state = self.state
        if now <= state.quiet_from or self.deaf is not None:
            return
        if prove(self.sensors, self.panel(self.grace_ms), now, before=now).vacant:
            state.vacated_at = now

    def is_repeat(self, reading: Reading, now: Instant) -> bool:
        """Whether this reading adds nothing to what was journaled lately, so it may be folded.

        Never folded: a hit, a change, a return to health, a message of unknown age, the first proof
        of life that a pending conclusion waits for.
        """
        state = self.state
        profile, sensor, _, _ = self.sensors[reading.sensor]
        if now < state.late_until or now > sensor.well_until:
            return False
        if not _same_as_before(reading, profile, sensor):
            return False
        if not reading.device_made or (reading.made_at is not None and reading.made_at == sensor.made_at):
            return True
        if sensor.last_proof < state.proof_wanted <= now:
            return False
        sparse = profile.heartbeat_ms // FOLD_SHARE if profile.heartbeat_ms else FOLD_WITHOUT_HEARTBEAT_MS
        return now - sensor.last_proof < sparse

    def worth_telling(self, read: CalendarRead, now: Instant) -> CalendarRead | None:
        """The read as it is to be recorded; None if it adds nothing and is folded.

        One that brings something new tells of the look before it, if that was folded.
        """
        if not (read.changed or read.removed) and self.is_known_look(now):
            self._folded_at = now
            return None
        if read.changed and self._folded_at > self.state.calendar_read_at:
            return msgspec.structs.replace(read, looked_before=self._folded_at)
        return read

    def is_known_look(self, now: Instant) -> bool:
        """Whether one more look that shows the calendar unchanged adds nothing, so it may be folded.

        Never folded: the first after it could not be read or was doubted, or after `LOOK_AT_REST_MS`.
        """
        state = self.state
        if state.calendar_why or state.doubted_at != NEVER:
            return False
        age = now - state.calendar_read_at
        return age < LOOK_FOR_RELEASES_MS or (age < LOOK_AT_REST_MS and not self._awaits_look(now))

    def _awaits_look(self, now: Instant) -> bool:
        """A booking is under way, soon will be, or would be if it had not been ended; or is shown so again.

        Whatever became of it: another policy may be tried on this history, and release where this does not.
        """
        soon = self.next_opening - now <= CALENDAR_FRESH_MS
        begun = any(life.state != "upcoming" for life in self.state.lives.values())
        cut_short = any(life.booking.end > now for life in self.ended_early)
        return soon or begun or cut_short or self._shows_long_again(now)

    def note_gap(self, gap_ms: Duration) -> None:
        """Remember the longest quiet within an attended booking."""
        self.state.gaps = [*self.state.gaps, gap_ms][-GAPS_KEPT:]
        self.usual_gap_ms = max(self.state.gaps)

    def set_available(self, sensor_id: str, online: bool, now: Instant) -> None:
        """Record a sensor's last will or availability topic."""
        profile, sensor, bridge_online, _ = self.sensors[sensor_id]
        if sensor.online != online:
            was_well = now <= sensor.well_until
            sensor.online = online
            recover(profile, sensor, bridge_online, now, was_well, unheard_from=now)
            self.state.dirty = True

    def set_bridge(self, bridge: str, online: bool, now: Instant) -> None:
        """Record a radio bridge's state for the sensors behind it."""
        state = self.state
        if (bridge not in state.offline_bridges) == online:
            return
        if online:
            state.offline_bridges.remove(bridge)
        else:
            state.offline_bridges = sorted([*state.offline_bridges, bridge])
        was_well = {p.id: now <= self.sensors[p.id].state.well_until for p in self.profiles}
        self._index()
        for profile, sensor, bridge_online, _ in self.sensors.values():
            if profile.bridge == bridge:
                recover(profile, sensor, bridge_online, now, was_well[profile.id], unheard_from=now)
        state.dirty = True

    # -- hearing and time ---------------------------------------------------------------------------

    @property
    def deaf(self) -> Reason | None:
        """Why the room cannot be heard or the clock not be trusted, if so."""
        state = self.state
        if state.hearing_since == NEVER:
            at = None if state.deaf_since == NEVER else state.deaf_since
            return Reason("not_hearing", at=at, text=state.deaf_by)
        return None if state.clock_trusted else Reason("clock_untrusted")

    def fall_deaf(self, since: Instant, by: str) -> None:
        """Hearing stops: the process restarted, or the link was lost."""
        state = self.state
        if state.hearing_since != NEVER or state.deaf_since == NEVER:
            state.deaf_since, state.deaf_by = since, by
        elif by == "boot":
            state.deaf_by = by
        state.hearing_since = NEVER
        state.dirty = True

    def hear_again(self, event: LinkUp, queue_covers_ms: Duration, now: Instant) -> None:
        """Connected. Only our own restart, with its session, within the broker's queue, is no gap."""
        state = self.state
        covered = (
            state.deaf_by == "restart"
            and event.session_present
            and state.deaf_since != NEVER
            and now - state.deaf_since <= queue_covers_ms
        )
        for profile, sensor, _, _ in self.sensors.values():
            if not (covered and profile.at_qos1):
                mark_gap(profile, sensor, now)
        if state.deaf_since != NEVER:
            state.late_until, state.heard_until = now + DRAIN_MS, state.deaf_since
        state.hearing_since = now
        state.deaf_since = NEVER
        state.dirty = True

    def step_clock(self, event: ClockStepped, now: Instant) -> None:
        """The wall clock moved: old instants mean nothing any more, so proofs and warnings start anew."""
        state = self.state
        self.count_occupied(now - event.by_ms)
        for profile, sensor, bridge_online, _ in self.sensors.values():
            mark_gap(profile, sensor, now)
            sensor.last_proof = sensor.proof_before = NEVER
            sensor.told_at = NEVER
            sensor.last_sign = min(sensor.last_sign, now)
            sensor.shown_since = min(sensor.shown_since, now)
            sensor.rises_since = min(sensor.rises_since, now)
            sensor.flapping_until = NEVER
            refresh_health(profile, sensor, bridge_online)
        for life in state.lives.values():
            life.warned_since = NEVER  # so the next tick takes the warning back, aloud
            life.last_hit = NEVER
            life.first_seen_at = min(life.first_seen_at, now)
            life.moved_at = min(life.moved_at, now)
            life.retry_at = NEVER
        state.signs = [s for s in state.signs if s.end <= now]
        state.deaf_by = "clock"  # how long nothing was heard can no longer be told
        state.quiet_from = state.vacated_at = state.late_until = NEVER
        state.calendar_read_at = self._folded_at = NEVER
        state.calendar_why = f"the clock was set by {event.by_ms} ms"
        if state.settled_at != NEVER:
            state.settled_at = now  # up to here it is counted
        state.dirty = True

    def count_occupied(self, until: Instant) -> None:
        """Add the time since the last tick to each booking it fell into, if the room was occupied."""
        state = self.state
        if state.occupancy.status != "occupied" or state.settled_at == NEVER:
            return
        for life in state.lives.values():
            if life.state != "upcoming":
                start = max(state.settled_at, life.booking.start)
                life.occupied_ms += max(0, min(until, life.booking.end) - start)

    def trust_clock(self, trusted: bool, now: Instant) -> None:
        """Whether the wall clock can be believed; regaining trust starts the vacancy clock anew."""
        if trusted and not self.state.clock_trusted:
            for profile, sensor, _, _ in self.sensors.values():
                mark_gap(profile, sensor, now)
        self.state.clock_trusted = trusted
        self.state.dirty = True

    # -- calendar and people --------------------------------------------------------------------------

    def read_calendar(self, event: CalendarRead, now: Instant) -> None:
        """Record a complete read; the bookings' lives follow on the next tick.

        A read that drops an implausible share of the bookings is believed when it comes again.
        """
        state = self.state
        if len(event.removed) >= DOUBTED_AT_LEAST and self._is_doubtful(event, now):
            return
        # If the last conclusion trusted the calendar, one more look that shows the same changes nothing.
        mistrusted = (
            state.doubted_at != NEVER or state.settled_at - state.calendar_read_at > CALENDAR_FRESH_MS
        )
        state.doubted, state.doubted_at = None, NEVER
        if event.changed or event.removed:
            self._take_changes(event)
        state.calendar_read_at, state.calendar_why = now, ""
        if event.changed or event.window_start != self._window_start:  # most reads bring neither
            self._window_start = event.window_start
            for key in [k for k, b in state.calendar.items() if b.end < event.window_start]:
                del state.calendar[key]
        awaited = mistrusted and any(life.may_be_released for life in state.lives.values())
        if awaited or (self.ended_early and self._shows_long_again(now)):
            state.dirty = True

    def _take_changes(self, event: CalendarRead) -> None:
        state = self.state
        if event.changed:
            state.looked_before = self._looked_before(event)
        for key in event.removed:
            state.calendar.pop(key, None)
        for booking in event.changed:
            state.calendar[booking.key] = booking
        state.pending.append(event)
        state.dirty = True

    def _looked_before(self, event: CalendarRead) -> Instant:
        """When somebody looked last before this read; `NEVER` if the clock was stepped since."""
        told = self.state.calendar_read_at
        return told if told == NEVER or event.looked_before is None else max(told, event.looked_before)

    def _shows_long_again(self, now: Instant) -> bool:
        """A booking that was ended is shown with a later end: the next read may make that certain."""
        for life in self.ended_early:
            booking = self.state.calendar.get(life.booking.key)
            if booking is not None and booking.end > now and life.is_long_again(booking):
                return True
        return False

    def _is_doubtful(self, event: CalendarRead, now: Instant) -> bool:
        state = self.state
        held = [
            b
            for b in state.calendar.values()
            if b.is_decided_on and b.end > now and b.start < event.window_end  # further ahead few are known
        ]
        dropped = [b for b in held if b.key in event.removed]
        if len(dropped) < DOUBTED_AT_LEAST or DOUBTED_SHARE * len(dropped) <= len(held):
            return False
        if state.doubted is None:
            state.doubted_at = now
        elif now - state.doubted_at >= BELIEVED_AFTER_MS:
            return False
        state.doubted = event
        state.dirty = True
        return True

    def remember(self, event: Pending) -> None:
        """Record a person's word or a write's outcome; concluded on the next tick."""
        self.state.pending.append(event)
        self.state.dirty = True

    def fail_calendar(self, why: str) -> None:
        """The calendar could not be read. Nothing is forgotten, and nothing released once it is stale."""
        self.state.calendar_why = why
