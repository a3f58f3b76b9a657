"""Every family against every published example, and against noise: a new family gets all of this for free."""

import contextlib
import json
import random
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sensor_examples import (
    DATA,
    GOLDEN,
    Example,
    as_golden,
    examples,
    golden_path,
    load,
    published,
    understood,
    written,
)

from gateway.sensors import FAMILIES, SERIAL, PayloadError, build_router
from gateway.sensors.base import SensorSource
from gateway.sensors.understood import ROOM_KINDS, Description, Device, Understood, listed
from gateway.sensors.zigbee_exposes import read_exposes

needs_data = pytest.mark.skipif(not DATA.exists(), reason="the shared data is not beside this repository")
PEOPLE = frozenset({"presence", "motion", "count"})


@pytest.fixture(scope="module")
def published_examples() -> list[Example]:
    """All examples, read once."""
    return examples()


# -- golden files ------------------------------------------------------------------------------------------


@needs_data
def test_every_example_is_understood_as_before(published_examples: list[Example]) -> None:
    """What is understood of a published message changes only together with its golden file."""
    changed = [
        example.key
        for example in published_examples
        if golden_path(example).read_text() != written(as_golden(example))
    ]
    assert not changed, f"{changed[:5]} and {len(changed)} in all; see tests/sensors/sensor_examples.py"


@needs_data
def test_every_golden_file_has_its_example(published_examples: list[Example]) -> None:
    """No golden file is left over, and no two examples share one."""
    paths = [golden_path(example) for example in published_examples]
    assert len(paths) == len(set(paths))
    assert set(GOLDEN.glob("*/*.json")) == set(paths)


def test_golden_files_hold_no_payload() -> None:
    """Only the checksum of a payload is here: the payloads stay where they are published."""
    for path in GOLDEN.glob("*/*.json"):
        golden = json.loads(path.read_text())
        assert set(golden) <= {"key", "family", "sha256", "alone", "with its description"}
        assert golden["family"] in FAMILIES
        assert golden["alone"]["count"] == len(golden["alone"]["readings"])


# -- meaning -----------------------------------------------------------------------------------------------


def room_kinds(one: Understood) -> set[str]:
    """The kinds that bear on a room."""
    return {seen.kind for seen in one.seen if seen.kind in ROOM_KINDS}


@needs_data
def test_every_message_gives_a_reading_or_a_reason(published_examples: list[Example]) -> None:
    """Whoever asks why nothing was understood gets an answer."""
    for example in published_examples:
        for described in (False, True):
            one = understood(example, described=described)
            assert room_kinds(one) or one.refused or one.online is not None, example.key


LORAWAN_SIGNALS: Mapping[str, set[str]] = {
    "presence": {"presence"},
    "occupancy_state": {"presence"},
    "motion": {"motion"},
    "motion_count": {"motion"},
    "people_count": {"count"},
    "in_out_count": {"entries"},
    "motion_seconds": set(),
    "occupancy_rate_percent": set(),
    "not_room_occupancy": set(),
}


@needs_data
def test_lorawan_devices_say_only_what_their_signals_are(published_examples: list[Example]) -> None:
    """Each example is marked with what it really tells; nothing else is ever read from it."""
    for example in published_examples:
        if example.source == "lorawan-examples":
            allowed = set().union(*(LORAWAN_SIGNALS[signal] for signal in example.told["signals"]))
            for described in (False, True):
                assert room_kinds(understood(example, described=described)) <= allowed, example.key


@needs_data
def test_false_friends_say_nothing_of_a_room(published_examples: list[Example]) -> None:
    """Curtains that move, modes of thermostats, wiring and events are no people, described or not."""
    for example in published_examples:
        if example.source == "zigbee2mqtt-lookalikes" and example.told["kind"] != "real_other_form":
            for described in (False, True):
                assert not room_kinds(understood(example, described=described)), example.key


@needs_data
def test_devices_behind_zigbee2mqtt_are_understood_by_their_exposes() -> None:
    """Nine of ten of the published presence and motion sensors, on as 1 and off as 0; the rest is refused."""
    devices = load("zigbee2mqtt-exposes")["devices"]
    taken = 0
    for device in devices:
        known = read_exposes(device)
        taken += bool(known.main)
        assert known.main or known.why_not
        for on in (True, False):
            read = FAMILIES["zigbee2mqtt"].reader(device)
            one = read("zigbee2mqtt/orion", published(device["exposes"], on=on))
            assert {seen.value for seen in one.seen if seen.kind in PEOPLE} == (
                {int(on)} if known.main else set()
            )
    assert taken >= 0.9 * len(devices)


