"""The MQTT link at the brokers it is used with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import aiomqtt
import pytest
import trustme

from gateway.links import Message
from gateway.links.mqtt import MqttLink, MqttSettings
from simulators.broker import EmbeddedBroker, MosquittoBroker, TlsFiles, mosquitto_available

LIMIT_S = 20
AnyBroker = EmbeddedBroker | MosquittoBroker


class Tools(Protocol):
    """The fixture `tools`, as these tests see it."""

    ear: Any
    running: Any
    settings: Any
    logs: Any


@contextlib.asynccontextmanager
async def client(broker: AnyBroker) -> AsyncIterator[aiomqtt.Client]:
    """Somebody else at the broker."""
    async with asyncio.timeout(LIMIT_S), aiomqtt.Client("127.0.0.1", broker.port) as one:
        yield one


async def publish(broker: AnyBroker, *payloads: str, topic: str = "orion", retain: bool = False) -> None:
    """Sensors' messages."""
    async with client(broker) as sensor:
        for payload in payloads:
            await sensor.publish(topic, payload, qos=1, retain=retain)


async def payloads_on(broker: AnyBroker, topic: str, number: int) -> list[Any]:
    """The next messages on a topic, starting with a retained one."""
    async with client(broker) as watcher:
        await watcher.subscribe(topic, qos=1)
        messages = aiter(watcher.messages)
        return [(await anext(messages)).payload for _ in range(number)]


def numbered(first: int, end: int) -> list[bytes]:
    """Payloads that tell their order."""
    return [str(number).encode() for number in range(first, end)]


# -- delivery and acknowledgement -----------------------------------------------------------------


async def test_messages_come_in_order_after_link_up(broker: AnyBroker, tools: Tools) -> None:
    """Topic, payload and order as published; the link reports itself first."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion", "lyra/+"])
    async with tools.running(link, ear):
        await ear.until_up()
        await publish(broker, *map(str, range(60)))
        await publish(broker, "last", topic="lyra/x")
        await ear.until_messages(61)
    assert ear.heard[0] == ("up", False)
    assert ear.payloads == [*numbered(0, 60), b"last"]
    assert (ear.messages[0].topic, ear.messages[-1].topic) == ("orion", "lyra/x")


async def test_what_is_not_acknowledged_comes_again(broker: AnyBroker, tools: Tools) -> None:
    """After the link was dropped: exactly what lacks an acknowledgement, in order, before anything newer."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_up()
        await publish(broker, *map(str, range(10)))
        await ear.until_messages(10)
        link.acknowledge([message.receipt for message in ear.messages[:4]])
        # The broker reads in order: when this comes back, it has the acknowledgements.
        link.publish("orion", b"10", retain=False)
        await ear.until_messages(11)
        ear.messages.clear()
        link.drop("the commit failed")
        await ear.until_up(2)
        await ear.until_messages(7)
        assert ear.payloads == numbered(4, 11)
        assert ("up", True) in ear.heard
        assert ("down", "dropped by the gateway: the commit failed") in ear.heard


async def test_messages_wait_for_an_absent_gateway(broker: AnyBroker, tools: Tools) -> None:
    """A clean stop leaves the session, a new process with the same id finds it."""
    first, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion"])
    async with tools.running(link, first):
        await first.until_up()
    await publish(broker, *map(str, range(20)))
    second, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion"])
    async with tools.running(link, second):
        await second.until_messages(20)
    assert (first.heard, second.heard[0]) == ([("up", False)], ("up", True))
    assert second.payloads == numbered(0, 20)


async def test_receipts_of_an_earlier_connection_acknowledge_nothing(broker: AnyBroker, tools: Tools) -> None:
    """Even where the packet ids are the same again."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_up()
        await publish(broker, "0", "1", "2")
        await ear.until_messages(3)
        old = [message.receipt for message in ear.messages]
        link.drop("test")
        link.acknowledge(old)  # while down
        await ear.until_messages(6)
        link.acknowledge(old)  # while up again
        link.publish("orion", b"3", retain=False)
        await ear.until_messages(7)
        ear.messages.clear()
        link.drop("test")
        await ear.until_messages(4)
        assert ear.payloads == numbered(0, 4)


async def test_everything_acknowledged_does_not_come_again(broker: AnyBroker, tools: Tools) -> None:
    """More than a window of messages, acknowledged in batches, then a restart of the link."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_up()
        await publish(broker, *map(str, range(250)))
        done = 0
        while done < 250:
            await ear.until_messages(done + 50)
            link.acknowledge([message.receipt for message in ear.messages[done : done + 50]])
            done += 50
        link.publish("orion", b"end", retain=False)
        await ear.until_messages(251)
        link.drop("test")
        await ear.until_messages(252)
        assert ear.payloads == [*numbered(0, 250), b"end", b"end"]


