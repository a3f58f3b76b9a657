"""Every booked hour of a period is accounted for, with figures that were worked out by hand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.decisions import Decision, Outcome, Reason, Tally, Write
from gateway.core.units import HOUR_MS, MINUTE_MS, Instant
from gateway.reports import Report, RoomReport, rooms_report
from gateway.reports.rooms import RuleReport, whole_hours
from gateway.reports.text import as_json, as_table

BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")
MIDNIGHT = int(datetime(2026, 9, 21, tzinfo=UTC).timestamp() * 1000)
MINUTES_60 = 60 * MINUTE_MS


def at(clock: str) -> Instant:
    """A time of the test day, in UTC."""
    hours, minutes = map(int, clock.split(":"))
    return MIDNIGHT + hours * HOUR_MS + minutes * MINUTE_MS


def over(
    end: str, outcome: Outcome, *, room: str = "orion", key: str = "uid", live: bool = True, **minutes: int
) -> Decision:
    """A booking of an hour that is over; what it came to in minutes."""
    figures = {f"{name}_ms": value * MINUTE_MS for name, value in ({"booked": 60} | minutes).items()}
    tally = msgspec.structs.replace(Tally(outcome), **figures)
    return Decision("concluded", room, at(end), key, live, tally=tally)


def because(decision: Decision, cause: str) -> Decision:
    """The same with a cause."""
    tally = decision.tally
    assert tally is not None
    return msgspec.structs.replace(decision, tally=msgspec.structs.replace(tally, cause=cause))


def occupancy(clock: str, status: str, *why: Reason) -> Decision:
    """The room's occupancy changed."""
    return Decision("occupancy", "orion", at(clock), reasons=(Reason(status), *why))


def of_day(*decisions: Decision, until: str = "18:00") -> RoomReport:
    """The site's totals of the day."""
    return rooms_report(decisions, at("06:00"), at(until), UTC).total


def minutes(report: RoomReport, name: str) -> float:
    """A figure in minutes."""
    return float(getattr(report, name)) / MINUTE_MS


# -- bookings -----------------------------------------------------------------------------------------


def test_a_ghost_that_was_released_splits_into_returned_and_grace() -> None:
    """60 min booked, 48 given back: 12 min went by until it was sure."""
    total = of_day(because(over("10:00", "no_show_released", returned=48, ghost=60), "grace"))
    assert minutes(total, "ghost_ms") == 60
    assert minutes(total, "returned_ms") == 48
    assert total.unreturned_ms == {"grace": 12 * MINUTE_MS}
    assert total.released == 1


def test_a_ghost_in_shadow_splits_into_shadow_and_grace() -> None:
    """A live room would have given back 48 of 60 min; the other 12 it would not have either."""
    shadowed = because(over("10:00", "no_show_kept", live=False, would_return=48, ghost=60), "shadow")
    total = of_day(shadowed)
    assert minutes(total, "returned_ms") == 0
    assert minutes(total, "would_return_ms") == 48
    assert total.unreturned_ms == {"shadow": 48 * MINUTE_MS, "grace": 12 * MINUTE_MS}
    assert (total.released, total.would_be_released) == (0, 1)


def test_a_withheld_ghost_is_counted_under_its_cause_without_the_sensors_name() -> None:
    """The report tells of causes; which sensor it was, `status` and `explain` tell."""
    first = because(over("10:00", "withheld", ghost=60), "overdue radar")
    second = because(over("11:00", "withheld", ghost=60, key="other"), "overdue pir")
    assert of_day(first, second).unreturned_ms == {"overdue": 120 * MINUTE_MS}


def test_a_ghost_without_a_recorded_cause_was_not_proven_in_time() -> None:
    """No hour falls under the table."""
    assert of_day(over("10:00", "no_show_kept", ghost=60)).unreturned_ms == {"not_proven_in_time": MINUTES_60}


