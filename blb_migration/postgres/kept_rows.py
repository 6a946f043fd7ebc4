"""What the target's tables held at one moment, and what was written since: inserted, changed, deleted.

At that moment the keys of each table, or all its rows where they are few, are copied into the schema
blb_migration_kept, in one transaction that sees one moment; the ledger's kept_tables says so. Later:

- inserted: rows whose key was not there;
- changed: of a table kept whole, rows that read otherwise than their copy; else rows whose ``xmin`` is of a
  later transaction (an UPDATE that changes nothing counts, as does a rewrite by ALTER TABLE);
- deleted: kept keys that are gone. With a whole copy the rows are known, else only their keys.

A table without a primary key, or with more rows than are kept, has no copy: rows of later transactions count
as inserted, and an update as a deletion and an insertion; only how many were deleted is known. So it is where
somebody has dropped the copy since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import IO, Literal

from psycopg import sql

from blb_migration.model import Table, TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import read, read_one, write
from blb_migration.postgres.ledger.versions import KEPT_SCHEMA
from blb_migration.postgres.names import TargetConnection, qualified_name, quote_identifier

BY_AGE = "the copy of its rows is gone or does not fit any more: told by age, changed rows count as inserted"
Purpose = Literal["smoke", "live"]
Kind = Literal["inserted", "changed", "changed_before", "deleted"]


@dataclass(frozen=True)
class KeptTable:
    """One table as it was kept. ``copy`` is None for one that is only counted.

    ``has_lost_copy``: there was one, and somebody has dropped it, or changed the table's key.
    """

    table: TableName
    copy: TableName | None
    key: tuple[str, ...]
    is_whole: bool
    row_count: int
    from_xid: int
    open_xids: tuple[int, ...]
    has_lost_copy: bool = False

    def without_copy(self) -> KeptTable:
        """Return it as one whose copy cannot be used any more: what was written is told by age alone."""
        return replace(self, copy=None, key=(), is_whole=False, has_lost_copy=True)


@dataclass(frozen=True)
class WrittenTable:
    """How many rows of a table were written since, and whether they can be told apart."""

    kept: KeptTable
    inserted: int
    changed: int
    deleted: int

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was written."""
        return not (self.inserted or self.changed or self.deleted)

    def __str__(self) -> str:
        said = f"{self.kept.table}: {self.inserted} inserted, {self.changed} changed, {self.deleted} deleted"
        return f"{said}; {BY_AGE}" if self.kept.has_lost_copy else said


def keep_tables(
    connection: TargetConnection,
    night_id: str,
    purpose: Purpose,
    tables: Sequence[Table],
    *,
    whole_rows_up_to: int,
    keys_up_to: int,
    whole: Sequence[TableName] = (),
) -> int:
    """Keep every table as it is at this moment; returns how many. What was kept before for it goes.

    All or nothing, and all of one moment. ``whole`` are kept with all rows, whatever their number. Raises
    TargetError.
    """
    with target_errors("the copies of what the target holds"), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _forget(connection, purpose)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(KEPT_SCHEMA)))
        row = connection.execute(
            "SELECT pg_snapshot_xmax(s)::text::bigint,"
            " ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(s) AS x)"
            " FROM pg_current_snapshot() AS s"
        ).fetchone()
        from_xid, open_xids = row or (0, [])
        for number, table in enumerate(tables, start=1):
            kept = _keep_one(
                connection,
                table,
                TableName(KEPT_SCHEMA, f"{purpose}_{number}"),
                whole_rows_up_to=None if table.name in whole else whole_rows_up_to,
                keys_up_to=keys_up_to,
            )
            write(
                connection,
                "INSERT INTO blb_migration.kept_tables (night_id, purpose, table_schema, table_name,"
                " copy_name, key_columns, is_whole, row_count, from_xid, open_xids)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                night_id,
                purpose,
                table.name.schema,
                table.name.name,
                kept.copy and kept.copy.name,
                list(kept.key),
                kept.is_whole,
                kept.row_count,
                from_xid,
                open_xids,
            )
    return len(tables)


