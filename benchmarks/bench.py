"""Measures everything that the design promises in figures: `python -m benchmarks.bench [--quick]`.

Writes bench.json into the current folder and prints a table. Loopback only; every process that it
starts ends with it.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from benchmarks import core, disk, graph, ingest, office, sensors, startup, what_if
from benchmarks.processes import file_system

RESULT: Final = Path("bench.json")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    messages: int
    rounds: int
    disk_s: float
    sensor_messages: int
    core_readings: int
    events: int
    workdays: int
    weekend: int
    """Days that are lived through in virtual time (`benchmarks.graph`)."""
    tried_days: int
    """Days that another policy is tried on (`benchmarks.what_if`)."""


FULL: Final = Size(
    messages=20_000,
    rounds=11,
    disk_s=40.0,
    sensor_messages=20_000,
    core_readings=600_000,
    events=1_000_000,
    workdays=2,
    weekend=1,
    tried_days=8,
)
QUICK: Final = Size(
    messages=5_000,
    rounds=2,
    disk_s=8.0,
    sensor_messages=2_000,
    core_readings=300_000,
    events=100_000,
    workdays=1,
    weekend=1,
    tried_days=1,
)
CORE_RUNS: Final = 30


@dataclass(frozen=True)
class Goal:
    """A promise: the figure must be at least (or at most) `bound`."""

    key: str
    what: str
    unit: str
    bound: float
    at_least: bool
    digits: int = 0

    def is_met(self, figure: float) -> bool:
        """Whether the figure keeps the promise."""
        return figure >= self.bound if self.at_least else figure <= self.bound

    def row(self, figure: float) -> str:
        """One line of the table."""
        sign = "at least" if self.at_least else "at most"
        goal = f"{sign} {self.bound:,g}"
        verdict = "met" if self.is_met(figure) else "MISSED"
        return f"{self.what:<46} {figure:>12,.{self.digits}f} {self.unit:<9} {goal:<18} {verdict}"


GOALS: Final = (
    Goal("ingest_ratio_to_bare_paho", "durable ingest, ratio to a bare paho loop", "", 0.8, True, 2),  # noqa: FBT003 - as named in Goal
    Goal("cpu_us_per_message", "processor time a message", "µs", 50, False),  # noqa: FBT003 - as above
    Goal("sensor_decode_us", "understanding a message, mean of families", "µs", 10, False, 1),  # noqa: FBT003 - as above
    Goal("peak_rss_mb", "peak memory, 100 rooms, 1,000 sensors", "MB", 80, False),  # noqa: FBT003 - as above
    Goal("disk_mb_per_day", "disk writes at 33 readings/s", "MB/day", 1_000, False),  # noqa: FBT003 - as above
    Goal("core_events_per_s", "the core alone, ten sensors a room", "1/s", 200_000, True),  # noqa: FBT003 - as above
    Goal("startup_s_at_1m_events", "start with a ledger of a million events", "s", 2, False, 2),  # noqa: FBT003 - as above
    Goal("graph_http_per_room_day", "HTTP requests to Graph, a room and day", "1/day", 150, False, 1),  # noqa: FBT003 - as above
    Goal("oldest_calendar_s", "oldest calendar in working hours", "s", 60, False, 1),  # noqa: FBT003 - as above
    Goal("what_if_year_s", "another policy on a year of 100 rooms", "s", 600, False),  # noqa: FBT003 - as above
    Goal("due_to_written_p95_s", "from due to written, 95 % of releases", "s", 2, False, 2),  # noqa: FBT003 - as above
)


def main() -> None:
    """Measure, write, show."""
    arguments = argparse.ArgumentParser(
        prog="benchmarks.bench", description="How fast, how small, how frugal."
    )
    arguments.add_argument("--quick", action="store_true", help="a shorter, coarser run")
    size = QUICK if arguments.parse_args().quick else FULL
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        figures = asyncio.run(_measure(Path(name), size))
        figures |= _graph(_made(Path(name) / "graph"), size)
        figures |= _what_if(_made(Path(name) / "what-if"), size)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    say("")
    for goal in GOALS:
        say(goal.row(figures[goal.key]))
    say(f"\nWritten to {RESULT}; took {time.monotonic() - began:.0f} s.")


async def _measure(folder: Path, size: Size) -> dict[str, float]:
    say(f"{os.cpu_count()} processors; files on {file_system(folder)}")
    figures: dict[str, float] = {}
    async with ingest.broker() as broker:
        say(f"broker: {broker.name}; the gateway is told a window of {broker.window}")
        taken = await ingest.measure(broker, _made(folder / "ingest"), size.messages, size.rounds)
        _tell("bare paho", taken.bare, taken.bare_cpu_us)
        _tell("gateway", taken.gateway, taken.gateway_cpu_us)
        figures["ingest_ratio_to_bare_paho"] = round(taken.ratio, 3)
        figures["cpu_us_per_message"] = round(taken.cpu_us, 1)
        figures["peak_rss_mb"] = round(taken.peak_rss_mb, 1)
        figures["disk_mb_per_day"] = round(await disk.measure(broker, _made(folder / "disk"), size.disk_s), 0)
        minutes = size.disk_s * disk.SPEED / 60
        say(f"disk: {minutes:.0f} minutes of the gateway's clock, {disk.SPEED} times as fast as the wall's")
    busy = _core("half of the readings change something", size, office.BUSY)
    figures["core_events_per_s"] = _core("one in ten", size, office.ORDINARY)
    figures["core_events_per_s_if_half_change"] = busy
    understood = sensors.measure(size.sensor_messages)
    for name, us in understood.items():
        say(f"sensors, {name:<24} {us:6.1f} µs a message")
    figures["sensor_decode_us"] = round(sensors.mean(understood), 2)
    started_s, events = await startup.measure(_made(folder / "startup") / "ledger.db", size.events)
    say(f"start: {events:,} events in the ledger")
    figures["startup_s_at_1m_events"] = round(started_s, 3)
    return figures


def _graph(folder: Path, size: Size) -> dict[str, float]:
    """What polling costs, how old calendars become, how late releases are written: in virtual time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    lived = graph.measure(folder, size.workdays, size.weekend)
    say(
        f"Graph: {size.workdays} workday(s) and {size.weekend} of a weekend stand for the week; "
        f"{lived.inner:.0f} inner requests a room and day, {lived.throttled} throttled"
    )
    say(
        f"Graph: {len(lived.lags_s)} releases, from due to written: median {lived.lag(0.5):.2f} s, "
        f"95 % within {lived.lag(0.95):.2f} s, all within {max(lived.lags_s):.2f} s"
    )
    return {
        "graph_http_per_room_day": round(lived.http, 1),
        "graph_inner_per_room_day": round(lived.inner, 1),
        "oldest_calendar_s": round(lived.oldest_s, 1),
        "due_to_written_median_s": round(lived.lag(0.5), 3),
        "due_to_written_p95_s": round(lived.lag(0.95), 3),
        "due_to_written_max_s": round(max(lived.lags_s), 3),
    }


