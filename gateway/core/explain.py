"""Decisions in words. Every reason code has its sentence here; a test holds the core to that.

The core knows no time zone, so whoever asks brings `clock`, which words an instant for the reader.
"""

from collections.abc import Callable
from typing import Final

from gateway.core.decisions import Decision, DecisionKind, Reason
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant

Clock = Callable[[Instant], str]

HEADLINES: Final[dict[DecisionKind, str]] = {
    "opened": "The booking's time has come; policy and mode are fixed for it",
    "seen": "Somebody was here",
    "checked_in": "Checked in",
    "check_in_dropped": "The sensors' check-in ends, the booking was moved",
    "kept": "Kept: no automatic rule touches it any more",
    "warned": "Warning: the room will be given back unless somebody shows up",
    "warning_cancelled": "The warning is taken back",
    "release": "The room is being given back",
    "would_release": "The room would be given back now (shadow: nothing is written)",
    "withheld": "A release is due and withheld",
    "withdrawn": "The release is withdrawn before it is written",
    "released": "The room has been given back",
    "not_released": "The release did not come to pass",
    "restored": "The booking is back after its release and will not be released again",
    "ended": "Ended before its time",
    "concluded": "The booking is over",
    "occupancy": "The room's occupancy changed",
    "mode": "The room's mode changed",
    "refused": "The request could not be followed",
    "offered_back": "Somebody came just after the release: the room is offered back",
    "wrong_release": "The release was wrong: people were here, or on their way",
    "reviewed": "Somebody has looked: the room may be given back automatically again",
    "booking_asked": "A person asks for the room",
    "cancel_asked": "A person does not need the booking any more",
    "walk_up": "The room is in use without a booking",
    "extended": "The walk-up is extended",
    "series_reported": "Nobody comes to this series any more",
    "rule_broken": "The booking breaks a rule for bookings",
    "declined": "The room has declined the booking",
    "not_declined": "The booking was not declined",
    "calendar_doubted": "The calendar has lost most of its bookings; it is believed if it says so again",
    "breaker_opened": "Many rooms fell silent at once: nothing is given back until somebody has looked",
    "breaker_closed": "Rooms may be given back again",
}

