"""End early, walk-ups, We were here, shadow's record, series of ghosts, doubtful calendars: timelines."""

import msgspec
import pytest
from timeline import MIDNIGHT, PIR, PIR_2, RADAR, Timeline, at, booking

from gateway.core.case import case_of
from gateway.core.decisions import Reason, Write
from gateway.core.events import Configured, ModeSet, Reviewed, WereHere, WriteOutcome
from gateway.core.policy import Policy, SiteConfig
from gateway.core.rules import first_objection
from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS

EARLY = Policy(end_early=True)
WALK_UPS = Policy(walk_up=True)


def writes(line: Timeline, action: str) -> list[Write]:
    """The writes of one kind, in order."""
    return [d.write for d in line.decisions if d.write is not None and d.write.action == action]


# -- end early ----------------------------------------------------------------------------------------


def left_at(clock: str, *, policy: Policy = EARLY, mode: str = "live") -> Timeline:
    """A meeting from 09:00 to 11:00 whose people leave early."""
    line = Timeline(RADAR, PIR, mode=mode, policy=policy)
    line.book(booking("09:00", "11:00", "a"))
    line.until("09:00").show("radar")
    line.until(clock).clear("radar")
    return line


def test_everybody_left_and_the_rest_of_the_time_is_given_back() -> None:
    """Proven empty for 25 min by both kinds of sensor, after a warning: shortened, not declined."""
    line = left_at("09:40").until("10:30")
    (write,) = writes(line, "end_early")
    assert write.method == "patch_end"
    assert write.new_end is not None
    assert at("10:06") <= write.new_end <= at("10:07")
    assert line.times("warned") == ["10:03"]
    assert not line.has("concluded")
    line.tell(WriteOutcome("orion", write.id, "applied"))
    assert line.outcome() == "ended_early"


def test_an_early_end_needs_sensors_whose_own_history_supports_it() -> None:
    """Given the sensors that may; with one kind of them missing nothing is ended, and that is told."""
    for supported, ends in ((("radar", "pir"), True), (("radar",), False), ((), False), (None, True)):
        line = left_at("09:40")
        config = msgspec.structs.replace(line.site.rooms["orion"].state.config, early_end_by=supported)
        line.tell(Configured(SiteConfig((config,))))
        line.until("10:30")
        assert bool(writes(line, "end_early")) == ends, supported
        case = case_of(
            line.site.rooms["orion"], next(iter(line.site.rooms["orion"].state.lives.values())), line.now
        )
        assert ends or first_objection(case) == ("never", Reason("no_history"))


def test_an_early_end_under_way_is_withdrawn_when_history_stops_supporting_it() -> None:
    """What is lost counts at once; what is gained too, as with a sensor's health."""
    line = left_at("09:40").until("10:06:30")
    (write,) = writes(line, "end_early")
    config = msgspec.structs.replace(line.site.rooms["orion"].state.config, early_end_by=("radar",))
    line.tell(Configured(SiteConfig((config,))))
    assert line.decisions[-1].withdraws == write.id
    assert [reason.code for reason in line.decisions[-1].reasons] == ["no_history"]


def test_a_history_that_is_given_starts_no_vacancy_clock_anew() -> None:
    """It says something about sensors and nothing about the room: the proof goes on."""
    line = left_at("09:40").until("09:50")
    config = msgspec.structs.replace(line.site.rooms["orion"].state.config, early_end_by=("pir", "radar"))
    line.tell(Configured(SiteConfig((config,))))
    line.until("10:30")
    assert line.times("warned") == ["10:03"]


def test_history_takes_nothing_from_other_releases() -> None:
    """A no-show is released with and without it."""
    line = Timeline(RADAR, PIR)
    config = msgspec.structs.replace(line.site.rooms["orion"].state.config, early_end_by=())
    line.tell(Configured(SiteConfig((config,))))
    line.book(booking("09:00", "10:00", "a"))
    line.until("09:20")
    assert line.has("released")


def test_end_early_is_off_by_default() -> None:
    """Nothing is taken from an attended booking unless the policy says so (W3)."""
    line = left_at("09:40", policy=Policy()).until("11:00")
    assert not line.has("release")
    assert line.outcome() == "attended"


def test_one_kind_of_sensor_ends_nothing_early() -> None:
    """A radar alone, or a PIR alone, may be wrong about people who sit still."""
    line = Timeline(RADAR, policy=EARLY)
    line.book(booking("09:00", "11:00", "a"))
    line.until("09:00").show("radar")
    line.until("09:20").clear("radar")
    line.until("11:00")
    assert not line.has("release")


