"""Recording from a broker and replaying into one."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from simulators.broker import EmbeddedBroker, MosquittoBroker, TlsFiles, mosquitto_available
from simulators.mqtt_tools import (
    BrokerAddress,
    BrokerRefusedError,
    RecordedMessage,
    RecordingError,
    read_recording,
    record,
    replay,
)

LIMIT_S = 20


@pytest.fixture
async def address() -> AsyncIterator[BrokerAddress]:
    """A running embedded broker."""
    async with EmbeddedBroker() as broker:
        yield BrokerAddress(host=broker.host, port=broker.port)


def lines(file: Path) -> list[dict[str, object]]:
    """The lines of a recording, parsed by another library than the one that wrote them."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write(file: Path, *messages: dict[str, object]) -> Path:
    """A hand-made recording."""
    file.write_text("".join(json.dumps(message) + "\n" for message in messages), encoding="utf-8")
    return file


@contextlib.asynccontextmanager
async def recording(address: BrokerAddress, file: Path, limit: int) -> AsyncIterator[list[int]]:
    """Record while the body runs, until `limit` messages came; yields the progress."""
    ready, progress, times = asyncio.Event(), list[int](), iter(range(1_000, 10_000))
    async with asyncio.timeout(LIMIT_S):
        task = asyncio.create_task(
            record(
                address,
                ["office/#"],
                file,
                limit=limit,
                ready=ready.set,
                progress=progress.append,
                now_ms=lambda: next(times),
            )
        )
        await ready.wait()
        yield progress
        assert await task == limit


async def test_a_recording_holds_what_was_published(address: BrokerAddress, tmp_path: Path) -> None:
    """Time, topic, text or bytes, retained flag and QoS, in the order in which they came."""
    file = tmp_path / "morning.jsonl"
    async with aiomqtt.Client(address.host, address.port) as client:
        await client.publish("office/orion/state", "on", qos=1, retain=True)
        async with recording(address, file, 3):
            await client.publish("office/lyra", '{"presence":true}', qos=1)
            await client.publish("office/lyra", b"\xff\x00", qos=1)
    assert lines(file) == [
        {"t": 1000, "topic": "office/orion/state", "payload": "on", "retained": True, "qos": 1},
        {"t": 1001, "topic": "office/lyra", "payload": '{"presence":true}', "retained": False, "qos": 1},
        {"t": 1002, "topic": "office/lyra", "payload": {"base64": "/wA="}, "retained": False, "qos": 1},
    ]


async def test_a_replay_of_a_recording_records_the_same(address: BrokerAddress, tmp_path: Path) -> None:
    """What went out of one file comes into the next."""
    numbered = (
        {"t": 1_000 + n, "topic": f"office/{n % 7}", "payload": str(n), "retained": False, "qos": 1}
        for n in range(150)
    )
    binary = {"t": 1150, "topic": "office/bytes", "payload": {"base64": "gICA"}, "retained": False, "qos": 1}
    source = write(tmp_path / "in.jsonl", *numbered, binary)
    copy, sent = tmp_path / "out.jsonl", list[int]()
    async with recording(address, copy, 151) as recorded:
        assert await replay(source, address, speed=None, progress=sent.append) == 151
    assert lines(copy) == lines(source)
    assert sent == [100, 151]
    assert recorded == [100, 151]


async def test_a_replay_keeps_the_recorded_pace_times_speed(address: BrokerAddress, tmp_path: Path) -> None:
    """An hour at sixty times the speed takes a minute; a clock that went back makes nobody wait."""
    messages = ({"t": 1_000_000 + s * 1_000, "topic": "x", "payload": "on"} for s in (0, 600, 3_600, -5))
    source = write(tmp_path / "in.jsonl", *messages)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    assert await replay(source, address, speed=60, sleep=sleep) == 4
    assert waits == pytest.approx([10, 60], abs=1)


