"""History run again comes out the same, whatever it was; what does not is noticed and named."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from scenarios import SCRIPTED, SCRIPTS, Script, Slot, play
from timeline import PIR, RADAR, Timeline, at, booking

from gateway.core import deadlines
from gateway.core.decisions import Reason
from gateway.core.events import Booted, LinkUp, WriteOutcome
from gateway.core.rules import Case, Weight, first_objection
from gateway.core.site import RULESET, Site
from gateway.core.steps import attendance, releases
from gateway.core.units import MINUTE_MS
from gateway.ledger import LedgerDamaged, LedgerError, LedgerReader
from gateway.replay.elsewhere import ANSWERED_AFTER_MS
from gateway.replay.rerun import Verdict, Wanted, rerun
from simulators.histories import Header, History, Step, store

OLDER = RULESET - 1
EVERY = 60


def history_of(day: Timeline | Script, ruleset: int = RULESET, site: Site | None = None) -> History:
    """A day as a history of this ruleset: what the rules of the moment decide, beginning with `site`."""
    facts = day.log if isinstance(day, Timeline) else [(one.event, one.now) for one in play(day).given]
    site = site or Site()
    steps = tuple(Step(at, event, tuple(site.handle(event, at))) for event, at in facts)
    return History("a day", Header(ruleset, "a day", "a test"), steps)


def run(path: Path, wanted: Wanted = Wanted()) -> Verdict:  # noqa: B008 - a NamedTuple never changes
    """What running this ledger again comes to."""
    with LedgerReader(path) as reader:
        return rerun(reader, wanted)


def attended_day() -> Timeline:
    """A ghost that is given back, a meeting that takes place, a ghost again."""
    day = Timeline(RADAR, PIR)
    day.book(booking("09:00", "10:00"), booking("10:00", "11:00"), booking("12:00", "13:00"))
    day.until("10:02").show("radar")
    day.until("10:50").clear("radar")
    day.until("12:30")
    return day


def alter(path: Path, sql: str, *values: object) -> None:
    """Change a ledger after it was written; exactly one row."""
    with closing(sqlite3.connect(path)) as database, database:
        assert database.execute(sql, values).rowcount == 1


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The attended day, with snapshots."""
    path = tmp_path / "ledger.db"
    store(history_of(attended_day()), path, snapshot_every=EVERY)
    return path


# -- the same rules -----------------------------------------------------------------------------------


