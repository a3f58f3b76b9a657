"""A real room through the whole chain: 87 recorded hours of two PIRs and the counted people (UCI 864).

Broker, link, ledger, core and Exchange simulator work as in production; time stands still until the
gateway has acknowledged what was published (`lockstep`). The PIR that hangs badly, S7, alone is played
in shadow mode, with a link in memory and in virtual time: the same service without the sockets.

Nothing special is done about the recording's gaps: the gateway hears nothing, as from dead sensors.
The room is one and has few departures: a smoke test, not evidence of accuracy.
"""

import asyncio
import statistics
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pytest
from harness import CONFIGURATION
from lockstep import LockStepLink, LockStepLoop, Publisher, run_in_lock_step, until

from gateway.clock import Clock
from gateway.core.decisions import Decision
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.ledger import Counts, LedgerReader
from gateway.links import Link
from gateway.links.mqtt import MqttSettings
from gateway.service import Service, Surroundings
from gateway.settings import Settings, parse
from simulators.broker import EmbeddedBroker
from simulators.clock import VirtualClock, run_virtual
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator
from simulators.in_process import InProcessTokens, InProcessTransport
from simulators.link import MemoryLink
from simulators.recordings import (
    BOTH,
    DrawnBooking,
    UciRecording,
    UciSensor,
    draw_bookings,
    false_vacancies,
    import_uci,
    to_messages,
)

UCI: Final = Path(__file__).parents[2].parent / "shared" / "data" / "occupancy" / "uci-room-occupancy.csv.gz"
ROOM: Final = "orion@contoso.com"
SEED: Final = 1
GRACE_MS: Final = 10 * MINUTE_MS
MIN_REMAINING_MS: Final = 10 * MINUTE_MS
PROOF_WITHIN_MS: Final = 62 * SECOND_MS
"""Two samples, of which one may be missing."""

LATE: Final[dict[str, str]] = {
    "Fri 22 14:30": "everybody had left at 14:16, the next person came at 15:25, after a recording gap",
    "Sat 23 11:30": "the first people came at 11:49, nine minutes after a correct no-show release",
}
"""Attended bookings that were released before anybody came: no-shows until then, by any rule."""


pytestmark = pytest.mark.thorough


class Kept(NamedTuple):
    """Why a booking that nobody attended was not released, and where the recording shows it."""

    cause: Literal["stray hit", "recording gap"]
    at: str
    """The hit in the empty room, or the first sample after the gap."""
    why: str


KEPT: Final[dict[str, Kept]] = {
    "Mon 25 09:00": Kept(
        "recording gap", "09:11:42", "nothing was heard since Sunday, and 18 min are too few for a proof"
    ),
    "Mon 25 14:30": Kept("stray hit", "14:37:27", "S6, in the grace period: somebody may have looked in"),
    "Mon 25 16:00": Kept("stray hit", "15:53:31", "S6, in the early window: seen at its start"),
    "Mon 25 18:00": Kept("stray hit", "17:58:06", "S6, the third hit in a minute, in the early window"),
}
"""Every unattended booking that both PIRs left alone; all others were released."""

S7_ALONE: Final[dict[str, str]] = {
    "Fri 22 15:30": "S7 was silent from 15:25:24 to 16:28:12 with a lone person in the room",
    "Sat 23 12:00": "S7 was silent from 11:56:55 to 12:48:29 with a lone person in the room",
}
"""Bookings that S7 alone would have taken from the people in them."""

REFERENCE: Final = (
    (1, 16.8, 0.849, 11.7),
    (5, 0.79, 0.960, 1.53),
    (10, 0.0, 0.939, 0.61),
    (15, 0.0, 0.914, 0.31),
    (30, 0.0, 0.855, 0.24),
)
"""Minutes of hold, both PIRs: false vacancies per occupied hour and F1, S7 alone: false vacancies."""

