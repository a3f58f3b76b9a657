"""Events of Graph become bookings: times, identity, marks, and no names."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.core.units import HOUR_MS
from gateway.exchange.errors import MalformedError, from_answer, graph_codes
from gateway.exchange.models import (
    NO_EXEMPTIONS,
    Exemptions,
    parse_event,
    to_booking,
)
from gateway.exchange.moments import as_datetime, instant, midnight

EXAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "graph"
BERLIN = ZoneInfo("Europe/Berlin")

needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the recorded Graph examples are not here")


def item(**changes: Any) -> dict[str, Any]:
    """A calendar item of an invented room, with every field that is asked for."""
    whole: dict[str, Any] = {
        "id": "AAMk-1",
        "iCalUId": "UID-1",
        "type": "singleInstance",
        "seriesMasterId": None,
        "start": {"dateTime": "2026-03-02T09:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-02T10:00:00.0000000", "timeZone": "UTC"},
        "isAllDay": False,
        "isCancelled": False,
        "isOrganizer": False,
        "responseStatus": {"response": "accepted", "time": "0001-01-01T00:00:00Z"},
        "showAs": "busy",
        "categories": [],
        "attendees": [{"type": "required", "emailAddress": {"name": "Canary", "address": "c@contoso.com"}}],
        "changeKey": "ck-1",
    }
    return {**whole, **changes}


def utc(*parts: int) -> int:
    """An instant from year, month, day, hour, ..."""
    year, month, day, *rest = parts
    hour, minute = (*rest, 0, 0)[:2]
    return instant(datetime(year, month, day, hour, minute, tzinfo=UTC))


def timed(start: str, end: str, zone: str = "UTC", **changes: Any) -> dict[str, Any]:
    """An item with these local times."""
    return item(
        start={"dateTime": start, "timeZone": zone}, end={"dateTime": end, "timeZone": zone}, **changes
    )


def example(name: str) -> Any:
    """One recorded example."""
    return json.loads((EXAMPLES / name).read_text(encoding="utf-8"))


def test_a_plain_booking_keeps_what_decides_and_nothing_more() -> None:
    """Key, times, response and change key; no name is anywhere in it."""
    booking = to_booking(parse_event(item()), BERLIN)
    assert booking.key == "UID-1"
    assert (booking.start, booking.end) == (utc(2026, 3, 2, 9), utc(2026, 3, 2, 10))
    assert booking.is_decided_on
    assert booking.has_attendees
    assert booking.change_key == "ck-1"
    assert "anary" not in repr(booking) + repr(parse_event(item()))


def test_names_stay_out_of_errors() -> None:
    """A malformed item is told by its fields, never by their content."""
    with pytest.raises(MalformedError) as caught:
        parse_event(item(start="canary", attendees="canary", isAllDay="canary", categories=["ok", 7]))
    error = caught.value
    assert "canary" not in str(error) + repr(error.__cause__)
    assert "isAllDay" in str(error)


def test_subject_and_body_are_never_asked_for() -> None:
    """The organizer is, but only where organizers can be exempt."""
    fields = NO_EXEMPTIONS.select.split(",")
    assert not {"subject", "body", "bodyPreview", "location", "organizer"} & set(fields)
    assert "organizer" in Exemptions.of(organizers=("a@contoso.com",)).select.split(",")
    assert "organizer" not in Exemptions.of(categories=("Board",)).select.split(",")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("none", "none"),
        ("organizer", "organizer"),
        ("tentativelyAccepted", "tentative"),
        ("accepted", "accepted"),
        ("declined", "declined"),
        ("notResponded", "none"),
        ("somethingNew", "none"),
        (None, "none"),
    ],
)
def test_each_response_is_understood_and_new_ones_hold_nothing(response: str | None, expected: str) -> None:
    """What is not understood is not decided on."""
    booking = to_booking(parse_event(item(responseStatus={"response": response})), BERLIN)
    assert booking.response == expected
    assert booking.is_decided_on == (expected in ("accepted", "organizer"))


@pytest.mark.parametrize(
    ("show_as", "expected"),
    [
        ("free", "free"),
        ("tentative", "tentative"),
        ("busy", "busy"),
        ("oof", "oof"),
        ("workingElsewhere", "elsewhere"),
        ("unknown", "unknown"),
        ("somethingNew", "unknown"),
    ],
)
def test_each_show_as_is_understood(show_as: str, expected: str) -> None:
    """Graph's workingElsewhere is our elsewhere."""
    assert to_booking(parse_event(item(showAs=show_as)), BERLIN).show_as == expected


