"""How single items of a mailbox change: what a change to a series, an occurrence or a time entails."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import msgspec

from gateway.core.units import Instant
from simulators.exchange.attendant import without_day
from simulators.exchange.errors import CrossesNeighbour, InvalidRequest, item_not_found
from simulators.exchange.ids import guid
from simulators.exchange.items import CalendarItem, first_day, occurrence
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.recurrence import dates_between, first_date
from simulators.exchange.times import same_wall_time

_NEIGHBOUR_DAYS: Final = 400
"""How far the neighbours of an occurrence are looked for."""


def new_join_url(uid: str) -> str:
    """The form of the real ones; it leads nowhere."""
    return f"https://teams.microsoft.com/l/meetup-join/19%3ameeting_{guid('thread', uid)}%40thread.v2/0"


def check_times(start_ms: Instant, end_ms: Instant) -> None:
    """Raise `InvalidRequest` for an event that ends before it starts."""
    if end_ms < start_ms:
        raise InvalidRequest(
            "The start time of the event must be before its end time.", "ErrorPropertyValidationFailure"
        )


def altered(item: CalendarItem, changes: Mapping[str, Any]) -> CalendarItem:
    """A stored item with changes. A series whose times change loses its exceptions, as in Outlook."""
    if changes.get("recurrence", item.recurrence) is None and item.recurrence is not None:
        raise InvalidRequest("The recurrence of a series cannot be removed.")
    altered = msgspec.structs.replace(item, **changes)
    if altered.recurrence is None:
        return altered
    if altered.recurrence != item.recurrence or altered.start_ms != item.start_ms:
        day = first_date(altered.recurrence, first_day(altered))
        start_ms = same_wall_time(altered.start_ms, day, altered.time_zone)
        return msgspec.structs.replace(
            altered,
            type="seriesMaster",
            start_ms=start_ms,
            end_ms=start_ms + altered.length_ms,
            exceptions={},
            removed=frozenset(),
        )
    return altered


def check_neighbours(series: CalendarItem, item: CalendarItem, changes: Mapping[str, Any]) -> None:
    """An occurrence stays between the one before and the one after it."""
    if item.day is None or series.recurrence is None:
        return
    start_ms = changes.get("start_ms", item.start_ms)
    end_ms = changes.get("end_ms", item.end_ms)
    if (start_ms, end_ms) == (item.start_ms, item.end_ms):
        return
    first = first_day(series)
    reach = item.day.toordinal()
    around = dates_between(
        series.recurrence,
        first,
        date.fromordinal(max(1, reach - _NEIGHBOUR_DAYS)),
        date.fromordinal(reach + _NEIGHBOUR_DAYS),
    )
    others = [day for day in around if day not in series.removed and day != item.day]
    before = [occurrence(series, day) for day in others if day < item.day][-1:]
    after = [occurrence(series, day) for day in others if day > item.day][:1]
    if any(start_ms < one.end_ms for one in before) or any(end_ms > one.start_ms for one in after):
        raise CrossesNeighbour


def put_difference(
    box: Mailbox, series: CalendarItem, item: CalendarItem, changes: Mapping[str, Any]
) -> None:
    """Make an occurrence an exception, or change the one that it is."""
    if item.day is None:
        raise AssertionError("an occurrence has a day")
    difference = {**series.exceptions.get(item.day, {}), **changes}
    box.put(msgspec.structs.replace(series, exceptions={**series.exceptions, item.day: difference}))


def take_out(box: Mailbox, item: CalendarItem) -> None:
    """Remove an item, or one occurrence of a series, from its mailbox."""
    series = box.calendar.series_of(item)
    if series is None:
        box.drop(item)
    elif item.day is None or item.day in series.removed:
        raise item_not_found()
    else:
        same_id = box.variants.reaccepted_id == "same"
        box.put(without_day(series, item.day, same_id=same_id))
