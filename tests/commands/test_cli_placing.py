"""From a sensor that is heard to a room that has it, in the file and in the running gateway."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import pytest
from scripted_day import ScriptedDay
from typer.testing import Result

from gateway.commands import walk
from gateway.commands.base import CommandError
from gateway.commands.walk import Timings, in_words, run_test
from gateway.placing.walk_tests import newest
from gateway.runtime.control import ControlServer
from gateway.runtime.picture import site_picture
from gateway.settings import load
from gateway.shown.paint import Times
from gateway.shown.walk import Picture

Call = Callable[..., Result]
Json = dict[str, Any]

CANDIDATE: Json = {
    "id": "lyra-pir",
    "topic": "zigbee2mqtt/Lyra PIR",
    "name": "Lyra PIR",
    "family": "zigbee2mqtt",
    "senses": "motion",
    "role": "room",
    "why": "it describes itself: occupancy",
    "about": "Contoso P1",
    "battery": 81,
    "last_heard": "2026-09-28T08:00:00+02:00",
    "room": "lyra",
}
STATE: Json = {"listens": True, "listen": "asked", "why_not": "", "left_out": 2}
RADAR: Json = {
    "sensor": "radar",
    "senses": "presence",
    "role": "room",
    "hold_ms": 60_000,
    "hold_beside_presence_ms": 60_000,
    "device_hold_ms": 0,
    "says_clear": True,
    "showing": False,
}


class Gateway:
    """Answers on the socket as a gateway does that hears one new sensor."""

    def __init__(self, folder: Path, day: ScriptedDay) -> None:
        self.told: list[str] = []
        self.refuses = ""
        self._day, self._settings = day, load(folder / "gateway.toml")
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = ControlServer(self._settings.control_socket, self._answer, {"watch": self._watch})
        await server.start()
        self._ready.set()
        await self._over.wait()
        await server.stop()

    async def _answer(self, request: Json) -> Json:
        name = request["command"]
        if name == "status":
            zone = Times(self._settings.zone(self._settings.rooms[0])).zone
            return site_picture(self._day.site, self._day.now, zone) | {"gateway": {"running": True}}
        self.told.append(name)
        if name == "reload":
            return {"error": self.refuses} if self.refuses else {"said": ["Taken over."]}
        if name == "sensors":
            return {"discovery": STATE, "heard": [CANDIDATE]}
        if request["sensor"] not in {CANDIDATE["id"], CANDIDATE["topic"]}:
            return {"error": "no such sensor is heard"}
        keys = ("id", "family", "topic", "senses", "role")
        return {"candidate": CANDIDATE, "settings": {key: CANDIDATE[key] for key in keys} | {"options": {}}}

    async def _watch(self, request: Json) -> AsyncIterator[Json]:
        yield {"event": "begin", "room": request["room"], "at": 0, "sensors": [RADAR]}
        while True:
            yield {"event": "reading", "at": 1, "sensor": "radar", "kind": "presence", "value": 1}
            await asyncio.sleep(0.02)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)
        self._loop.close()


def sensors(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Ids and roles of the configured sensors, by room."""
    rooms = load(folder / "gateway.toml").rooms
    return {room.id: [(one.id, one.role) for one in room.sensors] for room in rooms}


def test_the_list_shows_rooms_and_what_no_room_has(call: Call, folder: Path, day: ScriptedDay) -> None:
    """Health of the configured, a guess for the heard, and how to go on; as JSON, too."""
    with Gateway(folder, day):
        shown = call("sensors", "list")
        told = json.loads(call("sensors", "list", "--json").stdout)
    assert shown.exit_code == 0, shown.stderr
    for words in ("radar", "lyra-pir", "81 %", "no sensor", "sensors assign", "2 more were too many"):
        assert words in shown.stdout
    assert told["heard"] == [CANDIDATE]
    assert [room["room"] for room in told["rooms"]] == ["orion", "lyra"]


def test_without_a_gateway_the_list_says_so(call: Call) -> None:
    """Nothing has ever been recorded, and nothing listens: the configuration is still worth a look."""
    shown = call("sensors", "list")
    assert shown.exit_code == 0
    assert "not listened for: no gateway listens" in " ".join(shown.stdout.split())
    assert "not taken over yet" in shown.stdout


