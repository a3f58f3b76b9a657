"""The booking attendant's settings, and what nobody has documented, under every switch."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS
from simulators.exchange import ExchangeSimulator, Person, Processing, Variants, daily, variants, weekly
from simulators.exchange.errors import InvalidRequest, NotFound
from simulators.exchange.items import CalendarItem
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.variants import PLAUSIBLE, variant_of

ADA, BEN = "ada.oak@contoso.com", "ben@contoso.com"
ORION, LYRA = "orion@contoso.com", "lyra@contoso.com"
At = Callable[..., int]


@pytest.fixture
def orion(exchange: ExchangeSimulator) -> Mailbox:
    """The mailbox of the first room."""
    return exchange.mailboxes.mailbox(ORION)


def with_variant(clock: Any, variant: Variants, *, people: bool = False) -> ExchangeSimulator:
    """A tenant that behaves so."""
    return ExchangeSimulator(
        rooms=[ORION, LYRA], now=clock.now, wall_clock=clock.wall, variants=variant, deliver_to_people=people
    )


def entries(exchange: ExchangeSimulator, at: At, room: str = ORION, days: int = 30) -> list[CalendarItem]:
    """The calendar from that Monday on."""
    return exchange.calendar(room, at(0), at(0, day=days))


@pytest.mark.parametrize(
    ("settings", "booking", "response"),
    [
        ({}, {}, "accepted"),
        ({"booking_window_in_days": 2}, {"day": 3}, "declined"),
        ({"booking_window_in_days": 0}, {"day": 900}, "accepted"),
        ({}, {"day": 181}, "declined"),
        ({"maximum_duration_in_minutes": 30}, {"minutes": 31}, "declined"),
        ({"maximum_duration_in_minutes": 0}, {"minutes": 3_000}, "accepted"),
        ({}, {"minutes": 1_441}, "declined"),
        ({"schedule_only_during_work_hours": True}, {"hour": 9}, "accepted"),
        ({"schedule_only_during_work_hours": True}, {"hour": 17}, "declined"),
        ({"schedule_only_during_work_hours": True}, {"hour": 9, "day": 5}, "declined"),
        ({"allow_recurring_meetings": False}, {"recurrence": daily(count=2)}, "declined"),
        ({}, {"recurrence": daily()}, "declined"),
        ({"enforce_scheduling_horizon": False}, {"recurrence": daily()}, "accepted"),
        ({"all_book_in_policy": False}, {}, "declined"),
        ({"all_book_in_policy": False, "book_in_policy": (ADA.upper(),)}, {}, "accepted"),
        ({"all_book_in_policy": False, "all_request_in_policy": True}, {}, "none"),
        ({"auto_accept": False}, {}, "none"),
    ],
)
def test_settings_decide(
    exchange: ExchangeSimulator,
    orion: Mailbox,
    at: At,
    settings: dict[str, Any],
    booking: dict[str, Any],
    response: str,
) -> None:
    """Each of Set-CalendarProcessing's rules, just within and just beyond."""
    orion.processing = Processing(**settings)
    start = at(booking.get("hour", 9), day=booking.get("day", 0))
    end = start + booking.get("minutes", 60) * MINUTE_MS
    event = exchange.book(ADA, ORION, start, end, recurrence=booking.get("recurrence"))
    assert exchange.status(event, ORION).response == response
    held = exchange.calendar(ORION, start, end)
    assert [item.response for item in held] == {
        "accepted": ["accepted"],
        "declined": [],
        "none": ["notResponded"],
    }[response]


def test_series_loses_what_lies_after_the_window(exchange: ExchangeSimulator, orion: Mailbox, at: At) -> None:
    """EnforceSchedulingHorizon false: accepted, and truncated."""
    orion.processing = Processing(enforce_scheduling_horizon=False, booking_window_in_days=10)
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=30))
    assert len(entries(exchange, at, days=60)) == 11
    assert len(entries(exchange, at, ADA, days=60)) == 30


