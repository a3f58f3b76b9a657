"""The families whose payload is the value, or JSON with a path to it."""

import pytest

from gateway.core.events import Reading
from gateway.core.policy import Senses
from gateway.sensors import OptionError, PayloadError, SensorSource, build_router
from gateway.sensors.base import Decoded
from gateway.sensors.json_path import Step, parse_path

AT = 1_732_371_250_000
AT_ISO = "2024-11-23T15:14:10+01:00"


def plain(payload: bytes, senses: Senses = "presence", **options: str) -> Decoded:
    """What a plain sensor's payload says."""
    return build_router([SensorSource("orion-1", "plain", "t", senses, options=options)]).decode(
        "t", payload, retained=False
    )


def from_json(payload: bytes, senses: Senses = "presence", **options: str) -> Decoded:
    """What a JSON sensor's payload says."""
    source = SensorSource("orion-1", "json", "t", senses, options=options)
    return build_router([source]).decode("t", payload, retained=False)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        *[
            (word, 1)
            for word in (b"on", b"ON", b"On", b"oN", b"true", b"1", b" occupied\r\n", b"Detected", b"1.0")
        ],
        *[
            (word, 0)
            for word in (b"off", b"OFF", b"false", b"0", b"vacant", b"clear", b"not_detected", b"0\n")
        ],
    ],
)
@pytest.mark.parametrize("senses", ["motion", "presence"])
def test_usual_words_are_understood_in_any_case(payload: bytes, value: int, senses: Senses) -> None:
    """One reading of the kind that the sensor senses, made by the device."""
    if payload == b"1.0":
        with pytest.raises(PayloadError):
            plain(payload, senses)
        return
    assert plain(payload, senses) == (Reading("orion-1", senses, value),)


@pytest.mark.parametrize(
    "payload", [b"", b"  ", b"2", b"-1", b"occupied!", b"unknown", b"on off", b"x" * 999]
)
def test_other_words_are_refused(payload: bytes) -> None:
    """What is neither on nor off says nothing."""
    with pytest.raises(PayloadError, match="expected"):
        plain(payload)


@pytest.mark.parametrize(
    ("payload", "people"), [(b"0", 0), (b"7", 7), (b" 12 ", 12), (b"3.0", 3), (b"10000", 10_000)]
)
def test_a_plain_number_counts_people(payload: bytes, people: int) -> None:
    """Whole numbers up to ten thousand, also where a device writes 3.0."""
    assert plain(payload, "count") == (Reading("orion-1", "count", people),)


@pytest.mark.parametrize("payload", [b"true", b"on", b"1_0", b"0x10", b"", b"1e9"])
def test_what_is_no_number_counts_nobody(payload: bytes) -> None:
    """Words and numbers in other notations are no count."""
    with pytest.raises(PayloadError):
        plain(payload, "count")


def test_own_words_for_availability() -> None:
    """Tasmota says Online, others anything they like."""
    source = SensorSource(
        "orion-1",
        "plain",
        "t",
        "motion",
        options={"availability_topic": "a", "online": "up", "offline": "down"},
    )
    router = build_router([source])
    assert [
        getattr(one, "online", None)
        for word in (b"UP", b"down")
        for one in router.decode("a", word, retained=True)
    ] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("occupancy", ("occupancy",)),
        ("$.occupancy", ("occupancy",)),
        ("data.occupancy", ("data", "occupancy")),
        ("$.sensors[0].presence", ("sensors", 0, "presence")),
        ("$[2]", (2,)),
        ("[2][3].x", (2, 3, "x")),
        ("StatusSNS.PIR-1", ("StatusSNS", "PIR-1")),
        ("$['in use'].now", ("in use", "now")),
        ('a["b.c"]', ("a", "b.c")),
        ("status.switch:0", ("status", "switch:0")),
    ],
)
def test_paths_are_dotted_or_indexed(text: str, steps: tuple[Step, ...]) -> None:
    """The notations that people write are read as they mean them."""
    assert parse_path(text) == steps


@pytest.mark.parametrize(
    "text", ["", "$", ".", "a..b", "a.", "a[", "a[x]", "a[-1]", "a]b", "[0]a", "a b", "a." * 17 + "a"]
)
def test_paths_that_mean_nothing_are_refused(text: str) -> None:
    """At the start, with the place where reading stopped."""
    with pytest.raises(OptionError, match="path"):
        parse_path(text)


def test_json_needs_a_path() -> None:
    """There is no key that every device uses, so none is guessed."""
    with pytest.raises(OptionError, match="needs the option path"):
        from_json(b"{}")


