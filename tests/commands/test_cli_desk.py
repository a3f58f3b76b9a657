"""The commands that book: what they ask of the gateway, how its answer is told, and once for real."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import structlog
from scripted_day import ScriptedDay
from typer.testing import Result

from gateway.clock import SystemClock
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from gateway.runtime.control import ControlServer
from gateway.service import Service
from gateway.settings import load
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator
from simulators.in_process import surroundings
from simulators.link import MemoryLink

Call = Callable[..., Result]
Json = dict[str, Any]

BOOKED: Json = {
    "code": "booked",
    "room": "orion",
    "booking": "040000008200E00074C5B7101A82E008a1",
    "start": "2026-09-21T20:00:00+02:00",
    "end": "2026-09-21T20:30:00+02:00",
    "checked_in": True,
    "said": ["Booked: Orion on Mon 21 Sep from 20:00 to 20:30."],
}

FREE: Json = {
    "start": "2026-09-21T20:00:00+02:00",
    "end": "2026-09-21T21:00:00+02:00",
    "rooms": [
        {
            "room": "lyra",
            "name": "Lyra",
            "capacity": 4,
            "building": "North",
            "floor": "2",
            "tags": ["video"],
            "standing": "free",
            "free_until": "2026-09-21T21:30:00+02:00",
            "occupancy": {"status": "vacant", "why": []},
            "trouble": "",
        },
        {
            "room": "orion",
            "name": "Orion",
            "capacity": None,
            "building": "",
            "floor": "",
            "tags": [],
            "standing": "unsure",
            "free_until": None,
            "occupancy": {"status": "unknown", "why": ["radar has not been heard yet"]},
            "trouble": "",
        },
    ],
    "capacity_unknown": ["vega"],
}


class Gateway:
    """Answers on the socket what it is given; remembers what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[Json] = []
        self.answer: Json = BOOKED
        self._path = load(folder / "gateway.toml").control_socket
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = ControlServer(self._path, self._answer)
        await server.start()
        self._ready.set()
        await self._over.wait()
        await server.stop()

    async def _answer(self, request: Json) -> Json:
        self.asked.append(request)
        return self.answer

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture
def gateway(folder: Path) -> Iterator[Gateway]:
    """A gateway that runs."""
    with Gateway(folder) as gateway:
        yield gateway


@pytest.fixture
def at_day(day: ScriptedDay, monkeypatch: pytest.MonkeyPatch) -> ScriptedDay:
    """The present is the moment at which the scripted day ends: 18:05 in Berlin."""
    monkeypatch.setattr("gateway.commands.desk.present", lambda: day.now)
    return day


