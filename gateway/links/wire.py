"""The socket under an MQTT connection: opened off the event loop, buffered in both directions.

paho-mqtt asks its socket for one byte, one byte, then the rest of each packet, and sends each
four-byte PUBACK on its own: four system calls a message. `Wire` stands between the two, so that a
burst of messages is read with one call and a batch of acknowledgements is written with one.
"""

import socket
import ssl

from gateway.links.errors import TlsError, UnreachableError

READ_BYTES = 16 * 1024
"""One read. At least the largest TLS record (RFC 8446, 5.1), so that nothing that was received
stays hidden from the selector inside the TLS layer; small enough to share the event loop."""


class Wire:
    """A non-blocking socket with read-ahead and gathered writes; fits paho's `SocketLike`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._read = b""
        self._position = 0
        self._unsent = bytearray()
        self.error: OSError | None = None
        """What broke the socket, where it said so (a TLS alert, a reset)."""

    @property
    def has_read_ahead(self) -> bool:
        """Bytes have been received that nobody has asked for yet."""
        return self._position < len(self._read)

    @property
    def has_unsent(self) -> bool:
        """Bytes wait that the kernel would not take yet."""
        return bool(self._unsent)

    def recv(self, buffer_size: int) -> bytes:
        """At most `buffer_size` bytes; b"" at the end. Raises BlockingIOError when there are none."""
        start = self._position
        if start == len(self._read):
            try:
                self._read = self._sock.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise BlockingIOError from None
            except OSError as error:
                self.error = error
                raise
            start = 0
        data = self._read[start : start + buffer_size]
        self._position = start + len(data)
        return data

    def send(self, buffer: bytes | bytearray) -> int:
        """Take everything; it leaves with the next `flush`."""
        self._unsent += buffer
        return len(buffer)

    def flush(self) -> None:
        """Hand to the kernel what it takes now. Raises OSError when the connection is broken."""
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self.error = error
                raise
            del self._unsent[:sent]

    def fileno(self) -> int:
        """File descriptor for the selector; -1 once closed."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """As `socket.setblocking`; paho calls it."""
        self._sock.setblocking(flag)

    def close(self) -> None:
        """Close at once, without a word to the other side."""
        self._read, self._position = b"", 0
        self._unsent.clear()
        self._sock.close()


def open_wire(
    host: str,
    port: int,
    *,
    timeout_s: float,
    tls: bool,
    ca_file: str = "",
    cert_file: str = "",
    key_file: str = "",
) -> Wire:
    """Connect, and shake hands where `tls`. Blocks for up to `timeout_s` a step: run it in a thread.

    Certificates are read anew for every connection, so that renewed files need no restart. An empty
    `ca_file` trusts what the system trusts. Raises UnreachableError or TlsError.
    """
    try:
        sock = socket.create_connection((host, port), timeout=timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that IDNA cannot encode
        raise UnreachableError(
            f"no connection to the broker: {error}",
            f"Check that the broker runs and listens at {host}:{port}, and that nothing between blocks it.",
        ) from error
    try:
        if tls:
            sock = _tls_context(ca_file, cert_file, key_file).wrap_socket(sock, server_hostname=host)
        sock.setblocking(False)  # noqa: FBT003 - its signature
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise TlsError(
            f"the broker's certificate is not trusted: {error.verify_message}",
            f"Check that the CA file ({ca_file or 'the system store'}) issued the broker's certificate,"
            f" that the certificate names {host}, and the clock of this machine.",
        ) from error
    except OSError as error:  # ssl.SSLError is one
        sock.close()
        raise TlsError(
            f"no TLS connection to the broker: {error}",
            f"Check that port {port} is the broker's TLS port and that it accepts this client's certificate.",
        ) from error
    except BaseException:  # whatever it is goes on; the socket must not leak
        sock.close()
        raise
    return Wire(sock)


def _tls_context(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if cert_file:
            # A key with a passphrase is refused: without this, OpenSSL would ask on the terminal.
            context.load_cert_chain(cert_file, key_file or None, password="")
    except OSError as error:
        named = ", ".join(name for name in (ca_file, cert_file, key_file) if name)
        raise TlsError(
            f"the certificates for the broker cannot be used: {error}",
            f"Check that these exist, can be read by the gateway and are PEM files that match: {named}.",
        ) from error
    return context
