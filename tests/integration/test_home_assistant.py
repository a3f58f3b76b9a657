"""What Home Assistant makes of the gateway: found by itself, honest about what is unknown, gone when gone."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
import pytest
from discovery_consumer import HomeAssistant
from harness import World, at, configuration, in_world
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.core.events import ClockTrust
from gateway.core.site import Site
from gateway.links.mqtt import MqttLink, MqttSettings
from gateway.runtime.announce import availability_topic
from gateway.runtime.health import health
from gateway.runtime.home_assistant import (
    GATEWAY,
    MAX_STATE_CHARACTERS,
    Topics,
    configs,
    node,
    room_summary,
    unique_id,
)
from gateway.service import Service
from gateway.settings import SettingsError
from simulators.broker import EmbeddedBroker, MosquittoBroker, mosquitto_available
from simulators.exchange import ExchangeSimulator, Refuse
from simulators.in_process import surroundings

ANA = "ana@contoso.com"
ORION = "orion@contoso.com"
ON = "[home_assistant]\ndiscovery = true\n"
OCCUPIED, BOOKING = "occupancy.orion.occupied", "occupancy.orion.booking"
LIMIT_S = 20


def seen_by(world: World) -> HomeAssistant:
    """A Home Assistant that has just subscribed to all that is retained."""
    home = HomeAssistant()
    home.take(availability_topic("occupancy"), b"online")
    for topic, payload in world.link.published.items():
        home.take(topic, payload)
    return home


# -- rooms --------------------------------------------------------------------------------------------


def test_a_room_is_found_and_followed(tmp_path: Path) -> None:
    """Occupied, proven empty and unknown are three things; the booking and its warning are there too."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        world.exchange.book(ANA, ORION, at("11:00"), at("12:00"))
        await world.until("08:30")
        assert seen_by(world).shows("occupancy.orion.next_start") == "2026-09-28T09:00:00+00:00"
        assert seen_by(world).shows(BOOKING) == "no_booking"
        assert seen_by(world).shows(OCCUPIED) == "off"
        assert seen_by(world).shows("occupancy.orion.reason").startswith("proven empty since 08:0")
        await world.until("09:08")
        home = seen_by(world)
        assert home.shows(BOOKING) == "open"
        assert home.shows("occupancy.orion.booking_end") == "2026-09-28T10:00:00+00:00"
        assert home.shows("occupancy.orion.release_at") == "2026-09-28T09:10:00+00:00"
        assert home.shows("occupancy.orion.next_start") == "2026-09-28T11:00:00+00:00"
        world.enter()
        await world.until("09:09:30")
        home = seen_by(world)
        assert home.shows(OCCUPIED) == "on"
        assert home.shows(BOOKING) == "checked_in"
        assert home.shows("occupancy.orion.release_at") == "unknown"
        assert home.shows("occupancy.orion.paused") == "off"
        world.leave()
        world.silence()
        await world.until("09:20")
        home = seen_by(world)
        assert home.shows(OCCUPIED) == "unknown"
        assert home.shows("occupancy.orion.reason") != "unknown"

    in_world(tmp_path, story, site=ON)


@given(
    status=st.sampled_from(["occupied", "vacant", "unknown", "something new"]),
    why=st.lists(st.text(max_size=300), max_size=3),
)
@example(status="vacant", why=["x" * 256])
@example(status="unknown", why=["x" * 200, "y" * 200])
def test_only_proven_vacancy_is_off(status: str, why: list[str]) -> None:
    """Whatever is not proven is null, and no reason is longer than Home Assistant takes."""
    picture = {
        "occupancy": {"status": status, "since": None, "why": why},
        "booking": None,
        "next": None,
        "paused_since": None,
    }
    summary = room_summary(picture)
    assert (summary["occupied"] == "off") is (status == "vacant")
    assert (summary["occupied"] == "on") is (status == "occupied")
    assert summary["reason"] is None or 0 < len(summary["reason"]) <= MAX_STATE_CHARACTERS


