"""Forms of lines: from the way in which the documentation writes them to what a line says.

In a form, words in capitals stand for something (`PARTS`), `a|b` is a choice and `[a]` may be left out:

    WHO moves ROOM WHEN to SPAN
    expect ROOM WHEN [not] released [at TIME]
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from simulators.scenario.gateway import Gateway

_CLOCK: Final = r"\d\d:\d\d(?::\d\d)?"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.@-]*"


class Part(NamedTuple):
    """What a word in capitals stands for."""

    pattern: str
    meaning: str


PARTS: Final[Mapping[str, Part]] = {
    "ROOM": Part(_NAME, "a room's name, such as `orion`"),
    "SENSOR": Part(
        _NAME,
        "a sensor: its room and its kind, such as `orion-radar`; the second of a kind is `orion-pir-2`",
    ),
    "WHO": Part(_NAME, "somebody, such as `ana`"),
    "TIME": Part(_CLOCK, "a local time: `09:05` or `09:05:30`"),
    "SPAN": Part(rf"{_CLOCK}-{_CLOCK}|all day", "from when to when: `09:00-10:00`, or `all day`"),
    "WHEN": Part(
        rf"(?:tomorrow )?(?:{_CLOCK}(?:-{_CLOCK})?|all day)",
        "a booking by its time: `09:00-10:00` or `09:00`, `all day`, `tomorrow 09:00`",
    ),
    "DURATION": Part(r"\d\w*", "how long: `45s`, `10m`, `1h30m`"),
    "N": Part(r"\d+", "a number"),
    "STATUS": Part(r"\d{3}", "an HTTP status, such as `429`"),
    "TEXT": Part(r"\"[^\"]*\"|'[^']*'", 'words in quotes of either kind: `"given back"`'),
    "CODE": Part(r"[a-z_]+", "the code of a reason, one of `gateway.core.explain.SENTENCES`: `not_hearing`"),
    "KIND": Part(r"[a-z_]+", "a kind of decision: `release`, `withheld`, `warned`"),
    "OUTCOME": Part(r"[a-z_]+", "what a booking came to, as in the reports: `no_show_released`, `attended`"),
    "DATE": Part(r"\d{4}-\d\d-\d\d", "a date: `2026-03-29`"),
    "ZONE": Part(r"[A-Za-z_]+(?:/[A-Za-z_]+)*", "a time zone: `Europe/Berlin`"),
    "SENSORS": Part(
        r"[^;]+",
        "radar, pir, zigbee pir, counter, door, seat, with commas between; `pir (heartbeat 2m)`: so set; "
        "or `no sensors`",
    ),
    "OPTIONS": Part(
        rf"(?:[a-z, ]|parts {_NAME}(?: and {_NAME})+)+",
        "`live`, `shadow`, `exempt`; `parts orion and lyra`: it is these two rooms with the wall open",
    ),
    "SETTINGS": Part(r".+", "settings of the policy: `grace 15m, vacate 20m`"),
}

Words = Mapping[str, str]
"""What the capitals of a form stand for in a line; a literal `[not]` or a choice is under its own words."""

Act = Callable[[Gateway, Words], str | None]
"""Does what a line says. An expectation returns what is the case instead, or nothing if it holds."""


class Form(NamedTuple):
    """One form of a line."""

    group: str
    syntax: str
    meaning: str
    act: Act
    before: bool = False
    """It may stand without a time: then it holds from the beginning."""
    only_before: bool = False
    """It stands without a time only."""
    new_day: bool = False
    """The times after it are those of a later day."""


class Grammar:
    """All forms, in the order in which they are tried."""

    def __init__(self, forms: Sequence[Form]) -> None:
        self.forms = tuple(forms)

    @cached_property
    def _compiled(self) -> list[tuple[Form, re.Pattern[str]]]:
        return [(form, re.compile(pattern_of(form.syntax))) for form in self.forms]

    def match(self, line: str) -> tuple[Form, Words] | None:
        """The form of a line (without its time) and what it says; None if it has none."""
        for form, pattern in self._compiled:
            found = pattern.fullmatch(line)
            if found:
                return form, {name: value for name, value in found.groupdict().items() if value is not None}
        return None

    def nearest(self, line: str, names: Mapping[str, str]) -> list[str]:
        """The forms that look like this line; `names` says which of its words stand for which capitals."""
        plain = re.sub(PARTS["TEXT"].pattern, "TEXT", line)
        plain = re.sub(rf"{_CLOCK}-{_CLOCK}", "SPAN", plain)
        plain = re.sub(_CLOCK, "TIME", plain)
        words = [names.get(word.strip(":;,"), word) for word in plain.split()]
        close: dict[str, float] = {}
        for form in self.forms:
            for variant in _variants(form.syntax):
                ratio = difflib.SequenceMatcher(None, words, variant.split()).ratio()
                letters = difflib.SequenceMatcher(None, " ".join(words), variant).ratio()
                close[form.syntax] = max(close.get(form.syntax, 0.0), (ratio + 2 * letters) / 3)
        best = sorted(close, key=lambda syntax: -close[syntax])[:2]
        return [syntax for syntax in best if close[syntax] > 0.5]  # noqa: PLR2004 - more alike than not


def pattern_of(syntax: str) -> str:
    """The regular expression of a form."""
    pattern = ""
    for token in re.findall(r"\[[^\]]*\]|\S+", syntax):
        if token.startswith("["):
            inner = token[1:-1]
            literal = inner.islower()
            body = re.escape(inner) if literal else _sequence(inner)
            gap = "\\s+" if inner[0].isalnum() else "\\s*"
            pattern += f"(?:{gap}{f'(?P<{_name(inner)}>{body})' if literal else body})?"
        else:
            pattern += ("\\s+" if pattern else "") + _token(token)
    return pattern


def _sequence(text: str) -> str:
    return "\\s+".join(_token(token) for token in text.split())


def _token(token: str) -> str:
    if "|" in token:
        options = token.split("|")
        return f"(?P<choice>{'|'.join(re.escape(option.replace('_', ' ')) for option in options)})"
    word = re.match(r"[A-Z]+", token)
    if word and word[0] in PARTS and not token[word.end() :].isalpha():
        return f"(?P<{word[0]}>{PARTS[word[0]].pattern}){re.escape(token[word.end() :])}"
    return re.escape(token)


def _name(text: str) -> str:
    return text.replace(" ", "_")


def _variants(syntax: str) -> Iterable[str]:
    """A form without and with what may be left out."""
    yield re.sub(r"\s*\[[^\]]*\]", "", syntax)
    yield re.sub(r"[\[\]]", "", syntax)


def text_of(words: Words) -> str:
    """The words in quotes."""
    return words["TEXT"][1:-1]


def split_at_commas(text: str) -> list[str]:
    """The parts of a list, split at commas that are not within brackets."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text)]