SENSOR = """
[[room.sensor]]
id = "{id}"
family = "plain"
topic = "uci/{topic}"
senses = "motion"
heartbeat = "60s"
latency = "31s"
at_qos1 = true
device_hold = "31s"
"""
# A sampled PIR shows one hit until its next sample: that is its device hold.
# Two sensors on units of their own: they are independent, so neither proves the room alone.


@dataclass
class Played:
    """What became of the recording. Bookings are named by their start."""

    bookings: dict[str, DrawnBooking]
    declined: dict[str, Instant]
    """What organizers see: when the room gave the booking back."""
    decisions: dict[str, list[Decision]]
    vacant_at: list[Instant]
    """When the room was concluded to be proven empty."""
    counts: Mapping[str, Counts]
    writes: int
    published: int = 0
    acknowledged: int = 0
    seconds: float = 0.0

    def decided(self, kind: str) -> dict[str, Instant]:
        """The last decision of a kind, for the bookings that have one."""
        return {name: d.at for name, all_of in self.decisions.items() for d in all_of if d.kind == kind}


def named(instant: Instant) -> str:
    """How the tables above name a booking."""
    return f"{datetime.fromtimestamp(instant / SECOND_MS, UTC):%a %d %H:%M}"


def drawn_over(recording: UciRecording) -> tuple[DrawnBooking, ...]:
    """Every booking drawn around the clock in which the recording has at least one sample."""
    drawn = draw_bookings(recording, SEED, ghost_share=0.99, hours=(0, 24), across_gaps=True)
    times = [sample.t for sample in recording.samples]
    return tuple(b for b in drawn if bisect_left(times, b.start) < bisect_left(times, b.end))


def configuration(folder: Path, sensors: Sequence[UciSensor], mode: str, port: int) -> Settings:
    """One room with these PIRs. Everything that the rules go by is left at its default."""
    (folder / "secret").write_text(CLIENT_SECRET)
    (folder / "secret").chmod(0o600)
    # As seldom as a release may rest on (five minutes), because most of the time nobody recorded anything.
    text = CONFIGURATION.format(
        tenant=TENANT_ID, client=CLIENT_ID, policy="", exchange='poll = "5m"', site=""
    )
    text = text.replace("[exchange]", f'port = {port}\nkeepalive = "18h"\n[exchange]')
    text += f'[[room]]\nid = "orion"\nmailbox = "{ROOM}"\nmode = "{mode}"\n'
    text += "".join(SENSOR.format(id=sensor.lower(), topic=sensor) for sensor in sensors)
    return parse(text, base=folder)


class Stage:
    """The Exchange simulator with the drawn bookings, and the service in front of it."""

    def __init__(
        self, folder: Path, clock: Clock, settings: Settings, link: Link, over: UciRecording
    ) -> None:
        self.folder, self.clock, self.recording = folder, clock, over
        self.exchange = ExchangeSimulator(rooms=[ROOM], now=clock.now)
        self.events = {
            named(b.start): (b, self.exchange.book("ada@contoso.com", ROOM, b.start, b.end))
            for b in drawn_over(over)
        }
        transport = InProcessTransport(self.exchange.app)
        around = Surroundings(
            clock=clock,
            link=link,
            transport=transport,
            tokens=InProcessTokens(transport),
            linger_s=0.0,  # time stands still until the acknowledgement, so a commit cannot wait for time
            control=False,
            watch_every_s=HOUR_MS / SECOND_MS,
        )
        self.service = Service(settings, around)

    async def play(self, sensors: Sequence[UciSensor], send: Callable[[str, str], None]) -> None:
        """Publish each sample at its instant; afterwards let an hour pass."""
        for message in to_messages(self.recording, sensors):
            if message.t > self.clock.now():
                await asyncio.sleep(self.clock.seconds_until(message.t))
            assert isinstance(message.payload, str)
            send(message.topic, message.payload)
        await asyncio.sleep(HOUR_MS / SECOND_MS)

    def result(self) -> Played:
        """What Exchange and the ledger hold at the end."""
        with LedgerReader(self.folder / "ledger.db") as reader:
            decisions, counts = reader.decisions(), reader.counts()
        names = {event.ical_uid: name for name, (_, event) in self.events.items()}
        by_name: dict[str, list[Decision]] = {name: [] for name in self.events}
        for decision in decisions:
            if decision.booking:
                by_name[names[decision.booking]].append(decision)
        answers = {name: self.exchange.status(event, ROOM) for name, (_, event) in self.events.items()}
        return Played(
            bookings={name: booking for name, (booking, _) in self.events.items()},
            declined={name: a.responded_ms for name, a in answers.items() if a.response == "declined"},
            decisions=by_name,
            vacant_at=[d.at for d in decisions if d.kind == "occupancy" and d.reasons[0].code == "vacant"],
            counts=counts,
            writes=self.service.graph.requests.write,
        )


