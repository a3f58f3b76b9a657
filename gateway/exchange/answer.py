"""One answer of Graph, on its own or within a batch, and what its headers ask for."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec

from gateway.exchange.errors import MalformedError


class Answer(NamedTuple):
    """Status, headers (names in lower case) and body of one answer. `accepted`: it is a 2xx."""

    status: int
    accepted: bool
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The JSON object in the body. Raises MalformedError for anything else."""
        try:
            parsed = msgspec.json.decode(self.body)
        except ValueError as error:
            raise MalformedError("the answer is not JSON", status=self.status) from error
        if not isinstance(parsed, dict):
            raise MalformedError("the answer is not a JSON object", status=self.status)
        return parsed


def retry_after(headers: Mapping[str, str], wall: Callable[[], float]) -> float | None:
    """Seconds that Retry-After asks for, never negative; None where it is missing or makes no sense.

    Graph sends whole seconds, decimals ("2.128") or an HTTP date; a date is compared with the
    answer's own Date, so that a wrong clock on this machine does not matter, else with `wall`.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d*)?", value):
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    answered = _http_date(headers.get("date", ""))
    return max(0.0, until - (wall() if answered is None else answered))


def _http_date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError):
        return None


def claims_challenge(challenges: str) -> str | None:
    """The decoded claims (JSON text) of a WWW-Authenticate header, or None if it carries none.

    https://learn.microsoft.com/entra/identity-platform/claims-challenge: base64 in `claims="..."`,
    seen in both alphabets and without padding. Several headers are joined with commas.
    """
    for found in re.finditer(r'\bclaims="([A-Za-z0-9+/_=-]+)"', challenges):
        text = found[1].rstrip("=").translate(str.maketrans("-_", "+/"))
        try:
            claims = base64.b64decode(text + "=" * (-len(text) % 4)).decode()
            if isinstance(json.loads(claims), dict):
                return claims
        except (binascii.Error, ValueError):  # unreadable: renew the token as for a plain 401
            continue
    return None
