"""The invariants' checkers as a world uses them."""

from collections.abc import Mapping
from typing import Final

from gateway.core.events import AnyEvent, Reading
from simulators import invariants
from simulators.invariants.base import Checker
from simulators.invariants.nothing_lost import AcknowledgedIsJournaled, _is_folded, speaker
from simulators.invariants.story import Story
from simulators.observed import Delivery


class AcknowledgedExactly(AcknowledgedIsJournaled):
    """L1 where the journal's instants are known to the millisecond.

    A repeat is compared with what was known when it was delivered, not with what followed it within
    seconds: a radar that beats "on" and clears a moment later has not lost its beat.
    """

    def _is_durable(self, delivery: Delivery, said: AnyEvent, story: Story) -> bool:
        if super()._is_durable(delivery, said, story):
            return True
        if not isinstance(said, Reading):
            return False
        facts = self._facts.get(speaker(said), [])
        known = [f for f in facts if f.seq <= delivery.journal_at_ack and f.at <= delivery.delivered_at]
        return _is_folded(delivery, said, known, story)


CHECKERS: Final[Mapping[str, type[Checker]]] = {**invariants.CHECKERS, "L1": AcknowledgedExactly}
