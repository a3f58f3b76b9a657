"""A rehearsal answers what Exchange does, whatever that is, and leaves both calendars as it found them."""

import asyncio
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS
from gateway.exchange.client import GraphClient, Patience
from gateway.exchange.rehearsal import questions as table
from gateway.exchange.rehearsal.plan import GRID_MS, OCCURRENCES, make_plan
from gateway.exchange.rehearsal.record import Answer, Record, Verdict
from gateway.exchange.rehearsal.run import Rehearsal, RehearsalError, Tools
from simulators.clock import VirtualClock, run_virtual
from simulators.exchange import (
    PRESETS,
    TENANT_ID,
    ExchangeSimulator,
    Fault,
    Processing,
    Variants,
    daily,
    variants,
)
from simulators.in_process import InProcessTokens, InProcessTransport

ROOM, TESTER = "test-room@contoso.com", "rehearsal@contoso.com"
MONDAY_8 = 20_724 * DAY_MS + 8 * HOUR_MS  # 2026-09-28
QUICK = Patience(attempts=2, first_s=0.5, cap_s=1.0, total_s=5.0)

Send = Callable[[httpx.Request], Any]
Twist = Callable[[httpx.Request, "Tenant"], httpx.Request | httpx.Response | None]
"""What becomes of a request on its way: another one, an answer at once, or (None) itself."""

pytestmark = pytest.mark.thorough  # outside of coverage: its virtual days take long with it


class Tenant(httpx.AsyncBaseTransport):
    """A simulated tenant with the two test mailboxes, and the way of each request there."""

    def __init__(self, clock: VirtualClock, variant: Variants | None = None) -> None:
        self.exchange = ExchangeSimulator(rooms=[ROOM], now=clock.now, variants=variant)
        self.exchange.mailboxes.add_person(TESTER)
        self.exchange.faults.silence_s = 1.0
        self.clock = clock
        self.twist: Twist = lambda _request, _tenant: None
        self.on_request: Callable[[int], None] = lambda _: None
        self.asked = 0
        """Requests to Graph."""
        self._inner = InProcessTransport(self.exchange.app)
        self._tokens = InProcessTokens(self._inner)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        self.asked += 1
        self.on_request(self.asked)
        await asyncio.sleep(0)
        twisted = self.twist(request, self)
        if isinstance(twisted, httpx.Response):
            return twisted
        return await self._inner.handle_async_request(twisted or request)

    def connect(self, in_flight: int = 4, patience: Patience = QUICK) -> GraphClient:
        return GraphClient(
            "https://exchange.invalid/v1.0",
            self._tokens,
            transport=self,
            in_flight=in_flight,
            read_patience=patience,
            write_patience=QUICK,
            jitter=lambda: 0.5,
        )

    def rehearsal(self, names: Sequence[str] = (), **more: Any) -> Rehearsal:
        asked = [one for one in table.QUESTIONS if not names or one.name in names]
        tools = Tools(connect=self.connect, now=self.clock.now, run="4711")
        zone = ZoneInfo("Europe/Berlin")
        return Rehearsal(
            self.connect(), ROOM, TESTER, tools, zone=zone, tenant_id=TENANT_ID, questions=asked, **more
        )

    def calendars(self) -> list[object]:
        """Everything in both calendars, also what was there before."""
        boxes = [self.exchange.mailboxes.mailbox(one) for one in (ROOM, TESTER)]
        return [msgspec.to_builtins(item.id) for box in boxes for item in box.calendar.items()]


def in_tenant(story: Callable[[Tenant], Any], variant: Variants | None = None) -> Any:
    """Run a story in virtual time; what it returns."""
    told: list[Any] = []

    async def main(clock: VirtualClock) -> None:
        told.append(await story(Tenant(clock, variant)))

    run_virtual(main, MONDAY_8)
    return told[0]


def answer(record: Record, question: str) -> Answer:
    """The answer to one question."""
    (found,) = [one for one in record.answers if one.question == question]
    return found


