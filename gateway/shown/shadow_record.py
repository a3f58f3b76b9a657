"""What shadow would have released and how that would have gone, for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.console import Console

from gateway.core.explain import explain_reason, words
from gateway.core.steps.ending import RETURN_WITHIN_MS
from gateway.core.units import HOUR_MS, MINUTE_MS, Duration, Instant
from gateway.reports.shadow_record import (
    AFTERWARDS,
    Afterwards,
    Bar,
    RoomRecord,
    ShadowRelease,
    Verdict,
    WentLiveBy,
)
from gateway.reports.text import hours
from gateway.shown.paint import BAD, DASH, GOOD, NAME, QUIET, WARN, Times, grid, listing, short_keys, text

SOON: Final = words(RETURN_WITHIN_MS)
COUNTED: Final[dict[Afterwards, str]] = {
    "came_soon": f"somebody came or wanted it within {SOON}: it would have been wrong",
    "by_person": "a person checked in or kept the booking afterwards",
    "came_later": f"somebody came, later than {SOON} afterwards",
    "could_not_tell": "nobody was seen, but for some of the time the sensors could not tell",
    "cancelled": "the booking was cancelled or moved away afterwards, and nobody had come",
    "ended": "the booking was ended before its time, and nobody had come",
    "stayed_empty": "the room stayed empty to the booking's end",
}
"""Every way in which it goes on, as the counts name it."""

RULE: Final = (
    f"Wrong is what the gateway itself counts as wrong: within {SOON} a healthy sensor showed somebody, or a "
    "person said that they are there or want the booking."
)
LIVE_BY: Final[dict[WentLiveBy, str]] = {
    "person": ", set by a person",
    "record": ", by its own record",
    "configuration": ", by the configuration",
    "": "",
}
VERDICT_STYLE: Final[dict[Verdict, str]] = {"met": GOOD, "over": BAD, "cannot_prove": WARN}
DOUBTFUL_SHOWN: Final = 20
"""So many doubtful releases are shown where no room is asked for: the newest."""


class Standing(msgspec.Struct, frozen=True):
    """One room: its record in the ledger, its bar, and what it cannot do."""

    record: RoomRecord
    name: str
    mode: str
    policy: str
    bar: Bar
    verdict: Verdict
    why: str
    """Why no release can be expected of its sensors; empty if some can."""
    kept_ms: Duration
    """How long the ledger keeps decisions."""
    whole: bool
    """No period was asked for: the record should have all that the gateway has counted."""


# -- sentences ----------------------------------------------------------------------------------------


def percent(share: float) -> str:
    """Like "7.1 %"; without a decimal where there is nothing behind it."""
    return f"{share * 100:.1f} %".replace(".0 %", " %")


def interval_words(interval: tuple[float, float]) -> str:
    """Like "0.2 % to 33.9 %"."""
    return f"{percent(interval[0])} to {percent(interval[1])}"


def _narrow(interval: tuple[float, float]) -> str:
    """The same, narrow enough for a column."""
    low, high = (percent(bound).removesuffix(" %") for bound in interval)
    return f"{low} {DASH} {high} %"


def release_words(release: ShadowRelease, times: Times) -> str:
    """What the room looked like after one release, as a clause."""
    on, at = times.on(release.at), release.at
    came = f"{_later(at, release.came_at)}{_by(release.sensor)}"
    did = "kept the booking" if release.person_did == "kept" else "checked in"
    shown = f"a sensor showed somebody {came}" if release.sensor else "no sensor showed anybody"
    untold = explain_reason(release.untold, on.clock) if release.untold else "no reason is recorded"
    whoever = "somebody came" if release.sensor or not release.person_did else f"a person {did}"
    gone = f"{_later(at, release.over_at)}, nobody had come"
    said: dict[Afterwards, str] = {
        "came_soon": f"{whoever} {came}: it would have been wrong",
        "by_person": f"a person {did} {_later(at, release.person_at)}, and {shown}",
        "came_later": f"somebody came {came}",
        "could_not_tell": f"the sensors could not tell from {on.clock(release.untold_at or at)} on: {untold}",
        "cancelled": f"cancelled or moved away {gone}",
        "ended": f"ended before its time {gone}",
        "stayed_empty": f"empty to the end, {words(release.would_return_ms)} later",
    }
    return said[release.afterwards]


def _later(at: Instant, then: Instant | None) -> str:
    """Like "4 min later", in whole minutes begun before."""
    passed = 0 if then is None else max(0, then - at) // MINUTE_MS * MINUTE_MS
    return f"{words(passed)} later" if passed else "less than a minute later"


def _by(sensor: str) -> str:
    return f" ({sensor})" if sensor else ""


def verdict_words(standing: Standing, times: Times) -> str:
    """When the room goes live, or why not: after "Goes live", and without a full stop."""
    bar = standing.bar
    plural = "" if bar.missing == 1 else "s"
    left = f"at most {bar.wrong_left}" if bar.wrong_left > 0 else "none"
    theirs = f"if {left} of them is wrong" if bar.missing > 1 else "if it is not wrong"
    theirs = "" if bar.wrong_left >= bar.missing else f" {theirs}"
    allowed = f"at most {bar.wrong_at_most} allowed" if bar.wrong_at_most else "none allowed"
    said: dict[Verdict, str] = {
        "former": "it is not in the configuration any more",
        "live": _live_words(standing, times),
        "exempt": "never: it is exempt, and nothing is released here",
        "cannot_prove": standing.why.rstrip("."),
        "held": "only by a person's word: it was set to shadow, and its record does not change that",
        "no_bar": "by hand: no live_after set",
        "over": (
            f"only by a person's word: {bar.wrong} wrong, {allowed}; first find out what happened there"
        ),
        "missing": f"after {bar.missing} more judged release{plural}{theirs}",
        "met": "as soon as its next release is judged: the bar is met",
    }
    return said[standing.verdict]


def _live_words(standing: Standing, times: Times) -> str:
    record, since = standing.record, "live"
    if record.live_since is not None:
        since = f"live since {times.clock(record.live_since)}{LIVE_BY[record.live_by]}"
    if standing.why:
        return f"{since}, in vain. {standing.why}".rstrip(".")
    if record.live_since is not None and not record.opened_live:
        return f"{since}: from its next booking on"
    if not record.released:
        return f"{since}: nothing given back yet"
    return (
        f"{since}: {record.released} given back, {record.wrong_releases or 'none'} of them reported as wrong"
    )


def against_the_bar(standing: Standing) -> str:
    """How the interval compares to the share of wrong ones that the bar allows; empty without a bar."""
    bar, record = standing.bar, standing.record
    if not bar.live_after:
        return ""
    allowed = f"at most {bar.wrong_at_most}" if bar.wrong_at_most else "none"
    asked = (
        f"The bar: {bar.live_after} judged, {allowed} of them wrong. A room that just passes it may still be "
        f"wrong in up to {percent(bar.proves)} of its releases (95 % confidence)."
    )
    if not record.judged:
        return asked
    low, high = record.interval
    if low > bar.share:
        found = f"worse than the {percent(bar.share)} that the bar allows, beyond chance"
    elif high <= bar.share:
        found = f"within the {percent(bar.share)} that the bar allows, beyond chance"
    else:
        found = f"too short to tell whether more than the bar's {percent(bar.share)} are wrong"
    return f"{asked} This record is {found}."


def counted_words(standing: Standing) -> str:
    """Where the gateway's own counters say something else than the list; empty if they agree."""
    bar, record = standing.bar, standing.record
    if standing.verdict == "former" or (bar.judged, bar.wrong) == (record.judged, record.wrong):
        return ""
    counted = f"In all the gateway has counted {bar.judged} judged, {bar.wrong} of them wrong"
    if bar.live_after:
        counted += ", and the bar goes by that"
    if not standing.whole:
        return f"{counted}."
    return (
        f"{counted}. The ledger tells of {record.judged}: it forgets what is older than "
        f"{words(standing.kept_ms)}."
    )


