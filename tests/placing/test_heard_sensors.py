"""Sensors without a room are recognised by their own words, within bounds, whatever is published."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.placing import heard
from gateway.placing.heard import USUAL_TOPICS, Heard, Listed
from gateway.placing.similar import RoomNames
from gateway.sensors import FAMILIES, OptionError, build_router
from gateway.sensors.serial_frames import crc8
from gateway.settings_checks import source_of

NOON = 1_790_000_000_000
ROOMS = [RoomNames("orion", "Orion", "orion@contoso.com")]


def zigbee(name: str, *exposes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An entry of Zigbee2MQTT's list of devices."""
    definition = {"vendor": "Contoso", "model": "P1", "description": "Sensor", "exposes": list(exposes)}
    return {"friendly_name": name, "type": "EndDevice", "definition": definition | more}


def flag(name: str) -> dict[str, Any]:
    """An on/off property."""
    return {
        "type": "binary",
        "name": name,
        "property": name,
        "access": 1,
        "value_on": True,
        "value_off": False,
    }


STATES = {
    "type": "enum",
    "name": "presence_state",
    "property": "presence_state",
    "access": 1,
    "values": ["none", "presence"],
}
BATTERY = {"type": "numeric", "name": "battery", "property": "battery", "access": 1, "unit": "%"}
DEVICES = [
    zigbee("Orion PIR", flag("occupancy"), BATTERY, description="PIR motion sensor"),
    zigbee("far/away radar", STATES, description="human presence radar"),
    zigbee("lamp", flag("state")),
    {"friendly_name": "Coordinator", "type": "Coordinator", "definition": None},
    zigbee("off duty", flag("occupancy")) | {"disabled": True},
]
ANNOUNCED = {
    "name": "Occupancy",
    "state_topic": "lab/state",
    "device_class": "occupancy",
    "value_template": "{{ value_json.occ }}",
    "payload_on": True,
    "payload_off": False,
    "device": {"name": "Lab radar", "manufacturer": "Contoso", "model": "R2", "identifiers": ["x"]},
}