def rehearsed(*names: str, variant: Variants | None = None, twist: Twist | None = None) -> Record:
    """A rehearsal of these questions (none: all) that must leave nothing behind."""

    async def story(tenant: Tenant) -> Record:
        before = tenant.exchange.book(TESTER, ROOM, MONDAY_8 + DAY_MS, MONDAY_8 + DAY_MS + HOUR_MS)
        calendars = tenant.calendars()
        if twist is not None:
            tenant.twist = twist
        record = await tenant.rehearsal(names).run()
        assert tenant.calendars() == calendars
        assert tenant.exchange.status(before, ROOM).response == "accepted"
        assert record.leftovers == ()
        assert record.complete
        return record

    record: Record = in_tenant(story, variant)
    return record


# -- what the simulator can be like -------------------------------------------------------------------

EXPECTED: dict[str, tuple[str, Verdict, dict[str, object]]] = {
    "default": (
        "decline_occurrence",
        "ok",
        {"gone": True, "others_held": 2, "organizer_keeps": 3, "organizer_sees": "declined"},
    ),
    "attendant_delay_ms=5000": ("accepts", "ok", {"slowest_s": 6}),
    "attendant_delay_ms=60000": ("accepts", "ok", {"slowest_s": 60}),
    "reaccepts=time_change": (
        "decline_and_edit",
        "ok",
        {"after_text": "stayed away", "after_time": "came back"},
    ),
    "reaccepts=never": ("decline_and_edit", "warn", {"after_time": "stayed away", "same_id": None}),
    "reaccepted_id=same": ("decline_and_edit", "ok", {"after_text": "came back", "same_id": True}),
    "series_update_restores=False": ("series_update", "ok", {"restored": False, "same_key": None}),
    "update_keeps_categories=False": ("category", "warn", {"shown": True, "outlives_update": False}),
    "room_patch=sticky": ("shorten", "ok", {"shown": True, "after_text": True}),
    "room_patch=refused": ("shorten", "warn", {"refused": "400 errorcalendarisnotorganizer"}),
    "room_delete=declines": ("delete_copy", "ok", {"organizer_sees": "declined"}),
    "if_match=patch_and_delete": ("if_match", "ok", {"patch": True, "delete": True, "decline": False}),
    "if_match=ignored": ("if_match", "ok", {"patch": False, "delete": False, "decline": False}),
    "rbac_covers_subscriptions=False": ("grants", "ok", {"subscriptions": False, "schedules": True}),
    "rbac_covers_schedules=False": ("grants", "ok", {"subscriptions": True, "schedules": False}),
    "occurrence_uid=shared": ("occurrence_identity", "ok", {"uids": 1, "keys": 3}),
    "delta_tells_declined=False": ("delta", "ok", {"tells_removed": False, "tells_series": True}),
    "delta_select=ignored": ("delta", "ok", {"select": ""}),
    "delta_empty_pages=True": ("delta", "ok", {"empty_pages": True}),
    "delta_repeats=True": ("delta", "ok", {"repeats": True}),
    "telemetry_checks_in=True": ("telemetry", "ok", {}),
    "concurrency_scope=mailbox": ("at_once", "ok", {"at_once": 8, "one_mailbox": 4, "two_mailboxes": 0}),
}
"""By variant: the question that it shows in, the verdict, and some of the facts."""

USUAL: dict[str, dict[str, object]] = {
    "accepts": {"slowest_s": 0, "same_uid": True, "organizer_sees": "accepted"},
    "decline_occurrence": {"gone": True, "organizer_sees_others": 2},
    "decline_and_edit": {"after_text": "came back", "after_time": "came back", "same_id": False},
    "series_update": {"restored": True, "same_key": True, "others_held": 2},
    "occurrence_identity": {"uids": 3, "keys": 3, "own_uids": True},
    "category": {"shown": True, "organizer_untouched": True, "outlives_update": True},
    "shorten": {"shown": True, "organizer_keeps_end": True, "after_text": False},
    "create_twice": {"second": "taken", "entries": 1, "told_back": True, "freed": True},
    "delete_copy": {"gone": True, "organizer_sees": "accepted"},
    "organizer_deletes": {"room_shows": "cancelled"},
    "if_match": {"patch": True, "delete": True, "decline": True},
    "delta": {"tells_removed": True, "empty_pages": False, "repeats": False},
    "grants": {"subscriptions": True, "schedules": True},
    "at_once": {"one_mailbox": 4, "two_mailboxes": 4},
    "telemetry": {},
}
"""What the other questions show: a variant shows in its own question alone."""


