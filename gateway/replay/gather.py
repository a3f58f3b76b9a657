"""A booking's evidence, taken from a ledger."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from gateway import __version__
from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, CalendarRead, Configured, Tick
from gateway.core.policy import Policy, SiteConfig
from gateway.core.site import RULESET, Site, SiteState
from gateway.core.units import HOUR_MS, MINUTE_MS, Duration, Instant
from gateway.ledger import LedgerError, LedgerReader
from gateway.ledger.reader import Recorded
from gateway.replay.bundle import (
    ABOUT,
    FORMAT,
    KIND,
    About,
    BreakerMoved,
    Bundle,
    Fact,
    Made,
    Player,
    booking_of,
    key_hash,
    looks,
    room_config,
    sealed,
)
from gateway.replay.journal import unbroken
from gateway.replay.narrow import concerning, forget_strangers, narrow_state, related
from gateway.replay.neutral import Names, may_be_shown
from gateway.replay.start import Start, start
from gateway.reports import as_known

BEFORE_MS: Final[Duration] = 20 * MINUTE_MS
"""The facts begin so long before the booking opened: what was shown then may still be counted."""

EARLIER_MS: Final[Duration] = 6 * HOUR_MS
"""Decisions from so long before it opened belong to another time that it had then."""

AFTER_MS: Final[Duration] = 12 * HOUR_MS
"""What comes later than this after the last decision does not belong to it."""

Words = Callable[[Decision], str]

ROOM_WAS_SHARED: Final = "The rooms that share its space are in it too: {}."
OPENED_BEFORE: Final = (
    "The ledger has forgotten how the booking began; the facts begin with what it remembered afterwards."
)
EARLIER: Final = "Decisions about it from long before it opened are left out: {}."
BREAKER_BORE: Final = (
    "Other rooms bore on it by the breaker; of them it holds only how many were silent, and when."
)
NOT_OVER: Final = "The booking was not over when this was written."

STAYED_UNCLEAR: Final = (
    "Whether its release took place could not be told before its end: the request had been sent, and no read "
    'of Exchange confirmed or disproved it. "Kept" is what the rules make of that; really it is unknown.'
)


class _Window(NamedTuple):
    """What of the journal belongs to a booking: after `begin`, up to the event `end`."""

    begin: Start
    at: Instant
    """The facts begin here, or at the beginning of `begin` if that is later."""
    floor: int
    """But not before this event: of that came a decision that is left out."""
    decisions: list[Recorded]
    end: int
    until: Instant
    """Nothing after this instant is taken, even if it was not over by then."""
    notes: list[str]


def gather(
    reader: LedgerReader,
    room: str,
    booking: str,
    time_zone: str,
    worded: Words,
) -> Bundle:
    """The evidence for all decisions about a booking, with neutral names.

    `worded`: a decision in words, on the office's clock. Raises LedgerError if too little of it is left.
    """
    window = _window(reader, room, booking)
    site, rest, first = _run_to(reader, window)
    moves = _breaker_moves(reader, first, window.end)
    configs = [site.state.config, *(event.site for event in _configurations(reader, first, window.end))]
    rooms = _rooms(configs, room)
    state = narrow_state(site, rooms)
    nearby = ((seq, at, event) for seq, at, event in rest if at <= window.until)
    facts = tuple(_facts(nearby, state, rooms, moves, window.end))
    _forget(state, facts, booking)
    notes = [*window.notes]
    notes += [OPENED_BEFORE] * _has_opened(site, room, booking)
    others = sorted(rooms - {room})
    notes += [ROOM_WAS_SHARED.format(", ".join(others))] * bool(others)
    notes += [BREAKER_BORE] * (bool(moves) or site.breaker.objection is not None)
    notes += [STAYED_UNCLEAR] * _stayed_unclear(reader, room, booking, window)
    made = tuple(Made(one.ruleset, one.decision) for one in window.decisions)
    return _neutral(state, facts, made, room, booking, time_zone, worded, notes)


def _stayed_unclear(reader: LedgerReader, room: str, booking: str, window: _Window) -> bool:
    last = [window.decisions[-1].decision]
    return as_known(last, reader.outbox(room=room, booking=booking)) != last


def _has_opened(site: Site, room: str, booking: str) -> bool:
    known = site.rooms.get(room)
    life = known.state.lives.get(booking) if known is not None else None
    return life is not None and life.state != "upcoming"


# -- which part of the journal ------------------------------------------------------------------------


def _window(reader: LedgerReader, room: str, booking: str) -> _Window:
    recorded = list(reader.recorded(room=room, booking=booking))
    if not recorded:
        raise LedgerError(f"{reader.path}: nothing has been decided about this booking yet.")
    notes: list[str] = []
    opened = [one.decision.at for one in recorded if one.decision.kind == "opened"]
    since = opened[-1] - EARLIER_MS if opened else 0
    decisions = [one for one in recorded if one.decision.at >= since]
    earlier = recorded[: len(recorded) - len(decisions)]
    if earlier:
        notes.append(EARLIER.format(len(earlier)))
    at = decisions[0].decision.at - BEFORE_MS
    floor = earlier[-1].seq if earlier else 0
    begin = start(reader, at)
    if begin.seq >= decisions[0].seq:
        begin = start(reader)
    if begin.seq >= decisions[0].seq:
        decisions = [one for one in decisions if one.seq > begin.seq]
    if not decisions:
        raise LedgerError(
            f"{reader.path}: the facts of this booking are gone; what is left begins after its last decision."
        )
    ended = decisions[-1].decision.kind == "concluded"
    notes += [NOT_OVER] * (not ended)
    end = decisions[-1].seq if ended else reader.extent().last_seq
    until = decisions[-1].decision.at + AFTER_MS
    return _Window(begin, at, floor, decisions, end, until, notes)


def _run_to(
    reader: LedgerReader, window: _Window
) -> tuple[Site, Iterator[tuple[int, Instant, AnyEvent]], int]:
    """The site where the facts begin, the events from there on, and the event before them."""
    site, seq = window.begin.site, window.begin.seq
    events = unbroken(reader, seq)
    for number, at, event in events:
        if (at >= window.at and number > window.floor) or number >= window.decisions[0].seq:
            return site, _with_first((number, at, event), events), seq
        site.handle(event, at)
        seq = number
    raise LedgerError(f"{reader.path}: the journal ends before the decision of its event {seq + 1}.")


def _with_first(
    first: tuple[int, Instant, AnyEvent], rest: Iterator[tuple[int, Instant, AnyEvent]]
) -> Iterator[tuple[int, Instant, AnyEvent]]:
    yield first
    yield from rest


def _configurations(reader: LedgerReader, after: int, until: int) -> Iterator[Configured]:
    for seq, _, event in unbroken(reader, after):
        if seq > until:
            return
        if isinstance(event, Configured):
            yield event


def _rooms(configs: Iterable[SiteConfig], room: str) -> frozenset[str]:
    """The room and all that ever shared its space meanwhile."""
    found = frozenset({room})
    for _ in range(2):  # a second time for what a later configuration has brought together
        for config in list(configs):
            found = frozenset[str]().union(*(related(config.rooms, own) for own in found))
    return found


# -- facts --------------------------------------------------------------------------------------------


def _breaker_moves(reader: LedgerReader, after: int, until: int) -> dict[int, tuple[BreakerMoved, bool]]:
    """By event: how the breaker moved there by itself, and whether before that event's conclusions.

    A person's word needs no such note: the fact itself is among the others.
    """
    moves: dict[int, tuple[BreakerMoved, bool]] = {}
    for seq, _, decision in reader.recorded(after, until):
        if decision.kind == "breaker_opened":
            silent = decision.reasons[0].value or 0
            moves[seq] = (BreakerMoved(decision.at, silent), True)
        elif decision.kind == "breaker_closed" and decision.reasons[0].code == "evidence_returned":
            moves[seq] = (BreakerMoved(None), False)
    return moves


def _facts(
    events: Iterable[tuple[int, Instant, AnyEvent]],
    state: SiteState,
    rooms: frozenset[str],
    moves: dict[int, tuple[BreakerMoved, bool]],
    end: int,
) -> Iterator[Fact]:
    """What concerns the rooms, with the ticks that concluded something about them."""
    player = Player(msgspec.json.encode(state))
    for seq, at, event in events:
        if seq > end:
            return
        move, comes_first = moves.get(seq, (None, False))
        if move is not None and comes_first:
            player.take(move, at)
            yield at, move
        own = concerning(event, player.site, rooms)
        if own is not None and (_matters(player, own, at)):
            yield at, own
        if move is not None and not comes_first:
            player.take(move, at)
            yield at, move


def _matters(player: Player, event: AnyEvent, at: Instant) -> bool:
    """Give the fact to the site; False for a tick that looked at none of its rooms."""
    if not isinstance(event, Tick):
        player.take(event, at)
        return True
    rooms = [room.state for room in player.site.rooms.values()]
    before = [(room.dirty, room.settled_at) for room in rooms]
    decided = player.take(event, at)
    return bool(decided) or any(
        dirty or room.settled_at != settled_at
        for room, (dirty, settled_at) in zip(rooms, before, strict=True)
    )


def _forget(state: SiteState, facts: Iterable[Fact], booking: str) -> None:
    """Leave out what the rooms remember of bookings that the facts do not speak of."""
    shown = [one for _, fact in facts if isinstance(fact, CalendarRead) for one in fact.changed]
    for room in state.rooms.values():
        known = [*shown, *room.calendar.values(), *(life.booking for life in room.lives.values())]
        bookings = frozenset(one.key for one in known) | {booking}
        forget_strangers(room, bookings, frozenset(one.series_id for one in known))


# -- the bundle ---------------------------------------------------------------------------------------


def _neutral(
    state: SiteState,
    facts: tuple[Fact, ...],
    made: tuple[Made, ...],
    room: str,
    booking: str,
    time_zone: str,
    worded: Words,
    notes: list[str],
) -> Bundle:
    names = Names((state, facts, made))
    label = names.key(booking)
    state, facts, made = names.of(state), names.of(facts), names.of(made)
    known = booking_of(state, facts, room, label)
    config = room_config(state, facts, room)
    return sealed(
        Bundle(
            kind=KIND,
            format=FORMAT,
            about=ABOUT,
            sha256="",
            program=__version__,
            ruleset=RULESET,
            time_zone=time_zone,
            room=room,
            room_name=config.name if config is not None else "",
            booking=About(
                label,
                booking if may_be_shown(booking) else "",
                key_hash(booking),
                known.start if known is not None else 0,
                known.end if known is not None else 0,
            ),
            told=tuple(worded(one.decision) for one in made),
            notes=tuple(notes),
            policy=config.policy if config is not None else Policy(),
            sensors=config.sensors if config is not None else (),
            calendar=looks(facts, room, label),
            decisions=made,
            start=state,
            facts=facts,
        )
    )