async def test_a_replay_can_leave_out_the_retained_flag(address: BrokerAddress, tmp_path: Path) -> None:
    """By default what was retained is retained again."""
    source = write(
        tmp_path / "in.jsonl", {"t": 1, "topic": "office/a", "payload": "on", "retained": True, "qos": 1}
    )
    await replay(source, address, keep_retained=False)
    file = tmp_path / "out.jsonl"
    assert await record(address, ["office/#"], file, duration_s=0.2) == 0
    await replay(source, address)
    async with asyncio.timeout(LIMIT_S):
        assert await record(address, ["office/#"], file, limit=1) == 1
    assert lines(file)[0]["retained"] is True


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
async def test_a_speed_must_be_above_zero(tmp_path: Path, speed: float) -> None:
    """Anything else would wait forever or not at all."""
    with pytest.raises(ValueError, match="speed must be above 0"):
        await replay(tmp_path / "any", BrokerAddress(host="127.0.0.1"), speed=speed)


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "[]",
        '{"t":1}',
        '{"t":"1","topic":"a","payload":""}',
        '{"t":1,"topic":"a","payload":7}',
        '{"t":1,"topic":"a/#","payload":""}',
        '{"t":1,"topic":"","payload":""}',
        '{"t":1,"topic":"a","payload":"","qos":3}',
        '{"t":1,"topic":"a","payload":{"base64":"?"}}',
        '{"t":1,"topic":"a","payload":{"hex":"00"}}',
        '{"t":1,"topic":"a","payload":"' + "x" * 1_100_000 + '"}',
    ],
)
async def test_a_broken_recording_is_refused_before_anything_is_published(tmp_path: Path, line: str) -> None:
    """With the name of the file and the number of the line; no broker is asked at all."""
    file = tmp_path / "broken.jsonl"
    file.write_text('{"t":1,"topic":"a","payload":"on"}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(RecordingError, match=r"broken\.jsonl, line 3"):
        await replay(file, BrokerAddress(host="127.0.0.1", port=9))


async def test_an_absent_broker_is_said_in_words(tmp_path: Path) -> None:
    """Instead of a trace of a library."""
    file = write(tmp_path / "in.jsonl", {"t": 1, "topic": "a", "payload": "on"})
    async with EmbeddedBroker() as broker:
        gone = BrokerAddress(host=broker.host, port=broker.port)
    with pytest.raises(BrokerRefusedError, match=str(gone.port)):
        await replay(file, gone)
    with pytest.raises(BrokerRefusedError, match="certificates cannot be used"):
        BrokerAddress(host="localhost", tls=True, ca_file=str(tmp_path / "absent.pem")).tls_context()


@given(st.binary(max_size=100))
def test_any_payload_survives_the_file(payload: bytes) -> None:
    """Text stays text, everything else goes through base64."""
    recorded = RecordedMessage.of(1, "a", payload, retained=False, qos=0)
    assert recorded.payload_bytes == payload
    if not isinstance(recorded.payload, str):
        assert base64.b64decode(recorded.payload.base64) == payload


def test_an_empty_recording_has_no_messages(tmp_path: Path) -> None:
    """Blank lines are no messages either."""
    file = tmp_path / "empty.jsonl"
    file.write_text("\n\n", encoding="utf-8")
    assert list(read_recording(file)) == []


@pytest.mark.skipif(not mosquitto_available(), reason="Mosquitto is not installed")
async def test_tools_speak_tls_with_user_and_client_certificate(tmp_path: Path) -> None:
    """A production broker with everything switched on can be recorded from and replayed into."""
    ca = trustme.CA()
    names = {name: str(tmp_path / name) for name in ("ca.pem", "s.pem", "s.key", "c.pem", "c.key")}
    ca.cert_pem.write_to_path(names["ca.pem"])
    for prefix in ("s", "c"):
        issued = ca.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(names[f"{prefix}.pem"])
        issued.private_key_pem.write_to_path(names[f"{prefix}.key"])
    tls = TlsFiles(
        tmp_path / "ca.pem", tmp_path / "s.pem", tmp_path / "s.key", require_client_certificate=True
    )
    async with MosquittoBroker(tls=tls, users={"tools": "invented-2"}) as broker:
        address = BrokerAddress(
            host="127.0.0.1",
            port=broker.port,
            username="tools",
            password="invented-2",
            tls=True,
            ca_file=names["ca.pem"],
            cert_file=names["c.pem"],
            key_file=names["c.key"],
        )
        assert "invented-2" not in repr(address)
        source = write(
            tmp_path / "in.jsonl",
            {"t": 1_000, "topic": "office/a", "payload": "on", "retained": False, "qos": 1},
        )
        async with recording(address, tmp_path / "out.jsonl", 1):
            await replay(source, address)
        assert lines(tmp_path / "out.jsonl") == lines(source)
