"""Packets and TLS over one client's socket: whole messages in, a stream of payload out.

[MS-TDS] 2.2.3 is the packet's header. TLS runs in memory, because TDS wraps the handshake in its
own packets and may drop TLS after log-in. What messages mean is for the modules above.
"""

from __future__ import annotations

import mmap
import select
import socket
import ssl
import tempfile
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt
from pysqlbridge.tds.packet import (
    HEADER_SIZE,
    PacketHeader,
    PacketStatus,
    PacketType,
    TdsProtocolError,
    parse_header,
)
from pysqlbridge.tds.tls import TlsTunnel, wrap_handshake

from blb_migration.sandbox.emulator.tds.link import PacedLine

LOGIN_PACKET_SIZE = 4096
MAX_REQUEST_BYTES = 256 * 1024 * 1024
_RECEIVE_BYTES = 64 * 1024
_SEND_BYTES = 128 * 1024


class ClientGone(Exception):
    """The client closed the connection, or the server is stopping."""


@dataclass(frozen=True)
class Request:
    """One message from the client, its packets joined."""

    type: PacketType
    payload: bytes
    status: PacketStatus


class Transport:
    """One client's bytes. Used by its connection's thread alone, but for ``abort``."""

    def __init__(self, client_socket: socket.socket, line: PacedLine) -> None:
        self._socket = client_socket
        self._line = line
        self._received = bytearray()
        self._tunnel: TlsTunnel | None = None
        self._is_encrypted = False
        self._held: IO[bytes] | None = None
        self.packet_size = LOGIN_PACKET_SIZE
        self.session_id = 0

    def accept_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands inside PRELOGIN packets; everything after it is encrypted."""
        tunnel = TlsTunnel(context)
        while not tunnel.handshake_complete:
            header, payload = self._read_packet()
            if header.type is not PacketType.PRELOGIN:
                raise TdsProtocolError(f"expected a TLS handshake, got {header.type.name}")
            records = tunnel.advance_handshake(payload)
            if records:
                self._socket.sendall(b"".join(wrap_handshake(records)))
        self._start_tunnel(tunnel)

    def accept_strict_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands bare, before any packet, as TDS 8.0 (Encrypt=strict) has it."""
        tunnel = TlsTunnel(context)
        while not tunnel.handshake_complete:
            records = tunnel.advance_handshake(self._receive())
            if records:
                self._socket.sendall(records)
        self._start_tunnel(tunnel)

    def is_tls_first(self) -> bool:
        """Whether the client opens with TLS instead of a packet; waits for its first byte."""
        return self._socket.recv(1, socket.MSG_PEEK) == b"\x16"

    def end_encryption(self) -> None:
        """Go on in the clear, as after a log-in whose client asked for no encryption."""
        self._is_encrypted = False

    def read_request(self) -> Request:
        """Read the client's next message; raises ClientGone, or TdsProtocolError for what is no TDS."""
        first, payload = self._read_packet()
        header = first
        if header.is_end_of_message:
            return Request(first.type, payload, first.status)
        joined = bytearray(payload)
        while not header.is_end_of_message:
            header, payload = self._read_packet()
            joined += payload
            if len(joined) > MAX_REQUEST_BYTES:
                raise TdsProtocolError(f"a request of more than {MAX_REQUEST_BYTES} bytes")
        # The last packet's status tells whether the client took the request back.
        return Request(first.type, bytes(joined), first.status | header.status)

    def is_attention_waiting(self) -> bool:
        """Whether the client has asked to cancel; reads that request without waiting for it."""
        while select.select([self._socket], [], [], 0)[0]:
            self._fill()
        if len(self._received) < HEADER_SIZE:
            return False
        header, _ = self._read_packet()
        if header.type is not PacketType.ATTENTION:
            raise TdsProtocolError(f"{header.type.name} arrived before the last response had ended")
        return True

    def send(self, data: bytes | memoryview) -> None:
        """Send framed packets, encrypted when the session is; or put them by while holding."""
        if self._is_encrypted and self._tunnel is not None:
            data = self._tunnel.wrap(data)
        if self._held is not None:
            self._held.write(data)
            return
        self._line.send(len(data))
        try:
            self._socket.sendall(data)
        except OSError as failure:
            raise ClientGone(str(failure)) from failure

    @property
    def is_holding(self) -> bool:
        """Whether packets are put by instead of being sent."""
        return self._held is not None

    def hold(self) -> None:
        """From now on put packets by in a file, until ``release`` sends them in one system call.

        mssql-python keeps the interpreter's lock while it waits for a row with chunked values. When
        it runs in this very process, nothing here could go on meanwhile: so the whole response must
        be ready first, and what sends it must not need the lock (one call sends up to 2 GiB).
        """
        self._held = tempfile.TemporaryFile()  # noqa: SIM115 - closed by release or drop_held

    def release(self) -> None:
        """Send what was held, if anything was."""
        held, self._held = self._held, None
        if held is None:
            return
        with held:
            held.flush()
            with mmap.mmap(held.fileno(), 0, access=mmap.ACCESS_READ) as data:
                self._line.send(len(data))
                try:
                    self._socket.sendall(data)
                except OSError as failure:
                    raise ClientGone(str(failure)) from failure

    def drop_held(self) -> None:
        """Forget what was held, if anything was."""
        held, self._held = self._held, None
        if held is not None:
            held.close()

    def abort(self) -> None:
        """Break the connection at once, from any thread; a blocked read or write ends."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """End the connection so that the client can still read what was sent."""
        self.drop_held()
        try:
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(1)
            while self._socket.recv(_RECEIVE_BYTES):
                pass
        except OSError:
            pass
        finally:
            self._socket.close()

    def _start_tunnel(self, tunnel: TlsTunnel) -> None:
        self._tunnel, self._is_encrypted = tunnel, True
        if self._received:
            self._received = bytearray(tunnel.unwrap(bytes(self._received)))

    def _read_packet(self) -> tuple[PacketHeader, bytes]:
        header = parse_header(self._read_exactly(HEADER_SIZE))
        return header, self._read_exactly(header.payload_length)

    def _read_exactly(self, byte_count: int) -> bytes:
        while len(self._received) < byte_count:
            self._fill()
        data = bytes(self._received[:byte_count])
        del self._received[:byte_count]
        return data

    def _fill(self) -> None:
        data = self._receive()
        if self._is_encrypted and self._tunnel is not None:
            data = self._tunnel.unwrap(data)
        self._received += data

    def _receive(self) -> bytes:
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except OSError as failure:
            raise ClientGone(str(failure)) from failure
        if not data:
            raise ClientGone("the client closed the connection")
        return data


class ResponseWriter:
    """One response's payload, cut into packets of the negotiated size as it comes."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._pending = bytearray()
        self._before_holding = b""
        self._next_packet_id = 1
        self._body_bytes = transport.packet_size - HEADER_SIZE

    def hold(self) -> None:
        """Send the rest of this response only when it is complete; see ``Transport.hold``."""
        if not self._transport.is_holding:
            self._before_holding = bytes(self._pending)
            self._transport.hold()

    def write(self, payload: bytes | memoryview) -> None:
        """Take payload; full packets are sent once there is a good number of them.

        A large payload goes in pieces that stay in the processor's cache on their way through packets,
        TLS and socket, and of which the client decrypts one while the next is made.
        """
        if len(payload) <= _SEND_BYTES:
            self._pending += payload
            if len(self._pending) > _SEND_BYTES:
                self.flush()
            return
        with memoryview(payload) as view:
            for start in range(0, len(view), _SEND_BYTES):
                self._pending += view[start : start + _SEND_BYTES]
                self.flush()

    def flush(self) -> None:
        """Send all full packets but keep a byte back, since the last packet says it is the last."""
        packet_count = (len(self._pending) - 1) // self._body_bytes
        if packet_count < 1:
            return
        used = packet_count * self._body_bytes
        packets = np.empty((packet_count, self._transport.packet_size), dtype=np.uint8)
        packets[:, :HEADER_SIZE] = _as_bytes(self._header(self._transport.packet_size, is_last=False))
        packets[:, 6] = (np.arange(packet_count) + self._next_packet_id) % 256
        with memoryview(self._pending) as view:
            packets[:, HEADER_SIZE:] = _as_bytes(view[:used]).reshape(packet_count, self._body_bytes)
        self._next_packet_id += packet_count
        del self._pending[:used]
        self._transport.send(packets.data.cast("B"))

    def finish(self) -> None:
        """Send what is left; the message ends here."""
        self.flush()
        self._transport.send(self._header(HEADER_SIZE + len(self._pending), is_last=True) + self._pending)
        self._pending.clear()
        self._transport.release()

    def discard_held(self) -> None:
        """Forget what was written since ``hold``, if it was called."""
        if self._transport.is_holding:
            self._transport.drop_held()
            self._pending[:] = self._before_holding

    def _header(self, length: int, *, is_last: bool) -> bytes:
        status = PacketStatus.END_OF_MESSAGE if is_last else PacketStatus.NORMAL
        session_id, packet_id = self._transport.session_id, self._next_packet_id % 256
        return b"".join(
            (
                bytes([PacketType.TABULAR_RESULT, status]),
                length.to_bytes(2, "big"),
                session_id.to_bytes(2, "big"),
                bytes([packet_id, 0]),
            )
        )


def _as_bytes(data: bytes | memoryview) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8)
