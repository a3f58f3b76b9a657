"""The whole life of a booking, from its early window to what it came to."""

import msgspec
import pytest
from timeline import (
    COUNTER,
    DOOR,
    MIDNIGHT,
    PIR,
    PIR_2,
    RADAR,
    ZIGBEE_PIR,
    Timeline,
    at,
    booking,
    clock,
)

from gateway.core.booking import Booking
from gateway.core.decisions import Decision, Reason, Tally
from gateway.core.events import (
    AnyEvent,
    Availability,
    BridgeState,
    CalendarRead,
    CalendarUnreadable,
    CheckedIn,
    ClockStepped,
    ClockTrust,
    Configured,
    Ended,
    Kept,
    LinkUp,
    ModeSet,
    Reading,
    Tick,
    WriteOutcome,
)
from gateway.core.explain import explain
from gateway.core.occupancy import effective_grace, must_prove, proving
from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import CoreError, Site, TimeRanBackwards, UnknownName
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

SEAT = msgspec.structs.replace(RADAR, id="seat", role="seat")
HITS = SensorProfile("hits", "motion", says_clear=False, heartbeat_ms=MINUTE_MS)
MUTE_PIR = msgspec.structs.replace(PIR, id="mute", heartbeat_ms=None)


def room_with(*sensors: SensorProfile, start: str = "09:00", end: str = "10:00", **more: object) -> Timeline:
    """A live room and one booking "b" from 09:00 to 10:00."""
    line = Timeline(*sensors, **more)  # type: ignore[arg-type] # keyword pass-through
    line.book(booking(start, end, "b"))
    return line


def visit(line: Timeline, sensor: str, start: str, end: str) -> None:
    """A sensor shows presence between two times."""
    line.until(start)
    line.show(sensor)
    line.until(end)
    line.clear(sensor)


def releasing(line: Timeline) -> Decision:
    """Live on until the release is decided and its write is under way."""
    line.applies = False
    line.until("09:10:20")
    return line.first("release", "b")


def settle(line: Timeline, result: str, why: str = "") -> None:
    """What came of the newest release."""
    write = [d.write for d in line.decisions if d.kind == "release"][-1]
    assert write is not None
    line.tell(WriteOutcome("orion", write.id, result, why))  # type: ignore[arg-type] # a literal by name


def tally(line: Timeline, key: str = "b") -> Tally:
    """What the booking came to."""
    result = line.first("concluded", key).tally
    assert result is not None
    return result


# -- open and seen --------------------------------------------------------------------------------------


def test_a_booking_opens_early_arrival_before_its_start() -> None:
    """Ten minutes before, with the grace it will have and the moment it will be due."""
    line = room_with(RADAR)
    line.until("08:59")
    assert line.times("opened", "b") == ["08:50"]
    (reason,) = line.first("opened").reasons
    assert (reason.value, clock(reason.until or 0)) == (10 * MINUTE_MS, "09:10")


@pytest.mark.parametrize("start", ["08:40", "08:51"])
def test_presence_in_the_early_window_makes_it_seen_at_its_start(start: str) -> None:
    """Whoever waits in the room before the start is no plain no-show; they left at 08:55."""
    line = room_with(RADAR)
    visit(line, "radar", start, "08:55")
    line.until("10:00")
    assert line.times("seen", "b") == ["09:00"]
    assert line.why("seen", "b") == ["came_early"]
    assert line.first("release", "b").reasons[0].code == "brief_visit"


def test_presence_before_the_early_window_is_somebody_elses() -> None:
    """Out at 08:49, before anything of this booking counts."""
    line = room_with(RADAR)
    visit(line, "radar", "08:30", "08:49")
    line.until("10:00")
    assert not line.has("seen", "b")
    assert line.times("release", "b") == ["09:10"]


def test_motion_that_goes_on_into_the_early_window_counts_there() -> None:
    """A PIR on from 08:49:50 to 08:59:50 saw people for nine minutes of the early window."""
    line = room_with(PIR)
    visit(line, "pir", "08:49:50", "08:59:50")
    line.until("10:00")
    assert line.times("seen", "b") == ["09:00"]


def test_a_motion_hit_before_the_window_that_the_device_only_holds_is_one_hit() -> None:
    """On at 08:49:55 with a device hold of 10 s: nothing shows that anybody moved after 08:50."""
    line = room_with(PIR)
    visit(line, "pir", "08:49:55", "08:50:04")
    line.until("10:00")
    assert not line.has("seen", "b")


def test_one_door_passage_makes_it_seen_and_never_checked_in() -> None:
    """A door tells of an arrival, not of a meeting, however often it opens."""
    line = room_with(RADAR, DOOR)
    for moment in ("09:01", "09:02", "09:03", "09:04"):
        line.until(moment)
        line.show("door")
    line.until("10:00")
    assert line.times("seen", "b") == ["09:01"]
    assert not line.has("checked_in", "b")


def test_an_unhealthy_sensors_presence_protects_and_never_checks_in() -> None:
    """The PIR's fault is reported; what it sees keeps the room, and makes nobody seen."""
    line = room_with(RADAR, PIR)
    line.until("08:55")
    line.tell(Reading("pir", "fault", 1))
    visit(line, "pir", "09:05", "09:08")
    line.tell(Reading("pir", "fault", 0))
    line.until("10:00")
    assert not line.has("seen", "b")
    assert at(line.times("release", "b")[0]) >= at("09:18")


# -- check-in, each way ---------------------------------------------------------------------------------


def test_presence_for_30_s_checks_in() -> None:
    """Not at 29 seconds."""
    line = room_with(RADAR)
    visit(line, "radar", "09:03", "09:03:29")
    assert not line.has("checked_in", "b")
    visit(line, "radar", "09:05", "09:06")
    assert line.times("checked_in", "b") == ["09:05:30"]
    assert line.why("checked_in") == ["shown_long"]


def test_a_seat_checks_in_and_proves_no_absence() -> None:
    """A seat's presence is presence; its silence says nothing of other seats."""
    line = room_with(SEAT)
    line.until("09:30")
    assert line.why("withheld", "b") == ["no_prover"]
    visit(line, "seat", "09:31", "09:32")
    assert line.times("checked_in", "b") == ["09:31:30"]


def test_a_count_checks_in_at_once() -> None:
    """People were counted."""
    line = room_with(COUNTER)
    line.until("09:04")
    line.show("counter", 3)
    assert line.times("checked_in", "b") == ["09:04"]
    assert line.why("checked_in") == ["counted"]


def test_motion_for_30_s_beyond_the_device_hold_checks_in() -> None:
    """Ten seconds of its own hold and thirty more: motion went on."""
    line = room_with(PIR)
    visit(line, "pir", "09:03", "09:03:39")
    assert line.kinds("b") == ["opened", "seen"]
    line = room_with(PIR)
    visit(line, "pir", "09:03", "09:04")
    assert line.times("checked_in", "b") == ["09:03:40"]
    assert line.why("checked_in") == ["motion_lasted"]


@pytest.mark.parametrize(("second", "checked_in"), [("09:08", True), ("09:08:01", False)])
def test_two_hits_within_5_min_check_in(second: str, *, checked_in: bool) -> None:
    """The first at 09:03; five minutes later it still counts, a second after that no more."""
    line = room_with(PIR)
    visit(line, "pir", "09:03", "09:03:10")
    visit(line, "pir", second, "09:08:15")
    assert line.has("checked_in", "b") is checked_in


def test_one_hit_alone_never_checks_in() -> None:
    """A single motion hit protects a booking and that is all."""
    line = room_with(PIR)
    visit(line, "pir", "09:03", "09:03:10")
    line.until("10:00")
    assert line.kinds("b")[:2] == ["opened", "seen"]
    assert not line.has("checked_in", "b")


