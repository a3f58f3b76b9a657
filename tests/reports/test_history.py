"""What is gathered of a room's past: known people, quiet sensors, stray hits, outages, in one pass."""

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from past import COUNTER, MONDAY, Past, when, without
from timeline import DOOR, PIR, PIR_2, RADAR, ZIGBEE_PIR

from gateway.core.decisions import Decision
from gateway.core.events import Availability, BridgeState, CheckedIn, LinkDown, LinkUp, Reading, Tick
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from gateway.reports.history import PERIOD_MS, History, SensorSums, kept

Minutes = list[tuple[int, int]]


def sums(past: Past, sensor: str) -> SensorSums:
    """Of one sensor."""
    return past.history().sums().sensors[sensor]


def meetings(days: int, deaf: Sequence[tuple[int, int]] = (), *, length: int = 60) -> Past:
    """An hour each day that a counter and a PIR see; the PIR is deaf for some of its minutes."""
    past = Past(PIR, COUNTER)
    for day in range(days):
        span = when(day, 0), when(day, length)
        past.attended(*span)
        past.beats(when(day, -30), when(day, length + 30), 5 * MINUTE_MS if length > 90 else MINUTE_MS)
        past.shown("counter", span)
        past.shown("pir", *without([span], [(when(day, a), when(day, b)) for a, b in deaf]))
    return past


SPELLS = st.lists(
    st.tuples(st.integers(0, 55), st.integers(1, 30)).map(lambda s: (s[0], min(60, s[0] + s[1]))), max_size=3
)


@settings(max_examples=25)
@given(SPELLS, st.tuples(st.integers(0, 50), st.integers(2, 20)))
def test_a_deaf_spell_never_makes_a_sensor_look_better(deaf: Minutes, more: tuple[int, int]) -> None:
    """Whatever else it missed: one spell more, and no figure of its quiet falls."""
    spell = more[0], min(60, more[0] + more[1])
    before, after = sums(meetings(1, deaf), "pir"), sums(meetings(1, [*deaf, spell]), "pir")
    assert after.confirmed.gaps.longest_ms >= before.confirmed.gaps.longest_ms
    assert after.confirmed.gaps.longest_ms >= (spell[1] - spell[0]) * MINUTE_MS
    for minutes in (0, 5, 10, 20):
        hold = minutes * MINUTE_MS
        assert after.confirmed.gaps.excess_ms(hold) >= before.confirmed.gaps.excess_ms(hold)
    assert after.confirmed.missed >= before.confirmed.missed
    assert after.confirmed.known_ms == before.confirmed.known_ms == 60 * MINUTE_MS


@settings(max_examples=20)
@given(SPELLS, st.lists(st.integers(1, 60), max_size=6))
def test_a_history_in_pieces_is_the_history_in_one_go(deaf: Minutes, steps: list[int]) -> None:
    """Kept as JSON after any event and taken up again it ends in the same bytes."""
    past = meetings(2, deaf)
    whole = msgspec.json.encode(past.history())
    assert msgspec.json.encode(past.history(steps)) == whole
    assert msgspec.json.encode(past.history()) == whole


def test_a_perfect_sensor_is_never_quiet() -> None:
    """It shows what is there: no gap, no delay, nothing missed, nothing spurious."""
    found = sums(meetings(3), "pir")
    assert (found.confirmed.bookings, found.confirmed.missed, found.spurious) == (3, 0, 0)
    assert found.confirmed.known_ms == 3 * HOUR_MS
    assert found.confirmed.gaps.buckets == {}
    assert found.confirmed.arrival.longest_ms == 0


def test_delay_and_missed_bookings_are_told_apart() -> None:
    """A sensor that sees people late has a delay; one that sees nobody at all has missed them."""
    late = sums(meetings(2, [(0, 7)]), "pir").confirmed
    assert (late.missed, late.arrival.longest_ms, late.arrival.count) == (0, 7 * MINUTE_MS, 2)
    blind = sums(meetings(2, [(0, 60)]), "pir").confirmed
    assert (blind.missed, blind.arrival.count, blind.gaps.longest_ms) == (2, 0, HOUR_MS)


