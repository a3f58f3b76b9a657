"""`POST /$batch`: up to 20 requests in one, each with its own status (Graph's json-batching page)."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from simulators.exchange.errors import ExchangeError, InvalidRequest
from simulators.exchange.wire import Answer, Request, json_answer

MAX_REQUESTS: Final = 20
_FAILED: Final = 400
_FAILED_DEPENDENCY: Final = 424

Respond = Callable[[Request], Answer]


class _Inner(msgspec.Struct):
    id: str
    method: str
    url: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: Any = None
    dependsOn: list[str] = msgspec.field(default_factory=list)  # noqa: N815 - Graph's name


class _Envelope(msgspec.Struct):
    requests: list[_Inner]


def answer_batch(
    request: Request, respond: Respond, refuse: Callable[[Request, ExchangeError], Answer]
) -> Answer:
    """Answer each inner request with `respond`; the order of the responses is not that of the requests."""
    try:
        inner = _read(request)
    except InvalidRequest as error:
        return refuse(request, error)
    responses: dict[str, dict[str, Any]] = {}
    for one in inner:
        failed = [other for other in one.dependsOn if responses[other]["status"] >= _FAILED]
        if failed:
            responses[one.id] = {"id": one.id, "status": _FAILED_DEPENDENCY}
        else:
            responses[one.id] = _shown(one.id, respond(_as_request(request, one)))
    return json_answer(200, {"responses": list(reversed(responses.values()))})


def _read(request: Request) -> list[_Inner]:
    try:
        inner = msgspec.json.decode(request.body, type=_Envelope).requests
    except msgspec.DecodeError as error:
        raise InvalidRequest("Invalid batch payload format.", "BadRequest") from error
    if not 1 <= len(inner) <= MAX_REQUESTS:
        raise InvalidRequest(
            f"Number of batch request steps exceeds the maximum value of {MAX_REQUESTS}.", "BadRequest"
        )
    known: set[str] = set()
    for one in inner:
        if one.id in known:
            raise InvalidRequest(f"Request Id : '{one.id}' is not unique in the batch.", "BadRequest")
        if not known.issuperset(one.dependsOn):
            raise InvalidRequest(f"Request '{one.id}' depends on one that does not precede it.", "BadRequest")
        if one.body is not None and "content-type" not in {name.lower() for name in one.headers}:
            raise InvalidRequest(
                f"Write request id : '{one.id}' does not contain Content-Type header or body.", "BadRequest"
            )
        known.add(one.id)
    return inner


def _as_request(outer: Request, one: _Inner) -> Request:
    version = outer.path.rsplit("/", 1)[0]
    # msgraph-sdk takes only Graph's own host off: with another base URL its addresses are whole.
    path, _, query = one.url.removeprefix(outer.origin + version).partition("?")
    headers = {name.lower(): value for name, value in one.headers.items()}
    headers.setdefault("authorization", outer.headers.get("authorization", ""))
    return Request(
        one.method.upper(),
        f"{version}/{unquote(path.lstrip('/'))}",
        query,
        headers,
        b"" if one.body is None else msgspec.json.encode(one.body),
        outer.origin,
    )


def _shown(request_id: str, answer: Answer) -> dict[str, Any]:
    names = {"content-type": "Content-Type", "retry-after": "Retry-After"}
    headers = {"Cache-Control": "no-cache"}
    headers |= {names[name]: value for name, value in answer.headers.items() if name in names}
    shown: dict[str, Any] = {"id": request_id, "status": answer.status, "headers": headers}
    if answer.body:
        shown["body"] = msgspec.Raw(answer.body)
    return shown
