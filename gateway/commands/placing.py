"""`sensors list`, `assign`, `ignore`, `rename`, and `reload`: from a sensor that is heard to its room."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from gateway.commands.base import (
    CONFIG,
    CommandError,
    ConfigOption,
    JsonOption,
    Office,
    WrongUsage,
    present,
    print_json,
    tell,
)
from gateway.commands.look import picture_of
from gateway.core.policy import Role, Senses
from gateway.durations import format_duration
from gateway.exchange.moments import as_datetime
from gateway.ledger import LedgerError
from gateway.placing.walk_tests import newest_by_room
from gateway.runtime.control import ControlError, NotRunning, call
from gateway.sensors import FAMILIES
from gateway.settings import SensorSettings, parse
from gateway.settings_problems import did_you_mean
from gateway.settings_sections import SLUG, topic_name
from gateway.shown.paint import console, text

SensorArgument = Annotated[
    str, typer.Argument(metavar="SENSOR", help="The sensor's id, or the topic of one that has no room yet.")
]
Change = Callable[[str, Any], str]
USUAL_HEARTBEATS: Final = {
    "zigbee2mqtt": ' (its data sheet tells; many Zigbee PIRs: "1h")',
    "lorawan": " (the reporting interval that the device is set to)",
    "ld2410": ' (a radar on a serial line: "10s")',
    "ld2450": ' (a radar on a serial line: "10s")',
    "enocean": " (its data sheet tells; often some 15 to 30 minutes)",
}
"""What is known of a family's devices, where nothing was heard of this one."""
HEARD_KEYS: Final = ("id", "family", "topic", "senses", "role")
"""Of a sensor that is heard: what becomes settings, besides the options of its family."""
NOT_TAKEN: Final = "The gateway is not running: it takes this over when it starts."


def list_sensors(config: ConfigOption = CONFIG, *, json: JsonOption = False) -> None:
    """List the sensors of the rooms, and those that are heard and have no room yet.

    Asks the running gateway, which then listens for a quarter of an hour to what new sensors say: wave
    at one and ask again. What it suggests are guesses from names; nothing is decided by them.

    Example:
      occupancy-gateway sensors list
    """
    office = Office(config)
    rooms = _rooms(office)
    try:
        found = call(office.settings.control_socket, {"command": "sensors"})
    except NotRunning as away:
        found = {"discovery": {"listens": False, "why_not": str(away)}, "heard": []}
    tests = newest_by_room(office.settings.ledger.path.parent)
    told = {"rooms": rooms, **found, "walk_tests": tests}
    if json:
        print_json(told)
        return
    from gateway.shown.sensors import paint_sensors  # noqa: PLC0415 - needed here only

    paint_sensors(console(), told)


def _rooms(office: Office) -> list[dict[str, Any]]:
    """Each room with its sensors: as the gateway knows them, or as configured where nothing is known yet."""
    known: dict[str, dict[str, Any]] = {}
    with contextlib.suppress(LedgerError):
        known = {room["room"]: room for room in picture_of(office)["rooms"]}
    return [
        {
            "room": room.id,
            "name": room.name,
            "sensors": known[room.id]["sensors"]
            if room.id in known
            else [_unknown(one) for one in room.sensors],
        }
        for room in office.settings.rooms
    ]


def _unknown(sensor: SensorSettings) -> dict[str, Any]:
    """A sensor of which no gateway has heard yet."""
    return {
        "sensor": sensor.id,
        "senses": sensor.senses,
        "role": sensor.role,
        "last_heard": None,
        "healthy": False,
        "trouble": "not taken over yet",
    }


