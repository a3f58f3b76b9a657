"""Hours in seconds with a real broker and a real disk: time stands still while either is at work.

A virtual loop cannot hold real sockets, because it would jump on before an answer is there. A
`LockStepLoop` can: whoever starts something outside says so, and only when all of it has come back
and nothing is ready does time jump to the next timer. Jobs on threads (the ledger's commits, opening
a socket) are waited for by themselves; so is each published message until the gateway acknowledges it.

    StuckError    what was begun outside does not end
"""

import asyncio
import concurrent.futures
import contextlib
import os
import selectors
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, Self, TypeVar, TypeVarTuple, Unpack

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from gateway.core.units import Instant
from gateway.links.mqtt import MqttLink, MqttSettings
from gateway.links.wire import Wire
from simulators.clock import VirtualClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE_S: Final = 15.0
"""How long (by the wall) anything outside may take before the run is given up."""


class StuckError(RuntimeError):
    """What was begun outside does not end, or every task waits for something that nothing will bring."""


class LockStepLoop(asyncio.SelectorEventLoop):
    """An event loop on real sockets and threads whose time moves only while nothing is awaited of them."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        self._awaited = 0
        super().__init__(_LockStepSelector(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_s

    def expect(self) -> None:
        """Something has been begun outside: time stands still until as many have `arrived`."""
        self._awaited += 1

    def arrived(self, count: int = 1) -> None:
        """So many things that were expected have come. Raises StuckError for more than were expected."""
        if count > self._awaited:
            raise StuckError(f"{count} arrived where {self._awaited} were expected")
        self._awaited -= count

    @property
    def stands_still(self) -> bool:
        """Whether something outside is awaited."""
        return self._awaited > 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Time stands still within."""
        self.expect()
        try:
            yield
        finally:
            self.arrived()

    def jump(self, seconds: float) -> None:
        """Let virtual time pass; for the selector."""
        self._virtual_s += seconds

    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Run on a thread as always; time stands still until the result has been handed over."""
        self.expect()
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(lambda _: self.arrived())
        return future

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        """Time stands still while threads end."""
        with self.held():
            await super().shutdown_default_executor(*timeout)


class _LockStepSelector(selectors.DefaultSelector):
    """Waits for real while something is awaited; lets virtual time pass otherwise."""

    def __init__(self, loop: LockStepLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.stands_still:
            ready = super().select(PATIENCE_S)
            if not ready:
                raise StuckError(f"nothing has come for {PATIENCE_S:.0f} s")
            return ready
        if timeout is None:
            raise StuckError("nothing is ready, nothing is awaited and no timer is set")
        self._loop.jump(timeout)
        return ready


def run_in_lock_step(
    main: Callable[[LockStepLoop, VirtualClock], Coroutine[Any, Any, T]], start: Instant
) -> T:
    """Run what `main` makes of the loop and its clock to the end; its result. Raises what it raises."""
    with asyncio.Runner(loop_factory=LockStepLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, LockStepLoop)
        return runner.run(main(loop, VirtualClock(loop, start)))


async def until(met: Callable[[], bool]) -> None:
    """Turn the held loop until the condition is met: for what has no event to wait for. Raises StuckError."""
    give_up = time.monotonic() + PATIENCE_S
    while not met():
        if time.monotonic() > give_up:
            raise StuckError("what was waited for does not happen")
        await asyncio.sleep(0)


class LockStepLink(MqttLink):
    """The real link; each message that the gateway acknowledges has `arrived`."""

    def __init__(self, settings: MqttSettings, loop: LockStepLoop) -> None:
        super().__init__(settings)
        self._loop = loop
        self._socket: socket.socket | None = None
        self.acknowledged = 0

    async def _open(self) -> Wire:
        wire = await super()._open()
        self._socket = socket.socket(fileno=os.dup(wire.fileno()))  # the same connection, by another handle
        return wire

    def hasten(self) -> None:
        """Have the kernel confirm at once what has come.

        The embedded broker leaves Nagle's algorithm on: behind its answer to a publication of the gateway
        the next sample would wait 40 ms for a delayed TCP acknowledgement, several hundred times.
        """
        if self._socket is not None and hasattr(socket, "TCP_QUICKACK"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        """Let go of the second handle."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def acknowledge(self, receipts: Sequence[object]) -> None:
        """Acknowledge to the broker, then let time go on."""
        super().acknowledge(receipts)
        self.acknowledged += len(receipts)
        self._loop.arrived(len(receipts))


class Publisher:
    """The sensors' side of the broker: publishes at QoS 1 over a connection of its own, on a thread."""

    def __init__(self, host: str, port: int, loop: LockStepLoop, link: LockStepLink) -> None:
        self._loop, self._link = loop, link
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="sensors")
        self._client.connect(host, port)
        wire = self._client.socket()
        assert isinstance(wire, socket.socket)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # two small packets: no delay between
        self.published = 0

    def __enter__(self) -> Self:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: str) -> None:
        """Publish; time stands still until the gateway has committed and acknowledged the message."""
        self._link.hasten()
        self._loop.expect()
        info = self._client.publish(topic, payload, qos=1)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            raise StuckError(f"{topic} was not published: {info.rc!r}")
        self.published += 1
