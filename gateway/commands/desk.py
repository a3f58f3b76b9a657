"""Commands that book: they ask the running gateway over its local socket, and wait for Exchange's answer."""

from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from gateway.commands.base import (
    CONFIG,
    ConfigOption,
    JsonOption,
    Office,
    WrongUsage,
    present,
    print_json,
)
from gateway.commands.find import find_booking
from gateway.commands.moments import parse_start
from gateway.core.units import Duration
from gateway.durations import DurationError, parse_duration
from gateway.runtime.control import call
from gateway.shown.free import paint_free
from gateway.shown.paint import console, text

WAIT_S: Final = 120.0
"""Longer than the gateway itself waits for Exchange."""

RoomArgument = Annotated[str, typer.Argument(metavar="ROOM", help="The room's id, such as orion.")]
WhichArgument = Annotated[
    str,
    typer.Argument(
        metavar="ROOM|BOOKING",
        help="A room's id (its current booking, or else the next), or part of a booking's key.",
    ),
]
OfRoomOption = Annotated[
    str, typer.Option("--room", metavar="ROOM", help="The room of that booking, where its key fits several.")
]
FromOption = Annotated[
    str,
    typer.Option(
        "--from", metavar="TIME", help='When it begins: "now", "14:00", "tomorrow 09:00", "15m" (from now).'
    ),
]


def book(
    room: RoomArgument,
    start: FromOption = "now",
    length: Annotated[
        str, typer.Option("--for", metavar="DURATION", help='How long: "30m", "1h30m".')
    ] = "30m",
    *,
    title: Annotated[
        str, typer.Option("--title", metavar="TEXT", help="What it is called; left out: as configured.")
    ] = "",
    organizer: Annotated[
        str,
        typer.Option("--organizer", metavar="ADDRESS", help="For whom: invited, so that they have it too."),
    ] = "",
    here: Annotated[
        bool, typer.Option("--here", help="You are in the room: a booking for now is checked in.")
    ] = False,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Book a room in Exchange.

    The room itself organises the booking. Nothing is booked over anything: the room's calendar is looked
    at right before, and once more afterwards. If somebody else booked it in the same moment, the one that
    Exchange made first stays, and this command says so. Until tomorrow night; further ahead in Outlook.

    Examples:
      occupancy-gateway book orion --for 30m
      occupancy-gateway book orion --from 14:00 --for 1h --title "Design review"
    """
    office = Office(config)
    office.room(room)
    asked = {
        "command": "book",
        "room": room,
        "start": parse_start("--from", start, present(), office.zone),
        "length": _length(length),
        "ask": str(uuid4()),
        "title": title,
        "organizer": organizer,
        "here": here,
    }
    _tell(office, asked, json=json)


def cancel(
    which: WhichArgument,
    *,
    room: OfRoomOption = "",
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Cancel a booking that was made through the gateway.

    One that runs is ended now. What others booked is theirs: its organizer cancels it in Outlook.

    Examples:
      occupancy-gateway cancel orion
      occupancy-gateway cancel 3f9a2c
    """
    office = Office(config)
    _tell(office, {"command": "cancel"} | _which(office, which, room), json=json)


def move(
    which: WhichArgument,
    *,
    to: Annotated[str, typer.Option("--to", metavar="ROOM", help="Into this room.")] = "",
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help='To this time: "15:00", "tomorrow 09:00".')
    ] = "",
    room: OfRoomOption = "",
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Move a booking that was made through the gateway.

    To another room, another time, or both; it keeps its length. The new time is booked first and the old
    one given up then, so nobody loses a room by trying. One that runs moves with what is left of it.

    Examples:
      occupancy-gateway move orion --to lyra
      occupancy-gateway move 3f9a2c --from 15:00
    """
    office = Office(config)
    if to:
        office.room(to)
    if not to and not start:
        raise WrongUsage("say where to (--to ROOM), to what time (--from TIME), or both.")
    when = parse_start("--from", start, present(), office.zone) if start else None
    if start and when is None:
        when = present()
    asked = {"command": "move", "to": to, "start": when, "ask": str(uuid4())}
    _tell(office, asked | _which(office, which, room), json=json)


def free(
    start: FromOption = "now",
    length: Annotated[
        str, typer.Option("--for", metavar="DURATION", help='For how long: "30m", "1h30m".')
    ] = "1h",
    *,
    capacity: Annotated[
        int, typer.Option("--capacity", metavar="N", min=1, help="For at least so many people.")
    ] = 1,
    tags: Annotated[
        str, typer.Option("--with", metavar="TAGS", help='What it must offer: "video,whiteboard".')
    ] = "",
    building: Annotated[str, typer.Option("--building", metavar="NAME", help="Only in this building.")] = "",
    floor: Annotated[str, typer.Option("--floor", metavar="NAME", help="Only on this floor.")] = "",
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Find a room that is free.

    By calendar; for now also by who is there: a room that is in use without a booking is shown as that,
    and where nobody knows, it says so. The smallest that is large enough comes first. What rooms offer is
    in the configuration (capacity, building, floor, tags).

    Examples:
      occupancy-gateway free
      occupancy-gateway free --from 14:00 --for 2h --capacity 6 --with video
    """
    office = Office(config)
    asked = {
        "command": "free",
        "start": parse_start("--from", start, present(), office.zone),
        "length": _length(length),
        "capacity": capacity,
        "tags": [tag.strip() for tag in tags.split(",") if tag.strip()],
        "building": building,
        "floor": floor,
    }
    answer = call(office.settings.control_socket, asked, WAIT_S)
    if json:
        print_json(answer)
    else:
        paint_free(console(), answer, office.times.on(present()))


def _length(given: str) -> Duration:
    try:
        return parse_duration(given)
    except DurationError as error:
        raise WrongUsage(f"--for {given!r}: expected {error}") from None


def _which(office: Office, which: str, room: str) -> dict[str, str]:
    """The room and the booking that are meant: a room's id, or any part of a key. Raises NotFound."""
    if which in office.names:
        return {"room": which, "booking": ""}
    if room:
        office.room(room)
    with office.ledger() as reader:
        found, booking = find_booking(office.times, reader, reader.site(), which, room)
    return {"room": found, "booking": booking}


def _tell(office: Office, asked: dict[str, Any], *, json: bool) -> None:
    answer = call(office.settings.control_socket, asked, WAIT_S)
    if json:
        print_json(answer)
        return
    for sentence in answer["said"]:
        console().print(text(sentence))
    if answer.get("checked_in"):
        console().print(text("It is checked in."))
    if answer.get("booking") and answer["code"] in ("booked", "moved"):
        console().print(text(f"Booking {answer['booking']}"), overflow="fold")
