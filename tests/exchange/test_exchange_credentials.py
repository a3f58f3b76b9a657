"""A credential is read whole, or refused with the file's name and what to mend; its secrets stay inside."""

import base64
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.credentials import (
    MAX_FILE_BYTES,
    AssertionFile,
    CertificateFiles,
    GivenSecret,
    SecretFile,
    token_claims,
)
from gateway.exchange.errors import AuthError
from gateway.exchange.moments import instant

if TYPE_CHECKING:
    from tests.exchange.conftest import Pair
else:
    Pair = Any

UNTIL = datetime(2027, 1, 31, 12, tzinfo=UTC)


def refused(credential: CertificateFiles | SecretFile | AssertionFile) -> str:
    """What is told about a credential that cannot be used."""
    with pytest.raises(AuthError) as caught:
        credential.read()
    assert "PRIVATE KEY-----\n" not in str(caught.value)
    return caught.value.why


def token(**claims: Any) -> str:
    """A token that nobody signed."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


# -- certificates -------------------------------------------------------------------------------------


def test_one_pem_file_with_both_is_enough(tmp_path: Path, pair: Pair) -> None:
    """Its end is its own notAfter, and its thumbprint the one that Entra lists."""
    file = pair.write(tmp_path / "c.pem")
    found = CertificateFiles(file).read()
    assert found.kind == "certificate"
    assert found.for_msal == {
        "private_key": pair.key_pem().decode(),
        "public_certificate": pair.certificate_pem.decode(),
    }
    assert found.ends_at == instant(UNTIL)
    assert found.starts_at == instant(datetime(2026, 1, 1, tzinfo=UTC))
    assert found.thumbprint == pair.certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a name


def test_key_and_certificate_may_have_files_of_their_own(tmp_path: Path, pair: Pair) -> None:
    """And the key a password."""
    (tmp_path / "c.pem").write_bytes(pair.certificate_pem)
    (tmp_path / "k.pem").write_bytes(pair.key_pem("opensesame"))
    (tmp_path / "p").write_text("opensesame\n")
    found = CertificateFiles(tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "p").read()
    assert isinstance(found.for_msal, dict)
    assert found.for_msal["private_key"] == pair.key_pem().decode()


@pytest.mark.parametrize("password", ["", "opensesame"])
def test_a_pfx_file_is_taken_too(tmp_path: Path, pair: Pair, other: Pair, password: str) -> None:
    """As Windows exports it, with the certificates that signed it."""
    lock = (
        serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    )
    (tmp_path / "c.pfx").write_bytes(
        pkcs12.serialize_key_and_certificates(b"x", pair.key, pair.certificate, [other.certificate], lock)
    )
    (tmp_path / "p").write_text(password)
    found = CertificateFiles(tmp_path / "c.pfx", password_file=(tmp_path / "p") if password else None).read()
    assert isinstance(found.for_msal, dict)
    assert found.for_msal["public_certificate"] == (pair.certificate_pem + other.certificate_pem).decode()


def test_the_keys_own_certificate_comes_first_whatever_the_files_order(
    tmp_path: Path, pair: Pair, other: Pair
) -> None:
    """The thumbprint in the request is that of the first; a chain may be stored either way round."""
    (tmp_path / "c.pem").write_bytes(other.certificate_pem + pair.key_pem() + pair.certificate_pem)
    found = CertificateFiles(tmp_path / "c.pem").read()
    assert isinstance(found.for_msal, dict)
    assert found.for_msal["public_certificate"].startswith(pair.certificate_pem.decode())
    assert found.ends_at == instant(UNTIL)


def test_a_thumbprint_replaces_the_certificate_and_must_be_its_own(tmp_path: Path, pair: Pair) -> None:
    """With both, msal would sign in a way that such authorities do not know."""
    file = pair.write(tmp_path / "c.pem")
    own = CertificateFiles(file).read().thumbprint
    found = CertificateFiles(file, thumbprint=own.lower()).read()
    assert found.for_msal == {"private_key": pair.key_pem().decode(), "thumbprint": own}
    assert refused(CertificateFiles(file, thumbprint="A1" * 20)) == (
        f"{file}: its thumbprint is {own}, and exchange.thumbprint is another; correct it, or leave it out"
    )


def test_a_certificate_without_its_key_is_told(tmp_path: Path, pair: Pair, other: Pair) -> None:
    """The usual mistake: only the public part was copied. And its kin: none, two, or another's key."""
    file = tmp_path / "c.pem"
    file.write_bytes(pair.certificate_pem)
    assert f"{file}: expected one private key beside the certificate, found none" in refused(
        CertificateFiles(file)
    )
    file.write_bytes(pair.certificate_pem + pair.key_pem() + other.key_pem())
    assert "found 2" in refused(CertificateFiles(file))
    file.write_bytes(pair.key_pem())
    assert f"{file}: holds no certificate" in refused(CertificateFiles(file))
    file.write_bytes(other.certificate_pem + pair.key_pem())
    assert refused(CertificateFiles(file)) == (
        f"{file}: the private key is not that of the certificate; put the two together that were made "
        "together"
    )
    file.write_bytes(other.certificate_pem)
    (tmp_path / "k.pem").write_bytes(pair.key_pem())
    why = refused(CertificateFiles(file, tmp_path / "k.pem"))
    assert why.startswith(f"{tmp_path}/k.pem: the private key is not that of the certificate in {file};")


