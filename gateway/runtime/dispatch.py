"""Committed decisions become writes to Exchange, and what becomes of each write becomes a fact.

Theory of operation

* A row of the outbox is carried out by one task: verify (re-read the occurrence), remember
  `sending` durably, send once, confirm by a complete read. Each step is in the ledger before the
  next begins, so a process that dies anywhere knows what it must read back.
* An unclear answer is settled by reading back. Sending again has the same end state and is done only
  after a read that shows no effect.
* A row that was sent and is unwanted by now is looked at for some minutes more, and not sent again: its
  effect may be there and not be shown yet.
* A removal whose request may have been lost is not believed of a booking that is younger than reads may
  lag: the read may be from before it was made.
* A row ends as exactly one of applied, superseded, expired; that end is an event for the core, in
  the same transaction as the row's last step.
* The first release of one occurrence of a series in a tenant is watched: if other occurrences vanish
  with it, writing stops until a person has looked.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from gateway.core.booking import Booking
from gateway.core.decisions import Decision, Write
from gateway.core.events import WITHDRAWN, WriteOutcome
from gateway.core.site import CoreError
from gateway.core.units import DAY_MS, MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.exchange.comment import release_comment
from gateway.exchange.errors import ExchangeError, UnforeseenError
from gateway.exchange.own import NO_WORDING, Wording
from gateway.exchange.writer import (
    NOT_FREE,
    AlreadyDone,
    Gone,
    NotSent,
    Refused,
    Sent,
    Superseded,
    Unclear,
    Verified,
    vanished,
)
from gateway.ledger import LedgerWorker, OutboxChange, OutboxRow, OutboxState
from gateway.runtime.brain import Brain, Paused
from gateway.runtime.places import Place

log = structlog.get_logger()

AT_ONCE: Final = 2
"""Writes under way at a time."""

RETRY_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses between attempts, the last one repeating (wall time: Exchange's own pace)."""

ASKED_AT_MOST_S: Final = 300.0
"""A pause that Exchange asks for is not kept for longer: it is minutes at most, and a date that it names may,
by a clock that is set wrong, be hours away. If it is meant, it is asked for again."""

SHOWN_AFTER_MS: Final[Duration] = 4 * MINUTE_MS
"""How long after a request its effect may not be seen yet. Exchange's own reads lag behind its writes, and
nobody says by how much; until then a row that was sent does not end as not done."""

AWAITED_LAG_MS: Final[Duration] = MINUTE_MS
"""The same for a removal that somebody waits for, who would be told "unclear" otherwise."""

SERIES_NOTE: Final = "series_release_watched"
HALT_NOTE: Final = "writing_halted"
SERIES_WINDOW_MS: Final = 60 * DAY_MS
"""How far around the released occurrence the rest of its series is looked at."""

End = Literal["applied", "superseded", "expired"]
Ended = tuple[End, str]
"""How a row ended, and why."""

LOOKS_AT_A_TIE: Final = 3
"""How often a booking looks again whether one made in the very same instant stays."""


@dataclass
class _Progress:
    """How far one row has come in this run of the process."""

    row: OutboxRow
    sent: bool
    """A request may have reached Exchange: only reading back tells."""
    attempts: int
    sent_at: Instant = NEVER
    """When the last such request ended."""
    is_taken: bool = False
    """Exchange has said that it took a request of this row."""
    asked_pause_s: float | None = None
    """How long Exchange asked to wait."""
    ties: int = 0
    """How often another booking of the very same instant was found beside it."""


