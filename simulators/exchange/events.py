"""Events: reading, writing and answering them."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from gateway.core.units import DAY_MS, Duration, Instant
from simulators.exchange.calls import MailboxCall, MailboxRoute, name_of
from simulators.exchange.errors import ChangedMeanwhile, InvalidRequest, NotFound
from simulators.exchange.filters import parse_filter
from simulators.exchange.items import CalendarItem, Person
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.mailboxes import Answer as Response
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.odata import Expansion, Options, check_select, next_link
from simulators.exchange.parse import changes, new_event, open_extension, proposal
from simulators.exchange.render import SELECTABLE, Json, occurrences_apart, render, select
from simulators.exchange.times import window_instant
from simulators.exchange.wire import JSON_TYPE, Answer

MAX_WINDOW_MS: Final[Duration] = 1_825 * DAY_MS

_NO_SELECT_IN_VIEW: Final = frozenset({"createdDateTime", "lastModifiedDateTime"})
"""Two properties that do not support `$select` on calendarView (Graph's calendar-list-calendarview page)."""
_MAX_CACHED: Final = 64
RESPONSES: Final[dict[str, Response]] = {
    "accept": "accepted",
    "tentativelyAccept": "tentativelyAccepted",
    "decline": "declined",
}
_ORDERS: Final[dict[str, Callable[[CalendarItem], Any]]] = {
    "start/datetime": lambda item: (item.start_ms, item.id),
    "end/datetime": lambda item: (item.end_ms, item.id),
    "subject": lambda item: (item.subject.casefold(), item.id),
    "createddatetime": lambda item: (item.created_ms, item.id),
    "lastmodifieddatetime": lambda item: (item.modified_ms, item.id),
    "showas": lambda item: (item.show_as, item.id),
    "importance": lambda item: (item.importance, item.id),
    "isallday": lambda item: (item.all_day, item.id),
}
_FILTERABLE: Final = (SELECTABLE - {"attendees", "body", "bodyPreview", "locations", "recurrence"}) | {
    "singleValueExtendedProperties",
    "extensions",
    "Extensions",
}
"""Exchange cannot filter by lists of objects other than what was added to an event, nor by bodies."""

_EXPANDABLE: Final = frozenset(
    {
        "singleValueExtendedProperties",
        "multiValueExtendedProperties",
        "extensions",
        "attachments",
        "instances",
        "exceptionOccurrences",
        "calendar",
    }
)
_EXTENSION_TYPE: Final = "microsoft.graph.openTypeExtension"
_EXTENSION_ID: Final = "Microsoft.OutlookServices.OpenTypeExtension."
_GUARDED_ACTIONS: Final = frozenset({"PATCH event", "DELETE event"})
_OF_THE_ORGANIZER: Final = frozenset({"start_ms", "end_ms", "recurrence", "attendees", "subject", "all_day"})


class Events:
    """The routes about events."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._variants = mailboxes.variants
        self._name_of = name_of(mailboxes)
        self._rendered: dict[str, tuple[int, dict[tuple[str, ...], bytes]]] = {}

    def routes(self) -> dict[str, MailboxRoute]:
        """Each by its name in `simulators.exchange.routes`."""
        return {
            **dict.fromkeys(("GET calendarView", "GET events", "GET instances"), self.listing),
            **dict.fromkeys(("GET calendarView/$count", "GET events/$count"), self.count),
            "GET event": self.one,
            "GET attachments": self.attachments,
            "POST events": self.create,
            "PATCH event": self.patch,
            "DELETE event": self.delete,
            "POST permanentDelete": self.delete,
            "POST cancel": self.cancel,
            "POST forward": self.forward,
            "POST snoozeReminder": self.remind,
            "POST dismissReminder": self.remind,
            **{f"POST {action}": self.respond for action in RESPONSES},
            "GET extensions": self.extensions,
            "GET extension": self.extension,
            "POST extensions": self.extend,
            "PATCH extension": self.extend,
            "DELETE extension": self.unextend,
        }

    # Lists

    def listing(self, call: MailboxCall) -> Answer:
        """A page of a calendarView, of all events, or of the instances of a series.

        What was rendered is kept until the mailbox changes: gateways ask the same again and again.
        """
        preferences, request, box = call.preferences, call.request, call.box
        key = (request.origin, request.path, request.query, *map(str, preferences))
        revision, kept = self._rendered.get(box.id, (-1, {}))
        if revision != box.revision or len(kept) > _MAX_CACHED:
            kept = {}
            self._rendered[box.id] = (box.revision, kept)
        body = kept.get(key) if call.fresh else None
        if body is None:
            body = msgspec.json.encode(self._page(call))
            if call.fresh:
                kept[key] = body
        applied = preferences.applied
        return Answer(
            200, body, {"content-type": JSON_TYPE, **({"preference-applied": applied} if applied else {})}
        )

    def count(self, call: MailboxCall) -> Answer:
        """How many there are, as plain text."""
        text = str(len(_found(call))).encode()
        return Answer(200, text, {"content-type": "text/plain"})

    def _page(self, call: MailboxCall) -> Json:
        options, target = call.options, call.target
        _check_options(options)
        size, skip = options.page_size(call.preferences.page), options.skip
        found = _found(call)
        wanted = options.select
        if wanted is not None and target.route == "GET calendarView":
            wanted = tuple(name for name in wanted if name not in _NO_SELECT_IN_VIEW)
        page: Json = {"@odata.context": _context(call)}
        if options.counted:
            page["@odata.count"] = len(found)
        page["value"] = [self._shown(call, item, wanted) for item in found[skip : skip + size]]
        if skip + size < len(found):
            page["@odata.nextLink"] = next_link(call.request, **{"$skip": str(skip + size)})
        return page

    def _shown(self, call: MailboxCall, item: CalendarItem, wanted: tuple[str, ...] | None) -> Json:
        preferences = call.preferences
        as_text = preferences.body_type == "text"
        full = render(item, preferences.zone_name, immutable=preferences.immutable, as_text=as_text)
        shown = select(full, wanted)
        for expansion in call.options.expand:
            shown |= self._expanded(call, item, expansion)
        return shown

    def _expanded(self, call: MailboxCall, item: CalendarItem, expansion: Expansion) -> Json:
        # Either name of an open extension will do (opentypeextension-get).
        name, found = expansion.name, _related(call, item, expansion)
        if expansion.filter and isinstance(found, list):
            keep = parse_filter(expansion.filter, frozenset({"id", "value", "extensionName"}), name)
            found = [one for one in found if keep(one) or keep({**one, "id": one.get("extensionName")})]
        if not found and name == "singleValueExtendedProperties":
            return {}  # left out where there is none
        return {name: found}

    # Single events

    def _one(self, call: MailboxCall, item: CalendarItem, status: int = 200) -> Answer:
        _check_options(call.options)
        shown = self._shown(call, item, call.options.select)
        answer = call.answer({"@odata.context": _context(call) + "/$entity", **shown}, status)
        headers = {**answer.headers, "etag": f'W/"{item.change_key}"'}
        if status == 201:  # noqa: PLR2004 - "created" is the number's name
            headers["location"] = f"{call.service}/users('{call.box.id}')/events('{shown['id']}')"
        return msgspec.structs.replace(answer, headers=headers)

    def one(self, call: MailboxCall) -> Answer:
        """One event, occurrence or series master."""
        return self._one(call, call.calendar.find(call.target.event_id))

    def attachments(self, call: MailboxCall) -> Answer:
        """There are none: what a room gets has them deleted (DeleteAttachments)."""
        call.calendar.find(call.target.event_id)
        return call.answer({"@odata.context": call.context("attachments"), "value": []})

    def create(self, call: MailboxCall) -> Answer:
        """A new event that this mailbox organises."""
        created = self._mailboxes.create(call.box, new_event(call.request.json(), self._name_of))
        return self._one(call, created, 201)

    def patch(self, call: MailboxCall) -> Answer:
        """Change some properties."""
        item = self._current(call)
        fields = changes(call.request.json(), item, self._name_of)
        if (
            self._variants.room_patch == "refused"
            and not item.is_organizer
            and _OF_THE_ORGANIZER & set(fields)
        ):
            raise InvalidRequest(
                "Your request can't be completed. You need to be an organizer to change this property.",
                "ErrorCalendarIsNotOrganizer",
            )
        return self._one(call, self._mailboxes.alter(call.box, item.id, fields))

    def delete(self, call: MailboxCall) -> Answer:
        """Delete, which cancels where the mailbox is the organizer's."""
        self._mailboxes.delete(call.box, self._current(call).id)
        return Answer(204)

    def _current(self, call: MailboxCall) -> CalendarItem:
        """The item to be written to; with `If-Match` only if that is its present version."""
        item = call.box.calendar.find(call.target.event_id)
        rule = self._variants.if_match
        guarded = rule == "writes" or (rule == "patch_and_delete" and call.target.route in _GUARDED_ACTIONS)
        wanted = call.request.headers.get("if-match", "*") if guarded else "*"
        if wanted not in ("*", f'W/"{item.change_key}"', f'"{item.change_key}"'):
            raise ChangedMeanwhile
        return item

    # Actions

    def cancel(self, call: MailboxCall) -> Answer:
        """Cancel, as the organizer."""
        item = self._current(call)
        self._mailboxes.cancel(call.box, item.id, _text(call.request.json(), "comment") or "")
        return Answer(202)

    def respond(self, call: MailboxCall) -> Answer:
        """Accept, accept tentatively or decline, as an attendee."""
        item, body = self._current(call), call.request.json()
        response = RESPONSES[call.target.route.partition(" ")[2]]
        send = body.get("sendResponse", body.get("SendResponse", True))
        if not isinstance(send, bool):
            raise InvalidRequest("Cannot convert the value of parameter 'sendResponse'.", "RequestBodyRead")
        comment = _text(body, "comment")
        if not send and comment is not None:
            raise InvalidRequest(
                "'SendResponse' must be true when 'Comment' is not null.", "ErrorInvalidParameter"
            )
        proposed = body.get("proposedNewTime", body.get("ProposedNewTime"))
        if proposed is not None and (not send or not item.allow_new_time_proposals or response == "accepted"):
            raise InvalidRequest("A new time cannot be proposed here.", "ErrorInvalidParameter")
        self._mailboxes.respond(
            call.box,
            item.id,
            response,
            comment or "",
            send=send,
            proposed=None if proposed is None else proposal(proposed),
        )
        return Answer(202)

    def forward(self, call: MailboxCall) -> Answer:
        """Invite more people."""
        item, body = self._current(call), call.request.json()
        given = body.get("toRecipients", body.get("ToRecipients"))
        if not isinstance(given, list) or not given:
            raise InvalidRequest("At least one recipient is needed.", "ErrorInvalidRecipients")
        people = [_person(one, self._name_of) for one in given]
        self._mailboxes.forward(call.box, item.id, people, _text(body, "comment") or "")
        return Answer(202)

    def remind(self, call: MailboxCall) -> Answer:
        """Snooze or dismiss the reminder: nobody is told."""
        item = self._current(call)
        if call.target.route == "POST dismissReminder":
            self._mailboxes.alter(call.box, item.id, {"is_reminder_on": False})
        elif not isinstance(call.request.json().get("newReminderTime"), Mapping):
            raise InvalidRequest("The parameter 'newReminderTime' is missing.", "ErrorInvalidParameter")
        return Answer(202)

    # Open extensions

    def extensions(self, call: MailboxCall) -> Answer:
        """All open extensions of an event."""
        item = call.calendar.find(call.target.event_id)
        context = call.context(f"users('{call.target.user}')/events('{call.target.event_id}')/extensions")
        return call.answer({"@odata.context": context, "value": _extensions_of(item)})

    def extension(self, call: MailboxCall) -> Answer:
        """One of them, by its name."""
        item = call.calendar.find(call.target.event_id)
        return call.answer(_extension(call, item, _extension_name(call.target.part)))

    def extend(self, call: MailboxCall) -> Answer:
        """Add an open extension, or change one."""
        item, body = self._current(call), call.request.json()
        held = dict(item.open_extensions)
        created = call.target.route == "POST extensions"
        if created:
            name, content = open_extension(body)
        else:
            name = _extension_name(call.target.part)
            _extension(call, item, name)
            content = open_extension({**body, "extensionName": name})[1]
        held[name] = content
        item = self._mailboxes.alter(call.box, item.id, {"open_extensions": tuple(held.items())})
        return call.answer(_extension(call, item, name), 201 if created else 200)

    def unextend(self, call: MailboxCall) -> Answer:
        """Take an open extension away."""
        item, name = self._current(call), _extension_name(call.target.part)
        _extension(call, item, name)
        left = tuple(one for one in item.open_extensions if one[0] != name)
        self._mailboxes.alter(call.box, item.id, {"open_extensions": left})
        return Answer(204)


# What a listing holds


def _found(call: MailboxCall) -> list[CalendarItem]:
    """All items of the listing, in the order asked for."""
    options, route = call.options, call.target.route
    if route in ("GET events", "GET events/$count"):
        found = call.calendar.items()
    else:
        start_ms, end_ms = window(options)
        if route == "GET instances":
            found = call.calendar.instances(call.target.event_id, start_ms, end_ms)
        else:
            found = call.calendar.view(start_ms, end_ms)
    if options.filter:
        keep = parse_filter(options.filter, _FILTERABLE)
        found = [item for item in found if keep(_filtered(item, immutable=call.preferences.immutable))]
    for field, descends in reversed(options.orderby):
        order = _ORDERS.get(field.lower())
        if order is None:
            raise InvalidRequest(f"The expression '{field}' cannot be used to order.", "BadRequest")
        found.sort(key=order, reverse=descends)
    return found


def _filtered(item: CalendarItem, *, immutable: bool) -> Json:
    """What `$filter` sees: times in UTC, extended properties, and open extensions by either name."""
    extensions = _extensions_of(item)
    extensions += [{**one, "id": one["extensionName"]} for one in extensions]
    return {
        **render(item, "UTC", immutable=immutable),
        "singleValueExtendedProperties": _extended(item),
        "extensions": extensions,
        "Extensions": extensions,
    }


def window(options: Options) -> tuple[Instant, Instant]:
    """The time window of a calendarView. Raises `InvalidRequest`."""
    if options.start is None or options.end is None:
        raise InvalidRequest(
            "This request requires a time window specified by the query string parameters "
            "StartDateTime and EndDateTime.",
            "ErrorInvalidParameter",
        )
    return _window(options.start, options.end)


@lru_cache(maxsize=4_096)
def _window(start: str, end: str) -> tuple[Instant, Instant]:
    start_ms = window_instant(start, "startDateTime")
    end_ms = window_instant(end, "endDateTime")
    if not start_ms <= end_ms <= start_ms + MAX_WINDOW_MS:
        raise InvalidRequest("The time window is not valid: it ends before it starts, or is too long.")
    return start_ms, end_ms


def _check_options(options: Options) -> None:
    check_select(options, SELECTABLE, "event")
    if options.search:
        raise InvalidRequest("The query option '$search' is not supported here.", "ErrorInvalidUrlQuery")
    for expansion in options.expand:
        if expansion.name not in _EXPANDABLE:
            raise InvalidRequest(
                f"Could not find a property named '{expansion.name}' on type 'microsoft.graph.event'.",
                "RequestBroker--ParseUri",
            )


def _context(call: MailboxCall) -> str:
    target = call.target
    where = {
        "GET calendarView": "calendarView",
        "GET instances": f"events('{target.event_id}')/instances",
    }.get(target.route, "events")
    fields = "" if call.options.select is None else f"({','.join(call.options.select)})"
    return call.context(f"users('{target.user}')/{where}{fields}")


# What belongs to an event


def _related(call: MailboxCall, item: CalendarItem, expansion: Expansion) -> Any:
    preferences = call.preferences

    def shown(one: CalendarItem) -> Json:
        full = render(one, preferences.zone_name, immutable=preferences.immutable)
        return select(full, expansion.select or None)

    match expansion.name:
        case "singleValueExtendedProperties":
            return _extended(item)
        case "extensions":
            return _extensions_of(item)
        case "exceptionOccurrences":
            return [shown(one) for one in occurrences_apart(item)]
        case "instances":
            return [shown(one) for one in call.calendar.instances(item.id, *window(call.options))]
        case "calendar":
            return calendar_json(call.box)
        case _:
            return []


def calendar_json(box: Mailbox) -> Json:
    """The mailbox's calendar as a resource."""
    return {
        "id": box.calendar_id,
        "name": "Calendar",
        "color": "auto",
        "hexColor": "",
        "isDefaultCalendar": True,
        "changeKey": box.calendar_id[-24:],
        "canShare": True,
        "canViewPrivateItems": True,
        "canEdit": True,
        "allowedOnlineMeetingProviders": [] if box.is_room else ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "unknown" if box.is_room else "teamsForBusiness",
        "isTallyingResponses": True,
        "isRemovable": False,
        "owner": {"name": box.person.name, "address": box.address},
    }


def _extended(item: CalendarItem) -> list[Json]:
    return [{"id": name, "value": value} for name, value in item.extended]


def _extensions_of(item: CalendarItem) -> list[Json]:
    return [
        {
            "@odata.type": f"#{_EXTENSION_TYPE}",
            "id": f"{_EXTENSION_ID}{name}",
            "extensionName": name,
            **content,
        }
        for name, content in item.open_extensions
    ]


def _extension_name(part: str) -> str:
    return part.removeprefix(_EXTENSION_ID)


def _extension(call: MailboxCall, item: CalendarItem, name: str) -> Json:
    for one in _extensions_of(item):
        if one["extensionName"] == name:
            where = f"users('{call.target.user}')/events('{call.target.event_id}')/extensions/$entity"
            return {"@odata.context": call.context(where), **one}
    raise NotFound("ErrorItemNotFound", "The specified object was not found in the store.")


def _text(body: Json, name: str) -> str | None:
    value = body.get(name, body.get(name[0].upper() + name[1:]))
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"Cannot convert the value of parameter '{name}'.", "RequestBodyRead")
    return value


def _person(value: Any, name: Callable[[str], str]) -> Person:
    mail = value.get("emailAddress") if isinstance(value, Mapping) else None
    address = mail.get("address") if isinstance(mail, Mapping) else None
    if not isinstance(address, str) or not isinstance(mail, Mapping):
        raise InvalidRequest("A recipient has no address.", "ErrorInvalidRecipients")
    return Person(str(mail.get("name") or name(address)), address)
