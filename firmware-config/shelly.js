// orion-shelly-pir in Orion: a PIR at an input of a Shelly.
// Made by: occupancy-gateway firmware orion orion-shelly-pir --kind shelly
//
// It publishes JSON at QoS 1, not retained, at each change, each heartbeat and each connection:
//   {"motion": true, "seq": 17, "motions": 4, "boot": 1234567890, "age_s": 0}
// seq grows by one with each message, motions each time that it goes on; with another boot both begin anew.
// age_s: seconds since it was last on, 0 while it is, null if it was not since its start.
//
// The room in gateway.toml has this sensor:
//
//   [[room.sensor]]
//   id = "orion-shelly-pir"
//   family = "json"
//   topic = "office/orion/orion-shelly-pir"
//   senses = "motion"
//   heartbeat = "1m"
//   device_hold = "1m"
//   loss_detectable = true
//   at_qos1 = true
//   options = { path = "motion", availability_topic = "office/orion/orion-shelly-pir/online", sequence_path = "seq" }
//
// Note: device_hold is 1m: measure how long the PIR's output stays on after the last motion, and set it to at least that.
// Note: the input must follow the PIR (type switch), and the device needs a constant supply.

// First tell the device where the broker is and how its input is wired, with these calls of its RPC.
// Replace what stands behind !secret by the login that the broker knows this sensor by.
// Mqtt.SetConfig {"config": {"enable": true, "server": "broker.contoso.com:1883", "client_id": "orion-shelly-pir", "user": "!secret mqtt_username", "pass": "!secret mqtt_password", "ssl_ca": null, "topic_prefix": "office/orion/orion-shelly-pir", "rpc_ntf": false, "status_ntf": false}}
// Input.SetConfig {"id": 0, "config": {"type": "switch", "invert": false}}
// Sys.SetConfig {"config": {"device": {"name": "Orion"}}}
// Then add what follows as a script, and let it run on startup.

var TOPIC = "office/orion/orion-shelly-pir";
var INPUT = "input:0";
var HEARTBEAT_MS = 60000;

// Which start of the script this is: its numbers begin anew with each.
var boot = Math.floor(Math.random() * 4294967296);
// How many messages there were. One that could not be sent is counted too: its absence shall be noticed.
var seq = 0;
// How often it went from clear to on. Grows only, so what a lost message said is not lost.
var motions = 0;
var lastOn = null;
var was = null;

function uptime() {
  return Shelly.getComponentStatus("sys").uptime;
}

function say() {
  var status = Shelly.getComponentStatus(INPUT);
  // An input that cannot be read is not "clear": nothing is said, and the gateway misses the heartbeat.
  if (!status || typeof status.state !== "boolean") return;
  var on = status.state;
  if (on && was !== true) motions += 1;
  if (on || was === true) lastOn = uptime();
  was = on;
  seq += 1;
  if (!MQTT.isConnected()) return;
  var message = {
    motion: on,
    seq: seq,
    motions: motions,
    boot: boot,
    age_s: on ? 0 : lastOn === null ? null : uptime() - lastOn,
  };
  MQTT.publish(TOPIC, JSON.stringify(message), 1, false);
}

Shelly.addStatusHandler(function (event) {
  if (event.component === INPUT && typeof event.delta.state === "boolean") say();
});
MQTT.setConnectHandler(say);
Timer.set(HEARTBEAT_MS, true, say);
say();
