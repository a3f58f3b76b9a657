"""App registrations: what an application proves itself with, and what it may do.

Roles are Entra's application permissions and stand in every token. `exchange_roles` are those of Exchange's
RBAC for Applications: they stand in no token, add to the others, and may be limited to some mailboxes
(learn.microsoft.com/exchange/permissions-exo/application-rbac).
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key

ROLES: Final = (
    "Calendars.Read",
    "Calendars.ReadWrite",
    "MailboxSettings.Read",
    "Place.Read.All",
    "PlaceDevice.ReadWrite.All",
    "PlaceDeviceTelemetry.ReadWrite.All",
    "User.Read.All",
)
"""What the simulator's first application has been granted."""

FEDERATION_AUDIENCE: Final = "api://AzureADTokenExchange"


class Secret(msgspec.Struct, frozen=True):
    """A client secret; `expires_s` in seconds since 1970, None for one that stays."""

    value: str
    expires_s: float | None = None


class Certificate(msgspec.Struct, frozen=True):
    """A registered certificate. `expires_s` in seconds since 1970."""

    sha1: str
    """The thumbprint as hexadecimal digits in upper case, as the portal shows it."""
    x5t: str
    x5t_s256: str
    key: rsa.RSAPublicKey
    expires_s: float

    @classmethod
    def from_pem(cls, pem: str | bytes) -> "Certificate":
        """From the certificate's PEM. Raises ValueError for what is none, and for keys that are not RSA."""
        found = x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
        key = found.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError("the certificate's key must be RSA: Entra takes RS256 and PS256 only")  # noqa: TRY004
        der = found.public_bytes(Encoding.DER)
        sha1 = hashlib.sha1(der, usedforsecurity=False).digest()
        return cls(
            sha1.hex().upper(),
            _unpadded(sha1),
            _unpadded(hashlib.sha256(der).digest()),
            key,
            found.not_valid_after_utc.timestamp(),
        )


class Federated(msgspec.Struct, frozen=True):
    """A federated credential: assertions of this issuer about this subject are taken as the application's."""

    issuer: str
    subject: str
    key: rsa.RSAPublicKey
    """The issuer's. The simulator fetches nothing: it is registered together with the credential."""
    audience: str = FEDERATION_AUDIENCE

    @classmethod
    def from_pem(
        cls, issuer: str, subject: str, pem: str | bytes, audience: str = FEDERATION_AUDIENCE
    ) -> "Federated":
        """With the issuer's public key as PEM. Raises ValueError where it is not RSA."""
        key = load_pem_public_key(pem.encode() if isinstance(pem, str) else pem)
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError("the issuer's key must be RSA")  # noqa: TRY004 - a wrong value in the PEM
        return cls(issuer, subject, key, audience)


class Application:
    """One app registration with its service principal. All fields are settable."""

    def __init__(
        self,
        client_id: str,
        *,
        object_id: str,
        secrets: tuple[Secret, ...] = (),
        roles: tuple[str, ...] = ROLES,
    ) -> None:
        self.client_id = client_id
        self.object_id = object_id
        self.secrets = list(secrets)
        self.certificates: list[Certificate] = []
        self.federated: list[Federated] = []
        self.roles = frozenset(roles)
        """Of tokens issued from now on; those that are out keep what they say."""
        self.exchange_roles: Mapping[str, frozenset[str] | None] = {}
        """By role: the addresses in its scope, in lower case; None: every mailbox. Holds at once."""
        self.enabled = True
        self.consented = True
        """False: there is no service principal in the tenant."""
        self.blocked = False
        """A conditional access policy keeps it out."""


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
