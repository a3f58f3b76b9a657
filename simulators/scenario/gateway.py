"""The whole real gateway in virtual time, driven from plain code: hours pass in a tenth of a second.

    with Gateway(folder) as gateway:
        gateway.room("orion", sensors=["radar", "pir"])
        gateway.book("orion", "09:00-10:00", by="ana")
        gateway.at("09:30")
        assert gateway.released("orion", "09:00")

What is said before the first `at` (or the first thing that happens) holds from the beginning: the
gateway wakes twenty minutes before the first booking or that time, whichever is earlier. Then each call
happens at the time that `at` has reached. Times are local times of the scenario's day: "09:05",
"09:05:30". Names of people and rooms become addresses at contoso.com. Mistakes raise
`simulators.scenario.errors.ScenarioError`. Questions are in `simulators.scenario.questions`.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from gateway.core.units import SECOND_MS, Duration
from simulators.exchange import Refuse, Silence, Stale
from simulators.scenario.config import address
from simulators.scenario.devices import PASSING_S, Device
from simulators.scenario.errors import ScenarioError
from simulators.scenario.questions import Questions
from simulators.scenario.scene import Meeting, duration

STIR_EVERY_S: Final = 5.0
"""How often somebody who moves about is seen moving."""

FLICKER_EVERY_MS: Final = 3 * SECOND_MS
"""Faster than people come and go."""

CODES: Final = {401: "InvalidAuthenticationToken", 403: "ErrorAccessDenied", 429: "ApplicationThrottled"}
"""Graph's words for a status; all others are ServiceUnavailable."""

RETRY_AFTER: Final = {429: "10"}
"""Seconds that Exchange asks to wait."""

Write = Literal["release", "check-in"]
WRITES: Final[dict[Write, tuple[str, str]]] = {
    "release": ("POST", "/decline"),
    "check-in": ("PATCH", "/events/"),
}


