"""Questions that are asked with a single meeting: how each is acted out, and what its answer means."""

from typing import Literal

import msgspec

from gateway.exchange.own import graph_time
from gateway.exchange.rehearsal.record import Found
from gateway.exchange.rehearsal.stage import POLL_S, Entry, Meeting, Stage

CATEGORY = "Rehearsed"
SLOW_S = 120

# -- does the room accept, and as what ----------------------------------------------------------------


class Accepted(msgspec.Struct, frozen=True):
    """What the room's copy of an accepted meeting is like."""

    slowest_s: int
    """Of everything that was prepared, in seconds."""
    same_uid: bool
    """The room's copy has the iCalUId of the organizer's."""
    organizer_sees: str


async def act_accepts(stage: Stage, meeting: Meeting) -> Accepted:
    """Look at both sides of a meeting that the room has accepted."""

    async def seen() -> bool:
        return any(stage.room_answer(entry) == "accepted" for entry in await stage.at_organizer(meeting.slot))

    await stage.until(seen)
    return Accepted(
        round(stage.slowest_s), meeting.copy.uid == meeting.uid, await _answer(stage, meeting) or "gone"
    )


def judge_accepts(facts: Accepted) -> Found:
    """Acceptance is there, or this would not be asked."""
    seen = f"accepted, at the latest after {facts.slowest_s} s"
    if facts.organizer_sees != "accepted":
        return Found(
            "warn",
            f"{seen}; the organizer's entry shows {facts.organizer_sees!r} for the room",
            "organizers may be shown something else than the room's calendar, on which the gateway acts",
        )
    if not facts.same_uid:
        return Found(
            "warn",
            f"{seen}; the room's copy has an iCalUId of its own",
            "the gateway reads the room's calendar alone, so nothing hangs on it",
        )
    if facts.slowest_s > SLOW_S:
        return Found("warn", seen, "bookings at short notice are seen late: mind it with `grace`")
    return Found("ok", f"{seen}; one iCalUId in both mailboxes", "bookings are seen as they are made")


# -- decline, and what the organizer's edits bring back ----------------------------------------------

Return = Literal["stayed away", "came back", "came back as another"]


class Declined(msgspec.Struct, frozen=True):
    """What a release does, and undoes."""

    refused: str
    gone: bool
    """From the room's calendar, or shown there as declined."""
    organizer_keeps: bool
    """The organizer's meeting stands."""
    organizer_sees: str
    after_text: Return = "stayed away"
    after_time: Return = "stayed away"
    same_id: bool | None = None
    """Of what came back; None where nothing did."""


async def act_declines(stage: Stage, meeting: Meeting) -> Declined:
    """Decline as the room; then the organizer changes the text, and then the time."""
    refused = await stage.decline(meeting.copy.id)
    if refused:
        return Declined(refused, gone=False, organizer_keeps=True, organizer_sees="")
    gone = await stage.until(lambda: _gone(stage, meeting))

    async def seen() -> bool:
        return await _answer(stage, meeting) != "accepted"

    await stage.until(seen)
    sees = await _answer(stage, meeting)
    first = Declined("", gone, sees is not None, sees or "gone")
    if not gone or sees is None:
        return first
    await stage.edit(meeting.organizer_id)
    after_text, back = await _back(stage, meeting)
    same_id = None if back is None else back.id == meeting.copy.id
    if back is not None:
        await stage.decline(back.id)
        await stage.until(lambda: _gone(stage, meeting))
    await stage.move(meeting)
    after_time, moved = await _back(stage, meeting)
    if moved is not None and same_id is not False:
        same_id = moved.id == meeting.copy.id
    return msgspec.structs.replace(first, after_text=after_text, after_time=after_time, same_id=same_id)


async def _gone(stage: Stage, meeting: Meeting) -> bool:
    return not [entry for entry in await stage.in_room(meeting.slot) if entry.event.response != "declined"]


async def _answer(stage: Stage, meeting: Meeting) -> str | None:
    """What the organizer's meeting shows for the room; None if there is no meeting any more."""
    entries = await stage.at_organizer(meeting.slot)
    return stage.room_answer(entries[0]) if entries else None


async def _back(stage: Stage, meeting: Meeting) -> tuple[Return, Entry | None]:
    """Whether the room holds the meeting again; another iCalUId is another meeting to the gateway."""
    found = await stage.until(lambda: stage.holding(meeting.slot), stage.quiet_s)
    if not found:
        return "stayed away", None
    return ("came back" if found[0].uid == meeting.copy.uid else "came back as another"), found[0]


