"""What came of a booking, in one sentence with its figures."""

from gateway.core.decisions import Tally
from gateway.core.explain import words
from gateway.reports import cause_words
from gateway.reports.unsettled import UNCLEAR


def outcome_sentence(tally: Tally, *, live: bool) -> str:  # noqa: PLR0911 - one sentence an outcome
    """The sentence that closes a booking's story."""
    booked, used = words(tally.booked_ms), words(tally.used_ms)
    back = f"{words(tally.returned_ms)} of {booked}"
    match tally.outcome:
        case "attended":
            in_use = f"the room was in use for {used} of {booked}" if tally.used_ms else "a person said so"
            too_early = " Live, the room would have been given back before." if tally.would_return_ms else ""
            return f"It was attended: {in_use}.{too_early}"
        case "brief_visit":
            return f"Somebody came only briefly: the room was in use for {used} of {booked}.{_would(tally)}"
        case "no_show_released":
            return f"Nobody came, and the room was given back: {back} came free."
        case "brief_visit_released":
            return f"Somebody came only briefly, and the room was given back: {back} came free."
        case "no_show_kept" | "withheld" | "unknown":
            return f"{_unattended(tally)}{_would(tally)}"
        case "ended_early":
            free = f": {back} came free" if live and tally.returned_ms else ""
            return f"It was ended early{free}."
        case "exempt":
            return f"It was left alone: {cause_words(tally.cause or 'kept')}."
        case "too_short":
            return "It was too short to be given back."
        case "cancelled":
            return "It was cancelled, or moved away from this room."


def _unattended(tally: Tally) -> str:
    if tally.cause == UNCLEAR:
        return "Nobody came, and Exchange did not show before the end whether the room was given back."
    if tally.outcome == "unknown":
        return "Nobody was seen, but the sensors could not tell that the room was empty."
    why = cause_words(tally.cause or "not_proven_in_time")
    if tally.outcome == "withheld":
        return f"Nobody came, and the release was withheld to the end: {why}."
    return f"Nobody came, and the room was not given back: {why}."


def _would(tally: Tally) -> str:
    """What a live room would have done."""
    if not tally.would_return_ms:
        return ""
    return f" Live, {words(tally.would_return_ms)} of {words(tally.booked_ms)} would have come free."