@pytest.mark.usefixtures("day")
def test_a_heard_sensor_is_given_to_a_room(call: Call, folder: Path, day: ScriptedDay) -> None:
    """The file has it, the old one is kept, the gateway is told, and what is still missing is said."""
    before = (folder / "gateway.toml").read_text()
    with Gateway(folder, day) as gateway:
        result = call("sensors", "assign", "zigbee2mqtt/Lyra PIR", "lyra", "--role", "door")
    assert result.exit_code == 0, result.stderr
    assert sensors(folder)["lyra"] == [("lyra-pir", "door")]
    assert gateway.told == ["candidate", "reload"]
    assert "Taken over." in result.stdout
    assert "has no heartbeat" in result.stderr
    (backup,) = folder.glob("gateway.toml.before-*")
    assert backup.read_text() == before


def test_a_sensor_is_described_moved_and_renamed_without_a_gateway(call: Call, folder: Path) -> None:
    """The file alone is changed then, and it is said that nobody has taken it over."""
    made = call(
        "sensors", "assign", "desk", "lyra", "--topic", "lyra/desk", "--family", "plain", "--senses", "motion"
    )
    assert made.exit_code == 0, made.stderr
    assert "The gateway is not running" in made.stdout
    assert sensors(folder)["lyra"] == [("desk", "room")]
    moved = json.loads(call("sensors", "assign", "pir", "lyra", "--role", "seat", "--json").stdout)
    assert (moved["written"], moved["taken_over"]) == (True, False)
    assert sensors(folder) == {"orion": [("radar", "room")], "lyra": [("desk", "room"), ("pir", "seat")]}
    assert call("sensors", "rename", "radar", "above-screen").exit_code == 0
    assert sensors(folder)["orion"] == [("above-screen", "room")]
    again = call("sensors", "assign", "pir", "lyra", "--role", "seat")
    assert "Nothing to change" in again.stdout