TAKES_ALL = "decline_takes=series"


def test_an_exchange_whose_declines_take_whole_series_stops_everything() -> None:
    """The one way of behaving under which no room may ever go live."""

    async def story(tenant: Tenant) -> Record:
        return await tenant.rehearsal().run()

    record: Record = in_tenant(story, dict(variants())[TAKES_ALL])
    assert record.verdict == "stop"
    assert "decline_occurrence" in record.stops


@pytest.mark.parametrize(("name", "variant"), [one for one in variants() if one[0] != TAKES_ALL])
def test_each_way_of_exchange_is_told_as_it_is(name: str, variant: Variants) -> None:
    """Under every variant: its question is answered by it, all others as usual, and nothing is left."""

    async def story(tenant: Tenant) -> Record:
        application = tenant.exchange.identity.application
        application.roles = frozenset()  # Exchange's own grants alone
        application.exchange_roles = {"Calendars.ReadWrite": frozenset({ROOM, TESTER})}
        tenant.exchange.app.max_in_flight = 4
        tenant.exchange.faults.latency_s = 0.001
        before = tenant.calendars()
        record = await tenant.rehearsal().run()
        assert tenant.calendars() == before
        return record

    record: Record = in_tenant(story, variant)
    question, verdict, facts = EXPECTED[name]
    told = answer(record, question)
    assert (told.verdict, dict(told.facts)) == (verdict, dict(told.facts) | facts)
    for other, usual in USUAL.items():
        if other != question:
            found = answer(record, other)
            assert (found.verdict, dict(found.facts)) == ("ok", dict(found.facts) | usual), other
    assert [one.question for one in record.answers] == [one.name for one in table.QUESTIONS]
    assert (record.complete, record.leftovers, record.stops) == (True, (), ())
    assert (record.tenant_id, record.room, record.organizer) == (TENANT_ID, ROOM, TESTER)


# -- what would be dangerous --------------------------------------------------------------------------


def _aimed(request: httpx.Request, path: str, **body: Any) -> httpx.Request:
    """The same request to another address, with another body where one is given."""
    content = json.dumps(body).encode() if body else request.content
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    return httpx.Request(request.method, request.url.copy_with(path=path), headers=headers, content=content)


def whole_series(request: httpx.Request, tenant: Tenant) -> httpx.Request | None:
    """Declining an occurrence declines its series."""
    if not request.url.path.endswith("/decline"):
        return None
    event_id = request.url.path.split("/")[-2]
    item = tenant.exchange.mailboxes.mailbox(ROOM).calendar.find(event_id)
    return _aimed(request, request.url.path.replace(event_id, item.series_id or event_id))


def organizers_too(request: httpx.Request, tenant: Tenant) -> None:
    """A decline by the room takes the meeting from its organizer."""
    if request.url.path.endswith("/decline"):
        box = tenant.exchange.mailboxes.mailbox(ROOM)
        item = box.calendar.find(request.url.path.split("/")[-2])
        organizer = tenant.exchange.mailboxes.mailbox(TESTER)
        for held in organizer.holding(item.uid):
            organizer.drop(held)


def without_effect(request: httpx.Request, _tenant: Tenant) -> httpx.Response | None:
    """A decline is taken and nothing happens."""
    return httpx.Response(202) if request.url.path.endswith("/decline") else None


def refused(request: httpx.Request, _tenant: Tenant) -> httpx.Response | None:
    """A decline is refused."""
    code = {"error": {"code": "ErrorNotSupported"}}
    return httpx.Response(400, json=code) if request.url.path.endswith("/decline") else None


def forgotten_transactions(request: httpx.Request, _tenant: Tenant) -> httpx.Request | None:
    """Transaction ids mean nothing: each creation creates, and none is told back."""
    if request.method != "POST" or not request.url.path.endswith("/events"):
        return None
    body = json.loads(request.content)
    body.pop("transactionId")
    return _aimed(request, request.url.path, **body)


