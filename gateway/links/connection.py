"""One connection to an MQTT broker, from CONNECT to its end. `MqttLink` makes one after another.

How a connection lives, all on the event loop's thread:

    CONNECT ─▶ CONNACK ─▶ SUBSCRIBE ─▶ every SUBACK ─▶ link_up ─▶ messages ─▶ lost
                 └─── what comes here, of a session that the broker kept, is held back ───┘

Each connection has a paho client of its own, so nothing of an earlier one can leak into it.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.links import LinkListener, Message
from gateway.links.errors import ConnectionLostError, LinkError, RefusedError, SubscriptionError
from gateway.links.filters import in_packets
from gateway.links.wire import Wire

log = structlog.get_logger(__name__)

ONLINE: Final = b"online"
UNREADABLE_TOPIC: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands for a topic that is not UTF-8: no decoder knows it, so it is counted and acknowledged."""
MID_BITS: Final = 16
SUBSCRIBE_PACKET_BYTES: Final = 8 * 1024
"""Size of one SUBSCRIBE; the embedded broker refuses packets over 20,480 bytes."""
OUTGOING_QUEUE_LIMIT: Final = 10_000
"""Publications of our own that may wait for the broker; more are dropped, and said so."""
GOODBYE_S: Final = 2.0
"""How long a clean stop waits for the broker to take the last word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """Where the broker is and how to speak to it. Times in seconds; empty text means "not used"."""

    host: str
    port: int = 1883
    client_id: str = "occupancy-gateway"
    """Names the session. Two clients with one id throw each other out again and again."""
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""
    """PEM file of the CA that issued the broker's certificate; empty: the CAs the system trusts."""
    cert_file: str = ""
    key_file: str = ""
    session: bool = True
    """The broker keeps what is not acknowledged for the next connection (`clean_session=False`)."""
    qos: int = 1
    """At most which the broker shall deliver."""
    keepalive_s: int = 30
    will_topic: str = ""
    """Where "online" is published once connected, and `will_payload` when gone."""
    will_payload: bytes = b"offline"
    will_retain: bool = True
    max_inflight: int = 100
    """Publications of our own that may be unacknowledged at once. How much the broker sends at once
    is the broker's setting (Mosquitto: `max_inflight_messages`)."""
    backoff_min_s: float = 1.0
    backoff_max_s: float = 60.0
    connect_timeout_s: float = 10.0
    """For each of: TCP connect, TLS handshake, CONNACK, all SUBACKs."""

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


class Subscriptions:
    """What the gateway wants to hear, and what the broker's session may still hold of earlier wishes."""

    def __init__(self) -> None:
        self.wanted: tuple[str, ...] = ()
        self.held_by_broker: set[str] = set()

    @property
    def unwanted(self) -> list[str]:
        """Filters to unsubscribe from, in a fixed order."""
        return sorted(self.held_by_broker.difference(self.wanted))


class _Client(paho.Client):
    """paho's client on a socket that is already open, so that its `connect` does not block."""

    def __init__(self, wire: Wire, client_id: str, *, session: bool) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=not session,
            manual_ack=True,
            reconnect_on_failure=False,  # the link reconnects
        )
        self._wire = wire

    def _create_socket(self) -> Wire:
        return self._wire


