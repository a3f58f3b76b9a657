"""Entra's part: discovery for msal, tokens for secrets and assertions, and the check of bearer tokens.

Token lifetimes run on the wall clock, as msal's cache does; nothing about calendars depends on it.
"""

import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from simulators.exchange.applications import Application, Secret
from simulators.exchange.assertions import ASSERTION_TYPE, check_assertion
from simulators.exchange.errors import InvalidToken
from simulators.exchange.ids import guid
from simulators.exchange.refusals import TokenRefusedError, shown
from simulators.exchange.signing import key_set, signed, unsigned_claims
from simulators.exchange.wire import Answer, Request

GRAPH: Final = "https://graph.microsoft.com"
GRAPH_APP_ID: Final = "00000003-0000-0000-c000-000000000000"
_SHARED_AUTHORITIES: Final = frozenset({"organizations", "common", "consumers"})
_INSTANCES: Final = "/common/discovery/instance"
_ROUTES: Final[dict[tuple[str, ...], str]] = {
    ("v2.0", ".well-known", "openid-configuration"): "openid-configuration",
    (".well-known", "openid-configuration"): "openid-configuration",
    ("oauth2", "v2.0", "token"): "token",
    ("oauth2", "token"): "token",
    ("discovery", "v2.0", "keys"): "keys",
    ("discovery", "keys"): "keys",
}


class Caller(msgspec.Struct, frozen=True):
    """Who a bearer token stands for, and what it may do."""

    application: Application
    roles: frozenset[str]
    scopes: frozenset[str] = frozenset()
    """Delegated permissions; empty in an application's own token."""
    user: str = ""
    """Who signed in, for a delegated token."""

    def may(self, permissions: frozenset[str], mailbox: str = "") -> bool:
        """Whether any of these permissions is held, for this mailbox (an address) where one is meant."""
        if not permissions.isdisjoint(self.roles) or not permissions.isdisjoint(self.scopes):
            return True
        for role, scope in self.application.exchange_roles.items() if mailbox else ():
            if role in permissions and (scope is None or mailbox.casefold() in scope):
                return True
        return False


class _Issued(msgspec.Struct, frozen=True):
    caller: Caller
    expires_s: float
    issued_s: float
    capable: bool
    """The client understands claims challenges (`xms_cc` holds cp1)."""


