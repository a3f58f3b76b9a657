"""How far a sensor can be trusted, what the core is given of it, and what a room's sensors support."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from past import COUNTER, Past, Span, when, without
from timeline import DOOR, PIR, PIR_2, RADAR

from gateway.core.decisions import Decision
from gateway.core.events import Availability, Reading, Tick
from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.units import HOUR_MS, MINUTE_MS
from gateway.ledger import Counts
from gateway.reports.history import History, QuietSums
from gateway.reports.learned import suggestions, with_history
from gateway.reports.room_quality import policy_flags, site_quality
from gateway.reports.sensor_quality import LONGEST_HOLD_MS, needed_hold
from gateway.reports.spread import Spread
from gateway.reports.trust_words import STANDING

EARLY = Policy(end_early=True)
SLOW = {"heartbeat_ms": 5 * MINUTE_MS}
COUNTER_5 = msgspec.structs.replace(COUNTER, **SLOW)
PIR_5 = msgspec.structs.replace(PIR, **SLOW)
PIR_5B = msgspec.structs.replace(PIR_2, **SLOW)
RADAR_5 = msgspec.structs.replace(RADAR, **SLOW)


def meetings(
    *sensors: SensorProfile,
    days: int = 12,
    deaf: tuple[tuple[int, int], ...] = (),
    of: str = "pir",
    witness: bool = True,
    policy: Policy | None = None,
) -> Past:
    """An hour each day that everybody sees, but for the minutes in which one sensor (`of`) is deaf."""
    profiles = (*(sensors or (PIR_5,)), *((COUNTER_5,) if witness else ()))
    past = Past(*profiles, policy=policy)
    for day in range(days):
        span = when(day, 0), when(day, 60)
        past.attended(*span)
        past.beats(when(day, -20), when(day + 1, -25), 5 * MINUTE_MS)
        for profile in profiles:
            cuts = [(when(day, a), when(day, b)) for a, b in deaf] if profile.id == of else []
            past.shown(profile.id, *without([span], cuts))
    return past


def codes(past: Past, sensor: str) -> list[str]:
    """Why not to trust it."""
    return [trouble.code for trouble in past.sensor(sensor).troubles]


# -- one sensor ---------------------------------------------------------------------------------------


def test_a_perfect_sensor_is_perfect() -> None:
    """It needs no hold at all, and there is nothing to say about it."""
    one = meetings(PIR_5).sensor("pir")
    assert (one.grade, one.evidence, one.missed, one.false_empty) == ("good", "others", 0, 0.0)
    assert (one.hold_needed_ms, one.quiet_longest_ms, one.arrival_95_ms) == (0, None, 0)
    assert one.troubles == ()
    assert all(line.false_empty == line.per_hour == 0 for line in one.holds)


def test_a_lone_sensor_is_never_called_good() -> None:
    """What it misses it does not know, so its own word cannot show that it misses nothing."""
    one = meetings(PIR_5, witness=False).sensor("pir")
    assert (one.evidence, one.grade, one.bookings) == ("itself", "unknown", 12)


def test_too_little_history_says_nothing() -> None:
    """Nine bookings are no history: no figure that somebody could take for one."""
    one = meetings(PIR_5, days=9, deaf=((10, 50),)).sensor("pir")
    assert (one.grade, one.false_empty, one.hold_needed_ms, one.holds) == ("unknown", None, None, ())


def test_a_sensor_that_is_quiet_beside_people_is_badly_placed() -> None:
    """40 minutes of silence in each hour: with a hold of 10, half of the time would look empty."""
    past = meetings(PIR_5, deaf=((10, 50),))
    one = past.sensor("pir")
    assert one.grade == "poor"
    assert one.false_empty == pytest.approx(0.5, abs=0.01)
    assert codes(past, "pir") == ["badly_placed"]
    (trouble,) = one.troubles
    assert "in 12 attended bookings (12 h) that others confirm, 50 % of the time" in trouble.words
    assert "the longest silence was 40 min" in trouble.words
    assert "Hang it elsewhere, or add a radar." in trouble.words


def test_a_sensor_that_only_sees_people_come_and_go_looks_at_the_door() -> None:
    """It is told apart from one that is blind here and there: its few signs lie at the edges."""
    past = meetings(PIR_5, deaf=((2, 58),))
    assert codes(past, "pir") == ["looks_at_door"]
    assert 'Set role = "door"' in past.sensor("pir").troubles[0].words
    assert codes(meetings(msgspec.structs.replace(DOOR, **SLOW), deaf=((2, 58),), of="door"), "door") == []


def test_a_hold_that_is_a_little_short_is_told_with_the_one_that_would_do() -> None:
    """Twelve minutes of silence against a hold of ten."""
    past = meetings(PIR_5, deaf=((10, 22),))
    one = past.sensor("pir")
    assert (one.grade, codes(past, "pir")) == ("fair", ["hold_too_short"])
    assert one.hold_needed_ms == 12 * MINUTE_MS
    assert "A hold of 12 min would cover that." in one.troubles[0].words


@settings(max_examples=60)
@given(st.lists(st.integers(MINUTE_MS, 59 * MINUTE_MS), max_size=40), st.floats(0, 0.3))
def test_no_hold_is_proposed_under_which_more_than_the_share_would_look_empty(
    gaps: list[int], share: float
) -> None:
    """Whatever silences there were while people were there, summed with their exact lengths."""
    known = 100 * HOUR_MS
    quiet = QuietSums(known, 20, 0, Spread())
    for gap in gaps:
        quiet.gaps.add(gap)
    hold = needed_hold(quiet, share)
    assert sum(max(0, gap - hold) for gap in gaps) <= share * known
    assert hold <= LONGEST_HOLD_MS


def test_stuck_silent_and_offline_sensors_are_told_with_since_when_and_what_to_do() -> None:
    """Each sentence names the sensor, an instant, and what to mend."""
    past = meetings(PIR_5, RADAR_5, PIR_5B, days=12, deaf=((0, 60),), of="pir-2")
    past.fact(when(12, 0), Reading("pir", "motion", 1))
    past.fact(when(12, 100), Availability("radar", online=False))
    past.beats(when(12, -20), when(12, 500), 5 * MINUTE_MS)
    assert codes(past, "pir")[0] == "stuck_on"
    assert codes(past, "pir-2")[0] == "stuck_off"
    assert "offline" in codes(past, "radar")
    for name in ("pir", "pir-2", "radar"):
        words = past.sensor(name).troubles[0].words
        assert name in words
        assert "since" in words
        assert "Check" in words or "Look" in words
    assert past.sensor("pir-2").silent_streak == 12
    assert past.sensor("pir").grade == "poor"


def test_a_battery_is_foretold_only_where_its_percentages_fall() -> None:
    """Half a percent a day for sixty days; a level one, a short one and a rising one say nothing."""

    def days_left(percents: list[int]) -> tuple[int | None, list[str]]:
        past = Past(msgspec.structs.replace(PIR, heartbeat_ms=None))
        for day, percent in enumerate(percents):
            past.fact(when(day, 0), Reading("pir", "battery", percent))
        return past.sensor("pir").battery_days_left, codes(past, "pir")

    left, told = days_left([60 - day // 2 for day in range(60)])
    assert left == pytest.approx((30 - 10) * 2, abs=2)
    assert told == []
    left, told = days_left([45 - day // 2 for day in range(60)])
    assert left == pytest.approx(10, abs=2)
    assert told == ["battery"]
    assert days_left([28] * 5 + [27] * 60)[0] is None
    assert days_left([90, 60, 30])[0] is None
    assert days_left([50 + day // 10 for day in range(60)])[0] is None


def test_messages_that_could_not_be_read_come_from_the_ledgers_counts() -> None:
    """Received is what was accepted, folded and rejected."""
    past = meetings(PIR_5)
    counts = {"pir": Counts(accepted=90, folded=0, rejected=10, last_error="no number")}
    (room,) = site_quality(past.site, past.history(), counts, str)
    one = room.sensors[0]
    assert (one.received, one.rejected, one.last_error) == (100, 10, "no number")
    assert [t.code for t in one.troubles] == ["payloads"]
    assert "payloads" not in STANDING


# -- what the core is given ---------------------------------------------------------------------------


def given_to_core(past: Past, *, learn: bool = True, ask: bool = True) -> RoomConfig:
    """The room's configuration after a look at its history."""
    rooms = {"orion"}
    site = with_history(
        past.site, [past.quality()], learning=rooms if learn else (), asking=rooms if ask else ()
    )
    return site.rooms[0]