def test_ignored_sensors_are_kept_in_the_file(call: Call, folder: Path, day: ScriptedDay) -> None:
    """By topic, whichever name was used; and taken back."""
    with Gateway(folder, day):
        assert call("sensors", "ignore", "lyra-pir").exit_code == 0
    assert load(folder / "gateway.toml").discovery.ignore == ("zigbee2mqtt/Lyra PIR",)
    assert call("sensors", "ignore", "kitchen/pir").exit_code == 0
    assert call("sensors", "ignore", "zigbee2mqtt/Lyra PIR", "--undo").exit_code == 0
    assert load(folder / "gateway.toml").discovery.ignore == ("kitchen/pir",)
    assert "is not ignored" in call("sensors", "ignore", "x", "--undo").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("assign", "nobody", "lyra"), 1, "only a running gateway hears what it is"),
        (("assign", "pir", "nowhere"), 1, "there is no room 'nowhere'"),
        (("assign", "pir", "lyra", "--heartbeat", "1m"), 2, "is a sensor of orion already"),
        (("assign", "x", "lyra", "--topic", "a"), 2, "all three"),
        (
            ("assign", "x", "lyra", "--topic", "a/#", "--family", "plain", "--senses", "motion"),
            2,
            "one exact topic",
        ),
        (
            ("assign", "x", "lyra", "--topic", "a", "--family", "plane", "--senses", "motion"),
            2,
            'did you mean "plain"',
        ),
        (
            ("assign", "X Y", "lyra", "--topic", "a", "--family", "plain", "--senses", "motion"),
            2,
            "a short name",
        ),
        (
            (
                "assign",
                "x",
                "lyra",
                "--topic",
                "a",
                "--family",
                "plain",
                "--senses",
                "motion",
                "--heartbeat",
                "1",
            ),
            2,
            "expected a duration",
        ),
        (
            ("assign", "x", "lyra", "--topic", "a", "--family", "json", "--senses", "motion"),
            1,
            "needs the option path",
        ),
        (("rename", "pir", "radar"), 1, "each needs its own"),
        (("rename", "pir", "Radar"), 2, "a short name"),
        (("rename", "nobody", "x"), 1, "no room has a sensor"),
        (("ignore", "pir"), 2, "is a sensor of orion"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    call: Call, folder: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    """With what, where and how to mend it."""
    before = (folder / "gateway.toml").read_text()
    result = call("sensors", *arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert (folder / "gateway.toml").read_text() == before
    assert not list(folder.glob("gateway.toml.before-*"))


def test_a_gateway_that_cannot_take_it_over_is_told_apart(call: Call, folder: Path, day: ScriptedDay) -> None:
    """The file is changed then, and that is said together with what stands in the way."""
    with Gateway(folder, day) as gateway:
        gateway.refuses = "nothing was taken over: [mqtt] cannot change while the gateway runs"
        result = call("sensors", "rename", "pir", "door")
        reload = call("reload")
    assert "The file is changed, but the running gateway did not take it over" in result.stdout
    assert reload.exit_code == 1
    assert "[mqtt]" in reload.stderr


# -- walk tests ---------------------------------------------------------------------------------------


class Played:
    """A feed whose clock jumps from one event to the next."""

    def __init__(self, events: list[tuple[int, Json]], keys: list[int]) -> None:
        self._events, self._keys = list(events), list(keys)
        self._now = 0

    def now(self) -> int:
        return self._now

    def wait(self, at_most_ms: int) -> tuple[list[Json], bool]:
        until = self._now + at_most_ms
        nexts = [at for at, _ in self._events[:1]] + self._keys[:1]
        self._now = max(self._now, min([until, *nexts]))
        came = [event for at, event in self._events if at <= self._now]
        self._events = self._events[len(came) :]
        pressed = bool(self._keys) and self._keys[0] <= self._now
        self._keys = self._keys[pressed:]
        return came, pressed


BEGIN: Json = {"event": "begin", "room": "orion", "at": 0, "sensors": [RADAR]}


def reading(at: int, value: int) -> tuple[int, Json]:
    """The radar says so."""
    return at, {"event": "reading", "at": at, "sensor": "radar", "kind": "presence", "value": value}


@pytest.mark.parametrize(
    ("timings", "keys"),
    [(Timings(20_000, 300_000, 60_000), []), (Timings(None, None, None), [20_000, 320_000, 380_000])],
)
def test_a_walk_goes_through_its_phases_by_time_or_by_key(timings: Timings, keys: list[int]) -> None:
    """What is heard lands in the verdict; the picture shows it as it comes."""
    told: list[Json] = []
    events = [
        (0, BEGIN),
        reading(5_000, 1),
        reading(330_000, 0),
        (340_000, {"event": "alive", "at": 340_000}),
    ]
    picture = Picture("Orion")

    def show(event: Json) -> None:
        told.append(event)
        picture.hear(event)
        picture.table()

    test = run_test(Played(events, keys), timings, show)
    (radar,) = test.verdict.sensors
    assert (radar.seen_after_ms, radar.longest_quiet_ms, radar.clear_after_ms) == (5_000, 0, 10_000)
    assert [event["phase"] for event in told if event["event"] == "phase"] == ["enter", "seated", "leave"]
    lines = [line for event in told if (line := in_words(event))]
    assert lines[0] == "orion has radar."
    assert "  radar: presence 1" in lines


def test_a_stream_that_lost_messages_or_never_begins_is_no_test() -> None:
    """A verdict on half of the messages would be a wrong one."""
    timings = Timings(1_000, 1_000, 1_000)
    with pytest.raises(CommandError, match="some of it is lost"):
        run_test(Played([(0, BEGIN), (5, {"event": "lost", "messages": 3})], []), timings, lambda _: None)
    with pytest.raises(CommandError, match="tells nothing"):
        run_test(Played([], []), timings, lambda _: None)


def test_a_walk_is_kept_and_listed(call: Call, folder: Path, day: ScriptedDay) -> None:
    """Over the real socket, with times instead of keys; found again by `sensors list` and `status`."""
    times = ("--enter", "60ms", "--seated", "60ms", "--leave", "60ms")
    with Gateway(folder, day):
        result = call("walk-test", "orion", *times, "--json")
        shown = call("walk-test", "orion", *times)
        listed = json.loads(call("sensors", "list", "--json").stdout)
    assert result.exit_code == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["event"] == "begin"
    assert events[-1]["event"] == "verdict"
    assert Path(events[-1]["file"]).exists()
    assert "Kept in" in shown.stdout
    assert newest(folder).keys() == {"orion"}
    assert listed["walk_tests"]["orion"]["sensors"][0]["sensor"] == "radar"


def test_a_walk_needs_a_keyboard_or_times_a_gateway_and_a_place(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is told before somebody walks for a quarter of an hour."""
    times = ("--enter", "1s", "--seated", "1s", "--leave", "1s")
    assert "there is no Enter key" in call("walk-test", "orion").stderr
    assert "no gateway listens" in call("walk-test", "orion", *times).stderr
    assert "--enter '0s': expected more than 0s" in call("walk-test", "orion", "--enter", "0s").stderr
    (folder / "walk-tests").rmdir()
    (folder / "walk-tests").write_text("in the way")
    assert "could not be kept there" in call("walk-test", "orion", *times).stderr
    monkeypatch.setattr(walk, "MAX_SAID", 0)
    assert run_test(Played([(0, BEGIN), reading(5, 1)], []), Timings(9, 9, 9), lambda _: None).verdict.advice
