"""Looks around: gathers what every part of the gateway knows to be wrong, and hands it to the alerts.

Reads the core's memory and never writes to it. What it remembers itself (since when requests wait, which
bookings vanished) bears on alerts alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from gateway.alerts import Alerts, Trouble
from gateway.core.booking import Booking
from gateway.core.room import Room, SeriesCount
from gateway.core.site import Site
from gateway.core.units import MINUTE_MS, NEVER, Duration, Instant
from gateway.exchange.errors import ExchangeError
from gateway.exchange.quiet import (
    KEPT,
    KEPT_MS,
    NOTHING_KNOWN,
    AttendantFacts,
    Overlap,
    Vanished,
    drifted,
    free_instead,
    overlaps,
    releases_beside_us,
    running,
    unanswered,
    vanished,
)
from gateway.exchange.room_facts import RoomFacts
from gateway.runtime.horizon import Horizon, ours
from gateway.runtime.places import Place
from gateway.runtime.troubles import (
    of_calendars,
    of_delays,
    of_lost_dates,
    of_other_releases,
    of_overlaps,
    of_unanswered,
    of_unattended,
    of_unread_horizons,
)

ROOMS_EVERY_MS: Final[Duration] = MINUTE_MS
"""Calendars are read no more often, so nothing new can be seen in them sooner."""

DELAY_FACTOR: Final = 3
"""A calendar this many times older than its pace allows is delayed."""

DELAY_AT_LEAST_MS: Final[Duration] = 5 * MINUTE_MS
"""Nothing is released on a calendar that is older."""

ANSWER_WITHIN_MS: Final[Duration] = 15 * MINUTE_MS
"""An attendant answers within seconds; Exchange itself is late by minutes now and then."""

SEEN_WITHIN_MS: Final[Duration] = 3 * MINUTE_MS
"""When a booking vanished is known only where the calendar was read shortly before."""


CALENDAR: Final = "calendar"
ROOM: Final = "room"
"""Sources of alerts begin so; the room's id follows."""


class Calendars(msgspec.Struct, frozen=True):
    """How reading the rooms' calendars goes, by room."""

    errors: Mapping[str, ExchangeError]
    """Of those that could not be read the last time."""
    read_at: Mapping[str, Instant]
    pace: Callable[[str], Duration]
    """How old a room's calendar may become now."""


