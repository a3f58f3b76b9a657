"""One interface for what is wrong: who notices states it; people are told once, together, and when it ends.

Theory of operation

* A *source* (the calendars, the link, the horizon) states everything that is wrong by its knowledge now,
  again and again. What it does not state any more has recovered. Stating the same twice changes nothing.
* A trouble that ends before its kind's delay is over is never told. What is told recovers exactly once.
* Troubles of one kind become one message: whatever is ripe within a minute is told together.
* Nothing nags. A kind has at most one message of trouble and one of recovery in `gap_ms`, and the same
  trouble of the same subject is told again at the earliest after `repeat_ms`, however it flaps.
* Pure: no clock, no channel. `due` gives messages; who carries them out of the house is a `Channel`.

Nothing here names a person or quotes a meeting; who states a trouble sees to that.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, get_args

import msgspec

from gateway.core.units import FOREVER, HOUR_MS, MINUTE_MS, NEVER, Duration, Instant

Kind = Literal[
    "not_recording",
    "writing_halted",
    "breaker_open",
    "clock_untrusted",
    "link_down",
    "calendar_unreadable",
    "permission_lost",
    "mailbox_moved",
    "calendar_delayed",
    "requests_spent",
    "horizon_unreadable",
    "not_accepting",
    "microsoft_release",
    "overlapping_bookings",
    "series_lost_dates",
    "series_unattended",
    "credential_ends",
    "sensor_distrusted",
]
Severity = Literal["warning", "problem"]


class KindRule(NamedTuple):
    """What holds for all alerts of a kind."""

    severity: Severity
    after_ms: Duration
    """A trouble that lasts less than this is not told; the default of ``[alerts.after]``."""
    many: str
    """How a message about several subjects begins, with {count}; empty: there is only ever one."""
    mend: str
    """What to do, for people; it also closes a message about several subjects."""
    in_report: bool = False
    """What facilities staff settle with organizers and IT, so the report repeats it."""


KINDS: Final[Mapping[Kind, KindRule]] = {
    "not_recording": KindRule(
        "problem", MINUTE_MS, "", "Make room on the disk, or look at it: see *The disk is full*."
    ),
    "writing_halted": KindRule(
        "problem", 0, "", "Compare the series with its organizer's, then say `resume-writing`."
    ),
    "breaker_open": KindRule(
        "problem", 0, "", "Look at the sensors of these rooms, then say `close-breaker`."
    ),
    "clock_untrusted": KindRule("problem", 5 * MINUTE_MS, "", "Look at the machine's NTP service."),
    "link_down": KindRule(
        "problem", 3 * MINUTE_MS, "", "Look at the broker, the network and the gateway's credentials."
    ),
    "calendar_unreadable": KindRule(
        "problem",
        5 * MINUTE_MS,
        "The calendars of {count} rooms cannot be read",
        "`status` says for each room what Exchange answers and what to mend.",
    ),
    "permission_lost": KindRule(
        "problem",
        2 * MINUTE_MS,
        "Exchange has withdrawn the permission for {count} rooms",
        "Where it concerns some rooms only, look at the scope of the application's role in Exchange; "
        "otherwise at the role or the consent itself.",
        in_report=True,
    ),
    "mailbox_moved": KindRule(
        "problem",
        5 * MINUTE_MS,
        "{count} rooms have lost their mailbox in Exchange Online",
        "Ask IT whether they were moved, renamed or deleted, and mend `mailbox` of these rooms.",
        in_report=True,
    ),
    "calendar_delayed": KindRule(
        "warning",
        5 * MINUTE_MS,
        "The calendars of {count} rooms are read too seldom",
        "Look at the network and whether Exchange throttles (`status`).",
    ),
    "requests_spent": KindRule(
        "warning",
        0,
        "",
        "Raise `requests_per_room` under [exchange], or find out who else uses this application.",
    ),
    "horizon_unreadable": KindRule(
        "warning",
        2 * HOUR_MS,
        "The coming months of {count} rooms cannot be read",
        "Today and tomorrow are not concerned; `status` says what Exchange answers.",
    ),
    "not_accepting": KindRule(
        "problem",
        0,
        "{count} rooms do not answer requests by themselves",
        "Set-CalendarProcessing -AutomateProcessing AutoAccept, or ask who has to approve bookings there.",
        in_report=True,
    ),
    "microsoft_release": KindRule(
        "problem",
        0,
        "In {count} rooms Microsoft's own release of no-shows is active too",
        "Two must not decide: Set-CalendarProcessing -EnableAutoRelease $false, and look at the settings of "
        "Teams panels.",
        in_report=True,
    ),
    "overlapping_bookings": KindRule(
        "warning",
        10 * MINUTE_MS,
        "{count} rooms have overlapping bookings",
        "One of them has to move; Set-CalendarProcessing -AllowConflicts $false keeps new ones away.",
        in_report=True,
    ),
    "series_lost_dates": KindRule(
        "warning",
        0,
        "{count} series have lost dates in their rooms",
        "Tell the organizers: these dates need another room or another time.",
        in_report=True,
    ),
    "series_unattended": KindRule(
        "warning",
        0,
        "Nobody comes to {count} series any more",
        "Show their organizers what `explain` tells, and ask whether the series may end.",
        in_report=True,
    ),
    "credential_ends": KindRule(
        "problem",
        0,
        "The credential for Exchange ends soon ({count} warnings)",
        "Renew the certificate or the secret and replace its file: it holds without a restart.",
    ),
    "sensor_distrusted": KindRule(
        "warning",
        30 * MINUTE_MS,
        "{count} sensors cannot be believed",
        "`status --sensors` says of each what is so, since when, and what to do.",
    ),
}
"""Every kind; the list is closed. The order is that in which people are told."""

REPEAT_MS: Final[Duration] = HOUR_MS
GAP_MS: Final[Duration] = 10 * MINUTE_MS
GATHER_MS: Final[Duration] = MINUTE_MS
"""Rooms are read in turn, so what hits all of them shows within a minute."""

SHOWN: Final = 3
"""So many subjects are named in a message about several."""

EACH: Final = 20
"""So many of a group's alerts are listed one by one; the group says how many there are."""

