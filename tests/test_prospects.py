"""What a room can be expected to give back agrees with the core's rules and with the reference's model."""

import json
import re
from pathlib import Path

import pytest

from gateway.core.policy import Policy, RoomConfig, SensorProfile
from gateway.core.units import MINUTE_MS
from gateway.exchange.rehearsal.record import Record, save
from gateway.prospects import Prospect, check_report, prospect, render_check
from gateway.settings import parse

SHARES = ("isolated_30", "isolated_60", "back_to_back_30", "back_to_back_60")


def radar(heartbeat_min: float | None = 1, **more: object) -> SensorProfile:
    """A radar in the room orion."""
    return _sensor("orion-radar", "presence", heartbeat_min, hold_ms=1 * MINUTE_MS, **more)


def pir(heartbeat_min: float | None = 1, **more: object) -> SensorProfile:
    """A PIR in the room orion, with the holds of the design."""
    return _sensor("orion-pir", "motion", heartbeat_min, **more)


def counter(heartbeat_min: float | None = 10, **more: object) -> SensorProfile:
    """A people counter in the room orion that reports periodically."""
    more = {"latency_ms": 10 * MINUTE_MS} | more
    return _sensor("orion-counter", "count", heartbeat_min, hold_ms=2 * MINUTE_MS, **more)


def _sensor(name: str, senses: str, heartbeat_min: float | None, **more: object) -> SensorProfile:
    heartbeat = None if heartbeat_min is None else round(heartbeat_min * MINUTE_MS)
    return SensorProfile(**{"id": name, "senses": senses, "heartbeat_ms": heartbeat} | more)  # type: ignore[arg-type]  # values of several types


def expect(*sensors: SensorProfile, policy: Policy = Policy(), exempt: bool = False) -> Prospect:  # noqa: B008 - a frozen value
    """The prospect of the room orion with these sensors."""
    return prospect(RoomConfig("orion", exempt=exempt, policy=policy, sensors=sensors))


@pytest.mark.parametrize(
    ("sensors", "shares", "delay_min"),
    [
        ((pir(60, bridge="zigbee2mqtt"),), (14, 47, 6, 32), None),
        ((pir(60), pir(60, id="orion-pir-2")), (24, 66, 9, 46), 30),
        ((pir(1),), (98, 99, None, 81), 10),
        ((radar(1),), (99, 99, 86, 90), 10),
        ((pir(1), radar(1)), (95, 98, 81, 88), 10),
        ((counter(10),), (74, 89, 33, None), None),
        ((pir(5),), (85, 94, None, 77), None),
    ],
    ids=["hourly PIR", "two hourly PIRs", "PIR", "radar", "PIR and radar", "counter", "slow PIR"],
)
def test_shares_agree_with_the_simulated_bookings_of_the_reference(
    sensors: tuple[SensorProfile, ...], shares: tuple[int | None, ...], delay_min: int | None
) -> None:
    """Within ten points of 145,800 simulated bookings (shared reference on sensors, section 8).

    None: where that model and this one differ in how people leave the meeting before (PIRs between
    half-hour neighbours, counters between hours); and the reference gives medians of what was released.
    """
    found = expect(*sensors)
    for case, share in zip(SHARES, shares, strict=True):
        if share is not None:
            assert found.expected_share[case] * 100 == pytest.approx(share, abs=10), case  # type: ignore[index]  # a case's name
    if delay_min is not None:
        assert (found.typical_release_delay_ms or 0) / MINUTE_MS == pytest.approx(delay_min, abs=1)


def test_sensors_rank_as_the_design_says() -> None:
    """PIRs give back few half-hour ghosts between neighbours, a radar nearly all, an hourly PIR none."""
    between = {
        "hourly": expect(pir(60)).expected_share["back_to_back_30"],
        "pir": expect(pir(1)).expected_share["back_to_back_30"],
        "both": expect(pir(1), radar(1)).expected_share["back_to_back_30"],
        "radar": expect(radar(1)).expected_share["back_to_back_30"],
    }
    assert between["hourly"] < 0.1 < between["pir"] < 0.5 < between["both"] < between["radar"]


def test_a_radar_with_a_minute_heartbeat_is_half_a_minute_late_on_average() -> None:
    """The proof comes with the heartbeat: typically half of it, at worst all of it after the grace."""
    found = expect(radar(1))
    assert found.can_prove
    assert found.provers == ("orion-radar",)
    assert found.effective_grace_ms == 10 * MINUTE_MS
    assert found.typical_release_delay_ms == 10.5 * MINUTE_MS
    assert found.worst_release_delay_ms == 11 * MINUTE_MS
    assert found.too_short_below_ms == 20 * MINUTE_MS
    assert (
        found.why
        == "radar orion-radar proves vacancy; a ghost would be released about 10 min after its start."
    )


def test_of_several_sensors_that_must_prove_it_the_last_word_counts() -> None:
    """The expected maximum of two even waits of 6 min is 4 min."""
    found = expect(radar(6), pir(6))
    assert found.typical_release_delay_ms == pytest.approx(14 * MINUTE_MS, abs=1_000)
    assert found.worst_release_delay_ms == 16 * MINUTE_MS


