"""Can this room ever release, and how late? Told before anything goes live, from the configuration alone.

The model is the core's own rules with two assumptions about the world: sensors speak evenly and
independently of the calendar, and a ghost's neighbours leave about when their meeting ends. It knows
no radio outages, no quiet people and no passers-by, so it is a prospect, not a promise.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from gateway.clock import SystemClock
from gateway.core.occupancy import can_prove, effective_grace, must_prove, proving
from gateway.core.policy import RoomConfig, SensorProfile, whole_rooms
from gateway.core.units import MINUTE_MS, Duration, Instant
from gateway.durations import format_duration
from gateway.exchange.credentials import Credential
from gateway.exchange.errors import AuthError
from gateway.exchange.expiry import CredentialEnd, in_words, threshold
from gateway.exchange.rehearsal.record import objection
from gateway.settings import Settings

LEAVING_SPREAD_MS: Final[Duration] = 5 * MINUTE_MS
"""The people before leave evenly between this long before and after the end of their meeting: the
window in which the design lets a meeting run over into the next (its handover)."""

WAIT_STEPS: Final = 60
"""Into how many equal steps the wait for the last proof is divided; finer changes no whole percent."""

SPREAD_STEPS: Final = 11
"""The same for the moment at which the people before leave, and for how late that is reported."""

RARELY: Final = 0.5
"""Below this share people would say that a room is rarely given back."""

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Where an Exchange answers that is simulated."""

WORDS: Final = {"motion": "PIR", "presence": "radar", "count": "counter"}

Case = Literal["isolated_30", "isolated_60", "back_to_back_30", "back_to_back_60"]
LENGTHS: Final[dict[Case, Duration]] = {
    "isolated_30": 30 * MINUTE_MS,
    "isolated_60": 60 * MINUTE_MS,
    "back_to_back_30": 30 * MINUTE_MS,
    "back_to_back_60": 60 * MINUTE_MS,
}

Delay = tuple[float, float]
"""How long (ms after the start), and with what probability."""


class Prospect(msgspec.Struct, frozen=True):
    """What a room's sensors can do for its ghosts. Durations in ms; None where nothing can be proven."""

    room: str
    can_prove: bool
    why: str
    """Plain sentences for facilities staff."""
    provers: tuple[str, ...]
    """The sensors that the proof of vacancy rests on."""
    effective_grace_ms: Duration
    typical_release_delay_ms: Duration | None
    """From a ghost's start to its release, on average, in a room that was empty before."""
    worst_release_delay_ms: Duration | None
    too_short_below_ms: Duration
    """Shorter bookings are never released."""
    expected_share: dict[Case, float]
    """Of a ghost's time after the effective grace, the part that comes back (0 to 1): for bookings of
    30 and 60 min, in a room that was empty before and right after another meeting."""


def prospect(room: RoomConfig) -> Prospect:
    """What the room's sensors and policy let one expect, whether it is live or still in shadow."""
    grace = effective_grace(room.policy, room.sensors)
    provers = proving(room.sensors, grace)
    in_time = bool(must_prove(room.sensors, grace))
    wait = _Wait([p.heartbeat_ms or 0 for p in provers], all_must=in_time)
    typical = grace + round(wait.mean_ms) if provers else None
    share = {case: _share(case, room, grace, wait) if provers else 0.0 for case in LENGTHS}
    return Prospect(
        room=room.id,
        can_prove=bool(provers),
        why=" ".join(_sentences(room, grace, provers, typical, share)),
        provers=tuple(p.id for p in provers),
        effective_grace_ms=grace,
        typical_release_delay_ms=typical,
        worst_release_delay_ms=grace + round(wait.longest_ms) if provers else None,
        too_short_below_ms=grace + room.policy.min_remaining_ms,
        expected_share=share,
    )


class _Wait:
    """From the moment when all is due to the message that completes the proof.

    Each sensor's next message is evenly somewhere within its heartbeat. Where all must prove it is the
    last of these messages that counts, otherwise the first.
    """

    def __init__(self, heartbeats_ms: Sequence[Duration], *, all_must: bool) -> None:
        longest = (max if all_must else min)(heartbeats_ms, default=0)
        self.longest_ms: float = longest
        self.steps: list[Delay] = []
        """Possible waits in ms, each with its probability."""
        below = 0.0
        for step in range(WAIT_STEPS):
            spoken = [
                min(1.0, longest * (step + 1) / WAIT_STEPS / each) if each else 1.0 for each in heartbeats_ms
            ]
            upto = math.prod(spoken) if all_must else 1 - math.prod(1 - each for each in spoken)
            self.steps.append((longest * (step + 0.5) / WAIT_STEPS, upto - below))
            below = upto

    @property
    def mean_ms(self) -> float:
        return sum(wait * probability for wait, probability in self.steps)