def test_others_too_far_apart_confirm_nothing_between() -> None:
    """Nobody knows whether people were there in 20 minutes in which the witness saw nobody either."""
    past = Past(PIR, COUNTER)
    past.attended(when(0, 0), when(0, 60))
    past.beats(when(0, -30), when(0, 90))
    past.shown("counter", (when(0, 0), when(0, 20)), (when(0, 40), when(0, 60)))
    past.shown("pir", (when(0, 0), when(0, 5)))
    known = sums(past, "pir").confirmed
    assert known.known_ms == 40 * MINUTE_MS
    assert known.gaps.longest_ms == 20 * MINUTE_MS


def test_a_persons_word_confirms_people_too() -> None:
    """Check-in at 09:02 and 09:12: whoever is silent between them misses them; a lone moment is no time."""
    past = Past(PIR)
    past.attended(when(0, 0), when(0, 30), by="by_person")
    past.beats(when(0, -30), when(0, 60))
    past.fact(when(0, 2), CheckedIn("orion"))
    past.fact(when(0, 12), CheckedIn("orion"))
    found = sums(past, "pir").confirmed
    assert (found.bookings, found.missed, found.known_ms) == (1, 1, 10 * MINUTE_MS)
    room = past.history().sums().rooms["orion"]
    assert (room.confirmed.missed, room.attended, room.by_sensors) == (1, 1, 0)


def test_a_part_of_the_same_device_confirms_nothing() -> None:
    """Two names of one eye agree on everything."""
    pir, twin = (msgspec.structs.replace(p, unit="multi-1") for p in (PIR, PIR_2))
    past = Past(pir, twin)
    past.attended(when(0, 0), when(0, 60))
    past.beats(when(0, -30), when(0, 90))
    past.shown("pir-2", (when(0, 0), when(0, 60)))
    assert sums(past, "pir").confirmed.bookings == 0


def test_time_in_which_nobody_listened_says_nothing() -> None:
    """A lost link, an overdue or an offline sensor: its silence is no silence of its eyes."""
    for fault in ("link", "overdue", "offline", "bridge"):
        pir = ZIGBEE_PIR if fault == "bridge" else PIR
        past = Past(pir, COUNTER)
        past.attended(when(0, 0), when(0, 60))
        past.beats(when(0, -30), when(0, 90), MINUTE_MS, "counter")
        past.beats(when(0, -30), when(0, 20), MINUTE_MS, pir.id)
        past.beats(when(0, 20 if fault != "overdue" else 40), when(0, 90), MINUTE_MS, pir.id)
        past.shown("counter", (when(0, 0), when(0, 19)), (when(0, 30), when(0, 60)))
        past.shown(pir.id, (when(0, 1), when(0, 10)), (when(0, 45), when(0, 50)))
        if fault == "link":
            past.fact(when(0, 20), LinkDown())
            past.fact(when(0, 25), LinkUp(session_present=True))
        elif fault == "offline":
            past.fact(when(0, 20), Availability("pir", online=False))
            past.fact(when(0, 25), Availability("pir", online=True))
        elif fault == "bridge":
            past.fact(when(0, 20), BridgeState("zigbee2mqtt", online=False))
            past.fact(when(0, 25), BridgeState("zigbee2mqtt", online=True))
        found = sums(past, pir.id)
        assert found.confirmed.bookings == 0, fault
        assert found.outages == (fault == "offline")
        assert found.outage_ms == (5 * MINUTE_MS if fault == "offline" else 0)
        assert found.bridge_outages == (fault == "bridge")


def test_a_hit_that_nobody_else_sees_before_and_after_is_spurious() -> None:
    """Alone in a proven empty room. A second one minutes later, or another sensor's, is somebody."""
    past = Past(PIR, PIR_2)
    past.beats(when(0, -60), when(0, 300))
    past.shown("pir", (when(0, 0), when(0, 0.2)))  # alone
    past.shown("pir", (when(0, 60), when(0, 60.2)), (when(0, 66), when(0, 66.2)))  # somebody walks about
    past.shown("pir", (when(0, 120), when(0, 120.2)))
    past.shown("pir-2", (when(0, 125), when(0, 125.2)))  # both saw somebody
    assert sums(past, "pir").spurious == 1
    assert sums(past, "pir").spurious_at == when(0, 0)
    assert sums(past, "pir-2").spurious == 0