SENTENCES: Final[dict[str, str]] = {
    # occupancy
    "occupied": "the room is occupied",
    "vacant": "the room is proven empty since {at}",
    "unknown": "it is unknown whether the room is empty",
    "shows_presence": "{sensor} has been showing presence since {at}",
    "shown_within_hold": "{sensor} showed presence at {at}, and people may still be there",
    "within_hold": "after the last sign people may still be there until {until}",
    "proof_awaited": "the sensors have vouched for vacancy up to {at}; it is needed up to {until}",
    # what a sensor suffers from
    "no_prover": "no sensor of this room can prove that it is empty",
    "never_heard": "{sensor} has not been heard yet",
    "overdue": "{sensor} is silent: it last spoke at {at} and should have spoken again",
    "stuck_on": "{sensor} has shown presence without a pause for longer than any meeting: it may be stuck",
    "stuck_off": "{sensor} showed nothing through several attended bookings: it may be stuck",
    "flapping": "{sensor} changes back and forth faster than people move",
    "offline": "{sensor} is reported offline",
    "bridge_offline": "the bridge of {sensor} is offline",
    "battery_dead": "the battery of {sensor} is empty",
    "fault": "{sensor} reports a fault",
    "tampered": "{sensor} reports that it was opened or moved",
    "out_of_service": "{sensor} is marked out of service",
    "state_unheard": "{sensor} has not told its state since hearing began at {at}",
    # what the gateway suffers from
    "not_hearing": "the gateway could not hear the sensors ({text})",
    "clock_untrusted": "the gateway's clock cannot be trusted",
    "calendar_stale": "the calendar could not be read since {at} ({text})",
    # attendance
    "came_early": "somebody came before its start",
    "shown": "{sensor} showed presence at {at}",
    "shown_long": "{sensor} showed presence for {value}",
    "counted": "{sensor} counted people at {at}",
    "motion_lasted": "{sensor} saw motion going on for {value}",
    "two_hits": "{sensor} saw motion again soon after {at}",
    "by_person": "a person said so ({text})",
    # rules for bookings
    "not_allowed": "its organizer may not book this room",
    "blackout": "the room is closed to bookings at that time",
    "too_many": "more people are invited than the room has seats for",
    "too_few": "far fewer people are invited than the room is meant for",
    "too_long": "it is longer than {value}",
    "too_late": "it was made less than {value} before its start",
    "too_early": "it was made more than {value} before its start",
    "rule_declines": "it is declined, and its organizer is told why",
    "rule_series": "it belongs to a series, about which a person decides",
    "rule_own_booking": "the room itself organises it, so it is only reported",
    "rule_exempt": "it is exempt, so it is only reported",
    "rule_kept": "a person has kept it, so it is only reported",
    "rule_declined_before": "it came back after it was declined, so a person decides",
    "rule_has_opened": "its time has come, so it is only reported",
    "rule_shadow": "the room is in shadow, so it is only reported",
    # exemptions
    "kept": "a person asked to keep it",
    "exempt_room": "the room is exempt",
    "exempt_all_day": "all-day entries are exempt",
    "exempt_length": "bookings longer than {value} are exempt",
    "exempt_organizer": "its organizer is exempt",
    "exempt_category": "its category is exempt",
    "exempt_hours": "it is outside the policy's hours",
    "exempt_hold": "the gateway gave it back to people who had lost the room",
    "exempt_walk_up": "it stands for people who use the room without a booking",
    "exempt_own_booking": "the policy leaves the room's own bookings alone",
    "released_before": "it was released once, at {at}",
    "lengthened_again": "it was ended early once, and somebody has made it longer again",
    "no_second_kind": "only a presence and a motion sensor together may end an attended booking",
    "no_history": (
        "the history of its sensors does not show yet that they notice everybody who sits still, "
        "so no attended booking is ended early"
    ),
    "too_short": "bookings shorter than {value} are not released",
    # release
    "not_due": "it is due at {until}",
    "vacancy_too_young": "a sign of presence counts until {at}; to be sure it must stay empty until {until}",
    "warning_first": "people must be warned first",
    "warning_runs": "the warning given at {at} runs until {until}",
    "release_expected": "nothing has been shown since {at}; the release follows at {until}",
    "presence_since": "there was a sign of presence that counts until {at}",
    "maybe_stuck_off": (
        "{sensor} alone proves this room and showed nobody in the last {count} bookings: it may be stuck"
    ),
    "overlaps_attended": "an attended booking overlaps it, from {at} to {until}",
    "too_little_left": "too little of it would be left ({value})",
    "write_failed": "the last attempt did not come to pass; the next follows after {until}",
    "paused": "a release was reported as wrong at {at}, and nobody has looked yet",
    "breaker_open": "{count} rooms fell silent together at {at}, and nobody has looked yet",
    "many_silent": "{count} of {text} rooms with a booking show nobody at the same time",
    "evidence_returned": "{count} of them show presence again",
    "was_open": "it had been open since {at}",
    "calendar_doubted": "the calendar has looked implausible since {at}",
    "bookings_missing": "{count} bookings are missing in it at once",
    "end_early": "everybody has left, and vacancy is required for {value}",
    "no_show": "nobody was seen, and vacancy is required for {value}",
    "brief_visit": "somebody was here briefly, and vacancy is required for {value} since",
    "proven_vacant": "proven empty from {at} to {until} by {text}",
    "due": "due since {at}, after {value} of grace",
    "warned": "warned at {at}",
    "calendar_read": "the calendar was read at {at}",
    "grace": "with {value} of grace it is due at {until}",
    "confirmed": "Exchange shows it gone; the room is free until {until}",
    "write_superseded": "what is in the calendar is no longer what was decided on ({text})",
    "write_withdrawn": "it was withdrawn before it was written",
    "write_expired": "it could not be written in time ({text})",
    "write_unclear": "nobody came, and Exchange did not show before the end whether the room was given back",
    "moved": "it was moved; before, it was at {at}",
    "over": "the booking is over",
    "no_such_booking": "there is no such booking now",
    "not_begun": "it has not begun, it starts at {at}; whoever does not need it cancels it",
    "no_such_release": "there is no booking now that was given back",
    "given_back": "the room is theirs again until {until}",
    "begun": "it began at {at}; whoever is done ends it",
    "asked_for": "from {at} until {until}",
    "not_free": "the room is not free any more, or in shadow mode",
    "in_use": "people are there; the room is theirs until {until}",
    "in_use_since": "people have been there since {at}; it is shown as busy until {until}",
    "ghosts_in_a_row": "nobody came to {count} occurrences in a row",
    "series_booked": "they had booked {value}",
    "shadow_record": "{count} releases in shadow mode, hardly one of them followed by people",
    "shadow_right": "it would have been given back at {at}, and nobody came soon after",
    "shadow_wrong": "it would have been given back at {at}, and at {until} somebody came or wanted it",
    "mode_live": "decisions are carried out from the next booking on",
    "mode_shadow": "decisions are recorded and nothing is written",
    # outcomes
    "outcome_attended": "it was attended",
    "outcome_brief_visit": "somebody was here briefly",
    "outcome_no_show_released": "nobody came, and the room was given back",
    "outcome_brief_visit_released": "a brief visit, and the room was given back",
    "outcome_no_show_kept": "nobody came, and the room was not given back",
    "outcome_ended_early": "it was ended early",
    "outcome_cancelled": "it was cancelled or moved away",
    "outcome_exempt": "it was exempt",
    "outcome_too_short": "it was too short to be released",
    "outcome_withheld": "nobody was seen, and the release was withheld to the end",
    "outcome_unknown": "nobody was seen, and the sensors could not tell whether anybody was there",
}


DAYS_FROM_MS: Final[Duration] = 2 * DAY_MS
"""Whole days are counted as such from here on."""


def words(duration_ms: Duration) -> str:
    """A duration for people: "10 min", "1 h 30 min", "45 s", "90 days"."""
    if duration_ms < MINUTE_MS:
        return f"{duration_ms // SECOND_MS} s"
    if duration_ms >= DAYS_FROM_MS and duration_ms % DAY_MS == 0:
        return f"{duration_ms // DAY_MS} days"
    hours, rest = divmod(duration_ms, HOUR_MS)
    minutes, rest = divmod(rest, MINUTE_MS)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    if rest >= SECOND_MS and not hours:
        parts.append(f"{rest // SECOND_MS} s")
    return " ".join(parts)


def explain_reason(reason: Reason, clock: Clock) -> str:
    """One reason as a clause without a full stop. Raises KeyError for a code without a sentence."""
    return SENTENCES[reason.code].format(
        sensor=reason.sensor,
        at=clock(reason.at) if reason.at is not None else "an unknown time",
        until=clock(reason.until) if reason.until is not None else "an unknown time",
        value=words(reason.value) if reason.value is not None else "",
        count=reason.value,
        text=reason.text or "no details",
    )


def explain(decision: Decision, clock: Clock) -> str:
    """A decision as one sentence: what was concluded, and each reason."""
    clauses = "; ".join(explain_reason(reason, clock) for reason in decision.reasons)
    headline = HEADLINES[decision.kind]
    return f"{headline}: {clauses}." if clauses else f"{headline}."