MAX_SENTENCE: Final = 1_000
"""Characters of one sentence; a panel and a mail can still show it."""


class Trouble(msgspec.Struct, frozen=True):
    """Something is wrong now, as its source sees it."""

    kind: Kind
    subject: str
    """What tells it from others of its kind: a room's id, a room and a series, or "site"."""
    sentence: str
    """What, where, and how to mend it."""
    place: str = ""
    """What people call the subject, for messages about several; empty: as `subject`."""
    why: str = ""
    """The cause alone: where it is the same for several subjects, it is told once."""
    since: Instant | None = None
    """Since when, where the source knows better than "since it was first stated"."""
    room: str = ""
    """The id of the room that it concerns, if it is one."""


class Alert(msgspec.Struct):
    """A trouble with its history. Instants are `NEVER` until they happen."""

    source: str
    trouble: Trouble
    since: Instant
    told_at: Instant = NEVER
    gone_at: Instant = NEVER
    """Since when its source does not state it any more, while people have not been told."""


class Message(msgspec.Struct, frozen=True):
    """What people are told, once: a trouble or its end, of one subject or several."""

    what: Literal["trouble", "recovered"]
    kind: Kind
    severity: Severity
    sentence: str
    subjects: tuple[str, ...]
    at: Instant
    since: Instant
    """Of the oldest of them."""


class Channel(Protocol):
    """Takes messages to people: the log, MQTT; mail or a chat may come. It must not block or raise."""

    def tell(self, messages: Iterable[Message]) -> None:
        """Something new: troubles and recoveries, in order. Never called with nothing."""
        ...

    def show(self, standing: "Standing") -> None:
        """All that stands now; called whenever that has changed."""
        ...


class Timing(msgspec.Struct, frozen=True):
    """How patient and how insistent alerts are. Durations in ms."""

    repeat_ms: Duration = REPEAT_MS
    """The same trouble of the same subject is not told again before this."""
    gap_ms: Duration = GAP_MS
    """Between two messages of trouble of one kind; as well between two of recovery."""
    gather_ms: Duration = GATHER_MS
    """How long a message waits for others of its kind."""
    after_ms: Mapping[str, Duration] = {}
    """By kind, where it is not the kind's own."""

    def after(self, kind: Kind) -> Duration:
        """How long a trouble of this kind must last before it is told."""
        return self.after_ms.get(kind, KINDS[kind].after_ms)

    def gather(self, kind: Kind) -> Duration:
        """How long a message of this kind waits for others."""
        return self.gather_ms if KINDS[kind].many else 0


class Group(msgspec.Struct, frozen=True):
    """The alerts of one kind that people have been told of."""

    kind: Kind
    severity: Severity
    sentence: str
    count: int
    since: Instant
    each: tuple[Alert, ...]
    """By subject; of many only the first."""


Standing = tuple[Group, ...]

Key = tuple[str, Kind, str]

ALERTS_NOTE: Final = "alerts"
"""The ledger's note that keeps what `Alerts.remember` gives."""


class _Memory(msgspec.Struct):
    """What `remember` writes down."""

    alerts: list[Alert] = []
    told: list[tuple[str, str, str, Instant]] = []
    raised: dict[str, Instant] = {}
    ended: dict[str, Instant] = {}


