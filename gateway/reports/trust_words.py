"""Why not to trust a sensor, in plain sentences: what is so, since when, and what to do about it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.core.explain import words
from gateway.core.policy import SensorProfile
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, NEVER, SECOND_MS, Duration, Instant
from gateway.reports.history import QuietSums, SensorSums, SensorTrack

SILENT_STREAK: Final = 3
"""Attended bookings in a row without one sign, as in the core."""
SPURIOUS_A_WEEK: Final = 5
REJECTED_SHARE: Final = 0.01
REPEATED_SHARE: Final = 0.5
LATE_SHARE: Final = 0.05
SKEW_MS: Final[Duration] = 30 * SECOND_MS
LOW_BATTERY: Final = 20
BATTERY_WARN_DAYS: Final = 30
LINK_FALL: Final = 10
"""In the maker's unit and 30 days: dB, or of a quality up to 255."""
DOOR_EDGE_SHARE: Final = 0.6
BADLY_PLACED: Final = 0.05
"""Called empty by its own hold in more of the known-occupied time than this."""
MISSED_MANY: Final = 0.15
OUTAGES_A_WEEK: Final = 2
RECENT_MS: Final[Duration] = 7 * DAY_MS

Code = Literal[
    "stuck_on",
    "stuck_off",
    "flapping",
    "was_stuck_on",
    "was_flapping",
    "looks_at_door",
    "badly_placed",
    "hold_too_short",
    "spurious",
    "silent_longer",
    "offline",
    "bridge",
    "payloads",
    "late",
    "repeats",
    "skew",
    "battery",
    "battery_forecast",
    "link",
]
STANDING: Final[frozenset[Code]] = frozenset(
    {"stuck_on", "stuck_off", "flapping", "badly_placed", "looks_at_door"}
)
"""With one of these its word is worth little whatever the figures say."""


class Trouble(msgspec.Struct, frozen=True):
    """One reason not to trust a sensor."""

    code: Code
    since: Instant | None
    words: str
    """What, since when, and what to do; whole sentences."""

    @property
    def is_standing(self) -> bool:
        """It cannot be believed while this is so."""
        return self.code in STANDING


class Seen(NamedTuple):
    """Figures that the sentences need besides the sums."""

    evidence: str
    quiet: QuietSums
    false_empty: float | None
    needed_ms: Duration | None
    at: Instant
    since: Instant
    received: int
    rejected: int
    last_error: str
    battery: float | None
    days_left: int | None
    skew_ms: Duration | None
    link_per_month: float | None
    stuck_on_since: Instant | None

    @property
    def weeks(self) -> float:
        """How long it was watched, a week at least."""
        return max(1.0, (self.at - self.since) / (7 * DAY_MS))


Clock = Callable[[Instant], str]
Rule = Callable[[SensorProfile, SensorSums, SensorTrack, Seen, Clock], Iterator[Trouble]]


def troubles_of(
    profile: SensorProfile, sums: SensorSums, track: SensorTrack, seen: Seen, clock: Clock
) -> Iterator[Trouble]:
    """Every reason not to trust this sensor, the worst first."""
    for rule in (_stuck, _outages, _eyes, _voice, _spurious, _messages, _power):
        yield from rule(profile, sums, track, seen, clock)


def _stuck(
    profile: SensorProfile, sums: SensorSums, track: SensorTrack, seen: Seen, clock: Clock
) -> Iterator[Trouble]:
    name = profile.id
    if seen.stuck_on_since is not None:
        yield Trouble(
            "stuck_on",
            seen.stuck_on_since,
            f"{name} has shown presence without a pause since {clock(seen.stuck_on_since)}, longer than any "
            "meeting. Look for a fan, a curtain or a screen in its view, lower its sensitivity, restart it.",
        )
    elif sums.stuck_on:
        recent = seen.at - sums.stuck_on_at < RECENT_MS
        yield Trouble(
            "stuck_on" if recent else "was_stuck_on",
            sums.stuck_on_at,
            f"{name} showed presence for longer than any meeting {_times(sums.stuck_on)}, last from "
            f"{clock(sums.stuck_on_at)} on. Look for what moves in its view when nobody is there.",
        )
    if track.silent_streak >= SILENT_STREAK:
        yield Trouble(
            "stuck_off",
            track.silent_since,
            f"{name} has shown nothing in the last {track.silent_streak} attended bookings, since "
            f"{clock(track.silent_since)}, while others saw people. Check its view and its power, and wave "
            "before it.",
        )
    if sums.flapping:
        recent = seen.at - sums.flapping_at < RECENT_MS
        yield Trouble(
            "flapping" if recent else "was_flapping",
            sums.flapping_at,
            f"{name} changed back and forth faster than people move {_times(sums.flapping)}, last on "
            f"{clock(sums.flapping_at)}. Check its power supply and what moves in its view.",
        )


