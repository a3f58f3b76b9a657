"""What would have been released in shadow, and what each room looked like afterwards. Durations in ms.

One pass over decisions. It says what the core says (`gateway.core.steps.ending`), so its figures are those by
which a room goes live:

* A release in shadow is *judged* when its booking is over, left the calendar, or was ended. One whose booking
  was moved to another time is not: the room would be asked anew there.
* It would have been *wrong* if within `RETURN_WITHIN_MS` a healthy sensor showed somebody, or a person said
  at the panel that they are there or want the booking.

What is not wrong by that rule and a person should look at all the same is told apart: somebody wanted the
booking later, or the sensors could not tell for a while.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import msgspec

from gateway.core.decisions import Decision, DecisionKind, Reason
from gateway.core.events import RoomMode
from gateway.core.units import DAY_MS, FOREVER, Duration, Instant
from gateway.reports.intervals import clopper_pearson

KINDS: Final[tuple[DecisionKind, ...]] = (
    "opened",
    "checked_in",
    "kept",
    "would_release",
    "concluded",
    "occupancy",
    "mode",
    "released",
    "wrong_release",
)
"""The decisions that tell of it; others are passed over."""

Afterwards = Literal[
    "came_soon", "by_person", "came_later", "could_not_tell", "cancelled", "ended", "stayed_empty"
]
AFTERWARDS: Final[tuple[Afterwards, ...]] = get_args(Afterwards)
DOUBTFUL: Final[frozenset[Afterwards]] = frozenset({"came_soon", "by_person", "could_not_tell"})
"""What a person should look at before the room goes live."""

VERDICTS: Final = ("shadow_wrong", "shadow_right")
"""What the core says of a release in shadow when its booking ends."""

FREE: Final[frozenset[Afterwards]] = frozenset({"could_not_tell", "ended", "stayed_empty"})
"""As far as is known nobody wanted the time that would have been given back."""

MAY_COME_BACK_MS: Final[Duration] = 2 * DAY_MS
"""The core knows a booking again for a day after its end, and judges it again then."""

WentLiveBy = Literal["person", "record", "configuration", ""]


class ShadowRelease(msgspec.Struct, frozen=True):
    """One release that was decided in shadow and judged. Instants are None where nothing happened."""

    room: str
    booking: str
    at: Instant
    """When the room would have been given back."""
    kind: str
    """"no_show", "brief_visit" or "end_early"."""
    afterwards: Afterwards
    over_at: Instant
    """When it was judged: at the booking's end, or when it left the calendar."""
    would_return_ms: Duration
    came_at: Instant | None = None
    """When somebody first was there or wanted it."""
    sensor: str = ""
    """The sensor that showed them; empty where a person said so."""
    person_at: Instant | None = None
    """When a person first said that the booking is wanted."""
    person_did: Literal["checked_in", "kept", ""] = ""
    """How they said it."""
    untold_at: Instant | None = None
    """From when on the sensors could not tell."""
    untold: Reason | None = None
    """Why they could not."""

    @property
    def is_wrong(self) -> bool:
        """By the core's rule."""
        return self.afterwards == "came_soon"

    @property
    def is_doubtful(self) -> bool:
        """Worth a person's look."""
        return self.afterwards in DOUBTFUL


