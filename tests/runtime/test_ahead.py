"""Bookings far ahead that break a rule: which of them the core is told of, and that nothing else changes."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.booking import Booking
from gateway.core.booking_rules import BookingRules, breaches
from gateway.core.units import DAY_MS, HOUR_MS
from gateway.exchange.calendar import difference
from gateway.runtime.ahead import AT_MOST, joined, to_tell

NEAR_END = 2 * DAY_MS
RULES = BookingRules(consequences=(("blackout", "decline"), ("too_early", "decline")), ahead_ms=30 * DAY_MS)


def booked(key: str, day: int, **more: Any) -> Booking:
    """An hour, so many days from now (0)."""
    return msgspec.structs.replace(Booking(key, f"id-{key}", day * DAY_MS, day * DAY_MS + HOUR_MS), **more)


def keys(bookings: tuple[Booking, ...]) -> list[str]:
    """Of these, in their order."""
    return [one.key for one in bookings]


def by_key(bookings: tuple[Booking, ...]) -> dict[str, Booking]:
    """As the core holds them."""
    return {one.key: one for one in bookings}


def test_what_breaks_a_rule_far_ahead_is_told_and_nothing_else() -> None:
    """Too early, or by what is known from its details; neither what is near nor what the room declined."""
    found = (
        booked("early", 31),
        booked("fine", 30),
        booked("closed", 10, breaches=("blackout",)),
        booked("near", 1, breaches=("blackout",)),
        booked("declined", 40, response="declined"),
    )
    told = to_tell(found, {}, RULES, 0, NEAR_END)
    assert keys(told) == ["closed", "early"]
    assert [one.breaches for one in told] == [("blackout",), ("too_early",)]
    assert to_tell(found, {}, BookingRules(), 0, NEAR_END) == ()


def test_what_was_told_stays_until_it_is_gone() -> None:
    """Also when it is not too early any more, or the rule is switched off: it would pass for cancelled."""
    (told,) = to_tell((booked("a", 31),), {}, RULES, 0, NEAR_END)
    later = to_tell((booked("a", 31),), by_key((told,)), RULES, 5 * DAY_MS, NEAR_END + 5 * DAY_MS)
    assert later == (told,)
    assert keys(to_tell((booked("a", 31),), by_key((told,)), BookingRules(), 0, NEAR_END)) == ["a"]
    assert to_tell((), by_key((told,)), RULES, 5 * DAY_MS, NEAR_END) == ()


def test_one_date_stands_for_its_series_and_the_number_is_bounded() -> None:
    """The earliest first; whoever is told already keeps its place."""
    series = tuple(booked(f"s{day}", day, series_id="s") for day in range(40, 50))
    assert keys(to_tell(series, {}, RULES, 0, NEAR_END)) == ["s40"]
    assert keys(to_tell(series, by_key(series[3:4]), RULES, 0, NEAR_END)) == ["s43"]
    many = tuple(booked(f"{day:04}", day) for day in range(31, 331))
    first = to_tell(many, {}, RULES, 0, NEAR_END)
    assert keys(first) == [one.key for one in many[:AT_MOST]]
    assert to_tell(many, by_key(first), RULES, 0, NEAR_END) == first


BOOKINGS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.integers(0, 60), st.sampled_from(("", "s", "t")), st.booleans()),
)


def made(drawn: dict[str, tuple[int, str, bool]]) -> tuple[Booking, ...]:
    """The bookings that were drawn."""
    return tuple(
        booked(key, day, series_id=series, breaches=("blackout",) if closed else ())
        for key, (day, series, closed) in sorted(drawn.items())
    )


@settings(max_examples=200)
@given(before=BOOKINGS, after=BOOKINGS)
def test_the_core_then_holds_the_near_days_and_what_was_told(before: Any, after: Any) -> None:
    """Whatever it knew: near all that was read, far all that breaks a rule, and each key once."""
    known, found = by_key(made(before)), made(after)
    read = tuple(one for one in found if one.start < NEAR_END)
    far = to_tell(found, known, RULES, 0, NEAR_END)
    near = difference(known.values(), read, 0, NEAR_END)
    changed, removed = joined(near, read, known, far, NEAR_END)
    assert not {one.key for one in changed} & {*removed}
    held = {key: one for key, one in known.items() if key not in removed} | by_key(changed)
    assert held == by_key(read) | by_key(far)
    assert all(breaches(one, 0, RULES) or one.key in known for one in far)
    assert joined(near, read, known, None, NEAR_END) == near
    again = to_tell(found, held, RULES, 0, NEAR_END)
    assert again == far, "an hour later it is the same"
