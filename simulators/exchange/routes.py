"""Which addresses there are, and what a request's path is about.

A path may name a calendar in four ways (`/users/x/events`, `/users/x/calendar/events`,
`/users/x/calendars/y/events`, and the same under a calendar group); they mean one route. Keys may
stand in parentheses (`/users('x')/events('y')`), actions and functions under their full names.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from simulators.exchange.wire import Request

RESPONSES: Final = ("accept", "tentativelyAccept", "decline")
UNKNOWN: Final = "unknown"
WRONG_METHOD: Final = "wrong method"

_VERSIONS: Final = frozenset({"v1.0", "beta"})
_NAMESPACE: Final = re.compile(r"^(microsoft\.)?graph\.")
_KEYED: Final = re.compile(r"([A-Za-z.]+)\('((?:[^']|'')*)'\)")


class Target(NamedTuple):
    """What a path means: the name of the route, and the parts that it is about."""

    route: str
    user: str = ""
    event_id: str = ""
    """The key of the thing that is meant: an event, a place, a subscription, a device."""
    calendar_id: str = ""
    part: str = ""
    """A key or name within that thing: of an extension, of a property."""


# What lies below a user, as (shape, method, route). `*` is the key, `+` the key or name within it.
_BELOW_USER: Final = (
    ("", "GET", "GET user"),
    ("calendarView", "GET", "GET calendarView"),
    ("calendarView/$count", "GET", "GET calendarView/$count"),
    ("calendarView/delta", "GET", "GET calendarView/delta"),
    ("events", "GET", "GET events"),
    ("events", "POST", "POST events"),
    ("events/$count", "GET", "GET events/$count"),
    ("events/*", "GET", "GET event"),
    ("events/*", "PATCH", "PATCH event"),
    ("events/*", "DELETE", "DELETE event"),
    ("events/*/instances", "GET", "GET instances"),
    ("events/*/attachments", "GET", "GET attachments"),
    ("events/*/calendar", "GET", "GET calendar"),
    ("events/*/extensions", "GET", "GET extensions"),
    ("events/*/extensions", "POST", "POST extensions"),
    ("events/*/extensions/+", "GET", "GET extension"),
    ("events/*/extensions/+", "PATCH", "PATCH extension"),
    ("events/*/extensions/+", "DELETE", "DELETE extension"),
    ("events/*/cancel", "POST", "POST cancel"),
    ("events/*/forward", "POST", "POST forward"),
    ("events/*/snoozeReminder", "POST", "POST snoozeReminder"),
    ("events/*/dismissReminder", "POST", "POST dismissReminder"),
    ("events/*/permanentDelete", "POST", "POST permanentDelete"),
    *((f"events/*/{action}", "POST", f"POST {action}") for action in RESPONSES),
    ("calendar", "GET", "GET calendar"),
    ("calendars", "GET", "GET calendars"),
    ("getSchedule", "POST", "POST getSchedule"),
    ("findMeetingTimes", "POST", "POST findMeetingTimes"),
    ("mailboxSettings", "GET", "GET mailboxSettings"),
    ("mailboxSettings", "PATCH", "PATCH mailboxSettings"),
    ("mailboxSettings/+", "GET", "GET mailboxSetting"),
    ("translateExchangeIds", "POST", "POST translateExchangeIds"),
)
_ELSEWHERE: Final = (
    ("users", "GET", "GET users"),
    ("places/room", "GET", "GET rooms"),
    ("places/room/$count", "GET", "GET rooms/$count"),
    ("places/roomlist", "GET", "GET roomlists"),
    ("places/roomlist/$count", "GET", "GET roomlists/$count"),
    ("places/workspace", "GET", "GET workspaces"),
    ("places/*", "GET", "GET place"),
    ("places/*", "PATCH", "PATCH place"),
    ("places/*/room", "GET", "GET place"),
    ("places/*/roomlist", "GET", "GET place"),
    ("places/*/roomlist/rooms", "GET", "GET roomlist rooms"),
    ("places/*/checkIns", "POST", "POST checkIns"),
    ("places/*/checkIns/+", "GET", "GET checkIn"),
    ("subscriptions", "GET", "GET subscriptions"),
    ("subscriptions", "POST", "POST subscriptions"),
    ("subscriptions/*", "GET", "GET subscription"),
    ("subscriptions/*", "PATCH", "PATCH subscription"),
    ("subscriptions/*", "DELETE", "DELETE subscription"),
    ("subscriptions/*/reauthorize", "POST", "POST reauthorize"),
)
_BETA_ONLY: Final = (
    ("events/delta", "GET", "GET events/delta"),
    ("workplace/sensorDevices", "GET", "GET sensorDevices"),
    ("workplace/sensorDevices", "POST", "POST sensorDevices"),
    ("workplace/sensorDevices/ingestTelemetry", "POST", "POST ingestTelemetry"),
    ("workplace/sensorDevices/*", "GET", "GET sensorDevice"),
    ("workplace/sensorDevices/*", "PATCH", "PATCH sensorDevice"),
    ("workplace/sensorDevices/*", "DELETE", "DELETE sensorDevice"),
)


class _Shape(NamedTuple):
    pattern: tuple[str, ...]
    methods: Mapping[str, str]


def _shapes(*tables: tuple[tuple[str, str, str], ...]) -> tuple[_Shape, ...]:
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for table in tables:
        for shape, method, route in table:
            pattern = tuple(part.lower() for part in shape.split("/")) if shape else ()
            found.setdefault(pattern, {})[method] = route
    # Names come before keys: `places/room` is a kind of place, not a place of that name.
    ordered = sorted(found.items(), key=lambda one: [part in ("*", "+") for part in one[0]])
    return tuple(_Shape(pattern, methods) for pattern, methods in ordered)


_SHAPES: Final = {
    ("v1.0", True): _shapes(_BELOW_USER),
    ("v1.0", False): _shapes(_ELSEWHERE),
    ("beta", True): _shapes(_BELOW_USER, _BETA_ONLY[:1]),
    ("beta", False): _shapes(_ELSEWHERE, _BETA_ONLY[1:]),
}


def target_of(request: Request) -> Target:
    """What the request is for, by method and path alone; the route is "unknown" for all else."""
    return _target(request.method, request.path)


@lru_cache(maxsize=8_192)
def _target(method: str, path: str) -> Target:
    version, *parts = _parts(path)
    if version not in _VERSIONS or not parts:
        return Target(UNKNOWN)
    user, calendar_id, below = "", "", False
    first = parts[0].lower()
    if (first == "users" and len(parts) > 1) or first == "me":
        below = True
        user, parts = ("me", parts[1:]) if first == "me" else (parts[1], parts[2:])
        calendar_id, parts = _calendar(parts)
    for shape in _SHAPES[version, below]:
        keys = _fits(shape.pattern, parts)
        if keys is not None:
            route = shape.methods.get(method, WRONG_METHOD)
            return Target(route, user, keys.get("*", ""), calendar_id, keys.get("+", ""))
    return Target(UNKNOWN, user)


def _parts(path: str) -> list[str]:
    """The path's segments, with keys on their own and names without their namespace."""
    parts: list[str] = []
    for text in path.strip("/").split("/"):
        keyed = _KEYED.fullmatch(text)
        if keyed:
            parts += [keyed[1], keyed[2].replace("''", "'")]
        else:
            parts.append(_NAMESPACE.sub("", text).removesuffix("()"))
    return parts


def _calendar(parts: list[str]) -> tuple[str, list[str]]:
    """The calendar's id, where one is named, and the rest."""
    names = [part.lower() for part in parts]
    if names[:1] == ["calendargroups"] and names[2:3] == ["calendars"]:
        parts, names = parts[2:], names[2:]
    if names[:1] == ["calendars"] and len(parts) > 1:
        return parts[1], parts[2:] or ["calendar"]
    if names[:1] == ["calendar"] and len(parts) > 1:
        return "", parts[1:]
    return "", parts


def _fits(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    keys: dict[str, str] = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted in ("*", "+"):
            keys[wanted] = part
        elif wanted != part.lower():
            return None
    return keys
