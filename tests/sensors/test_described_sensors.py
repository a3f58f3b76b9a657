"""A configured sensor whose device is described: which readings the core is given of a message."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.core.events import Availability, Reading
from gateway.core.policy import Senses
from gateway.sensors import OptionError, Router, SensorSource, build_router, family_named


def router(family: str, topic: str, senses: Senses = "presence", **options: Any) -> Router:
    """A router of one sensor; an option that is no text is given as JSON."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.items()}
    return build_router([SensorSource("orion-1", family, topic, senses, options=texts)])


def told(router: Router, topic: str, message: object) -> list[tuple[str, int]]:
    """Kind and value of each reading."""
    payload = message.encode() if isinstance(message, str) else json.dumps(message).encode()
    decoded = router.decode(topic, payload, retained=False)
    return [(one.kind, one.value) for one in decoded if isinstance(one, Reading)]


def exposed(*names: str, **device: Any) -> Mapping[str, Any]:
    """A device behind Zigbee2MQTT with these flags."""
    features = [
        {"type": "binary", "name": name, "property": name, "access": 1, "value_on": True, "value_off": False}
        for name in names
    ]
    return {"definition": {"vendor": "Contoso", "exposes": features, **device}}


TOPIC = "zigbee2mqtt/orion"


def test_a_described_pir_needs_no_property() -> None:
    """What the device exposes is what counts."""
    pir = router("zigbee2mqtt", TOPIC, "motion", device=exposed("occupancy", description="PIR sensor"))
    assert told(pir, TOPIC, {"occupancy": True, "linkquality": 40}) == [("link", 40), ("motion", 1)]
    assert told(pir, TOPIC, {"temperature": 20}) == [("alive", 1)]


def test_parts_of_a_device_are_one_sensor_that_shows_presence_if_one_does() -> None:
    """Two endpoints of a ceiling sensor: one occupied is occupied."""
    device = exposed("occupancy_alarm_1", "occupancy_alarm_2")
    both = router("zigbee2mqtt", TOPIC, "motion", device=device)
    assert told(both, TOPIC, {"occupancy_alarm_1": False, "occupancy_alarm_2": True}) == [("motion", 1)]
    assert told(both, TOPIC, {"occupancy_alarm_1": False, "occupancy_alarm_2": False}) == [("motion", 0)]
    one = router("zigbee2mqtt", TOPIC, "motion", device=device, property="occupancy_alarm_1")
    assert told(one, TOPIC, {"occupancy_alarm_1": False, "occupancy_alarm_2": True}) == [("motion", 0)]


def test_no_motion_never_becomes_nobody() -> None:
    """A PIR that is configured as presence shows people; that nobody moves says nothing about them."""
    wrong = router("zigbee2mqtt", TOPIC, "presence", device=exposed("occupancy", description="PIR sensor"))
    assert told(wrong, TOPIC, {"occupancy": True}) == [("motion", 1)]
    assert told(wrong, TOPIC, {"occupancy": False}) == [("alive", 1)]


def test_presence_serves_a_sensor_that_is_configured_as_motion() -> None:
    """The stronger word may stand for the weaker."""
    radar = router("zigbee2mqtt", TOPIC, "motion", device=exposed("presence", description="mmWave radar"))
    assert told(radar, TOPIC, {"presence": False}) == [("motion", 0)]


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (exposed("presence", description="Smart fob"), "tag"),
        (exposed("occupancy", description="Thermostat"), "thermostat"),
        (exposed("moving"), "none of its properties"),
        ({"vendor": "Contoso"}, "no exposes"),
    ],
)
def test_a_device_that_cannot_sense_a_room_is_refused_at_the_start(
    device: Mapping[str, Any], why: str
) -> None:
    """Better no sensor than one that is misread for years."""
    with pytest.raises(OptionError, match=rf"orion-1: .*{why}"):
        router("zigbee2mqtt", TOPIC, device=device)


@pytest.mark.parametrize("text", ["{", "[]", "3", "x"])
def test_a_description_that_is_no_object_is_refused(text: str) -> None:
    """The operator is told what the option must hold."""
    with pytest.raises(OptionError, match="device must hold a JSON object"):
        router("lorawan", "up", device=text)


# -- people counters ---------------------------------------------------------------------------------------

UP = "v3/app@tenant/devices/door/up"


