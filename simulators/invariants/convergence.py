"""What the gateway knows, does and holds comes to agree with the world, and stays within bounds."""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import CalendarRead
from gateway.core.units import DAY_MS, MINUTE_MS, NEVER, Duration, Instant
from simulators.invariants.base import (
    Checker,
    EffectChecker,
    Violation,
    is_release,
    last_read,
)
from simulators.invariants.story import RoomStory, Story, Talk
from simulators.observed import Effect, Observed, Recorded

SETTLED_AFTER_MS: Final[Duration] = 3 * MINUTE_MS
"""By then each calendar has been read again after the last fault."""

HEEDED_AFTER_MS: Final[Duration] = 30 * MINUTE_MS
"""By then a booking that is due has been released, warned or withheld: the longest vacancy that is asked
for, and some minutes."""

STALE: Final = "stale_reads"
"""The kind of trouble in which Exchange answers, completely, with how things were a while ago."""
NEXT_READ_MS: Final[Duration] = 5 * MINUTE_MS
"""Within this a calendar is read again, if nothing is in the way."""

STALE_FOR_MS: Final[Duration] = 10 * MINUTE_MS

MIB: Final = 2**20
RSS_GROWTH: Final = 128 * MIB
"""Of the whole simulated world in one process, after its first hour (a gateway alone: 80 MB in all)."""
DISK_AT_LEAST: Final = 64 * MIB
DISK_PER_ROOM_DAY: Final = 16 * MIB
"""A room with two sensors writes about 3 MiB of journal a day."""
FIRST_HOUR_MS: Final[Duration] = 60 * MINUTE_MS

FIELDS: Final = (
    "event_id", "start", "end", "original_start", "series_id", "all_day", "cancelled", "show_as", "response",
    "room_organises", "has_attendees",
)  # fmt: skip
"""What both sides must agree on. Not the change key: reads of one minute may differ by our own marks; not
the exemption marks: only the gateway's policy knows them."""


