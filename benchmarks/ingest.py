"""Durable ingest against a bare paho loop, processor time and memory of the gateway, on one broker."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import gateway_process, office, publisher
from benchmarks.processes import Measured
from gateway.core.room import DRAIN_MS
from gateway.core.units import SECOND_MS
from gateway.runtime.brain import LINGER_S
from simulators.broker import EmbeddedBroker, MosquittoBroker, mosquitto_available

MAX_INFLIGHT: Final = 1_000
MAX_QUEUED: Final = 100_000
EMBEDDED_WINDOW: Final = 100
WARM_UP: Final = 2_000
"""Messages before the first round: every sensor is known and healthy then."""

GATE: Final = "gate"
BARE: Final = "bare"


@dataclass(frozen=True)
class Broker:
    """The broker of a run. `window`: messages that it sends without an acknowledgement."""

    port: int
    window: int
    name: str


@contextlib.asynccontextmanager
async def broker() -> AsyncIterator[Broker]:
    """Mosquitto where it is installed, otherwise the embedded broker; for as long as the context lasts."""
    if mosquitto_available():
        settings = (
            "persistence true, autosave_on_changes false, autosave_interval 1800, "
            f"max_inflight_messages {MAX_INFLIGHT}, max_queued_messages {MAX_QUEUED}"
        )
        async with MosquittoBroker(max_inflight=MAX_INFLIGHT, max_queued=MAX_QUEUED) as mosquitto:
            yield Broker(mosquitto.port, MAX_INFLIGHT, f"Mosquitto ({settings})")
    else:
        async with EmbeddedBroker() as embedded:
            name = f"embedded broker (nothing persistent, {EMBEDDED_WINDOW} in flight): no Mosquitto here"
            yield Broker(embedded.port, EMBEDDED_WINDOW, name)


@dataclass
class Ingest:
    """What came of it: messages/s and processor µs a message, a round each; memory at the end."""

    bare: list[float] = field(default_factory=list)
    gateway: list[float] = field(default_factory=list)
    bare_cpu_us: list[float] = field(default_factory=list)
    gateway_cpu_us: list[float] = field(default_factory=list)
    peak_rss_mb: float = 0.0

    @property
    def ratio(self) -> float:
        """The median of the rounds' own ratios: neighbours in time share the machine's mood."""
        return statistics.median(g / b for b, g in zip(self.bare, self.gateway, strict=True))

    @property
    def cpu_us(self) -> float:
        """The median of the gateway's processor time a message."""
        return statistics.median(self.gateway_cpu_us)


async def measure(to: Broker, folder: Path, messages: int, rounds: int) -> Ingest:
    """Bare, gateway, bare, gateway, ...: each receives the same messages, from a publisher of its own."""
    tail = to.window
    starts = [WARM_UP + number * (messages + tail) for number in range(rounds + 1)]
    marks = sorted({*starts, *(start + messages for start in starts)})
    config = write_config(folder, to)
    order = gateway_process.Order(config=str(config), linger_s=LINGER_S, marks=tuple(marks))
    result = Ingest()
    bare_process = Measured("benchmarks.bare", str(to.port), BARE, *map(str, marks), log=folder / "bare.log")
    async with gateway(order, folder) as gate, bare_process as bare:
        await bare.says("up")
        await gate.says("up")
        drained_at = time.monotonic() + DRAIN_MS / SECOND_MS
        for prefix, consumer in ((BARE, bare), (GATE, gate)):
            await _burst(folder, consumer, _order(to, prefix, WARM_UP), timed=WARM_UP)
        await asyncio.sleep(drained_at - time.monotonic())  # until then nothing may be folded
        for number in range(rounds):
            skip = starts[number]
            for prefix, consumer, rates, cpu in (
                (BARE, bare, result.bare, result.bare_cpu_us),
                (GATE, gate, result.gateway, result.gateway_cpu_us),
            ):
                sent = _order(to, prefix, messages + tail, skip)
                cpu_before = consumer.cpu_s
                rates.append(messages / await _burst(folder, consumer, sent, timed=messages))
                cpu.append((consumer.cpu_s - cpu_before) / (messages + tail) * 1e6)
        result.peak_rss_mb = gate.peak_rss_bytes / 1e6
    return result


def _order(to: Broker, prefix: str, count: int, skip: int = 0) -> publisher.Order:
    return publisher.Order(port=to.port, prefix=prefix, count=count, skip=skip, changes=office.BUSY)


async def _burst(folder: Path, consumer: Measured, order: publisher.Order, timed: int) -> float:
    """Seconds from the first message published until `timed` messages have been dealt with.

    The rest keeps them coming until then: the last few of all wait for the linger, as they should.
    """
    async with publishing(order, folder) as publishes:
        began = float((await publishes.says("began"))["began"])
        ended = await consumer.reaches(order.skip + timed)
        if timed < order.count:
            await consumer.reaches(order.skip + order.count)
        await publishes.ends()
    return ended - began


def write_config(folder: Path, to: Broker) -> Path:
    """The configuration file of the measured gateway and the secret beside it."""
    secret = folder / "secret"
    secret.write_text("an-invented-secret\n", encoding="utf-8")
    secret.chmod(0o600)
    config = folder / "gateway.toml"
    config.write_text(office.configuration(folder, to.port, to.window, GATE), encoding="utf-8")
    return config


def gateway(order: gateway_process.Order, folder: Path) -> Measured:
    """The gateway's process."""
    text = msgspec.json.encode(order).decode()
    return Measured("benchmarks.gateway_start", text, log=folder / "gateway.log")


def publishing(order: publisher.Order, folder: Path) -> Measured:
    """The publisher's process."""
    text = msgspec.json.encode(order).decode()
    return Measured("benchmarks.publisher", text, log=folder / "publisher.log")
