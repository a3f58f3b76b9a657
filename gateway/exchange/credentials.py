"""Who the gateway is to Entra: a certificate, a client secret, or a token that another authority signed.

A credential is a kind and the files that it stands in. Files are read when a token is needed, so that
a replaced secret or certificate, and an assertion that rotates every hour, hold without a restart
(credentials that systemd hands out are copies of the start and do need one).

`read` raises AuthError, which names the file and how to mend it and shows nothing of its content.
A certificate that has ended is no reason to refuse it here: its end is known, and told by who asks.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import msgspec

from gateway.core.units import Instant
from gateway.exchange.errors import AuthError
from gateway.exchange.moments import as_datetime, instant, midnight

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

Kind = Literal["certificate", "secret", "assertion"]

MAX_FILE_BYTES: Final = 64 * 1024
"""A certificate with its whole chain and key stays well below this."""

MIN_RSA_BITS: Final = 2_048
"""What Entra takes at least (https://learn.microsoft.com/entra/identity-platform/certificate-credentials)."""

PEM_MARK: Final = b"-----BEGIN "
PEM_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", flags=re.DOTALL
)

TOKEN_PARTS: Final = 3
"""Header, claims and signature of a signed token (RFC 7519)."""


class Material(NamedTuple):
    """What msal is given, and what is known about it. Holds secrets: never print it."""

    kind: Kind
    for_msal: str | dict[str, Any]
    """Equal for equal files, so that a change is noticed."""
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    """When Entra stops to take it; None where only Entra knows."""
    thumbprint: str = ""
    """SHA-1 of the certificate in hexadecimal digits: the form in which the Entra admin center lists it."""
    file: Path = Path()

    def __repr__(self) -> str:
        return f"Material({self.kind} of {self.file})"

    def changes_application(self, before: "Material | None") -> bool:
        """Whether msal must be told anew. An assertion rotates, and msal asks for it each time."""
        if before is None or self.kind != before.kind:
            return True
        return self.kind != "assertion" and self.for_msal != before.for_msal

    def obstacle(self, now: Instant) -> str:
        """Why Entra will not take it at `now`, by its own dates; empty: nothing speaks against it.

        A secret has no dates of its own, and what a person wrote down may be wrong: Entra decides.
        """
        if self.kind == "secret":
            return ""
        if self.ends_at is not None and now >= self.ends_at:
            return (
                f"{self.file}: the {self.kind} ended on {day(self.ends_at)}: {RENEWAL[self.kind]}; "
                "if it should still hold, check this machine's clock"
            )
        if self.starts_at is not None and now < self.starts_at:
            start = f"{as_datetime(self.starts_at):%Y-%m-%d %H:%M} UTC"
            return (
                f"{self.file}: the {self.kind} is not valid before {start}: wait until then, or check "
                "this machine's clock"
            )
        return ""


RENEWAL: Final[dict[Kind, str]] = {
    "certificate": "make a new one, upload its public part to the app registration and put it in this place",
    "secret": "create a new one in the app registration, put its value into the file and its end into "
    "exchange.secret_expires",
    "assertion": "whatever writes this file has stopped renewing it: look there",
}
"""What somebody has to do before a credential ends."""


def day(moment: Instant) -> str:
    """The day of an instant in UTC, like "2027-01-31"."""
    return as_datetime(moment).date().isoformat()


class Credential(Protocol):
    """What the gateway can identify itself with."""

    @property
    def kind(self) -> Kind:
        """Which sort it is."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it stands in."""
        ...

    def read(self) -> Material:
        """Read its files. Blocks for a moment. Raises AuthError, which says what to mend."""
        ...


