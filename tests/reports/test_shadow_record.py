"""What shadow would have released and how that would have gone, held to the core's own counters."""

import pytest
from hypothesis import given, settings
from scenarios import SCRIPTED, SCRIPTS, Player, Script
from timeline import DOOR, PIR, RADAR, Timeline, at, booking

from gateway.core.booking import Booking
from gateway.core.decisions import Decision, Reason, Tally
from gateway.core.events import CheckedIn, ClockTrust, Kept, ModeSet, Reading, WereHere
from gateway.core.policy import Policy
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.reports.intervals import clopper_pearson
from gateway.reports.shadow_record import (
    DOUBTFUL,
    KINDS,
    Bar,
    RoomRecord,
    ShadowRelease,
    shadow_records,
    verdict,
)

HOUR = booking("09:00", "10:00", "a")


def shadow(*bookings: Booking, policy: Policy | None = None) -> Timeline:
    """A room in shadow with a radar; a booking that nobody comes to is released 10 min after its start."""
    line = Timeline(RADAR, mode="shadow", policy=policy)
    line.book(*(bookings or (HOUR,)))
    return line


def record(line: Timeline, since: Instant = 0, until: Instant = 2**62) -> RoomRecord:
    """What the report says of the room, held to what the core has counted where no period is asked for.

    The decisions of the kinds that are said to tell of it are enough.
    """
    found = shadow_records(line.decisions, since, until).get("orion", RoomRecord("orion"))
    telling = (decision for decision in line.decisions if decision.kind in KINDS)
    assert shadow_records(telling, since, until).get("orion", RoomRecord("orion")) == found
    core = line.site.rooms["orion"].state.record
    if not since and until == 2**62:
        assert (found.judged, found.wrong) == (core.judged, core.wrong)
    return found


def only(line: Timeline) -> ShadowRelease:
    """The one release that was judged."""
    (release,) = record(line).releases
    return release


# -- what came afterwards -----------------------------------------------------------------------------


def test_a_room_that_stayed_empty_would_have_given_its_time_back() -> None:
    """From ten past to the end: 50 minutes, right, and nothing to look at."""
    line = shadow().until("10:01")
    release = only(line)
    assert (release.afterwards, release.kind) == ("stayed_empty", "no_show")
    assert (release.at, release.over_at) == (at("09:10"), at("10:00"))
    assert release.would_return_ms == record(line).would_return_ms == 50 * MINUTE_MS
    assert (release.is_wrong, release.is_doubtful) == (False, False)


def test_who_comes_within_a_quarter_of_an_hour_makes_it_wrong() -> None:
    """With the moment and the sensor; its time would not have been free."""
    line = shadow()
    line.until("09:25").show("radar")
    line.until("10:01")
    release = only(line)
    assert (release.afterwards, release.came_at, release.sensor) == ("came_soon", at("09:25"), "radar")
    assert (release.is_wrong, release.is_doubtful) == (True, True)
    assert record(line).would_return_ms == 0


def test_who_comes_later_makes_nothing_wrong() -> None:
    """A second beyond the quarter of an hour: the core's own edge."""
    line = shadow()
    line.until("09:25:01").show("radar")
    line.until("10:01")
    release = only(line)
    assert (release.afterwards, release.came_at) == ("came_later", at("09:25:01"))
    assert (release.is_wrong, release.is_doubtful) == (False, False)
    assert record(line).would_return_ms == 0


@pytest.mark.parametrize(
    ("word", "did"), [(CheckedIn("orion", "a", "panel"), "checked_in"), (Kept("orion", "a", "panel"), "kept")]
)
@pytest.mark.parametrize(("said", "afterwards"), [("09:14", "came_soon"), ("09:26", "by_person")])
def test_a_persons_word_counts_like_one_who_comes(
    word: CheckedIn | Kept, did: str, said: str, afterwards: str
) -> None:
    """Soon after the release it was wrong, though no sensor showed anybody; later it is worth a look."""
    line = shadow()
    line.until(said).tell(word)
    line.until("10:01")
    release = only(line)
    assert (release.afterwards, release.person_did, release.person_at) == (afterwards, did, at(said))
    assert (release.is_wrong, release.is_doubtful) == (afterwards == "came_soon", True)
    assert record(line).interval_at_worst == clopper_pearson(1, 1)
    assert (release.came_at, release.sensor) == (at(said), "")


def test_who_came_to_a_bookings_old_time_says_nothing_of_its_new_one() -> None:
    """The release there was another one."""
    line = shadow()
    line.until("09:12").show("radar")
    line.until("09:14").clear("radar")
    line.until("09:30").book(booking("11:00", "12:00", "a"))
    line.until("12:01")
    assert [one.afterwards for one in record(line).releases] == ["stayed_empty"]


