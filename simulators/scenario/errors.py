"""What can go wrong with a scenario, and how close words are found.

ScenarioError(Exception)     a scenario that cannot be followed; its text says what to write instead
├── UnknownNameError         a room, person, sensor or setting that is not there
└── TimelineError            a line of a timeline that cannot be read: file, line, what was expected
Unexpected(AssertionError)   an expectation that does not hold; its text is the whole story
"""

import difflib
from collections.abc import Collection


class ScenarioError(Exception):
    """A scenario that cannot be followed."""


class UnknownNameError(ScenarioError):
    """A name that is not there."""


class TimelineError(ScenarioError):
    """A line that cannot be read, with its place."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}:{line}: {problem}")
        self.file = file
        self.line = line
        self.problem = problem


class Unexpected(AssertionError):  # noqa: N818 - reads as what is wrong, and is a failed assertion
    """An expectation that does not hold."""


def near(word: str, known: Collection[str], cutoff: float = 0.6) -> str:
    """``; did you mean "orion"?`` where a known word is close; otherwise the known words, if few."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    if close:
        return f'; did you mean "{by_folded[close[0]]}"?'
    if not known:
        return "; there is none yet"
    few = 12
    return f"; there are: {', '.join(sorted(known))}" if len(known) <= few else ""


def unknown(what: str, word: str, known: Collection[str]) -> UnknownNameError:
    """An error about a name, with the one that was probably meant."""
    return UnknownNameError(f'there is no {what} "{word}"{near(word, known)}')