class Alerts:
    """What is wrong now, and what of it has been told. Nothing but arithmetic on the instants it is given."""

    def __init__(self, timing: Timing | None = None, memory: str = "") -> None:
        """`memory`: what `remember` gave before a restart. What it cannot read of that is forgotten."""
        self.timing = timing or Timing()
        self._alerts: dict[Key, Alert] = {}
        self._told: dict[Key, Instant] = {}
        """When each was last told, also after its end."""
        self._raised: dict[str, Instant] = {}
        self._ended: dict[str, Instant] = {}
        self._now: Instant = NEVER
        self._recall(memory)

    # -- stating --------------------------------------------------------------------------------------

    def set(self, source: str, troubles: Iterable[Trouble], now: Instant, *, complete: bool = True) -> None:
        """All that is wrong by this source; what it said before and does not say now has recovered.

        Not `complete`: it has not looked everywhere yet, such as after a start, so nothing has recovered.
        """
        self._move_to(now)
        stated: dict[Key, Trouble] = {(source, one.kind, one.subject): one for one in troubles}
        if complete and self._alerts:
            for key, alert in list(self._alerts.items()):
                if key[0] == source and key not in stated:
                    self._miss(key, alert, now)
        for key, trouble in stated.items():
            known = self._alerts.get(key)
            if known is None:
                since = now if trouble.since is None else min(trouble.since, now)
                self._alerts[key] = Alert(source, trouble, since)
            else:
                known.trouble = trouble
                known.gone_at = NEVER

    def _miss(self, key: Key, alert: Alert, now: Instant) -> None:
        if alert.told_at == NEVER:
            del self._alerts[key]
        elif alert.gone_at == NEVER:
            alert.gone_at = now

    def sources(self) -> frozenset[str]:
        """Everybody whose troubles are remembered."""
        return frozenset(source for source, _, _ in self._alerts)

    # -- telling --------------------------------------------------------------------------------------

    def due(self, now: Instant) -> list[Message]:
        """What is to be told now, each once. Call it every few seconds."""
        self._move_to(now)
        messages: list[Message] = []
        for kind, alerts in self._by_kind().items():
            both = (self._trouble(kind, alerts, now), self._recovery(kind, alerts, now))
            messages += [message for message in both if message is not None]
        horizon = now - self.timing.repeat_ms
        self._told = {key: at for key, at in self._told.items() if at > horizon or key in self._alerts}
        return messages

    def _by_kind(self) -> dict[Kind, list[Alert]]:
        """The alerts of each kind that has any, in the order in which people are told."""
        if not self._alerts:
            return {}  # on most days there are none, and this is asked every few seconds
        found: dict[Kind, list[Alert]] = {}
        for alert in self._alerts.values():
            found.setdefault(alert.trouble.kind, []).append(alert)
        return {kind: found[kind] for kind in KINDS if kind in found}

    def _trouble(self, kind: Kind, alerts: list[Alert], now: Instant) -> Message | None:
        ripe = {alert.trouble.subject: at for alert in alerts if (at := self._ripe_at(alert)) <= now}
        if not ripe or now < min(ripe.values()) + self.timing.gather(kind):
            return None
        if now < self._raised.get(kind, NEVER) + self.timing.gap_ms:
            return None
        told = [alert for alert in alerts if self._ripe_at(alert) <= now]
        for alert in told:
            alert.told_at = self._told[_key(alert)] = now
        self._raised[kind] = now
        return _message("trouble", kind, told, now)

    def _ripe_at(self, alert: Alert) -> Instant:
        """From when on it may be told; never if it has been, or is gone."""
        if alert.told_at != NEVER:
            return FOREVER
        ripe_at = alert.since + self.timing.after(alert.trouble.kind)
        last = self._told.get(_key(alert))
        return ripe_at if last is None else max(ripe_at, last + self.timing.repeat_ms)

    def _recovery(self, kind: Kind, alerts: list[Alert], now: Instant) -> Message | None:
        gone = [alert for alert in alerts if alert.gone_at != NEVER]
        if not gone or now < min(alert.gone_at for alert in gone) + self.timing.gather(kind):
            return None
        if now < self._ended.get(kind, NEVER) + self.timing.gap_ms:
            return None
        for alert in gone:
            del self._alerts[_key(alert)]
        self._ended[kind] = now
        return _message("recovered", kind, gone, now)

    def standing(self, each: int = EACH) -> Standing:
        """All that was told and has not recovered, by kind; at most `each` of a kind one by one."""
        groups = []
        for kind, alerts in self._by_kind().items():
            told = [alert for alert in alerts if alert.told_at != NEVER]
            if told:
                told = _one_per_sentence(told)
                groups.append(
                    Group(
                        kind,
                        KINDS[kind].severity,
                        sentence_of(kind, [alert.trouble for alert in told]),
                        len(told),
                        min(alert.since for alert in told),
                        tuple(told[:each]),
                    )
                )
        return tuple(groups)

    # -- time and memory ------------------------------------------------------------------------------

    def _move_to(self, now: Instant) -> None:
        """A clock that is set back must not silence anything: what was remembered moves with it."""
        if now < self._now:
            by = now - self._now
            for alert in self._alerts.values():
                alert.since += by
                alert.told_at += 0 if alert.told_at == NEVER else by
                alert.gone_at += 0 if alert.gone_at == NEVER else by
            self._told = {key: at + by for key, at in self._told.items()}
            self._raised = {kind: at + by for kind, at in self._raised.items()}
            self._ended = {kind: at + by for kind, at in self._ended.items()}
        self._now = now

    def remember(self) -> str:
        """What a restart must know, so that it neither tells anything twice nor forgets a recovery."""
        memory = _Memory(
            [alert for _, alert in sorted(self._alerts.items()) if alert.told_at != NEVER],
            sorted((*key, at) for key, at in self._told.items()),
            dict(sorted(self._raised.items())),
            dict(sorted(self._ended.items())),
        )
        return msgspec.json.encode(memory).decode()

    def _recall(self, memory: str) -> None:
        found = recalled(memory)
        self._alerts = {_key(alert): alert for alert in found.alerts}
        self._told = {(source, _known(kind), subject): at for source, kind, subject, at in found.told}
        self._raised, self._ended = dict(found.raised), dict(found.ended)
        instants = [
            *found.raised.values(),
            *found.ended.values(),
            *(at for *_, at in found.told),
            *(instant for alert in found.alerts for instant in (alert.told_at, alert.gone_at)),
        ]
        self._now = max(instants, default=NEVER)