class RoomRecord(msgspec.Struct, frozen=True):
    """What one room would have released, oldest first, and what it did since it went live."""

    room: str
    releases: tuple[ShadowRelease, ...] = ()
    running: int = 0
    """Releases in shadow whose booking is not over yet."""
    live_since: Instant | None = None
    """When it went live, if it is and the decisions tell."""
    live_by: WentLiveBy = ""
    opened_live: bool = False
    """A booking's time has come since it went live, so it is live in effect."""
    released: int = 0
    """Given back in Exchange since then (since ever, where going live is not told)."""
    wrong_releases: int = 0
    """Those that people reported as wrong."""

    @property
    def judged(self) -> int:
        """How many releases were judged."""
        return len(self.releases)

    @property
    def wrong(self) -> int:
        """How many of them would have been wrong, by the core's rule."""
        return sum(one.is_wrong for one in self.releases)

    @property
    def doubtful(self) -> tuple[ShadowRelease, ...]:
        """Those that a person should look at."""
        return tuple(one for one in self.releases if one.is_doubtful)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share of wrong ones lies, exact, with 95 % confidence."""
        return clopper_pearson(self.wrong, self.judged)

    @property
    def interval_at_worst(self) -> tuple[float, float]:
        """The same if every doubtful one were wrong."""
        return clopper_pearson(len(self.doubtful), self.judged)

    @property
    def would_return_ms(self) -> Duration:
        """Booked time that would have been given back and that nobody wanted, as far as is known."""
        return sum(one.would_return_ms for one in self.releases if one.afterwards in FREE)

    def count(self, afterwards: Afterwards) -> int:
        """How many of them went like this."""
        return sum(one.afterwards == afterwards for one in self.releases)


class Bar(msgspec.Struct, frozen=True):
    """The bar of a room's policy, and how far the core's own counters are."""

    live_after: int
    """So many judged; 0: there is no bar, only a person sets the room live."""
    wrong_at_most: int
    judged: int
    """As the core counts, since it knows the room."""
    wrong: int

    @property
    def missing(self) -> int:
        """How many judged releases are missing."""
        return max(0, self.live_after - self.judged)

    @property
    def wrong_left(self) -> int:
        """How many of them may still be wrong; below 0 the bar cannot be passed any more."""
        return self.wrong_at_most - self.wrong

    @property
    def share(self) -> float:
        """The share of wrong releases that just passes (0 to 1)."""
        return self.wrong_at_most / self.live_after if self.live_after else 0.0

    @property
    def proves(self) -> float:
        """The largest share of wrong releases that a record which just passes is compatible with (95 %)."""
        return clopper_pearson(self.wrong_at_most, self.live_after)[1]


Verdict = Literal["former", "live", "exempt", "cannot_prove", "held", "no_bar", "over", "missing", "met"]


def verdict(bar: Bar, mode: RoomMode, *, exempt: bool, can_prove: bool, held: bool = False) -> Verdict:
    """What stands between the room and going live: the first of these that holds."""
    told: list[tuple[bool, Verdict]] = [
        (mode == "live", "live"),
        (exempt, "exempt"),
        (not can_prove, "cannot_prove"),
        (held and bar.live_after > 0, "held"),
        (not bar.live_after, "no_bar"),
        (bar.wrong_left < 0, "over"),
        (bar.missing > 0, "missing"),
    ]
    return next((one for holds, one in told if holds), "met")


def shadow_records(
    decisions: Iterable[Decision], since: Instant = 0, until: Instant = FOREVER
) -> dict[str, RoomRecord]:
    """By room: the releases that shadow decided on from `since` to before `until`, as they were judged.

    `decisions`: in the order in which they were taken; those of other `KINDS` are passed over. When a room
    went live is told by those before `since` too. Memory grows with the releases, not with the decisions.
    """
    rooms: dict[str, _Room] = {}
    for decision in decisions:
        if decision.room:
            rooms.setdefault(decision.room, _Room(decision.room)).take(decision, since, until)
    return {name: rooms[name].record() for name in sorted(rooms)}


@dataclass
class _Watched:
    """A release in shadow, and what has been seen since."""

    decision: Decision
    over_at: Instant | None = None
    person_at: Instant | None = None
    person_did: Literal["checked_in", "kept", ""] = ""
    untold_at: Instant | None = None
    untold: Reason | None = None

    def judge(self, concluded: Decision, verdict: Reason) -> ShadowRelease:
        """`verdict`: what the core said of it when the booking ended."""
        tally = concluded.tally
        outcome = tally.outcome if tally else "unknown"
        at = self.decision.at
        would_return_ms = tally.would_return_ms if tally else 0
        came_at, sensor = verdict.until, verdict.sensor
        told: list[tuple[bool, Afterwards]] = [
            (verdict.code == "shadow_wrong", "came_soon"),
            (self.person_at is not None, "by_person"),
            (came_at is not None, "came_later"),
            (self.untold_at is not None, "could_not_tell"),
            (outcome == "cancelled", "cancelled"),
            (outcome == "ended_early", "ended"),
        ]
        return ShadowRelease(
            self.decision.room,
            self.decision.booking,
            at,
            self.decision.reasons[0].code if self.decision.reasons else "no_show",
            next((one for holds, one in told if holds), "stayed_empty"),
            concluded.at,
            would_return_ms,
            came_at,
            sensor,
            self.person_at,
            self.person_did,
            self.untold_at,
            self.untold,
        )


@dataclass
class _Room:
    """One room while its decisions go by."""

    room: str
    watched: dict[str, _Watched] = field(default_factory=dict)
    releases: list[ShadowRelease] = field(default_factory=list)
    live_since: Instant | None = None
    live_by: WentLiveBy = ""
    opened_live: bool = False
    released: int = 0
    wrong: set[str] = field(default_factory=set)

    def take(self, decision: Decision, since: Instant, until: Instant) -> None:
        """One decision; what was decided outside of the period is only passed through."""
        within = since <= decision.at < until
        match decision.kind:
            case "mode":
                self._set_mode(decision)
            case "opened":
                self.watched.pop(decision.booking, None)  # it was moved, or it is another one of this name
                self.opened_live |= decision.live
            case "would_release" if within:
                self._forget_old(decision.at)
                self.watched[decision.booking] = _Watched(decision)
            case "occupancy":
                self._take_occupancy(decision)
            case "checked_in" | "kept":
                self._take_word(decision)
            case "concluded":
                self._conclude(decision)
            case "released":
                self.released += within
            case "wrong_release" if within:
                self.wrong.add(decision.booking)  # said twice, it is one mistake

    def record(self) -> RoomRecord:
        """All of it."""
        return RoomRecord(
            self.room,
            tuple(self.releases),
            sum(one.over_at is None for one in self.watched.values()),
            self.live_since,
            self.live_by,
            self.opened_live,
            self.released,
            len(self.wrong),
        )

    def _set_mode(self, decision: Decision) -> None:
        codes = {reason.code: reason for reason in decision.reasons}
        self.opened_live, self.live_since, self.live_by = False, None, ""
        if "mode_live" in codes:
            self.live_since, self.released, self.wrong = decision.at, 0, set()
            by_person = codes.get("by_person")
            if by_person is None:
                self.live_by = "record"
            else:
                self.live_by = "configuration" if by_person.text == "configuration" else "person"

    def _forget_old(self, now: Instant) -> None:
        old = now - MAY_COME_BACK_MS
        gone = [key for key, one in self.watched.items() if one.over_at is not None and one.over_at < old]
        for key in gone:
            del self.watched[key]

    def _take_occupancy(self, decision: Decision) -> None:
        if not decision.reasons:
            return
        status, *why = decision.reasons
        for watched in self.watched.values():
            if status.code == "unknown" and watched.untold_at is None:
                self._take_doubt(watched, decision.at, why)
            elif status.code == "vacant" and (status.at or 0) <= (watched.untold_at or 0):
                watched.untold_at, watched.untold = None, None  # that time too is proven after all

    @staticmethod
    def _take_doubt(watched: _Watched, now: Instant, why: list[Reason]) -> None:
        """The sensors cannot tell any more, though the room had been proven empty."""
        if not why:
            return
        lost = why[0].at if why[0].code == "not_hearing" and why[0].at is not None else now
        watched.untold_at, watched.untold = max(lost, watched.decision.at), why[0]

    def _take_word(self, decision: Decision) -> None:
        """A person says that the booking is wanted; a check-in by a sensor is nobody's word."""
        watched = self.watched.get(decision.booking)
        by_person = decision.kind == "kept" or "by_person" in [reason.code for reason in decision.reasons]
        if watched is not None and by_person and watched.person_at is None:
            watched.person_at = decision.at
            watched.person_did = "kept" if decision.kind == "kept" else "checked_in"

    def _conclude(self, decision: Decision) -> None:
        watched = self.watched.get(decision.booking)
        verdict = next((reason for reason in decision.reasons if reason.code in VERDICTS), None)
        if watched is None:
            return
        if verdict is None:
            del self.watched[decision.booking]  # it had been moved before, so nothing was judged
            return
        watched.over_at = decision.at
        self.releases.append(watched.judge(decision, verdict))
