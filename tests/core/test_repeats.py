"""A repeat is recorded on a short way, and leaves what the long way leaves."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenarios import FACTOR
from timeline import COUNTER, PIR, RADAR, ZIGBEE_PIR, Timeline, at, booking

from gateway.core.events import Availability, Booted, LinkUp, Reading
from gateway.core.room import Room
from gateway.core.units import MINUTE_MS, SECOND_MS, Instant

SENSORS = (RADAR, PIR, COUNTER, ZIGBEE_PIR)
MOSTLY_RADAR = (RADAR, RADAR, RADAR, *SENSORS)
STEPS_MS = st.sampled_from([0, 1, SECOND_MS, 20 * SECOND_MS, 30 * SECOND_MS, 50 * SECOND_MS, 3 * MINUTE_MS])


@st.composite
def facts(draw: st.DrawFn) -> Reading | Availability:
    """Mostly readings that say the same again."""
    sensor = draw(st.sampled_from(MOSTLY_RADAR))
    if draw(st.integers(0, 29)) == 0:
        return Availability(sensor.id, online=draw(st.booleans()))
    kind = sensor.senses if draw(st.integers(0, 9)) else "alive"
    return Reading(
        sensor.id,
        kind,
        draw(st.sampled_from([0, 0, 0, 0, 0, 1])),
        device_made=draw(st.integers(0, 9)) > 0,
        made_at=draw(st.sampled_from([None, None, None, at("08:59")])),
    )


def hear_at_length(room: Room, reading: Reading, now: Instant) -> bool:
    """Every reading as if it told something new."""
    profile, sensor, bridge_online, _ = room.sensors[reading.sensor]
    if profile.in_service:
        room._hear_news(reading, profile, sensor, bridge_online, now)
    return True


@pytest.mark.thorough
@settings(max_examples=100 * FACTOR)
@given(
    day=st.lists(st.tuples(STEPS_MS, facts()), min_size=20, max_size=80),
    restart=st.integers(0, 30),
    alone=st.booleans(),
)
def test_the_short_way_leaves_what_the_long_way_leaves(
    day: list[tuple[int, Reading | Availability]], restart: int, alone: bool
) -> None:
    """The same memory, byte for byte, and the same decisions, also while old messages may still come in."""

    def lived() -> Timeline:
        timeline = Timeline(*(SENSORS[:1] if alone else SENSORS), start="08:55")
        timeline.silence()
        timeline.book(booking("09:00", "10:00"))
        for number, (step, fact) in enumerate(day):
            timeline.now += step
            if number == restart:
                back = LinkUp(session_present=True)
                timeline.tell(Booted(timeline.now - SECOND_MS, same_machine_boot=True), back)
            if timeline.site.has_sensor(fact.sensor):
                timeline.tell(fact)
        return timeline

    short = lived()
    with patch.object(Room, "hear", hear_at_length):
        long = lived()
    assert short.site.snapshot() == long.site.snapshot()
    assert short.decisions == long.decisions


def test_alarms_that_were_set_anew_do_not_pile_up() -> None:
    """Hours of heartbeats leave a handful of them."""
    timeline = Timeline(*SENSORS)
    timeline.book(booking("09:00", "10:00"))
    timeline.advance(at("13:00"))
    assert len(timeline.site._alarms) < 20


def test_a_repeat_that_a_conclusion_waits_for_brings_it() -> None:
    """The first proof of life from the wanted moment on wakes the room; the one after it does not."""
    timeline = Timeline(RADAR)
    timeline.silence()
    state = timeline.site.rooms["orion"].state
    state.proof_wanted = timeline.now + SECOND_MS
    for wakes in (True, False):
        timeline.now += SECOND_MS
        timeline.site.handle(Reading("radar", "presence", 0), timeline.now)
        assert state.dirty is wakes
        state.dirty = False
