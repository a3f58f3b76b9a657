"""How good the decisions are: recovered time, rooms taken from people, and what simpler rules would do.

`kits` are sets of sensors, `policies` how long is waited, `baselines` what simpler rules do. A `Scene` is a
room with its truth and what the gateway would hear (`scene`, or `recorded` from a recording); `drive` gives
it to the core in virtual time; `judge` holds the result against the truth; `run` does it often enough to
count. `docs/decision-quality.md` is written by `page` from figures kept beside it.
"""
