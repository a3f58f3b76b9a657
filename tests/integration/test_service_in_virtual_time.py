"""The main job and its failures, through every part but the sockets, in virtual time."""

import json
import sqlite3
from pathlib import Path

import msgspec
import pytest
from harness import World, at, in_world

from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, Booted, ClockStepped, LinkDown, Reading, Tick
from gateway.core.explain import explain
from gateway.core.site import Site
from gateway.core.units import Instant
from gateway.ledger import LedgerReader
from simulators.exchange.faults import Refuse

ORION = "orion@contoso.com"
ANA = "person-001@contoso.com"


def test_a_ghost_is_released_and_an_attended_booking_is_checked_in(tmp_path: Path) -> None:
    """The main job: presence in; category and decline out; the organizer is told; each has its reason."""

    async def story(world: World) -> None:
        attended = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"), subject="Quarterly secret")
        ghost = world.exchange.book(ANA, ORION, at("10:00"), at("11:00"), subject="Another secret")
        await world.until("09:02")
        world.enter()
        await world.until("09:55")
        world.leave()
        await world.until("11:05")
        assert world.outbox() == [("check_in", "applied", ""), ("release", "applied", "")]
        assert world.exchange.status(attended, ORION).response == "accepted"
        assert world.exchange.status(ghost, ORION).response == "declined"
        (message,) = [m for m in world.exchange.messages_to(ANA) if m.kind == "declined"]
        assert "Nobody was seen in orion" in message.comment
        (item,) = world.exchange.calendar(ORION, at("00:00"), at("23:00"))
        assert list(item.categories) == ["Checked in"]
        (release,) = world.decisions("release")
        assert at("10:10") <= release.at < at("10:11")
        assert "proven empty" in explain(release, str)

    in_world(tmp_path, story)


def test_shadow_decides_and_records_and_writes_nothing(tmp_path: Path) -> None:
    """In shadow the booking stays as it is, the decision says "would", and no write was intended."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("10:05")
        assert len(world.decisions("would_release")) == 1
        assert world.outbox() == []
        assert world.service is not None
        assert world.service.graph.requests.write == 0
        assert len(world.exchange.calendar(ORION, at("00:00"), at("23:00"))) == 1

    in_world(tmp_path, story, mode="shadow")


def test_names_and_subjects_turn_up_nowhere(tmp_path: Path) -> None:
    """A canary name and subject fed through everything are in no file and no published message."""

    async def story(world: World) -> None:
        world.exchange.book(
            "canary.person@contoso.com", ORION, at("09:00"), at("10:00"), subject="Canary Project"
        )
        await world.until("10:05")
        assert world.decisions("released")
        published = b" ".join(world.link.published.values())
        await world.stop()
        assert b"anary" not in published

    in_world(tmp_path, story)
    files = sorted(tmp_path.glob("ledger.db*"))
    assert files
    assert not [path for path in files if b"anary" in path.read_bytes()]


def test_each_room_publishes_its_state_retained(tmp_path: Path) -> None:
    """The room's state is JSON with occupancy, mode and booking, current after each change."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:05")
        world.enter()
        await world.until("09:07")
        state = json.loads(world.link.published["occupancy/orion/state"])
        assert state["occupancy"]["status"] == "occupied"
        assert state["booking"]["state"] == "checked_in"
        world.leave()
        await world.until("09:10")
        state = json.loads(world.link.published["occupancy/orion/state"])
        assert state["occupancy"]["status"] == "vacant"

    in_world(tmp_path, story)


def test_presence_before_the_write_withdraws_the_release(tmp_path: Path) -> None:
    """While Exchange cannot be reached the release waits; who comes in keeps the room."""

    async def story(world: World) -> None:
        booking = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:09:30")
        world.exchange.faults.add(Refuse(503), path="/users/", times=None)
        await world.until("09:10:40")
        assert world.decisions("release")
        world.enter()
        await world.until("09:12")
        world.exchange.faults.clear()
        await world.until("09:30")
        assert world.decisions("withdrawn")
        assert world.exchange.status(booking, ORION).response == "accepted"
        assert [state for action, state, _ in world.outbox() if action == "release"] == ["superseded"]

    in_world(tmp_path, story)


