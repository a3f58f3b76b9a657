"""One day in the room orion, told as events, decided by the core and stored as the service stores it.

Times here are UTC; the site's clock (Berlin, in September) is two hours ahead.
"""

from pathlib import Path

import msgspec
from timeline import MIDNIGHT, PIR, RADAR, Timeline, at, booking

from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent, CalendarRead, ModeSet, Tick, WriteOutcome
from gateway.core.units import DAY_MS
from gateway.ledger import Batch, Counts, Ledger, OutboxChange

CONFIG_TEXT = """\
[site]
name = "Contoso Riverside"
time_zone = "Europe/Berlin"
[ledger]
path = "ledger.db"
[mqtt]
host = "127.0.0.1"
port = 1
[exchange]
tenant_id = "contoso.onmicrosoft.com"
client_id = "gateway"
client_secret_file = "graph-secret"
base_url = "http://127.0.0.1:1/v1.0"
authority = "https://127.0.0.1:1/contoso"
[[room]]
id = "orion"
name = "Orion"
mailbox = "orion@contoso.com"
mode = "live"
[[room.sensor]]
id = "radar"
family = "plain"
topic = "office/orion/radar"
senses = "presence"
heartbeat = "1m"
[[room.sensor]]
id = "pir"
family = "plain"
topic = "office/orion/pir"
senses = "motion"
heartbeat = "1m"
[[room]]
id = "lyra"
name = "Lyra"
mailbox = "lyra@contoso.com"
"""

COMMON = "040000008200E00074C5B7101A82E008"
"""Exchange's keys all begin alike."""

GHOST = f"{COMMON}a1b2c3d40001"
ATTENDED = f"{COMMON}a1b2c3d40002"
TOO_SHORT = f"{COMMON}a1b2c3d40003"
WITHHELD = f"{COMMON}a1b2c3d40004"
SHADOWED = f"{COMMON}a1b2c3d40005"
CANCELLED = f"{COMMON}a1b2c3d40006"
CAME_LATE = f"{COMMON}a1b2c3d40007"
RUNNING = f"{COMMON}a1b2c3d40008"
COMING = f"{COMMON}a1b2c3d40009"
LYRAS = f"{COMMON}a1b2c3d40008"
"""Another room in the same meeting as RUNNING: the same key."""


class ScriptedDay(Timeline):
    """Remembers which tick each decision came of, and what became of each write."""

    def __init__(self) -> None:
        self.batch = Batch()
        super().__init__(RADAR, PIR, mode="live", start="05:00", rooms=("orion", "lyra"))

    def _give(self, event: AnyEvent) -> None:
        index, before = len(self.log), len(self.decisions)
        if isinstance(event, WriteOutcome):
            self._end(event.write, event.result, event.why)
        super()._give(event)
        new: list[Decision] = self.decisions[before:]
        self.batch.decisions += [(index, decision) for decision in new]
        for decision in new:
            if decision.write is not None and decision.write.action == "check_in":
                self._end(decision.write.id, "applied", "")

    def _end(self, write: int, result: str, why: str) -> None:
        self.batch.outbox.append(OutboxChange("orion", write, result, self.now, why, attempts=1))  # type: ignore[arg-type] # one of the states

    def play(self, until: str = "16:05") -> None:
        """From seven in the morning to five past six in the evening, local time."""
        self.book(
            booking("07:00", "08:00", GHOST),
            booking("08:00", "09:00", ATTENDED),
            booking("09:00", "09:15", TOO_SHORT),
            booking("10:00", "11:00", WITHHELD),
            booking("12:00", "13:00", SHADOWED),
            booking("13:00", "14:00", CANCELLED),
            booking("14:00", "15:00", CAME_LATE),
            booking("16:00", "17:00", RUNNING),
            booking("18:00", "18:30", COMING),
        )
        lyras = booking("16:00", "17:00", LYRAS)
        self.tell(CalendarRead("lyra", MIDNIGHT, MIDNIGHT + 2 * DAY_MS, (lyras,)))
        self.until("07:12").book(removed=(GHOST,))
        self.until("08:02").show("radar")
        self.until("08:50").clear("radar")
        self.until("09:50").silence("radar")
        self.until("11:00").beating["radar"] = RADAR
        self.clear("radar")
        self.until("11:30").tell(ModeSet("orion", "shadow"))
        self.until("12:30").book(removed=(CANCELLED,))
        self.until("14:20").show("radar")
        self.until("14:40").clear("radar")
        self.until(until).tell(Tick())

    @classmethod
    def only_decisions(cls, decisions: list[Decision]) -> "ScriptedDay":
        """A ledger that has forgotten everything but these decisions."""
        day = cls()
        day.log = day.log[:1]
        day.batch = Batch(decisions=[(0, msgspec.structs.replace(d, write=None)) for d in decisions])
        return day

    def store(self, path: Path) -> None:
        """Commit everything as one batch, with what the sensors have sent."""
        self.batch.events = [(instant, event) for event, instant in self.log]
        self.batch.counts = {
            "radar": Counts(accepted=120, folded=480),
            "pir": Counts(90, 200, 3, "expected ON or OFF", "\x1b[31m{broken", last_error_at=at("15:59")),
            "(unknown topic)": Counts(rejected=2, last_error="no sensor has this topic (office/vega)"),
        }
        ledger = Ledger(path)
        ledger.commit(self.batch)
        ledger.close()