def assign(
    sensor: SensorArgument,
    room: Annotated[str, typer.Argument(metavar="ROOM", help="The room's id, such as orion.")],
    *,
    role: Annotated[
        Literal["room", "door", "seat"] | None,
        typer.Option(
            "--role",
            help="What it watches: the whole room, only its door, or only a seat. Left out: a guess.",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--id", metavar="ID", help="Short name for a new sensor; left out: from its own.")
    ] = "",
    heartbeat: Annotated[
        str,
        typer.Option(
            "--heartbeat", metavar="TIME", help="How often a new sensor speaks by itself, such as 1m."
        ),
    ] = "",
    topic: Annotated[
        str, typer.Option("--topic", metavar="TOPIC", help="Of a sensor that is not heard: its topic.")
    ] = "",
    family: Annotated[
        str, typer.Option("--family", metavar="FAMILY", help="Of a sensor that is not heard: its family.")
    ] = "",
    senses: Annotated[
        Literal["motion", "presence", "count"] | None,
        typer.Option("--senses", help="Of a sensor that is not heard: what it senses."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME=VALUE",
            help="An option of its family, such as eep=A5-07-01; repeatable.",
        ),
    ] = None,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Give a sensor to a room, or move it to another.

    The change goes into the configuration: comments stay, the old file is kept beside it, and the result
    is checked before it replaces anything. A running gateway takes it over at once. In both rooms the
    sensors must then prove anew that nobody is there. A sensor that is not heard can be given by its
    topic, family and what it senses.

    Examples:
      occupancy-gateway sensors assign zigbee2mqtt/orion-pir orion
      occupancy-gateway sensors assign orion-pir lyra --role door
      occupancy-gateway sensors assign lyra-pir lyra --heartbeat 1m
    """
    from gateway.rooms import sensors as edit  # noqa: PLC0415 - tomlkit is needed here only

    office = Office(config)
    office.room(room)
    configured = {one.id: place.id for place in office.settings.rooms for one in place.sensors}
    by_topic = {one.topic: one.id for place in office.settings.rooms for one in place.sensors}
    known = sensor if sensor in configured else by_topic.get(sensor, "")
    options = _options(option or [])
    if known and not topic:
        if name or heartbeat or family or senses or options:
            raise WrongUsage(
                f"{known} is a sensor of {configured[known]} already: --id, --heartbeat, --family, --senses "
                "and --option are for new ones. Change them in the configuration, then say `reload`."
            )
        _change(office, config, lambda text, how: edit.moved(text, known, room, role, how), json=json)
        return
    if topic or family or senses:
        new, speaks_each = _described(sensor, topic, family, senses, role), None
    else:
        new, speaks_each = _heard(office, sensor, role, options)
    new = _finished(new, name, heartbeat, options)
    _change(office, config, lambda text, how: edit.added(text, room, new, how), json=json)
    if new.heartbeat is None and not json:
        tell(
            f"note: {new.id} has no heartbeat, so it helps and proves no room empty; "
            + _advice(new, speaks_each)
            + ", and say `reload`"
        )


def _advice(new: SensorSettings, speaks_each: int | None) -> str:
    """Which heartbeat to set: what was heard, or what the family's devices do."""
    if speaks_each is not None:
        each = format_duration(speaks_each)
        return (
            f'it spoke each {each} while it was listened to: if it always does, set its heartbeat = "{each}"'
        )
    usual = USUAL_HEARTBEATS.get(new.family, "")
    return f"if it speaks by itself now and then, set how often in the configuration{usual}"


def _options(given: list[str]) -> dict[str, str]:
    """Names and values. Raises WrongUsage."""
    pairs = [one.partition("=") for one in given]
    wrong = next((one for one, (key, mark, _) in zip(given, pairs, strict=True) if not (key and mark)), None)
    if wrong is not None:
        raise WrongUsage(f"--option {wrong!r}: expected NAME=VALUE, such as eep=A5-07-01.")
    return {key: value for key, _, value in pairs}


def _described(
    sensor: str, topic: str, family: str, senses: Senses | None, role: Role | None
) -> SensorSettings:
    """A sensor that nobody has heard yet. Raises WrongUsage."""
    if not (topic and family and senses):
        raise WrongUsage("a sensor that is not heard needs --topic, --family and --senses, all three.")
    if family not in FAMILIES:
        raise WrongUsage(
            f"--family {family!r}: there are {', '.join(sorted(FAMILIES))}{did_you_mean(family, FAMILIES)}"
        )
    try:
        topic_name(topic)
    except ValueError as error:
        raise WrongUsage(f"--topic {topic!r}: expected {error}.") from None
    _slug("SENSOR", sensor)
    values = {"id": sensor, "family": family, "topic": topic, "senses": senses, "role": role or "room"}
    return SensorSettings.model_validate(values)


def _heard(
    office: Office, sensor: str, role: Role | None, options: dict[str, str]
) -> tuple[SensorSettings, int | None]:
    """A sensor that the running gateway hears, and how often it seems to speak. Raises CommandError."""
    socket = office.settings.control_socket
    try:
        try:
            answer = call(socket, {"command": "candidate", "sensor": sensor})
        except NotRunning:
            raise
        except ControlError:
            # Nobody has asked yet: now it listens, and has waited.
            heard = call(socket, {"command": "sensors"})["heard"]
            found = [one for one in heard if sensor in {one["id"], one["topic"]}]
            if options and len(found) == 1:  # what it lacks is said here
                answer = {"candidate": found[0], "settings": {key: found[0][key] for key in HEARD_KEYS}}
            else:
                answer = call(socket, {"command": "candidate", "sensor": sensor})
    except NotRunning as away:
        raise CommandError(
            f"{sensor} is in no room yet, and only a running gateway hears what it is ({away}). "
            "Or say it: --topic, --family and --senses."
        ) from None
    settings = answer["settings"] | ({"role": role} if role else {})
    return SensorSettings.model_validate(settings), answer["candidate"].get("heartbeat_ms")


def _finished(new: SensorSettings, name: str, heartbeat: str, options: dict[str, str]) -> SensorSettings:
    """With the id, heartbeat and options that were asked for. Raises WrongUsage."""
    values: dict[str, Any] = new.model_dump(include={"family", "topic", "senses", "role", "options"})
    values["id"] = _slug("--id", name) if name else new.id
    values["options"] |= options
    if heartbeat:
        values["heartbeat"] = heartbeat
    try:
        return SensorSettings.model_validate(values)
    except ValueError:
        raise WrongUsage(
            f'--heartbeat {heartbeat!r}: expected a duration from 1s to 7d, such as "1m", or "none".'
        ) from None


def _slug(what: str, word: str) -> str:
    if not SLUG.fullmatch(word):
        raise WrongUsage(
            f'{what} is {word!r}: expected a short name of a-z, 0-9, "-" and "_", such as "orion-pir"'
        )
    return word


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The sensor's id.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new id: a short name.")],
    *,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Give a sensor another id.

    It starts anew under it: what was heard under the old one stays in the ledger under that, and the
    room's sensors must prove anew that nobody is there.

    Example:
      occupancy-gateway sensors rename orion-pir orion-ceiling
    """
    from gateway.rooms import sensors as edit  # noqa: PLC0415 - tomlkit is needed here only

    _slug("NEW", new)
    _change(Office(config), config, lambda text, how: edit.renamed(text, old, new, how), json=json)


def ignore(
    sensor: SensorArgument,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="List it again.")] = False,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Do not list a sensor any more that no room needs.

    Its topic is kept in the configuration, [discovery] ignore.

    Examples:
      occupancy-gateway sensors ignore zigbee2mqtt/kitchen-pir
      occupancy-gateway sensors ignore zigbee2mqtt/kitchen-pir --undo
    """
    from gateway.rooms import sensors as edit  # noqa: PLC0415 - tomlkit is needed here only

    office = Office(config)
    ignored = list(office.settings.discovery.ignore)
    for room in office.settings.rooms:
        for one in room.sensors:
            if sensor in {one.id, one.topic}:
                raise WrongUsage(
                    f"{one.id} is a sensor of {room.id}; while it is broken or taken down, set its "
                    "in_service = false, or take its [[room.sensor]] out of the configuration."
                )
    topic = sensor if undo else _topic_of(office, sensor)
    if undo and topic not in ignored:
        raise CommandError(f"{topic} is not ignored; ignored are: {', '.join(ignored) or 'none'}.")
    topics = [one for one in ignored if one != topic] + ([] if undo else [topic])
    _change(office, config, lambda text, how: edit.ignoring(text, topics, how), json=json)


def _topic_of(office: Office, sensor: str) -> str:
    """The topic of a sensor that is heard; what nobody hears is taken for a topic."""
    try:
        answer = call(office.settings.control_socket, {"command": "candidate", "sensor": sensor})
    except ControlError:
        return sensor
    return str(answer["candidate"]["topic"])


def reload(config: ConfigOption = CONFIG, *, json: JsonOption = False) -> None:
    """Take over changed sensors without a restart.

    Only the rooms' sensors and [discovery] can change while the gateway runs. If anything else has
    changed, nothing is taken over, and what needs a restart is named.

    Example:
      occupancy-gateway reload
    """
    answer = call(Office(config).settings.control_socket, {"command": "reload"})
    if json:
        print_json(answer)
        return
    for sentence in answer["said"]:
        console().print(text(sentence))


# -- the change itself --------------------------------------------------------------------------------


def _change(office: Office, config: Path, change: Change, *, json: bool) -> None:
    """Change the file, then have it taken over. Raises CommandError; then nothing was changed."""
    from gateway.rooms.edit import EditError, write  # noqa: PLC0415 - tomlkit is needed here only
    from gateway.rooms.sensors import Editing  # noqa: PLC0415 - as above

    backup = None
    try:
        before = config.read_bytes().decode()
        after = change(before, Editing(str(config), config.absolute().parent))
        parse(after, file=str(config), base=config.absolute().parent)
        if after != before:
            stamp = f"{as_datetime(present()):%Y%m%dT%H%M%S%fZ}"
            backup = config.resolve().with_name(f"{config.name}.before-{stamp}")
            write(config, before, after, backup)
    except EditError as error:
        raise CommandError(*error.args) from None
    except OSError as error:
        where = error.filename or config
        raise CommandError(f"{where}: cannot be written ({error.strerror or error})") from error
    said, taken = (
        _taken_over(office) if backup is not None else (["Nothing to change: it is so already."], True)
    )
    if json:
        print_json(
            {
                "written": backup is not None,
                "backup": None if backup is None else str(backup),
                "taken_over": taken,
                "said": said,
            }
        )
        return
    screen = console()
    if backup is not None:
        screen.print(text(f"{config} is changed; the old one is {backup.name}."))
    for sentence in said:
        screen.print(text(sentence))


def _taken_over(office: Office) -> tuple[list[str], bool]:
    """What the running gateway says to the changed file."""
    try:
        return list(call(office.settings.control_socket, {"command": "reload"})["said"]), True
    except NotRunning:
        return [NOT_TAKEN], False
    except ControlError as error:
        return [f"The file is changed, but the running gateway did not take it over: {error}"], False
