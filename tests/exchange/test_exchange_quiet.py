"""What goes wrong quietly is found, and nothing is invented."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.booking import Booking, booking_key
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from gateway.exchange.errors import AuthError, ForbiddenError, MailboxError, RetryableError
from gateway.exchange.moments import instant
from gateway.exchange.quiet import (
    KEPT_MS,
    Lost,
    Months,
    Overlap,
    Vanished,
    busy_of,
    comparable,
    drifted,
    free_instead,
    is_free,
    overlaps,
    released_starts,
    releases_beside_us,
    running,
    series_gaps,
    unanswered,
    vanished,
    without,
)
from gateway.exchange.recurrence import Recurrence, Series
from gateway.exchange.room_facts import RoomFacts

SERIES = "series-1"
ZONES = {name: ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York")}
NOON: Instant = instant(datetime(2026, 9, 28, 12, tzinfo=ZONES["Europe/Berlin"]))


def booked(start: Instant, end: Instant, key: str = "", **more: Any) -> Booking:
    """A meeting of somebody else's."""
    return msgspec.structs.replace(Booking(key or f"other-{start}", f"id-{start}", start, end), **more)


def occurrence(original: Instant, start: Instant | None = None, **more: object) -> Booking:
    """A date of the series, moved where a start is given."""
    begins = original if start is None else start
    own = Booking(
        booking_key(f"uid-{original}", original),
        f"event-{original}",
        begins,
        begins + HOUR_MS,
        original_start=original,
        series_id=SERIES,
    )
    return msgspec.structs.replace(own, **more)


# -- series -------------------------------------------------------------------------------------------

WEEKLY = Series(Recurrence("weekly", date(2026, 9, 1), days=(1,)), "Europe/Berlin", time(9), HOUR_MS)
DATES = list(WEEKLY.starts(NOON, NOON + 70 * DAY_MS).values())


def test_a_date_that_somebody_else_has_is_lost_and_one_that_nobody_has_is_missing() -> None:
    """Ten weeks, of which one is taken by another booking and one simply is not there."""
    own = [occurrence(start) for number, start in enumerate(DATES) if number not in (2, 5)]
    other = booked(DATES[2] + 30 * MINUTE_MS, DATES[2] + 2 * HOUR_MS, "their-key")
    gaps = series_gaps(SERIES, WEEKLY, Months.of([*own, other]), NOON, NOON + 70 * DAY_MS)
    assert gaps is not None
    assert [(one.start, one.end, one.holder) for one in gaps.lost] == [
        (DATES[2], DATES[2] + HOUR_MS, "their-key")
    ]
    assert gaps.missing == (DATES[5],)
    assert gaps.booking == min(one.key for one in own)


@pytest.mark.parametrize(
    "other",
    [
        {"cancelled": True},
        {"show_as": "free"},
        {"response": "declined"},
        {"marks": ("walk_up",)},
        {"marks": ("hold",)},
    ],
    ids=str,
)
def test_only_what_keeps_others_out_takes_a_date(other: dict[str, Any]) -> None:
    """A cancelled, free or declined entry takes nothing, and neither does what the gateway itself booked."""
    entries = [*map(occurrence, DATES[1:]), booked(DATES[0], DATES[0] + HOUR_MS, **other)]
    gaps = series_gaps(SERIES, WEEKLY, Months.of(entries), NOON, NOON + 70 * DAY_MS)
    assert gaps is not None
    assert (gaps.lost, gaps.missing) == ((), (DATES[0],))


def test_what_we_gave_back_and_what_its_organizer_cancelled_or_moved_is_no_loss() -> None:
    """All three are absent at their time, another booking is there, and nobody has lost anything."""
    others = [booked(start, start + HOUR_MS) for start in DATES[:3]]
    moved, cancelled = occurrence(DATES[1], DATES[1] + DAY_MS), occurrence(DATES[2], cancelled=True)
    entries = [*others, moved, cancelled, *map(occurrence, DATES[3:])]
    released = released_starts([booking_key("any-uid", DATES[0]), "single-uid", "odd@key"])
    gaps = series_gaps(SERIES, WEEKLY, Months.of(entries), NOON, NOON + 70 * DAY_MS, released=released)
    assert gaps is not None
    assert (gaps.lost, gaps.missing) == ((), ())


