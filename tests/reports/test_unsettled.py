"""Of a release that stayed unclear to the booking's end nobody says that the room was kept."""

from datetime import UTC

import msgspec
import pytest
from timeline import PIR, RADAR, Timeline, at, booking

from gateway.core.decisions import Decision, Outcome, Reason
from gateway.core.units import HOUR_MS
from gateway.ledger import OutboxRow
from gateway.ledger.batch import OutboxState
from gateway.reports import as_known, as_table, rooms_report, says_kept

KEY = "uid-09:00"
UNCLEAR: tuple[OutboxState, ...] = ("sending", "unclear", "applied")
SETTLED: tuple[OutboxState, ...] = ("pending", "verifying", "superseded", "expired")


def day_without_an_answer(*, people: bool = False) -> Timeline:
    """A ghost whose release is decided at 09:10, and of which nothing is heard before its end."""
    line = Timeline(RADAR, PIR)
    line.applies = False
    line.book(booking("09:00", "10:00"))
    line.until("09:20")
    if people:
        line.show("radar")
        line.clear("radar")
    return line.until("10:01")


def row(line: Timeline, state: OutboxState, room: str = "orion", **changes: object) -> OutboxRow:
    """The release's row, as far as it has come; `changes`: of its write."""
    write = line.first("release").write
    assert write is not None
    return OutboxRow(room, KEY, msgspec.structs.replace(write, **changes), state, changed_at=at("10:05"))


def outcomes(line: Timeline, *rows: OutboxRow) -> dict[Outcome, int]:
    """What a report says that the day's bookings came to."""
    report = rooms_report(as_known(line.decisions, rows), at("08:00"), at("12:00"), UTC)
    return report.total.outcomes


@pytest.mark.parametrize("state", UNCLEAR)
def test_a_release_that_may_have_been_done_makes_the_outcome_unknown(state: OutboxState) -> None:
    """Also where Exchange shows it now: the hour is neither called kept nor given back, and has its cause."""
    line = day_without_an_answer()
    assert outcomes(line, row(line, state)) == {"unknown": 1}
    total = rooms_report(as_known(line.decisions, [row(line, state)]), at("08:00"), at("12:00"), UTC).total
    assert (total.ghost_ms, total.returned_ms, total.given_back) == (HOUR_MS, 0, 0)
    assert total.unreturned_ms == {"write_unclear": HOUR_MS}


@pytest.mark.parametrize("state", SETTLED)
def test_a_release_that_was_not_done_leaves_the_room_kept(state: OutboxState) -> None:
    """Never sent, or disproved by a read: then it is known."""
    line = day_without_an_answer()
    assert outcomes(line, row(line, state)) == {"no_show_kept": 1}


def test_without_its_row_it_is_told_as_recorded() -> None:
    """The ledger has forgotten the write, or there was none."""
    assert outcomes(day_without_an_answer()) == {"no_show_kept": 1}


def test_what_is_known_of_people_stays() -> None:
    """Whoever came after the unclear release was there, whatever Exchange has done."""
    line = day_without_an_answer(people=True)
    assert set(outcomes(line, row(line, "unclear"))) <= {"attended", "brief_visit"}


def test_only_the_conclusion_is_told_otherwise() -> None:
    """Every other decision is the recorded one; the conclusion gives its reason."""
    line = day_without_an_answer()
    known = as_known(line.decisions, [row(line, "unclear")])
    changed = [(old, new) for old, new in zip(line.decisions, known, strict=True) if old != new]
    ((old, new),) = changed
    assert says_kept(old)
    assert (new.kind, new.at, new.reasons) == ("concluded", old.at, (Reason("write_unclear"),))
    assert not says_kept(new)


def test_a_later_release_of_the_same_booking_says_nothing_of_the_first() -> None:
    """A booking can be moved to another time after its end; the newest release decides."""
    line = day_without_an_answer()
    later = row(line, "unclear", deadline=at("14:12"))
    assert outcomes(line, row(line, "superseded"), later) == {"no_show_kept": 1}
    assert outcomes(line, row(line, "unclear"), row(line, "superseded")) == {"no_show_kept": 1}


def test_another_room_and_another_action_say_nothing() -> None:
    """The same meeting may be booked in two rooms; a mark that was not confirmed is no release."""
    line = day_without_an_answer()
    elsewhere, mark = row(line, "unclear", "lyra"), row(line, "unclear", action="check_in")
    assert outcomes(line, elsewhere, mark) == {"no_show_kept": 1}


def test_the_table_has_its_words() -> None:
    """What facilities staff read."""
    line = day_without_an_answer()
    decisions: list[Decision] = as_known(line.decisions, [row(line, "unclear")])
    table = as_table(rooms_report(decisions, at("08:00"), at("12:00"), UTC), {})
    assert table.outcomes == [("the sensors, or Exchange, could not tell", 1)]
    assert table.causes == [("Exchange did not show before the end whether it was given back", "1.0")]
