"""Evidence of the named scenarios: each is played once, and every booking of it gives a bundle."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from told_evidence import bundles_of

from gateway.replay.bundle import Bundle
from gateway.replay.otherwise import Otherwise, otherwise
from simulators.scenario.timeline import read, run

SCENARIOS = Path(__file__).parent.parent / "scenarios"

Bundles = Callable[[str], list[Bundle]]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """The evidence that a scenario gives, by its name such as "no_show/ghost"."""

    @cache
    def played(name: str) -> list[Bundle]:
        folder = tmp_path_factory.mktemp("scenario")
        assert run(read(SCENARIOS / f"{name}.timeline"), folder).passed
        return bundles_of(folder / "ledger.db")

    return played


@pytest.fixture(scope="session")
def searched(bundles: Bundles) -> Callable[[str], list[tuple[Bundle, Otherwise]]]:
    """The same, each with what would have had to be different."""

    @cache
    def found(name: str) -> list[tuple[Bundle, Otherwise]]:
        return [(bundle, otherwise(bundle)) for bundle in bundles(name)]

    return found
