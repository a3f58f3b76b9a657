"""Reports speak to people: every code has its words, and each form has the same figures."""

import csv
import inspect
import io
import json
import re
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from gateway.core import evidence, occupancy, room, rules, tally
from gateway.core.decisions import Decision, Outcome, Reason, Tally
from gateway.core.explain import SENTENCES
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from gateway.reports import (
    CAUSES,
    OUTCOMES,
    Report,
    as_csv,
    as_json,
    as_table,
    cause_of,
    cause_words,
    hours,
    rooms_report,
)
from gateway.reports.causes import GROUPS
from gateway.shown.outcome import outcome_sentence

BERLIN = ZoneInfo("Europe/Berlin")
START = 20_700 * DAY_MS


def test_every_outcome_has_its_words() -> None:
    """A new outcome cannot be forgotten here."""
    assert set(OUTCOMES) == set(get_args(Outcome))


def test_every_reason_that_can_withhold_a_release_has_its_words() -> None:
    """Taken from the sources of the core's rules and of what they ask; exemptions by mark included."""
    given: set[str] = {"exempt_organizer", "exempt_category", "shadow", "grace", "not_proven_in_time"}
    for module in (rules, occupancy, room):
        given |= set(re.findall(r'Reason\(\s*"([a-z_]+)"', inspect.getsource(module)))
    source = inspect.getsource(evidence)
    given |= set(re.findall(r'\("([a-z_]+)", (?:not )?(?:profile|bridge|state)', source))
    given |= set(re.findall(r'return "([a-z_]+)"', source)) | {"overdue", "never_heard"}
    only_waiting = {"not_due", "warning_first", "warning_runs"}
    assert "battery_dead" in given
    assert "calendar_stale" in given
    assert given - only_waiting <= set(CAUSES)


def test_every_cause_is_a_code_of_the_core_and_belongs_to_a_group() -> None:
    """No words for what cannot happen."""
    tallied = set(re.findall(r'"([a-z_]+)"', inspect.getsource(tally)))
    assert set(CAUSES) <= set(SENTENCES) | tallied
    assert {cause.group for cause in CAUSES.values()} <= set(GROUPS)


def test_a_code_of_another_version_speaks_for_itself() -> None:
    """A ledger outlives many versions; an unknown code must not end the report."""
    assert cause_of("moon_too_bright lamp") == ("other", "moon too bright")
    assert cause_of("").words == "no cause is recorded"


def test_a_cause_names_its_sensor_where_one_booking_is_explained() -> None:
    """The report leaves it out, the explanation does not."""
    assert cause_words("overdue orion-radar") == "a sensor was silent (orion-radar)"


@pytest.mark.parametrize("outcome", get_args(Outcome))
@pytest.mark.parametrize("live", [True, False])
def test_every_outcome_closes_with_a_sentence(outcome: Outcome, live: bool) -> None:
    """Whatever came of a booking, it can be told."""
    own = Tally(outcome, booked_ms=HOUR_MS, ghost_ms=HOUR_MS, returned_ms=30 * MINUTE_MS)
    sentence = outcome_sentence(own, live=live)
    assert re.fullmatch(r"[A-Z].*\.", sentence)
    assert ("came free" in sentence) == (
        outcome in ("no_show_released", "brief_visit_released") or (outcome == "ended_early" and live)
    )


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (0, "\N{EN DASH}"),
        (3 * MINUTE_MS, "0.1"),
        (15 * MINUTE_MS, "0.3"),
        (HOUR_MS, "1.0"),
        (100 * HOUR_MS, "100.0"),
    ],
)
def test_hours_are_rounded_as_people_round(duration: int, words: str) -> None:
    """A quarter of an hour is 0.3, not the nearest even tenth."""
    assert hours(duration) == words


