"""History under other policies: the same policy gives the same releases, whoever works and however it was."""

import math
import statistics
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.decisions import Decision
from gateway.core.policy import BreakerPolicy
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from gateway.ledger import LedgerError, LedgerReader
from gateway.replay.counterfactual import begin, relive
from gateway.replay.estimate import FEWEST_DAYS, estimates
from gateway.replay.judging import Figures
from gateway.replay.pieces import WARM_UP_MS, pieces
from gateway.replay.put_back import PutBack
from gateway.replay.variants import AS_CONFIGURED, grid
from gateway.replay.what_if import Asked, Lived, what_if
from simulators.office import Office
from simulators.past import write_past

MONDAY = 20_724 * DAY_MS
FREE = BreakerPolicy(on=False)
"""Nothing but the rooms' own rules."""


def office(seed: int, rooms: int = 3, hours: float = 6.0) -> Office:
    """A morning of a few rooms."""
    return Office(seed, rooms, start_ms=MONDAY + 7 * HOUR_MS, hours=hours, warm_up_ms=HOUR_MS)


def would_releases(path: Path, seq: int = 0) -> list[Decision]:
    """What the run as it was configured decides, from the snapshot of event `seq` on.

    At its end it remembers what history's gateway did, the breaker's hours among it.
    """
    found: list[Decision] = []
    with LedgerReader(path) as reader:
        site = reader.site_at(seq) if seq else Site()
        run = begin(site, AS_CONFIGURED, lambda decision, _: found.append(decision))
        relive(((at, event) for _, at, event in reader.events(seq)), [run], PutBack((), {}))
        assert run.site.state.breaker == reader.site().state.breaker
    return [decision for decision in found if decision.kind == "would_release"]


def recorded(path: Path, seq: int = 0) -> list[Decision]:
    """What the gateway of then decided."""
    with LedgerReader(path) as reader:
        return [r.decision for r in reader.recorded(seq) if r.decision.kind == "would_release"]


