"""The pytest plugin: its fixtures do what their examples say, and it is never in the way."""

import inspect
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulators import pytest_plugin
from simulators.broker import EmbeddedBroker
from simulators.clock import ManualClock
from simulators.exchange import ExchangeSimulator
from simulators.mqtt_tools import BrokerAddress, connected
from simulators.office import Office
from simulators.scenario.gateway import Gateway

ROOT = Path(__file__).parents[2]
NAME = "simulators.pytest_plugin"
FIXTURES = ("clock", "office", "exchange", "broker", "gateway")
HOUR_MS = 3_600_000

ENTRY_POINTS = f"[pytest11]\n{NAME} = {NAME}\n"
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
EXAMPLE = re.compile(r"^( *)(?:async )?def test_\w+\((.*)\):\n(?:\1 +.*\n)+", re.MULTILINE)
A_TEST = """
def test_it(gateway):
    gateway.room("orion")
    gateway.book("orion", "09:00-10:00")
    gateway.at("09:30")
    assert gateway.released("orion", "09:00")
"""


def test_the_gateway_lives_through_a_morning(gateway: Gateway, tmp_path: Path) -> None:
    """A room that nobody came to is given back; what the gateway remembers lies in the test's own folder."""
    gateway.room("orion", sensors=["radar", "pir"])
    gateway.book("orion", "09:00-10:00", by="ana")
    gateway.at("09:30")
    assert gateway.released("orion", "09:00")
    assert (tmp_path / "ledger.db").exists()


def test_the_clock_stands_still_until_it_is_moved(clock: ManualClock) -> None:
    """It is eight on a Monday, and a moment later it still is."""
    began = clock.now()
    assert began % (24 * HOUR_MS) == 8 * HOUR_MS
    clock.advance(HOUR_MS)
    assert clock.now() - began == HOUR_MS


def test_the_office_has_a_morning_in_it(office: Office, clock: ManualClock) -> None:
    """Bookings that are attended and bookings that are not, from the clock's moment on."""
    assert [room.id for room in office.rooms] == list(pytest_plugin.ROOMS)
    assert office.start_ms == clock.now()
    assert office.ghosts()
    assert any(office.attended(booking) for booking in office.bookings)
    assert next(office.messages()).t >= clock.now()


def test_exchange_has_the_rooms_of_the_office(
    exchange: ExchangeSimulator, office: Office, clock: ManualClock
) -> None:
    """Each of them accepts a booking, at the clock's time."""
    for room in office.rooms:
        meeting = exchange.book("ana@contoso.com", room.mailbox, clock.now(), clock.now() + HOUR_MS)
        status = exchange.status(meeting, room.mailbox)
        assert (status.response, status.responded_ms) == ("accepted", clock.now())


async def test_the_broker_takes_and_gives_messages(broker: EmbeddedBroker) -> None:
    """What is published on its port comes to who subscribed."""
    async with connected(BrokerAddress(host=broker.host, port=broker.port)) as client:
        await client.subscribe("orion/#", qos=1)
        await client.publish("orion/radar", "ON", qos=1)
        message = await anext(aiter(client.messages))
        assert (str(message.topic), message.payload) == ("orion/radar", b"ON")


@pytest.mark.parametrize("name", FIXTURES)
def test_every_fixture_shows_itself_with_an_example(name: str) -> None:
    """Its docstring has a test that uses it, in Python that compiles."""
    written = inspect.getdoc(_plain(getattr(pytest_plugin, name))) or ""
    first, _, rest = written.partition("\n")
    assert first.endswith((".", ":")) or rest
    example = EXAMPLE.search(f"{written}\n")
    assert example
    assert name in example[2]
    compile(textwrap.dedent(example[0]), name, "exec")


def _plain(fixture: Any) -> Callable[..., Any]:
    """The function that a fixture was made from."""
    function: Callable[..., Any] = inspect.unwrap(fixture)
    return function


def test_whoever_does_not_use_the_plugin_does_not_pay_for_it() -> None:
    """Loading it imports nothing of the gateway or its simulators, and nothing that they need."""
    code = (
        f"import sys, pytest, asyncio; before = set(sys.modules); import {NAME}\n"
        "print(sorted(set(sys.modules) - before))"
    )
    said = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout.strip() == "['simulators', 'simulators.pytest_plugin']"


def test_the_entry_point_has_the_name_of_the_module() -> None:
    """By that name pytest knows the plugin again; under another it would refuse it as registered twice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {NAME: NAME}


def test_pytest_is_no_dependency_of_the_gateway() -> None:
    """The plugin may need it, whoever runs a gateway must not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [one for extra in ("simulator",) for one in project["optional-dependencies"][extra]]
    assert not [one for one in (*project["dependencies"], *optional) if one.startswith("pytest")]
    users = [path for path in (ROOT / "gateway").rglob("*.py") if "import pytest" in path.read_text()]
    assert users == []


@pytest.mark.thorough  # outside of coverage: a program of its own takes long to start with it
@pytest.mark.parametrize(
    ("installed", "named"),
    [(True, False), (False, True), (True, True)],
    ids=["by its entry point", "by name", "both"],
)
def test_the_fixtures_are_there_however_the_plugin_was_loaded(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, installed: bool, named: bool
) -> None:
    """Installed, named in a conftest, or both at once: one plugin, and no complaint."""
    site = pytester.mkdir("site")
    if installed:
        metadata = site / "contoso_tools-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: contoso-tools\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    if named:
        pytester.makeconftest(f'pytest_plugins = ["{NAME}"]')
    pytester.makeini(INI)
    pytester.makepyfile(A_TEST)
    monkeypatch.setenv("PYTHONPATH", f"{site}:{ROOT}")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)


def test_a_project_may_have_a_fixture_of_the_same_name(pytester: pytest.Pytester) -> None:
    """A project's own fixtures win over the plugin's."""
    pytester.makeini(INI)
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef clock():\n    return 'ours'\n")
    pytester.makepyfile("def test_it(clock):\n    assert clock == 'ours'\n")
    pytester.runpytest("-p", NAME).assert_outcomes(passed=1)


def test_a_test_that_fails_still_stops_its_gateway(pytester: pytest.Pytester) -> None:
    """What a failing test began is ended: the next one finds nothing running."""
    fails = "def test_fails(gateway):\n    gateway.room('orion')\n    gateway.at('09:00')\n    assert False\n"
    pytester.makeini(INI)
    pytester.makepyfile(fails + A_TEST)
    pytester.runpytest("-p", NAME).assert_outcomes(passed=1, failed=1)
