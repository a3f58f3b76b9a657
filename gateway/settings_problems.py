"""What is wrong with a configuration, said so that the person who wrote it can mend it at once.

Exception
└── SettingsError   the configuration, or a secret it names, cannot be used; mend the file and start again

Every problem names the file, the line where the key stands (found by reading the TOML text beside
the parser, which keeps no positions; best effort), the key's path counted from 0, what was found
and what was expected.
"""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError

KeyPath = tuple[str | int, ...]
"""Where a value stands: table names, keys, and positions in arrays counted from 0."""

MAX_SHOWN: Final = 60
"""Characters of a wrong value that are repeated in a message."""

NOT_YET: Final[Mapping[str, str]] = {
    "backup": "backups of the ledger",
    "event_hub": "change notifications through Event Hubs",
    "exempt_larger_than": "exempting large rooms",
    "metrics": "the metrics endpoint",
    "panel": "door panels",
    "reports": "scheduled reports",
    "web": "the web pages",
    "webhook": "change notifications",
    "webhooks": "change notifications",
}
"""Settings of the design that this version cannot honour. They are refused: who writes
``web = true`` and sees no complaint believes that it is on."""

INSTEAD: Final[Mapping[str, str]] = {
    "advance_window": "notice and ahead",
    "blackout": "blackouts",
    "booking_rules": "rules",
    "combined_room": "parts",
    "combined_rooms": "parts",
    "max_length": "longest",
    "combined_with": "parts",
    "go_live": "live_after",
    "holidays": "holiday_region, holiday_dates or holiday_file",
    "series": "series_ghosts",
}
"""Names that the design uses and settings do not, and what does the same."""


class Problem(NamedTuple):
    """One thing that is wrong at one place, without the file and the line."""

    path: KeyPath
    text: str


class SettingsError(Exception):
    """The configuration cannot be used. `problems` are finished sentences, in the file's order."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def dotted(path: KeyPath) -> str:
    """The key path as messages show it: ``room[2].sensor[0].heartbeat``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: object) -> str:
    """A found value as it would stand in TOML, shortened."""
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, Mapping):
        text = "a table"
    elif isinstance(value, list | tuple):
        text = "a list"
    else:
        text = str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def did_you_mean(word: str, known: Collection[str]) -> str:
    """``; did you mean "host"?`` where a known word is close; otherwise empty."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f'; did you mean "{by_folded[close[0]]}"?' if close else ""


def unknown_key(path: KeyPath, known: Collection[str]) -> Problem:
    """A key that means nothing here. Its value is not repeated: it might be a misplaced secret."""
    key = str(path[-1])
    if key in NOT_YET:
        return Problem(path, f"not available yet ({NOT_YET[key]}); remove it, nothing would follow from it")
    if key in INSTEAD:
        return Problem(path, f"there is no such setting; set {INSTEAD[key]} instead")
    return Problem(path, f"there is no such setting{did_you_mean(key, known)}")


def from_validation(error: ValidationError, model: type[BaseModel], prefix: KeyPath) -> Iterator[Problem]:
    """Pydantic's findings about one table, in our words."""
    for detail in error.errors(include_url=False):
        kind, place = detail["type"], detail["loc"]
        path = prefix + place
        if kind == "default_factory_not_called":
            continue  # a default that hangs on another value, which is reported itself
        if kind == "extra_forbidden":
            yield unknown_key(path, _keys(model))
        elif kind == "missing":
            yield Problem(path, f"missing; expected {_described(model, str(place[-1]))}")
        else:
            found = detail["input"]
            yield Problem(path, f"found {shown(found)}, expected {_expected(kind, detail, found)}")


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _described(model: type[BaseModel], key: str) -> str:
    """First sentence of the setting's docstring."""
    for name, field in model.model_fields.items():
        if key in {name, field.alias} and field.description:
            sentence = field.description.split(". ")[0].split("\n")[0].rstrip(".")
            return sentence[:1].lower() + sentence[1:]
    return "a value"


def _expected(kind: str, detail: Mapping[str, Any], found: object) -> str:
    context = detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", context["expected"])
        close = did_you_mean(found, words) if isinstance(found, str) else ""
        return " or ".join(f'"{word}"' for word in words) + close
    plain = {
        "string_type": 'text in quotes ("…")',
        "int_type": "a whole number without quotes",
        "bool_type": "true or false, without quotes",
        "tuple_type": "a list in square brackets",
        "dict_type": "a table",
        "model_type": "a table",
        "string_too_short": "some text",
        "string_too_long": f"at most {context.get('max_length')} characters",
        "too_long": f"at most {context.get('max_length')} of them",
        "greater_than_equal": f"at least {context.get('ge')}",
        "less_than_equal": f"at most {context.get('le')}",
    }
    return plain.get(kind, str(detail["msg"]))


_HEADER: Final = re.compile(r"^\s*(\[\[?)([^\]#]+?)\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART: Final = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


class Places:
    """Where in a TOML text each key stands. `line` gives 1-based line numbers."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = {}
        table: KeyPath = ()
        lengths: dict[KeyPath, int] = {}
        inside = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if inside:
                inside = "" if inside in line else inside
            elif header := _HEADER.match(line):
                table = self._enter(header[2], lengths, appends=header[1] == "[[")
                self._lines.setdefault(table, number)
            elif key := _KEY.match(line):
                self._lines.setdefault(table + _parts(key[1]), number)
                inside = next((q for q in ('"""', "'''") if line.count(q) % 2), "")

    @staticmethod
    def _enter(name: str, lengths: dict[KeyPath, int], *, appends: bool) -> KeyPath:
        """The path that a ``[table]`` or ``[[array]]`` header opens, in the newest element of each array."""
        path: KeyPath = ()
        parts = _parts(name)
        for position, part in enumerate(parts):
            path += (part,)
            if appends and position == len(parts) - 1:
                lengths[path] = lengths.get(path, 0) + 1
            if path in lengths:
                path += (lengths[path] - 1,)
        return path

    def line(self, path: KeyPath) -> int | None:
        """Line of the key, or else of the nearest table around it; None if not even that is found."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None


def _parts(dotted_key: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted_key))


def located(problems: Iterable[Problem], file: Path | str, places: Places) -> list[str]:
    """Finished sentences ``file:line: key: text``, in the order of the file, each once."""
    found = [(places.line(problem.path), problem) for problem in problems]
    found.sort(key=lambda each: (each[0] is None, each[0] or 0))
    sentences = (
        f"{file}{'' if line is None else f':{line}'}: {dotted(problem.path)}: {problem.text}"
        for line, problem in found
    )
    return list(dict.fromkeys(sentences))