@settings(max_examples=15)
@given(st.integers(0, 40), st.integers(1, 50), st.booleans())
def test_the_core_is_never_given_a_shorter_hold_nor_another_setting(
    start: int, length: int, learn: bool
) -> None:
    """Whatever the history: holds only grow, and all else of a profile stays as configured."""
    past = meetings(PIR_5, deaf=((start, min(60, start + length)),))
    for before, after in zip(past.room.sensors, given_to_core(past, learn=learn).sensors, strict=True):
        assert after.hold_ms >= before.hold_ms
        assert msgspec.structs.replace(after, hold_ms=before.hold_ms) == before
        assert learn or after == before


def test_a_learned_hold_covers_the_silences() -> None:
    """Twelve minutes of silence: a hold of twelve instead of ten, where the policy learns."""
    past = meetings(PIR_5, deaf=((10, 22),))
    assert given_to_core(past).sensors[0].hold_ms == 12 * MINUTE_MS
    (hold,) = [s for s in suggestions(past.room, past.quality()) if s.setting == "hold"]
    assert (hold.sensor, hold.now_ms, hold.better_ms, hold.is_careful) == (
        "pir",
        10 * MINUTE_MS,
        12 * MINUTE_MS,
        True,
    )


def test_a_bad_sensor_beside_a_good_one_is_not_held_for_longer() -> None:
    """The good one keeps the room for people; an hour of hold after each hit of the other, for nobody.

    Also where the bad one is too bad to confirm that the good one is good.
    """
    past = meetings(PIR_5, PIR_5B, deaf=((5, 55),), of="pir-2", witness=False)
    assert [s.grade for s in past.quality().sensors] == ["unknown", "poor"]
    assert given_to_core(past).sensors == past.room.sensors
    past = meetings(PIR_5, PIR_5B, deaf=((15, 45),), of="pir-2", witness=False)
    assert [s.grade for s in past.quality().sensors] == ["good", "poor"]
    assert given_to_core(past).sensors == past.room.sensors


