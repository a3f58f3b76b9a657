"""Zigbee2MQTT: the parts of its configuration.yaml that the gateway depends on, and one device.

Keys as on https://www.zigbee2mqtt.io/guide/configuration/mqtt.html, /availability.html, /devices-groups.html
and on the pages of motion sensors (`occupancy_timeout`); tests/firmware/test_firmware_keys.py lists them.

Its messages have no number: a state that gets lost on its way is not noticed. `last_seen` tells only when
the device spoke.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.core.units import SECOND_MS
from gateway.firmware.plan import Kind, Plan, Unfit
from gateway.firmware.quoting import fill, one_line, quoted

BAD_END: Final = re.compile(r"/|.*/[0-9]+|.*/|.*/(left|right|center|top|bottom|both)", re.DOTALL)
"""What a friendly name must not end with: a slash, or a number or an endpoint behind one."""

CONFIGURATION: Final = """\
# Merge this into configuration.yaml of Zigbee2MQTT; mqtt_username and mqtt_password go into its secret.yaml.
mqtt:
  base_topic: <<base>>
  server: <<server>>
  user: "!secret.yaml mqtt_username"
  password: "!secret.yaml mqtt_password"

advanced:
  # Without it the gateway cannot tell the device's words from Zigbee2MQTT's own repeats.
  last_seen: ISO_8601

availability:
  enabled: true

devices:
  # The device's own IEEE address, as the page of the device in Zigbee2MQTT shows it.
  "0x0000000000000000":
    friendly_name: <<device>>
    description: <<description>>
    # Retained occupancy is history, and the gateway takes it for that.
    retain: false
    qos: 1
<<timeout>>"""

TIMEOUT: Final = """\
    # device_hold in gateway.toml. Only for devices that do not clear themselves; others ignore it.
    occupancy_timeout: <<seconds>>
"""

PUBLISHED: Final = """\
It publishes the device's whole state as JSON, such as
  {"occupancy": true, "last_seen": "2026-09-22T09:00:00+02:00"}"""


def _defaults(_room: str, sensor: str) -> Mapping[str, Any]:
    return {
        "family": "zigbee2mqtt",
        "topic": f"zigbee2mqtt/{sensor}",
        "senses": "motion",
        "heartbeat": "1h",
        "device_hold": "90s",
        "at_qos1": True,
        "options": {},
    }


def _render(plan: Plan) -> str:
    base, _, device = plan.sensor.topic.partition("/")
    if not base or not device.strip("/"):
        raise Unfit(
            f"topic is {quoted(plan.sensor.topic)}: it must be the base topic and the device, such as "
            '"zigbee2mqtt/orion-pir"'
        )
    if BAD_END.fullmatch(device):
        raise Unfit(
            f"topic ends with {quoted(device)}: a friendly name of Zigbee2MQTT must not end with a slash, "
            "nor with a number or an endpoint behind one"
        )
    scheme = "mqtts" if plan.broker.tls else "mqtt"
    seconds = plan.sensor.device_hold // SECOND_MS
    values = {
        "base": quoted(base),
        "server": quoted(f"{scheme}://{plan.broker.address}"),
        "device": quoted(device),
        "description": quoted(plan.room_name),
        "timeout": fill(TIMEOUT, {"seconds": str(seconds)}) if seconds else "",
    }
    return fill(CONFIGURATION, values)


def _notes(plan: Plan) -> Sequence[str]:
    notes = [
        "replace 0x0000000000000000 by the address of the device",
        "set heartbeat to how often the device reports by itself, device_hold to how long it stays occupied",
    ]
    told = plan.sensor.options.get("availability_topic")
    if told is not None and told != f"{plan.sensor.topic}/availability":
        notes.append(
            f"availability_topic is {quoted(told)}, Zigbee2MQTT says it on the topic with /availability"
        )
    base = one_line(plan.sensor.topic.partition("/")[0])
    notes.append(f"all devices of this Zigbee2MQTT have the base topic {base}")
    return notes


KIND: Final = Kind(
    name="zigbee2mqtt",
    title="a Zigbee sensor behind Zigbee2MQTT",
    suffix=".yaml",
    comment="#",
    defaults=_defaults,
    render=_render,
    published=PUBLISHED,
    why_not="the messages of Zigbee2MQTT have no number",
    qos1=True,
    words_are_free=True,
    notes=_notes,
)
