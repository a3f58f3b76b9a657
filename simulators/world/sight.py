"""Fills `Observed` step by step from what anybody could see: the file, the broker, the mailboxes, the log."""

import contextlib
import hashlib
import resource
import sqlite3
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from gateway.core.decisions import Decision, Write
from gateway.core.events import AnyEvent
from gateway.core.units import Instant
from gateway.ledger import FINAL_STATES, Counts, LedgerReader, OutboxRow
from gateway.links import Message
from gateway.sensors import Missed, PayloadError, Router, UnknownTopic
from simulators.clock import VirtualClock
from simulators.disk import SIDE_FILES
from simulators.link import MemoryLink, Queued
from simulators.observed import Delivery, Observed, Recorded, Trouble

_EVENT: Final = msgspec.json.Decoder(AnyEvent)
_DECISION: Final = msgspec.json.Decoder(Decision)
_WRITE: Final = msgspec.json.Decoder(Write)
LOOKS_AT_ALL: Final = 30
"""Each so many looks, and at the end, the whole outbox is read; in between the writes that have not ended and
those that have just been decided."""

STATM: Final = Path("/proc/self/statm")
SLACK_MS: Final = 5
"""Two looks at the clock of one instant may differ by its rounding."""


class MachineClock(VirtualClock):
    """The clock of a gateway's machine, which may be set wrong; remembers when it was."""

    def __init__(self, true: VirtualClock, loop: Any, start_ms: Instant) -> None:
        super().__init__(loop, start_ms)
        self._true = true
        self.settings: list[tuple[Instant, int]] = [(true.now(), 0)]
        """From which true instant on it was how far ahead of the truth, in ms."""

    @property
    def ahead_ms(self) -> int:
        """How far it is ahead of the truth."""
        return self.settings[-1][1]

    def step(self, ms: int) -> None:
        """Somebody sets it."""
        super().step(ms)
        self.settings.append((self._true.now(), self.ahead_ms + ms))


class WatchedLink(MemoryLink):
    """A broker's session whose every delivery and acknowledgement is noted."""

    def watch(self, sight: "Sight", router: Router) -> None:
        """Tell this sight; `router` says what messages mean."""
        self._sight = sight
        self._router = router
        self._places: dict[int, tuple[Queued, int]] = {}

    def _hand_over(self, message: Message) -> None:
        if self._listener is not None and not self._lost.is_set():
            place = self._sight.delivered(message, *self._meaning(message))
            queued = getattr(message.receipt, "queued", None)
            if queued is not None:
                self._places[id(queued)] = (queued, place)
        super()._hand_over(message)

    def _meaning(self, message: Message) -> tuple[tuple[AnyEvent, ...], str]:
        """What a message says, and whose it is."""
        topic, router = message.topic, self._router
        try:
            decoded = router.decode(topic, message.payload, message.retained, self._sight.clock_now())
        except PayloadError as error:
            return tuple(error.decoded), error.sensor or router.sensor_of(topic)
        except UnknownTopic:
            return (), ""
        said = tuple(item for item in decoded if not isinstance(item, Missed))  # no sensor here counts
        return said, router.sensor_of(topic)

    def acknowledge(self, receipts: Any) -> None:
        """See `MemoryLink.acknowledge`."""
        before = {id(queued) for queued in self._queue}
        super().acknowledge(receipts)
        gone = before - {id(queued) for queued in self._queue}
        if gone:
            self._sight.acknowledged(sorted(self._places.pop(one)[1] for one in gone))


