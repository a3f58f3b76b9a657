"""From what a family understands of a message to the readings of one configured sensor.

A configured sensor senses motion, presence or count; a message may say more, less, or something weaker:

- What it senses itself is its state. Of several properties the sensor shows presence if one does.
- Presence is also motion; a motion hit or a head count above zero is a sign for any sensor. The other way
  round nothing is concluded: "nobody moved" is not "nobody is there".
- A total of passages is no count. Its rise since the message before is `entries`; a total that falls has
  started anew (a restart, midnight) and gives none.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core.events import Availability as OnOrOff
from gateway.core.events import Reading
from gateway.core.units import DAY_MS, Instant
from gateway.sensors.base import Decode, Decoded, OptionError, SensorSource, shown
from gateway.sensors.understood import ROOM_KINDS, Device, Reader, Seen
from gateway.sensors.values import MAX_PEOPLE, alive

DEVICE_OPTIONS: Final = {
    "property": "the one property that counts, where the device has several",
    "device": "what the device says of itself, as JSON: its entry, discovery configuration or profile",
    "availability_topic": "topic on which the device is said to be online or offline",
    "online": "words for online, separated by commas; replaces the usual ones",
    "offline": "words for offline, separated by commas; replaces the usual ones",
}
LATE_AT_MOST_MS: Final = DAY_MS
"""A message that seems older than this against the one before has a clock that was set back."""
MAX_DEVICE_CHARACTERS: Final = 262_144


def device_in(options: Mapping[str, str]) -> Device | None:
    """The device's description from the option `device`. Raises OptionError."""
    text = options.get("device")
    if text is None:
        return None
    if len(text) > MAX_DEVICE_CHARACTERS:
        raise OptionError(f"the option device has over {MAX_DEVICE_CHARACTERS} characters")
    try:
        device = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise OptionError(f"the option device must hold a JSON object, found {shown(text)}") from None
    if not isinstance(device, dict):
        raise OptionError(f"the option device must hold a JSON object, found {shown(text)}")
    return device


class Meter:
    """The rise of totals from one message to the next, so that a total can be told as entries.

    A message that tells its time and comes again (after a failed commit) gives the same rises again, and one
    that comes late, after a younger one, gives none. Without a time an equal message is a new one that
    counted nobody.
    """

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._made_at: Instant = 0
        self._late = False

    def begin(self, made_at: Instant | None) -> None:
        """A message begins."""
        self._late = made_at is not None and self._made_at - LATE_AT_MOST_MS <= made_at < self._made_at
        if made_at is not None and made_at == self._made_at:
            self._totals = dict(self._before)
        elif not self._late:
            self._before = dict(self._totals)
            self._made_at = made_at or 0

    def rise(self, name: str, total: int) -> int:
        """How many since the message before; 0 for the first, and for a total that started anew."""
        if self._late:
            return 0
        known = self._totals.get(name)
        self._totals[name] = total
        return max(0, total - known) if known is not None else 0


def decode_with(source: SensorSource, read: Reader) -> Decode:
    """The decoder of a configured sensor: messages that its family understands, as readings."""
    sensor, senses, topic = source.sensor, source.senses, source.topic
    wanted = source.options.get("property", "")
    meter = Meter()
    online: Decoded = (OnOrOff(sensor, online=True),)
    offline: Decoded = (OnOrOff(sensor, online=False),)

    def decode(payload: bytes, retained: bool) -> Decoded:
        if retained:
            return ()
        understood = read(topic, payload)
        if understood.online is not None:
            return online if understood.online else offline
        made_at, own = understood.made_at, understood.device_made
        readings = []
        room: dict[str, int] = {}
        if any(seen.how == "total" for seen in understood.seen):
            meter.begin(made_at)
        for seen in understood.seen:
            if seen.kind not in ROOM_KINDS:
                readings.append(Reading(sensor, seen.kind, seen.value, own, made_at))
            elif not wanted or seen.property == wanted:
                kind, value = _as_sensed(seen, senses, meter, named=bool(wanted))
                if value is not None:
                    room[kind] = max(value, room.get(kind, 0))
        for kind, value in room.items():
            readings.append(Reading(sensor, kind, value, own, made_at))  # type: ignore[arg-type] # a Kind
        return readings or (alive(sensor, device_made=own, made_at=made_at),)

    return decode


def _as_sensed(seen: Seen, senses: str, meter: Meter, *, named: bool) -> tuple[str, int | None]:
    """Kind and value by which the sensor says it; None: nothing that counts."""
    kind, value = seen.kind, seen.value
    if kind == "entries":
        if seen.how == "total":
            value = meter.rise(seen.property, value)
        return kind, min(value, MAX_PEOPLE) or None
    if kind == senses:
        return kind, value
    if kind == "presence" and senses == "motion":
        return "motion", value
    if kind == "motion" and senses == "presence" and named:
        return "presence", value  # the operator's own word: this property is presence
    return kind, value or None