def _key(alert: Alert) -> Key:
    return alert.source, alert.trouble.kind, alert.trouble.subject


def _known(kind: str) -> Kind:
    return next(known for known in get_args(Kind) if known == kind)


def recalled(memory: str) -> _Memory:
    """What `Alerts.remember` wrote; nothing where it was written by another version and reads otherwise."""
    try:
        found = msgspec.json.decode(memory or "{}", type=_Memory)
    except msgspec.MsgspecError:
        return _Memory()
    found.told = [entry for entry in found.told if entry[1] in KINDS]
    return found


def _message(what: Literal["trouble", "recovered"], kind: Kind, alerts: list[Alert], now: Instant) -> Message:
    alerts = _one_per_sentence(alerts)
    sentence = sentence_of(kind, [alert.trouble for alert in alerts])
    return Message(
        what,
        kind,
        KINDS[kind].severity,
        f"Over: {sentence}" if what == "recovered" else sentence,
        tuple(alert.trouble.subject for alert in alerts),
        now,
        min(alert.since for alert in alerts),
    )


def _one_per_sentence(alerts: Iterable[Alert]) -> list[Alert]:
    """By subject, the oldest of those that say the same: 30 and 14 days before an end are one trouble."""
    first: dict[str, Alert] = {}
    for alert in sorted(alerts, key=lambda alert: alert.since):
        first.setdefault(alert.trouble.sentence, alert)
    return sorted(first.values(), key=lambda alert: alert.trouble.subject)


def sentence_of(kind: Kind, troubles: list[Trouble]) -> str:
    """One sentence for troubles of one kind: their own, or one for all that names some of them."""
    if len(troubles) == 1:
        return troubles[0].sentence[:MAX_SENTENCE]
    rule = KINDS[kind]
    names = sorted({one.place or one.subject for one in troubles})
    among = ": " if len(names) <= SHOWN else ", among them "
    causes = {one.why for one in troubles}
    cause = f" ({causes.pop()})" if len(causes) == 1 and "" not in causes else ""
    begin = (rule.many or "This concerns {count}").format(count=len(troubles))
    return f"{begin}{among}{', '.join(names[:SHOWN])}{cause}. {rule.mend}"[:MAX_SENTENCE]


def told_before(memory: str) -> Standing:
    """What stood when `remember` wrote this down: for who looks without a running gateway."""
    return Alerts(memory=memory).standing(each=len(memory))


def standing_json(standing: Iterable[Group], iso: Callable[[Instant], str | None]) -> list[dict[str, Any]]:
    """The groups as plain data; `iso` words an instant."""
    return [
        {
            "kind": group.kind,
            "severity": group.severity,
            "sentence": group.sentence,
            "count": group.count,
            "since": iso(group.since),
            "each": [
                {
                    "subject": alert.trouble.subject,
                    "room": alert.trouble.room,
                    "sentence": alert.trouble.sentence,
                    "since": iso(alert.since),
                }
                for alert in group.each
            ],
        }
        for group in standing
    ]