def test_a_shorter_hold_is_only_suggested_and_only_on_others_word() -> None:
    """Thirty bookings that others confirm; never by its own word, and never taken by itself."""
    past = meetings(PIR_5, days=31, deaf=((10, 13),))
    (hold,) = [s for s in suggestions(past.room, past.quality()) if s.setting == "hold"]
    assert (hold.better_ms, hold.is_careful) == (3 * MINUTE_MS, False)
    assert given_to_core(past).sensors == past.room.sensors
    alone = meetings(PIR_5, days=31, deaf=((10, 13),), witness=False)
    assert not [s for s in suggestions(alone.room, alone.quality()) if s.setting == "hold"]


def test_a_heartbeat_that_does_not_fit_is_told_and_never_taken() -> None:
    """A longer one would let a dead sensor prove a full room empty."""
    past = meetings(PIR_5, days=31)
    past.room = msgspec.structs.replace(past.room, sensors=(PIR, COUNTER_5))
    past.site = SiteConfig((past.room,))
    told = [s for s in suggestions(past.room, past.quality()) if s.sensor == "pir"]
    assert [s.setting for s in told if s.setting == "heartbeat"] == ["heartbeat"]
    assert not told[-1].is_careful
    assert [p.heartbeat_ms for p in given_to_core(past).sensors] == [
        p.heartbeat_ms for p in past.room.sensors
    ]


# -- early end ----------------------------------------------------------------------------------------


def test_an_early_end_needs_both_kinds_with_enough_history() -> None:
    """Thirty meetings in which neither a radar nor a PIR was quiet for as long as an early end waits."""
    past = meetings(RADAR_5, PIR_5, days=31, policy=EARLY, witness=False)
    assert past.quality().supports["early_end"].verdict == "yes"
    assert given_to_core(past).early_end_by == ("radar", "pir")
    assert policy_flags(past.room, past.quality()) == []


def test_one_long_silence_in_many_meetings_is_enough_against_an_early_end() -> None:
    """Half an hour in one of 32 meetings, by a PIR that is good otherwise: it would have ended that one."""
    past = meetings(RADAR_5, PIR_5, days=31, policy=EARLY, witness=False)
    span = when(3, 120), when(3, 180)
    past.attended(*span)
    past.shown("radar", span)
    past.shown("pir", *without([span], [(when(3, 130), when(3, 160))]))
    assert past.sensor("pir").grade in ("good", "fair")
    assert given_to_core(past).early_end_by == ("radar",)
    support = past.quality().supports["early_end"]
    assert (support.verdict, "pir at times was quiet for longer than 25 min" in support.words) == ("no", True)


