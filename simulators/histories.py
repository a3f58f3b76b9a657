"""Recorded histories: what a ruleset decided on given facts, kept as long as there are ledgers of it.

    python -m simulators.histories record tests/data/rulesets    # of the present ruleset
    python -m simulators.histories expect tests/data/rulesets    # what it decides otherwise on older ones

A history is a file `NAME.jsonl.xz` in the folder of its ruleset. Its first line says what it shows; then come
the events of a journal, each as `[instant, event]`, and after a tick the decisions that came of it, as
objects. It begins with nothing, its configuration is one of its events, and it can be put into a ledger.
`expected.json` beside the histories of an older ruleset lists what today's rules decide otherwise.
"""

import json
import lzma
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import typer

from gateway.core.decisions import Decision
from gateway.core.events import (
    AnyEvent,
    Availability,
    BridgeState,
    Configured,
    Reading,
    Tick,
)
from gateway.core.site import RULESET, Site
from gateway.core.units import Instant
from gateway.ledger import Batch, Ledger, LedgerReader
from gateway.replay.rerun import Verdict, rerun
from simulators.hand_made import morning

SUFFIX: Final = ".jsonl.xz"
EXPECTED: Final = "expected.json"
Facts = Iterable[tuple[Instant, AnyEvent]]


class Header(msgspec.Struct, frozen=True):
    """The first line of a history."""

    ruleset: int
    shows: str
    made_of: str
    """The timeline or the run of the world that it was recorded from."""


class Step(NamedTuple):
    """An event, and what was decided on it."""

    at: Instant
    event: AnyEvent
    decisions: tuple[Decision, ...]


class History(NamedTuple):
    """What a ruleset decided on given facts."""

    name: str
    header: Header
    steps: tuple[Step, ...]


class Slice(NamedTuple):
    """Some rooms of a run of the world, from its beginning on."""

    name: str
    shows: str
    seed: int
    rooms: int
    days: int
    variant: str
    of: tuple[str, ...]
    """The rooms that are kept."""
    hours: float
    """How much of the run is kept."""


TIMELINES: Final = (
    "breaker/closed_by_a_person",
    "breaker/evidence_returns",
    "brief_visit/looked_in",
    "brief_visit/too_late",
    "clock/not_synchronised",
    "clock/warning_taken_back",
    "end_early/left_for_good",
    "exchange/away_at_the_last_moment",
    "exchange/came_before_the_write",
    "exchange/implausible_calendar",
    "exchange/made_longer_at_the_last_moment",
    "exempt/overlapping",
    "exempt/own_booking_cancelled",
    "exempt/own_booking_without_guests",
    "handover/a_short_gap_between",
    "hearing/came_unheard",
    "never_twice/added_again",
    "never_twice/offered_back",
    "no_show/cancelled",
    "no_show/too_little_left",
    "no_show/too_short",
    "people/checks_in_early",
    "people/ends_too_early",
    "people/keep",
    "people/no_booking",
    "people/sensors_word_ends_with_a_move",
    "presence/counted",
    "presence/motion_that_lasts",
    "restart/came_meanwhile",
    "restart/ended_while_releasing",
    "restart/killed_while_writing",
    "sensors/bridge_hangs",
    "sensors/bridge_offline",
    "sensors/empty_battery",
    "sensors/helper",
    "sensors/offline",
    "sensors/silent_through_meetings",
    "sensors/tampered",
    "sensors/two_on_one_bridge",
    "series/occurrences_between",
    "shadow/forgiving_bar",
    "shadow/going_back",
    "walk_up/extended",
    "walk_up/freed",
    "walk_up/left_alone",
    "walk_up/shadow",
    "wrong_release/in_shadow",
    "wrong_release/pauses_the_room",
    "wrong_release/taken_by_others",
)
"""Below `tests/scenarios`: together they show each decision with each first reason and way of writing."""

HAND_MADE: Final = "rules_and_wishes"
SLICES: Final = (
    Slice(
        "walk_up_ended_twice",
        "A walk-up was ended, and the next read still shows it as long as it was.",
        7109,
        16,
        5,
        "room_patch=sticky",
        ("rigel",),
        4.0,
    ),
    Slice(
        "hostile_day",
        "A day in three rooms while everything fails now and then.",
        7109,
        16,
        5,
        "room_patch=sticky",
        ("orion", "vega", "corvus"),
        24.0,
    ),
)

# -- files ----------------------------------------------------------------------------------------------