def test_the_warning_of_an_early_end_that_came_true_is_not_taken_back() -> None:
    """The booking was ended as announced; nobody is told that it will not be."""
    line = left_at("09:40").until("10:07")
    (write,) = writes(line, "end_early")
    line.tell(WriteOutcome("orion", write.id, "applied"))
    assert line.until("11:00").outcome() == "ended_early"
    assert line.count("warned") == 1
    assert not line.has("warning_cancelled")


def test_somebody_who_comes_back_before_the_write_keeps_the_booking() -> None:
    """Presence withdraws the write; the booking is checked in as before."""
    line = left_at("09:40").until("10:07")
    (write,) = writes(line, "end_early")
    line.show("radar")
    assert line.times("withdrawn") == ["10:07"]
    line.tell(WriteOutcome("orion", write.id, "superseded", "withdrawn"))
    assert [r.code for r in line.first("not_released").reasons] == ["write_withdrawn", "shows_presence"]
    assert line.until("11:00").outcome() == "attended"


def test_presence_takes_back_the_warning_of_an_early_end() -> None:
    """No end without its full warning: after a new sign it begins anew."""
    line = left_at("09:40").until("10:04")
    line.show("radar")
    line.clear("radar")
    assert line.count("warning_cancelled") == 1
    assert not writes(line.until("10:29"), "end_early")


def test_shadow_only_says_when_it_would_have_ended() -> None:
    """The booking stays as it is."""
    line = left_at("09:40", mode="shadow").until("11:00")
    assert line.why("would_release") == ["end_early"]
    assert line.outcome() == "attended"


def test_a_booking_that_is_made_long_again_is_not_shortened_twice() -> None:
    """The organizer's word wins: after their update it goes on as attended."""
    line = left_at("09:40").until("10:07")
    (write,) = writes(line, "end_early")
    line.tell(WriteOutcome("orion", write.id, "applied"))
    line.book(booking("09:00", "10:07", "a"))
    line.until("10:15").book(booking("09:00", "11:30", "a"))
    assert line.site.rooms["orion"].state.lives["a"].state == "checked_in"
    line.until("11:30")
    assert not line.has("withdrawn"), "nothing is under way that could be"
    assert len(writes(line, "end_early")) == 1
    assert [d.tally.outcome for d in line.decisions if d.tally] == ["ended_early", "attended"]


def test_a_read_that_still_shows_the_old_end_makes_nothing_long_again() -> None:
    """Exchange may show the old end for a moment after the write: that is nobody's word."""
    line = left_at("09:40").until("10:07")
    (write,) = writes(line, "end_early")
    line.tell(WriteOutcome("orion", write.id, "applied"))
    line.book(booking("09:00", "11:00", "a", change_key="2"))
    assert line.until("10:30").count("concluded") == 1


def test_the_rooms_own_quiet_gaps_lengthen_the_wait() -> None:
    """Where people have been quiet for 40 min and were still there, 25 min of quiet prove nothing."""
    line = Timeline(RADAR, PIR, policy=EARLY)
    line.book(booking("08:10", "09:30", "quiet"), booking("09:40", "12:00", "a"))
    line.until("08:10").show("radar")
    line.until("08:15").clear("radar")
    line.until("08:34:30").show("radar")
    line.until("09:30").clear("radar")
    assert line.site.rooms["orion"].usual_gap_ms == 19 * MINUTE_MS + 30_000
    line.until("09:45").show("radar")
    line.until("09:50").clear("radar")
    assert writes(line.until("10:17"), "end_early")


# -- walk-ups -----------------------------------------------------------------------------------------


def walked_up(policy: Policy = WALK_UPS, mode: str = "live") -> Timeline:
    """People in an unbooked room from 09:00 on."""
    line = Timeline(RADAR, PIR, policy=policy, mode=mode)
    line.until("09:00").show("radar")
    return line


def test_an_unbooked_room_in_use_is_shown_as_busy() -> None:
    """After five minutes, as a booking of the room itself, for half an hour."""
    line = walked_up().until("09:20")
    (write,) = writes(line, "walk_up")
    assert (write.method, write.start, write.end) == ("create", at("09:05"), at("09:35"))
    assert line.count("walk_up") >= 1


def test_walk_ups_are_off_by_default_and_in_shadow_only_said() -> None:
    """Nothing is booked for anybody unless the policy and the mode say so."""
    assert not walked_up(Policy()).until("10:00").has("walk_up")
    shadow = walked_up(mode="shadow").until("09:06")
    assert shadow.times("walk_up") == ["09:05"]
    assert not writes(shadow, "walk_up")


