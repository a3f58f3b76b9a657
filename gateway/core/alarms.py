"""When to look at which room: an alarm for each, put off by what is heard meanwhile.

Theory of operation

* After each conclusion a room's alarm is set to the first of three instants: its *firm* deadline, which no
  mere message moves; the end of the *holds* of signs since; and when its calendar is too *old*. A sensor's
  silence, which each of its messages puts off, is watched for all rooms together (`gateway.core.silence`).
* Signs and reads move the last two, and there are many of them and few alarms. So nobody moves an alarm when
  something is heard: it may lie early, never late, and when it goes off it is worked out anew.
* The alarms are a heap, with some that have been set anew since: `Alarm.at` tells which hold.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

from gateway.core.deadlines import calendar_deadline, firm_deadline
from gateway.core.occupancy import Proof
from gateway.core.room import Room
from gateway.core.silence import Silence
from gateway.core.units import FOREVER, Instant

STALE_ALARMS: Final = 8
"""So many alarms a room, and those that were set anew since are thrown out: memory stays bounded."""


class Alarm:
    """One room's."""

    __slots__ = ("at", "firm", "room")

    def __init__(self, room: Room) -> None:
        self.room = room
        self.at: Instant = FOREVER
        self.firm: Instant = FOREVER

    def set(self, proof: Proof | None) -> None:
        """After a conclusion, whose proof it is."""
        room = self.room
        after = room.state.settled_at
        room.held_until = FOREVER
        self.firm = firm_deadline(room, after, proof=proof)
        self.at = min(self.firm, calendar_deadline(room, after))

    def work_out(self, now: Instant) -> Instant:
        """When it goes off, as far as is known at `now`. Not after `now`: something has fallen due."""
        room, firm = self.room, self.firm
        after, held = room.state.settled_at, room.held_until
        if firm <= now or held <= now:
            firm = self.firm = firm_deadline(room, after, now)
            if firm <= now:
                return firm
            held = room.held_until = FOREVER
        return min(firm, held, calendar_deadline(room, after))


class Alarms:
    """Those of all rooms of a site."""

    def __init__(self, rooms: Iterable[Room] = ()) -> None:
        own = list(rooms)
        self._alarms = {room.name: Alarm(room) for room in own}
        self._queue: list[tuple[Instant, str, Alarm]] = []
        self._silence = Silence(own)
        for room in own:
            self.set(room)

    def __len__(self) -> int:
        """How many are kept, those included that were set anew since."""
        return len(self._queue)

    def set(self, room: Room, proof: Proof | None = None) -> None:
        """Set a room's alarm, after a conclusion, whose proof may be known."""
        alarm = self._alarms[room.name]
        alarm.set(proof)
        self._ring(alarm)
        self._silence.lower(room)

    def hasten(self, room: Room) -> Instant:
        """Something was heard there after which something may fall due sooner; when, at the earliest."""
        alarm = self._alarms[room.name]
        if room.held_until < alarm.at:
            alarm.at = room.held_until
            self._ring(alarm)
        return min(alarm.at, self._silence.lower(room))

    def gone_off(self, now: Instant) -> list[str]:
        """The rooms for which something has fallen due. Their alarms are spent until they are set again."""
        due = self._silence.fallen(now)
        queue = self._queue
        while queue and queue[0][0] <= now:
            at, name, alarm = heappop(queue)
            if alarm.at != at:
                continue
            alarm.at = alarm.work_out(now)
            if alarm.at <= now:
                due.append(name)
            else:
                self._ring(alarm)
        return due

    def first(self, until: Instant, now: Instant, unless: Instant) -> Instant:
        """When the first goes off, or `unless` if that is sooner; up to `until` this is exact."""
        by = max(until, now)
        unless = min(unless, self._silence.begins(by))
        queue = self._queue
        while queue:
            at, name, alarm = queue[0]
            if alarm.at != at:
                heappop(queue)  # it has been set anew
            elif unless < at or at > by:
                return min(at, unless)
            else:
                goes_off = alarm.work_out(max(at, now))
                if goes_off <= at or goes_off <= now:
                    return at
                alarm.at = goes_off
                heapreplace(queue, (goes_off, name, alarm))
        return unless

    def _ring(self, alarm: Alarm) -> None:
        queue = self._queue
        if alarm.at < FOREVER:
            heappush(queue, (alarm.at, alarm.room.name, alarm))
        if len(queue) > STALE_ALARMS * len(self._alarms):
            queue[:] = [(each.at, name, each) for name, each in self._alarms.items() if each.at < FOREVER]
            heapify(queue)
