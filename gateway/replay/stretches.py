"""The journal in stretches: each decided by one ruleset."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.ledger import Reign


class Stretch(NamedTuple):
    """The events after `after` up to `until`, and the ruleset that decided on them."""

    after: int
    until: int
    ruleset: int


def stretches(reigns: Sequence[Reign], after: int, until: int, default: int) -> Iterator[Stretch]:
    """The events after `after` up to `until`, split where the ruleset changes.

    `default` stands where nothing was decided at all.
    """
    known = reigns or [Reign(0, default)]
    for reign, following in zip(known, [*known[1:], None], strict=True):
        begins = max(after, reign.seq - 1) if reign is not known[0] else after
        ends = until if following is None else min(until, following.seq - 1)
        if begins < ends:
            yield Stretch(begins, ends, reign.ruleset)
