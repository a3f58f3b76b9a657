"""Correlated silence: what looks empty everywhere at once is more likely to be our own blindness."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from gateway.core.decisions import Decision
from gateway.core.events import CalendarRead, Tick
from gateway.core.units import DAY_MS, MINUTE_MS, NEVER, Duration, Instant
from simulators.invariants.base import Checker, Violation
from simulators.invariants.nobody_released import RELEASES
from simulators.invariants.story import RoomStory, Story, Talk
from simulators.observed import Observed, Recorded

HISTORY_MS: Final[Duration] = 28 * DAY_MS
"""From then on what is usual may have been learned, and only an open breaker can be judged."""


NEARBY_MS: Final[Duration] = 10 * MINUTE_MS


class _Nearby(NamedTuple):
    """Talks of a room around an instant, and how many it had in all."""

    at: Instant
    total: int
    talks: list[Talk]


class _Count(NamedTuple):
    """Rooms of a moment. A read that drops many bookings at once may not have been believed."""

    silent: int
    """For sure."""
    busy: int
    """With a booking just now, perhaps."""
    perhaps: int
    """Silent, for sure or perhaps."""


NOBODY: Final = _Count(0, 0, 0)


class SilenceStopsReleases(Checker):
    """W7: correlated silence trips the breaker: rooms due, withheld and unknown are counted together.

    Reads bookings and what became of them from the journal and the recorded decisions. Releases stop while
    the breaker is open; and, before there is history, when at least three rooms and half of those with a
    booking are silent from one tick to the next, unless a person has found as many right.
    """

    name = "W7"

    def __init__(self) -> None:
        self._began: Instant = NEVER
        self._open = False
        self._when_opened = 0
        self._accepted = 0
        """So many silent rooms a person has found right."""
        self._too_silent_since: Instant = NEVER
        self._nearby: dict[str, _Nearby] = {}

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """No release while it is, or ought to be, open."""
        if decision.kind == "breaker_opened":
            self._open = True
            self._when_opened = self._count(story).silent
        elif decision.kind == "breaker_closed":
            self._open = False
            if any(reason.code == "by_person" for reason in decision.reasons):
                self._accepted = max(self._count(story).silent, self._when_opened)
            self._too_silent_since = NEVER
        if decision.kind not in RELEASES:
            return
        if self._open:
            yield self.broken(decision.at, decision.room, f"{decision.booking}: the breaker is open")
        elif NEVER < self._too_silent_since < decision.at < self._began + HISTORY_MS:
            what = f"{decision.booking}: too many rooms are silent since {self._too_silent_since}"
            yield self.broken(decision.at, decision.room, what)

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Count before each tick's conclusions, as the tick before left the rooms."""
        if self._began == NEVER:
            self._began = story.now
        if isinstance(entry.event, CalendarRead):
            self._nearby.pop(entry.event.room, None)
        if isinstance(entry.event, Tick):
            policy = story.site.breaker
            watched = policy.on and not story.site.is_holiday(story.now)
            count = self._count(story) if watched or self._accepted else NOBODY
            share = -(-count.busy * policy.share_percent // 100)
            if not watched or count.silent < max(policy.at_least, share) or count.silent <= self._accepted:
                self._too_silent_since = NEVER
                self._accepted = 0 if count.perhaps < policy.at_least else self._accepted
            elif self._too_silent_since == NEVER:
                self._too_silent_since = story.now
        return iter(())

    def _count(self, story: Story) -> _Count:
        now = story.now
        rooms = [room for room in story.rooms.values() if not room.config.exempt]
        states = [_state(room, self._near(room, now), now) for room in rooms]
        return _Count(*(sum(each) for each in zip(*states, strict=True))) if states else NOBODY

    def _near(self, room: RoomStory, now: Instant) -> list[Talk]:
        """The talks that may run now: of a year there are many, and each tick asks."""
        known = self._nearby.get(room.name)
        if known is None or known.total != len(room.talks) or not known.at <= now < known.at + NEARBY_MS:
            talks = [
                talk
                for talk in room.talks.values()
                if talk.booking.end > now - NEARBY_MS and talk.booking.start < now + 2 * NEARBY_MS
            ]
            known = self._nearby[room.name] = _Nearby(now, len(room.talks), talks)
        return known.talks


def _state(room: RoomStory, talks: Iterable[Talk], now: Instant) -> _Count:
    """How one room counts, as 0 or 1."""
    busy = silent = perhaps = False
    for talk in talks:
        booking = talk.booking
        if not booking.start <= now < booking.end or booking.all_day or talk.is_ours:
            continue
        if talk.released:
            busy = True
            silent |= room.occupancy != "occupied"
        elif talk.letting_go and talk.in_calendar is False:
            busy = True  # the calendar shows what came of it sooner than the gateway says so
            perhaps |= room.occupancy != "occupied"
        elif talk.in_calendar is not False and talk.opened != NEVER and talk.over_at == NEVER:
            busy = True
            undecided = not (talk.sensors or talk.person) and room.occupancy != "occupied"
            quiet = undecided and (talk.due <= now or room.occupancy == "unknown")
            silent |= quiet and talk.in_calendar is True
            perhaps |= quiet
    return _Count(silent, busy, silent or perhaps)