class Dispatch:
    """Carries out outbox rows. `done` is told each room whose calendar was written to.

    `wordings`: what the bookings are called that people asked for, by the name of the request; only as long
    as this process remembers.
    """

    def __init__(
        self,
        brain: Brain,
        ledger: LedgerWorker,
        places: Mapping[str, Place],
        *,
        wordings: Mapping[str, Wording] | None = None,
        done: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        checkpoint: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._brain = brain
        self._ledger = ledger
        self._places = places
        self._wordings = {} if wordings is None else wordings
        self._done = done
        self._sleep = sleep
        self._checkpoint = checkpoint
        self._tasks: dict[tuple[str, int], asyncio.Task[Ended]] = {}
        self._rows: dict[tuple[str, int], OutboxRow] = {}
        self._withdrawn: set[tuple[str, int]] = set()
        self._evidence: dict[tuple[str, int], tuple[Instant, Instant]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._creating: dict[str, asyncio.Lock] = {}
        """Per room: two bookings of our own must each see whether the other is there."""
        self._series = asyncio.Lock()
        self._series_watched = False
        self.halted = ""
        """Why nothing is written any more until a person has looked; empty if all is well."""

    # -- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what an earlier run left in the outbox."""
        self.halted = await self._ledger.run(lambda ledger: ledger.note(HALT_NOTE))
        self._series_watched = bool(await self._ledger.run(lambda ledger: ledger.note(SERIES_NOTE)))
        withdrawn = self._withdrawn_before()
        for row in await self._ledger.run(lambda ledger: ledger.open_rows()):
            self._withdrawn |= {(row.room, row.write.id)} & withdrawn
            self._begin(row)

    def _withdrawn_before(self) -> set[tuple[str, int]]:
        """What an earlier run withdrew, by the core's memory: people came, and it is not sent after all."""
        states = [(name, room.state) for name, room in self._brain.site.rooms.items()]
        return {
            (name, life.write)
            for name, state in states
            for life in (*state.lives.values(), *state.departed.values())
            if life.withdrawn and life.write is not None
        }

    async def stop(self) -> None:
        """Stop where it is; the ledger knows how far each row has come."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def carry_out(self, decisions: Sequence[Decision]) -> None:
        """Begin the writes of committed decisions; withdraw those that they withdraw."""
        for decision in decisions:
            if decision.withdraws is not None:
                self._withdrawn.add((decision.room, decision.withdraws))
            if decision.write is not None:
                for reason in decision.reasons:
                    if reason.code == "proven_vacant" and reason.at is not None and reason.until is not None:
                        self._evidence[decision.room, decision.write.id] = (reason.at, reason.until)
                self._begin(OutboxRow(decision.room, decision.booking, decision.write, "pending"))

    async def resume(self) -> None:
        """A person has looked: write again, also after a restart. Raises Paused."""
        self._brain.note(HALT_NOTE, "")
        await self._brain.record()
        self.halted = ""

    @property
    def under_way(self) -> int:
        """Rows that have not ended."""
        return len(self._tasks)

    def is_under_way(self, ask: str) -> bool:
        """Whether the row of a request, by its name, has not ended."""
        return any(row.write.linked == ask for row in self._rows.values())

    def _begin(self, row: OutboxRow) -> None:
        key = (row.room, row.write.id)
        if key not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._carry_out(row))
            self._tasks[key], self._rows[key] = task, row
            task.add_done_callback(lambda _: self._forget(key))

    def _forget(self, key: tuple[str, int]) -> None:
        self._tasks.pop(key, None)
        self._rows.pop(key, None)
        self._withdrawn.discard(key)
        self._evidence.pop(key, None)

    # -- one row --------------------------------------------------------------------------------------

    async def _carry_out(self, row: OutboxRow) -> Ended:
        """Take one row to its end, however often Exchange has to be asked; returns that end."""
        sent = row.state in ("sending", "unclear")
        progress = _Progress(row, sent, row.attempts, row.changed_at if sent else NEVER)
        pauses = itertools.chain(RETRY_S, itertools.repeat(RETRY_S[-1]))
        while True:
            try:
                async with self._slots, self._alone(row):
                    end, why = await self._step(progress)
            except (ExchangeError, Paused) as error:
                end, why = None, str(error)
            except CoreError:
                raise  # told by the brain, and no matter of one write
            except Exception as fault:  # noqa: BLE001 - a fault of ours must not leave the row open for ever
                end, why = None, str(UnforeseenError.of(fault))
                if progress.attempts:  # whether anything was sent, only reading tells
                    progress.sent, progress.sent_at = True, self._brain.now()
            if end is not None and await self._finish(row, end, why):
                return end, why
            log.info("write not done yet", room=row.room, write=row.write.id, why=why)
            asked_s, progress.asked_pause_s = progress.asked_pause_s, None
            await self._sleep(self._pause_s(progress, asked_s or 0.0, next(pauses)))

    def _pause_s(self, progress: "_Progress", asked_s: float, own_s: float) -> float:
        """How long to wait before the next attempt: no longer than the row is wanted, if nothing was sent."""
        pause_s = min(asked_s, ASKED_AT_MOST_S) or own_s
        if progress.sent:
            return pause_s
        left_s = (progress.row.write.deadline + 1 - self._brain.now()) / SECOND_MS
        return max(own_s, min(pause_s, left_s))

    async def ended(self, room: str, write: int, patience_s: float) -> Ended | None:
        """How a row that is under way ends; None if it has not by then. It goes on all the same."""
        task = self._tasks.get((room, write))
        if task is None:
            return None
        await asyncio.wait([task], timeout=patience_s)
        return task.result() if task.done() and not task.cancelled() else None

    def _alone(self, row: OutboxRow) -> AbstractAsyncContextManager[object]:
        """For a creation: no other in this room between its look at the calendar and its effect."""
        if row.write.method != "create":
            return nullcontext()
        return self._creating.setdefault(row.room, asyncio.Lock())

    async def _step(self, progress: "_Progress") -> tuple[End | None, str]:
        """One attempt: an end with its reason, or None to try again."""
        row = progress.row
        write, place = row.write, self._places.get(row.room)
        if place is None:
            return "superseded", "the room is no longer configured"
        if not progress.sent:
            refusal = self._unwanted(row)
            if refusal is not None:
                return refusal
            await self._remember(progress, "verifying")
        verified = await place.writer.verify(place.mailbox, place.zone, write, sent_before=progress.sent)
        match verified:
            case AlreadyDone():
                if self._may_be_of_before(progress):
                    return None, "the read may be from before the booking"
                return await self._settle(progress, place)
            case Superseded():
                return self._looked_up(progress, verified)
            case Verified():
                return await self._send_verified(progress, place, verified)

    async def _send_verified(
        self, progress: "_Progress", place: Place, verified: Verified
    ) -> tuple[End | None, str]:
        """Send it if it is still wanted, watched where it is the first of its kind."""
        refusal = self._unwanted(progress.row)
        if refusal is not None:
            return (None, "its effect may yet be seen") if self._may_show(progress) else refusal
        if not self._needs_watching(progress.row.write):
            return await self._send(progress, place, verified)
        async with self._series:
            return await self._send_watched(progress, place, verified)

    def _looked_up(self, progress: "_Progress", found: Superseded) -> tuple[End | None, str]:
        """What a read that leaves nothing to send means for the row."""
        if found == NOT_FREE and self._may_show(progress):
            return None, "the room is taken, perhaps by what was sent"
        return "superseded", found.why

    def _unwanted(self, row: OutboxRow) -> tuple[End, str] | None:
        """Why the row must not be sent any more, if so."""
        if (row.room, row.write.id) in self._withdrawn:
            return "superseded", WITHDRAWN
        if self._brain.now() > row.write.deadline:
            return "expired", "its evidence is too old"
        if self.halted:
            return "expired", self.halted
        return None

    def _may_show(self, progress: "_Progress") -> bool:
        """Whether a request that Exchange may have carried out is too young to be given up."""
        return progress.sent and self._brain.now() - progress.sent_at <= SHOWN_AFTER_MS

    def _may_be_of_before(self, progress: "_Progress") -> bool:
        """Whether a read without the booking may show how it was before it was made.

        Reads lag: of a booking that is younger than that, not being there says nothing, unless Exchange has
        taken a request that removes it.
        """
        row = progress.row
        if progress.is_taken or not row.write.removes:
            return False
        room = self._brain.site.rooms.get(row.room)
        lives = {} if room is None else {**room.state.departed, **room.state.lives}
        life = lives.get(row.booking)
        lag_ms = AWAITED_LAG_MS if row.write.action == "cancel" else SHOWN_AFTER_MS
        return life is not None and self._brain.now() - life.first_seen_at <= lag_ms

    async def _send(self, progress: "_Progress", place: Place, verified: Verified) -> tuple[End | None, str]:
        row, write = progress.row, progress.row.write
        progress.attempts += 1
        await self._remember(progress, "sending")
        self._checkpoint("before_send")
        result = await place.writer.send(
            place.mailbox,
            write,
            self._comment(row, place),
            verified,
            still_wanted=lambda: self._unwanted(row) is None,
            wording=self._wordings.get(write.linked, NO_WORDING),
        )
        # From here on, whatever fails, an effect that shows up later is taken for our own.
        if isinstance(result, Sent | Gone | Unclear):
            progress.sent, progress.sent_at = True, self._brain.now()
        self._checkpoint("after_send")
        match result:
            case Sent() | Gone():
                progress.is_taken = True
                if await place.writer.confirm(place.mailbox, place.zone, write):
                    return await self._settle(progress, place)
                await self._remember(progress, "unclear")
                return None, "Exchange does not show it yet"
            case Unclear():
                await self._remember(progress, "unclear")
                return None, result.why
            case NotSent():
                await self._remember(progress, "unclear" if progress.sent else "pending")
                progress.asked_pause_s = result.retry_after_s
                refusal = None if progress.sent else self._unwanted(row)
                return refusal or (None, result.why)
            case Refused():
                log.error("Exchange refuses a write", room=row.room, write=write.id, why=result.why)
                return "expired", f"Exchange refuses it: {result.why}"

    async def _settle(self, progress: "_Progress", place: Place) -> tuple[End | None, str]:
        """Exchange shows the effect. What a person asked for may have to give way to who was first."""
        write = progress.row.write
        if write.action != "book":
            return "applied", ""
        progress.sent = True  # it is there: whatever fails from here on, it is not sent anew unseen
        last_look = progress.ties >= LOOKS_AT_A_TIE
        verdict = await place.writer.contest(place.mailbox, place.zone, write, last_look=last_look)
        if verdict == "look_again":
            progress.ties += 1
            await self._remember(progress, "unclear")
            return None, "booked at the very same instant as another"
        return ("applied", "") if verdict == "stays" else ("superseded", "not_free")

    def _comment(self, row: OutboxRow, place: Place) -> str:
        if row.write.action == "refuse":
            return place.refusals.get(row.write.breach, "")
        if row.write.action != "release":
            return ""
        evidence = self._evidence.get((row.room, row.write.id), (row.write.start, self._brain.now()))
        return release_comment(place.name, *evidence, place.zone, place.comment)

    # -- series ---------------------------------------------------------------------------------------

    def _needs_watching(self, write: Write) -> bool:
        return write.action == "release" and bool(write.series_id) and not self._series_watched

    async def _send_watched(
        self, progress: "_Progress", place: Place, verified: Verified
    ) -> tuple[End | None, str]:
        """Release one occurrence and see that the others are still there; otherwise stop writing."""
        row = progress.row
        before = await self._siblings(row, place)
        end, why = await self._send(progress, place, verified)
        if end != "applied":
            return end, why
        lost = vanished(before, await self._siblings(row, place), row.write.event_id)
        if lost:
            self.halted = (
                f"releasing one occurrence in {row.room} made {len(lost)} other(s) of its series vanish; "
                "nothing is written until somebody has looked"
            )
            self._brain.note(HALT_NOTE, self.halted)
            log.critical("writing halted", why=self.halted, room=row.room)
        elif len(before) > 1:
            self._series_watched = True
            self._brain.note(SERIES_NOTE, "yes")
        return end, why

    async def _siblings(self, row: OutboxRow, place: Place) -> tuple[Booking, ...]:
        write = row.write
        start, end = write.start - SERIES_WINDOW_MS, write.end + SERIES_WINDOW_MS
        return await place.reader.instances(place.mailbox, place.zone, write.series_id, start, end)

    # -- remembering ----------------------------------------------------------------------------------

    async def _remember(self, progress: "_Progress", state: OutboxState) -> None:
        row, attempts = progress.row, progress.attempts
        change = OutboxChange(row.room, row.write.id, state, self._brain.now(), attempts=attempts)
        await self._brain.record(outbox=[change])

    async def _finish(self, row: OutboxRow, end: End, why: str) -> bool:
        """The row's end and the core's fact of it, in one transaction; False if it must be repeated."""
        change = OutboxChange(row.room, row.write.id, end, self._brain.now(), why)
        known = row.room in self._brain.site.rooms
        facts = [WriteOutcome(row.room, row.write.id, end, why)] if known else []
        try:
            await self._brain.record(*facts, outbox=[change])
        except Paused:
            return False
        log.info("write ended", room=row.room, write=row.write.id, action=row.write.action, end=end, why=why)
        if end == "expired" and row.write.action == "release":
            log.warning("a release was not written", room=row.room, booking=row.booking, why=why)
        if end != "applied" and row.write.action == "hold":
            log.warning("a room was not given back to its people", room=row.room, why=why)
        self._done(row.room)
        return True
