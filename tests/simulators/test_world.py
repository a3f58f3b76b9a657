"""The world: the whole service under virtual time, and the promises that must survive what befalls it."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.core import rules
from gateway.core.units import DAY_MS
from simulators.cli import app
from simulators.faults import IN_WORDS, KINDS, NAMES, Strike, chosen, schedule
from simulators.world.cast import begin, cast
from simulators.world.engine import Options
from simulators.world.exhaust import PLACES, exhaust, passes, struck
from simulators.world.judge import Figures, Violated
from simulators.world.run import LONG_RUN_YEARS, Outcome, Sum, plans_for, run_many, run_one
from simulators.world.shrink import command_of, shrink, smallest

BUSY = Options(seed=9, rooms=1, days=1)
"""A short day with two ghosts, meetings and a counter."""

STRIDES = {"write": 101, "answer": 97, "packet": 139}
"""In the everyday tests only each so-manieth place is struck; `make soak` strikes them all."""


def problems(outcome: Outcome) -> list[str]:
    """What must not have happened, in words."""
    found = [f"{v.invariant}: {v.what}" for v in outcome.violations]
    return found + [f"taken from people: {release}" for release in outcome.wrong]


# -- runs ---------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_without_faults_ghosts_are_given_back_and_every_promise_holds() -> None:
    """Two days in three rooms: nobody loses a room, and most of what could come back does."""
    outcome = run_one(Options(seed=5, rooms=3, days=2))
    assert problems(outcome) == []
    figures = outcome.figures
    assert figures.wrongly_released == 0
    assert figures.releases > 0
    assert figures.returned_hours > figures.recoverable_hours / 2


def test_with_every_fault_every_promise_holds() -> None:
    """Two rooms for a day in which anything may fail, and then heals."""
    outcome = run_one(Options(seed=100, rooms=2, days=1, faults=chosen("all")))
    assert problems(outcome) == []
    assert outcome.bitten, "no fault made a difference"


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(101, 105))
def test_with_every_fault_every_promise_holds_for_days(seed: int) -> None:
    """The same for two days in three rooms."""
    outcome = run_one(Options(seed=seed, rooms=3, days=2, faults=chosen("all")))
    assert problems(outcome) == []
    assert outcome.bitten, "no fault made a difference"


def test_plans_make_up_what_was_asked_for() -> None:
    """Whole weeks, one seed each, and a shorter last run."""
    plans = list(plans_for(0.2, 50, chosen("none"), rooms=4))
    assert [plan.seed for plan in plans] == [50, 51, 52]
    assert [plan.days for plan in plans] == [7, 7, 4]


@pytest.mark.thorough
@pytest.mark.parametrize("rooms", [1, 12, 16, 40])
def test_a_world_has_as_many_rooms_as_it_counts(rooms: int) -> None:
    """A room-year is of a room that was there: each with a name, devices and bookings of its own."""
    plan = cast(7, rooms, 7, begin(7, 7, frozenset()))
    assert len({room.id for room in plan.rooms}) == rooms
    assert all(room.devices and room.bookings for room in plan.rooms)


def test_a_gateway_that_releases_on_half_a_proof_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The world can fail: without the rule that vacancy must be proven for long enough, W1 does not hold."""
    weaker = tuple((w, r) for w, r in rules.RELEASE_RULES if r is not rules.vacant_long_enough)
    monkeypatch.setattr(rules, "RELEASE_RULES", weaker)
    outcome = run_one(Options(seed=5, rooms=3, days=1))
    assert "W1" in {violated.invariant for violated in outcome.violations}


@pytest.mark.thorough
def test_nothing_is_called_wrong_that_was_right_and_nothing_right_that_was_wrong() -> None:
    """Releases with people inside count as wrong unless a fault that nobody can notice explains them."""
    kinds = frozenset(kind.name for kind in KINDS if not kind.detectable)
    total = run_many([Options(seed, 3, 2, kinds) for seed in (300, 301)])
    figures = total.figures
    assert figures.wrongly_released >= figures.wrongly_released_undetectable
    assert total.failing == []


# -- one seed, one history ----------------------------------------------------------------------------

SCRIPT = """
from simulators.faults import chosen
from simulators.world.run import Options, run_one
print(run_one(Options(seed=11, rooms=2, days=1, faults=chosen("all"))).digest)
"""


