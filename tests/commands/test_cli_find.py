"""Bookings are found and dated from whatever the ledger still knows of them."""

from datetime import UTC

from timeline import at

from gateway.commands.find import spans
from gateway.core.decisions import Decision, Reason, Tally, Write
from gateway.core.site import Site
from gateway.core.units import HOUR_MS, MINUTE_MS
from gateway.ledger import OutboxRow
from gateway.shown.paint import Times
from gateway.shown.timeline import decision_json, worded

KEY = ("orion", "uid")


def opened(due: str) -> Decision:
    """It opened, with ten minutes of grace."""
    return Decision("opened", *_at("08:50"), reasons=(Reason("grace", value=10 * MINUTE_MS, until=at(due)),))


def over(end: str, tally: Tally) -> Decision:
    """It was concluded."""
    return Decision("concluded", *_at(end), tally=tally)


def _at(clock: str) -> tuple[str, int, str]:
    return "orion", at(clock), "uid"


def test_a_booking_begins_its_grace_before_it_is_due() -> None:
    """Also one that a person ended early, whose end tells nothing."""
    story = [opened("09:10"), over("09:30", Tally("ended_early", booked_ms=HOUR_MS))]
    assert spans(Site(), story, []) == {KEY: (at("09:00"), at("10:00"))}


def test_a_booking_that_was_known_late_is_dated_by_its_end() -> None:
    """Found in the calendar at 09:20 it was due at 09:30; it began at 09:00 all the same."""
    story = [opened("09:30"), over("10:00", Tally("attended", booked_ms=HOUR_MS))]
    assert spans(Site(), story, []) == {KEY: (at("09:00"), at("10:00"))}


def test_a_booking_that_was_concluded_late_is_dated_by_its_grace() -> None:
    """The gateway was away at its end and concluded it at noon."""
    story = [opened("09:10"), over("12:00", Tally("attended", booked_ms=HOUR_MS))]
    assert spans(Site(), story, []) == {KEY: (at("09:00"), at("10:00"))}


def test_a_booking_that_was_cancelled_before_it_opened_has_no_time() -> None:
    """Better none than a wrong one."""
    assert spans(Site(), [over("07:00", Tally("cancelled", booked_ms=HOUR_MS))], []) == {}


def test_a_write_knows_the_times_that_were_decided_on() -> None:
    """Better than what follows from decisions."""
    write = Write(1, "release", "decline", "id", at("09:05"), at("09:55"), deadline=at("09:20"))
    row = OutboxRow("orion", "uid", write, "applied")
    story = [opened("09:10"), over("10:00", Tally("no_show_released", booked_ms=HOUR_MS))]
    assert spans(Site(), story, [row]) == {KEY: (at("09:05"), at("09:55"))}


def test_a_reason_of_another_version_is_shown_by_its_code() -> None:
    """A ledger outlives many versions; one old code must not hide a whole story."""
    times = Times(UTC)
    old = Decision("withheld", *_at("09:10"), reasons=(Reason("moon_too_bright", sensor="lamp"),))
    assert worded(old, times) == "A release is due and withheld: moon too bright lamp."
    assert decision_json(old, times)["reasons"][0]["words"] == "moon too bright lamp"
