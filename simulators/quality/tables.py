"""The figures as tables of words, for the terminal and for the page alike."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from simulators.quality.baselines import BASELINES
from simulators.quality.judge import SIGHT_IN_WORDS
from simulators.quality.kits import KITS
from simulators.quality.recorded import UCI_WORDS
from simulators.quality.results import Line, Results
from simulators.quality.run import DEFAULT
from simulators.truth import CAUSES_IN_WORDS

NONE: Final = "-"
CAUSES: Final = tuple(cause for cause in CAUSES_IN_WORDS if cause != "grace")


class Table(NamedTuple):
    """A title, heads, and rows as wide as them."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(results: Results) -> Iterator[Table]:
    """Everything worth showing of a run."""
    office = results.lines
    if office:
        ours = [line for line in office if line.way == DEFAULT]
        yield from _if_any("What comes back, and at whose cost", ours)
        yield _causes("Recoverable hours that do not come back, in percent", ours)
        yield from _ghost_shares(results)
        yield from _policies(office)
        yield from _baselines("The same days under simpler rules", office)
    for name, lines in (("The UCI room", results.uci), ("The recording", results.recorded)):
        if lines:
            ours = [line for line in lines if line.way == DEFAULT] or [line for line in lines if line.is_ours]
            yield from _if_any(name, ours)
            yield _causes(f"{name}: hours that do not come back, in percent", ours)
            yield from _policies(lines, f"{name} under other policies")
            yield from _baselines(f"{name} under simpler rules", lines)


def _if_any(title: str, lines: Sequence[Line]) -> Iterator[Table]:
    if lines:
        heads = ("sensors", "bookings", "ghosts", *_HEADS)
        rows = tuple((line.kit, f"{line.bookings:,}", f"{line.ghosts:,}", *_main(line)) for line in lines)
        yield Table(title, heads, rows)


_HEADS: Final = (
    "recovered",
    "minutes until release",
    "wrong per 1,000 (95 %)",
    *SIGHT_IN_WORDS,
    "came after",
)


def _main(line: Line) -> tuple[str, ...]:
    return (
        _share(line.recovered_share),
        _minutes(line),
        _wrong(line),
        *(str(line.wrong.get(sight, 0)) for sight in SIGHT_IN_WORDS),
        f"{line.came_after:,}",
    )


def _wrong(line: Line) -> str:
    rate, low, high = line.wrong_per_1000
    return f"{rate:.2f} ({low:.2f} to {high:.2f})"


def _share(share: float | None) -> str:
    return NONE if share is None else f"{share:.1%}"


def _minutes(line: Line) -> str:
    told = line.minutes_until_release
    return NONE if told is None else f"{told[0]:.1f}, {told[1]:.1f}"


def _causes(title: str, lines: Sequence[Line]) -> Table:
    used = [cause for cause in CAUSES if any(line.causes.get(cause) for line in lines)]
    rows = tuple(
        (line.kit, *(_percent(line.causes.get(cause, 0.0), line.hours_recoverable) for cause in used))
        for line in lines
    )
    return Table(title, ("sensors", *(cause.replace("_", " ") for cause in used)), rows)


def _percent(hours: float, of_hours: float) -> str:
    return f"{hours / of_hours:.1%}" if hours and of_hours else NONE


def _ghost_shares(results: Results) -> Iterator[Table]:
    """The promised sets with few ghosts and with many."""
    heads = ("sensors", "share of ghosts", "bookings", "ghosts", "recovered", "withheld for a doubt",
             "wrong per 1,000 (95 %)")  # fmt: skip
    rows = tuple(
        (
            kit,
            f"{share:.0%}",
            f"{line.bookings:,}",
            f"{line.ghosts:,}",
            _share(line.recovered_share),
            _percent(line.causes.get("withheld", 0.0), line.hours_recoverable),
            _wrong(line),
        )
        for kit, lines in results.by_ghost_share.items()
        for share, line in lines.items()
    )
    if rows:
        yield Table("The goal with fewer and with more ghosts", heads, rows)


def goal_by_ghost_share(results: Results) -> dict[str, str]:
    """For each promised set at which of the measured shares of ghosts the goal is met.

    Where nothing could be recovered nothing is said; nor where no other share was played.
    """
    told: dict[str, str] = {}
    for kit, lines in results.by_ghost_share.items():
        met = {share: line.meets_goal for share, line in lines.items() if line.recovered_share is not None}
        if met:
            told[kit] = f"the goal is met {_where(met)}"
    return told


def _where(met: Mapping[float, bool]) -> str:
    """In words, for shares in their order."""
    good, bad = ([share for share in met if met[share] is wanted] for wanted in (True, False))
    if not bad:
        return f"at every share of ghosts that was measured ({_span(good)})"
    if not good:
        return f"at none of the shares of ghosts that were measured ({_span(bad)})"
    if max(good) < min(bad):
        return f"where up to {good[-1]:.0%} of the bookings are ghosts, and not at {_span(bad)}"
    some, others = (", ".join(f"{share:.0%}" for share in shares) for shares in (good, bad))
    return f"where the share of ghosts is {some}, and not at {others}"


def _span(shares: Sequence[float]) -> str:
    return f"{shares[0]:.0%}" if len(shares) == 1 else f"{shares[0]:.0%} to {shares[-1]:.0%}"


def _policies(lines: Sequence[Line], title: str = "The policies") -> Iterator[Table]:
    ours = [line for line in lines if line.is_ours]
    if {line.way for line in ours} <= {DEFAULT}:
        return
    heads = ("sensors", "policy", "bookings", *_HEADS)
    rows = tuple((line.kit, line.way, f"{line.bookings:,}", *_main(line)) for line in ours)
    yield Table(title, heads, rows)
    everything = [line for line in ours if line.walk_ups or line.ended_early or line.ended_early_wrongly]
    if everything:
        yield Table(
            "Early ends and walk-ups, where the policy has them",
            ("sensors", "policy", "ended early rightly", "wrongly", "walk-ups", "seen", "of nobody"),
            tuple(
                (
                    line.kit,
                    line.way,
                    f"{line.ended_early:,}",
                    f"{line.ended_early_wrongly:,}",
                    f"{line.walk_ups:,}",
                    _percent(line.walk_ups_seen, line.walk_ups),
                    f"{line.walk_ups_of_nobody:,}",
                )
                for line in everything
            ),
        )


def _baselines(title: str, lines: Sequence[Line]) -> Iterator[Table]:
    """The rules beside the default policy; the rule without sensors is the same everywhere and shown once."""
    first = next((line.kit for line in lines), "")
    shown = [
        line
        for line in lines
        if line.way == DEFAULT
        or (line.way in BASELINES and (BASELINES[line.way].needs_sensors or line.kit == first))
    ]
    if any(line.way in BASELINES for line in shown):
        heads = ("sensors", "rule", "recovered", "wrong per 1,000 (95 %)", *SIGHT_IN_WORDS, "came after",
                 "left for good")  # fmt: skip
        rows = tuple(_baseline(line) for line in shown)
        yield Table(title, heads, rows)


def _baseline(line: Line) -> tuple[str, ...]:
    recovered, _, *rest = _main(line)
    sensors = line.kit if line.way not in BASELINES or BASELINES[line.way].needs_sensors else "none"
    rule = "the gateway" if line.is_ours else line.way
    return (sensors, rule, recovered, *rest, f"{line.left_for_good:,}")


def words_of(kit: str) -> str:
    """A set of sensors in words."""
    return KITS[kit].words if kit in KITS else UCI_WORDS.get(kit, kit)
