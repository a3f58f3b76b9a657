"""Two real PIRs told apart by their own history: S6 hangs well, S7 does not (UCI 864, 87 recorded hours).

The recording is played to the core itself; what it journals and decides is what the history is gathered
from, as from a ledger. The counted people may sit in as a witness: a counter at a seat, which proves
nothing. The calendar is read once: on an old one nothing is released, and attendance needs no more. One
room and nine hours of known people: a smoke test, not evidence of accuracy.
"""

import functools
from pathlib import Path
from typing import Final

import pytest

from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, CalendarRead, Configured, LinkUp, Reading, Tick
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.reports.history import History
from gateway.reports.learned import with_history
from gateway.reports.room_quality import RoomQuality, site_quality
from gateway.reports.sensor_quality import SensorQuality
from gateway.reports.watch import Watch
from simulators.recordings import UciRecording, UciSensor, draw_bookings, false_vacancies, import_uci

UCI: Final = Path(__file__).parents[2].parent / "shared" / "data" / "occupancy" / "uci-room-occupancy.csv.gz"
WITNESS: Final = SensorProfile("people", "count", role="seat", hold_ms=MINUTE_MS)

pytestmark = pytest.mark.thorough


@functools.cache
def recording() -> UciRecording:
    """The real recording."""
    if not UCI.exists():
        pytest.skip("the shared data is not beside this repository")
    return import_uci(UCI)


class Play:
    """The core, hearing some of the PIRs."""

    def __init__(self, *pirs: UciSensor, witness: bool) -> None:
        profiles = [
            SensorProfile(
                pir.lower(), "motion", latency_ms=31 * SECOND_MS, heartbeat_ms=MINUTE_MS, at_qos1=True,
                device_hold_ms=31 * SECOND_MS,
            )
            for pir in pirs
        ]  # fmt: skip
        self.config = SiteConfig(
            (RoomConfig("orion", sensors=(*profiles, *((WITNESS,) if witness else ()))),)
        )
        self.site = Site()
        self.journal: list[tuple[int, Instant, AnyEvent]] = []
        self.decisions: list[tuple[int, int, Decision]] = []

    def give(self, event: AnyEvent, now: Instant) -> None:
        """As the gateway does: journaled, with what follows from it."""
        decided = self.site.handle(event, now)
        self.journal.append((len(self.journal) + 1, now, event))
        for decision in decided:
            self.decisions.append((len(self.decisions) + 1, len(self.journal), decision))

    def upto(self, now: Instant) -> None:
        """Give the ticks that the site asks for."""
        while (deadline := self.site.next_deadline()) is not None and deadline <= now:
            self.give(Tick(), max(deadline, self.site.state.now))

    def quality(self) -> RoomQuality:
        """The room, judged by what was gathered."""
        history = History()
        Watch(self.config, history).replay(self.journal, self.decisions)
        (room,) = site_quality(self.config, history, {}, str)
        return room


@functools.cache
def played(*pirs: UciSensor, witness: bool) -> RoomQuality:
    """The room with these PIRs after the whole recording."""
    samples = recording().samples
    play = Play(*pirs, witness=witness)
    start = samples[0].t - HOUR_MS
    drawn = draw_bookings(recording(), 1, ghost_share=0.99, hours=(0, 24), across_gaps=True)
    play.give(Configured(play.config), start)
    play.give(LinkUp(session_present=False), start)
    bookings = tuple(Booking(b.key, f"id-{b.key}", b.start, b.end) for b in drawn)
    play.give(CalendarRead("orion", start, start + 30 * DAY_MS, bookings), start)
    for sample in samples:
        play.upto(sample.t)
        readings = [Reading(pir.lower(), "motion", int(sample.shows((pir,)))) for pir in pirs]
        readings += [Reading("people", "count", sample.people)] if witness else []
        for reading in readings:
            if not play.site.is_repeat(reading, sample.t):
                play.give(reading, sample.t)
        play.upto(sample.t)
    return play.quality()


def of(room: RoomQuality, sensor: str) -> SensorQuality:
    """One of its sensors."""
    return next(one for one in room.sensors if one.sensor == sensor)


def verdicts(room: RoomQuality) -> tuple[str, ...]:
    """For check-in, no-show and brief visits."""
    return tuple(room.supports[use].verdict for use in ("check_in", "no_show", "brief_visit"))


