"""The ledger's record of what was read: the digest of each table's latest load. Computing is ``digest``'s.

Functions work in whatever transaction is open: a load's digest commits with its rows or not at all.
"""

from __future__ import annotations

from psycopg import sql

from blb_migration.postgres.binary.digest import TableDigest
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

_SUBJECT = "the target's ledger"

# Only the latest load of a table can ever be compared with what stands there.
_FORGET_OLDER = """
DELETE FROM blb_migration.digest_buckets WHERE load_id IN (
    SELECT older.load_id
    FROM blb_migration.table_loads AS this
    JOIN blb_migration.table_loads AS older USING (table_schema, table_name)
    WHERE this.load_id = %s AND older.load_id < this.load_id
)
"""


def record_digest(connection: TargetConnection, load_id: int, digest: TableDigest) -> None:
    """Record what a load read, and forget what earlier loads of the same table did. Raises TargetError."""
    with target_errors(_SUBJECT):
        connection.execute(_FORGET_OLDER, (load_id,))
        with connection.cursor() as cursor, cursor.copy(
            sql.SQL("COPY blb_migration.digest_buckets (load_id, bucket, row_count, sums) FROM STDIN")
        ) as copy:  # fmt: skip
            for bucket, row_count, sums in digest.filled_buckets():
                copy.write_row((load_id, bucket, row_count, sums))


def read_digest(connection: TargetConnection, load_id: int) -> TableDigest:
    """What the load recorded; empty if it read no rows. Raises TargetError."""
    with target_errors(_SUBJECT):
        rows = connection.execute(
            "SELECT bucket, row_count, sums FROM blb_migration.digest_buckets WHERE load_id = %s", (load_id,)
        ).fetchall()
    return TableDigest.from_filled_buckets(rows)
