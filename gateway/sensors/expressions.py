"""One expression of a Home Assistant template: read by a recursive descent, evaluated without running code.

What is understood is listed in `gateway.sensors.templates`.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from gateway.sensors.errors import OptionError, shown
from gateway.sensors.values import as_json

MAX_DEPTH: Final = 24
MAX_TEXT: Final = 4_096
"""A rendered value is not longer than this."""
MAX_ARGUMENT: Final = 200
"""What a text is searched for, or replaced by, is not longer than this."""

Scope = dict[str, Any]
Node = Callable[[Scope], Any]


class _Undefined:
    """What is at a key that is not there: false, empty, and equal to nothing but itself."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""


UNDEFINED: Final = _Undefined()
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>\d+\.\d+|\d+)|(?P<text>'[^'\\]*'|"[^"\\]*")|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<sign>==|!=|<=|>=|[<>()\[\]{}:.,|+\-*]))"""
)
_CONSTANTS: Final[Mapping[str, Any]] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "none": None,
    "None": None,
}


RESERVED: Final = frozenset({"value", "value_json", "iif", *_CONSTANTS})
"""Names that a template cannot set."""


def written(value: Any) -> str:
    """A value as a template writes it: True, False and None in Python's words."""
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, list | dict):
        return json.dumps(value)[:MAX_TEXT]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        raise ValueError
    return str(value)


def constant(value: Any) -> Node:
    """A node that always gives this value."""
    return lambda _scope: value