class CalendarsAgree(Checker):
    """L6: after quiet, the gateway's bookings equal the room's window in Exchange; no bad read removes one.

    Reads the mailboxes, the core's state in a copy of the ledger, and the journal. All the time: a read that
    drops a booking is believed only if somebody had a hand in that booking. At the end: both are equal.
    """

    name = "L6"

    def __init__(self) -> None:
        self._removed: list[tuple[Instant, str, str]] = []
        self._touched: set[tuple[str, str]] = set()
        self._effects_read = 0

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Remember what was dropped."""
        event = entry.event
        if isinstance(event, CalendarRead):
            self._removed += [(entry.at, event.room, key) for key in event.removed]
        return iter(())

    def step(self, seen: Observed, story: Story) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Whatever stands in the mailbox, untouched, must not have been dropped."""
        self._touched |= {
            (e.room, e.booking) for e in seen.effects[self._effects_read :] if e.deed != "created"
        }
        self._effects_read = len(seen.effects)
        stale = bool(self._removed) and any(
            t.kind == STALE and (t.until or seen.now) >= seen.now - STALE_FOR_MS for t in seen.troubles
        )
        for at, room, key in () if stale else self._removed:
            stands = next((b for b in seen.calendars.get(room, ()) if b.key == key), None)
            if stands is not None and stands.end > seen.now and (room, key) not in self._touched:
                yield self.broken(at, room, f"{key} stands in the mailbox, and a read dropped it")
        self._removed = []

    def end(self, seen: Observed, story: Story) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Compare what is not over."""
        if seen.healed_at is None or seen.now < seen.healed_at + SETTLED_AFTER_MS:
            return
        for room in sorted(seen.rooms):
            true = _held(seen.calendars.get(room, ()), seen.now)
            known = _held(seen.known.get(room, ()), seen.now)
            for key in sorted(true.keys() | known.keys()):
                differs = _difference(true.get(key), known.get(key))
                if differs:
                    yield self.broken(seen.now, room, f"{key}: {differs}")


def _held(bookings: Iterable[Booking], now: Instant) -> dict[str, Booking]:
    """By key, what is not over; where a key is there twice, the one that is decided on."""
    held: dict[str, Booking] = {}
    for booking in bookings:
        other = held.get(booking.key)
        if booking.end > now and (other is None or booking.is_decided_on):
            held[booking.key] = booking
    return held


def _difference(true: Booking | None, known: Booking | None) -> str:
    if true is None or known is None:
        other = true or known
        if other is None or not other.is_decided_on:
            return ""
        return "only the mailbox has it" if known is None else "the mailbox does not have it"
    if not (true.is_decided_on or known.is_decided_on):
        return ""
    fields = [name for name in FIELDS if getattr(true, name) != getattr(known, name)]
    return ", ".join(f"{n} is {getattr(true, n)!r}, known as {getattr(known, n)!r}" for n in fields)


class PersonsChangeWins(EffectChecker):
    """L7: a person's change in Exchange wins: read again and decide again.

    Reads effects and reads of the mailbox, and the true time of the decision from the journal: where a
    person changed the booking after the decision, and the gateway has read it since, no release follows.
    """

    name = "L7"

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:
        """Look back from each release."""
        cause = story.cause_of(effect) if is_release(effect) else None
        read = last_read(seen, story, effect)
        if cause is None or read is None:
            return
        for other in reversed(seen.effects):
            if other.at <= cause.true_at:
                return
            same = other.room == effect.room and other.booking == effect.booking
            if same and other.by == "person" and other.deed != "marked" and other.at < read.at:
                what = f"{effect.booking} was {other.deed} by a person, read again, and released nevertheless"
                yield self.broken(effect.at, effect.room, what)
                return


class DueIsDone(Checker):
    """Once due, a booking is released, warned, or withheld with a reason; its cause is told at its end.

    Reads journal and recorded decisions. Bookings that the rules leave alone for good need no word.
    """

    name = "due"

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """A ghost's time that was not returned has a cause."""
        tally = decision.tally
        if tally is not None and tally.ghost_ms and not tally.returned_ms and not tally.cause:
            yield self.broken(
                decision.at, decision.room, f"{decision.booking}: a ghost, not released, no cause"
            )

    def end(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """What is due was heeded; what is over was concluded."""
        if seen.healed_at is None:
            return
        healed = seen.healed_at + story.ahead_ms
        for room in story.rooms.values():
            for key, talk in room.talks.items():
                if not talk.in_calendar or talk.over_at != NEVER or _was_back_for_a_moment(talk):
                    continue
                if talk.opened != NEVER and max(talk.booking.end, healed) < story.now - MINUTE_MS:
                    yield self.broken(seen.now, room.name, f"{key} is over and was not concluded")
                elif self._is_overdue(room, talk, max(talk.due, healed), story.now):
                    what = f"{key} was due and was neither released nor warned nor withheld"
                    yield self.broken(seen.now, room.name, what)

    def _is_overdue(self, room: RoomStory, talk: Talk, since: Instant, now: Instant) -> bool:
        if talk.opened == NEVER or talk.heeded or talk.attended or talk.person or left_alone(room, talk):
            return False
        beat = max((s.heartbeat_ms or 0 for s in room.config.sensors), default=0)
        return since + HEEDED_AFTER_MS + beat * 5 // 4 < now


def _was_back_for_a_moment(talk: Talk) -> bool:
    """It was over, and one read showed it longer, but over before the next read: perhaps a stale one."""
    return talk.over_before != NEVER and talk.booking.end < talk.first_seen + NEXT_READ_MS


def left_alone(room: RoomStory, talk: Talk) -> bool:
    """The rules never release it, whatever happens."""
    booking, policy = talk.booking, talk.policy
    length = booking.end - booking.start
    return bool(
        room.config.exempt
        or talk.kept
        or booking.all_day
        or booking.marks
        or length > policy.exempt_longer_than_ms
        or length < talk.grace + policy.min_remaining_ms
        or (booking.room_organises and not policy.release_own_bookings)
    )


class Bounded(Checker):
    """Memory and disk stay within bounds, however long it runs.

    Reads the sizes of the process and of the ledger's files, as the operating system tells them.
    """

    name = "bounded"

    def __init__(self) -> None:
        self._rss_at_first = 0

    def step(self, seen: Observed, story: Story) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """The first hour is for growing."""
        if seen.now < seen.started_at + FIRST_HOUR_MS:
            self._rss_at_first = max(self._rss_at_first, seen.rss_bytes)
        return iter(())

    def end(self, seen: Observed, story: Story) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Compare."""
        if self._rss_at_first and seen.rss_bytes > self._rss_at_first + RSS_GROWTH:
            grown = (seen.rss_bytes - self._rss_at_first) // MIB
            yield self.broken(seen.now, "", f"memory has grown by {grown} MiB")
        room_days = len(seen.rooms) * max(1, -(-(seen.now - seen.started_at) // DAY_MS))
        if seen.disk_bytes > DISK_AT_LEAST + DISK_PER_ROOM_DAY * room_days:
            used = seen.disk_bytes // MIB
            yield self.broken(seen.now, "", f"{used} MiB on disk after {room_days} days of a room")