async def test_retained_messages_are_marked(broker: AnyBroker, tools: Tools) -> None:
    """Old state can be told from news."""
    await publish(broker, "old", retain=True)
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_messages(1)
        await publish(broker, "new")
        await ear.until_messages(2)
    assert [(message.payload, message.retained) for message in ear.messages] == [
        (b"old", True),
        (b"new", False),
    ]


async def test_a_large_message_is_delivered(mosquitto: MosquittoBroker, tools: Tools) -> None:
    """The decoder refuses it; the link only carries, also what does not fit into one read."""
    ear, link = tools.ear(), MqttLink(tools.settings(mosquitto.port))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_up()
        await publish(mosquitto, "x" * 3_000_000, "small")
        await ear.until_messages(2)
    assert [len(payload) for payload in ear.payloads] == [3_000_000, 5]


# -- subscriptions --------------------------------------------------------------------------------


async def test_subscriptions_follow_what_is_wanted(broker: AnyBroker, tools: Tools) -> None:
    """New topics are heard and dropped ones are not, without a reconnect."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["a", "b"])
    async with tools.running(link, ear):
        await ear.until_up()
        link.subscribe(["b", "c"])
        await publish(broker, "first", topic="c", retain=True)
        await ear.until_messages(1)  # so the changes have been carried out
        for topic in ("a", "b", "c"):
            await publish(broker, topic, topic=topic)
        await ear.until_messages(3)
        assert ear.payloads == [b"first", b"b", b"c"]
        assert ear.count("up") == 1


async def test_topics_dropped_while_the_link_is_down_are_unsubscribed(
    mosquitto: MosquittoBroker, tools: Tools
) -> None:
    """The broker's session still holds them; the link ends them when it is back.

    At Mosquitto only: rumqttd never answers an UNSUBSCRIBE for a topic of an earlier connection.
    """
    ear, link = tools.ear(), MqttLink(tools.settings(mosquitto.port))
    link.subscribe(["a", "b"])
    async with tools.running(link, ear):
        await ear.until_up()
        link.drop("test")
        link.subscribe(["b"])
        await ear.until_up(2)
        link.publish("b", b"ready", retain=False)
        await ear.until_messages(1)
        await publish(mosquitto, "a", topic="a")
        await publish(mosquitto, "b", topic="b")
        await ear.until_messages(2)
        assert ear.payloads == [b"ready", b"b"]


async def test_overlapping_filters_deliver_once(broker: AnyBroker, tools: Tools) -> None:
    """What another filter covers is not subscribed to."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["office/orion", "office/#", "office/+", "office/orion"])
    async with tools.running(link, ear):
        await ear.until_up()
        await publish(broker, "1", "2", topic="office/orion")
        await ear.until_messages(2)
        await publish(broker, "3", topic="office")
        await ear.until_messages(3)
    assert ear.payloads == [b"1", b"2", b"3"]


async def test_a_thousand_topics_are_subscribed_to(broker: AnyBroker, tools: Tools) -> None:
    """They do not fit into one packet of an embedded broker."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(
        [f"zigbee2mqtt/building one/floor {number % 7}/sensor {number}" for number in range(1_000)]
    )
    async with tools.running(link, ear):
        await ear.until_up()
        await publish(broker, "on", topic="zigbee2mqtt/building one/floor 5/sensor 999")
        await ear.until_messages(1)


def test_what_is_no_filter_is_refused_at_once(tools: Tools) -> None:
    """In the caller's hands, not at the broker."""
    with pytest.raises(ValueError, match="not a topic filter"):
        MqttLink(tools.settings(1)).subscribe(["a", "b/#/c"])


# -- coming and going -----------------------------------------------------------------------------


