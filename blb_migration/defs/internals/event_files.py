"""Dagster's event files, kept open while a run lasts, and written without a wait for the disk per event.

Dagster's SQLite storage builds an engine, opens a connection and closes it for every statement of the
thousand events of a run: the statement is compiled anew, closing the last connection to a file in WAL mode
checkpoints it, and every commit is forced to disk. Of a run of the ERP that was a third. So while a run
lasts one connection per file stays open, and commits are not forced (``synchronous=NORMAL``, which in WAL
mode keeps the file consistent after a crash of the process and of the machine; the latter may cost the last
events). Nothing that proves a migration is in these files: that is the ledger in the target.

Before a run begins, Dagster writes what is planned of it: an event for each asset and each check. The web
server, told to by ``DAGSTER_EVENT_BATCH_SIZE``, hands them over together, and they become one transaction of
each file: all of them, or none, and then Dagster writes them one by one.

The instance's configuration names the class (``event_storage``); nothing is replaced on an object.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from dagster import AssetKey, DagsterInstance, EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.base import AssetRecord
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

from blb_migration.defs.internals.asset_records import AssetRecords
from blb_migration.defs.internals.requirements import require

_BUSY_TIMEOUT_SECONDS = 30  # dagster's own: the web server reads the same files

require(SqliteEventLogStorage, 2)
require(SqliteEventLogStorage._connect, 2)
require(SqliteEventLogStorage.path_for_shard, 2)
require(SqliteEventLogStorage.conn_string_for_shard, 2)
require(SqliteEventLogStorage.has_table, 2)
require(SqliteEventLogStorage.has_asset_key_col, 2)
require(SqliteEventLogStorage.get_asset_records, 2)
require(SqliteEventLogStorage.store_asset_event, 3)
if hasattr(SqliteEventLogStorage, "_store_asset_event"):  # newer releases store within the connection
    require(SqliteEventLogStorage._store_asset_event, 4)
require(SqliteEventLogStorage.store_event, 2)
require(SqliteEventLogStorage.store_event_batch, 2)
_ = (DagsterInstance.event_log_storage, SqliteEventLogStorage.asset_records_have_last_observation)


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite storage, whose files stay open within ``keeping_open``."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._keep_lock = threading.RLock()
        self._keepers = 0
        self._engines: dict[str, Engine] = {}
        self._batch: _Batch | None = None
        self._records: AssetRecords | None = None
        # Of the index: what is there stays, since no release of Dagster's takes any away.
        self._tables: set[str] = set()
        self._asset_columns: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def keeping_open(self) -> Iterator[None]:
        """Within the outermost such block, files stay open and commit cheaply."""
        with self._keep_lock:
            self._keepers += 1
        try:
            yield
        finally:
            with self._keep_lock:
                self._keepers -= 1
                if not self._keepers:
                    for engine in self._engines.values():
                        engine.dispose()
                    self._engines.clear()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """Yield a connection to the file of ``shard``, a run's id or the index, in a transaction of its
        own."""
        with self._keep_lock:
            if not self._keepers:
                with super()._connect(shard) as connection:
                    yield connection
                return
            if self._batch is None:
                with self._begin(shard) as connection:
                    yield connection
                return
            if shard not in self._batch.connections:
                self._batch.connections[shard] = self._batch.stack.enter_context(self._begin(shard))
            yield self._batch.connections[shard]

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Within the outermost such block, a run's, files stay open and the records of assets are known."""
        outer = self._records
        with self.keeping_open():
            self._records = outer or AssetRecords()
            try:
                yield
            finally:
                self._records = outer

    @property
    def asset_records_have_last_observation(self) -> bool:
        """Whether Dagster need not ask for observations, of which this tool makes none."""
        return self._records is not None

    def get_asset_records(self, asset_keys: Sequence[AssetKey] | None = None) -> Sequence[AssetRecord]:
        """Read the records of assets; those that were asked for in this run are known."""
        read = super().get_asset_records
        return (
            read(asset_keys)
            if self._records is None or asset_keys is None
            else self._records.find(read, asset_keys)
        )

    def store_asset_event(self, event: EventLogEntry, event_id: int) -> None:
        """Store what an event says of its asset, and note it; older releases call it for every event."""
        super().store_asset_event(event, event_id)
        if self._records is not None:
            self._records.note(event, event_id)

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        super()._store_asset_event(conn, event, event_id)
        if self._records is not None:
            self._records.note(event, event_id)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has this table; Dagster asks that twice for every result of a check."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether its table of assets has this column; asked three times for every step."""
        if column_name not in self._asset_columns and super().has_asset_key_col(column_name):
            self._asset_columns.add(column_name)
        return column_name in self._asset_columns

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store ``events`` in one transaction of each file; where one of them fails, none is stored."""
        with self.keeping_open(), self._keep_lock, ExitStack() as stack:
            self._batch = _Batch(stack)
            try:
                for event in events:
                    self.store_event(event)
            finally:
                self._batch = None

    @contextmanager
    def _begin(self, shard: str) -> Iterator[Connection]:
        """Yield the kept connection to the file of ``shard`` in a transaction."""
        if shard not in self._engines:
            self._engines[shard] = self._open(shard)
        with self._engines[shard].connect() as connection:
            changes = _count_changes(connection)
            with connection.begin():
                yield connection
            is_changed = _count_changes(connection) != changes
        if is_changed:
            # The web server watches the file itself for new events, which are in the log beside it.
            os.utime(self.path_for_shard(shard))

    def _open(self, shard: str) -> Engine:
        with super()._connect(shard):
            pass  # makes the file and its tables
        engine = sqlalchemy.create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": _BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("PRAGMA synchronous=NORMAL"))
        return engine


@dataclass(frozen=True)
class _Batch:
    """The transactions of a batch, by shard; they end with ``stack``."""

    stack: ExitStack
    connections: dict[str, Connection] = field(default_factory=dict)


def keep_open(instance: DagsterInstance) -> AbstractContextManager[None]:
    """Keep the event files of ``instance`` open for a run, if its storage is the one above."""
    storage = instance.event_log_storage
    return storage.remembering() if isinstance(storage, KeptSqliteEventLogStorage) else nullcontext()


def _count_changes(connection: Connection) -> int:
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, sqlite3.Connection)
    return driver_connection.total_changes