@pytest.mark.parametrize(
    ("path", "payload", "value"),
    [
        ("data.occupancy", b'{"data":{"occupancy":true}}', 1),
        ("$.sensors[1].presence", b'{"sensors":[{"presence":1},{"presence":"off"}]}', 0),
        ("[0]", b'["occupied"]', 1),
        ("p", b'{"p":1.0}', 1),
        ("p", b'{"q":{"p":true},"p":0}', 0),
    ],
)
def test_the_value_at_the_path_counts(path: str, payload: bytes, value: int) -> None:
    """Booleans, numbers and words are read alike."""
    assert tuple(from_json(payload, path=path)) == (Reading("orion-1", "presence", value),)


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b'{"data":{}}',
        b'{"data":null}',
        b'{"data":{"occupancy":null}}',
        b'{"data":[1]}',
        b'{"data":"x"}',
    ],
)
def test_a_message_without_the_value_is_a_sign_of_life(payload: bytes) -> None:
    """Nothing is known about the room, but the device spoke."""
    assert tuple(from_json(payload, path="data.occupancy")) == (Reading("orion-1", "alive", 1),)


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"7", b"null", b'"occupancy"', b"[1]", b"{'p':1}", b'{"p":1}}', b'{"p":1']
)
def test_what_is_no_json_object_is_refused(payload: bytes) -> None:
    """Noise is not a sign of life, even where it happens to be JSON."""
    with pytest.raises(PayloadError, match="expected"):
        from_json(payload, path="p")


@pytest.mark.parametrize("value", ["2", "-1", '"maybe"', "[]", "{}", "[true]", '{"p":true}', "1.5", '""'])
def test_a_value_that_is_neither_on_nor_off_is_refused(value: str) -> None:
    """A state code that nobody explained is not taken for presence."""
    with pytest.raises(PayloadError, match="word for on or off"):
        from_json(f'{{"p":{value}}}'.encode(), path="p")


@pytest.mark.parametrize("value", ["true", "false", "[]", '"many"', "-1", "0.5"])
def test_a_count_that_is_no_number_is_refused(value: str) -> None:
    """True is not one person."""
    with pytest.raises(PayloadError, match="number of people"):
        from_json(f'{{"p":{value}}}'.encode(), "count", path="p")


def test_counts_may_be_written_as_text() -> None:
    """Some devices write their numbers as strings."""
    assert tuple(from_json(b'{"p":"4"}', "count", path="p")) == (Reading("orion-1", "count", 4),)


@pytest.mark.parametrize(
    ("written", "made_at"),
    [
        (f'"{AT_ISO}"', AT),
        ('"2024-11-23T14:14:10Z"', AT),
        ('"2024-11-23T14:14:10.250Z"', AT + 250),
        (str(AT), AT),
        (str(AT // 1_000), AT),
        (f"{AT / 1_000 + 0.25}", AT + 250),
        (f'"{AT}"', AT),
        ('"2024-11-23T15:14:10"', None),  # no offset: whose quarter past three?
        ("0", None),  # a device that has lost its clock
        ('"1970-01-01T00:00:12Z"', None),
        ("946684800", None),  # 2000-01-01
        ("4294967295000000", None),
        ("-5", None),
        ("true", None),
        ("[1]", None),
        ('"yesterday"', None),
        ("null", None),
    ],
)
def test_times_are_read_or_left_out(written: str, made_at: int | None) -> None:
    """An odd clock does not make the presence untrue: the reading stays, without the time."""
    payload = f'{{"p":true,"at":{written}}}'.encode()
    assert tuple(from_json(payload, path="p", time_path="at")) == (
        Reading("orion-1", "presence", 1, made_at=made_at),
    )


@pytest.mark.parametrize(
    ("written", "battery"),
    [
        ("87", 87),
        ("86.6", 87),
        ('"55"', 55),
        ("0", 0),
        ("101", None),
        ("-1", None),
        ("true", None),
        ('"low"', None),
    ],
)
def test_battery_levels_are_read_or_left_out(written: str, battery: int | None) -> None:
    """The same for a battery level: a percentage, or nothing."""
    readings = from_json(f'{{"p":false,"b":{written}}}'.encode(), path="p", battery_path="b")
    assert [one.value for one in readings if isinstance(one, Reading) and one.kind == "battery"] == (
        [] if battery is None else [battery]
    )
    assert len(readings) == (1 if battery is None else 2)


def test_a_message_with_only_a_battery_level_is_no_extra_sign_of_life() -> None:
    """The battery reading is one already."""
    assert tuple(from_json(b'{"b":50}', path="p", battery_path="b")) == (Reading("orion-1", "battery", 50),)