class Expression:
    """A recursive descent over one expression; `node` evaluates it."""

    def __init__(self, text: str, names: Collection[str] = ()) -> None:
        """`names`: what was set before. Raises OptionError."""
        self._source = text
        self._names = frozenset(names)
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._odd(text[position:])
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()
        self._place = 0
        self._depth = 0
        self.node = self._choice()
        if self._place != len(self._tokens):
            raise self._odd(self._tokens[self._place][1])

    def _odd(self, what: str) -> OptionError:
        return OptionError(f"the template's {shown(self._source.strip())} is not understood at {shown(what)}")

    def _peek(self) -> str:
        return self._tokens[self._place][1] if self._place < len(self._tokens) else ""

    def _take(self, *texts: str) -> str:
        """The next token if it is one of these; empty otherwise."""
        if self._place < len(self._tokens):
            kind, text = self._tokens[self._place]
            if kind != "text" and text in texts:
                self._place += 1
                return text
        return ""

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._odd(self._peek())

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._odd("its depth")
        then = self._or()
        if self._take("if"):
            condition = self._or()
            otherwise = self._choice() if self._take("else") else constant(UNDEFINED)
            self._depth -= 1
            return lambda scope: then(scope) if condition(scope) else otherwise(scope)
        self._depth -= 1
        return then

    def _or(self) -> Node:
        node = self._and()
        while self._take("or"):
            node = _either(node, self._and())
        return node

    def _and(self) -> Node:
        node = self._not()
        while self._take("and"):
            node = _both(node, self._not())
        return node

    def _not(self) -> Node:
        if self._take("not"):
            node = self._not()
            return lambda scope: not node(scope)
        return self._compared()

    def _compared(self) -> Node:
        left = self._signed()
        if self._take("is"):
            wanted = not self._take("not")
            return self._test(left, wanted=wanted)
        negated = bool(self._take("not"))
        sign = self._take("in") if negated else self._take("==", "!=", "<", ">", "<=", ">=", "in")
        if negated and not sign:
            raise self._odd(self._peek())
        if not sign:
            return left
        return _comparison(sign, left, self._signed(), negated=negated)

    def _test(self, left: Node, *, wanted: bool) -> Node:
        if self._take("defined"):
            return lambda scope: (left(scope) is not UNDEFINED) is wanted
        if self._take("sameas", "eq", "equalto"):
            other = self._signed()
            return lambda scope: _same(left(scope), other(scope)) is wanted
        word = self._take("true", "false", "none", "True", "False", "None")
        if not word:
            raise self._odd(self._peek())
        return lambda scope: (left(scope) is _CONSTANTS[word]) is wanted

    def _signed(self) -> Node:
        if self._take("-"):
            node = self._filtered()
            return lambda scope: -_number(node(scope))
        return self._filtered()

    def _filtered(self) -> Node:
        node = self._reached()
        while self._take("|"):
            if self._place >= len(self._tokens) or self._tokens[self._place][0] != "name":
                raise self._odd(self._peek())
            name = self._tokens[self._place][1]
            self._place += 1
            node = self._filter(name, node)
        return node

    def _arguments(self) -> list[Node]:
        """What stands in parentheses, where any do."""
        arguments: list[Node] = []
        if self._take("("):
            while not self._take(")"):
                arguments.append(self._choice())
                if not self._take(",") and self._peek() != ")":
                    raise self._odd(self._peek())
        return arguments

    def _filter(self, name: str, node: Node) -> Node:
        arguments = self._arguments()
        if name in {"default", "d"} and len(arguments) in {1, 2}:
            other = arguments[0]
            return lambda scope: other(scope) if (found := node(scope)) is UNDEFINED else found
        if name in {"int", "float"} and len(arguments) <= 1:
            fallback = arguments[0] if arguments else None
            return lambda scope: _converted(name, node(scope), fallback, scope)
        if name == "iif":
            return self._choose(node, arguments)
        if name == "replace" and len(arguments) == 2:  # noqa: PLR2004 - old and new
            return _method("replace", node, arguments)
        if name == "round" and len(arguments) == 1:
            places = arguments[0]
            return lambda scope: round(_number(node(scope)), _places(places(scope)))
        simple = _FILTERS.get(name)
        if simple is None or arguments:
            raise self._odd(name)
        return lambda scope: simple(node(scope))

    def _choose(self, node: Node, arguments: list[Node]) -> Node:
        """Home Assistant's iif: what stands for true, false and none; by itself True and False."""
        if len(arguments) > 3:  # noqa: PLR2004 - see above
            raise self._odd("iif")
        then = arguments[0] if arguments else constant(value=True)
        otherwise = arguments[1] if len(arguments) > 1 else constant(value=False)
        nothing = arguments[2] if len(arguments) > 2 else otherwise  # noqa: PLR2004 - see above

        def choose(scope: Scope) -> Any:
            value = node(scope)
            return nothing(scope) if value is None else then(scope) if value else otherwise(scope)

        return choose

    def _reached(self) -> Node:
        node = self._atom()
        reaches = False
        while sign := self._take(".", "["):
            if sign == ".":
                if self._place >= len(self._tokens) or self._tokens[self._place][0] not in {"name", "number"}:
                    raise self._odd(self._peek())
                name = self._tokens[self._place][1]
                key: Node = constant(name)
                self._place += 1
                if self._peek() == "(":
                    node = self._called(name, _noted(node) if reaches and name != "get" else node)
                    reaches = False
                    continue
            else:
                key = self._choice()
                self._expect("]")
            node = _reach(node, key)
            reaches = True
        return _noted(node) if reaches else node

    def _called(self, name: str, node: Node) -> Node:
        """`value_json.get('key', 'other')`, and methods of texts."""
        arguments = self._arguments()
        if name == "get" and len(arguments) in {1, 2}:
            found = _noted(_reach(node, arguments[0]))
            other = arguments[1] if len(arguments) > 1 else constant(None)
            return lambda scope: other(scope) if (value := found(scope)) is UNDEFINED else value
        if len(arguments) not in _METHODS.get(name, ()):
            raise self._odd(name)
        return _method(name, node, arguments)

    def _atom(self) -> Node:
        if self._take("("):
            node = self._choice()
            self._expect(")")
            return node
        if self._take("["):
            return self._list()
        if self._take("{"):
            return self._object()
        if self._place >= len(self._tokens):
            raise self._odd("its end")
        kind, text = self._tokens[self._place]
        self._place += 1
        if kind == "number":
            return constant(float(text) if "." in text else int(text[:30]))
        return constant(text[1:-1]) if kind == "text" else self._named(kind, text)

    def _named(self, kind: str, text: str) -> Node:
        if kind == "name" and text in _CONSTANTS:
            return constant(_CONSTANTS[text])
        if kind == "name" and text in {"value", "value_json"}:
            return lambda scope: scope[text]
        if kind == "name" and text in self._names:
            return lambda scope: scope.get("set " + text, UNDEFINED)
        if kind == "name" and text == "iif" and self._peek() == "(":
            arguments = self._arguments()
            if arguments:
                return self._choose(arguments[0], arguments[1:])
        raise self._odd(text)

    def _list(self) -> Node:
        items: list[Node] = []
        while not self._take("]"):
            items.append(self._choice())
            if not self._take(",") and self._peek() != "]":
                raise self._odd(self._peek())
        return lambda scope: [item(scope) for item in items]

    def _object(self) -> Node:
        pairs: list[tuple[Node, Node]] = []
        while not self._take("}"):
            key = self._choice()
            self._expect(":")
            pairs.append((key, self._choice()))
            if not self._take(",") and self._peek() != "}":
                raise self._odd(self._peek())
        return lambda scope: {key(scope): value(scope) for key, value in pairs}