async def _both(folder: Path, recording: UciRecording, loop: LockStepLoop, clock: VirtualClock) -> Played:
    """Both PIRs, live, over a real broker."""
    async with EmbeddedBroker() as broker, asyncio.TaskGroup() as tasks:
        settings = configuration(folder, BOTH, "live", broker.port)
        address = MqttSettings(
            host=broker.host, port=broker.port, keepalive_s=settings.mqtt.keepalive // 1_000
        )
        link = LockStepLink(address, loop)
        stage = Stage(folder, clock, settings, link, recording)
        with Publisher(broker.host, broker.port, loop, link) as publisher:
            with loop.held():
                running = tasks.create_task(stage.service.run())
                await until(lambda: stage.service.intake.link_state == "up" or running.done())
            await stage.play(BOTH, publisher.publish)
        with loop.held():
            stage.service.stop()
            await running
            link.close()
    played = stage.result()
    played.published, played.acknowledged = publisher.published, link.acknowledged
    return played


async def _alone(folder: Path, recording: UciRecording, clock: VirtualClock) -> Played:
    """S7 alone, in shadow mode, over a link in memory."""
    link = MemoryLink()
    stage = Stage(folder, clock, configuration(folder, ("S7",), "shadow", 1883), link, recording)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.service.run())
        await asyncio.sleep(1.0)
        await stage.play(("S7",), link.send)
        stage.service.stop()
    return stage.result()


def timed(play: Callable[[], Played]) -> Played:
    """Play, and note how long it took by the wall."""
    began = time.monotonic()
    played = play()
    played.seconds = time.monotonic() - began
    return played


@pytest.fixture(scope="module")
def recording() -> UciRecording:
    """The real recording."""
    if not UCI.exists():
        pytest.skip("the shared data is not beside this repository")
    return import_uci(UCI)


