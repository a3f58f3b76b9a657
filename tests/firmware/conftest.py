"""Plans and texts for the tests of firmware configurations."""

from collections.abc import Callable

import pytest

from gateway.firmware.kinds import KINDS, Firmware, make
from gateway.firmware.plan import Broker
from gateway.settings import SensorSettings

Make = Callable[..., Firmware]


@pytest.fixture
def made() -> Make:
    """Make one configuration; whatever is left out is as for the room Orion."""

    def made(
        kind: str,
        *,
        room_name: str = "Orion",
        sensor: str = "orion-sensor",
        configured: SensorSettings | None = None,
        tls: bool = False,
    ) -> Firmware:
        broker = Broker("broker.contoso.com", 8883 if tls else 1883, tls)
        return make(KINDS[kind], "orion", room_name, sensor, configured, broker)

    return made
