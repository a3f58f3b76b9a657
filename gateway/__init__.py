"""The occupancy gateway: presence in, check-ins and released rooms out.

Where things live, and which way imports point, is drawn in ``docs/architecture.md``.
"""

__version__ = "0.1.0"
