"""Changed sensors take effect while the gateway runs, and count as a sign of presence in their room."""

from pathlib import Path
from typing import Any

import msgspec
from harness import PIR, World, at, configuration_text, in_world

from gateway.core.events import Availability, Configured, Reading
from gateway.core.units import MINUTE_MS
from gateway.ledger import LedgerError
from gateway.rooms.sensors import Editing, moved, renamed
from gateway.settings import Settings, load

TWO: dict[str, Any] = {"rooms": ("orion", "lyra"), "more": PIR.format(room="lyra")}


def on_disk(world: World, text: str) -> Settings:
    """The world's configuration as a file that can be read again."""
    file = world.folder / "gateway.toml"
    file.write_text(text)
    return load(file)


async def restarted_from_file(world: World, text: str) -> Path:
    """The gateway, started anew from that file."""
    await world.stop()
    world.settings = on_disk(world, text)
    await world.start()
    return world.folder / "gateway.toml"


def text_of(world: World, **more: Any) -> str:
    """What the harness makes settings of."""
    return configuration_text(world.folder, **more)


def configured(world: World) -> int:
    """How often the core was told a configuration."""
    return sum(isinstance(event, Configured) for event in world.events())


async def told(world: World, command: str = "reload") -> dict[str, Any]:
    """The running gateway's answer."""
    assert world.service is not None
    return await world.service.command({"command": command})


def test_a_moved_sensor_is_heard_in_its_new_room_without_a_restart(tmp_path: Path) -> None:
    """Both rooms start their vacancy clock anew; the sensor's next message counts in the new one."""

    async def story(world: World) -> None:
        text = text_of(world, **TWO)
        world.others = {"lyra/pir": "OFF"}
        file = await restarted_from_file(world, text)
        await world.until("08:30")
        assert world.service is not None
        rooms = world.service.brain.site.rooms
        assert rooms["lyra"].state.occupancy.status == "vacant"
        file.write_text(moved(text, "lyra-pir", "orion", "door", Editing(str(file), world.folder)))
        before = configured(world)
        answer = await told(world)
        assert answer["said"] == ["lyra-pir: in another room now."]
        assert configured(world) == before + 1
        at_change = world.clock.now()
        world.link.send("lyra/pir", "ON")
        await world.until("08:32")
        assert "lyra-pir" in rooms["orion"].sensors
        assert "lyra-pir" not in rooms["lyra"].sensors
        assert rooms["orion"].state.occupancy.status == "occupied"
        await world.until("09:00")
        assert rooms["lyra"].state.occupancy.status == "vacant"
        assert (
            rooms["lyra"].state.occupancy.since >= at_change + MINUTE_MS
        )  # its radar's hold, from the change on

    in_world(tmp_path, story, **TWO)


def test_a_renamed_sensor_is_heard_under_its_new_name_only(tmp_path: Path) -> None:
    """And what comes on a topic that nobody has any more is no sensor's."""

    async def story(world: World) -> None:
        text = text_of(world)
        file = await restarted_from_file(world, text)
        file.write_text(renamed(text, "orion-radar", "above-screen", Editing(str(file), world.folder)))
        assert (await told(world))["changes"]["added"] == ["above-screen"]
        world.enter()
        await world.until("08:10")
        events = world.events()
        renamed_at = max(n for n, event in enumerate(events) if isinstance(event, Configured))
        heard = {event.sensor for event in events[renamed_at:] if isinstance(event, Reading)}
        assert heard == {"above-screen"}
        assert world.link._topics >= {"orion/radar"}
        file.write_text(text.replace('topic = "orion/radar"', 'topic = "orion/other"'))
        await told(world)
        assert "orion/radar" not in world.link._topics

    in_world(tmp_path, story)


def test_another_topic_is_another_device_and_starts_unheard(tmp_path: Path) -> None:
    """What the old device proved proves nothing of the new one, though its profile is the same."""

    async def story(world: World) -> None:
        text = text_of(world)
        file = await restarted_from_file(world, text)
        await world.until("08:30")
        assert world.service is not None
        room = world.service.brain.site.rooms["orion"]
        assert room.state.occupancy.status == "vacant"
        file.write_text(text.replace('topic = "orion/radar"', 'topic = "orion/new"'))
        assert (await told(world))["changes"]["changed"] == ["orion-radar"]
        assert world.service.brain.site.rooms["orion"].state.occupancy.status == "unknown"
        await world.until("08:50")
        assert world.service.brain.site.rooms["orion"].state.occupancy.status == "unknown"

    in_world(tmp_path, story)


