"""What the emulator's SQL engine hands to its protocol layer. No bytes of TDS, no SQL.

Rows travel as Arrow record batches, one array per column, in the physical form that belongs to
the column's SQL Server type:

==================================================  ================================================
SQL Server type                                     Arrow type
==================================================  ================================================
bit                                                 bool
tinyint, smallint, int, bigint                      uint8, int16, int32, int64
decimal(p,s), numeric(p,s)                          decimal128(p, s)
money, smallmoney                                   decimal128(19, 4), decimal128(10, 4)
real, float                                         float32, float64
char, varchar, text, nchar, nvarchar, ntext, xml    string or large_string; or binary holding
                                                    UTF-16LE, for text that is not valid Unicode
binary, varbinary, image, rowversion, UDTs          binary or large_binary
date                                                date32
time(n)                                             int64, ticks of 100 ns since midnight
datetime, smalldatetime, datetime2(n)               int64, ticks of 100 ns since 0001-01-01
datetimeoffset(n)                                   struct<ticks: int64 (UTC), offset_minutes: int16>
uniqueidentifier                                    binary(16), bytes in RFC 4122 (textual) order
sql_variant                                         struct<base_type: string, value: string>
==================================================  ================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from blb_migration.model import ColumnType


@dataclass(frozen=True)
class ResultColumn:
    """One column of a result; ``type`` uses SQL Server's type names.

    ``collation`` of (var)char columns decides the code page of their bytes; None is the server's,
    SQL_Latin1_General_CP1_CI_AS (code page 1252).
    """

    name: str
    type: ColumnType
    nullable: bool = True
    identity: bool = False
    collation: str | None = None


@dataclass
class ResultSet:
    """A streamed result. ``replay_key`` is equal for two results only if their bytes are equal:
    same database state, same statement, same parameters; None means do not replay. ``start`` begins
    to read, so that what fails before the first row is raised before anything is sent; reading begins
    without it too. A result that is replayed is never started, and ``note_replayed`` gets its rows'
    number."""

    columns: tuple[ResultColumn, ...]
    batches: Iterator[pa.RecordBatch]
    replay_key: str | None = None
    start: Callable[[], None] = lambda: None
    note_replayed: Callable[[int], None] = lambda row_count: None


@dataclass(frozen=True)
class RowCount:
    """The end of a statement without a result set; None under SET NOCOUNT ON or for SET itself."""

    row_count: int | None


@dataclass(frozen=True)
class Message:
    """An informational message (PRINT, USE, severity 10 and below)."""

    number: int
    text: str
    severity: int = 0
    state: int = 1


class SqlServerError(Exception):
    """An error as SQL Server would send it: its number, severity, state and English text."""

    def __init__(self, number: int, text: str, severity: int = 16, state: int = 1, line: int = 1) -> None:
        super().__init__(f"Msg {number}, Level {severity}, State {state}, Line {line}: {text}")
        self.number = number
        self.text = text
        self.severity = severity
        self.state = state
        self.line = line


@dataclass(frozen=True)
class Parameter:
    """A typed parameter of a prepared statement; ``value`` in Python's natural type."""

    name: str
    type: ColumnType
    value: object


class SqlSession(Protocol):
    """One log-in's conversation with the engine."""

    database: str

    def introduce(self, host: str, application: str, process_id: int) -> None:
        """Take what the client says of itself at log-in."""
        ...

    def execute(
        self, batch: str, parameters: Sequence[Parameter] = ()
    ) -> Iterator[ResultSet | RowCount | Message]:
        """Run a T-SQL batch, yielding each statement's outcome in order; raises SqlServerError."""
        ...

    def describe(self, batch: str, parameters: Sequence[Parameter] = ()) -> tuple[ResultColumn, ...]:
        """Columns of the batch's first result, for prepare and for SET FMTONLY ON."""
        ...

    def close(self) -> None:
        """End the session, rolling back what is open."""
        ...


class SqlEngine(Protocol):
    """The server behind the protocol: log-ins and sessions."""

    def login(self, user: str, password: str, database: str | None) -> SqlSession:
        """Open a session; raises SqlServerError 18456 (log-in) or 4060 (database)."""
        ...
