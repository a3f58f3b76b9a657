"""Questions about the room's own bookings, and about the tenant: grants and limits."""

import asyncio
from http import HTTPStatus

import msgspec

from gateway.core.units import DAY_MS
from gateway.exchange.client import IN_FLIGHT, Patience
from gateway.exchange.errors import ExchangeError, ForbiddenError, RefusedError
from gateway.exchange.own import graph_time
from gateway.exchange.rehearsal.record import Found
from gateway.exchange.rehearsal.stage import Meeting, Stage, span

# -- created twice ------------------------------------------------------------------------------------


class Repeated(msgspec.Struct, frozen=True):
    """What a creation that is sent twice comes to."""

    second: str
    """How the second request was answered: "taken", or the refusal."""
    entries: int
    told_back: bool
    """The transaction id comes with a listing of the calendar."""
    freed: bool
    """Deleted again, as a walk-up is when its people have left."""


async def act_repeats(stage: Stage, meeting: Meeting) -> Repeated:
    """Book the room in its own name a second time with the same transaction id; then free it."""
    second = "taken"
    try:
        await stage.create(stage.room, stage.body(meeting.slot))
    except RefusedError as error:
        second = f"{error.status} {error.code}".strip()
    await stage.quiet()
    entries = await stage.in_room(meeting.slot)
    told_back = bool(entries) and all(
        entry.event.transaction_id == meeting.slot.transaction for entry in entries
    )
    for entry in entries:
        await stage.delete(stage.room, entry.id)

    async def freed() -> bool:
        return not await stage.in_room(meeting.slot)

    return Repeated(second, len(entries), told_back, await stage.until(freed, stage.quiet_s))


def judge_repeats(facts: Repeated) -> Found:
    """A lost answer must not book the room twice: one of two means must work."""
    seen = f"the second request was {facts.second}; {facts.entries} in the calendar" + (
        "" if facts.told_back else "; the transaction id is not told back"
    )
    if not facts.freed:
        return Found(
            "stop", f"{seen}; deleting did not free the room", "a walk-up would hold the room for good"
        )
    if facts.entries > 1 and not facts.told_back:
        return Found("stop", seen, "whenever an answer is lost, the gateway would book the room once more")
    if facts.entries != 1 or not facts.told_back:
        return Found("warn", seen, "a lost answer may book the room twice: leave `walk_up` off")
    return Found("ok", seen, "walk-ups are booked once, however often they are sent")


# -- grants -------------------------------------------------------------------------------------------


class Granted(msgspec.Struct, frozen=True):
    """What else the application's grants open."""

    subscriptions: bool
    schedules: bool


async def act_grants(stage: Stage, meeting: Meeting | None) -> Granted:
    """List subscriptions, and ask when the room is free; neither changes anything."""
    del meeting
    start, end = stage.plan.window
    ask = {
        "schedules": [stage.room],
        "startTime": graph_time(start),
        "endTime": graph_time(min(end, start + DAY_MS)),
        "availabilityViewInterval": 30,
    }
    return Granted(
        await _open(stage, "GET", stage.client.url("subscriptions"), None),
        await _open(stage, "POST", stage.client.url("users", stage.room, "calendar", "getSchedule"), ask),
    )


async def _open(stage: Stage, method: str, url: str, body: dict[str, object] | None) -> bool:
    try:
        if method == "GET":
            await stage.client.get(url, urgent=True)
        else:
            await stage.client.submit(method, url, body)
    except ForbiddenError:
        return False
    return True


def judge_grants(facts: Granted) -> Found:
    """The gateway needs neither."""
    opened = {"/subscriptions": facts.subscriptions, "getSchedule": facts.schedules}
    told = "; ".join(f"{name} is {'open' if is_open else 'closed'}" for name, is_open in opened.items())
    closed = [name for name, is_open in opened.items() if not is_open]
    return Found(
        "ok",
        told,
        f"{' and '.join(closed)} would need a consent in Entra; the gateway uses neither"
        if closed
        else "the grants would be enough for both; the gateway uses neither",
    )


# -- how many requests at once ------------------------------------------------------------------------


class Crowded(msgspec.Struct, frozen=True):
    """Throttled requests of twice as many at once as one application may have under way."""

    at_once: int
    one_mailbox: int
    """Of them throttled when all went to the room."""
    two_mailboxes: int
    """The same with half of them to the organizer."""


AT_ONCE = 2 * IN_FLIGHT
ONCE = Patience(attempts=1, first_s=0.0, cap_s=0.0, total_s=0.0)


async def act_crowds(stage: Stage, meeting: Meeting | None) -> Crowded:
    """Read twice as many things at once as is allowed; who is throttled has not been harmed."""
    del meeting
    one = await _throttled(stage, [stage.room] * AT_ONCE)
    await stage.quiet()
    two = await _throttled(stage, [stage.room, stage.organizer] * IN_FLIGHT)
    return Crowded(AT_ONCE, one, two)


async def _throttled(stage: Stage, mailboxes: list[str]) -> int:
    window = span(*stage.plan.window)
    async with stage.connect(len(mailboxes), ONCE) as client:
        asked = [
            client.get(client.url("users", mailbox, "calendarView"), window, urgent=True)
            for mailbox in mailboxes
        ]
        told = await asyncio.gather(*asked, return_exceptions=True)
    for one in told:
        if isinstance(one, BaseException) and not isinstance(one, ExchangeError):
            raise one
    return sum(isinstance(one, ExchangeError) and one.status == HTTPStatus.TOO_MANY_REQUESTS for one in told)


def judge_crowds(facts: Crowded) -> Found:
    """The gateway keeps below the stricter limit in any case."""
    means = "the gateway has at most four requests under way, which suits either (`max_in_flight`)"
    told = f"of {facts.at_once} reads at once"
    if not facts.one_mailbox and not facts.two_mailboxes:
        return Found("ok", f"{told} none was throttled", means)
    if facts.two_mailboxes:
        return Found(
            "ok",
            f"{told} {facts.two_mailboxes} were throttled, also across mailboxes: it counts the application",
            f"{means}; give each gateway an app registration of its own",
        )
    return Found(
        "ok", f"{told} {facts.one_mailbox} were throttled, in one mailbox only: it counts the mailbox", means
    )


# -- what is not tried --------------------------------------------------------------------------------


class NotTried(msgspec.Struct, frozen=True):
    """Nothing was done."""


async def act_nothing(stage: Stage, meeting: Meeting | None) -> NotTried:
    """Nothing."""
    del stage, meeting
    return NotTried()


def judge_telemetry(facts: NotTried) -> Found:
    """It would take beta's sensors, and Microsoft's own release switched on for two days."""
    del facts
    return Found(
        "ok",
        "not tried: it takes Microsoft's own release to be on, and up to 48 hours",
        "nothing hangs on it while Microsoft's release is off (`exchange import-settings` tells)",
    )
