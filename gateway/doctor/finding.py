"""What a doctor finds, as plain data for the screen, for programs and for alerts."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

Verdict = Literal["ok", "warn", "fail", "skipped"]
"""Fine; works and is worth a look; does not work; not looked at, and why."""

WORST: Final[tuple[Verdict, ...]] = ("fail", "warn", "ok", "skipped")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an examination."""

    step: str
    """Short name of the step, the same in every run, such as "token" or "room readable"."""
    verdict: Verdict
    what: str
    """How it is, in one sentence."""
    fix: str = ""
    """What to do about it; empty only where nothing is to be done."""
    room: str = ""
    """Id of the room that it is about; empty: all of them."""
    code: str = ""
    """The other side's own error code, such as AADSTS7000215 or ErrorAccessDenied."""
    request_id: str = ""
    """For Microsoft's support."""


def worst(findings: Iterable[Finding]) -> Verdict:
    """The verdict on the whole: of its worst step."""
    found = {finding.verdict for finding in findings}
    return next((verdict for verdict in WORST if verdict in found), "ok")


def as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Fit for JSON, every key always there."""
    return [msgspec.to_builtins(finding) for finding in findings]