def test_a_booking_is_asked_for_as_typed_and_its_answer_is_told(
    gateway: Gateway, call: Call, at_day: ScriptedDay
) -> None:
    """With a name of its own, so that it is one booking however often it is asked."""
    result = call(
        "book",
        "orion",
        "--from",
        "20:00",
        "--for",
        "30m",
        "--title",
        "Review",
        "--organizer",
        "a@b.cd",
        "--here",
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[:2] == [*BOOKED["said"], "It is checked in."]
    assert BOOKED["booking"] in result.stdout
    (asked,) = gateway.asked
    assert len(asked.pop("ask")) == 36
    start = asked.pop("start")
    assert (start - at_day.now) // MINUTE_MS == 115
    assert asked == {
        "command": "book",
        "room": "orion",
        "length": 30 * MINUTE_MS,
        "title": "Review",
        "organizer": "a@b.cd",
        "here": True,
    }


def test_now_is_left_to_the_gateway(gateway: Gateway, call: Call) -> None:
    """Its clock counts."""
    assert json.loads(call("book", "orion", "--json").stdout) == BOOKED
    assert gateway.asked[0]["start"] is None


def test_what_is_not_booked_is_told_and_fails(gateway: Gateway, call: Call) -> None:
    """Exit code 1 and the gateway's own sentence."""
    gateway.answer = {
        "error": "Not booked: orion is taken on Mon 21 Sep from 14:00 to 15:00.",
        "code": "not_free",
    }
    result = call("book", "orion")
    assert result.exit_code == 1
    assert "orion is taken on Mon 21 Sep from 14:00 to 15:00" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("book", "vega"), 1, "there is no room 'vega'; the rooms are: lyra, orion."),
        (("book", "orion", "--from", "soon"), 2, "--from 'soon': expected \"now\""),
        (("book", "orion", "--for", "90"), 2, "--for '90': expected a duration"),
        (("move", "orion"), 2, "say where to (--to ROOM)"),
        (("move", "orion", "--to", "vega"), 1, "there is no room 'vega'"),
        (("cancel", "no-such-key"), 1, "no booking has 'no-such-key' in its key"),
        (("free", "--for", "long"), 2, "--for 'long': expected a duration"),
    ],
)
@pytest.mark.usefixtures("at_day")
def test_what_cannot_be_meant_is_told_before_anything_is_asked(
    gateway: Gateway, call: Call, arguments: tuple[str, ...], code: int, told: str
) -> None:
    """What is wrong, and what would be right."""
    result = call(*arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert gateway.asked == []


@pytest.mark.usefixtures("at_day")
def test_a_booking_is_meant_by_its_room_or_by_part_of_its_key(gateway: Gateway, call: Call) -> None:
    """The gateway is asked by room and whole key."""
    gateway.answer = {"code": "cancelled", "room": "orion", "booking": "K", "said": ["Cancelled."]}
    assert call("cancel", "orion").stdout == "Cancelled.\n"
    assert "Give more of the key, or --room." in call("cancel", "b2c3d40008").stderr
    result = call("cancel", "b2c3d40008", "--room", "orion")
    assert result.exit_code == 0, result.stderr
    first, second = gateway.asked
    assert first == {"command": "cancel", "room": "orion", "booking": ""}
    assert second["room"] == "orion"
    assert second["booking"].endswith("b2c3d40008")


def test_a_move_names_the_room_the_time_or_both(gateway: Gateway, call: Call, at_day: ScriptedDay) -> None:
    """What is left out stays as it is."""
    call("move", "orion", "--to", "lyra")
    call("move", "orion", "--from", "now")
    call("move", "orion", "--from", "tomorrow 09:00", "--to", "lyra")
    told = [(asked["to"], asked["start"]) for asked in gateway.asked]
    assert told[0] == ("lyra", None)
    assert told[1] == ("", at_day.now)
    assert told[2][0] == "lyra"
    assert 0 < told[2][1] - at_day.now < DAY_MS


@pytest.mark.usefixtures("at_day")
def test_free_rooms_are_painted_with_what_is_not_known_of_them(gateway: Gateway, call: Call) -> None:
    """Until when, why nobody knows, and which were left out."""
    gateway.answer = FREE
    result = call(
        "free", "--from", "20:00", "--capacity", "3", "--with", "video, phone", "--building", "North"
    )
    words = " ".join(result.stdout.split())
    assert "Lyra (lyra) 4 North, 2 video free, until 21:30" in words
    assert "not booked; whether somebody is there is unknown" in words
    assert "radar has not been heard yet" in words
    assert "how many people fit: vega." in words
    (asked,) = gateway.asked
    assert asked["tags"] == ["video", "phone"]
    assert (asked["capacity"], asked["building"], asked["length"]) == (3, "North", HOUR_MS)
    assert json.loads(call("free", "--json").stdout) == FREE
    gateway.answer = FREE | {"rooms": [], "capacity_unknown": []}
    assert "No such room is free then." in call("free").stdout


@pytest.mark.parametrize(
    "arguments", [("book", "orion"), ("free",), ("cancel", "orion"), ("move", "orion", "--from", "now")]
)
@pytest.mark.usefixtures("at_day")
def test_without_a_gateway_it_says_so(call: Call, arguments: tuple[str, ...]) -> None:
    """Nothing is pretended: exit code 1, and where a gateway was looked for."""
    result = call(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("occupancy-gateway: no gateway listens on ")


class RealGateway:
    """The service itself on its socket, with a simulated Exchange; in real time."""

    def __init__(self, folder: Path) -> None:
        text = (folder / "gateway.toml").read_text()
        text = text.replace('time_zone = "Europe/Berlin"', 'time_zone = "UTC"\nclock = "trusted"')
        text = text.replace('"contoso.onmicrosoft.com"', f'"{TENANT_ID}"').replace(
            '"gateway"', f'"{CLIENT_ID}"'
        )
        (folder / "gateway.toml").write_text(text)
        (folder / "graph-secret").write_text(CLIENT_SECRET)
        settings = load(folder / "gateway.toml")
        clock = SystemClock()
        self.exchange = ExchangeSimulator(rooms=[room.mailbox for room in settings.rooms], now=clock.now)
        self._ready = threading.Event()
        around = surroundings(clock, MemoryLink(), self.exchange, control=True, watch=self._watch)
        self._service = Service(settings, around)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._service.run(),))

    def _watch(self, word: str) -> None:
        if word == "ready":
            self._ready.set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._service.stop)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture
def silent_logs() -> Iterator[None]:
    """The service in this process logs to where the commands print."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("silent_logs")
def test_a_real_gateway_books_tells_moves_and_cancels(folder: Path, call: Call) -> None:
    """From the shell through the socket, the ledger and the outbox into the calendar, and back."""
    with RealGateway(folder) as gateway:
        now = SystemClock().now()

        def calendar() -> list[str]:
            items = gateway.exchange.calendar("orion@contoso.com", now - HOUR_MS, now + DAY_MS)
            return [item.subject for item in items]

        booked = call("book", "orion", "--from", "5m", "--for", "30m", "--title", "Review", "--json")
        assert booked.exit_code == 0, booked.stderr
        assert json.loads(booked.stdout)["code"] == "booked"
        assert calendar() == ["Review"]
        again = call("book", "orion", "--from", "10m")
        assert again.exit_code == 1
        assert "orion is taken on" in again.stderr
        assert [room["room"] for room in json.loads(call("free", "--json").stdout)["rooms"]] == ["lyra"]
        moved = call("move", "orion", "--from", "2h")
        assert moved.exit_code == 0, moved.stderr
        assert moved.stdout.startswith("Moved: Orion on ")
        assert calendar() == ["Review"]
        cancelled = call("cancel", "orion")
        assert cancelled.exit_code == 0, cancelled.stderr
        assert calendar() == []
        kinds = [d["kind"] for d in json.loads(call("decisions", "--room", "orion", "--json").stdout)]
        assert kinds.count("booking_asked") == 2
        assert kinds.count("cancel_asked") == 2
