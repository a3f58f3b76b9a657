"""Rules for bookings: told once, declined where a policy says so, and never against people's word."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline import RADAR, Timeline, at, booking

from gateway.core.booking import Booking, Breach
from gateway.core.booking_rules import (
    RULES,
    WATCHED_MS,
    BookingRules,
    Consequence,
    Standing,
    breaches,
    made_at,
    mercy,
)
from gateway.core.decisions import Decision
from gateway.core.events import Kept, WriteOutcome
from gateway.core.explain import explain
from gateway.core.policy import Policy
from gateway.core.units import HOUR_MS, MINUTE_MS, NEVER


def rules(**consequences: Consequence) -> BookingRules:
    """Rules with these consequences; long is over 2 h, late under 30 min, early over 5 h."""
    chosen = tuple((breach, consequences[breach]) for breach in RULES if breach in consequences)
    return BookingRules(chosen, 2 * HOUR_MS, 30 * MINUTE_MS, 5 * HOUR_MS)


def room(asked: BookingRules, **more: Any) -> Timeline:
    """A live room with a radar whose policy has these rules. Its calendar has been read before."""
    timeline = Timeline(RADAR, policy=Policy(rules=asked), **more)
    timeline.until("08:10")
    return timeline


def told(timeline: Timeline, *kinds: str) -> list[Decision]:
    """Decisions about rules for bookings."""
    wanted = kinds or ("rule_broken", "declined", "not_declined", "withdrawn")
    return [d for d in timeline.decisions if d.kind in wanted]


def codes(decision: Decision) -> list[str]:
    """The codes of its reasons."""
    return [reason.code for reason in decision.reasons]


def test_a_booking_that_breaks_a_rule_is_declined_and_its_organizer_is_told_which() -> None:
    """Before it opens; the write names the rule, and the outcome is remembered."""
    timeline = room(rules(too_long="decline"))
    timeline.book(booking("11:00", "14:00"))
    (broken,) = told(timeline)
    assert codes(broken) == ["too_long", "rule_declines"]
    assert broken.write is not None
    write = broken.write
    assert (write.action, write.method, write.breach, write.event_id) == (
        "refuse", "decline", "too_long", "id-uid-11:00",
    )  # fmt: skip
    assert write.takes_time_away
    timeline.tell(WriteOutcome("orion", write.id, "applied"))
    timeline.book(removed=("uid-11:00",))
    assert [d.kind for d in told(timeline)] == ["rule_broken", "declined"]
    assert "longer than 2 h" in explain(broken, str)


def test_a_report_only_tells() -> None:
    """Once, however often the calendar is read and whatever else of the booking changes."""
    timeline = room(rules(too_long="report", blackout="decline"))
    long = booking("11:00", "14:00")
    timeline.book(long)
    timeline.book(msgspec.structs.replace(long, end=at("14:30")))
    timeline.until("12:00")
    (broken,) = told(timeline)
    assert codes(broken) == ["too_long"]
    assert broken.write is None


def test_a_change_that_breaks_another_rule_is_told_and_declined() -> None:
    """What was only reported before may be declined for something else."""
    timeline = room(rules(too_long="report", blackout="decline"))
    long = booking("11:00", "14:00")
    timeline.book(long)
    timeline.book(msgspec.structs.replace(long, breaches=("blackout",)))
    assert [codes(d) for d in told(timeline)] == [["too_long"], ["blackout", "rule_declines"]]


def test_rules_that_are_off_are_nobody_s_business() -> None:
    """Neither told nor declined."""
    timeline = room(rules(too_late="report"))
    timeline.book(booking("11:00", "14:00", breaches=("blackout", "too_many")))
    assert told(timeline) == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"series_id": "master"}, "rule_series"),
        ({"room_organises": True}, "rule_own_booking"),
        ({"marks": ("organizer",)}, "rule_exempt"),
    ],
)
def test_what_is_not_declined_is_reported_with_the_reason(more: dict[str, Any], code: str) -> None:
    """A series is for a person to decide about; what is exempt stays exempt."""
    timeline = room(rules(blackout="decline"))
    timeline.book(booking("11:00", "12:00", breaches=("blackout",), **more))
    (broken,) = told(timeline)
    assert codes(broken) == ["blackout", code]
    assert broken.write is None


@pytest.mark.parametrize("own", ["hold", "walk_up"])
def test_what_the_gateway_booked_is_not_judged(own: str) -> None:
    """It asked itself before."""
    timeline = room(rules(too_long="decline"))
    timeline.book(booking("11:00", "14:00", marks=(own,), room_organises=True))
    assert told(timeline) == []


def test_nothing_is_declined_whose_time_has_come() -> None:
    """From ten minutes before the start people may be on their way."""
    timeline = room(rules(too_late="decline", too_long="decline"))
    timeline.book(booking("08:15", "08:45"))
    timeline.book(booking("08:21", "08:50"))
    late, other = told(timeline)
    assert codes(late) == ["too_late", "rule_has_opened"]
    assert codes(other) == ["too_late", "rule_declines"]
    assert other.write is not None
    assert other.write.deadline <= at("08:21") - 10 * MINUTE_MS


def test_in_shadow_and_in_exempt_rooms_rules_are_only_reported() -> None:
    """Nothing is written there."""
    for more, code in (({"mode": "shadow"}, "rule_shadow"), ({"exempt": True}, "rule_exempt")):
        timeline = room(rules(blackout="decline"), **more)
        timeline.book(booking("11:00", "12:00", breaches=("blackout",)))
        (broken,) = told(timeline)
        assert (codes(broken), broken.write) == (["blackout", code], None)


def test_a_booking_that_comes_back_after_it_was_declined_is_left_to_a_person() -> None:
    """Never twice, as with releases: whoever books it again means it."""
    timeline = room(rules(blackout="decline"))
    closed = booking("11:00", "12:00", breaches=("blackout",))
    timeline.book(closed)
    (broken,) = told(timeline)
    assert broken.write is not None
    timeline.tell(WriteOutcome("orion", broken.write.id, "applied"))
    timeline.book(removed=(closed.key,))
    timeline.until("08:40")
    timeline.book(msgspec.structs.replace(closed, event_id="renewed"))
    again = told(timeline)[-1]
    assert codes(again) == ["blackout", "rule_declined_before"]
    assert again.write is None


def test_a_decline_that_did_not_come_to_pass_is_told_and_not_tried_again() -> None:
    """Exchange or somebody else had another mind: a person decides."""
    timeline = room(rules(blackout="decline"))
    timeline.book(booking("11:00", "12:00", breaches=("blackout",)))
    (broken,) = told(timeline)
    assert broken.write is not None
    timeline.tell(WriteOutcome("orion", broken.write.id, "expired", "too late"))
    timeline.until("10:45")
    assert [d.kind for d in told(timeline)] == ["rule_broken", "not_declined"]


def test_keep_takes_a_decline_back() -> None:
    """A person's word wins over every automatic rule, as long as nothing was sent."""
    timeline = room(rules(blackout="decline"))
    timeline.book(booking("11:00", "12:00", breaches=("blackout",)))
    (broken,) = told(timeline)
    assert broken.write is not None
    timeline.tell(Kept("orion", "uid-11:00", by="panel"))
    assert timeline.decisions[-1].withdraws == broken.write.id


