"""Entra's refusals: the numbers, words and shape of its token endpoint's errors.

Numbers: learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from simulators.exchange.ids import guid
from simulators.exchange.wire import Answer

_BY_NUMBER: Final[dict[int, tuple[int, str]]] = {
    50027: (400, "invalid_request"),
    53003: (400, "invalid_grant"),
    70003: (400, "unsupported_grant_type"),
    90002: (400, "invalid_request"),
    90023: (400, "invalid_request"),
    500011: (400, "invalid_resource"),
    700016: (400, "unauthorized_client"),
    700021: (401, "invalid_client"),
    700023: (401, "invalid_client"),
    700024: (401, "invalid_client"),
    700027: (401, "invalid_client"),
    700211: (401, "invalid_client"),
    700212: (401, "invalid_client"),
    700213: (401, "invalid_client"),
    900023: (400, "invalid_request"),
    900144: (400, "invalid_request"),
    900561: (400, "invalid_request"),
    1000502: (401, "invalid_client"),
    1002012: (400, "invalid_scope"),
    7000112: (400, "unauthorized_client"),
    7000215: (401, "invalid_client"),
    7000216: (401, "invalid_client"),
    7000222: (401, "invalid_client"),
    7000229: (400, "unauthorized_client"),
}
"""Status and OAuth error of each number that is given out."""


class TokenRefusedError(Exception):
    """No token. `number` is Entra's, without its AADSTS."""

    def __init__(self, number: int, why: str, *, error: str = "") -> None:
        super().__init__(why)
        self.number = number
        self.why = why
        self.status, known = _BY_NUMBER[number]
        self.error = error or known


def shown(refused: TokenRefusedError, *, now_s: float, correlation_id: str, count: int) -> Answer:
    """The answer. `correlation_id` is the client's own, where it sent one."""
    trace = guid("trace", refused.number, count)
    correlation = correlation_id or guid("correlation", refused.number, count)
    stamp = f"{datetime.fromtimestamp(now_s, UTC):%Y-%m-%d %H:%M:%SZ}"
    body = {
        "error": refused.error,
        "error_description": f"AADSTS{refused.number}: {refused.why} Trace ID: {trace} "
        f"Correlation ID: {correlation} Timestamp: {stamp}",
        "error_codes": [refused.number],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={refused.number}",
    }
    headers = {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-store, no-cache",
        "x-ms-request-id": trace,
    }
    return Answer(refused.status, msgspec.json.encode(body), headers)
