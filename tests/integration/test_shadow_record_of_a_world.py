"""Over simulated days with every room in shadow the report agrees with the gateway's own counters."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gateway.ledger import LedgerReader
from gateway.reports.shadow_record import KINDS, RoomRecord, shadow_records
from simulators.faults import chosen
from simulators.office import OfficeRoom
from simulators.world import cast
from simulators.world.engine import Engine, Options
from simulators.world.house import House, house
from simulators.world.run import run_one

Counted = dict[str, tuple[int, int]]


def all_in_shadow(*given: Any) -> tuple[House, Sequence[OfficeRoom]]:
    """The world's own house, with no room that writes and a bar that none of them reaches."""
    site, rooms = house(*given)
    policy = {**site.policy, "live_after": 1_000}
    return msgspec.structs.replace(site, policy=policy, shadow=frozenset(room.id for room in rooms)), rooms


def counted_twice(options: Options) -> tuple[Counted, Counted]:
    """Judged and wrong of each room: by the gateway at the end of the run, and by the report."""
    core: Counted = {}
    report: Counted = {}

    def look(engine: Engine) -> None:
        with LedgerReader(engine.host.ledger) as reader:
            records = shadow_records(decision for _, _, decision in reader.decisions_after(0, KINDS))
            for name, room in reader.site().rooms.items():
                own = records.get(name, RoomRecord(name))
                core[name] = room.state.record.judged, room.state.record.wrong
                report[name] = own.judged, own.wrong

    run_one(options, look)
    return core, report


@pytest.mark.parametrize(
    "options",
    [
        Options(seed=5, rooms=3, days=1, steps=False),
        pytest.param(
            Options(seed=101, rooms=4, days=3, faults=chosen("all"), steps=False), marks=pytest.mark.thorough
        ),
    ],
    ids=["a quiet day", "stormy days"],
)
def test_the_report_agrees_with_the_gateways_own_counters(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every room, from a real ledger: as many releases judged, as many wrong."""
    monkeypatch.setattr(cast, "house", all_in_shadow)
    core, report = counted_twice(options)
    assert report == core
    assert sum(judged for judged, _ in core.values()) > 3
