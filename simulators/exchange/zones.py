"""Windows names of time zones and their IANA zones: the gateway's own table, and one more of Graph's."""

from typing import Final

from gateway.exchange.zones import WINDOWS

WINDOWS_ZONES: Final[dict[str, str]] = {**WINDOWS, "tzone://Microsoft/Utc": "Etc/UTC"}