def uplink(total_in: int, at: str = "2026-09-22T09:00:00Z") -> dict[str, Any]:
    """A counter's uplink as The Things Stack passes it on."""
    decoded = {"total_in": total_in, "total_out": total_in // 2}
    return {"uplink_message": {"decoded_payload": decoded, "received_at": at}}


def test_a_total_is_told_as_its_rise_and_never_as_people_in_the_room() -> None:
    """The first message is only a beginning; after a reset at midnight nothing is made up."""
    door = router("lorawan", UP, "count")
    totals = [4_353, 4_353, 4_356, 0, 2]
    said = [
        told(door, UP, uplink(total, f"2026-09-22T09:{place:02}:00Z")) for place, total in enumerate(totals)
    ]
    assert said == [[("alive", 1)], [("alive", 1)], [("entries", 3)], [("alive", 1)], [("entries", 2)]]


def test_the_same_message_delivered_twice_tells_the_same_rise() -> None:
    """A message that comes again after a failed commit must not lose the people it counted."""
    door = router("lorawan", UP, "count")
    told(door, UP, uplink(10))
    later = uplink(12, "2026-09-22T09:10:00Z")
    assert told(door, UP, later) == told(door, UP, later) == [("entries", 2)]
    assert told(door, UP, uplink(15, "2026-09-22T09:20:00Z")) == [("entries", 3)]


def test_a_counter_without_a_clock_that_repeats_itself_counts_nobody_twice() -> None:
    """The same total again is no new person, and no message that came again."""
    door = router("people_counter", "push", "count")
    said = [told(door, "push", {"total_in": total, "total_out": 0}) for total in (3, 5, 5, 5, 6)]
    assert said == [[("alive", 1)], [("entries", 2)], [("alive", 1)], [("alive", 1)], [("entries", 1)]]


def test_a_total_that_comes_late_makes_up_nobody() -> None:
    """An uplink that was overtaken by a younger one is neither news nor a new beginning."""
    door = router("lorawan", UP, "count")
    times = [(10, "09:00"), (12, "09:20"), (11, "09:10"), (12, "09:30"), (13, "09:40")]
    said = [told(door, UP, uplink(total, f"2026-09-22T{at}:00Z")) for total, at in times]
    assert said == [[("alive", 1)], [("entries", 2)], [("alive", 1)], [("alive", 1)], [("entries", 1)]]


def test_a_late_uplink_carries_the_time_at_which_the_network_heard_it() -> None:
    """So the core knows that it is no news, and a duplicate by its equal time."""
    source = router("lorawan", UP, "count")
    message = uplink(1, "2026-09-22T07:30:00.123456789Z")
    (reading,) = source.decode(UP, json.dumps(message).encode(), retained=False)
    assert isinstance(reading, Reading)
    assert reading.made_at == 1_790_062_200_123


def test_an_irisys_register_is_what_the_device_says() -> None:
    """Names are the installer's own; without them nothing is believed."""
    log: dict[str, Any] = {
        "Counts": [{"Name": "Door", "Value": 120}, {"Name": "Area", "Value": 4}],
        "Timestamp": "2026-09-22T09:00:00Z",
    }
    counter = router(
        "people_counter", "push", "count", device={"registers": {"Door": "entries", "Area": "count"}}
    )
    assert told(counter, "push", {"CountLogs": [log]}) == [("count", 4)]
    log["Counts"][0]["Value"] = 122
    log["Timestamp"] = "2026-09-22T09:05:00Z"
    assert told(counter, "push", {"CountLogs": [log]}) == [("entries", 2), ("count", 4)]
    assert told(router("people_counter", "push", "count"), "push", {"CountLogs": [log]}) == [("alive", 1)]


# -- other families ----------------------------------------------------------------------------------------


def test_a_switch_is_a_pir_only_where_somebody_says_so() -> None:
    """The same message of a wall switch must not be people."""
    topic = "tele/meeting/SENSOR"
    pir = router("tasmota", topic, "motion", switch="Switch1")
    assert told(pir, topic, {"Switch1": "ON"}) == [("motion", 1)]
    assert told(router("tasmota", topic, "motion"), topic, {"Switch1": "ON"}) == [("alive", 1)]
    out_pin = router("tasmota", topic, "presence", switch="Switch1", switch_senses="presence")
    assert told(out_pin, topic, {"Switch1": "OFF"}) == [("presence", 0)]


@pytest.mark.parametrize(
    ("family", "topic", "availability"),
    [
        ("tasmota", "tele/meeting/SENSOR", "tele/meeting/LWT"),
        ("tasmota", "tasmota_1/stat/SWITCH1", "tasmota_1/tele/LWT"),
        ("shelly", "shellies/motion-1/status", "shellies/motion-1/online"),
        ("shelly", "room-1/events/rpc", "room-1/online"),
        ("shelly", "room-1/status/presencezone:200", "room-1/online"),
        ("esphome", "node/binary_sensor/presence/state", "node/status"),
        ("zigbee2mqtt", "zigbee2mqtt/orion", "zigbee2mqtt/orion/availability"),
    ],
)
def test_a_devices_last_will_is_listened_to_by_itself(family: str, topic: str, availability: str) -> None:
    """Where it is follows from the state's topic."""
    one = router(family, topic)
    assert set(one.topics) == {topic, availability}
    word = {"shelly": "false", "zigbee2mqtt": '{"state":"offline"}'}.get(family, "offline")
    decoded = one.decode(availability, word.encode(), retained=True)
    assert decoded == (Availability("orion-1", online=False),)


def test_a_zone_of_a_room_counts_where_it_is_named() -> None:
    """Sub-zones lie inside the room; the operator may mean one all the same."""
    topic = "room-1/events/rpc"
    message = {"params": {"ts": 1_790_000_000.5, "presencezone:201": {"value": True, "num_objects": 2}}}
    assert told(router("shelly", topic), topic, message) == [("alive", 1)]
    assert told(router("shelly", topic, property="presencezone:201"), topic, message) == [
        ("presence", 1),
        ("count", 2),
    ]


def test_a_sensor_behind_shellys_gateway_is_known_by_its_object_id() -> None:
    """The component's number is arbitrary."""
    topic = "gateway-1/events/rpc"
    message = {"params": {"bthomesensor:211": {"value": True}, "bthomesensor:212": {"value": True}}}
    device = {"bthomesensor:211": {"obj_id": 33}, "bthomesensor:212": {"obj_id": 45}}
    assert told(router("shelly", topic, "motion", device=device), topic, message) == [("motion", 1)]
    with pytest.raises(OptionError, match="obj_id"):
        router("shelly", topic, "motion", property="bthomesensor:211")


def test_a_telegram_of_another_sensor_is_refused() -> None:
    """One stick hears every sensor of the building."""
    telegram = bytes.fromhex("55000A0701EBA59B00FF08051A2B3C0001FFFFFFFF2D00CA")
    own = router("enocean", "serial/stick/051a2b3c", "motion", eep="A5-07-01", sender="051A2B3C")
    assert len(own.decode("serial/stick/051a2b3c", telegram, retained=False)) == 2
    other = router("enocean", "serial/stick/x", "motion", eep="A5-07-01", sender="00000001")
    with pytest.raises(ValueError, match="00000001"):
        other.decode("serial/stick/x", telegram, retained=False)


@pytest.mark.parametrize(
    ("family", "options", "why"),
    [
        ("enocean", {}, "needs the option eep"),
        ("enocean", {"eep": "A5-02-05"}, "needs the option eep"),
        ("enocean", {"eep": "A5-07-01", "sender": "xyz"}, "eight hexadecimal digits"),
        ("homeassistant", {}, "needs the option device"),
        ("homeassistant", {"device": '{"stat_t": "other", "dev_cla": "motion"}'}, "announces nothing"),
        ("esphome", {}, "is not <prefix>"),
        ("tasmota", {"switch_senses": "count"}, "switch_senses"),
        ("shelly", {"property": "relay:0"}, "no presencezone"),
        ("lorawan", {"device": '{"vendor": "nwave"}'}, "parking"),
    ],
)
def test_a_sensor_that_cannot_work_is_refused_at_the_start(
    family: str, options: Mapping[str, Any], why: str
) -> None:
    """The operator is told what is missing, and not by silence."""
    with pytest.raises(OptionError, match=why):
        router(family, "orion", **options)


@pytest.mark.parametrize(
    ("family", "payload"),
    [
        ("chirpstack", {"object": {"people_count": 3}}),
        ("tts", {"decoded_payload": {"people_count": 3}}),
        ("tts", {"uplink_message": {"decoded_payload": {"people_count": 3}}}),
        ("lorawan", {"people_count": 3}),
    ],
)
def test_an_uplink_is_understood_however_much_of_its_envelope_is_left(
    family: str, payload: dict[str, Any]
) -> None:
    """Rules, webhooks and forwarders cut envelopes down to what somebody needed."""
    found = family_named(family)
    assert found is not None
    understood = found.reader(None)("", json.dumps(payload).encode())
    assert [(seen.kind, seen.value) for seen in understood.seen] == [("count", 3)]