class Gateway(Questions):
    """A scenario's gateway and all that can happen around it."""

    answer: str = ""
    """What the newest command was answered."""

    # -- bookings -----------------------------------------------------------------------------------

    def book(self, room: str, when: str, *, by: str = "ana", days: int = 1, category: str = "") -> None:
        """Somebody books the room: "09:00-10:00" or "all day"; for several `days` in a row as a series.

        `category`: set on the room's own entry, as whoever looks after the room does. What categories an
        organizer gives their meeting stays with them.
        """
        start, end = self.span(when)
        fields = {"all_day": True} if when == "all day" else {}
        self._plan(Meeting(room, start, end, by, fields, days, category))

    def book_in_room(self, room: str, when: str, *, attendees: tuple[str, ...] = ()) -> None:
        """An entry that the room itself organises; it may overlap others."""
        start, end = self.span(when)
        fields = {"attendees": [address(one) for one in attendees]}
        self._plan(Meeting(room, start, end, "", fields))

    def move(self, room: str, when: str, to: str) -> None:
        """The organizer changes start, end, or both."""
        meeting, (start, end) = self.meeting(room, when), self.span(to)

        def move() -> None:
            self.world.exchange.move(_event(meeting), start, end, occurrence=meeting.original)
            meeting.start, meeting.end = start, end

        self._run(move)

    def edit(self, room: str, when: str) -> None:
        """The organizer changes what nothing is decided on: the text."""
        meeting = self.meeting(room, when)
        self._run(
            lambda: self.world.exchange.change(_event(meeting), occurrence=meeting.original, body="An agenda")
        )

    def cancel(self, room: str, when: str) -> None:
        """The organizer cancels."""
        meeting = self.meeting(room, when)
        self._run(lambda: self.world.exchange.cancel(_event(meeting), occurrence=meeting.original))

    def add_again(self, room: str, when: str) -> None:
        """The organizer adds the room again that was given back."""
        meeting = self.meeting(room, when)
        self._run(
            lambda: self.world.exchange.add_room(
                _event(meeting), address(meeting.room), occurrence=meeting.original
            )
        )

    # -- people -------------------------------------------------------------------------------------

    def enter(self, who: str, room: str) -> None:
        """Somebody comes in."""
        self._in(room, lambda devices: self._come(who, room, devices))

    def leave(self, who: str, room: str) -> None:
        """Somebody goes. Raises ScenarioError for who is not there."""
        if who not in self.inside[self._known_room(room)].still:
            raise ScenarioError(f"{who} is not in {room}; there are: {', '.join(self.inside[room].still)}")
        self._in(room, lambda devices: self._go(who, room, devices))

    def everyone_leaves(self, room: str) -> None:
        """The room empties."""
        for who in list(self.inside[self._known_room(room)].still):
            self.leave(who, room)

    def visit(self, who: str, room: str, for_: str) -> None:
        """Somebody comes in for a moment; time passes until they are out."""
        self.enter(who, room)
        self._wait(duration(for_))
        self.leave(who, room)

    def pass_by(self, room: str) -> None:
        """Somebody goes by the open door: PIRs and door sensors see it, radars do not."""

        def act(devices: list[Device]) -> None:
            for device in devices:
                device.passed()

        self._in(room, act)
        self._wait(round(PASSING_S * SECOND_MS))

    def sit_still(self, who: str, room: str) -> None:
        """Somebody inside sits down and does not move: PIRs do not see them any more."""
        self._stir(who, room, still=True)

    def move_about(self, who: str, room: str, for_: str = "0s") -> None:
        """Somebody inside moves, without a rest for so long."""
        left_ms = duration(for_)
        self._stir(who, room, still=False)
        while left_ms > 0:
            step = min(left_ms, round(STIR_EVERY_S * SECOND_MS))
            self._wait(step)
            self._stir(who, room, still=False)
            left_ms -= step

    def _come(self, who: str, room: str, devices: list[Device]) -> None:
        self.inside[room].still[who] = False
        for device in devices:
            device.came()

    def _go(self, who: str, room: str, devices: list[Device]) -> None:
        del self.inside[room].still[who]
        for device in devices:
            device.left()

    def _stir(self, who: str, room: str, *, still: bool) -> None:
        if who not in self.inside[self._known_room(room)].still:
            raise ScenarioError(f"{who} is not in {room}")

        def act(devices: list[Device]) -> None:
            self.inside[room].still[who] = still
            for device in devices:
                device.stirred()

        self._in(room, act)

    def _in(self, room: str, act: Callable[[list[Device]], None]) -> None:
        self._known_room(room)
        self._run(lambda: act(list(self.world.plans[room].devices)))

    def _wait(self, ms: Duration) -> None:
        until = self.world.true_now() + ms
        self._run(lambda: None, until=until)

    # -- sensors ------------------------------------------------------------------------------------

    def silence(self, sensor: str) -> None:
        """The sensor says nothing any more, and nobody says so."""
        self._fail(sensor, lambda device: device.fail("silent"))

    def repair(self, sensor: str) -> None:
        """The sensor works and speaks again."""
        self._fail(sensor, lambda device: device.fail(""))

    def stick(self, sensor: str, state: Literal["on", "off"]) -> None:
        """The sensor goes on speaking, and shows the same whatever happens."""
        self._fail(sensor, lambda device: device.fail(state))

    def flicker(self, sensor: str, for_: str) -> None:
        """The sensor changes back and forth each few seconds, as loose wiring does; time passes meanwhile."""
        device = self._device(sensor)
        for number in range(duration(for_) // FLICKER_EVERY_MS):
            state = number % 2 == 0
            self._fail(sensor, lambda device, state=state: device.say(state=state))  # type: ignore[misc] # bound at once
            self._wait(FLICKER_EVERY_MS)
        self._run(device.report)

    def set_offline(self, sensor: str) -> None:
        """The sensor is gone, and its last will says so."""

        def act(device: Device) -> None:
            device.fail("silent")
            self.publish(device.availability_topic, "offline", qos=1)

        self._fail(sensor, act)

    def set_online(self, sensor: str) -> None:
        """It is back and says so."""

        def act(device: Device) -> None:
            self.publish(device.availability_topic, "online", qos=1)
            device.fail("")

        self._fail(sensor, act)

    def set_battery(self, sensor: str, percent: int) -> None:
        """The sensor reports this battery level. Raises ScenarioError for one without a battery."""
        if not self._device(sensor).has_battery:
            raise ScenarioError(f"{sensor} has no battery that it could report")

        def act(device: Device) -> None:
            device.battery = percent
            device.report()

        self._fail(sensor, act)

    def send(self, sensor: str, payload: str, *, retained: bool = False) -> None:
        """This very payload comes on the sensor's topic."""
        self._fail(sensor, lambda device: self.publish(device.topic, payload, qos=1, retained=retained))

    def _fail(self, sensor: str, act: Callable[[Device], None]) -> None:
        device = self._device(sensor)
        self._run(lambda: act(device))

    def bridge(self, *, up: bool, told: bool = True) -> None:
        """The Zigbee bridge works or not; without `told` it hangs, and nobody says so."""
        self._run(lambda: self.world.set_bridge(up=up, told=told))

    # -- the gateway, its broker, its clock, its disk -------------------------------------------------

    def stop(self) -> None:
        """The gateway is stopped cleanly."""
        self._run(self.world.stop)

    def kill(self) -> None:
        """The gateway is killed: nothing after its last commit remains."""
        self._run(self.world.kill)

    def power_fails(self) -> None:
        """The machine goes down with the gateway."""
        self.kill()
        self.world.forget_boot()

    def start(self) -> None:
        """The gateway starts again on the same ledger."""
        if self.world.service is not None:
            raise ScenarioError("the gateway runs already")
        self._run(lambda: self.world.wake(self._settings()))

    def restart(self) -> None:
        """The gateway is stopped cleanly and started again."""
        self.stop()
        self.start()

    def broker_goes_down(self) -> None:
        """The broker is gone: what sensors publish meanwhile is lost."""
        self._run(lambda: self.world.unplug(broker_up=False))

    def broker_comes_back(self, *, sessions: bool = True) -> None:
        """The broker is back, with the gateway's session or without."""
        self._run(lambda: self.world.plug_in(session=sessions))

    def link_breaks(self) -> None:
        """The network between gateway and broker is gone; the broker queues."""
        self._run(lambda: self.world.unplug(broker_up=True))

    def link_comes_back(self) -> None:
        """The network to the broker is there again."""
        self._run(self.world.plug_in)

    def step_clock(self, by: str) -> None:
        """Somebody sets the gateway's clock: "+10m" or "-10m". Times of the scenario stay true time."""
        sign = -1 if by.startswith("-") else 1
        self._run(lambda: self.world.clock.step(sign * duration(by.lstrip("+-"))))

    def synchronise_clock(self, *, synchronised: bool) -> None:
        """Whether the machine's clock follows a time server."""
        self._run(lambda: setattr(self.world.clock, "synchronised", synchronised))

    def fill_disk(self, *, full: bool) -> None:
        """No commit succeeds while the disk is full."""
        self._run(lambda: setattr(self.world, "disk_full", full))

    # -- Exchange -----------------------------------------------------------------------------------

    def exchange_answers(self, status: int, times: int | None = None) -> None:
        """Each request to a mailbox is refused with this status, or so many are."""
        fault = _refusal(status)
        self._run(lambda: self.world.fault(fault, times=times))

    def exchange_is_slow(self, by: str) -> None:
        """Every answer takes so long."""
        self._run(lambda: setattr(self.world.exchange.faults, "latency_s", duration(by) / SECOND_MS))

    def exchange_is_stale(self, by: str) -> None:
        """Reads show the calendar as it was so long ago."""
        self._run(lambda: self.world.fault(Stale(duration(by))))

    def exchange_is_back(self) -> None:
        """Exchange works again."""
        self._run(self.world.exchange.faults.clear)

    def write_goes_wrong(self, write: Write, status: int | None = None) -> None:
        """The next write of this kind is refused with a status; None: it is done, and the answer is lost."""
        method, path = WRITES[write]
        fault = Silence(after_effect=True) if status is None else _refusal(status)
        self._run(lambda: self.world.fault(fault, path=path, method=method, times=1))

    # -- what people say ----------------------------------------------------------------------------

    def say(self, command: str, room: str = "", by: str = "command", when: str = "") -> str:
        """Give a command as people do, such as check-in, keep, end, live, shadow; what was answered.

        `when`: about this booking, whatever the time is.
        """
        answers: list[dict[str, Any]] = []
        service = self.world.service
        if service is None:
            raise ScenarioError("the gateway does not run just now")
        key = self.meeting(room, when).key if when else ""
        request: dict[str, Any] = {
            "command": command,
            "room": room and self._known_room(room),
            "booking": key,
            "by": by,
        }
        request |= {"without_rehearsal": True} if command == "live" else {}  # this Exchange has no secrets

        async def tell() -> None:
            answers.append(await service.command(request))

        self._run(tell)
        self.answer = str(answers[0].get("error") or " ".join(answers[0]["said"]))
        return self.answer


def _refusal(status: int) -> Refuse:
    return Refuse(status, CODES.get(status, "ServiceUnavailable"), retry_after=RETRY_AFTER.get(status, ""))


def _event(meeting: Meeting) -> Any:
    if meeting.event is None:
        raise AssertionError("the scenario has begun, so every meeting is in Exchange")
    return meeting.event
