"""What organizers, rooms and attendants do to each other's calendars."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from simulators.exchange import ExchangeSimulator, Processing, daily, weekly
from simulators.exchange.errors import CrossesNeighbour, InvalidRequest, MalformedId, NotFound
from simulators.exchange.items import CalendarItem
from simulators.exchange.mailbox import Mailbox

ADA, BEN = "ada.oak@contoso.com", "ben@contoso.com"
ORION, LYRA = "orion@contoso.com", "lyra@contoso.com"
At = Callable[..., int]


@pytest.fixture
def orion(exchange: ExchangeSimulator) -> Mailbox:
    """The mailbox of the first room."""
    return exchange.mailboxes.mailbox(ORION)


def entries(exchange: ExchangeSimulator, at: At, room: str = ORION, days: int = 30) -> list[CalendarItem]:
    """The room's calendar from that Monday on."""
    return exchange.calendar(room, at(0), at(0, day=days))


def test_free_room_accepts_and_holds_a_copy(exchange: ExchangeSimulator, at: At) -> None:
    """The copy is accepted, has the organizer's iCalUId, and shows the organizer for a subject."""
    event = exchange.book(ADA, ORION, at(9), at(10), subject="Merger", body="secret", sensitivity="private")
    [copy] = entries(exchange, at)
    theirs = exchange.event(event)
    assert (copy.ical_uid, copy.id != event.id) == (event.ical_uid, True)
    assert (copy.response, copy.is_organizer, copy.show_as) == ("accepted", False, "busy")
    assert (copy.subject, copy.body, copy.sensitivity) == ("Ada Oak", "", "normal")
    assert (theirs.subject, theirs.response, theirs.is_organizer) == ("Merger", "organizer", True)
    status = exchange.status(event, ORION)
    assert (status.kind, status.response, status.responded_ms) == ("resource", "accepted", at(7))
    assert [message.kind for message in exchange.messages_to(ADA)] == ["accepted"]


def test_busy_room_declines_and_holds_nothing(exchange: ExchangeSimulator, at: At) -> None:
    """A refused meeting leaves no trace in the room; meetings that only touch do not conflict."""
    exchange.book(ADA, ORION, at(9), at(10))
    refused = exchange.book(BEN, [ORION, LYRA], at(9, 30), at(10, 30))
    touching = exchange.book(BEN, ORION, at(10), at(11))
    assert exchange.status(refused, ORION).response == "declined"
    assert exchange.status(refused, LYRA).response == "accepted"
    assert exchange.status(touching, ORION).response == "accepted"
    assert [item.start_ms for item in entries(exchange, at)] == [at(9), at(10)]
    assert exchange.messages_to(BEN)[0].kind == "declined"


def test_series_is_refused_whole_for_one_conflict(exchange: ExchangeSimulator, at: At) -> None:
    """By default no occurrence is accepted if any conflicts."""
    exchange.book(BEN, ORION, at(9, day=3), at(10, day=3))
    series = exchange.book(ADA, ORION, at(9, 30), at(10), recurrence=daily(count=5))
    assert exchange.status(series, ORION).response == "declined"
    assert len(entries(exchange, at)) == 1


