"""What goes wrong quietly around Exchange, end to end: found, told once, and told when it is over."""

import json
import sqlite3
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from harness import World, at, in_world
from structlog.testing import capture_logs

from gateway.alerts import ALERTS_NOTE, told_before
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from gateway.exchange.quiet import AttendantFacts
from gateway.ledger import LedgerReader
from simulators.exchange import OrganizerEvent, Processing, daily, weekly
from simulators.exchange.faults import Refuse
from simulators.exchange.times import same_wall_time

pytestmark = pytest.mark.thorough  # outside of coverage: its virtual days take long with it

ANA = "person-001@contoso.com"
BEN = "person-002@contoso.com"
ORION = "orion@contoso.com"
THREE = ("lyra", "orion", "vega")
BERLIN = "Europe/Berlin"


def alerts(world: World) -> dict[str, dict[str, Any]]:
    """What the broker holds, by kind."""
    groups = json.loads(world.link.published["occupancy/gateway/alerts"])
    return {group["kind"]: group for group in groups}


def sentences(world: World, kind: str) -> list[str]:
    """Of each alert of a kind."""
    return [each["sentence"] for each in alerts(world).get(kind, {"each": []})["each"]]


def on_berlins_clock(start: Instant, days: int) -> Instant:
    """So many days later at the same time on the wall in Berlin."""
    day = datetime.fromtimestamp((start + days * DAY_MS) // 1_000, UTC).date()
    return same_wall_time(start, day, BERLIN)


def book_series_around(world: World, start: Instant, taken: list[Instant], **more: Any) -> OrganizerEvent:
    """A series that is accepted but for the dates on which somebody else was earlier."""
    box = world.exchange.mailboxes.mailbox(ORION)
    box.processing = Processing(booking_window_in_days=0, maximum_conflict_instances=10)
    for lost in taken:
        world.exchange.book(BEN, ORION, lost, lost + HOUR_MS)
    return world.exchange.book(ANA, ORION, start, start + HOUR_MS, time_zone=BERLIN, **more)


# -- our own faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rooms", [("orion",), THREE])
def test_a_fault_of_our_own_in_one_room_is_that_rooms_trouble(tmp_path: Path, rooms: tuple[str, ...]) -> None:
    """Its calendar and its months are unreadable, with where in the program; everything else goes on.

    It is tried again, and over when the fault is. What was in the program's hands is told to nobody.
    """

    async def story(world: World) -> None:
        assert world.service is not None
        await world.until("09:00")
        reader = world.service.places["orion"].reader

        def stumble(*_: Any) -> Any:
            raise KeyError("Ana's secret meeting")

        reader.bookings = stumble  # type: ignore[method-assign, assignment]
        for room in rooms:
            world.exchange.book(ANA, f"{room}@contoso.com", at("14:00"), at("15:00"))
        with capture_logs() as logs:
            await world.until("11:30")
        status = await world.service.status()
        assert list(status["gateway"]["calendars_in_trouble"]) == ["orion"]
        assert {one["room"] for one in status["rooms"] if one["next"]} == {*rooms} - {"orion"}
        (sentence,) = sentences(world, "calendar_unreadable")
        assert "a fault in the gateway (KeyError at test_quiet_failures" in sentence
        assert world.service.horizon.failed.keys() == {"orion"}
        assert "Ana" not in str(logs)
        del reader.bookings
        await world.until("11:32")
        status = await world.service.status()
        assert status["gateway"]["calendars_in_trouble"] == {}
        assert all(one["next"] for one in status["rooms"])

    in_world(tmp_path, story, rooms=rooms)


def test_a_fault_of_the_shared_request_costs_no_room_its_calendar(tmp_path: Path) -> None:
    """Where rooms cannot be asked together, each is asked on its own."""

    async def story(world: World) -> None:
        assert world.service is not None
        await world.until("09:00")

        async def stumble(*_: Any) -> None:
            raise RuntimeError("a fault of our own")

        world.service.graph.fetch_many = stumble  # type: ignore[method-assign, assignment]
        for room in THREE:
            world.exchange.book(ANA, f"{room}@contoso.com", at("14:00"), at("15:00"))
        await world.until("09:05")
        status = await world.service.status()
        assert all(one["next"] for one in status["rooms"])

    in_world(tmp_path, story, rooms=THREE)


# -- series -------------------------------------------------------------------------------------------


def test_dates_that_a_series_has_lost_are_told_with_a_free_room(tmp_path: Path) -> None:
    """A weekly meeting in Berlin, over the end of summer time: two of its dates are somebody else's.

    It is told once, in status too, remembered over a restart, and over when its organizer has ended it.
    """

    async def story(world: World) -> None:
        start = at("12:00")
        taken = [on_berlins_clock(start, 21), on_berlins_clock(start, 42)]
        assert taken[1] - start == 42 * DAY_MS + HOUR_MS
        for lost in taken:
            world.exchange.book(BEN, "lyra@contoso.com", lost, lost + 30 * MINUTE_MS)
        event = book_series_around(world, start, taken, recurrence=weekly())
        with capture_logs() as logs:
            await world.until("10:30")
            (sentence,) = sentences(world, "series_lost_dates")
            assert sentence.startswith(
                "A series in orion has lost 2 dates to another booking: Mon 19 Oct 12:00 to 13:00 (free "
                "then: vega), Mon 09 Nov 13:00 to 14:00 (free then: vega). Tell its organizer (booking "
            )
            assert world.service is not None
            status = await world.service.status()
            assert [group["kind"] for group in status["alerts"]] == ["series_lost_dates"]
            await world.stop()
            with LedgerReader(world.folder / "ledger.db") as reader:
                (group,) = told_before(reader.notes()[ALERTS_NOTE])
                assert group.each[0].trouble.sentence == sentence
            await world.start()
            assert sentences(world, "series_lost_dates") == [sentence]
            await world.until("12:30")
            world.exchange.change(event, recurrence=weekly(count=2))
            await world.until("14:30")
        assert alerts(world) == {}
        assert told(logs) == [("alert", "series_lost_dates"), ("alert over", "series_lost_dates")]

    in_world(tmp_path, story, rooms=THREE)


def told(logs: list[MutableMapping[str, Any]]) -> list[tuple[str, str]]:
    """What the log says of alerts, in order."""
    return [(line["event"], line["kind"]) for line in logs if line["event"].startswith("alert")]


def test_nothing_is_told_of_dates_that_nobody_lost(tmp_path: Path) -> None:
    """Cancelled by its organizer, the room taken by another since; or moved far away: no loss.

    A date that is simply absent is counted and not told: nobody waits before a closed door.
    """

    async def story(world: World) -> None:
        start = at("12:00")
        exchange = world.exchange
        event = book_series_around(world, start, [], recurrence=weekly())
        moved, cancelled, absent = (on_berlins_clock(start, days) for days in (175, 14, 21))
        away = moved + 6 * DAY_MS  # beyond the horizon of 180 days
        exchange.move(event, away, away + HOUR_MS, occurrence=moved)
        exchange.book(BEN, ORION, moved, moved + HOUR_MS)
        exchange.cancel(event, occurrence=cancelled)
        exchange.book(BEN, ORION, cancelled, cancelled + HOUR_MS)
        box = exchange.mailboxes.mailbox(ORION)
        (item,) = [one for one in box.calendar.view(absent, absent + HOUR_MS) if one.start_ms == absent]
        exchange.mailboxes.delete(box, item.id)
        await world.until("10:30")
        assert alerts(world) == {}
        assert world.service is not None
        (gaps,) = world.service.horizon.rooms["orion"].gaps
        assert (gaps.lost, gaps.missing) == ((), (absent,))

    in_world(tmp_path, story)


def test_a_series_that_nobody_attends_is_told(tmp_path: Path) -> None:
    """The core reports it after so many ghosts; the alert names room and day, and ends with the series."""

    async def story(world: World) -> None:
        world.exchange.mailboxes.mailbox(ORION).processing = Processing(booking_window_in_days=0)
        event = world.exchange.book(ANA, ORION, at("09:00"), at("09:30"), recurrence=daily())
        await world.until("09:35")
        (sentence,) = sentences(world, "series_unattended")
        assert sentence.startswith(
            "Nobody came to the last 1 date of a series in orion, the newest on Mon 28 Sep 09:00: "
        )
        world.exchange.cancel(event)
        await world.until("11:30")
        assert "series_unattended" not in alerts(world)

    in_world(tmp_path, story, policy="series_ghosts = 1")


# -- rooms --------------------------------------------------------------------------------------------


def test_overlapping_bookings_are_told_near_and_far(tmp_path: Path) -> None:
    """Three today and three in three weeks: one alert for the room, with each time once."""

    async def story(world: World) -> None:
        for day in (0, 21 * DAY_MS):
            world.exchange.book(ANA, ORION, at("14:00") + day, at("15:00") + day)
            world.exchange.book_in_room(ORION, at("14:30") + day, at("16:00") + day)
            world.exchange.book_in_room(ORION, at("14:30") + day, at("15:00") + day)
        await world.until("08:10")
        assert alerts(world) == {}
        await world.until("08:20")
        (sentence,) = sentences(world, "overlapping_bookings")
        assert sentence.startswith(
            "orion has two bookings at the same time: Mon 28 Sep 14:30 to 15:00, Mon 19 Oct 14:30 to 15:00."
        )

    in_world(tmp_path, story)


def test_a_room_that_does_not_accept_by_itself_is_told(tmp_path: Path) -> None:
    """A request waits a quarter of an hour: told; answered: over. One that was answered at once is none."""

    async def story(world: World) -> None:
        exchange = world.exchange
        box = exchange.mailboxes.mailbox(ORION)
        exchange.book(ANA, ORION, at("15:00"), at("16:00"))
        box.processing = Processing(auto_accept=False)
        exchange.book(ANA, ORION, at("13:00"), at("14:00"))
        await world.until("08:14")
        assert alerts(world) == {}
        await world.until("08:20")
        (sentence,) = sentences(world, "not_accepting")
        assert sentence.startswith("orion does not accept bookings by itself (1 request waits for an answer)")
        (item,) = exchange.calendar(ORION, at("13:00"), at("14:00"))
        exchange.mailboxes.respond(box, item.id, "accepted")
        await world.until("08:25")
        assert alerts(world) == {}

    in_world(tmp_path, story)


def test_microsofts_release_beside_ours_is_seen_by_what_it_does(tmp_path: Path) -> None:
    """Three bookings with people in them are declined ten minutes after their start, over two restarts."""

    async def story(world: World) -> None:
        exchange = world.exchange
        box = exchange.mailboxes.mailbox(ORION)
        world.enter()
        for hour in (9, 10, 11):
            assert alerts(world) == {}
            exchange.book(ANA, ORION, at(f"{hour}:00"), at(f"{hour}:45"))
            await world.until(f"{hour}:10:20")
            (item,) = exchange.calendar(ORION, at(f"{hour}:00"), at(f"{hour}:30"))
            exchange.mailboxes.respond(box, item.id, "declined")
            await world.until(f"{hour}:15")
            await world.stop()
            await world.start()
        await world.until("11:18")
        (sentence,) = sentences(world, "microsoft_release")
        assert "bookings vanish again and again 11 min after their start, not by the gateway" in sentence

    in_world(tmp_path, story)


def test_our_own_releases_are_not_taken_for_microsofts(tmp_path: Path) -> None:
    """Three ghosts in a row are given back by the gateway, always with the same delay."""

    async def story(world: World) -> None:
        for hour in (9, 10, 11):
            world.exchange.book(ANA, ORION, at(f"{hour}:00"), at(f"{hour}:50"))
        await world.until("12:00")
        assert [state for action, state, _ in world.outbox() if action == "release"] == ["applied"] * 3
        assert world.service is not None
        assert world.service.watcher.gone == []
        assert alerts(world) == {}

    in_world(tmp_path, story)


def test_what_it_has_told_of_the_attendants_is_taken_into_account(tmp_path: Path) -> None:
    """Imported settings: Microsoft's release is on, one room does not accept, in another people approve."""

    async def story(world: World) -> None:
        assert world.service is not None
        world.exchange.mailboxes.mailbox("vega@contoso.com").processing = Processing(auto_accept=False)
        world.exchange.book(ANA, "vega@contoso.com", at("15:00"), at("16:00"))
        facts = {
            "lyra": AttendantFacts(accepts=True, releases=True, release_minutes=15),
            "orion": AttendantFacts(accepts=False),
            "vega": AttendantFacts(accepts=True, approves=True),
        }
        world.service.know_attendants(facts)
        await world.until("08:30")
        assert "EnableAutoRelease is on, after 15 min" in sentences(world, "microsoft_release")[0]
        (sentence,) = sentences(world, "not_accepting")
        assert sentence.startswith("orion does not accept bookings by itself (its attendant is set so)")
        world.service.know_attendants({})
        await world.until("08:50")
        assert set(alerts(world)) == {"not_accepting"}
        assert sentences(world, "not_accepting")[0].startswith("vega ")

    in_world(tmp_path, story, rooms=THREE)


# -- permissions, mailboxes, calendars ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "denied", "kind", "words"),
    [
        (("orion",), Refuse(403, "ErrorAccessDenied"), "permission_lost", "look at the scope"),
        (THREE, Refuse(403, "ErrorAccessDenied"), "permission_lost", "look at the application's role"),
        (("orion",), Refuse(404, "MailboxNotEnabledForRESTAPI"), "mailbox_moved", "ask IT"),
        (("orion",), Refuse(503), "calendar_unreadable", "Exchange is not available"),
    ],
    ids=["scope", "role", "moved", "away"],
)
def test_what_worked_and_does_not_any_more_is_told_by_its_name(
    tmp_path: Path, refused: tuple[str, ...], denied: Refuse, kind: str, words: str
) -> None:
    """As what it is, once for all rooms that it concerns, and over when it is mended."""

    async def story(world: World) -> None:
        with capture_logs() as logs:
            await world.until("08:30")
            for room in refused:
                world.exchange.faults.add(denied, path=f"{room}@", times=None)
            await world.until("08:45")
            assert set(alerts(world)) == {kind}
            assert alerts(world)[kind]["count"] == len(refused)
            assert all(words in sentence for sentence in sentences(world, kind))
            world.exchange.faults.clear()
            await world.until("08:55")
        assert alerts(world) == {}
        assert told(logs) == [("alert", kind), ("alert over", kind)]

    in_world(tmp_path, story, rooms=THREE)


