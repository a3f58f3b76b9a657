"""One write at a time: verified, sent once, confirmed by a complete read, never to a series."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest

from gateway.core.booking import Booking
from gateway.core.decisions import Write
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS
from gateway.exchange import errors
from gateway.exchange.calendar import CalendarReader
from gateway.exchange.client import GraphClient
from gateway.exchange.comment import DEFAULT_TEMPLATE, check_template, release_comment
from gateway.exchange.models import Exemptions
from gateway.exchange.moments import as_datetime, instant
from gateway.exchange.own import HOLD_BODY, LINK_PROPERTY, Wording, transaction_id
from gateway.exchange.writer import (
    AlreadyDone,
    Gone,
    NotSent,
    Refused,
    Sent,
    Superseded,
    Unclear,
    Verified,
    Writer,
    superseded_by,
    vanished,
)

BASE = "https://graph.example/v1.0"
ROOM = "orion@contoso.com"
BERLIN = ZoneInfo("Europe/Berlin")
NINE = instant(datetime(2026, 3, 2, 9, tzinfo=UTC))
TEN = NINE + HOUR_MS
NOT_FOUND = httpx.Response(404, json={"error": {"code": "ErrorItemNotFound"}})


class ManualClock:
    """Decision time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = NINE

    def now(self) -> int:
        return self.time

    def monotonic_ms(self) -> int:
        return self.time - NINE

    def seconds_until(self, at: int) -> float:
        return max(0.0, (at - self.time) / 1000)

    def is_synchronised(self) -> bool:
        return True


class Calendar:
    """A room's calendar behind Graph's API: what the writer may see and do, and no more.

    `items` are listed; `trash` still opens by id, as immutable ids do after a move to Deleted Items.
    `faults` are answers (or errors) that replace the next answer to a method, after its effect if
    `effect_first`.
    """

    def __init__(self, **settings: Any) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.trash: dict[str, dict[str, Any]] = {}
        self.writes: list[tuple[str, str, Any]] = []
        self.reads: list[str] = []
        self.faults: dict[str, list[httpx.Response | Exception]] = {}
        self.effect_first = True
        self.clock = ManualClock()
        self.before_answer: Callable[[], None] = lambda: None
        self.client = GraphClient(
            BASE, self, transport=httpx.MockTransport(self._answer), sleep=self._sleep, jitter=lambda: 0.0
        )
        self.reader = CalendarReader(self.client, exemptions=settings.pop("exemptions", Exemptions()))
        self.writer = Writer(self.client, self.reader, self.clock, **settings)

    async def token(self, *, claims: str | None = None) -> str:
        return claims or "token"

    async def _sleep(self, seconds: float) -> None:
        self.clock.time += round(seconds * 1000)

    def put(self, event_id: str = "A=", start: int = NINE, end: int = TEN, **changes: Any) -> None:
        self.items[event_id] = {
            "id": event_id,
            "iCalUId": f"uid-{event_id}",
            "type": "singleInstance",
            "start": graph_time(start),
            "end": graph_time(end),
            "isOrganizer": False,
            "isCancelled": False,
            "responseStatus": {"response": "accepted"},
            "showAs": "busy",
            "categories": ["Blue"],
            **changes,
        }

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.before_answer()
        path = [unquote(part) for part in request.url.raw_path.split(b"?")[0].decode().split("/")[2:]]
        assert path[:2] == ["users", ROOM]
        queue = self.faults.get(request.method, [])
        fault = queue.pop(0) if queue else None
        if request.method == "GET":
            answer = fault or self._read(path[2:], request)
        else:
            self.writes.append((request.method, "/".join(path[2:]), json.loads(request.content or b"null")))
            effect = (
                self._write(request.method, path[3:], request) if self.effect_first or not fault else None
            )
            answer = fault or effect or httpx.Response(500)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _read(self, path: list[str], request: httpx.Request) -> httpx.Response:
        self.reads.append(path[0])
        if path[0] == "calendarView":
            start, end = (
                instant(datetime.fromisoformat(request.url.params[name]))
                for name in ("startDateTime", "endDateTime")
            )
            listed = [item for item in self.items.values() if when(item, "start") < end]
            return httpx.Response(200, json={"value": [i for i in listed if when(i, "end") > start]})
        item = self.items.get(path[1]) or self.trash.get(path[1])
        return httpx.Response(200, json=item) if item else NOT_FOUND

    def _write(self, method: str, path: list[str], request: httpx.Request) -> httpx.Response:
        if not path:
            return self._create(json.loads(request.content))
        if path[0] not in self.items:
            return NOT_FOUND
        if method == "PATCH":
            self.items[path[0]] |= json.loads(request.content)
            return httpx.Response(200, json=self.items[path[0]])
        self.items.pop(path[0])
        return httpx.Response(204 if method == "DELETE" else 202)

    def _create(self, event: dict[str, Any]) -> httpx.Response:
        """As Graph takes a repeated transaction id: nothing new."""
        for item in self.items.values():
            if item.get("transactionId") == event["transactionId"]:
                return httpx.Response(201, json=item)
        name = f"N{len(self.items)}="
        self.put(name, isOrganizer=True, responseStatus={"response": "organizer"}, attendees=[])
        self.items[name] |= event
        return httpx.Response(201, json=self.items[name])