@needs_data
@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("STSS-PRES-001", "reach|tag"),
        ("KMPCIL-tag-001", "tag"),
        ("3450-L", "tag"),
        ("XHK1-TC", "keypad"),
        ("PCT512", "thermostat"),
        ("ACN002", "seat"),
        ("ND-01", "doors"),
    ],
)
def test_devices_whose_presence_is_something_else_are_refused(model: str, why: str) -> None:
    """A tag within reach, a keypad in use and a thermostat's mode are no people in the room."""
    (device,) = (one for one in load("zigbee2mqtt-exposes")["devices"] if one["model"] == model)
    known = read_exposes(device)
    assert not known.main
    assert any(word in known.why_not for word in why.split("|"))


# -- promises of every family ------------------------------------------------------------------------------

TOPICS = [
    None,
    "zigbee2mqtt/orion",
    "node/binary_sensor/presence/state",
    "tele/pir/SENSOR",
    "stat/orion/SWITCH1",
    "orion/status/presencezone:200",
    "orion/events/rpc",
    "homeassistant/binary_sensor/presence_sensor_1/state",
    "homeassistant/binary_sensor/orion/config",
    "v3/a@t/devices/d/up",
    "x/LWT",
    "x/online",
    "x/availability",
]
WORDS = sorted(
    listed(
        """
        occupancy presence motion pir people state value payload sensor active is_valid uplink_message
        decoded_payload object deviceInfo params events data BTHome_version CountLogs Counts samples variable
        occupied status LD2410S People Switch1 StatusSNS region_1 region_1_enable detection_status battery key
        obj_id exposes device_class dev_cla stat_t val_tpl value_template availability components type config
        access value_on value_off values features definition options flags line_1 total_in total_out property
        ZbReceived registers eep switches swn last_seen linkquality tamper num_objects device_type members
        """
    )
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["ON", "OFF", "occupied", "vacant", "{{ value_json.x }}", "binary", "enum", "%", "A5-07-01"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=16,
)


def check(one: Understood) -> None:
    """What is understood is within its bounds, whatever came."""
    assert len(one.refused) < 600
    for seen in one.seen:
        assert type(seen.value) is int
        if seen.kind in {"presence", "motion", "tamper", "fault"}:
            assert seen.value in {0, 1}
        if seen.kind == "battery":
            assert 0 <= seen.value <= 100
        if seen.kind in {"count", "entries"}:
            assert 0 <= seen.value < 2**53


def attempt(family: str, device: Device | None, topic: str | None, payload: bytes) -> Understood | None:
    """None: refused by an error. Anything else that is raised is a failure."""
    description = FAMILIES[family].describe(device or {})
    assert isinstance(description, Description)
    try:
        one = FAMILIES[family].reader(device)(topic, payload)
    except PayloadError as error:
        assert len(str(error)) < 600  # noqa: PT017 - the other way out is looked at as well
        return None
    check(one)
    return one


def as_json(value: object) -> bytes:
    """JSON, with NaN and lone surrogates where the value has them."""
    return json.dumps(value).encode(errors="surrogatepass")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    payload=values,
    device=st.dictionaries(st.sampled_from(WORDS), values, max_size=6),
    topic=st.sampled_from(TOPICS),
)
def test_no_message_and_no_description_breaks_a_family(
    payload: object, device: dict[str, Any], topic: str | None
) -> None:
    """Any JSON as message and any JSON as description: understood, or refused with a reason."""
    for family in FAMILIES:
        attempt(family, device, topic, as_json(payload))
        attempt(family, None, topic, as_json(payload))


@settings(max_examples=60)
@given(payload=st.binary(max_size=80), topic=st.sampled_from(TOPICS))
def test_no_bytes_break_a_family_and_noise_shows_nobody(payload: bytes, topic: str | None) -> None:
    """Bytes that are no word, no number and no JSON give no reading of a room."""
    word = payload.strip().isalnum() or payload.lstrip()[:1] in {b"{", b"["}
    for family in FAMILIES:
        one = attempt(family, None, topic, payload)
        if one is not None and not word and family not in SERIAL:
            assert not room_kinds(one)


def mutated(payload: bytes, chance: random.Random) -> bytes:
    """The payload with a few bytes changed, lost or doubled."""
    data = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        way = chance.randrange(4)
        if way == 0:
            data[place:place] = bytes([chance.randrange(256)])
        elif way == 1 and place < len(data):
            data[place] = chance.randrange(256)
        elif way == 2:
            del data[place : place + chance.randint(1, 8)]
        else:
            data[place:place] = data[max(0, place - 8) : place]
    return bytes(data)


