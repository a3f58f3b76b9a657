"""What the steps of one tick share: the room, the moment, and the decisions so far."""

from collections.abc import Iterable
from typing import Final

from gateway.core.booking import Booking
from gateway.core.decisions import Action, Decision, DecisionKind, Method, Reason, Tally, Write
from gateway.core.life import Life
from gateway.core.room import Room
from gateway.core.units import MINUTE_MS, NEVER, Duration, Instant

WRITE_PATIENCE_MS: Final[Duration] = 2 * MINUTE_MS
"""A release that could not be written by then rests on old evidence and is decided anew."""


class Conclusion:
    """One tick in one room: what the steps share, and how they speak."""

    def __init__(self, room: Room, now: Instant, breaker: Reason | None, *, holiday: bool) -> None:
        self.room = room
        self.breaker = breaker
        self.holiday = holiday
        self.state = room.state
        self.now = now
        self.decisions: list[Decision] = []

    def say(
        self,
        kind: DecisionKind,
        life: Life | None,
        *reasons: Reason,
        write: Write | None = None,
        withdraws: int | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Decide, about one booking or (`life` None) about the room."""
        self.decisions.append(
            Decision(
                kind,
                self.state.config.id,
                self.now,
                booking=life.booking.key if life else "",
                live=life.live if life else self.state.mode == "live",
                reasons=reasons,
                write=write,
                withdraws=withdraws,
                tally=tally,
            )
        )

    def write(
        self,
        life: Life,
        action: Action,
        method: Method,
        deadline: Instant,
        new_end: Instant | None = None,
        breach: str = "",
    ) -> Write:
        """The next write to this booking; it goes out with the decision that carries it."""
        self.state.writes += 1
        booking = life.booking
        return Write(
            id=self.state.writes,
            action=action,
            method=method,
            event_id=booking.event_id,
            start=booking.start,
            end=booking.end,
            deadline=deadline,
            original_start=booking.original_start,
            series_id=booking.series_id,
            room_organises=booking.room_organises,
            new_end=new_end,
            breach=breach,
        )

    def drop_release(self, life: Life, reason: Reason) -> None:
        """Ask for the release under way not to be sent any more; its outcome tells what came of it."""
        if life.state == "releasing" and not life.withdrawn:
            life.withdrawn, life.withdrawn_because = True, (reason,)
            self.say("withdrawn", life, reason, withdraws=life.write)

    def cancel_warning(self, life: Life, reason: Reason) -> None:
        """What was warned of will not come, for this reason."""
        if life.warned_at != NEVER:
            life.warned_at = NEVER
            self.say("warning_cancelled", life, reason)

    def booking_of_our_own(self, action: Action, end: Instant, linked: str = "") -> Write:
        """A booking that the room itself organises, from now on."""
        self.state.writes += 1
        deadline = min(self.now + WRITE_PATIENCE_MS, end)
        number = self.state.writes
        return Write(
            number, action, "create", "", self.now, end, deadline, room_organises=True, linked=linked
        )

    def holding(self) -> list[Life]:
        """The bookings that hold the room: neither released nor over."""
        return [life for life in self.state.lives.values() if life.state not in ("released", "over")]


def release_method(booking: Booking) -> Method:
    """An attendee declines; an organizer can only cancel, or delete where there is nobody to tell."""
    if not booking.room_organises:
        return "decline"
    return "cancel" if booking.has_attendees else "delete"


def in_order(lives: Iterable[Life]) -> list[Life]:
    """By start, then key: the same everywhere."""
    return sorted(lives, key=lambda life: (life.booking.start, life.booking.key))
