"""What a walk through a room showed of its sensors: somebody came in, sat still, and left again.

Pure: from the times of the phases and what the sensors said to a verdict for each sensor and for the room.
A sensor *shows* somebody from a sign until it says that it is clear; a hit lasts as long as the device's own
hold. A *quiet gap* is time without that while somebody sat there: longer than the sensor's hold, it would
have let the room count as empty.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from gateway.core.policy import Role, Senses
from gateway.core.units import MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.durations import format_duration

ROOM_KINDS: Final = frozenset({"presence", "motion", "count", "entries"})
LATE_MS: Final[Duration] = 15 * SECOND_MS
"""A sensor that takes longer to notice somebody is worth a word; walking in takes a few seconds."""
LONGEST_HOLD_MS: Final[Duration] = 30 * MINUTE_MS
"""A longer hold gives hardly any room back: then another sensor is the better advice."""
Span = tuple[Instant, Instant]


class Walked(msgspec.Struct, frozen=True):
    """A sensor of the room as it is configured. Times in ms."""

    sensor: str
    senses: Senses
    role: Role = "room"
    hold_ms: Duration = 0
    hold_beside_presence_ms: Duration = 0
    device_hold_ms: Duration = 0
    says_clear: bool = True
    showing: bool = False
    """It showed somebody already when the test began."""


class Said(msgspec.Struct, frozen=True):
    """One reading while the test ran."""

    at: Instant
    sensor: str
    kind: str
    value: int


class Phases(msgspec.Struct, frozen=True):
    """When each phase began, and when the last one ended."""

    enter: Instant
    seated: Instant
    leave: Instant
    end: Instant

    def __post_init__(self) -> None:
        """Raises ValueError unless one follows the other."""
        if not self.enter <= self.seated <= self.leave <= self.end:
            raise ValueError("expected phases in their order")


class Verdict(msgspec.Struct, frozen=True):
    """What the test showed of one sensor. Times in ms; None: that did not happen."""

    sensor: str
    messages: int
    seen_after_ms: Duration | None
    """From the beginning to its first sign."""
    longest_quiet_ms: Duration | None
    """While somebody sat there; None for a sensor that saw nobody."""
    clear_after_ms: Duration | None
    """From the beginning of leaving until it showed nobody; None: it still did at the end, or never had."""
    good: bool
    advice: tuple[str, ...] = ()


class RoomVerdict(msgspec.Struct, frozen=True):
    """What the test showed of the room."""

    sensors: tuple[Verdict, ...]
    unseen_ms: Duration
    """The longest time, while somebody sat there, in which no sensor and no hold vouched for them."""
    advice: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nobody was ever taken for absent, and each sensor did its part."""
        return not self.advice and all(one.good for one in self.sensors)


class _Shown(NamedTuple):
    spans: list[Span]
    messages: int


def judge(sensors: Sequence[Walked], phases: Phases, said: Iterable[Said]) -> RoomVerdict:
    """The verdict on a room. What was said outside of the phases, or by others, does not count."""
    own = sorted((one for one in said if phases.enter <= one.at <= phases.end), key=lambda one: one.at)
    shown = {each.sensor: _shown(each, phases, own) for each in sensors}
    seated = (phases.seated, phases.leave)
    beside = {each.sensor: _sees_the_seated(sensors, each, shown, seated) for each in sensors}
    holds = {each.sensor: hold_of(each, beside_presence=beside[each.sensor]) for each in sensors}
    verdicts = tuple(_verdict(each, phases, shown[each.sensor], holds[each.sensor]) for each in sensors)
    covered = [(start, end + holds[name]) for name, one in shown.items() for start, end in one.spans]
    unseen = longest_gap(covered, seated)
    return RoomVerdict(verdicts, unseen, tuple(_room_advice(sensors, verdicts, unseen)))


def hold_of(sensor: Walked, *, beside_presence: bool) -> Duration:
    """How long the gateway takes people for present after the sensor's last sign."""
    if sensor.senses == "motion" and beside_presence:
        return min(sensor.hold_ms, sensor.hold_beside_presence_ms)
    return sensor.hold_ms


def _sees_the_seated(sensors: Sequence[Walked], but: Walked, shown: dict[str, _Shown], seated: Span) -> bool:
    """Whether another sensor of the room is a presence sensor that works: then a PIR's short hold counts."""
    return any(
        each.senses == "presence"
        and each.role == "room"
        and each.sensor != but.sensor
        and any(start <= seated[1] and end >= seated[0] for start, end in shown[each.sensor].spans)
        for each in sensors
    )


def _shown(sensor: Walked, phases: Phases, said: Sequence[Said]) -> _Shown:
    spans: list[Span] = []
    since = phases.enter if sensor.showing and sensor.says_clear else None
    own = [one for one in said if one.sensor == sensor.sensor]
    for one in own:
        if one.kind not in ROOM_KINDS:
            continue
        if one.value > 0 and one.kind == sensor.senses and sensor.says_clear:
            since = one.at if since is None else since
        elif one.value > 0:
            spans.append((one.at, one.at + (0 if sensor.says_clear else sensor.device_hold_ms)))
        elif one.kind == sensor.senses and since is not None:
            spans.append((since, one.at))
            since = None
    if since is not None:
        spans.append((since, phases.end))
    return _Shown(sorted(spans), len(own))


