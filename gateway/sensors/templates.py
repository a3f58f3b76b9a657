"""The common part of Home Assistant's value templates, read by a parser of its own: no code is ever run.

Understood are texts with `{{ expression }}`, `{% if %} ... {% elif %} ... {% else %} ... {% endif %}` and
`{% set name = expression %}`; in expressions `value`, `value_json` with `.key`, `['key']`, `.get('key')` and
`[0]`, texts, numbers, lists, objects, true, false, none, comparisons, `in`, `and`, `or`, `not`,
`a if b else c`, `iif`, and a few tests, filters and methods of texts. Anything else is refused when the
template is read, so a device with an odd template is refused and never misread.
Source of the forms: Home Assistant's documentation of MQTT templates; Jinja's rules for precedence.
"""

import re
from typing import Any, Final

from gateway.sensors.errors import OptionError, PayloadError, shown
from gateway.sensors.expressions import MAX_DEPTH, RESERVED, Expression, Node, Scope, constant, written
from gateway.sensors.values import as_json

MAX_TEMPLATE_CHARACTERS: Final = 2_000

_PART: Final = re.compile(r"\{\{-?(.*?)-?\}\}|\{%-?(.*?)-?%\}|\{#.*?#\}", re.DOTALL)
_KEY: Final = r"""value_json(?:\.get\(\s*['"]([^'"]+)['"]|\.(?!get\()(\w+)|\[['"]([^'"]+)['"]\])"""
_SET: Final = re.compile(r"set\s+([A-Za-z_]\w*)\s*=(?!=)(.*)", re.DOTALL)


class Template:
    """A template that was understood."""

    def __init__(self, text: str) -> None:
        """Raises OptionError for what is not in the understood part."""
        if len(text) > MAX_TEMPLATE_CHARACTERS:
            raise OptionError("the template is too long to be understood")
        parts = _split(text)
        try:
            self._node, rest = _block(parts, 0, 0, set())
        except RecursionError:
            raise OptionError(f"the template {shown(text)} is too deep to be understood") from None
        if rest != len(parts):
            raise OptionError(f"the template {shown(text)} has an end without a beginning")
        self.needs_json = "value_json" in text
        names = re.findall(_KEY, text)
        self.keys = tuple(dict.fromkeys("".join(one) for one in names))
        """The keys of the message that it looks at."""

    def render(self, payload: bytes, text: str) -> str:
        """The text that the message gives; empty where it has nothing of what the template looks at.

        So a message without the key is no "off", whatever the template makes of it. Raises PayloadError.
        """
        scope: dict[str, Any] = {"value": text, "found": 0, "missing": 0}
        if self.needs_json:
            scope["value_json"] = as_json(payload)
            if self.keys and not isinstance(scope["value_json"], dict):
                raise PayloadError(f"expected a JSON object, got {shown(payload)}")
        try:
            rendered = written(self._node(scope)).strip()
        except (TypeError, ValueError, KeyError, IndexError, OverflowError, RecursionError):
            raise PayloadError(f"the template has no value for {shown(payload)}") from None
        return "" if scope["missing"] and not scope["found"] else rendered


def _split(text: str) -> list[tuple[str, str]]:
    parts: list[tuple[str, str]] = []
    position = 0
    for match in _PART.finditer(text):
        if match.start() > position:
            parts.append(("literal", text[position : match.start()]))
        position = match.end()
        if match[1] is not None:
            parts.append(("expression", match[1]))
        elif match[2] is not None:
            parts.append(("statement", match[2].strip()))
    if position < len(text):
        parts.append(("literal", text[position:]))
    if any("{{" in part or "{%" in part for kind, part in parts if kind == "literal"):
        raise OptionError(f"the template {shown(text)} does not close what it opens")
    return parts


def _block(parts: list[tuple[str, str]], place: int, depth: int, names: set[str]) -> tuple[Node, int]:
    """What stands up to the end, or up to an elif, else or endif that belongs to somebody else.

    `names`: what was set so far.
    """
    if depth > MAX_DEPTH:
        raise OptionError("the template is too deep to be understood")
    nodes: list[Node] = []
    while place < len(parts):
        kind, text = parts[place]
        if kind == "literal":
            nodes.append(constant(text))
            place += 1
        elif kind == "expression":
            nodes.append(Expression(text, names).node)
            place += 1
        elif text.startswith(("if ", "if(")):
            node, place = _if(parts, place, depth, names)
            nodes.append(node)
        elif (match := _SET.fullmatch(text)) and match[1] not in RESERVED:
            nodes.append(_assignment(match[1], Expression(match[2], names).node))
            names.add(match[1])
            place += 1
        elif text in {"else", "endif"} or text.startswith("elif"):
            break
        else:
            raise OptionError(f"the template's {shown(text)} is not understood")
    if len(nodes) == 1:
        return nodes[0], place
    return (lambda scope: "".join(written(node(scope)) for node in nodes)), place


def _assignment(name: str, node: Node) -> Node:
    def assign(scope: Scope) -> str:
        scope["set " + name] = node(scope)
        return ""

    return assign


def _if(parts: list[tuple[str, str]], place: int, depth: int, names: set[str]) -> tuple[Node, int]:
    text = parts[place][1]
    condition = Expression(text.removeprefix("elif").removeprefix("if"), names).node
    then, place = _block(parts, place + 1, depth + 1, names)
    otherwise: Node = constant("")
    if place >= len(parts):
        raise OptionError("the template has an if without an endif")
    word = parts[place][1]
    if word.startswith("elif"):
        otherwise, place = _if(parts, place, depth + 1, names)
        return (lambda scope: then(scope) if condition(scope) else otherwise(scope)), place
    if word == "else":
        otherwise, place = _block(parts, place + 1, depth + 1, names)
        if place >= len(parts) or parts[place][1] != "endif":
            raise OptionError("the template has an if without an endif")
    return (lambda scope: then(scope) if condition(scope) else otherwise(scope)), place + 1
