"""Why Exchange refuses. Each error has Graph's code; `graph` knows the HTTP status of each class.

    ExchangeError
    ├── InvalidRequest         400  the request can never succeed as it stands
    │   ├── MalformedId        400  not an id that any mailbox hands out
    │   └── CrossesNeighbour   400  an occurrence was moved over another of its series
    ├── InvalidToken           401  no, a foreign or an expired bearer token
    ├── AccessDenied           403  the application may not open this mailbox
    ├── NotFound               404  no such user, mailbox, item or address
    └── ChangedMeanwhile       412  the change key is not the current one

Codes and words: Microsoft Graph reference pages and published error examples.
"""

from typing import ClassVar


class ExchangeError(Exception):
    """Base of all refusals. `code` and `message` are what Graph's error body carries."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InvalidRequest(ExchangeError):  # noqa: N818 - named as what Graph calls it, under a base that says Error
    """400: the request can never succeed as it stands."""

    status = 400

    def __init__(self, message: str, code: str = "ErrorInvalidRequest") -> None:
        super().__init__(code, message)


class MalformedId(InvalidRequest):
    """400: not an id that any mailbox hands out."""

    def __init__(self) -> None:
        super().__init__("Id is malformed.", "ErrorInvalidIdMalformed")


class CrossesNeighbour(InvalidRequest):
    """400: an occurrence was moved onto or over its neighbour in the series."""

    def __init__(self) -> None:
        super().__init__(
            "Modified occurrence is crossing or overlapping adjacent occurrence.",
            "ErrorOccurrenceCrossingBoundary",
        )


class InvalidToken(ExchangeError):  # noqa: N818 - as InvalidRequest
    """401: no, a foreign or an expired bearer token."""

    status = 401

    def __init__(self, message: str) -> None:
        super().__init__("InvalidAuthenticationToken", message)


class AccessDenied(ExchangeError):  # noqa: N818 - as InvalidRequest
    """403: an access policy keeps the application out of this mailbox."""

    status = 403

    def __init__(self) -> None:
        super().__init__(
            "ErrorAccessDenied",
            "Access to OData is disabled: "
            "[RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
        )


class NotFound(ExchangeError):  # noqa: N818 - as InvalidRequest
    """404: no such user, mailbox, item or address."""

    status = 404


def item_not_found() -> NotFound:
    """The event does not exist in this mailbox (any more)."""
    return NotFound("ErrorItemNotFound", "The specified object was not found in the store.")


def unknown_user(user: str) -> NotFound:
    """No such user or room in the tenant."""
    return NotFound("ErrorInvalidUser", f"The requested user '{user}' is invalid.")


def mailbox_not_enabled() -> NotFound:
    """The user exists, and has no mailbox in Exchange Online."""
    return NotFound(
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
    )


class ChangedMeanwhile(ExchangeError):  # noqa: N818 - as InvalidRequest
    """412: the change key passed with the request is not the item's current one."""

    status = 412

    def __init__(self) -> None:
        super().__init__(
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the "
            "request does not match the current change key for the item.",
        )
