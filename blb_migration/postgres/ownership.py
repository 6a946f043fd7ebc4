"""Whose rows a target table holds: nothing that this tool did not load may ever be deleted.

Only judges; refusing is the caller's. The judgement rests on ``xmin``, the transaction that wrote a
row version: COPY gives all rows the loading transaction's, also with FREEZE, and VACUUM (FREEZE, FULL)
and CLUSTER keep it. Measured on PostgreSQL 18, and tested. A chunked load has a transaction per chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from blb_migration.model import Table, TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.chunks import read_chunk_xids
from blb_migration.postgres.ledger.loads import read_effective_load
from blb_migration.postgres.ledger.records import TableLoad
from blb_migration.postgres.names import TargetConnection, qualified_name, quote_identifier

FIRST_KEYS = 10


@dataclass(frozen=True)
class ForeignRows:
    """What a table holds beside this tool's own rows.

    ``row_count`` rows were inserted by someone else: a load must refuse. ``updated_count`` of our rows
    were changed since: a load would undo that, which is reported and does not refuse.
    ``first_keys`` names the first rows, inserted ones or else updated ones, as ``id=17``.
    """

    table: TableName
    row_count: int = 0
    updated_count: int = 0
    first_keys: tuple[str, ...] = ()


def read_load_xid(connection: TargetConnection, table: TableName) -> int | None:
    """Read the ``xmin`` that the table's rows carry, to be recorded by the load that has just written them.

    Read from a row and not from the server's transaction id, since inside a savepoint rows carry
    the subtransaction's. None for an empty table.
    """
    with target_errors(f"table {table}"):
        row = connection.execute(
            sql.SQL("SELECT xmin::text::bigint FROM {} LIMIT 1").format(qualified_name(table))
        ).fetchone()
    return None if row is None else int(row[0])


def find_foreign_rows(connection: TargetConnection, table: Table) -> ForeignRows:
    """Which of the table's rows this tool did not put there, by this rule:

    - No finished load of the table in the ledger, and no chunked load that emptied it: all of them.
    - Otherwise the rows whose ``xmin`` is not that load's (of an unfinished chunked load: not of a finished
      chunk) were inserted or updated since. Inserted are
      those whose identity column has reached the number that the sequence was left at; if more
      rows are there than were loaded, at least the difference was inserted, whatever their
      numbers. The remaining ones are taken as updates.

    What it cannot tell: a row inserted with a number of its own choice (or into a table without an
    identity column) while at least as many loaded rows were deleted passes as an update. A
    database restored from a dump, or a table rewritten by ALTER TABLE, shows all rows as
    updated. Raises TargetError.
    """
    load = read_effective_load(connection, table.name)
    xids, loaded_count = _read_written(connection, load)
    inserted = _build_inserted_condition(table, load)
    with target_errors(f"table {table.name}"):
        row = connection.execute(
            sql.SQL(
                "SELECT count(*), count(*) FILTER (WHERE {}), count(*) FILTER (WHERE {} AND {}) FROM {}"
            ).format(_IS_CHANGED, _IS_CHANGED, inserted, _join_written(table.name, xids))
        ).fetchone()
        row_count, changed_count, numbered_count = row or (0, 0, 0)
        inserted_count = changed_count if load is None else max(numbered_count, row_count - loaded_count)
        first_keys: tuple[str, ...] = ()
        if changed_count:
            only_inserted = sql.SQL("{} AND {}").format(_IS_CHANGED, inserted)
            condition = only_inserted if numbered_count else _IS_CHANGED
            first_keys = _read_first_keys(connection, table, xids, condition)
    return ForeignRows(table.name, inserted_count, changed_count - inserted_count, first_keys)


def count_written_rows(connection: TargetConnection, table: TableName, load_id: int) -> tuple[int, int]:
    """Return the table's rows, and how many of them are as the load's finished chunks wrote them.

    Raises TargetError.
    """
    xids, _ = read_chunk_xids(connection, load_id)
    with target_errors(f"table {table}"):
        row = connection.execute(
            sql.SQL("SELECT count(*), count(written.xid) FROM {}").format(_join_written(table, xids))
        ).fetchone()
    row_count, written_count = row or (0, 0)
    return row_count, written_count


def _read_written(connection: TargetConnection, load: TableLoad | None) -> tuple[list[int], int]:
    """Read the transactions that wrote the load's rows, and how many rows they wrote."""
    if load is None:
        return [], 0
    if load.chunk_count is not None:
        return read_chunk_xids(connection, load.load_id)
    return [] if load.load_xid is None else [load.load_xid], load.loaded.rows_written if load.loaded else 0


_IS_CHANGED = sql.SQL("written.xid IS NULL")


def _join_written(table: TableName, xids: Sequence[int]) -> sql.Composable:
    """FROM the table's rows, each beside the one of ``xids`` that wrote it, if any did.

    A join, since PostgreSQL before 15 would look for each row's xmin through all of a long list.
    """
    return sql.SQL(
        "{} AS own LEFT JOIN unnest({}::text[]::xid[]) AS written (xid) ON written.xid = own.xmin"
    ).format(qualified_name(table), [str(xid) for xid in sorted(set(xids))])


def _build_inserted_condition(table: Table, load: TableLoad | None) -> sql.Composable:
    loaded = load.loaded if load is not None else None
    if loaded is None or loaded.sequence_column is None or loaded.next_sequence_value is None:
        return sql.SQL("false")
    column = table.columns_by_name.get(loaded.sequence_column)
    counts_down = column is not None and column.identity is not None and column.identity.increment < 0
    return sql.SQL("own.{} {} {}").format(
        quote_identifier(loaded.sequence_column),
        sql.SQL("<=" if counts_down else ">="),
        loaded.next_sequence_value,
    )


def _read_first_keys(
    connection: TargetConnection, table: Table, xids: Sequence[int], condition: sql.Composable
) -> tuple[str, ...]:
    names = table.primary_key.columns if table.primary_key else ("ctid",)
    columns = sql.SQL(", ").join(sql.SQL("own.{}").format(quote_identifier(name)) for name in names)
    rows = connection.execute(
        sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {}").format(
            columns, _join_written(table.name, xids), condition, columns, FIRST_KEYS
        )
    )
    return tuple(", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True)) for row in rows)
