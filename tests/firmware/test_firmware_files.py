"""The ready files are what the generator makes, and the programs that they are meant for take them."""

import importlib.util
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.core.events import Reading
from gateway.firmware.kinds import KINDS, settings_for
from gateway.sensors import build_router
from gateway.settings import SensorSettings, load

if TYPE_CHECKING:
    from docs import generate
else:  # docs/ is not installed, and pytest does not put the repository's root on the path
    GENERATE = importlib.util.spec_from_file_location(
        "docs_generate_firmware", Path(__file__).parents[2] / "docs" / "generate.py"
    )
    generate = importlib.util.module_from_spec(GENERATE)
    GENERATE.loader.exec_module(generate)

FOLDER = Path(__file__).parents[2] / "firmware-config"
NODE = shutil.which("node")
OWN_ESPHOME = Path(__file__).parents[2] / ".venv-firmware" / "bin" / "esphome"
ESPHOME = str(OWN_ESPHOME) if OWN_ESPHOME.exists() else shutil.which("esphome")
SECRETS = ("ota_password", "wifi_ssid", "wifi_password", "mqtt_username", "mqtt_password", "mqtt_ca")
READY_FILES = generate.ready_files()
EXAMPLE = load(FOLDER / "example.toml", {})


def sensor_of(kind: str) -> SensorSettings:
    """The example's sensor of that kind."""
    wanted = generate.READY[kind]
    return next(sensor for sensor in EXAMPLE.room("orion").sensors if sensor.id == wanted)


def decoded(kind: str, payload: object) -> list[tuple[str, int]]:
    """What the gateway, configured as in the example, reads from what the device publishes."""
    router = build_router(EXAMPLE.sensor_sources())
    topic = sensor_of(kind).topic
    readings = router.decode(topic, json.dumps(payload).encode(), retained=False)
    return [(one.kind, one.value) for one in readings if isinstance(one, Reading)]


def javascript(*parts: str) -> Any:
    """Run a script in Node; what it prints is JSON."""
    if NODE is None:
        pytest.skip("Node is not installed")
    done = subprocess.run(  # noqa: S603 - our own script, on loopback of nothing
        [NODE, "-"], input="\n".join(parts), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -- the files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(READY_FILES))
def test_each_ready_file_is_what_the_generator_makes_today(name: str) -> None:
    """If this fails: python -m docs.generate."""
    assert (FOLDER / name).read_text(encoding="utf-8") == READY_FILES[name]


def test_there_is_a_ready_file_of_every_kind_and_no_other() -> None:
    """A kind that is added or dropped does not leave the folder behind."""
    assert set(generate.READY) == set(KINDS)
    expected = {*READY_FILES, "README.md", "example.toml"}
    assert {path.name for path in FOLDER.iterdir()} == expected


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_holds_the_section_that_the_command_prints(kind: str) -> None:
    """example.toml is edited by hand; what it says of a sensor is still what the generator would say."""
    text = (FOLDER / "example.toml").read_text(encoding="utf-8")
    assert settings_for(KINDS[kind], "orion", sensor_of(kind).id, sensor_of(kind)) in text


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_page_about_the_files_names_each_kind(kind: str) -> None:
    """Whoever reads the folder's page learns of all of them."""
    assert f"| `{kind}` | [{kind}{KINDS[kind].suffix}]" in (FOLDER / "README.md").read_text(encoding="utf-8")


# -- ESPHome ------------------------------------------------------------------------------------------


