"""A site reduced to one room and the rooms that share its space, and the facts that concern them.

What one room decides depends on another only where they share space, and by the breaker: that one is
switched off here, and what it did comes as facts (`gateway.replay.bundle.BreakerMoved`).
"""

from collections.abc import Iterable

import msgspec

from gateway.core.breaker import BreakerState
from gateway.core.events import (
    AnyEvent,
    Availability,
    BridgeState,
    Configured,
    Reading,
)
from gateway.core.policy import BreakerPolicy, RoomConfig, SiteConfig
from gateway.core.room import RoomState
from gateway.core.site import Site, SiteState


def related(rooms: Iterable[RoomConfig], room: str) -> frozenset[str]:
    """The room and all that share space with it, over any number of steps."""
    all_rooms = tuple(rooms)
    found, new = frozenset[str](), frozenset({room})
    while new - found:
        found |= new
        touched = [own for own in all_rooms if own.id in found or not found.isdisjoint(own.parts)]
        new = frozenset({one for own in touched for one in (own.id, *own.parts)})
    return found


def narrow_config(site: SiteConfig, rooms: frozenset[str]) -> SiteConfig:
    """These rooms alone, without a breaker of their own."""
    kept = tuple(own for own in site.rooms if own.id in rooms)
    return msgspec.structs.replace(site, rooms=kept, breaker=BreakerPolicy(on=False))


def narrow_state(site: Site, rooms: frozenset[str]) -> SiteState:
    """What the site remembers of these rooms: a copy of its own."""
    state = msgspec.json.decode(site.snapshot(), type=SiteState)
    kept = {name: room for name, room in state.rooms.items() if name in rooms}
    bridges = {profile.bridge for room in kept.values() for profile in room.config.sensors}
    return SiteState(
        config=narrow_config(state.config, rooms),
        rooms=kept,
        now=state.now,
        hearing_since=state.hearing_since,
        clock_trusted=state.clock_trusted,
        offline_bridges=[bridge for bridge in state.offline_bridges if bridge in bridges],
        breaker=_breaker(state.breaker),
    )


def _breaker(state: BreakerState) -> BreakerState:
    """Whether it is open, and how many rooms were silent; not which."""
    silent = [str(number) for number in range(len(state.silent))]
    return BreakerState(state.opened_at, silent, asked_to_close=state.asked_to_close)


def forget_strangers(room: RoomState, bookings: frozenset[str], series: frozenset[str]) -> None:
    """Drop the memory of bookings that nothing here speaks of."""
    room.released = {key: own for key, own in room.released.items() if key in bookings}
    room.departed = {key: own for key, own in room.departed.items() if key in bookings}
    room.declined = {key: own for key, own in room.declined.items() if key in bookings}
    room.series = {key: own for key, own in room.series.items() if key in series}


def concerning(event: AnyEvent, site: Site, rooms: frozenset[str]) -> AnyEvent | None:
    """The fact as far as it concerns these rooms, which `site` holds; None if it does not."""
    match event:
        case Configured():
            return Configured(narrow_config(event.site, rooms))
        case Reading() | Availability():
            return event if site.has_sensor(event.sensor) else None
        case BridgeState():
            known = {p.bridge for room in site.rooms.values() for p in room.profiles}
            return event if event.bridge in known else None
    room: str | None = getattr(event, "room", None)
    return event if room is None or room in rooms else None
