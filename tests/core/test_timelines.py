"""The timelines that shaped the rules: each bracket of the design's fourth section, played out.

Where a rule withholds, a second test shows that the same day without the trouble does release, so
that no rule passes here by releasing nothing at all.
"""

from collections.abc import Callable

import msgspec
import pytest
from timeline import COUNTER, PIR, PIR_2, RADAR, ZIGBEE_PIR, Timeline, at, booking, clock

from gateway.core.events import Availability, Booted, BridgeState, ClockTrust, Reading
from gateway.core.policy import SensorProfile

ZIGBEE_2 = msgspec.structs.replace(ZIGBEE_PIR, id="zigbee-2")
ZIGBEE_ELSEWHERE = msgspec.structs.replace(ZIGBEE_PIR, id="zigbee-3", bridge="deconz")
SHORT = {"heartbeat_ms": 60_000}


def ghosts(line: Timeline, *hours: str) -> None:
    """Book a ghost of 45 minutes at each of these full hours, and live through them."""
    line.book(*(booking(f"{hour}:00", f"{hour}:45") for hour in hours))
    line.until(f"{int(hours[-1]) + 1:02d}:00")


# -- A radar stuck on would check in every ghost ------------------------------------------------------


def test_a_radar_stuck_on_does_not_check_in_every_ghost() -> None:
    """After six hours without a pause its presence still protects, and checks nobody in."""
    line = Timeline(RADAR, start="02:00")
    line.show("radar")
    ghosts(line, "09", "10")
    assert line.kinds() == ["opened", "withheld", "concluded"] * 2
    assert line.why("withheld") == ["shows_presence", "shows_presence"]
    assert line.outcome("uid-09:00") == "unknown"


def test_a_radar_on_for_a_long_meeting_still_checks_in() -> None:
    """Five hours without a pause are still believed."""
    line = Timeline(RADAR, start="05:00")
    line.show("radar")
    ghosts(line, "09")
    assert line.times("checked_in") == ["09:00"]


def test_a_radar_that_comes_unstuck_is_believed_from_then_on() -> None:
    """Its clearing is its return to health: the vacancy clock starts there."""
    line = Timeline(RADAR, start="02:00")
    line.show("radar")
    line.book(booking("09:00", "10:00", "b"))
    line.until("09:05")
    line.clear("radar")
    line.until("10:00")
    assert line.times("release", "b") == ["09:16"]


# -- Two Zigbee PIRs on one dead coordinator agree on everything --------------------------------------


def test_two_zigbee_pirs_on_one_dead_coordinator_agree_on_everything() -> None:
    """Two sensors on one bridge prove a room like one alone: after three silent ghosts, nothing more."""
    pair = [msgspec.structs.replace(z, **SHORT) for z in (ZIGBEE_PIR, ZIGBEE_2)]
    line = Timeline(*pair, start="07:00")
    ghosts(line, "09", "10", "11", "12")
    assert [d.booking for d in line.decisions if d.kind == "release"] == [
        "uid-09:00",
        "uid-10:00",
        "uid-11:00",
    ]
    assert line.why("withheld", "uid-12:00") == ["maybe_stuck_off"]


def test_two_zigbee_pirs_on_two_coordinators_are_independent() -> None:
    """They cannot fail together by one radio, so a quiet day is a quiet day."""
    pair = [msgspec.structs.replace(z, **SHORT) for z in (ZIGBEE_PIR, ZIGBEE_ELSEWHERE)]
    line = Timeline(*pair, start="07:00")
    ghosts(line, "09", "10", "11", "12")
    assert line.has("release", "uid-12:00")


def test_sensors_that_share_power_are_not_independent_either() -> None:
    """Independent sensors share no bridge, radio or power: one common power supply is enough to tie them."""
    on_one_supply = (
        msgspec.structs.replace(ZIGBEE_PIR, unit="injector", **SHORT),
        msgspec.structs.replace(ZIGBEE_ELSEWHERE, unit="injector", **SHORT),
    )
    line = Timeline(*on_one_supply, start="07:00")
    ghosts(line, "09", "10", "11", "12")
    assert line.why("withheld", "uid-12:00") == ["maybe_stuck_off"]


