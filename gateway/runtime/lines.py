"""Serial lines of this machine: their frames go the way of any message, but for the acknowledgement.

What comes while nothing can be recorded is lost; the core's memory starts hearing anew after that, which
counts as a gap. Only whether a line is open is told again then: nobody else would repeat it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from gateway.links import Message
from gateway.links.serial import SerialFamily, SerialLink, SerialSettings
from gateway.runtime.intake import Intake
from gateway.sensors.enocean import sender_of
from gateway.sensors.serial_frames import Framer, esp3_framer, ld2410_framer, ld2450_framer
from gateway.settings import SerialSettings as Line

FRAMERS: Final[Mapping[SerialFamily, Callable[[], Framer]]] = {
    "enocean": esp3_framer,
    "ld2410": ld2410_framer,
    "ld2450": ld2450_framer,
}


def link_of(line: Line) -> SerialLink:
    """The link to a configured line."""
    settings = SerialSettings(line.name, line.port, line.family, line.baud)
    return SerialLink(settings, FRAMERS[line.family], sender_of if line.family == "enocean" else None)


class Lines:
    """Runs every configured line and listens to them; implements `gateway.links.serial.MessageListener`."""

    def __init__(self, lines: tuple[Line, ...], intake: Intake, overhear: Callable[[Message], None]) -> None:
        """`overhear` is told of messages that no sensor is configured for."""
        self._lines = lines
        self._intake = intake
        self._overhear = overhear
        self._prefixes = tuple(f"serial/{line.name}/" for line in lines)
        self._states: dict[str, Message] = {}

    def owns(self, topic: str) -> bool:
        """Whether a topic is one of these lines': the broker is not asked for it."""
        return bool(self._prefixes) and topic.startswith(self._prefixes)

    async def run(self) -> None:
        """All lines until cancelled; a line that is lost is tried again by its link."""
        async with asyncio.TaskGroup() as tasks:
            for line in self._lines:
                tasks.create_task(link_of(line).run(self))

    def message(self, message: Message) -> None:
        """A frame, or the state of a line."""
        if message.topic.endswith("/status"):
            self._states[message.topic] = message
        if self._intake.has_sensor_on(message.topic):
            self._intake.message(message)
        else:
            self._overhear(message)

    def tell_again(self) -> None:
        """Whether each line is open, once more."""
        for state in self._states.values():
            self.message(state)
