"""Sensors for people: what each room has, what is heard and has no room, and what walk tests showed."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from gateway.durations import format_duration
from gateway.shown.paint import DASH, NAME, QUIET, WARN, grid, listing, plain, text

Json = Mapping[str, Any]


def paint_sensors(console: Console, told: Json) -> None:
    """Paint what `sensors list --json` gives."""
    tests = told["walk_tests"]
    blocks = grid(4)
    for position, room in enumerate(told["rooms"]):
        if position:
            blocks.add_row("", "", "", "")
        _room(blocks, room, tests.get(room["room"]))
    console.print(blocks)
    console.print()
    _heard(console, told)


def _room(blocks: Any, room: Json, test: Json | None) -> None:
    title = text(room["name"], NAME)
    if not room["sensors"]:
        blocks.add_row(title, "", "", text("no sensor", WARN))
    for sensor in room["sensors"]:
        trouble = sensor["trouble"]
        state = text(trouble or "well", WARN if trouble else "")
        blocks.add_row(
            title, text(sensor["sensor"]), text(f"{sensor['senses']}, {sensor['role']}", QUIET), state
        )
        title = Text()
    if test is not None:
        words = "well" if test["good"] else "see what to do:"
        line = text(f"walk test of {_moment(test['at'])}: {words}", "" if test["good"] else WARN)
        blocks.add_row("", "", "", line)
        for sentence in verdict_sentences(test):
            blocks.add_row("", "", "", text(sentence))


def verdict_sentences(test: Json) -> Iterator[str]:
    """The advice of a test, each sentence with its sensor; nothing where all went well."""
    yield from test["advice"]
    for one in test["sensors"]:
        for sentence in one["advice"]:
            yield f"{one['sensor']}: {sentence}"


def _heard(console: Console, told: Json) -> None:
    heard, state = told["heard"], told["discovery"]
    if state["why_not"]:
        console.print(text(f"Sensors without a room are not listened for: {state['why_not']}", WARN))
    elif state.get("listen") == "off":
        console.print(text("Sensors without a room are not listened for ([discovery] listen is off).", QUIET))
    if not heard:
        if not state["why_not"]:
            console.print(text("No sensor is heard that has no room yet.", QUIET))
        return
    console.print(text("Heard, and in no room yet", NAME))
    table = listing("Sensor", "Seems to be", "Battery", "Heard", "Room?", "Topic", right=(2,))
    for one in heard:
        battery = DASH if one["battery"] is None else f"{one['battery']} %"
        seems = f"{one['senses']}, {one['role']}"
        about = f"{seems} ({one['about']})" if one["about"] else f"{seems} ({one['family']})"
        at = _moment(one["last_heard"]) if one["last_heard"] else "not yet"
        if one.get("heartbeat_ms"):
            at += f", each {format_duration(one['heartbeat_ms'])}"
        table.add_row(
            text(one["id"]), text(about), battery, at, text(one["room"] or DASH), text(one["topic"], QUIET)
        )
    console.print(table)
    console.print(
        text(
            "Give one to a room: occupancy-gateway sensors assign SENSOR ROOM; or: sensors ignore SENSOR. "
            "Where it says how often it speaks, say so: --heartbeat 1m",
            QUIET,
        )
    )
    if state.get("left_out"):
        console.print(text(f"{state['left_out']} more were too many or too large, and are left out.", WARN))


def _moment(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%a %d %b %H:%M")


# -- walk tests ---------------------------------------------------------------------------------------


def paint_verdict(console: Console, test: Json) -> None:
    """Paint a finished test."""
    table = listing("Sensor", "Messages", "Saw you after", "Longest quiet", "Clear after", right=(1, 2, 3, 4))
    for one in test["sensors"]:
        clear = one["clear_after_ms"]
        table.add_row(
            text(one["sensor"], "" if one["good"] else WARN),
            str(one["messages"]),
            "never" if one["seen_after_ms"] is None else seconds(one["seen_after_ms"]),
            DASH if one["longest_quiet_ms"] is None else seconds(one["longest_quiet_ms"]),
            seconds(clear) if clear is not None else DASH if one["seen_after_ms"] is None else "not yet",
        )
    if test["sensors"]:
        console.print(table)
    for sentence in verdict_sentences(test):
        console.print(Text("look  ", style=WARN) + Text(plain(sentence)))
    if test["good"]:
        console.print(text("Every sensor did its part."))


def seconds(duration_ms: int) -> str:
    """A duration in whole seconds."""
    return format_duration(round(duration_ms / 1000) * 1000)
