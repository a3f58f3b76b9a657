"""Alarms of a site: however often they are set anew, they take no more memory."""

from timeline import RADAR, Timeline, booking

from gateway.core.alarms import STALE_ALARMS


def test_alarms_that_were_set_anew_are_thrown_out() -> None:
    """Thousands of conclusions leave a handful of them, and the next one still rings in time."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    most = 0
    for _ in range(2_000):
        line.show("radar")
        line.clear("radar")
        most = max(most, len(line.site._alarms))
    assert most <= STALE_ALARMS * len(line.site.rooms) + 1
    line.until("09:12")
    assert line.times("release", "b") == ["09:10"]
