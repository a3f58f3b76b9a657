"""What a doctor finds, on the screen: one line for each step, and beneath it what to do."""

from collections import Counter
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from gateway.doctor.finding import Finding, Verdict
from gateway.shown.paint import BAD, GOOD, QUIET, WARN, text

STYLES: Final[dict[Verdict, str]] = {"ok": GOOD, "warn": WARN, "fail": BAD, "skipped": QUIET}
INDENT: Final = 9
"""Beneath the words of a finding: behind the longest verdict."""


class Painter:
    """Paints findings as they come; what is fine with a room is counted instead, unless `everything`."""

    def __init__(self, console: Console, *, everything: bool) -> None:
        self._console = console
        self._everything = everything
        self._verdicts: Counter[Verdict] = Counter()
        self._counted: Counter[tuple[str, Verdict]] = Counter()
        self._reasons: dict[str, str] = {}
        """What was said of the first room whose step was only counted."""
        self._mends: dict[str, str] = {}
        """Fixes shown already, each with where."""

    def show(self, finding: Finding) -> None:
        """One step: its verdict first, so that a glance down the edge is enough."""
        self._verdicts[finding.verdict] += 1
        if finding.room and finding.verdict in {"ok", "skipped"} and not self._everything:
            self._counted[finding.step, finding.verdict] += 1
            self._reasons.setdefault(finding.step, finding.what)
            return
        where = f"{finding.step} ({finding.room})" if finding.room else finding.step
        code = f" [{finding.code}]" if finding.code and finding.verdict != "ok" else ""
        self._line(finding.verdict, f"{where}: {finding.what}{code}")
        if finding.fix:
            first = self._mends.setdefault(finding.fix, where)
            self._beneath(f"mend: {finding.fix}" if first == where else f"mend: as for {first}")
        if finding.request_id:
            self._beneath(f"request-id {finding.request_id}")

    def end(self) -> None:
        """What was only counted, and the sum of all, the last line."""
        for (step, verdict), count in self._counted.items():
            why = f": {self._reasons[step]}" if verdict == "skipped" else ""
            self._line(verdict, f"{step}: {count} room{'' if count == 1 else 's'}{why}")
        words: dict[Verdict, str] = {
            "fail": "failed",
            "warn": "worth a look",
            "ok": "fine",
            "skipped": "not looked at",
        }
        told = [
            f"{self._verdicts[verdict]} {word}" for verdict, word in words.items() if self._verdicts[verdict]
        ]
        style = BAD if self._verdicts["fail"] else WARN if self._verdicts["warn"] else GOOD
        self._console.print()
        self._console.print(text(f"{', '.join(told)}.", style))

    def _line(self, verdict: Verdict, words: str) -> None:
        line = Table.grid(padding=0)
        line.add_column(width=INDENT)
        line.add_column(overflow="fold")
        line.add_row(text(verdict, STYLES[verdict]), text(words))
        self._console.print(line)

    def _beneath(self, words: str) -> None:
        self._console.print(Padding(text(words, QUIET), (0, 0, 0, INDENT), expand=False))
