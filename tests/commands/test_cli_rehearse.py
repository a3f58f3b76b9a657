"""The rehearsal as a command: what it refuses, what it asks, what it prints and keeps, how it ends."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from gateway.clock import SystemClock
from gateway.commands import app
from gateway.core.units import DAY_MS
from gateway.exchange import auth, client
from gateway.exchange.rehearsal import record, run
from simulators.exchange import ExchangeSimulator, Processing
from simulators.in_process import InProcessTokens, InProcessTransport

Call = Callable[..., Result]

ROOM, TESTER = "test-room@contoso.com", "rehearsal@contoso.com"
WHO = ("--room", ROOM, "--organizer", TESTER)


class Impatient(InProcessTransport):
    """The simulator; `strike` is called before each request."""

    strike: Callable[[], None] = staticmethod(lambda: None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        self.strike()
        await asyncio.sleep(0)
        return await super().handle_async_request(request)


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> tuple[ExchangeSimulator, Impatient]:
    """A simulated tenant in the place of the network, where waiting takes no time."""
    now = SystemClock().now()
    simulator = ExchangeSimulator(rooms=[ROOM], now=lambda: now)
    simulator.mailboxes.add_person(TESTER)
    transport = Impatient(simulator.app)

    class Tokens(InProcessTokens):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__(InProcessTransport(simulator.app))

        async def aclose(self) -> None:
            """Nothing to close."""

    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(auth, "MsalTokens", Tokens)
    monkeypatch.setattr(client, "GraphClient", partial(client.GraphClient, transport=transport))
    monkeypatch.setattr(run, "Tools", partial(run.Tools, sleep=at_once))
    return simulator, transport


def calendars(exchange: ExchangeSimulator) -> list[str]:
    """The ids of everything in both calendars."""
    boxes = [exchange.mailboxes.mailbox(one) for one in (ROOM, TESTER)]
    return [item.id for box in boxes for item in box.calendar.items()]


def told(result: Result) -> str:
    """What was printed, on one line."""
    return " ".join(result.stdout.split())


# -- what it refuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--room", "orion@contoso.com", "--organizer", TESTER), "is the room orion of this gateway"),
        (("--room", "ORION@contoso.com", "--organizer", TESTER), "add --allow-configured-room"),
        (("--room", ROOM, "--organizer", "orion@contoso.com"), "--organizer is a person's mailbox"),
        (("--room", ROOM, "--organizer", ROOM.upper()), "must be two mailboxes"),
        (("--room", "test-room", "--organizer", TESTER), "--room takes a mail address"),
        (("--room", ROOM, "--organizer", "a@b/c"), "--organizer takes a mail address"),
    ],
)
def test_wrong_mailboxes_are_refused_before_anything_is_asked(
    call: Call, exchange: tuple[ExchangeSimulator, Impatient], arguments: tuple[str, ...], words: str
) -> None:
    """A room that people book, above all. Exit code 2, and not one request."""
    result = call("exchange", "rehearse", *arguments, "--yes")
    assert result.exit_code == 2
    assert words in result.stderr
    assert exchange[0].requests.total == 0


def test_without_a_yes_nothing_is_done(folder: Path, exchange: tuple[ExchangeSimulator, Impatient]) -> None:
    """It says beforehand what it will do, and asks; silence and "no" are a no."""
    arguments = ["exchange", "rehearse", *WHO, "--config", str(folder / "gateway.toml")]
    for said in ("", "n\n"):
        result = CliRunner().invoke(app, arguments, input=said)
        assert result.exit_code == 1
        assert f"{TESTER} will invite {ROOM}" in result.stderr
        assert "both calendars are as they were" in result.stderr
        assert exchange[0].requests.total == 0
    assert not (folder / "rehearsal.json").exists()


def test_a_room_that_is_taken_is_told(call: Call, exchange: tuple[ExchangeSimulator, Impatient]) -> None:
    """Exit code 1 and when; nothing is kept."""
    simulator, _ = exchange
    now = simulator.now()
    simulator.book_in_room(ROOM, now + 29 * DAY_MS, now + 40 * DAY_MS)
    result = call("exchange", "rehearse", *WHO, "--yes")
    assert result.exit_code == 1
    assert "has bookings in the rehearsal's time" in result.stderr


def test_where_nothing_can_be_kept_nothing_is_begun(
    call: Call, folder: Path, exchange: tuple[ExchangeSimulator, Impatient]
) -> None:
    """A rehearsal of many minutes is not made for nothing."""
    config = folder / "gateway.toml"
    config.write_text(config.read_text().replace('path = "ledger.db"', 'path = "nowhere/ledger.db"'))
    result = call("exchange", "rehearse", *WHO, "--yes")
    assert result.exit_code == 1
    assert "the answers could not be kept" in result.stderr
    assert exchange[0].requests.total == 0


# -- what it tells and keeps --------------------------------------------------------------------------


def test_the_answers_are_shown_and_kept_beside_the_ledger(
    folder: Path, exchange: tuple[ExchangeSimulator, Impatient]
) -> None:
    """Each question with what was seen and what it means; the file names nobody but the two mailboxes."""
    arguments = ["exchange", "rehearse", *WHO, "--config", str(folder / "gateway.toml")]
    result = CliRunner().invoke(app, arguments, input="y\n")
    assert result.exit_code == 0, result.stderr
    words = told(result)
    assert "ok decline_occurrence: Does the decline of one occurrence take that occurrence alone?" in words
    assert "seen: only that occurrence went, and the organizer sees it on that one alone" in words
    assert "means: series are released one by one" in words
    assert "Exchange behaves as the gateway expects; rooms may go live." in words
    assert "inviting: 1/" in result.stderr
    assert calendars(exchange[0]) == []
    kept = record.load(folder / "rehearsal.json")
    assert kept is not None
    assert (kept.room, kept.organizer, kept.complete, kept.verdict) == (ROOM, TESTER, True, "ok")
    addresses = {word.strip('",') for word in (folder / "rehearsal.json").read_text().split() if "@" in word}
    assert addresses == {ROOM, TESTER}
    assert record.objection(folder / "rehearsal.json", kept.tenant_id) == ""


def test_programs_read_the_record(call: Call, exchange: tuple[ExchangeSimulator, Impatient]) -> None:
    """The same as the file, with the verdict on the whole; `--keep` lists what is left."""
    result = call("exchange", "rehearse", *WHO, "--yes", "--keep", "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["verdict"] == "ok"
    assert {one["mailbox"] for one in data["leftovers"]} == {ROOM, TESTER}
    assert calendars(exchange[0])


def test_a_configured_room_is_used_when_somebody_insists(
    call: Call, exchange: tuple[ExchangeSimulator, Impatient]
) -> None:
    """It must still be free then, and readable: here it is not there at all."""
    assert not calendars(exchange[0])
    result = call(
        "exchange", "rehearse", "--room", "orion@contoso.com", "--organizer", TESTER,
        "--allow-configured-room", "--yes",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "orion@contoso.com cannot be read" in result.stderr


def test_an_answer_that_says_stop_fails_and_is_kept(
    call: Call, folder: Path, exchange: tuple[ExchangeSimulator, Impatient]
) -> None:
    """Exit code 1; then no room goes live by command."""
    simulator, _ = exchange
    simulator.mailboxes.mailbox(ROOM).processing = Processing(allow_recurring_meetings=False)
    result = call("exchange", "rehearse", *WHO, "--yes")
    assert result.exit_code == 1
    assert "Rooms must not go live: see what is marked stop." in told(result)
    assert calendars(simulator) == []
    kept = record.load(folder / "rehearsal.json")
    assert kept is not None
    assert "decline_occurrence" in record.objection(folder / "rehearsal.json", kept.tenant_id)


def test_a_fault_of_our_own_is_told_after_the_clean_up(
    call: Call, exchange: tuple[ExchangeSimulator, Impatient]
) -> None:
    """It is not hidden; the calendars are as they were."""
    simulator, transport = exchange
    asked = 0

    def strike() -> None:
        nonlocal asked
        asked += 1
        if asked == 40:
            raise ArithmeticError("a fault of ours")

    transport.strike = strike
    result = call("exchange", "rehearse", *WHO, "--yes")
    assert isinstance(result.exception, ArithmeticError)
    assert calendars(simulator) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_its_kin_clean_up_and_keep_nothing(
    call: Call, folder: Path, exchange: tuple[ExchangeSimulator, Impatient], number: signal.Signals
) -> None:
    """What was answered until then is shown, the calendars are as they were, a record of before stays."""
    simulator, transport = exchange
    asked = 0

    def strike() -> None:
        nonlocal asked
        asked += 1
        if asked == 40:
            os.kill(os.getpid(), number)

    transport.strike = strike
    (folder / "rehearsal.json").write_text("before")
    result = call("exchange", "rehearse", *WHO, "--yes")
    assert result.exit_code == 1
    assert asked > 40
    assert "accepts: Does the room accept" in told(result)
    assert "was not finished" in told(result)
    assert calendars(simulator) == []
    assert (folder / "rehearsal.json").read_text() == "before"
