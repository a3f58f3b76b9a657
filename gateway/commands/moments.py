"""Times as people type them: "2h", "yesterday", "09:30", "2026-09-22", "2026-09-22T09:30"."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Annotated, Final

import typer

from gateway.commands.base import ARGUMENTS, WrongUsage
from gateway.core.units import FOREVER, Instant
from gateway.durations import DurationError, parse_duration

EXPECTED: Final = (
    'expected a time such as "2h" or "7d" (ago), "today", "yesterday", "09:30", "2026-09-22" or '
    '"2026-09-22T09:30"'
)

EXPECTED_START: Final = (
    'expected "now", a time such as "14:00" (today) or "tomorrow 09:00", a date with its time such as '
    '"2026-09-22T09:30", or how long from now, such as "15m"'
)


class Spelled(str):
    """An option's value that knows which of the option's names it was given under."""

    __slots__ = ("option",)

    option: str


def _as_typed(context: typer.Context, parameter: typer.CallbackParam, value: str) -> Spelled:
    """The last mention counts, as it does for the value; one that was left out has its first name."""
    spelled = Spelled(value)
    spelled.option = parameter.opts[0]
    for argument, following in pairwise([*context.meta.get(ARGUMENTS, ()), ""]):
        name, equals, attached = argument.partition("=")
        if name in parameter.opts and (attached if equals else following) == value:
            spelled.option = name
    return spelled


SinceOption = Annotated[
    str,
    typer.Option(
        "--since",
        "--from",
        callback=_as_typed,
        metavar="TIME",
        help='From when on: "7d" (ago), "yesterday", "2026-09-22", "09:30".',
    ),
]
UntilOption = Annotated[
    str,
    typer.Option(
        "--until",
        "--to",
        callback=_as_typed,
        metavar="TIME",
        help="Until when, in the same forms; left out: up to the newest.",
    ),
]


def parse_period(since: str, until: str, now: Instant, zone: tzinfo) -> tuple[Instant, Instant]:
    """From when on, and until before when; 0 and `FOREVER` where nothing is said. Raises WrongUsage."""
    start = parse_moment(_option(since, "--since"), since, now, zone) if since else 0
    end = parse_moment(_option(until, "--until"), until, now, zone) if until else FOREVER
    if start >= end:
        raise WrongUsage(f"{period_as_typed(since, until)}: the period ends before it begins.")
    return start, end


def period_as_typed(since: str, until: str) -> str:
    """The period's options with their values, by the names that were typed: how an error begins."""
    given = [(_option(since, "--since"), since), (_option(until, "--until"), until)]
    return " ".join(f"{option} {value!r}" for option, value in given if value)


def _option(value: str, otherwise: str) -> str:
    return value.option if isinstance(value, Spelled) else otherwise


def parse_moment(option: str, given: str, now: Instant, zone: tzinfo) -> Instant:
    """The instant that `given` means, on the zone's clock. Raises WrongUsage naming the option."""
    today = _local(now, zone).date()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    if given == "now":
        return now
    if given in days:
        return midnight(days[given], zone)
    try:
        return max(0, now - parse_duration(given))
    except DurationError:
        pass  # then it is a point in time
    try:
        whole = f"{today}T{given}" if ":" in given and "-" not in given else given
        moment = datetime.fromisoformat(whole)
    except ValueError:
        raise WrongUsage(f"{option} {given!r}: {EXPECTED}") from None
    return _instant(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def parse_day(option: str, given: str, now: Instant, zone: tzinfo) -> date:
    """The day that `given` means: "today", "yesterday", "tomorrow" or "2026-09-22". Raises WrongUsage."""
    today = _local(now, zone).date()
    days = {
        "today": today,
        "yesterday": today - timedelta(days=1),
        "tomorrow": today + timedelta(days=1),
    }
    try:
        return days.get(given) or date.fromisoformat(given)
    except ValueError:
        expected = 'expected a day such as "today", "yesterday" or "2026-09-22"'
        raise WrongUsage(f"{option} {given!r}: {expected}") from None


def midnight(day: date, zone: tzinfo) -> Instant:
    """When the day begins on the zone's clock."""
    return _instant(datetime(day.year, day.month, day.day, tzinfo=zone))


def _instant(moment: datetime) -> Instant:
    return int(moment.astimezone(UTC).timestamp() * 1000)


def _local(instant: Instant, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(instant / 1000, UTC).astimezone(zone)


def parse_start(option: str, given: str, now: Instant, zone: tzinfo) -> Instant | None:
    """When something is to begin; None: now. Raises WrongUsage naming the option.

    "now", "15m" (from now on), "14:00" (today), "tomorrow 09:00", or a date with its time.
    """
    text = given.strip()
    if text == "now":
        return None
    try:
        return now + parse_duration(text.removeprefix("+"))
    except DurationError:
        pass  # then it is a point in time
    today = _local(now, zone).date()
    for word, day in (("today", today), ("tomorrow", today + timedelta(days=1)), ("", today)):
        if text.startswith(word) and "-" not in text:
            text = f"{day}T{text.removeprefix(word).strip()}"
    try:
        moment = datetime.fromisoformat(text) if ":" in text else None  # a day alone is no start
    except ValueError:
        moment = None
    if moment is None:
        raise WrongUsage(f"{option} {given!r}: {EXPECTED_START}")
    return _instant(moment if moment.tzinfo else moment.replace(tzinfo=zone))
