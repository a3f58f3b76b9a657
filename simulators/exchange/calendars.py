"""Reading one mailbox's calendar: the items as they stood at one moment, expanded on demand."""

from collections.abc import Mapping

from gateway.core.units import Instant
from simulators.exchange.errors import item_not_found
from simulators.exchange.ids import immutable_id, split_occurrence_id
from simulators.exchange.items import CalendarItem, instances, occurrence


class Calendar:
    """A view of items by id. It never changes them, so it may show the past as well as the present."""

    def __init__(self, items: Mapping[str, CalendarItem]) -> None:
        self._items = items

    def items(self) -> list[CalendarItem]:
        """What is stored: single instances and series masters, oldest first."""
        return sorted(self._items.values(), key=lambda item: (item.created_ms, item.start_ms, item.id))

    def view(self, start_ms: Instant, end_ms: Instant) -> list[CalendarItem]:
        """Everything that lies between two instants, series expanded, by start (Graph's calendarView)."""
        found: list[CalendarItem] = []
        for item in self._items.values():
            if item.recurrence is not None:
                if item.start_ms < end_ms or item.exceptions:
                    found += instances(item, start_ms, end_ms)
            elif item.start_ms < end_ms and item.end_ms > start_ms:
                found.append(item)
        found.sort(key=lambda item: (item.start_ms, item.end_ms, item.id))
        return found

    def find(self, event_id: str) -> CalendarItem:
        """The item with this id, in either form. Raises `NotFound` and `MalformedId`."""
        wanted = immutable_id(event_id)
        part = split_occurrence_id(wanted)
        item = self._items.get(part.series_id if part else wanted)
        if item is None:
            raise item_not_found()
        if part is None:
            return item
        if item.generations.get(part.day, 0) != part.generation:
            raise item_not_found()  # declined, and accepted again under another id
        return occurrence(item, part.day)

    def series_of(self, item: CalendarItem) -> CalendarItem | None:
        """The stored series master of an occurrence or exception; None for everything else."""
        return None if item.series_id is None else self._items.get(item.series_id)

    def instances(self, event_id: str, start_ms: Instant, end_ms: Instant) -> list[CalendarItem]:
        """The occurrences of a series between two instants, by start."""
        found = instances(self.find(event_id), start_ms, end_ms)
        return sorted(found, key=lambda item: (item.start_ms, item.id))
