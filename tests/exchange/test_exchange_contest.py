"""Two were booked at once: which one stays."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.contest import Entry, judge

OURS = Entry("M=", 1_000)

ENTRIES = st.builds(Entry, st.text("ABC", min_size=1, max_size=3), st.integers(0, 3), st.booleans())


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        ([], "stays"),
        ([Entry("A=", 1_001)], "stays"),
        ([Entry("Z=", 999)], "gives_way"),
        ([Entry("A=", 1_000)], "gives_way"),
        ([Entry("Z=", 1_000)], "look_again"),
        ([Entry("A=", 1_001), Entry("B=", 999)], "gives_way"),
        ([Entry("Z=", 1_001, same_kind=False)], "gives_way"),
        ([Entry("Z=", 1_000), Entry("A=", 1_000)], "gives_way"),
    ],
)
def test_who_was_first_stays_and_what_is_of_another_kind_always_does(
    others: Sequence[Entry], verdict: str
) -> None:
    """Somebody was told that they have that one, whoever was first."""
    assert judge(OURS, others) == verdict


@given(entries=st.lists(ENTRIES, min_size=2, max_size=6, unique_by=lambda entry: entry.event_id))
def test_of_those_that_see_each_other_two_never_stay(entries: list[Entry]) -> None:
    """Whatever the order; and the first of its kind gives way to nobody of its kind for good."""
    ours = [entry for entry in entries if entry.same_kind]
    verdicts = {entry.event_id: judge(entry, [e for e in entries if e is not entry]) for entry in ours}
    kept = [event_id for event_id, verdict in verdicts.items() if verdict != "gives_way"]
    assert len(kept) <= 1
    if ours and len(ours) == len(entries):
        first = min(ours, key=lambda entry: (entry.created_us, entry.event_id))
        assert kept == [first.event_id]