def test_a_sensor_that_falls_silent_cannot_vouch_for_an_empty_room() -> None:
    """From when on and why; the core counts it as right, a person should look."""
    line = shadow()
    line.until("09:20").silence()
    line.until("10:01")
    release = only(line)
    assert release.afterwards == "could_not_tell"
    assert release.untold is not None
    assert (release.untold.code, release.untold.sensor) == ("overdue", "radar")
    assert release.untold_at is not None
    assert at("09:20") < release.untold_at < at("09:23")
    assert (release.is_wrong, release.is_doubtful) == (False, True)


def test_a_restart_that_is_no_gap_leaves_no_doubt() -> None:
    """Within what the broker queues the proof goes on as if nothing had been."""
    line = shadow()
    line.until("09:20").restart(until="09:20:20")
    line.until("10:01")
    assert any(d.kind == "occupancy" and d.at == at("09:20:20") for d in line.decisions)
    assert only(line).afterwards == "stayed_empty"


def test_a_restart_that_is_a_gap_leaves_doubt_from_when_hearing_was_lost() -> None:
    """Somebody may have come in meanwhile."""
    line = shadow()
    line.until("09:20").restart(until="09:30", session_present=False)
    line.clear("radar")
    line.until("10:01")
    release = only(line)
    assert (release.afterwards, release.untold_at) == ("could_not_tell", at("09:20"))


@pytest.mark.parametrize("recovers", ["09:21", "09:40"])
def test_a_sensor_that_gets_well_again_makes_no_belief_of_what_it_showed(recovers: str) -> None:
    """The room counts as occupied then, and the core does not count its sign of before."""
    line = Timeline(RADAR, DOOR, mode="shadow")
    line.book(HOUR)
    line.until("09:15").tell(Reading("door", "battery", 1))
    line.until("09:20").show("door")
    line.until(recovers).tell(Reading("door", "battery", 80))
    line.until("10:01")
    assert only(line).afterwards == "could_not_tell"


def test_what_is_shown_while_the_clock_is_not_trusted_counts() -> None:
    """As in the core: nothing shows it before the clock is trusted again."""
    line = Timeline(RADAR, PIR, mode="shadow")
    line.book(HOUR)
    line.until("09:02").hit("pir")
    line.until("09:25").tell(ClockTrust(trusted=False))
    line.until("09:26").hit("pir")
    line.until("09:27").tell(ClockTrust(trusted=True))
    line.until("10:01")
    assert only(line).afterwards == "came_soon"


def test_a_cancelled_booking_was_rightly_given_up() -> None:
    """It left the calendar after its release and nobody had come; its time came free by itself."""
    line = shadow()
    line.until("09:30").book(removed=("a",))
    line.until("10:01")
    release = only(line)
    assert (release.afterwards, release.over_at) == ("cancelled", at("09:30"))
    assert record(line).would_return_ms == 0


def test_a_moved_booking_is_judged_at_its_new_time_only() -> None:
    """What was decided at the old time says nothing any more, also if it is cancelled before the new one."""
    line = shadow()
    line.until("09:30").book(booking("11:00", "12:00", "a"))
    line.until("12:01")
    assert [one.at for one in record(line).releases] == [at("11:10")]
    line = shadow()
    line.until("09:30").book(booking("11:00", "12:00", "a"))
    line.until("09:40").book(removed=("a",))
    assert (record(line).releases, record(line).running) == ((), 0)


def test_a_moved_booking_that_is_attended_at_its_new_time_is_not_judged() -> None:
    """There was no release there."""
    line = shadow()
    line.until("09:30").book(booking("11:00", "12:00", "a"))
    line.until("11:01").show("radar")
    line.until("12:01")
    assert record(line).releases == ()


def test_a_booking_that_left_the_calendar_and_came_back_is_judged_each_time() -> None:
    """As the core counts it, whatever else was released meanwhile."""
    long = booking("09:00", "10:30", "a")
    line = shadow(long, booking("09:30", "10:00", "b"))
    line.until("09:20").book(removed=("a",))
    line.until("09:45").book(long)
    line.until("10:31")
    told = [(one.booking, one.afterwards) for one in record(line).releases]
    assert told == [("a", "cancelled"), ("b", "stayed_empty"), ("a", "stayed_empty")]


def test_people_of_the_next_booking_came_to_that_one() -> None:
    """Who comes at the very end of a booking makes its release not wrong."""
    line = shadow(booking("09:00", "09:20", "a"), booking("09:20", "10:00", "b"))
    line.until("09:19:59").now = at("09:20")
    line.show("radar")  # in the very tick that ends it
    line.until("10:01")
    release = only(line)
    assert (release.booking, release.afterwards) == ("a", "stayed_empty")


