"""`POST /$batch`: up to twenty reads in one HTTP request, each with its own status.

Graph's json-batching page: relative addresses, headers per request (those of the envelope do not count
for them), answers in any order, at most 20. Exchange works on up to four of a batch at a time, so a batch
takes all four places that an application has.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.exchange.answer import Answer
from gateway.exchange.errors import MalformedError

MAX_TOGETHER: Final = 20
_ACCEPTED: Final = range(200, 300)


class _Request(msgspec.Struct):
    id: str
    method: str
    url: str
    headers: dict[str, str]


class _Response(msgspec.Struct):
    id: str
    status: int
    headers: dict[str, Any] = {}
    body: msgspec.Raw = msgspec.Raw(b"")


class _Responses(msgspec.Struct):
    responses: list[_Response]


_responses: Final = msgspec.json.Decoder(_Responses)


def envelope(urls: Sequence[str], prefer: str) -> bytes:
    """The body that asks for these addresses, which begin with "/" below the version of the service."""
    headers = {"Prefer": prefer}
    asked = [_Request(str(place), "GET", url, headers) for place, url in enumerate(urls)]
    return msgspec.json.encode({"requests": asked})


def take_apart(body: bytes, count: int) -> list[Answer | MalformedError]:
    """The answer to each of `count` requests, in the order in which they were asked.

    Raises MalformedError for what is no batch of answers; a single one that is missing is an error in
    its place, and says nothing of the others.
    """
    try:
        responses = _responses.decode(body).responses
    except ValueError as error:
        raise MalformedError("the answer is not a batch of answers") from error
    told: dict[str, Answer] = {}
    for one in responses:
        if one.id in told:
            raise MalformedError("a batch that answers a request twice")
        headers = {name.lower(): str(value) for name, value in one.headers.items()}
        told[one.id] = Answer(one.status, one.status in _ACCEPTED, headers, bytes(one.body))
    return [
        told.get(str(place)) or MalformedError("a batch without this answer", status=0)
        for place in range(count)
    ]
