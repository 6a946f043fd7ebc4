"""How far a table's identity has come at the source, at this moment. Seed and step are the catalog's."""

from __future__ import annotations

from blb_migration.model import TableName
from blb_migration.sqlserver.connect import SourceSession

# last_value is a sql_variant, NULL as long as no row was inserted; identity columns may be decimal(38, 0).
_LAST_VALUE = """
SELECT CAST(i.last_value AS decimal(38, 0))
FROM sys.identity_columns AS i
JOIN sys.tables AS t ON t.object_id = i.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE s.name = ? AND t.name = ?
"""


def read_last_identity(session: SourceSession, table: TableName) -> int | None:
    """Read the last number the table's identity column handed out; None without one, or when never used.

    It runs ahead of MAX after deletions and rolled-back inserts. Raises SourceError.
    """
    rows = session.read_rows(
        _LAST_VALUE, (table.schema, table.name), action="reading its identity", subject=str(table)
    )
    return int(rows[0][0]) if rows and rows[0][0] is not None else None
