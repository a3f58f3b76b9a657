"""`$filter`: OData's expressions over JSON, as far as Graph's calendars, places and users know them.

    keep = parse_filter("start/dateTime ge '2026-11-23T08:00:00Z' and not contains(subject,'x')", names)
    kept = [item for item in items if keep(item)]

Texts are compared without regard to case, as Exchange does; what reads as a time is compared as one.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from simulators.exchange.errors import InvalidRequest

Json = Mapping[str, Any]
Test = Callable[[Json], bool]
_Value = Callable[[Json], Any]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')"
    r"|(?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)(?![\w-])"
    r"|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<name>[A-Za-z_@][\w.]*(?:/[A-Za-z_@][\w.]*)*)"
    r"|(?P<mark>[(),:]))"
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda one, other: bool(one == other),
    "ne": lambda one, other: bool(one != other),
    "gt": lambda one, other: bool(one > other),
    "ge": lambda one, other: bool(one >= other),
    "lt": lambda one, other: bool(one < other),
    "le": lambda one, other: bool(one <= other),
}
_TEXT_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
    "contains": lambda text, part: part in text,
}
_MAX_DEPTH: Final = 40
"""Deeper nesting is refused: nobody writes it, and the parser calls itself."""


@lru_cache(maxsize=512)
def parse_filter(text: str, names: Collection[str], kind: str = "event") -> Test:
    """The test that `$filter` stands for. `names`: the properties, by their first part, that it may use.

    Raises `InvalidRequest`: for syntax, for unknown properties, and for what Exchange cannot filter by.
    """
    parser = _Parser(text, names, kind)
    test = parser.either()
    parser.expect_end()
    return test


class _Parser:
    """Recursive descent: either (or), both (and), one (not, parentheses, functions, comparisons)."""

    def __init__(self, text: str, names: Collection[str], kind: str) -> None:
        self._text = text
        self._names = names
        self._kind = kind
        self._variables: list[str] = []
        self._depth = 0
        self._tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise self._syntax(at)
            self._tokens.append((found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
            at = found.end()
        self._at = 0

    # Tokens

    def _syntax(self, position: int) -> InvalidRequest:
        return InvalidRequest(
            f"Invalid filter clause: Syntax error at position {position} in '{self._text}'.",
            "RequestBroker--ParseUri",
        )

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", len(self._text))

    def _next(self) -> tuple[str, str, int]:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, value: str) -> bool:
        kind, text, _ = self._peek()
        if kind not in ("name", "mark") or text.lower() != value:
            return False
        self._at += 1
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self._syntax(self._peek()[2])

    def expect_end(self) -> None:
        """Nothing is left over."""
        if self._peek()[0] != "end":
            raise self._syntax(self._peek()[2])

    # Grammar

    def either(self) -> Test:
        """Terms with `or` between them."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise InvalidRequest("The node count limit has been exceeded.", "ErrorInvalidUrlQueryFilter")
        tests = [self._both()]
        while self._take("or"):
            tests.append(self._both())
        self._depth -= 1
        return tests[0] if len(tests) == 1 else lambda item: any(test(item) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._take("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda item: all(test(item) for test in tests)

    def _one(self) -> Test:
        if self._take("not"):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise self._syntax(self._peek()[2])
            test = self._one()
            self._depth -= 1
            return lambda item: not test(item)
        if self._take("("):
            test = self.either()
            self._expect(")")
            return test
        kind, text, at = self._peek()
        lambda_name = text.rpartition("/")[2].lower()
        if kind == "name" and lambda_name in ("any", "all") and "/" in text:
            self._at += 1
            return self._over_list(text.rpartition("/")[0], lambda_name == "all")
        if kind == "name" and self._tokens[self._at + 1 : self._at + 2][:1] and self._is_call():
            return self._function(text, at)
        return self._comparison()

    def _is_call(self) -> bool:
        return self._tokens[self._at + 1][1] == "("

    def _function(self, name: str, at: int) -> Test:
        test = _TEXT_TESTS.get(name.lower())
        if test is None:
            raise InvalidRequest(
                "The query filter contains one or more invalid nodes.", "ErrorInvalidUrlQueryFilter"
            )
        self._at += 2
        one = self._operand()
        self._expect(",")
        other = self._operand()
        self._expect(")")
        if self._take("eq"):  # `contains(...) eq true`
            wanted = self._next()[1].lower()
            if wanted not in ("true", "false"):
                raise self._syntax(at)
            return lambda item: _text_test(test, one(item), other(item)) is (wanted == "true")
        return lambda item: _text_test(test, one(item), other(item))

    def _over_list(self, path: str, every: bool) -> Test:
        source = self._property(path)
        self._expect("(")
        variable = self._next()[1]
        self._expect(":")
        self._variables.append(variable)
        test = self.either()
        self._variables.pop()
        self._expect(")")
        over = all if every else any
        return lambda item: over(test({**item, variable: element}) for element in source(item) or ())

    def _comparison(self) -> Test:
        at = self._peek()[2]
        one = self._operand()
        operator = self._peek()[1].lower()
        if operator == "in":
            self._at += 1
            values = self._list()
            return lambda item: any(_compared("eq", one(item), value(item)) for value in values)
        if operator not in _COMPARISONS:
            if self._peek()[0] in ("end", "mark") or operator in ("and", "or"):
                return lambda item: one(item) is True  # a boolean property stands for itself
            raise self._syntax(at)
        self._at += 1
        other = self._operand()
        return lambda item: _compared(operator, one(item), other(item))

    def _list(self) -> list[_Value]:
        self._expect("(")
        values = [self._operand()]
        while self._take(","):
            values.append(self._operand())
        self._expect(")")
        return values

    def _operand(self) -> _Value:
        kind, text, at = self._next()
        constant: Any
        if kind == "text":
            constant = text[1:-1].replace("''", "'")
        elif kind in ("time", "guid"):
            constant = text
        elif kind == "number":
            constant = float(text)
        elif kind == "name" and text.lower() in ("true", "false", "null"):
            constant = {"true": True, "false": False, "null": None}[text.lower()]
        elif kind == "name":
            return self._property(text)
        else:
            raise self._syntax(at)
        return lambda _: constant

    def _property(self, path: str) -> _Value:
        first, *rest = path.split("/")
        if first not in self._names and first not in self._variables:
            raise InvalidRequest(
                f"Could not find a property named '{first}' on type 'microsoft.graph.{self._kind}'.",
                "RequestBroker--ParseUri",
            )

        def value(item: Json) -> Any:
            found: Any = item.get(first)
            for name in rest:
                found = found.get(name) if isinstance(found, Mapping) else None
            return found

        return value


def _comparable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _TIME.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value.casefold()
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return value.casefold()


def _compared(operator: str, one: Any, other: Any) -> bool:
    one, other = _comparable(one), _comparable(other)
    try:
        return _COMPARISONS[operator](one, other)
    except TypeError:  # null against anything, or of two kinds: no order between them
        return False


def _text_test(test: Callable[[str, str], bool], one: Any, other: Any) -> bool:
    return isinstance(one, str) and isinstance(other, str) and test(one.casefold(), other.casefold())
