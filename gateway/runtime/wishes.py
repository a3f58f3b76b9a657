"""What people ask the gateway to book, and what speaks against it before anybody looks into a calendar."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from gateway.core.units import MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.durations import format_duration

Clock = Callable[[Instant], str]

SHORTEST_MS: Final[Duration] = MINUTE_MS
A_MOMENT_AGO_MS: Final[Duration] = MINUTE_MS
"""A start that has just passed means now: people type, and clocks differ."""

FAR: Final[Instant] = 2**43
"""In the year 2248: what lies beyond is a mistake, and cannot be worded either."""

MAX_TITLE: Final = 255
"""What Outlook shows of a subject."""

ADDRESS: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+")


class Wish(msgspec.Struct, frozen=True):
    """A booking that a person asks for. Instants in ms since 1970 UTC.

    `title` and `organizer` name things and people: they reach Exchange and the booking rules, and neither
    journal nor log.
    """

    room: str
    start: Instant
    end: Instant
    ask: str
    """Names this request for ever, such as a UUID: asked twice under one name, it is one booking."""
    title: str = ""
    organizer: str = ""
    """The address of whoever it is for: invited, so that it is in their own calendar too."""
    by: str = "command"
    """The way on which it was asked: "command", "panel", "qr"."""
    here: bool = False
    """Whoever asks stands in the room: a booking for now is checked in at once."""


Objections = Callable[[Wish, Instant], Sequence[str]]
"""Asked with (wish, now) before anything is booked: sentences that say why not, none if it may be."""


def no_objections(wish: Wish, now: Instant) -> Sequence[str]:  # noqa: ARG001 - the signature is the point
    """Where there are no booking rules."""
    return ()


class Limits(NamedTuple):
    """What holds for every booking, whatever the rules say."""

    longest_ms: Duration
    known_until: Instant
    """The gateway knows the room's calendar up to here, and books nothing that it could not look after."""


def carried_on(title: str, organizer: str) -> tuple[str, str]:
    """Title and guest as far as a wish can have them: somebody may have changed them in Outlook."""
    plain = "".join(letter for letter in title if letter.isprintable())[:MAX_TITLE]
    return plain, organizer if ADDRESS.fullmatch(organizer) else ""


def settled(wish: Wish, now: Instant) -> Wish:
    """In whole seconds, as Exchange keeps them; a start that has just passed is now."""
    start = now if now - A_MOMENT_AGO_MS <= wish.start < now else wish.start
    end = max(wish.end, start)
    return msgspec.structs.replace(wish, start=_whole(start), end=_whole(end))


def _whole(moment: Instant) -> Instant:
    return moment // SECOND_MS * SECOND_MS


def plain_objections(wish: Wish, limits: Limits, now: Instant, clock: Clock) -> Iterator[str]:
    """What speaks against it by itself, each as a sentence that says how to mend it."""
    length_ms = wish.end - wish.start
    if not 0 <= wish.start <= wish.end < FAR:
        yield "it would begin or end at no time that a calendar knows"
        return
    if wish.start < _whole(now):
        yield f"it would begin at {clock(wish.start)}, which has passed; book from now or later"
    if length_ms < SHORTEST_MS:
        yield f"it would be shorter than {format_duration(SHORTEST_MS)}"
    if length_ms > limits.longest_ms:
        longest = format_duration(limits.longest_ms)
        yield f"it would be longer than {longest} (desk_longest in the configuration); book that in Outlook"
    if wish.end > limits.known_until:
        yield (
            f"the gateway knows the calendar until {clock(limits.known_until)} and books no further ahead; "
            "book that in Outlook"
        )
    if len(wish.title) > MAX_TITLE or not wish.title.isprintable():
        yield f"a title has at most {MAX_TITLE} characters, all of them printable"
    if wish.organizer and not ADDRESS.fullmatch(wish.organizer):
        yield "the organizer is given by an e-mail address, such as ana@contoso.com"
    if not wish.ask or len(wish.ask) > MAX_TITLE:
        yield "the request has no name of its own (or one that is too long)"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a wish. `code` is for programs, `said` for people (whole sentences)."""

    code: str
    said: str
    done: bool = False
    room: str = ""
    booking: str = ""
    """The key of the booking; empty where Exchange did not tell it in time."""
    start: Instant | None = None
    end: Instant | None = None
    checked_in: bool = False

    def as_json(self, iso: Callable[[Instant | None], str | None]) -> dict[str, Any]:
        """As the control socket and `--json` tell it; `iso` words an instant in the room's zone."""
        if not self.done:
            return {"error": self.said, "code": self.code}
        told: dict[str, Any] = {"code": self.code, "room": self.room, "booking": self.booking}
        if self.start is not None:
            told |= {"start": iso(self.start), "end": iso(self.end), "checked_in": self.checked_in}
        return told | {"said": [self.said]}


def refused(code: str, said: str) -> Answer:
    """Nothing was done."""
    return Answer(code, said)
