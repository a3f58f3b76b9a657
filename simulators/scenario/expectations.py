"""What a timeline may expect. Each check returns what is the case instead, or nothing if it holds.

A time stands for its whole minute ("at 09:10": from 09:10:00 to before 09:11:00) unless it has seconds.
"""

from collections.abc import Callable, Mapping
from typing import Final, get_args

from gateway.core.decisions import DecisionKind, Outcome
from gateway.core.explain import SENTENCES
from gateway.core.units import MINUTE_MS, SECOND_MS
from gateway.exchange.models import HOLD_CATEGORY, WALK_UP_CATEGORY
from gateway.exchange.writer import CHECK_IN_CATEGORY
from simulators.scenario.config import address
from simulators.scenario.errors import unknown
from simulators.scenario.gateway import Gateway
from simulators.scenario.scene import Meeting
from simulators.scenario.words import Act, Form, Words, text_of

Check = Callable[[Gateway, Words], str | None]

OWN_MARKS: Final[Mapping[str, str]] = {"walk-up": WALK_UP_CATEGORY, "hold": HOLD_CATEGORY}
"""The categories of the bookings that the gateway makes, as the configuration has them by default."""

FIELDS: Final[Mapping[str, DecisionKind]] = {
    "released": "released",
    "checked in": "checked_in",
    "seen": "seen",
    "warned": "warned",
    "would be released": "would_release",
}
"""The decision whose time is meant by "at"."""


def _stands(g: Gateway, meeting: Meeting) -> str:
    """Where a booking stands, in a few words."""
    outcome = g.outcome_of(meeting)
    withheld = g.withheld_of(meeting)
    told = f"is over: {outcome}" if outcome else f"is {g.state_of(meeting)}"
    return f"it {told}, withheld because of {withheld}" if withheld else f"it {told}"


def _is(state: str, ask: Callable[[Gateway, str, str], bool]) -> Act:
    """Whether a booking is in a state, or not, and since when."""

    def check(g: Gateway, w: Words) -> str | None:
        room, when = w["ROOM"], w["WHEN"]
        holds = ask(g, room, when)
        if holds == ("not" in w):
            return f"it is {state}" if holds else _stands(g, g.meeting(room, when))
        return _at(g, w, FIELDS[state]) if "TIME" in w and "not" not in w else None

    return check


def _at(g: Gateway, w: Words, kind: DecisionKind) -> str | None:
    """Whether the newest decision of a kind was taken at that time."""
    times = [d.at for d in g.decisions(w["ROOM"], w["WHEN"], kind)]
    wanted = g.instant(w["TIME"])
    length = SECOND_MS if w["TIME"].count(":") > 1 else MINUTE_MS
    if times and wanted <= times[-1] < wanted + length:
        return None
    return f"that was at {g.wall.clock(times[-1])}" if times else f"there is no decision {kind}"


def _withheld(g: Gateway, w: Words) -> str | None:
    code = g.withheld(w["ROOM"], w["WHEN"])
    wanted = _code(w)
    if "not" in w:
        return f"it is withheld because of {code}" if code and wanted in ("", code) else None
    if code and wanted in ("", code):
        return None
    return _stands(g, g.meeting(w["ROOM"], w["WHEN"]))


def _left_alone(g: Gateway, w: Words) -> str | None:
    code, wanted = g.left_alone(w["ROOM"], w["WHEN"]), _code(w)
    if code == wanted:
        return None
    rule = f"the rule that leaves it alone is {code}" if code else "no rule leaves it alone"
    return f"{rule}; {_stands(g, g.meeting(w['ROOM'], w['WHEN']))}"


def _code(w: Words) -> str:
    code = w.get("CODE", "")
    if code and code not in SENTENCES:
        raise unknown("reason code", code, list(SENTENCES))
    return code


def _state(g: Gateway, w: Words) -> str | None:
    meeting = g.meeting(w["ROOM"], w["WHEN"])
    return None if g.state_of(meeting) == w["choice"] else _stands(g, meeting)


def _came_to(g: Gateway, w: Words) -> str | None:
    meeting = g.meeting(w["ROOM"], w["WHEN"])
    wanted = w.get("OUTCOME", "attended")
    if wanted not in get_args(Outcome):
        raise unknown("outcome", wanted, get_args(Outcome))
    return None if g.outcome_of(meeting) == wanted else _stands(g, meeting)


def _explained(g: Gateway, w: Words) -> str | None:
    return None if text_of(w) in g.explain(w["ROOM"], w["WHEN"]) else "explain does not say so"


def _number(g: Gateway, w: Words) -> str | None:
    kind = w["KIND"]
    if kind not in get_args(DecisionKind):
        raise unknown("kind of decision", kind, get_args(DecisionKind))
    found = len(g.decisions(w["ROOM"], w.get("WHEN", ""), kind))
    return None if found == int(w["N"]) else f"there are {found}"


def _occupancy(g: Gateway, w: Words) -> str | None:
    status, codes, wanted = g.occupancy(w["ROOM"]), g.why(w["ROOM"]), _code(w)
    if status == w["choice"] and (not wanted or wanted in codes):
        return None
    return f"it is {status}" + (f" because of {', '.join(codes)}" if codes else "")


def _mode(g: Gateway, w: Words) -> str | None:
    mode = g.mode(w["ROOM"])
    return None if mode == w["choice"] else f"it is {mode}"


