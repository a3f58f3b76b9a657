"""The nearest counterfactual: nothing is told that was not run, and what is told gives the other decision."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from scenarios import SCRIPTED, SCRIPTS, Act, Script, Slot, play
from timeline import RADAR, Timeline, at
from told_evidence import TIMES, bundles_of, stored

from gateway.core.decisions import Reason
from gateway.core.events import Configured, Reading, Tick
from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS
from gateway.replay import alter
from gateway.replay.bundle import Bundle, key_hash, room_config, sealed
from gateway.replay.fate import Fate, History, Trial, fate_of
from gateway.replay.otherwise import SAME_MS, Change, Code, Otherwise, otherwise
from gateway.replay.otherwise_words import SENTENCES, caveat, headline, none_found, told

NAMED = (
    "breaker/many_at_once",
    "brief_visit/looked_in",
    "exempt/category",
    "exempt/long",
    "exempt/room",
    "no_show/ghost",
    "people/keep",
    "presence/sitting_still",
    "sensors/falls_silent",
    "shadow/would_be_released",
)
Bundles = Callable[[str], list[Bundle]]
Searched = Callable[[str], list[tuple[Bundle, Otherwise]]]


def differs(one: Fate, other: Fate) -> bool:
    """Whether these are two decisions: taken or not, at another time, or only recorded."""
    if one.taken is None or other.taken is None:
        return one.taken is not other.taken
    return one.taken.kind != other.taken.kind or other.taken.at > one.taken.at + SAME_MS


def assert_true(bundle: Bundle, found: Otherwise) -> None:
    """Each change that is told, run anew, gives another decision than the unaltered facts."""
    trial = Trial(bundle)
    assert not differs(trial.fate, trial.run(trial.history)) or not found.searched
    for change in found.changes:
        assert differs(trial.fate, Trial(bundle).run(change.history)), change.code


def sentences(bundle: Bundle, found: Otherwise) -> list[str]:
    """What is told, with times of that day."""
    clock = TIMES.on(bundle.booking.start).clock
    return [told(change, found, bundle.sensors, clock) for change in found.changes]


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMED)
def test_what_is_told_of_a_scenario_is_so(searched: Searched, name: str) -> None:
    """Something is found for each, and each of it holds when it is run."""
    for bundle, found in searched(name)[-1:]:
        assert found.searched
        assert found.changes
        assert_true(bundle, found)
        assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences(bundle, found))


@pytest.mark.thorough
@settings(SCRIPTED, max_examples=4)
@given(SCRIPTS)
def test_what_is_told_of_random_days_is_so(tmp_path_factory: pytest.TempPathFactory, script: Script) -> None:
    """Whatever happened: what is told gives the other decision, or nothing is told."""
    path = stored(tmp_path_factory.mktemp("day") / "ledger.db", play(script).given)
    for bundle in bundles_of(path):
        assert_true(bundle, otherwise(bundle))


def only(searched: Searched, name: str) -> tuple[Bundle, Otherwise]:
    """The evidence of the scenario's only booking, and what is found for it."""
    ((bundle, found),) = searched(name)
    return bundle, found


def test_a_ghost_would_have_been_kept_by_people(searched: Searched) -> None:
    """One sign puts it off, half a minute of presence or a person's word keeps it, and so does more grace."""
    bundle, found = only(searched, "no_show/ghost")
    said = sentences(bundle, found)
    assert said[0].startswith(
        "One sign of presence at orion-radar between 08:54:10 and 09:10:09 would have put it"
    )
    assert said[1].startswith("Presence at orion-radar for 31 s, beginning between 08:59:29 and 09:09:38,")
    assert said[1].endswith(" would have kept the room.")
    assert "A person's check-in at any time up to 09:10:09 would have kept the room." in said
    assert "With a grace of 50 min it would have been left alone." in said
    assert headline(found, TIMES.on(bundle.booking.start).clock).startswith(
        "The room was given back at 09:10:10."
    )
    assert str(found.runs) in caveat(found)


def test_the_edges_of_a_span_are_found_to_a_second(searched: Searched) -> None:
    """Every moment within makes the difference; two seconds before it, none does."""
    bundle, found = only(searched, "no_show/ghost")
    (sign,) = (change for change in found.changes if change.code == "sign")
    trial = Trial(bundle)
    (radar,) = bundle.sensors

    def makes_a_difference(moment: int) -> bool:
        return differs(trial.fate, trial.run(alter.with_more(trial.history, *alter.sign(radar, moment))))

    assert sign.since is not None
    assert sign.until is not None
    assert all(makes_a_difference(moment) for moment in range(sign.since, sign.until, 17 * SECOND_MS))
    assert not makes_a_difference(sign.since - 2 * SECOND_MS)


