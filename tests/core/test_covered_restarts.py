"""How long our own restart may take before it costs the proof of vacancy (decision 3)."""

import msgspec
import pytest
from timeline import PIR, RADAR, Timeline, at, booking, clock

from gateway.core.units import MINUTE_MS, SECOND_MS

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


def restarted(stop: int, for_ms: int) -> Timeline:
    """A room with a radar that speaks each minute; what it said meanwhile waits at the broker."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.advance(stop)
    line.restart(until=clock(stop + for_ms))
    if stop // MINUTE_MS < line.now // MINUTE_MS:
        line.clear("radar")
    line.until("09:06").clear("radar")
    return line.until("10:00")


@pytest.mark.parametrize("second", range(60))
def test_a_restart_within_a_quarter_of_a_heartbeat_costs_nothing(second: int) -> None:
    """Five seconds, and ten in which messages may be old: at no second of the minute is the sensor missed."""
    line = restarted(at("09:04") + second * SECOND_MS, 5 * SECOND_MS)
    assert line.times("release", "b") == ["09:10"]


def test_a_longer_restart_costs_the_proof_where_a_heartbeat_falls_into_it() -> None:
    """The word that waited proves life up to the stop; the next one comes too late after that."""
    assert restarted(at("09:04:44"), 7 * SECOND_MS).times("release", "b") == ["09:17"]
    assert restarted(at("09:04:30"), 60 * SECOND_MS).times("release", "b") == ["09:17"]
    assert restarted(at("09:04:05"), 40 * SECOND_MS).times("release", "b") == ["09:10"]