def test_it_is_off_by_default(tmp_path: Path) -> None:
    """Nothing appears in anybody's Home Assistant unasked, and nothing but sensors is subscribed to."""

    async def story(world: World) -> None:
        await world.until("08:10")
        assert sorted(world.link.published) == [
            "occupancy/gateway/alerts",
            "occupancy/gateway/health",
            "occupancy/orion/state",
        ]
        assert world.link._topics == {"orion/radar"}

    in_world(tmp_path, story)


def test_names_and_subjects_do_not_reach_home_assistant(tmp_path: Path) -> None:
    """A canary name and subject are in no published message, and no booking's key either."""

    async def story(world: World) -> None:
        world.exchange.book("canary@contoso.com", ORION, at("09:00"), at("10:00"), subject="Canary Project")
        await world.until("09:08")
        assert world.service is not None
        lives = world.service.brain.site.rooms["orion"].state.lives
        keys = {life.booking.key for life in lives.values()}
        ours = {t: p for t, p in world.link.published.items() if not t.endswith("/state")}
        assert b"anary" not in b" ".join(world.link.published.values())
        assert keys
        assert not [key for key in keys if key.encode() in b" ".join(ours.values())]

    in_world(tmp_path, story, site=ON)


# -- ids ----------------------------------------------------------------------------------------------


def test_ids_are_what_they_were() -> None:
    """Another id would be another entity, and its history and automations gone. Never change these."""
    home = HomeAssistant()
    for topic, payload in configs(Topics("occupancy", "homeassistant"), {"orion": "Orion"}).items():
        home.take(topic, payload)
    assert sorted(home.devices) == [
        "homeassistant/device/occupancy/_gateway/config",
        "homeassistant/device/occupancy/orion/config",
    ]
    assert sorted(home.entities) == [
        "occupancy._gateway.calendars_in_trouble",
        "occupancy._gateway.connected",
        "occupancy._gateway.problem",
        "occupancy._gateway.rooms_unknown",
        "occupancy._gateway.why",
        "occupancy._gateway.withheld",
        "occupancy.orion.booking",
        "occupancy.orion.booking_end",
        "occupancy.orion.next_start",
        "occupancy.orion.occupied",
        "occupancy.orion.paused",
        "occupancy.orion.reason",
        "occupancy.orion.release_at",
    ]
    orion = home.devices["homeassistant/device/occupancy/orion/config"]
    assert orion["name"] == orion["suggested_area"] == "Orion"
    assert (
        orion["via_device"] in home.devices["homeassistant/device/occupancy/_gateway/config"]["identifiers"]
    )


prefixes = st.one_of(
    st.sampled_from(["occupancy", "a/b", "a_b", "a-b", "haus/größe 2", "x.y"]),
    st.text(alphabet="ab/_-. ü", min_size=1, max_size=12),
)
rooms = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,10}", fullmatch=True)


@given(st.lists(st.tuples(prefixes, rooms), unique=True, min_size=2, max_size=4), st.text(max_size=30))
def test_no_two_rooms_of_any_two_gateways_have_one_id(places: list[tuple[str, str]], name: str) -> None:
    """On one broker and in one Home Assistant; the consumer also checks every topic and key."""
    home = HomeAssistant()
    for prefix in {prefix for prefix, _ in places}:
        names = {room: name for own, room in places if own == prefix}
        for topic, payload in configs(Topics(prefix, "homeassistant"), names).items():
            home.take(topic, payload)
    assert len(home.devices) == len(places) + len({prefix for prefix, _ in places})
    ids = {unique_id(Topics(prefix, "homeassistant"), room) for prefix, room in places}
    assert len(ids) == len(places)


def test_a_room_called_like_the_gateway_is_another_device() -> None:
    """The gateway's own object id is none that a room may have."""
    topics = Topics("occupancy", "homeassistant")
    assert topics.config("gateway") != topics.config(GATEWAY)
    assert topics.summary("gateway") not in (topics.health, topics.availability)
    assert node("a/b") != node("a_b")


# -- coming and going ---------------------------------------------------------------------------------


