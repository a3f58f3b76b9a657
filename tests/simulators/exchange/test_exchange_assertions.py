"""Signed assertions in place of a secret, and tokens that have to be asked for anew."""

import base64
import datetime as dt
import json
import re
from typing import Any

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from simulators.exchange import ExchangeSimulator
from simulators.exchange.applications import Application, Certificate, Federated, Secret
from simulators.exchange.assertions import ASSERTION_TYPE

EVENTS = "/users/orion@contoso.com/events"
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def certificate_of(key: rsa.RSAPrivateKey, until: int = 2040) -> Certificate:
    """A certificate for the key, as the portal would register it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "invented")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(until, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    return Certificate.from_pem(made.public_bytes(Encoding.PEM))


@pytest.fixture
def registered(exchange: ExchangeSimulator) -> Certificate:
    """The application's certificate."""
    certificate = certificate_of(KEY)
    exchange.identity.application.certificates.append(certificate)
    return certificate


def assertion(exchange: ExchangeSimulator, clock: Any, **changed: Any) -> dict[str, Any]:
    """The claims of a right assertion, with some changed."""
    identity, now = exchange.identity, int(clock.wall_s)
    token_url = f"https://graph.test/{identity.tenant_id}/oauth2/v2.0/token"
    claims: dict[str, Any] = {
        "aud": token_url,
        "iss": identity.client_id,
        "sub": identity.client_id,
        "jti": "1",
    }
    claims |= {"nbf": now, "exp": now + 600}
    return {name: value for name, value in (claims | changed).items() if value is not None}


async def ask(graph: httpx.AsyncClient, exchange: ExchangeSimulator, **form: str) -> httpx.Response:
    """Ask for a token with these fields."""
    identity = exchange.identity
    whole = {"grant_type": "client_credentials", "client_id": identity.client_id}
    whole["scope"] = "https://graph.microsoft.com/.default"
    return await graph.post(f"https://graph.test/{identity.tenant_id}/oauth2/v2.0/token", data=whole | form)


async def assert_with(graph: httpx.AsyncClient, exchange: ExchangeSimulator, signed: str) -> httpx.Response:
    """Ask with an assertion."""
    return await ask(graph, exchange, client_assertion=signed, client_assertion_type=ASSERTION_TYPE)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
@pytest.mark.parametrize("names", [("x5t",), ("x5t#S256",), ("x5t", "x5t#S256")])
async def test_certificate_proves_the_application(
    graph: httpx.AsyncClient,
    exchange: ExchangeSimulator,
    clock: Any,
    registered: Certificate,
    algorithm: str,
    names: tuple[str, ...],
) -> None:
    """By either thumbprint or both, with either padding; the token works and says who it is for."""
    thumbprints = {"x5t": registered.x5t, "x5t#S256": registered.x5t_s256}
    headers = {name: thumbprints[name] for name in names}
    signed = jwt.encode(assertion(exchange, clock), KEY, algorithm=algorithm, headers=headers)
    answer = await assert_with(graph, exchange, signed)
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    assert (await graph.get(EVENTS, headers={"authorization": f"Bearer {token}"})).status_code == 200


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        ({"aud": "https://elsewhere.test"}, 700023),
        ({"iss": "other", "sub": "other"}, 700021),
        ({"exp": 1}, 700024),
        ({"nbf": 10**11, "exp": 10**12}, 700024),
        ({"exp": None}, 50027),
        ({"jti": None}, 50027),
    ],
)
async def test_wrong_claims_are_refused_by_number(
    graph: httpx.AsyncClient,
    exchange: ExchangeSimulator,
    clock: Any,
    registered: Certificate,
    changed: dict[str, Any],
    number: int,
) -> None:
    """Each claim is checked, and each has its number."""
    claims = assertion(exchange, clock, **changed)
    signed = jwt.encode(claims, KEY, algorithm="RS256", headers={"x5t": registered.x5t})
    assert (await assert_with(graph, exchange, signed)).json()["error_codes"] == [number]


