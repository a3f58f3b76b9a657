"""What can go wrong around a gateway: each kind with its rate, and the seeded schedule of one run.

A kind is a row of `KINDS`. How it is done lies with `simulators.world`; here is only what there is, how
often, for how long, and whether a gateway can notice it. A schedule is a tuple of strikes, so that
a run that fails can be run again with fewer of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from gateway.core.units import MINUTE_MS, SECOND_MS, Duration, Instant
from simulators.people import stream

Concerns = Literal["site", "room", "sensor", "zigbee"]
"""What one strike hits: everything, one room, one sensor, or one Zigbee sensor."""


class FaultKind(NamedTuple):
    """One way in which things go wrong."""

    name: str
    a_day: float
    """How many strikes to expect in a day of a site, a room or a sensor, as `concerns` says."""
    shortest: Duration = 0
    longest: Duration = 0
    """How long it lasts; both 0: it is over at once."""
    concerns: Concerns = "site"
    detectable: bool = True
    """Whether a gateway can notice it (invariant W9b)."""
    blinds: bool = False
    """While it lasts the gateway cannot hear (invariant W2)."""


class Strike(NamedTuple):
    """One fault of a schedule. `number` is its place in the whole schedule, whatever is left out of it."""

    number: int
    kind: str
    at: Instant
    until: Instant
    room: str = ""
    sensor: str = ""
    chance: float = 0.0
    """Drawn with it, for whatever more there is to choose."""


class Hittable(NamedTuple):
    """A sensor that may fail, and where it hangs."""

    room: str
    sensor: str
    zigbee: bool


SUMMER_TIME: Final = "summer_time_change"
LEAP_DAY: Final = "leap_day"
"""Days on which programs fail. They strike by when a run begins (`simulators.world.cast.begin`)."""

_M: Final = MINUTE_MS
_S: Final = SECOND_MS

KINDS: Final[tuple[FaultKind, ...]] = (
    # The broker and the way to it.
    FaultKind("broker_down", 0.30, 20 * _S, 20 * _M, blinds=True),
    FaultKind("broker_restart", 0.40, 1 * _S, 15 * _S, blinds=True),
    FaultKind("session_lost", 0.30, 1 * _S, 30 * _S, blinds=True),
    FaultKind("messages_lost", 0.30, 10 * _M, 60 * _M, "room", detectable=False),
    FaultKind("messages_late", 0.30, 5 * _M, 40 * _M, "room", detectable=False),
    FaultKind("messages_twice", 0.30, 10 * _M, 60 * _M, "room"),
    FaultKind("messages_swapped", 0.30, 10 * _M, 60 * _M, "room", detectable=False),
    FaultKind("messages_retained", 0.30, 0, 0, "room"),
    FaultKind("messages_broken", 0.20, 0, 0, "room"),
    # Sensors.
    FaultKind("sensor_offline", 0.15, 2 * _M, 90 * _M, "sensor"),
    FaultKind("sensor_silent", 0.10, 15 * _M, 180 * _M, "sensor"),
    FaultKind("bridge_offline", 0.25, 1 * _M, 40 * _M, "zigbee"),
    FaultKind("sensor_stuck_on", 0.05, 30 * _M, 480 * _M, "sensor"),
    FaultKind("sensor_stuck_off", 0.02, 30 * _M, 480 * _M, "sensor", detectable=False),
    FaultKind("sensor_noisy", 0.08, 10 * _M, 120 * _M, "sensor"),
    FaultKind("sensor_flapping", 0.06, 5 * _M, 40 * _M, "sensor"),
    FaultKind("battery_dying", 0.10, 60 * _M, 300 * _M, "zigbee"),
    # The gateway's own process, disk and clock.
    FaultKind("killed", 0.50, 2 * _S, 120 * _S, blinds=True),
    FaultKind("killed_at_a_point", 0.60, 2 * _S, 60 * _S, blinds=True),
    FaultKind("restarted", 0.30, 1 * _S, 45 * _S, blinds=True),
    FaultKind("machine_rebooted", 0.20, 30 * _S, 8 * _M, blinds=True),
    FaultKind("disk_full", 0.25, 10 * _S, 15 * _M),
    FaultKind("disk_slow", 0.30, 30 * _S, 20 * _M),
    FaultKind("fsync_fails", 0.30),
    FaultKind("clock_forwards", 0.20, 1 * _M, 60 * _M),
    FaultKind("clock_backwards", 0.20, 1 * _M, 60 * _M),
    FaultKind("clock_untrusted", 0.20, 2 * _M, 60 * _M),
    FaultKind(SUMMER_TIME, 0.0),
    FaultKind(LEAP_DAY, 0.0),
    # Exchange and the way to it.
    FaultKind("exchange_gone", 0.40, 20 * _S, 25 * _M),
    FaultKind("exchange_slow", 0.40, 2 * _M, 30 * _M),
    FaultKind("exchange_one_way", 0.30, 30 * _S, 10 * _M),
    FaultKind("exchange_throttles", 0.40, 20 * _S, 10 * _M),
    FaultKind("exchange_fails", 0.40, 20 * _S, 15 * _M),
    FaultKind("write_lost", 0.60, 2 * _M, 120 * _M),
    FaultKind("answer_lost", 0.60, 2 * _M, 120 * _M),
    FaultKind("stale_reads", 0.30, 2 * _M, 30 * _M),
    FaultKind("partial_pages", 0.30, 2 * _M, 30 * _M),
    FaultKind("token_refused", 0.30),
    FaultKind("exchange_says_when", 0.30, 20 * _S, 10 * _M),
    FaultKind("connection_reset", 0.40, 20 * _S, 10 * _M),
    FaultKind("body_drips", 0.30, 1 * _M, 10 * _M),
    FaultKind("changed_meanwhile", 0.60, 2 * _M, 120 * _M),
    FaultKind("claims_challenge", 0.40, 1 * _M, 20 * _M),
    FaultKind("permission_lost", 0.15, 2 * _M, 40 * _M, "room"),
    FaultKind("mailbox_missing", 0.10, 2 * _M, 40 * _M, "room"),
    # Other hands.
    FaultKind("second_gateway", 0.15, 30 * _M, 360 * _M),
    FaultKind("organizer_edits", 0.80, 60 * _M, 300 * _M),
    FaultKind("organizer_races", 0.50, 60 * _M, 300 * _M, detectable=False),
    FaultKind("microsoft_releases", 0.50, 60 * _M, 300 * _M, "room"),
)

IN_WORDS: Final[Mapping[str, str]] = {
    "broker_down": "The broker is gone for a while; what sensors publish meanwhile is lost.",
    "broker_restart": "The broker restarts and still knows the gateway's session.",
    "session_lost": "The broker restarts and has forgotten every session and retained value.",
    "messages_lost": "One message in seven of a room never arrives.",
    "messages_late": "One message in five of a room arrives up to a minute and a half later.",
    "messages_twice": "Every third message of a room is delivered twice.",
    "messages_swapped": "Every third message of a room is overtaken by the next.",
    "messages_retained": "An old value comes, marked as retained.",
    "messages_broken": "Bytes come that no device would send: cut off, not UTF-8, NaN, two thousand deep.",
    "sensor_offline": "A sensor is gone; its last will says so after some seconds, where it has one.",
    "sensor_silent": "A sensor says nothing any more, and nobody says so.",
    "bridge_offline": "A Zigbee bridge is offline and says so; its sensors are silent.",
    "sensor_stuck_on": "A sensor goes on speaking and shows presence whatever happens.",
    "sensor_stuck_off": "A sensor goes on speaking and shows nobody whatever happens.",
    "sensor_noisy": "A sensor shows people who are not there, every minute or two.",
    "sensor_flapping": "A sensor changes its state every four seconds.",
    "battery_dying": "A sensor reports a battery at one percent.",
    "killed": "`kill -9` at any moment; the files stay as they are, torn bytes at their end.",
    "killed_at_a_point": "The same at a labelled point of a commit, an acknowledgement or a write.",
    "restarted": "The gateway is stopped cleanly and started again.",
    "machine_rebooted": "The machine goes down with the gateway and its broker.",
    "disk_full": "No commit succeeds.",
    "disk_slow": "Each commit takes up to eight seconds.",
    "fsync_fails": "Up to three commits fail at their fsync.",
    "clock_forwards": "The gateway's clock is set forwards, by up to three hours, and back later.",
    "clock_backwards": "The gateway's clock is set back, and forwards later.",
    "clock_untrusted": "The machine has no time source.",
    SUMMER_TIME: "The clocks of the rooms' zone change; the gateway runs through that night.",
    LEAP_DAY: "The run includes a 29 February.",
    "exchange_gone": "No request reaches Exchange.",
    "exchange_slow": "Every answer takes up to 25 seconds.",
    "exchange_one_way": "Requests reach Exchange, and no answer comes back.",
    "exchange_throttles": "429, with a Retry-After or without.",
    "exchange_fails": "500, 502, 503 or 504.",
    "write_lost": "A write never reaches Exchange, and nobody says so.",
    "answer_lost": "A write takes effect, and its answer never comes.",
    "stale_reads": "Every other read shows the calendar as it was up to four minutes ago.",
    "partial_pages": "Calendars come in pages of three, some of them cut off in the middle.",
    "token_refused": "Every token is refused at once.",
    "exchange_says_when": "429 with a Retry-After in decimals, as a date, or without any.",
    "connection_reset": "Every other connection breaks, before or after a request has had its effect.",
    "body_drips": "Answers begin at once and then drip, some of them for longer than the gateway waits.",
    "changed_meanwhile": "412: the item changed under every other write.",
    "claims_challenge": "401 with a claims challenge: the token is good, and another one is asked for.",
    "permission_lost": "403 for a room's mailbox.",
    "mailbox_missing": "404 for a room's mailbox.",
    "second_gateway": "A second gateway, with a ledger of its own, runs on the same rooms.",
    "organizer_edits": "The organizer moves, cancels or edits a booking that is being looked at.",
    "organizer_races": "The same between the last look and the write, where nobody can notice.",
    "microsoft_releases": "Microsoft's own auto-release takes rooms that nobody checked in to.",
}
"""What each kind does, in a sentence."""

BY_NAME: Final = {kind.name: kind for kind in KINDS}
NAMES: Final = tuple(BY_NAME)


def chosen(text: str) -> frozenset[str]:
    """The kinds named by `all`, `none` or a list with commas. Raises ValueError for unknown ones."""
    if text == "all":
        return frozenset(NAMES)
    names = frozenset(name.strip() for name in text.split(",") if name.strip()) - {"none"}
    unknown = sorted(names - set(NAMES))
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    return names


def schedule(
    seed: int,
    names: Iterable[str],
    rooms: Sequence[str],
    sensors: Sequence[Hittable],
    days: Sequence[tuple[Instant, Instant]],
) -> tuple[Strike, ...]:
    """The strikes of one run in order of time; `days` are the hours in which something may fail.

    Every kind draws from a stream of its own: choosing other kinds moves none of its strikes.
    """
    wanted = frozenset(names)
    drawn: list[Strike] = []
    for kind in KINDS:
        targets = _targets(kind, rooms, sensors)
        for room, sensor in targets if kind.name in wanted else ():
            rng = stream(seed, "fault", kind.name, room, sensor)
            for begin, end in days:
                for _ in range(_poisson(kind.a_day, rng.random())):
                    at = rng.randint(begin, end - 1)
                    until = at + rng.randint(kind.shortest, kind.longest)
                    drawn.append(Strike(0, kind.name, at, min(until, end), room, sensor, rng.random()))
    drawn.sort(key=lambda s: (s.at, s.kind, s.room, s.sensor))
    return tuple(strike._replace(number=number) for number, strike in enumerate(drawn))


def _targets(kind: FaultKind, rooms: Sequence[str], sensors: Sequence[Hittable]) -> list[tuple[str, str]]:
    match kind.concerns:
        case "site":
            return [("", "")]
        case "room":
            return [(room, "") for room in rooms]
        case "sensor":
            return [(one.room, one.sensor) for one in sensors]
        case "zigbee":
            return [(one.room, one.sensor) for one in sensors if one.zigbee]


def _poisson(mean: float, point: float) -> int:
    """How many events a mean gives, by one random number from 0 to 1 (inversion)."""
    term = 2.718281828459045**-mean
    total, count = term, 0
    while point > total and count < 20:  # noqa: PLR2004 - the tail beyond is nothing
        count += 1
        term *= mean / count
        total += term
    return count