@pytest.fixture(scope="module")
def both(recording: UciRecording, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """What the gateway did with both PIRs."""
    folder = tmp_path_factory.mktemp("both")
    start = recording.samples[0].t - HOUR_MS
    return timed(lambda: run_in_lock_step(lambda loop, clock: _both(folder, recording, loop, clock), start))


@pytest.fixture(scope="module")
def alone(recording: UciRecording, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """What the gateway would have done with S7 alone."""
    folder = tmp_path_factory.mktemp("alone")
    start = recording.samples[0].t - HOUR_MS
    return timed(lambda: run_virtual(lambda clock: _alone(folder, recording, clock), start))


def people_at(recording: UciRecording, at: Instant) -> int:
    """The people counted last."""
    samples = recording.samples
    return samples[bisect_right(samples, at, key=lambda sample: sample.t) - 1].people


def used_before(recording: UciRecording, booking: DrawnBooking, at: Instant) -> bool:
    """Whether anybody had been counted in the booking by then, or was in the room at that moment."""
    came = booking.first_presence is not None and booking.first_presence <= at
    counted = any(sample.people for sample in recording.samples if booking.start <= sample.t <= at)
    return came or counted or people_at(recording, at) > 0


def false_vacancies_of(played: Played, recording: UciRecording) -> list[str]:
    """When the gateway concluded that the room is empty while people were counted in it."""
    return [f"{named(at)[:6]} {_second(at)}" for at in played.vacant_at if people_at(recording, at)]


def unsure_of_their_sensor(played: Played) -> set[str]:
    """Bookings whose release was withheld because the only sensor may be stuck off."""
    return {
        name
        for name, decisions in played.decisions.items()
        if any(reason.code == "maybe_stuck_off" for d in decisions for reason in d.reasons)
    }


def tell(record: Callable[[str, Any], None], title: str, lines: Iterable[str]) -> None:
    """Into the test report, and onto the screen with -s or -rA."""
    text = "\n".join(lines)
    record(title, text)
    print(f"\n{title}\n{text}")  # noqa: T201 - for whoever runs it


def test_every_sample_is_committed_and_acknowledged(
    both: Played, recording: UciRecording, record_property: Callable[[str, Any], None]
) -> None:
    """Nothing of 20,258 messages is lost, refused or delivered twice on the way into the ledger."""
    samples = len(recording.samples)
    assert both.published == both.acknowledged == 2 * samples == 20_258
    assert set(both.counts) == {"s6", "s7"}
    for counts in both.counts.values():
        assert (counts.accepted + counts.folded, counts.rejected) == (samples, 0)
    hours = sum(piece[-1].t - piece[0].t for piece in recording.pieces) / HOUR_MS
    assert round(hours) == 87
    tell(record_property, "run time", [f"{hours:.1f} recorded hours with both PIRs in {both.seconds:.1f} s"])


def test_both_pirs_release_no_booking_with_people_in_it(both: Played, recording: UciRecording) -> None:
    """Up to its release nobody was in it; who came only afterwards is named above, one by one."""
    assert sum(booking.attended for booking in both.bookings.values()) == 25
    for name, at in both.declined.items():
        assert not used_before(recording, both.bookings[name], at), name
    assert {name for name in both.declined if both.bookings[name].attended} == set(LATE)


def test_both_pirs_never_call_a_room_empty_with_people_in_it(both: Played, recording: UciRecording) -> None:
    """What the gateway concluded, not only what it released: a hold of 10 min has no false vacancy."""
    assert len(both.vacant_at) > 10
    assert not false_vacancies_of(both, recording)


def test_both_pirs_release_every_unattended_booking_but_those_explained(both: Played) -> None:
    """A stray hit or a recording gap explains each of the others; they are exactly those named above."""
    unattended = {name for name, booking in both.bookings.items() if not booking.attended}
    assert len(unattended) == 71
    assert unattended - set(both.declined) == set(KEPT)


@pytest.mark.parametrize("name", KEPT)
def test_the_recording_shows_what_the_exception_names(
    name: str, both: Played, recording: UciRecording
) -> None:
    """The hit came with nobody in the room, where it counts for this booking; the gap reaches into it.

    The gateway's own reasons say the same: it took the hit for a person, the silence for dead sensors.
    """
    booking, kept = both.bookings[name], KEPT[name]
    at = next(s for s in recording.samples if f"{named(s.t)[:6]} {_second(s.t)}" == f"{name[:6]} {kept.at}")
    kinds = {decision.kind for decision in both.decisions[name]}
    codes = {reason.code for decision in both.decisions[name] for reason in decision.reasons}
    if kept.cause == "recording gap":
        assert "overdue" in codes
        assert at in [piece[0] for piece in recording.pieces]
        assert booking.start < at.t < booking.end
    else:
        assert "seen" in kinds
        assert at.shows(BOTH)
        assert at.people == 0
        assert booking.start - GRACE_MS <= at.t < booking.end


def _second(instant: Instant) -> str:
    return f"{datetime.fromtimestamp(instant / SECOND_MS, UTC):%H:%M:%S}"


def test_releases_are_timely_and_leave_time_worth_having(
    both: Played, record_property: Callable[[str, Any], None]
) -> None:
    """None before it is due, none with under 10 min left; nine of ten with the first proof after due."""
    waits = [at - both.bookings[name].start - GRACE_MS for name, at in both.declined.items()]
    assert min(waits) >= 0
    assert all(both.bookings[name].end - at >= MIN_REMAINING_MS for name, at in both.declined.items())
    prompt = sum(wait <= PROOF_WITHIN_MS for wait in waits)
    assert prompt >= 0.9 * len(waits)
    median_s = statistics.median(waits) / SECOND_MS
    told = (
        f"{len(waits)} of {len(both.bookings)} bookings, {prompt} promptly; median {median_s:.0f} s after due"
    )
    tell(record_property, "releases with both PIRs", [told])


def test_exchange_and_the_ledger_tell_the_same_story(both: Played) -> None:
    """What organizers see declined is what the gateway confirmed; who was there is checked in once."""
    assert both.decided("released").keys() == both.declined.keys()
    for decisions in both.decisions.values():
        kinds = [decision.kind for decision in decisions]
        assert kinds.count("release") <= 1
        assert kinds.count("concluded") == 1
        assert not {"checked_in", "release"} <= set(kinds)


def test_the_badly_placed_pir_alone_would_have_taken_rooms_from_people(
    both: Played, alone: Played, recording: UciRecording, record_property: Callable[[str, Any], None]
) -> None:
    """S7 is blind to people for up to an hour; no timer rescues it. In shadow mode nothing was written."""
    assert (alone.writes, alone.declined) == (0, {})
    would = alone.decided("would_release")
    wrong = {name for name, at in would.items() if used_before(recording, alone.bookings[name], at)}
    unsure = unsure_of_their_sensor(alone)
    people = sum(alone.bookings[name].attended for name in unsure)
    lines = [
        f"{len(would)} of {len(alone.bookings)} bookings would have been released, {len(wrong)} from people:",
        *(f"  {name} at {_second(would[name])}: {S7_ALONE.get(name, 'not named')}" for name in sorted(wrong)),
        f"{len(unsure)} were withheld, {people} of them attended: after three without a sign in a row",
        "  a lone sensor may be stuck off (the pair: none, its sensors are independent)",
        f"{len(false_vacancies_of(alone, recording))} times it was sure of an empty room with people in it",
        f"run time {alone.seconds:.1f} s",
    ]
    tell(record_property, "S7 alone, in shadow mode", lines)
    assert wrong == set(S7_ALONE)
    assert false_vacancies_of(alone, recording)
    assert len(unsure) > len(would)
    assert not unsure_of_their_sensor(both)


def test_false_vacancies_per_hold_are_those_of_the_reference(
    recording: UciRecording, record_property: Callable[[str, Any], None]
) -> None:
    """The table of measured hold times, ours beside the reference's."""
    lines = ["  hold | both PIRs: per hour  (ref) |  F1   (ref) | S7 alone: per hour  (ref)"]
    for minutes, per_hour, f1, s7_per_hour in REFERENCE:
        pair = false_vacancies(recording, BOTH, minutes * MINUTE_MS)
        s7 = false_vacancies(recording, ("S7",), minutes * MINUTE_MS)
        lines.append(
            f"{minutes:2} min | {pair.per_hour:19.2f} {per_hour:6.2f} | {pair.f1:.3f} {f1:.3f}"
            f" | {s7.per_hour:18.2f} {s7_per_hour:6.2f}"
        )
        assert pair.per_hour == pytest.approx(per_hour, abs=0.05 if per_hour > 10 else 0.005)
        assert s7.per_hour == pytest.approx(s7_per_hour, abs=0.05 if s7_per_hour > 10 else 0.005)
        assert pair.f1 == pytest.approx(f1, abs=0.001)
    tell(record_property, "false vacancies per occupied hour", lines)
