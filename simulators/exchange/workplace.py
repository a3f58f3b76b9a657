"""Workplace sensors (beta): devices, and the one action that takes the telemetry of all of them."""

from typing import Any, Final

from gateway.core.units import Instant
from simulators.exchange.calls import Call, Route
from simulators.exchange.errors import AlreadyThere, InvalidRequest, NotFound
from simulators.exchange.ids import guid
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.odata import json_page
from simulators.exchange.render import Json
from simulators.exchange.times import window_instant
from simulators.exchange.wire import Answer

_TEXTS: Final = (
    "displayName",
    "description",
    "macAddress",
    "manufacturer",
    "ipV4Address",
    "ipV6Address",
    "placeId",
)
_NAMES: Final = frozenset({"id", "deviceId", *_TEXTS, "tags", "sensors"})
_VALUES: Final = {
    "occupancy": "boolValue",
    "peopleCount": "intValue",
    "inferredOccupancy": "boolValue",
    "heartbeat": "boolValue",
    "badge": "boolValue",
}
_REACH_MS: Final = 5 * 60_000
"""Telemetry counts for a booking from so long before its start, where it counts at all."""


class Workplace:
    """The routes about sensors. `telemetry` is everything that was sent, in order."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self.devices: dict[str, Json] = {}
        self.telemetry: list[Json] = []

    def routes(self) -> dict[str, Route]:
        """Each by its name in `simulators.exchange.routes`."""
        return {
            "GET sensorDevices": self.listing,
            "POST sensorDevices": self.create,
            "GET sensorDevice": self.one,
            "PATCH sensorDevice": self.change,
            "DELETE sensorDevice": self.delete,
            "POST ingestTelemetry": self.ingest,
        }

    def listing(self, call: Call) -> Answer:
        """All devices."""
        context = call.context("workplace/sensorDevices")
        found = list(self.devices.values())
        return call.answer(json_page(call.request, found, context, _NAMES, kind="workplaceSensorDevice"))

    def create(self, call: Call) -> Answer:
        """A new device, by the id that its owner gives it."""
        body = call.request.json()
        device_id = body.get("deviceId")
        if not isinstance(device_id, str) or not device_id or not body.get("manufacturer"):
            raise InvalidRequest("deviceId and manufacturer are needed.", "BadRequest")
        if any(one["deviceId"] == device_id for one in self.devices.values()):
            raise AlreadyThere("Conflict", f"A device with the deviceId '{device_id}' exists.")
        device = _device({"deviceId": device_id, "tags": []}, body)
        device = {"id": guid("sensor device", device_id), **device}
        self.devices[device["id"]] = device
        return self._shown(call, device, 201)

    def one(self, call: Call) -> Answer:
        """One device."""
        return self._shown(call, self._find(call.target.event_id))

    def change(self, call: Call) -> Answer:
        """Change some of what is known of it."""
        device = self._find(call.target.event_id)
        self.devices[device["id"]] = _device(device, call.request.json())
        return self._shown(call, self.devices[device["id"]])

    def delete(self, call: Call) -> Answer:
        """Forget a device."""
        del self.devices[self._find(call.target.event_id)["id"]]
        return Answer(204)

    def ingest(self, call: Call) -> Answer:
        """Telemetry of any number of devices."""
        given = call.request.json().get("telemetry")
        if not isinstance(given, list) or not given:
            raise InvalidRequest("The parameter 'telemetry' is missing or empty.", "BadRequest")
        for one in given:
            _check(one)
        self.telemetry += given
        if self._mailboxes.variants.telemetry_checks_in:
            for one in given:
                self._check_in(one)
        return Answer(204)

    def _check_in(self, one: Json) -> None:
        if not (one.get("boolValue") or one.get("intValue")):
            return
        at = window_instant(str(one["timestamp"]), "timestamp")
        for device in self.devices.values():
            if device["deviceId"] == one["deviceId"] and device.get("placeId"):
                self._claim(device["placeId"], at)

    def _claim(self, place: str, at: Instant) -> None:
        room = next((box for box in self._mailboxes.rooms() if box.id == place), None)
        if room is None:
            return
        for item in room.calendar.view(at, at + _REACH_MS):
            self._mailboxes.checked_in[room.address.casefold(), item.ical_uid] = at

    def _find(self, key: str) -> Json:
        device = self.devices.get(key)
        if device is None:
            raise NotFound("ResourceNotFound", "The sensor device was not found.")
        return device

    def _shown(self, call: Call, device: Json, status: int = 200) -> Answer:
        return call.answer(
            {"@odata.context": call.context("workplace/sensorDevices/$entity"), **device}, status
        )


def _device(before: Json, body: Json) -> Json:
    unknown = {name for name in body if not name.startswith("@odata.")} - _NAMES
    if unknown:
        raise InvalidRequest(f"The property '{min(unknown)}' does not exist on this type.", "BadRequest")
    device = {**before, **{name: body.get(name, before.get(name)) for name in _TEXTS}}
    device["tags"] = body.get("tags", before.get("tags", []))
    sensors = body.get("sensors") or before.get("sensors") or []
    if not isinstance(sensors, list):
        raise InvalidRequest("'sensors' must be a collection.", "BadRequest")
    device["sensors"] = [_sensor(one, device) for one in sensors]
    return device


def _sensor(one: Any, device: Json) -> Json:
    kind = one.get("sensorType") if isinstance(one, dict) else None
    if not isinstance(kind, str) or kind not in _VALUES:
        raise InvalidRequest(f"There is no sensorType '{kind}'.", "BadRequest")
    return {
        "sensorId": one.get("sensorId") or kind[0].upper() + kind[1:],
        "displayName": one.get("displayName"),
        "sensorType": kind,
        "placeId": one.get("placeId") or device.get("placeId"),
    }


def _check(one: Any) -> None:
    kind = one.get("sensorType") if isinstance(one, dict) else None
    if not isinstance(kind, str) or kind not in _VALUES or not isinstance(one.get("deviceId"), str):
        raise InvalidRequest("A telemetry item lacks its deviceId or sensorType.", "BadRequest")
    if _VALUES[kind] not in one:
        raise InvalidRequest(f"A telemetry item of type {kind} needs a {_VALUES[kind]}.", "BadRequest")
    window_instant(str(one.get("timestamp")), "timestamp")
