"""Columns and tables of which SQL Server makes something of its own: encrypted, column sets, graph, external.

Each kind came with another version; what a server does not know, it does not have. Source: ``sys.columns``
and ``sys.tables`` of SQL Server's documentation, "SQL graph architecture" for ``graph_type``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from blb_migration.errors import SourceError
from blb_migration.model import TableName
from blb_migration.sqlserver.connect import SourceSession


class Special(StrEnum):
    """What is special about a column, or about a whole table."""

    ENCRYPTED = "encrypted"
    COLUMN_SET = "column set"
    FILESTREAM = "filestream"
    GRAPH = "graph"
    GRAPH_KEY = "graph key"
    PERIOD = "period"
    EXTERNAL = "external"
    LEDGER = "ledger"
    MEMORY_OPTIMIZED = "memory-optimized"


@dataclass(frozen=True)
class SpecialColumn:
    """One special column; ``column`` is None for a special table."""

    table: TableName
    column: str | None
    kind: Special


_OF_COLUMNS = {
    Special.ENCRYPTED: "c.encryption_type IS NOT NULL",
    Special.COLUMN_SET: "c.is_column_set = 1",
    Special.FILESTREAM: "c.is_filestream = 1",
    # Numbers inside: graph_id, and the object and graph id at either end of an edge.
    Special.GRAPH: "c.graph_type IN (1, 3, 4, 6, 7)",
    # $node_id, $edge_id, $from_id and $to_id, which SQL Server makes of them.
    Special.GRAPH_KEY: "c.graph_type IN (2, 5, 8)",
    Special.PERIOD: "c.generated_always_type IN (1, 2)",
}
_OF_TABLES = {
    Special.EXTERNAL: "o.is_external = 1",
    Special.LEDGER: "o.ledger_type > 0",
    Special.MEMORY_OPTIMIZED: "o.is_memory_optimized = 1",
}
_NAMES = "CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128))"


def read_special_columns(session: SourceSession) -> tuple[SpecialColumn, ...]:
    """Read all of them, sorted; what the server cannot say is noted. Raises a transient SourceError."""
    found: list[SpecialColumn] = []
    for kind, condition in (_OF_COLUMNS | _OF_TABLES).items():
        of_column = kind in _OF_COLUMNS
        statement = (
            f"SELECT {_NAMES}, {'CAST(c.name AS nvarchar(128))' if of_column else 'NULL'} "
            "FROM sys.tables AS o "
            "JOIN sys.schemas AS s ON s.schema_id = o.schema_id "
            + ("JOIN sys.columns AS c ON c.object_id = o.object_id " if of_column else "")
            + f"WHERE o.is_ms_shipped = 0 AND {condition}"
        )
        try:
            rows = session.read_rows(statement, action=f"reading the catalog ({kind})")
        except SourceError as error:
            if error.is_transient:
                raise
            if not error.is_unknown_name:  # older than the kind
                session.notes.append(f"the source does not tell what is {kind} ({error.found})")
            continue
        found += [SpecialColumn(TableName(schema, table), column, kind) for schema, table, column in rows]
    return tuple(sorted(found, key=lambda each: (each.kind, each.table, each.column or "")))