@pytest.mark.parametrize("case", ["few", "quiet", "wrong", "nothing"])
def test_an_early_end_is_not_supported_by_less(case: str) -> None:
    """Too few meetings, a silence of half an hour, a release reported as wrong, no history at all."""
    days = {"few": 29, "quiet": 42}.get(case, 31)
    past = meetings(
        RADAR_5, PIR_5, days=days, policy=EARLY, deaf=((10, 40),) if case == "quiet" else (), witness=False
    )
    if case == "wrong":
        past.fact(when(1, 70), Tick(), Decision("wrong_release", "orion", when(1, 70), "uid-1"))
    if case == "nothing":
        site = with_history(past.site, (), learning={"orion"}, asking={"orion"})
        assert site.rooms[0].early_end_by == ()
        assert site.rooms[0].sensors == past.room.sensors
        return
    by = given_to_core(past).early_end_by
    assert by is not None
    assert not {"radar", "pir"} <= set(by)
    support = past.quality().supports["early_end"]
    assert support.verdict == {"few": "not_enough_history"}.get(case, "no")
    (flag,) = [flag for flag in policy_flags(past.room, past.quality()) if flag.startswith("early end")]
    assert "history does not support it" in flag


def test_without_the_question_nothing_changes() -> None:
    """A policy that asks for no history, or ends nothing early, gives the core what it always did."""
    assert given_to_core(meetings(RADAR_5, PIR_5, policy=EARLY), learn=False, ask=False).early_end_by is None
    past = meetings(RADAR_5, PIR_5)
    assert given_to_core(past, learn=False) == past.room


# -- what a room supports -----------------------------------------------------------------------------


def test_a_blind_room_supports_no_release() -> None:
    """A PIR that misses whole meetings cannot tell a no-show; the room's flags say so with figures."""
    past = meetings(PIR_5, days=12, deaf=((0, 60),))
    quality = past.quality()
    assert {use: support.verdict for use, support in quality.supports.items()} == {
        "check_in": "no",
        "no_show": "no",
        "brief_visit": "no",
        "early_end": "no",
    }
    assert "in 12 of 12 attended bookings" in quality.supports["no_show"].words
    assert len(policy_flags(past.room, quality)) == 2
    assert policy_flags(msgspec.structs.replace(past.room, exempt=True), quality) == []


def test_a_good_room_supports_all_but_what_needs_a_radar() -> None:
    """And says how late a release would be: grace, and half of what the sensor takes between messages."""
    quality = meetings(PIR_5, PIR_5B, witness=False).quality()
    verdicts = {use: support.verdict for use, support in quality.supports.items()}
    assert verdicts == {"check_in": "yes", "no_show": "yes", "brief_visit": "yes", "early_end": "no"}
    assert quality.no_show_delay_ms is not None
    assert 10 * MINUTE_MS < quality.no_show_delay_ms < 13 * MINUTE_MS
    assert quality.left_delay_ms is not None
    assert quality.left_delay_ms > 35 * MINUTE_MS


def test_a_room_without_history_says_so() -> None:
    """Not "no", and not "yes"."""
    room = RoomConfig("orion", sensors=(PIR,))
    (quality,) = site_quality(SiteConfig((room,)), History(), {}, str)
    assert quality.supports["no_show"].verdict == "not_enough_history"
    assert "at least 10 attended bookings" in quality.supports["no_show"].words
    assert policy_flags(room, quality) == []


def test_a_combined_room_is_judged_with_the_sensors_of_its_parts() -> None:
    """Each sensor is judged in the room that it hangs in; what they support counts for both."""
    past = meetings(RADAR_5, PIR_5, days=31, policy=EARLY, witness=False)
    hall = RoomConfig("hall", policy=EARLY, parts=("orion",))
    site = SiteConfig((past.room, hall))
    history = past.history()
    rooms = site_quality(site, history, {}, str)
    assert [room.room for room in rooms] == ["orion", "hall"]
    assert rooms[1].early_end_by == ("radar", "pir")
    given = with_history(site, rooms, learning=(), asking={"orion", "hall"})
    assert given.rooms[1].early_end_by == ("radar", "pir")


def test_spans_without_cuts_stay_whole() -> None:
    """The helper of these tests cuts what it should."""
    spans: list[Span] = [(0, 10), (20, 30)]
    assert without(spans, []) == spans
    assert without(spans, [(5, 25)]) == [(0, 5), (25, 30)]
