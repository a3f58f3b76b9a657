"""A number that is missing is a message that was lost; a new start and a repeat are none."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import Reading
from gateway.sensors import Missed, OptionError, SensorSource, build_router
from gateway.sensors.sequence import Sequence

TOPIC = "office/orion/pir"


def losses(*messages: tuple[object, object]) -> list[bool]:
    """What each message says of those before it."""
    sequence = Sequence()
    return [sequence.misses(number, boot) for number, boot in messages]


def test_a_gap_is_a_loss_and_a_new_start_is_none() -> None:
    """With the device's own word for its start, and without."""
    assert losses((7, 1), (8, 1), (10, 1), (11, 1)) == [False, False, True, False]
    assert losses((7, 1), (1, 2), (2, 2), (9, 2)) == [False, False, False, True]
    assert losses((7, None), (1, None), (2, None), (4, None)) == [False, False, False, True]


def test_what_comes_again_is_no_loss() -> None:
    """A broker delivers again what was not acknowledged, one message or the last few."""
    assert losses((7, 1), (8, 1), (8, 1), (9, 1)) == [False] * 4
    assert losses((7, 1), (8, 1), (9, 1), (7, 1), (8, 1), (9, 1), (10, 1)) == [False] * 7


def test_a_message_without_its_number_counts_as_one_after_a_loss() -> None:
    """Nobody can say that nothing was lost before it."""
    assert losses((None, 1), ("8", 1), (-1, 1), (True, 1), (2**64, 1), (1.0, 1)) == [True] * 6


@given(
    numbers=st.lists(st.integers(0, 50), unique=True, min_size=2, max_size=40).map(sorted),
    boot=st.sampled_from([None, 1, "a"]),
)
def test_exactly_what_is_missing_is_noticed(numbers: list[int], boot: object) -> None:
    """Of messages in their order: a loss is told where a number is missing before it, and nowhere else."""
    told = losses(*((number, boot) for number in numbers))
    assert told == [False, *(b - a > 1 for a, b in pairwise(numbers))]


def source(**options: str) -> SensorSource:
    """A PIR that counts its messages."""
    return SensorSource("orion-pir", "json", TOPIC, "motion", options={"path": "m", **options})


def test_the_family_json_tells_a_loss_before_its_readings() -> None:
    """`boot` is looked for beside the number; a retained message counts nothing."""
    router = build_router([source(sequence_path="d.seq")])

    def said(seq: object, boot: int = 1, *, retained: bool = False) -> list[object]:
        payload = json.dumps({"m": True, "d": {"seq": seq, "boot": boot}}).encode()
        return list(router.decode(TOPIC, payload, retained))

    seen = Reading("orion-pir", "motion", 1)
    assert said(1) == [seen]
    assert said(9, retained=True) == []
    assert said(2) == [seen]
    assert said(4) == [Missed("orion-pir"), seen]
    assert said(1, boot=2) == [seen]
    assert said(None, boot=2) == [Missed("orion-pir"), seen]


def test_a_boot_path_alone_is_refused() -> None:
    """It would never be read."""
    try:
        build_router([source(boot_path="boot")])
    except OptionError as error:
        assert "without sequence_path" in str(error)  # noqa: PT017 - the message is the point
    else:
        raise AssertionError
