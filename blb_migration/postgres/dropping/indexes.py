"""Indexes and keys of one table: dropped before its rows are written, rebuilt from what was there.

Whatever could not be rebuilt exactly as it was is left in place: the indexes of partitioned tables and of
partitions, exclusion and temporal constraints, keys that foreign keys or views still depend on, invalid
indexes, indexes bound to an extension, and those with statistics targets of their own.

Rebuilding has two steps, building the index and making it what it was (``finish_index``). Within the
transaction that writes the rows one follows the other; where the rows are committed before (a chunked load),
several sessions build at once (``build_indexes``), each in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import psycopg
from psycopg import sql

from blb_migration.model import TableName
from blb_migration.postgres.bulk_settings import apply_bulk_settings, read_bulk_settings
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_definitions,
    qualified_name,
    qualified_text,
    quote_identifier,
    server_text,
)

# Other things hang on a key's constraint (views that group by it) or on its index (foreign keys).
# pg_get_indexdef prints everything but the tablespace, which default_tablespace then supplies;
# pg_get_constraintdef would leave out storage parameters as well, so keys are rebuilt on an index.
_INDEXES = """
SELECT index_schema.nspname, ic.relname, pg_get_indexdef(i.indexrelid), coalesce(s.spcname, ''),
       obj_description(i.indexrelid, 'pg_class'), i.indisclustered, i.indisreplident,
       c.conname, c.contype, c.condeferrable, c.condeferred, obj_description(c.oid, 'pg_constraint')
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid AND t.relkind = 'r' AND NOT t.relispartition
JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
JOIN pg_catalog.pg_namespace index_schema ON index_schema.oid = ic.relnamespace
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = ic.reltablespace
LEFT JOIN pg_catalog.pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
 AND c.contype IN ('p', 'u', 'x')
WHERE i.indrelid = %s::regclass AND i.indisvalid
  AND (c.oid IS NULL OR (c.contype IN ('p', 'u')
                         AND NOT coalesce((to_jsonb(c) ->> 'conperiod')::boolean, false)))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indexrelid
                      OR d.refclassid = 'pg_catalog.pg_constraint'::regclass AND d.refobjid = c.oid)
                    AND d.deptype IN ('n', 'a'))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
                    AND d.deptype IN ('x', 'e'))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)
