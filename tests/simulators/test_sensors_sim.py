"""Simulated devices against the ground truth, and against the gateway's own decoders and settings."""

import itertools
import json
from collections.abc import Sequence

import pytest

from gateway.core.events import Availability, BridgeState, Reading
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS
from gateway.durations import parse_duration
from gateway.sensors import SensorSource, build_router
from gateway.settings_sections import SensorSettings
from simulators.people import Activity, Behaviour, Stay, plan_day, stays, stream
from simulators.sensors import (
    LONGEST_LIVELY_MS,
    LONGEST_QUIET_MS,
    CounterPeriodic,
    Device,
    Emission,
    PirEsphome,
    PirZigbee,
    RadarEsphome,
    ZigbeeBridge,
    gap_ms,
    motion_hits,
    on_spans,
)

START = 1_795_420_800_000
END = START + 10 * HOUR_MS
DEVICES: tuple[Device, ...] = (
    RadarEsphome(name="orion-radar", seed=7),
    PirEsphome(name="orion-pir", seed=7),
    PirZigbee(name="orion-motion", seed=7),
    CounterPeriodic(name="orion-counter", seed=7),
)
every_device = pytest.mark.parametrize("device", DEVICES, ids=lambda device: type(device).__name__)


def day(seed: int = 7) -> tuple[Stay, ...]:
    """When people are in a room on a planned day."""
    return stays(plan_day("orion", START, END, Behaviour(), stream(seed, "day")).visits)


def states(device: Device, inside: Sequence[Stay], end: int = END) -> list[Emission]:
    """The messages on the device's own topic."""
    return [sent for sent in device.messages(inside, START, end) if sent.topic == device.topic]


def spans_of(sent: Sequence[Emission], on: bytes = b"ON") -> list[tuple[int, int]]:
    """From when until when a stream of states says `on`."""
    spans: list[tuple[int, int]] = []
    since: int | None = None
    for message in sent:
        if message.payload == on:
            since = message.t if since is None else since
        elif since is not None:
            spans.append((since, message.t))
            since = None
    return spans if since is None else [*spans, (since, END)]


@every_device
def test_the_same_seed_gives_the_same_bytes(device: Device) -> None:
    """A stream follows from seed, name and truth; it can be made again and again."""
    inside = day()
    assert list(device.messages(inside, START, END)) == list(device.messages(inside, START, END))


@every_device
def test_messages_come_in_order_of_time_and_within_it(device: Device) -> None:
    """Nothing before it is switched on, nothing at or after the end."""
    for seed in range(20):
        sent = list(device.messages(day(seed), START, END))
        assert [m.t for m in sent] == sorted(m.t for m in sent)
        assert sent[0].t >= START
        assert sent[-1].t < END


@every_device
def test_heartbeats_are_never_late(device: Device) -> None:
    """From switching on to the end no silence is longer than the heartbeat that the profile names."""
    heartbeat = device.profile().heartbeat_ms
    assert heartbeat is not None
    for inside in ((), *(day(seed) for seed in range(20))):
        times = [START + SECOND_MS, *(m.t for m in states(device, inside)), END]
        silences = [after - before for before, after in itertools.pairwise(times)]
        assert max(silences) <= heartbeat + SECOND_MS
    if isinstance(device, PirZigbee):
        assert max(silences) > 50 * MINUTE_MS - SECOND_MS


@every_device
def test_the_gateway_understands_every_message(device: Device) -> None:
    """Each message decodes by the family and options that the device names for itself."""
    router = build_router([SensorSource(**device.source())])
    seen: set[str] = set()
    for message in itertools.chain(ZigbeeBridge().messages(START), device.messages(day(), START, END)):
        if message.topic.endswith("bridge/state") and not isinstance(device, PirZigbee):
            continue
        decoded = router.decode(message.topic, message.payload, retained=False)
        assert decoded, message
        for reading in decoded:
            seen.add(reading.kind if isinstance(reading, Reading) else type(reading).__name__)
            if isinstance(reading, Availability | BridgeState):
                assert reading.online
    assert device.profile().senses in seen


