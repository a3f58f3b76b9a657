"""What is wrong with the rooms' booking attendants, on the screen."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.padding import Padding

from gateway.exchange.attendant_settings import Problem, Weight
from gateway.shown.paint import BAD, GOOD, NAME, QUIET, WARN, text

STYLES: Final[dict[Weight, str]] = {"fail": BAD, "warn": WARN, "note": QUIET}


def paint_attendants(
    console: Console,
    problems: Sequence[Problem],
    ids: Mapping[str, str],
    rooms: int,
    missing: Sequence[str],
    others: Sequence[str],
) -> None:
    """Room by room, the worst of each first. `ids` by mailbox; `missing`: ids, `others`: mailboxes."""
    for mailbox, own in groupby(problems, key=lambda problem: problem.mailbox):
        console.print(text(f"{ids[mailbox]} ({mailbox})", NAME))
        for problem in own:
            line = text(f"{problem.weight:<6}", STYLES[problem.weight])
            line.append_text(text(f"{problem.setting}: {problem.text}"))
            console.print(Padding(line, (0, 0, 0, 2), expand=False))
            if problem.fix:
                mend = f"mend: Set-CalendarProcessing -Identity {mailbox} {problem.fix}"
                console.print(Padding(text(mend, QUIET), (0, 0, 0, 8), expand=False))
    serious = sum(problem.weight != "note" for problem in problems)
    if missing:
        console.print(text(f"Not in the file: {', '.join(missing)}.", WARN))
    if others:
        console.print(text(f"In the file, and no rooms of the gateway: {', '.join(others)}.", QUIET))
    words = f"{rooms} room{'' if rooms == 1 else 's'} read, {serious or 'nothing'} to mend."
    console.print(text(words, BAD if serious else GOOD))
