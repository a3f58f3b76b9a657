"""Evidence: one booking's decisions with all that they follow from, in one file that stands alone.

Theory of operation

* A bundle holds the site as it was before the booking opened, reduced to the booking's room and the
  rooms that share its space (`gateway.replay.narrow`), and every fact that was given to the core from
  then until the booking was over. `play` gives them to the core again; nothing else is needed.
* Other rooms bear on it by the breaker alone: that it opened or closed is a fact of its own here
  (`BreakerMoved`), with the number of silent rooms and without their names.
* Names are neutral (`gateway.replay.neutral`): keys and ids of Exchange are numbered, addresses masked.
* Policy, sensors, calendar reads and sentences stand in the file for people. They follow from the
  facts, and `verify` holds them to that.
* The digest finds accidents. It is no signature: whoever alters a file can work it out anew.

BundleError   no bundle, one of another version, or a broken one; says where
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway import __version__
from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, CalendarRead, CalendarUnreadable, Configured, Event
from gateway.core.life import ImpossibleTransition
from gateway.core.policy import Policy, RoomConfig, SensorProfile, whole_rooms
from gateway.core.site import CoreError, Site, SiteState
from gateway.core.units import NEVER, Instant

FORMAT: Final = 1
KIND: Final = "occupancy-gateway evidence"
MAX_BYTES: Final = 64 * 1024 * 1024
"""More than this is no bundle: an hour of a room is some ten kilobytes."""

ABOUT: Final = (
    "What was decided about one booking, and every fact that it follows from; times are milliseconds since "
    "1970 UTC. `occupancy-gateway verify FILE` works it out again anywhere. It tells of one room (and of "
    "those that share its space), of no person, and holds neither subjects nor addresses; bookings and "
    "items of Exchange have numbers instead of their keys. The digest finds accidents; it is no signature."
)
GZIP_MAGIC: Final = b"\x1f\x8b"


class BundleError(Exception):
    """No bundle, one of another version, or a broken one. The text says where."""


class BreakerMoved(Event, frozen=True, tag="breaker_moved"):
    """The site's breaker opened with so many silent rooms, or closed (None), by what other rooms did."""

    opened_at: Instant | None
    silent: int = 0


IMPOSSIBLE: Final = (
    CoreError,
    ImpossibleTransition,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
)
"""What comes of giving the core a state that no site was ever in: it relies on its own memory, and only an
altered file, or an altered history, can break that."""

Fact = tuple[Instant, AnyEvent | BreakerMoved]
"""When, and what: an event of the journal, or a move of the breaker."""


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision as it was recorded, and the ruleset that made it."""

    ruleset: int
    decision: Decision


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which booking it is about."""

    label: str
    """How the facts name it."""
    key: str
    """Its key in the calendar; empty where it might hold a name."""
    key_sha256: str
    """Tells whoever has the key that it is this one."""
    start: Instant
    end: Instant