@every_device
def test_the_gateways_settings_accept_the_device(device: Device) -> None:
    """The table that a device writes for a configuration says the same as its profile."""
    settings = SensorSettings.model_validate(device.settings())
    profile = device.profile()
    assert settings.id == profile.id
    assert settings.senses == profile.senses
    assert settings.hold == profile.hold_ms
    assert settings.heartbeat == profile.heartbeat_ms
    assert settings.latency == profile.latency_ms
    assert settings.device_hold == profile.device_hold_ms
    assert settings.at_qos1 == profile.at_qos1
    assert settings.bridge == profile.bridge
    assert settings.options == device.options()
    assert parse_duration(device.settings()["hold"]) == profile.hold_ms


def test_a_radar_is_never_silent_about_people_inside() -> None:
    """From 2 s after somebody entered until the last one left, its state is ON."""
    for seed in range(40):
        radar = RadarEsphome(name="orion-radar", seed=seed)
        inside = list(on_spans((stay.enter, stay.leave) for stay in day(seed)))
        shown = spans_of(states(radar, day(seed)))
        for enter, leave in inside:
            begin, until = max(enter + 2 * SECOND_MS, START + 2 * SECOND_MS), min(leave, END)
            assert begin >= until or any(on <= begin and off >= until for on, off in shown)


def test_a_radar_clears_after_its_own_time_out_and_shows_nobody_else() -> None:
    """ON means that somebody was inside at most the time-out ago."""
    radar = RadarEsphome(name="orion-radar", seed=3, clears_after_ms=25 * SECOND_MS)
    stay = Stay(START + HOUR_MS, START + 2 * HOUR_MS, 2, "lively")
    [(on, off)] = spans_of(states(radar, [stay]))
    assert stay.enter < on <= stay.enter + SECOND_MS
    assert off == stay.leave + 25 * SECOND_MS


@every_device
def test_an_empty_room_never_shows_anybody(device: Device) -> None:
    """Without people no message of any device shows presence, as the gateway reads it."""
    router = build_router([SensorSource(**device.source())])
    read = [router.decode(m.topic, m.payload, retained=False) for m in states(device, ())]
    assert read
    assert not any(r.shows_presence for decoded in read for r in decoded if isinstance(r, Reading))


def test_a_pir_sees_every_coming_and_going() -> None:
    """Movement is seen within a second of entering and in the second before leaving."""
    stay = Stay(START + HOUR_MS, START + 2 * HOUR_MS, 1, "quiet")
    for seed in range(20):
        hits = list(motion_hits([stay], stream(seed)))
        assert hits == sorted(set(hits))
        assert stay.enter < hits[0] <= stay.enter + SECOND_MS
        assert stay.leave - SECOND_MS <= hits[-1] < stay.leave


def test_a_visit_of_a_moment_is_seen_once_inside_it() -> None:
    """Even who only looks in gives hits within the visit, none after it."""
    for length in (1, 50, 1_000):
        for seed in range(20):
            hits = list(motion_hits([Stay(START, START + length, 1, "lively")], stream(seed)))
            assert hits
            assert all(START <= hit < START + length for hit in hits)


@pytest.mark.parametrize(
    ("activity", "longest"), [("quiet", LONGEST_QUIET_MS), ("lively", LONGEST_LIVELY_MS)]
)
def test_no_gap_is_longer_than_was_ever_measured(activity: Activity, longest: int) -> None:
    """The longest gap of a well placed PIR was 490 s; among lively people two minutes."""
    rng = stream(1, "gaps")
    gaps = [gap_ms(activity, rng) for _ in range(50_000)]
    assert min(gaps) >= SECOND_MS
    assert 0.9 * longest < max(gaps) <= longest


