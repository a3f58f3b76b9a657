"""The breaker: rooms that fall silent together stop all releases (W7)."""

from collections.abc import Iterable

import msgspec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scenarios import FACTOR
from timeline import MIDNIGHT, RADAR, at, booking, clock

from gateway.core.breaker import WEEK_HOURS, Breaker, BreakerState
from gateway.core.decisions import Decision
from gateway.core.events import (
    AnyEvent,
    BreakerClosed,
    CalendarRead,
    Configured,
    LinkUp,
    ModeSet,
    Reading,
    Tick,
    WriteOutcome,
)
from gateway.core.policy import BreakerPolicy, Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant

TICKS_AT_ONCE = 10
"""A site that asks for more of them at one instant would ask for ever."""


class Floor:
    """Rooms a, b, c, ... with a radar each that beats every minute; what is written is applied at once."""

    def __init__(self, rooms: str, policy: BreakerPolicy | None = None, *, holiday: bool = False) -> None:
        self.names = list(rooms)
        self.site = Site()
        self.now = at("08:00")
        self.decisions: list[Decision] = []
        self.log: list[tuple[AnyEvent, Instant]] = []
        configs = tuple(RoomConfig(n, mode="live", sensors=(_radar(n),)) for n in self.names)
        holidays = ((MIDNIGHT, MIDNIGHT + DAY_MS),) if holiday else ()
        self.tell(Configured(SiteConfig(configs, breaker=policy or BreakerPolicy(), holidays=holidays)))
        self.tell(LinkUp(session_present=False))
        self.clear(self.names)

    def tell(self, event: AnyEvent) -> None:
        """Give a fact, then the ticks that it calls for."""
        self._give(event)
        self._tick()

    def _tick(self) -> None:
        """The ticks that the site asks for just now."""
        for _ in range(TICKS_AT_ONCE):
            deadline = self.site.next_deadline(self.now)
            if deadline is None or deadline > self.now:
                return
            self._give(Tick())
        raise AssertionError("the site asks for tick after tick at one instant")

    def _give(self, event: AnyEvent) -> None:
        self.log.append((event, self.now))
        new = self.site.handle(event, self.now)
        self.decisions += new
        for decision in new:
            if decision.write is not None:
                self._give(WriteOutcome(decision.room, decision.write.id, "applied"))

    def book(self, start: str, end: str, rooms: Iterable[str]) -> None:
        """A booking of each of these rooms."""
        for room in rooms:
            changed = (booking(start, end, f"{room}-{start}"),)
            self.tell(CalendarRead(room, MIDNIGHT, MIDNIGHT + 2 * DAY_MS, changed))

    def show(self, rooms: Iterable[str]) -> None:
        """Somebody is there."""
        for room in rooms:
            self.tell(Reading(f"{room}-radar", "presence", 1))

    def clear(self, rooms: Iterable[str]) -> None:
        """Nobody is there."""
        for room in rooms:
            self.tell(Reading(f"{room}-radar", "presence", 0))

    def until(self, clock: str) -> "Floor":
        """Let time pass: heartbeats and calendar reads each half minute."""
        while self.now < at(clock):
            target = min(at(clock), self.now + MINUTE_MS // 2)
            while (deadline := self.site.next_deadline(target - 1)) is not None and deadline < target:
                self.now = max(self.now, deadline)
                self._tick()
            self.now = target
            for room in self.names:
                self.tell(Reading(f"{room}-radar", "alive", 1))
                self.tell(CalendarRead(room, MIDNIGHT, MIDNIGHT + 2 * DAY_MS))
        return self

    def released(self) -> list[str]:
        """The rooms given back so far."""
        return [d.room for d in self.decisions if d.kind == "released"]

    def has(self, kind: str) -> bool:
        """Whether a decision of a kind was taken."""
        return any(d.kind == kind for d in self.decisions)


def _radar(room: str) -> SensorProfile:
    return msgspec.structs.replace(RADAR, id=f"{room}-radar")


def test_many_ghosts_at_once_stop_every_release() -> None:
    """Four of six rooms silent in the same instant: not one of them is given back."""
    floor = Floor("abcdef")
    floor.book("09:00", "10:00", "abcdef")
    floor.until("09:00").show("ef")
    floor.until("09:40")
    assert floor.released() == []
    assert floor.has("breaker_opened")
    assert "breaker_open" in {d.reasons[0].code for d in floor.decisions if d.kind == "withheld"}


def test_the_usual_few_ghosts_are_given_back() -> None:
    """Two of six is no reason to stop."""
    floor = Floor("abcdef")
    floor.book("09:00", "10:00", "abcdef")
    floor.until("09:00").show("cdef")
    assert floor.until("09:40").released() == ["a", "b"]
    assert not floor.has("breaker_opened")


def test_silence_that_spreads_room_by_room_adds_up() -> None:
    """Rooms that were given back count until their booking's end."""
    floor = Floor("abcdef")
    for minute, room in enumerate("abcd"):
        floor.book(f"09:{5 * minute:02d}", "11:00", room)
    floor.book("09:00", "11:00", "ef")
    floor.until("09:00").show("ef")
    floor.until("10:30")
    assert floor.released() == ["a", "b"]
    assert floor.has("breaker_opened")


def test_a_person_closes_it_and_it_stays_closed_for_as_many() -> None:
    """Who has looked is believed: all due rooms are given back, and as much silence opens nothing."""
    floor = Floor("abcdef")
    floor.book("09:00", "10:00", "abcdef")
    floor.until("09:20").tell(BreakerClosed("facilities"))
    floor.until("09:40")
    assert sorted(floor.released()) == list("abcdef")
    assert sum(d.kind == "breaker_opened" for d in floor.decisions) == 1


def test_what_a_person_found_right_is_forgotten_when_it_is_over_also_while_it_is_open() -> None:
    """Four ghosts were found right at nine. Three at ten, of rooms that have been silent since, are not."""
    floor = Floor("abcdef")
    floor.book("09:00", "10:00", "abcd")
    floor.book("09:30", "10:00", "ef")
    floor.book("10:00", "11:00", "abcdef")
    floor.until("09:20").tell(BreakerClosed("facilities"))
    assert sorted(floor.until("09:30").released()) == list("abcd")
    floor.until("10:20").show("abc")  # six were too many, and half of them show people
    assert sum(d.kind == "breaker_closed" for d in floor.decisions) == 2
    assert sorted(floor.until("10:45").released()) == list("abcd")


def test_what_a_person_found_right_is_forgotten_between_two_ticks_too() -> None:
    """People come to one of three silent rooms; the next ghost makes three again, and nobody has looked."""
    floor = Floor("abcdef")
    floor.book("09:00", "11:00", "abcef")
    floor.until("09:00").show("ef")
    floor.book("09:10", "11:00", "d")
    floor.until("09:12").tell(BreakerClosed("facilities"))
    floor.until("09:19:30").show("a")
    floor.until("09:40")
    assert sum(d.kind == "breaker_opened" for d in floor.decisions) == 2


def test_presence_in_half_of_the_silent_rooms_closes_it() -> None:
    """Evidence returns: the sensors can see people after all."""
    floor = Floor("abcd")
    floor.book("09:00", "10:00", "abcd")
    floor.until("09:20").show("a")
    assert not floor.has("breaker_closed")
    floor.show("b")
    assert floor.has("breaker_closed")
    assert sorted(floor.until("09:45").released()) == ["c", "d"]


def test_a_room_that_people_came_back_to_is_not_silent() -> None:
    """Two rooms were given back and are in use again; a third ghost is one silent room, not three.

    Counted as silent they would open the breaker and, showing presence, close it again in the same instant,
    for ever.
    """
    floor = Floor("abcdef")
    floor.book("09:00", "11:00", "abdef")
    floor.until("09:00").show("def")
    assert floor.until("09:15").released() == ["a", "b"]
    floor.show("ab")
    floor.book("09:20", "11:00", "c")
    assert floor.until("09:45").released() == ["a", "b", "c"]
    assert not floor.has("breaker_opened")


def test_presence_elsewhere_closes_nothing() -> None:
    """A room that was never silent says nothing about those that are."""
    floor = Floor("abcdef")
    floor.book("09:00", "10:00", "abcd")
    floor.until("09:20").show("ef")
    floor.until("09:40")
    assert not floor.has("breaker_closed")
    assert floor.released() == []


def test_a_release_under_way_is_withdrawn_when_it_opens() -> None:
    """What is decided and not yet written waits too."""
    floor = Floor("abc")
    floor.book("09:00", "11:00", "a")
    floor.book("09:01", "11:00", "bc")
    floor._give = lambda event: floor.decisions.extend(floor.site.handle(event, floor.now))  # type: ignore[method-assign] # outcomes stay open
    floor.until("09:12")
    assert [d.room for d in floor.decisions if d.kind == "release"] == ["a"]
    assert [d.room for d in floor.decisions if d.kind == "withdrawn"] == ["a"]


def test_on_a_holiday_empty_rooms_are_expected() -> None:
    """All rooms are given back; nobody is asked."""
    floor = Floor("abcd", holiday=True)
    floor.book("09:00", "10:00", "abcd")
    assert sorted(floor.until("09:40").released()) == list("abcd")
    assert not floor.has("breaker_opened")


def test_it_can_be_switched_off_and_set_to_the_office() -> None:
    """Small offices with many ghosts may ask for more silence."""
    for policy in (BreakerPolicy(on=False), BreakerPolicy(at_least=5)):
        floor = Floor("abcd", policy)
        floor.book("09:00", "10:00", "abcd")
        assert sorted(floor.until("09:40").released()) == list("abcd")


def test_what_is_usual_is_learned_by_hour_of_the_week() -> None:
    """After four weeks with five silent rooms in an hour, six are too many then; also an hour beside it."""
    hour = at("09:00") // HOUR_MS % WEEK_HOURS
    breaker = Breaker(BreakerState(most={str(hour): [5, 5, 4, 5]}))
    assert breaker.limit(BreakerPolicy(), at("09:30")) == 6
    beside = {str(hour + 1): [7], str(hour): [5, 5, 4, 5]}
    assert Breaker(BreakerState(most=beside)).limit(BreakerPolicy(), at("09:30")) == 8
    assert Breaker(BreakerState(most={str(hour): [0, 0, 0, 0]})).limit(BreakerPolicy(), at("09:30")) == 3


def test_an_hour_that_was_quiet_together_is_remembered() -> None:
    """The most silent rooms at once are noted when the hour is over; not while it was open."""
    floor = Floor("abcdef")
    floor.book("09:00", "10:00", "ab")
    floor.book("09:00", "09:30", "cdef")
    floor.until("09:00").show("cdef")
    floor.until("10:10")
    hour = at("09:00") // HOUR_MS % WEEK_HOURS
    assert floor.site.state.breaker.most[str(hour)] == [2]


def test_it_remembers_across_a_restart() -> None:
    """A site restored from its snapshot withholds as before, and counts as before."""
    floor = Floor("abcdef")
    floor.book("09:00", "10:00", "abcdef")
    floor.until("09:20")
    floor.site = Site.restore(floor.site.snapshot())
    assert floor.until("09:40").released() == []
    floor.tell(BreakerClosed("facilities"))
    assert sorted(floor.until("09:45").released()) == list("abcdef")


POLICIES = (BreakerPolicy(), BreakerPolicy(at_least=2), BreakerPolicy(share_percent=20))
HAPPENINGS = st.lists(
    st.tuples(
        st.integers(1, 8),
        st.sampled_from(("show", "show", "book", "clear", "close")),
        st.sampled_from("abc"),
    ),
    min_size=10,
    max_size=14,
)
"""Minutes after the one before, what, and in which room."""


def lived_through(happenings: list[tuple[int, str, str]], policy: BreakerPolicy) -> Floor:
    """Two rooms were given back, three are in use; ghosts, people who come back, who look in, who leave."""
    floor = Floor("abcdef", policy)
    floor.book("08:00", "11:00", "abdef")
    floor.show("def")
    floor.until("08:15")
    for wait_min, what, room in happenings:
        floor.until(clock(floor.now + wait_min * MINUTE_MS))
        if what == "book":
            floor.book(clock(floor.now), clock(floor.now + HOUR_MS), room)
        elif what == "close":
            floor.tell(BreakerClosed("facilities"))
        else:
            (floor.show if what == "show" else floor.clear)(room)
    return floor.until(clock(floor.now + 15 * MINUTE_MS))


@settings(max_examples=20 * FACTOR, phases=[Phase.generate])
@given(HAPPENINGS, st.sampled_from(POLICIES))
def test_a_site_is_content_after_some_ticks_and_more_of_them_change_nothing(
    happenings: list[tuple[int, str, str]], policy: BreakerPolicy
) -> None:
    """It never asks for ever (the floor looks at that), and nothing hangs on when the breaker was asked."""
    floor = lived_through(happenings, policy)
    site, decisions = Site(), []
    for (event, now), (_, upcoming) in zip(floor.log, [*floor.log[1:], floor.log[-1]], strict=True):
        decisions += site.handle(event, now)
        for extra in range(now + 7 * SECOND_MS, upcoming, 7 * SECOND_MS):
            site.look_everywhere()
            decisions += site.handle(Tick(), extra)
    assert decisions == floor.decisions


def test_a_due_that_is_put_off_after_shadow_would_have_released_counts_when_it_comes() -> None:
    """Three rooms in shadow get a longer grace, and come due again before a live room's release does."""
    floor = Floor("abcd", BreakerPolicy(at_least=4))
    for room in "abc":
        floor.tell(ModeSet(room, "shadow", "command"))
    floor.book("09:00", "10:30", "abc")
    floor.book("09:30", "10:30", "d")
    floor.until("09:14")
    assert sum(d.kind == "would_release" for d in floor.decisions) == 3
    config = floor.site.state.config
    patient = [
        msgspec.structs.replace(r, policy=Policy(grace_ms=35 * MINUTE_MS)) if r.id in "abc" else r
        for r in config.rooms
    ]
    floor.tell(Configured(msgspec.structs.replace(config, rooms=tuple(patient))))
    floor.until("10:00")
    assert floor.has("breaker_opened")
    assert floor.released() == []