@pytest.mark.parametrize("moment", ["08:30", "08:55", "09:05"])
def test_a_person_checks_in_whenever_they_say_so(moment: str) -> None:
    """By name even before it opens; the booking is open, checked in and marked in Exchange."""
    line = room_with(RADAR)
    line.until(moment)
    line.tell(CheckedIn("orion", "b", by="panel"))
    line.until("10:00")
    assert line.kinds("b") == ["opened", "checked_in", "concluded"]
    write = line.first("checked_in").write
    assert write is not None
    assert (write.action, write.method, write.event_id) == ("check_in", "category", "id-b")
    assert line.outcome("b") == "attended"


def test_a_person_who_names_no_booking_means_the_current_or_opening_one() -> None:
    """At 08:55 the next one is meant; at 08:30 there is none to mean."""
    line = room_with(RADAR)
    line.until("08:30")
    line.tell(CheckedIn("orion"))
    assert line.why("refused") == ["no_such_booking"]
    line.until("08:55")
    line.tell(CheckedIn("orion"))
    assert line.times("checked_in", "b") == ["08:55"]


def test_presence_before_the_start_checks_in_at_the_start_and_not_before() -> None:
    """A check-in by sensors is at or after the start."""
    line = room_with(RADAR)
    visit(line, "radar", "08:45", "09:20")
    assert line.times("checked_in", "b") == ["09:00"]


def test_a_check_in_is_sticky() -> None:
    """Once checked in, an empty room is not given back."""
    line = room_with(RADAR)
    visit(line, "radar", "09:00", "09:01")
    line.until("10:00")
    assert line.kinds("b") == ["opened", "seen", "checked_in", "concluded"]
    assert line.outcome("b") == "attended"


# -- handover -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leave", "seen"),
    [("10:04:59", []), ("10:05:20", ["10:05"]), ("10:00", [])],
    ids=["within", "beyond", "at"],
)
def test_in_a_handover_only_what_lasts_beyond_it_counts(leave: str, seen: list[str]) -> None:
    """Five minutes after the start the room is the next booking's own."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "a"), booking("10:00", "11:00", "b"))
    visit(line, "radar", "09:05", leave)
    line.until("11:00")
    assert line.times("seen", "b") == seen


def test_presence_in_a_handover_moves_the_vacancy_clock() -> None:
    """Out at 10:04: hold and grace run from there."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "a"), booking("10:00", "11:00", "b"))
    visit(line, "radar", "09:05", "10:04")
    line.until("11:00")
    assert line.times("release", "b") == ["10:15"]


def test_proven_vacancy_within_the_handover_ends_it() -> None:
    """They left at 10:00:30, the room was proven empty by 10:02; who comes at 10:03 is new."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "a"), booking("10:00", "11:00", "b"))
    visit(line, "radar", "09:05", "10:00:30")
    visit(line, "radar", "10:03", "10:03:45")
    assert line.times("seen", "b") == ["10:03"]
    assert line.times("checked_in", "b") == ["10:03:30"]


def test_a_person_in_a_handover_is_believed() -> None:
    """Handover is about sensors; a tap on the panel is for the booking on the panel."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "a"), booking("10:00", "11:00", "b"))
    visit(line, "radar", "09:05", "10:01")
    line.tell(CheckedIn("orion"))
    assert line.times("checked_in", "b") == ["10:01"]


def test_a_pirs_on_time_over_the_handovers_end_is_not_a_hit_after_it() -> None:
    """On at 10:04:55 with a device hold of 10 s, off at 10:05:05: one hit, in the handover."""
    line = Timeline(PIR)
    line.book(booking("09:00", "10:00", "a"), booking("10:00", "11:00", "b"))
    for moment in ("09:01", "09:03", "09:58"):
        line.until(moment)
        line.hit("pir")
    visit(line, "pir", "10:04:55", "10:05:05")
    line.until("11:00")
    assert not line.has("seen", "b")


# -- warned, released -----------------------------------------------------------------------------------


def test_a_ghost_is_warned_then_released_then_free() -> None:
    """The plain case, word for word: warned at 09:07, decided and declined at 09:10."""
    line = room_with(RADAR, PIR)
    line.until("10:00")
    assert line.kinds("b") == ["opened", "warned", "release", "released", "concluded"]
    assert line.times("warned") == ["09:07"]
    assert line.times("release") == line.times("released") == ["09:10"]
    released = line.first("release")
    assert [r.code for r in released.reasons] == [
        "no_show",
        "proven_vacant",
        "due",
        "warned",
        "calendar_read",
    ]
    write = released.write
    assert write is not None
    assert (write.action, write.method, write.event_id) == ("release", "decline", "id-b")
    assert (write.start, write.end, write.deadline) == (at("09:00"), at("10:00"), at("09:12"))
    assert tally(line) == Tally(
        "no_show_released",
        booked_ms=HOUR_MS,
        returned_ms=50 * MINUTE_MS,
        ghost_ms=HOUR_MS,
        cause="grace",
    )


def test_released_is_said_only_when_exchange_confirms() -> None:
    """Until then the booking is releasing, and nothing else may be thought of it."""
    line = room_with(RADAR)
    releasing(line)
    line.until("09:11:30")
    assert line.kinds("b")[-1] == "release"
    settle(line, "applied")
    assert line.times("released") == ["09:11:30"]


def test_presence_cancels_the_warning_and_the_next_release_needs_a_new_one() -> None:
    """Warned at 09:07, somebody passes at 09:08: a second warning comes before the release."""
    line = room_with(RADAR)
    visit(line, "radar", "09:08", "09:08:10")
    line.until("10:00")
    assert line.times("warned") == ["09:07", "09:21:10"]
    assert line.times("warning_cancelled") == ["09:08"]
    assert line.times("release") == ["09:25"]


def test_a_warning_longer_than_the_grace_is_cancelled_by_presence_too() -> None:
    """Even where hold and grace together are shorter than the warning."""
    hits = msgspec.structs.replace(HITS, hold_ms=MINUTE_MS)
    line = room_with(hits, policy=Policy(warn_before_release_ms=30 * MINUTE_MS), end="11:00")
    line.until("09:08")
    assert line.times("warned") == ["09:00"]
    line.show("hits")
    assert line.times("warning_cancelled") == ["09:08"]


def test_no_warning_is_cut_short_by_late_proof() -> None:
    """Proof that comes after due is still followed by the whole warning."""
    line = room_with(RADAR)
    line.until("08:55")
    line.tell(CalendarUnreadable("orion", "503"))
    line.polls = False
    line.until("09:20")
    line.polls = True
    line.until("10:00")
    (warned,) = line.times("warned")
    assert at(line.times("release")[0]) == at(warned) + 3 * MINUTE_MS


def test_a_brief_visit_is_released_after_15_min_of_vacancy() -> None:
    """A radar saw somebody until 09:05; its hold ends at 09:06."""
    line = room_with(RADAR)
    visit(line, "radar", "09:04:45", "09:05")
    line.until("10:00")
    assert line.times("release") == ["09:21"]
    assert line.first("release").reasons[0].code == "brief_visit"
    assert line.outcome() == "brief_visit_released"


def test_a_brief_visit_needs_25_min_where_only_motion_proves() -> None:
    """A lone quiet person moves rarely: hold 10 min, then 25."""
    line = room_with(PIR, PIR_2)
    visit(line, "pir", "09:04:50", "09:05")
    line.until("10:00")
    assert line.times("release") == ["09:40"]


def test_a_brief_visit_is_never_released_sooner_than_a_no_show() -> None:
    """With a grace of 30 min a visit of a second does not make it 15."""
    policy = Policy(grace_ms=30 * MINUTE_MS)
    ghost = room_with(RADAR, policy=policy, end="11:00")
    ghost.until("11:00")
    visited = room_with(RADAR, policy=policy, end="11:00")
    visit(visited, "radar", "09:00:05", "09:00:10")
    visited.until("11:00")
    assert ghost.times("release") == ["09:30"]
    assert visited.times("release") == ["09:32"]