def _share(case: Case, room: RoomConfig, grace: Duration, wait: _Wait) -> float:
    """Expected part of the time after the effective grace that comes back, for one kind of booking."""
    length, policy = LENGTHS[case], room.policy
    if room.exempt or length > policy.exempt_longer_than_ms or length < grace + policy.min_remaining_ms:
        return 0.0
    starts = [(0.0, 1.0)] if case.startswith("isolated") else list(_last_holds(room.sensors))
    returned = 0.0
    for vacant_from, likely in starts:
        due = max(grace, vacant_from + grace)
        for waited, probability in wait.steps:
            left = length - due - waited
            if left >= policy.min_remaining_ms:
                returned += likely * probability * left
    return round(returned / (length - grace), 3) if length > grace else 0.0


def _last_holds(sensors: Sequence[SensorProfile]) -> Iterator[Delay]:
    """When the hold of the people before ends, from before to after the ghost's start (ms)."""
    in_service = [s for s in sensors if s.in_service]
    covered = any(s.senses == "presence" and can_prove(s) for s in in_service)
    # Who says "clear" shows people for the device's own hold after they left, and only then the hold begins.
    after = max(
        (_hold(s, covered) + (s.device_hold_ms if s.says_clear else 0) for s in in_service), default=0
    )
    late = max((s.latency_ms for s in in_service), default=0)
    reported = list(_evenly(0, late)) if late else [(0.0, 1.0)]
    for leaving, likely in _evenly(-LEAVING_SPREAD_MS, LEAVING_SPREAD_MS):
        for lag, probability in reported:
            yield leaving + lag + after, likely * probability


def _hold(sensor: SensorProfile, covered: bool) -> Duration:
    """The short hold of a motion sensor where a presence sensor covers those who sit still."""
    if sensor.senses == "motion" and covered:
        return min(sensor.hold_ms, sensor.hold_beside_presence_ms)
    return sensor.hold_ms


def _evenly(low: Duration, high: Duration) -> Iterator[Delay]:
    for step in range(SPREAD_STEPS):
        yield low + (high - low) * (step + 0.5) / SPREAD_STEPS, 1 / SPREAD_STEPS


def _sentences(
    room: RoomConfig,
    grace: Duration,
    provers: tuple[SensorProfile, ...],
    typical: Duration | None,
    share: dict[Case, float],
) -> Iterator[str]:
    if room.exempt:
        yield "It is exempt, so nothing is released here."
    if typical is None:
        yield _why_not(room.sensors)
        return
    in_time = bool(must_prove(room.sensors, grace))
    named = _listed(provers)
    when = f"a ghost would be released about {_minutes(typical)} after its start"
    if in_time:
        yield f"{named} {'proves' if len(provers) == 1 else 'prove'} vacancy; {when}."
    else:
        seldom = format_duration(min(p.heartbeat_ms or 0 for p in provers))
        yield (
            f"Only {named}, which may speak only every {seldom}: {when}, which is often too late for "
            "half-hour bookings; add a radar."
        )
    yield from _why_longer(room, grace, provers)
    half_hour = 30 * MINUTE_MS
    if grace + room.policy.min_remaining_ms > half_hour:
        yield f"Bookings under {_minutes(grace + room.policy.min_remaining_ms)} are never released."
    elif in_time and not room.exempt and share["back_to_back_30"] < RARELY:
        advice = "; a radar would do better" if all(p.senses == "motion" for p in provers) else ""
        yield f"Half-hour bookings right after another meeting are rarely given back{advice}."


def _why_not(sensors: Sequence[SensorProfile]) -> str:
    """Why nothing can prove this room empty, and what to do about it."""
    obstacles: tuple[tuple[Callable[[SensorProfile], bool], str], ...] = (
        (lambda _: True, "It has no sensor, so nothing can be released; add a radar."),
        (lambda s: s.in_service, "None of its sensors is in service, so nothing can be released."),
        (
            lambda s: s.role == "room",
            "Its sensors watch only a door or a seat, so none can show that the room is empty; add a radar.",
        ),
    )
    left = list(sensors)
    for fits, sentence in obstacles:
        left = [sensor for sensor in left if fits(sensor)]
        if not left:
            return sentence
    return (
        f"{_listed(left)} never {'speaks' if len(left) == 1 else 'speak'} when nothing happens, so silence "
        "proves nothing and nothing can be released; set a heartbeat if there is one, or add a radar."
    )