def _what_if(folder: Path, size: Size) -> dict[str, float]:
    """How long other policies take on a long history."""
    tried = what_if.measure(folder / "ledger.db", size.tried_days)
    say(
        f"what-if: {tried.days} days, {tried.events:,} events, {tried.policies} policies: "
        f"{tried.wall_s:.1f} s on {os.cpu_count()} processors, {tried.cpu_us:.1f} µs an event and policy"
    )
    return {
        "what_if_year_s": round(tried.year_s),
        "what_if_cpu_us_per_event": round(tried.cpu_us, 2),
        "what_if_events_per_day": round(tried.events / tried.days),
    }


def _core(what: str, size: Size, changes: float) -> float:
    """The best of the runs, in readings a second: whatever else the machine does only slows them."""
    rates = [core.measure(size.core_readings // CORE_RUNS, changes) for _ in range(CORE_RUNS)]
    say(f"core, {what}: {_shown(rates)} readings/s")
    return round(max(rates))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _tell(name: str, rates: Sequence[float], cpu_us: Sequence[float]) -> None:
    say(f"{name:>10}: {_shown(rates)} messages/s; {_shown(cpu_us)} µs of processor time a message")


def _shown(figures: Sequence[float]) -> str:
    return " ".join(f"{figure:,.0f}" for figure in figures)


def say(line: str) -> None:
    """One line for people."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
