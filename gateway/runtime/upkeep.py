"""What changes over weeks and is looked at now and then: the credential, and what IT has told of rooms."""

from collections.abc import Mapping
from typing import Final

from gateway.alerts import Trouble
from gateway.core.units import DAY_MS, Instant
from gateway.exchange.attendant_settings import AttendantSettings, Kept
from gateway.exchange.credentials import Material
from gateway.exchange.expiry import ENDED, THRESHOLDS_DAYS, CredentialEnd, in_words
from gateway.exchange.quiet import AttendantFacts

AUTO_ACCEPT: Final = "AutoAccept"


def of_credential(material: Material, now: Instant) -> list[Trouble]:
    """One trouble for each threshold (30, 14, 7, 3, 1 days, the end) that is passed: each is told once."""
    end = CredentialEnd.of(material)
    if end.ends_at is None or end.kind == "assertion":
        return []
    left_ms = end.ends_at - now
    passed = [days for days in THRESHOLDS_DAYS if left_ms <= days * DAY_MS]
    subjects = [f"{days} days" for days in passed] + ["ended"] * (left_ms <= ENDED)
    return [
        Trouble("credential_ends", f"{end.ends_at} {subject}", in_words(end, now), place=subject)
        for subject in subjects
    ]


def attendants(kept: Kept | None, mailboxes: Mapping[str, str]) -> dict[str, AttendantFacts]:
    """What was imported of each room, by room id; `mailboxes` by room id as well."""
    if kept is None:
        return {}
    told = {room: kept.of(mailbox) for room, mailbox in mailboxes.items()}
    return {room: _facts(settings) for room, settings in told.items() if settings is not None}


def _facts(told: AttendantSettings) -> AttendantFacts:
    return AttendantFacts(
        accepts=None if told.automate_processing is None else told.automate_processing == AUTO_ACCEPT,
        approves=_both(told.all_book_in_policy, told.all_request_in_policy),
        conflicts=told.allow_conflicts,
        releases=told.auto_release,
        release_minutes=told.max_claim_minutes,
    )


def _both(all_book: bool | None, all_request: bool | None) -> bool | None:
    """Whether somebody has to approve: nobody may simply book, and everybody may ask."""
    if all_book is None or all_request is None:
        return None
    return not all_book and all_request