def test_a_room_that_never_could_be_read_has_lost_nothing(tmp_path: Path) -> None:
    """An unfinished installation is told by what is to be done, not as a drift."""

    async def story(world: World) -> None:
        await world.stop()
        (world.folder / "ledger.db").unlink()
        world.exchange.faults.add(Refuse(403, "ErrorAccessDenied"), path="orion@", times=None)
        await world.start()
        await world.until("08:15")
        assert set(alerts(world)) == {"calendar_unreadable"}
        assert "give it the Exchange role" in sentences(world, "calendar_unreadable")[0]

    in_world(tmp_path, story)


def test_a_short_outage_is_not_told_and_a_long_one_once_for_all_rooms(tmp_path: Path) -> None:
    """Twenty-four rooms: three minutes away, nothing; half an hour away, one message and its end."""
    rooms = tuple(f"room-{number:02}" for number in range(1, 25))

    async def story(world: World) -> None:
        with capture_logs() as logs:
            for start, end in (("08:30", "08:33"), ("09:00", "09:30")):
                await world.until(start)
                world.exchange.faults.add(Refuse(503), path="/v1.0/", times=None)
                await world.until(end)
                world.exchange.faults.clear()
            await world.until("09:40")
        lines = [line for line in logs if line["event"].startswith("alert")]
        assert [(line["event"], line["kind"], line["count"]) for line in lines] == [
            ("alert", "calendar_unreadable", 24),
            ("alert over", "calendar_unreadable", 24),
        ]
        assert lines[0]["what"].startswith(
            "The calendars of 24 rooms cannot be read, among them room-01, room-02, room-03 "
        )

    in_world(tmp_path, story, rooms=rooms)


