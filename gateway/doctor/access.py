"""What the gateway may do: its token, the roles in it, and what both kinds of grants mean.

A role in the token comes from a consent in Entra and holds for every mailbox of the tenant. What is
granted in Exchange (RBAC for Applications) holds for the rooms alone and shows in no token, so a token
without roles is nothing bad (https://learn.microsoft.com/exchange/permissions-exo/application-rbac).
"""

import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from gateway.doctor.finding import Finding, Verdict
from gateway.exchange.credentials import Material
from gateway.exchange.errors import AuthError, ExchangeError
from gateway.exchange.expiry import CredentialEnd, in_words, threshold

WRITE: Final = "Calendars.ReadWrite"
READ: Final = frozenset({"Calendars.Read", WRITE})
PLACES: Final = frozenset({"Place.Read.All", "Place.ReadWrite.All"})
MAILBOX_SETTINGS: Final = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})

RBAC_FIX: Final = (
    "let IT run the script that `occupancy-gateway exchange setup-script` writes; a grant takes up to 2 "
    "hours "
    "to be seen"
)

CERTIFICATE_CODES: Final = frozenset({"AADSTS700027", "AADSTS1000502"})
"""Entra does not know the certificate (700027), or takes it for ended (1000502)."""


def exposed_files(files: Iterable[Path]) -> Iterator[Finding]:
    """A word about each file of the credential that everybody on this machine can read."""
    for file in files:
        try:
            mode = file.stat().st_mode
        except OSError:  # told by whoever reads it
            continue
        if mode & stat.S_IROTH:
            yield Finding(
                step="credential file",
                verdict="warn",
                what=f"{file} can be read by everybody on this machine",
                fix=f"chmod o-rwx {file}",
            )


def credential_finding(material: Material | AuthError, now: int) -> Finding:
    """Whether the credential's files can be used, and how long it lasts."""
    step = "credential"
    if isinstance(material, AuthError):
        return Finding(
            step=step,
            verdict="fail",
            what="the credential cannot be used",
            fix=material.why,
        )
    obstacle = material.obstacle(now)
    if obstacle:
        return Finding(step=step, verdict="fail", what=f"the {material.kind} does not hold now", fix=obstacle)
    if material.kind == "assertion":
        return Finding(step=step, verdict="ok", what="a signed token of another authority, which holds now")
    if material.ends_at is None:
        return Finding(
            step=step,
            verdict="warn",
            what=f"a {material.kind}; nobody has told when it ends",
            fix="set exchange.secret_expires to the day that the app registration shows; better, use a "
            "certificate",
        )
    end = CredentialEnd.of(material)
    due = threshold(material.ends_at - now)
    words = in_words(end, now)
    return Finding(
        step=step,
        verdict="ok" if due is None else "fail" if due == 0 else "warn",
        what=words.partition(": ")[0],
        fix=words.partition(": ")[2],
    )


def refused_token(error: ExchangeError, material: Material | AuthError) -> Finding:
    """No token, and what to do about it."""
    fix = error.why
    if error.code in CERTIFICATE_CODES and isinstance(material, Material) and material.thumbprint:
        fix += (
            f"; the certificate here has the thumbprint {material.thumbprint}, and the app registration must "
            "list the same one under Certificates & secrets"
        )
    if isinstance(error, AuthError):
        return Finding(
            step="token",
            verdict="fail",
            what="Entra gives no token",
            fix=fix,
            code=error.code,
            request_id=error.request_id,
        )
    return Finding(
        step="token",
        verdict="fail",
        what=f"Entra cannot be asked for a token ({error.why})",
        fix="this passes by itself as a rule; if not, see the steps before this one",
        code=error.code,
    )


def roles_of(claims: dict[str, Any]) -> tuple[str, ...] | None:
    """The roles in a token; None where it cannot be looked into."""
    if not claims:
        return None
    roles = claims.get("roles", [])
    return tuple(sorted(str(role) for role in roles)) if isinstance(roles, list) else ()


def token_findings(claims: dict[str, Any], client_id: str) -> Iterator[Finding]:
    """That there is a token, and what its roles mean."""
    yield Finding(step="token", verdict="ok", what="Entra gives a token")
    roles = roles_of(claims)
    if roles is None:
        yield Finding(
            step="roles",
            verdict="skipped",
            what="the token cannot be looked into; the rooms show what it is good for",
        )
        return
    own = str(claims.get("appid", claims.get("azp", client_id)))
    if own.casefold() != client_id.casefold():
        yield Finding(
            step="application",
            verdict="warn",
            what=f"the token was made out to another application ({own})",
            fix="check exchange.client_id",
        )
    yield _roles_finding(roles)


def _roles_finding(roles: Collection[str]) -> Finding:
    wide = sorted(READ.intersection(roles))
    if wide:
        return Finding(
            step="roles",
            verdict="warn",
            what=f"a consent in Entra ({', '.join(wide)}) lets the gateway into every mailbox of the tenant",
            fix="grant the Exchange role for the rooms alone instead (occupancy-gateway exchange "
            "setup-script), "
            f"then remove the consent to {', '.join(wide)} under API permissions of the app registration: "
            "grants add up, so the scope has no effect while the consent exists",
        )
    more = f" (the token has: {', '.join(sorted(roles))})" if roles else ""
    return Finding(
        step="roles",
        verdict="ok",
        what="no consent to calendars in Entra, as it should be with a grant in Exchange, which no token "
        f"shows{more}; the rooms tell whether that grant is there",
    )


def grants_finding(roles: tuple[str, ...] | None, readable: int, forbidden: int) -> Finding | None:
    """What all rooms together tell about the grant; None where there is nothing to add to each room's own."""
    if not forbidden or readable:
        return None
    verdict: Verdict = "fail"
    if roles is not None and READ.intersection(roles):
        return Finding(
            step="grant",
            verdict=verdict,
            what="the token has the right role, and no room lets the gateway in",
            fix="an application access policy of old blocks it (Get-ApplicationAccessPolicy in Exchange "
            "PowerShell): remove it, and use RBAC for Applications instead",
        )
    return Finding(
        step="grant",
        verdict=verdict,
        what="no room lets the gateway in: it has no grant at all, or a new one is not yet seen",
        fix=RBAC_FIX,
    )
