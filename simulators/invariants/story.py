"""The story that the journal and the recorded decisions tell, read once for all checkers.

Facts (readings, gaps, calendar reads, people's words) come from the journal. Of decisions only that they
were taken is noted, never why. Instants are the gateway's own clock's unless they are called true.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import (
    AnyEvent,
    Availability,
    Booted,
    BridgeState,
    CalendarRead,
    CheckedIn,
    ClockStepped,
    ClockTrust,
    Configured,
    Ended,
    Kept,
    LinkDown,
    LinkUp,
    Reading,
)
from gateway.core.policy import Policy, RoomConfig, SiteConfig
from gateway.core.units import MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from simulators.invariants.hearsay import PRESENCE, Ears, grace_of
from simulators.observed import Effect, Recorded

DRAIN_MS: Final[Duration] = 10 * SECOND_MS
"""After connecting, a broker may first deliver what it queued: of unknown age."""

DOUBTFUL: Final = 3
"""A read that drops so many bookings at once may not have been believed."""

UNSEEN: Final = ("no_show_released", "no_show_kept", "withheld", "unknown", "exempt", "too_short")

_ACTIONS: Final = {
    "declined": ("release",),
    "cancelled": ("release", "cancel"),
    "deleted": ("release", "cancel"),
    "marked": ("check_in",),
    "shortened": ("shorten", "end_early"),
    "extended": ("extend",),
    "created": ("hold", "walk_up", "book"),
}
"""Which intended writes a visible change can come of."""


@dataclass
class Talk:
    """What was said and done about one booking."""

    booking: Booking
    first_seen: Instant
    in_calendar: bool | None = True
    """As decided on; None: a read says gone that may not have been believed."""
    event_ids: set[str] = field(default_factory=set)
    moved: Instant = NEVER
    opened: Instant = NEVER
    live: bool = False
    policy: Policy = field(default_factory=Policy)
    grace: Duration = 0
    kept: bool = False
    person: bool = False
    """A person checked it in."""
    sensors: bool = False
    """It is checked in by sensors."""
    attended: bool = False
    heeded: bool = False
    """Something was said about its release: done, withheld, about to come."""
    letting_go: bool = False
    """Its release is decided, and nothing was said yet of what came of it."""
    released: bool = False
    over_at: Instant = NEVER
    over_before: Instant = NEVER
    """When it was over, before it was shown as if it went on."""

    @property
    def due(self) -> Instant:
        """Never before this."""
        return max(self.booking.start, self.first_seen, self.moved) + self.grace

    def is_back_as(self, shown: Booking, now: Instant) -> bool:
        """It was concluded, by nobody's release, and is shown again: it was cancelled, or is longer now."""
        if self.over_at == NEVER or self.released or not shown.is_decided_on or shown.end <= now:
            return False
        return not self.in_calendar or self.booking.end <= self.over_at < shown.end

    @property
    def is_ours(self) -> bool:
        """The gateway itself booked it."""
        return "hold" in self.booking.marks or "walk_up" in self.booking.marks


class Intended(NamedTuple):
    """A decision with a write, and when by true time it was taken."""

    seq: int
    true_at: Instant
    decision: Decision


@dataclass
class RoomStory:
    """One room."""

    name: str
    ears: Ears
    live: bool
    talks: dict[str, Talk] = field(default_factory=dict)
    read_at: Instant = NEVER
    unseen: int = 0
    """Bookings in a row through which every sensor that proves the room was silent."""
    spoke_at: Instant = NEVER
    """When one of them last showed presence."""
    occupancy: str = "unknown"
    """As last announced."""
    shown: list[tuple[int, str]] = field(default_factory=list)
    """Sequence number and sensor of each reading that shows presence."""

    @property
    def config(self) -> RoomConfig:
        """As the journal last has it."""
        return self.ears.config