def hear(ear: Heard, topic: str, payload: object, *, retained: bool = False, now: int = NOON) -> None:
    """One message; objects as JSON."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    ear.hear(topic, data, retained=retained, now=now)


def listed(ear: Heard, **more: Any) -> dict[str, Listed]:
    """What is shown, by topic."""
    given = {"configured": (), "ignored": (), "taken": (), "rooms": ROOMS} | more
    return {one.topic: one for one in ear.listed(**given)}


def test_zigbee_devices_are_known_by_their_own_description() -> None:
    """Senses, battery, room by name; lamps, the coordinator and what is switched off are left out."""
    ear = Heard()
    hear(ear, "zigbee2mqtt/bridge/devices", DEVICES, retained=True)
    found = listed(ear)
    assert set(found) == {"zigbee2mqtt/Orion PIR", "zigbee2mqtt/far/away radar"}
    pir = found["zigbee2mqtt/Orion PIR"]
    assert (pir.id, pir.senses, pir.room, pir.battery, pir.last_heard) == (
        "orion-pir",
        "motion",
        "orion",
        None,
        None,
    )
    hear(ear, "zigbee2mqtt/Orion PIR", {"occupancy": True, "battery": 81})
    pir = listed(ear)["zigbee2mqtt/Orion PIR"]
    assert (pir.battery, pir.last_heard) == (81, NOON)
    hear(ear, "zigbee2mqtt/Orion PIR", {"occupancy": True, "battery": 80}, retained=True, now=NOON + 1)
    assert listed(ear)["zigbee2mqtt/Orion PIR"].last_heard == NOON
    hear(ear, "zigbee2mqtt/bridge/devices", DEVICES[1:], now=NOON + 60_000)
    assert set(listed(ear)) == {"zigbee2mqtt/far/away radar"}


def test_every_candidate_becomes_a_sensor_that_understands_its_messages() -> None:
    """What `sensors assign` writes is decoded as the device meant it."""
    ear = Heard()
    hear(ear, "zigbee2mqtt/bridge/devices", DEVICES)
    hear(ear, "homeassistant/binary_sensor/lab/occupancy/config", ANNOUNCED)
    hear(ear, "tele/desk-pir/SENSOR", {"Time": "2026-09-28T08:00:00", "Switch1": "ON"})
    hear(ear, "node/binary_sensor/presence/state", b"ON")
    hear(ear, "rooms/orion", {"occupancy": True})
    messages = {
        "zigbee2mqtt/Orion PIR": {"occupancy": True},
        "zigbee2mqtt/far/away radar": {"presence_state": "presence"},
        "lab/state": {"occ": True},
        "node/binary_sensor/presence/state": None,
        "rooms/orion": {"occupancy": True},
    }
    found = listed(ear)
    assert set(messages) <= set(found)
    for topic, message in messages.items():
        sensor = ear.settings_of(topic, "one", "room")
        router = build_router([source_of(sensor)])
        payload = b"ON" if message is None else json.dumps(message).encode()
        (reading,) = (r for r in router.decode(topic, payload, retained=False) if r.kind == sensor.senses)  # type: ignore[union-attr] # readings
        assert reading.value == 1  # type: ignore[union-attr] # as above


def test_what_rooms_have_and_what_is_ignored_is_not_listed() -> None:
    """And ids are those that nobody uses yet."""
    ear = Heard()
    hear(ear, "zigbee2mqtt/bridge/devices", DEVICES)
    assert set(listed(ear, configured=["zigbee2mqtt/Orion PIR"])) == {"zigbee2mqtt/far/away radar"}
    assert set(listed(ear, ignored=["zigbee2mqtt/far/away radar"])) == {"zigbee2mqtt/Orion PIR"}
    assert listed(ear, taken=["orion-pir"])["zigbee2mqtt/Orion PIR"].id == "orion-pir-2"


def test_zigbee2mqtts_own_description_counts_before_its_announcement() -> None:
    """It announces the same device to Home Assistant; that adds no second sensor."""
    ear = Heard()
    config = ANNOUNCED | {
        "state_topic": "zigbee2mqtt/Orion PIR",
        "value_template": "{{ value_json.occupancy }}",
    }
    for order in (0, 1):
        if order:
            hear(ear, "zigbee2mqtt/bridge/devices", DEVICES)
        hear(ear, "homeassistant/binary_sensor/0x1/occupancy/config", config)
    assert listed(ear)["zigbee2mqtt/Orion PIR"].family == "zigbee2mqtt"


def test_the_number_of_candidates_and_of_topics_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More are counted and left out; so are messages that are too large."""
    monkeypatch.setattr(heard, "MAX_CANDIDATES", 3)
    monkeypatch.setattr(heard, "MAX_TOPICS", 10)
    ear = Heard()
    for number in range(20):
        hear(ear, f"rooms/{number}/x", {"occupancy": True})
    assert len(ear.topics) == 3
    assert len(ear._looks) == 10
    assert ear.left_out == 17
    hear(ear, "zigbee2mqtt/bridge/devices", b"[" + b" " * heard.MAX_LIST_BYTES)
    hear(ear, "a/b/config/c", b"x" * 70_000)
    assert ear.left_out >= 18


def test_a_chatty_topic_is_looked_at_now_and_then_only() -> None:
    """A power meter that speaks ten times a second costs nothing."""
    ear = Heard()
    for number in range(1_000):
        hear(ear, "tele/meter/SENSOR", {"ENERGY": {"Power": number}}, now=NOON + number * 100)
    assert ear._looks["tele/meter/SENSOR"].count <= heard.LOOKS + 100_000 // heard.LOOK_AGAIN_MS + 1
    for number in range(1_000):
        hear(ear, "tele/meter/SENSOR", {"ENERGY": {}}, now=NOON + 10_000_000 + number * 100_000)
    assert ear._looks["tele/meter/SENSOR"].count == heard.GIVEN_UP_AFTER


@settings(max_examples=150)
@given(
    topic=st.sampled_from(
        [
            "zigbee2mqtt/bridge/devices",
            "homeassistant/binary_sensor/x/config",
            "homeassistant/device/x/config",
            "tele/pir/SENSOR",
            "x/events/rpc",
            "v3/app/devices/d/up",
            "serial/desk/report",
            "anything",
        ]
    ),
    payload=st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "friendly_name",
                            "definition",
                            "exposes",
                            "type",
                            "name",
                            "property",
                            "state_topic",
                            "dev_cla",
                        ]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_nothing_that_is_published_makes_it_raise(topic: str, payload: bytes) -> None:
    """Rubbish, odd descriptions and halves of either: shown rightly or not at all."""
    ear = Heard()
    for _ in range(2):
        ear.hear(topic, payload, retained=False, now=NOON)
    for one in listed(ear).values():
        assert one.family in FAMILIES


def test_the_usual_topics_are_filters() -> None:
    """A typing slip there would cost the whole connection."""
    from gateway.links.filters import check_filter  # noqa: PLC0415 - needed here only

    for one in USUAL_TOPICS:
        check_filter(one)