def test_a_coordinator_known_to_be_offline_proves_nothing() -> None:
    """The bridge's own topic takes all its sensors with it."""
    pair = [msgspec.structs.replace(z, **SHORT) for z in (ZIGBEE_PIR, ZIGBEE_2)]
    line = Timeline(*pair)
    line.book(booking("09:00", "10:00"))
    line.until("08:55")
    line.tell(BridgeState("zigbee2mqtt", online=False))
    line.until("10:00")
    assert line.why("withheld") == ["bridge_offline"]
    assert not line.has("release")


# -- Somebody may have entered during the gap and be sitting still ------------------------------------


def _lose_the_link(line: Timeline) -> None:
    line.unplug()
    line.until("08:58:30")
    line.plug_in()


def _lose_power(line: Timeline) -> None:
    line.restart(until="08:58:30", same_machine_boot=False)


def _restart_without_session(line: Timeline) -> None:
    line.restart(until="08:58:30", session_present=False)


def _restart_too_long(line: Timeline) -> None:
    line.restart(until="08:59:31")


def _lose_the_sensor(line: Timeline) -> None:
    line.tell(Availability("pir", online=False))
    line.until("08:58:30")
    line.tell(Availability("pir", online=True))


def _lose_the_bridge(line: Timeline) -> None:
    line.tell(BridgeState("hub", online=False))
    line.until("08:58:30")
    line.tell(BridgeState("hub", online=True))


def _miss_heartbeats(line: Timeline) -> None:
    line.silence("pir")
    line.until("09:00:30")
    line.resume(BRIDGED_PIR)
    line.tell(Reading("pir", "alive", 1))


def _step_the_clock(line: Timeline) -> None:
    line.set_clock("08:58:33")


def _distrust_the_clock(line: Timeline) -> None:
    line.tell(ClockTrust(trusted=False))
    line.until("08:58:30")
    line.tell(ClockTrust(trusted=True))


def _change_the_sensors(line: Timeline) -> None:
    line.reconfigure(sensors=(BRIDGED_PIR, PIR_2))
    line.resume(PIR_2)


BRIDGED_PIR = msgspec.structs.replace(PIR, bridge="hub")
GAPS: tuple[Callable[[Timeline], None], ...] = (
    _lose_the_link,
    _lose_power,
    _restart_without_session,
    _restart_too_long,
    _lose_the_sensor,
    _lose_the_bridge,
    _miss_heartbeats,
    _step_the_clock,
    _distrust_the_clock,
    _change_the_sensors,
)


@pytest.mark.parametrize("gap", GAPS)
def test_somebody_may_have_entered_during_the_gap_and_be_sitting_still(
    gap: Callable[[Timeline], None],
) -> None:
    """Every gap in hearing counts like a sign: hold and grace run from its end, not from before it."""
    line = Timeline(BRIDGED_PIR, start="07:00")
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:58")
    gap(line)
    heard_again = line.now
    for sensor in line.beating:
        line.clear(sensor)
    line.until("10:00")
    (released,) = line.times("release", "b")
    assert at(released) >= heard_again + BRIDGED_PIR.hold_ms + 10 * 60_000
    assert at(released) <= heard_again + BRIDGED_PIR.hold_ms + 12 * 60_000


def test_without_the_gap_the_ghost_is_released_when_due() -> None:
    """The same day, uninterrupted."""
    line = Timeline(BRIDGED_PIR, start="07:00")
    line.book(booking("09:00", "10:00", "b"))
    line.until("10:00")
    assert line.times("release", "b") == ["09:10"]


def test_only_our_own_short_restart_with_its_session_at_qos_1_is_no_gap() -> None:
    """The broker queued everything: the vacancy clock runs on."""
    line = Timeline(BRIDGED_PIR, start="07:00")
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:58")
    line.restart(until="08:58:50")
    line.until("10:00")
    assert line.times("release", "b") == ["09:10"]


