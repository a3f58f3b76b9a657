"""Messages from a link become facts. Nothing that arrives can crash the gateway or make it decide."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from gateway.core.events import Availability, BridgeState, LinkDown, LinkUp, Reading
from gateway.core.site import UnknownName
from gateway.core.units import Instant
from gateway.links import Message
from gateway.links.serial import NO_RECEIPT
from gateway.runtime.brain import Brain
from gateway.sensors import Decoded, Missed, PayloadError, Router, UnknownTopic

log = structlog.get_logger()

UNKNOWN: Final = "(unknown topic)"
"""What messages on topics that no sensor has are counted under."""

SAMPLE_CHARACTERS: Final = 200
FAULTS_BEFORE_SET_ASIDE: Final = 3
"""A message that the core has failed on so often is kept as a sample and not asked for again."""

BURST_S: Final = 600.0
"""A sensor that sends rubbish is logged once, and again after this long."""


class Intake:
    """Listens to a link on behalf of the brain; implements `gateway.links.LinkListener`."""

    def __init__(self, brain: Brain, router: Router) -> None:
        self._brain = brain
        self._router = router
        self._logged_at: dict[str, float] = {}
        self._loss_logged_at: dict[str, float] = {}
        self._faults: Counter[tuple[str, bytes]] = Counter()
        self.link_state = "down"
        """In a word, for people."""
        self.watchers: list[Callable[[Decoded, Instant], None]] = []
        """Whoever looks on (`gateway.runtime.watch`): told of each message, and able to change nothing."""

    def take_router(self, router: Router) -> None:
        """Decode with another router from now on; the core must know its sensors by then."""
        self._router = router

    def has_sensor_on(self, topic: str) -> bool:
        """Whether a configured sensor, or its bridge, speaks there."""
        return self._router.knows(topic)

    # -- the link -------------------------------------------------------------------------------------

    def link_up(self, session_present: bool) -> None:
        """Hearing begins; whether as a gap or not is for the core to say."""
        self.link_state = "up"
        log.info("link up", session_present=session_present)
        if not self._brain.paused_because:
            self._brain.tell(LinkUp(session_present))

    def link_down(self, why: str) -> None:
        """Hearing ends."""
        self.link_state = f"down: {why}"
        log.warning("link down", why=why)
        if not self._brain.paused_because:
            self._brain.tell(LinkDown())

    def message(self, message: Message) -> None:
        """One message: decode, record, and hand its receipt over to be acknowledged after the commit."""
        brain = self._brain
        if brain.paused_because:
            return  # unacknowledged: the broker keeps it
        now = brain.now()
        faults = self._faults[message.topic, message.payload] if self._faults else 0
        if faults >= FAULTS_BEFORE_SET_ASIDE:
            self._reject(
                self._router.sensor_of(message.topic) or message.topic,
                f"the core failed on it {faults} times",
                message,
                now,
            )
            self._done(message)
            return
        speaker = ""
        try:
            decoded = self._router.decode(message.topic, message.payload, message.retained, now)
            if not decoded:
                speaker = self._router.sensor_of(message.topic)
        except PayloadError as error:
            self._reject(error.sensor or message.topic, str(error), message, now)
            decoded = error.decoded
        except UnknownTopic as error:
            self._reject(UNKNOWN, f"{error} ({message.topic[:SAMPLE_CHARACTERS]})", message, now)
            decoded = ()
        for look_on in self.watchers:
            look_on(decoded, now)
        try:
            self._record(decoded, speaker, now)
        except Exception as error:  # noqa: BLE001 - no message may take the link or the process down (W10)
            self._faults[message.topic, message.payload] += 1
            brain.fail(error)
            return
        self._done(message)

    def _done(self, message: Message) -> None:
        if message.receipt is NO_RECEIPT:
            self._brain.heard_here()
        else:
            self._brain.heard(message.receipt)

    # -- recording ------------------------------------------------------------------------------------

    def _record(self, decoded: Decoded, speaker: str, now: Instant) -> None:
        """Give each reading to the core; count the message once for each sensor it speaks of.

        `speaker`: whose message it was if it says nothing that counts (a retained value, say).
        """
        brain = self._brain
        kept: dict[str, bool] = {speaker: False} if speaker else {}
        for item in decoded:
            if isinstance(item, Missed):
                self._tell_loss(item.sensor)
                continue
            if isinstance(item, Reading):
                name = item.sensor
                new = brain.hear(item, now)
            else:
                name = item.sensor if isinstance(item, Availability) else item.bridge
                new = self._tell_if_new(item)
            kept[name] = kept.get(name, False) or new
        for name, new in kept.items():
            counts = brain.counts(name)
            if new:
                counts.accepted += 1
            else:
                counts.folded += 1

    def _tell_if_new(self, item: Availability | BridgeState) -> bool:
        """Availability topics are retained and come again on every reconnect: only changes are facts."""
        if self._brain.site.is_known(item):
            return False
        try:
            self._brain.tell(item)
        except UnknownName:
            return False  # a bridge that no configured sensor is behind
        return True

    def _tell_loss(self, sensor: str) -> None:
        """A message of it was lost: for the core, it was away for a moment and is back.

        That is what a loss means: what happened unheard counts like a sign of presence, and a presence sensor
        must tell its state anew. A sensor that is away already stays so, whatever still comes of it.
        """
        if not self._brain.site.is_known(Availability(sensor, online=True)):
            return
        self._brain.tell(Availability(sensor, online=False))
        self._brain.tell(Availability(sensor, online=True))
        loop_time = asyncio.get_running_loop().time()
        if loop_time - self._loss_logged_at.get(sensor, -BURST_S) >= BURST_S:
            self._loss_logged_at[sensor] = loop_time
            log.warning("a message was lost", sensor=sensor)

    def _reject(self, sensor: str, why: str, message: Message, now: Instant) -> None:
        """Count and keep a sample; log once per burst."""
        counts = self._brain.counts(sensor)
        counts.rejected += 1
        counts.last_error = why
        counts.last_sample = message.payload[:SAMPLE_CHARACTERS].decode(errors="backslashreplace")
        counts.last_error_at = now
        loop_time = asyncio.get_running_loop().time()
        if loop_time - self._logged_at.get(sensor, -BURST_S) >= BURST_S:
            self._logged_at[sensor] = loop_time
            log.warning("message refused", sensor=sensor, why=why)