def test_the_visitor_before_the_start_does_not_shorten_the_wait_either() -> None:
    """Seen by its early window: due and the longer vacancy both hold."""
    line = room_with(RADAR)
    visit(line, "radar", "08:51", "08:52")
    line.until("10:00")
    assert line.times("release") == ["09:10"]


# -- withheld and later released -------------------------------------------------------------------------


def _fall_ill(line: Timeline) -> None:
    line.tell(Availability("radar", online=False))


def _get_well(line: Timeline) -> None:
    line.tell(Availability("radar", online=True), Reading("radar", "presence", 0))


def _unread(line: Timeline) -> None:
    line.tell(CalendarUnreadable("orion", "503"))
    line.polls = False


def _read(line: Timeline) -> None:
    line.polls = True
    line.read_calendar()


def _distrust(line: Timeline) -> None:
    line.tell(ClockTrust(trusted=False))


def _trust(line: Timeline) -> None:
    line.tell(ClockTrust(trusted=True), Reading("radar", "presence", 0))


def _unplug(line: Timeline) -> None:
    line.unplug()


def _plug_in(line: Timeline) -> None:
    line.plug_in()
    line.clear("radar")


def _silence(line: Timeline) -> None:
    line.silence()


def _speak(line: Timeline) -> None:
    line.resume(RADAR)
    line.clear("radar")


def _show(line: Timeline) -> None:
    line.tell(Reading("radar", "fault", 1), Reading("radar", "presence", 1))


def _clear(line: Timeline) -> None:
    line.tell(Reading("radar", "presence", 0), Reading("radar", "fault", 0))


@pytest.mark.parametrize(
    ("trouble", "over", "code"),
    [
        (_fall_ill, _get_well, "offline"),
        (_unread, _read, "calendar_stale"),
        (_distrust, _trust, "clock_untrusted"),
        (_unplug, _plug_in, "not_hearing"),
        (_silence, _speak, "overdue"),
        (_show, _clear, "shows_presence"),
    ],
)
def test_what_is_missing_withholds_and_is_tried_again(trouble: object, over: object, code: str) -> None:
    """Trouble at 08:58 withholds with its reason; when it is over at 09:20 the release follows."""
    assert callable(trouble)
    assert callable(over)
    line = room_with(RADAR)
    line.until("08:58")
    trouble(line)
    line.until("09:20")
    assert line.why("withheld", "b") == [code]
    over(line)
    line.until("10:00")
    assert "09:20" < line.times("release", "b")[0] < "09:35"


def test_withheld_to_the_end_is_counted_with_its_cause() -> None:
    """The report names what stood in the way: here one sensor, by name."""
    line = room_with(RADAR)
    line.until("09:05")
    line.tell(Availability("radar", online=False))
    line.until("10:00")
    assert tally(line).outcome == "withheld"
    assert tally(line).cause == "offline radar"


def test_a_reason_is_said_once_and_again_after_another() -> None:
    """Withheld is not repeated each minute."""
    line = room_with(RADAR)
    line.until("09:05")
    line.tell(Availability("radar", online=False))
    line.until("09:20")
    line.tell(ClockTrust(trusted=False))
    line.until("09:30")
    line.tell(ClockTrust(trusted=True))
    line.until("09:40")
    assert line.why("withheld", "b") == ["offline", "clock_untrusted", "offline"]


def test_too_little_left_is_left_alone() -> None:
    """Proof that comes with less than ten minutes to go releases nothing."""
    line = room_with(RADAR, end="09:30")
    line.until("09:05")
    line.tell(Availability("radar", online=False))
    line.until("09:15")
    line.tell(Availability("radar", online=True), Reading("radar", "presence", 0))
    line.until("09:30")
    assert not line.has("release")
    assert line.why("withheld", "b") == ["offline", "too_little_left"]
    assert tally(line).cause == "offline radar"


# -- withdrawn -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        Reading("radar", "presence", 1),
        Reading("door", "motion", 1),
        Reading("radar", "battery", 1),
        Reading("radar", "fault", 1),
        Availability("radar", online=False),
        ClockTrust(trusted=False),
        ClockStepped(5_000),
        CheckedIn("orion"),
        Kept("orion"),
        ModeSet("orion", "shadow"),
        CalendarRead(
            "orion", MIDNIGHT, MIDNIGHT + DAY_MS, (booking("09:00", "10:00", "b", marks=("category",)),)
        ),
        CalendarRead("orion", MIDNIGHT, MIDNIGHT + DAY_MS, (booking("09:00", "10:00", "b", all_day=True),)),
        CalendarRead("orion", MIDNIGHT, MIDNIGHT + DAY_MS, (booking("09:30", "10:30", "b"),)),
    ],
    ids=lambda e: f"{type(e).__name__}-{getattr(e, 'kind', '')}",
)
def test_any_new_doubt_before_the_write_withdraws_the_release(event: object) -> None:
    """Presence, an ill sensor, a person, an exemption: the write under way is asked back at once."""
    line = room_with(RADAR, DOOR)
    release = releasing(line)
    line.tell(event)  # type: ignore[arg-type] # one of AnyEvent by construction
    withdrawn = line.first("withdrawn", "b")
    assert withdrawn.at == line.now
    assert release.write is not None
    assert withdrawn.withdraws == release.write.id


def test_a_withdrawn_release_is_not_released_when_the_people_stay() -> None:
    """Presence came first: superseded, seen, and then checked in."""
    line = room_with(RADAR)
    releasing(line)
    line.show("radar")
    settle(line, "superseded", "withdrawn")
    line.until("10:00")
    assert line.kinds("b")[-5:] == ["withdrawn", "not_released", "withheld", "checked_in", "concluded"]
    assert line.outcome() == "attended"


def test_a_persons_word_during_the_release_is_kept_when_it_did_not_come_to_pass() -> None:
    """Checked in by hand while the write was under way; it was superseded; the word stands."""
    line = room_with(RADAR)
    releasing(line)
    line.tell(CheckedIn("orion"))
    settle(line, "superseded", "withdrawn")
    told = explain(line.first("not_released"), clock)
    assert told.endswith(": it was withdrawn before it was written; a person said so (command).")
    line.until("10:00")
    assert line.count("release") == 1
    assert line.outcome() == "attended"


@pytest.mark.parametrize("result", ["superseded", "expired"])
def test_a_release_that_did_not_come_to_pass_is_tried_again_with_a_new_warning(result: str) -> None:
    """Two minutes' pause, a new warning, a new write with a new id."""
    line = room_with(RADAR)
    releasing(line)
    settle(line, result, "503")
    line.until("10:00")
    assert line.times("not_released") == ["09:10:20"]
    assert line.why("not_released") == [f"write_{result}"]
    first, second = [d for d in line.decisions if d.kind == "release"]
    assert clock(second.at) == "09:15:20"
    assert first.write is not None
    assert second.write is not None
    assert first.write.id != second.write.id
    assert line.times("warned") == ["09:07", "09:12:20"]


def test_outcomes_of_other_writes_settle_nothing() -> None:
    """Only the write under way speaks for the release."""
    line = room_with(RADAR)
    release = releasing(line)
    assert release.write is not None
    line.tell(WriteOutcome("orion", release.write.id + 7, "applied"))
    assert not line.has("released")


# -- never twice -----------------------------------------------------------------------------------------


