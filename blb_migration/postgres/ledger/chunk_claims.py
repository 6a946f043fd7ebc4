"""Who reads which chunk: claimed from the ledger by as many processes as there are, wherever they run.

A claim is an advisory lock of the server, taken before a chunk is read and given back after its transaction.
It ends with its session, so a process that dies gives its chunk back at once, and a machine that is cut off
as soon as the server's keepalives notice. It only saves reading a chunk twice: that a chunk is written once
is the doing of its locked row and its status (``chunks``), whoever claims what.

Only while the process that has begun the load still holds the table is there anything to claim.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.chunks import TableChunk, read_chunks
from blb_migration.postgres.ledger.ledger_sql import LEDGER, read_one, write
from blb_migration.postgres.ledger.records import RunKind
from blb_migration.postgres.ledger.versions import LEDGER_LOCK_KEY, has_current_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.settings.environments import Environment

# Any constant will do as long as every version of this tool uses the same: "blbc" in ASCII.
CHUNK_LOCK_KEY = 0x626C6263

# Two chunks of one number are not loaded at once, which does no harm.
_KEY = "mod(load_id * 4096 + chunk_no, 2147483647)"
_OURS = """
l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
"""
_HOLDERS_OF_TABLE = f"""
SELECT FROM pg_catalog.pg_locks l
WHERE {_OURS} AND l.classid::bigint = %(table_lock)s
  AND l.objid::bigint = to_regclass(format('%%I.%%I', load.table_schema, load.table_name))::oid::bigint
"""
# OFFSET 0 keeps the order, so that locks are tried one by one until the first that is free.
_CLAIM = f"""
SELECT chunk_no, first_key, before_key FROM (
    SELECT load_id, chunk_no, first_key, before_key
    FROM blb_migration.table_chunks JOIN blb_migration.chunked_loads AS load USING (load_id)
    WHERE load_id = %(load_id)s AND status = 'open' AND chunk_no <> ALL (%(own)s::int[])
      AND EXISTS ({_HOLDERS_OF_TABLE})
    ORDER BY chunk_no OFFSET 0
) AS in_order
WHERE pg_catalog.pg_try_advisory_lock(%(lock)s::int, {_KEY}::int)
LIMIT 1
"""
_RELEASE = f"""
SELECT pg_catalog.pg_advisory_unlock(%s::int, {_KEY}::int)
FROM (VALUES (%s::bigint, %s::int)) AS claimed (load_id, chunk_no)
"""
_IS_OPEN = "SELECT status = 'open' FROM blb_migration.table_chunks WHERE load_id = %s AND chunk_no = %s"
_IS_UNCLAIMED = f"""
NOT EXISTS (SELECT FROM pg_catalog.pg_locks l
            WHERE {_OURS} AND l.classid::bigint = %(lock)s AND l.objid::bigint = {_KEY})
"""
_COUNT_OPEN = f"""
SELECT count(*), count(*) FILTER (WHERE {_IS_UNCLAIMED})
FROM blb_migration.table_chunks WHERE load_id = %(load_id)s AND status = 'open'
"""
_READ_LOADS_TO_HELP = f"""
SELECT load.load_id, load.table_schema, load.table_name, load.basis, run.run_id, run.kind, run.environment
FROM blb_migration.chunked_loads AS load
JOIN blb_migration.table_loads USING (load_id) JOIN blb_migration.runs AS run USING (run_id)
WHERE run.kind IN ('migration', 'rehearsal', 'cutover') AND EXISTS ({_HOLDERS_OF_TABLE})
  AND EXISTS (SELECT FROM blb_migration.table_chunks AS chunk
              WHERE chunk.load_id = load.load_id AND status = 'open'
                AND {_IS_UNCLAIMED.replace("load_id", "chunk.load_id")})
ORDER BY load.load_id
"""


@dataclass(frozen=True)
class OpenChunks:
    """How many chunks of a load are not finished, and how many of these nobody has claimed."""

    count: int
    unclaimed: int


@dataclass(frozen=True)
class LoadToHelp:
    """A chunked load that its process is at work on, with chunks that nobody has claimed, and its run."""

    load_id: int
    table: TableName
    basis: dict[str, Any]
    run_id: str
    kind: RunKind
    environment: Environment


def read_loads_to_help(connection: TargetConnection) -> list[LoadToHelp]:
    """Read the loads that another process can take chunks of; none where there is no ledger of this version.

    Raises TargetError.
    """
    if not has_current_ledger(connection):
        return []
    with target_errors(LEDGER):
        rows = connection.execute(
            _READ_LOADS_TO_HELP.encode(), {"lock": CHUNK_LOCK_KEY, "table_lock": LEDGER_LOCK_KEY}
        ).fetchall()
    return [LoadToHelp(load_id, TableName(schema, name), *others) for load_id, schema, name, *others in rows]


class ChunkClaims:
    """One process's claims of the chunks of one load, all in one session; its threads share it.

    The session is in no transaction meanwhile, and ends where the load fails: it may hold claims then.
    Methods raise TargetError.
    """

    def __init__(self, connection: TargetConnection, load_id: int) -> None:
        self._connection = connection
        self._load_id = load_id
        self._lock = threading.Lock()
        self._own: set[int] = set()  # a session is given its own locks as often as it asks

    def claim(self) -> TableChunk | None:
        """Claim the first open chunk that nobody has; None when there is none now, or the load has ended."""
        with self._lock:
            while True:
                with target_errors(LEDGER):
                    row = self._connection.execute(
                        _CLAIM.encode(),
                        {
                            "load_id": self._load_id,
                            "own": list(self._own),
                            "lock": CHUNK_LOCK_KEY,
                            "table_lock": LEDGER_LOCK_KEY,
                        },
                    ).fetchone()
                if row is None:
                    return None
                self._own.add(row[0])
                # Asked apart: the statement above may have seen the chunk as it was before it was locked.
                still = read_one(self._connection, _IS_OPEN, self._load_id, row[0])
                if still is not None and still[0]:
                    return TableChunk(*row)
                self._release(row[0])

    def release(self, chunk_no: int) -> None:
        """Give a chunk back, once its transaction has ended."""
        with self._lock:
            self._release(chunk_no)

    def count_open(self) -> OpenChunks:
        """Count what is not finished, and what of it is to be had."""
        values = {"lock": CHUNK_LOCK_KEY, "load_id": self._load_id}
        with target_errors(LEDGER):
            row = self._connection.execute(_COUNT_OPEN.encode(), values).fetchone()
        return OpenChunks(*row) if row else OpenChunks(0, 0)

    def read_finished(self, but: Iterable[int]) -> list[TableChunk]:
        """Read the finished chunks other than ``but``."""
        known = set(but)
        chunks = read_chunks(self._connection, self._load_id)
        return [each for each in chunks if each.is_finished and each.chunk_no not in known]

    def _release(self, chunk_no: int) -> None:
        if chunk_no in self._own:
            write(self._connection, _RELEASE, CHUNK_LOCK_KEY, self._load_id, chunk_no)
            self._own.discard(chunk_no)
