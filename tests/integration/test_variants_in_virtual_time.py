"""One day under each way in which Exchange may behave where nobody has documented it.

Whatever it is: nobody loses a room who is in it, ghosts come back where Exchange lets them, no booking is
taken twice, and in the end the gateway knows what the mailbox holds.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from harness import World, at, in_world

from gateway.core.events import Ended
from gateway.core.units import DAY_MS
from gateway.exchange.calendar import window
from gateway.ledger import LedgerReader
from simulators.exchange import CalendarItem, OrganizerEvent, Variants, daily, variants
from simulators.world.manners import MANNERS

ORION, LYRA, VEGA = (f"{room}@contoso.com" for room in ("orion", "lyra", "vega"))
ANA = "person-001@contoso.com"
BEN = "person-002@contoso.com"
CARLA = "person-003@contoso.com"

pytestmark = pytest.mark.thorough


class Day:
    """What was booked, and what was to be seen on the way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lost: list[str] = []
        """Rooms that people were in and that were not theirs any more."""
        self.restored: dict[str, bool] = {}
        """Whether Exchange brought a booking back after its release."""
        vega = world.exchange.mailboxes.mailbox(VEGA)
        vega.processing = msgspec.structs.replace(
            vega.processing, all_book_in_policy=False, all_request_in_policy=True
        )

    def at(self, room: str, moment: str) -> list[CalendarItem]:
        """What holds a room just then."""
        found = self.world.exchange.calendar(room, at(moment), at(moment) + 1_000)
        return [item for item in found if item.blocks and item.response != "notResponded"]

    def theirs(self, event: OrganizerEvent, room: str, moment: str) -> None:
        """People sit there: note it if the room does not hold their booking."""
        if event.ical_uid not in {item.uid for item in self.at(room, moment)}:
            self.lost.append(f"{room} at {moment}")

    async def live_through(self) -> None:
        """From eight to half past five."""
        await self._morning()
        await self._noon()
        await self._afternoon()

    async def _morning(self) -> None:
        world, exchange = self.world, self.world.exchange
        self.attended = exchange.book(ANA, ORION, at("08:30"), at("09:00"))
        self.ghost = exchange.book(ANA, ORION, at("09:30"), at("10:30"))
        self.cancelled = exchange.book(BEN, LYRA, at("09:00"), at("10:00"))
        self.own = exchange.book_in_room(LYRA, at("10:00"), at("11:00"), attendees=[BEN])
        self.alone = exchange.book_in_room(VEGA, at("10:30"), at("11:30"))
        self.series = exchange.book(CARLA, ORION, at("11:00"), at("12:00"), recurrence=daily(count=5))
        self.tentative = exchange.book(BEN, VEGA, at("13:00"), at("14:00"))
        await world.until("08:31")
        world.enter()
        await world.until("08:45")
        exchange.change(self.attended, subject="With another title")
        await world.until("08:58")
        self.theirs(self.attended, ORION, "08:58")
        world.leave()
        await world.until("09:05")
        exchange.cancel(self.cancelled)
        await world.until("09:43")
        self.ghost_came_back = not self.at(ORION, "09:45")
        await world.until("11:14")
        self.series_came_back = not self.at(ORION, "11:14")

    async def _noon(self) -> None:
        """Organizers edit what was released, and somebody's request is approved late."""
        world, exchange = self.world, self.world.exchange
        await world.until("11:20")
        exchange.change(self.series, subject="All of them, renamed")
        await world.until("11:50")
        self.restored["series"] = bool(self.at(ORION, "11:50"))
        self.edited = exchange.book(ANA, ORION, at("13:00"), at("14:30"))
        self.moved = exchange.book(BEN, LYRA, at("13:30"), at("14:30"))
        await world.until("12:50")
        (waiting,) = [i for i in exchange.calendar(VEGA, at("13:00"), at("14:00")) if not i.is_organizer]
        exchange.mailboxes.respond(exchange.mailboxes.mailbox(VEGA), waiting.id, "accepted")
        await world.until("13:02")
        world.enter("vega")
        await world.until("13:20")
        exchange.change(self.edited, subject="Still wanted")
        await world.until("13:25")
        exchange.move(self.moved, at("15:00"), at("16:00"))
        await world.until("13:26")
        self.restored["edited"] = bool(self.at(ORION, "13:26"))
        if self.restored["edited"]:
            world.enter()
        await world.until("13:55")
        self.theirs(self.tentative, VEGA, "13:55")
        world.leave("vega")

    async def _afternoon(self) -> None:
        """The restored meeting goes on; the moved one is attended, and ended by its people."""
        world = self.world
        await world.until("14:25")
        if self.restored["edited"]:
            self.theirs(self.edited, ORION, "14:25")
        world.leave()
        self.last = world.exchange.book(ANA, ORION, at("15:00"), at("16:00"))
        await world.until("15:03")
        world.enter("lyra")
        await world.until("15:20")
        self.theirs(self.moved, LYRA, "15:20")
        assert world.service is not None
        await world.service.brain.record(Ended("lyra"))
        world.leave("lyra")
        await world.until("17:30")


