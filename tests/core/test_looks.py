"""An identical look at a calendar is folded as long as nothing hangs on it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenarios import FACTOR
from timeline import MIDNIGHT, PIR, RADAR, ZIGBEE_PIR, Timeline, at, booking

from gateway.core.booking import Booking
from gateway.core.booking_rules import WATCHED_MS, BookingRules
from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, CalendarRead, CalendarUnreadable, CheckedIn, Ended, Reading
from gateway.core.policy import Policy, SensorProfile
from gateway.core.room import LOOK_AT_REST_MS, LOOK_FOR_RELEASES_MS
from gateway.core.rules import CALENDAR_FRESH_MS
from gateway.core.site import UnknownName
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant

POLL_AT_REST_MS = 15 * MINUTE_MS
"""How often calendars are read where nothing is near, unless configured otherwise."""


class Telling(Timeline):
    """Looks each minute, and tells of each."""

    def looks(self, since: str) -> list[int]:
        """The minutes from `since` at which an unchanged look was told."""
        reads = [now for event, now in self.log if isinstance(event, CalendarRead) and not event.changed]
        return [(now - at(since)) // MINUTE_MS for now in reads if now > at(since)]


class Folding(Telling):
    """Looks each minute, and tells the core as seldom as it may."""

    def _give(self, event: AnyEvent) -> None:
        news = self.site.worth_telling(event, self.now) if isinstance(event, CalendarRead) else event
        if news is not None:
            super()._give(news)

    def knows(self, after_ms: Duration) -> bool:
        """Whether an unchanged look so much later would be folded, if nothing happens until then."""
        return self.site.rooms["orion"].is_known_look(self.now + after_ms)


def ended_at(end: str) -> Folding:
    """An attended hour from 09:00 that a person ended so early, and that the calendar shows so."""
    line = Folding(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    line.until("09:05")
    line.tell(CheckedIn("orion"))
    line.until(end)
    line.tell(Ended("orion"))
    line.book(booking("09:00", end, "b"))
    return line


def test_where_nothing_is_booked_a_look_in_ten_minutes_is_told() -> None:
    """Often enough that a new booking is known to be new, however the looks themselves fall; and no more."""
    assert LOOK_AT_REST_MS + POLL_AT_REST_MS < WATCHED_MS
    line = Folding(RADAR)
    line.book(booking("12:00", "13:00"))
    line.until("09:00")
    assert line.looks("08:00") == [10, 20, 30, 40, 50, 60]


def test_from_five_minutes_before_a_booking_opens_to_its_end_looks_are_told() -> None:
    """Each second one of a minute's looks, whatever became of it: other policies may be tried on this."""
    assert 2 * LOOK_FOR_RELEASES_MS < CALENDAR_FRESH_MS
    line = Folding(RADAR)
    line.book(booking("09:00", "10:00"), booking("11:00", "12:00"))
    line.until("09:04")
    assert line.looks("08:40") == [5, 7, 9, 11, 13, 15, 17, 19, 21, 23]
    line.tell(CheckedIn("orion"))
    line.until("10:30")
    assert line.looks("09:50") == [1, 3, 5, 7, 9, 19, 29, 39]
    line.until("13:00")
    assert line.times("release") == ["11:10"]
    assert line.looks("11:50") == [1, 3, 5, 7, 9, 19, 29, 39, 49, 59, 69]


@pytest.mark.parametrize("mode", ["live", "shadow"])
def test_a_release_is_never_made_later_by_looks_that_were_folded(mode: str) -> None:
    """Warned and released at the same moments as with every look told, on a calendar that is fresh."""
    kinds = ["warned", "release" if mode == "live" else "would_release"]
    for line in (Folding(RADAR, mode=mode), Telling(RADAR, mode=mode)):
        line.book(booking("09:00", "10:00", "b"))
        line.until("10:30")
        assert [line.times(kind, "b") for kind in kinds] == [["09:07"], ["09:10"]]
        (read,) = [r.at for r in line.first(kinds[1], "b").reasons if r.code == "calendar_read"]
        assert read is not None
        assert at("09:10") - read < CALENDAR_FRESH_MS


def test_the_first_look_after_one_that_failed_is_told() -> None:
    """Whatever was wrong is over, at once and not ten minutes later."""
    line = Folding(RADAR)
    line.until("08:05")
    line.tell(CalendarUnreadable("orion", "503"))
    assert not line.knows(1)
    line.until("08:06")
    assert line.site.rooms["orion"].state.calendar_why == ""
    assert line.knows(1)


def test_no_look_is_folded_after_one_that_dropped_nearly_everything() -> None:
    """A doubted read is believed when it comes again: each look counts."""
    line = Folding(RADAR)
    line.book(*(booking(f"{hour}:00", f"{hour}:30", f"b{hour}") for hour in range(12, 17)))
    line.until("08:01")
    line.book(removed=tuple(f"b{hour}" for hour in range(12, 17)))
    assert not line.knows(1)


def test_looks_are_told_to_the_old_end_of_what_was_ended_early() -> None:
    """Another policy might not have ended it. Then as where nothing is booked."""
    line = ended_at("09:20")
    line.until("11:00")
    assert line.looks("09:50") == [2, 4, 6, 8, 18, 28, 38, 48, 58, 68]


def test_while_a_booking_that_was_ended_is_shown_as_long_again_looks_are_told() -> None:
    """Only a later look cannot be a stale one: the booking is back with the first that tells."""
    line = ended_at("09:58")
    line.until("09:59")
    line.book(booking("09:00", "11:00", "b"))
    assert "b" not in line.site.rooms["orion"].state.lives
    line.until("10:03")
    assert "b" in line.site.rooms["orion"].state.lives


