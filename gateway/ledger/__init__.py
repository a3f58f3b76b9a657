"""The ledger remembers: one SQLite file holds every event, decision and intended write.

* An event, the decisions that it caused and the outbox rows that carry them out are one transaction.
* One writer, on one thread; anybody may read beside it (`LedgerReader`).
* WAL with `synchronous=FULL`: what is committed survives a power cut.
* The journal has no secondary index: each would multiply what is written to disk (shared reference,
  section 3: by 5 to 17).
"""

from gateway.ledger.batch import FINAL_STATES, Batch, Counts, OutboxChange, OutboxRow, OutboxState
from gateway.ledger.errors import LedgerDamaged, LedgerError, LedgerInUse, LedgerTooNew, LedgerUnwritable
from gateway.ledger.reader import Anchor, Extent, GivenBack, LedgerReader, Recorded, Reign, number_on
from gateway.ledger.store import Ledger
from gateway.ledger.worker import LedgerWorker

__all__ = [
    "FINAL_STATES",
    "Anchor",
    "Batch",
    "Counts",
    "Extent",
    "GivenBack",
    "Ledger",
    "LedgerDamaged",
    "LedgerError",
    "LedgerInUse",
    "LedgerReader",
    "LedgerTooNew",
    "LedgerUnwritable",
    "LedgerWorker",
    "OutboxChange",
    "OutboxRow",
    "OutboxState",
    "Recorded",
    "Reign",
    "number_on",
]