def test_the_days_requests_that_are_used_up_are_told_and_the_months_wait(tmp_path: Path) -> None:
    """Nothing is asked for mere routine any more."""

    async def story(world: World) -> None:
        await world.until("09:30")
        (sentence,) = sentences(world, "requests_spent")
        assert sentence.startswith("Today's 50 requests to Exchange are used up")
        assert world.service is not None
        read_at = world.service.horizon.rooms["orion"].read_at
        await world.until("12:00")
        assert world.service.horizon.rooms["orion"].read_at == read_at

    in_world(tmp_path, story, exchange="requests_per_room = 50")


def test_months_that_cannot_be_read_are_told_after_hours_and_keep_what_was_found(tmp_path: Path) -> None:
    """Only the long view fails; today and tomorrow go on, and a lost date stays known."""

    async def story(world: World) -> None:
        start = at("12:00")
        book_series_around(world, start, [on_berlins_clock(start, 21)], recurrence=weekly())
        await world.until("08:30")
        assert set(alerts(world)) == {"series_lost_dates"}
        world.exchange.faults.add(Refuse(400, "ErrorInternal"), path="startDateTime=2026-09-30", times=None)
        await world.until("12:00")
        assert set(alerts(world)) == {"series_lost_dates", "horizon_unreadable"}

    in_world(tmp_path, story)


