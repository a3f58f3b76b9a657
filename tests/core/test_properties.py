"""Promises that hold on every day that hypothesis can think of, checked by an oracle of their own.

Few enough for a minute, more of them in `make soak`; a failing one is printed as a call that reproduces it:
paste the `Script(...)` into `play`.
"""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import Oracle
from scenarios import (
    ATTENDED,
    BEGIN,
    FACTOR,
    HOT_S,
    LENGTH_S,
    SCRIPTED,
    SCRIPTS,
    STARTS_MIN,
    Act,
    Given,
    Player,
    Record,
    Script,
    Slot,
    again,
    before_step,
    play,
)
from timeline import clock

from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, Reading, Tick
from gateway.core.evidence import ailment
from gateway.core.explain import explain
from gateway.core.policy import Policy
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant

pytestmark = pytest.mark.thorough

RELEASES = ("release", "would_release")
POLICIES = (Policy(), Policy(end_early=True, end_early_vacate_ms=10 * MINUTE_MS), Policy(walk_up=True))


def assert_same(one: list[Decision], other: list[Decision]) -> None:
    """The same decisions, told apart at the first difference."""
    for first, second in zip(one, other, strict=False):
        assert first == second
    assert len(one) == len(other)


# -- nobody wrongly released -----------------------------------------------------------------------


@settings(SCRIPTED, max_examples=250 * FACTOR)
@given(SCRIPTS)
def test_nobody_is_wrongly_released(script: Script) -> None:
    """W1 to W6 and W8, the warning, and presence that withdraws: recomputed from the events alone."""
    oracle = Oracle().follow(play(script).given)
    assert oracle.finish() == []


def test_the_oracle_sees_releases_at_all() -> None:
    """A plain ghost is released and the oracle has no objection: the property above is not empty."""
    for sensors in (("radar",), ("pir", "radar"), ("counter",), ("twin", "zigbee"), ("hits",)):
        oracle = Oracle().follow(play(Script(sensors, (Slot(30, 60),), ())).given)
        assert oracle.releases == 1
        assert oracle.finish() == []


QUIET = st.builds(
    Script,
    st.lists(
        st.sampled_from(("counter", "hits", "pir", "radar", "seat", "twin")),
        min_size=1,
        max_size=4,
        unique=True,
    )
    .filter(lambda kinds: kinds != ["seat"])
    .map(tuple),
    st.tuples(st.builds(Slot, st.sampled_from(STARTS_MIN), st.sampled_from((45, 60, 90)))),
    st.lists(
        st.builds(
            Act,
            st.sampled_from(HOT_S),
            st.sampled_from(
                ("visit", "pulse", "silence", "offline", "link", "restart", "bridge", "unreadable")
            ),
            st.integers(0, 3),
            st.sampled_from((5, 20, 50, 120, 300)),
        ),
        max_size=5,
    ).map(tuple),
    st.booleans(),
    st.lists(st.sampled_from(("applied", "superseded")), min_size=1, max_size=2).map(tuple),
)


@settings(SCRIPTED, max_examples=80 * FACTOR)
@given(QUIET, st.integers(0, LENGTH_S), st.integers(0, 3))
def test_adding_presence_never_creates_or_hastens_a_release(script: Script, second: int, number: int) -> None:
    """W9a: one more sign, with nothing else changed, makes no first release appear or come sooner.

    The sign is a message that proves no life, taken back in the same instant, from a sensor that
    shows nothing then: health, hearing and what was learned stay as they are. There is one booking, so
    no earlier one hands its people over.
    """
    moment = BEGIN + second * SECOND_MS
    profile = script.profiles[number % len(script.profiles)]
    plain = play(script)
    assume(not _showing(plain, profile.id, moment))
    sign: list[tuple[Instant, AnyEvent]] = [
        (moment, Reading(profile.id, profile.senses, value, device_made=False)) for value in (1, 0)
    ]
    before, after = _first_release(plain), _first_release(play(script, sign))
    assert after is None or (before is not None and before <= after)


def _showing(record: Record, sensor: str, moment: Instant) -> bool:
    """Whether the sensor shows presence at, or changes at, this instant, or has yet to tell its state."""
    showing = True
    for event, now, _ in record.given:
        if now > moment:
            break
        if (
            isinstance(event, Reading)
            and event.sensor == sensor
            and event.kind in ("presence", "motion", "count")
        ):
            showing = event.value > 0 or now == moment
    return showing


def _first_release(record: Record) -> Instant | None:
    return next((d.at for d in record.decisions if d.kind in RELEASES), None)


# -- the same events, the same decisions -----------------------------------------------------------


@settings(SCRIPTED, max_examples=50 * FACTOR)
@given(SCRIPTS)
def test_the_same_events_give_the_same_decisions(script: Script) -> None:
    """Given again to a new site: every decision and the last byte of the memory."""
    record = play(script)
    repeated = again(record)
    assert_same(record.decisions, repeated.decisions)
    assert record.snapshot == repeated.snapshot


@settings(SCRIPTED, max_examples=50 * FACTOR)
@given(SCRIPTS)
def test_a_snapshot_between_any_two_events_changes_nothing(script: Script) -> None:
    """Forgotten and restored after each single event: the same decisions and the same memory."""
    record = play(script)
    restored = again(record, restoring=True)
    assert_same(record.decisions, restored.decisions)
    assert record.snapshot == restored.snapshot


@settings(SCRIPTED, max_examples=50 * FACTOR)
@given(SCRIPTS)
def test_the_order_of_readings_of_one_instant_does_not_matter(script: Script) -> None:
    """Different sensors' readings of one instant, the other way round: the same decisions."""
    record = play(script)
    site = Site()
    decisions: list[Decision] = []
    for event, now in _reversed_within_instants(record.given):
        decisions += site.handle(event, now)
    assert_same(record.decisions, decisions)