def test_the_same_entry_shortly_after_its_release_is_a_stale_read() -> None:
    """Exchange may show the declined occurrence for a moment: same id, within two minutes."""
    line = room_with(RADAR)
    line.until("09:11")
    line.book(booking("09:00", "10:00", "b"))
    line.until("09:12")
    line.book(removed=("b",))
    line.until("10:00")
    assert not line.has("restored")
    assert line.outcome() == "no_show_released"


@pytest.mark.parametrize(
    ("moment", "event_id"), [("09:11", "id-new"), ("09:13", "id-b")], ids=["new-id", "later"]
)
def test_a_booking_that_comes_back_is_restored_checked_in_and_never_released_again(
    moment: str, event_id: str
) -> None:
    """Under a new id at once, under the old one after two minutes: it is wanted."""
    line = room_with(RADAR)
    line.until(moment)
    back = msgspec.structs.replace(booking("09:00", "10:00", "b"), event_id=event_id)
    line.book(back)
    line.until("10:00")
    assert line.times("restored") == [moment]
    write = line.first("restored").write
    assert write is not None
    assert (write.action, write.event_id) == ("check_in", event_id)
    assert line.count("release") == 1
    assert line.outcome() == "attended"
    assert not line.has("warning_cancelled")  # what was warned of had come true


def test_a_booking_moved_to_the_afternoon_after_its_release_is_not_released_there() -> None:
    """Never twice holds for the occurrence, wherever it goes."""
    line = room_with(RADAR)
    line.until("10:30")
    line.book(booking("14:00", "15:00", "b"))
    line.until("15:00")
    assert line.count("release") == 1


@pytest.mark.parametrize("how", ["ended by a person", "past its end"])
def test_a_release_confirmed_after_the_booking_is_over_is_remembered_too(how: str) -> None:
    """The write was unclear until the booking had left the room's memory; it must not be released twice."""
    line = room_with(RADAR)
    releasing(line)
    if how == "ended by a person":
        line.tell(Ended("orion", "b"))
    line.until("10:05")
    settle(line, "applied")
    line.until("10:30")
    line.book(booking("14:00", "15:00", "b"))
    line.until("15:00")
    assert line.count("release") == 1


# -- memory: a booking that leaves the calendar's view and comes back ------------------------------------


def _blip(line: Timeline) -> None:
    """The organizer updates it: the room's answer is open for a minute, then it accepts again."""
    line.book(booking("09:00", "10:00", "b", response="tentative"))
    line.until("09:06")
    line.book(booking("09:00", "10:00", "b"))


def _vanish(line: Timeline) -> None:
    """One read does not show it, the next does."""
    line.book(removed=("b",))
    line.until("09:06")
    line.book(booking("09:00", "10:00", "b"))


def _move_out_and_in(line: Timeline) -> None:
    """Moved out of the window that is read, and back to another time."""
    line.book(removed=("b",))
    line.until("09:06")
    line.book(booking("09:10", "10:10", "b"))


@pytest.mark.parametrize("change", [_blip, _vanish, _move_out_and_in])
def test_a_persons_check_in_outlives_the_bookings_absence(change: object) -> None:
    """A person's check-in is never lost (W3), whatever the calendar shows in between."""
    assert callable(change)
    line = room_with(RADAR)
    line.until("09:01")
    line.tell(CheckedIn("orion", "b"))
    line.until("09:05")
    change(line)
    line.until("10:15")
    assert not line.has("release", "b")
    assert line.decisions[-1].kind == "concluded" or line.has("concluded", "b")
    last = [d.tally.outcome for d in line.decisions if d.tally is not None][-1]
    assert last == "attended"


@pytest.mark.parametrize("change", [_blip, _vanish, _move_out_and_in])
def test_a_persons_keep_outlives_the_bookings_absence(change: object) -> None:
    """No automatic rule touches it any more, also after an update by its organizer."""
    assert callable(change)
    line = room_with(RADAR)
    line.until("09:01")
    line.tell(Kept("orion", "b"))
    line.until("09:05")
    change(line)
    line.until("10:15")
    assert not line.has("release", "b")


@pytest.mark.parametrize("change", [_blip, _vanish])
def test_a_sensors_check_in_outlives_an_update_at_the_same_time(change: object) -> None:
    """It ends only when the booking is moved, and it was not."""
    assert callable(change)
    line = room_with(RADAR, end="10:00")
    visit(line, "radar", "09:01", "09:02")
    line.until("09:05")
    change(line)
    line.until("10:15")
    assert not line.has("release", "b")


def test_a_booking_extended_just_after_its_end_keeps_its_check_in() -> None:
    """Extended at the last moment; the read that shows it comes half a minute after the old end."""
    line = room_with(RADAR, end="09:30")
    line.until("09:01")
    line.tell(CheckedIn("orion", "b", by="panel"))
    line.until("09:30:30")
    line.book(booking("09:00", "11:00", "b"))
    line.until("11:00")
    assert not line.has("release", "b")
    assert not line.has("withheld", "b")


@pytest.mark.parametrize("mode", ["live", "shadow"])
def test_a_booking_that_a_person_ended_does_not_come_alive_again(mode: str) -> None:
    """Our own category mark shows up in the calendar after End: that is no new booking."""
    line = room_with(RADAR, mode=mode)
    line.until("09:01")
    line.tell(CheckedIn("orion", "b"))
    line.until("09:20")
    line.tell(Ended("orion", "b"))
    line.until("09:21")
    line.book(booking("09:00", "10:00", "b", change_key="marked"))
    line.until("10:15")
    assert line.kinds("b") == ["opened", "checked_in", "ended", "concluded"]


def test_an_undecided_moment_during_the_release_does_not_forget_the_booking() -> None:
    """Tentative, then accepted again while the write is under way; superseded: the booking lives on."""
    line = room_with(RADAR)
    releasing(line)
    line.book(booking("09:00", "10:00", "b", response="tentative"))
    line.until("09:11")
    line.book(booking("09:00", "10:00", "b"))
    settle(line, "superseded", "changed")
    visit(line, "radar", "09:12", "09:20")
    assert line.has("checked_in", "b")


def test_a_stale_looking_restoration_is_settled_when_it_lasts() -> None:
    """Shown again under its old id a minute after the release, and never gone since: it is back.

    The calendar says so only once, as a difference; two minutes later it is no stale read any more.
    """
    line = room_with(RADAR)
    line.until("09:11")
    line.book(booking("09:00", "10:00", "b"))
    line.until("09:20")
    assert line.has("restored", "b")


# -- moved, cancelled, exempt ----------------------------------------------------------------------------


def test_a_move_drops_a_sensors_check_in() -> None:
    """The people seen at nine were there for nine; at eleven it starts anew."""
    line = room_with(RADAR)
    visit(line, "radar", "09:01", "09:05")
    line.book(booking("11:00", "12:00", "b"))
    line.until("12:00")
    assert line.why("check_in_dropped") == ["moved"]
    assert line.times("release", "b") == ["11:10"]


def test_a_move_keeps_a_persons_check_in() -> None:
    """A person's word is for the meeting, not for the hour."""
    line = room_with(RADAR)
    line.until("09:05")
    line.tell(CheckedIn("orion"))
    line.book(booking("11:00", "12:00", "b"))
    line.until("12:00")
    assert not line.has("release")
    assert line.outcome() == "attended"


def test_due_counts_from_the_last_move() -> None:
    """Moved at 09:08 from 09:30 to 09:00: ten minutes from the move."""
    line = room_with(RADAR, start="09:30")
    line.until("09:08")
    line.book(booking("09:00", "10:00", "b"))
    line.until("10:00")
    assert line.times("release") == ["09:18"]


def test_due_counts_from_when_we_first_saw_it() -> None:
    """Booked at 09:20 for 09:00: ten minutes from then."""
    line = Timeline(RADAR)
    line.until("09:20")
    line.book(booking("09:00", "10:00", "b"))
    line.until("10:00")
    assert line.times("release") == ["09:30"]


