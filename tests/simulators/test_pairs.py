"""Pairs of histories: presence added (W9a), and the same day with and without faults (W9b)."""

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scenarios import FACTOR, SCRIPTED, SCRIPTS, Script, play

from gateway.core.events import Configured, LinkUp, Reading
from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS
from simulators.invariants.pairs import (
    RELEASES,
    Day,
    Fault,
    FaultName,
    allowance,
    day_of,
    facts_of,
    hastened,
    history_of,
    replay,
    with_presence,
    wrongly_in_faults,
)
from simulators.office import Fitting
from simulators.people import PlannedBooking, Visit

pytestmark = pytest.mark.thorough

FITTINGS: tuple[Fitting, ...] = ("radar+pir", "radar", "pir", "pir+pir", "counter")
LASTS: dict[FaultName, tuple[int, int]] = {
    "late": (MINUTE_MS, 60 * MINUTE_MS),
    "twice": (MINUTE_MS, 60 * MINUTE_MS),
    "silent": (0, 60 * MINUTE_MS),
    "link": (SECOND_MS, 30 * MINUTE_MS),
    "restart": (SECOND_MS, 60 * SECOND_MS),
    "boot": (SECOND_MS, 10 * MINUTE_MS),
    "unreadable": (MINUTE_MS, 30 * MINUTE_MS),
}
"""How long each lasts. A silence is detectable only beyond a heartbeat and a quarter (`fault`)."""

Blow = tuple[FaultName, float, float, int, bool]
BLOWS: st.SearchStrategy[Blow] = st.tuples(
    st.sampled_from(sorted(LASTS)),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 1),
    st.booleans(),
)
"""What fails, when and for how long as shares, which sensor, and whether the broker keeps the session."""


def fault(day: Day, blow: Blow) -> Fault:
    """What a blow means on a day."""
    name, when, how_long, sensor, session = blow
    shortest, longest = LASTS[name]
    beat = max(s.heartbeat_ms or 0 for s in day.sensors)
    least = shortest if name != "silent" else beat * 5 // 4 + SECOND_MS
    since = day.begin + 10 * MINUTE_MS + round(when * (day.end - day.begin - 10 * MINUTE_MS))
    return Fault(name, since, since + least + round(how_long * (longest - shortest)), sensor, session)


def drawn_day(seed: int, fitting: Fitting, delay_min: int) -> Day:
    """An office's room, its grace long enough for that delay."""
    return day_of(seed, fitting, delay_ms=delay_min * MINUTE_MS)


# -- W9b ------------------------------------------------------------------------------------------------


@settings(SCRIPTED, max_examples=40 * FACTOR)
@given(
    st.integers(0, 10_000),
    st.sampled_from(FITTINGS),
    st.integers(0, 3),
    st.lists(BLOWS, min_size=1, max_size=6),
)
def test_a_release_in_a_faulty_history_is_one_in_the_clean_one_or_nobody_was_inside(
    seed: int, fitting: Fitting, delay_min: int, blows: list[Blow]
) -> None:
    """W9b: detectable losses, duplicates, reordering between sensors, crashes, outages, delays up to D."""
    day = drawn_day(seed, fitting, delay_min)
    assert wrongly_in_faults(day, [fault(day, blow) for blow in blows]) == []


def test_the_days_have_releases_with_and_without_faults() -> None:
    """The property above is not empty."""
    clean = faulty = 0
    for seed in range(12):
        day = day_of(seed, "radar+pir", delay_ms=MINUTE_MS)
        faults = [Fault("late", day.begin, day.end), Fault("twice", day.begin, day.end, 1)]
        clean += sum(d.kind in RELEASES for d in replay(history_of(day)))
        faulty += sum(d.kind in RELEASES for d in replay(history_of(day, faults)))
    assert clean > 5
    assert faulty > 5


def hand_made(sensor: SensorProfile, *said: tuple[int, Reading]) -> Day:
    """A booking at 60 min, people inside from 61 to 110 min, a heartbeat each minute."""
    begin, hour = 1_790_000_000_000, HOUR_MS
    beats = [(begin + n * MINUTE_MS, Reading(sensor.id, "alive", 1)) for n in range(1, 150)]
    told = [(begin + moment, reading) for moment, reading in said]
    key = f"orion-{begin + hour}"
    made = PlannedBooking(
        key, "orion", begin + hour, begin + 2 * hour, "person-001@contoso.com", "late", 2, begin
    )
    visit = Visit("orion", begin + 61 * MINUTE_MS, begin + 110 * MINUTE_MS, 2, "lively", key)
    room = RoomConfig("orion", mode="live", policy=Policy(), sensors=(sensor,))
    return Day(
        SiteConfig((room,)),
        begin,
        begin + 150 * MINUTE_MS,
        tuple(sorted([*beats, *told], key=lambda item: item[0])),
        (made,),
        (visit,),
        0,
    )


RADAR = SensorProfile(
    "radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS, loss_detectable=True, at_qos1=True
)


