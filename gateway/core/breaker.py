"""The breaker: rooms that fall silent together stop all releases until somebody has looked.

Theory of operation

* A room with a booking just now is *silent* if that booking is due, withheld, released, or its room's
  occupancy is unknown while it is undecided. One dead radio, one wrong clock or one bad update makes
  many rooms silent at once; ghosts alone do so too, but not more of them than usual.
* What is usual is learned: the most silent rooms at once in each hour of the week, week by week. The
  hours are those of UTC, so the hours beside it count too and a summer-time change is not an event.
* It closes by a person's word, or when half of the rooms that had fallen silent show presence again.
* Released rooms go on counting until their booking's end, while nobody shows in them. Otherwise silence
  that spreads room by room would never add up. A room that shows presence is never silent: it could open
  the breaker and close it as evidence in the same instant, again and again.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from gateway.core.decisions import Decision, Reason
from gateway.core.policy import BreakerPolicy
from gateway.core.room import Room
from gateway.core.units import HOUR_MS, NEVER, Instant

WEEK_HOURS: Final = 7 * 24
WEEKS_ENOUGH: Final = 4
"""So many weeks of an hour are history enough."""
WEEKS_KEPT: Final = 26
"""With so few samples the 99.9th percentile is the largest of them."""


class BreakerState(msgspec.Struct, omit_defaults=True):
    """What the breaker remembers."""

    opened_at: Instant = NEVER
    silent: list[str] = []
    """The rooms that were silent when it opened."""
    returned: list[str] = []
    """Those of them that have shown presence since."""
    asked_to_close: str = ""
    """Who asked for it to be closed, until the next tick."""
    accepted: int = 0
    """So many silent rooms a person has found right."""
    most: dict[str, list[int]] = {}
    """By hour of the week: the most silent rooms at once, one number a week."""
    hour: int = -1
    most_now: int = 0


class Census(NamedTuple):
    """How a room counts just now."""

    busy: bool
    """It has a booking just now that a release may concern."""
    silent: bool


NOBODY: Final = Census(busy=False, silent=False)
BUSY: Final = Census(busy=True, silent=False)
SILENT: Final = Census(busy=True, silent=True)


def census_of(room: Room, now: Instant) -> Census:
    """How one room counts at `now`."""
    state = room.state
    if state.config.exempt:
        return NOBODY
    busy = silent = False
    occupied = state.occupancy.status == "occupied"
    for life in state.lives.values():
        if not life.booking.start <= now < life.booking.end or life.booking.all_day or life.is_ours:
            continue
        busy = True
        if occupied:
            continue
        if life.state in ("releasing", "released"):
            silent = True
        elif life.awaits_check_in:
            silent |= now >= life.due or state.occupancy.status == "unknown"
    if silent:
        return SILENT
    return BUSY if busy else NOBODY


class Breaker:
    """Counts the site's rooms and says whether anything may be released. All memory is in `state`."""

    def __init__(self, state: BreakerState) -> None:
        self.state = state
        self._census: dict[str, Census] = {}
        self._busy = 0
        self._silent = 0

    @property
    def objection(self) -> Reason | None:
        """Why nothing is released just now."""
        state = self.state
        if state.opened_at == NEVER:
            return None
        return Reason("breaker_open", at=state.opened_at, value=len(state.silent))

    def count(self, room: Room, now: Instant) -> None:
        """Take a room's present state into the sums."""
        name = room.state.config.id
        old, new = self._census.get(name, NOBODY), census_of(room, now)
        if old != new:
            self._census[name] = new
            self._busy += new.busy - old.busy
            self._silent += new.silent - old.silent

    def forget(self, rooms: Iterable[str]) -> None:
        """Count anew: the site has other rooms now."""
        self._census = {name: self._census[name] for name in rooms if name in self._census}
        self._busy = sum(census.busy for census in self._census.values())
        self._silent = sum(census.silent for census in self._census.values())

    def judge(self, policy: BreakerPolicy, now: Instant, *, holiday: bool) -> list[Decision]:
        """Open if too many rooms are silent at once; learn what is usual otherwise."""
        state = self.state
        if state.asked_to_close:
            by, state.asked_to_close = state.asked_to_close, ""
            return self._accept(now, by)
        self._let_go(policy)
        if not self._watches(policy, holiday=holiday):
            return []
        self._learn(now)
        if not self._is_too_silent(policy, now):
            return []
        state.opened_at = now
        state.silent = sorted(name for name, census in self._census.items() if census.silent)
        state.returned = []
        told = Reason("many_silent", value=self._silent, text=f"{self._busy}")
        return [Decision("breaker_opened", "", now, reasons=(told,))]

    def settle(self, policy: BreakerPolicy, now: Instant, *, holiday: bool) -> None:
        """Take note of what a tick's conclusions came to, as far as it is usual."""
        self._let_go(policy)
        if self._watches(policy, holiday=holiday) and not self._is_too_silent(policy, now):
            self.state.most_now = max(self.state.most_now, self._silent)

    def wants_to_open(self, policy: BreakerPolicy, now: Instant, *, holiday: bool) -> bool:
        """Whether it would open if it were judged now."""
        return self._watches(policy, holiday=holiday) and self._is_too_silent(policy, now)

    def _watches(self, policy: BreakerPolicy, *, holiday: bool) -> bool:
        return policy.on and not holiday and self.state.opened_at == NEVER

    def _is_too_silent(self, policy: BreakerPolicy, now: Instant) -> bool:
        return self._silent > self.state.accepted and self._silent >= self.limit(policy, now)

    def _let_go(self, policy: BreakerPolicy) -> None:
        """What a person found right is forgotten once it is over, also while the breaker is open again."""
        if self._silent < policy.at_least:
            self.state.accepted = 0

    def limit(self, policy: BreakerPolicy, now: Instant) -> int:
        """With so many silent rooms it opens."""
        hour = now // HOUR_MS % WEEK_HOURS
        if len(self.state.most.get(str(hour), [])) >= WEEKS_ENOUGH:
            beside = ((hour + step) % WEEK_HOURS for step in (-1, 0, 1))
            usual = max(max(self.state.most.get(str(each), [0])) for each in beside)
            return max(policy.at_least, usual + 1)
        return max(policy.at_least, -(-self._busy * policy.share_percent // 100))

    def _learn(self, now: Instant) -> None:
        state, hour = self.state, now // HOUR_MS
        if state.hour == hour:
            return
        if state.hour >= 0:
            kept = state.most.setdefault(str(state.hour % WEEK_HOURS), [])
            kept.append(state.most_now)
            del kept[:-WEEKS_KEPT]
        state.hour, state.most_now = hour, self._silent

    def _accept(self, now: Instant, by: str) -> list[Decision]:
        """A person finds the silence right."""
        if self.state.opened_at == NEVER:
            return []
        self.state.accepted = max(self._silent, len(self.state.silent))
        return self._closed(now, Reason("by_person", text=by))

    def note_presence(self, room: str, now: Instant) -> list[Decision]:
        """A room shows presence: evidence returns."""
        state = self.state
        if state.opened_at == NEVER or room not in state.silent or room in state.returned:
            return []
        state.returned = sorted([*state.returned, room])
        if 2 * len(state.returned) < len(state.silent):
            return []
        return self._closed(now, Reason("evidence_returned", value=len(state.returned)))

    def _closed(self, now: Instant, reason: Reason) -> list[Decision]:
        state = self.state
        opened_at, state.opened_at = state.opened_at, NEVER
        state.silent, state.returned = [], []
        state.hour, state.most_now = -1, 0  # what happened meanwhile is nothing to learn from
        return [Decision("breaker_closed", "", now, reasons=(reason, Reason("was_open", at=opened_at)))]
