"""A rule that fails is a fault of ours, and a fault never lets a release through."""

import pytest
from timeline import RADAR, Timeline, booking

from gateway.core import rules
from gateway.core.rules import RELEASE_RULES, Case, Weight


class FaultyRuleError(Exception):
    """What the rule under test raises."""


def faulty(_: Case) -> None:
    """A rule with a fault."""
    raise FaultyRuleError


@pytest.mark.parametrize("weight", ["never", "doubt", "time"])
def test_a_rule_that_fails_permits_nothing(weight: Weight, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its weight: the fault comes out where the gateway reloads, and nothing is decided."""
    monkeypatch.setattr(rules, "RELEASE_RULES", (*RELEASE_RULES, (weight, faulty)))
    line = Timeline(RADAR)
    line.book(booking("09:00", "10:00", "b"))
    with pytest.raises(FaultyRuleError):
        line.until("10:00")
    assert not line.has("release", "b")