@pytest.mark.skipif(ESPHOME is None, reason="ESPHome is not installed; `make firmware` does that")
@pytest.mark.parametrize("kind", ["esphome-ld2410", "esphome-pir"])
@pytest.mark.parametrize("tls", [False, True])
def test_esphome_takes_its_files(kind: str, tls: bool, tmp_path: Path, made: Any) -> None:  # pragma: no cover
    """`esphome config` knows every key and every id; with TLS too, and with an awkward room name."""
    text = made(kind, room_name='Größe "2"\n: #&*!|>\'%@`/\\', tls=tls, configured=sensor_of(kind)).text
    (tmp_path / "device.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "secrets.yaml").write_text("".join(f'{name}: "invented-{name}"\n' for name in SECRETS))
    done = subprocess.run(  # noqa: S603 - found on the path
        [str(ESPHOME), "config", "device.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- LoRaWAN ------------------------------------------------------------------------------------------

UPLINKS = {
    "somebody moved": ([0x05, 3], {"motions_since_last": 3, "occupied": True}, []),
    "nobody moved": ([0x05, 0], {"motions_since_last": 0, "occupied": False}, []),
    "a whole message": (
        [0x01, 0x00, 0xE2, 0x02, 0x29, 0x04, 0x00, 0x27, 0x05, 0x06, 0x07, 0x0E, 0x10],
        {"motions_since_last": 6, "occupied": True, "battery_mv": 3600},
        [],
    ),
    "doubtful occupancy is occupancy": ([0x05, 0, 0x11, 1], {"motions_since_last": 0, "occupied": True}, []),
    "vacant by both": ([0x11, 0, 0x05, 0], {"motions_since_last": 0, "occupied": False}, []),
    "motion is not undone by what follows": (
        [0x05, 1, 0x11, 0],
        {"motions_since_last": 1, "occupied": True},
        [],
    ),
    "nothing about people": ([0x07, 0x0E, 0x10], {"battery_mv": 3600}, []),
    "an unknown type": (
        [0x05, 0, 0xEE, 0x05, 9],
        {"motions_since_last": 0, "occupied": False},
        ["type 238 at byte 2 is not known; what follows was not read"],
    ),
    "cut off": ([0x07, 0x0E], {}, ["the value of type 7 at byte 0 is cut off"]),
    "empty": ([], {}, []),
}


@pytest.mark.parametrize("kind", ["chirpstack", "tts"])
def test_the_codec_reads_what_the_sensor_sends(kind: str) -> None:
    """In doubt there is somebody; what is missing is left out, and never becomes "vacant"."""
    inputs = [{"bytes": given, "fPort": 5, "variables": {}} for given, _, _ in UPLINKS.values()]
    script = f"console.log(JSON.stringify({json.dumps(inputs)}.map(decodeUplink)));"
    results = javascript(READY_FILES[f"{kind}.js"], script)
    assert results == [{"data": data, "warnings": warnings} for _, data, warnings in UPLINKS.values()]


@pytest.mark.parametrize("kind", ["chirpstack", "tts"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"occupied": True}, [("motion", 1)]),
        ({"occupied": False}, [("motion", 0)]),
        ({"battery_mv": 3600}, [("alive", 1)]),
    ],
)
def test_the_gateway_understands_what_the_network_makes_of_it(
    kind: str, data: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    """An uplink without a word about people says only that the device lives."""
    message: dict[str, Any] = {"time": "2026-09-22T09:00:00+02:00", "fCnt": 17, "object": data}
    if kind == "tts":
        message = {
            "received_at": "2026-09-22T07:00:00Z",
            "uplink_message": {"f_cnt": 17, "decoded_payload": data},
        }
    assert decoded(kind, message) == expected


# -- Shelly -------------------------------------------------------------------------------------------

SHELLY = """
var published = [], handlers = {}, uptimeNow = 100, input = { state: false }, connected = true;
var Shelly = {
  getComponentStatus: function (key) { return key === "sys" ? { uptime: uptimeNow } : input; },
  addStatusHandler: function (handler) { handlers.status = handler; },
};
var MQTT = {
  isConnected: function () { return connected; },
  publish: function (topic, text, qos, retain) { published.push([topic, JSON.parse(text), qos, retain]); },
  setConnectHandler: function (handler) { handlers.connect = handler; },
};
var Timer = {
  set: function (period, repeat, handler) { handlers.timer = handler; handlers.period = period; },
};
function change(state) {
  input = { state: state };
  handlers.status({ component: "input:0", delta: { state: state } });
}
"""


def test_the_script_of_a_shelly_counts_and_publishes() -> None:
    """Every change, beat and connection is one message, numbered; one that could not be sent leaves a gap."""
    script = READY_FILES["shelly.js"]
    story = """
    uptimeNow = 110; change(true);
    uptimeNow = 115; handlers.timer();
    uptimeNow = 120; change(false);
    uptimeNow = 130; handlers.timer();
    connected = false; uptimeNow = 140; change(true); change(false);
    connected = true; uptimeNow = 150; handlers.connect();
    input = { state: null }; handlers.timer();
    input = null; handlers.timer();
    handlers.status({ component: "input:1", delta: { state: true } });
    console.log(JSON.stringify([handlers.period, published]));
    """
    period, published = javascript(SHELLY, script, story)
    assert period == 60_000
    assert {(topic, qos, retain) for topic, _, qos, retain in published} == {
        (sensor_of("shelly").topic, 1, False)
    }
    messages = [message for _, message, _, _ in published]
    assert len({message.pop("boot") for message in messages}) == 1
    assert messages == [
        {"motion": False, "seq": 1, "motions": 0, "age_s": None},
        {"motion": True, "seq": 2, "motions": 1, "age_s": 0},
        {"motion": True, "seq": 3, "motions": 1, "age_s": 0},
        {"motion": False, "seq": 4, "motions": 1, "age_s": 0},
        {"motion": False, "seq": 5, "motions": 1, "age_s": 10},
        # 6 and 7 were lost: the number, the counter and the age all tell of it.
        {"motion": False, "seq": 8, "motions": 2, "age_s": 10},
    ]
    assert [decoded("shelly", message) for message in messages[:2]] == [[("motion", 0)], [("motion", 1)]]


# -- Tasmota ------------------------------------------------------------------------------------------


class Tasmota:
    """Rules of Tasmota as its page documents them: a trigger puts variables in, commands run after it."""

    def __init__(self, text: str) -> None:
        self.variables: dict[str, str] = {}
        self.published: list[tuple[str, str]] = []
        self.rules: list[tuple[str, str]] = []
        self.status = "OFF"
        for line in text.splitlines():
            found = re.fullmatch(r"Rule[123] (ON .*)", line)
            if found:
                self.rules += re.findall(r"ON (\S+) DO (.*?) ENDON", found[1])

    def trigger(self, what: str) -> None:
        """Every rule with this trigger, in their order."""
        for trigger, commands in self.rules:
            if trigger.casefold() == what.casefold():
                values = {**{f"%var{n}%": self.variables.get(n, "") for n in "123"}, "%uptime%": "90"}
                filled = commands
                for name, value in values.items():
                    filled = filled.replace(name, value)
                for command in filled.removeprefix("Backlog ").split("; "):
                    self.run(command)

    def run(self, command: str) -> None:
        name, _, rest = command.partition(" ")
        if name.startswith("Var"):
            self.variables[name[3:]] = rest
        elif name.startswith("Add"):
            self.variables[name[3:]] = str(int(self.variables.get(name[3:]) or 0) + int(rest))
        elif name == "Event":
            self.trigger(f"Event#{rest}")
        elif name == "Status":
            self.trigger(f"StatusSNS#Switch1={self.status}")
        elif name == "Publish":
            topic, _, payload = rest.partition(" ")
            self.published.append((topic, payload))
        else:
            assert name == "RuleTimer1", command

    def switch(self, on: bool) -> None:
        self.status = "ON" if on else "OFF"
        self.trigger(f"Switch1#State={int(on)}")


@pytest.mark.parametrize(
    ("kind", "value", "counter"),
    [("tasmota-pir", "motion", "motions"), ("tasmota-ld2410", "presence", "signs")],
)
def test_the_rules_of_a_tasmota_count_and_publish(kind: str, value: str, counter: str) -> None:
    """Each change, beat and connection is one numbered message that the gateway reads."""
    device = Tasmota(READY_FILES[f"{kind}.txt"])
    device.trigger("System#Init")
    device.trigger("Mqtt#Connected")
    device.switch(on=True)
    device.trigger("Rules#Timer=1")
    device.switch(on=False)
    device.switch(on=True)
    assert {topic for topic, _ in device.published} == {sensor_of(kind).topic}
    messages = [json.loads(payload) for _, payload in device.published]
    assert messages == [
        {value: 0, "seq": 1, counter: 0, "up_min": 90},
        {value: 1, "seq": 2, counter: 1, "up_min": 90},
        {value: 1, "seq": 3, counter: 1, "up_min": 90},
        {value: 0, "seq": 4, counter: 1, "up_min": 90},
        {value: 1, "seq": 5, counter: 2, "up_min": 90},
    ]
    assert [decoded(kind, message)[0] for message in messages[:2]] == [(value, 0), (value, 1)]


# -- the printed section ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_printed_section_is_toml_that_the_gateway_takes(kind: str, made: Any) -> None:
    """What the command says to add to gateway.toml can be added to it as it is."""
    (table,) = tomllib.loads(f"[[room]]\n{made(kind).settings}")["room"][0]["sensor"]
    sensor = SensorSettings.model_validate(table)
    assert sensor.id == "orion-sensor"
    assert sensor.heartbeat is not None
