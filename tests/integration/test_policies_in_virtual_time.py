"""Each rule that a policy may switch on, once through every part but the sockets."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from harness import MONDAY, PIR, World, at, in_world

from gateway.core.events import Configured
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from gateway.exchange.moments import instant
from simulators.exchange import CalendarItem, daily
from simulators.exchange.faults import Drop, Fault, Refuse, Silence

pytestmark = pytest.mark.thorough  # outside of coverage: its virtual days take long with it

ORION = "orion@contoso.com"
HALL = "hall@contoso.com"
ANA = "person-001@contoso.com"


def held(world: World, room: str = ORION) -> list[CalendarItem]:
    """What is in the room's calendar, by start."""
    return world.exchange.calendar(room, MONDAY, MONDAY + 2 * DAY_MS)


# -- end early ----------------------------------------------------------------------------------------

EARLY_POLICY = "end_early = true\nend_early_needs_history = false"
EARLY: dict[str, Any] = {"policy": EARLY_POLICY, "more": PIR.format(room="orion")}


async def left_at_twenty_past(world: World) -> None:
    """A meeting from nine to eleven whose people come at nine and leave at twenty past."""
    world.others = {"orion/pir": "OFF"}
    await world.until("09:01")
    world.enter()
    world.others["orion/pir"] = "ON"
    await world.until("09:20")
    world.leave()
    world.others["orion/pir"] = "OFF"


def test_an_attended_booking_whose_people_left_is_shortened_in_the_rooms_calendar_only(
    tmp_path: Path,
) -> None:
    """After 25 minutes that both sensors prove, and a warning; the organizer's meeting is untouched."""

    async def story(world: World) -> None:
        meeting = world.exchange.book(ANA, ORION, at("09:00"), at("11:00"))
        await left_at_twenty_past(world)
        await world.until("09:50")
        (copy,) = held(world)
        assert at("09:46") <= copy.end_ms <= at("09:49")
        assert world.outbox() == [("check_in", "applied", ""), ("end_early", "applied", "")]
        assert world.exchange.event(meeting).end_ms == at("11:00")
        assert world.exchange.status(meeting, ORION).response == "accepted"
        (concluded,) = world.decisions("concluded")
        assert concluded.tally is not None
        assert concluded.tally.outcome == "ended_early"
        assert concluded.tally.returned_ms >= 70 * MINUTE_MS

    in_world(tmp_path, story, **EARLY)


def test_it_is_never_shortened_again_after_its_organizer_restored_the_end(tmp_path: Path) -> None:
    """An update carries the full times; from then on it is left alone, also by status' word."""

    async def story(world: World) -> None:
        meeting = world.exchange.book(ANA, ORION, at("09:00"), at("11:00"))
        await left_at_twenty_past(world)
        await world.until("09:55")
        world.exchange.move(meeting, at("09:00"), at("11:30"))
        await world.until("10:00")
        assert world.service is not None
        (room,) = (await world.service.status())["rooms"]
        assert room["booking"]["state"] == "checked_in"
        await world.until("11:35")
        assert held(world)[0].end_ms == at("11:30")
        assert [action for action, _, _ in world.outbox()].count("end_early") == 1
        outcomes = [d.tally.outcome for d in world.decisions("concluded") if d.tally]
        assert outcomes == ["ended_early", "attended"]

    in_world(tmp_path, story, **EARLY)


