"""The picture of the site for people: one short block a room, then the gateway itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.core.units import MINUTE_MS
from gateway.shown.paint import BAD, DASH, GOOD, NAME, QUIET, WARN, grid, listing, plain, text

Json = Mapping[str, Any]

STATUS_STYLE: Final = {"occupied": GOOD, "vacant": "", "unknown": WARN}
OLD_CALENDAR_S: Final = 5 * MINUTE_MS // 1000
"""From here on nothing is released on it, so it is worth a line."""


def paint_status(console: Console, picture: Json, site: str, *, sensors: bool) -> None:
    """Paint what `status --json` gives."""
    _heading(console, picture, site)
    rooms = picture["rooms"]
    if not rooms:
        console.print(text("No room is known yet.", QUIET))
    blocks = grid(3)
    for position, room in enumerate(rooms):
        if position:
            blocks.add_row("", "", "")
        _room(blocks, room)
    console.print(blocks)
    if sensors:
        console.print()
        _sensors(console, picture)


STANDSTILLS: Final = (
    ("paused", "Nothing is recorded"),
    ("writing_halted", "Nothing is written"),
    ("clock", "Nothing is released"),
    ("breaker", "Nothing is released"),
)
"""What in the gateway's own state stands still, in which case `status` begins with why."""


TOLD_ABOVE: Final = {
    "paused": "not_recording",
    "writing_halted": "writing_halted",
    "clock": "clock_untrusted",
    "breaker": "breaker_open",
    "calendars_in_trouble": "calendar_unreadable",
}
"""Alerts that a line of the gateway's own state makes unnecessary."""


def _heading(console: Console, picture: Json, site: str) -> None:
    gateway = picture["gateway"]
    console.print(text(site, NAME), text(_moment(picture["at"])), sep="  ")
    if not gateway["running"]:
        console.print(text(f"The gateway is not running. {_as_of(picture)}", WARN))
        if picture.get("breaker"):
            console.print(text(f"Nothing is released: {picture['breaker']}", BAD))
    else:
        console.print(_running(gateway))
        for key, words in STANDSTILLS:
            if gateway.get(key):
                console.print(text(f"{words}: {gateway[key]}", BAD))
        for room, why in gateway.get("calendars_in_trouble", {}).items():
            console.print(text(f"Calendar of {room}: {why}", WARN))
    _alerts(console, picture)
    if picture["wrong_releases"]:
        console.print(text(f"Releases reported as wrong, in all rooms: {picture['wrong_releases']}", WARN))
    console.print()


SHOWN_OF_EACH: Final = 5
"""So many alerts of a kind are shown one by one; `status --json` has more."""


def _alerts(console: Console, picture: Json) -> None:
    """What people have been told and what is not over, unless a line above says so already."""
    gateway = picture["gateway"]
    above = {kind for key, kind in TOLD_ABOVE.items() if gateway["running"] and gateway.get(key)}
    for group in picture.get("alerts", ()):
        if group["kind"] in above:
            continue
        style = BAD if group["severity"] == "problem" else WARN
        console.print(text(f"Since {_moment(group['since'])}: {group['sentence']}", style))
        if group["count"] > 1:
            for one in group["each"][:SHOWN_OF_EACH]:
                console.print(text(f"  {one['sentence']}"))


def _as_of(picture: Json) -> str:
    return f"This is how it was at {_moment(picture['at'])}, when it last recorded anything."


def _running(gateway: Json) -> Text:
    link = str(gateway["link"])
    requests = gateway["graph_requests"]
    writes = gateway["writes_under_way"]
    line = Text("running", style=GOOD)
    line.append(", broker ", style="")
    line.append(plain(link), style="" if link == "up" else WARN)
    line.append(f", {writes} write{'' if writes == 1 else 's'} under way, ", style="")
    line.append(f"{requests['read']} read and {requests['write']} write requests to Exchange")
    if requests["throttled"]:
        line.append(f" ({requests['throttled']} throttled)", style=WARN)
    return line


# -- rooms --------------------------------------------------------------------------------------------


def _room(blocks: Table, room: Json) -> None:
    occupancy = room["occupancy"]
    status = str(occupancy["status"])
    words = f"{status} since {_time(occupancy['since'])}" if occupancy["since"] else status
    first = Text(words, style=STATUS_STYLE.get(status, ""))
    if status == "unknown" and occupancy["why"]:
        first.append(f": {plain('; '.join(occupancy['why']))}", style="")
    blocks.add_row(
        text(room["name"], NAME), text(room["mode"], "" if room["mode"] == "live" else QUIET), first
    )
    for label, booking in (("now", room["booking"]), ("next", room["next"])):
        if booking is not None:
            blocks.add_row("", text(label, QUIET), _booking(booking, label))
    if room["booking"] is None and room["next"] is None:
        blocks.add_row("", text("next", QUIET), text("no booking", QUIET))
    record = _record(room)
    if record:
        blocks.add_row("", text("record", QUIET), text(record))
    for line in _troubles(room):
        blocks.add_row("", text("look", WARN), text(line))


KINDS: Final = {"walk_up": "walk-up", "hold": "held for those who had lost it"}
"""What the gateway booked itself, in words."""