def write(folder: Path, history: History) -> Path:
    """Keep a history in the folder of its ruleset; the same history gives the same bytes."""
    encode = msgspec.json.encode
    lines = [encode(history.header)]
    for step in history.steps:
        lines.append(encode((step.at, step.event)))
        lines += map(encode, step.decisions)
    path = folder / str(history.header.ruleset) / f"{history.name}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(b"\n".join(lines) + b"\n", preset=9 | lzma.PRESET_EXTREME))
    return path


def read(path: Path) -> History:
    """A history as it was kept. Raises msgspec.MsgspecError if it is not one."""
    first, *lines = lzma.decompress(path.read_bytes()).splitlines()
    fact = msgspec.json.Decoder(tuple[Instant, AnyEvent])
    decision = msgspec.json.Decoder(Decision)
    steps: list[Step] = []
    for line in lines:
        if line.startswith(b"["):
            steps.append(Step(*fact.decode(line), ()))
        else:
            last = steps[-1]
            steps[-1] = last._replace(decisions=(*last.decisions, decision.decode(line)))
    return History(path.name.removesuffix(SUFFIX), msgspec.json.decode(first, type=Header), tuple(steps))


def histories(folder: Path, ruleset: int) -> list[Path]:
    """The histories of a ruleset, by name."""
    return sorted((folder / str(ruleset)).glob(f"*{SUFFIX}"))


def rulesets(folder: Path) -> list[int]:
    """The rulesets that have recorded histories, oldest first."""
    return sorted(int(each.name) for each in folder.iterdir() if each.name.isdigit())


def store(history: History, path: Path, *, snapshot_every: int = 0) -> None:
    """A ledger that holds the history as the gateway of its ruleset would have written it.

    `snapshot_every`: events between two snapshots; what they hold is what the rules of today remember.
    """
    steps, site = history.steps, Site()
    size = snapshot_every or len(steps)
    ledger = Ledger(path, ruleset=history.header.ruleset)
    try:
        for first in range(0, len(steps), size):
            batch = Batch()
            for index, step in enumerate(steps[first : first + size]):
                batch.events.append((step.at, step.event))
                batch.decisions += [(index, decision) for decision in step.decisions]
                if snapshot_every:
                    site.handle(step.event, step.at)
            if len(batch.events) == snapshot_every:
                batch.snapshot = site.snapshot()
            ledger.commit(batch)
    finally:
        ledger.close()


def run_again(history: History) -> Verdict:
    """The history, given to the rules of today."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        store(history, path)
        with LedgerReader(path) as reader:
            return rerun(reader)


# -- what differs -------------------------------------------------------------------------------------


def differences_of(folder: Path, ruleset: int) -> dict[str, Any]:
    """What today's rules decide otherwise on the histories of a ruleset: those of which they do, by name."""
    found = {}
    for path in histories(folder, ruleset):
        verdict = run_again(read(path))
        listed = [
            {
                "room": one.room,
                "booking": one.booking,
                "recorded": [_brief(decision) for decision in one.recorded],
                "today": [_brief(decision) for decision in one.today],
            }
            for one in verdict.differences
        ]
        if listed or verdict.details:
            found[path.name.removesuffix(SUFFIX)] = {"differences": listed, "details": verdict.details}
    return found


def expected(folder: Path, ruleset: int) -> dict[str, Any]:
    """What is written down to differ on the histories of an older ruleset. Raises OSError if nothing is."""
    loaded: dict[str, Any] = json.loads((folder / str(ruleset) / EXPECTED).read_text(encoding="utf-8"))
    return loaded


def _brief(decision: Decision) -> dict[str, Any]:
    return {"at": decision.at, "kind": decision.kind, "reasons": [reason.code for reason in decision.reasons]}


# -- recording ----------------------------------------------------------------------------------------


def of_ledger(path: Path) -> tuple[Step, ...]:
    """All that a ledger holds."""
    with LedgerReader(path) as reader:
        decided: dict[int, list[Decision]] = {}
        for recorded in reader.recorded():
            decided.setdefault(recorded.seq, []).append(recorded.decision)
        return tuple(Step(at, event, tuple(decided.get(seq, ()))) for seq, at, event in reader.events())


def of_timeline(path: Path) -> History:
    """What the real gateway decides in a timeline. Raises TimelineError."""
    from simulators.scenario.timeline import SUFFIX as TIMELINE  # noqa: PLC0415 - the whole service with it
    from simulators.scenario.timeline import read as read_timeline  # noqa: PLC0415
    from simulators.scenario.timeline import run  # noqa: PLC0415

    timeline = read_timeline(path)
    name = f"{path.parent.name}-{path.name.removesuffix(TIMELINE)}"
    with tempfile.TemporaryDirectory() as folder:
        run(timeline, Path(folder))
        steps = of_ledger(Path(folder) / "ledger.db")
    made_of = f"tests/scenarios/{path.parent.name}/{path.name}"
    return History(name, Header(RULESET, timeline.rule, made_of), steps)


