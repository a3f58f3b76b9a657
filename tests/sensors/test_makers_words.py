"""Devices that nobody has seen yet: what makers' words mean by themselves, and which words mean other things.

The devices are made up. Each table holds the words, one a line, so that a new one costs a line.
"""

import json
from typing import Any

import pytest

from gateway.sensors import FAMILIES, PayloadError
from gateway.sensors.serial_frames import crc8
from gateway.sensors.understood import ROOM_KINDS
from gateway.sensors.vocabulary import plain_kind, sure_kind

Signs = list[tuple[str, int]]


def told(family: str, message: object, topic: str | None = None, device: Any = None) -> Signs:
    """Kind and value of what a message tells of people; nothing where it is refused."""
    payload = message.encode() if isinstance(message, str) else json.dumps(message).encode()
    try:
        understood = FAMILIES[family].reader(device)(topic, payload)
    except PayloadError:
        return []
    return [(seen.kind, seen.value) for seen in understood.seen if seen.kind in ROOM_KINDS]


# -- names -------------------------------------------------------------------------------------------------

SURE = {
    "presence": "presence room_occupied isOccupied human_presence humanPresence radar_presence"
    " presence_detected person_detected human_detected someone_in_room people_exist user_present"
    " body_presence",
    "motion": "motion pir pir_motion motion_sensor isMotionDetected movement_detected pir_detection"
    " pir_triggered",
    "count": "people persons occupants head_count peopleCount person_count people_in_room numberOfPeople",
}
UNSURE = (
    "mains_present usb_present battery_present card_present water_presence presence_timeout"
    " motion_sensitivity"
    " thermostat_occupancy external_occupancy no_presence not_occupied max_people people_capacity"
    " people_in people_entered total_people occupancy_count presence_event moving person phone_presence"
    " motion_detection"
)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in SURE for name in SURE[kind].split()])
def test_a_name_of_which_every_word_is_about_people_is_sure(kind: str, name: str) -> None:
    """Whoever the maker is."""
    assert sure_kind(name) == kind


@pytest.mark.parametrize("name", UNSURE.split())
def test_one_word_that_points_elsewhere_makes_a_name_unsure(name: str) -> None:
    """A charger is present, too."""
    assert sure_kind(name) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("everything_one_occupancy", "presence"),
        ("anyone_present", "presence"),
        ("has_person", "presence"),
        ("hallway_pir", "motion"),
        ("Head count", "count"),
        ("bed_presence", None),
        ("printer_occupied", None),
        ("package_present", None),
        ("tv_present", None),
        ("litterbox_occupied", None),
        ("no_presence", None),
        ("people_entered_today", None),
    ],
)
def test_names_that_people_gave_may_hold_other_words_but_no_other_things(name: str, kind: str | None) -> None:
    """Names of rooms and devices do no harm; beds, printers and what is merely present do."""
    assert plain_kind(name) == kind


# -- Zigbee2MQTT -------------------------------------------------------------------------------------------


def zigbee(description: str, *exposes: dict[str, Any]) -> dict[str, Any]:
    """A device by its description."""
    return {"vendor": "Contoso", "model": "M1", "description": description, "exposes": list(exposes)}


def flag(name: str, *, on: object = True, off: object = False) -> dict[str, Any]:
    """A property that is published, on or off."""
    return {
        "type": "binary",
        "name": name,
        "property": name,
        "access": 1,
        "value_on": on,
        "value_off": off,
    }


def enum(name: str, *values: str) -> dict[str, Any]:
    """A property with some words."""
    return {"type": "enum", "name": name, "property": name, "access": 1, "values": list(values)}


@pytest.mark.parametrize(
    ("device", "message", "expected"),
    [
        (zigbee("radar", enum("presence", "none", "presence")), {"presence": "presence"}, [("presence", 1)]),
        (zigbee("radar", enum("occupancy", "present", "vacant")), {"occupancy": "vacant"}, [("presence", 0)]),
        (zigbee("radar", enum("motion", "none", "move", "static")), {"motion": "static"}, [("presence", 1)]),
        (zigbee("radar", enum("motion_state", "none", "huge")), {"motion_state": "huge"}, [("motion", 1)]),
        (zigbee("tank", enum("state", "empty", "tiny")), {"state": "tiny"}, []),
        (zigbee("radar", flag("is_occupied", on="yes", off="no")), {"is_occupied": "no"}, [("presence", 0)]),
        (zigbee("thermopile infrared", flag("body_presence")), {"body_presence": True}, [("presence", 1)]),
        (zigbee("Infrared detector", flag("pir_motion")), {"pir_motion": True}, [("motion", 1)]),
        (zigbee("Parking sensor", flag("occupancy")), {"occupancy": True}, []),
        (zigbee("Mailbox sensor", flag("occupancy")), {"occupancy": True}, []),
        (zigbee("EV charger", flag("occupied")), {"occupied": True}, []),
        (zigbee("Garage door opener", flag("motion")), {"motion": True}, []),
        (zigbee("Meter", flag("line_presence")), {"line_presence": True}, []),
    ],
)  # fmt: skip
def test_zigbee_devices_of_any_maker(device: dict[str, Any], message: object, expected: Signs) -> None:
    """By their own description, and nothing else."""
    assert told("zigbee2mqtt", message, "zigbee2mqtt/x", device) == expected


# -- LoRaWAN -----------------------------------------------------------------------------------------------

ROOM = "Room sensor"
COUNTER = "People counter"


