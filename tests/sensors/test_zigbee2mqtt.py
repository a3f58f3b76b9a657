"""Zigbee2MQTT as it really publishes, and the keys that only look like occupancy."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest

from gateway.core.events import Availability, BridgeState, Reading
from gateway.core.policy import Senses
from gateway.sensors import OptionError, PayloadError, SensorSource, build_router
from gateway.sensors.base import Decoded

SHARED_DATA = Path(__file__).parents[2].parent / "shared" / "data" / "sensors"
TOPIC = "zigbee2mqtt/orion/pir"
AT = 1_732_371_250_000


def load(name: str) -> Any:
    """A file of the shared data; skips where it is not at hand."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"the shared data file {name} is not on this machine")
    return json.loads(path.read_text(encoding="utf-8"))


def decode(payload: bytes, senses: Senses = "motion", **options: str) -> Decoded:
    """What one message on the device's topic says."""
    source = SensorSource("orion-1", "zigbee2mqtt", TOPIC, senses, "zigbee2mqtt", options)
    return build_router([source]).decode(TOPIC, payload, retained=False)


def kinds(decoded: Decoded) -> list[str]:
    """The kinds of the readings, in order."""
    return [one.kind for one in decoded if isinstance(one, Reading)]


# -- recorded messages ----------------------------------------------------------------------------

RECORDED: tuple[tuple[str, Senses, int, int], ...] = (
    ("Motion sensor", "motion", 0, 0),
    ("Occupancy sensor", "motion", 12, 12),
    ("Mini luminance motion sensor", "motion", 11, 11),
    ("Presence sensor", "presence", 69, 0),
)
"""Friendly name, what it senses, its states, and how many of them carry a battery level."""


@pytest.mark.parametrize(
    ("name", "senses", "states", "batteries"), RECORDED, ids=[row[0] for row in RECORDED]
)
def test_recorded_sensors_decode_to_what_they_published(
    name: str, senses: Senses, states: int, batteries: int
) -> None:
    """Each recorded state gives its main value, its link quality, its battery level and its time."""
    topic = f"zigbee2mqtt/{name}"
    router = build_router([SensorSource(name, "zigbee2mqtt", topic, senses, "zigbee2mqtt")])
    found: Counter[str] = Counter()
    for message in load("zigbee2mqtt-states.json")["messages"]:
        if message["topic"] not in router.topics:
            continue
        decoded = router.decode(message["topic"], message["payload"].encode(), retained=False)
        if message["topic"].endswith("/availability"):
            assert decoded == (Availability(name, online=True),)
            found["availability"] += 1
            continue
        said = json.loads(message["payload"])
        main = decoded[0]
        assert isinstance(main, Reading)
        assert main.value == said.get("occupancy", said.get("presence"))
        assert all(one.device_made and one.made_at for one in decoded if isinstance(one, Reading))
        found.update(kinds(decoded))
    expected = {"availability": 1, senses: states, "battery": batteries, "link": states}
    assert found == Counter({kind: number for kind, number in expected.items() if number})


def test_every_recorded_message_belongs_to_a_tested_sensor() -> None:
    """The table above leaves nothing of the recording out."""
    messages = load("zigbee2mqtt-states.json")["messages"]
    assert {message["topic"].split("/")[1] for message in messages} == {row[0] for row in RECORDED}


KEY_OF_SENSE: tuple[tuple[Literal["motion", "presence"], str], ...] = (
    ("motion", "occupancy"),
    ("presence", "presence"),
)


@pytest.mark.parametrize("value", [True, False])
def test_devices_that_expose_occupancy_or_presence_are_understood(value: bool) -> None:
    """Of the public device list, every plain binary occupancy or presence is read in its own words."""
    seen = 0
    for device in load("zigbee2mqtt-exposes.json")["devices"]:
        binaries = {
            e["property"]: e for e in device["exposes"] if e.get("type") == "binary" and e.get("property")
        }
        for senses, key in KEY_OF_SENSE:
            if key not in binaries:
                continue
            said = {key: binaries[key]["value_on" if value else "value_off"], "linkquality": 80}
            source = SensorSource("orion-1", "zigbee2mqtt", TOPIC, senses)
            decoded = build_router([source]).decode(TOPIC, json.dumps(said).encode(), retained=False)
            assert decoded[0] == Reading("orion-1", senses, int(value), device_made=value)
            seen += 1
    assert seen == 199


