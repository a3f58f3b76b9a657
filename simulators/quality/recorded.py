"""Scenes from recordings of real rooms: messages as `occupancy-simulator record` writes them, and bookings.

The recording that comes to hand is UCI 864: one room, two PIRs, people counted over seven days. Any other is
judged in the same way with a gateway's configuration that says which topic is which sensor.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.core.policy import RoomConfig, whole_rooms
from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.sensors import Missed, PayloadError, Router, SensorSource, build_router
from gateway.settings import load
from simulators.mqtt_tools import RecordedMessage, read_recording
from simulators.people import Kind, PlannedBooking, Visit
from simulators.quality.scene import Fact, Scene
from simulators.recordings import (
    BOTH,
    DrawnBooking,
    RecordedDataError,
    UciRecording,
    UciSensor,
    draw_bookings,
    read_bookings,
    to_messages,
    uci_profile,
)

UCI_FILE: Final = "uci-room-occupancy.csv.gz"
UCI_SETS: Final[dict[str, tuple[UciSensor, ...]]] = {"uci-both": BOTH, "uci-s6": ("S6",), "uci-s7": ("S7",)}
UCI_WORDS: Final = {
    "uci-both": "both PIRs of the UCI room",
    "uci-s6": "its PIR S6 alone",
    "uci-s7": "its PIR S7 alone, which hangs badly",
}
SAMPLED_MS: Final[Duration] = 31 * SECOND_MS
"""A sampled PIR shows one hit until its next sample: that is its device hold."""
ASIDE_MS: Final[Duration] = 10 * MINUTE_MS
SAID: Final = 60


class Ears(NamedTuple):
    """A room as configured, and how its messages are understood."""

    room: RoomConfig
    router: Router


def uci_ears(sensors: Sequence[UciSensor]) -> Ears:
    """The UCI room with these of its PIRs, each on a unit of its own."""
    profiles = tuple(
        msgspec.structs.replace(uci_profile(sensor), device_hold_ms=SAMPLED_MS) for sensor in sensors
    )
    sources = [SensorSource(s.lower(), "plain", f"uci/{s}", "motion") for s in sensors]
    return Ears(RoomConfig("uci", sensors=profiles), build_router(sources))


def ears_of(config: Path) -> list[Ears]:
    """Each room of a gateway's configuration. Raises gateway.settings_problems.SettingsError."""
    settings = load(config, {})
    router = build_router(settings.sensor_sources())
    return [Ears(room, router) for room in whole_rooms(settings.site_config())]


def uci_scene(recording: UciRecording, sensors: Sequence[UciSensor], seed: int) -> Scene:
    """The UCI recording with bookings drawn over it between 7 and 21 o'clock."""
    return recorded_scene(
        uci_ears(sensors), to_messages(recording, sensors), draw_bookings(recording, seed), "the recording"
    )


def scenes_of(recording: Path, bookings: Path, config: Path | None) -> Iterator[Scene]:
    """The rooms of a recording that have bookings.

    Raises RecordedDataError and RecordingError, which name file and line, SettingsError and OSError.
    """
    messages = list(read_recording(recording))
    if not messages:
        raise RecordedDataError(f"{recording}: there is no message in it")
    lines = list(read_bookings(bookings))
    _check_bookings(lines, bookings)
    rooms = [uci_ears(BOTH)] if config is None else ears_of(config)
    heard = {message.topic for message in messages}
    if config is None and not heard & set(rooms[0].router.topics):
        raise RecordedDataError(
            f"{recording}: nothing says which sensors its topics are ({', '.join(sorted(heard))[:SAID]}); "
            "name the gateway's configuration with --config"
        )
    known = {ears.room.id for ears in rooms}
    for line in lines:
        if line.room not in known and not (not line.room and len(rooms) == 1):
            raise RecordedDataError(
                f"{bookings}: booking {line.key} is of room {line.room!r}; "
                f'give each booking a "room" of the configuration ({", ".join(sorted(known))})'
            )
    for ears in rooms:
        own = [line for line in lines if line.room in ("", ears.room.id)]
        if own:
            yield recorded_scene(ears, messages, own, str(recording))


