"""Puts both mailboxes back as they were, whatever happened before.

Nothing is taken away that is not known to be the rehearsal's: at the organizer by its subject, in the room
by the iCalUIds that were seen at the organizer, or because it is a cancelled invitation of the test
organizer in a time that was empty when the rehearsal began.
"""

from collections.abc import Iterable
from typing import Final

from gateway.exchange.errors import ExchangeError, ItemGoneError
from gateway.exchange.moments import as_datetime
from gateway.exchange.rehearsal.plan import Slot
from gateway.exchange.rehearsal.record import Leftover
from gateway.exchange.rehearsal.stage import Entry, Stage

ROUNDS: Final = 4
"""How often it is tried; in between, Exchange has time to recover."""

BETWEEN_S: Final = 10.0
CANCELLATION_S: Final = 120.0
"""How long a cancellation may take to the room before its copy is taken away without one."""


async def sweep(stage: Stage) -> tuple[Leftover, ...]:
    """Take away everything that the rehearsal made; what is left in spite of it. Raises no ExchangeError."""
    if not stage.created:
        return ()
    left: tuple[Leftover, ...] = ()
    for number in range(ROUNDS):
        if number:
            await stage.sleep(BETWEEN_S)
        try:
            await _organizer(stage)
            await _room(stage)
            left = await remains(stage)
            if not left:  # cancellations of what the room had declined may still be on their way
                await stage.quiet()
                left = await remains(stage)
        except ExchangeError as error:
            left = unknown(stage, error)
            continue
        if not left:
            return ()
    return left


async def remains(stage: Stage) -> tuple[Leftover, ...]:
    """What both mailboxes still hold of it. Raises ExchangeError."""
    found = [
        *(_leftover(stage.organizer, entry) for entry in await _at_organizer(stage)),
        *(_leftover(stage.room, entry) for entry in await _in_room(stage)),
    ]
    return tuple(dict.fromkeys(found))


def unknown(stage: Stage, error: Exception) -> tuple[Leftover, ...]:
    """What may be left, where nobody could look."""
    return tuple(
        Leftover(
            stage.room if slot.needs == "own_booking" else stage.organizer,
            f"perhaps {stage.plan.subject!r}, {_when(slot)} (could not be looked up: {error})",
            f"open both calendars at that time and delete what begins with that subject; in {stage.room} "
            f"what {stage.organizer} organises",
        )
        for slot in dict.fromkeys(stage.created)
    )


async def _organizer(stage: Stage) -> None:
    """Delete at the organizer, which cancels in the room."""
    entries = await _at_organizer(stage)
    stage.uids.update(entry.uid for entry in entries if entry.uid)
    await _delete(stage, stage.organizer, entries)


async def _room(stage: Stage) -> None:
    """Wait for the cancellations, and take away what they leave, and what the room itself organises."""

    async def all_cancelled() -> bool:
        return all(e.event.cancelled or e.event.room_organises for e in await _in_room(stage))

    await stage.until(all_cancelled, CANCELLATION_S)
    await _delete(stage, stage.room, await _in_room(stage))


async def _at_organizer(stage: Stage) -> list[Entry]:
    return [entry for entry in await stage.entries(stage.organizer) if entry.subject == stage.plan.subject]


async def _in_room(stage: Stage) -> list[Entry]:
    return [entry for entry in await stage.entries(stage.room) if _is_ours(stage, entry)]


def _is_ours(stage: Stage, entry: Entry) -> bool:
    if entry.event.room_organises:
        return entry.subject == stage.plan.subject
    if entry.uid in stage.uids:
        return True
    if entry.id in stage.there_before:
        return False
    from_organizer = entry.event.organizer.casefold() == stage.organizer.casefold()
    return from_organizer and entry.event.cancelled and stage.plan.touches(entry.start, entry.end)


async def _delete(stage: Stage, mailbox: str, entries: Iterable[Entry]) -> None:
    """Each meeting or series once. One that will not go does not keep the others. Raises the last error."""
    failed: ExchangeError | None = None
    for event_id in dict.fromkeys(entry.root for entry in entries):
        url = stage.client.url("users", mailbox, "events", event_id)
        try:
            await stage.client.submit("DELETE", url)
        except ItemGoneError:
            continue
        except ExchangeError as error:
            failed = error
    if failed is not None:
        raise failed


def _leftover(mailbox: str, entry: Entry) -> Leftover:
    state = "cancelled" if entry.event.cancelled else entry.event.response
    when = f"{as_datetime(entry.start):%Y-%m-%d %H:%M} UTC"
    return Leftover(
        mailbox,
        f"{'series' if entry.event.series_id else 'meeting'} on {when} ({state})",
        f"open {mailbox}'s calendar at {when} and delete it"
        + (", the whole series" if entry.event.series_id else ""),
    )


def _when(slot: Slot) -> str:
    return f"{as_datetime(slot.start):%Y-%m-%d %H:%M} UTC"
