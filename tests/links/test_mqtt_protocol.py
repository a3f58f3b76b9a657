"""The MQTT link at a broker that does exactly what a test tells it to."""

import asyncio
from typing import Any, Protocol

import pytest

from gateway.links import Message
from gateway.links.mqtt import MqttLink

LIMIT_S = 20
CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 4, 8, 12, 14
CONNACK_NEW, CONNACK_KEPT, CONNACK_BUSY = b"\x20\x02\x00\x00", b"\x20\x02\x01\x00", b"\x20\x02\x00\x03"


class Tools(Protocol):
    """The fixture `tools`, as these tests see it."""

    ear: Any
    running: Any
    settings: Any
    logs: Any


def suback(subscribe: bytes, *codes: int) -> bytes:
    """The answer to a SUBSCRIBE with its packet id."""
    return bytes((0x90, 2 + len(codes))) + subscribe[:2] + bytes(codes)


async def test_messages_before_suback_are_held_back_and_keep_their_order(tools: Tools, scripted: Any) -> None:
    """A present session may speak at once; the listener hears link_up first, then everything in order."""
    may_suback, finished = asyncio.Event(), asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.read(CONNECT)
        peer.send(CONNACK_KEPT)
        subscribe = await peer.read(SUBSCRIBE)
        peer.publish(b"orion", b"0", 7)
        peer.publish(b"orion", b"1", 8)
        await may_suback.wait()
        peer.send(suback(subscribe, 1))
        peer.publish(b"orion", b"2", 9)
        assert [await peer.read(PUBACK) for _ in range(3)] == [b"\x00\x07", b"\x00\x08", b"\x00\x09"]
        finished.set()
        await peer.read(DISCONNECT)

    ear, link = tools.ear(), MqttLink(tools.settings(await scripted([script])))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_held_back(link, 2)
        assert ear.heard == []
        may_suback.set()
        await ear.until_messages(3)
        assert ear.heard == [("up", True), ("message", b"0"), ("message", b"1"), ("message", b"2")]
        link.acknowledge([message.receipt for message in ear.messages])
        async with asyncio.timeout(LIMIT_S):
            await finished.wait()


async def test_a_listener_may_drop_the_link_at_any_message(tools: Tools, scripted: Any) -> None:
    """Nothing of the same connection is heard after that, held back or not, though it was received."""

    async def script(peer: Any) -> None:
        await peer.read(CONNECT)
        peer.send(CONNACK_KEPT)
        subscribe = await peer.read(SUBSCRIBE)
        peer.publish(b"orion", b"0", 1)
        peer.send(suback(subscribe, 1))
        for number in range(1, 6):
            peer.publish(b"orion", str(number).encode(), number + 1)
        await peer.read(DISCONNECT)

    ear = tools.ear()
    link = MqttLink(tools.settings(await scripted([script, script]), backoff_max_s=0.01))
    link.subscribe(["orion"])
    remember, drop_at = ear.message, [b"0", b"3"]

    def message(one: Message) -> None:
        remember(one)
        if drop_at and one.payload == drop_at[0]:
            drop_at.pop(0)
            link.drop("test")

    ear.message = message
    async with tools.running(link, ear):
        await ear.until(lambda: ear.count("down") == 2)
    assert ear.payloads == [b"0", b"0", b"1", b"2", b"3"]


async def test_a_refused_subscription_keeps_the_link_down(tools: Tools, scripted: Any) -> None:
    """The log names the topic; the link is never reported up."""

    async def refuse(peer: Any) -> None:
        await peer.read(CONNECT)
        peer.send(CONNACK_NEW)
        peer.send(suback(await peer.read(SUBSCRIBE), 1, 0x80))
        await peer.reader.read()

    ear, link = tools.ear(), MqttLink(tools.settings(await scripted([refuse] * 50), username="gateway"))
    link.subscribe(["orion", "secret/x"])
    with tools.logs() as logs:
        async with tools.running(link, ear):
            await logs.until(2)
    assert ear.heard == []
    assert logs.entries[0]["what"] == "the broker refuses 1 subscription(s): secret/x"
    assert "Allow the user gateway" in logs.entries[0]["mend"]


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ([], "does not answer CONNECT"),
        ([CONNACK_NEW], "does not answer SUBSCRIBE"),
        ([CONNACK_BUSY], "refuses the connection: Server unavailable"),
        ([b"HTTP/1.1 400 Bad Request\r\n"], "does not answer CONNECT"),
        ([b"\x20\xff\xff\xff\xff\xff"], "closed the connection before it answered CONNECT"),
    ],
)
async def test_a_broker_that_answers_wrongly_is_left(
    tools: Tools, scripted: Any, answers: list[bytes], what: str
) -> None:
    """Silence and nonsense end in an error within the time limit, not in a hang."""

    async def script(peer: Any) -> None:
        await peer.read(CONNECT)
        for answer in answers:
            peer.send(answer)
        await peer.reader.read()

    ear, link = tools.ear(), MqttLink(tools.settings(await scripted([script] * 50), connect_timeout_s=0.05))
    link.subscribe(["orion"])
    with tools.logs() as logs:
        async with tools.running(link, ear):
            await logs.until(2)
    assert what in logs.entries[0]["what"]
    assert ear.heard == []