def test_a_glance_into_the_room_is_no_walk_up() -> None:
    """One hit may be somebody who looks in."""
    line = Timeline(PIR, policy=WALK_UPS)
    line.until("09:00").hit("pir")
    assert not line.until("09:12").has("walk_up")


def test_a_walk_up_ends_where_the_next_booking_begins() -> None:
    """The next people's room is theirs; with less than ten minutes left nothing is booked."""
    line = walked_up()
    line.book(booking("09:20", "10:00", "next"))
    (write,) = writes(line.until("09:10"), "walk_up")
    assert write.end == at("09:20")
    line = walked_up()
    line.book(booking("09:14", "10:00", "next"))
    assert not line.until("09:13").has("walk_up")


def test_a_meeting_that_runs_over_becomes_a_walk_up_no_sooner_than_anybody() -> None:
    """Five minutes after its end, not in the very second."""
    line = Timeline(RADAR, PIR, policy=WALK_UPS)
    line.book(booking("09:00", "09:30", "a"))
    line.until("09:00").show("radar")
    line.until("09:40")
    assert line.times("walk_up")[0] == "09:35"


def test_a_motion_sensors_hold_after_a_meeting_is_no_walk_up() -> None:
    """Its people left two minutes late; for ten more the room counts as occupied, and nobody is there."""
    line = Timeline(PIR, PIR_2, policy=WALK_UPS)
    line.book(booking("09:00", "09:30", "b"))
    line.until("09:02").hit("pir")
    for minute in (5, 12, 20, 28, 31, 32):
        line.until(f"09:{minute:02d}:20").hit("pir")
    line.until("10:00")
    assert not line.has("walk_up")


def test_a_look_into_the_room_after_a_meeting_is_no_walk_up() -> None:
    """One sign while the hold still runs is nobody who stays."""
    line = Timeline(PIR, PIR_2, policy=WALK_UPS)
    line.book(booking("09:00", "09:30", "b"))
    for minute in (2, 5, 12, 20, 28, 36):
        line.until(f"09:{minute:02d}:20").hit("pir")
    line.until("10:00")
    assert not line.has("walk_up")


def test_motion_that_goes_on_is_a_walk_up_by_the_first_sign_after_five_minutes() -> None:
    """Who moves now and then is there: the sign itself brings the booking, no deadline needed."""
    line = Timeline(PIR, PIR_2, policy=WALK_UPS)
    for minute in (1, 3, 5, 8):
        line.until(f"09:{minute:02d}:20").hit("pir")
    line.until("09:30")
    assert line.times("walk_up") == ["09:08:20"]


def shown_walk_up() -> Timeline:
    """A walk-up whose booking is in the calendar."""
    line = walked_up().until("09:05")
    ours = booking("09:05", "09:35", "ours", room_organises=True, has_attendees=False, marks=("walk_up",))
    line.book(ours)
    return line


def test_a_walk_up_is_extended_while_people_are_there() -> None:
    """Five minutes before its end, once, up to the next booking."""
    line = shown_walk_up()
    line.book(booking("09:50", "10:30", "next"))
    (write,) = writes(line.until("09:31"), "extend")
    assert write.new_end == at("09:50")
    assert line.times("extended") == ["09:30"]


def test_an_extension_that_does_not_come_is_asked_for_again_and_not_with_every_message() -> None:
    """After the time that a write may take; by then somebody may have booked what was asked for first."""
    line = shown_walk_up().until("09:31")
    line.book(booking("09:40", "10:30", "next"))
    line.until("09:34:30")
    assert line.times("extended") == ["09:30", "09:32", "09:34"]
    assert [write.new_end for write in writes(line, "extend")] == [at("10:00"), at("09:40"), at("09:40")]


@pytest.mark.parametrize(("start", "kept"), [("09:20", True), ("09:30", False)], ids=["overlaps", "after"])
def test_a_booking_that_overlaps_a_walk_up_is_not_released(start: str, *, kept: bool) -> None:
    """Also when that is over: it counts as attended as any other. It ends when its people have left."""
    line = shown_walk_up().until("09:10")
    line.clear("radar")
    line.book(booking(start, "10:30", "b"))
    line.until("10:20")
    assert line.has("release", "b") != kept
    assert line.why("withheld", "b") == (["overlaps_attended"] if kept else [])


def test_a_walk_up_that_ended_in_its_last_minute_goes_on_when_it_is_made_longer() -> None:
    """It need not be shortened any more, so it was never shown short. It is freed again when empty."""
    line = shown_walk_up().until("09:17:55")
    line.clear("radar")
    line.until("09:34:50")
    assert line.count("ended") == 1
    line.until("09:36:40")
    longer = booking("09:05", "10:30", "ours", room_organises=True, has_attendees=False, marks=("walk_up",))
    line.book(longer)
    line.until("09:40")
    assert line.count("ended") == 2


