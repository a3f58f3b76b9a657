"""Timelines: read them, run them, and tell what did not go as expected.

    check(Path("tests/scenarios/ghost.timeline"))          # raises Unexpected or TimelineError
    result = run(read(Path("ghost.timeline")))             # the same as a value

The first line of a timeline is a comment that says the rule in one sentence.
"""

import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from simulators.exchange.errors import ExchangeError
from simulators.scenario.errors import ScenarioError, TimelineError, Unexpected
from simulators.scenario.expectations import EXPECTATIONS
from simulators.scenario.gateway import Gateway
from simulators.scenario.happenings import HAPPENINGS
from simulators.scenario.words import Form, Grammar, Words

SUFFIX: Final = ".timeline"
GRAMMAR: Final = Grammar((*EXPECTATIONS, *HAPPENINGS))
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system in memory; the files in it are TemporaryDirectory's
"""Where a scenario's ledger lies if nobody says otherwise: its commits need not survive the machine."""

_TIMED: Final = re.compile(r"(\d\d:\d\d(?::\d\d)?)\s+(.*)")
_COMMENT: Final = re.compile(r"\s+#\s.*$")


class Line(NamedTuple):
    """One line that does or expects something."""

    number: int
    clock: str
    """Its time, or empty."""
    form: Form
    words: Words


@dataclass(frozen=True)
class Timeline:
    """A timeline that can be read."""

    file: str
    rule: str
    """Its first line: the rule in one sentence."""
    text: str
    lines: tuple[Line, ...]

    def marked(self, number: int) -> str:
        """The whole text with one line marked."""
        numbered = enumerate(self.text.rstrip().splitlines(), start=1)
        return "\n".join(f"{'>' if at == number else ' '} {at:3} | {line}".rstrip() for at, line in numbered)


@dataclass(frozen=True)
class Result:
    """What became of a timeline. `problem` is empty if everything was as expected."""

    file: str
    rule: str
    problem: str
    line: int
    """Where it went wrong, or 0."""
    seconds: float
    """Wall time."""
    decisions: tuple[str, ...]
    """Everything that the gateway decided, in words."""

    @property
    def passed(self) -> bool:
        """Everything was as expected."""
        return not self.problem

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.file,
            "rule": self.rule,
            "passed": self.passed,
            "problem": self.problem,
            "line": self.line,
            "seconds": round(self.seconds, 3),
            "decisions": list(self.decisions),
        }


# -- reading --------------------------------------------------------------------------------------------


def read(path: Path) -> Timeline:
    """The timeline in a file. Raises TimelineError, which names file and line, or OSError."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise TimelineError(str(path), 1, "expected text in UTF-8") from error


def parse(text: str, file: str = "timeline") -> Timeline:
    """As `read`, from the text itself."""
    rows = text.splitlines()
    rule = rows[0].lstrip("#").strip() if rows else ""
    if not rows or not rows[0].startswith("#") or not rule:
        raise TimelineError(file, 1, 'expected a first line that says the rule: "# Nobody came: ..."')
    names: dict[str, str] = {}
    lines: list[Line] = []
    newest = ""
    for number, row in enumerate(rows, start=1):
        said = _COMMENT.sub("", row).strip()
        if not said or said.startswith("#"):
            continue
        line = _line(file, number, said, names)
        if line.clock:
            if _in_seconds(line.clock) < _in_seconds(newest):
                raise TimelineError(
                    file, number, f"{line.clock} is before {newest}: time does not run backwards"
                )
            newest = line.clock
        if line.form.new_day:
            newest = ""
        _learn(line, names)
        lines.append(line)
    if not any(line.form in EXPECTATIONS for line in lines):
        raise TimelineError(file, len(rows), 'expected at least one line that begins with "expect"')
    return Timeline(file, rule, text, tuple(lines))


def _line(file: str, number: int, said: str, names: Mapping[str, str]) -> Line:
    timed = _TIMED.fullmatch(said)
    clock, rest = (timed[1], timed[2]) if timed else ("", said)
    found = GRAMMAR.match(rest)
    if found is None:
        close = " or ".join(f'"{syntax}"' for syntax in GRAMMAR.nearest(rest, names))
        hint = f"; did you mean {close}?" if close else "; docs/scenarios.md shows all that can be said"
        raise TimelineError(file, number, f'this says nothing that is known: "{rest}"{hint}')
    form, words = found
    if not clock and not form.before:
        raise TimelineError(file, number, f'expected a time before it: "09:00 {rest}"')
    if clock and form.only_before:
        raise TimelineError(file, number, f'this has no time before it: "{rest}"')
    return Line(number, clock, form, words)


def _in_seconds(clock: str) -> int:
    hours, minutes, seconds = ([int(part) for part in clock.split(":") if part] + [0, 0, 0])[:3]
    return (hours * 60 + minutes) * 60 + seconds


def _learn(line: Line, names: dict[str, str]) -> None:
    """Remember what names stand for, so that a mistake near them can be understood."""
    for part in ("ROOM", "SENSOR", "WHO"):
        if part in line.words:
            names.setdefault(line.words[part], part)


# -- running --------------------------------------------------------------------------------------------


def check(path: Path, folder: Path | None = None) -> None:
    """Run a timeline. Raises Unexpected with the whole story, or TimelineError."""
    result = run(read(path), folder)
    if not result.passed:
        raise Unexpected(result.problem)


def run(timeline: Timeline, folder: Path | None = None) -> Result:
    """Run a timeline; the first expectation that does not hold ends it. Raises TimelineError.

    `folder`: an empty one for the gateway's files; None: one that vanishes afterwards.
    """
    if folder is not None:
        return _run(timeline, folder)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as made:
        return _run(timeline, Path(made))


def _run(timeline: Timeline, folder: Path) -> Result:
    began = time.perf_counter()
    problem, at = "", 0
    with Gateway(folder) as gateway:
        for line in timeline.lines:
            try:
                instead = _do(gateway, line)
            except (ScenarioError, ExchangeError) as error:
                raise TimelineError(timeline.file, line.number, str(error)) from error
            if instead:
                problem, at = _told(timeline, line, instead, gateway), line.number
                break
        decisions = tuple(gateway.told()) if gateway.has_begun else ()
    return Result(timeline.file, timeline.rule, problem, at, time.perf_counter() - began, decisions)


def _do(gateway: Gateway, line: Line) -> str | None:
    """What is the case instead of what the line expects, if so."""
    if line.clock:
        gateway.at(line.clock)
    return line.form.act(gateway, line.words)


def _told(timeline: Timeline, line: Line, instead: str, gateway: Gateway) -> str:
    """A failure as people want it: where, what, what instead, the whole timeline, and the reasons."""
    said = timeline.text.splitlines()[line.number - 1].strip()
    parts = [f"{timeline.file}:{line.number}: {said}", f"but {instead}", "", timeline.marked(line.number)]
    words = line.words
    if "WHEN" in words:
        parts += ["", f"What explain says of {words['ROOM']} {words['WHEN']}:"]
        parts += [f"  {sentence}" for sentence in gateway.explain(words["ROOM"], words["WHEN"]).splitlines()]
    else:
        parts += ["", "What was decided:", *(f"  {sentence}" for sentence in gateway.told())]
    return "\n".join(parts)
