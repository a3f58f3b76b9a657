"""A room as the configuration describes it: what counts when another one is looked for."""

from typing import NamedTuple


class RoomFacts(NamedTuple):
    """Of one room. Empty texts and None: nobody has said."""

    room: str
    name: str
    capacity: int | None = None
    building: str = ""
    floor: str = ""
    tags: tuple[str, ...] = ()
