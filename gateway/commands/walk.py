"""`walk-test`: somebody comes in, sits still and leaves, and the gateway shows what each sensor says."""

import json as json_text
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Protocol, TextIO

import typer

from gateway.commands.base import (
    CONFIG,
    CommandError,
    ConfigOption,
    JsonOption,
    Office,
    WrongUsage,
    present,
)
from gateway.core.units import Duration, Instant
from gateway.durations import DurationError, parse_duration
from gateway.placing.walk import Phases, Said, Walked, judge
from gateway.placing.walk_tests import WalkTest, as_json, folder_of, keep
from gateway.runtime.control import Listening
from gateway.shown.paint import console, text

Json = dict[str, Any]

PHASES: Final = ("enter", "seated", "leave")
WHAT_TO_DO: Final = {
    "enter": "Come in, walk to a chair and sit down",
    "seated": "Sit still, as in a meeting: read something, hands on the table",
    "leave": "Leave the room, close the door, and wait until every sensor is clear",
}
LONGEST_MS: Final[Duration] = 2 * 3_600_000
MAX_SAID: Final = 50_000
"""Readings of one test; a radar that reports each second for two hours has 7,200."""
REFRESH_MS: Final[Duration] = 1_000


class Feed(Protocol):
    """What a test waits for: sensors, the Enter key, and time."""

    def now(self) -> Instant:
        """The present."""
        ...

    def wait(self, at_most_ms: Duration) -> tuple[list[Json], bool]:
        """What came from the gateway, and whether Enter was pressed. Raises ControlError."""
        ...


class Timings(NamedTuple):
    """How long each phase lasts, in ms; None: until Enter is pressed."""

    enter: Duration | None
    seated: Duration | None
    leave: Duration | None


def walk_test(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="The room's id, such as orion.")],
    *,
    enter: Annotated[
        str, typer.Option("--enter", metavar="TIME", help="How long coming in takes, instead of Enter: 20s.")
    ] = "",
    seated: Annotated[
        str, typer.Option("--seated", metavar="TIME", help="How long somebody sits still: 3m or more.")
    ] = "",
    leave: Annotated[
        str, typer.Option("--leave", metavar="TIME", help="How long to wait after leaving: 2m.")
    ] = "",
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> None:
    """Try whether a room's sensors see people.

    Come in, sit still, leave: it shows what each sensor says meanwhile, and then for each whether and
    how fast it saw you, how long it was quiet while you sat there, when it was clear again, and what to
    do about it. Each phase ends with the Enter key, or after the times that are given. Sit for longer
    than the longest hold. The result is kept beside the ledger; `sensors list` shows it. Needs a running
    gateway; nothing is written to Exchange, and nobody else should come in meanwhile.

    Examples:
      occupancy-gateway walk-test orion
      occupancy-gateway walk-test orion --enter 20s --seated 12m --leave 2m --json
    """
    office = Office(config)
    office.room(room)
    timings = Timings(_time("--enter", enter), _time("--seated", seated), _time("--leave", leave))
    if None in timings and not sys.stdin.isatty():
        raise WrongUsage("without a terminal there is no Enter key: say --enter, --seated and --leave.")
    beside = office.settings.ledger.path.parent
    _must_be_kept(beside)
    with closing(Listening(office.settings.control_socket, {"command": "watch", "room": room})) as line:
        show = _as_json_lines if json else _as_lines
        screen = nullcontext(show) if json or not console().is_terminal else _live(office.names[room])
        with screen as tell_event:
            test = run_test(LineFeed(line, sys.stdin), timings, tell_event)
    path = _kept(test, beside)
    told = as_json(test) | {"room": room, "file": str(path)}
    if json:
        _as_json_lines({"event": "verdict", **told})
        return
    from gateway.shown.sensors import paint_verdict  # noqa: PLC0415 - needed here only

    paint_verdict(console(), told)
    console().print(text(f"Kept in {path}"))


def _time(option: str, words: str) -> Duration | None:
    if not words:
        return None
    try:
        duration = parse_duration(words)
    except DurationError as error:
        raise WrongUsage(f"{option} {words!r}: expected {error}.") from None
    if not 0 < duration <= LONGEST_MS:
        raise WrongUsage(f"{option} {words!r}: expected more than 0s and at most 2h.")
    return duration


