"""A line between the product and a server: counts what is sent, and is cut, hangs or acts where a test says.

What comes from the client is counted by the piece, one for each statement and its kin, so that "before the
213th" is a moment that another run of the same seed meets again.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_PIECE_BYTES = 1 << 16


class Relay:
    """Listens on a port of its own and passes on what comes, until told otherwise. Thread-safe."""

    def __init__(self, find_server: Callable[[], tuple[str, int]]) -> None:
        """``find_server`` is asked for each connection: a server that was started again has another port."""
        self._find_server = find_server
        self._lock = threading.Lock()
        self._links: set[socket.socket] = set()
        self._flows = threading.Event()
        self._flows.set()
        self._moment: int | None = None
        self._act: Callable[[], None] = lambda: None
        self.pieces = 0
        self.refuses = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, name="relay", daemon=True).start()

    @property
    def port(self) -> int:
        """Where the product connects to."""
        number: int = self._listener.getsockname()[1]
        return number

    @contextmanager
    def acting_before(self, piece: int, act: Callable[[], None]) -> Iterator[None]:
        """Within the block, count anew; call ``act`` once, before the client's piece of that number."""
        with self._lock:
            self.pieces, self._moment, self._act = 0, piece, act
        try:
            yield
        finally:
            with self._lock:
                self._moment = None

    def hang(self, for_seconds: float | None = None) -> None:
        """Take what comes and pass on nothing, on open connections and on new ones."""
        self._flows.clear()
        if for_seconds is not None:
            timer = threading.Timer(for_seconds, self.go_on)
            timer.daemon = True
            timer.start()

    def go_on(self) -> None:
        """Pass on what was held back, and all that follows."""
        self._flows.set()

    def cut(self) -> None:
        """End all connections, as a firewall does that was started again."""
        with self._lock:
            links = list(self._links)
        for link in links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it all."""
        self.refuses = True
        self.go_on()
        self._listener.close()
        self.cut()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuses:
                    client.close()
                    continue
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            self._flows.wait()
            try:
                server = socket.create_connection(self._find_server())
            except OSError:
                return
            for link in (client, server):
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._links |= {client, server}
            with server:
                back = threading.Thread(
                    target=self._pass_on, args=(server, client, lambda: None), daemon=True
                )
                back.start()
                self._pass_on(client, server, self._count)
                back.join()
            with self._lock:
                self._links -= {client, server}

    def _pass_on(self, source: socket.socket, target: socket.socket, notice: Callable[[], None]) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                notice()
                self._flows.wait()
                target.sendall(piece)
        for link in (source, target):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _count(self) -> None:
        with self._lock:
            self.pieces += 1
            if self._moment is None or self.pieces < self._moment:
                return
            self._moment = None
        self._act()