def test_an_old_sign_that_holds_longer_without_a_radar_is_nobody_who_came() -> None:
    """The meeting before left a minute late; without the radar its motion counts for ten minutes again."""
    line = Timeline(RADAR, PIR, mode="shadow", policy=Policy(grace_ms=5 * MINUTE_MS))
    line.book(booking("08:30", "09:00", "before"), HOUR)
    line.until("08:31").show("radar")
    line.until("09:01").clear("radar")
    line.until("09:01:30").hit("pir")
    line.until("09:09:30").silence("radar")
    line.until("10:01")
    assert any(
        d.reasons[0].code == "occupied"
        for d in line.decisions
        if d.kind == "occupancy" and d.at > at("09:10")
    )
    release = only(line)
    assert (release.at < at("09:10"), release.afterwards) == (True, "could_not_tell")


def test_what_a_sensor_shows_that_nobody_believes_is_a_doubt() -> None:
    """The door's battery is empty: the core does not count its sign, and nobody can be sure."""
    line = Timeline(RADAR, DOOR, mode="shadow")
    line.book(HOUR)
    line.tell(Reading("door", "battery", 1))
    line.until("09:20").show("door")
    line.until("10:01")
    release = only(line)
    assert (release.afterwards, release.untold_at) == ("could_not_tell", at("09:20"))


def test_somebody_came_back_after_a_brief_visit() -> None:
    """A booking that had been seen: no sensor says "seen" again, and its occupancy tells."""
    line = Timeline(RADAR, PIR, mode="shadow")
    line.book(HOUR)
    line.until("09:02").hit("pir")
    line.until("09:30").hit("pir")
    line.until("10:01")
    release = only(line)
    assert (release.kind, release.afterwards, release.sensor) == ("brief_visit", "came_soon", "pir")


# -- which releases -----------------------------------------------------------------------------------


def test_a_release_is_not_judged_before_its_booking_is_over() -> None:
    """Until then it is only counted."""
    line = shadow().until("09:59")
    assert (record(line).judged, record(line).running) == (0, 1)
    line.until("10:01")
    assert (record(line).judged, record(line).running) == (1, 0)


def test_a_period_has_the_releases_that_were_decided_in_it() -> None:
    """From its begin, and before its end; when they were judged does not matter."""
    line = shadow(*(booking(f"{h:02d}:00", f"{h:02d}:45", f"b{h}") for h in (9, 10, 11))).until("12:00")
    assert [one.booking for one in record(line).releases] == ["b9", "b10", "b11"]
    assert [one.booking for one in record(line, at("10:10"), at("11:10")).releases] == ["b10"]


def test_a_room_that_went_live_tells_since_when_by_whom_and_what_came_of_it() -> None:
    """By its own record; then what was given back, and what people reported as wrong, each mistake once."""
    hours = [booking(f"{h:02d}:00", f"{h:02d}:45", f"b{h}") for h in (9, 10, 11)]
    line = shadow(*hours, policy=Policy(live_after=1)).until("09:46")
    found = record(line)
    assert (found.live_since, found.live_by, found.opened_live) == (at("09:45"), "record", False)
    line.until("10:20").tell(WereHere("orion", "b10"), WereHere("orion", "b10"))
    line.until("12:00")
    found = record(line)
    assert (found.opened_live, found.released, found.wrong_releases) == (True, 1, 1)
    line.tell(ModeSet("orion", "shadow"))
    assert record(line).live_since is None
    line.tell(ModeSet("orion", "live"))
    found = record(line)
    assert (found.live_by, found.released, found.wrong_releases) == ("person", 0, 0)
    line.reconfigure(mode="live")
    line.reconfigure(mode="shadow")
    line.reconfigure(mode="live")
    assert record(line).live_by == "configuration"


def test_a_room_that_went_live_before_the_period_is_live_in_it() -> None:
    """Since when and by whom is told whatever period is asked for; what it gave back is the period's."""
    hours = [booking(f"{h:02d}:00", f"{h:02d}:45", f"b{h}") for h in (9, 10, 11)]
    line = shadow(*hours, policy=Policy(live_after=1)).until("12:00")
    found = record(line, since=at("11:00"))
    assert (found.live_since, found.live_by, found.opened_live) == (at("09:45"), "record", True)
    assert (found.judged, found.released) == (0, 1)


