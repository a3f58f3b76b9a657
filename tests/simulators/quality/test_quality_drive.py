"""Days as they are played to the core: what sensors are made to see, and what Exchange answers."""

import itertools
from collections import Counter

import msgspec
import pytest

from gateway.core.decisions import Write
from gateway.core.events import Reading
from gateway.core.policy import Policy, RoomConfig, SensorProfile
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from simulators.people import Behaviour, PlannedBooking, Stay, stream
from simulators.quality.drive import play
from simulators.quality.kits import BLIND_GAPS_PER_HOUR, KITS, DoorBeam, UnsteadyRadar, blind_gap_ms
from simulators.quality.mailbox import Mailbox
from simulators.quality.policies import POLICIES
from simulators.quality.run import (
    Key,
    Work,
    figures_of,
    ghost_work_for,
    planned,
    rooms_for,
    run_many,
    work_for,
)
from simulators.quality.scene import Fact, Scene, failures, plan, scene

NINE: Instant = 1_790_586_000_000
RADAR = SensorProfile("radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS, at_qos1=True)


def radar_day(*shown: tuple[Instant, Instant], cancelled_at: Instant | None = None) -> Scene:
    """One ghost from nine to ten before a radar that was shown somebody the day before and at these times."""
    booking = PlannedBooking(
        "b", "orion", NINE, NINE + HOUR_MS, "person-001@contoso.com", "ghost", 2, NINE - DAY_MS, cancelled_at
    )
    start, end = NINE - HOUR_MS, NINE + 3 * HOUR_MS
    edges = {at: on for begin, until in shown for at, on in ((begin, 1), (until, 0))}
    facts: list[tuple[Instant, Fact]] = []
    state = 0
    for at in sorted({*range(start, end, MINUTE_MS), *edges}):
        state = edges.get(at, state)
        facts.append((at, Reading("radar", "presence", state)))
    return Scene(RoomConfig("orion", sensors=(RADAR,)), (booking,), (), tuple(facts), start, end)


def test_a_ghost_is_released_some_seconds_after_it_is_decided() -> None:
    """Decided with the first proof after due, in effect after a look, confirmed by a read."""
    played = play(radar_day(), Policy(), 1)
    (deed,) = played.deeds
    at = {d.kind: d.at for d in played.decisions if d.booking == "b"}
    assert (deed.action, deed.kind) == ("release", "no_show")
    assert at["release"] == NINE + 10 * MINUTE_MS
    assert 400 <= deed.at - at["release"] <= 1_500
    assert at["release"] < deed.at < at["released"]
    assert play(radar_day(), Policy(), 1) == played


def test_presence_before_the_write_withdraws_it() -> None:
    """Somebody shows a moment after the decision: nothing reaches the calendar."""
    at = NINE + 10 * MINUTE_MS + 100
    played = play(radar_day((at, at + 20 * MINUTE_MS)), Policy(), 1)
    assert played.deeds == () or played.deeds[0].action == "check_in"
    kinds = [decision.kind for decision in played.decisions if decision.booking == "b"]
    assert "withdrawn" in kinds
    assert "not_released" in kinds
    assert kinds[-2:] == ["checked_in", "concluded"]


def test_a_booking_that_is_cancelled_meanwhile_is_not_written_to() -> None:
    """The look before the write finds that the calendar has changed."""
    played = play(radar_day(cancelled_at=NINE + 10 * MINUTE_MS + 50), Policy(), 1)
    assert played.deeds == ()
    assert "released" not in {decision.kind for decision in played.decisions}


def test_walk_ups_are_booked_extended_and_freed() -> None:
    """The calendar of the simulated room plays its part in bookings of the room's own."""
    used = radar_day((NINE + 62 * MINUTE_MS, NINE + 105 * MINUTE_MS))
    actions = [deed.action for deed in play(used, Policy(walk_up=True), 1).deeds]
    changes = [action for action in actions if action != "check_in"]
    assert changes == ["release", "walk_up", "extend", "shorten"]


def test_the_mailbox_takes_what_still_fits_and_tells_of_it_with_the_next_read() -> None:
    """Not a booking whose times have changed, nothing over another; ends in whole seconds."""
    box = Mailbox("orion", radar_day().bookings)
    (booking,) = box.read(NINE).changed
    release = Write(1, "release", "decline", booking.event_id, booking.start, booking.end, NINE + HOUR_MS)
    longer = msgspec.structs.replace(release, end=release.end + MINUTE_MS)
    over = msgspec.structs.replace(release, action="walk_up", method="create", event_id="")
    short = msgspec.structs.replace(release, action="end_early", method="patch_end", new_end=NINE + 30_999)
    seen = msgspec.structs.replace(release, action="check_in", method="category")
    assert not box.write(longer, "b", NINE)
    assert not box.write(over, "", NINE)
    assert box.write(seen, "b", NINE)
    assert box.read(NINE).changed == ()
    assert box.write(short, "b", NINE)
    assert [one.end for one in box.read(NINE).changed] == [NINE + 30_000]
    assert not box.write(release, "b", NINE)
    assert box.write(msgspec.structs.replace(release, end=NINE + 30_000), "b", NINE)
    assert box.read(NINE).removed == ("b",)


# -- days ---------------------------------------------------------------------------------------------


def test_every_kit_is_given_the_same_people() -> None:
    """Bookings and visits do not depend on what hangs in the room."""
    days = plan(3, 2)
    made = [scene(kit, days, 3) for kit in KITS.values()]
    assert all((one.bookings, one.visits) == (days.bookings, days.visits) for one in made)


def test_facts_are_in_order_and_only_of_the_rooms_sensors() -> None:
    """Messages are on their way for different times, and none overtakes the one before it."""
    for kit in KITS.values():
        made = scene(kit, plan(4, 1), 4)
        times = [at for at, _ in made.facts]
        assert times == sorted(times)
        assert {fact.sensor for _, fact in made.facts if isinstance(fact, Reading)} == {
            profile.id for profile in made.config.sensors
        }


def test_a_badly_placed_pir_is_as_blind_as_the_recorded_one() -> None:
    """Its gaps per hour follow the table of S7: eleven over a minute, one in two hours over ten."""
    rng = stream(1, "gaps")
    gaps = [blind_gap_ms(rng) for _ in range(200_000)]
    hours = sum(gaps) / HOUR_MS
    for longer, per_hour in BLIND_GAPS_PER_HOUR[:-1]:
        assert sum(gap > longer for gap in gaps) / hours == pytest.approx(per_hour, rel=0.08)
    assert max(gaps) <= BLIND_GAPS_PER_HOUR[-1][0]


def test_an_unsteady_radar_loses_only_people_who_sit_still() -> None:
    """Lively people are always in sight, quiet ones now and then for up to three minutes and its time-out."""
    radar = UnsteadyRadar(name="orion-radar", seed=1)
    lively = list(radar.spans([Stay(NINE, NINE + 8 * HOUR_MS, 2, "lively")]))
    quiet = list(radar.spans([Stay(NINE, NINE + 8 * HOUR_MS, 1, "quiet")]))
    assert len(lively) == 1
    assert len(quiet) > 10
    assert max(after[0] - before[1] for before, after in itertools.pairwise(quiet)) <= 3 * MINUTE_MS


def test_a_door_sensor_shows_comings_and_goings_only() -> None:
    """One hit each, and its profile says that it proves nothing."""
    door = DoorBeam(name="orion-door")
    spans = list(door.spans([Stay(NINE, NINE + HOUR_MS, 2, "lively")]))
    assert [begin for begin, _ in spans] == [NINE, NINE + HOUR_MS]
    assert door.profile().role == "door"


def test_devices_that_fail_say_nothing_or_see_nobody() -> None:
    """In a silent hour there is no message, in a blind one none that shows anybody."""
    kit, days = KITS["failing-radar"], plan(5, 40)
    found = list(failures("orion-radar", days, 5))
    made = scene(kit, days, 5)
    assert {failure.blind for failure in found} == {True, False}
    for failure in found:
        since, until = failure.since + 30 * SECOND_MS, failure.until - SECOND_MS
        heard = [fact for at, fact in made.facts if since < at < until]
        assert bool(heard) is failure.blind
        assert not any(isinstance(fact, Reading) and fact.shows_presence for fact in heard)


# -- runs ---------------------------------------------------------------------------------------------


def test_rooms_are_added_until_there_are_enough_bookings() -> None:
    """Counted are those that nobody cancels. What is not promised gets a quarter, unless all is asked."""
    assert (rooms_for(1, 1, 20), rooms_for(1, 300, 20)) == (1, 3)
    kits, all_policies = ["radar", "pir", "failing-radar"], tuple(POLICIES)

    def policies_by_room(kit: str, *, full: bool) -> list[int]:
        works = work_for(kits, all_policies, 1, 1_000, full=full)
        return [len(work.policies) for work in works if work.kit == kit]

    assert policies_by_room("radar", full=False) == [4, 4, 1, 1, 1, 1, 1]
    assert policies_by_room("pir", full=False) == [4, 1]
    assert policies_by_room("failing-radar", full=False) == [1, 1]
    assert policies_by_room("pir", full=True) == [4] * 7
    assert policies_by_room("failing-radar", full=True) == [1] * 7


def test_other_shares_of_ghosts_are_played_where_the_goal_is_about() -> None:
    """With the promised sets alone, by as many bookings, and only if the default policy is asked for."""
    kits, shares = ["radar", "pir", "failing-radar"], (0.1, 0.5)
    works = list(ghost_work_for(kits, tuple(POLICIES), shares, 1, 300))
    assert {(work.kit, work.policies) for work in works} == {("radar", ("default",))}
    for share in shares:
        rooms = [work.number for work in works if work.ghost_share == share]
        assert rooms == list(range(rooms_for(1, 300, 20, share)))
        days = [planned(1_000_003 + number, 20, share) for number in rooms]
        assert sum(b.cancelled_at is None for each in days for b in each.bookings) >= 300
    assert list(ghost_work_for(kits, ["strict"], shares, 1, 300)) == []


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_with_another_share_of_ghosts_only_those_on_time_are_others(share: float) -> None:
    """Ghosts are as many as planned, and late, early, lone and long ones as many as ever."""
    assert all(planned(seed, 20, None) == plan(seed, 20) for seed in range(5))
    kinds = Counter(
        booking.kind
        for seed in range(20)
        for booking in planned(seed, 20, share).bookings
        if booking.cancelled_at is None
    )
    found = {kind: count / kinds.total() for kind, count in kinds.items()}
    rates = Behaviour()
    wanted = {"ghost": share, "late": rates.late, "leaves_early": rates.leaves_early,
              "lone_quiet": rates.lone_quiet, "overstay": rates.overstay}  # fmt: skip
    wanted["on_time"] = 1 - sum(wanted.values())
    assert found == pytest.approx(wanted, abs=0.02)


def test_figures_with_another_share_of_ghosts_are_told_apart_and_have_no_baselines() -> None:
    """They never get into the sums of the main figures."""
    (key,) = sums = figures_of(Work("counter", 1, 0, ("default",), 2, 0.1))
    assert key == Key("counter", "default", 0.1)
    main = figures_of(Work("counter", 1, 0, ("default",), 2))
    assert key not in main
    assert sums[key].ghosts < main[Key("counter", "default")].ghosts


def test_the_number_of_jobs_changes_nothing() -> None:
    """Two processes give the sums of one."""
    works = [Work("counter", 1, number, ("default",), 1) for number in range(3)]
    assert run_many(works, jobs=2) == run_many(works, jobs=1)


@pytest.mark.thorough  # outside of coverage: its days take long with it
def test_a_radar_that_sees_everybody_takes_no_room_from_them() -> None:
    """Under every policy; the sets that promise it are run over ten thousand bookings for the page."""
    sums = figures_of(Work("radar+pir", 2, 0, tuple(POLICIES), 2))
    for name in POLICIES:
        assert set(sums[Key("radar+pir", name)].wrong) <= {"arriving"}
    assert sums[Key("radar+pir", "default")].ghosts_released
