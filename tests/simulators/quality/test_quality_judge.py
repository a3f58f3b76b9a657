"""Deeds held against the truth, in days made by hand: a room with one booking from nine to ten."""

from collections.abc import Sequence

import pytest

from gateway.core.decisions import Action
from gateway.core.events import Reading
from gateway.core.policy import Policy, RoomConfig, SensorProfile
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from simulators.people import Activity, PlannedBooking, Visit
from simulators.quality.baselines import BASELINES
from simulators.quality.drive import Deed, Played
from simulators.quality.judge import Figures, judge_baseline, judge_core
from simulators.quality.results import Line
from simulators.quality.run import Key
from simulators.quality.scene import Scene, Shows

NINE: Instant = 1_790_586_000_000
PIR = SensorProfile("pir", "motion", heartbeat_ms=MINUTE_MS)
RADAR = SensorProfile("radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS)
EVERYTHING = Policy(end_early=True, walk_up=True)


def minute(number: float) -> Instant:
    """Minutes after nine."""
    return NINE + round(number * MINUTE_MS)


def visit(enter: float, leave: float, booking: str | None = "b", activity: Activity = "quiet") -> Visit:
    """Two people, between two minutes after nine."""
    return Visit("orion", minute(enter), minute(leave), 2, activity, booking)


def scene(
    *visits: Visit, shown: Sequence[tuple[float, float]] = (), sensors: tuple[SensorProfile, ...] = (PIR,)
) -> Scene:
    """The booking, these visits, and when the first sensor showed presence."""
    facts = [
        (minute(at), Reading(sensors[0].id, sensors[0].senses, value))
        for begin, end in shown
        for at, value in ((begin, 1), (end, 0))
    ]
    booking = PlannedBooking(
        "b", "orion", NINE, NINE + HOUR_MS, "person-001@contoso.com", "on_time", 2, NINE - DAY_MS
    )
    config = RoomConfig("orion", sensors=sensors)
    return Scene(config, (booking,), visits, tuple(facts), NINE - HOUR_MS, NINE + 2 * HOUR_MS)


def judged(
    made: Scene,
    at: float | None,
    kind: str = "no_show",
    action: Action = "release",
    policy: Policy = EVERYTHING,
) -> Figures:
    """What becomes of the figures if the core releases at that minute."""
    deeds = () if at is None else (Deed(minute(at), "b", action, kind),)
    return judge_core(made, policy, Played(deeds, ()), Shows(made.config.sensors, made.facts))


def test_a_ghost_that_is_given_back_is_recovered_from_then_on() -> None:
    """Recoverable from 9:10, released at 9:12: 48 of 50 minutes; the two are the sensors' pace."""
    figures = judged(scene(), 12)
    assert (figures.ghosts, figures.ghosts_released, figures.wrong) == (1, 1, {})
    assert figures.hours_recoverable == pytest.approx(50 / 60)
    assert figures.hours_recovered == pytest.approx(48 / 60)
    assert figures.causes == {"sensor": pytest.approx(2 / 60)}
    assert figures.waits == [12 * MINUTE_MS]


def test_time_returned_earlier_than_could_be_counts_no_more_than_that() -> None:
    """A rule that releases at 9:05 recovers what can be recovered, and not more."""
    made = scene()
    figures = judge_baseline(made, Policy(), BASELINES["fixed-5-min"], Shows(made.config.sensors, ()))
    assert figures.hours_recovered == pytest.approx(figures.hours_recoverable) == pytest.approx(50 / 60)


@pytest.mark.parametrize(
    ("visits", "shown", "sight"),
    [
        ([visit(5, 50)], [(5, 11)], "shown"),
        ([visit(5, 50)], [(5.1, 6)], "shown"),  # within the hold
        ([visit(5, 50)], [(-10, -9)], "never"),
        ([visit(-20, 50)], [(-15, -10)], "lost"),
        ([visit(11.98, 50)], [(12.01, 50)], "arriving"),
        ([visit(0, 8), visit(20, 50)], [(0, 1)], "away"),
        ([visit(-20, 6), visit(6, 50)], [(-15, -10)], "lost"),  # others came while these were still in
    ],
)
def test_a_room_taken_from_people_is_counted_by_what_sensors_made_of_them(
    visits: list[Visit], shown: list[tuple[float, float]], sight: str
) -> None:
    """Released at 9:12 with people in it, or with people who come back."""
    figures = judged(scene(*visits, shown=shown), 12)
    assert figures.wrong == {sight: 1}
    assert (figures.came_after, figures.left_for_good, figures.ended_early) == (0, 0, 0)


def test_beside_a_radar_a_pirs_sign_counts_for_its_short_hold_only() -> None:
    """What was shown five minutes before holds for a PIR alone, and not beside a presence sensor."""
    people, shown = visit(5, 50), [(5.1, 7)]
    assert judged(scene(people, shown=shown), 12).wrong == {"shown": 1}
    assert judged(scene(people, shown=shown, sensors=(PIR, RADAR)), 12).wrong == {"lost": 1}


def test_people_who_come_later_or_have_left_for_good_lose_nothing() -> None:
    """A no-show until then, and an early end: neither is a wrong release."""
    assert judged(scene(visit(20, 50)), 12).came_after == 1
    left = judged(scene(visit(0, 20)), 46, "end_early", "end_early")
    assert (left.wrong, left.left_for_good, left.ended_early) == ({}, 1, 1)
    back = judged(scene(visit(0, 20), visit(50, 60)), 46, "end_early", "end_early")
    assert (back.wrong, back.ended_early_wrongly) == ({"away": 1}, 1)


def test_a_cleaner_in_a_room_that_is_taken_counts_like_anybody() -> None:
    """Nobody booked for them, but they are in the room."""
    assert judged(scene(visit(10, 14, None)), 12).wrong == {"never": 1}


def test_walk_ups_count_where_the_policy_shows_them() -> None:
    """Unbooked use of ten minutes that was shown, a short look that need not be, one shown for nobody."""
    made = scene(visit(-40, -20, None), visit(70, 75, None))
    deeds = (
        Deed(minute(-34), "", "walk_up", "in_use_since"),
        Deed(minute(90), "", "walk_up", "in_use_since"),
    )
    figures = judge_core(made, EVERYTHING, Played(deeds, ()), Shows(made.config.sensors, ()))
    assert (figures.walk_ups, figures.walk_ups_seen, figures.walk_ups_of_nobody) == (1, 1, 1)
    off = judge_core(made, Policy(), Played((), ()), Shows(made.config.sensors, ()))
    assert off.walk_ups == 0


def test_sums_of_two_scenes_add_up() -> None:
    """Counts, hours, causes, waits and what sensors made of people."""
    total = judged(scene(), 12)
    total.add(judged(scene(visit(5, 50)), 12))
    total.add(judged(scene(), None))
    assert (total.bookings, total.ghosts, total.wrong, total.wrong_releases) == (3, 2, {"never": 1}, 1)
    assert total.hours_recoverable == pytest.approx(100 / 60)
    assert total.recovered_share == pytest.approx(0.48)
    assert total.causes == {"sensor": pytest.approx(52 / 60)}


def test_what_is_promised_counts_everybody_inside_and_excuses_only_who_is_just_stepping_in() -> None:
    """A radar that sees everybody may not lose them; a PIR alone is held to what it showed."""
    figures = Figures(bookings=1_000, wrong={"arriving": 2, "lost": 1, "never": 3, "shown": 4, "away": 5})
    assert Line.of(Key("radar", "default"), figures).taken_in_sight == 8
    line = Line.of(Key("pir", "default"), figures)
    assert line.taken_in_sight == 4
    assert line.wrong_per_1000 == (15.0, 8.419, 24.62)


# -- simpler rules ------------------------------------------------------------------------------------


def released_by(name: str, made: Scene) -> float | None:
    """When a rule gives the booking back, in minutes after nine."""
    figures = judge_baseline(made, Policy(), BASELINES[name], Shows(made.config.sensors, made.facts))
    taken = figures.came_after or figures.left_for_good or figures.wrong or figures.ghosts_released
    return (figures.waits[0] / MINUTE_MS if figures.waits else -1.0) if taken else None


@pytest.mark.parametrize(
    ("name", "shown", "at"),
    [
        ("fixed-5-min", [], 5),
        ("fixed-5-min", [(-1, -0.1)], 5),
        ("fixed-5-min", [(-1, 0.5)], None),
        ("fixed-5-min", [(4.9, 8)], None),
        ("motion-timeout", [], 10),
        ("motion-timeout", [(-9, 0)], 10),
        ("motion-timeout", [(-9, 3)], 13),
        ("motion-timeout", [(-9, 3), (12, 15)], 25),
        ("motion-timeout", [(-9, 45)], None),  # too little would be left
    ],
)
def test_a_simpler_rule_does_what_its_words_say(
    name: str, shown: list[tuple[float, float]], at: float | None
) -> None:
    """By what the sensor showed, and nothing else."""
    assert released_by(name, scene(shown=shown)) == at


def test_a_check_in_by_hand_keeps_six_of_ten_attended_bookings() -> None:
    """Every ghost is given back at ten past; those who are there forget it four times of ten."""
    kept = 0
    for number in range(400):
        made = scene(visit(0, 50))
        booking = PlannedBooking(
            f"b{number}", "orion", NINE, NINE + HOUR_MS, "person-001@contoso.com", "on_time", 2, NINE - DAY_MS
        )
        own = Visit("orion", NINE, NINE + 50 * MINUTE_MS, 2, "lively", booking.key)
        one = made._replace(bookings=(booking,), visits=(own,))
        kept += not judge_baseline(one, Policy(), BASELINES["check-in-only"], Shows((PIR,), ())).wrong
    assert 200 < kept < 280
    assert released_by("check-in-only", scene()) == 10
    late = judge_baseline(scene(visit(11, 50)), Policy(), BASELINES["check-in-only"], Shows((PIR,), ()))
    assert late.came_after == 1


def test_what_a_sensor_last_showed_is_the_end_of_its_last_on_time() -> None:
    """Showing now is now; before anything was shown there is nothing."""
    shows = Shows((PIR,), scene(shown=[(1, 2), (5, 6)]).facts)
    assert shows.last(minute(0)) < 0
    assert shows.last(minute(1.5)) == minute(1.5)
    assert shows.last(minute(4)) == minute(2)
    assert shows.last(minute(9)) == minute(6)
    assert shows.held(minute(16)) is True
    assert shows.held(minute(16) + SECOND_MS) is False
