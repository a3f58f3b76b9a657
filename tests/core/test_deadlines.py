"""When the site asks for a tick: as soon as time alone can change what it knows, and not for less."""

import msgspec
from timeline import PIR, PIR_2, RADAR, Timeline, at, booking

from gateway.core.events import Configured, LinkUp, Reading, Tick
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant

SLOW_PIR = msgspec.structs.replace(PIR, heartbeat_ms=HOUR_MS)
SLOW_PIR_2 = msgspec.structs.replace(PIR_2, heartbeat_ms=HOUR_MS)


def occupied_site(*sensors: SensorProfile) -> Site:
    """A room at 09:00 with everything heard from its sensors, and nobody in it."""
    site = Site()
    site.handle(Configured(SiteConfig((RoomConfig("orion", sensors=sensors),))), at("08:00"))
    site.handle(LinkUp(session_present=False), at("08:00"))
    for now in (at("08:00"), at("09:00")):
        for sensor in sensors:
            site.handle(Reading(sensor.id, "motion", 0), now)
        site.handle(Tick(), now)
    return site


def hit(site: Site, sensor: str, clock: str) -> Instant:
    """The sensor sees somebody for ten seconds; the instant of its clearing."""
    now = at(clock)
    site.handle(Reading(sensor, "motion", 1), now)
    site.handle(Tick(), now)
    site.handle(Reading(sensor, "motion", 0), now + 10 * SECOND_MS)
    site.handle(Tick(), now + 10 * SECOND_MS)
    return now + 10 * SECOND_MS


def changes_until(site: Site, end: Instant) -> list[tuple[Instant, str]]:
    """Ticks at the site's deadlines alone: each change of occupancy with its instant."""
    changes = []
    while (deadline := site.next_deadline()) is not None and deadline <= end:
        for decision in site.handle(Tick(), deadline):
            assert decision.kind == "occupancy"
            changes.append((decision.at, decision.reasons[0].code))
    return changes


def test_a_room_is_looked_at_when_the_last_hold_runs_out() -> None:
    """Occupancy ends at that very moment although no message comes: not a millisecond before or after."""
    site = occupied_site(SLOW_PIR)
    cleared = hit(site, "pir", "09:05")
    assert changes_until(site, at("09:30")) == [(cleared + 10 * MINUTE_MS + 1, "unknown")]


def test_the_hold_of_one_sensor_is_no_moment_while_another_still_shows_somebody() -> None:
    """With two sensors the later hold alone ends the occupancy, whichever of them it is."""
    site = occupied_site(SLOW_PIR, SLOW_PIR_2)
    hit(site, "pir", "09:05")
    last = hit(site, "pir-2", "09:08")
    assert changes_until(site, at("09:30")) == [(last + 10 * MINUTE_MS + 1, "unknown")]
    last = hit(site, "pir-2", "09:35")
    last = hit(site, "pir", "09:36")
    assert changes_until(site, at("10:00")) == [(last + 10 * MINUTE_MS + 1, "unknown")]


def test_the_first_proof_after_due_is_never_folded() -> None:
    """A repeat within seconds adds nothing, unless a release that has just become due waits for it."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("09:09:58")
    said = Reading("radar", "presence", 0)
    line.tell(said)
    assert line.site.is_repeat(said, at("09:09:59"))
    assert not line.site.is_repeat(said, at("09:10:01"))