def _booking(booking: Json, label: str) -> Text:
    line = text(f"{_time(booking['start'])} {DASH} {_time(booking['end'])}")
    if booking["kind"] != "meeting":
        line.append(f"  {KINDS[booking['kind']]}:", style=QUIET)
    if label == "now" or booking["state"] != "upcoming":
        line.append(f"  {plain(booking['outlook'])}")
    return line


def _record(room: Json) -> str:
    """How its releases went: judged in shadow, and reported as wrong."""
    record, wrong = room["shadow_record"], room["wrong_releases"]
    parts = []
    if record["judged"]:
        parts.append(f"{record['judged']} judged in shadow, {record['wrong']} of them followed by people")
    if room["mode"] == "shadow" and record["live_after"]:
        bar = f"goes live after {record['live_after']} with at most {record['live_if_wrong_at_most']} wrong"
        parts.append(bar)
    if wrong:
        parts.append(f"{wrong} release{'' if wrong == 1 else 's'} reported as wrong")
    if record["judged"]:
        parts.append(f"`shadow-record --room {room['room']}` tells how each of them went")
    return "; ".join(parts)


def _troubles(room: Json) -> list[str]:
    """What facilities staff should look at in this room."""
    lines = []
    if room["paused_since"]:
        lines.append(
            f"nothing is given back here since {_moment(room['paused_since'])}, when a release was reported "
            f"as wrong; find out why, then say `reviewed {room['room']}`"
        )
    calendar = room["calendar"]
    if calendar["age_s"] is None:
        lines.append("the calendar has not been read yet")
    elif calendar["trouble"] or calendar["age_s"] > max(OLD_CALENDAR_S, 2 * calendar["may_be_old_s"]):
        why = f": {calendar['trouble']}" if calendar["trouble"] else ""
        lines.append(f"the calendar was last read at {_moment(calendar['read_at'])}{why}")
    lines += [sensor["trouble"] for sensor in room["sensors"] if sensor["trouble"]]
    lines += room.get("unsupported", [])
    test = room.get("walk_test")
    if test is not None and not test["good"]:
        lines.append(f"its walk test of {_moment(test['at'])} found something: `sensors list` tells what")
    prospect = room.get("prospect")
    if prospect is not None and not prospect["can_prove"]:
        lines.append(prospect["why"])
    return lines


# -- sensors ------------------------------------------------------------------------------------------


def _sensors(console: Console, picture: Json) -> None:
    headers = (
        "Sensor",
        "Shows",
        "Last heard",
        "Trust",
        "Battery",
        "Received",
        "Accepted",
        "Folded",
        "Refused",
    )
    table = listing(*headers, right=range(4, 9))
    refused: list[tuple[str, Json]] = []
    for room in picture["rooms"]:
        for sensor in room["sensors"]:
            shows = "presence" if sensor["shows_presence"] else "nothing"
            heard = _time(sensor["last_heard"]) if sensor["last_heard"] else "never"
            style = "" if sensor["healthy"] else WARN
            messages = sensor["messages"]
            trust, battery = _trust(sensor.get("quality"))
            table.add_row(text(sensor["sensor"], style), shows, heard, trust, battery, *_numbers(messages))
            refused += [(sensor["sensor"], messages)] if messages["rejected"] else []
    for name, messages in picture["other_messages"].items():
        table.add_row(text(name, QUIET), *[DASH] * 4, *_numbers(messages))
        refused += [(name, messages)] if messages["rejected"] else []
    if not table.row_count:
        console.print(text("No sensor is configured here.", QUIET))
        return
    console.print(table)
    _why_not_to_trust(console, picture)
    if refused:
        console.print()
        console.print(text("Last refused messages", QUIET))
        lines = grid(3)
        for name, messages in refused:
            at = _moment(messages["last_error_at"]) if messages["last_error_at"] else "an unknown time"
            lines.add_row(text(name), text("at", QUIET), text(at))
            lines.add_row("", text("why", QUIET), text(messages["last_error"] or "no reason is recorded"))
            lines.add_row("", text("was", QUIET), text(messages["last_sample"] or "(empty)"))
        console.print(lines)


def _trust(quality: Json | None) -> tuple[str, str]:
    """Its grade, and its battery with the forecast."""
    if quality is None:
        return DASH, DASH
    battery, left = quality["battery"], quality["battery_days_left"]
    words = DASH if battery is None else f"{battery} %" + ("" if left is None else f", {left} d left")
    return str(quality["trust"]), words


def _why_not_to_trust(console: Console, picture: Json) -> None:
    """Each sentence about a sensor once, also where two rooms share it."""
    sentences = {
        sentence: None
        for room in picture["rooms"]
        for sensor in room["sensors"]
        for sentence in (sensor.get("quality") or {}).get("troubles", [])
    }
    if sentences:
        console.print()
        lines = grid(2)
        for sentence in sentences:
            lines.add_row(text("look", WARN), text(sentence))
        console.print(lines)


def _numbers(messages: Json) -> tuple[str, ...]:
    return tuple(f"{messages[name]:,}" for name in ("received", "accepted", "folded", "rejected"))


def _moment(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%a %d %b %Y %H:%M:%S")


def _time(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%H:%M")
