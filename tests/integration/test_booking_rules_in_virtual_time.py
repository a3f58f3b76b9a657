"""Rules for bookings through the whole service: what organizers see in Exchange, and read."""

from pathlib import Path

from harness import World, at, in_world

from gateway.core.booking import Booking
from gateway.core.explain import explain
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from simulators.exchange import OrganizerEvent, Processing, daily
from simulators.exchange.faults import Drop, Silence, Stale

ORION = "orion@contoso.com"
ANA = "person-001@contoso.com"
DECLINES = """
rules = { too_long = "decline", blackout = "decline", too_many = "report" }
longest = "2h"
blackouts = "mon 15:00-16:00"
rule_texts = { blackout = "Closed for cleaning." }
"""


def declined(world: World) -> list[str]:
    """What the organizer has read of rooms that declined."""
    return [m.comment for m in world.exchange.messages_to(ANA) if m.kind == "declined"]


def test_a_booking_that_breaks_a_rule_is_declined_with_its_text(tmp_path: Path) -> None:
    """In Exchange it is declined, the organizer reads which rule, others are left alone."""

    async def story(world: World) -> None:
        await world.until("09:00")
        long = world.exchange.book(ANA, ORION, at("11:00"), at("13:30"))
        closed = world.exchange.book(ANA, ORION, at("15:30"), at("16:30"))
        fine = world.exchange.book(ANA, ORION, at("16:30"), at("17:30"))
        await world.until("09:03")
        assert world.exchange.status(long, ORION).response == "declined"
        assert world.exchange.status(closed, ORION).response == "declined"
        assert world.exchange.status(fine, ORION).response == "accepted"
        assert sorted(declined(world)) == [
            "Closed for cleaning.",
            "This room can be booked for 2 h at the most.",
        ]
        assert world.outbox() == [("refuse", "applied", ""), ("refuse", "applied", "")]
        sentences = [explain(d, str) for d in world.decisions("rule_broken")]
        assert any("closed to bookings at that time" in sentence for sentence in sentences)
        assert len(world.decisions("declined")) == 2

    in_world(tmp_path, story, policy=DECLINES, room="capacity = 6")


def test_a_decline_whose_answer_is_lost_is_made_once(tmp_path: Path) -> None:
    """The organizer reads it once: what an unclear answer left open is read back."""

    async def story(world: World) -> None:
        await world.until("09:00")
        world.exchange.faults.add(Silence(after_effect=True), method="POST", path="/decline")
        world.exchange.faults.silence_s = 30
        long = world.exchange.book(ANA, ORION, at("11:00"), at("13:30"))
        await world.until("09:05")
        assert world.exchange.status(long, ORION).response == "declined"
        assert len(declined(world)) == 1
        assert [state for _, state, _ in world.outbox()] == ["applied"]

    in_world(tmp_path, story, policy=DECLINES, room="capacity = 6")


def test_a_lost_decline_is_not_taken_for_done_by_a_read_from_before_the_booking(tmp_path: Path) -> None:
    """The request is lost, and for a minute reads show how it was before: it is sent again."""

    async def story(world: World) -> None:
        await world.until("09:00:30")
        long = world.exchange.book(ANA, ORION, at("11:00"), at("13:30"))

        def lose(point: str) -> None:
            if point == "before_send":
                world.checkpoint = lambda _: None
                now, faults = world.clock.now(), world.exchange.faults
                faults.add(Drop(after_effect=False), method="POST", path="/decline")
                faults.add(
                    Stale(2 * MINUTE_MS), method="GET", path=ORION, times=None, during=(now, now + MINUTE_MS)
                )

        world.checkpoint = lose
        await world.until("09:30")
        assert len(world.exchange.faults.rules) == 2
        assert world.outbox() == [("refuse", "applied", "")]
        assert world.exchange.status(long, ORION).response == "declined"
        assert len(declined(world)) == 1

    in_world(tmp_path, story, policy=DECLINES, room="capacity = 6")


def test_an_organizer_who_mends_it_in_time_keeps_the_room(tmp_path: Path) -> None:
    """Between decision and write it became short enough: read again, changed, left alone."""

    async def story(world: World) -> None:
        await world.until("09:00:30")
        long = world.exchange.book(ANA, ORION, at("11:00"), at("13:30"))

        def mend(point: str) -> None:
            if point == "after_commit" and world.decisions("rule_broken"):
                world.checkpoint = lambda _: None
                world.exchange.move(long, at("11:00"), at("12:30"))

        world.checkpoint = mend
        await world.until("09:05")
        assert world.exchange.status(long, ORION).response == "accepted"
        assert [(action, state) for action, state, _ in world.outbox()] == [("refuse", "superseded")]
        assert len(world.decisions("not_declined")) == 1

    in_world(tmp_path, story, policy=DECLINES, room="capacity = 6")


