"""The few means that all screens share: a console, safe text, times, dashes.

Colour only repeats what a word already says. What came from outside (payloads, calendar keys) is
never printed raw: a terminal would obey control characters in it.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.core.units import SECOND_MS, Instant

DASH: Final = "\N{EN DASH}"
ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"

NAME: Final = "bold"
QUIET: Final = "dim"
GOOD: Final = "green"
WARN: Final = "yellow"
BAD: Final = "red"

SHORT_KEY: Final = 10
"""Characters at a key's end that are shown at least; Exchange's keys all begin alike."""


def console() -> Console:
    """Where to paint: standard output, without guessing at highlights, markup or emoji."""
    return Console(highlight=False, markup=False, emoji=False)


def plain(text: str) -> str:
    """The text with everything that a terminal might obey made visible."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def text(words: str, style: str = "") -> Text:
    """Safe text in one style."""
    return Text(plain(words), style=style)


def grid(columns: int, *, indent: int = 0) -> Table:
    """Columns without lines; the last one takes what is left and wraps."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for column in range(columns):
        last = column == columns - 1
        table.add_column(no_wrap=not last, overflow="fold", ratio=1 if last else None)
    if indent:
        table.pad_edge = True
        table.padding = (0, 2, 0, indent)
    table.expand = True
    return table


def listing(*headers: str, right: Iterable[int] = ()) -> Table:
    """A table with headings and one thin rule, numbers to the right."""
    numbers = set(right)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=QUIET, pad_edge=False)
    for position, header in enumerate(headers):
        justify = "right" if position in numbers else "left"
        table.add_column(header, justify=justify, overflow="fold")  # type: ignore[arg-type] # one of rich's words
    return table


class Times:
    """Words instants for one screen: local time, the date only where it is not the screen's own day."""

    def __init__(self, zone: tzinfo, day: date | None = None) -> None:
        self.zone = zone
        self.day = day

    def local(self, instant: Instant) -> datetime:
        """The instant on the zone's clock."""
        return datetime.fromtimestamp(instant // SECOND_MS, UTC).astimezone(self.zone)

    def on(self, instant: Instant) -> "Times":
        """The same for a screen about the day of this instant."""
        return Times(self.zone, self.local(instant).date())

    def clock(self, instant: Instant) -> str:
        """Like "09:10", "09:10:05", or with its day: "Tue 22 Sep 09:10"."""
        moment = self.local(instant)
        time = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
        return time if moment.date() == self.day else f"{_short_date(moment)} {time}"

    def second(self, instant: Instant) -> str:
        """Like "09:10:05", always with its seconds, so that a column lines up."""
        moment = self.local(instant)
        time = moment.strftime("%H:%M:%S")
        return time if moment.date() == self.day else f"{_short_date(moment)} {time}"

    def span(self, start: Instant, end: Instant) -> str:
        """Start and end with a dash between, with the days where they are not the screen's own."""
        return f"{self.clock(start)} {DASH} {self.on(start).clock(end)}"

    def date(self, instant: Instant) -> str:
        """Like "Tue 22 Sep 2026"."""
        return self.local(instant).strftime("%a %d %b %Y")

    def moment(self, instant: Instant) -> str:
        """Like "Tue 22 Sep 2026 09:10:05"."""
        return self.local(instant).strftime("%a %d %b %Y %H:%M:%S")

    def iso(self, instant: Instant | None) -> str | None:
        """ISO 8601 with the offset, for programs."""
        return None if instant is None else self.local(instant).isoformat(timespec="seconds")


def _short_date(moment: datetime) -> str:
    return moment.strftime("%a %d %b")


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """For each key the shortest end that tells it from the others, marked as shortened."""
    all_keys = sorted(set(keys))
    lengths = range(SHORT_KEY, max((len(key) for key in all_keys), default=0) + 1)
    needed = next((n for n in lengths if len({key[-n:] for key in all_keys}) == len(all_keys)), None)
    return {
        key: key if needed is None or len(key) <= needed + 1 else ELLIPSIS + key[-needed:] for key in all_keys
    }
