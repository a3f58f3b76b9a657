"""Addresses, methods, permissions: who may ask for what, and in which words."""

from collections.abc import Callable

import httpx
import pytest

from simulators.exchange import ExchangeSimulator, Variants
from simulators.exchange.routes import target_of
from simulators.exchange.wire import Request

ADA, ORION = "ada@contoso.com", "orion@contoso.com"
At = Callable[..., int]
DAY = {"startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2026-11-24T00:00:00Z"}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1.0/users/x/calendarView", ("GET calendarView", "x", "", "", "")),
        ("GET", "/v1.0/users/x/calendar/calendarView", ("GET calendarView", "x", "", "", "")),
        ("GET", "/v1.0/users/x/calendars/c/calendarView", ("GET calendarView", "x", "", "c", "")),
        ("GET", "/v1.0/users/x/calendarGroups/g/calendars/c/events", ("GET events", "x", "", "c", "")),
        ("GET", "/v1.0/users('x')/events('e')", ("GET event", "x", "e", "", "")),
        (
            "GET",
            "/v1.0/users/x/calendarView/microsoft.graph.delta()",
            ("GET calendarView/delta", "x", "", "", ""),
        ),
        ("POST", "/v1.0/users/x/calendar/events/e/decline", ("POST decline", "x", "e", "", "")),
        ("POST", "/v1.0/users/x/calendar/getSchedule", ("POST getSchedule", "x", "", "", "")),
        ("GET", "/v1.0/users/x/calendars/c", ("GET calendar", "x", "", "c", "")),
        ("GET", "/v1.0/users/x", ("GET user", "x", "", "", "")),
        ("GET", "/v1.0/users/x/events/e/extensions/n", ("GET extension", "x", "e", "", "n")),
        ("GET", "/v1.0/places/microsoft.graph.room", ("GET rooms", "", "", "", "")),
        ("GET", "/v1.0/places/graph.room", ("GET rooms", "", "", "", "")),
        ("GET", "/v1.0/places/l/microsoft.graph.roomlist/rooms", ("GET roomlist rooms", "", "l", "", "")),
        ("GET", "/v1.0/places/p", ("GET place", "", "p", "", "")),
        ("PUT", "/v1.0/users/x/events", ("wrong method", "x", "", "", "")),
        ("GET", "/v1.0/users/x/events/delta", ("GET event", "x", "delta", "", "")),
        ("GET", "/beta/users/x/events/delta", ("GET events/delta", "x", "", "", "")),
        ("GET", "/v1.0/workplace/sensorDevices", ("unknown", "", "", "", "")),
        ("GET", "/v2.0/users/x", ("unknown", "", "", "", "")),
        ("GET", "/", ("unknown", "", "", "", "")),
    ],
)
def test_paths_mean_routes(method: str, path: str, expected: tuple[str, ...]) -> None:
    """All ways to write an address lead to one route."""
    assert tuple(target_of(Request(method, path))) == expected


async def test_wrong_methods_are_405_and_unknown_addresses_400(graph: httpx.AsyncClient) -> None:
    """In Graph's shape, with request ids."""
    wrong = await graph.put(f"/users/{ORION}/events", json={})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "Request_BadRequest")
    unknown = await graph.get(f"/users/{ORION}/nothing")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "BadRequest")
    assert unknown.headers["request-id"]
    mine = await graph.get("/me/events")
    assert (mine.status_code, "delegated" in mine.json()["error"]["message"]) == (400, True)


async def test_me_is_who_signed_in(graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At) -> None:
    """A delegated token opens its user's calendar as /me."""
    exchange.book(ADA, ORION, at(9), at(10))
    token = exchange.identity.issue_delegated_token(ADA, "Calendars.Read")
    answer = await graph.get("/me/calendarView", params=DAY, headers={"authorization": f"Bearer {token}"})
    assert len(answer.json()["value"]) == 1


@pytest.mark.parametrize(
    ("role", "method", "path", "enough"),
    [
        ("Calendars.Read", "GET", f"/users/{ORION}/events", True),
        ("Calendars.ReadWrite", "GET", f"/users/{ORION}/events", True),
        ("Place.Read.All", "GET", f"/users/{ORION}/events", False),
        ("Calendars.Read", "POST", f"/users/{ORION}/events", False),
        ("Calendars.Read", "GET", "/places/microsoft.graph.room", False),
        ("Place.Read.All", "GET", "/places/microsoft.graph.room", True),
        ("Calendars.Read", "GET", f"/users/{ORION}/mailboxSettings", False),
        ("MailboxSettings.Read", "GET", f"/users/{ORION}/mailboxSettings/userPurpose", True),
        ("Calendars.Read", "GET", f"/users/{ORION}", False),
        ("User.Read.All", "GET", f"/users/{ORION}", True),
        ("Calendars.Read", "GET", "/subscriptions", True),
        ("Place.Read.All", "GET", "/subscriptions", False),
    ],
)
async def test_roles_open_what_they_are_for(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, role: str, method: str, path: str, *, enough: bool
) -> None:
    """Everything else is 403; a new token is needed for a new role."""
    exchange.identity.application.roles = frozenset({role})
    headers = {"authorization": f"Bearer {exchange.identity.issue_token()}"}
    body = {"start": {"dateTime": "2026-11-23T09:00:00"}, "end": {"dateTime": "2026-11-23T10:00:00"}}
    answer = await graph.request(method, path, json=body if method == "POST" else None, headers=headers)
    assert (answer.status_code < 400) is enough, answer.text
    if not enough:
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] in ("ErrorAccessDenied", "Authorization_RequestDenied")


async def test_exchange_grants_count_for_their_mailboxes_only(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """RBAC for Applications: no role in the token, and the scope of the grant decides."""
    application = exchange.identity.application
    application.roles = frozenset()
    application.exchange_roles = {"Calendars.ReadWrite": frozenset({ORION})}
    headers = {"authorization": f"Bearer {exchange.identity.issue_token()}"}
    statuses = [
        (await graph.get(path, headers=headers)).status_code
        for path in (
            f"/users/{ORION}/events",
            f"/users/{exchange.mailboxes.mailbox(ORION).id}/events",
            "/users/lyra@contoso.com/events",
            "/places/microsoft.graph.room",
            f"/users/{ORION}",
            "/subscriptions",
        )
    ]
    assert statuses == [200, 200, 403, 403, 403, 200]
    exchange.mailboxes.variants = Variants(rbac_covers_subscriptions=False)
    assert (await graph.get("/subscriptions", headers=headers)).status_code == 403


async def test_another_calendars_id_finds_nothing(graph: httpx.AsyncClient) -> None:
    """A mailbox has one calendar; its id opens it, others are 404."""
    [calendar] = (await graph.get(f"/users/{ORION}/calendars")).json()["value"]
    assert (await graph.get(f"/users/{ORION}/calendars/{calendar['id']}/events")).status_code == 200
    other = await graph.get(f"/users/{ORION}/calendars/other/events")
    assert (other.status_code, other.json()["error"]["code"]) == (404, "ErrorItemNotFound")


async def test_beta_has_the_same_calendars(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """Links of beta stay in beta."""
    for n in range(3):
        exchange.book(ADA, ORION, at(9 + n), at(10 + n))
    page = (
        await graph.get(f"https://graph.test/beta/users/{ORION}/calendarView", params=DAY | {"$top": "2"})
    ).json()
    assert page["@odata.nextLink"].startswith("https://graph.test/beta/")
    assert page["@odata.context"].startswith("https://graph.test/beta/$metadata")