def differing(world: World) -> Iterator[str]:
    """Rooms whose picture in the gateway is not what the mailbox holds."""
    assert world.service is not None
    start, end = window(world.clock.now(), world.settings.zone(world.settings.rooms[0]))
    for name, room in world.service.brain.site.rooms.items():
        known = {b.event_id: (b.start, b.end) for b in room.state.calendar.values() if b.is_decided_on}
        held = world.exchange.calendar(f"{name}@contoso.com", start, end)
        there = {item.id: (item.start_ms, item.end_ms) for item in held if item.blocks}
        if known != there:
            yield f"{name}: the gateway knows {known}, the room has {there}"


def releases(world: World) -> Counter[str]:
    """How often each booking was taken, by key."""
    with LedgerReader(world.folder / "ledger.db") as reader:
        rows = reader.outbox()
    return Counter(row.booking for row in rows if row.write.action == "release" and row.state == "applied")


def _cases() -> Iterator[object]:
    """Each variant; `make soak` has those about what the gateway never asks for (delta, subscriptions)."""
    for name, variant in variants():
        everyday = name in MANNERS or name.startswith("decline_takes")
        yield pytest.param(name, variant, id=name, marks=() if everyday else pytest.mark.soak)


@pytest.mark.parametrize(("name", "variant"), list(_cases()))
def test_a_day_ends_well_however_exchange_behaves(tmp_path: Path, name: str, variant: Variants) -> None:
    """Nobody loses a room, ghosts come back, nothing is taken twice, both pictures agree."""

    async def story(world: World) -> None:
        day = Day(world)
        await day.live_through()
        assert day.lost == []
        assert [key for key, times in releases(world).items() if times > 1] == []
        assert list(differing(world)) == []
        assert {state for _, state, _ in world.outbox()} <= {"applied", "superseded", "expired"}
        assert day.ghost_came_back
        assert day.series_came_back
        assert world.service is not None
        if name == "decline_takes=series":
            assert "vanish" in world.service.dispatch.halted
            assert day.at(ORION, "15:15"), "nothing is given back any more"
            return
        assert world.service.dispatch.halted == ""
        assert not day.at(LYRA, "10:45")
        assert not day.at(VEGA, "11:15")
        assert not day.at(ORION, "15:15")
        tomorrow = at("11:00") + DAY_MS
        assert world.exchange.status(day.series, ORION, occurrence=tomorrow).response == "accepted"
        assert day.restored == {
            "edited": variant.reaccepts == "any_update",
            "series": variant.series_update_restores,
        }

    rooms = ("orion", "lyra", "vega")
    in_world(tmp_path, story, variants=variant, rooms=rooms)
