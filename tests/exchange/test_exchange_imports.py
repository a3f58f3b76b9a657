"""What talking to Exchange costs in memory before it is needed."""

import subprocess
import sys

PROGRAM = """
import sys
from gateway.exchange import auth, calendar, client, comment, errors, hints, models, writer
heavy = {"msal", "requests", "jwt", "rich", "click", "pygments", "typer"}
print(sorted(heavy & set(sys.modules)), sorted(m for m in sys.modules if m.startswith("gateway.")))
"""


def test_nothing_heavy_and_nothing_of_other_packages_is_imported() -> None:
    """Msal comes with the first token, httpx without its program; of ours only the core and the clock."""
    done = subprocess.run(  # noqa: S603 - this interpreter, a constant program
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    heavy, _, ours = done.stdout.partition("] [")
    assert heavy == "["
    modules = {name.strip("' ]\n") for name in ours.split(",")}
    assert all(name.startswith(("gateway.core", "gateway.clock", "gateway.exchange")) for name in modules)
    assert "gateway.exchange.writer" in modules
