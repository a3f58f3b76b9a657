"""Begins and ends the strikes of a schedule that are more than a word to `Active`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from simulators.clock import VirtualClock
from simulators.exchange import ExchangeSimulator
from simulators.faults import BY_NAME, Strike
from simulators.observed import Trouble
from simulators.office import OfficeRoom
from simulators.people import stream
from simulators.sensors import Device, PirZigbee
from simulators.world.acting import Players
from simulators.world.host import POINTS, Host
from simulators.world.mischief import WILL_S, Active, Airwaves, showing
from simulators.world.sight import MachineClock, Sight, WatchedLink

CLOCK_STEPS_MS: Final = (900, 5 * SECOND_MS, 90 * SECOND_MS, 20 * MINUTE_MS, 3 * HOUR_MS)
FLAP_S: Final = 4.0
NOISE_S: Final = (20.0, 240.0)

Doing = Awaitable[None] | None


class Struck(Protocol):
    """What strikes hit: the run (`simulators.world.engine.Engine`), as far as they reach."""

    true: VirtualClock
    machine: MachineClock
    exchange: ExchangeSimulator
    players: Players
    host: Host
    second: Host
    link: WatchedLink
    second_link: WatchedLink
    broker_up: bool
    air: Airwaves
    devices: dict[str, tuple[OfficeRoom, Device]]
    active: Active
    sight: Sight

    def revive(self) -> None:
        """Start the gateway again, as systemd does."""


class Strikes:
    """Does what each kind needs done at its begin and at its end."""

    def __init__(self, engine: Struck) -> None:
        self._engine = engine
        self._lasting: dict[int, tuple[Strike, int]] = {}
        self._noises: dict[int, asyncio.Task[None]] = {}
        self._steps: dict[int, int] = {}
        self._begins: dict[str, Callable[[Strike], Doing]] = {
            "broker_down": self._broker_goes,
            "broker_restart": self._broker_goes,
            "session_lost": self._session_goes,
            "messages_retained": self._old_value,
            "messages_broken": self._broken_value,
            "sensor_offline": self._device_goes,
            "bridge_offline": self._bridge_goes,
            "sensor_noisy": self._noise,
            "sensor_flapping": self._noise,
            "killed": self._kill,
            "killed_at_a_point": self._kill_at,
            "restarted": self._stop,
            "machine_rebooted": self._reboot,
            "disk_full": self._fill_disk,
            "disk_slow": self._slow_disk,
            "fsync_fails": self._fail_sync,
            "clock_forwards": self._set_clock,
            "clock_backwards": self._set_clock,
            "clock_untrusted": self._lose_time,
            "token_refused": self._refuse_tokens,
            "second_gateway": self._second,
        }
        self._ends: dict[str, Callable[[Strike], Doing]] = {
            "broker_down": self._broker_comes,
            "broker_restart": self._broker_comes,
            "session_lost": self._broker_comes,
            "sensor_offline": self._device_comes,
            "sensor_silent": self._device_comes,
            "bridge_offline": self._bridge_comes,
            "sensor_noisy": self._quiet,
            "sensor_flapping": self._quiet,
            "killed": self._start,
            "killed_at_a_point": self._start,
            "restarted": self._start,
            "machine_rebooted": self._start_machine,
            "disk_full": self._empty_disk,
            "disk_slow": self._quick_disk,
            "clock_forwards": self._mend_clock,
            "clock_backwards": self._mend_clock,
            "clock_untrusted": self._find_time,
            "second_gateway": self._no_second,
        }

    # -- all kinds ------------------------------------------------------------------------------------

    def begin(self, strike: Strike) -> Doing:
        """It strikes."""
        kind = BY_NAME[strike.kind]
        engine = self._engine
        engine.active.begin(strike)
        detectable = kind.detectable and not self._goes_unnoticed(strike)
        trouble = Trouble(
            strike.kind, engine.true.now(), None, strike.room, strike.sensor, detectable, kind.blinds
        )
        self._lasting[strike.number] = strike, engine.sight.trouble(trouble)
        do = self._begins.get(strike.kind)
        return None if do is None else do(strike)

    def end(self, strike: Strike) -> Doing:
        """It is over; nothing if it is already."""
        held = self._lasting.pop(strike.number, None)
        if held is None:
            return None
        self._engine.active.end(strike)
        self._engine.sight.trouble_over(held[1])
        do = self._ends.get(strike.kind)
        return None if do is None else do(strike)

    async def end_all(self) -> None:
        """Everything works again."""
        for strike, _ in list(self._lasting.values()):
            doing = self.end(strike)
            if doing is not None:
                await doing

    def minute(self, now: Instant) -> None:
        """What looks around now and then: Microsoft's auto-release."""
        engine = self._engine
        for strike, _ in list(self._lasting.values()):
            if strike.kind == "microsoft_releases" and engine.players.microsoft_releases(strike.room, now):
                engine.active.bite(strike)

    def meddle(self, kind: str, room: str, event_id: str) -> None:
        """An organizer has waited for this moment; once for each strike."""
        engine = self._engine
        strike = engine.active.of(kind)
        if strike is not None and engine.players.meddle(room, event_id, strike.chance):
            engine.active.bite(strike)
            self.end(strike)

    def _bite(self, strike: Strike) -> None:
        self._engine.active.bite(strike)

    # -- the broker -----------------------------------------------------------------------------------

    def _broker_goes(self, strike: Strike) -> None:
        self._bite(strike)
        self._engine.broker_up = False
        for link in (self._engine.link, self._engine.second_link):
            link.connects = False
            link.lose_connection()

    def _session_goes(self, strike: Strike) -> None:
        self._broker_goes(strike)
        for link in (self._engine.link, self._engine.second_link):
            link.lose_session()
            link.retained.clear()

    def _broker_comes(self, _: Strike) -> None:
        engine = self._engine
        if any(
            s.kind in ("broker_down", "broker_restart", "session_lost") for s, _ in self._lasting.values()
        ):
            return
        if any(s.kind == "machine_rebooted" for s, _ in self._lasting.values()):
            return
        engine.broker_up = True
        for link in (engine.link, engine.second_link):
            link.come_back()
        for room, device in engine.devices.values():
            engine.air.resend(device, room.id)

    def _old_value(self, strike: Strike) -> None:
        _, device = self._one_device(strike)
        last = self._engine.air.last(device.topic)
        if last is not None:
            self._bite(strike)
            self._engine.link.send(device.topic, showing(device, last, on=strike.chance < 0.5), retained=True)  # noqa: PLR2004 - half of them

    def _broken_value(self, strike: Strike) -> None:
        _, device = self._one_device(strike)
        self._bite(strike)
        payloads = (b"", b"{", b"\xff\xfe", b'{"occupancy":"perhaps"}', b"[" * 2_000, b"NaN", b"1e999")
        self._engine.link.send(device.topic, payloads[int(strike.chance * len(payloads))])

    def _one_device(self, strike: Strike) -> tuple[OfficeRoom, Device]:
        choices = [one for one in self._engine.devices.values() if one[0].id == strike.room]
        return choices[int(strike.chance * 97) % len(choices)]

    # -- devices --------------------------------------------------------------------------------------

    def _device_goes(self, strike: Strike) -> None:
        asyncio.get_running_loop().call_later(WILL_S, self._will, strike)

    def _will(self, strike: Strike) -> None:
        if strike.number in self._lasting:
            self._engine.air.will(self._engine.devices[strike.sensor][1])

    def _goes_unnoticed(self, strike: Strike) -> bool:
        """A battery sensor that nobody misses: it is back before its next heartbeat is overdue.

        It has no last will and does not tell its state when it is back, so what it saw meanwhile is lost.
        """
        if strike.kind not in ("sensor_offline", "sensor_silent"):
            return False
        device = self._engine.devices[strike.sensor][1]
        return isinstance(device, PirZigbee) and strike.until - strike.at <= device.heartbeat_ms * 5 // 4

    def _device_comes(self, strike: Strike) -> None:
        room, device = self._engine.devices[strike.sensor]
        self._engine.air.resend(device, room.id)

    def _bridge_goes(self, strike: Strike) -> None:
        self._bridge_says(strike, b'{"state":"offline"}')
        self._bite(strike)

    def _bridge_comes(self, strike: Strike) -> None:
        self._bridge_says(strike, b'{"state":"online"}')

    def _bridge_says(self, strike: Strike, payload: bytes) -> None:
        base = self._engine.devices[strike.sensor][1].profile().bridge
        for link in (self._engine.link, self._engine.second_link):
            if self._engine.broker_up:
                link.send(f"{base}/bridge/state", payload, retain=True)

    def _noise(self, strike: Strike) -> None:
        self._noises[strike.number] = asyncio.get_running_loop().create_task(self._make_noise(strike))

    async def _make_noise(self, strike: Strike) -> None:
        room, device = self._engine.devices[strike.sensor]
        rng = stream(strike.number, "noise", strike.at)
        on = False
        while True:
            flaps = strike.kind == "sensor_flapping"
            await asyncio.sleep(FLAP_S if flaps else rng.uniform(*NOISE_S))
            on = not on
            self._engine.air.say(device, room.id, on=on)
            self._bite(strike)

    def _quiet(self, strike: Strike) -> None:
        noise = self._noises.pop(strike.number, None)
        if noise is not None:
            noise.cancel()
        room, device = self._engine.devices[strike.sensor]
        self._engine.air.resend(device, room.id)

    # -- the machine ----------------------------------------------------------------------------------

    def _kill(self, strike: Strike) -> None:
        if self._engine.host.service is not None:
            self._bite(strike)
            self._engine.host.kill()
            self._engine.players.forget_panels()

    def _kill_at(self, strike: Strike) -> None:
        host = self._engine.host
        point = POINTS[int(strike.chance * len(POINTS))]
        host.die_at = point, host.passed[point] + 1
        down_s = max(2.0, (strike.until - strike.at) / SECOND_MS)
        host.on_death = lambda: self._died(strike, down_s)

    def _died(self, strike: Strike, down_s: float) -> None:
        self._bite(strike)
        asyncio.get_running_loop().call_later(down_s, self._start_soon)

    def _start_soon(self) -> None:
        self._engine.revive()

    def _start(self, _: Strike) -> Doing:
        return self._engine.host.start()

    async def _stop(self, strike: Strike) -> None:
        if self._engine.host.service is not None:
            self._bite(strike)
            await self._engine.host.stop()

    def _reboot(self, strike: Strike) -> None:
        self._kill(strike)
        if strike.chance < 0.5:  # noqa: PLR2004 - half of the brokers on the machine keep their sessions
            self._session_goes(strike)
        else:
            self._broker_goes(strike)
        self._engine.host.forget_boot()

    async def _start_machine(self, strike: Strike) -> None:
        self._broker_comes(strike)
        await self._engine.host.start()

    def _fill_disk(self, strike: Strike) -> None:
        self._engine.host.disk.full = True
        self._engine.host.disk.on_failure = lambda: self._bite(strike)

    def _empty_disk(self, _: Strike) -> None:
        self._engine.host.disk.full = False

    def _slow_disk(self, strike: Strike) -> None:
        self._engine.host.disk.slow_s = 0.2 + 8.0 * strike.chance
        self._bite(strike)

    def _quick_disk(self, _: Strike) -> None:
        self._engine.host.disk.slow_s = 0.0

    def _fail_sync(self, strike: Strike) -> None:
        self._engine.host.disk.fail_next = 1 + int(3 * strike.chance)
        self._engine.host.disk.on_failure = lambda: self._bite(strike)

    # -- time -----------------------------------------------------------------------------------------

    def _set_clock(self, strike: Strike) -> None:
        by_ms = CLOCK_STEPS_MS[int(strike.chance * len(CLOCK_STEPS_MS))]
        by_ms = by_ms if strike.kind == "clock_forwards" else -by_ms
        self._steps[strike.number] = by_ms
        self._engine.machine.step(by_ms)
        self._bite(strike)

    def _mend_clock(self, strike: Strike) -> None:
        self._engine.machine.step(-self._steps.pop(strike.number))

    def _lose_time(self, strike: Strike) -> None:
        self._engine.machine.synchronised = False
        self._bite(strike)

    def _find_time(self, _: Strike) -> None:
        self._engine.machine.synchronised = True

    # -- other hands ----------------------------------------------------------------------------------

    def _refuse_tokens(self, strike: Strike) -> None:
        self._engine.exchange.identity.revoke_all()
        self._bite(strike)

    async def _second(self, strike: Strike) -> None:
        self._bite(strike)
        await self._engine.second.start()

    async def _no_second(self, _: Strike) -> None:
        await self._engine.second.stop()
