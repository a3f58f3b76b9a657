"""What every checker is: it looks at what is new, and says what must never have happened."""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from gateway.core.decisions import Decision
from gateway.core.units import SECOND_MS, Duration, Instant
from simulators.invariants.story import Story
from simulators.observed import Effect, Observed, Read, Recorded

FRESH_READ_MS: Duration = 30 * SECOND_MS
"""The occurrence is read at most this long before a write (W4); so no request is under way for longer."""

TAKES_AWAY = ("declined", "cancelled", "deleted")
"""Visible forms of a release."""


class Violation(NamedTuple):
    """A promise that was broken. `at` in ms since 1970 UTC; `room` empty: the whole site."""

    invariant: str
    at: Instant
    room: str
    what: str


class Checker:
    """One invariant. Remembers how far it has read; made anew for each world.

    The story is told to all checkers together: each entry of the journal once (`recorded`), each
    decision before the story itself takes note of it (`decided`). After all that is new: `step`.
    """

    name: ClassVar[str] = ""
    """As in the table of invariants."""

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - for those who look
        """An entry of the journal, and in `story.just_decided` what came of it."""
        return iter(())

    def decided(self, seen: Observed, story: Story, decision: Decision) -> Iterator[Violation]:  # noqa: ARG002 - as above
        """A recorded decision; the story is as it was just before it."""
        return iter(())

    def step(self, seen: Observed, story: Story) -> Iterator[Violation]:  # noqa: ARG002 - as above
        """Something may have happened outside of the journal."""
        return iter(())

    def end(self, seen: Observed, story: Story) -> Iterator[Violation]:  # noqa: ARG002 - as above
        """Nothing fails any more, and there was time to recover."""
        return iter(())

    def broken(self, at: Instant, room: str, what: str) -> Violation:
        """A violation of this invariant."""
        return Violation(self.name, at, room, what)


class EffectChecker(Checker):
    """A checker that looks at each visible change once."""

    def __init__(self) -> None:
        self._effects_read = 0

    def step(self, seen: Observed, story: Story) -> Iterator[Violation]:
        """Hand over the new ones."""
        while self._effects_read < len(seen.effects):
            effect = seen.effects[self._effects_read]
            self._effects_read += 1
            yield from self.effect(seen, story, effect)

    def effect(self, seen: Observed, story: Story, effect: Effect) -> Iterator[Violation]:
        """A visible change in a calendar."""
        raise NotImplementedError


def is_release(effect: Effect) -> bool:
    """The gateway gave a room back."""
    return effect.by == "gateway" and effect.deed in TAKES_AWAY


def last_read(seen: Observed, story: Story, effect: Effect) -> Read | None:
    """The newest read of the effect's occurrence, at most `FRESH_READ_MS` before it. Mailbox's record."""
    ids = story.event_ids(effect.room, effect.booking)
    for read in reversed(seen.reads):
        if read.at < effect.at - FRESH_READ_MS:
            return None
        if read.at <= effect.at and read.room == effect.room and read.event_id in ids:
            return read
    return None
