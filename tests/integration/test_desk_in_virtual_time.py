"""Booking through the gateway, through every part but the sockets: one booking, or none and the reason.

Whatever happens to answers, processes and calendars meanwhile, nobody's booking is written over.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from harness import EIGHT, World, at, configuration, in_world
from hypothesis import given, settings
from hypothesis import strategies as st
from scenarios import FACTOR

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from gateway.ledger import LedgerReader
from gateway.runtime.wishes import Wish
from simulators.clock import VirtualClock, run_virtual
from simulators.exchange import CalendarItem, ExchangeSimulator
from simulators.exchange.faults import Drop, Fault, Refuse, Silence
from simulators.link import MemoryLink

Json = dict[str, Any]

pytestmark = pytest.mark.thorough  # outside of coverage: its virtual days take long with it

ORION = "orion@contoso.com"
LYRA = "lyra@contoso.com"
ANA = "person-001@contoso.com"
DESK = "Booked at the room"


FAULTS: list[Fault] = [
    Silence(after_effect=True),
    Silence(after_effect=False),
    Drop(after_effect=True),
    Drop(after_effect=False),
    Refuse(503),
    Refuse(429, retry_after="3"),
    Refuse(409, "ErrorConflict"),
]


def fault_name(fault: Fault) -> str:
    """Names a test's case."""
    told = getattr(fault, "status", getattr(fault, "after_effect", ""))
    return f"{type(fault).__name__}-{told}"


async def tell(world: World, command: str, room: str = "orion", **more: Any) -> Json:
    """Give a command as the control socket does."""
    assert world.service is not None
    return await world.service.command({"command": command, "room": room, **more})


async def book(world: World, start: str, length_ms: int, room: str = "orion", /, **more: Any) -> Json:
    """Book from a time of the test day ("" for now)."""
    asked = {"start": at(start) if start else None, "length": length_ms, "ask": f"ask-{start}-{room}"}
    return await tell(world, "book", room, **(asked | more))


def own(world: World, mailbox: str = ORION) -> list[CalendarItem]:
    """What people booked through a gateway, by start."""
    items = world.exchange.calendar(mailbox, at("00:00"), at("23:59") + DAY_MS)
    return [item for item in items if item.is_organizer and DESK in item.categories]


# -- booking ------------------------------------------------------------------------------------------


def test_what_is_booked_is_in_the_mailbox_and_in_the_ledger(tmp_path: Path) -> None:
    """An event that the room organises, called as asked, for whom it is; the fact is on record."""

    async def story(world: World) -> None:
        answer = await book(world, "14:00", 30 * MINUTE_MS, title="Review", organizer=ANA)
        (item,) = own(world)
        assert (item.start_ms, item.end_ms, item.subject) == (at("14:00"), at("14:30"), "Review")
        assert [attendee.address for attendee in item.attendees] == [ANA]
        assert item.show_as == "busy"
        assert answer["booking"] == item.ical_uid
        assert answer["start"] == "2026-09-28T14:00:00+00:00"
        assert answer["said"] == ["Booked: orion on Mon 28 Sep from 14:00 to 14:30."]
        assert world.outbox() == [("book", "applied", "")]
        (asked,) = world.decisions("booking_asked")
        assert asked.write is not None
        life = world.service.brain.site.rooms["orion"].state.lives[item.ical_uid]  # type: ignore[union-attr]
        assert not life.is_ours, "it is a person's, and counts like any other"

    in_world(tmp_path, story)
    for path in tmp_path.glob("ledger.db*"):
        content = path.read_bytes()
        assert b"Review" not in content
        assert ANA.encode() not in content, "names stay out"


def test_the_subject_and_the_category_come_from_the_settings(tmp_path: Path) -> None:
    """Where no title is given."""

    async def story(world: World) -> None:
        assert "error" not in await book(world, "14:00", 30 * MINUTE_MS)
        (item,) = world.exchange.calendar(ORION, at("14:00"), at("15:00"))
        assert (item.subject, item.categories, item.attendees) == ("Am Raum gebucht", ("Raum",), ())

    in_world(tmp_path, story, exchange='desk_subject = "Am Raum gebucht"\ndesk_category = "Raum"')


@pytest.mark.parametrize("here", [True, False])
def test_whoever_books_at_the_door_for_now_is_checked_in(tmp_path: Path, here: bool) -> None:
    """By a person's word, so it is nobody's ghost; whoever books from afar has yet to come."""

    async def story(world: World) -> None:
        await world.until("09:00")
        answer = await book(world, "", 30 * MINUTE_MS, here=here, by="panel")
        assert answer["checked_in"] is here
        life = world.service.brain.site.rooms["orion"].state.lives[answer["booking"]]  # type: ignore[union-attr]
        assert life.checked_in_by_person is here
        later = await book(world, "12:00", 30 * MINUTE_MS, here=here)
        assert later["checked_in"] is False

    in_world(tmp_path, story)


