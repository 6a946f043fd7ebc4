"""Data that the server itself keeps from a log-in: dynamic data masking and row-level security.

Both came with SQL Server 2016; an older server has neither view. Sources: "Dynamic data masking" and
"Row-level security" of SQL Server's documentation. Nobody is exempt from a filter by right: its predicate
decides, for db_owner too. So what is counted is held against what the storage engine counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.model import TableName
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.names import quote_name, quote_table
from blb_migration.sqlserver.table_metrics import count_rows

# schema, table, column, the mask
_MASKED = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128)), CAST(c.name AS nvarchar(128)),
       c.masking_function
FROM sys.masked_columns AS c
JOIN sys.tables AS o ON o.object_id = c.object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE c.is_masked = 1
"""
# schema, table, policy; a policy is an object of its own schema, and block predicates hide nothing
_FILTERED = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128)), CAST(p.name AS nvarchar(128))
FROM sys.security_predicates AS f
JOIN sys.security_policies AS p ON p.object_id = f.object_id
JOIN sys.tables AS o ON o.object_id = f.target_object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE p.is_enabled = 1 AND f.predicate_type = 0
"""
_STORED = """
SELECT SUM(p.rows)
FROM sys.partitions AS p
JOIN sys.tables AS o ON o.object_id = p.object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE p.index_id IN (0, 1) AND s.name = ? AND o.name = ?
"""


@dataclass(frozen=True)
class MaskedColumn:
    """A column whose values the server replaces for those who may not see them. ``is_exempt``: we may."""

    table: TableName
    column: str
    mask: str
    is_exempt: bool


@dataclass(frozen=True)
class RowCounts:
    """The rows a log-in can count in a table, and those that are stored; None: not told."""

    counted: int
    stored: int | None

    @property
    def are_all_seen(self) -> bool:
        """Whether none of the stored rows is hidden."""
        return self.stored is not None and self.counted >= self.stored


def read_masked_columns(session: SourceSession) -> tuple[MaskedColumn, ...]:
    """Read the masked columns, and whether this log-in sees through each. Raises a transient SourceError."""
    rows = _read_view(session, _MASKED, "masked columns")
    if not rows:
        return ()
    sees_all = _has_right(session, "DB_NAME(), N'DATABASE', N'UNMASK'")
    return tuple(
        MaskedColumn(
            TableName(schema, table),
            column,
            mask or "",
            sees_all or _sees_column(session, TableName(schema, table), column),
        )
        for schema, table, column, mask in sorted(rows)
    )


def read_row_filters(session: SourceSession) -> dict[TableName, str] | None:
    """Read which tables an enabled security policy filters, by its name; None of a server that has none.

    Raises a transient SourceError.
    """
    rows = _read_view(session, _FILTERED, "security policies")
    return None if rows is None else {TableName(schema, table): policy for schema, table, policy in rows}


def sees_security_policies(session: SourceSession) -> bool:
    """Whether a policy would be shown to this log-in, if there were one. Raises SourceUnreachable."""
    return any(
        _has_right(session, f"DB_NAME(), N'DATABASE', N'{right}'")
        for right in ("VIEW DEFINITION", "ALTER ANY SECURITY POLICY", "VIEW SECURITY DEFINITION")
    )


def count_rows_seen(session: SourceSession, table: TableName) -> RowCounts:
    """Count a table's rows, between two looks at what is stored: rows that others delete meanwhile are not
    taken for hidden ones. Raises SourceError."""
    before = _read_stored(session, table)
    counted = count_rows(session, table)
    after = _read_stored(session, table)
    stored = [number for number in (before, after) if number is not None]
    return RowCounts(counted, min(stored, default=None))


def _read_stored(session: SourceSession, table: TableName) -> int | None:
    rows = session.read_if_told(_STORED, (table.schema, table.name), what="how many rows are stored")
    return int(rows[0][0]) if rows and rows[0][0] is not None else None


def _read_view(session: SourceSession, statement: str, what: str) -> list[tuple[Any, ...]] | None:
    """Return the rows; None of a server that has no such view."""
    try:
        return session.read_rows(statement, action=f"reading the catalog ({what})")
    except SourceError as error:
        if error.is_transient:
            raise
        if error.is_unknown_name:
            return None
        session.notes.append(f"the source does not tell its {what} ({error.found})")
        return []


def _sees_column(session: SourceSession, table: TableName, column: str) -> bool:
    """Ask for UNMASK on its schema, table and column: SQL Server 2022 grants it there; NULL on older ones."""
    schema = _literal(quote_name(table.schema))
    whole, own = _literal(quote_table(table)), _literal(quote_name(column))
    return any(
        _has_right(session, arguments)
        for arguments in (
            f"{schema}, N'SCHEMA', N'UNMASK'",
            f"{whole}, N'OBJECT', N'UNMASK'",
            f"{whole}, N'OBJECT', N'UNMASK', {own}, N'COLUMN'",
        )
    )


def _has_right(session: SourceSession, arguments: str) -> bool:
    try:
        rows = session.read_rows(f"SELECT HAS_PERMS_BY_NAME({arguments})", action="asking for its own rights")
    except SourceUnreachable:
        raise
    except SourceError:
        return False
    return bool(rows and rows[0][0])


def _literal(text: str) -> str:
    return "N'" + text.replace("'", "''") + "'"
