"""Questions that are asked with a small series, the dangerous one first: does one decline stay one."""

from typing import Any

import msgspec

from gateway.exchange.errors import ExchangeError, MalformedError
from gateway.exchange.rehearsal.plan import OCCURRENCES
from gateway.exchange.rehearsal.record import Found
from gateway.exchange.rehearsal.single import CATEGORY
from gateway.exchange.rehearsal.stage import MAX_PAGES, Entry, Meeting, Stage, booking, span

MIDDLE = 1
"""Which of the occurrences is declined."""
OTHERS = OCCURRENCES - 1

# -- one occurrence -----------------------------------------------------------------------------------


class OneDeclined(msgspec.Struct, frozen=True):
    """What is left of a series after one occurrence was declined."""

    refused: str
    gone: bool
    others_held: int
    """In the room, of the occurrences that were not declined."""
    organizer_keeps: int
    """Occurrences, the declined one among them."""
    organizer_sees: str
    """For the room, on the declined occurrence."""
    organizer_sees_others: int
    """On how many of the others the room is still shown as having accepted."""


async def act_declines_one(stage: Stage, meeting: Meeting) -> OneDeclined:
    """Decline the second occurrence by its own id, as a release does."""
    one = meeting.room[MIDDLE]
    refused = await stage.decline(one.id)

    async def away() -> bool:
        return not _at(await _standing(stage, meeting), one)

    gone = not refused and await stage.until(away)
    await stage.quiet()
    held = await stage.holding(meeting.slot)
    theirs = await stage.at_organizer(meeting.slot)
    return OneDeclined(
        refused,
        gone,
        sum(bool(_at(held, entry)) for entry in meeting.room if entry is not one),
        len(theirs),
        next((stage.room_answer(entry) for entry in _at(theirs, one)), "gone"),
        sum(stage.room_answer(entry) == "accepted" for entry in theirs if not _at([entry], one)),
    )


def _at(entries: list[Entry], one: Entry) -> list[Entry]:
    """Those that are at the same time: ids and even iCalUIds may have changed."""
    return [entry for entry in entries if entry.start == one.start]


async def _standing(stage: Stage, meeting: Meeting) -> list[Entry]:
    return [entry for entry in await stage.in_room(meeting.slot) if entry.event.response != "declined"]


def judge_declines_one(facts: OneDeclined) -> Found:
    """Whatever takes more than the one occurrence, on either side, must never be sent again."""
    if facts.others_held < OTHERS or facts.organizer_keeps < OCCURRENCES:
        where = "in the room" if facts.others_held < OTHERS else "at the organizer"
        return Found(
            "stop",
            f"declining one occurrence took others of the series as well, {where}",
            "a release would take whole series from people",
        )
    if facts.refused or not facts.gone:
        how = f"refused ({facts.refused})" if facts.refused else "accepted, and it stayed in the room"
        return Found(
            "stop",
            f"the decline of one occurrence was {how}",
            "the gateway cannot give back what belongs to a series",
        )
    seen = "only that occurrence went"
    if facts.organizer_sees != "declined" or facts.organizer_sees_others < OTHERS:
        return Found(
            "warn",
            f"{seen}; the organizer sees the room as {facts.organizer_sees!r} on it, and as accepted on "
            f"{facts.organizer_sees_others} of {OTHERS} others",
            "the rooms' calendars are right, what organizers are shown may not be: tell people",
        )
    return Found(
        "ok", f"{seen}, and the organizer sees it on that one alone", "series are released one by one"
    )


# -- an update of the series --------------------------------------------------------------------------


class SeriesUpdated(msgspec.Struct, frozen=True):
    """What an update of a whole series does to an occurrence that was declined before."""

    restored: bool
    same_key: bool | None
    """The gateway's key of what came back; None where nothing did."""
    others_held: int


async def act_updates_series(stage: Stage, meeting: Meeting) -> SeriesUpdated:
    """Decline the second occurrence; then the organizer changes the text of the series."""
    one = meeting.room[MIDDLE]
    refused = await stage.decline(one.id)
    if refused:
        raise MalformedError(f"the decline that comes before was refused ({refused})")

    async def away() -> bool:
        return not _at(await _standing(stage, meeting), one)

    await stage.until(away)
    await stage.edit(meeting.organizer_id)
    await stage.quiet()

    async def settled() -> bool:
        return all(entry.holds for entry in await stage.in_room(meeting.slot))

    await stage.until(settled)
    held = await stage.holding(meeting.slot)
    back = _at(held, one)
    return SeriesUpdated(
        bool(back),
        booking(back[0]).key == booking(one).key if back else None,
        sum(bool(_at(held, entry)) for entry in meeting.room if entry is not one),
    )


def judge_updates_series(facts: SeriesUpdated) -> Found:
    """What comes back must be known again."""
    if facts.same_key is False:
        return Found(
            "stop",
            "the update brought the declined occurrence back under another identity",
            "the gateway would not know it again, and might release it a second time",
        )
    if facts.others_held < OTHERS:
        return Found(
            "warn",
            f"after the update the room held {facts.others_held} of {OTHERS} other occurrences",
            "Exchange itself drops occurrences when a series is updated; the gateway acts on what there is",
        )
    if facts.restored:
        return Found(
            "ok",
            "the update brought the declined occurrence back, the same by its iCalUId and original start",
            "released occurrences may come back with an update; they are not released twice",
        )
    return Found(
        "ok",
        "the declined occurrence stayed away",
        "released occurrences stay released when the series is updated",
    )


# -- identity -----------------------------------------------------------------------------------------


class Keys(msgspec.Struct, frozen=True):
    """How the occurrences of a series are told apart."""

    occurrences: int
    uids: int
    """Different iCalUIds among them."""
    keys: int
    """Different keys, as the gateway makes them of iCalUId and original start."""
    own_uids: bool
    """They are the same in the organizer's mailbox."""