class GivenSecret(msgspec.Struct, frozen=True):
    """A secret, or msal's own dictionary, that is in memory already."""

    value: str | dict[str, Any]
    kind: Kind = "secret"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Credential.files`."""
        return ()

    def read(self) -> Material:
        """See `Credential.read`."""
        return Material(self.kind, self.value)


class SecretFile(msgspec.Struct, frozen=True):
    """A client secret in the first line of a file. `expires` is the day on which it ends, where told.

    Graph tells it only to applications with more rights than this one has.
    """

    file: Path
    expires: date | None = None
    kind: Kind = "secret"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Credential.files`."""
        return (self.file,)

    def read(self) -> Material:
        """See `Credential.read`."""
        secret = first_line(self.file, "client secret")
        return Material("secret", secret, ends_at=self.ends_at, file=self.file)

    @property
    def ends_at(self) -> Instant | None:
        """The first moment of the day on which it ends, so that a warning is never late; None: not told."""
        return None if self.expires is None else midnight(self.expires, UTC)


class AssertionFile(msgspec.Struct, frozen=True):
    """A signed token of another authority that Entra trusts (workload identity federation).

    Such as the file that AZURE_FEDERATED_TOKEN_FILE names in Kubernetes. It is replaced before it
    ends, so it is read for each question.
    """

    file: Path
    kind: Kind = "assertion"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Credential.files`."""
        return (self.file,)

    def read(self) -> Material:
        """See `Credential.read`."""
        token = first_line(self.file, "signed token")
        starts_at, ends_at = token_dates(token)
        if token.count(".") != TOKEN_PARTS - 1:
            raise AuthError(f"{self.file}: expected one signed token (a JWT), found something else")
        return Material(
            "assertion", {"client_assertion": token}, starts_at=starts_at, ends_at=ends_at, file=self.file
        )


