"""What a calendar entry's details say about the rules for bookings; names and numbers end there."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.bookable import NO_DEMANDS, Blackouts, Bookable
from gateway.exchange.hours import Hours
from gateway.exchange.models import Exemptions, parse_event, to_booking
from gateway.exchange.moments import instant

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def local(text: str, zone: ZoneInfo = BERLIN) -> int:
    """An instant by the clock on the wall."""
    return instant(datetime.fromisoformat(text).replace(tzinfo=zone))


@pytest.mark.parametrize(
    ("texts", "start", "end", "overlaps"),
    [
        (["sat,sun 00:00-24:00"], "2026-11-28T09:00", "2026-11-28T10:00", True),
        (["sat,sun 00:00-24:00"], "2026-11-27T23:00", "2026-11-28T00:00", False),
        (["sat,sun 00:00-24:00"], "2026-11-27T23:00", "2026-11-28T00:01", True),
        (["sat,sun 00:00-24:00"], "2026-11-30T00:00", "2026-11-30T01:00", False),
        (["mon-fri 22:00-06:00"], "2026-11-28T05:00", "2026-11-28T05:30", True),
        (["mon-fri 22:00-06:00"], "2026-11-30T05:00", "2026-11-30T05:30", False),
        (["mon-fri 12:00-13:00"], "2026-11-30T08:00", "2026-11-30T18:00", True),
        (["sun 23:00-01:00"], "2026-11-30T00:30", "2026-11-30T02:00", True),
        (["2026-12-24"], "2026-12-24T23:00", "2026-12-25T01:00", True),
        (["2026-12-24"], "2026-12-25T00:00", "2026-12-25T01:00", False),
        (["2026-12-24/2026-12-26"], "2026-12-26T23:59", "2026-12-27T01:00", True),
        (["2026-12-24/2026-12-26"], "2026-12-20T00:00", "2027-01-10T00:00", True),
    ],
)
def test_blackouts_hold_by_the_clock_on_the_wall(
    texts: list[str], start: str, end: str, overlaps: bool
) -> None:
    """Whatever part of a booking lies in one counts; ends are not included."""
    assert Blackouts.of(texts).overlap(local(start), local(end), BERLIN) is overlaps


@pytest.mark.parametrize("day", ["2027-03-28", "2026-10-25"])
def test_a_change_of_the_clocks_moves_no_blackout(day: str) -> None:
    """From eight to nine it is from eight to nine, also on the days with 23 and 25 hours."""
    blackouts = Blackouts.of(["sun 08:00-09:00"])
    assert blackouts.overlap(local(f"{day}T08:00"), local(f"{day}T08:05"), BERLIN)
    assert not blackouts.overlap(local(f"{day}T07:30"), local(f"{day}T08:00"), BERLIN)
    assert not blackouts.overlap(local(f"{day}T09:00"), local(f"{day}T09:30"), BERLIN)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - made aware below
    st.integers(1, 40 * 60),
    st.sampled_from([UTC, BERLIN, NEW_YORK]),
    st.sampled_from(["mon-fri 22:00-06:00", "sat,sun 00:00-24:00", "wed 08:30-17:15"]),
)
def test_a_blackout_is_found_exactly_where_a_minute_of_it_is(
    when: datetime, minutes: int, zone: Any, text: str
) -> None:
    """Compared with asking each minute of the booking whether it lies in those hours."""
    start = instant(when.replace(second=0, microsecond=0, tzinfo=UTC))
    end = start + minutes * 60_000
    hours = Hours.of([text])
    expected = any(hours.hold(moment, zone) for moment in range(start, end, 60_000))
    assert Blackouts.of([text]).overlap(start, end, zone) is expected


def attendee(kind: str = "required", response: str = "accepted") -> dict[str, Any]:
    """One of the invited, as Graph tells it."""
    return {"type": kind, "status": {"response": response}, "emailAddress": {"address": "a@contoso.com"}}


def entry(*attendees: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An item of a room's calendar."""
    return {
        "id": "1",
        "iCalUId": "uid",
        "type": "singleInstance",
        "start": {"dateTime": "2026-11-30T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-30T10:00:00", "timeZone": "UTC"},
        "attendees": list(attendees),
        "organizer": {"emailAddress": {"address": "Ana@Contoso.com"}},
        **more,
    }


def broken(bookable: Bookable, item: dict[str, Any]) -> tuple[str, ...]:
    """The rules that the item's booking carries as broken."""
    return to_booking(parse_event(item), BERLIN, Exemptions(bookable=bookable)).breaches


def test_people_are_counted_who_are_to_come() -> None:
    """The organizer and who has not declined; rooms are no people."""
    room = attendee("resource")
    four = [attendee(), attendee("optional"), attendee(response="none"), attendee(response="declined"), room]
    assert parse_event(entry(*four)).people == 4
    assert broken(Bookable(3), entry(*four)) == ("too_many",)
    assert broken(Bookable(4), entry(*four)) == ()
    assert broken(Bookable(16, 25), entry(*four)) == ()
    assert broken(Bookable(17, 25), entry(*four)) == ("too_few",)
    assert broken(Bookable(None, 25), entry(*four)) == ()


def test_an_entry_that_does_not_tell_its_people_breaks_no_rule_about_them() -> None:
    """Unknown is not nobody."""
    untold = {key: value for key, value in entry().items() if key != "attendees"}
    assert parse_event(untold).people is None
    assert broken(Bookable(40, 90), untold) == ()


def test_who_may_book_is_told_by_address_or_domain() -> None:
    """Without regard to case; without anybody named, everybody may."""
    for allowed in (frozenset({"ana@contoso.com"}), frozenset({"@contoso.com"}), frozenset()):
        assert broken(Bookable(organizers=allowed, seats=99), entry()) == ()
    for allowed in (frozenset({"ben@contoso.com"}), frozenset({"@fabrikam.com"}), frozenset({"@oso.com"})):
        assert broken(Bookable(organizers=allowed), entry()) == ("not_allowed",)


def test_the_organizer_is_asked_for_only_where_it_matters() -> None:
    """Names that are not needed are not read."""
    assert "organizer" not in Exemptions(bookable=Bookable(4)).select
    assert "organizer" in Exemptions(bookable=Bookable(organizers=frozenset({"@contoso.com"}))).select


@pytest.mark.parametrize("more", [{"isAllDay": True}, {"isOrganizer": True}])
def test_notes_and_what_the_room_organises_are_not_asked(more: dict[str, Any]) -> None:
    """All-day entries are notes; whoever books through the gateway was asked before."""
    times = {"start": {"dateTime": "2026-11-30T00:00:00"}, "end": {"dateTime": "2026-12-01T00:00:00"}}
    assert (
        broken(Bookable(1, blackouts=Blackouts.of(["mon 00:00-24:00"])), entry(attendee(), **more, **times))
        == ()
    )


def test_without_demands_nothing_is_worked_out() -> None:
    """A site without rules pays nothing for them."""
    assert broken(NO_DEMANDS, entry(*[attendee()] * 500)) == ()
    assert not Blackouts(dates=((date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=1)),)).overlap(
        local("2026-03-01T00:00"), local("2026-03-02T00:00"), BERLIN
    )