@pytest.mark.parametrize(
    "zone", ["UTC", "Etc/UTC", "Etc/GMT", "tzone://Microsoft/Utc", "Coordinated Universal Time"]
)
def test_utc_has_many_names(zone: str) -> None:
    """Windows', IANA's and Exchange's own."""
    booking = to_booking(
        parse_event(timed("2026-03-02T09:00:00.0000000", "2026-03-02T10:00:00", zone)), BERLIN
    )
    assert booking.start == utc(2026, 3, 2, 9)


def test_iana_zones_are_converted() -> None:
    """Nine o'clock in Berlin in winter is eight in UTC, in summer seven."""
    for month, hour in ((3, 8), (7, 7)):
        event = parse_event(
            timed(f"2026-0{month}-02T09:00:00.1230000", f"2026-0{month}-02T10:00:00", "Europe/Berlin")
        )
        assert to_booking(event, BERLIN).start == utc(2026, month, 2, hour) + 123


def test_an_offset_in_the_time_wins() -> None:
    """Seen on other resources: a dateTime with Z."""
    event = parse_event(timed("2026-03-02T09:00:00Z", "2026-03-02T11:00:00+01:00", "Europe/Berlin"))
    assert to_booking(event, BERLIN).length_ms == HOUR_MS


@pytest.mark.parametrize(
    "zone",
    ["Pacific Standard Time", "GMT Standard Time", "tzone://Microsoft/Custom", "America", "../x", ""],
)
def test_a_zone_that_is_not_known_is_named(zone: str) -> None:
    """Guessing a zone would move a booking by hours."""
    event = parse_event(timed("2026-03-02T09:00:00", "2026-03-02T10:00:00", zone))
    with pytest.raises(MalformedError, match="zone") as caught:
        to_booking(event, BERLIN)
    assert zone in str(caught.value)


@pytest.mark.parametrize(
    ("day", "next_day", "hours"),
    [
        ("2026-03-02", "2026-03-03", 24),
        ("2026-03-29", "2026-03-30", 23),
        ("2026-10-25", "2026-10-26", 25),
        ("2026-03-28", "2026-03-30", 47),
        ("2026-03-02", "2026-03-02", 24),
    ],
)
def test_all_day_entries_are_dates_in_the_rooms_zone(day: str, next_day: str, hours: int) -> None:
    """From midnight to midnight in the room, 23 or 25 hours where the clocks change."""
    event = parse_event(timed(f"{day}T00:00:00.0000000", f"{next_day}T00:00:00.0000000", isAllDay=True))
    booking = to_booking(event, BERLIN)
    local = as_datetime(booking.start).astimezone(BERLIN)
    assert (local.date().isoformat(), local.hour, local.minute) == (day, 0, 0)
    assert booking.all_day
    assert booking.length_ms == hours * HOUR_MS


def test_all_day_dates_do_not_depend_on_the_zone_they_are_told_in() -> None:
    """Even a zone that would be refused for a timed entry: a date is a date."""
    told = timed("2026-03-02T00:00:00", "2026-03-03T00:00:00", "Pacific Standard Time", isAllDay=True)
    assert to_booking(parse_event(told), BERLIN).start == utc(2026, 3, 1, 23)


def test_an_all_day_entry_off_midnight_is_taken_as_it_is_told() -> None:
    """Converted from another zone by somebody: its instants are real, and it stays all-day."""
    booking = to_booking(
        parse_event(timed("2026-03-01T23:00:00", "2026-03-02T23:00:00", isAllDay=True)), BERLIN
    )
    assert booking.all_day
    assert booking.start == utc(2026, 3, 1, 23)