def test_while_exchange_is_away_nothing_is_released_and_afterwards_it_is(tmp_path: Path) -> None:
    """Stale intentions die with a reason; when the calendar can be read again the ghost goes."""

    async def story(world: World) -> None:
        booking = world.exchange.book(ANA, ORION, at("09:00"), at("11:00"))
        await world.until("09:09:30")
        world.exchange.faults.add(Refuse(503), path="/users/", times=None)
        await world.until("09:40")
        assert world.exchange.status(booking, ORION).response == "accepted"
        assert not world.decisions("released")
        world.exchange.faults.clear()
        await world.until("09:50")
        assert world.exchange.status(booking, ORION).response == "declined"
        states = [state for action, state, _ in world.outbox() if action == "release"]
        assert states[-1] == "applied"
        assert set(states[:-1]) <= {"expired"}

    in_world(tmp_path, story)


def test_a_mailbox_that_may_not_be_read_is_never_an_empty_calendar(tmp_path: Path) -> None:
    """403 removes no booking and is told by name; later the booking is still known."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("08:30")
        world.exchange.faults.add(Refuse(403, "ErrorAccessDenied"), path="/users/", times=None)
        await world.until("09:30")
        assert world.service is not None
        assert len(world.service.brain.site.rooms["orion"].state.lives) == 1
        assert "may not use this mailbox" in world.service.troubles["orion"]
        assert not world.decisions("release")

    in_world(tmp_path, story)


def test_a_full_disk_stops_writing_and_loses_nothing(tmp_path: Path) -> None:
    """A failed commit acknowledges nothing, drops the link, reloads, and goes on when the disk does."""

    async def story(world: World) -> None:
        booking = world.exchange.book(ANA, ORION, at("09:00"), at("10:30"))
        await world.until("09:05")
        failing = True

        def full(point: str) -> None:
            if failing and point == "inside_commit":
                raise sqlite3.OperationalError("database or disk is full")

        world.checkpoint = full
        await world.until("09:20")
        assert world.service is not None
        assert "disk full" in world.service.brain.paused_because
        assert "disk full" in world.link.dropped[0], "dropped at once, so that the broker delivers again"
        waiting = world.link.unacknowledged
        assert waiting > 0
        assert world.exchange.status(booking, ORION).response == "accepted"
        failing = False
        await world.until("09:30")
        assert world.service.brain.paused_because == ""
        assert world.link.unacknowledged < waiting
        await world.until("10:10")
        assert world.exchange.status(booking, ORION).response == "declined"

    in_world(tmp_path, story)


def test_a_lost_link_restarts_the_vacancy_clock(tmp_path: Path) -> None:
    """After a minute without the broker the release comes later by what was not heard (W2)."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:05")
        world.link.lose_session()
        await world.until("10:05")
        assert [type(event) for event in world.events()].count(LinkDown) == 1
        (release,) = world.decisions("release")
        assert release.at >= at("09:16"), "hearing again from 09:05, one minute of hold, ten of grace"

    in_world(tmp_path, story)


