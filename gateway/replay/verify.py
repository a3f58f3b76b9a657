"""Evidence worked out again: whether its decisions follow from its facts, and nothing was altered."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from gateway import __version__
from gateway.core.decisions import Decision
from gateway.core.site import RULESET, CoreError
from gateway.replay.bundle import (
    ABOUT,
    IMPOSSIBLE,
    Bundle,
    booking_of,
    digest,
    key_hash,
    looks,
    play,
    room_config,
)

Words = Callable[[Decision], str]


class Difference(NamedTuple):
    """The first decision that is not the recorded one; None where one side has no more."""

    number: int
    """Counted from 1."""
    recorded: Decision | None
    today: Decision | None


class Verdict(NamedTuple):
    """What came of working it out again."""

    problems: tuple[str, ...]
    """What speaks against the file: altered content, or decisions that do not follow."""
    difference: Difference | None
    rules_changed: bool
    """Other rules made (some of) the recorded decisions than those of this program."""

    @property
    def follows(self) -> bool:
        """The recorded decisions are what today's rules make of the facts, and nothing speaks against it."""
        return not self.problems and self.difference is None


def verify(bundle: Bundle, worded: Words) -> Verdict:
    """Work the decisions out again from the facts alone; `worded`: a decision in words, with its moment."""
    problems: list[str] = []
    if digest(bundle) != bundle.sha256:
        problems.append(
            "it has been altered or damaged since it was written: its content does not fit its digest."
        )
    problems += _contradictions(bundle, worded)
    rules_changed = any(made.ruleset != RULESET for made in bundle.decisions)
    recorded = [made.decision for made in bundle.decisions]
    today: list[Decision] = []
    try:
        start = msgspec.json.encode(bundle.start)
        today.extend(play(start, bundle.facts, bundle.room, bundle.booking.label))
    except CoreError as error:
        problems.append(f"its facts cannot be given to the core: {error}.")
        return Verdict(tuple(problems), None, rules_changed)
    except IMPOSSIBLE as error:
        problems.append(f"its facts contradict each other ({type(error).__name__}: {error}).")
        return Verdict(tuple(problems), None, rules_changed)
    difference = _difference(recorded, today)
    if difference is not None and not rules_changed:
        problems.append(_told(difference, worded))
    if not recorded:
        problems.append("it holds no decision.")
    return Verdict(tuple(problems), difference, rules_changed)


def _difference(recorded: Sequence[Decision], today: Sequence[Decision]) -> Difference | None:
    """The first place where they are not the same, byte for byte."""
    for i in range(max(len(recorded), len(today))):
        one = recorded[i] if i < len(recorded) else None
        other = today[i] if i < len(today) else None
        if msgspec.json.encode(one) != msgspec.json.encode(other):
            return Difference(i + 1, one, other)
    return None


def _told(difference: Difference, worded: Words) -> str:
    def said(decision: Decision | None) -> str:
        return "nothing more" if decision is None else f'"{worded(decision).removesuffix(".")}"'

    return (
        f"decision {difference.number} does not follow from the facts: recorded is "
        f"{said(difference.recorded)}; from the facts follows {said(difference.today)}."
    )


def _contradictions(bundle: Bundle, worded: Words) -> list[str]:
    """Where what stands there for people is not what the facts say."""
    label, room, start, facts = bundle.booking.label, bundle.room, bundle.start, bundle.facts
    config = room_config(start, facts, room)
    if config is None:
        return [f'its facts know no room "{room}" ($.room).']
    known = booking_of(start, facts, room, label)
    span = (known.start, known.end) if known is not None else (0, 0)
    same_program = bundle.program == __version__
    pairs = {
        "about": not same_program or bundle.about == ABOUT,
        "room_name": bundle.room_name == config.name,
        "booking": (bundle.booking.start, bundle.booking.end) == span,
        "booking.key": not bundle.booking.key or key_hash(bundle.booking.key) == bundle.booking.key_sha256,
        "policy": bundle.policy == config.policy,
        "sensors": bundle.sensors == config.sensors,
        "calendar": bundle.calendar == looks(facts, room, label),
        "told": not same_program or bundle.told == tuple(worded(made.decision) for made in bundle.decisions),
    }
    return [
        f"what stands at $.{place} is not what its facts say." for place, holds in pairs.items() if not holds
    ]
