"""What is wrong, in sentences: findings and the parts' states become troubles for `gateway.alerts`.

Pure functions. A sentence says what, where and how to mend it. It names rooms and times, never a person, a
subject, or what Exchange said word for word.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from hashlib import blake2b
from typing import Final

from gateway.alerts import Kind, Trouble
from gateway.core.room import SeriesCount
from gateway.core.units import MINUTE_MS, Duration, Instant
from gateway.exchange.errors import ExchangeError
from gateway.exchange.quiet import AttendantFacts, Drift, Lost, Overlap, SeriesGaps
from gateway.runtime.picture import clock_in

SITE: Final = "site"
"""The subject of what concerns all rooms."""

DATES_SHOWN: Final = 3
ROOMS_SHOWN: Final = 2


def words_of(error: ExchangeError) -> str:
    """An error without what is another each time (the request's id), so that the sentence stays the same."""
    facts = " ".join(fact for fact in (f"HTTP {error.status}" if error.status else "", error.code) if fact)
    return f"{error.why} ({facts})" if facts else error.why


# -- the gateway itself -------------------------------------------------------------------------------


def of_gateway(
    *,
    not_recording: bool,
    writing_halted: str,
    breaker: str,
    clock: str,
    link_down: bool,
    requests_spent: int,
) -> list[Trouble]:
    """Each text says why; empty: all is well. `requests_spent`: the day's limit where it is reached, or 0.

    What an exception or a broker said is not repeated: `status` and the log have it.
    """
    sentences: dict[Kind, tuple[object, str]] = {
        "not_recording": (
            not_recording,
            (
                "Nothing is recorded, so nothing is released: the ledger cannot be written, or the core has "
                "failed. `status` says which."
            ),
        ),
        "writing_halted": (
            writing_halted,
            f"Nothing is written to Exchange: {writing_halted}. Then say `resume-writing`.",
        ),
        "breaker_open": (
            breaker,
            f"Nothing is released: {breaker}. Look at the sensors, then say `close-breaker`.",
        ),
        "clock_untrusted": (clock, f"Nothing is released: {clock}."),
        "link_down": (
            link_down,
            (
                "The broker cannot be heard, so no room is known to be empty: look at the broker, the "
                "network and the gateway's credentials (`status` says more)."
            ),
        ),
        "requests_spent": (
            requests_spent,
            (
                f"Today's {requests_spent} requests to Exchange are used up, so calendars are read often "
                "only near bookings: raise requests_per_room under [exchange], or find out who asks so much."
            ),
        ),
    }
    return [Trouble(kind, SITE, sentence) for kind, (holds, sentence) in sentences.items() if holds]


# -- calendars ----------------------------------------------------------------------------------------


def of_calendars(
    errors: Mapping[str, ExchangeError], drift: Mapping[Drift, Lost], names: Mapping[str, str]
) -> list[Trouble]:
    """Rooms that cannot be read: as drifted what was possible before, the others by their error."""
    found: list[Trouble] = []
    told: set[str] = set()
    for kind, lost in drift.items():
        told.update(lost.rooms)
        found += [_drifted(kind, room, lost, errors[room], names) for room in lost.rooms]
    for room, error in sorted(errors.items()):
        if room not in told:
            why = words_of(error)
            sentence = f"The calendar of {names[room]} cannot be read: {why}."
            found.append(
                Trouble("calendar_unreadable", room, sentence, place=names[room], why=why, room=room)
            )
    return found


def _drifted(kind: Drift, room: str, lost: Lost, error: ExchangeError, names: Mapping[str, str]) -> Trouble:
    name, answer = names[room], f"HTTP {error.status} {error.code}".rstrip()
    if kind == "permission_lost":
        cause = (
            "it concerns all rooms, so look at the application's role or consent"
            if lost.is_all
            else "other rooms can be read, so look at the scope of the application's role in Exchange "
            "(Test-ServicePrincipalAuthorization), and whether the room has left its group"
        )
        sentence = (
            f"The calendar of {name} could be read before and may not be read any more ({answer}): {cause}."
        )
        return Trouble("permission_lost", room, sentence, place=name, why=cause, room=room)
    sentence = (
        f"The mailbox of {name} was there before and is not in Exchange Online any more ({answer}): ask IT "
        "whether it was moved, renamed or deleted, and mend `mailbox` of this room."
    )
    return Trouble("mailbox_moved", room, sentence, place=name, room=room)


def of_delays(ages: Mapping[str, tuple[Duration, Duration]], names: Mapping[str, str]) -> list[Trouble]:
    """`ages`: by room, how old its calendar is and how old it may become, in ms."""
    return [
        Trouble(
            "calendar_delayed",
            room,
            f"The calendar of {names[room]} should be read each {_minutes(allowed)} and has not been for "
            "long: look at the network, and whether Exchange throttles (`status`).",
            place=names[room],
            room=room,
        )
        for room, (_, allowed) in sorted(ages.items())
    ]


def _minutes(duration: Duration) -> str:
    minutes = -(-duration // MINUTE_MS)
    return "minute" if minutes == 1 else f"{minutes} minutes"


def of_unread_horizons(failed: Mapping[str, ExchangeError], names: Mapping[str, str]) -> list[Trouble]:
    """Rooms whose months to come cannot be read, while today and tomorrow can."""
    return [
        Trouble(
            "horizon_unreadable",
            room,
            f"The months to come of {names[room]} cannot be read, so lost dates of series stay unnoticed "
            f"there: {words_of(error)}.",
            place=names[room],
            why=words_of(error),
            room=room,
        )
        for room, error in sorted(failed.items())
    ]


# -- rooms --------------------------------------------------------------------------------------------


def of_overlaps(
    found: Mapping[str, Sequence[Overlap]],
    known: Mapping[str, AttendantFacts],
    names: Mapping[str, str],
    zones: Mapping[str, tzinfo],
) -> list[Trouble]:
    """Rooms with bookings that overlap."""
    troubles = []
    for room, pairs in sorted(found.items()):
        if not pairs:
            continue
        # Of three at the same time there are three pairs.
        spans = _listed(list(dict.fromkeys(_span(one.start, one.end, zones[room]) for one in pairs)), "times")
        allowed = room in known and known[room].conflicts
        why = (
            "AllowConflicts is on there"
            if allowed
            else "somebody entered one by hand, or AllowConflicts was on"
        )
        sentence = (
            f"{names[room]} has two bookings at the same time: {spans}. One of them has to move ({why}; "
            "Set-CalendarProcessing -AllowConflicts $false)."
        )
        troubles.append(Trouble("overlapping_bookings", room, sentence, place=names[room], room=room))
    return troubles


def of_unanswered(
    waiting: Mapping[str, int], known: Mapping[str, AttendantFacts], names: Mapping[str, str]
) -> list[Trouble]:
    """Rooms that do not accept by themselves. `waiting`: how many requests have waited too long there."""
    by_settings = {room for room, facts in known.items() if facts.accepts is False}
    troubles = []
    for room in sorted({room for room, count in waiting.items() if count} | by_settings):
        count = waiting.get(room, 0)
        if count and room in known and known[room].approves and known[room].accepts is not False:
            continue  # a delegate has to say yes there, and takes the time that people take
        because = f"{count} request{' waits' if count == 1 else 's wait'} for an answer" if count else ""
        because += (" and " if because else "") + "its attendant is set so" if room in by_settings else ""
        sentence = (
            f"{names[room]} does not accept bookings by itself ({because}), and the gateway acts on accepted "
            "ones alone: Set-CalendarProcessing -AutomateProcessing AutoAccept, or ask who has to approve."
        )
        troubles.append(Trouble("not_accepting", room, sentence, place=names[room], room=room))
    return troubles


def of_other_releases(
    seen: Mapping[str, Duration], known: Mapping[str, AttendantFacts], names: Mapping[str, str]
) -> list[Trouble]:
    """Rooms in which Microsoft's own release is on, by settings or by what it does (`seen`: its delays)."""
    by_settings = {room for room, facts in known.items() if facts.releases}
    troubles = []
    for room in sorted(by_settings | seen.keys()):
        if room in by_settings:
            minutes = known[room].release_minutes
            how = "EnableAutoRelease is on" + ("" if minutes is None else f", after {minutes} min")
        else:
            minutes = round(seen[room] / MINUTE_MS)
            how = f"bookings vanish again and again {minutes} min after their start, not by the gateway"
        sentence = (
            f"In {names[room]} Microsoft's own release of no-shows seems to be active too ({how}). It "
            "knows nothing of the sensors, and two must not decide: Set-CalendarProcessing "
            "-EnableAutoRelease $false, and look at the settings of a Teams panel there."
        )
        troubles.append(Trouble("microsoft_release", room, sentence, place=names[room], room=room))
    return troubles


# -- series -------------------------------------------------------------------------------------------


def of_lost_dates(
    gaps: Mapping[str, Iterable[SeriesGaps]],
    now: Instant,
    free: Callable[[str, Instant, Instant], Sequence[str]],
    names: Mapping[str, str],
    zones: Mapping[str, tzinfo],
) -> list[Trouble]:
    """Series that have lost dates to come. `free(room, start, end)`: other rooms that are free then."""
    troubles = []
    for room, found in sorted(gaps.items()):
        for one in found:
            lost = [date for date in one.lost if date.start > now]
            if not lost:
                continue
            dates = []
            for date in lost[:DATES_SHOWN]:
                rooms = [names[other] for other in free(room, date.start, date.end)[:ROOMS_SHOWN]]
                instead = (
                    f"free then: {' and '.join(rooms)}" if rooms else "no other room is known to be free"
                )
                dates.append(f"{_span(date.start, date.end, zones[room])} ({instead})")
            more = f" and {len(lost) - DATES_SHOWN} more" if len(lost) > DATES_SHOWN else ""
            absent = sum(start > now for start in one.missing)
            also = f" {absent} more absent, most likely cancelled one by one." if absent else ""
            sentence = (
                f"A series in {names[room]} has lost {_count(len(lost), 'date')} to another booking: "
                f"{', '.join(dates)}{more}.{also} Tell its organizer (booking {one.booking})."
            )
            subject = f"{room}/{series_tag(one.series_id)}"
            troubles.append(Trouble("series_lost_dates", subject, sentence, place=names[room], room=room))
    return troubles


def of_unattended(
    series: Mapping[str, Mapping[str, SeriesCount]],
    names: Mapping[str, str],
    zones: Mapping[str, tzinfo],
) -> list[Trouble]:
    """Series that the core has reported, because nobody came to so many of their dates in a row."""
    return [
        Trouble(
            "series_unattended",
            f"{room}/{series_tag(series_id)}",
            f"Nobody came to the last {_count(count.ghosts, 'date')} of a series in {names[room]}, the "
            f"newest on {clock_in(zones[room], '%a %d %b %H:%M')(count.last)}: ask its organizer whether "
            f"it may end (`decisions --kind series_reported --room {room}` names it).",
            place=names[room],
            room=room,
        )
        for room, own in sorted(series.items())
        for series_id, count in sorted(own.items())
        if count.reported
    ]


def series_tag(series_id: str) -> str:
    """A short name for a series: its id is some hundred and fifty characters long."""
    return blake2b(series_id.encode(), digest_size=4).hexdigest()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(texts: Sequence[str], noun: str) -> str:
    more = f" and {len(texts) - DATES_SHOWN} more {noun}" if len(texts) > DATES_SHOWN else ""
    return f"{', '.join(texts[:DATES_SHOWN])}{more}"


def _span(start: Instant, end: Instant, zone: tzinfo) -> str:
    same_day = clock_in(zone, "%d %b %Y")
    until = "%H:%M" if same_day(start) == same_day(end) else "%a %d %b %H:%M"
    return f"{clock_in(zone, '%a %d %b %H:%M')(start)} to {clock_in(zone, until)(end)}"
