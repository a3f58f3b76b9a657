"""Writes to Exchange through every part but the sockets: series, lost answers, throttling, people."""

from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import msgspec
import pytest
from harness import World, at, in_world

from gateway.commands.find import known_decisions
from gateway.core.decisions import Outcome
from gateway.core.events import ClockStepped, Ended, Kept, ModeSet
from gateway.core.units import DAY_MS
from gateway.exchange.rehearsal.record import Answer, Record, save
from gateway.exchange.writer import Writer
from gateway.ledger import LedgerReader
from gateway.reports import rooms_report
from simulators.exchange import TENANT_ID, daily
from simulators.exchange.faults import Drop, Fault, Refuse, Silence

ORION = "orion@contoso.com"
ANA = "person-001@contoso.com"


def declined(world: World) -> list[str]:
    """The comments of what the room declined."""
    return [m.comment for m in world.exchange.messages_to(ANA) if m.kind == "declined"]


def test_one_occurrence_of_a_series_is_released_and_the_others_stay(tmp_path: Path) -> None:
    """The occurrence goes, the series stays; after the first time in a tenant nobody looks any more."""

    async def story(world: World) -> None:
        series = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"), recurrence=daily(count=5))
        await world.until("10:05")
        assert world.exchange.status(series, ORION, occurrence=at("09:00")).response == "declined"
        tomorrow = at("09:00") + DAY_MS
        assert world.exchange.status(series, ORION, occurrence=tomorrow).response == "accepted"
        assert world.service is not None
        assert world.service.dispatch.halted == ""
        assert len(declined(world)) == 1

    in_world(tmp_path, story)


def test_if_more_of_a_series_vanishes_than_was_asked_writing_stops(tmp_path: Path) -> None:
    """The series goes with its occurrence: nothing more is written, in this run and in the next."""

    async def story(world: World) -> None:
        world.exchange.faults.latency_s = 0.05
        series = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"), recurrence=daily(count=5))
        other = world.exchange.book(ANA, ORION, at("11:00"), at("12:00"))
        await world.until("09:09:59")
        moment = at("09:10")
        while not world.exchange.requests.routes["POST decline"]:
            moment += 20
            await world.wait_until(moment)
        world.exchange.cancel(series)
        await world.until("10:30")
        assert world.service is not None
        assert "vanish" in world.service.dispatch.halted
        await world.stop()
        await world.start()
        await world.until("11:45")
        assert world.exchange.status(other, ORION).response == "accepted"
        assert "vanish" in world.service.dispatch.halted

    in_world(tmp_path, story)


def test_writing_resumes_when_a_person_says_so_also_after_a_restart(tmp_path: Path) -> None:
    """Halted writing ends by command, which is remembered; before it nothing was written."""

    async def story(world: World) -> None:
        ghost = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        later = world.exchange.book(ANA, ORION, at("11:00"), at("12:00"))
        assert world.service is not None
        world.service.dispatch.halted = "others of its series vanished"
        world.service.brain.note("writing_halted", world.service.dispatch.halted)
        await world.until("10:30")
        assert world.exchange.status(ghost, ORION).response == "accepted"
        answer = await world.service.command({"command": "resume-writing"})
        assert "others of its series vanished" in answer["said"][0]
        await world.stop()
        await world.start()
        await world.until("11:45")
        assert world.exchange.status(later, ORION).response == "declined"
        assert await world.service.command({"command": "resume-writing"}) == {
            "said": ["Writing is not halted."]
        }

    in_world(tmp_path, story)


