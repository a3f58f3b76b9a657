"""Certificates as Entra takes them, made once: RSA keys are slow to make."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8

FROM = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = datetime(2027, 1, 31, 12, tzinfo=UTC)


class Pair(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    def key_pem(self, password: str = "") -> bytes:
        lock = (
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption()
        )
        return self.key.private_bytes(PEM, PKCS8, lock)

    def write(self, path: Path, password: str = "") -> Path:
        """Both in one file, the key first."""
        path.write_bytes(self.key_pem(password) + self.certificate_pem)
        path.chmod(0o400)
        return path


def certificate_for(
    key: rsa.RSAPrivateKey, name: str, start: datetime = FROM, end: datetime = UNTIL
) -> x509.Certificate:
    """A certificate that signs itself, as one makes them for an app registration."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )


@pytest.fixture(scope="session")
def keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """Two keys."""
    first = rsa.generate_private_key(65_537, 2_048)
    return first, rsa.generate_private_key(65_537, 2_048)


@pytest.fixture(scope="session")
def pair(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> Pair:
    """A certificate from 2026-01-01 until 2027-01-31, with its key."""
    return Pair(certificate_for(keys[0], "gateway.contoso.com"), keys[0])


@pytest.fixture(scope="session")
def other(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> Pair:
    """Another certificate with another key."""
    end = UNTIL + timedelta(days=365)
    return Pair(certificate_for(keys[1], "other.contoso.com", end=end), keys[1])