def summary_words(record: RoomRecord) -> str:
    """How many were judged and would have been wrong, with the interval."""
    running = f" Not judged yet, as the booking is not over: {record.running}." if record.running else ""
    if not record.judged:
        return f"No release in shadow has been judged.{running}"
    plural = "" if record.judged == 1 else "s"
    share = percent(record.wrong / record.judged)
    return (
        f"{record.judged} release{plural} judged in shadow, {record.wrong or 'none'} of them would have been "
        f"wrong: {share} (95 % confidence: {interval_words(record.interval)}).{running}"
    )


def worst_words(record: RoomRecord) -> str:
    """The share if all that is doubtful were wrong; empty if nothing else than the wrong ones is."""
    doubtful = len(record.doubtful)
    if doubtful == record.wrong:
        return ""
    share = percent(doubtful / record.judged)
    return (
        f"If all {doubtful} that should be looked at were wrong: {share} "
        f"(95 % confidence: {interval_words(record.interval_at_worst)})."
    )


# -- screens ------------------------------------------------------------------------------------------


def paint_records(console: Console, standings: Sequence[Standing], times: Times) -> None:
    """All rooms with their verdict, then what a person should look at in those that are not live yet."""
    table = listing(
        "Room", "Mode", "Judged", "Wrong", "95 % within", "Hours", "Goes live", right=(2, 3, 4, 5)
    )
    for one in standings:
        record = one.record
        table.add_row(
            text(one.name, NAME),
            text(one.mode, "" if one.mode == "live" else QUIET),
            str(record.judged),
            text(str(record.wrong), BAD if record.wrong else "") if record.judged else DASH,
            _narrow(record.interval) if record.judged else DASH,
            hours(record.would_return_ms),
            text(verdict_words(one, times), VERDICT_STYLE.get(one.verdict, "")),
        )
    console.print(table)
    console.print()
    console.print(text(RULE, QUIET))
    fewer = sum(bool(one.whole and counted_words(one)) for one in standings)
    if fewer:
        kept = words(standings[0].kept_ms)
        console.print(
            text(
                f"In {fewer} of the rooms the gateway has counted what the ledger forgets after {kept}.",
                QUIET,
            )
        )
    undecided = [one for one in standings if one.mode != "live"]
    doubtful = sorted((r for one in undecided for r in one.record.doubtful), key=lambda r: (r.at, r.room))
    if doubtful:
        shown = doubtful[-DOUBTFUL_SHOWN:]
        left = len(doubtful) - len(shown)
        more = f" (the newest {len(shown)}; --room shows all of a room's)" if left else ""
        console.print()
        console.print(text(f"Look at these{more}", QUIET))
        _paint_releases(console, shown, times, {one.record.room: one.name for one in standings})


