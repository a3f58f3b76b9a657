"""The report as a table for people."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from gateway.reports.text import Table
from gateway.shown.paint import NAME, QUIET, grid, listing, text


def paint_report(console: Console, table: Table, period: str, findings: Sequence[str] = ()) -> None:
    """Hours by room, what the bookings came to, why ghost hours were not given back; then `findings`.

    `findings`: sentences on what is wrong around Exchange now, whatever the period.
    """
    console.print(text("Booked against used, in hours", NAME))
    console.print(text(period, QUIET))
    console.print()
    rooms = listing(*table.headers, right=range(1, len(table.headers)))
    for row in table.rows:
        rooms.add_row(*(text(cell) for cell in row))
    rooms.add_section()
    rooms.add_row(*(text(cell, NAME) for cell in table.total))
    console.print(rooms)
    if table.outcomes:
        console.print()
        console.print(text("What the bookings came to", QUIET))
        _pairs(console, [(str(number), words) for words, number in table.outcomes])
    if table.causes:
        console.print()
        console.print(text("Ghost hours that were not given back, and why", QUIET))
        _pairs(console, [(hours, words) for words, hours in table.causes])
    if table.series:
        console.print()
        console.print(
            text("Series that nobody comes to any more, and the hours that ending them returns", QUIET)
        )
        series = listing("Room", "Booking", "In a row", "Hours", right=(2, 3))
        for row in table.series:
            series.add_row(*(text(cell) for cell in row))
        console.print(series)
    if findings:
        console.print()
        console.print(text("What is wrong around Exchange now", QUIET))
        for finding in findings:
            console.print(text(finding))
    if table.notes:
        console.print()
        for note in table.notes:
            console.print(text(note))


def paint_unsupported(
    console: Console, unsupported: Mapping[str, Sequence[str]], names: Mapping[str, str]
) -> None:
    """What rooms' policies ask for and their sensors' history speaks against; nothing if there is none."""
    if not unsupported:
        return
    console.print()
    console.print(text("What the sensors' own history does not support", QUIET))
    lines = grid(2)
    for room, sentences in unsupported.items():
        for sentence in sentences:
            lines.add_row(text(names.get(room, room)), text(sentence))
    console.print(lines)


def _pairs(console: Console, pairs: list[tuple[str, str]]) -> None:
    lines = grid(2)
    width = max(len(figure) for figure, _ in pairs)
    for figure, words in pairs:
        lines.add_row(Text(figure.rjust(width)), text(words))
    console.print(lines)
