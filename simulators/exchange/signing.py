"""Access tokens as signed JWTs, and the public key to check them with.

The key is made once per process: nothing about calendars depends on it, and it is not worth a wait each time.
"""

import base64
from functools import lru_cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from simulators.exchange.ids import guid

KEY_ID: Final = guid("signing key")


@lru_cache(maxsize=1)
def signing_key() -> rsa.RSAPrivateKey:
    """The process's own key."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def signed(claims: dict[str, Any]) -> str:
    """The claims as a JWT, RS256."""
    return jwt.encode(claims, signing_key(), algorithm="RS256", headers={"kid": KEY_ID, "x5t": KEY_ID})


def unsigned_claims(token: str) -> dict[str, Any] | None:
    """What a token says, whoever made it; None where it is no JWT."""
    try:
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
    except jwt.PyJWTError:
        return None


def key_set(issuer: str) -> dict[str, Any]:
    """The JSON web key set of the discovery document's `jwks_uri`."""
    numbers = signing_key().public_key().public_numbers()
    key = {
        "kty": "RSA",
        "use": "sig",
        "kid": KEY_ID,
        "x5t": KEY_ID,
        "n": _number(numbers.n),
        "e": _number(numbers.e),
        "issuer": issuer,
    }
    return {"keys": [key]}


def _number(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
