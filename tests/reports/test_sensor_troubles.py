"""Which sensors cannot be believed just now, each in one sentence: for alerts and the status page."""

from typing import get_args

import pytest
from past import MONDAY
from timeline import PIR, RADAR, ZIGBEE_PIR, Timeline, at

from gateway.core.events import Availability, BridgeState, Reading
from gateway.core.evidence import SensorState, _standing_ailment
from gateway.core.policy import SensorProfile
from gateway.core.units import HOUR_MS, MINUTE_MS, NEVER
from gateway.reports.room_quality import RoomQuality
from gateway.reports.troubles import SENTENCES, sensor_troubles, utc_clock
from gateway.reports.trust_words import Code


def clock(instant: int) -> str:
    """Marked, so that a sentence shows that it uses it."""
    return f"<{(instant - MONDAY) // MINUTE_MS}>"


def test_sensors_that_are_well_are_not_named() -> None:
    """Silence about what works."""
    line = Timeline(RADAR, PIR)
    assert sensor_troubles(line.site, line.now) == {}


def test_each_trouble_is_a_sentence_with_what_since_when_and_what_to_do() -> None:
    """Offline, behind a dead bridge, out of battery, faulty, opened: named, with what mends it."""
    line = Timeline(RADAR, PIR, ZIGBEE_PIR).until("08:30")
    line.tell(Availability("radar", online=False), BridgeState("zigbee2mqtt", online=False))
    line.tell(Reading("pir", "battery", 1))
    told = sensor_troubles(line.site, line.now)
    assert list(told) == ["pir", "radar", "zigbee"]
    assert told["radar"].startswith("radar is offline; it last spoke at ")
    assert "UTC. Check its power" in told["radar"]
    assert told["pir"] == "the battery of pir is empty (1 %). Change it."
    assert told["zigbee"].startswith("the bridge zigbee2mqtt of zigbee is offline")


def test_a_silent_sensor_is_named_with_when_it_was_heard_last() -> None:
    """Heartbeats stop at 08:30; two minutes later it is overdue."""
    line = Timeline(RADAR, PIR).until("08:30")
    assert sensor_troubles(line.site, at("08:30")) == {}
    told = sensor_troubles(line.site, at("08:33"), lambda _: "half past eight")
    assert told["pir"] == "pir has been silent since half past eight. Check its power, battery and radio."


def test_a_sensor_that_is_out_of_service_is_no_trouble() -> None:
    """Somebody took it down on purpose."""
    out = SensorProfile("radar", "presence", heartbeat_ms=MINUTE_MS, in_service=False)
    line = Timeline(out, PIR)
    assert "radar" not in sensor_troubles(line.site, line.now + HOUR_MS)


def test_what_the_core_can_suffer_from_has_a_sentence() -> None:
    """Each code of the core's own health, but for the one that people choose."""
    ill = SensorState(online=False, battery=0, fault=True, tampered=True, flapping_until=1, silent_attended=3)
    codes = {"overdue", "never_heard", "stuck_on"}
    for field in ("", "online", "battery", "fault", "tampered", "flapping_until"):
        if field:
            healthy = {"online": True, "battery": 100, "flapping_until": NEVER}
            setattr(ill, field, healthy.get(field, False))
        codes.add(_standing_ailment(PIR, ill, bridge_online=True))
    codes.add(_standing_ailment(PIR, SensorState(), bridge_online=False))
    assert codes == set(SENTENCES)


def test_history_names_sensors_that_are_well_otherwise(judged: RoomQuality) -> None:
    """A badly placed PIR lives, speaks, and cannot be believed; the core's own sentence comes first."""
    line = Timeline(PIR, RADAR)
    told = sensor_troubles(line.site, line.now, quality=[judged])
    assert list(told) == ["pir"]
    assert "Hang it elsewhere" in told["pir"]
    line.tell(Availability("pir", online=False))
    assert "is offline" in sensor_troubles(line.site, line.now, quality=[judged])["pir"]


@pytest.fixture
def judged() -> RoomQuality:
    """A room whose PIR is silent for 40 min beside people."""
    from past import COUNTER, Past, when  # noqa: PLC0415 - only here

    past = Past(PIR, COUNTER)
    for day in range(12):
        past.attended(when(day, 0), when(day, 60))
        past.beats(when(day, -10), when(day, 70))
        past.shown("counter", (when(day, 0), when(day, 60)))
        past.shown("pir", (when(day, 0), when(day, 10)), (when(day, 50), when(day, 60)))
    return past.quality()


def test_the_clock_words_instants_in_utc_where_nobody_brings_a_zone() -> None:
    """An alert may come without one; and every trouble of the history has a code of its own."""
    assert utc_clock(MONDAY) == "Mon 21 Sep 00:00 UTC"
    assert len(set(get_args(Code))) == len(get_args(Code))
