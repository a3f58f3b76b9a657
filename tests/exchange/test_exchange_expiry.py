"""The end of a credential is told in time, once at each threshold, and never about another's end."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.units import DAY_MS, HOUR_MS
from gateway.exchange.expiry import THRESHOLDS_DAYS, CredentialEnd, Told, expiry_warning, in_words

END = 1_800_000_000_000
"""2027-01-15 08:00 UTC."""
CERTIFICATE = CredentialEnd("certificate", END)


def told_over(end: CredentialEnd, moments: list[int]) -> list[int]:
    """The thresholds told when somebody looks at these moments."""
    told: Told | None = None
    days = []
    for moment in moments:
        warning, told = expiry_warning(end, moment, told)
        if warning is not None:
            days.append(warning.days)
    return days


def test_each_threshold_is_told_once() -> None:
    """Somebody who looks every hour for six weeks hears six sentences."""
    hours = [END - 40 * DAY_MS + hour * HOUR_MS for hour in range(42 * 24)]
    assert told_over(CERTIFICATE, hours) == [30, 14, 7, 3, 1, 0]


def test_a_threshold_is_passed_when_exactly_so_much_is_left() -> None:
    """Seven days before is seven days before, to the millisecond."""
    assert told_over(CERTIFICATE, [END - 30 * DAY_MS - 1]) == []
    assert told_over(CERTIFICATE, [END - 30 * DAY_MS]) == [30]
    assert told_over(CERTIFICATE, [END - 1]) == [1]
    assert told_over(CERTIFICATE, [END]) == [0]


def test_a_gateway_that_was_off_tells_the_tightest_only() -> None:
    """Not four sentences at once."""
    assert told_over(CERTIFICATE, [END - 2 * DAY_MS, END - 2 * DAY_MS]) == [3]


def test_a_renewed_credential_starts_anew() -> None:
    """What was told of the old end says nothing about the new one."""
    _, told = expiry_warning(CERTIFICATE, END - DAY_MS)
    renewed = CredentialEnd("certificate", END + 20 * DAY_MS)
    warning, told = expiry_warning(renewed, END - DAY_MS, told)
    assert warning is not None
    assert warning.days == 30
    assert told == Told(renewed.ends_at or 0, 30)


def test_an_unknown_end_and_an_assertion_are_never_told() -> None:
    """Nobody knows the one, and the other is renewed every hour."""
    assert expiry_warning(CredentialEnd("secret", None), END) == (None, None)
    assert expiry_warning(CredentialEnd("assertion", END), END) == (None, None)


def test_the_sentence_says_what_ends_when_and_what_to_do() -> None:
    """Finished words, with the day."""
    assert (
        in_words(CERTIFICATE, END - 60 * DAY_MS)
        == "the certificate for Exchange ends in 60 days (2027-01-15)"
    )
    assert in_words(CERTIFICATE, END - DAY_MS).startswith(
        "the certificate for Exchange ends in 1 day (2027-01-15): make a new one, upload its public part"
    )
    assert in_words(CERTIFICATE, END - 5).startswith("the certificate for Exchange ends today (2027-01-15): ")
    assert in_words(CredentialEnd("secret", END), END + DAY_MS).startswith(
        "the secret for Exchange has ended on 2027-01-15: create a new one"
    )
    assert in_words(CredentialEnd("secret", None), END) == "nobody has told when the secret ends"


@given(st.lists(st.integers(-45 * DAY_MS, 5 * DAY_MS), max_size=30))
def test_nothing_is_told_twice_whatever_the_clock_does(offsets: list[int]) -> None:
    """A clock that jumps back and forth repeats no threshold and never loosens one."""
    days = told_over(CERTIFICATE, [END + offset for offset in offsets])
    assert days == sorted(set(days), reverse=True)
    assert set(days) <= {*THRESHOLDS_DAYS, 0}
