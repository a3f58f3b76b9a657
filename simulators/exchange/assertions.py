"""Client assertions: signed JWTs in place of a secret, by certificate or from a federated issuer.

learn.microsoft.com/entra/identity-platform/certificate-credentials and
learn.microsoft.com/entra/workload-id/workload-identity-federation.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from simulators.exchange.applications import Application, Certificate, Federated
from simulators.exchange.refusals import TokenRefusedError

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS: Final = ["RS256", "PS256"]
_LAST_S: Final = 253_402_300_799
"""The last second of the year 9999."""

_LEEWAY_S: Final = 300
"""Entra's tolerance for clocks that differ."""


def check_assertion(
    assertion: str, application: Application, audiences: Collection[str], now_s: float
) -> None:
    """Raise `TokenRefusedError` unless the assertion proves the application.

    `audiences`: the addresses by which the token endpoint knows itself.
    """
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise TokenRefusedError(50027, "JWT token is invalid or malformed.") from error
    if claims.get("iss") == claims.get("sub") or "x5t" in header or "x5t#S256" in header:
        _check_certificate(assertion, header, claims, application, audiences, now_s)
    else:
        _check_federated(assertion, header, claims, application.federated, now_s)


def _check_certificate(
    assertion: str,
    header: dict[str, Any],
    claims: dict[str, Any],
    application: Application,
    audiences: Collection[str],
    now_s: float,
) -> None:
    if not claims.get("jti"):
        raise TokenRefusedError(50027, "JWT token is invalid or malformed. The claim 'jti' is missing.")
    if {str(claims.get(name, "")).lower() for name in ("iss", "sub")} != {application.client_id.lower()}:
        raise TokenRefusedError(
            700021, "Client assertion application identifier doesn't match 'client_id' parameter."
        )
    certificate = _registered(header, application)
    _check_signature(assertion, header, certificate.key, _thumbprint_words(header))
    if now_s > certificate.expires_s:
        reason = f"The key used is expired., {_thumbprint_words(header)}"
        raise TokenRefusedError(700027, f"Client assertion failed signature validation. [Reason - {reason}]")
    if not _audiences(claims) & set(audiences):
        raise TokenRefusedError(700023, "Client assertion audience claim does not match Realm issuer.")
    _check_times(claims, now_s)


def _registered(header: dict[str, Any], application: Application) -> Certificate:
    for certificate in application.certificates:
        given = header.get("x5t"), header.get("x5t#S256")
        # A header with both has both right, or is of another certificate.
        wanted = certificate.x5t, certificate.x5t_s256
        pairs = [(one, other) for one, other in zip(given, wanted, strict=True) if one is not None]
        if pairs and all(one.rstrip("=") == other for one, other in pairs):
            return certificate
    raise TokenRefusedError(
        700027,
        "The certificate with identifier used to sign the client assertion is not registered on "
        f"application. [Reason - The key was not found., {_thumbprint_words(header)}]",
    )


def _thumbprint_words(header: dict[str, Any]) -> str:
    given = header.get("x5t") or header.get("x5t#S256") or ""
    try:
        shown = jwt.utils.base64url_decode(str(given)).hex().upper()
    except ValueError:
        shown = ""
    return f"Thumbprint of key used by client: '{shown}'"


def _check_federated(
    assertion: str, header: dict[str, Any], claims: dict[str, Any], known: list[Federated], now_s: float
) -> None:
    tests: tuple[tuple[int, str, str, Callable[[Federated], bool]], ...] = (
        (700211, "issuer", str(claims.get("iss")), lambda one: one.issuer == claims.get("iss")),
        (700213, "subject", str(claims.get("sub")), lambda one: one.subject == claims.get("sub")),
        (700212, "audience", str(claims.get("aud")), lambda one: one.audience in _audiences(claims)),
    )
    for number, what, given, fits in tests:
        known = [one for one in known if fits(one)]
        if not known:
            raise TokenRefusedError(
                number,
                f"No matching federated identity record found for presented assertion {what} '{given}'.",
            )
    _check_signature(assertion, header, known[0].key, "The issuer's key does not fit.")
    _check_times(claims, now_s)


def _check_signature(assertion: str, header: dict[str, Any], key: rsa.RSAPublicKey, words: str) -> None:
    try:
        if header.get("alg") not in _ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        nothing_else = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False)
        jwt.decode(assertion, key, algorithms=_ALGORITHMS, options=nothing_else)  # type: ignore[arg-type]  # PyJWT's own dictionary type wants each key spelled
    except jwt.PyJWTError as error:
        raise TokenRefusedError(
            700027,
            f"Client assertion failed signature validation. [Reason - The signature is invalid., {words}]",
        ) from error


def _audiences(claims: dict[str, Any]) -> set[str]:
    given = claims.get("aud")
    return set(map(str, given)) if isinstance(given, list) else {str(given)}


def _check_times(claims: dict[str, Any], now_s: float) -> None:
    begins, ends = claims.get("nbf", claims.get("iat", 0)), claims.get("exp")
    if not (isinstance(ends, int | float) and isinstance(begins, int | float) and isfinite(begins + ends)):
        raise TokenRefusedError(50027, "JWT token is invalid or malformed. The claim 'exp' is missing.")
    if not begins - _LEEWAY_S <= now_s < ends + _LEEWAY_S:
        moments = [_written(at) for at in (now_s, begins, ends)]
        raise TokenRefusedError(
            700024,
            f"Client assertion is not within its valid time range. Current time: {moments[0]}, assertion "
            f"valid from {moments[1]}, expiry time of assertion {moments[2]}.",
        )


def _written(at_s: float) -> str:
    """As ISO 8601, as far as calendars go."""
    return f"{datetime.fromtimestamp(min(max(at_s, 0), _LAST_S), UTC):%Y-%m-%dT%H:%M:%SZ}"
