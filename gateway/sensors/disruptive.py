"""Disruptive Technologies' events, as its data connector forwards them.

`motion` is a ceiling PIR; `deskOccupancy` is a desk's presence, unless the event itself says that its data is
incomplete. `objectPresent` is a proximity contact (a door, a lid), and its count one of contacts: not people.
The time is `updateTime`; the envelope's own can be 1970.
Source: Disruptive Technologies' event documentation.
"""

from collections.abc import Mapping
from typing import Final

from gateway.sensors.availability import availability_routes
from gateway.sensors.base import PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.described import DEVICE_OPTIONS, decode_with
from gateway.sensors.understood import Description, Device, Property, Reader, Seen, Understood, battery
from gateway.sensors.values import as_instant, as_json

MOTION: Final[Mapping[object, int]] = {"MOTION_DETECTED": 1, "NO_MOTION_DETECTED": 0}
DESK: Final[Mapping[object, int]] = {"OCCUPIED": 1, "NOT_OCCUPIED": 0}


class Disruptive:
    """The family `disruptive`."""

    name: Final = "disruptive"
    options: Final[Mapping[str, str]] = {key: text for key, text in DEVICE_OPTIONS.items() if key != "device"}

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The topic on which its events are forwarded. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        return (Route(topic, decode_with(source, _read), source.sensor), *availability_routes(source))

    def describe(self, _device: Device) -> Description:
        """What its events mean."""
        return Description(
            (Property("motion", "motion", "hold"), Property("deskOccupancy", "presence")),
            {
                "objectPresent": "a contact: something touches the sensor",
                "objectPresentCount": "a count of contacts",
            },
        )

    def reader(self, _device: Device | None) -> Reader:
        """The events say themselves what they are."""
        return _read


def _read(_topic: str | None, payload: bytes) -> Understood:
    message = as_json(payload)
    if not isinstance(message, dict):
        raise PayloadError(f"expected a JSON object, got {shown(payload)}")
    event = message.get("event") if isinstance(message.get("event"), dict) else message
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict):
        raise PayloadError(f"expected an event with data, got {shown(payload)}")
    for name, words in (("motion", MOTION), ("deskOccupancy", DESK)):
        state = data.get(name)
        if not isinstance(state, dict):
            continue
        made_at = as_instant(state.get("updateTime"))
        remarks = state.get("remarks")
        if isinstance(remarks, list) and "INCOMPLETE_DATA" in remarks:
            return Understood(refused=f"{name} says itself that its data is incomplete", made_at=made_at)
        word = state.get("state")
        number = words.get(word) if isinstance(word, str) else None
        if number is None:
            return Understood(refused=f"{name} is {shown(word)}: no state that is known", made_at=made_at)
        kind, how = ("motion", "hold") if name == "motion" else ("presence", "state")
        return Understood((Seen(kind, number, name, how),), made_at=made_at)  # type: ignore[arg-type] # of Kind, How
    charge = data.get("batteryStatus")
    if isinstance(charge, dict):
        seen = battery(charge.get("percentage"), "batteryStatus")
        return Understood(seen, "battery only", made_at=as_instant(charge.get("updateTime")))
    if "objectPresent" in data or "objectPresentCount" in data:
        return Understood(refused="a contact: something touches the sensor, which is not people")
    return Understood(refused="nothing in the event tells of people")
