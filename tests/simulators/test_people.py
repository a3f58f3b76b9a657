"""Who books and who comes: plausible, seeded, and the same on every machine."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from gateway.core.units import HOUR_MS, MINUTE_MS
from simulators.people import (
    KINDS,
    Behaviour,
    RoomDay,
    Stay,
    Visit,
    attended,
    plan_day,
    present,
    stays,
    stream,
)

OPENS = 1_795_420_800_000
REPOSITORY = Path(__file__).parents[2]
DAYS = 200


def day(seed: int = 7, rates: Behaviour | None = None, hours: int = 10) -> RoomDay:
    """One planned day."""
    rng = stream(seed, "plan", "orion", 0)
    return plan_day("orion", OPENS, OPENS + hours * HOUR_MS, rates or Behaviour(), rng)


def many(rates: Behaviour | None = None) -> list[RoomDay]:
    """Enough days for rates to show."""
    return [day(seed, rates) for seed in range(DAYS)]


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    """A day follows from its seed alone."""
    assert day(7) == day(7)
    assert day(7) != day(8)


def test_a_day_does_not_depend_on_the_hash_seed() -> None:
    """Two processes with different PYTHONHASHSEED plan the same day, byte for byte."""
    program = (
        "import msgspec\n"
        "from simulators.people import Behaviour, plan_day, stream\n"
        "rng = stream(7, 'plan', 'orion', 0)\n"
        f"d = plan_day('orion', {OPENS}, {OPENS + 10 * HOUR_MS}, Behaviour(), rng)\n"
        "print(msgspec.json.encode(d).decode())\n"
    )
    told = {
        subprocess.run(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-c", program],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert told == {msgspec.json.encode(day(7)).decode()}


def test_streams_of_different_purposes_are_independent() -> None:
    """Drawing more for one room changes nothing for another."""
    assert stream(1, "a").random() != stream(1, "b").random()
    assert stream(1, "a", "b").random() == stream(1, "a", "b").random()


def test_bookings_lie_within_the_hours_on_half_hours_without_overlaps() -> None:
    """Calendars look like this; some bookings are back to back, and some gaps are left."""
    touching = apart = 0
    for planned in many():
        for booking in planned.bookings:
            assert planned.opens <= booking.start < booking.end <= planned.closes
            assert (booking.start - planned.opens) % (30 * MINUTE_MS) == 0
            assert (booking.end - booking.start) // MINUTE_MS in (30, 60, 90)
            assert booking.organizer.startswith("person-")
            assert booking.organizer.endswith("@contoso.com")
        for before, after in itertools.pairwise(planned.bookings):
            assert before.end <= after.start
            touching += before.end == after.start
            apart += before.end < after.start
    assert touching > DAYS
    assert apart > DAYS


def test_every_kind_of_booking_occurs_at_about_its_rate() -> None:
    """Over many days the shares are those that were asked for."""
    kinds = Counter(booking.kind for planned in many() for booking in planned.bookings)
    assert set(kinds) == set(KINDS)
    total = kinds.total()
    rates = Behaviour()
    assert kinds["cancelled"] / total == pytest.approx(rates.cancelled, abs=0.02)
    standing = total - kinds["cancelled"]
    for kind in ("ghost", "late", "leaves_early", "lone_quiet", "overstay"):
        assert kinds[kind] / standing == pytest.approx(getattr(rates, kind), abs=0.04), kind


def test_a_ghost_is_a_booking_without_a_visit_of_its_own() -> None:
    """The kind and the ground truth agree on every booking, whoever else is in the room."""
    for planned in many():
        for booking in planned.bookings:
            assert planned.attended(booking) == (booking.kind not in ("ghost", "cancelled"))
        assert {b.key for b in planned.ghosts()} == {b.key for b in planned.bookings if b.kind == "ghost"}


def test_people_of_the_booking_before_do_not_attend_a_ghost() -> None:
    """Somebody who stays too long is present in the next booking, but did not come for it."""
    planned = day(rates=Behaviour(ghost=1, late=0, leaves_early=0, lone_quiet=0, overstay=0, cancelled=0))
    ghost = planned.bookings[0]
    stranger = Visit("orion", ghost.start - MINUTE_MS, ghost.start + MINUTE_MS, 3, "lively", "another")
    assert present([stranger], ghost.start) == 3
    assert not attended(ghost, [stranger])


def test_kinds_do_what_their_names_say() -> None:
    """Late ones come after the start, early leavers are gone before the end, overstayers are not."""
    late_minutes = []
    for planned in many():
        for booking in planned.bookings:
            own = [visit for visit in planned.visits if visit.booking == booking.key]
            if booking.kind == "late":
                late_minutes.append((own[0].enter - booking.start) / MINUTE_MS)
            if booking.kind == "leaves_early":
                assert own[-1].leave <= booking.start + 0.76 * (booking.end - booking.start)
            if booking.kind == "overstay":
                assert MINUTE_MS <= own[-1].leave - booking.end <= 6 * MINUTE_MS
            if booking.kind == "lone_quiet":
                assert {(visit.people, visit.activity) for visit in own} == {(1, "quiet")}
            if booking.kind == "on_time":
                assert own[0].enter <= booking.start + MINUTE_MS
    assert min(late_minutes) >= 1
    assert max(late_minutes) <= 20
    assert sum(minutes <= 10 for minutes in late_minutes) / len(late_minutes) > 0.75


def test_some_bookings_are_made_at_the_last_minute_and_some_cancelled_before_their_start() -> None:
    """Creation always comes before cancellation, and cancellation before the start."""
    last_minute = cancelled = 0
    for planned in many():
        for booking in planned.bookings:
            assert booking.created_at < booking.start
            last_minute += booking.start - booking.created_at <= 20 * MINUTE_MS
            if booking.cancelled_at is not None:
                cancelled += 1
                assert booking.created_at < booking.cancelled_at < booking.start
    assert last_minute > 50
    assert cancelled > 20


def test_coffee_breaks_leave_the_room_empty_for_a_few_minutes() -> None:
    """With breaks certain, meetings of an hour have two visits with 5 to 12 min between them."""
    breaks = 0
    for planned in many(Behaviour(coffee_break=1.0)):
        by_booking = itertools.groupby(
            sorted((v for v in planned.visits if v.booking), key=lambda v: (v.booking or "", v.enter)),
            key=lambda v: v.booking,
        )
        for _, own in by_booking:
            for before, after in itertools.pairwise(own):
                breaks += 1
                assert 5 * MINUTE_MS <= after.enter - before.leave <= 12 * MINUTE_MS
    assert breaks > 100


def test_walk_ups_happen_only_while_no_booking_stands() -> None:
    """Whoever walks up is gone before the next people come."""
    walk_ups = 0
    for planned in many():
        standing = [booking for booking in planned.bookings if booking.cancelled_at is None]
        for visit in planned.visits:
            if visit.booking is None:
                walk_ups += 1
                assert visit.enter < visit.leave
                assert all(visit.leave <= b.start or visit.enter >= b.end for b in standing)
    assert walk_ups > 50


def test_present_counts_whoever_is_inside() -> None:
    """Entering counts at once, leaving at once, and overlapping visits add up."""
    visits = [Visit("orion", 100, 200, 2, "lively", "a"), Visit("orion", 150, 300, 1, "quiet", "b")]
    assert [present(visits, t) for t in (99, 100, 150, 199, 200, 299, 300)] == [0, 2, 3, 3, 1, 1, 0]


def test_overlapping_visits_become_stays_that_do_not_overlap() -> None:
    """Sensors see one room: as many people as there are, lively if anybody is."""
    visits = [Visit("orion", 100, 200, 2, "lively", "a"), Visit("orion", 150, 300, 1, "quiet", "b")]
    assert stays(visits) == (
        Stay(100, 150, 2, "lively"),
        Stay(150, 200, 3, "lively"),
        Stay(200, 300, 1, "quiet"),
    )
    assert stays(()) == ()


@pytest.mark.parametrize(
    ("rates", "named"),
    [({"ghost": 1.2}, "ghost"), ({"walk_up": -0.1}, "walk_up"), ({"ghost": 0.9}, "more than 1")],
)
def test_rates_that_cannot_be_are_refused(rates: dict[str, float], named: str) -> None:
    """A rate beyond 0 and 1, or kinds that add up to more than all, is a ValueError that names it."""
    with pytest.raises(ValueError, match=named):
        Behaviour(**rates)
