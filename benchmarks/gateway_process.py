"""The gateway as `occupancy-gateway run` starts it, with nothing imported that it would not import.

The service, the link and the ledger are the real ones. Only Exchange is not there: its calendars
are answered in the process, and msal is imported (the memory that it takes is real) but not asked.

`python -m benchmarks.gateway_start <Order as JSON>`: prints a line of JSON once every room is heard
and every calendar read, and one each time that the number of acknowledged messages reaches a mark.
Ends in good order with its input.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import msal  # noqa: F401 - what asking for the first token would load
import msgspec

from benchmarks import office
from gateway import logs
from gateway.clock import Clock, SystemClock
from gateway.core.units import NEVER, Instant
from gateway.service import Service, Surroundings
from gateway.settings import load

LOOK_EVERY_S = 0.05


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How to run the gateway."""

    config: str
    linger_s: float
    marks: tuple[int, ...] = ()
    start_ms: Instant = 0
    speed: float = 1.0
    """Above 1 the gateway's clock starts at `start_ms` and runs so much faster."""


class Calendars(httpx.AsyncBaseTransport):
    """Answers every read of a calendar with the office's bookings; there is nothing to write in shadow."""

    def __init__(self, now: Instant) -> None:
        self._now = now
        self._answers: dict[str, bytes] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """A calendar, or a batch of them."""
        if not request.url.path.endswith("/$batch"):
            return httpx.Response(200, content=self._calendar(request.url.path), request=request)
        asked = msgspec.json.decode(request.content)["requests"]
        told = [
            {"id": one["id"], "status": 200, "body": msgspec.Raw(self._calendar(one["url"]))} for one in asked
        ]
        return httpx.Response(200, content=msgspec.json.encode({"responses": told}), request=request)

    def _calendar(self, path: str) -> bytes:
        """Of .../users/<room>@contoso.com/calendarView."""
        room = path.split("/users/")[1].split("@", maxsplit=1)[0]
        if room not in self._answers:
            self._answers[room] = office.calendar_view(room, self._now)
        return self._answers[room]


class Tokens:
    """Invented tokens for an invented Exchange."""

    async def token(self, *, claims: str | None = None) -> str:
        """Always the same one."""
        return f"invented{claims or ''}"


def main() -> None:
    """Follow the order in the first argument."""
    logs.configure("info", "json")
    asyncio.run(_run(msgspec.json.decode(sys.argv[1], type=Order)))


async def _run(order: Order) -> None:
    clock = _clock(order)
    service = Service(
        load(Path(order.config)),
        Surroundings(
            clock=clock,
            transport=Calendars(clock.now()),
            tokens=Tokens(),
            linger_s=order.linger_s,
        ),
    )
    _count_acknowledgements(service, order.marks)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_announce(service))
        tasks.create_task(_end_with_input(service))
        await service.run()


def _clock(order: Order) -> Clock:
    if order.speed == 1.0:
        return SystemClock()
    from simulators.clock import ScaledClock  # noqa: PLC0415 - a real gateway does not have it

    return ScaledClock(order.start_ms, order.speed)


def _count_acknowledgements(service: Service, marks: Sequence[int]) -> None:
    """Stand between brain and link; costs one call a batch."""
    count = 0
    open_marks = sorted(marks)
    acknowledge = service.link.acknowledge

    def counting(receipts: Sequence[object]) -> None:
        nonlocal count
        acknowledge(receipts)
        count += len(receipts)
        while open_marks and count >= open_marks[0]:
            say(f'{{"count": {open_marks.pop(0)}, "at": {time.monotonic()}}}')

    service.brain.attach(service, counting, service.link.drop)


async def _announce(service: Service) -> None:
    def is_up() -> bool:
        rooms = service.brain.site.rooms.values()
        read = all(room.state.calendar_read_at != NEVER for room in rooms)
        return bool(rooms) and read and service.intake.link_state == "up"

    while not is_up():  # noqa: ASYNC110 - nothing in a gateway tells when all is read
        await asyncio.sleep(LOOK_EVERY_S)
    say('{"up": true}')


async def _end_with_input(service: Service) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    service.stop()


def say(line: str) -> None:
    """One line to whoever measures."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
