"""LoRaWAN: an uplink codec in JavaScript for ChirpStack 4 and The Things Stack, which call it alike.

It reads the payload of Elsys sensors (type, value, type, value; https://www.elsys.se/en/elsys-payload/), of
which `motion` is a count since the last uplink. Devices of other makers come with a codec of their own;
it only has to give `occupied`. The network counts the device's frames, so a lost uplink is noticed.

ChirpStack: https://www.chirpstack.io/docs/chirpstack/use/device-profiles.html and
/integrations/events.html. The Things Stack:
https://www.thethingsindustries.com/docs/integrations/payload-formatters/javascript/uplink/.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway.durations import format_duration
from gateway.firmware.plan import Kind, Plan

CODEC: Final = """\
// Bytes of the value that follows each type.
var SIZES = {
  0x01: 2, 0x02: 1, 0x03: 3, 0x04: 2, 0x05: 1, 0x06: 2, 0x07: 2, 0x08: 2, 0x09: 6, 0x0a: 2, 0x0b: 4, 0x0c: 2,
  0x0d: 1, 0x0e: 2, 0x0f: 1, 0x10: 4, 0x11: 1, 0x12: 1, 0x13: 65, 0x14: 4, 0x15: 2, 0x16: 2, 0x17: 4, 0x18: 2,
  0x19: 2, 0x1a: 1, 0x1b: 4, 0x1c: 2,
};
var MOTION = 0x05;
var BATTERY = 0x07;
var OCCUPANCY = 0x11;

function decodeUplink(input) {
  var bytes = input.bytes;
  var data = {};
  var warnings = [];
  for (var at = 0; at < bytes.length; at += 1 + size) {
    var type = bytes[at];
    var size = SIZES[type];
    if (size === undefined) {
      warnings.push("type " + type + " at byte " + at + " is not known; what follows was not read");
      break;
    }
    if (at + size >= bytes.length) {
      warnings.push("the value of type " + type + " at byte " + at + " is cut off");
      break;
    }
    if (type === MOTION) {
      data.motions_since_last = bytes[at + 1];
      data.occupied = data.occupied === true || bytes[at + 1] > 0;
    } else if (type === OCCUPANCY) {
      // 0: nobody, 1: perhaps (motion without warmth), 2: somebody. In doubt there is somebody.
      data.occupied = data.occupied === true || bytes[at + 1] > 0;
    } else if (type === BATTERY) {
      data.battery_mv = bytes[at + 1] * 256 + bytes[at + 2];
    }
  }
  // An uplink that says neither leaves `occupied` out: then the gateway knows only that the device lives.
  return { data: data, warnings: warnings };
}
"""

CHIRPSTACK_PUBLISHED: Final = """\
ChirpStack publishes each uplink as JSON; the gateway reads
  {"time": "2026-09-22T09:00:00+02:00", "fCnt": 17, "object": {"occupied": true, "motions_since_last": 3}}
fCnt grows by one with each uplink of the device. Paste this into the codec of the device profile."""

TTS_PUBLISHED: Final = """\
The Things Stack publishes each uplink as JSON at QoS 0; the gateway reads
  {"received_at": "2026-09-22T07:00:00Z",
   "uplink_message": {"f_cnt": 17, "decoded_payload": {"occupied": true}}}
f_cnt grows by one with each uplink of the device (0 is left out). Paste this into its payload formatter."""


def _defaults(topic: str, path: str, time_path: str) -> Callable[[str, str], Mapping[str, Any]]:
    def defaults(_room: str, sensor: str) -> Mapping[str, Any]:
        return {
            "family": "json",
            "topic": topic.format(sensor=sensor),
            "senses": "motion",
            "heartbeat": "10m",
            "latency": "10m",
            "device_hold": "10m",
            "options": {"path": path, "time_path": time_path},
        }

    return defaults


def _render(_plan: Plan) -> str:
    return CODEC


def _notes(plan: Plan) -> Sequence[str]:
    sensor = plan.sensor
    notes = []
    if any(word in sensor.topic for word in ("APPLICATION", "TENANT", "DEVICE")):
        notes.append("replace the words in capitals in topic by your own")
    if sensor.heartbeat is not None and min(sensor.latency, sensor.device_hold) < sensor.heartbeat:
        beat = format_duration(sensor.heartbeat)
        notes.append(
            f"the device tells motion at its next uplink, up to {beat} late, and clears as late: "
            f"set latency and device_hold to at least {beat}"
        )
    return notes


def _chirpstack_notes(plan: Plan) -> Sequence[str]:
    notes = list(_notes(plan))
    if plan.sensor.at_qos1:
        notes.append("at_qos1 is true: set qos=1 under [integration.mqtt] in chirpstack.toml")
    return notes


def _tts_notes(plan: Plan) -> Sequence[str]:
    return [*_notes(plan), "the gateway needs one broker: bridge The Things Stack's topics into it"]


CHIRPSTACK: Final = Kind(
    name="chirpstack",
    title="a LoRaWAN sensor (Elsys) behind ChirpStack",
    suffix=".js",
    comment="//",
    defaults=_defaults("application/APPLICATION-ID/device/DEVICE-EUI/event/up", "object.occupied", "time"),
    render=_render,
    published=CHIRPSTACK_PUBLISHED,
    sequence="fCnt",
    qos1=True,
    notes=_chirpstack_notes,
)

TTS: Final = Kind(
    name="tts",
    title="a LoRaWAN sensor (Elsys) behind The Things Stack",
    suffix=".js",
    comment="//",
    defaults=_defaults(
        "v3/APPLICATION-ID@TENANT-ID/devices/{sensor}/up",
        "uplink_message.decoded_payload.occupied",
        "received_at",
    ),
    render=_render,
    published=TTS_PUBLISHED,
    sequence="uplink_message.f_cnt",
    notes=_tts_notes,
)