def test_a_day_without_midnight_begins_when_the_clocks_jump() -> None:
    """Santiago, 2026-09-06: 24:00 is 01:00."""
    begins = midnight(datetime(2026, 9, 6, tzinfo=UTC).date(), ZoneInfo("America/Santiago"))
    assert begins == utc(2026, 9, 6, 4)


def test_occurrences_are_keyed_by_their_original_start() -> None:
    """A moved occurrence keeps its key; one never moved gets the same key without the field."""
    series = {"seriesMasterId": "M"}
    plain = to_booking(parse_event(item(type="occurrence", **series)), BERLIN)
    told = to_booking(
        parse_event(item(type="occurrence", originalStart="2026-03-02T09:00:00Z", **series)), BERLIN
    )
    moved = to_booking(
        parse_event(
            timed(
                "2026-03-02T13:00:00",
                "2026-03-02T14:00:00",
                type="exception",
                originalStart="2026-03-02T09:00:00.0000000Z",
                **series,
            )
        ),
        BERLIN,
    )
    assert plain.key == told.key == moved.key == f"UID-1@{utc(2026, 3, 2, 9)}"
    assert moved.start == utc(2026, 3, 2, 13)
    assert moved.series_id == "M"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "seriesMaster"},
        {"type": "seriesMaster", "originalStart": "2026-03-02T09:00:00Z"},
        {"type": None},
        {"type": None, "originalStart": "2026-03-02T09:00:00Z"},
        {"iCalUId": None},
        {"iCalUId": ""},
        {"type": "exception"},
        {"end": {"dateTime": "2026-03-02T08:00:00", "timeZone": "UTC"}},
        {"start": {"dateTime": "soon", "timeZone": "UTC"}},
    ],
)
def test_what_has_no_identity_or_no_time_is_no_booking(changes: dict[str, Any]) -> None:
    """A series master above all."""
    with pytest.raises(MalformedError):
        to_booking(parse_event(item(**changes)), BERLIN)


@pytest.mark.parametrize("changes", [{"id": ""}, {"id": None}, {"start": None}, {"type": "somethingNew"}])
def test_an_item_without_the_essentials_is_malformed(changes: dict[str, Any]) -> None:
    """A page with such an item is not a complete picture."""
    with pytest.raises(MalformedError):
        parse_event(item(**changes))


@pytest.mark.parametrize("whole", [None, [], "x", {}])
def test_what_is_no_item_is_malformed(whole: Any) -> None:
    """Anything else in a page's list."""
    with pytest.raises(MalformedError):
        parse_event(whole)


def test_marks_tell_what_exempts_without_telling_whom() -> None:
    """Addresses and categories are compared without case; the booking says only which kind matched."""
    exemptions = Exemptions.of(organizers=("Chair@Contoso.com ",), categories=("board",))
    organizer = {"emailAddress": {"name": "Canary", "address": "chair@contoso.COM"}}
    event = parse_event(item(organizer=organizer, categories=["Blue", "Board"]))
    booking = to_booking(event, BERLIN, exemptions)
    assert booking.marks == ("organizer", "category")
    assert "chair" not in repr(booking).lower() + repr(event).lower()
    assert to_booking(parse_event(item(organizer=organizer)), BERLIN, NO_EXEMPTIONS).marks == ()
    assert to_booking(parse_event(item(organizer=None)), BERLIN, exemptions).marks == ()


@pytest.mark.parametrize(("attendees", "any_"), [([], False), ([{}], True), (None, True)])
def test_of_attendees_only_their_existence_is_kept(attendees: Any, any_: bool) -> None:
    """Unknown counts as some: then it is cancelled with a mail, not deleted in silence."""
    assert to_booking(parse_event(item(attendees=attendees)), BERLIN).has_attendees is any_


