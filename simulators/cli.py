"""`occupancy-simulator`: an office, its sensors and an Exchange to try the gateway on. See ``--help``."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from simulators.mqtt_tools import BrokerAddress, ToolError

app = typer.Typer(
    help="Simulated people, sensors and Exchange for the occupancy gateway, to see it work and to test.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Rooms = Annotated[int, typer.Option(min=1, max=500, help="How many rooms.")]
Speed = Annotated[float, typer.Option(min=0.1, max=10_000, help="How much faster than the wall clock.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same people and bookings.")]
Hours = Annotated[float, typer.Option(min=1, max=24, help="Hours to simulate.")]
Host = Annotated[str, typer.Option(help="The broker's host name or address.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="The broker's port.")]
Username = Annotated[str, typer.Option(help="Log in at the broker as this user.")]
PasswordFile = Annotated[Path | None, typer.Option(help="File whose first line is the broker's password.")]
Tls = Annotated[bool, typer.Option("--tls", help="Speak TLS with the broker.")]
CaFile = Annotated[Path | None, typer.Option(help="Root certificates (PEM) to trust for --tls.")]


def _address(
    host: str, port: int, username: str, password_file: Path | None, tls: bool, ca_file: Path | None
) -> BrokerAddress:
    password = "" if password_file is None else password_file.read_text().partition("\n")[0]
    ca = "" if ca_file is None else str(ca_file)
    return BrokerAddress(host=host, port=port, username=username, password=password, tls=tls, ca_file=ca)


@app.command()
def demo(
    rooms: Rooms = 6,
    speed: Speed = 120.0,
    seed: Seed = 7,
    hours: Hours = 4.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures to this file as JSON.")
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines instead of the live picture.")
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="FOLDER",
            file_okay=False,
            help="Leave configuration and ledger in this empty folder, to ask the gateway's commands about.",
        ),
    ] = None,
) -> None:
    """A morning in an office, in about two minutes: rooms are checked in and given back, with reasons.

    Starts an MQTT broker and an Exchange simulator on free loopback ports and the real gateway, which
    talks to both. Nothing leaves this machine.

    Example: occupancy-simulator demo --rooms 10 --seed 42 --keep morning

    Then: occupancy-gateway report --config morning/gateway.toml
    """
    import time

    from rich.console import Console

    from gateway import logs
    from simulators.demo import Demo, Options
    from simulators.stage import Stage, headless_line, summary

    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise typer.BadParameter(
            f"{keep} is not empty; name a new folder, so that nothing there is lost.", param_hint="--keep"
        )
    logs.configure("error", "console")
    console = Console(highlight=False)
    running = Demo(Options(rooms=rooms, speed=speed, seed=seed, hours=hours))
    console.print(
        f"{rooms} rooms, {hours:g} hours at {speed:g} times the wall clock: "
        f"about {running.expected_wall_s:.0f} s, seed {seed}"
    )
    began = time.monotonic()
    if headless or not console.is_terminal:
        seen = 0

        def watch(now: Demo) -> None:
            nonlocal seen
            for line in headless_line(now, seen):
                console.print(line, soft_wrap=True)
            seen = len(now.news)

        result = asyncio.run(running.run(watch, keep))
    else:
        with Stage(console) as stage:
            result = asyncio.run(running.run(stage.show, keep))
    console.print(summary(result))
    console.print(f"\nThe morning took {time.monotonic() - began:.0f} s of wall time.")
    if keep is not None:
        console.print(
            f"Ask about it, with --config {keep / 'gateway.toml'}: "
            "occupancy-gateway report, explain --room NAME, what-if, replay, evidence",
            soft_wrap=True,
        )
    if json_file is not None:
        json_file.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    if result.balance.wrongly_released:
        raise typer.Exit(1)


@app.command()
def exchange(
    listen: Annotated[str, typer.Option(help="Address and port; port 0 takes a free one.")] = "127.0.0.1:0",
    rooms: Rooms = 6,
    seed: Seed = 7,
    print_connection: Annotated[
        bool, typer.Option("--print-connection", help="Print how to connect as one line of JSON.")
    ] = False,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SWITCH=VALUE",
            help="How Exchange behaves where nobody has documented it; may be repeated. "
            "docs/exchange-simulator.md lists the switches.",
        ),
    ] = None,
) -> None:
    """Microsoft Graph and Exchange for tests, over HTTPS, with rooms and a day of bookings.

    Serves until it is stopped (Ctrl-C). Any Graph client works with it unmodified: set its base URL,
    authority and root certificate to those of the connection, and switch its instance discovery off.

    The line of JSON has base_url, authority, tenant_id, client_id, client_secret, ca_file (a PEM file, there
    while the program runs) and now (the simulated time, ISO 8601 in UTC). Faults, mailboxes, registrations
    and the clock are steered over HTTPS below /simulator on the same port; GET /simulator says how.

    Example: occupancy-simulator exchange --rooms 3 --print-connection --variant reaccepts=never
    """
    from simulators.exchange.serve import run_exchange
    from simulators.exchange.variants import variant_of

    try:
        chosen = variant_of(dict(one.split("=", 1) for one in variant or ()))
    except ValueError as error:
        raise typer.BadParameter(f"{error}; give SWITCH=VALUE", param_hint="--variant") from error
    try:
        run_exchange(listen, rooms, seed, print_connection=print_connection, variants=chosen)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--listen") from error


@app.command()
def office(
    host: Host = "127.0.0.1",
    port: Port = 1883,
    rooms: Rooms = 6,
    hours: Hours = 4.0,
    speed: Speed = 1.0,
    seed: Seed = 7,
    username: Username = "",
    password_file: PasswordFile = None,
    tls: Tls = False,
    ca_file: CaFile = None,
    print_rooms: Annotated[
        bool, typer.Option("--print-rooms", help="Print the rooms' configuration as JSON and stop.")
    ] = False,
) -> None:
    """Publish the sensors of a simulated office to any MQTT broker, people and all.

    The day begins now. `--print-rooms` shows how a gateway's configuration describes these rooms.

    Example: occupancy-simulator office --rooms 3 --speed 10
    """
    from gateway.clock import SystemClock
    from simulators.office import Office, run_office_publisher

    day = Office(seed, rooms, start_ms=SystemClock().now(), hours=hours)
    if print_rooms:
        typer.echo(json.dumps(day.gateway_rooms(), indent=2))
        return
    address = _address(host, port, username, password_file, tls, ca_file)
    _publish(run_office_publisher(address, day, speed=speed, progress=_progress(day.start_ms, day.end_ms)))


@app.command()
def sensors(
    kind: Annotated[str, typer.Argument(help="radar, radar+pir, pir, pir+pir, zigbee-pir or counter.")],
    host: Host = "127.0.0.1",
    port: Port = 1883,
    room: Annotated[str, typer.Option(help="Name of the room in the topics.")] = "orion",
    hours: Hours = 1.0,
    speed: Speed = 1.0,
    seed: Seed = 7,
    username: Username = "",
    password_file: PasswordFile = None,
    tls: Tls = False,
    ca_file: CaFile = None,
) -> None:
    """Publish one room's sensors of a kind to any MQTT broker.

    Example: occupancy-simulator sensors radar+pir --room orion --speed 60
    """
    from gateway.clock import SystemClock
    from simulators.office import FITTINGS, Office, run_office_publisher

    chosen = [fitting for fitting in FITTINGS if fitting == kind]
    if not chosen:
        raise typer.BadParameter(f"there is no kind {kind!r}; there are: {', '.join(FITTINGS)}")
    day = Office(seed, [room], start_ms=SystemClock().now(), hours=hours, sensor_mix=chosen)
    address = _address(host, port, username, password_file, tls, ca_file)
    _publish(run_office_publisher(address, day, speed=speed, progress=_progress(day.start_ms, day.end_ms)))


@app.command()
def world(
    room_years: Annotated[
        float, typer.Option(min=0.001, help="How much to simulate: rooms times years.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="The first run's; each further run has the next one.")] = 1,
    faults: Annotated[
        str, typer.Option(help="all, none, or names with commas between; docs/world.md lists them.")
    ] = "all",
    rooms: Annotated[int, typer.Option(min=1, max=40, help="How many rooms each run has.")] = 16,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many runs at a time.")] = 2,
    days: Annotated[
        int | None, typer.Option(min=1, max=31, help="Only one run, of so many days, with this very seed.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Of that run's faults only these numbers; none: no fault.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures to this file as JSON.")
    ] = None,
    shrink: Annotated[
        bool, typer.Option(help="Make the first failing runs small: the fewest faults that still break them.")
    ] = True,
) -> None:
    """Run the whole gateway through years of a hostile world in minutes, and see what holds.

    Virtual time, invented people, real code. Every promise of the gateway is checked after every step, by
    ground truth. Ends with 1 if one was broken, or if a kind of fault never struck in a long run.

    Example: occupancy-simulator world --room-years 2 --faults killed,disk_full --json world.json
    """
    from rich.console import Console

    from simulators.world.command import Wanted, run_command

    try:
        wanted = Wanted.of(faults, room_years=room_years, seed=seed, rooms=rooms, days=days, only=only)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    console = Console(highlight=False)
    if run_command(wanted, console, jobs=jobs, json_file=json_file, shrinks=shrink):
        raise typer.Exit(1)


@app.command()
def record(
    file: Annotated[Path, typer.Argument(help="The JSON Lines file to write.")],
    topics: Annotated[list[str], typer.Argument(help="Topic filters, such as 'zigbee2mqtt/#'.")],
    host: Host = "127.0.0.1",
    port: Port = 1883,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    limit: Annotated[int | None, typer.Option(help="Stop after so many messages.")] = None,
    username: Username = "",
    password_file: PasswordFile = None,
    tls: Tls = False,
    ca_file: CaFile = None,
) -> None:
    """Capture topics of any broker to a file, with times, to be replayed in tests.

    Example: occupancy-simulator record morning.jsonl 'zigbee2mqtt/#' --seconds 3600
    """
    from simulators.mqtt_tools import record as capture

    address = _address(host, port, username, password_file, tls, ca_file)
    count = _run(capture(address, topics, file, duration_s=seconds, limit=limit, progress=_counted))
    typer.echo(f"\n{count} messages in {file}", err=True)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording, JSON Lines.", exists=True, dir_okay=False)],
    host: Host = "127.0.0.1",
    port: Port = 1883,
    speed: Speed = 1.0,
    username: Username = "",
    password_file: PasswordFile = None,
    tls: Tls = False,
    ca_file: CaFile = None,
) -> None:
    """Publish a recording again, in its own rhythm or faster.

    Example: occupancy-simulator replay morning.jsonl --speed 60
    """
    from simulators.mqtt_tools import replay as publish_again

    address = _address(host, port, username, password_file, tls, ca_file)
    count = _run(publish_again(file, address, speed=speed, progress=_counted))
    typer.echo(f"\n{count} messages published", err=True)


@app.command("import-uci")
def import_uci(
    source: Annotated[Path, typer.Argument(help="uci-room-occupancy.csv.gz", exists=True, dir_okay=False)],
    recording: Annotated[Path, typer.Argument(help="The recording to write (JSON Lines).")],
    bookings: Annotated[
        Path | None, typer.Option(help="Draw bookings over it and write them here (JSON Lines).")
    ] = None,
    seed: Seed = 7,
) -> None:
    """Turn the UCI Room Occupancy recording (a real room, real PIRs, counted people) into a recording.

    Example: occupancy-simulator import-uci uci-room-occupancy.csv.gz room.jsonl --bookings bookings.jsonl
    """
    from simulators.recordings import export_uci

    told = export_uci(source, recording, bookings, seed)
    typer.echo(told)


@app.command()
def scenario(
    files: Annotated[list[Path], typer.Argument(help="Timelines, or folders of them.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what became of each, with every decision, as JSON.")
    ] = False,
) -> None:
    """Run timelines against the real gateway in virtual time, and tell which hold.

    A timeline says in ten lines what happens in a room and what must come of it; docs/scenarios.md has
    all that can be said. A failure shows the line, what is the case instead, and why. Exit codes: 0 all
    hold, 1 one does not, 2 one cannot be read.

    Example: occupancy-simulator scenario ghost.timeline
    """
    from simulators.scenario.catalogue import timelines
    from simulators.scenario.errors import TimelineError
    from simulators.scenario.timeline import Result, read, run

    paths = [path for file in files for path in (timelines(file) if file.is_dir() else [file])]
    results: list[Result] = []
    unreadable = 0
    for path in paths:
        try:
            result = run(read(path))
        except (TimelineError, OSError) as error:
            unreadable += 1
            typer.echo(f"error: {error}", err=True)
            continue
        results.append(result)
        if not as_json:
            typer.echo(f"{'ok  ' if result.passed else 'FAIL'}  {path}: {result.rule}")
            if not result.passed:
                typer.echo(f"\n{result.problem}\n")
    failed = sum(not result.passed for result in results)
    if as_json:
        typer.echo(json.dumps([result.as_json() for result in results], indent=2))
    else:
        told = f"{len(results) - failed} of {len(paths)} timelines hold"
        typer.echo(told + (f", {unreadable} cannot be read" if unreadable else ""))
    if unreadable or failed or not paths:
        raise typer.Exit(2 if unreadable or not paths else 1)


@app.command()
def quality(
    bookings_per_set: Annotated[
        int,
        typer.Option(
            min=1,
            max=10_000_000,
            help="Bookings for the radar sets under the default policy; all else gets a quarter of them.",
        ),
    ] = 2_000,
    full: Annotated[
        bool, typer.Option("--full", help="Judge every set and every policy by that many bookings.")
    ] = False,
    sets: Annotated[
        str, typer.Option(help="all, or names of sets of sensors with commas between, such as radar,pir+pir.")
    ] = "all",
    policies: Annotated[
        str, typer.Option(help="all, or names with commas between: default, strict, patient, everything-on.")
    ] = "all",
    ghost_shares: Annotated[
        str,
        typer.Option(
            metavar="PERCENTS",
            help="Play the radar sets with these shares of ghosts as well, beside the 40 % of all other "
            "figures; none: with no other.",
        ),
    ] = "10,20,30,50",
    seed: Annotated[int, typer.Option(help="The same seed gives the same people and figures.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many rooms at a time.")] = 2,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where uci-room-occupancy.csv.gz lies, a real room."),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Judge this recording instead (JSON Lines)."),
    ] = None,
    bookings: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Its bookings, and who was there (JSON Lines)."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="gateway.toml that knows the recording's sensors."),
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE|-", help="Write the figures as JSON; -: print them.")
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the page with method and figures, and its figures beside."),
    ] = None,
) -> None:
    """Measure how good the decisions are: hours that come back, rooms taken from people, simpler rules.

    Plays simulated offices, and a recorded room where its file is at hand, to the gateway's own core in
    virtual time, and holds what it decides against who was really there. That takes a few minutes.
    docs/decision-quality.md tells the method and what a recording of one's own must look like.
    Ends with 1 if a room was taken from people whom a sensor showed.

    Example: occupancy-simulator quality --sets radar,radar+pir --bookings-per-set 2000 --json quality.json
    """
    from rich.console import Console

    from gateway.settings_problems import SettingsError
    from simulators.quality.command import Wanted, run_all, run_recording, show, write
    from simulators.quality.results import encoded

    if (recording is None) != (bookings is None):
        raise typer.BadParameter("a recording needs its bookings, and bookings need their recording",
                                 param_hint="--recording and --bookings")  # fmt: skip
    file = None if json_file in (None, "-") else Path(str(json_file))
    for option, out in (("--json", file), ("--markdown", markdown)):
        if out is not None and not out.parent.is_dir():  # before minutes are spent on it
            raise typer.BadParameter(f"there is no folder {out.parent}", param_hint=option)
    try:
        wanted = Wanted.of(sets, policies, ghost_shares, seed, bookings_per_set, full=full, data=data)
        if recording is not None and bookings is not None:
            results = run_recording(wanted, recording, bookings, config)
        else:
            results = run_all(wanted, Console(stderr=True, highlight=False), jobs=jobs)
        write(results, file, markdown)
    except (ValueError, ToolError, SettingsError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if json_file == "-":
        typer.echo(encoded(results), nl=False)
    else:
        console = Console(highlight=False)
        console.width = console.width if console.is_terminal else 160  # a file has room for the tables
        show(results, console)
    if results.taken_in_sight:
        raise typer.Exit(1)


def _progress(start: int, end: int) -> Any:
    def show(count: int, newest: int) -> None:
        share = min(1.0, (newest - start) / (end - start))
        typer.echo(f"\r{share:4.0%}  {count:,} messages", nl=False, err=True)

    return show


def _counted(count: int) -> None:
    typer.echo(f"\r{count:,} messages", nl=False, err=True)


def _publish(work: Any) -> None:
    count = _run(work)
    typer.echo(f"\n{count:,} messages published", err=True)


def _run(work: Any) -> Any:
    """Run to the end; a broker that cannot be reached is told in one line."""
    try:
        return asyncio.run(work)
    except (ToolError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    """Entry point of `occupancy-simulator`."""
    app()
