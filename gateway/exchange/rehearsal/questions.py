"""The table of what a rehearsal asks, in the order in which it is told.

The numbers in the comments are those of "To verify in a real tenant" in the shared reference on Graph. A
new question touches its own two functions, this table and its test.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from gateway.exchange.rehearsal import series, single, tenant
from gateway.exchange.rehearsal.plan import Needs
from gateway.exchange.rehearsal.record import Found
from gateway.exchange.rehearsal.stage import Meeting, Stage


class Question(NamedTuple):
    """One open question. `vital`: unanswered it forbids to write, as a bad answer would."""

    name: str
    asks: str
    needs: Needs
    act: Callable[[Stage, Any], Awaitable[Any]]
    """Acts and observes; what comes of it is a struct of facts. May raise ExchangeError."""
    judge: Callable[[Any], Found]
    vital: bool = False

    async def ask(self, stage: Stage, meeting: Meeting | None) -> tuple[Any, Found]:
        """The facts and the judgement on them."""
        facts = await self.act(stage, meeting)
        return facts, self.judge(facts)


QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        "accepts",
        "Does the room accept, how fast, and is it the same meeting in both mailboxes?",
        "meeting",
        single.act_accepts,
        single.judge_accepts,
        vital=True,
    ),
    Question(  # 1
        "decline_occurrence",
        "Does the decline of one occurrence take that occurrence alone?",
        "series",
        series.act_declines_one,
        series.judge_declines_one,
        vital=True,
    ),
    Question(  # 2a, 2b
        "decline_and_edit",
        "What does a decline do, and what brings the meeting back?",
        "meeting",
        single.act_declines,
        single.judge_declines,
        vital=True,
    ),
    Question(  # 2c
        "series_update",
        "Does an update of the series bring a declined occurrence back?",
        "series",
        series.act_updates_series,
        series.judge_updates_series,
        vital=True,
    ),
    Question(  # 7
        "occurrence_identity",
        "Can the occurrences of a series be told apart?",
        "series",
        series.act_keys,
        series.judge_keys,
        vital=True,
    ),
    Question(
        "category",
        "Does a category stay on the room's copy, and change nothing else?",
        "meeting",
        single.act_marks,
        single.judge_marks,
        vital=True,
    ),
    Question(  # 3
        "shorten",
        "Can the room's copy be shortened, and for how long?",
        "meeting",
        single.act_shortens,
        single.judge_shortens,
    ),
    Question(
        "create_twice",
        "Is a booking that is sent twice created once?",
        "own_booking",
        tenant.act_repeats,
        tenant.judge_repeats,
        vital=True,
    ),
    Question(  # 4
        "delete_copy",
        "Does the organizer hear of a deleted copy?",
        "meeting",
        single.act_deletes,
        single.judge_deletes,
    ),
    Question(
        "organizer_deletes",
        "What does the room show of a meeting that its organizer deleted?",
        "meeting",
        single.act_withdraws,
        single.judge_withdraws,
    ),
    Question(  # 5
        "if_match",
        "Which writes does If-Match guard?",
        "series",
        series.act_guards,
        series.judge_guards,
    ),
    Question(  # 1
        "delta",
        "What does delta tell of a declined occurrence?",
        "series",
        series.act_delta,
        series.judge_delta,
    ),
    Question(  # 6
        "grants",
        "Do the grants open /subscriptions and getSchedule?",
        "nothing",
        tenant.act_grants,
        tenant.judge_grants,
    ),
    Question(  # 9
        "at_once",
        "Does the limit of requests at once count the application or the mailbox?",
        "nothing",
        tenant.act_crowds,
        tenant.judge_crowds,
    ),
    Question(  # 8
        "telemetry",
        "Does sensor telemetry keep Microsoft's own release from releasing?",
        "nothing",
        tenant.act_nothing,
        tenant.judge_telemetry,
    ),
)