def graph_time(moment: int) -> dict[str, str]:
    """As Graph tells it."""
    local = as_datetime(moment).replace(tzinfo=None).isoformat(timespec="microseconds")
    return {"dateTime": f"{local}0", "timeZone": "UTC"}


def when(item: dict[str, Any], which: str) -> int:
    """An item's start or end."""
    return instant(datetime.fromisoformat(item[which]["dateTime"]).replace(tzinfo=UTC))


def write(**changes: Any) -> Write:
    """The release of a declined meeting, unless changed."""
    base = Write(
        id=7, action="release", method="decline", event_id="A=", start=NINE, end=TEN, deadline=NINE + HOUR_MS
    )
    return msgspec.structs.replace(base, **changes)


CHECK_IN = write(action="check_in", method="category")
SHORTEN = write(action="shorten", method="patch_end", new_end=NINE + 30 * MINUTE_MS)
END_EARLY = write(action="end_early", method="patch_end", new_end=NINE + 30 * MINUTE_MS)
EXTEND = write(action="extend", method="patch_end", room_organises=True, new_end=TEN + 30 * MINUTE_MS)
WALK_UP = write(action="walk_up", method="create", event_id="", room_organises=True)
HOLD = write(action="hold", method="create", event_id="", room_organises=True, linked="Z=")
CREATIONS = [WALK_UP, HOLD]
WRITES = [
    write(),
    write(method="cancel", room_organises=True),
    write(method="delete", room_organises=True),
    CHECK_IN,
    SHORTEN,
    END_EARLY,
    EXTEND,
]


@pytest.fixture
def room() -> Calendar:
    """An empty calendar."""
    return Calendar()


async def carry_out(room: Calendar, intended: Write, comment: str = "Nobody came.") -> Any:
    """Verify and send."""
    verified = await room.writer.verify(ROOM, BERLIN, intended)
    assert isinstance(verified, Verified)
    return await room.writer.send(ROOM, intended, comment, verified)


@pytest.mark.parametrize("intended", WRITES, ids=lambda intended: intended.action + "-" + intended.method)
async def test_each_write_is_verified_sent_and_confirmed(room: Calendar, intended: Write) -> None:
    """The whole way of each method; before the sending nothing is confirmed."""
    room.put(isOrganizer=intended.room_organises)
    assert not await room.writer.confirm(ROOM, BERLIN, intended)
    assert await carry_out(room, intended) == Sent()
    assert await room.writer.confirm(ROOM, BERLIN, intended)
    assert len(room.writes) == 1


@pytest.mark.parametrize(
    ("intended", "expected"),
    [
        (write(), ("POST", "events/A=/decline", {"comment": "Nobody came.", "sendResponse": True})),
        (write(method="cancel"), ("POST", "events/A=/cancel", {"comment": "Nobody came."})),
        (write(method="delete"), ("DELETE", "events/A=", None)),
        (CHECK_IN, ("PATCH", "events/A=", {"categories": ["Blue", "Checked in"]})),
        (
            SHORTEN,
            (
                "PATCH",
                "events/A=",
                {"end": {"dateTime": "2026-03-02T09:30:00.000", "timeZone": "UTC"}},
            ),
        ),
        (
            msgspec.structs.replace(EXTEND, new_end=TEN + 30 * MINUTE_MS + 999),
            (
                "PATCH",
                "events/A=",
                {"end": {"dateTime": "2026-03-02T10:30:00.000", "timeZone": "UTC"}},
            ),
        ),
    ],
    ids=lambda part: part.method if isinstance(part, Write) else "",
)
async def test_each_method_sends_what_graph_documents(
    room: Calendar, intended: Write, expected: tuple[str, str, Any]
) -> None:
    """Existing categories stay; no proposed time; the comment only where there is one to send."""
    room.put(isOrganizer=intended.room_organises)
    await carry_out(room, intended)
    assert room.writes == [expected]


