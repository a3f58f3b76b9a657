// orion-tts-ers in Orion: a LoRaWAN sensor (Elsys) behind The Things Stack.
// Made by: occupancy-gateway firmware orion orion-tts-ers --kind tts
//
// The Things Stack publishes each uplink as JSON at QoS 0; the gateway reads
//   {"received_at": "2026-09-22T07:00:00Z",
//    "uplink_message": {"f_cnt": 17, "decoded_payload": {"occupied": true}}}
// f_cnt grows by one with each uplink of the device (0 is left out). Paste this into its payload formatter.
//
// The room in gateway.toml has this sensor:
//
//   [[room.sensor]]
//   id = "orion-tts-ers"
//   family = "json"
//   topic = "v3/rooms@contoso/devices/orion-tts-ers/up"
//   senses = "motion"
//   latency = "10m"
//   heartbeat = "10m"
//   device_hold = "10m"
//   loss_detectable = true
//   options = { path = "uplink_message.decoded_payload.occupied", time_path = "received_at", sequence_path = "uplink_message.f_cnt" }
//
// Note: the gateway needs one broker: bridge The Things Stack's topics into it.

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
