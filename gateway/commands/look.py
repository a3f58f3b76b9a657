"""Commands that look: they read the configuration and the ledger, with or without a running gateway."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

import typer

from gateway.alerts import ALERTS_NOTE, KINDS, standing_json, told_before
from gateway.commands import find
from gateway.commands.base import (
    CONFIG,
    ConfigOption,
    JsonOption,
    Office,
    RoomOption,
    WrongUsage,
    present,
    print_json,
)
from gateway.commands.moments import (
    SinceOption,
    UntilOption,
    midnight,
    parse_day,
    parse_period,
    period_as_typed,
)
from gateway.commands.quality import flags_of, quality_of
from gateway.core.decisions import Decision, DecisionKind
from gateway.core.policy import whole_rooms
from gateway.core.units import DAY_MS, Instant
from gateway.ledger import Counts, LedgerError, LedgerReader
from gateway.placing.walk_tests import newest_by_room
from gateway.prospects import check_report, prospect, render_check
from gateway.reports import as_csv, as_json, as_table, rooms_report
from gateway.reports.room_quality import RoomQuality
from gateway.run import MISCONFIGURED
from gateway.runtime.control import NotRunning, call
from gateway.runtime.picture import site_picture
from gateway.settings import SettingsError, load
from gateway.shown.check import paint_check
from gateway.shown.day import entry_json, paint_day, paint_decisions
from gateway.shown.paint import Times, console
from gateway.shown.quality import sensor_summary
from gateway.shown.report import paint_report, paint_unsupported
from gateway.shown.status import paint_status
from gateway.shown.timeline import decision_json, paint_story, story_json

Format = Literal["table", "csv", "json"]


def check_config(config: ConfigOption = CONFIG, *, json: JsonOption = False) -> None:
    """Check the configuration, and tell what to expect of it.

    Every mistake is told with its line and how to mend it (exit code 2). For a sound file it says
    whether each room can ever give a booking back, how late, and how much of the ghost time: before
    anything goes live. What came of it in shadow is told by `shadow-record`. It connects to nothing.

    Example:
      occupancy-gateway check-config --config gateway.toml
    """
    try:
        settings = load(config)
        report = check_report(settings)
    except SettingsError as error:
        if not json:
            raise
        print_json({"file": str(config), "problems": list(error.problems)})
        raise typer.Exit(MISCONFIGURED) from None
    if json:
        print_json(report | {"problems": []})
    else:
        paint_check(console(), render_check(report))


# -- status -------------------------------------------------------------------------------------------


def status(
    config: ConfigOption = CONFIG,
    *,
    room: RoomOption = "",
    sensors: Annotated[
        bool, typer.Option("--sensors", help="Also each sensor: how far to trust it, what was refused.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show every room, and what is about to happen there.

    Occupancy, current and next booking, what the gateway is about to do and why. Asks the running
    gateway. If none runs, it says so and shows how things were when it last recorded anything. Above stands
    what is wrong, with since when and how to mend it; a line marked "look" names what somebody should look
    at in a room.

    Examples:
      occupancy-gateway status
      occupancy-gateway status --room orion --sensors
    """
    office = Office(config)
    if room:
        office.room(room)
    picture = picture_of(office, with_counts=sensors or json)
    if sensors:
        with office.ledger() as reader:
            _add_quality(office, picture, quality_of(office, reader, catch_up=True))
    if room:
        picture["rooms"] = [known for known in picture["rooms"] if known["room"] == room]
        picture["other_messages"] = {}
    _add_prospects(office, picture)
    _add_walk_tests(office, picture)
    if json:
        print_json({"site": office.settings.site.name} | picture)
    else:
        paint_status(console(), picture, office.settings.site.name, sensors=sensors)


def picture_of(office: Office, *, with_counts: bool = False) -> dict[str, Any]:
    """From the running gateway if there is one, otherwise from the ledger; counts from the ledger."""
    try:
        picture = call(office.settings.control_socket, {"command": "status"})
    except NotRunning as away:
        with office.ledger() as reader:
            picture = _last_picture(office, reader)
            picture["gateway"]["why"] = str(away)
            _add_counts(office, picture, reader.counts())
            _add_quality(office, picture, quality_of(office, reader, catch_up=False))
        return picture
    if with_counts:
        with office.ledger() as reader:
            _add_counts(office, picture, reader.counts())
    return picture


def _last_picture(office: Office, reader: LedgerReader) -> dict[str, Any]:
    newest = reader.newest_instant()
    if newest is None:
        raise LedgerError(f"{reader.path}: nothing has been recorded yet, and no gateway is running.")
    picture = site_picture(reader.site(), newest, office.zone)
    picture["gateway"] = {"running": False, "as_of": office.times.iso(newest)}
    picture["alerts"] = standing_json(told_before(reader.notes().get(ALERTS_NOTE, "")), office.times.iso)
    return picture


