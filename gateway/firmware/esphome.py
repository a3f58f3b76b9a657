"""ESPHome: an ESP32 with a radar (LD2410) or a PIR, which publishes JSON at QoS 1.

Keys as on https://esphome.io/components/mqtt, /components/sensor/ld2410, /components/uart and
/automations/actions; tests/firmware/test_firmware_keys.py lists those that are used.

A radar whose serial line has gone silent is not passed on as "nobody": its heartbeat stops, so that the
gateway takes the sensor for ill (a failed read must never look like an empty room).
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from textwrap import indent
from typing import Any, Final

from gateway.core.units import SECOND_MS
from gateway.firmware.plan import Kind, Plan, Unfit, measure_hold
from gateway.firmware.quoting import fill, quoted

MAX_NODE_NAME: Final = 31
"""Characters of `esphome: name`, which becomes a host name (https://esphome.io/components/esphome)."""
MAX_COMMENT_BYTES: Final = 255
"""Bytes of `esphome: comment` (same page)."""
RADAR_SILENCE: Final = "10000"
"""Milliseconds without a byte from the radar after which it counts as dead: it sends all the time."""

SHARED: Final = """\
esphome:
  name: <<node>>
  comment: <<comment>>
  on_boot:
    then:
      - lambda: "id(boot) = random_uint32();"<<on_boot>>

esp32:
  board: esp32dev
  framework:
    type: esp-idf

logger:

ota:
  - platform: esphome
    password: !secret ota_password

wifi:
  ssid: !secret wifi_ssid
  password: !secret wifi_password

mqtt:
  broker: <<host>>
  port: <<port>><<tls>>
  username: !secret mqtt_username
  password: !secret mqtt_password
  client_id: <<client>>
  discovery: false
  topic_prefix: null
  log_topic: null
  birth_message: &online
    topic: <<availability>>
    payload: <<online>>
    qos: 1
    retain: true
  will_message: &offline
    topic: <<availability>>
    payload: <<offline>>
    qos: 1
    retain: true
  shutdown_message: *offline
  on_connect:
    then:
      - script.execute: say

globals:
  # Which start of the device this is: its numbers begin anew with each.
  - id: boot
    type: uint32_t
  # How many messages there were. One that could not be sent is counted too: its absence shall be noticed.
  - id: seq
    type: uint32_t
    initial_value: "0"
  # How often it went from clear to on. Grows only, so what a lost message said is not lost.
  - id: signs
    type: uint32_t
    initial_value: "0"
  - id: ever
    type: bool
    initial_value: "false"
  - id: last_on
    type: uint32_t
    initial_value: "0"
<<more_globals>>
"""

DEVICES: Final = """\

script:
  - id: say
    mode: queued
    then:
      - if:
          condition:
            lambda: "return <<knows>>;"
          then:
            - lambda: "id(seq) += 1;"
            - mqtt.publish_json:
                topic: <<topic>>
                qos: 1
                retain: false
                payload: |-
                  root["<<value>>"] = id(sense).state;
                  root["seq"] = id(seq);
                  root["<<counter>>"] = id(signs);
                  root["boot"] = id(boot);
                  if (id(sense).state) {
                    root["age_s"] = 0;
                  } else if (id(ever)) {
                    root["age_s"] = (millis() - id(last_on)) / 1000;
                  } else {
                    root["age_s"] = nullptr;
                  }

interval:
  # The heartbeat: what the gateway takes for a proof of life.
  - interval: <<heartbeat>>
    then:
      - script.execute: say
"""

EVENTS: Final = """\
on_press:
  then:
    - lambda: "id(signs) += 1; id(ever) = true; id(last_on) = millis();"
    - script.execute: say
on_release:
  then:
    - lambda: "id(ever) = true; id(last_on) = millis();"
    - script.execute: say
"""

PIR: Final = """\
binary_sensor:
  - platform: gpio
    id: sense
    internal: true
    device_class: motion
    # The PIR's output. On another pin: change it here.
    pin:
      number: GPIO13
      mode:
        input: true
        pulldown: true
""" + indent(EVENTS, "    ")

RADAR: Final = """\
uart:
  id: radar_line
  tx_pin: GPIO17
  rx_pin: GPIO16
  baud_rate: 256000
  parity: NONE
  stop_bits: 1
  # Only to know that the radar lives: nothing of this is logged.
  debug:
    direction: RX
    dummy_receiver: false
    sequence:
      - lambda: "id(heard) = millis(); id(radar_spoke) = true;"

ld2410:

<<timeout>>binary_sensor:
  - platform: ld2410
    has_target:
      id: sense
      internal: true
""" + indent(EVENTS, "      ")

TIMEOUT: Final = """\
# The radar is told its hold together with its reach, so all three are here.
number:
  - platform: ld2410
    timeout:
      id: radar_hold
      internal: true
    max_move_distance_gate:
      id: radar_move_gate
      internal: true
    max_still_distance_gate:
      id: radar_still_gate
      internal: true

"""

SET_TIMEOUT: Final = """
      # device_hold in gateway.toml: how long the radar itself goes on showing somebody.
      - delay: 5s
      - number.set:
          id: radar_hold
          value: <<seconds>>"""

HEARD: Final = """\
  # When the radar's last byte came.
  - id: heard
    type: uint32_t
    initial_value: "0"
  - id: radar_spoke
    type: bool
    initial_value: "false"
"""

PUBLISHED: Final = """\
It publishes JSON at QoS 1, not retained, at each change, each heartbeat and each connection:
  {{"{value}": true, "seq": 17, "{counter}": 4, "boot": 1234567890, "age_s": 0}}
seq grows by one with each message, {counter} each time that it goes on; with another boot both begin anew.
age_s: seconds since it was last on, 0 while it is, null if it was not since its start."""


def _defaults(senses: str, value: str, device_hold: str) -> Callable[[str, str], Mapping[str, Any]]:
    def defaults(room: str, sensor: str) -> Mapping[str, Any]:
        topic = f"office/{room}/{sensor}"
        return {
            "family": "json",
            "topic": topic,
            "senses": senses,
            "heartbeat": "1m",
            "device_hold": device_hold,
            "at_qos1": True,
            "options": {"path": value, "availability_topic": f"{topic}/status"},
        }

    return defaults


def node_name(sensor: str) -> str:
    """The sensor's id as a host name. What has to be changed for that gets a number, so no two are alike."""
    name = sensor.replace("_", "-").rstrip("-")
    if name == sensor and len(name) <= MAX_NODE_NAME:
        return name
    number = f"-{zlib.crc32(sensor.encode()):08x}"
    return name[: MAX_NODE_NAME - len(number)].rstrip("-") + number


def writable_name(plan: Plan) -> str:
    """The room's name, or its id where ESPHome would take the name for a substitution, or it is too long."""
    name = plan.room_name
    return plan.room if "$" in name or len(name.encode()) > MAX_COMMENT_BYTES else name


def _notes(plan: Plan) -> Sequence[str]:
    notes = []
    if writable_name(plan) != plan.room_name:
        notes.append(f"the room is called {plan.room} in it: ESPHome cannot hold its name")
    if plan.broker.tls:
        notes.append("put the certificate of the broker's authority (PEM) into secrets.yaml as mqtt_ca")
    return notes


def _render(plan: Plan, value: str, counter: str, devices: str, **others: str) -> str:
    sensor = plan.sensor
    options = sensor.options
    availability = options.get("availability_topic", f"{sensor.topic}/status")
    online = options.get("online", "online").split(",")[0].strip()
    offline = options.get("offline", "offline").split(",")[0].strip()
    for what, text in (
        ("topic", sensor.topic),
        ("availability_topic", availability),
        ("online", online),
        ("offline", offline),
    ):
        if "$" in text:
            raise Unfit(f"{what} is {quoted(text)}: ESPHome takes $ for a substitution; choose another one")
    values = {
        "node": quoted(node_name(sensor.id)),
        "comment": quoted(writable_name(plan)),
        "host": quoted(plan.broker.host),
        "port": str(plan.broker.port),
        "tls": "\n  certificate_authority: !secret mqtt_ca" if plan.broker.tls else "",
        "client": quoted(sensor.id),
        "availability": quoted(availability),
        "online": quoted(online),
        "offline": quoted(offline),
        "topic": quoted(sensor.topic),
        "value": value,
        "counter": counter,
        "heartbeat": _time(plan.heartbeat_ms),
        "on_boot": "",
        "more_globals": "",
        **others,
    }
    return fill(SHARED, values) + fill(devices, values) + fill(DEVICES, values)


def _time(duration_ms: int) -> str:
    """As ESPHome writes times: one number, one unit."""
    return f"{duration_ms // SECOND_MS}s" if duration_ms % SECOND_MS == 0 else f"{duration_ms}ms"


def _pir(plan: Plan) -> str:
    return _render(plan, "motion", "motions", PIR, knows="id(sense).has_state()")


def _radar(plan: Plan) -> str:
    seconds = plan.sensor.device_hold // SECOND_MS
    set_timeout = fill(SET_TIMEOUT, {"seconds": str(seconds)}) if seconds else ""
    return _render(
        plan,
        "presence",
        "signs",
        RADAR,
        knows=f"id(sense).has_state() && id(radar_spoke) && millis() - id(heard) < {RADAR_SILENCE}",
        on_boot=set_timeout,
        timeout=TIMEOUT if seconds else "",
        more_globals=HEARD,
    )


def _pir_notes(plan: Plan) -> Sequence[str]:
    return [*_notes(plan), measure_hold(plan)]


RADAR_KIND: Final = Kind(
    name="esphome-ld2410",
    title="an LD2410 radar on ESPHome",
    suffix=".yaml",
    comment="#",
    defaults=_defaults("presence", "presence", "5s"),
    render=_radar,
    published=PUBLISHED.format(value="presence", counter="signs"),
    sequence="seq",
    qos1=True,
    notes=_notes,
)

PIR_KIND: Final = Kind(
    name="esphome-pir",
    title="a PIR on ESPHome",
    suffix=".yaml",
    comment="#",
    defaults=_defaults("motion", "motion", "60s"),
    render=_pir,
    published=PUBLISHED.format(value="motion", counter="motions"),
    sequence="seq",
    qos1=True,
    notes=_pir_notes,
)
