"""Topic filters: which one makes another superfluous (MQTT 3.1.1, section 4.7)."""

from collections.abc import Iterable, Sequence
from typing import Final

WILDCARDS: Final = ("+", "#")


MAX_TOPIC_BYTES: Final = 65_535
"""MQTT 3.1.1, section 1.5.3."""


def check_filter(topic_filter: str) -> None:
    """Raise ValueError unless this is a topic filter that a broker can understand."""
    if not topic_filter or "\0" in topic_filter or len(topic_filter.encode()) > MAX_TOPIC_BYTES:
        raise ValueError(f"not a topic filter: {topic_filter[:80]!r} is empty, too long or holds a NUL")
    levels = topic_filter.split("/")
    for index, level in enumerate(levels):
        if level == "#" and index != len(levels) - 1:
            raise ValueError(f"not a topic filter: in {topic_filter[:80]!r}, # is not at the end")
        if level not in WILDCARDS and any(wildcard in level for wildcard in WILDCARDS):
            raise ValueError(f"not a topic filter: in {topic_filter[:80]!r}, a wildcard shares its level")


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic that `narrow` matches is matched by `wide` too."""
    if wide == narrow:
        return True
    wide_levels, narrow_levels = wide.split("/"), narrow.split("/")
    if narrow_levels[0].startswith("$") and wide_levels[0] in WILDCARDS:
        return False  # wildcards at the first level leave out $SYS and its like
    for index, level in enumerate(wide_levels):
        if level == "#":
            return True  # also matches the level above itself
        if index >= len(narrow_levels) or narrow_levels[index] == "#":
            return False
        if level not in ("+", narrow_levels[index]):
            return False
    return len(wide_levels) == len(narrow_levels)


def without_overlap(filters: Iterable[str]) -> tuple[str, ...]:
    """The filters in their order, without repeats and without those that another one covers.

    Overlapping subscriptions deliver a message twice on some brokers (shared reference, section 1).
    Two that overlap only in part (`a/+` and `+/b`) both stay: neither can be left out.
    """
    unique = tuple(dict.fromkeys(filters))
    wide = [one for one in unique if any(level in WILDCARDS for level in one.split("/"))]
    return tuple(one for one in unique if not any(other != one and covers(other, one) for other in wide))


def in_packets(filters: Sequence[str], limit_bytes: int) -> list[list[str]]:
    """The filters in groups whose encoded size stays near `limit_bytes`, one SUBSCRIBE each."""
    packets: list[list[str]] = []
    size = limit_bytes
    for one in filters:
        needed = len(one.encode()) + 3  # two bytes of length, one of QoS
        if size + needed > limit_bytes:
            packets.append([])
            size = 0
        packets[-1].append(one)
        size += needed
    return packets
