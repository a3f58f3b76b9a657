"""Writes docs/commands.md, so that it always says what the commands say themselves.

Run as: python -m gateway.commands.reference > docs/commands.md
"""

import sys
from collections.abc import Iterator
from typing import Any, Final

import typer

from gateway.commands import HELP_OPTIONS, app

PROGRAM: Final = "occupancy-gateway"
WIDTH: Final = 80

INTRODUCTION: Final = """\
# Commands

What `occupancy-gateway --help` and each command's `--help` say. This page is generated from them
(`python -m gateway.commands.reference > docs/commands.md`), and a test keeps the two the same.

- Every command finds its configuration through `--config FILE`, else through the environment variable
  `OCCUPANCY_GATEWAY_CONFIG`, else at `/etc/occupancy-gateway/gateway.toml`.
- `doctor exchange`, `exchange setup-script`, `exchange import-settings`, `exchange rehearse` and
  `rooms import` are for those who connect Exchange; they need no running gateway ([how](exchange.md)).
- Commands that look (`status`, `bookings`, `explain`, `decisions`, `report`, `replay`, `shadow-record`,
  `sensors quality`) work with and without a running gateway. Those that tell it something (`check-in`,
  `keep`, `end`, `live`, `shadow`, `were-here`, `reviewed`, `close-breaker`, `resume-writing`), and those that
  book (`free`, `book`, `move`, `cancel`), need it, and the right to open its local socket.
- `evidence`, `replay` and `what-if` need a ledger (or a copy) and nothing else; `verify` needs only its file.
- Those about sensors in general (`sensors decode`) need neither a gateway nor a configuration.
- Times are the site's local time. `--json` prints ISO 8601 with the offset.
- Exit codes: 0 done, 1 could not be done, 2 wrong usage or configuration. What went wrong is one
  sentence on standard error.
"""


def reference() -> str:
    """The page, in Markdown."""
    return INTRODUCTION + "".join(_sections())


def _sections() -> Iterator[str]:
    group = typer.main.get_command(app)
    top = typer.Context(group, info_name=PROGRAM, terminal_width=WIDTH, help_option_names=HELP_OPTIONS)
    yield _section(PROGRAM, group.get_help(top))
    yield from _commands(group, top, "")


def _commands(group: Any, parent: typer.Context, before: str) -> Iterator[str]:
    """A section for each command; a group of commands (`sensors decode`) has none of its own."""
    for name, command in getattr(group, "commands", {}).items():
        context = typer.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
        if hasattr(command, "commands"):
            yield from _commands(command, context, f"{before}{name} ")
        else:
            yield _section(f"{before}{name}", command.get_help(context))


def _section(name: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return f"\n## {name}\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
