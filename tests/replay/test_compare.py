"""Decisions are compared by what they say and when, not by their numbers."""

from gateway.core.decisions import Decision, DecisionKind, Reason, Tally, Write
from gateway.core.units import MINUTE_MS, SECOND_MS
from gateway.replay.compare import TOLERANCE_MS, compared

NOW = 1_790_000_000_000


def said(kind: DecisionKind, at: int = NOW, booking: str = "b", **more: object) -> Decision:
    """A decision about a booking."""
    return Decision(kind, "orion", at, booking, **more)  # type: ignore[arg-type] # keyword pass-through


def written(number: int, at: int = NOW) -> Decision:
    """A release with the number of its write."""
    write = Write(number, "release", "decline", "id-b", at, at + MINUTE_MS, at + 2 * MINUTE_MS)
    return said("release", at, write=write)


def test_the_same_within_the_tolerance_is_no_difference() -> None:
    """A tick may come some milliseconds later, and the numbers of writes count what came before."""
    found = compared([written(3)], [written(4, NOW + TOLERANCE_MS)], 1)
    assert found == ([], 0)


def test_another_moment_is_a_difference_of_both_sides() -> None:
    """Then and now stand beside each other."""
    then, now = said("seen"), said("seen", NOW + TOLERANCE_MS + 1)
    ((one,), _) = compared([then], [now], 1)
    assert (one.recorded, one.today) == ((then,), (now,))
    assert one.at == NOW


def test_another_booking_is_another_matter() -> None:
    """The same words about two bookings are two differences."""
    found, _ = compared([said("seen", booking="b")], [said("seen", booking="c")], 1)
    assert [(one.booking, len(one.recorded), len(one.today)) for one in found] == [("b", 1, 0), ("c", 0, 1)]


def test_other_reasons_alone_are_counted_apart() -> None:
    """Reasons, figures and the way of a write; instants within them may move as ticks do."""
    then = [said("seen", reasons=(Reason("shown", "radar", at=NOW),))]
    assert compared(then, [said("seen", reasons=(Reason("shown", "radar", at=NOW + 5),))], 1) == ([], 0)
    assert compared(then, [said("seen", reasons=(Reason("shown", "pir", at=NOW),))], 1) == ([], 1)


def test_counts_are_no_durations() -> None:
    """Three rooms are not four, though both are less than a second."""
    three, four = (said("breaker_opened", reasons=(Reason("many_silent", value=n),)) for n in (3, 4))
    assert compared([three], [four], 1).details == 1


def test_what_a_booking_came_to_is_the_conclusion() -> None:
    """Attended and not attended are not the same end."""
    ends = [
        said("concluded", reasons=(Reason(f"outcome_{outcome}"),), tally=Tally(outcome))
        for outcome in ("attended", "withheld")
    ]
    ((one,), details) = compared(ends[:1], ends[1:], 1)
    assert (one.recorded, one.today, details) == ((ends[0],), (ends[1],), 0)


def test_one_that_comes_twice_is_paired_once() -> None:
    """Withheld twice then, once now: the one nearest in time is the same."""
    first, second = said("withheld"), said("withheld", NOW + MINUTE_MS)
    ((one,), _) = compared([first, second], [said("withheld", NOW + MINUTE_MS + SECOND_MS)], 1)
    assert (one.recorded, one.today) == ((first,), ())
