"""The nearest counterfactual: what would have had to be different for the other decision.

Theory of operation

* The core is asked, with altered facts (`gateway.replay.alter`), and nothing is told that it did not
  decide. Small changes are tried first: one sign, one message, one word of a person; then all signs of
  a sensor, a sensor's health, what the gateway suffered from, the policy.
* For a moment that may lie anywhere (a sign, a word) moments are tried over the whole time, and the edges
  of the spans that make a difference are found by halving, to a second.
* "Nearest" is the first of those tried. Others may be nearer that nobody thought of.
* If the unaltered facts, run in this way, do not come to what was recorded, nothing is searched.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from gateway.core.events import Booted, CheckedIn, Kept, LinkDown
from gateway.core.policy import RoomConfig, SensorProfile
from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.replay import alter
from gateway.replay.bundle import IMPOSSIBLE, Bundle, Fact, booking_of, room_config
from gateway.replay.fate import Fate, History, Trial

MOMENTS: Final = 48
"""So many moments are tried over the time in question before edges are looked for."""

EDGE_MS: Final[Duration] = SECOND_MS
SAME_MS: Final[Duration] = 10 * SECOND_MS
"""A release that comes at most so much later is the same one."""

LASTING_MS: Final[Duration] = 31 * SECOND_MS
"""Shown for so long, presence checks in."""

SECOND_HIT_MS: Final[Duration] = 2 * MINUTE_MS
VISITS_TRIED: Final = 60
WORDS_LOST_AT_MOST: Final = 12
TOLD_AT_MOST: Final = 10
LONGEST_MS: Final[Duration] = 14 * DAY_MS
"""No booking's facts take longer; heartbeats that are thought of are not counted out for ever."""


Code = Literal[
    "sign",
    "two_signs",
    "lasting",
    "checked_in",
    "kept",
    "silence",
    "longer_grace",
    "shadow",
    "without_sign",
    "unsaid",
    "message",
    "without_signs",
    "nobody",
    "healthy",
    "all_healthy",
    "breaker",
    "calendar",
    "written",
    "heard",
    "clock",
    "looked",
    "believed",
    "not_twice",
    "unmarked",
    "not_exempt",
    "exempt_length",
    "own",
    "remaining",
    "shorter_grace",
    "nobody_at_all",
    "nobody_and_healthy",
]
"""What was different; each has its sentence in `gateway.replay.otherwise_words`."""


class Change(NamedTuple):
    """One respect in which the facts might have been different, and what the core makes of that."""

    code: Code
    then: Fate
    """What the booking would have come to (of a span: at its end)."""
    history: History
    """One history for which this was run."""
    sensors: tuple[str, ...] = ()
    """Any one of these."""
    since: Instant | None = None
    until: Instant | None = None
    """Any moment of this span makes the difference; `since` None: from the first that was tried."""
    value: int | None = None
    earliest: Instant | None = None
    """Where a span puts the release off: the earliest that it came for any moment tried in it."""
    well: bool = False
    """Every sensor of the room was well and spoke in time besides."""


class Otherwise(NamedTuple):
    """What was found."""

    as_it_was: Fate
    changes: tuple[Change, ...]
    """The nearest first."""
    runs: int
    """How many histories were tried."""
    searched: bool
    """False: the facts, run in this way, do not come to what was recorded."""
    end: Instant
    """The facts reach to here."""
    over: bool
    """The booking was over by then."""


def otherwise(bundle: Bundle) -> Otherwise:
    """Search for the nearest change that gives the other decision."""
    trial = Trial(bundle)
    config = room_config(bundle.start, bundle.facts, bundle.room)
    search = _Search(bundle, trial, config) if config is not None else None
    if search is None or not search.is_sound():
        return Otherwise(trial.fate, (), trial.runs, searched=False, end=trial.end, over=is_over(bundle))
    found = tuple(_merged(search.found()))[:TOLD_AT_MOST]
    return Otherwise(trial.fate, found, trial.runs, searched=True, end=trial.end, over=search.over)


def is_over(bundle: Bundle) -> bool:
    """Whether the booking was over when the evidence was written."""
    return bundle.decisions[-1:] != () and bundle.decisions[-1].decision.kind == "concluded"


