"""The ledger's record of chunked loads that are not finished: who may go on, and what must be restored.

One row per table, there from the transaction that empties it to the one that finishes its load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import read, read_one, write
from blb_migration.postgres.names import TargetConnection, qualified_text


@dataclass(frozen=True)
class UnfinishedChunkedLoad:
    """A chunked load that did not come to its end.

    ``basis`` is what it rests on, ``dropped_parts`` what it has dropped and not restored, both in JSON.
    """

    load_id: int
    basis: dict[str, Any]
    dropped_parts: dict[str, Any]
    is_resumable: bool
    age_seconds: float


def read_unfinished_chunked_load(
    connection: TargetConnection, table: TableName
) -> UnfinishedChunkedLoad | None:
    """Read the table's unfinished chunked load, or None. Raises TargetError."""
    row = read_one(
        connection,
        "SELECT load_id, basis, dropped_parts, is_resumable,"
        " extract(epoch FROM clock_timestamp() - begun_at)"
        " FROM blb_migration.chunked_loads WHERE table_schema = %s AND table_name = %s",
        table.schema,
        table.name,
    )
    if row is None:
        return None
    load_id, basis, dropped_parts, is_resumable, age_seconds = row
    return UnfinishedChunkedLoad(load_id, basis, dropped_parts, is_resumable, float(age_seconds))


def read_unfinished_tables(connection: TargetConnection) -> frozenset[TableName]:
    """Read the tables with an unfinished chunked load. Raises TargetError."""
    rows = read(connection, "SELECT table_schema, table_name FROM blb_migration.chunked_loads")
    return frozenset(TableName(schema, name) for schema, name in rows)


def record_chunked_load(
    connection: TargetConnection,
    load_id: int,
    table: TableName,
    *,
    basis: dict[str, Any],
    dropped_parts: dict[str, Any],
    chunk_count: int,
) -> None:
    """Record a chunked load, in the transaction that empties the table. Raises TargetError."""
    write(
        connection,
        "INSERT INTO blb_migration.chunked_loads (load_id, table_schema, table_name, basis, dropped_parts)"
        " VALUES (%s, %s, %s, %s, %s)",
        load_id,
        table.schema,
        table.name,
        Jsonb(basis),
        Jsonb(dropped_parts),
    )
    write(
        connection,
        "UPDATE blb_migration.table_loads SET chunk_count = %s WHERE load_id = %s",
        chunk_count,
        load_id,
    )


def take_over_chunked_load(connection: TargetConnection, earlier_load_id: int, load_id: int) -> None:
    """Hand an unfinished load and its chunks over to ``load_id``.

    Whoever still holds the earlier one finds no chunk of it any more. Raises TargetError.
    """
    write(
        connection,
        "UPDATE blb_migration.table_loads AS this"
        " SET chunk_count = earlier.chunk_count, resumed_from = earlier.load_id"
        " FROM blb_migration.table_loads AS earlier WHERE this.load_id = %s AND earlier.load_id = %s",
        load_id,
        earlier_load_id,
    )
    for name in ("chunked_loads", "table_chunks", "left_rows"):
        write(
            connection,
            f"UPDATE blb_migration.{name} SET load_id = %s WHERE load_id = %s",
            load_id,
            earlier_load_id,
        )


def forbid_resuming(connection: TargetConnection, load_id: int) -> None:
    """Record that the table's next load must begin again. Raises TargetError."""
    write(
        connection, "UPDATE blb_migration.chunked_loads SET is_resumable = false WHERE load_id = %s", load_id
    )


def end_chunked_load(connection: TargetConnection, load_id: int) -> None:
    """Strike a chunked load off, in the transaction that finishes it or begins again. Raises TargetError."""
    write(connection, "DELETE FROM blb_migration.chunked_loads WHERE load_id = %s", load_id)


def read_table_oid(connection: TargetConnection, table: TableName) -> int:
    """Read the server's own number of the table. Raises TargetError."""
    with target_errors(f"table {table}"):
        row = connection.execute("SELECT %s::regclass::oid::bigint", (qualified_text(table),)).fetchone()
    assert row is not None
    return int(row[0])