def marks_unbook(request: httpx.Request, tenant: Tenant) -> None:
    """A category on the room's copy makes it tentative again."""
    if request.method == "PATCH" and b"categories" in request.content and f"/{ROOM}/" in str(request.url):
        box = tenant.exchange.mailboxes.mailbox(ROOM)
        item = box.calendar.find(request.url.path.split("/")[-1])
        if item.day is None:
            box.put(msgspec.structs.replace(item, response="tentativelyAccepted"))


def ends_take_all(request: httpx.Request, tenant: Tenant) -> None:
    """An earlier end on the room's copy makes it tentative again."""
    if request.method == "PATCH" and b'"end"' in request.content and f"/{ROOM}/" in str(request.url):
        box = tenant.exchange.mailboxes.mailbox(ROOM)
        item = box.calendar.find(request.url.path.split("/")[-1])
        box.put(msgspec.structs.replace(item, response="tentativelyAccepted"))


@pytest.mark.parametrize(
    ("twist", "question", "words"),
    [
        (whole_series, "decline_occurrence", "took others of the series as well, in the room"),
        (organizers_too, "decline_occurrence", "took others of the series as well, at the organizer"),
        (without_effect, "decline_occurrence", "it stayed in the room"),
        (refused, "decline_occurrence", "refused (400 errornotsupported)"),
        (organizers_too, "decline_and_edit", "the organizer's meeting was gone"),
        (without_effect, "decline_and_edit", "the meeting stayed in the room"),
        (refused, "decline_and_edit", "refused (400 errornotsupported)"),
        (forgotten_transactions, "create_twice", "2 in the calendar"),
        (marks_unbook, "category", "the room's acceptance"),
        (ends_take_all, "shorten", "did not hold the meeting any more"),
    ],
)
def test_what_would_make_writing_unsafe_says_stop(twist: Twist, question: str, words: str) -> None:
    """And even then nothing of it is left in the calendars."""
    record = rehearsed(question, twist=twist)
    (told,) = record.answers
    assert (told.verdict, record.verdict, record.stops) == ("stop", "stop", (question,))
    assert words in told.seen


def test_a_room_that_does_not_accept_answers_nothing_and_stops() -> None:
    """What hangs on an acceptance is unanswered, and what is vital among it forbids to write."""

    async def story(tenant: Tenant) -> Record:
        room = tenant.exchange.mailboxes.mailbox(ROOM)
        room.processing = Processing(allow_recurring_meetings=False)
        before = tenant.calendars()
        record = await tenant.rehearsal(["accepts", "decline_occurrence", "delta"]).run()
        assert tenant.calendars() == before
        return record

    record: Record = in_tenant(story)
    assert [one.verdict for one in record.answers] == ["ok", "stop", "warn"]
    assert "the room declined it" in answer(record, "decline_occurrence").seen


def test_a_room_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    """Requests stay tentative: everything is unanswered, after four minutes."""

    async def story(tenant: Tenant) -> Record:
        tenant.exchange.mailboxes.mailbox(ROOM).processing = Processing(auto_accept=False)
        before, began = tenant.calendars(), tenant.clock.now()
        record = await tenant.rehearsal(["accepts"]).run()
        assert tenant.calendars() == before
        assert tenant.clock.now() - began < 10 * MINUTE_MS
        return record

    (told,) = in_tenant(story).answers
    assert (told.verdict, "did not accept within 240 s" in told.seen) == ("stop", True)


# -- before it begins ---------------------------------------------------------------------------------


def test_a_room_with_bookings_in_that_time_is_left_alone() -> None:
    """Nothing is written, and the booking that is in the way is named by its time."""

    async def story(tenant: Tenant) -> None:
        rehearsal = tenant.rehearsal()
        start, end = rehearsal.plan.slots[3].spans[0]
        tenant.exchange.book(TESTER, ROOM, start, end, recurrence=daily(count=1))
        before = tenant.calendars()
        with pytest.raises(RehearsalError, match=r"bookings in the rehearsal's time.*--days-ahead"):
            await rehearsal.run()
        assert tenant.calendars() == before
        assert tenant.exchange.requests.routes["POST events"] == 0

    in_tenant(story)


