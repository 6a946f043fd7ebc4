"""Dagster's event files, kept open while a run lasts, and written without a wait for the disk per event.

Dagster's SQLite storage builds an engine, opens a connection and closes it for every statement of the
thousand events of a run: the statement is compiled anew, closing the last connection to a file in WAL mode
checkpoints it, and every commit is forced to disk. Of a run of the ERP that was a third. So while a run
lasts one connection per file stays open, and commits are not forced (``synchronous=NORMAL``, which in WAL
mode keeps the file consistent after a crash of the process and of the machine; the latter may cost the last
events). Nothing that proves a migration is in these files: that is the ledger in the target.

It takes the place of a method of Dagster's that has no public name, on one object. Should a later Dagster
call it otherwise, runs are slower and nothing else; a test would say so.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from dagster import DagsterInstance
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

_CONNECT = "_connect"  # (shard) -> context manager of a connection within a transaction
_BUSY_TIMEOUT_SECONDS = 30  # dagster's own: the web server reads the same files


@contextmanager
def kept_event_files(instance: DagsterInstance) -> Iterator[None]:
    """Within the block, the SQLite files of ``instance``'s events stay open, and commit cheaply.

    Does nothing for an instance that stores its events elsewhere, or whose files are kept already.
    """
    storage = instance.event_log_storage
    if (
        not isinstance(storage, SqliteEventLogStorage)
        or not hasattr(storage, _CONNECT)
        or _CONNECT in vars(storage)
    ):
        yield
        return
    keeper = _FileKeeper(storage)
    setattr(storage, _CONNECT, keeper.connect)
    try:
        yield
    finally:
        delattr(storage, _CONNECT)
        keeper.close()


class _FileKeeper:
    """One connection per file, used by one thread at a time, as Dagster's own lock has it."""

    def __init__(self, storage: SqliteEventLogStorage) -> None:
        self._storage = storage
        self._initialize = getattr(storage, _CONNECT)
        self._lock = threading.Lock()
        self._engines: dict[str, Engine] = {}

    @contextmanager
    def connect(self, shard: str) -> Iterator[Connection]:
        """A connection to the file of ``shard``, a run's id or the index, in a transaction of its own."""
        with self._lock:
            if shard not in self._engines:
                self._engines[shard] = self._open(shard)
            with self._engines[shard].connect() as connection:
                changes = _count_changes(connection)
                with connection.begin():
                    yield connection
                is_changed = _count_changes(connection) != changes
            if is_changed:
                # The web server watches the file itself for new events, which are in the log beside it.
                os.utime(self._storage.path_for_shard(shard))

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    def _open(self, shard: str) -> Engine:
        with self._initialize(shard):
            pass  # makes the file and its tables
        engine = sqlalchemy.create_engine(
            self._storage.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": _BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("PRAGMA synchronous=NORMAL"))
        return engine


def _count_changes(connection: Connection) -> int:
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, sqlite3.Connection)
    return driver_connection.total_changes