def paint_record(console: Console, standing: Standing, times: Times) -> None:
    """One room: its share with the interval, what came afterwards, its bar, and each release."""
    record = standing.record
    console.print(text(standing.name, NAME), text(standing.mode, QUIET), sep="  ")
    console.print(text(summary_words(record)))
    console.print(text(_outlook(standing, times), VERDICT_STYLE.get(standing.verdict, "")))
    if record.judged:
        console.print(text(RULE, QUIET))
        console.print()
        counts = grid(2)
        for kind in AFTERWARDS:
            number = record.count(kind)
            if number:
                counts.add_row(text(str(number).rjust(4), _style(kind)), text(COUNTED[kind]))
        counts.add_row(
            text(hours(record.would_return_ms).rjust(4)),
            text("hours would have been given back that nobody used"),
        )
        console.print(counts)
    lines = [worst_words(record), against_the_bar(standing), counted_words(standing)]
    if standing.verdict not in ("cannot_prove", "live"):
        lines.append(standing.why)
    found = [line for line in lines if line]
    if found:
        console.print()
    for line in found:
        console.print(text(line))
    if record.releases:
        console.print()
        _paint_releases(console, record.releases, times, {})


def _outlook(standing: Standing, times: Times) -> str:
    """The verdict as a sentence of its own."""
    said = verdict_words(standing, times)
    if standing.verdict in ("exempt", "held", "no_bar", "over", "missing", "met"):
        return f"It goes live {said}."
    return f"{said[0].upper()}{said[1:]}."


def _style(kind: Afterwards) -> str:
    return BAD if kind == "came_soon" else WARN if kind in ("by_person", "could_not_tell") else ""


def _paint_releases(
    console: Console, releases: Sequence[ShadowRelease], times: Times, names: Mapping[str, str]
) -> None:
    """One line each; with the room's name where `names` has it."""
    short = short_keys(release.booking for release in releases)
    lines = grid(4 if names else 3)
    for release in releases:
        name = [text(names.get(release.room, release.room))] if names else []
        lines.add_row(
            *name,
            text(times.clock(release.at)),
            text(short[release.booking], QUIET),
            text(release_words(release, times), _style(release.afterwards)),
        )
    console.print(lines)


# -- for programs -------------------------------------------------------------------------------------


def record_json(standing: Standing, times: Times) -> dict[str, Any]:
    """All that the screens show; in the words of `report`. Shares 0 to 1, instants in ISO 8601, hours."""
    record, bar = standing.record, standing.bar
    return {
        "room": record.room,
        "name": standing.name,
        "mode": standing.mode,
        "judged": record.judged,
        "wrong": record.wrong,
        "wrong_share": record.wrong / record.judged if record.judged else None,
        "wrong_share_95": list(record.interval),
        "doubtful": len(record.doubtful),
        "doubtful_share_95": list(record.interval_at_worst),
        "running": record.running,
        "afterwards": {kind: record.count(kind) for kind in AFTERWARDS},
        "would_return_hours": round(record.would_return_ms / HOUR_MS, 4),
        "policy": standing.policy,
        "bar": {
            "live_after": bar.live_after,
            "live_if_wrong_at_most": bar.wrong_at_most,
            "judged": bar.judged,
            "wrong": bar.wrong,
            "missing": bar.missing,
            "proves_at_most": bar.proves if bar.live_after else None,
        },
        "verdict": standing.verdict,
        "sentence": verdict_words(standing, times),
        "notes": [line for line in (counted_words(standing), standing.why) if line],
        "live_since": times.iso(record.live_since),
        "live_by": record.live_by,
        "released": record.released,
        "wrong_releases": record.wrong_releases,
        "releases": [_release_json(release, times) for release in record.releases],
    }


def _release_json(release: ShadowRelease, times: Times) -> dict[str, Any]:
    return {
        "booking": release.booking,
        "at": times.iso(release.at),
        "kind": release.kind,
        "afterwards": release.afterwards,
        "wrong": release.is_wrong,
        "doubtful": release.is_doubtful,
        "sentence": release_words(release, times),
        "came_at": times.iso(release.came_at),
        "sensor": release.sensor,
        "person_at": times.iso(release.person_at),
        "untold_at": times.iso(release.untold_at),
        "over_at": times.iso(release.over_at),
        "would_return_hours": round(release.would_return_ms / HOUR_MS, 4),
    }