def test_another_end_is_no_move() -> None:
    """Shortened or extended, it is the same meeting at the same time: check-in and due stay."""
    line = room_with(RADAR)
    line.until("09:05")
    line.book(booking("09:00", "09:45", "b"))
    line.until("10:00")
    assert line.times("release") == ["09:10"]


@pytest.mark.parametrize(
    "gone",
    [
        {"cancelled": True},
        {"response": "declined"},
        {"response": "tentative"},
        {"show_as": "free"},
    ],
)
def test_what_is_cancelled_free_or_not_accepted_is_not_decided_on(gone: dict[str, object]) -> None:
    """From one read to the next it stops being ours."""
    line = room_with(RADAR)
    line.until("09:05")
    line.book(booking("09:00", "10:00", "b", **gone))
    line.until("10:00")
    assert line.kinds("b") == ["opened", "concluded"]
    assert line.outcome() == "cancelled"


def test_a_removed_booking_is_cancelled_and_a_foreign_one_ignored() -> None:
    """Only what was known can go."""
    line = room_with(RADAR)
    line.until("09:05")
    line.book(removed=("b", "who-is-this"))
    assert line.outcome("b") == "cancelled"


EXEMPT: dict[str, tuple[Booking, dict[str, object]]] = {
    "all_day": (booking("00:00", "23:59", "b", all_day=True), {}),
    "length": (booking("09:00", "12:01", "b"), {}),
    "organizer": (booking("09:00", "10:00", "b", marks=("organizer",)), {}),
    "category": (booking("09:00", "10:00", "b", marks=("category",)), {}),
    "room": (booking("09:00", "10:00", "b"), {"exempt": True}),
    "own_booking": (
        booking("09:00", "10:00", "b", room_organises=True),
        {"policy": Policy(release_own_bookings=False)},
    ),
}


@pytest.mark.parametrize("kind", EXEMPT)
def test_the_exempt_are_left_alone(kind: str) -> None:
    """Not warned, not withheld, not released; counted as exempt."""
    what, settings = EXEMPT[kind]
    line = Timeline(RADAR, **settings)  # type: ignore[arg-type] # keyword pass-through
    line.book(what)
    line.advance(what.end)
    assert line.kinds("b") == ["opened", "concluded"]
    assert tally(line).outcome == "exempt"
    assert tally(line).cause == f"exempt_{kind}"


def test_an_exemption_that_comes_late_still_holds() -> None:
    """Marked Keep by category at 09:08, two minutes before it would have gone."""
    line = room_with(RADAR)
    line.until("09:08")
    line.book(booking("09:00", "10:00", "b", marks=("category",)))
    line.until("10:00")
    assert not line.has("release")


def test_too_short_is_left_alone_and_says_so() -> None:
    """Grace and the least that must be left do not fit into 19 minutes; 20 are enough."""
    line = room_with(RADAR, end="09:19")
    line.until("09:19")
    assert tally(line).outcome == tally(line).cause == "too_short"
    line = room_with(RADAR, end="09:20")
    line.until("09:20")
    assert line.times("release") == ["09:10"]


# -- pinned at open --------------------------------------------------------------------------------------


def test_the_policy_is_pinned_when_the_booking_opens() -> None:
    """A shorter grace at 08:55 is for the next booking."""
    line = room_with(RADAR)
    line.until("08:55")
    line.reconfigure(policy=Policy(grace_ms=2 * MINUTE_MS))
    line.until("10:00")
    assert line.times("release") == ["09:10"]


def test_a_change_before_it_opens_counts() -> None:
    """Not pinned yet at 08:45."""
    line = room_with(RADAR)
    line.until("08:45")
    line.reconfigure(policy=Policy(grace_ms=20 * MINUTE_MS))
    line.until("10:00")
    assert line.times("release") == ["09:20"]


def test_a_later_change_may_only_lengthen_what_is_left() -> None:
    """A longer grace at 08:55 and again at 09:05 holds at once; going back does not."""
    line = room_with(RADAR)
    line.until("08:55")
    line.reconfigure(policy=Policy(grace_ms=15 * MINUTE_MS))
    line.until("09:05")
    line.reconfigure(policy=Policy(grace_ms=20 * MINUTE_MS))
    line.reconfigure(policy=Policy(grace_ms=5 * MINUTE_MS))
    line.until("10:00")
    assert line.times("release") == ["09:20"]


def test_a_longer_grace_withdraws_a_release_under_way() -> None:
    """It is not due any more."""
    line = room_with(RADAR)
    releasing(line)
    line.reconfigure(policy=Policy(grace_ms=20 * MINUTE_MS))
    assert line.has("withdrawn", "b")


def test_live_is_pinned_when_the_booking_opens() -> None:
    """The room goes live at 08:55: from the next booking on."""
    line = Timeline(RADAR, mode="shadow")
    line.book(booking("09:00", "10:00", "b"), booking("11:00", "12:00", "c"))
    line.until("08:55")
    line.tell(ModeSet("orion", "live"))
    line.until("12:00")
    assert not line.has("release", "b")
    assert line.has("would_release", "b")
    assert line.has("released", "c")


def test_back_to_shadow_holds_at_once() -> None:
    """Whoever stops the gateway means now."""
    line = room_with(RADAR)
    line.until("09:05")
    line.tell(ModeSet("orion", "shadow"))
    line.until("10:00")
    assert line.times("would_release", "b") == ["09:10"]
    assert not line.has("release")


def test_a_configured_mode_does_not_undo_a_persons() -> None:
    """Set live by hand; a new configuration that changes something else leaves that alone."""
    line = Timeline(RADAR, mode="shadow")
    line.tell(ModeSet("orion", "live"))
    line.reconfigure(name="Orion")
    line.book(booking("09:00", "10:00", "b"))
    line.until("10:00")
    assert line.has("release")


def test_shadow_decides_would_and_writes_nothing() -> None:
    """The whole life, checked in or not, without one write."""
    line = Timeline(RADAR, mode="shadow")
    line.book(booking("09:00", "10:00", "b"), booking("10:30", "11:30", "c"), booking("12:00", "13:00", "d"))
    line.until("10:35")
    line.show("radar")
    line.until("10:50")
    line.clear("radar")
    line.until("12:05")
    line.tell(CheckedIn("orion"))
    line.until("12:30")
    line.tell(Ended("orion"))
    line.until("13:00")
    assert line.times("would_release") == ["09:10"]
    assert line.times("checked_in") == ["10:35:30", "12:05"]
    assert [d for d in line.decisions if d.write is not None] == []
    assert tally(line).would_return_ms == 50 * MINUTE_MS
    assert (tally(line).outcome, tally(line).cause) == ("no_show_kept", "shadow")


# -- people ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["07:30", "08:55", "09:05"])
def test_kept_means_no_automatic_rule_touches_it(moment: str) -> None:
    """Hours before, in its early window or at the last moment."""
    line = Timeline(RADAR, start="07:00")
    line.book(booking("09:00", "10:00", "b"))
    line.until(moment)
    line.tell(Kept("orion"))
    line.until("10:00")
    assert not line.has("release")
    assert tally(line).outcome == "exempt"


def test_ended_by_a_person_shortens_it_in_exchange() -> None:
    """Done at 09:20: the room's copy ends there."""
    line = room_with(RADAR)
    visit(line, "radar", "09:00", "09:20")
    line.tell(Ended("orion"))
    write = line.first("ended").write
    assert write is not None
    assert (write.action, write.method, write.new_end) == ("shorten", "patch_end", at("09:20"))
    assert tally(line).outcome == "ended_early"
    assert tally(line).returned_ms == 40 * MINUTE_MS


