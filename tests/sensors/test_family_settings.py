"""Every family can be configured, with a device's own description where it takes one."""

import json
from pathlib import Path

import pytest
from harness import configuration

from gateway.core.events import Availability, Reading
from gateway.sensors import ALIASES, FAMILIES, OptionError, build_router, family_named
from gateway.settings import SettingsError

DISCOVERY = {
    "stat_t": "node/orion",
    "dev_cla": "occupancy",
    "avty_t": "node/status",
    "dev": {"name": "x" * 600},
}
SENSORS = f"""
[[room.sensor]]
id = "orion-pir"
family = "tasmota"
topic = "tele/orion/SENSOR"
senses = "motion"
options = {{ switch = "Switch1", online = "up", offline = "down" }}

[[room.sensor]]
id = "orion-node"
family = "homeassistant"
topic = "node/orion"
senses = "presence"
options = {{ device = '{json.dumps(DISCOVERY)}' }}
"""


def test_a_family_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """The settings take their names from the registry; a slip of the pen is found at once."""
    with pytest.raises(SettingsError) as error:
        configuration(tmp_path, more=SENSORS.replace('"homeassistant"', '"homeassistent"'))
    (problem,) = error.value.problems
    assert all(f'"{name}"' in problem for name in FAMILIES)
    assert 'did you mean "homeassistant"?' in problem


def test_a_described_sensor_is_configured_and_heard(tmp_path: Path) -> None:
    """From the file to the readings, availability included; a description may be long."""
    settings = configuration(tmp_path, more=SENSORS)
    router = build_router(settings.sensor_sources())
    assert {"tele/orion/SENSOR", "tele/orion/LWT", "node/orion", "node/status"} <= set(router.topics)
    (reading,) = router.decode("tele/orion/SENSOR", b'{"Switch1":"ON"}', retained=False)
    assert reading == Reading("orion-pir", "motion", 1)
    assert router.decode("tele/orion/LWT", b"down", retained=True) == (
        Availability("orion-pir", online=False),
    )
    assert router.decode("node/orion", b"ON", retained=False) == [Reading("orion-node", "presence", 1)]


def test_a_device_that_cannot_sense_people_is_told_with_its_place(tmp_path: Path) -> None:
    """At the start, as any other mistake in the file."""
    with pytest.raises(SettingsError, match=r"sensor\[2\]\.options: the device announces nothing of people"):
        configuration(tmp_path, more=SENSORS.replace("occupancy", "window"))


@pytest.mark.parametrize(
    "name", [*FAMILIES, *ALIASES, "Home Assistant", "People-Counter", "HLK-LD2410", "TTS"]
)
def test_families_are_found_by_the_names_that_people_try(name: str) -> None:
    """Blanks, dashes and capitals make no difference."""
    assert family_named(name).name in FAMILIES


@pytest.mark.parametrize("name", ["", "zigbee3", "x" * 1_000, "\uff50lain"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(OptionError, match=f"there are {', '.join(sorted(FAMILIES))}$"):
        family_named(name)
