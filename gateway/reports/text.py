"""Reports as text: CSV for spreadsheets, JSON for programs, and rows for a table. Hours throughout."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, NamedTuple

from gateway.core.units import HOUR_MS, Duration, Instant
from gateway.reports.causes import GROUPS, OUTCOMES, cause_of
from gateway.reports.rooms import Report, RoomReport, RuleReport

HOURS: Final[tuple[tuple[str, str], ...]] = (
    ("booked_hours", "booked_ms"),
    ("used_hours", "used_ms"),
    ("ghost_hours", "ghost_ms"),
    ("returned_hours", "returned_ms"),
    ("would_return_hours", "would_return_ms"),
    ("ended_early_hours", "ended_early_ms"),
    ("occupied_hours", "occupied_ms"),
    ("untold_hours", "untold_ms"),
)
NONE: Final = "\N{EN DASH}"
COUNTS: Final = ("bookings", "released", "would_be_released", "came_after", "given_back", "wrong_releases")


class Table(NamedTuple):
    """A table as plain text: `rows` are rooms, `total` is the site, `notes` stand below."""

    headers: tuple[str, ...]
    rows: list[tuple[str, ...]]
    total: tuple[str, ...]
    outcomes: list[tuple[str, int]]
    causes: list[tuple[str, str]]
    """Why ghost hours were not given back, with the hours, the largest first."""
    notes: list[str]
    series: list[tuple[str, str, str, str]]
    """Series that nobody comes to: room, key, ghosts in a row, their booked hours."""


def hours(duration_ms: Duration) -> str:
    """Hours with one decimal, half a tenth rounded up; a dash for none at all."""
    tenths = (duration_ms * 10 + HOUR_MS // 2) // HOUR_MS
    return f"{tenths // 10}.{tenths % 10}" if duration_ms else NONE


def as_table(report: Report, names: Mapping[str, str]) -> Table:
    """For people; `names` are what the rooms are called."""
    headers = ("Room", "Bookings", "Booked", "Used", "Ghost", "Given back", "Would be", "Wrong")
    total = report.total
    outcomes = [(words, total.outcomes[key]) for key, words in OUTCOMES.items() if total.outcomes.get(key)]
    merged: dict[str, Duration] = {}
    for code, duration in total.unreturned_ms.items():
        words = cause_of(code).words
        merged[words] = merged.get(words, 0) + duration
    by_size = sorted(merged.items(), key=lambda item: -item[1])
    return Table(
        headers,
        [_row(room, names.get(room.room, room.room)) for room in report.rooms],
        _row(total, "All rooms"),
        outcomes,
        [(words, hours(duration)) for words, duration in by_size],
        [*_notes(total), *_rule_notes(report.rules)],
        [
            (names.get(one.room, one.room), one.booking, str(one.ghosts), hours(one.booked_ms))
            for one in report.series
        ],
    )


def _row(room: RoomReport, name: str) -> tuple[str, ...]:
    figures = (room.booked_ms, room.used_ms, room.ghost_ms, room.returned_ms, room.would_return_ms)
    return name, str(room.bookings), *(hours(figure) for figure in figures), wrong_words(room)


def wrong_words(room: RoomReport) -> str:
    """Of how many releases how many were reported as wrong: "1 of 14 (7 %)"; a dash where there was none."""
    rate = room.wrong_release_rate
    if rate is None:
        return NONE
    return f"{room.wrong_releases} of {max(room.given_back, room.wrong_releases)} ({rate:.0%})".replace(
        "%", " %"
    )


def _notes(total: RoomReport) -> list[str]:
    notes = []
    if total.given_back or total.wrong_releases:
        notes.append('"Wrong": releases that people reported as wrong (were-here), of all that were made.')
    if total.would_return_ms:
        notes.append('"Would be": what the rooms in shadow mode would have given back if they were live.')
    if total.came_after:
        notes.append(
            "A room was wanted after its release, or after its supposed one in shadow: "
            f"{_times(total.came_after)}."
        )
    if total.ended_early_ms:
        notes.append(f"Bookings that ended early gave back {hours(total.ended_early_ms)} h.")
    if total.untold_ms:
        notes.append(f"The sensors could not tell for {hours(total.untold_ms)} h of room time.")
    return notes


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _rule_notes(rules: Sequence[RuleReport]) -> list[str]:
    return [
        f"Rule for bookings broken in {one.room}: {one.rule}, {_times(one.broken)}"
        + (f", declined {_times(one.declined)}." if one.declined else ".")
        for one in rules
    ]


def as_csv(report: Report) -> str:
    """One line a room, for spreadsheets: comma-separated, hours with two decimals, fixed columns."""
    columns = [
        "room",
        *COUNTS,
        *(f"outcome_{outcome}" for outcome in OUTCOMES),
        *(name for name, _ in HOURS),
        *(f"unreturned_{group}_hours" for group in GROUPS),
        "wrong_release_rate",
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for room in report.rooms:
        by_group = _by_group(room)
        writer.writerow(
            [
                room.room,
                *(getattr(room, name) for name in COUNTS),
                *(room.outcomes.get(outcome, 0) for outcome in OUTCOMES),
                *(f"{getattr(room, field) / HOUR_MS:.2f}" for _, field in HOURS),
                *(f"{by_group.get(group, 0) / HOUR_MS:.2f}" for group in GROUPS),
                "" if room.wrong_release_rate is None else f"{room.wrong_release_rate:.4f}",
            ]
        )
    return text.getvalue()


def _by_group(room: RoomReport) -> dict[str, Duration]:
    by_group: dict[str, Duration] = {}
    for code, duration in room.unreturned_ms.items():
        group = cause_of(code).group
        by_group[group] = by_group.get(group, 0) + duration
    return by_group


def as_json(report: Report, zone: tzinfo) -> dict[str, Any]:
    """For programs: ISO 8601 times, hours as numbers, causes with code, group and words."""
    return {
        "since": _iso(report.since, zone),
        "until": _iso(report.until, zone),
        "rooms": [_json_room(room) for room in report.rooms],
        "total": _json_room(report.total),
        "series": [
            {
                "room": one.room,
                "booking": one.booking,
                "ghosts_in_a_row": one.ghosts,
                "booked_hours": _decimal(one.booked_ms),
                "reported_on": _iso(one.at, zone)[:10],
            }
            for one in report.series
        ],
        "rules": [
            {"room": one.room, "rule": one.rule, "broken": one.broken, "declined": one.declined}
            for one in report.rules
        ],
    }


def _json_room(room: RoomReport) -> dict[str, Any]:
    named: dict[str, Any] = {"room": room.room} if room.room else {}
    return (
        named
        | {name: getattr(room, name) for name in COUNTS}
        | {"wrong_release_rate": _share(room.wrong_release_rate)}
        | {"outcomes": room.outcomes}
        | {name: _decimal(getattr(room, field)) for name, field in HOURS}
        | {
            "unreturned": [
                {
                    "cause": code,
                    "group": cause_of(code).group,
                    "words": cause_of(code).words,
                    "hours": _decimal(duration),
                }
                for code, duration in room.unreturned_ms.items()
            ]
        }
    )


def _share(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)


def _decimal(duration_ms: Duration) -> float:
    return round(duration_ms / HOUR_MS, 4)


def _iso(instant: Instant, zone: tzinfo) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).astimezone(zone).isoformat(timespec="seconds")
