"""`sensors decode`: what is told of one message, and of a stream of them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.commands import app
from gateway.sensors import FAMILIES
from gateway.sensors.batch import MAX_LINE_BYTES, answer

ROOT = Path(__file__).parents[2]
REPORT = "F4 F3 F2 F1 0D 00 02 AA 02 51 00 00 00 00 3B 00 00 55 00 F8 F7 F6 F5"


def ask(**line: Any) -> dict[str, Any]:
    """The answer to one line."""
    found: dict[str, Any] = json.loads(answer(json.dumps(line).encode()))
    return found


def decode(*arguments: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(app, ["sensors", "decode", *arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


# -- one message -------------------------------------------------------------------------------------------


def test_a_message_is_told_in_words() -> None:
    """Kind, value, property, and what that means for the room."""
    told = decode("-f", "zigbee2mqtt", "-p", '{"occupancy": false, "battery": 80}')
    assert "motion 0  (occupancy): nobody moves; people who sit still may be there" in told
    assert "battery 80  (battery): 80 percent left" in told
    assert "does not prove that the device lives" in told


def test_what_is_not_understood_has_its_reason() -> None:
    """A refusal is an answer, and no error."""
    told = decode("-f", "lorawan", "-p", '{"occupied": true}')
    assert told.startswith("not understood: occupied is True: parking bays and bins are occupied too")


def test_a_description_makes_more_understood(tmp_path: Path) -> None:
    """With the device's own description, and what of it counts and what does not."""
    device = tmp_path / "device.json"
    exposes = [
        {
            "type": "enum",
            "name": "presence_state",
            "property": "presence_state",
            "access": 1,
            "values": ["none", "presence"],
        },
        {"type": "numeric", "name": "presence_timeout", "property": "presence_timeout", "access": 3},
    ]
    device.write_text(json.dumps({"vendor": "Contoso", "model": "R1", "exposes": exposes}))
    told = decode("-f", "z2m", "-d", str(device), "-p", '{"presence_state": "none"}')
    assert "presence 0  (presence_state): nobody is there" in told
    assert "presence_timeout is not taken: it is a setting" in told


def test_serial_payloads_are_hexadecimal_and_json_is_for_programs() -> None:
    """As they are copied from a log; `--json` has the form of a batch's answers."""
    told = json.loads(decode("-f", "LD2410", "-p", REPORT, "--json"))
    assert told == {"readings": [{"kind": "presence", "value": 1, "property": "state"}]}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "--family is missing"),
        (["-f", "zigby"], 2, "there is no family 'zigby'; there are disruptive, enocean"),
        (["-f", "plain"], 2, "--payload is missing"),
        (["-f", "plain", "--batch", "-"], 2, "from its lines"),
        (["-f", "plain", "-p", "1", "-d", "nowhere.json"], 1, "nowhere.json: cannot be read"),
        (["--batch", "nowhere.jsonl"], 1, "nowhere.jsonl: cannot be read"),
    ],
)
def test_wrong_usage_says_how_it_is_right(arguments: list[str], code: int, says: str) -> None:
    """One sentence, and the exit code of all commands."""
    result = CliRunner().invoke(app, ["sensors", "decode", *arguments])
    assert result.exit_code == code
    assert says in result.stderr


@pytest.mark.parametrize("text", ["{", "3", "\xff"])
def test_a_description_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    """The file, and what is wrong with it."""
    device = tmp_path / "device.json"
    device.write_text(text, encoding="latin-1")
    result = CliRunner().invoke(app, ["sensors", "decode", "-f", "plain", "-p", "1", "-d", str(device)])
    assert result.exit_code == 1
    assert "device.json" in result.stderr


