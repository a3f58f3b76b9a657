"""Every key, command and method in what is made stands on the page that documents it, listed here.

The lists are of what is used, not of what there is: who uses another one looks it up first, and adds it.
"""

import json
import re
from typing import Any

import pytest

ESPHOME = {
    # https://esphome.io/components/esphome
    "esphome": {"name", "comment", "on_boot"},
    # https://esphome.io/components/esp32
    "esp32": {"board", "framework", "type"},
    # https://esphome.io/components/logger
    "logger": set(),
    # https://esphome.io/components/ota/esphome
    "ota": {"platform", "password"},
    # https://esphome.io/components/wifi
    "wifi": {"ssid", "password"},
    # https://esphome.io/components/mqtt
    "mqtt": {
        "broker",
        "port",
        "username",
        "password",
        "client_id",
        "discovery",
        "topic_prefix",
        "log_topic",
        "certificate_authority",
        "birth_message",
        "will_message",
        "shutdown_message",
        "on_connect",
        "topic",
        "payload",
        "qos",
        "retain",
    },
    # https://esphome.io/components/globals
    "globals": {"id", "type", "initial_value"},
    # https://esphome.io/components/uart
    "uart": {
        "id",
        "tx_pin",
        "rx_pin",
        "baud_rate",
        "parity",
        "stop_bits",
        "debug",
        "direction",
        "dummy_receiver",
        "sequence",
    },
    # https://esphome.io/components/sensor/ld2410
    "ld2410": set(),
    "number": {
        "platform",
        "timeout",
        "max_move_distance_gate",
        "max_still_distance_gate",
        "id",
        "internal",
    },
    # https://esphome.io/components/binary_sensor and https://esphome.io/components/binary_sensor/gpio
    "binary_sensor": {
        "platform",
        "has_target",
        "id",
        "internal",
        "device_class",
        "pin",
        "number",
        "mode",
        "input",
        "pulldown",
        "on_press",
        "on_release",
    },
    # https://esphome.io/components/script
    "script": {"id", "mode"},
    # https://esphome.io/components/interval
    "interval": {"interval"},
}
# https://esphome.io/automations/actions
ESPHOME_ACTIONS = {
    "then",
    "if",
    "condition",
    "lambda",
    "delay",
    "script.execute",
    "number.set",
    "id",
    "value",
    "mqtt.publish_json",
    "topic",
    "qos",
    "retain",
    "payload",
}

# https://tasmota.github.io/docs/Commands; LD2410Duration: https://tasmota.github.io/docs/HLK-LD2410
TASMOTA_COMMANDS = {
    "Add",
    "Backlog",
    "CalcRes",
    "DeviceName",
    "Event",
    "LD2410Duration",
    "MqttClient",
    "MqttHost",
    "MqttPassword",
    "MqttPort",
    "MqttUser",
    "Publish",
    "Restart",
    "Rule",
    "RuleTimer",
    "SetOption160",
    "Status",
    "SwitchMode",
    "SwitchTopic",
    "Topic",
    "Var",
}
# https://tasmota.github.io/docs/Rules; Switch1 in StatusSNS: https://tasmota.github.io/docs/JSON-Status-Responses
TASMOTA_TRIGGERS = {
    "Event#say",
    "Event#said",
    "Mqtt#Connected",
    "Rules#Timer=1",
    "StatusSNS#Switch1=OFF",
    "StatusSNS#Switch1=ON",
    "Switch1#State=0",
    "Switch1#State=1",
    "System#Init",
}
TASMOTA_VARIABLES = {"%var1%", "%var2%", "%var3%", "%uptime%"}
TASMOTA_RULE_CHARACTERS = 1_000
"""Expect at least that many in a rule set (https://tasmota.github.io/docs/Rules)."""

ZIGBEE2MQTT = {
    # https://www.zigbee2mqtt.io/guide/configuration/mqtt.html
    "mqtt": {"base_topic", "server", "user", "password"},
    "advanced": {"last_seen"},
    # https://www.zigbee2mqtt.io/guide/configuration/device-availability.html
    "availability": {"enabled"},
    # https://www.zigbee2mqtt.io/guide/configuration/devices-groups.html
    "devices": {
        '"0x0000000000000000"',
        "friendly_name",
        "description",
        "retain",
        "qos",
        "occupancy_timeout",
    },
}

