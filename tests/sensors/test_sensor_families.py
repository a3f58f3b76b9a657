"""What every payload family promises, checked over the whole registry."""

from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.events import BridgeState, Reading
from gateway.core.policy import Senses
from gateway.sensors import (
    FAMILIES,
    MAX_PAYLOAD_BYTES,
    Decoded,
    OptionError,
    PayloadError,
    Router,
    SensorSource,
    UnknownTopic,
    build_router,
)

NOW = 1_760_000_000_000
TOPIC = "zigbee2mqtt/orion"
WORKING_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "json": {"path": "occupancy", "battery_path": "battery", "time_path": "at"},
    "zigbee2mqtt": {"property": "occupancy"},
    "homeassistant": {
        "device": '{"stat_t": "zigbee2mqtt/orion", "dev_cla": "occupancy",'
        ' "val_tpl": "{{ value_json.occupancy }}", "pl_on": true, "pl_off": false}'
    },
    "esphome": {"device": '{"stat_t": "zigbee2mqtt/orion", "dev_cla": "motion"}'},
    "tasmota": {"switch": "Switch1"},
    "shelly": {"property": "presencezone:201"},
    "lorawan": {"device": '{"vendor": "elsys", "model": "ers-eye"}'},
    "people_counter": {"device": '{"registers": {"Line 1": "entries"}}'},
    "disruptive": {"property": "motion"},
    "enocean": {"eep": "A5-07-01", "sender": "051A2B3C"},
    "ld2410": {},
    "ld2450": {},
}
SENSES: tuple[Senses, ...] = ("motion", "presence", "count")
WORDED = sorted(name for name, family in FAMILIES.items() if "on" in family.options)
"""Families whose words for on and off are configured."""
BYTES = {"enocean", "ld2410", "ld2450"}
"""Families whose payloads are no text."""


def source(
    family: str, senses: Senses = "presence", *, sensor: str = "orion-1", topic: str = TOPIC, **options: str
) -> SensorSource:
    """A source of that family that works, with options of its own on top."""
    return SensorSource(sensor, family, topic, senses, options={**WORKING_OPTIONS.get(family, {}), **options})


@pytest.fixture(params=[(family, senses) for family in FAMILIES for senses in SENSES], ids="-".join)
def each(request: pytest.FixtureRequest) -> SensorSource:
    """One source per family and sense."""
    family, senses = request.param
    return source(family, senses, availability_topic="orion/status")


def test_the_registry_and_these_tests_know_the_same_families() -> None:
    """A new family is not forgotten here."""
    assert set(FAMILIES) == set(WORKING_OPTIONS)


def test_every_option_is_documented(each: SensorSource) -> None:
    """Each option that a family knows says in a sentence what it is for."""
    assert all(len(text) > 20 for text in FAMILIES[each.family].options.values())


def test_a_router_subscribes_to_exact_topics(each: SensorSource) -> None:
    """What a router wants to hear is what its routes can decode."""
    topics = build_router([each]).topics
    assert TOPIC in topics
    assert "orion/status" in topics
    assert not any("#" in topic or "+" in topic for topic in topics)


def test_an_unknown_option_is_refused_by_name(each: SensorSource) -> None:
    """A misspelt option is an error at the start, not a sensor that stays silent."""
    misspelt = source(each.family, each.senses, pathh="x")
    with pytest.raises(OptionError, match=r"sensor orion-1: .*pathh"):
        build_router([misspelt])


@pytest.mark.parametrize("topic", ["", "orion/#", "+/orion", "orion\0", "x" * 70_000])
def test_a_topic_that_is_not_one_exact_topic_is_refused(each: SensorSource, topic: str) -> None:
    """A wildcard would mix several devices into one sensor."""
    with pytest.raises(OptionError, match="sensor orion-1"):
        build_router([source(each.family, each.senses, topic=topic)])


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    """The error tells what could have been meant."""
    with pytest.raises(OptionError, match=r"orion-1: there is no family 'jason'; .*json.*plain"):
        build_router([SensorSource("orion-1", "jason", TOPIC, "presence")])


