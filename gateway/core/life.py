"""The life of a booking: one transition table, and everything remembered while it lasts.

`TRANSITIONS` is the whole of it; the diagram in ``docs/architecture.md`` is generated from it.
Sensors move a booking forward, people and Exchange may move it anywhere the table allows, and what
the table does not hold cannot happen (`Life.move` raises).
"""

from typing import Final, Literal

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Reason
from gateway.core.policy import Policy
from gateway.core.units import MINUTE_MS, NEVER, Duration, Instant

State = Literal["upcoming", "open", "seen", "checked_in", "releasing", "released", "over"]
Cause = Literal[
    "opened",
    "presence",
    "check_in",
    "moved",
    "release",
    "end_early",
    "kept_unseen",
    "kept_seen",
    "kept_checked_in",
    "confirmed",
    "restored",
    "ended",
]

TRANSITIONS: Final[dict[tuple[State, Cause], State]] = {
    ("upcoming", "opened"): "open",
    ("upcoming", "restored"): "checked_in",
    ("open", "presence"): "seen",
    ("open", "check_in"): "checked_in",
    ("seen", "check_in"): "checked_in",
    ("open", "release"): "releasing",
    ("seen", "release"): "releasing",
    ("releasing", "kept_unseen"): "open",
    ("releasing", "kept_seen"): "seen",
    ("releasing", "kept_checked_in"): "checked_in",
    ("checked_in", "end_early"): "releasing",
    ("releasing", "confirmed"): "released",
    ("released", "restored"): "checked_in",
    ("open", "moved"): "upcoming",
    ("seen", "moved"): "upcoming",
    ("checked_in", "moved"): "upcoming",
    ("upcoming", "ended"): "over",
    ("open", "ended"): "over",
    ("seen", "ended"): "over",
    ("checked_in", "ended"): "over",
    ("releasing", "ended"): "over",
    ("released", "ended"): "over",
}

CAUSES: Final[dict[Cause, str]] = {
    "opened": "early_arrival before its start",
    "presence": "a healthy sensor showed presence in its own time",
    "check_in": "lasting presence, or a person",
    "moved": "the organizer chose another time",
    "release": "every release rule permits",
    "end_early": "every release rule permits, and the policy ends bookings early",
    "kept_unseen": "the release was withdrawn or not applied, nobody seen",
    "kept_seen": "the release was withdrawn or not applied, somebody seen",
    "kept_checked_in": "end early was withdrawn or not applied",
    "confirmed": "Exchange shows the occurrence gone or declined",
    "restored": "it came back after its release",
    "ended": "its end, its cancellation, or a person",
}


class ImpossibleTransition(Exception):  # noqa: N818 - it is a broken promise of our own, not an input error
    """The table has no such transition: a fault in the core, never an input's."""


END_SLACK_MS: Final[Duration] = MINUTE_MS
"""Exchange may round the end that it was given."""