@pytest.mark.parametrize("mailbox", [ROOM, TESTER])
def test_a_mailbox_out_of_reach_is_told_before_anything_is_made(mailbox: str) -> None:
    """By its address, and with what to look at."""

    async def story(tenant: Tenant) -> None:
        tenant.exchange.mailboxes.mailbox(mailbox).state = "denied"
        with pytest.raises(RehearsalError, match=f"{mailbox} cannot be read"):
            await tenant.rehearsal().run()
        assert tenant.exchange.requests.routes["POST events"] == 0

    in_tenant(story)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"])
def test_the_meetings_are_on_workdays_and_each_has_a_time_of_its_own(zone: str) -> None:
    """Monday to Wednesday, 9 to 18 h on the site's clock, at least so many days ahead."""
    plan = make_plan(
        ((one.name, one.needs) for one in table.QUESTIONS),
        now=MONDAY_8,
        zone=ZoneInfo(zone),
        days_ahead=30,
        run="x",
    )
    spans = sorted(span for slot in plan.slots for span in slot.spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert spans[0][0] >= MONDAY_8 + 29 * DAY_MS
    assert spans[-1][1] - spans[0][0] <= (OCCURRENCES - 1) * DAY_MS + 9 * HOUR_MS
    assert all(end - start == GRID_MS > 40 * MINUTE_MS for start, end in spans)
    assert len({slot.transaction for slot in plan.slots}) == len(plan.slots)


# -- whatever fails -----------------------------------------------------------------------------------

SHORT = ("decline_occurrence", "shorten", "create_twice")
"""An invitation, a series and an entry of the room's own: all that has to be cleaned up."""
FAULTS = ("503", "timeout-after", "denied", "cut-page")


def _failing(fault: Fault, number: int, times: int | None) -> tuple[int, bool, bool]:
    """A rehearsal whose n-th request meets a fault: requests, whether it is clean, whether it says so."""

    async def story(tenant: Tenant) -> tuple[int, bool, bool]:
        before = tenant.calendars()
        tenant.exchange.faults.add(fault, path="/users/", skip=number, times=times)
        rehearsal = tenant.rehearsal(SHORT)
        try:
            await rehearsal.run()
        except RehearsalError:
            assert not rehearsal.leftovers
        return tenant.asked, tenant.calendars() == before, rehearsal.leftovers == ()

    told: tuple[int, bool, bool] = in_tenant(story)
    return told


@pytest.mark.parametrize("fault", FAULTS)
def test_whichever_request_fails_both_calendars_are_left_as_they_were(fault: str) -> None:
    """For every n: the n-th request fails, without an effect or with one, and nothing is left."""
    number, requests = 0, 1
    while number < requests:
        asked, clean, says_clean = _failing(PRESETS[fault], number, 1)
        requests = max(requests, asked, 3)  # the first two, of the look ahead, may end it
        assert (clean, says_clean) == (True, True), f"request {number}"
        number += 1
    assert number > len(SHORT) * 5


def test_what_others_have_in_those_days_stays() -> None:
    """Whose entry it is, decides: not the day, not the organizer, not the room, not that it is cancelled."""

    async def story(tenant: Tenant) -> None:
        rehearsal, exchange = tenant.rehearsal(SHORT), tenant.exchange
        (start, _), *_, (last, _) = sorted(span for slot in rehearsal.plan.slots for span in slot.spans)
        evening = start + 10 * HOUR_MS
        assert evening < last
        exchange.book(TESTER, [], start, start + HOUR_MS, subject="My own")
        exchange.book(TESTER, ROOM, evening, evening + HOUR_MS)
        exchange.book("ada@contoso.com", ROOM, evening + HOUR_MS, evening + 2 * HOUR_MS)
        exchange.book_in_room(ROOM, evening + 2 * HOUR_MS, evening + 3 * HOUR_MS)
        exchange.cancel(exchange.book("ada@contoso.com", ROOM, start, start + HOUR_MS))
        exchange.cancel(exchange.book(TESTER, ROOM, start, start + HOUR_MS))
        exchange.cancel(exchange.book(TESTER, ROOM, evening + 3 * HOUR_MS, evening + 4 * HOUR_MS))
        before = tenant.calendars()
        assert len(before) == 8
        record = await rehearsal.run()
        assert tenant.calendars() == before
        assert (record.verdict, record.leftovers) == ("ok", ())

    in_tenant(story)


def unheard(request: httpx.Request, tenant: Tenant) -> httpx.Response | None:
    """What the organizer deletes is gone there, and the room never hears of it."""
    if request.method != "DELETE" or f"/{TESTER}/" not in str(request.url):
        return None
    box = tenant.exchange.mailboxes.mailbox(TESTER)
    box.drop(box.calendar.find(request.url.path.split("/")[-1]))
    return httpx.Response(204)


@pytest.mark.parametrize("question", ["shorten", "decline_occurrence"])
@pytest.mark.parametrize("lost", [False, True])
def test_a_cancellation_that_never_comes_leaves_nothing_in_the_room(question: str, *, lost: bool) -> None:
    """Also where the answer to the creation was lost: the entry is known by what the organizer showed."""

    async def story(tenant: Tenant) -> tuple[object, ...]:
        before = tenant.calendars()
        tenant.twist = unheard
        if lost:
            tenant.exchange.faults.add(PRESETS["timeout-after"], method="POST", path="/events", times=1)
        record = await tenant.rehearsal([question]).run()
        assert tenant.calendars() == before
        return record.leftovers

    assert in_tenant(story) == ()


def test_when_exchange_stays_away_what_may_be_left_is_told() -> None:
    """From the n-th request on nothing works: no clean-up is possible, and none is claimed."""
    number, requests = 0, 1
    while number < requests:
        asked, clean, says_clean = _failing(PRESETS["denied"], number, None)
        requests = max(requests, asked, 3)
        assert clean or not says_clean, f"request {number}"
        number += 1


def cancel(running: "asyncio.Task[Record]", *, now: bool) -> None:
    """What Ctrl+C does."""
    if now:
        running.cancel()


def test_whenever_it_is_interrupted_both_calendars_are_left_as_they_were() -> None:
    """Ctrl+C at the n-th request, for every n, also those of the clean-up."""

    def interrupted(number: int) -> bool:
        async def story(tenant: Tenant) -> bool:
            before = tenant.calendars()
            rehearsal = tenant.rehearsal(SHORT)
            running = asyncio.create_task(rehearsal.run())
            tenant.on_request = lambda asked: cancel(running, now=asked == number)
            (result,) = await asyncio.gather(running, return_exceptions=True)
            assert tenant.calendars() == before, f"request {number}"
            assert not rehearsal.leftovers
            assert isinstance(result, Record | asyncio.CancelledError)
            return isinstance(result, asyncio.CancelledError)

        told: bool = in_tenant(story)
        return told

    number = 1
    while interrupted(number):
        number += 1
    assert number > len(SHORT) * 5


def test_interrupted_again_and_again_it_says_what_may_be_left() -> None:
    """Who does not wait for the clean-up is told what it was about."""

    async def story(tenant: Tenant) -> Rehearsal:
        rehearsal = tenant.rehearsal(SHORT)
        running = asyncio.create_task(rehearsal.run())
        tenant.on_request = lambda asked: cancel(running, now=asked in {9, 11, 13})
        await asyncio.gather(running, return_exceptions=True)
        assert tenant.calendars()
        return rehearsal

    rehearsal: Rehearsal = in_tenant(story)
    assert len(rehearsal.leftovers) == len(SHORT)
    assert "the clean-up was not finished" in rehearsal.leftovers[0].what
    assert not rehearsal.record(complete=False).complete


def test_entries_that_are_kept_are_listed_with_how_to_remove_them() -> None:
    """With `keep` nothing is cleaned up; each entry is named by mailbox and time."""

    async def story(tenant: Tenant) -> Record:
        record = await tenant.rehearsal(["decline_occurrence"]).run(keep=True)
        assert tenant.calendars()
        return record

    record: Record = in_tenant(story)
    assert {one.mailbox for one in record.leftovers} == {ROOM, TESTER}
    assert all("the whole series" in one.remove for one in record.leftovers)