def test_a_walk_up_is_freed_when_its_people_have_left() -> None:
    """After fifteen minutes of proven emptiness, and it counts as no booking of anybody."""
    line = shown_walk_up().until("09:10")
    line.clear("radar")
    (write,) = writes(line.until("09:30"), "shorten")
    assert write.new_end is not None
    assert at("09:25") <= write.new_end <= at("09:27")
    assert line.site.rooms["orion"].state.previous is None


@pytest.mark.parametrize("stale_for_s", [20, 60, 100])
def test_a_stale_read_of_a_freed_walk_up_does_not_end_it_twice(stale_for_s: int) -> None:
    """A calendar that shows the old end once more, for as long as reads may be stale, changes nothing."""
    line = shown_walk_up().until("09:10")
    line.clear("radar")
    line.until("09:27:10")
    long, short = (
        booking("09:05", end, "ours", room_organises=True, has_attendees=False, marks=("walk_up",))
        for end in ("09:35", "09:27")
    )
    line.book(short)
    line.until("09:27:20")
    line.book(long)
    line.advance(line.now + stale_for_s * SECOND_MS)
    line.book(short)
    line.until("09:35")
    assert len(writes(line, "shorten")) == 1


def test_a_booking_made_long_again_at_once_is_back_when_no_read_can_be_stale() -> None:
    """For two minutes that may be an old picture; still shown so, it has its life again, checked in."""
    line = left_at("09:40").until("10:07")
    (write,) = writes(line, "end_early")
    line.tell(WriteOutcome("orion", write.id, "applied"))
    line.book(booking("09:00", "10:07", "a"))
    line.until("10:07:30").book(booking("09:00", "11:00", "a"))
    assert "a" not in line.site.rooms["orion"].state.lives
    line.until("10:10")
    assert line.site.rooms["orion"].state.lives["a"].state == "checked_in"
    line.until("11:00")
    assert len(writes(line, "end_early")) == 1


def test_a_walk_up_is_freed_by_the_first_message_that_proves_it_over() -> None:
    """Whenever within its minute a sensor speaks: that message is never folded, and brings the end."""
    line = shown_walk_up().until("09:10:30")
    line.clear("radar")
    (write,) = writes(line.until("09:34"), "shorten")
    assert write.new_end == at("09:27"), "one minute of hold and fifteen of emptiness, then the next beat"


def test_a_walk_up_hands_nobody_over() -> None:
    """People who were there without a booking may well be the next booking's own."""
    line = shown_walk_up()
    line.book(booking("09:35", "10:30", "next"))
    line.until("09:36")
    assert line.times("checked_in", "next") == ["09:35"]


# -- we were here -------------------------------------------------------------------------------------


def ghost_released() -> Timeline:
    """A booking from 09:00 to 10:00 that was given back at 09:10, and one from 11:00 on."""
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "a"), booking("11:00", "12:00", "b"))
    line.until("09:15")
    assert line.has("released", "a")
    return line


def test_we_were_here_gives_the_room_back_and_stops_releasing() -> None:
    """One tap: a hold for the rest of the time, a wrong release on record, no more until somebody looked."""
    line = ghost_released()
    line.tell(WereHere("orion"))
    (write,) = writes(line, "hold")
    assert (write.method, write.start, write.end) == ("create", at("09:15"), at("10:00"))
    assert line.site.rooms["orion"].state.wrong_releases == 1
    line.until("11:40")
    assert line.why("withheld", "b")[-1] == "paused"
    assert not line.has("release", "b")
    line.tell(Reviewed("orion"))
    assert line.until("11:45").has("release", "b")


def test_we_were_here_takes_the_room_from_nobody() -> None:
    """If others have booked it meanwhile it is not free any more; the case is filed all the same."""
    line = ghost_released()
    line.book(booking("09:12", "10:00", "others"))
    line.tell(WereHere("orion"))
    assert not writes(line, "hold")
    assert line.count("wrong_release") == 1


def test_we_were_here_said_twice_is_one_mistake() -> None:
    """It counts once; the room is asked for again, because the first attempt may have failed."""
    line = ghost_released()
    line.tell(WereHere("orion"))
    line.until("09:16").tell(WereHere("orion"))
    assert line.site.rooms["orion"].state.wrong_releases == 1
    assert len(writes(line, "hold")) == 2


def test_we_were_here_without_a_release_is_refused() -> None:
    """With the reason; nothing is paused."""
    line = Timeline(RADAR)
    line.tell(WereHere("orion"))
    assert line.why("refused") == ["no_such_release"]
    line.tell(Reviewed("orion"))
    assert not line.has("reviewed")


