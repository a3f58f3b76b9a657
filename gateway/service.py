"""The running gateway: wires everything together; the only module that knows all the others.

Whatever belongs to the outside world can be injected (clock, link, HTTP transport, tokens, threads),
so that tests, the demo and simulated worlds run this very service.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import structlog

from gateway.alerts import ALERTS_NOTE, Alerts, Timing, Trouble, standing_json
from gateway.clock import Clock, SystemClock
from gateway.core.booking import Booking
from gateway.core.booking_rules import BookingRules
from gateway.core.decisions import Decision
from gateway.core.events import (
    Booted,
    ClockTrust,
)
from gateway.core.explain import explain
from gateway.core.policy import SiteConfig
from gateway.core.room import Room
from gateway.core.units import MINUTE_MS, NEVER, Duration, Instant
from gateway.exchange.attendant_settings import SettingsFileError
from gateway.exchange.attendant_settings import load as load_attendants
from gateway.exchange.auth import MsalTokens, TokenSource
from gateway.exchange.calendar import CalendarReader
from gateway.exchange.client import GraphClient
from gateway.exchange.errors import AuthError
from gateway.exchange.hints import TimerHints
from gateway.exchange.horizon import HorizonReader
from gateway.exchange.hours import Hours
from gateway.exchange.own import OwnBookings, Wording
from gateway.exchange.quiet import AttendantFacts
from gateway.exchange.rehearsal.record import objection
from gateway.exchange.room_facts import RoomFacts
from gateway.exchange.writer import Writer
from gateway.ledger import LedgerWorker
from gateway.links import Link, Message
from gateway.links.mqtt import MqttLink
from gateway.links.mqtt import MqttSettings as LinkSettings
from gateway.links.overhearing import OverhearingLink
from gateway.prospects import unrehearsed
from gateway.reports.learned import with_history
from gateway.reports.room_quality import policy_flags
from gateway.reports.troubles import sensor_troubles
from gateway.runtime.announce import Announcer, availability_topic
from gateway.runtime.brain import LINGER_S, SNAPSHOT_EVERY, Brain, Paused
from gateway.runtime.channels import Crier, LogChannel, MqttChannel
from gateway.runtime.commands import Commands
from gateway.runtime.control import ControlServer, Json
from gateway.runtime.desk import Desk
from gateway.runtime.desk_commands import DeskCommands
from gateway.runtime.dispatch import Dispatch
from gateway.runtime.health import health
from gateway.runtime.home_assistant import ONLINE
from gateway.runtime.horizon import Horizon
from gateway.runtime.intake import Intake
from gateway.runtime.lines import Lines
from gateway.runtime.overhear import Discovery
from gateway.runtime.overhear import OverhearingLink as AnyOverhearingLink
from gateway.runtime.pace import Budget, Pace
from gateway.runtime.picture import breaker_words, clock_in, iso, site_picture
from gateway.runtime.places import Place
from gateway.runtime.reload import Holidays, Reloader
from gateway.runtime.rule_check import rule_check
from gateway.runtime.sync import Sync
from gateway.runtime.troubles import of_gateway
from gateway.runtime.trust import Trust
from gateway.runtime.upkeep import attendants, of_credential
from gateway.runtime.watcher import Calendars, Watcher
from gateway.sensors import Router, build_router
from gateway.settings import Settings, SettingsError

log = structlog.get_logger()

CLOCK_TROUBLE: Final = (
    "the machine's clock is not synchronised: look at its NTP service (timedatectl), "
    'or say clock = "trusted" under [site] if it is kept right in another way'
)

PRUNE_EVERY_S: Final = 3_600.0
TRY_WAKING_EVERY_S: Final = 1.0
SENSORS_EVERY_MS: Final[Duration] = MINUTE_MS
"""How often every sensor's health is looked at for alerts."""
ANNOUNCED_NOTE: Final = "home_assistant_topics"
"""Every topic that was ever announced to Home Assistant, as a JSON list: rooms that left are taken back."""
VANISHED_NOTE: Final = "vanished"
"""Bookings that vanished while they ran, by nobody's doing that we know of."""
BOOT_NOTE: Final = "machine_boot"
INSTALLATION_NOTE: Final = "installation"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Surroundings:
    """What may be injected instead of the real outside world."""

    clock: Clock = field(default_factory=SystemClock)
    link: Link | None = None
    overhear: Callable[[], AnyOverhearingLink] | None = None
    """Makes the connection on which sensors without a room are heard; with a link of its own, none."""
    transport: httpx.AsyncBaseTransport | None = None
    tokens: TokenSource | None = None
    executor: Executor | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    """Numbers in [0, 1) that spread the repetitions of many gateways."""
    checkpoint: Callable[[str], None] = lambda _: None
    linger_s: float = LINGER_S
    snapshot_every: int = SNAPSHOT_EVERY
    """Events of the journal between two snapshots, and so the most that a restart replays."""
    control: bool = True
    watch: Callable[[str], None] = lambda _: None
    """Told "ready", "alive" and "stopping" (systemd's notifications)."""
    watch_every_s: float = 10.0


