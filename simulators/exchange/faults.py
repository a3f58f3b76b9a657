"""Scripted faults: which request goes wrong, when, and how.

A rule matches requests; the first armed rule that matches decides, and is spent by one. Each inner
request of a `$batch` is matched too, but only by the faults that an inner answer can show
(`Refuse`, `Stale`).

    script.add(Refuse(429, retry_after="2"), path="/calendarView", times=3)
    script.add(Silence(after_effect=True), method="POST", path="/decline")
    script.add(Stale(30_000), path="orion@contoso.com", during=(start, end), times=None)
"""

from collections.abc import Callable

import msgspec

from gateway.core.units import Duration, Instant


class Refuse(msgspec.Struct, frozen=True):
    """Answer with an error, without any effect. `retry_after` as in the header: seconds or a date."""

    status: int
    code: str = "ServiceUnavailable"
    message: str = "Service is temporarily unavailable."
    retry_after: str = ""
    body: bytes | None = None
    """Instead of Graph's error body, to the letter (`b""`: an empty one)."""


class Silence(msgspec.Struct, frozen=True):
    """Never answer; `after_effect`: what was asked is done nevertheless."""

    after_effect: bool = False


class Drop(msgspec.Struct, frozen=True):
    """Break the connection instead of answering; `after_effect` as in `Silence`."""

    after_effect: bool = False


class Stale(msgspec.Struct, frozen=True):
    """Answer a read with the calendar as it was `age_ms` ago (at most an hour)."""

    age_ms: Duration


class Truncate(msgspec.Struct, frozen=True):
    """Answer with only the first part of the body, as if it were all."""

    keep: float = 0.5


Fault = Refuse | Silence | Drop | Stale | Truncate


class Rule(msgspec.Struct):
    """When a fault strikes. `path` is any part of path and query; empty fields match everything."""

    fault: Fault
    method: str = ""
    path: str = ""
    skip: int = 0
    """So many matching requests pass unharmed first."""
    times: int | None = 1
    """How often it strikes; None: always."""
    during: tuple[Instant, Instant] | None = None
    """Only from the first to before the second instant of the simulated time."""
    seen: int = 0
    struck: int = 0

    def matches(self, method: str, target: str, now: Instant) -> bool:
        """Whether the rule is armed and means this request."""
        if self.times is not None and self.struck >= self.times:
            return False
        if self.during is not None and not self.during[0] <= now < self.during[1]:
            return False
        return self.method in ("", method) and self.path in target


class FaultScript:
    """The rules in force, in order. `silence_s` and `latency_s` are seconds of the event loop's time."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self.rules: list[Rule] = []
        self.latency_s = 0.0
        """How long every answer takes."""
        self.silence_s: float | None = None
        """None: a silent request waits until the client hangs up. A number: it ends in
        `httpx.ReadTimeout` after so long, for clients that call the app in their own process."""

    def add(
        self,
        fault: Fault,
        *,
        method: str = "",
        path: str = "",
        skip: int = 0,
        times: int | None = 1,
        during: tuple[Instant, Instant] | None = None,
    ) -> Rule:
        """Append a rule and return it: `seen` and `struck` count on it."""
        rule = Rule(fault, method, path, skip, times, during)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Everything works again."""
        self.rules.clear()
        self.latency_s = 0.0

    def strike(self, method: str, target: str, *, inner: bool = False) -> Fault | None:
        """The fault for this request, if any; spends the rule that gave it."""
        for rule in self.rules:
            if inner and not isinstance(rule.fault, Refuse | Stale):
                continue
            if not rule.matches(method, target, self._now()):
                continue
            rule.seen += 1
            if rule.seen > rule.skip:
                rule.struck += 1
                return rule.fault
        return None
