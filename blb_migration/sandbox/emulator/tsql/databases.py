"""One database of the emulator: its tables, what they are made of, and their rows in DuckDB.

Each is a DuckDB database of its own attached to the engine's instance. No constraint is enforced:
tests plant orphans, duplicates and NULLs on purpose. What ``sys`` says is in
``catalog_views``, how FROM reads a table in ``table_sources``.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa

from blb_migration.model import Column, ColumnType, Identity, Table, TableName
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.bulk_rows import TableData, storage_batches
from blb_migration.sandbox.emulator.tsql.datatypes import duckdb_type, normalize
from blb_migration.sandbox.emulator.tsql.oddities import Oddities
from blb_migration.sandbox.emulator.tsql.typed import quote_name, quote_text

_FIRST_OBJECT_ID = 581577110
_OBJECT_ID_STEP = 16000057
FIRST_LOG_FILE = 40
_OBJECT_ID_LIMIT = 2147483647
CREATED_AT = dt.datetime(2024, 1, 15, 8, 30)


@dataclass
class StoredTable:
    """A table of the model with its identifiers; ``hidden_text`` names columns that hold text which
    is not valid Unicode."""

    table: Table
    object_id: int
    schema_id: int
    part_ids: Mapping[str, int]
    physical_name: str
    hidden_text: set[str] = field(default_factory=set)
    row_count: int = 0
    last_identity: int | None = None
    user_updates: int = 0
    modifications: int = 0
    tracked_since: int | None = None

    @property
    def identity(self) -> tuple[Column, Identity] | None:
        """The identity column, if there is one."""
        for column in self.table.columns:
            if column.identity is not None:
                return column, column.identity
        return None

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that take room: all but computed ones that are not persisted."""
        return tuple(each for each in self.table.columns if each.computed is None or each.computed.persisted)


ColumnComputer = Callable[["Database", StoredTable, Column], str]
"""A computed column's value over the stored columns of its table, as DuckDB text."""


