"""Microsoft Graph v1.0 (and a little of beta) for calendars, places and subscriptions.

Here a request is let in, led to its route and answered; the routes are in `events`, `delta`, `schedules`,
`directory`, `places`, `workplace` and `subscriptions`. Synchronous and free of any server, so that a
simulated world can call it often. What is not simulated is refused, never answered by half.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from gateway.core.units import Duration, Instant
from simulators.exchange.calls import Call, MailboxCall, MailboxRoute, Route
from simulators.exchange.delta import Delta
from simulators.exchange.directory import Directory
from simulators.exchange.errors import (
    AccessDenied,
    ExchangeError,
    InvalidRequest,
    InvalidToken,
    WrongMethod,
    item_not_found,
    mailbox_not_enabled,
)
from simulators.exchange.events import Events
from simulators.exchange.identity import Caller
from simulators.exchange.ids import guid
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.notifications import Sender
from simulators.exchange.odata import options_of
from simulators.exchange.permissions import check_permission
from simulators.exchange.places import Places
from simulators.exchange.preferences import preferences_of
from simulators.exchange.routes import UNKNOWN, WRONG_METHOD, Target, target_of
from simulators.exchange.schedules import Schedules
from simulators.exchange.subscriptions import Subscriptions
from simulators.exchange.times import error_date
from simulators.exchange.wire import Answer, Request, json_answer
from simulators.exchange.workplace import Workplace

__all__ = ["PREFIX", "Graph", "Target", "target_of"]

PREFIX: Final = "/v1.0"
_CHALLENGE: Final = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    'client_id="00000003-0000-0000-c000-000000000000"'
)


class Graph:
    """The service. `age_ms` in a call answers reads from the past (a stale replica)."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        check: Callable[[Request], Caller],
        now: Callable[[], Instant],
        *,
        tenant_id: str = "",
    ) -> None:
        self.mailboxes = mailboxes
        self._check = check
        self._now = now
        self._answers = 0
        self.delta = Delta(mailboxes.variants)
        self.places = Places(mailboxes)
        self.workplace = Workplace(mailboxes)
        self.subscriptions = Subscriptions(mailboxes, tenant_id)
        directory = Directory(mailboxes)
        self._routes: dict[str, Route] = {
            **directory.routes(),
            **self.places.routes(),
            **self.workplace.routes(),
            **self.subscriptions.routes(),
        }
        self._mailbox_routes: dict[str, MailboxRoute] = {
            **directory.mailbox_routes(),
            **Events(mailboxes).routes(),
            **Schedules(mailboxes).routes(),
            **dict.fromkeys(("GET calendarView/delta", "GET events/delta"), self.delta.answer),
        }

    def answer(self, request: Request, *, age_ms: Duration = 0) -> Answer:
        """The answer to one request; refusals come in Graph's shape, never as exceptions."""
        try:
            call = self._call(request, age_ms)
            if isinstance(call, MailboxCall):
                return self._with_ids(request, self._mailbox_routes[call.target.route](call))
            return self._with_ids(request, self._routes[call.target.route](call))
        except ExchangeError as error:
            return self.refuse(request, error)

    async def answer_with_handshake(self, request: Request, sender: Sender) -> Answer:
        """As `answer`, where a new subscription's addresses are asked for their tokens first."""
        try:
            call = self._call(request, 0)
            return self._with_ids(request, await self.subscriptions.create_with_handshake(call, sender))
        except ExchangeError as error:
            return self.refuse(request, error)

    def refuse(self, request: Request, error: ExchangeError) -> Answer:
        """A refusal in Graph's shape, with the headers that belong to it."""
        answer = self.refusal(request, error.status, error.code, error.message)
        if not error.headers:
            return answer
        return msgspec.structs.replace(answer, headers={**answer.headers, **error.headers})

    def refusal(
        self,
        request: Request,
        status: int,
        code: str,
        message: str,
        inner: Mapping[str, str] | None = None,
    ) -> Answer:
        """An error in Graph's shape; `inner` adds to its inner error."""
        request_id, client_id = self._request_ids(request)
        ids = {"date": error_date(self._now()), "request-id": request_id, "client-request-id": client_id}
        body = {"error": {"code": code, "message": message, "innerError": {**(inner or {}), **ids}}}
        headers = {"content-type": "application/json"}
        if status == InvalidToken.status:
            headers["www-authenticate"] = _CHALLENGE
        return self._with_ids(request, json_answer(status, body, headers))

    def _request_ids(self, request: Request) -> tuple[str, str]:
        request_id = guid("request", self._answers)
        return request_id, request.headers.get("client-request-id", request_id)

    def _with_ids(self, request: Request, answer: Answer) -> Answer:
        request_id, client_id = self._request_ids(request)
        self._answers += 1
        headers = {
            **answer.headers,
            "request-id": request_id,
            "client-request-id": client_id,
            "cache-control": "private",
            "odata-version": "4.0",
        }
        return msgspec.structs.replace(answer, headers=headers)

    # Letting in

    def _call(self, request: Request, age_ms: Duration) -> Call:
        """The request, let in and led to its route. Raises `ExchangeError`."""
        caller = self._check(request)
        target = target_of(request)
        if target.route == UNKNOWN:
            last = request.path.rstrip("/").rpartition("/")[2]
            raise InvalidRequest(f"Resource not found for the segment '{last}'.", "BadRequest")
        if target.route == WRONG_METHOD:
            raise WrongMethod
        self.mailboxes.settle()
        if target.user == "me":
            target = _me(target, caller)
        address = self.mailboxes.mailbox(target.user).address if target.user else ""
        check_permission(caller, target.route, address, self.mailboxes.variants)
        preferences = preferences_of(request.headers.get("prefer", ""))
        options = options_of(request.query)
        if not target.user:
            return Call(request, target, caller, preferences, options)
        box = self._open(target)
        aged = age_ms and request.method == "GET"
        calendar = box.calendar_at(self._now() - age_ms) if aged else box.calendar
        return MailboxCall(
            request, target, caller, preferences, options, fresh=not aged, box=box, calendar=calendar
        )

    def _open(self, target: Target) -> Mailbox:
        box = self.mailboxes.mailbox(target.user)
        if target.route == "GET user":
            return box  # a matter of the directory, not of Exchange
        if box.state == "denied":
            raise AccessDenied
        if box.state == "not_enabled":
            raise mailbox_not_enabled()
        if target.calendar_id and target.calendar_id != box.calendar_id:
            raise item_not_found()
        return box


def _me(target: Target, caller: Caller) -> Target:
    if not caller.user:
        raise InvalidRequest("/me request is only valid with delegated authentication flow.", "BadRequest")
    return target._replace(user=caller.user)