def test_a_cancelled_booking_counts_as_an_outcome_only() -> None:
    """Nobody could have used the room, and everybody could."""
    total = of_day(over("10:00", "cancelled"))
    assert total.bookings == 0
    assert total.booked_ms == 0
    assert total.outcomes == {"cancelled": 1}


def test_a_release_that_was_undone_gave_nothing_back() -> None:
    """The booking came back and was attended: that is a release somebody did not want."""
    total = of_day(over("10:00", "attended", returned=48, used=40))
    assert total.returned_ms == 0
    assert total.came_after == 1


def test_a_shadow_release_before_people_came_is_counted_against_it() -> None:
    """Who decides to go live must see how often people came after the supposed release."""
    total = of_day(over("10:00", "attended", live=False, would_return=48, used=30))
    assert total.would_return_ms == 0
    assert total.would_be_released == 0
    assert total.came_after == 1


@pytest.mark.parametrize(("reason", "came_after"), [("no_show", 1), ("brief_visit", 0)])
def test_a_brief_visit_counts_against_a_shadow_release_only_if_it_came_later(
    reason: str, came_after: int
) -> None:
    """Seen and gone before the release is a fair release; unseen before and seen after is not."""
    would = Decision("would_release", "orion", at("09:20"), "uid", reasons=(Reason(reason),))
    total = of_day(would, over("10:00", "brief_visit", live=False, would_return=40, used=5))
    assert total.came_after == came_after
    assert minutes(total, "would_return_ms") == (0 if came_after else 40)


@pytest.mark.parametrize(("live", "freed"), [(True, 20), (False, 0)])
def test_time_that_people_end_early_comes_free_in_live_rooms_only(live: bool, freed: int) -> None:
    """In shadow nothing is written, so nothing is free; either way it is no ghost."""
    total = of_day(over("09:40", "ended_early", live=live, returned=20, used=35))
    assert minutes(total, "ended_early_ms") == freed
    assert total.returned_ms == 0
    assert total.unreturned_ms == {}


def test_bookings_count_in_the_period_in_which_they_ended() -> None:
    """The first instant belongs to the period, the last does not: neighbouring reports share nothing."""
    bookings = [over("10:00", "attended", key="a"), over("11:00", "attended", key="b")]
    early = rooms_report(bookings, at("09:00"), at("10:00"), UTC)
    middle = rooms_report(bookings, at("10:00"), at("11:00"), UTC)
    late = rooms_report(bookings, at("11:00"), at("12:00"), UTC)
    assert [r.total.bookings for r in (early, middle, late)] == [0, 1, 1]


def test_the_site_is_the_sum_of_its_rooms_and_silent_rooms_are_named() -> None:
    """A room in which nothing happened is a finding too."""
    decisions = [over("10:00", "attended", used=50), over("11:00", "attended", room="vega", used=20)]
    report = rooms_report(decisions, at("06:00"), at("18:00"), UTC, ["orion", "lyra"])
    assert [(room.room, room.bookings) for room in report.rooms] == [("lyra", 0), ("orion", 1), ("vega", 1)]
    assert minutes(report.total, "used_ms") == 70


OUTCOMES: tuple[Outcome, ...] = ("no_show_released", "no_show_kept", "withheld", "too_short", "exempt")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(OUTCOMES),
            st.integers(0, 60),
            st.sampled_from(["", "shadow", "overdue radar", "too_short", "of tomorrow"]),
        ),
        max_size=20,
    )
)
def test_returned_and_unreturned_ghost_hours_always_add_up(
    bookings: list[tuple[Outcome, int, str]],
) -> None:
    """Every ghost hour has a cause or came back, whatever the outcomes are."""
    decisions = [
        because(over("10:00", outcome, ghost=60, returned=part, would_return=part), cause)
        for outcome, part, cause in bookings
    ]
    total = of_day(*decisions)
    assert total.ghost_ms == 60 * MINUTE_MS * len(bookings)
    assert total.ghost_ms == total.returned_ms + sum(total.unreturned_ms.values())