def test_a_restarted_home_assistant_is_told_everything_again(tmp_path: Path) -> None:
    """Its birth message brings configurations and states once more, and is acknowledged like any message."""

    async def story(world: World) -> None:
        await world.until("08:10")
        world.link.published.clear()
        world.link.send("homeassistant/status", "offline")
        await asyncio.sleep(5)
        assert not [topic for topic in world.link.published if topic.startswith("homeassistant/")]
        world.link.send("homeassistant/status", "online")
        await asyncio.sleep(5)
        home = seen_by(world)
        assert home.shows(OCCUPIED) == "off"
        assert home.shows("occupancy._gateway.problem") == "off"
        assert world.link.unacknowledged == 0

    in_world(tmp_path, story, site=ON)


def test_a_new_connection_brings_everything_again(tmp_path: Path) -> None:
    """A broker that forgot its retained messages has them back."""

    async def story(world: World) -> None:
        await world.until("08:10")
        world.link.published.clear()
        world.link.lose_session()
        await asyncio.sleep(5)
        assert sorted(seen_by(world).devices) == [
            "homeassistant/device/occupancy/_gateway/config",
            "homeassistant/device/occupancy/orion/config",
        ]

    in_world(tmp_path, story, site=ON)


def test_a_room_that_leaves_is_taken_away_and_the_others_stay(tmp_path: Path) -> None:
    """Also if the gateway is started again after that, and if the room comes back."""

    async def story(world: World) -> None:
        await world.until("08:05")
        assert "occupancy.vega.occupied" in seen_by(world).entities
        both = world.settings
        for _ in range(2):
            await world.stop()
            world.link.published.clear()
            world.settings = configuration(tmp_path, rooms=("orion",), site=ON)
            await world.start()
            home = seen_by(world)
            assert {key.split(".")[1] for key in home.entities} == {"_gateway", "orion"}
            assert world.link.published["homeassistant/device/occupancy/vega/config"] == b""
            assert world.link.published["occupancy/vega/summary"] == b""
        await world.stop()
        world.settings = both
        await world.start()
        assert "occupancy.vega.occupied" in seen_by(world).entities

    in_world(tmp_path, story, site=ON, rooms=("orion", "vega"))


@pytest.mark.parametrize(
    "site", ["", '[home_assistant]\ndiscovery = true\nprefix = "other"\n'], ids=["off", "prefix"]
)
def test_what_was_announced_before_is_taken_back(tmp_path: Path, site: str) -> None:
    """When discovery is switched off, or goes somewhere else."""

    async def story(world: World) -> None:
        await world.until("08:05")
        await world.stop()
        world.settings = configuration(tmp_path, site=site)
        await world.start()
        assert not seen_by(world).entities if not site else True
        old = {t: p for t, p in world.link.published.items() if t.startswith("homeassistant/")}
        assert set(old.values()) == {b""}
        assert (world.link.published["occupancy/orion/summary"] == b"") is (not site)
        assert any(t.startswith("other/device/") for t in world.link.published) is bool(site)

    in_world(tmp_path, story, site=ON)


def test_a_sensor_on_the_birth_topic_is_still_heard(tmp_path: Path) -> None:
    """Odd, but allowed: the message counts for both."""
    odd = """
[[room.sensor]]
id = "odd"
family = "plain"
topic = "homeassistant/status"
senses = "presence"
options = { on = "online", off = "offline" }
"""

    async def story(world: World) -> None:
        await world.until("08:10")
        world.link.send("homeassistant/status", "online")
        await asyncio.sleep(5)
        assert seen_by(world).shows(OCCUPIED) == "on"

    in_world(tmp_path, story, site=ON, more=odd)


# -- the gateway's own health -------------------------------------------------------------------------


