"""The command that writes the configuration of a sensor's own firmware."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from gateway.commands.base import (
    CONFIG,
    CommandError,
    ConfigOption,
    JsonOption,
    WrongUsage,
    no_room,
    print_json,
    tell,
)
from gateway.firmware.kinds import KINDS, Firmware, make, settings_for
from gateway.firmware.plan import Broker, Kind, Unfit
from gateway.settings import SensorSettings, Settings, load
from gateway.settings_sections import SLUG

KindName = Literal[
    "esphome-ld2410",
    "esphome-pir",
    "tasmota-pir",
    "tasmota-ld2410",
    "zigbee2mqtt",
    "shelly",
    "chirpstack",
    "tts",
]
"""The names in KINDS, in the form in which typer reads them; a test keeps the two the same."""

NO_CONFIG: Final = (
    "no configuration at {config}: the broker is called {host} here, put yours; give --config otherwise"
)


def firmware(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="The room's id.")],
    sensor: Annotated[str, typer.Argument(metavar="SENSOR", help="The sensor's id, configured or new.")],
    config: ConfigOption = CONFIG,
    *,
    kind: Annotated[
        KindName, typer.Option("--kind", metavar="KIND", help=f"What the sensor is: {', '.join(KINDS)}.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead; must not exist yet.")
    ] = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="Only the [[room.sensor]] for gateway.toml that fits.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write the configuration for a sensor's own firmware.

    Filled in are broker, topics, names, heartbeat and hold, as the gateway's configuration expects them
    of this sensor, and the section for gateway.toml where it is a new one. Passwords are not: where one
    belongs stands "!secret mqtt_password". What a person should know is told on standard error.

    Examples:
      occupancy-gateway firmware orion orion-radar --kind esphome-ld2410
      occupancy-gateway firmware orion orion-pir --kind tasmota-pir --settings
    """
    known, configured, broker = _look_up(config, room, sensor)
    chosen = KINDS[kind]
    if settings and not json:
        _put(settings_for(chosen, room, sensor, configured), out)
        return
    name = room if known is None else known.room(room).name
    try:
        made = make(chosen, room, name, sensor, configured, broker)
    except Unfit as error:
        raise WrongUsage(
            f"{sensor} and --kind {kind} do not fit: {error}. With --settings this command prints a "
            "[[room.sensor]] that does."
        ) from None
    if known is None:
        tell("note: " + NO_CONFIG.format(config=config, host=broker.host))
    elif configured is None:
        tell(
            f"note: {sensor} is not in {known.file} yet; "
            f"the first comment holds the [[room.sensor]] to add to {room}"
        )
    for note in made.notes:
        tell(f"note: {note}")
    if json:
        print_json(_as_json(chosen, room, sensor, made))
    else:
        _put(made.text, out)


def _look_up(config: Path, room: str, sensor: str) -> tuple[Settings | None, SensorSettings | None, Broker]:
    """The configuration, the sensor in it, and the broker. Raises SettingsError, NotFound, WrongUsage."""
    for what, word in (("ROOM", room), ("SENSOR", sensor)):
        if not SLUG.fullmatch(word):
            raise WrongUsage(
                f'{what} is {word!r}: expected a short name of a-z, 0-9, "-" and "_", such as "orion"'
            )
    if config == CONFIG and not config.exists():
        return None, None, Broker()
    known = load(config)
    rooms = {one.id: one for one in known.rooms}
    if room not in rooms:
        raise no_room(room, rooms)
    for one in known.rooms:
        for candidate in one.sensors:
            if candidate.id == sensor and one.id != room:
                raise WrongUsage(
                    f"{sensor} hangs in {one.id}, not in {room}; ids are unique in the whole site"
                )
            if candidate.id == sensor:
                return known, candidate, Broker.of(known.mqtt)
    return known, None, Broker.of(known.mqtt)


def _put(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(f"{out}: exists already and may have been edited; choose another name.") from None
    except OSError as error:
        raise CommandError(f"{out}: cannot be written ({error.strerror or error}).") from None
    tell(f"note: written to {out}")


def _as_json(kind: Kind, room: str, sensor: str, made: Firmware) -> dict[str, Any]:
    return {
        "room": room,
        "sensor": sensor,
        "kind": kind.name,
        "file": sensor + kind.suffix,
        "text": made.text,
        "settings": made.settings,
        "loss_detectable": made.loss_detectable,
        "notes": list(made.notes),
    }
