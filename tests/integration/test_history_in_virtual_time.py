"""What the sensors' own history changes in a running gateway, and that nothing else of it does."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness import PIR, World, at, in_world
from past import Past, when, without
from timeline import PIR as PIR_PROFILE
from timeline import RADAR as RADAR_PROFILE

from gateway.core.events import Configured
from gateway.core.policy import Policy, RoomConfig
from gateway.core.units import MINUTE_MS
from gateway.ledger import Batch, Ledger, LedgerReader
from gateway.reports.history import NOTE, kept
from gateway.runtime import trust

ORION = "orion@contoso.com"
ANA = "person-001@contoso.com"
RADAR_5 = msgspec.structs.replace(RADAR_PROFILE, id="orion-radar", heartbeat_ms=5 * MINUTE_MS)
PIR_5 = msgspec.structs.replace(PIR_PROFILE, id="orion-pir", heartbeat_ms=5 * MINUTE_MS)


def remember(folder: Path, days: int, deaf: tuple[int, int] = (0, 0)) -> None:
    """A ledger that remembers an hour a day of people, in which both sensors were deaf for some minutes."""
    past = Past(RADAR_5, PIR_5, policy=Policy(end_early=True))
    for day in range(-days, 0):
        span = when(day, 0), when(day, 60)
        past.attended(*span)
        past.beats(when(day, -20), when(day, 80), 5 * MINUTE_MS)
        for sensor in ("orion-radar", "orion-pir"):
            past.shown(sensor, *without([span], [(when(day, deaf[0]), when(day, deaf[1]))]))
    history = past.history()
    history.seq = history.decision = 1  # of a journal that was forgotten since
    ledger = Ledger(folder / "ledger.db")
    ledger.commit(Batch(notes={NOTE: msgspec.json.encode(history).decode()}))
    ledger.close()


def given(world: World) -> list[RoomConfig]:
    """The room as the core was told that it is configured, each time."""
    with LedgerReader(world.folder / "ledger.db") as reader:
        return [event.site.rooms[0] for _, _, event in reader.events() if isinstance(event, Configured)]


def settings(policy: str) -> dict[str, Any]:
    """A radar and a PIR under this policy."""
    return {"policy": policy, "more": PIR.format(room="orion")}


@pytest.mark.parametrize(("days", "ends_early"), [(31, True), (5, False)])
def test_a_booking_is_ended_early_where_the_sensors_history_supports_it(
    tmp_path: Path, days: int, ends_early: bool
) -> None:
    """31 meetings are enough, five are not; the core is told by a journaled configuration."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("11:00"))
        world.others = {"orion/pir": "OFF"}
        await world.until("09:01")
        world.enter()
        world.others["orion/pir"] = "ON"
        await world.until("09:20")
        world.leave()
        world.others["orion/pir"] = "OFF"
        await world.until("09:55")
        ended = ("end_early", "applied", "") in world.outbox()
        assert ended == ends_early
        assert given(world)[0].early_end_by == (("orion-radar", "orion-pir") if ends_early else ())

    remember(tmp_path, days)
    in_world(tmp_path, story, **settings("end_early = true"))


def test_a_policy_that_learns_gives_the_core_a_longer_hold_from_the_start(tmp_path: Path) -> None:
    """Both are silent for 12 minutes while people are there: 12 instead of a minute and of ten."""

    async def story(world: World) -> None:
        await world.until("08:05")
        (room,) = given(world)
        assert [p.hold_ms for p in room.sensors] == [12 * MINUTE_MS] * 2
        assert room.early_end_by is None

    remember(tmp_path, 12, deaf=(15, 27))
    in_world(tmp_path, story, **settings("learn = true"))


@pytest.mark.parametrize("note", ["", "{", '{"version": 7}'])
def test_without_a_readable_history_the_gateway_works_and_gathers_it_anew(tmp_path: Path, note: str) -> None:
    """A lost or damaged note costs nothing but time; what hangs on history stays off until it is back."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.commit(Batch(notes={NOTE: note}))
    ledger.close()

    async def story(world: World) -> None:
        await world.until("09:30")
        with LedgerReader(world.folder / "ledger.db") as reader:
            history = kept(reader.note(NOTE))
        assert history.seq > 0
        assert history.at >= at("08:00")
        assert {room.early_end_by for room in given(world)} == {()}

    in_world(tmp_path, story, **settings("end_early = true"))


def test_a_look_a_day_and_no_new_configuration_where_nothing_is_learned(tmp_path: Path) -> None:
    """Sensors of a plain policy are looked at once a day too, and the core hears nothing of it."""

    async def story(world: World) -> None:
        await world.until("09:30")
        with LedgerReader(world.folder / "ledger.db") as reader:
            first = kept(reader.note(NOTE))
        await world.until("11:30")
        with LedgerReader(world.folder / "ledger.db") as reader:
            assert kept(reader.note(NOTE)).seq == first.seq > 0
        assert len(given(world)) == 1
        assert world.service is not None
        assert [room.room for room in world.service.trust.rooms] == ["orion"]
        status = await world.service.status()
        assert status["rooms"][0]["unsupported"] == []

    in_world(tmp_path, story)


def test_a_restart_goes_by_what_was_kept(tmp_path: Path) -> None:
    """It neither forgets what was learned nor tells the core twice."""

    async def story(world: World) -> None:
        await world.until("08:10")
        await world.stop()
        await world.start()
        await world.until("08:20")
        assert [room.sensors[1].hold_ms for room in given(world)] == [12 * MINUTE_MS]

    remember(tmp_path, 12, deaf=(15, 27))
    in_world(tmp_path, story, **settings("learn = true"))


@pytest.mark.thorough  # outside of coverage: its days take long with it
def test_a_fault_in_looking_back_takes_nothing_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway goes on deciding; what hangs on history stays off (W10)."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        world.others = {"orion/pir": "OFF"}
        await world.until("10:30")
        assert world.decisions("released")
        assert {room.early_end_by for room in given(world)} == {()}

    remember(tmp_path, 31)
    monkeypatch.setattr(trust, "site_quality", broken)
    in_world(tmp_path, story, **settings("end_early = true"))
