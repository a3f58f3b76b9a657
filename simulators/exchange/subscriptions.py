"""Change notifications: subscriptions to the events of a mailbox, their lifetime and their handshake.

learn.microsoft.com/graph/api/resources/subscription, its lifetime table and its page on delivery through
webhooks. What is sent to whom is in `simulators.exchange.notifications`.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from gateway.core.units import MINUTE_MS, Duration, Instant
from simulators.exchange.calls import Call, Route
from simulators.exchange.errors import AccessDenied, AlreadyThere, InvalidRequest, NotFound
from simulators.exchange.ids import guid
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.notifications import Notifier, Reply, Sender, Subscription, certificate_key
from simulators.exchange.render import Json
from simulators.exchange.times import graph_datetime, to_instant
from simulators.exchange.wire import Answer

LONGEST_MIN: Final = 10_080
LONGEST_RICH_MIN: Final = 1_440
SHORTEST_MIN: Final = 45
"""Shorter ones are made so long."""

MOST_PER_MAILBOX: Final = 1_000
_MOST_STATE: Final = 128
_CHANGES: Final = frozenset({"created", "updated", "deleted"})
_RESOURCE: Final = re.compile(
    r"/?users/(?P<user>[^/?]+)/(?:calendar/|calendars/[^/?]+/)?events(?P<query>\?.*)?", re.IGNORECASE
)
_ELSEWHERE: Final = ("EventHub:", "EventGrid:")
"""Destinations without a handshake."""

_FIELDS: Final = frozenset(
    {
        "changeType",
        "notificationUrl",
        "lifecycleNotificationUrl",
        "resource",
        "expirationDateTime",
        "clientState",
        "includeResourceData",
        "encryptionCertificate",
        "encryptionCertificateId",
        "latestSupportedTlsVersion",
        "notificationUrlAppId",
        "notificationQueryOptions",
        "notificationContentType",
        "applicationId",
        "creatorId",
        "id",
    }
)


class Subscriptions:
    """The routes about subscriptions. `notifier` sends what they cause."""

    def __init__(self, mailboxes: Mailboxes, tenant_id: str) -> None:
        self._mailboxes = mailboxes
        self._active: dict[str, Subscription] = {}
        self._count = 0
        self.trusting = False
        """Settable: create without the handshake, for callers that have no event loop to wait in."""
        self.notifier = Notifier(mailboxes, tenant_id, self.active)

    def routes(self) -> dict[str, Route]:
        """Each by its name in `simulators.exchange.routes`."""
        return {
            "GET subscriptions": self.listing,
            "POST subscriptions": self.create,
            "GET subscription": self.one,
            "PATCH subscription": self.renew,
            "DELETE subscription": self.delete,
            "POST reauthorize": self.reauthorize,
        }

    def active(self) -> list[Subscription]:
        """Those that have not expired, oldest first."""
        now = self._mailboxes.now()
        self._active = {key: one for key, one in self._active.items() if one.expires_ms > now}
        return list(self._active.values())

    # Creation

    def create(self, call: Call) -> Answer:
        """Without a handshake, where none is due or `trusting`."""
        made = self._prepare(call)
        if not self.trusting and any(True for _ in _handshakes(made)):
            raise _not_validated("The endpoint was not asked.")
        return self._enter(call, made)

    async def create_with_handshake(self, call: Call, sender: Sender) -> Answer:
        """Ask each address for its token first; both are asked, even where they are equal."""
        made = self._prepare(call)
        for url in _handshakes(made):
            token = f"Validation: Testing client application reachability for subscription {made.id}"
            mark = "&" if "?" in url else "?"
            reply = await sender(
                f"{url}{mark}validationToken={quote(token)}", b"", {"content-type": "text/plain"}
            )
            _check_reply(reply, token)
        return self._enter(call, made)

    def _enter(self, call: Call, made: Subscription) -> Answer:
        self.notifier.listen()
        self._active[made.id] = made
        self.notifier.tell_hub(made)
        return call.answer({"@odata.context": call.context("subscriptions/$entity"), **_shown(made)}, 201)

    def _prepare(self, call: Call) -> Subscription:
        body = call.request.json()
        unknown = {name for name in body if not name.startswith("@odata.")} - _FIELDS
        if unknown:
            raise _invalid(
                f"The property '{min(unknown)}' does not exist on type 'microsoft.graph.subscription'."
            )
        for name in ("changeType", "notificationUrl", "resource", "expirationDateTime"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise _invalid(f"The property '{name}' is required.")
        changes = frozenset(part.strip().lower() for part in body["changeType"].split(","))
        if not changes <= _CHANGES:
            raise _invalid(f"The changeType '{body['changeType']}' is not valid.")
        state = body.get("clientState")
        if state is not None and (not isinstance(state, str) or len(state) > _MOST_STATE):
            raise _invalid(f"clientState may have at most {_MOST_STATE} characters.")
        mailbox, query = self._mailbox_of(body["resource"])
        rich = bool(body.get("includeResourceData"))
        if rich:
            _check_rich(body, query)
        for name in ("notificationUrl", "lifecycleNotificationUrl"):
            _check_url(name, body.get(name))
        self._check_room(mailbox, changes, body, call)
        self._count += 1
        application = call.caller.application
        return Subscription(
            id=guid("subscription", mailbox, self._count),
            resource=body["resource"],
            mailbox=mailbox,
            application_id=application.client_id,
            creator_id=application.object_id,
            changes=changes,
            change_type=body["changeType"],
            url=body["notificationUrl"],
            lifecycle_url=body.get("lifecycleNotificationUrl"),
            client_state=state,
            expires_ms=self._expiry(body["expirationDateTime"], LONGEST_RICH_MIN if rich else LONGEST_MIN),
            immutable=call.preferences.immutable,
            rich=rich,
            certificate=body.get("encryptionCertificate"),
            certificate_id=body.get("encryptionCertificateId"),
        )

    def _mailbox_of(self, resource: str) -> tuple[str, str]:
        found = _RESOURCE.fullmatch(resource)
        if found is None:
            raise _invalid(f"Resource '{resource}' is not supported by the simulator: it has users/x/events.")
        return self._mailboxes.mailbox(found["user"]).id, found["query"] or ""

    def _check_room(self, mailbox: str, changes: frozenset[str], body: Json, call: Call) -> None:
        application = call.caller.application.client_id
        alike = [one for one in self.active() if one.mailbox == mailbox]
        for one in alike:
            if (one.application_id, one.changes, one.url) == (application, changes, body["notificationUrl"]):
                raise AlreadyThere(
                    "Conflict", f"Subscription Id {one.id} already exists for the requested combination"
                )
        if len(alike) >= MOST_PER_MAILBOX:
            raise AccessDenied(
                f"Operation: Create; Exception: the limit of {MOST_PER_MAILBOX} subscriptions is reached.",
                "ExtensionError",
            )

    def _expiry(self, text: Any, longest_min: int) -> Instant:
        try:
            moment = datetime.fromisoformat(str(text))
        except ValueError as error:
            raise _invalid(f"The expirationDateTime '{text}' is no time.") from error
        if moment.tzinfo is None:
            raise _invalid(f"The expirationDateTime '{text}' has no offset.")
        now, wanted = self._mailboxes.now(), to_instant(moment)
        longest: Duration = longest_min * MINUTE_MS
        if wanted <= now or wanted > now + longest:
            raise _invalid(f"Subscription expiration can only be {longest_min} minutes in the future.")
        return max(wanted, now + SHORTEST_MIN * MINUTE_MS)

    # The rest of its life

    def listing(self, call: Call) -> Answer:
        """The application's own."""
        mine = [_shown(one) for one in self.active() if self._is_callers(call, one)]
        return call.answer({"@odata.context": call.context("subscriptions"), "value": mine})

    def one(self, call: Call) -> Answer:
        """One of them."""
        found = self._find(call)
        return call.answer({"@odata.context": call.context("subscriptions/$entity"), **_shown(found)})

    def renew(self, call: Call) -> Answer:
        """Move the expiry, which also reauthorizes. Nothing else can be changed later but the address."""
        found, body = self._find(call), call.request.json()
        unknown = set(body) - {"expirationDateTime", "notificationUrl", "id"}
        if unknown:
            raise _invalid(f"The property '{min(unknown)}' cannot be updated.")
        if "expirationDateTime" in body:
            longest = LONGEST_RICH_MIN if found.rich else LONGEST_MIN
            found.expires_ms = self._expiry(body["expirationDateTime"], longest)
        if "notificationUrl" in body:
            _check_url("notificationUrl", body["notificationUrl"])
            found.url = str(body["notificationUrl"])
        found.paused = False
        return self.one(call)

    def reauthorize(self, call: Call) -> Answer:
        """Go on after a reauthorizationRequired."""
        self._find(call).paused = False
        return Answer(202)

    def delete(self, call: Call) -> Answer:
        """End it."""
        found = self._find(call)
        del self._active[found.id]
        return Answer(204)

    def lifecycle(self, subscription_id: str, event: str) -> None:
        """Let `missed`, `reauthorizationRequired` or `subscriptionRemoved` happen. Raises `NotFound`."""
        found = self._active.get(subscription_id)
        if found is None:
            raise _no_subscription(subscription_id)
        if event == "subscriptionRemoved":
            del self._active[found.id]
        elif event == "reauthorizationRequired":
            found.paused = True
        elif event != "missed":
            raise _invalid(f"There is no lifecycle event '{event}'.")
        self.notifier.tell_lifecycle(found, event)

    def _find(self, call: Call) -> Subscription:
        found = {one.id: one for one in self.active()}.get(call.target.event_id)
        if found is None or not self._is_callers(call, found):
            raise _no_subscription(call.target.event_id)
        return found

    def _is_callers(self, call: Call, one: Subscription) -> bool:
        return one.application_id == call.caller.application.client_id


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, "InvalidRequest")


