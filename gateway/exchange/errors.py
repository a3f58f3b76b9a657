"""What can go wrong with Exchange, split by what the caller has to do.

    ExchangeError
    ├── RetryableError      nothing was changed; try again later (network, 5xx on a read, 429)
    │   ├── ConflictError   the item changed under the write (412): read it again first
    │   └── GivenUpError    the caller's own condition failed before the request began
    ├── UnclearError        a write may or may not have happened: settle it by reading back
    ├── UnreadableError     somebody has to mend something; the text says what
    │   ├── AuthError       no token, or the token is refused
    │   ├── ForbiddenError  the application may not touch this mailbox
    │   ├── MailboxError    there is no such mailbox for Graph
    │   ├── UntrustedError  the server's certificate is not trusted
    │   ├── MalformedError  the answer is not what Graph documents
    │   └── UnforeseenError a fault of the gateway itself while it asked or understood
    ├── ItemGoneError       the calendar item does not exist (404 ErrorItemNotFound)
    └── RefusedError        Graph will never accept this request (400 and its kin)

Which one an answer becomes is decided by its status and its error code, never by its message
(https://learn.microsoft.com/graph/errors). Messages are not carried along either: they may quote
names.
"""

import json
import traceback
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal

Kind = Literal["read", "write"]

ITEM_GONE_CODES: Final = frozenset({"erroritemnotfound"})
BAD_ID_CODES: Final = frozenset({"errorinvalididmalformed"})
MAILBOX_CODES: Final = frozenset(
    {
        "mailboxnotenabledforrestapi",
        "mailboxnotsupportedforrestapi",
        "errornonexistentmailbox",
        "errorinvaliduser",
        "resourcenotfound",
        "request_resourcenotfound",
    }
)

FORBIDDEN_ADVICE: Final = (
    "the application may not use this mailbox: give it the Exchange role 'Application Calendars.ReadWrite' "
    "with a scope that holds the room (or consent to Calendars.ReadWrite), and look for an application "
    "access policy that blocks it; a change takes up to 2 hours to be seen"
)
MAILBOX_ADVICE: Final = (
    "no Exchange Online mailbox answers to this address: check the room's address; the mailbox may be "
    "inactive, deleted or on premises"
)
REFUSED_ADVICE: Final = (
    "Graph refuses the access token: check that the authority, the tenant and Graph's address belong together"
)


class ExchangeError(Exception):
    """Base. `status` and `code` are Graph's, where it answered; `request_id` is for its support."""

    def __init__(self, why: str, *, status: int | None = None, code: str = "", request_id: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.status = status
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        facts = [f"HTTP {self.status}" if self.status else "", self.code]
        if self.request_id:
            facts.append(f"request-id {self.request_id}")
        told = " ".join(fact for fact in facts if fact)
        return f"{self.why} ({told})" if told else self.why


class RetryableError(ExchangeError):
    """Nothing was changed and the same request may succeed later, after `retry_after_s` if given."""

    retry_after_s: float | None = None


class ConflictError(RetryableError):
    """412: the item was changed at the same moment; read it again before deciding to write."""


class GivenUpError(RetryableError):
    """The write was not begun, because the caller's condition for it no longer held."""


class UnclearError(ExchangeError):
    """The write's answer is missing or says nothing about its effect. Read back; never send blindly."""


class UnreadableError(ExchangeError):
    """Nothing can be read or written until somebody mends what `why` names. Never "no bookings"."""


class AuthError(UnreadableError):
    """No access token to be had, or Graph refuses the one that there is."""


class ForbiddenError(UnreadableError):
    """403: a grant or its scope is missing."""


class MailboxError(UnreadableError):
    """404 or 401 for the mailbox as a whole."""


class UntrustedError(UnreadableError):
    """TLS: the certificate shown is not signed by a trusted authority, or not valid now."""


class MalformedError(UnreadableError):
    """An answer that cannot be understood; treated as no answer at all."""


class UnforeseenError(UnreadableError):
    """A fault in this program. Says where, and never what was in its hands: that may hold names."""

    @classmethod
    def of(cls, fault: Exception) -> "UnforeseenError":
        """What became of a read that ended in `fault`."""
        frames = traceback.extract_tb(fault.__traceback__)
        where = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in frames[:-4:-1])
        return cls(
            f"a fault in the gateway ({type(fault).__name__} at {where}); please report it: this room is "
            "tried again, and the others go on"
        )


class ItemGoneError(ExchangeError):
    """The calendar item is not (or no longer) in the mailbox."""


class RefusedError(ExchangeError):
    """A request that Graph will not accept however often it is sent."""


def graph_codes(body: bytes) -> list[str]:
    """The error codes in an error body, outermost first, lower case; empty if there are none.

    Codes nest in `innerError` (also spelt `innererror`), may be empty strings, and the whole body
    may be missing.
    """
    try:
        parsed = json.loads(body) if body else None
    except ValueError:  # a proxy's page instead of Graph's error
        return []
    return list(_nested_codes(parsed.get("error") if isinstance(parsed, dict) else None))


def _nested_codes(error: Any) -> Iterator[str]:
    while isinstance(error, dict):
        code = error.get("code")
        if isinstance(code, str) and code:
            yield code.lower()
        error = error.get("innerError", error.get("innererror"))


def from_answer(
    kind: Kind, status: int, headers: Mapping[str, str], body: bytes, retry_after_s: float | None
) -> ExchangeError:
    """The error that an answer other than 2xx stands for; `headers` must be case-insensitive."""
    codes = graph_codes(body)
    error = _classify(kind, status, frozenset(codes), asked_to_wait=retry_after_s is not None)
    if isinstance(error, RetryableError):
        error.retry_after_s = retry_after_s
    error.status = status
    error.code = codes[0] if codes else ""
    error.request_id = headers.get("request-id", "")
    return error


def _classify(kind: Kind, status: int, codes: frozenset[str], *, asked_to_wait: bool) -> ExchangeError:
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and asked_to_wait):
        return RetryableError("Exchange is throttling")  # and did not touch anything
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        away = "Exchange is not available"
        return UnclearError(away) if kind == "write" else RetryableError(away)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        return _denied(kind, status, codes)
    if status == HTTPStatus.PRECONDITION_FAILED:
        return ConflictError("the item was changed at the same moment")
    if status >= HTTPStatus.BAD_REQUEST:
        return RefusedError("Exchange refuses the request")
    return MalformedError("an answer that Graph does not give: is there a proxy in between?")


def _denied(kind: Kind, status: int, codes: frozenset[str]) -> ExchangeError:
    if codes & MAILBOX_CODES:  # seen with 404 and with 401
        return MailboxError(MAILBOX_ADVICE)
    if status == HTTPStatus.UNAUTHORIZED:
        return AuthError(REFUSED_ADVICE)
    if status == HTTPStatus.FORBIDDEN:
        return ForbiddenError(FORBIDDEN_ADVICE)
    return _not_found(kind, codes)


def _not_found(kind: Kind, codes: frozenset[str]) -> ExchangeError:
    if codes & ITEM_GONE_CODES:
        return ItemGoneError("the item is not in the mailbox")
    if codes & BAD_ID_CODES:
        return RefusedError("Exchange does not know ids of this form")
    if kind == "write":  # decline has been seen to answer 404 without a body (msgraph docs issue 1404)
        return UnclearError("not found, without saying what")
    return MailboxError(MAILBOX_ADVICE)