async def test_wrong_keys_and_expired_certificates_are_refused(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, clock: Any, registered: Certificate
) -> None:
    """AADSTS700027 for one that is not registered, has expired or did not sign; 50027 for rubbish."""
    claims = assertion(exchange, clock)
    unknown = jwt.encode(claims, OTHER, algorithm="RS256", headers={"x5t": certificate_of(OTHER).x5t})
    forged = jwt.encode(claims, OTHER, algorithm="RS256", headers={"x5t": registered.x5t})
    mixed = {"x5t": registered.x5t, "x5t#S256": certificate_of(OTHER).x5t_s256}
    both = jwt.encode(claims, KEY, algorithm="RS256", headers=mixed)
    hmac_signed = jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"x5t": registered.x5t})
    for signed in (unknown, forged, both, hmac_signed):
        refused = await assert_with(graph, exchange, signed)
        assert (refused.status_code, refused.json()["error_codes"]) == (401, [700027])
    assert (await assert_with(graph, exchange, "a.b.c")).json()["error_codes"] == [50027]
    exchange.identity.application.certificates[:] = [certificate_of(KEY, until=2021)]
    old = jwt.encode(claims, KEY, algorithm="RS256", headers={"x5t": certificate_of(KEY, until=2021).x5t})
    assert "expired" in (await assert_with(graph, exchange, old)).json()["error_description"]


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        ({}, 0),
        ({"iss": "https://other.test"}, 700211),
        ({"sub": "other"}, 700213),
        ({"aud": "other"}, 700212),
        ({"exp": 1}, 700024),
    ],
)
async def test_assertion_of_a_registered_issuer_is_taken(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, clock: Any, changed: dict[str, Any], number: int
) -> None:
    """Workload identity: issuer, subject and audience have to be those of one federated credential."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    credential = Federated.from_pem("https://issuer.test", "workload", public)
    exchange.identity.application.federated.append(credential)
    claims = assertion(exchange, clock, iss="https://issuer.test", sub="workload", aud=credential.audience)
    answer = await assert_with(graph, exchange, jwt.encode(claims | changed, KEY, algorithm="RS256"))
    assert answer.json().get("error_codes", [0]) == [number]
    forged = await assert_with(graph, exchange, jwt.encode(claims, OTHER, algorithm="RS256"))
    assert forged.json()["error_codes"] == [700027]


async def test_access_token_is_signed_with_the_published_key(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """The key set of the discovery document checks it; the claims are those of an app-only token."""
    tenant = exchange.identity.tenant_id
    found = (await graph.get(f"https://graph.test/{tenant}/v2.0/.well-known/openid-configuration")).json()
    [key] = (await graph.get(found["jwks_uri"])).json()["keys"]
    token = (await ask(graph, exchange, client_secret=exchange.identity.client_secret)).json()["access_token"]
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(
        token, jwt.PyJWK(key), algorithms=["RS256"], audience="https://graph.microsoft.com", options=options
    )
    assert (claims["idtyp"], claims["appid"], claims["tid"]) == ("app", exchange.identity.client_id, tenant)
    assert "Calendars.ReadWrite" in claims["roles"]
    assert "scp" not in claims


async def test_challenge_names_the_claims_of_the_next_token(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, clock: Any
) -> None:
    """Continuous access evaluation: only clients with cp1 are told; a token with the claims works again."""
    secret = exchange.identity.client_secret
    capable = json.dumps({"access_token": {"xms_cc": {"values": ["cp1"]}}})
    tokens = [
        (await ask(graph, exchange, client_secret=secret, **more)).json()["access_token"]
        for more in ({"claims": capable}, {})
    ]
    exchange.identity.revoke_all(challenge=True)
    told, plain = [await graph.get(EVENTS, headers={"authorization": f"Bearer {one}"}) for one in tokens]
    assert (told.status_code, plain.status_code) == (401, 401)
    assert "insufficient_claims" not in plain.headers["www-authenticate"]
    found = re.search(r'error="insufficient_claims", claims="([^"]+)"', told.headers["www-authenticate"])
    assert found is not None
    claims = json.loads(base64.b64decode(found[1]))
    assert int(claims["access_token"]["nbf"]["value"]) == int(clock.wall_s)
    again = await ask(graph, exchange, client_secret=secret, claims=json.dumps(claims))
    headers = {"authorization": f"Bearer {again.json()['access_token']}"}
    assert (await graph.get(EVENTS, headers=headers)).status_code == 200
    broken = await ask(graph, exchange, client_secret=secret, claims="{")
    assert broken.json()["error_codes"] == [90023]


async def test_state_of_the_registration_decides(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, clock: Any
) -> None:
    """Disabled, blocked, without consent, another application, an expired one of two secrets, no proof."""
    application, secret = exchange.identity.application, exchange.identity.client_secret
    for name, value, number in (
        ("enabled", False, 7000112),
        ("blocked", True, 53003),
        ("consented", False, 7000229),
    ):
        before = getattr(application, name)
        setattr(application, name, value)
        assert (await ask(graph, exchange, client_secret=secret)).json()["error_codes"] == [number]
        setattr(application, name, before)
    application.secrets.append(Secret("old", clock.wall_s - 1))
    assert (await ask(graph, exchange, client_secret="old")).json()["error_codes"] == [7000222]
    assert (await ask(graph, exchange)).json()["error_codes"] == [7000216]
    other = Application(
        "33333333-cccc-4ccc-8ccc-333333333333", object_id="o", secrets=(Secret("s"),), roles=()
    )
    exchange.identity.register(other)
    token = (await ask(graph, exchange, client_id=other.client_id, client_secret="s")).json()["access_token"]
    refused = await graph.get(EVENTS, headers={"authorization": f"Bearer {token}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "ErrorAccessDenied")


async def test_error_has_every_part_of_entras_shape(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """Ids, time, numbers and a page to read; the client's own id is its correlation id."""
    answer = await graph.post(
        f"https://graph.test/{exchange.identity.tenant_id}/oauth2/v2.0/token",
        headers={"client-request-id": "c-1"},
    )
    body = answer.json()
    assert (answer.status_code, body["error_codes"], body["correlation_id"]) == (400, [900144], "c-1")
    assert set(body) == {
        "error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id", "error_uri",
    }  # fmt: skip
    got = await graph.get(f"https://graph.test/{exchange.identity.tenant_id}/oauth2/v2.0/token")
    assert got.json()["error_codes"] == [900561]


async def test_secret_may_come_as_basic_authentication_and_to_the_older_endpoint(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """Both are ways that OAuth clients in use still take."""
    identity = exchange.identity
    form = {"grant_type": "client_credentials", "resource": "https://graph.microsoft.com/"}
    answer = await graph.post(
        f"https://graph.test/{identity.tenant_id}/oauth2/token",
        data=form,
        auth=(identity.client_id, identity.client_secret),
    )
    assert answer.status_code == 200, answer.text
    elsewhere = await ask(
        graph, exchange, client_secret=identity.client_secret, scope="https://x.test/.default"
    )
    assert elsewhere.json()["error_codes"] == [500011]
