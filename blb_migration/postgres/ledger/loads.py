"""The ledger's row of each attempt to load a table, the digest of what it read, and the right to load.

Functions work in whatever transaction is open on the connection, and raise TargetError. That is the point:
``finish_load`` on the loading connection commits with the table's rows or not at all, while ``begin_load``
and ``fail_load`` on another connection stay whatever happens.
"""

from __future__ import annotations

from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.binary.digest import TableDigest
from blb_migration.postgres.binary.hash_functions import CURRENT_HASH, HashFunction
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import LEDGER, Row, copy_rows, read, read_one, write
from blb_migration.postgres.ledger.records import LoadedTable, TableLoad
from blb_migration.postgres.ledger.sources import as_jsonb
from blb_migration.postgres.ledger.versions import LEDGER_LOCK_KEY, require_current_ledger
from blb_migration.postgres.names import TargetConnection, qualified_text
from blb_migration.source_marker import SourceMarker

_INTERRUPTED = "interrupted: the process ended before the load did; nothing of it stayed"
_INTERRUPTED_CHUNKED = "interrupted: the process ended before the load did; its finished chunks stayed"

_COLUMNS = """
load_id, run_id, table_schema, table_name, source_schema, source_table, status, started_at,
finished_at, rows_read, rows_written, bytes_written, elapsed_seconds, sequence_column,
next_sequence_value, digest, load_xid, error, chunk_count, resumed_from, source_id, hash_function
"""
_BEGIN = """
WITH ended AS (
    UPDATE blb_migration.table_loads SET status = 'failed', finished_at = clock_timestamp(),
        error = CASE WHEN chunk_count IS NULL THEN %s ELSE %s END
    WHERE table_schema = %s AND table_name = %s AND status = 'running'
)
INSERT INTO blb_migration.table_loads
    (run_id, table_schema, table_name, source_schema, source_table, status, source_id, source_before,
     hash_function)
VALUES (%s, %s, %s, %s, %s, 'running', %s, %s, %s)
RETURNING load_id
"""
# Only the latest load of a table can ever be compared with what stands there.
_FORGET_OLDER_DIGESTS = """
DELETE FROM blb_migration.digest_buckets WHERE load_id IN (
    SELECT older.load_id
    FROM blb_migration.table_loads AS this
    JOIN blb_migration.table_loads AS older USING (table_schema, table_name)
    WHERE this.load_id = %s AND older.load_id < this.load_id
)
"""


def begin_load(
    connection: TargetConnection,
    run_id: str,
    table: TableName,
    source_table: TableName,
    *,
    source_id: int | None = None,
    source_before: SourceMarker | None = None,
) -> int:
    """Record that a table's load begins, and from which source; returns its load id.

    Call it with the table locked (``lock_table_load``): loads of this table that are still marked as
    running cannot be, and are marked as failed.
    """
    rows = read(
        connection,
        _BEGIN,
        _INTERRUPTED,
        _INTERRUPTED_CHUNKED,
        table.schema,
        table.name,
        run_id,
        table.schema,
        table.name,
        source_table.schema,
        source_table.name,
        source_id,
        as_jsonb(source_before),
        CURRENT_HASH,
    )
    return int(rows[0][0])


def finish_load(
    connection: TargetConnection,
    load_id: int,
    loaded: LoadedTable,
    load_xid: int | None,
    source_after: SourceMarker | None = None,
) -> None:
    """Record a load as finished, on the connection and in the transaction that wrote its rows.

    ``load_xid`` is ``ownership.read_load_xid`` of that transaction. Of ``source_after`` is kept what differs
    from the marker before.
    """
    finished = write(
        connection,
        "UPDATE blb_migration.table_loads SET status = 'finished', finished_at = clock_timestamp(),"
        " rows_read = %s, rows_written = %s, bytes_written = %s, elapsed_seconds = %s,"
        " sequence_column = %s, next_sequence_value = %s, digest = %s, load_xid = %s,"
        " source_after = (SELECT jsonb_object_agg(key, value) FROM jsonb_each(%s)"
        " WHERE value IS DISTINCT FROM source_before -> key)"
        " WHERE load_id = %s AND status = 'running'",
        loaded.rows_read,
        loaded.rows_written,
        loaded.bytes_written,
        loaded.elapsed_seconds,
        loaded.sequence_column,
        loaded.next_sequence_value,
        loaded.digest,
        load_xid,
        as_jsonb(source_after),
        load_id,
    )
    if finished != 1:
        raise TargetError(
            f"load {load_id} in {LEDGER}",
            found="it is not running: another process took the table over",
            next_act="Run the table again",
        )


