"""A gateway process to be killed: the real service, which ends itself at a labelled point if asked to.

Run as ``python victim.py CONFIG START_MS WALL_START SPEED [LABEL COUNT]``: decision time is START_MS at
the wall's WALL_START (seconds since 1970) and runs SPEED times faster, across restarts. At the COUNT-th
passing of LABEL it kills itself as a power cut would: no clean-up of any kind.
"""

import asyncio
import faulthandler
import os
import signal
import sys
import time
from pathlib import Path

from gateway import logs
from gateway.service import Service, Surroundings
from gateway.settings import load
from simulators.clock import ScaledClock

LABELS = (
    "before_commit",
    "inside_commit",
    "after_commit",
    "before_ack",
    "after_ack",
    "before_send",
    "after_send",
)


def main() -> None:
    """Run until killed or told to stop."""
    config, start_ms, wall_start, speed, *rest = sys.argv[1:]
    label, count = (rest[0], int(rest[1])) if rest else ("", 0)
    left = [count]

    def checkpoint(point: str) -> None:
        if point == label:
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async def run() -> None:
        past_ms = (time.time() - float(wall_start)) * 1_000 * float(speed)
        clock = ScaledClock(int(start_ms) + int(past_ms), float(speed))
        around = Surroundings(clock=clock, checkpoint=checkpoint, control=False, linger_s=0.05)
        service = Service(load(Path(config)), around)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, service.stop)
        await service.run()

    faulthandler.enable()
    logs.configure("info", "json")
    asyncio.run(run())


if __name__ == "__main__":
    main()