def test_a_restart_keeps_bookings_check_ins_and_the_unacknowledged(tmp_path: Path) -> None:
    """Stop and start on the same ledger: a checked-in booking stays checked in."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:01")
        world.enter()
        await world.until("09:03")
        world.leave()
        await world.until("09:05")
        await world.stop()
        await world.start()
        await world.until("10:05")
        assert not world.decisions("release")
        (concluded,) = world.decisions("concluded")
        assert concluded.tally is not None
        assert concluded.tally.outcome == "attended"

    in_world(tmp_path, story)


def test_a_clock_that_is_set_is_a_fact_and_starts_the_vacancy_clock_anew(tmp_path: Path) -> None:
    """A step of the wall clock reaches the core as an event, both ways (W5)."""

    async def story(world: World) -> None:
        await world.until("08:30")
        world.clock.step(600_000)
        await world.until("08:50")
        world.clock.step(-600_000)
        await world.until("09:00")
        steps = [event.by_ms for event in world.events() if isinstance(event, ClockStepped)]
        assert steps == [600_000, -600_000]

    in_world(tmp_path, story)


def test_nothing_is_released_while_the_clock_is_not_synchronised(tmp_path: Path) -> None:
    """Without NTP no release, and status says why; regained trust starts the vacancy clock anew."""

    async def story(world: World) -> None:
        ghost = world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("08:30")
        world.clock.synchronised = False
        await world.until("09:20")
        assert world.service is not None
        assert "NTP" in (await world.service.status())["gateway"]["clock"]
        assert "clock_untrusted" in {r.code for d in world.decisions("withheld") for r in d.reasons}
        world.clock.synchronised = True
        await world.until("09:30")
        assert world.exchange.status(ghost, ORION).response == "accepted"
        await world.until("09:35")
        assert world.exchange.status(ghost, ORION).response == "declined"
        assert (await world.service.status())["gateway"]["clock"] == ""

    in_world(tmp_path, story)


def test_a_message_that_the_core_fails_on_is_set_aside_after_some_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not stop the gateway for ever: kept as a sample, acknowledged, and all others are heard."""
    sound = Site.handle

    def fragile(site: Site, event: AnyEvent, now: Instant) -> list[Decision]:
        if isinstance(event, Reading) and event.kind == "presence" and event.value:
            raise ZeroDivisionError("a fault of the core")
        return sound(site, event, now)

    async def story(world: World) -> None:
        await world.until("08:10")
        monkeypatch.setattr(Site, "handle", fragile)
        world.link.send("orion/radar", "ON")
        await world.until("08:12")
        assert world.service is not None
        assert "a fault of the core" in world.service.brain.paused_because
        await world.until("08:30:30")
        assert world.service.brain.paused_because == ""
        assert world.link.unacknowledged == 0
        with LedgerReader(tmp_path / "ledger.db") as reader:
            counts = reader.counts()["orion-radar"]
        assert counts.rejected == 1
        assert counts.last_sample == "ON"

    in_world(tmp_path, story)


def test_rubbish_is_counted_kept_as_a_sample_and_never_decides(tmp_path: Path) -> None:
    """Received = accepted + folded + rejected, per sensor (L8); the room's state is untouched."""

    async def story(world: World) -> None:
        await world.until("08:10")
        before = world.link.acknowledged + world.link.unacknowledged
        for payload in (b"\xff\xfe", b"NaN", b"{" * 1000, b"x" * 100_000, b"", b'{"a": 1}'):
            world.link.send("orion/radar", payload)
        world.link.send("orion/radar", "OFF")
        await world.until("08:12")
        assert world.service is not None
        await world.stop()
        with LedgerReader(tmp_path / "ledger.db") as reader:
            counts = reader.counts()["orion-radar"]
        assert counts.rejected == 6
        assert counts.accepted + counts.folded + counts.rejected == world.link.acknowledged
        assert before < world.link.acknowledged
        assert counts.last_sample == '{"a": 1}'
        assert "occupied" not in [d.reasons[0].code for d in world.decisions("occupancy")]

    in_world(tmp_path, story)


