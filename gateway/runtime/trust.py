"""Keeps the sensors' history up to date, a little at a time, and judges by it once a day.

The history is read from the journal on the ledger's own thread in small steps with pauses between, so
that nothing waits for it: a day of 100 rooms takes seconds of a core, and months after a first start
some minutes. What was gathered is one note in the ledger; without it everything is gathered anew.

A look back must never take the gateway down: whatever goes wrong in it is logged with its trace, and the
gateway goes on by what it knew before (nothing, at first: then nothing is done that asks for history).
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Final

import msgspec
import structlog

from gateway.core.policy import SiteConfig
from gateway.ledger import LedgerWorker
from gateway.ledger.store import Ledger
from gateway.reports.history import NOTE, History, kept
from gateway.reports.room_quality import RoomQuality, site_quality
from gateway.reports.sensor_quality import Clock
from gateway.reports.watch import TELLING, Watch
from gateway.runtime.brain import Brain

log = structlog.get_logger()

STEP: Final = 2_000
"""Events that are read at once: about ten milliseconds of the ledger's thread."""

PAUSE_S: Final = 0.05


class Trust:
    """How far each sensor can be trusted, as of the last time that it was looked at."""

    def __init__(
        self,
        ledger: LedgerWorker,
        brain: Brain,
        sleep: Callable[[float], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._brain = brain
        self._sleep = sleep
        self._clock = clock
        self._looked_on: date | None = None
        self.rooms: tuple[RoomQuality, ...] = ()
        """Empty until it is known."""

    async def recall(self, site: SiteConfig) -> None:
        """Judge by the history as it was kept, without a look at the journal.

        Where that cannot be done nothing is known, and nothing is done that asks for history.
        """
        try:
            history = kept(await self._ledger.run(lambda ledger: ledger.note(NOTE)))
            if history.seq:
                self.rooms = site_quality(site, history, {}, self._clock)
        except Exception:  # a look back may take nothing down: whatever asks for history waits for it
            log.exception("the sensors' history cannot be used")

    async def look(self, site: SiteConfig, today: date) -> bool:
        """Go through what is new in the journal and judge anew; False if that was done today, or failed."""
        if self._looked_on == today:
            return False
        try:
            history = await self._gather(site)
            text = await self._ledger.run(lambda _: msgspec.json.encode(history).decode())
            rooms = site_quality(site, history, {}, self._clock)
        except Exception:  # as above
            log.exception("the sensors' history could not be gathered; the next attempt follows in an hour")
            return False
        self._looked_on, self.rooms = today, rooms
        self._brain.note(NOTE, text)
        return True

    async def _gather(self, site: SiteConfig) -> History:
        history = kept(await self._ledger.run(lambda ledger: ledger.note(NOTE)))
        watch = Watch(site, history)

        def step(ledger: Ledger) -> int:
            events = ledger.events_after(history.seq, STEP)
            return watch.replay(events, ledger.decisions_after(history.decision, TELLING))

        while await self._ledger.run(step) == STEP:
            await self._sleep(PAUSE_S)
        return history
