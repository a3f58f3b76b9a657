"""A credential that ends silently ends the gateway's work: who has to renew it is told in time, and once.

Pure: an end, the present and what was told before go in, what is to be told now comes out.
"""

from typing import Final

import msgspec

from gateway.core.units import DAY_MS, Instant
from gateway.exchange.credentials import RENEWAL, Kind, Material, day

THRESHOLDS_DAYS: Final = (30, 14, 7, 3, 1)
"""So many days before the end it is told; a day lasts 24 hours here."""

ENDED: Final = 0
"""The threshold of the end itself."""


class CredentialEnd(msgspec.Struct, frozen=True):
    """When a credential ends. `ends_at` is None where only Entra knows."""

    kind: Kind
    ends_at: Instant | None

    @classmethod
    def of(cls, material: Material) -> "CredentialEnd":
        """The end of what was read."""
        return cls(material.kind, material.ends_at)


class Told(msgspec.Struct, frozen=True):
    """What was told last: of which end, at which threshold (days). To be kept by who raises the alert."""

    ends_at: Instant
    days: int


class ExpiryWarning(msgspec.Struct, frozen=True):
    """Something to tell people, as plain data."""

    kind: Kind
    ends_at: Instant
    days: int
    """The threshold that was passed: 30, 14, 7, 3, 1, or 0 for "has ended"."""
    left_ms: int
    """What is left; not above 0 when it has ended."""
    text: str
    """A finished sentence: what ends when, and what to do."""


def threshold(left_ms: int) -> int | None:
    """The tightest threshold (days) that is passed with so much left; None: none yet."""
    if left_ms <= 0:
        return ENDED
    return min((days for days in THRESHOLDS_DAYS if left_ms <= days * DAY_MS), default=None)


def expiry_warning(
    end: CredentialEnd, now: Instant, told: Told | None = None
) -> tuple[ExpiryWarning | None, Told | None]:
    """What is to be told at `now`, and what will then have been told.

    Each threshold of one end is told at most once. Who looks for the first time late (a gateway that
    was off) tells the tightest threshold only. A renewed credential has another end and starts anew.
    A clock that is set back tells nothing twice.
    """
    kept = told if told is not None and told.ends_at == end.ends_at else None
    if end.ends_at is None or end.kind == "assertion":  # an assertion is renewed every hour or so
        return None, kept
    days = threshold(end.ends_at - now)
    if days is None or (kept is not None and kept.days <= days):
        return None, kept
    warning = ExpiryWarning(end.kind, end.ends_at, days, end.ends_at - now, in_words(end, now))
    return warning, Told(end.ends_at, days)


def in_words(end: CredentialEnd, now: Instant) -> str:
    """One sentence about the end, and what to do where something is due."""
    if end.ends_at is None:
        return f"nobody has told when the {end.kind} ends"
    left = end.ends_at - now
    if left <= 0:
        return f"the {end.kind} for Exchange has ended on {day(end.ends_at)}: {RENEWAL[end.kind]}"
    days = left // DAY_MS
    when = "today" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
    sentence = f"the {end.kind} for Exchange ends {when} ({day(end.ends_at)})"
    return sentence if threshold(left) is None else f"{sentence}: {RENEWAL[end.kind]}"