def judge_declines(facts: Declined) -> Found:
    """A release must free the room, leave the organizer's meeting, and be known again if it comes back."""
    if facts.refused or not facts.gone:
        how = (
            f"refused ({facts.refused})" if facts.refused else "accepted, and the meeting stayed in the room"
        )
        return Found("stop", f"the room's decline was {how}", "the gateway cannot give a room back")
    if not facts.organizer_keeps:
        return Found(
            "stop",
            "after the room's decline the organizer's meeting was gone",
            "a release would take people's meetings out of their calendars",
        )
    if "came back as another" in (facts.after_text, facts.after_time):
        return Found(
            "stop",
            "a meeting that the room accepted again had another iCalUId",
            "the gateway would not know it again, and might release it a second time",
        )
    back = {
        "text": facts.after_text == "came back",
        "time": facts.after_time == "came back",
    }
    told = " and ".join(name for name, came in back.items() if came)
    seen = "the room came free; " + (
        f"accepted again after a change of {told}, {'same' if facts.same_id else 'new'} id, same iCalUId"
        if told
        else "not accepted again after a change of text or time"
    )
    if facts.organizer_sees != "declined":
        return Found(
            "warn",
            f"{seen}; the organizer's entry shows {facts.organizer_sees!r}",
            "organizers may not notice a release: tell people how they are told",
        )
    if not told:
        return Found(
            "warn", seen, "an organizer gets a released room back only by removing and adding it: tell people"
        )
    return Found("ok", seen, "what comes back is known again and not released twice")


# -- categories ---------------------------------------------------------------------------------------


class Marked(msgspec.Struct, frozen=True):
    """What becomes of a category on the room's copy."""

    refused: str
    shown: bool
    still_held: bool
    organizer_untouched: bool
    outlives_update: bool


async def act_marks(stage: Stage, meeting: Meeting) -> Marked:
    """Mark the room's copy as a check-in does; then the organizer changes the text."""
    before = await stage.at_organizer(meeting.slot)
    refused = await stage.change(stage.room, meeting.copy.id, {"categories": [CATEGORY]})

    async def marked() -> bool:
        return any(entry.event.has_category(CATEGORY) for entry in await stage.in_room(meeting.slot))

    shown = not refused and await stage.until(marked, stage.quiet_s)
    after = await stage.at_organizer(meeting.slot)
    untouched = [(e.start, e.end, e.event.categories) for e in before] == [
        (e.start, e.end, e.event.categories) for e in after
    ]
    held = bool(await stage.holding(meeting.slot))
    await stage.edit(meeting.organizer_id)
    await stage.quiet()
    await stage.until(lambda: stage.holding(meeting.slot))
    return Marked(refused, shown, held, untouched, await marked())


def judge_marks(facts: Marked) -> Found:
    """A mark must do nothing besides."""
    if not facts.still_held or not facts.organizer_untouched:
        whom = "the organizer's entry" if facts.still_held else "the room's acceptance"
        return Found(
            "stop",
            f"a category on the room's copy changed {whom}",
            "each check-in would disturb the meeting that it is to protect",
        )
    if not facts.shown:
        return Found(
            "warn",
            f"a category could not be put on the room's copy{f' ({facts.refused})' if facts.refused else ''}",
            "check-ins do not show in the calendar; the gateway's own memory decides",
        )
    if not facts.outlives_update:
        return Found(
            "warn",
            "shown at the room alone; lost with the organizer's next update",
            "a check-in may not show any more in the calendar; the gateway's own memory decides",
        )
    return Found(
        "ok",
        "shown at the room alone; outlives the organizer's update",
        "check-ins can be shown in the calendar",
    )


# -- an end of the room's own -------------------------------------------------------------------------


class Shortened(msgspec.Struct, frozen=True):
    """What becomes of an earlier end on the room's copy."""

    refused: str
    shown: bool
    still_held: bool
    organizer_keeps_end: bool
    after_text: bool
    """The earlier end outlives a change of the text by the organizer."""


