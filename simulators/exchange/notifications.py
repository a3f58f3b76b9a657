"""What subscribers are sent: changes, lifecycle events, and encrypted content.

Notifications go to one address in batches; a delivery that fails is tried again, less and less often, for
four hours of the simulated time, as Graph does, and is then lost.
"""

import asyncio
import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.core.units import HOUR_MS, SECOND_MS, Duration, Instant
from simulators.exchange.ids import changeable_id, guid
from simulators.exchange.items import CalendarItem
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.render import Json, render
from simulators.exchange.signing import signed
from simulators.exchange.times import graph_datetime

CHANGE_TRACKING: Final = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""The application id that validation tokens are issued to (Graph's page on resource data)."""

RETRIED_FOR_MS: Final[Duration] = 4 * HOUR_MS
FIRST_RETRY_MS: Final[Duration] = 10 * SECOND_MS
MOST_AT_ONCE: Final = 20
REMEMBERED: Final = 10_000
"""Notifications; older ones are forgotten."""

ANSWER_S: Final = 10.0
_OK: Final = range(200, 300)
_KEY_BYTES: Final = 32


class Reply(msgspec.Struct, frozen=True):
    """A subscriber's answer. `status` 0: there was none."""

    status: int
    content_type: str = ""
    body: bytes = b""


Sender = Callable[[str, bytes, Mapping[str, str]], Awaitable[Reply]]
"""Posts a body with headers to an address."""


class HttpSender:
    """Posts over HTTP. Certificates are not checked: subscribers under test make their own."""

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The answer; a connection that fails is an answer with status 0."""
        try:
            async with httpx.AsyncClient(verify=False, timeout=ANSWER_S, trust_env=False) as client:  # noqa: S501 - see above
                answer = await client.post(url, content=body, headers=dict(headers))
        except httpx.HTTPError:
            return Reply(0)
        return Reply(answer.status_code, answer.headers.get("content-type", ""), answer.content)


class Subscription(msgspec.Struct):
    """One subscription. `mailbox`: the id of the mailbox whose events it is about."""

    id: str
    resource: str
    mailbox: str
    application_id: str
    creator_id: str
    changes: frozenset[str]
    change_type: str
    url: str
    lifecycle_url: str | None
    client_state: str | None
    expires_ms: Instant
    immutable: bool
    rich: bool = False
    certificate: str | None = None
    certificate_id: str | None = None
    paused: bool = False
    """It waits for the application to reauthorize it."""


class Delivery(msgspec.Struct):
    """One notification on its way."""

    url: str
    body: Json
    due_ms: Instant
    given_up_ms: Instant
    wait_ms: Duration = FIRST_RETRY_MS
    audience: str = ""
    """The application that encrypted content is for; empty for basic notifications."""


class Notifier:
    """Turns changes into notifications and sends them. Everything is settable from a test.

    `delay_ms`: how late notifications are. `lose`: so many of the next are lost, and told as `missed`.
    `wake` is set whenever something is to be sent.
    """

    def __init__(
        self, mailboxes: Mailboxes, tenant_id: str, active: Callable[[], list[Subscription]]
    ) -> None:
        self._mailboxes = mailboxes
        self._tenant_id = tenant_id
        self._active = active
        self._listening = False
        self._encrypted = 0
        self.pending: list[Delivery] = []
        self.sent: deque[tuple[str, Json]] = deque(maxlen=REMEMBERED)
        """What arrived last, with its address: also what went to Event Hubs and Event Grid."""
        self.delay_ms: Duration = 0
        self.lose = 0
        self.wake: asyncio.Event | None = None

    def listen(self) -> None:
        """Begin to watch the mailboxes; until somebody subscribes that would be a waste."""
        if not self._listening:
            self._listening = True
            self._mailboxes.listen(self._changed)

    # What is to be told

    def _changed(self, box: Mailbox, kind: str, item: CalendarItem) -> None:
        for one in self._active():
            if one.mailbox != box.id or kind not in one.changes or one.paused:
                continue
            if self.lose > 0:
                self.lose -= 1
                self.tell_lifecycle(one, "missed")
                continue
            self._queue(one, one.url, self._change(one, box, kind, item))

    def tell_lifecycle(self, one: Subscription, event: str) -> None:
        """Tell the lifecycle address, if there is one."""
        if one.lifecycle_url:
            self._queue(one, one.lifecycle_url, {**self._head(one, "Z"), "lifecycleEvent": event})

    def tell_hub(self, one: Subscription) -> None:
        """An Event Hub gets a message to be ignored, in place of a handshake (Graph's page on Event Hubs)."""
        if one.url.startswith("EventHub:"):
            names = (
                "subscriptionId",
                "subscriptionExpirationDateTime",
                "clientState",
                "changeType",
                "resource",
            )
            told: Json = dict.fromkeys(names, "NA")
            told["changeType"] = (
                "Validation: Testing client application reachability for subscription "
                f"Request-Id: {guid('hub', one.id)}"
            )
            told["resourceData"] = dict.fromkeys(("@odata.type", "@odata.id", "id"), "NA")
            self._queue(one, one.url, told)

    def _head(self, one: Subscription, offset: str) -> Json:
        return {
            "subscriptionId": one.id,
            "subscriptionExpirationDateTime": graph_datetime(one.expires_ms) + offset,
            "tenantId": self._tenant_id,
            "clientState": one.client_state,
        }

    def _change(self, one: Subscription, box: Mailbox, kind: str, item: CalendarItem) -> Json:
        event_id = item.id if one.immutable else changeable_id(item.id)
        where = f"Users/{box.id}/Events/{event_id}"
        data = {
            "@odata.type": "#Microsoft.Graph.Event",
            "@odata.id": where,
            "@odata.etag": f'W/"{item.change_key}"',
            "id": event_id,
        }
        told = {**self._head(one, "+00:00"), "changeType": kind, "resource": where, "resourceData": data}
        if one.rich and kind != "deleted":
            told["encryptedContent"] = self._encrypt(one, render(item, "UTC", immutable=one.immutable))
        return told

    def _queue(self, one: Subscription, url: str, body: Json) -> None:
        now = self._mailboxes.now()
        audience = one.application_id if "encryptedContent" in body else ""
        self.pending.append(Delivery(url, body, now + self.delay_ms, now + RETRIED_FOR_MS, audience=audience))
        if self.wake is not None:
            self.wake.set()

    # Sending

    async def deliver(self, sender: Sender) -> int:
        """Send what is due, in batches by address; return how many notifications arrived."""
        now, arrived = self._mailboxes.now(), 0
        due = [one for one in self.pending if one.due_ms <= now]
        self.pending = [one for one in self.pending if one.due_ms > now]
        by_url: dict[str, list[Delivery]] = {}
        for one in due:
            by_url.setdefault(one.url, []).append(one)
        for url, together in by_url.items():
            for at in range(0, len(together), MOST_AT_ONCE):
                batch = together[at : at + MOST_AT_ONCE]
                if await self._post(url, batch, sender):
                    arrived += len(batch)
                    self.sent.extend((url, one.body) for one in batch)
                else:
                    self._again(batch, now)
        return arrived

    async def _post(self, url: str, batch: list[Delivery], sender: Sender) -> bool:
        if url.startswith(("EventHub:", "EventGrid:")):
            return True  # kept in `sent`: there is no hub to send it to
        body: dict[str, Any] = {"value": [one.body for one in batch]}
        audiences = {one.audience: None for one in batch if one.audience}
        if audiences:
            body["validationTokens"] = [self._validation_token(audience) for audience in audiences]
        reply = await sender(url, msgspec.json.encode(body), {"content-type": "application/json"})
        return reply.status in _OK

    def _again(self, batch: list[Delivery], now: Instant) -> None:
        for one in batch:
            if now + one.wait_ms <= one.given_up_ms:
                one.due_ms, one.wait_ms = now + one.wait_ms, one.wait_ms * 2
                self.pending.append(one)

    async def run(self, sender: Sender, poll_s: float = 0.25) -> None:
        """Send until cancelled."""
        self.wake = asyncio.Event()
        while True:
            await self.deliver(sender)
            self.wake.clear()
            try:
                await asyncio.wait_for(self.wake.wait(), poll_s if self.pending else None)
            except TimeoutError:
                continue  # something that was late may be due now

    # Resource data

    def _validation_token(self, audience: str) -> str:
        now_s = self._mailboxes.now() // 1_000
        issuer = f"https://sts.windows.net/{self._tenant_id}/"
        claims = {
            "aud": audience,
            "iss": issuer,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + 29_100,
            "aio": "invented",
            "appid": CHANGE_TRACKING,
            "appidacr": "2",
            "idp": issuer,
            "tid": self._tenant_id,
            "uti": guid("validation token", audience, now_s),
            "ver": "1.0",
        }
        return signed(claims)

    def _encrypt(self, one: Subscription, resource: Json) -> Json:
        """AES-CBC under a key of its own, which RSA-OAEP protects, and a signature (Graph's recipe)."""
        found = certificate_key(one.certificate or "")
        if found is None:
            raise AssertionError("the certificate was checked at the subscription")
        key, thumbprint = found
        self._encrypted += 1
        secret = hashlib.blake2b(f"{one.id}/{self._encrypted}".encode(), digest_size=_KEY_BYTES).digest()
        padder = padding.PKCS7(128).padder()
        plain = padder.update(msgspec.json.encode(resource)) + padder.finalize()
        cipher = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).encryptor()
        data = cipher.update(plain) + cipher.finalize()
        oaep = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - Graph's choice
        return {
            "data": base64.b64encode(data).decode(),
            "dataKey": base64.b64encode(key.encrypt(secret, oaep)).decode(),
            "dataSignature": base64.b64encode(hmac.new(secret, data, "sha256").digest()).decode(),
            "encryptionCertificateId": one.certificate_id,
            "encryptionCertificateThumbprint": thumbprint,
        }


def certificate_key(text: str) -> tuple[rsa.RSAPublicKey, str] | None:
    """The RSA key and the thumbprint of a base64-encoded certificate; None for anything else."""
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
        pem = raw.startswith(b"-----BEGIN")
        found = x509.load_pem_x509_certificate(raw) if pem else x509.load_der_x509_certificate(raw)
    except ValueError:
        return None
    key = found.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    der = found.public_bytes(serialization.Encoding.DER)
    return key, hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()