def test_lookalike_devices_show_nobody_unless_configured() -> None:
    """No other key of these devices is taken for occupancy, whatever it holds."""
    seen = 0
    for device in load("zigbee2mqtt-lookalikes.json")["devices"]:
        said = {alike["property"]: True for alike in device["lookalikes"]}
        for senses in ("motion", "presence"):
            source = SensorSource("orion-1", "zigbee2mqtt", TOPIC, senses)
            decoded = build_router([source]).decode(TOPIC, json.dumps(said).encode(), retained=False)
            assert not {"motion", "presence", "count"} & set(kinds(decoded))
        seen += 1
    assert seen == 45


# -- which key counts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "moving",
        "thermostat_occupancy",
        "external_occupancy",
        "presence_event",
        "presence_state",
        "occupancy_2",
        "occupancy_timeout",
        "occupied_heating_setpoint",
        "motion_state",
        "people",
        "Occupancy",
        "",
    ],
)
def test_lookalike_keys_are_signs_of_life_only(key: str) -> None:
    """A message without the configured key says nothing about the room."""
    assert tuple(decode(json.dumps({key: True}).encode())) == (Reading("orion-1", "alive", 1),)


def test_a_configured_property_is_the_only_one_that_counts() -> None:
    """Devices with several endpoints: one sensor per endpoint, each by its own key."""
    payload = b'{"occupancy_1":true,"occupancy_2":false,"occupancy":true,"presence":true}'
    assert kinds(decode(payload, property="occupancy_2")) == ["motion"]
    assert decode(payload, property="occupancy_2")[0] == Reading("orion-1", "motion", 0, device_made=False)
    assert kinds(decode(b'{"occupancy":true}', property="occupancy_2")) == ["alive"]


def test_a_device_with_both_keys_is_read_by_what_it_senses() -> None:
    """A radar that also reports motion is a presence sensor where it is configured as one."""
    payload = b'{"occupancy":false,"presence":true,"last_seen":1732371250000}'
    assert decode(payload, "presence")[0] == Reading("orion-1", "presence", 1, made_at=AT)
    assert decode(payload, "motion")[0] == Reading("orion-1", "motion", 0, made_at=AT)
    assert decode(b'{"occupancy":true}', "presence")[0] == Reading("orion-1", "presence", 1)
    assert decode(b'{"presence":true,"occupancy":null}', "motion")[0] == Reading("orion-1", "motion", 1)


def test_a_presence_event_does_not_end_a_presence() -> None:
    """Somebody leaving by the right is a direction of movement; the room's state is in `presence`."""
    payload = b'{"linkquality":200,"presence":true,"presence_event":"right_leave"}'
    assert decode(payload, "presence")[0] == Reading("orion-1", "presence", 1)


def test_a_presence_written_as_a_word_can_be_configured() -> None:
    """Some radars publish only `presence_state`: none or presence."""
    options = {"property": "presence_state", "on": "presence", "off": "none"}
    assert decode(b'{"presence_state":"presence"}', "presence", **options)[0] == Reading(
        "orion-1", "presence", 1
    )
    gone = decode(b'{"presence_state":"none"}', "presence", **options)[0]
    assert gone == Reading("orion-1", "presence", 0, device_made=False)


def test_a_count_needs_its_property() -> None:
    """Nothing is guessed; a named number of people is read."""
    with pytest.raises(OptionError, match="count needs the option property"):
        decode(b"{}", "count")
    assert decode(b'{"people":3}', "count", property="people") == [Reading("orion-1", "count", 3)]


@pytest.mark.parametrize("name", ["battery", "last_seen", ""])
def test_a_property_that_means_something_else_is_refused(name: str) -> None:
    """A battery level is not a presence."""
    with pytest.raises(OptionError, match="cannot be the main value"):
        decode(b"{}", property=name)


# -- who made it ----------------------------------------------------------------------------------


def test_a_clear_without_last_seen_proves_no_life() -> None:
    """It may come from Zigbee2MQTT's own timer, and the battery level in it from its cache."""
    decoded = decode(b'{"battery":87,"linkquality":21,"occupancy":false}')
    assert kinds(decoded) == ["motion", "battery", "link"]
    assert not any(one.device_made for one in decoded if isinstance(one, Reading))


@pytest.mark.parametrize(
    "payload", [b'{"battery":87,"occupancy":true}', b'{"battery":87}', b'{"temperature":20}']
)
def test_other_messages_without_last_seen_are_the_devices_own(payload: bytes) -> None:
    """No timer of Zigbee2MQTT makes these."""
    assert all(one.device_made for one in decode(payload) if isinstance(one, Reading))


