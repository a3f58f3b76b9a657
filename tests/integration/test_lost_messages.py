"""A lost message starts the vacancy clock anew, as anything that may have happened unheard does."""

from pathlib import Path

from harness import World, at, in_world

from gateway.core.events import Availability
from gateway.core.units import MINUTE_MS

COUNTED = """
[[room]]
id = "vega"
mailbox = "vega@contoso.com"
[[room.sensor]]
id = "vega-radar"
family = "json"
topic = "vega/radar-json"
senses = "presence"
heartbeat = "60s"
loss_detectable = true
options = { path = "p", sequence_path = "seq", availability_topic = "vega/status" }
"""


def pairs(world: World) -> list[bool]:
    """What the core was told of the sensor's presence at its broker."""
    return [e.online for e in world.events() if isinstance(e, Availability) and e.sensor == "vega-radar"]


async def beats(world: World, numbers: list[int], first_minute: int) -> None:
    """A message each minute."""
    for minute, number in enumerate(numbers, start=first_minute):
        await world.until(f"08:{minute:02d}")
        world.link.send("vega/radar-json", f'{{"p": false, "seq": {number}}}')


def test_a_gap_in_the_numbers_moves_the_vacancy_clock(tmp_path: Path) -> None:
    """Proven empty since the gap only; without a gap, since it was first heard."""

    async def story(world: World) -> None:
        assert world.service is not None
        room = world.service.brain.site.rooms["vega"]
        await beats(world, list(range(1, 11)), 1)
        await world.until("08:10:30")
        assert room.state.occupancy.status == "vacant"
        assert room.state.occupancy.since < at("08:05")
        assert pairs(world) == []
        await beats(world, [12, *range(13, 20)], 11)
        await world.until("08:18:30")
        assert pairs(world) == [False, True]
        assert room.state.occupancy.status == "vacant"
        assert room.state.occupancy.since >= at("08:11") + MINUTE_MS  # the gap, and the radar's hold

    in_world(tmp_path, story, more=COUNTED)


def test_a_sensor_that_is_offline_stays_so_whatever_was_lost(tmp_path: Path) -> None:
    """Its last will has spoken: a gap must not put it back online."""

    async def story(world: World) -> None:
        await beats(world, [1, 2, 3], 1)
        world.link.send("vega/status", "offline")
        await beats(world, [9], 4)
        await world.until("08:05")
        assert pairs(world) == [False]

    in_world(tmp_path, story, more=COUNTED)