def _reversed_within_instants(given_events: tuple[Given, ...]) -> list[tuple[AnyEvent, Instant]]:
    """Runs of readings of one instant with the sensors in the opposite order, each sensor's own kept."""
    turned: list[tuple[AnyEvent, Instant]] = []
    run: list[tuple[Reading, Instant]] = []

    def flush() -> None:
        sensors = sorted({reading.sensor for reading, _ in run}, reverse=True)
        first_seen = list(dict.fromkeys(reading.sensor for reading, _ in run))
        order = first_seen[::-1] if first_seen != sensors else sensors[::-1]
        for sensor in order:
            turned.extend((reading, now) for reading, now in run if reading.sensor == sensor)
        run.clear()

    for event, now, _ in given_events:
        if isinstance(event, Reading):
            if run and run[0][1] != now:
                flush()
            run.append((event, now))
        else:
            flush()
            turned.append((event, now))
    flush()
    return turned


# -- ticks -----------------------------------------------------------------------------------------


EVERY = st.sampled_from((SECOND_MS, 7 * SECOND_MS, 61 * SECOND_MS))


def assert_ticks_are_enough(script: Script, every_ms: int) -> None:
    """The same decisions at the same instants with the ticks that the site asks for, and with many more.

    In those every room concludes: a moment that the site does not know of would show.
    """
    site = Site()
    decisions: list[Decision] = []
    record = play(script)
    events = record.given
    for index, (event, now, _) in enumerate(events):
        decisions += site.handle(event, now)
        upcoming = before_step(*events[index + 1][:2]) if index + 1 < len(events) else now
        for extra in range(now + every_ms, min(upcoming, now + 5 * MINUTE_MS), every_ms):
            site.look_everywhere()
            decisions += site.handle(Tick(), extra)
    assert_same(record.decisions, decisions)


@settings(SCRIPTED, max_examples=50 * FACTOR)
@given(SCRIPTS, EVERY, st.sampled_from(POLICIES))
def test_a_tick_at_each_deadline_is_enough_and_more_change_nothing(
    script: Script, every_ms: int, policy: Policy
) -> None:
    """Ticks between the facts, as many as you like, bring the same decisions at the same instants.

    So a tick at `next_deadline` alone loses and delays nothing. "Between the facts" means after all the
    facts of an instant: a conclusion must not rest on half of them.
    """
    assert_ticks_are_enough(script._replace(policy=policy), every_ms)


@settings(SCRIPTED, max_examples=50 * FACTOR)
@given(ATTENDED, EVERY)
def test_ticks_are_enough_where_bookings_are_ended_early(script: Script, every_ms: int) -> None:
    """People leave, come back and leave for good: each warning and each early end has its moment."""
    assert_ticks_are_enough(script._replace(policy=POLICIES[1]), every_ms)


@settings(SCRIPTED, max_examples=50 * FACTOR)
@given(SCRIPTS)
def test_the_site_is_content_after_the_ticks_it_asked_for(script: Script) -> None:
    """After a tick at its deadline, or one more, the next deadline lies in the future: a service never spins.

    One more: what a booking came to, or another room's attendance, may bear on what was concluded before it.
    """
    player = Player(script)
    at_once: list[Instant] = []

    def look(site: Site, now: Instant) -> None:
        if isinstance(player.given[-1].event, Tick):
            deadline = site.next_deadline()
            at_once[:] = [*(at for at in at_once if at == now), now]
            assert deadline is None or deadline > now or len(at_once) == 1

    player.watch = look
    player.play()


@settings(SCRIPTED, max_examples=50 * FACTOR)
@given(SCRIPTS)
def test_what_the_site_knows_of_its_deadlines_is_what_its_memory_says(script: Script) -> None:
    """A site restored from a snapshot asks for the same tick, and never is one due in known quiet.

    Alarms are set, lowered and put off as facts come; a restored site has worked them out at one go. It
    may ask in the last millisecond of a hold, in which nothing can be concluded yet.
    """
    player = Player(script)

    def look(site: Site, now: Instant) -> None:
        quiet_until = site.quiet_until
        deadline = site.next_deadline(now + DAY_MS)
        restored = Site.restore(site.snapshot()).next_deadline(now + DAY_MS)
        if deadline is None or restored is None:
            assert restored == deadline
        else:
            assert restored <= deadline <= restored + 1
            assert quiet_until < deadline

    player.watch = look
    player.play()


# -- reasons and health ----------------------------------------------------------------------------


@settings(SCRIPTED, max_examples=40 * FACTOR)
@given(SCRIPTS)
def test_every_decision_can_be_explained(script: Script) -> None:
    """Each has reasons, each reason a sentence, and no sentence a blank where a sensor belongs."""
    for decision in play(script).decisions:
        assert decision.reasons
        told = explain(decision, clock)
        assert "{" not in told
        assert "  " not in told
        assert not any(clause.startswith(" ") for clause in told.split("; "))


@settings(SCRIPTED, max_examples=50 * FACTOR)
@given(SCRIPTS)
def test_a_sensor_is_healthy_up_to_well_until_and_then_has_an_ailment(script: Script) -> None:
    """`ailment` and `well_until` are two forms of one truth, now and at any later time."""
    player = Player(script)

    def look(site: Site, now: Instant) -> None:
        for profile, state, bridge_online, _ in site.rooms["orion"].sensors.values():
            edge = state.well_until
            later = (now, now + MINUTE_MS, now + 7 * HOUR_MS, edge, edge + 1)
            for moment in later:
                if now <= moment < now + 2**40:
                    assert (ailment(profile, state, bridge_online, moment) == "") == (moment <= edge)

    player.watch = look
    player.play()