@pytest.mark.parametrize(
    "last_seen", ['"2024-11-23T15:14:10+01:00"', "1732371250000", '"2024-11-23T14:14:10.000Z"']
)
@pytest.mark.parametrize("occupancy", ["true", "false"])
def test_last_seen_is_kept_in_every_form(last_seen: str, occupancy: str) -> None:
    """With it, whoever knows the message before can tell a repeat from a sign of life."""
    decoded = decode(f'{{"occupancy":{occupancy},"battery":50,"last_seen":{last_seen}}}'.encode())
    assert [(one.made_at, one.device_made) for one in decoded if isinstance(one, Reading)] == [(AT, True)] * 2


@pytest.mark.parametrize("last_seen", ['"never"', "0", "null", "{}", '"2024-11-23T15:14:10"'])
def test_an_unusable_last_seen_is_no_last_seen(last_seen: str) -> None:
    """The clear beside it may be the timer's."""
    (reading,) = decode(f'{{"occupancy":false,"last_seen":{last_seen}}}'.encode())
    assert reading == Reading("orion-1", "motion", 0, device_made=False)


# -- the rest of a state --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", [b"", b"online", b"true", b"[]", b'{"occupancy":', b'{"occupancy":true}x', b"null"]
)
def test_what_is_no_json_object_is_refused(payload: bytes) -> None:
    """A state is always an object."""
    with pytest.raises(PayloadError, match="JSON object"):
        decode(payload)


@pytest.mark.parametrize("value", ["2", '"maybe"', "[true]", '{"x":1}', "1e300"])
def test_an_occupancy_that_is_neither_on_nor_off_is_refused(value: str) -> None:
    """It is counted as unreadable, not guessed."""
    with pytest.raises(PayloadError, match="word for on or off"):
        decode(f'{{"occupancy":{value}}}'.encode())


def test_odd_extras_never_hide_a_presence() -> None:
    """A null battery, a text link quality or a nested tamper say nothing, and presence still counts."""
    payload = (
        b'{"occupancy":true,"battery":null,"linkquality":"strong","tamper":[],"update":{"state":"idle"}}'
    )
    assert decode(payload) == [Reading("orion-1", "motion", 1)]


def test_tamper_is_reported() -> None:
    """An opened case is a reading of its own."""
    assert kinds(decode(b'{"occupancy":true,"tamper":true}')) == ["motion", "tamper"]


@pytest.mark.parametrize("retained", [True, False])
@pytest.mark.parametrize(
    ("payload", "online"), [(b"online", True), (b'{"state":"online"}', True), (b'{"state":"offline"}', False)]
)
def test_the_bridges_state_counts_once_for_all_its_sensors(
    payload: bytes, online: bool, retained: bool
) -> None:
    """Old and new form, retained or not; a hundred sensors behind a bridge give one event."""
    sources = [
        SensorSource(f"orion-{number}", "zigbee2mqtt", f"zigbee2mqtt/pir {number}", "motion", "zigbee2mqtt")
        for number in range(100)
    ]
    router = build_router(sources)
    assert len(router.topics) == 201
    assert router.decode("zigbee2mqtt/bridge/state", payload, retained) == (
        BridgeState("zigbee2mqtt", online=online),
    )


def test_a_broken_bridge_state_names_no_sensor() -> None:
    """It is the bridge that was not understood."""
    router = build_router([SensorSource("orion-1", "zigbee2mqtt", TOPIC, "motion", "zigbee2mqtt")])
    with pytest.raises(PayloadError) as caught:
        router.decode("zigbee2mqtt/bridge/state", b"sleepy", retained=True)
    assert caught.value.sensor == ""


def test_a_bridge_must_be_the_topics_base() -> None:
    """Otherwise its state would be listened for in the wrong place."""
    with pytest.raises(OptionError, match="must start with 'z2m/'"):
        build_router([SensorSource("orion-1", "zigbee2mqtt", TOPIC, "motion", "z2m")])


def test_friendly_names_keep_their_spaces() -> None:
    """A name may begin with a space; the topic then does too."""
    topic = "zigbee2mqtt/ Presence orion"
    router = build_router([SensorSource("orion-1", "zigbee2mqtt", topic, "presence", "zigbee2mqtt")])
    assert router.topics == (topic, f"{topic}/availability", "zigbee2mqtt/bridge/state")