def test_a_password_too_many_too_few_or_wrong_is_told(tmp_path: Path, pair: Pair) -> None:
    """Each says which setting to mend, and none shows the password."""
    locked = pair.write(tmp_path / "locked.pem", "opensesame")
    unlocked = pair.write(tmp_path / "open.pem")
    password = tmp_path / "p"
    password.write_text("canary\n")
    assert refused(CertificateFiles(locked)).endswith("needs a password: set exchange.password_file")
    assert refused(CertificateFiles(unlocked, password_file=password)).endswith(
        "has no password: remove exchange.password_file"
    )
    wrong = refused(CertificateFiles(locked, password_file=password))
    assert wrong.endswith("the private key does not open with this password, or is damaged")
    assert "canary" not in wrong


def test_damaged_files_and_unfit_keys_are_told(tmp_path: Path, pair: Pair) -> None:
    """Neither a traceback of the library nor a request that Entra would refuse."""
    file = tmp_path / "c.pem"
    file.write_bytes(pair.certificate_pem.replace(b"MII", b"???") + pair.key_pem())
    assert refused(CertificateFiles(file)).endswith("the certificate in it is damaged; copy it again")
    file.write_bytes(pair.certificate_pem + pair.key_pem().replace(b"MII", b"???"))
    assert refused(CertificateFiles(file)).endswith("the private key is damaged")
    short = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - to be refused
    for key in (ec.generate_private_key(ec.SECP256R1()), short):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(pair.certificate_pem + pem)
        assert "must be RSA with at least 2048 bits" in refused(CertificateFiles(file))
    file.write_bytes(b"0\x82nonsense")
    assert "neither PEM text nor a PKCS #12 file" in refused(CertificateFiles(file))
    assert "expected PEM text" in refused(CertificateFiles(file, file))


def test_a_certificate_outside_its_dates_is_read_and_its_obstacle_told(tmp_path: Path, pair: Pair) -> None:
    """The gateway must start with an ended one, and say exactly that it has ended."""
    found = CertificateFiles(pair.write(tmp_path / "c.pem")).read()
    assert found.obstacle(instant(UNTIL) - 1) == ""
    assert found.obstacle(instant(UNTIL)).startswith(
        f"{tmp_path}/c.pem: the certificate ended on 2027-01-31: make a new one"
    )
    early = found.obstacle(instant(datetime(2025, 12, 31, tzinfo=UTC)))
    assert "the certificate is not valid before 2026-01-01 00:00 UTC" in early
    assert "check this machine's clock" in early


# -- secrets and assertions ---------------------------------------------------------------------------


def test_a_secret_is_one_line_and_its_end_is_what_somebody_wrote_down(tmp_path: Path) -> None:
    """A byte order mark of Windows is no part of it; Entra alone decides when it has ended."""
    (tmp_path / "s").write_bytes("\N{ZERO WIDTH NO-BREAK SPACE}invented \nrest\n".encode())
    found = SecretFile(tmp_path / "s", date(2027, 1, 31)).read()
    assert found.for_msal == "invented"
    assert found.ends_at == instant(datetime(2027, 1, 31, tzinfo=UTC))
    assert found.obstacle(instant(datetime(2028, 1, 1, tzinfo=UTC))) == ""
    assert SecretFile(tmp_path / "s").read().ends_at is None


def test_files_that_cannot_be_read_are_told_by_name(tmp_path: Path) -> None:
    """Missing, a folder, empty, too large, no text."""
    missing = tmp_path / "none"
    assert refused(SecretFile(missing)) == f"{missing}: cannot be read (No such file or directory)"
    assert refused(CertificateFiles(missing)) == f"{missing}: cannot be read (No such file or directory)"
    assert "cannot be read" in refused(SecretFile(tmp_path))
    file = tmp_path / "f"
    file.write_text("\ncanary\n")
    assert refused(SecretFile(file)) == f"{file}: expected a client secret in its first line, found none"
    file.write_bytes(b"\xff\xfe\xfd")
    assert refused(SecretFile(file)) == f"{file}: expected text"
    file.write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    assert "larger than" in refused(SecretFile(file))


def test_a_file_that_is_not_ours_to_read_says_whom_to_give_it_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's own file, tried as another user (simulated: tests may run as root)."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "give it to the user that the gateway runs as" in refused(SecretFile(tmp_path / "s"))


def test_an_assertion_has_the_dates_that_it_says(tmp_path: Path) -> None:
    """They tell a file that is no longer renewed from a credential that Entra does not know."""
    (tmp_path / "t").write_text(token(nbf=1_000, exp=2_000) + "\n")
    found = AssertionFile(tmp_path / "t").read()
    assert isinstance(found.for_msal, dict)
    assert found.for_msal["client_assertion"] == token(nbf=1_000, exp=2_000)
    assert (found.starts_at, found.ends_at) == (1_000_000, 2_000_000)
    assert "has stopped renewing it" in found.obstacle(2_000_000)
    (tmp_path / "t").write_text("no token")
    assert "expected one signed token" in refused(AssertionFile(tmp_path / "t"))


@given(st.text(max_size=60) | st.builds(lambda b: f"e30.{b}.x", st.text(max_size=40)))
def test_no_text_breaks_the_reading_of_claims(text: str) -> None:
    """What is no token has no claims."""
    assert isinstance(token_claims(text), dict)


def test_what_was_read_does_not_show_itself(tmp_path: Path, pair: Pair) -> None:
    """A traceback or a log line with it holds no secret."""
    assert "PRIVATE" not in repr(CertificateFiles(pair.write(tmp_path / "c.pem")).read())
    assert "canary" not in repr(GivenSecret("canary").read())


def test_the_certificates_dates_are_its_own(tmp_path: Path, other: Pair) -> None:
    """Not those of a sibling."""
    found = CertificateFiles(other.write(tmp_path / "c.pem")).read()
    assert found.ends_at == instant(UNTIL + timedelta(days=365))