def _must_be_kept(beside: Path) -> None:
    """Better told now than after a quarter of an hour. Raises CommandError."""
    folder = folder_of(beside)
    try:
        folder.mkdir(mode=0o750, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CommandError(
            f"{folder}: the result could not be kept there ({error.strerror or error}); run this as the "
            "gateway's user, or as root."
        ) from None


def _kept(test: WalkTest, beside: Path) -> Path:
    try:
        return keep(test, beside)
    except OSError as error:
        raise CommandError(f"{folder_of(beside)}: cannot be written ({error.strerror or error}).") from None


# -- the test itself ----------------------------------------------------------------------------------


def run_test(feed: Feed, timings: Timings, tell_event: Callable[[Json], None]) -> WalkTest:
    """Go through the phases; what happens is told as events. Raises ControlError, CommandError."""
    begin = _beginning(feed)
    sensors = tuple(Walked(**{key: one[key] for key in Walked.__struct_fields__}) for one in begin["sensors"])
    said: list[Said] = []
    tell_event(begin)
    instants = [feed.now()]
    for phase, lasts in zip(PHASES, timings, strict=True):
        tell_event(
            {"event": "phase", "phase": phase, "at": instants[-1], "do": WHAT_TO_DO[phase], "lasts_ms": lasts}
        )
        _go_through(feed, instants[-1], lasts, said, tell_event)
        instants.append(max(instants[-1], feed.now()))
    phases = Phases(*instants)
    verdict = judge(sensors, phases, said)
    return WalkTest(begin["room"], phases.end, phases, sensors, verdict)


def _beginning(feed: Feed) -> Json:
    waited_until = feed.now() + 30_000
    while feed.now() < waited_until:
        for event in feed.wait(REFRESH_MS)[0]:
            if event["event"] == "begin":
                return event
    raise CommandError("the gateway tells nothing of this room; look at its log")


def _go_through(
    feed: Feed,
    since: Instant,
    lasts: Duration | None,
    said: list[Said],
    tell_event: Callable[[Json], None],
) -> None:
    until = since + (LONGEST_MS if lasts is None else lasts)
    while (left := until - feed.now()) > 0:
        events, pressed = feed.wait(min(left, REFRESH_MS))
        for event in events:
            if event["event"] == "reading" and len(said) < MAX_SAID:
                said.append(Said(event["at"], event["sensor"], event["kind"], event["value"]))
            if event["event"] == "lost":
                raise CommandError(
                    "the gateway told more than could be shown, and some of it is lost; try again"
                )
            tell_event(event)
        tell_event({"event": "time", "at": feed.now(), "left_ms": None if lasts is None else max(0, left)})
        if pressed and lasts is None:
            return


class LineFeed:
    """The running gateway's stream, and the keyboard."""

    def __init__(self, line: Listening, keys: TextIO) -> None:
        self._line = line
        self._keys: TextIO | None = keys if keys.isatty() else None

    def now(self) -> Instant:
        """By this machine's clock, which is the gateway's."""
        return present()

    def wait(self, at_most_ms: Duration) -> tuple[list[Json], bool]:
        """Whatever comes first."""
        waits: list[Any] = [self._line, *([self._keys] if self._keys is not None else [])]
        ready, _, _ = select.select(waits, [], [], at_most_ms / 1000)
        pressed = False
        if self._keys is not None and self._keys in ready:
            pressed = bool(self._keys.readline())
            if not pressed:
                raise CommandError("the terminal is gone, so nobody can say what happens; try again")
        return (self._line.read() if self._line in ready else []), pressed


# -- how it is shown ----------------------------------------------------------------------------------


def _as_json_lines(event: Json) -> None:
    if event["event"] not in {"time", "alive"}:
        typer.echo(json_text.dumps(event))


def _as_lines(event: Json) -> None:
    line = in_words(event)
    if line:
        console().print(text(line))


def in_words(event: Json) -> str:
    """An event as a line; empty for those that only say that time passes."""
    if event["event"] == "begin":
        names = ", ".join(one["sensor"] for one in event["sensors"]) or "no sensor"
        return f"{event['room']} has {names}."
    if event["event"] == "phase":
        how = "then press Enter" if event["lasts_ms"] is None else f"for {event['lasts_ms'] // 1000} s"
        return f"{event['phase']}: {event['do']}, {how}."
    if event["event"] == "reading":
        return f"  {event['sensor']}: {event['kind']} {event['value']}"
    if event["event"] == "availability":
        return f"  {event['sensor']}: {'online' if event['online'] else 'offline'}"
    return ""


@contextmanager
def _live(name: str) -> Iterator[Callable[[Json], None]]:
    """A table that changes in place."""
    from rich.live import Live  # noqa: PLC0415 - for terminals only

    from gateway.shown.walk import Picture  # noqa: PLC0415 - as above

    picture = Picture(name)
    with Live(picture.table(), console=console(), auto_refresh=False) as live:

        def show(event: Json) -> None:
            picture.hear(event)
            live.update(picture.table(), refresh=True)

        yield show
