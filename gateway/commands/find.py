"""Which booking is meant, when it is, and which bookings a day has: from the ledger's several hints.

The ledger keeps bookings while they matter to the core; of those that are over it keeps decisions and
writes. Their times are taken from whatever knows them best, see `spans`.
"""

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Final

from gateway.commands.base import NotFound, Office
from gateway.core.decisions import Decision
from gateway.core.life import Life
from gateway.core.site import Site
from gateway.core.units import DAY_MS, Instant
from gateway.ledger import LedgerReader, OutboxRow
from gateway.reports import as_known, says_kept
from gateway.runtime.picture import current_and_next, outlook_of
from gateway.shown.day import Entry
from gateway.shown.outcome import outcome_sentence
from gateway.shown.paint import ELLIPSIS, Times, short_keys
from gateway.shown.timeline import Story

RECENT_MS: Final = 31 * DAY_MS
"""Part of a key is looked for among the bookings of this time first, then in all the ledger has."""

CANDIDATES_SHOWN: Final = 5
HOUR_AND_MINUTE: Final = "%H:%M"

Key = tuple[str, str]
"""Room and booking key: the same meeting may be booked in several rooms."""

Span = tuple[Instant, Instant]


# -- which booking ------------------------------------------------------------------------------------


def find_booking(times: Times, reader: LedgerReader, site: Site, wanted: str, room: str) -> Key:
    """The one booking whose key is, begins with, or has `wanted` in it. Raises NotFound."""
    wanted = wanted.strip().strip(ELLIPSIS)
    newest = reader.newest_instant() or 0
    for since in (newest - RECENT_MS, 0):
        keys = {key for key in _known(reader, site, since) if not room or key[0] == room}
        found = _matching(keys, wanted)
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(_ambiguous(times, reader, site, wanted, found))
    where = f" in {room}" if room else ""
    raise NotFound(
        f"no booking{where} has {wanted!r} in its key; `occupancy-gateway bookings` lists those of a day."
    )


def _known(reader: LedgerReader, site: Site, since: Instant) -> Iterable[Key]:
    for room in site.rooms.values():
        yield from ((room.state.config.id, key) for key in room.state.lives)
    for kind in ("opened", "concluded"):
        yield from ((d.room, d.booking) for d in reader.decisions(kind=kind, since=since))


def _matching(keys: Iterable[Key], wanted: str) -> list[Key]:
    """The closest kind of match that there is: the key itself, its beginning, any part of it."""
    all_keys = sorted(keys)
    for fits in (str.__eq__, str.startswith, str.__contains__):
        found = [key for key in all_keys if wanted and fits(key[1], wanted)]
        if found:
            return found
    return []


def _ambiguous(times: Times, reader: LedgerReader, site: Site, wanted: str, found: Sequence[Key]) -> str:
    shown = []
    short = short_keys(key for _, key in found)
    for room, key in found[:CANDIDATES_SHOWN]:
        decisions = reader.decisions(room=room, booking=key)
        span = spans(site, decisions, reader.outbox(room=room, booking=key)).get((room, key))
        shown.append(f"{short[key]} in {room}" + (f" ({times.span(*span)})" if span else ""))
    more = len(found) - len(shown)
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"{wanted!r} fits {len(found)} bookings: {', '.join(shown)}{rest}. Give more of the key, or --room."
    )


def current_or_last(reader: LedgerReader, site: Site, room: str) -> Key:
    """The room's booking that runs, or the last one that ended, or the next. Raises NotFound."""
    current, coming = _of_now(site, room)
    if current is not None:
        return room, current.booking.key
    last = reader.decisions(room=room, kind="concluded", limit=1)
    if last:
        return room, last[0].booking
    if coming is not None:
        return room, coming.booking.key
    known = site.rooms.get(room)
    name = known.state.config.name if known is not None else ""
    raise NotFound(f"the ledger knows of no booking in {name or room} yet.")


def _of_now(site: Site, room: str) -> tuple[Life | None, Life | None]:
    known = site.rooms.get(room)
    return (None, None) if known is None else current_and_next(known, site.state.now)


def key_for_command(office: Office, room: str, wanted: str) -> str:
    """A booking's whole key from part of it, for a command to a running gateway. Raises NotFound."""
    if not wanted:
        return ""
    with office.ledger() as reader:
        return find_booking(office.times, reader, reader.site(), wanted, room)[1]


# -- when it is ---------------------------------------------------------------------------------------


