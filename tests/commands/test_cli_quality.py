"""`sensors quality`, and what of it `status` and `report` tell."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from past import Past, when
from scripted_day import ScriptedDay
from timeline import PIR, RADAR
from typer.testing import Result

from gateway.core.units import MINUTE_MS
from gateway.ledger import Batch, Ledger
from gateway.reports.history import NOTE

Call = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("day")


def told(result: Result) -> str:
    """What a command that succeeded printed, without line breaks and padding, dashes as "-"."""
    assert result.exit_code == 0, result.stderr
    return " ".join(result.stdout.split()).replace("\N{EN DASH}", "-")


def data(result: Result) -> Any:
    """What a command that succeeded printed as JSON."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def blind(folder: Path, played: tuple[ScriptedDay, Path], day: ScriptedDay) -> ScriptedDay:
    """The ledger also remembers a dozen meetings in which the PIR was silent for 40 minutes."""
    past = Past(*(msgspec.structs.replace(p, heartbeat_ms=5 * MINUTE_MS) for p in (RADAR, PIR)))
    for number in range(-12, 0):
        past.attended(when(number, 0), when(number, 60))
        past.beats(when(number, -20), when(number + 1, -25), 5 * MINUTE_MS)
        past.shown("radar", (when(number, 0), when(number, 60)))
        past.shown("pir", (when(number, 0), when(number, 10)), (when(number, 50), when(number, 60)))
    history = past.history()
    history.seq = history.decision = 0  # the scripted day comes after it
    history.at = 0
    shutil.copy(played[1], folder / "ledger.db")
    ledger = Ledger(folder / "ledger.db")
    ledger.commit(Batch(notes={NOTE: msgspec.json.encode(history).decode()}))
    ledger.close()
    return day


def test_without_enough_history_it_says_so(call: Call) -> None:
    """A day with two attended bookings is no history: no grade, and what is missing for one."""
    words = told(call("sensors", "quality", "orion"))
    assert words.startswith("Orion 2 attended bookings in ")
    assert "check-in ? not enough history: at least 10 attended bookings and 5 h are needed" in words
    assert "radar unknown 2* -" in words
    assert "* by its own word alone: nobody else confirms who is there" in words


def test_a_badly_placed_sensor_is_named_with_figures_and_what_to_do(call: Call, blind: ScriptedDay) -> None:
    """By what the radar saw: the grade, the share that would look empty, the sentence."""
    words = told(call("sensors", "quality", "pir"))
    assert "pir poor 14" in words
    assert "Hang it elsewhere, or add a radar." in words
    assert "Called empty by the hold alone" in words
    assert "30 min" in words
    assert "radar" not in words.partition("Sensor")[2].partition("look")[0]
    assert blind.now


def test_as_json_it_has_every_figure(call: Call, blind: ScriptedDay) -> None:
    """A program reads what people read: figures in ms, sentences with their code, and the instants."""
    assert blind.now
    (room,) = data(call("sensors", "quality", "pir", "--json"))["rooms"]
    pir = next(sensor for sensor in room["sensors"] if sensor["sensor"] == "pir")
    assert (pir["grade"], pir["evidence"], pir["hold_ms"]) == ("poor", "others", 10 * MINUTE_MS)
    assert pir["troubles"][0]["code"] == "badly_placed"
    assert pir["quiet_longest_at"].startswith("2026-09-")
    assert set(room["supports"]) == {"check_in", "no_show", "brief_visit", "early_end"}
    assert {"setting": "heartbeat", "toml": 'heartbeat = "5m"'}.items() <= room["suggestions"][-1].items()


def test_status_shows_the_grade_and_the_sentence_of_each_sensor(call: Call, blind: ScriptedDay) -> None:
    """Where people look first."""
    assert blind.now
    words = told(call("status", "--room", "orion", "--sensors"))
    assert "pir nothing 18:05 poor -" in words
    assert "look pir would have called the room empty" in words
    (room,) = data(call("status", "--room", "orion", "--sensors", "--json"))["rooms"]
    quality = {sensor["sensor"]: sensor["quality"]["trust"] for sensor in room["sensors"]}
    assert quality["pir"] == "poor"
    assert room["unsupported"] == []


def test_an_unknown_name_is_told_with_those_that_there_are(call: Call) -> None:
    """What, and what would do."""
    result = call("sensors", "quality", "nowhere")
    assert result.exit_code == 1
    assert "there is no room or sensor 'nowhere'; the rooms are: lyra, orion." in result.stderr


def test_a_report_names_what_a_policy_asks_for_in_vain(call: Call, folder: Path, blind: ScriptedDay) -> None:
    """Early end is on, and a PIR that is silent for 40 minutes does not support it."""
    assert blind.now
    file = folder / "gateway.toml"
    file.write_text(file.read_text() + "\n[policy.default]\nend_early = true\n")
    words = told(call("report", "--since", "2026-09-21", "--until", "2026-09-22"))
    assert "What the sensors' own history does not support" not in words  # nothing was gathered yet
    ledger = Ledger(folder / "ledger.db")
    past = Past(*(msgspec.structs.replace(p, heartbeat_ms=5 * MINUTE_MS) for p in (RADAR, PIR)))
    past.attended(when(-1, 0), when(-1, 60))
    ledger.commit(Batch(notes={NOTE: msgspec.json.encode(past.history()).decode()}))
    ledger.close()
    words = told(call("report", "--since", "2026-09-21", "--until", "2026-09-22"))
    assert "What the sensors' own history does not support" in words
    assert "Orion early end is on, and its sensors' history does not support it: not enough history" in words
    data_ = data(call("report", "--since", "2026-09-21", "--until", "2026-09-22", "--json"))
    assert list(data_["unsupported"]) == ["orion"]