def test_availability_on_the_values_own_topic_is_refused(each: SensorSource) -> None:
    """Each message would be unreadable to one of the two."""
    with pytest.raises(OptionError, match="availability_topic"):
        build_router([source(each.family, each.senses, availability_topic=TOPIC)])


@pytest.mark.parametrize("payload", [b"1", b'{"occupancy": true}', b"", b"\xff\xfe"])
def test_a_retained_value_gives_no_reading(each: SensorSource, payload: bytes) -> None:
    """A retained value is history of unknown age, whatever it says."""
    assert tuple(build_router([each]).decode(TOPIC, payload, retained=True)) == ()


@pytest.mark.parametrize("retained", [True, False])
@pytest.mark.parametrize(
    ("payload", "online"),
    [(b"online", True), (b"Offline", False), (b'{"state":"online"}', True), (b'{"state": "offline"}', False)],
)
def test_availability_counts_even_if_retained(
    each: SensorSource, payload: bytes, online: bool, retained: bool
) -> None:
    """Availability topics are meant to be retained; plain words and JSON are both understood."""
    (one,) = build_router([each]).decode("orion/status", payload, retained)
    assert (one.__class__.__name__, getattr(one, "online", None)) == ("Availability", online)


@pytest.mark.parametrize(
    "payload", [b"", b"perhaps", b"{}", b'{"state":1.5}', b"[", b"\xff", b'{"state":null}']
)
def test_availability_in_other_words_is_refused(each: SensorSource, payload: bytes) -> None:
    """An unknown word is neither online nor offline."""
    with pytest.raises(PayloadError) as caught:
        build_router([each]).decode("orion/status", payload, retained=False)
    assert caught.value.sensor == "orion-1"


def test_a_payload_over_the_limit_is_refused_unread(each: SensorSource) -> None:
    """A huge message costs no more than looking at its length."""
    huge = b'{"occupancy":true,"x":"' + b"x" * MAX_PAYLOAD_BYTES + b'"}'
    with pytest.raises(PayloadError, match="at most 65536 bytes"):
        build_router([each]).decode(TOPIC, huge, retained=False)


def test_deep_json_is_refused_like_any_other_noise(each: SensorSource) -> None:
    """Nesting cannot exhaust the stack."""
    deep = b'{"occupancy":' * 9_000
    with pytest.raises(PayloadError):
        build_router([each]).decode(TOPIC, deep, retained=False)
    closed = b'{"occupancy":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    with pytest.raises(PayloadError):
        build_router([each]).decode(TOPIC, closed, retained=False)


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", "1e999", "-1", "10001", "2.5", "9" * 5_000, "9" * 40, '"', '"\xff"'],
)
def test_numbers_that_count_nobody_are_refused(value: str) -> None:
    """Not a number, endless, negative, broken or huge numbers are no count of people."""
    for family in WORDED:
        payload = value if family == "plain" else f'{{"occupancy": {value}}}'
        with pytest.raises(PayloadError):
            build_router([source(family, "count")]).decode(TOPIC, payload.encode("latin-1"), retained=False)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - BYTES))
def test_invalid_utf8_is_refused_wherever_it_stands(family: str) -> None:
    """A message with broken text is not half believed."""
    payload = b"on\xff" if family == "plain" else b'{"note":"\xff","occupancy":true}'
    with pytest.raises(PayloadError, match="UTF-8"):
        build_router([source(family)]).decode(TOPIC, payload, retained=False)


@pytest.mark.parametrize("family", WORDED)
def test_configured_words_replace_the_usual_ones(family: str) -> None:
    """A device that says 2 or 3 for somebody and 0 or 1 for nobody is read by its own words."""
    router = build_router([source(family, on="2, 3", off="0, 1")])

    def value(word: str) -> int:
        payload = word if family == "plain" else f'{{"occupancy": {word}}}'
        (reading,) = router.decode(TOPIC, payload.encode(), retained=False)
        assert isinstance(reading, Reading)
        return reading.value

    assert [value(word) for word in ("0", "1", "2", "3")] == [0, 0, 1, 1]
    with pytest.raises(PayloadError):
        value("4")


