"""The driver of the core and the whole service come to the same releases from the same days."""

import asyncio
from pathlib import Path

import pytest
from harness import CONFIGURATION

from gateway.ledger import LedgerReader
from gateway.service import Service
from gateway.settings import Settings, parse
from simulators.clock import VirtualClock, run_virtual
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator, OrganizerEvent
from simulators.in_process import surroundings
from simulators.link import MemoryLink
from simulators.people import PlannedBooking
from simulators.quality.drive import play
from simulators.quality.kits import KITS, Kit
from simulators.quality.policies import POLICIES
from simulators.quality.scene import ROOM, Days, messages, plan, scene
from simulators.toml import table

MAILBOX = f"{ROOM}@contoso.com"
SEED = 5
WITHIN_MS = 6_000
"""The service and the driver draw the pace of Exchange from different numbers."""


def configured(folder: Path, kit: Kit) -> Settings:
    """A live room with the kit's sensors."""
    (folder / "secret").write_text(CLIENT_SECRET)
    (folder / "secret").chmod(0o600)
    text = CONFIGURATION.format(tenant=TENANT_ID, client=CLIENT_ID, policy="", exchange="", site="")
    lines = table("[room]", {"id": ROOM, "mailbox": MAILBOX, "mode": "live"})
    for device in kit.devices(ROOM, SEED):
        lines += table("[room.sensor]", device.settings())
    return parse(text + "\n".join(lines), base=folder)


async def _organize(
    planned: PlannedBooking,
    exchange: ExchangeSimulator,
    clock: VirtualClock,
    booked: dict[str, OrganizerEvent],
) -> None:
    await asyncio.sleep(max(0.0, clock.seconds_until(planned.created_at)))
    booked[planned.key] = exchange.book(planned.organizer, MAILBOX, planned.start, planned.end)
    if planned.cancelled_at is not None:
        await asyncio.sleep(max(0.0, clock.seconds_until(planned.cancelled_at)))
        if exchange.status(booked[planned.key], MAILBOX).response != "declined":
            exchange.cancel(booked[planned.key])


def released_by_the_service(folder: Path, kit: Kit, days: Days) -> dict[str, int]:
    """When each booking was released, with everything but the sockets, in virtual time."""
    settings = configured(folder, kit)
    found: dict[str, int] = {}

    async def main(clock: VirtualClock) -> None:
        exchange, link = ExchangeSimulator(rooms=[MAILBOX], now=clock.now), MemoryLink()
        service = Service(settings, surroundings(clock, link, exchange))
        booked: dict[str, OrganizerEvent] = {}
        running = asyncio.create_task(service.run())
        async with asyncio.TaskGroup() as people:
            for planned in days.bookings:
                people.create_task(_organize(planned, exchange, clock, booked))
            for message in messages(kit, days, SEED):
                if message.t > clock.now():
                    await asyncio.sleep(clock.seconds_until(message.t))
                link.send(message.topic, message.payload, retain=message.retain, qos=message.qos)
        service.stop()
        await running
        keys = {event.ical_uid: key for key, event in booked.items()}
        with LedgerReader(folder / "ledger.db") as reader:
            found.update({keys[d.booking]: d.at for d in reader.decisions(kind="released")})

    run_virtual(main, days.start)
    return found


@pytest.mark.thorough  # the service takes seconds for what the core does at once
@pytest.mark.parametrize("kit", ["radar+pir", "counter"])
def test_the_service_releases_what_the_driven_core_releases(tmp_path: Path, kit: str) -> None:
    """The same bookings, seconds apart: what is measured fast holds for the service."""
    days = plan(SEED, 1)
    played = play(scene(KITS[kit], days, SEED), POLICIES["default"], SEED)
    driven = {d.booking: d.at for d in played.decisions if d.kind == "released"}
    served = released_by_the_service(tmp_path, KITS[kit], days)
    assert driven.keys() == served.keys()
    assert len(driven) >= 2
    assert {key: at for key, at in driven.items() if abs(at - served[key]) > WITHIN_MS} == {}