class Identity:
    """One tenant and its app registrations; the first is made from the arguments."""

    def __init__(
        self,
        *,
        tenant_id: str,
        client_id: str,
        client_secret: str,
        token_lifetime_s: int,
        wall_clock: Callable[[], float],
    ) -> None:
        self.tenant_id = tenant_id
        self.client_id = client_id
        self.client_secret = client_secret
        self.token_lifetime_s = token_lifetime_s
        """Settable; holds for tokens issued from then on."""
        self.secret_expired = False
        """Settable: the right secret is refused as expired."""
        self.application = Application(
            client_id, object_id=guid("service principal", client_id), secrets=(Secret(client_secret),)
        )
        self.applications: dict[str, Application] = {client_id.lower(): self.application}
        self._wall_clock = wall_clock
        self._tokens: dict[str, _Issued] = {}
        self._asked_again_s = 0.0
        self._count = 0

    def register(self, application: Application) -> Application:
        """Add an app registration to the tenant."""
        self.applications[application.client_id.lower()] = application
        return application

    # Endpoints

    @staticmethod
    def route(request: Request) -> str | None:
        """The name of the endpoint, or None if the request is not for the identity service."""
        path = request.path
        if path.startswith(("/v1.0/", "/beta/")):
            return None
        if path == _INSTANCES:
            return "instances"
        return _ROUTES.get(tuple(path.strip("/").split("/")[1:]))

    def answer(self, request: Request) -> Answer:
        """The answer of the endpoint that `route` names."""
        route = self.route(request)
        self._count += 1
        try:
            if route == "instances":
                return _json(200, self._instances(request.origin))
            tenant = request.path.strip("/").split("/")[0].lower()
            self._check_tenant(tenant, route)
            if route == "token":
                return self._token(request, tenant)
            issuer = f"{request.origin}/{'{tenantid}' if tenant in _SHARED_AUTHORITIES else tenant}/v2.0"
            if route == "keys":
                return _json(200, key_set(issuer))
            return _json(200, self._configuration(request.origin, tenant, issuer))
        except TokenRefusedError as refused:
            correlation = request.headers.get("client-request-id", "")
            return shown(refused, now_s=self._wall_clock(), correlation_id=correlation, count=self._count)

    def _check_tenant(self, tenant: str, route: str | None) -> None:
        if tenant in _SHARED_AUTHORITIES | {self.tenant_id.lower()}:
            return
        error = "" if route == "token" else "invalid_tenant"
        raise TokenRefusedError(
            90002,
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing "
            "into the correct cloud.",
            error=error,
        )

    # Bearer tokens

    def revoke_all(self, *, challenge: bool = False) -> None:
        """Every token issued so far is refused from now on.

        With `challenge` as continuous access evaluation does it: a client that declared cp1 is told by
        which claims to get a new token (learn.microsoft.com/entra/identity-platform/claims-challenge).
        """
        if challenge:
            self._asked_again_s = self._wall_clock()
            old = self._tokens.items()
            self._tokens = {
                token: msgspec.structs.replace(one, issued_s=min(one.issued_s, self._asked_again_s - 1))
                for token, one in old
            }
        else:
            self._tokens.clear()

    def check(self, request: Request) -> Caller:
        """Who asks. Raises `InvalidToken` unless the token was issued here and still holds."""
        token = request.headers.get("authorization", "")
        found = self._tokens.get(token[7:]) if token[:7] in ("Bearer ", "bearer ") else None
        if found is None:
            raise _unknown_token(token, self._wall_clock())
        if self._wall_clock() >= found.expires_s:
            raise InvalidToken("Lifetime validation failed, the token is expired.")
        if found.issued_s < self._asked_again_s:
            raise self._challenge(found)
        return found.caller

    def _challenge(self, found: _Issued) -> InvalidToken:
        words = (
            "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: "
        )
        refused = InvalidToken(f"{words}TokenIssuedBeforeRevocationTimestamp")
        if found.capable:
            claims = {"access_token": {"nbf": {"essential": True, "value": str(int(self._asked_again_s))}}}
            refused.headers = {
                "www-authenticate": 'Bearer realm="", '
                'authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
                f'client_id="{GRAPH_APP_ID}", error="insufficient_claims", '
                f'claims="{b64encode(json.dumps(claims, separators=(",", ":")).encode()).decode()}"'
            }
        return refused

    def issue_token(self) -> str:
        """A valid token without asking for it, for worlds in one process.

        It has the claims and the form of one from the endpoint, with all of the application's roles, and a
        mere checksum for a signature: signing takes a millisecond, and worlds ask often.
        """
        claims = self._claims(self.application, frozenset(), "")
        head = ".".join(_part(part) for part in ({"typ": "JWT", "alg": "RS256"}, claims))
        token = f"{head}.{urlsafe_b64encode(blake2b(head.encode()).digest()).decode().rstrip('=')}"
        return self._keep(token, Caller(self.application, self.application.roles), capable=True)

    def issue_delegated_token(self, user: str, *scopes: str) -> str:
        """A token of somebody who signed in (sign-in itself is not simulated), with these scopes."""
        claims = self._claims(self.application, frozenset(scopes), user)
        caller = Caller(self.application, frozenset(), frozenset(scopes), user)
        return self._keep(signed(claims), caller, capable=True)

    def _keep(self, token: str, caller: Caller, *, capable: bool) -> str:
        now = self._wall_clock()
        self._tokens = {token: one for token, one in self._tokens.items() if one.expires_s > now}
        self._tokens[token] = _Issued(caller, now + self.token_lifetime_s, now, capable)
        return token

    def _claims(
        self,
        application: Application,
        scopes: frozenset[str],
        user: str,
        more: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        now = int(self._wall_clock())
        self._count += 1
        issuer = f"https://sts.windows.net/{self.tenant_id}/"
        kind: dict[str, Any] = {"idtyp": "app", "roles": sorted(application.roles)}
        if not application.roles:
            del kind["roles"]  # Entra leaves the claim out
        if user:
            kind = {"idtyp": "user", "scp": " ".join(sorted(scopes)), "upn": user}
        return {
            "aud": GRAPH,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + self.token_lifetime_s,
            "app_displayname": "Occupancy gateway",
            "appid": application.client_id,
            "appidacr": "1",
            "idp": issuer,
            "oid": application.object_id,
            "sub": application.object_id,
            "tid": self.tenant_id,
            "uti": str(self._count),
            "ver": "1.0",
            **kind,
            **(more or {}),
        }

    # The token endpoint

    def _token(self, request: Request, tenant: str) -> Answer:
        if request.method != "POST":
            raise TokenRefusedError(
                900561, f"The endpoint only accepts POST requests. Received a {request.method} request."
            )
        form = _form(request)
        if "grant_type" not in form:
            raise TokenRefusedError(
                900144, "The request body must contain the following parameter: 'grant_type'."
            )
        if form["grant_type"] != "client_credentials":
            raise TokenRefusedError(70003, "The app requested an unsupported grant type.")
        application = self._application(form)
        self._prove(form, application, request, tenant)
        if application.blocked:
            raise TokenRefusedError(53003, "Access has been blocked by Conditional Access policies.")
        _check_scope(form, request.origin)
        asked = _claims_asked(form)
        capable = any(str(value).lower() == "cp1" for value in asked.get("xms_cc", {}).get("values", ()))
        more = {"xms_cc": ["cp1"]} if capable else {}
        token = signed(self._claims(application, frozenset(), "", more))
        self._keep(token, Caller(application, application.roles), capable=capable)
        lifetime = self.token_lifetime_s
        body = {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": token,
        }
        return _json(200, body)

    def _application(self, form: Mapping[str, str]) -> Application:
        client_id = form.get("client_id", "")
        if not client_id:
            raise TokenRefusedError(
                900144, "The request body must contain the following parameter: 'client_id'."
            )
        found = self.applications.get(client_id.lower())
        if found is None:
            raise TokenRefusedError(
                700016,
                f"Application with identifier '{client_id}' was not found in the directory "
                f"'{self.tenant_id}'. This can happen if the application has not been installed by the "
                "administrator of the tenant.",
            )
        if not found.enabled:
            raise TokenRefusedError(7000112, f"Application '{client_id}' is disabled.")
        if not found.consented:
            raise TokenRefusedError(
                7000229,
                f"The client application '{client_id}' is missing service principal in the tenant "
                f"{self.tenant_id}.",
            )
        return found

    def _prove(
        self, form: Mapping[str, str], application: Application, request: Request, tenant: str
    ) -> None:
        now = self._wall_clock()
        if "client_assertion" in form:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise TokenRefusedError(
                    900144, "The request body must contain the following parameter: 'client_assertion_type'."
                )
            base = f"{request.origin}/{tenant}"
            audiences = (
                f"{base}/oauth2/v2.0/token",
                f"{base}/oauth2/token",
                f"{base}/v2.0",
                f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
            )
            check_assertion(form["client_assertion"], application, audiences, now)
            return
        if "client_secret" not in form:
            raise TokenRefusedError(
                7000216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' "
                "grant type.",
            )
        known = [one for one in application.secrets if one.value == form["client_secret"]]
        if not known:
            raise TokenRefusedError(
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the "
                "client secret value, not the client secret ID, for a secret added to app "
                f"'{application.client_id}'.",
            )
        expired = known[0].expires_s is not None and known[0].expires_s <= now
        if expired or (self.secret_expired and application is self.application):
            raise TokenRefusedError(
                7000222,
                f"The provided client secret keys for app '{application.client_id}' are expired. Visit the "
                "Azure portal to create new keys for your app.",
            )

    # Discovery

    def _instances(self, origin: str) -> dict[str, object]:
        host = origin.partition("://")[2]
        return {
            "tenant_discovery_endpoint": f"{origin}/{self.tenant_id}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def _configuration(self, origin: str, tenant: str, issuer: str) -> dict[str, object]:
        base = f"{origin}/{tenant}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic",
            ],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": issuer,
            "request_uri_parameter_supported": False,
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "http_logout_supported": True,
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver", "oid"],
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        }


