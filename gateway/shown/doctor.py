"""What a doctor finds, on the screen: one line for each step, and beneath it what to do."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.doctor.finding import Finding, Verdict
from gateway.shown.paint import BAD, GOOD, QUIET, WARN, text

STYLES: Final[dict[Verdict, str]] = {"ok": GOOD, "warn": WARN, "fail": BAD, "skipped": QUIET}
INDENT: Final = 9
"""Beneath the words of a finding: behind the longest verdict."""


def paint_finding(console: Console, finding: Finding) -> None:
    """One step: its verdict first, so that a glance down the edge is enough."""
    where = f"{finding.step} ({finding.room})" if finding.room else finding.step
    code = f" [{finding.code}]" if finding.code and finding.verdict != "ok" else ""
    line = text(f"{finding.verdict:<{INDENT}}", STYLES[finding.verdict])
    line.append_text(text(f"{where}: {finding.what}{code}"))
    console.print(line, soft_wrap=False)
    if finding.fix:
        console.print(Padding(text(f"mend: {finding.fix}", QUIET), (0, 0, 0, INDENT), expand=False))
    if finding.request_id:
        console.print(
            Padding(text(f"request-id {finding.request_id}", QUIET), (0, 0, 0, INDENT), expand=False)
        )


def paint_sum(console: Console, findings: Iterable[Finding]) -> None:
    """How many of each, the last line."""
    counts = dict.fromkeys(STYLES, 0)
    for finding in findings:
        counts[finding.verdict] += 1
    words = {
        "fail": f"{counts['fail']} failed",
        "warn": f"{counts['warn']} worth a look",
        "ok": f"{counts['ok']} fine",
        "skipped": f"{counts['skipped']} not looked at",
    }
    told = [words[verdict] for verdict in ("fail", "warn", "ok", "skipped") if counts[verdict]]
    console.print()
    console.print(text(", ".join(told) + ".", BAD if counts["fail"] else WARN if counts["warn"] else GOOD))


@contextmanager
def progress_bar(words: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while it takes long; call what it gives with (done, of)."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not (shown and console.is_terminal)
    ) as bar:
        task = bar.add_task(words, total=None, visible=False)

        def advance(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, visible=of > 1)

        yield advance
