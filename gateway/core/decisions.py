"""What the core concluded, each conclusion with its reasons as data."""

from typing import Literal

import msgspec

from gateway.core.units import Duration, Instant

DecisionKind = Literal[
    "opened",
    "seen",
    "checked_in",
    "check_in_dropped",
    "kept",
    "warned",
    "warning_cancelled",
    "release",
    "would_release",
    "withheld",
    "withdrawn",
    "released",
    "not_released",
    "restored",
    "ended",
    "concluded",
    "occupancy",
    "mode",
    "refused",
    "offered_back",
    "wrong_release",
    "reviewed",
    "booking_asked",
    "cancel_asked",
    "walk_up",
    "extended",
    "series_reported",
    "rule_broken",
    "declined",
    "not_declined",
    "calendar_doubted",
    "breaker_opened",
    "breaker_closed",
]

Action = Literal[
    "check_in",
    "release",
    "shorten",
    "end_early",
    "extend",
    "hold",
    "walk_up",
    "refuse",
    "book",
    "cancel",
]
"""`shorten`: a person is done, or a walk-up is over; `end_early`: everybody has left. `hold` gives a
room back to those who lost it, `walk_up` shows unbooked use, `book` is what a person asked for; all
three are bookings of the room itself. `cancel`: a person does not need it. `refuse` declines a booking
that breaks a rule, before its time has come."""
Method = Literal["category", "decline", "cancel", "delete", "patch_end", "create"]
Outcome = Literal[
    "attended",
    "brief_visit",
    "no_show_released",
    "brief_visit_released",
    "no_show_kept",
    "ended_early",
    "cancelled",
    "exempt",
    "too_short",
    "withheld",
    "unknown",
]


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason: a stable code, and the facts that fill its sentence (`explain`)."""

    code: str
    sensor: str = ""
    at: Instant | None = None
    until: Instant | None = None
    value: int | None = None
    text: str = ""


class Write(msgspec.Struct, frozen=True, omit_defaults=True):
    """An intended write to Exchange. Carried out only after its decision is committed.

    Safe to send twice: each method has the same end state however often it is applied. It is
    given up when the occurrence read just before no longer has this `start`, `end`,
    `original_start`, or no longer `is_decided_on`; and when `deadline` passes before it is sent.
    """

    id: int
    action: Action
    method: Method
    event_id: str
    """The item to be written to. For `book`: one that makes way for it, so it does not count; or empty."""
    start: Instant
    end: Instant
    deadline: Instant
    original_start: Instant | None = None
    series_id: str = ""
    room_organises: bool = False
    new_end: Instant | None = None
    """For `shorten`, `end_early` and `extend`: the new end of the room's copy."""
    linked: str = ""
    """For `hold`: the event id of the booking that was released. For `book`: the name of the request."""
    breach: str = ""
    """For `refuse`: the rule that the organizer is told of."""

    @property
    def takes_time_away(self) -> bool:
        """An automatic rule gives the room, or the rest of its time, to others."""
        return self.action in ("release", "end_early", "refuse")

    @property
    def removes(self) -> bool:
        """Its effect is that the calendar does not hold the booking any more."""
        return self.action in ("release", "refuse", "cancel")


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a booking came to, for the reports. Durations in ms."""

    outcome: Outcome
    booked_ms: Duration = 0
    used_ms: Duration = 0
    """Time within the booking in which the room was shown to be occupied."""
    returned_ms: Duration = 0
    """Booked time given back, counted from Exchange's confirmation."""
    would_return_ms: Duration = 0
    """What a live room would have given back, where this one was in shadow."""
    ghost_ms: Duration = 0
    """Booked time of a booking in which nobody was seen while the sensors could tell."""
    cause: str = ""
    """Why ghost time was not returned (a reason code), or empty."""


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One conclusion about one room, and about one of its bookings unless `booking` is empty.

    `room` is empty where it concerns the whole site.
    """

    kind: DecisionKind
    room: str
    at: Instant
    booking: str = ""
    live: bool = False
    """The booking was opened while its room was live; False: shadow, nothing is written."""
    reasons: tuple[Reason, ...] = ()
    write: Write | None = None
    withdraws: int | None = None
    """The id of an earlier write that must not be sent any more."""
    tally: Tally | None = None