class Connection:
    """Drives one paho client on the event loop and tells the listener. See the module's drawing."""

    def __init__(
        self,
        settings: MqttSettings,
        wire: Wire,
        *,
        generation: int,
        subscriptions: Subscriptions,
        listener: LinkListener,
    ) -> None:
        self.base = generation << MID_BITS
        """A receipt is this plus the packet id; QoS 0 messages have id 0."""
        self.up_since: float | None = None
        """Event loop time at which the listener was told that the link is up."""
        self._settings = settings
        self._wire = wire
        self._subscriptions = subscriptions
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[Exception] = self._loop.create_future()
        """Why the connection ended: a LinkError, or what a method of the listener raised."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._write_scheduled = False
        self._waits_for_socket = False
        self._session_present: bool | None = None
        self._asked: set[str] = set()
        self._unanswered: dict[int, list[str]] = {}
        self._unsubscribing: dict[int, list[str]] = {}
        self._held_back: list[paho.MQTTMessage] = []
        self._leaving = False
        self._goodbye_mid = 0
        self._goodbye_said = asyncio.Event()
        self._client = self._make_client()
        self.ack = self._client.ack
        self._tell = listener.message

    def _make_client(self) -> _Client:
        settings = self._settings
        client = _Client(self._wire, settings.client_id, session=settings.session)
        if settings.username:
            client.username_pw_set(settings.username, settings.password)
        if settings.will_topic:
            client.will_set(settings.will_topic, settings.will_payload, qos=1, retain=settings.will_retain)
        client.max_inflight_messages_set(settings.max_inflight)
        client.max_queued_messages_set(OUTGOING_QUEUE_LIMIT)
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._hold_back
        return client

    # -- what the link asks for ------------------------------------------------------------------

    def start(self) -> None:
        """Send CONNECT and listen; everything further happens in callbacks until `lost`."""
        self._loop.add_reader(self._wire.fileno(), self._readable)
        self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s)
        if self._client.socket() is not self._wire:
            raise RuntimeError(
                "this version of paho-mqtt opens its socket in another way than the locked one"
            )
        self._give_up_after("the broker does not answer CONNECT")
        self._arm("misc", self._settings.keepalive_s / 4, self._misc)

    def follow_subscriptions(self) -> None:
        """Ask for what is wanted and not yet asked for on this connection, and end what is not wanted."""
        if self._session_present is None or self.lost.done():
            return  # the wishes are read when CONNACK comes
        missing = [one for one in self._subscriptions.wanted if one not in self._asked]
        for filters in in_packets(missing, SUBSCRIBE_PACKET_BYTES):
            code, mid = self._client.subscribe([(one, self._settings.qos) for one in filters])
            if code == MQTTErrorCode.MQTT_ERR_SUCCESS and mid is not None:
                self._unanswered[mid] = filters
            self._asked.update(filters)
            self._subscriptions.held_by_broker.update(filters)
        for filters in in_packets(self._subscriptions.unwanted, SUBSCRIBE_PACKET_BYTES):
            code, mid = self._client.unsubscribe(filters)
            if code == MQTTErrorCode.MQTT_ERR_SUCCESS and mid is not None:
                self._unsubscribing[mid] = filters
            self._asked.difference_update(filters)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int:
        """Publish at QoS 1; the packet id. What does not fit into the queue is dropped with a warning."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            log.warning(
                "publication dropped, the broker is too slow", topic=topic, limit=OUTGOING_QUEUE_LIMIT
            )
        return info.mid

    async def say_goodbye(self) -> None:
        """Publish the last word and disconnect, within GOODBYE_S. What still comes in comes again."""
        self._leaving = True
        self._client.on_message = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                if self.up_since is not None and self._settings.will_topic and not self.lost.done():
                    # Its PUBACK is awaited: closing a socket with unread data can destroy what was sent.
                    self._goodbye_mid = self.publish(
                        self._settings.will_topic,
                        self._settings.will_payload,
                        retain=self._settings.will_retain,
                    )
                    said = asyncio.ensure_future(self._goodbye_said.wait())
                    await asyncio.wait((said, self.lost), return_when=asyncio.FIRST_COMPLETED)
                    said.cancel()
                self._client.disconnect()
                await self.lost

    def lose(self, error: Exception) -> None:
        """End the connection here and now, without a word to the broker. Only the first reason counts."""
        if not self.lost.done():
            self.close()
            self.lost.set_result(error)

    def close(self) -> None:
        """Let go of the socket and the timers. The paho client is left to itself; it can do nothing more."""
        if self._wire.fileno() >= 0:
            self._loop.remove_reader(self._wire.fileno())
            self._loop.remove_writer(self._wire.fileno())
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._held_back.clear()
        self._wire.close()

    # -- the socket ------------------------------------------------------------------------------

    def _readable(self) -> None:
        read, wire = self._client.loop_read, self._wire
        try:
            read()
            while wire.has_read_ahead:  # a closed wire has none
                read()
        except Exception as error:  # noqa: BLE001 - the event loop would only log it; `run` raises it
            self.lose(error)
            return
        if wire.has_unsent and not self._write_scheduled:
            self._flush()  # TLS may have had to read before it could write

    def _on_register_write(self, _client: paho.Client, _userdata: Any, _sock: Any) -> None:
        # Not straight away: a batch of acknowledgements shall leave with one system call.
        if not self._write_scheduled:
            self._write_scheduled = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._write_scheduled = False
        if self.lost.done():
            return
        self._client.loop_write()
        self._flush()

    def _flush(self) -> None:
        if self.lost.done():
            return
        try:
            self._wire.flush()
        except OSError:
            self.lose(self._connection_lost("the connection broke while sending"))
            return
        if self._wire.has_unsent and not self._waits_for_socket:
            self._loop.add_writer(self._wire.fileno(), self._flush)
        elif self._waits_for_socket and not self._wire.has_unsent:
            self._loop.remove_writer(self._wire.fileno())
        self._waits_for_socket = self._wire.has_unsent

    def _misc(self) -> None:
        self._client.loop_misc()  # pings, and notices that nothing answers
        if not self.lost.done():
            self._arm("misc", self._settings.keepalive_s / 4, self._misc)

    def _arm(self, name: str, delay_s: float, call: Any, *arguments: Any) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._loop.call_later(delay_s, call, *arguments)

    def _give_up_after(self, what: str) -> None:
        error = ConnectionLostError(
            what, f"Check that a broker for MQTT 3.1.1 listens at {self._settings.where}."
        )
        self._arm("give_up", self._settings.connect_timeout_s, self.lose, error)

    # -- what paho tells -------------------------------------------------------------------------

    def _on_socket_close(self, _client: paho.Client, _userdata: Any, _sock: Any) -> None:
        if self._leaving:  # paho believes that DISCONNECT is on its way
            with contextlib.suppress(OSError):
                self._wire.flush()
        self.close()

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: Any,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self.lose(_refused(reason, self._settings))
            return
        self._session_present = flags.session_present
        self._give_up_after("the broker does not answer SUBSCRIBE")
        self.follow_subscriptions()
        if not self._unanswered:
            self._go_up()

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: Any,
        mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        filters = self._unanswered.pop(mid, [])
        refused = [one for one, reason in zip(filters, reasons, strict=False) if reason.is_failure]
        if refused:
            self.lose(_subscription_refused(refused, self._settings))
        elif not self._unanswered and self.up_since is None:
            self._go_up()

    def _on_unsubscribe(
        self,
        _client: paho.Client,
        _userdata: Any,
        mid: int,
        _reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        gone = set(self._unsubscribing.pop(mid, ()))
        self._subscriptions.held_by_broker -= gone - self._asked  # it may be wanted again by now

    def _go_up(self) -> None:
        self._timers.pop("give_up").cancel()
        self.up_since = self._loop.time()
        session_present = bool(self._session_present)
        log.info(
            "link to the broker is up",
            where=self._settings.where,
            session_present=session_present,
            subscriptions=len(self._subscriptions.wanted),
        )
        if self._settings.will_topic:
            self.publish(self._settings.will_topic, ONLINE, retain=self._settings.will_retain)
        self._listener.link_up(session_present)
        held_back, self._held_back = self._held_back, []
        self._client.on_message = self._deliver
        for message in held_back:
            if not self.lost.done():  # a listener may drop the link at any message
                self._deliver(self._client, None, message)

    def _hold_back(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self._held_back.append(message)  # at most what the broker sends unacknowledged

    def _deliver(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = UNREADABLE_TOPIC
        self._tell(Message(topic, bytes(message.payload), message.retain, self.base | message.mid))

    def _on_publish(
        self, _client: paho.Client, _userdata: Any, mid: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        if mid == self._goodbye_mid:
            self._goodbye_said.set()

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: Any,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if str(reason) == "Keep alive timeout":
            self.lose(self._connection_lost("the broker has not answered for a whole keep-alive interval"))
        elif self._session_present is None:
            self.lose(self._connection_lost("the broker closed the connection before it answered CONNECT"))
        else:
            self.lose(self._connection_lost("the connection was closed"))

    def _connection_lost(self, what: str) -> LinkError:
        error, settings = self._wire.error, self._settings
        if self._session_present is None:
            mend = (
                f"The broker gave no reason; its log may. Check if it expects TLS at port {settings.port}"
                f" ({'used' if settings.tls else 'not used'} here), and with TLS whether it requires a client"
                f" certificate from its own CA ({settings.cert_file or 'none is set'})."
            )
        else:
            mend = (
                "Nothing to do if it comes back. If it repeats: look into the broker's log, and check that no"
                f" other client uses the id {settings.client_id!r}."
            )
        return ConnectionLostError(what if error is None else f"{what}: {error}", mend)


def _refused(reason: ReasonCode, settings: MqttSettings) -> RefusedError:
    return RefusedError(
        f"the broker refuses the connection: {reason}",
        f"Check user name ({settings.username or 'none is set'}), password and client id"
        f" ({settings.client_id}) against the broker's password and access files.",
    )


def _subscription_refused(filters: Sequence[str], settings: MqttSettings) -> SubscriptionError:
    named = ", ".join(filters[:3]) + (", ..." if len(filters) > 3 else "")  # noqa: PLR2004 - enough to find it
    return SubscriptionError(
        f"the broker refuses {len(filters)} subscription(s): {named}",
        f"Allow the user {settings.username or '(anonymous)'} to read them in the broker's access file.",
        filters,
    )
