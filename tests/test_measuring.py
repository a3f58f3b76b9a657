"""How the tests run (conftest.py): what is measured, what shares things, and what each leaves as it was."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog
from coverage import Coverage

from gateway import logs

IN_A_CHILD = "import sys; print('coverage' in sys.modules)"

needs_measuring = pytest.mark.skipif(
    "COVERAGE_RUN" not in os.environ, reason="coverage is not measured in this run"
)


def child_measures() -> bool:
    """Whether a child process measures coverage as well."""
    done = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-c", IN_A_CHILD], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip() == "True"


@needs_measuring
@pytest.mark.thorough
def test_a_thorough_test_is_not_measured_nor_are_its_children() -> None:
    """It would take three times as long."""
    assert Coverage.current() is None
    assert not child_measures()


@needs_measuring
def test_the_test_after_it_is_measured_with_its_children() -> None:
    """What the pause took away is back: also for processes that a test starts."""
    assert Coverage.current() is not None
    assert child_measures()


def test_a_test_may_set_up_the_log() -> None:
    """As a command does that is called in a test's own process: from now on only errors are told."""
    logs.configure("error", "json")
    assert structlog.is_configured()


def test_the_test_after_it_has_the_log_as_it_was() -> None:
    """What reads the log must not depend on which commands ran before on the same worker."""
    assert not structlog.is_configured()


def test_a_modules_tests_stay_together_but_for_files_of_long_ones(request: pytest.FixtureRequest) -> None:
    """What a module's tests share is made once; the long tests spread over the workers, wherever they are."""
    here = Path(__file__).parent
    conftest: Any = request.config.pluginmanager.get_plugin(str(here / "conftest.py"))
    assert conftest.scope("tests/core/test_life.py::test_a[b::c]") == "tests/core/test_life.py"
    for name in conftest.LONG:
        (file,) = here.rglob(name)
        assert conftest.scope(f"{file}::test_a[1]") != conftest.scope(f"{file}::test_a[2]")
