"""What the gateway has the system write to disk in a day at 33 readings a second.

The day is not waited for: the gateway's and the sensors' clocks run `SPEED` times faster, the
readings come `SPEED` times as often and the linger is as much shorter, so that every commit holds
what it would hold. Snapshots and checkpoints fall into the window as they fall into a day.
"""

import asyncio
import time
from pathlib import Path
from typing import Final

from benchmarks import gateway_process, office, publisher
from benchmarks.ingest import GATE, WARM_UP, Broker, gateway, publishing, write_config
from gateway.core.room import DRAIN_MS
from gateway.core.units import DAY_MS, SECOND_MS
from gateway.runtime.brain import LINGER_S

READINGS_PER_S: Final = 33
SPEED: Final = 20


async def measure(to: Broker, folder: Path, window_s: float) -> float:
    """Megabytes a day, from `window_s` seconds of the wall."""
    start_ms = time.time_ns() // 1_000_000
    order = gateway_process.Order(
        config=str(write_config(folder, to)),
        linger_s=LINGER_S / SPEED,
        start_ms=start_ms,
        speed=SPEED,
    )
    rate = READINGS_PER_S * SPEED
    count = WARM_UP + int(rate * window_s)
    async with gateway(order, folder) as gate:
        await gate.says("up")
        await asyncio.sleep(DRAIN_MS / SECOND_MS / SPEED)
        sent = publisher.Order(
            port=to.port,
            prefix=GATE,
            count=count,
            changes=office.ORDINARY,
            rate=rate,
            start_ms=start_ms,
            speed=SPEED,
        )
        async with publishing(sent, folder) as publishes:
            await publishes.says("began")
            await asyncio.sleep(WARM_UP / rate)
            before, began = gate.written_bytes, time.monotonic()
            await publishes.ends()
            written, took_s = gate.written_bytes - before, time.monotonic() - began
    return written / took_s / SPEED * (DAY_MS / SECOND_MS) / 1e6