def by_hand() -> History:
    """What no timeline can say."""
    shows = "Bookings that break rules are declined or told, people book and cancel, a read is stale."
    return History(HAND_MADE, Header(RULESET, shows, "simulators/hand_made.py"), _decided(Site(), morning()))


def _decided(site: Site, facts: Facts) -> tuple[Step, ...]:
    return tuple(Step(at, event, tuple(site.handle(event, at))) for at, event in facts)


def facts_of_world(seed: int, rooms: int, days: int, variant: str) -> list[tuple[Instant, AnyEvent]]:
    """The journal of a run of the world with every fault; takes some minutes."""
    from simulators.faults import chosen  # noqa: PLC0415 - the whole service with it
    from simulators.world.engine import Engine, Options  # noqa: PLC0415
    from simulators.world.run import run_one  # noqa: PLC0415

    kept: list[tuple[Instant, AnyEvent]] = []

    def look(engine: Engine) -> None:
        with LedgerReader(engine.host.ledger) as reader:
            kept.extend((at, event) for _, at, event in reader.events())

    run_one(Options(seed, rooms, days, chosen("all"), variant=variant, steps=False), look)
    return kept


def of_world(facts: Facts, wanted: Slice) -> History:
    """Some rooms of a run: their facts, the site's, and the ticks that such a site asks for."""
    site = Site()

    def asked_for() -> Iterator[tuple[Instant, AnyEvent]]:
        for at, event in _of_rooms(facts, wanted):
            deadline = site.next_deadline(at)
            if not isinstance(event, Tick) or (deadline is not None and deadline <= at):
                yield at, event

    made_of = f"world, seed {wanted.seed}, {wanted.variant}"
    return History(wanted.name, Header(RULESET, wanted.shows, made_of), _decided(site, asked_for()))


def _of_rooms(facts: Facts, wanted: Slice) -> Iterator[tuple[Instant, AnyEvent]]:
    ends: Instant | None = None
    sensors: set[str] = set()
    bridges: set[str] = set()
    for at, event in facts:
        ends = ends or at + round(wanted.hours * 3_600_000)
        if at > ends:
            return
        if isinstance(event, Configured):
            own = tuple(room for room in event.site.rooms if room.id in wanted.of)
            profiles = [profile for room in own for profile in room.sensors]
            sensors, bridges = {p.id for p in profiles}, {p.bridge for p in profiles}
            yield at, Configured(msgspec.structs.replace(event.site, rooms=own))
        elif isinstance(event, Reading | Availability):
            if event.sensor in sensors:
                yield at, event
        elif isinstance(event, BridgeState):
            if event.bridge in bridges:
                yield at, event
        elif getattr(event, "room", wanted.of[0]) in wanted.of:
            yield at, event


def record(folder: Path, scenarios: Path) -> Iterator[Path]:
    """Record every history anew with the rules of today; yields each file."""
    for name in TIMELINES:
        yield write(folder, of_timeline(scenarios / f"{name}.timeline"))
    yield write(folder, by_hand())
    runs = {(one.seed, one.rooms, one.days, one.variant) for one in SLICES}
    facts = {run: facts_of_world(*run) for run in sorted(runs)}
    for one in SLICES:
        yield write(folder, of_world(facts[one.seed, one.rooms, one.days, one.variant], one))


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
Folder = Annotated[Path, typer.Argument(help="The folder of all histories: tests/data/rulesets.")]


@app.command("record")
def record_command(
    folder: Folder,
    scenarios: Annotated[
        Path, typer.Option(help="The folder of the timelines.", exists=True, file_okay=False)
    ] = Path("tests/scenarios"),
) -> None:
    """Record the histories of the present ruleset. Takes some minutes."""
    total = 0
    for path in record(folder, scenarios):
        total += path.stat().st_size
        typer.echo(f"{path}: {path.stat().st_size:,} bytes")
    typer.echo(f"{total:,} bytes in all")


@app.command("expect")
def expect_command(folder: Folder) -> None:
    """Write down what today's rules decide otherwise on the histories of older rulesets."""
    for ruleset in rulesets(folder):
        if ruleset == RULESET:
            continue
        found = differences_of(folder, ruleset)
        path = folder / str(ruleset) / EXPECTED
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        typer.echo(f"{path}: {len(found)} of {len(histories(folder, ruleset))} histories differ")


if __name__ == "__main__":
    app()
