"""A SQL Server to make databases on: in which order its tables, rows and keys come to be.

Foreign keys wait for both their tables; while a table is loaded its constraints are off, and come back as the
model has them: trusted where every row fits. Only databases made here are ever dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from urllib.parse import quote

import pyarrow as pa

from blb_migration.errors import SourceError
from blb_migration.model import Column, Table, TableName
from blb_migration.sandbox.emulator.tsql.bulk_rows import to_physical_form
from blb_migration.sandbox.filling import create_statements as statements
from blb_migration.sandbox.filling.literals import build_literal
from blb_migration.settings import SourceSettings, parse_source_url
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.sqlserver.names import quote_columns, quote_name, quote_table

BATCH_CHARACTERS = 400_000  # statements of one batch; SQL Server takes 65,536 times the packet's size
_CONFLICT = "conflicted with the"  # error 547, for a constraint that the rows do not fit
_NOT_INSERTED = ("rowversion", "timestamp")  # the server's own numbers


class FilledDatabase:
    """One database that was made here, with the emulator's ``Database`` face as far as filling goes."""

    def __init__(self, name: str, session: SourceSession) -> None:
        self.name = name
        self._session = session
        self._tables: dict[TableName, Table] = {}
        self._types: set[str] = set()
        self._schemas = {"dbo"}
        self._waiting: list[tuple[TableName, str]] = []

    def execute(self, statement: str) -> None:
        """Send one batch; raises SourceError."""
        with self._session.open_cursor(statement, action="filling the database"):
            pass

    execute_native = execute

    def create_table(self, table: Table) -> None:
        """Make an empty table with all that constrains it, and the keys that waited for it."""
        if table.name.schema not in self._schemas:
            self._schemas.add(table.name.schema)
            self.execute(f"CREATE SCHEMA {quote_name(table.name.schema)}")
        for name, statement in statements.build_types(table).items():
            if name not in self._types:
                self._types.add(name)
                self.execute(statement)
        self.execute(statements.build_create_table(table))
        for check in table.checks:
            self.execute(statements.build_check(table.name, check))
        for index in table.indexes:
            self.execute(statements.build_index(table.name, index))
        for statement in statements.build_comments(table):
            self.execute(statement)
        self._tables[table.name] = table
        for child in self._tables.values():
            for key in child.foreign_keys:
                parent_is_there = key.referred_table in self._tables
                if table.name in (child.name, key.referred_table) and parent_is_there:
                    self.execute(statements.build_foreign_key(child.name, key))
        self._set_identity(table)

    def load(self, table_name: str | TableName, data: pa.Table | pa.RecordBatch) -> int:
        """Append rows given as the emulator takes them; returns their number.

        Computed columns and row versions are the server's own. Raises SourceError for what it refuses.
        """
        table = self._find(table_name)
        batches = [data] if isinstance(data, pa.RecordBatch) else data.to_batches()
        self._switch_off(table)
        is_numbered = any(column.identity is not None for column in table.columns)
        row_count = 0
        for batch in batches:
            columns = [table.columns_by_name[name] for name in batch.schema.names]
            kept = [
                position
                for position, column in enumerate(columns)
                if column.computed is None and column.type.name not in _NOT_INSERTED
            ]
            arrays = [_read_values(batch.column(position), columns[position]) for position in kept]
            inserts = _build_inserts(table, [columns[position] for position in kept], arrays)
            for statement in _group(inserts, table if is_numbered else None):
                self.execute(statement)
            row_count += batch.num_rows
        self._switch_on(table)
        self._set_identity(table)
        return row_count

    def _find(self, table_name: str | TableName) -> Table:
        if isinstance(table_name, str):
            schema, _, name = table_name.rpartition(".")
            table_name = TableName(schema or "dbo", name)
        return self._tables[table_name]

    def _switch_off(self, table: Table) -> None:
        for name, _ in _constraints(table, self._tables):
            self.execute(statements.build_switch(table.name, name, on=False))

    def _switch_on(self, table: Table) -> None:
        for name, trusted in _constraints(table, self._tables):
            self.execute(statements.build_switch(table.name, name, on=True))
            if trusted:
                self._waiting.append((table.name, name))
        still_waiting = []
        for owner, name in self._waiting:
            try:
                self.execute(statements.build_switch(owner, name, on=True, trusted=True))
            except SourceError as error:
                if _CONFLICT not in str(error):
                    raise
                still_waiting.append((owner, name))  # its parents may be loaded later
        self._waiting = still_waiting
        for key in table.foreign_keys:
            if not key.enabled:
                self.execute(statements.build_switch(table.name, key.name, on=False))

    def _set_identity(self, table: Table) -> None:
        for column in table.columns:
            if column.identity is not None and column.identity.last_value is not None:
                name = statements.quote_text(quote_table(table.name))
                self.execute(f"DBCC CHECKIDENT ({name}, RESEED, {column.identity.last_value})")


