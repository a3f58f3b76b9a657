"""Two were booked at once: which one stays.

Exchange checks a room's own calendar for no conflicts, so two gateways may both find the room free and both
book it. Each of them reads the calendar after its own booking is in it, and judges by the same rule:

* A booking that is not of this kind stays: somebody has been told that they have the room, or is in it.
* Of two of this kind the one that Exchange created first stays (`createdDateTime`). The other is taken
  back at once; whoever asked for it still waits for the answer.
* Created in the very same instant, the one with the smaller id stays. It cannot know whether the other has
  looked before it was there, so it looks again a few times, and gives way if that one stays too.

The reads of one mailbox are ordered: who sees its own booking sees every earlier one. So of two bookings the
later always sees the earlier, and two can never remain; at the worst, none does.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

Verdict = Literal["stays", "gives_way", "look_again"]


class Entry(msgspec.Struct, frozen=True):
    """A booking in a contest."""

    event_id: str
    created_us: int
    """When Exchange made it, in microseconds since 1970 UTC."""
    same_kind: bool = True
    """Asked for by a person through a gateway, as ours is, and so judged by the same rule."""


def judge(ours: Entry, others: Iterable[Entry]) -> Verdict:
    """What becomes of our booking, by those that overlap it."""
    rivals = list(others)
    if any(not rival.same_kind or rival.created_us < ours.created_us for rival in rivals):
        return "gives_way"
    at_once = [rival for rival in rivals if rival.created_us == ours.created_us]
    if any(rival.event_id < ours.event_id for rival in at_once):
        return "gives_way"
    return "look_again" if at_once else "stays"
