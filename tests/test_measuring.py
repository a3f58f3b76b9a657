"""How the tests run (conftest.py): thorough ones are not measured, and what shares things stays together."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

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


def test_a_modules_tests_stay_together_but_for_files_of_long_ones(request: pytest.FixtureRequest) -> None:
    """What a module's tests share is made once; the long tests spread over the workers, wherever they are."""
    here = Path(__file__).parent
    conftest: Any = request.config.pluginmanager.get_plugin(str(here / "conftest.py"))
    assert conftest.scope("tests/core/test_life.py::test_a[b::c]") == "tests/core/test_life.py"
    for name in conftest.LONG:
        (file,) = here.rglob(name)
        assert conftest.scope(f"{file}::test_a[1]") != conftest.scope(f"{file}::test_a[2]")