def test_trouble_is_a_problem_and_ends_with_it(tmp_path: Path) -> None:
    """Calendars that cannot be read are told within a poll, and are forgotten when they can."""

    async def story(world: World) -> None:
        await world.until("08:10")
        assert seen_by(world).shows("occupancy._gateway.why") == "nothing"
        world.exchange.faults.add(Refuse(503), path="/users/", times=None)
        await world.until("08:20")
        home = seen_by(world)
        assert home.shows("occupancy._gateway.problem") == "on"
        assert home.shows("occupancy._gateway.why") == "calendars cannot be read"
        assert home.shows("occupancy._gateway.calendars_in_trouble") == "1"
        world.exchange.faults.clear()
        await world.until("08:40")
        assert seen_by(world).shows("occupancy._gateway.problem") == "off"

    in_world(tmp_path, story, site=ON)


def test_a_withheld_release_is_counted_and_no_problem(tmp_path: Path) -> None:
    """A silent sensor at the due moment: nothing is wrong with the gateway."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
        await world.until("08:58")
        world.silence()
        await world.until("09:20")
        home = seen_by(world)
        assert home.shows("occupancy._gateway.withheld") == "1"
        assert home.shows("occupancy._gateway.rooms_unknown") == "1"
        assert home.shows("occupancy._gateway.problem") == "off"
        await world.until("10:10")
        assert seen_by(world).shows("occupancy._gateway.withheld") == "0"

    in_world(tmp_path, story, site=ON)


def test_a_booking_that_is_kept_for_good_is_not_counted_as_withheld(tmp_path: Path) -> None:
    """Exempt bookings, and those that somebody attends, wait for nothing."""

    async def story(world: World) -> None:
        world.exchange.book(ANA, ORION, at("09:00"), at("13:00"))
        world.exchange.book(ANA, "vega@contoso.com", at("09:00"), at("10:00"))
        await world.until("09:05")
        world.enter("vega")
        await world.until("09:07")
        assert seen_by(world).shows("occupancy.vega.booking") == "checked_in"
        world.silence("orion")
        world.silence("vega")
        await world.until("09:40")
        home = seen_by(world)
        assert home.shows("occupancy._gateway.rooms_unknown") == "2"
        assert home.shows("occupancy._gateway.withheld") == "0"

    in_world(tmp_path, story, site=ON, rooms=("orion", "vega"))


def test_a_core_that_fails_on_the_look_is_reloaded_and_the_process_stays_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at the health is no way to lose the gateway: it tells that it stands still, and goes on."""

    def faulty(_site: Site) -> int:
        raise ZeroDivisionError

    async def story(world: World) -> None:
        await world.until("08:10")
        with monkeypatch.context() as patched:
            patched.setattr("gateway.runtime.health.withheld", faulty)
            await world.until("08:10:45")
        assert seen_by(world).shows("occupancy._gateway.why") == "nothing is recorded"
        await world.until("08:15")
        assert seen_by(world).shows("occupancy._gateway.problem") == "off"
        assert seen_by(world).shows(OCCUPIED) == "off"

    in_world(tmp_path, story, site=ON)


def test_each_standstill_has_its_words() -> None:
    """Several are told together, in fixed words."""
    site = Site()
    site.handle(ClockTrust(trusted=False), 1)
    told = health(site, not_recording=True, writing_halted=True, calendars=3)
    assert told["problem"] == "on"
    assert told["why"] == (
        "nothing is recorded; writing to Exchange is halted; the clock is not trusted; "
        "calendars cannot be read"
    )
    site.handle(ClockTrust(trusted=True), 2)
    assert health(site, not_recording=False, writing_halted=False, calendars=0) == {
        "problem": "off",
        "why": "nothing",
        "withheld": 0,
        "calendars_in_trouble": 0,
        "rooms_unknown": 0,
    }


# -- at real brokers ----------------------------------------------------------------------------------