def _eyes(
    profile: SensorProfile, sums: SensorSums, _track: SensorTrack, seen: Seen, clock: Clock
) -> Iterator[Trouble]:
    """How well it sees people who are known to be there."""
    if seen.false_empty is None or seen.needed_ms is None or profile.role != "room":
        return
    name, quiet, longest = profile.id, seen.quiet, seen.quiet.gaps
    hold = words(profile.hold_ms)
    if seen.evidence == "others":
        how = f"in {_basis(quiet)} that others confirm, {_percent(seen.false_empty)} of the time"
        missed_many = quiet.missed > MISSED_MANY * quiet.bookings
        if seen.false_empty > BADLY_PLACED or missed_many:
            at_door = sums.signs > 0 and sums.edge_signs >= DOOR_EDGE_SHARE * sums.signs
            looks = (
                'It seems to look at the door: it speaks when people come and go. Set role = "door", or '
                "hang it where it sees the chairs."
                if at_door
                else "It does not see them where they sit. Hang it elsewhere, or add a radar."
            )
            yield Trouble(
                "looks_at_door" if at_door else "badly_placed",
                None if longest.longest_at == NEVER else longest.longest_at,
                f"{name} would have called the room empty by its hold of {hold} {how}; the longest silence "
                f"was {words(longest.longest_ms)} on {clock(longest.longest_at)}. {looks}",
            )
            return
    if seen.needed_ms > profile.hold_ms:
        by = "others confirm" if seen.evidence == "others" else "it tells of itself"
        yield Trouble(
            "hold_too_short",
            longest.longest_at,
            f"{name} is at times quiet for longer than its hold of {hold} while people are there (longest "
            f"{words(longest.longest_ms)}, on {clock(longest.longest_at)}; {_basis(quiet)} that {by}). "
            f"A hold of {words(seen.needed_ms)} would cover that.",
        )


def _spurious(
    profile: SensorProfile, sums: SensorSums, _track: SensorTrack, seen: Seen, clock: Clock
) -> Iterator[Trouble]:
    if sums.spurious >= SPURIOUS_A_WEEK * seen.weeks:
        yield Trouble(
            "spurious",
            sums.spurious_at,
            f"{profile.id} showed something {_times(sums.spurious)} while all others saw nobody before and "
            f"after, last on {clock(sums.spurious_at)}. A passer-by looks the same; if nobody passes, "
            "look for sun, heating or a fan in its view.",
        )


def _voice(
    profile: SensorProfile, sums: SensorSums, track: SensorTrack, seen: Seen, clock: Clock
) -> Iterator[Trouble]:
    """How often it speaks, against how often it should."""
    if profile.heartbeat_ms is None or not sums.heard.buckets:
        return
    spoken = sums.heard.quantile(0.99) or 0
    if spoken > profile.heartbeat_ms + profile.heartbeat_ms // 4 + profile.heartbeat_ms // 8:
        yield Trouble(
            "silent_longer",
            sums.heard.longest_at,
            f"{profile.id} is configured to speak every {words(profile.heartbeat_ms)} and at times is silent "
            f"for {words(spoken)} (longest {words(sums.heard.longest_ms)}, from "
            f"{clock(sums.heard.longest_at)} on). In that time it proves nothing. Check its radio, or set "
            "heartbeat to what it really does.",
        )
    elif track.last_heard != NEVER and seen.at - track.last_heard > max(3 * profile.heartbeat_ms, HOUR_MS):
        yield Trouble(
            "silent_longer",
            track.last_heard,
            f"{profile.id} has been silent since {clock(track.last_heard)}. Check its power, battery and "
            "radio.",
        )


def _outages(
    profile: SensorProfile, sums: SensorSums, track: SensorTrack, seen: Seen, clock: Clock
) -> Iterator[Trouble]:
    name = profile.id
    if not track.online:
        yield Trouble(
            "offline",
            track.offline_since,
            f"{name} has been offline since {clock(track.offline_since)}. Check its power and its network.",
        )
    elif sums.outages >= OUTAGES_A_WEEK * seen.weeks:
        yield Trouble(
            "offline",
            sums.outage_at,
            f"{name} was offline {_times(sums.outages)}, {words(_whole(sums.outage_ms))} in all, last on "
            f"{clock(sums.outage_at)}. Check its power supply and how well the network reaches it.",
        )
    if track.bridge_off_since != NEVER:
        yield Trouble(
            "bridge",
            track.bridge_off_since,
            f"the bridge {profile.bridge} of {name} has been offline since {clock(track.bridge_off_since)}. "
            "Check the machine that it runs on.",
        )
    elif sums.bridge_outages >= OUTAGES_A_WEEK * seen.weeks:
        yield Trouble(
            "bridge",
            None,
            f"the bridge {profile.bridge} of {name} was offline {_times(sums.bridge_outages)}, "
            f"{words(_whole(sums.bridge_outage_ms))} in all. Check the machine that it runs on.",
        )


