"""Sensors are put into rooms, moved, renamed and ignored in the file, and nothing else in it changes."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.policy import Role
from gateway.rooms.edit import EditError
from gateway.rooms.sensors import Editing, added, ignoring, moved, renamed
from gateway.settings import SensorSettings

TEXT = """\
# Our office.
[site]
name = "Contoso"
time_zone = "UTC"

[mqtt]
host = "broker.contoso.com"

[exchange]
tenant_id = "contoso.onmicrosoft.com"
client_id = "gateway"
client_secret_file = "graph-secret"

[[room]]
id = "orion"
mailbox = "orion@contoso.com"

# Above the screen; battery changed in spring.
[[room.sensor]]
id = "orion-radar"   # the new one
family = "json"
topic = "office/orion/radar"
senses = "presence"
[room.sensor.options]
path = "a"   # where it is

[[room.sensor]]
id = 'orion-pir'
family = "plain"
topic = "office/orion/pir"
senses = "motion"
role = "door"  # by the door

# The small one.
[[room]]
id = "lyra"
mailbox = "lyra@contoso.com"

[policy.default]
grace = "20m"   # agreed"""

NEW = SensorSettings(
    id="lyra-pir", family="plain", topic='office/"lyra"/pir', senses="motion", options={"on": "x"}
)
HERE = Editing(environ={})


def rooms(text: str) -> dict[str, list[str]]:
    """Ids of the sensors by room."""
    return {room["id"]: [s["id"] for s in room.get("sensor", [])] for room in tomllib.loads(text)["room"]}


def sensor(text: str, name: str) -> dict[str, Any]:
    """A sensor's table."""
    tables = [s for room in tomllib.loads(text)["room"] for s in room.get("sensor", [])]
    return next(table for table in tables if table["id"] == name)


def comments(text: str) -> list[str]:
    """The comments."""
    return sorted(line[line.index("#") :] for line in text.replace("\r", "").split("\n") if "#" in line)


def test_a_new_sensor_stands_at_the_end_of_its_room() -> None:
    """Also in a room that has none yet, and with a topic that needs quoting."""
    text = added(TEXT, "lyra", NEW, HERE)
    assert rooms(text) == {"orion": ["orion-radar", "orion-pir"], "lyra": ["lyra-pir"]}
    assert sensor(text, "lyra-pir")["topic"] == 'office/"lyra"/pir'
    assert text.startswith(TEXT[: TEXT.index("[policy")].rstrip())
    assert comments(text) == comments(TEXT)


def test_a_moved_sensor_takes_its_comments_and_options_along() -> None:
    """What stood right above it belongs to it; what stands above the next room stays there."""
    text = moved(TEXT, "orion-radar", "lyra", "seat", HERE)
    assert rooms(text) == {"orion": ["orion-pir"], "lyra": ["orion-radar"]}
    assert sensor(text, "orion-radar") == sensor(TEXT, "orion-radar") | {"role": "seat"}
    assert text.index("# Above the screen") > text.index('id = "lyra"')
    assert text.index("# The small one.") < text.index('id = "lyra"')
    assert comments(text) == comments(TEXT)
    back = moved(text, "orion-radar", "orion", None, HERE)
    assert rooms(back) == {"orion": ["orion-pir", "orion-radar"], "lyra": []}


def test_a_role_is_changed_where_it_stands() -> None:
    """The comment beside it stays; a sensor in its own room with its own role changes nothing."""
    text = moved(TEXT, "orion-pir", "orion", "room", HERE)
    assert 'role = "room"  # by the door' in text
    assert moved(TEXT, "orion-radar", "orion", "room", HERE) == TEXT


def test_a_renamed_sensor_keeps_everything_else() -> None:
    """Whichever quotes its id is in."""
    text = renamed(TEXT, "orion-pir", "door-pir", HERE)
    assert text == TEXT.replace("'orion-pir'", '"door-pir"')
    text = renamed(TEXT, "orion-radar", "r2", HERE)
    assert text == TEXT.replace('"orion-radar"', '"r2"')


def test_ignored_topics_go_into_a_table_of_their_own() -> None:
    """Made where there is none, added to where there is one, with its comments."""
    one = ignoring(TEXT, ["a/b"], HERE)
    assert tomllib.loads(one)["discovery"] == {"ignore": ["a/b"]}
    listed = TEXT + '\n[discovery]\nlisten = "always"  # for now\nignore = [\n  "a/b",  # a lamp\n  "c",\n]\n'
    two = ignoring(listed, ["a/b", "d"], HERE)
    assert tomllib.loads(two)["discovery"]["ignore"] == ["a/b", "d"]
    assert "# a lamp" in two
    bare = TEXT + '\n[discovery]\nlisten = "off"\n'
    assert tomllib.loads(ignoring(bare, ["a"], HERE))["discovery"] == {"listen": "off", "ignore": ["a"]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: renamed(text, "orion-pir", "orion-radar", HERE), "each needs its own"),
        (lambda text: renamed(text, "orion-pir", "Orion PIR", HERE), "a short name"),
        (lambda text: renamed(text, "nobody", "x", HERE), "no room has a sensor 'nobody'"),
        (lambda text: moved(text, "orion-pir", "vega", None, HERE), "there is no room 'vega'"),
        (
            lambda text: added(text, "lyra", NEW.model_copy(update={"topic": "office/orion/pir"}), HERE),
            "reads already",
        ),
    ],
)
def test_what_would_be_no_sound_configuration_is_refused(change: Any, told: str) -> None:
    """The real loader has the last word."""
    with pytest.raises(EditError, match=told):
        change(TEXT)


def test_what_is_written_in_another_way_is_left_alone() -> None:
    """Rooms in one line cannot be edited line by line; that is said, and nothing is written."""
    text = TEXT[: TEXT.index("[[room]]")] + '[["room"]]\nid = "orion"\nmailbox = "orion@contoso.com"\n'
    with pytest.raises(EditError, match="not written as a"):
        added(text, "orion", NEW, HERE)


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["orion-radar", "orion-pir"]),
            st.sampled_from(["orion", "lyra"]),
            st.sampled_from(["room", "door", "seat", None]),
        ),
        max_size=4,
    ),
    carriage=st.booleans(),
)
def test_no_move_ever_loses_a_comment_or_a_setting(
    steps: list[tuple[str, str, Role | None]], carriage: bool
) -> None:
    """Whatever is moved wherever, in either form of line ends: all comments and all settings are there."""
    text = TEXT.replace("\n", "\r\n") if carriage else TEXT
    before = {name: sensor(text, name) for name in ("orion-radar", "orion-pir")}
    for name, room, role in steps:
        text = moved(text, name, room, role, HERE)
        assert name in rooms(text)[room]
        before[name] = before[name] | ({"role": role} if role else {})
        found = sensor(text, name)
        assert {"role": "room", **found} == {"role": "room", **before[name]}
    assert comments(text) == comments(TEXT)
    assert ("\r\n" in text) is carriage
    assert text.count("\r\n") == (text.count("\n") if carriage else 0)