def test_a_declined_date_that_is_still_shown_is_lost() -> None:
    """Some mailboxes keep what they declined."""
    entries = [occurrence(DATES[0], response="declined"), *map(occurrence, DATES[1:])]
    entries.append(booked(DATES[0], DATES[0] + HOUR_MS))
    gaps = series_gaps(SERIES, WEEKLY, Months.of(entries), NOON, NOON + 70 * DAY_MS)
    assert gaps is not None
    assert [one.start for one in gaps.lost] == [DATES[0]]


def test_nothing_is_said_of_a_series_that_does_not_follow_its_pattern() -> None:
    """An occurrence at a date that the pattern does not have: altered meanwhile, or misunderstood."""
    entries = [*map(occurrence, DATES[:3]), occurrence(DATES[4] + DAY_MS)]
    assert series_gaps(SERIES, WEEKLY, Months.of(entries), NOON, NOON + 70 * DAY_MS) is None
    assert series_gaps(SERIES, WEEKLY, Months.of([]), NOON, NOON + 70 * DAY_MS) is None


def test_a_second_look_takes_back_what_was_only_moved_away() -> None:
    """An occurrence that was moved out of the window is found by the look around it."""
    entries = [*map(occurrence, DATES[1:]), booked(DATES[0], DATES[0] + HOUR_MS)]
    gaps = series_gaps(SERIES, WEEKLY, Months.of(entries), NOON, NOON + 70 * DAY_MS)
    assert gaps is not None
    assert gaps.lost
    assert without(gaps, [occurrence(DATES[0], NOON - 5 * DAY_MS)], WEEKLY).lost == ()


@st.composite
def histories(
    draw: st.DrawFn,
) -> tuple[Series, list[Booking], list[Instant], list[Instant], frozenset[Instant], tuple[Instant, Instant]]:
    """A series over both changes of the clocks, and what became of each of its dates in one room.

    The dates are made here day by day, without the code under test.
    """
    zone = draw(st.sampled_from(sorted(ZONES)))
    at = draw(st.sampled_from([time(0, 30), time(1, 30), time(8), time(9, 15), time(17), time(23)]))
    first = draw(st.dates(date(2026, 8, 1), date(2026, 9, 20)))
    days = tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1, max_size=3))))
    every = draw(st.integers(1, 3))
    daily = draw(st.booleans())
    pattern = (
        Recurrence("daily", first, every)
        if daily
        else Recurrence("weekly", first, every, days=days, week_starts=0)
    )
    monday = first - timedelta(days=first.weekday())
    dates = [
        day
        for offset in range(280)
        for day in [first + timedelta(days=offset)]
        if (offset % every == 0 if daily else day.weekday() in days and (day - monday).days // 7 % every == 0)
    ]
    fates = draw(
        st.lists(
            st.sampled_from(["there", "there", "there", "lost", "missing", "released", "moved", "cancelled"]),
            min_size=len(dates),
            max_size=len(dates),
        )
    )
    start = instant(datetime(2026, 10, 1, tzinfo=ZONES[zone]))
    end = instant(datetime(2027, 4, 15, tzinfo=ZONES[zone]))
    entries, lost, missing, released = [], [], [], set()
    for day, fate in zip(dates, fates, strict=True):
        begins = instant(datetime.combine(day, at, ZONES[zone]))
        within = start <= begins < end
        if fate in ("lost", "released"):
            entries.append(booked(begins + 10 * MINUTE_MS, begins + HOUR_MS))
        if fate == "lost" and within:
            lost.append(begins)
        elif fate == "missing" and within:
            missing.append(begins)
        elif fate == "released":
            released.add(begins)
        elif fate == "moved":
            entries.append(occurrence(begins, begins + 3 * HOUR_MS))
            if within and begins + 3 * HOUR_MS >= end:  # out of sight: a second look would find it
                missing.append(begins)
        elif fate in ("there", "cancelled"):
            entries.append(occurrence(begins, cancelled=fate == "cancelled"))
    series = Series(pattern, zone, at, HOUR_MS)
    shown = [one for one in entries if one.start < end and one.end > start]
    return series, shown, lost, missing, frozenset(released), (start, end)


@settings(max_examples=80)
@given(history=histories())
def test_exactly_the_lost_dates_are_found_and_none_is_invented(
    history: tuple[
        Series, list[Booking], list[Instant], list[Instant], frozenset[Instant], tuple[Instant, Instant]
    ],
) -> None:
    """Random series, daily and weekly, random fates of their dates, in Berlin and New York, over a winter."""
    series, shown, lost, missing, released, (start, end) = history
    # What was moved lies three hours later: with daily series it may overlap nothing, and never a date.
    gaps = series_gaps(SERIES, series, Months.of(shown), start, end, released=released)
    if not any(one.series_id for one in shown):
        assert gaps is None
        return
    assert gaps is not None
    assert [one.start for one in gaps.lost] == lost
    assert list(gaps.missing) == missing


# -- who is free --------------------------------------------------------------------------------------

SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=30)