@pytest.mark.parametrize("mode", ["live", "shadow"])
@pytest.mark.parametrize("key", ["", "b"])
@pytest.mark.parametrize("moment", ["08:55", "09:00"])
def test_a_booking_that_has_not_begun_cannot_be_ended(moment: str, key: str, mode: str) -> None:
    """In its early window, or at its very start: nothing counts as returned, and it goes on as before."""
    line = room_with(RADAR, mode=mode)
    line.until(moment)
    line.tell(Ended("orion", key))
    assert line.first("refused").reasons == (Reason("not_begun", at=at("09:00")),)
    line.until("10:00")
    assert not line.has("ended")
    assert line.outcome() == ("no_show_released" if mode == "live" else "no_show_kept")


def test_who_ends_hours_before_the_next_booking_is_told_that_there_is_none() -> None:
    """Only a key can mean a booking of the afternoon; it is refused all the same."""
    line = Timeline(RADAR)
    line.book(booking("14:00", "15:00", "b"))
    line.tell(Ended("orion"), Ended("orion", "b"))
    assert line.why("refused") == ["no_such_booking", "not_begun"]


def test_a_person_who_means_nothing_is_refused() -> None:
    """No booking now, an unknown one, one that was released: refused, with a reason."""
    line = room_with(RADAR)
    line.tell(CheckedIn("orion"), Ended("orion"), Kept("orion", "nothing"))
    line.until("09:20")
    line.tell(CheckedIn("orion", "b"))
    assert line.why("refused") == ["no_such_booking"] * 4


# -- overlapping and own bookings ------------------------------------------------------------------------


@pytest.mark.parametrize("over", [False, True])
def test_a_booking_that_overlaps_an_attended_one_is_not_released(*, over: bool) -> None:
    """Their people must not lose the room by the other, also when theirs is over already."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "09:35" if over else "10:30", "a"), booking("09:30", "11:00", "b"))
    visit(line, "radar", "09:05", "09:15")
    line.until("10:25")
    assert line.why("withheld", "b") == ["overlaps_attended"]
    told = explain(line.first("withheld", "b"), clock)
    assert told.endswith(f"an attended booking overlaps it, from 09:00 to {'09:35' if over else '10:30'}.")
    assert not line.has("release")


def test_two_overlapping_ghosts_are_both_released() -> None:
    """Nobody came to either."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "a"), booking("09:30", "10:30", "b"))
    line.until("10:30")
    assert line.has("released", "a")
    assert line.has("released", "b")


def test_overlapping_bookings_each_wait_for_their_own_proof() -> None:
    """The first is withheld for ever; the second's proof is still noticed the moment it comes.

    Reports at :05, :15 and so on. C's people left before 09:25; A overlaps C and stays withheld; B is
    due at 10:10, and the report of 10:15 proves it. No calendar read happens to come with it.
    """
    line = Timeline(msgspec.structs.replace(COUNTER, latency_ms=0))
    line.silence()
    line.book(booking("09:00", "10:00", "c"), booking("09:30", "11:30", "a"), booking("10:00", "11:00", "b"))
    for minute in range(5, 135, 10):
        moment = f"{8 + minute // 60:02d}:{minute % 60:02d}"
        line.until(moment)
        line.tell(Reading("counter", "count", 2 if "09:00" < moment < "09:20" else 0))
    line.until("10:14")
    line.polls = False
    line.until("10:15")
    line.clear("counter")
    assert line.times("release", "b") == ["10:15"]


@pytest.mark.parametrize(("attendees", "method"), [(True, "cancel"), (False, "delete")])
def test_the_rooms_own_bookings_are_cancelled_or_deleted(*, attendees: bool, method: str) -> None:
    """An organizer cannot decline; where nobody is invited there is nobody to tell."""
    line = Timeline(RADAR)
    own = booking("09:00", "10:00", "b", room_organises=True, response="organizer", has_attendees=attendees)
    line.book(own)
    line.until("10:00")
    write = line.first("release").write
    assert write is not None
    assert write.method == method
    assert write.room_organises