def _why_longer(room: RoomConfig, grace: Duration, provers: tuple[SensorProfile, ...]) -> Iterator[str]:
    """Why the room waits longer than its policy asks."""
    if grace <= room.policy.grace_ms:
        return
    late = [p for p in room.sensors if can_prove(p) and p.latency_ms >= grace]
    why = (
        f"{_listed(late)} may report people that late"
        if late
        else f"{_listed(provers)} alone would not notice a lost message"
    )
    yield f"Its grace is {_minutes(grace)} instead of {_minutes(room.policy.grace_ms)}: {why}."


def _listed(sensors: Sequence[SensorProfile]) -> str:
    names = [f"{WORDS[s.senses]} {s.id}" for s in sensors]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _minutes(duration_ms: Duration) -> str:
    """Whole minutes; half a minute is rounded down, it is "about" anyway."""
    return f"{(duration_ms + MINUTE_MS // 2 - 1) // MINUTE_MS} min"


def check_report(settings: Settings) -> dict[str, Any]:
    """What `check-config` has to say, fit for JSON. Durations in ms, shares 0 to 1.

    Raises SettingsError if the site's holidays cannot be told.
    """
    now = SystemClock().now()
    holidays = settings.holidays(now)
    config = settings.site_config(holidays)
    return {
        "file": settings.file,
        "site": settings.site.name,
        "rooms": [
            {"name": room.name, "mode": room.mode, "sensors": len(room.sensors)}
            | msgspec.to_builtins(prospect(room))
            for room in whole_rooms(config)
        ],
        "credential": credential_report(settings.credential(), now),
        "holidays": [_date(start, settings) for start, _ in holidays if start > now],
        "warnings": [*settings.warnings, *filter(None, [unrehearsed(settings)])],
    }


def unrehearsed(settings: Settings) -> str:
    """A sentence if rooms are live, or may go live by themselves, where the command `live` would refuse.

    Exchange on this very machine is a simulator, which has no secrets.
    """
    exchange = settings.exchange
    goes_live = any(
        room.mode == "live" or settings.policies[room.policy].live_after for room in settings.rooms
    )
    if not goes_live or urlsplit(exchange.base_url).hostname in LOOPBACK:
        return ""
    why = objection(settings.rehearsal_file, exchange.tenant_id)
    return f"{settings.file}: rooms are live, or may go live by themselves. {why}" if why else ""


def render_check(report: dict[str, Any]) -> list[str]:
    """What `check_report` says, in lines of text for people."""
    sensors = sum(room["sensors"] for room in report["rooms"])
    lines = [f"{report['site']}: {_counted(len(report['rooms']), 'room')}, {_counted(sensors, 'sensor')}"]
    for room in report["rooms"]:
        lines.append(f"{room['room']} ({room['mode']}): {room['why']}")
        if room["can_prove"]:
            percent = {
                case: f"{share:.0%}".replace("%", " %") for case, share in room["expected_share"].items()
            }
            lines.append(
                f"  expected back of ghosts of 30 and 60 min: {percent['isolated_30']} and "
                f"{percent['isolated_60']} in a room empty before, {percent['back_to_back_30']} and "
                f"{percent['back_to_back_60']} right after a meeting"
            )
    if report["holidays"]:
        lines.append(
            f"holidays: {_counted(len(report['holidays']), 'day')} ahead, first {report['holidays'][0]}"
        )
    credential = report["credential"]
    if credential["text"]:
        told = credential["text"]
        lines.append(f"warning: exchange: {told}" if credential["due"] else f"exchange: {told}")
    lines += [f"warning: {warning}" for warning in report["warnings"]]
    return lines


def credential_report(credential: Credential, now: Instant) -> dict[str, Any]:
    """Whether the credential for Exchange can be used and when it ends, from its files alone.

    `text` is empty where there is nothing to say: a file that is not here is warned about where the
    configuration names it, and systemd's credentials are here for the service only.
    """
    report: dict[str, Any] = {"kind": credential.kind, "ends_at": None, "due": False, "text": ""}
    if not all(os.access(file, os.R_OK) for file in credential.files):
        return report
    try:
        material = credential.read()
    except AuthError as error:
        return report | {"due": True, "text": error.why}
    obstacle = material.obstacle(now)
    if obstacle:
        return report | {"ends_at": material.ends_at, "due": True, "text": obstacle}
    if material.kind == "assertion" or material.ends_at is None:
        return report
    end = CredentialEnd.of(material)
    due = threshold(material.ends_at - now) is not None
    return report | {"ends_at": material.ends_at, "due": due, "text": in_words(end, now)}


def _date(midnight: Instant, settings: Settings) -> str:
    return datetime.fromtimestamp(midnight // 1_000, ZoneInfo(settings.site.time_zone)).date().isoformat()


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
