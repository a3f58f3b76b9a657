"""A release is weighed by what the sensors show afterwards; other policies change only what they name."""

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from timeline import DOOR, PIR, RADAR, Timeline, at, booking

from gateway.core.events import AnyEvent, ModeSet, WereHere
from gateway.core.policy import BreakerPolicy, Policy, RoomConfig, SiteConfig
from gateway.core.site import Site
from gateway.core.units import FOREVER, MINUTE_MS, SECOND_MS, Instant
from gateway.ledger import Batch, GivenBack, Ledger, LedgerReader
from gateway.replay.counterfactual import begin, relive
from gateway.replay.judging import Figures, Judge
from gateway.replay.put_back import PutBack
from gateway.replay.variants import AS_CONFIGURED, Variant, grid
from gateway.replay.what_if import what_if

UTC = ZoneInfo("UTC")
ALWAYS = (0, FOREVER)
Log = Sequence[tuple[AnyEvent, Instant]]


def relived(
    log: Log,
    variant: Variant = AS_CONFIGURED,
    site: Site | None = None,
    given_back: Sequence[GivenBack] = (),
    span: tuple[Instant, Instant] = ALWAYS,
    zone: str = "UTC",
) -> Judge:
    """Who has judged these facts under a variant, beginning with `site`."""
    put_back = PutBack(given_back, {})
    judge = Judge(ZoneInfo(zone), put_back.ends, span)
    run = begin(site or Site(), variant, judge.take)
    relive(((now, event) for event, now in log), [run], put_back, judge.note_word)
    return judge


def total(judge: Judge) -> Figures:
    """All rooms and days together."""
    summed = Figures()
    for figures in judge.cells.values():
        summed.take(figures)
    return summed


def judged(day: Timeline, variant: Variant = AS_CONFIGURED) -> Figures:
    """What the timeline's facts come to under a variant."""
    return total(relived(day.log, variant))


def ghost_day() -> Timeline:
    """A booking from nine to ten that nobody has come to by a quarter past; in shadow."""
    day = Timeline(RADAR, mode="shadow")
    day.book(booking("09:00", "10:00"))
    day.advance(at("09:15"))
    return day


def test_an_empty_room_gives_back_the_rest_of_its_ghost() -> None:
    """Released at 09:10 and never entered: 50 minutes."""
    day = ghost_day()
    day.advance(at("10:05"))
    found = judged(day)
    assert (found.releases, found.wrong, found.returned_ms) == (1, 0, 50 * MINUTE_MS)
    assert (found.ghosts, found.ghost_returned_ms, found.kinds) == (1, 50 * MINUTE_MS, {"no_show": 1})


@pytest.mark.parametrize(("comes", "wrong", "minutes"), [("09:25", 1, 0), ("09:26", 0, 16)])
def test_people_within_a_quarter_of_an_hour_make_it_wrong(comes: str, wrong: int, minutes: int) -> None:
    """Nothing is given back then; who comes later ends what was given back."""
    day = ghost_day()
    day.advance(at(comes))
    day.show("radar")
    day.advance(at("10:05"))
    found = judged(day)
    assert (found.releases, found.wrong, found.returned_ms) == (1, wrong, minutes * MINUTE_MS)


def test_a_person_s_word_counts_as_being_there() -> None:
    """Somebody at the panel says so, and no sensor saw them."""
    day = ghost_day()
    day.tell(WereHere("orion"))
    day.advance(at("10:05"))
    assert (judged(day).wrong, judged(day).returned_ms) == (1, 0)


def test_a_word_of_before_the_release_makes_nothing_wrong() -> None:
    """Somebody came at five past to say something about the meeting before."""
    day = Timeline(RADAR, mode="shadow")
    day.book(booking("09:00", "10:00"))
    day.until("09:05").tell(WereHere("orion"))
    found = judged(day.until("10:05"))
    assert (found.releases, found.wrong, found.returned_ms) == (1, 0, 50 * MINUTE_MS)


