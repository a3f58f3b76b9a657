"""`sensors quality`: how far the sensors can be trusted, by their own history in the ledger."""

from typing import Annotated

import typer

from gateway.commands.base import CONFIG, ConfigOption, JsonOption, NotFound, Office, print_json
from gateway.core.policy import whole_rooms
from gateway.ledger import LedgerReader
from gateway.reports.history import NOTE, History, kept
from gateway.reports.room_quality import RoomQuality, policy_flags, site_quality
from gateway.reports.watch import TELLING, Watch
from gateway.shown.paint import console
from gateway.shown.quality import paint_quality, quality_json


def quality(
    name: Annotated[
        str, typer.Argument(metavar="[ROOM|SENSOR]", help="Only this room, or only this sensor.")
    ] = "",
    *,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Say how far each sensor can be trusted, and what the rooms' sensors support.

    From their own history: how quiet a sensor is while others see people, how late it sees them,
    what it shows in an empty room, how often it really speaks, its battery. A sensor is "good" only
    if others confirm it; alone it stays "unknown". Where its profile does not fit, the line for the
    configuration is printed; nothing is changed.

    Examples:
      occupancy-gateway sensors quality
      occupancy-gateway sensors quality orion
    """
    office = Office(config)
    with office.ledger() as reader:
        rooms = quality_of(office, reader, catch_up=True)
        office.note_if_stale(reader)
    chosen = _chosen(rooms, name)
    configs = {room.id: room for room in whole_rooms(office.settings.site_config())}
    if json:
        print_json({"rooms": [quality_json(room, configs[room.room], office.times) for room in chosen]})
        return
    for position, room in enumerate(chosen):
        only = "" if name == room.room else name
        paint_quality(console(), room, configs[room.room], office, only=only, first=position == 0)


def _chosen(rooms: tuple[RoomQuality, ...], name: str) -> list[RoomQuality]:
    """The rooms that are meant. Raises NotFound."""
    if not name:
        return list(rooms)
    named = [room for room in rooms if room.room == name]
    named = named or [r for r in rooms if any(s.sensor == name and s.room == r.room for s in r.sensors)]
    if not named:
        known = ", ".join(sorted(room.room for room in rooms))
        raise NotFound(f"there is no room or sensor {name!r}; the rooms are: {known}.")
    return named


def quality_of(office: Office, reader: LedgerReader, *, catch_up: bool) -> tuple[RoomQuality, ...]:
    """How far the sensors can be trusted; without `catch_up` as of the gateway's own last look, if any."""
    site = office.settings.site_config()
    history = kept(reader.note(NOTE))
    if catch_up:
        gather(reader, Watch(site, history), history)
    elif not history.seq:
        return ()
    return site_quality(site, history, reader.counts(), office.times.clock)


def gather(reader: LedgerReader, watch: Watch, history: History) -> None:
    """Go through what the journal holds beyond the history."""
    watch.replay(reader.events(history.seq), reader.decisions_after(history.decision, TELLING))


def flags_of(office: Office, rooms: tuple[RoomQuality, ...]) -> dict[str, list[str]]:
    """By room: what its policy asks for and its sensors' history does not support."""
    configs = {room.id: room for room in whole_rooms(office.settings.site_config())}
    return {room.room: policy_flags(configs[room.room], room) for room in rooms}