@pytest.mark.parametrize("gap", [_lose_the_sensor, _lose_the_bridge, _miss_heartbeats])
def test_a_presence_lost_in_an_outage_is_not_outlived_by_heartbeats(gap: Callable[[Timeline], None]) -> None:
    """People sat down while the radar could not be heard; it speaks again and only says that it is alive.

    An event-driven presence sensor tells its state when it changes. If that message was lost in an
    outage that was noticed, its heartbeats vouch for a state that nobody has heard.
    """
    radar = msgspec.structs.replace(RADAR, id="pir", bridge="hub")
    line = Timeline(radar, start="07:00")
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:58")
    gap(line)
    line.resume(radar)
    line.until("10:00")
    assert not line.has("release", "b")
    assert line.why("withheld", "b") == ["state_unheard"]


def test_after_a_gap_a_sensor_must_tell_its_state_before_it_proves_anything() -> None:
    """It may have been showing presence all the while, up to the moment of its first "clear".

    So that first "clear" counts like any clearing: hold and grace run from 09:30.
    """
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:58")
    _lose_the_link(line)
    line.until("09:30")
    assert line.why("withheld", "b") == ["state_unheard"]
    line.clear("radar")
    line.until("09:50")
    assert line.times("release", "b") == ["09:41"]


def test_a_retained_clear_is_history_and_not_evidence() -> None:
    """After a gap the broker hands out the last retained "clear", of unknown age: no state is told by it."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:58")
    _lose_the_link(line)
    line.tell(Reading("radar", "presence", 0, device_made=False))
    line.until("10:00")
    assert not line.has("release", "b")
    assert line.why("withheld", "b") == ["state_unheard"]


def test_nothing_is_released_while_blind() -> None:
    """With the link down from 08:50 on, nothing follows from silence."""
    line = Timeline(RADAR, PIR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:50")
    line.unplug()
    line.until("10:00")
    assert line.kinds("b") == ["opened", "withheld", "concluded"]
    assert line.why("withheld", "b") == ["not_hearing"]


def test_a_second_gap_while_blind_is_not_shortened_by_a_restart() -> None:
    """A lost link followed by a restart within the broker's queue is still a lost link."""
    line = Timeline(PIR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:40")
    line.unplug()
    line.until("08:58")
    line.restart(until="08:58:20")
    line.until("09:00")
    assert line.site.rooms["orion"].state.sensors["pir"].as_if_sign >= at("08:58:20")
    assert not line.site.rooms["orion"].state.sensors["pir"].knows_state


def test_a_clock_set_back_during_a_restart_does_not_hide_the_gap() -> None:
    """Down since 08:58, set back to 07:58, deaf until 08:55: these 57 minutes were not heard."""
    line = Timeline(RADAR, start="07:00")
    line.until("08:57")
    line.book(booking("08:30", "10:00", "b"))
    line.until("08:58")
    line.now = at("08:58:30")
    line.linked = False
    line.tell(Booted(at("08:58"), same_machine_boot=True))
    line.set_clock("07:58")
    line.until("08:55")
    line.plug_in()
    line.until("08:55:20")
    line.clear("radar")
    line.until("09:05")
    assert not line.has("release", "b")


# -- A counter that reports each 10 min says nothing about the last 9 ----------------------------------


def test_a_counter_that_reports_each_10_min_says_nothing_about_the_last_9() -> None:
    """Due at 09:13 with reports at 09:10 and 09:20: the report after due decides, not the one before."""
    line = Timeline(COUNTER)
    line.book(booking("09:03", "10:00", "b"))
    line.until("10:00")
    assert line.times("release", "b") == ["09:20"]
    released = line.first("release", "b")
    assert [clock(r.until) for r in released.reasons if r.code == "proven_vacant" and r.until] == ["09:20"]


def test_the_folded_or_late_report_after_due_is_waited_for() -> None:
    """When the report of 09:20 does not come, neither does the release."""
    line = Timeline(COUNTER)
    line.book(booking("09:03", "09:40", "b"))
    line.until("09:11")
    line.silence()
    line.until("09:40")
    assert not line.has("release", "b")


def test_people_who_came_after_the_last_report_are_safe() -> None:
    """They sat down at 09:11; the report of 09:20 counts them."""
    line = Timeline(COUNTER)
    line.book(booking("09:03", "10:00", "b"))
    line.until("09:19:59")
    line.show("counter", 4)
    line.until("10:00")
    assert not line.has("release", "b")
    assert line.outcome("b") == "attended"


def test_a_bridges_timer_vouches_for_nothing() -> None:
    """Messages that a bridge or a cache made keep coming; the device has been silent since 08:58."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:58")
    line.silence()
    while line.now < at("09:59"):
        line.advance(line.now + 30_000)
        line.tell(Reading("radar", "presence", 0, device_made=False))
    assert not line.has("release", "b")
    assert line.why("withheld", "b") == ["overdue"]


def test_a_repeated_device_time_vouches_for_nothing() -> None:
    """A bridge that repeats the last message also repeats when the device made it."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("08:58")
    line.silence()
    while line.now < at("09:59"):
        line.advance(line.now + 30_000)
        line.tell(Reading("radar", "presence", 0, made_at=at("08:58")))
    assert not line.has("release", "b")


# -- Otherwise the last meeting's people, one minute over, check in the next ghost for good ------------


def _meeting_that_overruns(line: Timeline, until: str, end: str = "10:00") -> None:
    line.book(booking("09:00", end, "a"), booking("10:00", "11:00", "b"))
    line.until("09:02")
    line.show("radar")
    line.until(until)
    line.clear("radar")


def test_the_last_meetings_people_one_minute_over_do_not_check_in_the_next_ghost() -> None:
    """Their minute moves the vacancy clock and nothing else."""
    line = Timeline(RADAR)
    _meeting_that_overruns(line, "10:01")
    line.until("11:00")
    assert line.kinds("b") == ["opened", "warned", "withheld", "release", "released", "concluded"]
    assert line.times("release", "b") == ["10:12"]
    assert line.outcome("b") == "no_show_released"


def test_people_who_stay_beyond_the_handover_do_check_in_the_next_booking() -> None:
    """After 10:05 whoever is there is there for the next booking; 30 seconds later it is checked in."""
    line = Timeline(RADAR)
    _meeting_that_overruns(line, "10:06")
    line.until("11:00")
    assert line.times("seen", "b") == ["10:05"]
    assert line.times("checked_in", "b") == ["10:05:30"]


def test_whoever_comes_after_proven_vacancy_is_new() -> None:
    """The meeting until 09:57 left at 09:40; who comes at 09:58 comes for the next booking."""
    line = Timeline(RADAR)
    _meeting_that_overruns(line, "09:40", end="09:57")
    line.until("09:58")
    line.show("radar")
    line.until("10:02")
    line.clear("radar")
    line.until("11:00")
    assert line.times("checked_in", "b") == ["10:00"]


def test_a_booking_that_ended_six_minutes_before_hands_nobody_over() -> None:
    """Only what ended at most five minutes before the start counts as a handover."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "09:54", "a"), booking("10:00", "11:00", "b"))
    line.until("09:02")
    line.show("radar")
    line.until("10:01")
    assert line.times("checked_in", "b") == ["10:00"]


def test_an_unattended_booking_hands_nobody_over() -> None:
    """Nobody was seen in the booking before, so who comes at 09:59 comes for this one."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "a"), booking("10:00", "11:00", "b"))
    line.until("10:00:10")
    line.show("radar")
    line.until("10:01")
    assert line.times("seen", "b") == ["10:00:10"]


# -- A battery that died at 09:25 must not empty a full room at 10:10 ----------------------------------


def test_a_battery_that_died_at_0925_must_not_empty_a_full_room_at_1010() -> None:
    """An hourly sensor that spoke last at 09:25 is healthy until 10:40 and proves nothing after 09:25."""
    line = Timeline(ZIGBEE_PIR, start="07:00")
    line.silence()
    line.book(booking("10:00", "11:00", "b"))
    line.until("09:25")
    line.tell(Reading("zigbee", "alive", 1))
    line.until("10:39")
    assert line.site.rooms["orion"].sensors["zigbee"].is_healthy(line.now)
    line.until("11:00")
    assert not line.has("release", "b")
    assert line.kinds("b") == ["opened", "warned", "warning_cancelled", "withheld", "concluded"]


def test_the_hourly_sensor_that_lives_releases_when_it_speaks() -> None:
    """The same room with its battery alive: due at 10:10, proven by the message of 10:25."""
    line = Timeline(ZIGBEE_PIR, start="07:00")
    line.silence()
    line.book(booking("10:00", "11:00", "b"))
    line.until("09:25")
    line.tell(Reading("zigbee", "alive", 1))
    line.until("10:25")
    line.tell(Reading("zigbee", "alive", 1))
    line.until("11:00")
    assert line.times("release", "b") == ["10:25"]


def test_a_battery_reported_dead_proves_nothing_at_all() -> None:
    """At two percent it may fall silent at any moment; at three it may not."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"), booking("10:00", "11:00", "c"))
    line.until("08:55")
    line.tell(Reading("radar", "battery", 2))
    line.until("09:50")
    assert line.why("withheld", "b") == ["battery_dead"]
    line.tell(Reading("radar", "battery", 3), Reading("radar", "presence", 0))
    line.until("11:00")
    assert [d.booking for d in line.decisions if d.kind == "release"] == ["c"]


# -- A sensor stuck off sees ghosts everywhere ----------------------------------------------------------


def test_a_sensor_stuck_off_sees_ghosts_everywhere() -> None:
    """Alone in its room it may release three bookings; then it must show that it can see."""
    line = Timeline(RADAR)
    ghosts(line, "09", "10", "11", "12", "13")
    assert [d.booking for d in line.decisions if d.kind == "release"] == [
        "uid-09:00",
        "uid-10:00",
        "uid-11:00",
    ]
    assert line.why("withheld") == ["maybe_stuck_off"] * 2


def test_a_lone_sensor_that_has_shown_presence_since_is_believed_again() -> None:
    """The cleaner at 12:50 is proof enough that it can see."""
    line = Timeline(RADAR)
    ghosts(line, "09", "10", "11", "12")
    line.book(booking("14:00", "15:00", "b"))
    line.until("13:10")
    line.show("radar")
    line.until("13:12")
    line.clear("radar")
    line.until("15:00")
    assert line.times("release", "b") == ["14:10"]


def test_two_independent_sensors_are_not_asked_to_show_presence() -> None:
    """They do not fail together, so a week without visitors is a week without visitors."""
    line = Timeline(RADAR, PIR)
    ghosts(line, "09", "10", "11", "12", "13")
    assert len(line.times("release")) == 5


def test_a_sensor_silent_through_three_attended_bookings_is_ill() -> None:
    """The radar sees three meetings, the PIR none: the PIR counts as stuck off and the room is unknown."""
    line = Timeline(RADAR, PIR)
    line.book(*(booking(f"{h:02d}:00", f"{h:02d}:40") for h in (9, 10, 11, 12)))
    for hour in ("09", "10", "11"):
        line.until(f"{hour}:02")
        line.show("radar")
        line.until(f"{hour}:30")
        line.clear("radar")
    line.until("13:00")
    assert line.why("withheld", "uid-12:00") == ["stuck_off"]
    assert not line.has("release")
    line.hit("pir")
    line.book(booking("14:00", "15:00", "b"))
    line.until("15:00")
    assert line.times("release", "b") == ["14:10"]


def test_a_room_whose_only_sensors_cannot_prove_it_goes_on_for_ever() -> None:
    """No prover, and ghost after ghost: each is withheld with that reason, however many there were."""
    door = SensorProfile("door", "motion", role="door", heartbeat_ms=60_000, says_clear=False)
    for sensors in ((), (door,)):
        line = Timeline(*sensors)
        ghosts(line, "09", "10", "11", "12", "13")
        assert line.why("withheld") == ["no_prover"] * 5
