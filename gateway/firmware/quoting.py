"""Names in other languages' texts: what a person called a room must never become code, a key or a line.

Room names are free text (quotes, umlauts, slashes, line breaks); topics may hold all but wildcards and
NUL. Whatever cannot be quoted in a language is refused by the module that writes it.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

_MARK: Final = re.compile(r"<<([a-z_]+)>>")


def quoted(text: str) -> str:
    r"""A double-quoted scalar that YAML (1.1 and 1.2) and TOML both read back as `text`.

    Both know \uXXXX and \UXXXXXXXX. Whatever is not printable is written so: YAML counts U+0085 and U+2028
    as line breaks, and TOML forbids control characters.
    """
    return f'"{"".join(_escaped(c) for c in text)}"'


def _escaped(character: str) -> str:
    if character in '\\"':
        return f"\\{character}"
    return character if character.isprintable() else _code(character)


def _code(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - what \u can hold


def in_javascript(text: str) -> str:
    """A string literal of JavaScript: JSON in ASCII, over which no engine trips."""
    return json.dumps(text)


def one_line(text: str) -> str:
    """Text for a comment: nothing in it ends the line, in any of the languages."""
    return "".join(c if c.isprintable() else _code(c) for c in text)


def commented(text: str, mark: str) -> str:
    """Every line of the text as a comment; `mark` is what begins one."""
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in text.split("\n"))


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each <<name>> replaced; what is put in is not looked at again. May raise KeyError."""
    return _MARK.sub(lambda found: values[found[1]], template)