@pytest.mark.thorough
@settings(max_examples=6)
@given(seed=st.integers(0, 10_000))
def test_the_same_policy_decides_as_it_did(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """A shadow gateway's releases come again, each with its moment and its reasons, also from a snapshot."""
    path = tmp_path_factory.mktemp("past") / "ledger.db"
    write_past(path, office(seed), snapshot_every=2_500)
    assert would_releases(path) == recorded(path)
    with LedgerReader(path) as reader:
        middle = reader.snapshots()[0].seq
    assert would_releases(path, middle) == recorded(path, middle)


def test_a_live_history_is_judged_as_a_shadow_one(tmp_path: Path) -> None:
    """What was really given back is put back first: the same people, the same figures."""
    write_past(tmp_path / "shadow.db", office(5))
    write_past(tmp_path / "live.db", office(5), mode="live")
    with LedgerReader(tmp_path / "live.db") as reader:
        assert len(reader.given_back()) > 3
    totals = [
        [lived.total for lived in what_if(tmp_path / name, tried, jobs=1).lived]
        for name in ("shadow.db", "live.db")
        for tried in [[AS_CONFIGURED, *grid([5 * MINUTE_MS, 15 * MINUTE_MS])]]
    ]
    assert totals[0][0] == totals[1][0]
    for shadow, live in zip(*totals, strict=True):
        assert (shadow.bookings, shadow.releases, shadow.wrong) == (live.bookings, live.releases, live.wrong)
        # A read that a write asked for is one more occasion: some are released a second sooner or later.
        assert abs(shadow.returned_ms - live.returned_ms) < MINUTE_MS


def test_a_period_that_begins_after_a_release_still_has_its_booking(tmp_path: Path) -> None:
    """It was given back while nothing counted yet, and would have been over in the period."""
    write_past(tmp_path / "shadow.db", office(5))
    write_past(tmp_path / "live.db", office(5), mode="live")
    with LedgerReader(tmp_path / "live.db") as reader:
        first = reader.given_back()[0]
    since = Asked(since=first.at + MINUTE_MS)
    assert first.write.end > first.at + 2 * MINUTE_MS
    shadow, live = (
        what_if(tmp_path / name, [AS_CONFIGURED], since, jobs=1).lived[0].total
        for name in ("shadow.db", "live.db")
    )
    assert shadow.bookings == live.bookings
    assert (shadow.releases, shadow.wrong) == (live.releases, live.wrong)


def test_what_history_s_gateway_had_in_hand_is_let_go(tmp_path: Path) -> None:
    """From the middle of a live history: nothing is released or waited for, every room is in shadow."""
    write_past(tmp_path / "live.db", office(5), mode="live", snapshot_every=2_500)
    with LedgerReader(tmp_path / "live.db") as reader:
        anchors = reader.snapshots()
        sites = [reader.site_at(anchor.seq) for anchor in anchors]
    assert any(room.released for site in sites for room in site.state.rooms.values())
    for site in sites:
        for room in begin(site, AS_CONFIGURED, lambda *_: None).site.state.rooms.values():
            lives = [*room.lives.values(), *room.departed.values()]
            assert (room.mode, room.released, room.loose_writes, room.walk_up) == ("shadow", {}, {}, None)
            assert not [life for life in lives if life.live or life.state in ("releasing", "released")]


@pytest.mark.thorough
def test_a_longer_grace_never_gives_back_more(tmp_path: Path) -> None:
    """In a history where nobody comes late to a ghost, hours fall as grace grows; and fewer are wrong."""
    path = tmp_path / "ledger.db"
    write_past(path, office(9, 4), breaker=FREE)
    tried = what_if(path, grid([minutes * MINUTE_MS for minutes in (5, 10, 15, 20, 30)]), jobs=1)
    totals = [lived.total for lived in tried.lived]
    assert all(one.ghost_returned_ms >= other.ghost_returned_ms for one, other in pairwise(totals))
    assert all(one.wrong >= other.wrong for one, other in pairwise(totals))
    assert totals[0].ghost_returned_ms > totals[-1].ghost_returned_ms > 0


@pytest.fixture(scope="module")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rooms for ten days, with a snapshot about every half day."""
    path = tmp_path_factory.mktemp("past") / "ledger.db"
    quiet = Office(
        3,
        2,
        start_ms=MONDAY,
        hours=240,
        warm_up_ms=8 * HOUR_MS,
        sensor_mix=("counter", "zigbee-pir+zigbee-pir"),
    )
    write_past(path, quiet, snapshot_every=400)
    return path


@pytest.mark.thorough
def test_the_number_of_processes_changes_nothing(fortnight: Path) -> None:
    """One at a time or two at once, in pieces: the same figures, and the work is told to its end."""
    variants = [AS_CONFIGURED, *grid([5 * MINUTE_MS])]
    with LedgerReader(fortnight) as reader:
        assert len(pieces(reader, None, None)) > 1
    told: list[tuple[int, int]] = []
    alone = what_if(fortnight, variants, jobs=1, tell=lambda done, whole: told.append((done, whole)))
    assert alone == what_if(fortnight, variants, jobs=2)
    assert alone.lived[0].total.releases > 0
    assert told[-1][0] == told[-1][1]
    assert all(one[0] <= other[0] for one, other in pairwise(told))


@pytest.mark.thorough
def test_pieces_count_every_booking_once(fortnight: Path) -> None:
    """As many bookings as in one go; a piece is warm before it counts."""
    with LedgerReader(fortnight) as reader:
        concluded = [d for d in reader.decisions(kind="concluded") if d.tally is not None]
        cut = pieces(reader, None, None)
    kept = [d for d in concluded if d.tally is not None and d.tally.outcome != "cancelled"]
    assert what_if(fortnight, [AS_CONFIGURED], jobs=1).lived[0].total.bookings == len(kept)
    assert all(piece.since - piece.begins >= WARM_UP_MS for piece in cut[1:])
    assert all(one.until == other.since for one, other in pairwise(cut))


def test_a_period_and_a_room_narrow_what_counts(fortnight: Path) -> None:
    """Days outside and other rooms are run, because they matter, and not counted."""
    day = Asked(since=MONDAY + 2 * DAY_MS, until=MONDAY + 3 * DAY_MS, rooms=frozenset({"orion"}))
    [lived] = what_if(fortnight, [AS_CONFIGURED], day, jobs=1).lived
    assert len(lived.by_day) == 1
    assert list(lived.by_room) == ["orion"]
    with pytest.raises(LedgerError, match="nothing is recorded in this period"):
        what_if(fortnight, [AS_CONFIGURED], Asked(since=MONDAY + 99 * DAY_MS), jobs=1)


def _lived(hours: list[int], offset_ms: int = 0) -> Lived:
    by_day = {
        day: Figures(releases=1, returned_ms=value * HOUR_MS + offset_ms * day**5, ghost_ms=8 * HOUR_MS)
        for day, value in enumerate(hours)
    }
    lived = Lived(AS_CONFIGURED, by_day=by_day)
    for figures in by_day.values():
        lived.total.take(figures)
    return lived


def test_intervals_are_the_same_each_time_and_hold_the_figure() -> None:
    """Days are drawn by a fixed seed; what differs by the same each day differs for sure."""
    low, high = _lived([1, 5, 2, 4, 3, 3]), _lived([2, 6, 3, 5, 4, 4])
    first, second = estimates([low, high])
    assert [first, second] == estimates([low, high])
    assert first.hours_within is not None
    assert first.hours_within[0] < first.hours == 18 < first.hours_within[1]
    assert (second.more, second.more_within) == (6, (6, 6))
    assert first.wrong == 0 < first.wrong_within[1] < 50
    uneven = [_lived([3] * 9, offset_ms=7)]  # no two sums are alike
    assert estimates(uneven) == estimates(uneven)


def test_an_interval_holds_95_percent_of_what_the_days_may_vary() -> None:
    """Of a hundred days of nought to nine hours: 1.96 standard deviations of their sum to each side."""
    hours = list(range(10)) * 10
    [found] = estimates([_lived(hours)])
    deviation = math.sqrt(len(hours)) * statistics.pstdev(hours)
    assert found.hours_within is not None
    low, high = found.hours_within
    assert found.hours - low == pytest.approx(1.96 * deviation, rel=0.1)
    assert high - found.hours == pytest.approx(1.96 * deviation, rel=0.1)


def test_recovered_are_the_hours_of_ghosts_alone() -> None:
    """What attended meetings left over is given back as well, and recovers no ghost."""
    figures = Figures(
        releases=3, returned_ms=6 * HOUR_MS, ghost_returned_ms=2 * HOUR_MS, ghost_ms=8 * HOUR_MS
    )
    [found] = estimates([Lived(AS_CONFIGURED, figures, {1: figures})])
    assert (found.hours, found.recovered) == (6, 0.25)


def test_a_few_days_have_no_interval() -> None:
    """And without a release nothing is known of how many are wrong."""
    [few] = estimates([_lived([1] * (FEWEST_DAYS - 1))])
    assert few.hours_within is None
    [none] = estimates([Lived(AS_CONFIGURED)])
    assert (none.wrong, none.wrong_within, none.recovered) == (None, (0, 100), None)
