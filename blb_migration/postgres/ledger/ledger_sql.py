"""How every module of the ledger sends a statement: bound values, and errors that name the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

LEDGER = "the target's ledger"

Row = tuple[Any, ...]


def write(connection: TargetConnection, statement: str, *values: object) -> int:
    """Send one statement; returns the number of rows it touched. Raises TargetError."""
    with target_errors(LEDGER):
        return connection.execute(statement.encode(), values or None).rowcount


def write_each(connection: TargetConnection, statement: str, rows: Iterable[Sequence[object]]) -> None:
    """Send one statement for each row of values. Raises TargetError."""
    with target_errors(LEDGER), connection.cursor() as cursor:
        cursor.executemany(statement.encode(), rows)


def copy_rows(connection: TargetConnection, statement: str, rows: Iterable[Sequence[object]]) -> None:
    """Send rows by a COPY ... FROM STDIN statement. Raises TargetError."""
    with target_errors(LEDGER), connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)


def read(connection: TargetConnection, statement: str, *values: object) -> list[Row]:
    """Read the rows of one statement. Raises TargetError."""
    with target_errors(LEDGER):
        return connection.execute(statement.encode(), values or None).fetchall()


def read_one(connection: TargetConnection, statement: str, *values: object) -> Row | None:
    """Read the first row of one statement, or None. Raises TargetError."""
    rows = read(connection, statement, *values)
    return rows[0] if rows else None
