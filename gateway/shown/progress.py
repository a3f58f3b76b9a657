"""What is shown on standard error, and only on a terminal, while something takes long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from gateway.shown.paint import QUIET


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """Such as "70,000 a second"; nothing until it is known."""
        return Text(f"{task.speed:,.0f} a second" if task.speed else "", style=QUIET)


@contextmanager
def busy(words: str) -> Iterator[None]:
    """Shows that something is being done whose end cannot be foreseen."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(words):
        yield


@contextmanager
def progress_bar(
    words: str, *, shown: bool = True, timed: bool = False, counted: bool = True
) -> Iterator[Callable[[int, int], None]]:
    """A bar; call what it gives with (done, of).

    `timed`: with the rate and the time that is left, where there are many of much the same effort.
    `counted`: what is done are things of their own; else their share is shown.
    """
    console = Console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn()]
    columns.append(MofNCompleteColumn() if counted else TaskProgressColumn())
    if timed:
        columns += [_Rate()] * counted
        columns.append(TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not (shown and console.is_terminal)
    ) as bar:
        task = bar.add_task(words, total=None, visible=False)

        def advance(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, visible=of > 1)

        yield advance
