"""Leads through a rehearsal: look first, invite, ask, put everything back, tell.

RehearsalError    it was not begun; the message says why
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import tzinfo
from secrets import token_hex
from typing import Any, Final

import msgspec

from gateway import __version__
from gateway.clock import SystemClock
from gateway.core.units import Instant
from gateway.exchange.errors import ExchangeError
from gateway.exchange.moments import as_datetime
from gateway.exchange.rehearsal import sweep
from gateway.exchange.rehearsal.plan import DAYS_AHEAD, OCCURRENCES, Plan, make_plan
from gateway.exchange.rehearsal.questions import QUESTIONS, Question
from gateway.exchange.rehearsal.record import Answer, Found, Leftover, Record
from gateway.exchange.rehearsal.stage import POLL_S, WAIT_S, Connect, Meeting, Sleep, Stage

MAX_FAILURES: Final = 3
"""So many reads in a row that fail, each tried patiently: nothing is waited for any more."""

AGAIN: Final = "not known; rehearse again"


class RehearsalError(Exception):
    """Nothing was begun."""


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal works with. `connect` makes a client with so many requests at once."""

    connect: Connect
    now: Callable[[], Instant] = SystemClock().now
    sleep: Sleep = asyncio.sleep
    tell: Callable[[str], None] = lambda _: None
    """Told what is being done, in a few words."""
    run: str = ""
    """Names this rehearsal in its entries; empty: by chance."""


