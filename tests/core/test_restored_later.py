"""A booking that comes back when the room has long forgotten its release."""

import pytest
from timeline import RADAR, Timeline, booking


@pytest.mark.parametrize(
    ("mode", "writes"), [("live", ["check_in"]), ("shadow", [])], ids=["still-live", "shadow-by-now"]
)
def test_a_released_booking_that_comes_back_in_the_afternoon_starts_checked_in(
    mode: str, writes: list[str]
) -> None:
    """It is wanted: nobody has to prove anew that they will come, and only a live room writes so."""
    line = Timeline(RADAR, mode="live")
    line.book(booking("09:00", "10:00", "b"))
    line.until("10:30")
    assert line.has("released", "b")
    line.reconfigure(mode=mode)
    line.book(booking("14:00", "15:00", "b"))
    assert line.times("restored", "b") == ["10:30"]
    (restored,) = (d for d in line.decisions if d.kind == "restored")
    assert [d.write.action for d in (restored,) if d.write is not None] == writes
    line.until("15:00")
    assert line.count("warned", "b") == 1
    assert [d.tally.outcome for d in line.decisions if d.kind == "concluded" and d.tally] == [
        "no_show_released",
        "attended",
    ]
