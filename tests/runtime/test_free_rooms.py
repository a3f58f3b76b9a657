"""Which rooms are free: by calendar, for now by who is there, the best fit first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.booking import Booking
from gateway.core.occupancy import Occupancy
from gateway.exchange.room_facts import RoomFacts
from gateway.runtime.free_rooms import Known, Wanted, fits, free_rooms, lacking

EMPTY = Occupancy("vacant", since=0, until=10)
THERE = Occupancy("occupied")
NOBODY_KNOWS = Occupancy("unknown")

ORION = RoomFacts("orion", "Orion", 8, "North", "4", ("Video", "whiteboard"))


def booking(start: int, end: int, **more: object) -> Booking:
    """A meeting."""
    return Booking("k", "e", start, end, **more)  # type: ignore[arg-type] # fields of Booking


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(0, 1), True),
        (Wanted(0, 1, 8, ("video",), "north", "4"), True),
        (Wanted(0, 1, 9), False),
        (Wanted(0, 1, tags=("video", "phone")), False),
        (Wanted(0, 1, building="South"), False),
        (Wanted(0, 1, floor="5"), False),
    ],
)
def test_a_room_fits_if_it_is_all_that_was_asked_for(wanted: Wanted, expected: bool) -> None:
    """Words in any case."""
    assert fits(ORION, wanted) is expected


def test_an_unknown_capacity_is_never_enough_and_is_told() -> None:
    """Somebody may add it to the configuration; a room that fails otherwise is not worth a word."""
    unsized, elsewhere = RoomFacts("lyra", "Lyra"), RoomFacts("vega", "Vega", building="South")
    assert fits(unsized, Wanted(0, 1))
    assert not fits(unsized, Wanted(0, 1, 2))
    assert lacking([ORION, unsized, elsewhere], Wanted(0, 1, 2)) == ["lyra", "vega"]
    assert lacking([ORION, unsized, elsewhere], Wanted(0, 1, 2, building="North")) == []


def test_free_rooms_come_in_the_order_in_which_one_would_take_them() -> None:
    """Proven empty before unsure before in use before unknown; within these the smallest that is enough."""
    places = [
        RoomFacts("hall", "Hall", 40),
        RoomFacts("small", "Small", 4),
        RoomFacts("booked", "Booked", 4),
        RoomFacts("busy", "Busy", 2),
        RoomFacts("dark", "Dark", 2),
        RoomFacts("lost", "Lost", 2),
        RoomFacts("unsized", "Unsized"),
        RoomFacts("new", "New", 3),
    ]
    known = {
        "hall": Known((booking(200, 300),), EMPTY),
        "small": Known((booking(0, 100), booking(250, 300, show_as="free")), EMPTY),
        "booked": Known((booking(150, 160),), EMPTY),
        "busy": Known((), THERE),
        "dark": Known((), NOBODY_KNOWS),
        "lost": Known((), EMPTY, "403"),
        "unsized": Known((booking(100, 200, cancelled=True),), EMPTY),
    }
    found = free_rooms(places, known, Wanted(100, 200), is_now=True)
    assert [(room.facts.room, room.standing, room.until) for room in found] == [
        ("small", "free", None),
        ("hall", "free", 200),
        ("unsized", "free", None),
        ("dark", "unsure", None),
        ("busy", "in_use", None),
        ("lost", "unknown", None),
        ("new", "unknown", None),
    ]
    later = free_rooms(places, known, Wanted(100, 200), is_now=False)
    assert {room.standing for room in later} == {"free", "unknown"}


TIMES = st.tuples(st.integers(0, 20), st.integers(0, 20)).filter(lambda span: span[0] < span[1])


@given(spans=st.lists(TIMES, max_size=5), asked=TIMES)
def test_a_room_is_never_told_as_free_while_anything_holds_it(
    spans: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    """And what is told as free is so until the moment that is told."""
    known = {"orion": Known(tuple(booking(*span) for span in spans), EMPTY)}
    found = free_rooms([ORION], known, Wanted(*asked), is_now=False)
    taken = any(start < asked[1] and end > asked[0] for start, end in spans)
    assert bool(found) is not taken
    for room in found:
        until = room.until if room.until is not None else 100
        assert not any(start < until and end > asked[0] for start, end in spans)
