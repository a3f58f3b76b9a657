"""Faults, scripted or by seeded chance: which request goes wrong, when, and how.

A rule matches requests; the first armed rule that matches decides, and is spent by one. Each inner
request of a `$batch` is matched too, but only by the faults that an inner answer can show
(`Refuse`, `Stale`).

    script.add(Refuse(429, retry_after="2"), path="/calendarView", times=3)
    script.add(Silence(after_effect=True), method="POST", path="/decline")
    script.add(Stale(30_000), path="orion@contoso.com", during=(start, end), times=None)
    script.add(PRESETS["throttled-date"], path="/events")
    script.storm(7, 0.2, ["503", "reset", "throttled"])
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from email.utils import format_datetime
from random import Random
from typing import Final

import msgspec

from gateway.core.units import Duration, Instant
from simulators.exchange.times import to_utc


class Refuse(msgspec.Struct, frozen=True, tag="refuse", tag_field="kind"):
    """Answer with an error, without any effect.

    `retry_after` as in the header: seconds, also with decimals, or a date; `date:30` is made the HTTP
    date 30 s from the simulated now.
    """

    status: int
    code: str = "ServiceUnavailable"
    message: str = "Service is temporarily unavailable."
    retry_after: str = ""
    body: bytes | None = None
    """Instead of Graph's error body, to the letter (`b""`: an empty one)."""
    headers: tuple[tuple[str, str], ...] = ()
    inner: tuple[tuple[str, str], ...] = ()
    """What the inner error holds besides date and ids."""


class Silence(msgspec.Struct, frozen=True, tag="silence", tag_field="kind"):
    """Never answer; `after_effect`: what was asked is done nevertheless."""

    after_effect: bool = False


class Drop(msgspec.Struct, frozen=True, tag="drop", tag_field="kind"):
    """Break the connection instead of answering; `after_effect` as in `Silence`."""

    after_effect: bool = False


class Stale(msgspec.Struct, frozen=True, tag="stale", tag_field="kind"):
    """Answer a read with the calendar as it was `age_ms` ago (at most an hour)."""

    age_ms: Duration


class Truncate(msgspec.Struct, frozen=True, tag="truncate", tag_field="kind"):
    """Answer with only the first part of the body, as if it were all."""

    keep: float = 0.5


class Cut(msgspec.Struct, frozen=True, tag="cut", tag_field="kind"):
    """Send the first part of the body, then break the connection."""

    keep: float = 0.5


class Slow(msgspec.Struct, frozen=True, tag="slow", tag_field="kind"):
    """Send the body in pieces, with a pause (seconds) before each."""

    pause_s: float = 1.0
    pieces: int = 5


class Repage(msgspec.Struct, frozen=True, tag="repage", tag_field="kind"):
    """A listing has at most so many items on a page, whatever was asked for."""

    size: int = 1


Fault = Refuse | Silence | Drop | Stale | Truncate | Cut | Slow | Repage
INNER: Final = (Refuse, Stale)
"""What a request within a batch can show."""

_DENIED: Final = "Access is denied. Check credentials and try again."
_MAILBOX: Final = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
_THROTTLED: Final = Refuse(
    429,
    "TooManyRequests",
    "Please retry again later.",
    inner=(("code", "429"), ("message", "Please retry after"), ("status", "429")),
)


def _throttled(retry_after: str) -> Refuse:
    return msgspec.structs.replace(_THROTTLED, retry_after=retry_after)


