"""The rooms' mailboxes as an observer sees them: bookings, and each change with the hand behind it."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from gateway.core.booking import Booking, Response, ShowAs, booking_key
from gateway.core.units import DAY_MS, HOUR_MS, Instant
from simulators.exchange import CalendarItem, ExchangeSimulator
from simulators.exchange.errors import ExchangeError
from simulators.exchange.times import local_date, to_instant, to_utc
from simulators.observed import Deed, Effect, Hand

LOOK_BACK_MS: Final = 12 * HOUR_MS
_RESPONSES: Final[Mapping[str, Response]] = {
    "tentativelyAccepted": "tentative",
    "accepted": "accepted",
    "declined": "declined",
    "organizer": "organizer",
}
_SHOWN: Final[Mapping[str, ShowAs]] = {
    "free": "free",
    "tentative": "tentative",
    "busy": "busy",
    "oof": "oof",
    "workingElsewhere": "elsewhere",
}


def booking_of(item: CalendarItem, zone: ZoneInfo) -> Booking:
    """One occurrence as the gateway should see it; worked out from the item and not from any answer."""
    original = None if item.type == "singleInstance" else item.original_start_ms
    start, end = item.start_ms, item.end_ms
    if item.all_day:
        start, end = _local_midnight(start, zone), _local_midnight(max(end, start + DAY_MS), zone)
    return Booking(
        key=booking_key(item.ical_uid, original),
        event_id=item.id,
        start=start,
        end=end,
        original_start=original,
        series_id=item.series_id or "",
        all_day=item.all_day,
        cancelled=item.cancelled,
        show_as=_SHOWN.get(item.show_as, "unknown"),
        response=_RESPONSES.get(item.response, "none"),
        room_organises=item.is_organizer,
        has_attendees=bool(item.attendees),
        change_key=item.change_key,
    )


def _local_midnight(instant: Instant, zone: ZoneInfo) -> Instant:
    return _midnight_of(local_date(instant, "UTC"), zone)


def _midnight_of(day: date, zone: ZoneInfo) -> Instant:
    return to_instant(datetime.combine(day, time(), tzinfo=zone))


class Calendars:
    """Looks at the rooms' mailboxes whenever somebody has had a hand in them."""

    def __init__(
        self, exchange: ExchangeSimulator, rooms: Mapping[str, str], zone: ZoneInfo, effects: list[Effect]
    ) -> None:
        """`rooms`: addresses by room. Effects are appended to `effects`."""
        self._exchange = exchange
        self._mailboxes = {room: exchange.mailboxes.mailbox(address) for room, address in rooms.items()}
        self._zone = zone
        self._effects = effects
        self._seen: dict[str, tuple[int, dict[str, CalendarItem]]] = {}
        self._window: tuple[Instant, Instant] = (0, 0)
        self._shown: dict[str, tuple[int, Instant, tuple[Booking, ...]]] = {}

    def watch(self, start: Instant, end: Instant) -> None:
        """From now on changes between these instants count."""
        self._window = (start, end)
        for room, box in self._mailboxes.items():
            self._seen[room] = (box.revision, self._items(room))

    def note(
        self, by: Hand, removal: Deed = "deleted", also: Mapping[str, Deed] | None = None
    ) -> list[Effect]:
        """Something was done: what has changed in any room, as effects of this hand.

        `removal`: what a disappearance was (a decline, say); `also`: by room, the same.
        """
        found: list[Effect] = []
        for room, box in self._mailboxes.items():
            revision, before = self._seen[room]
            if box.revision == revision:
                continue
            after = self._items(room)
            self._seen[room] = (box.revision, after)
            gone = (also or {}).get(room, removal)
            found += _effects(self._exchange.now(), room, before, after, by, gone)
        self._effects += found
        return found

    def items(self, room: str) -> Mapping[str, CalendarItem]:
        """What lies in the room's calendar between the watched instants, by booking key."""
        return self._seen[room][1]

    def stands_as(self, room: str, event_id: str, told: bytes) -> bool:
        """Whether an answer with one item, which may be an old one, tells it as it is now."""
        try:
            item = self._mailboxes[room].calendar.find(event_id)
        except ExchangeError:
            return False
        return item.change_key.encode() in told

    def bookings(self, room: str, now: Instant) -> tuple[Booking, ...]:
        """Today and tomorrow as the gateway should know them, by key; one booking each."""
        box = self._mailboxes[room]
        day = now // DAY_MS
        kept = self._shown.get(room)
        if kept is not None and kept[:2] == (box.revision, day):
            return kept[2]
        start, end = window(now, self._zone)
        best: dict[str, Booking] = {}
        for item in box.calendar.view(start, end):
            booking = booking_of(item, self._zone)
            held = best.get(booking.key)
            if held is None or _rank(booking) > _rank(held):
                best[booking.key] = booking
        shown = tuple(best[key] for key in sorted(best))
        self._shown[room] = (box.revision, day, shown)
        return shown

    def _items(self, room: str) -> dict[str, CalendarItem]:
        found: dict[str, CalendarItem] = {}
        for item in self._mailboxes[room].calendar.view(*self._window):
            original = None if item.type == "singleInstance" else item.original_start_ms
            key = booking_key(item.ical_uid, original)
            if key not in found or item.blocks:
                found[key] = item
        return found


def window(now: Instant, zone: ZoneInfo) -> tuple[Instant, Instant]:
    """Today and tomorrow in the rooms' zone, and at least the last twelve hours."""
    today = to_utc(now).astimezone(zone).date()
    midnight = _midnight_of(today, zone)
    return min(midnight, now - LOOK_BACK_MS), _midnight_of(today + timedelta(days=2), zone)


def _rank(booking: Booking) -> tuple[bool, bool, str]:
    return booking.is_decided_on, not booking.cancelled, booking.event_id


def _effects(
    at: Instant,
    room: str,
    before: Mapping[str, CalendarItem],
    after: Mapping[str, CalendarItem],
    by: Hand,
    removal: Deed,
) -> Iterable[Effect]:
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        for deed in _deeds(old, new, removal):
            yield Effect(at, room, key, deed, by)


def _deeds(old: CalendarItem | None, new: CalendarItem | None, removal: Deed) -> Iterable[Deed]:
    if new is None:
        yield removal
    elif old is None:
        yield "created"
    else:
        if new.cancelled and not old.cancelled:
            yield "cancelled"
        elif old.blocks and not new.blocks:
            yield removal
        if new.categories != old.categories:
            yield "marked"
        if new.end_ms < old.end_ms:
            yield "shortened"
        elif new.end_ms > old.end_ms:
            yield "extended"
