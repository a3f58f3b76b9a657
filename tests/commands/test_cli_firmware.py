"""`firmware`: what it fills in, what it refuses, and where it writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner, Result

from gateway.commands import app
from gateway.commands import firmware as command
from gateway.firmware.kinds import KINDS

Run = Callable[..., Result]

CONFIG_TEXT = """
[site]
name = "Contoso"
time_zone = "Europe/Berlin"
[mqtt]
host = "broker.contoso.com"
tls = true
[exchange]
tenant_id = "contoso.onmicrosoft.com"
client_id = "00000000-0000-0000-0000-000000000000"
client_secret_file = "graph-secret"
[[room]]
id = "orion"
name = "Orion"
mailbox = "orion@contoso.com"
[[room.sensor]]
id = "orion-pir"
family = "json"
topic = "building/7/pir"
senses = "motion"
heartbeat = "90s"
device_hold = "45s"
at_qos1 = true
options = { path = "motion", availability_topic = "building/7/alive", online = "yes", offline = "no" }
[[room.sensor]]
id = "orion-plain"
family = "plain"
topic = "building/7/radar"
senses = "presence"
heartbeat = "2m"
options = { availability_topic = "building/7/radar-alive", on = "AN", off = "AUS" }
[[room.sensor]]
id = "orion-bold"
family = "json"
topic = "building/7/bold"
senses = "motion"
at_qos1 = true
loss_detectable = true
options = { path = "motion" }
[[room]]
id = "vega"
mailbox = "vega@contoso.com"
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Call `firmware` with the configuration above."""
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG_TEXT, encoding="utf-8")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["firmware", *arguments, "--config", str(config)])

    return run


def test_the_command_offers_every_kind() -> None:
    """No more and no fewer than there are."""
    assert set(get_args(command.KindName)) == set(KINDS)


def test_the_configured_sensor_is_filled_in(run: Run) -> None:
    """Broker, topic, heartbeat, availability and its words are those of gateway.toml."""
    result = run("orion", "orion-pir", "--kind", "esphome-pir")
    assert result.exit_code == 0
    for line in (
        '  broker: "broker.contoso.com"',
        "  port: 8883",
        "  certificate_authority: !secret mqtt_ca",
        '    topic: "building/7/alive"',
        '    payload: "yes"',
        '    payload: "no"',
        '                topic: "building/7/pir"',
        "  - interval: 90s",
        "  password: !secret mqtt_password",
    ):
        assert f"\n{line}\n" in result.stdout
    assert "mqtt_ca" in result.stderr
    assert "device_hold is 45s" in result.stderr


def test_the_hold_of_a_radar_is_told_to_it(run: Run) -> None:
    """device_hold goes where the device keeps it."""
    result = run("vega", "vega-radar", "--kind", "tasmota-ld2410")
    assert "\nLD2410Duration 5\n" in result.stdout
    result = run("vega", "vega-radar", "--kind", "esphome-ld2410")
    assert "          id: radar_hold\n          value: 5\n" in result.stdout


def test_a_new_sensor_gets_a_section_to_add(run: Run) -> None:
    """It is said on standard error, and the section is in the comment and with --settings."""
    result = run("vega", "vega-pir", "--kind", "shelly")
    assert result.exit_code == 0
    assert "vega-pir is not in" in result.stderr
    section = run("vega", "vega-pir", "--kind", "shelly", "--settings").stdout
    assert section.startswith('[[room.sensor]]\nid = "vega-pir"\nfamily = "json"\n')
    for line in section.splitlines():
        assert f"//   {line}\n" in result.stdout


def test_what_the_gateway_would_not_read_is_refused_with_a_section_that_fits(run: Run) -> None:
    """A plain value has no place for a number; the printed section keeps what is free."""
    result = run("orion", "orion-plain", "--kind", "esphome-ld2410")
    assert result.exit_code == 2
    assert 'family is "plain", esphome-ld2410 needs "json"' in result.stderr
    assert "options.on is set" in result.stderr
    assert "--settings" in result.stderr
    section = run("orion", "orion-plain", "--kind", "esphome-ld2410", "--settings").stdout
    assert section == (
        "[[room.sensor]]\n"
        'id = "orion-plain"\n'
        'family = "json"\n'
        'topic = "building/7/radar"\n'
        'senses = "presence"\n'
        'heartbeat = "2m"\n'
        "loss_detectable = true\n"
        'options = { path = "presence", availability_topic = "building/7/radar-alive", '
        'sequence_path = "seq" }\n'
    )


def test_a_device_with_words_of_its_own_keeps_them(run: Run) -> None:
    """A Shelly says true and false; ESPHome says whatever is configured."""
    result = run("orion", "orion-pir", "--kind", "shelly")
    assert result.exit_code == 2
    assert "options.online is set, shelly has its own words" in result.stderr
    section = run("orion", "orion-pir", "--kind", "shelly", "--settings").stdout
    assert "online" not in section
    assert "building/7/alive" in section


def test_an_ipv6_address_is_in_brackets_where_the_port_follows(tmp_path: Path) -> None:
    """Otherwise nobody could tell where the address ends."""
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG_TEXT.replace("broker.contoso.com", "2001:db8::5"), encoding="utf-8")
    for kind in ("shelly", "zigbee2mqtt"):
        arguments = ["firmware", "vega", "vega-x", "--kind", kind, "--config", str(config)]
        assert "[2001:db8::5]:8883" in CliRunner().invoke(app, arguments).stdout


def test_what_the_device_cannot_keep_is_refused(run: Run) -> None:
    """QoS 1 of a Tasmota and a number of Zigbee2MQTT's messages do not exist."""
    result = run("orion", "orion-bold", "--kind", "tasmota-pir")
    assert result.exit_code == 2
    assert "at_qos1 is true" in result.stderr
    assert (
        'loss_detectable is true, and options.sequence_path is not set, tasmota-pir needs "seq"'
        in result.stderr
    )
    result = run("orion", "orion-bold", "--kind", "zigbee2mqtt")
    assert "loss_detectable is true, and a lost message would not be noticed" in result.stderr


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_loss_that_goes_unnoticed_is_told(run: Run, kind: str) -> None:
    """In the file and on standard error; what cannot be noticed is not claimed in the section."""
    result = run("vega", "vega-x", "--kind", kind)
    assert result.exit_code == 0
    told = "loss_detectable = false: " in result.stderr
    assert told is ("loss_detectable = false: " in result.stdout)
    assert told is not KINDS[kind].noticed
    assert ("loss_detectable = true" in result.stdout) is KINDS[kind].noticed