AHEAD = """
rules = { too_early = "decline", blackout = "decline", too_many = "decline", not_allowed = "decline" }
ahead = "30d"
blackouts = "2026-10-14/2026-10-16"
allowed_organizers = ["@contoso.com"]
exempt_organizers = ["person-009@contoso.com"]
"""


def far_ahead(world: World) -> dict[str, list[Booking]]:
    """What the core knows of the room beyond tomorrow."""
    assert world.service is not None
    state = world.service.brain.site.rooms["orion"].state
    end = at("00:00") + 2 * DAY_MS
    return {"calendar": [one for one in state.calendar.values() if one.start >= end]}


def test_what_is_booked_far_ahead_against_a_rule_is_declined_within_the_hour(tmp_path: Path) -> None:
    """Too early, on a closed day, by a stranger: soon, and not the day before. What is fine stays.

    A booking that waits beyond of the horizon counts as well, and what is exempt is only reported.
    """

    async def story(world: World) -> None:
        exchange = world.exchange
        exchange.mailboxes.mailbox(ORION).processing = Processing(booking_window_in_days=0)

        def book(days: int, organizer: str = ANA) -> OrganizerEvent:
            return exchange.book(organizer, ORION, at("10:00") + days * DAY_MS, at("11:00") + days * DAY_MS)

        await world.until("09:00")
        early, very_early, closed, fine = book(31), book(700), book(16), book(20)
        exempt = book(40, "person-009@contoso.com")
        stranger = book(21, "ana@fabrikam.com")
        await world.until("10:30")
        for event in (early, very_early, closed, stranger):
            assert exchange.status(event, ORION).response == "declined"
        for event in (fine, exempt):
            assert exchange.status(event, ORION).response == "accepted"
        assert sorted(declined(world)) == [
            "This room can be booked 30 days ahead at the most.",
            "This room can be booked 30 days ahead at the most.",
            "This room is closed to bookings at that time. Please choose another time or room.",
        ]
        assert {(action, state) for action, state, _ in world.outbox()} == {("refuse", "applied")}
        assert len(world.decisions("rule_broken")) == 5
        await world.until("12:30")
        assert [one.start for one in far_ahead(world)["calendar"]] == [at("10:00") + 40 * DAY_MS]
        assert len(world.decisions("rule_broken")) == 5
        assert len(world.outbox()) == 4
        assert world.service is not None
        (room,) = (await world.service.status())["rooms"]
        assert room["next"] is None

    in_world(tmp_path, story, policy=AHEAD, room="capacity = 6")


def test_a_series_too_far_ahead_is_reported_once_and_left_to_people(tmp_path: Path) -> None:
    """One date stands for all, hour after hour; it is not taken for cancelled as it comes near."""

    async def story(world: World) -> None:
        exchange = world.exchange
        exchange.mailboxes.mailbox(ORION).processing = Processing(booking_window_in_days=0)
        start = at("09:30") + 29 * DAY_MS  # in two hours a date that was too early is so no more
        event = exchange.book(ANA, ORION, start, start + HOUR_MS, recurrence=daily(count=5))
        await world.until("12:30")
        assert exchange.status(event, ORION).response == "accepted"
        (told,) = world.decisions("rule_broken")
        assert "about which a person decides" in explain(told, str)
        assert world.outbox() == []
        assert len(far_ahead(world)["calendar"]) == 1
        assert world.decisions("over") == []

    in_world(tmp_path, story, policy=AHEAD, room="capacity = 6")


def test_in_shadow_nothing_far_ahead_is_declined(tmp_path: Path) -> None:
    """It is reported, as in the calendar of the day."""

    async def story(world: World) -> None:
        start = at("10:00") + 100 * DAY_MS
        event = world.exchange.book(ANA, ORION, start, start + HOUR_MS)
        await world.until("10:00")
        assert world.exchange.status(event, ORION).response == "accepted"
        (told,) = world.decisions("rule_broken")
        assert "shadow" in explain(told, str)

    in_world(tmp_path, story, policy=AHEAD, room="capacity = 6", mode="shadow")