def read_kept_tables(connection: TargetConnection, night_id: str, purpose: Purpose) -> list[KeptTable]:
    """Read what was kept in a night. Raises TargetError."""
    rows = read(
        connection,
        "SELECT table_schema, table_name, copy_name, key_columns, is_whole, row_count, from_xid, open_xids,"
        " to_regclass(format('%%I.%%I', %s::text, copy_name)) IS NOT NULL"
        " FROM blb_migration.kept_tables WHERE night_id = %s AND purpose = %s"
        ' ORDER BY table_schema COLLATE "C", table_name COLLATE "C"',
        KEPT_SCHEMA,
        night_id,
        purpose,
    )
    found = []
    for schema, name, copy, key, is_whole, row_count, from_xid, open_xids, is_there in rows:
        place = None if copy is None else TableName(KEPT_SCHEMA, copy)
        kept = KeptTable(
            TableName(schema, name), place, tuple(key), is_whole, row_count, from_xid, tuple(open_xids)
        )
        found.append(kept if is_there or copy is None else kept.without_copy())
    return found


def drop_kept_tables(connection: TargetConnection, purpose: Purpose) -> None:
    """Let go of the copies of one purpose; no-op without any. Raises TargetError."""
    with target_errors("the copies of what the target held"), connection.transaction():
        _forget(connection, purpose)


def count_written(connection: TargetConnection, kept: KeptTable) -> WrittenTable:
    """Count what was written to a table since it was kept. Raises TargetError."""
    with target_errors(f"table {kept.table}"):
        if kept.copy is None:
            row = connection.execute(
                sql.SQL(
                    "SELECT count(*) FILTER (WHERE {new}), count(*) FILTER (WHERE NOT {new})"
                    " FROM {own} AS own"
                ).format(new=_is_new(kept), own=qualified_name(kept.table))
            ).fetchone()
            new_count, old_count = row or (0, 0)
            return WrittenTable(kept, new_count, 0, max(0, kept.row_count - old_count))
        counts = []
        for kind in ("inserted", "changed", "deleted"):
            query = sql.SQL("SELECT count(*) FROM ({}) AS found").format(_select(kept, kind, keys_only=True))
            row = connection.execute(query).fetchone()
            counts.append(row[0] if row else 0)
    return WrittenTable(kept, *counts)


def copy_written(
    connection: TargetConnection, kept: KeptTable, kind: Kind, limit: int, into: IO[bytes]
) -> None:
    """Write rows of one kind as CSV with a heading, at most ``limit``. Raises TargetError."""
    if kept.copy is None:
        select = sql.SQL("SELECT own.* FROM {} AS own WHERE {}").format(
            qualified_name(kept.table), _is_new(kept)
        )
    else:
        select = _select(kept, kind, keys_only=False)
    query = sql.SQL("COPY (SELECT * FROM ({}) AS found LIMIT {}) TO STDOUT (FORMAT csv, HEADER)").format(
        select, limit
    )
    with target_errors(f"table {kept.table}"), connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            into.write(block)


def restore_kept_rows(connection: TargetConnection, kept: Sequence[KeptTable]) -> None:
    """Put tables back as they were kept, parents first in ``kept``.

    Within the caller's transaction. Rows that were inserted go, children first; what was deleted or changed
    comes back from whole copies. Raises TargetError.
    """
    touched = [each for each in (count_written(connection, one) for one in kept) if not each.is_untouched]
    for each in reversed(touched):
        if each.inserted and each.kept.copy is not None:
            _run(
                connection,
                each.kept,
                "DELETE FROM {own} AS own WHERE NOT EXISTS (SELECT FROM {copy} AS c WHERE {match})",
            )
    for each in touched:
        if each.kept.is_whole:
            _restore_whole(connection, each)


def _restore_whole(connection: TargetConnection, each: WrittenTable) -> None:
    kept = each.kept
    if each.deleted:
        names = _names(connection, kept, with_key=True)
        columns = sql.SQL(", ").join(map(quote_identifier, names))
        copied = sql.SQL(", ").join(sql.SQL("c.{}").format(quote_identifier(name)) for name in names)
        _run(
            connection,
            kept,
            "INSERT INTO {own} ({columns}) OVERRIDING SYSTEM VALUE SELECT {copied} FROM {copy} AS c"
            " WHERE NOT EXISTS (SELECT FROM {own} AS own WHERE {match})",
            columns=columns,
            copied=copied,
        )
    names = _names(connection, kept, with_key=False)
    if each.changed and names:
        pairs = sql.SQL(", ").join(sql.SQL("{0} = c.{0}").format(quote_identifier(name)) for name in names)
        _run(
            connection,
            kept,
            "UPDATE {own} AS own SET {pairs} FROM {copy} AS c"
            " WHERE {match} AND own::text IS DISTINCT FROM c::text",
            pairs=pairs,
        )


