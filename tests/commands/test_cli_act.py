"""Commands reach a running gateway over its local socket, and its answer is told in words."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from scripted_day import RUNNING, ScriptedDay
from typer.testing import Result

from gateway.core.room import ShadowRecord
from gateway.runtime.control import ControlServer
from gateway.runtime.picture import site_picture
from gateway.settings import load
from gateway.shown.paint import Times

Call = Callable[..., Result]
Json = dict[str, Any]

RUNNING_WELL: Json = {
    "running": True,
    "paused": "",
    "link": "up",
    "writing_halted": "",
    "clock": "",
    "writes_under_way": 1,
    "calendars_in_trouble": {},
    "graph_requests": {"read": 240, "write": 3, "throttled": 0},
}


class Gateway:
    """Answers on the socket as a gateway does, from the scripted day; remembers what it was told."""

    def __init__(self, folder: Path, day: ScriptedDay) -> None:
        self.told: list[Json] = []
        self.health = dict(RUNNING_WELL)
        self._day = day
        self._settings = load(folder / "gateway.toml")
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = ControlServer(self._settings.control_socket, self._answer)
        await server.start()
        self._ready.set()
        await self._over.wait()
        await server.stop()

    async def _answer(self, request: Json) -> Json:
        if request["command"] == "status":
            zone = Times(self._settings.zone(self._settings.rooms[0])).zone
            return site_picture(self._day.site, self._day.now, zone) | {"gateway": self.health}
        self.told.append(request)
        if request.get("booking") == "" and request["room"] == "lyra":
            return {"error": "The request could not be followed: there is no such booking now no details."}
        if request["command"] == "resume-writing":
            return {"said": ["Writing is allowed again."]}
        return {"room": request["room"], "said": ["Checked in: a person said so (command)."]}

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture
def gateway(folder: Path, day: ScriptedDay) -> Iterator[Gateway]:
    """A gateway that runs."""
    with Gateway(folder, day) as gateway:
        yield gateway


@pytest.mark.parametrize("command", ["check-in", "keep", "end", "live", "shadow", "were-here", "reviewed"])
def test_each_command_reaches_the_gateway_and_its_answer_is_told(
    gateway: Gateway, call: Call, command: str
) -> None:
    """What is typed is what the gateway is told; it answers with the room's name before it."""
    result = call(command, "orion")
    assert result.exit_code == 0, result.stderr
    assert gateway.told == [{"command": command, "room": "orion", "booking": ""}]
    assert result.stdout == "Orion: Checked in: a person said so (command).\n"


def test_who_goes_live_without_rehearsal_is_told_to_the_gateway(gateway: Gateway, call: Call) -> None:
    """By the user's number: names stay out of the journal."""
    assert call("live", "orion", "--without-rehearsal").exit_code == 0
    (request,) = gateway.told
    assert request["by"] == f"command of user {os.getuid()}"
    assert request["without_rehearsal"] is True


def test_resume_writing_is_for_the_whole_gateway(gateway: Gateway, call: Call) -> None:
    """It names no room, and tells what the gateway answered, in words or as JSON."""
    assert call("resume-writing").stdout == "Writing is allowed again.\n"
    assert gateway.told == [{"command": "resume-writing"}]
    assert json.loads(call("resume-writing", "--json").stdout) == {"said": ["Writing is allowed again."]}


def test_part_of_a_key_is_sent_as_the_whole_key(gateway: Gateway, call: Call) -> None:
    """The gateway knows bookings by their whole key only."""
    assert call("check-in", "orion", "--booking", "…b2c3d40008").exit_code == 0
    assert gateway.told[0]["booking"] == RUNNING


@pytest.mark.usefixtures("gateway")
def test_a_command_answers_programs_with_json(call: Call) -> None:
    """As the socket does."""
    answer = json.loads(call("keep", "orion", "--json").stdout)
    assert answer == {"room": "orion", "said": ["Checked in: a person said so (command)."]}


@pytest.mark.usefixtures("gateway")
def test_what_the_gateway_refuses_is_told_and_fails(call: Call) -> None:
    """Exit code 1 and the gateway's own sentence."""
    result = call("check-in", "lyra")
    assert result.exit_code == 1
    assert "there is no such booking now" in result.stderr
    assert result.stdout == ""