def _form(request: Request) -> dict[str, str]:
    """The form's fields; id and secret may come as HTTP basic authentication (RFC 6749, 2.3.1)."""
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic" and "client_id" not in form:
        try:
            client_id, _, secret = b64decode(given).decode().partition(":")
        except ValueError:
            return form
        form |= {"client_id": client_id, "client_secret": secret}
    return form


def _check_scope(form: Mapping[str, str], origin: str) -> None:
    wanted = form.get("scope", "").split(" ")
    if "resource" in form:  # the v1 endpoint's way
        wanted = [f"{form['resource'].rstrip('/')}/.default"]
    if not wanted[0]:
        raise TokenRefusedError(900144, "The request body must contain the following parameter: 'scope'.")
    resource, _, what = wanted[0].rpartition("/")
    if what != ".default" or len(wanted) > 1:
        raise TokenRefusedError(
            1002012,
            f"The provided value for scope {form.get('scope', '')} is not valid. Client credential flows "
            "must have a scope value with /.default suffixed to the resource identifier.",
        )
    # A client whose base address was changed may make the scope of it.
    if resource.rstrip("/") not in (GRAPH, GRAPH_APP_ID, origin):
        raise TokenRefusedError(
            500011, f"The resource principal named {resource} was not found in the tenant named Contoso."
        )


def _claims_asked(form: Mapping[str, str]) -> dict[str, Any]:
    """The `access_token` part of the claims parameter."""
    try:
        asked = json.loads(form.get("claims") or "{}")
        found = asked.get("access_token") or {}
        return {str(name): value or {} for name, value in found.items()}
    except (ValueError, AttributeError) as error:
        raise TokenRefusedError(90023, "The claims request parameter is not valid JSON.") from error


def _unknown_token(header: str, now_s: float) -> InvalidToken:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return InvalidToken("Access token is empty.")
    claims = unsigned_claims(token)
    if claims is None:
        return InvalidToken("IDX14100: JWT is not well formed, there are no dots (.).")
    if claims.get("aud") not in (GRAPH, GRAPH_APP_ID):
        return InvalidToken("Access token validation failure. Invalid audience.")
    expires = claims.get("exp")
    if isinstance(expires, int | float) and expires <= now_s:
        return InvalidToken("Lifetime validation failed, the token is expired.")
    return InvalidToken("Access token validation failure. Invalid signature.")


def _part(claims: object) -> str:
    return urlsafe_b64encode(msgspec.json.encode(claims)).decode().rstrip("=")


def _json(status: int, body: object) -> Answer:
    headers = {"content-type": "application/json; charset=utf-8", "cache-control": "no-store, no-cache"}
    return Answer(status, msgspec.json.encode(body), headers)