def test_no_alert_names_a_person_or_a_subject(tmp_path: Path) -> None:
    """A canary organizer and subject behind three kinds of findings: in no message and no log line."""

    async def story(world: World) -> None:
        canary, subject = "canary@contoso.com", "Canary Project"
        box = world.exchange.mailboxes.mailbox(ORION)
        box.processing = Processing(
            booking_window_in_days=0, maximum_conflict_instances=10, add_organizer_to_subject=True
        )
        start = at("12:00")
        world.exchange.book(canary, ORION, start + 7 * DAY_MS, start + 7 * DAY_MS + HOUR_MS, subject=subject)
        world.exchange.book(canary, ORION, start, start + HOUR_MS, recurrence=weekly(), subject=subject)
        world.exchange.book_in_room(ORION, start, start + HOUR_MS, attendees=[canary], subject=subject)
        box.processing = Processing(auto_accept=False)
        world.exchange.book(canary, ORION, at("15:00"), at("16:00"), subject=subject)
        with capture_logs() as logs:
            await world.until("08:40")
        assert set(alerts(world)) == {"series_lost_dates", "overlapping_bookings", "not_accepting"}
        assert world.service is not None
        assert "anary" not in str(logs) + str(await world.service.status())
        assert b"anary" not in b" ".join(world.link.published.values())

    in_world(tmp_path, story)


