"""The ledger's sources: which databases loads and checks have read, and when each table was read last.

One row per database, however it was addressed; what a load or a check reads is bound to it. Functions work
in whatever transaction is open on the connection, and raise TargetError.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import LEDGER, read, write
from blb_migration.postgres.names import TargetConnection
from blb_migration.source_marker import MarkerVerdict, SourceMarker, SourceOrigin

# What a session has found on record, where no line of it is ever removed.
_found: WeakKeyDictionary[TargetConnection, dict[SourceOrigin, int]] = WeakKeyDictionary()

_ORIGIN = "address, server, database, created_at, recovery_fork"


@dataclass(frozen=True)
class TableRead:
    """When the rows were read that a table's content was compared with last, or that its load took.

    ``is_reread``: by the check, not by the load. ``before`` is the source marker from before that.
    """

    table: TableName
    read_from: datetime.datetime
    read_until: datetime.datetime
    is_reread: bool
    before: SourceMarker | None


@dataclass(frozen=True)
class KnownSources:
    """The sources by their numbers, and the moment at which they were asked for, by the target's clock."""

    moment: datetime.datetime
    origins: Mapping[int, SourceOrigin]


def register_source(connection: TargetConnection, origin: SourceOrigin) -> int:
    """Return the number of the source that is ``origin``, recorded now if it was not yet.

    A session that has found one asks no more.
    """
    found = _found.setdefault(connection, {})
    if origin in found:
        return found[origin]
    source_id = _register_source(connection, origin)
    if connection.info.transaction_status is TransactionStatus.IDLE:  # else it may still be rolled back
        found[origin] = source_id
    return source_id


def _register_source(connection: TargetConnection, origin: SourceOrigin) -> int:
    known = _find_source(connection, origin)
    if known is not None:
        return known
    with target_errors(LEDGER), connection.transaction():
        connection.execute("LOCK TABLE blb_migration.sources IN SHARE ROW EXCLUSIVE MODE")
        known = _find_source(connection, origin)  # another process has recorded it while this one waited
        if known is not None:
            return known
        rows = read(
            connection,
            f"INSERT INTO blb_migration.sources ({_ORIGIN}) VALUES (%s, %s, %s, %s, %s) RETURNING source_id",
            *_list_values(origin),
        )
    return int(rows[0][0])


def _find_source(connection: TargetConnection, origin: SourceOrigin) -> int | None:
    rows = read(connection, f"SELECT source_id, {_ORIGIN} FROM blb_migration.sources ORDER BY source_id DESC")
    for source_id, *values in rows:
        known = SourceOrigin(*values)
        if not known.is_same(origin):
            continue
        if any(
            own is None and theirs is not None
            for own, theirs in zip(values, _list_values(origin), strict=True)
        ):
            write(
                connection,
                "UPDATE blb_migration.sources SET server = coalesce(server, %s),"
                " database = coalesce(database, %s), created_at = coalesce(created_at, %s),"
                " recovery_fork = coalesce(recovery_fork, %s) WHERE source_id = %s",
                *_list_values(origin)[1:],
                source_id,
            )
        return int(source_id)
    return None


def _list_values(origin: SourceOrigin) -> tuple[str | None, ...]:
    return origin.address, origin.server, origin.database, origin.created_at, origin.recovery_fork


def read_known_sources(connection: TargetConnection) -> KnownSources:
    """Read all sources by their numbers, and what time it is by the target's clock."""
    rows = read(
        connection,
        f"SELECT clock_timestamp(), source_id, {_ORIGIN}"
        " FROM (SELECT) AS nothing LEFT JOIN blb_migration.sources ON true",
    )
    return KnownSources(rows[0][0], {row[1]: SourceOrigin(*row[2:]) for row in rows if row[1] is not None})


def read_sources_loaded_from(
    connection: TargetConnection, tables: Iterable[TableName]
) -> dict[TableName, SourceOrigin]:
    """Read which source the rows of each of these tables are of, where it is on record."""
    wanted = set(tables)
    rows = read(
        connection,
        "SELECT load.table_schema, load.table_name, source.address, source.server, source.database,"
        " source.created_at, source.recovery_fork"
        " FROM blb_migration.effective_loads AS load JOIN blb_migration.sources AS source USING (source_id)",
    )
    loaded = {TableName(schema, name): SourceOrigin(*values) for schema, name, *values in rows}
    return {table: origin for table, origin in loaded.items() if table in wanted}


def read_table_reads(connection: TargetConnection, tables: Iterable[TableName]) -> tuple[TableRead, ...]:
    """Read when the rows of these tables were read last; without a finished load, a table is left out."""
    wanted = set(tables)
    rows = read(
        connection,
        "SELECT table_schema, table_name, read_from, read_until, is_reread, source_before"
        " FROM blb_migration.table_reads",
    )
    return tuple(
        TableRead(table, read_from, read_until, is_reread, before and SourceMarker.from_json(before))
        for schema, name, read_from, read_until, is_reread, before in rows
        if (table := TableName(schema, name)) in wanted
    )


def record_movement(
    connection: TargetConnection,
    run_id: str,
    before: SourceMarker | None,
    after: SourceMarker | None,
    verdict: MarkerVerdict,
) -> None:
    """Record at a run's end what the source marker says of the time since the tables were read."""
    write(
        connection,
        "UPDATE blb_migration.runs SET source_before = coalesce(source_before, %s), source_after = %s,"
        " source_movement = %s WHERE run_id = %s",
        as_jsonb(before),
        as_jsonb(after),
        Jsonb(verdict.to_json()),
        run_id,
    )


def as_jsonb(marker: SourceMarker | None) -> Jsonb | None:
    """Return a marker as a parameter."""
    return None if marker is None else Jsonb(marker.to_json())
