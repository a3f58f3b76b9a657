"""What `check-config` says of a sound configuration."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding

from gateway.shown.paint import NAME, QUIET, WARN, text

WARNING = "warning: "


def paint_check(console: Console, lines: Sequence[str]) -> None:
    """Paint the lines of `gateway.prospects.render_check`: the site, its rooms, the warnings."""
    console.print(text(lines[0], NAME))
    for line in lines[1:]:
        if line.startswith(WARNING):
            console.print(Padding(text(line, WARN), (1, 0, 0, 0), expand=False))
        elif line.startswith(" "):
            console.print(Padding(text(line.strip(), QUIET), (0, 0, 0, 2), expand=False))
        else:
            name, _, why = line.partition(": ")
            console.print()
            console.print(text(name, NAME))
            console.print(Padding(text(why), (0, 0, 0, 2), expand=False))
