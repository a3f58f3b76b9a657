"""Which permission each route asks for (the tables on Graph's pages, application permissions).

The least privileged and those that hold it too. An Exchange role (RBAC for Applications) counts for the
mailboxes in its scope.
"""

from typing import Final

from simulators.exchange.errors import lacks_directory_permission, lacks_permission
from simulators.exchange.identity import Caller
from simulators.exchange.variants import Variants

_READ: Final = frozenset(
    {"Calendars.Read", "Calendars.ReadWrite", "Calendars.ReadBasic", "Calendars.ReadBasic.All"}
    | {"Calendars.Read.Shared", "Calendars.ReadWrite.Shared"}
)
_WRITE: Final = frozenset({"Calendars.ReadWrite", "Calendars.ReadWrite.Shared"})
_SETTINGS: Final = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})
_SETTINGS_WRITE: Final = frozenset({"MailboxSettings.ReadWrite"})
_PLACES: Final = frozenset({"Place.Read.All", "Place.ReadWrite.All"})
_PLACES_WRITE: Final = frozenset({"Place.ReadWrite.All"})
_USERS: Final = frozenset(
    {"User.Read.All", "User.ReadWrite.All", "User.ReadBasic.All", "Directory.Read.All", "User.Read"}
)
_DEVICES: Final = frozenset({"PlaceDevice.Read.All", "PlaceDevice.ReadWrite.All"})
_DEVICES_WRITE: Final = frozenset({"PlaceDevice.ReadWrite.All"})
_TELEMETRY: Final = frozenset({"PlaceDeviceTelemetry.ReadWrite.All", "PlaceDevice.ReadWrite.All"})
_IDS: Final = _READ | frozenset({"User.Read", "User.Read.All", "Mail.Read"})

_EXCEPTIONS: Final[dict[str, frozenset[str]]] = {
    "GET user": _USERS,
    "GET users": _USERS,
    "GET mailboxSettings": _SETTINGS,
    "GET mailboxSetting": _SETTINGS,
    "PATCH mailboxSettings": _SETTINGS_WRITE,
    "PATCH place": _PLACES_WRITE,
    "POST checkIns": _WRITE,
    "GET checkIn": _WRITE,
    "POST getSchedule": _READ,
    "POST findMeetingTimes": _READ,
    "POST translateExchangeIds": _IDS,
    "POST ingestTelemetry": _TELEMETRY,
    "GET sensorDevices": _DEVICES,
    "GET sensorDevice": _DEVICES,
    "POST sensorDevices": _DEVICES_WRITE,
    "PATCH sensorDevice": _DEVICES_WRITE,
    "DELETE sensorDevice": _DEVICES_WRITE,
    **dict.fromkeys(
        (
            "GET place",
            "GET rooms",
            "GET rooms/$count",
            "GET roomlists",
            "GET roomlists/$count",
            "GET roomlist rooms",
            "GET workspaces",
        ),
        _PLACES,
    ),
}
_DELEGATED_ONLY: Final = frozenset({"POST findMeetingTimes", "POST checkIns", "GET checkIn"})
_SUBSCRIPTIONS: Final = frozenset(
    {
        "GET subscriptions",
        "POST subscriptions",
        "GET subscription",
        "PATCH subscription",
        "DELETE subscription",
        "POST reauthorize",
    }
)
_DIRECTORY: Final = frozenset({"GET user", "GET users"})


def check_permission(caller: Caller, route: str, mailbox: str, variants: Variants) -> None:
    """Raise `AccessDenied` unless the caller may use the route, on this mailbox where one is meant."""
    if route in _SUBSCRIPTIONS:
        granted = bool(caller.application.exchange_roles) and variants.rbac_covers_subscriptions
        if not caller.may(_READ) and not granted:
            raise lacks_permission()
        return
    if route in _DELEGATED_ONLY and not caller.user:
        raise lacks_permission()
    needed = _EXCEPTIONS.get(route) or (_READ if route.startswith("GET ") else _WRITE)
    by_exchange = "" if route == "POST getSchedule" and not variants.rbac_covers_schedules else mailbox
    if route in _DIRECTORY:
        by_exchange = ""
    if not caller.may(needed, by_exchange):
        raise lacks_directory_permission() if route in _DIRECTORY else lacks_permission()