def test_quiet_gaps_resemble_the_recording() -> None:
    """False vacancies per occupied hour by hold: about 16.8 at 1 min, 0.79 at 5, none at 490 s."""
    rng = stream(2, "gaps")
    gaps = [gap_ms("quiet", rng) for _ in range(100_000)]
    hours = sum(gaps) / HOUR_MS
    per_hour = {minutes: sum(gap > minutes * MINUTE_MS for gap in gaps) / hours for minutes in (1, 5)}
    assert per_hour[1] == pytest.approx(16.8, rel=0.05)
    assert per_hour[5] == pytest.approx(0.79, rel=0.15)
    assert not any(gap > 490 * SECOND_MS for gap in gaps)


def test_a_pir_on_esphome_holds_for_its_own_time_after_the_last_movement() -> None:
    """Each ON lasts from a hit to the hold after the last one before it clears."""
    pir = PirEsphome(name="orion-pir", seed=5)
    stay = Stay(START + HOUR_MS, START + 2 * HOUR_MS, 1, "quiet")
    hits = set(motion_hits([stay], stream(5, "orion-pir", "motion")))
    for on, off in spans_of(states(pir, [stay])):
        assert on in hits
        assert off - pir.device_hold_ms in hits
        assert not any(off < hit <= off + 1 for hit in hits)


def test_an_esphome_node_says_that_it_is_online_before_anything_else() -> None:
    """Availability is retained, as a will's counterpart must be."""
    for device in DEVICES[:2]:
        first = next(device.messages((), START, END))
        assert (first.topic, first.payload, first.retain) == (f"{device.name}/status", b"online", True)


def test_a_zigbee_pir_looks_like_zigbee2mqtt() -> None:
    """JSON with battery, link quality and the time of making; availability and bridge beside it."""
    pir = PirZigbee(name="orion-motion", seed=7, base="z2m")
    sent = list(pir.messages(day(), START, END))
    assert sent[0].topic == "z2m/orion-motion/availability"
    assert (sent[0].payload, sent[0].retain) == (b'{"state":"online"}', True)
    state = json.loads(sent[1].payload)
    assert set(state) == {"battery", "last_seen", "linkquality", "occupancy"}
    assert state["last_seen"].endswith("Z")
    [bridge] = ZigbeeBridge(base="z2m").messages(START)
    assert (bridge.topic, bridge.retain) == ("z2m/bridge/state", True)
    router = build_router([SensorSource(**pir.source())])
    for message in sent[1:]:
        reading = router.decode(message.topic, message.payload, retained=False)[0]
        assert isinstance(reading, Reading)
        assert reading.made_at == message.t


def test_a_zigbee_pir_clears_only_after_its_own_hold() -> None:
    """Between going on and clearing there are at least 60 to 120 s: its own hold."""
    pir = PirZigbee(name="orion-motion", seed=7, device_hold_ms=75 * SECOND_MS)
    since = None
    cleared = 0
    for message in states(pir, day()):
        occupancy = json.loads(message.payload)["occupancy"]
        if occupancy:
            since = message.t if since is None else since
        elif since is not None:
            cleared += 1
            assert message.t - since >= 75 * SECOND_MS
            since = None
    assert cleared > 0


def test_a_counter_says_how_many_people_are_inside() -> None:
    """Each report is the truth of its own moment, ten minutes after the one before."""
    counter = CounterPeriodic(name="orion-counter", seed=7)
    sent = states(counter, day())
    assert {after.t - before.t for before, after in itertools.pairwise(sent)} == {10 * MINUTE_MS}
    for message in sent:
        inside = sum(stay.people for stay in day() if stay.enter <= message.t < stay.leave)
        assert json.loads(message.payload)["count"] == inside
    assert any(json.loads(message.payload)["count"] for message in sent)


def test_a_device_that_is_switched_on_late_tells_what_holds_then() -> None:
    """Somebody is inside already when the radar boots: its first state says so."""
    stay = Stay(START - HOUR_MS, START + HOUR_MS, 2, "lively")
    first = states(RadarEsphome(name="orion-radar"), [stay])[0]
    assert first.t <= START + SECOND_MS
    assert first.payload == b"ON"
