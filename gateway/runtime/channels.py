"""How alerts reach people: the log and MQTT.

A further channel has `tell` and `show`, and is listed where the service is put together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from gateway.alerts import Alerts, Channel, Message, Severity, Standing, standing_json
from gateway.core.units import Instant

log = structlog.get_logger()

LEVELS: Final[Mapping[Severity, str]] = {"warning": "warning", "problem": "error"}


class LogChannel:
    """Each message is one line of the log: `alert`, or `alert over`."""

    def tell(self, messages: Iterable[Message]) -> None:
        """See `Channel.tell`."""
        for message in messages:
            facts: dict[str, Any] = {
                "kind": message.kind,
                "severity": message.severity,
                "count": len(message.subjects),
                "what": message.sentence,
            }
            if message.what == "trouble":
                getattr(log, LEVELS[message.severity])("alert", **facts)
            else:
                log.info("alert over", **facts)

    def show(self, standing: Standing) -> None:
        """The log tells what happens, not what stands."""


class MqttChannel:
    """What stands, as one retained list; whoever subscribes sees troubles come and go."""

    def __init__(
        self, publish: Callable[[list[dict[str, Any]]], None], iso: Callable[[Instant], str | None]
    ) -> None:
        self._publish = publish
        self._iso = iso

    def tell(self, messages: Iterable[Message]) -> None:
        """The list says it all."""

    def show(self, standing: Standing) -> None:
        """See `Channel.show`."""
        self._publish(standing_json(standing, self._iso))


class Crier:
    """Gives every channel what is new, and what stands whenever that has changed."""

    def __init__(self, alerts: Alerts, channels: Sequence[Channel]) -> None:
        self._alerts = alerts
        self._channels = channels
        self._shown = b""

    def cry(self, now: Instant) -> bool:
        """Tell what is due now; whether what stands has changed."""
        messages = self._alerts.due(now)
        standing = self._alerts.standing()
        encoded = msgspec.json.encode(standing)
        changed = encoded != self._shown
        for channel in self._channels:
            if messages:
                channel.tell(messages)
            if changed:
                channel.show(standing)
        self._shown = encoded
        return changed