# -- many messages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "readings"),
    [
        ({"family": "zigbee2mqtt", "payload": {"occupancy": True}}, [("motion", 1, "occupancy")]),
        (
            {"family": "zigbee2mqtt", "payload": '{"presence": false}', "topic": None},
            [("presence", 0, "presence")],
        ),
        (
            {"family": "Z2M", "topic": "zigbee2mqtt/orion", "payload": {"presence": True}},
            [("presence", 1, "presence")],
        ),
        ({"family": "people-counter", "payload": {"current_total": 4}}, [("count", 4, "current_total")]),
        ({"family": "ld2410", "payload": REPORT}, [("presence", 1, "state")]),
        ({"family": "plain", "topic": "orion/motion", "payload": 1}, [("motion", 1, "motion")]),
        ({"family": "plain", "payload": "ON", "device": {"senses": "presence"}}, [("presence", 1, "value")]),
        (
            {"family": "json", "payload": {"a": [{"b": 3}]}, "device": {"senses": "count", "path": "a[0].b"}},
            [("count", 3, "a[0].b")],
        ),
        (
            {"family": "tts", "payload": {"pir": "trigger"}, "device": {"vendor": "milesight-iot"}},
            [("motion", 1, "pir")],
        ),
        (
            {
                "family": "enocean",
                "payload": "55000A0701EBA59B00FF08051A2B3C0001FFFFFFFF2D00CA",
                "device": "A5-07-01",
            },
            [("motion", 1, "PIR"), ("link", -45, "dBm")],
        ),
    ],
)
def test_a_line_is_answered_by_readings(line: dict[str, Any], readings: list[tuple[str, int, str]]) -> None:
    """Values are whole numbers; what was understood is named."""
    found = ask(**line)
    assert [(one["kind"], one["value"], one["property"]) for one in found["readings"]] == readings
    assert all(type(one["value"]) is int for one in found["readings"])
    assert "refused" not in found


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "no JSON object"),
        (b"nonsense", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"{}", "family must be one of"),
        (b'{"family": 3, "payload": "x"}', "family must be one of"),
        (b'{"family": "x", "payload": "x"}', "there is no family 'x'"),
        (b'{"family": "plain"}', "no payload"),
        (b'{"family": "plain", "payload": null}', "payload is null"),
        (b'{"family": "plain", "payload": "1", "topic": 4}', "topic must be a text"),
        (b'{"family": "plain", "payload": "1", "device": 4}', "device must be a JSON object"),
        (b'{"family": "enocean", "payload": {"a": 1}}', "hexadecimal"),
        (b'{"family": "plain", "topic": "a/motion", "payload": "1", "retained": true}', "unknown age"),
        (b'{"family": "plain", "payload": "' + b"1" * 70_000 + b'"}', "at most 65536 bytes"),
        (b'{"family": "plain", "payload": "' + b"1" * MAX_LINE_BYTES + b'"}', "the line has over"),
        (b'{"family": "zigbee2mqtt", "topic": "z/o/availability", "payload": "online"}', "device is online"),
        (b'{"family": "plain", "topic": "a/motion", "payload": "perhaps"}', "expected a word"),
        (b'{"family": "plain", "payload": "\\ud800"}', "no JSON object"),
    ],
)
def test_a_line_that_cannot_be_answered_otherwise_is_refused_with_the_reason(line: bytes, why: str) -> None:
    """And never by an error."""
    found = json.loads(answer(line))
    assert found["readings"] == []
    assert why in found["refused"]


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["family", "payload", "device", "topic"]),
        st.sampled_from([*FAMILIES, None, 3, "{}", [], {}, {"exposes": [3]}, "ff"]),
    ).map(lambda line: json.dumps(line).encode())
)
def test_no_line_stops_the_stream(line: bytes) -> None:
    """Whatever comes, one JSON object goes out, on one line."""
    found = answer(line)
    assert b"\n" not in found
    assert isinstance(json.loads(found)["readings"], list)


def test_a_stream_is_answered_line_by_line_and_survives_bad_ones() -> None:
    """Each answer comes before the next question: whoever asks may wait for it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "sensors", "decode", "--batch", "-", "--json"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for line, expected in (
            (b'{"family": "z2m", "payload": {"occupancy": true}}\n', b'"motion"'),
            (b"rubbish \xff\n", b"refused"),
            (b"x" * (MAX_LINE_BYTES + 10) + b"\n", b"refused"),
            (b'{"family": "z2m", "payload": {"presence": true}}\n', b'"presence"'),
        ):
            process.stdin.write(line)
            process.stdin.flush()
            assert expected in process.stdout.readline()
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(20) == 0


def test_a_file_of_lines_is_answered_in_order(tmp_path: Path) -> None:
    """The last line may end without a line end; blank lines are none."""
    file = tmp_path / "lines.jsonl"
    file.write_text('{"family": "z2m", "payload": {"occupancy": true}}\n\n{"family": "z2m", "payload": {}}')
    result = CliRunner().invoke(app, ["sensors", "decode", "--batch", str(file), "--json"])
    assert result.exit_code == 0
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [len(one["readings"]) for one in answers] == [1, 0]