def _names(connection: TargetConnection, kept: KeptTable, *, with_key: bool) -> list[str]:
    """Read the columns that can be written: not those that the server computes."""
    rows = read(
        connection,
        "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        qualified_name(kept.table).as_string(),
    )
    return [name for (name,) in rows if with_key or name not in kept.key]


def _run(connection: TargetConnection, kept: KeptTable, statement: str, **parts: sql.Composable) -> None:
    assert kept.copy is not None
    with target_errors(f"table {kept.table}"):
        connection.execute(
            sql.SQL(statement).format(
                own=qualified_name(kept.table),
                copy=qualified_name(kept.copy),
                match=_match(kept.key),
                **parts,
            )
        )


def _keep_one(
    connection: TargetConnection,
    table: Table,
    copy: TableName,
    *,
    whole_rows_up_to: int | None,
    keys_up_to: int,
) -> KeptTable:
    count = connection.execute(
        sql.SQL("SELECT count(*) FROM {}").format(qualified_name(table.name))
    ).fetchone()
    row_count = int(count[0]) if count else 0
    key = table.primary_key.columns if table.primary_key else ()
    is_whole = bool(key) and (whole_rows_up_to is None or row_count <= whole_rows_up_to)
    if not key or (not is_whole and row_count > keys_up_to):
        return KeptTable(table.name, None, (), False, row_count, 0, ())
    columns = sql.SQL("*") if is_whole else sql.SQL(", ").join(map(quote_identifier, key))
    connection.execute(
        sql.SQL("CREATE TABLE {} AS SELECT {} FROM {}").format(
            qualified_name(copy), columns, qualified_name(table.name)
        )
    )
    connection.execute(
        sql.SQL("CREATE UNIQUE INDEX ON {} ({})").format(
            qualified_name(copy), sql.SQL(", ").join(map(quote_identifier, key))
        )
    )
    return KeptTable(table.name, copy, tuple(key), is_whole, row_count, 0, ())


def _forget(connection: TargetConnection, purpose: Purpose) -> None:
    rows = read(
        connection,
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind = 'r' AND pg_catalog.starts_with(c.relname, %s)",
        KEPT_SCHEMA,
        f"{purpose}_",
    )
    for (name,) in rows:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(KEPT_SCHEMA, name)))
    write(connection, "DELETE FROM blb_migration.kept_tables WHERE purpose = %s", purpose)
    is_empty = read_one(
        connection,
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid)"
        " FROM pg_catalog.pg_namespace n WHERE n.nspname = %s",
        KEPT_SCHEMA,
    )
    if is_empty is not None and is_empty[0]:
        connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(KEPT_SCHEMA)))


def _select(kept: KeptTable, kind: str, *, keys_only: bool) -> sql.Composed:
    assert kept.copy is not None
    own, copy, match = qualified_name(kept.table), qualified_name(kept.copy), _match(kept.key)
    one = sql.SQL("1") if keys_only else sql.SQL("own.*")
    if kind == "inserted":
        return sql.SQL("SELECT {} FROM {} AS own WHERE NOT EXISTS (SELECT FROM {} AS c WHERE {})").format(
            one, own, copy, match
        )
    if kind == "deleted":
        one = sql.SQL("1") if keys_only else sql.SQL("c.*")
        return sql.SQL("SELECT {} FROM {} AS c WHERE NOT EXISTS (SELECT FROM {} AS own WHERE {})").format(
            one, copy, own, match
        )
    differs = sql.SQL("own::text IS DISTINCT FROM c::text") if kept.is_whole else _is_new(kept)
    if kind == "changed_before":
        one = sql.SQL("c.*")
    return sql.SQL("SELECT {} FROM {} AS own JOIN {} AS c ON {} WHERE {}").format(
        one, own, copy, match, differs
    )


def _match(key: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("own.{0} = c.{0}").format(quote_identifier(name)) for name in key)


def _is_new(kept: KeptTable) -> sql.Composable:
    """Whether a later transaction wrote the row version, by its age: xmin has 32 bits and goes round."""
    return sql.SQL(
        "(age(own.xmin) <= age(({from_xid} & 4294967295)::text::xid) OR own.xmin = ANY ({open}))"
    ).format(
        from_xid=sql.SQL("{}::bigint").format(kept.from_xid),
        open=sql.SQL("{}::text[]::xid[]").format([str(xid % 2**32) for xid in kept.open_xids]),
    )