def test_a_loss_that_nobody_can_notice_is_found_by_the_comparison() -> None:
    """Proof that W9b can fail: of a radar that only says changes, the one message that they came is lost."""
    day = hand_made(
        RADAR,
        (SECOND_MS, Reading("radar", "presence", 0)),
        (61 * MINUTE_MS + 1, Reading("radar", "presence", 1)),
        (110 * MINUTE_MS, Reading("radar", "presence", 0)),
    )
    assert wrongly_in_faults(day, []) == []
    lost = Fault("silent", day.begin + 61 * MINUTE_MS + 1, day.begin + 61 * MINUTE_MS + 2)
    (found,) = wrongly_in_faults(day, [lost])
    assert found.invariant == "W9b"
    noticed = Fault("silent", day.begin + 61 * MINUTE_MS + 1, day.begin + 64 * MINUTE_MS)
    assert wrongly_in_faults(day, [noticed]) == []


def test_faults_do_to_messages_what_their_names_say() -> None:
    """Late and in order, twice, lost, queued by the broker: the machinery of the comparison."""
    day = day_of(3, "radar", delay_ms=MINUTE_MS)
    middle, later = day.begin + HOUR_MS, day.begin + HOUR_MS + 10 * MINUTE_MS
    said = [at for at, _ in day.said]

    def heard(*faults: Fault) -> list[int]:
        return [at for at, event in history_of(day, faults) if isinstance(event, Reading)]

    assert heard() == said
    late = heard(Fault("late", day.begin, day.end))
    assert late != said
    assert late == sorted(late)
    assert all(0 <= b - a <= MINUTE_MS for a, b in zip(said, late, strict=True))
    assert len(heard(Fault("twice", day.begin, day.end))) == 2 * len(said)
    outside = [at for at in said if not middle <= at < later]
    assert heard(Fault("silent", middle, later)) == outside
    assert heard(Fault("link", middle, later, session=False)) == outside
    assert len(heard(Fault("link", middle, later))) == len(said)
    assert heard(Fault("boot", middle, later)) == outside
    restarted = history_of(day, [Fault("restart", middle, middle + 30 * SECOND_MS)])
    assert LinkUp(session_present=True) in [event for _, event in restarted]
    assert allowance(day, []) < allowance(day, [Fault("boot", middle, later)])


# -- W9a --------------------------------------------------------------------------------------------------


@settings(SCRIPTED, max_examples=40 * FACTOR)
@given(
    st.integers(0, 10_000),
    st.sampled_from(FITTINGS),
    st.lists(BLOWS, max_size=3),
    st.integers(0, 100_000),
)
def test_presence_added_to_an_offices_day_never_creates_or_hastens_a_release(
    seed: int, fitting: Fitting, blows: list[Blow], number: int
) -> None:
    """W9a: one reading shows presence, everything else as it was, in a clean day or a faulty one."""
    day = drawn_day(seed, fitting, 1)
    history = history_of(day, [fault(day, blow) for blow in blows])
    added = with_presence(history, number)
    assert added is not None
    assert hastened(history, replay(history), replay(added[0]), added[1]) == []


@settings(SCRIPTED, max_examples=40 * FACTOR)
@given(SCRIPTS, st.integers(0, 100_000))
def test_presence_added_to_any_journal_never_creates_or_hastens_a_release(
    script: Script, number: int
) -> None:
    """W9a: the same for days with people's words, moved bookings, clock steps and overlapping bookings."""
    history = facts_of((now, event) for event, now, _ in play(script).given)
    added = with_presence(history, number)
    assume(added is not None)
    assert added is not None
    assert hastened(history, replay(history), replay(added[0]), added[1]) == []


def test_a_release_that_presence_brings_is_found_by_the_comparison() -> None:
    """Proof that W9a can fail: the pair given the other way round, the release comes of what was added."""
    day = hand_made(RADAR, (SECOND_MS, Reading("radar", "presence", 0)))
    history = history_of(day)
    index = next(n for n, (at, event) in enumerate(history) if at == day.begin + 65 * MINUTE_MS)
    number = sum(isinstance(event, Reading) for _, event in history[:index])
    added = with_presence(history, number)
    assert added is not None
    with_it, moment = added
    assert moment == day.begin + 65 * MINUTE_MS
    plain, more = replay(history), replay(with_it)
    assert any(d.kind == "release" for d in plain)
    assert not any(d.kind == "release" for d in more)
    assert hastened(history, plain, more, moment) == []
    (found,) = hastened(history, more, plain, moment)
    assert found.invariant == "W9a"
    sooner = [msgspec.structs.replace(d, at=d.at - 1) if d.kind == "release" else d for d in replay(history)]
    assert len(hastened(history, plain, sooner, moment)) == 1


def test_there_is_nothing_to_add_to_a_day_without_readings() -> None:
    """No reading, no pair."""
    assert with_presence(((0, Configured(SiteConfig())),), 0) is None
