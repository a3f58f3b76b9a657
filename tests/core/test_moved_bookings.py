"""A booking that moves leaves behind what sensors saw at its old time."""

import pytest
from timeline import RADAR, Timeline, booking


@pytest.mark.parametrize(("gone", "was"), [("09:02:10", "seen"), ("09:03", "checked_in")])
def test_nobody_at_the_new_time_is_a_no_show_whoever_was_there_at_the_old_one(gone: str, was: str) -> None:
    """Due, window and outcome are those of a booking that nobody was ever seen in."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("09:02")
    line.show("radar")
    line.until(gone)
    line.clear("radar")
    assert line.kinds("b")[-1] == was
    line.until("09:05")
    line.book(booking("14:00", "15:00", "b"))
    line.until("15:00")
    assert line.times("release", "b") == ["14:10"]
    assert line.why("release", "b") == ["no_show"]
    assert line.outcome("b") == "no_show_released"
