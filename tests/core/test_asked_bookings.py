"""What people ask for becomes one decision and one write; what cannot be is refused with its reason."""

import msgspec
import pytest
from timeline import RADAR, Timeline, at, booking

from gateway.core.decisions import Write
from gateway.core.events import AnyEvent, Booked, Cancelled, WriteOutcome
from gateway.core.units import SECOND_MS


def asked(mode: str = "live") -> Timeline:
    """A room at nine."""
    return Timeline(RADAR, mode=mode).until("09:00")


def test_a_person_who_asks_for_a_room_gets_a_write_that_creates_it() -> None:
    """Named after the request, so that it is the same however often it is asked; it must not wait long."""
    line = asked()
    line.tell(Booked("orion", at("14:00"), at("14:30"), "ask-1", "panel", "OLD="))
    decision = line.first("booking_asked")
    assert decision.write == Write(
        1,
        "book",
        "create",
        "OLD=",
        at("14:00"),
        at("14:30"),
        at("09:00") + 45 * SECOND_MS,
        room_organises=True,
        linked="ask-1",
    )
    assert [reason.code for reason in decision.reasons] == ["by_person", "asked_for"]
    line.tell(WriteOutcome("orion", 1, "applied"))
    assert line.decisions[-1] == decision, "its outcome says nothing; the calendar does"


@pytest.mark.parametrize(
    ("mode", "end", "why"), [("shadow", "14:30", "mode_shadow"), ("live", "08:00", "over")]
)
def test_in_shadow_or_in_the_past_nothing_is_booked(mode: str, end: str, why: str) -> None:
    """Refused, with the reason on record."""
    line = asked(mode)
    line.tell(Booked("orion", at("07:00"), at(end), "ask-1"))
    assert line.why("refused") == [why]
    assert not line.has("booking_asked")


@pytest.mark.parametrize(("guests", "method"), [(True, "cancel"), (False, "delete")])
def test_a_booking_of_the_room_is_cancelled_before_it_begins(guests: bool, method: str) -> None:
    """Whoever was invited is told; where there is nobody, it just goes."""
    line = asked()
    line.book(booking("14:00", "14:30", "a", room_organises=True, has_attendees=guests))
    line.tell(Cancelled("orion", "a", "panel"))
    write = line.first("cancel_asked").write
    assert write is not None
    assert (write.action, write.method, write.removes) == ("cancel", method, True)
    line.book(removed=("a",))
    assert line.outcome() == "cancelled"


@pytest.mark.parametrize(
    ("room_organises", "mode", "key", "why"),
    [
        (False, "live", "a", "no_such_booking"),
        (True, "live", "", "no_such_booking"),
        (True, "live", "b", "no_such_booking"),
        (True, "shadow", "a", "mode_shadow"),
    ],
)
def test_what_is_somebodys_or_unknown_is_not_cancelled(
    room_organises: bool, mode: str, key: str, why: str
) -> None:
    """Only its organizer can, and never by a guess."""
    line = asked(mode)
    line.book(booking("14:00", "14:30", "a", room_organises=room_organises))
    line.tell(Cancelled("orion", key))
    assert line.why("refused") == [why]
    assert not line.has("cancel_asked")


def test_what_has_begun_is_ended_and_not_cancelled() -> None:
    """What was used of it stays on record."""
    line = asked()
    line.book(booking("09:30", "10:30", "a", room_organises=True))
    line.until("09:31").tell(Cancelled("orion", "a"))
    assert line.why("refused") == ["begun"]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Booked("orion", 1, 2, "ask"), b'["booked","orion",1,2,"ask","command",""]'),
        (Cancelled("orion", "key", "panel"), b'["cancelled","orion","key","panel"]'),
    ],
)
def test_the_journal_keeps_what_was_asked_in_this_form(event: AnyEvent, text: bytes) -> None:
    """Older entries must be readable for ever."""
    assert msgspec.json.encode(event) == text
    assert msgspec.json.decode(text, type=AnyEvent) == event