async def test_the_link_outlives_the_broker(broker: AnyBroker, tools: Tools) -> None:
    """It notices, tries again, subscribes anew and hears again."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_up()
        with tools.logs() as logs:
            await broker.stop()
            await ear.until(lambda: ear.count("down") == 1)
            link.publish("orion", b"into the void", retain=False)
            await logs.until(4)
            await broker.start()
            await ear.until_up(2)
        await publish(broker, "on")
        await ear.until_messages(1)
        assert ear.payloads == [b"on"]
    failures = [one for one in logs.entries if one["event"] == "link to the broker is down"]
    assert all(one["where"] == f"127.0.0.1:{broker.port}" and one["mend"] for one in failures)
    assert "no connection to the broker" in failures[-1]["what"]


async def test_a_killed_mosquitto_gives_a_new_session(mosquitto: MosquittoBroker, tools: Tools) -> None:
    """The broker's word on the session is passed on as it is."""
    ear, link = tools.ear(), MqttLink(tools.settings(mosquitto.port))
    link.subscribe(["orion"])
    async with tools.running(link, ear):
        await ear.until_up()
        await mosquitto.kill()
        await mosquitto.start()
        await ear.until_up(2)
        await publish(mosquitto, "on")
        await ear.until_messages(1)
    assert [detail for what, detail in ear.heard if what == "up"] == [False, False]


async def test_availability_is_published_and_withdrawn(broker: AnyBroker, tools: Tools) -> None:
    """It is online while connected, offline after a clean stop, both retained."""
    ear = tools.ear()
    link = MqttLink(tools.settings(broker.port, will_topic="gateway/status"))
    async with tools.running(link, ear):
        await ear.until_up()
        assert await payloads_on(broker, "gateway/status", 1) == [b"online"]
    assert await payloads_on(broker, "gateway/status", 1) == [b"offline"]


async def test_the_last_will_speaks_when_the_socket_dies(broker: AnyBroker, tools: Tools) -> None:
    """A connection that breaks without a goodbye is announced by the broker."""
    ear = tools.ear()
    settings = tools.settings(
        broker.port, will_topic="gateway/status", will_payload=b"gone", backoff_min_s=60, backoff_max_s=60
    )
    link = MqttLink(settings)
    async with tools.running(link, ear), client(broker) as watcher:
        await ear.until_up()
        await watcher.subscribe("gateway/status", qos=1)
        messages = aiter(watcher.messages)
        assert (await anext(messages)).payload == b"online"
        link.drop("test")
        assert (await anext(messages)).payload == b"gone"


@pytest.mark.parametrize("retain", [True, False])
async def test_own_state_is_published(broker: AnyBroker, tools: Tools, retain: bool) -> None:
    """At QoS 1, retained where asked for, in order."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["state"])
    async with tools.running(link, ear):
        link.publish("state", b"too early", retain=True)
        await ear.until_up()
        for number in range(300):
            link.publish("state", str(number).encode(), retain=retain)
        done = 0
        while done < 300:
            await ear.until_messages(done + 50)
            link.acknowledge([message.receipt for message in ear.messages[done : done + 50]])
            done += 50
        assert ear.payloads == numbered(0, 300)
    fresh, watcher = tools.ear(), MqttLink(tools.settings(broker.port, client_id="watcher"))
    watcher.subscribe(["state", "end"])
    async with tools.running(watcher, fresh):
        await fresh.until_up()
        await publish(broker, "end", topic="end")
        await fresh.until(lambda: b"end" in fresh.payloads)
    assert fresh.payloads == ([b"299"] if retain else []) + [b"end"]


# -- passwords and certificates -------------------------------------------------------------------


async def down_logs(settings: MqttSettings, tools: Tools, number: int = 3) -> list[Any]:
    """The first log entries of a link that cannot come up."""
    ear, link = tools.ear(), MqttLink(settings)
    link.subscribe(["orion"])
    with tools.logs() as logs:
        async with tools.running(link, ear):
            await logs.until(number)
    assert ear.heard == []
    return list(logs.entries)


@pytest.mark.skipif(not mosquitto_available(), reason="Mosquitto is not installed")
async def test_a_wrong_password_is_said_clearly_again_and_again(tools: Tools) -> None:
    """What, where, how to mend; never the password; and it keeps trying."""
    async with MosquittoBroker(users={"gateway": "invented-right"}) as broker:
        settings = tools.settings(broker.port, username="gateway", password="invented-wrong")
        logs = await down_logs(settings, tools)
    for one in logs:
        assert one["log_level"] == "warning"
        assert one["what"] == "the broker refuses the connection: Not authorized"
        assert "Check user name (gateway), password" in one["mend"]
        assert one["where"] == f"127.0.0.1:{broker.port}"
    assert "invented" not in str(logs) + repr(settings)


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, str]:
    """A CA, a broker's and a client's certificate from it, and another CA that issued neither."""
    ca, other = trustme.CA(), trustme.CA()
    names = {
        name: str(tmp_path / f"{name}.pem") for name in ("ca", "other", "cert", "key", "my_cert", "my_key")
    }
    ca.cert_pem.write_to_path(names["ca"])
    other.cert_pem.write_to_path(names["other"])
    for cert, key in (("cert", "key"), ("my_cert", "my_key")):
        issued = ca.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(names[cert])
        issued.private_key_pem.write_to_path(names[key])
    return names


def tls_files(names: dict[str, str], *, client_certificate: bool) -> TlsFiles:
    """The broker's side."""
    return TlsFiles(Path(names["ca"]), Path(names["cert"]), Path(names["key"]), client_certificate)


