"""The line that the organizer reads when a room was given back. It names a room and times, no people."""

from datetime import tzinfo
from string import Formatter
from typing import Final

from gateway.core.units import Instant
from gateway.exchange.moments import as_datetime

DEFAULT_TEMPLATE: Final = (
    "Nobody was seen in {room} from {since} until {until}, so it was given back and others can use it. "
    "If you still need it, add the room again."
)
FIELDS: Final = frozenset({"room", "since", "until"})


def check_template(template: str) -> str:
    """The template itself; ValueError says what is wrong with it (for settings)."""
    for _, name, form, conversion in Formatter().parse(template):
        if name is not None and (name not in FIELDS or form or conversion):
            allowed = ", ".join("{" + field + "}" for field in sorted(FIELDS))
            raise ValueError(f"the comment for organizers knows only {allowed}, not {{{name}}}")
    return template


def release_comment(
    room: str, since: Instant, until: Instant, zone: tzinfo, template: str = DEFAULT_TEMPLATE
) -> str:
    """The comment in words; times in the room's zone, with their date only where the dates differ."""
    first, last = (as_datetime(moment).astimezone(zone) for moment in (since, until))
    form = "%H:%M" if first.date() == last.date() else "%Y-%m-%d %H:%M"
    return check_template(template).format(room=room, since=first.strftime(form), until=last.strftime(form))
