"""Every timeline below this folder holds against the real service, and the language says what is wrong."""

import re
from pathlib import Path

import pytest

from gateway.core.rules import RELEASE_RULES
from simulators.scenario.catalogue import PAGE, fresh, timelines
from simulators.scenario.errors import ScenarioError, TimelineError, UnknownNameError
from simulators.scenario.expectations import EXPECTATIONS
from simulators.scenario.gateway import Gateway
from simulators.scenario.happenings import HAPPENINGS
from simulators.scenario.timeline import SUFFIX, check, parse, read, run

HERE = Path(__file__).parent
TIMELINES = timelines(HERE)
GHOST = """# Nobody came: the room is given back.
room orion: radar
book orion 09:00-10:00 by ana
09:11 expect orion 09:00 released at 09:10
"""


def name_of(path: Path) -> str:
    """A timeline as the catalogue names it."""
    return str(path.relative_to(HERE)).removesuffix(SUFFIX)


# -- the rules ------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("path", TIMELINES, ids=name_of)
def test_timeline(path: Path) -> None:
    """What its first line says is so, against the real service in virtual time."""
    check(path)


def test_no_two_timelines_tell_the_same_rule() -> None:
    """Each has a sentence of its own, short enough for the catalogue, with a full stop."""
    rules = [read(path).rule for path in TIMELINES]
    assert len(set(rules)) == len(rules)
    assert [rule for rule in rules if not rule.endswith(".") or len(rule) > 125] == []


TOLD = {
    "kept": "kept",
    "room_exempt": "exempt_room",
    "all_day": "exempt_all_day",
    "too_long": "exempt_length",
    "marked": "exempt_organizer",
    "own_booking": "exempt_own_booking",
    "never_twice": "released_before",
    "too_short": "too_short",
    "both_kinds_prove": "no_second_kind",
    "history_supports": "no_history",
    "hearing": "not_hearing",
    "calendar_fresh": "calendar_stale",
    "not_overlapped": "overlaps_attended",
    "lone_prover_alive": "maybe_stuck_off",
    "nothing_shown": "overdue",
    "time_left": "too_little_left",
    "not_retrying": "write_failed",
    "room_paused": "paused",
    "breaker_closed": "breaker_open",
    "due_reached": "not released",
    "vacant_long_enough": "vacancy_too_young",
    "warned": "warned",
}


def test_every_release_rule_has_its_timeline() -> None:
    """A rule that is added needs an example that people can read."""
    assert {rule.__name__ for _, rule in RELEASE_RULES} == set(TOLD)
    texts = [path.read_text(encoding="utf-8") for path in TIMELINES]
    assert [
        code for code in TOLD.values() if not any(re.search(rf"\b{code}\b", text) for text in texts)
    ] == []


def test_every_form_of_the_language_is_used_by_a_timeline() -> None:
    """What the language can say is tried out, so it works."""
    used = {line.form.syntax for path in TIMELINES for line in read(path).lines}
    assert {form.syntax for form in (*HAPPENINGS, *EXPECTATIONS)} - used == set()


# -- the page -------------------------------------------------------------------------------------------


def test_the_page_about_scenarios_is_fresh() -> None:
    """Forms, words and the catalogue of rules are what the code and the timelines say today."""
    page = PAGE.read_text(encoding="utf-8")
    assert fresh(page) == page, "stale: run `make docs`"
    assert page.count("<!-- catalogue: ") == 3
    assert all(f"`{path.name.removesuffix(SUFFIX)}`" in page for path in TIMELINES)