class Watcher:
    """Keeps an eye on calendars, rooms and horizon. Its `round`s are cheap; call them every few seconds."""

    def __init__(
        self,
        places: Mapping[str, Place],
        facts: Mapping[str, RoomFacts],
        horizon: Horizon,
        began: Instant,
    ) -> None:
        """`began`: since when the calendars of this run are read."""
        self._names = {name: place.name for name, place in places.items()}
        self._zones = {name: place.zone for name, place in places.items()}
        self._facts = facts
        self._horizon = horizon
        self._began = began
        self._rooms_at: Instant = NEVER
        self._waiting: dict[str, dict[str, Instant]] = {}
        """By room: requests without an answer, and when each was first seen."""
        self._running: dict[str, tuple[Instant, dict[str, tuple[Instant, Instant]]]] = {}
        """By room: when its calendar was last read, and what was under way then."""
        self.gone: list[Vanished] = []
        self._attendants: dict[str, AttendantFacts] = {}

    def know_attendants(self, facts: Mapping[str, AttendantFacts]) -> None:
        """What the rooms' booking attendants are set to, by room id; all of it anew."""
        self._attendants = {room: one for room, one in facts.items() if one != NOTHING_KNOWN}

    def recall(self, memory: str) -> None:
        """Take up what `remember` gave before a restart."""
        try:
            self.gone = msgspec.json.decode(memory or "[]", type=list[Vanished])
        except msgspec.MsgspecError:
            self.gone = []

    def remember(self) -> str:
        """What a restart must know: it takes weeks to see that bookings vanish by a rule."""
        return msgspec.json.encode(self.gone).decode()

    def round(self, alerts: Alerts, site: Site, calendars: Calendars, now: Instant) -> None:
        """State everything that is wrong now."""
        self._state_calendars(alerts, site, calendars, now)
        if now < self._rooms_at or now >= self._rooms_at + ROOMS_EVERY_MS:
            self._rooms_at = now
            self._state_rooms(alerts, site, calendars, now)
            for source in sorted(alerts.sources()):
                group, _, room = source.partition("/")
                if group in (CALENDAR, ROOM) and room not in self._names:
                    alerts.set(source, (), now)  # it has left the configuration

    def _state(
        self, alerts: Alerts, group: str, troubles: Iterable[Trouble], knows: AbstractSet[str], now: Instant
    ) -> None:
        """Each room is a source of its own. `knows`: those of which all is known."""
        by_room: dict[str, list[Trouble]] = {name: [] for name in self._names}
        for trouble in troubles:
            by_room[trouble.room].append(trouble)
        for name, own in by_room.items():
            alerts.set(f"{group}/{name}", own, now, complete=name in knows)

    # -- calendars ------------------------------------------------------------------------------------

    def _state_calendars(self, alerts: Alerts, site: Site, calendars: Calendars, now: Instant) -> None:
        errors = {room: error for room, error in calendars.errors.items() if room in self._names}
        worked = {name for name, room in site.rooms.items() if room.state.calendar_read_at != NEVER}
        worked.update(calendars.read_at)
        drift = drifted(errors, worked, len(self._names))
        ages = {
            room: (age, pace)
            for room in self._names
            if room not in errors
            and (age := now - calendars.read_at.get(room, self._began)) > DELAY_AT_LEAST_MS
            and age > DELAY_FACTOR * (pace := calendars.pace(room))
        }
        troubles = [*of_calendars(errors, drift, self._names), *of_delays(ages, self._names)]
        self._state(alerts, CALENDAR, troubles, {*errors, *calendars.read_at}, now)

    # -- rooms ----------------------------------------------------------------------------------------

    def _state_rooms(self, alerts: Alerts, site: Site, calendars: Calendars, now: Instant) -> None:
        found: dict[str, Sequence[Overlap]] = {}
        late: dict[str, int] = {}
        series: dict[str, dict[str, SeriesCount]] = {}
        for name, room in site.rooms.items():
            if name not in self._names:
                continue
            near = room.state.calendar
            self._look_for_vanished(name, room, calendars.read_at.get(name, NEVER))
            found[name] = self._overlaps(name, near.values(), now)
            late[name] = self._late(name, near.values(), now)
            series[name] = self._unattended(name, room)
        troubles = [
            *of_unanswered(late, self._attendants, self._names),
            *of_other_releases(releases_beside_us(self.gone, now), self._attendants, self._names),
            *of_overlaps(found, self._attendants, self._names, self._zones),
            *of_unattended(series, self._names, self._zones),
            *self._far_troubles(calendars, now),
        ]
        has_waited = now - self._began > ANSWER_WITHIN_MS + ROOMS_EVERY_MS
        knows = {name for name in self._names if has_waited and self._is_far_known(name)}
        self._state(alerts, ROOM, troubles, knows, now)

    def _is_far_known(self, name: str) -> bool:
        """Whether its months to come were read since the start, or nobody reads them at all."""
        return not self._horizon.is_on or name in self._horizon.rooms

    def _overlaps(self, name: str, near: Iterable[Booking], now: Instant) -> tuple[Overlap, ...]:
        far = self._horizon.rooms.get(name)
        pairs = {(one.first, one.second): one for one in overlaps(near, now)}
        for one in () if far is None else far.overlaps:
            if one.end > now:
                pairs.setdefault((one.first, one.second), one)
        return tuple(sorted(pairs.values(), key=lambda one: (one.start, one.first, one.second)))

    def _late(self, name: str, near: Iterable[Booking], now: Instant) -> int:
        """How many requests have waited for an answer for too long."""
        far = self._horizon.rooms.get(name)
        keys = unanswered(near, now) | (frozenset() if far is None else far.unanswered)
        before = self._waiting.get(name, {})
        self._waiting[name] = waiting = {key: min(before.get(key, now), now) for key in sorted(keys)}
        return sum(now - since >= ANSWER_WITHIN_MS for since in waiting.values())

    def _unattended(self, name: str, room: Room) -> dict[str, SeriesCount]:
        """Series that the core has reported; without those that have no dates to come any more."""
        if not self._is_far_known(name):
            return {}
        far = self._horizon.rooms.get(name)
        ended = frozenset() if far is None else far.ended
        return {key: one for key, one in room.state.series.items() if one.reported and key not in ended}

    def _look_for_vanished(self, name: str, room: Room, read_at: Instant) -> None:
        before_at, before = self._running.get(name, (NEVER, {}))
        if read_at in (NEVER, before_at):
            return
        calendar = room.state.calendar
        if read_at - before_at <= SEEN_WITHIN_MS and room.state.doubted is None:
            news = vanished(name, before, calendar, ours(room), read_at)
            if news:
                self.gone = [one for one in [*self.gone, *news] if one.at > read_at - KEPT_MS][-KEPT:]
        self._running[name] = (read_at, running(calendar.values(), read_at))

    # -- horizon --------------------------------------------------------------------------------------

    def _far_troubles(self, calendars: Calendars, now: Instant) -> list[Trouble]:
        horizon, busy = self._horizon, self._horizon.busy
        # What cannot be read at all is told by its calendar.
        failed = {room: error for room, error in horizon.failed.items() if room not in calendars.errors}
        gaps = {name: room.gaps for name, room in horizon.rooms.items()}

        def free(room: str, start: Instant, end: Instant) -> Sequence[str]:
            return free_instead(room, start, end, busy, self._facts)

        lost = of_lost_dates(gaps, now, free, self._names, self._zones)
        return [*lost, *of_unread_horizons(failed, self._names)]