@pytest.mark.parametrize(
    ("intended", "expected"),
    [
        (
            WALK_UP,
            {"subject": "In use", "categories": ["Walk-up"]},
        ),
        (
            HOLD,
            {
                "subject": "Given back to those who are here",
                "categories": ["Given back"],
                "body": {"contentType": "text", "content": HOLD_BODY},
                "singleValueExtendedProperties": [{"id": LINK_PROPERTY, "value": "Z="}],
            },
        ),
    ],
    ids=["walk_up", "hold"],
)
async def test_a_booking_of_our_own_is_created_as_graph_documents(
    room: Calendar, intended: Write, expected: dict[str, Any]
) -> None:
    """The room organises it and invites nobody, so nobody is mailed; a hold names what was released."""
    assert await carry_out(room, intended) == Sent()
    ((method, path, body),) = room.writes
    assert (method, path) == ("POST", "events")
    UUID(body.pop("transactionId"))
    assert body == {
        "start": {"dateTime": "2026-03-02T09:00:00.000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-02T10:00:00.000", "timeZone": "UTC"},
        "showAs": "busy",
        "isReminderOn": False,
        **expected,
    }
    assert await room.writer.confirm(ROOM, BERLIN, intended)


@pytest.mark.parametrize("intended", CREATIONS, ids=["walk_up", "hold"])
async def test_what_we_created_is_read_back_as_ours(room: Calendar, intended: Write) -> None:
    """The mark that the core goes by; the same category on somebody's meeting marks nothing."""
    await carry_out(room, intended)
    (booking,) = await room.reader.read(ROOM, BERLIN, NINE, TEN)
    assert booking.marks == (intended.action,)
    assert booking.room_organises
    assert booking.is_decided_on
    room.put(categories=["Walk-up", "Given back"])
    theirs = {b.key: b.marks for b in await room.reader.read(ROOM, BERLIN, NINE, TEN)}["uid-A="]
    assert theirs == ()


@pytest.mark.parametrize("intended", CREATIONS, ids=["walk_up", "hold"])
async def test_nothing_is_booked_over_somebodys_booking(room: Calendar, intended: Write) -> None:
    """A room does not check its own bookings for conflicts, so we do; notes of the whole day do not count."""
    room.put(start=TEN - MINUTE_MS, end=TEN + HOUR_MS)
    assert await room.writer.verify(ROOM, BERLIN, intended) == Superseded("not_free")
    room.items["A="]["isCancelled"] = True
    assert isinstance(await room.writer.verify(ROOM, BERLIN, intended), Verified)
    day = {"dateTime": "2026-03-02T00:00:00.0000000", "timeZone": "UTC"}
    room.put(isAllDay=True)
    room.items["A="] |= {"start": day, "end": {**day, "dateTime": "2026-03-03T00:00:00.0000000"}}
    assert isinstance(await room.writer.verify(ROOM, BERLIN, intended), Verified)


# -- what people asked for ----------------------------------------------------------------------------

BOOK = write(action="book", method="create", event_id="", room_organises=True, linked="ask-1")
CANCEL = write(action="cancel", method="delete", room_organises=True)
OURS: dict[str, Any] = {
    "isOrganizer": True,
    "categories": ["Booked at the room"],
    "responseStatus": {"response": "organizer"},
}


async def booked(room: Calendar, created: str = "2026-03-02T08:59:00.5000000Z") -> str:
    """Book as asked; the id of what was created, at that moment by Exchange's clock."""
    assert await carry_out(room, BOOK) == Sent()
    (event_id,) = [name for name, item in room.items.items() if "transactionId" in item]
    room.items[event_id]["createdDateTime"] = created
    return event_id


async def test_what_a_person_asked_for_is_created_in_their_words(room: Calendar) -> None:
    """Title and guest reach Exchange; without them it is called as configured and nobody is invited."""
    verified = await room.writer.verify(ROOM, BERLIN, BOOK)
    assert isinstance(verified, Verified)
    wording = Wording("Review", "ana@contoso.com")
    assert await room.writer.send(ROOM, BOOK, "", verified, wording=wording) == Sent()
    await carry_out(room, msgspec.structs.replace(BOOK, linked="ask-2", start=TEN, end=TEN + HOUR_MS))
    first, second = (body for _, _, body in room.writes)
    assert first["subject"] == "Review"
    assert first["attendees"] == [{"emailAddress": {"address": "ana@contoso.com"}, "type": "required"}]
    assert (second["subject"], second["categories"]) == ("Booked at the room", ["Booked at the room"])
    assert "attendees" not in second
    assert first["transactionId"] != second["transactionId"]


async def test_the_name_of_a_request_is_the_name_of_its_booking(room: Calendar) -> None:
    """Whichever write asks for it, of whichever ledger, it is there already."""
    await booked(room)
    again = msgspec.structs.replace(BOOK, id=BOOK.id + 7)
    assert await room.writer.verify(ROOM, BERLIN, again) == AlreadyDone()
    assert isinstance(
        await room.writer.verify(ROOM, BERLIN, msgspec.structs.replace(BOOK, linked="ask-2")), Superseded
    )


