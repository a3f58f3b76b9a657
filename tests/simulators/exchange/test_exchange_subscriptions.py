"""Change notifications: creation with its handshake, delivery, lifecycle, encryption."""

import base64
import datetime as dt
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from simulators.exchange import ExchangeSimulator
from simulators.exchange.errors import InvalidRequest, NotFound
from simulators.exchange.notifications import CHANGE_TRACKING, Reply

ADA, ORION, LYRA = "ada@contoso.com", "orion@contoso.com", "lyra@contoso.com"
HOOK, LIFECYCLE = "https://hook.test/events", "https://hook.test/lifecycle"
At = Callable[..., int]


class Hook:
    """A subscriber: answers the handshake, keeps what it gets."""

    def __init__(self) -> None:
        self.status = 202
        self.asked: list[str] = []
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[str], Reply] = lambda token: Reply(
            200, "text/plain; charset=utf-8", token.encode()
        )

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        query = parse_qs(urlsplit(url).query)
        if "validationToken" in query:
            self.asked.append(url.partition("?")[0])
            return self.answer(query["validationToken"][0])
        assert headers["content-type"] == "application/json"
        if self.status < 300:
            self.got.append((url, json.loads(body)))
        return Reply(self.status)


@pytest.fixture
def hook(exchange: ExchangeSimulator) -> Hook:
    """In place of HTTP."""
    hook = Hook()
    exchange.app.sender = hook
    return hook


@pytest.fixture
async def made(graph: httpx.AsyncClient, hook: Hook) -> dict[str, Any]:
    """A subscription to the first room, with a lifecycle address."""
    answer = await graph.post("/subscriptions", json=wanted(lifecycleNotificationUrl=LIFECYCLE))
    assert answer.status_code == 201, answer.text
    assert hook.asked == [HOOK, LIFECYCLE]
    found: dict[str, Any] = answer.json()
    return found


def wanted(**changed: Any) -> dict[str, Any]:
    """The body of a right creation, with some of it changed."""
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": HOOK,
        "resource": f"/users/{ORION}/events",
        "expirationDateTime": "2026-11-24T07:00:00Z",
        "clientState": "state-123",
    }
    return {name: value for name, value in (body | changed).items() if value is not None}


async def deliver(exchange: ExchangeSimulator, hook: Hook) -> list[dict[str, Any]]:
    """Send what is due; return the notifications that arrived."""
    before = len(hook.got)
    await exchange.graph.subscriptions.notifier.deliver(hook)
    return [one for _, body in hook.got[before:] for one in body["value"]]