def test_who_comes_just_after_a_release_is_offered_the_room_back() -> None:
    """At once, once."""
    line = ghost_released()
    line.show("radar")
    line.until("09:30")
    assert line.times("offered_back") == ["09:15"]


# -- shadow's record ----------------------------------------------------------------------------------


def test_a_good_record_in_shadow_sets_the_room_live() -> None:
    """After so many judged releases with people after none of them; from the next booking on."""
    line = Timeline(RADAR, mode="shadow", policy=Policy(live_after=2))
    line.book(*(booking(f"{h:02d}:00", f"{h:02d}:45", f"b{h}") for h in (9, 10, 11)))
    line.until("11:46")
    assert line.times("mode") == ["10:45"]
    assert [line.first("opened", key).live for key in ("b9", "b10", "b11")] == [False, False, True]


def test_people_after_a_shadow_release_spoil_the_record() -> None:
    """A release that people followed within 15 min was probably wrong: the room stays in shadow."""
    line = Timeline(RADAR, mode="shadow", policy=Policy(live_after=1))
    line.book(booking("09:00", "10:00", "a"))
    line.until("09:20").show("radar")
    line.until("10:01")
    assert line.site.rooms["orion"].state.record.wrong == 1
    assert not line.has("mode")
    line.tell(ModeSet("orion", "live"))
    assert line.has("mode")


# -- series -------------------------------------------------------------------------------------------


def weekly(number: int) -> Timeline:
    """Occurrences of one series, an hour apart."""
    line = Timeline(RADAR)
    for hour in range(9, 9 + number):
        line.book(booking(f"{hour:02d}:00", f"{hour:02d}:45", f"s{hour}", series_id="series"))
    return line


def test_ghosts_in_a_row_report_their_series_once() -> None:
    """After three; nothing is done to the series."""
    line = weekly(5).until("14:00")
    assert line.times("series_reported") == ["11:45"]


def test_an_attended_occurrence_begins_the_count_anew() -> None:
    """They come now and then: no reason to ask."""
    line = weekly(4)
    line.until("11:00").show("radar")
    line.until("11:40").clear("radar")
    assert not line.until("13:00").has("series_reported")


def test_a_holiday_counts_against_no_series() -> None:
    """Nobody is expected then."""
    line = weekly(4)
    config = line.site.state.config
    holiday = SiteConfig(config.rooms, holidays=((MIDNIGHT, MIDNIGHT + DAY_MS),))
    line.tell(Configured(holiday))
    assert not line.until("13:00").has("series_reported")


# -- doubtful calendars -------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [True, False])
def test_a_calendar_that_loses_most_of_its_bookings_is_believed_the_second_time(*, again: bool) -> None:
    """One odd read drops nothing; a read a minute later that agrees does."""
    line = Timeline(RADAR)
    line.polls = False
    line.book(*(booking(f"{h}:00", f"{h}:30", f"b{h}") for h in (12, 13, 14, 15)))
    lost = ("b12", "b13", "b14")
    line.book(removed=lost)
    assert line.times("calendar_doubted") == ["08:00"]
    assert set(line.site.rooms["orion"].state.lives) == {"b12", "b13", "b14", "b15"}
    line.until("08:01").book(removed=lost if again else ())
    assert (set(line.site.rooms["orion"].state.lives) == {"b15"}) is again


def test_bookings_far_ahead_neither_raise_that_doubt_nor_allay_it() -> None:
    """Few of them are known, and those because a rule has them declined: their end is no surprise."""
    line = Timeline(RADAR)
    line.polls = False
    far = [booking(f"{h}:00", f"{h}:30", f"far{h}") for h in range(100, 120)]
    line.book(*(booking(f"{h}:00", f"{h}:30", f"b{h}") for h in (12, 13, 14, 15)), *far)
    line.book(removed=tuple(one.key for one in far[:15]))
    assert not line.has("calendar_doubted")
    line.book(removed=("b12", "b13", "b14"))
    assert line.times("calendar_doubted") == ["08:00"]


def test_nothing_is_released_while_the_calendar_is_doubted() -> None:
    """What cannot be believed is never acted on."""
    line = Timeline(RADAR)
    line.book(*(booking(f"{h:02d}:00", f"{h:02d}:45", f"b{h}") for h in (9, 13, 14, 15)))
    line.until("09:09:30")
    line.polls = False
    line.book(removed=("b13", "b14", "b15"))
    line.until("09:12")
    assert "calendar_doubted" in line.why("withheld")
    assert not line.has("release")