class Look(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the calendar said of the booking, from one read or several alike in a row."""

    said: str
    """unchanged, shown (new or altered), gone, unreadable"""
    first: Instant
    last: Instant
    reads: int = 1


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. What stands before `start` is for people, and follows from what stands after."""

    kind: str
    format: int
    about: str
    sha256: str
    """Of everything else, see `digest`."""
    program: str
    """The version that wrote it."""
    ruleset: int
    """Of the program that wrote it; each decision names its own."""
    time_zone: str
    """The office's, for words only."""
    room: str
    room_name: str
    booking: About
    told: tuple[str, ...]
    """The decisions in words."""
    notes: tuple[str, ...]
    policy: Policy
    """In force when the booking was decided on (the room's; a booking's own may be more patient)."""
    sensors: tuple[SensorProfile, ...]
    calendar: tuple[Look, ...]
    decisions: tuple[Made, ...]
    start: SiteState
    facts: tuple[Fact, ...]


class _Head(msgspec.Struct):
    kind: str = ""
    format: int = 0


# -- running it ---------------------------------------------------------------------------------------


class Player:
    """A site that is given facts again, moves of the breaker among them."""

    def __init__(self, start: bytes) -> None:
        self.site = Site.restore(start)

    def take(self, fact: AnyEvent | BreakerMoved, at: Instant) -> list[Decision]:
        """What follows at once. Raises CoreError for a fact that the core cannot take."""
        if not isinstance(fact, BreakerMoved):
            return self.site.handle(fact, at)
        state = self.site.state
        state.breaker.opened_at = NEVER if fact.opened_at is None else fact.opened_at
        state.breaker.silent = [str(number) for number in range(fact.silent)]
        state.breaker.returned = []
        for room in state.rooms.values():
            room.dirty = True  # as `Site` looks everywhere when the breaker has moved
        self.site = Site(state)
        return []


def play(start: bytes, facts: Iterable[Fact], room: str, booking: str) -> Iterator[Decision]:
    """The decisions about a booking that follow from the facts. Raises CoreError."""
    player = Player(start)
    for at, fact in facts:
        for decision in player.take(fact, at):
            if decision.room == room and decision.booking == booking:
                yield decision


# -- what stands in it for people ---------------------------------------------------------------------


def room_config(start: SiteState, facts: Iterable[Fact], room: str) -> RoomConfig | None:
    """The room as it was configured last."""
    sites = [start.config] + [fact.site for _, fact in facts if isinstance(fact, Configured)]
    found = [own for site in sites for own in whole_rooms(site) if own.id == room]
    return found[-1] if found else None


def booking_of(start: SiteState, facts: Iterable[Fact], room: str, label: str) -> Booking | None:
    """The booking as it was known last."""
    known: Booking | None = None
    state = start.rooms.get(room)
    if state is not None:
        life = state.lives.get(label)
        known = life.booking if life is not None else state.calendar.get(label)
    for _, fact in facts:
        if isinstance(fact, CalendarRead) and fact.room == room:
            known = next((b for b in fact.changed if b.key == label and b.is_decided_on), known)
    return known


def looks(facts: Iterable[Fact], room: str, label: str) -> tuple[Look, ...]:
    """What the calendar said of the booking, read by read."""
    found: list[Look] = []
    for at, fact in facts:
        if isinstance(fact, CalendarUnreadable) and fact.room == room:
            said = "unreadable"
        elif isinstance(fact, CalendarRead) and fact.room == room:
            shown = any(booking.key == label for booking in fact.changed)
            said = "gone" if label in fact.removed else "shown" if shown else "unchanged"
        else:
            continue
        if found and found[-1].said == said:
            before = found.pop()
            found.append(Look(said, before.first, at, before.reads + 1))
        else:
            found.append(Look(said, at, at))
    return tuple(found)


# -- writing and reading ------------------------------------------------------------------------------


def digest(bundle: Bundle) -> str:
    """SHA-256 over the canonical JSON of everything but the digest itself, in hexadecimal digits."""
    return _digest_of(msgspec.json.encode(bundle))


def _digest_of(content: bytes) -> str:
    """Of what a file says, not of what today's program would write: fields that came later are not in it."""
    said = msgspec.json.decode(content)
    return hashlib.sha256(msgspec.json.encode(said | {"sha256": ""}, order="sorted")).hexdigest()


def sealed(bundle: Bundle) -> Bundle:
    """The bundle with its digest."""
    return msgspec.structs.replace(bundle, sha256=digest(bundle))


def key_hash(key: str) -> str:
    """SHA-256 of a booking's key, in hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def to_bytes(bundle: Bundle, *, compressed: bool = False) -> bytes:
    """The file: JSON that people can read, one fact a line."""
    lines = []
    for name in bundle.__struct_fields__:
        encoded = msgspec.json.encode(getattr(bundle, name))
        if name == "facts":
            rows = [msgspec.json.encode(fact).decode() for fact in bundle.facts]
            text = "[\n" + ",\n".join(rows) + "\n]"
        elif name == "start":
            text = encoded.decode()
        else:
            text = msgspec.json.format(encoded, indent=2).decode()
        lines.append(f'"{name}": {text}')
    content = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    return gzip.compress(content, mtime=0) if compressed else content


def from_bytes(content: bytes, name: str) -> Bundle:
    """The bundle in a file's content. Raises BundleError, which names the file and the place in it."""
    content = _plain(content, name)
    try:
        head = msgspec.json.decode(content, type=_Head)
    except msgspec.MsgspecError as error:
        raise BundleError(f"{name}: this is no evidence: {error}.") from None
    if head.kind != KIND:
        raise BundleError(f'{name}: this is no evidence: at $.kind it should say "{KIND}".')
    if head.format != FORMAT:
        newer = "A newer version of the program wrote it; verify it with that one." * (head.format > FORMAT)
        raise BundleError(
            f"{name}: at $.format it says {head.format}; version {__version__} reads format {FORMAT}. "
            f"{newer or 'There was never such a format.'}"
        )
    try:
        bundle = msgspec.json.decode(content, type=Bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BundleError(f"{name}: this evidence is broken: {error}.") from None
    is_whole = _digest_of(content) == bundle.sha256
    return sealed(bundle) if is_whole else bundle  # an earlier version's, as today's would write it


def _plain(content: bytes, name: str) -> bytes:
    if content.startswith(GZIP_MAGIC):
        unpack = zlib.decompressobj(wbits=31)
        try:
            content = unpack.decompress(content, MAX_BYTES)
        except zlib.error as error:
            raise BundleError(f"{name}: the compressed file is broken ({error}).") from None
        if not unpack.eof:
            raise BundleError(f"{name}: the compressed file is cut off, or too large for evidence.")
    if len(content) > MAX_BYTES:
        raise BundleError(f"{name}: too large for evidence ({len(content)} bytes).")
    return content