@pytest.mark.parametrize("step", ["verify", "send", "confirm"])
@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_a_fault_of_ours_in_the_middle_of_a_write_leaves_nothing_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, *, is_late: bool
) -> None:
    """Before or after the step had its effect: the row goes on, and Exchange sees one decline."""
    real = getattr(Writer, step)
    struck: list[str] = []

    async def faulty(*args: object, **more: object) -> object:
        if not struck and not is_late:
            struck.append(step)
            raise KeyError("a name that no log may show")
        answer = await real(*args, **more)
        if not struck:
            struck.append(step)
            raise KeyError("a name that no log may show")
        return answer

    async def story(world: World) -> None:
        ghost = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:09")
        monkeypatch.setattr(Writer, step, faulty)
        await world.until("09:20")
        assert struck == [step]
        assert world.exchange.status(ghost, ORION).response == "declined"
        assert len(declined(world)) == 1
        assert [state for _, state, _ in world.outbox()] == ["applied"]

    in_world(tmp_path, story)


@pytest.mark.parametrize(
    "fault",
    [
        Silence(after_effect=True),
        Silence(after_effect=False),
        Drop(after_effect=True),
        Drop(after_effect=False),
        Refuse(500),
        Refuse(503),
        Refuse(429, retry_after="3"),
        Refuse(429, retry_after="2.128"),
        Refuse(412, "ErrorIrresolvableConflict"),
        Refuse(504),
    ],
    ids=lambda fault: (
        f"{type(fault).__name__}-{getattr(fault, 'status', getattr(fault, 'after_effect', ''))}"
    ),
)
def test_a_release_survives_a_lost_or_refused_answer_exactly_once(tmp_path: Path, fault: Fault) -> None:
    """Whatever happens to the first answer, in the end the occurrence is declined, once, and known so."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        booking = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        rule = world.exchange.faults.add(fault, method="POST", path="/decline")
        await world.until("09:25")
        assert rule.struck == 1
        assert world.exchange.status(booking, ORION).response == "declined"
        assert len(declined(world)) == 1
        assert [row for row in world.outbox() if row[1] == "applied"] == [("release", "applied", "")]
        assert world.decisions("released")

    in_world(tmp_path, story)


@pytest.mark.parametrize("asked", ["86400", "999999999", "Fri, 31 Dec 2049 23:59:59 GMT"])
def test_a_pause_of_hours_does_not_hold_a_release_beyond_its_time(tmp_path: Path, asked: str) -> None:
    """Its evidence grows old, so it ends as it should, is decided anew, and the room is given back."""

    async def story(world: World) -> None:
        booking = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        world.exchange.faults.add(Refuse(429, retry_after=asked), method="POST", path="/decline")
        await world.until("09:30")
        assert [row[:2] for row in world.outbox()] == [("release", "expired"), ("release", "applied")]
        assert world.exchange.status(booking, ORION).response == "declined"
        assert len(declined(world)) == 1

    in_world(tmp_path, story)


@pytest.mark.parametrize("asked", ["86400", "90"])
def test_a_check_in_waits_for_minutes_if_asked_to_and_not_for_hours(tmp_path: Path, asked: str) -> None:
    """The mark in the calendar is worth writing until the booking's end."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        world.exchange.faults.add(Refuse(429, retry_after=asked), method="PATCH")
        await world.until("09:01")
        world.enter()
        await world.until("09:02")
        assert world.outbox() == [("check_in", "pending", "")]
        await world.until("09:08")
        assert world.outbox() == [("check_in", "applied", "")]

    in_world(tmp_path, story)


@pytest.mark.parametrize(
    ("after_effect", "state", "outcome"),
    [(True, "applied", "unknown"), (False, "expired", "no_show_kept")],
    ids=["done", "not done"],
)
def test_a_release_that_cannot_be_read_back_before_its_end_is_not_reported_as_kept(
    tmp_path: Path, state: str, outcome: str, *, after_effect: bool
) -> None:
    """Unknown while nobody could look, and where it was done; kept only once a read has disproved it."""

    async def story(world: World) -> None:
        world.exchange.faults.silence_s = 30.0
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        faults = world.exchange.faults
        faults.add(Silence(after_effect=after_effect), method="POST", path="/decline", times=None)
        away = (at("09:10:05"), at("10:20"))
        faults.add(Refuse(503), method="GET", during=away, times=None)
        await world.until("10:10")
        assert world.outbox() == [("release", "unclear", "")]
        assert outcomes(world) == {"unknown": 1}
        await world.until("10:40")
        assert [row[:2] for row in world.outbox()] == [("release", state)]
        assert outcomes(world) == {outcome: 1}

    in_world(tmp_path, story)


