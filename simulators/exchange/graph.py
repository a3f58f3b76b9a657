"""Microsoft Graph v1.0 for users' calendars: paths, query options, preferences, errors.

Synchronous and free of any server, so that a simulated world can call it often. What is not
simulated is refused with 501, never answered by half.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from gateway.core.units import DAY_MS, Duration, Instant
from simulators.exchange.calendars import Calendar
from simulators.exchange.errors import (
    AccessDenied,
    ChangedMeanwhile,
    ExchangeError,
    InvalidRequest,
    InvalidToken,
    NotFound,
    mailbox_not_enabled,
)
from simulators.exchange.ids import guid
from simulators.exchange.items import CalendarItem
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.mailboxes import Answer as Response
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.parse import changes, new_event
from simulators.exchange.render import SELECTABLE, Json, render, select
from simulators.exchange.times import error_date, window_instant, zone
from simulators.exchange.wire import JSON_TYPE, Answer, Request, json_answer

PREFIX: Final = "/v1.0"
DEFAULT_PAGE: Final = 10
MAX_PAGE: Final = 1_000
MAX_WINDOW_MS: Final[Duration] = 1_825 * DAY_MS

_LIST_OPTIONS: Final = frozenset({"startdatetime", "enddatetime", "$select", "$top", "$skip", "$orderby"})
_ONE_OPTIONS: Final = frozenset({"$select"})
_NO_SELECT_IN_VIEW: Final = frozenset({"createdDateTime", "lastModifiedDateTime"})
"""Two properties that do not support `$select` on calendarView (Graph's calendar-list-calendarview page)."""
_MAX_CACHED: Final = 64
_RESPONSES: Final[dict[str, Response]] = {
    "accept": "accepted",
    "tentativelyAccept": "tentativelyAccepted",
    "decline": "declined",
}
_ORDERS: Final[dict[str, Callable[[CalendarItem], Any]]] = {
    "start/datetime": lambda item: (item.start_ms, item.id),
    "end/datetime": lambda item: (item.end_ms, item.id),
    "subject": lambda item: (item.subject, item.id),
    "createddatetime": lambda item: (item.created_ms, item.id),
    "lastmodifieddatetime": lambda item: (item.modified_ms, item.id),
}


class NotSimulated(ExchangeError):  # noqa: N818 - named as what it says to the client
    """501: Graph may have it; this simulator does not."""

    status = 501

    def __init__(self, what: str) -> None:
        super().__init__("notImplemented", f"The simulator does not have {what}.")


class Target(NamedTuple):
    """What a path means: the name of the route, and the parts that it is about."""

    route: str
    user: str = ""
    event_id: str = ""


class _Preferences(NamedTuple):
    zone_name: str
    immutable: bool
    page: int | None
    applied: str


class Graph:
    """The service. `age_ms` in a call answers reads from the past (a stale replica)."""

    def __init__(
        self, mailboxes: Mailboxes, check: Callable[[Request], None], now: Callable[[], Instant]
    ) -> None:
        self._mailboxes = mailboxes
        self._check = check
        self._now = now
        self._answers = 0
        self._rendered: dict[str, tuple[int, dict[tuple[str, ...], bytes]]] = {}

    def answer(self, request: Request, *, age_ms: Duration = 0) -> Answer:
        """The answer to one request; refusals come in Graph's shape, never as exceptions."""
        try:
            self._check(request)
            return self._with_ids(request, self._route(request, age_ms))
        except ExchangeError as error:
            return self.refusal(request, error.status, error.code, error.message)

    def refusal(self, request: Request, status: int, code: str, message: str) -> Answer:
        """An error in Graph's shape."""
        request_id, client_id = self._request_ids(request)
        inner = {"date": error_date(self._now()), "request-id": request_id, "client-request-id": client_id}
        body = {"error": {"code": code, "message": message, "innerError": inner}}
        headers = {"content-type": "application/json"}
        if status == InvalidToken.status:
            headers["www-authenticate"] = (
                'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'
            )
        return self._with_ids(request, json_answer(status, body, headers))

    def _request_ids(self, request: Request) -> tuple[str, str]:
        request_id = guid("request", self._answers)
        return request_id, request.headers.get("client-request-id", request_id)

    def _with_ids(self, request: Request, answer: Answer) -> Answer:
        request_id, client_id = self._request_ids(request)
        self._answers += 1
        headers = {**answer.headers, "request-id": request_id, "client-request-id": client_id}
        return msgspec.structs.replace(answer, headers=headers)

    # Routing

    def _route(self, request: Request, age_ms: Duration) -> Answer:
        target = target_of(request)
        if target.route == "unknown":
            raise InvalidRequest("Resource not found for the segment.", "BadRequest")
        box = self._open(target.user)
        calendar = box.calendar_at(self._now() - age_ms) if age_ms else box.calendar
        if request.method == "GET":
            calendar = box.calendar_at(self._now() - age_ms) if age_ms else box.calendar
            return self._read(request, target, box, calendar, fresh=not age_ms)
        return self._write(request, target, box)

    def _read(
        self, request: Request, target: Target, box: Mailbox, calendar: Calendar, *, fresh: bool
    ) -> Answer:
        preferences = _preferences(request)
        if target.route == "GET event":
            _only(request, _ONE_OPTIONS)
            return self._one(request, target, calendar.find(target.event_id), preferences)
        _only(request, _LIST_OPTIONS)
        return self._listing(request, target, box, calendar, preferences, fresh=fresh)

    def _write(self, request: Request, target: Target, box: Mailbox) -> Answer:
        preferences = _preferences(request)
        if target.route == "POST events":
            created = self._mailboxes.create(box, new_event(request.json(), self._name_of))
            return self._one(request, target, created, preferences, status=201)
        item = self._current(request, box, target)
        action = target.route.partition(" ")[2]
        if target.route == "PATCH event":
            fields = changes(request.json(), item, self._name_of)
            altered = self._mailboxes.alter(box, target.event_id, fields)
            return self._one(request, target, altered, preferences)
        if target.route == "DELETE event":
            self._mailboxes.delete(box, target.event_id)
            return Answer(204)
        if action == "cancel":
            self._mailboxes.cancel(box, target.event_id, _comment(request.json()) or "")
        else:
            self._respond(request, box, item, _RESPONSES[action])
        return Answer(202)

    def _open(self, user: str) -> Mailbox:
        box = self._mailboxes.mailbox(user)
        if box.state == "denied":
            raise AccessDenied
        if box.state == "not_enabled":
            raise mailbox_not_enabled()
        return box

    def _current(self, request: Request, box: Mailbox, target: Target) -> CalendarItem:
        """The item to be written to; with `If-Match` only if that is its present version."""
        item = box.calendar.find(target.event_id)
        wanted = request.headers.get("if-match", "*")
        if wanted not in ("*", f'W/"{item.change_key}"'):
            raise ChangedMeanwhile
        return item

    def _name_of(self, address: str) -> str:
        """The display name of an address, or the address for outsiders."""
        try:
            return self._mailboxes.mailbox(address).person.name
        except NotFound:
            return address

    # Reads

    def _one(
        self,
        request: Request,
        target: Target,
        item: CalendarItem,
        preferences: _Preferences,
        *,
        status: int = 200,
    ) -> Answer:
        wanted = _selected(request)
        shown = select(render(item, preferences.zone_name, immutable=preferences.immutable), wanted)
        context = _context(request, target, wanted) + "/$entity"
        headers = {"preference-applied": preferences.applied} if preferences.applied else None
        return json_answer(status, {"@odata.context": context, **shown}, headers)

    def _listing(
        self,
        request: Request,
        target: Target,
        box: Mailbox,
        calendar: Calendar,
        preferences: _Preferences,
        *,
        fresh: bool,
    ) -> Answer:
        headers = {"preference-applied": preferences.applied} if preferences.applied else {}
        key = (request.origin, request.path, request.query, *map(str, preferences))
        revision, kept = self._rendered.get(box.id, (-1, {}))
        if revision != box.revision or len(kept) > _MAX_CACHED:
            kept = {}
            self._rendered[box.id] = (box.revision, kept)
        body = kept.get(key) if fresh else None
        if body is None:
            found = _found(request, target, calendar)
            body = msgspec.json.encode(_page(request, target, found, preferences))
            if fresh:
                kept[key] = body
        return Answer(200, body, {"content-type": JSON_TYPE, **headers})

    # Responses

    def _respond(self, request: Request, box: Mailbox, item: CalendarItem, response: Response) -> None:
        body = request.json()
        send = body.get("sendResponse", body.get("SendResponse", True)) is not False
        comment = _comment(body)
        if not send and comment is not None:
            raise InvalidRequest(
                "'SendResponse' must be true when 'Comment' is not null.", "ErrorInvalidParameter"
            )
        if body.get("proposedNewTime") is not None:
            if not send or not item.allow_new_time_proposals or response == "accepted":
                raise InvalidRequest("A new time cannot be proposed here.", "ErrorInvalidParameter")
            raise NotSimulated("proposals of new times")
        self._mailboxes.respond(box, item.id, response, comment or "", send=send)


_ROUTES: Final[dict[tuple[str, str], str]] = {
    ("GET", "calendarView"): "GET calendarView",
    ("GET", "events"): "GET events",
    ("POST", "events"): "POST events",
    ("GET", "events/*"): "GET event",
    ("PATCH", "events/*"): "PATCH event",
    ("DELETE", "events/*"): "DELETE event",
    ("GET", "events/*/instances"): "GET instances",
    ("POST", "events/*/cancel"): "POST cancel",
    **{("POST", f"events/*/{action}"): f"POST {action}" for action in _RESPONSES},
}


def target_of(request: Request) -> Target:
    """What the request is for, by method and path alone; the route is "unknown" for all else."""
    match request.path.strip("/").split("/"):
        case ["v1.0", "users", user, "calendar", *rest] | ["v1.0", "users", user, *rest]:
            event_id = "".join(rest[1:2])
            shape = "/".join([*rest[:1], *("*" for _ in rest[1:2]), *rest[2:]])
            return Target(_ROUTES.get((request.method, shape), "unknown"), user, event_id)
    return Target("unknown")


def _only(request: Request, options: frozenset[str]) -> None:
    for name in request.parameters():
        if name not in options:
            raise NotSimulated(f"the query option '{name}' here")


def _preferences(request: Request) -> _Preferences:
    zone_name, immutable, page = "UTC", False, None
    applied: list[str] = []
    for part in request.headers.get("prefer", "").split(","):
        name, _, value = part.strip().partition("=")
        value = value.strip('" ')
        match name.strip().lower():
            case "outlook.timezone":
                zone(value)
                zone_name = value
            case "idtype":
                immutable = value.lower() == "immutableid"
            case "odata.maxpagesize" if value.isdigit():
                page = int(value)
            case _:
                continue
        applied.append(part.strip())
    return _Preferences(zone_name, immutable, page, ", ".join(applied))


def _selected(request: Request) -> list[str] | None:
    text = request.parameters().get("$select")
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SELECTABLE:
            raise InvalidRequest(
                f"Could not find a property named '{name}' on type 'microsoft.graph.event'.",
                "RequestBroker--ParseUri",
            )
    return names


def _found(request: Request, target: Target, calendar: Calendar) -> list[CalendarItem]:
    """All items of the listing, in the order asked for."""
    if target.route == "GET events":
        found = calendar.items()
    else:
        start_ms, end_ms = _window(request)
        if target.route == "GET instances":
            found = calendar.instances(target.event_id, start_ms, end_ms)
        else:
            found = calendar.view(start_ms, end_ms)
    field, _, direction = request.parameters().get("$orderby", "").partition(" ")
    if field:
        order = _ORDERS.get(field.lower())
        if order is None or direction not in ("", "asc", "desc"):
            raise InvalidRequest(f"The expression '{field}' cannot be used to order.", "BadRequest")
        found.sort(key=order, reverse=direction == "desc")
    return found


def _window(request: Request) -> tuple[Instant, Instant]:
    parameters = request.parameters()
    if "startdatetime" not in parameters or "enddatetime" not in parameters:
        raise InvalidRequest(
            "This request requires a time window specified by the query string parameters "
            "StartDateTime and EndDateTime.",
            "ErrorInvalidParameter",
        )
    start_ms = window_instant(parameters["startdatetime"], "startDateTime")
    end_ms = window_instant(parameters["enddatetime"], "endDateTime")
    if not start_ms <= end_ms <= start_ms + MAX_WINDOW_MS:
        raise InvalidRequest("The time window is not valid: it ends before it starts, or is too long.")
    return start_ms, end_ms


def _page(request: Request, target: Target, found: list[CalendarItem], preferences: _Preferences) -> Json:
    parameters = request.parameters()
    size = _number(parameters, "$top", preferences.page or DEFAULT_PAGE)
    skip = _number(parameters, "$skip", 0)
    if not 1 <= size <= MAX_PAGE:
        raise InvalidRequest(f"The limit of '{MAX_PAGE}' for Top query has been exceeded.", "BadRequest")
    wanted = _selected(request)
    kept = wanted
    if wanted is not None and target.route == "GET calendarView":
        kept = [name for name in wanted if name not in _NO_SELECT_IN_VIEW]
    page: Json = {
        "@odata.context": _context(request, target, wanted),
        "value": [
            select(render(item, preferences.zone_name, immutable=preferences.immutable), kept)
            for item in found[skip : skip + size]
        ],
    }
    if skip + size < len(found):
        following = dict(_named(request)) | {"$skip": str(skip + size)}
        page["@odata.nextLink"] = f"{request.origin}{request.path}?{urlencode(following)}"
    return page


def _named(request: Request) -> list[tuple[str, str]]:
    """The query as it was written, by the names that Graph uses."""
    spelled = {"startdatetime": "startDateTime", "enddatetime": "endDateTime"}
    return [(spelled.get(name, name), value) for name, value in request.parameters().items()]


def _number(parameters: dict[str, str], name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise InvalidRequest(f"Invalid value '{text}' for {name} query option found.", "BadRequest")
    return int(text)


def _context(request: Request, target: Target, wanted: list[str] | None) -> str:
    where = {
        "GET calendarView": "calendarView",
        "GET instances": f"events('{target.event_id}')/instances",
    }.get(target.route, "events")
    fields = f"({','.join(wanted)})" if wanted is not None else ""
    return f"{request.origin}{PREFIX}/$metadata#users('{target.user}')/{where}{fields}"


def _comment(body: Json) -> str | None:
    comment = body.get("comment", body.get("Comment"))
    return None if comment is None else str(comment)