def _add_counts(office: Office, picture: dict[str, Any], counts: Mapping[str, Counts]) -> None:
    """Messages of each sensor, and of whatever else was heard."""
    others = dict(counts)
    for room in picture["rooms"]:
        for sensor in room["sensors"]:
            own = others.pop(sensor["sensor"], Counts())
            sensor["messages"] = _messages(own, office.times)
    picture["other_messages"] = {name: _messages(own, office.times) for name, own in others.items()}


def _messages(counts: Counts, times: Times) -> dict[str, Any]:
    return {
        "received": counts.accepted + counts.folded + counts.rejected,
        "accepted": counts.accepted,
        "folded": counts.folded,
        "rejected": counts.rejected,
        "last_error": counts.last_error,
        "last_sample": counts.last_sample,
        "last_error_at": times.iso(counts.last_error_at or None),
    }


def _add_quality(office: Office, picture: dict[str, Any], rooms: tuple[RoomQuality, ...]) -> None:
    """How far each sensor can be trusted, and what the policies ask for in vain."""
    flags = flags_of(office, rooms)
    judged = {sensor.sensor: sensor for room in rooms for sensor in room.sensors}
    for room in picture["rooms"]:
        room["unsupported"] = flags.get(room["room"], [])
        for sensor in room["sensors"]:
            own = judged.get(sensor["sensor"])
            sensor["quality"] = None if own is None else sensor_summary(own)


def _add_prospects(office: Office, picture: dict[str, Any]) -> None:
    """Whether each room can ever release, by the configuration as it stands."""
    prospects = {room.id: prospect(room) for room in whole_rooms(office.settings.site_config())}
    for room in picture["rooms"]:
        own = prospects.get(room["room"])
        room["prospect"] = None if own is None else {"can_prove": own.can_prove, "why": own.why}


def _add_walk_tests(office: Office, picture: dict[str, Any]) -> None:
    """How the newest walk test of each room went."""
    tests = newest_by_room(office.settings.ledger.path.parent)
    for room in picture["rooms"]:
        room["walk_test"] = tests.get(room["room"])


# -- bookings -----------------------------------------------------------------------------------------