class Sight:
    """One gateway's ledger, link and log, as an `Observed`."""

    def __init__(
        self, observed: Observed, true: VirtualClock, clock: MachineClock, ledger: Callable[[], Path]
    ) -> None:
        """`ledger` names the file that the present process works on."""
        self.observed = observed
        self.ledger = ledger
        self.lost = ""
        """What was durable once and is no more, in words; empty if nothing is."""
        self._true = true
        self._clock = clock
        self._segment = 0
        self._newest: Instant = 0
        """The true instant of the newest entry."""
        self._path: Path | None = None
        self._db: sqlite3.Connection | None = None
        self._seq = 0
        self._decision = 0
        self._version = -1
        self._rows: dict[tuple[str, int], OutboxRow] = {}
        self._looks = 0
        self._unended: dict[tuple[str, int], None] = {}
        """Writes that have not ended, as far as was seen."""

    # -- the file -------------------------------------------------------------------------------------

    def look(self, *, everything: bool = False) -> bool:
        """Read what is new in the ledger; True if there was anything. `everything`: old rows as well."""
        self.observed.now = self._true.now()
        connection = self._open(self.ledger())
        if connection is None:
            return False
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version and not everything:
            return False
        self._version = version
        self._read_journal(connection)
        self._read_outbox(connection, everything=everything)
        rows = connection.execute(
            "SELECT sensor, accepted, folded, rejected, last_error, last_sample, last_error_at FROM sensors"
            " ORDER BY sensor"
        )
        self.observed.counts = {sensor: Counts(*rest) for sensor, *rest in rows}
        return True

    def weigh(self) -> None:
        """How much memory this process holds, and how much disk the ledger."""
        pages = int(STATM.read_text().split()[1]) if STATM.exists() else 0
        self.observed.rss_bytes = pages * resource.getpagesize()
        files = (self.ledger().with_name(self.ledger().name + suffix) for suffix in SIDE_FILES)
        self.observed.disk_bytes = sum(file.stat().st_size for file in files if file.exists())

    def _open(self, ledger: Path) -> sqlite3.Connection | None:
        if ledger == self._path:
            return self._db
        if not ledger.exists() or not _has_tables(ledger):
            return None
        self.close()
        self._path, self._version = ledger, -1
        self._db = sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        newest = int(self._db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0])
        if newest < self._seq:
            self.lost = f"the journal ended at {self._seq} and now ends at {newest}"
        return self._db

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
        self._db = self._path = None

    def _read_journal(self, connection: sqlite3.Connection) -> None:
        seen = self.observed
        decode = _EVENT.decode
        for seq, at, text in connection.execute(
            "SELECT seq, at, event FROM journal WHERE seq > ? ORDER BY seq", (self._seq,)
        ):
            true = self._truly(at)
            seen.journal.append(Recorded(seq, true, decode(text), None if true == at else at))
            self._seq = seq
        for number, seq, body in connection.execute(
            "SELECT id, seq, body FROM decisions WHERE id > ? ORDER BY id", (self._decision,)
        ):
            decision = _DECISION.decode(body)
            seen.decisions.append((seq, decision))
            self._decision = number
            if decision.write is not None:
                self._unended[decision.room, decision.write.id] = None

    def _read_outbox(self, connection: sqlite3.Connection, *, everything: bool) -> None:
        known, news = self._rows, False
        self._looks += 1
        columns = "SELECT room, write, state, changed_at, why, attempts FROM outbox"
        if everything or self._looks % LOOKS_AT_ALL == 0:
            rows = connection.execute(f"{columns} ORDER BY created_at, room, write").fetchall()
        else:
            one = f"{columns} WHERE room = ? AND write = ?"
            rows = [row for key in self._unended for row in connection.execute(one, key)]
        for room, write, state, changed_at, why, attempts in rows:
            held = known.get((room, write))
            if held is not None and (held.state, held.changed_at) == (state, changed_at):
                continue
            news = True
            if held is None:
                booking, body = connection.execute(
                    "SELECT booking, body FROM outbox WHERE room = ? AND write = ?", (room, write)
                ).fetchone()
                held = OutboxRow(room, booking, _WRITE.decode(body), state)
            known[room, write] = msgspec.structs.replace(
                held, state=state, why=why, attempts=attempts, changed_at=changed_at
            )
            if state in FINAL_STATES:
                self._unended.pop((room, write), None)
            else:
                self._unended[room, write] = None
        if news:
            self.observed.outbox = list(known.values())

    def _truly(self, at: Instant) -> Instant:
        """The true instant of a moment that the gateway wrote down by its own clock.

        One that is set back tells the same times twice: what was written down later happened later.
        """
        settings = self._clock.settings
        for index in range(self._segment, len(settings)):
            since, ahead_ms = settings[index]
            until = settings[index + 1][0] if index + 1 < len(settings) else self._true.now()
            true = at - ahead_ms
            if max(since, self._newest) - SLACK_MS <= true <= until + SLACK_MS:
                self._segment, self._newest = index, max(true, self._newest)
                return true
        return min(at - settings[-1][1], self._true.now())

    def recall(self) -> Mapping[str, Any]:
        """What the core knows of each calendar, by a replay of the ledger."""
        with LedgerReader(self.ledger()) as reader:
            rooms = reader.site().rooms
        return {
            name: tuple(booking for _, booking in sorted(room.state.calendar.items()))
            for name, room in sorted(rooms.items())
        }

    def digest(self) -> str:
        """One number for every byte of journal, decisions and outbox (SHA-256, hexadecimal)."""
        sums = hashlib.sha256()
        with contextlib.closing(
            sqlite3.connect(f"{self.ledger().absolute().as_uri()}?mode=ro", uri=True)
        ) as db:
            for table, order in (
                ("journal", "seq"),
                ("decisions", "id"),
                ("outbox", "created_at, room, write"),
            ):
                for row in db.execute(f"SELECT * FROM {table} ORDER BY {order}"):  # noqa: S608 - names of ours
                    sums.update(repr(row).encode())
        return sums.hexdigest()

    # -- the broker -----------------------------------------------------------------------------------

    def clock_now(self) -> Instant:
        """What the gateway's own clock says."""
        return self._clock.now()

    def delivered(self, message: Message, means: tuple[AnyEvent, ...], sensor: str) -> int:
        """The broker handed a message over; its place in the list."""
        self.observed.deliveries.append(
            Delivery(
                message.topic,
                message.payload,
                self._true.now(),
                means=means,
                journal_before=self._seq,
                sensor=sensor,
            )
        )
        return len(self.observed.deliveries) - 1

    def acknowledged(self, places: list[int]) -> None:
        """The gateway acknowledged these; what is durable is looked up in the file itself."""
        durable = 0
        connection = self._open(self.ledger())
        if connection is not None:
            durable = int(connection.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0])
        now = self._true.now()
        deliveries = self.observed.deliveries
        for place in places:
            deliveries[place] = deliveries[place]._replace(acknowledged_at=now, journal_at_ack=durable)

    # -- trouble --------------------------------------------------------------------------------------

    def trouble(self, trouble: Trouble) -> int:
        """A fault begins; its place in the list."""
        self.observed.troubles.append(trouble)
        return len(self.observed.troubles) - 1

    def trouble_over(self, place: int) -> None:
        """It is over."""
        troubles = self.observed.troubles
        if troubles[place].until is None:
            troubles[place] = troubles[place]._replace(until=self._true.now())


def _has_tables(ledger: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        sql = "SELECT count(*) FROM sqlite_master WHERE name IN ('journal', 'decisions', 'outbox', 'sensors')"
        return int(connection.execute(sql).fetchone()[0]) == 4  # noqa: PLR2004 - as many as are named


@contextlib.contextmanager
def listening_to_the_log(alerts: list[str]) -> Iterator[None]:
    """Whatever the gateway says at the levels error and critical is added to `alerts`; nothing is printed."""

    def catch(_: Any, level: str, said: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if level in ("error", "critical"):
            facts = " ".join(f"{key}={said[key]}" for key in sorted(said) if key not in ("event", "exc_info"))
            fault = said.get("exc_info")
            alerts.append(f"{said['event']} {facts}" + (f" {fault!r}" if fault else ""))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[catch],
        wrapper_class=structlog.make_filtering_bound_logger("error"),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
