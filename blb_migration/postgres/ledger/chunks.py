"""The ledger's rows of chunks: each is written, and set to finished, by one transaction. Loads nothing.

A chunk's row is locked by the transaction that loads it, from before its first row is sent until it commits.
So a process that is just dying cannot finish a chunk that another one loads.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg.types.json import Jsonb

from blb_migration.errors import TargetError
from blb_migration.postgres.binary.digest import TableDigest
from blb_migration.postgres.binary.hash_functions import CURRENT_HASH, HashFunction
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import LEDGER, copy_rows, read, read_one, write
from blb_migration.postgres.names import TargetConnection

_BUCKET = struct.Struct("<Hq16s")  # bucket, rows, sums


@dataclass(frozen=True)
class TableChunk:
    """One chunk of a chunked load; keys are the source's texts, None where it is open."""

    chunk_no: int
    first_key: str | None
    before_key: str | None
    is_finished: bool = False
    loaded_by: int | None = None
    rows_written: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    rows_decided: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedChunk:
    """What loading one chunk did. ``rows_decided`` counts the rows that each decision has changed."""

    rows_written: int
    bytes_read: int
    bytes_written: int
    rows_decided: Mapping[str, int]
    digest: TableDigest
    elapsed_seconds: float


def record_chunks(
    connection: TargetConnection, load_id: int, ends: Sequence[tuple[str | None, str | None]]
) -> None:
    """Record the chunks of a load as open, numbered from 1. Raises TargetError."""
    copy_rows(
        connection,
        "COPY blb_migration.table_chunks (load_id, chunk_no, first_key, before_key) FROM STDIN",
        ((load_id, number, *keys) for number, keys in enumerate(ends, start=1)),
    )


def read_chunks(connection: TargetConnection, load_id: int, *, locks: bool = False) -> tuple[TableChunk, ...]:
    """Read a load's chunks in their order; with ``locks``, after waiting for whoever is still loading one.

    Raises TargetError, transient when that takes longer than the session's lock_timeout.
    """
    rows = read(
        connection,
        "SELECT chunk_no, first_key, before_key, status = 'finished', loaded_by,"
        " coalesce(rows_written, 0), coalesce(bytes_read, 0), coalesce(bytes_written, 0),"
        " coalesce(rows_decided, '{}') FROM blb_migration.table_chunks WHERE load_id = %s"
        f" ORDER BY chunk_no{' FOR UPDATE' if locks else ''}",
        load_id,
    )
    return tuple(TableChunk(*row) for row in rows)


def lock_chunk(connection: TargetConnection, load_id: int, chunk_no: int) -> bool:
    """Lock a chunk for the open transaction, which will load it.

    Its commit need not wait for the disk: rows and this record are lost together if the server crashes, and
    the end of the load waits for all of them. False for a chunk that is finished. Raises TargetError when
    the load was taken over by another.
    """
    row = read_one(
        connection,
        "SELECT status, set_config('synchronous_commit', 'off', true) FROM blb_migration.table_chunks"
        " WHERE load_id = %s AND chunk_no = %s FOR UPDATE",
        load_id,
        chunk_no,
    )
    if row is None:
        raise TargetError(
            f"chunk {chunk_no} of load {load_id}",
            found="it is gone: another process took the table over",
            next_act="Wait for the other run to end",
        )
    return bool(row[0] == "open")


def finish_chunk(connection: TargetConnection, load_id: int, chunk_no: int, loaded: LoadedChunk) -> None:
    """Record a chunk as finished, in the transaction (and no savepoint) that wrote its rows.

    Raises TargetError when it was not open any more.
    """
    finished = write(
        connection,
        "UPDATE blb_migration.table_chunks SET status = 'finished', finished_at = clock_timestamp(),"
        " loaded_by = load_id, rows_written = %s, bytes_read = %s, bytes_written = %s,"
        " rows_decided = %s, digest = %s, elapsed_seconds = %s,"
        " load_xid = txid_current() %% 4294967296"
        " WHERE load_id = %s AND chunk_no = %s AND status = 'open'",
        loaded.rows_written,
        loaded.bytes_read,
        loaded.bytes_written,
        Jsonb(dict(loaded.rows_decided)),
        _pack(loaded.digest),
        loaded.elapsed_seconds,
        load_id,
        chunk_no,
    )
    if finished != 1:
        raise TargetError(f"chunk {chunk_no} of load {load_id}", found="it was finished by another process")


def read_merged_digest(
    connection: TargetConnection, load_id: int, function: HashFunction = CURRENT_HASH
) -> TableDigest:
    """Read the digest of all finished chunks together, whose load took ``function``. Raises TargetError."""
    merged = TableDigest(function)
    with target_errors(LEDGER), connection.cursor(name="blb_chunk_digests") as cursor:
        cursor.execute(
            "SELECT digest FROM blb_migration.table_chunks WHERE load_id = %s AND digest IS NOT NULL",
            (load_id,),
        )
        for (packed,) in cursor:
            merged.merge(TableDigest.from_filled_buckets(list(_BUCKET.iter_unpack(packed)), function))
    return merged


def forget_digests(connection: TargetConnection, load_id: int) -> None:
    """Drop the chunks' own digests, once that of the table is on record. Raises TargetError."""
    write(connection, "UPDATE blb_migration.table_chunks SET digest = NULL WHERE load_id = %s", load_id)


def forget_chunks_before(connection: TargetConnection, load_id: int) -> None:
    """Drop the chunks of the same table's earlier loads: none of their rows is left. Raises TargetError."""
    write(
        connection,
        "DELETE FROM blb_migration.table_chunks WHERE load_id IN ("
        " SELECT older.load_id FROM blb_migration.table_loads AS this"
        " JOIN blb_migration.table_loads AS older USING (table_schema, table_name)"
        " WHERE this.load_id = %s AND older.load_id < this.load_id)",
        load_id,
    )


def read_chunk_xids(connection: TargetConnection, load_id: int) -> tuple[list[int], int]:
    """Read the transaction ids (32 bits) of a load's finished chunks, and how many rows they wrote.

    Raises TargetError.
    """
    rows = read(
        connection,
        "SELECT load_xid, rows_written FROM blb_migration.table_chunks"
        " WHERE load_id = %s AND status = 'finished'",
        load_id,
    )
    return [xid for xid, _ in rows], sum(row_count for _, row_count in rows)


def _pack(digest: TableDigest) -> bytes:
    return b"".join(_BUCKET.pack(*bucket) for bucket in digest.filled_buckets())