# -- the gateway itself -------------------------------------------------------------------------------


def test_a_broker_that_is_gone_is_told_after_minutes(tmp_path: Path) -> None:
    """In status, since the broker itself cannot be told; and over when it is back."""

    async def story(world: World) -> None:
        assert world.service is not None
        await world.until("08:30")
        world.link.connects = False
        world.link.lose_connection()
        await world.until("08:32")
        assert (await world.service.status())["alerts"] == []
        await world.until("08:35")
        (group,) = (await world.service.status())["alerts"]
        assert (group["kind"], group["severity"]) == ("link_down", "problem")
        world.link.come_back()
        await world.until("08:50")
        assert alerts(world) == {}

    in_world(tmp_path, story)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_full_disk_is_told_also_where_the_gateway_starts_on_it(tmp_path: Path, restarts: bool) -> None:
    """Once, after a minute, and nothing else with it; its end is told when the disk takes facts again."""

    async def story(world: World) -> None:
        full = False

        def disk(point: str) -> None:
            if full and point == "inside_commit":
                raise sqlite3.OperationalError("database or disk is full")

        world.checkpoint = disk
        await world.until("08:30")
        with capture_logs() as logs:
            if restarts:
                await world.stop()
            full = True
            if restarts:
                await world.start()
            await world.until("08:36")
            full = False
            await world.until("08:45")
        assert told(logs) == [("alert", "not_recording"), ("alert over", "not_recording")]
        assert alerts(world) == {}

    in_world(tmp_path, story)
