"""What follows from a room's facts, worked out on a tick: one pass, in the order of the functions here.

1. people's words, outcomes of writes, calendar changes   (`_heed`)
2. bookings open, presence is attributed to them          (`_open`, `_attend`)
3. the room's occupancy                                   (`_watch`)
4. warnings, releases, what withholds or withdraws them   (`_release`)
5. bookings end                                           (`_finish`)

What they came to is counted in `gateway.core.tally`; when to look again is in `gateway.core.deadlines`.
"""

import copy
from collections.abc import Iterable
from typing import Final, Literal

from gateway.core.booking import Booking
from gateway.core.booking_rules import Standing, breaches, made_at, mercy
from gateway.core.decisions import (
    Action,
    Decision,
    DecisionKind,
    Method,
    Outcome,
    Reason,
    Tally,
    Write,
)
from gateway.core.events import (
    WITHDRAWN,
    Booked,
    CalendarRead,
    Cancelled,
    CheckedIn,
    Ended,
    Kept,
    ModeSet,
    Reviewed,
    WereHere,
    WriteOutcome,
)
from gateway.core.evidence import FOREVER, SILENT_ATTENDED_LIMIT, refresh_health
from gateway.core.life import Cause, Life, Previous, Released
from gateway.core.occupancy import Proof, effective_grace, judge, prove
from gateway.core.room import GAPS_KEPT, LONGEST_GAP_MS, Pending, Room, SeriesCount, Sign, WalkUp
from gateway.core.rules import Case, Weight, first_objection, stops_release_under_way
from gateway.core.tally import tally_of
from gateway.core.units import DAY_MS, MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.core.walk_up import ASK_AGAIN_AFTER_MS, HITS_NEEDED, extended_end, is_over, next_start, wanted

SHOWN_FOR_CHECK_IN_MS: Final[Duration] = 30 * SECOND_MS
HITS_FOR_CHECK_IN_WITHIN_MS: Final[Duration] = 5 * MINUTE_MS
HANDOVER_GAP_MS: Final[Duration] = 5 * MINUTE_MS
"""A booking that ended this long before the next start may hand its people over to it."""

WRITE_PATIENCE_MS: Final[Duration] = 2 * MINUTE_MS
"""A release that could not be written by then rests on old evidence and is decided anew."""

ASK_PATIENCE_MS: Final[Duration] = 45 * SECOND_MS
"""What a person asked for and that could not be sent by then is given up: they wait before the panel."""

RETRY_AFTER_MS: Final[Duration] = 2 * MINUTE_MS
STALE_READ_MS: Final[Duration] = 2 * MINUTE_MS
"""Exchange may show what was before a write for so long; only later does it count as somebody's change."""

SERIES_KEPT_MS: Final[Duration] = 60 * DAY_MS
"""A series without a counted occurrence for so long is forgotten."""

RETURN_WITHIN_MS: Final[Duration] = 15 * MINUTE_MS
"""People who come this soon after a release were probably on their way: it was probably wrong."""

REMEMBER_RELEASES_MS: Final[Duration] = 30 * DAY_MS


def conclude(
    room: Room, now: Instant, *, breaker: Reason | None = None, holiday: bool = False
) -> tuple[list[Decision], Proof]:
    """Conclude from everything recorded for this room, at `now`; deterministic, no I/O.

    `breaker`: why nothing is released on the whole site. `holiday`: empty rooms are no ghosts of a series.
    Returns the decisions, and how far the room's vacancy is proven under its present policy.
    """
    tick = _Conclusion(room, now, breaker, holiday=holiday)
    return tick.decisions, tick.run()