def spans(site: Site, decisions: Iterable[Decision], rows: Iterable[OutboxRow]) -> dict[Key, Span]:
    """Start and end of each booking, as well as the ledger knows them.

    Best: the calendar's last read. Then a write, which names the times that were decided on. Else
    they follow from when it became due and from when it ended: neither lies before the true start.
    """
    found: dict[Key, Span] = dict(_worked_out(decisions))
    for row in rows:
        found[row.room, row.booking] = (row.write.start, row.write.end)
    for room in site.rooms.values():
        for booking in room.state.calendar.values():
            found[room.state.config.id, booking.key] = (booking.start, booking.end)
        for life in room.state.lives.values():
            found[room.state.config.id, life.booking.key] = (life.booking.start, life.booking.end)
    return found


def _worked_out(decisions: Iterable[Decision]) -> Iterable[tuple[Key, Span]]:
    starts: dict[Key, list[Instant]] = {}
    for decision in decisions:
        key = (decision.room, decision.booking)
        if decision.kind == "opened":
            due = [r.until - r.value for r in decision.reasons if r.until is not None and r.value is not None]
            starts[key] = due
        elif decision.kind == "concluded" and decision.tally is not None:
            tally = decision.tally
            ran_out = tally.outcome not in ("cancelled", "ended_early")
            possible = [*starts.get(key, []), *([decision.at - tally.booked_ms] if ran_out else [])]
            if possible:
                yield key, (min(possible), min(possible) + tally.booked_ms)


# -- what is known of them ----------------------------------------------------------------------------


def known_decisions(reader: LedgerReader, recorded: Sequence[Decision]) -> list[Decision]:
    """What was recorded, with what the outbox knows of bookings that ended with their release unclear."""
    rooms = sorted({decision.room for decision in recorded if says_kept(decision)})
    return as_known(recorded, [row for room in rooms for row in reader.outbox(room=room)])


# -- a day and a story --------------------------------------------------------------------------------


def day_entries(
    office: Office, reader: LedgerReader, site: Site, rooms: Sequence[str], since: Instant, until: Instant
) -> dict[str, list[Entry]]:
    """The bookings of each room that overlap the time between, by start."""
    recorded = [d for d in reader.decisions(since=since - DAY_MS, until=until + DAY_MS) if d.booking]
    rows = reader.outbox()
    decisions = as_known(recorded, rows)
    known = spans(site, decisions, rows)
    concluded = {(d.room, d.booking): d for d in decisions if d.kind == "concluded"}
    found: dict[str, list[tuple[Instant, Entry]]] = {room: [] for room in rooms}
    for key, decision in concluded.items():
        span = known.get(key)
        told_by_end = span is None and since <= decision.at < until
        if key[0] in found and (told_by_end or (span and _overlaps(span, since, until))):
            start, end = span or (None, None)
            entry = Entry(*key, start, end, "over", decision.live, decision.tally, "")
            found[key[0]].append((start or decision.at, entry))
    for room in rooms:
        found[room] += _living(site, room, since, until, office.zone)
    return {room: [entry for _, entry in sorted(own, key=_by_time)] for room, own in found.items()}


def _by_time(item: tuple[Instant, Entry]) -> tuple[Instant, str]:
    return item[0], item[1].booking


def _overlaps(span: Span, since: Instant, until: Instant) -> bool:
    return span[0] < until and span[1] > since


def _living(
    site: Site, name: str, since: Instant, until: Instant, zone: tzinfo
) -> Iterable[tuple[Instant, Entry]]:
    room = site.rooms.get(name)
    if room is None:
        return
    for key, life in room.state.lives.items():
        span = (life.booking.start, life.booking.end)
        if _overlaps(span, since, until):
            outlook, _ = outlook_of(room, life, site.state.now, zone, HOUR_AND_MINUTE)
            yield span[0], Entry(name, key, *span, life.state, life.live, None, outlook)


def story_of(office: Office, reader: LedgerReader, site: Site, key: Key) -> Story:
    """Everything that the ledger knows of one booking."""
    room, booking = key
    rows = reader.outbox(room=room, booking=booking)
    decisions = as_known(reader.decisions(room=room, booking=booking), rows)
    start, end = spans(site, decisions, rows).get(key, (None, None))
    known = site.rooms.get(room)
    life = known.state.lives.get(booking) if known else None
    last = decisions[-1] if decisions else None
    if known is not None and life is not None:
        outlook, _ = outlook_of(known, life, site.state.now, office.zone, HOUR_AND_MINUTE)
        times = office.times if start is None else office.times.on(start)
        closing = f"It is not over. At {times.clock(site.state.now)}: {outlook}."
        live = life.live if life.state != "upcoming" else known.state.mode == "live"
    else:
        live = last is not None and last.live
        closing = _closing(last)
    name = office.names.get(room, room)
    return Story(room, name, booking, start, end, live, decisions, rows, closing)


def _closing(last: Decision | None) -> str:
    if last is None or last.tally is None:
        return "The ledger does not tell what came of it."
    return outcome_sentence(last.tally, live=last.live)