def test_a_lone_sensors_hits_are_never_called_spurious() -> None:
    """Nobody is there to say that the room was empty."""
    past = Past(PIR, DOOR)
    past.beats(when(0, -60), when(0, 60))
    past.shown("pir", (when(0, 0), when(0, 0.2)))
    assert sums(past, "pir").spurious == 0


def test_messages_tell_of_clocks_and_of_copies() -> None:
    """Age of messages, clocks that are fast, and messages that only repeat one before."""
    past = Past(PIR)
    for minute, made in ((0, 0.0), (1, 1.0), (2, 1.0), (3, 3.5), (10, 8.0)):
        past.fact(when(0, minute), Reading("pir", "motion", 0, made_at=when(0, made)))
    found = sums(past, "pir")
    assert (found.stamped, found.repeated, found.late) == (5, 1, 1)
    assert found.ahead.longest_ms == 30 * SECOND_MS
    assert found.behind.longest_ms == 2 * MINUTE_MS
    assert found.heard.longest_ms == 7 * MINUTE_MS


def test_stuck_and_flapping_sensors_are_counted() -> None:
    """Presence for longer than any meeting; more changes within ten minutes than people cause."""
    past = Past(RADAR, PIR)
    past.beats(when(0, 0), when(0, 600))
    past.shown("radar", (when(0, 0), when(0, 400)))
    past.shown("pir", *[(when(0, 500 + i / 8), when(0, 500 + i / 8 + 0.05)) for i in range(70)])
    assert (sums(past, "radar").stuck_on, sums(past, "pir").flapping) == (1, 1)


def test_a_new_battery_begins_a_line_of_its_own() -> None:
    """A rise by ten points or more; what the old one did says nothing about it."""
    past = Past(PIR)
    for day, percent in enumerate((30, 25, 20, 100, 99)):
        past.fact(when(day, 0), Reading("pir", "battery", percent))
    assert list(sums(past, "pir").battery.values()) == [100, 99]


def test_an_old_battery_is_forgotten_with_its_period_too() -> None:
    """Renewed in the newer of two periods: the line of the one before says nothing any more."""
    past = Past(PIR)
    for at, percent in ((MONDAY, 30), (MONDAY + PERIOD_MS, 25), (MONDAY + PERIOD_MS + DAY_MS, 100)):
        past.fact(at, Reading("pir", "battery", percent))
    assert list(sums(past, "pir").battery.values()) == [100]


def test_only_two_periods_are_kept() -> None:
    """What was true half a year ago does not count for ever, and memory is bounded."""
    past = Past(PIR, COUNTER)
    for number in range(5):
        at = MONDAY + number * (PERIOD_MS + DAY_MS)
        past.fact(at, Reading("pir", "motion", 0))
    history = past.history()
    assert len(history.periods) == 2
    assert history.sums().sensors["pir"].messages == 2


def test_what_is_over_is_forgotten() -> None:
    """After a year of meetings nothing of single bookings or signs is left in what is kept."""
    history = meetings(20).history()
    assert all(not track.bookings and not track.people for track in history.rooms.values())
    assert all(len(track.signs) <= 1 for track in history.sensors.values())
    assert len(msgspec.json.encode(history)) < 3_000
    assert b"uid" not in msgspec.json.encode(history)


def test_a_history_of_another_form_is_gathered_anew() -> None:
    """Damaged or of another version: an empty one, never a crash."""
    assert kept("").seq == kept("{").seq == kept('{"version": 99, "seq": 7}').seq == 0
    assert kept(msgspec.json.encode(History(seq=7))).seq == 7


def test_sensors_and_rooms_that_are_gone_do_no_harm() -> None:
    """A journal holds what was configured then; only what is configured now is judged."""
    past = meetings(1)
    past.fact(when(0, 5), Reading("former", "motion", 1))
    past.fact(when(0, 5), Availability("former", online=False))
    past.fact(when(0, 6), CheckedIn("former"))
    past.fact(when(0, 6), Tick(), Decision("opened", "former", when(0, 6), "uid-x"))
    assert set(past.history().sensors) == {"pir", "counter"}
