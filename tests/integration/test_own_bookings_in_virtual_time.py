"""What the gateway books itself, through every part but the sockets: walk-ups, and rooms that are given back.

Whatever happens to the answer of a write, there is exactly one effect in the end.
"""

from pathlib import Path

import pytest
from harness import World, at, in_world

from gateway.core.units import MINUTE_MS
from gateway.exchange.own import LINK_PROPERTY
from gateway.ledger import LedgerReader
from simulators.exchange import CalendarItem
from simulators.exchange.faults import Drop, Fault, Refuse, Silence

pytestmark = pytest.mark.thorough  # outside of coverage: its virtual days take long with it

ORION = "orion@contoso.com"
ANA = "person-001@contoso.com"
WALK_UP = "walk_up = true"

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


each_fault = pytest.mark.parametrize("fault", FAULTS, ids=fault_name)
each_of_a_patch = pytest.mark.parametrize("fault", FAULTS[:-1], ids=fault_name)


def ours(world: World) -> list[CalendarItem]:
    """The bookings that the room organises, by start."""
    items = world.exchange.calendar(ORION, at("00:00"), at("23:59"))
    return [item for item in items if item.is_organizer]


def ends(world: World, action: str) -> list[str]:
    """How each write of an action ended."""
    return [state for what, state, _ in world.outbox() if what == action]


# -- walk-ups -----------------------------------------------------------------------------------------


def test_people_without_a_booking_get_one_that_grows_and_ends_with_their_stay(tmp_path: Path) -> None:
    """Shown busy after five minutes, extended once while they stay, freed a quarter of an hour after."""

    async def story(world: World) -> None:
        await world.until("08:30")
        world.enter()
        await world.until("08:36")
        (item,) = ours(world)
        assert at("08:35") <= item.start_ms < at("08:35:05")
        assert item.end_ms - item.start_ms == 30 * MINUTE_MS
        assert (item.subject, item.show_as, item.attendees) == ("Frei genommen", "busy", ())
        await world.until("09:01")
        (item,) = ours(world)
        assert at("09:30") <= item.end_ms < at("09:30:10")
        await world.until("09:06")
        world.leave()
        await world.until("09:24")
        (item,) = ours(world)
        assert at("09:22") <= item.end_ms <= at("09:23:10"), "a minute of hold, fifteen of emptiness"
        assert world.outbox() == [
            ("walk_up", "applied", ""),
            ("check_in", "applied", ""),
            ("extend", "applied", ""),
            ("shorten", "applied", ""),
        ]
        await world.until("09:40")
        assert len(world.decisions("walk_up")) == 1
        assert item.categories == ("Walk-up", "Checked in")
        assert world.exchange.messages_to(ORION) == []

    in_world(tmp_path, story, policy=WALK_UP, exchange='walk_up_subject = "Frei genommen"')


def test_a_walk_up_makes_way_for_the_next_booking(tmp_path: Path) -> None:
    """It ends where that begins, and one that was made in the last second keeps the room."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("08:50"), at("09:30"))
        await world.until("08:30")
        world.enter()
        await world.until("08:40")
        (item,) = ours(world)
        assert item.end_ms == at("08:50")
        await world.until("09:31")
        assert len(ours(world)) == 1
        assert ends(world, "extend") == []

    in_world(tmp_path, story, policy=WALK_UP)


def test_a_walk_up_is_not_written_over_a_booking_that_came_in_the_same_second(tmp_path: Path) -> None:
    """The calendar is looked at right before: the room itself would not mind a conflict."""

    async def story(world: World) -> None:
        await world.until("08:30")
        world.enter()
        await world.until("08:34:50")
        world.exchange.book(ANA, ORION, at("08:34"), at("09:30"))
        world.service.hints._due[0] += 10 * MINUTE_MS  # type: ignore[union-attr] # not read meanwhile
        await world.until("08:35:30")
        assert ours(world) == []
        assert ("walk_up", "superseded", "not_free") in world.outbox()

    in_world(tmp_path, story, policy=WALK_UP)


def test_an_extension_never_runs_over_a_booking_that_came_in_the_same_second(tmp_path: Path) -> None:
    """Between decision and write somebody booked the time after."""

    async def story(world: World) -> None:
        await world.until("08:30")
        world.enter()
        await world.until("08:59:50")
        (before,) = ours(world)
        world.exchange.book(ANA, ORION, at("09:10"), at("10:00"))
        world.service.hints._due[0] += 10 * MINUTE_MS  # type: ignore[union-attr] # not read meanwhile
        await world.until("09:00:30")
        assert ours(world)[0].end_ms == before.end_ms
        assert ("extend", "superseded", "not_free") in world.outbox()
        await world.until("09:04")
        assert ours(world)[0].end_ms == at("09:10"), "what is free is theirs, as soon as it is known"

    in_world(tmp_path, story, policy=WALK_UP)


def test_walk_ups_are_off_unless_the_policy_has_them(tmp_path: Path) -> None:
    """Nobody's calendar fills by itself."""

    async def story(world: World) -> None:
        await world.until("08:30")
        world.enter()
        await world.until("09:00")
        assert ours(world) == []
        assert world.outbox() == []

    in_world(tmp_path, story)