@pytest.mark.parametrize(
    ("there", "free"),
    [
        ({}, False),
        ({"responseStatus": {"response": "notResponded"}}, False),
        ({"responseStatus": {"response": "tentativelyAccepted"}}, False),
        ({"showAs": "free"}, True),
        ({"isCancelled": True}, True),
        ({"responseStatus": {"response": "declined"}}, True),
    ],
)
async def test_nobody_books_over_what_people_could_take_for_a_booking(
    room: Calendar, there: dict[str, Any], free: bool
) -> None:
    """Also a request that still waits for its answer."""
    room.put(**there)
    verified = await room.writer.verify(ROOM, BERLIN, BOOK)
    assert isinstance(verified, Verified) is free
    moved = msgspec.structs.replace(BOOK, event_id="A=")
    assert isinstance(await room.writer.verify(ROOM, BERLIN, moved), Verified), "it makes way for this one"


@pytest.mark.parametrize(
    ("rival", "verdict"),
    [
        ({"createdDateTime": "2026-03-02T08:59:00.5000010Z"}, "stays"),
        ({"createdDateTime": "2026-03-02T08:59:00.4999990Z"}, "gives_way"),
        ({"createdDateTime": "2026-03-02T08:59:00.5000000Z"}, "gives_way"),
        ({"categories": [], "createdDateTime": "2026-03-02T08:59:30Z"}, "gives_way"),
        ({"isOrganizer": False, "createdDateTime": "2026-03-02T08:59:30Z"}, "gives_way"),
        ({"showAs": "free", "createdDateTime": "2026-03-02T08:00:00Z"}, "stays"),
    ],
)
async def test_a_contest_ends_with_one_of_them(room: Calendar, rival: dict[str, Any], verdict: str) -> None:
    """By the moment at which Exchange made them; what gives way is gone from the calendar."""
    event_id = await booked(room)
    room.put("A=", NINE + 30 * MINUTE_MS, TEN + HOUR_MS, **(OURS | rival))
    assert await room.writer.contest(ROOM, BERLIN, BOOK, last_look=False) == verdict
    assert (event_id in room.items) is (verdict == "stays")
    assert "A=" in room.items


async def test_of_the_very_same_instant_the_smaller_id_looks_again_and_not_for_ever(room: Calendar) -> None:
    """It cannot know whether the other has looked before; if that stays, this one goes."""
    event_id = await booked(room)
    room.put("Z=", **OURS, createdDateTime="2026-03-02T08:59:00.5000000Z")
    assert event_id < "Z="
    assert await room.writer.contest(ROOM, BERLIN, BOOK, last_look=False) == "look_again"
    assert event_id in room.items
    assert await room.writer.contest(ROOM, BERLIN, BOOK, last_look=True) == "gives_way"
    assert event_id not in room.items


async def test_a_rival_that_has_just_gone_is_none(room: Calendar) -> None:
    """It gave way between the listing and the question when it was made."""
    event_id = await booked(room)
    room.put("A=", **OURS, createdDateTime="2026-03-02T08:00:00Z")
    asked: list[int] = []

    def vanish() -> None:
        asked.append(1)
        if len(asked) == 3:
            room.items.pop("A=")

    room.before_answer = vanish
    assert await room.writer.contest(ROOM, BERLIN, BOOK, last_look=False) == "stays"
    assert event_id in room.items


async def test_what_somebody_removed_meanwhile_is_not_booked(room: Calendar) -> None:
    """Nobody is told that they have a room which the calendar does not show."""
    room.items.pop(await booked(room))
    assert await room.writer.contest(ROOM, BERLIN, BOOK, last_look=False) == "gives_way"
    assert await room.writer.made(ROOM, BERLIN, BOOK) is None


async def test_a_moment_of_making_that_is_none_decides_nothing(room: Calendar) -> None:
    """An odd answer is no answer; the row asks again."""
    await booked(room, "yesterday")
    room.put("A=", **OURS)
    with pytest.raises(errors.MalformedError, match="createdDateTime"):
        await room.writer.contest(ROOM, BERLIN, BOOK, last_look=False)


async def test_a_booking_is_cancelled_as_a_release_is_verified(room: Calendar) -> None:
    """Moved or gone: superseded. Its effect is that the calendar does not show it."""
    room.put(**OURS)
    assert await carry_out(room, CANCEL) == Sent()
    assert await room.writer.confirm(ROOM, BERLIN, CANCEL)
    assert await room.writer.verify(ROOM, BERLIN, CANCEL, sent_before=True) == AlreadyDone()
    assert await room.writer.verify(ROOM, BERLIN, CANCEL) == Superseded("gone")
    room.put(start=NINE + MINUTE_MS, **OURS)
    assert await room.writer.verify(ROOM, BERLIN, CANCEL) == Superseded("moved")