def longest_gap(spans: Iterable[Span], within: Span) -> Duration:
    """The longest time within a span that none of the others covers, in ms."""
    longest, free_from = 0, within[0]
    for start, end in sorted(spans):
        if start >= within[1]:
            break
        longest = max(longest, start - free_from)
        free_from = max(free_from, end)
    return max(longest, within[1] - free_from, 0)


def _verdict(sensor: Walked, phases: Phases, shown: _Shown, hold_ms: Duration) -> Verdict:
    spans = shown.spans
    first = min((start for start, _ in spans), default=None)
    last = max((end for _, end in spans), default=None)
    shows_still = bool(spans) and sensor.says_clear and last == phases.end and last > phases.leave
    quiet = None if first is None else longest_gap(spans, (phases.seated, phases.leave))
    clear = None if last is None or shows_still else max(0, last - phases.leave)
    facts = Verdict(
        sensor.sensor,
        shown.messages,
        None if first is None else max(0, first - phases.enter),
        quiet,
        clear,
        good=True,
    )
    advice = tuple(_advice(sensor, phases, facts, hold_ms))
    return msgspec.structs.replace(facts, good=not advice, advice=advice)


def _advice(sensor: Walked, phases: Phases, facts: Verdict, hold_ms: Duration) -> Iterable[str]:
    if not facts.messages and not sensor.showing:
        yield "it said nothing at all: has it power, is it within reach, is its topic right?"
        return
    if facts.seen_after_ms is None:
        yield "it spoke and never showed anybody: is it the one that hangs here, does it look into the room?"
        return
    if sensor.showing:
        yield "it showed somebody before anybody came in: try again when it is clear, or find what it sees"
    elif facts.seen_after_ms > LATE_MS and phases.enter + facts.seen_after_ms <= phases.leave:
        yield f"it took {_words(facts.seen_after_ms)} to notice somebody"
    if sensor.role == "room":
        yield from _quiet_advice(sensor, phases, facts.longest_quiet_ms or 0, hold_ms)
    yield from _clear_advice(sensor, phases, facts)


def _quiet_advice(sensor: Walked, phases: Phases, quiet_ms: Duration, hold_ms: Duration) -> Iterable[str]:
    if quiet_ms <= hold_ms or not quiet_ms:
        return
    gap = f"it was quiet for {_words(quiet_ms)} while somebody sat there, its hold is {_words(hold_ms)}"
    wanted = _hold_for(quiet_ms)
    missed_all = quiet_ms >= phases.leave - phases.seated
    if missed_all:
        yield f"{gap}: it never saw who sits still; the room needs a radar, or this one another place"
    elif wanted > LONGEST_HOLD_MS:
        yield f"{gap}: no sensible hold covers that; the room needs a radar"
    elif sensor.senses == "motion":
        yield f'{gap}: set hold to at least "{format_duration(wanted)}", or add a radar'
    else:
        least = format_duration(wanted)
        yield f'{gap}: aim it at the chairs, raise its sensitivity, or set hold to at least "{least}"'


def _hold_for(quiet_ms: Duration) -> Duration:
    """Half as much again as what was seen once, in whole minutes: another day somebody sits stiller."""
    return -(-3 * quiet_ms // (2 * MINUTE_MS)) * MINUTE_MS


def _clear_advice(sensor: Walked, phases: Phases, facts: Verdict) -> Iterable[str]:
    if not sensor.says_clear or phases.end == phases.leave:
        return
    if facts.clear_after_ms is None:
        yield (
            f"it still showed somebody {_words(phases.end - phases.leave)} after leaving began: its own "
            "hold is longer than this test, or it sees something else (a corridor behind the wall, a fan)"
        )
    elif sensor.senses == "motion" and facts.clear_after_ms > sensor.device_hold_ms + LATE_MS:
        yield (
            f"it stayed on for {_words(facts.clear_after_ms)} after leaving began, and device_hold is "
            f'{_words(sensor.device_hold_ms)}: if nobody moved there, set device_hold to "'
            f'{format_duration(-(-facts.clear_after_ms // SECOND_MS) * SECOND_MS)}"'
        )


def _room_advice(
    sensors: Sequence[Walked], verdicts: Sequence[Verdict], unseen_ms: Duration
) -> Iterable[str]:
    if not sensors:
        yield "the room has no sensor; give it one (`sensors assign`)"
        return
    if unseen_ms >= SECOND_MS:
        yield (
            f"for {_words(unseen_ms)} nobody would have been taken to be here, though somebody was: do not "
            "let this room go live like this"
        )
    if all(verdict.seen_after_ms is None for verdict in verdicts):
        yield "no sensor of this room saw anybody"


def _words(duration_ms: Duration) -> str:
    """In whole seconds: nobody walks in milliseconds."""
    return format_duration(round(duration_ms / SECOND_MS) * SECOND_MS)