def mutate_device(value: Any, chance: random.Random) -> Any:
    """A description of the same shape with something odd in it."""
    if chance.random() < 0.05:
        return chance.choice([None, True, 3, -1.5, "", "{{", [], {}, [[]], {"a": []}, 10**40, "x" * 300])
    if isinstance(value, dict):
        return {key: mutate_device(item, chance) for key, item in value.items()}
    if isinstance(value, list):
        return [mutate_device(item, chance) for item in value[:20]]
    return value


def broken(published_examples: list[Example], rounds: int, seed: int) -> Iterator[None]:
    """Damaged examples and descriptions, through every family's reader of its own examples."""
    chance = random.Random(seed)  # noqa: S311 - damage, not secrets
    for _ in range(rounds):
        example = chance.choice(published_examples)
        device = example.device
        if device is not None and chance.random() < 0.5:
            device = {key: mutate_device(item, chance) for key, item in device.items()}
        attempt(example.family, device, example.topic, mutated(example.payload, chance))
        yield


@needs_data
def test_damaged_examples_break_nothing(published_examples: list[Example]) -> None:
    """Lost, changed and doubled bytes, and odd descriptions: nothing but a reading or a reason."""
    for _ in broken(published_examples, rounds=1_500, seed=1):
        pass


@needs_data
@pytest.mark.soak
def test_damaged_examples_break_nothing_for_long(published_examples: list[Example]) -> None:
    """The same for ten minutes, with a seed that is told when it fails."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - the one thing that is needed to repeat it
    until = time.monotonic() + 600
    rounds = broken(published_examples, rounds=10**9, seed=seed)
    while time.monotonic() < until:
        for _ in range(1_000):
            next(rounds)


@needs_data
def test_families_are_pure(published_examples: list[Example]) -> None:
    """The same message gives the same, at any time and in any order, from one reader or a new one."""
    chosen = random.Random(2).sample(published_examples, 300)  # noqa: S311 - a choice, not a secret
    readers = [FAMILIES[example.family].reader(example.device) for example in chosen]

    def read(place: int) -> Understood | str:
        try:
            return readers[place](chosen[place].topic, chosen[place].payload)
        except PayloadError as error:
            return str(error)

    once = [read(place) for place in range(len(chosen))]
    order = list(range(len(chosen)))
    random.Random(3).shuffle(order)  # noqa: S311 - as above
    again = {place: read(place) for place in order}
    assert [again[place] for place in range(len(chosen))] == once


HUGE = [
    b"9" * 262_144,
    b"[" * 262_144,
    b'{"occupancy":' + b"[" * 120_000 + b"]" * 120_000 + b"}",
    b'{"a":"' + b"x" * 262_000 + b'"}',
    b"{" + b",".join(b'"k%d":true' % number for number in range(20_000)) + b"}",
    b'{"samples":[' + b",".join([b'{"variable":"presence","value":1}'] * 7_000) + b"]}",
    b"\x55\x00\x0a\x07\x01\xeb\xa5" * 37_000,
    b"\xf4\xf3\xf2\xf1\x0d\x00" * 43_000,
    b"\xaa\xff\x03\x00" * 65_000,
    b'{"CountLogs":[' + b",".join([b"{}"] * 80_000) + b"]}",
]


BOUND_S = 20.0


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_huge_messages_take_bounded_time_and_memory(family: str) -> None:
    """256 KiB of the worst that comes to mind: nothing that grows faster than it, and 64 MB at the most.

    The bound in seconds is some ten times what a slow machine takes; what is quadratic takes minutes.
    """
    read = FAMILIES[family].reader(None)
    for payload in HUGE:
        tracemalloc.start()
        began = time.process_time()
        with contextlib.suppress(PayloadError):
            check(read("zigbee2mqtt/orion", payload))
        took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert took < BOUND_S, payload[:40]
        assert peak < 64 * 1024 * 1024, payload[:40]


@needs_data
def test_retained_messages_give_no_readings(published_examples: list[Example]) -> None:
    """A retained state is of unknown age in every family; for those it is about, availability counts."""
    tried = set()
    for example in published_examples:
        if example.family in tried or example.topic is None or example.family == "homeassistant":
            continue
        source = SensorSource(
            "orion-1", example.family, example.topic, "motion", options=OPTIONS.get(example.family, {})
        )
        try:
            router = build_router([source])
        except ValueError:
            continue  # an example that no sensor can be configured by
        tried.add(example.family)
        assert tuple(router.decode(example.topic, example.payload, retained=True)) == ()
    assert tried >= {"zigbee2mqtt", "esphome", "tasmota", "shelly", "lorawan"}


OPTIONS: Mapping[str, Mapping[str, str]] = {"zigbee2mqtt": {}, "tasmota": {"switch": "Switch1"}}
