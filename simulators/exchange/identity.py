"""Entra's part: discovery for msal, tokens for client secrets, and the check of bearer tokens.

Token lifetimes run on the wall clock, as msal's cache does; nothing about calendars depends on it.
Error numbers and words: Microsoft's AADSTS reference.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from simulators.exchange.errors import InvalidToken
from simulators.exchange.ids import guid
from simulators.exchange.wire import Answer, Request

_SHARED_AUTHORITIES: Final = frozenset({"organizations", "common", "consumers"})
_DISCOVERY: Final = ["v2.0", ".well-known", "openid-configuration"]
_TOKEN: Final = ["oauth2", "v2.0", "token"]
_INSTANCES: Final = "/common/discovery/instance"


class Identity:
    """One tenant with one application registration."""

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
        self._wall_clock = wall_clock
        self._expiry: dict[str, float] = {}
        self._issued = 0

    # Endpoints

    @staticmethod
    def route(request: Request) -> str | None:
        """The name of the endpoint, or None if the request is not for the identity service."""
        if request.path == _INSTANCES:
            return "instances"
        tail = request.path.strip("/").split("/")[1:]
        return {tuple(_DISCOVERY): "openid-configuration", tuple(_TOKEN): "token"}.get(tuple(tail))

    def answer(self, request: Request) -> Answer:
        """The answer of the endpoint that `route` names."""
        route = self.route(request)
        if route == "instances":
            return _json(200, self._instances(request.origin))
        tenant = request.path.strip("/").split("/")[0].lower()
        if tenant not in _SHARED_AUTHORITIES | {self.tenant_id.lower()}:
            error = "invalid_request" if route == "token" else "invalid_tenant"
            return self._refused(400, error, 90002, f"Tenant '{tenant}' not found.")
        if route == "token":
            return self._token(request)
        return _json(200, self._configuration(request.origin, tenant))

    def revoke_all(self) -> None:
        """Every token issued so far is refused from now on."""
        self._expiry.clear()

    def check(self, request: Request) -> None:
        """Raise `InvalidToken` unless the request carries a token that was issued here and still holds."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise InvalidToken("Access token is empty.")
        expiry = self._expiry.get(token)
        if expiry is None:
            raise InvalidToken("Access token validation failure. Invalid audience.")
        if self._wall_clock() >= expiry:
            raise InvalidToken("Lifetime validation failed, the token is expired.")

    # Inside

    def _instances(self, origin: str) -> dict[str, object]:
        return {
            "tenant_discovery_endpoint": f"{origin}/{self.tenant_id}/{'/'.join(_DISCOVERY)}",
            "api-version": "1.1",
            "metadata": [],
        }

    def _configuration(self, origin: str, tenant: str) -> dict[str, object]:
        base = f"{origin}/{tenant}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{origin}/{'{tenantid}' if tenant in _SHARED_AUTHORITIES else tenant}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
        }

    def _token(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials":
            return self._refused(
                400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."
            )
        if form.get("client_id", "").lower() != self.client_id.lower():
            return self._refused(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{form.get('client_id', '')}' was not found in the directory.",
            )
        if form.get("client_secret") != self.client_secret:
            return self._refused(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client "
                f"secret value, not the client secret ID, for a secret added to app '{self.client_id}'.",
            )
        if self.secret_expired:
            return self._refused(
                401, "invalid_client", 7000222, "The provided client secret keys for the app are expired."
            )
        if not form.get("scope", "").split(" ")[0].endswith("/.default"):
            return self._refused(400, "invalid_scope", 1002012, "The provided value for scope is not valid.")
        return _json(
            200,
            {
                "token_type": "Bearer",
                "expires_in": self.token_lifetime_s,
                "ext_expires_in": self.token_lifetime_s,
                "access_token": self.issue_token(),
            },
        )

    def issue_token(self) -> str:
        """A valid token without asking for it: the claims of an app-only one, the form of a signed one."""
        now = self._wall_clock()
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        self._issued += 1
        claims = {
            "aud": "https://graph.microsoft.com",
            "iat": int(now),
            "exp": int(now) + self.token_lifetime_s,
            "appid": self.client_id,
            "idtyp": "app",
            "roles": ["Calendars.Read", "Calendars.ReadWrite"],
            "tid": self.tenant_id,
            "uti": str(self._issued),
        }
        head = ".".join(_part(part) for part in ({"typ": "JWT", "alg": "RS256"}, claims))
        token = f"{head}.{urlsafe_b64encode(blake2b(head.encode()).digest()).decode().rstrip('=')}"
        self._expiry[token] = now + self.token_lifetime_s
        return token

    def _refused(self, status: int, error: str, number: int, why: str) -> Answer:
        trace = guid("trace", number)
        stamp = f"{datetime.fromtimestamp(self._wall_clock(), UTC):%Y-%m-%d %H:%M:%SZ}"
        description = f"AADSTS{number}: {why} Trace ID: {trace} Correlation ID: {trace} Timestamp: {stamp}"
        return _json(
            status,
            {
                "error": error,
                "error_description": description,
                "error_codes": [number],
                "timestamp": stamp,
                "trace_id": trace,
                "correlation_id": trace,
                "error_uri": f"https://login.microsoftonline.com/error?code={number}",
            },
        )


def _part(claims: object) -> str:
    return urlsafe_b64encode(msgspec.json.encode(claims)).decode().rstrip("=")


def _json(status: int, body: object) -> Answer:
    return Answer(status, msgspec.json.encode(body), {"content-type": "application/json; charset=utf-8"})
