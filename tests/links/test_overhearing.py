"""The connection beside the sensors' own: it hears what is allowed, keeps nothing, and gives up quietly."""

import asyncio
from typing import Any

from gateway.links.overhearing import OverhearingLink
from simulators.broker import EmbeddedBroker
from simulators.mqtt_tools import BrokerAddress, connected

LIMIT_S = 20
CONNECT, SUBSCRIBE = 1, 8


async def until_done(link: OverhearingLink, ear: Any) -> None:
    """Run it until it ends by itself."""
    async with asyncio.timeout(LIMIT_S):
        await link.run(ear)


async def test_it_hears_what_is_published_and_what_was_kept(tools: Any) -> None:
    """Without a session: nothing that was published while it was away comes later."""
    async with EmbeddedBroker() as broker:
        ear, link = tools.ear(), OverhearingLink(tools.settings(broker.port))
        link.subscribe(["zigbee2mqtt/+", "tele/+/SENSOR"])
        async with connected(BrokerAddress(host="127.0.0.1", port=broker.port)) as client:
            running = asyncio.create_task(link.run(ear))
            await ear.until_up()
            await client.publish("zigbee2mqtt/lamp", b"1", qos=1)
            await ear.until_messages(1)
            running.cancel()
            await asyncio.wait([running])
            await client.publish("zigbee2mqtt/lamp", b"2", qos=1)
            running = asyncio.create_task(link.run(ear))
            await ear.until_up(2)
            link.subscribe(["zigbee2mqtt/+", "rooms/+"])
            await client.publish("zigbee2mqtt/lamp", b"3", qos=1)
            await ear.until_messages(2)
            running.cancel()
            await asyncio.wait([running])
        assert ear.payloads == [b"1", b"3"]


async def test_what_the_broker_forbids_is_left_out_and_the_rest_is_heard(tools: Any, scripted: Any) -> None:
    """Each refusal costs its filter; with the last one it ends, and says why."""
    asked: list[bytes] = []

    def answers(*codes: int) -> Any:
        async def script(peer: Any) -> None:
            first = await peer.read(CONNECT)
            assert first[7] & 0x02  # a clean session
            peer.send(b"\x20\x02\x00\x00")
            body = await peer.read(SUBSCRIBE)
            asked.append(body)
            peer.send(bytes((0x90, 2 + len(codes))) + body[:2] + bytes(codes))
            await peer.reader.read()

        return script

    port = await scripted([answers(0, 0x80), answers(0x80)])
    ear, link = tools.ear(), OverhearingLink(tools.settings(port))
    link.subscribe(["a/+", "secret/#"])
    await until_done(link, ear)
    assert [b"secret" in body for body in asked] == [True, False]
    assert all(body.endswith(b"\x00") for body in asked)  # QoS 0
    assert "the broker refuses" in link.why


async def test_a_broker_that_wants_no_second_connection_is_left_alone(tools: Any, scripted: Any) -> None:
    """CONNACK 5: not authorised. It does not knock again and again."""

    async def script(peer: Any) -> None:
        await peer.read(CONNECT)
        peer.send(b"\x20\x02\x00\x05")
        await peer.reader.read()

    ear, link = tools.ear(), OverhearingLink(tools.settings(await scripted([script])))
    link.subscribe(["a/+"])
    await until_done(link, ear)
    assert "refuses the connection" in link.why
    assert ear.heard == []