def test_the_grace_that_is_told_is_the_shortest_in_minutes(searched: Searched) -> None:
    """A minute less, and the room is given back after all."""
    bundle, found = only(searched, "no_show/ghost")
    (grace,) = (change for change in found.changes if change.code == "longer_grace")
    trial = Trial(bundle)
    assert grace.value is not None
    shorter = alter.with_policy(trial.history, "orion", grace_ms=grace.value - MINUTE_MS)
    assert trial.run(shorter).taken is not None


def test_the_grace_that_would_have_given_it_back_is_the_longest_in_minutes(tmp_path: Path) -> None:
    """They came after eight minutes: a minute more, and the room is left alone."""
    late = Act(38 * 60, "visit", 0, 600)
    path = stored(tmp_path / "ledger.db", play(Script(("radar",), (Slot(30, 60),), (late,))).given)
    (bundle,) = bundles_of(path)
    (grace,) = (change for change in otherwise(bundle).changes if change.code == "shorter_grace")
    trial = Trial(bundle)

    def taken_with(grace_ms: int) -> bool:
        return trial.run(alter.with_policy(trial.history, "orion", grace_ms=grace_ms)).taken is not None

    assert grace.value is not None
    assert MINUTE_MS < grace.value < 10 * MINUTE_MS
    assert taken_with(grace.value)
    assert not taken_with(grace.value + MINUTE_MS)


def test_no_fewer_lost_words_than_those_told_would_have_done(searched: Searched) -> None:
    """Of a ghost's only sensor: with one message less lost, the room is given back all the same."""
    bundle, found = only(searched, "no_show/ghost")
    (silence,) = (change for change in found.changes if change.code == "silence")
    trial = Trial(bundle)
    taken_at = trial.fate.taken_at
    assert silence.value is not None
    assert taken_at is not None
    for words in range(1, silence.value + 1):
        lost = alter.silent_since(trial.history, "orion-radar", words, taken_at)
        assert lost is not None
        assert differs(trial.fate, trial.run(lost[1])) == (words == silence.value)


def test_the_words_that_are_lost_are_a_sensors_last() -> None:
    """Those before the instant; with too few of them nothing is tried."""
    spoken = [(moment, Reading("radar", "alive", 1)) for moment in range(1, 6)]
    other = (3, Reading("pir", "alive", 1))
    history = History(b"", (*spoken[:3], other, *spoken[3:]))
    assert alter.silent_since(history, "radar", 2, before=5) == (
        3,
        History(b"", (*spoken[:2], other, spoken[4])),
    )
    assert alter.silent_since(history, "radar", 5, before=5) is None


def test_a_sensor_that_is_taken_for_well_goes_on_showing_what_it_showed() -> None:
    """It fell silent while it showed somebody: its missing heartbeats do not tell of an empty room."""
    day = Timeline(RADAR)
    day.until("09:00:30").show("radar")
    history = History(day.site.snapshot(), ((day.now, Tick()),))
    well = alter.healthy(history, [RADAR], day.now + 4 * MINUTE_MS)
    said = [fact for _, fact in well.facts if isinstance(fact, Reading)]
    assert said == [Reading("radar", "presence", 1)] * 3


