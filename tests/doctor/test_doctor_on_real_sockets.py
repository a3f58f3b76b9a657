"""The doctor over real TLS and with msal, against the simulated Exchange: sound, and with one thing wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.doctor.exchange import examine
from gateway.doctor.finding import Finding
from gateway.settings import Settings, parse
from simulators.exchange import ExchangeSimulator, Refuse
from simulators.exchange.serve import Connection, serving

ROOMS = [f"r{number}@contoso.com" for number in range(12)]


class Site:
    """The simulator, how to reach it, and the configuration of a gateway beside it."""

    def __init__(self, simulator: ExchangeSimulator, connection: Connection, folder: Path) -> None:
        self.simulator = simulator
        self.connection = connection
        self.folder = folder
        (folder / "secret").write_text(connection.client_secret)

    def settings(self, extra: str = "") -> Settings:
        rooms = "".join(f'[[room]]\nid = "{room.partition("@")[0]}"\nmailbox = "{room}"\n' for room in ROOMS)
        text = f"""\
[site]
name = "Contoso Riverside"
time_zone = "Europe/Berlin"
[mqtt]
host = "broker.contoso.com"
[exchange]
tenant_id = "{self.connection.tenant_id}"
client_id = "{self.connection.client_id}"
client_secret_file = "secret"
authority = "{self.connection.authority}"
base_url = "{self.connection.base_url}"
{extra or f'ca_file = "{self.connection.ca_file}"'}
{rooms}"""
        return parse(text, base=self.folder, environ={})

    async def look(self, extra: str = "") -> list[Finding]:
        return [finding async for finding in examine(self.settings(extra))]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A tenant with a dozen rooms."""
    simulator = ExchangeSimulator(rooms=ROOMS, now=SystemClock().now)
    async with serving(simulator, tmp_path / "tls") as connection:
        yield Site(simulator, connection, tmp_path)


def failed(findings: list[Finding]) -> list[tuple[str, str]]:
    """Steps that failed, and where."""
    return [(finding.step, finding.room) for finding in findings if finding.verdict == "fail"]


async def test_a_sound_tenant_is_found_sound(site: Site) -> None:
    """Every room is read and its right to write tried, and not one calendar entry is touched."""
    findings = await site.look()
    assert failed(findings) == []
    fine = [finding.step for finding in findings if finding.verdict == "ok"]
    assert fine.count("room readable") == len(ROOMS)
    assert {"entra: connection", "graph: connection", "entra: clock", "graph: clock", "token"} < set(fine)


async def test_without_its_root_certificate_nothing_secret_is_sent(site: Site) -> None:
    """A proxy that decrypts would see no secret and no token."""
    findings = await site.look("\n")
    assert failed(findings) == [("entra: connection", ""), ("graph: connection", "")]
    assert site.simulator.requests.total == 0


async def test_a_wrong_and_an_ended_secret_are_told_apart(site: Site) -> None:
    """By Entra's code, through msal."""
    (site.folder / "secret").write_text("not it")
    (found,) = [finding for finding in await site.look() if finding.verdict == "fail"]
    assert (found.step, found.code) == ("token", "AADSTS7000215")
    (site.folder / "secret").write_text(site.connection.client_secret)
    site.simulator.identity.secret_expired = True
    (found,) = [finding for finding in await site.look() if finding.verdict == "fail"]
    assert (found.step, found.code) == ("token", "AADSTS7000222")


async def test_one_room_outside_the_scope_is_named(site: Site) -> None:
    """The others are fine."""
    site.simulator.faults.add(Refuse(status=403, code="ErrorAccessDenied"), path="r7@contoso.com")
    assert failed(await site.look()) == [("room readable", "r7")]