def explain(
    booking: Annotated[
        str,
        typer.Argument(metavar="BOOKING", help="The booking's key, or any part of it that fits no other."),
    ] = "",
    *,
    config: ConfigOption = CONFIG,
    room: Annotated[
        str,
        typer.Option(
            "--room", metavar="ROOM", help="Alone: the room's current booking, or its last one that is over."
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Explain what was decided about a booking, and why.

    Tells its story in order with local times, then what was written to Exchange, then how it ended.
    The keys are listed by `bookings`.

    Examples:
      occupancy-gateway explain --room orion
      occupancy-gateway explain 4f2a90c1d7
    """
    if not booking and not room:
        raise WrongUsage("say which booking: its key, or --room ROOM for the room's current or last one.")
    office = Office(config)
    with office.ledger() as reader:
        if room:
            office.room(room, reader)
        site = reader.site()
        key = (
            find.find_booking(office.times, reader, site, booking, room)
            if booking
            else find.current_or_last(reader, site, room)
        )
        story = find.story_of(office, reader, site, key)
        office.note_if_stale(reader)
    if json:
        print_json(story_json(story, office.times))
    else:
        paint_story(console(), story, office.times)


def bookings(
    config: ConfigOption = CONFIG,
    *,
    room: RoomOption = "",
    day: Annotated[
        str, typer.Option("--day", metavar="DAY", help='"today", "yesterday", "tomorrow" or "2026-09-22".')
    ] = "today",
    json: JsonOption = False,
) -> None:
    """List a day's bookings, room by room.

    Each with its time, its key, and its state or what it came to. The keys are shortened to what tells
    them apart; `explain` understands the short form.

    Example:
      occupancy-gateway bookings --day yesterday
    """
    office = Office(config)
    start = parse_day("--day", day, present(), office.zone)
    since, until = midnight(start, office.zone), midnight(start + timedelta(days=1), office.zone)
    with office.ledger() as reader:
        rooms = [office.room(room, reader)] if room else [own.id for own in office.settings.rooms]
        site = reader.site()
        entries = find.day_entries(office, reader, site, rooms, since, until)
        office.note_if_stale(reader)
    times = office.times.on(since)
    if json:
        listed = {name: [entry_json(entry, times) for entry in own] for name, own in entries.items()}
        print_json({"day": start.isoformat(), "rooms": listed})
    else:
        heading = f"{times.date(since)} ({office.settings.site.time_zone})"
        paint_day(console(), entries, office.names, heading, times)


# -- decisions and reports ----------------------------------------------------------------------------


def decisions(
    config: ConfigOption = CONFIG,
    *,
    room: RoomOption = "",
    booking: Annotated[
        str, typer.Option("--booking", metavar="KEY", help="Only this booking: its key, or part of it.")
    ] = "",
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="Only this kind, such as released or withheld.")
    ] = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[
        int, typer.Option("--limit", min=0, metavar="N", help="Only the newest N; 0: all of them.")
    ] = 50,
    json: JsonOption = False,
) -> None:
    """List what the gateway decided, with its reasons.

    Oldest first; the newest 50 unless --limit says otherwise. Filters combine.

    Examples:
      occupancy-gateway decisions --room orion --since today
      occupancy-gateway decisions --kind withheld --since 7d --limit 0
    """
    office = Office(config)
    if kind and kind not in get_args(DecisionKind):
        raise WrongUsage(f"--kind {kind!r}: there is no such kind; there are: {_kinds()}.")
    start, end = parse_period(since, until, present(), office.zone)
    with office.ledger() as reader:
        if room:
            office.room(room, reader)
        if booking:
            room, booking = find.find_booking(office.times, reader, reader.site(), booking, room)
        # One more than asked for tells whether there are more.
        recorded = reader.decisions(
            room=room, booking=booking, kind=kind, since=start, until=end, limit=limit + 1 if limit else -1
        )
        found = find.known_decisions(reader, recorded)
    more = bool(limit) and len(found) > limit
    found = found[-limit:] if limit else found
    if json:
        print_json([decision_json(d, office.times.on(d.at)) for d in found])
    else:
        paint_decisions(console(), found, office.times, more=more)


def _kinds() -> str:
    return ", ".join(get_args(DecisionKind))


def report(
    config: ConfigOption = CONFIG,
    *,
    room: RoomOption = "",
    since: SinceOption = "7d",
    until: UntilOption = "now",
    form: Annotated[
        Format, typer.Option("--format", help="A table for people, CSV for spreadsheets, JSON for programs.")
    ] = "table",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Report hours booked, used and given back, by room.

    Also the hours of ghosts that were not given back, and why. A ghost is a booking that nobody
    attended. Bookings count when they are over. "Wrong" is the share of releases that people reported
    as wrong. Covers whole hours only, and no single booking can be told from it, but for series that
    nobody comes to any more: each is named with what ending it would return. Below stands what a room's
    policy asks for and the history of its sensors speaks against (`sensors quality` has the figures), and
    what is wrong around Exchange now, such as series that have lost dates.

    Examples:
      occupancy-gateway report --since 2026-09-01 --until 2026-10-01
      occupancy-gateway report --since 30d --format csv > september.csv
    """
    office = Office(config)
    start, end = parse_period(since, until, present(), office.zone)
    with office.ledger() as reader:
        rooms = [office.room(room, reader)] if room else [own.id for own in office.settings.rooms]
        found = find.known_decisions(reader, _for_report(reader, rooms, room, start, end))
        flags = flags_of(office, quality_of(office, reader, catch_up=False))
        unsupported = {name: flags[name] for name in rooms if flags.get(name)}
        office.note_if_stale(reader)
        end = min(end, reader.newest_instant() or end)
        quiet = _quiet_troubles(reader, office, room)
    try:
        result = rooms_report(found, start, end, office.zone, rooms)
    except ValueError as error:
        raise WrongUsage(f"{period_as_typed(since, until)}: {error}, with something recorded.") from None
    if json or form == "json":
        print_json(as_json(result, office.zone) | {"unsupported": unsupported, "findings": quiet})
    elif form == "csv":
        typer.echo(as_csv(result), nl=False)
    else:
        times = office.times
        period = (
            f"{times.clock(result.since)} to {times.clock(result.until)} ({office.settings.site.time_zone})"
        )
        findings = [each["sentence"] for group in quiet for each in group["each"]]
        paint_report(console(), as_table(result, office.names), period, findings)
        paint_unsupported(console(), unsupported, office.names)


def _quiet_troubles(reader: LedgerReader, office: Office, room: str) -> list[dict[str, Any]]:
    """What goes wrong around Exchange now, as far as facilities staff settle it with organizers and IT."""
    standing = told_before(reader.notes().get(ALERTS_NOTE, ""))
    groups = standing_json([group for group in standing if KINDS[group.kind].in_report], office.times.iso)
    if room:
        own = [(group, [one for one in group["each"] if one["room"] == room]) for group in groups]
        groups = [group | {"each": each, "count": len(each)} for group, each in own if each]
    return groups


def _for_report(
    reader: LedgerReader, rooms: list[str], room: str, since: Instant, until: Instant
) -> list[Decision]:
    """The period's decisions, and what was so when it began: occupancy, bookings under way."""
    before = [
        d for name in rooms for d in reader.decisions(room=name, kind="occupancy", until=since, limit=1)
    ]
    under_way = reader.decisions(room=room, kind="would_release", since=since - DAY_MS, until=since)
    return sorted([*before, *under_way], key=lambda d: d.at) + reader.decisions(
        room=room, since=since, until=until
    )
