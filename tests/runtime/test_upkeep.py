"""Credentials that end, and what IT has told of the rooms: as alerts and findings take them."""

import pytest

from gateway.core.units import DAY_MS, HOUR_MS
from gateway.exchange.attendant_settings import AttendantSettings, Kept
from gateway.exchange.credentials import Material
from gateway.exchange.quiet import AttendantFacts
from gateway.runtime.upkeep import attendants, of_credential

END = 1_800_000_000_000


def certificate(ends_at: int | None) -> Material:
    """A certificate that ends then."""
    return Material("certificate", "x", ends_at=ends_at)


@pytest.mark.parametrize(
    ("left_ms", "told"),
    [
        (31 * DAY_MS, []),
        (30 * DAY_MS, ["30 days"]),
        (14 * DAY_MS + HOUR_MS, ["30 days"]),
        (14 * DAY_MS, ["30 days", "14 days"]),
        (2 * DAY_MS, ["30 days", "14 days", "7 days", "3 days"]),
        (HOUR_MS, ["30 days", "14 days", "7 days", "3 days", "1 days"]),
        (-1, ["30 days", "14 days", "7 days", "3 days", "1 days", "ended"]),
    ],
)
def test_each_threshold_that_is_passed_stands_as_a_trouble_of_its_own(left_ms: int, told: list[str]) -> None:
    """So each is told once, and none recovers before the credential is renewed."""
    found = of_credential(certificate(END), END - left_ms)
    assert [one.place for one in found] == told
    assert all(one.kind == "credential_ends" and one.sentence for one in found)


def test_a_renewed_credential_is_another_one() -> None:
    """Its troubles have other subjects: the old ones recover."""
    old, new = (of_credential(certificate(end), END - DAY_MS) for end in (END, END + 5 * DAY_MS))
    assert not {one.subject for one in old} & {one.subject for one in new}


def test_an_end_that_nobody_knows_is_no_trouble() -> None:
    """A secret without `secret_expires`: Graph does not tell."""
    assert of_credential(certificate(None), END) == []


def test_what_was_imported_is_known_by_room_and_what_was_not_stays_unknown() -> None:
    """Matched by mailbox, whatever its case; None stays None."""
    told = AttendantSettings(
        mailbox="orion@contoso.com",
        automate_processing="AutoUpdate",
        all_book_in_policy=False,
        all_request_in_policy=True,
        allow_conflicts=True,
        auto_release=True,
        max_claim_minutes=10,
    )
    bare = AttendantSettings(mailbox="lyra@contoso.com")
    kept = Kept("2026-11-27T12:00:00+00:00", (told, bare))
    found = attendants(
        kept, {"orion": "Orion@contoso.com", "lyra": "lyra@contoso.com", "vega": "v@contoso.com"}
    )
    assert found == {
        "orion": AttendantFacts(
            accepts=False, approves=True, conflicts=True, releases=True, release_minutes=10
        ),
        "lyra": AttendantFacts(),
    }
    assert attendants(None, {"orion": "orion@contoso.com"}) == {}