@pytest.mark.usefixtures("gateway")
def test_status_of_a_running_gateway_is_its_own_picture_with_the_ledgers_counts(call: Call) -> None:
    """The gateway tells how it is; how many messages came is read from the ledger."""
    result = call("status")
    assert "not running" not in result.stdout
    assert "running, broker up, 1 write under way, 240 read and 3 write requests" in result.stdout
    picture = json.loads(call("status", "--json").stdout)
    assert picture["gateway"]["running"] is True
    sensors = [sensor for room in picture["rooms"] for sensor in room["sensors"]]
    assert [(s["sensor"], s["messages"]["received"]) for s in sensors] == [("radar", 600), ("pir", 293)]


def test_status_shows_what_keeps_a_gateway_from_working(gateway: Gateway, call: Call) -> None:
    """A pause, halted writes, a broker that is away and calendars that cannot be read stand at the top."""
    gateway.health |= {
        "paused": "ledger.db: could not write (disk full)",
        "writing_halted": "nothing is written until somebody has looked",
        "clock": "the machine's clock is not synchronised",
        "link": "down: connection refused",
        "calendars_in_trouble": {"lyra": "403: the mailbox may not be read"},
    }
    gateway.health["graph_requests"] = {"read": 1, "write": 0, "throttled": 7}
    words = " ".join(call("status").stdout.split())
    assert "Nothing is recorded: ledger.db: could not write (disk full)" in words
    assert "Nothing is written: nothing is written until somebody has looked" in words
    assert "Nothing is released: the machine's clock is not synchronised" in words
    assert "broker down: connection refused" in words
    assert "Calendar of lyra: 403: the mailbox may not be read" in words
    assert "(7 throttled)" in words


@pytest.mark.usefixtures("gateway")
def test_status_tells_of_wrong_releases_and_of_shadows_record(day: ScriptedDay, call: Call) -> None:
    """Since when a room gives nothing back and how to go on; its record and the bar that it must pass."""
    orion, lyra = (day.site.rooms[name].state for name in ("orion", "lyra"))
    before = msgspec.structs.replace(orion), msgspec.structs.replace(lyra)
    orion.paused_at, orion.wrong_releases = day.now, 1
    orion.record = ShadowRecord(judged=12, wrong=2)
    policy = msgspec.structs.replace(orion.config.policy, live_after=20, live_if_wrong_at_most=1)
    orion.config = msgspec.structs.replace(orion.config, policy=policy)
    lyra.wrong_releases = 2
    try:
        words = " ".join(call("status").stdout.split())
        picture = json.loads(call("status", "--json").stdout)
    finally:
        for state, old in zip((orion, lyra), before, strict=True):
            for name in ("paused_at", "wrong_releases", "record", "config"):
                setattr(state, name, getattr(old, name))
    assert "Releases reported as wrong, in all rooms: 3" in words
    assert "record 12 judged in shadow, 2 of them followed by people; goes live after 20 with" in words
    assert "at most 1 wrong; 1 release reported as wrong" in words
    assert "record 2 releases reported as wrong" in words
    assert "look nothing is given back here since Mon 21 Sep 2026 18:05:00, when a release was" in words
    assert "then say `reviewed orion`" in words
    assert picture["wrong_releases"] == 3
    assert picture["rooms"][1]["paused_since"] == "2026-09-21T18:05:00+02:00"
    assert picture["rooms"][0]["wrong_releases"] == 2


@pytest.mark.usefixtures("gateway")
def test_status_without_sensors_needs_no_ledger_while_the_gateway_runs(call: Call, folder: Path) -> None:
    """A damaged ledger must not hide what the gateway itself can tell."""
    (folder / "ledger.db").write_text("rubbish")
    assert call("status").exit_code == 0
    assert call("status", "--sensors").exit_code == 1


@pytest.mark.parametrize("command", ["check-in", "keep", "end", "live", "shadow", "were-here", "reviewed"])
def test_a_command_without_a_gateway_says_so(day: ScriptedDay, call: Call, command: str) -> None:
    """Nothing is pretended: exit code 1, and where a gateway was looked for."""
    result = call(command, "orion")
    assert day.decisions
    assert result.exit_code == 1
    assert result.stderr.startswith("occupancy-gateway: no gateway listens on ")
    assert "control.sock" in result.stderr


def test_a_wrong_room_is_told_before_anything_is_sent(gateway: Gateway, call: Call) -> None:
    """With the rooms that there are."""
    result = call("live", "vega")
    assert result.exit_code == 1
    assert result.stderr == "occupancy-gateway: there is no room 'vega'; the rooms are: lyra, orion.\n"
    assert gateway.told == []