def test_a_slow_helper_beside_a_quick_prover_delays_nothing() -> None:
    """Only sensors whose heartbeat fits into the grace must prove it."""
    found = expect(radar(1), pir(60))
    assert found.provers == ("orion-radar",)
    assert found.typical_release_delay_ms == expect(radar(1)).typical_release_delay_ms


def test_of_several_slow_sensors_the_first_word_counts() -> None:
    """If none fits into the grace, at least one must have spoken: the smaller of two waits, a third."""
    found = expect(pir(60), pir(60, id="orion-pir-2"))
    assert found.typical_release_delay_ms == pytest.approx(30 * MINUTE_MS, abs=5_000)
    assert found.worst_release_delay_ms == 70 * MINUTE_MS
    assert found.provers == ("orion-pir", "orion-pir-2")
    assert expect(pir(60), pir(120, id="orion-pir-2")).worst_release_delay_ms == 70 * MINUTE_MS


def test_too_little_left_is_not_released() -> None:
    """An even wait W up to 60 min frees 30 - 10 - W min only up to W = 10: 150 / 60 / 20 of the time."""
    assert expect(pir(60)).expected_share["isolated_30"] == pytest.approx(0.125, abs=0.005)


def test_an_hourly_pir_is_said_to_be_too_late() -> None:
    """Facilities staff learn before going live that such a room disappoints, and what would help."""
    assert expect(pir(60)).why == (
        "Only PIR orion-pir, which may speak only every 1h: a ghost would be released about 40 min after its "
        "start, which is often too late for half-hour bookings; add a radar."
    )


def test_a_pir_alone_is_said_to_be_weak_between_neighbours() -> None:
    """Its long hold after the meeting before eats a half-hour booking."""
    assert expect(pir(1)).why.endswith(
        "Half-hour bookings right after another meeting are rarely given back; a radar would do better."
    )


@pytest.mark.parametrize(
    ("sensors", "why"),
    [
        ((), "It has no sensor, so nothing can be released; add a radar."),
        ((radar(in_service=False),), "None of its sensors is in service, so nothing can be released."),
        (
            (pir(role="door"), pir(role="seat", id="orion-seat")),
            "Its sensors watch only a door or a seat, so none can show that the room is empty; add a radar.",
        ),
        (
            (pir(None), radar(role="seat")),
            (
                "PIR orion-pir never speaks when nothing happens, so silence proves nothing and nothing can "
                "be released; set a heartbeat if there is one, or add a radar."
            ),
        ),
    ],
)
def test_a_room_that_can_never_release_says_why(sensors: tuple[SensorProfile, ...], why: str) -> None:
    """Without a prover there is no delay and no share, only a reason."""
    found = expect(*sensors)
    assert not found.can_prove
    assert found.provers == ()
    assert found.typical_release_delay_ms is None
    assert found.worst_release_delay_ms is None
    assert set(found.expected_share.values()) == {0.0}
    assert found.why == why


def test_a_lone_sensor_with_unnoticed_losses_waits_ten_minutes() -> None:
    """The grace is lengthened as in the core, and the reason given."""
    short = Policy(grace_ms=5 * MINUTE_MS)
    lone = expect(radar(1), policy=short)
    assert lone.effective_grace_ms == 10 * MINUTE_MS
    assert "Its grace is 10 min instead of 5 min: radar orion-radar alone would not notice" in lone.why
    assert expect(radar(1, loss_detectable=True), policy=short).effective_grace_ms == 5 * MINUTE_MS
    assert expect(radar(1), pir(1), policy=short).effective_grace_ms == 5 * MINUTE_MS
    assert expect(radar(1, unit="u"), pir(1, unit="u"), policy=short).effective_grace_ms == 10 * MINUTE_MS


def test_a_sensor_that_reports_late_lengthens_the_grace() -> None:
    """People may sit there for as long before it is known; half-hour bookings are then too short."""
    found = expect(counter(15, latency_ms=25 * MINUTE_MS))
    assert found.effective_grace_ms == 25 * MINUTE_MS
    assert found.too_short_below_ms == 35 * MINUTE_MS
    assert found.expected_share["isolated_30"] == 0.0
    assert (
        "Its grace is 25 min instead of 10 min: counter orion-counter may report people that late."
        in found.why
    )
    assert found.why.endswith("Bookings under 35 min are never released.")


def test_an_exempt_room_gives_nothing_back_and_says_so() -> None:
    """Its sensors could prove vacancy all the same."""
    found = expect(radar(1), exempt=True)
    assert found.can_prove
    assert set(found.expected_share.values()) == {0.0}
    assert found.why.startswith("It is exempt, so nothing is released here.")


def test_bookings_that_a_policy_leaves_alone_are_not_expected_back() -> None:
    """Longer than exempt_longer_than: never."""
    share = expect(radar(1), policy=Policy(exempt_longer_than_ms=45 * MINUTE_MS)).expected_share
    assert share["isolated_30"] > 0.9
    assert share["isolated_60"] == share["back_to_back_60"] == 0.0