def _check_bookings(lines: Sequence[DrawnBooking], bookings: Path) -> None:
    """What no figure could be trusted with. Raises RecordedDataError."""
    if not lines:
        raise RecordedDataError(f"{bookings}: there is no booking in it")
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if (line.room, line.key) in seen:
            raise RecordedDataError(f"{bookings}: booking {line.key} is there twice; give each its own key")
        seen.add((line.room, line.key))
        if line.attended and not any(_stays_of(line)):
            raise RecordedDataError(
                f"{bookings}: booking {line.key} is attended, and nothing says when people were there; "
                'give it "stays", or "first_presence" and "last_presence"'
            )


def recorded_scene(
    ears: Ears, messages: Iterable[RecordedMessage], lines: Sequence[DrawnBooking], named: str
) -> Scene:
    """One room of a recording with its bookings."""
    names = {profile.id for profile in ears.room.sensors}
    facts = tuple(
        fact for fact in _heard(ears.router, messages, named) if _is_about(fact[1], names, ears.room)
    )
    if not facts:
        raise RecordedDataError(
            f"{named}: no message of room {ears.room.id}; topics are {', '.join(ears.router.topics)[:SAID]}"
        )
    if not any(line.start < facts[-1][0] and facts[0][0] < line.end for line in lines):
        raise RecordedDataError(
            f"{named}: none of the bookings of room {ears.room.id} lies in its time, "
            f"{facts[0][0]} to {facts[-1][0]} in milliseconds since 1970"
        )
    ordered = sorted(lines, key=lambda line: (line.start, line.key))
    start = min(facts[0][0], ordered[0].start - ASIDE_MS) if ordered else facts[0][0]
    end = max(facts[-1][0], ordered[-1].end + ASIDE_MS) if ordered else facts[-1][0]
    return Scene(
        ears.room, tuple(_planned(line, ears.room.id) for line in ordered), visits_of(ordered, ears.room.id),
        facts, start, end,
    )  # fmt: skip


def _heard(router: Router, messages: Iterable[RecordedMessage], named: str) -> Iterator[tuple[Instant, Fact]]:
    before = None
    for number, message in enumerate(messages, start=1):
        if before is not None and message.t < before:
            raise RecordedDataError(
                f"{named}, message {number}: it is older than the one before it; sort the lines by t"
            )
        before = message.t
        if not router.knows(message.topic):
            continue
        try:
            decoded = router.decode(message.topic, message.payload_bytes, message.retained, message.t)
        except PayloadError as error:
            raise RecordedDataError(
                f"{named}, message {number} on {message.topic}: {error}; "
                "try it with: occupancy-gateway sensors decode"
            ) from error
        for item in decoded:
            if not isinstance(item, Missed):
                yield message.t, item


def _is_about(fact: Fact, sensors: set[str], room: RoomConfig) -> bool:
    bridges = {profile.bridge for profile in room.sensors if profile.bridge}
    return fact.bridge in bridges if hasattr(fact, "bridge") else fact.sensor in sensors


def _planned(line: DrawnBooking, room: str) -> PlannedBooking:
    kind: Kind = "on_time" if line.attended else "ghost"
    organizer = "person-000@contoso.com"
    return PlannedBooking(line.key, room, line.start, line.end, organizer, kind, 1, line.start - DAY_MS)


def visits_of(lines: Sequence[DrawnBooking], room: str) -> tuple[Visit, ...]:
    """Who was there: people in a booking's time are taken to have come for it.

    Where a booking has no stays, its people are taken to have been there from the first to the last presence.
    """
    spans = {stay for line in lines for stay in _stays_of(line)}
    edges = {edge for enter, leave, _ in spans for edge in (enter, leave)}
    edges |= {edge for line in lines for edge in (line.start, line.end)}
    visits: list[Visit] = []
    for enter, leave in itertools.pairwise(sorted(edges)):
        people = max((p for a, b, p in spans if a <= enter and leave <= b), default=0)
        if not people:
            continue
        own = next((line.key for line in lines if line.start <= enter < line.end), None)
        last = visits[-1] if visits else None
        if last is not None and (last.leave, last.people, last.booking) == (enter, people, own):
            visits[-1] = msgspec.structs.replace(last, leave=leave)
        else:
            visits.append(Visit(room, enter, leave, people, "quiet", own))
    return tuple(visits)


def _stays_of(line: DrawnBooking) -> Iterator[tuple[Instant, Instant, int]]:
    yield from line.stays
    if not line.stays and line.first_presence is not None and line.last_presence is not None:
        yield line.first_presence, max(line.last_presence, line.first_presence + 1), 1