@pytest.fixture(params=["embedded", "mosquitto"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[EmbeddedBroker | MosquittoBroker]:
    """Each broker that the gateway is used with, fresh."""
    if request.param == "mosquitto" and not mosquitto_available():
        pytest.skip("Mosquitto is not installed")
    async with EmbeddedBroker() if request.param == "embedded" else MosquittoBroker() as running:
        yield running


class Subscriber:
    """A Home Assistant at a broker: subscribes to discovery first, then to what it found."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.home = HomeAssistant()
        self._client = client
        self._subscribed: set[str] = set()

    async def until(self, holds: Callable[[HomeAssistant], bool]) -> None:
        """Take messages until it holds."""
        if not self._subscribed:
            self._subscribed.add("homeassistant/#")
            await self._client.subscribe("homeassistant/#", qos=1)
        async with asyncio.timeout(LIMIT_S):
            while not holds(self.home):
                message = await anext(aiter(self._client.messages))
                assert isinstance(message.payload, bytes)
                self.home.take(str(message.topic), message.payload)
                for topic in sorted(self.home.wanted - self._subscribed):
                    self._subscribed.add(topic)
                    await self._client.subscribe(topic, qos=1)


@contextlib.asynccontextmanager
async def gateway_at(port: int, folder: Path, rooms: tuple[str, ...]) -> AsyncIterator[None]:
    """The whole service with its real link, on the real clock."""
    settings = configuration(folder, rooms=rooms, site='clock = "trusted"\n' + ON)
    clock = SystemClock()
    exchange = ExchangeSimulator(rooms=[room.mailbox for room in settings.rooms], now=clock.now)
    link = MqttLink(
        MqttSettings(
            host="127.0.0.1",
            port=port,
            client_id="gateway",
            will_topic=availability_topic("occupancy"),
            backoff_min_s=0.01,
            backoff_max_s=0.05,
        )
    )
    service = Service(settings, surroundings(clock, link, exchange))
    running = asyncio.create_task(service.run())
    try:
        yield
    finally:
        service.stop()
        await running


async def test_home_assistant_finds_follows_and_loses_it(
    broker: EmbeddedBroker | MosquittoBroker, tmp_path: Path
) -> None:
    """Through sockets: discovery, states, its own restart, the gateway's stop, and a room that leaves."""
    async with aiomqtt.Client("127.0.0.1", broker.port, identifier="home") as client:
        here = Subscriber(client)
        async with gateway_at(broker.port, tmp_path, ("orion", "vega")):
            await here.until(lambda home: len(home.devices) == 3)
            await here.until(lambda home: home.entities[OCCUPIED].available)
            await here.until(lambda home: home.shows(OCCUPIED) == "unknown")
            await client.publish("orion/radar", "ON", qos=1)
            await here.until(lambda home: home.shows(OCCUPIED) == "on")
            assert here.home.shows("occupancy.vega.occupied") == "unknown"
            assert here.home.shows("occupancy._gateway.connected") == "on"
            before = here.home.configured
            await client.publish("homeassistant/status", "online", qos=1)
            await here.until(lambda home: home.configured >= before + 3)
        await here.until(lambda home: home.shows(OCCUPIED) == "unavailable")
        await here.until(lambda home: home.shows("occupancy._gateway.connected") == "off")
        async with gateway_at(broker.port, tmp_path, ("orion",)):
            await here.until(lambda home: "occupancy.vega.occupied" not in home.entities)
            await here.until(lambda home: home.shows("occupancy._gateway.connected") == "on")
    async with aiomqtt.Client("127.0.0.1", broker.port, identifier="another") as client:
        late = Subscriber(client)
        await late.until(lambda home: len(home.devices) == 2 and home.shows(OCCUPIED) == "unavailable")
        assert not [key for key in late.home.entities if ".vega." in key]


# -- settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ('[home_assistant]\nprefix = "home/+"\n', "home_assistant.prefix: found"),
        ('[home_assistant]\nprefix = "/home"\n', 'without "/" at its ends'),
        ("[home_assistant]\ndiscovry = true\n", 'did you mean "discovery"?'),
    ],
)
def test_its_settings_are_checked(tmp_path: Path, site: str, words: str) -> None:
    """A prefix is a topic without wildcards, and a slip of the pen is no setting."""
    with pytest.raises(SettingsError, match=re.escape(words)):
        configuration(tmp_path, site=site)