@each_fault
def test_a_walk_up_is_created_once_whatever_happens_to_its_answer(tmp_path: Path, fault: Fault) -> None:
    """A lost answer is settled by the transaction id, and a repeat makes no second one."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        await world.until("08:30")
        world.enter()
        rule = world.exchange.faults.add(fault, method="POST", path="/events")
        await world.until("08:40")
        assert rule.struck == 1
        assert len(ours(world)) == 1
        assert ends(world, "walk_up") == ["applied"]
        assert len(world.decisions("walk_up")) == 1

    # A conflict that Graph answers for another reason than a repeat has no effect either.
    in_world(tmp_path, story, policy=WALK_UP)


@each_of_a_patch
def test_a_walk_up_is_extended_once_whatever_happens_to_its_answer(tmp_path: Path, fault: Fault) -> None:
    """Nobody's half hour becomes a whole one because an answer was lost."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        await world.until("08:30")
        world.enter()
        await world.until("08:59")
        rule = world.exchange.faults.add(fault, method="PATCH", path="/events")
        await world.until("09:04")
        assert rule.struck == 1
        (item,) = ours(world)
        assert at("09:30") <= item.end_ms <= at("09:34")
        assert ends(world, "extend").count("applied") == 1
        assert set(ends(world, "extend")) <= {"applied", "superseded"}

    in_world(tmp_path, story, policy=WALK_UP)