@needs_examples
@pytest.mark.parametrize(
    "name", ["event_create_response_single_instance", "event_create_response_online_meeting"]
)
def test_recorded_whole_events_parse_and_name_their_windows_zone(name: str) -> None:
    """Complete but for times in a Windows zone, which we never ask for: named. In UTC they are bookings."""
    recorded = example(f"{name}.json")
    event = parse_event(recorded)
    with pytest.raises(MalformedError, match="Pacific Standard Time"):
        to_booking(event, BERLIN)
    for end in ("start", "end"):
        recorded[end]["timeZone"] = "UTC"
    booking = to_booking(parse_event(recorded), BERLIN)
    assert (booking.start, booking.end) == (utc(2017, 4, 15, 11), utc(2017, 4, 15, 12))
    assert booking.room_organises
    assert booking.response == "organizer"
    assert booking.has_attendees


@needs_examples
@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("event_instances_list", [(2019, 4, day, 20, 30) for day in (16, 8, 22, 29)]),
        ("calendarview_delta_page1_nextlink", [(2016, 12, 9, 20, 30), (2016, 12, 10, 1)]),
        ("events_delta_beta_page_nextlink", [(2020, 6, 2, 20), (2020, 6, 4, 19, 30)]),
    ],
)
def test_recorded_lists_parse_with_their_times(name: str, times: list[tuple[int, ...]]) -> None:
    """Seven decimals, UTC, in the order of the list; none of them has an iCalUId, so none is a booking."""
    events = [parse_event(entry) for entry in example(f"{name}.json")["value"]]
    assert [event.start.instant for event in events] == [utc(*parts) for parts in times]
    for event in events:
        with pytest.raises(MalformedError):
            to_booking(event, BERLIN)


@needs_examples
@pytest.mark.parametrize(
    "name", ["event_get_selected", "event_get_multiple_locations", "event_create_response_multiple_locations"]
)
def test_recorded_single_events_parse(name: str) -> None:
    """Whatever $select left out is simply not there."""
    assert parse_event(example(f"{name}.json")).id.startswith("AAMk")


@needs_examples
def test_the_recorded_series_master_is_no_booking() -> None:
    """It has no type when only some fields are selected, and that is refused as well."""
    name = "event_get_series_master_exception_and_cancelled_occurrences.json"
    with pytest.raises(MalformedError):
        to_booking(parse_event(example(name)), BERLIN)


@needs_examples
def test_recorded_reduced_occurrences_and_removals_are_no_bookings() -> None:
    """What delta returns for occurrences lacks everything that decides; a removal is no item."""
    reduced = example("delta_occurrence_reduced_fields.json")
    with pytest.raises(MalformedError):
        to_booking(parse_event(reduced), BERLIN)
    with pytest.raises(MalformedError):
        parse_event(example("calendarview_delta_next_round_with_removed.json")["value"][0])


@needs_examples
@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("error_400_getschedule_array_too_big", 400, "RefusedError"),
        ("error_403_raop_access_policy", 403, "ForbiddenError"),
        ("error_404_item_not_found", 404, "ItemGoneError"),
        ("error_404_mailbox_not_enabled", 404, "MailboxError"),
        ("error_404_mailbox_not_enabled", 401, "MailboxError"),
        ("error_410_sync_state_not_found", 410, "RefusedError"),
        ("error_412_irresolvable_conflict", 412, "ConflictError"),
        ("error_429_mailbox_concurrency", 429, "RetryableError"),
        ("error_429_throttled", 429, "RetryableError"),
        ("error_500_object_reference", 500, "RetryableError"),
        ("error_generic", 416, "RefusedError"),
    ],
)
def test_recorded_errors_become_what_to_do(name: str, status: int, expected: str) -> None:
    """Every recorded error body, with the status it came with."""
    body = (EXAMPLES / f"{name}.json").read_bytes()
    error = from_answer("read", status, {}, body, None)
    assert type(error).__name__ == expected
    assert error.code == graph_codes(body)[0]
    assert json.loads(body)["error"]["message"] not in str(error)


@needs_examples
def test_errors_inside_a_recorded_batch_are_understood() -> None:
    """Empty codes and 405 among them."""
    names = []
    for answer in example("batch_response_mixed_status.json")["responses"]:
        if answer["status"] != 200:
            body = json.dumps(answer["body"]).encode()
            names.append(type(from_answer("read", answer["status"], {}, body, None)).__name__)
    assert names == ["ForbiddenError", "ForbiddenError", "RefusedError"]
