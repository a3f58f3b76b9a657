"""The commands for IT: what they print, where they write, and with which code they end."""

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from gateway.commands import rooms as rooms_command
from gateway.doctor import exchange as doctor_exchange
from gateway.doctor.finding import Finding
from gateway.exchange import auth, client
from gateway.exchange.places import FoundRoom

Call = Callable[..., Result]

FINDINGS = [
    Finding(step="token", verdict="ok", what="Entra gives a token"),
    Finding(step="room readable", verdict="ok", what="orion can be read", room="orion"),
    Finding(step="room mailbox", verdict="skipped", what="may not be looked at", room="orion"),
    Finding(
        step="room readable",
        verdict="fail",
        what="vega may not be read",
        fix="grant it",
        room="vega",
        code="E1",
    ),
    Finding(
        step="room readable",
        verdict="fail",
        what="lyra may not be read",
        fix="grant it",
        room="lyra",
        request_id="q",
    ),
]


def told(result: Result) -> str:
    """What was printed, on one line."""
    return " ".join(result.stdout.split())


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the doctor will find; he himself is tested elsewhere."""
    findings = list(FINDINGS)

    async def examine(
        _settings: Any, *, only: str, progress: Callable[[int, int], None]
    ) -> AsyncIterator[Finding]:
        progress(0, len(findings))
        for finding in findings:
            if not only or finding.room in {"", only}:
                yield finding

    monkeypatch.setattr(doctor_exchange, "examine", examine)
    return findings


# -- the doctor ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("examined")
@pytest.mark.parametrize("name", [("doctor", "exchange"), ("exchange", "doctor")])
def test_the_doctor_has_two_names_and_fails_where_a_step_fails(call: Call, name: tuple[str, str]) -> None:
    """Rooms that are fine are counted, the same remedy is told once, the last line is the sum."""
    result = call(*name)
    assert result.exit_code == 1
    words = told(result)
    assert "ok token: Entra gives a token" in words
    assert "orion can be read" not in words
    assert "fail room readable (vega): vega may not be read [E1] mend: grant it" in words
    assert (
        "fail room readable (lyra): lyra may not be read mend: as for room readable (vega) request-id q"
        in words
    )
    assert "ok room readable: 1 room" in words
    assert "skipped room mailbox: 1 room: may not be looked at" in words
    assert words.endswith("2 failed, 2 fine, 1 not looked at.")


@pytest.mark.usefixtures("examined")
def test_everything_and_one_room_are_shown_when_asked_for(call: Call) -> None:
    """Then what is fine is told too."""
    assert "orion can be read" in told(call("doctor", "exchange", "--all"))
    alone = call("doctor", "exchange", "--room", "orion")
    assert "orion can be read" in told(alone)
    assert alone.exit_code == 0
    unknown = call("doctor", "exchange", "--room", "nova")
    assert unknown.exit_code == 1
    assert "there is no room" in unknown.stderr


def test_programs_read_every_finding(call: Call, examined: list[Finding]) -> None:
    """And the verdict on the whole."""
    data = json.loads(call("doctor", "exchange", "--json").stdout)
    assert data["verdict"] == "fail"
    assert [finding["room"] for finding in data["findings"]] == [finding.room for finding in examined]
    del examined[3:]
    result = call("doctor", "exchange", "--json")
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (0, "ok")


# -- the script and what it brings back ---------------------------------------------------------------


def test_the_script_is_printed_or_written(call: Call, folder: Path) -> None:
    """In ASCII with the line ends of Windows, and the same text either way."""
    printed = call("exchange", "setup-script")
    assert printed.exit_code == 0
    assert "Mailbox = 'orion@contoso.com'" in printed.stdout
    out = folder / "setup.ps1"
    written = call("exchange", "setup-script", "--out", str(out))
    assert "changes nothing unless it is run with -Apply" in told(written)
    assert out.read_bytes() == printed.stdout.replace("\n", "\r\n").encode("ascii")
    data = json.loads(call("exchange", "setup-script", "--json").stdout)
    assert data["script"] == printed.stdout


def test_an_unknown_attribute_and_an_unwritable_file_are_told(call: Call, folder: Path) -> None:
    """Wrong usage is 2, what cannot be done is 1."""
    wrong = call("exchange", "setup-script", "--attribute", "Attribute1")
    assert (wrong.exit_code, "no custom attribute" in wrong.stderr) == (2, True)
    nowhere = call("exchange", "setup-script", "--out", str(folder / "no" / "setup.ps1"))
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr) == (1, True)


def test_settings_are_imported_kept_and_judged(call: Call, folder: Path) -> None:
    """Room by room, with the command that mends it; rooms that are missing or too many are named."""
    file = folder / "from-it.json"
    entries = [
        {"Mailbox": "ORION@contoso.com", "EnableAutoRelease": True, "RemoveCanceledMeetings": False},
        {"Mailbox": "nova@contoso.com"},
    ]
    file.write_bytes(json.dumps(entries).encode("utf-16"))
    result = call("exchange", "import-settings", str(file))
    assert result.exit_code == 0, result.stderr
    words = told(result)
    assert "orion (orion@contoso.com) fail EnableAutoRelease" in words
    assert "mend: Set-CalendarProcessing -Identity orion@contoso.com -EnableAutoRelease $false" in words
    assert "note RemoveCanceledMeetings" in words
    assert "In the file, and no rooms of the gateway: nova@contoso.com." in words
    assert "Not in the file:" in words
    assert words.endswith("1 room read, 1 to mend.")
    kept = json.loads((folder / "attendant-settings.json").read_bytes())
    assert [room["mailbox"] for room in kept["rooms"]] == ["nova@contoso.com", "orion@contoso.com"]
    data = json.loads(call("exchange", "import-settings", str(file), "--json").stdout)
    assert data["rooms"] == 1
    assert [problem["setting"] for problem in data["problems"]] == [
        "EnableAutoRelease",
        "RemoveCanceledMeetings",
    ]


def test_a_file_that_is_none_changes_nothing(call: Call, folder: Path) -> None:
    """What was kept before stays."""
    kept = folder / "attendant-settings.json"
    kept.write_text("before")
    (folder / "x.json").write_text("{")
    for name, words in (("x.json", "no JSON"), ("none.json", "cannot be read")):
        result = call("exchange", "import-settings", str(folder / name))
        assert (result.exit_code, words in result.stderr) == (1, True)
    assert kept.read_text() == "before"


# -- rooms --------------------------------------------------------------------------------------------


def test_rooms_are_shown_first_and_written_when_asked(call: Call, folder: Path) -> None:
    """Nothing is written by the first call; the second keeps the old file; the third finds nothing to do."""
    config = folder / "gateway.toml"
    before = config.read_text()
    table = folder / "rooms.csv"
    table.write_text("mailbox;name;capacity\norion@contoso.com;;8\nnova@contoso.com;Nova;4\n")
    shown = call("rooms", "import", str(table))
    assert shown.exit_code == 0, shown.stderr
    words = told(shown)
    assert '+ nova (nova@contoso.com) name = "Nova" capacity = 4' in words
    assert "~ orion (orion@contoso.com) capacity: not set -> 8" in words
    assert words.endswith("Nothing was written; with --write it is.")
    assert config.read_text() == before
    written = call("rooms", "import", str(table), "--write")
    assert "Written; the configuration of before is" in told(written)
    assert 'mailbox = "nova@contoso.com"' in config.read_text()
    (backup,) = folder.glob("gateway.toml.before-*")
    assert backup.read_text() == before
    again = call("rooms", "import", str(table), "--write")
    assert told(again).endswith("There is nothing to write.")
    assert len(list(folder.glob("gateway.toml.before-*"))) == 1
    assert call("check-config").exit_code == 0


def test_rooms_for_programs(call: Call, folder: Path) -> None:
    """The same as data."""
    table = folder / "rooms.csv"
    table.write_text("mailbox\nnova@contoso.com\n")
    data = json.loads(call("rooms", "import", str(table), "--json").stdout)
    assert data["added"] == [{"id": "nova", "mailbox": "nova@contoso.com", "settings": {}, "note": ""}]
    assert data["gone"]
    assert data["written"] is False


def test_places_are_taken_as_a_table_is(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Graph tells goes the same way."""

    async def from_places(_settings: Any, lists: list[str]) -> tuple[FoundRoom, ...]:
        assert lists == ["north@contoso.com"]
        return (FoundRoom(mailbox="nova@contoso.com", name="Nova", note="cannot be booked"),)

    monkeypatch.setattr(rooms_command, "_from_places", from_places)
    result = call("rooms", "import", "--places", "--list", "north@contoso.com", "--write")
    assert result.exit_code == 0, result.stderr
    assert "note: cannot be booked" in told(result)
    assert 'id = "nova"' in (folder / "gateway.toml").read_text()