def test_rooms_are_kept_apart_and_what_concerns_the_site_is_passed_over() -> None:
    """One room's people tell nothing of another's booking, though both have the same key."""
    verdicts = {
        "lyra": Reason("shadow_wrong", "radar", at=0, until=SECOND_MS),
        "orion": Reason("shadow_right", at=0),
    }
    decisions = [
        *(Decision("would_release", room, 0, "a", reasons=(Reason("no_show"),)) for room in verdicts),
        Decision("breaker_opened", "", SECOND_MS),
        *(
            Decision("concluded", room, MINUTE_MS, "a", reasons=(why,), tally=Tally("no_show_kept"))
            for room, why in verdicts.items()
        ),
    ]
    found = shadow_records(decisions)
    assert list(found) == ["lyra", "orion"]
    assert [one.wrong for one in found.values()] == [1, 0]


@pytest.mark.parametrize("held_by", ["person", "configuration"])
def test_a_room_that_somebody_set_to_shadow_does_not_go_live_by_its_record(held_by: str) -> None:
    """However good it is; it takes somebody's word, and after that its record counts again."""
    hours = [booking(f"{h:02d}:00", f"{h:02d}:45", f"b{h}") for h in range(9, 13)]
    line = shadow(*hours, policy=Policy(live_after=1)).until("09:46")
    assert line.site.rooms["orion"].state.mode == "live"
    if held_by == "person":
        line.tell(ModeSet("orion", "shadow"))
    else:
        line.reconfigure(mode="live")
        line.reconfigure(mode="shadow")
    line.until("12:00")
    state = line.site.rooms["orion"].state
    assert (state.mode, state.held_in_shadow, state.record.judged) == ("shadow", True, 3)
    line.tell(ModeSet("orion", "live"))
    assert (state.mode, state.held_in_shadow) == ("live", False)


# -- the bar ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        (Bar(0, 0, 40, 0), "no_bar"),
        (Bar(30, 1, 12, 2), "over"),
        (Bar(30, 1, 12, 1), "missing"),
        (Bar(30, 1, 30, 1), "met"),
        (Bar(30, 1, 30, 2), "over"),
    ],
)
def test_the_verdict_is_the_first_thing_that_stands_in_the_way(bar: Bar, expected: str) -> None:
    """Live, exempt and blind rooms need no bar."""
    assert verdict(bar, "shadow", exempt=False, can_prove=True) == expected
    assert verdict(bar, "shadow", exempt=False, can_prove=False) == "cannot_prove"
    assert verdict(bar, "shadow", exempt=True, can_prove=False) == "exempt"
    assert verdict(bar, "live", exempt=True, can_prove=False) == "live"
    held = "held" if bar.live_after else "no_bar"
    assert verdict(bar, "shadow", exempt=False, can_prove=True, held=True) == held


def test_the_bar_tells_what_passing_it_proves() -> None:
    """None of 30 wrong still fits up to 11.6 %: the exact bound 1 - 0.025^(1/30)."""
    assert Bar(30, 0, 0, 0).proves == pytest.approx(1 - 0.025 ** (1 / 30))
    assert (Bar(30, 1, 12, 1).missing, Bar(30, 1, 31, 1).missing) == (18, 0)
    assert Bar(30, 1, 12, 1).share == pytest.approx(1 / 30)


def test_what_the_bar_calls_met_sets_the_core_live_and_nothing_less_does() -> None:
    """The verdict after each judged release is what the core then does."""
    hours = [booking(f"{h:02d}:00", f"{h:02d}:45", f"b{h}") for h in range(9, 13)]
    line = shadow(*hours, policy=Policy(live_after=3, live_if_wrong_at_most=1))
    line.until("09:20").show("radar")
    line.until("09:40").clear("radar")
    for hour in range(9, 12):
        line.until(f"{hour:02d}:46")
        state = line.site.rooms["orion"].state
        bar = Bar(3, 1, state.record.judged, state.record.wrong)
        told = verdict(bar, "shadow", exempt=False, can_prove=True)
        assert (told == "met") == (state.mode == "live"), hour
    assert line.site.rooms["orion"].state.mode == "live"


# -- the core's own counters --------------------------------------------------------------------------


@pytest.mark.thorough
@given(SCRIPTS)
@settings(SCRIPTED, max_examples=150)
def test_the_report_agrees_with_the_cores_counters_on_any_day(script: Script) -> None:
    """Whatever sensors, people, organizers, links and clocks do: as many judged, as many wrong."""
    player = Player(script._replace(live=False))
    decisions = player.play().decisions
    core = player.site.rooms["orion"].state.record
    found = shadow_records(decisions).get("orion", RoomRecord("orion"))
    assert (found.judged, found.wrong) == (core.judged, core.wrong)
    assert sum(found.count(kind) for kind in DOUBTFUL) == len(found.doubtful)
    assert all(0 <= one.would_return_ms <= 4 * HOUR_MS for one in found.releases)
