"""Counterfactuals in words. Every code has its sentence here; a test holds the search to that."""

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.core.explain import Clock, words
from gateway.core.policy import SensorProfile
from gateway.replay.fate import Fate
from gateway.replay.otherwise import Change, Code, Otherwise

SENTENCES: Final[dict[Code, str]] = {
    # what would have kept the room
    "sign": "One {sign} at {any} {when} would have {spared}.",
    "two_signs": "Two {signs} at {any}, {value} apart, the first of them {when}, would have {spared}.",
    "lasting": "Presence at {any} for {value}, beginning {when}, would have {spared}.",
    "checked_in": "A person's check-in {when} would have {spared}.",
    "kept": "A person's Keep {when} would have {spared}.",
    "silence": "Had {messages} of {any} not come, it would have {fared}.",
    "longer_grace": "With a grace of {value} it would have been left alone.",
    "shadow": "In shadow mode the same would have been recorded, and nothing written.",
    # what would have given it back
    "without_sign": "Had {any} not shown a {sign} at {since}, {taken}.",
    "unsaid": "Had the person not said at {since} what they did, {taken}.",
    "message": "With one more message of {any}, showing nobody, {when}, {taken}.",
    "without_signs": "Had {any} shown nobody at any time, {taken}.",
    "nobody": "Had none of {all} shown anybody, {taken}.",
    "healthy": "Had {any} been well and spoken in time, {taken}.",
    "all_healthy": "Had {all} all been well and spoken in time, {taken}.",
    "breaker": "Had the breaker stayed closed (so many rooms had not fallen silent together), {taken}.",
    "calendar": "Had the calendar been readable all the time, {taken}.",
    "written": "Had Exchange done what it was asked for, {taken}.",
    "heard": "Had the gateway heard its sensors without a break, {taken}.",
    "clock": "Had the gateway's clock been right all the time, {taken}.",
    "looked": "Had no wrong release been open in this room, {taken}.",
    "believed": "Had the room's only proving sensor shown somebody lately, {taken}.",
    "not_twice": "Had it not been given back once before, {taken}.",
    "unmarked": "Had nothing in its calendar entry exempted it, {taken}.",
    "not_exempt": "Had the room not been exempt, {taken}.",
    "exempt_length": "Had the policy left only bookings longer than {value} alone, {taken}.",
    "own": "Had the policy allowed to give back what the room itself organises, {taken}.",
    "remaining": "Had the policy not asked for any time to be left, {taken}.",
    "shorter_grace": "With a grace of {value}, {taken}.",
    "nobody_at_all": "Had nobody been shown and nobody said anything, {taken}.",
    "nobody_and_healthy": "Had nobody been shown or said anything, and every sensor been well, {taken}.",
}

WELL: Final = "With every sensor of the room well and in time besides,"
SIGNS: Final = {"motion": ("motion", "motions"), "presence": ("sign of presence", "signs of presence")}
COUNTED: Final = ("count of somebody", "counts of somebody")


def told(change: Change, found: Otherwise, sensors: Sequence[SensorProfile], clock: Clock) -> str:
    """One of the changes found, in a sentence."""
    senses: Mapping[str, str] = {profile.id: profile.senses for profile in sensors}
    one, many = SIGNS.get(senses.get(change.sensors[0], "") if change.sensors else "", COUNTED)
    rest = "" if found.over else f" at least until {clock(found.end)}, where the facts end"
    since = "an unknown time" if change.since is None else clock(change.since)
    messages = (
        f"the message of {since}"
        if change.value == 1
        else f"the last {change.value} messages, from {since} on,"
    )
    sentence = SENTENCES[change.code].format(
        sign=one,
        signs=many,
        any=_listed(change.sensors, "or"),
        all=_listed(change.sensors, "and"),
        when=_when(change, clock),
        since=since,
        value="" if change.value is None else words(change.value),
        messages=messages,
        spared=_spared(change, clock, rest),
        fared=_fared(change, clock, rest),
        taken=_taken(change.then, clock),
    )
    return f"{WELL} {sentence[:1].lower()}{sentence[1:]}" if change.well else sentence


def headline(found: Otherwise, clock: Clock) -> str:
    """What was, and so what the other decision is."""
    if found.as_it_was.taken_at is None:
        return "The room was not given back. What would have given it back:"
    at = clock(found.as_it_was.taken_at)
    what = _kind(found.as_it_was)
    return f"{what} at {at}. What would have come to something else:"


def none_found(found: Otherwise) -> str:
    """When there is nothing to tell."""
    if not found.searched:
        return "Not searched: run with the present rules, these facts do not come to what was recorded."
    return f"None of the {found.runs} changes that were tried, one at a time, gives the other decision."


def caveat(found: Otherwise) -> str:
    """How far it reaches."""
    return (
        f"Each of these was run through the rules. {found.runs} histories were tried, small changes first; "
        "the first line is the smallest that was found, with all else as recorded and the other rooms as "
        "they were. A smaller one that was not tried may exist."
    )


def _kind(fate: Fate) -> str:
    if fate.taken is None:
        return "The room was kept"
    shadow = fate.taken.kind == "would_release"
    early = fate.taken.reasons[:1] and fate.taken.reasons[0].code == "end_early"
    what = "the rest of the booking" if early else "the room"
    return (
        f"In shadow mode, {what} would have been given back"
        if shadow
        else f"{what.capitalize()} was given back"
    )


def _spared(change: Change, clock: Clock, rest: str) -> str:
    return (
        f"kept the room{rest}" if change.then.taken_at is None else f"put it off, to {_later(change, clock)}"
    )


def _fared(change: Change, clock: Clock, rest: str) -> str:
    if change.then.taken_at is None:
        return f"been left alone{rest}"
    return f"been put off, to {_later(change, clock)}"


def _later(change: Change, clock: Clock) -> str:
    at = change.then.taken_at
    if at is None:
        return "never"
    if change.earliest is not None and change.earliest < at:
        return f"between {clock(change.earliest)} and {clock(at)}"
    return clock(at)


def _taken(fate: Fate, clock: Clock) -> str:
    if fate.taken is None:
        return "it would have been kept"
    early = fate.taken.reasons[:1] and fate.taken.reasons[0].code == "end_early"
    what = "its rest" if early else "the room"
    shadow = " (in shadow mode: it would have been recorded)" if fate.taken.kind == "would_release" else ""
    return f"{what} would have been given back at {clock(fate.taken.at)}{shadow}"


def _when(change: Change, clock: Clock) -> str:
    if change.until is None:
        return "at any time"
    if change.since is None:
        return f"at any time up to {clock(change.until)}"
    if change.since == change.until:
        return f"at {clock(change.until)}"
    return f"between {clock(change.since)} and {clock(change.until)}"


def _listed(names: Sequence[str], last: str) -> str:
    if len(names) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
