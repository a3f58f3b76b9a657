"""The part that decides: pure, deterministic, without I/O, clock, time zones or randomness.

House rules

* Facts come in as events (`gateway.core.events`), conclusions go out as decisions
  (`gateway.core.decisions`). Both are values.
* `Site.handle(event, now)` records a fact; a `Tick` concludes from all facts recorded so far.
  So facts of the same instant may come in any order, and a conclusion never rests on half of them.
* `Site.next_deadline()` says when the next tick is worth giving even if nothing happens.
* Time is an integer: milliseconds since 1970 UTC. Nothing here knows a time zone.
* The same events give the same decisions, on any machine and after any snapshot.
* When anything is in doubt, nothing is released, and the doubt is named.
"""
