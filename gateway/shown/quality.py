"""How far the sensors of a room can be trusted, for people and for programs."""

from typing import Any, Final, Protocol

import msgspec
from rich.console import Console

from gateway.core.explain import words
from gateway.core.policy import RoomConfig
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Duration
from gateway.durations import format_duration
from gateway.reports.learned import Suggestion, suggestions
from gateway.reports.room_quality import RoomQuality, Use, policy_flags
from gateway.reports.sensor_quality import SensorQuality
from gateway.reports.trust_words import Trouble
from gateway.shown.paint import BAD, DASH, GOOD, NAME, QUIET, WARN, Times, grid, listing, text

USES: Final[dict[Use, str]] = {
    "check_in": "check-in",
    "no_show": "no-show",
    "brief_visit": "brief visit",
    "early_end": "early end",
}
VERDICTS: Final = {"yes": "yes", "no": "no", "not_enough_history": "?"}
STYLES: Final = {"yes": GOOD, "no": BAD, "good": GOOD, "poor": BAD, "fair": WARN}


class Names(Protocol):
    """What rooms are called, and the clock of the site (`gateway.commands.base.Office`)."""

    names: dict[str, str]

    @property
    def times(self) -> Times:
        """Words instants."""
        ...


def paint_quality(
    console: Console,
    room: RoomQuality,
    config: RoomConfig,
    office: Names,
    *,
    only: str = "",
    first: bool = True,
) -> None:
    """One room: what its sensors support, each sensor's figures, what to look at, what to set."""
    if not first:
        console.print()
    sensors = [sensor for sensor in room.sensors if only in ("", sensor.sensor)]
    days = max((sensor.days for sensor in sensors), default=0.0)
    span = f"{days:.0f} days" if days >= 1.5 else f"{days * DAY_MS / HOUR_MS:.0f} h"  # noqa: PLR2004 - plural
    seen = f"{room.attended} attended bookings in {span}"
    console.print(text(office.names.get(room.room, room.room), NAME), text(seen, QUIET), sep="  ")
    if not only:
        _supports(console, room)
    if not sensors:
        console.print(text("It has no sensor.", QUIET))
        return
    console.print()
    _figures(console, sensors)
    if only:
        _holds(console, sensors[0])
    lines = [trouble.words for sensor in sensors for trouble in sensor.troubles]
    if lines:
        console.print()
        table = grid(2)
        for line in lines:
            table.add_row(text("look", WARN), text(line))
        console.print(table)
    better = [s for s in suggestions(config, room) if only in ("", s.sensor)]
    if better:
        console.print()
        console.print(text("What their own messages suggest for [[room.sensor]]", QUIET))
        table = grid(3)
        for one in better:
            table.add_row(text(one.sensor), text(toml_line(one)), text(_why(one), QUIET))
        console.print(table)


def _supports(console: Console, room: RoomQuality) -> None:
    table = grid(3)
    for use, name in USES.items():
        support = room.supports[use]
        verdict = VERDICTS[support.verdict]
        table.add_row(text(name), text(verdict, STYLES.get(support.verdict, WARN)), text(support.words))
    if room.no_show_delay_ms is not None and room.no_show_delay_99_ms is not None:
        late = f"about {words(_minute(room.no_show_delay_ms))} after its start, nearly always within "
        late += words(_minute(room.no_show_delay_99_ms))
        table.add_row(text("a ghost's release"), text(""), text(late))
    if room.left_delay_ms is not None:
        left = f"about {words(_minute(room.left_delay_ms))} after the last person left"
        table.add_row(text("a brief visit's"), text(""), text(left))
    if room.wrong_releases:
        table.add_row(text("wrong releases"), text(str(room.wrong_releases), BAD), text("as people said"))
    console.print(table)