@settings(max_examples=150)
@given(spans=SPANS, start=st.integers(0, 330), length=st.integers(1, 60))
def test_a_room_is_free_where_no_booking_is(spans: list[tuple[int, int]], start: int, length: int) -> None:
    """Compared minute by minute."""
    entries = [booked(NOON + s * MINUTE_MS, NOON + (s + n) * MINUTE_MS) for s, n in spans]
    taken = {minute for s, n in spans for minute in range(s, s + n)}
    free = is_free(busy_of(entries), NOON + start * MINUTE_MS, NOON + (start + length) * MINUTE_MS)
    assert free == taken.isdisjoint(range(start, start + length))


def test_a_comparable_room_is_preferred_and_any_free_one_better_than_none() -> None:
    """Same building and about the size, as far as that is known; then whatever is free on the site."""
    facts = {
        "orion": RoomFacts("orion", "Orion", 8, "A"),
        "lyra": RoomFacts("lyra", "Lyra", 10, "A"),
        "vega": RoomFacts("vega", "Vega", 40, "A"),
        "draco": RoomFacts("draco", "Draco", 8, "B"),
        "pavo": RoomFacts("pavo", "Pavo"),
    }
    assert comparable("orion", facts) == ("lyra", "pavo")
    hour = (NOON, NOON + HOUR_MS)
    busy = {name: busy_of([]) for name in facts if name != "pavo"}  # of pavo nothing is known
    assert free_instead("orion", *hour, busy, facts) == ("lyra",)
    busy["lyra"] = busy_of([booked(*hour)])
    assert free_instead("orion", *hour, busy, facts) == ("draco", "vega")


# -- one calendar -------------------------------------------------------------------------------------


def test_bookings_that_overlap_are_found_and_neighbours_are_not() -> None:
    """End and start at the same moment is no overlap; what is over, declined, free or ours is left out."""
    first = booked(NOON, NOON + HOUR_MS, "first")
    second = booked(NOON + HOUR_MS, NOON + 2 * HOUR_MS, "second")
    third = booked(NOON + 90 * MINUTE_MS, NOON + 3 * HOUR_MS, "third")
    harmless = [
        booked(NOON, NOON + HOUR_MS, "ours", marks=("walk_up",)),
        booked(NOON, NOON + HOUR_MS, "free", show_as="free"),
        booked(NOON, NOON + HOUR_MS, "declined", response="declined"),
        booked(NOON, NOON, "empty"),
    ]
    assert overlaps([third, first, second, *harmless], NOON - HOUR_MS) == (
        Overlap(NOON + 90 * MINUTE_MS, NOON + 2 * HOUR_MS, "second", "third"),
    )
    assert overlaps([first, second, third], NOON + 2 * HOUR_MS) == ()


@settings(max_examples=100)
@given(spans=SPANS)
def test_every_overlap_is_found(spans: list[tuple[int, int]]) -> None:
    """Compared with looking at each pair."""
    entries = [
        booked(NOON + s * MINUTE_MS, NOON + (s + n) * MINUTE_MS, f"key-{i:02}")
        for i, (s, n) in enumerate(spans)
    ]
    pairs = {
        frozenset((a.key, b.key))
        for a in entries
        for b in entries
        if a.key < b.key and a.start < b.end and b.start < a.end
    }
    found = overlaps(entries, NOON - 1, at_most=10_000)
    assert {frozenset((one.first, one.second)) for one in found} == pairs
    assert len(found) == len(pairs)