async def act_keys(stage: Stage, meeting: Meeting) -> Keys:
    """Compare the occurrences with each other and with the organizer's."""
    theirs = {entry.uid for entry in await stage.at_organizer(meeting.slot)}
    uids = {entry.uid for entry in meeting.room}
    keys = {booking(entry).key for entry in meeting.room}
    return Keys(len(meeting.room), len(uids), len(keys), uids == theirs)


def judge_keys(facts: Keys) -> Found:
    """Two bookings with one key are one to the gateway."""
    if facts.keys < facts.occurrences:
        return Found(
            "stop",
            f"{facts.occurrences} occurrences have {facts.keys} keys",
            "occurrences cannot be told apart, so the wrong one might be released",
        )
    means = "occurrences are told apart by iCalUId and original start"
    if facts.uids < facts.occurrences:
        return Found(
            "ok", "occurrences share the iCalUId of their series", f"{means}; the iCalUId alone would not do"
        )
    same = "the organizer's are the same" if facts.own_uids else "the organizer's are others"
    return Found("ok", f"each occurrence has an iCalUId of its own; {same}", means)


# -- If-Match -----------------------------------------------------------------------------------------


class Guarded(msgspec.Struct, frozen=True):
    """Which writes an outdated `If-Match` keeps from happening."""

    patch: bool
    delete: bool
    decline: bool


async def act_guards(stage: Stage, meeting: Meeting) -> Guarded:
    """Outdate what is known of the series, and write to one occurrence each in three ways."""
    first, second, third = meeting.room
    refused = await stage.change(stage.room, first.id, {"categories": [CATEGORY]})
    if refused:
        raise MalformedError(f"the change that comes before was refused ({refused})")

    async def outdated() -> bool:
        now = {entry.id: entry.etag for entry in await stage.in_room(meeting.slot)}
        return now.get(first.id) != first.etag

    if not await stage.until(outdated, stage.quiet_s):
        raise MalformedError("the change did not move the entry's etag")
    # Of the other two each is outdated on its own, where occurrences have versions of their own.
    for entry in (second, third):
        await stage.change(stage.room, entry.id, {"categories": [CATEGORY]})
    patch = await stage.change(stage.room, first.id, {"categories": []}, if_match=first.etag)
    delete = await stage.delete(stage.room, second.id, if_match=second.etag)
    decline = await stage.decline(third.id, if_match=third.etag)
    return Guarded(bool(patch), bool(delete), bool(decline))


def judge_guards(facts: Guarded) -> Found:
    """The gateway sends none, so every answer will do."""
    told = [name.upper() for name in ("patch", "delete", "decline") if getattr(facts, name)]
    return Found(
        "ok",
        f"guards {', '.join(told)}" if told else "guards nothing",
        "the gateway re-reads each booking right before it writes, and does not rely on If-Match",
    )


# -- delta --------------------------------------------------------------------------------------------


class DeltaTold(msgspec.Struct, frozen=True):
    """What calendarView/delta tells of a declined occurrence, and how."""

    select: str
    """What `$select` was refused with; empty if it was taken."""
    tells_removed: bool
    tells_series: bool
    empty_pages: bool
    repeats: bool


async def act_delta(stage: Stage, meeting: Meeting) -> DeltaTold:
    """A round, a decline, another round."""
    url = stage.client.url("users", stage.room, "calendarView", "delta")
    window = span(*stage.plan.window)
    try:
        await stage.client.get(url, {**window, "$select": "id,start"}, urgent=True)
        select = ""
    except ExchangeError as error:
        if error.status is None:
            raise
        select = f"{error.status} {error.code}".strip()
    first, link = await _round(stage, url, window)
    one = meeting.room[MIDDLE]
    refused = await stage.decline(one.id)
    if refused:
        raise MalformedError(f"the decline in between was refused ({refused})")
    told: list[list[Any]] = []

    async def anything() -> bool:
        pages, _ = await _round(stage, link, None)
        told[:] = pages
        return any(pages)

    await stage.until(anything)
    rows = [row for page in told for row in page if isinstance(row, dict)]
    ids = [row.get("id") for page in first for row in page if isinstance(row, dict)]
    return DeltaTold(
        select,
        any(row.get("id") == one.id and "@removed" in row for row in rows),
        any(row.get("id") == one.event.series_id and "@removed" not in row for row in rows),
        any(not page for page in first),
        len(set(ids)) < len(ids),
    )


async def _round(stage: Stage, url: str, params: dict[str, str] | None) -> tuple[list[list[Any]], str]:
    """All pages of a round, and the link to the next round."""
    pages: list[list[Any]] = []
    for _ in range(MAX_PAGES):
        page = await stage.client.get(url, params, urgent=True)
        items = page.get("value")
        pages.append(items if isinstance(items, list) else [])
        if "@odata.deltaLink" in page:
            return pages, str(page["@odata.deltaLink"])
        url, params = str(page.get("@odata.nextLink")), None
    raise MalformedError(f"a delta round of more than {MAX_PAGES} pages")


def judge_delta(facts: DeltaTold) -> Found:
    """The gateway reads complete windows; delta is for those who build something else."""
    said = [
        "tells a declined occurrence as removed"
        if facts.tells_removed
        else "tells the series of a declined occurrence again, not what is gone"
        if facts.tells_series
        else "tells nothing of a declined occurrence",
        f"$select is refused ({facts.select})" if facts.select else "$select is taken",
        *(["empty pages"] if facts.empty_pages else []),
        *(["repeats entries"] if facts.repeats else []),
    ]
    return Found("ok", "; ".join(said), "the gateway reads complete windows and does not rely on delta")
