"""The site as people see it: one plain structure for the status page, the command line and MQTT.

Built from the core's own state, so it looks the same with and without a running gateway. Times are
ISO 8601 in the site's zone; `explain` words the reasons. No names, no subjects.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final

from gateway.core.case import case_of
from gateway.core.decisions import Reason
from gateway.core.evidence import ailment
from gateway.core.explain import explain_reason, words
from gateway.core.life import Life
from gateway.core.occupancy import Sensor, prove
from gateway.core.room import LOOK_AT_REST_MS, Room
from gateway.core.rules import Case, first_objection
from gateway.core.site import Site
from gateway.core.units import DAY_MS, NEVER, Duration, Instant
from gateway.ledger import Counts

Json = dict[str, Any]


def clock_in(zone: tzinfo, pattern: str = "%a %d %b %H:%M:%S") -> Callable[[Instant], str]:
    """Words an instant for people, as `strftime` does by `pattern`."""

    def word(instant: Instant) -> str:
        return datetime.fromtimestamp(instant / 1000, zone).strftime(pattern)

    return word


@lru_cache(maxsize=1_000)
def iso(instant: Instant | None, zone: tzinfo) -> str | None:
    """ISO 8601 with the zone's offset; None for what has not happened."""
    if instant is None or instant == NEVER:
        return None
    return datetime.fromtimestamp(instant / 1000, UTC).astimezone(zone).isoformat(timespec="seconds")


def site_picture(site: Site, now: Instant, zone: tzinfo, counts: Mapping[str, Counts] | None = None) -> Json:
    """Every room's picture, the moment it was taken, and what holds for all rooms."""
    rooms = [room_picture(room, now, zone, counts or {}) for _, room in sorted(site.rooms.items())]
    return {
        "at": iso(now, zone),
        "breaker": breaker_words(site, zone),
        "wrong_releases": sum(room["wrong_releases"] for room in rooms),
        "rooms": rooms,
    }


def breaker_words(site: Site, zone: tzinfo) -> str:
    """Why nothing is released on the whole site; empty if nothing holds it up."""
    objection = site.breaker.objection
    return "" if objection is None else explain_reason(objection, clock_in(zone))


