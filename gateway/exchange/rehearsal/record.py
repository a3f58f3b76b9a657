"""What a rehearsal found, kept beside the ledger, and whether rooms may go live on it.

RecordError    the kept record cannot be read
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from gateway.whole_file import keep_json, kept_json

FORMAT: Final = 1
MAX_FILE_BYTES: Final = 1024 * 1024

Verdict = Literal["ok", "warn", "stop"]
"""As the gateway expects; works, with a consequence that people should know; writing would be unsafe."""

WORST: Final[tuple[Verdict, ...]] = ("stop", "warn", "ok")

Fact = str | int | bool | None

COMMAND: Final = "occupancy-gateway exchange rehearse --room TEST-ROOM --organizer TEST-MAILBOX"


class RecordError(Exception):
    """The record is damaged, or of another version; the message says what to do."""


class Found(msgspec.Struct, frozen=True):
    """The judgement on what one question showed."""

    verdict: Verdict
    seen: str
    """What Exchange did, in one sentence."""
    means: str
    """What that means for the gateway."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One question with what was seen, as it is kept."""

    question: str
    """Short name, the same in every rehearsal, such as "decline_occurrence"."""
    asks: str
    verdict: Verdict
    seen: str
    means: str
    facts: Mapping[str, Fact] = msgspec.field(default_factory=dict)
    """The single observations, by name. No names, no addresses, no ids."""


class Leftover(msgspec.Struct, frozen=True):
    """Something that the rehearsal made, or may have made, and could not take away."""

    mailbox: str
    what: str
    """Which entry, and when it is (UTC)."""
    remove: str
    """How to remove it by hand."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One rehearsal. It names nobody but the two mailboxes that were given for it."""

    at: str
    """When it ended, ISO 8601 in UTC."""
    tenant_id: str
    gateway_version: str
    room: str
    organizer: str
    complete: bool
    """Every question had its turn; False after Ctrl+C."""
    answers: tuple[Answer, ...]
    leftovers: tuple[Leftover, ...] = ()
    format: int = FORMAT

    @property
    def verdict(self) -> Verdict:
        """The verdict on the whole: of its worst answer."""
        return worst(answer.verdict for answer in self.answers)

    @property
    def stops(self) -> tuple[str, ...]:
        """Names of the questions whose answers forbid to write."""
        return tuple(answer.question for answer in self.answers if answer.verdict == "stop")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them; "ok" of none."""
    found = set(verdicts)
    return next((verdict for verdict in WORST if verdict in found), "ok")


def save(path: Path, record: Record) -> None:
    """Write the file whole or not at all. Raises OSError."""
    keep_json(path, record)


def load(path: Path) -> Record | None:
    """The kept record; None where there was no rehearsal yet. Raises RecordError."""
    return kept_json(
        path, Record, FORMAT, error=RecordError, remedy="rehearse again", at_most=MAX_FILE_BYTES + 1
    )


def objection(path: Path, tenant_id: str) -> str:
    """Why no room should go live on what is kept, and what to do; empty if nothing is in the way."""
    rehearse = f"Rehearse first: {COMMAND}"
    try:
        record = load(path)
    except RecordError as error:
        return f"The rehearsal's record is of no use: {error}. {rehearse}"
    if record is None:
        return f"Nobody has rehearsed with this tenant yet how Exchange behaves. {rehearse}"
    if record.tenant_id.casefold() != tenant_id.casefold():
        return f"The rehearsal of {record.at[:10]} was with another tenant. {rehearse}"
    if not record.complete:
        return f"The rehearsal of {record.at[:10]} was not finished. {rehearse}"
    if record.stops:
        return (
            f"The rehearsal of {record.at[:10]} showed what makes writing unsafe: {', '.join(record.stops)}. "
            f"See {path}, mend it, and rehearse again: {COMMAND}"
        )
    return ""