async def test_title_and_guest_are_read_for_the_booking_that_takes_its_place(room: Calendar) -> None:
    """Of a booking without either there is nothing to carry on."""
    mail = {"address": "ana@contoso.com", "name": "Ana"}
    room.put(subject="Review", attendees=[{"emailAddress": mail}])
    assert await room.reader.wording(ROOM, "A=") == Wording("Review", "ana@contoso.com")
    room.put(subject=None, attendees=None)
    assert await room.reader.wording(ROOM, "A=") == Wording()


async def test_an_extension_never_runs_into_the_next_booking(room: Calendar) -> None:
    """Somebody may have booked the time after since it was decided."""
    room.put(isOrganizer=True)
    room.put("B=", start=TEN + 10 * MINUTE_MS, end=TEN + HOUR_MS)
    assert await room.writer.verify(ROOM, BERLIN, EXTEND) == Superseded("not_free")
    room.items.pop("B=")
    assert isinstance(await room.writer.verify(ROOM, BERLIN, EXTEND), Verified)


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("intended", CREATIONS, ids=["walk_up", "hold"])
async def test_a_creation_whose_answer_was_lost_is_settled_by_looking(
    room: Calendar, intended: Write, effect: bool
) -> None:
    """Its transaction id tells whether it is there; sent again it is a repeat, and there is one."""
    room.faults["POST"] = [httpx.ReadTimeout("x")]
    room.effect_first = effect
    assert isinstance(await carry_out(room, intended), Unclear)
    again = await room.writer.verify(ROOM, BERLIN, intended, sent_before=True)
    assert isinstance(again, AlreadyDone if effect else Verified)
    assert await room.writer.send(ROOM, intended, "", Verified(7, 0)) == Sent()
    assert len(room.items) == 1
    assert room.writes[0] == room.writes[1]


async def test_a_repeat_that_exchange_refuses_as_such_is_settled_by_looking(room: Calendar) -> None:
    """What Graph answers to a transaction id that it knows is documented nowhere; 409 is no "never"."""
    room.faults["POST"] = [httpx.Response(409)]
    assert isinstance(await carry_out(room, WALK_UP), Unclear)
    assert await room.writer.verify(ROOM, BERLIN, WALK_UP, sent_before=True) == AlreadyDone()
    room.put()
    room.faults["PATCH"] = [httpx.Response(409)]
    room.effect_first = False
    assert isinstance(await carry_out(room, CHECK_IN), Refused)


def test_a_transaction_id_names_one_write_of_one_ledger() -> None:
    """Never chance: the same write has the same one, and each difference makes another."""
    known = transaction_id("1790582400000", ROOM, WALK_UP)
    assert known == transaction_id("1790582400000", ROOM.upper(), WALK_UP)
    others = {
        transaction_id("1790582400001", ROOM, WALK_UP),
        transaction_id("1790582400000", "lyra@contoso.com", WALK_UP),
        transaction_id("1790582400000", ROOM, write(id=8, method="create")),
        transaction_id("1790582400000", ROOM, msgspec.structs.replace(WALK_UP, start=NINE + 1)),
    }
    assert len(others | {known}) == 5


async def test_a_decline_without_comment_says_none(room: Calendar) -> None:
    """An empty comment is left out."""
    room.put()
    await carry_out(room, write(), "")
    assert room.writes[0][2] == {"sendResponse": True}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"start": NINE + MINUTE_MS}, "moved"),
        ({"end": TEN + MINUTE_MS}, "moved"),
        ({"isCancelled": True}, "cancelled"),
        ({"responseStatus": {"response": "declined"}}, "not_accepted"),
        ({"responseStatus": {"response": "tentativelyAccepted"}}, "not_accepted"),
        ({"showAs": "free"}, "not_accepted"),
        ({"isOrganizer": True}, "organizer_changed"),
        ({"type": "occurrence", "originalStart": "2026-03-02T08:00:00Z"}, "other_occurrence"),
        ({"type": "seriesMaster"}, "series_master"),
    ],
)
async def test_a_changed_occurrence_is_left_alone(room: Calendar, changes: dict[str, Any], why: str) -> None:
    """Invariant W4: whatever was decided on and differs now supersedes the write."""
    room.put(**changes)
    assert await room.writer.verify(ROOM, BERLIN, write()) == Superseded(why)
    assert room.writes == []


async def test_the_change_key_does_not_count(room: Calendar) -> None:
    """Our own marks move it; so do a person's, and they leave the times as they are."""
    room.put(changeKey="another", categories=["Red"])
    verified = await room.writer.verify(ROOM, BERLIN, write())
    assert verified == Verified(write=7, read_at_ms=0, categories=("Red",))


