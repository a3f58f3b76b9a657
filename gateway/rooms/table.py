"""Rooms from a CSV file, as spreadsheets write them.

The first line names the columns, in any order and any case; only `mailbox` is needed:

    mailbox;name;id;capacity;building;floor;tags;time_zone
    orion@contoso.com;Orion;orion;8;North;4;video, whiteboard;Europe/Berlin

Columns are separated by `;`, `,` or tabs. Other columns are ignored. An empty cell says nothing.
"""

import csv
import io
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.exchange.places import ADDRESS, MAX_NAME, MAX_TAG, MAX_TEXT, FoundRoom, clean_tags
from gateway.settings_problems import did_you_mean, shown
from gateway.settings_sections import SLUG

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_CAPACITY: Final = 10_000
"""As in the settings."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "mailbox": ("mailbox", "email", "emailaddress", "mail", "primarysmtpaddress", "address"),
    "name": ("name", "displayname", "room"),
    "id": ("id", "slug"),
    "capacity": ("capacity", "resourcecapacity", "seats"),
    "building": ("building",),
    "floor": ("floor", "floorlabel"),
    "tags": ("tags", "equipment", "amenities"),
    "time_zone": ("timezone",),
}
"""Our columns, and what they are called in the exports of Exchange and Places, without blanks and case."""


class TableError(Exception):
    """The table cannot be taken; `problems` are finished sentences, each with its line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def read_table(content: bytes, file: str = "rooms.csv") -> tuple[FoundRoom, ...]:
    """The rooms of a CSV file, in its order. Raises TableError with everything that is wrong with it."""
    text = _text(content, file)
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(first), strict=True)
    problems: list[str] = []
    rooms: list[FoundRoom] = []
    header: dict[int, str] | None = None
    seen: dict[str, int] = {}
    try:
        for row in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = _header(row, file, line)
                continue
            cells = {header[n]: cell.strip() for n, cell in enumerate(row) if n in header and cell.strip()}
            found = [f"{file}:{line}: {problem}" for problem in _faults(cells)]
            mailbox = cells.get("mailbox", "").casefold()
            if mailbox and mailbox in seen:
                found.append(f"{file}:{line}: {cells['mailbox']} is in line {seen[mailbox]} already")
            seen.setdefault(mailbox, line)
            problems += found
            if not found:
                rooms.append(_room(cells, line))
    except csv.Error as error:
        problems.append(f"{file}:{reader.line_num}: not CSV: {error}; is a quotation mark missing?")
    if header is None and not problems:
        problems.append(f"{file}: empty; expected a first line with the columns' names, at least mailbox")
    if problems:
        raise TableError(problems)
    return tuple(rooms)


def _text(content: bytes, file: str) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise TableError([f"{file}: larger than {MAX_FILE_BYTES} bytes, so it is no list of rooms"])
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        told = f'{file}:{line}: expected UTF-8; save it as "CSV UTF-8" in the spreadsheet'
        raise TableError([told]) from None


def _separator(first: str) -> str:
    """Whichever stands most often in the line of names; names hold none of them."""
    return max(";,\t", key=first.count)


def _header(row: list[str], file: str, line: int) -> dict[int, str]:
    known = {alias: column for column, aliases in COLUMNS.items() for alias in aliases}
    header: dict[int, str] = {}
    for position, cell in enumerate(row):
        column = known.get(re.sub(r"[^a-z]", "", cell.casefold()))
        if column is not None and column not in header.values():
            header[position] = column
    if "mailbox" not in header.values():
        names = ", ".join(shown(cell) for cell in row[:8])
        expected = "the columns' names, at least mailbox, separated by ; or ,"
        raise TableError([f"{file}:{line}: found {names}, expected {expected}"])
    return header


def _faults(cells: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a row."""
    mailbox = cells.get("mailbox")
    if mailbox is None:
        yield "mailbox: missing; expected the room's address in Exchange"
    elif not ADDRESS.fullmatch(mailbox):
        yield f'mailbox: found {shown(mailbox)}, expected an e-mail address, such as "orion@contoso.com"'
    capacity = cells.get("capacity")
    if capacity is not None and not (
        re.fullmatch(r"[0-9]{1,9}", capacity) and 1 <= int(capacity) <= MAX_CAPACITY
    ):
        yield f"capacity: found {shown(capacity)}, expected a whole number from 1 to {MAX_CAPACITY}"
    id_ = cells.get("id")
    if id_ is not None and not SLUG.fullmatch(id_):
        yield f'id: found {shown(id_)}, expected a short name of a-z, 0-9, "-" and "_"'
    zone = cells.get("time_zone")
    if zone is not None and zone not in zoneinfo.available_timezones():
        close = did_you_mean(zone, zoneinfo.available_timezones())
        yield f'time_zone: found {shown(zone)}, expected an IANA time zone such as "Europe/Berlin"{close}'
    limits = {"name": MAX_NAME, "building": MAX_TEXT, "floor": MAX_TEXT}
    for column, limit in limits.items():
        if len(cells.get(column, "")) > limit:
            yield f"{column}: longer than {limit} characters"
    if any(len(tag) > MAX_TAG for tag in re.split(r"[,;|]", cells.get("tags", ""))):
        yield f"tags: one of them is longer than {MAX_TAG} characters"


def _room(cells: Mapping[str, str], line: int) -> FoundRoom:
    capacity = cells.get("capacity")
    return FoundRoom(
        mailbox=cells["mailbox"],
        name=_one_line(cells.get("name")),
        id=cells.get("id"),
        capacity=None if capacity is None else int(capacity),
        building=_one_line(cells.get("building")),
        floor=_one_line(cells.get("floor")),
        tags=clean_tags(re.split(r"[,;|]", cells.get("tags", ""))),
        time_zone=cells.get("time_zone"),
        line=line,
    )


def _one_line(text: str | None) -> str | None:
    return None if text is None else " ".join(text.split())
