"""The program `occupancy-gateway`: hands each command to where it lives.

`run` takes a way of its own, so that the service never loads what only the other commands need.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

HELP: Final = frozenset({"--help", "-h"})

FOR_TERMINALS_ONLY: Final = ("rich", "click", "pygments")
"""structlog and httpx load these if they find them, for tracebacks in colour and a command of their
own, and do without where they are missing: 5 MB that a service in a cupboard would carry for nothing."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 could not be done, 2 wrong usage or configuration."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["run"] and not HELP.intersection(given):
        sys.exit(_load_run()(given[1:]))
    from gateway.commands import app  # noqa: PLC0415 - loads typer, which the service must not

    app(args=given, prog_name="occupancy-gateway")


def _load_run() -> Callable[[Sequence[str]], int]:
    with lean_imports():
        from gateway.run import main as run  # noqa: PLC0415 - only now
    return run


@contextmanager
def lean_imports() -> Iterator[None]:
    """While the service is loaded, hide what it needs not; a migration may still load click later."""
    hidden = [name for name in FOR_TERMINALS_ONLY if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # None: an import finds that there is none
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


if __name__ == "__main__":
    main()