def _messages(
    profile: SensorProfile, sums: SensorSums, _track: SensorTrack, seen: Seen, _clock: Clock
) -> Iterator[Trouble]:
    name = profile.id
    if seen.rejected > REJECTED_SHARE * max(1, seen.received):
        yield Trouble(
            "payloads",
            None,
            f"{seen.rejected} of {seen.received} messages of {name} could not be read, the last because: "
            f"{seen.last_error or 'no reason is recorded'}. Try one with `sensors decode`.",
        )
    if sums.stamped and sums.late > LATE_SHARE * sums.stamped:
        yield Trouble(
            "late",
            None,
            f"{sums.late} of {sums.stamped} messages of {name} came more than half a minute after they were "
            "made. Check how its messages travel; set latency to the usual delay.",
        )
    if sums.stamped and sums.repeated > REPEATED_SHARE * sums.stamped:
        yield Trouble(
            "repeats",
            None,
            f"{sums.repeated} of {sums.stamped} messages of {name} repeat one before: they come from a "
            "bridge's cache or timer and prove nothing. Look for what asks the bridge to publish.",
        )
    if seen.skew_ms is not None and seen.skew_ms < -SKEW_MS:
        yield Trouble(
            "skew",
            None,
            f"the clock of {name} (or of its bridge) is fast by {words(-seen.skew_ms)}. Set it by NTP.",
        )
    elif seen.skew_ms is not None and seen.skew_ms > 2 * SKEW_MS and sums.late <= LATE_SHARE * sums.stamped:
        yield Trouble(
            "skew",
            None,
            f"the clock of {name} (or of its bridge) is slow by {words(seen.skew_ms)}. Set it by NTP.",
        )


def _power(
    profile: SensorProfile, _sums: SensorSums, _track: SensorTrack, seen: Seen, _clock: Clock
) -> Iterator[Trouble]:
    name = profile.id
    if seen.battery is not None and seen.battery <= LOW_BATTERY:
        yield Trouble("battery", None, f"the battery of {name} is at {seen.battery:.0f} %. Change it.")
    elif seen.days_left is not None and seen.days_left <= BATTERY_WARN_DAYS:
        yield Trouble(
            "battery_forecast",
            None,
            f"the battery of {name} will be at 10 % in about {_days(seen.days_left)}. Have a new one ready.",
        )
    if seen.link_per_month is not None and seen.link_per_month <= -LINK_FALL:
        yield Trouble(
            "link",
            None,
            f"the signal of {name} gets weaker, by {-seen.link_per_month:.0f} a month. Look for what came "
            "between, or move its bridge closer.",
        )


# -- what a room's sensors support --------------------------------------------------------------------


def support_words(
    what: str,
    basis: QuietSums | None = None,
    *,
    by: str = "",
    ms: Duration = 0,
    of: int = 0,
    bookings: int = 0,
    names: Sequence[str] = (),
) -> str:
    """A sentence about one use of a room's sensors; `what` is a key of `SUPPORT`."""
    return SUPPORT[what].format(
        who=by,
        of=of,
        total=basis.bookings if basis else bookings,
        missed=basis.missed if basis else 0,
        hours=f"{(basis.known_ms if basis else ms) / HOUR_MS:.0f}",
        ms=words(ms),
        longest=words(basis.gaps.longest_ms) if basis else "",
        names=(" and no " if what == "no_kind" else ", ").join(names),
        times=_times(of),
    )


SUPPORT: Final[dict[str, str]] = {
    "unsure": (
        "not enough history: at least {total} attended bookings and {hours} h are needed in which another "
        "sensor or a person confirms who is there"
    ),
    "no_prover": "no sensor of this room can prove it empty",
    "wrong": "people said {times} that a release was wrong",
    "check_in": (
        "{who} missed {missed} of {total} attended bookings ({hours} h); sensors checked in {of} so far"
    ),
    "no_show": "in {of} of {total} attended bookings the first sign of {who} came later than {ms}, or never",
    "brief_visit": (
        "in {total} attended bookings ({hours} h) the longest silence of {who} was {longest}; longer than "
        "{ms}: {times}"
    ),
    "no_kind": "no {names} sensor proves it empty in time, and both kinds are needed",
    "early_end": (
        "{names} noticed people in the meetings that others confirm, without a silence of {ms} or more"
    ),
    "early_end_few": (
        "not enough history: each kind needs {total} attended bookings and {hours} h that others confirm "
        "(so far: {names})"
    ),
    "early_end_no": "{names} at times was quiet for longer than {ms} beside people, or missed them",
}


def _times(number: int) -> str:
    return "never" if not number else "once" if number == 1 else f"{number} times"


def _days(number: int) -> str:
    return "a day" if number == 1 else f"{number} days"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %") if share < 0.1 else f"{share:.0%}".replace("%", " %")  # noqa: PLR2004 - one digit is enough above


def _basis(quiet: QuietSums) -> str:
    return f"{quiet.bookings} attended bookings ({quiet.known_ms / HOUR_MS:.0f} h)"


def _whole(duration_ms: Duration) -> Duration:
    return duration_ms // MINUTE_MS * MINUTE_MS or duration_ms