def test_the_timeline_on_the_page_holds() -> None:
    """Whoever copies the example has one that passes."""
    (example,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert run(parse(example)).problem == ""


def test_the_python_on_the_page_holds(gateway: Gateway) -> None:
    """So has whoever prefers Python."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    assert callable(test)
    test(gateway)


# -- what is wrong with a timeline ----------------------------------------------------------------------


def problem_of(text: str) -> str:
    """What is wrong with a timeline that cannot be read or followed: line and words."""
    with pytest.raises(TimelineError) as caught:
        run(parse(text, "my.timeline"))
    assert str(caught.value).startswith(f"my.timeline:{caught.value.line}: ")
    return f"{caught.value.line}: {caught.value.problem}"


EXPECT = "09:11 expect"
ALL = "orion 09:00 released at 09:10"
MISTAKES = {
    "word": ("09:00 released", "09:00 relesed", '4: this says nothing that is known: "expect orion'),
    "word, meant": ("09:00 released", "09:00 relesed", 'did you mean "expect ROOM WHEN [not] released'),
    "verb": ("book orion", "bok orion", 'did you mean "book ROOM SPAN by WHO'),
    "nonsense": (EXPECT, "09:00 lunch\n09:11 expect", "docs/scenarios.md shows all that can be said"),
    "sensor kind": ("radar", "rader", '2: there is no kind of sensor "rader"; did you mean "radar"?'),
    "strange sensor kind": ("radar", "sonar", '2: there is no kind of sensor "sonar"'),
    "room": ("expect orion 09", "expect lyra 09", '4: there is no room "lyra"; there are: orion'),
    "no room at all": ("room orion: radar\n", "", '2: there is no room "orion"; there is none yet'),
    "late room": (
        EXPECT,
        f"09:00 room lyra: radar\n{EXPECT}",
        '4: the room "lyra" must be there from the beg',
    ),
    "booking": ("09:00 released", "09:30 released", '4: there is no booking "orion 09:30"; '),
    "no time": (EXPECT, "expect", '4: expected a time before it: "09:00 expect orion'),
    "needless time": (
        EXPECT,
        f"09:00 begins 08:00\n{EXPECT}",
        "4: this has no time before it: ",
    ),
    "backwards": (
        EXPECT,
        f"09:12 ana enters orion\n{EXPECT}",
        "5: 09:11 is before 09:12: time does not run back",
    ),
    "time of day": (EXPECT, "25:11 expect", '4: "25:11" is no time of day'),
    "span": ("09:00-10:00", "10:00-09:00", '3: "10:00-09:00" ends before it starts'),
    "part": ("radar", "radar; parts lyra and vega", '2: there is no room "lyra"; there is none yet'),
    "time before a day": (EXPECT, f"09:00 the next day\n{EXPECT}", "4: this has no time before it: "),
    "date": ("book", "holiday 2026-13-28\nbook", '3: "2026-13-28" is no date'),
    "option": ("radar", "radar; alive", '2: a room cannot be "alive"; did you mean "live"?'),
    "sensor setting": ("radar", "radar (heartbeet 1m)", 'did you mean "heartbeat"?'),
    "policy setting": (
        "book",
        "policy grase 5m\nbook",
        '3: there is no policy setting "grase"; did you mean "gr',
    ),
    "policy without value": ("book", "policy grace\nbook", '3: "grace" is no setting and its value'),
    "policy value": ("book", "policy grace soon\nbook", "the gateway would not start with these settings"),
    "reason code": (
        ALL,
        "orion 09:00 withheld because overdu",
        'there is no reason code "overdu"; did you mean "ov',
    ),
    "outcome": (
        ALL,
        "orion 09:00 came to atended",
        'there is no outcome "atended"; did you mean "attended"?',
    ),
    "decision": (
        ALL,
        "1 relase decisions in orion",
        'there is no kind of decision "relase"; did you mean "rel',
    ),
    "absent person": (EXPECT, f"09:00 ana leaves orion\n{EXPECT}", "4: ana is not in orion"),
    "sensor": (EXPECT, f"09:00 orion-rada sticks on\n{EXPECT}", 'did you mean "orion-radar"?'),
    "battery": (EXPECT, f"09:00 orion-radar reports battery 5%\n{EXPECT}", "4: orion-radar has no battery"),
    "running": (EXPECT, f"09:00 gateway starts again\n{EXPECT}", "4: the gateway runs already"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_was_probably_meant(mistake: str) -> None:
    """Whoever mistypes a word, a name or a time learns where, and what to write instead."""
    old, new, problem = MISTAKES[mistake]
    assert old in GHOST
    assert problem in problem_of(GHOST.replace(old, new))


def test_a_timeline_must_say_its_rule_first() -> None:
    """The first line is what the catalogue shows."""
    assert problem_of(GHOST.partition("\n")[2]).startswith("1: expected a first line that says the rule")
    assert problem_of("").startswith("1: expected a first line")


def test_a_timeline_must_expect_something() -> None:
    """One that expects nothing would always pass."""
    assert problem_of(GHOST.replace("09:11 expect orion 09:00 released at 09:10", "")).startswith(
        '4: expected at least one line that begins with "expect"'
    )


def test_remarks_and_empty_lines_say_nothing() -> None:
    """A reader may be helped at any place."""
    text = GHOST.replace("book orion", "\n# Ana books.\nbook orion").replace(
        " by ana", " by ana  # as always"
    )
    assert run(parse(text)).passed


# -- what does not hold ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expectation", "instead"),
    [
        ("orion 09:00 released at 09:09", "but that was at 09:10:10"),
        ("orion 09:00 not released", "but it is released"),
        ("orion 09:00 checked in", "but it is released"),
        ("orion 09:00 withheld", "but it is released"),
        (
            "orion 09:00 left alone because kept",
            "but the rule that leaves it alone is released_before; it is rel",
        ),
        ("orion 09:00 open", "but it is released"),
        ("orion 09:00 attended", "but it is released"),
        ('orion 09:00 explained "by a person"', "but explain does not say so"),
        ("2 release decisions about orion 09:00", "but there are 1"),
        ("orion occupied", "but it is vacant"),
        ("orion shadow", "but it is live"),
        ("Exchange shows orion 09:00 accepted", "but it is not in the room's calendar"),
        ("Exchange shows orion hold 09:20-10:00", "but there is no hold"),
        ("Exchange shows orion 09:00 until 09:30", "but it is not in the room's calendar"),
        ('ana told "thank you"', "but ana@contoso.com was told: Nobody was seen in"),
        ("0 declines to ana", "but there are 1"),
        ('orion-radar ill "silent"', "but it is healthy"),
        ('status says "on fire"', "but it says {"),
        ('log says "on fire"', "but no line says so; the grave ones are: none"),
        ('answer says "yes"', "but the answer was: none"),
    ],
)
def test_an_expectation_that_does_not_hold_says_what_is_the_case(expectation: str, instead: str) -> None:
    """Each kind of expectation can fail, and then tells what is so instead and shows the whole story."""
    text = GHOST.replace("book", "begins 08:55\nbook")
    text = text.replace("expect orion 09:00 released at 09:10", f"expect {expectation}")
    result = run(parse(text, "my.timeline"))
    assert not result.passed
    assert result.line == 5
    first, second, *rest = result.problem.splitlines()
    assert first == f"my.timeline:5: 09:11 expect {expectation}"
    assert second.startswith(instead)
    assert f">   5 | 09:11 expect {expectation}" in rest
    assert any("The room has been given back" in line for line in rest)


@pytest.mark.parametrize(
    ("path", "true", "false"),
    [
        ("no_show/ghost", "released at 09:10", "released at 09:09"),
        ("presence/checked_in_by_radar", "checked in at 09:02:30", "checked in at 09:02:29"),
        ("sensors/falls_silent", "because overdue", "because offline"),
        ("exchange/lost_answer", "1 declines", "2 declines"),
        ("handover/a_minute_over", "not seen", "seen"),
    ],
)
def test_a_timeline_with_a_false_expectation_fails(path: str, true: str, false: str) -> None:
    """The timelines are no mere stories: told wrongly, they do not hold."""
    text = (HERE / f"{path}{SUFFIX}").read_text(encoding="utf-8")
    assert true in text
    assert not run(parse(text.replace(true, false))).passed


# -- as Python ------------------------------------------------------------------------------------------


def test_a_name_that_is_not_there_is_told_with_the_one_that_is_meant(gateway: Gateway) -> None:
    """Whoever writes Python gets the same help."""
    gateway.room("orion")
    gateway.book("orion", "09:00-10:00")
    with pytest.raises(UnknownNameError, match='there is no room "orio"; did you mean "orion"'):
        gateway.enter("ana", "orio")
    gateway.at("09:05")
    with pytest.raises(ScenarioError, match="it is 09:05 already, 09:00 is over"):
        gateway.at("09:00")
    with pytest.raises(ScenarioError, match="ana is not in orion"):
        gateway.leave("ana", "orion")


def test_a_booking_of_another_day_is_named_with_its_date(gateway: Gateway) -> None:
    """Whoever has gone on to the next day learns that the booking was yesterday's."""
    gateway.room("orion")
    gateway.book("orion", "09:00-10:00")
    gateway.later()
    with pytest.raises(UnknownNameError, match=r"orion 09:00-10:00 \(2026-09-28\)"):
        gateway.released("orion", "09:00")


def test_a_scenario_needs_a_room(gateway: Gateway) -> None:
    """An empty site would hold every expectation."""
    with pytest.raises(ScenarioError, match="a scenario needs a room"):
        gateway.at("09:00")


async def test_a_coroutine_cannot_drive_a_scenario(gateway: Gateway) -> None:
    """It has an event loop of its own, and says so."""
    gateway.room("orion")
    with pytest.raises(ScenarioError, match="a scenario is plain code"):
        gateway.at("09:00")
