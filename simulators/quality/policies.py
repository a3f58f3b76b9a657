"""The policies that are compared. All of them give back brief visits; only the last ends bookings early."""

from typing import Final

from gateway.core.policy import Policy
from gateway.core.units import MINUTE_MS

POLICIES: Final = {
    policy.name: policy
    for policy in (
        Policy("default"),
        Policy("strict", grace_ms=5 * MINUTE_MS),
        Policy("patient", grace_ms=15 * MINUTE_MS),
        Policy("everything-on", end_early=True, walk_up=True),
    )
}
"""By name. `default`: grace 10 min; `strict`: 5 min, where the sensors allow it; `patient`: 15 min;
`everything-on`: as the default, and attended bookings are ended early and walk-ups shown as busy."""