def test_the_gateway_is_told_where_the_number_is(run: Run) -> None:
    """The section names `sequence_path` and claims the notice, where the messages have a number."""
    result = run("vega", "vega-x", "--kind", "tts", "--settings")
    assert 'sequence_path = "uplink_message.f_cnt"' in result.stdout
    assert "loss_detectable = true" in result.stdout
    assert "loss_detectable" not in run("vega", "vega-x", "--kind", "zigbee2mqtt", "--settings").stdout


def test_a_sensor_without_a_heartbeat_is_warned_of(run: Run) -> None:
    """The device speaks each minute all the same, but the gateway does not know that it should."""
    result = run("orion", "orion-bold", "--kind", "tasmota-pir", "--settings")
    assert 'heartbeat = "1m"' in result.stdout


def test_a_broker_on_loopback_is_not_passed_on_silently(run: Run, tmp_path: Path) -> None:
    """The gateway may call it localhost; a sensor elsewhere would find nobody by that name."""
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG_TEXT.replace("broker.contoso.com", "localhost"), encoding="utf-8")
    assert "the gateway's own machine" in run("vega", "vega-x", "--kind", "shelly").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere", "x"), 1, "there is no room 'nowhere'; the rooms are: orion, vega."),
        (("vega", "orion-pir"), 2, "orion-pir hangs in orion, not in vega"),
        (("vega", "Vega PIR"), 2, "SENSOR is 'Vega PIR': expected a short name"),
    ],
)
def test_rooms_and_sensors_that_are_none_are_named(
    run: Run, arguments: tuple[str, str], code: int, words: str
) -> None:
    """What is wrong, where, and what would be right."""
    result = run(*arguments, "--kind", "shelly")
    assert result.exit_code == code
    assert words in result.stderr
    assert not result.stdout


def test_it_is_written_to_a_file_once(run: Run, tmp_path: Path) -> None:
    """A file that exists may have been edited by hand: it stays as it is."""
    out = tmp_path / "pir.yaml"
    printed = run("orion", "orion-pir", "--kind", "esphome-pir").stdout
    assert run("orion", "orion-pir", "--kind", "esphome-pir", "--out", str(out)).exit_code == 0
    assert out.read_text(encoding="utf-8") == printed
    out.write_text("mine")
    again = run("orion", "orion-pir", "--kind", "esphome-pir", "--out", str(out))
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert out.read_text() == "mine"
    lost = run("orion", "orion-pir", "--kind", "esphome-pir", "--out", str(tmp_path / "no" / "pir.yaml"))
    assert lost.exit_code == 1
    assert "cannot be written" in lost.stderr


def test_a_program_may_read_it(run: Run) -> None:
    """The text, the section and the notes, as JSON."""
    found = json.loads(run("orion", "orion-pir", "--kind", "esphome-pir", "--json").stdout)
    assert found["file"] == "orion-pir.yaml"
    assert found["kind"] == "esphome-pir"
    assert found["text"] == run("orion", "orion-pir", "--kind", "esphome-pir").stdout
    assert found["settings"] == run("orion", "orion-pir", "--kind", "esphome-pir", "--settings").stdout
    assert found["notes"]


def test_it_works_before_there_is_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins with the sensors gets an example broker, and is told so."""
    nowhere = tmp_path / "none.toml"
    monkeypatch.setattr(command, "CONFIG", nowhere)
    result = CliRunner().invoke(
        app, ["firmware", "orion", "orion-pir", "--kind", "esphome-pir", "--config", str(nowhere)]
    )
    assert result.exit_code == 0
    assert 'broker: "mqtt.example.com"' in result.stdout
    assert "no configuration at" in result.stderr
