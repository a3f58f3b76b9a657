"""Where a room lives in Exchange: its mailbox, its zone, and the reader and writer for it."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import NamedTuple

from gateway.exchange.calendar import CalendarReader
from gateway.exchange.writer import Writer


class Place(NamedTuple):
    """One room's mailbox. `reader` and `writer` know what the room's policy exempts."""

    room: str
    name: str
    mailbox: str
    zone: tzinfo
    reader: CalendarReader
    writer: Writer
    comment: str
    """The template of the line that organizers read."""
    refusals: Mapping[str, str] = {}
    """What organizers read when the room declines, by the rule that their booking breaks."""