@pytest.mark.thorough
@settings(SCRIPTED, max_examples=25)
@given(SCRIPTS)
def test_any_day_comes_out_the_same_from_its_beginning_and_from_each_snapshot(script: Script) -> None:
    """Every decision and every snapshot; a run that begins later has the decisions of later."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        store(history_of(script), path, snapshot_every=EVERY)
        with LedgerReader(path) as reader:
            anchors, recorded = reader.snapshots(), list(reader.recorded())
        verdict = run(path)
        assert (verdict.faults, verdict.decisions) == ([], len(recorded))
        assert verdict.snapshots == len(anchors)
        for anchor in anchors[:-1]:
            later = run(path, Wanted(since=anchor.at))
            assert later.faults == []
            begun = max((one.seq for one in anchors if one.at < anchor.at), default=0)
            after = [one.decision.at for one in recorded if one.seq > begun]
            assert later.decisions == sum(moment >= anchor.at for moment in after)


def test_a_day_that_is_whole_is_the_same(ledger: Path) -> None:
    """All of it was compared: the properties here are not empty."""
    verdict = run(ledger)
    assert not verdict.faults
    assert not verdict.differences
    assert verdict.decisions > 15
    assert verdict.snapshots == 4
    assert [part.ruleset for part in verdict.parts] == [RULESET]


def test_an_altered_decision_is_noticed(ledger: Path) -> None:
    """Somebody changed why a room was given back: the event, what is recorded, what comes again."""
    alter(ledger, "UPDATE decisions SET body = replace(body, 'radar', 'lidar') WHERE kind = 'checked_in'")
    (fault,) = run(ledger).faults
    assert [decision.reasons[0].sensor for decision in fault.recorded if decision.reasons] == ["lidar"]
    assert [decision.reasons[0].sensor for decision in fault.again] == ["radar"]


def test_a_decision_that_was_taken_away_or_added_is_noticed(ledger: Path) -> None:
    """One that is missing, and one that nothing brings."""
    alter(ledger, "DELETE FROM decisions WHERE kind = 'checked_in'")
    (fault,) = run(ledger).faults
    assert ([d.kind for d in fault.recorded], [d.kind for d in fault.again]) == ([], ["checked_in"])
    alter(
        ledger,
        "INSERT INTO decisions (seq, at, room, booking, kind, ruleset, body)"
        " SELECT 5, at, room, booking, kind, ruleset, body FROM decisions WHERE kind = 'seen' LIMIT 1",
    )
    assert run(ledger).faults[0].seq == 5


def test_an_altered_reading_is_noticed_where_it_changed_a_decision(ledger: Path) -> None:
    """Presence that is taken out of the journal leaves a check-in without its cause."""
    alter(
        ledger,
        "UPDATE journal SET event = replace(event, 'presence\",1', 'presence\",0') WHERE event LIKE"
        ' \'["reading","radar","presence",1%\'',
    )
    (fault, *_) = run(ledger).faults
    assert fault.recorded
    assert not fault.again


def test_an_altered_reading_is_noticed_by_what_is_remembered(ledger: Path) -> None:
    """It brings no other decision, but at the next kept snapshot another memory, and which."""
    alter(
        ledger,
        "UPDATE journal SET event = replace(event, 'alive\",1', 'battery\",7') WHERE seq ="
        ' (SELECT min(seq) FROM journal WHERE event LIKE \'["reading","pir","alive"%\')',
    )
    (fault,) = run(ledger).faults
    assert (fault.recorded, fault.again) == ((), ())
    assert fault.memory == "rooms.orion.sensors.pir.battery"


def test_after_a_fault_it_goes_on_at_the_next_kept_snapshot(ledger: Path) -> None:
    """One altered decision hides neither what comes later nor counts twice."""
    alter(ledger, "DELETE FROM decisions WHERE id = (SELECT min(id) FROM decisions)")
    alter(ledger, "DELETE FROM decisions WHERE id = (SELECT max(id) FROM decisions)")
    verdict = run(ledger)
    assert len(verdict.faults) == 2
    assert 0 < verdict.lost < verdict.events


def test_a_room_and_a_time_limit_what_is_compared(ledger: Path) -> None:
    """A fault elsewhere is not this room's, and one of another time not of this one."""
    with LedgerReader(ledger) as reader:
        at = reader.decisions(kind="checked_in")[0].at
    alter(ledger, "DELETE FROM decisions WHERE kind = 'checked_in'")
    assert run(ledger, Wanted(room="orion")).faults
    assert not run(ledger, Wanted(room="lyra")).faults
    assert run(ledger, Wanted(at, at + 1)).faults
    assert not run(ledger, Wanted(at + 1)).faults
    assert not run(ledger, Wanted(until=at)).faults


def test_what_was_decided_in_the_instant_of_a_snapshot_belongs_to_it(tmp_path: Path) -> None:
    """A run from that instant on has it, though the snapshot was taken after it."""
    path, history = tmp_path / "ledger.db", history_of(attended_day())
    place = next(n for n, step in enumerate(history.steps) if step.decisions and step.at > at("09:00"))
    store(history, path, snapshot_every=place + 1)
    moment = history.steps[place].at
    after = [step for step in history.steps if step.at >= moment]
    assert run(path, Wanted(moment)).decisions == sum(len(step.decisions) for step in after)


# -- what cannot be run -------------------------------------------------------------------------------


def test_an_event_that_is_gone_is_told(ledger: Path) -> None:
    """What comes after it cannot be judged."""
    alter(ledger, "DELETE FROM journal WHERE seq = 7")
    with pytest.raises(LedgerDamaged, match="after event 6 comes event 8"):
        run(ledger)


def test_an_event_that_is_no_event_is_told(ledger: Path) -> None:
    """Which one, and that nothing was changed."""
    alter(ledger, "UPDATE journal SET event = '[\"wish\"]' WHERE seq = 9")
    with pytest.raises(LedgerDamaged, match="event 9 of the journal cannot be read"):
        run(ledger)


def test_an_event_that_the_core_refuses_is_told(ledger: Path) -> None:
    """A sensor that no room has."""
    alter(ledger, 'UPDATE journal SET event = \'["reading","sonar","alive",1]\' WHERE seq = 9')
    with pytest.raises(LedgerDamaged, match=r"event 9 of the journal cannot be run again .*sonar"):
        run(ledger)