def test_one_occurrence_is_written_and_never_its_series() -> None:
    """The write names the occurrence; the series master is only remembered beside it."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b", series_id="master", original_start=at("09:00")))
    line.until("10:00")
    write = line.first("release").write
    assert write is not None
    assert (write.event_id, write.series_id, write.original_start) == ("id-b", "master", at("09:00"))


# -- the calendar cannot be read -------------------------------------------------------------------------


def test_an_unreadable_calendar_is_never_no_bookings() -> None:
    """Nothing is forgotten, and nothing is released once it is stale."""
    line = room_with(RADAR)
    line.until("08:58")
    line.tell(CalendarUnreadable("orion", "403 Forbidden"))
    line.polls = False
    line.until("09:30")
    withheld = line.first("withheld", "b").reasons[0]
    assert (withheld.code, withheld.text) == ("calendar_stale", "403 Forbidden")
    assert "b" in line.site.rooms["orion"].state.lives


def test_the_release_needs_a_calendar_read_within_5_min() -> None:
    """Read at 09:05, it may go at 09:10; read at 09:04 it may not."""
    for last, released in (("09:05", True), ("09:04", False)):
        line = room_with(RADAR)
        line.until(last)
        line.polls = False
        line.until("09:20")
        assert line.has("release") is released


def test_a_page_without_changes_changes_nothing() -> None:
    """Read and unchanged: no life begins or ends by it."""
    line = room_with(RADAR)
    line.until("08:55")
    before = line.kinds()
    line.read_calendar()
    assert line.kinds() == before


# -- hearing, bridges, batteries, stuck and flapping sensors ----------------------------------------------


def test_the_covered_restart_delivers_late_what_was_queued() -> None:
    """A pulse queued while we were away is seen, cannot check in, and counts from its arrival."""
    line = room_with(PIR)
    line.until("09:04")
    line.restart(until="09:04:40")
    line.tell(Reading("pir", "motion", 1), Reading("pir", "motion", 0))
    line.advance(line.now + 2 * SECOND_MS)
    line.tell(Reading("pir", "motion", 1), Reading("pir", "motion", 0))
    line.until("10:00")
    assert line.times("seen", "b") == ["09:04:40"]
    assert not line.has("checked_in", "b")
    assert line.times("release", "b") == ["09:40"]


def test_a_queued_message_proves_life_only_up_to_when_we_went_down() -> None:
    """It may be as old as that."""
    line = room_with(RADAR)
    line.until("09:04")
    line.restart(until="09:04:40")
    line.tell(Reading("radar", "alive", 1))
    assert line.site.rooms["orion"].state.sensors["radar"].last_proof == at("09:04")


def test_a_sensor_below_qos_1_has_a_gap_in_every_restart() -> None:
    """The broker queues nothing for it."""
    radar = msgspec.structs.replace(RADAR, at_qos1=False)
    line = room_with(radar)
    line.until("08:58")
    line.restart(until="08:58:30")
    line.until("09:30")
    assert line.why("withheld", "b") == ["state_unheard"]


def test_a_bridge_takes_its_sensors_with_it_and_no_others() -> None:
    """The radar talks to the broker itself."""
    radar = msgspec.structs.replace(RADAR, bridge="")
    zigbee = msgspec.structs.replace(ZIGBEE_PIR, heartbeat_ms=MINUTE_MS)
    line = Timeline(radar, zigbee)
    line.tell(BridgeState("zigbee2mqtt", online=False))
    assert not line.site.rooms["orion"].sensors["zigbee"].is_healthy(line.now)
    assert line.site.rooms["orion"].sensors["radar"].is_healthy(line.now)


def test_a_flapping_sensor_is_ill_until_it_calms_down() -> None:
    """More than sixty rises in ten minutes; its presence still protects."""
    line = room_with(RADAR)
    line.until("08:51")
    for _ in range(61):
        line.tell(Reading("radar", "presence", 1), Reading("radar", "presence", 0))
        line.advance(line.now + 4 * SECOND_MS)
    assert line.site.rooms["orion"].state.occupancy.why[0].code == "flapping"
    line.until("09:04")
    line.show("radar")
    line.clear("radar")
    line.until("10:00")
    released = line.times("release", "b")
    assert released
    assert at(released[0]) >= at("09:15")


def test_an_hourly_zigbee_pir_alone_releases_late_or_never() -> None:
    """It speaks at the full hour: a ghost from 09:30 to 11:00 goes at 10:00, one until 10:00 never."""
    late = room_with(ZIGBEE_PIR, start="09:30", end="11:00")
    late.until("11:00")
    assert late.times("release") == ["10:00"]
    never = room_with(ZIGBEE_PIR, start="09:30", end="10:00")
    never.until("10:00")
    assert not never.has("release")


def test_a_frequent_sensor_must_prove_and_an_hourly_one_need_not() -> None:
    """The radar's word is enough beside the hourly PIR; its silence is not replaced by the PIR's."""
    line = room_with(RADAR, ZIGBEE_PIR, start="09:05")
    line.until("10:00")
    assert line.times("release") == ["09:15"]
    line = room_with(RADAR, ZIGBEE_PIR, start="09:05")
    line.until("09:00")
    line.silence("radar")
    line.until("10:00")
    assert not line.has("release")


def test_every_frequent_sensor_must_prove() -> None:
    """Two sensors within the grace: the one that reports each ten minutes is waited for."""
    line = Timeline(RADAR, COUNTER)
    line.book(booking("09:03", "10:00", "b"))
    line.until("10:00")
    assert line.times("release") == ["09:20"]
    assert proving((RADAR, COUNTER, ZIGBEE_PIR, DOOR, SEAT), 10 * MINUTE_MS) == (RADAR, COUNTER)
    assert must_prove((ZIGBEE_PIR, DOOR), 10 * MINUTE_MS) == ()
    assert proving((ZIGBEE_PIR, DOOR, MUTE_PIR), 10 * MINUTE_MS) == (ZIGBEE_PIR,)


def test_a_sensor_without_heartbeat_shows_presence_and_proves_nothing() -> None:
    """Its presence and hold count; its silence does not, not even when it is reported offline."""
    line = room_with(RADAR, MUTE_PIR)
    line.tell(Availability("mute", online=False))
    line.until("10:00")
    assert line.times("release") == ["09:10"]
    line = room_with(MUTE_PIR)
    line.until("10:00")
    assert line.why("withheld", "b") == ["no_prover"]
    line = room_with(RADAR, MUTE_PIR)
    visit(line, "mute", "09:04:50", "09:05")
    line.until("10:00")
    assert line.first("release", "b").reasons[0].code == "brief_visit"


def test_the_hold_of_a_pir_is_short_only_beside_a_healthy_radar() -> None:
    """Two minutes with it; with an ill radar nothing is proven at all; ten alone."""
    beside = room_with(RADAR, PIR)
    visit(beside, "pir", "08:45", "08:59")
    beside.until("09:02")
    assert beside.site.rooms["orion"].state.occupancy.since == at("09:01")
    alone = room_with(PIR)
    visit(alone, "pir", "08:45", "08:59")
    alone.until("09:10")
    assert alone.site.rooms["orion"].state.occupancy.since == at("09:09")


def test_the_effective_grace_is_the_longest_of_its_parts() -> None:
    """Policy, every room sensor's latency, and ten minutes for a lone sensor that loses unnoticed."""
    short = Policy(grace_ms=5 * MINUTE_MS)
    slow = msgspec.structs.replace(COUNTER, latency_ms=12 * MINUTE_MS)
    assert effective_grace(short, (RADAR,)) == 5 * MINUTE_MS
    assert effective_grace(short, (PIR,)) == 10 * MINUTE_MS
    assert effective_grace(short, (PIR, PIR_2)) == 5 * MINUTE_MS
    assert effective_grace(short, (RADAR, slow)) == 12 * MINUTE_MS
    assert effective_grace(Policy(grace_ms=15 * MINUTE_MS), (RADAR, slow)) == 15 * MINUTE_MS


def test_the_latency_of_a_room_sensor_without_heartbeat_counts_too() -> None:
    """It may report people twelve minutes late, whether or not its silence proves anything."""
    slow = msgspec.structs.replace(MUTE_PIR, latency_ms=12 * MINUTE_MS)
    assert effective_grace(Policy(), (RADAR, slow)) == 12 * MINUTE_MS


# -- order and kinds of readings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sensor", "shows", "other"),
    [
        (RADAR, Reading("radar", "presence", 1), Reading("radar", "motion", 0)),
        (COUNTER, Reading("counter", "count", 3), Reading("counter", "entries", 0)),
        (COUNTER, Reading("counter", "count", 3), Reading("counter", "presence", 0)),
    ],
    ids=["presence-motion", "count-entries", "count-presence"],
)
def test_one_kind_of_reading_does_not_take_back_another(
    sensor: SensorProfile, shows: Reading, other: Reading
) -> None:
    """Nobody moved, or nobody entered just now: those who sit there are still there."""
    line = Timeline(sensor)
    line.until("09:00")
    line.tell(shows)
    line.tell(other)
    assert line.site.rooms["orion"].state.sensors[sensor.id].showing


def test_an_older_clear_that_arrives_late_does_not_take_back_newer_presence() -> None:
    """Made at 08:57, delivered after the presence of 08:58: the devices' own times put them in order."""
    line = room_with(RADAR)
    line.until("08:58")
    line.tell(Reading("radar", "presence", 1, made_at=at("08:58")))
    line.until("08:58:10")
    line.tell(Reading("radar", "presence", 0, made_at=at("08:57")))
    line.until("10:00")
    assert line.outcome("b") == "attended"


@pytest.mark.parametrize("wrong", ["23:00", "03:00"], ids=["ahead", "behind"])
def test_one_wrong_device_time_does_not_hide_the_people_who_come_later(wrong: str) -> None:
    """The device's clock was wrong once, before it was set; afterwards its presence is taken as ever."""
    line = room_with(RADAR)
    line.until("08:30")
    line.tell(Reading("radar", "presence", 0, made_at=at(wrong)))
    line.until("09:01")
    line.tell(Reading("radar", "presence", 1, made_at=at("09:01")))
    line.until("10:00")
    assert not line.has("release", "b")
    assert line.outcome("b") == "attended"


def test_a_device_clock_that_was_set_back_does_not_hide_people_either() -> None:
    """From 09:01 on its times lie an hour before those it gave until then; presence still protects."""
    line = room_with(RADAR)
    line.until("08:59")
    line.tell(Reading("radar", "presence", 0, made_at=at("08:59")))
    line.until("09:01")
    line.tell(Reading("radar", "presence", 1, made_at=at("08:01")))
    line.until("10:00")
    assert not line.has("release", "b")


def test_a_booking_that_comes_back_unattended_has_its_whole_grace_again() -> None:
    """Taken out at 09:02 and put back at 09:30: whoever did that may be on the way."""
    line = room_with(RADAR, end="11:00")
    line.until("09:02")
    line.book(removed=("b",))
    line.until("09:30")
    line.book(booking("09:00", "11:00", "b"))
    line.until("11:00")
    assert line.times("release", "b") == ["09:40"]


def test_facts_of_one_instant_are_concluded_together() -> None:
    """A person checks in at the very moment the release is due, whichever fact is told first."""
    for first in (True, False):
        line = room_with(RADAR)
        line.until("09:09:59")
        line.now = at("09:10")
        events: list[AnyEvent] = [CheckedIn("orion"), Reading("radar", "alive", 1)]
        for event in events if first else reversed(events):
            line._give(event)
        line.until("10:00")
        assert not line.has("release")


