"""Holidays come from a region, a calendar file and a list, as whole local days; what is wrong is named."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.almanac import Almanac, AlmanacError
from gateway.exchange.moments import as_datetime, instant
from gateway.regional_holidays import main

NOW = instant(datetime(2026, 9, 28, 8, tzinfo=UTC))
BERLIN = ZoneInfo("Europe/Berlin")


def days(almanac: Almanac) -> list[str]:
    """The local days that it names."""
    return [
        as_datetime(start).astimezone(BERLIN).date().isoformat() for start, _ in almanac.spans(NOW, BERLIN)
    ]


def calendar(*entries: str) -> str:
    """A calendar file with these entries."""
    held = "".join(f"BEGIN:VEVENT\nUID:invented@contoso.com\n{entry}\nEND:VEVENT\n" for entry in entries)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{held}END:VCALENDAR\n"


def test_a_regions_holidays_are_those_of_its_part_of_the_country() -> None:
    """Berlin keeps the 8th of March, which Germany as a whole does not."""
    berlin, germany = days(Almanac("DE-BE")), days(Almanac("DE"))
    assert berlin[0] == germany[0] == "2026-10-03"
    assert set(berlin) - set(germany) == {"2027-03-08"}
    assert days(Almanac("DE", (date(2026, 9, 29), date(2026, 10, 3))))[:2] == ["2026-09-29", "2026-10-03"]


def test_the_library_never_enters_the_gateways_own_process() -> None:
    """It would hold 13 MB for years; who asks for a region's days starts a program that ends."""
    asked = (
        "import sys; from gateway.almanac import Almanac; from zoneinfo import ZoneInfo;"
        f"assert Almanac('DE').spans({NOW}, ZoneInfo('UTC')); sys.exit('holidays' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0  # noqa: S603 - our own


@pytest.mark.parametrize("region", ["ZZ", "DE-ZZ"])
def test_an_unknown_region_is_named(region: str) -> None:
    """The library's own words stand behind it."""
    with pytest.raises(AlmanacError, match=f'no holidays are known of "{region}"') as refused:
        Almanac(region).spans(NOW, BERLIN)
    assert refused.value.setting == "holiday_region"


def test_the_program_prints_a_regions_days(capsys: pytest.CaptureFixture[str]) -> None:
    """One ISO date a line; exit code 3 for a region that there is not."""
    assert main(["DE-BE", "2026"]) == 0
    assert "2026-03-08\n" in capsys.readouterr().out
    assert main(["ZZ", "2026"]) == 3


def test_a_calendar_files_entries_count_with_each_of_their_days(tmp_path: Path) -> None:
    """DTEND is the day after the last (RFC 5545, 3.6.1); an entry without it is one day; lines unfold."""
    file = tmp_path / "closed.ics"
    file.write_text(
        calendar(
            "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227",
            "SUMMARY:a name that goes on\n  and on\nDTSTART;VAL\n UE=DATE:20261031",
        )
    )
    assert days(Almanac(file=file)) == ["2026-10-31", "2026-12-24", "2026-12-25", "2026-12-26"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no entries"),
        (calendar("DTSTART:20261224T090000Z"), "not all day"),
        (calendar("SUMMARY:nothing"), "not all day"),
        (calendar("DTSTART;VALUE=DATE:20261224\nRRULE:FREQ=YEARLY"), "repeats; list each day"),
        (calendar("DTSTART;VALUE=DATE:20261399"), "no such date"),
        ("x" * 1_100_000, "larger than"),
        (None, "cannot be read"),
    ],
)
def test_a_calendar_file_that_cannot_be_understood_is_refused(
    tmp_path: Path, text: str | None, told: str
) -> None:
    """Half understood it would leave out days without a word."""
    file = tmp_path / "closed.ics"
    if text is not None:
        file.write_text(text)
    with pytest.raises(AlmanacError, match=told) as refused:
        Almanac(file=file).spans(NOW, BERLIN)
    assert refused.value.setting == "holiday_file"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Such as a picture of the calendar."""
    (tmp_path / "closed.ics").write_bytes(b"\xff\xfe")
    with pytest.raises(AlmanacError, match="not UTF-8 text"):
        Almanac(file=tmp_path / "closed.ics").spans(NOW, BERLIN)