class _Search:
    """The changes that are tried for one booking."""

    def __init__(self, bundle: Bundle, trial: Trial, config: RoomConfig) -> None:
        self.trial, self.base = trial, trial.history
        self.room, self.label = trial.room, trial.label
        self.config = config
        self.sensors = [profile for profile in config.sensors if profile.in_service]
        booking = booking_of(bundle.start, bundle.facts, self.room, self.label)
        self.length_ms = booking.length_ms if booking is not None else 0
        self.start: Instant = booking.start if booking is not None else trial.begin
        self.writes = frozenset(
            made.decision.write.id
            for made in bundle.decisions
            if made.decision.write is not None and made.decision.write.takes_time_away
        )
        self.over = is_over(bundle)

    def is_sound(self) -> bool:
        """Whether the facts as they are come to what was recorded."""
        if not 0 <= self.trial.end - self.trial.begin <= LONGEST_MS:
            return False
        fate = self._fate(self.base)
        return fate is not None and not self._differs(fate)

    def _fate(self, history: History) -> Fate | None:
        """The fate under this history; None where it cannot have been."""
        try:
            return self.trial.run(history)
        except IMPOSSIBLE:
            return None

    def _differs(self, fate: Fate) -> bool:
        """Whether it is the other decision: not taken then, or taken at all."""
        recorded = self.trial.fate.taken_at
        if recorded is None or fate.taken_at is None:
            return recorded != fate.taken_at
        return fate.taken_at > recorded + SAME_MS

    def _tried(
        self,
        code: Code,
        history: History,
        sensors: tuple[str, ...] = (),
        since: Instant | None = None,
        value: int | None = None,
    ) -> Iterator[Change]:
        fate = self._fate(history)
        if fate is not None and self._differs(fate):
            yield Change(code, fate, history, sensors, since, since, value)

    def found(self) -> Iterator[Change]:
        """What makes a difference, the smallest change first."""
        taken_at = self.trial.fate.taken_at
        yield from self._when_left_alone() if taken_at is None else self._when_taken(taken_at)

    # -- the room was given back: what would have kept it -----------------------------------------------

    def _when_taken(self, taken_at: Instant) -> Iterator[Change]:
        moments = self._moments(taken_at)
        signs = [(profile, self._one_sign(profile, moments)) for profile in self.sensors]
        yield from (change for _, found in signs for change in found if _keeps(change.then))
        yield from (change for _, found in signs for change in found if not _keeps(change.then))
        for profile, found in signs:
            if not any(_keeps(change.then) for change in found):
                yield from self._lasting(profile, moments)
        yield from self._spans("checked_in", moments, lambda at: ((at, CheckedIn(self.room, self.label)),))
        yield from self._spans("kept", moments, lambda at: ((at, Kept(self.room, self.label)),))
        for profile in self.sensors:
            yield from self._silences(profile, taken_at)
        yield from self._longer_grace()
        if self.trial.fate.taken is not None and self.trial.fate.taken.kind == "release":
            shadow = alter.in_shadow(self.base, self.room)
            fate = self._fate(shadow)
            if fate is not None and fate.taken is not None and fate.taken.kind == "would_release":
                yield Change("shadow", fate, shadow)

    def _moments(self, until: Instant) -> list[Instant]:
        """Moments over the time before an instant, each a whole second."""
        begin = self.trial.begin
        step = max(MINUTE_MS, (until - begin) // MOMENTS // SECOND_MS * SECOND_MS)
        last = (until - 1) // SECOND_MS * SECOND_MS
        return sorted({*range(begin // SECOND_MS * SECOND_MS + SECOND_MS, last, step), last})

    def _one_sign(self, profile: SensorProfile, moments: Sequence[Instant]) -> list[Change]:
        return self._spans("sign", moments, lambda at: alter.sign(profile, at), (profile.id,))

    def _lasting(self, profile: SensorProfile, moments: Sequence[Instant]) -> Iterator[Change]:
        """Presence that goes on: two hits of a motion sensor, half a minute of another."""
        if profile.senses == "motion":
            yield from self._spans(
                "two_signs",
                moments,
                lambda at: (*alter.sign(profile, at), *alter.sign(profile, at + SECOND_HIT_MS)),
                (profile.id,),
                value=SECOND_HIT_MS,
                reach=SECOND_HIT_MS,
            )
        elif profile.senses == "presence":
            yield from self._spans(
                "lasting",
                moments,
                lambda at: alter.sign(profile, at, LASTING_MS),
                (profile.id,),
                value=LASTING_MS,
                reach=LASTING_MS,
            )

    def _spans(
        self,
        code: Code,
        moments: Sequence[Instant],
        facts: Callable[[Instant], tuple[Fact, ...]],
        sensors: tuple[str, ...] = (),
        value: int | None = None,
        reach: Duration = 0,
    ) -> list[Change]:
        """The longest span of moments at which these facts keep the room, or else put it off."""

        def at(moment: Instant) -> Fate | None:
            return self._fate(alter.with_more(self.base, *facts(moment)))

        if not moments:
            return []
        last = moments[-1] - reach
        usable = [moment for moment in moments if moment < last]
        fates = [(moment, at(moment)) for moment in (*usable, last)]
        grades = (self._differs,) if self.trial.fate.taken is None else (_keeps, self._differs)
        for wanted in grades:
            run = _longest(fates, wanted)
            if run is None:
                continue
            first, end = run
            since = self._edge(at, wanted, inside=fates[first][0], outside=_at(fates, first - 1))
            until = self._edge(at, wanted, inside=fates[end][0], outside=_at(fates, end + 1))
            within = [fate for _, fate in fates[first : end + 1]] + [at(since), at(until)]
            later = [fate.taken_at for fate in within if fate is not None and fate.taken_at is not None]
            then = at(until)
            if then is None:  # never: it was tried before
                continue
            history = alter.with_more(self.base, *facts(until))
            earliest = min(later) if later else None
            return [Change(code, then, history, sensors, since if first else None, until, value, earliest)]
        return []

    def _edge(
        self,
        at: Callable[[Instant], Fate | None],
        wanted: Callable[[Fate], bool],
        inside: Instant,
        outside: Instant | None,
    ) -> Instant:
        """The last moment, going outwards, at which it is still so; by halving."""
        if outside is None:
            return inside
        while abs(inside - outside) > EDGE_MS:
            middle = (inside + outside) // 2 // SECOND_MS * SECOND_MS
            if middle in (inside, outside):
                break
            fate = at(middle)
            if fate is not None and wanted(fate):
                inside = middle
            else:
                outside = middle
        return inside

    def _silences(self, profile: SensorProfile, before: Instant) -> Iterator[Change]:
        """The fewest of a sensor's last messages that must not have come."""
        for words in range(1, WORDS_LOST_AT_MOST + 1):
            lost = alter.silent_since(self.base, profile.id, words, before)
            if lost is None:
                return
            since, history = lost
            found = list(self._tried("silence", history, (profile.id,), since, words))
            if found:
                yield from found
                return

    def _longer_grace(self) -> Iterator[Change]:
        """The shortest grace under which it is left alone to its end, in whole minutes."""
        if not self.over:
            return
        short, long = self.config.policy.grace_ms, self.length_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS
        yield from self._grace("longer_grace", short, long, _keeps)

    def _grace(
        self, code: Code, fails: Duration, works: Duration, wanted: Callable[[Fate], bool]
    ) -> Iterator[Change]:
        """The grace nearest to `fails` that works; `works` is the farthest that is tried."""

        def fate_with(grace_ms: Duration) -> tuple[History, Fate | None]:
            history = alter.with_policy(self.base, self.room, grace_ms=grace_ms)
            return history, self._fate(history)

        history, fate = fate_with(works)
        if fate is None or not wanted(fate):
            return
        while abs(works - fails) > MINUTE_MS:
            middle = (works + fails) // 2 // MINUTE_MS * MINUTE_MS
            if middle in (works, fails):
                break
            tried, came = fate_with(middle)
            if came is not None and wanted(came):
                works, history, fate = middle, tried, came
            else:
                fails = middle
        yield Change(code, fate, history, value=works)

    # -- it was left alone: what would have given the room back -------------------------------------------

    def _when_left_alone(self) -> Iterator[Change]:
        found = [*self._one_visit_less(), *self._one_word_less(), *self._one_message_more()]
        found += [] if found else [*self._nobody_shown(), *self._better_health()]
        yield from found
        others = [*self._remedies(self.base), *self._shorter_grace()]
        yield from others
        if not found and not others:
            yield from self._all_at_once()

    def _one_visit_less(self) -> Iterator[Change]:
        """One time at which one sensor showed presence."""
        visits = [
            (at, profile, indexes)
            for profile in self.sensors
            for at, indexes in alter.visits(self.base.facts, profile)
        ]
        for at, profile, indexes in sorted(visits, key=lambda visit: visit[0])[:VISITS_TRIED]:
            history = alter.unshown(self.base, profile, indexes)
            yield from self._tried("without_sign", history, (profile.id,), at)

    def _one_word_less(self) -> Iterator[Change]:
        for index in alter.words_about(self.base, self.room, self.label):
            history = alter.unsaid(self.base, index)
            yield from self._tried("unsaid", history, since=self.base.facts[index][0])

    def _one_message_more(self) -> Iterator[Change]:
        """One message of a sensor that shows nothing: it was silent for too long."""
        moments = self._moments(self.trial.end)
        for profile in self.sensors:
            if profile.heartbeat_ms is not None and profile.role == "room":
                yield from self._one_message(profile, moments)

    def _one_message(self, profile: SensorProfile, moments: Sequence[Instant]) -> list[Change]:
        return self._spans("message", moments, lambda at: (alter.message(profile, at),), (profile.id,))

    def _nobody_shown(self) -> Iterator[Change]:
        """Nothing of what one sensor showed, or of what all of them did."""
        for profile in self.sensors:
            yield from self._tried("without_signs", alter.never_shown(self.base, [profile]), (profile.id,))
        if len(self.sensors) > 1:
            everyone = tuple(profile.id for profile in self.sensors)
            yield from self._tried("nobody", alter.never_shown(self.base, self.sensors), everyone)

    def _better_health(self) -> Iterator[Change]:
        end = self.trial.end
        for profile in self.sensors:
            yield from self._tried("healthy", alter.healthy(self.base, [profile], end), (profile.id,))
        everyone = tuple(profile.id for profile in self.sensors)
        if len(everyone) > 1:
            yield from self._tried("all_healthy", alter.healthy(self.base, self.sensors, end), everyone)

    def _remedies(self, base: History) -> Iterator[Change]:
        """What a rule held against it, taken away: one after the other."""
        room, label, end = self.room, self.label, self.trial.end
        yield from self._tried("breaker", alter.breaker_quiet(base))
        yield from self._tried("calendar", alter.calendar_readable(base, room, end))
        yield from self._tried("written", alter.written(base, room, self.writes))
        if any(isinstance(fact, LinkDown | Booted) for _, fact in base.facts):
            yield from self._tried("heard", alter.heard(base, self.sensors, end))
        yield from self._tried("clock", alter.clock_right(base))
        yield from self._tried("looked", alter.looked_after(base, room))
        yield from self._tried("believed", alter.believed_alive(base, room))
        yield from self._tried("not_twice", alter.never_released(base, room, label))
        yield from self._tried("unmarked", alter.unmarked(base, room, label))
        yield from self._tried("not_exempt", alter.not_exempt(base, room))
        longer = alter.with_policy(base, room, exempt_longer_than_ms=self.length_ms)
        yield from self._tried("exempt_length", longer, value=self.length_ms)
        yield from self._tried("own", alter.with_policy(base, room, release_own_bookings=True))
        yield from self._tried("remaining", alter.with_policy(base, room, min_remaining_ms=0))

    def _shorter_grace(self) -> Iterator[Change]:
        """The longest grace under which it is given back, in whole minutes."""
        grace = self.config.policy.grace_ms
        if grace > MINUTE_MS:
            yield from self._grace("shorter_grace", grace, MINUTE_MS, self._differs)

    def _all_at_once(self) -> Iterator[Change]:
        """Two things at once: nobody shown or said anything; all sensors well and one objection gone."""
        nobody = alter.never_shown(alter.nobody_spoke(self.base, self.room, self.label), self.sensors)
        yield from self._tried("nobody_at_all", nobody)
        yield from self._tried("nobody_and_healthy", alter.healthy(nobody, self.sensors, self.trial.end))
        well = alter.healthy(self.base, self.sensors, self.trial.end)
        yield from (change._replace(well=True) for change in self._remedies(well))


def _keeps(fate: Fate) -> bool:
    return fate.taken is None


def _at(fates: Sequence[tuple[Instant, Fate | None]], index: int) -> Instant | None:
    return fates[index][0] if 0 <= index < len(fates) else None


def _longest(
    fates: Sequence[tuple[Instant, Fate | None]], wanted: Callable[[Fate], bool]
) -> tuple[int, int] | None:
    """First and last index of the longest run of moments at which it is so."""
    best: tuple[int, int] | None = None
    first: int | None = None
    for i, (_, fate) in enumerate(fates):
        if fate is None or not wanted(fate):
            first = None
            continue
        first = i if first is None else first
        if best is None or i - first > best[1] - best[0]:
            best = first, i
    return best


def _merged(changes: Iterable[Change]) -> Iterator[Change]:
    """Sensors for which the same holds in the same span are told together."""
    merged: list[Change] = []
    for change in changes:
        for i, known in enumerate(merged):
            if change.sensors and _alike(known, change):
                merged[i] = known._replace(sensors=(*known.sensors, *change.sensors))
                break
        else:
            merged.append(change)
    yield from merged


def _alike(one: Change, other: Change) -> bool:
    def close(a: Instant | None, b: Instant | None) -> bool:
        return a == b or (a is not None and b is not None and abs(a - b) <= 2 * EDGE_MS)

    return (
        one.code == other.code in ("sign", "lasting", "two_signs", "message")
        and close(one.since, other.since)
        and close(one.until, other.until)
        and close(one.then.taken_at, other.then.taken_at)
    )
