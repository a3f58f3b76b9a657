"""The brokers that demos and tests bring up."""

import asyncio

import aiomqtt
import pytest

from simulators.broker import BrokerError, EmbeddedBroker, MosquittoBroker, mosquitto_available

needs_mosquitto = pytest.mark.skipif(not mosquitto_available(), reason="Mosquitto is not installed")
LIMIT_S = 20


async def echo(port: int, **options: str) -> bytes:
    """Publish one message to ourselves through the broker."""
    async with (
        asyncio.timeout(LIMIT_S),
        aiomqtt.Client(
            "127.0.0.1", port, username=options.get("username"), password=options.get("password")
        ) as client,
    ):
        await client.subscribe("orion", qos=1)
        await client.publish("orion", b"on", qos=1)
        message = await anext(aiter(client.messages))
        assert isinstance(message.payload, bytes)
        return message.payload


async def queue_for_absent(port: int, count: int) -> None:
    """Leave a session behind, and messages waiting for it."""
    async with asyncio.timeout(LIMIT_S):
        async with aiomqtt.Client("127.0.0.1", port, identifier="absent", clean_session=False) as client:
            await client.subscribe("orion", qos=1)
        async with aiomqtt.Client("127.0.0.1", port) as client:
            for number in range(count):
                await client.publish("orion", str(number), qos=1)
            # Mosquitto saves at the end of each turn of its loop: this one's PUBACK is a turn later.
            await client.publish("sentinel", b"", qos=1)


async def collect_queued(port: int, count: int) -> list[bytes | bytearray | str | int | float | None]:
    """What waits for that session."""
    async with (
        asyncio.timeout(LIMIT_S),
        aiomqtt.Client("127.0.0.1", port, identifier="absent", clean_session=False) as client,
    ):
        messages = aiter(client.messages)
        return [(await anext(messages)).payload for _ in range(count)]


async def test_the_embedded_broker_carries_messages_and_frees_its_port() -> None:
    """It is ready when it is entered, and gone when it is left."""
    async with EmbeddedBroker() as broker:
        port = broker.port
        assert await echo(port) == b"on"
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_the_embedded_broker_comes_back_on_its_port() -> None:
    """A restart is seen by clients as an outage, not as another broker."""
    async with EmbeddedBroker() as broker:
        port = broker.port
        await broker.stop()
        await broker.start()
        assert broker.port == port
        assert await echo(port) == b"on"


async def test_a_port_in_use_is_said_so() -> None:
    """A chosen port that is taken is an error in words."""
    async with EmbeddedBroker() as broker:
        with pytest.raises(BrokerError, match=str(broker.port)):
            await EmbeddedBroker(broker.port).start()


def test_brokers_have_no_port_before_they_start() -> None:
    """Instead of a port that nobody listens on."""
    for broker in (EmbeddedBroker(), MosquittoBroker()):
        with pytest.raises(BrokerError, match="before its first start"):
            _ = broker.port


@needs_mosquitto
async def test_mosquitto_keeps_sessions_across_a_clean_restart() -> None:
    """Its files are written on `stop` and read on `start`."""
    async with MosquittoBroker() as broker:
        await queue_for_absent(broker.port, 5)
        await broker.stop()
        await broker.start()
        assert await collect_queued(broker.port, 5) == [b"0", b"1", b"2", b"3", b"4"]


@needs_mosquitto
async def test_mosquitto_with_autosave_keeps_queued_messages_when_killed() -> None:
    """Power loss at the broker loses nothing that it took."""
    async with MosquittoBroker(autosave_on_changes=True) as broker:
        await queue_for_absent(broker.port, 20)
        await broker.kill()
        await broker.start()
        assert await collect_queued(broker.port, 20) == [str(number).encode() for number in range(20)]


@needs_mosquitto
async def test_mosquitto_lets_in_only_its_users() -> None:
    """With users, the right password works and nothing else does."""
    async with MosquittoBroker(users={"gateway": "invented-1"}) as broker:
        assert await echo(broker.port, username="gateway", password="invented-1") == b"on"
        with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
            await echo(broker.port, username="gateway", password="wrong")
        with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
            await echo(broker.port)


@needs_mosquitto
async def test_mosquitto_that_cannot_start_says_why() -> None:
    """What Mosquitto logged is in the error."""
    async with MosquittoBroker() as first:
        second = MosquittoBroker()
        second._port = first.port
        with pytest.raises(BrokerError, match="Address already in use"):
            async with second:
                pass
