"""The running gateway listens for new sensors while somebody asks, and decides nothing by what it hears."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import World, configuration_text, in_world

from gateway.links import LinkListener, Message
from gateway.placing.heard import USUAL_TOPICS
from gateway.runtime.overhear import LISTEN_FOR_S
from gateway.service import Service
from gateway.settings import parse
from simulators.in_process import surroundings

DEVICE = {
    "friendly_name": "orion pir",
    "definition": {
        "vendor": "Contoso",
        "model": "P1",
        "description": "PIR",
        "exposes": [
            {
                "type": "binary",
                "name": "occupancy",
                "property": "occupancy",
                "access": 1,
                "value_on": True,
                "value_off": False,
            }
        ],
    },
}


class Air:
    """Plays the broker for a connection that overhears."""

    def __init__(self) -> None:
        self.why = ""
        self.filters: list[tuple[str, ...]] = []
        self.runs = 0
        self.listening = False
        self.forbidden = False
        self.listener: LinkListener | None = None

    async def run(self, listener: LinkListener) -> None:
        self.runs += 1
        self.listener = listener
        if self.forbidden:
            self.why = "the broker refuses 10 subscriptions"
            return
        self.listening = True
        try:
            listener.link_up(False)  # noqa: FBT003 - the session
            self.say("zigbee2mqtt/bridge/devices", [DEVICE], retained=True)
            await asyncio.Event().wait()
        finally:
            self.listening = False

    def subscribe(self, filters: Sequence[str]) -> None:
        self.filters.append(tuple(filters))

    def say(self, topic: str, payload: Any, *, retained: bool = False) -> None:
        assert self.listener is not None
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.listener.message(Message(topic, data, retained, None))


async def with_air(world: World, air: Air, discovery: str = "") -> Service:
    """The gateway, started anew with that air around it."""
    await world.stop()
    settings = parse(configuration_text(world.folder, more=discovery), base=world.folder)
    world.service = Service(
        settings, surroundings(world.clock, world.link, world.exchange, overhear=lambda: air)
    )
    world._running = asyncio.create_task(world.service.run())
    await asyncio.sleep(2)
    return world.service


def test_it_listens_from_the_question_on_and_for_a_while(tmp_path: Path) -> None:
    """The first answer already has what the broker kept; candidates' own topics are followed."""

    async def story(world: World) -> None:
        air = Air()
        service = await with_air(world, air)
        await asyncio.sleep(600)
        assert air.runs == 0
        events = len(world.events())
        answer = await service.command({"command": "sensors"})
        assert answer["discovery"]["listens"]
        (one,) = answer["heard"]
        assert (one["id"], one["senses"], one["room"], one["last_heard"]) == (
            "orion-pir",
            "motion",
            "orion",
            None,
        )
        assert air.filters[0] == USUAL_TOPICS
        assert "zigbee2mqtt/orion pir" in air.filters[-1]
        air.say("zigbee2mqtt/orion pir", {"occupancy": True, "battery": 70})
        candidate = await service.command({"command": "candidate", "sensor": "zigbee2mqtt/orion pir"})
        assert candidate["settings"]["topic"] == "zigbee2mqtt/orion pir"
        await asyncio.sleep(LISTEN_FOR_S + 1)
        assert not air.listening
        answer = await service.command({"command": "sensors"})
        assert answer["heard"][0]["battery"] == 70
        assert air.runs == 2
        heard = world.events()[events:]
        assert not any("orion pir" in repr(event) or "orion-pir" in repr(event) for event in heard)
        assert all(name != "zigbee2mqtt/orion pir" for name in service.brain._counts)

    in_world(tmp_path, story)


@pytest.mark.parametrize(("listen", "runs"), [("always", 1), ("off", 0)])
def test_it_may_listen_always_or_never(tmp_path: Path, listen: str, runs: int) -> None:
    """As configured; with filters of one's own instead of the usual ones."""

    async def story(world: World) -> None:
        air = Air()
        service = await with_air(world, air, f'[discovery]\nlisten = "{listen}"\ntopics = ["own/#"]\n')
        await asyncio.sleep(2 * LISTEN_FOR_S)
        await service.command({"command": "sensors"})
        assert air.runs == runs
        assert [filters[0] for filters in air.filters[:1]] == ["own/#"] * runs

    in_world(tmp_path, story)


def test_what_the_broker_forbids_is_told_and_tried_again_when_asked(tmp_path: Path) -> None:
    """It neither knocks all the time nor takes anything else down."""

    async def story(world: World) -> None:
        air = Air()
        air.forbidden = True
        service = await with_air(world, air)
        answer = await service.command({"command": "sensors"})
        assert answer["discovery"]["why_not"] == "the broker refuses 10 subscriptions"
        assert answer["heard"] == []
        await asyncio.sleep(300)
        assert air.runs == 1
        air.forbidden = False
        assert (await service.command({"command": "sensors"}))["discovery"]["listens"]
        refusal = await service.command({"command": "candidate", "sensor": "nobody"})
        assert "is heard that has no room yet" in refusal["error"]

    in_world(tmp_path, story)


def test_no_rubbish_that_is_overheard_takes_anything_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a fault of our own in looking at it costs one message."""

    async def story(world: World) -> None:
        air = Air()
        service = await with_air(world, air)
        await service.command({"command": "sensors"})

        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(service.discovery._heard, "hear", fail)
        air.say("a/b", b"\xff")
        await asyncio.sleep(60)
        assert air.listening
        assert (await service.command({"command": "status"}))["gateway"]["running"]

    in_world(tmp_path, story)


def test_whoever_watches_a_room_sees_each_message_folded_or_not(tmp_path: Path) -> None:
    """And a watcher that goes leaves nothing behind."""

    async def story(world: World) -> None:
        assert world.service is not None
        service = world.service
        stream = service.commands.watch({"room": "orion"})
        begin = await anext(stream)
        assert [one["sensor"] for one in begin["sensors"]] == ["orion-radar"]
        for _ in range(3):
            world.link.send("orion/radar", "OFF")
        events = [await anext(stream) for _ in range(4)]
        readings = [event for event in events if event["event"] == "reading"]
        assert {event["value"] for event in readings} == {0}
        assert len(readings) == 3
        assert events[3]["event"] == "alive"
        await stream.aclose()  # type: ignore[attr-defined] # an async generator
        for _ in range(3):
            await asyncio.sleep(0)
        assert service.intake.watchers == []
        refusals = [item async for item in service.commands.watch({"room": "nowhere"})]
        assert "there is no room 'nowhere'" in refusals[0]["error"]

    in_world(tmp_path, story)


def test_a_watcher_that_does_not_keep_up_is_told_what_it_lost(tmp_path: Path) -> None:
    """It holds up nothing, and its memory is bounded."""

    async def story(world: World) -> None:
        assert world.service is not None
        stream = world.service.commands.watch({"room": "orion"})
        await anext(stream)
        for _ in range(1_200):
            world.link.send("orion/radar", "OFF")
        for _ in range(1_000):
            assert (await anext(stream))["event"] == "reading"
        assert await anext(stream) == {"event": "lost", "messages": 200}

    in_world(tmp_path, story)