async def test_a_silent_broker_is_noticed(
    tools: Tools, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection on which nothing comes back, not even to a ping, is given up."""
    pinged = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.read(CONNECT)
        peer.send(CONNACK_NEW)
        peer.send(suback(await peer.read(SUBSCRIBE), 1))
        await peer.read(PINGREQ)
        pinged.set()
        await peer.reader.read()

    now = [1_000.0]
    monkeypatch.setattr("paho.mqtt.client.time_func", lambda: now[0])
    ear, link = tools.ear(), MqttLink(tools.settings(await scripted([script]), keepalive_s=60))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_up()
        connection = link._connection
        assert connection is not None
        now[0] += 60
        connection._misc()
        async with asyncio.timeout(LIMIT_S):
            await pinged.wait()
        assert ear.count("down") == 0
        now[0] += 60
        connection._misc()
        await ear.until(lambda: ear.count("down") == 1)
    assert "keep-alive" in str(ear.heard)


async def test_a_topic_that_is_no_text_is_delivered_as_unknown(tools: Tools, scripted: Any) -> None:
    """It can be counted and acknowledged in its turn; the link does not stumble."""

    async def script(peer: Any) -> None:
        await peer.read(CONNECT)
        peer.send(CONNACK_NEW)
        peer.send(suback(await peer.read(SUBSCRIBE), 1))
        peer.publish(b"\xff\xfe", b"0", 1)
        peer.publish(b"orion", b"1", 2)
        await peer.read(DISCONNECT)

    ear, link = tools.ear(), MqttLink(tools.settings(await scripted([script])))
    link.subscribe(["#"])
    async with tools.running(link, ear):
        await ear.until_messages(2)
    assert [message.topic for message in ear.messages] == ["\N{REPLACEMENT CHARACTER}", "orion"]


async def test_stopping_while_a_connection_is_being_opened(tools: Tools, scripted: Any) -> None:
    """The stop does not wait for the handshake, and the socket that is opened too late is closed."""
    reached = asyncio.Event()

    async def script(peer: Any) -> None:
        reached.set()
        await peer.reader.read()

    port = await scripted([script])
    link = MqttLink(tools.settings(port, tls=True, connect_timeout_s=0.2))
    task = asyncio.create_task(link.run(tools.ear()))
    async with asyncio.timeout(LIMIT_S):
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_goodbye_is_said_in_order_and_bounded(
    tools: Tools, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """offline, then DISCONNECT; a broker that never acknowledges does not keep the gateway from stopping."""
    monkeypatch.setattr("gateway.links.connection.GOODBYE_S", 0.05)
    seen: list[bytes] = []

    async def script(peer: Any) -> None:
        await peer.read(CONNECT)
        peer.send(CONNACK_NEW)
        seen.append(await peer.read(PUBLISH))
        seen.append(await peer.read(PUBLISH))
        await peer.reader.read()

    link = MqttLink(tools.settings(await scripted([script]), will_topic="s", will_payload=b"bye"))
    ear = tools.ear()
    async with tools.running(link, ear):
        await ear.until_up()
    assert [body[5:] for body in seen] == [b"online", b"bye"]


def test_the_delay_doubles_up_to_its_maximum_and_is_spread(tools: Tools) -> None:
    """1, 2, 4, ... seconds, never over the maximum, of which jitter takes up to a half."""
    settings = tools.settings(1, backoff_min_s=1.0, backoff_max_s=60.0)
    longest = MqttLink(settings, jitter=lambda: 0.0)
    assert [longest._delay_s(failures) for failures in (1, 2, 3, 4, 5, 6, 7, 8, 10_000)] == [
        *(1, 2, 4, 8, 16, 32, 60, 60, 60),
    ]
    assert MqttLink(settings, jitter=lambda: 0.999)._delay_s(7) == pytest.approx(30, abs=0.1)