@pytest.mark.parametrize("family", WORDED)
def test_an_inverted_sensor_can_be_configured(family: str) -> None:
    """`on = "false"` turns a contact around, for words and for JSON booleans alike."""
    router = build_router([source(family, on="false", off="true")])
    payload = b"false" if family == "plain" else b'{"occupancy":false}'
    (reading,) = router.decode(TOPIC, payload, retained=False)
    assert isinstance(reading, Reading)
    assert reading.value == 1


def test_a_word_for_both_on_and_off_is_refused(each: SensorSource) -> None:
    """Such a configuration has no meaning, and an empty one neither."""
    if each.family not in WORDED:
        return  # such an option is refused by name, as any other
    with pytest.raises(OptionError, match="'busy' is in both"):
        build_router([source(each.family, each.senses, on="busy", off="Busy")])
    with pytest.raises(OptionError, match="names no word"):
        build_router([source(each.family, each.senses, on=" , ")])


# -- noise ----------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["occupancy", "presence", "battery", "at", "last_seen", "linkquality", "tamper", "x"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
ROUTERS: dict[tuple[str, Senses], Router] = {
    (family, senses): build_router([source(family, senses, availability_topic="orion/status")])
    for family in FAMILIES
    for senses in SENSES
}
VALUE_RANGES = {
    "motion": (0, 1),
    "presence": (0, 1),
    "count": (0, 10_000),
    "battery": (0, 100),
    "link": (0, 65_535),
    "tamper": (0, 1),
    "alive": (1, 1),
}


def attempt(router: Router, topic: str, payload: bytes) -> Decoded | PayloadError:
    """What the message says, or why it was refused; anything else that is raised is a failure."""
    try:
        return router.decode(topic, payload, retained=False, now=NOW)
    except PayloadError as error:
        return error


def check_bounded(payload: bytes) -> None:
    """Every family either refuses the payload or says something within its bounds."""
    for (_family, senses), router in ROUTERS.items():
        for topic in (TOPIC, "orion/status"):
            result = attempt(router, topic, payload)
            if isinstance(result, PayloadError):
                assert result.sensor == "orion-1"
                assert len(str(result)) < 300
                continue
            assert 1 <= len(result) <= 4
            for one in result:
                assert not isinstance(one, BridgeState)
                assert one.sensor == "orion-1"
                if isinstance(one, Reading):
                    least, most = VALUE_RANGES[one.kind]
                    assert type(one.value) is int
                    assert least <= one.value <= most
                    # A sign of another kind than the sensor's own counts only as a sign.
                    assert one.kind in {senses, "battery", "link", "tamper", "alive"} or one.shows_presence
                    assert one.made_at is None or 978_307_200_000 <= one.made_at <= NOW + 86_400_000


@given(st.binary(max_size=400))
@example(b"{")
@example(b'{"occupancy":1e400}')
@example(b'"\\ud800"')
@example(b'{"occupancy":"\\ud800"}')
@example(b"9" * 5_000)
@example(b'{"occupancy":' + b"9" * 5_000 + b"}")
@example(b'{"last_seen":' + b"9" * 400 + b',"battery":-0.0}')
@example(b'{"occupancy":true,"last_seen":"0001-01-01T00:00:00+23:59","at":"9999-12-31T23:59:59-23:59"}')
@example(b"\x00")
@example("٣".encode())
def test_any_bytes_are_decoded_or_refused(payload: bytes) -> None:
    """No payload raises anything but PayloadError, and nothing decoded leaves its bounds."""
    check_bounded(payload)