async def act_shortens(stage: Stage, meeting: Meeting) -> Shortened:
    """Shorten the room's copy as an early end does; then the organizer changes the text."""
    end = (meeting.slot.start + meeting.slot.end) // 2
    refused = await stage.change(stage.room, meeting.copy.id, {"end": graph_time(end)})

    async def shorter() -> bool:
        return any(entry.end == end for entry in await stage.holding(meeting.slot))

    if refused:
        return Shortened(refused, shown=False, still_held=True, organizer_keeps_end=True, after_text=False)
    shown = await stage.until(shorter, stage.quiet_s)
    held = bool(await stage.holding(meeting.slot))
    kept = all(entry.end == meeting.slot.end for entry in await stage.at_organizer(meeting.slot))
    await stage.edit(meeting.organizer_id)
    await stage.quiet()
    await stage.until(lambda: stage.holding(meeting.slot))
    return Shortened("", shown, held, kept, await shorter())


def judge_shortens(facts: Shortened) -> Found:
    """Early ends are an option; what they must not do is to take the whole meeting."""
    if not facts.still_held:
        return Found(
            "stop",
            "after an earlier end the room did not hold the meeting any more",
            "ending a meeting early would take all of it",
        )
    if not facts.shown:
        return Found(
            "warn",
            f"the room's copy cannot be shortened{f' ({facts.refused})' if facts.refused else ''}",
            "nothing can be ended early: leave `end_early` off",
        )
    local = "" if facts.organizer_keeps_end else "; the organizer's end changed too"
    if facts.after_text:
        return Found(
            "ok" if not local else "warn",
            f"shortened, also after the organizer's next change of text{local}",
            "meetings can be ended early",
        )
    return Found(
        "ok" if not local else "warn",
        f"shortened until the organizer's next change of anything{local}",
        "meetings can be ended early; an update by the organizer brings the full time back",
    )


# -- a plain DELETE -----------------------------------------------------------------------------------


class Deleted(msgspec.Struct, frozen=True):
    """What a DELETE of the room's copy does."""

    refused: str
    gone: bool
    organizer_sees: str


async def act_deletes(stage: Stage, meeting: Meeting) -> Deleted:
    """Delete the room's copy of an invitation; the gateway never does."""
    refused = await stage.delete(stage.room, meeting.copy.id)
    if refused:
        return Deleted(refused, gone=False, organizer_sees=await _answer(stage, meeting) or "gone")
    gone = await stage.until(lambda: _gone(stage, meeting), stage.quiet_s)
    await stage.quiet()
    return Deleted("", gone, await _answer(stage, meeting) or "gone")


def judge_deletes(facts: Deleted) -> Found:
    """Only for those who are tempted."""
    means = "the gateway declines what others organise and never deletes it"
    if facts.organizer_sees == "gone":
        return Found("warn", "the organizer's meeting was gone with it", f"{means}: nor should anybody else")
    if facts.refused or not facts.gone:
        return Found("ok", f"it stays ({facts.refused or 'accepted without effect'})", means)
    told = "the organizer is told" if facts.organizer_sees == "declined" else "silent"
    return Found("ok", f"{told}: the organizer sees {facts.organizer_sees!r}", means)


# -- the organizer deletes ----------------------------------------------------------------------------


class Withdrawn(msgspec.Struct, frozen=True):
    """What the room shows of a meeting that its organizer deleted."""

    refused: str
    room_shows: Literal["nothing", "cancelled", "still booked"]


async def act_withdraws(stage: Stage, meeting: Meeting) -> Withdrawn:
    """The organizer deletes the meeting."""
    refused = await stage.delete(stage.organizer, meeting.organizer_id)

    async def away() -> bool:
        return not await stage.in_room(meeting.slot)

    if not await stage.until(away, stage.quiet_s + POLL_S):
        return Withdrawn(refused, "still booked")
    start, end = meeting.slot.spans[0]
    left = [e for e in await stage.entries(stage.room) if e.start < end and start < e.end]
    return Withdrawn(refused, "cancelled" if left else "nothing")


def judge_withdraws(facts: Withdrawn) -> Found:
    """Cancelled entries are known to the gateway."""
    if facts.room_shows == "still booked":
        return Found(
            "warn",
            "the room still held the meeting",
            "rooms stay booked for meetings that were cancelled, until the gateway finds nobody there",
        )
    shown = "an entry marked as cancelled" if facts.room_shows == "cancelled" else "nothing"
    return Found("ok", f"the room shows {shown}", "cancelled bookings are left alone")