PRESETS: Final[dict[str, Fault]] = {
    "throttled": _throttled("2"),
    "throttled-decimal": _throttled("2.128"),
    "throttled-date": _throttled("date:3"),
    "throttled-silent": _THROTTLED,
    "mailbox-concurrency": Refuse(
        429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit."
    ),
    "500": Refuse(500, "InternalServerError", "Object reference not set to an instance of an object."),
    "500-transient": Refuse(500, "ErrorInternalServerTransientError", "An internal server error occurred."),
    "502": Refuse(502, "BadGateway", "The gateway received an invalid response."),
    "503": Refuse(503, "serviceNotAvailable", "The service is unavailable."),
    "503-retry": Refuse(503, "serviceNotAvailable", "The service is unavailable.", retry_after="5"),
    "504": Refuse(504, "GatewayTimeout", "The gateway did not get an answer in time."),
    "proxy": Refuse(
        502, body=b"<html><body>Bad gateway</body></html>", headers=(("content-type", "text/html"),)
    ),
    "token-expired": Refuse(
        401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."
    ),
    "mailbox-unauthorized": Refuse(
        401, "MailboxNotSupportedForRESTAPI", "REST API is not yet supported for this mailbox."
    ),
    "denied": Refuse(403, "ErrorAccessDenied", _DENIED),
    "denied-by-policy": Refuse(
        403,
        "ErrorAccessDenied",
        "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
    ),
    "denied-by-directory": Refuse(
        403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
    ),
    "denied-silent": Refuse(403, "", "You do not have the required permissions to access this item."),
    "no-mailbox": Refuse(404, "MailboxNotEnabledForRESTAPI", _MAILBOX),
    "not-found-empty": Refuse(404, body=b""),
    "item-gone": Refuse(404, "ErrorItemNotFound", "The specified object was not found in the store."),
    "sync-state-gone": Refuse(
        410, "SyncStateNotFound", "The sync state generation is not found; generation=1;[highest=9][9][8][7]."
    ),
    "changed-meanwhile": Refuse(
        412,
        "ErrorIrresolvableConflict",
        "The send or update operation could not be performed because the change key passed in the "
        "request does not match the current change key for the item.",
    ),
    "timeout-before": Silence(),
    "timeout-after": Silence(after_effect=True),
    "reset": Drop(),
    "reset-after": Drop(after_effect=True),
    "half-page": Truncate(),
    "cut-page": Cut(),
    "slow-body": Slow(),
    "one-a-page": Repage(1),
    "stale": Stale(30_000),
}
"""Ready-made faults by name."""


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
    share: float = 1.0
    """Of the matching requests, how many it strikes, by chance."""
    seed: int = 0
    """Of that chance: the same requests in the same order are struck again."""
    seen: int = 0
    struck: int = 0

    def matches(self, method: str, target: str, now: Instant) -> bool:
        """Whether the rule is armed and means this request."""
        if self.times is not None and self.struck >= self.times:
            return False
        if self.during is not None and not self.during[0] <= now < self.during[1]:
            return False
        return self.method in ("", method) and self.path in target

    def strikes(self) -> bool:
        """Whether it strikes this matching request; counts it."""
        self.seen += 1
        if self.seen <= self.skip:
            return False
        if self.share < 1.0 and Random(f"{self.seed}/{self.seen}").random() >= self.share:
            return False
        self.struck += 1
        return True


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
        share: float = 1.0,
        seed: int = 0,
    ) -> Rule:
        """Append a rule and return it: `seen` and `struck` count on it."""
        rule = Rule(fault, method, path, skip, times, during, share, seed)
        self.rules.append(rule)
        return rule

    def storm(self, seed: int, share: float, presets: Iterable[str] = PRESETS, *, path: str = "") -> None:
        """Of all requests a share fails, each by one of the presets. Raises KeyError for unknown names."""
        faults = [PRESETS[name] for name in presets]
        for number, fault in enumerate(faults):
            self.add(fault, path=path, times=None, share=share / len(faults), seed=seed * 1_000 + number)

    def clear(self) -> None:
        """Everything works again."""
        self.rules.clear()
        self.latency_s = 0.0

    def strike(self, method: str, target: str, *, inner: bool = False) -> Fault | None:
        """The fault for this request, if any; spends the rule that gave it."""
        for rule in self.rules:
            if inner and not isinstance(rule.fault, INNER):
                continue
            if rule.matches(method, target, self._now()) and rule.strikes():
                return self._dated(rule.fault)
        return None

    def _dated(self, fault: Fault) -> Fault:
        """With `date:30` made a date."""
        if not isinstance(fault, Refuse) or not fault.retry_after:
            return fault
        return msgspec.structs.replace(fault, retry_after=http_date_of(fault.retry_after, self._now()))


def http_date_of(retry_after: str, now: Instant) -> str:
    """A Retry-After as it is sent: `date:30` is made the HTTP date 30 s after `now`."""
    if not retry_after.startswith("date:"):
        return retry_after
    moment = to_utc(now) + timedelta(seconds=float(retry_after.removeprefix("date:")))
    return format_datetime(moment, usegmt=True)