def _either(left: Node, right: Node) -> Node:
    return lambda scope: left(scope) or right(scope)


def _both(left: Node, right: Node) -> Node:
    return lambda scope: left(scope) and right(scope)


def _comparison(sign: str, left: Node, right: Node, *, negated: bool) -> Node:
    if sign == "in":
        return lambda scope: _holds(right(scope), left(scope)) is not negated
    if sign in {"==", "!="}:
        return lambda scope: (left(scope) == right(scope)) is (sign == "==")
    # `sign` is one of the four that are left; None and texts are not compared with numbers.
    return lambda scope: _ordered(sign, left(scope), right(scope))


def _ordered(sign: str, left: Any, right: Any) -> bool:
    if not (isinstance(left, str) and isinstance(right, str)):
        left, right = _number(left), _number(right)
    if sign in {"<", ">="}:
        return bool(left < right) is (sign == "<")
    return bool(left > right) is (sign == ">")


def _holds(container: Any, value: Any) -> bool:
    if isinstance(container, str):
        return isinstance(value, str) and value in container
    if isinstance(container, list | dict):
        return value in container
    raise TypeError


def _number(value: Any) -> int | float:
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    raise TypeError


def _reach(node: Node, key: Node) -> Node:
    def reach(scope: Scope) -> Any:
        container, wanted = node(scope), key(scope)
        if isinstance(container, dict):
            return container.get(wanted, UNDEFINED) if isinstance(wanted, str | int) else UNDEFINED
        if isinstance(container, list):
            index = int(wanted) if isinstance(wanted, int) or str(wanted).isdecimal() else -1
            return container[index] if 0 <= index < len(container) else UNDEFINED
        return UNDEFINED

    return reach


_METHODS: Final[Mapping[str, tuple[int, ...]]] = {
    "lower": (0,),
    "upper": (0,),
    "strip": (0,),
    "split": (0, 1),
    "replace": (2,),
    "startswith": (1,),
    "endswith": (1,),
}
"""Methods of texts, with the numbers of their arguments."""


def _method(name: str, node: Node, arguments: list[Node]) -> Node:
    def call(scope: Scope) -> Any:
        text = node(scope)
        given = [argument(scope) for argument in arguments]
        if text is UNDEFINED or text is None or not all(isinstance(one, str) for one in given):
            raise TypeError
        if any(len(one) > MAX_ARGUMENT for one in given) or (given and not given[0]):
            raise ValueError  # an empty text would stand between all letters
        result = getattr(written(text), name)(*given)
        return result[:MAX_TEXT] if isinstance(result, str | list) else result

    return call


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _places(places: Any) -> int:
    if type(places) is not int or not 0 <= places <= 10:  # noqa: PLR2004 - more digits than anybody measures
        raise ValueError
    return places


def _noted(node: Node) -> Node:
    """The same, noting in the scope whether anything was there."""

    def noted(scope: Scope) -> Any:
        value = node(scope)
        scope["missing" if value is UNDEFINED or value is None else "found"] += 1
        return value

    return noted


def _converted(name: str, value: Any, fallback: Node | None, scope: Scope) -> Any:
    """As Home Assistant's filters do; without a fallback what is no number has no value."""
    try:
        if isinstance(value, str) and (len(value) > 32 or not value.isascii() or "_" in value):  # noqa: PLR2004 - see MAX_NUMBER_CHARACTERS
            raise ValueError  # noqa: TRY301 - one way out for all that is no number
        number = float(value)
        if not math.isfinite(number):
            raise ValueError  # noqa: TRY301 - as above
    except (TypeError, ValueError):
        if fallback is None:
            raise
        return fallback(scope)
    return int(number) if name == "int" else number


def _boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in {"true", "on", "yes", "1", "enable", "enabled"}:
        return True
    if word in {"false", "off", "no", "0", "disable", "disabled"}:
        return False
    raise ValueError


_FILTERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "lower": lambda value: written(value).lower(),
    "upper": lambda value: written(value).upper(),
    "trim": lambda value: written(value).strip(),
    "string": written,
    "bool": _boolean,
    "length": len,
    "count": len,
    "round": lambda value: round(_number(value)),
    "tojson": lambda value: json.dumps(value, separators=(",", ":")),
    "to_json": lambda value: json.dumps(value, separators=(",", ":")),
    "from_json": lambda value: as_json(written(value).encode(errors="replace")),
    "is_defined": lambda value: value,
}
