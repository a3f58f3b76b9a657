"""`/simulator/...`: how people who run the simulator as a program steer it, with JSON over HTTP.

Not a part of Graph. Everything here is also an attribute of `ExchangeSimulator`, for those who have it in
their own process. `GET /simulator` lists what there is.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from gateway.core.units import Duration
from simulators.exchange.applications import Application, Certificate, Federated, Secret
from simulators.exchange.bookings import Bookings
from simulators.exchange.errors import ExchangeError, InvalidRequest, NotFound
from simulators.exchange.faults import PRESETS, Fault, FaultScript, Rule
from simulators.exchange.graph import Graph
from simulators.exchange.identity import Identity
from simulators.exchange.ids import guid
from simulators.exchange.mailbox import MailboxState, Processing
from simulators.exchange.places import RoomDetails
from simulators.exchange.times import graph_stamp_ms
from simulators.exchange.wire import Answer, Request

Json = dict[str, Any]

HELP: Final = {
    "GET /simulator": "this list, the names of ready-made faults, and the switches in force",
    "GET /simulator/faults": "the rules in force, with how often each has struck",
    "POST /simulator/faults": '{"preset": "throttled"} or {"fault": {"kind": "refuse", "status": 500}}, with '
    "method, path, skip, times (null: always), share and seed; or {latency_s}",
    "DELETE /simulator/faults": "everything works again",
    "GET /simulator/messages?to=ADDRESS": "what was mailed to somebody",
    "GET /simulator/requests": "what was asked for, counted by kind",
    "POST /simulator/people": "{address, name}: somebody who can organise meetings",
    "POST /simulator/mailboxes": "{address, state: ready|denied|not_enabled, processing: {...}, "
    "place: {...}, hidden: true|false}: a room's booking attendant, its place, or its mailbox itself",
    "POST /simulator/application": "{client_id, roles, exchange_roles, secret, certificate, federated, "
    "enabled, consented, blocked, secret_expired}: an app registration, made if it does not exist",
    "POST /simulator/tokens": '{"revoke": true} or {"challenge": true} or {"lifetime_s": 60}, or '
    '{"user": ADDRESS, "scopes": [...]} for a token of somebody who signed in',
    "POST /simulator/delta": '{"forget": true}: every delta token has expired',
    "POST /simulator/subscriptions": '{"id": ID, "lifecycle": "missed"}, {"lose": 3} or {"delay_ms": 60000}',
    "POST /simulator/limits": '{"max_in_flight": 4}, null for none',
    "POST /simulator/clock": '{"advance_ms": 600000}: time passes',
}


class _NewFault(msgspec.Struct, forbid_unknown_fields=True):
    preset: str = ""
    fault: Fault | None = None
    method: str = ""
    path: str = ""
    skip: int = 0
    times: int | None = 1
    share: float = 1.0
    seed: int = 0
    latency_s: float | None = None


class _Registration(msgspec.Struct, forbid_unknown_fields=True):
    client_id: str = ""
    roles: list[str] | None = None
    exchange_roles: dict[str, list[str] | None] | None = None
    secret: str = ""
    certificate: str = ""
    federated: dict[str, str] | None = None
    enabled: bool | None = None
    consented: bool | None = None
    blocked: bool | None = None
    secret_expired: bool | None = None


class _MailboxChange(msgspec.Struct, forbid_unknown_fields=True):
    address: str
    state: MailboxState | None = None
    processing: dict[str, Any] | None = None
    place: dict[str, Any] | None = None
    hidden: bool | None = None


class Control:
    """Answers requests below `/simulator`. `advance` moves the simulated time, where it can be moved."""

    def __init__(
        self,
        bookings: Bookings,
        identity: Identity,
        graph: Graph,
        faults: FaultScript,
        counts: Callable[[], Json],
        limit: Callable[[int | None], None],
        advance: Callable[[Duration], None] | None = None,
    ) -> None:
        self._bookings = bookings
        self._identity = identity
        self._graph = graph
        self._faults = faults
        self._counts = counts
        self._limit = limit
        self._advance = advance
        self._routes: Mapping[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", ""): lambda _: self._overview(),
            ("GET", "faults"): lambda _: self._rules(),
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "messages"): self._messages,
            ("GET", "requests"): lambda _: self._counts(),
            ("POST", "people"): self._person,
            ("POST", "mailboxes"): self._mailbox,
            ("POST", "application"): self._application,
            ("POST", "tokens"): self._tokens,
            ("POST", "delta"): self._forget_delta,
            ("POST", "subscriptions"): self._subscriptions,
            ("POST", "limits"): self._limits,
            ("POST", "clock"): self._clock,
        }

    def __call__(self, request: Request) -> Answer:
        """The answer; mistakes are 400 with `error` saying what and where."""
        name = request.path.removeprefix("/simulator").strip("/")
        route = self._routes.get((request.method, name))
        if route is None:
            known = sorted(HELP)
            return _json(404, {"error": f"there is no {request.method} {request.path}", "there is": known})
        try:
            return _json(200, route(request))
        except (ExchangeError, msgspec.ValidationError, ValueError, KeyError) as error:
            return _json(400, {"error": f"{request.method} {request.path}: {error}"})

    def _overview(self) -> Json:
        return {
            "routes": HELP,
            "presets": {name: msgspec.to_builtins(fault) for name, fault in PRESETS.items()},
            "variants": msgspec.to_builtins(self._graph.mailboxes.variants),
            "now": graph_stamp_ms(self._graph.mailboxes.now()),
        }

    # Faults

    def _rules(self) -> Json:
        return {"latency_s": self._faults.latency_s, "rules": [_shown(rule) for rule in self._faults.rules]}

    def _add_fault(self, request: Request) -> Json:
        given = msgspec.convert(request.json(), _NewFault)
        if given.latency_s is not None:
            self._faults.latency_s = given.latency_s
        if given.preset and given.preset not in PRESETS:
            raise ValueError(f"there is no preset {given.preset!r}; there are: {', '.join(PRESETS)}")
        fault = PRESETS[given.preset] if given.preset else given.fault
        if fault is not None:
            rest = {
                name: getattr(given, name) for name in ("method", "path", "skip", "times", "share", "seed")
            }
            self._faults.add(fault, **rest)
        elif given.latency_s is None:
            raise ValueError("give a preset, a fault or latency_s")
        return self._rules()

    def _clear_faults(self, _request: Request) -> Json:
        self._faults.clear()
        return self._rules()

    # People, rooms, mail

    def _messages(self, request: Request) -> Json:
        address = request.parameters().get("to", "")
        return {"messages": msgspec.to_builtins(self._bookings.messages_to(address))}

    def _person(self, request: Request) -> Json:
        body = request.json()
        box = self._bookings.mailboxes.add_person(str(body["address"]), str(body.get("name") or ""))
        return {"id": box.id, "address": box.address, "name": box.person.name}

    def _mailbox(self, request: Request) -> Json:
        given = msgspec.convert(request.json(), _MailboxChange)
        box = self._bookings.mailboxes.mailbox(given.address)
        places = self._graph.places
        if given.processing is not None:
            box.processing = _changed(box.processing, given.processing, Processing)
        if given.place is not None:
            places.details[box.id] = _changed(places.details[box.id], given.place, RoomDetails)
        if given.state is not None:
            box.state = given.state
        if given.hidden is not None:
            (places.hidden.add if given.hidden else places.hidden.discard)(box.address.casefold())
        return {"address": box.address, "state": box.state, "processing": msgspec.to_builtins(box.processing)}

    # Identity

    def _application(self, request: Request) -> Json:
        given = msgspec.convert(request.json(), _Registration)
        client_id = given.client_id or self._identity.client_id
        application = self._identity.applications.get(client_id.lower()) or self._identity.register(
            Application(client_id, object_id=guid("service principal", client_id))
        )
        if given.roles is not None:
            application.roles = frozenset(given.roles)
        if given.exchange_roles is not None:
            application.exchange_roles = {
                role: None if scope is None else frozenset(one.casefold() for one in scope)
                for role, scope in given.exchange_roles.items()
            }
        if given.secret:
            application.secrets.append(Secret(given.secret))
        if given.certificate:
            application.certificates.append(Certificate.from_pem(given.certificate))
        if given.federated is not None:
            one = given.federated
            application.federated.append(Federated.from_pem(one["issuer"], one["subject"], one["public_key"]))
        for name in ("enabled", "consented", "blocked"):
            if getattr(given, name) is not None:
                setattr(application, name, getattr(given, name))
        if given.secret_expired is not None:
            self._identity.secret_expired = given.secret_expired
        return {"client_id": client_id, "roles": sorted(application.roles)}

    def _tokens(self, request: Request) -> Json:
        body = request.json()
        if body.get("revoke") or body.get("challenge"):
            self._identity.revoke_all(challenge=bool(body.get("challenge")))
        if "lifetime_s" in body:
            self._identity.token_lifetime_s = int(body["lifetime_s"])
        if "user" in body:
            token = self._identity.issue_delegated_token(
                str(body["user"]), *map(str, body.get("scopes") or ())
            )
            return {"access_token": token}
        return {"lifetime_s": self._identity.token_lifetime_s}

    # The rest

    def _forget_delta(self, _request: Request) -> Json:
        self._graph.delta.forget()
        return {"forgotten": True}

    def _subscriptions(self, request: Request) -> Json:
        body, subscriptions = request.json(), self._graph.subscriptions
        if "lifecycle" in body:
            subscriptions.lifecycle(str(body.get("id")), str(body["lifecycle"]))
        if "lose" in body:
            subscriptions.notifier.lose = int(body["lose"])
        if "delay_ms" in body:
            subscriptions.notifier.delay_ms = int(body["delay_ms"])
        return {"active": [one.id for one in subscriptions.active()]}

    def _limits(self, request: Request) -> Json:
        most = request.json().get("max_in_flight")
        if most is not None and (not isinstance(most, int) or most < 1):
            raise InvalidRequest("max_in_flight is a number from 1 on, or null.")
        self._limit(most)
        return {"max_in_flight": most}

    def _clock(self, request: Request) -> Json:
        if self._advance is None:
            raise NotFound("", "the time cannot be moved here")
        by_ms = int(request.json()["advance_ms"])
        if by_ms < 0:
            raise InvalidRequest("Time does not run backwards.")
        self._advance(by_ms)
        self._graph.mailboxes.settle()
        return {"now": graph_stamp_ms(self._graph.mailboxes.now())}


def _changed(before: msgspec.Struct, changes: Json, kind: type) -> Any:
    return msgspec.convert({**msgspec.to_builtins(before), **changes}, kind)


def _shown(rule: Rule) -> Json:
    shown: Json = msgspec.to_builtins(rule)
    return shown


def _json(status: int, body: object) -> Answer:
    return Answer(status, msgspec.json.encode(body), {"content-type": "application/json"})
