"""What a walk showed: who was seen, how fast, who was lost while sitting still, and what to do about it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.units import MINUTE_MS, SECOND_MS
from gateway.placing.walk import Phases, RoomVerdict, Said, Walked, judge, longest_gap
from gateway.placing.walk_tests import WalkTest, as_json, folder_of, keep, newest

START = 1_790_000_000_000
ENTER, SEATED, LEAVE, END = START, START + 20_000, START + 20_000 + 12 * MINUTE_MS, START + 15 * MINUTE_MS
PHASES = Phases(ENTER, SEATED, LEAVE, END)
PIR = Walked(
    "pir", "motion", hold_ms=10 * MINUTE_MS, hold_beside_presence_ms=2 * MINUTE_MS, device_hold_ms=MINUTE_MS
)
RADAR = Walked("radar", "presence", hold_ms=MINUTE_MS, hold_beside_presence_ms=MINUTE_MS)


def on_off(sensor: Walked, *spans: tuple[int, int]) -> list[Said]:
    """On and off, in seconds from the beginning."""
    return [
        said
        for start, end in spans
        for said in (
            Said(START + start * SECOND_MS, sensor.sensor, sensor.senses, 1),
            Said(START + end * SECOND_MS, sensor.sensor, sensor.senses, 0),
        )
    ]


LEFT_S = (LEAVE - START) // SECOND_MS


def test_a_radar_that_sees_everything_is_told_so() -> None:
    """No advice, and a room that never took anybody for absent."""
    room = judge([RADAR], PHASES, on_off(RADAR, (3, LEFT_S + 30)))
    (radar,) = room.sensors
    assert (radar.seen_after_ms, radar.longest_quiet_ms, radar.clear_after_ms) == (3_000, 0, 30_000)
    assert room == RoomVerdict((radar,), 0)
    assert room.good


def test_a_pir_that_loses_who_sits_still_needs_a_longer_hold_or_a_radar() -> None:
    """Eleven minutes of quiet against a hold of ten: the very case that empties a full room."""
    (pir,) = judge([PIR], PHASES, on_off(PIR, (2, 40), (LEFT_S - 20, LEFT_S + 40))).sensors
    assert pir.longest_quiet_ms == (LEFT_S - 60) * SECOND_MS
    assert not pir.good
    (advice,) = pir.advice
    told = "it was quiet for 11m20s while somebody sat there, its hold is 10m"
    assert advice == f'{told}: set hold to at least "17m", or add a radar'


def test_the_room_counts_with_all_its_sensors_and_holds() -> None:
    """A PIR's gap is covered by the radar beside it, but its own short hold then counts for the PIR."""
    room = judge(
        [PIR, RADAR],
        PHASES,
        on_off(PIR, (2, 100), (300, 400), (LEFT_S, LEFT_S + 60)) + on_off(RADAR, (3, LEFT_S + 5)),
    )
    assert room.unseen_ms == 0
    assert "its hold is 2m" in room.sensors[0].advice[0]
    alone = judge([PIR], PHASES, on_off(PIR, (2, 100), (LEFT_S - 5, LEFT_S)))
    assert alone.unseen_ms == (LEFT_S - 105 - 600) * SECOND_MS
    assert "do not let this room go live" in alone.advice[0] if alone.unseen_ms > 0 else alone.good is False


@pytest.mark.parametrize(
    ("sensor", "said", "words"),
    [
        (RADAR, [], "it said nothing at all"),
        (RADAR, [Said(START + 5, "radar", "battery", 90)], "never showed anybody"),
        (RADAR, on_off(RADAR, (60, LEFT_S + 5)), "it took 1m to notice"),
        (RADAR, on_off(RADAR, (1, LEFT_S))[:1], "it still showed somebody 2m40s after leaving began"),
        (RADAR, on_off(RADAR, (1, 15)), "it never saw who sits still"),
        (RADAR, on_off(RADAR, (1, 300), (400, LEFT_S)), "aim it at the chairs"),
        (PIR, on_off(PIR, (1, LEFT_S + 150)), 'set device_hold to "2m30s"'),
    ],
)
def test_each_fault_has_its_own_words(sensor: Walked, said: list[Said], words: str) -> None:
    """What to look at, in plain words."""
    (verdict,) = judge([sensor], PHASES, said).sensors
    assert any(words in sentence for sentence in verdict.advice), verdict.advice