def test_kept_before_it_breaks_a_rule_it_is_only_reported() -> None:
    """The organizer makes a kept booking longer."""
    timeline = room(rules(too_long="decline"))
    short = booking("11:00", "12:00")
    timeline.book(short)
    timeline.tell(Kept("orion", short.key, by="panel"))
    timeline.book(msgspec.structs.replace(short, end=at("15:00")))
    assert [codes(d) for d in told(timeline)] == [["too_long", "rule_kept"]]


def test_notice_is_known_only_of_a_calendar_that_was_looked_at() -> None:
    """What an outage hid may have been booked long ago: it is nobody's fault."""
    timeline = room(rules(too_late="decline"))
    timeline.polls = False
    timeline.until("09:00")
    timeline.book(booking("09:25", "10:00"))
    assert told(timeline) == []
    timeline.polls = True
    timeline.until("09:03")
    timeline.book(booking("09:28", "10:30", "known"))
    assert [codes(d)[0] for d in told(timeline)] == ["too_late"]


def test_when_a_booking_was_made_is_known_between_two_looks_close_together() -> None:
    """At the first look ever, and after an outage, it is not: nothing that is found then is late."""
    assert made_at(at("08:00"), NEVER) == NEVER
    assert made_at(at("08:00"), at("08:00") - WATCHED_MS) == at("08:00")
    assert made_at(at("08:00"), at("08:00") - WATCHED_MS - 1) == NEVER


BOOKINGS = st.builds(
    Booking,
    st.just("key"),
    st.just("id"),
    st.integers(at("08:00"), at("12:00")),
    st.integers(at("12:01"), at("23:00")),
    all_day=st.booleans(),
    series_id=st.sampled_from(["", "master"]),
    room_organises=st.booleans(),
    breaches=st.lists(st.sampled_from(sorted(RULES)), unique=True).map(tuple),
)
CONSEQUENCES = st.dictionaries(st.sampled_from(list(RULES)), st.sampled_from(["report", "decline"]))


@given(BOOKINGS, CONSEQUENCES, st.integers(at("07:00"), at("12:00")) | st.just(NEVER))
def test_only_rules_that_are_on_are_ever_found_broken_and_each_once(
    one: Booking, chosen: dict[Breach, Consequence], made: int
) -> None:
    """In the order of the table, each with the code of its rule."""
    asked = rules(**chosen)
    found = breaches(one, made, asked)
    assert [breach for breach, _ in found] == [breach for breach in RULES if breach in dict(found)]
    assert all(breach in chosen and reason.code == breach for breach, reason in found)
    if made == NEVER:
        assert "too_late" not in dict(found)
        assert "too_early" not in dict(found) or "too_early" in one.breaches, "unless it was seen from afar"


@given(BOOKINGS, *[st.booleans()] * 5)
def test_mercy_is_shown_to_whatever_has_any_claim_to_it(
    one: Booking, opened: bool, kept: bool, exempt: bool, before: bool, shadow: bool
) -> None:
    """A decline needs a live room and a single, upcoming booking of somebody else that nothing protects."""
    standing = Standing(one, opened, kept, exempt, before, shadow)
    claims = (one.series_id, one.room_organises, opened, kept, exempt, before, shadow)
    assert (mercy(standing) is None) == (not any(claims))


def test_what_was_too_early_when_it_was_seen_from_afar_is_so_whenever_it_was_made() -> None:
    """Whoever reads the months to come tells; nobody has to know when it was made."""
    timeline = room(rules(too_early="decline"))
    timeline.book(booking("90:00", "91:00", breaches=("too_early",)))
    (broken,) = told(timeline)
    assert codes(broken) == ["too_early", "rule_declines"]
    assert breaches(booking("09:00", "10:00", breaches=("too_early",)), NEVER, rules(too_long="report")) == []
