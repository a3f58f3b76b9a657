"""The sensors' side: a process of its own that publishes the office's messages at QoS 1.

Speaks the few bytes of MQTT 3.1.1 that this takes by itself: any client library would be slower
than what is measured. `python -m benchmarks.publisher <Order as JSON>`; prints when it began.
"""

import selectors
import socket
import sys
import time
from itertools import islice
from typing import Final

import msgspec

from benchmarks import office
from gateway.core.units import SECOND_MS, Instant

CONNECT: Final = b"\x10\x15\x00\x04MQTT\x04\x02\x00\x00\x00\x09publisher"
CONNACK_BYTES: Final = 4
PUBACK_BYTES: Final = 4
PUBLISH_QOS1: Final = 0x32
END_OF_MIDS: Final = 65_536
CHUNK_BYTES: Final = 64 * 1024
SILENCE_S: Final = 60.0
"""After so long without room for more, or without an acknowledgement, the broker is given up."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to publish: messages number `skip` to `skip + count` of the office, below `prefix`."""

    port: int
    prefix: str
    count: int
    changes: float
    skip: int = 0
    rate: float = 0.0
    """Messages a second; 0: as fast as the broker takes them."""
    start_ms: Instant = 0
    """What the sensors' clocks show in the beginning; 0: the present."""
    speed: float = 1.0
    """How fast the sensors' clocks run."""


def main() -> None:
    """Follow the order in the first argument; one line of JSON when it begins to publish."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    packets = _packets(order)
    with socket.create_connection(("127.0.0.1", order.port), timeout=SILENCE_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(CONNECT)
        if sock.recv(CONNACK_BYTES, socket.MSG_WAITALL) != b"\x20\x02\x00\x00":
            raise SystemExit("the broker refuses the publisher")
        sys.stdout.write(f'{{"began": {time.monotonic()}}}\n')
        sys.stdout.flush()
        if order.rate:
            _paced(sock, packets, order.rate)
        else:
            _at_once(sock, packets)


def _packets(order: Order) -> list[bytes]:
    start_ms = order.start_ms or time.time_ns() // 1_000_000
    step_ms = order.speed * SECOND_MS / order.rate if order.rate else 0.0
    messages = islice(office.told(order.changes), order.skip, order.skip + order.count)
    return [
        publish_packet(
            office.topic(one.sensor, order.prefix).encode(),
            office.payload(one, start_ms + int(number * step_ms)),
            number % (END_OF_MIDS - 1) + 1,
        )
        for number, one in enumerate(messages)
    ]


def publish_packet(topic: bytes, payload: bytes, mid: int) -> bytes:
    """One PUBLISH at QoS 1 (MQTT 3.1.1, section 3.3)."""
    body = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + payload
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes((PUBLISH_QOS1,)) + bytes(length) + body


def _at_once(sock: socket.socket, packets: list[bytes]) -> None:
    """Send everything; read the acknowledgements meanwhile, so that the broker never waits for us."""
    unsent, expected, received = memoryview(b"".join(packets)), len(packets) * PUBACK_BYTES, 0
    sock.setblocking(False)  # noqa: FBT003 - its signature
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while received < expected:
            ready = selector.select(SILENCE_S)
            if not ready:
                raise SystemExit("the broker does not answer the publisher")
            if ready[0][1] & selectors.EVENT_READ:
                received += _read(sock)
            if unsent and ready[0][1] & selectors.EVENT_WRITE:
                unsent = unsent[sock.send(unsent[:CHUNK_BYTES]) :]
                if not unsent:
                    selector.modify(sock, selectors.EVENT_READ)


def _paced(sock: socket.socket, packets: list[bytes], rate: float) -> None:
    """Send each at its time."""
    began, received = time.monotonic(), 0
    for number, packet in enumerate(packets):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        sock.sendall(packet)
        while received < (number + 1) * PUBACK_BYTES:
            received += _read(sock)


def _read(sock: socket.socket) -> int:
    data = sock.recv(CHUNK_BYTES)
    if not data:
        raise SystemExit("the broker has closed the publisher's connection")
    return len(data)


if __name__ == "__main__":
    main()