def test_a_door_sensor_need_not_see_who_sits_and_hits_last_as_long_as_the_devices_hold() -> None:
    """A door tells of arrival only; a sensor that sends hits alone is never asked to be clear."""
    door = Walked("door", "motion", role="door", hold_ms=MINUTE_MS, says_clear=False, device_hold_ms=5_000)
    room = judge(
        [door, RADAR], PHASES, [Said(START + 1_000, "door", "motion", 1), *on_off(RADAR, (3, LEFT_S + 9))]
    )
    assert room.good
    assert room.sensors[0].clear_after_ms == 0


def test_a_room_without_sensors_and_one_that_shows_somebody_before_are_told() -> None:
    """Neither is a test of anything."""
    assert "has no sensor" in judge([], PHASES, []).advice[0]
    early = Walked("radar", "presence", hold_ms=MINUTE_MS, showing=True)
    (verdict,) = judge([early], PHASES, on_off(RADAR, (1, LEFT_S + 5))).sensors
    assert "before anybody came in" in verdict.advice[0]


READINGS = st.lists(
    st.builds(
        Said,
        st.integers(ENTER - 5_000, END + 5_000),
        st.sampled_from(["pir", "radar", "stranger"]),
        st.sampled_from(["presence", "motion", "count", "battery", "alive"]),
        st.integers(0, 2),
    ),
    max_size=30,
)


@given(said=READINGS, extra=st.integers(SEATED, LEAVE))
def test_more_signs_never_make_a_sensor_look_worse_at_seeing(said: list[Said], extra: int) -> None:
    """And every figure lies within the test; the order in which readings come does not matter."""
    before = judge([PIR, RADAR], PHASES, said)
    hit = Said(extra, "pir", "motion", 1)
    after = judge([PIR, RADAR], PHASES, [*said, hit])
    for one, other in zip(before.sensors, after.sensors, strict=True):
        assert 0 <= (one.longest_quiet_ms or 0) <= LEAVE - SEATED
        assert one.seen_after_ms is None or 0 <= one.seen_after_ms <= END - ENTER
        if one.longest_quiet_ms is not None:
            assert other.longest_quiet_ms is not None
            assert other.longest_quiet_ms <= one.longest_quiet_ms
    assert after.unseen_ms <= before.unseen_ms
    order = {said.at for said in said}
    if len(order) == len(said):
        assert judge([PIR, RADAR], PHASES, said[::-1]) == before


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 40)), max_size=8))
def test_the_longest_gap_is_what_a_second_by_second_count_finds(pieces: list[tuple[int, int]]) -> None:
    """Against the plain way of counting."""
    spans = [(start, start + length) for start, length in pieces]
    longest = run = 0
    for second in range(20, 80):
        covered = any(start <= second < end for start, end in spans)
        hit = any(start == second for start, _ in spans)  # a hit ends a gap, too
        run = 0 if covered else (1 if hit else run + 1)
        longest = max(longest, run)
    assert longest_gap(spans, (20, 80)) == longest


def test_phases_out_of_order_are_refused() -> None:
    """A clock that was set back makes no test."""
    with pytest.raises(ValueError, match="in their order"):
        Phases(2, 1, 3, 4)


def test_the_newest_test_of_each_room_is_found_and_rubbish_left_out(tmp_path: Path) -> None:
    """A damaged or foreign file hides nothing and breaks nothing."""
    room = judge([RADAR], PHASES, on_off(RADAR, (3, LEFT_S + 30)))
    for at in (START, START + 1):
        keep(WalkTest("orion", at, PHASES, (RADAR,), room), tmp_path)
    (folder_of(tmp_path) / "vega.20260928T080000000Z.json").write_text("{")
    (folder_of(tmp_path) / "notes.txt").write_text("x")
    found = newest(tmp_path)
    assert {name: test.at for name, test in found.items()} == {"orion": START + 1}
    assert as_json(found["orion"])["good"] is True
    assert newest(tmp_path / "nowhere") == {}
