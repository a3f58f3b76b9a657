"""History under other policies: every piece with every variant, side by side, and what came of each.

    results = what_if(path, [AS_CONFIGURED, *grid(grace=(5 * MINUTE_MS,))], Asked(), tell=print)

The figures are the same however many processes work: pieces and seeds hang on ledger and period alone.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.events import AnyEvent
from gateway.core.site import Site
from gateway.core.units import Duration, Instant
from gateway.ledger import GivenBack, LedgerReader
from gateway.replay.counterfactual import begin, relive
from gateway.replay.journal import running, unbroken
from gateway.replay.judging import Cell, Figures, Judge
from gateway.replay.pieces import Piece, pieces
from gateway.replay.put_back import PutBack
from gateway.replay.variants import Variant

TELL_EVERY: Final = 20_000
"""Events between two words about how far a piece has come."""
LOOK_EVERY_S: Final = 0.2

Tell = Callable[[Duration, Duration], None]
"""So much history has been run, of so much; in ms, each variant's counted by itself."""


class Asked(msgspec.Struct, frozen=True):
    """What is asked for. None: as far as the ledger reaches."""

    since: Instant | None = None
    until: Instant | None = None
    zone: str = "UTC"
    """Whose days are counted."""
    rooms: frozenset[str] = frozenset()
    """Only these count; empty: all. The whole site is run all the same: rooms share a breaker."""


class Lived(msgspec.Struct):
    """What one variant came to. Durations in ms."""

    variant: Variant
    total: Figures = msgspec.field(default_factory=Figures)
    by_day: dict[int, Figures] = {}
    """By the number of the day; only days on which anything was booked."""
    by_room: dict[str, Figures] = {}


class WhatIf(msgspec.Struct):
    """All variants over one period."""

    since: Instant
    until: Instant
    lived: list[Lived]
    """In the order in which they were asked for."""


class Task(msgspec.Struct, frozen=True):
    """One piece for some variants."""

    path: str
    piece: Piece
    variants: tuple[Variant, ...]
    given_back: tuple[GivenBack, ...]
    zone: str


Cells = list[dict[Cell, Figures]]
"""By variant, in the task's order."""


def what_if(
    path: Path,
    variants: Sequence[Variant],
    asked: Asked | None = None,
    jobs: int = 0,
    tell: Tell = lambda _done, _all: None,
) -> WhatIf:
    """Run history under every variant. `jobs`: processes at once; 0: as many as there are processors.

    Raises LedgerError where the ledger cannot be read or holds nothing of the period.
    """
    asked = asked or Asked()
    jobs = jobs or os.cpu_count() or 1
    with LedgerReader(path) as reader:
        cut = pieces(reader, asked.since, asked.until)
        given_back = reader.given_back()
    tasks = list(_tasks(path, cut, variants, given_back, asked.zone, jobs))
    whole = sum(_length(task) for task in tasks)
    results = [Lived(variant) for variant in variants]
    by_name = {lived.variant.name: lived for lived in results}
    for number, cells in _worked(tasks, min(jobs, len(tasks)), lambda done: tell(done, whole)):
        for variant, own in zip(tasks[number].variants, cells, strict=True):
            _add(by_name[variant.name], own, asked.rooms)
    return WhatIf(cut[0].since + 1, cut[-1].until, results)


