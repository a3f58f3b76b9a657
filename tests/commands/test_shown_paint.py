"""Screens are safe and short: no control characters, keys cut to what tells them apart, local times."""

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.units import MINUTE_MS, SECOND_MS
from gateway.shown.paint import ELLIPSIS, Times, plain, short_keys

NOON = 1_790_000_000_000 // MINUTE_MS * MINUTE_MS


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_printed(text: str) -> None:
    """Payloads and calendar keys come from strangers."""
    assert plain(text).isprintable()


def test_text_that_is_harmless_stays_as_it_is() -> None:
    """Umlauts and signs are no danger."""
    assert plain("Größe 2 µm") == "Größe 2 µm"
    assert plain("a\x1b[31m\n\x9b") == "a\\x1b[31m\\n\\x9b"


@given(st.lists(st.text("0123456789ABCDEF@", min_size=1, max_size=60), unique=True))
def test_short_keys_still_tell_bookings_apart_and_are_part_of_the_key(keys: list[str]) -> None:
    """What is shown can be given to `explain`."""
    short = short_keys(keys)
    assert len(set(short.values())) == len(keys)
    for key, shown in short.items():
        assert key.endswith(shown.removeprefix(ELLIPSIS))


def test_times_carry_their_day_only_where_it_is_another() -> None:
    """A screen about one day says the day once."""
    times = Times(ZoneInfo("Europe/Berlin"))
    assert times.clock(NOON) == "Mon 21 Sep 16:13"
    assert times.on(NOON).clock(NOON) == "16:13"
    assert times.on(NOON).clock(NOON + 20 * SECOND_MS) == "16:13:20"
    assert times.on(NOON - 86_400_000).second(NOON) == "Mon 21 Sep 16:13:00"
    assert times.iso(NOON) == "2026-09-21T16:13:00+02:00"
