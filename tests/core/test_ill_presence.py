"""What an ill sensor shows protects its room, also where its silence would prove nothing anyway."""

import msgspec
import pytest
from timeline import DOOR, RADAR, Timeline, at, booking

from gateway.core.events import AnyEvent, Availability, Reading
from gateway.core.policy import SensorProfile
from gateway.core.units import HOUR_MS, MINUTE_MS

SEAT = msgspec.structs.replace(RADAR, id="seat", role="seat")
LONG_HOLD_DOOR = msgspec.structs.replace(DOOR, hold_ms=20 * MINUTE_MS, hold_beside_presence_ms=20 * MINUTE_MS)


def empty_room_beside(*sensors: SensorProfile) -> Timeline:
    """A healthy radar that shows nothing, and a booking from 09:00 to 10:00."""
    line = Timeline(RADAR, *sensors)
    line.book(booking("09:00", "10:00", "b"))
    return line


@pytest.mark.parametrize(
    "illness",
    [Reading("seat", "fault", 1), Reading("seat", "battery", 1), Availability("seat", online=False)],
    ids=["fault", "battery", "offline"],
)
def test_an_ill_seat_sensor_that_shows_presence_keeps_the_room(illness: AnyEvent) -> None:
    """It checks nobody in, and as long as it shows somebody nothing is released."""
    line = empty_room_beside(SEAT)
    line.until("08:55")
    line.tell(illness)
    line.show("seat")
    line.until("10:00")
    assert not line.has("release")
    assert not line.has("seen")
    assert set(line.why("withheld", "b")) == {"shows_presence"}


def test_a_seat_sensor_stuck_on_keeps_the_room() -> None:
    """On for longer than any meeting it is not believed, and still nobody is thrown out for it."""
    line = empty_room_beside(SEAT)
    line.book(removed=("b",))
    line.show("seat")
    line.advance(line.now + 7 * HOUR_MS)
    line.book(booking("15:30", "16:30", "c"))
    line.until("16:30")
    assert not line.site.rooms["orion"].sensors["seat"].is_healthy(line.now)
    assert not line.has("release", "c")


def test_what_an_ill_door_sensor_saw_holds_for_its_hold() -> None:
    """Somebody came in at 09:05: a hold of 20 min, then the grace, although the door is ill."""
    line = empty_room_beside(LONG_HOLD_DOOR)
    line.until("08:55")
    line.tell(Reading("door", "fault", 1))
    line.until("09:05")
    line.show("door")
    line.until("10:00")
    assert not line.has("seen")
    (released,) = line.times("release", "b")
    assert at(released) >= at("09:35")