def _no_subscription(subscription_id: str) -> NotFound:
    return NotFound("ResourceNotFound", f"The object was not found: subscription '{subscription_id}'.")


def _not_validated(why: str) -> InvalidRequest:
    return InvalidRequest(
        "Subscription validation request failed. Notification endpoint must respond with 200 OK to "
        f"validation request. {why}",
        "ValidationError",
    )


def _check_reply(reply: Reply, token: str) -> None:
    if reply.status != 200:  # noqa: PLR2004 - "OK" is the number's name
        raise _not_validated(f"It responded with {reply.status or 'nothing'}.")
    if not reply.content_type.startswith("text/plain") or reply.body.decode("utf-8", "replace") != token:
        raise _not_validated("The response must be the decoded validation token as text/plain.")


def _check_url(name: str, url: Any) -> None:
    if url is None and name != "notificationUrl":
        return
    if isinstance(url, str) and url.startswith(_ELSEWHERE):
        return
    parts = urlsplit(url) if isinstance(url, str) else None
    loopback = parts is not None and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if (
        parts is None
        or not parts.hostname
        or (parts.scheme != "https" and not (parts.scheme == "http" and loopback))
    ):
        raise _invalid(f"The {name} must be an https address (plain http is taken on the loopback only).")


def _check_rich(body: Json, query: str) -> None:
    """Rich notifications need a certificate and a selection (Graph's page on Outlook notifications)."""
    if not body.get("encryptionCertificate") or not body.get("encryptionCertificateId"):
        raise _invalid("encryptionCertificate and encryptionCertificateId are required for resource data.")
    if "$select=" not in query:
        raise _invalid("Notifications with resource data need a $select in their resource.")
    if certificate_key(str(body["encryptionCertificate"])) is None:
        raise _invalid("The encryptionCertificate is not a base64-encoded X.509 certificate with an RSA key.")


def _handshakes(made: Subscription) -> Iterator[str]:
    for url in (made.url, made.lifecycle_url):
        if url and not url.startswith(_ELSEWHERE):
            yield url


def _shown(one: Subscription) -> Json:
    return {
        "id": one.id,
        "resource": one.resource,
        "applicationId": one.application_id,
        "changeType": one.change_type,
        "clientState": one.client_state,
        "notificationUrl": one.url,
        "notificationQueryOptions": None,
        "notificationContentType": None,
        "lifecycleNotificationUrl": one.lifecycle_url,
        "expirationDateTime": graph_datetime(one.expires_ms) + "Z",
        "creatorId": one.creator_id,
        "includeResourceData": one.rich or None,
        "latestSupportedTlsVersion": "v1_2",
        "encryptionCertificate": one.certificate,
        "encryptionCertificateId": one.certificate_id,
        "notificationUrlAppId": None,
    }