NOTICE = BookingRules((("too_late", "decline"),), notice_ms=2 * HOUR_MS)


@pytest.mark.parametrize("away", [0, 10, 25, 31])
def test_a_booking_made_late_is_known_to_be_however_long_looks_were_folded(away: int) -> None:
    """After minutes without any look too: what counts is when somebody looked last, told or not."""
    asked = []
    for made in (Folding, Telling):
        line = made(RADAR, policy=Policy(rules=NOTICE))
        line.until("08:09")
        line.polls = False
        line.advance(line.now + away * MINUTE_MS)
        line.book(booking("09:00", "10:00"))
        asked.append(line.times("rule_broken"))
    assert asked[0] == asked[1]
    assert bool(asked[0]) is (away < 31)


def test_a_look_before_the_clock_was_set_tells_nothing_of_what_is_new() -> None:
    """Its time is that of another clock."""
    line = Folding(RADAR, policy=Policy(rules=NOTICE))
    line.until("08:05")
    line.set_clock("07:30")
    line.book(booking("09:00", "10:00"))
    assert not line.has("rule_broken")
    line = Folding(RADAR, policy=Policy(rules=NOTICE))
    line.until("08:05")
    line.set_clock("07:30")  # while the calendar was being read
    line.tell(msgspec.structs.replace(looked((booking("09:00", "10:00"),)), looked_before=at("08:05")))
    assert not line.has("rule_broken")


def test_a_look_before_the_clock_was_set_back_is_not_taken_for_a_newer_one() -> None:
    """The only look since was forty minutes ago, whatever the clock showed at the one before."""
    line = Folding(RADAR, policy=Policy(rules=NOTICE))
    line.until("08:05")
    line.set_clock("07:30")
    line.read_calendar()
    line.polls = False
    line.until("08:10")
    line.book(booking("09:00", "10:00"))
    assert not line.has("rule_broken")


def test_a_room_that_nobody_knows_has_no_known_look() -> None:
    """As with every other question about a room."""
    with pytest.raises(UnknownName, match="nowhere"):
        Timeline(RADAR).site.worth_telling(CalendarRead("nowhere", 0, 1), at("08:00"))


MOMENTS = st.integers(0, 8 * 60 * 60).map(lambda second: at("08:00") + second * SECOND_MS)
QUARTER_MS = 15 * MINUTE_MS
SENSORS: tuple[tuple[SensorProfile, ...], ...] = ((RADAR,), (RADAR, PIR), (PIR,), (ZIGBEE_PIR,))
Day = list[tuple[Instant, AnyEvent]]


@st.composite
def bookings(draw: st.DrawFn) -> Day:
    """A booking that appears, and perhaps is made longer or shorter, or goes."""
    start = MIDNIGHT + draw(st.integers(32, 60)) * QUARTER_MS
    end = start + draw(st.integers(2, 6)) * QUARTER_MS
    made = Booking(f"b{start}", f"id-{start}", start, end)
    other = msgspec.structs.replace(made, end=end + draw(st.integers(-1, 2)) * QUARTER_MS)
    later: tuple[tuple[Booking, ...], tuple[str, ...]] = draw(
        st.sampled_from([((), ()), ((other,), ()), ((), (made.key,))])
    )
    first, second = sorted(draw(st.tuples(MOMENTS, MOMENTS)))
    return [(first, looked((made,))), (second, looked(*later))]


def looked(changed: tuple[Booking, ...] = (), removed: tuple[str, ...] = ()) -> CalendarRead:
    """A complete read that shows this difference."""
    return CalendarRead("orion", MIDNIGHT, MIDNIGHT + 2 * DAY_MS, changed, removed)


@st.composite
def days(draw: st.DrawFn, sensors: tuple[SensorProfile, ...]) -> Day:
    """Bookings, people, and a calendar that cannot be read."""
    shown: list[AnyEvent] = [
        Reading(sensor.id, sensor.senses, value) for sensor in sensors for value in (0, 1)
    ]
    others = [*shown, CheckedIn("orion"), Ended("orion"), CalendarUnreadable("orion", "503")]
    facts = draw(st.lists(st.tuples(MOMENTS, st.sampled_from(others)), max_size=10))
    planned = draw(st.lists(bookings(), min_size=1, max_size=4, unique_by=lambda one: one[0][1]))
    for one in planned:
        facts += one
    return sorted(facts, key=lambda fact: fact[0])


def told(line: Timeline) -> list[Decision]:
    """The decisions, without when the calendar was read last: that may be a little older."""
    return [
        msgspec.structs.replace(one, reasons=tuple(r for r in one.reasons if r.code != "calendar_read"))
        for one in line.decisions
    ]


@pytest.mark.thorough
@settings(max_examples=60 * FACTOR)
@given(st.data(), st.sampled_from(SENSORS), st.sampled_from(["live", "shadow"]), st.booleans())
def test_folded_looks_change_no_decision(
    data: st.DataObject, sensors: tuple[SensorProfile, ...], mode: str, early: bool
) -> None:
    """The same decisions at the same moments, whether or not each look at the calendar is told."""
    day = data.draw(days(sensors))
    policy = Policy(end_early=early, rules=NOTICE)
    lines = [made(*sensors, mode=mode, policy=policy) for made in (Folding, Telling)]
    for line in lines:
        for now, fact in day:
            line.advance(now)
            line.tell(fact)
        line.until("17:00")
    assert told(lines[0]) == told(lines[1])
    assert len(lines[0].looks("08:00")) < len(lines[1].looks("08:00"))
