"""Outcomes, and the causes of ghost hours that were not given back, in words for people.

The core knows a cause as a reason code (`Tally.cause`); here codes get their words and the group
under which they are added up. A test holds this table to the codes that the core can give.
"""

from typing import Final, Literal, NamedTuple, get_args

from gateway.core.decisions import Outcome

Group = Literal["grace", "shadow", "people", "sensors", "too_short", "exempt", "calendar", "gateway", "other"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)

OUTCOMES: Final[dict[Outcome, str]] = {
    "attended": "attended",
    "brief_visit": "somebody came only briefly",
    "no_show_released": "nobody came, given back",
    "brief_visit_released": "a brief visit, then given back",
    "no_show_kept": "nobody came, not given back",
    "withheld": "nobody came, withheld",
    "ended_early": "ended early",
    "exempt": "nobody came, exempt",
    "too_short": "nobody came, too short to give back",
    "unknown": "the sensors, or Exchange, could not tell",
    "cancelled": "cancelled or moved away",
}
"""Every outcome as the reports call it, in the order in which they list it."""


class Cause(NamedTuple):
    """Why ghost time was not given back."""

    group: Group
    words: str
    """Completes "not given back: …"."""


CAUSES: Final[dict[str, Cause]] = {
    "grace": Cause("grace", "waiting until it was sure: grace, warning and proof"),
    "shadow": Cause("shadow", "the room is in shadow mode"),
    "too_short": Cause("too_short", "the booking was too short to give anything back"),
    # people, or what looked like them
    "shows_presence": Cause("people", "a sensor showed presence that checked nobody in"),
    "presence_since": Cause("people", "a sign of presence came just before"),
    "shown_within_hold": Cause("people", "the room was still held for the people before"),
    "within_hold": Cause("people", "the room was still held for the people before"),
    "vacancy_too_young": Cause("people", "the people before left too late to be sure"),
    "overlaps_attended": Cause("people", "an attended booking overlapped it"),
    # sensors
    "proof_awaited": Cause("sensors", "the sensors spoke too late to prove it empty"),
    "not_proven_in_time": Cause("sensors", "the room was not proven empty in time"),
    "too_little_left": Cause("sensors", "the proof came when too little was left"),
    "no_prover": Cause("sensors", "no sensor of the room can prove it empty"),
    "never_heard": Cause("sensors", "a sensor was never heard"),
    "overdue": Cause("sensors", "a sensor was silent"),
    "state_unheard": Cause("sensors", "a sensor had not told its state yet"),
    "stuck_on": Cause("sensors", "a sensor showed presence without end"),
    "stuck_off": Cause("sensors", "a sensor showed nothing even in attended bookings"),
    "maybe_stuck_off": Cause("sensors", "the only sensor saw nobody for several bookings"),
    "flapping": Cause("sensors", "a sensor changed faster than people move"),
    "offline": Cause("sensors", "a sensor was offline"),
    "bridge_offline": Cause("sensors", "a sensor's bridge was offline"),
    "battery_dead": Cause("sensors", "a sensor's battery was empty"),
    "fault": Cause("sensors", "a sensor reported a fault"),
    "tampered": Cause("sensors", "a sensor was opened or moved"),
    "out_of_service": Cause("sensors", "a sensor was out of service"),
    # left alone on purpose
    "kept": Cause("exempt", "a person asked to keep it"),
    "exempt_room": Cause("exempt", "the room is exempt"),
    "exempt_all_day": Cause("exempt", "all-day entries are exempt"),
    "exempt_length": Cause("exempt", "bookings this long are exempt"),
    "exempt_organizer": Cause("exempt", "its organizer is exempt"),
    "exempt_category": Cause("exempt", "its category is exempt"),
    "exempt_own_booking": Cause("exempt", "the room's own bookings are left alone"),
    "exempt_hours": Cause("exempt", "it is outside the policy's hours"),
    "exempt_hold": Cause("exempt", "it was given back to people who had lost the room"),
    "exempt_walk_up": Cause("exempt", "it stood for people without a booking"),
    "released_before": Cause("exempt", "it had come back after a release"),
    "lengthened_again": Cause("exempt", "somebody had made it longer again"),
    "no_second_kind": Cause("exempt", "one kind of sensor alone ends no attended booking"),
    "no_history": Cause("exempt", "the sensors' own history did not support ending it early"),
    # Exchange and the gateway itself
    "calendar_doubted": Cause("calendar", "the calendar had lost most of its bookings at once"),
    "calendar_stale": Cause("calendar", "the calendar could not be read"),
    "write_failed": Cause("calendar", "the release could not be written to Exchange"),
    "write_unclear": Cause("calendar", "Exchange did not show before the end whether it was given back"),
    "paused": Cause("gateway", "a release had been reported as wrong, and nobody had looked"),
    "breaker_open": Cause("gateway", "many rooms had fallen silent at once, and nobody had looked"),
    "not_hearing": Cause("gateway", "the gateway could not hear the sensors"),
    "clock_untrusted": Cause("gateway", "the gateway's clock could not be trusted"),
}


def cause_of(code: str) -> Cause:
    """The cause for a `Tally.cause`, with or without a sensor behind its code.

    A code that is not (or no longer) in the table speaks for itself.
    """
    name = code.partition(" ")[0]
    return CAUSES.get(name) or Cause("other", name.replace("_", " ") or "no cause is recorded")


def cause_words(code: str) -> str:
    """The cause in words, with the sensor in brackets where one is to blame."""
    sensor = code.partition(" ")[2]
    words = cause_of(code).words
    return f"{words} ({sensor})" if sensor else words