class _Conclusion:
    """One tick in one room."""

    def __init__(self, room: Room, now: Instant, breaker: Reason | None, *, holiday: bool) -> None:
        self.room = room
        self.breaker = breaker
        self.holiday = holiday
        self.state = room.state
        self.now = now
        self.decisions: list[Decision] = []

    def run(self) -> Proof:
        state = self.state
        self._account_occupied_time()
        pending, state.pending = state.pending, []
        for event in pending:
            self._heed(event)
        self._settle_restorations()
        if pending or self.room.next_opening <= self.now:
            for life in _in_order(life for life in state.lives.values() if self._may_open(life)):
                self._open(life)
            self.room.look_ahead()
        lives = _in_order(life for life in state.lives.values() if life.state != "upcoming")
        signs = self._signs()
        self._count_hits(signs)
        for life in lives:
            self._attend(life, signs)
        proof = self._watch(lives)
        state.proof_wanted = FOREVER
        for life in lives:
            self._release(life, proof)
        self._serve_walk_ups(lives, proof)
        for life in lives:
            if life.booking.end <= self.now and life.state != "over":
                self._finish(life, "ended")
        self._book_walk_up()
        self._announce_doubt()
        if proof.blocked is None and proof.until < proof.since:
            state.proof_wanted = min(state.proof_wanted, proof.since)
        state.signs = []
        state.attentive = any(life.is_undecided for life in state.lives.values())
        state.settled_at = self.now
        state.dirty = False
        return proof

    def _say(
        self,
        kind: DecisionKind,
        life: Life | None,
        *reasons: Reason,
        write: Write | None = None,
        withdraws: int | None = None,
        tally: Tally | None = None,
    ) -> None:
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

    def _account_occupied_time(self) -> None:
        """Add the time since the last tick to each booking it fell into, if the room was occupied."""
        state = self.state
        if state.occupancy.status != "occupied" or state.settled_at == NEVER:
            return
        for life in state.lives.values():
            if life.state == "upcoming":
                continue
            start = max(state.settled_at, life.booking.start)
            life.occupied_ms += max(0, min(self.now, life.booking.end) - start)

    # -- 1. people, writes, calendar ------------------------------------------------------------------

    def _heed(self, event: Pending) -> None:
        match event:
            case CalendarRead():
                for key in event.removed:
                    self._lose(key)
                for booking in sorted(event.changed, key=lambda b: b.key):
                    self._take(booking)
                    self._judge(booking.key)
            case WriteOutcome():
                self._settle_write(event)
            case ModeSet():
                self._set_mode(event)
            case WereHere():
                self._believe(event)
            case Reviewed():
                self._review(event)
            case CheckedIn() | Kept() | Ended():
                self._obey(event)
            case Booked() | Cancelled():
                self._ask(event)

    def _obey(self, event: CheckedIn | Kept | Ended) -> None:
        life = self._meant(event.booking, allow_next=isinstance(event, Kept))
        if life is None:
            self._say("refused", None, Reason("no_such_booking", text=event.booking))
            return
        if isinstance(event, Kept):
            life.kept = True
            self._say("kept", life, Reason("by_person", text=event.by), withdraws=life.refusal)
        elif isinstance(event, Ended) and self.now < life.booking.start + SECOND_MS:
            # Nothing of it could be left in Exchange, which knows whole seconds: who wants that cancels.
            self._say("refused", life, Reason("not_begun", at=life.booking.start))
        elif isinstance(event, Ended):
            self._end_by_person(life, event.by)
        else:
            self._open(life, at_once=True)
            self._check_in(life, Reason("by_person", text=event.by), by_person=True)

    def _meant(self, key: str, *, allow_next: bool) -> Life | None:
        """The booking a person means: by key, or the current one, or the next about to start."""
        lives = [life for life in self.state.lives.values() if life.state not in ("released", "over")]
        if key:
            return next((life for life in lives if life.booking.key == key), None)
        lives.sort(key=lambda life: (life.booking.start, life.booking.key))
        current = [life for life in lives if life.booking.start <= self.now < life.booking.end]
        if current:
            return current[-1]
        coming = [life for life in lives if life.booking.start > self.now]
        coming = coming if allow_next else [life for life in coming if life.opens_at <= self.now]
        return coming[0] if coming else None

    def _end_by_person(self, life: Life, by: str) -> None:
        write = None
        if life.live:
            write = self._write(life, "shorten", "patch_end", life.booking.end, new_end=self.now)
        self._drop_release(life, Reason("by_person", text=by))
        self._say("ended", life, Reason("by_person", text=by), write=write)
        self._finish(life, "ended_early")

    def _believe(self, event: WereHere) -> None:
        """We were here: file the release as wrong, stop releasing, give back what is still free."""
        lives = _in_order(life for life in self.state.lives.values() if life.state == "released")
        meant = [life for life in lives if event.booking in ("", life.booking.key)]
        if not meant:
            self._say("refused", None, Reason("no_such_release", text=event.booking))
            return
        life = meant[-1]
        self.state.wrong_releases += not life.reported_wrong
        life.reported_wrong = True
        self.state.paused_at = self.now
        write: Write | None = None
        end = min(life.booking.end, next_start(self.room, self.now))
        running = [o.booking for o in self._holding() if o.booking.start <= self.now < o.booking.end]
        held = [booking.end for booking in running if "hold" in booking.marks]
        given = Reason("not_free")
        if life.live and not running and end > self.now:
            write = self._booking_of_our_own("hold", end, linked=life.booking.event_id)
            given = Reason("given_back", until=end)
        elif held:  # they have said so before
            given = Reason("given_back", until=max(held))
        self._say("wrong_release", life, Reason("by_person", text=event.by), given, write=write)

    def _ask(self, event: Booked | Cancelled) -> None:
        """A person books, or gives up what was booked: of the room itself."""
        if isinstance(event, Cancelled):
            self._cancel(event)
        else:
            self._book(event)

    def _book(self, event: Booked) -> None:
        """A person asks for the room. Whether it is free is seen in Exchange, right before the write."""
        why = Reason("mode_shadow") if self.state.mode != "live" else Reason("over")
        if self.state.mode != "live" or event.end <= self.now:
            self._say("refused", None, why)
            return
        self.state.writes += 1
        write = Write(
            self.state.writes,
            "book",
            "create",
            event.replaces,
            event.start,
            event.end,
            min(self.now + ASK_PATIENCE_MS, event.end),
            room_organises=True,
            linked=event.ask,
        )
        asked = Reason("asked_for", at=event.start, until=event.end)
        self._say("booking_asked", None, Reason("by_person", text=event.by), asked, write=write)

    def _cancel(self, event: Cancelled) -> None:
        """A person gives up a booking of the room itself, before it begins; afterwards it is ended."""
        life = self._meant(event.booking, allow_next=True)
        if life is None or not event.booking or not life.booking.room_organises:
            self._say("refused", life, Reason("no_such_booking", text=event.booking))
        elif self.now >= life.booking.start + SECOND_MS:
            self._say("refused", life, Reason("begun", at=life.booking.start))
        elif self.state.mode != "live":
            self._say("refused", life, Reason("mode_shadow"))
        else:
            deadline = self.now + ASK_PATIENCE_MS
            write = self._write(life, "cancel", _release_method(life.booking), deadline)
            self._say("cancel_asked", life, Reason("by_person", text=event.by), write=write)

    def _review(self, event: Reviewed) -> None:
        if self.state.paused_at == NEVER:
            return
        reasons = (Reason("by_person", text=event.by), Reason("paused", at=self.state.paused_at))
        self.state.paused_at = NEVER
        self._say("reviewed", None, *reasons)

    def _holding(self) -> list[Life]:
        return [life for life in self.state.lives.values() if life.state not in ("released", "over")]

    def _set_mode(self, event: ModeSet, reason: Reason | None = None) -> None:
        if event.mode == self.state.mode:
            return
        self.state.mode = event.mode
        reason = reason or Reason("by_person", text=event.by)
        if event.mode == "shadow":
            for life in self.state.lives.values():
                self._drop_release(life, reason)
                life.live = False
        self._say("mode", None, reason, Reason(f"mode_{event.mode}"))

    def _settle_write(self, event: WriteOutcome) -> None:
        if self.state.walk_up is not None and self.state.walk_up.write == event.write:
            if event.result != "applied":
                self.state.walk_up.again_at = self.now + ASK_AGAIN_AFTER_MS
            return
        if self._settle_refusal(event):
            return
        loose = self.state.loose_writes.pop(event.write, None)
        if loose is not None and event.result == "applied":
            self._remember_release(*loose)
        for life in self.state.lives.values():
            if life.write == event.write and life.state == "releasing":
                life.write = None
                if event.result == "applied":
                    self._confirm(life)
                elif event.result == "superseded" and event.why == WITHDRAWN:
                    self._keep(life, Reason("write_withdrawn"), *life.withdrawn_because)
                else:
                    self._keep(life, Reason(f"write_{event.result}", text=event.why))
                return

    def _confirm(self, life: Life) -> None:
        if life.release_kind == "end_early":
            self._finish(life, "ended_early")
            return
        life.move("confirmed")
        life.released_at = self.now
        life.shown_again = False
        self._remember_release(life.booking.key, life.booking.event_id)
        self._say("released", life, Reason("confirmed", until=life.booking.end))

    def _remember_release(self, key: str, event_id: str) -> None:
        released = self.state.released
        released[key] = Released(self.now, event_id)
        for old in [k for k, memory in released.items() if memory.at < self.now - REMEMBER_RELEASES_MS]:
            del released[old]

    def _keep(self, life: Life, *reasons: Reason) -> None:
        """The release did not come to pass: the booking lives on, or goes if the calendar says so."""
        life.move(_kept_as(life))
        life.withdrawn, life.withdrawn_because = False, ()
        life.warned_at = NEVER
        life.retry_at = self.now + RETRY_AFTER_MS
        self._say("not_released", life, *reasons)
        if life.checked_in_by_person:
            self._check_in(life, Reason("by_person"), by_person=True)
        if life.gone:
            self._finish(life, "cancelled")
        elif life.moved_at > life.seen_at and life.booking.start > self.now:
            self._restart(life)

    def _lose(self, key: str) -> None:
        life = self.state.lives.get(key)
        if life is None:
            return
        if life.state == "released":
            life.shown_again = False
        elif life.state == "releasing":
            life.gone = True
        else:
            self._finish(life, "cancelled")

    def _take(self, booking: Booking) -> None:
        life = self.state.lives.get(booking.key)
        if life is None:
            self._meet(booking)
            return
        if not booking.is_decided_on:
            self._lose(booking.key)
            return
        before, life.booking = life.booking, booking
        life.gone = False
        if life.state == "released":
            life.shown_again = True
        elif booking.start != before.start:
            life.moved_at = self.now
            if life.state == "releasing":
                self._drop_release(life, Reason("moved", at=before.start))
            else:
                self._restart(life)

    def _meet(self, booking: Booking) -> None:
        """A booking seen for the first time, or back after it had left."""
        state = self.state
        life = state.departed.get(booking.key)
        if life is not None:
            life.compare_end(booking, self.now)
        if not booking.is_decided_on or booking.end <= self.now:
            return
        if life is not None and self._stays_ended(life, booking):
            return
        same_time = life is not None and life.booking.start == booking.start
        if life is None or (life.ended and not same_time) or booking.key in state.released:
            life = Life(booking, self.now, policy=state.config.policy)
        else:
            life.restored |= life.ended
            life.ended, life.shown_short_at = False, NEVER
            life.booking = booking
            life.gone = False
            life.first_seen_at = self.now  # its grace begins anew
            if booking.key in state.declined:
                life.breaches = ()  # worth telling again: somebody insists
            if life.state == "releasing" and life.write is None:
                life.move("kept_checked_in")  # it was ended early, and was made long again
        state.departed.pop(booking.key, None)
        state.lives[booking.key] = life
        if life.write is not None:
            state.loose_writes.pop(life.write, None)
        if booking.key in state.released:
            self._restore(life)
        elif not same_time and life.state != "upcoming":
            life.moved_at = self.now
            self._restart(life)

    def _stays_ended(self, life: Life, booking: Booking) -> bool:
        """It was ended, and our own mark on it, or its shortened end, is no new booking.

        It is one if it was made longer since. That a read cannot show which is older than the shortened end.
        [A stale one would end a walk-up that was over a second time, and make its past longer.]
        """
        cannot_be_stale = self.state.calendar_read_at - life.shown_short_at > STALE_READ_MS
        is_new = life.booking.start != booking.start or (life.is_long_again(booking) and cannot_be_stale)
        return life.ended and not is_new

    # -- rules for bookings ---------------------------------------------------------------------------

    def _judge(self, key: str) -> None:
        """Tell of each rule that a booking breaks, once; decline it where its policy says so."""
        life = self.state.lives.get(key)
        if life is None or life.is_ours or life.state in ("releasing", "released"):
            return
        rules = self.state.config.policy.rules
        made = made_at(life.first_seen_at, self.state.looked_before)
        found = [one for one in breaches(life.booking, made, rules) if one[0] not in life.breaches]
        if not found:
            return
        life.breaches += tuple(breach for breach, _ in found)
        reasons = [reason for _, reason in found]
        refused = next((breach for breach, _ in found if rules.consequence(breach) == "decline"), None)
        if refused is None or life.refusal is not None:
            self._say("rule_broken", life, *reasons)
            return
        mercy_shown = mercy(self._standing(life))
        if mercy_shown is not None:
            self._say("rule_broken", life, *reasons, mercy_shown)
            return
        deadline = min(self.now + WRITE_PATIENCE_MS, life.booking.start - self._early_ms())
        write = self._write(life, "refuse", "decline", deadline, breach=refused)
        life.refusal = write.id
        self._say("rule_broken", life, *reasons, Reason("rule_declines"), write=write)

    def _standing(self, life: Life) -> Standing:
        booking, state = life.booking, self.state
        return Standing(
            booking,
            has_opened=life.state != "upcoming" or booking.start - self._early_ms() <= self.now,
            is_kept=life.kept,
            is_exempt=bool(booking.marks) or state.config.exempt,
            was_declined=booking.key in state.declined,
            in_shadow=state.mode != "live",
        )

    def _early_ms(self) -> Duration:
        return self.state.config.policy.early_arrival_ms

    def _settle_refusal(self, event: WriteOutcome) -> bool:
        """What came of declining a booking; False if the write was another one."""
        for life in (*self.state.lives.values(), *self.state.departed.values()):
            if life.refusal == event.write:
                break
        else:
            return False
        life.refusal = None
        if event.result != "applied":
            self._say("not_declined", life, Reason(f"write_{event.result}", text=event.why))
            return True
        declined = self.state.declined
        declined[life.booking.key] = self.now
        for old in [key for key, at in declined.items() if at < self.now - REMEMBER_RELEASES_MS]:
            del declined[old]
        self._say("declined", life, Reason("confirmed", until=life.booking.end))
        return True

    def _settle_restorations(self) -> None:
        """What was released or ended, and is shown as if not when no read can be stale any more, is back."""
        for key in [key for key, life in self.state.departed.items() if life.ended]:
            if key in self.state.calendar:
                self._meet(self.state.calendar[key])
        for life in list(self.state.lives.values()):
            if life.state == "released" and life.shown_again:
                memory = self.state.released[life.booking.key]
                renewed = life.booking.event_id != memory.event_id
                if renewed or self.now - memory.at > STALE_READ_MS:
                    self._restore(life)

    def _restore(self, life: Life) -> None:
        """Back after its release: it is wanted. It starts checked in and is never released again."""
        life.live = self.state.mode == "live"
        life.restored = True
        life.move("restored")
        life.checked_in_at, life.checked_in_by_person = self.now, True
        memory = self.state.released[life.booking.key]
        write = self._write(life, "check_in", "category", life.booking.end) if life.live else None
        self._say("restored", life, Reason("released_before", at=memory.at), write=write)

    def _restart(self, life: Life) -> None:
        """Moved to another time: what sensors saw belongs to the old one; a person's word stays."""
        if life.state == "upcoming" or (life.state == "checked_in" and life.checked_in_by_person):
            return
        if life.state == "checked_in":
            self._say("check_in_dropped", life, Reason("moved", at=life.moved_at))
        life.move("moved")
        life.early = False
        life.withheld = life.announced = ""
        life.proved_vacant = False
        life.occupied_ms = 0
        life.seen_at = life.checked_in_at = life.last_hit = life.last_presence = NEVER
        life.warned_at = life.would_release_at = life.retry_at = NEVER

    # -- 2. opening and attendance --------------------------------------------------------------------

    def _may_open(self, life: Life) -> bool:
        return life.state == "upcoming" and life.opens_at <= self.now

    def _open(self, life: Life, *, at_once: bool = False) -> None:
        """Pin policy and mode, `early_arrival` before the start (or when a person acts on it)."""
        if life.state != "upcoming" or not (at_once or self._may_open(life)):
            return
        life.policy = self.state.config.policy
        life.grace_ms = effective_grace(life.policy, self.room.profiles)
        life.live = self.state.mode == "live"
        life.move("opened")
        self._say("opened", life, Reason("grace", value=life.grace_ms, until=life.due))

    def _signs(self) -> list[Sign]:
        """The signs since the last tick, and what is being shown right now, in a fixed order."""
        showing = [
            Sign(
                sensor.shown_since,
                self.now,
                profile.id,
                hit=False,
                healthy=self.now <= sensor.well_until,
                late=False,
            )
            for profile, sensor, _, _ in self.room.sensors.values()
            if sensor.showing and profile.in_service
        ]
        return sorted(self.state.signs + showing)

    def _count_hits(self, signs: list[Sign]) -> None:
        """How surely the room is in use: a sensor that shows presence all the time counts as two hits."""
        for sign in signs:
            lasts = self.room.sensors[sign.sensor].profile.senses != "motion"
            if sign.healthy and not sign.late:
                self.state.hits += 1 if sign.hit else HITS_NEEDED * lasts

    def _eligible_from(self, life: Life) -> Instant:
        """From when on presence counts for this booking: its early window, or the end of a handover.

        During a handover the people of the meeting before may still be there. It is over early when
        vacancy was proven after their last sign: whoever comes then is new.
        """
        opens = life.opens_at
        latest = opens
        for before in self._attended_before(life):
            if before.end < life.booking.start - HANDOVER_GAP_MS:
                continue
            ends = life.booking.start + life.policy.handover_ms
            if self.state.vacated_at > before.last_presence:
                ends = min(ends, max(opens, self.state.vacated_at))
            latest = max(latest, ends)
        return latest

    def _attended_before(self, life: Life) -> Iterable[Previous]:
        if self.state.previous is not None and self.state.previous.start < life.booking.start:
            yield self.state.previous
        for other in self.state.lives.values():
            if other.is_attended and not other.is_walk_up and other.booking.start < life.booking.start:
                yield Previous(other.booking.start, other.booking.end, other.last_presence)

    def _note_gap(self, life: Life, sign: Sign) -> None:
        """How quiet people are: between two signs in one booking they were probably there."""
        gap = sign.start - life.last_presence
        if life.last_presence != NEVER and LONGEST_GAP_MS >= gap > life.longest_gap_ms:
            life.longest_gap_ms = gap

    def _note_return(self, life: Life, signs: list[Sign]) -> None:
        """Somebody came after the release: offer the room back, and count it against shadow's record."""
        since = max(life.released_at, life.would_release_at)
        if since == NEVER or life.returned_at != NEVER:
            return
        after = [s for s in signs if s.healthy and s.end > since and s.start < life.booking.end]
        if after:
            life.returned_at = max(after[0].start, since)
            if life.state == "released" and life.returned_at <= since + RETURN_WITHIN_MS:
                self._say("offered_back", life, Reason("shown", after[0].sensor, at=life.returned_at))

    def _attend(self, life: Life, signs: list[Sign]) -> None:
        """Attribute signs of presence to the booking: seen, checked in."""
        self._note_return(life, signs)
        if life.state in ("upcoming", "released", "over"):
            return
        start, end, opens_at = life.booking.start, life.booking.end, life.opens_at
        settled = life.state == "checked_in" and life.seen_at != NEVER  # no sign can add to that
        eligible = FOREVER if settled else self._eligible_from(life)
        for sign in signs:
            if sign.end < opens_at or sign.start >= end:
                continue
            if sign.end >= start:
                self._note_gap(life, sign)
                life.last_presence = max(life.last_presence, min(sign.end, end))
            if sign.healthy and sign.end >= eligible:
                self._weigh(life, sign, eligible)
        if life.early and life.seen_at == NEVER and self.now >= start:
            self._see(life, start, Reason("came_early"))

    def _weigh(self, life: Life, sign: Sign, eligible: Instant) -> None:
        """Work out what one sign of a healthy sensor in this booking's time shows."""
        profile = self.room.sensors[sign.sensor].profile
        start, end = life.booking.start, life.booking.end
        touched = min(sign.end, end)
        shown_ms = touched - max(sign.start, eligible)
        if profile.senses == "motion" and not sign.hit:
            # A motion sensor's on-time is one hit; beyond its own hold it means that motion went on.
            last_motion = touched - profile.device_hold_ms
            if last_motion > max(sign.start, eligible):
                self._note_presence(life, last_motion, Reason("shown", sign.sensor, at=last_motion))
            if shown_ms >= profile.device_hold_ms + SHOWN_FOR_CHECK_IN_MS and touched >= start:
                self._check_in_by_sensor(life, sign, Reason("motion_lasted", sign.sensor, value=shown_ms))
            return
        if sign.hit and sign.start < eligible:
            return
        self._note_presence(life, touched, Reason("shown", sign.sensor, at=sign.start))
        if touched >= start:
            if sign.hit:
                self._check_in_by_second_hit(life, sign)
            elif profile.senses == "count":
                self._check_in_by_sensor(life, sign, Reason("counted", sign.sensor, at=sign.start))
            elif shown_ms >= SHOWN_FOR_CHECK_IN_MS:
                self._check_in_by_sensor(life, sign, Reason("shown_long", sign.sensor, value=shown_ms))
        if sign.hit and not sign.late and profile.role != "door":
            life.last_hit = sign.start

    def _note_presence(self, life: Life, at: Instant, reason: Reason) -> None:
        """Somebody was there: seen, or in the early window, to be seen at the start."""
        if at < life.booking.start:
            life.early = True
        else:
            self._see(life, at, reason)

    def _check_in_by_second_hit(self, life: Life, sign: Sign) -> None:
        if (
            life.last_hit != NEVER
            and life.last_hit < sign.start <= life.last_hit + HITS_FOR_CHECK_IN_WITHIN_MS
        ):
            self._check_in_by_sensor(life, sign, Reason("two_hits", sign.sensor, at=life.last_hit))

    def _check_in_by_sensor(self, life: Life, sign: Sign, reason: Reason) -> None:
        """A door tells of arrivals, not of a meeting; a late message cannot tell when it was made."""
        if not sign.late and self.room.sensors[sign.sensor].profile.role != "door":
            self._check_in(life, reason, by_person=False)

    def _see(self, life: Life, at: Instant, reason: Reason) -> None:
        if life.seen_at != NEVER:
            return
        life.seen_at = at
        if life.state == "open":
            life.move("presence")
            self._say("seen", life, reason)

    def _check_in(self, life: Life, reason: Reason, *, by_person: bool) -> None:
        if life.state == "checked_in":
            life.checked_in_by_person |= by_person
            return
        if life.seen_at == NEVER and not by_person:
            life.seen_at = max(self.now, life.booking.start)
        if life.state == "releasing":
            self._drop_release(life, reason)
            life.checked_in_by_person |= by_person  # the withdrawn write's outcome comes first
            return
        life.move("check_in")
        life.checked_in_at, life.checked_in_by_person = self.now, by_person
        self._cancel_warning(life, reason)
        write = self._write(life, "check_in", "category", life.booking.end) if life.live else None
        self._say("checked_in", life, reason, write=write)

    # -- 3. occupancy ---------------------------------------------------------------------------------

    def _watch(self, lives: list[Life]) -> Proof:
        state = self.state
        proof = prove(self.room.sensors, self.room.panel(self.room.grace_ms), self.now)
        deaf = self.room.deaf
        occupancy = judge(self.room.sensors, proof, deaf, self.now)
        if deaf is None and proof.vacant:
            state.vacated_at = self.now
            for life in lives:
                own_time = life.booking.start <= proof.until and self.now < life.booking.end
                life.proved_vacant |= own_time
        changed = occupancy.status != state.occupancy.status or (
            occupancy.status == "unknown" and _codes(occupancy.why) != _codes(state.occupancy.why)
        )
        if occupancy.status != "occupied":
            state.occupied_since, state.hits = NEVER, 0
        elif state.occupied_since == NEVER:
            state.occupied_since = self.now
        state.occupancy = occupancy
        if changed:
            at = None if occupancy.since == NEVER else occupancy.since
            self._say("occupancy", None, Reason(occupancy.status, at=at), *occupancy.why)
        return proof

    # -- 4. release -----------------------------------------------------------------------------------

    def _release(self, life: Life, proof: Proof) -> None:
        if life.grace_ms != self.room.grace_ms:
            proof = prove(self.room.sensors, self.room.panel(life.grace_ms), self.now)
        if life.state == "releasing" and not life.withdrawn:
            reason = stops_release_under_way(case_of(self.room, life, self.now, proof, self.breaker))
            if reason is not None:
                self._drop_release(life, reason)
        if not life.may_be_released or self.now < life.booking.start or life.would_release_at != NEVER:
            return
        case = case_of(self.room, life, self.now, proof, self.breaker)
        never = first_objection(case, "never")
        if never is not None:
            if not life.may_end_early:
                life.withheld = never[1].code
            return
        if case.proof.until < case.earliest:
            self.state.proof_wanted = min(self.state.proof_wanted, case.earliest)
        doubt = first_objection(case, "doubt")
        self._warn(case, doubt)
        objection = doubt or first_objection(case, "time")
        if objection is None:
            self._let_go(case)
        else:
            self._withhold(case, *objection)

    def _warn(self, case: Case, doubt: tuple[Weight, Reason] | None) -> None:
        life = case.life
        if life.warned_at != NEVER and case.proof.since > life.warned_since:
            self._cancel_warning(life, Reason("presence_since", at=case.proof.since))
        warn_at = max(case.proof.since, case.earliest - life.policy.warn_before_release_ms)
        expected = doubt is None and self.now >= warn_at
        if expected and life.warned_at == NEVER:
            life.warned_at, life.warned_since = self.now, case.proof.since
            release_at = max(case.earliest, self.now + life.policy.warn_before_release_ms)
            self._say("warned", life, Reason("release_expected", at=case.proof.since, until=release_at))
        elif not expected:
            self._cancel_warning(life, doubt[1] if doubt else Reason("presence_since", at=case.proof.since))

    def _cancel_warning(self, life: Life, reason: Reason) -> None:
        if life.warned_at != NEVER:
            life.warned_at = NEVER
            self._say("warning_cancelled", life, reason)

    def _withhold(self, case: Case, weight: Weight, reason: Reason) -> None:
        """Announce once per cause why a due release is not done; plain waiting needs no words."""
        if self.now < case.life.due or case.life.may_end_early:
            return  # that a booking is not ended early needs no words
        cause = f"{reason.code} {reason.sensor}".rstrip()
        worth_saying = weight == "doubt" or reason.code == "vacancy_too_young"
        if worth_saying and cause != case.life.announced:
            self._say("withheld", case.life, reason)
            case.life.announced = cause
        if reason.code != "too_little_left" or not case.life.withheld:
            case.life.withheld = cause  # running out of time is what comes of another cause

    def _let_go(self, case: Case) -> None:
        life, proof = case.life, case.proof
        life.release_kind = _release_kind(life)
        reasons = (
            Reason(life.release_kind, value=case.window_ms),
            Reason("proven_vacant", at=proof.since, until=proof.until, text=", ".join(proof.provers)),
            Reason("due", at=life.due, value=life.grace_ms),
            Reason("warned", at=life.warned_at),
            Reason("calendar_read", at=case.calendar_read_at),
        )
        life.withheld = ""
        if not life.live:
            life.would_release_at = self.now
            life.warned_at = NEVER  # it has come true, as far as it does in shadow
            self._say("would_release", life, *reasons)
            return
        latest = life.booking.end - life.policy.min_remaining_ms
        deadline = min(self.now + WRITE_PATIENCE_MS, latest)
        if life.release_kind == "end_early":
            write = self._write(life, "end_early", "patch_end", deadline, new_end=self.now)
            life.move("end_early")
        else:
            write = self._write(life, "release", _release_method(life.booking), deadline)
            life.move("release")
        life.write = write.id
        self._say("release", life, *reasons, write=write)

    def _drop_release(self, life: Life, reason: Reason) -> None:
        """Ask for the release under way not to be sent any more; its outcome tells what came of it."""
        if life.state == "releasing" and not life.withdrawn:
            life.withdrawn, life.withdrawn_because = True, (reason,)
            self._say("withdrawn", life, reason, withdraws=life.write)

    def _write(
        self,
        life: Life,
        action: Action,
        method: Method,
        deadline: Instant,
        new_end: Instant | None = None,
        breach: str = "",
    ) -> Write:
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

    # -- walk-ups ------------------------------------------------------------------------------------

    def _serve_walk_ups(self, lives: list[Life], proof: Proof) -> None:
        """Extend and free what was booked for those who use the room without a booking."""
        if not self.state.config.policy.walk_up:
            return
        for life in lives:
            if not life.is_walk_up or life.state == "over" or not life.booking.start <= self.now:
                continue
            self.state.walk_up = None
            new_end = extended_end(self.room, life, self.now)
            if is_over(life, proof, self.now):
                self._end_walk_up(life, proof)
                continue
            if proof.blocked is None:  # the first message after that proves it over
                left = proof.since + life.policy.vacate_ms
                self.state.proof_wanted = min(self.state.proof_wanted, left)
            if new_end is not None and life.live and self.now >= life.extend_again_at:
                life.extend_again_at = self.now + WRITE_PATIENCE_MS
                write = self._write(
                    life, "extend", "patch_end", self.now + WRITE_PATIENCE_MS, new_end=new_end
                )
                self._say("extended", life, Reason("in_use", until=new_end), write=write)

    def _book_walk_up(self) -> None:
        """Book the room for those who use it without a booking; until its end it was the last one's."""
        want = wanted(self.room, self.now)
        if want is not None:
            since = Reason("in_use_since", at=self.state.occupied_since, until=want.end)
            asked = self._booking_of_our_own("walk_up", want.end) if self.state.mode == "live" else None
            self.state.walk_up = WalkUp(0 if asked is None else asked.id, want.end)
            self._say("walk_up", None, since, write=asked)

    def _end_walk_up(self, life: Life, proof: Proof) -> None:
        write = None
        if life.live:
            deadline = self.now + WRITE_PATIENCE_MS
            write = self._write(life, "shorten", "patch_end", deadline, new_end=self.now)
        proven = Reason("proven_vacant", at=proof.since, until=proof.until, text=", ".join(proof.provers))
        self._say("ended", life, proven, write=write)
        self._finish(life, "ended_early")

    def _booking_of_our_own(self, action: Action, end: Instant, linked: str = "") -> Write:
        """A booking that the room itself organises, from now on."""
        self.state.writes += 1
        deadline = min(self.now + WRITE_PATIENCE_MS, end)
        number = self.state.writes
        return Write(
            number, action, "create", "", self.now, end, deadline, room_organises=True, linked=linked
        )

    def _announce_doubt(self) -> None:
        doubted = self.state.doubted
        if doubted is not None and self.state.doubted_at == self.now:
            self._say("calendar_doubted", None, Reason("bookings_missing", value=len(doubted.removed)))

    # -- 5. the end -----------------------------------------------------------------------------------

    def _finish(self, life: Life, how: Outcome | str) -> None:
        """Count what the booking came to and forget it."""
        state = self.state
        if life.state != "released":
            self._cancel_warning(life, Reason("over"))
        tally = tally_of(life, how, self.now)
        self._let_depart(life, how)
        life.move("ended")
        del state.lives[life.booking.key]
        self._say("concluded", life, Reason(f"outcome_{tally.outcome}"), tally=tally)
        end = min(life.booking.end, self.now)
        if life.is_attended and not life.is_walk_up:
            if state.previous is None or end >= state.previous.end:
                state.previous = Previous(life.booking.start, end, life.last_presence)
            if life.checked_in_at != NEVER and tally.outcome != "cancelled":
                self._note_silent_sensors(life)
                state.gaps = [*state.gaps, life.longest_gap_ms][-GAPS_KEPT:]
        elif not (life.booking.all_day or life.is_ours or life.is_attended or tally.outcome == "cancelled"):
            state.unseen_streak += 1
        if tally.outcome != "cancelled":
            self._count_series(life, ghost=tally.ghost_ms > 0 and not life.is_attended)
        if life.would_release_at != NEVER:
            self._judge_shadow(life)

    def _count_series(self, life: Life, *, ghost: bool) -> None:
        """Ghosts in a row of one series are reported once; nothing is done to a series without a word."""
        series, limit = life.booking.series_id, self.state.config.policy.series_ghosts
        if not series or not limit or (ghost and self.holiday):
            return
        if not ghost:
            if life.is_attended:
                self.state.series.pop(series, None)
            return
        count = self.state.series.setdefault(series, SeriesCount())
        count.ghosts += 1
        count.booked_ms += life.booking.length_ms
        count.last = life.booking.start
        if count.ghosts >= limit and not count.reported:
            count.reported = True
            told = Reason("ghosts_in_a_row", value=count.ghosts)
            self._say("series_reported", life, told, Reason("series_booked", value=count.booked_ms))
        stale = [key for key, c in self.state.series.items() if c.last < self.now - SERIES_KEPT_MS]
        for key in stale:
            del self.state.series[key]

    def _judge_shadow(self, life: Life) -> None:
        """Count how shadow's release would have gone; a good record may set the room live."""
        record, policy = self.state.record, self.state.config.policy
        record.judged += 1
        soon = life.would_release_at + RETURN_WITHIN_MS
        record.wrong += life.returned_at != NEVER and life.returned_at <= soon
        passed = policy.live_after and record.judged >= policy.live_after
        if passed and record.wrong <= policy.live_if_wrong_at_most:
            room = self.state.config.id
            self._set_mode(ModeSet(room, "live"), Reason("shadow_record", value=record.judged))

    def _let_depart(self, life: Life, how: Outcome | str) -> None:
        """Keep it as it is for a day: an update of its organizer may bring it back."""
        departed = self.state.departed
        life.ended = how == "ended_early"
        life.ended_at = self.now
        if life.write is not None and life.release_kind != "end_early":
            self.state.loose_writes[life.write] = (life.booking.key, life.booking.event_id)
        if life.state != "released":
            departed[life.booking.key] = copy.copy(life)
        for key in [k for k, old in departed.items() if old.booking.end < self.now - DAY_MS]:
            del departed[key]

    def _note_silent_sensors(self, life: Life) -> None:
        """A room sensor without one sign through several attended bookings may be stuck off."""
        for profile, sensor, bridge_online, _ in self.room.sensors.values():
            if profile.role == "room" and sensor.sign_at(self.now) < life.booking.start:
                sensor.silent_attended = min(sensor.silent_attended + 1, SILENT_ATTENDED_LIMIT)
                refresh_health(profile, sensor, bridge_online)


