"""Writes the parts of the documentation that the code knows better than any writer.

    python -m docs.generate              the tables, the state diagram, the examples, and the ready files
                                         in firmware-config/
    python -m docs.generate picture      docs/images/demo.svg anew, from a real run of the demo (a minute)

A generated part stands between two markers, and everything between them is replaced:

    <!-- generated: NAME -->
    <!-- end of NAME -->

`tests/test_docs.py` fails when a part is stale. `simulators.scenario.catalogue` does the same for
docs/scenarios.md, with markers of its own.
"""

import asyncio
import inspect
import io
import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.alerts import KINDS as ALERTS
from gateway.alerts import Alerts, Timing, Trouble, standing_json
from gateway.core.booking import Booking
from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, Booted, CalendarRead, Configured, LinkUp, Reading, Tick
from gateway.core.life import CAUSES, TRANSITIONS, Cause, State
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.rules import RELEASE_RULES
from gateway.core.site import Site
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.durations import format_duration
from gateway.firmware.kinds import KINDS as FIRMWARE_KINDS
from gateway.firmware.kinds import make
from gateway.firmware.plan import Broker
from gateway.links import LinkListener
from gateway.runtime.announce import Announcer, alerts_topic, availability_topic, state_topic
from gateway.runtime.health import health
from gateway.runtime.home_assistant import (
    CONNECTIVITY,
    GATEWAY,
    GATEWAY_ENTITIES,
    ROOM_ENTITIES,
    Entity,
    Topics,
)
from gateway.runtime.picture import iso
from gateway.settings import load
from simulators.faults import IN_WORDS, KINDS
from simulators.invariants import CHECKERS

DOCS: Final = Path(__file__).parent
PICTURE: Final = DOCS / "images" / "demo.svg"
PREFIX: Final = "occupancy"
"""The default of `[mqtt] topic_prefix`."""
DISCOVERY: Final = "homeassistant"
"""The default of `[home_assistant] prefix`."""

PART: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)

WEIGHTS: Final = {
    "never": "This booking is not released, whatever happens.",
    "doubt": "Something is missing that may come (back). A release that is due is *withheld*.",
    "time": "Only a matter of waiting.",
}


# -- the life of a booking ----------------------------------------------------------------------------


def states() -> str:
    """The state diagram of `gateway.core.life.TRANSITIONS`, as mermaid draws it."""
    arrows: dict[tuple[State, State], list[Cause]] = {}
    for (state, cause), target in TRANSITIONS.items():
        arrows.setdefault((state, target), []).append(cause)
    lines = ["stateDiagram-v2", "    [*] --> upcoming"]
    lines += [f"    {a} --> {b}: {', '.join(causes)}" for (a, b), causes in arrows.items()]
    lines.append("    over --> [*]")
    return _fenced("mermaid", "\n".join(lines))


def causes() -> str:
    """What moves a booking, as a table."""
    rows = [(f"`{cause}`", words, _from_to(cause)) for cause, words in CAUSES.items()]
    return _table(("cause", "what happened", "moves a booking"), rows)


def _from_to(cause: Cause) -> str:
    moves: dict[State, list[State]] = {}
    for (state, by), target in TRANSITIONS.items():
        if by == cause:
            moves.setdefault(target, []).append(state)
    return "; ".join(f"{', '.join(sources)} → {target}" for target, sources in moves.items())


def rules() -> str:
    """The release rules in the order in which they are asked, with their own first sentences."""
    rows = [
        (str(number), weight, f"`{rule.__name__}`", first_paragraph(rule))
        for number, (weight, rule) in enumerate(RELEASE_RULES, start=1)
    ]
    weights = _table(("weight", "if the rule objects"), list(WEIGHTS.items()))
    return f"{_table(('', 'weight', 'rule', 'what it holds to'), rows)}\n{weights}"


def faults() -> str:
    """What goes wrong in the simulated world."""
    rows = [
        (f"`{kind.name}`", IN_WORDS[kind.name], "" if kind.detectable else "cannot be noticed")
        for kind in KINDS
    ]
    return _table(("fault", "what happens", ""), rows)


