"""The simulated office: one seed, one world; published as time goes by on any clock."""

import asyncio
import hashlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import aiomqtt
import pytest

from gateway.core.events import Reading
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from gateway.sensors import SensorSource, build_router
from gateway.settings_sections import RoomSettings
from simulators.broker import EmbeddedBroker
from simulators.clock import ManualClock, ScaledClock, VirtualClock, run_virtual
from simulators.mqtt_tools import BrokerAddress
from simulators.office import DEFAULT_MIX, FITTINGS, Office, publish, run_office_publisher
from simulators.people import KINDS, Behaviour
from simulators.sensors import Emission

MONDAY = round(datetime(2026, 11, 23, 8, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * SECOND_MS
REPOSITORY = Path(__file__).parents[2]


def office(seed: int = 7, rooms: int = 6, hours: float = 4.0) -> Office:
    """The demo's office."""
    return Office(seed, rooms, start_ms=MONDAY, hours=hours)


def digest(messages: Iterator[Emission]) -> str:
    """A fingerprint of a whole stream, byte for byte."""
    whole = hashlib.sha256()
    for message in messages:
        whole.update(repr(tuple(message)).encode())
    return whole.hexdigest()


def test_the_same_seed_gives_the_same_stream_under_any_hash_seed() -> None:
    """Bytes, topics and times are equal in processes with different PYTHONHASHSEED."""
    program = (
        "import hashlib\n"
        "from simulators.office import Office\n"
        "whole = hashlib.sha256()\n"
        f"for m in Office(7, 6, start_ms={MONDAY}, hours=4).messages():\n"
        "    whole.update(repr(tuple(m)).encode())\n"
        "print(whole.hexdigest())\n"
    )
    told = {
        subprocess.run(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-c", program],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert told == {digest(office().messages())}
    assert digest(office(8).messages()) not in told


def test_another_room_changes_nothing_for_those_that_were_there() -> None:
    """Each room has random numbers of its own."""
    small, large = office(rooms=3), office(rooms=7)
    assert large.rooms[:3] == small.rooms


def test_everything_that_people_do_happens_over_a_few_seeds() -> None:
    """Four hours in six rooms are an interesting world, and most of it in the demo's own seed."""
    kinds = {seed: {b.kind for b in office(seed).bookings} for seed in (7, 8, 9)}
    assert set().union(*kinds.values()) == set(KINDS)
    assert len(kinds[7]) >= 5
    for seed in (7, 8, 9):
        world = office(seed)
        assert world.ghosts(), seed
        assert any(booking.kind not in ("ghost", "cancelled") for booking in world.bookings)
    visits = [visit for seed in range(7, 12) for room in office(seed).rooms for visit in room.visits]
    assert any(visit.booking is None for visit in visits)  # walk-ups
    own = [visit.booking for visit in visits if visit.booking is not None]
    assert len(own) > len(set(own))  # coffee breaks
    last_minute = [b for seed in range(7, 12) for b in office(seed).bookings if b.created_at > MONDAY]
    assert last_minute


def test_the_merged_stream_is_in_order_and_stable() -> None:
    """Time never goes back; the bridge speaks before the devices behind it."""
    sent = list(office().messages())
    assert all(before.t <= after.t for before, after in itertools.pairwise(sent))
    assert sent[0].topic == "zigbee2mqtt/bridge/state"
    assert [message.topic for message in sent].count("zigbee2mqtt/bridge/state") == 1


def test_the_default_mix_is_mostly_radars_with_one_pir_and_one_zigbee_room() -> None:
    """As the demo wants it."""
    assert sum(fitting.startswith("radar") for fitting in DEFAULT_MIX) == 4
    assert DEFAULT_MIX.count("pir") == DEFAULT_MIX.count("zigbee-pir") == 1


@pytest.mark.parametrize("fitting", FITTINGS)
def test_a_gateway_can_be_configured_for_every_fitting(fitting: str) -> None:
    """The room tables pass the gateway's own settings, and its router reads every message."""
    world = Office(7, 1, start_ms=MONDAY, hours=3, sensor_mix=[f for f in FITTINGS if f == fitting])
    [table] = world.gateway_rooms()
    room = RoomSettings.model_validate(table | {"sensor": tuple(table["sensor"])})
    assert (room.id, room.name, room.mailbox) == ("orion", "Orion", "orion@contoso.com")
    assert [s.id for s in room.sensors] == [device.name for device in world.rooms[0].devices]
    assert [p.id for p in world.rooms[0].config.sensors] == [s.id for s in room.sensors]
    router = build_router(SensorSource(**device.source()) for device in world.rooms[0].devices)
    for message in world.messages():
        assert router.decode(message.topic, message.payload, retained=False)


def test_whoever_the_sensors_show_is_really_there_or_just_left() -> None:
    """Every sign of presence has people in the room, at most the device's own hold before."""
    world = office()
    sensors = {device.topic: (room, device) for room in world.rooms for device in room.devices}
    router = build_router(SensorSource(**device.source()) for _, device in sensors.values())
    shown = 0
    for message in world.messages():
        if message.topic not in sensors:
            continue
        room, device = sensors[message.topic]
        readings = router.decode(message.topic, message.payload, retained=False)
        if any(isinstance(reading, Reading) and reading.shows_presence for reading in readings):
            shown += 1
            hold = device.profile().device_hold_ms
            inside = (visit.enter <= message.t <= visit.leave + hold for visit in room.visits)
            assert any(inside), message
    assert shown > 100


def test_ground_truth_is_asked_per_room_and_booking() -> None:
    """`present` and `attended` agree with the visits; an unknown room is a KeyError."""
    world = office()
    ghosts = set(world.ghosts())
    for booking in world.bookings:
        assert world.attended(booking) == (booking not in ghosts and booking.kind != "cancelled")
    visit = world.rooms[0].visits[0]
    assert world.present(world.rooms[0].id, visit.enter) >= visit.people
    with pytest.raises(KeyError):
        world.present("nowhere", MONDAY)


def test_bookings_are_given_in_the_order_in_which_they_are_made() -> None:
    """So that a world can make them as time goes by."""
    made = [booking.created_at for booking in office().bookings]
    assert made == sorted(made)


def test_a_week_has_bookings_on_its_workdays_only() -> None:
    """From a Monday on: five days with bookings, within ten hours of each day's start."""
    world = office(rooms=2, hours=7 * 24)
    days = {(booking.start - MONDAY) // DAY_MS for booking in world.bookings}
    assert days == {0, 1, 2, 3, 4}
    assert all((booking.end - MONDAY - 1) % DAY_MS < 10 * HOUR_MS for booking in world.bookings)


def test_sensors_speak_before_the_first_booking_where_a_warm_up_is_asked_for() -> None:
    """The gateway has heard enough by then to prove anything."""
    world = Office(7, 6, start_ms=MONDAY, hours=4, warm_up_ms=30 * MINUTE_MS)
    assert min(booking.start for booking in world.bookings) >= MONDAY + 30 * MINUTE_MS
    assert next(world.messages()).t < MONDAY + SECOND_MS


def test_a_transform_changes_the_stream_of_its_device_alone() -> None:
    """Here is where faults are put: one device falls silent, the others do not notice."""

    def silent(stream: Iterator[Emission]) -> Iterator[Emission]:
        return (message for message in stream if message.t < MONDAY + HOUR_MS)

    world = Office(7, 2, start_ms=MONDAY, hours=4, transforms={"orion-radar": silent})
    broken = [m for m in world.messages() if m.topic.startswith("orion-radar/")]
    whole = [m for m in office(rooms=2).messages() if m.topic.startswith("orion-radar/")]
    assert broken == [m for m in whole if m.t < MONDAY + HOUR_MS]
    others = [m for m in world.messages() if not m.topic.startswith("orion-radar/")]
    assert others == [m for m in office(rooms=2).messages() if not m.topic.startswith("orion-radar/")]
    with pytest.raises(ValueError, match="nobody-radar"):
        Office(7, 2, start_ms=MONDAY, transforms={"nobody-radar": silent})


@pytest.mark.parametrize("rooms", [0, ["orion", "orion"]])
def test_an_office_that_cannot_be_is_refused(rooms: int | list[str]) -> None:
    """No rooms, or two of one name."""
    with pytest.raises(ValueError, match="room"):
        Office(7, rooms, start_ms=MONDAY)


def test_many_rooms_have_names_of_their_own() -> None:
    """Names are numbered when the stars run out, and stay fit for topics."""
    names = [room.id for room in Office(7, 30, start_ms=MONDAY, hours=0.5).rooms]
    assert len(set(names)) == 30
    assert names[12] == "orion-2"


def test_publishing_never_drifts() -> None:
    """Each message leaves at its own instant, whatever those before it took."""
    world = office(rooms=2)
    left: list[tuple[int, Emission]] = []

    async def main(clock: VirtualClock) -> int:
        async def send(topic: str, payload: bytes, retain: bool, qos: int) -> None:
            left.append((clock.now(), Emission(clock.now(), topic, payload, retain, qos)))
            await asyncio.sleep(0.0004)

        return await publish(world, clock, send)

    count = run_virtual(main, MONDAY)
    expected = list(world.messages())
    assert count == len(expected) == len(left)
    assert [sent._replace(t=0) for _, sent in left] == [message._replace(t=0) for message in expected]
    late = [at - message.t for (at, _), message in zip(left, expected, strict=True)]
    assert min(late) == 0
    assert max(late) <= 3


def test_what_is_overdue_leaves_at_once_and_progress_is_told() -> None:
    """A clock that is far ahead waits for nothing; progress ends with everything."""
    world = office(rooms=1, hours=2)
    told: list[tuple[int, int]] = []

    async def main() -> int:
        async def send(topic: str, payload: bytes, retain: bool, qos: int) -> None:
            del topic, payload, retain, qos

        clock = ManualClock(world.end_ms)
        return await publish(world, clock, send, lambda count, newest: told.append((count, newest)))

    count = run_virtual(main(), MONDAY)
    newest = list(world.messages())[-1].t
    assert told[-1] == (count, newest)
    assert [number for number, _ in told] == [*range(100, count + 1, 100), count]


async def test_an_office_is_published_to_a_broker() -> None:
    """Every message arrives over a real broker, with its payload, and retained ones stay there."""
    world = Office(7, ["orion"], start_ms=MONDAY, hours=1, behaviour=Behaviour())
    expected = list(world.messages())
    async with asyncio.timeout(30), EmbeddedBroker() as broker:
        address = BrokerAddress(host=broker.host, port=broker.port)
        async with aiomqtt.Client(broker.host, broker.port) as listener:
            await listener.subscribe("#", qos=1)
            fast = ScaledClock(world.start_ms, 1e9)
            count = await run_office_publisher(address, world, clock=fast)
            heard = []
            async for message in listener.messages:
                heard.append((message.topic.value, message.payload))
                if len(heard) == len(expected):
                    break
        async with aiomqtt.Client(broker.host, broker.port) as late:
            await late.subscribe("orion-radar/status", qos=1)
            kept = await anext(aiter(late.messages))
    assert count == len(expected)
    assert heard == [(message.topic, message.payload) for message in expected]
    assert (kept.payload, kept.retain) == (b"online", True)