def test_what_needs_a_restart_is_refused_as_a_whole(tmp_path: Path) -> None:
    """Half of a file is never taken over; the answer names what stands in the way."""

    async def story(world: World) -> None:
        text = text_of(world)
        file = await restarted_from_file(world, text)
        before, router = configured(world), world.link._topics
        file.write_text(
            text.replace('host = "127.0.0.1"', 'host = "127.0.0.2"')
            .replace("orion/radar", "orion/x")
            .replace('mailbox = "orion@contoso.com"', 'mailbox = "orion@contoso.com"\ncapacity = 4')
            + '[[room]]\nid = "vega"\nmailbox = "vega@contoso.com"\n[policy.slow]\ngrace = "20m"\n'
        )
        refusal = (await told(world))["error"]
        for words in ("[mqtt]", "a [policy.NAME]", "the room vega is new", "the settings of the room orion"):
            assert words in refusal
        assert "restart" in refusal
        file.write_text("[site")
        assert "cannot be used" in (await told(world))["error"]
        file.unlink()
        assert "cannot be read" in (await told(world))["error"]
        assert (configured(world), world.link._topics) == (before, router)

    in_world(tmp_path, story)


def test_a_failed_commit_forgets_no_new_sensor(tmp_path: Path) -> None:
    """The core reloaded from the ledger is told the newest configuration before any message comes."""

    async def story(world: World) -> None:
        text = text_of(world)
        file = await restarted_from_file(world, text)
        await world.until("08:10")
        assert world.service is not None
        ledger, real = world.service.ledger, world.service.ledger.run
        broken = True

        async def fail(work: Any) -> Any:
            if broken and "orion/pir" in world.link._topics:
                raise LedgerError("no space left")
            return await real(work)

        ledger.run = fail  # type: ignore[assignment, method-assign]
        file.write_text(text + PIR.format(room="orion"))
        answer = await told(world)
        assert "counts as soon as something can be recorded again" in answer["said"][-1]
        broken = False
        await world.until("08:20")
        world.link.send("orion/pir", "ON")
        await world.until("08:25")
        assert not world.service.brain.paused_because
        assert any(isinstance(e, Reading) and e.sensor == "orion-pir" for e in world.events())
        assert not any(isinstance(e, Availability) for e in world.events())

    in_world(tmp_path, story)


def test_nothing_changed_is_said_and_records_nothing(tmp_path: Path) -> None:
    """Reloading twice is reloading once."""

    async def story(world: World) -> None:
        await restarted_from_file(world, text_of(world))
        before = configured(world)
        assert (await told(world))["said"] == ["Nothing has changed in the sensors."]
        assert configured(world) == before
        assert msgspec.json.encode(await told(world))

    in_world(tmp_path, story)


def test_what_is_ignored_and_listed_again_is_told(tmp_path: Path) -> None:
    """A change of the listing is no change of the rooms' sensors, and still one."""

    async def story(world: World) -> None:
        text = text_of(world)
        file = await restarted_from_file(world, text)
        before = configured(world)
        file.write_text(text + '\n[discovery]\nignore = ["zigbee2mqtt/kitchen"]\n')
        assert (await told(world))["said"] == ["Not listed any more: zigbee2mqtt/kitchen."]
        file.write_text(text)
        assert (await told(world))["said"] == ["Listed again: zigbee2mqtt/kitchen."]
        assert configured(world) == before

    in_world(tmp_path, story)


def test_the_instant_of_the_change_is_that_of_the_journal(tmp_path: Path) -> None:
    """A restart replays the change of sensors: the ledger knows all that the core was told."""

    async def story(world: World) -> None:
        text = text_of(world)
        file = await restarted_from_file(world, text)
        file.write_text(text + PIR.format(room="orion"))
        await told(world)
        world.settings = load(file)
        await world.stop()
        before = configured(world)
        await world.start()
        await world.wait_until(at("08:20"))
        assert configured(world) == before

    in_world(tmp_path, story)