@pytest.mark.parametrize(
    ("description", "message", "expected"),
    [
        (ROOM, {"occupancy": "free"}, [("presence", 0)]),
        (ROOM, {"isMotionDetected": False}, [("motion", 0)]),
        (ROOM, {"occupants": 3}, [("count", 3)]),
        (ROOM, {"measurements": {"occupancy": True}, "battery_level": 80}, [("presence", 1)]),
        (ROOM, {"setpoint": 20, "hvac_mode": "heat", "occupancy": "occupied"}, []),
        (ROOM, {"setpoint": 20, "state": "occupied"}, []),
        (ROOM, {"occupancy_minutes": 3, "people_capacity": 9}, []),
        (ROOM, {"status": "occupied"}, [("presence", 1)]),
        (ROOM, {"status": "ok"}, []),
        (ROOM, {"occupancy": {"state": "occupied"}}, [("presence", 1)]),
        ("Machine", {"status": "occupied"}, []),
        (COUNTER, {"cumulative_in": 7, "cumulative_out": 2}, [("entries", 7)]),
        (COUNTER, {"in": 7, "out": 2}, [("entries", 7)]),
        (COUNTER, {"entries": 7, "exits": 2}, [("entries", 7)]),
        (COUNTER, {"total_in": 7}, [("entries", 7)]),
        ("Vehicle counter", {"total_in": 7, "total_out": 2}, []),
        ("Energy meter", {"total_in": 7, "total_out": 2}, []),
        ("Current loop", {"current_in": 7, "current_out": 2}, []),
        ("", {"count_in": 7}, []),
        ("", {"acceleration_x": 1, "motion": True, "temperature": 20}, []),
        ("Mouse trap", {"occupancy": True}, []),
        ("Tank level sensor", {"presence": True}, []),
        ("Key fob", {"presence": True}, []),
    ],
)
def test_lorawan_devices_of_any_maker(description: str, message: object, expected: Signs) -> None:
    """By the words in their messages and in their description."""
    device = {"vendor": "contoso", "model": "m1", "description": description} if description else None
    assert told("lorawan", message, None, device) == expected


def test_the_third_chirpstack_writes_its_object_as_text() -> None:
    """Version 3 is still in use; version 4 writes JSON."""
    message = {"deviceName": "orion", "data": "AA==", "objectJSON": '{"occupancy": "occupied"}'}
    assert told("lorawan", message) == [("presence", 1)]
    assert told("lorawan", message | {"objectJSON": "{"}) == []


# -- Home Assistant's discovery, ESPHome, Tasmota, plain values -------------------------------------------


@pytest.mark.parametrize(
    ("config", "state", "expected"),
    [
        ({"name": "Presence state", "options": ["none", "moving", "still"]}, "still", [("presence", 1)]),
        ({"name": "Occupancy", "options": ["occupied", "vacant"]}, "vacant", [("presence", 0)]),
        ({"name": "Fan state", "options": ["off", "moving"]}, "moving", []),
        ({"name": "Dog occupancy", "device_class": "occupancy"}, "ON", []),
        ({"name": "Occupancy", "device_class": "occupancy", "device": {"model": "Parking P1"}}, "ON", []),
        ({"name": "Motion", "device_class": "motion", "device": {"model": "Roller blind"}}, "ON", []),
        ({"name": "People in", "unit_of_measurement": ""}, "3", []),
    ],
)
def test_what_announces_itself_is_read_by_its_words(
    config: dict[str, Any], state: str, expected: Signs
) -> None:
    """Sensors of class enum too; what watches other things is refused, whatever its class."""
    assert told("homeassistant", state, "x/state", {"state_topic": "x/state", **config}) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("office_mmwave", [("presence", 1)]),
        ("radar_target", [("presence", 1)]),
        ("radar_bluetooth", []),
        ("radar_connected", []),
        ("charger_present", []),
    ],
)
def test_a_radars_flag_may_be_named_like_the_radar(name: str, expected: Signs) -> None:
    """Unless another word says that it is something else of it."""
    assert told("esphome", "ON", f"node/binary_sensor/{name}/state") == expected


@pytest.mark.parametrize(
    ("family", "topic", "message", "expected"),
    [
        ("tasmota", "stat/orion-pir/RESULT", {"Switch1": {"Action": "OFF"}}, [("motion", 0)]),
        ("tasmota", "tele/z/SENSOR", {"ZbReceived": {"0x1": {"Occupancy": 1, "LocalTemperature": 20}}}, []),
        ("plain", "office/parking/occupied", "1", []),
        ("plain", "office/thermostat/occupancy", "1", []),
        ("json", None, {"roomOccupied": False}, [("presence", 0)]),
        ("json", None, {"presence": True, "latitude": 1.5}, []),
        ("people_counter", None, {"line_periodic_data": [{"line": 1, "in": 3, "out": 2}]}, [("entries", 3)]),
        ("people_counter", None, {"entries": 3}, []),
    ],
)
def test_messages_of_the_other_families(
    family: str, topic: str | None, message: object, expected: Signs
) -> None:
    """One line for each thing that was misread once."""
    assert told(family, message, topic) == expected


@pytest.mark.parametrize("profile", ["A5-08-01", "A5-08-02", "A5-08-03"])
@pytest.mark.parametrize(("db0", "expected"), [(0x0D, [("motion", 1)]), (0x0F, [("motion", 0)]), (0x05, [])])
def test_the_profiles_of_one_enocean_family_differ_in_their_ranges_only(
    profile: str, db0: int, expected: Signs
) -> None:
    """The bit of the PIR is 0 for on in each of them, and a teach-in telegram is no measurement."""
    data = bytes((0xA5, 100, 3, 90, db0)) + bytes.fromhex("0181b74400")
    head = bytes((0, len(data), 0, 1))
    telegram = b"\x55" + head + bytes((crc8(head),)) + data + bytes((crc8(data),))
    understood = FAMILIES["enocean"].reader({"eep": profile})("serial/stick/0181b744", telegram)
    assert [(one.kind, one.value) for one in understood.seen] == expected
