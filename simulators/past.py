"""The ledger of a simulated office, written as fast as the core can: the past of a gateway that never ran.

    write_past(path, Office(7, rooms=6, start_ms=monday, hours=24), mode="shadow")

No broker, no Exchange and no waiting. The core is given what a gateway would give it: readings (repeats are
folded), each room's calendar every `POLL_MS` (folded likewise), ticks when the core asks for them. In a live
room each write comes to pass `WRITE_MS` later, and the calendar shows it. People do as they planned: they
come whether or not their room was given back.
"""

import heapq
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Decision, Write
from gateway.core.events import (
    AnyEvent,
    Availability,
    BridgeState,
    CalendarRead,
    Configured,
    LinkUp,
    Reading,
    RoomMode,
    Tick,
    WriteOutcome,
)
from gateway.core.policy import BreakerPolicy, Policy, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.exchange.calendar import difference
from gateway.ledger import Batch, Ledger, OutboxChange
from gateway.runtime.brain import SNAPSHOT_EVERY
from gateway.sensors import SensorSource, build_router
from simulators.office import Office, OfficeRoom
from simulators.people import PlannedBooking

POLL_MS: Final[Duration] = MINUTE_MS
WRITE_MS: Final[Duration] = 2 * SECOND_MS
WINDOW_MS: Final[Duration] = 2 * DAY_MS
"""Today and tomorrow."""
COMMIT_EVERY: Final = 5_000


def write_past(
    path: Path,
    office: Office,
    *,
    mode: RoomMode = "shadow",
    policy: Policy | None = None,
    breaker: BreakerPolicy | None = None,
    snapshot_every: int = SNAPSHOT_EVERY,
) -> int:
    """Live through the office's whole time and write it down; returns the number of events."""
    past = _Past(Ledger(path), office, snapshot_every)
    try:
        past.live_through(mode, policy or Policy(), breaker or BreakerPolicy())
        return past.ledger.next_seq - 1
    finally:
        past.ledger.close()


class _Past:
    def __init__(self, ledger: Ledger, office: Office, snapshot_every: int) -> None:
        self.ledger = ledger
        self._office = office
        self._site = Site()
        self._batch = Batch()
        self._snapshot_every = snapshot_every
        self._since_snapshot = 0
        self._diaries = {room.id: _Diary(room) for room in office.rooms}
        self._written: list[tuple[Instant, int, str, Write]] = []
        """What Exchange is about to confirm, the soonest first."""
        self._now: Instant = office.start_ms

    def live_through(self, mode: RoomMode, policy: Policy, breaker: BreakerPolicy) -> None:
        rooms = tuple(
            msgspec.structs.replace(room.config, mode=mode, policy=policy) for room in self._office.rooms
        )
        self._give(Configured(SiteConfig(rooms, breaker=breaker)))
        self._give(LinkUp(session_present=False))
        facts = heapq.merge(_heard(self._office), _polls(self._office), key=lambda fact: fact[0])
        for at, fact in facts:
            self._advance(at)
            if isinstance(fact, str):
                self._look(fact)
            elif not isinstance(fact, Reading) or not self._site.is_repeat(fact, at):
                self._give(fact)
        self._advance(self._office.end_ms)
        self._conclude()
        self._commit(snapshot=True)

    def _advance(self, to: Instant) -> None:
        """Conclude what falls due before `to`, carry out writes."""
        if to == self._now:
            return
        self._conclude()
        while True:
            deadline = self._site.next_deadline(to)
            confirmed = self._written[0][0] if self._written else None
            at = min((when for when in (deadline, confirmed) if when is not None), default=to)
            if at >= to:
                break
            self._now = at
            if at == confirmed:
                self._confirm()
            self._conclude()
        self._now = to

    def _give(self, event: AnyEvent) -> list[Decision]:
        decisions = self._site.handle(event, self._now)
        self._batch.events.append((self._now, event))
        return decisions

    def _conclude(self) -> None:
        """The ticks that the core asks for just now."""
        while (deadline := self._site.next_deadline(self._now)) is not None and deadline <= self._now:
            for decision in self._give(Tick()):
                self._batch.decisions.append((len(self._batch.events) - 1, decision))
                if decision.write is not None:
                    entry = (self._now + WRITE_MS, decision.write.id, decision.room, decision.write)
                    heapq.heappush(self._written, entry)
        if len(self._batch.events) >= min(COMMIT_EVERY, self._snapshot_every):
            self._commit()

    def _confirm(self) -> None:
        """Exchange shows what was written, and that is told."""
        _, number, room, write = heapq.heappop(self._written)
        self._diaries[room].carry_out(write)
        self._look(room)
        self._give(WriteOutcome(room, number, "applied"))
        self._batch.outbox.append(OutboxChange(room, number, "applied", self._now))

    def _look(self, room: str) -> None:
        start = self._now - self._now % DAY_MS
        shown = self._diaries[room].shown(self._now, start, start + WINDOW_MS)
        known = self._site.rooms[room].state.calendar.values()
        changed, removed = difference(known, shown, start, start + WINDOW_MS)
        read = CalendarRead(room, start, start + WINDOW_MS, changed, removed)
        news = self._site.worth_telling(read, self._now)
        if news is not None:
            self._give(news)

    def _commit(self, *, snapshot: bool = False) -> None:
        batch, self._batch = self._batch, Batch()
        self._since_snapshot += len(batch.events)
        if snapshot or self._since_snapshot >= self._snapshot_every:
            batch.snapshot = self._site.snapshot()
            self._since_snapshot = 0
        self.ledger.commit(batch)


class _Diary:
    """A room's calendar in Exchange."""

    def __init__(self, room: OfficeRoom) -> None:
        self._planned = room.bookings
        self._first = 0
        """Bookings before this one are over for good."""
        self._gone: set[str] = set()
        self._ends: dict[str, Instant] = {}

    def carry_out(self, write: Write) -> None:
        """What a write of the gateway leaves behind."""
        key = write.event_id.removeprefix("id-")
        if write.removes:
            self._gone.add(key)
        elif write.new_end is not None:
            self._ends[key] = write.new_end

    def shown(self, now: Instant, start: Instant, end: Instant) -> list[Booking]:
        """What a complete read of the window gives."""
        while self._first < len(self._planned) and self._planned[self._first].end < start:
            self._first += 1
        found = []
        for planned in self._planned[self._first :]:
            if planned.start >= end:
                break
            if self._stands(planned, now):
                ends = self._ends.get(planned.key, planned.end)
                found.append(Booking(planned.key, f"id-{planned.key}", planned.start, ends))
        return found

    def _stands(self, planned: PlannedBooking, now: Instant) -> bool:
        cancelled = planned.cancelled_at is not None and planned.cancelled_at <= now
        return planned.created_at <= now and not cancelled and planned.key not in self._gone


def _heard(office: Office) -> Iterator[tuple[Instant, Reading | Availability | BridgeState | str]]:
    """What the sensors say, understood."""
    router = build_router(SensorSource(**device.source()) for room in office.rooms for device in room.devices)
    for message in office.messages():
        for item in router.decode(message.topic, message.payload, retained=False):
            if isinstance(item, Reading | Availability | BridgeState):
                yield message.t, item


def _polls(office: Office) -> Iterator[tuple[Instant, Reading | Availability | BridgeState | str]]:
    """Each room at its own second of the minute."""
    phases = sorted((zlib.crc32(room.id.encode()) % POLL_MS, room.id) for room in office.rooms)
    for minute in range(office.start_ms, office.end_ms, POLL_MS):
        for phase, room in phases:
            if minute + phase < office.end_ms:
                yield minute + phase, room