class Rehearsal:
    """One rehearsal, from the plan to the record. After `run` was left, however, `leftovers` is true."""

    def __init__(
        self,
        client: Any,
        room: str,
        organizer: str,
        tools: Tools,
        *,
        zone: tzinfo,
        tenant_id: str,
        days_ahead: int = DAYS_AHEAD,
        questions: Sequence[Question] = QUESTIONS,
    ) -> None:
        self._tools = tools
        self._tenant_id = tenant_id
        self._questions = questions
        self.plan: Plan = make_plan(
            ((question.name, question.needs) for question in questions),
            now=tools.now(),
            zone=zone,
            days_ahead=days_ahead,
            run=tools.run or token_hex(4),
        )
        self.stage = Stage(client, self.plan, room, organizer, connect=tools.connect, sleep=tools.sleep)
        self.answers: list[Answer] = []
        self.leftovers: tuple[Leftover, ...] = ()

    # -- before

    async def look(self) -> None:
        """Whether both mailboxes can be read and the times are free. Raises RehearsalError."""
        for mailbox in (self.stage.room, self.stage.organizer):
            try:
                entries = await self.stage.entries(mailbox)
            except ExchangeError as error:
                raise RehearsalError(
                    f"{mailbox} cannot be read: {error}. Both test mailboxes must be in the scope of the "
                    "application's role"
                ) from error
            if mailbox != self.stage.room:
                continue
            self.stage.there_before = {entry.id for entry in entries}
            taken = [e for e in entries if not e.event.cancelled and self.plan.touches(e.start, e.end)]
            if taken:
                when = as_datetime(taken[0].start)
                raise RehearsalError(
                    f"{mailbox} has bookings in the rehearsal's time, first on {when:%Y-%m-%d %H:%M} UTC; "
                    "nothing was done. Choose another week with --days-ahead, or another room"
                )

    # -- the whole

    async def run(self, *, keep: bool = False) -> Record:
        """All questions, then the clean-up, which also follows Ctrl+C and every failure.

        `keep`: leave the entries for people to look at. Raises RehearsalError where it may not begin.
        """
        await self.look()
        try:
            meetings = await self._prepare()
            for place, question in enumerate(self._questions, 1):
                self._tools.tell(f"{place}/{len(self._questions)} {question.asks}")
                self.answers.append(await self._ask(question, meetings))
        finally:
            await self._clean_up(keep=keep)
        return self.record(complete=True)

    def record(self, *, complete: bool) -> Record:
        """What there is to tell so far."""
        now = as_datetime(self._tools.now()).isoformat(timespec="seconds")
        return Record(
            at=now,
            tenant_id=self._tenant_id,
            gateway_version=__version__,
            room=self.stage.room,
            organizer=self.stage.organizer,
            complete=complete,
            answers=tuple(self.answers),
            leftovers=self.leftovers,
        )

    # -- its parts

    async def _prepare(self) -> dict[str, Meeting | str]:
        """Every entry by its question; in its place why there is none, where the room did not accept."""
        stage, made = self.stage, {}
        prepared: dict[str, Meeting | str] = {}
        for slot in self.plan.slots:
            self._tools.tell(f"inviting: {len(stage.created) + 1}/{len(self.plan.slots)}")
            try:
                made[slot.question] = await stage.invite(slot)
            except ExchangeError as error:
                prepared[slot.question] = f"its entry could not be created: {error}"
        self._tools.tell(f"waiting for {stage.room} to accept")
        waited_s, failures = 0.0, 0
        while made:
            try:
                entries = await stage.entries(stage.room)
            except ExchangeError as error:
                entries, why = [], f"the room could not be read: {error}"
                failures += 1
            else:
                why = f"the room did not accept within {WAIT_S:.0f} s"
                failures = 0
            for question, meeting in list(made.items()):
                slot = meeting.slot
                held = [e for e in entries if slot.touches(e.start, e.end) and e.holds]
                if len(held) >= (OCCURRENCES if slot.needs == "series" else 1):
                    prepared[question] = msgspec.structs.replace(meeting, room=tuple(held))
                    stage.uids.update(entry.uid for entry in held)
                    stage.slowest_s = waited_s
                    del made[question]
            if waited_s >= WAIT_S or failures >= MAX_FAILURES:
                return prepared | {name: await self._why_not(one, why) for name, one in made.items()}
            if made:
                await stage.sleep(POLL_S)
                waited_s += POLL_S
        return prepared

    async def _why_not(self, meeting: Meeting, why: str) -> str:
        """Why the room did not accept, as far as the organizer is told."""
        try:
            entries = await self.stage.at_organizer(meeting.slot)
        except ExchangeError:
            return why
        if any(self.stage.room_answer(entry) == "declined" for entry in entries):
            return f"the room declined it: look at {self.stage.room}'s booking window, hours and series"
        return why

    async def _ask(self, question: Question, meetings: dict[str, Meeting | str]) -> Answer:
        meeting = meetings.get(question.name)
        if isinstance(meeting, str):
            return _unanswered(question, meeting)
        try:
            facts, found = await question.ask(self.stage, meeting)
        except ExchangeError as error:
            return _unanswered(question, str(error))
        return _answer(question, found, msgspec.to_builtins(facts))

    async def _clean_up(self, *, keep: bool) -> None:
        stage = self.stage
        if not stage.created:
            return
        # Until it is known better; also if somebody cannot wait for the end.
        self.leftovers = sweep.unknown(stage, RehearsalError("the clean-up was not finished"))
        if keep:
            try:
                self.leftovers = await sweep.remains(stage)
            except ExchangeError as error:
                self.leftovers = sweep.unknown(stage, error)
            return
        self._tools.tell("putting both mailboxes back as they were")
        sweeping = asyncio.ensure_future(sweep.sweep(stage))
        try:
            self.leftovers = await asyncio.shield(sweeping)
        except asyncio.CancelledError:  # the first Ctrl+C, so late: this much is finished
            self.leftovers = await sweeping
            raise


def _answer(question: Question, found: Found, facts: Any) -> Answer:
    return Answer(
        question=question.name,
        asks=question.asks,
        verdict=found.verdict,
        seen=found.seen,
        means=found.means,
        facts=facts,
    )


def _unanswered(question: Question, why: str) -> Answer:
    means = f"{AGAIN}; until then nothing may be written" if question.vital else AGAIN
    return _answer(question, Found("stop" if question.vital else "warn", f"no answer: {why}", means), {})
