"""Rooms that can be combined share their evidence while a booking covers them together."""

import msgspec
from test_breaker import Floor
from timeline import at, booking

from gateway.core.events import CalendarRead, Configured
from gateway.core.policy import BreakerPolicy, RoomConfig
from gateway.core.units import DAY_MS


def hall() -> Floor:
    """A hall that is put together from rooms a and b; it has no sensors of its own."""
    floor = Floor("ab", BreakerPolicy(on=False))
    config = floor.site.state.config
    rooms = (*config.rooms, RoomConfig("hall", mode="live", parts=("a", "b")))
    floor.tell(Configured(msgspec.structs.replace(config, rooms=rooms)))
    floor.clear("ab")
    return floor


def book(floor: Floor, room: str, start: str, end: str) -> None:
    """A booking of this room."""
    changed = (booking(start, end, f"{room}-{start}"),)
    floor.tell(CalendarRead(room, floor.now - DAY_MS, floor.now + DAY_MS, changed))


def until(floor: Floor, clock: str) -> None:
    """Let time pass for the hall's calendar too."""
    while floor.now < at(clock):
        floor.until(clock_of(floor.now + 30_000))
        floor.tell(CalendarRead("hall", floor.now - DAY_MS, floor.now + DAY_MS))


def clock_of(instant: int) -> str:
    """An instant of the test day as "09:05:30"."""
    seconds = (instant - at("00:00")) // 1_000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def withheld(floor: Floor, room: str) -> set[str]:
    """Why releases of this room were withheld."""
    return {d.reasons[0].code for d in floor.decisions if d.kind == "withheld" and d.room == room}


def test_presence_in_a_part_keeps_the_booking_of_the_whole() -> None:
    """People in room b attend the booking of the hall."""
    floor = hall()
    book(floor, "hall", "09:00", "10:00")
    until(floor, "09:02")
    floor.show("b")
    until(floor, "09:30")
    assert "checked_in" in {d.kind for d in floor.decisions if d.room == "hall"}
    assert floor.released() == []


def test_the_whole_is_given_back_when_every_part_is_empty() -> None:
    """Nobody anywhere: a ghost like any other."""
    floor = hall()
    book(floor, "hall", "09:00", "10:00")
    until(floor, "09:30")
    assert floor.released() == ["hall"]


def test_an_ill_sensor_in_a_part_withholds_the_whole() -> None:
    """Each part must be proven empty."""
    floor = hall()
    book(floor, "hall", "09:00", "10:00")
    until(floor, "09:01")
    floor.names = ["a"]
    until(floor, "09:40")
    assert floor.released() == []


def test_people_of_the_whole_keep_the_booking_of_a_part() -> None:
    """A booking of room a that overlaps the attended hall is not released, though room a is empty."""
    floor = hall()
    book(floor, "hall", "09:00", "11:00")
    book(floor, "a", "09:30", "10:30")
    until(floor, "09:05")
    floor.show("b")
    until(floor, "10:15")
    assert floor.released() == []
    assert withheld(floor, "a") == {"overlaps_attended"}


def test_people_of_a_part_keep_the_booking_of_the_whole_also_when_theirs_is_over() -> None:
    """As in one room: where bookings overlap, an attended one protects the other."""
    floor = hall()
    book(floor, "a", "09:00", "09:40")
    book(floor, "hall", "09:30", "11:00")
    until(floor, "09:05")
    floor.show("a")
    until(floor, "09:20")
    floor.clear("a")
    until(floor, "10:55")
    assert floor.released() == []
    assert withheld(floor, "hall") == {"overlaps_attended"}


def test_the_same_sensor_is_journaled_once_and_heard_twice() -> None:
    """One reading reaches the part and the whole."""
    floor = hall()
    floor.show("a")
    rooms = floor.site.rooms
    assert {name: room.state.occupancy.status for name, room in rooms.items()} == {
        "a": "occupied",
        "b": "unknown",
        "hall": "occupied",
    }
    assert [p.id for p in rooms["hall"].profiles] == ["a-radar", "b-radar"]
