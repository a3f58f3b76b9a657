// orion-chirpstack-ers in Orion: a LoRaWAN sensor (Elsys) behind ChirpStack.
// Made by: occupancy-gateway firmware orion orion-chirpstack-ers --kind chirpstack
//
// ChirpStack publishes each uplink as JSON; the gateway reads
//   {"time": "2026-09-22T09:00:00+02:00", "fCnt": 17, "object": {"occupied": true, "motions_since_last": 3}}
// fCnt grows by one with each uplink of the device. Paste this into the codec of the device profile.
//
// The room in gateway.toml has this sensor:
//
//   [[room.sensor]]
//   id = "orion-chirpstack-ers"
//   family = "json"
//   topic = "application/00000000-0000-0000-0000-000000000001/device/0000000000000001/event/up"
//   senses = "motion"
//   latency = "10m"
//   heartbeat = "10m"
//   device_hold = "10m"
//   loss_detectable = true
//   options = { path = "object.occupied", time_path = "time", sequence_path = "fCnt" }
//

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
