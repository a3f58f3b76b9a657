"""A pytest plugin that watches the tests of a mutated copy and writes down what it sees, as JSON lines.

`{"began": test}` before each test, `{"failed": test}` after each that fails, `{"uncollected": file}`
for one that cannot even be imported, and at the end `{"foreign": [...]}`: modules of the project that
were not imported from the copy. The runner reads the file, also when the tests had to be stopped.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import Phase, settings

OWN: Final = ("gateway", "simulators")
NOTES: Final = Path(os.environ["MUTATION_NOTES"])
TREE: Final = Path(os.environ["MUTATION_TREE"]).resolve()


def _note(**fact: Any) -> None:
    with NOTES.open("a", encoding="utf-8") as notes:
        notes.write(json.dumps(fact) + "\n")


def pytest_configure() -> None:
    """Draw the same examples each time, and do not look for the smallest: one that fails is enough."""
    quick = settings(
        derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
    )
    settings.register_profile("mutations", quick)
    settings.load_profile("mutations")


def pytest_runtest_logstart(nodeid: str) -> None:
    """If a test never ends, this is where it hangs."""
    _note(began=nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure in a test, its set-up or its clean-up catches the fault."""
    if report.failed:
        _note(failed=report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A fault that keeps tests from being collected is not caught by a promise: it is no good fault."""
    if report.failed:
        _note(uncollected=report.nodeid)


def pytest_sessionfinish() -> None:
    """Name every module that did not come from the copy: then the installed tree was tested."""
    files = {
        name: getattr(module, "__file__", None)
        for name, module in sorted(sys.modules.items())
        if name.partition(".")[0] in OWN
    }
    foreign = [
        name for name, file in files.items() if file is not None and TREE not in Path(file).resolve().parents
    ]
    _note(foreign=foreign, imported=len(files))
