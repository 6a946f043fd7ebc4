"""What a session needs of its server, and what its statements need of their session. Nothing runs here."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

import duckdb
import pyarrow as pa

from blb_migration.sandbox.emulator.tsql.context import OpenedTable, StatementContext
from blb_migration.sandbox.emulator.tsql.databases import Database, StoredTable
from blb_migration.sandbox.emulator.tsql.logins import Login
from blb_migration.sandbox.emulator.tsql.settings import SessionOptions
from blb_migration.sandbox.emulator.tsql.statement_cache import StatementCache


class Server(Protocol):
    """The engine, as far as its sessions need it."""

    databases: dict[str, Database]
    statements: StatementCache

    def create_database(self, name: str, collation: str = ...) -> Database:
        """Create an empty database; raises error 1801."""
        ...

    def drop_database(self, name: str) -> None:
        """Remove a database with its rows."""
        ...

    def open_table(self, context: StatementContext, parts: Sequence[str]) -> OpenedTable:
        """Open the table or view of that dotted name; raises error 208 or 229."""
        ...

    def check_database_access(self, login: Login, name: str, in_session: bool = False) -> None:
        """Raise error 4060 or 916 if the log-in may not enter the database."""
        ...

    def catalog_state(self) -> Hashable:
        """Return what is equal as long as no catalog has changed."""
        ...

    def forget_session(self, session: Session) -> None:
        """Let go of a session that ends."""
        ...


class Session(Protocol):
    """The session, as far as its statements need it."""

    engine: Server
    login: Login
    options: SessionOptions
    cursor: duckdb.DuckDBPyConnection

    def register_views(self, arrow_tables: Mapping[str, pa.Table]) -> None:
        """Make the catalog views that a statement reads known to DuckDB."""
        ...

    def note_change(self, database: str, stored: StoredTable | None) -> None:
        """Note that this session has changed rows of the table; None: of one that counts them itself."""
        ...