class Life(msgspec.Struct, omit_defaults=True):
    """All that is remembered of one booking while it lasts. Instants are `NEVER` until they happen."""

    booking: Booking
    first_seen_at: Instant
    state: State = "upcoming"
    moved_at: Instant = NEVER
    policy: Policy = Policy()
    """Pinned when it opened; a later change may only lengthen what is left."""
    grace_ms: Duration = 0
    """Effective grace, pinned with the policy."""
    live: bool = False
    """Its room was live when it opened: what is decided is also written."""
    early: bool = False
    """Somebody was there in its early window: it will be seen at its start."""
    seen_at: Instant = NEVER
    checked_in_at: Instant = NEVER
    checked_in_by_person: bool = False
    last_hit: Instant = NEVER
    last_presence: Instant = NEVER
    """The last sign of presence, of any health, between its start and its end."""
    kept: bool = False
    warned_at: Instant = NEVER
    warned_since: Instant = NEVER
    """Since when nothing had been shown when the warning was given."""
    withheld: str = ""
    """Why it is not released: a reason code, with its sensor. The cause that reports count."""
    announced: str = ""
    """The cause that was last announced."""
    release_kind: Literal["", "no_show", "brief_visit", "end_early"] = ""
    write: int | None = None
    """The id of the release write under way."""
    withdrawn: bool = False
    withdrawn_because: tuple[Reason, ...] = ()
    gone: bool = False
    """It left the calendar while its release was under way."""
    retry_at: Instant = NEVER
    released_at: Instant = NEVER
    would_release_at: Instant = NEVER
    restored: bool = False
    shown_again: bool = False
    """The calendar shows it after its release: back, unless that read was a stale one."""
    ended: bool = False
    """It was ended before its time: by a person, or because everybody had left."""
    ended_at: Instant = NEVER
    shown_short_at: Instant = NEVER
    """When the calendar first showed it with its early end."""
    returned_at: Instant = NEVER
    """When somebody was first there, or wanted it, after it was released, or would have been (shadow)."""
    returned_by: str = ""
    """The sensor that showed them; empty: a person said so."""
    extend_again_at: Instant = NEVER
    """When a walk-up may be asked again to be longer: until then the last time may still come true."""
    breaches: tuple[str, ...] = ()
    """The rules for bookings that it breaks, as far as told."""
    refusal: int | None = None
    """The id of the write that declines it for one of them."""
    reported_wrong: bool = False
    """A person said that its release was wrong; said again, it is the same mistake."""
    longest_gap_ms: Duration = 0
    """The longest quiet between two signs in its own time."""
    occupied_ms: Duration = 0
    proved_vacant: bool = False
    """At some moment in its own time the room was proven empty."""

    @property
    def due(self) -> Instant:
        """From here on it may be released: start, first seen by us, last move; plus effective grace."""
        return max(self.booking.start, self.first_seen_at, self.moved_at) + self.grace_ms

    def compare_end(self, booking: Booking, now: Instant) -> None:
        """Note when the calendar first shows it with its early end."""
        if self.ended and self.shown_short_at == NEVER and booking.end <= self.ended_at + END_SLACK_MS:
            self.shown_short_at = now

    def is_long_again(self, booking: Booking) -> bool:
        """The calendar showed it with its early end, and then with a later one."""
        was_short = self.ended and self.shown_short_at != NEVER
        return was_short and booking.end > self.ended_at + END_SLACK_MS

    @property
    def opens_at(self) -> Instant:
        """When its early window begins."""
        return self.booking.start - self.policy.early_arrival_ms

    @property
    def is_attended(self) -> bool:
        """Somebody was there for it."""
        return self.seen_at != NEVER or self.checked_in_at != NEVER

    @property
    def may_be_released(self) -> bool:
        """In a state that a release can start from (end early included, where the policy has it)."""
        return self.awaits_check_in or self.may_end_early

    @property
    def may_end_early(self) -> bool:
        """Checked in, and the policy ends bookings early whose people have left."""
        return self.state == "checked_in" and self.policy.end_early

    @property
    def awaits_check_in(self) -> bool:
        """Nobody is checked in for it yet."""
        return self.state in ("open", "seen")

    @property
    def awaits_people(self) -> bool:
        """Each sign may bring something at once: a check-in, or after its release the offer of the room."""
        return self.awaits_check_in or (self.state == "released" and self.returned_at == NEVER)

    @property
    def ends_early(self) -> bool:
        """What may be, or is being, taken from it is only its rest."""
        return self.may_end_early or (self.state == "releasing" and self.release_kind == "end_early")

    @property
    def is_ours(self) -> bool:
        """The gateway itself booked it: a hold or a walk-up."""
        return "hold" in self.booking.marks or "walk_up" in self.booking.marks

    @property
    def is_walk_up(self) -> bool:
        """It stands for unbooked use."""
        return "walk_up" in self.booking.marks

    def move(self, cause: Cause) -> None:
        """Follow the table; a missing entry is a fault of ours and stops the decision."""
        target = TRANSITIONS.get((self.state, cause))
        if target is None:
            raise ImpossibleTransition(f"{self.booking.key}: {self.state} has no transition for {cause}")
        self.state = target


class Previous(msgspec.Struct):
    """The newest attended booking that is over: what a handover needs to know of it."""

    start: Instant
    end: Instant
    last_presence: Instant


class Released(msgspec.Struct):
    """A release that happened, remembered so that it never happens twice."""

    at: Instant
    event_id: str
