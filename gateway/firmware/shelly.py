"""Shelly of the second generation and later: a PIR at an input, and a script that counts and publishes JSON.

Keys as on https://shelly-api-docs.shelly.cloud/gen2: ComponentsAndServices/Mqtt, ComponentsAndServices/Input,
Scripts/APIs; tests/firmware/test_firmware_keys.py lists those that are used, and runs the script.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.core.units import HOUR_MS
from gateway.firmware.plan import SECRET, Kind, Plan, measure_hold
from gateway.firmware.quoting import commented, fill, in_javascript, quoted

MIN_PERIOD_MS: Final = 1_000

SCRIPT: Final = """\
// First tell the device where the broker is and how its input is wired, with these calls of its RPC.
// Replace what stands behind !secret by the login that the broker knows this sensor by.
<<calls>>
// Then add what follows as a script, and let it run on startup.

var TOPIC = <<topic>>;
var INPUT = "input:0";
var HEARTBEAT_MS = <<heartbeat>>;

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
"""

PUBLISHED: Final = """\
It publishes JSON at QoS 1, not retained, at each change, each heartbeat and each connection:
  {"motion": true, "seq": 17, "motions": 4, "boot": 1234567890, "age_s": 0}
seq grows by one with each message, motions each time that it goes on; with another boot both begin anew.
age_s: seconds since it was last on, 0 while it is, null if it was not since its start."""


def _defaults(room: str, sensor: str) -> Mapping[str, Any]:
    topic = f"office/{room}/{sensor}"
    return {
        "family": "json",
        "topic": topic,
        "senses": "motion",
        "heartbeat": "1m",
        "device_hold": "60s",
        "at_qos1": True,
        "options": {"path": "motion", "availability_topic": f"{topic}/online"},
    }


def prefix(plan: Plan) -> str:
    """The device's topic prefix: it says true and false on the topic below it that ends with /online."""
    told = plan.sensor.options.get("availability_topic", "")
    return told.removesuffix("/online") if told.endswith("/online") else plan.sensor.topic


def calls(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    """The RPC calls that prepare the device: method and parameters."""
    mqtt = {
        "enable": True,
        "server": plan.broker.address,
        "client_id": plan.sensor.id,
        "user": "!secret mqtt_username",
        "pass": SECRET,
        "ssl_ca": "user_ca.pem" if plan.broker.tls else None,
        "topic_prefix": prefix(plan),
        "rpc_ntf": False,
        "status_ntf": False,
    }
    name = {"device": {"name": plan.room_name}}
    return [
        ("Mqtt.SetConfig", {"config": mqtt}),
        ("Input.SetConfig", {"id": 0, "config": {"type": "switch", "invert": False}}),
        ("Sys.SetConfig", {"config": name}),
    ]


def _render(plan: Plan) -> str:
    lines = "\n".join(f"{method} {json.dumps(parameters)}" for method, parameters in calls(plan))
    values = {
        "calls": commented(lines, "//").rstrip("\n"),
        "topic": in_javascript(plan.sensor.topic),
        # It may speak more often than it is expected to, never less often.
        "heartbeat": str(max(MIN_PERIOD_MS, min(plan.heartbeat_ms, HOUR_MS))),
    }
    return fill(SCRIPT, values)


def _notes(plan: Plan) -> Sequence[str]:
    notes = [
        measure_hold(plan),
        "the input must follow the PIR (type switch), and the device needs a constant supply",
    ]
    told = plan.sensor.options.get("availability_topic", "")
    if told and not told.endswith("/online"):
        notes.append(
            f"availability_topic is {quoted(told)}, a Shelly says it on {quoted(f'{prefix(plan)}/online')}"
        )
    if plan.broker.tls:
        notes.append("the broker wants TLS: upload the certificate of its authority first (Shelly.PutUserCA)")
    return notes


KIND: Final = Kind(
    name="shelly",
    title="a PIR at an input of a Shelly",
    suffix=".js",
    comment="//",
    defaults=_defaults,
    render=_render,
    published=PUBLISHED,
    sequence="seq",
    online_words_are_free=False,
    qos1=True,
    notes=_notes,
)
