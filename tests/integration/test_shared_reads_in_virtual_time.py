"""Many rooms and their calendars: few requests, nothing missed, and no room waits for another."""

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from harness import World, at, in_world

from gateway.core.booking import Booking
from gateway.core.events import CalendarRead
from gateway.core.occupancy import Occupancy
from gateway.core.policy import RoomConfig
from gateway.core.room import Room, RoomState
from gateway.core.units import HOUR_MS, MINUTE_MS, Duration
from gateway.exchange.hours import Hours
from gateway.ledger import LedgerReader
from gateway.runtime.pace import Budget, Pace
from simulators.exchange.faults import Refuse

pytestmark = pytest.mark.thorough  # outside of coverage: its virtual days take long with it

NO_HORIZON = 'horizon = "0s"'
"""Requests are counted here, and the months to come have theirs."""
ANA = "person-001@contoso.com"
ROOMS = tuple(f"room-{number:02}" for number in range(1, 25))
ZONE = ZoneInfo("UTC")
PACE = Pace(MINUTE_MS, 15 * MINUTE_MS, Hours.of(("mon-fri 06:00-20:00",)))


def test_rooms_share_their_requests_and_each_calendar_is_a_minute_old_at_most(tmp_path: Path) -> None:
    """24 rooms cost two requests a minute; new bookings are known within that minute, in every room."""

    async def story(world: World) -> None:
        assert world.service is not None
        await world.until("09:00")
        asked, sent = world.exchange.requests.routes, world.service.graph.requests
        before, inner, batches = asked["GET calendarView"], sent.batched, asked["POST $batch"]
        await world.until("09:30")
        assert asked["POST $batch"] - batches == 2 * 30
        assert asked["GET calendarView"] - before == sent.batched - inner == 24 * 30
        for room in ROOMS:
            world.exchange.book(ANA, f"{room}@contoso.com", at("10:00"), at("11:00"))
        await world.until("09:31:05")
        status = await world.service.status()
        assert {room["room"] for room in status["rooms"] if room["next"]} == set(ROOMS)
        assert all(room["calendar"]["age_s"] <= 60 for room in status["rooms"])
        assert status["gateway"]["graph_requests"]["today"] == world.service.graph.requests.total

    in_world(tmp_path, story, rooms=ROOMS, exchange=NO_HORIZON)


def test_a_room_that_cannot_be_read_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    """One mailbox is denied, another throttled for long: both are told, and the rest is as fresh as ever."""

    async def story(world: World) -> None:
        assert world.service is not None
        await world.until("09:00")
        faults = world.exchange.faults
        faults.add(Refuse(403, "ErrorAccessDenied"), path="room-03@", times=None)
        faults.add(Refuse(429, "ApplicationThrottled", retry_after="40"), path="room-04@", times=None)
        await world.until("09:10:30")
        status = await world.service.status()
        ages = {room["room"]: room["calendar"]["age_s"] for room in status["rooms"]}
        assert {room for room, age in ages.items() if age > 60} == {"room-03", "room-04"}
        assert set(status["gateway"]["calendars_in_trouble"]) == {"room-03", "room-04"}
        faults.clear()
        await world.until("09:12")
        status = await world.service.status()
        assert status["gateway"]["calendars_in_trouble"] == {}

    in_world(tmp_path, story, rooms=ROOMS)


def test_calendars_rest_at_night_and_wake_for_a_booking(tmp_path: Path) -> None:
    """Outside of working hours each quarter of an hour; from half an hour before a booking each minute."""

    async def story(world: World) -> None:
        asked = world.exchange.requests.routes
        await world.until("20:01")
        before = asked["GET calendarView"]
        await world.until("22:01")
        assert asked["GET calendarView"] - before == 8
        world.exchange.book(ANA, "orion@contoso.com", at("23:00"), at("23:30"))
        await world.until("22:35")
        before = asked["GET calendarView"]
        await world.until("22:45")
        assert asked["GET calendarView"] - before == 10
        assert world.service is not None
        (room,) = (await world.service.status())["rooms"]
        assert room["calendar"]["may_be_old_s"] == 60

    in_world(tmp_path, story, exchange=NO_HORIZON)


def test_once_the_days_requests_are_spent_only_bookings_are_a_reason_to_look_often(tmp_path: Path) -> None:
    """The limit is for routine: the calendar rests as at night, a booking is looked after as always."""

    async def story(world: World) -> None:
        asked = world.exchange.requests.routes
        await world.until("09:00")
        before = asked["GET calendarView"]
        await world.until("10:00")
        assert asked["GET calendarView"] - before == 4
        world.exchange.book(ANA, "orion@contoso.com", at("11:00"), at("12:00"))
        await world.until("11:20")
        assert [d.kind for d in world.decisions("released")] == ["released"]

    in_world(tmp_path, story, exchange="requests_per_room = 50")


