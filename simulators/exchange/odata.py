"""OData's query options as Graph takes them: read once per query, and strict.

`$select=a,b`, `$top`, `$skip`, `$orderby=a desc,b`, `$filter`, `$count=true`,
`$expand=extensions($filter=id eq 'x';$select=id)`. The dollar may be missing (Graph's page on query
parameters). Options without a dollar that are not known are ignored, others are 400.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from simulators.exchange.errors import InvalidRequest
from simulators.exchange.filters import parse_filter
from simulators.exchange.wire import Request

Json = dict[str, Any]

DEFAULT_PAGE: Final = 10
MAX_PAGE: Final = 1_000
MAX_QUERY: Final = 16_384
"""Characters; longer ones are refused, as by any server."""

_KNOWN: Final = frozenset(
    {
        "select",
        "expand",
        "top",
        "skip",
        "orderby",
        "filter",
        "count",
        "search",
        "skiptoken",
        "deltatoken",
        "format",
    }
)
_OWN: Final = {"startdatetime": "startDateTime", "enddatetime": "endDateTime"}


class Expansion(NamedTuple):
    """One part of `$expand`, with the options in its parentheses."""

    name: str
    filter: str = ""
    select: tuple[str, ...] = ()


class Options(NamedTuple):
    """The query options of one request. `None` and empty: not given."""

    select: tuple[str, ...] | None = None
    expand: tuple[Expansion, ...] = ()
    top: int | None = None
    skip: int = 0
    orderby: tuple[tuple[str, bool], ...] = ()
    """Properties, and whether they descend."""
    filter: str = ""
    counted: bool = False
    search: str = ""
    skiptoken: str = ""
    deltatoken: str | None = None
    start: str | None = None
    end: str | None = None
    given: frozenset[str] = frozenset()
    """The names of all options that were given, with their dollar."""

    def page_size(self, preferred: int | None, default: int = DEFAULT_PAGE, most: int = MAX_PAGE) -> int:
        """How many items a page has. Raises `InvalidRequest` where more are asked for than there may be."""
        size = self.top if self.top is not None else preferred or default
        if not 1 <= size <= most:
            raise InvalidRequest(f"The limit of '{most}' for Top query has been exceeded.", "BadRequest")
        return size


@lru_cache(maxsize=4_096)
def options_of(query: str) -> Options:
    """The options in a query string. Raises `InvalidRequest`."""
    if len(query) > MAX_QUERY:
        raise InvalidRequest("The request URI is too long.", "BadRequest")
    found: dict[str, Any] = {}
    given: set[str] = set()
    for written, value in parse_qsl(query, keep_blank_values=True):
        name = written.removeprefix("$").lower()
        if name in ("startdatetime", "enddatetime"):
            found[name.removesuffix("datetime")] = value
        elif name in _KNOWN:
            if f"${name}" in given:
                raise InvalidRequest(f"Query option '${name}' was specified more than once.", "BadRequest")
            given.add(f"${name}")
            if name in _READERS:
                found["counted" if name == "count" else name] = _READERS[name](value)
        elif written.startswith("$"):
            raise InvalidRequest(f"The query option '{written}' is not recognized.", "BadRequest")
    return Options(**found, given=frozenset(given))


def next_link(request: Request, **changed: str) -> str:
    """The same address with some options changed: `{"$skip": "10"}` in place of what was there."""
    pairs: dict[str, str] = {}
    for written, value in parse_qsl(request.query, keep_blank_values=True):
        name = written.lower()
        pairs[_OWN.get(name, written if written.startswith("$") else name)] = value
    for name in [name for name in pairs if name.removeprefix("$").lower() in ("skip", "skiptoken")]:
        del pairs[name]
    return f"{request.origin}{request.path}?{urlencode(pairs | changed)}"


def json_page(
    request: Request,
    found: Sequence[Json],
    context: str,
    names: frozenset[str],
    *,
    kind: str,
    preferred: int | None = None,
    page: int = 100,
) -> Json:
    """A page of a plain list: filtered, ordered, counted and selected as the query says."""
    options = options_of(request.query)
    if options.search or options.expand:
        raise InvalidRequest("This query option is not supported here.", "BadRequest")
    if options.filter:
        keep = parse_filter(options.filter, names, kind)
        found = [one for one in found if keep(one)]
    found = ordered(found, options, names, kind)
    check_select(options, names, kind)
    size = options.page_size(preferred, page)
    if options.select is not None:
        context = f"{context}({','.join(options.select)})"
    shown: Json = {"@odata.context": context}
    if options.counted:
        shown["@odata.count"] = len(found)
    shown["value"] = [selected(one, options) for one in found[options.skip : options.skip + size]]
    if options.skip + size < len(found):
        shown["@odata.nextLink"] = next_link(request, **{"$skip": str(options.skip + size)})
    return shown


def ordered(found: Sequence[Json], options: Options, names: frozenset[str], kind: str) -> list[Json]:
    """By the properties of `$orderby`; null before everything else."""
    found = list(found)
    for path, descends in reversed(options.orderby):
        if path.split("/")[0] not in names:
            raise unknown_property(path, kind)
        found.sort(key=_sorting(path), reverse=descends)
    return found


def _sorting(path: str) -> Callable[[Mapping[str, Any]], tuple[bool, str, Any]]:
    def key(item: Mapping[str, Any]) -> tuple[bool, str, Any]:
        value: Any = item
        for name in path.split("/"):
            value = value.get(name) if isinstance(value, Mapping) else None
        shown = value.casefold() if isinstance(value, str) else value
        return (value is not None, type(value).__name__, shown if isinstance(shown, str | int | float) else 0)

    return key


def check_select(options: Options, names: frozenset[str], kind: str) -> None:
    """Raise `InvalidRequest` for a property that the type does not have."""
    for name in options.select or ():
        if name not in names:
            raise unknown_property(name, kind)


def selected(one: Json, options: Options) -> Json:
    """Only the selected properties, and those that are always sent."""
    if options.select is None:
        return one
    kept = {*options.select, "id"}
    return {name: value for name, value in one.items() if name in kept or name.startswith("@")}


def unknown_property(name: str, kind: str) -> InvalidRequest:
    """There is no such property."""
    return InvalidRequest(
        f"Could not find a property named '{name}' on type 'microsoft.graph.{kind}'.",
        "RequestBroker--ParseUri",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _number(text: str) -> int:
    if not text.isdecimal():
        raise InvalidRequest(
            f"Invalid value '{text}' for $top or $skip query option found. "
            "The query option requires a non-negative integer value.",
            "BadRequest",
        )
    return int(text)


def _count(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise InvalidRequest(f"Invalid value '{text}' for $count query option found.", "BadRequest")
    return text.lower() == "true"


def _filter(text: str) -> str:
    if not text.strip():
        raise InvalidRequest("Invalid filter clause: it is empty.", "RequestBroker--ParseUri")
    return text


def _orderby(text: str) -> tuple[tuple[str, bool], ...]:
    keys = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([\w/]+)(?:\s+(asc|desc))?\s*", part)
        if found is None:
            raise InvalidRequest(f"The expression '{part}' cannot be used to order.", "BadRequest")
        keys.append((found[1], found[2] == "desc"))
    return tuple(keys)


def _expand(text: str) -> tuple[Expansion, ...]:
    found = []
    for part in _split(text, ","):
        name, bracket, inside = part.strip().partition("(")
        if bracket and not inside.endswith(")"):
            raise InvalidRequest(f"Syntax error in $expand: '{text}'.", "RequestBroker--ParseUri")
        options = {}
        for option in _split(inside[:-1], ";") if bracket else ():
            key, _, value = option.strip().partition("=")
            options[key.removeprefix("$").lower()] = value
        if not set(options) <= {"filter", "select"}:
            raise InvalidRequest("This option is not supported within $expand.", "RequestBroker--ParseUri")
        name = "extensions" if name == "Extensions" else name  # as Microsoft's own examples write it
        found.append(Expansion(name, options.get("filter", ""), _names(options.get("select", ""))))
    return tuple(found)


def _split(text: str, mark: str) -> list[str]:
    """At the marks outside of parentheses and quotes."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == "'"
        depth += 0 if quoted else (letter == "(") - (letter == ")")
        if letter == mark and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "select": _names,
    "expand": _expand,
    "top": _number,
    "skip": _number,
    "orderby": _orderby,
    "filter": _filter,
    "count": _count,
    "search": str,
    "skiptoken": str,
    "deltatoken": str,
}
