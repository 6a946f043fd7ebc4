"""The SQL Server emulator as a server: a listening socket, its connections, what tests look at.

Speaks TDS 7.4 on loopback for any ``SqlEngine``; Microsoft's own drivers log in to it and read from
it. The protocol is in ``tds/``, the SQL in the engine.
"""

from __future__ import annotations

import itertools
import logging
import socket
import tempfile
import threading
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from pysqlbridge.certificate import Certificate, self_signed, server_context

from blb_migration.sandbox.emulator.results import SqlEngine
from blb_migration.sandbox.emulator.tds.connection import Connection, Services
from blb_migration.sandbox.emulator.tds.faults import FaultBoard
from blb_migration.sandbox.emulator.tds.link import Link, LinkBoard
from blb_migration.sandbox.emulator.tds.replay import ReplayStore
from blb_migration.sandbox.emulator.tds.statements import StatementLog

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
REPLAY_LIMIT_BYTES = 2 * 1024**3
# SQL Server numbers its clients' sessions from 51 on.
_FIRST_SESSION_ID, _SESSION_IDS = 51, 0x7FFF
_STRICT_PROTOCOL = "tds/8.0"


class SqlServerEmulator:
    """A server on loopback while started; use as a context manager.

    ``statements`` lists every statement received since it was made, ``faults`` makes it misbehave,
    ``link`` makes it slow.
    Recordings for replay take up to ``replay_limit_bytes`` of disk while it runs. Without
    ``has_clients_in_process`` even (max) values are streamed; see ``Transport.hold`` for why not otherwise.
    """

    def __init__(
        self,
        engine: SqlEngine,
        *,
        port: int = 0,
        replay_limit_bytes: int = REPLAY_LIMIT_BYTES,
        has_clients_in_process: bool = True,
    ) -> None:
        self.host = HOST
        self.statements = StatementLog()
        self.faults = FaultBoard()
        self._links = LinkBoard()
        self._engine = engine
        self._wanted_port = port
        self._replay_limit_bytes = replay_limit_bytes
        self._has_clients_in_process = has_clients_in_process
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[Connection, threading.Thread] = {}
        self._session_numbers = itertools.count()
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._replay_directory: tempfile.TemporaryDirectory[str] | None = None
        self.certificate_pem = b""

    @property
    def port(self) -> int:
        """The TCP port; raises RuntimeError while not started."""
        if self._listener is None:
            raise RuntimeError("the SQL Server emulator is not started")
        number: int = self._listener.getsockname()[1]
        return number

    @property
    def link(self) -> Link:
        """The line that every connection is behind; set it at any time, also while clients read."""
        return self._links.link

    @link.setter
    def link(self, link: Link) -> None:
        self._links.link = link

    @property
    def session_ids(self) -> frozenset[int]:
        """The sessions that are open now."""
        with self._lock:
            return frozenset(connection.session_id for connection in self._connections)

    def start(self) -> Self:
        """Listen; returns itself. Its self-signed certificate is ``certificate_pem``."""
        certificate = _make_certificate()
        self.certificate_pem = certificate.cert_pem
        tls_context = server_context(certificate)
        tls_context.set_alpn_protocols([_STRICT_PROTOCOL])
        self._stopping.clear()
        self._replay_directory = tempfile.TemporaryDirectory(
            prefix="blb-emulator-", ignore_cleanup_errors=True
        )
        services = Services(
            engine=self._engine,
            tls_context=tls_context,
            statements=self.statements,
            faults=self.faults,
            links=self._links,
            replays=ReplayStore(Path(self._replay_directory.name), self._replay_limit_bytes),
            has_clients_in_process=self._has_clients_in_process,
            stopping=self._stopping,
        )
        self._listener = socket.create_server((self.host, self._wanted_port))
        self._accepting = threading.Thread(
            target=self._accept, args=(self._listener, services), name="emulator-accept", daemon=True
        )
        self._accepting.start()
        return self

    def stop(self) -> None:
        """End all connections, wait for their threads, and remove the recordings. May be repeated."""
        self._stopping.set()
        if self._accepting is not None and self._listener is not None:
            # No way to end a blocked accept works everywhere, but a last connection does.
            socket.create_connection((self.host, self.port)).close()
            self._accepting.join()
            self._listener.close()
            self._accepting = self._listener = None
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            connection.abort()
        for thread in connections.values():
            thread.join()
        if self._replay_directory is not None:
            self._replay_directory.cleanup()
            self._replay_directory = None

    def odbc_connection_string(self, database: str, user: str, password: str, *, encrypt: str = "no") -> str:
        """Return what mssql-python takes; for pyodbc put ``Driver=…;`` before it."""
        return (
            f"Server={self.host},{self.port};Database={{{_escape(database)}}};UID={{{_escape(user)}}};"
            f"PWD={{{_escape(password)}}};Encrypt={encrypt};TrustServerCertificate=yes;"
        )

    def url(self, database: str, user: str = "sa", password: str = "") -> str:
        """Return a SQLAlchemy URL as people write it, naming ODBC Driver 18."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return (
            f"mssql+pyodbc://{login}@{self.host}:{self.port}/{quote(database, safe='')}"
            "?driver=ODBC+Driver+18+for+SQL+Server&TrustServerCertificate=yes"
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self, listener: socket.socket, services: Services) -> None:
        while not self._stopping.is_set():
            try:
                client_socket, _ = listener.accept()
            except OSError as failure:
                logger.warning("the emulator missed a connection: %s", failure)
                continue
            if self._stopping.is_set():
                client_socket.close()
                return
            client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session_id = _FIRST_SESSION_ID + next(self._session_numbers) % _SESSION_IDS
            connection = Connection(client_socket, session_id, services)
            thread = threading.Thread(
                target=self._serve, args=(connection,), name=f"emulator-{session_id}", daemon=True
            )
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            with self._lock:
                self._connections.pop(connection, None)


@cache
def _make_certificate() -> Certificate:
    """One per process: its key takes longer to make than everything else at start."""
    return self_signed("localhost", validity_days=7)


def _escape(value: str) -> str:
    return value.replace("}", "}}")