def _tasks(
    path: Path,
    cut: Sequence[Piece],
    variants: Sequence[Variant],
    given_back: Sequence[GivenBack],
    zone: str,
    jobs: int,
) -> Iterator[Task]:
    """Variants stay together, because the journal is then read once; unless processors would be idle."""
    groups = max(1, min(len(variants), -(-jobs // len(cut))))
    for piece in cut:
        own = tuple(one for one in given_back if piece.begins - 1 <= one.write.end and one.at <= piece.until)
        for group in range(groups):
            yield Task(str(path), piece, tuple(variants[group::groups]), own, zone)


def _length(task: Task) -> Duration:
    return (task.piece.until - task.piece.begins) * len(task.variants)


def _add(lived: Lived, cells: dict[Cell, Figures], rooms: frozenset[str]) -> None:
    for cell, figures in cells.items():
        if rooms and cell.room not in rooms:
            continue
        lived.total.take(figures)
        lived.by_day.setdefault(cell.day, Figures()).take(figures)
        lived.by_room.setdefault(cell.room, Figures()).take(figures)


# -- one piece ----------------------------------------------------------------------------------------


def run_piece(task: Task, tell: Callable[[Duration], None]) -> Cells:
    """Live through one piece; `tell` hears of each part of history that has been run, in ms."""
    piece, zone = task.piece, ZoneInfo(task.zone)
    with LedgerReader(Path(task.path)) as reader:
        sites = [reader.site_at(piece.seq) if piece.seq else Site() for _ in task.variants]
        rooms = sites[0].state.rooms
        put_back = PutBack(task.given_back, {name: room.calendar for name, room in rooms.items()})
        opened = frozenset(
            (name, key)
            for name, room in rooms.items()
            for key, life in room.lives.items()
            if life.state != "upcoming"
        )
        span = (piece.since, piece.until)
        judges = [Judge(zone, put_back.ends, span, opened) for _ in task.variants]
        runs = [
            begin(site, variant, judge.take)
            for site, variant, judge in zip(sites, task.variants, judges, strict=True)
        ]

        def note(event: Any, now: Instant) -> None:
            for judge in judges:
                judge.note_word(event, now)

        past = _Past(reader, piece, lambda passed: tell(passed * len(runs)))
        with running(reader, lambda: past.seq):
            relive(past.events(), runs, put_back, note)
    return [judge.cells for judge in judges]


class _Past:
    """The events of a piece, with a word about each part of it."""

    def __init__(self, reader: LedgerReader, piece: Piece, tell: Callable[[Duration], None]) -> None:
        self._reader, self._piece, self._tell = reader, piece, tell
        self.seq = piece.seq
        """The event that was read last."""

    def events(self) -> Iterator[tuple[Instant, AnyEvent]]:
        told, until = self._piece.begins, self._piece.until
        for number, at, event in unbroken(self._reader, self._piece.seq):
            if at > until:
                break
            self.seq = number
            if number % TELL_EVERY == 0 and at > told:
                self._tell(at - told)
                told = at
            yield at, event
        self._tell(until - told)


# -- many processes -----------------------------------------------------------------------------------

_done: Any = None
"""In a working process: how much history all of them have run, in ms."""


def _start_worker(done: Any) -> None:
    global _done  # noqa: PLW0603 - a process has one counter, handed over when it starts
    _done = done


def _work(task: Task) -> Cells:
    def tell(passed: Duration) -> None:
        with _done.get_lock():
            _done.value += passed

    return run_piece(task, tell)


def _worked(
    tasks: Sequence[Task], jobs: int, tell: Callable[[Duration], None]
) -> Iterator[tuple[int, Cells]]:
    """Every task's number and what came of it, in the order of the tasks."""
    if jobs == 1:
        yield from _worked_here(tasks, tell)
        return
    # Spawned, not forked: the parent may hold threads and an open database.
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    with ProcessPoolExecutor(jobs, context, _start_worker, (done,)) as pool:
        futures: list[Future[Cells]] = [pool.submit(_work, task) for task in tasks]
        waiting = set(futures)
        try:
            while waiting:
                finished, waiting = wait(waiting, LOOK_EVERY_S, FIRST_COMPLETED)
                tell(done.value)
                for future in finished:
                    future.result()  # one that failed ends them all
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        yield from ((number, future.result()) for number, future in enumerate(futures))


def _worked_here(tasks: Sequence[Task], tell: Callable[[Duration], None]) -> Iterator[tuple[int, Cells]]:
    done = 0

    def passed(part: Duration) -> None:
        nonlocal done
        done += part
        tell(done)

    for number, task in enumerate(tasks):
        yield number, run_piece(task, passed)