async def test_an_entry_that_became_exempt_is_not_released_but_checked_in_and_ended_by_people() -> None:
    """Invariant W6, at the last moment; a check-in takes nothing from anybody, and people's word wins."""
    room = Calendar(exemptions=Exemptions.of(categories=("Board",)))
    room.put(categories=["board"])
    assert await room.writer.verify(ROOM, BERLIN, write()) == Superseded("exempt")
    assert await room.writer.verify(ROOM, BERLIN, END_EARLY) == Superseded("exempt")
    assert isinstance(await room.writer.verify(ROOM, BERLIN, SHORTEN), Verified)
    assert isinstance(await room.writer.verify(ROOM, BERLIN, CHECK_IN), Verified)


async def test_an_all_day_entry_is_verified_in_the_rooms_zone(room: Calendar) -> None:
    """Its dates become the same instants as when it was read."""
    day = {"dateTime": "2026-03-02T00:00:00.0000000", "timeZone": "UTC"}
    room.put(isAllDay=True)
    room.items["A="] |= {"start": day, "end": {**day, "dateTime": "2026-03-03T00:00:00.0000000"}}
    start = NINE - 10 * HOUR_MS
    intended = msgspec.structs.replace(CHECK_IN, start=start, end=start + 24 * HOUR_MS)
    assert isinstance(await room.writer.verify(ROOM, BERLIN, intended), Verified)


@pytest.mark.parametrize("intended", WRITES, ids=lambda intended: intended.action + "-" + intended.method)
async def test_an_occurrence_that_is_gone_before_we_sent_anything_is_not_our_doing(
    room: Calendar, intended: Write
) -> None:
    """404 without a sending of ours: superseded."""
    assert await room.writer.verify(ROOM, BERLIN, intended) == Superseded("gone")


@pytest.mark.parametrize("intended", WRITES[:3], ids=lambda intended: intended.action + "-" + intended.method)
async def test_an_occurrence_that_is_gone_after_we_sent_is_our_effect(
    room: Calendar, intended: Write
) -> None:
    """A release whose answer was lost is settled by what is there: nothing."""
    assert await room.writer.verify(ROOM, BERLIN, intended, sent_before=True) == AlreadyDone()


@pytest.mark.parametrize(
    "intended",
    [CHECK_IN, SHORTEN, END_EARLY, EXTEND],
    ids=lambda intended: intended.action + "-" + intended.method,
)
async def test_other_writes_to_a_gone_occurrence_are_superseded(room: Calendar, intended: Write) -> None:
    """Being gone is no check-in."""
    assert await room.writer.verify(ROOM, BERLIN, intended, sent_before=True) == Superseded("gone")


@pytest.mark.parametrize("changes", [{"responseStatus": {"response": "declined"}}, {"isCancelled": True}])
async def test_a_release_shows_as_declined_too(room: Calendar, changes: dict[str, Any]) -> None:
    """Exchange may keep the item and mark it; before we sent that is somebody else's doing."""
    room.put(**changes)
    assert await room.writer.verify(ROOM, BERLIN, write(), sent_before=True) == AlreadyDone()
    assert isinstance(await room.writer.verify(ROOM, BERLIN, write()), Superseded)
    assert await room.writer.confirm(ROOM, BERLIN, write())


async def test_a_release_that_did_not_take_effect_is_verified_again(room: Calendar) -> None:
    """Sent, lost, and the occurrence is still there: it may be sent again."""
    room.put()
    assert isinstance(await room.writer.verify(ROOM, BERLIN, write(), sent_before=True), Verified)


@pytest.mark.parametrize("sent_before", [False, True])
async def test_effects_that_are_visible_are_not_repeated(room: Calendar, sent_before: bool) -> None:
    """The category is there in whatever case, the end is early enough: nothing to send."""
    room.put(categories=["checked IN"])
    assert await room.writer.verify(ROOM, BERLIN, CHECK_IN, sent_before=sent_before) == AlreadyDone()
    room.put(end=NINE + 20 * MINUTE_MS)
    assert await room.writer.verify(ROOM, BERLIN, SHORTEN, sent_before=sent_before) == AlreadyDone()


async def test_what_lies_in_deleted_items_is_gone(room: Calendar) -> None:
    """An immutable id still opens it; the calendar does not show it, so no organizer is told anything."""
    room.put()
    room.trash["A="] = room.items.pop("A=")
    assert await room.writer.verify(ROOM, BERLIN, write()) == Superseded("gone")
    assert await room.writer.verify(ROOM, BERLIN, write(), sent_before=True) == AlreadyDone()
    assert await room.writer.confirm(ROOM, BERLIN, write())