class CertificateFiles(msgspec.Struct, frozen=True):
    """A certificate with its private key: one PEM file, two PEM files, or one PKCS #12 file (.pfx).

    `password_file` opens the key. `thumbprint` is for authorities that know a certificate by its SHA-1
    thumbprint alone; it must be that of the certificate.
    """

    certificate: Path
    key: Path | None = None
    password_file: Path | None = None
    thumbprint: str | None = None
    kind: Kind = "certificate"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Credential.files`."""
        return tuple(file for file in (self.certificate, self.key, self.password_file) if file is not None)

    def read(self) -> Material:
        """See `Credential.read`."""
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - as heavy as msal

        key, certificates = self._parts()
        own, others = _matching(key, certificates, self.certificate, self.key)
        sha1 = own.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a name here, not a protection
        if self.thumbprint is not None and self.thumbprint.upper() != sha1:
            raise AuthError(
                f"{self.certificate}: its thumbprint is {sha1}, and exchange.thumbprint is another; "
                "correct it, or leave it out"
            )
        pem = serialization.Encoding.PEM
        private = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        for_msal = {"private_key": private}
        if self.thumbprint is not None:  # together with the certificate, msal would sign in a third way
            for_msal["thumbprint"] = sha1
        else:
            for_msal["public_certificate"] = "".join(
                each.public_bytes(pem).decode() for each in (own, *others)
            )
        return Material(
            "certificate",
            for_msal,
            starts_at=instant(own.not_valid_before_utc),
            ends_at=instant(own.not_valid_after_utc),
            thumbprint=sha1,
            file=self.certificate,
        )

    def _parts(self) -> "tuple[RSAPrivateKey, list[Certificate]]":
        password = self._password()
        content = contents(self.certificate)
        if PEM_MARK in content:
            certificates = _pem_certificates(content, self.certificate)
            key_file = self.key or self.certificate
            return _pem_key(contents(key_file), key_file, password), certificates
        if self.key is not None:
            raise AuthError(
                f"{self.certificate}: expected PEM text (-----BEGIN CERTIFICATE-----) beside "
                "exchange.certificate_key_file"
            )
        return _pkcs12(content, self.certificate, password)

    def _password(self) -> bytes | None:
        return None if self.password_file is None else first_line(self.password_file, "password").encode()


def _pem_certificates(content: bytes, file: Path) -> "list[Certificate]":
    from cryptography import x509  # noqa: PLC0415 - as heavy as msal

    blocks = PEM_CERTIFICATE.findall(content)
    if not blocks:
        raise AuthError(
            f"{file}: holds no certificate (-----BEGIN CERTIFICATE-----); put it there, "
            "or name the file with the key in exchange.certificate_key_file"
        )
    try:
        return [x509.load_pem_x509_certificate(block) for block in blocks]
    except ValueError as error:
        raise AuthError(f"{file}: the certificate in it is damaged; copy it again") from error


def _pem_key(content: bytes, file: Path, password: bytes | None) -> "RSAPrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as heavy as msal
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as heavy as msal

    count = content.count(b"PRIVATE KEY-----") // 2
    if count != 1:
        raise AuthError(
            f"{file}: expected one private key beside the certificate, found {count or 'none'}; the key "
            "is made together with the certificate: put both into this file, or name the key's own file in "
            "exchange.certificate_key_file"
        )
    begin = content.rindex(PEM_MARK, 0, content.index(b"PRIVATE KEY-----") + 1)
    try:
        key = serialization.load_pem_private_key(content[begin:], password)
    except TypeError as error:  # told apart by the library in this way only
        what = "needs a password: set" if password is None else "has no password: remove"
        raise AuthError(f"{file}: the private key {what} exchange.password_file") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        why = "is damaged" if password is None else "does not open with this password, or is damaged"
        raise AuthError(f"{file}: the private key {why}") from error
    return _rsa(key, file)


def _pkcs12(content: bytes, file: Path, password: bytes | None) -> "tuple[RSAPrivateKey, list[Certificate]]":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as heavy as msal
    from cryptography.hazmat.primitives.serialization import pkcs12  # noqa: PLC0415 - as heavy as msal

    try:
        key, certificate, others = pkcs12.load_key_and_certificates(content, password)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AuthError(
            f"{file}: neither PEM text nor a PKCS #12 file (.pfx) that opens with this password "
            "(exchange.password_file)"
        ) from error
    if key is None:
        raise AuthError(f"{file}: holds no private key; export it together with its key")
    return _rsa(key, file), [each for each in (certificate, *others) if each is not None]


def _rsa(key: object, file: Path) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - as heavy as msal

    if not isinstance(key, RSAPrivateKey) or key.key_size < MIN_RSA_BITS:
        raise AuthError(
            f"{file}: the key must be RSA with at least {MIN_RSA_BITS} bits, Entra takes no other; "
            "make a new certificate with such a key"
        )
    return key


def _matching(
    key: "RSAPrivateKey", certificates: "Sequence[Certificate]", file: Path, key_file: Path | None
) -> "tuple[Certificate, list[Certificate]]":
    """The key's own certificate, and the others in the file (those that signed it)."""
    mine = key.public_key()
    for position, certificate in enumerate(certificates):
        if certificate.public_key() == mine:
            return certificate, [*certificates[:position], *certificates[position + 1 :]]
    raise AuthError(
        f"{key_file or file}: the private key is not that of the certificate"
        f"{f' in {file}' if key_file else ''}; put the two together that were made together"
    )


def token_dates(token: str) -> tuple[Instant | None, Instant | None]:
    """From when and until when a signed token says that it holds; None for what it does not say."""
    claims = token_claims(token)
    return _claimed(claims.get("nbf")), _claimed(claims.get("exp"))


def _claimed(value: object) -> Instant | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**36
    return int(value * 1_000) if known and isinstance(value, int | float) else None


def token_claims(token: str) -> dict[str, Any]:
    """What a JWT says of itself, unverified; empty where it cannot be told. For showing only."""
    from base64 import urlsafe_b64decode  # noqa: PLC0415 - only here

    parts = token.split(".")
    if len(parts) != TOKEN_PARTS:
        return {}
    try:
        claims = msgspec.json.decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:  # also what base64 raises (binascii.Error)
        return {}
    return claims if isinstance(claims, dict) else {}


def first_line(file: Path, what: str) -> str:
    """The first line of a file, without blanks at its ends. Raises AuthError, which shows nothing of it."""
    try:
        line = contents(file).decode("utf-8-sig").partition("\n")[0].strip()
    except UnicodeDecodeError:
        raise AuthError(f"{file}: expected text") from None
    if not line:
        raise AuthError(f"{file}: expected a {what} in its first line, found none")
    return line


def contents(file: Path) -> bytes:
    """A small file's bytes. Raises AuthError."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
    except PermissionError as error:
        raise AuthError(
            f"{file}: cannot be read (permission denied); give it to the user that the gateway runs as, "
            "mode 0400"
        ) from error
    except OSError as error:
        raise AuthError(f"{file}: cannot be read ({error.strerror or error})") from error
    if len(raw) > MAX_FILE_BYTES:
        raise AuthError(f"{file}: larger than {MAX_FILE_BYTES} bytes, so it is no credential")
    return raw
