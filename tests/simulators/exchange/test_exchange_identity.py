"""Tokens: who gets one, how long it holds, and what is said to the others."""

from typing import Any

import httpx
import pytest

from simulators.exchange import ExchangeSimulator

GOOD = {
    "grant_type": "client_credentials",
    "client_id": "22222222-bbbb-4bbb-8bbb-222222222222",
    "client_secret": "an-invented-secret",
    "scope": "https://graph.microsoft.com/.default",
}
EVENTS = "/users/orion@contoso.com/events"


async def ask(graph: httpx.AsyncClient, tenant: str, **changed: str) -> httpx.Response:
    """Ask for a token with some fields changed."""
    return await graph.post(f"https://graph.test/{tenant}/oauth2/v2.0/token", data=GOOD | changed)


@pytest.mark.parametrize(
    ("changed", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "wrong"}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": "Calendars.Read"}, 400, "invalid_scope", 1002012),
    ],
)
async def test_wrong_credentials_are_refused_by_number(
    graph: httpx.AsyncClient,
    exchange: ExchangeSimulator,
    changed: dict[str, str],
    status: int,
    error: str,
    number: int,
) -> None:
    """The number and the description that operators search for; the secret is not repeated."""
    answer = await ask(graph, exchange.identity.tenant_id, **changed)
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert GOOD["client_secret"] not in answer.text


async def test_wrong_tenant_and_expired_secret_are_refused(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """AADSTS90002 and AADSTS7000222."""
    assert (await ask(graph, "elsewhere")).json()["error_codes"] == [90002]
    exchange.identity.secret_expired = True
    assert (await ask(graph, exchange.identity.tenant_id)).json()["error_codes"] == [7000222]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer rubbish", "Basic abc"])
async def test_graph_refuses_without_a_token_of_its_own(graph: httpx.AsyncClient, header: str) -> None:
    """401 InvalidAuthenticationToken with a challenge, for single requests and batches."""
    for method, url in (("GET", EVENTS), ("POST", "/$batch")):
        answer = await graph.request(method, url, headers={"authorization": header})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
        assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_token_ends_with_its_lifetime_by_the_wall_clock(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, clock: Any
) -> None:
    """Simulated time has no part in it."""
    clock.at += 10**9
    assert (await graph.get(EVENTS)).status_code == 200
    clock.wall_s += exchange.identity.token_lifetime_s
    expired = await graph.get(EVENTS)
    assert expired.status_code == 401
    assert "expired" in expired.json()["error"]["message"]
    exchange.identity.token_lifetime_s = 60
    fresh = (await ask(graph, exchange.identity.tenant_id)).json()
    assert (fresh["expires_in"], fresh["token_type"]) == (60, "Bearer")
    authorization = {"authorization": f"Bearer {fresh['access_token']}"}
    assert (await graph.get(EVENTS, headers=authorization)).status_code == 200
    exchange.identity.revoke_all()
    assert (await graph.get(EVENTS, headers=authorization)).status_code == 401


async def test_token_can_be_had_without_asking(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """For worlds in one process; it is as good as one from the endpoint, and no two are equal."""
    one, other = exchange.identity.issue_token(), exchange.identity.issue_token()
    assert one != other
    assert (await graph.get(EVENTS, headers={"authorization": f"Bearer {one}"})).status_code == 200


async def test_discovery_names_the_endpoints_that_msal_needs(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """For the tenant, for the shared authorities, and for instance discovery."""
    tenant = exchange.identity.tenant_id
    path = "v2.0/.well-known/openid-configuration"
    found = (await graph.get(f"https://graph.test/{tenant}/{path}")).json()
    assert found["token_endpoint"] == f"https://graph.test/{tenant}/oauth2/v2.0/token"
    assert found["issuer"] == f"https://graph.test/{tenant}/v2.0"
    assert found["authorization_endpoint"].startswith(f"https://graph.test/{tenant}/")
    shared = (await graph.get(f"https://graph.test/organizations/{path}")).json()
    assert shared["issuer"] == "https://graph.test/{tenantid}/v2.0"
    instances = (await graph.get("https://graph.test/common/discovery/instance")).json()
    assert instances["tenant_discovery_endpoint"] == f"https://graph.test/{tenant}/{path}"
    unknown = await graph.get(f"https://graph.test/elsewhere/{path}")
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_tenant")
