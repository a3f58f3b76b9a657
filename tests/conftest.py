"""What tests of every folder may use: pytest's own tool for testing plugins, and the fixtures of ours.

Named here because an editable installation may be older than the plugin's entry point; where it is not,
pytest knows the plugin already by the same name.

Random cases are the same in each run, whatever the machine's speed; in `make soak` they are new ones.

Besides, what makes a run quick without changing what any test sees: files in memory, a rare look for
garbage, no measuring of coverage during tests that are marked thorough, and for `-n` with
`--dist loadscope` the long tests first.
"""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "simulators.pytest_plugin"]

settings.register_profile(
    "repeatable",
    derandomize="PROPERTY_FACTOR" not in os.environ,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder in memory, where Linux has one
ENOUGH: Final = 2**30
"""Free bytes in memory; a run needs some hundred million."""

LONG: Final = frozenset(
    {
        "test_demo.py",
        "test_every_write_and_fault.py",
        "test_scenarios.py",
        "test_variants_in_virtual_time.py",
        "test_world.py",
    }
)
"""Files of long tests that share nothing: their tests go to whichever worker is free."""

MEASURED_CHILDREN: Final = "COVERAGE_PROCESS_CONFIG"
"""With this in its environment, a child process measures coverage too."""

_set_aside: list[tuple[Any, str | None]] = []
"""The paused measurement, if one is, and what children would have got."""


def pytest_configure() -> None:
    """Put temporary files into memory, unless a place is named: a ledger waits for the disk at each commit.

    No test can tell the difference, as none cuts the power. Workers and child processes inherit it.
    """
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # to be found anew


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The thorough tests first: two workers end at about the same time if what comes last is short."""
    items.sort(key=lambda item: item.get_closest_marker("thorough") is None)


def pytest_collection_finish() -> None:
    """Look for garbage seldomer, and not among the thousands of collected tests: they stay to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def scope(nodeid: str) -> str:
    """What stays on one worker: a file's tests, or one test of a file of long ones."""
    file = nodeid.partition("::")[0]
    return nodeid if Path(file).name in LONG else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One file, one worker: what a module's tests share is made once. But for files of long tests."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only there if this hook is called

    config.option.loadscopereorder = False  # it would put what has most tests first
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = scope
    return scheduler


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage, if it is measured at all, only in tests that are not thorough.

    A command that sets up the log does so for its own test only: the next may be one that reads it.
    """
    _measure(is_wanted=item.get_closest_marker("thorough") is None)
    try:
        return (yield)
    finally:
        if structlog.is_configured():
            structlog.reset_defaults()


def _measure(*, is_wanted: bool) -> None:
    """Pause or resume this process's coverage, and let children do likewise."""
    if is_wanted and _set_aside:
        measurement, children = _set_aside.pop()
        if children is not None:
            os.environ[MEASURED_CHILDREN] = children
        measurement.start()
    elif not is_wanted and not _set_aside and "coverage" in sys.modules:
        measurement = sys.modules["coverage"].Coverage.current()
        if measurement is not None:
            measurement.stop()
            _set_aside.append((measurement, os.environ.pop(MEASURED_CHILDREN, None)))
