"""`status` and `report` show what is wrong, with and without a running gateway."""

import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scripted_day import ScriptedDay
from typer.testing import Result

from gateway.alerts import ALERTS_NOTE, KINDS, Alerts, Kind, Timing, Trouble
from gateway.core.units import HOUR_MS
from gateway.shown.status import paint_status

Call = Callable[..., Result]
LOST = "A series in Orion has lost 1 date to another booking: Tue 06 Oct 09:00 to 10:00 (free then: Lyra)."


@pytest.fixture
def told(folder: Path, day: ScriptedDay) -> None:
    """The ledger remembers what people were told of: four troubles of three kinds."""
    alerts = Alerts(Timing(after_ms=dict.fromkeys(KINDS, 0), gather_ms=0))
    since = day.now - HOUR_MS
    rooms: list[tuple[Kind, str, str, str]] = [
        ("series_lost_dates", "orion/5d41402a", "orion", LOST),
        ("link_down", "site", "", "The broker cannot be heard."),
        ("overlapping_bookings", "orion", "orion", "Orion has two bookings at the same time."),
        ("overlapping_bookings", "lyra", "lyra", "Lyra has two bookings at the same time."),
    ]
    troubles = [Trouble(kind, subject, sentence, room=room) for kind, subject, room, sentence in rooms]
    alerts.set("test", troubles, since)
    alerts.due(since)
    with sqlite3.connect(folder / "ledger.db") as ledger:
        ledger.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (ALERTS_NOTE, alerts.remember()))
    ledger.close()


def one_line(text: str) -> str:
    """Without the breaks that a narrow screen makes."""
    return " ".join(text.split())


@pytest.mark.usefixtures("told")
def test_status_says_what_is_wrong_also_without_a_gateway(call: Call) -> None:
    """As it was last told, in sentences; of a group each, and with since when."""
    shown = one_line(call("status").stdout)
    assert f": {LOST}" in shown
    assert ": 2 rooms have overlapping bookings: lyra, orion. " in shown
    assert "Orion has two bookings at the same time. Lyra" in shown or "time. Orion has two" in shown
    assert "The broker cannot be heard." in shown
    picture = json.loads(call("status", "--json").stdout)
    assert [(group["kind"], group["count"]) for group in picture["alerts"]] == [
        ("link_down", 1),
        ("overlapping_bookings", 2),
        ("series_lost_dates", 1),
    ]


@pytest.mark.usefixtures("told")
def test_the_report_repeats_what_is_settled_with_organizers_and_it(call: Call) -> None:
    """Lost dates and overlaps, not the broker; of one room only its own."""
    shown = one_line(call("report", "--since", "today").stdout)
    assert "What is wrong around Exchange now" in shown
    assert LOST in shown
    assert "The broker" not in shown
    findings = json.loads(call("report", "--since", "today", "--room", "lyra", "--json").stdout)["findings"]
    assert [(group["kind"], group["count"], len(group["each"])) for group in findings] == [
        ("overlapping_bookings", 1, 1)
    ]


@pytest.mark.usefixtures("day")
def test_without_troubles_nothing_is_said(call: Call) -> None:
    """No heading over nothing, and an empty list for programs."""
    assert "What is wrong" not in call("report", "--since", "today").stdout
    assert json.loads(call("report", "--since", "today", "--json").stdout)["findings"] == []
    assert json.loads(call("status", "--json").stdout)["alerts"] == []


def test_what_the_gateways_own_line_says_is_not_said_twice() -> None:
    """A halt is told by its line; what has no line of its own by its alert."""
    since = "2026-09-28T09:00:00+02:00"
    group = {"severity": "problem", "count": 1, "since": since, "each": []}
    picture: dict[str, Any] = {
        "at": since,
        "wrong_releases": 0,
        "rooms": [],
        "alerts": [
            group | {"kind": "writing_halted", "sentence": "Nothing is written to Exchange: a test."},
            group
            | {"kind": "permission_lost", "sentence": "The calendar of Orion may not be read any more."},
        ],
        "gateway": {
            "running": True,
            "link": "up",
            "writing_halted": "a test",
            "writes_under_way": 0,
            "graph_requests": {"read": 1, "write": 0, "throttled": 0},
        },
    }
    screen = Console(file=io.StringIO(), width=100, color_system=None)
    paint_status(screen, picture, "Contoso", sensors=False)
    text = screen.file.getvalue()  # type: ignore[attr-defined] # it is the StringIO from above
    assert text.count("a test") == 1
    assert "Since Mon 28 Sep 2026 09:00:00: The calendar of Orion may not be read any more." in text