def outcomes(world: World) -> dict[Outcome, int]:
    """What a report of the morning says that bookings came to."""
    with LedgerReader(world.folder / "ledger.db") as reader:
        decisions = known_decisions(reader, reader.decisions())
    return rooms_report(decisions, at("08:00"), at("12:00"), UTC).total.outcomes


def test_a_check_in_that_is_refused_for_ever_ends_and_harms_nothing(tmp_path: Path) -> None:
    """400 to the category: the row ends as expired with its reason, the booking stays checked in."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        world.exchange.faults.add(Refuse(400, "ErrorInvalidRequest"), method="PATCH", times=None)
        await world.until("09:01")
        world.enter()
        await world.until("09:30")
        ((action, state, why),) = world.outbox()
        assert (action, state) == ("check_in", "expired")
        assert "refuses" in why
        assert world.decisions("checked_in")

    in_world(tmp_path, story)


def test_a_booking_that_the_room_organises_is_cancelled_or_deleted(tmp_path: Path) -> None:
    """With attendees it is cancelled and they are told; without any it is deleted."""

    async def story(world: World) -> None:
        world.exchange.book_in_room(ORION, at("09:00"), at("10:00"), attendees=[ANA])
        world.exchange.book_in_room(ORION, at("10:00"), at("11:00"))
        await world.until("10:30")
        assert [row[:2] for row in world.outbox()] == [("release", "applied"), ("release", "applied")]
        visible = [
            item for item in world.exchange.calendar(ORION, at("00:00"), at("23:00")) if not item.cancelled
        ]
        assert visible == []
        assert [m.kind for m in world.exchange.messages_to(ANA)][-1] == "cancelled"

    in_world(tmp_path, story)


def test_a_person_who_ends_a_booking_shortens_the_rooms_copy(tmp_path: Path) -> None:
    """End frees the rest of the time in the room's calendar; the organizer's meeting is untouched."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:01")
        world.enter()
        await world.until("09:20")
        assert world.service is not None
        await world.service.brain.record(Ended("orion"))
        await world.until("09:25")
        (item,) = world.exchange.calendar(ORION, at("00:00"), at("23:00"))
        assert at("09:20") <= item.end_ms < at("09:21")
        assert [row[:2] for row in world.outbox()] == [("check_in", "applied"), ("shorten", "applied")]
        await world.until("10:05")
        assert not world.decisions("release")

    in_world(tmp_path, story)


def test_keep_wins_over_every_automatic_rule(tmp_path: Path) -> None:
    """A kept ghost stays to its end."""

    async def story(world: World) -> None:
        booking = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:05")
        assert world.service is not None
        await world.service.brain.record(Kept("orion"))
        await world.until("10:05")
        assert world.exchange.status(booking, ORION).response == "accepted"

    in_world(tmp_path, story)


