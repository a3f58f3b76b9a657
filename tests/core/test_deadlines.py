"""When the site asks for a tick: as soon as time alone can change what it knows, and not for less."""

import msgspec
from timeline import MIDNIGHT, PIR, PIR_2, RADAR, Timeline, at, booking

from gateway.core.events import CalendarRead, CalendarUnreadable, Configured, LinkUp, Reading, Tick
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant

SLOW_PIR = msgspec.structs.replace(PIR, heartbeat_ms=HOUR_MS)
SLOW_PIR_2 = msgspec.structs.replace(PIR_2, heartbeat_ms=HOUR_MS)


def occupied_site(*sensors: SensorProfile) -> Site:
    """A room at 09:00 with everything heard from its sensors, and nobody in it."""
    site = Site()
    site.handle(Configured(SiteConfig((RoomConfig("orion", sensors=sensors),))), at("08:00"))
    site.handle(LinkUp(session_present=False), at("08:00"))
    for now in (at("08:00"), at("09:00")):
        for sensor in sensors:
            site.handle(Reading(sensor.id, sensor.senses, 0), now)
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


def test_the_hold_of_an_ill_sensor_puts_nothing_off() -> None:
    """It shows no presence: occupancy ends with the hold of the healthy one, though that is shorter."""
    radar = msgspec.structs.replace(RADAR, heartbeat_ms=HOUR_MS)
    site = occupied_site(radar, SLOW_PIR_2)
    for event, clock in ((Reading("pir-2", "fault", 1), "09:04"), (Reading("radar", "presence", 1), "09:05")):
        site.handle(event, at(clock))
        site.handle(Tick(), at(clock))
    hit(site, "pir-2", "09:06:30")
    site.handle(Reading("radar", "presence", 0), at("09:07"))
    assert changes_until(site, at("09:30"))[0] == (at("09:07") + RADAR.hold_ms + 1, "unknown")


def test_the_first_proof_after_due_is_never_folded() -> None:
    """A repeat within seconds adds nothing, unless a release that has just become due waits for it."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("09:09:58")
    said = Reading("radar", "presence", 0)
    line.tell(said)
    assert line.site.is_repeat(said, at("09:09:59"))
    assert not line.site.is_repeat(said, at("09:10:01"))


def ticks(line: Timeline, since: str) -> int:
    """How many ticks the site has asked for."""
    return sum(isinstance(event, Tick) and now > at(since) for event, now in line.log)


def test_heartbeats_in_an_empty_room_bring_a_tick_an_hour() -> None:
    """Nothing happens, so there is nothing to conclude; but the breaker learns how silent each hour was."""
    line = Timeline(RADAR)
    line.until("10:30")
    assert ticks(line, "08:30") == 2
    assert at("10:00") in [now for event, now in line.log if isinstance(event, Tick)]


def test_silence_is_noticed_at_its_very_moment_and_a_heartbeat_puts_it_off() -> None:
    """A quarter of a heartbeat overdue: exact as far as is asked, whatever alarm was set before."""
    line = Timeline(RADAR)
    line.until("09:00")
    assert line.site.next_deadline(at("09:30")) == at("09:01:15") + 1
    line.site.handle(Reading("radar", "presence", 0), at("09:01"))
    alarm = line.site.next_deadline()
    assert alarm == at("09:01:15") + 1  # of the heartbeat before: early, which costs a question
    assert line.site.next_deadline(at("09:30")) == at("09:02:15") + 1
    assert line.site.quiet_until == at("09:02:15")


def test_one_more_look_into_a_calendar_that_is_trusted_brings_no_tick() -> None:
    """A booking is due, its room not yet proven empty: the calendar shows what it showed."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.show("radar")
    line.until("09:20")
    before = ticks(line, "08:00")
    line.read_calendar()
    assert ticks(line, "08:00") == before


def test_a_look_that_a_release_waits_for_brings_it_at_once() -> None:
    """The calendar could not be read for too long; the first look that shows it again ends the wait."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.polls = False
    line.tell(CalendarUnreadable("orion", "time-out"))
    line.until("09:20")
    assert [d.kind for d in line.decisions if d.booking == "b"][-1] == "withheld"
    line.tell(CalendarRead("orion", MIDNIGHT, MIDNIGHT + 2 * DAY_MS))
    assert [d.kind for d in line.decisions if d.booking == "b"][-1] == "warned"


def test_people_who_come_early_bring_no_tick_for_each_of_their_moves() -> None:
    """Before a booking begins nobody can be checked in: its start is soon enough."""
    line = Timeline(PIR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:55").show("pir")
    before = ticks(line, "08:00")
    for minute in range(55, 59):
        line.until(f"08:{minute}:10").clear("pir")
        line.until(f"08:{minute + 1}").show("pir")
    assert ticks(line, "08:00") == before
    line.until("09:00")
    assert [d.kind for d in line.decisions if d.booking == "b"][-1] in ("seen", "checked_in")


def test_a_sensor_that_is_ill_for_another_reason_is_told_at_once() -> None:
    """Overdue, and then it says itself that it is broken: people are shown what is wrong now."""
    line = Timeline(RADAR, SLOW_PIR)
    line.until("09:00")
    line.silence("radar")
    line.until("09:05")
    assert line.site.rooms["orion"].state.occupancy.why[0].code == "overdue"
    line.tell(Reading("radar", "fault", 1))
    assert line.site.rooms["orion"].state.occupancy.why[0].code == "fault"


def test_a_sensor_that_may_be_stuck_off_is_told_at_the_end_of_the_booking_that_shows_it() -> None:
    """Three attended bookings without a sign of its own: the room is unknown from then on."""
    line = Timeline(RADAR, PIR)
    line.book(booking("09:00", "09:30", "a"), booking("09:30", "10:00", "b"), booking("10:00", "10:30", "c"))
    for came, left in (("09:05", "09:10"), ("09:36", "09:40"), ("10:06", "10:10")):
        line.until(came)
        line.show("radar")
        line.until(left)
        line.clear("radar")
    line.until("10:29")
    assert line.site.rooms["orion"].state.occupancy.status == "vacant"
    line.until("10:30:01")
    occupancy = line.site.rooms["orion"].state.occupancy
    assert (occupancy.status, occupancy.why[0].code) == ("unknown", "stuck_off")


def test_motion_that_goes_on_after_a_handover_is_seen_when_its_hold_is_over() -> None:
    """People of the meeting before may have caused it; beyond the device's own hold it is new motion."""
    line = Timeline(PIR)
    line.book(booking("09:00", "09:30", "a"), booking("09:30", "10:30", "b"))
    line.until("09:05")
    line.hit("pir")
    line.until("09:28")
    line.hit("pir")
    line.until("09:34:55")
    line.show("pir")
    line.until("09:36")
    handed_over = at("09:30") + line.site.rooms["orion"].state.config.policy.handover_ms
    assert line.first("seen", "b").at == handed_over + PIR.device_hold_ms + 1