def room_picture(room: Room, now: Instant, zone: tzinfo, counts: Mapping[str, Counts] | None = None) -> Json:
    """One room: what its door shows, and besides its sensors, its record and its calendar's age."""
    state = room.state
    read_at = state.calendar_read_at
    return door_picture(room, now, zone) | {
        "wrong_releases": state.wrong_releases,
        "shadow_record": {
            "judged": state.record.judged,
            "wrong": state.record.wrong,
            "live_after": state.config.policy.live_after,
            "live_if_wrong_at_most": state.config.policy.live_if_wrong_at_most,
        },
        "calendar": {
            "read_at": iso(read_at, zone),
            "age_s": None if read_at == NEVER else max(0, (now - read_at) // 1000),
            "may_be_old_s": LOOK_AT_REST_MS // 1000,
            "trouble": state.calendar_why,
        },
        "sensors": [
            sensor_picture(name, sensor, now, zone, (counts or {}).get(name))
            for name, sensor in room.sensors.items()
        ],
    }


def door_picture(room: Room, now: Instant, zone: tzinfo) -> Json:
    """What people before the room want to know: occupancy with reasons, the booking and the next one."""
    state, clock = room.state, clock_in(zone)
    current, coming = current_and_next(room, now)
    return {
        "room": state.config.id,
        "name": state.config.name or state.config.id,
        "mode": state.mode,
        "paused_since": iso(state.paused_at, zone),
        "occupancy": {
            "status": state.occupancy.status,
            "since": iso(state.occupancy.since, zone),
            "proven_until": iso(_proven_until(room, now), zone),
            "why": [explain_reason(reason, clock) for reason in state.occupancy.why],
        },
        "booking": booking_picture(room, current, now, zone) if current else None,
        "next": booking_picture(room, coming, now, zone) if coming else None,
    }


def _proven_until(room: Room, now: Instant) -> Instant:
    """How far vacancy is proven by now: each heartbeat proves more, and brings no conclusion of its own."""
    concluded = room.state.occupancy
    if concluded.status != "vacant":
        return concluded.until
    proof = prove(room.sensors, room.panel(room.grace_ms), now)
    return max(concluded.until, proof.until) if proof.vacant else concluded.until


COMING_MS: Final[Duration] = 2 * DAY_MS
"""What is shown as next has a time and no date; of what lies further ahead only some is known."""


def current_and_next(room: Room, now: Instant) -> tuple[Life | None, Life | None]:
    """The booking that runs (the later one if they overlap) and the next one to start."""
    lives = sorted(room.state.lives.values(), key=lambda life: (life.booking.start, life.booking.key))
    current = [life for life in lives if life.booking.start <= now < life.booking.end]
    coming = [life for life in lives if now < life.booking.start <= now + COMING_MS]
    return (current[-1] if current else None), (coming[0] if coming else None)


def booking_picture(room: Room, life: Life, now: Instant, zone: tzinfo) -> Json:
    """One booking: times, state, and what the gateway is about to do with it."""
    outlook, release_at = outlook_of(room, life, now, zone)
    return {
        "key": life.booking.key,
        "kind": kind_of(life),
        "start": iso(life.booking.start, zone),
        "end": iso(life.booking.end, zone),
        "state": life.state,
        "live": life.live,
        "warned_at": iso(life.warned_at, zone),
        "release_at": iso(release_at, zone),
        "checked_in_at": iso(life.checked_in_at, zone),
        "released_at": iso(life.released_at, zone),
        "offered_back_at": iso(life.returned_at, zone) if life.state == "released" else None,
        "would_release_at": iso(life.would_release_at, zone),
        "outlook": outlook,
    }


def kind_of(life: Life) -> str:
    """Whose booking it is: somebody's `meeting`, or the gateway's own `walk_up` or `hold`."""
    return next((mark for mark in ("walk_up", "hold") if mark in life.booking.marks), "meeting")


def outlook_of(
    room: Room, life: Life, now: Instant, zone: tzinfo, pattern: str = "%a %d %b %H:%M:%S"
) -> tuple[str, Instant | None]:
    """What the gateway is about to do with a booking and why, and when it would be released."""
    clock = clock_in(zone, pattern)
    if life.state == "released":
        return f"given back at {clock(life.released_at)}", None
    if life.state == "releasing":
        return "is being given back", None
    if life.state == "checked_in" and life.warned_at == NEVER:
        how = "by a person" if life.checked_in_by_person else "by its sensors"
        return f"checked in {how} at {clock(life.checked_in_at)}; it will not be released", None
    if life.would_release_at != NEVER:
        return f"would have been given back at {clock(life.would_release_at)} (shadow)", None
    if now < life.booking.start or life.state == "upcoming":
        return "has not begun", None
    return _release_outlook(case_of(room, life, now), clock)


def _release_outlook(case: Case, clock: Callable[[Instant], str]) -> tuple[str, Instant | None]:
    objection = first_objection(case, "never") or first_objection(case, "doubt")
    if objection is not None:
        weight, reason = objection
        sentence = explain_reason(reason, clock)
        return (f"will not be released: {sentence}" if weight == "never" else f"withheld: {sentence}"), None
    verb = "is given back" if case.life.live else "would be given back (shadow)"
    waits = case.earliest - case.now
    seen = "after a brief visit" if case.life.seen_at != NEVER else "nobody came"
    why = "everybody has left" if case.life.ends_early else seen
    if waits <= 0:
        return f"{verb} with the sensors' next message: {why}", case.earliest
    return f"{verb} in {words(waits)} unless somebody shows up: {why}", case.earliest


def sensor_picture(name: str, sensor: Sensor, now: Instant, zone: tzinfo, counts: Counts | None) -> Json:
    """One sensor: what it shows, whether it can be believed and why not, what it has sent."""
    profile, state, bridge_online, _ = sensor
    trouble = ailment(profile, state, bridge_online, now)
    last = None if state.last_proof == NEVER else state.last_proof
    clock = clock_in(zone)
    picture: Json = {
        "sensor": name,
        "senses": profile.senses,
        "role": profile.role,
        "shows_presence": state.showing,
        "last_sign": iso(state.last_sign, zone),
        "last_heard": iso(state.last_proof, zone),
        "healthy": not trouble,
        "trouble": explain_reason(Reason(trouble, sensor=name, at=last), clock) if trouble else "",
    }
    if counts is not None:
        picture["messages"] = {
            "received": counts.accepted + counts.folded + counts.rejected,
            "accepted": counts.accepted,
            "folded": counts.folded,
            "rejected": counts.rejected,
            "last_error": counts.last_error,
            "last_sample": counts.last_sample,
            "last_error_at": iso(counts.last_error_at or None, zone),
        }
    return picture
