"""A SQL engine of answers laid out beforehand, for tests of the protocol alone; and a server on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import mssql_python
import pyarrow as pa
import pytest

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import (
    Message,
    Parameter,
    ResultColumn,
    ResultSet,
    RowCount,
    SqlServerError,
)
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.settings.odbc import MICROSOFT_DRIVER
from blb_migration.sqlserver.drivers import load_driver

USER, PASSWORD, DATABASE = "sa", "p}w;ä {1", "erp"

# What only Microsoft's driver asks of a server: with the other there is nothing to test.
NEEDS_CANCELLING = "mssql-odbc cannot cancel; sqlserver/test_leaving_early.py has what is done instead"
NEEDS_CALLS_BY_NAME = "mssql-odbc sends a procedure's call as a statement"

Outcome = ResultSet | RowCount | Message
Answer = Callable[["PreparedSession", Sequence[Parameter]], Iterator[Outcome]]


def skip_unless_microsofts_driver(reason: str) -> None:
    """Skip the test where this run's driver is the other one."""
    if load_driver(None).name != MICROSOFT_DRIVER:
        pytest.skip(reason)


@dataclass
class PreparedSession:
    """Answers a batch by its exact text."""

    engine: PreparedEngine
    database: str
    executed: list[tuple[str, tuple[Parameter, ...]]] = field(default_factory=list)
    is_closed: bool = False

    def execute(self, batch: str, parameters: Sequence[Parameter] = ()) -> Iterator[Outcome]:
        self.executed.append((batch, tuple(parameters)))
        answer = self.engine.answers.get(batch)
        if answer is not None:
            yield from answer(self, parameters)
        elif batch.startswith(("BEGIN TRAN", "COMMIT TRAN", "ROLLBACK TRAN", "SET ")):
            yield RowCount(None)
        else:
            raise SqlServerError(208, f"Invalid object name '{batch}'.")

    def introduce(self, host: str, application: str, process_id: int) -> None:
        pass

    def describe(self, batch: str, parameters: Sequence[Parameter] = ()) -> tuple[ResultColumn, ...]:
        for outcome in self.execute(batch, parameters):
            if isinstance(outcome, ResultSet):
                return outcome.columns
        return ()

    def close(self) -> None:
        self.is_closed = True


@dataclass
class PreparedEngine:
    """Knows one user and one database."""

    answers: dict[str, Answer] = field(default_factory=dict)
    sessions: list[PreparedSession] = field(default_factory=list)

    def login(self, user: str, password: str, database: str | None) -> PreparedSession:
        if (user, password) != (USER, PASSWORD):
            raise SqlServerError(18456, f"Login failed for user '{user}'.", severity=14)
        if database not in (None, "master", DATABASE):
            text = f'Cannot open database "{database}" requested by the login. The login failed.'
            raise SqlServerError(4060, text, severity=11)
        session = PreparedSession(self, database or "master")
        self.sessions.append(session)
        return session

    def answer(
        self, batch: str, columns: Sequence[ResultColumn], *batches: pa.RecordBatch, key: str | None = None
    ) -> None:
        """Give these batches for this statement, every time it is asked."""
        self.answers[batch] = lambda _session, _parameters: iter(
            [ResultSet(tuple(columns), iter(batches), key)]
        )


@contextmanager
def serving(engine: PreparedEngine, **options: Any) -> Iterator[SqlServerEmulator]:
    """Yield the emulator, on this engine, without the driver's pool, which would outlive it."""
    mssql_python.pooling(enabled=False)
    with SqlServerEmulator(engine, **options) as server:
        yield server


def connect(
    server: SqlServerEmulator, *, encrypt: str = "no", autocommit: bool = True
) -> mssql_python.Connection:
    """Return a connection of Microsoft's driver to the emulator."""
    connection_string = server.odbc_connection_string(DATABASE, USER, PASSWORD, encrypt=encrypt)
    return mssql_python.connect(connection_string, autocommit=autocommit)


def ask(connection: mssql_python.Connection, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Return the rows of a statement's only result."""
    cursor = connection.cursor()
    try:
        return [tuple(row) for row in cursor.execute(statement, *parameters).fetchall()]
    finally:
        cursor.close()


def one_column(sql_type: ColumnType, array: pa.Array, collation: str | None = None) -> PreparedEngine:
    """Return an engine whose ``SELECT value`` is this column."""
    engine = PreparedEngine()
    column = ResultColumn("value", sql_type, collation=collation)
    engine.answer("SELECT value", [column], pa.record_batch([array], names=["value"]))
    return engine