@pytest.mark.parametrize(("percentage", "response"), [(19, "declined"), (20, "accepted")])
def test_conflict_percentage(
    exchange: ExchangeSimulator, orion: Mailbox, at: At, percentage: int, response: str
) -> None:
    """One of five conflicts: 20 per cent have to be allowed."""
    exchange.book(BEN, ORION, at(9, day=3), at(10, day=3))
    orion.processing = Processing(conflict_percentage_allowed=percentage)
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=5))
    assert exchange.status(series, ORION).response == response
    mails = [message.start_ms for message in exchange.messages_to(ADA) if message.kind == "declined"]
    assert mails == [at(9) if response == "declined" else at(9, day=3)]


def test_series_is_declined_where_nothing_would_be_left(
    exchange: ExchangeSimulator, orion: Mailbox, at: At
) -> None:
    """However many conflicts are allowed."""
    orion.processing = Processing(maximum_conflict_instances=9)
    for day in (0, 1):
        exchange.book(BEN, ORION, at(9, day=day), at(10, day=day))
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=2))
    assert exchange.status(series, ORION).response == "declined"


def test_room_that_takes_its_time_is_tentative_first(clock: Any, at: At) -> None:
    """Entered as not responded to, accepted later under the same id; a conflict is found only then."""
    exchange = with_variant(clock, Variants(attendant_delay_ms=5 * SECOND_MS))
    event = exchange.book(ADA, ORION, at(9), at(10))
    other = exchange.book(BEN, ORION, at(9, 30), at(10, 30))
    pending, late = entries(exchange, at)
    assert (pending.response, pending.show_as, late.response) == ("notResponded", "tentative", "notResponded")
    assert exchange.status(event, ORION).response == "none"
    clock.at += 5 * SECOND_MS
    [kept] = entries(exchange, at)
    assert [exchange.status(one, ORION).response for one in (event, other)] == ["accepted", "declined"]
    assert (kept.response, kept.id) == ("accepted", pending.id)


def test_request_that_is_cancelled_before_it_is_answered_is_not_answered(clock: Any, at: At) -> None:
    """And one whose room was taken off is not either."""
    exchange = with_variant(clock, Variants(attendant_delay_ms=5 * SECOND_MS))
    exchange.cancel(exchange.book(ADA, ORION, at(9), at(10)))
    exchange.remove_room(exchange.book(ADA, [ORION, LYRA], at(11), at(12)), ORION)
    clock.at += MINUTE_MS
    assert [item.cancelled for item in entries(exchange, at)] == [True, True]
    assert [item.response for item in entries(exchange, at, LYRA)] == ["accepted"]


@pytest.mark.parametrize(
    ("variant", "after_text", "after_move"),
    [
        (Variants(), 1, 1),
        (Variants(reaccepts="time_change"), 0, 1),
        (Variants(reaccepts="never"), 0, 0),
    ],
)
def test_whether_the_room_accepts_again(
    clock: Any, at: At, variant: Variants, after_text: int, after_move: int
) -> None:
    """After a decline: by a change of the text, by one of the time; adding it again asks it in any case."""
    exchange = with_variant(clock, variant)
    event = exchange.book(ADA, ORION, at(9), at(10))
    orion = exchange.mailboxes.mailbox(ORION)
    exchange.mailboxes.respond(orion, entries(exchange, at)[0].id, "declined")
    exchange.change(event, subject="Other")
    assert len(entries(exchange, at)) == after_text
    exchange.move(event, at(12), at(13))
    assert len(entries(exchange, at)) == after_move
    exchange.add_room(event, ORION)
    assert len([item for item in entries(exchange, at) if not item.cancelled]) == 1


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("recurring", [False, True])
def test_id_of_what_comes_back(clock: Any, at: At, *, same: bool, recurring: bool) -> None:
    """New or the same; the iCalUId is always the same."""
    exchange = with_variant(clock, Variants(reaccepted_id="same" if same else "new"))
    event = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=2) if recurring else None)
    before = entries(exchange, at)[0]
    exchange.mailboxes.respond(exchange.mailboxes.mailbox(ORION), before.id, "declined")
    exchange.change(event, subject="Other")
    after = entries(exchange, at)[0]
    assert after.ical_uid == before.ical_uid
    assert (after.id == before.id) is same