# https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt, .../Input and .../Sys
SHELLY_CALLS = {
    "Mqtt.SetConfig": {
        "config",
        "enable",
        "server",
        "client_id",
        "user",
        "pass",
        "ssl_ca",
        "topic_prefix",
        "rpc_ntf",
        "status_ntf",
    },
    "Input.SetConfig": {"id", "config", "type", "invert"},
    "Sys.SetConfig": {"config", "device", "name"},
}
# https://shelly-api-docs.shelly.cloud/gen2/Scripts/APIs
SHELLY_API = {
    "Shelly.getComponentStatus",
    "Shelly.addStatusHandler",
    "MQTT.isConnected",
    "MQTT.publish",
    "MQTT.setConnectHandler",
    "Timer.set",
    "Math.floor",
    "Math.random",
    "JSON.stringify",
}


def keys_by_section(text: str) -> dict[str, set[str]]:
    """The keys of a YAML file of ours by its top-level key; literal blocks hold none."""
    found: dict[str, set[str]] = {}
    section, block = "", -1
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        if 0 <= block < indent:
            continue
        block = -1
        key = re.match(r'\s*(?:- )?((?:[\w.]+|"0x0+")):(?: |$)', line)
        if key is None:
            continue
        if indent == 0:
            section = key[1]
            found[section] = set()
        else:
            found[section].add(key[1])
        if line.endswith("|-"):
            block = indent
    return found


@pytest.mark.parametrize("kind", ["esphome-ld2410", "esphome-pir"])
@pytest.mark.parametrize("tls", [False, True])
def test_esphome_keys_are_documented(kind: str, tls: bool, made: Any) -> None:
    """Each key is one of its section's or one of an action's."""
    for section, keys in keys_by_section(made(kind, tls=tls).text).items():
        assert keys <= ESPHOME[section] | ESPHOME_ACTIONS, section


def test_zigbee2mqtt_keys_are_documented(made: Any) -> None:
    """Each key is one of its section's."""
    found = keys_by_section(made("zigbee2mqtt").text)
    assert found == ZIGBEE2MQTT


@pytest.mark.parametrize("kind", ["tasmota-pir", "tasmota-ld2410"])
def test_tasmota_commands_triggers_and_variables_are_documented(kind: str, made: Any) -> None:
    """Each line is a command, each rule has a known trigger, and each rule set fits."""
    lines = [line for line in made(kind).text.splitlines() if line and not line.startswith("#")]
    commands: list[str] = []
    for line in lines:
        rule = re.fullmatch(r"Rule\d (ON .* ENDON|ON .*)", line)
        if rule is None:
            commands += line.removeprefix("Backlog ").split("; ")
            continue
        assert len(rule[1]) <= TASMOTA_RULE_CHARACTERS
        parts = re.findall(r"ON (\S+) DO (.*?) ENDON", rule[1])
        assert " ".join(f"ON {trigger} DO {what} ENDON" for trigger, what in parts) == rule[1]
        assert {trigger for trigger, _ in parts} <= TASMOTA_TRIGGERS
        assert set(re.findall(r"%\w+%", rule[1])) <= TASMOTA_VARIABLES
        commands += [one for _, what in parts for one in what.removeprefix("Backlog ").split("; ")]
    names = {command.split(" ")[0] for command in commands}
    assert {name if name == "SetOption160" else name.rstrip("0123456789") for name in names} <= {
        *TASMOTA_COMMANDS,
        "LD2410Duration",
    }


def test_shelly_calls_and_script_are_documented(made: Any) -> None:
    """Each parameter of the calls and each function of the device that the script uses."""
    text = made("shelly").text
    found = re.findall(r"^// (\w+\.SetConfig) (\{.*\})$", text, re.MULTILINE)
    assert {method for method, _ in found} == set(SHELLY_CALLS)

    def keys(value: Any) -> set[str]:
        return {*value, *(k for v in value.values() for k in keys(v))} if isinstance(value, dict) else set()

    for method, parameters in found:
        assert keys(json.loads(parameters)) == SHELLY_CALLS[method]
    script = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//"))
    assert set(re.findall(r"\b(?:Shelly|MQTT|Timer|Math|JSON)\.\w+", script)) == SHELLY_API


@pytest.mark.parametrize("kind", ["esphome-ld2410", "tasmota-pir", "zigbee2mqtt", "shelly"])
def test_no_secret_is_inside(kind: str, made: Any) -> None:
    """Wherever a password or login belongs there is the name of a secret."""
    text = made(kind, tls=True).text
    lines = [line for line in text.splitlines() if re.search(r"(?i)\b\w*(pass|user)\w*\W+\S", line)]
    assert lines
    for line in lines:
        assert "!secret" in line or line.startswith(("# ", "// Note: ")), line