# -- occupancy ----------------------------------------------------------------------------------------


def test_occupied_time_counts_booked_or_not_and_only_within_the_period() -> None:
    """In use from before the period until 07:30, and again from 17:00 until after it: 90 + 60 min."""
    total = of_day(
        occupancy("05:00", "occupied"), occupancy("07:30", "vacant"), occupancy("17:00", "occupied")
    )
    assert minutes(total, "occupied_ms") == 90 + 60


def test_time_in_which_nobody_could_tell_leaves_out_people_who_just_left() -> None:
    """Ten minutes of hold are as they should be; an hour with a silent sensor is not."""
    total = of_day(
        occupancy("08:00", "unknown", Reason("within_hold")),
        occupancy("08:10", "vacant"),
        occupancy("09:00", "unknown", Reason("overdue", sensor="radar")),
        occupancy("10:00", "vacant"),
    )
    assert minutes(total, "untold_ms") == 60


def test_occupancy_ends_where_hearing_was_lost() -> None:
    """The process died at 08:20 and came back at 12:00: the room was not in use all that time."""
    total = of_day(
        occupancy("08:00", "occupied"),
        occupancy("12:00", "unknown", Reason("not_hearing", at=at("08:20"))),
        occupancy("12:10", "vacant"),
    )
    assert minutes(total, "occupied_ms") == 20
    assert minutes(total, "untold_ms") == 10


# -- whole hours --------------------------------------------------------------------------------------


def test_a_period_is_cut_down_to_whole_hours_of_the_local_clock() -> None:
    """08:59 is cut to 08:00 local time, also where the zone is half an hour off."""
    assert whole_hours(at("06:59"), at("10:01"), BERLIN) == (at("06:00"), at("10:00"))
    assert whole_hours(at("06:59"), at("10:01"), KOLKATA) == (at("06:30"), at("09:30"))


def test_a_report_is_never_finer_than_an_hour() -> None:
    """With finer figures one could tell who was in a room."""
    with pytest.raises(ValueError, match="at least one whole hour"):
        rooms_report([], at("10:05"), at("10:55"), BERLIN)


def test_the_report_says_what_it_covers() -> None:
    """The cut period, not the one that was asked for."""
    report: Report = rooms_report([], at("06:30"), at("10:30"), BERLIN)
    assert (report.since, report.until) == (at("06:00"), at("10:00"))


def test_broken_rules_for_bookings_are_counted_by_room_and_rule() -> None:
    """Each breach once, and for how many the room was told to decline; what lies before does not count."""
    write = Write(
        1, "refuse", "decline", "id", at("09:00"), at("09:00") + HOUR_MS, at("09:00"), breach="blackout"
    )
    decisions = [
        Decision("rule_broken", "orion", at("09:00") - HOUR_MS, reasons=(Reason("too_long"),)),
        Decision("rule_broken", "orion", at("09:00"), reasons=(Reason("too_long"), Reason("rule_series"))),
        Decision(
            "rule_broken",
            "orion",
            at("09:00"),
            reasons=(Reason("blackout"), Reason("rule_declines")),
            write=write,
        ),
        Decision("rule_broken", "vega", at("09:00"), reasons=(Reason("too_long"),)),
    ]
    report = rooms_report(decisions, at("09:00"), at("09:00") + HOUR_MS, UTC)
    assert report.rules == (
        RuleReport("orion", "blackout", 1, 1),
        RuleReport("orion", "too_long", 1, 0),
        RuleReport("vega", "too_long", 1, 0),
    )
    assert as_json(report, UTC)["rules"][0] == {
        "room": "orion",
        "rule": "blackout",
        "broken": 1,
        "declined": 1,
    }
    notes = as_table(report, {}).notes
    assert "Rule for bookings broken in orion: blackout, once, declined once." in notes
