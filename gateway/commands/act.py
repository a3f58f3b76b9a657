"""Commands that tell a running gateway something: they go over its local socket and become facts."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.base import CONFIG, ConfigOption, JsonOption, Office, print_json
from gateway.commands.find import key_for_command
from gateway.runtime.control import call
from gateway.shown.paint import console, text

RoomArgument = Annotated[str, typer.Argument(metavar="ROOM", help="The room's id, such as orion.")]
BookingOption = Annotated[
    str,
    typer.Option(
        "--booking",
        "-b",
        metavar="KEY",
        help="Not the current booking but this one: its key, or any part of it that fits no other.",
    ),
]


def check_in(
    room: RoomArgument,
    booking: BookingOption = "",
    *,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Check in a room's booking: people are there.

    It is not released then. A person's word stands for the whole booking, whatever the sensors say
    afterwards. Ten minutes before its start (early_arrival) a booking can already be checked in.

    Example:
      occupancy-gateway check-in orion
    """
    _give("check-in", room, booking, config, json=json)


def keep(
    room: RoomArgument,
    booking: BookingOption = "",
    *,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Keep a booking, even if nobody comes.

    No automatic rule touches it any more. Without --booking it is the room's current booking, or else
    the next one.

    Example:
      occupancy-gateway keep orion
    """
    _give("keep", room, booking, config, json=json)


def end(
    room: RoomArgument,
    booking: BookingOption = "",
    *,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """End a room's booking now: its people are done.

    In a live room the rest of its time comes free in Exchange. In shadow mode it is only recorded. A
    booking that has not begun cannot be ended: its organizer cancels it.

    Example:
      occupancy-gateway end orion
    """
    _give("end", room, booking, config, json=json)


def live(
    room: RoomArgument,
    *,
    without_rehearsal: Annotated[
        bool,
        typer.Option(
            "--without-rehearsal",
            help="Although nobody has rehearsed with this tenant; it is recorded by which user id.",
        ),
    ] = False,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Set a room live: its decisions are carried out.

    From its next booking on they are written to Exchange. Look at `shadow-record` first: it tells what the
    room would have given back in shadow mode, and how often that would have been wrong. It is refused
    until `exchange rehearse` has shown that this tenant's Exchange behaves as the gateway expects. A
    change of the room's mode in the configuration file counts anew.

    Example:
      occupancy-gateway live orion
    """
    more = {"without_rehearsal": True, "by": f"command of user {os.getuid()}"} if without_rehearsal else {}
    _give("live", room, "", config, json=json, more=more)


def shadow(room: RoomArgument, *, config: ConfigOption = CONFIG, json: JsonOption = False) -> None:
    """Set a room back to shadow mode: nothing is written.

    The gateway decides and records as before, and writes nothing to Exchange. It holds at once, also
    for the current booking; a release that is not yet written is withdrawn.

    Example:
      occupancy-gateway shadow orion
    """
    _give("shadow", room, "", config, json=json)


def were_here(
    room: RoomArgument,
    booking: BookingOption = "",
    *,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Say that a room was given back although people were there.

    Or on their way. Without --booking it is the booking that was given back last and is not over. In a
    live room that is still free, the room is booked for them until that booking would have ended. The
    release counts as wrong in `report`, and the room gives nothing back automatically until somebody has
    looked (`reviewed`).

    Example:
      occupancy-gateway were-here orion
    """
    _give("were-here", room, booking, config, json=json)


def reviewed(room: RoomArgument, *, config: ConfigOption = CONFIG, json: JsonOption = False) -> None:
    """Say that somebody has looked at a wrong release.

    The room may give bookings back automatically again. First find out what went wrong: `explain` names
    the sensors that vouched for emptiness, and for which time.

    Example:
      occupancy-gateway reviewed orion
    """
    _give("reviewed", room, "", config, json=json)


def close_breaker(*, config: ConfigOption = CONFIG, json: JsonOption = False) -> None:
    """Say that many empty rooms at once are right.

    When many rooms fall silent together, nothing is given back until somebody has looked, because one
    dead radio looks the same. Walk past some of the rooms, or look at `status --sensors`, first. It also
    closes by itself when half of those rooms show presence again.

    Example:
      occupancy-gateway close-breaker
    """
    _give_site("close-breaker", config, json=json)


def resume_writing(*, config: ConfigOption = CONFIG, json: JsonOption = False) -> None:
    """Write to Exchange again after writing was halted.

    It stops when the release of one occurrence of a series made others vanish, and `status` then says
    "Nothing is written". First compare the series in the room's calendar and in its organizer's, restore
    what is missing, and find out why it happened.

    Example:
      occupancy-gateway resume-writing
    """
    _give_site("resume-writing", config, json=json)


def _give_site(command: str, config: Path, *, json: bool) -> None:
    answer = call(Office(config).settings.control_socket, {"command": command})
    if json:
        print_json(answer)
        return
    for sentence in answer["said"]:
        console().print(text(sentence))


def _give(
    command: str, room: str, booking: str, config: Path, *, json: bool, more: Mapping[str, Any] | None = None
) -> None:
    office = Office(config)
    office.room(room)
    key = key_for_command(office, room, booking)
    request = {"command": command, "room": room, "booking": key, **(more or {})}
    answer = call(office.settings.control_socket, request)
    if json:
        print_json(answer)
        return
    screen = console()
    for sentence in answer["said"]:
        screen.print(text(f"{office.names[room]}: {sentence}"))
