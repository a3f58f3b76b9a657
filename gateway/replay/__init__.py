"""History run again: the journal holds every fact that the core was given, so any of it can be questioned.

* `start` finds the point to begin at: the beginning of the journal, or a kept snapshot.
* `gather` takes one booking's evidence from it, a `bundle` that stands alone; `verify` works it out again,
  and `otherwise` says what would have had to be different.
* Everything here reads a ledger and never writes to it; a gateway may be running beside it.
* Nothing here decides: `gateway.core` does, with the facts as they were.
"""