ORDER BY c.contype IS NOT NULL, c.contype, ic.relname
"""
_CANCEL_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class KeyConstraint:
    """The constraint that an index serves: a primary key or a unique constraint."""

    name: str
    is_primary: bool
    is_deferrable: bool
    is_deferred: bool
    comment: str | None


@dataclass(frozen=True)
class IndexDefinition:
    """One index as the server describes it, and the constraint it serves, if any.

    ``definition`` is the whole CREATE INDEX statement; ``tablespace`` is empty for the database's own.
    """

    table: TableName
    name: TableName
    definition: str
    tablespace: str
    comment: str | None
    is_clustered: bool
    is_replica_identity: bool
    constraint: KeyConstraint | None


def drop_indexes(connection: TargetConnection, table: TableName) -> tuple[IndexDefinition, ...]:
    """Drop the table's indexes, then its primary key and unique constraints; returns what was dropped.

    What something depends on stays, so foreign keys onto the table must be dropped first. NOT NULL
    stays on the columns of a primary key. Raises TargetError.
    """
    indexes = _find(connection, table)
    for index in indexes:
        with target_errors(_describe(index)):
            if index.constraint is None:
                connection.execute(sql.SQL("DROP INDEX {}").format(qualified_name(index.name)))
            else:
                connection.execute(
                    sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                        qualified_name(index.table), quote_identifier(index.constraint.name)
                    )
                )
    return tuple(indexes)


def build_indexes(connections: Sequence[TargetConnection], indexes: Sequence[IndexDefinition]) -> None:
    """Build indexes side by side on idle ``connections``, each in a transaction of its own.

    One that is there already is left as it is, so this goes on where a killed process stopped. Builds on
    one table do not lock each other out; whoever writes to it waits. Keys go last: they are mostly short
    and, by the load's order, all but sorted. ``finish_index`` has to follow for each. At the first
    TargetError, and when interrupted, the other builds are cancelled; it is raised once all sessions are
    idle again.
    """
    settings = read_bulk_settings(connections[0], sessions_at_once=len(connections))
    waiting: SimpleQueue[IndexDefinition] = SimpleQueue()
    for index in sorted(indexes, key=lambda index: index.constraint is not None):
        waiting.put(index)

    def build_waiting(connection: TargetConnection) -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except Empty:
                return
            with target_errors(_describe(index)), connection.transaction():
                apply_bulk_settings(connection, settings)
                if not _is_built(connection, index):
                    build_index(connection, index)

    with ThreadPoolExecutor(len(connections), thread_name_prefix="indexes") as pool:
        works = [pool.submit(build_waiting, connection) for connection in connections]
        try:
            for work in wait(works, return_when=FIRST_EXCEPTION).done:
                work.result()
        except BaseException:
            with suppress(Empty):
                while True:
                    waiting.get_nowait()
            # Again and again: a session that is between two statements takes no notice.
            while wait(works, timeout=_CANCEL_PAUSE_SECONDS).not_done:
                for work, connection in zip(works, connections, strict=True):
                    if not work.done():
                        with suppress(psycopg.Error):  # the server is gone, and the work ends by itself
                            connection.cancel_safe()
            raise


def build_index(connection: TargetConnection, index: IndexDefinition) -> None:
    """Build one index within the open transaction; ``finish_index`` has to follow.

    Raises TargetError, which names the first duplicate when rows violate a unique one.
    """
    with target_errors(_describe(index)):
        # Put back at once: SET LOCAL would last to the end of the load's transaction.
        row = connection.execute(
            "SELECT current_setting('default_tablespace'), set_config('default_tablespace', %s, true)",
            (index.tablespace,),
        ).fetchone()
        connection.execute(server_text(index.definition))
        connection.execute("SELECT set_config('default_tablespace', %s, true)", (row[0] if row else "",))


def finish_index(connection: TargetConnection, index: IndexDefinition) -> None:
    """Make a built index what it was: a key's, commented, the one to cluster on or to replicate by.

    Raises TargetError.
    """
    with target_errors(_describe(index)):
        if index.constraint is not None:
            _attach_constraint(connection, index, index.constraint)
        _restore_marks(connection, index)


def _describe(index: IndexDefinition) -> str:
    return f"{'index' if index.constraint is None else 'key'} {index.name.name} of {index.table}"


def _is_built(connection: TargetConnection, index: IndexDefinition) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index"
        " WHERE indexrelid = to_regclass(%s) AND indrelid = %s::regclass AND indisvalid)",
        (qualified_text(index.name), qualified_text(index.table)),
    ).fetchone()
    return bool(row and row[0])


def _find(connection: TargetConnection, table: TableName) -> list[IndexDefinition]:
    with target_errors(f"indexes of {table}"), qualified_definitions(connection):
        rows = connection.execute(_INDEXES, (qualified_text(table),)).fetchall()
    return [
        IndexDefinition(
            table=table,
            name=TableName(schema, name),
            definition=definition,
            tablespace=tablespace,
            comment=comment,
            is_clustered=is_clustered,
            is_replica_identity=is_replica_identity,
            constraint=None
            if constraint is None
            else KeyConstraint(constraint, kind == "p", is_deferrable, is_deferred, constraint_comment),
        )
        for (
            schema,
            name,
            definition,
            tablespace,
            comment,
            is_clustered,
            is_replica_identity,
            constraint,
            kind,
            is_deferrable,
            is_deferred,
            constraint_comment,
        ) in rows
    ]


def _attach_constraint(
    connection: TargetConnection, index: IndexDefinition, constraint: KeyConstraint
) -> None:
    connection.execute(
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}{}{}").format(
            qualified_name(index.table),
            quote_identifier(constraint.name),
            sql.SQL("PRIMARY KEY" if constraint.is_primary else "UNIQUE"),
            quote_identifier(index.name.name),
            sql.SQL(" DEFERRABLE" if constraint.is_deferrable else ""),
            sql.SQL(" INITIALLY DEFERRED" if constraint.is_deferred else ""),
        )
    )
    if constraint.comment is not None:
        connection.execute(
            sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}").format(
                quote_identifier(constraint.name), qualified_name(index.table), constraint.comment
            )
        )


def _restore_marks(connection: TargetConnection, index: IndexDefinition) -> None:
    table, name = qualified_name(index.table), quote_identifier(index.name.name)
    if index.comment is not None:
        connection.execute(
            sql.SQL("COMMENT ON INDEX {} IS {}").format(qualified_name(index.name), index.comment)
        )
    if index.is_clustered:
        connection.execute(sql.SQL("ALTER TABLE {} CLUSTER ON {}").format(table, name))
    if index.is_replica_identity:
        connection.execute(sql.SQL("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}").format(table, name))
