"""The journal, given to the core again, gives the decisions that were recorded."""

from collections.abc import Iterator

import msgspec

from gateway.core.decisions import Decision
from gateway.core.site import CoreError, Site
from simulators.invariants.base import Checker, Violation
from simulators.invariants.story import Story, written_at
from simulators.observed import Observed, Recorded


class ReplaysAlike(Checker):
    """L5: replaying the journal gives byte-identical decisions.

    Reads journal and recorded decisions, both from the file, and gives the one to a new
    `gateway.core.site.Site`: neither restarts nor snapshots nor reloads may have left a trace.
    """

    name = "L5"

    def __init__(self) -> None:
        self._site = Site()
        self._given_up = False

    def recorded(self, seen: Observed, story: Story, entry: Recorded) -> Iterator[Violation]:  # noqa: ARG002 - the interface
        """Give the entry to the core as well."""
        if self._given_up:
            return
        try:
            again = self._site.handle(entry.event, written_at(entry))
        except CoreError as error:
            self._given_up = True
            yield self.broken(entry.at, "", f"entry {entry.seq} of the journal cannot be replayed: {error}")
            return
        if again != story.just_decided and _bytes(again) != _bytes(story.just_decided):
            self._given_up = True  # what follows would only repeat it
            was, now = _words(story.just_decided), _words(again)
            room = next((d.room for d in [*story.just_decided, *again]), "")
            yield self.broken(entry.at, room, f"entry {entry.seq}: recorded [{was}], replayed [{now}]")


def _bytes(decisions: list[Decision]) -> bytes:
    return msgspec.json.encode(decisions)


def _words(decisions: list[Decision]) -> str:
    return ", ".join(f"{d.room} {d.kind} {d.booking}".strip() for d in decisions)
