"""What sounds like people and is not, and what does not sound like people and is: one line each.

The messages are made up after published ones, so that these hold where the published ones are not at hand.
"""

import json
from typing import Any, NamedTuple

import pytest

from gateway.sensors import FAMILIES, PayloadError
from gateway.sensors.understood import ROOM_KINDS


class Case(NamedTuple):
    family: str
    topic: str | None
    message: Any
    device: dict[str, Any] | None
    expected: list[tuple[str, int]]


def enum(name: str, *values: str) -> dict[str, Any]:
    """A device with one state in words."""
    return {
        "exposes": [{"type": "enum", "name": name, "property": name, "access": 1, "values": list(values)}]
    }


def flag(name: str, access: int = 1, **more: Any) -> dict[str, Any]:
    """A device with one flag."""
    feature = {
        "type": "binary",
        "name": name,
        "property": name,
        "access": access,
        "value_on": True,
        "value_off": False,
    }
    return {"exposes": [feature], **more}


ELSYS = {"vendor": "elsys", "model": "ers-eye"}
SENSOR = "tele/orion/SENSOR"
CASES = [
    # Zigbee2MQTT
    Case(
        "zigbee2mqtt", None, {"occupancy": True}, flag("occupancy", description="PIR sensor"), [("motion", 1)]
    ),
    Case(
        "zigbee2mqtt",
        None,
        {"occupancy": False},
        flag("occupancy", description="24 GHz radar"),
        [("presence", 0)],
    ),
    Case("zigbee2mqtt", None, {"presence": True}, flag("presence", description="PIR light"), [("motion", 1)]),
    Case("zigbee2mqtt", None, {"presence": True}, flag("presence", description="Arrival sensor"), []),
    Case("zigbee2mqtt", None, {"presence": True}, flag("presence", option_names=["presence_timeout"]), []),
    Case("zigbee2mqtt", None, {"presence": True}, flag("presence", members=[]), []),
    Case("zigbee2mqtt", None, {"moving": True}, flag("moving"), []),
    Case("zigbee2mqtt", None, {"occupancy": True}, flag("occupancy", access=3), []),
    Case("zigbee2mqtt", None, {"neutral_presence": True}, flag("neutral_presence"), []),
    Case("zigbee2mqtt", None, {"occupancy": "perhaps"}, flag("occupancy"), []),
    Case("zigbee2mqtt", None, {"occupancy": None}, flag("occupancy"), []),
    Case("zigbee2mqtt", None, {"battery": 50}, flag("occupancy"), []),
    Case(
        "zigbee2mqtt",
        None,
        {"s": 1, "presence_state": "none"},
        enum("presence_state", "none", "presence"),
        [("presence", 0)],
    ),
    Case(
        "zigbee2mqtt",
        None,
        {"motion_state": "none"},
        enum("motion_state", "none", "small", "large"),
        [("motion", 0)],
    ),
    Case(
        "zigbee2mqtt",
        None,
        {"motion_state": "static"},
        enum("motion_state", "none", "static"),
        [("presence", 1)],
    ),
    Case("zigbee2mqtt", None, {"state": "disabled"}, enum("state", "absence", "presence", "disabled"), []),
    Case("zigbee2mqtt", None, {"presence_event": "leave"}, enum("presence_event", "enter", "leave"), []),
    Case("zigbee2mqtt", None, {"moving": "UP"}, enum("moving", "UP", "STOP", "DOWN"), []),
    Case("zigbee2mqtt", None, {"occupancy_2": True}, None, [("motion", 1)]),
    Case("zigbee2mqtt", None, {"occupancy": True, "local_temperature": 20}, None, []),
    Case("zigbee2mqtt", None, {"presence": True, "battery": 90}, None, []),
    Case("zigbee2mqtt", "zigbee2mqtt/orion/set", {"occupancy": True}, None, []),
    # Tasmota
    *(
        Case("tasmota", SENSOR, {"LD2410S": {"People": code}}, None, [("presence", value)])
        for code, value in ((0, 0), (1, 0), (2, 1), (3, 1))
    ),
    Case("tasmota", SENSOR, {"LD2410S": {"People": 4}}, None, []),
    Case("tasmota", SENSOR, {"LD2410S": {"Update threshold": "3%"}}, None, []),
    Case("tasmota", SENSOR, {"LD2410": {"Distance": [150, 120, 90], "Energy": [20, 80]}}, None, []),
    Case("tasmota", SENSOR, {"LD2410": {"Out_pin": 0}}, None, [("presence", 0)]),
    Case("tasmota", SENSOR, {"Switch1": "ON"}, None, []),
    Case("tasmota", SENSOR, {"Switch1": "ON", "Switch2": "ON"}, {"Switch2": "motion"}, [("motion", 1)]),
    Case("tasmota", SENSOR, {"Switch3": "ON"}, {"swn": [None, None, "PIR hall"]}, [("motion", 1)]),
    Case("tasmota", "stat/orion/RESULT", {"POWER": "ON"}, {"model": "PIR"}, []),
    Case("tasmota", "cmnd/pir/POWER", "ON", None, []),
    Case("tasmota", "stat/orion/PIR1", "ON", None, [("motion", 1)]),
    Case(
        "tasmota", SENSOR, {"ZbReceived": {"0x1": {"Occupancy": 1, "LinkQuality": 9}}}, None, [("motion", 1)]
    ),
    # Shelly
    Case("shelly", "shellies/m/status", {"motion": True, "active": True, "bat": 90}, None, [("motion", 1)]),
    Case("shelly", "shellies/m/status", {"motion": False, "active": False, "bat": 90}, None, []),
    Case(
        "shelly",
        "shellies/m/info",
        {"sensor": {"motion": False, "active": True, "is_valid": False}},
        None,
        [],
    ),
    Case("shelly", "s/status/presencezone:201", {"id": 201, "value": False, "num_objects": 0}, None, []),
    Case("shelly", "s/status/presencezone:200", {"id": 200, "num_objects": 0}, None, []),
    Case("shelly", "s/status/presencezone:200", {"id": 200, "num_objects": 3}, None, [("count", 3)]),
    Case("shelly", "s/events/rpc", {"params": {"bthomesensor:9": {"value": True}}}, None, []),
    Case(
        "shelly",
        None,
        {"key": "bthomesensor:9", "status": {"value": True}, "config": {"obj_id": 45}},
        None,
        [],
    ),
    Case("shelly", None, {"key": "bthomesensor:9", "status": {}, "config": {"obj_id": 33}}, None, []),
    Case(
        "shelly",
        "s/events/rpc",
        {"params": {"bthomesensor:8": {"value": True}, "bthomesensor:9": {"value": True}}},
        {"obj_id": 33},
        [],
    ),
    Case(
        "shelly",
        "s/events/rpc",
        {"params": {"events": [{"data": {"BTHome_version": 2, "motion": 1}}]}},
        None,
        [("motion", 1)],
    ),
    # ESPHome
    Case("esphome", "n/binary_sensor/movement/state", "OFF", None, [("motion", 0)]),
    Case("esphome", "n/binary_sensor/still/state", "ON", None, [("presence", 1)]),
    Case("esphome", "n/binary_sensor/still/state", "OFF", None, []),
    Case("esphome", "n/sensor/still_distance/state", "181", None, []),
    Case("esphome", "n/sensor/target_count/state", "0", None, []),
    Case("esphome", "n/sensor/target_count/state", "2", None, [("count", 2)]),
    Case("esphome", "n/switch/presence/state", "ON", None, []),
    Case("esphome", "n/binary_sensor/phone_presence/state", "ON", None, []),
    # LoRaWAN
    Case(
        "lorawan", None, {"occupancy": 1, "motion": 0, "light": 3, "temperature": 20}, ELSYS, [("motion", 0)]
    ),
    Case("lorawan", None, {"occupancy": 2, "motion": 6}, ELSYS, [("presence", 1), ("motion", 1)]),
    Case("lorawan", None, {"occupancy": 3}, {"vendor": "contoso"}, []),
    Case("lorawan", None, {"occupied": True}, {"vendor": "nwave", "model": "nps405"}, []),
    Case("lorawan", None, {"occupied": True, "type": "parking_status"}, {"vendor": "room"}, []),
    Case("lorawan", None, {"occupied": 1}, None, []),
    Case("lorawan", None, {"occupied": True, "pirTriggerCount": 3}, None, [("presence", 1)]),
    Case("lorawan", None, {"motion_status": "moving", "latitude": 1, "motion": True}, None, []),
    Case("lorawan", None, {"pax": 10, "wifi": 7, "ble": 3}, None, []),
    Case("lorawan", None, {"pir": "trigger"}, None, [("motion", 1)]),
    Case("lorawan", None, {"PIRSensorStatus": "no motion"}, None, [("motion", 0)]),
    Case("lorawan", None, {"PIR_Status": 1, "PIR_Sensor_Failure": 1}, None, []),
    Case(
        "lorawan",
        None,
        {"status": 1, "time": 4, "count": 9},
        {"vendor": "browan", "model": "tbms100"},
        [("presence", 1)],
    ),
    Case("lorawan", None, {"status": 1, "time": 4, "count": 9}, None, []),
    Case("lorawan", None, {"activity": 73}, None, []),
    Case("lorawan", None, {"occupancyRate": {"unit": "%", "value": 50}}, None, []),
    Case("lorawan", None, {"occupancyRate": "Deconnected sensor", "roomPresence": "absent"}, None, []),
    Case("lorawan", None, {"region_1": "occupied", "region_1_enable": "enable"}, None, [("presence", 1)]),
    Case("lorawan", None, {"region_1": "occupied", "region_1_enable": "disable"}, None, []),
    Case(
        "lorawan",
        None,
        {"detection_status": "vacant", "target_status": "normal", "region_1_occupancy": "occupied"},
        None,
        [],
    ),
    Case("lorawan", None, {"people_total_counts": 300}, None, []),
    Case("lorawan", None, {"people_counter_all": 0}, None, [("count", 0)]),
    Case("lorawan", None, {"line_1": {"total": {"in": 7, "out": 2}}}, None, [("entries", 7)]),
    Case("lorawan", None, {"in": 7, "out": 2}, None, []),
    Case("lorawan", None, {"count_in": 7, "count_out": 2, "flags": {"TPC_STOPPED": 1}}, None, []),
    Case("lorawan", None, [{"variable": "occupancy", "value": True}], {"model": "inclino"}, []),
    Case(
        "lorawan",
        None,
        [{"variable": "occupancy", "value": True}],
        {"model": "moveo-lite"},
        [("presence", 1)],
    ),
    Case("lorawan", None, [{"variable": "occupancy", "value": True}], None, []),
    Case("lorawan", None, {"uplink_message": {"f_cnt": 3}}, None, []),
    Case(
        "lorawan",
        None,
        {"uplink_message": {"normalized_payload": [{"action": {"motion": {"detected": True}}}]}},
        None,
        [("motion", 1)],
    ),
    Case(
        "lorawan",
        None,
        {"deviceInfo": {"deviceProfileName": "Parking"}, "object": {"occupancy": True}},
        None,
        [],
    ),
    Case("lorawan", None, {"deviceInfo": {}, "batteryLevel": 88.3, "margin": 10}, None, []),
    # counters and events
    Case("people_counter", None, {"current_total": 10, "occupancy": [1, 0]}, None, [("count", 10)]),
    Case("people_counter", None, {"people": -2}, None, []),
    Case("people_counter", None, {"count": 4}, None, []),
    Case("disruptive", None, {"data": {"motion": {"state": "NO_MOTION_DETECTED"}}}, None, [("motion", 0)]),
    Case("disruptive", None, {"data": {"objectPresent": {"state": "PRESENT"}}}, None, []),
    Case(
        "disruptive",
        None,
        {"data": {"deskOccupancy": {"state": "OCCUPIED", "remarks": ["INCOMPLETE_DATA"]}}},
        None,
        [],
    ),
    # by name alone
    Case("plain", "office/orion/presence", "1", None, [("presence", 1)]),
    Case("plain", "office/curtain/moving", "on", None, []),
    Case("plain", "office/orion/presence_timeout", "1", None, []),
    Case("json", None, {"occupancy": 3}, None, []),
    Case("json", None, {"occupied": True}, None, []),
    Case("json", None, {"occupancy": True, "system_mode": "heat"}, None, []),
    Case("lorawan", None, {"occupancy": True}, {"model": "fan-coil-thermostat"}, []),
    Case("lorawan", None, {"pir": True}, {"model": "wireless-thermostat"}, [("motion", 1)]),
    Case("json", None, {"motion": "OFF"}, None, [("motion", 0)]),
    Case("homeassistant", "homeassistant/binary_sensor/presence_sensor_1/state", "unavailable", None, []),
    Case("homeassistant", "homeassistant/binary_sensor/curtain_motion/state", "on", None, []),
    Case("homeassistant", "homeassistant/binary_sensor/motion_hall/state", "on", None, [("motion", 1)]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family} {json.dumps(case.message)[:60]}")
def test_only_what_is_surely_about_people_is_read(case: Case) -> None:
    """Each message gives exactly these readings of a room; where there are none, a reason."""
    payload = case.message if isinstance(case.message, str) else json.dumps(case.message)
    try:
        one = FAMILIES[case.family].reader(case.device)(case.topic, payload.encode())
    except PayloadError as error:
        assert case.expected == [], error  # noqa: PT017 - one of two ways to refuse
        return
    assert [(seen.kind, seen.value) for seen in one.seen if seen.kind in ROOM_KINDS] == case.expected
    assert case.expected or one.refused