def test_a_hint_during_a_look_brings_another_look(tmp_path: Path) -> None:
    """What a look in progress sees may be older than the hint; and no room is looked at twice at once."""

    async def story(world: World) -> None:
        assert world.service is not None
        await world.until("09:00:30")
        sync, hints = world.service.sync, world.service.hints
        before = world.exchange.requests.routes["GET calendarView"]
        sync._looking.add("orion")
        hints.nudge("orion")
        await world.until("09:00:31")
        assert world.exchange.requests.routes["GET calendarView"] == before
        sync._seen("orion")
        await world.until("09:00:32")
        assert world.exchange.requests.routes["GET calendarView"] == before + 1

    in_world(tmp_path, story)


def test_an_unchanged_calendar_is_journaled_seldom(tmp_path: Path) -> None:
    """A look in ten minutes where nothing is booked: nothing hangs on them, and a disk lasts longer so."""

    async def story(world: World) -> None:
        await world.until("09:00")
        with LedgerReader(world.settings.ledger.path) as reader:
            before = sum(type(event).__name__ == "CalendarRead" for _, _, event in reader.events())
        await world.until("10:00")
        with LedgerReader(world.settings.ledger.path) as reader:
            after = sum(type(event).__name__ == "CalendarRead" for _, _, event in reader.events())
        assert after - before == 6

    in_world(tmp_path, story)


def test_what_is_new_tells_when_somebody_had_looked_before(tmp_path: Path) -> None:
    """A minute before, though that look was not journaled: the booking was made after it."""

    async def story(world: World) -> None:
        assert world.service is not None
        await world.until("09:29:30")
        world.exchange.book(ANA, "orion@contoso.com", at("11:00"), at("12:00"))
        await world.until("09:31:05")
        reads = [event for event in world.events() if isinstance(event, CalendarRead)]
        before = reads[-1].looked_before
        assert reads[-1].changed
        assert before is not None
        assert at("09:28:30") <= before <= at("09:29:30")
        assert world.service.brain.site.rooms["orion"].state.looked_before == before

    in_world(tmp_path, story)


def test_what_was_folded_before_the_memory_was_reloaded_tells_nothing_of_what_is_new(tmp_path: Path) -> None:
    """What such a look was compared with was not durable: it may have shown the very booking that is news."""

    async def story(world: World) -> None:
        assert world.service is not None
        await world.until("09:29:30")
        world.service.brain.fail(RuntimeError("on purpose"))
        world.exchange.book(ANA, "orion@contoso.com", at("11:00"), at("12:00"))
        await world.until("09:32:05")
        reads = [event for event in world.events() if isinstance(event, CalendarRead)]
        assert reads[-1].changed
        assert reads[-1].looked_before is None

    in_world(tmp_path, story)


def room(*bookings: Booking, status: str = "vacant") -> Room:
    """A room with this calendar."""
    state = RoomState(RoomConfig("orion"), calendar={booking.key: booking for booking in bookings})
    return Room(msgspec.structs.replace(state, occupancy=Occupancy(status)))  # type: ignore[arg-type] # a literal


@pytest.mark.parametrize(
    ("now", "start", "status", "expected"),
    [
        ("10:00", None, "vacant", MINUTE_MS),
        ("21:00", None, "vacant", 15 * MINUTE_MS),
        ("21:00", None, "unknown", 15 * MINUTE_MS),
        ("21:00", None, "occupied", MINUTE_MS),
        ("21:00", "21:31", "vacant", 15 * MINUTE_MS),
        ("21:00", "21:30", "vacant", MINUTE_MS),
        ("21:00", "20:30", "vacant", MINUTE_MS),
        ("22:00", "20:30", "vacant", 15 * MINUTE_MS),
    ],
)
def test_the_pace_of_a_room(now: str, start: str | None, status: str, expected: Duration) -> None:
    """Often in working hours, near a booking and while somebody is there; seldom otherwise."""
    bookings = [] if start is None else [Booking("a", "1", at(start), at(start) + HOUR_MS)]
    assert PACE.of(room(*bookings, status=status), at(now), ZONE) == expected


def test_a_spent_budget_slows_routine_only() -> None:
    """Near a booking nothing changes."""
    assert PACE.of(room(), at("10:00"), ZONE, is_spent=True) == 15 * MINUTE_MS
    near = room(Booking("a", "1", at("10:10"), at("11:00")))
    assert PACE.of(near, at("10:00"), ZONE, is_spent=True) == MINUTE_MS
    lazy = Pace(30 * MINUTE_MS, 15 * MINUTE_MS, Hours())
    assert lazy.of(room(), at("10:00"), ZONE, is_spent=True) == 30 * MINUTE_MS, "never more often than often"


def test_a_budget_is_for_one_day() -> None:
    """It counts from the day's first request, and begins anew with each day."""
    sent, today = 7, date(2026, 9, 28)
    budget = Budget(10, lambda: sent, lambda: today)
    assert (budget.used, budget.is_spent) == (0, False)
    sent = 17
    assert (budget.used, budget.is_spent) == (10, True)
    today = date(2026, 9, 29)
    assert (budget.used, budget.is_spent) == (0, False)
    sent = 20
    assert budget.used == 3
