"""Plays a scene to the gateway's core in virtual time: readings in, decisions out, writes answered.

The service around the core (broker, ledger, Exchange over HTTPS) is left out for speed; it does around these
events what is done here: mere repeats are folded, a tick is given when facts call for it and when a deadline
comes, the calendar is read each minute, and a write is verified, sent and confirmed some seconds later.
"""

import heapq
import itertools
import random
from typing import Final, NamedTuple

import msgspec

from gateway.core.decisions import Action, Decision, Write
from gateway.core.events import (
    WITHDRAWN,
    AnyEvent,
    Configured,
    LinkUp,
    Reading,
    Tick,
    WriteOutcome,
)
from gateway.core.policy import Policy, SiteConfig
from gateway.core.site import Site
from gateway.core.units import MINUTE_MS, Duration, Instant
from simulators.people import stream
from simulators.quality.mailbox import Mailbox
from simulators.quality.scene import Fact, Scene

POLL_MS: Final[Duration] = 2 * MINUTE_MS
"""Half as often as `[exchange] poll` has it by default, or so, for speed: no booking is made later than that
before its start, and a calendar is fresh for five minutes."""
VERIFY_MS: Final = (400, 1_500)
"""From a decision to the moment at which Exchange carries it out: a read before the write."""
CONFIRM_MS: Final = (500, 2_000)
"""From then to the read that shows it."""
TICKS_AT_ONCE: Final = 8


class Deed(NamedTuple):
    """What the room's calendar showed from `at` on, because of the gateway."""

    at: Instant
    booking: str
    action: Action
    kind: str
    """The decision's first reason: `no_show`, `brief_visit`, `end_early` for what takes time away."""


class Played(NamedTuple):
    """What the core made of a scene."""

    deeds: tuple[Deed, ...]
    decisions: tuple[Decision, ...]


class _Step(NamedTuple):
    """Something that is to happen."""

    at: Instant
    number: int
    write: Write | None
    """None: the calendar is read."""
    decision: Decision | None
    is_sent: bool


def play(scene: Scene, policy: Policy, seed: int) -> Played:
    """Give the scene to a core of its own, live and with this policy. The same seed gives the same."""
    driver = _Driver(scene, policy, stream(seed, "exchange"))
    driver.run()
    return Played(tuple(driver.deeds), tuple(driver.decisions))


class _Driver:
    def __init__(self, scene: Scene, policy: Policy, rng: random.Random) -> None:
        self.scene = scene
        self.room = scene.config.id
        self.mailbox = Mailbox(self.room, scene.bookings)
        self.site = Site()
        self.deeds: list[Deed] = []
        self.decisions: list[Decision] = []
        self._rng = rng
        self._steps: list[_Step] = []
        self._numbers = itertools.count()
        self._withdrawn: set[int] = set()
        config = msgspec.structs.replace(scene.config, mode="live", policy=policy)
        self._give(Configured(SiteConfig((config,))), scene.start)
        self._give(LinkUp(session_present=False), scene.start)
        self._plan(scene.start)

    def run(self) -> None:
        """Everything that is heard, with everything that happens in between."""
        for at, fact in self.scene.facts:
            self._pass_until(at)
            self._hear(fact, at)
        self._pass_until(self.scene.end)

    def _hear(self, fact: Fact, now: Instant) -> None:
        known = self.site.is_repeat(fact, now) if isinstance(fact, Reading) else self.site.is_known(fact)
        if not known:
            self._give(fact, now)

    def _give(self, event: AnyEvent, now: Instant) -> None:
        self._take(self.site.handle(event, now), now)
        for _ in range(TICKS_AT_ONCE):
            deadline = self.site.next_deadline(now)
            if deadline is None or deadline > now:
                return
            self._take(self.site.handle(Tick(), now), now)
        raise AssertionError(f"the core asks for tick after tick at {now}")

    def _pass_until(self, until: Instant) -> None:
        while True:
            step = self._steps[0].at
            deadline = self.site.next_deadline(until)
            if deadline is not None and deadline < step:
                if deadline > until:
                    return
                self._give(Tick(), deadline)
            elif step > until:
                return
            else:
                self._carry_out(heapq.heappop(self._steps))

    # -- Exchange -------------------------------------------------------------------------------------

    def _plan(
        self, at: Instant, write: Write | None = None, decision: Decision | None = None, *, sent: bool = False
    ) -> None:
        heapq.heappush(self._steps, _Step(at, next(self._numbers), write, decision, sent))

    def _take(self, decisions: list[Decision], now: Instant) -> None:
        self.decisions += decisions
        for decision in decisions:
            if decision.withdraws is not None:
                self._withdrawn.add(decision.withdraws)
            if decision.write is not None:
                self._plan(now + self._rng.randint(*VERIFY_MS), decision.write, decision)

    def _carry_out(self, step: _Step) -> None:
        now, write, decision = step.at, step.write, step.decision
        if write is None or decision is None:
            self._give(self.mailbox.read(now), now)
            self._plan(now + POLL_MS)
        elif step.is_sent:
            self._give(WriteOutcome(self.room, write.id, "applied"), now)
            self._give(self.mailbox.read(now), now)
        elif write.id in self._withdrawn:
            self._give(WriteOutcome(self.room, write.id, "superseded", WITHDRAWN), now)
        elif now > write.deadline:
            self._give(WriteOutcome(self.room, write.id, "expired"), now)
        elif self.mailbox.write(write, decision.booking, now):
            self.deeds.append(Deed(now, decision.booking, write.action, decision.reasons[0].code))
            self._plan(now + self._rng.randint(*CONFIRM_MS), write, decision, sent=True)
        else:
            self._give(WriteOutcome(self.room, write.id, "superseded", "it has changed"), now)