def promises() -> str:
    """What is checked after every step of the simulated world."""
    rows = [(name, first_paragraph(checker).removeprefix(f"{name}: ")) for name, checker in CHECKERS.items()]
    return _table(("", "promise"), rows)


def first_paragraph(thing: Callable[..., Any]) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join(inspect.getdoc(thing).partition("\n\n")[0].split())  # type: ignore[union-attr] # all have one


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


# -- what is published --------------------------------------------------------------------------------

ZONE: Final = ZoneInfo("Europe/Berlin")
START: Final[Instant] = int(datetime(2026, 9, 22, 9, 0, tzinfo=ZONE).timestamp()) * SECOND_MS
EXAMPLE_ROOM: Final = RoomConfig(
    "orion",
    name="Orion",
    mode="live",
    sensors=(SensorProfile("orion-radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS),),
)


def _booking(name: str, start: Instant, length_ms: int) -> Booking:
    return Booking(f"{name}-ical-uid", f"{name}-event-id", start, start + length_ms)


class _Collected:
    """A link that keeps what is published on it, in order."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, bool]] = []

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        self.published.append((topic, payload, retain))

    async def run(self, listener: LinkListener) -> None:
        """Never connects."""

    def subscribe(self, topics: Sequence[str]) -> None:
        """Hears nothing."""

    def acknowledge(self, receipts: Sequence[object]) -> None:
        """Has nothing to acknowledge."""

    def drop(self, why: str) -> None:
        """Has nothing to drop."""


def ghost_morning() -> tuple[Site, list[Decision]]:
    """A site up to the minute in which it warns a room that nobody came to, and what it decided."""
    site = Site()
    decisions: list[Decision] = []

    def tell(now: Instant, *events: AnyEvent) -> None:
        for event in events:
            site.handle(event, now)
        decisions.extend(site.handle(Tick(), now))

    before = START - 20 * MINUTE_MS
    bookings = (_booking("first", START, HOUR_MS), _booking("second", START + 2 * HOUR_MS, HOUR_MS))
    tell(
        before,
        Configured(SiteConfig(rooms=(EXAMPLE_ROOM,))),
        Booted(before),
        LinkUp(session_present=False),
        CalendarRead("orion", before, before + 12 * HOUR_MS, bookings),
    )
    for minute in range(1, 29):
        now = before + minute * MINUTE_MS
        tell(now, Reading("orion-radar", "presence", 0), CalendarRead("orion", before, before + 12 * HOUR_MS))
    return site, decisions


def room_topic() -> str:
    """A room's state, exactly as the announcer publishes it."""
    site, _ = ghost_morning()
    link = _Collected()
    Announcer(link, PREFIX, {"orion": ZONE}).publish(site, ["orion"], site.state.now)
    return _published(link, state_topic(PREFIX, "orion"))


def health_topic() -> str:
    """The gateway's health, as the announcer publishes it while two calendars cannot be read."""
    site, _ = ghost_morning()
    link = _Collected()
    told = health(site, not_recording=False, writing_halted=False, calendars=2)
    Announcer(link, PREFIX, {}).publish_health(told)
    return _published(link, Topics(PREFIX, DISCOVERY).health)


def alerts_topic_example() -> str:
    """What is wrong, as the announcer publishes it while a series has lost dates."""
    alerts = Alerts(Timing(after_ms=dict.fromkeys(ALERTS, 0), gather_ms=0))
    sentence = (
        "A series in Orion has lost 1 date to another booking: Tue 06 Oct 09:00 to 10:00 (free then: Lyra). "
        "Tell its organizer (booking first-ical-uid@1791270000000)."
    )
    alerts.set("room/orion", [Trouble("series_lost_dates", "orion/5d41402a", sentence, room="orion")], START)
    alerts.due(START)
    link = _Collected()
    told = standing_json(alerts.standing(), lambda instant: iso(instant, ZONE))
    Announcer(link, PREFIX, {}).publish_alerts(told)
    return _published(link, alerts_topic(PREFIX))


def alerts() -> str:
    """Every kind of alert: how long it must last, what begins a message about several, what to do."""
    rows = [
        (
            f"`{kind}`",
            rule.severity,
            format_duration(rule.after_ms) if rule.after_ms else "at once",
            rule.mend,
        )
        for kind, rule in ALERTS.items()
    ]
    return _table(("kind", "severity", "told after", "what to do"), rows)


def summary_topic() -> str:
    """A room's flat state, as the announcer publishes it at the same moment."""
    site, _ = ghost_morning()
    link = _Collected()
    announcer = Announcer(link, PREFIX, {"orion": ZONE}, names={"orion": "Orion"}, discovery=DISCOVERY)
    announcer.publish(site, ["orion"], site.state.now)
    return _published(link, Topics(PREFIX, DISCOVERY).summary("orion"))


def _published(link: _Collected, topic: str) -> str:
    ((payload, retain),) = [(payload, retain) for name, payload, retain in link.published if name == topic]
    shown = json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    return f"`{topic}`, {'retained' if retain else 'not retained'}:\n\n{_fenced('json', shown)}"


def entities() -> str:
    """What Home Assistant shows of a room and of the gateway."""
    rows = [
        (device, entity.name, entity.platform, _kind(entity), follows)
        for device, group in (("a room", ROOM_ENTITIES), ("the gateway", (*GATEWAY_ENTITIES, CONNECTIVITY)))
        for entity in group
        for follows in ["the availability topic" if entity is CONNECTIVITY else f"`{entity.key}`"]
    ]
    return _table(("device", "entity", "platform", "device class", "follows"), rows)


def _kind(entity: Entity) -> str:
    options = entity.more.get("options", ())
    listed = f": {', '.join(f'`{option}`' for option in options)}" if options else ""
    return f"{entity.more.get('device_class', '')}{listed}"


def topics() -> str:
    """Every topic that the gateway publishes on."""
    names = Topics(PREFIX, DISCOVERY)
    with_discovery = "with Home Assistant's discovery:"
    rows = [
        (f"`{availability_topic(PREFIX)}`", "yes", "`online`; `offline` as last will and after a clean stop"),
        (f"`{names.health}`", "yes", "JSON, the gateway's own health, whenever it changes"),
        (f"`{alerts_topic(PREFIX)}`", "yes", "JSON, the list of what is wrong, whenever it changes"),
        (f"`{state_topic(PREFIX, 'ROOM')}`", "yes", "JSON, one object a room, whenever it changes"),
        (f"`{names.summary('ROOM')}`", "yes", f"{with_discovery} JSON, the room's state without levels"),
        (f"`{names.config('ROOM')}`", "yes", f"{with_discovery} JSON, the room as a device"),
        (f"`{names.config(GATEWAY)}`", "yes", f"{with_discovery} JSON, the gateway as a device"),
    ]
    return _table(("topic", "retained", "payload"), rows)


# -- firmware of sensors ------------------------------------------------------------------------------

FIRMWARE: Final = DOCS.parent / "firmware-config"
EXAMPLE: Final = FIRMWARE / "example.toml"
READY: Final = {
    "esphome-ld2410": "orion-radar",
    "esphome-pir": "orion-pir",
    "tasmota-pir": "orion-tasmota-pir",
    "tasmota-ld2410": "orion-tasmota-radar",
    "zigbee2mqtt": "orion-zigbee-pir",
    "shelly": "orion-shelly-pir",
    "chirpstack": "orion-chirpstack-ers",
    "tts": "orion-tts-ers",
}
"""Which sensor of the example is of which kind."""


def ready_files() -> dict[str, str]:
    """Name and text of each ready file, made for the sensors of the example."""
    known = load(EXAMPLE, {})
    room = known.room("orion")
    sensors = {sensor.id: sensor for sensor in room.sensors}
    return {
        name + FIRMWARE_KINDS[name].suffix: make(
            FIRMWARE_KINDS[name], room.id, room.name, sensor, sensors[sensor], Broker.of(known.mqtt)
        ).text
        for name, sensor in READY.items()
    }


# -- pages --------------------------------------------------------------------------------------------

PARTS: Final[dict[str, Callable[[], str]]] = {
    "states": states,
    "causes": causes,
    "rules": rules,
    "faults": faults,
    "promises": promises,
    "topics": topics,
    "room-topic": room_topic,
    "health-topic": health_topic,
    "alerts-topic": alerts_topic_example,
    "alerts": alerts,
    "summary-topic": summary_topic,
    "entities": entities,
}
PAGES: Final = (DOCS / "architecture.md", DOCS / "operations.md", DOCS / "topics.md", DOCS / "world.md")


def fresh(page: str) -> str:
    """The page with each of its generated parts as it should be. KeyError for a part nobody makes."""
    return PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}{found[3]}", page)


QUALITY: Final = DOCS / "decision-quality.md"
"""Written from the figures beside it; only `occupancy-simulator quality --markdown` measures them anew."""


def quality() -> str:
    """The page on the quality of decisions, from the figures that are kept."""
    from simulators.quality.page import page  # noqa: PLC0415 - only this needs it
    from simulators.quality.results import read_results  # noqa: PLC0415 - as above

    return page(read_results(QUALITY.with_suffix(".json")))


def write_pages() -> None:
    """Bring every page up to date."""
    from simulators.scenario import catalogue  # noqa: PLC0415 - it reads every timeline, and only this needs it

    for path in PAGES:
        before = path.read_text(encoding="utf-8")
        after = fresh(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
        sys.stdout.write(f"{path.name}: {'written' if after != before else 'fresh'}\n")
    catalogue.main()
    QUALITY.write_text(quality(), encoding="utf-8")
    for name, text in ready_files().items():
        (FIRMWARE / name).write_text(text, encoding="utf-8")


# -- the picture --------------------------------------------------------------------------------------

PICTURE_COLUMNS: Final = 118
PICTURE_HOURS: Final = 2.0
PICTURE_SPEED: Final = 120.0
FONTS_FROM_ELSEWHERE: Final = re.compile(r"@font-face\s*\{[^}]*\}", re.DOTALL)
COMMENTS: Final = re.compile(r"<!--.*?-->", re.DOTALL)
FONT_NAME: Final = re.compile(r"font-family:\s*Fira Code,\s*monospace")
LOCAL_FONTS: Final = "font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def write_picture() -> None:
    """Run the demo, keep its liveliest moment, and draw that above the figures that it ended with."""
    from rich.console import Console  # noqa: PLC0415 - the pages need none of these

    from gateway import logs  # noqa: PLC0415 - as above
    from simulators.demo import Demo, Options  # noqa: PLC0415 - as above
    from simulators.stage import scene, summary  # noqa: PLC0415 - as above

    logs.configure("error", "console")
    best: tuple[int, Console] = (-1, Console(file=io.StringIO()))

    def watch(demo: Demo) -> None:
        nonlocal best
        score = liveliness(demo.service.brain.site, demo.news, demo.clock.now())
        if score > best[0]:
            console = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
            console.print(scene(demo))
            best = (score, console)

    result = asyncio.run(Demo(Options(hours=PICTURE_HOURS, speed=PICTURE_SPEED)).run(watch))
    console = best[1]
    console.print(summary(result))
    svg = console.export_svg(title="make demo", unique_id="demo")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(self_contained(svg), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.name}: written\n")


def liveliness(site: Site, news: Sequence[Decision], now: Instant) -> int:
    """How much there is to see at this moment: rooms at work, in different ways, with news of each kind."""
    running = [
        life
        for room in site.rooms.values()
        for life in room.state.lives.values()
        if life.booking.start <= now < life.booking.end
    ]
    lately = {decision.kind for decision in news[-12:]}
    told = lately & {"checked_in", "warned", "released"}
    warned = any(life.state in ("open", "seen") and life.warned_at > 0 for life in running)
    return len(running) + 3 * len({life.state for life in running}) + 2 * len(told) + 3 * warned


def self_contained(svg: str) -> str:
    """The picture without fonts from elsewhere and without comments: it asks nobody for anything."""
    svg = COMMENTS.sub("", FONTS_FROM_ELSEWHERE.sub("", svg))
    lines = (line.rstrip() for line in FONT_NAME.sub(LOCAL_FONTS, svg).splitlines())
    return "\n".join(line for line in lines if line) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Generate what was asked for; 2 for anything unknown."""
    if not arguments:
        write_pages()
    elif list(arguments) == ["picture"]:
        write_picture()
    else:
        sys.stderr.write("usage: python -m docs.generate [picture]\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
