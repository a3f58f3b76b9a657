"""Whatever a room, a topic or a word is called, it arrives as that name, and as nothing else."""

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.firmware.esphome import MAX_NODE_NAME, node_name
from gateway.firmware.kinds import KINDS, make
from gateway.firmware.plan import Broker, Unfit, section
from gateway.firmware.quoting import commented, fill, one_line, quoted
from gateway.settings import SensorSettings

AWKWARD = [
    'Orion "A"',
    "Größe/2",
    "+/#",
    "a\nrule: injected",
    "a\u2028b\u2029c\u0085d",
    "*/ alert(1) /*",
    "</script>",
    "- !secret wifi_password",
    "%var1%; Restart 1",
    " ENDON ON System#Boot DO Reset 1",
    "\\",
    "'",
    '"',
    "${wifi}",
    "<<topic>>",
    "# no comment",
    "null",
    "\x00\x1b[31m",
    "😀 room",
    "\ufeff\ufffe",
]
names = st.one_of(
    st.sampled_from(AWKWARD), st.text(max_size=200), st.lists(st.sampled_from(AWKWARD)).map("".join)
)
topics = names.map(lambda name: re.sub(r"[+#\0]", "", name).strip()).filter(bool)
COMMENTS = {"#", "//"}


def configured(kind: str, topic: str) -> SensorSettings:
    """A sensor that fits the kind and publishes there."""
    values = dict(KINDS[kind].defaults("orion", "orion-x")) | {"id": "orion-x", "topic": topic}
    return SensorSettings.model_validate(values)


def yaml_scalars(text: str, key: str) -> list[str]:
    """What a YAML parser reads behind this key: all of ours are double-quoted."""
    found = re.findall(rf'^\s*(?:- )?{key}: (".*")$', text, re.MULTILINE)
    return [read_quoted(one) for one in found]


def read_quoted(scalar: str) -> str:
    """A double-quoted scalar, read by TOML's parser: the escapes that we write mean the same in YAML."""
    value: str = tomllib.loads(f"x = {scalar}")["x"]
    return value


@given(names)
def test_a_quoted_text_is_one_line_and_reads_back_as_it_was(name: str) -> None:
    """In YAML and TOML alike."""
    scalar = quoted(name)
    assert len(scalar.splitlines()) == 1
    assert read_quoted(scalar) == name


@given(names)
def test_yaml_itself_reads_the_name_back(name: str) -> None:
    """With a real parser, where one is installed."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    assert yaml.safe_load(f"name: {quoted(name)}\nother: 1\n") == {"name": name, "other": 1}


@given(names)
def test_a_comment_stays_one(name: str) -> None:
    """Every line begins with the mark, whatever any of the languages takes for the end of a line."""
    for line in commented(one_line(name), "//").splitlines():
        assert line.startswith("//")


def test_what_is_filled_in_is_not_filled_again() -> None:
    """A room called like a marker of the template stays what it is called."""
    assert fill("<<a>>-<<b>>", {"a": "<<b>>", "b": "2"}) == "<<b>>-2"


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(name=names)
@example(name="\n\nmqtt:\n  broker: evil")
def test_a_room_name_adds_no_line_and_no_statement(kind: str, name: str) -> None:
    """Apart from comments and the places where the name belongs, the text is that of any other room."""
    made = make(KINDS[kind], "orion", name, "orion-x", None, Broker())
    plain = make(KINDS[kind], "orion", "Plain", "orion-x", None, Broker())
    mark = KINDS[kind].comment

    def shape(text: str) -> list[str]:
        own = re.compile(r"^(\s*(?:comment|description): |DeviceName ).*$")
        code = [line for line in text.splitlines() if not line.startswith(mark)]
        return [own.sub(r"\1", line) for line in code]

    assert shape(made.text) == shape(plain.text)


@given(name=names)
def test_zigbee2mqtt_has_the_exact_name(name: str) -> None:
    """As the device's description."""
    made = make(KINDS["zigbee2mqtt"], "orion", name, "orion-x", None, Broker())
    assert yaml_scalars(made.text, "description") == [name]


@given(name=names)
def test_esphome_has_the_exact_name_or_says_that_it_cannot(name: str) -> None:
    """A $ would be a substitution, and more than 255 bytes are refused: then the id stands there."""
    made = make(KINDS["esphome-pir"], "orion", name, "orion-x", None, Broker())
    writable = "$" not in name and len(name.encode()) <= 255
    assert yaml_scalars(made.text, "comment") == [name if writable else "orion"]
    assert any("cannot hold its name" in note for note in made.notes) is not writable


@given(name=names)
def test_shelly_has_the_exact_name(name: str) -> None:
    """In the call that names the device, which stays one line of JSON."""
    made = make(KINDS["shelly"], "orion", name, "orion-x", None, Broker())
    (call,) = re.findall(r"^// Sys\.SetConfig (.*)$", made.text, re.MULTILINE)
    assert json.loads(call)["config"]["device"]["name"] == name


