"""What one statement is compiled against: databases, variables and session facts; what it touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue
from blb_migration.sandbox.emulator.tsql.typed import Typed


@dataclass(frozen=True)
class OpenedTable:
    """A table or view in FROM: its DuckDB text, and columns whose SQL is to be qualified."""

    sql: str
    columns: tuple[NamedValue, ...]
    qualifiers: frozenset[str]
    arrow: tuple[str, pa.Table] | None = None


@dataclass(frozen=True)
class SessionFacts:
    """What the session's own functions answer with."""

    spid: int
    login: str
    host: str
    application: str
    transaction_count: int
    row_count: int
    lock_timeout: int
    text_size: int
    isolation_level: str
    language: str = "us_english"


class TableFinder(Protocol):
    """The engine, as far as compiling needs it."""

    @property
    def databases(self) -> Mapping[str, Database]:
        """All databases by lower-case name."""
        ...

    def open_table(self, context: StatementContext, parts: Sequence[str]) -> OpenedTable:
        """Return the table or view of that dotted name; raises 208 or 229."""
        ...


@dataclass
class StatementContext:
    """Compile-time state of one statement; not shared, not reused.

    ``is_deterministic``: equal SQL gives equal rows from equal data. ``is_volatile``: what stands in its SQL
    is of this moment, so it is compiled anew every time.
    """

    finder: TableFinder
    database: Database
    facts: SessionFacts
    denied_tables: frozenset[str] = frozenset()
    variables: dict[str, Typed] = field(default_factory=dict)
    sees_server_state: bool = True
    is_deterministic: bool = True
    is_volatile: bool = False
    user_databases: set[str] = field(default_factory=set)
    arrow_tables: dict[str, pa.Table] = field(default_factory=dict)
    alias_count: int = 0

    @property
    def collation(self) -> str:
        """The current database's collation: that of constants and of system names."""
        return self.database.collation

    def new_alias(self) -> str:
        """Return a DuckDB alias that no other source of the statement has."""
        self.alias_count += 1
        return f"t{self.alias_count}"
