"""One stretch of history under other policies: what the world did is given, what the gateway did is not.

* Readings, availability, links, boots, clocks, calendars and people's words come as they were recorded.
* A `Configured` comes with the other policy; every room runs in shadow, so a release is a "would", and no
  write is waited for: `ModeSet` and `WriteOutcome` are dropped.
* The calendar comes without the gateway's own releases (`gateway.replay.put_back`).
* The core concludes when it asks to, and where it concluded then. A recorded `Tick` is only an opportunity.
* Several policies share one pass: reading and decoding the journal costs as much as running it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, CalendarRead, Configured, ModeSet, Tick, WereHere, WriteOutcome
from gateway.core.life import Life
from gateway.core.room import RoomState
from gateway.core.site import Site
from gateway.core.units import NEVER, Instant
from gateway.replay.put_back import PutBack
from gateway.replay.variants import Variant

Take = Callable[[Decision, Site], None]
"""Is told of every decision, with the site as it is right after it."""

TICKS_AT_ONE_INSTANT: Final = 100
"""A core that asks for more of them without an event between is broken."""


class Run:
    """One variant's way through history."""

    def __init__(self, site: Site, variant: Variant, take: Take) -> None:
        self.site = site
        self.variant = variant
        self._take = take
        self._wake: Instant = NEVER
        """Before this instant nothing can be concluded, as long as there is no news."""

    def conclude(self, before: Instant) -> None:
        """Every conclusion that is due before this instant."""
        site = self.site
        if self._wake >= before and not site.has_news:
            return
        last, repeated = NEVER, 0
        while True:
            deadline = site.next_deadline()
            self._wake = before if deadline is None else deadline
            if deadline is None or deadline >= before:
                return
            repeated = repeated + 1 if deadline == last else 0
            if repeated > TICKS_AT_ONE_INSTANT:
                raise RuntimeError(f"the core asks for tick after tick at {deadline}")
            last = deadline
            self._tick(deadline)

    def conclude_at(self, now: Instant) -> None:
        """History concluded here: from all news together, as it did."""
        if self.site.has_news:
            self._tick(now)
            self._wake = NEVER
        self.conclude(now + 1)

    def _tick(self, now: Instant) -> None:
        for decision in self.site.handle(Tick(), now):
            self._take(decision, self.site)

    def give(self, event: AnyEvent, now: Instant) -> None:
        """One fact; what it brings is concluded later."""
        if type(event) is Configured:
            event = Configured(self.variant.site(event.site))
        self.site.handle(event, now)
        self._wake = NEVER


def begin(site: Site, variant: Variant, take: Take) -> Run:
    """From a recorded state: every room in shadow, nothing under way, and configured as the variant is."""
    for room in site.state.rooms.values():
        _forget_deeds(room)
    run = Run(Site(site.state), variant, take)
    if site.state.now != NEVER:
        run.give(Configured(site.state.config), site.state.now)
    return run


def _forget_deeds(room: RoomState) -> None:
    """What the gateway itself did, and what came of it."""
    room.mode = "shadow"
    room.pending = [event for event in room.pending if not isinstance(event, ModeSet | WriteOutcome)]
    room.lives = {key: _untouched(life) for key, life in room.lives.items() if not _was_taken(life)}
    room.departed = {key: _untouched(life) for key, life in room.departed.items() if not _was_taken(life)}
    room.released, room.loose_writes = {}, {}
    room.walk_up = None
    room.paused_at = NEVER


def _was_taken(life: Life) -> bool:
    return life.state in ("releasing", "released") or life.write is not None


def _untouched(life: Life) -> Life:
    life.live = False
    return life


def relive(
    events: Iterable[tuple[Instant, AnyEvent]],
    runs: Sequence[Run],
    put_back: PutBack,
    note_word: Callable[[WereHere, Instant], None] = lambda _event, _now: None,
) -> None:
    """Lead every run through these events, in order; `note_word` hears of each "we were here"."""
    now: Instant = NEVER
    for at, event in events:
        kind = type(event)
        if kind is Tick:
            for run in runs:
                run.conclude_at(at)
            now = at
            continue
        if kind is ModeSet or kind is WriteOutcome:
            continue
        if at != now:
            for run in runs:
                run.conclude(at)
            now = at
        if kind is CalendarRead:
            event = put_back.read(event, at)  # type: ignore[arg-type] # its kind is known
        elif kind is WereHere:
            note_word(event, at)  # type: ignore[arg-type] # as above
        for run in runs:
            run.give(event, at)
    for run in runs:
        run.conclude(now + 1)