@pytest.mark.parametrize("command", ["check-in", "keep", "end", "live", "shadow", "reviewed"])
def test_commands_answer_what_they_did(tmp_path: Path, command: str) -> None:
    """Each command of the local socket is followed and answered in words; an unknown room is refused."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:05")
        assert world.service is not None
        request = {"command": command, "room": "orion", "without_rehearsal": True}
        answer = await world.service.command(request)
        assert answer["said"]
        assert "error" in await world.service.command({"command": command, "room": "nirgends"})
        assert "error" in await world.service.command({"command": "dance", "room": "orion"})

    in_world(tmp_path, story)


def test_a_room_goes_live_only_after_a_rehearsal_of_this_tenant(tmp_path: Path) -> None:
    """None, a damaged one, another tenant's, an unfinished one and one that says stop are each refused."""
    good = Record(
        at="2026-09-22T09:00:00+00:00",
        tenant_id=TENANT_ID,
        gateway_version="1",
        room="test@contoso.com",
        organizer="tester@contoso.com",
        complete=True,
        answers=(
            Answer(question="decline_occurrence", asks="?", verdict="ok", seen="so", means="good"),
            Answer(question="shorten", asks="?", verdict="warn", seen="so", means="mind it"),
        ),
    )
    stop = msgspec.structs.replace(good.answers[0], verdict="stop")

    async def story(world: World) -> None:
        path = world.settings.rehearsal_file

        async def refusal(**more: object) -> str:
            assert world.service is not None
            answer = await world.service.command({"command": "live", "room": "orion", **more})
            return str(answer.get("error", ""))

        assert "Nobody has rehearsed with this tenant" in await refusal()
        path.write_text("{")
        assert "damaged" in await refusal()
        for changes, words in (
            ({"tenant_id": "fabrikam"}, "was with another tenant"),
            ({"complete": False}, "was not finished"),
            ({"answers": (stop, *good.answers)}, "makes writing unsafe: decline_occurrence"),
            ({"format": 0}, "another version"),
        ):
            save(path, msgspec.structs.replace(good, **changes))
            refused = await refusal()
            assert words in refused
            assert "occupancy-gateway exchange rehearse" in refused
            assert "--without-rehearsal" in refused
        assert not [event for event in world.events() if isinstance(event, ModeSet)]
        assert await refusal(without_rehearsal=True, by="command of sam") == ""
        save(path, good)
        assert await refusal(by="command of kim") == ""
        told = [event.by for event in world.events() if isinstance(event, ModeSet)]
        assert told == ["command of sam, without rehearsal", "command of kim"]

    in_world(tmp_path, story, mode="shadow")


def test_a_command_without_a_booking_says_so(tmp_path: Path) -> None:
    """Check-in in an empty calendar is refused with a reason, not ignored."""

    async def story(world: World) -> None:
        await world.until("09:05")
        assert world.service is not None
        answer = await world.service.command({"command": "check-in", "room": "orion"})
        assert "no such booking" in answer["error"]

    in_world(tmp_path, story)


def test_an_organizer_who_moves_it_at_the_last_moment_keeps_the_room(tmp_path: Path) -> None:
    """Moved after the last calendar read and before the write: the re-read sees it, nothing is declined."""

    async def story(world: World) -> None:
        booking = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        world.exchange.faults.latency_s = 0.2
        reads: Callable[[], int] = lambda: world.exchange.requests.routes["GET event"]  # noqa: E731 - one line
        await world.until("09:09:50")
        moment, before = at("09:10"), reads()
        while reads() == before and moment < at("09:11"):
            moment += 10
            await world.wait_until(moment)
            if world.decisions("release"):
                world.exchange.move(booking, at("13:00"), at("14:00"))
                break
        await world.until("09:40")
        assert world.exchange.status(booking, ORION).response == "accepted"
        assert not world.decisions("released")
        assert [(action, state) for action, state, _ in world.outbox()] == [("release", "superseded")]

    in_world(tmp_path, story)


def test_a_clock_behind_the_ledger_does_not_stop_time(tmp_path: Path) -> None:
    """Set back by a day while the gateway was off: it goes on from there, with all proof anew."""

    async def story(world: World) -> None:
        await world.until("08:30")
        await world.stop()
        world.clock.step(-DAY_MS)
        await world.start()
        assert world.service is not None
        assert world.service.brain.now() < at("00:00")
        assert [e.by_ms < 0 for e in world.events() if isinstance(e, ClockStepped)] == [True]
        assert world.service.brain.paused_because == ""

    in_world(tmp_path, story)