def test_a_shorter_grace_is_wrong_about_those_who_are_late() -> None:
    """They come at 09:08: under ten minutes they are in time, under five they lose their room."""
    day = Timeline(RADAR, mode="shadow")
    day.book(booking("09:00", "10:00"))
    day.advance(at("09:08"))
    day.show("radar")
    day.advance(at("10:05"))
    assert judged(day).releases == 0
    hasty = judged(day, grid(grace=[5 * MINUTE_MS])[0])
    assert (hasty.releases, hasty.wrong) == (1, 1)


def test_what_could_not_be_released_counts_under_its_cause() -> None:
    """A booking that is too short, with its whole time."""
    day = Timeline(RADAR, mode="shadow", policy=Policy(min_remaining_ms=30 * MINUTE_MS))
    day.book(booking("09:00", "09:30"))
    day.advance(at("09:35"))
    missed = judged(day).missed["too_short"]
    assert (missed.bookings, missed.ms) == (1, 30 * MINUTE_MS)


def test_a_booking_that_was_cancelled_counts_only_until_then() -> None:
    """Released at 09:10, cancelled at 09:30: twenty minutes were given back, the rest was free anyway."""
    day = ghost_day()
    day.advance(at("09:30"))
    day.book(removed=("uid-09:00",))
    day.advance(at("10:05"))
    assert judged(day).returned_ms == 20 * MINUTE_MS
    kept = Timeline(RADAR, mode="shadow")
    kept.book(booking("09:00", "10:00"))
    kept.advance(at("09:05"))
    kept.book(removed=("uid-09:00",))
    kept.advance(at("10:05"))
    assert judged(kept).bookings == 0


def test_hours_that_another_booking_took_were_given_back_as_well() -> None:
    """Given back at 09:10, booked anew from 09:30 on: kept, it would have stood empty until ten."""
    day = Timeline(RADAR)
    day.book(booking("09:00", "10:00"))
    day.until("09:11").book(removed=("uid-09:00",))
    day.until("09:12").book(booking("09:30", "10:00", "other"))
    day.until("09:31").show("radar")
    day.until("10:05")
    release = day.first("release")
    assert release.write is not None
    given = GivenBack("orion", release.booking, release.at, release.write)
    found = total(relived(day.log, given_back=[given]))
    assert (found.bookings, found.releases, found.wrong) == (2, 1, 0)
    assert found.returned_ms == at("10:00") - release.at


def test_a_booking_counts_in_one_of_two_spans_that_meet() -> None:
    """Also where history is cut in the very instant in which it is over."""
    log = ghost_day().until("10:05").log
    cut = at("10:00")
    spans = ((0, cut), (cut, FOREVER))
    assert [total(relived(log, span=span)).bookings for span in spans] == [1, 0]
    assert [total(relived(log, span=(0, one))).bookings for one in (cut - 1, cut)] == [0, 1]


def test_a_booking_counts_in_the_day_of_its_end_on_the_office_s_clock() -> None:
    """Three to four in the afternoon of Greenwich is the next day's first hour in Tokyo."""
    day = Timeline(RADAR, mode="shadow")
    day.book(booking("15:00", "16:00"))
    log = day.until("16:05").log
    (here,), (there,) = (relived(log, zone=zone).cells for zone in ("UTC", "Asia/Tokyo"))
    assert there.day == here.day + 1


def test_a_room_that_history_s_release_paused_goes_on_under_other_policies() -> None:
    """Somebody said that a release was wrong; the policy that is tried has not released anything yet."""
    day = Timeline(RADAR)
    day.book(booking("09:00", "10:00"), booking("11:00", "12:00"))
    day.until("09:11").tell(WereHere("orion"))
    day.until("10:30")
    assert day.site.rooms["orion"].state.paused_at >= at("09:11")
    site, done = Site.restore(day.site.snapshot()), len(day.log)
    day.until("12:05")
    assert day.count("release") == 1
    assert total(relived(day.log[done:], site=site)).releases == 1