class OneToken:
    """In the place of msal: one token, and it must be closed."""

    closed = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    async def token(self, *, claims: str | None = None) -> str:
        del claims
        return "t"

    async def aclose(self) -> None:
        OneToken.closed += 1


@pytest.mark.parametrize("status", [200, 403])
def test_places_are_asked_with_the_configured_credential(
    call: Call, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The whole way but for the network; a missing consent is told by its name."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer t"
        return httpx.Response(status, json={"value": [{"emailAddress": "nova@contoso.com"}]})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(auth, "MsalTokens", OneToken)
    monkeypatch.setattr(client, "GraphClient", partial(client.GraphClient, transport=transport))
    before = OneToken.closed
    result = call("rooms", "import", "--places")
    assert OneToken.closed == before + 1
    if status == httpx.codes.OK:
        assert "+ nova (nova@contoso.com)" in told(result)
    else:
        assert (result.exit_code, "Place.Read.All" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "say where the rooms come from"),
        (["x.csv", "--places"], 2, "one of them"),
        (["x.csv", "--list", "a@b.c"], 2, "--list goes with --places"),
        (["/nowhere/x.csv"], 1, "cannot be read"),
    ],
)
def test_wrong_usage_of_the_import_is_told(call: Call, arguments: list[str], code: int, words: str) -> None:
    """Before anything is read or written."""
    result = call("rooms", "import", *arguments)
    assert (result.exit_code, words in result.stderr) == (code, True)


def test_bad_rows_are_told_by_line_and_nothing_is_written(call: Call, folder: Path) -> None:
    """A table is taken whole or not at all."""
    before = (folder / "gateway.toml").read_text()
    table = folder / "rooms.csv"
    table.write_text("mailbox;capacity\nnova@contoso.com;4\nlyra;many\n")
    result = call("rooms", "import", str(table), "--write")
    assert result.exit_code == 1
    told = result.stderr.splitlines()
    assert len(told) == 2, "one line for each fault"
    assert told[0].startswith(f"occupancy-gateway: {table}:3: mailbox")
    assert told[1].startswith(f"occupancy-gateway: {table}:3: capacity")
    assert (folder / "gateway.toml").read_text() == before