def test_who_comes_back_before_the_write_keeps_the_booking(tmp_path: Path) -> None:
    """While Exchange cannot be reached the early end waits; presence withdraws it."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("11:00"))
        await left_at_twenty_past(world)
        await world.until("09:45:30")
        world.exchange.faults.add(Refuse(503), path="/users/", times=None)
        await world.until("09:48:10")
        assert world.decisions("release")
        world.enter()
        await world.until("09:49")
        world.exchange.faults.clear()
        await world.until("10:00")
        assert held(world)[0].end_ms == at("11:00")
        assert [state for action, state, _ in world.outbox() if action == "end_early"] == ["superseded"]

    in_world(tmp_path, story, **EARLY)


@pytest.mark.parametrize(
    "fault",
    [
        Silence(after_effect=True),
        Silence(after_effect=False),
        Drop(after_effect=True),
        Drop(after_effect=False),
        Refuse(503),
        Refuse(429, retry_after="3"),
    ],
    ids=lambda f: f"{type(f).__name__}-{getattr(f, 'status', getattr(f, 'after_effect', ''))}",
)
def test_a_booking_is_ended_early_once_whatever_happens_to_the_answer(tmp_path: Path, fault: Fault) -> None:
    """One end, known as such; what was decided at a quarter to ten is not decided again later."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        world.exchange.book(ANA, ORION, at("09:00"), at("11:00"))
        await left_at_twenty_past(world)
        await world.until("09:30")
        rule = world.exchange.faults.add(fault, method="PATCH", path="/events")
        await world.until("10:15")
        assert rule.struck == 1
        assert at("09:46") <= held(world)[0].end_ms <= at("09:49")
        assert [state for action, state, _ in world.outbox() if action == "end_early"] == ["applied"]

    in_world(tmp_path, story, **EARLY)


# -- hours and holidays -------------------------------------------------------------------------------


def test_a_booking_that_starts_outside_of_the_policys_hours_is_left_alone(tmp_path: Path) -> None:
    """In the room's own time: ten o'clock in London is nine in UTC until October ends."""

    async def story(world: World) -> None:
        early = world.exchange.book(ANA, ORION, at("08:30"), at("09:00"))
        within = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:30")
        assert world.exchange.status(early, ORION).response == "accepted"
        assert world.exchange.status(within, ORION).response == "declined"
        outcomes = {d.tally.outcome for d in world.decisions("concluded") if d.tally}
        assert outcomes == {"exempt"}

    more = 'time_zone = "Europe/London"'
    in_world(tmp_path, story, policy='hours = "mon 10:00-18:00"', room=more)


SHADOW: dict[str, Any] = {"mode": "shadow", "exchange": 'poll = "15m"', "policy": "series_ghosts = 2"}


async def ghosts(world: World, days: int) -> None:
    """A daily series from nine to ten that nobody comes to, for some days; at night nothing is heard."""
    world.exchange.book(ANA, ORION, at("09:00"), at("10:00"), recurrence=daily(count=6))
    for day in range(days):
        await world.wait_until(at("08:50") + day * DAY_MS)
        world.leave()
        await world.wait_until(at("10:05") + day * DAY_MS)
        world.silence()


def test_a_series_that_nobody_comes_to_is_reported_once_and_left_alone(tmp_path: Path) -> None:
    """After as many ghosts in a row as set, with the hours that they had booked; the rest is untouched."""

    async def story(world: World) -> None:
        await ghosts(world, days=3)
        (reported,) = world.decisions("series_reported")
        assert {r.code: r.value for r in reported.reasons} == {
            "ghosts_in_a_row": 2,
            "series_booked": 2 * HOUR_MS,
        }
        assert at("10:00") + DAY_MS <= reported.at < at("10:01") + DAY_MS
        assert world.outbox() == []
        assert len(world.exchange.calendar(ORION, MONDAY, MONDAY + 9 * DAY_MS)) == 6

    in_world(tmp_path, story, **SHADOW)


def test_a_ghost_on_a_holiday_does_not_count_against_its_series(tmp_path: Path) -> None:
    """Tuesday is none of the two; it is known as a holiday from the settings."""

    async def story(world: World) -> None:
        await ghosts(world, days=3)
        (reported,) = world.decisions("series_reported")
        assert reported.at >= at("10:00") + 2 * DAY_MS

    in_world(tmp_path, story, site="holiday_dates = [2026-09-29]", **SHADOW)


def test_holidays_of_a_new_day_reach_the_core_without_a_restart(tmp_path: Path) -> None:
    """What lies more than 400 days ahead comes in when its day has come; nothing is told twice."""

    async def story(world: World) -> None:
        def known() -> int:
            assert world.service is not None
            return len(world.service.brain.site.state.config.holidays)

        world.silence()
        assert known() == 1
        await world.wait_until(MONDAY + DAY_MS + 2 * HOUR_MS)
        assert known() == 1
        await world.wait_until(MONDAY + 2 * DAY_MS + 2 * HOUR_MS)
        assert known() == 2
        assert len([event for event in world.events() if isinstance(event, Configured)]) == 2

    # 400 days after Wednesday, 30 September 2026.
    in_world(tmp_path, story, site="holiday_dates = [2026-12-24, 2027-11-04]", exchange='poll = "15m"')