@pytest.mark.parametrize(("restores", "left"), [(True, 3), (False, 2)])
def test_whether_a_series_update_restores_declined_occurrences(
    clock: Any, at: At, *, restores: bool, left: int
) -> None:
    """An update of the whole series, after one occurrence was declined."""
    exchange = with_variant(clock, Variants(series_update_restores=restores))
    series = exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    exchange.mailboxes.respond(exchange.mailboxes.mailbox(ORION), entries(exchange, at)[1].id, "declined")
    exchange.change(series, subject="Other")
    assert len(entries(exchange, at)) == left


@pytest.mark.parametrize("keeps", [False, True])
def test_whether_categories_outlive_an_update(clock: Any, at: At, *, keeps: bool) -> None:
    """On a single meeting and on an occurrence."""
    exchange = with_variant(clock, Variants(update_keeps_categories=keeps))
    events = [
        exchange.book(ADA, ORION, at(9), at(10)),
        exchange.book(ADA, ORION, at(11), at(12), recurrence=daily(count=2)),
    ]
    orion = exchange.mailboxes.mailbox(ORION)
    for item in entries(exchange, at)[:2]:
        exchange.mailboxes.alter(orion, item.id, {"categories": ("Checked in",)})
    for event in events:
        exchange.change(event, subject="Other")
    assert [bool(item.categories) for item in entries(exchange, at)[:2]] == [keeps, keeps]


def test_shortened_copy_may_stick_until_the_time_changes(clock: Any, at: At) -> None:
    """room_patch=sticky: an update of the text leaves the room's end, one of the time does not."""
    exchange = with_variant(clock, Variants(room_patch="sticky"))
    event = exchange.book(ADA, ORION, at(9), at(11))
    orion = exchange.mailboxes.mailbox(ORION)
    exchange.mailboxes.alter(orion, entries(exchange, at)[0].id, {"end_ms": at(10)})
    exchange.change(event, subject="Other")
    assert entries(exchange, at)[0].end_ms == at(10)
    exchange.move(event, at(12), at(14))
    assert entries(exchange, at)[0].end_ms == at(14)


def test_deleting_the_rooms_copy_may_tell_the_organizer(clock: Any, at: At) -> None:
    """room_delete=declines."""
    exchange = with_variant(clock, Variants(room_delete="declines"))
    event = exchange.book(ADA, ORION, at(9), at(10))
    exchange.mailboxes.delete(exchange.mailboxes.mailbox(ORION), entries(exchange, at)[0].id)
    assert exchange.status(event, ORION).response == "declined"


def test_occurrences_may_share_their_uid(clock: Any, at: At) -> None:
    """occurrence_uid=shared: only the original start tells them apart."""
    exchange = with_variant(clock, Variants(occurrence_uid="shared"))
    exchange.book(ADA, ORION, at(9), at(10), recurrence=daily(count=3))
    found = entries(exchange, at)
    assert len({item.ical_uid for item in found}) == 1
    assert len({item.original_start_ms for item in found}) == 3


def test_people_get_copies_to_answer_where_they_are_delivered(clock: Any, at: At) -> None:
    """Tentative, with subject and body; their answer and proposal reach the organizer; cancelling too."""
    exchange = with_variant(clock, Variants(), people=True)
    event = exchange.book(ADA, ORION, at(9), at(10), attendees=[BEN], subject="Merger", sensitivity="private")
    [copy] = entries(exchange, at, BEN)
    assert (copy.response, copy.show_as, copy.subject, copy.sensitivity) == (
        "notResponded", "tentative", "Merger", "private",
    )  # fmt: skip
    ben = exchange.mailboxes.mailbox(BEN)
    exchange.mailboxes.respond(ben, copy.id, "tentativelyAccepted", proposed=(at(11), at(12)))
    status = exchange.status(event, BEN)
    assert (status.response, status.proposed) == ("tentativelyAccepted", (at(11), at(12)))
    exchange.mailboxes.respond(ben, copy.id, "accepted")
    assert entries(exchange, at, BEN)[0].show_as == "busy"
    exchange.cancel(event)
    assert [(item.cancelled, item.subject) for item in entries(exchange, at, BEN)] == [
        (True, "Canceled: Merger")
    ]
    assert exchange.messages_to(BEN)[-1].kind == "cancelled"