class Story:
    """Follows the journal."""

    def __init__(self) -> None:
        self.site = SiteConfig()
        self.rooms: dict[str, RoomStory] = {}
        self.rooms_of: dict[str, list[RoomStory]] = {}
        """By sensor."""
        self.now: Instant = NEVER
        """The newest entry's instant by the gateway's clock, and by true time."""
        self.true_now: Instant = NEVER
        self.seq = 0
        self.hearing = False
        self.deaf_since: Instant = NEVER
        self.own_restart = False
        self.late_until: Instant = NEVER
        self.trusted = True
        self.clock_stepped = False
        """The gateway's clock has not always told true time."""
        self.boots: list[tuple[Instant, Instant]] = []
        """True times of the process's absences."""
        self.just_decided: list[Decision] = []
        self.orphans: list[tuple[int, Decision]] = []
        """Decisions of entries that the journal does not have."""
        self.intended: dict[tuple[str, int], Intended] = {}
        """By room and write."""
        self._by_booking: dict[tuple[str, str], list[Intended]] = {}
        self._bridges: set[str] = set()

    # -- asking ---------------------------------------------------------------------------------------

    @property
    def ahead_ms(self) -> Duration:
        """By how much the gateway's clock is ahead of true time."""
        return self.now - self.true_now

    def talk(self, room: str, booking: str) -> Talk | None:
        """What is known of a booking."""
        story = self.rooms.get(room)
        return None if story is None else story.talks.get(booking)

    def event_ids(self, room: str, booking: str) -> set[str]:
        """Every id that the occurrence was known by in the room's mailbox."""
        talk = self.talk(room, booking)
        known = set() if talk is None else set(talk.event_ids)
        for intended in self._by_booking.get((room, booking), ()):
            if intended.decision.write is not None:
                known.add(intended.decision.write.event_id)
        return known

    def intentions(self, effect: Effect) -> list[Intended]:
        """The decided writes that this change can come of, oldest first."""
        booking = "" if effect.deed == "created" else effect.booking
        found = self._by_booking.get((effect.room, booking), [])
        return [
            i for i in found if i.decision.write and i.decision.write.action in _ACTIONS.get(effect.deed, ())
        ]

    def cause_of(self, effect: Effect) -> Intended | None:
        """The newest of those that was decided before the change."""
        found = reversed(self.intentions(effect))
        return next((intended for intended in found if intended.true_at <= effect.at + SECOND_MS), None)

    # -- facts ----------------------------------------------------------------------------------------

    def take(self, entry: Recorded) -> None:
        """One entry of the journal."""
        event, now = entry.event, written_at(entry)
        self.seq, self.now, self.true_now = entry.seq, now, entry.at
        self.clock_stepped |= abs(self.ahead_ms) > SECOND_MS or isinstance(event, ClockStepped)
        match event:
            case Reading():
                for room in self.rooms_of.get(event.sensor, ()):
                    self._hear(room, event, now)
            case Availability():
                for room in self.rooms_of.get(event.sensor, ()):
                    room.ears.by_id[event.sensor].set("online", event.online, now)
            case BridgeState():
                self._set_bridge(event, now)
            case CalendarRead():
                self._read(self.rooms[event.room], event, now)
            case CheckedIn() | Kept() | Ended():
                self._word(event)
            case _:
                self._take_for_all(event, now)

    def _take_for_all(self, event: AnyEvent, now: Instant) -> None:
        match event:
            case Configured():
                self._configure(event.site, now)
            case Booted() | LinkDown() | LinkUp():
                self._link(event, now)
            case ClockStepped():
                self._step_clock(now)
            case ClockTrust():
                if event.trusted and not self.trusted:
                    self._gap(now)
                self.trusted = event.trusted
            case _:
                pass  # ticks and outcomes tell nothing of a room

    def _configure(self, site: SiteConfig, now: Instant) -> None:
        self.site = site
        before, self.rooms, self.rooms_of = self.rooms, {}, {}
        for config in [with_parts(room, site) for room in site.rooms]:
            room = before.get(config.id) or RoomStory(config.id, Ears(config), config.mode == "live")
            room.ears.configure(config, now, self._bridges)
            self.rooms[config.id] = room
            for sensor in config.sensors:
                self.rooms_of.setdefault(sensor.id, []).append(room)
            for talk in room.talks.values():
                if talk.opened != NEVER:
                    talk.grace = max(talk.grace, grace_of(config.policy, config.sensors))

    def _hear(self, room: RoomStory, event: Reading, now: Instant) -> None:
        ear = room.ears.by_id[event.sensor]
        alive_at = now
        if now < self.late_until:  # it may have waited at the broker, unless it says when it was made
            alive_at = self.deaf_since if event.made_at is None else min(event.made_at, now)
        ear.hear(event, now, alive_at)
        if event.shows_presence and ear.profile.in_service:
            room.shown.append((self.seq, event.sensor))
        if event.shows_presence and event.kind in PRESENCE and ear.proves and ear.healthy(now):
            room.unseen, room.spoke_at = 0, now

    def _set_bridge(self, event: BridgeState, now: Instant) -> None:
        (self._bridges.discard if event.online else self._bridges.add)(event.bridge)
        for room in self.rooms.values():
            for ear in room.ears.by_id.values():
                if ear.profile.bridge == event.bridge:
                    ear.set("bridge_up", event.online, now)

    def _gap(self, now: Instant) -> None:
        for room in self.rooms.values():
            for ear in room.ears.by_id.values():
                ear.gap(now)

    def _link(self, event: Booted | LinkDown | LinkUp, now: Instant) -> None:
        """Only the gateway's own restart, with its session, within what the broker queues, is no gap."""
        if isinstance(event, Booted):
            self.boots.append((min(event.down_since, now) - self.ahead_ms, self.true_now))
        if not isinstance(event, LinkUp):
            if self.hearing or self.deaf_since == NEVER:
                self.deaf_since = event.down_since if isinstance(event, Booted) else now
                self.own_restart = isinstance(event, Booted) and event.same_machine_boot
            elif isinstance(event, Booted) and not event.same_machine_boot:
                self.own_restart = False
            self.hearing = False
            return
        away = now - self.deaf_since
        covered = self.own_restart and event.session_present and away <= self.site.queue_covers_ms
        for room in self.rooms.values():
            for ear in room.ears.by_id.values():
                if not (covered and ear.profile.at_qos1):
                    ear.gap(now)
        if not self.hearing and self.deaf_since != NEVER:
            self.late_until = now + DRAIN_MS
        self.hearing = True

    def _step_clock(self, now: Instant) -> None:
        self.late_until = NEVER
        for room in self.rooms.values():
            room.read_at, room.spoke_at = NEVER, min(room.spoke_at, now)
            for ear in room.ears.by_id.values():
                ear.step_clock(now)
            for talk in room.talks.values():
                talk.first_seen, talk.moved = min(talk.first_seen, now), min(talk.moved, now)

    def _read(self, room: RoomStory, event: CalendarRead, now: Instant) -> None:
        room.read_at = now
        for key in event.removed:
            if key in room.talks:
                room.talks[key].in_calendar = None if len(event.removed) >= DOUBTFUL else False
        for booking in event.changed:
            talk = room.talks.get(booking.key)
            if talk is None:
                talk = room.talks[booking.key] = Talk(booking, now)
            elif booking.start != talk.booking.start:
                talk.moved = now
                talk.attended = talk.sensors = False
            elif talk.is_back_as(booking, now):
                talk.over_before, talk.over_at = talk.over_at, NEVER  # it is back, and goes on where it was
                talk.first_seen = now
            elif talk.over_at == NEVER and booking.end <= talk.over_before:
                talk.over_at = talk.over_before  # that read was a stale one
            talk.in_calendar, talk.booking = booking.is_decided_on, booking
            talk.event_ids.add(booking.event_id)

    def _word(self, event: CheckedIn | Kept | Ended) -> None:
        """A person's word about a booking that they name; one that they do not is found by the gateway."""
        talk = self.talk(event.room, event.booking)
        if talk is None or talk.released or talk.over_at != NEVER or not talk.in_calendar:
            return
        talk.person |= isinstance(event, CheckedIn)
        talk.kept |= isinstance(event, Kept)

    # -- decisions ------------------------------------------------------------------------------------

    def note(self, decision: Decision) -> None:
        """Take note that a decision was recorded, at the newest entry."""
        if decision.write is not None:
            intended = Intended(self.seq, self.true_now, decision)
            self.intended[decision.room, decision.write.id] = intended
            self._by_booking.setdefault((decision.room, decision.booking), []).append(intended)
        room = self.rooms.get(decision.room)
        if room is None:
            return
        talk = room.talks.get(decision.booking)
        if talk is None:
            self._note_room(room, decision)
        else:
            self._note_talk(room, talk, decision)

    def _note_room(self, room: RoomStory, decision: Decision) -> None:
        codes = [reason.code for reason in decision.reasons]
        if decision.kind == "occupancy":
            room.occupancy = codes[0] if codes else room.occupancy
        elif decision.kind == "mode":
            room.live = "mode_live" in codes
            for talk in room.talks.values():
                talk.live &= room.live

    def _note_talk(self, room: RoomStory, talk: Talk, decision: Decision) -> None:
        by_person = any(reason.code == "by_person" for reason in decision.reasons)
        ended = decision.kind in ("released", "not_released", "concluded")
        talk.letting_go = decision.kind == "release" or (talk.letting_go and not ended)
        match decision.kind:
            case "opened":
                config = room.config
                if talk.over_at != NEVER:  # it is back after its end, as if it were new
                    talk.person = talk.sensors = talk.attended = talk.kept = False
                talk.opened, talk.live, talk.over_at = decision.at, room.live, NEVER
                talk.policy, talk.grace = config.policy, grace_of(config.policy, config.sensors)
            case "seen":
                talk.attended = True
            case "checked_in" | "restored":
                talk.attended = talk.sensors = True
                talk.person |= by_person or decision.kind == "restored"
                talk.released &= decision.kind != "restored"
                talk.over_at = NEVER  # it goes on, also after it was taken for over
            case "check_in_dropped":
                talk.sensors = False
            case "kept":
                talk.kept = True
            case "release" | "would_release" | "withheld" | "warned":
                talk.heeded = True
            case "released":
                talk.released = True
            case "concluded":
                self._note_end(room, talk, decision)
            case _:
                pass  # tells nothing that a checker asks for

    def _note_end(self, room: RoomStory, talk: Talk, decision: Decision) -> None:
        talk.over_at = decision.at
        outcome = "" if decision.tally is None else decision.tally.outcome
        silent = outcome in UNSEEN and room.spoke_at < talk.booking.start
        if silent and not talk.booking.all_day and not talk.is_ours:
            room.unseen += 1
        horizon = decision.at - 24 * 60 * MINUTE_MS
        for key in [k for k, t in room.talks.items() if t.over_at != NEVER and t.booking.end < horizon]:
            del room.talks[key]


def written_at(entry: Recorded) -> Instant:
    """An entry's instant by the gateway's own clock."""
    return entry.at if entry.written_at is None else entry.written_at


def with_parts(config: RoomConfig, site: SiteConfig) -> RoomConfig:
    """A combined room hears what its parts hear."""
    shared = {s.id: s for part in site.rooms if part.id in config.parts for s in part.sensors}
    return msgspec.structs.replace(
        config, sensors=tuple({**{s.id: s for s in config.sensors}, **shared}.values())
    )


def overlapping(room: RoomStory, talk: Talk) -> Iterable[Talk]:
    """Other bookings of the room that take some of the same time, as far as they lasted."""
    for other in room.talks.values():
        end = min(other.booking.end, other.over_at) if other.over_at != NEVER else other.booking.end
        if other is not talk and other.booking.start < talk.booking.end and talk.booking.start < end:
            yield other
