"""Listening for sensors that no room has yet: only while somebody wants to know, and never as evidence.

Nothing of this reaches the brain, the ledger or the intake. What was heard is forgotten at the end.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from gateway.core.units import Instant
from gateway.links import LinkListener, Message
from gateway.placing.heard import USUAL_TOPICS, Heard, Listed
from gateway.placing.similar import RoomNames
from gateway.sensors import OptionError
from gateway.settings import SensorSettings, Settings

log = structlog.get_logger()

Json = dict[str, Any]

LISTEN_FOR_S: Final = 900.0
"""So long after the last question; long enough to walk to a sensor and wave."""
FIRST_WAIT_S: Final = 3.0
"""The first question waits for what the broker has kept: descriptions are retained."""
FOLLOW_S: Final = 1.0
"""Candidates' own topics are asked for together, not one by one."""


class OverhearingLink(Protocol):
    """A connection beside the gateway's own; `gateway.links.overhearing` has the real one."""

    why: str

    async def run(self, listener: LinkListener) -> None:
        """Listen until cancelled, or until nothing is allowed."""
        ...

    def subscribe(self, filters: Sequence[str]) -> None:
        """Listen to these topic filters."""
        ...


class Discovery:
    """Listens while wanted; implements `gateway.links.LinkListener`."""

    def __init__(
        self, settings: Settings, link: Callable[[], OverhearingLink] | None, now: Callable[[], Instant]
    ) -> None:
        """`link` makes a new connection; None: there is nothing to listen to."""
        self._settings = settings
        self._make_link = link
        self._now = now
        self._heard = Heard(own=settings.mqtt.topic_prefix)
        self._link: OverhearingLink | None = None
        self._until = 0.0
        self._changed = asyncio.Event()
        self._up = asyncio.Event()
        self._following: asyncio.TimerHandle | None = None
        self.why_not = ""
        """Why it does not listen although somebody wants it to."""

    # -- wishes ----------------------------------------------------------------------------------------

    def take_settings(self, settings: Settings) -> None:
        """Other rooms' sensors, other topics, other devices to ignore."""
        again = settings.discovery != self._settings.discovery
        self._settings = settings
        if again:
            self._changed.set()

    @property
    def _is_wanted(self) -> bool:
        listen = self._settings.discovery.listen
        if listen == "always":
            return True
        return listen == "asked" and asyncio.get_running_loop().time() < self._until

    async def ask(self) -> None:
        """Somebody wants to know: listen for a while; the first time, wait for what the broker has kept."""
        loop = asyncio.get_running_loop()
        was_wanted, self._until = self._is_wanted, loop.time() + LISTEN_FOR_S
        if self._make_link is None or self._settings.discovery.listen == "off":
            return
        if not was_wanted or self.why_not:
            self._changed.set()
        if not self._up.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WAIT_S):
                    await self._up.wait()
            await asyncio.sleep(FOLLOW_S)

    # -- listening -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Listen whenever it is wanted, until cancelled."""
        while True:
            self._changed.clear()
            if self._is_wanted and self._make_link is not None:
                await self._listen(self._make_link())
            else:
                await self._changed.wait()

    async def _listen(self, link: OverhearingLink) -> None:
        """Until it is not wanted any more, the settings change, or the broker forbids it."""
        self.why_not = ""
        self._link = link
        self._follow()
        listening = asyncio.ensure_future(link.run(self))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            while self._is_wanted and not (listening.done() or changed.done()):
                await asyncio.wait(
                    (listening, changed), timeout=self._left_s(), return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            changed.cancel()
            finished = listening.done()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((listening,))
            self._link = None
            self._up.clear()
        if finished:
            self._note_end(link, listening)
            await self._changed.wait()  # asked again, or configured in another way

    def _note_end(self, link: OverhearingLink, listening: "asyncio.Future[None]") -> None:
        error = None if listening.cancelled() else listening.exception()
        self.why_not = link.why or "it ended by itself"
        if error is not None:
            self.why_not = f"it failed: {error!r}"
            log.error("listening for new sensors failed", exc_info=error)

    def _left_s(self) -> float | None:
        if self._settings.discovery.listen == "always":
            return None
        return max(0.0, self._until - asyncio.get_running_loop().time())

    def _follow(self) -> None:
        self._following = None
        if self._link is not None:
            usual = self._settings.discovery.topics or USUAL_TOPICS
            self._link.subscribe([*usual, *self._heard.topics])

    # -- what the link tells ---------------------------------------------------------------------------

    def link_up(self, session_present: bool) -> None:  # noqa: ARG002 - the connection has no session
        """The broker listens to us; what it has kept comes now."""
        self._up.set()

    def link_down(self, why: str) -> None:
        """It tries again by itself."""

    def message(self, message: Message) -> None:
        """Look at it, and forget it."""
        known = len(self._heard.topics)
        try:
            self._heard.hear(message.topic, message.payload, retained=message.retained, now=self._now())
        except Exception:  # what no room has may say anything, and must not cost the rooms' sensors anything
            log.warning("a message could not be looked at", topic=message.topic[:200], exc_info=True)
        if len(self._heard.topics) != known and self._following is None:
            self._following = asyncio.get_running_loop().call_later(FOLLOW_S, self._follow)

    # -- what was heard --------------------------------------------------------------------------------

    def listed(self) -> list[Listed]:
        """The candidates that no room has and nobody ignores."""
        settings = self._settings
        sensors = [sensor for room in settings.rooms for sensor in room.sensors]
        return self._heard.listed(
            {sensor.topic for sensor in sensors},
            settings.discovery.ignore,
            {sensor.id for sensor in sensors},
            [RoomNames(room.id, room.name, room.mailbox) for room in settings.rooms],
        )

    def candidate(self, name: str) -> tuple[Listed, SensorSettings | None, str] | None:
        """The one of that id, topic or name, its settings, or why it cannot be a room's sensor."""
        listed = self.listed()
        found = [one for one in listed if name in {one.id, one.topic}] or [
            one for one in listed if one.name.casefold() == name.casefold()
        ]
        if len(found) != 1:
            return None
        (one,) = found
        try:
            return one, self._heard.settings_of(one.topic, one.id, one.role), ""
        except (OptionError, ValueError) as error:
            return one, None, str(error)

    @property
    def state(self) -> Json:
        """For people: whether it listens, and why not."""
        return {
            "listens": self._up.is_set(),
            "listen": self._settings.discovery.listen,
            "why_not": self._link.why if self._link is not None and not self._up.is_set() else self.why_not,
            "left_out": self._heard.left_out,
        }