async def test_changes_reach_the_subscriber(
    exchange: ExchangeSimulator, hook: Hook, made: dict[str, Any], at: At
) -> None:
    """Created, updated and deleted, in batches, with state, etag and a resource that can be fetched."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    exchange.move(event, at(11), at(12))
    exchange.book(ADA, LYRA, at(9), at(10))
    [copy] = exchange.calendar(ORION, at(0), at(24))
    told = await deliver(exchange, hook)
    assert [one["changeType"] for one in told] == ["created", "updated"]
    assert len(hook.got) == 1
    assert {one["clientState"] for one in told} == {"state-123"}
    assert told[1]["resourceData"]["@odata.etag"] == f'W/"{copy.change_key}"'
    assert told[1]["subscriptionId"] == made["id"]
    exchange.mailboxes.respond(exchange.mailboxes.mailbox(ORION), copy.id, "declined")
    assert [one["changeType"] for one in await deliver(exchange, hook)] == ["deleted"]


async def test_id_form_is_that_of_the_creation(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, hook: Hook, at: At
) -> None:
    """`Prefer: IdType` on the create call holds for all notifications."""
    headers = {"prefer": 'IdType="ImmutableId"'}
    await graph.post("/subscriptions", json=wanted(), headers=headers)
    exchange.book(ADA, ORION, at(9), at(10))
    [copy] = exchange.calendar(ORION, at(0), at(24))
    [told] = await deliver(exchange, hook)
    assert told["resourceData"]["id"] == copy.id
    assert told["resource"] == f"Users/{exchange.mailboxes.mailbox(ORION).id}/Events/{copy.id}"


@pytest.mark.parametrize(
    "answer",
    [
        lambda token: Reply(202, "text/plain", token.encode()),
        lambda token: Reply(200, "application/json", token.encode()),
        lambda _: Reply(200, "text/plain", b"something else"),
        lambda _: Reply(0),
    ],
)
async def test_nothing_is_created_without_the_handshake(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, hook: Hook, answer: Callable[[str], Reply]
) -> None:
    """Status, type and token have to be right."""
    hook.answer = answer
    refused = await graph.post("/subscriptions", json=wanted())
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "ValidationError")
    assert exchange.graph.subscriptions.active() == []
    batched = await graph.post(
        "/$batch",
        json={
            "requests": [
                {
                    "id": "1",
                    "method": "POST",
                    "url": "/subscriptions",
                    "headers": {"Content-Type": "application/json"},
                    "body": wanted(),
                }
            ]
        },
    )
    assert batched.json()["responses"][0]["status"] == 400


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"changeType": "renamed"}, 400),
        ({"changeType": None}, 400),
        ({"notificationUrl": "http://hook.test/"}, 400),
        ({"notificationUrl": "http://127.0.0.1:8080/"}, 201),
        ({"lifecycleNotificationUrl": "ftp://x"}, 400),
        ({"resource": "/users/nobody@contoso.com/events"}, 404),
        ({"resource": "/chats/getAllMessages"}, 400),
        ({"resource": f"users/{ORION}/calendar/events"}, 201),
        ({"expirationDateTime": "2026-11-23T06:00:00Z"}, 400),
        ({"expirationDateTime": "2026-11-30T07:00:00Z"}, 201),
        ({"expirationDateTime": "2026-11-30T07:00:01Z"}, 400),
        ({"expirationDateTime": "tomorrow"}, 400),
        ({"clientState": "x" * 129}, 400),
        ({"shoeSize": 43}, 400),
        ({"includeResourceData": True}, 400),
    ],
)
async def test_what_can_be_subscribed_to(
    graph: httpx.AsyncClient, hook: Hook, changed: dict[str, Any], status: int
) -> None:
    """Types, addresses, resources, lifetimes of at most 10,080 minutes."""
    answer = await graph.post("/subscriptions", json=wanted(**changed))
    assert answer.status_code == status, answer.text
    assert (hook.asked != []) is (status == 201)


async def test_short_lifetimes_are_raised_and_duplicates_refused(
    graph: httpx.AsyncClient, hook: Hook
) -> None:
    """45 minutes at least; 409 with the other's id."""
    short = await graph.post("/subscriptions", json=wanted(expirationDateTime="2026-11-23T07:01:00Z"))
    assert short.json()["expirationDateTime"] == "2026-11-23T07:45:00.0000000Z"
    again = await graph.post("/subscriptions", json=wanted())
    assert again.status_code == 409
    assert short.json()["id"] in again.json()["error"]["message"]
    assert hook.asked == [HOOK]


async def test_subscription_is_renewed_listed_and_deleted(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, made: dict[str, Any], clock: Any
) -> None:
    """By id, by its own application only; it is gone after its expiry."""
    url = f"/subscriptions/{made['id']}"
    renewed = await graph.patch(url, json={"expirationDateTime": "2026-11-25T07:00:00+00:00"})
    assert renewed.json()["expirationDateTime"] == "2026-11-25T07:00:00.0000000Z"
    assert (await graph.patch(url, json={"lifecycleNotificationUrl": HOOK})).status_code == 400
    assert [one["id"] for one in (await graph.get("/subscriptions")).json()["value"]] == [made["id"]]
    clock.at += 2 * DAY_MS
    assert (await graph.get(url)).status_code == 404
    assert (await graph.get("/subscriptions")).json()["value"] == []
    exchange.graph.subscriptions.trusting = True
    other = (
        await graph.post("/subscriptions", json=wanted(expirationDateTime="2026-11-26T00:00:00Z"))
    ).json()
    assert (await graph.delete(f"/subscriptions/{other['id']}")).status_code == 204
    assert (await graph.delete(f"/subscriptions/{other['id']}")).status_code == 404


async def test_failed_deliveries_are_tried_again_for_four_hours(
    exchange: ExchangeSimulator, hook: Hook, made: dict[str, Any], clock: Any, at: At
) -> None:
    """Less and less often; then they are lost."""
    assert made
    notifier = exchange.graph.subscriptions.notifier
    exchange.book(ADA, ORION, at(9), at(10))
    hook.status = 503
    assert await deliver(exchange, hook) == []
    clock.at += 9 * SECOND_MS
    hook.status = 202
    assert await deliver(exchange, hook) == []
    clock.at += SECOND_MS
    assert len(await deliver(exchange, hook)) == 1
    exchange.book(ADA, ORION, at(11), at(12))
    hook.status, tries = 500, 0
    began = clock.at
    while notifier.pending:
        await deliver(exchange, hook)
        tries += 1
        clock.at = min((one.due_ms for one in notifier.pending), default=clock.at)
    assert 3 * HOUR_MS / 2 < clock.at - began <= 4 * HOUR_MS
    assert 5 < tries < 20


