"""Home Assistant's discovery: what an announcement means, and templates that are read and never run."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import Availability
from gateway.sensors import OptionError, PayloadError, SensorSource, build_router
from gateway.sensors.homeassistant import HomeAssistant
from gateway.sensors.templates import Template

FAMILY = HomeAssistant()


def read(config: Mapping[str, Any], payload: str, topic: str = "orion") -> list[tuple[str, int]]:
    """Kind and value of what a state says."""
    return [(seen.kind, seen.value) for seen in FAMILY.reader(config)(topic, payload.encode()).seen]


BASE: Mapping[str, Any] = {"stat_t": "orion", "dev_cla": "occupancy"}


@pytest.mark.parametrize(
    ("config", "payload", "expected"),
    [
        (BASE, "ON", [("presence", 1)]),
        (BASE, "OFF", [("presence", 0)]),
        ({**BASE, "dev_cla": "motion", "pl_on": "1", "pl_off": "0"}, "0", [("motion", 0)]),
        (
            {**BASE, "pl_on": True, "pl_off": False, "val_tpl": "{{ value_json.x }}"},
            '{"x": true}',
            [("presence", 1)],
        ),
        ({**BASE, "stat_t": "~/state", "~": "orion"}, "ON", []),
        ({**BASE, "dev": {"mdl": "PIR 3"}}, "OFF", [("motion", 0)]),
        ({**BASE, "off_dly": 5}, "OFF", []),
        ({**BASE, "off_dly": 5}, "ON", [("presence", 1)]),
        ({"stat_t": "orion", "name": "People", "unit_of_meas": "people"}, "3", [("count", 3)]),
        ({"stat_t": "orion", "dev_cla": "battery", "unit_of_meas": "%"}, "87", [("battery", 87)]),
        ({"stat_t": "orion", "dev_cla": "problem"}, "ON", [("fault", 1)]),
        ({"stat_t": "orion", "name": "Room presence"}, "ON", [("presence", 1)]),
    ],
)
def test_states_are_read_by_the_announcement(
    config: Mapping[str, Any], payload: str, expected: list[tuple[str, int]]
) -> None:
    """Abbreviated or full, with words, booleans or numbers."""
    try:
        assert read(config, payload) == expected
    except PayloadError:
        assert expected == []


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"dev_cla": "moving"}, "itself moves"),
        ({"dev_cla": "presence", "name": "Phone"}, "something else"),
        ({"dev_cla": "presence", "name": "Anna"}, "at home"),
        ({"dev_cla": "motion", "name": "Curtain motion"}, "something else"),
        ({"dev_cla": "occupancy", "dev": {"mdl": "Wall thermostat (T1)"}}, "mode"),
        ({"dev_cla": "occupancy", "dev": {"mdl": "Arrival sensor"}}, "tag"),
        ({"dev_cla": "occupancy", "name": "Still", "obj_id": "still"}, "still"),
        ({"dev_cla": "occupancy", "name": "Zone 1 occupancy"}, "part"),
        ({"dev_cla": "window"}, "not about people"),
        ({"dev_cla": ["motion"]}, "no text"),
        ({"name": "Test"}, "does not say"),
        ({"cmd_t": "x/set", "dev_cla": "motion"}, "a setting"),
        ({"name": "People in", "unit_of_meas": "people"}, "passed"),
        ({"name": "People", "unit_of_meas": "people", "stat_cla": "total_increasing"}, "only rises"),
        ({"name": "Distance", "unit_of_meas": "cm"}, "neither"),
        ({"dev_cla": "motion", "val_tpl": "{{ states('x') }}"}, "not understood"),
        ({"dev_cla": "motion", "pl_on": "x", "pl_off": "x"}, "the same"),
    ],
)
def test_what_is_not_surely_about_people_is_not_taken(config: Mapping[str, Any], why: str) -> None:
    """Each with its reason, and no state of it is ever a reading."""
    full = {"stat_t": "orion", **config}
    assert why in " ".join(FAMILY.describe(full).not_taken.values())
    assert read(full, "ON") == []


def test_a_device_that_announces_several_entities_at_once_is_understood_by_topic() -> None:
    """The newer form: one message with all components of a device."""
    config = {
        "dev": {"name": "Radar", "mdl": "LD2410"},
        "cmps": {
            "p": {"p": "binary_sensor", "dev_cla": "occupancy", "stat_t": "n/presence"},
            "m": {"p": "binary_sensor", "dev_cla": "motion", "stat_t": "n/motion"},
            "d": {"p": "sensor", "unit_of_meas": "cm", "stat_t": "n/distance"},
        },
    }
    assert read(config, "ON", "n/presence") == [("presence", 1)]
    assert read(config, "OFF", "n/motion") == [("motion", 0)]
    assert read(config, "ON", "n/distance") == []


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("all", [True, False, False]), ("any", [True, True, False]), ("latest", [True, False, False])],
)
def test_several_availability_topics_count_as_the_mode_says(mode: str, expected: list[bool]) -> None:
    """Of bridge and device both, one of them, or whoever spoke last."""
    config = {
        **BASE,
        "avty": [
            {"t": "bridge", "val_tpl": "{{ value_json.state }}"},
            {"t": "device", "pl_avail": "up", "pl_not_avail": "down"},
        ],
        "avty_mode": mode,
    }
    router = build_router(
        [
            SensorSource(
                "orion-1", "homeassistant", "orion", "presence", options={"device": json.dumps(config)}
            )
        ]
    )
    said = []
    for topic, payload in (
        ("bridge", b'{"state":"online"}'),
        ("device", b"down"),
        ("bridge", b'{"state":"offline"}'),
    ):
        (one,) = router.decode(topic, payload, retained=True)
        assert isinstance(one, Availability)
        said.append(one.online)
    assert said == expected


# -- templates ---------------------------------------------------------------------------------------------

MESSAGE = (
    b'{"a": {"b": [1, 2.5]}, "on": true, "off": false, "word": " Occupied ", "n": "7",'
    b' "none": null, "x y": 3}'
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ value_json.on }}", "True"),
        ("{{ value_json['x y'] }}", "3"),
        ("{{ value_json.a.b[1] }}", "2.5"),
        ("{{ value_json.word | trim | lower }}", "occupied"),
        ("{{ value_json.n | int + 1 }}", None),
        ("{{ value_json.n | int > 6 }}", "True"),
        ("{{ 'ON' if value_json.on else 'OFF' }}", "ON"),
        ("{{ 'ON' if value_json.n|int(0) > 9 and value_json.on else 'OFF' }}", "OFF"),
        ("{% if value_json.off %}a{% elif value_json.n == '7' %}b{% else %}c{% endif %}", "b"),
        ("{%- if not value_json.off -%} ON {%- endif -%}", "ON"),
        ("{{ value_json.on is defined }}", "True"),
        ("{{ value_json.n in ['6', '7'] }}", "True"),
        ("{{ value_json.a.c | default('none there') }}", "none there"),
        ("{{ value_json.missing }}", ""),
        ("{{ 'ON' if value_json.missing else 'OFF' }}", ""),
        ("{{ value_json.missing | int(0) }}", ""),
        ("{{ value_json.none }}", ""),
        ("{{ value }}!", MESSAGE.decode() + "!"),
        ("{# note #}{{ value_json.n }}", "7"),
        ("{{ value_json.a.b }}", "[1, 2.5]"),
        ("{{ value_json.on | tojson }}", "true"),
        ("{{ value_json.get('on') }}", "True"),
        ("{{ value_json.a.get('c', 'OFF') }}", ""),
        ("{{ iif(value_json.on, 'ON', 'OFF') }}", "ON"),
        ("{{ value_json.off | iif('ON', 'OFF') }}", "OFF"),
        ("{{ value_json.none is none }}", ""),
        ("{{ value_json.on is sameas true }}", "True"),
        ("{{ {'6': 'OFF', '7': 'ON'}[value_json.n] }}", "ON"),
        ("{{ {'6': 'OFF', '7': 'ON'}.get(value_json.n) }}", "ON"),
        ("{% set on = value_json.on %}{{ 'ON' if on else 'OFF' }}", "ON"),
        ("{{ value_json.word.strip().upper() }}", "OCCUPIED"),
        ("{{ value_json.word | replace('Occupied', 'ON') | trim }}", "ON"),
        ("{{ value.split(',')[0] }}", '{"a": {"b": [1'),
        ("{{ 'ON' if value_json.word.startswith(' Occ') else 'OFF' }}", "ON"),
        ("{{ value_json.a.b[1] | round(0) }}", "2.0"),
        ("{{ (value | from_json).n }}", "7"),
    ],
)
def test_the_common_templates_are_understood(template: str, text: str | None) -> None:
    """As Home Assistant renders them, but for a message that has nothing of it: that is no "off"."""
    if text is None:
        with pytest.raises(OptionError):
            Template(template)
    elif template == "{{ value_json.a.c | default('none there') }}":
        assert Template(template).render(MESSAGE, "") == ""  # made up by the template, not said by the device
    else:
        assert Template(template).render(MESSAGE, MESSAGE.decode()) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ value_json.__class__() }}",
        "{{ range(9) }}",
        "{{ value_json.a.append(1) }}",
        "{{ value | regex_replace('a') }}",
        "{{ states('x') }}",
        "{{ 'x' * 10 ** 9 }}",
        "{% for x in value %}{% endfor %}",
        "{% set value = 1 %}",
        "{{ {'a': 1 }}",
        "{{ value.format(1) }}",
        "{{ value.split(1, 2) }}",
        "{{ value",
        "{% if value %}",
        "{% endif %}",
        "{{ }}",
        "{{ " + "(" * 100 + "1" + ")" * 100 + " }}",
        "{% if value %}" * 60 + "{% endif %}" * 60,
        "{{ value }}" + " " * 3_000,
    ],
)
def test_other_templates_are_refused_when_they_are_read(template: str) -> None:
    """Nothing is called, nothing is set, nothing loops: whatever is not known is refused with the place."""
    with pytest.raises(OptionError, match="template"):
        Template(template)


@given(
    st.text(alphabet="{}%() .|[]'\"value_json.if else and or not in 0123=<>-,", max_size=60),
    st.binary(max_size=30),
)
def test_no_template_and_no_message_breaks_the_parser(template: str, payload: bytes) -> None:
    """Any text is a template or is refused; any message renders or is refused."""
    try:
        understood = Template(template)
    except OptionError:
        return
    with contextlib.suppress(PayloadError):
        assert isinstance(understood.render(payload, payload.decode(errors="replace")), str)
