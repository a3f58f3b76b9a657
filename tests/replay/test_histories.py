"""What each released ruleset decided is kept: today's rules give the same, or what is written beside it.

A failure here means that decisions have changed. If that is meant, raise `RULESET` and record anew
(docs/decisions/0016); if it is not, it is the only notice.
"""

from pathlib import Path
from types import ModuleType
from typing import Final, get_args

import pytest

from gateway.core.decisions import DecisionKind
from gateway.core.site import RULESET
from gateway.core.steps import attendance, calendar, outcomes
from gateway.core.units import MINUTE_MS
from simulators.histories import (
    EXPECTED,
    HAND_MADE,
    SLICES,
    SUFFIX,
    TIMELINES,
    by_hand,
    differences_of,
    expected,
    histories,
    of_timeline,
    read,
    rulesets,
    run_again,
    write,
)

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "data" / "rulesets"
PRESENT: Final = histories(FOLDER, RULESET)
OLDER: Final = [ruleset for ruleset in rulesets(FOLDER) if ruleset < RULESET]
MOST_BYTES: Final = 200_000
"""Of one ruleset's histories: they stay for good."""


def name_of(path: Path) -> str:
    """A history's name."""
    return path.name.removesuffix(SUFFIX)


@pytest.mark.parametrize("path", PRESENT, ids=name_of)
def test_the_present_ruleset_decides_as_recorded(path: Path) -> None:
    """Every decision of its histories, to the byte."""
    history = read(path)
    verdict = run_again(history)
    assert not verdict.faults
    assert not verdict.differences
    assert verdict.decisions == sum(len(step.decisions) for step in history.steps) > 0


@pytest.mark.parametrize("ruleset", OLDER)
def test_an_older_ruleset_differs_in_what_is_written_down_and_nothing_else(ruleset: int) -> None:
    """Ledgers of it are out there: what `replay` lists for them is what was meant to change."""
    assert differences_of(FOLDER, ruleset) == expected(FOLDER, ruleset)


@pytest.mark.parametrize("ruleset", OLDER)
def test_an_older_ruleset_has_a_history_that_must_differ(ruleset: int) -> None:
    """Rules that were raised decide otherwise on something, and a history shows it."""
    assert any(found["differences"] for found in expected(FOLDER, ruleset).values())


def test_the_present_ruleset_is_recorded() -> None:
    """Whoever raises it records it: the same timelines and slices, with their own number inside."""
    names = sorted(
        [*(name.replace("/", "-") for name in TIMELINES), *(one.name for one in SLICES), HAND_MADE]
    )
    assert [name_of(path) for path in PRESENT] == names, (
        f"record ruleset {RULESET}: python -m simulators.histories record tests/data/rulesets"
    )
    assert {read(path).header.ruleset for path in PRESENT} == {RULESET}
    assert not (FOLDER / str(RULESET) / EXPECTED).exists()
    assert sum(path.stat().st_size for path in PRESENT) < MOST_BYTES


def test_the_recorded_histories_show_every_kind_of_decision() -> None:
    """A rule that no history shows could change unnoticed."""
    shown = {decision.kind for path in PRESENT for step in read(path).steps for decision in step.decisions}
    assert set(get_args(DecisionKind)) == shown


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (attendance, "SHOWN_FOR_CHECK_IN_MS", MINUTE_MS),
        (attendance, "HANDOVER_GAP_MS", 0),
        (calendar, "STALE_READ_MS", 9 * MINUTE_MS),
        (attendance, "RETURN_WITHIN_MS", 0),
        (outcomes, "RETRY_AFTER_MS", 9 * MINUTE_MS),
    ],
)
def test_a_change_of_the_rules_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, value: int
) -> None:
    """Changed without another number, some recorded history comes out otherwise."""
    monkeypatch.setattr(module, name, value)
    assert any(run_again(read(path)).faults for path in PRESENT)


def test_recorded_again_it_is_the_same_file(tmp_path: Path) -> None:
    """Recording is as repeatable as everything: two developers get the same bytes."""
    for history in (of_timeline(ROOT / "scenarios" / "no_show" / "cancelled.timeline"), by_hand()):
        path = write(tmp_path, history)
        assert read(path) == history
        assert path.read_bytes() == (FOLDER / str(RULESET) / path.name).read_bytes()