async def test_notifications_may_be_late_or_lost(
    exchange: ExchangeSimulator, hook: Hook, made: dict[str, Any], clock: Any, at: At
) -> None:
    """A lost one is told as `missed` to the lifecycle address."""
    notifier = exchange.graph.subscriptions.notifier
    notifier.delay_ms = MINUTE_MS
    exchange.book(ADA, ORION, at(9), at(10))
    assert await deliver(exchange, hook) == []
    clock.at += MINUTE_MS
    assert len(await deliver(exchange, hook)) == 1
    notifier.delay_ms, notifier.lose = 0, 1
    exchange.book(ADA, ORION, at(11), at(12))
    assert [one["lifecycleEvent"] for one in await deliver(exchange, hook)] == ["missed"]
    assert hook.got[-1][0] == LIFECYCLE
    assert hook.got[-1][1]["value"][0]["subscriptionId"] == made["id"]


async def test_lifecycle_pauses_and_removes(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, hook: Hook, made: dict[str, Any], at: At
) -> None:
    """ReauthorizationRequired holds notifications until it is answered; subscriptionRemoved ends it."""
    subscriptions = exchange.graph.subscriptions
    subscriptions.lifecycle(made["id"], "reauthorizationRequired")
    exchange.book(ADA, ORION, at(9), at(10))
    assert [one["lifecycleEvent"] for one in await deliver(exchange, hook)] == ["reauthorizationRequired"]
    assert (await graph.post(f"/subscriptions/{made['id']}/reauthorize")).status_code == 202
    exchange.book(ADA, ORION, at(11), at(12))
    assert [one["changeType"] for one in await deliver(exchange, hook)] == ["created"]
    with pytest.raises(InvalidRequest):
        subscriptions.lifecycle(made["id"], "nothing")
    subscriptions.lifecycle(made["id"], "subscriptionRemoved")
    assert [one["lifecycleEvent"] for one in await deliver(exchange, hook)] == ["subscriptionRemoved"]
    assert (await graph.get(f"/subscriptions/{made['id']}")).status_code == 404
    with pytest.raises(NotFound):
        subscriptions.lifecycle(made["id"], "missed")


async def test_hubs_need_no_handshake(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, hook: Hook, at: At
) -> None:
    """What would go to an Event Hub is kept to be looked at."""
    hub = "EventHub:https://contoso.servicebus.windows.net/eventhubname/rooms?tenantId=contoso.com"
    assert (await graph.post("/subscriptions", json=wanted(notificationUrl=hub))).status_code == 201
    exchange.book(ADA, ORION, at(9), at(10))
    assert await deliver(exchange, hook) == []
    assert hook.asked == []
    sent = exchange.graph.subscriptions.notifier.sent
    assert [(url, body["changeType"].partition(":")[0]) for url, body in sent] == [
        (hub, "Validation"),
        (hub, "created"),
    ]


async def test_resource_data_is_encrypted_for_its_certificate(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, hook: Hook, at: At
) -> None:
    """The documented recipe opens it; the validation token is Change Tracking's, for this application."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "invented")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2040, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    rich = wanted(
        includeResourceData=True,
        encryptionCertificate=base64.b64encode(certificate.public_bytes(Encoding.DER)).decode(),
        encryptionCertificateId="c-1",
        resource=f"/users/{ORION}/events?$select=subject,start",
    )
    long = await graph.post("/subscriptions", json=rich | {"expirationDateTime": "2026-11-25T00:00:00Z"})
    assert "1440" in long.json()["error"]["message"]
    assert (await graph.post("/subscriptions", json=rich)).status_code == 201
    exchange.book(ADA, ORION, at(9), at(10))
    [told] = await deliver(exchange, hook)
    sealed = told["encryptedContent"]
    data = base64.b64decode(sealed["data"])
    oaep = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - Graph's recipe
    secret = key.decrypt(base64.b64decode(sealed["dataKey"]), oaep)
    assert base64.b64encode(hmac.new(secret, data, "sha256").digest()).decode() == sealed["dataSignature"]
    opener = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    plain = unpadder.update(opener.update(data) + opener.finalize()) + unpadder.finalize()
    assert json.loads(plain)["start"]["dateTime"] == "2026-11-23T09:00:00.0000000"
    [token] = hook.got[-1][1]["validationTokens"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["appid"], claims["aud"]) == (CHANGE_TRACKING, exchange.identity.client_id)