CHRISTMAS = """\
BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART;VALUE=DATE:20261224
END:VEVENT
END:VCALENDAR
"""


def test_holidays_that_cannot_be_told_any_more_go_on_counting(tmp_path: Path) -> None:
    """A file that vanishes while the gateway runs takes no day away, and stops nothing."""
    file = tmp_path / "closed.ics"
    file.write_text(CHRISTMAS)

    async def story(world: World) -> None:
        world.silence()
        file.unlink()
        await world.wait_until(MONDAY + DAY_MS + 2 * HOUR_MS)
        assert world.service is not None
        assert len(world.service.brain.site.state.config.holidays) == 1
        file.write_text(CHRISTMAS.replace("20261224", "20261231"))
        await world.wait_until(MONDAY + DAY_MS + 4 * HOUR_MS)
        ((start, _),) = world.service.brain.site.state.config.holidays
        assert start == instant(datetime(2026, 12, 31, tzinfo=UTC)), "it is tried again each hour"

    in_world(tmp_path, story, site='holiday_file = "closed.ics"', exchange='poll = "15m"')


# -- live by the record, combined rooms ---------------------------------------------------------------


def test_a_room_goes_live_by_its_own_record(tmp_path: Path) -> None:
    """After two releases in shadow that nobody missed; from the next booking on it writes."""

    async def story(world: World) -> None:
        ghosts = [
            world.exchange.book(ANA, ORION, at(start), at(end))
            for start, end in (("09:00", "10:00"), ("10:30", "11:30"), ("12:30", "13:30"))
        ]
        await world.until("11:35")
        (mode,) = world.decisions("mode")
        assert [reason.code for reason in mode.reasons] == ["shadow_record", "mode_live"]
        assert world.outbox() == []
        await world.until("12:50")
        assert [world.exchange.status(g, ORION).response for g in ghosts] == [
            "accepted",
            "accepted",
            "declined",
        ]
        assert world.service is not None
        (room,) = (await world.service.status())["rooms"]
        assert (room["mode"], room["shadow_record"]["judged"]) == ("live", 2)

    in_world(tmp_path, story, mode="shadow", policy="live_after = 2")


def test_a_room_whose_record_is_bad_stays_in_shadow(tmp_path: Path) -> None:
    """People came ten minutes after the supposed release: one wrong is one too many here."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        world.exchange.book(ANA, ORION, at("11:00"), at("12:00"))
        await world.until("09:20")
        world.enter()
        await world.until("09:40")
        world.leave()
        await world.until("12:05")
        assert world.decisions("mode") == []
        assert world.service is not None
        (room,) = (await world.service.status())["rooms"]
        record = room["shadow_record"]
        assert (room["mode"], record["judged"], record["wrong"]) == ("shadow", 2, 1)

    in_world(tmp_path, story, mode="shadow", policy="live_after = 2")


COMBINED = '[[room]]\nid = "hall"\nmailbox = "hall@contoso.com"\nmode = "live"\nparts = ["lyra", "orion"]\n'


def test_a_combined_room_hears_its_parts_and_is_given_back_when_all_are_empty(tmp_path: Path) -> None:
    """It has no sensors of its own. People in a part attend its booking; one that nobody attends goes."""

    async def story(world: World) -> None:
        attended = world.exchange.book(ANA, HALL, at("09:00"), at("10:00"))
        ghost = world.exchange.book(ANA, HALL, at("10:30"), at("11:30"))
        part = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:02")
        world.enter("lyra")
        await world.until("10:02")
        world.leave("lyra")
        await world.until("11:00")
        assert world.exchange.status(attended, HALL).response == "accepted"
        assert world.exchange.status(ghost, HALL).response == "declined"
        assert world.exchange.status(part, ORION).response == "accepted", "the hall's people may be in it"
        assert "overlaps_attended" in {r.code for d in world.decisions("withheld") for r in d.reasons}

    in_world(tmp_path, story, rooms=("lyra", "orion"), more=COMBINED)