@each_of_a_patch
def test_a_walk_up_is_freed_once_whatever_happens_to_its_answer(tmp_path: Path, fault: Fault) -> None:
    """Its end is the moment at which it was over, and stays so."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        await world.until("08:30")
        world.enter()
        await world.until("08:37")
        world.leave()
        await world.until("08:50")
        rule = world.exchange.faults.add(fault, method="PATCH", path="/events")
        await world.until("08:58")
        assert rule.struck == 1
        (item,) = ours(world)
        assert at("08:53") <= item.end_ms <= at("08:54:10")
        assert ends(world, "shorten") == ["applied"]

    in_world(tmp_path, story, policy=WALK_UP)


def test_a_process_that_ends_while_it_waits_for_the_answer_finds_its_own_walk_up(tmp_path: Path) -> None:
    """The next one reads back by the same transaction id, because the ledger has a name of its own."""

    async def story(world: World) -> None:
        await world.until("08:30")
        world.enter()
        world.exchange.faults.silence_s = 600.0
        world.exchange.faults.add(Silence(after_effect=True), method="POST", path="/events")
        await world.until("08:36")
        assert len(ours(world)) == 1
        assert ends(world, "walk_up") == ["sending"]
        await world.stop()
        await world.start()
        await world.until("08:40")
        assert len(ours(world)) == 1
        assert ends(world, "walk_up") == ["applied"]
        with LedgerReader(tmp_path / "ledger.db") as reader:
            assert reader.site().rooms["orion"].state.lives[ours(world)[0].ical_uid].is_walk_up

    in_world(tmp_path, story, policy=WALK_UP)


# -- we were here -------------------------------------------------------------------------------------


async def released(world: World) -> None:
    """A ghost from nine to half past ten that was given back, and another at eleven."""
    world.exchange.book(ANA, ORION, at("09:00"), at("10:30"))
    world.exchange.book(ANA, ORION, at("11:00"), at("12:00"))
    await world.until("09:12")
    assert world.decisions("released")


async def tell(world: World, command: str) -> str:
    """What a command of the local socket is answered."""
    assert world.service is not None
    answer = await world.service.command({"command": command, "room": "orion"})
    return " ".join(answer.get("said", [answer.get("error", "")]))


def test_we_were_here_gives_the_room_back_and_stops_releasing_until_somebody_has_looked(
    tmp_path: Path,
) -> None:
    """One command: a hold for the rest of the time, a wrong release on record, a pause; another ends it."""

    async def story(world: World) -> None:
        await released(world)
        (gone,) = [decision.write for decision in world.decisions("release")]
        assert gone is not None
        assert "the room is theirs again until" in await tell(world, "were-here")
        await world.until("09:15")
        (hold,) = ours(world)
        assert at("09:12") <= hold.start_ms < at("09:12:05")
        assert hold.end_ms == at("10:30")
        assert (hold.categories, hold.attendees) == (("Given back",), ())
        assert hold.extended == ((LINK_PROPERTY, gone.event_id),)
        assert world.service is not None
        (room,) = (await world.service.status())["rooms"]
        assert room["paused_since"].startswith("2026-09-28T09:12")
        assert room["wrong_releases"] == 1
        assert room["booking"]["kind"] == "hold"
        await world.until("10:40")
        assert ours(world)[0].end_ms == at("10:30"), "the hold is nobody's ghost"
        await world.until("11:40")
        assert len(world.decisions("release")) == 1
        assert "paused" in {r.code for d in world.decisions("withheld") for r in d.reasons}
        assert "may be given back automatically again" in await tell(world, "reviewed")
        await world.until("11:45")
        assert len(world.decisions("released")) == 2
        assert "Nothing to change" in await tell(world, "reviewed")

    in_world(tmp_path, story)


def test_we_were_here_said_twice_in_a_second_makes_one_hold(tmp_path: Path) -> None:
    """Two people tap at once: the second finds the room taken by the first one's hold."""

    async def story(world: World) -> None:
        await released(world)
        world.exchange.faults.latency_s = 0.3
        await tell(world, "were-here")
        await tell(world, "were-here")
        await world.until("09:15")
        assert len(ours(world)) == 1
        assert sorted(ends(world, "hold")) == ["applied", "superseded"]

    in_world(tmp_path, story)


def test_we_were_here_takes_the_room_from_nobody_who_booked_it_meanwhile(tmp_path: Path) -> None:
    """Also where that booking is not known yet: the calendar is looked at right before."""

    async def story(world: World) -> None:
        await released(world)
        world.exchange.book("person-002@contoso.com", ORION, at("09:10"), at("10:00"))
        await tell(world, "were-here")
        await world.until("09:15")
        assert ours(world) == []
        assert ("hold", "superseded", "not_free") in world.outbox()

    in_world(tmp_path, story)


@each_fault
def test_a_room_is_given_back_once_whatever_happens_to_the_answer(tmp_path: Path, fault: Fault) -> None:
    """People who were thrown out once get their room, and get it once."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        await released(world)
        rule = world.exchange.faults.add(fault, method="POST", path="/events")
        await tell(world, "were-here")
        await world.until("09:20")
        assert rule.struck == 1
        assert len(ours(world)) == 1
        assert ends(world, "hold") == ["applied"]

    in_world(tmp_path, story)


def test_without_a_release_there_is_nothing_to_give_back(tmp_path: Path) -> None:
    """The command is refused with the reason, and nothing is paused."""

    async def story(world: World) -> None:
        await world.until("09:05")
        assert "there is no booking now that was given back" in await tell(world, "were-here")
        assert world.service is not None
        assert (await world.service.status())["wrong_releases"] == 0

    in_world(tmp_path, story)