def test_the_ledger_replays_to_the_very_state_that_the_service_has(tmp_path: Path) -> None:
    """The journal is the whole truth: loading it gives the running site's bytes (L5)."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("09:01")
        world.enter()
        await world.until("09:30")
        assert world.service is not None
        await world.stop()
        running = world.service.brain.site.snapshot()
        with LedgerReader(tmp_path / "ledger.db") as reader:
            loaded = reader.site().snapshot()
        assert msgspec.json.decode(loaded) == msgspec.json.decode(running)
        assert loaded == running
        assert any(isinstance(event, Reading) for event in world.events())

    in_world(tmp_path, story)


def test_the_breaker_stops_every_release_until_a_person_closes_it(tmp_path: Path) -> None:
    """Three silent rooms at once: status says why nothing is released, and one command ends it."""

    async def story(world: World) -> None:
        rooms = ("lyra", "orion", "vega")
        ghosts = [world.exchange.book(ANA, f"{r}@contoso.com", at("09:00"), at("10:00")) for r in rooms]
        for room in rooms:
            world.leave(room)
        await world.until("09:30")
        assert world.service is not None
        assert "3 rooms fell silent together" in (await world.service.status())["gateway"]["breaker"]
        shown = [
            world.exchange.status(g, f"{r}@contoso.com").response for g, r in zip(ghosts, rooms, strict=True)
        ]
        assert shown == ["accepted"] * 3
        answer = await world.service.command({"command": "close-breaker"})
        assert "Rooms may be given back again" in answer["said"][0]
        await world.until("09:40")
        shown = [
            world.exchange.status(g, f"{r}@contoso.com").response for g, r in zip(ghosts, rooms, strict=True)
        ]
        assert shown == ["declined"] * 3
        again = await world.service.command({"command": "close-breaker"})
        assert again == {"said": ["The breaker is closed already."]}

    in_world(tmp_path, story, rooms=("lyra", "orion", "vega"))


def test_a_gateway_that_starts_on_a_full_disk_waits_answers_and_then_begins(tmp_path: Path) -> None:
    """It neither ends nor listens: it says why it waits, and begins by itself once it can write."""

    async def story(world: World) -> None:
        await world.stop()
        full = True

        def disk(point: str) -> None:
            if full and point == "inside_commit":
                raise sqlite3.OperationalError("database or disk is full")

        world.checkpoint = disk
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        boots = sum(isinstance(event, Booted) for event in world.events())
        acknowledged = world.link.acknowledged
        await world.start()
        await world.until("08:30")
        assert world.service is not None
        assert "disk is full" in (await world.service.status())["gateway"]["paused"]
        assert (
            "disk is full" in (await world.service.command({"command": "check-in", "room": "orion"}))["error"]
        )
        assert world.link.acknowledged == acknowledged
        full = False
        await world.until("09:30")
        assert sum(isinstance(event, Booted) for event in world.events()) == boots + 1
        assert world.decisions("released")

    in_world(tmp_path, story)


def test_a_gateway_that_waits_for_its_disk_can_be_stopped(tmp_path: Path) -> None:
    """Being asked to stop ends the waiting."""

    async def story(world: World) -> None:
        await world.stop()

        def disk(point: str) -> None:
            if point == "inside_commit":
                raise sqlite3.OperationalError("database or disk is full")

        world.checkpoint = disk
        await world.start()
        await world.until("08:30")
        await world.stop()

    in_world(tmp_path, story)


def test_a_fault_in_the_core_releases_nothing_and_reloads_its_memory(tmp_path: Path) -> None:
    """It is told, the broker delivers again, and everything begins anew from the ledger."""

    async def story(world: World) -> None:
        booking = world.exchange.book(ANA, ORION, at("09:00"), at("10:30"))
        await world.until("09:05")
        assert world.service is not None
        broken = world.service.brain.site
        handle = broken.handle

        def fails(event: AnyEvent, now: Instant) -> list[Decision]:
            if event == Tick():
                raise RuntimeError("a fault of our own")
            return handle(event, now)

        broken.handle = fails  # type: ignore[method-assign] # a fault that only this memory has
        await world.until("09:07:30")  # the warning is due, so the site has asked for a tick
        assert "a fault of our own" in world.service.brain.paused_because
        assert "a fault of our own" in world.link.dropped[0]
        assert not world.decisions("released")
        await world.until("10:30")
        assert world.service.brain.site is not broken
        assert world.exchange.status(booking, ORION).response == "declined"

    in_world(tmp_path, story)