def test_beside_each_other_s6_is_good_and_s7_is_badly_placed() -> None:
    """Neither people's word nor settings tell them apart: each is judged by what the other one saw."""
    room = played("S6", "S7", witness=False)
    s6, s7 = of(room, "s6"), of(room, "s7")
    assert (s6.grade, s6.evidence, s6.bookings, s6.missed) == ("good", "others", 20, 0)
    assert (s7.grade, s7.evidence, s7.bookings, s7.missed) == ("poor", "others", 20, 0)
    assert s6.false_empty is not None
    assert s6.false_empty < 0.01
    assert s7.false_empty == pytest.approx(0.19, abs=0.01)
    assert s6.hold_needed_ms == 9 * MINUTE_MS
    assert s7.hold_needed_ms == 48 * MINUTE_MS
    assert s6.quiet_longest_ms is not None
    assert s6.quiet_longest_ms < 13 * MINUTE_MS
    assert s7.quiet_longest_ms is not None
    assert s7.quiet_longest_ms > 50 * MINUTE_MS
    assert not s6.troubles
    assert [trouble.code for trouble in s7.troubles] == ["badly_placed"]
    assert verdicts(room) == ("yes", "yes", "yes")


def test_s7_alone_supports_no_release_and_s6_alone_does() -> None:
    """S7 would have taken rooms from people (test_uci_room); its history says so before it does."""
    alone = {pir: played(pir, witness=True) for pir in ("S6", "S7")}
    assert verdicts(alone["S6"]) == ("yes", "yes", "yes")
    assert verdicts(alone["S7"])[1:] == ("no", "no")
    assert "in 3 of 19 attended bookings" in alone["S7"].supports["no_show"].words
    assert "longer than 35 min: 2 times" in alone["S7"].supports["brief_visit"].words
    assert (alone["S6"].hold_needed_ms, alone["S7"].hold_needed_ms) == (8 * MINUTE_MS, 52 * MINUTE_MS)


def test_both_together_need_less_of_a_hold_than_either() -> None:
    """Against the counted people: five minutes for the pair, eight for S6, most of an hour for S7."""
    both = played("S6", "S7", witness=True)
    assert verdicts(both) == ("yes", "yes", "yes")
    assert both.hold_needed_ms == 5 * MINUTE_MS


def test_by_its_own_word_alone_s7_would_look_fine_so_its_word_does_not_count() -> None:
    """The bookings in which it saw nobody were not attended, as far as anybody knew."""
    room = played("S7", witness=False)
    s7 = of(room, "s7")
    assert (s7.evidence, s7.grade) == ("itself", "unknown")
    assert s7.quiet_longest_ms is not None
    assert s7.quiet_longest_ms < 15 * MINUTE_MS
    assert verdicts(room) == ("not_enough_history",) * 3


def test_the_rates_by_hold_agree_with_the_recordings_own() -> None:
    """False vacancies per occupied hour of S7, from the journal against the counts: the same picture.

    The history knows less (only attended bookings, and no more than a quarter of an hour between two
    counts), so the two agree roughly: none for S6, about one in two hours for S7.
    """
    for pir, rough in (("S6", 0.1), ("S7", 0.25)):
        lines = of(played(pir, witness=True), pir.lower()).holds
        for line in lines:
            if line.hold_ms >= 10 * MINUTE_MS:
                counted = false_vacancies(recording(), (pir,), line.hold_ms).per_hour  # type: ignore[arg-type] # a pair's key
                assert line.per_hour == pytest.approx(counted, abs=rough), (pir, line)


def test_a_policy_that_learns_holds_s7_for_as_long_as_it_is_silent() -> None:
    """Alone it gets most of an hour, so that it releases nobody; beside S6, which covers it, nothing."""
    for pirs, witness, holds in (
        (("S7",), True, [52]),
        (("S6", "S7"), False, [10, 10]),
    ):
        play = Play(*pirs, witness=witness)
        room = played(*pirs, witness=witness)
        given = with_history(play.config, [room], learning={"orion"}, asking=()).rooms[0]
        learned = [p.hold_ms // MINUTE_MS for p in given.sensors if p.id != "people"]
        assert learned == holds
