"""The office that is measured: 100 rooms with ten sensors each, what they publish, what is booked.

Everything follows from a seed, so that both sides of a comparison get the same messages.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from gateway.core.booking import Booking
from gateway.core.events import Reading
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant

ROOMS: Final = 100
BUSY: Final = 0.5
"""Half of the messages tell another state than the message before of the same sensor: for bursts, so
that a gateway that folds everything has no advantage."""

ORDINARY: Final = 0.1
"""A tenth: for a whole day. At 33 messages/s each sensor changes twelve times an hour, day and night."""

HOURS_BOOKED_BEFORE: Final = 4
HOURS_BOOKED_AFTER: Final = 12
MEETING_MS: Final[Duration] = 45 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of sensor as it is found in rooms."""

    name: str
    number: int
    """How many of them a room has."""
    family: Literal["json", "zigbee2mqtt"]
    senses: Literal["presence", "motion", "count"]
    heartbeat_ms: Duration
    role: Literal["room", "door"] = "room"


MODELS: Final = (
    Model("radar", 4, "json", "presence", MINUTE_MS),
    Model("pir", 3, "zigbee2mqtt", "motion", HOUR_MS),
    Model("counter", 2, "json", "count", MINUTE_MS),
    Model("door", 1, "json", "motion", MINUTE_MS, "door"),
)
"""A radar, people counters and a door contact that report by themselves; Zigbee motion sensors."""


class Sensor(NamedTuple):
    """One sensor in one room."""

    room: str
    id: str
    model: Model


def sensors() -> list[Sensor]:
    """Every sensor of the office, room by room."""
    return [
        Sensor(f"room-{room:03d}", f"room-{room:03d}-{model.name}-{number}", model)
        for room in range(ROOMS)
        for model in MODELS
        for number in range(model.number)
    ]


# -- configuration ------------------------------------------------------------------------------------

_HEAD: Final = """
[site]
name = "Contoso"
time_zone = "Europe/Berlin"
[ledger]
path = "{folder}/ledger.db"
[mqtt]
host = "127.0.0.1"
port = {port}
max_in_flight = {window}
client_id = "measured-gateway"
[exchange]
tenant_id = "contoso.com"
client_id = "an-invented-client"
client_secret_file = "{folder}/secret"
"""

_ROOM: Final = """
[[room]]
id = "{room}"
mailbox = "{room}@contoso.com"
"""

_SENSOR: Final = """
[[room.sensor]]
id = "{id}"
family = "{family}"
topic = "{topic}"
senses = "{senses}"
role = "{role}"
heartbeat = "{heartbeat_s}s"
at_qos1 = true
loss_detectable = {seq}
"""


def configuration(folder: Path, port: int, window: int, prefix: str) -> str:
    """The gateway's configuration file for this office, its topics below `prefix`."""
    parts = [_HEAD.format(folder=folder, port=port, window=window)]
    room = ""
    for sensor in sensors():
        if sensor.room != room:
            room = sensor.room
            parts.append(_ROOM.format(room=room))
        model = sensor.model
        is_json = model.family == "json"
        parts.append(
            _SENSOR.format(
                id=sensor.id,
                family=model.family,
                topic=topic(sensor, prefix),
                senses=model.senses,
                role=model.role,
                heartbeat_s=model.heartbeat_ms // SECOND_MS,
                seq="true" if is_json else "false",
            )
        )
        if is_json:
            parts.append('options = {path = "value"}\n')
    return "".join(parts)


def site_config() -> SiteConfig:
    """The same office as the core sees it."""
    rooms: dict[str, list[SensorProfile]] = {}
    for sensor in sensors():
        model = sensor.model
        rooms.setdefault(sensor.room, []).append(
            SensorProfile(
                sensor.id,
                model.senses,
                model.role,
                hold_ms={"motion": 10, "presence": 1, "count": 2}[model.senses] * MINUTE_MS,
                heartbeat_ms=model.heartbeat_ms,
                loss_detectable=model.family == "json",
                at_qos1=True,
                bridge="gate" if model.family == "zigbee2mqtt" else "",
            )
        )
    return SiteConfig(tuple(RoomConfig(name, sensors=tuple(group)) for name, group in rooms.items()))