class FilledServer:
    """A server on which databases may be made, with the emulator's ``TsqlEngine`` face for that.

    ``source_url`` names a log-in that may create databases; its database is not touched. Use as a context
    manager, or ``close`` it: databases made here are dropped unless ``keeps``.
    """

    def __init__(self, source_url: str, *, keeps: bool = False) -> None:
        self.databases: dict[str, FilledDatabase] = {}
        self._source_url = source_url
        self._keeps = keeps
        self._sessions = ExitStack()
        self._master = self._open("master")

    @property
    def settings(self) -> SourceSettings:
        """The server's settings, as the URL has them."""
        return parse_source_url(self._source_url)

    def create_database(self, name: str, collation: str | None = None) -> FilledDatabase:
        """Make an empty database; raises SourceError where the name is taken."""
        collate = f" COLLATE {collation}" if collation else ""
        self._execute(f"CREATE DATABASE {quote_name(name)}{collate}")
        database = self.databases[name.lower()] = FilledDatabase(name, self._open(name))
        return database

    def has_database(self, name: str) -> bool:
        """Whether the server has a database of this name, whoever made it."""
        question = f"SELECT COUNT(*) FROM sys.databases AS d WHERE d.name = {statements.quote_text(name)}"
        return bool(self._master.read_rows(question, action="looking for a database")[0][0])

    def drop_database(self, name: str) -> None:
        """Drop one that was made here, whoever is connected to it."""
        del self.databases[name.lower()]
        self._execute(f"ALTER DATABASE {quote_name(name)} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
        self._execute(f"DROP DATABASE {quote_name(name)}")

    def build_url(self, database: str) -> str:
        """Build the URL of one database, with the log-in and the options of the server's own."""
        head, _, rest = self._source_url.partition("://")
        server, _, query = rest.partition("?")
        log_in, _, place = server.rpartition("@")
        place = place.partition("/")[0]
        address = f"{log_in}@{place}" if log_in else place
        return f"{head}://{address}/{quote(database, safe='')}" + (f"?{query}" if query else "")

    def close(self) -> None:
        """Drop what was made here and end all sessions."""
        with self._sessions, suppress(SourceError):  # a server that is gone has nothing to drop
            for database in [] if self._keeps else list(self.databases.values()):
                self.drop_database(database.name)

    def __enter__(self) -> FilledServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, database: str) -> SourceSession:
        connector = SourceConnector(replace(self.settings, database=database))
        return self._sessions.enter_context(connector.connect())

    def _execute(self, statement: str) -> None:
        with self._master.open_cursor(statement, action="preparing the server"):
            pass


def _constraints(table: Table, tables: dict[TableName, Table]) -> Iterator[tuple[str, bool]]:
    """Yield the table's checks and foreign keys that exist by now, and whether each is to be trusted."""
    yield from ((check.name, check.trusted) for check in table.checks)
    yield from ((key.name, key.trusted) for key in table.foreign_keys if key.referred_table in tables)


def _read_values(array: pa.Array, column: Column) -> Sequence[object]:
    values: list[object] = to_physical_form(array, column).to_pylist()
    return values


def _build_inserts(
    table: Table, columns: Sequence[Column], arrays: Sequence[Sequence[object]]
) -> Iterator[str]:
    """Build a statement for each row: a VALUES of several rows would unify the types of its constants."""
    if not columns:
        return
    names = quote_columns(tuple(column.name for column in columns))
    for row in zip(*arrays, strict=True):
        values = ", ".join(build_literal(*pair) for pair in zip(columns, row, strict=True))
        yield f"INSERT INTO {quote_table(table.name)} ({names}) VALUES ({values})"


def _group(inserts: Iterator[str], numbered: Table | None) -> Iterator[str]:
    """Join statements into batches; IDENTITY_INSERT is a session's, for one table at a time."""
    head, tail = "SET NOCOUNT ON; SET XACT_ABORT ON; ", ""
    if numbered is not None:
        switch = f"SET IDENTITY_INSERT {quote_table(numbered.name)}"
        head, tail = f"{head}{switch} ON; ", f"; {switch} OFF"
    group: list[str] = []
    size = 0
    for insert in inserts:
        if group and size + len(insert) > BATCH_CHARACTERS:
            yield head + "; ".join(group) + tail
            group, size = [], 0
        group.append(insert)
        size += len(insert)
    if group:
        yield head + "; ".join(group) + tail
