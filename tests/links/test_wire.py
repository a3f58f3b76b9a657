"""The buffered socket between paho and the kernel."""

import socket
from collections.abc import Iterator

import pytest

from gateway.links.errors import TlsError, UnreachableError
from gateway.links.wire import READ_BYTES, Wire, open_wire


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    """A wire and the socket at its other end."""
    near, far = socket.socketpair()
    near.setblocking(False)  # noqa: FBT003 - its signature
    wire = Wire(near)
    yield wire, far
    wire.close()
    far.close()


def test_one_read_serves_many_small_ones(ends: tuple[Wire, socket.socket]) -> None:
    """What is asked for byte by byte has been read at once, and comes in order."""
    wire, far = ends
    far.sendall(b"abcdef")
    assert [wire.recv(1), wire.has_read_ahead] == [b"a", True]
    far.sendall(b"gh")
    assert [wire.recv(2), wire.recv(9), wire.recv(9)] == [b"bc", b"def", b"gh"]
    assert not wire.has_read_ahead
    with pytest.raises(BlockingIOError):
        wire.recv(1)


def test_the_end_of_the_stream_is_empty(ends: tuple[Wire, socket.socket]) -> None:
    """As with any socket."""
    wire, far = ends
    far.close()
    assert wire.recv(1) == b""


def test_writes_are_gathered_until_flushed(ends: tuple[Wire, socket.socket]) -> None:
    """Fifty acknowledgements leave together."""
    wire, far = ends
    for _ in range(50):
        assert wire.send(b"\x40\x02\x00\x01") == 4
    far.setblocking(False)  # noqa: FBT003 - its signature
    with pytest.raises(BlockingIOError):
        far.recv(1)
    wire.flush()
    assert far.recv(READ_BYTES) == b"\x40\x02\x00\x01" * 50
    assert not wire.has_unsent


def test_what_the_kernel_does_not_take_waits(ends: tuple[Wire, socket.socket]) -> None:
    """A slow reader loses nothing and blocks nobody."""
    wire, far = ends
    everything = bytes(range(256)) * 8_192
    wire.send(everything)
    wire.flush()
    assert wire.has_unsent
    received = bytearray()
    while len(received) < len(everything):
        received += far.recv(READ_BYTES)
        wire.flush()
    assert bytes(received) == everything
    assert not wire.has_unsent


def test_a_closed_wire_holds_nothing_back(ends: tuple[Wire, socket.socket]) -> None:
    """Whoever closes it from within a message sees no further one."""
    wire, far = ends
    far.sendall(b"abc")
    wire.recv(1)
    wire.send(b"x")
    wire.close()
    assert (wire.has_read_ahead, wire.has_unsent, wire.fileno()) == (False, False, -1)


def test_a_broken_connection_says_why(ends: tuple[Wire, socket.socket]) -> None:
    """The reason is kept for the log."""
    wire, far = ends
    far.close()
    wire.send(b"x")
    with pytest.raises(OSError, match="Broken pipe"):
        wire.flush()
    assert isinstance(wire.error, BrokenPipeError)


def test_nobody_listening_is_unreachable() -> None:
    """With the address that was tried and what to look at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(UnreachableError, match="refused") as caught:
        open_wire("127.0.0.1", port, timeout_s=1, tls=False)
    assert f"127.0.0.1:{port}" in caught.value.mend


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "x..invalid"])
def test_an_impossible_host_name_is_unreachable(host: str) -> None:
    """Names that cannot even be encoded are no crash."""
    with pytest.raises(UnreachableError):
        open_wire(host, 1, timeout_s=1, tls=False)


def test_certificates_that_cannot_be_read_are_named() -> None:
    """The file is in what to mend."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TlsError) as caught:
        open_wire("127.0.0.1", server.getsockname()[1], timeout_s=1, tls=True, ca_file="/absent/ca.pem")
    assert "/absent/ca.pem" in caught.value.mend


def test_a_port_without_tls_is_told_apart() -> None:
    """A handshake that nobody answers ends after its time."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(TlsError, match="no TLS connection") as caught,
    ):
        open_wire("127.0.0.1", server.getsockname()[1], timeout_s=0.1, tls=True)
    assert "TLS port" in caught.value.mend