@pytest.mark.thorough
def test_one_seed_gives_the_same_bytes_under_any_hash_seed_zone_and_locale() -> None:
    """Journal, decisions and outbox are the same in three processes that differ in all of these."""
    surroundings = (
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8"},
        {"PYTHONHASHSEED": "77", "TZ": "America/St_Johns", "LANG": "tr_TR.UTF-8"},
    )
    digests = set()
    for variables in surroundings:
        done = subprocess.run(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == 64


# -- one fault at every place -------------------------------------------------------------------------


@functools.cache
def clean() -> Outcome:
    """The busy day without a fault: it tells how often each place is passed, whichever is struck then."""
    return run_one(BUSY)


def run(options: Options) -> Outcome:
    """A run of its own, but for the clean one."""
    return clean() if options == BUSY else run_one(options)


@pytest.mark.thorough
@pytest.mark.parametrize("place", PLACES)
def test_a_fault_at_any_single_place_breaks_no_promise(place: str) -> None:
    """The n-th write, answer or packet fails, or the process dies at a labelled point: a sample of all n."""
    stride = STRIDES.get(place, 149)
    tries = list(exhaust(place, BUSY, every=stride, run=run))
    assert tries, "there is no such place in a whole day"
    assert {one.number: found for one in tries if (found := problems(one.outcome))} == {}


@pytest.mark.soak
@pytest.mark.parametrize("place", PLACES)
def test_a_fault_at_every_single_place_breaks_no_promise(place: str) -> None:
    """The same at each of them: the first, the second, and so on until a run has no more."""
    tries = exhaust(place, BUSY, run=run)
    assert {one.number: found for one in tries if (found := problems(one.outcome))} == {}


def test_a_place_that_is_struck_makes_a_difference() -> None:
    """Killed at a commit, the gateway has died once and has still done its job."""
    number = passes("after_commit", clean()) // 2
    outcome = run_one(struck(BUSY, "after_commit", number))
    assert (clean().figures.deaths, outcome.figures.deaths) == (0, 1)
    assert outcome.figures.releases > 0


# -- faults -------------------------------------------------------------------------------------------


def test_each_kind_of_fault_says_what_it_does() -> None:
    """One sentence each, in the order of the table."""
    assert list(IN_WORDS) == list(NAMES)
    assert all(words.endswith(".") for words in IN_WORDS.values())


def test_other_kinds_of_faults_move_no_strike() -> None:
    """Each kind draws from a stream of its own, so that a list of kinds can be shortened in the search."""
    days = [(0, 10 * DAY_MS)]
    rooms = ["orion", "vega"]
    everything = schedule(3, NAMES, rooms, (), days)
    alone = schedule(3, ["killed"], rooms, (), days)
    assert alone
    assert [s._replace(number=0) for s in everything if s.kind == "killed"] == [
        s._replace(number=0) for s in alone
    ]


def test_a_fault_that_never_struck_fails_a_long_run_and_no_short_one() -> None:
    """Coverage is part of the result: a fault that is asked for and never comes would prove nothing."""
    total = Sum(4, 7, chosen("killed,disk_full"))
    total.figures.faults_struck = {"killed": 3}
    total.figures.room_years = LONG_RUN_YEARS / 2
    assert not total.failed
    total.figures.room_years = LONG_RUN_YEARS
    assert total.never_struck == ["disk_full"]
    assert total.failed


def test_special_days_are_met_only_where_they_are_asked_for() -> None:
    """Among two hundred seeds both kinds of days are met; without them every run begins on a Monday."""
    specials = {begin(seed, 7, chosen("all")).special for seed in range(200)}
    assert specials == {"", "summer_time_change", "leap_day"}
    assert all(begin(seed, 7, frozenset()).first // DAY_MS % 7 == 4 for seed in range(50))


# -- making small -------------------------------------------------------------------------------------


def test_the_smallest_set_that_still_fails_is_found() -> None:
    """Of forty strikes the two that are needed together remain, in far fewer tries than there are pairs."""
    tries = 0

    def fails(numbers: tuple[int, ...]) -> bool:
        nonlocal tries
        tries += 1
        return {7, 31} <= set(numbers)

    assert smallest(tuple(range(40)), fails) == (7, 31)
    assert tries < 60


def test_a_failing_run_is_made_small_and_told_as_one_command() -> None:
    """Only strikes without which it no longer fails in the same way are left, and the command names them."""
    options = Options(seed=12, rooms=2, days=3, faults=chosen("killed,disk_full"))
    strikes = [Strike(number, "killed", 0, 0) for number in range(12)]

    def run(tried: Options) -> Outcome:
        numbers = {s.number for s in strikes} if tried.only is None else set(tried.only)
        broken = [Violated("L3", 0, "a row never ended")] if {2, 9} <= numbers else []
        other = [Violated("W5", 0, "something else")] if 3 in numbers else []
        return Outcome(12, Figures(), broken + other, [], strikes, bitten=[2, 4, 9])

    found = shrink(options, Outcome(12, Figures(), [Violated("L3", 0, "")], [], strikes, [2, 4, 9]), run=run)
    assert found.only == (2, 9)
    expected = "occupancy-simulator world --seed 12 --rooms 2 --days 3 --faults killed,disk_full --only 2,9"
    assert command_of(found) == expected


def test_a_run_that_fails_without_any_fault_says_so() -> None:
    """Nothing is searched for then."""
    options = Options(seed=1, rooms=1, days=1, faults=chosen("all"))
    failing = Outcome(1, Figures(), [Violated("W1", 0, "")], [], [Strike(0, "killed", 0, 0)], [0])
    found = shrink(options, failing, run=lambda _: failing)
    assert found.only == ()
    assert command_of(found).endswith("--faults all --only none")


# -- the command --------------------------------------------------------------------------------------

KEYS = {
    "seeds",
    "room_years",
    "wrongly_released",
    "invariant_violations",
    "faults_struck",
    "releases",
    "withheld",
    "recoverable_hours",
    "returned_hours",
    "causes",
    "seconds",
}


def test_the_command_shows_what_it_came_to_and_writes_it_as_json(tmp_path: Path) -> None:
    """One run of one day: a table of figures and of the faults that struck, and every key in the file."""
    file = tmp_path / "world.json"
    arguments = ["world", "--seed", "9", "--days", "1", "--rooms", "1", "--faults", "restarted,killed"]
    result = CliRunner().invoke(app, [*arguments, "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "hours given back" in result.output
    assert "restarted" in result.output
    figures = json.loads(file.read_text())
    assert set(figures) >= KEYS
    assert figures["seeds"] == [9]
    assert figures["wrongly_released"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--faults", "gremlins"], "no such fault: gremlins"),
        (["--only", "3"], "--days"),
        (["--days", "1", "--only", "three"], "--only"),
    ],
)
def test_wrong_wishes_are_refused_with_a_reason(arguments: list[str], words: str) -> None:
    """Exit code 2, and what is wrong in words."""
    result = CliRunner().invoke(app, ["world", *arguments])
    assert result.exit_code == 2
    assert words in result.output