def test_a_policy_that_was_configured_long_before_can_be_another(tmp_path: Path) -> None:
    """It stands where the facts begin, and in none of them."""
    slots = (Slot(15, 20), Slot(60, 60))
    path = stored(tmp_path / "ledger.db", play(Script(("radar",), slots, ())).given, every=20)
    bundle = next(one for one in bundles_of(path) if one.booking.key_sha256 == key_hash("b1"))
    assert not any(isinstance(fact, Configured) for _, fact in bundle.facts)
    found = otherwise(bundle)
    (grace,) = (change for change in found.changes if change.code == "longer_grace")
    assert found.as_it_was.taken is not None
    assert grace.value == 51 * MINUTE_MS  # less is left then than the ten minutes that must be


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        (
            "sensors/falls_silent",
            "healthy",
            "Had orion-radar been well and spoken in time, the room would",
        ),
        (
            "people/keep",
            "unsaid",
            "Had the person not said at 09:03 what they did, the room would",
        ),
        (
            "exempt/room",
            "not_exempt",
            "Had the room not been exempt, the room would have been",
        ),
        (
            "exempt/long",
            "exempt_length",
            "Had the policy left only bookings longer than 3 h 30 min",
        ),
        (
            "presence/sitting_still",
            "without_sign",
            "Had orion-radar not shown a sign of presence at 09:01,",
        ),
    ],
)
def test_what_kept_a_room_is_named(searched: Searched, name: str, code: Code, sentence: str) -> None:
    """The sensor that was silent, the person who spoke, the rule that left it alone, the sign."""
    bundle, found = only(searched, name)
    assert found.changes[0].code == code
    assert sentences(bundle, found)[0].startswith(sentence)


def test_the_breaker_is_named(searched: Searched) -> None:
    """A release that was withheld because other rooms fell silent would have come without that."""
    bundle, found = searched("breaker/many_at_once")[0]
    assert [change.code for change in found.changes] == ["breaker"]
    assert "so many rooms had not fallen silent together" in sentences(bundle, found)[0]


def test_two_sensors_that_would_have_done_are_told_together() -> None:
    """One sentence for both, where the same holds for both."""
    found = Otherwise(Fate(None), (), 7, searched=True, end=0, over=True)
    change = Change("sign", Fate(None), History(b"", ()), ("ceiling", "desk"), None, 600_000)
    assert told(change, found, (), TIMES.on(0).clock) == (
        "One count of somebody at ceiling or desk at any time up to 00:10 would have kept the room."
    )
    assert "None of the 7 changes" in none_found(found)


def test_facts_that_do_not_come_to_what_was_recorded_are_not_searched(bundles: Bundles) -> None:
    """Rules that have changed, or a forged decision: nothing is told that rests on them."""
    (bundle,) = bundles("no_show/ghost")
    kept = tuple(made for made in bundle.decisions if made.decision.kind not in ("release", "released"))
    found = otherwise(sealed(msgspec.structs.replace(bundle, decisions=kept)))
    assert (found.searched, found.changes) == (False, ())
    assert none_found(found).startswith("Not searched")


def test_a_release_that_did_not_happen_is_taken_as_carried_out_at_once(tmp_path: Path) -> None:
    """Whoever comes half an hour later would have found the room given back, and not withdrawn it."""
    visits = (Act(32 * 60, "visit", 0, 120), Act(62 * 60, "visit", 0, 600))
    path = stored(tmp_path / "ledger.db", play(Script(("radar",), (Slot(30, 60),), visits)).given)
    (bundle,) = bundles_of(path)
    found = otherwise(bundle)
    assert [(change.code, change.since) for change in found.changes[:1]] == [("without_sign", at("08:32"))]
    assert found.changes[0].then.taken_at == at("08:40")


def test_facts_that_span_weeks_are_not_searched(bundles: Bundles) -> None:
    """An altered instant must not make it count heartbeats for ever."""
    (bundle,) = bundles("no_show/ghost")
    facts = (*bundle.facts[:-1], (bundle.facts[-1][0] + 30 * DAY_MS, bundle.facts[-1][1]))
    assert not otherwise(sealed(msgspec.structs.replace(bundle, facts=facts))).searched


def test_every_change_has_its_sentence() -> None:
    """A new one cannot be told without words."""
    assert set(SENTENCES) == set(get_args(Code))


def test_a_release_that_was_withdrawn_is_none(bundles: Bundles) -> None:
    """What came of it counts, not that it was begun."""
    decisions = [made.decision for made in bundles("no_show/ghost")[0].decisions]
    begun = next(one for one in decisions if one.kind == "release")
    withdrawn = msgspec.structs.replace(begun, kind="withdrawn", write=None, reasons=(Reason("kept"),))
    assert fate_of([begun]).taken is begun
    assert fate_of([begun, withdrawn]).taken is None


def test_an_altered_history_leaves_the_recorded_one_alone(searched: Searched) -> None:
    """Facts are values: whatever was tried before, the same is found again."""
    bundle, first = only(searched, "brief_visit/looked_in")
    assert otherwise(bundle).changes == first.changes
    config = room_config(bundle.start, bundle.facts, "orion")
    assert config is not None
    assert config.policy == bundle.policy