async def test_an_occurrence_moved_to_another_time_is_not_a_confirmed_release(room: Calendar) -> None:
    """It is not where it was, and still holds the room elsewhere."""
    room.put(start=TEN + HOUR_MS, end=TEN + 2 * HOUR_MS)
    assert not await room.writer.confirm(ROOM, BERLIN, write())
    assert await room.writer.verify(ROOM, BERLIN, write(), sent_before=True) == Superseded("moved")


async def test_a_meeting_accepted_again_under_a_new_id_does_not_undo_the_release(room: Calendar) -> None:
    """The organizer's update brought it back: our write was done, and it is not done again."""
    room.put("B=", iCalUId="uid-A=")
    assert await room.writer.confirm(ROOM, BERLIN, write())
    assert await room.writer.verify(ROOM, BERLIN, write(), sent_before=True) == AlreadyDone()


LOST: list[httpx.Response | Exception] = [
    httpx.ReadTimeout("x"),
    httpx.RemoteProtocolError("x"),
    httpx.Response(500),
    httpx.Response(502),
    httpx.Response(504),
    httpx.Response(404),
]


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("intended", WRITES, ids=lambda intended: intended.action + "-" + intended.method)
async def test_an_unclear_answer_is_settled_by_reading_back(
    room: Calendar, intended: Write, effect: bool, fault: httpx.Response | Exception
) -> None:
    """Invariant L4: one request, then a read decides whether there is anything left to send."""
    room.put(isOrganizer=intended.room_organises)
    method = {"delete": "DELETE", "category": "PATCH", "patch_end": "PATCH"}.get(intended.method, "POST")
    room.faults[method] = [fault]
    room.effect_first = effect
    assert isinstance(await carry_out(room, intended), Unclear)
    assert len(room.writes) == 1
    assert await room.writer.confirm(ROOM, BERLIN, intended) is effect
    again = await room.writer.verify(ROOM, BERLIN, intended, sent_before=True)
    assert isinstance(again, AlreadyDone if effect else Verified)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (NOT_FOUND, Gone),
        (httpx.Response(400, json={"error": {"code": "ErrorInvalidRequest"}}), Refused),
        (httpx.Response(412, json={"error": {"code": "ErrorIrresolvableConflict"}}), NotSent),
    ],
)
async def test_definite_answers_are_told_apart(room: Calendar, fault: httpx.Response, expected: type) -> None:
    """Gone, never, and not this time."""
    room.put()
    room.faults["POST"] = [fault]
    room.effect_first = False
    assert isinstance(await carry_out(room, write()), expected)
    assert len(room.writes) == 1


async def test_throttling_ends_without_a_sending(room: Calendar) -> None:
    """Had no effect, says when to come back."""
    room.put()
    room.effect_first = False
    room.faults["POST"] = [httpx.Response(429, headers={"Retry-After": "100"})]
    outcome = await carry_out(room, write())
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after_s == 100


async def test_a_missing_permission_raises(room: Calendar) -> None:
    """That is the operator's matter, not this row's."""
    room.put()
    room.effect_first = False
    room.faults["POST"] = [httpx.Response(403)]
    with pytest.raises(errors.ForbiddenError):
        await carry_out(room, write())


@pytest.mark.parametrize("fault", [httpx.Response(403), httpx.Response(404), httpx.Response(200, text="x")])
async def test_verifying_and_confirming_never_guess(room: Calendar, fault: httpx.Response) -> None:
    """A read that fails is neither "gone" nor "done"."""
    for step in (room.writer.verify, room.writer.confirm):
        room.faults["GET"] = [fault]
        with pytest.raises(errors.UnreadableError):
            await step(ROOM, BERLIN, write())


async def test_a_withdrawn_write_is_not_sent(room: Calendar) -> None:
    """Until its request begins it can be withdrawn: presence came."""
    room.put()
    verified = await room.writer.verify(ROOM, BERLIN, write())
    assert isinstance(verified, Verified)
    outcome = await room.writer.send(ROOM, write(), "x", verified, still_wanted=lambda: False)
    assert outcome == NotSent("withdrawn")
    assert room.writes == []


@pytest.mark.parametrize(("age_s", "expected"), [(30, Sent()), (31, NotSent("stale"))])
async def test_nothing_is_sent_on_an_old_picture(room: Calendar, age_s: int, expected: Any) -> None:
    """Invariant W4: 30 s between the read and the write, counted from before the read."""
    room.put()
    verified = await room.writer.verify(ROOM, BERLIN, write())
    assert isinstance(verified, Verified)
    room.clock.time += age_s * SECOND_MS
    assert await room.writer.send(ROOM, write(), "x", verified) == expected


