"""Every fact passes here: it is given to the core, journaled, committed, and only then acknowledged.

Theory of operation

* `tell` hands a fact to the core at once and puts it into the batch in the making. When the event
  loop has drained what was ready, one tick concludes from all of it.
* A batch is committed at once if a write to Exchange depends on it or half of the broker's window is
  filled; otherwise after a linger of two seconds (a commit costs some 12 KiB of disk writes
  at the least, and a day has many seconds).
* What waits for a commit (acknowledgements, writes to Exchange, commands) is done after it.
* If a commit fails, nothing of it happened: the link is dropped so that the broker delivers again,
  the core's memory is discarded and reloaded from the ledger, and after a pause it goes on.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from gateway.clock import Clock
from gateway.core.decisions import Decision
from gateway.core.events import MAX_CLOCK_STEP_MS, AnyEvent, ClockStepped, LinkDown, Reading, Tick
from gateway.core.site import CoreError, Site
from gateway.core.units import Instant
from gateway.ledger import Batch, Counts, LedgerError, LedgerWorker, OutboxChange

log = structlog.get_logger()

LINGER_S: Final = 2.0
"""How long a fact that nothing depends on may wait for its commit (wall time)."""

SNAPSHOT_EVERY: Final = 20_000
"""Events between snapshots: bounds what a restart replays (about 10 ms per 1,000)."""

COUNTS_EVERY_S: Final = 60.0
"""Message counts touch a page per sensor, so they are written now and then, not with every commit."""

PAUSE_MIN_S: Final = 1.0
PAUSE_MAX_S: Final = 30.0
CORE_FAULT_PAUSE_S: Final = 60.0

RESTLESS_AFTER: Final = 20
"""A core that wants more ticks than this, each at once after the other, would want them for ever."""

RESTLESS_PAUSE_S: Final = 1.0
"""Such a core is asked again after this, so that it costs neither a processor nor the disk."""

RESTLESS_TOLD_EVERY: Final = 3_600
"""So many ticks lie between two words about it in the log."""


class Paused(Exception):  # noqa: N818 - a state of the gateway, worded for people
    """The gateway cannot record anything just now; the message says why."""


class BrainListener(Protocol):
    """Who wants to know what was decided."""

    def decided(self, decisions: Sequence[Decision]) -> None:
        """Just decided, not yet committed: good for showing."""
        ...

    def committed(self, decisions: Sequence[Decision]) -> None:
        """Durable: may be carried out."""
        ...

    def reloaded(self) -> None:
        """The core's memory was replaced by what the ledger holds."""
        ...


