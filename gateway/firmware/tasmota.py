"""Tasmota: a PIR or a radar's output on a switch input; rules count and publish JSON.

Commands as on https://tasmota.github.io/docs/Commands, rules as on https://tasmota.github.io/docs/Rules, the
radar as on https://tasmota.github.io/docs/HLK-LD2410; tests/firmware/test_firmware_keys.py lists those used.

A rule puts its variables in before the first of its commands runs, so counting and publishing are two
events. The heartbeat asks for the input's state (`Status 10`) instead of repeating what was last
remembered. Tasmota publishes at QoS 0 only.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway.core.units import HOUR_MS, SECOND_MS
from gateway.firmware.plan import Kind, Plan, Unfit, measure_hold
from gateway.firmware.quoting import fill, one_line, quoted

PLAIN_TOPIC: Final = re.compile(r"[^\s%;\"'\\{}|$]+")
"""What a rule takes as it stands: blanks end a topic, % begins a variable, ; another command."""
RADAR_DEAD: Final = (
    "a radar that has died looks like an empty room here: hang a second sensor beside it "
    "(on ESPHome the sensor falls silent instead)"
)
MAX_NAME: Final = 32
"""Characters of a device name that are surely kept."""

COMMANDS: Final = """\
# Type the lines that do not begin with # into Tasmota's console, one by one. Some restart the device.

# Replace what stands behind !secret by the login that the broker knows this sensor by.
Backlog MqttHost <<host>>; MqttPort <<port>>; MqttClient <<sensor>>; Topic <<sensor>>
MqttUser !secret mqtt_username
MqttPassword !secret mqtt_password
DeviceName <<name>>

# <<wiring>>
Backlog SwitchMode1 1; SwitchTopic1 0; CalcRes 0
<<radar>>
# Var1 counts messages, Var2 is what is shown, Var3 counts how often it went on.
Rule1 ON System#Init DO Backlog Var1 0; Var3 0 ENDON \
ON Mqtt#Connected DO Backlog RuleTimer1 <<heartbeat>>; Status 10 ENDON \
ON Rules#Timer=1 DO Backlog RuleTimer1 <<heartbeat>>; Status 10 ENDON \
ON Switch1#State=1 DO Backlog Var2 1; Add3 1; Event say ENDON \
ON Switch1#State=0 DO Backlog Var2 0; Event say ENDON
Rule2 ON StatusSNS#Switch1=ON DO Backlog Var2 1; Event say ENDON \
ON StatusSNS#Switch1=OFF DO Backlog Var2 0; Event say ENDON \
ON Event#say DO Backlog Add1 1; Event said ENDON \
ON Event#said DO Publish <<topic>> \
{"<<value>>":%var2%,"seq":%var1%,"<<counter>>":%var3%,"up_min":%uptime%} ENDON
Backlog Rule1 1; Rule2 1; Restart 1
"""

PUBLISHED: Final = """\
It publishes JSON at QoS 0, not retained, at each change, each heartbeat and each connection:
  {{"{value}": 1, "seq": 17, "{counter}": 4, "up_min": 90}}
seq grows by one with each message, {counter} each time that it goes on; both begin anew with a start,
and up_min tells for how many minutes it has been running."""


def _defaults(senses: str, value: str, device_hold: str) -> Callable[[str, str], Mapping[str, Any]]:
    def defaults(room: str, sensor: str) -> Mapping[str, Any]:
        return {
            "family": "json",
            "topic": f"office/{room}/{sensor}",
            "senses": senses,
            "heartbeat": "1m",
            "device_hold": device_hold,
            "options": {"path": value, "availability_topic": last_will(sensor)},
        }

    return defaults


def last_will(sensor: str) -> str:
    """Where Tasmota says Online and Offline, with its usual FullTopic."""
    return f"tele/{sensor}/LWT"


def _name(plan: Plan) -> str:
    """The room's name on one line. A lone quote would reset the name, and a lone blank is none."""
    name = one_line(plan.room_name).strip()[:MAX_NAME].strip()
    return name if name.strip('"') else plan.room


def _render(plan: Plan, value: str, counter: str, wiring: str, radar: str) -> str:
    topic = plan.sensor.topic
    if not PLAIN_TOPIC.fullmatch(topic) or not topic.isprintable():
        raise Unfit(
            f"topic is {quoted(topic)}: a rule of Tasmota cannot hold blanks, quotes, braces, "
            "backslashes or any of % ; | $ there; choose another one"
        )
    values = {
        "host": plan.broker.host,
        "port": str(plan.broker.port),
        "sensor": plan.sensor.id,
        "name": _name(plan),
        "wiring": wiring,
        "radar": radar,
        # It may speak more often than it is expected to, never less often.
        "heartbeat": str(max(1, min(plan.heartbeat_ms, HOUR_MS) // SECOND_MS)),
        "topic": topic,
        "value": value,
        "counter": counter,
    }
    return fill(COMMANDS, values)


def _pir(plan: Plan) -> str:
    return _render(
        plan, "motion", "motions", "Wire the PIR's output to a pin that is configured as Switch1.", ""
    )


def _radar(plan: Plan) -> str:
    seconds = plan.sensor.device_hold // SECOND_MS
    hold = (
        "# device_hold in gateway.toml: how long the radar itself goes on showing somebody.\n"
        f"LD2410Duration {seconds}\n"
    )
    return _render(
        plan,
        "presence",
        "signs",
        "Wire the radar's OUT to a pin configured as Switch1, its serial line to LD2410 Tx and Rx.",
        "SetOption160 1\n" + (hold if seconds else ""),
    )


def _notes(plan: Plan) -> Sequence[str]:
    notes = []
    told = plan.sensor.options.get("availability_topic", last_will(plan.sensor.id))
    if told != last_will(plan.sensor.id):
        notes.append(
            f"availability_topic is {quoted(told)}, Tasmota says it on {quoted(last_will(plan.sensor.id))}"
        )
    if plan.broker.tls:
        notes.append("the broker wants TLS: that needs a build of Tasmota with it (USE_MQTT_TLS)")
    if _name(plan) != plan.room_name:
        notes.append(f"the room is called {_name(plan)} in it: the console takes one short line")
    return notes


def _pir_notes(plan: Plan) -> Sequence[str]:
    return [*_notes(plan), measure_hold(plan)]


def _radar_notes(plan: Plan) -> Sequence[str]:
    return [
        *_notes(plan),
        "the driver is not in the builds that can be downloaded: compile one with USE_LD2410",
        RADAR_DEAD,
    ]


PIR_KIND: Final = Kind(
    name="tasmota-pir",
    title="a PIR on Tasmota",
    suffix=".txt",
    comment="#",
    defaults=_defaults("motion", "motion", "60s"),
    render=_pir,
    published=PUBLISHED.format(value="motion", counter="motions"),
    sequence="seq",
    online_words_are_free=False,
    notes=_pir_notes,
)

RADAR_KIND: Final = Kind(
    name="tasmota-ld2410",
    title="an LD2410 radar on Tasmota",
    suffix=".txt",
    comment="#",
    defaults=_defaults("presence", "presence", "5s"),
    render=_radar,
    published=PUBLISHED.format(value="presence", counter="signs"),
    sequence="seq",
    online_words_are_free=False,
    notes=_radar_notes,
)