@pytest.mark.parametrize(
    ("start", "length_ms", "more", "code", "said"),
    [
        ("07:30", HOUR_MS, {}, "not_possible", "has passed"),
        ("14:00", 5 * HOUR_MS, {}, "not_possible", "longer than 4h"),
        ("14:00", 1_000, {}, "not_possible", "shorter than 1m"),
        ("14:00", HOUR_MS, {"title": "two\nlines"}, "not_possible", "printable"),
        ("14:00", HOUR_MS, {"organizer": "Ana"}, "not_possible", "e-mail address"),
        ("14:00", HOUR_MS, {"length": "an hour"}, "malformed", "cannot be understood"),
        ("14:00", HOUR_MS, {"start": 10**18}, "malformed", "cannot be understood"),
        ("14:00", HOUR_MS, {"length": -1}, "malformed", "cannot be understood"),
        ("14:00", HOUR_MS, {"start": at("09:00") + 2 * DAY_MS}, "not_possible", "no further ahead"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(
    tmp_path: Path, start: str, length_ms: int, more: Json, code: str, said: str
) -> None:
    """And nothing is asked of Exchange."""

    async def story(world: World) -> None:
        answer = await book(world, start, length_ms, **more)
        assert answer["code"] == code
        assert said in answer["error"]
        assert world.outbox() == []

    in_world(tmp_path, story)


def test_booking_rules_are_asked_before_anything_is_booked(tmp_path: Path) -> None:
    """With the wish and the present; what they object to is said as it is."""

    async def story(world: World) -> None:
        seen: list[tuple[Wish, int]] = []

        def objections(wish: Wish, now: int) -> list[str]:
            seen.append((wish, now))
            return ["at noon the room is cleaned"] if wish.start == at("12:00") else []

        assert world.service is not None
        world.service.desk.objections = objections
        answer = await book(world, "12:00", HOUR_MS, organizer=ANA)
        assert answer == {"error": "Not booked: at noon the room is cleaned.", "code": "not_allowed"}
        assert "error" not in await book(world, "13:00", HOUR_MS)
        assert [(wish.organizer, now >= EIGHT) for wish, now in seen] == [(ANA, True), ("", True)]

    in_world(tmp_path, story)


def test_in_shadow_mode_nothing_is_written(tmp_path: Path) -> None:
    """The answer says so, and how to change it."""

    async def story(world: World) -> None:
        answer = await book(world, "14:00", HOUR_MS)
        assert answer["code"] == "shadow"
        assert "occupancy-gateway live orion" in answer["error"]
        assert own(world) == []

    in_world(tmp_path, story, mode="shadow")


@pytest.mark.parametrize(("start", "end"), [("13:30", "14:10"), ("14:10", "14:20"), ("14:29", "15:00")])
def test_nothing_is_booked_over_a_booking_that_the_gateway_has_not_seen_yet(
    tmp_path: Path, start: str, end: str
) -> None:
    """Exchange is looked at right before; the answer tells what is there."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at(start), at(end))
        answer = await book(world, "14:00", 30 * MINUTE_MS)
        assert answer["code"] == "not_free"
        assert f"orion is taken on Mon 28 Sep from {start} to {end}" in answer["error"]
        assert own(world) == []
        assert "error" not in await book(world, "15:00", 30 * MINUTE_MS)

    in_world(tmp_path, story)


def test_a_day_that_is_shown_as_busy_is_booked_by_nobody_and_a_free_one_is_a_note(tmp_path: Path) -> None:
    """As Exchange's own attendant sees it, though the gateway's rules take neither for a meeting."""

    async def story(world: World) -> None:
        midnight = at("00:00")
        world.exchange.book_in_room(ORION, midnight, midnight + DAY_MS, all_day=True, show_as="free")
        assert "error" not in await book(world, "14:00", 30 * MINUTE_MS)
        world.exchange.book_in_room(ORION, midnight, midnight + DAY_MS, all_day=True)
        answer = await book(world, "16:00", 30 * MINUTE_MS)
        assert "orion is taken for the whole day" in answer["error"]

    in_world(tmp_path, story)


def test_back_to_back_bookings_do_not_meet(tmp_path: Path) -> None:
    """One ends where the next begins."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("13:00"), at("14:00"))
        world.exchange.book(ANA, ORION, at("14:30"), at("15:00"))
        assert "error" not in await book(world, "14:00", 30 * MINUTE_MS)

    in_world(tmp_path, story)


def test_a_part_is_not_booked_while_the_whole_is_and_the_other_way_round(tmp_path: Path) -> None:
    """They share the space, though each has a mailbox of its own."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, "hall@contoso.com", at("14:00"), at("15:00"))
        assert "hall is taken" in (await book(world, "14:00", 30 * MINUTE_MS))["error"]
        assert "error" not in await book(world, "16:00", 30 * MINUTE_MS)
        assert "orion is taken" in (await book(world, "16:00", 30 * MINUTE_MS, "hall"))["error"]

    hall = '[[room]]\nid = "hall"\nmailbox = "hall@contoso.com"\nmode = "live"\nparts = ["orion", "lyra"]\n'
    in_world(tmp_path, story, rooms=("orion", "lyra"), more=hall)


# -- lost answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS, ids=fault_name)
def test_whatever_happens_to_the_answer_there_is_one_booking(tmp_path: Path, fault: Fault) -> None:
    """A lost answer is settled by the transaction id; the person hears of the one that there is."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        rule = world.exchange.faults.add(fault, method="POST", path="/events")
        answer = await book(world, "14:00", 30 * MINUTE_MS)
        assert rule.struck == 1
        (item,) = own(world)
        assert answer["booking"] == item.ical_uid
        assert [state for _, state, _ in world.outbox()] == ["applied"]

    in_world(tmp_path, story)


def test_an_exchange_that_stays_away_books_nothing_and_says_so(tmp_path: Path) -> None:
    """Before the panel's patience ends, and nothing comes after it either: a 429 has had no effect."""

    async def story(world: World) -> None:
        throttles = Refuse(429, "ApplicationThrottled", retry_after="20")
        world.exchange.faults.add(throttles, method="POST", path="/events", times=None)
        asked_at = asyncio.get_running_loop().time()
        answer = await book(world, "14:00", 30 * MINUTE_MS)
        assert answer == {
            "error": "Not booked: Exchange could not be asked in time.",
            "code": "exchange",
        }
        assert asyncio.get_running_loop().time() - asked_at < 70
        world.exchange.faults.clear()
        await world.until("08:30")
        assert own(world) == []

    in_world(tmp_path, story)


def test_a_calendar_that_cannot_be_looked_at_books_nothing(tmp_path: Path) -> None:
    """A lost permission is never an empty calendar."""

    async def story(world: World) -> None:
        world.exchange.faults.add(Refuse(403, "ErrorAccessDenied"), path="/calendarView", times=None)
        answer = await book(world, "14:00", 30 * MINUTE_MS)
        assert answer["code"] == "exchange"
        assert "the application may not use this mailbox" in answer["error"]
        assert world.outbox() == []

    in_world(tmp_path, story)


def test_an_answer_that_is_lost_for_good_is_told_as_unclear_and_settled_later(tmp_path: Path) -> None:
    """Nobody is told "not booked" of what may be there; asked again, it is the same booking."""

    async def story(world: World) -> None:
        world.exchange.faults.add(Drop(after_effect=True), method="POST", path="/events")
        world.exchange.faults.add(Refuse(503), path="/calendarView", skip=3, times=None)
        answer = await book(world, "14:00", 30 * MINUTE_MS)
        assert answer["code"] == "unclear"
        assert "occupancy-gateway bookings --room orion" in answer["error"]
        world.exchange.faults.clear()
        await world.until("08:10")
        assert [state for _, state, _ in world.outbox()] == ["applied"]
        assert len(own(world)) == 1

    in_world(tmp_path, story)


def test_a_request_that_is_repeated_is_the_same_booking(tmp_path: Path) -> None:
    """While it is being followed, afterwards, and by a gateway that was started again meanwhile."""

    async def story(world: World) -> None:
        wish = ("14:00", 30 * MINUTE_MS)
        first, second = await asyncio.gather(book(world, *wish), book(world, *wish))
        third = await book(world, *wish)
        assert first == second == third
        assert len(own(world)) == 1
        await world.stop()
        await world.start()
        again = await book(world, *wish)
        assert again["code"] == "not_free"
        assert len(own(world)) == 1

    in_world(tmp_path, story)


def test_a_process_that_ends_before_the_answer_leaves_one_booking(tmp_path: Path) -> None:
    """The row of the outbox goes on in the next one, under the same transaction id."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 600.0
        world.exchange.faults.add(Silence(after_effect=True), method="POST", path="/events")
        asked = asyncio.create_task(book(world, "14:00", 30 * MINUTE_MS))
        await asyncio.sleep(5)
        assert len(own(world)) == 1
        await world.stop()
        asked.cancel()
        await world.start()
        await world.until("08:05")
        assert len(own(world)) == 1
        assert [state for _, state, _ in world.outbox()] == ["applied"]

    in_world(tmp_path, story)


# -- at once ------------------------------------------------------------------------------------------


def test_two_people_at_one_gateway_get_one_booking(tmp_path: Path) -> None:
    """The second hears that somebody was quicker."""

    async def story(world: World) -> None:
        world.exchange.faults.latency_s = 0.3
        one = book(world, "14:00", 30 * MINUTE_MS, ask="one")
        two = book(world, "14:15", 30 * MINUTE_MS, ask="two")
        answers = await asyncio.gather(one, two)
        assert sorted(answer.get("code", "") for answer in answers) == ["booked", "not_free"]
        assert len(own(world)) == 1

    in_world(tmp_path, story)


def test_a_booking_in_outlook_that_comes_in_between_stays(tmp_path: Path) -> None:
    """Somebody was told that they have the room; whoever waits before the panel has not."""

    async def story(world: World) -> None:
        def in_between(point: str) -> None:
            if point == "before_send":
                world.exchange.book(ANA, ORION, at("14:00"), at("15:00"))

        world.checkpoint = in_between
        answer = await book(world, "14:00", 30 * MINUTE_MS)
        assert answer == {
            "error": "Not booked: somebody else booked orion at the same moment.",
            "code": "not_free",
        }
        (item,) = world.exchange.calendar(ORION, at("13:00"), at("16:00"))
        assert not item.is_organizer
        assert world.outbox()[0] == ("book", "superseded", "not_free")

    in_world(tmp_path, story)


def test_beside_one_of_the_very_same_instant_that_stays_none_is_kept(tmp_path: Path) -> None:
    """Its gateway may have looked before ours was there, and have told somebody that they have the room."""

    async def story(world: World) -> None:
        def in_between(point: str) -> None:
            if point == "before_send":
                world.exchange.book_in_room(ORION, at("14:00"), at("15:00"), categories=(DESK,))

        world.checkpoint = in_between
        answer = await book(world, "14:00", 30 * MINUTE_MS)
        assert answer["code"] == "not_free"
        (item,) = own(world)
        assert item.end_ms == at("15:00")

    in_world(tmp_path, story)


def test_a_booking_that_gives_way_does_so_whatever_happens_to_the_answer(tmp_path: Path) -> None:
    """Taking it back is asked for until the calendar shows that it is gone."""

    async def story(world: World) -> None:
        def in_between(point: str) -> None:
            if point == "before_send":
                world.exchange.book(ANA, ORION, at("14:00"), at("15:00"))

        world.checkpoint = in_between
        world.exchange.faults.add(Drop(after_effect=False), method="DELETE")
        world.exchange.faults.add(Refuse(503), method="DELETE")
        answer = await book(world, "14:00", 30 * MINUTE_MS)
        assert answer["code"] == "not_free"
        assert own(world) == []

    in_world(tmp_path, story)


class Two:
    """Two gateways for the same rooms, each with a ledger of its own."""

    def __init__(self, folder: Path, clock: VirtualClock, rooms: tuple[str, ...] = ("orion",)) -> None:
        mailboxes = [f"{room}@contoso.com" for room in rooms]
        exchange = ExchangeSimulator(rooms=mailboxes, now=clock.now)
        self.worlds: list[World] = []
        for name in ("east", "west"):
            own_folder = folder / name
            own_folder.mkdir(parents=True)
            settings = configuration(own_folder, rooms)
            self.worlds.append(World(own_folder, clock, exchange, MemoryLink(), settings))

    async def run(self, story: Callable[[World, World], Awaitable[None]]) -> None:
        """Start both, tell the story, stop both."""
        try:
            for world in self.worlds:
                await world.start()
            await story(*self.worlds)
        finally:
            for world in self.worlds:
                await world.end()


def in_two(folder: Path, story: Callable[[World, World], Awaitable[None]]) -> None:
    """Run a story with two gateways, in virtual time."""

    async def main(clock: VirtualClock) -> None:
        await Two(folder, clock).run(story)

    run_virtual(main, EIGHT)


@pytest.mark.parametrize("apart_s", [0.0, 0.001, 0.05, 0.15, 0.4])
def test_of_two_gateways_that_book_at_once_the_first_stays(tmp_path: Path, apart_s: float) -> None:
    """By the order in which Exchange made them; the other takes its own back and says so."""

    async def story(east: World, west: World) -> None:
        east.exchange.faults.latency_s = 0.1

        async def later() -> Json:
            await asyncio.sleep(apart_s)
            return await book(west, "14:15", 30 * MINUTE_MS, ask="west")

        first, second = await asyncio.gather(book(east, "14:00", 30 * MINUTE_MS, ask="east"), later())
        codes = [first["code"], second["code"]]
        assert codes in (["booked", "not_free"], ["not_free", "booked"])
        if apart_s:
            assert codes == ["booked", "not_free"], "who was first stays"
        (item,) = own(east)
        assert item.ical_uid in (first.get("booking"), second.get("booking"))
        await east.until("08:30")
        assert len(own(east)) == 1

    in_two(tmp_path, story)


# -- whatever the order -------------------------------------------------------------------------------


class Ask(NamedTuple):
    """Somebody books, so long after the story begins: quarters of an hour from 14:00."""

    at_ms: int
    quarter: int
    quarters: int

    @property
    def span(self) -> tuple[int, int]:
        """Start and end."""
        start = at("14:00") + self.quarter * 15 * MINUTE_MS
        return start, start + self.quarters * 15 * MINUTE_MS


class Rush(NamedTuple):
    """Two gateways, what is asked of each, how slow their networks are, and what goes wrong."""

    east: tuple[Ask, ...]
    west: tuple[Ask, ...]
    delays_ms: tuple[int, ...]
    faults: tuple[tuple[Fault, str, int], ...] = ()
    """Each with the method that it strikes, and how many of these pass unharmed before."""
    outlook: tuple[Ask, ...] = ()


class Slow:
    """Exchange behind a slow network: each request and each answer takes its own time."""

    def __init__(self, exchange: ExchangeSimulator, delays_ms: tuple[int, ...], offset: int) -> None:
        self._exchange = exchange
        self._delays = itertools.islice(itertools.cycle(delays_ms), offset, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    async def app(self, *call: Any) -> None:
        """As the simulator's, later."""
        await asyncio.sleep(next(self._delays) / 1000)
        await self._exchange.app(*call)
        await asyncio.sleep(next(self._delays) / 1000)


ASKS = st.builds(Ask, st.integers(0, 1_500), st.integers(0, 3), st.integers(1, 3))
ANSWERS_LOST = st.sampled_from(FAULTS[:-1])
RUSHES = st.builds(
    Rush,
    st.lists(ASKS, min_size=1, max_size=2).map(tuple),
    st.lists(ASKS, min_size=1, max_size=2).map(tuple),
    st.lists(st.integers(0, 400), min_size=1, max_size=9).map(tuple),
    st.lists(st.tuples(ANSWERS_LOST, st.sampled_from(["POST", "DELETE"]), st.integers(0, 2)), max_size=2).map(
        tuple
    ),
    st.lists(ASKS, max_size=1).map(tuple),
)


class Outcome(NamedTuple):
    """What came of a rush: each ask with its answer, and what the room's calendar holds in the end."""

    answers: list[tuple[Ask, Json]]
    held: list[CalendarItem]
    booked: list[CalendarItem]


def rush(folder: Path, script: Rush) -> Outcome:
    """Play it in virtual time."""
    outcome: list[Outcome] = []

    async def ask(world: World, one: Ask, name: str) -> tuple[Ask, Json]:
        await asyncio.sleep(one.at_ms / 1000)
        start, end = one.span
        return one, await book(world, "", end - start, start=start, ask=name)

    async def in_outlook(world: World, one: Ask) -> None:
        await asyncio.sleep(one.at_ms / 1000)
        world.exchange.book(ANA, ORION, *one.span)

    async def main(clock: VirtualClock) -> None:
        two = Two(folder, clock)
        exchange = two.worlds[0].exchange
        for offset, world in enumerate(two.worlds):
            world.exchange = cast("ExchangeSimulator", Slow(exchange, script.delays_ms, 5 * offset))

        async def story(east: World, west: World) -> None:
            exchange.faults.silence_s = 30.0
            for fault, method, skip in script.faults:
                path = "/events" if method == "POST" else ""
                exchange.faults.add(fault, method=method, path=path, skip=skip)
            asks = [ask(east, one, f"east-{n}") for n, one in enumerate(script.east)]
            asks += [ask(west, one, f"west-{n}") for n, one in enumerate(script.west)]
            outlook = [asyncio.create_task(in_outlook(east, one)) for one in script.outlook]
            answers = list(await asyncio.gather(*asks))
            await asyncio.gather(*outlook)
            await asyncio.sleep(180)
            items = exchange.calendar(ORION, at("13:00"), at("18:00"))
            outcome.append(Outcome(answers, items, [item for item in items if DESK in item.categories]))

        await two.run(story)

    run_virtual(main, EIGHT)
    return outcome[0]


@pytest.mark.thorough
@settings(max_examples=60 * FACTOR)
@given(script=RUSHES)
def test_whatever_the_order_no_two_bookings_overlap_and_every_answer_is_true(
    tmp_path_factory: pytest.TempPathFactory, script: Rush
) -> None:
    """Two gateways, lost answers, and somebody in Outlook in between."""
    outcome = rush(tmp_path_factory.mktemp("rush"), script)
    for one, other in itertools.pairwise(outcome.held):
        assert one.end_ms <= other.start_ms
    there = {item.ical_uid: (item.start_ms, item.end_ms) for item in outcome.booked}
    told = {answer["booking"]: ask.span for ask, answer in outcome.answers if answer["code"] == "booked"}
    codes = {answer["code"] for _, answer in outcome.answers}
    assert codes <= {"booked", "not_free", "exchange", "unclear"}
    assert told.items() <= there.items(), "whoever was told that they have the room has it"
    if "unclear" not in codes:
        assert told == there, "and nobody else has"


@pytest.mark.thorough
@settings(max_examples=40 * FACTOR)
@given(one=ASKS, other=ASKS, delays=st.lists(st.integers(0, 400), min_size=1, max_size=9).map(tuple))
def test_of_two_that_want_the_same_room_one_gets_it(
    tmp_path_factory: pytest.TempPathFactory, one: Ask, other: Ask, delays: tuple[int, ...]
) -> None:
    """Giving way must not end in an empty room, as long as nothing goes wrong."""
    outcome = rush(tmp_path_factory.mktemp("pair"), Rush((one,), (other,), delays))
    apart = one.span[1] <= other.span[0] or other.span[1] <= one.span[0]
    assert len(outcome.booked) == (2 if apart else 1)


# -- cancelling ---------------------------------------------------------------------------------------


def test_a_booking_is_cancelled_before_it_begins(tmp_path: Path) -> None:
    """Gone from the calendar, on record, and over for the gateway."""

    async def story(world: World) -> None:
        booked = await book(world, "14:00", 30 * MINUTE_MS)
        answer = await tell(world, "cancel")
        assert answer["code"] == "cancelled"
        assert answer["booking"] == booked["booking"]
        assert own(world) == []
        (asked,) = world.decisions("cancel_asked")
        assert asked.booking == booked["booking"]
        await world.until("08:05")
        assert [d.tally.outcome for d in world.decisions("concluded") if d.tally] == ["cancelled"]
        assert world.outbox() == [("book", "applied", ""), ("cancel", "applied", "")]

    in_world(tmp_path, story)


def test_somebody_who_was_invited_hears_of_the_cancellation(tmp_path: Path) -> None:
    """Exchange tells them, because the room cancels its meeting instead of deleting it."""

    async def story(world: World) -> None:
        await book(world, "14:00", 30 * MINUTE_MS, organizer=ANA)
        assert (await tell(world, "cancel"))["code"] == "cancelled"
        assert [message.kind for message in world.exchange.messages_to(ANA)] == ["cancelled"]

    in_world(tmp_path, story)


def test_a_booking_that_runs_is_ended(tmp_path: Path) -> None:
    """What was used stays on record; the rest is free."""

    async def story(world: World) -> None:
        await world.until("09:00")
        await book(world, "", HOUR_MS, here=True)
        await world.until("09:20")
        assert (await tell(world, "cancel"))["code"] == "ended"
        (item,) = own(world)
        assert at("09:20") <= item.end_ms <= at("09:20:05")
        assert "error" not in await book(world, "", HOUR_MS, ask="next")

    in_world(tmp_path, story)


@pytest.mark.parametrize("made", ["outlook", "room"])
@pytest.mark.parametrize("command", ["cancel", "move"])
def test_what_others_booked_is_theirs(tmp_path: Path, made: str, command: str) -> None:
    """Whether they invited the room, or wrote into its calendar; the answer names who can."""

    async def story(world: World) -> None:
        if made == "outlook":
            world.exchange.book(ANA, ORION, at("14:00"), at("15:00"), categories=(DESK,))
        else:
            world.exchange.book_in_room(ORION, at("14:00"), at("15:00"))
        await world.until("08:03")
        answer = await tell(world, command, ask="x", start=at("16:00"))
        assert answer["code"] == "not_ours"
        assert f"Its organizer can {command} it, in Outlook." in answer["error"]
        assert world.outbox() == []
        assert len(world.exchange.calendar(ORION, at("14:00"), at("15:00"))) == 1

    in_world(tmp_path, story)


def test_without_a_booking_there_is_nothing_to_cancel(tmp_path: Path) -> None:
    """Nor by a key that nobody knows."""

    async def story(world: World) -> None:
        assert (await tell(world, "cancel"))["code"] == "no_such_booking"
        assert (await tell(world, "cancel", booking="ABC"))["code"] == "no_such_booking"
        assert "there is no room 'vega'" in (await tell(world, "cancel", "vega"))["error"]

    in_world(tmp_path, story)


@pytest.mark.parametrize("fault", FAULTS[:-1], ids=fault_name)
def test_a_booking_is_cancelled_whatever_happens_to_the_answer(tmp_path: Path, fault: Fault) -> None:
    """Gone is gone, and who asked hears it."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        await book(world, "14:00", 30 * MINUTE_MS)
        rule = world.exchange.faults.add(fault, method="DELETE")
        assert (await tell(world, "cancel"))["code"] == "cancelled"
        assert rule.struck == 1
        assert own(world) == []

    in_world(tmp_path, story)


# -- moving -------------------------------------------------------------------------------------------


def test_a_booking_moves_to_another_time_and_keeps_its_title_and_guest(tmp_path: Path) -> None:
    """Also where the two times overlap: it is not in its own way."""

    async def story(world: World) -> None:
        await book(world, "14:00", HOUR_MS, title="Review", organizer=ANA)
        answer = await tell(world, "move", start=at("14:30"), ask="move")
        assert answer["code"] == "moved"
        assert answer["said"] == ["Moved: orion on Mon 28 Sep from 14:30 to 15:30."]
        (item,) = own(world)
        assert (item.start_ms, item.end_ms, item.subject) == (at("14:30"), at("15:30"), "Review")
        assert [attendee.address for attendee in item.attendees] == [ANA]
        assert answer["booking"] == item.ical_uid

    in_world(tmp_path, story)


def test_a_booking_moves_to_another_room(tmp_path: Path) -> None:
    """What runs moves with what is left of it, and the old room is free."""

    async def story(world: World) -> None:
        await world.until("09:00")
        await book(world, "", HOUR_MS, here=True)
        await world.until("09:20")
        answer = await tell(world, "move", to="lyra", ask="move")
        assert answer["code"] == "moved"
        (old,), (new,) = own(world), own(world, LYRA)
        assert (old.end_ms, new.end_ms) == (new.start_ms, at("10:00"))
        assert at("09:20") <= new.start_ms <= at("09:20:05")

    in_world(tmp_path, story, rooms=("orion", "lyra"))


def test_a_move_that_cannot_be_leaves_the_booking_where_it_is(tmp_path: Path) -> None:
    """Nobody loses a room by trying."""

    async def story(world: World) -> None:
        await book(world, "14:00", HOUR_MS)
        world.exchange.book(ANA, ORION, at("16:00"), at("17:00"))
        answer = await tell(world, "move", start=at("15:30"), ask="move")
        assert answer["code"] == "not_free"
        assert answer["error"].startswith("Not moved: orion is taken on")
        (item,) = own(world)
        assert item.start_ms == at("14:00")
        assert (await tell(world, "move", ask="nowhere"))["code"] == "not_possible"
        with LedgerReader(tmp_path / "ledger.db") as reader:
            assert reader.notes().get("moves_under_way", "") == ""

    in_world(tmp_path, story)


def test_a_process_that_ends_in_the_middle_of_a_move_leaves_one_booking(tmp_path: Path) -> None:
    """The ledger knows what was to be given up; the next process does it."""

    async def story(world: World) -> None:
        await book(world, "14:00", HOUR_MS)
        world.exchange.faults.silence_s = 600.0
        world.exchange.faults.add(Silence(after_effect=True), method="POST", path="/events")
        asked = asyncio.create_task(tell(world, "move", start=at("14:30"), ask="move"))
        await asyncio.sleep(5)
        assert len(own(world)) == 2
        await world.stop()
        asked.cancel()
        await world.start()
        await world.until("08:05")
        (item,) = own(world)
        assert item.start_ms == at("14:30")
        with LedgerReader(tmp_path / "ledger.db") as reader:
            assert reader.notes()["moves_under_way"] == ""

    in_world(tmp_path, story)


def test_a_move_whose_answer_is_lost_for_good_is_finished_later(tmp_path: Path) -> None:
    """Who asked has gone; as soon as the new booking is known to be there, the old one goes."""

    async def story(world: World) -> None:
        await book(world, "14:00", HOUR_MS)
        world.exchange.faults.add(Drop(after_effect=True), method="POST", path="/events")
        world.exchange.faults.add(Refuse(503), path="/calendarView", skip=3, times=None)
        answer = await tell(world, "move", start=at("14:30"), ask="move")
        assert answer["code"] == "unclear"
        assert len(own(world)) == 2
        world.exchange.faults.clear()
        await world.until("08:10")
        (item,) = own(world)
        assert item.start_ms == at("14:30")

    in_world(tmp_path, story)


# -- free rooms ---------------------------------------------------------------------------------------

ROOMS = ("orion", "lyra", "vega", "rigel")


def test_free_rooms_are_told_with_what_is_known_of_them(tmp_path: Path) -> None:
    """Booked ones are left out, those in use and those that nobody knows of are said to be so."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        world.exchange.book(ANA, LYRA, at("10:30"), at("11:00"))
        world.enter("vega")
        world.silence("rigel")
        await world.until("09:05")
        answer = await tell(world, "free", "", length=HOUR_MS, capacity=4, tags=["Video"])
        shown = [(room["room"], room["standing"], room["free_until"]) for room in answer["rooms"]]
        assert shown == [
            ("lyra", "free", "2026-09-28T10:30:00+00:00"),
            ("rigel", "unsure", None),
            ("vega", "in_use", None),
        ]
        assert answer["rooms"][1]["occupancy"]["status"] == "unknown"
        assert "is silent" in answer["rooms"][1]["occupancy"]["why"][0]
        later = await tell(world, "free", "", start=at("10:00"), length=HOUR_MS, capacity=4)
        assert [(room["room"], room["standing"]) for room in later["rooms"]] == [
            ("orion", "free"),
            ("rigel", "free"),
            ("vega", "free"),
        ]
        none = await tell(world, "free", "", length=HOUR_MS, capacity=9)
        assert none["rooms"] == []

    in_world(tmp_path, story, rooms=ROOMS, room='capacity = 8\ntags = ["video"]')


def test_a_calendar_that_cannot_be_read_is_not_free(tmp_path: Path) -> None:
    """It is told last, with what is wrong."""

    async def story(world: World) -> None:
        await world.until("08:05")
        world.exchange.faults.add(Refuse(403, "ErrorAccessDenied"), path=ORION, times=None)
        await world.until("08:10")
        answer = await tell(world, "free", "", length=HOUR_MS)
        assert [(room["room"], room["standing"]) for room in answer["rooms"]] == [
            ("lyra", "free"),
            ("orion", "unknown"),
        ]
        assert "may not use this mailbox" in answer["rooms"][1]["trouble"]

    in_world(tmp_path, story, rooms=("orion", "lyra"))


def test_a_calendar_that_was_read_long_ago_is_read_before_anybody_is_sent_there(tmp_path: Path) -> None:
    """At night calendars are read each quarter of an hour only."""

    async def story(world: World) -> None:
        await world.until("21:05")
        world.exchange.book(ANA, ORION, at("21:00"), at("23:00"))
        answer = await tell(world, "free", "", length=HOUR_MS)
        assert answer["rooms"] == []

    in_world(tmp_path, story)


@pytest.mark.parametrize(
    "more", [{"start": at("07:00"), "length": 1_000}, {"start": at("09:00") + 2 * DAY_MS}]
)
def test_a_time_that_cannot_be_told_of_is_refused(tmp_path: Path, more: Json) -> None:
    """The past, and what lies beyond the calendars that the gateway reads."""

    async def story(world: World) -> None:
        answer = await tell(world, "free", "", **more)
        assert answer["error"].startswith("Nothing was looked for: ")

    in_world(tmp_path, story)


def test_the_rules_for_bookings_hold_at_the_door_too(tmp_path: Path) -> None:
    """What would be declined in Outlook is refused here before anything is written, with the same reason."""

    async def story(world: World) -> None:
        await world.until("09:00")
        for start, minutes, why in (
            ("09:30", 150, "longer than 2 h"),
            ("15:30", 60, "closed to bookings at that time"),
        ):
            answer = await book(world, start, minutes * MINUTE_MS)
            assert why in answer["error"]
        assert own(world) == []
        await book(world, "16:00", 60 * MINUTE_MS)
        assert len(own(world)) == 1

    rules = 'rules = { too_long = "decline", blackout = "decline" }'
    in_world(tmp_path, story, policy=f'{rules}\nlongest = "2h"\nblackouts = "mon 15:00-16:00"')