def _shown(g: Gateway, w: Words) -> str | None:
    """What the room's calendar and the organizer's meeting show."""
    meeting = g.meeting(w["ROOM"], w["WHEN"])
    item = g.shown(w["ROOM"], w["WHEN"])
    choice = w["choice"]
    if choice == "gone":
        return None if item is None else "it is still in the room's calendar"
    if choice == "declined":
        said = g.response(meeting)
        return None if said == "declined" and item is None else f"the room's answer is {said}"
    if item is None:
        return "it is not in the room's calendar"
    marked = CHECK_IN_CATEGORY in item.categories
    if choice == "checked in":
        return None if marked else "it is not marked as checked in"
    return "it is marked as checked in" if choice == "unmarked" and marked else None


def _until(g: Gateway, w: Words) -> str | None:
    item = g.shown(w["ROOM"], w["WHEN"])
    if item is None:
        return "it is not in the room's calendar"
    end = g.wall.clock(item.end_ms - item.end_ms % MINUTE_MS)
    return None if end == w["TIME"] else f"it ends at {end}"


def _own(g: Gateway, w: Words) -> str | None:
    """The newest booking of this kind, by the minutes in which it starts and ends."""
    spans = [
        "-".join(g.wall.clock(at - at % MINUTE_MS) for at in (item.start_ms, item.end_ms))
        for item in g.own_bookings(w["ROOM"], OWN_MARKS[w["choice"]])
    ]
    if spans[-1:] == [w["SPAN"]]:
        return None
    return f"there is one {', '.join(spans)}" if spans else f"there is no {w['choice']}"


def _told(g: Gateway, w: Words) -> str | None:
    mails = g.mail_to(w["WHO"])
    if any(text_of(w) in mail for mail in mails):
        return None
    return f"{address(w['WHO'])} was told: {' / '.join(filter(None, mails)) or 'nothing'}"


def _declines(g: Gateway, w: Words) -> str | None:
    found = len(g.mail_to(w["WHO"], "declined"))
    return None if found == int(w["N"]) else f"there are {found}"


def _healthy(g: Gateway, w: Words) -> str | None:
    trouble = g.sensor_trouble(w["SENSOR"])
    return f"it is ill: {trouble}" if trouble else None


def _ill(g: Gateway, w: Words) -> str | None:
    trouble = g.sensor_trouble(w["SENSOR"])
    if trouble and text_of(w) in trouble:
        return None
    return f"it is ill: {trouble}" if trouble else "it is healthy"


def _status(g: Gateway, w: Words) -> str | None:
    said = g.status_text()
    return None if text_of(w) in said else f"it says {said}"


def _log(g: Gateway, w: Words) -> str | None:
    lines = [" ".join(str(value) for value in line.values()) for line in g.log]
    if any(text_of(w) in line for line in lines):
        return None
    grave = [
        line for line, said in zip(lines, g.log, strict=True) if said["log_level"] not in ("info", "debug")
    ]
    return f"no line says so; the grave ones are: {' / '.join(grave) or 'none'}"


def _answered(g: Gateway, w: Words) -> str | None:
    return None if text_of(w) in g.answer else f"the answer was: {g.answer or 'none'}"


_B = "expect ROOM WHEN "
_CHECKS: Final[Mapping[str, tuple[str, Act]]] = {
    _B + "[not] released [at TIME]": (
        "Exchange has confirmed that it was given back",
        _is("released", Gateway.released),
    ),
    _B + "would be released [at TIME]": (
        "the same for a room in shadow",
        _is("would be released", Gateway.would_be_released),
    ),
    _B + "[not] withheld [because CODE]": ("a release is due and does not happen", _withheld),
    _B + "left alone because CODE": ("by this rule it is never released", _left_alone),
    _B + "[not] checked in [at TIME]": (
        "by sensors or a person, now or until it ended",
        _is("checked in", Gateway.checked_in),
    ),
    _B + "[not] seen [at TIME]": ("somebody was there for it", _is("seen", Gateway.seen)),
    _B + "[not] warned [at TIME]": ("a warning stands", _is("warned", Gateway.warned)),
    _B + "upcoming|open|releasing|over": ("where it stands, by its decisions", _state),
    _B + "attended": ("it is over and was attended", _came_to),
    _B + "came to OUTCOME": ("what the reports count it as, once it is over", _came_to),
    _B + "explained TEXT": ("`explain` has these words for it", _explained),
    "expect N KIND decisions about ROOM WHEN": ("how many there are by now", _number),
    "expect N KIND decisions in ROOM": ("the same for a room", _number),
    "expect ROOM occupied|vacant|unknown [because CODE]": ("the room's occupancy", _occupancy),
    "expect ROOM live|shadow": ("the room's mode", _mode),
    "expect SENSOR healthy": ("it can be believed", _healthy),
    "expect SENSOR ill TEXT": ("it cannot, and the status says why in these words", _ill),
    "expect Exchange shows ROOM WHEN accepted|declined|gone|checked_in|unmarked": (
        "what is in the room's calendar; declined: the organizer sees it too; checked in: with the category",
        _shown,
    ),
    "expect Exchange shows ROOM WHEN until TIME": ("where the room's own copy ends", _until),
    "expect Exchange shows ROOM walk-up|hold SPAN": (
        "a booking that the gateway made: for unbooked use, or for people who had lost the room",
        _own,
    ),
    "expect WHO told TEXT": ("a mail to them has these words", _told),
    "expect N declines to WHO": ("so many mails say that the room declined", _declines),
    "expect status says TEXT": ("`status` has these words about the gateway itself", _status),
    "expect log says TEXT": ("a line of the log has these words", _log),
    "expect answer says TEXT": ("what the newest command was answered", _answered),
}

EXPECTATIONS: Final[tuple[Form, ...]] = tuple(
    Form("Expectations", syntax, meaning, check) for syntax, (meaning, check) in _CHECKS.items()
)
