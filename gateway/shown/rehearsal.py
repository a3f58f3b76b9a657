"""What a rehearsal found, on the screen: each question, what was seen, what it means, and what is left."""

from pathlib import Path
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from gateway.exchange.rehearsal.record import Answer, Record, Verdict
from gateway.shown.paint import BAD, GOOD, NAME, QUIET, WARN, text

STYLES: Final[dict[Verdict, str]] = {"ok": GOOD, "warn": WARN, "stop": BAD}
WHOLE: Final[dict[Verdict, str]] = {
    "ok": "Exchange behaves as the gateway expects; rooms may go live.",
    "warn": "Rooms may go live; read what is marked warn first.",
    "stop": "Rooms must not go live: see what is marked stop.",
}
INDENT: Final = 6
"""Beneath the verdict: behind the longest one."""


def paint_rehearsal(console: Console, record: Record, file: Path) -> None:
    """The table, the leftovers, the verdict on the whole and where it is kept."""
    for answer in record.answers:
        _paint_answer(console, answer)
    if record.leftovers:
        console.print()
        console.print(text("Left in the calendars:", WARN))
        for leftover in record.leftovers:
            console.print(Padding(text(f"{leftover.mailbox}: {leftover.what}"), (0, 0, 0, 2), expand=False))
            console.print(Padding(text(f"remove: {leftover.remove}", QUIET), (0, 0, 0, 4), expand=False))
    console.print()
    if not record.complete:
        console.print(text("The rehearsal was not finished, so its answers are not kept.", BAD))
        return
    console.print(text(WHOLE[record.verdict], STYLES[record.verdict]))
    console.print(text(f"Kept in {file}.", QUIET))


def _paint_answer(console: Console, answer: Answer) -> None:
    line = Table.grid(padding=0)
    line.add_column(width=INDENT)
    line.add_column(overflow="fold")
    line.add_row(
        text(answer.verdict, STYLES[answer.verdict]), text(f"{answer.question}: {answer.asks}", NAME)
    )
    console.print(line)
    console.print(Padding(text(f"seen: {answer.seen}"), (0, 0, 0, INDENT), expand=False))
    console.print(Padding(text(f"means: {answer.means}", QUIET), (0, 0, 0, INDENT), expand=False))
