"""What speaks against a wish by itself, and how an answer is told to programs."""

from datetime import UTC
from typing import Any

import pytest

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from gateway.runtime.picture import clock_in, iso
from gateway.runtime.wishes import Answer, Limits, Wish, carried_on, plain_objections, refused, settled

NOW = 1_790_000_000_500
LIMITS = Limits(4 * HOUR_MS, NOW + DAY_MS)


def wish(start: int = NOW, length: int = HOUR_MS, **more: Any) -> Wish:
    """A wish for orion."""
    return Wish("orion", start, start + length, **({"ask": "a"} | more))


def objections(asked: Wish) -> list[str]:
    """What speaks against it."""
    return list(plain_objections(settled(asked, NOW), LIMITS, NOW, clock_in(UTC)))


@pytest.mark.parametrize(
    "asked",
    [
        wish(),
        wish(NOW - MINUTE_MS),
        wish(NOW + HOUR_MS, 4 * HOUR_MS),
        wish(NOW + HOUR_MS, MINUTE_MS),
        wish(NOW + DAY_MS - HOUR_MS),
        wish(title="x" * 255, organizer="ana@contoso.com"),
    ],
)
def test_what_can_be_meant_is_not_objected_to(asked: Wish) -> None:
    """Up to every limit."""
    assert objections(asked) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (wish(NOW - MINUTE_MS - 1_000), "has passed"),
        (wish(length=59_000), "shorter than 1m"),
        (wish(length=-HOUR_MS), "shorter than 1m"),
        (wish(length=4 * HOUR_MS + 1_000), "longer than 4h (desk_longest"),
        (wish(NOW + DAY_MS), "no further ahead"),
        (wish(title="x" * 256), "at most 255 characters"),
        (wish(title="bell\a"), "printable"),
        (wish(organizer="ana@contoso.com, bo@contoso.com"), "e-mail address"),
        (wish(ask=""), "no name of its own"),
        (wish(-1), "no time that a calendar knows"),
        (wish(10**18), "no time that a calendar knows"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_sentence(asked: Wish, said: str) -> None:
    """And in one only."""
    (sentence,) = objections(asked)
    assert said in sentence


def test_a_start_that_has_just_passed_is_now_in_whole_seconds() -> None:
    """The end stays where it was."""
    asked = settled(wish(NOW - 30_000), NOW)
    assert asked.start == NOW - 500
    assert asked.end == NOW - 30_500 + HOUR_MS


@pytest.mark.parametrize(
    ("title", "organizer", "carried"),
    [
        ("Review", "ana@contoso.com", ("Review", "ana@contoso.com")),
        ("a\tb" + "x" * 300, "/o=contoso/cn=ana", ("ab" + "x" * 253, "")),
    ],
)
def test_what_somebody_wrote_in_outlook_is_carried_on_as_far_as_it_can(
    title: str, organizer: str, carried: tuple[str, str]
) -> None:
    """A move does not fail over a title."""
    assert carried_on(title, organizer) == carried
    assert objections(wish(title=carried[0], organizer=carried[1])) == []


def test_an_answer_tells_programs_what_was_done_or_why_not() -> None:
    """One of two shapes, as every command of the socket."""

    def told(answer: Answer) -> dict[str, object]:
        return answer.as_json(lambda instant: iso(instant, UTC))

    assert told(refused("not_free", "Taken.")) == {"error": "Taken.", "code": "not_free"}
    done = Answer("booked", "Booked.", done=True, room="orion", booking="K", start=0, end=HOUR_MS)
    assert told(done) == {
        "code": "booked",
        "room": "orion",
        "booking": "K",
        "start": "1970-01-01T00:00:00+00:00",
        "end": "1970-01-01T01:00:00+00:00",
        "checked_in": False,
        "said": ["Booked."],
    }
    assert "start" not in told(Answer("cancelled", "Cancelled.", done=True, room="orion", booking="K"))
