"""People who passed inwards, in the keys of counters: `total_in`, `line_1_period_in`, `entries` and `exits`.

A total only rises, until it starts anew (a restart, midnight); a period's starts anew with each message.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.sensors.understood import How, Seen
from gateway.sensors.values import as_number

MAX_TOTAL: Final = 2**48
_BEFORE: Final = (
    r"(?P<line>line_?\d{1,2}_)?"
    r"(?P<form>((people|persons|visitors|person|total|period|count|counter|counted|cumulative|daily)_){0,3})"
)
_AFTER: Final = r"(?P<after>_(total|count|counted|counter|period))?"
_IN: Final = re.compile(
    rf"{_BEFORE}(?P<way>ins?|entr(?:y|ies)|enter(?:ed|ing)?|incoming|inbound){_AFTER}",
)
_OUT: Final = re.compile(
    rf"{_BEFORE}(outs?|exit(s|ed|ing)?|left|leaving|leave|outgoing|outbound){_AFTER}",
)


def tells_inwards(name: str) -> bool:
    """Whether a key (in its plain form) may be a number of people who went in."""
    return _IN.fullmatch(name) is not None


def tells_outwards(name: str) -> bool:
    """Whether it may be a number of people who went out."""
    return _OUT.fullmatch(name) is not None


def passages(message: Mapping[str, Any], names: Mapping[str, str], *, of_people: bool = True) -> list[Seen]:
    """People who went in; `names` are the message's keys by their plain form.

    `total_in` says by itself what it is. Weaker names (`in`, `entries`, which may be those of a log) need a
    partner outwards, and all need it where nothing tells that it counts people: meters have totals too.
    """
    found: list[Seen] = []
    out: bool | None = None
    for name, key in names.items():
        match = _IN.fullmatch(name)
        if match is None:
            continue
        out = any(tells_outwards(other) for other in names) if out is None else out
        plainly = match["way"] == "in" and (match["line"] or match["form"] or match["after"])
        if not ((of_people and out) or (plainly and (of_people or out))):
            continue
        number = whole(message[key], MAX_TOTAL)
        if number is not None:
            how: How = "period" if "period" in name else "total"
            found.append(Seen("entries", number, key, how))
    return found


def whole(value: object, most: int) -> int | None:
    """A whole number from 0 to `most`; None for anything else."""
    number = as_number(value)
    return int(number) if number is not None and 0 <= number <= most and number == int(number) else None
