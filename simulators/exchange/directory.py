"""Users, their calendars and the settings of their mailboxes."""

from typing import Any, Final

from simulators.exchange.calls import Call, MailboxCall, MailboxRoute, Route
from simulators.exchange.errors import InvalidRequest, NotFound
from simulators.exchange.events import calendar_json
from simulators.exchange.ids import changeable_id, immutable_id
from simulators.exchange.mailbox import Mailbox, WorkHours
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.odata import check_select, json_page, selected
from simulators.exchange.recurrence import WEEKDAYS
from simulators.exchange.render import Json
from simulators.exchange.times import zone
from simulators.exchange.wire import Answer

_USER: Final = (
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
)
_USER_NAMES: Final = frozenset({*_USER, "accountEnabled", "userType"})
_CALENDAR_NAMES: Final = frozenset(
    {
        "id",
        "name",
        "color",
        "hexColor",
        "isDefaultCalendar",
        "changeKey",
        "canShare",
        "canViewPrivateItems",
        "canEdit",
        "allowedOnlineMeetingProviders",
        "defaultOnlineMeetingProvider",
        "isTallyingResponses",
        "isRemovable",
        "owner",
    }
)
_MOST_IDS: Final = 1_000
_ID_TYPES: Final = frozenset({"restId", "restImmutableEntryId"})


class Directory:
    """The routes about users and their mailboxes as a whole."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    def routes(self) -> dict[str, Route]:
        """Those that are about no mailbox in particular."""
        return {"GET users": self.users}

    def mailbox_routes(self) -> dict[str, MailboxRoute]:
        """Those about one mailbox."""
        return {
            "GET user": self.user,
            "GET calendar": self.calendar,
            "GET calendars": self.calendars,
            "GET mailboxSettings": self.settings,
            "GET mailboxSetting": self.setting,
            "PATCH mailboxSettings": self.change_settings,
            "POST translateExchangeIds": self.translate,
        }

    def users(self, call: Call) -> Answer:
        """Everybody: rooms are users too."""
        found = [_user(box) for box in self._mailboxes.everybody()]
        context = call.context("users")
        page = json_page(call.request, found, context, _USER_NAMES, kind="user")
        if call.options.select is None:
            page["value"] = [{name: one[name] for name in _USER} for one in page["value"]]
        return call.answer(page)

    def user(self, call: MailboxCall) -> Answer:
        """One of them."""
        check_select(call.options, _USER_NAMES, "user")
        shown = _user(call.box)
        if call.options.select is None:
            shown = {name: shown[name] for name in _USER}
        context = {"@odata.context": call.context("users/$entity")}
        return call.answer({**context, **selected(shown, call.options)})

    def calendar(self, call: MailboxCall) -> Answer:
        """The mailbox's only calendar."""
        check_select(call.options, _CALENDAR_NAMES, "calendar")
        context = call.context(f"users('{call.target.user}')/calendars/$entity")
        return call.answer({"@odata.context": context, **selected(calendar_json(call.box), call.options)})

    def calendars(self, call: MailboxCall) -> Answer:
        """The list with that one."""
        context = call.context(f"users('{call.target.user}')/calendars")
        found = [calendar_json(call.box)]
        return call.answer(json_page(call.request, found, context, _CALENDAR_NAMES, kind="calendar"))

    def settings(self, call: MailboxCall) -> Answer:
        """All that is simulated of a mailbox's settings."""
        context = {"@odata.context": call.context(f"users('{call.box.id}')/mailboxSettings")}
        return call.answer({**context, **_settings(call.box)})

    def setting(self, call: MailboxCall) -> Answer:
        """One of them: as an object where it is one, else as `value`."""
        found = _settings(call.box)
        if call.target.part not in found:
            raise NotFound("BadRequest", f"Resource not found for the segment '{call.target.part}'.")
        context = call.context(f"users('{call.box.id}')/mailboxSettings/{call.target.part}")
        value = found[call.target.part]
        return call.answer(
            {"@odata.context": context, **(value if isinstance(value, dict) else {"value": value})}
        )

    def change_settings(self, call: MailboxCall) -> Answer:
        """Change time zone and working hours."""
        body = call.request.json()
        unknown = set(body) - {"timeZone", "workingHours", "@odata.context", "@odata.type"}
        if unknown:
            raise InvalidRequest(f"The property '{min(unknown)}' cannot be set here.", "RequestBodyRead")
        if "timeZone" in body:
            zone(str(body["timeZone"]))
        hours = call.box.work_hours
        if "workingHours" in body:
            hours = _work_hours(body["workingHours"])
        call.box.time_zone = str(body.get("timeZone", call.box.time_zone))
        call.box.work_hours = hours
        return self.settings(call)

    def translate(self, call: MailboxCall) -> Answer:
        """Changeable ids into immutable ones, and back (Graph's user-translateexchangeids page)."""
        body = call.request.json()
        given, wanted = body.get("inputIds"), body.get("targetIdType")
        if not isinstance(given, list) or any(
            one not in tuple(_ID_TYPES) for one in (wanted, body.get("sourceIdType"))
        ):
            raise InvalidRequest(
                "inputIds, sourceIdType or targetIdType is not valid.", "ErrorInvalidParameter"
            )
        if len(given) > _MOST_IDS:
            raise InvalidRequest(f"More than {_MOST_IDS} ids were given.", "ErrorInvalidParameter")
        translated = immutable_id if wanted == "restImmutableEntryId" else changeable_id
        value = [{"sourceId": one, "targetId": translated(immutable_id(str(one)))} for one in given]
        context = call.context("Collection(microsoft.graph.convertIdResult)")
        return call.answer({"@odata.context": context, "value": value})


def _user(box: Mailbox) -> Json:
    first, _, last = box.person.name.partition(" ")
    return {
        "businessPhones": [],
        "displayName": box.person.name,
        "givenName": None if box.is_room else first,
        "jobTitle": None,
        "mail": box.address,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": None,
        "surname": None if box.is_room or not last else last,
        "userPrincipalName": box.address,
        "id": box.id,
        "accountEnabled": not box.is_room,
        "userType": "Member",
    }


def working_hours(box: Mailbox) -> Json:
    """As in mailbox settings and schedules."""
    hours = box.work_hours
    start, end = (f"{at // 60:02d}:{at % 60:02d}:00.0000000" for at in (hours.start_min, hours.end_min))
    return {
        "daysOfWeek": list(hours.days),
        "startTime": start,
        "endTime": end,
        "timeZone": {"name": box.time_zone},
    }


def _settings(box: Mailbox) -> Json:
    return {
        "timeZone": box.time_zone,
        "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
        "dateFormat": "yyyy-MM-dd",
        "timeFormat": "HH:mm",
        "userPurpose": "room" if box.is_room else "user",
        "language": {"locale": "en-US", "displayName": "English (United States)"},
        "workingHours": working_hours(box),
    }


def _work_hours(value: Any) -> WorkHours:
    try:
        days = tuple(day for day in WEEKDAYS if day in {str(one).lower() for one in value["daysOfWeek"]})
        start, end = (_minute(str(value[name])) for name in ("startTime", "endTime"))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequest("The working hours are not valid.", "RequestBodyRead") from error
    return WorkHours(days, start, end)


def _minute(text: str) -> int:
    hour, minute = text.split(":")[:2]
    return int(hour) * 60 + int(minute)