def _release_method(booking: Booking) -> Method:
    """An attendee declines; an organizer can only cancel, or delete where there is nobody to tell."""
    if not booking.room_organises:
        return "decline"
    return "cancel" if booking.has_attendees else "delete"


def _release_kind(life: Life) -> Literal["no_show", "brief_visit", "end_early"]:
    if life.may_end_early:
        return "end_early"
    return "brief_visit" if life.seen_at != NEVER else "no_show"


def _kept_as(life: Life) -> Cause:
    """How a booking goes on whose release did not come to pass."""
    if life.release_kind == "end_early":
        return "kept_checked_in"
    return "kept_seen" if life.seen_at != NEVER else "kept_unseen"


def case_of(
    room: Room, life: Life, now: Instant, proof: Proof | None = None, breaker: Reason | None = None
) -> Case:
    """What the release rules look at for this booking at this moment. `proof` if it is known already."""
    state = room.state
    return Case(
        now=now,
        room=state.config,
        life=life,
        proof=proof or prove(room.sensors, room.panel(life.grace_ms), now),
        deaf=room.deaf,
        calendar_read_at=state.calendar_read_at,
        calendar_why=state.calendar_why,
        unseen_streak=state.unseen_streak,
        overlapped_by=_overlapped_by(room, life),
        released=state.released.get(life.booking.key),
        usual_gap_ms=room.usual_gap_ms,
        paused_at=state.paused_at,
        doubted_at=state.doubted_at,
        breaker=breaker,
    )


def _overlapped_by(room: Room, life: Life) -> tuple[Instant, Instant] | None:
    """Start and end of an attended booking that overlaps this one."""
    previous = room.state.previous
    if previous is not None and previous.start < life.booking.end and life.booking.start < previous.end:
        return previous.start, previous.end
    for _, other in sorted(room.state.lives.items()):
        overlaps = other.booking.start < life.booking.end and life.booking.start < other.booking.end
        if other is not life and overlaps and other.is_attended:
            return other.booking.start, other.booking.end
    for relative in room.relatives:
        for _, other in sorted(relative.state.lives.items()):
            overlaps = other.booking.start < life.booking.end and life.booking.start < other.booking.end
            if overlaps and other.is_attended and other.state != "released":
                return other.booking.start, other.booking.end
    return None


def _in_order(lives: Iterable[Life]) -> list[Life]:
    """By start, then key: the same everywhere."""
    return sorted(lives, key=lambda life: (life.booking.start, life.booking.key))


def _codes(reasons: tuple[Reason, ...]) -> list[tuple[str, str]]:
    return [(reason.code, reason.sensor) for reason in reasons]
