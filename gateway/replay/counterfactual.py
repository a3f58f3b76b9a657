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
from gateway.core.events import (
    AnyEvent,
    CalendarRead,
    Configured,
    ModeSet,
    Reading,
    Tick,
    WereHere,
    WriteOutcome,
)
from gateway.core.life import Life
from gateway.core.policy import SiteConfig
from gateway.core.room import RoomState
from gateway.core.site import Site
from gateway.core.units import NEVER, Instant
from gateway.replay.put_back import PutBack
from gateway.replay.variants import Variant

Take = Callable[[Decision, Site], None]
"""Is told of every decision, with the site as it is right after it."""

NoteWord = Callable[[WereHere, Instant], None]

TICKS_IN_A_ROW: Final = 10_000
"""A core that asks for more of them without an event between is broken."""


class Run:
    """One variant's way through history."""

    def __init__(self, site: Site, variant: Variant, take: Take) -> None:
        self.site = site
        self.variant = variant
        self._take = take

    def conclude(self, before: Instant) -> None:
        """Every conclusion that is due before this instant."""
        site = self.site
        repeated = 0
        while (deadline := site.next_deadline(before - 1)) is not None and deadline < before:
            repeated = repeated + 1 if deadline == site.state.now else 0
            if repeated > TICKS_IN_A_ROW:
                raise RuntimeError(f"the core asks for tick after tick at {deadline}")
            self._tick(deadline)

    def conclude_at(self, now: Instant) -> None:
        """History concluded here: from all news together, as it did."""
        if self.site.has_news:
            self._tick(now)
        self.conclude(now + 1)

    def _tick(self, now: Instant) -> None:
        for decision in self.site.handle(Tick(), now):
            self._take(decision, self.site)

    def give(self, event: AnyEvent, now: Instant) -> None:
        """One fact, after the conclusions that are due before it; what it brings is concluded later."""
        site = self.site
        if site.quiet_until < now - 1:
            self.conclude(now)
        site.handle(event, now)

    def configure(self, site: SiteConfig, now: Instant) -> None:
        """As `give`: the recorded configuration, with the variant's policy."""
        self.give(Configured(self.variant.site(site)), now)


def begin(site: Site, variant: Variant, take: Take) -> Run:
    """From a recorded state: every room in shadow, nothing under way, and configured as the variant is."""
    for room in site.state.rooms.values():
        _forget_deeds(room)
    if not variant.breaker:
        site.state.breaker.opened_at = NEVER
    run = Run(Site(site.state), variant, take)
    if site.state.now != NEVER:  # not before the first event
        run.configure(site.state.config, site.state.now)
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
    note_word: NoteWord = lambda _event, _now: None,
) -> None:
    """Lead every run through these events, in order; `note_word` hears of each "we were here"."""
    for at, event in events:
        if type(event) is Reading:  # nearly all of history: `Run.give` for each run, written out
            for run in runs:
                site = run.site
                if site.quiet_until < at - 1:
                    run.conclude(at)
                site.hear(event, at)
        elif type(event) is Tick:
            for run in runs:
                run.conclude_at(at)
        elif isinstance(event, CalendarRead):
            _give(runs, put_back.read(event, at), at)
        else:
            _tell(runs, event, at, note_word)
    for run in runs:
        run.conclude_at(run.site.state.now)


def _give(runs: Sequence[Run], event: AnyEvent, at: Instant) -> None:
    for run in runs:
        run.give(event, at)


def _tell(runs: Sequence[Run], event: AnyEvent, at: Instant, note_word: NoteWord) -> None:
    """Lead every run through an event as far as it is the world's."""
    if isinstance(event, WereHere):
        note_word(event, at)
    elif isinstance(event, ModeSet | WriteOutcome):
        return
    if isinstance(event, Configured):
        for run in runs:
            run.configure(event.site, at)
    else:
        _give(runs, event, at)