class Brain:
    """Owns the site, the clock's continuity and the batch in the making. Event loop's thread only."""

    def __init__(
        self,
        ledger: LedgerWorker,
        clock: Clock,
        *,
        half_window: int = 10,
        linger_s: float = LINGER_S,
        snapshot_every: int = SNAPSHOT_EVERY,
        checkpoint: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.site = Site()
        self.paused_because = "starting"
        self._ledger = ledger
        self._clock = clock
        self._half_window = half_window
        self._linger_s = linger_s
        self._snapshot_every = snapshot_every
        self._checkpoint = checkpoint
        self._listener: BrainListener | None = None
        self._acknowledge: Callable[[Sequence[object]], None] = lambda _: None
        self._drop_link: Callable[[str], None] = lambda _: None
        self._batch = Batch()
        self._receipts: list[object] = []
        self._counts: dict[str, Counts] = {}
        """Of messages that are not acknowledged yet: if something fails they come and are counted again."""
        self._settled: dict[str, Counts] = {}
        """Of acknowledged ones, until they are written."""
        self._counts_due = 0.0
        self._waiting: list[asyncio.Future[None]] = []
        self._committing: asyncio.Task[None] | None = None
        self._concluding: asyncio.Handle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._since_snapshot = 0
        self._at_once = 0
        """Ticks in a row after each of which the core wanted another at once."""
        self._pause_s = PAUSE_MIN_S
        self._wall_minus_monotonic = 0
        self._last = 0
        self._closing = False

    # -- life -----------------------------------------------------------------------------------------

    def attach(
        self,
        listener: BrainListener,
        acknowledge: Callable[[Sequence[object]], None],
        drop_link: Callable[[str], None],
    ) -> None:
        """Tell the brain whom to inform, and how messages are acknowledged or given back."""
        self._listener, self._acknowledge, self._drop_link = listener, acknowledge, drop_link

    async def start(self) -> None:
        """Load the site from the ledger. Raises LedgerError."""
        self.site = await self._load()
        self._wall_minus_monotonic = self._clock.now() - self._clock.monotonic_ms()
        self._last = self.site.state.now
        self.paused_because = ""
        wall = self._clock.now()
        if wall < self._last - MAX_CLOCK_STEP_MS:
            # Set back while we were away (or then wrong, now right): time goes on from here, all proof anew.
            log.warning("the clock is behind the ledger", by_ms=self._last - wall)
            step = wall - self._last
            self._last = wall
            self._give(ClockStepped(step), wall)

    async def _load(self) -> Site:
        site, rules_changed = await self._ledger.run(lambda ledger: (ledger.load(), ledger.rules_changed()))
        if rules_changed:
            self._since_snapshot = self._snapshot_every
        return site

    async def stop(self) -> None:
        """Conclude, commit everything with a snapshot, and stop. Messages unacknowledged stay so."""
        self._closing = True
        for handle in (self._concluding, self._alarm, self._linger):
            if handle is not None:
                handle.cancel()
        if self._committing is not None:
            await asyncio.wait([self._committing])
        if not self.paused_because:
            self._since_snapshot = self._snapshot_every
            self._commit_soon(urgent=True)
            if self._committing is not None:
                await asyncio.wait([self._committing])

    # -- time -----------------------------------------------------------------------------------------

    def now(self) -> Instant:
        """The present, never before the last fact. A wall-clock step becomes a fact first (W5)."""
        wall = self._clock.now()
        step = wall - self._clock.monotonic_ms() - self._wall_minus_monotonic
        if abs(step) > MAX_CLOCK_STEP_MS:
            self._wall_minus_monotonic += step
            self._last = wall
            log.warning("clock stepped", by_ms=step)
            if not self.paused_because:
                self._give(ClockStepped(step), wall)
        self._last = max(self._last, wall)
        return self._last

    # -- facts ----------------------------------------------------------------------------------------

    def tell(self, event: AnyEvent) -> None:
        """Record a fact. Raises Paused, or CoreError if the core cannot take it."""
        if self.paused_because:
            raise Paused(self.paused_because)
        self._give(event, self.now())
        self._conclude_soon()

    async def record(self, *events: AnyEvent, outbox: Sequence[OutboxChange] = ()) -> list[Decision]:
        """Record facts and steps of the outbox in one transaction; returns when it is durable.

        Returns what was concluded at once. Raises Paused if it cannot be made durable (nothing of it
        has happened then), CoreError if the core cannot take it.
        """
        if self.paused_because:
            raise Paused(self.paused_because)
        now = self.now()
        for event in events:
            self._give(event, now)
        self._batch.outbox += outbox
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        before = len(self._batch.decisions)
        self._conclude()
        concluded = [decision for _, decision in self._batch.decisions[before:]]
        self._commit_soon(urgent=True)
        await done
        return concluded

    def hear(self, reading: Reading, now: Instant) -> bool:
        """Record a reading unless it is a mere repeat; False if it was folded.

        For the hot path: the caller has checked for a pause, passes `now`, and calls `heard` after
        the message.
        """
        if self.site.is_repeat(reading, now):
            return False
        self._give(reading, now)
        return True

    def heard(self, receipt: object) -> None:
        """A message has been dealt with: acknowledge it after the commit of the present batch."""
        self._receipts.append(receipt)
        if len(self._receipts) >= self._half_window:
            self._conclude_soon()
            self._commit_soon(urgent=True)
        elif self._linger is None:
            self._conclude_soon()
            self._commit_soon(urgent=False)
        elif self._concluding is None and self.site.has_news:
            self._conclude_soon()

    def heard_here(self) -> None:
        """As `heard`, for a message of this machine's own lines, which nobody can be asked to repeat."""
        if self._linger is None:
            self._conclude_soon()
            self._commit_soon(urgent=False)
        elif self._concluding is None and self.site.has_news:
            self._conclude_soon()

    def counts(self, sensor: str) -> Counts:
        """The message counts of a sensor since they were last written."""
        counts = self._counts.get(sensor)
        if counts is None:
            counts = self._counts[sensor] = Counts()
        return counts

    def note(self, name: str, value: str) -> None:
        """Note a fact about this installation, durable with the next commit."""
        self._batch.notes[name] = value
        self._commit_soon(urgent=False)

    def _give(self, event: AnyEvent, now: Instant) -> list[Decision]:
        decisions = self.site.handle(event, now)
        self._batch.events.append((now, event))
        return decisions

    # -- conclusions ----------------------------------------------------------------------------------

    def _conclude_soon(self) -> None:
        if self._concluding is None and not self._closing:
            self._concluding = asyncio.get_running_loop().call_soon(self._conclude)

    def _conclude(self) -> None:
        """Give the tick that the site asks for, if it does, and set the alarm for the next."""
        if self._concluding is not None:
            self._concluding.cancel()
            self._concluding = None
        if self.paused_because:
            return
        try:
            now = self.now()
            deadline = self.site.next_deadline(now)
            if deadline is not None and deadline <= now:
                self._take(self._give(Tick(), now))
                deadline = self.site.next_deadline()
                self._at_once = self._at_once + 1 if deadline is not None and deadline <= now else 0
        except Exception as error:  # noqa: BLE001 - a fault must end neither the link nor in a release (W10)
            self.fail(error)
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if deadline is not None and not self._closing:
            delay = self._clock.seconds_until(deadline)
            if self._at_once > RESTLESS_AFTER:
                delay = max(delay, RESTLESS_PAUSE_S)
                if (self._at_once - RESTLESS_AFTER) % RESTLESS_TOLD_EVERY == 1:
                    log.critical("the core asks for tick after tick", ticks=self._at_once)
            self._alarm = asyncio.get_running_loop().call_later(delay, self._conclude)

    def _take(self, decisions: list[Decision]) -> None:
        if not decisions:
            self._commit_soon(urgent=False)
            return
        index = len(self._batch.events) - 1
        self._batch.decisions += [(index, decision) for decision in decisions]
        if self._listener is not None:
            self._listener.decided(decisions)
        self._commit_soon(urgent=any(d.write is not None or d.withdraws is not None for d in decisions))

    # -- commits --------------------------------------------------------------------------------------

    def _commit_soon(self, *, urgent: bool) -> None:
        if urgent and self._committing is None:
            if self._linger is not None:
                self._linger.cancel()
                self._linger = None
            self._committing = asyncio.get_running_loop().create_task(self._commit())
        elif not urgent and self._linger is None and self._committing is None and not self._closing:
            loop = asyncio.get_running_loop()
            self._linger = loop.call_later(self._linger_s, self._linger_over)

    def _linger_over(self) -> None:
        self._linger = None
        self._commit_soon(urgent=True)

    async def _commit(self) -> None:
        """Commit what has gathered, and again what gathers meanwhile if it is urgent."""
        try:
            again = True
            while again and not self.paused_because:
                self._conclude()  # a commit always holds the conclusions of its facts
                again = await self._commit_once()
        finally:
            self._committing = None
        if not self._batch.is_empty or self._receipts:
            self._commit_soon(urgent=False)

    async def _commit_once(self) -> bool:
        batch, receipts, waiting = self._batch, self._receipts, self._waiting
        self._batch, self._receipts, self._waiting = Batch(), [], []
        counted = self._take_counts(batch)
        self._since_snapshot += len(batch.events)
        if self._since_snapshot >= self._snapshot_every and batch.events:
            batch.snapshot = self.site.snapshot()
            self._since_snapshot = 0
        try:
            if not batch.is_empty:
                await self._ledger.run(lambda ledger: ledger.commit(batch))
        except LedgerError as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(Paused(str(error)))
            log.critical("commit failed", error=str(error))
            self._pause(str(error), self._pause_s)
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
            return False
        self._settled = {} if batch.counts else counted
        self._pause_s = PAUSE_MIN_S
        for future in waiting:
            if not future.done():
                future.set_result(None)
        if receipts:
            self._checkpoint("before_ack")
            self._acknowledge(receipts)
            self._checkpoint("after_ack")
        if batch.decisions and self._listener is not None:
            self._listener.committed([decision for _, decision in batch.decisions])
        return bool(self._waiting) or len(self._receipts) >= self._half_window or self._holds_write()

    def _take_counts(self, batch: Batch) -> dict[str, Counts]:
        """All that was counted up to this batch; it is put into it when it is time, or at the end."""
        counted, self._counts = self._counts, {}
        together = dict(self._settled)
        for sensor, counts in counted.items():
            known = together.get(sensor)
            together[sensor] = counts if known is None else known.plus(counts)
        now = asyncio.get_running_loop().time()
        refused = any(counts.rejected for counts in counted.values())
        if together and (refused or self._closing or now >= self._counts_due):
            batch.counts = together
            self._counts_due = now + COUNTS_EVERY_S
        return together

    def _holds_write(self) -> bool:
        return any(d.write is not None or d.withdraws is not None for _, d in self._batch.decisions)

    # -- trouble --------------------------------------------------------------------------------------

    def fail(self, error: Exception) -> None:
        """A fault in the core itself: forget what it was doing, reload, go on after a minute."""
        log.critical("the core failed; its memory is reloaded", exc_info=error)
        self._pause(f"the core failed: {error!r}", CORE_FAULT_PAUSE_S)

    def _pause(self, why: str, pause_s: float) -> None:
        """Forget everything since the last commit, let the broker deliver again, go on later."""
        self.paused_because = why
        self._batch, self._receipts, self._counts = Batch(), [], {}
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_exception(Paused(why))
        self._drop_link(why)
        asyncio.get_running_loop().call_later(pause_s, self._resume_soon)

    def _resume_soon(self) -> None:
        if not self._closing:
            self._resuming = asyncio.get_running_loop().create_task(self._resume())

    async def _resume(self) -> None:
        try:
            await self._ledger.run(lambda ledger: ledger.probe())
        except LedgerError as error:
            log.critical("still not writable", error=str(error))
            self._pause(str(error), self._pause_s)
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
            return
        try:
            self.site = await self._load()
        except LedgerError as error:
            log.critical("cannot reload", error=str(error))
            self._pause(str(error), PAUSE_MAX_S)
            return
        self._last = max(self._last, self.site.state.now)
        self.paused_because = ""
        self._drop_link("starting anew after trouble with the ledger")
        try:
            self.tell(LinkDown())
        except CoreError:
            log.critical("the core failed again", exc_info=True)
        if self._listener is not None:
            self._listener.reloaded()
        log.info("recording again")
