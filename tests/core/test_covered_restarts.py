"""How long our own restart may take, for sensors that speak too seldom to be missed meanwhile."""

import msgspec
import pytest
from timeline import PIR, Timeline, booking

from gateway.core.units import MINUTE_MS

SELDOM_PIR = msgspec.structs.replace(PIR, heartbeat_ms=10 * MINUTE_MS)


@pytest.mark.parametrize(
    ("back", "released"),
    [("08:51:00", "09:10"), ("08:51:01", "09:20")],
    ids=["within-the-queue", "a-second-too-long"],
)
def test_a_restart_longer_than_the_brokers_queue_is_a_gap_although_no_heartbeat_was_missed(
    back: str, released: str
) -> None:
    """The broker queues for 60 s here. Beyond that somebody may have come unheard: hold and grace anew."""
    line = Timeline(SELDOM_PIR, start="07:00")
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:50")
    line.restart(until=back)
    line.clear("pir")
    assert line.site.rooms["orion"].sensors["pir"].is_healthy(line.now)
    line.until("10:00")
    assert line.times("release", "b") == [released]