def test_a_time_before_everything_is_told(ledger: Path) -> None:
    """Nothing to run is no success."""
    with pytest.raises(LedgerError, match="nothing is recorded of that time"):
        run(ledger, Wanted(until=1))


# -- other rules --------------------------------------------------------------------------------------


@pytest.mark.thorough
@settings(SCRIPTED, max_examples=25)
@given(SCRIPTS)
def test_other_rules_that_decide_the_same_differ_in_nothing(script: Script) -> None:
    """Said to be of another ruleset, the same rules' day has no difference: comparing invents none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        history = history_of(script, OLDER)
        store(history, path)
        verdict = run(path)
        assert (verdict.faults, verdict.differences, verdict.details) == ([], [], 0)
        assert verdict.decisions == sum(len(step.decisions) for step in history.steps)


def changed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rules under which a radar must show presence for three minutes to check in, not half of one."""
    with monkeypatch.context() as context:
        for module in (attendance, deadlines):
            context.setattr(module, "SHOWN_FOR_CHECK_IN_MS", 3 * MINUTE_MS)
        yield


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A day that other rules decided: they check in later."""
    path = tmp_path / "older.db"
    for _ in changed(monkeypatch):
        store(history_of(attended_day(), OLDER), path)
    return path


def test_what_today_decides_otherwise_is_listed_by_booking(older: Path) -> None:
    """Recorded and today, side by side, and nothing else."""
    (one,) = run(older).differences
    assert (one.room, one.booking, one.ruleset) == ("orion", "uid-10:00", OLDER)
    assert [decision.kind for decision in one.recorded] == ["checked_in"]
    assert [decision.kind for decision in one.today] == ["checked_in"]
    assert one.recorded[0].at - one.today[0].at == pytest.approx(2.5 * MINUTE_MS, abs=MINUTE_MS)


def test_the_rules_change_at_a_boot_and_both_sides_are_compared_in_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By meaning before it, exactly after it; where the new rules began is found, also after a kill."""
    path = tmp_path / "ledger.db"
    day = Timeline(RADAR, PIR)
    day.book(booking("09:00", "10:00"), booking("10:00", "11:00"))
    day.until("09:02").show("radar")
    day.until("09:05:10")  # today's rules would have asked for a tick that the journal does not have
    store(history_of(day, OLDER), path, snapshot_every=len(day.log) * 2 // 3)
    for _ in changed(monkeypatch):
        with LedgerReader(path) as reader:
            # As the new program loads it: a snapshot of the old rules, the rest by its own.
            site, loaded = reader.site(), reader.site()
        after = Timeline(RADAR, PIR)
        after.site, after.now, after.log = site, day.now, []
        after.tell(Booted(day.now, same_machine_boot=True))
        after.tell(LinkUp(session_present=True))
        after.until("10:30")
        store(history_of(after, RULESET, loaded), path)
        verdict = run(path)
    assert [part.ruleset for part in verdict.parts] == [OLDER, RULESET]
    assert verdict.faults == []
    assert [(one.booking, one.at) for one in verdict.differences] == [("uid-09:00", at("09:02:30"))]
    with LedgerReader(path) as reader:
        assert [reign.seq for reign in reader.reigns()] == [0, len(day.log) + 1]


def test_a_kept_snapshot_ends_what_follows_from_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From it on things are as they were recorded: who was checked in is, and is given back by no rule."""
    whole, kept = tmp_path / "whole.db", tmp_path / "kept.db"
    day = Timeline(RADAR, PIR)
    day.book(booking("09:00", "10:00"))
    day.until("09:02").show("radar")
    day.until("09:04").clear("radar")  # long enough for the rules of then only
    snapshot_at = len(day.until("09:06").log)
    history = history_of(day.until("10:10"), OLDER)
    store(history, whole)
    store(history, kept, snapshot_every=snapshot_at)
    for _ in changed(monkeypatch):
        without, with_one = run(whole), run(kept)
    assert "release" in {d.kind for one in without.differences for d in one.today}
    assert [d.kind for one in with_one.differences for d in one.recorded] == ["checked_in"]
    assert [d.kind for one in with_one.differences for d in one.today] == []
    assert with_one.decisions == without.decisions


@pytest.mark.parametrize("cut", ["restarted", "unplugged", "set"])
def test_no_time_passes_while_the_gateway_was_away(tmp_path: Path, cut: str) -> None:
    """What it would have decided then it could not have: until a boot, a lost link or a clock that is set."""
    day = Timeline(RADAR, PIR)
    day.book(booking("09:00", "10:00"))
    day.until("09:05")
    if cut == "restarted":
        day.restart(until="09:25")
    elif cut == "unplugged":
        day.now = at("09:25")
        day.unplug()
        day.plug_in()
    else:
        day.set_clock("09:25")
    store(history_of(day.until("10:10"), OLDER), tmp_path / "ledger.db")
    verdict = run(tmp_path / "ledger.db")
    assert (verdict.differences, verdict.details) == ([], 0)


def never_releasing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rules under which no room is given back."""

    def objection(case: Case, weight: Weight) -> tuple[Weight, Reason] | None:
        return ("never", Reason("exempt_room")) if weight == "never" else first_objection(case, weight)

    with monkeypatch.context() as context:
        context.setattr(releases, "first_objection", objection)
        yield


def test_a_release_that_was_never_written_is_taken_for_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today's rules go on as if it had been: nothing waits for an answer, and nothing is tried twice."""
    path = tmp_path / "ledger.db"
    for _ in never_releasing(monkeypatch):
        day = Timeline(RADAR, PIR)
        day.book(booking("09:00", "10:00"))
        store(history_of(day.until("10:10"), OLDER), path)
    (one,) = run(path).differences
    assert [d.kind for d in one.recorded] == ["concluded"]
    assert [d.kind for d in one.today] == ["warned", "release", "released", "concluded"]
    assert one.today[2].at - one.today[1].at == ANSWERED_AFTER_MS


def test_a_booking_that_was_given_back_then_stays_where_today_would_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its absence from the calendar came of the recorded release: today it is over at its end."""
    path = tmp_path / "ledger.db"
    day = Timeline(RADAR, PIR)
    day.book(booking("09:00", "10:00"))
    day.until("09:12").book(removed=("uid-09:00",))
    store(history_of(day.until("10:10"), OLDER), path)
    for _ in never_releasing(monkeypatch):
        (one,) = run(path).differences
    assert [d.kind for d in one.recorded] == ["warned", "release", "released", "concluded"]
    assert [d.kind for d in one.today] == ["concluded"]
    assert one.today[0].at == at("10:00")


def test_the_recorded_outcome_goes_to_todays_write_of_the_same_booking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of writes differ, as one check-in is not written any more; a failed release still fails."""
    path = tmp_path / "ledger.db"
    day = Timeline(RADAR, PIR)
    day.applies = False
    day.book(booking("08:10", "08:25"), booking("09:00", "10:00"))
    day.until("08:12").show("radar")
    day.until("08:14").clear("radar")  # checked in by the rules of then
    day.until("09:10:20")
    (write,) = [d.write for d in day.decisions if d.write is not None and d.kind == "release"]
    day.tell(WriteOutcome("orion", write.id, "expired", "busy"))
    store(history_of(day.until("09:11"), OLDER), path)
    for _ in changed(monkeypatch):
        verdict = run(path)
    assert {one.booking for one in verdict.differences} == {"uid-08:10"}
    assert write.id == 2


def test_a_booking_whose_release_was_refused_goes_when_its_organizer_cancels_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its absence did not come of the recorded release: it ends there by today's rules too."""
    path = tmp_path / "ledger.db"
    day = Timeline(RADAR, PIR)
    day.applies = False
    day.book(booking("09:00", "10:00"))
    day.until("09:10:20")
    (write,) = [d.write for d in day.decisions if d.write is not None]
    day.tell(WriteOutcome("orion", write.id, "expired", "busy"))
    day.show("radar")
    day.until("09:30").book(removed=("uid-09:00",))
    store(history_of(day.until("10:10"), OLDER), path)
    for _ in never_releasing(monkeypatch):
        (one,) = run(path).differences
    assert "release" in {d.kind for d in one.recorded}
    assert "concluded" not in {d.kind for d in (*one.recorded, *one.today)}


def test_a_day_of_two_slots_is_no_empty_example() -> None:
    """The random days do hold decisions."""
    assert len(play(Script(("radar",), (Slot(30, 60),), ())).decisions) > 3
