"""How long the gateway takes to understand one message, by family: a configured sensor, as it runs.

The messages are invented, in the forms and sizes that the families' devices publish.
"""

import json
import statistics
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.core.policy import Senses
from gateway.sensors import Router, SensorSource, build_router

ROUNDS: Final = 5


class Case(NamedTuple):
    """A configured sensor and a message of it."""

    topic: str
    senses: Senses
    options: Mapping[str, str]
    payload: bytes


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_ZIGBEE: Final = {
    "battery": 97,
    "illuminance": 252,
    "last_seen": "2026-09-22T09:13:40+02:00",
    "linkquality": 91,
    "occupancy": True,
    "temperature": 21.5,
    "voltage": 3035,
}
_EXPOSES: Final = {
    "model": "radar",
    "description": "mmWave presence sensor",
    "exposes": [
        {"type": "binary", "name": "occupancy", "property": "occupancy", "access": 1, "value_on": True,
         "value_off": False},
        {"type": "numeric", "name": "battery", "property": "battery", "access": 1, "unit": "%"},
    ],
}  # fmt: skip
_UPLINK: Final = {
    "end_device_ids": {"device_id": "orion", "application_ids": {"application_id": "rooms"}},
    "received_at": "2026-09-22T07:13:40.123456789Z",
    "uplink_message": {
        "f_port": 85,
        "f_cnt": 4_711,
        "frm_payload": "AXVkA2c0AQRoZQUAAA==",
        "decoded_payload": {"battery": 100, "humidity": 50.5, "occupancy": "vacant", "temperature": 30.8},
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "roof"}, "rssi": -71, "snr": 9.2, "channel_index": 2},
            {"gateway_ids": {"gateway_id": "cellar"}, "rssi": -101, "snr": 1.0, "channel_index": 2},
        ],
        "settings": {"data_rate": {"lora": {"bandwidth": 125_000, "spreading_factor": 7}}},
        "received_at": "2026-09-22T07:13:39.987654321Z",
    },
}
_DISCOVERY: Final = {
    "stat_t": "node/presence",
    "dev_cla": "occupancy",
    "val_tpl": "{{ 'ON' if value_json.targets | int > 0 else 'OFF' }}",
}
_EVENT: Final = {"data": {"motion": {"state": "MOTION_DETECTED", "updateTime": "2026-09-22T07:13:39Z"}}}
_ZONE: Final = {
    "src": "room-1",
    "method": "NotifyStatus",
    "params": {"ts": 1_790_000_000.41, "presencezone:200": {"id": 200, "num_objects": 1, "value": True}},
}
CASES: Final[Mapping[str, Case]] = {
    "plain": Case("node/presence", "presence", {}, b"ON"),
    "json": Case(
        "node/state", "presence", {"path": "data.occupancy"}, _json({"data": {"occupancy": 1}, "t": 2})
    ),
    "zigbee2mqtt": Case("zigbee2mqtt/pir", "motion", {}, _json(_ZIGBEE)),
    "zigbee2mqtt, described": Case(
        "zigbee2mqtt/radar", "presence", {"device": _json(_EXPOSES).decode()}, _json(_ZIGBEE)
    ),
    "homeassistant": Case(
        "node/presence", "presence", {"device": _json(_DISCOVERY).decode()}, _json({"targets": 1, "range": 4})
    ),
    "esphome": Case("node/binary_sensor/presence/state", "presence", {}, b"OFF"),
    "tasmota": Case(
        "tele/orion/SENSOR",
        "motion",
        {"switch": "Switch1"},
        _json({"Time": "2026-09-22T09:00:00", "Switch1": "ON"}),
    ),
    "shelly": Case("room-1/events/rpc", "presence", {}, _json(_ZONE)),
    "lorawan": Case("v3/rooms/devices/orion/up", "presence", {}, _json(_UPLINK)),
    "people_counter": Case(
        "push", "count", {}, _json({"current_total": 4, "max_counted": 9, "time_info": {}})
    ),
    "disruptive": Case("events", "motion", {}, _json(_EVENT)),
    "enocean": Case(
        "serial/stick/051a2b3c",
        "motion",
        {"eep": "A5-07-01"},
        bytes.fromhex("55000A0701EBA59B00FF08051A2B3C0001FFFFFFFF2D00CA"),
    ),
    "ld2410": Case(
        "serial/radar/report", "presence", {}, bytes.fromhex("F4F3F2F10D0002AA0251000000003B00005500F8F7F6F5")
    ),
    "ld2450": Case(
        "serial/radar/report",
        "count",
        {},
        bytes.fromhex("AAFF03000E03B186100040010000000000000000000000000000000055CC"),
    ),
}


def measure(messages: int) -> dict[str, float]:
    """Microseconds a message, by family: the best of a few rounds, for other work only slows them."""
    return {name: _best(name.partition(",")[0], case, messages) for name, case in CASES.items()}


def mean(figures: Mapping[str, float]) -> float:
    """Over the families."""
    return statistics.fmean(figures.values())


def _best(family: str, case: Case, messages: int) -> float:
    source = SensorSource("orion-1", family, case.topic, case.senses, options=case.options)
    router = build_router([source])
    return min(_round(router, case, messages) for _ in range(ROUNDS))


def _round(router: Router, case: Case, messages: int) -> float:
    decode, topic, payload = router.decode, case.topic, case.payload
    began = time.perf_counter()
    for _ in range(messages):
        decode(topic, payload, False, 1_800_000_000_000)  # noqa: FBT003 - as the intake calls it
    return (time.perf_counter() - began) / messages * 1e6