def test_all_forms_of_a_report_have_the_same_figures() -> None:
    """Table, CSV and JSON of one ghost of which 45 of 60 min came back."""
    own = Tally("no_show_released", HOUR_MS, 0, 45 * MINUTE_MS, 0, HOUR_MS, "grace")
    over = Decision("concluded", "orion", START + HOUR_MS, "uid", live=True, tally=own)
    report = rooms_report([over], START, START + DAY_MS, BERLIN)

    table = as_table(report, {"orion": "Orion"})
    assert table.rows == [("Orion", "1", "1.0", hours(0), "1.0", "0.8", hours(0), hours(0))]
    assert table.outcomes == [("nobody came, given back", 1)]
    assert table.causes == [("waiting until it was sure: grace, warning and proof", "0.3")]

    row = next(csv.DictReader(io.StringIO(as_csv(report))))
    assert row["returned_hours"] == "0.75"
    assert row["unreturned_grace_hours"] == "0.25"
    assert row["outcome_no_show_released"] == "1"

    text = json.dumps(as_json(report, BERLIN))
    assert '"released": 1,' in text
    told = json.loads(text)
    assert told["since"].endswith("+02:00")
    assert told["rooms"][0]["returned_hours"] == 0.75
    assert told["total"]["unreturned"][0]["hours"] == 0.25
    assert "room" not in told["total"]


def releases(*wrong: str) -> Report:
    """Three releases, of which some bookings were reported as wrong, said by one person or by two."""
    made = [Decision("released", "orion", START + HOUR_MS, key) for key in ("a", "b", "c")]
    said = [Decision("wrong_release", "orion", START + HOUR_MS, key) for key in wrong]
    return rooms_report([*made, *said], START, START + DAY_MS, BERLIN, ("lyra", "orion"))


@pytest.mark.parametrize(
    ("wrong", "words", "rate"),
    [
        ((), "0 of 3 (0 %)", 0.0),
        (("a",), "1 of 3 (33 %)", 0.3333),
        (("a", "a", "b"), "2 of 3 (67 %)", 0.6667),
    ],
)
def test_wrong_releases_are_a_figure_of_their_own(wrong: tuple[str, ...], words: str, rate: float) -> None:
    """Per room and for the site, in all three forms; the same booking reported twice is one mistake."""
    report = releases(*wrong)
    table = as_table(report, {})
    assert table.headers[-1] == "Wrong"
    assert [row[-1] for row in table.rows] == [hours(0), words]
    assert table.total[-1] == words
    told = as_json(report, BERLIN)
    assert [room["wrong_release_rate"] for room in told["rooms"]] == [None, rate]
    assert told["total"]["wrong_releases"] == len(set(wrong))
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert [row["wrong_release_rate"] for row in rows] == ["", f"{rate:.4f}"]
    assert [row["given_back"] for row in rows] == ["0", "3"]


def test_a_wrong_release_from_before_the_period_makes_no_rate_above_one() -> None:
    """It was made before the full hour at which the report begins, and reported after it."""
    made = Decision("released", "orion", START - 1, "a")
    said = Decision("wrong_release", "orion", START + HOUR_MS, "a")
    total = rooms_report([made, said], START, START + DAY_MS, BERLIN).total
    assert total.wrong_release_rate == 1.0
    assert total.given_back == 0, "it belongs to the period in which it was made"


def test_series_that_nobody_comes_to_are_named_with_what_ending_them_returns() -> None:
    """By time, with the occurrence that `explain` knows, to the day and no finer."""
    reasons = (Reason("ghosts_in_a_row", value=3), Reason("series_booked", value=3 * HOUR_MS))
    seen = [
        Decision("series_reported", room, START + late * HOUR_MS, f"uid-{room}", reasons=reasons)
        for room, late in (("orion", 5), ("lyra", 4), ("vega", -1))
    ]
    report = rooms_report(seen, START, START + DAY_MS, BERLIN)
    assert [(one.room, one.ghosts) for one in report.series] == [("lyra", 3), ("orion", 3)]
    assert as_table(report, {"orion": "Orion"}).series[1] == ("Orion", "uid-orion", "3", "3.0")
    assert as_json(report, BERLIN)["series"][0] == {
        "room": "lyra",
        "booking": "uid-lyra",
        "ghosts_in_a_row": 3,
        "booked_hours": 3.0,
        "reported_on": "2026-09-04",
    }


def test_causes_with_the_same_words_are_added_up_for_people() -> None:
    """Two codes for one thing are one line."""
    decisions = [
        Decision(
            "concluded",
            "orion",
            START + HOUR_MS,
            cause,
            tally=Tally("withheld", HOUR_MS, ghost_ms=HOUR_MS, cause=cause),
        )
        for cause in ("within_hold", "shown_within_hold radar")
    ]
    table = as_table(rooms_report(decisions, START, START + DAY_MS, BERLIN), {})
    assert table.causes == [("the room was still held for the people before", "2.0")]