def fail_load(connection: TargetConnection, load_id: int, error: str) -> None:
    """Record a load as failed, after its own transaction was rolled back."""
    write(
        connection,
        "UPDATE blb_migration.table_loads SET status = 'failed', finished_at = clock_timestamp(), error = %s"
        " WHERE load_id = %s AND status = 'running'",
        error,
        load_id,
    )


def read_effective_load(connection: TargetConnection, table: TableName) -> TableLoad | None:
    """Read the latest load that has changed the table: a finished one, or a chunked one wherever it is.

    None without a ledger, too.
    """
    if not require_current_ledger(connection):
        return None
    row = read_one(
        connection,
        f"SELECT {_COLUMNS} FROM blb_migration.effective_loads WHERE table_schema = %s AND table_name = %s",
        table.schema,
        table.name,
    )
    return _build_load(row) if row else None


def read_finished_load(connection: TargetConnection, table: TableName) -> TableLoad | None:
    """Read the load whose rows the table should hold, or None, also once a chunked load has emptied it."""
    load = read_effective_load(connection, table)
    return load if load is not None and load.status == "finished" else None


def read_finished_loads(connection: TargetConnection) -> dict[TableName, TableLoad]:
    """Of every table with rows that count, the load they are of."""
    rows = read(
        connection,
        f"SELECT {_COLUMNS} FROM blb_migration.effective_loads WHERE status = 'finished'",
    )
    return {load.table: load for load in map(_build_load, rows)}


def read_loads_of_run(connection: TargetConnection, run_id: str) -> tuple[TableLoad, ...]:
    """Every attempt of one run, in the order they began."""
    rows = read(
        connection,
        f"SELECT {_COLUMNS} FROM blb_migration.table_loads WHERE run_id = %s ORDER BY load_id",
        run_id,
    )
    return tuple(map(_build_load, rows))


def record_digest(connection: TargetConnection, load_id: int, digest: TableDigest) -> None:
    """Record what a load read, and forget what earlier loads of the same table did."""
    write(connection, _FORGET_OLDER_DIGESTS, load_id)
    copy_rows(
        connection,
        "COPY blb_migration.digest_buckets (load_id, bucket, row_count, sums) FROM STDIN",
        ((load_id, *filled) for filled in digest.filled_buckets()),
    )


def read_digest(connection: TargetConnection, load: TableLoad) -> TableDigest:
    """Return what the load recorded; empty if it read no rows."""
    return TableDigest.from_filled_buckets(
        read(
            connection,
            "SELECT bucket, row_count, sums FROM blb_migration.digest_buckets WHERE load_id = %s",
            load.load_id,
        ),
        load.hash_function,
    )


def lock_table_load(connection: TargetConnection, table: TableName) -> bool:
    """Take the right to load ``table`` until ``unlock_table_load``; False when another session has it.

    An advisory lock of the whole database: it stops this tool's other processes, not the
    application. It ends with its session, so a process that was killed leaves none behind. Raises TargetError
    for a table that does not exist.
    """
    with target_errors(f"table {table}"):
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s::int, %s::regclass::oid::int)",
            (LEDGER_LOCK_KEY, qualified_text(table)),
        ).fetchone()
    return bool(row and row[0])


def unlock_table_load(connection: TargetConnection, table: TableName) -> None:
    """Give back what ``lock_table_load`` took."""
    with target_errors(f"table {table}"):
        connection.execute(
            "SELECT pg_advisory_unlock(%s::int, %s::regclass::oid::int)",
            (LEDGER_LOCK_KEY, qualified_text(table)),
        )


def _build_load(row: Row) -> TableLoad:
    (load_id, run_id, schema, table, source_schema, source_table, status, started_at, finished_at) = row[:9]
    load_xid, error, chunk_count, resumed_from, source_id, hash_function = row[16:]
    return TableLoad(
        load_id,
        run_id,
        TableName(schema, table),
        TableName(source_schema, source_table),
        status,
        started_at,
        finished_at,
        LoadedTable(*row[9:16]) if status == "finished" else None,
        load_xid,
        error,
        chunk_count,
        resumed_from,
        source_id,
        HashFunction(hash_function),
    )
