"""How the demo looks on a terminal: a calm table while it runs, a summary at the end."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gateway.core.decisions import Decision
from gateway.core.explain import explain_reason
from gateway.core.life import Life
from gateway.core.room import Room
from gateway.core.units import Instant
from gateway.runtime.picture import current_and_next, outlook_of
from simulators.demo import ZONE, Demo, Result
from simulators.truth import CAUSES_IN_WORDS

NEWS_SHOWN: Final = 8
NEWS: Final = {
    "checked_in": ("checked in", "green"),
    "warned": ("warned", "yellow"),
    "warning_cancelled": ("warning taken back", "yellow"),
    "withheld": ("withheld", "magenta"),
    "withdrawn": ("withdrawn", "magenta"),
    "released": ("given back", "bold cyan"),
    "restored": ("restored", "magenta"),
}
STYLES: Final = {"occupied": "green", "vacant": "cyan", "unknown": "bright_black"}


def clock(instant: Instant, pattern: str = "%H:%M") -> str:
    """A time in the office's zone."""
    return datetime.fromtimestamp(instant / 1_000, ZoneInfo(ZONE)).strftime(pattern)


class Stage:
    """Shows a running demo on a rich console."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, screen=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, demo: Demo) -> None:
        """Draw the present moment."""
        self._live.update(scene(demo))


def scene(demo: Demo) -> RenderableType:
    """The whole picture: the clock, the rooms, what happened lately."""
    now = demo.clock.now()
    return Group(_heading(demo, now), _rooms(demo, now), _news(demo))


def _heading(demo: Demo, now: Instant) -> RenderableType:
    office = demo.office
    row = Table.grid(expand=True, padding=(0, 2))
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True, justify="right")
    done = min(max(now - office.start_ms, 0), office.end_ms - office.start_ms)
    row.add_row(
        Text(clock(now, "%A %H:%M"), style="bold"),
        ProgressBar(total=office.end_ms - office.start_ms, completed=done, complete_style="cyan"),
        Text(f"{demo.readings:,} readings · {demo.exchange.requests.total:,} requests to Exchange"),
    )
    return row


def _rooms(demo: Demo, now: Instant) -> RenderableType:
    table = Table(expand=True, box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    table.add_column("room", no_wrap=True)
    table.add_column("people", justify="right", no_wrap=True)
    table.add_column("sensors say", no_wrap=True)
    table.add_column("booking", no_wrap=True)
    table.add_column("what the gateway does, and why", ratio=1)
    for name, room in sorted(demo.service.brain.site.rooms.items()):
        people = demo.office.present(name, now)
        current, coming = current_and_next(room, now)
        life = current or coming
        table.add_row(
            Text(room.state.config.name),
            Text(str(people) if people else "·", style="bold" if people else "bright_black"),
            Text(room.state.occupancy.status, style=STYLES[room.state.occupancy.status]),
            _booking(life, now),
            _outlook(room, life, now),
        )
    return Panel(table, border_style="bright_black", padding=(0, 1))


def _booking(life: Life | None, now: Instant) -> Text:
    if life is None:
        return Text("free", style="bright_black")
    text = f"{clock(life.booking.start)}-{clock(life.booking.end)}"
    return Text(text, style="" if life.booking.start <= now else "bright_black")


def _outlook(room: Room, life: Life | None, now: Instant) -> Text:
    if life is None or life.booking.start > now:
        return Text("")
    sentence, release_at = outlook_of(room, life, now, ZoneInfo(ZONE), "%H:%M")
    style = {"checked_in": "green", "released": "cyan", "releasing": "bold cyan"}.get(life.state, "")
    if release_at is not None and life.warned_at > 0:
        style = "yellow"
    return Text(sentence, style=style)


def _news(demo: Demo) -> RenderableType:
    lines = [_told(decision) for decision in demo.news if decision.kind in NEWS]
    return Group(*lines[-NEWS_SHOWN:], *[Text("")] * max(0, NEWS_SHOWN - len(lines)))


def _told(decision: Decision) -> Text:
    word, style = NEWS[decision.kind]
    text = Text.assemble(
        (f"{clock(decision.at)}  ", "bright_black"), f"{decision.room:<8} ", (f"{word:<19}", style)
    )
    text.append(main_reason(decision))
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def main_reason(decision: Decision) -> str:
    """The first reason in words, with times of day."""
    return explain_reason(decision.reasons[0], clock) if decision.reasons else ""


def headless_line(demo: Demo, seen: int) -> Iterable[str]:
    """What happened since `seen` decisions, as plain lines."""
    for decision in demo.news[seen:]:
        if decision.kind in NEWS:
            word, _ = NEWS[decision.kind]
            yield f"{clock(decision.at)}  {decision.room:<8} {word:<19}{main_reason(decision)}"


def summary(result: Result) -> RenderableType:
    """The figures that the morning ends with."""
    total, figures = result.balance, result.as_json()
    table = Table.grid(padding=(0, 3))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="bright_black")
    returned, recoverable = figures["hours_returned"], figures["hours_recoverable"]
    share = f"{returned / recoverable:.0%} of what could be" if recoverable else ""
    wrong_style = "bold red" if total.wrongly_released else "bold green"
    rows: list[tuple[str, Any, str]] = [
        ("bookings", total.bookings, f"{total.hours_booked:.1f} hours"),
        ("nobody came to (in truth)", total.ghosts, f"{total.hours_ghost:.1f} hours"),
        ("given back", total.released, ""),
        ("taken from people", Text(str(total.wrongly_released), style=wrong_style), "must be 0"),
        ("people came after it", total.came_after_release, "later than the grace period"),
        ("checked in", total.checked_in, ""),
        ("hours given back", f"{returned:.1f}", share),
        ("hours that could be", f"{recoverable:.1f}", "after grace, hold and the last real presence"),
        ("requests to Exchange", result.graph_requests, ""),
        ("readings", result.readings, ""),
    ]
    for name, value, note in rows:
        table.add_row(name, value if isinstance(value, Text) else str(value), note)
    return Group(
        Text(),
        Text(f"{result.options.hours:g} hours in {result.options.rooms} rooms", style="bold"),
        table,
        Text(),
        _causes(total.causes),
    )


def _causes(causes: dict[str, float]) -> RenderableType:
    if not causes:
        return Text("Every ghost hour was given back.")
    table = Table.grid(padding=(0, 3))
    table.add_column(justify="right")
    table.add_column()
    for cause, hours in sorted(causes.items(), key=lambda item: -item[1]):
        table.add_row(f"{hours:.2f} h", CAUSES_IN_WORDS.get(cause, cause))
    return Group(Text("Ghost hours that were not given back, and why", style="bold"), table)
