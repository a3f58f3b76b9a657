"""What is made of what a rehearsal saw, also of what the simulator never does; and how records are kept."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.exchange.rehearsal import series, single, tenant
from gateway.exchange.rehearsal.questions import QUESTIONS
from gateway.exchange.rehearsal.record import (
    FORMAT,
    Answer,
    Found,
    Leftover,
    Record,
    RecordError,
    Verdict,
    load,
    objection,
    save,
    worst,
)

ACCEPTED = single.Accepted(3, same_uid=True, organizer_sees="accepted")
DECLINED = single.Declined(
    "", gone=True, organizer_keeps=True, organizer_sees="declined", after_time="came back", same_id=False
)
MARKED = single.Marked("", shown=True, still_held=True, organizer_untouched=True, outlives_update=True)
SHORTENED = single.Shortened("", shown=True, still_held=True, organizer_keeps_end=True, after_text=False)
DELETED = single.Deleted("", gone=True, organizer_sees="accepted")
ONE = series.OneDeclined(
    "", gone=True, others_held=2, organizer_keeps=3, organizer_sees="declined", organizer_sees_others=2
)
UPDATED = series.SeriesUpdated(restored=True, same_key=True, others_held=2)
KEYS = series.Keys(3, 3, 3, own_uids=True)
REPEATED = tenant.Repeated("taken", 1, told_back=True, freed=True)
DELTA = series.DeltaTold("", tells_removed=False, tells_series=False, empty_pages=False, repeats=False)


def other(facts: Any, **changes: Any) -> Any:
    """The same facts but for some."""
    return msgspec.structs.replace(facts, **changes)


@pytest.mark.parametrize(
    ("judge", "facts", "verdict", "words"),
    [
        (single.judge_accepts, ACCEPTED, "ok", "one iCalUId in both"),
        (single.judge_accepts, other(ACCEPTED, organizer_sees="none"), "warn", "shows 'none'"),
        (single.judge_accepts, other(ACCEPTED, same_uid=False), "warn", "an iCalUId of its own"),
        (single.judge_accepts, other(ACCEPTED, slowest_s=180), "warn", "after 180 s"),
        (single.judge_declines, DECLINED, "ok", "after a change of time, new id"),
        (single.judge_declines, other(DECLINED, refused="400 E"), "stop", "refused (400 E)"),
        (single.judge_declines, other(DECLINED, gone=False), "stop", "stayed in the room"),
        (single.judge_declines, other(DECLINED, organizer_keeps=False), "stop", "meeting was gone"),
        (
            single.judge_declines,
            other(DECLINED, after_text="came back as another"),
            "stop",
            "another iCalUId",
        ),
        (
            single.judge_declines,
            other(DECLINED, after_time="came back as another"),
            "stop",
            "another iCalUId",
        ),
        (single.judge_declines, other(DECLINED, organizer_sees="accepted"), "warn", "shows 'accepted'"),
        (single.judge_declines, other(DECLINED, after_time="stayed away"), "warn", "not accepted again"),
        (single.judge_marks, MARKED, "ok", "outlives"),
        (single.judge_marks, other(MARKED, still_held=False), "stop", "the room's acceptance"),
        (single.judge_marks, other(MARKED, organizer_untouched=False), "stop", "the organizer's entry"),
        (single.judge_marks, other(MARKED, shown=False, refused="403 E"), "warn", "(403 E)"),
        (single.judge_marks, other(MARKED, outlives_update=False), "warn", "lost with"),
        (single.judge_shortens, SHORTENED, "ok", "until the organizer's next change"),
        (single.judge_shortens, other(SHORTENED, after_text=True), "ok", "also after"),
        (single.judge_shortens, other(SHORTENED, organizer_keeps_end=False), "warn", "end changed too"),
        (single.judge_shortens, other(SHORTENED, still_held=False), "stop", "did not hold"),
        (single.judge_shortens, other(SHORTENED, shown=False), "warn", "cannot be shortened"),
        (single.judge_deletes, DELETED, "ok", "silent"),
        (single.judge_deletes, other(DELETED, organizer_sees="declined"), "ok", "is told"),
        (single.judge_deletes, other(DELETED, organizer_sees="gone"), "warn", "gone with it"),
        (single.judge_deletes, other(DELETED, refused="400 E", gone=False), "ok", "it stays (400 E)"),
        (single.judge_withdraws, single.Withdrawn("", "nothing"), "ok", "nothing"),
        (single.judge_withdraws, single.Withdrawn("", "cancelled"), "ok", "marked as cancelled"),
        (single.judge_withdraws, single.Withdrawn("", "still booked"), "warn", "still held"),
        (series.judge_declines_one, ONE, "ok", "only that occurrence"),
        (series.judge_declines_one, other(ONE, others_held=1), "stop", "in the room"),
        (series.judge_declines_one, other(ONE, organizer_keeps=2), "stop", "at the organizer"),
        (
            series.judge_declines_one,
            other(ONE, refused="400 E", others_held=0),
            "stop",
            "others of the series",
        ),
        (series.judge_declines_one, other(ONE, gone=False), "stop", "it stayed"),
        (series.judge_declines_one, other(ONE, organizer_sees="accepted"), "warn", "'accepted' on it"),
        (series.judge_declines_one, other(ONE, organizer_sees_others=0), "warn", "0 of 2 others"),
        (series.judge_updates_series, UPDATED, "ok", "brought the declined occurrence back"),
        (series.judge_updates_series, other(UPDATED, restored=False, same_key=None), "ok", "stayed away"),
        (series.judge_updates_series, other(UPDATED, same_key=False), "stop", "another identity"),
        (series.judge_updates_series, other(UPDATED, others_held=1), "warn", "1 of 2"),
        (series.judge_keys, KEYS, "ok", "of its own; the organizer's are the same"),
        (series.judge_keys, other(KEYS, own_uids=False), "ok", "the organizer's are others"),
        (series.judge_keys, other(KEYS, uids=1), "ok", "share"),
        (series.judge_keys, other(KEYS, uids=1, keys=1), "stop", "3 occurrences have 1 keys"),
        (series.judge_delta, DELTA, "ok", "tells nothing of a declined occurrence; $select is taken"),
        (tenant.judge_repeats, REPEATED, "ok", "1 in the calendar"),
        (tenant.judge_repeats, other(REPEATED, second="409 E"), "ok", "409 E"),
        (tenant.judge_repeats, other(REPEATED, entries=2), "warn", "2 in the calendar"),
        (tenant.judge_repeats, other(REPEATED, told_back=False), "warn", "not told back"),
        (tenant.judge_repeats, other(REPEATED, entries=2, told_back=False), "stop", "not told back"),
        (tenant.judge_repeats, other(REPEATED, freed=False), "stop", "did not free the room"),
        (tenant.judge_crowds, tenant.Crowded(8, 0, 0), "ok", "none was throttled"),
        (tenant.judge_crowds, tenant.Crowded(8, 4, 4), "ok", "counts the application"),
        (tenant.judge_crowds, tenant.Crowded(8, 4, 0), "ok", "counts the mailbox"),
        (tenant.judge_grants, tenant.Granted(subscriptions=False, schedules=False), "ok", "is closed"),
    ],
)
def test_what_is_seen_is_judged(judge: Any, facts: Any, verdict: Verdict, words: str) -> None:
    """Unsafe is stop, a consequence that people should know is warn; what it means is always said."""
    found: Found = judge(facts)
    assert found.verdict == verdict
    assert words in found.seen
    assert found.means


def test_each_question_is_asked_once_and_what_could_do_harm_is_vital() -> None:
    """What could do harm stops unanswered too; `shorten` belongs to an option that is off."""
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)
    assert {question.name for question in QUESTIONS if question.vital} == {
        "accepts",
        "decline_occurrence",
        "decline_and_edit",
        "series_update",
        "occurrence_identity",
        "category",
        "create_twice",
    }


def record(**changes: Any) -> Record:
    """A record of one answer."""
    answer = Answer(
        question="shorten", asks="?", verdict="warn", seen="so", means="mind", facts={"shown": False}
    )
    good = Record(
        at="2026-09-22T09:00:00+00:00",
        tenant_id="contoso",
        gateway_version="1",
        room="test-room@contoso.com",
        organizer="rehearsal@contoso.com",
        complete=True,
        answers=(answer,),
        leftovers=(Leftover("test-room@contoso.com", "meeting", "delete it"),),
    )
    return msgspec.structs.replace(good, **changes)


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    """Whole; the last one counts; one that only warns is no objection."""
    path = tmp_path / "rehearsal.json"
    assert load(path) is None
    save(path, record(gateway_version="0"))
    save(path, record())
    assert load(path) == record()
    assert (record().verdict, record().stops) == ("warn", ())
    assert objection(path, "CONTOSO") == ""
    assert [one.name for one in tmp_path.iterdir()] == ["rehearsal.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"at": 1}', f'{{"format": {FORMAT + 1}}}'])
def test_a_record_that_cannot_be_read_is_no_permission(tmp_path: Path, content: str) -> None:
    """Whatever is in the file: an error with its name, and an objection."""
    path = tmp_path / "rehearsal.json"
    path.write_text(content)
    with pytest.raises(RecordError, match=r"rehearsal\.json"):
        load(path)
    assert "Rehearse first" in objection(path, "contoso")


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    """As what cannot be read."""
    with pytest.raises(RecordError, match="cannot be read"):
        load(tmp_path)


def test_the_worst_answer_is_the_verdict() -> None:
    """Of no answers: ok."""
    assert (worst(["ok", "stop", "warn"]), worst(["ok", "warn"]), worst([])) == ("stop", "warn", "ok")