def test_a_longer_hold_or_device_hold_never_helps() -> None:
    """What keeps the room occupied after a meeting only takes from the next one."""
    base = expect(pir(1)).expected_share["back_to_back_60"]
    assert expect(pir(1, hold_ms=15 * MINUTE_MS)).expected_share["back_to_back_60"] < base
    assert expect(pir(1, device_hold_ms=5 * MINUTE_MS)).expected_share["back_to_back_60"] < base
    assert (
        expect(pir(1, device_hold_ms=5 * MINUTE_MS, says_clear=False)).expected_share["back_to_back_60"]
        == base
    )


CONFIG = """\
[site]
name = "Contoso Riverside"
time_zone = "Europe/Berlin"
[mqtt]
host = "broker.contoso.com"
[exchange]
tenant_id = "contoso.onmicrosoft.com"
client_id = "gateway"
client_secret_file = "${CREDENTIALS_DIRECTORY}/graph"
[[room]]
id = "orion"
mailbox = "orion@contoso.com"
mode = "live"
[[room.sensor]]
id = "orion-radar"
family = "plain"
topic = "office/orion/radar"
senses = "presence"
heartbeat = "1m"
[[room]]
id = "lyra"
mailbox = "lyra@contoso.com"
"""


CHECK = """\
Contoso Riverside: 2 rooms, 1 sensor
orion (live): radar orion-radar proves vacancy; a ghost would be released about 10 min after its start.
  expected back of ghosts of 30 and 60 min: 98 % and 99 % in a room empty before, \
88 % and 95 % right after a meeting
lyra (shadow): It has no sensor, so nothing can be released; add a radar.
warning: gateway.toml:9: exchange.client_secret_file: not looked at: \
${CREDENTIALS_DIRECTORY} is set only where systemd sets it
warning: gateway.toml:20: room[1]: "lyra" has no [[room.sensor]], so nothing is known about it
warning: gateway.toml: rooms are live, or may go live by themselves. Nobody has rehearsed with this tenant \
yet how Exchange behaves. Rehearse first: \
occupancy-gateway exchange rehearse --room TEST-ROOM --organizer TEST-MAILBOX
"""


def test_the_check_speaks_of_every_room_and_every_warning() -> None:
    """The lines that people read before they go live."""
    assert render_check(check_report(parse(CONFIG, environ={}))) == CHECK.splitlines()


def test_the_check_is_fit_for_programs() -> None:
    """The same as JSON, durations in ms."""
    report = json.loads(json.dumps(check_report(parse(CONFIG, environ={}))))
    orion, lyra = report["rooms"]
    assert (orion["room"], orion["mode"], orion["can_prove"]) == ("orion", "live", True)
    assert orion["typical_release_delay_ms"] == 630_000
    assert orion["expected_share"]["isolated_30"] == pytest.approx(0.975)
    assert lyra["typical_release_delay_ms"] is None
    assert len(report["warnings"]) == 3


def test_the_check_asks_for_a_rehearsal_where_rooms_go_live(tmp_path: Path) -> None:
    """By the file or by their own record; not in shadow, not on a simulator, not after a good rehearsal."""
    (tmp_path / "graph").write_text("invented")
    text = '[ledger]\npath = "ledger.db"\n' + CONFIG.replace("${CREDENTIALS_DIRECTORY}/", "")

    def asked(text: str) -> bool:
        report = check_report(parse(text, base=tmp_path, environ={}))
        return any("rehearse" in warning for warning in report["warnings"])

    shadow = text.replace('mode = "live"', "")
    assert asked(text)
    assert not asked(shadow)
    assert asked(shadow + "[policy.default]\nlive_after = 30\n")
    assert not asked(text.replace("[exchange]", '[exchange]\nbase_url = "http://127.0.0.1:8080/v1.0"'))
    record = Record(
        at="2026-09-22T09:00:00+00:00",
        tenant_id="Contoso.onmicrosoft.com",
        gateway_version="1",
        room="test@contoso.com",
        organizer="tester@contoso.com",
        complete=True,
        answers=(),
    )
    save(parse(text, base=tmp_path, environ={}).rehearsal_file, record)
    assert not asked(text)


def test_the_check_tells_when_the_credential_ends(tmp_path: Path) -> None:
    """From its files alone: far away it is a line, near it is a warning, and a broken file is one too."""
    secret = tmp_path / "graph"
    secret.write_text("invented")

    def told(extra: str) -> list[str]:
        text = CONFIG.replace('"${CREDENTIALS_DIRECTORY}/graph"', f'"graph"\n{extra}')
        lines = render_check(check_report(parse(text, base=tmp_path, environ={})))
        return [line for line in lines if "exchange: " in line]

    assert told("") == []
    (far,) = told("secret_expires = 2999-01-31")
    assert re.fullmatch(r"exchange: the secret for Exchange ends in \d+ days \(2999-01-31\)", far)
    (near,) = told("secret_expires = 2020-01-31")
    assert near.startswith(
        "warning: exchange: the secret for Exchange has ended on 2020-01-31: create a new one"
    )
    secret.write_text("")
    assert told("") == [
        f"warning: exchange: {secret}: expected a client secret in its first line, found none"
    ]