def test_a_request_waits_until_it_is_answered() -> None:
    """Pending ones count while they are to come; accepted, declined, cancelled and own ones do not."""
    entries = [
        booked(NOON, NOON + HOUR_MS, "pending", response="none", show_as="tentative"),
        booked(NOON, NOON + HOUR_MS, "maybe", response="tentative", show_as="tentative"),
        booked(NOON, NOON + HOUR_MS, "accepted"),
        booked(NOON, NOON + HOUR_MS, "cancelled", response="none", cancelled=True),
        booked(NOON, NOON + HOUR_MS, "own", response="none", room_organises=True),
        booked(NOON - 2 * HOUR_MS, NOON - HOUR_MS, "over", response="none"),
    ]
    assert unanswered(entries, NOON) == {"pending", "maybe"}


# -- Microsoft's own release --------------------------------------------------------------------------


def test_what_vanishes_while_it_runs_is_seen_unless_it_was_ours() -> None:
    """Gone or declined: vanished. Released by us, cancelled by its organizer, over, still there: not."""
    entries = [
        booked(NOON, NOON + HOUR_MS, key) for key in ("gone", "declined", "ours", "cancelled", "there")
    ]
    entries.append(booked(NOON - HOUR_MS, NOON + 5 * MINUTE_MS, "over"))
    before = running(entries, NOON + MINUTE_MS)
    after = {
        "declined": booked(NOON, NOON + HOUR_MS, response="declined"),
        "cancelled": booked(NOON, NOON + HOUR_MS, cancelled=True),
        "there": entries[4],
    }
    seen = NOON + 10 * MINUTE_MS
    found = vanished("orion", before, after, {"ours"}, seen)
    assert found == (Vanished("orion", seen, 10 * MINUTE_MS),) * 2


def gone(*minutes: float, room: str = "orion") -> list[Vanished]:
    """Bookings that vanished so many minutes after their start, one a day."""
    return [Vanished(room, NOON + day * DAY_MS, round(m * MINUTE_MS)) for day, m in enumerate(minutes)]


@pytest.mark.parametrize(
    ("minutes", "found"),
    [
        ((10, 10.5, 11.9), True),
        ((10, 10.5), False),  # twice is chance
        ((3, 31, 17, 10, 10.5, 11), False),  # people cancel at any minute
        ((10, 25, 10.5, 11, 10.2), True),
        ((1, 1, 1, 1), False),  # nobody's rule is so quick
    ],
)
def test_a_constant_delay_is_a_rule_and_people_have_none(minutes: tuple[float, ...], found: bool) -> None:
    """Three at least, within the time between two reads, and most of all that vanished in that room."""
    now = NOON + 10 * DAY_MS
    assert bool(releases_beside_us(gone(*minutes), now)) is found
    assert releases_beside_us(gone(*minutes), now + KEPT_MS) == {}


def test_rooms_are_judged_each_for_itself() -> None:
    """Three rooms with one each show nothing."""
    one_each = [Vanished(room, NOON, 10 * MINUTE_MS) for room in ("orion", "lyra", "vega")]
    assert releases_beside_us(one_each, NOON) == {}
    found = releases_beside_us([*one_each, *gone(10, 10, 10, room="pavo")], NOON + DAY_MS)
    assert found == {"pavo": 10 * MINUTE_MS}


@settings(max_examples=60)
@given(places=st.sets(st.integers(2, 40), min_size=3, max_size=12))
def test_delays_that_are_far_apart_are_never_a_rule(places: set[int]) -> None:
    """Whoever cancels at really different times is not taken for a machine."""
    found = [Vanished("orion", NOON, 3 * MINUTE_MS * place) for place in sorted(places)]
    assert releases_beside_us(found, NOON) == {}


# -- permissions and mailboxes ------------------------------------------------------------------------


def test_what_worked_and_is_denied_has_drifted_and_what_never_worked_has_not() -> None:
    """Some rooms: the scope. All rooms: the role. Never read, away or without a token: another matter."""
    errors = {
        "orion": ForbiddenError("no", status=403),
        "lyra": ForbiddenError("no", status=403),
        "vega": MailboxError("none", status=404),
        "pavo": RetryableError("away"),
        "draco": AuthError("no token"),
    }
    worked = {"orion", "vega", "pavo", "draco"}
    assert drifted(errors, worked, rooms=5) == {
        "permission_lost": Lost(("orion",), is_all=False),
        "mailbox_moved": Lost(("vega",), is_all=False),
    }
    everywhere = dict.fromkeys(("orion", "lyra"), ForbiddenError("no"))
    assert drifted(everywhere, {"orion", "lyra"}, rooms=2)["permission_lost"].is_all