@given(json_values)
def test_any_json_is_decoded_or_refused(value: object) -> None:
    """The same for JSON of every shape with the keys that families look at, NaN and Infinity included."""
    import json  # noqa: PLC0415 - the standard library writes NaN and lone surrogates, which msgspec does not

    check_bounded(json.dumps(value).encode())
    check_bounded(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))


@pytest.mark.parametrize("payload", [b"\x1c0", b"\x1f1", "\u00a01".encode(), "\u0661".encode(), b"on\x1d"])
def test_control_characters_and_foreign_blanks_are_not_trimmed_away(payload: bytes) -> None:
    """Only what devices write around a value (space, tab, line end) is trimmed; anything else is noise."""
    for (family, senses), router in ROUTERS.items():
        if family == "plain":
            assert isinstance(attempt(router, TOPIC, payload), PayloadError), senses


@given(st.binary(max_size=200))
@example(b"\x1c0")
@example(b"ON")
def test_noise_shows_nobody(payload: bytes) -> None:
    """Random bytes are no evidence: a reading needs a documented word, number or key."""
    said = payload.strip().lower()
    for (family, senses), router in ROUTERS.items():
        result = attempt(router, TOPIC, payload)
        if isinstance(result, PayloadError):
            continue
        if family == "plain":
            assert said.isalnum() or said == b"not_detected" or senses == "count"
        elif family == "esphome" and payload.strip() in (b"ON", b"OFF"):
            continue  # its documented words for a binary sensor
        else:
            assert said.startswith((b"{", b"["))
            shown = {one.kind for one in result if isinstance(one, Reading)} & {"motion", "presence", "count"}
            assert not shown or b"occupancy" in said


# -- the router -----------------------------------------------------------------------------------


def test_an_unknown_topic_is_told_apart_from_an_unreadable_payload() -> None:
    """A left-over subscription is no fault of any sensor."""
    with pytest.raises(UnknownTopic, match="lyra"):
        build_router([source("plain")]).decode("lyra", b"on", retained=False)


def test_sensors_can_share_one_topic() -> None:
    """One JSON with several properties feeds several sensors, and one subscription serves them."""
    router = build_router(
        [source("json", sensor=f"orion-{zone}", path=f"zones[{zone}].occupied") for zone in range(3)]
    )
    assert router.topics == (TOPIC,)
    decoded = router.decode(
        TOPIC, b'{"zones":[{"occupied":1},{"occupied":0},{"occupied":true}]}', retained=False
    )
    assert [(one.sensor, one.value) for one in decoded if isinstance(one, Reading)] == [
        ("orion-0", 1),
        ("orion-1", 0),
        ("orion-2", 1),
    ]


def test_a_value_broken_for_one_sensor_does_not_silence_its_neighbours() -> None:
    """The error names the sensor that was not understood and carries what the others said."""
    router = build_router(
        [source("json", sensor="orion-a", path="a"), source("json", sensor="orion-b", path="b")]
    )
    with pytest.raises(PayloadError) as caught:
        router.decode(TOPIC, b'{"a":"perhaps","b":true}', retained=False)
    assert caught.value.sensor == "orion-a"
    assert [(one.sensor, one.value) for one in caught.value.decoded if isinstance(one, Reading)] == [
        ("orion-b", 1)
    ]


def test_a_time_far_ahead_is_refused_where_now_is_known() -> None:
    """A clock that is over a day fast makes the message unbelievable; up to a day is tolerated."""
    router = build_router([source("json")])
    for ahead_ms in (-86_400_000, 0, 86_400_000):
        payload = f'{{"occupancy":true,"at":{NOW + ahead_ms}}}'.encode()
        (reading,) = router.decode(TOPIC, payload, retained=False, now=NOW)
        assert isinstance(reading, Reading)
        assert reading.made_at == NOW + ahead_ms
    payload = f'{{"occupancy":true,"at":{NOW + 86_400_001}}}'.encode()
    with pytest.raises(PayloadError, match="s ahead"):
        router.decode(TOPIC, payload, retained=False, now=NOW)
    assert len(router.decode(TOPIC, payload, retained=False)) == 1