async def test_the_age_of_the_picture_counts_from_before_the_read(room: Calendar) -> None:
    """A slow read is an old picture."""
    room.put()

    def slow() -> None:
        room.clock.time += 16 * SECOND_MS

    room.before_answer = slow
    verified = await room.writer.verify(ROOM, BERLIN, write())
    assert isinstance(verified, Verified)
    assert await room.writer.send(ROOM, write(), "x", verified) == NotSent("stale")
    assert room.writes == []


async def test_back_off_does_not_outlive_the_picture(room: Calendar) -> None:
    """A write that was throttled until its picture is old is not sent then."""
    room.put()
    room.effect_first = False
    verified = await room.writer.verify(ROOM, BERLIN, write())
    assert isinstance(verified, Verified)
    room.clock.time += 25 * SECOND_MS
    room.faults["POST"] = [httpx.Response(429, headers={"Retry-After": "8"})]
    assert await room.writer.send(ROOM, write(), "x", verified) == NotSent("stale")
    assert len(room.writes) == 1


async def test_stale_intentions_die(room: Calendar) -> None:
    """After its deadline nothing goes out."""
    room.put()
    verified = await room.writer.verify(ROOM, BERLIN, write(deadline=NINE))
    assert isinstance(verified, Verified)
    room.clock.time += 1
    assert await room.writer.send(ROOM, write(deadline=NINE), "x", verified) == NotSent("expired")


async def test_a_series_master_is_never_written_to(room: Calendar) -> None:
    """Invariant W6, in depth: by the intention itself, and by what Exchange says the item is."""
    room.put(type="seriesMaster")
    master = write(series_id="A=")
    assert await room.writer.verify(ROOM, BERLIN, master) == Superseded("series_master")
    assert room.reads == []
    assert await room.writer.send(ROOM, master, "x", Verified(7, 0)) == Refused("series_master")
    assert await room.writer.verify(ROOM, BERLIN, write()) == Superseded("series_master")
    assert room.writes == []


async def test_only_the_verified_write_can_be_sent(room: Calendar) -> None:
    """A mixed-up pair is a mistake of ours."""
    with pytest.raises(ValueError, match="not the one that was verified"):
        await room.writer.send(ROOM, write(), "x", Verified(8, 0))
    with pytest.raises(ValueError, match="without a new end"):
        await room.writer.send(ROOM, write(method="patch_end"), "x", Verified(7, 0))


def occurrence(number: int, **changes: Any) -> Booking:
    """One of a weekly series."""
    start = NINE + number * 7 * 24 * HOUR_MS
    return Booking(
        key=f"uid@{start}",
        event_id=changes.pop("event_id", f"id-{number}"),
        start=start,
        end=start + HOUR_MS,
        original_start=start,
        series_id="M",
        **changes,
    )


def test_the_difference_of_a_series_is_only_what_was_released() -> None:
    """Gone or declined counts as vanished; accepted again under a new id does not."""
    before = [occurrence(number) for number in range(5)] + [occurrence(5, response="declined")]
    after = [occurrence(1), occurrence(3, event_id="new"), occurrence(4, response="declined")]
    assert vanished(before, after, "id-0") == {occurrence(2).key, occurrence(4).key}
    assert vanished(before, before[1:], "id-0") == frozenset()
    assert vanished(before, [], "id-0") == {booking.key for booking in before[1:5]}


def test_the_same_picture_supersedes_nothing() -> None:
    """The pure comparison behind verify."""
    booking = Booking(key="k", event_id="A=", start=NINE, end=TEN)
    assert superseded_by(write(), booking) == ""
    assert superseded_by(write(end=TEN + 1), booking) == "moved"


def test_the_comment_names_room_and_local_times() -> None:
    """Friendly, plain, and nobody's name; a date only where it is needed."""
    text = release_comment("Orion", NINE, NINE + 12 * MINUTE_MS, BERLIN)
    assert text == (
        "Nobody was seen in Orion from 10:00 until 10:12, so it was given back and others can use it. "
        "If you still need it, add the room again."
    )
    assert "from 2026-03-02 10:00 until 2026-03-03 10:00" in release_comment(
        "Orion", NINE, NINE + 24 * HOUR_MS, BERLIN
    )


@pytest.mark.parametrize("template", ["{organizer}", "{room.x}", "{}", "{room!r}", "{room:>9}", "{", "{0}"])
def test_a_template_that_asks_for_more_is_refused(template: str) -> None:
    """When settings are read, not when an organizer is told."""
    with pytest.raises(ValueError):  # noqa: PT011 - also the formatter's own words
        check_template(template)


def test_the_default_template_and_plain_text_are_fine() -> None:
    """Braces are written twice, as in any format string."""
    assert check_template(DEFAULT_TEMPLATE) == DEFAULT_TEMPLATE
    assert release_comment("Orion", NINE, TEN, BERLIN, "{{free}} {room}") == "{free} Orion"
