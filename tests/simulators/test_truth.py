"""The figures that a demo ends with: who was there in truth, and where every ghost hour went."""

import pytest

from gateway.core.decisions import Decision, Tally
from gateway.core.policy import Policy
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from simulators.office import OfficeRoom, fit
from simulators.people import PlannedBooking, RoomDay, Visit
from simulators.truth import balance, cause_of, causes_by_booking, fate_of, recoverable_from

NINE: Instant = 1_790_586_000_000


def planned(start: Instant = NINE, end: Instant = NINE + HOUR_MS, key: str = "b") -> PlannedBooking:
    """A booking of room orion."""
    return PlannedBooking(key, "orion", start, end, "person-001@contoso.com", "ghost", 4, start - HOUR_MS)


def room(*visits: Visit, fitting: str = "radar") -> OfficeRoom:
    """Room orion with one booking at nine and these visits."""
    day = RoomDay("orion", NINE - HOUR_MS, NINE + 3 * HOUR_MS, (planned(),), visits)
    return OfficeRoom("orion", fitting, fit("orion", fitting, 1), (day,))  # type: ignore[arg-type] # a Fitting


def visit(enter: Instant, leave: Instant, booking: str | None) -> Visit:
    """Three people in room orion."""
    return Visit("orion", enter, leave, 3, "lively", booking)


def test_a_ghosts_time_is_recoverable_from_its_due_moment() -> None:
    """Nobody near: ten minutes of grace, the rest could be returned."""
    assert recoverable_from(room(), planned(), Policy()) == NINE + 10 * MINUTE_MS


def test_the_last_people_before_delay_what_is_recoverable() -> None:
    """They left a minute before nine: a minute of hold, ten of grace."""
    before = visit(NINE - 30 * MINUTE_MS, NINE + 2 * MINUTE_MS, None)
    assert recoverable_from(room(before), planned(), Policy()) == NINE + 13 * MINUTE_MS


def test_a_pir_alone_holds_longer() -> None:
    """Ten minutes of hold instead of one."""
    before = visit(NINE - 30 * MINUTE_MS, NINE + 2 * MINUTE_MS, None)
    late = recoverable_from(room(before, fitting="pir"), planned(), Policy())
    assert late == NINE + 22 * MINUTE_MS


def test_every_ghost_hour_is_returned_or_has_a_cause() -> None:
    """Released two minutes after it could be: the sum over causes and returned time is the ghost's hour."""
    released = NINE + 12 * MINUTE_MS
    fate = fate_of(room(), planned(), Policy(), released, checked_in=False, cause="sensor")
    total = balance([fate])
    assert total.ghosts == total.released == 1
    assert total.hours_recoverable == pytest.approx(50 / 60)
    assert total.hours_returned == pytest.approx(48 / 60)
    assert total.causes == {"grace": pytest.approx(10 / 60), "sensor": pytest.approx(2 / 60)}
    assert total.hours_returned + sum(total.causes.values()) == pytest.approx(total.hours_ghost)


def test_a_missed_ghost_names_what_kept_it() -> None:
    """Not released at all: grace, and all the rest under its cause."""
    fate = fate_of(room(), planned(), Policy(), None, checked_in=False, cause="passer_by")
    total = balance([fate])
    assert total.ghosts_missed == 1
    assert total.causes == {"grace": pytest.approx(10 / 60), "passer_by": pytest.approx(50 / 60)}


def test_taking_a_room_from_people_is_seen_whoever_they_are() -> None:
    """People inside at the moment of the release make it wrong, also those of no booking."""
    inside = visit(NINE + 5 * MINUTE_MS, NINE + 30 * MINUTE_MS, None)
    fate = fate_of(room(inside), planned(), Policy(), NINE + 12 * MINUTE_MS, checked_in=False, cause="sensor")
    assert fate.ghost
    assert fate.wrongly_released


def test_releasing_what_was_attended_is_wrong_even_when_they_have_left() -> None:
    """Its people had been there and gone."""
    own = visit(NINE, NINE + 10 * MINUTE_MS, "b")
    fate = fate_of(room(own), planned(), Policy(), NINE + 40 * MINUTE_MS, checked_in=False, cause="sensor")
    assert not fate.ghost
    assert fate.wrongly_released


def test_people_who_come_after_the_release_are_counted_by_themselves() -> None:
    """Later than the grace: nobody was inside, but the figure is shown."""
    own = visit(NINE + 20 * MINUTE_MS, NINE + 50 * MINUTE_MS, "b")
    fate = fate_of(room(own), planned(), Policy(), NINE + 12 * MINUTE_MS, checked_in=False, cause="sensor")
    assert fate.came_after
    assert not fate.wrongly_released


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("too_short", "too_short"),
        ("exempt_length", "exempt"),
        ("kept", "exempt"),
        ("too_little_left", "hold"),
        ("overdue orion-radar", "withheld"),
        ("maybe_stuck_off orion-pir", "withheld"),
        ("shadow", "shadow"),
        ("proof_awaited", "sensor"),
        ("shows_presence orion-radar", "passer_by"),
    ],
)
def test_every_reason_code_falls_under_a_cause(code: str, cause: str) -> None:
    """What is not known otherwise is a doubt, and so withheld."""
    assert cause_of(code) == cause


def test_the_gateways_conclusions_name_the_causes() -> None:
    """A ghost in which somebody was seen is a passer-by's; one released lost its rest to the sensors."""

    def concluded(booking: str, tally: Tally) -> Decision:
        return Decision("concluded", "orion", NINE + 61 * SECOND_MS, booking=booking, tally=tally)

    causes = causes_by_booking(
        [
            concluded("a", Tally("brief_visit")),
            concluded("b", Tally("no_show_released", cause="grace")),
            concluded("c", Tally("withheld", cause="overdue orion-radar")),
            concluded("d", Tally("unknown")),
            Decision("seen", "orion", NINE, booking="e"),
        ]
    )
    assert causes == {
        ("orion", "a"): "passer_by",
        ("orion", "b"): "sensor",
        ("orion", "c"): "withheld",
        ("orion", "d"): "withheld",
    }