@pytest.mark.skipif(not mosquitto_available(), reason="Mosquitto is not installed")
async def test_user_tls_and_client_certificate_together(certificates: dict[str, str], tools: Tools) -> None:
    """The safest broker there is carries a burst both ways, and an acknowledged one does not come again."""
    tls = tls_files(certificates, client_certificate=True)
    async with MosquittoBroker(tls=tls, users={"gateway": "invented-3"}) as broker:
        settings = tools.settings(
            broker.port,
            username="gateway",
            password="invented-3",
            tls=True,
            ca_file=certificates["ca"],
            cert_file=certificates["my_cert"],
            key_file=certificates["my_key"],
        )
        ear, link = tools.ear(), MqttLink(settings)
        link.subscribe(["state"])
        async with tools.running(link, ear):
            await ear.until_up()
            for number in range(500):
                link.publish("state", str(number).encode() * 50, retain=False)
            await ear.until_messages(500)
            assert ear.payloads == [payload * 50 for payload in numbered(0, 500)]
            link.acknowledge([message.receipt for message in ear.messages])
            link.publish("state", b"end", retain=False)
            await ear.until_messages(501)
            link.drop("test")
            await ear.until_messages(502)
            assert ear.payloads[-2:] == [b"end", b"end"]


@pytest.mark.skipif(not mosquitto_available(), reason="Mosquitto is not installed")
async def test_a_broker_of_another_ca_is_not_trusted(certificates: dict[str, str], tools: Tools) -> None:
    """The log names the CA file that was used."""
    async with MosquittoBroker(tls=tls_files(certificates, client_certificate=False)) as broker:
        logs = await down_logs(tools.settings(broker.port, tls=True, ca_file=certificates["other"]), tools)
    assert all("the broker's certificate is not trusted" in one["what"] for one in logs)
    assert all(certificates["other"] in one["mend"] for one in logs)


@pytest.mark.skipif(not mosquitto_available(), reason="Mosquitto is not installed")
async def test_a_missing_client_certificate_is_said_clearly(
    certificates: dict[str, str], tools: Tools
) -> None:
    """TLS 1.3 tells only after the handshake, sometimes too late to read; what to mend names it anyway."""
    async with MosquittoBroker(tls=tls_files(certificates, client_certificate=True)) as broker:
        logs = await down_logs(tools.settings(broker.port, tls=True, ca_file=certificates["ca"]), tools)
    assert all("requires a client certificate from its own CA (none is set)" in one["mend"] for one in logs)


async def test_a_listener_that_fails_ends_the_run(broker: AnyBroker, tools: Tools) -> None:
    """A fault of the program is not swallowed: `run` raises it, and the message stays unacknowledged."""
    ear, link = tools.ear(), MqttLink(tools.settings(broker.port))
    link.subscribe(["orion"])

    def fail(_message: Message) -> None:
        raise ZeroDivisionError

    ear.message = fail
    task = asyncio.create_task(link.run(ear))
    await ear.until_up()
    await publish(broker, "on")
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(ZeroDivisionError):
            await task
    again = tools.ear()
    async with tools.running(link, again):
        await again.until_messages(1)
    assert again.heard[0] == ("up", True)
