"""The TCP socket under a driver's connection, found among this process's files: to cut it, to look at it.

``mssql-odbc`` 0.3 cannot cancel: SQLCancel does nothing, and closing a result or the connection first reads
the result to its end, which for a large table takes hours. A socket that is shut down ends both at once, and
ends the wait for a server that says nothing (``stalls``) under any driver. Only the operating system knows
which socket is the driver's: the one that is new after connecting.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

_FILE_FOLDERS = (Path("/proc/self/fd"), Path("/dev/fd"))  # Linux, macOS
_LAST_RECEIVED = struct.Struct("=52xI")  # tcp_info.tcpi_last_data_recv, include/uapi/linux/tcp.h
_Address = tuple[object, object]

# Connecting one at a time, so that exactly one socket is new.
connecting = threading.RLock()

ConnectionT = TypeVar("ConnectionT")


class ConnectionSocket:
    """A second handle of the driver's socket, for shutting it down. Thread-safe."""

    def __init__(self, handle: socket.socket) -> None:
        self._handle = handle
        self.is_cut = False

    def cut(self) -> None:
        """End the conversation: whoever reads from the socket meets its end, the server too."""
        self.is_cut = True
        with suppress(OSError):  # the server was faster
            self._handle.shutdown(socket.SHUT_RDWR)

    def read_silence(self) -> float | None:
        """For how many seconds nothing has come from the server; None where the system does not tell."""
        option = getattr(socket, "TCP_INFO", None)
        if option is None or not sys.platform.startswith("linux"):  # others have it in another form
            return None
        with suppress(OSError, struct.error):
            info = self._handle.getsockopt(socket.IPPROTO_TCP, option, _LAST_RECEIVED.size)
            milliseconds: int = _LAST_RECEIVED.unpack(info)[0]
            return milliseconds / 1000
        return None

    def is_quiet(self) -> bool:
        """Whether the conversation stands and nothing has come: no end, and nothing that nobody asked for."""
        try:
            self._handle.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return not self.is_cut
        except (OSError, AttributeError):  # the conversation has ended; Windows has no MSG_DONTWAIT
            return False
        return False

    def release(self) -> None:
        """Let go of the handle; the driver's own is not touched."""
        self._handle.close()

    @contextmanager
    def cutting_after(self, seconds: float) -> Iterator[None]:
        """Within the block, cut once ``seconds`` have passed."""
        timer = threading.Timer(seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def connect_and_find_socket(
    connect: Callable[[], ConnectionT], port: int | None
) -> tuple[ConnectionT, ConnectionSocket | None]:
    """Return what ``connect`` returns, and the socket it opened to ``port`` (any, if that is not known).

    None where no single socket is new: on Windows, or when others connected at the same moment.
    """
    with connecting:
        before = _find_sockets(port)
        for handle in before.values():
            handle.close()
        connection = connect()
        new = _find_sockets(port)
        for address in before.keys() & new.keys():
            new.pop(address).close()
    if len(new) == 1:
        return connection, ConnectionSocket(*new.values())
    for handle in new.values():
        handle.close()
    return connection, None


def _find_sockets(port: int | None) -> dict[_Address, socket.socket]:
    """Return this process's TCP sockets that are connected to ``port``, duplicated, by both their
    addresses."""
    found: dict[_Address, socket.socket] = {}
    folder = next(filter(Path.is_dir, _FILE_FOLDERS), None)
    for file in list(folder.iterdir()) if folder else ():
        with suppress(OSError):  # closed meanwhile, or not connected
            if not stat.S_ISSOCK(os.fstat(int(file.name)).st_mode):
                continue
            handle = socket.socket(fileno=os.dup(int(file.name)))
            try:
                if handle.family not in (socket.AF_INET, socket.AF_INET6):
                    raise OSError
                peer = handle.getpeername()
                if port is not None and peer[1] != port:
                    raise OSError
                address = handle.getsockname(), peer
                if address in found:  # another session's second handle
                    raise OSError
                found[address] = handle
            except OSError:
                handle.close()
    return found
