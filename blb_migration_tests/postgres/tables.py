"""Tables that the tests build, load and read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from blb_migration.model import Table, TableName
from blb_migration.postgres.catalog import read_catalog
from blb_migration.postgres.copy import BinaryCopyWriter, CopyEncoder, CopyResult
from blb_migration.postgres.names import TargetConnection

GOLDEN = TableName("public", "golden")


def execute(connection: TargetConnection, *statements: str) -> None:
    for statement in statements:
        connection.execute(statement)


def scalar(connection: TargetConnection, statement: str) -> Any:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def column(connection: TargetConnection, statement: str) -> list[Any]:
    return [row[0] for row in connection.execute(statement)]


def read_table(connection: TargetConnection, name: str, schema: str = "public") -> Table:
    return read_catalog(connection).tables_by_name[TableName(schema, name)]


def write_batches(
    connection: TargetConnection, table: Table, batches: Sequence[pa.RecordBatch], *, freeze: bool = False
) -> CopyResult:
    schema = batches[0].schema
    columns = [table.columns_by_name[name] for name in schema.names]
    encoder = CopyEncoder(table.name, columns, schema)
    return BinaryCopyWriter(connection, table.name, columns, freeze=freeze).write(
        map(encoder.encode, batches)
    )


def round_trip(
    connection: TargetConnection, type_name: str, values: Any, as_text: str = "::text"
) -> list[Any]:
    """Return what a column of the type gives back, as the server's text, for an Arrow array copied into
    it."""
    execute(
        connection,
        "DROP TABLE IF EXISTS golden",
        f"CREATE TABLE golden (position serial PRIMARY KEY, value {type_name})",
    )
    batch = pa.record_batch([values], names=["value"])
    result = write_batches(connection, read_table(connection, "golden"), [batch])
    assert result.row_count == len(values)
    return column(connection, f"SELECT value{as_text} FROM golden ORDER BY position")