def test_a_room_that_history_set_live_is_tried_in_shadow() -> None:
    """Nothing is written in a try, so nothing may be waited for."""
    day = Timeline(RADAR, mode="shadow")
    day.book(booking("09:00", "10:00"), booking("11:00", "12:00"))
    day.until("08:30").tell(ModeSet("orion", "live"))
    day.until("12:05")
    assert day.count("release") == 2
    assert total(relived(day.log)).releases == 2


def test_a_booking_that_was_open_where_the_ledger_begins_is_not_counted(tmp_path: Path) -> None:
    """The gateway of then had opened it, and its grace is that one's; the next is the tried policy's."""
    day = Timeline(RADAR, mode="shadow")
    day.book(booking("09:00", "10:00"), booking("11:00", "12:00"))
    ledger, done = Ledger(tmp_path / "ledger.db"), 0
    for until in ("08:30", "09:05", "12:05"):
        day.until(until)
        events = [(now, event) for event, now in day.log[done:]]
        ledger.commit(Batch(events=events, snapshot=day.site.snapshot()))
        done = len(day.log)
    begins = []
    for forget_before in (0, at("09:05") + 1):
        while ledger.prune(forget_before):
            pass
        with LedgerReader(ledger.path) as reader:
            begins.append(reader.extent().first_seq)
        [lived] = what_if(ledger.path, [AS_CONFIGURED], jobs=1).lived
        assert lived.total.bookings == (1 if forget_before else 2)
    ledger.close()
    assert begins[0] == 1 < begins[1]


def test_a_variant_changes_what_it_names_and_nothing_else() -> None:
    """Holds are those of motion sensors; a warning fits into its grace; every room is in shadow for good."""
    room = RoomConfig("orion", mode="live", policy=Policy(live_after=3), sensors=(RADAR, PIR, DOOR))
    [tried] = grid([2 * MINUTE_MS], [5 * SECOND_MS])
    assert tried.name == "grace 2m, hold 5s"
    [changed] = tried.site(SiteConfig((room,))).rooms
    assert (changed.sensors[0], changed.sensors[2]) == (RADAR, DOOR)
    assert changed.sensors[1].hold_ms == PIR.device_hold_ms  # never shorter than the device's own
    assert changed.policy.grace_ms == changed.policy.warn_before_release_ms == 2 * MINUTE_MS
    assert (changed.mode, changed.policy.live_after) == ("shadow", 0)
    [same] = AS_CONFIGURED.site(SiteConfig((room,))).rooms
    assert (same.policy.grace_ms, same.sensors) == (room.policy.grace_ms, room.sensors)


@pytest.mark.parametrize("on", [True, False])
def test_a_variant_leaves_the_breaker_as_it_was_or_has_none(on: bool) -> None:
    """One that history left open when the try begins stays open, or is none either."""
    tries = (AS_CONFIGURED, Variant("free", breaker=False))
    config = SiteConfig((RoomConfig("orion"),), breaker=BreakerPolicy(on=on))
    assert [tried.site(config).breaker.on for tried in tries] == [on, False]
    day = Timeline(RADAR)
    day.site.state.breaker.opened_at = day.now
    snapshot = day.site.snapshot()
    begun = [begin(Site.restore(snapshot), tried, lambda *_: None).site for tried in tries]
    assert [site.breaker.objection is None for site in begun] == [False, True]


def test_named_policies_replace_those_of_the_same_name() -> None:
    """Rooms of other policies stay as they were; all combinations of lists are tried."""
    long = Policy("patient", grace_ms=30 * MINUTE_MS)
    rooms = (RoomConfig("orion"), RoomConfig("lyra", policy=Policy("patient")))
    changed = Variant("file", policies={"patient": long}).site(SiteConfig(rooms)).rooms
    assert [room.policy.grace_ms for room in changed] == [10 * MINUTE_MS, 30 * MINUTE_MS]
    assert len(grid([1, 2], [3, 4, 5])) == 6
    assert grid() == []
