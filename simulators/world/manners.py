"""How the Exchange of a world behaves where nobody has documented it: drawn from the run's seed.

In half of the runs it is the default, as most likely. In the others one switch is set otherwise. Left out
is what no world can show (delta, subscriptions, sensor telemetry), and `decline_takes`, under which a gateway
does right to give nothing back any more.
"""

from typing import Final

from simulators.exchange import variants
from simulators.people import stream

DEFAULT_SHARE: Final = 0.5
SHOWN: Final = (
    "attendant_delay_ms",
    "reaccepts",
    "reaccepted_id",
    "series_update_restores",
    "update_keeps_categories",
    "room_patch",
    "room_delete",
    "occurrence_uid",
)
"""Switches that make a difference in a world."""

MANNERS: Final = {
    name: variant for name, variant in variants() if name == "default" or name.partition("=")[0] in SHOWN
}
"""By name, as in `simulators.exchange.variants.variants`."""


def drawn(seed: int) -> str:
    """The name of the run's variant."""
    rng = stream(seed, "variant")
    if rng.random() < DEFAULT_SHARE:
        return "default"
    return rng.choice([name for name in MANNERS if name != "default"])