class Database:
    """A database to fill from Python; sessions read it. Methods may be called from any thread."""

    def __init__(  # noqa: PLR0917  # made by the engine alone
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        database_id: int,
        collation: str,
        lock: threading.RLock,
        compute_column: ColumnComputer,
        path: Path | None = None,
    ) -> None:
        self.name = name
        self.database_id = database_id
        self.collation = collation
        self.allows_snapshot = False
        self.is_read_committed_snapshot = False
        self.is_read_only = False
        # What is special about columns, by schema, table and column in lower case: {"is_column_set": True}.
        self.column_flags: dict[tuple[str, str, str], dict[str, object]] = {}
        # The same of tables, by schema and table: {"is_memory_optimized": True}.
        self.table_flags: dict[tuple[str, str], dict[str, object]] = {}
        # Masked columns with their masks, by schema, table and column in lower case; and the tables that
        # a security policy filters, with its name. Neither changes what is read: tests plant that.
        self.masks: dict[tuple[str, str, str], str] = {}
        self.row_filters: dict[tuple[str, str], str] = {}
        self.rights = {"connect", "select", "any", "view definition"}
        # "sound", or a fault that servers were seen to have: "every column" (a row of every identity for
        # each column of the database, without seed and step), "no numbers" (all numbers NULL).
        self.identity_view: Literal["sound", "every column", "no numbers"] = "sound"
        self.oddities = Oddities()
        self.source_database_id: int | None = None
        self.list_sessions: Callable[[], Sequence[Any]] = lambda: ()
        self.created_at = _now()
        self.recovery_fork = uuid.uuid4().bytes
        self.tracking_version: int | None = None
        self.last_rowversion = 2000
        self.alias_types: dict[str, ColumnType] = {}
        self.schemas: dict[str, int] = {"dbo": 1, "guest": 2, "INFORMATION_SCHEMA": 3, "sys": 4}
        self.tables: dict[tuple[str, str], StoredTable] = {}
        self.data_version = 0
        self.is_changing = False
        self.catalog_version = 0
        self.physical_name = quote_name(f"db{database_id}")
        self._connection = connection
        self._lock = lock
        self._compute_column = compute_column
        self._next_object_id = _FIRST_OBJECT_ID
        where = "':memory:'" if path is None else quote_text(str(path))
        compressed = " (COMPRESS)" if path is None else ""
        connection.execute(f"ATTACH {where} AS {self.physical_name}{compressed}")
        connection.execute(f"CREATE SCHEMA {self.physical_name}.{quote_name('dbo')}")

    def create_schema(self, name: str) -> None:
        """Create a schema; nothing happens if it exists."""
        with self._lock:
            if name.lower() in (each.lower() for each in self.schemas):
                return
            self.schemas[name] = max(4, *self.schemas.values()) + 1
            self._connection.execute(f"CREATE SCHEMA {self.physical_name}.{quote_name(name)}")
            self._bump()

    def create_table(self, table: Table) -> StoredTable:
        """Create an empty table; raises error 2714 if the name is taken."""
        with self._lock:
            key = (table.name.schema.lower(), table.name.name.lower())
            if key in self.tables:
                raise SqlServerError(
                    2714, f"There is already an object named '{table.name.name}' in the database.", state=6
                )
            self.create_schema(table.name.schema)
            table = replace(table, columns=tuple(self._normalized(column) for column in table.columns))
            physical = f"{self.physical_name}.{quote_name(table.name.schema)}.{quote_name(table.name.name)}"
            stored = StoredTable(
                table,
                self._new_object_id(),
                next(number for name, number in self.schemas.items() if name.lower() == key[0]),
                {part: self._new_object_id() for part in _parts_with_ids(table)},
                physical,
            )
            found = stored.identity
            stored.last_identity = None if found is None else found[1].last_value
            definitions = ", ".join(
                f"{quote_name(each.name)} {duckdb_type(each.type)}" for each in stored.stored_columns
            )
            self._connection.execute(f"CREATE TABLE {physical} ({definitions})")
            self.tables[key] = stored
            self._bump()
            return stored

    def load(self, table_name: str | TableName, data: TableData) -> int:
        """Append rows given as Arrow, in the physical forms of ``results`` or close to them; returns
        their number. Columns that are missing are computed, or NULL. ``data`` may be an iterator of
        record batches and is never held as a whole."""
        stored = self.find_table(table_name)
        with self._lock:
            self.is_changing = True
            cursor = self._connection.cursor()
            try:
                row_count = 0
                for batch, hidden in storage_batches(stored.table, data):
                    stored.hidden_text |= hidden
                    self._append(cursor, stored, batch)
                    row_count += batch.num_rows
                    stored.modifications += batch.num_rows
            finally:
                cursor.close()
                self.note_change(stored)
            return row_count

    def execute_native(self, sql: str) -> None:
        """Run DuckDB's SQL against the stored tables, ``dbo`` being the schema of plain names: how
        tests plant damage that no constraint lets through."""
        with self._lock:
            self.is_changing = True
            cursor = self._connection.cursor()
            try:
                cursor.execute(f"USE {self.physical_name}.{quote_name('dbo')}")
                cursor.execute(sql)
            finally:
                cursor.close()
                for stored in self.tables.values():
                    self.count_rows(stored)
                self.note_change(*(each for each in self.tables.values() if _is_named(each, sql)))

    def find_table(self, table_name: str | TableName) -> StoredTable:
        """Find the table by ``schema.name`` or name in ``dbo``, in any case; raises error 208."""
        if isinstance(table_name, str):
            schema, _, name = table_name.rpartition(".")
            table_name = TableName(schema or "dbo", name)
        stored = self.tables.get((table_name.schema.lower(), table_name.name.lower()))
        if stored is None:
            raise SqlServerError(208, f"Invalid object name '{table_name}'.")
        return stored

    def alter_table(self, stored: StoredTable, table: Table) -> None:
        """Give the table other constraints, indexes or descriptions; its columns stay."""
        with self._lock:
            known = dict(stored.part_ids)
            stored.part_ids = {
                part: known.get(part) or self._new_object_id() for part in _parts_with_ids(table)
            }
            stored.table = table
            self._bump()

    def drop_table(self, stored: StoredTable) -> None:
        """Remove the table and its rows."""
        with self._lock:
            self._connection.execute(f"DROP TABLE {stored.physical_name}")
            self.tables = {key: each for key, each in self.tables.items() if each is not stored}
            self._bump()

    def note_change(self, *changed: StoredTable) -> None:
        """Say that rows of these tables changed, so that no earlier result may be replayed."""
        with self._lock:
            for stored in changed:
                self.count_rows(stored)
                stored.user_updates += 1
                if any(column.type.name == "rowversion" for column in stored.table.columns):
                    self.last_rowversion += 1
            if self.tracking_version is not None and any(each.tracked_since is not None for each in changed):
                self.tracking_version += 1
            self._bump()
            self.is_changing = False

    def note_truncation(self, stored: StoredTable) -> None:
        """Say that a table was emptied by TRUNCATE TABLE, which Change Tracking does not track."""
        with self._lock:
            self.count_rows(stored)
            if stored.tracked_since is not None:
                stored.tracked_since = self.tracking_version
            self._bump()

    def track_changes(self, *tables: StoredTable) -> None:
        """Switch Change Tracking on, for these tables."""
        with self._lock:
            self.tracking_version = self.tracking_version or 0
            for stored in tables:
                stored.tracked_since = self.tracking_version
            self._bump()

    @property
    def log_end_lsn(self) -> int:
        """Where its log ends, as backups have it."""
        return (FIRST_LOG_FILE * 10**10 + self.data_version + 1) * 10**5 + 1

    def settings(self) -> tuple[object, ...]:
        """Return the options that ``sys.databases`` shows."""
        return (
            self.allows_snapshot,
            self.is_read_committed_snapshot,
            self.is_read_only,
            self.source_database_id,
        )

    def count_rows(self, stored: StoredTable) -> None:
        """Refresh the row count that ``sys.partitions`` shows."""
        cursor = self._connection.cursor()
        try:
            (stored.row_count,) = cursor.execute(
                f"SELECT count(*) FROM {stored.physical_name}"
            ).fetchone() or (0,)
        finally:
            cursor.close()

    def _append(self, cursor: duckdb.DuckDBPyConnection, stored: StoredTable, batch: pa.RecordBatch) -> None:
        incoming = set(batch.schema.names)
        names: list[str] = []
        values: list[str] = []
        for column in stored.stored_columns:
            names.append(quote_name(column.name))
            if column.name in incoming:
                values.append(_stored_form(column))
            elif column.computed is not None:
                values.append(self._compute_column(self, stored, column))
            else:
                values.append(f"CAST(NULL AS {duckdb_type(column.type)})")
        absent = [
            f"CAST(NULL AS {duckdb_type(each.type)}) AS {quote_name(each.name)}"
            for each in stored.stored_columns
            if each.name not in incoming
        ]
        cursor.register("incoming_rows", batch)
        rows = f"(SELECT {', '.join(['*', *absent])} FROM incoming_rows)" if absent else "incoming_rows"
        cursor.execute(
            f"INSERT INTO {stored.physical_name} ({', '.join(names)}) SELECT {', '.join(values)} FROM {rows}"
        )
        cursor.unregister("incoming_rows")

    def _normalized(self, column: Column) -> Column:
        return replace(column, type=normalize(column.type))

    def _new_object_id(self) -> int:
        number = self._next_object_id
        self._next_object_id = (number + _OBJECT_ID_STEP) % _OBJECT_ID_LIMIT
        return number

    def _bump(self) -> None:
        self.data_version += 1
        self.catalog_version += 1


def _is_named(stored: StoredTable, sql: str) -> bool:
    name = re.escape(stored.table.name.name)
    return re.search(rf"(?<!\w){name}(?!\w)", sql, re.IGNORECASE) is not None


def _now() -> dt.datetime:
    """Return this moment as a datetime of SQL Server holds it without rounding."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 10_000 * 10_000)


def _stored_form(column: Column) -> str:
    name = quote_name(column.name)
    if column.type.name in ("char", "nchar"):
        return f"tsql_pad{'_units' if column.type.name == 'nchar' else ''}({name}, {column.type.length})"
    if column.type.name == "binary":
        return f"from_hex(rpad(hex({name}), {(column.type.length or 1) * 2}, '0'))"
    return f"CAST({name} AS {duckdb_type(column.type)})"


def _parts_with_ids(table: Table) -> Iterable[str]:
    """Yield the constraints, which are objects of their own in ``sys.objects``."""
    keys = [table.primary_key, *table.unique_keys]
    yield from (f"key:{key.name}" for key in keys if key is not None)
    yield from (f"foreign key:{key.name}" for key in table.foreign_keys)
    yield from (f"check:{check.name}" for check in table.checks)
    yield from (f"default:{column.name}" for column in table.columns if column.default is not None)
