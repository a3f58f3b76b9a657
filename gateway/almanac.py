"""Days on which empty rooms are expected: of a region, from a calendar file, or listed in the settings.

The core is given instants, each day from its midnight to the next in the site's zone.

Exception
└── AlmanacError   a source of holidays cannot be used; `setting` names the one in ``[site]``
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, NamedTuple

from gateway import regional_holidays
from gateway.core.units import Instant
from gateway.exchange.moments import as_datetime, midnight

DAYS_BACK: Final = 30
"""So far back they are known, so that a late start judges last month's bookings alike."""

DAYS_AHEAD: Final = 400
"""And so far ahead: over the next year's, for whoever looks at the configuration."""

PATIENCE_S: Final = 30.0
"""How long the region's holidays may take to be worked out; it takes a third of a second."""

MAX_FILE_BYTES: Final = 1024 * 1024
"""A calendar of holidays has some ten kilobytes."""

_DATE: Final = re.compile(r"DT(?P<what>START|END)(?:;[^:]*)?:(?P<day>[0-9]{8})(?P<time>T[0-9]{6}Z?)?")


class AlmanacError(Exception):
    """Holidays cannot be told. `setting`: the key under ``[site]`` that is to be mended."""

    def __init__(self, setting: str, why: str) -> None:
        super().__init__(why)
        self.setting = setting


class Almanac(NamedTuple):
    """Where a site's holidays come from. Blocking: a region starts a program, a file is read."""

    region: str | None = None
    dates: tuple[date, ...] = ()
    file: Path | None = None

    def spans(self, now: Instant, zone: tzinfo) -> tuple[tuple[Instant, Instant], ...]:
        """The holidays from a month ago to a year ahead, in order. Raises AlmanacError."""
        today = as_datetime(now).astimezone(zone).date()
        first, last = today - timedelta(days=DAYS_BACK), today + timedelta(days=DAYS_AHEAD)
        days = {*self.dates}
        if self.region is not None:
            days.update(_of_region(self.region, range(first.year, last.year + 1)))
        if self.file is not None:
            days.update(_of_file(self.file))
        wanted = sorted(day for day in days if first <= day <= last)
        return tuple((midnight(day, zone), midnight(day + timedelta(days=1), zone)) for day in wanted)


def _of_region(region: str, years: Iterable[int]) -> list[date]:
    command = [sys.executable, "-P", regional_holidays.__file__, region, *map(str, years)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module; the region is two or six checked letters
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AlmanacError("holiday_region", f"cannot be worked out ({type(error).__name__})") from error
    if done.returncode == regional_holidays.UNKNOWN:
        raise AlmanacError("holiday_region", f'no holidays are known of "{region}" ({done.stderr.strip()})')
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise AlmanacError("holiday_region", f"cannot be worked out ({last})")
    return [date.fromisoformat(line) for line in done.stdout.split()]


def _of_file(path: Path) -> Iterator[date]:
    """The all-day entries of an iCalendar file (RFC 5545), an entry of several days with each of them."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        raise AlmanacError("holiday_file", f"{path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise AlmanacError("holiday_file", f"{path} is not UTF-8 text") from error
    if len(raw) > MAX_FILE_BYTES:
        raise AlmanacError("holiday_file", f"{path} is larger than {MAX_FILE_BYTES} bytes")
    entries = re.findall(r"^BEGIN:VEVENT\n(.*?)^END:VEVENT$", _unfolded(text), re.DOTALL | re.MULTILINE)
    if not entries:
        raise AlmanacError("holiday_file", f"{path} has no entries: an iCalendar file (.ics) was expected")
    for entry in entries:
        yield from _days_of(entry, path)


def _unfolded(text: str) -> str:
    """Long lines go on after a line break and a blank (RFC 5545, 3.1)."""
    return re.sub(r"\n[ \t]", "", text.replace("\r\n", "\n"))


def _days_of(entry: str, path: Path) -> Iterator[date]:
    if re.search(r"^RRULE", entry, re.MULTILINE):
        raise AlmanacError("holiday_file", f"{path} has an entry that repeats; list each day by itself")
    moments = {found["what"]: found for found in _DATE.finditer(entry)}
    start, end = moments.get("START"), moments.get("END")
    if start is None or start["time"]:
        raise AlmanacError("holiday_file", f"{path} has an entry that is not all day")
    try:
        first = datetime.strptime(start["day"], "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
        after = first + timedelta(days=1)
        if end is not None:
            after = max(after, datetime.strptime(end["day"], "%Y%m%d").date())  # noqa: DTZ007 - as above
    except ValueError as error:
        raise AlmanacError("holiday_file", f"{path} has an entry with no such date") from error
    for number in range(min((after - first).days, DAYS_AHEAD)):
        yield first + timedelta(days=number)
