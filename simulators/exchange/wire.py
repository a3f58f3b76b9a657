"""A request and an answer, without a server: what the services take and give."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from simulators.exchange.errors import InvalidRequest

JSON_TYPE = (
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
)


class Request(msgspec.Struct, frozen=True):
    """One request. Header names and query names are in lower case; `origin` is `https://host:port`."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    origin: str = "https://graph.microsoft.com"

    def parameters(self) -> dict[str, str]:
        """The query's parameters. A `+` that was not escaped is a space, as on every server."""
        return dict(_parameters(self.query))

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty is an empty object. Raises `InvalidRequest`."""
        if not self.body.strip():
            return {}
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise InvalidRequest("Unable to read JSON request payload.", "BadRequest") from error


@lru_cache(maxsize=1_000)
def _parameters(query: str) -> tuple[tuple[str, str], ...]:
    """Taken apart once: every part of an answer asks for them, and gateways repeat their queries."""
    return tuple((name.lower(), value) for name, value in parse_qsl(query, keep_blank_values=True))


class Answer(msgspec.Struct, frozen=True):
    """One answer. `body` is None where there is none."""

    status: int
    body: bytes | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, msgspec.json.encode(body), {"content-type": JSON_TYPE, **(headers or {})})