# -- how often it speaks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "heartbeat"),
    [
        ([60, 61, 12, 48, 60], 60_000),  # a timer, and a motion between two of its messages
        ([59, 60], None),  # too few
        ([10, 200, 35, 90, 400, 20], None),  # it speaks when something happens
        ([299, 301, 300], 300_000),
        ([7_200] * 3, 7_200_000),
    ],
)
def test_a_timer_is_told_from_events_by_its_equal_gaps(seconds: list[int], heartbeat: int | None) -> None:
    """The longest silences of a timer are equal; a guess that people may take for the heartbeat."""
    ear = Heard()
    now = NOON
    hear(ear, "rooms/orion", {"occupancy": True}, now=now)
    for gap in seconds:
        now += gap * 1_000
        hear(ear, "rooms/orion", {"occupancy": True}, now=now)
        hear(ear, "rooms/orion", {"occupancy": True}, retained=True, now=now + 500)
    assert listed(ear)["rooms/orion"].heartbeat_ms == heartbeat


def test_the_gateways_own_rooms_are_no_sensors() -> None:
    """It announces them to Home Assistant with class occupancy; fed back they would never be empty."""
    ear = Heard(own="occupancy")
    config = {"name": "Orion", "stat_t": "occupancy/orion/summary", "dev_cla": "occupancy"}
    hear(ear, "homeassistant/binary_sensor/occupancy/orion/config", config)
    hear(ear, "occupancy/orion/presence", b"on")
    assert listed(ear) == {}
    hear(ear, "homeassistant/binary_sensor/other/config", config | {"stat_t": "occupancy2/orion"})
    assert set(listed(ear)) == {"occupancy2/orion"}


# -- EnOcean, and names ------------------------------------------------------------------------------------


def telegram(db3: int, db2: int, db1: int, db0: int, rorg: int = 0xA5) -> bytes:
    """A radio telegram with right checksums."""
    data = bytes((rorg, db3, db2, db1, db0)) + bytes.fromhex("0181b74400")
    head = bytes((0, len(data), 0, 1))
    return b"\x55" + head + bytes((crc8(head),)) + data + bytes((crc8(data),))


def test_an_enocean_device_is_listed_and_its_teach_in_telegram_tells_what_it_is() -> None:
    """Before that it needs to be told the profile; afterwards it is a sensor like any other."""
    ear, topic = Heard(), "serial/stick/0181b744"
    hear(ear, topic, telegram(0, 0, 255, 8))
    (one,) = listed(ear).values()
    assert (one.topic, one.family, one.senses, one.about) == (
        topic,
        "enocean",
        "motion",
        "EnOcean, profile not told",
    )
    with pytest.raises(OptionError, match="eep"):
        ear.settings_of(topic, "one", "room")
    hear(ear, topic, telegram(0x1C, 0x08, 0, 0x80))
    sensor = ear.settings_of(topic, "one", "room")
    assert sensor.options == {"eep": "A5-07-01"}
    (reading,) = build_router([source_of(sensor)]).decode(topic, telegram(0, 0, 255, 8), retained=False)
    assert (reading.kind, reading.value) == ("motion", 1)  # type: ignore[union-attr] # a reading
    hear(ear, topic, telegram(0, 0, 0, 8))
    assert ear.settings_of(topic, "one", "room").options == {"eep": "A5-07-01"}


@pytest.mark.parametrize("payload", [telegram(0x08, 0x28, 0, 0x80), telegram(0, 0, 0, 8, rorg=0xF6), b"\x55"])
def test_other_enocean_devices_are_not_listed(payload: bytes) -> None:
    """A thermometer that says so, a button, noise."""
    ear = Heard()
    hear(ear, "serial/stick/0181b744", payload)
    assert listed(ear) == {}


@pytest.mark.parametrize(
    ("topic", "message", "family", "name"),
    [
        (
            "application/1/device/01/event/up",
            {"deviceInfo": {"deviceName": "Orion door"}, "object": {"people_count": 3}},
            "lorawan",
            "Orion door",
        ),
        (
            "v3/app@tenant/devices/orion-7/up",
            {"end_device_ids": {"device_id": "orion-7"}, "uplink_message": {"decoded_payload": {"pir": 1}}},
            "lorawan",
            "orion-7",
        ),
        ("shellies/orion/status", {"motion": True, "active": True}, "shelly", "shellies orion"),
    ],
)
def test_names_come_from_where_people_gave_them(topic: str, message: object, family: str, name: str) -> None:
    """The network server's name tells the room, not the device's address in the topic."""
    ear = Heard()
    hear(ear, topic, message)
    (one,) = listed(ear).values()
    assert (one.family, one.name, one.room) == (family, name, "orion")