def _figures(console: Console, sensors: list[SensorQuality]) -> None:
    """How well they see, then how they speak."""
    eyes = ("Bookings", "Missed", "Quiet 95 %", "Longest", "Hold", "Needed", "Called empty")
    table = listing("Sensor", "Trust", *eyes, right=range(2, 9))
    for one in sensors:
        own = "" if one.evidence == "others" else "*"
        table.add_row(
            text(one.sensor),
            text(one.grade, STYLES.get(one.grade, QUIET)),
            DASH if one.evidence == "none" else f"{one.bookings}{own}",
            str(one.missed) if one.evidence == "others" else DASH,
            _short(one.quiet_95_ms),
            _short(one.quiet_longest_ms),
            _short(one.hold_ms),
            _short(one.hold_needed_ms),
            DASH if one.false_empty is None else _percent(one.false_empty),
        )
    console.print(table)
    if any(one.evidence == "itself" for one in sensors):
        console.print(text("* by its own word alone: nobody else confirms who is there", QUIET))
    console.print()
    voice = ("First sign 95 %", "In empty room", "Speaks each", "99 % within", "Late", "Refused")
    table = listing("Sensor", *voice, "Battery", right=range(1, 8))
    for one in sensors:
        table.add_row(
            text(one.sensor),
            _short(one.arrival_95_ms),
            str(one.spurious),
            _short(one.heard_median_ms),
            _short(one.heard_99_ms),
            str(one.late),
            str(one.rejected),
            battery_words(one),
        )
    console.print(table)


def _holds(console: Console, sensor: SensorQuality) -> None:
    """What each hold would do, for one sensor."""
    if not sensor.holds:
        return
    console.print()
    console.print(text("Called empty by the hold alone, of the time in which people were there", QUIET))
    table = listing("Hold", "Share", "Times an hour", right=range(3))
    for line in sensor.holds:
        table.add_row(_short(line.hold_ms), _percent(line.false_empty), f"{line.per_hour:.2f}")
    console.print(table)


def battery_words(sensor: SensorQuality) -> str:
    """Like "64 %, 120 days left"; a dash where nothing is known."""
    if sensor.battery is None:
        return DASH
    left = sensor.battery_days_left
    return f"{sensor.battery} %" + ("" if left is None else f", {left} days left")


def toml_line(one: Suggestion) -> str:
    """The line for the configuration."""
    return f'{one.setting} = "{format_duration(one.better_ms)}"'


def _why(one: Suggestion) -> str:
    now = "none" if one.now_ms is None else format_duration(one.now_ms)
    careful = "; can only delay a release, and is taken by itself where the policy says learn = true"
    return f"instead of {now}{careful if one.is_careful else '; for you to judge'}"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _minute(duration_ms: Duration) -> Duration:
    """Whole minutes, rounded up."""
    return -(-duration_ms // MINUTE_MS) * MINUTE_MS


def _short(duration_ms: Duration | None) -> str:
    """Narrow enough for a column: "45 s", "12 min", "1.5 h", "2 d"."""
    if duration_ms is None:
        return DASH
    if duration_ms < 2 * MINUTE_MS and duration_ms % MINUTE_MS:
        return f"{-(-duration_ms // 1_000)} s"
    if duration_ms < 2 * HOUR_MS:
        return f"{-(-duration_ms // MINUTE_MS)} min"
    return f"{duration_ms / HOUR_MS:.1f} h" if duration_ms < 2 * DAY_MS else f"{duration_ms / DAY_MS:.1f} d"


def quality_json(room: RoomQuality, config: RoomConfig, times: Times) -> dict[str, Any]:
    """For programs: everything; durations in ms, instants in ISO 8601."""
    data: dict[str, Any] = msgspec.to_builtins(room)
    for plain, sensor in zip(data["sensors"], room.sensors, strict=True):
        plain["quiet_longest_at"] = times.iso(sensor.quiet_longest_at)
        plain["troubles"] = [_trouble_json(trouble, times) for trouble in sensor.troubles]
    data["suggestions"] = [
        msgspec.to_builtins(one) | {"toml": toml_line(one)} for one in suggestions(config, room)
    ]
    data["unsupported"] = policy_flags(config, room)
    return data


def _trouble_json(trouble: Trouble, times: Times) -> dict[str, Any]:
    since = trouble.since if trouble.since is not None and trouble.since >= 0 else None
    return {"code": trouble.code, "since": times.iso(since), "words": trouble.words}


def sensor_summary(sensor: SensorQuality) -> dict[str, Any]:
    """What `status` shows of one sensor."""
    return {
        "trust": sensor.grade,
        "battery": sensor.battery,
        "battery_days_left": sensor.battery_days_left,
        "troubles": [trouble.words for trouble in sensor.troubles],
    }
