"""What the gateway's own releases took out of a calendar is put back, and nothing else."""

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Action, Write
from gateway.core.events import CalendarRead
from gateway.core.steps.calendar import STALE_READ_MS
from gateway.core.units import HOUR_MS, MINUTE_MS
from gateway.ledger import GivenBack
from gateway.replay.put_back import PutBack

NINE = 9 * HOUR_MS
TEN = 10 * HOUR_MS
GHOST = Booking("ghost", "id-ghost", NINE, TEN)
DECIDED = NINE + 10 * MINUTE_MS


def given(action: Action = "release", new_end: int | None = None) -> GivenBack:
    """The ghost was released at ten past."""
    write = Write(1, action, "decline", "id-ghost", NINE, TEN, DECIDED + 2 * MINUTE_MS, new_end=new_end)
    return GivenBack("orion", "ghost", DECIDED, write)


def put_back(*taken: GivenBack) -> PutBack:
    """History's gateway knew the ghost."""
    return PutBack(taken, {"orion": {"ghost": GHOST}})


def read(*changed: Booking, removed: tuple[str, ...] = ()) -> CalendarRead:
    """A read of the day."""
    return CalendarRead("orion", 0, 48 * HOUR_MS, changed, removed)


def test_what_a_release_removed_stays_to_its_end() -> None:
    """Gone from the calendar or shown as declined there: the read does not tell of it."""
    declined = msgspec.structs.replace(GHOST, response="declined")
    assert put_back(given()).read(read(removed=("ghost",)), DECIDED + 2_000) == read()
    both = put_back(given())
    assert both.read(read(declined), DECIDED + 2_000) == read()
    assert both.read(read(removed=("ghost",)), DECIDED + 9_000) == read()


def test_what_an_organizer_cancels_is_gone() -> None:
    """Without a release, or before it was decided, a booking goes as history had it."""
    gone = read(removed=("ghost",))
    assert put_back().read(gone, DECIDED + 2_000) == gone
    assert put_back(given()).read(gone, DECIDED - 1) == gone


def test_a_booking_that_was_moved_since_is_cancelled_there() -> None:
    """The release was of its old time, and has nothing to do with the new one."""
    moved = msgspec.structs.replace(GHOST, start=TEN, end=TEN + HOUR_MS)
    gone = read(removed=("ghost",))
    assert PutBack([given()], {"orion": {"ghost": moved}}).read(gone, DECIDED + 9_000) == gone


def test_a_new_booking_takes_the_place_from_where_it_begins() -> None:
    """The put-back one ends there; its own end is still known, for the hours that were given back."""
    calendar = put_back(given())
    calendar.read(read(removed=("ghost",)), DECIDED + 2_000)
    other = Booking("other", "id-other", NINE + 30 * MINUTE_MS, TEN)
    told = calendar.read(read(other), DECIDED + 5 * MINUTE_MS)
    assert told.changed == (other, msgspec.structs.replace(GHOST, end=other.start))
    assert calendar.ends == {("orion", "ghost"): TEN}


def test_a_booking_that_overlapped_before_takes_no_place() -> None:
    """Two bookings at once, one of them released: the other's change of hands is no new booking."""
    other = Booking("other", "id-other", NINE + 30 * MINUTE_MS, TEN)
    calendar = PutBack([given()], {"orion": {"ghost": GHOST, "other": other}})
    calendar.read(read(removed=("ghost",)), DECIDED + 2_000)
    changed = msgspec.structs.replace(other, change_key="2")
    assert calendar.read(read(changed), DECIDED + 5 * MINUTE_MS) == read(changed)


def test_a_booking_that_comes_back_is_history_s_again() -> None:
    """It is told as it is, and goes when it is cancelled; a read that only shows it late is no return."""
    calendar = put_back(given())
    calendar.read(read(removed=("ghost",)), DECIDED + 2_000)
    assert calendar.read(read(GHOST), DECIDED + 60_000) == read()
    renewed = msgspec.structs.replace(GHOST, event_id="id-again")
    assert calendar.read(read(renewed), DECIDED + 90_000) == read(renewed)
    gone = read(removed=("ghost",))
    assert calendar.read(gone, DECIDED + 99_000) == gone


def test_an_item_that_is_shown_for_long_is_back() -> None:
    """Exchange shows what it has taken away for two minutes at most: after that somebody put it back."""
    calendar = put_back(given())
    calendar.read(read(removed=("ghost",)), DECIDED + 2_000)
    assert calendar.read(read(GHOST), DECIDED + STALE_READ_MS) == read()
    assert calendar.read(read(GHOST), DECIDED + STALE_READ_MS + 1) == read(GHOST)
    gone = read(removed=("ghost",))
    assert calendar.read(gone, DECIDED + STALE_READ_MS + 9_000) == gone


def test_a_booking_that_comes_back_shorter_has_the_end_that_it_shows() -> None:
    """What it lost to another booking does not count as given back any more."""
    calendar = put_back(given())
    calendar.read(read(removed=("ghost",)), DECIDED + 2_000)
    other = Booking("other", "id-other", NINE + 30 * MINUTE_MS, TEN)
    calendar.read(read(other), DECIDED + 5 * MINUTE_MS)
    assert calendar.ends
    shorter = msgspec.structs.replace(GHOST, event_id="id-again", end=other.start)
    calendar.read(read(shorter), DECIDED + 6 * MINUTE_MS)
    assert calendar.ends == {}


def test_an_early_end_is_undone() -> None:
    """The room's copy was made shorter: it keeps the end that it had; any other new end is history's."""
    at = DECIDED
    shorter = msgspec.structs.replace(GHOST, end=at)
    assert put_back(given("end_early", at)).read(read(shorter), at + 2_000) == read()
    longer = msgspec.structs.replace(GHOST, end=TEN + HOUR_MS)
    assert put_back(given("end_early", at)).read(read(longer), at + 2_000) == read(longer)