def test_series_may_lose_only_its_conflicts_where_the_room_allows_it(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """MaximumConflictInstances: the others are accepted, the organizer sees which were declined."""
    orion.processing = Processing(maximum_conflict_instances=1)
    exchange.book(BEN, ORION, at(9, day=3), at(10, day=3))
    series = exchange.book(ADA, ORION, at(9, 30), at(10), recurrence=daily(count=5))
    assert exchange.status(series, ORION).response == "accepted"
    assert exchange.status(series, ORION, occurrence=at(9, 30, day=3)).response == "declined"
    assert len(entries(exchange, at)) == 5


def test_occurrences_have_uids_of_their_own_that_both_calendars_share(
    exchange: ExchangeSimulator, at: At
) -> None:
    """Room and organizer name the same occurrence by the same iCalUId; no two occurrences share one."""
    exchange.book(ADA, ORION, at(9), at(10), recurrence=weekly("monday", "thursday", count=6))
    rooms = entries(exchange, at)
    theirs = exchange.calendar(ADA, at(0), at(0, day=30))
    assert [item.ical_uid for item in rooms] == [item.ical_uid for item in theirs]
    assert len({item.ical_uid for item in rooms}) == len({item.id for item in rooms}) == 6
    assert {item.type for item in rooms} == {"occurrence"}
    assert [item.original_start_ms for item in rooms] == [item.start_ms for item in rooms]


def test_update_moves_the_copy_and_keeps_its_id_and_categories(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """The organizer's times win over those changed on the room's copy; marks on the copy stay."""
    event = exchange.book(ADA, ORION, at(9), at(11))
    [copy] = entries(exchange, at)
    exchange.mailboxes.alter(orion, copy.id, {"categories": ("Checked in",), "end_ms": at(10)})
    [short] = entries(exchange, at)
    assert (short.end_ms, exchange.event(event).end_ms) == (at(10), at(11))
    exchange.move(event, at(13), at(15))
    [moved] = entries(exchange, at)
    assert (moved.id, moved.start_ms, moved.end_ms) == (copy.id, at(13), at(15))
    assert moved.categories == ("Checked in",)
    assert len({copy.change_key, short.change_key, moved.change_key}) == 3


def test_update_into_a_busy_time_is_declined_and_frees_the_room(exchange: ExchangeSimulator, at: At) -> None:
    """The room re-evaluates every update."""
    exchange.book(BEN, ORION, at(13), at(14))
    event = exchange.book(ADA, ORION, at(9), at(10))
    exchange.move(event, at(13, 30), at(14, 30))
    assert exchange.status(event, ORION).response == "declined"
    assert [item.start_ms for item in entries(exchange, at)] == [at(13)]


def test_update_after_a_decline_comes_back_as_a_new_item(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """Same iCalUId, another id: what was remembered by id is lost, by key it is not."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    [copy] = entries(exchange, at)
    exchange.mailboxes.respond(orion, copy.id, "declined", "Nobody came.")
    assert entries(exchange, at) == []
    exchange.change(event, subject="Now really")
    [back] = entries(exchange, at)
    assert back.ical_uid == copy.ical_uid
    assert back.id != copy.id
    assert exchange.status(event, ORION).response == "accepted"


def test_room_can_be_added_again_after_a_decline(exchange: ExchangeSimulator, orion: Mailbox, at: At) -> None:
    """Adding the room again asks it again; the other attendees are not asked."""
    event = exchange.book(ADA, [ORION, LYRA], at(9), at(10))
    [copy], [other] = entries(exchange, at), entries(exchange, at, LYRA)
    exchange.mailboxes.respond(orion, copy.id, "declined")
    exchange.add_room(event, ORION)
    [back] = entries(exchange, at)
    assert back.id != copy.id
    assert entries(exchange, at, LYRA) == [other]


def test_declining_tells_the_organizer_why(exchange: ExchangeSimulator, orion: Mailbox, at: At) -> None:
    """The comment arrives, and the attendee's status carries the time of the decline."""
    event = exchange.book(ADA, ORION, at(9), at(10), subject="Stand-up")
    [copy] = entries(exchange, at)
    exchange.mailboxes.respond(orion, copy.id, "declined", "Nobody came.")
    assert exchange.status(event, ORION).response == "declined"
    message = exchange.messages_to(ADA)[-1]
    assert (message.kind, message.comment, message.sender) == ("declined", "Nobody came.", ORION)
    assert (message.ical_uid, message.start_ms) == (event.ical_uid, at(9))
    with pytest.raises(NotFound):
        exchange.mailboxes.respond(orion, copy.id, "declined")


def test_silent_decline_leaves_the_organizer_believing(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """Without a response the room is free and the organizer still sees it accepted."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    exchange.mailboxes.respond(orion, entries(exchange, at)[0].id, "declined", send=False)
    assert entries(exchange, at) == []
    assert exchange.status(event, ORION).response == "accepted"
    assert len(exchange.messages_to(ADA)) == 1


def test_declining_an_occurrence_frees_only_that_one(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """The rest of the series stays, here and for the organizer."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    second = entries(exchange, at)[1]
    exchange.mailboxes.respond(orion, second.id, "declined", "Nobody came.")
    assert [item.start_ms for item in entries(exchange, at)] == [at(9), at(9, day=2)]
    assert exchange.status(series, ORION, occurrence=at(9, day=1)).response == "declined"
    assert exchange.status(series, ORION, occurrence=at(9, day=2)).response == "accepted"
    assert exchange.status(series, ORION).response == "accepted"
    assert exchange.messages_to(ADA)[-1].start_ms == at(9, day=1)
    exchange.book(BEN, ORION, at(9, day=1), at(10, day=1))
    assert len(entries(exchange, at)) == 3


def test_declining_a_series_master_frees_every_occurrence(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """What the gateway must never do is possible, and visible."""
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    master_id = entries(exchange, at)[0].series_id
    assert master_id is not None
    exchange.mailboxes.respond(orion, master_id, "declined")
    assert entries(exchange, at) == []


def test_declined_occurrence_comes_back_under_another_id(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """By an update of the occurrence or of the series: same iCalUId, new id; the old id is gone."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    seen: list[str] = []
    for change in ({"occurrence": at(9, day=1), "subject": "One"}, {"subject": "All"}):
        second = entries(exchange, at)[1]
        seen.append(second.id)
        exchange.mailboxes.respond(orion, second.id, "declined")
        exchange.change(series, **change)
        back = entries(exchange, at)[1]
        assert (back.ical_uid, back.start_ms) == (second.ical_uid, at(9, day=1))
        assert back.id not in seen
        with pytest.raises(NotFound):
            orion.calendar.find(second.id)


def test_moved_occurrence_is_an_exception_with_its_original_start(
    exchange: ExchangeSimulator, at: At
) -> None:
    """Its key (iCalUId and original start) does not move with it."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    before = entries(exchange, at)[1]
    exchange.move(series, at(15, day=1), at(16, day=1), occurrence=at(9, day=1))
    after = entries(exchange, at)[1]
    assert (after.type, after.start_ms, after.original_start_ms) == (
        "exception",
        at(15, day=1),
        at(9, day=1),
    )
    assert (after.ical_uid, after.id) == (before.ical_uid, before.id)


def test_occurrence_may_move_by_less_than_its_length(exchange: ExchangeSimulator, at: At) -> None:
    """It does not conflict with where it was itself."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.move(series, at(9, 30, day=1), at(10, 30, day=1), occurrence=at(9, day=1))
    assert exchange.status(series, ORION, occurrence=at(9, day=1)).response == "accepted"


def test_exception_shows_where_it_was_moved_to(exchange: ExchangeSimulator, at: At) -> None:
    """In the window of its new day, days away from its original one, and only there."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=weekly(count=3))
    exchange.move(series, at(9, day=11), at(10, day=11), occurrence=at(9, day=7))
    assert exchange.calendar(ORION, at(0, day=7), at(0, day=8)) == []
    [moved] = exchange.calendar(ORION, at(0, day=11), at(0, day=12))
    assert moved.original_start_ms == at(9, day=7)


def test_windows_are_half_open_for_series_too(exchange: ExchangeSimulator, at: At) -> None:
    """An occurrence that starts at the window's end, or ends at its start, is outside."""
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    assert exchange.calendar(ORION, at(10), at(9, day=1)) == []
    assert len(exchange.calendar(ORION, at(9, 59), at(9, 1, day=1))) == 2


def test_accepting_the_whole_series_answers_for_every_occurrence(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """The organizer no longer sees an occurrence declined that has come back."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.mailboxes.respond(orion, entries(exchange, at)[1].id, "declined")
    exchange.change(series, subject="Renamed")
    assert exchange.status(series, ORION, occurrence=at(9, day=1)).response == "accepted"


def test_occurrence_moved_onto_a_booking_is_declined_alone(exchange: ExchangeSimulator, at: At) -> None:
    """Only the moved occurrence is lost."""
    exchange.book(BEN, ORION, at(15, day=1), at(16, day=1))
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.move(series, at(15, 30, day=1), at(16, 30, day=1), occurrence=at(9, day=1))
    assert exchange.status(series, ORION, occurrence=at(9, day=1)).response == "declined"
    assert [item.start_ms for item in entries(exchange, at)] == [at(9), at(15, day=1), at(9, day=2)]


def test_occurrence_cannot_pass_its_neighbour(exchange: ExchangeSimulator, at: At) -> None:
    """ErrorOccurrenceCrossingBoundary, in both directions."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    for day in (0, 2):
        with pytest.raises(CrossesNeighbour):
            exchange.move(series, at(9, 30, day=day), at(11, day=day), occurrence=at(9, day=1))


def test_cancelled_meeting_stays_in_the_room_as_free(exchange: ExchangeSimulator, at: At) -> None:
    """RemoveCanceledMeetings is off by default; the time can be booked by others."""
    event = exchange.book(ADA, ORION, at(9), at(10), attendees=[BEN])
    exchange.cancel(event, comment="Another day")
    [copy] = entries(exchange, at)
    assert (copy.cancelled, copy.show_as, copy.subject) == (True, "free", "Canceled: Ada Oak")
    with pytest.raises(NotFound):
        exchange.event(event)
    assert [(message.kind, message.comment) for message in exchange.messages_to(BEN)] == [
        ("cancelled", "Another day")
    ]
    again = exchange.book(BEN, ORION, at(9), at(10))
    assert exchange.status(again, ORION).response == "accepted"


def test_cancelled_meeting_goes_where_the_room_removes_them(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """RemoveCanceledMeetings true, for a meeting and for an occurrence."""
    orion.processing = Processing(remove_canceled_meetings=True)
    exchange.cancel(exchange.book(ADA, ORION, at(9), at(10)))
    series = exchange.book(ADA, ORION, at(11), at(12), recurrence=daily(count=2))
    exchange.cancel(series, occurrence=at(11))
    assert [item.start_ms for item in entries(exchange, at)] == [at(11, day=1)]


def test_cancelled_occurrence_stays_as_free_and_the_rest_goes_on(exchange: ExchangeSimulator, at: At) -> None:
    """A later update of the series does not bring the cancelled occurrence back."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.cancel(series, occurrence=at(9, day=1))
    exchange.change(series, subject="Renamed")
    assert [(item.cancelled, item.show_as, item.type) for item in entries(exchange, at)] == [
        (False, "busy", "occurrence"),
        (True, "free", "exception"),
        (False, "busy", "occurrence"),
    ]
    assert len(exchange.calendar(ADA, at(0), at(0, day=9))) == 2


def test_room_taken_off_a_meeting_gets_a_cancellation(exchange: ExchangeSimulator, at: At) -> None:
    """The other room keeps its booking."""
    event = exchange.book(ADA, [ORION, LYRA], at(9), at(10))
    exchange.remove_room(event, ORION)
    assert [item.cancelled for item in entries(exchange, at)] == [True]
    assert [item.cancelled for item in entries(exchange, at, LYRA)] == [False]


def test_room_added_to_one_occurrence_holds_a_lone_exception(exchange: ExchangeSimulator, at: At) -> None:
    """The room knows no series; the key is still that of the occurrence, and declining it works."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.add_room(series, LYRA, occurrence=at(9, day=1))
    [lone] = entries(exchange, at, LYRA)
    assert (lone.type, lone.series_id, lone.original_start_ms) == ("exception", None, at(9, day=1))
    assert lone.ical_uid == entries(exchange, at)[1].ical_uid
    exchange.mailboxes.respond(exchange.mailboxes.mailbox(LYRA), lone.id, "declined")
    assert entries(exchange, at, LYRA) == []
    assert exchange.status(series, LYRA, occurrence=at(9, day=1)).response == "declined"


def test_walk_up_is_organised_by_the_room_and_nothing_checks_it(exchange: ExchangeSimulator, at: At) -> None:
    """A direct entry double-books; it blocks later requests."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.book_in_room(ORION, at(9, 30), at(10, 30))
    later = exchange.book(BEN, ORION, at(10), at(11))
    walk_up = entries(exchange, at)[1]
    assert (walk_up.is_organizer, walk_up.response, walk_up.organizer.address) == (True, "organizer", ORION)
    assert exchange.status(later, ORION).response == "declined"


def test_organizer_can_only_cancel_and_attendee_can_only_decline(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """400 with Graph's words, and nothing changes."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.book_in_room(ORION, at(11), at(12), attendees=[BEN])
    copy, own = entries(exchange, at)
    with pytest.raises(InvalidRequest, match="You need to be an organizer to cancel a meeting"):
        exchange.mailboxes.cancel(orion, copy.id)
    with pytest.raises(InvalidRequest, match="because you're the meeting organizer"):
        exchange.mailboxes.respond(orion, own.id, "declined")
    assert entries(exchange, at) == [copy, own]
    exchange.mailboxes.cancel(orion, own.id, "Nobody came.")
    assert entries(exchange, at) == [copy]
    assert exchange.messages_to(BEN)[-1].comment == "Nobody came."


def test_event_without_attendees_is_deleted_not_cancelled(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """There is nobody to tell: cancel is refused, delete works."""
    exchange.book_in_room(ORION, at(11), at(12))
    [own] = entries(exchange, at)
    with pytest.raises(InvalidRequest):
        exchange.mailboxes.cancel(orion, own.id)
    exchange.mailboxes.delete(orion, own.id)
    assert entries(exchange, at) == []


def test_deleting_the_room_copy_is_silent(exchange: ExchangeSimulator, orion: Mailbox, at: At) -> None:
    """The room is free, the organizer believes it is booked: why the gateway declines instead."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    series = exchange.book(ADA, ORION, at(11), at(12), recurrence=daily(count=2))
    single, first, _ = entries(exchange, at)
    exchange.mailboxes.delete(orion, single.id)
    exchange.mailboxes.delete(orion, first.id)
    assert [item.start_ms for item in entries(exchange, at)] == [at(11, day=1)]
    assert exchange.status(event, ORION).response == "accepted"
    assert exchange.status(series, ORION, occurrence=at(11)).response == "accepted"


def test_category_on_an_occurrence_touches_no_other(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """It becomes an exception with the same id; series updates keep the mark."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    second = entries(exchange, at)[1]
    exchange.mailboxes.alter(orion, second.id, {"categories": ("Checked in",)})
    exchange.change(series, subject="Renamed")
    assert [item.categories for item in entries(exchange, at)] == [(), ("Checked in",), ()]
    assert entries(exchange, at)[1].id == second.id


def test_moving_a_series_moves_every_copy(exchange: ExchangeSimulator, at: At) -> None:
    """Exceptions are lost, as in Outlook."""
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.move(series, at(15, day=1), at(16, day=1), occurrence=at(9, day=1))
    exchange.move(series, at(12), at(13))
    assert [item.start_ms for item in entries(exchange, at)] == [at(12, day=day) for day in range(3)]


def test_unattended_room_holds_requests_as_tentative(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """AutoUpdate: shown tentative and not responded to until somebody accepts."""
    orion.processing = Processing(auto_accept=False)
    event = exchange.book(ADA, ORION, at(9), at(10))
    [pending] = entries(exchange, at)
    assert (pending.response, pending.show_as) == ("notResponded", "tentative")
    assert exchange.status(event, ORION).response == "none"
    exchange.mailboxes.respond(orion, pending.id, "accepted")
    assert exchange.status(event, ORION).response == "accepted"


def test_endless_series_shows_in_any_window_of_a_room_without_a_booking_window(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """A series without end is found a year on."""
    orion.processing = Processing(booking_window_in_days=0)
    exchange.book(ADA, ORION, at(9), at(10), recurrence=weekly("monday"))
    [found] = exchange.calendar(ORION, at(0, day=364), at(0, day=365))
    assert found.start_ms == at(9, day=364)


def test_ids_are_checked_and_case_sensitive(exchange: ExchangeSimulator, orion: Mailbox, at: At) -> None:
    """An organizer's id means nothing in the room; rubbish is malformed."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    with pytest.raises(NotFound):
        orion.calendar.find(event.id)
    for wrong in ("rubbish", "", event.id[:-1], f"{event.id}=="):
        with pytest.raises(MalformedId):
            orion.calendar.find(wrong)
    [copy] = entries(exchange, at)
    with pytest.raises(NotFound):
        orion.calendar.find(copy.id.swapcase().replace(copy.id.swapcase()[:6], copy.id[:6]))


def test_same_calls_give_the_same_identifiers(at: At) -> None:
    """Ids, iCalUIds and change keys come from the seed and the order of calls, not from chance."""

    def play(seed: int) -> list[Any]:
        exchange = ExchangeSimulator(rooms=[ORION], now=lambda: at(7), seed=seed)
        exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=2))
        return [(item.id, item.ical_uid, item.change_key) for item in entries(exchange, at)]

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_past_can_be_looked_at(exchange: ExchangeSimulator, orion: Mailbox, clock: Any, at: At) -> None:
    """The calendar as it stood at any instant of the last hour."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    clock.at += MINUTE_MS
    exchange.move(event, at(11), at(12))
    clock.at += MINUTE_MS
    exchange.cancel(event)
    shown = [
        [(item.start_ms, item.cancelled) for item in orion.calendar_at(at(6, 59 + n)).view(at(0), at(24))]
        for n in range(4)
    ]
    assert shown == [[(at(9), False)], [(at(9), False)], [(at(11), False)], [(at(11), True)]]
    for hours in range(5):  # the past is bounded
        clock.at += HOUR_MS
        exchange.book(ADA, ORION, at(9, day=hours + 1), at(10, day=hours + 1))
    assert len(orion._past) <= 2


def test_repeated_transaction_creates_one_event(exchange: ExchangeSimulator, at: At) -> None:
    """A client that retries a POST with the same transaction id gets the first event."""
    first = exchange.book_in_room(ORION, at(9), at(10), transaction_id="t-1")
    second = exchange.book_in_room(ORION, at(9), at(10), transaction_id="t-1")
    assert first == second
    assert len(entries(exchange, at)) == 1


def test_a_year_of_bookings_is_kept_apart(exchange: ExchangeSimulator, at: At) -> None:
    """No two entries that block a room ever overlap, however people book and move (no direct entries)."""
    events = [
        exchange.book(
            (ADA, BEN)[n % 2], ORION, at(8 + n % 9, day=n % 11), at(9 + n % 9 + n % 3, day=n % 11),
            recurrence=(None, daily(interval=2, count=4), weekly(count=3))[n % 3],
        )
        for n in range(60)
    ]  # fmt: skip
    for n, event in enumerate(events):
        exchange.move(event, at(8 + n % 7, day=n % 13), at(10 + n % 7, day=n % 13))
    blocking = [item for item in entries(exchange, at, days=60) if item.blocks]
    assert len(blocking) > 20
    for one, following in pairwise(blocking):
        assert one.end_ms <= following.start_ms
    assert at(0) + DAY_MS < blocking[-1].start_ms