@pytest.mark.parametrize("character", [*" \t\n%;\"'\\{}|$", "\u2028", "\x1b"])
def test_each_character_that_means_something_in_a_rule_is_refused(character: str) -> None:
    """One by one, so that none is refused only for another's sake."""
    assert attempt("tasmota-pir", f"a{character}b")[1]


def attempt(kind: str, topic: str) -> tuple[str, str]:
    """The text that is made for this topic, or why it is refused: one of the two is empty."""
    try:
        return make(KINDS[kind], "orion", "Orion", "orion-x", configured(kind, topic), Broker()).text, ""
    except Unfit as error:
        return "", str(error)


@given(topic=topics)
def test_esphome_publishes_on_exactly_that_topic(topic: str) -> None:
    """But for one that it would take for a substitution, which is refused with what to do."""
    text, refusal = attempt("esphome-pir", topic)
    if "$" in topic:
        assert "choose another one" in refusal
    else:
        assert yaml_scalars(text, "topic")[-1] == topic


@given(topic=topics)
def test_shelly_publishes_on_exactly_that_topic(topic: str) -> None:
    """A string of JavaScript holds any."""
    text, _ = attempt("shelly", topic)
    (literal,) = re.findall(r"^var TOPIC = (.*);$", text, re.MULTILINE)
    assert json.loads(literal) == topic


@given(name=topics)
def test_zigbee2mqtt_has_exactly_that_device(name: str) -> None:
    """But for a name that it would not take itself."""
    text, refusal = attempt("zigbee2mqtt", f"zigbee2mqtt/{name}")
    if refusal:
        assert name.endswith("/") or re.search(r"/(\d+|left|right|center|top|bottom|both)$", name)
    else:
        assert yaml_scalars(text, "friendly_name") == [name]


@given(topic=topics)
def test_no_topic_breaks_out_of_a_rule(topic: str) -> None:
    """A rule of Tasmota has no quotes: what could end the topic or begin a command is refused."""
    text, refusal = attempt("tasmota-pir", topic)
    if refusal:
        assert "choose another one" in refusal
        return
    assert not re.search(r"[\s%;\"'\\{}|]", topic)
    usual, _ = attempt("tasmota-pir", "TOPIC")

    def code(lines: str) -> list[str]:
        return [line for line in lines.splitlines() if not line.startswith("#")]

    assert code(text) == code(usual.replace("Publish TOPIC ", f"Publish {topic} "))


@given(name=names)
def test_the_name_on_a_tasmota_is_one_short_line(name: str) -> None:
    """It has no quotes either; a lone quote would reset the name, so then the id stands there."""
    made = make(KINDS["tasmota-pir"], "orion", name, "orion-x", None, Broker())
    (told,) = re.findall(r"^DeviceName (.*)$", made.text, re.MULTILINE)
    assert 1 <= len(told) <= 32
    assert told == told.strip()
    assert set(told) != {'"'}


@given(topic=topics, option=names.filter(bool))
def test_the_section_reads_back_as_it_was(topic: str, option: str) -> None:
    """Topics, bridges and options of any text."""
    sensor = SensorSettings(
        id="orion-x",
        family="json",
        topic=topic,
        senses="motion",
        bridge=option[:200],
        unit=option[:200],
        options={"path": option[:500] or "x"},
    )
    (table,) = tomllib.loads(f"[[room]]\n{section(sensor)}")["room"][0]["sensor"]
    assert SensorSettings.model_validate(table) == sensor


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True))
def test_every_sensor_has_a_host_name(sensor: str) -> None:
    """Short enough, without underscores, and no two sensors of one site have the same."""
    name = node_name(sensor)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= MAX_NODE_NAME
    assert (name == sensor) is (node_name(name) == name and name == sensor)


def test_host_names_of_like_sensors_differ() -> None:
    """An underscore becomes a hyphen, and a long id is cut: a number tells them apart."""
    ids = ["a_b", "a-b", "a_b-", "x" * 40, "x" * 41]
    assert len({node_name(one) for one in ids}) == len(ids)


@pytest.mark.parametrize("bad", ["$x", "a$b", "${x}"])
def test_esphome_refuses_a_substitution_in_a_topic(bad: str) -> None:
    """It would be expanded to something else, or fail on the device's side."""
    with pytest.raises(Unfit, match="substitution"):
        make(KINDS["esphome-pir"], "orion", "Orion", "orion-x", configured("esphome-pir", bad), Broker())


@pytest.mark.parametrize(
    "bad", ["zigbee2mqtt/room/", "zigbee2mqtt/room/4", "zigbee2mqtt/room/left", "zigbee2mqtt//"]
)
def test_zigbee2mqtt_refuses_names_that_it_would_refuse_itself(bad: str) -> None:
    """A slash, a number or an endpoint at the end."""
    sensor: Any = configured("zigbee2mqtt", bad)
    with pytest.raises(Unfit):
        make(KINDS["zigbee2mqtt"], "orion", "Orion", "orion-x", sensor, Broker())