def test_forwarding_invites_more_people(exchange: ExchangeSimulator, at: At) -> None:
    """By the organizer at once; by an attendee with a word to the organizer."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    exchange.mailboxes.forward(exchange.mailboxes.mailbox(ADA), event.id, [Person("Lyra", LYRA)])
    assert exchange.status(event, LYRA).response == "accepted"
    copy = entries(exchange, at)[0]
    exchange.mailboxes.forward(exchange.mailboxes.mailbox(ORION), copy.id, [Person("Ben", BEN)], "Join us")
    assert exchange.status(event, BEN).kind == "optional"
    assert [message.comment for message in exchange.messages_to(ADA) if message.kind == "forwarded"] == [
        "Join us"
    ]


def test_every_switch_has_its_other_values_once() -> None:
    """The default first, then each value of each switch, by name; each is another behaviour."""
    found = dict(variants())
    assert next(iter(found.items())) == ("default", Variants())
    assert set(PLAUSIBLE) == set(Variants.__struct_fields__)
    assert len(found) == len(set(map(repr, found.values()))) == 1 + sum(map(len, PLAUSIBLE.values()))
    assert found["reaccepts=never"] == Variants(reaccepts="never")


def test_switches_are_read_from_texts() -> None:
    """As on a command line; what is wrong is named with what is allowed."""
    assert variant_of({"attendant_delay_ms": "5000", "delta_repeats": "true"}) == Variants(
        attendant_delay_ms=5_000, delta_repeats=True
    )
    with pytest.raises(ValueError, match="there is no switch 'accepts'; there are: attendant_delay_ms"):
        variant_of({"accepts": "never"})
    with pytest.raises(ValueError, match="reaccepts=time_change"):
        variant_of({"reaccepts": "sometimes"})


@pytest.mark.parametrize(("name", "variant"), list(variants()))
def test_no_double_booking_under_any_variant(clock: Any, at: At, name: str, variant: Variants) -> None:
    """Whatever is switched: two bookings that block a room never overlap; the same calls give the same."""

    def play() -> list[tuple[str, int, int]]:
        clock.at = at(7)
        exchange = with_variant(clock, variant)
        orion = exchange.mailboxes.mailbox(ORION)
        events = [
            exchange.book(
                (ADA, BEN)[n % 2], ORION, at(8 + n % 9, day=n % 5), at(9 + n % 9, day=n % 5),
                recurrence=(None, daily(count=3), weekly(count=2))[n % 3],
            )
            for n in range(12)
        ]  # fmt: skip
        for n, event in enumerate(events):
            clock.at += MINUTE_MS
            held = exchange.calendar(ORION, at(0), at(0, day=20))
            if n % 3 == 0 and held:
                exchange.mailboxes.respond(orion, held[n % len(held)].id, "declined")
            try:
                exchange.move(event, at(8 + n % 7, day=n % 4), at(9 + n % 7, day=n % 4))
            except (NotFound, InvalidRequest):
                continue
        clock.at += 2 * MINUTE_MS
        blocking = [item for item in exchange.calendar(ORION, at(0), at(0) + 40 * DAY_MS) if item.blocks]
        for one, following in pairwise(blocking):
            assert one.end_ms <= following.start_ms, name
        return [(item.id, item.start_ms, item.end_ms) for item in blocking]

    assert play() == play() != []