# -- what cannot be taken ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        Reading("nobody", "presence", 1),
        Availability("nobody", online=True),
        BridgeState("nowhere", online=False),
        CheckedIn("nirgends"),
        CalendarRead("nirgends", 0, 1),
        CalendarUnreadable("nirgends", "404"),
        WriteOutcome("nirgends", 1, "applied"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_unknown_names_are_refused_and_change_nothing(event: object) -> None:
    """The caller is told, and what is remembered stays as it was."""
    line = room_with(RADAR)
    line.until("09:05")
    before = line.site.snapshot()
    with pytest.raises(UnknownName):
        line.site.handle(event, line.now + 1)  # type: ignore[arg-type] # one of AnyEvent by construction
    assert line.site.snapshot() == before
    assert issubclass(UnknownName, CoreError)


def test_time_does_not_run_backwards_unannounced() -> None:
    """Only a clock step may bring an earlier time, and it starts the vacancy clock anew."""
    line = room_with(RADAR)
    line.until("09:05")
    before = line.site.snapshot()
    with pytest.raises(TimeRanBackwards):
        line.site.handle(Tick(), line.now - 1)
    assert line.site.snapshot() == before
    line.set_clock("08:30")
    assert line.has("occupancy")
    line.clear("radar")
    line.until("10:00")
    assert line.times("release") == ["09:10"]


def test_a_step_of_the_clock_is_no_release() -> None:
    """Set forward from 08:58 to 09:30: due on paper, and nothing of it was heard."""
    line = room_with(RADAR)
    line.until("08:58")
    line.set_clock("09:30")
    line.clear("radar")
    line.read_calendar()
    line.until("10:00")
    assert line.times("release") == ["09:41"]


def test_a_clock_set_back_leaves_no_proof_from_the_future() -> None:
    """Set back from 09:05 to 08:30; the radar says once that nobody is there, and then nothing more."""
    line = Timeline(RADAR)
    line.until("09:04")
    line.book(booking("08:20", "09:30", "b"))
    line.until("09:05")
    line.set_clock("08:30")
    line.clear("radar")
    line.silence()
    line.until("09:20")
    assert line.why("withheld", "b") == ["overdue"]
    assert not line.has("release")


def test_a_sensor_that_is_removed_with_its_sign_unread_harms_nothing() -> None:
    """A reading and a new configuration without that sensor come before the tick that would read it."""
    line = room_with(RADAR, PIR)
    line.until("09:05")
    line._give(Reading("pir", "motion", 1))
    line.silence("pir")
    line.reconfigure(sensors=(RADAR,))
    line.clear("radar")
    line.until("10:00")
    assert line.has("concluded", "b")


def test_the_same_configuration_again_is_no_change_of_sensors() -> None:
    """A room whose own settings are untouched has no gap, whether or not the object is the same."""
    line = room_with(RADAR)
    line.until("08:55")
    before = line.site.rooms["orion"].state.sensors["radar"].as_if_sign
    line.tell(Configured(line.site.state.config))
    assert line.site.rooms["orion"].state.sensors["radar"].as_if_sign == before
    line.tell(Configured(msgspec.json.decode(msgspec.json.encode(line.site.state.config), type=SiteConfig)))
    assert line.site.rooms["orion"].state.sensors["radar"].as_if_sign == before


def test_a_room_added_while_running_hears_what_the_others_hear() -> None:
    """It starts deaf only if the site is deaf."""
    line = room_with(RADAR)
    pir = msgspec.structs.replace(PIR, id="new-pir")
    rooms = (*line.site.state.config.rooms, RoomConfig("lyra", sensors=(pir,)))
    line.tell(Configured(SiteConfig(rooms)))
    assert line.site.rooms["lyra"].deaf is None


def test_rooms_added_to_an_empty_site_hear_too() -> None:
    """Connected first, rooms imported later: the link is up for them as well."""
    site = Site()
    site.handle(Configured(SiteConfig()), at("08:00"))
    site.handle(LinkUp(session_present=False), at("08:00"))
    site.handle(Configured(SiteConfig((RoomConfig("orion", sensors=(RADAR,)),))), at("08:05"))
    assert site.rooms["orion"].deaf is None


def test_a_new_sensor_behind_an_offline_bridge_is_ill_from_the_start() -> None:
    """The bridge's state is the site's knowledge, not only of the rooms that had sensors behind it then."""
    zigbee = msgspec.structs.replace(ZIGBEE_PIR, heartbeat_ms=MINUTE_MS)
    line = Timeline(zigbee)
    line.tell(BridgeState("zigbee2mqtt", online=False))
    late = msgspec.structs.replace(zigbee, id="late")
    rooms = (*line.site.state.config.rooms, RoomConfig("lyra", sensors=(late,)))
    line.tell(Configured(SiteConfig(rooms)))
    line.tell(Reading("late", "motion", 0))
    assert not line.site.rooms["lyra"].sensors["late"].is_healthy(line.now)


def test_a_tick_without_news_concludes_nothing() -> None:
    """As many ticks as anybody likes."""
    line = room_with(RADAR)
    line.until("09:05")
    assert [line.site.handle(Tick(), line.now) for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("key", ["overlapping", "next"])
def test_a_meeting_cancelled_while_its_people_sit_there_is_still_an_attended_one(key: str) -> None:
    """Cancelled at 09:57 with people in the room: it overlaps and hands over like one that ended then."""
    line = Timeline(RADAR)
    line.book(
        booking("09:00", "10:00", "a"),
        booking("09:30", "10:30", "overlapping")
        if key == "overlapping"
        else booking("10:00", "11:00", "next"),
    )
    visit(line, "radar", "09:05", "09:06" if key == "overlapping" else "09:57")
    if key == "overlapping":
        line.until("09:39")
        line.book(removed=("a",))
        line.until("10:25")
        assert line.why("withheld", key)[0] == "overlaps_attended"
        assert not line.has("release", key)
    else:
        line.book(removed=("a",))
        line.show("radar")
        line.until("10:01")
        line.clear("radar")
        line.until("10:04")
        assert not line.has("seen", key)


@pytest.mark.parametrize("step", ["09:10", "09:40"], ids=["back", "forward"])
def test_how_long_a_room_was_occupied_does_not_hang_on_ticks_when_the_clock_is_set(step: str) -> None:
    """Counted to the step by the old clock, from it by the new one; what was jumped over is not."""
    used = []
    for more_ticks in (False, True):
        line = room_with(RADAR)
        line.until("09:00")
        line.show("radar")
        line.until("09:20")
        if more_ticks:
            line.site.look_everywhere()
            line.site.handle(Tick(), line.now)
        line.set_clock(step)
        line.until("09:50")
        line.clear("radar")
        line.until("10:00:01")
        concluded = line.first("concluded", "b")
        assert concluded.tally is not None
        used.append(concluded.tally.used_ms)
    assert used[0] == used[1]
    assert abs(used[0] - 20 * MINUTE_MS - (at("09:50") - at(step))) <= 1


def test_a_bridge_that_went_offline_before_a_room_had_a_sensor_behind_it_counts_there_too() -> None:
    """And one that came back meanwhile does not count any more."""
    behind = msgspec.structs.replace(PIR, id="behind", bridge="br")
    line = Timeline(RADAR, behind)
    line.tell(BridgeState("br", online=False))
    line.reconfigure(sensors=(RADAR,))
    line.reconfigure(sensors=(RADAR, behind))
    assert line.site.rooms["orion"].state.offline_bridges == ["br"]
    fresh = Timeline(RADAR)
    fresh.site.state.offline_bridges = ["br"]  # told for another room
    fresh.reconfigure(sensors=(RADAR, behind))
    assert fresh.site.rooms["orion"].state.offline_bridges == ["br"]