# -- messages -----------------------------------------------------------------------------------------


def topic(sensor: Sensor, prefix: str) -> str:
    """Where a sensor publishes."""
    return f"{prefix}/{sensor.room}/{sensor.id}"


class Told(NamedTuple):
    """What a sensor tells with its message number `sequence`."""

    sensor: Sensor
    value: int
    sequence: int


def told(changes: float) -> Iterator[Told]:
    """An endless series, always the same: every sensor once a round, each round in another order.

    `changes`: the share of messages that change something (`BUSY`, `ORDINARY`).
    """
    dice = random.Random(1)  # noqa: S311 - a repeatable office, not a secret
    everybody = sensors()
    values = {sensor.id: 0 for sensor in everybody}
    sequence = 0
    while True:
        dice.shuffle(everybody)
        for sensor in everybody:
            if dice.random() < changes:
                people = dice.randint(1, 6) if sensor.model.senses == "count" else 1
                values[sensor.id] = 0 if values[sensor.id] else people
            sequence += 1
            yield Told(sensor, values[sensor.id], sequence)


def payload(one: Told, made_at: Instant) -> bytes:
    """The message's bytes; no two are alike. `made_at` is told by Zigbee devices, as their bridge does."""
    if one.sensor.model.family == "json":
        return b'{"seq":%d,"value":%d,"rssi":%d,"uptime":%d}' % (
            one.sequence,
            one.value,
            -40 - one.sequence % 50,
            made_at // SECOND_MS,
        )
    return b'{"battery":%d,"last_seen":%d,"linkquality":%d,"occupancy":%s,"voltage":%d}' % (
        90 - len(one.sensor.id) % 9,
        made_at + one.sequence % SECOND_MS,
        one.sequence % 255,
        b"true" if one.value else b"false",
        3000 - one.sequence % 100,
    )


def reading(one: Told, made_at: Instant) -> Reading:
    """The main reading that the gateway decodes from `payload`."""
    model = one.sensor.model
    return Reading(
        one.sensor.id, model.senses, one.value, made_at=made_at if model.family == "zigbee2mqtt" else None
    )


# -- bookings -----------------------------------------------------------------------------------------


def bookings(room: str, now: Instant) -> list[Booking]:
    """A full day around `now`: one meeting an hour, some running, the next about to begin."""
    number = int(room.removeprefix("room-"))
    first = now // HOUR_MS * HOUR_MS + number % 4 * 15 * MINUTE_MS - HOURS_BOOKED_BEFORE * HOUR_MS
    starts = [first + hour * HOUR_MS for hour in range(HOURS_BOOKED_BEFORE + HOURS_BOOKED_AFTER)]
    return [
        Booking(f"uid-{room}-{start}", f"id-{room}-{start}", start, start + MEETING_MS) for start in starts
    ]


def calendar_view(room: str, now: Instant) -> bytes:
    """The same bookings as Microsoft Graph lists them."""
    return json.dumps({"value": [_item(booking) for booking in bookings(room, now)]}).encode()


def _item(booking: Booking) -> dict[str, Any]:
    return {
        "@odata.etag": f'W/"{booking.start}"',
        "id": booking.event_id,
        "iCalUId": booking.key,
        "type": "singleInstance",
        "seriesMasterId": None,
        "start": _moment(booking.start),
        "end": _moment(booking.end),
        "isAllDay": False,
        "isCancelled": False,
        "isOrganizer": False,
        "responseStatus": {"response": "accepted", "time": "2026-01-01T00:00:00Z"},
        "showAs": "busy",
        "categories": [],
        "attendees": [{"type": "required", "emailAddress": {"address": "ana@contoso.com"}}],
        "changeKey": str(booking.start),
    }


def _moment(instant: Instant) -> dict[str, str]:
    local = datetime.fromtimestamp(instant / SECOND_MS, UTC).replace(tzinfo=None)
    return {"dateTime": local.isoformat(timespec="microseconds") + "0", "timeZone": "UTC"}
