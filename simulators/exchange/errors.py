"""Why Exchange refuses. Each error has Graph's code; `graph` knows the HTTP status of each class.

    ExchangeError
    ├── InvalidRequest         400  the request can never succeed as it stands
    │   ├── MalformedId        400  not an id that any mailbox hands out
    │   └── CrossesNeighbour   400  an occurrence was moved over another of its series
    ├── InvalidToken           401  no, a foreign or an expired bearer token
    ├── AccessDenied           403  the application may not open this mailbox, or lacks a permission
    ├── NotFound               404  no such user, mailbox, item or address
    ├── WrongMethod            405  the address exists, and not for this method
    ├── AlreadyThere           409  what was to be created exists
    ├── SyncStateGone          410  a delta token that is not known (any more)
    ├── ChangedMeanwhile       412  the change key is not the current one
    └── NotSimulated           501  Graph may have it; this simulator does not

Codes and words: Microsoft Graph reference pages and published error examples.
"""

from collections.abc import Mapping
from typing import ClassVar


class ExchangeError(Exception):
    """Base of all refusals. `code` and `message` are what Graph's error body carries."""

    status: ClassVar[int] = 500
    headers: Mapping[str, str] = {}
    """Sent along with the error."""

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
    """403: an access policy keeps the application out of this mailbox, or a permission is missing."""

    status = 403

    def __init__(self, message: str = "", code: str = "ErrorAccessDenied") -> None:
        super().__init__(
            code,
            message
            or "Access to OData is disabled: "
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


class WrongMethod(ExchangeError):  # noqa: N818 - as InvalidRequest
    """405: the address exists, and not for this method."""

    status = 405

    def __init__(self) -> None:
        super().__init__("Request_BadRequest", "Specified HTTP method is not allowed for the request target.")


class AlreadyThere(ExchangeError):  # noqa: N818 - as InvalidRequest
    """409: what was to be created exists."""

    status = 409


class SyncStateGone(ExchangeError):  # noqa: N818 - as InvalidRequest
    """410: the delta token is not known (any more); `Location` says where to begin anew."""

    status = 410

    def __init__(self, message: str, location: str) -> None:
        super().__init__("SyncStateNotFound", message)
        self.headers = {"location": location}


class NotSimulated(ExchangeError):  # noqa: N818 - named as what it says to the client
    """501: Graph may have it; this simulator does not."""

    status = 501

    def __init__(self, what: str) -> None:
        super().__init__("notImplemented", f"The simulator does not have {what}.")


def lacks_permission() -> AccessDenied:
    """The token does not carry a role that Exchange asks for."""
    return AccessDenied("Access is denied. Check credentials and try again.")


def lacks_directory_permission() -> AccessDenied:
    """The token does not carry a role that the directory asks for."""
    return AccessDenied("Insufficient privileges to complete the operation.", "Authorization_RequestDenied")