class Service:
    """One gateway. `run` returns after `stop` was called; every part is stopped in order."""

    def __init__(self, settings: Settings, surroundings: Surroundings | None = None) -> None:
        """Build every part. Raises SettingsError for unreadable secrets; nothing has started then."""
        self.settings = settings
        self._around = around = surroundings or Surroundings()
        self._clock = around.clock
        self._stopping = asyncio.Event()
        self._awake = False
        """The ledger knows of this start, and so the core what it missed."""
        self.ledger = LedgerWorker(settings.ledger.path, around.executor, around.checkpoint)
        self.brain = Brain(
            self.ledger,
            around.clock,
            half_window=max(1, settings.mqtt.max_in_flight // 2),
            linger_s=around.linger_s,
            snapshot_every=around.snapshot_every,
            checkpoint=around.checkpoint,
        )
        router = build_router(settings.sensor_sources())
        self.intake = Intake(self.brain, router)
        self.link: Link = around.link or MqttLink(_link_settings(settings))
        self.tokens = around.tokens or _tokens(settings)
        self.graph = GraphClient(
            settings.exchange.base_url,
            self.tokens,
            transport=around.transport,
            ca_file=_text(settings.exchange.ca_file) or None,
            in_flight=settings.exchange.max_in_flight,
            sleep=around.sleep,
            jitter=around.jitter,
        )
        self.places = {room.id: self._place(room.id) for room in settings.rooms}
        self.budget = Budget(
            settings.exchange.requests_per_room * max(1, len(self.places)),
            lambda: self.graph.requests.total,
            lambda: self._day(self._clock.now()),
        )
        self.pace = Pace(
            settings.exchange.poll,
            settings.exchange.poll_at_rest,
            Hours.of(settings.exchange.working_hours),
        )
        self.hints = TimerHints(self.places, settings.exchange.poll, around.clock, pace=self._pace_of)
        self.troubles: dict[str, str] = {}
        self._installation = ""
        """Names this ledger among all that ever wrote to these rooms: when it was first used."""
        self._holidays_of: date | None = None
        """The day on which the holidays were last worked out."""
        self.trust = Trust(self.ledger, self.brain, around.sleep, clock_in(self._site_zone()))
        self.sync = Sync(
            self.brain,
            self.graph,
            self.places,
            self.hints,
            self._note_trouble,
            far=self._breaking,
        )
        wordings: dict[str, Wording] = {}
        self.dispatch = Dispatch(
            self.brain,
            self.ledger,
            self.places,
            wordings=wordings,
            done=self.hints.nudge,
            sleep=around.sleep,
            checkpoint=around.checkpoint,
        )
        facts = tuple(
            RoomFacts(room.id, room.name, room.capacity, room.building or "", room.floor or "", room.tags)
            for room in settings.rooms
        )
        self.desk = Desk(
            self.brain,
            self.ledger,
            self.dispatch,
            self.sync,
            self.places,
            facts,
            wordings,
            longest_ms=settings.exchange.desk_longest,
            objections=rule_check(
                self.places.__getitem__,
                self._rules_of,
                lambda room: settings.exemptions(settings.room(room)).bookable,
            ),
            sleep=around.sleep,
        )
        self.desk_commands = DeskCommands(self.desk, self.places, facts, self._clock.now, self._site_zone())
        zones = {room: place.zone for room, place in self.places.items()}
        home_assistant = settings.home_assistant
        self.announcer = Announcer(
            self.link,
            settings.mqtt.topic_prefix,
            zones,
            names={room.id: room.name for room in settings.rooms},
            discovery=home_assistant.prefix if home_assistant.discovery else "",
        )
        self.discovery = Discovery(settings, self._overhearing(), around.clock.now)
        self.lines = Lines(settings.serial, self.intake, self.discovery.message)
        self._birth_topic = self.announcer.birth_topic
        self._is_sensors = False
        """A sensor publishes on that topic too, odd as that would be."""
        self._listen_to(router)
        self.reloader = Reloader(settings, self.brain, self._take_over, self._config)
        self.commands = Commands(
            self.brain,
            self.dispatch,
            self.intake,
            self.discovery,
            self.desk_commands,
            self.places,
            self._site_zone(),
            status=self.status,
            reload=self.reloader.reload,
            unrehearsed=self._unrehearsed,
        )
        self.control = ControlServer(
            settings.control_socket, self.commands.follow, {"watch": self.commands.watch}
        )
        self.horizon = Horizon(
            {room: HorizonReader(self.graph, place.reader) for room, place in self.places.items()},
            self.places,
            self._room_of,
            around.clock,
            settings.exchange.horizon,
            sleep=around.sleep,
            may_read=lambda: not self.budget.is_spent,
            rules=self._rules_of,
        )
        self.watcher = Watcher(self.places, {one.room: one for one in facts}, self.horizon, self._clock.now())
        self._timing = Timing(
            repeat_ms=settings.alerts.repeat,
            gather_ms=settings.alerts.gather,
            after_ms=settings.alerts.after,
        )
        self._set_up_alerts("")
        self.brain.attach(self, self.link.acknowledge, self.link.drop)

    def _breaking(self, room: str) -> tuple[Booking, ...] | None:
        return self.horizon.breaking(room)

    def _rules_of(self, room: str) -> BookingRules:
        return self.brain.site.rooms[room].state.config.policy.rules

    def _set_up_alerts(self, memory: str) -> None:
        self._sensors_looked_at: Instant = NEVER
        self.alerts = Alerts(self._timing, memory)
        mqtt = MqttChannel(self.announcer.publish_alerts, self._iso)
        self._crier = Crier(self.alerts, (LogChannel(), mqtt))

    def know_attendants(self, facts: Mapping[str, AttendantFacts]) -> None:
        """What the rooms' booking attendants are set to, by room id, where IT has told (Graph does not)."""
        self.watcher.know_attendants(facts)

    def _overhearing(self) -> Callable[[], AnyOverhearingLink] | None:
        if self._around.overhear is not None or self._around.link is not None:
            return self._around.overhear
        settings = _link_settings(self.settings)
        return lambda: OverhearingLink(settings)

    def _listen_to(self, router: Router) -> None:
        self._is_sensors = self._birth_topic in router.topics
        at_the_broker = (topic for topic in router.topics if not self.lines.owns(topic))
        self.link.subscribe(sorted({*at_the_broker, *filter(None, [self._birth_topic])}))

    def _config(self, settings: Settings, holidays: Holidays) -> SiteConfig:
        """What the core is to be: as configured, and as its sensors' own history has it."""
        return with_history(
            settings.site_config(holidays),
            self.trust.rooms,
            learning=settings.learning_rooms,
            asking=settings.history_rooms,
        )

    def _take_over(self, settings: Settings, router: Router) -> None:
        """New settings whose sensors alone differ: see `gateway.runtime.reload`."""
        self.settings = settings
        self.intake.take_router(router)
        self._listen_to(router)
        self.discovery.take_settings(settings)
        self.lines.tell_again()  # to sensors that were not there when the line opened

    def _place(self, room_id: str) -> Place:
        settings = self.settings
        room = settings.room(room_id)
        reader = CalendarReader(self.graph, exemptions=settings.exemptions(room))
        exchange = settings.exchange
        own = OwnBookings(
            exchange.walk_up_category,
            exchange.walk_up_subject,
            exchange.hold_category,
            exchange.hold_subject,
            exchange.desk_category,
            exchange.desk_subject,
        )
        writer = Writer(
            self.graph,
            reader,
            self._clock,
            category=exchange.check_in_category,
            own=own,
            installation=lambda: self._installation,
        )
        comment = exchange.release_comment
        refusals = settings.refusals(room)
        return Place(room.id, room.name, room.mailbox, settings.zone(room), reader, writer, comment, refusals)

    # -- life -----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask for a clean stop; safe to call twice and from a signal handler of the loop."""
        self._stopping.set()

    def reload(self) -> None:
        """Take over a changed configuration, as far as its sensors go; the log tells what came of it.

        Safe to call from a signal handler of the loop.
        """
        self._reloading = asyncio.get_running_loop().create_task(self._reload_aloud())

    async def _reload_aloud(self) -> None:
        answer = await self.reloader.reload()
        if "error" in answer:
            log.error("configuration not taken over", why=answer["error"])

    async def run(self) -> None:
        """Start, work until `stop`, stop cleanly.

        Raises LedgerError if the ledger cannot be opened, SettingsError if the holidays cannot be told.
        """
        await self.ledger.open()
        try:
            await self.brain.start()
            self._set_up_alerts(await self.ledger.run(lambda ledger: ledger.note(ALERTS_NOTE)))
            self.watcher.recall(await self.ledger.run(lambda ledger: ledger.note(VANISHED_NOTE)))
            await self._wake_up()
            if self._around.control:
                await self.control.start()
            self._around.watch("ready")
            await self._stay_until_awake()
            if not self._stopping.is_set():
                await self._work()
        finally:
            self._around.watch("stopping")
            await self._lie_down()

    async def _wake_up(self) -> None:
        """Notice what changed while we were away. Without a disk to write to it stays undone."""
        with contextlib.suppress(Paused):  # the brain has said so, and tries again by itself
            await self._record_waking()

    async def _stay_until_awake(self) -> None:
        """On a full disk: answer to people and to systemd, do nothing else, and try again."""
        while not (self._awake or self._stopping.is_set()):
            self._around.watch("alive")
            self._look_around()
            await self._around.sleep(TRY_WAKING_EVERY_S)
            if not self.brain.paused_because:
                await self._wake_up()

    async def _record_waking(self) -> None:
        newest = await self.ledger.run(lambda ledger: ledger.newest_instant())
        known_boot = await self.ledger.run(lambda ledger: ledger.note(BOOT_NOTE))
        boot = _machine_boot()
        self._installation = await self.ledger.run(lambda ledger: ledger.note(INSTALLATION_NOTE))
        if not self._installation:
            self._installation = str(self.brain.now())
            self.brain.note(INSTALLATION_NOTE, self._installation)
        before = await self.ledger.run(lambda ledger: ledger.note(ANNOUNCED_NOTE))
        announced = json.dumps(self.announcer.remember(json.loads(before or "[]")))
        if announced != before:
            self.brain.note(ANNOUNCED_NOTE, announced)
        if self._asks_history:
            await self.trust.recall(self.settings.site_config())
        await self._configure()
        down_since = self.brain.now() if newest is None else newest
        self.brain.note(BOOT_NOTE, boot)
        self._look_at_clock()
        await self.brain.record(Booted(down_since, same_machine_boot=bool(boot) and boot == known_boot))
        self._awake = True
        await self.dispatch.start()
        warning = unrehearsed(self.settings)
        if warning and self._around.transport is None:
            log.warning("not rehearsed", why=warning)
        log.info("awake", rooms=len(self.places), ledger=str(self.settings.ledger.path))

    async def _configure(self) -> None:
        """Tell the core what it is configured to be, if that has changed. Raises SettingsError, Paused."""
        now = self.brain.now()
        # Off the event loop: a region's holidays are worked out by a program of their own.
        holidays = await asyncio.to_thread(self.settings.holidays, now)
        self._holidays_of = self._day(now)
        self.reloader.configure(holidays)

    def _pace_of(self, room: str) -> Duration:
        """How old its calendar may become now."""
        known = self.brain.site.rooms.get(room)
        if known is None:
            return self.settings.exchange.poll
        now = self._clock.now()
        return self.pace.of(known, now, self.places[room].zone, is_spent=self.budget.is_spent)

    def _room_of(self, room: str) -> Room | None:
        return self.brain.site.rooms.get(room)

    def _day(self, now: Instant) -> date:
        return datetime.fromtimestamp(now // 1_000, self._site_zone()).date()

    async def _look_at_holidays(self) -> None:
        """Once a day: a year ahead there may be new ones. What was known stays known if it cannot be done."""
        if self._holidays_of == self._day(self.brain.now()):
            return
        try:
            await self._configure()
        except SettingsError as error:
            log.warning("holidays unknown", why=str(error))
        except Paused as error:
            log.info("holidays not looked at", why=str(error))

    @property
    def _asks_history(self) -> bool:
        """Whether what the core is given hangs on the sensors' history at all."""
        settings = self.settings
        asking = settings.history_rooms
        early = any(settings.policies[r.policy].end_early for r in settings.rooms if r.id in asking)
        return early or bool(settings.learning_rooms)

    async def _look_at_history(self) -> None:
        """Once a day: how far each sensor can be trusted, and what the core is given of that."""
        today = self._day(self.brain.now())
        if self.brain.paused_because or not await self.trust.look(self.settings.site_config(), today):
            return
        try:
            if self._asks_history:
                await self._configure()
        except (SettingsError, Paused) as error:
            log.warning("what the sensors' history says is not taken up", why=str(error))

    async def _work(self) -> None:
        jobs: list[Coroutine[Any, Any, None]] = [
            self.link.run(self),
            self.sync.run(),
            self.desk.run(),
            self.lines.run(),
            self.discovery.run(),
            self.horizon.run(),
            self._housekeeping(),
            self._keep_watch(),
        ]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(job) for job in jobs]
            await self._stopping.wait()
            for task in running:
                task.cancel()

    async def _lie_down(self) -> None:
        """Stop in the order in which nothing is lost: no new facts, then commit, then let go."""
        await self.control.stop()
        await self.desk.stop()
        await self.dispatch.stop()
        await self.brain.stop()
        await self.graph.aclose()
        if isinstance(self.tokens, MsalTokens):
            await self.tokens.aclose()
        await self.ledger.close()
        log.info("stopped")

    async def _housekeeping(self) -> None:
        """Know the new day's holidays; forget what is older than it should be, a bounded step at a time."""
        if self._asks_history:
            await self._look_at_history()
        await self._look_after_itself()
        while True:
            await self._around.sleep(PRUNE_EVERY_S)
            await self._look_after_itself()
            await self._look_at_holidays()
            await self._look_at_history()
            before = self.brain.now() - self.settings.ledger.keep
            with contextlib.suppress(Exception):  # an unwritable ledger is the brain's to report
                while await self.ledger.run(lambda ledger, before=before: ledger.prune(before)):  # type: ignore[misc] # bound at once
                    await self._around.sleep(1.0)

    async def _look_after_itself(self) -> None:
        """What ends or changes over weeks: the credential, and what IT has told of the rooms."""
        settings, now = self.settings, self.brain.now()
        mailboxes = {room.id: room.mailbox for room in settings.rooms}
        try:
            kept = await asyncio.to_thread(load_attendants, settings.attendant_file)
        except SettingsFileError as error:
            log.warning("attendants' settings unknown", why=str(error))
        else:
            self.know_attendants(attendants(kept, mailboxes))
        if self._around.tokens is not None:
            return  # somebody else looks after the credential
        try:
            material = await asyncio.to_thread(lambda: settings.credential().read())
        except AuthError as error:
            log.warning("credential unreadable", why=error.why)
        else:
            self.alerts.set("credential", of_credential(material, now), now)

    async def _keep_watch(self) -> None:
        """Tell systemd that the event loop still turns; look at the clock."""
        while True:
            self._around.watch("alive")
            await self._around.sleep(self._around.watch_every_s)
            with contextlib.suppress(Paused):
                self._look_at_clock()
            self._publish_health()
            self._look_around()

    def _look_around(self) -> None:
        """Everything that is wrong now becomes alerts; what is due is told."""
        now, before = self.brain.now(), len(self.watcher.gone)
        try:
            self._state_troubles(now)
            changed = self._crier.cry(now)
        except Exception:  # no look at what is wrong may take the process down (W10)
            log.exception("alerts failed")
            return
        if self.brain.paused_because:
            return
        if changed:
            self.brain.note(ALERTS_NOTE, self.alerts.remember())
        if len(self.watcher.gone) != before:
            self.brain.note(VANISHED_NOTE, self.watcher.remember())

    def _state_troubles(self, now: Instant) -> None:
        brain, site = self.brain, self.brain.site
        own = of_gateway(
            not_recording=bool(brain.paused_because),
            writing_halted=self.dispatch.halted,
            breaker=breaker_words(site, self._site_zone()),
            clock="" if site.state.clock_trusted else CLOCK_TROUBLE,
            link_down=self._awake and self.intake.link_state != "up",
            requests_spent=self.budget.limit if self.budget.is_spent else 0,
        )
        self.alerts.set("gateway", own, now)
        if not self._awake:
            return  # nobody looks at calendars and rooms yet
        if now - self._sensors_looked_at >= SENSORS_EVERY_MS:
            self._sensors_looked_at = now
            distrusted = sensor_troubles(site, now, clock_in(self._site_zone()))
            told = [Trouble("sensor_distrusted", name, words) for name, words in distrusted.items()]
            self.alerts.set("sensors", told, now)
        self.watcher.round(
            self.alerts, site, Calendars(self.sync.errors, self.sync.read_at, self._pace_of), now
        )

    def _iso(self, instant: Instant) -> str | None:
        return iso(instant, self._site_zone())

    def _look_at_clock(self) -> None:
        trusted = self.settings.site.clock == "trusted" or self._clock.is_synchronised()
        if trusted != self.brain.site.state.clock_trusted:
            if trusted:
                log.info("the clock is synchronised")
            else:
                log.error("the clock is not synchronised", mend=CLOCK_TROUBLE)
            self.brain.tell(ClockTrust(trusted))

    # -- what the parts tell each other ---------------------------------------------------------------

    def link_up(self, session_present: bool) -> None:
        """From the link: hearing begins; show everything anew."""
        self.intake.link_up(session_present)
        self._announce_all()

    def _announce_all(self) -> None:
        self.announcer.forget()
        self._publish(self.places)
        self._publish_health()
        self.announcer.publish_alerts(standing_json(self.alerts.standing(), self._iso))

    def link_down(self, why: str) -> None:
        """From the link."""
        self.intake.link_down(why)

    @property
    def message(self) -> Callable[..., None]:
        """From the link: straight to the intake; by a detour only where Home Assistant is awaited."""
        return self._message_or_birth if self._birth_topic else self.intake.message

    def _message_or_birth(self, message: Message) -> None:
        if message.topic != self._birth_topic:
            self.intake.message(message)
            return
        if message.payload == ONLINE:
            log.info("Home Assistant has started; announcing again")
            self._announce_all()
        if self._is_sensors:
            self.intake.message(message)
        elif not self.brain.paused_because:
            self.brain.heard(message.receipt)  # in its turn: some brokers insist on the order

    def decided(self, decisions: Sequence[Decision]) -> None:
        """From the brain: show it at once."""
        for decision in decisions:
            if not decision.room:
                clock = clock_in(self._site_zone())
                log.warning("breaker", decision=decision.kind, why=explain(decision, clock))
            if decision.booking:
                log.info(
                    decision.kind,
                    room=decision.room,
                    booking=decision.booking,
                    live=decision.live,
                    why=explain(decision, clock_in(self.places[decision.room].zone)),
                )
        self._publish({decision.room for decision in decisions})

    def committed(self, decisions: Sequence[Decision]) -> None:
        """From the brain: durable, so it may be carried out."""
        self.dispatch.carry_out(decisions)

    def reloaded(self) -> None:
        """From the brain: its memory is the ledger's again."""
        if self._awake:
            with contextlib.suppress(Paused):
                self.reloader.configure_again()  # before any message of a sensor that it may not know
            self.lines.tell_again()
        asyncio.get_running_loop().create_task(self._take_up_again())

    async def _take_up_again(self) -> None:
        if not self._awake:
            return  # the core does not know yet that it was away, nor what became of its evidence
        with contextlib.suppress(Paused):
            await self.dispatch.start()
        self.hints.nudge_all()

    def _note_trouble(self, room: str, why: str) -> None:
        if why:
            self.troubles[room] = why
        else:
            self.troubles.pop(room, None)
            # After the read has been recorded: the next booking may be another one now.
            asyncio.get_running_loop().call_soon(self._refresh, room)

    def _publish(self, rooms: Sequence[str] | set[str] | dict[str, Place]) -> None:
        self.announcer.publish(self.brain.site, sorted(rooms), self.brain.now())

    def _refresh(self, room: str) -> None:
        self.announcer.refresh(self.brain.site, room, self.brain.now())

    def _publish_health(self) -> None:
        """Not with each decision: within one round of `_keep_watch` is soon enough for it."""
        brain = self.brain
        try:
            told = health(
                brain.site,
                not_recording=bool(brain.paused_because),
                writing_halted=bool(self.dispatch.halted),
                calendars=len(self.troubles),
            )
        except Exception as error:  # noqa: BLE001 - no look at the core may take the process down (W10)
            if not brain.paused_because:
                brain.fail(error)
            return
        self.announcer.publish_health(told)

    # -- commands -------------------------------------------------------------------------------------

    async def command(self, request: Json) -> Json:
        """Follow one command of the control socket; the answer is JSON, with "error" if it failed."""
        return await self.commands.follow(request)

    async def status(self) -> Json:
        """The whole picture: rooms, and how the gateway itself is."""
        now: Instant = self.brain.now()
        picture = site_picture(self.brain.site, now, self._site_zone(), {})
        picture["alerts"] = standing_json(self.alerts.standing(), self._iso)
        requests = self.graph.requests
        picture["gateway"] = {
            "running": True,
            "paused": self.brain.paused_because,
            "link": self.intake.link_state,
            "writing_halted": self.dispatch.halted,
            "breaker": picture["breaker"],
            "clock": "" if self.brain.site.state.clock_trusted else CLOCK_TROUBLE,
            "writes_under_way": self.dispatch.under_way,
            "calendars_in_trouble": dict(sorted(self.troubles.items())),
            "graph_requests": {
                "read": requests.read,
                "write": requests.write,
                "throttled": requests.throttled,
                "batched": requests.batched,
                "today": self.budget.used,
                "limit_today": self.budget.limit,
            },
        }
        known = {room.room: room for room in self.trust.rooms}
        for room in picture["rooms"]:
            name, calendar = room["room"], room["calendar"]
            if name in known:
                room["unsupported"] = policy_flags(self.brain.site.rooms[name].state.config, known[name])
            calendar["may_be_old_s"] = self._pace_of(name) // 1_000
            read_at = self.sync.read_at.get(name)
            if read_at is not None:
                calendar["read_at"] = iso(read_at, self.places[name].zone)
                calendar["age_s"] = max(0, now - read_at) // 1_000
        return picture

    def _unrehearsed(self) -> str:
        """Why no room should go live yet; empty if this tenant was rehearsed with."""
        return objection(self.settings.rehearsal_file, self.settings.exchange.tenant_id)

    def _site_zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.site.time_zone)


def _text(path: Path | None) -> str:
    return "" if path is None else str(path)


def _machine_boot() -> str:
    """Names this boot of the machine; empty where the system does not tell."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _link_settings(settings: Settings) -> LinkSettings:
    mqtt = settings.mqtt
    return LinkSettings(
        host=mqtt.host,
        port=mqtt.port,
        client_id=settings.mqtt_client_id,
        username=mqtt.username or "",
        password=settings.mqtt_password() or "",
        tls=mqtt.tls,
        ca_file=_text(mqtt.ca_file),
        cert_file=_text(mqtt.cert_file),
        key_file=_text(mqtt.key_file),
        keepalive_s=mqtt.keepalive // 1_000,
        will_topic=availability_topic(mqtt.topic_prefix),
    )


def _tokens(settings: Settings) -> TokenSource:
    exchange = settings.exchange
    return MsalTokens(
        exchange.authority,
        exchange.client_id,
        settings.exchange_credential(),
        ca_file=_text(exchange.ca_file) or None,
    )
