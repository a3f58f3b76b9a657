"""What can go wrong with the ledger, split by what the operator has to do.

LedgerError
├── LedgerInUse       another gateway has this file: stop one of them
├── LedgerTooNew      written by a newer version: install that version, or use another file
├── LedgerDamaged     not readable as a ledger: restore a backup; nothing has been overwritten
└── LedgerUnwritable  the disk is full, failing or read-only: mend it; the gateway tries again
"""


class LedgerError(Exception):
    """Base of all ledger errors. The message names the file and how to mend it."""


class LedgerInUse(LedgerError):  # noqa: N818 - reads as what is wrong
    """Another process holds the ledger."""


class LedgerTooNew(LedgerError):  # noqa: N818 - reads as what is wrong
    """The file has migrations that this version does not know."""


class LedgerDamaged(LedgerError):  # noqa: N818 - reads as what is wrong
    """The file is not a readable ledger."""


class LedgerUnwritable(LedgerError):  # noqa: N818 - reads as what is wrong
    """A commit failed; nothing of it happened."""
