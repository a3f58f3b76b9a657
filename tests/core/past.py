"""A room's past for tests of its history: who was there when, and what its sensors said of it."""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.core.decisions import Decision, DecisionKind, Outcome, Reason, Tally
from gateway.core.events import AnyEvent, Configured, LinkUp, Reading, Tick
from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Duration, Instant
from gateway.reports.history import History
from gateway.reports.room_quality import RoomQuality, site_quality
from gateway.reports.sensor_quality import FALSE_EMPTY_SHARE, SensorQuality
from gateway.reports.watch import Watch
from gateway.runtime.picture import clock_in

MONDAY: Instant = 20_717 * DAY_MS
"""Midnight UTC of Monday 21 September 2026."""

GRACE_MS: Duration = 10 * MINUTE_MS
COUNTER = SensorProfile("counter", "count", role="seat", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS)
"""A witness: it proves nothing by itself, and says who is there."""

Span = tuple[Instant, Instant]
Journal = list[tuple[int, Instant, AnyEvent]]
Decisions = list[tuple[int, int, Decision]]


def when(day: int, minutes: float) -> Instant:
    """So many minutes after 09:00 on a day."""
    return MONDAY + day * DAY_MS + 9 * HOUR_MS + round(minutes * MINUTE_MS)


class Past:
    """Events and decisions in any order; `history` puts them in theirs."""

    def __init__(self, *sensors: SensorProfile, policy: Policy | None = None) -> None:
        self.room = RoomConfig("orion", policy=policy or Policy(), sensors=sensors)
        self.site = SiteConfig((self.room,))
        self._facts: list[tuple[Instant, int, AnyEvent, list[Decision]]] = []
        self.bookings = 0
        self._judged: tuple[object, RoomQuality] | None = None
        start = MONDAY - HOUR_MS
        self.fact(start, Configured(self.site))
        self.fact(start, LinkUp(session_present=False))

    def fact(self, at: Instant, event: AnyEvent, *decisions: Decision) -> None:
        """One event, and what was decided at it."""
        self._facts.append((at, len(self._facts), event, list(decisions)))

    def _decide(
        self, at: Instant, kind: DecisionKind, key: str, *reasons: Reason, tally: Tally | None = None
    ) -> None:
        self.fact(at, Tick(), Decision(kind, "orion", at, key, reasons=reasons, tally=tally))

    def attended(
        self, start: Instant, end: Instant, *, outcome: Outcome = "attended", by: str = "two_hits"
    ) -> None:
        """A booking that somebody was checked in to, by a sensor or (`by_person`) a person."""
        self.bookings += 1
        key = f"uid-{self.bookings}"
        self._decide(start - GRACE_MS, "opened", key, Reason("grace", value=GRACE_MS, until=start + GRACE_MS))
        self._decide(start + MINUTE_MS, "checked_in", key, Reason(by))
        self._decide(end, "concluded", key, tally=Tally(outcome, booked_ms=end - start))

    def shown(self, sensor: str, *spans: Span) -> None:
        """The sensor shows presence over these spans."""
        profile = next(p for p in self.room.sensors if p.id == sensor)
        for start, end in spans:
            self.fact(start, Reading(sensor, profile.senses, 1))
            self.fact(end, Reading(sensor, profile.senses, 0))

    def beats(self, start: Instant, end: Instant, every: Duration = MINUTE_MS, *only: str) -> None:
        """Proofs of life of all sensors, or of these."""
        for profile in self.room.sensors:
            if not only or profile.id in only:
                for at in range(start, end + 1, every):
                    self.fact(at, Reading(profile.id, "alive", 1))

    def recorded(self) -> tuple[Journal, Decisions]:
        """As a ledger gives it back."""
        journal: Journal = []
        decisions: Decisions = []
        for seq, (at, _, event, decided) in enumerate(sorted(self._facts, key=lambda f: f[:2]), start=1):
            journal.append((seq, at, event))
            decisions += [(len(decisions) + 1 + i, seq, one) for i, one in enumerate(decided)]
        return journal, decisions

    def history(self, steps: Iterable[int] = ()) -> History:
        """What is gathered of it; with `steps` in pieces of so many events, kept as JSON between them."""
        journal, decisions = self.recorded()
        history = History()
        for step in [*steps, len(journal)]:
            rest = journal[history.seq : history.seq + step]
            Watch(self.site, history).replay(rest, decisions[history.decision :])
            history = msgspec.json.decode(msgspec.json.encode(history), type=History)
        return history

    def quality(self, share: float = FALSE_EMPTY_SHARE) -> RoomQuality:
        """The judged room. Asked again without another fact, it is what it was: history is long."""
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - only here

        asked = (len(self._facts), self.site, share)
        if self._judged is None or self._judged[0] != asked:
            (room,) = site_quality(
                self.site, self.history(), {}, clock_in(ZoneInfo("UTC"), "%a %d %b %H:%M"), share
            )
            self._judged = asked, room
        return self._judged[1]

    def sensor(self, name: str, share: float = FALSE_EMPTY_SHARE) -> SensorQuality:
        """One judged sensor."""
        return next(one for one in self.quality(share).sensors if one.sensor == name)


def without(spans: Sequence[Span], cuts: Sequence[Span]) -> list[Span]:
    """The spans with these cut out of them."""
    left = list(spans)
    for begin, finish in cuts:
        pieces = [p for s, e in left for p in ((s, min(e, begin)), (max(s, finish), e))]
        left = [(s, e) for s, e in pieces if e > s]
    return sorted(left)
