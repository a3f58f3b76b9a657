"""Topic filters: which are valid, which cover which, how they are packed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from gateway.links.filters import check_filter, covers, in_packets, without_overlap

levels = st.sampled_from(["a", "b", "", "$x"])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = (
    st.tuples(st.lists(levels | st.just("+"), min_size=1, max_size=4), st.booleans())
    .map(lambda parts: "/".join([*parts[0], "#"] if parts[1] else parts[0]))
    .filter(bool)
)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/#", "a", True),
        ("a/#", "a/+/c", True),
        ("a/+", "a/#", False),
        ("a/+", "a/b/c", False),
        ("a/b", "a/b", True),
    ],
)
def test_a_filter_covers_what_it_matches_anyway(wide: str, narrow: str, covered: bool) -> None:
    """The cases of MQTT 3.1.1, section 4.7."""
    assert covers(wide, narrow) is covered


@given(filters, filters, topics)
def test_covering_agrees_with_matching(wide: str, narrow: str, topic: str) -> None:
    """If one filter covers another, there is no topic that only the other matches."""
    if covers(wide, narrow) and topic_matches_sub(narrow, topic):
        assert topic_matches_sub(wide, topic)


@given(st.lists(filters, max_size=8), topics)
def test_leaving_out_overlap_loses_no_topic(wanted: list[str], topic: str) -> None:
    """Every topic that was heard before is heard after."""
    kept = without_overlap(wanted)
    assert any(topic_matches_sub(one, topic) for one in kept) == any(
        topic_matches_sub(one, topic) for one in wanted
    )


def test_repeats_and_covered_filters_are_left_out() -> None:
    """Overlapping subscriptions deliver twice on some brokers."""
    assert without_overlap(["a/b", "c", "a/#", "c", "a/+"]) == ("c", "a/#")
    assert without_overlap(["a/+", "+/b"]) == ("a/+", "+/b")


@pytest.mark.parametrize("bad", ["", "a/#/b", "a#", "a/b+", "+a/b", "a\0", "x" * 65_536])
def test_what_is_no_filter_is_refused(bad: str) -> None:
    """Before a broker closes the connection over it."""
    with pytest.raises(ValueError, match="not a topic filter"):
        check_filter(bad)


@given(st.lists(filters.map(lambda one: one * 20), max_size=40))
def test_packets_hold_everything_in_order_and_stay_small(wanted: list[str]) -> None:
    """Nothing is lost between packets, and none grows beyond the limit unless one filter does."""
    packets = in_packets(wanted, 300)
    assert [one for packet in packets for one in packet] == wanted
    assert all(len(packet) == 1 or sum(len(one.encode()) + 3 for one in packet) <= 300 for packet in packets)
